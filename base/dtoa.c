/*
 * Printing follows R. Giulietti, "The Schubfach way to render doubles" (2021); parsing D. Lemire, "Number parsing at a
 * gigabyte per second" (2021), with W. Clinger's exact case in front and strtod behind it for the rare undecided text.
 */
#include "base/dtoa.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/dtoa_table.h"

static const char digit_pairs[201] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static inline uint64_t mul_high(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* ---- integers ---- */

static inline int count_digits(uint64_t v)
{
    static const uint64_t powers[20] = {0,
                                        10,
                                        100,
                                        1000,
                                        10000,
                                        100000,
                                        1000000,
                                        10000000,
                                        100000000,
                                        1000000000,
                                        10000000000,
                                        100000000000,
                                        1000000000000,
                                        10000000000000,
                                        100000000000000,
                                        1000000000000000,
                                        10000000000000000,
                                        100000000000000000,
                                        1000000000000000000,
                                        10000000000000000000u};
    /* 1233 / 4096 approximates log10(2) well enough for 64 bits. */
    int guess = ((64 - __builtin_clzll(v | 1)) * 1233) >> 12;
    return guess + (v >= powers[guess]);
}

/* Writes exactly n digits that end before `end`. */
static inline void put_digits(char *end, uint64_t v, int n)
{
    while (n >= 2) {
        uint64_t q = v / 100;
        memcpy(end -= 2, digit_pairs + (v - q * 100) * 2, 2);
        v = q;
        n -= 2;
    }
    if (n) *--end = (char)('0' + v);
}

size_t itoa_i64(int64_t v, char out[ITOA_MAX])
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char *p = out;
    if (v < 0) *p++ = '-';
    int n = count_digits(u);
    put_digits(p + n, u, n);
    return (size_t)(p + n - out);
}

void itoa_put(buf *b, int64_t v)
{
    b->len += itoa_i64(v, buf_reserve(b, ITOA_MAX));
}

/* ---- printing doubles ---- */

static inline int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

static inline int floor_log10_pow2(int e)
{
    return (e * 1262611) >> 22;
}

/* floor(log10(3/4 * 2^e)) */
static inline int floor_log10_three_quarters_pow2(int e)
{
    return (e * 1262611 - 524031) >> 22;
}

/* floor(g * cp / 2^128) with the lowest bit set when the quotient is not exact (the paper's rop). */
static inline uint64_t round_to_odd(dtoa_power g, uint64_t cp)
{
    uint64_t x1 = mul_high(g.lo, cp);
    unsigned __int128 y = (unsigned __int128)g.hi * cp + x1;
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* Shortest (at least two digits long where that is nearer) decimal of c * 2^q, as digits * 10^*exponent. */
static uint64_t schubfach(uint64_t c, int q, bool irregular, int dk, int *exponent)
{
    uint64_t out = c & 1;
    uint64_t cbl = irregular ? 4 * c - 1 : 4 * c - 2, cb = 4 * c, cbr = 4 * c + 2;
    int k = irregular ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    dtoa_power g = dtoa_powers[-k - DTOA_POWER_MIN];
    /* The paper wants the power rounded up, as the table has it only for negative exponents. */
    if (-k > DTOA_POWER_EXACT_MAX) g.hi += ++g.lo == 0;
    uint64_t vbl = round_to_odd(g, cbl << h), vb = round_to_odd(g, cb << h), vbr = round_to_odd(g, cbr << h);
    uint64_t lower = vbl + out, upper = vbr - out;
    *exponent = k + dk;
    uint64_t s = vb / 4;
    if (s >= 100) {
        uint64_t sp = s / 10 * 10, tp = sp + 10;
        bool up_inside = lower <= 4 * sp, wp_inside = 4 * tp <= upper;
        if (up_inside != wp_inside) return up_inside ? sp : tp;
    }
    bool u_inside = lower <= 4 * s, w_inside = 4 * (s + 1) <= upper;
    if (u_inside != w_inside) return u_inside ? s : s + 1;
    uint64_t middle = 4 * s + 2;
    bool up = vb > middle || (vb == middle && (s & 1));
    return s + up;
}

/* Moves trailing zeros into the exponent; values with few decimals have a dozen of them. */
static uint64_t strip_zeros(uint64_t digits, int *exponent)
{
    if (digits % 100000000 == 0) {
        digits /= 100000000;
        *exponent += 8;
    }
    if (digits % 10000 == 0) {
        digits /= 10000;
        *exponent += 4;
    }
    while (digits % 10 == 0) {
        digits /= 10;
        ++*exponent;
    }
    return digits;
}

uint64_t dtoa_shortest(double v, int *exponent)
{
    check(v > 0 && v <= 1.7976931348623157e308);
    uint64_t bits;
    memcpy(&bits, &v, 8);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52);
    uint64_t digits;
    if (biased != 0) {
        uint64_t c = fraction | UINT64_C(1) << 52;
        int q = biased - 1075;
        /* Integers below 2^53 need no search: their own digits are the shortest or a prefix of zeros behind. */
        if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0) {
            digits = c >> -q;
            *exponent = 0;
        } else {
            digits = schubfach(c, q, fraction == 0 && biased > 1, 0, exponent);
        }
    } else if (fraction < 3) {
        /* With one digit of precision the two nearest digits differ from the shortest one: 4.9E-324, 9.9E-324. */
        digits = schubfach(10 * fraction, -1074, false, -1, exponent);
    } else {
        digits = schubfach(fraction, -1074, false, 0, exponent);
    }
    return strip_zeros(digits, exponent);
}

/* 0.001 <= v < 10^7: digits with a point among or in front of them. point = position of the point in the digits. */
static size_t layout_plain(char *p, uint64_t digits, int n, int point)
{
    char *start = p;
    if (point <= 0) {
        memcpy(p, "0.000", 5);
        p += 2 - point;
        put_digits(p + n, digits, n);
        return (size_t)(p + n - start);
    }
    if (point >= n) {
        put_digits(p + n, digits, n);
        p += n;
        for (int i = n; i < point; i++) *p++ = '0';
        *p++ = '.';
        *p++ = '0';
        return (size_t)(p - start);
    }
    put_digits(p + 1 + n, digits, n);
    memmove(p, p + 1, (size_t)point);
    p[point] = '.';
    return (size_t)n + 1;
}

size_t dtoa_java(double v, char out[DTOA_MAX])
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    char *p = out;
    if (isnan(v)) {
        memcpy(p, "NaN", 3);
        return 3;
    }
    if (bits >> 63) {
        *p++ = '-';
        v = -v;
    }
    if (v > 1.7976931348623157e308) {
        memcpy(p, "Infinity", 8);
        return (size_t)(p + 8 - out);
    }
    if (v == 0) {
        memcpy(p, "0.0", 3);
        return (size_t)(p + 3 - out);
    }
    int exponent;
    uint64_t digits = dtoa_shortest(v, &exponent);
    int n = count_digits(digits);
    int point = n + exponent;
    if (point > -3 && point <= 7) return (size_t)(p - out) + layout_plain(p, digits, n, point);
    put_digits(p + 1 + n, digits, n);
    p[0] = p[1];
    p[1] = '.';
    p += n + 1;
    if (n == 1) *p++ = '0';
    *p++ = 'E';
    p += itoa_i64(point - 1, p);
    return (size_t)(p - out);
}

void dtoa_put(buf *b, double v)
{
    b->len += dtoa_java(v, buf_reserve(b, DTOA_MAX));
}

/* ---- parsing doubles ---- */

static double assemble(uint64_t mantissa, int biased)
{
    uint64_t bits = mantissa | (uint64_t)biased << 52;
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

/* Lemire's algorithm for w > 0; false where 128 bits of the power do not decide. */
static bool eisel_lemire(uint64_t w, int q, double *out)
{
    if (q < DTOA_POWER_MIN) {
        *out = 0;
        return true;
    }
    if (q > 308) {
        *out = INFINITY;
        return true;
    }
    int lz = __builtin_clzll(w);
    w <<= lz;
    dtoa_power g = dtoa_powers[q - DTOA_POWER_MIN];
    unsigned __int128 product = (unsigned __int128)w * g.hi;
    uint64_t hi = (uint64_t)(product >> 64), lo = (uint64_t)product;
    if ((hi & 0x1ff) == 0x1ff) {
        uint64_t more = mul_high(w, g.lo);
        lo += more;
        hi += lo < more;
    }
    if (lo == UINT64_MAX && (q < -27 || q > DTOA_POWER_EXACT_MAX)) return false;
    int upper = (int)(hi >> 63);
    uint64_t mantissa = hi >> (upper + 9);
    int power = (((152170 + 65536) * q) >> 16) + 63 + upper - lz + 1023;
    if (power <= 0) {
        if (1 - power >= 64) {
            *out = 0;
            return true;
        }
        mantissa >>= 1 - power;
        mantissa += mantissa & 1;
        mantissa >>= 1;
        /* Rounding up to 2^52 makes it the smallest normal number: its bit is the exponent's. */
        *out = assemble(mantissa, 0);
        return true;
    }
    /* Exactly half way: round to even. */
    if (lo <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << (upper + 9) == hi) mantissa &= ~UINT64_C(1);
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= UINT64_C(1) << 53) {
        mantissa = UINT64_C(1) << 52;
        power++;
    }
    *out = power >= 0x7ff ? INFINITY : assemble(mantissa & ~(UINT64_C(1) << 52), power);
    return true;
}

bool dtoa_from_parts(uint64_t mantissa, int exponent, bool truncated, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!truncated) {
        if (mantissa == 0) {
            *out = 0;
            return true;
        }
        if (mantissa <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
            *out = exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];
            return true;
        }
        return eisel_lemire(mantissa, exponent, out);
    }
    double above;
    return mantissa != UINT64_MAX && eisel_lemire(mantissa, exponent, out) &&
           eisel_lemire(mantissa + 1, exponent, &above) && above == *out;
}

static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    check(c_locale != (locale_t)0);
}

/* The text is checked already; strtod is correctly rounded in glibc. In the C locale, whatever a prompt has set. */
static double parse_with_libc(str s)
{
    check(pthread_once(&c_locale_once, make_c_locale) == 0);
    char small[128];
    char *z = s.n < sizeof small ? small : malloc(s.n + 1);
    check(z != NULL);
    memcpy(z, s.p, s.n);
    z[s.n] = 0;
    double v = strtod_l(z, NULL, c_locale);
    if (z != small) free(z);
    return v;
}

bool dtoa_parse(str s, double *out)
{
    const char *p = s.p, *end = s.p + s.n;
    if (s.n == 0) return false;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    int significant = 0;
    bool any = false, point = false, truncated = false;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit <= 9) {
            any = true;
            if (significant < 19) {
                mantissa = mantissa * 10 + digit;
                significant += mantissa != 0;
                exponent -= point;
            } else {
                truncated |= digit != 0;
                exponent += !point;
            }
        } else if (*p == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (!any) return false;
    if (p < end && (*p | 32) == 'e') {
        p++;
        bool minus = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        if (p == end) return false;
        int64_t e = 0;
        for (; p < end && (unsigned char)(*p - '0') <= 9; p++)
            if (e < INT32_MAX / 16) e = e * 10 + (*p - '0');
        exponent += minus ? -e : e;
    }
    if (p != end) return false;
    if (exponent > 100000 || exponent < -100000) exponent = exponent > 0 ? 100000 : -100000;
    double v;
    if (!dtoa_from_parts(mantissa, (int)exponent, truncated, &v)) v = fabs(parse_with_libc(s));
    *out = negative ? -v : v;
    return true;
}
