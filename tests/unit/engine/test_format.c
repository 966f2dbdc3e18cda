#include <stdio.h>
#include <string.h>

#include "engine/format/format.h"
#include "tests/support/engine/mini.h"
#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

/* One codec over a schema of text, and what it said last. */
typedef struct bench {
    rig *r;
    arena *a;
    const schema *s;
    format_codec *f;
    char failure[512];
    bool null;
} bench;

static void failed(void *ctx, uint32_t row, str message)
{
    bench *b = ctx;
    snprintf(b->failure, sizeof b->failure, "%.*s", STR_ARG(message));
}

static void became_null(void *ctx, uint32_t row)
{
    ((bench *)ctx)->null = true;
}

static bench *open_codec(format_kind kind, bool wrapped, const char *columns)
{
    static bench b;
    rig *r = rig_new();
    b = (bench){.r = r, .a = rig_arena(r), .s = rig_schema(r, columns, false)};
    format_spec spec = {.kind = kind, .wrapped = wrapped};
    diag d = {0};
    b.f = format_open(b.a, &spec, b.s, FORMAT_VALUE, NULL, &d);
    ck_assert_msg(b.f != NULL, "%s", d.text);
    return &b;
}

static chunk *read_record(bench *b, const char *text, size_t n, bool padded)
{
    char *p = arena_zalloc(b->a, n + 32);
    memcpy(p, text, n);
    io_record rec = {.value = str_of(p, n), .key_null = true};
    chunk *c = chunk_new(b->a, b->s, 1);
    format_events e = {failed, became_null, b};
    b->failure[0] = 0;
    b->null = false;
    format_read(b->f, &rec, 1, padded, c->cols, 0, b->a, &e);
    c->rows = c->count = 1;
    return c;
}

/* The columns of a record as text, or "ERROR: reason". The same with and without padding. */
static const char *read_text(bench *b, const char *text)
{
    buf out[2] = {{0}, {0}};
    for (int padded = 0; padded < 2; padded++) {
        chunk *c = read_record(b, text, strlen(text), padded);
        if (b->failure[0]) buf_printf(&out[padded], "ERROR: %s", b->failure);
        for (int i = 0; i < b->s->count && !b->failure[0]; i++) {
            if (i > 0) buf_add_char(&out[padded], ' ');
            buf_add_z(&out[padded], mini_text(b->a, c->cols[i].type, vec_get(&c->cols[i], 0)));
        }
    }
    ck_assert_str_eq(buf_z(&out[0]), buf_z(&out[1]));
    const char *z = arena_strz(b->a, buf_str(&out[0]));
    buf_free(&out[0]);
    buf_free(&out[1]);
    return z;
}

static const char *write_text(bench *b, chunk *c)
{
    buf out = {0};
    str why;
    ck_assert(format_write(b->f, c->cols, 0, &out, &why));
    const char *z = arena_strz(b->a, buf_str(&out));
    buf_free(&out);
    return z;
}

#define MISMATCH(node, want, path)                                                                                     \
    "ERROR: Can't convert type. sourceType: " node ", requiredType: " want ", path: " path

START_TEST(json_converts_as_ksqldb_does)
{
    static const struct {
        const char *type, *json, *want;
    } cases[] = {
        {"INT", "12", "12"},
        {"INT", "12.9", "12"},
        {"INT", "-12.9", "-12"},
        {"INT", "4294967297", "1"},
        {"INT", "1e3", "1000"},
        {"INT", "\"-7\"", "-7"},
        {"INT", "\"7.5\"", "ERROR: Can't coerce string to type. targetType: INTEGER, path: $.A"},
        {"INT", "\"99999999999\"", "ERROR: Can't coerce string to type. targetType: INTEGER, path: $.A"},
        {"INT", "true", MISMATCH("BooleanNode", "INTEGER", "$.A")},
        {"BIGINT", "9223372036854775808", "-9223372036854775808"},
        {"BIGINT", "[1]", MISMATCH("ArrayNode", "BIGINT", "$.A")},
        {"DOUBLE", "1", "1.0"},
        {"DOUBLE", "-0", "0.0"},
        {"DOUBLE", "\"2.50\"", "2.5"},
        {"DOUBLE", "{}", MISMATCH("ObjectNode", "DOUBLE", "$.A")},
        {"BOOLEAN", "true", "true"},
        {"BOOLEAN", "\"true\"", MISMATCH("TextNode", "BOOLEAN", "$.A")},
        {"STRING", "\"a\\u00e9\\n\"", "'a\xc3\xa9\n'"},
        {"STRING", "1.50", "'1.50'"},
        {"STRING", "1e3", "'1E+3'"},
        {"STRING", "0.0000001", "'1E-7'"},
        {"STRING", "false", "'false'"},
        {"STRING", "{ \"x\" : [1, null] }", "'{\"x\":[1,null]}'"},
        {"STRING", "[1, \"b\", [true], null]", "'[1, b, [true], null]'"},
        {"DECIMAL(4,2)", "12.3", "12.30"},
        {"DECIMAL(4,2)", "\"1\"", "1.00"},
        {"DECIMAL(4,2)", "123",
         "ERROR: Numeric field overflow: A field with precision 4 and scale 2 must round to an "
         "absolute value less than 10^2. Got 123, path: $.A"},
        {"DATE", "18", "1970-01-19"},
        {"TIME", "\"1000\"", "00:00:01"},
        {"TIME", "86400001",
         "ERROR: Time values must use number of milliseconds greater than 0 and less than "
         "86400000., path: $.A"},
        {"BYTES", "\"AQI=\"", "0102"},
        {"ARRAY<INT>", "[1,null,\"3\"]", "[1, NULL, 3]"},
        {"ARRAY<INT>", "[1,{}]", MISMATCH("ObjectNode", "INTEGER", "$.A[1]")},
        {"MAP<STRING, INT>", "{\"x\":1,\"x\":2}", "{'x': 2}"},
        {"MAP<STRING, INT>", "{\"x\":[]}", MISMATCH("ArrayNode", "INTEGER", "$.A.x.value")},
        {"STRUCT<F INT, G STRING>", "{\"f\":1,\"F\":2,\"h\":[{}]}", "{F: 2, G: NULL}"},
        {"STRUCT<F ARRAY<INT>>", "{\"F\":[true]}", MISMATCH("BooleanNode", "INTEGER", "$.A.F[0]")},
        {"INT", "null", "NULL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char columns[100], json[200];
        snprintf(columns, sizeof columns, "A %s", cases[i].type);
        snprintf(json, sizeof json, "{\"A\":%s}", cases[i].json);
        bench *b = open_codec(FORMAT_JSON, true, columns);
        ck_assert_str_eq(read_text(b, json), cases[i].want);
        rig_free(b->r);
    }
}
END_TEST

START_TEST(json_fields_are_found_by_exact_then_upper_case_name)
{
    bench *b = open_codec(FORMAT_JSON, true, "A INT, LONG_NAME STRING");
    ck_assert_str_eq(read_text(b, "{\"a\":1,\"long_name\":\"x\"}"), "1 'x'");
    ck_assert_str_eq(read_text(b, "{\"long_name\":\"y\",\"A\":2}"), "2 'y'");
    ck_assert_str_eq(read_text(b, "{\"A\":3,\"a\":4}"), "3 NULL");
    ck_assert_str_eq(read_text(b, "{\"a\":4,\"A\":3}"), "3 NULL");
    ck_assert_str_eq(read_text(b, "{\"A\":null,\"a\":4}"), "NULL NULL");
    ck_assert_str_eq(read_text(b, "{\"A\":1,\"A\":2}"), "2 NULL");
    ck_assert_str_eq(read_text(b, "{\"\\u0041\":9}"), "9 NULL");
    ck_assert_str_eq(read_text(b, " { \"A\" : 5 , \"x\" : \"\\\"\" } trailing"), "5 NULL");
    ck_assert_str_eq(read_text(b, "{}"), "NULL NULL");
    rig_free(b->r);
}
END_TEST

START_TEST(malformed_json_fails_the_record_alone)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"A\"",
                                      "{\"A\":}",
                                      "{\"A\":1",
                                      "{\"A\":1,}",
                                      "{\"A\":01}",
                                      "{\"x\":\"\x01\"}",
                                      "{\"x\":\xff}",
                                      "[1]",
                                      "{\"A\":nul}",
                                      "7"};
    bench *b = open_codec(FORMAT_JSON, true, "A INT");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(strncmp(read_text(b, bad[i]), "ERROR: ", 7) == 0, "%s", bad[i]);
        ck_assert_str_eq(read_text(b, "{\"A\":1}"), "1");
    }
    read_record(b, "null", 4, true);
    ck_assert(b->null);
    rig_free(b->r);
}
END_TEST

START_TEST(json_is_written_as_connect_writes_it)
{
    bench *b =
        open_codec(FORMAT_JSON, true,
                   "A INT, B DOUBLE, C STRING, D DECIMAL(5,2), E BYTES, F DATE, G ARRAY<INT>, H MAP<STRING, INT>, "
                   "I STRUCT<X INT, Y STRING>, J BOOLEAN");
    const char *json = "{\"A\":1,\"B\":1.5E10,\"C\":\"q\\\"\\n\",\"D\":12.30,\"E\":\"AQI=\",\"F\":18,\"G\":[1,null],"
                       "\"H\":{\"k\":2},\"I\":{\"X\":1,\"Y\":null},\"J\":true}";
    ck_assert_str_eq(write_text(b, read_record(b, json, strlen(json), true)), json);
    ck_assert_str_eq(write_text(b, read_record(b, "{}", 2, true)),
                     "{\"A\":null,\"B\":null,\"C\":null,\"D\":null,\"E\":null,\"F\":null,\"G\":null,\"H\":null,"
                     "\"I\":null,\"J\":null}");
    rig_free(b->r);
    b = open_codec(FORMAT_JSON, false, "A STRING");
    ck_assert_str_eq(read_text(b, "\"x\""), "'x'");
    ck_assert_str_eq(write_text(b, read_record(b, "\"x\"", 3, true)), "\"x\"");
    rig_free(b->r);
}
END_TEST

START_TEST(delimited_follows_commons_csv)
{
    bench *b = open_codec(FORMAT_DELIMITED, false, "A INT, B STRING, C BOOLEAN, D DECIMAL(4,1)");
    ck_assert_str_eq(read_text(b, "1,x,TRUE,2.5"), "1 'x' true 2.5");
    ck_assert_str_eq(read_text(b, ",,,"), "NULL NULL NULL NULL");
    ck_assert_str_eq(read_text(b, "1,\"a,\"\"b\"\"\nc\",no,2\r\nmore"), "1 'a,\"b\"\nc' false 2.0");
    ck_assert_str_eq(read_text(b, "1,x"), "ERROR: Column count mismatch on deserialization. expected: 4, got: 2");
    ck_assert_str_eq(read_text(b, "z,x,,"), "ERROR: field 1 (A): not a 32-bit integer");
    ck_assert_int_eq(strncmp(read_text(b, "1,\"x,,"), "ERROR", 5), 0);
    ck_assert_int_eq(strncmp(read_text(b, ""), "ERROR", 5), 0);
    chunk *c = read_record(b, "1,\"a,\"\"b\",true,2", 16, true);
    ck_assert_str_eq(write_text(b, c), "1,\"a,\"\"b\",true,2.0");
    c->cols[1].s[0] = STR(" x ");
    ck_assert_str_eq(write_text(b, c), "1,\" x \",true,2.0");
    rig_free(b->r);
}
END_TEST

START_TEST(kafka_numbers_have_exact_sizes)
{
    bench *b = open_codec(FORMAT_KAFKA, false, "A INT");
    chunk *c = read_record(b, "\x80\x00\x00\x01", 4, true);
    ck_assert_int_eq(c->cols[0].i[0], INT32_MIN + 1);
    buf out = {0};
    str why;
    ck_assert(format_write(b->f, c->cols, 0, &out, &why));
    ck_assert(str_eq(buf_str(&out), str_of("\x80\x00\x00\x01", 4)));
    buf_free(&out);
    read_record(b, "\x01\x02\x03", 3, true);
    ck_assert_str_eq(b->failure, "Size of data received is not 4");
    rig_free(b->r);
    b = open_codec(FORMAT_KAFKA, false, "A STRING");
    ck_assert_str_eq(read_text(b, ""), "''");
    rig_free(b->r);
}
END_TEST

START_TEST(formats_refuse_what_they_cannot_carry)
{
    rig *r = rig_new();
    static const struct {
        format_kind kind;
        const char *columns;
    } cases[] = {{FORMAT_KAFKA, "A BOOLEAN"},
                 {FORMAT_KAFKA, "A INT, B INT"},
                 {FORMAT_DELIMITED, "A ARRAY<INT>"},
                 {FORMAT_JSON, "A MAP<INT, INT>"},
                 {FORMAT_JSON, "A ARRAY<STRUCT<F MAP<INT, INT>>>"},
                 {FORMAT_NONE, "A INT"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        format_spec spec = {.kind = cases[i].kind, .wrapped = true};
        diag d = {0};
        ck_assert(!format_check(&spec, rig_schema(r, cases[i].columns, false), FORMAT_VALUE, &d));
        ck_assert_int_eq(d.code, DIAG_STATEMENT);
    }
    rig_free(r);
}
END_TEST

START_TEST(windows_are_split_off_and_added)
{
    buf b = {0};
    int64_t start, end;
    buf_add_z(&b, "k");
    format_add_window(WINDOW_TUMBLING, 1000, 2000, &b);
    str key = buf_str(&b);
    ck_assert(format_split_window(WINDOW_TUMBLING, 500, &key, &start, &end));
    ck_assert(str_eqz(key, "k") && start == 1000 && end == 1500);
    buf_clear(&b);
    format_add_window(WINDOW_SESSION, 7, 9, &b);
    key = buf_str(&b);
    ck_assert(format_split_window(WINDOW_SESSION, 0, &key, &start, &end));
    ck_assert(key.n == 0 && start == 7 && end == 9);
    key = STR("short");
    ck_assert(!format_split_window(WINDOW_HOPPING, 10, &key, &start, &end));
    buf_free(&b);
}
END_TEST

UNIT_MAIN("engine/format", json_converts_as_ksqldb_does, json_fields_are_found_by_exact_then_upper_case_name,
          malformed_json_fails_the_record_alone, json_is_written_as_connect_writes_it, delimited_follows_commons_csv,
          kafka_numbers_have_exact_sizes, formats_refuse_what_they_cannot_carry, windows_are_split_off_and_added)
