/*
 * sql/analyze.h - a query with its names settled: sources, qualified columns, aliases of the projection, clauses that
 * fit together.
 *
 * Analysis does what needs no types; planning (sql/plan_query.h) does the rest. It rewrites expressions into an arena
 * of its own: every column that one source has carries that source's alias afterwards, so that structural equality
 * compares columns and not spellings.
 */
#ifndef SQL_ANALYZE_H
#define SQL_ANALYZE_H

#include "sql/ast.h"
#include "sql/catalog.h"
#include "sql/properties.h"

enum { ANALYSIS_SOURCES_MAX = 64 };

/* A source in FROM or JOIN. */
typedef struct analysis_source {
    str alias;
    const source *src;
    span at;
} analysis_source;

/* An item of the projection. Stars stay what they are; every expression has its name. */
typedef struct analysis_item {
    ast_item_kind kind;
    const ast_expr *e; /* EXPR, STRUCT_STAR */
    str alias; /* EXPR */
    bool aliased; /* the user wrote it */
    str source; /* STAR: alias of the source, empty: all */
    span at;
} analysis_item;

/* One join of the chain, with its criterion put so that `left` belongs to what was joined before. */
typedef struct analysis_join {
    ast_join_kind kind;
    int left_source, right_source; /* the sources that the two sides of ON read */
    const ast_expr *left, *right;
    bool flipped; /* the statement has the sides the other way round */
    ast_duration before, after, grace;
    span at;
} analysis_join;

/* A query, analysed. Public layout, read-only afterwards. */
typedef struct analysis {
    arena *a;
    const catalog *catalog;
    const settings *settings;
    const ast_query *query;
    bool persistent; /* it has a sink */
    analysis_source sources[ANALYSIS_SOURCES_MAX];
    int source_count;
    analysis_join *joins;
    int join_count;
    analysis_item *items;
    int item_count;
    const ast_expr *where;
    const ast_expr **group_by;
    int group_count;
    const ast_expr **partition_by;
    int partition_count;
    bool partition_null; /* PARTITION BY NULL */
    const ast_expr *having;
    bool aggregates; /* GROUP BY, or an aggregate without one */
    bool table_functions; /* in the projection */
} analysis;

/* Analyses a query. */
bool analyze_query(arena *a, const catalog *c, const settings *s, const ast_query *q, bool persistent, analysis *out,
                   diag *d);

/* "X does not exist." with what may have been meant. Always false. */
bool analyze_unknown_source(const catalog *c, str name, span at, diag *d);

/* Position of the source with that alias, or -1. */
int analysis_find_source(const analysis *an, str alias);

/* ---- generated names (K3) ---- */

/* Names that are taken, by stem: "COL_3" takes 3 of "COL". */
typedef struct name_maker {
    arena *a;
    struct name_stem *stems;
} name_maker;

/* A maker that avoids the columns of the schema; may be called for several schemas. */
void name_maker_avoid(name_maker *m, const schema *s);
/* KSQL_COL_n. */
str name_maker_next(name_maker *m);
/* The name of an unnamed expression: the field's for a->b, else KSQL_COL_n. */
str name_maker_for(name_maker *m, const ast_expr *e);
/* The synthetic key of a join: ROWKEY, ROWKEY_1, ... */
str name_maker_rowkey(name_maker *m);

#endif
