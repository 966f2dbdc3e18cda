/* TOPK and TOPKDISTINCT: the k largest values, descending. */
#include "base/check.h"
#include "engine/func/agg_list.h"
#include "engine/func/table.h"

static bool bind_k(agg *g, diag *d)
{
    check(g->constant_count == 1);
    if (g->constants[0].null)
        return diag_set(d, DIAG_STATEMENT, "The k of %.*s must not be NULL.", STR_ARG(g->f->group->display));
    g->n = g->constants[0].i;
    return true;
}

/* What an item of the list is: the value itself, or STRUCT<sort_col, col0, ...> when other columns come along. */
static const type *item_type(const agg *g)
{
    return g->type->elem;
}

static bool with_columns(const agg *g)
{
    return g->arg_count > 1;
}

static value sort_key(const agg *g, value item)
{
    return with_columns(g) ? item.nest->items[0] : item;
}

static value make_item(const agg *g, const value *args, nested *room)
{
    if (!with_columns(g)) return args[0];
    *room = (nested){.n = (uint32_t)g->arg_count, .items = args};
    return (value){.nest = room};
}

/* Inserts behind all that are not smaller (Java's sort is stable); beyond k the last falls off. */
static void insert_sorted(const agg *g, agg_list *l, value item)
{
    uint32_t at = l->n;
    while (at > 0 && value_cmp(g->arg_types[0], sort_key(g, l->items[at - 1]), sort_key(g, item)) < 0) at--;
    agg_list_insert(l, item_type(g), at, item);
    if (l->n > g->n) agg_list_remove(l, item_type(g), l->n - 1);
}

static bool topk_add(const agg *g, void *state, const value *args, const char **why)
{
    agg_list *l = state;
    nested room;
    if (args[0].null || g->n <= 0) return true;
    bool full = l->n == g->n;
    if (full && value_cmp(g->arg_types[0], args[0], sort_key(g, l->items[l->n - 1])) <= 0) return true;
    insert_sorted(g, l, make_item(g, args, &room));
    return true;
}

static bool topk_merge(const agg *g, void *into, const void *from, const char **why)
{
    agg_list *l = into;
    const agg_list *f = from;
    for (uint32_t i = 0; i < f->n; i++) {
        bool full = l->n >= g->n;
        value key = sort_key(g, f->items[i]);
        if (full && (l->n == 0 || value_cmp(g->arg_types[0], key, sort_key(g, l->items[l->n - 1])) <= 0)) break;
        insert_sorted(g, l, f->items[i]);
    }
    return true;
}

static bool distinct_offer(const agg *g, agg_list *l, value v)
{
    if (v.null || g->n <= 0) return true;
    if (l->n == g->n && value_cmp(g->arg_types[0], v, l->items[l->n - 1]) <= 0) return true;
    if (agg_list_find(l, g->arg_types[0], v) < 0) insert_sorted(g, l, v);
    return true;
}

static bool distinct_add(const agg *g, void *state, const value *args, const char **why)
{
    return distinct_offer(g, state, args[0]);
}

static bool distinct_merge(const agg *g, void *into, const void *from, const char **why)
{
    const agg_list *f = from;
    for (uint32_t i = 0; i < f->n; i++) distinct_offer(g, into, f->items[i]);
    return true;
}

static const type *state_topk(arena *a, const agg *g)
{
    return g->type;
}

static value topk_result(const agg *g, const void *state, arena *mem)
{
    return agg_list_value(state, mem);
}

static bool topk_load(const agg *g, void *state, value saved)
{
    if (saved.null) return false;
    for (uint32_t i = 0; i < saved.nest->n; i++) {
        if (saved.nest->items[i].null) return false;
        agg_list_add(state, item_type(g), saved.nest->items[i]);
    }
    return true;
}

static void topk_drop(const agg *g, void *state)
{
    agg_list_drop(state, item_type(g));
}

static size_t topk_held(const agg *g, const void *state)
{
    return agg_list_held(state);
}

static const agg_class class_topk = {
    .state_size = sizeof(agg_list),
    .state_type = state_topk,
    .bind = bind_k,
    .add = topk_add,
    .merge = topk_merge,
    .result = topk_result,
    .load = topk_load,
    .drop = topk_drop,
    .held = topk_held,
};
static const agg_class class_distinct = {
    .state_size = sizeof(agg_list),
    .state_type = state_topk,
    .bind = bind_k,
    .add = distinct_add,
    .merge = distinct_merge,
    .result = topk_result,
    .load = topk_load,
    .drop = topk_drop,
    .held = topk_held,
};

/* ARRAY of the column, or of a struct of it and the others; the last argument is k. */
static const type *topk_type(arena *a, const type *const *args, int count)
{
    int n = count - 1;
    if (n < 1) return NULL;
    if (n == 1) return type_array(a, args[0]);
    type_field *fields = ARENA_ARRAY(a, type_field, (size_t)n);
    for (int i = 0; i < n; i++) {
        str name = i == 0 ? STR("sort_col") : arena_printf(a, "col%d", i - 1);
        fields[i] = (type_field){name, args[i]};
    }
    return type_array(a, type_struct(a, fields, n));
}

static const type *array_of_first(arena *a, const type *const *args, int count)
{
    return count ? type_array(a, args[0]) : NULL;
}

#define TOPK(TYPE) AGG("(val " TYPE ", columns ANY..., k INT!@) ARRAY<ANY>", &class_topk, .rule = topk_type)
static const func_def def_topk[] = {TOPK("INT"), TOPK("BIGINT"), TOPK("DOUBLE"), TOPK("STRING"), {0}};

#define DISTINCT(TYPE) AGG("(val " TYPE ", k INT!@) ARRAY<" TYPE ">", &class_distinct, .rule = array_of_first)
static const func_def def_distinct[] = {
    DISTINCT("INT"),  DISTINCT("BIGINT"), DISTINCT("DOUBLE"),    DISTINCT("STRING"), DISTINCT("DECIMAL"),
    DISTINCT("DATE"), DISTINCT("TIME"),   DISTINCT("TIMESTAMP"), DISTINCT("BYTES"),  {0},
};

const func_name agg_family_topk[] = {
    {"TOPK", FUNC_CATEGORY_AGGREGATE, "The k largest values, with other columns of their rows when asked for.",
     def_topk},
    {"TOPKDISTINCT", FUNC_CATEGORY_AGGREGATE, "The k largest distinct values.", def_distinct},
    {0},
};
