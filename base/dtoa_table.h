/*
 * base/dtoa_table.h - powers of ten for base/dtoa.c; nobody else includes it.
 *
 * Entry k holds the first 128 bits of 10^k, 10^k / 2^(e - 127) with e = floor(log2(10^k)): rounded down for k >= 0
 * (exact up to 55), rounded up for k < 0, as the parser wants it. Constant data, any thread.
 */
#ifndef BASE_DTOA_TABLE_H
#define BASE_DTOA_TABLE_H

#include <stdint.h>

/* Printing needs -292..324, parsing -342..308. */
enum { DTOA_POWER_MIN = -342, DTOA_POWER_MAX = 324, DTOA_POWER_EXACT_MAX = 55 };

/* The high and low half of an entry. */
typedef struct dtoa_power {
    uint64_t hi, lo;
} dtoa_power;

extern const dtoa_power dtoa_powers[DTOA_POWER_MAX - DTOA_POWER_MIN + 1];

#endif
