/*
 * tests/support/engine/mini.h - expressions from text for tests of the engine, which lies below the SQL parser.
 *
 * Literals (1, 5000000000, 1.5, 1e3, 'x', TRUE, NULL, x'00ff' for BYTES, DATE '..', TIME '..', TIMESTAMP '..',
 * DECIMAL '..'), columns by name, + - * / %, ||, comparisons, AND OR NOT, BETWEEN, IN, LIKE, IS [NOT] NULL, IS [NOT]
 * DISTINCT FROM, CASE, CAST, ARRAY[], MAP(k := v), STRUCT(n := v), a[i], s->f, calls, interval units and lambdas.
 * Arguments are coerced as sql/ does it. A text that does not parse or type ends the test.
 */
#ifndef TESTS_SUPPORT_ENGINE_MINI_H
#define TESTS_SUPPORT_ENGINE_MINI_H

#include "engine/expr_run.h"

/* The typed tree; columns are those of the schema (NULL: none). */
const expr *mini_parse(arena *a, const char *text, const schema *s);

/* The same, but what resolution of functions refuses is reported. */
const expr *mini_try(arena *a, const char *text, const schema *s, diag *d);

/* A type from its text. */
const type *mini_type(arena *a, const char *text);

/*
 * Evaluates an expression without columns; "NULL", "ERROR: reason" or the value's text: strings in quotes, arrays [..],
 * maps {k: v}, structs {F: v}, bytes as hex. It is computed for one row, and for a part of 130 rows, which must agree.
 */
const char *mini_eval(arena *a, const char *text);

/* The text of a value as mini_eval gives it. */
const char *mini_text(arena *a, const type *t, value v);

#endif
