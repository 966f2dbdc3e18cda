/*
 * The formats JSON (wrapped and bare), DELIMITED and KAFKA: a record gives the same row alone and among others,
 * padded or not; a row that was read can be written, and what was written reads back to the same row.
 *
 * Input: four bytes that choose format, schema, side and needed columns, then records behind two-byte lengths.
 */
#include <stdlib.h>

#include "engine/format/format.h"
#include "tests/fuzz/fuzz.h"

enum { RECORDS_MAX = 8, PADDING = 32, COLUMNS_MAX = 24 };
enum { IS_JSON, IS_BARE_JSON, IS_DELIMITED, IS_KAFKA, KINDS };

/* What one reading told about each record. */
typedef struct told {
    bool failed[RECORDS_MAX];
    bool null[RECORDS_MAX];
} told;

/* A way to read the input. */
typedef struct setting {
    format_spec spec;
    const schema *s;
    format_side side;
    const bool *needed;
} setting;

static void on_failed(void *ctx, uint32_t row, str message)
{
    check(row < RECORDS_MAX && message.n > 0);
    ((told *)ctx)->failed[row] = true;
}

static void on_null(void *ctx, uint32_t row)
{
    check(row < RECORDS_MAX);
    ((told *)ctx)->null[row] = true;
}

/* Every type; nested ones behind the scalars. */
static int all_types(arena *a, const type **out)
{
    int n = 0;
    for (type_kind k = TYPE_BOOLEAN; k <= TYPE_TIMESTAMP; k++) {
        if (k != TYPE_DECIMAL) out[n++] = type_simple(k);
    }
    out[n++] = type_decimal(a, 10, 2);
    out[n++] = type_decimal(a, 38, 38);
    type_field inner[] = {{STR("X"), type_simple(TYPE_INT)}, {STR("y z"), type_array(a, type_simple(TYPE_DOUBLE))}};
    const type *inside = type_struct(a, inner, ARRAY_LEN(inner));
    type_field outer[] = {{STR("IN"), inside},
                          {STR("B"), type_simple(TYPE_BYTES)},
                          {STR("M"), type_map(a, type_simple(TYPE_STRING), inside)},
                          {STR("T"), type_simple(TYPE_TIMESTAMP)}};
    out[n++] = type_array(a, type_simple(TYPE_STRING));
    out[n++] = type_array(a, type_array(a, type_decimal(a, 4, 1)));
    out[n++] = type_map(a, type_simple(TYPE_STRING), type_simple(TYPE_BIGINT));
    out[n++] = type_struct(a, outer, ARRAY_LEN(outer));
    return n;
}

/* The columns that a format may carry, all of the same role; for the formats of one column the one that is picked. */
static const schema *make_schema(arena *a, int kind, uint32_t pick, column_role role)
{
    const type *types[COLUMNS_MAX];
    column columns[COLUMNS_MAX];
    int n = all_types(a, types), count = 0;
    bool one = kind == IS_BARE_JSON || kind == IS_KAFKA;
    for (int i = 0; i < n; i++) {
        if ((one && i != (int)(pick % (uint32_t)n)) || (kind == IS_DELIMITED && type_is_nested(types[i]))) continue;
        columns[count++] = (column){arena_printf(a, "%c%d", i % 3 ? 'C' : 'c', i), types[i], role, {0}};
    }
    return schema_new(a, columns, count);
}

static vec *make_rows(arena *a, const schema *s)
{
    vec *cols = ARENA_ARRAY(a, vec, (size_t)s->count);
    for (int i = 0; i < s->count; i++) cols[i] = vec_new(a, s->columns[i].type, RECORDS_MAX);
    return cols;
}

static void read_rows(arena *a, const setting *how, const io_record *records, uint32_t n, uint32_t first, bool padded,
                      vec *cols, told *out)
{
    diag d = {0};
    format_events events = {on_failed, on_null, out};
    format_codec *f = format_open(a, &how->spec, how->s, how->side, how->needed, &d);
    check(f != NULL);
    format_read(f, records, n, padded, cols, first, a, &events);
}

static void same_row(const schema *s, const vec *a, const vec *b, uint32_t row)
{
    for (int i = 0; i < s->count; i++) check(value_eq(s->columns[i].type, vec_get(&a[i], row), vec_get(&b[i], row)));
}

static io_record record_of(const setting *how, str bytes)
{
    io_record r = {.key_null = true, .value_null = true};
    *(how->side == FORMAT_KEY ? &r.key : &r.value) = bytes;
    *(how->side == FORMAT_KEY ? &r.key_null : &r.value_null) = false;
    return r;
}

/* Writes the row, reads that into *again; false when the row cannot be written. */
static bool write_read(arena *a, const setting *how, const vec *cols, uint32_t row, buf *out, vec **again)
{
    diag d = {0};
    str message = {0};
    told t = {0};
    format_codec *f = format_open(a, &how->spec, how->s, how->side, NULL, &d);
    if (!format_write(f, cols, row, out, &message)) {
        check(message.n > 0);
        return false;
    }
    uint8_t *exact = fuzz_copy(out->data, out->len);
    io_record r = record_of(how, str_of((char *)exact, out->len));
    *again = make_rows(a, how->s);
    read_rows(a, how, &r, 1, row, false, *again, &t);
    check(!t.failed[0]);
    /* What was read may point into the record. */
    for (int i = 0; i < how->s->count; i++)
        vec_set(&(*again)[i], row, value_copy(a, how->s->columns[i].type, vec_get(&(*again)[i], row)));
    free(exact);
    return true;
}

/* What was read can be written, and once it was, the bytes stay the same (JSON loses the sign of a zero on the way). */
static void write_and_read(arena *a, const setting *how, const vec *cols, uint32_t row)
{
    buf first = {0}, second = {0}, third = {0};
    vec *one, *two, *three;
    if (write_read(a, how, cols, row, &first, &one)) {
        check(write_read(a, how, one, row, &second, &two));
        check(write_read(a, how, two, row, &third, &three));
        check(str_eq(buf_str(&second), buf_str(&third)));
        same_row(how->s, two, three, row);
    }
    buf_free(&first);
    buf_free(&second);
    buf_free(&third);
}

static setting choose(arena *a, reader *r, int *kind)
{
    *kind = (int)fuzz_pick(r, KINDS);
    uint32_t pick = fuzz_pick(r, 256), side = fuzz_pick(r, 2), mask = fuzz_pick(r, 256);
    static const format_kind kinds[] = {FORMAT_JSON, FORMAT_JSON, FORMAT_DELIMITED, FORMAT_KAFKA};
    setting how = {.spec = {kinds[*kind], *kind != IS_BARE_JSON, ",\t| "[pick & 3]},
                   .side = side ? FORMAT_KEY : FORMAT_VALUE};
    how.s = make_schema(a, *kind, pick, side ? COLUMN_KEY : COLUMN_VALUE);
    if (mask == 0) return how;
    bool *needed = ARENA_ARRAY(a, bool, (size_t)how.s->count);
    for (int i = 0; i < how.s->count; i++) needed[i] = (mask >> (i & 7)) & 1;
    how.needed = needed;
    return how;
}

void fuzz_one(const uint8_t *data, size_t n)
{
    arena *a = arena_new();
    reader r = reader_of(data, n);
    int kind;
    setting how = choose(a, &r, &kind);
    diag d = {0};
    if (!format_check(&how.spec, how.s, how.side, &d)) {
        arena_free(a);
        return;
    }
    io_record records[RECORDS_MAX], alone[RECORDS_MAX];
    uint8_t *held[2 * RECORDS_MAX];
    uint32_t count = 0;
    for (; count < RECORDS_MAX && reader_left(&r) > 0; count++) {
        str bytes = fuzz_bytes(&r, reader_left(&r));
        held[2 * count] = fuzz_copy_padded(bytes.p, bytes.n, PADDING, '"');
        held[2 * count + 1] = fuzz_copy(bytes.p, bytes.n);
        records[count] = record_of(&how, str_of((char *)held[2 * count], bytes.n));
        alone[count] = record_of(&how, str_of((char *)held[2 * count + 1], bytes.n));
    }
    vec *together = make_rows(a, how.s), *single = make_rows(a, how.s);
    told all = {0};
    read_rows(a, &how, records, count, 0, true, together, &all);
    for (uint32_t i = 0; i < count; i++) {
        told one = {0};
        read_rows(a, &how, &alone[i], 1, i, false, single, &one);
        check(one.failed[0] == all.failed[i] && one.null[0] == all.null[i]);
        same_row(how.s, together, single, i);
        if (!one.failed[0] && !one.null[0] && !how.needed) write_and_read(a, &how, together, i);
    }
    for (uint32_t i = 0; i < 2 * count; i++) free(held[i]);
    arena_free(a);
}

static void seed(fuzz_out *out, uint8_t kind, uint8_t pick, uint8_t side, uint8_t mask, const char *const *records)
{
    buf b = {0};
    const uint8_t head[] = {kind, pick, side, mask};
    buf_add(&b, head, sizeof head);
    for (; *records; records++) fuzz_put_bytes(&b, *records, strlen(*records));
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

void fuzz_make(fuzz_out *out)
{
    const char *const *objects = LIST(
        "{\"c0\":true,\"C1\":1,\"C2\":9223372036854775807,\"c3\":1.5,\"C4\":\"caf\xc3\xa9\",\"C5\":\"AAEC\",\"c6\":"
        "19000,"
        "\"C7\":1000,\"C8\":1700000000000,\"c9\":12345678.9,\"C10\":0.5}",
        "{\"C11\":[\"a\",null],\"c12\":[[1.5],null],\"C13\":{\"k\":1},\"C14\":{\"IN\":{\"X\":1,\"y z\":[1,2.5]},"
        "\"B\":\"AA==\",\"M\":{\"k\":{\"x\":2}},\"T\":5}}",
        "{\"c0\":\"true\",\"C1\":\"12\",\"C4\":12.50,\"c4\":[1,{\"a\":2}],\"c9\":\"1.25\",\"other\":{\"deep\":[[]]}}",
        "null", "{}", "{\"c\\u0030\":false}", "[1]");
    for (uint8_t side = 0; side < 2; side++) {
        seed(out, IS_JSON, 0, side, 0, objects);
        seed(out, IS_JSON, 0, side, 0x55, objects);
    }
    const char *const *values = LIST("true", "12", "\"x\"", "1.5e3", "[\"a\"]", "{\"k\":1}", "null", "");
    for (uint8_t i = 0; i < 16; i++) seed(out, IS_BARE_JSON, i, 0, 0, values);
    seed(out, IS_DELIMITED, 0, 0, 0,
         LIST("true,1,2,3.5,text,AAEC,19000,1000,1700000000000,12.50,0.5",
              "\"false\",,,\"1e3\",\"a \"\"q\"\", b\",,,,,,", "true,1", "\n", "\"open"));
    seed(out, IS_DELIMITED, 1, 1, 0, LIST("true\t1\t2\t3.5\ttext\tAAEC\t19000\t1000\t1700000000000\t12.50\t0.5"));
    for (uint8_t i = 0; i < 11; i++)
        seed(out, IS_KAFKA, i, 0, 0, LIST("\1\2\3\4", "\1\2\3\4\5\6\7\10", "text \xff", ""));
    fuzz_words(out,
               LIST("\"c0\":", "\"C1\":", "\"C2\":", "\"c3\":", "\"C4\":", "\"C5\":", "\"c6\":", "\"C7\":", "\"C8\":",
                    "\"c9\":", "\"C10\":", "\"C11\":[", "\"c12\":[[", "\"C13\":{\"", "\"C14\":{\"",
                    "\"IN\":", "\"M\":", "\"NaN\"", "\"Infinity\"", "null", "true", "\\u0041", "1e400", "\"\"", ",,"));
}
