/*
 * server/main.c - the command line: which part of the program a person wants, and the exit code it ends with.
 *
 * Exit codes: 0 done (also after SIGTERM), 1 it did not work, 2 the command line is wrong.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "server/options.h"
#include "server/server.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int fail(const diag *d, int code)
{
    fprintf(stderr, "weir: %s\n", d->text);
    if (d->hint[0]) fprintf(stderr, "%s\n", d->hint);
    return code;
}

/* Prints the help of one subcommand. */
static int help(const char *usage, const char *about, const option *table)
{
    buf out = {0};
    buf_printf(&out, "usage: %s\n\n%s\n\n", usage, about);
    options_help(table, &out);
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

static int serve_command(int argc, char **argv)
{
    const char *data = "weir-data", *http = NULL, *kafka = NULL, *path = NULL, *positional[1];
    option_list pairs = {0};
    bool want_help = false, verbose = false;
    int positional_len;
    diag d = {0};
    const option table[] = {
        {"data", 'd', OPTION_TEXT, &data, "DIR", "data folder (default weir-data)"},
        {"http", 0, OPTION_TEXT, &http, "HOST:PORT", "HTTP APIs (default 127.0.0.1:8088)"},
        {"kafka", 0, OPTION_TEXT, &kafka, "HOST:PORT", "Kafka protocol (default 127.0.0.1:9092)"},
        {"config", 'c', OPTION_TEXT, &path, "FILE", "properties file with settings"},
        {"set", 's', OPTION_LIST, &pairs, "NAME=VALUE", "one setting; may be given again"},
        {"verbose", 'v', OPTION_FLAG, &verbose, NULL, "log more"},
        {"help", 'h', OPTION_FLAG, &want_help, NULL, "this text"},
        {0},
    };
    if (!options_parse(argc, argv, table, positional, 0, &positional_len, &d)) return fail(&d, EXIT_USAGE);
    if (want_help) return help("weir serve [options]", "Runs the server until SIGTERM or SIGINT.", table);
    if (verbose) log_set_level(LOG_DEBUG);
    config *c = config_new();
    int code = EXIT_USAGE;
    if (!read_config(c, path, &pairs, &d) || !apply(c, "listeners", http, &d) ||
        !apply(c, "kafka.listener", kafka, &d)) {
        fail(&d, code);
    } else {
        code = serve(c, data);
    }
    config_free(c);
    return code;
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

typedef struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommand;

static const subcommand subcommands[] = {
    {"serve", serve_command, "the server: Kafka protocol and HTTP APIs"},
};

static int general_help(void)
{
    printf("Weir %s: streams of records, SQL on top, one program.\n\nusage: weir COMMAND [options]\n\n", WEIR_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        printf("  weir %-12s %s\n", subcommands[i].name, subcommands[i].help);
    }
    printf("\nweir COMMAND --help lists a command's options.\n");
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
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return general_help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("weir %s\n", WEIR_VERSION);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0) return subcommands[i].run(argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}
