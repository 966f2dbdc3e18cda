/*
 * server/main.c - the command line: which part of the program a person wants, and the exit code it ends with.
 *
 * Exit codes: 0 done (also after SIGTERM), 1 it did not work, 2 the command line is wrong.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/str.h"
#include "repl/repl.h"
#include "server/loop.h"
#include "server/options.h"
#include "server/server.h"
#include "server/test_cases.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int fail(const diag *d, int code)
{
    fprintf(stderr, "weir: %s\n", d->text);
    if (d->hint[0]) fprintf(stderr, "%s\n", d->hint);
    return code;
}

/* Prints the help of one subcommand. */
static int help(const char *usage, const char *about, const option *flags)
{
    buf out = {0};
    buf_printf(&out, "usage: %s\n\n%s\n\n", usage, about);
    options_help(flags, &out);
    fputs(buf_z(&out), stdout);
    buf_free(&out);
    return EXIT_DONE;
}

/* ---- serve --------------------------------------------------------------------------------------------------- */

static bool apply(config *c, const char *name, const char *value, diag *d)
{
    return !value || config_set(c, str_z(name), str_z(value), d);
}

static bool read_config(config *c, const char *path, const option_list *pairs, diag *d)
{
    if (path && !config_read(c, path, d)) return false;
    for (int i = 0; i < pairs->count; i++) {
        if (!config_set_pair(c, str_z(pairs->values[i]), d)) return false;
    }
    return true;
}

/* The signals that end a server; blocked in every thread, taken by the one that waits here. */
static void wait_for_end(void)
{
    sigset_t set;
    int signal_number;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    while (sigwait(&set, &signal_number) != 0) {
    }
}

static void block_end_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write */
}

static int serve(const config *c, const char *data)
{
    diag d = {0};
    server_options options = {.data_dir = data, .config = c, .http = true, .kafka = true};
    block_end_signals();
    server *s = server_start(&options, &d);
    if (!s) return fail(&d, EXIT_FAILED);
    printf("Weir %s is ready: HTTP on port %d, Kafka on port %d, data in %s\n", WEIR_VERSION, server_http_port(s),
           server_kafka_port(s), data);
    fflush(stdout);
    wait_for_end();
    server_stop(s);
    return EXIT_DONE;
}

/* ---- run ----------------------------------------------------------------------------------------------------- */

/* The script's thread: statements go to the server as a client's would. */
typedef struct script {
    const char *path;
    char url[64];
    int code;
} script;

static void *run_script(void *arg)
{
    script *s = arg;
    repl_options options = {.server = s->url, .file = s->path, .row_limit = -1};
    s->code = repl_run(&options);
    /* A script that failed ends the server; one that is done leaves its queries running. */
    if (s->code != EXIT_DONE) kill(getpid(), SIGTERM);
    return NULL;
}

static int run_file(const config *c, const char *data, const char *path)
{
    diag d = {0};
    server_options options = {.data_dir = data, .config = c, .http = true, .kafka = true};
    script s = {.path = path};
    pthread_t thread;
    if (access(path, R_OK) != 0) {
        diag_os(&d, errno, "cannot read '%s'", path);
        return fail(&d, EXIT_FAILED);
    }
    block_end_signals();
    server *own = server_start(&options, &d);
    if (!own) return fail(&d, EXIT_FAILED);
    if (!server_http_plain(own)) {
        server_stop(own);
        diag_set(&d, DIAG_INVALID, "'weir run' needs one of the listeners without TLS for its own statements");
        diag_hint(&d, "Add http://127.0.0.1:0 to the setting 'listeners'.");
        return fail(&d, EXIT_FAILED);
    }
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d", server_http_port(own));
    if (thread_start(&thread, "weir-script", run_script, &s, &d)) {
        wait_for_end();
        server_stop(own);
        pthread_join(thread, NULL);
        return s.code;
    }
    server_stop(own);
    return fail(&d, EXIT_FAILED);
}

/* Options that serve and run have in common. */
typedef struct server_flags {
    const char *data, *http, *kafka, *path;
    option_list pairs;
    bool help, verbose;
} server_flags;

#define SERVER_OPTIONS(f)                                                                                              \
    {"data", 'd', OPTION_TEXT, &(f).data, "DIR", "data folder (default weir-data)"},                                   \
        {"http", 0, OPTION_TEXT, &(f).http, "HOST:PORT", "HTTP APIs (default 127.0.0.1:8088)"},                        \
        {"kafka", 0, OPTION_TEXT, &(f).kafka, "HOST:PORT", "Kafka protocol (default 127.0.0.1:9092)"},                 \
        {"config", 'c', OPTION_TEXT, &(f).path, "FILE", "properties file with settings"},                              \
        {"set", 's', OPTION_LIST, &(f).pairs, "NAME=VALUE", "one setting; may be given again"},                        \
        {"verbose", 'v', OPTION_FLAG, &(f).verbose, NULL, "log more"},                                                 \
    {                                                                                                                  \
        "help", 'h', OPTION_FLAG, &(f).help, NULL, "this text"                                                         \
    }

/* The settings that the flags make; NULL when one of them is wrong. */
static config *make_config(const server_flags *f, diag *d)
{
    config *c = config_new();
    if (f->verbose) log_set_level(LOG_DEBUG);
    if (read_config(c, f->path, &f->pairs, d) && apply(c, "listeners", f->http, d) &&
        apply(c, "kafka.listeners", f->kafka, d)) {
        return c;
    }
    config_free(c);
    return NULL;
}

static int serve_command(int argc, char **argv)
{
    server_flags f = {.data = "weir-data"};
    const char *positional[1];
    int positional_len;
    diag d = {0};
    const option flags[] = {SERVER_OPTIONS(f), {0}};
    if (!options_parse(argc, argv, flags, positional, 0, &positional_len, &d)) return fail(&d, EXIT_USAGE);
    if (f.help) return help("weir serve [options]", "Runs the server until SIGTERM or SIGINT.", flags);
    config *c = make_config(&f, &d);
    if (!c) return fail(&d, EXIT_USAGE);
    int code = serve(c, f.data);
    config_free(c);
    return code;
}

static int run_command(int argc, char **argv)
{
    server_flags f = {.data = "weir-data"};
    const char *positional[1];
    int positional_len;
    diag d = {0};
    const option flags[] = {SERVER_OPTIONS(f), {0}};
    if (!options_parse(argc, argv, flags, positional, 1, &positional_len, &d)) return fail(&d, EXIT_USAGE);
    if (f.help) {
        return help("weir run FILE.sql [options]",
                    "Runs the statements of a file on a server of its own, until SIGTERM or SIGINT.", flags);
    }
    if (positional_len == 0) {
        diag_set(&d, DIAG_INVALID, "'weir run' needs a file with statements");
        return fail(&d, EXIT_USAGE);
    }
    config *c = make_config(&f, &d);
    if (!c) return fail(&d, EXIT_USAGE);
    int code = run_file(c, f.data, positional[0]);
    config_free(c);
    return code;
}

/* ---- the prompt ---------------------------------------------------------------------------------------------- */

/* The server that a prompt brings along. */
typedef struct embedded {
    config *config;
    server *server;
} embedded;

static int start_embedded(void *arg, const char *data_dir, diag *d)
{
    embedded *e = arg;
    server_options options = {
        .data_dir = data_dir, .config = e->config, .http = true, .kafka = true, .temporary_ports = true};
    log_set_level(LOG_WARN);
    e->server = server_start(&options, d);
    return e->server ? server_http_port(e->server) : -1;
}

static bool read_form(const char *name, repl_options *o, diag *d)
{
    static const char *const names[] = {"table", "tabular", "json", "csv", NULL};
    static const render_form forms[] = {RENDER_TABLE, RENDER_TABLE, RENDER_JSON, RENDER_CSV};
    for (int i = 0; names[i]; i++) {
        if (!str_ieq(str_z(name), str_z(names[i]))) continue;
        o->form = forms[i];
        o->form_given = true;
        return true;
    }
    diag_set(d, DIAG_INVALID, "'%s' is no form of output", name);
    return diag_hint(d, "The forms are table, json and csv.");
}

static int prompt_command(int argc, char **argv)
{
    const char *positional[1], *output = NULL, *limit = NULL, *data = NULL;
    option_list statements = {0}, defines = {0};
    bool want_help = false;
    int positional_len;
    diag d = {0};
    embedded e = {.config = config_new()};
    repl_options o = {.row_limit = -1, .start_server = start_embedded, .start_arg = &e};
    const option flags[] = {
        {"server", 'S', OPTION_TEXT, &o.server, "URL",
         "server to talk to (default: http://localhost:8088 if it answers)"},
        {"data", 0, OPTION_TEXT, &data, "DIR", "data folder of the prompt's own server (default weir-data)"},
        {"execute", 'e', OPTION_LIST, &statements, "SQL", "run this and leave; may be given again"},
        {"file", 'f', OPTION_TEXT, &o.file, "FILE", "run the statements of a file and leave"},
        {"define", 'd', OPTION_LIST, &defines, "NAME=VALUE", "a session variable; may be given again"},
        {"output", 'o', OPTION_TEXT, &output, "FORM", "table, json or csv"},
        {"query-row-limit", 0, OPTION_TEXT, &limit, "N", "rows of a query that are shown"},
        {"user", 'u', OPTION_TEXT, &o.user, "NAME", "name for the server"},
        {"password", 'p', OPTION_TEXT, &o.password, "TEXT", "password for the server"},
        {"quiet", 'q', OPTION_FLAG, &o.quiet, NULL, "no greeting"},
        {"help", 'h', OPTION_FLAG, &want_help, NULL, "this text"},
        {0},
    };
    int code = EXIT_USAGE;
    if (!options_parse(argc, argv, flags, positional, 1, &positional_len, &d)) {
        fail(&d, code);
    } else if (want_help) {
        code = help("weir [options] [URL]", "The SQL prompt. Without a terminal it runs what it reads.", flags);
    } else if ((output && !read_form(output, &o, &d)) ||
               (limit && (!str_to_i64(str_z(limit), &o.row_limit) || o.row_limit < 0) &&
                !diag_set(&d, DIAG_INVALID, "'--query-row-limit' takes a number, not '%s'", limit))) {
        fail(&d, code);
    } else {
        if (positional_len == 1) o.server = positional[0];
        o.data_dir = data ? data : "weir-data";
        o.data_given = data != NULL;
        o.statements = statements.values;
        o.statements_len = statements.count;
        o.defines = defines.values;
        o.defines_len = defines.count;
        code = repl_run(&o);
        server_stop(e.server);
    }
    config_free(e.config);
    return code;
}

/* ---- test ---------------------------------------------------------------------------------------------------- */

static int test_command(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--cases") == 0) return test_cases_main();
    bool asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    fputs("usage: weir test --cases\n\n"
          "Runs one test case a line (JSON) from standard input and answers each with one line.\n",
          asked ? stdout : stderr);
    return asked ? EXIT_DONE : EXIT_USAGE;
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

typedef struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommand;

static const subcommand subcommands[] = {
    {"serve", serve_command, "the server: Kafka protocol and HTTP APIs"},
    {"run", run_command, "run the statements of a file until stopped"},
    {"test", test_command, "run a streaming application's SQL against given inputs"},
};

static int general_help(void)
{
    printf("Weir %s: streams of records, SQL on top, one program.\n\nusage: weir [options]           the SQL prompt\n  "
           "     weir COMMAND [options]\n\n",
           WEIR_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        printf("  weir %-12s %s\n", subcommands[i].name, subcommands[i].help);
    }
    printf("\nweir COMMAND --help lists a command's options; 'weir -e SQL' runs a statement.\n"
           "Options of the prompt: --server --data -e -f -d --output --query-row-limit --user --password --quiet\n");
    return EXIT_DONE;
}

static int unknown(const char *typed)
{
    const char *names[ARRAY_LEN(subcommands) + 1] = {0};
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) names[i] = subcommands[i].name;
    const char *near = options_nearest(typed, names);
    fprintf(stderr, "weir: '%s' is no command of this program\n", typed);
    if (near)
        fprintf(stderr, "Did you mean 'weir %s'?\n", near);
    else
        fprintf(stderr, "'weir --help' lists the commands.\n");
    return EXIT_USAGE;
}

/* The build may use what x86-64-v3 processors have; others would end in an illegal instruction with no word of why. */
static bool processor_fits(void)
{
#if defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

int main(int argc, char **argv)
{
    if (!processor_fits()) {
        fprintf(stderr, "weir: this build needs a processor with AVX2, BMI and FMA (x86-64-v3).\n"
                        "Build with `make ARCH=` for older ones.\n");
        return EXIT_FAILED;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) return general_help();
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("weir %s\n", WEIR_VERSION);
        return EXIT_DONE;
    }
    /* Anything that is no command's name belongs to the prompt: its options, or the address of a server. */
    if (argc < 2 || argv[1][0] == '-' || strchr(argv[1], ':')) return prompt_command(argc, argv);
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0) return subcommands[i].run(argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}
