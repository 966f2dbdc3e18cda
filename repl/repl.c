#include "repl/repl.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "repl/edit.h"
#include "repl/session.h"
#include "repl/split.h"

enum { EXIT_ERROR = 1, EXIT_INTERRUPTED = 130 };

/* Written to by the signal handler, read by whoever waits. */
static int interrupt_pipe[2] = {-1, -1};

static void on_interrupt(int number)
{
    int saved = errno;
    ssize_t n = write(interrupt_pipe[1], "!", 1);
    (void)n; /* a full pipe says the same */
    errno = saved;
}

static bool catch_interrupts(diag *d)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    if (pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return diag_os(d, errno, "cannot make a pipe");
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_DFL); /* `weir -e ... | head` ends quietly */
    return true;
}

static int fail(const diag *d)
{
    fprintf(stderr, "weir: %s\n", d->text);
    if (d->hint[0]) fprintf(stderr, "%s\n", d->hint);
    return EXIT_ERROR;
}

/* ---- finding a server ---------------------------------------------------------------------------------------- */

static bool answers(client *c, diag *d)
{
    int status = 0;
    bool good = client_request(c, "/info", "application/json", (str){0}, &status, d) == CLIENT_OK;
    client_drop(c);
    return good;
}

static client *connect_to(const repl_options *o, bool *embedded, diag *d)
{
    diag why = {0};
    *embedded = false;
    if (o->server || !o->data_given) {
        client *c = client_new(str_z(o->server ? o->server : "http://localhost:8088"), d);
        if (!c) return NULL;
        client_set_user(c, o->user, o->password);
        if (answers(c, &why)) return c;
        client_free(c);
        if (o->server) {
            *d = why;
            diag_hint(d, "Is the server running? `weir serve` starts one; without --server the prompt brings its own.");
            return NULL;
        }
    }
    int port = o->start_server(o->start_arg, o->data_dir, d);
    if (port < 0) return NULL;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    *embedded = true;
    return client_new(str_z(url), d);
}

/* ---- modes --------------------------------------------------------------------------------------------------- */

static bool text_is_complete(void *arg, str text)
{
    str statement;
    size_t used;
    split_state state;
    if (command_is(text)) return true;
    while (split_next(text, &statement, &used, &state)) text = str_of(text.p + used, text.n - used);
    return state == SPLIT_EMPTY;
}

static void banner(session *s, bool embedded, const repl_options *o)
{
    session_printf(s, "Weir %s. ", WEIR_VERSION);
    if (embedded)
        session_printf(s, "No server was running: this prompt brings its own, with its data in %s.\n", o->data_dir);
    else
        session_printf(s, "Connected to %s.\n", client_url(s->client));
    session_print(s,
                  STR("Statements end with a semicolon; 'help' lists the prompt's own commands, Ctrl-D leaves.\n\n"));
}

/* A hook of the editor has one argument: here both parts that need one. */
static size_t find_candidates(void *arg, str text, size_t cursor, size_t *start, const char *const **out)
{
    return completer_find(arg, text, cursor, start, out);
}

static int run_prompt(session *s, const repl_options *o, bool embedded)
{
    char path[4096];
    completer *names = completer_new(s);
    edit_hooks hooks = {.arg = names, .complete_text = text_is_complete, .candidates = find_candidates};
    s->past = history_open(history_default_path(path, sizeof path));
    editor *e = editor_new(0, 1, &hooks, s->past);
    buf text = {0};
    if (!o->quiet) banner(s, embedded, o);
    while (!s->done) {
        edit_status status = editor_read(e, "weir> ", "  ... ", &text);
        if (status == EDIT_EOF) break;
        if (status == EDIT_CANCEL || str_trim(buf_str(&text)).n == 0) continue;
        history_add(s->past, buf_str(&text));
        s->render.width = (size_t)edit_terminal_width(1);
        if (s->spool) fprintf(s->spool, "weir> %s\n", buf_z(&text));
        session_run(s, buf_str(&text));
    }
    buf_free(&text);
    editor_free(e);
    history_close(s->past);
    s->past = NULL;
    completer_free(names);
    return 0;
}

static int exit_code(session_result r)
{
    return r == SESSION_DONE ? 0 : r == SESSION_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_ERROR;
}

/* Standard input is no terminal: statements are run as they become complete, so that a pipe may stay open. */
static int run_piped(session *s)
{
    buf text = {0};
    session_result result = SESSION_DONE;
    for (ssize_t n = 1; n > 0 && result == SESSION_DONE && !s->done;) {
        n = read(0, buf_reserve(&text, 65536), 65536);
        if (n < 0 && errno == EINTR) {
            result = SESSION_INTERRUPTED;
            break;
        }
        if (n > 0) text.len += (size_t)n;
        str rest = buf_str(&text);
        while (result == SESSION_DONE && rest.n > 0 && !s->done) {
            str statement;
            size_t used = 0;
            split_state state;
            const char *eol = memchr(rest.p, '\n', rest.n);
            str line = str_of(rest.p, eol ? (size_t)(eol - rest.p) : rest.n);
            if ((eol || n == 0) && line.n > 0 && command_is(line)) {
                result = session_run(s, line);
                used = line.n + (eol != NULL);
            } else if (split_next(rest, &statement, &used, &state)) {
                result = session_run(s, statement);
            } else {
                if (n == 0) result = session_run(s, rest);
                if (n == 0) used = rest.n;
            }
            if (used == 0) break;
            rest = str_of(rest.p + used, rest.n - used);
        }
        memmove(text.data, rest.p, rest.n);
        text.len = rest.n;
    }
    buf_free(&text);
    return exit_code(result);
}

static int run_given(session *s, const repl_options *o)
{
    session_result result = SESSION_DONE;
    for (int i = 0; i < o->statements_len && result == SESSION_DONE; i++)
        result = session_run(s, str_z(o->statements[i]));
    if (result == SESSION_DONE && o->file) result = session_run_file(s, o->file);
    return exit_code(result);
}

static bool define(session *s, const char *pair, diag *d)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair) return diag_set(d, DIAG_INVALID, "'%s' is not NAME=VALUE", pair);
    str value = str_z(equals + 1);
    if (value.n >= 2 && value.p[0] == '\'' && value.p[value.n - 1] == '\'') value = str_of(value.p + 1, value.n - 2);
    char *copy = strndup(value.p, value.n);
    check(copy);
    free(map_put(&s->variables, str_of(pair, (size_t)(equals - pair)), copy));
    return true;
}

int repl_run(const repl_options *o)
{
    diag d = {0};
    bool embedded, given = o->statements_len > 0 || o->file;
    session s = {.interrupt_fd = -1, .row_limit = o->row_limit};
    setlocale(LC_CTYPE, "");
    if (!catch_interrupts(&d)) return fail(&d);
    s.interrupt_fd = interrupt_pipe[0];
    s.interactive = !given && isatty(0) && isatty(1);
    s.render = (render_options){
        .form = o->form_given ? o->form : RENDER_TABLE, .width = (size_t)edit_terminal_width(1), .wrap = true};
    s.client = connect_to(o, &embedded, &d);
    if (!s.client) return fail(&d);
    int code = 0;
    for (int i = 0; i < o->defines_len && code == 0; i++) {
        if (!define(&s, o->defines[i], &d)) code = fail(&d);
    }
    if (code == 0) code = given ? run_given(&s, o) : s.interactive ? run_prompt(&s, o, embedded) : run_piped(&s);
    session_free(&s);
    client_free(s.client);
    return code;
}
