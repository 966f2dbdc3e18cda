/*
 * repl/history.h - what was typed, over sessions: one entry a statement, kept in a file.
 *
 * The file is read at start and appended to at each entry, so that several prompts at once lose nothing. An entry's
 * line feeds are written as "\n" and its backslashes doubled. One thread.
 */
#ifndef REPL_HISTORY_H
#define REPL_HISTORY_H

#include "base/str.h"

typedef struct history history;

enum { HISTORY_MAX = 2000 };

/* Reads the file if it is there. path NULL: kept in memory only. */
history *history_open(const char *path);
/* Shortens the file when it has grown to twice the entries that are kept. NULL is allowed. */
void history_close(history *h);

/* Adds an entry, unless it is empty or equal to the last, and appends it to the file. */
void history_add(history *h, str text);

/* The number of entries, and the i-th (0 is the oldest), valid until the next add. */
int history_count(const history *h);
/* See history_count. */
str history_get(const history *h, int i);

/*
 * Where the history of this user lives: $WEIR_HISTORY, else $XDG_STATE_HOME/weir/history, else ~/.weir_history; empty
 * when there is no home. Folders are made as needed. Returns out.
 */
const char *history_default_path(char *out, size_t cap);

#endif
