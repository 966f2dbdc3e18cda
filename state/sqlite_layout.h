/*
 * state/sqlite_layout.h - how a store lies in a table: names, declared types, and the statements that read and write
 * it.
 *
 * Made once per store from its spec, then read-only; lives in the arena given.
 */
#ifndef STATE_SQLITE_LAYOUT_H
#define STATE_SQLITE_LAYOUT_H

#include "state/store.h"

/* One column of the table. */
typedef struct sqlite_column {
    str meaning; /* the name that the store gives it: a key column, an aggregate, "partition", "windowstart", "key" */
    str name; /* its name in the table: meaning, with a suffix where SQLite would take two names for one */
    const char *type; /* INTEGER, REAL, TEXT or BLOB */
} sqlite_column;

/*
 * A store's table. Positions count the columns that every SELECT here gives, which are `columns` without the
 * partition.
 */
typedef struct sqlite_layout {
    str table;
    bool key_is_blob; /* the encoded key is the primary key, its columns stand beside it */
    const sqlite_column *columns;
    int column_count;
    int select_count;
    int window_at; /* -1: no window */
    int time_at; /* STORE_BUCKET: time, and seq behind it; -1: no bucket */
    int key_at; /* the encoded key, or the first key column */
    int names_at; /* the first of the key columns */
    int cells_at; /* the first of the store's columns */
    const char *create;
    const char *index; /* STORE_BUCKET: creates the index on time; NULL: none */
    str any; /* parameters: partition; gives a row when there is one */
    str select_key; /* partition, [window start,] key; a bucket's rows come in order */
    str select_range; /* partition[, first and last window start]; in order of the primary key */
    str select_windows; /* STORE_WINDOW: partition; the starts that exist, ascending */
    str upsert; /* partition, [window start,] key, [time, seq,] [key columns,] columns */
    str remove; /* partition, [window start,] key: a row, or a whole bucket */
    str expire; /* STORE_WINDOW: partition, the first window start that stays */
} sqlite_layout;

/* The layout of a spec; keeps nothing of it. */
sqlite_layout *sqlite_layout_new(arena *a, const store_spec *spec);

#endif
