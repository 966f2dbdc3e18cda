/*
 * engine/expr/node.h - compiled expressions: nodes that fill vectors or narrow selections. Private to engine/expr/.
 *
 * A program is a tree of nodes whose kernels were chosen when it was compiled. A node is called once for a chunk,
 * never once for a row, so the calls cost nothing beside the loops. There are two kinds: value nodes fill a vector
 * (`run`); predicate nodes (comparisons, AND, OR, NOT, LIKE, IN ...) narrow a selection (`filter`), and become a
 * vector of 0 and 1 only where one is wanted. All vectors are indexed by the row of the chunk, whatever the selection
 * is, so that CASE branches and the right sides of AND and OR simply run on fewer rows.
 *
 * A row that fails is marked in the bitmap of the innermost scope, reported at once, and left out of every later
 * selection of that scope; at the scope's end its value becomes NULL.
 */
#ifndef ENGINE_EXPR_NODE_H
#define ENGINE_EXPR_NODE_H

#include "base/check.h"
#include "engine/expr_run.h"

/* Selected rows, ascending; rows NULL: 0..n-1. */
typedef struct sel {
    const uint16_t *rows;
    uint32_t n;
} sel;

/* A vector that a node made (owned: goes back to the pool) or borrows (a column). */
typedef struct reg {
    vec v;
    bool owned;
} reg;

typedef struct node node;
typedef struct run run;

/* Loops over raw data; b is a vector or one constant, by the shape chosen at compile time. */
typedef void (*arith_fn)(const void *a, const void *b, void *out, const uint16_t *rows, uint32_t n);
/* Writes the rows that pass to out and returns how many. */
typedef uint32_t (*compare_fn)(const void *a, const void *b, const uint16_t *rows, uint32_t n, uint16_t *out);

struct node {
    void (*run)(run *r, const node *n, sel s, reg *out);
    /* Rows of s for which the node is true, into out (room for s.n). */
    uint32_t (*filter)(run *r, const node *n, sel s, uint16_t *out);
    const type *type;
    const expr *e;
    const node **args;
    int arg_count;
    bool scope; /* an error inside makes this node NULL, not the whole expression */
    bool is_const;
    value constant;
    expr_op op; /* COMPARE: after the sides were exchanged */
    arith_fn arith;
    compare_fn compare;
    func_call *call;
    const node *body; /* LAMBDA */
    void *data; /* of the node's kind: sets of IN, closures, cast options */
};

enum { LAMBDA_DEPTH_MAX = 8, LAMBDA_PARAMS_MAX = 4, POOL_CLASSES = 5 };

/* A run of a program over one chunk. Kept in the program so that a lambda's body can be run by a callback. */
struct run {
    const expr_input *in;
    func_env *env;
    uint32_t rows; /* of the chunk: capacity of vectors */
    uint64_t *failed; /* of the innermost scope */
    uint32_t failures; /* bits set in it */
    void *pool[POOL_CLASSES];
    void *bitmaps; /* free ones */
    const uint64_t *no_nulls; /* all zero, shared by vectors that have no NULL; made on demand */
    reg vars[LAMBDA_DEPTH_MAX][LAMBDA_PARAMS_MAX];
};

struct expr_program {
    const node *root;
    const type *type;
    expr_options options;
    run run;
    func_env env; /* when the caller gives none */
};

/* What compiling needs at hand. */
typedef struct compiler {
    arena *mem;
    expr_options options;
    expr_program *program;
    bool fold; /* constant parts become constants */
    diag *d;
} compiler;

/* Compiles a node; NULL after an error. */
const node *compile_node(compiler *c, const expr *e);

/* The parts of compile_node that live beside their kernels. False after an error. */
bool compile_arith(compiler *c, node *n);
bool compile_compare(compiler *c, node *n);
bool compile_predicate(compiler *c, node *n);
bool compile_in(compiler *c, node *n);
bool compile_like(compiler *c, node *n);
bool compile_cast(compiler *c, node *n);
bool compile_call(compiler *c, node *n);
bool compile_construct(compiler *c, node *n);
bool compile_case(compiler *c, node *n);

/* A fresh vector with no NULL set. */
void reg_take(run *r, const type *t, reg *out);
/* Gives its memory back when it is owned. */
void reg_give(run *r, reg *v);
/* Room for `rows` row numbers; give it back with sel_give. */
uint16_t *sel_take(run *r);
/* Gives it back. */
void sel_give(run *r, uint16_t *rows);
/* A zeroed bitmap of CHUNK_NULL_WORDS words. */
uint64_t *bits_take(run *r);
/* Gives it back. */
void bits_give(run *r, uint64_t *bits);

/* Evaluates a node, in its own scope when it is one. */
void eval(run *r, const node *n, sel s, reg *out);
/* Rows for which a BOOLEAN node is true. null_fails: a NULL is an error of the row, as for operands of AND, OR, NOT. */
uint32_t eval_filter(run *r, const node *n, sel s, bool null_fails, uint16_t *out);
/* The `run` of predicate nodes: a BOOLEAN vector made from their filter. */
void run_predicate(run *r, const node *n, sel s, reg *out);

/* Marks a row as failed and reports it. */
void fail_row(run *r, uint32_t row, str why);
/* Marks it without a report. */
void mark_failed(run *r, uint32_t row);

/* s without the rows that failed in this scope since `before` failures; may write the rows to `room` (of r->rows). */
sel live_rows(run *r, sel s, uint32_t before, uint16_t *room);

/* Whether the vector has a NULL in its first `rows` rows. */
bool any_null(const run *r, const vec *v);
/* Rows of s that are not NULL in a (nor in b, which may be NULL). */
uint32_t drop_nulls(const vec *a, const vec *b, sel s, uint16_t *out);
/* Rows of s that are not in t, both ascending. */
uint32_t sel_minus(sel s, const uint16_t *t, uint32_t tn, uint16_t *out);
/* Both ascending and disjoint. */
uint32_t sel_merge(const uint16_t *a, uint32_t an, const uint16_t *b, uint32_t bn, uint16_t *out);

/* Row k of a selection. */
static inline uint32_t sel_row(sel s, uint32_t k)
{
    return s.rows ? s.rows[k] : k;
}

/* Kernel tables. */
enum kernel_shape { SHAPE_VV, SHAPE_VC, SHAPE_CV, SHAPE_COUNT };
/* Kernels that cannot fail: + - * for integers, all for DOUBLE; NULL for others. */
arith_fn kernel_arith(type_kind kind, expr_op op, enum kernel_shape shape);
/* Comparison kernels of fixed-width kinds; NULL for others. SHAPE_CV is not needed: the sides are exchanged. */
compare_fn kernel_compare(type_kind kind, expr_op op, enum kernel_shape shape);

/* How one value is cast; shared by the kernels and expr_cast_value. */
typedef struct cast_options {
    bool null_to_text;
} cast_options;
/* Casts a value that is not NULL. */
bool cast_value(arena *a, const type *from, const type *to, const cast_options *o, value in, value *out, diag *d);

/* Whether text matches a LIKE pattern; escape 0: none. False in *ok when the pattern ends with the escape character. */
bool like_matches(str text, str pattern, uint32_t escape, bool *ok);

#endif
