/* STDDEV_SAMPLE, STDDEV_SAMP, CORRELATION, and COUNT_DISTINCT's estimate. */
#include <math.h>
#include <stdlib.h>

#include "base/check.h"
#include "engine/func/table.h"

/* ---- standard deviation: STRUCT<SUM, COUNT, M2>; the sum stays in the argument's type ---- */

typedef struct deviation {
    union {
        int64_t l; /* INT (wrapped to 32 bits) and BIGINT */
        double d;
    } sum;
    int64_t count;
    double m2;
} deviation;

static int64_t wrap(const agg *g, int64_t v)
{
    return g->arg_types[0]->kind == TYPE_INT ? (int32_t)(uint32_t)(uint64_t)v : v;
}

static int64_t whole(const agg *g, value v)
{
    return g->arg_types[0]->kind == TYPE_INT ? v.i : v.l;
}

/* v * (count + 1) - (sum + v), in the arithmetic of the argument's type: 64 bits for INT and BIGINT, which wrap. */
static double delta_of(const agg *g, const deviation *s, value v)
{
    if (g->arg_types[0]->kind == TYPE_DOUBLE) return v.d * (double)(s->count + 1) - (s->sum.d + v.d);
    uint64_t x = (uint64_t)whole(g, v);
    uint64_t sum = (uint64_t)wrap(g, (int64_t)((uint64_t)s->sum.l + x));
    return (double)(int64_t)(x * (uint64_t)(s->count + 1) - sum);
}

static void shift_sum(const agg *g, deviation *s, value v, int sign)
{
    if (g->arg_types[0]->kind == TYPE_DOUBLE) {
        s->sum.d += sign > 0 ? v.d : -v.d;
        return;
    }
    uint64_t x = (uint64_t)whole(g, v);
    s->sum.l = wrap(g, (int64_t)(sign > 0 ? (uint64_t)s->sum.l + x : (uint64_t)s->sum.l - x));
}

static bool deviation_add(const agg *g, void *state, const value *args, const char **why)
{
    deviation *s = state;
    if (args[0].null) return true;
    int64_t n = s->count + 1;
    if (n > 1) {
        double delta = delta_of(g, s, args[0]);
        s->m2 += delta * delta / (double)(n * (n - 1));
    }
    shift_sum(g, s, args[0], 1);
    s->count = n;
    return true;
}

static bool deviation_undo(const agg *g, void *state, const value *args, const char **why)
{
    deviation *s = state;
    if (args[0].null) return true;
    int64_t n = s->count - 1;
    if (n > 0) {
        double delta = delta_of(g, s, args[0]);
        s->m2 -= delta * delta / (double)(n * (n + 1));
    }
    shift_sum(g, s, args[0], -1);
    s->count = n;
    return true;
}

static double mean_of(const agg *g, const deviation *s, bool truncated)
{
    if (g->arg_types[0]->kind == TYPE_DOUBLE) return s->sum.d / (double)s->count;
    return truncated ? (double)(s->sum.l / s->count) : (double)s->sum.l / (double)s->count;
}

/* STDDEV_SAMP divides whole numbers as whole numbers here, as ksqlDB does. */
static bool merge_deviation(const agg *g, void *into, const void *from, bool truncated)
{
    deviation *s = into;
    const deviation *f = from;
    double m2 = s->m2 + f->m2;
    if (s->count != 0 && f->count != 0) {
        double inner = mean_of(g, s, truncated) - mean_of(g, f, truncated);
        m2 += (double)(s->count * f->count) * inner * inner / (double)(s->count + f->count);
    }
    if (g->arg_types[0]->kind == TYPE_DOUBLE)
        s->sum.d += f->sum.d;
    else
        s->sum.l = wrap(g, (int64_t)((uint64_t)s->sum.l + (uint64_t)f->sum.l));
    s->count += f->count;
    s->m2 = m2;
    return true;
}

static bool sample_merge(const agg *g, void *into, const void *from, const char **why)
{
    return merge_deviation(g, into, from, false);
}

static bool samp_merge(const agg *g, void *into, const void *from, const char **why)
{
    return merge_deviation(g, into, from, true);
}

/* STDDEV_SAMP gives the variance: ksqlDB's quirk, kept. */
static value samp_result(const agg *g, const void *state, arena *mem)
{
    const deviation *s = state;
    return (value){.d = s->count < 2 ? 0.0 : s->m2 / (double)(s->count - 1)};
}

static value sample_result(const agg *g, const void *state, arena *mem)
{
    return (value){.d = sqrt(samp_result(g, state, mem).d)};
}

static const type *state_deviation(arena *a, const agg *g)
{
    type_field fields[3] = {
        {STR("SUM"), g->arg_types[0]}, {STR("COUNT"), type_simple(TYPE_BIGINT)}, {STR("M2"), type_simple(TYPE_DOUBLE)}};
    return type_struct(a, fields, 3);
}

static value struct_value(arena *mem, value *items, uint32_t n)
{
    nested *nest = ARENA_NEW(mem, nested);
    *nest = (nested){.n = n, .items = items};
    return (value){.nest = nest};
}

static bool has_fields(value saved, uint32_t n)
{
    if (saved.null || saved.nest->n != n) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (saved.nest->items[i].null) return false;
    }
    return true;
}

static value deviation_save(const agg *g, const void *state, arena *mem)
{
    const deviation *s = state;
    value *items = ARENA_ARRAY(mem, value, 3);
    if (g->arg_types[0]->kind == TYPE_DOUBLE)
        items[0].d = s->sum.d;
    else if (g->arg_types[0]->kind == TYPE_INT)
        items[0].i = (int32_t)s->sum.l;
    else
        items[0].l = s->sum.l;
    items[1].l = s->count;
    items[2].d = s->m2;
    return struct_value(mem, items, 3);
}

static bool deviation_load(const agg *g, void *state, value saved)
{
    deviation *s = state;
    if (!has_fields(saved, 3)) return false;
    const value *items = saved.nest->items;
    if (g->arg_types[0]->kind == TYPE_DOUBLE)
        s->sum.d = items[0].d;
    else
        s->sum.l = whole(g, items[0]);
    s->count = items[1].l;
    s->m2 = items[2].d;
    return true;
}

#define DEVIATION(NAME, MERGE, RESULT)                                                                                 \
    static const agg_class NAME = {                                                                                    \
        .state_size = sizeof(deviation),                                                                               \
        .state_type = state_deviation,                                                                                 \
        .add = deviation_add,                                                                                          \
        .undo = deviation_undo,                                                                                        \
        .merge = MERGE,                                                                                                \
        .result = RESULT,                                                                                              \
        .save = deviation_save,                                                                                        \
        .load = deviation_load,                                                                                        \
    };
DEVIATION(class_sample, sample_merge, sample_result)
DEVIATION(class_samp, samp_merge, samp_result)

/* ---- CORRELATION: five sums and the count ---- */

typedef struct correlation {
    double x, y, xx, yy, xy;
    int64_t count;
} correlation;

static double number(const agg *g, const value *args, int i)
{
    switch (g->arg_types[i]->kind) {
    case TYPE_INT: return args[i].i;
    case TYPE_BIGINT: return (double)args[i].l;
    default: return args[i].d;
    }
}

static bool correlation_step(const agg *g, void *state, const value *args, double sign)
{
    correlation *s = state;
    if (args[0].null || args[1].null) return true;
    double x = number(g, args, 0), y = number(g, args, 1);
    s->x += sign * x;
    s->y += sign * y;
    s->xx += sign * (x * x);
    s->yy += sign * (y * y);
    s->xy += sign * (x * y);
    s->count += sign > 0 ? 1 : -1;
    return true;
}

static bool correlation_add(const agg *g, void *state, const value *args, const char **why)
{
    return correlation_step(g, state, args, 1);
}

static bool correlation_undo(const agg *g, void *state, const value *args, const char **why)
{
    return correlation_step(g, state, args, -1);
}

static bool correlation_merge(const agg *g, void *into, const void *from, const char **why)
{
    correlation *s = into;
    const correlation *f = from;
    s->x += f->x, s->y += f->y, s->xx += f->xx, s->yy += f->yy, s->xy += f->xy;
    s->count += f->count;
    return true;
}

static value correlation_result(const agg *g, const void *state, arena *mem)
{
    const correlation *s = state;
    double n = (double)s->count, numerator = n * s->xy - s->x * s->y;
    double dx = n * s->xx - s->x * s->x, dy = n * s->yy - s->y * s->y;
    return (value){.d = numerator / sqrt(dx * dy)};
}

static const type *state_correlation(arena *a, const agg *g)
{
    const type *d = type_simple(TYPE_DOUBLE);
    type_field fields[6] = {{STR("X_SUM"), d},         {STR("Y_SUM"), d},  {STR("X_SQUARED_SUM"), d},
                            {STR("Y_SQUARED_SUM"), d}, {STR("XY_SUM"), d}, {STR("COUNT"), type_simple(TYPE_BIGINT)}};
    return type_struct(a, fields, 6);
}

static value correlation_save(const agg *g, const void *state, arena *mem)
{
    const correlation *s = state;
    value *items = ARENA_ARRAY(mem, value, 6);
    items[0].d = s->x, items[1].d = s->y, items[2].d = s->xx, items[3].d = s->yy, items[4].d = s->xy;
    items[5].l = s->count;
    return struct_value(mem, items, 6);
}

static bool correlation_load(const agg *g, void *state, value saved)
{
    if (!has_fields(saved, 6)) return false;
    const value *i = saved.nest->items;
    *(correlation *)state = (correlation){i[0].d, i[1].d, i[2].d, i[3].d, i[4].d, i[5].l};
    return true;
}

static const agg_class class_correlation = {
    .state_size = sizeof(correlation),
    .state_type = state_correlation,
    .add = correlation_add,
    .undo = correlation_undo,
    .merge = correlation_merge,
    .result = correlation_result,
    .save = correlation_save,
    .load = correlation_load,
};

#define NUMBERS(CLASS)                                                                                                 \
    {                                                                                                                  \
        AGG("(val INT) DOUBLE", CLASS), AGG("(val BIGINT) DOUBLE", CLASS), AGG("(val DOUBLE) DOUBLE", CLASS), {0},     \
    }
static const func_def def_sample[] = NUMBERS(&class_sample);
static const func_def def_samp[] = NUMBERS(&class_samp);
static const func_def def_correlation[] = {
    AGG("(x INT, y INT) DOUBLE", &class_correlation),
    AGG("(x BIGINT, y BIGINT) DOUBLE", &class_correlation),
    AGG("(x DOUBLE, y DOUBLE) DOUBLE", &class_correlation),
    {0},
};

/* ---- COUNT_DISTINCT: HyperLogLog with 2^14 registers; few of them are kept as pairs, many as a table ---- */

enum { REGISTER_BITS = 14, REGISTERS = 1 << REGISTER_BITS, PAIRS_MAX = 512 };

typedef struct distinct {
    uint8_t *dense; /* REGISTERS ranks, or NULL while pairs suffice */
    uint32_t *pairs; /* register << 8 | rank */
    uint32_t n, cap;
} distinct;

static void offer(distinct *s, uint32_t where, uint8_t rank)
{
    if (s->dense) {
        if (s->dense[where] < rank) s->dense[where] = rank;
        return;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->pairs[i] >> 8 != where) continue;
        if ((s->pairs[i] & 0xff) < rank) s->pairs[i] = where << 8 | rank;
        return;
    }
    if (s->n == PAIRS_MAX) {
        s->dense = calloc(REGISTERS, 1);
        check(s->dense);
        for (uint32_t i = 0; i < s->n; i++) s->dense[s->pairs[i] >> 8] = (uint8_t)s->pairs[i];
        s->dense[where] = rank;
        free(s->pairs);
        s->pairs = NULL;
        s->n = s->cap = 0;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->pairs = realloc(s->pairs, sizeof *s->pairs * s->cap);
        check(s->pairs);
    }
    s->pairs[s->n++] = where << 8 | rank;
}

static uint64_t stable_hash(const type *t, value v);

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

static uint64_t hash_text(str s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ s.n;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return mix(h);
}

static uint64_t hash_nested(const type *t, const nested *n)
{
    uint64_t h = mix(n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        uint64_t item = stable_hash(t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, n->items[i]);
        if (t->kind == TYPE_MAP)
            h += mix(stable_hash(t->key, n->keys[i]) ^ mix(item));
        else
            h = mix(h * 31 + item);
    }
    return h;
}

/* Registers are saved: this hash must give the same in every process and version, unlike value_hash. */
static uint64_t stable_hash(const type *t, value v)
{
    if (v.null) return 0;
    uint64_t bits;
    switch (t->kind) {
    case TYPE_BOOLEAN: return mix(v.b + 1);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: return mix((uint64_t)(int64_t)v.i + 1);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return mix((uint64_t)v.l + 1);
    case TYPE_DOUBLE:
        memcpy(&bits, &v.d, sizeof bits);
        return mix(v.d != v.d ? UINT64_C(0x7ff8000000000000) : bits + 1);
    case TYPE_DECIMAL: return mix((uint64_t)v.dec + mix((uint64_t)(v.dec >> 64) + 1));
    case TYPE_STRING:
    case TYPE_BYTES: return hash_text(v.s);
    default: return hash_nested(t, v.nest);
    }
}

static bool distinct_add(const agg *g, void *state, const value *args, const char **why)
{
    if (args[0].null) return true;
    uint64_t h = stable_hash(g->arg_types[0], args[0]);
    uint64_t rest = h << REGISTER_BITS | UINT64_C(1) << (REGISTER_BITS - 1);
    offer(state, (uint32_t)(h >> (64 - REGISTER_BITS)), (uint8_t)(__builtin_clzll(rest) + 1));
    return true;
}

static bool distinct_merge(const agg *g, void *into, const void *from, const char **why)
{
    const distinct *f = from;
    for (uint32_t i = 0; i < f->n; i++) offer(into, f->pairs[i] >> 8, (uint8_t)f->pairs[i]);
    for (uint32_t i = 0; f->dense && i < REGISTERS; i++) {
        if (f->dense[i]) offer(into, i, f->dense[i]);
    }
    return true;
}

/* Linear counting while registers are empty and the estimate is small, else the harmonic mean. */
static value distinct_result(const agg *g, const void *state, arena *mem)
{
    const distinct *s = state;
    double m = REGISTERS, sum = 0, zeros = 0;
    if (s->dense) {
        for (uint32_t i = 0; i < REGISTERS; i++) {
            sum += ldexp(1, -s->dense[i]);
            zeros += s->dense[i] == 0;
        }
    } else {
        zeros = m - s->n;
        sum = zeros;
        for (uint32_t i = 0; i < s->n; i++) sum += ldexp(1, -(int)(s->pairs[i] & 0xff));
    }
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && zeros > 0) estimate = m * log(m / zeros);
    return (value){.l = (int64_t)llround(estimate)};
}

/* Stored as BYTES: pairs of 4 bytes, or all registers. */
static const type *state_distinct(arena *a, const agg *g)
{
    return type_simple(TYPE_BYTES);
}

static value distinct_save(const agg *g, const void *state, arena *mem)
{
    const distinct *s = state;
    if (s->dense) return (value){.s = str_of((const char *)s->dense, REGISTERS)};
    char *p = arena_alloc(mem, (size_t)s->n * 4 + 1);
    for (uint32_t i = 0; i < s->n; i++) {
        for (int k = 0; k < 4; k++) p[i * 4 + (uint32_t)k] = (char)(s->pairs[i] >> (8 * k));
    }
    return (value){.s = str_of(p, (size_t)s->n * 4)};
}

static bool distinct_load(const agg *g, void *state, value saved)
{
    distinct *s = state;
    if (saved.null) return false;
    str b = saved.s;
    if (b.n == REGISTERS) {
        s->dense = malloc(REGISTERS);
        check(s->dense);
        memcpy(s->dense, b.p, REGISTERS);
        return true;
    }
    if (b.n % 4 || b.n / 4 > PAIRS_MAX) return false;
    for (size_t i = 0; i < b.n; i += 4) {
        uint32_t pair = 0;
        for (int k = 3; k >= 0; k--) pair = pair << 8 | (unsigned char)b.p[i + (size_t)k];
        if (pair >> 8 >= REGISTERS) return false;
        offer(s, pair >> 8, (uint8_t)pair);
    }
    return true;
}

static void distinct_drop(const agg *g, void *state)
{
    distinct *s = state;
    free(s->dense);
    free(s->pairs);
    *s = (distinct){0};
}

static size_t distinct_held(const agg *g, const void *state)
{
    const distinct *s = state;
    return s->dense ? REGISTERS : s->cap * sizeof *s->pairs;
}

static const agg_class class_distinct = {
    .state_size = sizeof(distinct),
    .state_type = state_distinct,
    .add = distinct_add,
    .merge = distinct_merge,
    .result = distinct_result,
    .save = distinct_save,
    .load = distinct_load,
    .drop = distinct_drop,
    .held = distinct_held,
};
static const func_def def_distinct[] = {AGG("(val T) BIGINT", &class_distinct), {0}};

const func_name agg_family_stats[] = {
    {"COUNT_DISTINCT", FUNC_CATEGORY_AGGREGATE, "The estimated number of different values, within about one per cent.",
     def_distinct},
    {"STDDEV_SAMPLE", FUNC_CATEGORY_AGGREGATE, "The standard deviation of a sample.", def_sample},
    {"STDDEV_SAMP", FUNC_CATEGORY_AGGREGATE, "The variance of a sample (the name is ksqlDB's).", def_samp},
    {"correlation", FUNC_CATEGORY_AGGREGATE, "The Pearson correlation of two columns.", def_correlation},
    {0},
};
