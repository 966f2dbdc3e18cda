/*
 * base/datetime.h - the calendar, and KSQL's own text forms of DATE, TIME and TIMESTAMP.
 *
 * DATE is days since 1970-01-01, TIME milliseconds of the day, TIMESTAMP milliseconds since 1970-01-01T00:00 UTC;
 * the calendar is the proleptic Gregorian one (java.time, ISO-8601). Pure functions, any thread.
 */
#ifndef BASE_DATETIME_H
#define BASE_DATETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/str.h"

#define DATETIME_DAY_MS INT64_C(86400000)

enum { DATETIME_TEXT_MAX = 40 };

/* A day of the calendar. */
typedef struct civil {
    int64_t year; /* 0 is 1 BC */
    int month;    /* 1..12 */
    int day;      /* 1..31 */
} civil;

/* Rounds toward negative infinity; b > 0. */
static inline int64_t datetime_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
/* The remainder that belongs to datetime_floor_div: 0 <= r < b. */
static inline int64_t datetime_floor_mod(int64_t a, int64_t b)
{
    int64_t r = a % b;
    return r < 0 ? r + b : r;
}

/* Whether the year has a 29th of February. */
static inline bool datetime_is_leap(int64_t year)
{
    return (year & 3) == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days of the month 1..12. */
int datetime_month_days(int64_t year, int month);
/* Days since 1970-01-01. The day may lie outside the month (it is added), the month must be 1..12. */
int64_t datetime_days(int64_t year, int month, int day);
/* The inverse. */
civil datetime_civil(int64_t days);
/* 1 (Monday) .. 7 (Sunday). */
int datetime_weekday(int64_t days);
/* 1..366. */
int datetime_day_of_year(civil c);
/* The day `months` later, its day clipped to the month's length (LocalDate.plusMonths). */
int64_t datetime_add_months(int64_t days, int64_t months);

/* The text of CAST(timestamp AS STRING), 2020-05-26T23:59:58.000, into out, not terminated; returns the length. */
size_t datetime_format_timestamp(int64_t ms, char out[DATETIME_TEXT_MAX]);
/* The text of CAST(date AS STRING), 2020-05-26 (LocalDate.toString). */
size_t datetime_format_date(int64_t days, char out[DATETIME_TEXT_MAX]);
/* The text of CAST(time AS STRING): LocalTime.toString of the whole second, so 10:30 without its zero seconds. */
size_t datetime_format_time(int64_t ms, char out[DATETIME_TEXT_MAX]);

/*
 * KSQL's reading of a TIMESTAMP text: any prefix of yyyy-MM-ddTHH:mm:ss.SSS from the year on, with an optional zone (Z,
 * +0200, +02:00) behind the time (PartialStringToTimestampParser). False and an error text as KSQL gives it.
 */
bool datetime_parse_timestamp(str s, int64_t *ms, diag *d);
/* yyyy, yyyy-MM or yyyy-MM-dd. */
bool datetime_parse_date(str s, int64_t *days, diag *d);
/* HH:mm[:ss[.fraction]] (LocalTime.parse); what is below a millisecond is cut. */
bool datetime_parse_time(str s, int64_t *ms, diag *d);

#endif
