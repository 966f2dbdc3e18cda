/*
 * base/datepattern.h - date and time patterns: java.time.format.DateTimeFormatter and FastDateFormat, English locale.
 *
 * A pattern is compiled once into an arena and then is immutable: any number of threads may format and parse with it.
 * Formatting appends to a buffer; on failure the buffer is as it was. Errors are texts for the processing log.
 */
#ifndef BASE_DATEPATTERN_H
#define BASE_DATEPATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/str.h"
#include "base/tz.h"

typedef struct datepattern datepattern;

/*
 * Compiles DateTimeFormatter letters (G u y Y Q q M L w W D d F E e c a h K k H m s S A n N g V z O X x Z p), quotes
 * and optional sections. NULL and an error for an illegal pattern.
 */
const datepattern *datepattern_compile(arena *a, str pattern, diag *d);

/* FORMAT_TIMESTAMP, TIMESTAMPTOSTRING: milliseconds since 1970 UTC shown in a zone. */
bool datepattern_format_timestamp(const datepattern *p, int64_t ms, const tz *zone, buf *out, diag *d);
/* FORMAT_DATE, DATETOSTRING: fails when the pattern needs a time or a zone. */
bool datepattern_format_date(const datepattern *p, int64_t days, buf *out, diag *d);
/* FORMAT_TIME: fails when the pattern needs a date or a zone. */
bool datepattern_format_time(const datepattern *p, int64_t ms_of_day, buf *out, diag *d);

/*
 * PARSE_TIMESTAMP, STRINGTOTIMESTAMP, TIMESTAMP_FORMAT (StringToTimestampParser): case-insensitive; missing fields are
 * those of 1970-01-01T00:00; `zone` holds when the text names none.
 */
bool datepattern_parse_timestamp(const datepattern *p, str text, const tz *zone, int64_t *ms, diag *d);
/* PARSE_TIME: fails when the text sets a date field or gives no complete time. */
bool datepattern_parse_time(const datepattern *p, str text, int64_t *ms_of_day, diag *d);
/* STRINGTODATE: LocalDate.parse, fails when the fields give no complete date. */
bool datepattern_parse_local_date(const datepattern *p, str text, int64_t *days, diag *d);

typedef struct fastdate fastdate;

/*
 * Compiles a pattern of commons-lang's FastDateFormat (SimpleDateFormat letters), which PARSE_DATE uses. Two-digit
 * years lie between 80 years before this_year and 19 years behind it.
 */
const fastdate *fastdate_compile(arena *a, str pattern, int this_year, diag *d);
/* PARSE_DATE: lenient calendar, zone GMT unless the text names one; an error when a time of day is left over. */
bool fastdate_parse_date(const fastdate *f, str text, int64_t *days, diag *d);

#endif
