/*
 * sql/typeck.h - from AST expressions to typed expressions: names, types, implicit casts, function overloads.
 *
 * The checker inserts the casts that the engine's kernels rely on (engine/expr.h) and turns literals into constants of
 * the type that is wanted. Errors carry the span of the part that is wrong. One thread; results live in `a`.
 */
#ifndef SQL_TYPECK_H
#define SQL_TYPECK_H

#include "base/diag.h"
#include "engine/expr.h"
#include "sql/ast.h"
#include "sql/catalog.h"
#include "sql/scope.h"

typedef struct typeck typeck;

/*
 * Something that stands for a whole subexpression: a group expression that has become a key column, a table function's
 * result.
 */
typedef struct typeck_subst {
    const ast_expr *from;
    const expr *to;
} typeck_subst;

/* A lambda parameter in scope. */
typedef struct typeck_param {
    str name;
    const type *type;
    int depth;
    int index;
} typeck_param;

/* What is being checked. Public layout: filled by the caller, zero where nothing applies. */
struct typeck {
    arena *a;
    const catalog *catalog; /* custom types */
    const scope *scope; /* NULL: no columns at all (INSERT VALUES) */
    const char *clause; /* "SELECT", "WHERE", ...: for messages */
    const typeck_subst *substs;
    int subst_count;
    bool time_literals; /* ROWTIME, WINDOWSTART, WINDOWEND compare with text (2.6 I-5) */
    /*
     * Called for an aggregate call that no substitution covers; NULL: aggregates are refused. Writes what reads the
     * result.
     */
    bool (*aggregate)(typeck *t, const ast_expr *call, expr **out);
    void *ctx;
    typeck_param params[32];
    int param_count;
    int lambda_depth;
    diag *d;
};

/* Checks an expression. A bare NULL has type TYPE_NULL. */
bool typeck_expr(typeck *t, const ast_expr *e, expr **out);

/* Checks a WHERE or HAVING: the result is BOOLEAN. */
bool typeck_filter(typeck *t, const ast_expr *e, expr **out);

/* The type of an AST type; custom names are looked up in the catalogue. */
bool typeck_type(arena *a, const catalog *c, const ast_type *from, const type **out, diag *d);

/* ---- building blocks, shared by the parts of the checker ---- */

/* A new node of the kind. */
expr *typeck_node(typeck *t, expr_kind kind, const type *of, span at);
/* A node over n arguments (copied). */
expr *typeck_node_args(typeck *t, expr_kind kind, const type *of, span at, const expr *const *args, int n);
/* The expression as another type: itself, a converted constant, or an EXPR_CAST. */
const expr *typeck_cast(typeck *t, const expr *e, const type *to);
/* A function call, a lambda among its arguments included. */
bool typeck_call(typeck *t, const ast_expr *e, expr **out);
/*
 * Common type of a list of user-written elements, left to right (ARRAY, MAP, IN); *out has the elements in that type.
 */
bool typeck_common(typeck *t, const ast_expr *const *from, const expr **elements, int n, const type **common, diag *d);
/* The aggregates and table functions among the calls of e: the first such call, or NULL. */
const ast_expr *typeck_find_aggregate(const ast_expr *e);
const ast_expr *typeck_find_table_function(const ast_expr *e);
/* The expression as the user would read it in a message. */
str typeck_text(typeck *t, const ast_expr *e);

/* ---- literals (sql/coerce.c) ---- */

/*
 * The type that holds both, when a value of `from` may become `to` implicitly; lax: as literals may. NULL: it may not.
 */
const type *coerce_type(arena *a, const type *from, const type *to, bool lax);
/* A constant's value in another type. False: this value does not fit. Lax also turns text into numbers and the like. */
bool coerce_value(arena *a, const type *from, value v, const type *to, bool lax, value *out);
/* Is the cast legal at all (2.5)? */
bool coerce_castable(const type *from, const type *to);
/* decimal(p, s) of a type that is used beside a DECIMAL: INT is (10, 0), BIGINT (19, 0). */
const type *coerce_as_decimal(arena *a, const type *t);

#endif
