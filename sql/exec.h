/*
 * sql/exec.h - one statement being executed. Internal to sql/: sql.h is the public face.
 */
#ifndef SQL_EXEC_H
#define SQL_EXEC_H

#include "sql/sql.h"

/* One execution. */
typedef struct execution {
    arena *a;
    const catalog *before;
    sql_session *session;
    const sql_env *env;
    const ast_stmt *stmt;
    int64_t number;
    sql_outcome *out;
    diag *d;
} execution;

/* Adds an effect and returns it zeroed but for its kind. */
effect *exec_effect(execution *x, effect_kind kind);
/* Takes over a new catalogue: later changes start from it. */
void exec_publish(execution *x, catalog *next);
/* The catalogue as changed so far. */
const catalog *exec_catalog(const execution *x);
/* Sets the result to a status. */
void exec_status(execution *x, const char *entity, str name, const char *action, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Does the source exist? NULL with an error otherwise. */
const source *exec_find_source(execution *x, const ast_name *name);
/* Letters, digits, _ and - only. */
bool exec_check_name(execution *x, const ast_name *name);

/* One function for each kind of statement: false with the error in x->d. */
bool exec_create_source(execution *x);
bool exec_create_as(execution *x);
bool exec_insert_select(execution *x);
bool exec_insert_values(execution *x);
bool exec_select(execution *x);
bool exec_explain(execution *x);
bool exec_drop_source(execution *x);
bool exec_create_type(execution *x);
bool exec_drop_type(execution *x);
bool exec_alter(execution *x);
bool exec_query_control(execution *x);
bool exec_show(execution *x);

/*
 * Makes the topic of a new source unless it exists, and checks what exists against the properties. table, windowed:
 * decide its cleanup policy. like: a topic whose counts are taken over; empty: none.
 */
bool exec_topic(execution *x, const with_props *w, str topic, str like, bool table, bool windowed, int64_t retention,
                int *partitions);
/* Why OR REPLACE may not put one source in the place of another, as text; NULL: it may. */
const char *exec_replace_obstacle(execution *x, const source *old, const source *now);
/* Schemas that a new source has to register. */
void exec_register(execution *x, const source *src, bool always);
/* Appends "name=value" lines of the session's settings. */
str exec_settings_text(execution *x, arena *a);
/* Plans a query of a statement; fills out. */
bool exec_plan(execution *x, arena *a, const ast_query *q, bool persistent, plan_target *target, analysis *an,
               planned *out);

#endif
