/* EARLIEST_BY_OFFSET, LATEST_BY_OFFSET: single values and lists of n, each with the sequence in which it came. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/func/agg_list.h"
#include "engine/func/table.h"

/*
 * The value behind the column: (n, ignoreNulls), either of which may be given. ignoreNulls is true unless said
 * otherwise.
 */
static bool bind_offset(agg *g, diag *d)
{
    g->n = 0;
    g->flag = true;
    for (int i = 0; i < g->constant_count; i++) {
        const func_param *p = func_param_of(g->f, g->arg_count + i, g->arg_count + g->constant_count);
        if (g->constants[i].null)
            return diag_set(d, DIAG_STATEMENT, "Parameter %d of %.*s must not be NULL.", g->arg_count + i + 1,
                            STR_ARG(g->f->group->display));
        if (p->type->kind == TYPE_INT) {
            g->n = g->constants[i].i;
            if (g->n <= 0)
                return diag_set(d, DIAG_STATEMENT, "%sN must be 1 or greater",
                                str_ieq(g->f->group->name, STR("LATEST_BY_OFFSET")) ? "latest" : "earliest");
        } else {
            g->flag = g->constants[i].b;
        }
    }
    return true;
}

/* Values and, beside them, their sequences. One item at most when n is 0. */
typedef struct sequenced {
    agg_list list;
    int64_t *sequences;
    uint32_t cap;
} sequenced;

static void put(sequenced *s, const type *t, int64_t sequence, value v)
{
    agg_list_add(&s->list, t, v);
    if (s->list.n > s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1;
        s->sequences = realloc(s->sequences, sizeof *s->sequences * s->cap);
        check(s->sequences);
    }
    s->sequences[s->list.n - 1] = sequence;
}

static void drop_first(sequenced *s, const type *t)
{
    agg_list_remove(&s->list, t, 0);
    memmove(s->sequences, s->sequences + 1, sizeof *s->sequences * s->list.n);
}

static bool earliest_add(const agg *g, void *state, const value *args, const char **why)
{
    sequenced *s = state;
    if (args[0].null && g->flag) return true;
    if (s->list.n < (g->n ? g->n : 1)) put(s, g->arg_types[0], agg_next_sequence(), args[0]);
    return true;
}

static bool latest_add(const agg *g, void *state, const value *args, const char **why)
{
    sequenced *s = state;
    if (args[0].null && g->flag) return true;
    put(s, g->arg_types[0], agg_next_sequence(), args[0]);
    if (s->list.n > (g->n ? g->n : 1)) drop_first(s, g->arg_types[0]);
    return true;
}

static void sequenced_drop(const agg *g, void *state)
{
    sequenced *s = state;
    agg_list_drop(&s->list, g->arg_types[0]);
    free(s->sequences);
    *s = (sequenced){0};
}

/* Both in order of sequence; the first `most` stay. A tie prefers `a`. */
static void merge_first(const agg *g, sequenced *into, const sequenced *a, const sequenced *b, int64_t most)
{
    sequenced merged = {0};
    uint32_t i = 0, j = 0;
    while (merged.list.n < most && (i < a->list.n || j < b->list.n)) {
        bool left = j == b->list.n || (i < a->list.n && a->sequences[i] <= b->sequences[j]);
        const sequenced *from = left ? a : b;
        uint32_t at = left ? i++ : j++;
        put(&merged, g->arg_types[0], from->sequences[at], from->list.items[at]);
    }
    sequenced_drop(g, into);
    *into = merged;
}

static bool earliest_merge(const agg *g, void *into, const void *from, const char **why)
{
    merge_first(g, into, into, from, g->n ? g->n : 1);
    return true;
}

/*
 * The single form keeps the later of both (a NULL, kept or not, loses against a value when NULLs are ignored: it is
 * not in the list then). The list form keeps the FIRST n, as ksqlDB does.
 */
static bool latest_merge(const agg *g, void *into, const void *from, const char **why)
{
    sequenced *s = into;
    const sequenced *f = from;
    if (g->n) {
        merge_first(g, into, into, from, g->n);
        return true;
    }
    if (f->list.n == 0 || (s->list.n && s->sequences[0] >= f->sequences[0])) return true;
    if (s->list.n) drop_first(s, g->arg_types[0]);
    put(s, g->arg_types[0], f->sequences[0], f->list.items[0]);
    return true;
}

static value offset_result(const agg *g, const void *state, arena *mem)
{
    const sequenced *s = state;
    if (g->n) return agg_list_value(&s->list, mem);
    return s->list.n ? s->list.items[0] : value_null();
}

static const type *entry_type(arena *a, const agg *g)
{
    type_field fields[2] = {{STR("SEQ"), type_simple(TYPE_BIGINT)}, {STR("VAL"), g->arg_types[0]}};
    return type_struct(a, fields, 2);
}

static const type *state_offset(arena *a, const agg *g)
{
    const type *entry = entry_type(a, g);
    return g->n ? type_array(a, entry) : entry;
}

static value entry_value(const sequenced *s, uint32_t at, arena *mem)
{
    value *fields = ARENA_ARRAY(mem, value, 2);
    fields[0].l = s->sequences[at];
    fields[1] = s->list.items[at];
    nested *n = ARENA_NEW(mem, nested);
    *n = (nested){.n = 2, .items = fields};
    return (value){.nest = n};
}

static value offset_save(const agg *g, const void *state, arena *mem)
{
    const sequenced *s = state;
    if (!g->n) return s->list.n ? entry_value(s, 0, mem) : value_null();
    value *entries = ARENA_ARRAY(mem, value, s->list.n);
    for (uint32_t i = 0; i < s->list.n; i++) entries[i] = entry_value(s, i, mem);
    nested *n = ARENA_NEW(mem, nested);
    *n = (nested){.n = s->list.n, .items = entries};
    return (value){.nest = n};
}

static bool load_entry(const agg *g, sequenced *s, value entry)
{
    if (entry.null || entry.nest->n != 2 || entry.nest->items[0].null) return false;
    put(s, g->arg_types[0], entry.nest->items[0].l, entry.nest->items[1]);
    return true;
}

static bool offset_load(const agg *g, void *state, value saved)
{
    if (!g->n) return saved.null || load_entry(g, state, saved);
    if (saved.null) return false;
    for (uint32_t i = 0; i < saved.nest->n; i++) {
        if (!load_entry(g, state, saved.nest->items[i])) return false;
    }
    return true;
}

static size_t offset_held(const agg *g, const void *state)
{
    const sequenced *s = state;
    return agg_list_held(&s->list) + s->cap * sizeof *s->sequences;
}

static const agg_class class_earliest = {
    .state_size = sizeof(sequenced),
    .state_type = state_offset,
    .bind = bind_offset,
    .add = earliest_add,
    .merge = earliest_merge,
    .result = offset_result,
    .save = offset_save,
    .load = offset_load,
    .drop = sequenced_drop,
    .held = offset_held,
};
static const agg_class class_latest = {
    .state_size = sizeof(sequenced),
    .state_type = state_offset,
    .bind = bind_offset,
    .add = latest_add,
    .merge = latest_merge,
    .result = offset_result,
    .save = offset_save,
    .load = offset_load,
    .drop = sequenced_drop,
    .held = offset_held,
};

#define FORMS(CLASS)                                                                                                   \
    {                                                                                                                  \
        AGG("(val T) T", CLASS), AGG("(val T, ignoreNulls BOOLEAN!@) T", CLASS),                                       \
            AGG("(val T, n INT!@) ARRAY<T>", CLASS), AGG("(val T, n INT!@, ignoreNulls BOOLEAN!@) ARRAY<T>", CLASS),   \
            {0},                                                                                                       \
    }
static const func_def def_earliest[] = FORMS(&class_earliest);
static const func_def def_latest[] = FORMS(&class_latest);

const func_name agg_family_offset[] = {
    {"EARLIEST_BY_OFFSET", FUNC_CATEGORY_AGGREGATE, "The first value, or the first n values, in the order of offsets.",
     def_earliest},
    {"LATEST_BY_OFFSET", FUNC_CATEGORY_AGGREGATE, "The last value, or the last n values, in the order of offsets.",
     def_latest},
    {0},
};
