/* Decimals from and to text and doubles. */
#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "base/decimal.h"
#include "base/dtoa.h"

/* The parts of a number text: digits with an optional point among them, and a power of ten. */
typedef struct number {
    const char *digits, *end; /* includes the point */
    int64_t whole; /* digits in front of the point */
    int64_t fraction; /* digits behind it */
    int64_t exponent;
    bool negative;
} number;

static bool split_exponent(const char *p, const char *end, int64_t *out)
{
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end) return false;
    int64_t e = 0;
    for (; p < end; p++) {
        if ((unsigned char)(*p - '0') > 9) return false;
        /* BigDecimal takes exponents of an int. */
        e = e * 10 + (*p - '0');
        if (e > INT32_MAX) return false;
    }
    *out = minus ? -e : e;
    return true;
}

/* BigDecimal(String)'s grammar. */
static bool split_number(str s, number *n)
{
    const char *p = s.p, *end = s.p + s.n;
    *n = (number){0};
    if (p < end && (*p == '-' || *p == '+')) n->negative = *p++ == '-';
    n->digits = p;
    while (p < end && (unsigned char)(*p - '0') <= 9) p++;
    n->whole = p - n->digits;
    if (p < end && *p == '.') {
        const char *point = p++;
        while (p < end && (unsigned char)(*p - '0') <= 9) p++;
        n->fraction = p - point - 1;
    }
    n->end = p;
    if (n->whole + n->fraction == 0) return false;
    return p == end || ((*p | 32) == 'e' && split_exponent(p + 1, end, &n->exponent));
}

/* What lies behind the last digit kept: nothing, below one half, one half, above; as rounding wants to know it. */
typedef struct tail {
    bool any;
    int half;
} tail;

static decimal apply_tail(decimal v, bool negative, tail t, decimal_rounding mode)
{
    bool away = false;
    if (t.any) {
        away = mode == DECIMAL_HALF_UP ? t.half >= 0
               : mode == DECIMAL_KSQL  ? (negative ? t.half > 0 : t.half >= 0)
               : mode == DECIMAL_FLOOR ? negative
                                       : mode == DECIMAL_CEILING && !negative;
    }
    return v + away;
}

decimal_status decimal_parse(str s, decimal_type type, decimal_rounding mode, decimal *out)
{
    number n;
    if (!split_number(s, &n)) return DECIMAL_MALFORMED;
    int64_t limit = type.precision - type.scale; /* the first significant digit must lie below 10^limit */
    if (limit > DECIMAL_PRECISION_MAX - type.scale) limit = DECIMAL_PRECISION_MAX - type.scale;
    int64_t position = n.whole - 1 + n.exponent; /* the power of ten of the digit at p */
    decimal v = 0;
    uint64_t low = 0; /* the latest digits, up to 18 of them, so that most numbers need no 128-bit product */
    int pending = 0;
    tail t = {false, -1};
    for (const char *p = n.digits; p < n.end; p++) {
        if (*p == '.') continue;
        unsigned digit = (unsigned char)(*p - '0');
        if (position >= -type.scale) {
            if (digit != 0 && position >= limit && v == 0 && low == 0) return DECIMAL_OVERFLOW;
            low = low * 10 + digit;
            if (v != 0 || low != 0) pending++;
            if (pending == 18) {
                v = v * decimal_pow10(18) + low;
                low = 0;
                pending = 0;
            }
        } else if (digit != 0) {
            /* Only the first digit behind the last place can make one half or more. */
            if (position == -type.scale - 1)
                t.half = digit > 5 ? 1 : digit == 5 ? 0 : -1;
            else if (t.half == 0)
                t.half = 1;
            t.any = true;
        }
        position--;
    }
    v = v * decimal_pow10(pending) + low;
    if (t.any && mode == DECIMAL_UNNECESSARY) return DECIMAL_INEXACT;
    v = apply_tail(v, n.negative, t, mode);
    /* The text ended above the last place: "1E3". The first digit's place was checked, so this cannot overflow. */
    int64_t missing = position + 1 + type.scale;
    if (missing > 0 && v != 0) v *= decimal_pow10((int)missing);
    if (!decimal_fits(v, DECIMAL_PRECISION_MAX)) return DECIMAL_OVERFLOW;
    *out = n.negative ? -v : v;
    return DECIMAL_OK;
}

decimal_status decimal_parse_natural(str s, decimal *out, decimal_type *type)
{
    number n;
    if (!split_number(s, &n)) return DECIMAL_MALFORMED;
    int64_t scale = n.fraction - n.exponent;
    if (scale < 0) scale = 0;
    if (scale >= DECIMAL_PRECISION_MAX) return DECIMAL_OVERFLOW; /* a value below one needs scale + 1 digits */
    decimal v;
    decimal_type widest = {DECIMAL_PRECISION_MAX, (int)scale};
    decimal_status status = decimal_parse(s, widest, DECIMAL_UNNECESSARY, &v);
    if (status != DECIMAL_OK) return status;
    bool below_one = v < decimal_pow10((int)scale) && -v < decimal_pow10((int)scale);
    *type = (decimal_type){below_one ? (int)scale + 1 : decimal_digits(v), (int)scale};
    *out = v;
    return DECIMAL_OK;
}

/* Writes the digits of v so that they end before `end`, at least `least` of them; returns the first. */
static char *put_digits(char *end, uint64_t v, int least)
{
    char *p = end;
    while (v != 0) {
        *--p = (char)('0' + v % 10);
        v /= 10;
    }
    while (end - p < least) *--p = '0';
    return p;
}

size_t decimal_format(decimal v, int scale, char out[DECIMAL_TEXT_MAX])
{
    check(scale >= 0 && scale <= 128);
    unsigned __int128 m = v < 0 ? 0 - (unsigned __int128)v : (unsigned __int128)v;
    char digits[200], *end = digits + sizeof digits, *p;
    const uint64_t e19 = UINT64_C(10000000000000000000);
    if (m <= UINT64_MAX) {
        p = put_digits(end, (uint64_t)m, scale + 1);
    } else {
        unsigned __int128 high = m / e19;
        p = put_digits(end, (uint64_t)(m - high * e19), 19);
        uint64_t top = (uint64_t)(high / e19);
        p = put_digits(p, (uint64_t)(high - (unsigned __int128)top * e19), top ? 19 : 0);
        p = put_digits(p, top, 0);
        while (end - p < scale + 1) *--p = '0';
    }
    char *o = out;
    if (v < 0) *o++ = '-';
    size_t whole = (size_t)(end - p) - (size_t)scale;
    memcpy(o, p, whole);
    o += whole;
    if (scale > 0) {
        *o++ = '.';
        memcpy(o, p + whole, (size_t)scale);
        o += scale;
    }
    return (size_t)(o - out);
}

void decimal_put(buf *b, decimal v, int scale)
{
    b->len += decimal_format(v, scale, buf_reserve(b, DECIMAL_TEXT_MAX));
}

double decimal_to_f64(decimal v, int scale)
{
    unsigned __int128 m = v < 0 ? 0 - (unsigned __int128)v : (unsigned __int128)v;
    double d;
    if (m > UINT64_MAX || !dtoa_from_parts((uint64_t)m, -scale, false, &d)) {
        char text[DECIMAL_TEXT_MAX];
        check(dtoa_parse(str_of(text, decimal_format(v < 0 ? -v : v, scale, text)), &d));
    }
    return v < 0 ? -d : d;
}

/* Significant digits of a binary value: value = (digits and what follows `next`) * 10^-scale. */
typedef struct leading {
    decimal digits;
    unsigned next; /* the digit behind them */
    int scale;
} leading;

/* The same for values below 2^-68: every digit of the binary value by the C library, which prints them exactly. */
static leading leading_of_tiny(double v, int want)
{
    char text[800];
    snprintf(text, sizeof text, "%.770e", v);
    char *e = strchr(text, 'e');
    int64_t exponent;
    check(e && str_to_i64(str_z(e[1] == '+' ? e + 2 : e + 1), &exponent));
    leading r = {.scale = want - 1 - (int)exponent};
    const char *p = text;
    for (int have = 0; have < want; p++) {
        if (*p < '0' || *p > '9') continue;
        r.digits = r.digits * 10 + (*p - '0');
        have++;
    }
    r.next = (unsigned)(*p == '.' ? p[1] : *p) - '0';
    return r;
}

/* The first `want` digits of 0 < v < 10^38, cut from the exact value and not rounded; fewer when it ends before. */
static leading leading_digits(double v, int want)
{
    int q;
    uint64_t c = (uint64_t)ldexp(frexp(v, &q), 53);
    q -= 53;
    if (q < -120) return leading_of_tiny(v, want);
    leading r = {.digits = q >= 0 ? (decimal)c << q : -q >= 64 ? 0 : (decimal)(c >> -q)};
    int have = r.digits ? decimal_digits(r.digits) : 0;
    if (have > want) {
        r.scale = want - have;
        r.next = (unsigned)(r.digits / decimal_pow10(have - want - 1) % 10);
        r.digits /= decimal_pow10(have - want);
        return r;
    }
    if (q >= 0) return r;
    /* What is left is a multiple of 2^q and below one; ten times that stays within 124 bits. */
    unsigned __int128 fraction = (unsigned __int128)c - ((unsigned __int128)r.digits << -q);
    while (fraction != 0) {
        fraction *= 10;
        r.next = (unsigned)(fraction >> -q);
        fraction -= (unsigned __int128)r.next << -q;
        if (have == want) return r;
        r.digits = r.digits * 10 + r.next;
        r.scale++;
        have += r.digits != 0;
    }
    r.next = 0;
    return r;
}

decimal_status decimal_from_f64(double v, decimal_type type, decimal *out)
{
    if (!isfinite(v)) return DECIMAL_MALFORMED;
    if (v == 0) {
        *out = 0;
        return DECIMAL_OK;
    }
    if (fabs(v) >= 1e38) return DECIMAL_OVERFLOW;
    leading l =
        leading_digits(fabs(v), type.precision < DECIMAL_PRECISION_MAX ? type.precision : DECIMAL_PRECISION_MAX);
    decimal r = l.digits + (l.next >= 5);
    if (!decimal_fits(r, DECIMAL_PRECISION_MAX)) {
        r /= 10;
        l.scale--;
    }
    if (v < 0) r = -r;
    if (l.scale < 0) {
        decimal_status s = decimal_rescale(r, l.scale, 0, DECIMAL_UNNECESSARY, &r);
        if (s != DECIMAL_OK) return s;
        l.scale = 0;
    }
    return decimal_cast(r, l.scale, type, out);
}
