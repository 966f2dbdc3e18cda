#include "base/decimal.h"

#include "base/check.h"

typedef unsigned __int128 magnitude;

#define E19 ((decimal)10000000000000000000u)

static const decimal powers[DECIMAL_PRECISION_MAX + 1] = {1,
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
                                                          E19,
                                                          E19 * 10,
                                                          E19 * 100,
                                                          E19 * 1000,
                                                          E19 * 10000,
                                                          E19 * 100000,
                                                          E19 * 1000000,
                                                          E19 * 10000000,
                                                          E19 * 100000000,
                                                          E19 * 1000000000,
                                                          E19 * 10000000000,
                                                          E19 * 100000000000,
                                                          E19 * 1000000000000,
                                                          E19 * 10000000000000,
                                                          E19 * 100000000000000,
                                                          E19 * 1000000000000000,
                                                          E19 * 10000000000000000,
                                                          E19 * 100000000000000000,
                                                          E19 * 1000000000000000000,
                                                          E19 *E19};

const char *decimal_status_text(decimal_status s)
{
    switch (s) {
    case DECIMAL_OK: return "ok";
    case DECIMAL_OVERFLOW: return "decimal overflow";
    case DECIMAL_INEXACT: return "rounding would be necessary";
    case DECIMAL_DIV_ZERO: return "division by zero";
    case DECIMAL_MALFORMED: return "not a decimal number";
    }
    check_unreachable();
}

static inline int max_int(int a, int b)
{
    return a > b ? a : b;
}

static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

decimal_type decimal_type_add(decimal_type a, decimal_type b)
{
    int scale = max_int(a.scale, b.scale);
    return (decimal_type){scale + max_int(a.precision - a.scale, b.precision - b.scale) + 1, scale};
}

decimal_type decimal_type_sub(decimal_type a, decimal_type b)
{
    return decimal_type_add(a, b);
}

decimal_type decimal_type_mul(decimal_type a, decimal_type b)
{
    return (decimal_type){a.precision + b.precision + 1, a.scale + b.scale};
}

decimal_type decimal_type_div(decimal_type a, decimal_type b)
{
    int scale = max_int(6, a.scale + b.precision + 1);
    return (decimal_type){a.precision - a.scale + b.scale + scale, scale};
}

decimal_type decimal_type_mod(decimal_type a, decimal_type b)
{
    int scale = max_int(a.scale, b.scale);
    return (decimal_type){min_int(a.precision - a.scale, b.precision - b.scale) + scale, scale};
}

decimal_type decimal_type_widen(decimal_type a, decimal_type b)
{
    int scale = max_int(a.scale, b.scale);
    return (decimal_type){max_int(a.precision - a.scale, b.precision - b.scale) + scale, scale};
}

bool decimal_type_fits(decimal_type from, decimal_type to)
{
    return from.scale <= to.scale && from.precision - from.scale <= to.precision - to.scale;
}

decimal decimal_pow10(int n)
{
    check(n >= 0 && n <= DECIMAL_PRECISION_MAX);
    return powers[n];
}

static inline magnitude absolute(decimal v)
{
    return v < 0 ? 0 - (magnitude)v : (magnitude)v;
}

bool decimal_fits(decimal v, int precision)
{
    return precision > 0 && absolute(v) < (magnitude)powers[min_int(precision, DECIMAL_PRECISION_MAX)];
}

int decimal_digits(decimal v)
{
    magnitude m = absolute(v);
    uint64_t hi = (uint64_t)(m >> 64), lo = (uint64_t)m;
    int bits = hi ? 128 - __builtin_clzll(hi) : 64 - __builtin_clzll(lo | 1);
    int guess = (bits * 1233) >> 12;
    if (guess > DECIMAL_PRECISION_MAX) return guess;
    return guess + (guess == 0 || m >= (magnitude)powers[guess]);
}

/* v * 10^k; false, and *out as it was, beyond 38 digits. */
static inline bool scale_up(decimal v, int k, decimal *out)
{
    if (v == 0) {
        *out = 0;
        return true;
    }
    decimal r;
    if (k > DECIMAL_PRECISION_MAX || __builtin_mul_overflow(v, powers[k], &r)) return false;
    if (!decimal_fits(r, DECIMAL_PRECISION_MAX)) return false;
    *out = r;
    return true;
}

/* Whether the cut-off part (twice: -1 below, 0 at, 1 above one half) moves the quotient away from zero. */
static bool rounds_away(decimal_rounding mode, bool negative, int half)
{
    switch (mode) {
    case DECIMAL_HALF_UP: return half >= 0;
    case DECIMAL_KSQL: return negative ? half > 0 : half >= 0;
    case DECIMAL_FLOOR: return negative;
    case DECIMAL_CEILING: return !negative;
    case DECIMAL_DOWN:
    case DECIMAL_UNNECESSARY: return false;
    }
    check_unreachable();
}

/* v / 10^k for k > 0, by mode. */
static decimal_status scale_down(decimal v, int k, decimal_rounding mode, decimal *out)
{
    decimal q = 0, r = v;
    int half = -1;
    if (k <= DECIMAL_PRECISION_MAX) {
        q = v / powers[k];
        r = v - q * powers[k];
        magnitude m = absolute(r), middle = (magnitude)powers[k] / 2;
        half = m > middle ? 1 : m == middle ? 0 : -1;
    }
    if (r != 0) {
        if (mode == DECIMAL_UNNECESSARY) return DECIMAL_INEXACT;
        if (rounds_away(mode, v < 0, half)) q += v < 0 ? -1 : 1;
    }
    *out = q;
    return DECIMAL_OK;
}

decimal_status decimal_rescale(decimal v, int from_scale, int to_scale, decimal_rounding mode, decimal *out)
{
    decimal r;
    if (to_scale == from_scale) {
        *out = v;
        return DECIMAL_OK;
    }
    if (to_scale < from_scale) return scale_down(v, from_scale - to_scale, mode, out);
    if (!scale_up(v, to_scale - from_scale, &r)) return DECIMAL_OVERFLOW;
    *out = r;
    return DECIMAL_OK;
}

/* The end of every operator: the exact result in the scale and precision of its type. */
static decimal_status finish(decimal v, int scale, decimal_type type, decimal *out)
{
    decimal r;
    decimal_status s = decimal_rescale(v, scale, type.scale, DECIMAL_UNNECESSARY, &r);
    if (s != DECIMAL_OK) return s;
    if (!decimal_fits(r, type.precision)) return DECIMAL_OVERFLOW;
    *out = r;
    return DECIMAL_OK;
}

/* Brings both to the larger scale. */
static inline bool align(decimal *a, int scale_a, decimal *b, int scale_b)
{
    if (scale_a == scale_b) return true;
    return scale_a < scale_b ? scale_up(*a, scale_b - scale_a, a) : scale_up(*b, scale_a - scale_b, b);
}

decimal_status decimal_add(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out)
{
    decimal r;
    if (!align(&a, scale_a, &b, scale_b) || __builtin_add_overflow(a, b, &r)) return DECIMAL_OVERFLOW;
    return finish(r, max_int(scale_a, scale_b), type, out);
}

decimal_status decimal_sub(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out)
{
    decimal r;
    if (!align(&a, scale_a, &b, scale_b) || __builtin_sub_overflow(a, b, &r)) return DECIMAL_OVERFLOW;
    return finish(r, max_int(scale_a, scale_b), type, out);
}

decimal_status decimal_mul(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out)
{
    decimal r;
    if (__builtin_mul_overflow(a, b, &r)) return DECIMAL_OVERFLOW;
    return finish(r, scale_a + scale_b, type, out);
}

/*
 * a * 10^e / b where a * 10^e has more than 38 digits. In lowest terms the quotient terminates only when b is
 * 2^x * 5^y with x, y <= e; then it is a * 2^(e-x) * 5^(e-y).
 */
static decimal_status divide_wide(decimal a, decimal b, int e, decimal *out)
{
    magnitude x = absolute(a), y = absolute(b), m = x, n = y;
    while (n != 0) {
        magnitude t = m % n;
        m = n;
        n = t;
    }
    x /= m;
    y /= m;
    int twos = 0, fives = 0;
    for (; (y & 1) == 0; y >>= 1) twos++;
    for (; y % 5 == 0; y /= 5) fives++;
    if (y != 1 || twos > e || fives > e) return DECIMAL_INEXACT;
    decimal r = (decimal)x;
    for (int i = twos; i < e; i++)
        if (__builtin_mul_overflow(r, (decimal)2, &r)) return DECIMAL_OVERFLOW;
    for (int i = fives; i < e; i++)
        if (__builtin_mul_overflow(r, (decimal)5, &r)) return DECIMAL_OVERFLOW;
    *out = (a < 0) != (b < 0) ? -r : r;
    return DECIMAL_OK;
}

decimal_status decimal_div(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out)
{
    if (b == 0) return DECIMAL_DIV_ZERO;
    decimal wide, r;
    int e = type.scale - scale_a + scale_b;
    if (e < 0) {
        /* The divisor takes the powers instead; one that overflows leaves less than a unit of the result. */
        if (!scale_up(b, -e, &b)) return a == 0 ? finish(0, 0, type, out) : DECIMAL_INEXACT;
        e = 0;
    }
    if (scale_up(a, e, &wide)) {
        r = wide / b;
        if (r * b != wide) return DECIMAL_INEXACT;
    } else {
        decimal_status s = divide_wide(a, b, e, &r);
        if (s != DECIMAL_OK) return s;
    }
    return finish(r, type.scale, type, out);
}

decimal_status decimal_mod(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out)
{
    if (b == 0) return DECIMAL_DIV_ZERO;
    if (!align(&a, scale_a, &b, scale_b)) return DECIMAL_OVERFLOW;
    decimal q = a / b, r = a - q * b;
    int surplus = decimal_digits(q) - type.precision;
    if (surplus > 0 && q % powers[min_int(surplus, DECIMAL_PRECISION_MAX)] != 0) return DECIMAL_OVERFLOW;
    return finish(r, max_int(scale_a, scale_b), type, out);
}

decimal_status decimal_round(decimal v, int scale, int places, decimal_rounding mode, decimal *out)
{
    decimal q, r;
    if (places >= scale) {
        *out = v;
        return DECIMAL_OK;
    }
    /* Beyond 1000 places every value is far below one half of the unit, as it is at 1000. */
    if (places < scale - 1000) places = scale - 1000;
    decimal_status s = scale_down(v, scale - places, mode, &q);
    if (s != DECIMAL_OK) return s;
    if (!scale_up(q, scale - places, &r)) return DECIMAL_OVERFLOW;
    *out = r;
    return DECIMAL_OK;
}

/* KSQL's ensureMax: |v| < 10^(precision - scale). */
static bool below_maximum(decimal v, int scale, decimal_type type)
{
    int digits = type.precision - type.scale + scale;
    return v == 0 || digits > DECIMAL_PRECISION_MAX || (digits >= 0 && absolute(v) < (magnitude)powers[digits]);
}

decimal_status decimal_cast(decimal v, int scale, decimal_type type, decimal *out)
{
    if (!below_maximum(v, scale, type)) return DECIMAL_OVERFLOW;
    return decimal_rescale(v, scale, type.scale, DECIMAL_HALF_UP, out);
}

decimal_status decimal_fit(decimal v, int scale, decimal_type type, decimal *out)
{
    if (!below_maximum(v, scale, type)) return DECIMAL_OVERFLOW;
    return decimal_rescale(v, scale, type.scale, DECIMAL_UNNECESSARY, out);
}

int decimal_cmp(decimal a, int scale_a, decimal b, int scale_b)
{
    /* A value that overflows when scaled up is larger in magnitude than any that does not need it. */
    if (scale_a < scale_b) {
        if (!scale_up(a, scale_b - scale_a, &a)) return a < 0 ? -1 : 1;
    } else if (scale_b < scale_a) {
        if (!scale_up(b, scale_a - scale_b, &b)) return b < 0 ? 1 : -1;
    }
    return a < b ? -1 : a > b;
}

decimal_status decimal_from_i64(int64_t v, decimal_type type, decimal *out)
{
    return decimal_fit(v, 0, type, out);
}

int64_t decimal_to_i64(decimal v, int scale)
{
    if (scale > 0) v = scale > DECIMAL_PRECISION_MAX ? 0 : v / powers[scale];
    return (int64_t)(uint64_t)(magnitude)v;
}

size_t decimal_to_bytes(decimal v, uint8_t out[16])
{
    size_t n = 16;
    while (n > 1) {
        decimal rest = v >> ((n - 1) * 8 - 1);
        if (rest != 0 && rest != -1) break;
        n--;
    }
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)((magnitude)v >> (n - 1 - i) * 8);
    return n;
}

decimal_status decimal_from_bytes(const void *p, size_t n, decimal *out)
{
    const uint8_t *b = p;
    if (n == 0) return DECIMAL_MALFORMED;
    uint8_t sign = b[0] & 0x80 ? 0xff : 0;
    while (n > 16 && b[0] == sign) {
        b++;
        n--;
    }
    if (n > 16 || (b[0] & 0x80) != (sign & 0x80)) return DECIMAL_OVERFLOW;
    magnitude v = sign ? ~(magnitude)0 : 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | b[i];
    if (!decimal_fits((decimal)v, DECIMAL_PRECISION_MAX)) return DECIMAL_OVERFLOW;
    *out = (decimal)v;
    return DECIMAL_OK;
}
