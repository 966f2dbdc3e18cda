/*
 * base/decimal.h - DECIMAL(precision, scale) arithmetic on unscaled 128-bit integers, with KSQL's rules.
 *
 * A decimal is the unscaled value: 12.30 of DECIMAL(4, 2) is 1230. Precision and scale travel beside it, usually as
 * the type of a column. Stored values have at most 38 digits; result types follow KSQL's formulas and may say more,
 * values never do (DECIMAL_OVERFLOW). Nothing is rounded silently: what KSQL computes with
 * RoundingMode.UNNECESSARY answers DECIMAL_INEXACT instead. Pure functions, any thread; outputs are written only
 * on DECIMAL_OK.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

typedef __int128 decimal;

enum {
    DECIMAL_PRECISION_MAX = 38,
    DECIMAL_TEXT_MAX = 176, /* enough for decimal_format with any scale up to 128 */
};

/* A DECIMAL(precision, scale); valid with 1 <= precision and 0 <= scale <= precision. */
typedef struct decimal_type {
    int precision;
    int scale;
} decimal_type;

/* Why an operation has no result. In KSQL each of them makes the value NULL and logs. */
typedef enum decimal_status {
    DECIMAL_OK = 0,
    DECIMAL_OVERFLOW, /* more digits than the type or 38 allow */
    DECIMAL_INEXACT, /* would need rounding, which KSQL refuses here */
    DECIMAL_DIV_ZERO, /* division or remainder by zero */
    DECIMAL_MALFORMED, /* text that is not a number, NaN, an infinity */
} decimal_status;

/* Rounding modes as java.math.RoundingMode; DECIMAL_KSQL sends ties toward positive infinity, as KSQL's ROUND. */
typedef enum decimal_rounding {
    DECIMAL_UNNECESSARY,
    DECIMAL_HALF_UP,
    DECIMAL_DOWN,
    DECIMAL_FLOOR,
    DECIMAL_CEILING,
    DECIMAL_KSQL,
} decimal_rounding;

/* A short English text for a status, for the processing log. */
const char *decimal_status_text(decimal_status s);

/* Result types of the operators, as SqlDecimal computes them. The precision may exceed 38. */
decimal_type decimal_type_add(decimal_type a, decimal_type b);
/* The type of a - b: that of a + b. */
decimal_type decimal_type_sub(decimal_type a, decimal_type b);
/* The type of a * b. */
decimal_type decimal_type_mul(decimal_type a, decimal_type b);
/* The type of a / b. */
decimal_type decimal_type_div(decimal_type a, decimal_type b);
/* The type of a % b. */
decimal_type decimal_type_mod(decimal_type a, decimal_type b);
/* The smallest type that holds all values of both. */
decimal_type decimal_type_widen(decimal_type a, decimal_type b);
/* Whether every value of `from` is a value of `to` (KSQL's implicit cast rule). */
bool decimal_type_fits(decimal_type from, decimal_type to);

/* Types that INT and BIGINT have beside a DECIMAL. */
#define DECIMAL_TYPE_INT ((decimal_type){10, 0})
#define DECIMAL_TYPE_BIGINT ((decimal_type){19, 0})

/* 10^n for 0 <= n <= 38. */
decimal decimal_pow10(int n);

/* Whether |v| has at most `precision` digits. */
bool decimal_fits(decimal v, int precision);

/* Number of decimal digits of |v|; 1 for zero, as BigDecimal.precision. */
int decimal_digits(decimal v);

/*
 * The five operators: operands with their scales, `type` the operator's result type (above). The result has
 * type.scale. Division and products that do not terminate within the scale are DECIMAL_INEXACT.
 */
decimal_status decimal_add(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out);
/* a - b, see decimal_add. */
decimal_status decimal_sub(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out);
/* a * b, see decimal_add. */
decimal_status decimal_mul(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out);
/* a / b, see decimal_add. */
decimal_status decimal_div(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out);
/*
 * The remainder with the sign of a, see decimal_add. As BigDecimal.remainder with a MathContext it also refuses
 * (DECIMAL_OVERFLOW) when the integer quotient has more significant digits than type.precision.
 */
decimal_status decimal_mod(decimal a, int scale_a, decimal b, int scale_b, decimal_type type, decimal *out);

/* Changes the scale, rounding by mode; DECIMAL_OVERFLOW beyond 38 digits. */
decimal_status decimal_rescale(decimal v, int from_scale, int to_scale, decimal_rounding mode, decimal *out);

/*
 * Rounds to `places` digits behind the point (may be negative) and keeps the scale: KSQL's ROUND(d, n) and
 * TRUNC(d, n) with DECIMAL_KSQL and DECIMAL_DOWN.
 */
decimal_status decimal_round(decimal v, int scale, int places, decimal_rounding mode, decimal *out);

/* CAST(decimal AS type): HALF_UP, refused when |v| >= 10^(precision - scale) (before rounding, as KSQL checks). */
decimal_status decimal_cast(decimal v, int scale, decimal_type type, decimal *out);
/* The value in another type without any rounding: what formats do with a number that arrives. */
decimal_status decimal_fit(decimal v, int scale, decimal_type type, decimal *out);

/* Numeric comparison across scales: <0, 0, >0. */
int decimal_cmp(decimal a, int scale_a, decimal b, int scale_b);

/*
 * A number in BigDecimal's text forms ("-12.50", ".5", "5.", "1.25E-3") as a value of `type`, rounding by mode. Any
 * number of digits and any exponent is handled exactly. No white space is skipped.
 */
decimal_status decimal_parse(str s, decimal_type type, decimal_rounding mode, decimal *out);

/*
 * A number text with its own natural type, as DecimalUtil.fromValue: digits and fraction digits as written, a value
 * below one gets precision = scale + 1, a negative scale becomes 0.
 */
decimal_status decimal_parse_natural(str s, decimal *out, decimal_type *type);

/* The plain text with all digits of the scale into out, not terminated; returns the length. 0 <= scale <= 128. */
size_t decimal_format(decimal v, int scale, char out[DECIMAL_TEXT_MAX]);
/* The same appended to a buffer. */
void decimal_put(buf *b, decimal v, int scale);

/* CAST(int AS type). */
decimal_status decimal_from_i64(int64_t v, decimal_type type, decimal *out);

/*
 * CAST(double AS type): the exact binary value, rounded HALF_UP to `precision` significant digits and then HALF_UP to
 * the scale (new BigDecimal(d, new MathContext(p)).setScale(s, HALF_UP)).
 */
decimal_status decimal_from_f64(double v, decimal_type type, decimal *out);

/* The nearest double (BigDecimal.doubleValue). */
double decimal_to_f64(decimal v, int scale);

/* The fraction cut off, then the low 64 bits (BigDecimal.longValue); cast to int32_t for intValue. */
int64_t decimal_to_i64(decimal v, int scale);

/* Minimal big-endian two's complement, as Avro and Connect carry decimals; returns 1..16 bytes written. */
size_t decimal_to_bytes(decimal v, uint8_t out[16]);
/* The inverse; longer input is accepted when it is only sign extension. DECIMAL_MALFORMED for no bytes. */
decimal_status decimal_from_bytes(const void *p, size_t n, decimal *out);

#endif
