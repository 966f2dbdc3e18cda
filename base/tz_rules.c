#include "base/tz_rules.h"

#include "base/bytes.h"
#include "base/datetime.h"

/* Transitions of the footer are written out up to this year, so that most look-ups are one binary search. */
enum { EXPAND_UNTIL = 2200 };

/* ---- the POSIX TZ footer ---- */

typedef struct scan {
    const char *p, *end;
    bool bad;
} scan;

static bool at(scan *s, char c)
{
    if (s->p >= s->end || *s->p != c) return false;
    s->p++;
    return true;
}

static int32_t number(scan *s, int32_t max)
{
    int32_t v = 0;
    const char *start = s->p;
    while (s->p < s->end && (unsigned char)(*s->p - '0') <= 9 && v <= max) v = v * 10 + (*s->p++ - '0');
    if (s->p == start || v > max) s->bad = true;
    return v;
}

static str name(scan *s)
{
    bool quoted = at(s, '<');
    const char *start = s->p;
    while (s->p < s->end) {
        char c = *s->p;
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && (!quoted || c == '>')) break;
        s->p++;
    }
    str r = str_of(start, (size_t)(s->p - start));
    if (r.n == 0 || (quoted && !at(s, '>'))) s->bad = true;
    return r;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int32_t clock_value(scan *s)
{
    bool minus = at(s, '-');
    if (!minus) at(s, '+');
    int32_t v = number(s, 167) * 3600;
    if (at(s, ':')) v += number(s, 59) * 60;
    if (at(s, ':')) v += number(s, 59);
    return minus ? -v : v;
}

static tz_day day(scan *s)
{
    tz_day r = {.seconds = 7200};
    if (at(s, 'M')) {
        r.form = 'M';
        r.month = number(s, 12);
        if (!at(s, '.')) s->bad = true;
        r.week = number(s, 5);
        if (!at(s, '.')) s->bad = true;
        r.day = number(s, 6);
        if (r.month < 1 || r.week < 1) s->bad = true;
    } else if (at(s, 'J')) {
        r.form = 'J';
        r.day = number(s, 365);
        if (r.day < 1) s->bad = true;
    } else {
        r.form = 'n';
        r.day = number(s, 365);
    }
    if (at(s, '/')) r.seconds = clock_value(s);
    return r;
}

static bool read_footer(str text, tz_footer *f)
{
    scan s = {text.p, text.p + text.n, false};
    *f = (tz_footer){0};
    if (text.n == 0) return true;
    f->present = true;
    f->standard.abbreviation = name(&s);
    f->standard.offset = -clock_value(&s);
    if (s.p < s.end && !s.bad) {
        f->has_dst = true;
        f->dst.dst = true;
        f->dst.abbreviation = name(&s);
        f->dst.offset = f->standard.offset + 3600;
        if (s.p < s.end && *s.p != ',') f->dst.offset = -clock_value(&s);
        if (!at(&s, ',')) s.bad = true;
        f->start = day(&s);
        if (!at(&s, ',')) s.bad = true;
        f->end = day(&s);
    }
    return !s.bad && s.p == s.end;
}

/* The local second at which the rule's day begins to hold in a year. */
static int64_t rule_local(const tz_day *r, int64_t year)
{
    int64_t days;
    if (r->form == 'M') {
        int64_t first = datetime_days(year, r->month, 1);
        int ahead = (r->day - datetime_weekday(first) % 7 + 7) % 7; /* Sunday is 0 here */
        days = first + ahead + (r->week - 1) * 7;
        if (days - first >= datetime_month_days(year, r->month)) days -= 7;
    } else if (r->form == 'J') {
        days = datetime_days(year, 1, 1) + r->day - 1 + (r->day > 59 && datetime_is_leap(year));
    } else {
        days = datetime_days(year, 1, 1) + r->day;
    }
    return days * 86400 + r->seconds;
}

/* Index of the footer's type at an instant: types_count - 2 for standard time, - 1 for summer time. */
static size_t footer_type(const tz *z, int64_t t)
{
    const tz_footer *f = &z->footer;
    if (!f->has_dst) return z->types_count - 2;
    int64_t local = t + f->standard.offset;
    int64_t year = datetime_civil(datetime_floor_div(local, 86400)).year;
    int64_t start = rule_local(&f->start, year) - f->standard.offset, end = rule_local(&f->end, year) - f->dst.offset;
    bool dst = start < end ? t >= start && t < end : t >= start || t < end;
    return z->types_count - (dst ? 1 : 2);
}

/* ---- the file ---- */

typedef struct header {
    uint32_t isut, isstd, leap, times, types, chars;
} header;

static bool read_header(reader *r, header *h, uint8_t *version)
{
    const uint8_t *magic = read_bytes(r, 4);
    if (!magic || memcmp(magic, "TZif", 4) != 0) return false;
    *version = read_u8(r);
    read_bytes(r, 15);
    h->isut = (uint32_t)read_i32(r);
    h->isstd = (uint32_t)read_i32(r);
    h->leap = (uint32_t)read_i32(r);
    h->times = (uint32_t)read_i32(r);
    h->types = (uint32_t)read_i32(r);
    h->chars = (uint32_t)read_i32(r);
    return !r->failed && h->times <= 10000 && h->types >= 1 && h->types <= 256 && h->chars <= 4096 && h->leap <= 1000 &&
           h->isut <= 256 && h->isstd <= 256;
}

static bool read_types(tz *z, reader *r, const header *h)
{
    uint8_t begins[256];
    for (uint32_t i = 0; i < h->types; i++) {
        z->types[i].offset = read_i32(r);
        z->types[i].dst = read_u8(r) != 0;
        begins[i] = read_u8(r);
        if (z->types[i].offset > 100000 || z->types[i].offset < -100000) return false;
    }
    const uint8_t *chars = read_bytes(r, h->chars);
    if (!chars) return false;
    char *copy = arena_strz(z->memory, str_of((const char *)chars, h->chars));
    z->types_count = h->types;
    for (uint32_t i = 0; i < h->types; i++) {
        if (begins[i] > h->chars) begins[i] = (uint8_t)h->chars;
        z->types[i].abbreviation = str_z(copy + begins[i]);
    }
    return true;
}

/* Appends the footer's transitions behind the last of the file. */
static void expand_footer(tz *z)
{
    z->types[z->types_count++] = z->footer.standard;
    z->types[z->types_count++] = z->footer.has_dst ? z->footer.dst : z->footer.standard;
    int64_t last = z->count ? z->times[z->count - 1] : INT64_MIN;
    if (!z->footer.has_dst) return;
    int64_t first_year = z->count ? datetime_civil(datetime_floor_div(last, 86400)).year : 1970;
    for (int64_t year = first_year; year <= EXPAND_UNTIL; year++) {
        int64_t start = rule_local(&z->footer.start, year) - z->footer.standard.offset;
        int64_t end = rule_local(&z->footer.end, year) - z->footer.dst.offset;
        for (int i = 0; i < 2; i++) {
            bool dst = (i == 0) == (start < end);
            int64_t t = dst ? start : end;
            if (t <= last) continue;
            z->times[z->count] = t;
            z->indexes[z->count++] = (uint8_t)(z->types_count - (dst ? 1 : 2));
            last = t;
        }
    }
}

static bool read_body(tz *z, reader *r, const header *h)
{
    size_t room = h->times + 2 * (EXPAND_UNTIL - 1900 + 1);
    if (h->types > 254) return false; /* the footer's two need an index of one byte */
    z->times = ARENA_ARRAY(z->memory, int64_t, room);
    z->indexes = ARENA_ARRAY(z->memory, uint8_t, room);
    for (uint32_t i = 0; i < h->times; i++) {
        z->times[i] = read_i64(r);
        if (i > 0 && z->times[i] <= z->times[i - 1]) return false;
    }
    for (uint32_t i = 0; i < h->times; i++) {
        z->indexes[i] = read_u8(r);
        if (z->indexes[i] >= h->types) return false;
    }
    z->count = h->times;
    if (!read_types(z, r, h)) return false;
    read_bytes(r, (size_t)h->leap * 12 + h->isstd + h->isut);
    if (r->failed || read_u8(r) != '\n') return false;
    const uint8_t *line = r->p, *end = memchr(line, '\n', reader_left(r));
    if (!end) return false;
    /* The footer's names point into a copy that lives as long as the zone. */
    str footer = arena_str(z->memory, str_of((const char *)line, (size_t)(end - line)));
    if (!read_footer(footer, &z->footer)) return false;
    bool expandable = z->count == 0 || datetime_civil(datetime_floor_div(z->times[z->count - 1], 86400)).year >= 1900;
    if (z->footer.present && expandable)
        expand_footer(z);
    else
        z->footer.present = false;
    return true;
}

tz *tz_rules_new(tz_kind kind)
{
    arena *memory = arena_new();
    tz *z = ARENA_NEW(memory, tz);
    z->memory = memory;
    z->kind = kind;
    return z;
}

tz *tz_rules_load(str data)
{
    reader r = reader_of(data.p, data.n);
    header h;
    uint8_t version;
    /* Version 1 has 32-bit times only; every file of the last decade carries the 64-bit part behind it. */
    if (data.n == 0 || !read_header(&r, &h, &version) || version < '2') return NULL;
    read_bytes(&r, (size_t)h.times * 5 + h.types * 6 + h.chars + (size_t)h.leap * 8 + h.isstd + h.isut);
    if (!read_header(&r, &h, &version)) return NULL;
    tz *z = tz_rules_new(TZ_REGION);
    if (!read_body(z, &r, &h)) {
        arena_free(z->memory);
        return NULL;
    }
    return z;
}

/* ---- look-up ---- */

static const tz_type *type_at(const tz *z, int64_t t)
{
    if (z->count == 0) return &z->types[z->footer.present ? footer_type(z, t) : 0];
    if (t < z->times[0]) return &z->types[0];
    if (t >= z->times[z->count - 1] && z->footer.present) return &z->types[footer_type(z, t)];
    size_t low = 0, high = z->count; /* times[low] <= t < times[high] */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (z->times[middle] <= t)
            low = middle;
        else
            high = middle;
    }
    return &z->types[z->indexes[low]];
}

int32_t tz_offset(const tz *z, int64_t epoch_s)
{
    return z->kind == TZ_REGION ? type_at(z, epoch_s)->offset : z->fixed;
}

bool tz_is_dst(const tz *z, int64_t epoch_s, str *abbreviation)
{
    if (z->kind != TZ_REGION) {
        *abbreviation = z->id;
        return false;
    }
    const tz_type *t = type_at(z, epoch_s);
    *abbreviation = t->abbreviation;
    return t->dst;
}

int32_t tz_offset_of_local(const tz *z, int64_t local_s)
{
    if (z->kind != TZ_REGION) return z->fixed;
    /* No zone has two transitions within two days, so one of these offsets holds. */
    int32_t before = tz_offset(z, local_s - 86400), after = tz_offset(z, local_s + 86400);
    if (before == after || tz_offset(z, local_s - before) == before) return before;
    return tz_offset(z, local_s - after) == after ? after : before;
}
