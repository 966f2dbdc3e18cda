/*
 * Text of values as Java prints ksqlDB's objects, and the iteration order of java.util.HashMap, which shows in that
 * text and in MAP_KEYS, MAP_VALUES and ENTRIES.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/datetime.h"
#include "base/dtoa.h"
#include "base/utf8.h"
#include "engine/value.h"

static uint32_t java_string_hash(str s)
{
    uint32_t h = 0;
    const char *p = s.p, *end = s.p + s.n;
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (c < 0x10000) {
            h = h * 31 + c;
        } else {
            h = h * 31 + (0xd800 + ((c - 0x10000) >> 10));
            h = h * 31 + (0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    return h;
}

/* Object.hashCode of a map key; keys other than strings only come from MAP(...) in a statement. */
static uint32_t java_hash(const type *t, value v)
{
    if (v.null) return 0;
    uint64_t bits;
    switch (t->kind) {
    case TYPE_STRING: return java_string_hash(v.s);
    case TYPE_BOOLEAN: return v.b ? 1231 : 1237;
    case TYPE_INT: return (uint32_t)v.i;
    case TYPE_BIGINT: return (uint32_t)((uint64_t)v.l ^ ((uint64_t)v.l >> 32));
    case TYPE_DOUBLE: memcpy(&bits, &v.d, sizeof bits); return (uint32_t)(bits ^ (bits >> 32));
    default: return (uint32_t)value_hash(t, v);
    }
}

typedef struct slot {
    uint32_t bucket;
    uint32_t at;
} slot;

static int slot_order(const void *pa, const void *pb)
{
    const slot *a = pa, *b = pb;
    if (a->bucket != b->bucket) return a->bucket < b->bucket ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

const uint32_t *value_map_order(arena *a, const type *t, const nested *m)
{
    check(t->kind == TYPE_MAP);
    /* new HashMap<>(n) has the next power of two of buckets, and doubles when it is more than three quarters full. */
    uint32_t buckets = 1;
    while (buckets < m->n) buckets *= 2;
    if (m->n > buckets / 4 * 3 + buckets % 4 * 3 / 4) buckets *= 2;
    slot *slots = ARENA_ARRAY(a, slot, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t h = java_hash(t->key, m->keys[i]);
        slots[i] = (slot){(h ^ (h >> 16)) & (buckets - 1), i};
    }
    qsort(slots, m->n, sizeof *slots, slot_order);
    uint32_t *order = ARENA_ARRAY(a, uint32_t, m->n);
    for (uint32_t i = 0; i < m->n; i++) order[i] = slots[i].at;
    return order;
}

static void print_map(const type *t, const nested *m, buf *out);

/* BigDecimal.toString: scientific when the scale is large against the digits. */
static void print_decimal(decimal v, int scale, buf *out)
{
    int adjusted = decimal_digits(v) - 1 - scale;
    if (adjusted >= -6) {
        decimal_put(out, v, scale);
        return;
    }
    char text[DECIMAL_TEXT_MAX];
    size_t n = decimal_format(v < 0 ? -v : v, 0, text);
    if (v < 0) buf_add_char(out, '-');
    buf_add_char(out, text[0]);
    if (n > 1) {
        buf_add_char(out, '.');
        buf_add(out, text + 1, n - 1);
    }
    buf_printf(out, "E%d", adjusted);
}

/* The text inside a collection: java.sql classes and ByteBuffer print otherwise than KSQL's casts. */
static void print_inner(const type *t, value v, buf *out)
{
    char text[DATETIME_TEXT_MAX];
    if (v.null) {
        buf_add_z(out, "null");
        return;
    }
    switch (t->kind) {
    case TYPE_DECIMAL: print_decimal(v.dec, t->scale, out); return;
    case TYPE_BYTES: buf_printf(out, "java.nio.HeapByteBuffer[pos=0 lim=%zu cap=%zu]", v.s.n, v.s.n); return;
    case TYPE_TIME: {
        int s = v.i / 1000;
        buf_printf(out, "%02d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
        return;
    }
    case TYPE_TIMESTAMP: {
        size_t n = datetime_format_timestamp(v.l, text);
        char *t_mark = memchr(text, 'T', n);
        if (t_mark) *t_mark = ' ';
        /* Timestamp.toString drops trailing zeros of the fraction but keeps one digit. */
        while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.') n--;
        buf_add(out, text, n);
        return;
    }
    default: value_print(t, v, out); return;
    }
}

void value_print(const type *t, value v, buf *out)
{
    char text[DATETIME_TEXT_MAX];
    if (v.null) {
        buf_add_z(out, "null");
        return;
    }
    switch (t->kind) {
    case TYPE_BOOLEAN: buf_add_z(out, v.b ? "true" : "false"); break;
    case TYPE_INT: itoa_put(out, v.i); break;
    case TYPE_BIGINT: itoa_put(out, v.l); break;
    case TYPE_DOUBLE: dtoa_put(out, v.d); break;
    case TYPE_DECIMAL: decimal_put(out, v.dec, t->scale); break;
    case TYPE_STRING: buf_add_str(out, v.s); break;
    case TYPE_BYTES: print_inner(t, v, out); break;
    case TYPE_DATE: buf_add(out, text, datetime_format_date(v.i, text)); break;
    case TYPE_TIME: buf_add(out, text, datetime_format_time(v.i, text)); break;
    case TYPE_TIMESTAMP: buf_add(out, text, datetime_format_timestamp(v.l, text)); break;
    case TYPE_ARRAY:
        buf_add_char(out, '[');
        for (uint32_t i = 0; i < v.nest->n; i++) {
            if (i) buf_add_z(out, ", ");
            print_inner(t->elem, v.nest->items[i], out);
        }
        buf_add_char(out, ']');
        break;
    case TYPE_MAP: print_map(t, v.nest, out); break;
    case TYPE_STRUCT: {
        /* Connect's Struct.toString leaves out fields that are null. */
        bool comma = false;
        buf_add_z(out, "Struct{");
        for (uint32_t i = 0; i < v.nest->n; i++) {
            if (v.nest->items[i].null) continue;
            if (comma) buf_add_char(out, ',');
            comma = true;
            buf_add_str(out, t->fields[i].name);
            buf_add_char(out, '=');
            print_inner(t->fields[i].type, v.nest->items[i], out);
        }
        buf_add_char(out, '}');
        break;
    }
    default: check_unreachable();
    }
}

static void print_map(const type *t, const nested *m, buf *out)
{
    arena *scratch = arena_new();
    const uint32_t *order = value_map_order(scratch, t, m);
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < m->n; i++) {
        if (i) buf_add_z(out, ", ");
        print_inner(t->key, m->keys[order[i]], out);
        buf_add_char(out, '=');
        print_inner(t->elem, m->items[order[i]], out);
    }
    buf_add_char(out, '}');
    arena_free(scratch);
}
