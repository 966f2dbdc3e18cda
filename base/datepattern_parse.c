/*
 * Parsing: the steps collect fields from the text (DateTimeFormatterBuilder's parsers, strict, case-insensitive), then
 * they are resolved (java.time.format.Parsed, ResolverStyle.SMART) and completed as KSQL does it.
 */
#include <strings.h>

#include "base/check.h"
#include "base/datepattern_impl.h"
#include "base/datetime.h"

/* The fields found, and after resolve() the date and the time that they make. */
typedef struct parsed {
    const char *start, *p, *end;
    uint32_t has; /* one bit a field */
    int64_t value[FIELD_COUNT];
    const tz *zone;
    bool has_date, has_time;
    int64_t days, nano_of_day;
    civil date; /* of days */
} parsed;

#define BIT(f) (UINT32_C(1) << (f))
#define HAS(ps, f) (((ps)->has & BIT(f)) != 0)

/* Sets a field; a second, different value is a fault of the text. */
static bool set_field(parsed *ps, field f, int64_t v)
{
    if (HAS(ps, f) && ps->value[f] != v) return false;
    ps->has |= BIT(f);
    ps->value[f] = v;
    return true;
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* ---- the parsers; each returns false and leaves p where it was when its text is not there ---- */

static bool parse_number(parsed *ps, const step *s)
{
    const char *p = ps->p;
    if (p >= ps->end) return false;
    bool plus = *p == '+', minus = *p == '-';
    if ((plus && s->sign != SIGN_EXCEEDS_PAD) || (minus && s->sign == SIGN_NEVER)) return false;
    if (plus || minus) p++;
    int most = s->max + s->subsequent;
    const char *q = p;
    while (q < ps->end && q - p < most && is_digit(*q)) q++;
    if (s->subsequent > 0) {
        /* What follows directly has fixed widths: they come off the end, but never from the least width. */
        ptrdiff_t n = q - p - s->subsequent;
        if (n < s->min) n = s->min;
        if (q - p > n) q = p + n;
    }
    ptrdiff_t n = q - p;
    if (n < s->min || n == 0 || n > 19) return false;
    int64_t v = 0;
    for (const char *c = p; c < q; c++)
        if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_add_overflow(v, (int64_t)(*c - '0'), &v))
            return false;
    if (minus && v == 0) return false;
    if (!minus && s->sign == SIGN_EXCEEDS_PAD && (plus ? n <= s->min : n > s->min)) return false;
    if (s->kind == STEP_TWO_DIGIT_YEAR) v += 2000;
    if (!set_field(ps, s->field, minus ? -v : v)) return false;
    ps->p = q;
    return true;
}

static bool parse_fraction(parsed *ps, const step *s)
{
    int64_t v = 0;
    if (ps->end - ps->p < s->min) return false;
    for (int i = 0; i < 9; i++) {
        if (i < s->max && !is_digit(ps->p[i])) return false;
        v = v * 10 + (i < s->max ? ps->p[i] - '0' : 0);
    }
    if (!set_field(ps, FIELD_NANO, v)) return false;
    ps->p += s->max;
    return true;
}

static bool starts_with(const parsed *ps, const char *text, size_t n)
{
    return (size_t)(ps->end - ps->p) >= n && strncasecmp(ps->p, text, n) == 0;
}

static bool parse_text(parsed *ps, const step *s)
{
    int64_t best = 0;
    size_t length = 0;
    /* KSQL parses with Locale.ROOT, where full names are the short ones; both are taken here, the longer first. */
    for (int style = TEXT_FULL; style >= TEXT_SHORT && length == 0; style--) {
        if (s->style == TEXT_SHORT && style == TEXT_FULL) continue;
        for (int64_t v = 0; v <= 12; v++) {
            const char *text = datepattern_text(s->field, (text_style)style, v);
            size_t n = text ? strlen(text) : 0;
            if (n <= length || !starts_with(ps, text, n)) continue;
            best = v;
            length = n;
        }
    }
    if (length == 0 || !set_field(ps, s->field, best)) return false;
    ps->p += length;
    return true;
}

static bool two_digits(const char **p, const char *end, int32_t *v)
{
    if (end - *p < 2 || !is_digit((*p)[0]) || !is_digit((*p)[1])) return false;
    *v = ((*p)[0] - '0') * 10 + ((*p)[1] - '0');
    *p += 2;
    return true;
}

/* An optional or required part of an offset behind its hours. */
static bool offset_part(const char **p, const char *end, bool colon, bool required, int32_t *v)
{
    const char *q = *p;
    bool there = (!colon || (q < end && *q++ == ':')) && two_digits(&q, end, v);
    if (there)
        *p = q;
    else
        *v = 0;
    return there || !required;
}

/* A signed offset in one of Java's forms (0 to 8); moves *p behind it. */
static bool read_offset(const char **p, const char *end, int form, int32_t *seconds)
{
    const char *q = *p;
    int32_t h, m = 0, s = 0;
    if (q >= end || (*q != '+' && *q != '-')) return false;
    bool minus = *q++ == '-', colon = form > 0 && form % 2 == 0;
    if (!two_digits(&q, end, &h)) return false;
    if (form >= 1 && !offset_part(&q, end, colon, form >= 3, &m)) return false;
    if (form >= 5 && !offset_part(&q, end, colon, form >= 7, &s)) return false;
    if (h > 18 || m > 59 || s > 59 || h * 3600 + m * 60 + s > 18 * 3600) return false;
    *seconds = (h * 3600 + m * 60 + s) * (minus ? -1 : 1);
    *p = q;
    return true;
}

static bool parse_offset(parsed *ps, const step *s)
{
    const char *p = ps->p;
    int32_t seconds = 0;
    if (starts_with(ps, s->text.p, s->text.n))
        p += s->text.n;
    else if (!read_offset(&p, ps->end, s->offset_form, &seconds))
        return false;
    if (!set_field(ps, FIELD_OFFSET, seconds)) return false;
    ps->p = p;
    return true;
}

static bool parse_local_offset(parsed *ps, const step *s)
{
    if (!starts_with(ps, "GMT", 3)) return false;
    const char *p = ps->p + 3;
    int32_t h = 0, m = 0, sec = 0;
    bool minus = false;
    if (p < ps->end && (*p == '+' || *p == '-')) {
        minus = *p++ == '-';
        if (!two_digits(&p, ps->end, &h)) {
            if (s->style == TEXT_FULL || p >= ps->end || !is_digit(*p)) return false;
            h = *p++ - '0';
        }
        if (!offset_part(&p, ps->end, true, s->style == TEXT_FULL, &m)) return false;
        offset_part(&p, ps->end, true, false, &sec);
    }
    int32_t seconds = h * 3600 + m * 60 + sec;
    if (m > 59 || sec > 59 || seconds > 18 * 3600 || !set_field(ps, FIELD_OFFSET, minus ? -seconds : seconds))
        return false;
    ps->p = p;
    return true;
}

/* A zone id at p: the longest run of its characters that names one. */
static const tz *zone_id_at(const parsed *ps, size_t *length)
{
    static const char *prefixes[] = {"UTC", "GMT", "UT"};
    const char *p = ps->p;
    int32_t seconds = 0;
    diag d;
    diag_clear(&d);
    if (read_offset(&p, ps->end, 6, &seconds) || (p = ps->p, read_offset(&p, ps->end, 2, &seconds))) {
        *length = (size_t)(p - ps->p);
        return tz_fixed(seconds);
    }
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        if (!starts_with(ps, prefixes[i], n)) continue;
        p = ps->p + n;
        if (p < ps->end && is_digit(*p)) continue; /* GMT0 is a region */
        char id[32];
        memcpy(id, prefixes[i], n);
        if (read_offset(&p, ps->end, 6, &seconds)) memcpy(id + n, ps->p + n, (size_t)(p - ps->p) - n);
        *length = (size_t)(p - ps->p);
        return tz_find(str_of(id, *length), &d);
    }
    size_t run = 0;
    for (; ps->p + run < ps->end && run < 50; run++) {
        char c = ps->p[run], low = (char)(c | 32);
        if (!(low >= 'a' && low <= 'z') && !(run > 0 && (is_digit(c) || (c && strchr("~/._+-", c))))) break;
    }
    for (; run > 0; run--) {
        diag_clear(&d);
        const tz *z = tz_find(str_of(ps->p, run), &d);
        if (!z) continue;
        *length = run;
        return z;
    }
    return NULL;
}

static bool parse_zone(parsed *ps, const step *s)
{
    size_t length = 0, named = 0;
    const tz *zone = NULL;
    if (s->kind == STEP_ZONE_NAME) zone = datepattern_zone_of_name(str_of(ps->p, (size_t)(ps->end - ps->p)), &named);
    const tz *by_id = zone_id_at(ps, &length);
    if (by_id && (!zone || length > named)) {
        zone = by_id;
        named = length;
    }
    if (!zone || named == 0) return false;
    ps->zone = zone;
    ps->p += named;
    return true;
}

static bool parse_step(parsed *ps, const step *s)
{
    switch (s->kind) {
    case STEP_NUMBER:
    case STEP_TWO_DIGIT_YEAR: return parse_number(ps, s);
    case STEP_FRACTION: return parse_fraction(ps, s);
    case STEP_TEXT: return parse_text(ps, s);
    case STEP_OFFSET: return parse_offset(ps, s);
    case STEP_LOCAL_OFFSET: return parse_local_offset(ps, s);
    case STEP_ZONE_ID:
    case STEP_ZONE_NAME: return parse_zone(ps, s);
    case STEP_LITERAL:
        if (!starts_with(ps, s->text.p, s->text.n)) return false;
        ps->p += s->text.n;
        return true;
    case STEP_OPTIONAL: break;
    }
    check_unreachable();
}

/* A padded step has exactly its width, with blanks in front. */
static bool parse_padded(parsed *ps, const step *s)
{
    const char *end = ps->end;
    if (end - ps->p < s->pad) return false;
    ps->end = ps->p + s->pad;
    while (ps->p < ps->end && *ps->p == ' ') ps->p++;
    bool ok = parse_step(ps, s) && ps->p == ps->end;
    ps->end = end;
    return ok;
}

static bool parse_steps(parsed *ps, const datepattern *p, int from, int to)
{
    for (int i = from; i < to; i++) {
        const step *s = &p->steps[i];
        if (s->kind == STEP_OPTIONAL) {
            parsed before = *ps;
            if (!parse_steps(ps, p, i + 1, s->end)) *ps = before;
            i = s->end - 1;
        } else if (!(s->pad > 0 ? parse_padded(ps, s) : parse_step(ps, s))) {
            return false;
        }
    }
    return true;
}

/* ---- resolving ---- */

static bool in_range(const parsed *ps, field f, diag *d)
{
    const field_info *i = &datepattern_fields[f];
    if (!HAS(ps, f) || (ps->value[f] >= i->low && ps->value[f] <= i->high)) return true;
    return diag_set(d, DIAG_INVALID, "Invalid value for %s (valid values %lld - %lld): %lld", i->name,
                    (long long)i->low, (long long)i->high, (long long)ps->value[f]);
}

static bool conflict(field f, int64_t v, diag *d)
{
    return diag_set(d, DIAG_INVALID, "Conflict found: %s %lld differs from another field", datepattern_fields[f].name,
                    (long long)v);
}

static void drop(parsed *ps, field f)
{
    ps->has &= ~BIT(f);
}

/* Replaces fields by what they mean: put f with the value and check it against what is there. */
static bool derive(parsed *ps, field f, int64_t v, diag *d)
{
    return set_field(ps, f, v) ? in_range(ps, f, d) : conflict(f, v, d);
}

static bool resolve_year(parsed *ps, diag *d)
{
    if (!HAS(ps, FIELD_YEAR_OF_ERA)) return true;
    if (!in_range(ps, FIELD_YEAR_OF_ERA, d) || !in_range(ps, FIELD_ERA, d)) return false;
    int64_t v = ps->value[FIELD_YEAR_OF_ERA];
    bool before = HAS(ps, FIELD_ERA) && ps->value[FIELD_ERA] == 0;
    drop(ps, FIELD_YEAR_OF_ERA);
    drop(ps, FIELD_ERA);
    return derive(ps, FIELD_YEAR, before ? 1 - v : v, d);
}

static void set_date(parsed *ps, int64_t days)
{
    ps->has_date = true;
    ps->days = days;
    ps->date = datetime_civil(days);
}

/* What is still there besides the date must agree with it. */
static bool check_date(const parsed *ps, diag *d)
{
    int64_t first = datetime_days(ps->date.year, 1, 1), v[FIELD_COUNT];
    v[FIELD_ERA] = ps->date.year > 0;
    v[FIELD_YEAR] = ps->date.year;
    v[FIELD_QUARTER] = (ps->date.month + 2) / 3;
    v[FIELD_MONTH] = ps->date.month;
    v[FIELD_WEEKDAY] = datetime_weekday(ps->days);
    v[FIELD_ALIGNED_WEEKDAY] = (ps->date.day - 1) % 7 + 1;
    v[FIELD_DAY] = ps->date.day;
    v[FIELD_DAY_OF_YEAR] = ps->days - first + 1;
    v[FIELD_JULIAN_DAY] = ps->days + 40587;
    static const field checked[] = {FIELD_ERA,   FIELD_YEAR,        FIELD_QUARTER,
                                    FIELD_MONTH, FIELD_WEEKDAY,     FIELD_ALIGNED_WEEKDAY,
                                    FIELD_DAY,   FIELD_DAY_OF_YEAR, FIELD_JULIAN_DAY};
    for (size_t i = 0; i < ARRAY_LEN(checked); i++)
        if (HAS(ps, checked[i]) && ps->value[checked[i]] != v[checked[i]])
            return conflict(checked[i], ps->value[checked[i]], d);
    return true;
}

/* Week-based year, week and weekday; weeks begin on Sunday, the first is that of the 1st of January. */
static int64_t days_of_week(const parsed *ps)
{
    int64_t first = datetime_days(ps->value[FIELD_WEEK_YEAR], 1, 1);
    int64_t sunday = first - datetime_weekday(first) % 7;
    return sunday + (ps->value[FIELD_WEEK] - 1) * 7 + ps->value[FIELD_WEEKDAY] % 7;
}

static bool resolve_date(parsed *ps, diag *d)
{
    /* Quarters and weeks are checked only where they are used. */
    const uint32_t unchecked = BIT(FIELD_QUARTER) | BIT(FIELD_WEEK_YEAR) | BIT(FIELD_WEEK) | BIT(FIELD_WEEK_OF_MONTH);
    for (field f = FIELD_ERA; f <= FIELD_JULIAN_DAY; f++)
        if (!(unchecked & BIT(f)) && !in_range(ps, f, d)) return false;
    if (HAS(ps, FIELD_LOCAL_WEEKDAY)) {
        int64_t v = (ps->value[FIELD_LOCAL_WEEKDAY] + 5) % 7 + 1;
        drop(ps, FIELD_LOCAL_WEEKDAY);
        if (!derive(ps, FIELD_WEEKDAY, v, d)) return false;
    }
    if (!resolve_year(ps, d)) return false;
    if (HAS(ps, FIELD_JULIAN_DAY)) {
        set_date(ps, ps->value[FIELD_JULIAN_DAY] - 40587);
    } else if (HAS(ps, FIELD_WEEK_YEAR) && HAS(ps, FIELD_WEEK) && HAS(ps, FIELD_WEEKDAY)) {
        if (!in_range(ps, FIELD_WEEK_YEAR, d) || !in_range(ps, FIELD_WEEK, d)) return false;
        set_date(ps, days_of_week(ps));
    } else if (HAS(ps, FIELD_YEAR) && HAS(ps, FIELD_MONTH) && HAS(ps, FIELD_DAY)) {
        /* A day behind the month's end is its last: SMART. */
        int month = (int)ps->value[FIELD_MONTH], last = datetime_month_days(ps->value[FIELD_YEAR], month);
        int64_t day = ps->value[FIELD_DAY] < last ? ps->value[FIELD_DAY] : last;
        set_date(ps, datetime_days(ps->value[FIELD_YEAR], month, (int)day));
        drop(ps, FIELD_DAY);
    } else if (HAS(ps, FIELD_YEAR) && HAS(ps, FIELD_DAY_OF_YEAR)) {
        int64_t year = ps->value[FIELD_YEAR], day = ps->value[FIELD_DAY_OF_YEAR];
        if (day == 366 && !datetime_is_leap(year))
            return diag_set(d, DIAG_INVALID, "Invalid date 'DayOfYear 366' as '%lld' is not a leap year",
                            (long long)year);
        set_date(ps, datetime_days(year, 1, 1) + day - 1);
    }
    return !ps->has_date || check_date(ps, d);
}

/* 0 and 12 are both the first hour of a half day, 0 and 24 of a day, when they are read leniently (SMART). */
static bool resolve_clock_hours(parsed *ps, diag *d)
{
    static const struct {
        field clock, hour;
        int64_t full;
    } pairs[] = {{FIELD_CLOCK_HOUR, FIELD_HOUR, 24}, {FIELD_CLOCK_HOUR_OF_AMPM, FIELD_HOUR_OF_AMPM, 12}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (!HAS(ps, pairs[i].clock)) continue;
        int64_t v = ps->value[pairs[i].clock];
        if (v != 0 && !in_range(ps, pairs[i].clock, d)) return false;
        drop(ps, pairs[i].clock);
        if (!derive(ps, pairs[i].hour, v == pairs[i].full ? 0 : v, d)) return false;
    }
    if (HAS(ps, FIELD_AMPM) && HAS(ps, FIELD_HOUR_OF_AMPM)) {
        int64_t v = ps->value[FIELD_AMPM] * 12 + ps->value[FIELD_HOUR_OF_AMPM];
        if (!in_range(ps, FIELD_AMPM, d) || !in_range(ps, FIELD_HOUR_OF_AMPM, d)) return false;
        drop(ps, FIELD_AMPM);
        drop(ps, FIELD_HOUR_OF_AMPM);
        return derive(ps, FIELD_HOUR, v, d);
    }
    return true;
}

static bool split_of_day(parsed *ps, field f, int64_t nanos, diag *d)
{
    if (!in_range(ps, f, d)) return false;
    drop(ps, f);
    int64_t second = nanos / 1000000000;
    return derive(ps, FIELD_HOUR, second / 3600, d) && derive(ps, FIELD_MINUTE, second / 60 % 60, d) &&
           derive(ps, FIELD_SECOND, second % 60, d) && derive(ps, FIELD_NANO, nanos % 1000000000, d);
}

static bool resolve_time(parsed *ps, diag *d)
{
    if (!resolve_clock_hours(ps, d)) return false;
    if (HAS(ps, FIELD_NANO_OF_DAY) && !split_of_day(ps, FIELD_NANO_OF_DAY, ps->value[FIELD_NANO_OF_DAY], d))
        return false;
    if (HAS(ps, FIELD_MILLI_OF_DAY) &&
        (!in_range(ps, FIELD_MILLI_OF_DAY, d) ||
         !split_of_day(ps, FIELD_MILLI_OF_DAY, ps->value[FIELD_MILLI_OF_DAY] * 1000000, d)))
        return false;
    bool hour = HAS(ps, FIELD_HOUR), minute = HAS(ps, FIELD_MINUTE), second = HAS(ps, FIELD_SECOND);
    bool nano = HAS(ps, FIELD_NANO);
    /* A time needs its fields without a hole: hour, hour and minute, ... */
    bool complete = hour && !(!minute && (second || nano)) && !(minute && !second && nano);
    int64_t m = minute ? ps->value[FIELD_MINUTE] : 0, s = second ? ps->value[FIELD_SECOND] : 0;
    int64_t n = nano ? ps->value[FIELD_NANO] : 0;
    if (complete && ps->value[FIELD_HOUR] == 24 && m == 0 && s == 0 && n == 0) {
        /* The end of the day: the next one's beginning, when there is a date. */
        ps->has_time = true;
        ps->nano_of_day = 0;
        if (ps->has_date) set_date(ps, ps->days + 1);
        return true;
    }
    for (field f = FIELD_AMPM; f <= FIELD_NANO_OF_DAY; f++)
        if (!in_range(ps, f, d)) return false;
    if (!complete) return true;
    ps->has_time = true;
    ps->nano_of_day = ((ps->value[FIELD_HOUR] * 60 + m) * 60 + s) * 1000000000 + n;
    if (HAS(ps, FIELD_HOUR_OF_AMPM) && ps->value[FIELD_HOUR_OF_AMPM] != ps->value[FIELD_HOUR] % 12)
        return conflict(FIELD_HOUR_OF_AMPM, ps->value[FIELD_HOUR_OF_AMPM], d);
    if (HAS(ps, FIELD_AMPM) && ps->value[FIELD_AMPM] != ps->value[FIELD_HOUR] / 12)
        return conflict(FIELD_AMPM, ps->value[FIELD_AMPM], d);
    return true;
}

/* The whole text by the pattern, and its fields resolved. */
static bool parse(const datepattern *p, str text, parsed *ps, diag *d)
{
    /* The values need no clearing: `has` says which of them exist. */
    ps->start = ps->p = text.p;
    ps->end = text.p + text.n;
    ps->has = 0;
    ps->zone = NULL;
    ps->has_date = ps->has_time = false;
    int n = text.n > 200 ? 200 : (int)text.n;
    if (!parse_steps(ps, p, 0, p->count))
        return diag_set(d, DIAG_INVALID, "Text '%.*s' could not be parsed at index %td", n, text.p, ps->p - ps->start);
    if (ps->p < ps->end)
        return diag_set(d, DIAG_INVALID, "Text '%.*s' could not be parsed, unparsed text found at index %td", n, text.p,
                        ps->p - ps->start);
    return resolve_date(ps, d) && resolve_time(ps, d);
}

/* ---- KSQL's completions ---- */

/* Date fields that make no whole date, put over 1970-01-01 one after another (StringToTimestampParser). */
static bool complete_date(const parsed *ps, int64_t *days, diag *d)
{
    int64_t year = HAS(ps, FIELD_YEAR) ? ps->value[FIELD_YEAR] : 1970, r;
    if (HAS(ps, FIELD_ERA) && ps->value[FIELD_ERA] == 0) year = 1 - year;
    int month = HAS(ps, FIELD_MONTH) ? (int)ps->value[FIELD_MONTH] : 1;
    r = datetime_days(year, month, 1);
    if (HAS(ps, FIELD_WEEKDAY)) r += ps->value[FIELD_WEEKDAY] - datetime_weekday(r);
    if (HAS(ps, FIELD_ALIGNED_WEEKDAY)) r += ps->value[FIELD_ALIGNED_WEEKDAY] - ((datetime_civil(r).day - 1) % 7 + 1);
    if (HAS(ps, FIELD_DAY)) {
        civil c = datetime_civil(r);
        if (ps->value[FIELD_DAY] > datetime_month_days(c.year, c.month))
            return diag_set(d, DIAG_INVALID, "Invalid date: day %lld of month %d", (long long)ps->value[FIELD_DAY],
                            c.month);
        r = datetime_days(c.year, c.month, (int)ps->value[FIELD_DAY]);
    }
    if (HAS(ps, FIELD_DAY_OF_YEAR)) {
        if (ps->value[FIELD_DAY_OF_YEAR] == 366)
            return diag_set(d, DIAG_INVALID, "Leap day cannot be parsed without supplying the year field");
        r = datetime_days(datetime_civil(r).year, 1, 1) + ps->value[FIELD_DAY_OF_YEAR] - 1;
    }
    *days = r;
    return true;
}

static int64_t complete_time(const parsed *ps)
{
    int64_t hour = HAS(ps, FIELD_AMPM) ? ps->value[FIELD_AMPM] * 12 : 0;
    if (HAS(ps, FIELD_HOUR_OF_AMPM)) hour += ps->value[FIELD_HOUR_OF_AMPM];
    if (HAS(ps, FIELD_HOUR)) hour = ps->value[FIELD_HOUR];
    int64_t m = HAS(ps, FIELD_MINUTE) ? ps->value[FIELD_MINUTE] : 0,
            s = HAS(ps, FIELD_SECOND) ? ps->value[FIELD_SECOND] : 0;
    return ((hour * 60 + m) * 60 + s) * 1000000000 + (HAS(ps, FIELD_NANO) ? ps->value[FIELD_NANO] : 0);
}

bool datepattern_parse_timestamp(const datepattern *p, str text, const tz *zone, int64_t *ms, diag *d)
{
    parsed ps;
    if (!parse(p, text, &ps, d)) return false;
    int64_t days = ps.days, nanos = ps.has_time ? ps.nano_of_day : complete_time(&ps);
    if (!ps.has_date && !complete_date(&ps, &days, d)) return false;
    int64_t local = days * 86400 + nanos / 1000000000;
    int32_t offset = HAS(&ps, FIELD_OFFSET) ? (int32_t)ps.value[FIELD_OFFSET] : 0;
    if (ps.zone || !HAS(&ps, FIELD_OFFSET)) {
        /* Beside a zone, an offset only chooses between the two meanings of a local time in an overlap. */
        const tz *z = ps.zone ? ps.zone : zone;
        if (!HAS(&ps, FIELD_OFFSET) || tz_offset(z, local - offset) != offset) offset = tz_offset_of_local(z, local);
    }
    int64_t r;
    if (__builtin_mul_overflow(local - offset, (int64_t)1000, &r))
        return diag_set(d, DIAG_INVALID, "the instant does not fit 64 bits of milliseconds");
    *ms = r + nanos % 1000000000 / 1000000;
    return true;
}

bool datepattern_parse_time(const datepattern *p, str text, int64_t *ms_of_day, diag *d)
{
    parsed ps;
    if (!parse(p, text, &ps, d)) return false;
    const uint32_t dates = BIT(FIELD_ERA) | BIT(FIELD_YEAR_OF_ERA) | BIT(FIELD_YEAR) | BIT(FIELD_MONTH) |
                           BIT(FIELD_WEEKDAY) | BIT(FIELD_ALIGNED_WEEKDAY) | BIT(FIELD_DAY) | BIT(FIELD_DAY_OF_YEAR);
    if (ps.has_date || (ps.has & dates)) return diag_set(d, DIAG_INVALID, "Time format contains date field.");
    if (!ps.has_time) return diag_set(d, DIAG_INVALID, "the text gives no complete time");
    *ms_of_day = ps.nano_of_day / 1000000;
    return true;
}

bool datepattern_parse_local_date(const datepattern *p, str text, int64_t *days, diag *d)
{
    parsed ps;
    if (!parse(p, text, &ps, d)) return false;
    if (!ps.has_date) return diag_set(d, DIAG_INVALID, "the text gives no complete date");
    *days = ps.days;
    return true;
}
