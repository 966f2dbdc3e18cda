/* COUNT, SUM, SUM_LIST, AVG, MIN, MAX. */
#include "base/check.h"
#include "engine/func/table.h"

static int64_t wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* ---- COUNT: state is the count ---- */

static const type *state_bigint(arena *a, const agg *g)
{
    return type_simple(TYPE_BIGINT);
}

static bool count_add(const agg *g, void *state, const value *args, const char **why)
{
    *(int64_t *)state += !args[0].null;
    return true;
}

static bool count_undo(const agg *g, void *state, const value *args, const char **why)
{
    *(int64_t *)state -= !args[0].null;
    return true;
}

static bool count_merge(const agg *g, void *into, const void *from, const char **why)
{
    *(int64_t *)into += *(const int64_t *)from;
    return true;
}

static value count_result(const agg *g, const void *state, arena *mem)
{
    return (value){.l = *(const int64_t *)state};
}

static bool count_load(const agg *g, void *state, value saved)
{
    if (saved.null) return false;
    *(int64_t *)state = saved.l;
    return true;
}

static void count_rows(const agg *g, void *const *states, const vec *const *args, const uint16_t *rows, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) *(int64_t *)states[k] += !vec_is_null(args[0], rows ? rows[k] : k);
}

static const agg_class class_count = {
    .state_size = sizeof(int64_t),
    .state_type = state_bigint,
    .add = count_add,
    .undo = count_undo,
    .merge = count_merge,
    .result = count_result,
    .load = count_load,
    .add_rows = count_rows,
};

/* ---- SUM: state is the sum in the argument's type; integers wrap ---- */

/* One number of the sum's type: every member lies at the start, so a state of 16 bytes serves all. */
typedef union sum {
    int64_t l; /* INT and BIGINT */
    double d;
    decimal dec;
} sum;

static bool in_decimal(const type *t, decimal v, const char **why)
{
    if (decimal_fits(v, t->precision)) return true;
    *why = "Numeric field overflow: the sum has more digits than its type";
    return false;
}

/* state + sign * v */
static bool sum_step(const type *t, sum *s, value v, int sign, const char **why)
{
    switch (t->kind) {
    case TYPE_INT: s->l = (int32_t)(uint32_t)(s->l + (int64_t)sign * v.i); return true;
    case TYPE_BIGINT: s->l = wrap_add(s->l, sign > 0 ? v.l : (int64_t)(0 - (uint64_t)v.l)); return true;
    case TYPE_DOUBLE: s->d = sign > 0 ? s->d + v.d : s->d - v.d; return true;
    default: {
        decimal total;
        decimal term = sign > 0 ? v.dec : -v.dec;
        if (__builtin_add_overflow(s->dec, term, &total) || !in_decimal(t, total, why)) {
            *why = "Numeric field overflow: the sum has more digits than its type";
            return false;
        }
        s->dec = total;
        return true;
    }
    }
}

static value sum_value(const type *t, const sum *s)
{
    switch (t->kind) {
    case TYPE_INT: return (value){.i = (int32_t)s->l};
    case TYPE_BIGINT: return (value){.l = s->l};
    case TYPE_DOUBLE: return (value){.d = s->d};
    default: return (value){.dec = s->dec};
    }
}

static bool sum_from_value(const type *t, sum *s, value v)
{
    if (v.null) return false;
    *s = (sum){0};
    const char *why;
    return sum_step(t, s, v, 1, &why);
}

static bool sum_add(const agg *g, void *state, const value *args, const char **why)
{
    return args[0].null || sum_step(g->type, state, args[0], 1, why);
}

static bool sum_undo(const agg *g, void *state, const value *args, const char **why)
{
    return args[0].null || sum_step(g->type, state, args[0], -1, why);
}

static bool sum_merge(const agg *g, void *into, const void *from, const char **why)
{
    return sum_step(g->type, into, sum_value(g->type, from), 1, why);
}

static value sum_result(const agg *g, const void *state, arena *mem)
{
    return sum_value(g->type, state);
}

static bool sum_load(const agg *g, void *state, value saved)
{
    return sum_from_value(g->type, state, saved);
}

static const type *state_result(arena *a, const agg *g)
{
    return g->type;
}

static const agg_class class_sum = {
    .state_size = sizeof(sum),
    .state_type = state_result,
    .add = sum_add,
    .undo = sum_undo,
    .merge = sum_merge,
    .result = sum_result,
    .load = sum_load,
};

#define SUM_ROWS(NAME, MEMBER, STEP)                                                                                   \
    static void NAME(const agg *g, void *const *states, const vec *const *args, const uint16_t *rows, uint32_t n)      \
    {                                                                                                                  \
        for (uint32_t k = 0; k < n; k++) {                                                                             \
            uint32_t i = rows ? rows[k] : k;                                                                           \
            sum *s = states[k];                                                                                        \
            if (!vec_is_null(args[0], i)) STEP;                                                                        \
        }                                                                                                              \
    }
SUM_ROWS(sum_rows_int, i, s->l = (int32_t)(uint32_t)(s->l + args[0]->i[i]))
SUM_ROWS(sum_rows_bigint, l, s->l = wrap_add(s->l, args[0]->l[i]))
SUM_ROWS(sum_rows_double, d, s->d += args[0]->d[i])

#define SUM_CLASS(NAME, ROWS)                                                                                          \
    static const agg_class NAME = {                                                                                    \
        .state_size = sizeof(sum),                                                                                     \
        .state_type = state_result,                                                                                    \
        .add = sum_add,                                                                                                \
        .undo = sum_undo,                                                                                              \
        .merge = sum_merge,                                                                                            \
        .result = sum_result,                                                                                          \
        .load = sum_load,                                                                                              \
        .add_rows = ROWS,                                                                                              \
    };
SUM_CLASS(class_sum_int, sum_rows_int)
SUM_CLASS(class_sum_bigint, sum_rows_bigint)
SUM_CLASS(class_sum_double, sum_rows_double)

/* ---- SUM_LIST ---- */

static bool list_step(const agg *g, void *state, value list, int sign, const char **why)
{
    if (list.null) return true;
    sum total = {0};
    for (uint32_t i = 0; i < list.nest->n; i++) {
        if (!list.nest->items[i].null) sum_step(g->type, &total, list.nest->items[i], 1, why);
    }
    return sum_step(g->type, state, sum_value(g->type, &total), sign, why);
}

static bool list_add(const agg *g, void *state, const value *args, const char **why)
{
    return list_step(g, state, args[0], 1, why);
}

static bool list_undo(const agg *g, void *state, const value *args, const char **why)
{
    return list_step(g, state, args[0], -1, why);
}

static const agg_class class_sum_list = {
    .state_size = sizeof(sum),
    .state_type = state_result,
    .add = list_add,
    .undo = list_undo,
    .merge = sum_merge,
    .result = sum_result,
    .load = sum_load,
};

/* ---- AVG: STRUCT<SUM, COUNT>; the sum stays in the argument's type and wraps there ---- */

typedef struct average {
    sum total;
    int64_t count;
} average;

static const type *state_average(arena *a, const agg *g)
{
    type_field fields[2] = {{STR("SUM"), g->arg_types[0]}, {STR("COUNT"), type_simple(TYPE_BIGINT)}};
    return type_struct(a, fields, 2);
}

static bool average_step(const agg *g, void *state, value v, int sign, const char **why)
{
    average *s = state;
    if (v.null) return true;
    s->count += sign;
    return sum_step(g->arg_types[0], &s->total, v, sign, why);
}

static bool average_add(const agg *g, void *state, const value *args, const char **why)
{
    return average_step(g, state, args[0], 1, why);
}

static bool average_undo(const agg *g, void *state, const value *args, const char **why)
{
    return average_step(g, state, args[0], -1, why);
}

static bool average_merge(const agg *g, void *into, const void *from, const char **why)
{
    average *s = into;
    const average *f = from;
    s->count += f->count;
    return sum_step(g->arg_types[0], &s->total, sum_value(g->arg_types[0], &f->total), 1, why);
}

static value average_result(const agg *g, const void *state, arena *mem)
{
    const average *s = state;
    if (s->count == 0) return (value){.d = 0};
    double total = g->arg_types[0]->kind == TYPE_DOUBLE ? s->total.d : (double)s->total.l;
    return (value){.d = total / (double)s->count};
}

static value average_save(const agg *g, const void *state, arena *mem)
{
    const average *s = state;
    value *items = ARENA_ARRAY(mem, value, 2);
    items[0] = sum_value(g->arg_types[0], &s->total);
    items[1] = (value){.l = s->count};
    nested *n = ARENA_NEW(mem, nested);
    *n = (nested){.n = 2, .items = items};
    return (value){.nest = n};
}

static bool average_load(const agg *g, void *state, value saved)
{
    average *s = state;
    if (saved.null || saved.nest->n != 2 || saved.nest->items[1].null) return false;
    s->count = saved.nest->items[1].l;
    return sum_from_value(g->arg_types[0], &s->total, saved.nest->items[0]);
}

static const agg_class class_average = {
    .state_size = sizeof(average),
    .state_type = state_average,
    .add = average_add,
    .undo = average_undo,
    .merge = average_merge,
    .result = average_result,
    .save = average_save,
    .load = average_load,
};

/* ---- MIN and MAX: the value itself, NULL until there is one ---- */

typedef struct extreme {
    value best;
    bool has;
} extreme;

static bool extreme_offer(const agg *g, extreme *s, value v, int sign)
{
    if (v.null) return true;
    if (s->has) {
        if (value_cmp(g->type, v, s->best) * sign <= 0) return true;
        value_disown(g->type, s->best);
    }
    s->best = value_own(g->type, v);
    s->has = true;
    return true;
}

static bool min_add(const agg *g, void *state, const value *args, const char **why)
{
    return extreme_offer(g, state, args[0], -1);
}

static bool max_add(const agg *g, void *state, const value *args, const char **why)
{
    return extreme_offer(g, state, args[0], 1);
}

static value extreme_result(const agg *g, const void *state, arena *mem)
{
    const extreme *s = state;
    return s->has ? s->best : value_null();
}

static bool min_merge(const agg *g, void *into, const void *from, const char **why)
{
    return extreme_offer(g, into, extreme_result(g, from, NULL), -1);
}

static bool max_merge(const agg *g, void *into, const void *from, const char **why)
{
    return extreme_offer(g, into, extreme_result(g, from, NULL), 1);
}

static bool extreme_load(const agg *g, void *state, value saved)
{
    return extreme_offer(g, state, saved, 1);
}

static void extreme_drop(const agg *g, void *state)
{
    extreme *s = state;
    if (s->has) value_disown(g->type, s->best);
    s->has = false;
}

static size_t extreme_held(const agg *g, const void *state)
{
    const extreme *s = state;
    return s->has ? value_held(g->type, s->best) : 0;
}

static const agg_class class_min = {
    .state_size = sizeof(extreme),
    .add = min_add,
    .merge = min_merge,
    .result = extreme_result,
    .load = extreme_load,
    .drop = extreme_drop,
    .held = extreme_held,
};
static const agg_class class_max = {
    .state_size = sizeof(extreme),
    .add = max_add,
    .merge = max_merge,
    .result = extreme_result,
    .load = extreme_load,
    .drop = extreme_drop,
    .held = extreme_held,
};

static const func_def def_count[] = {AGG("(val T) BIGINT", &class_count), {0}};
static const func_def def_sum[] = {
    AGG("(val INT) INT", &class_sum_int),
    AGG("(val BIGINT) BIGINT", &class_sum_bigint),
    AGG("(val DOUBLE) DOUBLE", &class_sum_double),
    AGG("(val DECIMAL) DECIMAL", &class_sum, .rule = func_rule_first),
    {0},
};
static const func_def def_sum_list[] = {
    AGG("(val ARRAY<INT>) INT", &class_sum_list),
    AGG("(val ARRAY<BIGINT>) BIGINT", &class_sum_list),
    AGG("(val ARRAY<DOUBLE>) DOUBLE", &class_sum_list),
    {0},
};
static const func_def def_avg[] = {
    AGG("(val INT) DOUBLE", &class_average),
    AGG("(val BIGINT) DOUBLE", &class_average),
    AGG("(val DOUBLE) DOUBLE", &class_average),
    {0},
};

#define FOR_ORDERED(CLASS)                                                                                             \
    {                                                                                                                  \
        AGG("(val INT) INT", CLASS), AGG("(val BIGINT) BIGINT", CLASS), AGG("(val DOUBLE) DOUBLE", CLASS),             \
            AGG("(val DECIMAL) DECIMAL", CLASS, .rule = func_rule_first), AGG("(val STRING) STRING", CLASS),           \
            AGG("(val BYTES) BYTES", CLASS), AGG("(val DATE) DATE", CLASS), AGG("(val TIME) TIME", CLASS),             \
            AGG("(val TIMESTAMP) TIMESTAMP", CLASS), {0},                                                              \
    }
static const func_def def_min[] = FOR_ORDERED(&class_min);
static const func_def def_max[] = FOR_ORDERED(&class_max);

const func_name agg_family_basic[] = {
    {"COUNT", FUNC_CATEGORY_AGGREGATE, "The number of rows, or of values that are not NULL.", def_count},
    {"SUM", FUNC_CATEGORY_AGGREGATE, "The sum of the values. Whole numbers wrap around when they overflow.", def_sum},
    {"SUM_LIST", FUNC_CATEGORY_AGGREGATE, "The sum of all elements of arrays.", def_sum_list},
    {"AVG", FUNC_CATEGORY_AGGREGATE, "The average of the values; 0.0 when there are none.", def_avg},
    {"MIN", FUNC_CATEGORY_AGGREGATE, "The smallest value.", def_min},
    {"MAX", FUNC_CATEGORY_AGGREGATE, "The largest value.", def_max},
    {0},
};
