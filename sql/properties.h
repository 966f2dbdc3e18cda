/*
 * sql/properties.h - the two kinds of properties: those of WITH (...), and those of a session (SET).
 *
 * One table names all of WITH's properties, where each may stand and how its value reads; one table names the
 * session's. Both print the documentation and SHOW PROPERTIES. Nothing here holds state except `settings`, which
 * belongs to one session.
 */
#ifndef SQL_PROPERTIES_H
#define SQL_PROPERTIES_H

#include "base/map.h"
#include "engine/plan.h"
#include "sql/ast.h"

/* Which statement a WITH belongs to. */
typedef enum with_place {
    WITH_SOURCE = 1, /* CREATE STREAM | TABLE */
    WITH_AS = 2, /* CREATE ... AS SELECT */
    WITH_INSERT = 4, /* INSERT INTO ... SELECT */
} with_place;

/* A WITH clause, read and checked. Numbers that were not given are -1, texts empty, spans NO_SPAN. */
typedef struct with_props {
    span at; /* the whole clause */
    str topic;
    span topic_at;
    int partitions;
    span partitions_at;
    int replicas;
    int64_t retention_ms;
    span retention_at;
    bool has_key_format, has_value_format;
    format_kind key_format, value_format;
    span key_format_at, value_format_at;
    char key_delimiter, value_delimiter; /* 0: not given */
    int wrap; /* WRAP_SINGLE_VALUE: 0, 1, or -1 */
    span wrap_at;
    str timestamp; /* a column's name */
    span timestamp_at;
    str timestamp_format;
    span timestamp_format_at;
    int64_t key_schema_id, value_schema_id;
    str key_full_name, value_full_name;
    window_kind window;
    int64_t window_size; /* ms; 0: none */
    str query_id;
    span query_id_at;
} with_props;

/* Reads the properties; slices borrow the statement or the arena. */
bool with_read(arena *a, const ast_properties *with, with_place place, with_props *out, diag *d);

/* Names of the properties of WITH, for completion: items[0..n). */
const char *const *with_names(int *n);

/* ---- session ---------------------------------------------------------------------------------------------- */

/*
 * A session's overrides (SET 'name'='value'), in the order in which they were set. {0} is empty; one thread at a time.
 */
typedef struct settings {
    map values; /* name -> heap copy of the value */
} settings;

/* Frees all overrides. */
void settings_free(settings *s);
/* Copies all of `from` over `to`. */
void settings_copy(settings *to, const settings *from);
/* Checks name and value and stores them; an unknown name, a refused one or a malformed value is an error. */
bool settings_set(settings *s, str name, span name_at, str value, span value_at, diag *d);
/* Removes an override. False with an error when the name is unknown; a name that was not set is no error. */
bool settings_unset(settings *s, str name, span name_at, diag *d);
/* The session's value, else the default; empty when there is neither. Names may carry "ksql.streams.". */
str settings_get(const settings *s, const char *name);
bool settings_bool(const settings *s, const char *name);

/* One setting that exists. */
typedef struct setting_info {
    const char *name;
    const char *value; /* default; NULL: none */
    const char *doc;
    bool editable; /* may be SET */
} setting_info;

/* All settings, sorted by name. */
const setting_info *settings_list(int *n);

#endif
