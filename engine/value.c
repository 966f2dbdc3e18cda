#include "engine/value.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/utf8.h"

int64_t interval_unit_ms(interval_unit unit)
{
    static const int64_t ms[] = {
        [UNIT_MILLISECONDS] = 1, [UNIT_SECONDS] = 1000,  [UNIT_MINUTES] = 60000,
        [UNIT_HOURS] = 3600000,  [UNIT_DAYS] = 86400000,
    };
    check((unsigned)unit < ARRAY_LEN(ms));
    return ms[unit];
}

static const nested *nested_copy(arena *a, const type *t, const nested *n)
{
    nested *copy = ARENA_NEW(a, nested);
    value *items = ARENA_ARRAY(a, value, n->n);
    for (uint32_t i = 0; i < n->n; i++)
        items[i] = value_copy(a, t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, n->items[i]);
    copy->n = n->n;
    copy->items = items;
    if (t->kind == TYPE_MAP) {
        value *keys = ARENA_ARRAY(a, value, n->n);
        for (uint32_t i = 0; i < n->n; i++) keys[i] = value_copy(a, t->key, n->keys[i]);
        copy->keys = keys;
    }
    return copy;
}

value value_copy(arena *a, const type *t, value v)
{
    if (v.null) return value_null();
    switch (t->kind) {
    case TYPE_STRING:
    case TYPE_BYTES: v.s = arena_str(a, v.s); break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: v.nest = nested_copy(a, t, v.nest); break;
    default: break;
    }
    return v;
}

/* Double.doubleToLongBits: one pattern for every NaN. */
static uint64_t double_bits(double d)
{
    if (d != d) return UINT64_C(0x7ff8000000000000);
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static int64_t map_find(const type *t, const nested *m, value key)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (value_eq(t->key, m->keys[i], key)) return i;
    }
    return -1;
}

static bool nested_eq(const type *t, const nested *a, const nested *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (t->kind == TYPE_MAP) {
            int64_t at = map_find(t, b, a->keys[i]);
            if (at < 0 || !value_eq(t->elem, a->items[i], b->items[at])) return false;
        } else if (!value_eq(t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

bool value_eq(const type *t, value a, value b)
{
    if (a.null || b.null) return a.null && b.null;
    switch (t->kind) {
    case TYPE_BOOLEAN: return a.b == b.b;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_INTERVAL: return a.i == b.i;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return a.l == b.l;
    case TYPE_DOUBLE: return double_bits(a.d) == double_bits(b.d);
    case TYPE_DECIMAL: return a.dec == b.dec;
    case TYPE_STRING:
    case TYPE_BYTES: return str_eq(a.s, b.s);
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: return nested_eq(t, a.nest, b.nest);
    default: check_unreachable();
    }
}

static uint64_t nested_hash(const type *t, const nested *n)
{
    uint64_t h = n->n;
    for (uint32_t i = 0; i < n->n; i++) {
        uint64_t item = value_hash(t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, n->items[i]);
        /* Entries of a map are summed, so that their order does not matter. */
        if (t->kind == TYPE_MAP)
            h += hash_u64(value_hash(t->key, n->keys[i]) ^ hash_u64(item));
        else
            h = hash_u64(h * 31 + item);
    }
    return h;
}

uint64_t value_hash(const type *t, value v)
{
    if (v.null) return 0;
    switch (t->kind) {
    case TYPE_BOOLEAN: return hash_u64(v.b);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_INTERVAL: return hash_u64((uint64_t)(int64_t)v.i);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return hash_u64((uint64_t)v.l);
    case TYPE_DOUBLE: return hash_u64(double_bits(v.d));
    case TYPE_DECIMAL: return hash_u64((uint64_t)v.dec ^ hash_u64((uint64_t)(v.dec >> 64)));
    case TYPE_STRING:
    case TYPE_BYTES: return hash_bytes(v.s.p, v.s.n);
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: return nested_hash(t, v.nest);
    default: check_unreachable();
    }
}

/* Double.compare: -0.0 before 0.0, NaN last. */
static int compare_doubles(double a, double b)
{
    if (a < b) return -1;
    if (a > b) return 1;
    int64_t x = (int64_t)double_bits(a), y = (int64_t)double_bits(b);
    return (x > y) - (x < y);
}

int bytes_compare(str a, str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        if (a.p[i] != b.p[i]) return (signed char)a.p[i] < (signed char)b.p[i] ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

int value_cmp(const type *t, value a, value b)
{
    switch (t->kind) {
    case TYPE_BOOLEAN: return a.b - b.b;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: return (a.i > b.i) - (a.i < b.i);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return (a.l > b.l) - (a.l < b.l);
    case TYPE_DOUBLE: return compare_doubles(a.d, b.d);
    case TYPE_DECIMAL: return (a.dec > b.dec) - (a.dec < b.dec);
    case TYPE_STRING: return utf8_cmp16(a.s, b.s);
    case TYPE_BYTES: return bytes_compare(a.s, b.s);
    default: check_unreachable();
    }
}

bool type_is_ordered(const type *t)
{
    return t->kind <= TYPE_TIMESTAMP;
}
