/*
 * state/catalog_db.h - the statements that made what exists, in order, in one small database.
 *
 * A statement is written as pending before it has effects outside (topics), and made active afterwards; a start undoes
 * what is pending and replays what is active. One thread at a time. Everything is durable when a call returns true.
 */
#ifndef STATE_CATALOG_DB_H
#define STATE_CATALOG_DB_H

#include "base/arena.h"
#include "base/file.h"

typedef struct catalog_db catalog_db;

/* One statement as it was recorded. */
typedef struct catalog_statement {
    int64_t sequence; /* its number: ascending, never used twice */
    str text;
    str properties; /* the session's at that time, as the caller writes them */
    str topics; /* those that it makes, one a line: to be removed when it is undone */
    int64_t producer_id; /* first of its query's two internal producer ids; -1: it starts no query */
    int64_t time_ms; /* wall clock when it was given */
    bool active;
} catalog_statement;

/* Opens or makes the database. */
catalog_db *catalog_db_open(fs *sys, str path, diag *d);
/* Closes it; NULL is allowed. */
void catalog_db_close(catalog_db *db);

/* Number that the next statement gets. */
bool catalog_db_next(catalog_db *db, int64_t *sequence, diag *d);
/* Records a statement under its sequence. */
bool catalog_db_add(catalog_db *db, const catalog_statement *s, diag *d);
/* Its effects are there. */
bool catalog_db_activate(catalog_db *db, int64_t sequence, diag *d);
/* Forgets a statement that was undone. Its number stays used. */
bool catalog_db_remove(catalog_db *db, int64_t sequence, diag *d);
/* All statements in order; they live in the arena. */
bool catalog_db_load(catalog_db *db, arena *a, catalog_statement **out, size_t *count, diag *d);

#endif
