/* Functions on maps, functions with lambdas, and table functions. */
#include <stdlib.h>

#include "base/check.h"
#include "base/utf8.h"
#include "engine/func/set.h"
#include "engine/func/table.h"

/* A key that comes again replaces the value of the first. */
static uint32_t put_entry(func_set *s, value *keys, value *items, uint32_t n, value key, value item)
{
    uint64_t slot;
    int64_t at = func_set_find(s, key, &slot);
    if (at >= 0) {
        items[at] = item;
        return n;
    }
    func_set_put(s, slot, n);
    keys[n] = key;
    items[n] = item;
    return n + 1;
}

static bool fn_as_map(func_call *c, const value *args, int count, value *out)
{
    const nested *k = args[0].nest, *v = args[1].nest;
    value *keys = ARENA_ARRAY(c->mem, value, k->n), *items = ARENA_ARRAY(c->mem, value, k->n);
    func_set s = func_set_new(c->mem, c->type->key, keys, k->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n; i++)
        n = put_entry(&s, keys, items, n, k->items[i], i < v->n ? v->items[i] : value_null());
    return func_entries(c, out, keys, items, n);
}

static bool fn_map_keys(func_call *c, const value *args, int count, value *out)
{
    const nested *m = args[0].nest;
    const uint32_t *order = value_map_order(c->mem, c->arg_types[0], m);
    value *items = ARENA_ARRAY(c->mem, value, m->n);
    for (uint32_t i = 0; i < m->n; i++) items[i] = m->keys[order[i]];
    return func_items(c, out, items, m->n);
}

static bool fn_map_values(func_call *c, const value *args, int count, value *out)
{
    const nested *m = args[0].nest;
    const uint32_t *order = value_map_order(c->mem, c->arg_types[0], m);
    value *items = ARENA_ARRAY(c->mem, value, m->n);
    for (uint32_t i = 0; i < m->n; i++) items[i] = m->items[order[i]];
    return func_items(c, out, items, m->n);
}

static bool fn_map_union(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null || args[1].null) {
        *out = args[0].null ? args[1] : args[0];
        return true;
    }
    const nested *a = args[0].nest, *b = args[1].nest;
    value *keys = ARENA_ARRAY(c->mem, value, (size_t)a->n + b->n),
          *items = ARENA_ARRAY(c->mem, value, (size_t)a->n + b->n);
    func_set s = func_set_new(c->mem, c->type->key, keys, (uint64_t)a->n + b->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n; i++) n = put_entry(&s, keys, items, n, a->keys[i], a->items[i]);
    for (uint32_t i = 0; i < b->n; i++) n = put_entry(&s, keys, items, n, b->keys[i], b->items[i]);
    return func_entries(c, out, keys, items, n);
}

static int by_key(const void *pa, const void *pb, void *map)
{
    const nested *m = map;
    return utf8_cmp16(m->keys[*(const uint32_t *)pa].s, m->keys[*(const uint32_t *)pb].s);
}

static bool fn_entries(func_call *c, const value *args, int count, value *out)
{
    const nested *m = args[0].nest;
    if (args[0].null) return true;
    uint32_t *order = ARENA_ARRAY(c->mem, uint32_t, m->n);
    memcpy(order, value_map_order(c->mem, c->arg_types[0], m), sizeof *order * m->n);
    if (args[1].b) qsort_r(order, m->n, sizeof *order, by_key, (void *)(uintptr_t)m);
    value *rows = ARENA_ARRAY(c->mem, value, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        value *fields = ARENA_ARRAY(c->mem, value, 2);
        fields[0] = m->keys[order[i]];
        fields[1] = m->items[order[i]];
        func_items(c, &rows[i], fields, 2);
    }
    return func_items(c, out, rows, m->n);
}

/* ---- lambdas: entries of maps are visited in the order of java.util.HashMap ---- */

static bool fn_filter_array(func_call *c, const value *args, int count, value *out)
{
    const nested *a = args[0].nest;
    value *items = ARENA_ARRAY(c->mem, value, a->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        value keep;
        if (!func_apply(c, args[1], &a->items[i], 1, &keep)) return false;
        if (keep.null) return func_fail(c, "the predicate of FILTER is null");
        if (keep.b) items[n++] = a->items[i];
    }
    return func_items(c, out, items, n);
}

static bool fn_filter_map(func_call *c, const value *args, int count, value *out)
{
    const nested *m = args[0].nest;
    const uint32_t *order = value_map_order(c->mem, c->arg_types[0], m);
    value *keys = ARENA_ARRAY(c->mem, value, m->n), *items = ARENA_ARRAY(c->mem, value, m->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        value pair[2] = {m->keys[order[i]], m->items[order[i]]}, keep;
        if (!func_apply(c, args[1], pair, 2, &keep)) return false;
        if (keep.null) return func_fail(c, "the predicate of FILTER is null");
        if (!keep.b) continue;
        if (pair[1].null) return func_fail(c, "FILTER cannot keep a map entry whose value is null");
        keys[n] = pair[0];
        items[n++] = pair[1];
    }
    return func_entries(c, out, keys, items, n);
}

static bool fn_transform_array(func_call *c, const value *args, int count, value *out)
{
    const nested *a = args[0].nest;
    value *items = ARENA_ARRAY(c->mem, value, a->n);
    for (uint32_t i = 0; i < a->n; i++) {
        if (!func_apply(c, args[1], &a->items[i], 1, &items[i])) return false;
    }
    return func_items(c, out, items, a->n);
}

static bool fn_transform_map(func_call *c, const value *args, int count, value *out)
{
    const nested *m = args[0].nest;
    const uint32_t *order = value_map_order(c->mem, c->arg_types[0], m);
    value *keys = ARENA_ARRAY(c->mem, value, m->n), *items = ARENA_ARRAY(c->mem, value, m->n);
    func_set s = func_set_new(c->mem, c->type->key, keys, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        value pair[2] = {m->keys[order[i]], m->items[order[i]]};
        uint64_t slot;
        if (!func_apply(c, args[1], pair, 2, &keys[i])) return false;
        if (!func_apply(c, args[2], pair, 2, &items[i])) return false;
        if (items[i].null) return func_fail(c, "TRANSFORM made a map entry whose value is null");
        if (func_set_find(&s, keys[i], &slot) >= 0) return func_fail(c, "TRANSFORM made a key twice");
        func_set_put(&s, slot, i);
    }
    return func_entries(c, out, keys, items, m->n);
}

static bool fn_reduce(func_call *c, const value *args, int count, value *out)
{
    if (args[1].null) return true;
    *out = args[1];
    if (args[0].null) return true;
    const nested *n = args[0].nest;
    bool map = c->arg_types[0]->kind == TYPE_MAP;
    const uint32_t *order = map ? value_map_order(c->mem, c->arg_types[0], n) : NULL;
    for (uint32_t i = 0; i < n->n; i++) {
        value three[3] = {*out, map ? n->keys[order[i]] : n->items[i], map ? n->items[order[i]] : value_null()};
        if (!func_apply(c, args[2], three, map ? 3 : 2, out)) return false;
    }
    return true;
}

/* ---- table functions: the result's items are the rows ---- */

static bool fn_explode(func_call *c, const value *args, int count, value *out)
{
    *out = args[0];
    return true;
}

enum { CUBE_MAX = 20 };

/* All combinations of each element or NULL; what is NULL already is not doubled. */
static bool fn_cube(func_call *c, const value *args, int count, value *out)
{
    const nested *a = args[0].nest;
    uint32_t n = a->n, set = 0;
    if (n > CUBE_MAX) return func_fail(c, "cube_explode: too many columns (%u); max is %d", n, (int)CUBE_MAX);
    for (uint32_t i = 0; i < n; i++) set |= (uint32_t)!a->items[i].null << (n - 1 - i);
    value *rows = ARENA_ARRAY(c->mem, value, (size_t)1 << __builtin_popcount(set));
    uint32_t made = 0;
    for (uint32_t mask = 0; mask < (uint32_t)1 << n; mask++) {
        if ((mask & set) != mask) continue;
        value *row = ARENA_ARRAY(c->mem, value, n);
        for (uint32_t i = 0; i < n; i++) row[i] = (mask >> (n - 1 - i)) & 1 ? a->items[i] : value_null();
        func_items(c, &rows[made++], row, n);
    }
    return func_items(c, out, rows, made);
}

static const func_def def_as_map[] = {FUNC("(keys ARRAY<STRING>, values ARRAY<T>) MAP<STRING, T>", fn_as_map), {0}};
static const func_def def_map_keys[] = {FUNC("(input MAP<STRING, T>) ARRAY<STRING>", fn_map_keys), {0}};
static const func_def def_map_values[] = {FUNC("(input MAP<STRING, T>) ARRAY<T>", fn_map_values), {0}};
static const func_def def_map_union[] = {
    FUNC("(map1 MAP<STRING, T>, map2 MAP<STRING, T>) MAP<STRING, T>", fn_map_union, .flags = FUNC_SEES_NULLS), {0}};

#define ENTRIES(TYPE)                                                                                                  \
    FUNC("(map MAP<STRING, " TYPE ">, sorted BOOLEAN!) ARRAY<STRUCT<K STRING, V " TYPE ">>", fn_entries,               \
         .flags = FUNC_SEES_NULLS)
static const func_def def_entries[] = {ENTRIES("INT"),     ENTRIES("BIGINT"), ENTRIES("DOUBLE"),
                                       ENTRIES("BOOLEAN"), ENTRIES("STRING"), {0}};

static const func_def def_filter[] = {
    FUNC("(array ARRAY<T>, function FN(T) BOOLEAN) ARRAY<T>", fn_filter_array),
    FUNC("(map MAP<K, V>, function FN(K, V) BOOLEAN) MAP<K, V>", fn_filter_map),
    {0},
};
static const func_def def_transform[] = {
    FUNC("(array ARRAY<T>, function FN(T) R) ARRAY<R>", fn_transform_array),
    FUNC("(map MAP<K, V>, keyFunction FN(K, V) R, valueFunction FN(K, V) T) MAP<R, T>", fn_transform_map),
    {0},
};
static const func_def def_reduce[] = {
    FUNC("(list ARRAY<T>, initialState S, function FN(S, T) S) S", fn_reduce, .flags = FUNC_SEES_NULLS),
    FUNC("(map MAP<K, V>, initialState S, function FN(S, K, V) S) S", fn_reduce, .flags = FUNC_SEES_NULLS),
    {0},
};
static const func_def def_explode[] = {FUNC("(list ARRAY<T>) T", fn_explode), {0}};
static const func_def def_cube[] = {FUNC("(columns ARRAY<T>) ARRAY<T>", fn_cube), {0}};

const func_name func_family_map[] = {
    {"AS_MAP", FUNC_CATEGORY_MAP, "A map of an array of keys and an array of values.", def_as_map},
    {"map_keys", FUNC_CATEGORY_MAP, "The keys of a map.", def_map_keys},
    {"map_values", FUNC_CATEGORY_MAP, "The values of a map.", def_map_values},
    {"map_union", FUNC_CATEGORY_MAP, "The entries of both maps; the second wins.", def_map_union},
    {"ENTRIES", FUNC_CATEGORY_MAP, "The entries of a map as structs of K and V, sorted by key when asked for.",
     def_entries},
    {0},
};

const func_name func_family_lambda[] = {
    {"filter", FUNC_CATEGORY_LAMBDA, "The elements or entries for which a lambda is true.", def_filter},
    {"transform", FUNC_CATEGORY_LAMBDA, "What lambdas make of each element, or of each key and value.", def_transform},
    {"reduce", FUNC_CATEGORY_LAMBDA, "A state that a lambda carries from element to element.", def_reduce},
    {0},
};

const func_name func_family_table[] = {
    {"explode", FUNC_CATEGORY_TABLE, "One row for each element of an array.", def_explode},
    {"cube_explode", FUNC_CATEGORY_TABLE,
     "One row for each combination of the elements, with and without each of them.", def_cube},
    {0},
};
