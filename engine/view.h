/*
 * engine/view.h - a query's table as a SELECT over its database: what an analyst sees in sqlite3.
 *
 * A store holds operator state; projection and HAVING apply on reading. Where SQLite can say the same, the view shows
 * the result: simple columns, aggregates whose state is their value, AVG, comparisons and whole-number arithmetic. A
 * column that it cannot say is left out; when a HAVING cannot be said there is no view. Pure functions.
 */
#ifndef ENGINE_VIEW_H
#define ENGINE_VIEW_H

#include "engine/plan.h"

/* A store's table as it is named in the database. */
typedef struct view_names {
    str table;
    const str *keys; /* of the store's key columns */
    int key_count;
    const str *cells; /* of the store's columns */
    int cell_count;
    str window_start; /* empty: the store has no windows */
    str time, seq; /* of a bucket; empty: it is none */
} view_names;

/* The store that keeps a query's table, by the name that it has in the database; empty: there is none. In the arena. */
str view_store(const plan *root, arena *a);

/* Appends the SELECT; false (and nothing appended) when it cannot be said. `root` is the query's sink. */
bool view_select(const plan *root, const view_names *names, buf *out);

#endif
