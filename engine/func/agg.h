/*
 * engine/func/agg.h - aggregates: a table of functions over a state per group.
 *
 * An `agg` is one bound call (COUNT(x) with its types and constants): read-only after agg_new, so any thread may use
 * it. A state is agg->class->state_size bytes (16-byte aligned), owned by the operator, which zeroes it, calls init,
 * and drop at the end; what a state holds beside these bytes is on the heap and belongs to it.
 *
 * A state is stored as a value of agg->state_type: a scalar column where that is all (COUNT, SUM, MIN ...), else a
 * nested value with ksqlDB's fields (AVG: STRUCT<SUM, COUNT>).
 */
#ifndef ENGINE_FUNC_AGG_H
#define ENGINE_FUNC_AGG_H

#include "base/arena.h"
#include "engine/chunk.h"
#include "engine/func/registry.h"
#include "engine/value.h"

/* Limits and sequence that aggregates read. */
typedef struct agg_options {
    int64_t collect_list_limit; /* ksql.functions.collect_list.limit; 0 or less: unlimited */
    int64_t collect_set_limit; /* ksql.functions.collect_set.limit */
} agg_options;

typedef struct agg agg;

/* Implementation of one or more overloads. */
typedef struct agg_class {
    uint32_t state_size;
    /* Type of the stored state; NULL: the first argument's type. */
    const type *(*state_type)(arena *a, const agg *g);
    /* Checks constants when the call is bound; NULL: nothing to check. */
    bool (*bind)(agg *g, diag *d);
    /* From zeroes; NULL: zeroes are the initial state. */
    void (*init)(const agg *g, void *state);
    /* Adds a row. False with a reason in *why: the row is dropped for the whole step and logged. */
    bool (*add)(const agg *g, void *state, const value *args, const char **why);
    /* Takes a row back; NULL: refused on tables. */
    bool (*undo)(const agg *g, void *state, const value *args, const char **why);
    /* into = merge(into, from), as sessions that touch are merged: `into` is what was merged before. */
    bool (*merge)(const agg *g, void *into, const void *from, const char **why);
    /* The value that the query sees; borrows state or mem. */
    value (*result)(const agg *g, const void *state, arena *mem);
    /*
     * As a value of state_type, and back (into a zeroed state; copies what it keeps). NULL save: result is the state.
     */
    value (*save)(const agg *g, const void *state, arena *mem);
    bool (*load)(const agg *g, void *state, value saved);
    /* Frees what the state holds; NULL: nothing. */
    void (*drop)(const agg *g, void *state);
    /* Bytes that the state holds beside itself; NULL: none. */
    size_t (*held)(const agg *g, const void *state);
    /* Adds many rows at once, state i for selected row i; NULL: add in a loop. Never fails. */
    void (*add_rows)(const agg *g, void *const *states, const vec *const *args, const uint16_t *sel, uint32_t n);
} agg_class;

/* A bound call. Public layout: implementations and operators read it. */
struct agg {
    const func *f;
    const agg_class *class;
    const type *const *arg_types; /* of the arguments given per row */
    int arg_count;
    const type *type; /* of the result */
    const type *state_type;
    const value *constants;
    int constant_count;
    agg_options options;
    int64_t n; /* what bind made of the constants: k of TOPK, n of *_BY_OFFSET (0: single) */
    bool flag; /* ignoreNulls */
};

/* Binds a call in an arena. NULL and an error for constants that the function refuses. */
const agg *agg_new(arena *a, const func *f, const type *const *arg_types, int arg_count, const value *constants,
                   int constant_count, const agg_options *o, diag *d);

/* Whether the function can be used on a table. */
static inline bool agg_can_undo(const agg *g)
{
    return g->class->undo != NULL;
}
/* Makes an initial state of zeroed memory. */
static inline void agg_init(const agg *g, void *state)
{
    if (g->class->init) g->class->init(g, state);
}
/* Ends a state. */
static inline void agg_drop(const agg *g, void *state)
{
    if (g->class->drop) g->class->drop(g, state);
}
/* The stored form. */
static inline value agg_save(const agg *g, const void *state, arena *mem)
{
    return g->class->save ? g->class->save(g, state, mem) : g->class->result(g, state, mem);
}

/*
 * Adds the selected rows, each to its own state (states[i] belongs to the i-th selected row; equal pointers are
 * fine). A row that fails is reported and leaves its state as it was.
 */
void agg_add_rows(const agg *g, void *const *states, const vec *const *args, const uint16_t *sel, uint32_t n,
                  void (*report)(void *ctx, uint32_t row, str why), void *ctx);

/* A number that grows with every call in this process: the order of EARLIEST and LATEST_BY_OFFSET across merges. */
int64_t agg_next_sequence(void);

#endif
