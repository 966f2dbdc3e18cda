/* COLLECT_LIST, COLLECT_SET, HISTOGRAM, ATTR: lists of values. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/func/agg_list.h"
#include "engine/func/table.h"

static const type *state_array(arena *a, const agg *g)
{
    return type_array(a, g->arg_types[0]);
}

static bool below(uint32_t n, int64_t limit)
{
    return limit <= 0 || n < limit;
}

/* ---- COLLECT_LIST ---- */

static bool list_add(const agg *g, void *state, const value *args, const char **why)
{
    agg_list *l = state;
    if (below(l->n, g->options.collect_list_limit)) agg_list_add(l, g->arg_types[0], args[0]);
    return true;
}

/* The last equal value goes. */
static bool list_undo(const agg *g, void *state, const value *args, const char **why)
{
    agg_list *l = state;
    for (uint32_t i = l->n; i > 0; i--) {
        if (!value_eq(g->arg_types[0], l->items[i - 1], args[0])) continue;
        agg_list_remove(l, g->arg_types[0], i - 1);
        break;
    }
    return true;
}

static bool list_merge(const agg *g, void *into, const void *from, const char **why)
{
    const agg_list *f = from;
    for (uint32_t i = 0; i < f->n; i++) list_add(g, into, &f->items[i], why);
    return true;
}

static value list_result(const agg *g, const void *state, arena *mem)
{
    return agg_list_value(state, mem);
}

static bool list_load(const agg *g, void *state, value saved)
{
    if (saved.null) return false;
    for (uint32_t i = 0; i < saved.nest->n; i++) agg_list_add(state, g->arg_types[0], saved.nest->items[i]);
    return true;
}

static void list_drop(const agg *g, void *state)
{
    agg_list_drop(state, g->arg_types[0]);
}

static size_t list_held(const agg *g, const void *state)
{
    return agg_list_held(state);
}

static const agg_class class_list = {
    .state_size = sizeof(agg_list),
    .state_type = state_array,
    .add = list_add,
    .undo = list_undo,
    .merge = list_merge,
    .result = list_result,
    .load = list_load,
    .drop = list_drop,
    .held = list_held,
};

/* ---- COLLECT_SET: a list with a hash index over it ---- */

typedef struct collected {
    agg_list list;
    uint32_t *slots; /* position + 1 */
    uint32_t mask; /* size - 1; 0: no table yet */
} collected;

static void index_item(collected *s, const type *t, uint32_t at)
{
    uint32_t slot = (uint32_t)value_hash(t, s->list.items[at]) & s->mask;
    while (s->slots[slot]) slot = (slot + 1) & s->mask;
    s->slots[slot] = at + 1;
}

static bool set_has(const collected *s, const type *t, value v)
{
    if (!s->slots) return false;
    for (uint32_t slot = (uint32_t)value_hash(t, v) & s->mask; s->slots[slot]; slot = (slot + 1) & s->mask) {
        if (value_eq(t, s->list.items[s->slots[slot] - 1], v)) return true;
    }
    return false;
}

static void set_put(collected *s, const type *t, value v)
{
    agg_list_add(&s->list, t, v);
    if (!s->slots || s->list.n * 2 > s->mask) {
        uint32_t size = s->slots ? (s->mask + 1) * 2 : 8;
        free(s->slots);
        s->slots = calloc(size, sizeof *s->slots);
        check(s->slots);
        s->mask = size - 1;
        for (uint32_t i = 0; i < s->list.n; i++) index_item(s, t, i);
    } else {
        index_item(s, t, s->list.n - 1);
    }
}

static bool set_add(const agg *g, void *state, const value *args, const char **why)
{
    collected *s = state;
    const type *t = g->arg_types[0];
    if (below(s->list.n, g->options.collect_set_limit) && !set_has(s, t, args[0])) set_put(s, t, args[0]);
    return true;
}

static bool set_merge(const agg *g, void *into, const void *from, const char **why)
{
    const collected *f = from;
    for (uint32_t i = 0; i < f->list.n; i++) set_add(g, into, &f->list.items[i], why);
    return true;
}

static value set_result(const agg *g, const void *state, arena *mem)
{
    return agg_list_value(&((const collected *)state)->list, mem);
}

static bool set_load(const agg *g, void *state, value saved)
{
    if (saved.null) return false;
    for (uint32_t i = 0; i < saved.nest->n; i++) set_put(state, g->arg_types[0], saved.nest->items[i]);
    return true;
}

static void set_drop(const agg *g, void *state)
{
    collected *s = state;
    agg_list_drop(&s->list, g->arg_types[0]);
    free(s->slots);
    *s = (collected){0};
}

static size_t set_held(const agg *g, const void *state)
{
    const collected *s = state;
    return agg_list_held(&s->list) + (s->slots ? (s->mask + 1) * sizeof *s->slots : 0);
}

static const agg_class class_set = {
    .state_size = sizeof(collected),
    .state_type = state_array,
    .add = set_add,
    .merge = set_merge,
    .result = set_result,
    .load = set_load,
    .drop = set_drop,
    .held = set_held,
};

/* ---- counted values: HISTOGRAM and ATTR keep distinct values with how often each is there ---- */

typedef struct counted {
    collected set;
    int64_t *counts;
    uint32_t cap;
} counted;

static int64_t find(const counted *s, const type *t, value v)
{
    if (!s->set.slots) return -1;
    const collected *c = &s->set;
    for (uint32_t slot = (uint32_t)value_hash(t, v) & c->mask; c->slots[slot]; slot = (slot + 1) & c->mask) {
        if (value_eq(t, c->list.items[c->slots[slot] - 1], v)) return c->slots[slot] - 1;
    }
    return -1;
}

static void put_count(counted *s, const type *t, value v, int64_t n)
{
    uint32_t at = s->set.list.n;
    set_put(&s->set, t, v);
    if (at == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4;
        s->counts = realloc(s->counts, sizeof *s->counts * s->cap);
        check(s->counts);
    }
    s->counts[at] = n;
}

static void remove_count(counted *s, const type *t, uint32_t at)
{
    agg_list_remove(&s->set.list, t, at);
    memmove(s->counts + at, s->counts + at + 1, sizeof *s->counts * (s->set.list.n - at));
    memset(s->set.slots, 0, sizeof *s->set.slots * (s->set.mask + 1));
    for (uint32_t i = 0; i < s->set.list.n; i++) index_item(&s->set, t, i);
}

static void counted_drop(const agg *g, void *state)
{
    counted *s = state;
    set_drop(g, &s->set);
    free(s->counts);
    *s = (counted){0};
}

static size_t counted_held(const agg *g, const void *state)
{
    const counted *s = state;
    return set_held(g, &s->set) + s->cap * sizeof *s->counts;
}

enum { HISTOGRAM_MAX = 1000 };

static const type *state_histogram(arena *a, const agg *g)
{
    return g->type;
}

static void histogram_step(const agg *g, counted *s, value v, int64_t n)
{
    int64_t at = find(s, g->arg_types[0], v);
    if (at >= 0)
        s->counts[at] += n;
    else if (s->set.list.n < HISTOGRAM_MAX)
        put_count(s, g->arg_types[0], v, n);
}

static bool histogram_add(const agg *g, void *state, const value *args, const char **why)
{
    histogram_step(g, state, args[0], 1);
    return true;
}

static bool histogram_undo(const agg *g, void *state, const value *args, const char **why)
{
    counted *s = state;
    int64_t at = find(s, g->arg_types[0], args[0]);
    if (at >= 0 && --s->counts[at] < 1) remove_count(s, g->arg_types[0], (uint32_t)at);
    return true;
}

static bool histogram_merge(const agg *g, void *into, const void *from, const char **why)
{
    const counted *f = from;
    for (uint32_t i = 0; i < f->set.list.n; i++) histogram_step(g, into, f->set.list.items[i], f->counts[i]);
    return true;
}

static value histogram_result(const agg *g, const void *state, arena *mem)
{
    const counted *s = state;
    value *items = ARENA_ARRAY(mem, value, s->set.list.n);
    for (uint32_t i = 0; i < s->set.list.n; i++) items[i].l = s->counts[i];
    nested *n = ARENA_NEW(mem, nested);
    *n = (nested){.n = s->set.list.n, .keys = s->set.list.items, .items = items};
    return (value){.nest = n};
}

static bool histogram_load(const agg *g, void *state, value saved)
{
    if (saved.null) return false;
    for (uint32_t i = 0; i < saved.nest->n; i++) {
        if (saved.nest->items[i].null) return false;
        put_count(state, g->arg_types[0], saved.nest->keys[i], saved.nest->items[i].l);
    }
    return true;
}

static const agg_class class_histogram = {
    .state_size = sizeof(counted),
    .state_type = state_histogram,
    .add = histogram_add,
    .undo = histogram_undo,
    .merge = histogram_merge,
    .result = histogram_result,
    .load = histogram_load,
    .drop = counted_drop,
    .held = counted_held,
};

/* ---- ATTR: ARRAY<STRUCT<VALUE, COUNT>>; counts never fall below zero, entries stay ---- */

static const type *state_attr(arena *a, const agg *g)
{
    type_field fields[2] = {{STR("VALUE"), g->arg_types[0]}, {STR("COUNT"), type_simple(TYPE_INT)}};
    return type_array(a, type_struct(a, fields, 2));
}

static void attr_step(const agg *g, counted *s, value v, int64_t n)
{
    int64_t at = find(s, g->arg_types[0], v);
    if (at >= 0)
        s->counts[at] = s->counts[at] + n < 0 ? 0 : s->counts[at] + n;
    else if (n > 0)
        put_count(s, g->arg_types[0], v, n);
}

static bool attr_add(const agg *g, void *state, const value *args, const char **why)
{
    attr_step(g, state, args[0], 1);
    return true;
}

static bool attr_undo(const agg *g, void *state, const value *args, const char **why)
{
    attr_step(g, state, args[0], -1);
    return true;
}

static bool attr_merge(const agg *g, void *into, const void *from, const char **why)
{
    const counted *f = from;
    for (uint32_t i = 0; i < f->set.list.n; i++) attr_step(g, into, f->set.list.items[i], f->counts[i]);
    return true;
}

static value attr_result(const agg *g, const void *state, arena *mem)
{
    const counted *s = state;
    value only = value_null();
    int present = 0;
    for (uint32_t i = 0; i < s->set.list.n; i++) {
        if (s->counts[i] <= 0) continue;
        only = s->set.list.items[i];
        present++;
    }
    return present == 1 ? only : value_null();
}

static value attr_save(const agg *g, const void *state, arena *mem)
{
    const counted *s = state;
    value *entries = ARENA_ARRAY(mem, value, s->set.list.n);
    for (uint32_t i = 0; i < s->set.list.n; i++) {
        value *fields = ARENA_ARRAY(mem, value, 2);
        fields[0] = s->set.list.items[i];
        fields[1].i = (int32_t)s->counts[i];
        nested *entry = ARENA_NEW(mem, nested);
        *entry = (nested){.n = 2, .items = fields};
        entries[i].nest = entry;
    }
    nested *n = ARENA_NEW(mem, nested);
    *n = (nested){.n = s->set.list.n, .items = entries};
    return (value){.nest = n};
}

static bool attr_load(const agg *g, void *state, value saved)
{
    if (saved.null) return false;
    for (uint32_t i = 0; i < saved.nest->n; i++) {
        value entry = saved.nest->items[i];
        if (entry.null || entry.nest->n != 2 || entry.nest->items[1].null) return false;
        put_count(state, g->arg_types[0], entry.nest->items[0], entry.nest->items[1].i);
    }
    return true;
}

static const agg_class class_attr = {
    .state_size = sizeof(counted),
    .state_type = state_attr,
    .add = attr_add,
    .undo = attr_undo,
    .merge = attr_merge,
    .result = attr_result,
    .save = attr_save,
    .load = attr_load,
    .drop = counted_drop,
    .held = counted_held,
};

static const func_def def_list[] = {AGG("(val T) ARRAY<T>", &class_list), {0}};
static const func_def def_set[] = {AGG("(val T) ARRAY<T>", &class_set), {0}};
static const func_def def_histogram[] = {AGG("(val STRING) MAP<STRING, BIGINT>", &class_histogram), {0}};
static const func_def def_attr[] = {AGG("(val T) T", &class_attr), {0}};

const func_name agg_family_collect[] = {
    {"collect_list", FUNC_CATEGORY_AGGREGATE, "All values as an array, NULLs included.", def_list},
    {"collect_set", FUNC_CATEGORY_AGGREGATE, "The distinct values as an array.", def_set},
    {"histogram", FUNC_CATEGORY_AGGREGATE, "How often each text occurs, for the first 1000 different ones.",
     def_histogram},
    {"ATTR", FUNC_CATEGORY_AGGREGATE, "The value when all rows have the same, else NULL.", def_attr},
    {0},
};
