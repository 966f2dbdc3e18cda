/* The prompt's own commands: they end with the line and are no SQL. */
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "repl/session.h"
#include "repl/split.h"

typedef struct command {
    const char *words;
    session_result (*run)(session *s, str text, int next); /* next: the first word behind the command's own */
    const char *usage;
    const char *help;
} command;

static session_result complain(session *s, const char *text)
{
    session_error(s, str_z(text));
    session_error(s, STR("\n"));
    return SESSION_FAILED;
}

/* A word without the quotes and the semicolon that people add. */
static str argument(str text, int i, char *out, size_t cap)
{
    str word = split_word(text, i);
    if (str_eqz(word, ";")) return (str){0};
    int n = split_unquote(word, out, cap);
    return n >= 0 ? str_of(out, (size_t)n) : word;
}

static session_result run_help(session *s, str text, int next);

static session_result run_clear(session *s, str text, int next)
{
    if (isatty(1)) session_print(s, STR("\x1b[H\x1b[2J\x1b[3J"));
    return SESSION_DONE;
}

static session_result run_exit(session *s, str text, int next)
{
    s->done = true;
    return SESSION_DONE;
}

static session_result run_history(session *s, str text, int next)
{
    for (int i = 0; s->past && i < history_count(s->past); i++) {
        session_printf(s, "%4d: %.*s\n", i, STR_ARG(history_get(s->past, i)));
    }
    return SESSION_DONE;
}

static session_result run_output(session *s, str text, int next)
{
    static const char *const names[] = {[RENDER_TABLE] = "TABULAR", [RENDER_JSON] = "JSON", [RENDER_CSV] = "CSV"};
    char copy[16];
    str form = argument(text, next, copy, sizeof copy);
    if (form.n == 0) {
        session_printf(s, "Current output format: %s\n", names[s->render.form]);
        return SESSION_DONE;
    }
    for (int i = 0; i < 3; i++) {
        if (!str_ieq(form, str_z(names[i])) && !(i == RENDER_TABLE && str_ieq(form, STR("TABLE")))) continue;
        s->render.form = (render_form)i;
        if (s->interactive) session_printf(s, "Output format set to %s\n", names[i]);
        return SESSION_DONE;
    }
    return complain(s, "The output formats are TABULAR, JSON and CSV");
}

static session_result run_server(session *s, str text, int next)
{
    /* The address is no word of the language: everything behind the command is it. */
    str word = split_word(text, 0);
    size_t at = (size_t)(word.p - text.p) + word.n;
    str url = str_trim(str_of(text.p + at, text.n - at));
    while (url.n > 0 && (url.p[url.n - 1] == ';' || url.p[url.n - 1] == '\'')) url.n--;
    if (url.n > 0 && url.p[0] == '\'') url = str_of(url.p + 1, url.n - 1);
    if (url.n == 0) {
        session_printf(s, "%s\n", client_url(s->client));
        return SESSION_DONE;
    }
    diag d = {0};
    client *c = client_new(url, &d);
    if (!c) return complain(s, d.text);
    int status = 0;
    if (client_request(c, "/info", "application/json", (str){0}, &status, &d) != CLIENT_OK) complain(s, d.text);
    client_drop(c);
    client_free(s->client);
    s->client = c;
    s->names_stale = true;
    session_printf(s, "Server now: %s\n", client_url(c));
    return SESSION_DONE;
}

static session_result run_script(session *s, str text, int next)
{
    char path[4096];
    str word = argument(text, next, path, sizeof path);
    if (word.n == 0 || word.p != path) {
        /* Unquoted: the path is what stands behind the command. */
        str second = split_word(text, next - 1);
        size_t at = (size_t)(second.p - text.p) + second.n;
        word = str_trim(str_of(text.p + at, text.n - at));
        while (word.n > 0 && word.p[word.n - 1] == ';') word.n--;
    }
    if (word.n == 0 || word.n >= sizeof path) return complain(s, "Write: run script <file>");
    memmove(path, word.p, word.n);
    path[word.n] = 0;
    return session_run_file(s, path);
}

static session_result run_wrap(session *s, str text, int next)
{
    str word = split_word(text, next);
    if (!str_ieq(word, STR("ON")) && !str_ieq(word, STR("OFF"))) return complain(s, "Write: set cli wrap ON or OFF");
    s->render.wrap = str_ieq(word, STR("ON"));
    return SESSION_DONE;
}

static session_result run_column_width(session *s, str text, int next)
{
    int64_t width;
    /* "COLUMN-WIDTH" is one word here, as '-' belongs to words. */
    if (!str_to_i64(split_word(text, next), &width) || width < 0 || width > 10000) {
        return complain(s, "Write: set cli column-width <number> (0: even shares of the screen)");
    }
    s->render.column_width = (size_t)width;
    return SESSION_DONE;
}

static session_result run_spool(session *s, str text, int next)
{
    char copy[4096];
    str word = argument(text, next, copy, sizeof copy - 1);
    if (word.n == 0) return complain(s, "Write: spool '<file>' or spool OFF");
    if (s->spool) fclose(s->spool);
    s->spool = NULL;
    if (word.p != copy && str_ieq(word, STR("OFF"))) {
        session_print(s, STR("Spool OFF\n"));
        return SESSION_DONE;
    }
    if (word.n >= sizeof copy) return complain(s, "The file's name is too long");
    memmove(copy, word.p, word.n);
    copy[word.n] = 0;
    s->spool = fopen(copy, "a");
    if (!s->spool) return complain(s, "The file cannot be written");
    session_printf(s, "Session will be spooled to %s\n", copy);
    return SESSION_DONE;
}

static session_result run_version(session *s, str text, int next)
{
    session_printf(s, "Version: %s\n", WEIR_VERSION);
    return SESSION_DONE;
}

static session_result run_pipelining(session *s, str text, int next)
{
    /* Weir answers a statement when it is done, so there is nothing to wait for in either setting. */
    str word = split_word(text, next);
    if (word.n > 0 && !str_eqz(word, ";") && !str_ieq(word, STR("ON")) && !str_ieq(word, STR("OFF"))) {
        return complain(s, "Write: request-pipelining ON or OFF");
    }
    session_print(s, STR("Statements are answered when they have taken effect; pipelining makes no difference\n"));
    return SESSION_DONE;
}

static const command commands[] = {
    {"help", run_help, "help", "this list"},
    {"clear", run_clear, "clear", "clear the screen"},
    {"exit", run_exit, "exit", "leave (or Ctrl-D)"},
    {"quit", run_exit, "quit", "the same"},
    {"history", run_history, "history", "what was typed before"},
    {"output", run_output, "output [TABULAR|JSON|CSV]", "show or set the form of output"},
    {"server", run_server, "server [URL]", "show or change the server"},
    {"run script", run_script, "run script <file>", "run the statements of a file"},
    {"set cli wrap", run_wrap, "set cli wrap ON|OFF", "long cells go on below, or are cut"},
    {"set cli column-width", run_column_width, "set cli column-width <n>", "width of the columns of push queries"},
    {"spool", run_spool, "spool '<file>'|OFF", "also write what is printed to a file"},
    {"request-pipelining", run_pipelining, "request-pipelining [ON|OFF]", "for scripts written for ksqlDB's prompt"},
    {"version", run_version, "version", "the version of this program"},
};

static session_result run_help(session *s, str text, int next)
{
    session_print(s, STR("The prompt's own commands (no semicolon needed):\n"));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        session_printf(s, "  %-28s %s\n", commands[i].usage, commands[i].help);
    }
    session_print(s, STR("\nEverything else is SQL and ends with a semicolon, for example\n"
                         "  SHOW STREAMS;   SHOW TABLES;   SHOW TOPICS;   SHOW QUERIES;   SHOW FUNCTIONS;\n"
                         "  DESCRIBE <stream or table> [EXTENDED];   EXPLAIN <query id or statement>;\n"
                         "  PRINT <topic> FROM BEGINNING;   SELECT ... EMIT CHANGES;\n"
                         "Tab completes, Ctrl-R searches the history, Ctrl-C ends a query.\n"));
    return SESSION_DONE;
}

const char *const *command_names(void)
{
    static const char *names[ARRAY_LEN(commands) + 1];
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) names[i] = commands[i].words;
    return names;
}

static int count_words(const char *words)
{
    int n = 1;
    for (; *words; words++) n += *words == ' ';
    return n;
}

static const command *find(str text)
{
    text = str_trim(text);
    /* A command is one line; "server" or "output" at the start of a longer text is something else. */
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (split_begins(text, commands[i].words)) return &commands[i];
    }
    return NULL;
}

bool command_is(str text)
{
    const command *c = find(text);
    if (!c) return false;
    /* RUN SCRIPT 'x'; is a statement as well, and may have others behind it. */
    str statement;
    size_t used;
    split_state state;
    if (!split_next(text, &statement, &used, &state)) return true;
    return str_trim(str_of(text.p + used, text.n - used)).n == 0;
}

session_result command_run(session *s, str text)
{
    const command *c = find(text);
    check(c);
    return c->run(s, str_trim(text), count_words(c->words));
}
