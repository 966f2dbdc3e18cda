/*
 * engine/plan.h - the contract of engine and sql/: what can be run.
 *
 * A plan is a tree of read-only steps in the arena of its query; engine/query.h turns it into operators with state of
 * their own. Nothing here names text, a catalogue or a broker: sources and sinks are topics by name, formats are
 * specs, expressions are typed trees over the schema of the step's input.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/expr.h"
#include "engine/schema.h"

/* Wire formats of keys and values (reference: ksqlDB's format names). */
typedef enum format_kind {
    FORMAT_NONE,
    FORMAT_KAFKA,
    FORMAT_JSON,
    FORMAT_DELIMITED,
    FORMAT_JSON_SR,
    FORMAT_AVRO,
    FORMAT_PROTOBUF,
    FORMAT_PROTOBUF_NOSR,
} format_kind;

/* How one side (key or value) of a topic's records is written. */
typedef struct format_spec {
    format_kind kind;
    bool wrapped;    /* a single column is a record with one field; false: it is the bare value */
    char delimiter;  /* DELIMITED; default ',' */
} format_spec;

/* Where a source takes the event time from. */
typedef struct timestamp_spec {
    int column; /* position in the schema, -1: the record's timestamp */
    str format; /* java.time pattern of a STRING column; empty for BIGINT and TIMESTAMP columns */
} timestamp_spec;

typedef enum plan_kind {
    PLAN_SOURCE,    /* reads a topic */
    PLAN_FILTER,    /* WHERE; on tables a row that leaves becomes a deletion */
    PLAN_PROJECT,   /* SELECT: new columns from expressions; the key stays unless the projection renames it */
    PLAN_EXPLODE,   /* table functions in lockstep */
    /* PARTITION BY, or the repartition before GROUP BY and joins: new key columns, through an exchange */
    PLAN_REKEY,
    PLAN_AGGREGATE, /* GROUP BY: input is keyed by the group columns */
    PLAN_SUPPRESS,  /* EMIT FINAL */
    PLAN_JOIN,      /* two inputs */
    PLAN_SINK,      /* writes a topic, or hands rows to a push query's subscriber */
} plan_kind;

typedef struct plan plan;

/* PLAN_SOURCE. Output schema: step->schema (all declared columns; unused value columns may be skipped by `needed`). */
typedef struct plan_source {
    str name;             /* of the stream or table, for EXPLAIN and the processing log */
    str topic;
    format_spec key_format;
    format_spec value_format;
    timestamp_spec timestamp;
    const bool *needed;   /* by column; NULL: all. A column that is not needed is NULL in every row */
    bool materialize;     /* table: keep the rows in a store, so that changes carry their old side */
    bool pseudo_columns;  /* table: the store keeps ROWPARTITION and ROWOFFSET as well */
    bool from_earliest;   /* start position of a query that has no stored offsets */
} plan_source;

/* PLAN_FILTER. */
typedef struct plan_filter {
    const expr *predicate; /* BOOLEAN; NULL and errors count as false */
} plan_filter;

/* PLAN_PROJECT: value column i of the output (schema->columns[key_count + i]) is exprs[i] over the input. */
typedef struct plan_project {
    const expr *const *exprs;
    int count;
    const int *key_columns; /* output key column k is input key column key_columns[k] */
} plan_project;

/* PLAN_EXPLODE: appends one value column for each table function. */
typedef struct plan_explode {
    const expr *const *args; /* the collection that each function explodes */
    const func *const *funcs;
    int count;
} plan_explode;

/*
 * PLAN_REKEY: output key column k is keys[k]; the value columns are the input's value columns (and, with
 * keep_keys, key columns before them).
 */
typedef struct plan_rekey {
    const expr *const *keys;   /* count 0: no key (PARTITION BY NULL) */
    int count;
    bool exchange;             /* rows move to the partition of their new key; false when the key stays the same */
    /* GROUP BY: a row whose new key has a NULL or an error is dropped; PARTITION BY keeps it */
    bool drop_null_keys;
    format_spec key_format;    /* of the new key: decides the partition, as the repartition topic of ksqlDB would */
    int partitions;            /* of the exchange */
    const int *value_columns;  /* output value column i is input column value_columns[i] (key or value) */
    int value_count;
} plan_rekey;

/* One aggregate call. */
typedef struct plan_agg_call {
    const func *func;          /* an aggregate overload of the registry */
    const expr *const *args;   /* over the input */
    int arg_count;
    const value *init_args;    /* constant parameters (TOPK's k, ...) */
    int init_count;
    str column;                /* store column: the alias, else KSQL_AGG_VARIABLE_n */
} plan_agg_call;

/* A GROUP BY's window. */
typedef struct plan_window {
    window_kind kind;
    int64_t size;      /* ms; the gap of a session */
    int64_t advance;   /* ms; == size for tumbling */
    int64_t grace;     /* ms */
    int64_t retention; /* ms; at least size + grace */
} plan_window;

/*
 * PLAN_AGGREGATE: output value columns are first the `carried` input columns (the non-aggregated values that the
 * projection needs, as of the latest row), then one for each call. Key columns as the input. The output is a table.
 */
typedef struct plan_aggregate {
    const plan_agg_call *calls;
    int call_count;
    const int *carried;
    int carried_count;
    plan_window window; /* kind WINDOW_NONE: none */
} plan_aggregate;

typedef enum join_kind { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_OUTER } join_kind;

/*
 * PLAN_JOIN: inputs[0] left, inputs[1] right, both keyed by the join key unless `foreign_key`. Output columns by
 * position: the key columns (the join key; with `foreign_key` the left key), the left value columns, the right value
 * columns. A side's key that is wanted as a column of its own is copied into its values by a projection before the
 * join.
 */
typedef struct plan_join {
    join_kind kind;
    int64_t before, after, grace; /* stream-stream, ms; grace -1: not given */
    const expr *foreign_key;      /* table-table on a left expression; NULL otherwise */
} plan_join;

/* PLAN_SINK. topic.n == 0: rows go to the subscriber of a push query, or nowhere when the query only keeps a table. */
typedef struct plan_sink {
    str name;
    str topic;
    format_spec key_format;
    format_spec value_format;
    timestamp_spec timestamp; /* column of the step's schema whose value becomes the record's timestamp, or -1 */
    int partitions;
    int64_t limit;            /* rows, then the query ends; -1: none */
    /* the result table can be pulled: the last stateful step's store, seen through projection and HAVING */
    bool view;
} plan_sink;

/* One step. Public layout: built by sql/, read by engine/. */
struct plan {
    plan_kind kind;
    int id;              /* unique in the plan, in build order */
    /* the step's name as ksqlDB contexts are named ("KsqlTopic", "Aggregate-GroupBy", "Project", ...): EXPLAIN,
     * log, store names */
    str context;
    const schema *schema; /* of the output */
    const plan *inputs[2];
    int input_count;
    union {
        plan_source source;
        plan_filter filter;
        plan_project project;
        plan_explode explode;
        plan_rekey rekey;
        plan_aggregate aggregate;
        plan_join join;
        plan_sink sink;
    };
};

#endif
