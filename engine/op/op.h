/*
 * engine/op/op.h - operators: what a task pushes chunks through.
 *
 * An operator belongs to one task and lives in its arena. A push hands over a chunk; the receiver may change its
 * selection and flags. Columns that an operator makes go into the chunk's arena, which is reset when the chunk has gone
 * all the way. A push is never refused: what cannot leave (a full exchange, a slow sink) waits in the last operator,
 * and the task takes no input until it is gone.
 */
#ifndef ENGINE_OP_OP_H
#define ENGINE_OP_OP_H

#include "base/check.h"
#include "engine/chunk.h"
#include "engine/expr_run.h"
#include "engine/func/agg.h"
#include "engine/io.h"
#include "engine/plan.h"
#include "engine/query.h"
#include "state/store.h"

typedef struct op op;
typedef struct op_env op_env;
typedef struct exchange exchange;

/* What the operators of one task share. Public layout. */
struct op_env {
    arena *life; /* the task's arena */
    const query_options *options;
    str query_id;
    int32_t partition; /* of the task; 0 in single-task mode */
    int partitions; /* of the task's stage */
    bool emit_every; /* cache.max.bytes.buffering is 0 */
    func_env func;
    agg_options agg;
    expr_options expr;
    int64_t now; /* wall clock of this step */
    diag *error; /* why the task fails */
    bool *ended; /* set by a LIMIT that was reached */
    op *ops[256]; /* all operators of the task, upstream first */
    int op_count;
};

/* The functions of one kind of operator. */
typedef struct op_class {
    const char *name;
    /* Processes the selected rows of a chunk from input `side`. False: env->error is set, the query fails. */
    bool (*push)(op *o, int side, chunk *c);
    /* The boundary of a commit: hands on coalesced changes. NULL: nothing is held back. */
    bool (*flush)(op *o);
    /* Tries to get rid of what could not leave. True when something still waits. NULL: nothing ever waits. */
    bool (*blocked)(op *o);
    /*
     * For pull reads: puts the i-th row of a state of stores[0] into row `row` of a chunk of the step's schema (its key
     * columns are set by the caller). False: the state has no i-th row. Called under the store's lock, by any thread.
     */
    bool (*view)(const op *o, const void *state, uint32_t i, chunk *c, uint32_t row);
    /* Frees what lies outside the arena. NULL: nothing. */
    void (*close)(op *o);
} op_class;

/* The head of every operator. */
struct op {
    const op_class *class;
    const plan *step;
    op_env *env;
    op *next;
    int next_side;
    str topic; /* of the source upstream, for the processing log */
    store *stores[2]; /* what it keeps; for statistics, commits and pull reads */
    int store_count;
    int64_t *numbers[4]; /* what is saved with a commit besides: stream times */
    int number_count;
    query_step_stats stats;
};

/* Fills the head and enters the operator in the task's list. */
void op_init(op *o, const op_class *class, op_env *env, const plan *step, op *next, int next_side);

/* Hands a chunk to the next operator; an empty one goes nowhere. */
static inline bool op_emit(op *o, chunk *c)
{
    if (c->count == 0) return true;
    o->stats.rows_out += c->count;
    o->next->stats.rows_in += c->count;
    return o->next->class->push(o->next, o->next_side, c);
}

/* Reports a row's failure to the processing log. `c` may be NULL when the row has no chunk. */
void op_report(op *o, proclog_kind kind, const chunk *c, uint32_t row, str message);

/* What expr_input.errors takes: context of a report. */
typedef struct op_rows {
    op *o;
    const chunk *c;
    str what; /* what is computed, for the message; empty: only the reason is told */
} op_rows;
/* An expr_errors over a chunk; `rows` must live as long as the run. */
expr_errors op_expr_errors(op_rows *rows);

/* Removes rows from a selection in place: keep[i] for the i-th selected row. */
void op_keep(chunk *c, const bool *keep);

/* A shallow copy of a chunk's envelope with the same rows and selection, for another schema; columns are not set. */
chunk *op_derive(const chunk *c, const schema *s);

/* An unset column vector of `rows` rows that are all NULL. */
vec op_null_vec(arena *a, const type *t, uint32_t rows);

/* Does a step downstream look at the old sides of a table's changes? */
bool op_needs_old(const op *o);

/*
 * Constructors, one for each step kind: `next` is where its rows go. NULL with env->error set when it cannot be built.
 */
op *filter_open(op_env *env, const plan *p, op *next, int side);
op *project_open(op_env *env, const plan *p, op *next, int side);
op *explode_open(op_env *env, const plan *p, op *next, int side);
op *rekey_open(op_env *env, const plan *p, op *next, int side);
op *aggregate_open(op_env *env, const plan *p, op *next, int side);
op *session_open(op_env *env, const plan *p, op *next, int side);
op *suppress_open(op_env *env, const plan *p, op *next, int side);
op *join_open(op_env *env, const plan *p, op *next, int side);
/* Keeps the rows of a table behind step `p` for pull reads. */
op *result_open(op_env *env, const plan *p, op *next, int side);
/* Can this join run? False with a diag that says what cannot. */
bool join_supported(const plan *p, diag *d);
op *sink_open(op_env *env, const plan *p, int output);

/* The sending side of an exchange: takes rows that were rekeyed and puts them in the queue of their partition. */
op *send_open(op_env *env, const plan *rekey, exchange *x);

#endif
