/*
 * engine/expr_run.h - compiling typed expressions and running them over chunks.
 *
 * An expr_program belongs to one task (it caches compiled patterns and reuses vectors), lives in the arena that it
 * was compiled in, and costs a few hundred bytes per node until it runs. Running allocates vectors, strings and
 * nested data in the arena of the step. Rows that are not selected are never touched: neither computed nor reported.
 */
#ifndef ENGINE_EXPR_RUN_H
#define ENGINE_EXPR_RUN_H

#include "engine/chunk.h"
#include "engine/expr.h"
#include "engine/func/call.h"

typedef struct expr_program expr_program;

/* How expressions behave; the server's and the query's settings. */
typedef struct expr_options {
    bool nested_error_throws; /* ksql.nested.error.set.null=false: an error anywhere nulls the whole expression */
    bool null_to_text; /* ksql.cast.strings.preserve.nulls=false: CAST(NULL AS STRING) is the text 'null' */
} expr_options;

/* Who hears about failing rows. `why` is valid during the call. NULL report: nobody. */
typedef struct expr_errors {
    void (*report)(void *ctx, uint32_t row, str why);
    void *ctx;
} expr_errors;

/* What a program runs over. */
typedef struct expr_input {
    const chunk *chunk; /* NULL for programs without columns: one row */
    bool old; /* value columns come from the old side of a table's change */
    arena *mem; /* where results and intermediate vectors go */
    func_env *env; /* clock, zone and random numbers; NULL: time 0, UTC, a fixed seed */
    expr_errors errors;
} expr_input;

/*
 * Compiles into an arena (the program lives as long as it). The tree must live as long as the program. `o` NULL:
 * defaults. NULL and an error for what cannot run (a cast that does not exist); sql/ has checked everything else.
 */
expr_program *expr_compile(arena *a, const expr *e, const expr_options *o, diag *d);

/* The type of the result. */
const type *expr_program_type(const expr_program *p);

/* Sets needed[c] for each input column that the expression reads. */
void expr_columns(const expr *e, bool *needed);

/*
 * Evaluates the n selected rows (sel NULL: rows 0..n-1). *out is set to a vector indexed by row of the chunk; only
 * selected rows are defined. It may be a column of the chunk itself: read it, never write it. A failing row is NULL.
 */
void expr_run(expr_program *p, const expr_input *in, const uint16_t *sel, uint32_t n, vec *out);

/*
 * Runs a BOOLEAN program as a filter: writes the selected rows for which it is true to out (room for n; may be sel
 * itself) and returns how many. NULL and errors count as false.
 */
uint32_t expr_filter(expr_program *p, const expr_input *in, const uint16_t *sel, uint32_t n, uint16_t *out);

/* One row of a chunk, boxed. */
value expr_run_row(expr_program *p, const expr_input *in, uint32_t row);

/* Whether the expression reads no column and no volatile function, so that it can be folded. */
bool expr_is_constant(const expr *e);

/*
 * Evaluates an expression without columns; the value lives in the arena. False with the reason when it fails (an
 * error that an inner scope catches gives NULL and is no failure).
 */
bool expr_eval_const(arena *a, const expr *e, const expr_options *o, func_env *env, value *out, diag *d);

/* Whether a cast from one type to another exists (reference of casts in engine/expr/cast.c). */
bool expr_can_cast(const type *from, const type *to);

/*
 * Casts one value as CAST does: for coercing literals and INSERT VALUES. False with a reason for malformed text or
 * overflow.
 */
bool expr_cast_value(arena *a, const type *from, const type *to, const expr_options *o, value in, value *out, diag *d);

#endif
