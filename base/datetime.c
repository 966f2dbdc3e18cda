#include "base/datetime.h"

#include "base/check.h"
#include "base/dtoa.h"
#include "base/tz.h"

/* The days of LocalDate.MIN and MAX; days beyond saturate, so that no arithmetic below can overflow. */
#define DAYS_MIN INT64_C(-365243219162)
#define DAYS_MAX INT64_C(365241780471)

int datetime_month_days(int64_t year, int month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    check(month >= 1 && month <= 12);
    return month == 2 && datetime_is_leap(year) ? 29 : days[month - 1];
}

/* Years are counted from March, in eras of 400 years, so that the leap day is the last of its year. */
int64_t datetime_days(int64_t year, int month, int day)
{
    check(month >= 1 && month <= 12);
    year -= month <= 2;
    int64_t era = datetime_floor_div(year, 400);
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

civil datetime_civil(int64_t days)
{
    days = days < DAYS_MIN ? DAYS_MIN : days > DAYS_MAX ? DAYS_MAX : days;
    days += 719468;
    int64_t era = datetime_floor_div(days, 146097);
    uint32_t of_era = (uint32_t)(days - era * 146097);
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153;
    civil c = {.day = (int)(of_year - (153 * month + 2) / 5 + 1)};
    c.month = (int)(month < 10 ? month + 3 : month - 9);
    c.year = era * 400 + year + (c.month <= 2);
    return c;
}

int datetime_weekday(int64_t days)
{
    return (int)datetime_floor_mod(days % 7 + 3, 7) + 1;
}

int datetime_day_of_year(civil c)
{
    return (int)(datetime_days(c.year, c.month, c.day) - datetime_days(c.year, 1, 1)) + 1;
}

int64_t datetime_add_months(int64_t days, int64_t months)
{
    civil c = datetime_civil(days);
    int64_t total;
    /* Months that leave the range of int64 lead to the end of the calendar. */
    if (__builtin_add_overflow(c.year * 12 + c.month - 1, months, &total)) return months < 0 ? DAYS_MIN : DAYS_MAX;
    if (total > INT64_C(12000000000) || total < INT64_C(-12000000000)) return months < 0 ? DAYS_MIN : DAYS_MAX;
    int64_t year = datetime_floor_div(total, 12);
    int month = (int)datetime_floor_mod(total, 12) + 1;
    int last = datetime_month_days(year, month);
    return datetime_days(year, month, c.day < last ? c.day : last);
}

/* ---- text ---- */

static inline char *put2(char *p, int v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

/* At least four digits; more get a plus sign in front (SignStyle.EXCEEDS_PAD). */
static char *put_year(char *p, int64_t year)
{
    if (year >= 0 && year <= 9999) {
        p = put2(p, (int)year / 100);
        return put2(p, (int)year % 100);
    }
    *p++ = year < 0 ? '-' : '+';
    int64_t y = year < 0 ? -year : year;
    for (int64_t limit = 1000; y < limit && limit > 1; limit /= 10) *p++ = '0';
    return p + itoa_i64(y, p);
}

size_t datetime_format_date(int64_t days, char out[DATETIME_TEXT_MAX])
{
    civil c = datetime_civil(days);
    char *p = put_year(out, c.year);
    *p++ = '-';
    p = put2(p, c.month);
    *p++ = '-';
    return (size_t)(put2(p, c.day) - out);
}

size_t datetime_format_timestamp(int64_t ms, char out[DATETIME_TEXT_MAX])
{
    int64_t days = datetime_floor_div(ms, DATETIME_DAY_MS);
    int rest = (int)datetime_floor_mod(ms, DATETIME_DAY_MS);
    civil c = datetime_civil(days);
    /* The pattern's y is the year of the era: 1 BC prints as 0001. */
    char *p = put_year(out, c.year > 0 ? c.year : 1 - c.year);
    *p++ = '-';
    p = put2(p, c.month);
    *p++ = '-';
    p = put2(p, c.day);
    *p++ = 'T';
    p = put2(p, rest / 3600000);
    *p++ = ':';
    p = put2(p, rest / 60000 % 60);
    *p++ = ':';
    p = put2(p, rest / 1000 % 60);
    *p++ = '.';
    *p++ = (char)('0' + rest / 100 % 10);
    return (size_t)(put2(p, rest % 100) - out);
}

size_t datetime_format_time(int64_t ms, char out[DATETIME_TEXT_MAX])
{
    int s = (int)(datetime_floor_mod(ms, DATETIME_DAY_MS) / 1000);
    char *p = put2(out, s / 3600);
    *p++ = ':';
    p = put2(p, s / 60 % 60);
    if (s % 60 != 0) {
        *p++ = ':';
        p = put2(p, s % 60);
    }
    return (size_t)(p - out);
}

/* ---- reading: a cursor over one text, with the place of the fault ---- */

typedef struct text {
    const char *start, *p, *end;
} text;

static bool take(text *t, char c)
{
    if (t->p >= t->end || *t->p != c) return false;
    t->p++;
    return true;
}

/* Exactly n digits. */
static bool take_digits(text *t, int n, int *out)
{
    int v = 0;
    if (t->end - t->p < n) return false;
    for (int i = 0; i < n; i++) {
        unsigned digit = (unsigned char)(t->p[i] - '0');
        if (digit > 9) return false;
        v = v * 10 + (int)digit;
    }
    t->p += n;
    *out = v;
    return true;
}

/* Four digits, or more behind a sign (EXCEEDS_PAD, strict). */
static bool take_year(text *t, bool minus_allowed, int64_t *out)
{
    const char *start = t->p;
    bool plus = take(t, '+'), minus = !plus && minus_allowed && take(t, '-');
    const char *digits = t->p;
    int64_t v = 0;
    while (t->p < t->end && (unsigned char)(*t->p - '0') <= 9 && t->p - digits < 10) v = v * 10 + (*t->p++ - '0');
    ptrdiff_t n = t->p - digits;
    if (n < 4 || (plus && n == 4) || (!plus && !minus && n > 4) || (minus && v == 0)) {
        t->p = start;
        return false;
    }
    *out = minus ? -v : v;
    return true;
}

static bool fail_range(diag *d, const char *field, int low, int high, int64_t v)
{
    return diag_set(d, DIAG_INVALID, "Invalid value for %s (valid values %d - %d): %lld", field, low, high,
                    (long long)v);
}

static bool fail_at(diag *d, const text *t)
{
    if (t->p < t->end || t->end == t->start)
        return diag_set(d, DIAG_INVALID, "Text could not be parsed at index %td", t->p - t->start);
    return diag_set(d, DIAG_INVALID, "Text could not be parsed, it ends at index %td", t->p - t->start);
}

/* -MM-dd behind the year. `clip` moves days behind the month's end to it (ResolverStyle.SMART), else they fail. */
static bool take_month_day(text *t, int64_t year, bool clip, int64_t *days, diag *d)
{
    int month, day;
    if (!take(t, '-') || !take_digits(t, 2, &month) || !take(t, '-') || !take_digits(t, 2, &day)) return fail_at(d, t);
    if (month < 1 || month > 12) return fail_range(d, "MonthOfYear", 1, 12, month);
    if (day < 1 || day > 31) return fail_range(d, "DayOfMonth", 1, 31, day);
    int last = datetime_month_days(year, month);
    if (day > last && !clip) return diag_set(d, DIAG_INVALID, "Invalid date: day %d of month %d", day, month);
    *days = datetime_days(year, month, day < last ? day : last);
    return true;
}

/* KSQL's texts of an error: what was read, the reason, and the forms that can be read. */
static bool explain(diag *d, const diag *reason, const char *kind, str s, const char *help)
{
    int n = s.n > 200 ? 200 : (int)s.n;
    return diag_set(d, DIAG_INVALID, "Failed to parse %s '%.*s': %s\n%s", kind, n, s.p, reason->text, help);
}

bool datetime_parse_date(str s, int64_t *days, diag *d)
{
    diag reason;
    diag_clear(&reason);
    text t = {s.p, s.p, s.p + s.n};
    int64_t year, v;
    bool ok;
    if (take_year(&t, true, &year)) {
        bool has_month = t.end - t.p > 0, has_day = t.end - t.p > 3;
        char full[32];
        if (year < 0 && !has_day) {
            ok = fail_at(&reason, &t); /* KSQL completes by counting dashes, which a sign upsets */
        } else if (has_day) {
            ok = take_month_day(&t, year, false, &v, &reason) && (t.p == t.end || fail_at(&reason, &t));
        } else if (year > 999999999 || year < -999999999) {
            ok = diag_set(&reason, DIAG_INVALID, "the year is out of range");
        } else {
            /* completeDate: what is missing is the first of the year or the month. */
            size_t n = (size_t)(t.end - t.p);
            memcpy(full, t.p, n);
            memcpy(full + n, has_month ? "-01" : "-01-01", has_month ? 3 : 6);
            text rest = {full, full, full + n + (has_month ? 3 : 6)};
            ok = take_month_day(&rest, year, false, &v, &reason) && (rest.p == rest.end || fail_at(&reason, &rest));
        }
        if (ok && (year > 999999999 || year < -999999999))
            ok = diag_set(&reason, DIAG_INVALID, "the year is out of range");
    } else {
        ok = fail_at(&reason, &t);
    }
    if (!ok)
        return explain(d, &reason, "date", s,
                       "Required format is: \"yyyy-MM-dd\", for example '2020-05-26'. Partials are also supported, for "
                       "example '2020-05'");
    *days = v;
    return true;
}

/* HH:mm[:ss[.fraction]] */
static bool read_time(text *t, int64_t *ms, diag *d)
{
    int hour, minute, second = 0, fraction = 0;
    if (!take_digits(t, 2, &hour) || !take(t, ':') || !take_digits(t, 2, &minute)) return fail_at(d, t);
    if (t->p < t->end) {
        if (!take(t, ':') || !take_digits(t, 2, &second)) return fail_at(d, t);
        if (take(t, '.')) {
            int digits = 0;
            for (; t->p < t->end && digits < 9 && (unsigned char)(*t->p - '0') <= 9; t->p++, digits++)
                if (digits < 3) fraction = fraction * 10 + (*t->p - '0');
            for (; digits < 3; digits++) fraction *= 10;
        }
        if (t->p < t->end) return fail_at(d, t);
    }
    if (hour > 23) return fail_range(d, "HourOfDay", 0, 23, hour);
    if (minute > 59) return fail_range(d, "MinuteOfHour", 0, 59, minute);
    if (second > 59) return fail_range(d, "SecondOfMinute", 0, 59, second);
    *ms = ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + fraction;
    return true;
}

bool datetime_parse_time(str s, int64_t *ms, diag *d)
{
    diag reason;
    diag_clear(&reason);
    text t = {s.p, s.p, s.p + s.n};
    if (read_time(&t, ms, &reason)) return true;
    return explain(d, &reason, "time", s,
                   "Required format is: \"HH:mm:ss.SSS\", for example: '01:34:20.123' or '01:34:20'. Partials are also "
                   "supported, for example '01:34'");
}

/*
 * The time of day behind the 'T'. What is missing of HH:mm:ss.SSS is filled with zeros character by character, so that
 * "1" is ten o'clock, as PartialStringToTimestampParser does it. 24:00 is the end of the day.
 */
static bool read_clock(str clock, int64_t *ms, diag *d)
{
    char full[12] = {'0', '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0'};
    int hour, minute, second, fraction;
    if (clock.n > sizeof full) return diag_set(d, DIAG_INVALID, "Text could not be parsed, unparsed text found");
    if (clock.n > 0) memcpy(full, clock.p, clock.n);
    text t = {full, full, full + sizeof full};
    if (!take_digits(&t, 2, &hour) || !take(&t, ':') || !take_digits(&t, 2, &minute) || !take(&t, ':') ||
        !take_digits(&t, 2, &second) || !take(&t, '.') || !take_digits(&t, 3, &fraction))
        return fail_at(d, &t);
    bool midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
    if (hour > 23 && !midnight) return fail_range(d, "HourOfDay", 0, 23, hour);
    if (minute > 59) return fail_range(d, "MinuteOfHour", 0, 59, minute);
    if (second > 59) return fail_range(d, "SecondOfMinute", 0, 59, second);
    *ms = ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + fraction;
    return true;
}

static bool read_timestamp(str s, int64_t *ms, diag *d)
{
    const char *mark = s.n ? memchr(s.p, 'T', s.n) : NULL;
    text t = {s.p, s.p, mark ? mark : s.p + s.n};
    int64_t year, days, clock = 0;
    int32_t offset = 0;
    if (!take_year(&t, false, &year) || year == 0) return fail_at(d, &t);
    if (mark || t.end - t.p > 3) {
        if (!take_month_day(&t, year, true, &days, d)) return false;
        if (t.p < t.end) return fail_at(d, &t);
    } else {
        char full[8] = "-01-01";
        size_t n = (size_t)(t.end - t.p);
        if (n > 0 && n != 3) return fail_at(d, &t);
        memcpy(full, t.p, n);
        text rest = {full, full, full + 6};
        if (!take_month_day(&rest, year, true, &days, d)) return false;
    }
    if (mark) {
        str behind = str_of(mark + 1, (size_t)(s.p + s.n - mark - 1));
        const char *sign = behind.n ? memchr(behind.p, '+', behind.n) : NULL;
        if (!sign && behind.n) sign = memchr(behind.p, '-', behind.n);
        str zone = sign ? str_of(sign, (size_t)(behind.p + behind.n - sign)) : STR("");
        behind.n -= zone.n;
        if (behind.n > 0 && behind.p[behind.n - 1] == 'Z') behind.n--;
        if (!read_clock(behind, &clock, d)) return false;
        const tz *z = zone.n ? tz_find(zone, d) : tz_utc();
        if (!z) return false;
        offset = tz_offset(z, 0);
    }
    if (days > DAYS_MAX || year > 999999999) return diag_set(d, DIAG_INVALID, "the year is out of range");
    int64_t seconds_ms = clock - (int64_t)offset * 1000;
    if (__builtin_mul_overflow(days, DATETIME_DAY_MS, &days) || __builtin_add_overflow(days, seconds_ms, ms))
        return diag_set(d, DIAG_INVALID, "the instant does not fit 64 bits of milliseconds");
    return true;
}

bool datetime_parse_timestamp(str s, int64_t *ms, diag *d)
{
    diag reason;
    diag_clear(&reason);
    if (read_timestamp(s, ms, &reason)) return true;
    return explain(
        d, &reason, "timestamp", s,
        "Required format is: \"yyyy-MM-dd'T'HH:mm:ss.SSS\", with an optional numeric 4-digit timezone, for "
        "example: '2020-05-26T23:59:58.000' or with tz: '2020-05-26T23:59:58.000+0200'. A trailing 'Z' "
        "instead of tz indicates the zero UTC offset. Partials are also supported, for example \"2020-05-26\"");
}
