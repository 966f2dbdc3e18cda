/*
 * base/str.h - string slices: a pointer and a length in bytes, never owned, not terminated.
 *
 * Thread-neutral. A slice borrows: whoever hands it out says how long the bytes live. Bytes are usually UTF-8
 * but nothing here depends on it. The empty slice may have a NULL pointer.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Public layout: kernels index arrays of it. */
typedef struct str {
    const char *p;
    size_t n;
} str;

/* A slice of a string literal. */
#define STR(literal) ((str){(literal), sizeof(literal) - 1})
/* The two arguments of a "%.*s" conversion. */
#define STR_ARG(s) (int)(s).n, (s).p

static inline str str_of(const char *p, size_t n)
{
    return (str){p, n};
}

/* A slice of a terminated string; NULL gives the empty slice. */
static inline str str_z(const char *z)
{
    return (str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(str a, str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_eqz(str a, const char *z)
{
    return str_eq(a, str_z(z));
}

/* Byte order, shorter first on a common prefix: <0, 0, >0. */
int str_cmp(str a, str b);

/* ASCII case-insensitive equality. */
bool str_ieq(str a, str b);

/* Whether s begins, or ends, with the given bytes. */
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);

/* The slice without leading and trailing bytes <= 0x20, as Java's String.trim. */
str str_trim(str s);

/* Byte position of the first occurrence of needle at or after from, or -1. An empty needle is found at from. */
ptrdiff_t str_find(str s, str needle, size_t from);

/* Decimal integer of the whole slice with an optional sign; false on anything else or on overflow. */
bool str_to_i64(str s, int64_t *out);

/* Whole slice as a double, in the forms of Java's Double.parseDouble without hex; false otherwise. */
bool str_to_f64(str s, double *out);

#endif
