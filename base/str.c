#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

int str_cmp(str a, str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c != 0) return c;
    return (a.n > b.n) - (a.n < b.n);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_ieq(str a, str b)
{
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    }
    return true;
}

bool str_starts(str s, str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(str s, str suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

str str_trim(str s)
{
    while (s.n > 0 && (unsigned char)s.p[0] <= 0x20) s = (str){s.p + 1, s.n - 1};
    while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= 0x20) s.n--;
    return s;
}

ptrdiff_t str_find(str s, str needle, size_t from)
{
    if (from > s.n || needle.n > s.n - from) return -1;
    if (needle.n == 0) return (ptrdiff_t)from;
    const char *hit = memmem(s.p + from, s.n - from, needle.p, needle.n);
    return hit ? hit - s.p : -1;
}

bool str_to_i64(str s, int64_t *out)
{
    size_t i = 0;
    bool negative = false;
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+')) negative = s.p[i++] == '-';
    if (i == s.n) return false;
    uint64_t v = 0;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9) return false;
        if (v > (limit - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_f64(str s, double *out)
{
    s = str_trim(s);
    if (s.n == 0) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == 'x' || s.p[i] == 'X' || s.p[i] == '\0') return false;
    }
    char small[64];
    char *z = s.n < sizeof small ? small : malloc(s.n + 1);
    if (!z) return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    /* Java writes exactly NaN and Infinity and takes a trailing type letter; C's inf and nan(...) are not Java. */
    size_t n = s.n;
    char last = z[n - 1];
    if (n > 1 && (last == 'd' || last == 'D' || last == 'f' || last == 'F')) {
        char before = z[n - 2];
        if ((before >= '0' && before <= '9') || before == '.') z[--n] = '\0';
    }
    const char *digits = z + (z[0] == '-' || z[0] == '+');
    bool word = *digits == 'i' || *digits == 'I' || *digits == 'n' || *digits == 'N';
    bool ok = !word || strcmp(digits, "Infinity") == 0 || strcmp(digits, "NaN") == 0;
    if (ok) {
        char *end;
        *out = strtod(z, &end);
        ok = end == z + n;
    }
    if (z != small) free(z);
    return ok;
}
