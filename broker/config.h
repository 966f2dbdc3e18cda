/*
 * broker/config.h - the tables of topic and broker configs: names, types, defaults, limits, and sets of values.
 *
 * The tables are constant and thread-neutral. A config_set belongs to its holder; one thread at a time. The names,
 * types and defaults are those of Apache Kafka 4 (TopicConfig, ServerConfigs), so that its tools find what they know.
 */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

/* The numbers are those of DescribeConfigs. */
typedef enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_SHORT = 4,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7,
    CONFIG_CLASS = 8,
    CONFIG_PASSWORD = 9,
} config_type;

/* Where an effective value comes from; the numbers are those of DescribeConfigs. */
typedef enum config_source {
    CONFIG_FROM_TOPIC = 1,
    CONFIG_FROM_DYNAMIC_BROKER = 2,
    CONFIG_FROM_DYNAMIC_DEFAULT = 3,
    CONFIG_FROM_STATIC = 4,
    CONFIG_FROM_DEFAULT = 5,
    CONFIG_FROM_GROUP = 8,
} config_source;

/* Public layout: the tables are read field by field. */
typedef struct config_def {
    const char *name;
    config_type type;
    const char *initial; /* NULL: none */
    int64_t min, max; /* of INT, SHORT and LONG; of DOUBLE in thousandths */
    const char *allowed; /* "a|b": values (elements of a LIST); NULL: any */
    const char *broker[3]; /* topic and group configs: the broker configs that set their default, first set one wins */
    int64_t factor[3]; /* what their value is multiplied with (hours to ms); 0: taken as it is */
    bool dynamic; /* broker configs: may be altered while running */
    bool nonzero; /* 0 is not taken, although it lies between min and max */
    bool replicas; /* a LIST of partition:broker, or the one word "*" */
    const char *doc;
} config_def;

/* The tables, with their lengths. */
extern const config_def config_topic_defs[];
extern const size_t config_topic_defs_len;
extern const config_def config_group_defs[];
extern const size_t config_group_defs_len;
extern const config_def config_broker_defs[];
extern const size_t config_broker_defs_len;

/* The definition by name, or NULL. */
const config_def *config_topic_def(str name);
/* See config_topic_def. */
const config_def *config_group_def(str name);
/* See config_topic_def. */
const config_def *config_broker_def(str name);

/* Whether value is legal for the config; DIAG_INVALID otherwise. */
bool config_check(const config_def *def, str value, diag *d);

/* Public layout: embedded; {0} is empty. Values are owned, terminated. */
typedef struct config_set {
    struct config_value {
        const config_def *def;
        char *value;
    } * entries;
    size_t len, cap;
} config_set;

/* Frees the values and makes the set empty. */
void config_set_free(config_set *s);
/* The value or NULL. */
const char *config_set_get(const config_set *s, const config_def *def);
/* Sets a value (copied). */
void config_set_put(config_set *s, const config_def *def, str value);
/* Takes a value out; nothing happens when it is absent. */
void config_set_remove(config_set *s, const config_def *def);
/* A copy; the caller frees it. */
config_set config_set_copy(const config_set *s);

/* All that decides an effective value. */
typedef struct config_view {
    const config_set *topic; /* of the topic or the group; NULL for a broker config */
    const config_set *dynamic; /* altered at run time, for this broker */
    const config_set *fallback; /* altered at run time, for all brokers */
    const config_set *fixed; /* given at start */
} config_view;

/* The effective value of a topic or group config; NULL when there is none. Borrows from the sets, the table or a. */
const char *config_topic_value(const config_view *v, const config_def *def, arena *a, config_source *source);
/* The same for a broker config. */
const char *config_broker_value(const config_view *v, const config_def *def, config_source *source);

/* A broker config as a number; the config must be a number with a default. */
int64_t config_broker_i64(const config_view *v, const char *name);
/* A broker config as a truth value. */
bool config_broker_bool(const config_view *v, const char *name);
/* A topic config as a number. */
int64_t config_topic_i64(const config_view *v, const char *name);
/* Whether the configs of a topic go together (Kafka's LogConfig.validate). */
bool config_topic_check(const config_view *v, diag *d);

#endif
