/*
 * Stored rows, keys and cells: any bytes decode to values or are refused; values that came out of bytes go back into
 * bytes and cells and come out the same; the bytes of keys order as their values do.
 *
 * Input: a byte that chooses what is decoded, one that chooses the types, then the bytes (for cells: their kind first).
 */
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "engine/rowcode.h"
#include "tests/fuzz/fuzz.h"

enum { DECODE_KEY, DECODE_ROW, DECODE_CELL, COMPARE_KEYS, CHOICES };
enum { TYPES_MAX = 24, COLUMNS_MAX = 4 };

/* Every type, scalars first. */
static int all_types(arena *a, const type **out)
{
    int n = 0;
    for (type_kind k = TYPE_BOOLEAN; k <= TYPE_TIMESTAMP; k++) {
        if (k != TYPE_DECIMAL) out[n++] = type_simple(k);
    }
    out[n++] = type_decimal(a, 4, 2);
    out[n++] = type_decimal(a, 38, 10);
    type_field fields[] = {{STR("A"), type_simple(TYPE_DOUBLE)},
                           {STR("b c"), type_array(a, type_simple(TYPE_BYTES))},
                           {STR("D"), type_decimal(a, 6, 3)},
                           {STR("E"), type_simple(TYPE_TIMESTAMP)}};
    const type *record = type_struct(a, fields, ARRAY_LEN(fields));
    out[n++] = type_array(a, type_simple(TYPE_STRING));
    out[n++] = type_array(a, type_array(a, type_simple(TYPE_BOOLEAN)));
    out[n++] = type_map(a, type_simple(TYPE_STRING), record);
    out[n++] = type_map(a, type_simple(TYPE_DOUBLE), type_simple(TYPE_DATE));
    out[n++] = record;
    check(n <= TYPES_MAX);
    return n;
}

/* One to four columns of types that follow each other in the list, from the one that is picked. */
static int pick_types(arena *a, uint32_t pick, const type **out)
{
    const type *types[TYPES_MAX];
    int n = all_types(a, types), count = 1 + (int)(pick / 64);
    for (int i = 0; i < count; i++) out[i] = types[(pick % 64 + (uint32_t)i * 5) % (uint32_t)n];
    return count;
}

/* A value through a cell and back; text that is no UTF-8 inside nested data may be refused. */
static void through_cell(arena *a, const type *t, value v)
{
    cell c = cell_of_value(t, v, a);
    value again;
    check(c.kind == CELL_NULL || c.kind == cell_kind_of(t) || (t->kind == TYPE_DOUBLE && c.kind == CELL_TEXT));
    bool ok = cell_to_value(&c, t, &again, a);
    bool may_fail = t->kind == TYPE_DECIMAL || (type_is_nested(t) && (c.kind == CELL_NULL || !utf8_valid(c.s)));
    if (ok && !may_fail) check(value_eq(t, v, again));
    check(ok || may_fail || type_is_nested(t));
}

/* Whether every map in it has each key once: no other equals itself. */
static bool is_proper(const type *t, value v)
{
    if (v.null || !type_is_nested(t)) return true;
    for (uint32_t i = 0; i < v.nest->n; i++) {
        for (uint32_t k = 0; t->kind == TYPE_MAP && k < i; k++)
            if (value_eq(t->key, v.nest->keys[i], v.nest->keys[k])) return false;
        if (!is_proper(t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, v.nest->items[i])) return false;
    }
    return true;
}

static bool are_proper(const type *const *types, const value *values, int count)
{
    for (int i = 0; i < count; i++)
        if (!is_proper(types[i], values[i])) return false;
    return true;
}

static void use_values(arena *a, const type *const *types, const value *values, int count)
{
    buf text = {0};
    for (int i = 0; i < count; i++) {
        buf_clear(&text);
        if (!values[i].null) value_print(types[i], values[i], &text);
        check(value_eq(types[i], values[i], value_copy(a, types[i], values[i])));
        value owned = value_own(types[i], values[i]);
        check(value_hash(types[i], owned) == value_hash(types[i], values[i]));
        value_disown(types[i], owned);
        through_cell(a, types[i], values[i]);
    }
    buf_free(&text);
}

static void decode_key(arena *a, uint32_t pick, str bytes)
{
    const type *types[COLUMNS_MAX];
    value values[COLUMNS_MAX], again[COLUMNS_MAX];
    vec cols[COLUMNS_MAX];
    int count = pick_types(a, pick, types);
    for (int i = 0; i < count; i++) cols[i] = vec_new(a, types[i], 64);
    bool ok = key_decode_values(bytes, types, count, values, a);
    check(key_decode(bytes, cols, count, 3, a) == ok);
    if (!ok) return;
    if (!are_proper(types, values, count)) return;
    use_values(a, types, values, count);
    buf first = {0}, second = {0};
    key_encode_values(types, values, count, &first);
    key_encode(cols, count, 3, &second);
    check(str_eq(buf_str(&first), buf_str(&second)));
    check(key_decode_values(buf_str(&first), types, count, again, a));
    for (int i = 0; i < count; i++) check(value_eq(types[i], values[i], again[i]));
    key_has_null(cols, count, 3);
    buf_free(&first);
    buf_free(&second);
}

static void decode_row(arena *a, uint32_t pick, str bytes)
{
    const type *types[COLUMNS_MAX];
    value values[COLUMNS_MAX];
    vec cols[COLUMNS_MAX], again[COLUMNS_MAX];
    int count = pick_types(a, pick, types), columns[COLUMNS_MAX];
    for (int i = 0; i < count; i++) {
        cols[i] = vec_new(a, types[i], 64);
        again[i] = vec_new(a, types[i], 64);
        columns[i] = count - 1 - i;
    }
    if (!row_decode(bytes, cols, columns, count, 5, a)) return;
    for (int i = 0; i < count; i++) values[i] = vec_get(&cols[i], 5);
    if (!are_proper(types, values, count)) return;
    use_values(a, types, values, count);
    buf first = {0};
    row_encode(cols, columns, count, 5, &first);
    check(row_decode(buf_str(&first), again, columns, count, 6, a));
    for (int i = 0; i < count; i++) check(value_eq(types[i], values[i], vec_get(&again[i], 6)));
    buf_free(&first);
}

static void decode_cell(arena *a, uint32_t pick, str bytes)
{
    const type *types[COLUMNS_MAX];
    pick_types(a, pick, types);
    reader r = reader_of(bytes.p, bytes.n);
    cell c = {.kind = (cell_kind)fuzz_pick(&r, CELL_BLOB + 1)};
    if (c.kind == CELL_INTEGER) c.i = read_i64(&r);
    if (c.kind == CELL_REAL) {
        uint64_t bits = (uint64_t)read_i64(&r);
        memcpy(&c.d, &bits, sizeof bits);
    }
    if (c.kind == CELL_TEXT || c.kind == CELL_BLOB) c.s = str_of((const char *)r.p, reader_left(&r));
    value v;
    if (cell_to_value(&c, types[0], &v, a) && is_proper(types[0], v)) use_values(a, types, &v, 1);
}

/* Keys of one column whose order is that of their values, as the comment of key_encode says. */
static void compare_keys(arena *a, uint32_t pick, str bytes)
{
    const type *types[] = {type_simple(TYPE_INT), type_simple(TYPE_BIGINT), type_simple(TYPE_DOUBLE),
                           type_decimal(a, 38, 10), type_simple(TYPE_TIMESTAMP)};
    const type *t = types[pick % ARRAY_LEN(types)];
    reader r = reader_of(bytes.p, bytes.n);
    value left, right;
    if (!value_decode(&r, t, &left, a) || !value_decode(&r, t, &right, a) || left.null || right.null) return;
    if (t->kind == TYPE_DOUBLE && (isnan(left.d) || isnan(right.d))) return;
    buf one = {0}, two = {0};
    key_encode_values(&t, &left, 1, &one);
    key_encode_values(&t, &right, 1, &two);
    int by_bytes = str_cmp(buf_str(&one), buf_str(&two)), by_value = value_cmp(t, left, right);
    check((by_bytes < 0) == (by_value < 0) && (by_bytes > 0) == (by_value > 0));
    buf_free(&one);
    buf_free(&two);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader r = reader_of(data, n);
    uint32_t choice = fuzz_pick(&r, CHOICES), pick = fuzz_pick(&r, 256);
    size_t left = reader_left(&r);
    uint8_t *copy = fuzz_copy(r.p, left);
    str bytes = str_of((const char *)copy, left);
    arena *a = arena_new();
    switch (choice) {
    case DECODE_KEY: decode_key(a, pick, bytes); break;
    case DECODE_ROW: decode_row(a, pick, bytes); break;
    case DECODE_CELL: decode_cell(a, pick, bytes); break;
    default: compare_keys(a, pick, bytes); break;
    }
    arena_free(a);
    free(copy);
}

/* A value that is not NULL, with nested data of two items. */
static value sample(arena *a, const type *t)
{
    value v = {0};
    switch (t->kind) {
    case TYPE_BOOLEAN: v.b = true; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: v.i = 1234; break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: v.l = 1700000000000; break;
    case TYPE_DOUBLE: v.d = -2.5; break;
    case TYPE_DECIMAL: v.dec = 1234; break;
    case TYPE_STRING:
    case TYPE_BYTES: v.s = str_of("t\0xt", 4); break;
    default: {
        uint32_t n = t->kind == TYPE_STRUCT ? (uint32_t)t->field_count : 2;
        value *items = ARENA_ARRAY(a, value, n), *keys = ARENA_ARRAY(a, value, n);
        for (uint32_t i = 0; i < n; i++) {
            items[i] = i == 1 ? value_null() : sample(a, t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem);
            if (t->kind == TYPE_MAP) keys[i] = sample(a, t->key);
            if (t->kind == TYPE_MAP && t->key->kind == TYPE_STRING) keys[i].s.n -= i;
            if (t->kind == TYPE_MAP && t->key->kind == TYPE_DOUBLE) keys[i].d += i;
        }
        nested *nest = ARENA_NEW(a, nested);
        *nest = (nested){n, items, t->kind == TYPE_MAP ? keys : NULL};
        v.nest = nest;
    }
    }
    return v;
}

static void seed(fuzz_out *out, uint8_t choice, uint32_t pick, const buf *bytes)
{
    buf b = {0};
    buf_add_char(&b, (char)choice);
    buf_add_char(&b, (char)pick);
    buf_add(&b, bytes->data, bytes->len);
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

void fuzz_make(fuzz_out *out)
{
    for (uint32_t pick = 0; pick < 256; pick += (pick % 64 == 18 ? 46 : 1)) {
        arena *a = arena_new();
        const type *types[COLUMNS_MAX];
        value values[COLUMNS_MAX];
        int count = pick_types(a, pick, types);
        buf key = {0}, row = {0}, text = {0};
        for (int i = 0; i < count; i++) values[i] = sample(a, types[i]);
        key_encode_values(types, values, count, &key);
        for (int i = count - 1; i >= 0; i--) value_encode(types[i], values[i], &row);
        seed(out, DECODE_KEY, pick, &key);
        seed(out, DECODE_ROW, pick, &row);
        cell c = cell_of_value(types[0], values[0], a);
        buf_add_char(&text, (char)c.kind);
        if (c.kind == CELL_INTEGER || c.kind == CELL_REAL)
            write_i64(&text, c.i);
        else
            buf_add_str(&text, c.s);
        seed(out, DECODE_CELL, pick, &text);
        buf_clear(&row);
        value_encode(types[0], values[0], &row);
        value_encode(types[0], values[0], &row);
        if (pick < 16) seed(out, COMPARE_KEYS, pick, &row);
        buf_free(&key);
        buf_free(&row);
        buf_free(&text);
        arena_free(a);
    }
}
