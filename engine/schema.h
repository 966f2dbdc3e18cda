/*
 * engine/schema.h - the columns of a stream or table: key columns first, then value columns.
 *
 * A schema is immutable once built and lives in the arena that it was built in. Thread-neutral.
 */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "engine/type.h"

typedef enum column_role {
    COLUMN_KEY,
    COLUMN_VALUE,
    COLUMN_HEADERS, /* HEADERS: all headers as ARRAY<STRUCT<KEY STRING, VALUE BYTES>>; not part of the physical value */
    COLUMN_HEADER, /* HEADER('k'): the last header of that key as BYTES; not part of the physical value */
} column_role;

typedef struct column {
    str name;
    const type *type;
    column_role role;
    str header_key; /* COLUMN_HEADER */
} column;

/* How the key of a record carries a window. */
typedef enum window_kind { WINDOW_NONE, WINDOW_TUMBLING, WINDOW_HOPPING, WINDOW_SESSION } window_kind;

/* Public layout: read everywhere, built by schema_new. columns[0..key_count) are the key columns. */
typedef struct schema {
    const column *columns;
    int count;
    int key_count;
    bool is_table; /* rows are changes by key; otherwise rows are events */
    window_kind window; /* the key also has window bounds */
    int64_t window_size; /* milliseconds; 0 for SESSION and NONE */
} schema;

/* Copies the columns (key columns are moved to the front, otherwise order is kept), names and types into the arena. */
schema *schema_new(arena *a, const column *columns, int count);
schema *schema_copy(arena *a, const schema *s);

/* Position of the column with exactly this name, or -1. */
int schema_find(const schema *s, str name);

/* "`ID` BIGINT KEY, `NAME` STRING" as ksqlDB prints a schema; PRIMARY KEY is not distinguished here. */
void schema_print(const schema *s, buf *out);

/* An identifier between back quotes, inner ones doubled. */
void schema_print_name(str name, buf *out);

#endif
