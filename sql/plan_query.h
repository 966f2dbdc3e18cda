/*
 * sql/plan_query.h - from an analysed query to the engine's plan.
 *
 * Plans live in the arena that is passed and refer to nothing outside it, so they outlive the catalogue that they were
 * made from. Planning is pure: topics are asked through sql_env, nothing is made.
 */
#ifndef SQL_PLAN_QUERY_H
#define SQL_PLAN_QUERY_H

#include "engine/plan.h"
#include "sql/analyze.h"

/* What is known of a topic. */
typedef struct sql_topic {
    int partitions;
    int replicas;
    int64_t retention_ms; /* -1: unlimited or unknown */
} sql_topic;

/* A schema of the registry, as columns. */
typedef struct sql_registry_schema {
    const column *columns; /* roles COLUMN_KEY or COLUMN_VALUE as asked */
    int count;
    bool wrapped; /* it is a record; false: one bare value */
    int64_t id;
    str full_name;
} sql_registry_schema;

/* What statements need to know of the world. Callbacks are called on the caller's thread. */
typedef struct sql_env {
    void *ctx;
    /* False: there is no such topic. */
    bool (*topic)(void *ctx, str name, sql_topic *out);
    /*
     * The schema of <topic>-key or <topic>-value, or of an id (-1: the latest), as columns in the arena. False with an
     * error when there is none. NULL: there is no registry.
     */
    bool (*registry)(void *ctx, arena *a, str topic, format_kind format, bool key, int64_t id, str full_name,
                     sql_registry_schema *out, diag *d);
    int64_t now_ms; /* for INSERT VALUES without ROWTIME */
} sql_env;

/* Where the result goes. */
typedef struct plan_target {
    str name; /* of the sink; empty: a push query */
    str topic;
    const source *existing; /* INSERT INTO; NULL: the sink is made */
    const with_props *with; /* NULL: none */
    bool want_table; /* CREATE TABLE AS */
    int partitions; /* of the sink's topic */
} plan_target;

/* A planned query. */
typedef struct planned {
    const plan *root; /* PLAN_SINK */
    const schema *schema; /* of the result */
    bool is_table;
    source_format key_format;
    source_format value_format;
    bool final; /* EMIT FINAL */
    str timestamp_column;
    str timestamp_format;
    const int *result_keys; /* push: value column i repeats key column result_keys[i], or -1 */
} planned;

/* Plans a push or a persistent query. */
bool plan_query(arena *a, const analysis *an, const sql_env *env, const plan_target *target, planned *out, diag *d);

/* ---- pull queries ------------------------------------------------------------------------------------------ */

/* What a pull query reads and what it makes of it. */
typedef struct planned_pull {
    const source *src; /* borrowed from the catalogue */
    str query_id; /* the query that keeps the table */
    bool stream; /* the source is a stream: the whole topic is read by `push`, which ends by itself */
    const plan *push;
    struct pull_request *request; /* for engine/query.h's pull_read */
    const expr *filter; /* over the table's schema; NULL: none */
    const expr *const *exprs; /* the columns of the result */
    const schema *schema; /* of the result: value columns only; roles COLUMN_KEY where a key is shown */
    int count;
    int64_t limit; /* -1: none */
} planned_pull;

/* Plans a pull query. */
bool plan_pull(arena *a, const analysis *an, const sql_env *env, planned_pull *out, diag *d);

#endif
