/*
 * Numeric functions: absolute values, rounding, powers, logarithms, distances. Results are Java's, bit by bit where
 * exact.
 */
#include <math.h>

#include "base/check.h"
#include "base/dtoa.h"
#include "engine/func/table.h"

/* A numeric argument as a double. */
static double number(const func_call *c, const value *args, int i)
{
    switch (c->arg_types[i]->kind) {
    case TYPE_INT: return args[i].i;
    case TYPE_BIGINT: return (double)args[i].l;
    default: return args[i].d;
    }
}

static bool decimal_done(func_call *c, decimal_status status)
{
    return status == DECIMAL_OK || func_fail(c, "%s", decimal_status_text(status));
}

static bool fn_identity(func_call *c, const value *args, int count, value *out)
{
    *out = args[0];
    return true;
}

/* Math.abs leaves the smallest integer as it is. */
static bool fn_abs(func_call *c, const value *args, int count, value *out)
{
    value v = args[0];
    switch (c->type->kind) {
    case TYPE_INT: return func_int(out, v.i < 0 ? (int32_t)(0 - (uint32_t)v.i) : v.i);
    case TYPE_BIGINT: return func_bigint(out, v.l < 0 ? (int64_t)(0 - (uint64_t)v.l) : v.l);
    case TYPE_DOUBLE: return func_double(out, fabs(v.d));
    default: *out = (value){.dec = v.dec < 0 ? -v.dec : v.dec}; return true;
    }
}

static void abs_doubles(const vec *const *args, vec *out, const uint16_t *rows, uint32_t n)
{
    const double *a = args[0]->d;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = rows ? rows[k] : k;
        out->d[i] = fabs(a[i]);
    }
}

static bool fn_ceil(func_call *c, const value *args, int count, value *out)
{
    if (c->type->kind == TYPE_DOUBLE) return func_double(out, ceil(args[0].d));
    out->null = false;
    return decimal_done(c, decimal_round(args[0].dec, c->type->scale, 0, DECIMAL_CEILING, &out->dec));
}

static bool fn_floor(func_call *c, const value *args, int count, value *out)
{
    if (c->type->kind == TYPE_DOUBLE) return func_double(out, floor(args[0].d));
    out->null = false;
    return decimal_done(c, decimal_round(args[0].dec, c->type->scale, 0, DECIMAL_FLOOR, &out->dec));
}

static int64_t saturate(double d)
{
    if (d != d) return 0;
    if (d >= 9223372036854775808.0) return INT64_MAX;
    if (d <= -9223372036854775808.0) return INT64_MIN;
    return (int64_t)d;
}

static bool fn_widen(func_call *c, const value *args, int count, value *out)
{
    return func_bigint(out, c->arg_types[0]->kind == TYPE_INT ? args[0].i : args[0].l);
}

/* Math.round: ties toward positive infinity. */
static bool fn_round_double(func_call *c, const value *args, int count, value *out)
{
    double d = args[0].d, low = floor(d);
    return func_bigint(out, saturate(d - low >= 0.5 ? low + 1 : low));
}

static bool fn_trunc_double(func_call *c, const value *args, int count, value *out)
{
    return func_bigint(out, saturate(args[0].d));
}

/*
 * Rounds the shortest decimal text of d (BigDecimal.valueOf) to `places` behind the point: ties toward positive
 * infinity, or everything toward zero.
 */
static bool round_places(func_call *c, double d, int places, bool down, value *out)
{
    if (!isfinite(d))
        return func_fail(c, "Character N is neither a decimal digit number, decimal point, nor exponent mark.");
    if (d == 0) return func_double(out, 0);
    int exponent;
    uint64_t digits = dtoa_shortest(fabs(d), &exponent);
    int64_t drop = -(int64_t)exponent - places;
    if (drop <= 0) return func_double(out, d);
    if (drop > 18) return func_double(out, 0);
    uint64_t unit = 1;
    for (int64_t i = 0; i < drop; i++) unit *= 10;
    uint64_t kept = digits / unit, rest = digits % unit;
    bool up = rest > unit / 2 || (rest == unit / 2 && d > 0);
    kept += !down && up;
    double result = 0;
    if (kept) check(dtoa_from_parts(kept, exponent + (int)drop, false, &result));
    return func_double(out, d < 0 && result != 0 ? -result : result);
}

static bool fn_round_places(func_call *c, const value *args, int count, value *out)
{
    return round_places(c, args[0].d, args[1].i, false, out);
}

static bool fn_trunc_places(func_call *c, const value *args, int count, value *out)
{
    return round_places(c, args[0].d, args[1].i, true, out);
}

static bool fn_round_decimal(func_call *c, const value *args, int count, value *out)
{
    out->null = false;
    int scale = c->arg_types[0]->scale;
    if (count == 1) return decimal_done(c, decimal_rescale(args[0].dec, scale, 0, DECIMAL_KSQL, &out->dec));
    return decimal_done(c, decimal_round(args[0].dec, scale, args[1].i, DECIMAL_KSQL, &out->dec));
}

static bool fn_trunc_decimal(func_call *c, const value *args, int count, value *out)
{
    out->null = false;
    int scale = c->arg_types[0]->scale;
    if (count == 1) return decimal_done(c, decimal_rescale(args[0].dec, scale, 0, DECIMAL_DOWN, &out->dec));
    return decimal_done(c, decimal_round(args[0].dec, scale, args[1].i, DECIMAL_DOWN, &out->dec));
}

/* DECIMAL(p, s) without its fraction. */
static const type *without_scale(arena *a, const type *const *args, int count)
{
    return type_decimal(a, args[0]->precision - args[0]->scale, 0);
}

static bool fn_sign(func_call *c, const value *args, int count, value *out)
{
    double d = number(c, args, 0);
    return func_int(out, (d > 0) - (d < 0));
}

static bool fn_log(func_call *c, const value *args, int count, value *out)
{
    if (count == 1) return func_double(out, log(number(c, args, 0)));
    double base = number(c, args, 0);
    if (base <= 0 || base == 1) return func_double(out, NAN);
    return func_double(out, log(number(c, args, 1)) / log(base));
}

/* Math.pow differs from C's where the exponent is NaN or the base is 1 or -1 with an infinite exponent. */
static bool fn_power(func_call *c, const value *args, int count, value *out)
{
    double base = number(c, args, 0), exponent = number(c, args, 1);
    if (exponent != exponent) return func_double(out, NAN);
    if (fabs(base) == 1 && isinf(exponent)) return func_double(out, NAN);
    return func_double(out, pow(base, exponent));
}

static bool fn_pi(func_call *c, const value *args, int count, value *out)
{
    return func_double(out, M_PI);
}

static bool fn_random(func_call *c, const value *args, int count, value *out)
{
    return func_double(out, rng_unit(&c->env->random));
}

static bool unit_is(str unit, const char *const *names)
{
    for (; *names; names++) {
        if (str_ieq(unit, str_z(*names))) return true;
    }
    return false;
}

/* The haversine formula on a sphere of the Earth's mean radius. */
static bool fn_geo_distance(func_call *c, const value *args, int count, value *out)
{
    static const char *const miles[] = {"mi", "mile", "miles", NULL};
    static const char *const km[] = {"km", "kilometer", "kilometers", "kilometre", "kilometres", NULL};
    double lat1 = args[0].d, lon1 = args[1].d, lat2 = args[2].d, lon2 = args[3].d, radius = 6371;
    if (lat1 < -90 || lat1 > 90 || lat2 < -90 || lat2 > 90)
        return func_fail(
            c, "valid latitude values for GeoDistance function are in the range of -90 to 90 decimal degrees");
    if (lon1 < -180 || lon1 > 180 || lon2 < -180 || lon2 > 180)
        return func_fail(
            c, "valid longitude values for GeoDistance function are in the range of -180 to +180 decimal degrees");
    str unit = count == 5 && !args[4].null ? str_trim(args[4].s) : (str){0};
    if (unit.n > 0) {
        if (unit_is(unit, miles))
            radius = 3959;
        else if (!unit_is(unit, km))
            return func_fail(c,
                             "GeoDistance function units parameter must be one of [mi, mile, miles] or [km, kilometer, "
                             "kilometers, kilometre, kilometres]. Values are case-insensitive.");
    }
    const double to_radians = 0.017453292519943295;
    double s1 = sin((lat2 - lat1) * to_radians / 2), s2 = sin((lon2 - lon1) * to_radians / 2);
    double a = s1 * s1 + s2 * s2 * cos(lat1 * to_radians) * cos(lat2 * to_radians);
    return func_double(out, 2 * asin(sqrt(a)) * radius);
}

static const func_def def_abs[] = {
    FUNC("(val INT) INT", fn_abs),
    FUNC("(val BIGINT) BIGINT", fn_abs),
    FUNC("(val DOUBLE) DOUBLE", fn_abs, .vector = abs_doubles),
    FUNC("(val DECIMAL) DECIMAL", fn_abs, .rule = func_rule_first),
    {0},
};
static const func_def def_ceil[] = {
    FUNC("(val INT) INT", fn_identity),
    FUNC("(val BIGINT) BIGINT", fn_identity),
    FUNC("(val DOUBLE) DOUBLE", fn_ceil),
    FUNC("(val DECIMAL) DECIMAL", fn_ceil, .rule = func_rule_first),
    {0},
};
static const func_def def_floor[] = {
    FUNC("(val INT) INT", fn_identity),
    FUNC("(val BIGINT) BIGINT", fn_identity),
    FUNC("(val DOUBLE) DOUBLE", fn_floor),
    FUNC("(val DECIMAL) DECIMAL", fn_floor, .rule = func_rule_first),
    {0},
};
static const func_def def_round[] = {
    FUNC("(val BIGINT!) BIGINT", fn_widen),
    FUNC("(val INT!) BIGINT", fn_widen),
    FUNC("(val DOUBLE) BIGINT", fn_round_double),
    FUNC("(val DOUBLE, decimalPlaces INT) DOUBLE", fn_round_places),
    FUNC("(val DECIMAL) DECIMAL", fn_round_decimal, .rule = without_scale),
    FUNC("(val DECIMAL, decimalPlaces INT) DECIMAL", fn_round_decimal, .rule = func_rule_first),
    {0},
};
static const func_def def_trunc[] = {
    FUNC("(val BIGINT) BIGINT", fn_widen),
    FUNC("(val INT) BIGINT", fn_widen),
    FUNC("(val DOUBLE) BIGINT", fn_trunc_double),
    FUNC("(val DOUBLE, decimalPlaces INT) DOUBLE", fn_trunc_places),
    FUNC("(val DECIMAL) DECIMAL", fn_trunc_decimal, .rule = without_scale),
    FUNC("(val DECIMAL, decimalPlaces INT) DECIMAL", fn_trunc_decimal, .rule = func_rule_first),
    {0},
};
static const func_def def_sign[] = {
    FUNC("(value INT) INT", fn_sign), FUNC("(value BIGINT) INT", fn_sign), FUNC("(value DOUBLE) INT", fn_sign), {0}};
static const func_def def_log[] = {
    FUNC("(value INT) DOUBLE", fn_log),
    FUNC("(value BIGINT) DOUBLE", fn_log),
    FUNC("(value DOUBLE) DOUBLE", fn_log),
    FUNC("(base INT, value INT) DOUBLE", fn_log),
    FUNC("(base BIGINT, value BIGINT) DOUBLE", fn_log),
    FUNC("(base DOUBLE, value DOUBLE) DOUBLE", fn_log),
    {0},
};
static const func_def def_power[] = {
    FUNC("(base INT, exponent INT) DOUBLE", fn_power),
    FUNC("(base BIGINT, exponent BIGINT) DOUBLE", fn_power),
    FUNC("(base DOUBLE, exponent DOUBLE) DOUBLE", fn_power),
    {0},
};
static const func_def def_pi[] = {FUNC("() DOUBLE", fn_pi), {0}};
static const func_def def_random[] = {FUNC("() DOUBLE", fn_random, .flags = FUNC_IS_VOLATILE), {0}};
static const func_def def_geo[] = {
    FUNC("(lat1 DOUBLE!, lon1 DOUBLE!, lat2 DOUBLE!, lon2 DOUBLE!, units STRING) DOUBLE", fn_geo_distance,
         .flags = FUNC_SEES_NULLS),
    FUNC("(lat1 DOUBLE!, lon1 DOUBLE!, lat2 DOUBLE!, lon2 DOUBLE!) DOUBLE", fn_geo_distance),
    {0},
};

const func_name func_family_math[] = {
    {"Abs", FUNC_CATEGORY_MATHEMATICAL, "The absolute value of a number.", def_abs},
    {"Ceil", FUNC_CATEGORY_MATHEMATICAL, "The smallest whole number that is not below the argument.", def_ceil},
    {"Floor", FUNC_CATEGORY_MATHEMATICAL, "The largest whole number that is not above the argument.", def_floor},
    {"Round", FUNC_CATEGORY_MATHEMATICAL,
     "Rounds to a number of decimal places (default 0, may be negative). Ties are rounded up, toward positive "
     "infinity.",
     def_round},
    {"Trunc", FUNC_CATEGORY_MATHEMATICAL, "Cuts off what is behind a number of decimal places (default 0).", def_trunc},
    {"sign", FUNC_CATEGORY_MATHEMATICAL, "The sign of a number: 1, 0 or -1.", def_sign},
    {"log", FUNC_CATEGORY_MATHEMATICAL, "The natural logarithm, or that to the given base.", def_log},
    {"power", FUNC_CATEGORY_MATHEMATICAL, "The base raised to the exponent.", def_power},
    {"pi", FUNC_CATEGORY_MATHEMATICAL, "The number pi.", def_pi},
    {"random", FUNC_CATEGORY_MATHEMATICAL, "A random number from 0 (inclusive) to 1 (exclusive).", def_random},
    {"geo_distance", FUNC_CATEGORY_OTHER,
     "The great-circle distance of two points given as latitude and longitude in degrees, in kilometres or miles.",
     def_geo},
    {0},
};
