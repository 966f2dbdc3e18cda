/*
 * repl/session.h - what lasts from one statement to the next: the connection, properties, variables, the form of
 * output.
 *
 * Statements that only concern the session (SET, DEFINE, RUN SCRIPT, ...) are done here, the rest goes to the server.
 * One thread.
 */
#ifndef REPL_SESSION_H
#define REPL_SESSION_H

#include <stdio.h>

#include "base/map.h"
#include "repl/client.h"
#include "repl/history.h"
#include "repl/render.h"

/* Public layout: the files of repl/ share it. */
typedef struct session {
    client *client;
    history *past;
    render_options render;
    map properties; /* name -> heap text */
    map variables;
    FILE *spool; /* also gets what is printed; NULL: off */
    bool interactive; /* a person at a terminal: headings, progress, hints */
    bool done; /* exit was typed */
    bool names_stale; /* something was made or dropped: completion asks again */
    int script_depth;
    int interrupt_fd; /* readable after Ctrl-C */
    int64_t row_limit; /* rows of a query that are shown; -1: all */
} session;

/* How a text was run. */
typedef enum session_result {
    SESSION_DONE,
    SESSION_FAILED, /* an error was shown */
    SESSION_INTERRUPTED, /* Ctrl-C */
} session_result;

/* Runs all statements and local commands of a text, stopping at the first that fails. */
session_result session_run(session *s, str text);

/* Runs the statements of a file. */
session_result session_run_file(session *s, const char *path);

/* Prints (and spools). */
void session_print(session *s, str text);
void session_printf(session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints an error: to the terminal in line with the rest, otherwise to standard error. */
void session_error(session *s, str text);

/*
 * Sends statements to /ksql and returns the parsed answer in mem; errors are shown unless quiet. NULL when it failed.
 */
const json_value *session_ask(session *s, str statements, bool quiet, arena *mem, session_result *result);

/* Forgets earlier Ctrl-Cs. */
void session_clear_interrupt(session *s);

/* Frees properties, variables and the spool. */
void session_free(session *s);

/* ---- local commands: repl/command.c -------------------------------------------------------------------------- */

/* True when the text is one of the prompt's own commands (help, output, server, ...), which need no semicolon. */
bool command_is(str text);

/* Runs it. */
session_result command_run(session *s, str text);

/* The names of the commands, ending with NULL, for completion. */
const char *const *command_names(void);

/* ---- completion: repl/complete.c ----------------------------------------------------------------------------- */

typedef struct completer completer;

/* A completer that asks the session's server for names when they may have changed. */
completer *completer_new(session *s);
/* NULL is allowed. */
void completer_free(completer *c);

/* As edit_hooks.candidates; arg is a completer. */
size_t completer_find(void *arg, str text, size_t cursor, size_t *start, const char *const **out);

#endif
