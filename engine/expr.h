/*
 * engine/expr.h - typed expressions: what sql/ has checked and the engine compiles.
 *
 * A tree is read-only plan data in the arena of its query; any thread may read it. Every node has its result type;
 * operands are already coerced (sql/ inserts EXPR_CAST nodes), so kernels never convert. Compiling and running:
 * engine/expr_run.h.
 *
 * Errors of rows (division by zero, malformed text in a cast, a function that refuses its arguments): the nearest
 * enclosing "error scope" becomes NULL for that row and the processing log gets the reason. Scopes are the whole
 * expression and, when nested errors set null, every function argument, CAST operand, array element, map value and
 * struct field.
 */
#ifndef ENGINE_EXPR_H
#define ENGINE_EXPR_H

#include "base/diag.h"
#include "engine/schema.h"
#include "engine/value.h"

typedef struct expr expr;
typedef struct func func; /* engine/func/registry.h */

typedef enum expr_kind {
    EXPR_CONST, /* .constant */
    EXPR_COLUMN, /* .column: position in the input schema */
    EXPR_PSEUDO, /* .pseudo */
    EXPR_LAMBDA_VAR, /* .variable */
    EXPR_CALL, /* .call: scalar function */
    EXPR_LAMBDA, /* .lambda: only as an argument of EXPR_CALL */
    EXPR_ARITH, /* .op, args[0..2): same numeric kinds except DECIMAL, whose precision and scale may differ */
    EXPR_NEGATE, /* args[0] */
    EXPR_CONCAT, /* args[0..2): STRING + STRING */
    EXPR_COMPARE, /* .op, args[0..2): both of one kind */
    EXPR_DISTINCT, /* args[0..2): IS DISTINCT FROM; .negated: IS NOT DISTINCT FROM */
    EXPR_AND, /* args[0..2); right side only for rows that need it */
    EXPR_OR,
    EXPR_NOT,
    EXPR_IS_NULL, /* args[0]; .negated */
    EXPR_BETWEEN, /* args[0..3): value, low, high; .negated */
    EXPR_IN, /* args[0]: value; args[1..): list, coerced to its type; .negated */
    EXPR_LIKE, /* args[0], args[1]; .escape; .negated */
    EXPR_CASE, /* args: WHEN, THEN pairs, then ELSE when arg_count is odd */
    EXPR_CAST, /* args[0] to .type */
    EXPR_FIELD, /* args[0]->field .index */
    EXPR_ELEMENT, /* args[0][args[1]]: ARRAY with INT (1-based, negative from the end) or MAP with its key */
    EXPR_ARRAY, /* args: elements */
    EXPR_MAP, /* args: key, value pairs */
    EXPR_STRUCT, /* args: fields in the order of .type */
} expr_kind;

typedef enum expr_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
} expr_op;

typedef enum pseudo_column {
    PSEUDO_ROWTIME, /* BIGINT */
    PSEUDO_ROWPARTITION, /* INT */
    PSEUDO_ROWOFFSET, /* BIGINT */
    PSEUDO_WINDOWSTART, /* BIGINT */
    PSEUDO_WINDOWEND, /* BIGINT */
} pseudo_column;

/* One node. Public layout: built by sql/ (and tests), read by the compiler. */
struct expr {
    expr_kind kind;
    expr_op op;
    bool negated;
    bool implicit; /* EXPR_CAST: coercion of an operand of arithmetic, comparison, BETWEEN or IN: no scope of its own */
    uint32_t escape; /* EXPR_LIKE: code point; 0: none */
    const type *type;
    const expr *const *args;
    int arg_count;
    span at; /* place in the statement, for messages */
    value constant; /* EXPR_CONST */
    int column; /* EXPR_COLUMN */
    pseudo_column pseudo;
    int index; /* EXPR_FIELD */
    const func *func; /* EXPR_CALL: the chosen overload; args match its parameters */
    /* EXPR_LAMBDA: number of enclosing lambdas; EXPR_LAMBDA_VAR: depth of the lambda that binds it */
    int lambda_depth;
    int variable; /* EXPR_LAMBDA_VAR: which parameter of that lambda */
    int param_count; /* EXPR_LAMBDA */
    const type *const *param_types; /* EXPR_LAMBDA */
    const expr *body; /* EXPR_LAMBDA */
};

#endif
