/*
 * Functions of one number that give a DOUBLE, for INT, BIGINT and DOUBLE alike, each with a loop over a DOUBLE
 * vector; and ATAN2.
 */
#include <math.h>

#include "base/check.h"
#include "engine/func/table.h"

static double number(const func_call *c, const value *args, int i)
{
    switch (c->arg_types[i]->kind) {
    case TYPE_INT: return args[i].i;
    case TYPE_BIGINT: return (double)args[i].l;
    default: return args[i].d;
    }
}

#define UNARY(NAME, EXPRESSION)                                                                                        \
    static bool fn_##NAME(func_call *c, const value *args, int count, value *out)                                      \
    {                                                                                                                  \
        double x = number(c, args, 0);                                                                                 \
        return func_double(out, EXPRESSION);                                                                           \
    }                                                                                                                  \
    static void vector_##NAME(const vec *const *args, vec *out, const uint16_t *rows, uint32_t n)                      \
    {                                                                                                                  \
        const double *a = args[0]->d;                                                                                  \
        for (uint32_t k = 0; k < n; k++) {                                                                             \
            uint32_t i = rows ? rows[k] : k;                                                                           \
            double x = a[i];                                                                                           \
            out->d[i] = EXPRESSION;                                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    static const func_def def_##NAME[] = {                                                                             \
        FUNC("(value INT) DOUBLE", fn_##NAME),                                                                         \
        FUNC("(value BIGINT) DOUBLE", fn_##NAME),                                                                      \
        FUNC("(value DOUBLE) DOUBLE", fn_##NAME, .vector = vector_##NAME),                                             \
        {0},                                                                                                           \
    };

UNARY(sqrt, sqrt(x))
/* cbrt of glibc misses exact cubes by one unit in the last place. */
UNARY(cbrt, (double)cbrtl(x))
UNARY(exp, exp(x))
UNARY(ln, log(x))
UNARY(sin, sin(x))
UNARY(cos, cos(x))
UNARY(tan, tan(x))
UNARY(asin, asin(x))
UNARY(acos, acos(x))
UNARY(atan, atan(x))
UNARY(sinh, sinh(x))
UNARY(cosh, cosh(x))
UNARY(tanh, tanh(x))
UNARY(cot, 1.0 / tan(x))
UNARY(degrees, x * 57.29577951308232)
UNARY(radians, x * 0.017453292519943295)

static bool fn_atan2(func_call *c, const value *args, int count, value *out)
{
    return func_double(out, atan2(number(c, args, 0), number(c, args, 1)));
}

static const func_def def_atan2[] = {
    FUNC("(y INT, x INT) DOUBLE", fn_atan2),
    FUNC("(y BIGINT, x BIGINT) DOUBLE", fn_atan2),
    FUNC("(y DOUBLE, x DOUBLE) DOUBLE", fn_atan2),
    {0},
};

const func_name func_family_trig[] = {
    {"sqrt", FUNC_CATEGORY_MATHEMATICAL, "The square root.", def_sqrt},
    {"cbrt", FUNC_CATEGORY_MATHEMATICAL, "The cube root.", def_cbrt},
    {"exp", FUNC_CATEGORY_MATHEMATICAL, "Euler's number raised to the argument.", def_exp},
    {"ln", FUNC_CATEGORY_MATHEMATICAL, "The natural logarithm.", def_ln},
    {"sin", FUNC_CATEGORY_MATHEMATICAL, "The sine of an angle in radians.", def_sin},
    {"cos", FUNC_CATEGORY_MATHEMATICAL, "The cosine of an angle in radians.", def_cos},
    {"tan", FUNC_CATEGORY_MATHEMATICAL, "The tangent of an angle in radians.", def_tan},
    {"asin", FUNC_CATEGORY_MATHEMATICAL, "The inverse sine, in radians.", def_asin},
    {"acos", FUNC_CATEGORY_MATHEMATICAL, "The inverse cosine, in radians.", def_acos},
    {"atan", FUNC_CATEGORY_MATHEMATICAL, "The inverse tangent, in radians.", def_atan},
    {"sinh", FUNC_CATEGORY_MATHEMATICAL, "The hyperbolic sine.", def_sinh},
    {"cosh", FUNC_CATEGORY_MATHEMATICAL, "The hyperbolic cosine.", def_cosh},
    {"tanh", FUNC_CATEGORY_MATHEMATICAL, "The hyperbolic tangent.", def_tanh},
    {"cot", FUNC_CATEGORY_MATHEMATICAL, "The cotangent of an angle in radians.", def_cot},
    {"degrees", FUNC_CATEGORY_MATHEMATICAL, "Converts radians to degrees.", def_degrees},
    {"radians", FUNC_CATEGORY_MATHEMATICAL, "Converts degrees to radians.", def_radians},
    {"atan2", FUNC_CATEGORY_MATHEMATICAL, "The angle of the point (x, y) in radians.", def_atan2},
    {0},
};
