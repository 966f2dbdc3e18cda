/* Formatting: a view of the value with its fields worked out once, and the steps that print them. */
#include <stdio.h>

#include "base/check.h"
#include "base/datepattern_impl.h"
#include "base/datetime.h"
#include "base/dtoa.h"

/* What is printed. Fields of absent parts are unsupported, as those of LocalDate and LocalTime are in Java. */
typedef struct view {
    bool has_date, has_time;
    int64_t days;
    civil date;
    int64_t nano_of_day;
    const tz *zone; /* NULL: none */
    int32_t offset;
    int64_t epoch_s;
} view;

/* Week-based year and week: weeks begin on Sunday, and the first is that of the 1st of January (English, US). */
static void week_of_year(const view *v, int64_t *year, int64_t *week)
{
    int local = datetime_weekday(v->days) % 7;
    civil saturday = datetime_civil(v->days - local + 6);
    *year = v->date.year;
    *week = 1;
    if (saturday.year > v->date.year) {
        *year = saturday.year;
        return;
    }
    int64_t first = datetime_days(v->date.year, 1, 1);
    *week = (v->days - first + datetime_weekday(first) % 7) / 7 + 1;
}

static bool date_field(const view *v, field f, int64_t *out)
{
    int64_t other;
    switch (f) {
    case FIELD_ERA: *out = v->date.year > 0; return true;
    case FIELD_YEAR_OF_ERA: *out = v->date.year > 0 ? v->date.year : 1 - v->date.year; return true;
    case FIELD_YEAR: *out = v->date.year; return true;
    case FIELD_QUARTER: *out = (v->date.month + 2) / 3; return true;
    case FIELD_MONTH: *out = v->date.month; return true;
    case FIELD_WEEK_YEAR: week_of_year(v, out, &other); return true;
    case FIELD_WEEK: week_of_year(v, &other, out); return true;
    case FIELD_WEEK_OF_MONTH:
        *out = (v->date.day - 1 + datetime_weekday(v->days - v->date.day + 1) % 7) / 7 + 1;
        return true;
    case FIELD_LOCAL_WEEKDAY: *out = datetime_weekday(v->days) % 7 + 1; return true;
    case FIELD_WEEKDAY: *out = datetime_weekday(v->days); return true;
    case FIELD_ALIGNED_WEEKDAY: *out = (v->date.day - 1) % 7 + 1; return true;
    case FIELD_DAY: *out = v->date.day; return true;
    case FIELD_DAY_OF_YEAR: *out = datetime_day_of_year(v->date); return true;
    case FIELD_JULIAN_DAY: *out = v->days + 40587; return true;
    default: return false;
    }
}

static bool time_field(const view *v, field f, int64_t *out)
{
    int64_t second = v->nano_of_day / 1000000000, hour = second / 3600;
    switch (f) {
    case FIELD_AMPM: *out = hour / 12; return true;
    case FIELD_HOUR_OF_AMPM: *out = hour % 12; return true;
    case FIELD_CLOCK_HOUR_OF_AMPM: *out = hour % 12 ? hour % 12 : 12; return true;
    case FIELD_HOUR: *out = hour; return true;
    case FIELD_CLOCK_HOUR: *out = hour ? hour : 24; return true;
    case FIELD_MINUTE: *out = second / 60 % 60; return true;
    case FIELD_SECOND: *out = second % 60; return true;
    case FIELD_MILLI_OF_DAY: *out = v->nano_of_day / 1000000; return true;
    case FIELD_NANO: *out = v->nano_of_day % 1000000000; return true;
    case FIELD_NANO_OF_DAY: *out = v->nano_of_day; return true;
    default: return false;
    }
}

static bool get_field(const view *v, field f, int64_t *out, diag *d)
{
    if (f == FIELD_OFFSET && v->zone) {
        *out = v->offset;
        return true;
    }
    if ((v->has_date && date_field(v, f, out)) || (v->has_time && time_field(v, f, out))) return true;
    return diag_set(d, DIAG_INVALID, "Unsupported field: %s", datepattern_fields[f].name);
}

static bool put_number(const step *s, int64_t value, buf *out, diag *d)
{
    char *p = buf_reserve(out, 2 * ITOA_MAX + 1);
    /* The usual case: two digits. */
    if (s->max == 2 && s->min == 2 && value >= 0 && value <= 99) {
        p[0] = (char)('0' + value / 10);
        p[1] = (char)('0' + value % 10);
        out->len += 2;
        return true;
    }
    char digits[ITOA_MAX];
    int n = (int)itoa_i64(value < 0 ? -value : value, digits);
    const char *name = datepattern_fields[s->field].name;
    if (n > s->max)
        return diag_set(d, DIAG_INVALID,
                        "Field %s cannot be printed as the value %lld exceeds the maximum print width of %d", name,
                        (long long)value, s->max);
    if (value < 0 && s->sign == SIGN_NEVER)
        return diag_set(d, DIAG_INVALID,
                        "Field %s cannot be printed as the value %lld cannot be negative according to the SignStyle",
                        name, (long long)value);
    if (value < 0)
        *p++ = '-';
    else if (s->sign == SIGN_EXCEEDS_PAD && n > s->min)
        *p++ = '+';
    for (int i = n; i < s->min; i++) *p++ = '0';
    memcpy(p, digits, (size_t)n);
    out->len = (size_t)(p + n - out->data);
    return true;
}

static void put_two(buf *out, int32_t v)
{
    char text[2] = {(char)('0' + v / 10 % 10), (char)('0' + v % 10)};
    buf_add(out, text, 2);
}

static void put_offset(const step *s, int32_t offset, buf *out)
{
    int form = s->offset_form;
    size_t start = out->len;
    int32_t v = offset < 0 ? -offset : offset, h = v / 3600, m = v / 60 % 60, sec = v % 60, printed = h;
    bool colon = form > 0 && form % 2 == 0;
    if (offset != 0) {
        buf_add_char(out, offset < 0 ? '-' : '+');
        put_two(out, h);
        if (form >= 3 || (form >= 1 && m > 0)) {
            if (colon) buf_add_char(out, ':');
            put_two(out, m);
            printed += m;
            if (form >= 7 || (form >= 5 && sec > 0)) {
                if (colon) buf_add_char(out, ':');
                put_two(out, sec);
                printed += sec;
            }
        }
    }
    /* What prints as zero, such as a zone of 30 seconds without its seconds, is zero. */
    if (printed == 0 || offset == 0) {
        out->len = start;
        buf_add_str(out, s->text);
    }
}

static void put_local_offset(text_style style, int32_t offset, buf *out)
{
    int32_t v = offset < 0 ? -offset : offset, h = v / 3600, m = v / 60 % 60, sec = v % 60;
    buf_add_z(out, "GMT");
    if (offset == 0) return;
    buf_add_char(out, offset < 0 ? '-' : '+');
    if (style == TEXT_FULL || h >= 10)
        put_two(out, h);
    else
        buf_add_char(out, (char)('0' + h));
    if (style == TEXT_FULL || m > 0 || sec > 0) {
        buf_add_char(out, ':');
        put_two(out, m);
        if (sec > 0) {
            buf_add_char(out, ':');
            put_two(out, sec);
        }
    }
}

static bool put_text(const step *s, int64_t value, buf *out, diag *d)
{
    const char *text = datepattern_text(s->field, s->style, value);
    if (text) {
        buf_add_z(out, text);
        return true;
    }
    step as_number = {.field = s->field, .min = 1, .max = 19, .sign = SIGN_NORMAL};
    return put_number(&as_number, value, out, d);
}

static bool put_zone(const view *v, const step *s, buf *out, diag *d)
{
    char made[48];
    if (!v->zone) return diag_set(d, DIAG_INVALID, "Unable to extract ZoneId from a value without a zone");
    buf_add_str(out,
                s->kind == STEP_ZONE_ID ? tz_id(v->zone) : datepattern_zone_name(v->zone, v->epoch_s, s->style, made));
    return true;
}

static bool put_step(const view *v, const step *s, buf *out, diag *d)
{
    static const int64_t powers[10] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    int64_t value;
    if (s->kind == STEP_LITERAL) {
        buf_add_str(out, s->text);
        return true;
    }
    if (s->kind == STEP_ZONE_ID || s->kind == STEP_ZONE_NAME) return put_zone(v, s, out, d);
    bool offset = s->kind == STEP_OFFSET || s->kind == STEP_LOCAL_OFFSET;
    if (!get_field(v, offset ? FIELD_OFFSET : s->field, &value, d)) return false;
    switch (s->kind) {
    case STEP_NUMBER: return put_number(s, value, out, d);
    case STEP_TWO_DIGIT_YEAR: return put_number(s, (value < 0 ? -value : value) % 100, out, d);
    case STEP_FRACTION: {
        step width = {.field = s->field, .min = s->max, .max = s->max, .sign = SIGN_NEVER};
        return put_number(&width, value / powers[9 - s->max], out, d);
    }
    case STEP_TEXT: return put_text(s, value, out, d);
    case STEP_OFFSET: put_offset(s, (int32_t)value, out); return true;
    case STEP_LOCAL_OFFSET: put_local_offset(s->style, (int32_t)value, out); return true;
    default: check_unreachable();
    }
}

static bool pad(const step *s, size_t start, buf *out, diag *d)
{
    size_t n = out->len - start, width = (size_t)s->pad;
    if (n > width)
        return diag_set(d, DIAG_INVALID, "Cannot print as output of %zu characters exceeds pad width of %zu", n, width);
    buf_reserve(out, width);
    memmove(out->data + start + width - n, out->data + start, n);
    memset(out->data + start, ' ', width - n);
    out->len = start + width;
    return true;
}

/* Steps from..to; an optional section that fails leaves nothing behind. */
static bool put_steps(const view *v, const datepattern *p, int from, int to, buf *out, diag *d)
{
    for (int i = from; i < to; i++) {
        const step *s = &p->steps[i];
        size_t start = out->len;
        if (s->kind == STEP_OPTIONAL) {
            diag ignored;
            diag_clear(&ignored);
            if (!put_steps(v, p, i + 1, s->end, out, &ignored)) out->len = start;
            i = s->end - 1;
        } else if (!put_step(v, s, out, d)) {
            return false;
        }
        if (s->pad > 0 && !pad(s, start, out, d)) return false;
    }
    return true;
}

static bool format(const view *v, const datepattern *p, buf *out, diag *d)
{
    size_t start = out->len;
    if (put_steps(v, p, 0, p->count, out, d)) return true;
    out->len = start;
    return false;
}

bool datepattern_format_timestamp(const datepattern *p, int64_t ms, const tz *zone, buf *out, diag *d)
{
    view v = {.has_date = true, .has_time = true, .zone = zone};
    v.epoch_s = datetime_floor_div(ms, 1000);
    v.offset = tz_offset(zone, v.epoch_s);
    int64_t local = v.epoch_s + v.offset;
    v.days = datetime_floor_div(local, 86400);
    v.date = datetime_civil(v.days);
    v.nano_of_day = (local - v.days * 86400) * 1000000000 + datetime_floor_mod(ms, 1000) * 1000000;
    return format(&v, p, out, d);
}

bool datepattern_format_date(const datepattern *p, int64_t days, buf *out, diag *d)
{
    view v = {.has_date = true, .days = days, .date = datetime_civil(days)};
    return format(&v, p, out, d);
}

bool datepattern_format_time(const datepattern *p, int64_t ms_of_day, buf *out, diag *d)
{
    if (ms_of_day < 0 || ms_of_day >= DATETIME_DAY_MS)
        return diag_set(d, DIAG_INVALID, "Invalid value for MilliOfDay (valid values 0 - 86399999): %lld",
                        (long long)ms_of_day);
    view v = {.has_time = true, .nano_of_day = ms_of_day * 1000000};
    return format(&v, p, out, d);
}
