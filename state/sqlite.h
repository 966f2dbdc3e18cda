/*
 * state/sqlite.h - small conveniences over SQLite's C interface: open, prepare once, bind and read cells, errors as
 * diags.
 *
 * A `sqlite` belongs to one thread at a time. Statements are cached by their text as long as the connection lives.
 */
#ifndef STATE_SQLITE_H
#define STATE_SQLITE_H

#include <sqlite3.h>

#include "base/file.h"
#include "base/map.h"
#include "state/store.h"

/* One connection. {0} is closed; touch the members only through the functions. */
typedef struct sqlite {
    sqlite3 *db;
    map statements; /* by SQL text: sqlite3_stmt */
    str path; /* owned */
} sqlite;

/* How to open. */
typedef enum sqlite_mode {
    SQLITE_MODE_READ, /* the file must exist */
    SQLITE_MODE_WRITE, /* made when missing; WAL, synchronous=FULL */
} sqlite_mode;

/* Opens; on failure c stays closed. */
bool sqlite_open(sqlite *c, fs *sys, str path, sqlite_mode mode, diag *d);
/* Finalises the statements and closes; a closed one is allowed. */
void sqlite_close(sqlite *c);

/* Runs statements that give no rows. */
bool sqlite_run(sqlite *c, const char *sql, diag *d);
/* A prepared statement of this text, reset and without bindings; owned by the connection. NULL on failure. */
sqlite3_stmt *sqlite_prepare(sqlite *c, str sql, diag *d);
/*
 * Steps: true with *row set when there is a row, or not set at the end; the statement is reset at the end and on
 * failure.
 */
bool sqlite_step(sqlite *c, sqlite3_stmt *s, bool *row, diag *d);
/* Steps a statement that gives no rows. */
bool sqlite_done(sqlite *c, sqlite3_stmt *s, diag *d);

/* Binds a cell; its bytes must live until the statement is reset. */
void sqlite_bind(sqlite3_stmt *s, int index, const cell *value);
/* Binds text. */
void sqlite_bind_str(sqlite3_stmt *s, int index, str text);
/* Reads a column of the present row; slices live until the next step. */
cell sqlite_cell(sqlite3_stmt *s, int column);
/* The bytes of a column of the present row. */
str sqlite_str(sqlite3_stmt *s, int column);

/* Sets the diag from the connection's last failure. Returns false. */
bool sqlite_fail(sqlite *c, const char *what, diag *d);

/* Appends an identifier in double quotes, inner ones doubled. */
void sqlite_quote_name(buf *out, str name);

#endif
