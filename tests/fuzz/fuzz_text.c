/*
 * Parsers of small texts: numbers, decimals, dates, times, zones, base64, date patterns and regular expressions. What
 * parses prints, and what was printed parses to the same value; nothing takes long.
 *
 * Input: a byte that chooses the parser, one for its parameters, then the text (for patterns: the pattern behind a
 * two-byte length, then the text).
 */
#include <math.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/datepattern.h"
#include "base/datetime.h"
#include "base/decimal.h"
#include "base/dtoa.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { NUMBERS, DECIMALS, DATES, ZONES, BASE64, UNICODE, PATTERNS, FAST_PATTERNS, REGEX, PARSERS };

static void numbers(str s)
{
    int64_t i;
    double d, again;
    buf b = {0};
    if (str_to_i64(s, &i)) {
        itoa_put(&b, i);
        int64_t same;
        check(str_to_i64(buf_str(&b), &same) && same == i);
    }
    buf_clear(&b);
    if (str_to_f64(s, &d) && isfinite(d)) {
        dtoa_put(&b, d);
        check(dtoa_parse(buf_str(&b), &again) && memcmp(&d, &again, sizeof d) == 0);
    }
    if (dtoa_parse(s, &d)) check(!isnan(d));
    buf_free(&b);
}

static void decimals(str s, uint32_t pick)
{
    decimal_type type = {1 + (int)(pick % DECIMAL_PRECISION_MAX), 0}, natural;
    type.scale = (int)(pick / 7) % (type.precision + 1);
    static const decimal_rounding modes[] = {DECIMAL_UNNECESSARY, DECIMAL_DOWN, DECIMAL_HALF_UP};
    decimal v, again;
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        decimal_status status = decimal_parse(s, type, modes[m], &v);
        if (status != DECIMAL_OK) {
            check(decimal_status_text(status)[0] != 0);
            continue;
        }
        /* Rounding may carry into one more digit: KSQL checks the bound before it rounds. */
        if (!decimal_fits(v, type.precision)) {
            check(modes[m] == DECIMAL_HALF_UP);
            continue;
        }
        buf b = {0};
        decimal_put(&b, v, type.scale);
        check(decimal_parse(buf_str(&b), type, DECIMAL_UNNECESSARY, &again) == DECIMAL_OK && again == v);
        uint8_t bytes[16];
        size_t n = decimal_to_bytes(v, bytes);
        check(decimal_from_bytes(bytes, n, &again) == DECIMAL_OK && again == v);
        check(decimal_cmp(v, type.scale, again, type.scale) == 0);
        check(isfinite(decimal_to_f64(v, type.scale)));
        decimal_to_i64(v, type.scale);
        for (int places = -3; places < 4; places++) decimal_round(v, type.scale, places, DECIMAL_KSQL, &again);
        decimal_mul(v, type.scale, v, type.scale, decimal_type_mul(type, type), &again);
        decimal_div(v, type.scale, v, type.scale, decimal_type_div(type, type), &again);
        decimal_mod(v, type.scale, v, type.scale, decimal_type_mod(type, type), &again);
        decimal_add(v, type.scale, v, type.scale, decimal_type_add(type, type), &again);
        buf_free(&b);
    }
    if (decimal_parse_natural(s, &v, &natural) == DECIMAL_OK) check(decimal_fits(v, natural.precision));
    decimal_from_bytes(s.p, s.n, &v);
    double d;
    if (s.n >= sizeof d) {
        memcpy(&d, s.p, sizeof d);
        if (decimal_from_f64(d, type, &v) == DECIMAL_OK) check(decimal_fits(v, type.precision));
    }
}

static void dates(str s)
{
    int64_t ms, days, again;
    char text[DATETIME_TEXT_MAX];
    diag d = {0};
    if (datetime_parse_timestamp(s, &ms, &d)) {
        size_t n = datetime_format_timestamp(ms, text);
        check(n <= DATETIME_TEXT_MAX);
        if (n == 23 && text[0] != '-') check(datetime_parse_timestamp(str_of(text, n), &again, &d) && again == ms);
    } else {
        check(diag_is_set(&d));
    }
    diag_clear(&d);
    if (datetime_parse_date(s, &days, &d)) {
        civil c = datetime_civil(days);
        check(datetime_days(c.year, c.month, c.day) == days);
        check(datetime_format_date(days, text) <= DATETIME_TEXT_MAX);
        datetime_weekday(days);
        datetime_day_of_year(c);
    } else {
        check(diag_is_set(&d));
    }
    diag_clear(&d);
    if (datetime_parse_time(s, &ms, &d))
        check(ms >= 0 && ms < DATETIME_DAY_MS && datetime_format_time(ms, text) <= DATETIME_TEXT_MAX);
    else
        check(diag_is_set(&d));
}

static void zones(str s)
{
    diag d = {0};
    const tz *z = tz_find(s, &d);
    check((z == NULL) == diag_is_set(&d));
    static const int64_t instants[] = {INT64_C(-4000000000), 0, 1700000000, INT64_C(40000000000)};
    for (size_t i = 0; z && i < ARRAY_LEN(instants); i++) {
        str name;
        check(abs(tz_offset(z, instants[i])) <= 18 * 3600 && abs(tz_offset_of_local(z, instants[i])) <= 18 * 3600);
        tz_is_dst(z, instants[i], &name);
    }
    if (z) check(tz_find(tz_id(z), &d) != NULL);
}

static void base64(str s)
{
    size_t n;
    uint8_t *out = fuzz_copy(NULL, 0);
    for (base64_rules rules = BASE64_JAVA; rules <= BASE64_URL; rules++) {
        free(out);
        out = malloc(base64_decoded_max(s.n));
        check(out != NULL);
        if (base64_decode(s, rules, out, &n)) check(n <= base64_decoded_max(s.n));
    }
    buf b = {0};
    base64_put(&b, s.p, s.n);
    free(out);
    out = malloc(base64_decoded_max(b.len));
    check(base64_decode(buf_str(&b), BASE64_JACKSON, out, &n) && n == s.n && memcmp(out, s.p, n) == 0);
    buf_clear(&b);
    hex_put(&b, s.p, s.n, true);
    check(hex_decode(buf_str(&b), out) && memcmp(out, s.p, s.n) == 0);
    hex_decode(s, out);
    free(out);
    buf_free(&b);
}

static void unicode(arena *a, str s, uint32_t pick)
{
    str good = utf8_repair(a, s);
    check(utf8_valid(good) && (utf8_valid(s) ? str_eq(s, good) : true));
    size_t units = utf8_length16(good);
    check(utf8_length(good) <= units && units <= good.n);
    check(utf8_valid(utf8_upper(a, good)) && utf8_valid(utf8_lower(a, good)));
    check(utf8_valid(utf8_substr16(a, good, pick % 17, pick / 17)));
    check(utf8_cmp16(good, good) == 0);
    bool inside = false;
    size_t at = utf8_offset16(good, pick % 9, &inside);
    check(at <= good.n);
    if (at < good.n && !inside && pick % 9 <= units) check(utf8_index16(good, at) == pick % 9);
    /* On anything else they stay inside. */
    for (const char *p = s.p, *end = s.p + s.n; p < end;) utf8_next(&p, end);
    utf8_length16(s);
    utf8_length(s);
    utf8_offset16(s, pick, &inside);
    utf8_substr16(a, s, pick % 17, pick / 17);
    utf8_upper(a, s);
    utf8_lower(a, s);
    utf8_cmp16(s, good);
}

static void patterns(arena *a, str pattern, str text, uint32_t pick)
{
    diag d = {0};
    const datepattern *p = datepattern_compile(a, pattern, &d);
    check((p == NULL) == diag_is_set(&d));
    if (!p) return;
    static const char *const zone_ids[] = {"Z", "America/Los_Angeles", "+05:30", "Europe/Berlin"};
    const tz *zone = tz_find(str_z(zone_ids[pick % ARRAY_LEN(zone_ids)]), &d);
    check(zone != NULL);
    int64_t v, again;
    buf out = {0};
    if (datepattern_parse_timestamp(p, text, zone, &v, &d) && datepattern_format_timestamp(p, v, zone, &out, &d) &&
        out.len > 0)
        datepattern_parse_timestamp(p, buf_str(&out), zone, &again, &d);
    diag_clear(&d);
    if (datepattern_parse_time(p, text, &v, &d)) check(v >= 0 && v < DATETIME_DAY_MS);
    diag_clear(&d);
    datepattern_parse_local_date(p, text, &v, &d);
    static const int64_t times[] = {
        0, INT64_C(1700000000123), INT64_C(-62135596800000), INT64_C(253402300799999), INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        diag_clear(&d);
        buf_clear(&out);
        if (!datepattern_format_timestamp(p, times[i], zone, &out, &d)) check(out.len == 0 && diag_is_set(&d));
        diag_clear(&d);
        datepattern_format_date(p, times[i] / DATETIME_DAY_MS, &out, &d);
        diag_clear(&d);
        datepattern_format_time(p, datetime_floor_mod(times[i], DATETIME_DAY_MS), &out, &d);
    }
    buf_free(&out);
}

static void fast_patterns(arena *a, str pattern, str text)
{
    diag d = {0};
    int64_t days;
    const fastdate *f = fastdate_compile(a, pattern, 2023, &d);
    check((f == NULL) == diag_is_set(&d));
    if (f && !fastdate_parse_date(f, text, &days, &d)) check(diag_is_set(&d));
}

static void regexes(arena *a, str pattern, str text, uint32_t pick)
{
    diag d = {0};
    regex *r = regex_compile(pattern, &d);
    check((r == NULL) == diag_is_set(&d));
    if (!r) return;
    regex_match *m = regex_match_new();
    str subject = utf8_repair(a, text), group;
    size_t from = 0, start, end;
    for (int i = 0; i < 50 && from <= subject.n; i++) {
        diag_clear(&d);
        regex_result found = regex_find(r, m, subject, from, &d);
        check((found == REGEX_FAILED) == diag_is_set(&d));
        if (found != REGEX_FOUND) break;
        regex_span(m, &start, &end);
        check(end <= subject.n && start <= subject.n);
        for (int g = 0; g <= regex_groups(r); g++)
            if (regex_group(m, g, &group)) check(group.p >= subject.p && group.p + group.n <= subject.p + subject.n);
        size_t next = regex_next(m, subject);
        check(next > from || end > from || next > subject.n);
        from = next;
    }
    static const char *const replacements[] = {"", "$1", "${name}", "\\$x", "<$0>"};
    buf out = {0};
    diag_clear(&d);
    regex_matches(r, m, subject, &d);
    diag_clear(&d);
    regex_replace_all(r, m, subject, str_z(replacements[pick % ARRAY_LEN(replacements)]), &out, &d);
    buf_free(&out);
    regex_match_free(m);
    regex_free(r);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader r = reader_of(data, n);
    uint32_t parser = fuzz_pick(&r, PARSERS), pick = fuzz_pick(&r, 256);
    str first = parser >= PATTERNS ? fuzz_bytes(&r, 256) : (str){0};
    uint8_t *pattern = fuzz_copy(first.p, first.n), *text = fuzz_copy(r.p, reader_left(&r));
    str p = str_of((char *)pattern, first.n), s = str_of((char *)text, reader_left(&r));
    arena *a = arena_new();
    switch (parser) {
    case NUMBERS: numbers(s); break;
    case DECIMALS: decimals(s, pick); break;
    case DATES: dates(s); break;
    case ZONES: zones(s); break;
    case BASE64: base64(s); break;
    case UNICODE: unicode(a, s, pick); break;
    case PATTERNS: patterns(a, p, s, pick); break;
    case FAST_PATTERNS: fast_patterns(a, p, s); break;
    default: regexes(a, p, s, pick); break;
    }
    arena_free(a);
    free(pattern);
    free(text);
}

static void seed_pattern(fuzz_out *out, uint8_t parser, const char *pattern, const char *text)
{
    buf b = {0};
    buf_add_char(&b, (char)parser);
    buf_add_char(&b, 3);
    fuzz_put_bytes(&b, pattern, strlen(pattern));
    buf_add_z(&b, text);
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

void fuzz_make(fuzz_out *out)
{
    static const struct {
        uint8_t parser;
        const char *texts[10];
    } plain[] = {
        {NUMBERS,
         {"0", "-9223372036854775808", "1.7976931348623157E308", "4.9E-324", ".5", "5.", "NaN", "-Infinity", "1e5d"}},
        {DECIMALS,
         {"0", "-12.50", ".5", "1.25E-3", "99999999999999999999999999999999999999", "1E2147483647", "1E-2147483648"}},
        {DATES,
         {"2020", "2020-05-26T23:59:58.000Z", "2020-05-26", "10:30:01.123456789", "2020-05-26T23+0200", "0000-02-30"}},
        {ZONES,
         {"Z", "+2", "+02:00:30", "UTC+1", "GMT-01:00", "America/Los_Angeles", "Europe/Berlin", "../etc/passwd",
          "+19"}},
        {BASE64, {"AAEC", "AA==", "A A=", "_-8=", "zz\xff", ""}},
        {UNICODE,
         {"caf\xc3\xa9", "\xf0\x9f\x98\x80x", "\xed\xa0\x80", "\xce\x9f\xce\xa3 \xc3\x9f\xc4\xb0", "\xff\xfe"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        const uint8_t head[] = {plain[i].parser, 37};
        fuzz_seed_texts(out, head, sizeof head, plain[i].texts);
    }
    static const char *const dated[][2] = {
        {"yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2020-05-26T23:59:58.123+02:00"},
        {"EEE, d MMM yyyy h:mm a z", "Tue, 26 May 2020 11:59 PM PST"},
        {"[yyyy][-MM][-dd]", "2020-05"},
        {"YYYY-'W'ww-e", "2020-W22-2"},
        {"uuuuMMddHHmmssn", "20200526235958123456789"},
        {"GGGG yy DDD kk:KK AAAA NNNN VV OOOO xxx", "Anno Domini 20 147 24:11 1 2 Europe/Berlin GMT+02:00 +02:00"},
        {"ppppH''mm", "  23'59"},
        {"QQQ qqqq LLLL ccc FF W g", "Q2 2nd quarter May Tue 04 4 59000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(dated); i++) {
        seed_pattern(out, PATTERNS, dated[i][0], dated[i][1]);
        seed_pattern(out, FAST_PATTERNS, dated[i][0], dated[i][1]);
    }
    static const char *const matched[][2] = {
        {"(\\w+)@(?<name>\\w+)\\.com", "a@b.com and c@d.com"},
        {"(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaab"},
        {"[a-z&&[^aeiou]]*+", "rhythm"},
        {"\\Qa.b\\E|(?i)x{2,3}?", "a.b XX"},
        {"^|(?<=b)c|\\b", "abc bc"},
        {"\\p{IsAlphabetic}\\p{javaLowerCase}\\h\\R", "Aa \n"},
        {"(?(1)a|b)(*LIMIT_MATCH=1)", "b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(matched); i++) seed_pattern(out, REGEX, matched[i][0], matched[i][1]);
    fuzz_words(out, LIST("yyyy", "MMM", "EEEE", "'T'", "mmXXX", "VV", "[", "]", "SSSSSSSSS", "pp", "(?<n>", "(?:",
                         "\\\\p{L}", "{2,}", "&&[", "*+", "??", "\\\\G", "1E+", "E-", "Infinity", "UTC", "+00:00"));
}
