/*
 * sql/ast_print.h - canonical SQL text of trees: what is persisted, shown by EXPLAIN and DESCRIBE, named in errors.
 *
 * Pure and thread-neutral; output is appended to a buffer. The text parses to an equal tree (ast_stmt_equal). Names are
 * back-quoted where they would not read back bare; binary operators and predicates stand in parentheses, as in ksqlDB,
 * so that precedence never matters. Output grows with the tree alone: there is no limit of its own.
 */
#ifndef SQL_AST_PRINT_H
#define SQL_AST_PRINT_H

#include "base/arena.h"
#include "base/buf.h"
#include "sql/ast.h"

/* A name, back-quoted when it needs to be. */
void ast_print_name(str name, buf *out);
/* A name in back quotes in any case, as schemas are written. */
void ast_print_quoted(str name, buf *out);
/* A string literal: in quotes, quotes inside doubled. */
void ast_print_string(str s, buf *out);
/* A type as DESCRIBE shows it: ARRAY<STRUCT<`a` INTEGER, B STRING>>. */
void ast_print_type(const ast_type *t, buf *out);
/* An expression. */
void ast_print_expr(const ast_expr *e, buf *out);
/* An expression as it stands in front of -> and [], in parentheses where it needs them. */
void ast_print_base(const ast_expr *base, buf *out);
/* A query over several lines, as ksqlDB lays it out, without a line end behind it. */
void ast_print_query(const ast_query *q, buf *out);
/* A statement without its `;`. */
void ast_print_stmt(const ast_stmt *s, buf *out);

/* The same into the arena. */
str ast_expr_text(arena *a, const ast_expr *e);
str ast_type_text(arena *a, const ast_type *t);
/* With the `;`, as it is persisted. */
str ast_stmt_text(arena *a, const ast_stmt *s);

#endif
