/*
 * base/tz.h - time zones: the system's TZif files and Java's zone ids.
 *
 * A tz is immutable and lives until the process ends; it may be used from any thread. tz_find keeps what it loaded in
 * a cache under a mutex, so look a zone up when an expression is compiled, or remember the last one, not per row
 * (a hit costs a lock and a hash).
 */
#ifndef BASE_TZ_H
#define BASE_TZ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/str.h"

typedef struct tz tz;

/* UTC, with the id "Z" as ZoneOffset.UTC has it. */
const tz *tz_utc(void);

/*
 * A zone by java.time.ZoneId.of's rules: Z, +h, +hh, +hh:mm, +hhmm, +hh:mm:ss, +hhmmss, UTC GMT UT with or without an
 * offset behind, and region ids such as America/Los_Angeles. NULL and an error for anything else.
 */
const tz *tz_find(str id, diag *d);

/* A zone with a fixed offset in seconds (|seconds| <= 18 hours). */
const tz *tz_fixed(int32_t seconds);

/* The id, normalised as ZoneId.getId gives it ("+02:00" for "+2"). */
str tz_id(const tz *z);

/* Whether it is a plain offset (a java.time.ZoneOffset), not a region and not UTC/GMT by name. */
bool tz_is_offset(const tz *z);

/* Seconds east of UTC at an instant (seconds since 1970 UTC). */
int32_t tz_offset(const tz *z, int64_t epoch_s);

/* Whether daylight saving time is in force, and the abbreviation (PST, CEST); the slice lives as the zone. */
bool tz_is_dst(const tz *z, int64_t epoch_s, str *abbreviation);

/*
 * The offset for a local date-time (seconds as if it were UTC), by ZonedDateTime.ofLocal: in an overlap the earlier
 * offset, in a gap the offset before it, so that the clock moves forward by the gap's length.
 */
int32_t tz_offset_of_local(const tz *z, int64_t local_s);

#endif
