/* tests/support/engine/mini_int.h - what the files of mini share. */
#ifndef TESTS_SUPPORT_ENGINE_MINI_INT_H
#define TESTS_SUPPORT_ENGINE_MINI_INT_H

#include "tests/support/engine/mini.h"

/* A lambda's parameters that are in scope. */
typedef struct mini_scope {
    str names[4];
    const type *types[4];
    int count;
    int depth;
    struct mini_scope *outer;
} mini_scope;

/* The state of parsing a text. */
typedef struct mini {
    arena *mem;
    const char *p;
    const char *text;
    const schema *schema;
    mini_scope *scope;
    diag *d;
    bool failed;
} mini;

/* A new node. */
expr *mini_node(mini *m, expr_kind kind, const type *t, int n, const expr **args);
/* The tree cast to a type when it has another. */
const expr *mini_cast(mini *m, const expr *e, const type *t, bool implicit);
/* A binary operator with the operands brought to a common type. */
const expr *mini_arith(mini *m, expr_op op, const expr *a, const expr *b);
const expr *mini_compare(mini *m, expr_op op, const expr *a, const expr *b);
/* Brings both to a common type of comparison. */
void mini_common(mini *m, const expr **a, const expr **b);
/* A call; the cursor is behind the opening parenthesis. */
const expr *mini_call(mini *m, str name);

/* Scanner. */
bool mini_eat(mini *m, const char *token);
bool mini_word(mini *m, const char *keyword);
str mini_name(mini *m);
void mini_expect(mini *m, const char *token);
/* Grammar. */
const expr *mini_expr(mini *m);
const type *mini_read_type(mini *m);

#endif
