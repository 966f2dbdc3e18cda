/*
 * server/options.h - the command line: a table of flags per subcommand, errors that name what was meant.
 *
 * Pure; slices and strings borrow argv.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "base/diag.h"

/* What a flag takes. */
typedef enum option_kind {
    OPTION_FLAG, /* nothing: *(bool *)target becomes true */
    OPTION_TEXT, /* one value: *(const char **)target */
    OPTION_LIST, /* one value, may be given again: appended to *(option_list *)target */
} option_kind;

enum { OPTION_LIST_MAX = 64 };

/* The values of an OPTION_LIST. */
typedef struct option_list {
    const char *values[OPTION_LIST_MAX];
    int count;
} option_list;

/* One flag of a subcommand. A table ends with name == NULL. */
typedef struct option {
    const char *name; /* without the dashes */
    char letter; /* 0: none */
    option_kind kind;
    void *target;
    const char *argument; /* how the help calls the value */
    const char *help;
} option;

/*
 * Reads argv[1..argc). What is no flag goes to positional (at most positional_max; *positional_len says how many).
 * Values are `--name value` or `--name=value`; `--` ends the flags.
 */
bool options_parse(int argc, char **argv, const option *table, const char **positional, int positional_max,
                   int *positional_len, diag *d);

/* The flags as lines for --help. */
void options_help(const option *table, buf *out);

/* The word of a NULL-terminated list that is closest to what was typed, or NULL when none is near. */
const char *options_nearest(const char *typed, const char *const *words);

#endif
