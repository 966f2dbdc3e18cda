/*
 * repl/edit.h - editing a statement of one or more lines on a terminal: Emacs keys, history, search, completion, paste.
 *
 * An own editor rather than libedit's, which edits one line only: a statement of five lines is moved about in, recalled
 * and changed as a whole. Speaks ECMA-48 (any terminal of today). One thread.
 */
#ifndef REPL_EDIT_H
#define REPL_EDIT_H

#include "base/buf.h"
#include "repl/history.h"

typedef struct editor editor;

/* How a read ended. */
typedef enum edit_status {
    EDIT_LINE, /* the text is complete */
    EDIT_CANCEL, /* Ctrl-C: the text was given up */
    EDIT_EOF, /* Ctrl-D on an empty text, or the terminal has gone */
} edit_status;

/* What the editor asks its owner. */
typedef struct edit_hooks {
    void *arg;
    /* Enter was pressed at the text's end: is it complete, or does a further line follow? */
    bool (*complete_text)(void *arg, str text);
    /*
     * Tab: candidates for the word that ends at cursor. Returns their number, where the word begins in *start, and an
     * array that lives until the next call.
     */
    size_t (*candidates)(void *arg, str text, size_t cursor, size_t *start, const char *const **out);
} edit_hooks;

/* An editor of the terminal behind the two descriptors. The history may be NULL and is not owned. */
editor *editor_new(int in, int out, const edit_hooks *hooks, history *past);
/* NULL is allowed. */
void editor_free(editor *e);

/* Reads a text; prompt stands before its first line, more before the others. The terminal is as before afterwards. */
edit_status editor_read(editor *e, const char *prompt, const char *more, buf *text);

/* Columns of the terminal, or 0 when the descriptor is none. */
int edit_terminal_width(int fd);

#endif
