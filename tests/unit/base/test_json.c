/* JSON: the published suite when it is at hand, and the cases that it leaves open. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_scan.h"

/* Skips and parses the text from exactly sized memory, so that a read behind its end is seen. */
static bool accepts(str text)
{
    char *copy = malloc(text.n ? text.n : 1), *wide = malloc(text.n + 32);
    memcpy(copy, text.p, text.n);
    memcpy(wide, text.p, text.n);
    memset(wide + text.n, '"', 32);
    json_in in = json_in_of(str_of(copy, text.n), false), padded = json_in_of(str_of(wide, text.n), true);
    bool skipped = json_skip(&in, JSON_DEPTH_MAX) && json_end(&in);
    ck_assert(skipped == (json_skip(&padded, JSON_DEPTH_MAX) && json_end(&padded)));
    ck_assert(skipped == (in.why == NULL));
    arena *a = arena_new();
    diag d = {0};
    json_value *v = json_parse(a, str_of(copy, text.n), NULL, &d);
    ck_assert((v != NULL) == skipped && diag_is_set(&d) == !skipped);
    if (v) {
        /* What is written from the document reads as the same document. */
        buf first = {0}, second = {0};
        json_put_value(&first, v);
        json_value *again = json_parse(a, buf_str(&first), NULL, &d);
        ck_assert(again != NULL);
        json_put_value(&second, again);
        ck_assert(str_eq(buf_str(&first), buf_str(&second)));
        buf_free(&first);
        buf_free(&second);
    }
    arena_free(a);
    free(copy);
    free(wide);
    return skipped;
}

static bool read_file(const char *folder, const char *name, buf *out)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    size_t n;
    while ((n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0) out->len += n;
    fclose(f);
    return true;
}

START_TEST(the_published_suite_is_accepted_and_refused_as_it_says)
{
    const char *folder = getenv("WEIR_JSON_SUITE");
    if (!folder) folder = "../shared/data/json-parsing";
    DIR *dir = opendir(folder);
    if (!dir) {
        fprintf(stderr, "skipped: no JSON test suite in %s (set WEIR_JSON_SUITE)\n", folder);
        return;
    }
    int files = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!str_ends(str_z(e->d_name), STR(".json"))) continue;
        buf text = {0};
        ck_assert(read_file(folder, e->d_name, &text));
        bool ok = accepts(buf_str(&text));
        if (e->d_name[0] == 'y') ck_assert_msg(ok, "%s was refused", e->d_name);
        if (e->d_name[0] == 'n') ck_assert_msg(!ok, "%s was accepted", e->d_name);
        buf_free(&text);
        files++;
    }
    closedir(dir);
    ck_assert_int_gt(files, 300);
}
END_TEST

START_TEST(small_texts_are_judged_strictly)
{
    static const char *good[] = {"0",
                                 "-0",
                                 " [ ] ",
                                 "{}",
                                 "\"\"",
                                 "[1,2]",
                                 "{\"a\":1,\"a\":2}",
                                 "1e5",
                                 "-1.5E-3",
                                 "true",
                                 "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
                                 "[[[null]],false]",
                                 "\"\xc3\xa9\x7f\""};
    static const char *bad[] = {"",           " ",           "01",      "-",        "1.",
                                "1.e1",       "+1",          ".5",      "[1,]",     "{,}",
                                "[1 2]",      "{\"a\"}",     "{a:1}",   "{\"a\":}", "\"\n\"",
                                "\"\\x\"",    "\"\\u12g4\"", "\"",      "\"\\\"",   "tru",
                                "truex",      "nul",         "[1]]",    "\"\xff\"", "\"\xed\xa0\x80\"",
                                "{\"a\":1,}", "1e",          "1e+",     "--1",      "\"\xc0\x80\"",
                                "[",          "{",           "{\"a\":1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) ck_assert_msg(accepts(str_z(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_msg(!accepts(str_z(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(strings_of_every_length_end_where_they_should)
{
    char text[200];
    for (size_t n = 0; n < 150; n++) {
        text[0] = '"';
        memset(text + 1, 'x', n);
        text[n + 1] = '"';
        ck_assert(accepts(str_of(text, n + 2)) && !accepts(str_of(text, n + 1)));
        for (size_t at = 1; at <= n; at += 7) {
            text[at] = '\t';
            ck_assert(!accepts(str_of(text, n + 2)));
            text[at] = '\\';
            ck_assert(!accepts(str_of(text, n + 2)));
            text[at] = 'x';
        }
    }
}
END_TEST

START_TEST(nesting_is_limited)
{
    buf b = {0};
    for (int i = 0; i < JSON_DEPTH_MAX; i++) buf_add_char(&b, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++) buf_add_char(&b, ']');
    ck_assert(accepts(buf_str(&b)));
    buf_clear(&b);
    for (int i = 0; i < 100000; i++) buf_add_z(&b, "[{\"\":");
    ck_assert(!accepts(buf_str(&b)));
    arena *a = arena_new();
    diag d = {0};
    ck_assert(!json_parse(a, buf_str(&b), NULL, &d) && d.code == DIAG_LIMIT);
    arena_free(a);
    buf_free(&b);
}
END_TEST

START_TEST(escapes_become_their_characters)
{
    arena *a = arena_new();
    diag d = {0};
    json_value *v = json_parse(
        a, STR("[\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00\\ud800x\\udc00\\ud800\\u0041\"]"),
        NULL, &d);
    str s;
    ck_assert(v && json_as_str(json_item(v, 0), &s));
    ck_assert(str_eqz(s, "a\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80?x??A"));
    arena_free(a);
}
END_TEST

START_TEST(numbers_convert_as_bigdecimal_does)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, INT64_MIN},
        {"-9223372036854775809", false, INT64_MAX},
        {"1.9", false, 1},
        {"-1.9", false, -1},
        {"1e3", false, 1000},
        {"12e-1", false, 1},
        {"18446744073709551617", false, 1},
        {"1e30", false, 5076944270305263616},
        {"1e100", false, 0},
        {"1e-100", false, 0},
        {"1e999999999999", false, 0},
        {"123456789012345678901234567890", false, -4362896299872285998},
        {"00", false, 0},
        {"0.00123456789012345678901234567890e25", false, 4807115922877859019},
        {"184467440737095516170000e-4", false, 1},
        {"0.99999999999999999999999", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_in in = json_in_of(str_z(cases[i].text), false);
        json_num n;
        int64_t v;
        bool ok = json_number(&in, &n);
        if (strcmp(cases[i].text, "00") == 0) {
            ck_assert(!ok);
            continue;
        }
        ck_assert(ok && in.p == in.end && str_eqz(n.text, cases[i].text));
        ck_assert_msg(json_num_i64(&n, &v) == cases[i].fits, "%s", cases[i].text);
        if (cases[i].fits) ck_assert_int_eq(v, cases[i].value);
        ck_assert_msg(json_num_wrap_i64(&n) == cases[i].value, "%s gives %lld", cases[i].text,
                      (long long)json_num_wrap_i64(&n));
        ck_assert(json_num_f64(&n) == strtod(cases[i].text, NULL));
    }
}
END_TEST

START_TEST(documents_keep_order_and_duplicates)
{
    arena *a = arena_new();
    diag d = {0};
    str rest, s;
    int64_t i;
    double f;
    bool b;
    str text = STR(" {\"b\":[1,2.5,\"x\"],\"a\":true,\"b\":{\"c\":7}, \"n\":null} tail");
    ck_assert(!json_parse(a, text, NULL, &d) && d.code == DIAG_INVALID);
    diag_clear(&d);
    json_value *v = json_parse(a, text, &rest, &d);
    ck_assert(v && str_eqz(rest, " tail") && v->count == 4);
    ck_assert(str_eqz(v->members[0].name, "b") && str_eqz(v->members[0].value.source, "[1,2.5,\"x\"]"));
    ck_assert(json_as_i64(json_getz(json_getz(v, "b"), "c"), &i) && i == 7);
    ck_assert(json_as_bool(json_getz(v, "a"), &b) && b);
    const json_value *list = &v->members[0].value;
    ck_assert(json_as_f64(json_item(list, 1), &f) && f == 2.5 && !json_as_i64(json_item(list, 1), &i));
    ck_assert(json_as_str(json_item(list, 2), &s) && str_eqz(s, "x") && !json_item(list, 3));
    ck_assert(!json_getz(v, "z") && !json_getz(NULL, "z") && !json_item(NULL, 0) && !json_as_str(NULL, &s));
    ck_assert(json_getz(v, "n")->kind == JSON_NULL);
    arena_free(a);
}
END_TEST

START_TEST(writing_escapes_as_jackson_does)
{
    buf b = {0};
    json_put_str(&b, STR("a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9 and a longer text behind it, beyond 32 bytes\n"));
    ck_assert(str_eqz(buf_str(&b), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7f\xc3\xa9 and a longer text behind it, "
                                   "beyond 32 bytes\\n\""));
    buf_clear(&b);
    json_out o = {.b = &b};
    json_out_array(&o);
    json_out_object(&o);
    json_out_key(&o, "a");
    json_out_i64(&o, INT64_MIN);
    json_out_key(&o, "b");
    json_out_array(&o);
    json_out_end_array(&o);
    json_out_key_str(&o, STR("c"));
    json_out_f64(&o, 1e21);
    json_out_end_object(&o);
    json_out_f64(&o, NAN);
    json_out_bool(&o, false);
    json_out_null(&o);
    json_out_z(&o, NULL);
    json_out_str(&o, STR("x"));
    json_out_raw(&o, STR("[0]"));
    json_out_end_array(&o);
    ck_assert(
        str_eqz(buf_str(&b), "[{\"a\":-9223372036854775808,\"b\":[],\"c\":1.0E21},\"NaN\",false,null,null,\"x\",[0]]"));
    buf_free(&b);
}
END_TEST

UNIT_MAIN("base/json", the_published_suite_is_accepted_and_refused_as_it_says, small_texts_are_judged_strictly,
          strings_of_every_length_end_where_they_should, nesting_is_limited, escapes_become_their_characters,
          numbers_convert_as_bigdecimal_does, documents_keep_order_and_duplicates, writing_escapes_as_jackson_does)
