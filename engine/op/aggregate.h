/*
 * engine/op/aggregate.h - groups and their states: what plain, windowed and session aggregation share.
 *
 * Internal to engine/op and the pull reader; belongs to one task.
 */
#ifndef ENGINE_OP_AGGREGATE_H
#define ENGINE_OP_AGGREGATE_H

#include "engine/op/keep.h"

/* The head of a group's state; the states of the calls follow at calls[i].at. */
typedef struct group {
    int64_t rowtime;
    char *carried; /* rowcode of the carried columns, on the heap */
    uint32_t carried_n;
    uint32_t pending; /* its place in the list of changes to be emitted, plus one; 0: not in it */
    int64_t spare;
} group;

/* One bound aggregate call. */
typedef struct group_call {
    const agg *agg;
    uint32_t at; /* offset of its state behind the head of a group */
    expr_program **programs; /* of its arguments */
    vec *args; /* their vectors for the chunk at hand */
    const vec **arg_refs;
    bool plain; /* the result is a scalar that borrows nothing */
} group_call;

/* The aggregation of a step: calls and carried columns. */
typedef struct groups {
    keep keep; /* first: the codec's context */
    op *o;
    const plan_aggregate *plan;
    group_call *calls;
    int count;
    int *carried_out; /* positions of the carried columns in the output */
    uint32_t state_size;
    buf scratch;
} groups;

/* Binds the calls. False with env->error set. */
bool groups_bind(groups *g, op *o);
/* Opens the store; `detail` goes into the fingerprint. NULL with env->error set. */
store *groups_store(groups *g, store_shape shape, const char *detail);
void groups_close(groups *g);

/* Evaluates the arguments of all calls over a chunk. `old`: from the old side. */
void groups_arguments(groups *g, chunk *c, bool old);

/* Life of a state: from zeroes, and its end. */
void group_init(groups *g, group *s);
void groups_drop_one(groups *g, group *s);
/* Adds, or takes back, a row whose arguments were evaluated. A call that fails is reported and leaves its state. */
void group_add(groups *g, group *s, const chunk *c, uint32_t row, bool undo);
/* Takes time and carried columns of a row. */
void group_follow(groups *g, group *s, const chunk *c, uint32_t row);
/* Puts carried values and results into row `row` of output vectors. Copies what a later change could free. */
void group_result(const groups *g, const group *s, vec *cols, uint32_t row, arena *mem);

/* The state as cells and back: carried columns, calls, rowtime. */
int group_columns(groups *g, store_column *out);
void group_encode(groups *g, const group *s, cell *out, arena *mem);
bool group_decode(groups *g, const cell *row, group *s);

#endif
