/*
 * base/tz_rules.h - the inside of a zone and the reader of TZif files (RFC 8536); for base/tz*.c only.
 *
 * A tz is built by one thread and then never changes. Zones live until the process ends.
 */
#ifndef BASE_TZ_RULES_H
#define BASE_TZ_RULES_H

#include "base/arena.h"
#include "base/tz.h"

enum { TZ_FILE_MAX = 1 << 18 };

/* What an id named. */
typedef enum tz_kind {
    TZ_REGION,
    TZ_NAMED_OFFSET, /* UTC, GMT+2: a fixed offset that is no ZoneOffset */
    TZ_OFFSET,
} tz_kind;

/* One local time type: offset, whether it is summer time, where its abbreviation begins. */
typedef struct tz_type {
    int32_t offset;
    bool dst;
    str abbreviation;
} tz_type;

/* A day of the year in a POSIX TZ rule, and the second of that day. */
typedef struct tz_day {
    char form; /* 'M' month.week.day, 'J' 1..365 without leap days, 'n' 0..365 */
    int month, week, day;
    int32_t seconds;
} tz_day;

/* The footer: what holds behind the last transition. */
typedef struct tz_footer {
    bool present, has_dst;
    tz_type standard, dst;
    tz_day start, end;
} tz_footer;

struct tz {
    arena *memory; /* holds the zone itself and all it points to */
    str id;
    tz_kind kind;
    int32_t fixed; /* for the kinds without rules */
    int64_t *times; /* transitions, ascending */
    uint8_t *indexes; /* the type that begins at each */
    size_t count;
    tz_type types[258]; /* the file's types, the footer's two behind them */
    size_t types_count;
    tz_footer footer;
};

/* A zone with nothing but its kind; the caller fills it. */
tz *tz_rules_new(tz_kind kind);

/* A zone from a file's bytes, without its id; NULL when they are malformed. */
tz *tz_rules_load(str data);

#endif
