/*
 * repl/repl.h - the command line of Weir: the prompt, and the same for scripts (-e, -f, piped text).
 *
 * It talks HTTP like any client. Without a server it asks its caller to start one in this process. One thread.
 */
#ifndef REPL_REPL_H
#define REPL_REPL_H

#include "base/diag.h"
#include "repl/render.h"

/* What the command line asked for. Strings borrow argv. */
typedef struct repl_options {
    const char *server; /* NULL: http://localhost:8088 when it answers, else an embedded one */
    const char *data_dir; /* of the embedded server */
    bool data_given; /* --data was written: never look for a running server */
    const char *user, *password;
    const char *const *statements; /* -e, in order */
    int statements_len;
    const char *file; /* -f */
    const char *const *defines; /* -d name=value */
    int defines_len;
    bool form_given;
    render_form form;
    int64_t row_limit; /* -1: none */
    bool quiet; /* no banner */
    /*
     * Starts a server on data_dir, on the loopback and any free port, which is returned; -1 and an error when it
     * cannot.
     */
    int (*start_server)(void *arg, const char *data_dir, diag *d);
    void *start_arg;
} repl_options;

/*
 * Runs until there is nothing more to do; returns the exit code of the program: 0, 1 after an error, 130 after Ctrl-C.
 */
int repl_run(const repl_options *options);

#endif
