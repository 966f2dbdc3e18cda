/*
 * JSON: json_parse and the scanner accept and refuse the same texts, padded or not and whatever the padding holds;
 * what is written reads back to the same bytes. The first byte of an input is not used (files of a corpus go behind
 * it).
 */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { PADDING = 32 };

static bool skip(str text, bool padded, size_t *at)
{
    json_in in = json_in_of(text, padded);
    json_ws(&in);
    bool ok = json_skip(&in, JSON_DEPTH_MAX) && json_end(&in);
    check(in.p >= text.p && in.p <= text.p + text.n);
    check(ok == (in.why == NULL));
    *at = (size_t)(in.p - text.p);
    return ok;
}

static void walk(const json_value *v, str text)
{
    check(v->source.p >= text.p && v->source.p + v->source.n <= text.p + text.n && v->source.n > 0);
    str s;
    int64_t i;
    double d;
    bool b;
    check(json_as_str(v, &s) == (v->kind == JSON_STRING));
    check(json_as_bool(v, &b) == (v->kind == JSON_BOOL));
    if (json_as_i64(v, &i)) check(v->kind == JSON_NUMBER);
    if (json_as_f64(v, &d)) check(v->kind == JSON_NUMBER && !isnan(d));
    if (v->kind == JSON_STRING) check(utf8_valid(v->text));
    for (uint32_t k = 0; v->kind == JSON_ARRAY && k < v->count; k++) walk(json_item(v, k), text);
    for (uint32_t k = 0; v->kind == JSON_OBJECT && k < v->count; k++) {
        check(utf8_valid(v->members[k].name) && json_get(v, v->members[k].name) != NULL);
        walk(&v->members[k].value, text);
    }
}

/* Every step on the text, right or wrong for what stands there. */
static void steps(str text, bool padded)
{
    json_in in = json_in_of(text, padded);
    json_text key;
    json_num number;
    bool more, truth;
    if (json_open(&in, '{') && !json_closes(&in, '}') && json_key(&in, &key)) {
        check(key.raw.p >= text.p && key.raw.p + key.raw.n <= in.p);
        json_skip(&in, 8);
        json_more(&in, '}', &more);
    }
    in = json_in_of(text, padded);
    json_ws(&in);
    if (json_number(&in, &number)) {
        int64_t i;
        if (json_num_i64(&number, &i)) check(json_num_wrap_i64(&number) == i);
        check(!isnan(json_num_f64(&number)));
    }
    in = json_in_of(text, padded);
    json_bool(&in, &truth);
    in = json_in_of(text, padded);
    json_null(&in);
    check(in.p <= in.end);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    str text = str_of((const char *)data + 1, n - 1);
    uint8_t *zeros = fuzz_copy_padded(text.p, text.n, PADDING, 0),
            *quotes = fuzz_copy_padded(text.p, text.n, PADDING, '"');
    arena *a = arena_new();
    diag d = {0};
    size_t at[3];
    bool good = skip(text, false, &at[0]);
    check(good == skip(str_of((char *)zeros, text.n), true, &at[1]));
    check(good == skip(str_of((char *)quotes, text.n), true, &at[2]));
    steps(text, false);
    steps(str_of((char *)quotes, text.n), true);

    json_value *v = json_parse(a, text, NULL, &d);
    check((v != NULL) == good);
    check((v == NULL) == diag_is_set(&d));
    if (v) {
        walk(v, text);
        buf first = {0}, second = {0};
        json_put_value(&first, v);
        json_value *again = json_parse(a, buf_str(&first), NULL, &d);
        check(again != NULL);
        json_put_value(&second, again);
        check(str_eq(buf_str(&first), buf_str(&second)));
        buf_free(&first);
        buf_free(&second);
    }
    str rest;
    diag_clear(&d);
    if (json_parse(a, text, &rest, &d)) check(rest.p + rest.n == text.p + text.n);
    arena_free(a);
    free(zeros);
    free(quotes);
}

void fuzz_make(fuzz_out *out)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"x\\u00e9\\ud83d\\ude00\\n\"}}",
        "[1,-0,0.5,1e3,-1.25E-7,123456789012345678901234567890,1e400,9223372036854775807,-9223372036854775808]",
        " \t\r\n\"plain text that is longer than thirty-two bytes for the wide path\" ",
        "\"caf\xc3\xa9 \xf0\x9f\x98\x80 \xe2\x82\xac and more text behind it, as long as it takes\"",
        "[[[[[[[[[[]]]]]]]]]]",
        "{\"a\":{\"a\":{\"a\":{}}},\"a\":2}",
        "{\"a\":1,}",
        "[1 2]",
        "\"\\ud800\"",
        "01",
        "-",
        "nul",
        "",
        NULL,
    };
    static const char *const words[] = {"\\u0000",
                                        "\\ud83d\\ude00",
                                        "\\\"",
                                        "e+308",
                                        "0.1",
                                        "null",
                                        "true",
                                        "false",
                                        "\":",
                                        "{\"",
                                        "[[",
                                        "]]",
                                        "-0",
                                        "\xef\xbb\xbf",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        NULL};
    static const uint8_t zero = 0;
    fuzz_seed_texts(out, &zero, 1, texts);
    fuzz_words(out, words);
    buf deep = {0};
    buf_add_char(&deep, 0);
    for (int i = 0; i < JSON_DEPTH_MAX + 1; i++) buf_add_char(&deep, '[');
    fuzz_seed(out, deep.data, deep.len);
    for (int i = 0; i < JSON_DEPTH_MAX + 1; i++) buf_add_char(&deep, ']');
    fuzz_seed(out, deep.data, deep.len);
    buf_free(&deep);
}
