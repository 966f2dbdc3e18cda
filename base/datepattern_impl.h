/*
 * base/datepattern_impl.h - the compiled form of a date pattern; for base/datepattern*.c only.
 *
 * A pattern is a flat list of steps; an optional section is a step that knows where it ends. Immutable once compiled.
 */
#ifndef BASE_DATEPATTERN_IMPL_H
#define BASE_DATEPATTERN_IMPL_H

#include "base/datepattern.h"

/* The fields that letters stand for. Dates first, then times; the order within is that in which they are applied. */
typedef enum field {
    FIELD_ERA,
    FIELD_YEAR_OF_ERA,
    FIELD_YEAR,
    FIELD_QUARTER,
    FIELD_MONTH,
    FIELD_WEEK_YEAR,
    FIELD_WEEK,
    FIELD_WEEK_OF_MONTH,
    FIELD_LOCAL_WEEKDAY,
    FIELD_WEEKDAY,
    FIELD_ALIGNED_WEEKDAY,
    FIELD_DAY,
    FIELD_DAY_OF_YEAR,
    FIELD_JULIAN_DAY,
    FIELD_AMPM,
    FIELD_HOUR_OF_AMPM,
    FIELD_CLOCK_HOUR_OF_AMPM,
    FIELD_HOUR,
    FIELD_CLOCK_HOUR,
    FIELD_MINUTE,
    FIELD_SECOND,
    FIELD_MILLI_OF_DAY,
    FIELD_NANO,
    FIELD_NANO_OF_DAY,
    FIELD_OFFSET,
    FIELD_COUNT,
} field;

/* What is known of a field: its name in errors and its range. */
typedef struct field_info {
    const char *name;
    int64_t low, high;
} field_info;

extern const field_info datepattern_fields[FIELD_COUNT];

typedef enum step_kind {
    STEP_NUMBER,
    STEP_TWO_DIGIT_YEAR,
    STEP_FRACTION,
    STEP_TEXT,
    STEP_LITERAL,
    STEP_OFFSET,
    STEP_LOCAL_OFFSET,
    STEP_ZONE_ID,
    STEP_ZONE_NAME,
    STEP_OPTIONAL,
} step_kind;

/* How a number shows its sign (java.time.format.SignStyle). */
typedef enum sign_style { SIGN_NORMAL, SIGN_NEVER, SIGN_EXCEEDS_PAD } sign_style;

/* Width of a text. */
typedef enum text_style { TEXT_SHORT, TEXT_FULL, TEXT_NARROW } text_style;

typedef struct step {
    step_kind kind;
    field field;
    int min, max; /* STEP_NUMBER, STEP_FRACTION: digits */
    sign_style sign;
    int subsequent; /* digits of the fixed-width numbers that follow directly */
    text_style style; /* STEP_TEXT, STEP_ZONE_NAME, STEP_LOCAL_OFFSET */
    int offset_form; /* STEP_OFFSET: index into Java's list of forms, +HH .. +HH:MM:SS */
    str text; /* STEP_LITERAL; STEP_OFFSET: what stands for zero */
    int pad; /* > 0: padded to this width with blanks on the left */
    int end; /* STEP_OPTIONAL: index behind the section */
} step;

struct datepattern {
    str pattern;
    const step *steps;
    int count;
};

/* Texts of month 1..12, weekday 1..7 (Monday), era 0..1, half day 0..1, quarter 1..4; NULL when out of range. */
const char *datepattern_text(field f, text_style style, int64_t value);

/* A zone's English name at an instant; written into out when it has to be made up. */
str datepattern_zone_name(const tz *z, int64_t epoch_s, text_style style, char out[48]);

/* The longest zone name (short or long) at the beginning of the text, any case; NULL when there is none. */
const tz *datepattern_zone_of_name(str text, size_t *length);

#endif
