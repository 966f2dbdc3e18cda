/*
 * base/dtoa.h - numbers to text and back: shortest round-trip doubles in Java's layout, exact parsing, fast integers.
 *
 * Doubles print as Double.toString of JDK 19 and later (the shortest digits that read back to the same value,
 * two digits at least, the nearest of them): 100.0, 0.002, 1.0E-5, 1.0E21, NaN, -Infinity. Parsing is
 * correctly rounded. Pure functions, any thread.
 */
#ifndef BASE_DTOA_H
#define BASE_DTOA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    DTOA_MAX = 26, /* longest text of a double, as -1.2345678901234567E-308 */
    ITOA_MAX = 20, /* longest text of an int64_t */
};

/* The text of Double.toString into out, not terminated; returns the length. */
size_t dtoa_java(double v, char out[DTOA_MAX]);

/* The same appended to a buffer. */
void dtoa_put(buf *b, double v);

/*
 * The shortest decimal of a finite positive value: digits * 10^exponent, no trailing zeros in digits. For layouts
 * other than Java's.
 */
uint64_t dtoa_shortest(double v, int *exponent);

/* Decimal text of v into out, not terminated; returns the length. */
size_t itoa_i64(int64_t v, char out[ITOA_MAX]);
/* The same appended to a buffer. */
void itoa_put(buf *b, int64_t v);

/*
 * mantissa * 10^exponent rounded to the nearest double. When `truncated`, more (not only zero) digits follow the
 * mantissa; false is returned where they decide, and the caller goes to dtoa_parse with the text.
 */
bool dtoa_from_parts(uint64_t mantissa, int exponent, bool truncated, double *out);

/*
 * The whole slice as a double: [+-] digits [. digits] [(e|E) [+-] digits], with at least one digit in front or behind
 * the point. False for any other form (NaN, Infinity, hex, white space). Beyond the range: infinity, as Java.
 */
bool dtoa_parse(str s, double *out);

#endif
