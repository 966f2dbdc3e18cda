/*
 * state/sqlite_db_int.h - the inside of a query's database, shared by state/sqlite_db.c and state/sqlite_commit.c.
 */
#ifndef STATE_SQLITE_DB_INT_H
#define STATE_SQLITE_DB_INT_H

#include <pthread.h>

#include "base/check.h"
#include "state/sqlite.h"
#include "state/sqlite_db.h"
#include "state/sqlite_layout.h"

/* One connection and who may use it now. */
typedef struct locked {
    pthread_mutex_t lock;
    sqlite c;
    bool used; /* since store_sqlite_sweep looked */
} locked;

typedef struct sqlite_db {
    store_db db;
    fs *sys;
    str path;
    locked writer;
    locked reader;
    arena *mem; /* layouts; guarded by layouts_lock */
    map layouts; /* by store name; entries never change once made */
    pthread_mutex_t layouts_lock;
} sqlite_db;

/* The database behind a handle of this kind. */
sqlite_db *sqlite_db_of(store_db *db);
/* The writer's connection, opened and with its tables made. Locks it; sqlite_unlock_writer gives it back. */
sqlite *sqlite_lock_writer(sqlite_db *q, diag *d);
void sqlite_unlock_writer(sqlite_db *q);
/* Closes both connections: after a failure only what a new one finds is true. */
void sqlite_close_both(sqlite_db *q);
/* The layout of an announced store. */
const sqlite_layout *sqlite_find_layout(sqlite_db *q, const store_spec *spec);
/* Binds partition, window start and key as the layout's parameters expect them; returns the next parameter. */
int sqlite_bind_key(const store_spec *spec, const sqlite_layout *l, sqlite3_stmt *s, int32_t partition,
                    const store_row *row, arena *mem);

/* store_db_ops of state/sqlite_commit.c. */
bool sqlite_db_commit(store_db *db, const store_commit *k, diag *d);
bool sqlite_db_load(store_db *db, arena *a, store_state *out, diag *d);

#endif
