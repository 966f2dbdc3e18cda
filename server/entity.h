/*
 * server/entity.h - the answers of /ksql as typed values, and their JSON.
 *
 * The executor fills these in and knows no JSON; entity_json writes them as ksqlDB does (one `@type` each). Everything
 * borrows from the arena of the reply; empty slices stand for absent texts where a comment does not say otherwise.
 */
#ifndef SERVER_ENTITY_H
#define SERVER_ENTITY_H

#include "base/buf.h"
#include "engine/schema.h"

/* The kinds that Weir answers with, named after their `@type`. */
typedef enum entity_kind {
    ENTITY_STATUS, /* currentStatus */
    ENTITY_PROPERTIES, /* properties */
    ENTITY_QUERIES, /* queries */
    ENTITY_SOURCE, /* sourceDescription */
    ENTITY_SOURCES, /* source_descriptions */
    ENTITY_QUERY, /* queryDescription */
    ENTITY_QUERY_LIST, /* query_descriptions */
    ENTITY_STREAMS, /* streams */
    ENTITY_TABLES, /* tables */
    ENTITY_TOPICS, /* kafka_topics */
    ENTITY_TOPICS_EXTENDED, /* kafka_topics_extended */
    ENTITY_FUNCTION, /* describe_function */
    ENTITY_FUNCTIONS, /* function_names */
    ENTITY_TYPES, /* type_list */
    ENTITY_WARNING, /* warning_entity */
    ENTITY_VARIABLES, /* variables */
    ENTITY_TERMINATE, /* terminate_query */
    ENTITY_ASSERT_TOPIC, /* assert_topic */
    ENTITY_ASSERT_SCHEMA, /* assert_schema */
    ENTITY_CONNECTORS, /* connector_list: always empty here */
    ENTITY_CONNECTOR_PLUGINS, /* connector_plugins_list: the same */
} entity_kind;

/* Something with a name and a value: a property of a query, a session variable. */
typedef struct entity_pair {
    str name;
    str value;
} entity_pair;

/* A list of texts. */
typedef struct entity_texts {
    const str *items;
    size_t n;
} entity_texts;

/* One row of SHOW PROPERTIES. */
typedef struct entity_property {
    str name;
    str scope; /* "KSQL" */
    str value;
    bool value_null;
    bool editable;
    str level; /* "SERVER" or "QUERY"; empty: null */
    bool overridden; /* named in overwrittenProperties */
    bool is_default; /* named in defaultProperties */
} entity_property;

/* A query as SHOW QUERIES lists it. */
typedef struct entity_running {
    str id;
    str statement;
    entity_texts sinks;
    entity_texts sink_topics;
    str status; /* RUNNING, PAUSED, ERROR, UNRESPONSIVE */
    str type; /* PERSISTENT, PUSH, PULL */
} entity_running;

/* A column as DESCRIBE shows it. */
typedef struct entity_field {
    str name;
    const type *type;
    column_role role;
    str header_key;
} entity_field;

/* Where a group stands in one partition. */
typedef struct entity_offset {
    int32_t partition;
    int64_t start;
    int64_t end;
    int64_t position;
} entity_offset;

/* A group's offsets in one topic. */
typedef struct entity_topic_offsets {
    str topic;
    const entity_offset *items;
    size_t n;
} entity_topic_offsets;

/* A query's group and its offsets. */
typedef struct entity_group_offsets {
    str group_id;
    const entity_topic_offsets *items;
    size_t n;
} entity_group_offsets;

/* DESCRIBE of one stream or table. */
typedef struct entity_source {
    str name;
    str window_type; /* TUMBLING, HOPPING, SESSION; empty: null */
    const entity_running *readers;
    size_t readers_n;
    const entity_running *writers;
    size_t writers_n;
    const entity_field *fields;
    size_t fields_n;
    bool is_table;
    str timestamp; /* the column's name, or empty */
    str statistics;
    str error_stats;
    bool extended;
    str key_format;
    str value_format;
    str topic;
    int32_t partitions;
    int32_t replication;
    str statement;
    const entity_group_offsets *offsets;
    size_t offsets_n;
    entity_texts constraints; /* sources that must be dropped before this one may be */
} entity_source;

/* One failure that a query had. */
typedef struct entity_query_error {
    int64_t timestamp;
    str message;
    str type; /* USER, SYSTEM, UNKNOWN */
} entity_query_error;

/* EXPLAIN, and SHOW QUERIES EXTENDED. */
typedef struct entity_query {
    str id; /* empty for EXPLAIN of a statement */
    str statement;
    str window_type;
    const entity_field *fields;
    size_t fields_n;
    entity_texts sources;
    entity_texts sinks;
    str topology;
    str execution_plan;
    const entity_pair *overrides;
    size_t overrides_n;
    str status; /* empty: no host runs it */
    str host; /* host:port of this server */
    str type;
    const entity_query_error *errors;
    size_t errors_n;
    str consumer_group;
} entity_query;

/* A row of SHOW STREAMS or SHOW TABLES. */
typedef struct entity_listed {
    str name;
    str topic;
    str key_format;
    str value_format;
    bool windowed;
} entity_listed;

/* A row of SHOW TOPICS. */
typedef struct entity_topic {
    str name;
    int32_t partitions;
    int32_t replicas; /* of each */
    int32_t consumers;
    int32_t groups;
} entity_topic;

/* An argument of a function. */
typedef struct entity_argument {
    str name;
    str type;
    str description;
    bool variadic;
} entity_argument;

/* One overload of a function. */
typedef struct entity_overload {
    const entity_argument *arguments;
    size_t n;
    str returns;
    str description;
} entity_overload;

/* DESCRIBE FUNCTION. */
typedef struct entity_function {
    str name;
    str description;
    str author;
    str version;
    str type; /* SCALAR, AGGREGATE, TABLE */
    const entity_overload *overloads;
    size_t n;
} entity_function;

/* A row of SHOW FUNCTIONS. */
typedef struct entity_function_name {
    str name;
    str type;
    str category;
} entity_function_name;

/* A row of SHOW TYPES. */
typedef struct entity_named_type {
    str name;
    const type *type;
} entity_named_type;

/* What a distributed statement answers. */
typedef struct entity_status {
    str command_id; /* "stream/`NAME`/create" */
    str status; /* SUCCESS, ERROR, ... */
    str message;
    str query_id; /* empty: null */
    int64_t sequence; /* -1: none */
} entity_status;

/* One answer. The member of `u` that a kind uses is named like it; lists use items and n. */
typedef struct entity {
    entity_kind kind;
    str statement;
    entity_texts warnings;
    size_t n; /* items of the list kinds */
    union {
        entity_status status;
        const entity_property *properties;
        const entity_running *queries;
        const entity_source *sources; /* SOURCE: one */
        const entity_query *query; /* QUERY: one; QUERY_LIST */
        const entity_listed *listed; /* STREAMS, TABLES */
        const entity_topic *topics;
        const entity_function *function;
        const entity_function_name *functions;
        const entity_named_type *types;
        str message; /* WARNING */
        const entity_pair *variables;
        struct {
            str query_id;
            bool terminated;
        } terminate;
        struct {
            str name; /* topic, or subject */
            int64_t id; /* SCHEMA: -1: none */
            bool exists;
        } assertion;
    } u;
} entity;

/* Appends one entity as a JSON object. */
void entity_json(buf *out, const entity *e);

/* Appends a list of them as a JSON array. */
void entity_list_json(buf *out, const entity *items, size_t n);

/* Appends a type as ksqlDB's SchemaInfo: {"type":"ARRAY","fields":null,"memberSchema":{...}}. */
void entity_type_json(buf *out, const type *t);

#endif
