/*
 * engine/op/join.h - what the joins share: the output row of two sides.
 *
 * Internal to engine/op; belongs to one task.
 */
#ifndef ENGINE_OP_JOIN_H
#define ENGINE_OP_JOIN_H

#include "engine/op/keep.h"

/* Head of every join. Output columns: keys, left values, right values. */
typedef struct join {
    op base;
    const schema *in[2];
    int *value_cols[2]; /* positions of a side's value columns in its input */
    int value_count[2];
    int *out_cols[2]; /* and in the output */
    bool keep_left; /* a left row without a partner is a result */
    bool keep_right;
    chunk *out;
    buf key;
} join;

/* Fills the head from the plan step. */
void join_init(join *j, const op_class *class, op_env *env, const plan *p, op *next, int side);
void join_close(join *j);

/* The key of a row, with its window when there is one, in j->key. */
str join_key(join *j, const chunk *c, uint32_t row);

/*
 * The next row of the output chunk, all values NULL, with the envelope and key of row `row` of `c`. Emits what is full
 * before; UINT32_MAX: that failed.
 */
uint32_t join_row(join *j, const chunk *c, uint32_t row);
/* The same with a key from its bytes (without a window). */
uint32_t join_row_key(join *j, const chunk *c, uint32_t row, str key);
/* Copies a side's values of a row into the output (`old`: into its old side). */
void join_put(join *j, int side, const vec *cols, const chunk *c, uint32_t row, uint32_t out, bool old);
/* The same from a stored row. `bytes` must live as long as `mem`. */
void join_put_bytes(join *j, int side, str bytes, uint32_t out, bool old, arena *mem);
/* Emits the rows that are there. */
bool join_emit(join *j);

/* The kinds of join; each as join_open says. */
op *join_table_open(op_env *env, const plan *p, op *next, int side);
op *join_stream_open(op_env *env, const plan *p, op *next, int side);
op *join_foreign_open(op_env *env, const plan *p, op *next, int side);

#endif
