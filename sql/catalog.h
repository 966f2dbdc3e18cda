/*
 * sql/catalog.h - what exists: streams, tables, custom types and persistent queries, as immutable snapshots.
 *
 * A catalog never changes. A statement that changes something makes a new one from it (catalog_edit ...
 * catalog_publish) that shares everything that stayed. Snapshots and the things in them are reference counted with
 * atomics: any thread may hold and read one; whoever got one from a `_ref` or `_publish` gives it back with `_unref`.
 * Each thing owns the arena that all its slices live in. Persisting is the caller's matter: replaying the statements
 * in order gives the same catalogue.
 */
#ifndef SQL_CATALOG_H
#define SQL_CATALOG_H

#include <stdatomic.h>

#include "base/arena.h"
#include "engine/plan.h"

/* Properties of a key or value format beyond engine's format_spec: what the schema registry needs. */
typedef struct source_format {
    format_spec spec;
    str full_name; /* *_SCHEMA_FULL_NAME; empty: the default */
    int64_t schema_id; /* *_SCHEMA_ID; -1: none */
} source_format;

/* One stream or table. Public layout, read-only. */
typedef struct source {
    atomic_int refs;
    arena *mem;
    str name;
    const schema *schema; /* keys, values and header columns; is_table and window are set */
    str topic;
    source_format key_format;
    source_format value_format;
    str timestamp_column; /* empty: the record's timestamp */
    str timestamp_format;
    bool final; /* a windowed table that was made with EMIT FINAL */
    bool read_only; /* CREATE SOURCE STREAM | TABLE */
    bool created_as; /* by CREATE ... AS SELECT */
    bool wrapped_given; /* WRAP_SINGLE_VALUE was written */
    str statement; /* the text that made it */
    str query_id; /* of the query that writes it since its creation; empty: none */
    const str *parents; /* sources that the creating query reads: they cannot be dropped before this one */
    int parent_count;
} source;

/* A name for a type. */
typedef struct named_type {
    atomic_int refs;
    arena *mem;
    str name;
    const type *type;
} named_type;

typedef enum query_kind {
    QUERY_CREATE_AS, /* CSAS_..., CTAS_... */
    QUERY_INSERT, /* INSERTQUERY_... or its QUERY_ID */
    QUERY_SOURCE_TABLE, /* CST_...: materialises a SOURCE TABLE */
} query_kind;

/* One persistent query. Public layout, read-only; the plan lives in its arena. */
typedef struct catalog_query {
    atomic_int refs;
    arena *mem;
    str id;
    query_kind kind;
    str statement;
    str sink; /* name of the stream or table that it writes; empty for QUERY_SOURCE_TABLE */
    str sink_topic;
    const str *sources;
    int source_count;
    const plan *plan;
    bool paused;
    str properties; /* the session's properties at its start, as "name=value" lines */
} catalog_query;

/* A snapshot. Arrays are sorted by name (queries: in the order of their creation). */
typedef struct catalog {
    atomic_int refs;
    const source **sources;
    int source_count;
    const named_type **types;
    int type_count;
    const catalog_query **queries;
    int query_count;
} catalog;

/* An empty snapshot with one reference. */
catalog *catalog_new(void);
catalog *catalog_ref(const catalog *c);
/* NULL is allowed. */
void catalog_unref(const catalog *c);

/* Lookups; NULL when there is none. The result is borrowed from the snapshot. */
const source *catalog_source(const catalog *c, str name);
const named_type *catalog_type(const catalog *c, str name);
const catalog_query *catalog_find_query(const catalog *c, str id);

/* The best guess at what was meant by an unknown source name, or NULL when nothing is near. */
const source *catalog_similar_source(const catalog *c, str name);

/* Number of queries that write (or, with `reads`, read) the source; the first ids are stored in ids[0..max). */
int catalog_queries_of(const catalog *c, str source_name, bool reads, const catalog_query **out, int max);

/*
 * New, unpublished things with their own arena and one reference, to be filled by the caller and handed to
 * catalog_put_*.
 */
source *source_new(void);
named_type *named_type_new(void);
catalog_query *catalog_query_new(void);
/* A private copy of a source or query to change (the arena's contents are copied). */
source *source_copy(const source *s);
catalog_query *catalog_query_copy(const catalog_query *q);
void source_unref(const source *s);
void catalog_query_unref(const catalog_query *q);
const catalog_query *catalog_query_ref(const catalog_query *q);

/*
 * Changes: each takes over the reference that is given and returns a new snapshot with one reference; the old one
 * stays as it is. Putting a name that exists replaces it; removing a name that does not exist is a programmer's error.
 */
catalog *catalog_put_source(const catalog *c, source *s);
catalog *catalog_remove_source(const catalog *c, str name);
catalog *catalog_put_type(const catalog *c, named_type *t);
catalog *catalog_remove_type(const catalog *c, str name);
catalog *catalog_put_query(const catalog *c, catalog_query *q);
catalog *catalog_remove_query(const catalog *c, str id);


#endif
