/*
 * FastDateFormat (commons-lang) for reading, on a lenient Gregorian calendar in GMT: numbers take as many digits as
 * there are (or their width, when another number follows), values out of range roll over, and text behind the match
 * is ignored. The letters w, W and F, which set weeks, are refused.
 */
#include <strings.h>

#include "base/check.h"
#include "base/datepattern_impl.h"
#include "base/datetime.h"

/* What a step reads. */
typedef enum fast_kind {
    FAST_YEAR,
    FAST_SHORT_YEAR,
    FAST_MONTH,
    FAST_DAY,
    FAST_DAY_OF_YEAR,
    FAST_HOUR, /* H 0-23 */
    FAST_CLOCK_HOUR, /* k 1-24 */
    FAST_HALF_HOUR, /* K 0-11 */
    FAST_CLOCK_HALF, /* h 1-12 */
    FAST_MINUTE,
    FAST_SECOND,
    FAST_MILLI,
    FAST_WEEKDAY_NUMBER,
    FAST_LAST_NUMBER = FAST_WEEKDAY_NUMBER,
    FAST_TEXT,
    FAST_LITERAL,
    FAST_ISO_OFFSET,
    FAST_ZONE,
} fast_kind;

typedef struct fast_step {
    fast_kind kind;
    field field; /* FAST_TEXT */
    int width;
    str text;
} fast_step;

struct fastdate {
    const fast_step *steps;
    int count;
    int this_year;
};

static bool letter_step(char c, int n, fast_step *s, diag *d)
{
    static const struct {
        char letter;
        fast_kind kind;
    } numbers[] = {{'d', FAST_DAY},       {'D', FAST_DAY_OF_YEAR},   {'H', FAST_HOUR},   {'k', FAST_CLOCK_HOUR},
                   {'K', FAST_HALF_HOUR}, {'h', FAST_CLOCK_HALF},    {'m', FAST_MINUTE}, {'s', FAST_SECOND},
                   {'S', FAST_MILLI},     {'u', FAST_WEEKDAY_NUMBER}};
    *s = (fast_step){.width = n};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i].letter != c) continue;
        s->kind = numbers[i].kind;
        return true;
    }
    switch (c) {
    case 'y':
    case 'Y': s->kind = n > 2 ? FAST_YEAR : FAST_SHORT_YEAR; return true;
    case 'M':
    case 'L':
        s->kind = n >= 3 ? FAST_TEXT : FAST_MONTH;
        s->field = FIELD_MONTH;
        return true;
    case 'E':
        s->kind = FAST_TEXT;
        s->field = FIELD_WEEKDAY;
        return true;
    case 'G':
        s->kind = FAST_TEXT;
        s->field = FIELD_ERA;
        return true;
    case 'a':
        s->kind = FAST_TEXT;
        s->field = FIELD_AMPM;
        return true;
    case 'X':
        if (n > 3) return diag_set(d, DIAG_INVALID, "invalid number of X");
        s->kind = FAST_ISO_OFFSET;
        return true;
    case 'Z':
        s->kind = n == 2 ? FAST_ISO_OFFSET : FAST_ZONE;
        if (n == 2) s->width = 3;
        return true;
    case 'z': s->kind = FAST_ZONE; return true;
    default: return diag_set(d, DIAG_INVALID, "Format '%c' not supported", c);
    }
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Everything up to the next letter outside quotes; two quotes are one. Returns where it ends. */
static size_t literal_step(arena *a, str pattern, size_t i, fast_step *s)
{
    buf text = {0};
    bool quoted = false;
    for (; i < pattern.n && (quoted || !is_letter(pattern.p[i])); i++) {
        if (pattern.p[i] != '\'') {
            buf_add_char(&text, pattern.p[i]);
        } else if (i + 1 < pattern.n && pattern.p[i + 1] == '\'') {
            buf_add_char(&text, '\'');
            i++;
        } else {
            quoted = !quoted;
        }
    }
    *s = (fast_step){.kind = FAST_LITERAL, .text = arena_str(a, buf_str(&text))};
    buf_free(&text);
    return quoted ? 0 : i;
}

const fastdate *fastdate_compile(arena *a, str pattern, int this_year, diag *d)
{
    buf steps = {0};
    bool ok = pattern.n > 0 || diag_set(d, DIAG_INVALID, "the pattern is empty");
    for (size_t i = 0; ok && i < pattern.n;) {
        fast_step s;
        if (is_letter(pattern.p[i])) {
            size_t start = i;
            while (i < pattern.n && pattern.p[i] == pattern.p[start]) i++;
            ok = letter_step(pattern.p[start], (int)(i - start), &s, d);
        } else {
            i = literal_step(a, pattern, i, &s);
            if (i == 0) ok = diag_set(d, DIAG_INVALID, "Unterminated quote");
        }
        if (ok) buf_add(&steps, &s, sizeof s);
    }
    fastdate *f = NULL;
    if (ok) {
        f = ARENA_NEW(a, fastdate);
        fast_step *copy = arena_alloc(a, steps.len);
        memcpy(copy, steps.data, steps.len);
        *f = (fastdate){copy, (int)(steps.len / sizeof(fast_step)), this_year};
    }
    buf_free(&steps);
    return f;
}

/* The calendar's fields as they were set last. */
typedef struct calendar {
    const char *p, *end;
    int64_t v[FAST_LAST_NUMBER + 1];
    bool by_day_of_year, by_half_day;
    int half, era;
    int32_t offset;
} calendar;

/* Two-digit years lie in the century that begins 80 years ago. */
static int64_t full_year(int64_t year, int this_year)
{
    int start = this_year - 80, century = start / 100 * 100;
    return year >= 100 ? year : century + year + (year < start - century ? 100 : 0);
}

static void set_number(calendar *c, fast_kind kind, int64_t v)
{
    switch (kind) {
    case FAST_DAY:
    case FAST_MONTH: c->by_day_of_year = false; break;
    case FAST_DAY_OF_YEAR: c->by_day_of_year = true; break;
    case FAST_CLOCK_HOUR:
        kind = FAST_HOUR;
        v = v == 24 ? 0 : v;
        break;
    case FAST_CLOCK_HALF:
        kind = FAST_HALF_HOUR;
        v = v == 12 ? 0 : v;
        break;
    default: break;
    }
    if (kind == FAST_HOUR || kind == FAST_HALF_HOUR) c->by_half_day = kind == FAST_HALF_HOUR;
    c->v[kind] = v;
}

static bool read_number(calendar *c, const fastdate *f, const fast_step *s, bool fixed)
{
    const char *end = c->end;
    if (!fixed)
        while (c->p < end && ((unsigned char)*c->p <= ' ')) c->p++;
    else if (end - c->p > s->width)
        end = c->p + s->width;
    const char *start = c->p;
    int64_t v = 0;
    for (; c->p < end && (unsigned char)(*c->p - '0') <= 9; c->p++) {
        v = v * 10 + (*c->p - '0');
        if (v > INT32_MAX) return false;
    }
    if (c->p == start) return false;
    if (s->kind == FAST_SHORT_YEAR)
        set_number(c, FAST_YEAR, full_year(v, f->this_year));
    else
        set_number(c, s->kind, v);
    return true;
}

static bool read_text(calendar *c, field f)
{
    size_t best = 0;
    int64_t value = 0;
    for (int style = TEXT_SHORT; style <= TEXT_FULL; style++) {
        for (int64_t v = 0; v <= 12; v++) {
            const char *text = datepattern_text(f, (text_style)style, v);
            size_t n = text ? strlen(text) : 0;
            if (n <= best || (size_t)(c->end - c->p) < n || strncasecmp(c->p, text, n) != 0) continue;
            best = n;
            value = v;
        }
    }
    if (best == 0) return false;
    c->p += best;
    if (f == FIELD_MONTH) set_number(c, FAST_MONTH, value);
    if (f == FIELD_ERA) c->era = (int)value;
    if (f == FIELD_AMPM) c->half = (int)value;
    return true;
}

static bool two(const char *p, const char *end, int32_t *v)
{
    if (end - p < 2 || (unsigned char)(p[0] - '0') > 9 || (unsigned char)(p[1] - '0') > 9) return false;
    *v = (p[0] - '0') * 10 + (p[1] - '0');
    return true;
}

/* Z, or a sign with hours, hours and minutes, or both with a colon, for widths 1 to 3. */
static bool read_iso_offset(calendar *c, int width)
{
    int32_t h, m = 0;
    if (c->p < c->end && *c->p == 'Z') {
        c->p++;
        c->offset = 0;
        return true;
    }
    if (c->p >= c->end || (*c->p != '+' && *c->p != '-') || !two(c->p + 1, c->end, &h)) return false;
    const char *p = c->p + 3;
    if (width == 3 && (p >= c->end || *p++ != ':')) return false;
    if (width > 1) {
        if (!two(p, c->end, &m)) return false;
        p += 2;
    }
    c->offset = (h * 60 + m) * 60 * (*c->p == '-' ? -1 : 1);
    c->p = p;
    return true;
}

/* +0200, GMT+02:00, or a zone's name. */
static bool read_zone(calendar *c)
{
    size_t length;
    bool gmt = c->end - c->p > 3 && strncasecmp(c->p, "GMT", 3) == 0 && (c->p[3] == '+' || c->p[3] == '-');
    if (gmt) c->p += 3;
    if (c->p < c->end && (*c->p == '+' || *c->p == '-')) {
        if (gmt && read_iso_offset(c, 3)) return true;
        return read_iso_offset(c, 2);
    }
    str rest = str_of(c->p, (size_t)(c->end - c->p));
    const tz *z = datepattern_zone_of_name(rest, &length);
    if (!z) return false;
    /* The name itself says whether it is summer time: the offset is that of a day which shows it. */
    str name;
    for (int64_t t = 1609459200; t < 1609459200 + 365 * 86400; t += 86400 * 14) {
        tz_is_dst(z, t, &name);
        c->offset = tz_offset(z, t);
        if (name.n <= length && strncasecmp(name.p, c->p, name.n) == 0) break;
    }
    c->p += length;
    return true;
}

static bool read_step(calendar *c, const fastdate *f, int i)
{
    const fast_step *s = &f->steps[i];
    switch (s->kind) {
    case FAST_LITERAL:
        if ((size_t)(c->end - c->p) < s->text.n || memcmp(c->p, s->text.p, s->text.n) != 0) return false;
        c->p += s->text.n;
        return true;
    case FAST_TEXT: return read_text(c, s->field);
    case FAST_ISO_OFFSET: return read_iso_offset(c, s->width);
    case FAST_ZONE: return read_zone(c);
    default: return read_number(c, f, s, i + 1 < f->count && f->steps[i + 1].kind <= FAST_LAST_NUMBER);
    }
}

bool fastdate_parse_date(const fastdate *f, str text, int64_t *days, diag *d)
{
    calendar c = {.p = text.p, .end = text.p + text.n, .era = 1};
    c.v[FAST_YEAR] = 1970;
    c.v[FAST_MONTH] = c.v[FAST_DAY] = c.v[FAST_DAY_OF_YEAR] = 1;
    for (int i = 0; i < f->count; i++)
        if (!read_step(&c, f, i))
            return diag_set(d, DIAG_INVALID, "Unparseable date: \"%.*s\"", text.n > 200 ? 200 : (int)text.n, text.p);
    int64_t year = c.era ? c.v[FAST_YEAR] : 1 - c.v[FAST_YEAR], month = c.by_day_of_year ? 0 : c.v[FAST_MONTH] - 1;
    int64_t day = datetime_days(year + datetime_floor_div(month, 12), (int)datetime_floor_mod(month, 12) + 1, 1);
    day += (c.by_day_of_year ? c.v[FAST_DAY_OF_YEAR] : c.v[FAST_DAY]) - 1;
    int64_t hour = c.by_half_day ? c.half * 12 + c.v[FAST_HALF_HOUR] : c.v[FAST_HOUR];
    int64_t ms = ((hour * 60 + c.v[FAST_MINUTE]) * 60 + c.v[FAST_SECOND] - c.offset) * 1000 + c.v[FAST_MILLI];
    if (ms % DATETIME_DAY_MS != 0) return diag_set(d, DIAG_INVALID, "Date format contains time field.");
    *days = day + ms / DATETIME_DAY_MS;
    return true;
}
