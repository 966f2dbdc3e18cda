/*
 * server/config.h - the server's own settings: one table of names and defaults, a properties file, and --set.
 *
 * Names are ksqlDB's where ksqlDB has the setting. Filled in before threads start, read-only afterwards.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "base/diag.h"
#include "base/str.h"

typedef struct config config;

/* How a value reads. */
typedef enum config_kind {
    CONFIG_TEXT,
    CONFIG_INT,
    CONFIG_BOOL,
    CONFIG_ADDRESS, /* HOST:PORT */
    CONFIG_ADDRESSES, /* any number of [NAME://]HOST:PORT with commas between them */
} config_kind;

/* One setting that exists. */
typedef struct config_info {
    const char *name;
    config_kind kind;
    const char *value; /* default */
    const char *doc;
} config_info;

/* All settings, ending with name == NULL. */
const config_info *config_table(void);

/* Every setting at its default. */
config *config_new(void);

/* NULL is allowed. */
void config_free(config *c);

/* Sets one; unknown names (with the nearest one as hint) and malformed values are errors. */
bool config_set(config *c, str name, str value, diag *d);

/* Reads "name=value". */
bool config_set_pair(config *c, str pair, diag *d);

/*
 * Reads a properties file as Java does: a pair a line, '#' begins a comment, a backslash at the end of a line goes on
 * in the next one and elsewhere writes what cannot stand there itself (\n, \t, \\). The error names file and line.
 */
bool config_read(config *c, const char *path, diag *d);

/* The value of a setting that is in the table. */
str config_text(const config *c, const char *name);
int64_t config_int(const config *c, const char *name);
bool config_bool(const config *c, const char *name);

/* The value of any setting, in the table or passed on; false when it has none. */
bool config_get(const config *c, str name, str *value);

/*
 * Settings of the Kafka side (names that broker/ knows) and session defaults (ksql.streams.*, auto.offset.reset, ...)
 * are passed on unchecked by this table: the i-th pair, false past the last.
 */
bool config_passed_on(const config *c, size_t i, str *name, str *value);

#endif
