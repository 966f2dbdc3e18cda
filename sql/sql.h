/*
 * sql/sql.h - the public face of sql/: text goes in (sql/parse.h), statements are executed here.
 *
 * sql/ performs nothing. Executing a statement gives the catalogue as it will be, a list of effects that the caller
 * applies and logs in their order, and a typed result. Replaying the statements in order over an empty catalogue is
 * the same call. Threads: any, one call touches its arguments alone; a session belongs to one thread at a time.
 * Ownership: everything in an outcome lives in the arena that was passed, except `after` and what hangs on it, which
 * the caller unrefs.
 */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include "engine/func/registry.h"
#include "engine/plan.h"
#include "sql/ast.h"
#include "sql/catalog.h"
#include "sql/plan_query.h"
#include "sql/properties.h"
#include "sql/variables.h"

/* What one client has set. {0} is a new session. */
typedef struct sql_session {
    settings settings;
    variables variables;
} sql_session;

/* Frees what was set and defined. */
void sql_session_free(sql_session *s);

/* ---- effects ---------------------------------------------------------------------------------------------- */

typedef enum effect_kind {
    EFFECT_CREATE_TOPIC, /* topic, partitions, replicas, retention_ms, compact, expire */
    EFFECT_DELETE_TOPIC, /* topic */
    EFFECT_REGISTER_SCHEMA, /* src, key: write the schema of that side as the subject's next version */
    EFFECT_DELETE_SCHEMAS, /* topic: both subjects */
    EFFECT_START_QUERY, /* query */
    EFFECT_REPLACE_QUERY, /* query: same id, other plan, state is kept */
    EFFECT_STOP_QUERY, /* query: its state goes as well */
    EFFECT_PAUSE_QUERY, /* query */
    EFFECT_RESUME_QUERY, /* query */
    EFFECT_INSERT, /* src, values, rowtime */
} effect_kind;

/* One thing to be done. Which members count depends on the kind. */
typedef struct effect {
    effect_kind kind;
    str topic;
    int partitions;
    int replicas; /* -1: the broker's default */
    int64_t retention_ms; /* -1: the broker's default */
    bool compact; /* cleanup.policy has compact */
    bool expire; /* cleanup.policy has delete */
    const catalog_query *query; /* borrowed from the catalogue before or after */
    const source *src; /* borrowed from the catalogue before or after */
    bool key;
    const value *values; /* one for each column of src->schema; header columns are NULL */
    int64_t rowtime;
    bool key_null; /* a stream's row without a key: the record's key is null */
} effect;

/* ---- results ---------------------------------------------------------------------------------------------- */

typedef enum sql_result_kind {
    RESULT_STATUS, /* message, query_id: currentStatus */
    RESULT_WARNING, /* message: nothing was changed (IF NOT EXISTS, IF EXISTS) */
    RESULT_NONE, /* INSERT VALUES: an empty answer */
    RESULT_PUSH, /* push: run it as a transient query */
    RESULT_PULL, /* pull */
    RESULT_PRINT, /* print */
    RESULT_SOURCES, /* sources, tables, extended: SHOW STREAMS | TABLES */
    RESULT_DESCRIPTIONS, /* sources (one or many), extended: DESCRIBE */
    RESULT_QUERIES, /* queries, extended */
    RESULT_EXPLAIN, /* explain */
    RESULT_TOPICS, /* all, extended: the caller knows the topics */
    RESULT_TYPES, /* types */
    RESULT_FUNCTIONS, /* functions */
    RESULT_FUNCTION, /* functions[0] */
    RESULT_PROPERTIES, /* the session's settings */
    RESULT_VARIABLES, /* the session's variables */
    RESULT_TERMINATED, /* query_id or all: TERMINATE, PAUSE, RESUME */
} sql_result_kind;

/* PRINT as a request to read a topic. */
typedef struct sql_print {
    str topic;
    bool from_beginning;
    int64_t every; /* INTERVAL; 1: every record */
    int64_t limit; /* -1: none */
} sql_print;

/* EXPLAIN: a plan, of a running query (then `query` is set) or of a statement. */
typedef struct sql_explain {
    const catalog_query *query;
    const plan *plan; /* NULL: a pull query of a table */
    str tree; /* the operator tree as text */
    const schema *schema;
    const str *sources;
    int source_count;
    str sink; /* empty: none */
} sql_explain;

/* What a statement answers. Which members count depends on the kind. */
typedef struct sql_result {
    sql_result_kind kind;
    str message;
    str query_id;
    str entity; /* "stream", "table", "type", "query", ...: of a commandId */
    str name; /* of that entity */
    str action; /* "create", "drop", ... */
    bool tables;
    bool extended;
    bool all;
    const source *const *sources;
    int source_count;
    const catalog_query *const *queries;
    int query_count;
    const named_type *const *types;
    int type_count;
    const func_group *const *functions;
    int function_count;
    planned *push;
    str push_id; /* the left-most source's name, for the id of a transient query */
    planned_pull *pull;
    sql_print print;
    sql_explain explain;
} sql_result;

/* What executing a statement gives. */
typedef struct sql_outcome {
    const catalog *after; /* the catalogue as it will be, with a reference of the caller's; NULL: it does not change */
    effect *effects;
    int effect_count;
    sql_result result;
} sql_outcome;

/*
 * Executes one statement against a snapshot. `number` is the n of a query id (CSAS_X_n). SET, UNSET, DEFINE and
 * UNDEFINE change the session; all other changes are in the outcome. False with an error that has its place; then
 * nothing was changed.
 */
bool sql_execute(arena *a, const catalog *c, sql_session *session, const sql_env *env, const ast_stmt *stmt,
                 int64_t number, sql_outcome *out, diag *d);

/* The operator tree of a plan as text, one step a line: what EXPLAIN shows. */
void sql_print_plan(const plan *root, buf *out);
/* The same for a pull query of a table. */
void sql_print_pull(const planned_pull *pull, buf *out);
/* One expression of a plan as SQL over the names of the schema. */
void sql_print_plan_expr(const expr *e, const schema *s, buf *out);

#endif
