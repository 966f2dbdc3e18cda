/*
 * state/sqlite_db.h - a query's database in SQLite: its stores, input offsets and output positions in one file.
 *
 * An analyst may open the file while Weir runs. Beside one table per store there are
 *     weir_commit   the generation that was saved last
 *     weir_inputs   the next offset of every input partition, with its topic's id
 *     weir_outputs  what that generation wrote to every output partition
 *     weir_numbers  stream times and counters
 *     weir_stores   name, table, shape and fingerprint of every store
 *     weir_columns  which column of a table is which (a name that clashes, since SQLite ignores case, gets a suffix)
 * Every primary key begins with the task's partition.
 *
 * Threads: as store.h says; the database has one connection that writes and one that reads, each behind a lock,
 * opened at first use and closed by store_sqlite_idle.
 */
#ifndef STATE_SQLITE_DB_H
#define STATE_SQLITE_DB_H

#include "base/file.h"
#include "state/store.h"

/* A database at this path, made at the first commit or announcement of a store. The caller frees it by ops->close. */
store_db *store_sqlite_new(fs *sys, str path);

/* Closes the connections; they open again when they are needed. */
void store_sqlite_idle(store_db *db);

/* Closes the connections that were not used since the last sweep; false when none is open. Any thread. */
bool store_sqlite_sweep(store_db *db);

/* Makes or replaces a view: `name` shows what the SELECT gives. One that is there already is left alone. */
bool store_sqlite_view(store_db *db, str name, str select, diag *d);

/* How an announced store is named in the database. Slices live as long as the database. */
typedef struct store_sqlite_names {
    str table;
    const str *keys; /* its key columns */
    int key_count;
    const str *cells; /* its columns */
    int cell_count;
    str window_start; /* STORE_WINDOW */
    str time, seq; /* STORE_BUCKET */
} store_sqlite_names;

/* The names of a store; false when none of this name was announced. The arrays go into the arena. */
bool store_sqlite_names_of(store_db *db, str name, arena *a, store_sqlite_names *out);

#endif
