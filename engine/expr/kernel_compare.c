/*
 * Comparison loops: each writes the rows that pass, without a branch. NULLs were dropped before. DOUBLE follows KSQL:
 * equal is (a <= b && a >= b), unequal (a < b || a > b), so NaN is neither.
 */
#include "base/utf8.h"
#include "engine/expr/node.h"

#define LOOPS(NAME, T, B, TEST)                                                                                        \
    static uint32_t NAME(const void *pa, const void *pb, const uint16_t *rows, uint32_t n, uint16_t *out)              \
    {                                                                                                                  \
        const T *a = pa;                                                                                               \
        const T *b = pb;                                                                                               \
        uint32_t count = 0;                                                                                            \
        if (rows) {                                                                                                    \
            for (uint32_t k = 0; k < n; k++) {                                                                         \
                uint32_t i = rows[k];                                                                                  \
                T x = a[i], y = b[B];                                                                                  \
                out[count] = (uint16_t)i;                                                                              \
                count += (TEST);                                                                                       \
            }                                                                                                          \
        } else {                                                                                                       \
            for (uint32_t i = 0; i < n; i++) {                                                                         \
                T x = a[i], y = b[B];                                                                                  \
                out[count] = (uint16_t)i;                                                                              \
                count += (TEST);                                                                                       \
            }                                                                                                          \
        }                                                                                                              \
        return count;                                                                                                  \
    }

#define SHAPES(NAME, T, TEST)                                                                                          \
    LOOPS(NAME##_vv, T, i, TEST)                                                                                       \
    LOOPS(NAME##_vc, T, 0, TEST)

#define OPERATORS(NAME, T)                                                                                             \
    SHAPES(NAME##_eq, T, x == y)                                                                                       \
    SHAPES(NAME##_ne, T, x != y)                                                                                       \
    SHAPES(NAME##_lt, T, x < y)                                                                                        \
    SHAPES(NAME##_le, T, x <= y)                                                                                       \
    SHAPES(NAME##_gt, T, x > y)                                                                                        \
    SHAPES(NAME##_ge, T, x >= y)

static inline int order_bytes(str x, str y)
{
    return bytes_compare(x, y);
}

OPERATORS(bool8, uint8_t)
OPERATORS(int32, int32_t)
OPERATORS(int64, int64_t)
OPERATORS(dec, decimal)
SHAPES(f64_eq, double, (x <= y) & (x >= y))
SHAPES(f64_ne, double, (x < y) | (x > y))
SHAPES(f64_lt, double, x < y)
SHAPES(f64_le, double, x <= y)
SHAPES(f64_gt, double, x > y)
SHAPES(f64_ge, double, x >= y)
SHAPES(str_eq, str, str_eq(x, y))
SHAPES(str_ne, str, !str_eq(x, y))
SHAPES(str_lt, str, utf8_cmp16(x, y) < 0)
SHAPES(str_le, str, utf8_cmp16(x, y) <= 0)
SHAPES(str_gt, str, utf8_cmp16(x, y) > 0)
SHAPES(str_ge, str, utf8_cmp16(x, y) >= 0)
SHAPES(bin_lt, str, order_bytes(x, y) < 0)
SHAPES(bin_le, str, order_bytes(x, y) <= 0)
SHAPES(bin_gt, str, order_bytes(x, y) > 0)
SHAPES(bin_ge, str, order_bytes(x, y) >= 0)

#define ROW(NAME)                                                                                                      \
    {                                                                                                                  \
        {NAME##_eq_vv, NAME##_eq_vc}, {NAME##_ne_vv, NAME##_ne_vc}, {NAME##_lt_vv, NAME##_lt_vc},                      \
            {NAME##_le_vv, NAME##_le_vc}, {NAME##_gt_vv, NAME##_gt_vc}, {NAME##_ge_vv, NAME##_ge_vc},                  \
    }

compare_fn kernel_compare(type_kind kind, expr_op op, enum kernel_shape shape)
{
    static const compare_fn bools[6][2] = ROW(bool8);
    static const compare_fn ints[6][2] = ROW(int32);
    static const compare_fn longs[6][2] = ROW(int64);
    static const compare_fn decimals[6][2] = ROW(dec);
    static const compare_fn doubles[6][2] = ROW(f64);
    static const compare_fn strings[6][2] = ROW(str);
    static const compare_fn bytes[6][2] = {
        {str_eq_vv, str_eq_vc}, {str_ne_vv, str_ne_vc}, {bin_lt_vv, bin_lt_vc},
        {bin_le_vv, bin_le_vc}, {bin_gt_vv, bin_gt_vc}, {bin_ge_vv, bin_ge_vc},
    };
    check(op >= OP_EQ && op <= OP_GE && shape <= SHAPE_VC);
    int o = op - OP_EQ;
    switch (kind) {
    case TYPE_BOOLEAN: return bools[o][shape];
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: return ints[o][shape];
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return longs[o][shape];
    case TYPE_DECIMAL: return decimals[o][shape];
    case TYPE_DOUBLE: return doubles[o][shape];
    case TYPE_STRING: return strings[o][shape];
    case TYPE_BYTES: return bytes[o][shape];
    default: return NULL;
    }
}
