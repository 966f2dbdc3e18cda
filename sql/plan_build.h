/*
 * sql/plan_build.h - the planner's workshop: steps under construction, shared by the sql/plan_*.c files. Internal to
 * sql/.
 *
 * A node is the last step so far together with the scope over its rows. Scopes live in the statement's arena, steps in
 * the query's.
 */
#ifndef SQL_PLAN_BUILD_H
#define SQL_PLAN_BUILD_H

#include "sql/plan_query.h"
#include "sql/scope.h"
#include "sql/typeck.h"

/* One planning run. */
typedef struct planner {
    arena *a; /* of the plan */
    const analysis *an;
    const sql_env *env;
    const plan_target *target;
    diag *d;
    int next_id;
    typeck_subst *substs; /* expressions that have become columns */
    int subst_count;
    const ast_expr *const *groups; /* what the rows are grouped by, after an aggregation */
    int group_count;
} planner;

/* The last step, and what can be named in it. */
typedef struct node {
    plan *step;
    scope names;
    format_spec key_format; /* of the rows' key: what an exchange would write */
    int partitions;
} node;

/* A column of the projection. */
typedef struct select_col {
    str name;
    const expr *e;
    const ast_expr *from; /* NULL: out of a star */
    span at;
    bool explicit_name; /* not out of a star */
} select_col;

/* A new step behind `input` (NULL: none). */
plan *plan_step(planner *p, plan_kind kind, const char *context, const plan *input, const schema *s);
/* A checker over a node, with the planner's substitutions. */
typeck plan_checker(planner *p, const node *n, const char *clause);
/* Session settings. */
str plan_setting(const planner *p, const char *name);
/* Default key format of the session. */
format_kind plan_default_key_format(const planner *p);
/* Remembers that an expression is now read from a column. */
void plan_substitute(planner *p, const ast_expr *from, int column, const type *of);

/* The steps of a query, in their order; each changes *n. */
bool plan_source_node(planner *p, int source_index, const char *context, node *n);
bool plan_join_nodes(planner *p, node *n);
bool plan_where(planner *p, node *n);
bool plan_partition_by(planner *p, node *n);
bool plan_table_functions(planner *p, node *n);
bool plan_aggregation(planner *p, node *n);
/* The projection, resolved and typed. */
bool plan_select(planner *p, const node *n, select_col **out, int *count);
/* The projection as a step; *out_schema is that of the result. */
bool plan_projection(planner *p, node *n, planned *out);
bool plan_sink_node(planner *p, node *n, planned *out);

/*
 * Moves rows to a new key. keys: typed over *n; names: of the key columns. keep: columns of the input that stay as
 * values, in order. The scope is rewritten; entries whose column is gone are dropped.
 */
bool plan_rekey_step(planner *p, node *n, const char *context, const expr *const *keys, const str *names, int count,
                     const int *keep, int keep_count, bool exchange, bool drop_null_keys, format_spec key_format);

/* Sets `needed` of all sources below: what the plan reads. */
void plan_mark_needed(arena *a, const plan *root);

/* The key of an aggregation and of a join may not be a MAP. */
bool plan_check_key_type(planner *p, const type *t, str name, span at);

#endif
