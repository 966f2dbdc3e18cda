/* Decimals: KSQL's types and BigDecimal's values; the expected texts were made with java.math. */
#include "tests/unit/unit.h"

#include <float.h>
#include <math.h>

#include "base/decimal.h"

static decimal_type type(int precision, int scale)
{
    return (decimal_type){precision, scale};
}

static const char *text(decimal v, int scale)
{
    static char out[DECIMAL_TEXT_MAX + 1];
    out[decimal_format(v, scale, out)] = 0;
    return out;
}

static decimal value(const char *z, decimal_type t)
{
    decimal v;
    ck_assert_int_eq(decimal_parse(str_z(z), t, DECIMAL_UNNECESSARY, &v), DECIMAL_OK);
    return v;
}

static void expect_type(decimal_type t, int precision, int scale)
{
    ck_assert_int_eq(t.precision, precision);
    ck_assert_int_eq(t.scale, scale);
}

START_TEST(result_types_follow_the_formulas)
{
    expect_type(decimal_type_add(type(4, 2), type(5, 3)), 6, 3);
    expect_type(decimal_type_sub(type(10, 0), type(4, 2)), 13, 2);
    expect_type(decimal_type_mul(type(4, 2), type(5, 3)), 10, 5);
    expect_type(decimal_type_div(type(4, 2), type(5, 3)), 13, 8);
    expect_type(decimal_type_div(type(3, 0), type(2, 0)), 9, 6);
    expect_type(decimal_type_mod(type(4, 2), type(5, 3)), 5, 3);
    expect_type(decimal_type_widen(type(4, 2), type(5, 4)), 6, 4);
    ck_assert(decimal_type_fits(type(4, 2), type(5, 3)) && !decimal_type_fits(type(4, 2), type(4, 3)));
    ck_assert(!decimal_type_fits(type(4, 2), type(4, 1)) && decimal_type_fits(DECIMAL_TYPE_INT, type(38, 28)));
}
END_TEST

typedef decimal_status (*operation)(decimal, int, decimal, int, decimal_type, decimal *);
typedef decimal_type (*result_type)(decimal_type, decimal_type);

START_TEST(operators_compute_exactly_or_say_why_not)
{
    static const struct {
        operation f;
        result_type t;
        decimal_type ta, tb;
        const char *a, *b, *expected;
        decimal_status status;
    } cases[] = {
        {decimal_add, decimal_type_add, {4, 2}, {5, 3}, "12.34", "-0.005", "12.335", DECIMAL_OK},
        {decimal_sub, decimal_type_sub, {10, 0}, {4, 2}, "5", "0.01", "4.99", DECIMAL_OK},
        {decimal_mul, decimal_type_mul, {4, 2}, {4, 2}, "-99.99", "99.99", "-9998.0001", DECIMAL_OK},
        {decimal_div, decimal_type_div, {2, 0}, {1, 0}, "10", "4", "2.500000", DECIMAL_OK},
        {decimal_div, decimal_type_div, {2, 0}, {1, 0}, "10", "3", NULL, DECIMAL_INEXACT},
        {decimal_div, decimal_type_div, {2, 0}, {1, 0}, "10", "0", NULL, DECIMAL_DIV_ZERO},
        {decimal_div, decimal_type_div, {20, 2}, {17, 2}, "1.00", "-0.08", "-12.50000000000000000000", DECIMAL_OK},
        {decimal_div,
         decimal_type_div,
         {20, 0},
         {20, 0},
         "12345678901234567890",
         "98765432109876543210",
         NULL,
         DECIMAL_INEXACT},
        {decimal_div,
         decimal_type_div,
         {20, 0},
         {17, 0},
         "99999999999999999999",
         "10000000000000000",
         "9999.999999999999999900",
         DECIMAL_OK},
        {decimal_mod, decimal_type_mod, {4, 2}, {3, 1}, "-12.34", "10.1", "-2.24", DECIMAL_OK},
        {decimal_mod, decimal_type_mod, {4, 0}, {1, 0}, "1234", "7", NULL, DECIMAL_OVERFLOW},
        {decimal_mod, decimal_type_mod, {4, 0}, {1, 0}, "15", "7", "1", DECIMAL_OK},
        {decimal_mod, decimal_type_mod, {4, 0}, {1, 0}, "15", "0", NULL, DECIMAL_DIV_ZERO},
        {decimal_mul,
         decimal_type_mul,
         {38, 0},
         {38, 0},
         "99999999999999999999",
         "99999999999999999999",
         NULL,
         DECIMAL_OVERFLOW},
        {decimal_add,
         decimal_type_add,
         {38, 0},
         {38, 0},
         "99999999999999999999999999999999999999",
         "1",
         NULL,
         DECIMAL_OVERFLOW},
        {decimal_sub, decimal_type_sub, {38, 0}, {38, 38}, "5", "0.1", NULL, DECIMAL_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decimal a = value(cases[i].a, cases[i].ta), b = value(cases[i].b, cases[i].tb), r;
        decimal_type t = cases[i].t(cases[i].ta, cases[i].tb);
        decimal_status s = cases[i].f(a, cases[i].ta.scale, b, cases[i].tb.scale, t, &r);
        ck_assert_msg(s == cases[i].status, "case %zu: %s", i, decimal_status_text(s));
        if (s == DECIMAL_OK) ck_assert_str_eq(text(r, t.scale), cases[i].expected);
    }
}
END_TEST

START_TEST(a_quotient_too_wide_for_128_bits_on_the_way_is_exact)
{
    /* 1 / 8 at scale 30 by way of 10^30, from a dividend of 20 digits. */
    decimal r, a = decimal_pow10(20);
    ck_assert_int_eq(decimal_div(a, 0, 8 * decimal_pow10(19), 0, type(38, 30), &r), DECIMAL_OK);
    ck_assert_str_eq(text(r, 30), "1.250000000000000000000000000000");
    ck_assert_int_eq(decimal_div(a, 0, 3 * decimal_pow10(19), 0, type(38, 30), &r), DECIMAL_INEXACT);
    ck_assert_int_eq(decimal_div(-a, 0, 1, 0, type(38, 30), &r), DECIMAL_OVERFLOW);
}
END_TEST

START_TEST(rounding_modes_treat_ties_as_java_does)
{
    static const struct {
        const char *in;
        decimal_rounding mode;
        const char *out;
    } cases[] = {
        {"2.5", DECIMAL_HALF_UP, "3"},   {"-2.5", DECIMAL_HALF_UP, "-3"},   {"2.4", DECIMAL_HALF_UP, "2"},
        {"2.5", DECIMAL_KSQL, "3"},      {"-2.5", DECIMAL_KSQL, "-2"},      {"-2.6", DECIMAL_KSQL, "-3"},
        {"0.5", DECIMAL_KSQL, "1"},      {"2.9", DECIMAL_DOWN, "2"},        {"-2.9", DECIMAL_DOWN, "-2"},
        {"-2.1", DECIMAL_FLOOR, "-3"},   {"2.9", DECIMAL_FLOOR, "2"},       {"2.1", DECIMAL_CEILING, "3"},
        {"-2.9", DECIMAL_CEILING, "-2"}, {"2.0", DECIMAL_UNNECESSARY, "2"},
    };
    decimal r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(decimal_rescale(value(cases[i].in, type(3, 1)), 1, 0, cases[i].mode, &r), DECIMAL_OK);
        ck_assert_str_eq(text(r, 0), cases[i].out);
        ck_assert_int_eq(decimal_parse(str_z(cases[i].in), type(3, 0), cases[i].mode, &r), DECIMAL_OK);
        ck_assert_str_eq(text(r, 0), cases[i].out);
    }
    ck_assert_int_eq(decimal_rescale(25, 1, 0, DECIMAL_UNNECESSARY, &r), DECIMAL_INEXACT);
    ck_assert_int_eq(decimal_rescale(decimal_pow10(37), 0, 1, DECIMAL_DOWN, &r), DECIMAL_OVERFLOW);
    ck_assert(decimal_rescale(-5 * decimal_pow10(37), 90, 0, DECIMAL_HALF_UP, &r) == DECIMAL_OK && r == 0);
    ck_assert(decimal_round(1234567, 3, 1, DECIMAL_KSQL, &r) == DECIMAL_OK && r == 1234600);
    ck_assert(decimal_round(1234567, 3, -2, DECIMAL_KSQL, &r) == DECIMAL_OK && r == 1200000);
    ck_assert(decimal_round(1234567, 3, -5, DECIMAL_DOWN, &r) == DECIMAL_OK && r == 0);
    ck_assert(decimal_round(1234567, 3, 9, DECIMAL_KSQL, &r) == DECIMAL_OK && r == 1234567);
    ck_assert(decimal_round(5, 0, INT32_MIN, DECIMAL_KSQL, &r) == DECIMAL_OK && r == 0);
}
END_TEST

START_TEST(texts_parse_as_bigdecimal_parses_them)
{
    static const struct {
        const char *in;
        decimal_type t;
        decimal_status status;
        const char *out;
    } cases[] = {
        {"12.30", {4, 2}, DECIMAL_OK, "12.30"},
        {"-.5", {4, 2}, DECIMAL_OK, "-0.50"},
        {"+5.", {4, 2}, DECIMAL_OK, "5.00"},
        {"1.25E-1", {4, 3}, DECIMAL_OK, "0.125"},
        {"1e2", {4, 1}, DECIMAL_OK, "100.0"},
        {"0e99999999", {4, 2}, DECIMAL_OK, "0.00"},
        {"1.50000000000000000000000000000000000000000000000000", {2, 1}, DECIMAL_OK, "1.5"},
        {"0000000000000000000000000000000000000000000000000001.5", {2, 1}, DECIMAL_OK, "1.5"},
        {"99999999999999999999999999999999999999", {38, 0}, DECIMAL_OK, "99999999999999999999999999999999999999"},
        {"-0.00000000000000000000000000000000000001",
         {38, 38},
         DECIMAL_OK,
         "-0.00000000000000000000000000000000000001"},
        {"100", {4, 2}, DECIMAL_OVERFLOW, NULL},
        {"1e40", {38, 0}, DECIMAL_OVERFLOW, NULL},
        {"1.234", {4, 2}, DECIMAL_INEXACT, NULL},
        {"1e-400", {4, 2}, DECIMAL_INEXACT, NULL},
        {"", {4, 2}, DECIMAL_MALFORMED, NULL},
        {".", {4, 2}, DECIMAL_MALFORMED, NULL},
        {"1e", {4, 2}, DECIMAL_MALFORMED, NULL},
        {"1.2.3", {4, 2}, DECIMAL_MALFORMED, NULL},
        {" 1", {4, 2}, DECIMAL_MALFORMED, NULL},
        {"0x1", {4, 2}, DECIMAL_MALFORMED, NULL},
        {"1e9999999999", {4, 2}, DECIMAL_MALFORMED, NULL},
        {"-", {4, 2}, DECIMAL_MALFORMED, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decimal v;
        ck_assert_msg(decimal_parse(str_z(cases[i].in), cases[i].t, DECIMAL_UNNECESSARY, &v) == cases[i].status, "%s",
                      cases[i].in);
        if (cases[i].status == DECIMAL_OK) ck_assert_str_eq(text(v, cases[i].t.scale), cases[i].out);
    }
}
END_TEST

START_TEST(literals_have_their_natural_type)
{
    static const struct {
        const char *in;
        int precision, scale;
    } cases[] = {{"12.30", 4, 2}, {"0.005", 4, 3}, {".5", 2, 1},    {"1e3", 4, 0},
                 {"0", 1, 0},     {"-1.0", 2, 1},  {"1.5e-3", 5, 4}};
    decimal v;
    decimal_type t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(decimal_parse_natural(str_z(cases[i].in), &v, &t), DECIMAL_OK);
        expect_type(t, cases[i].precision, cases[i].scale);
    }
    ck_assert_int_eq(decimal_parse_natural(STR("1e38"), &v, &t), DECIMAL_OVERFLOW);
    ck_assert_int_eq(decimal_parse_natural(STR("x"), &v, &t), DECIMAL_MALFORMED);
}
END_TEST

START_TEST(casts_check_the_whole_digits_before_they_round)
{
    decimal r;
    ck_assert(decimal_cast(12345, 3, type(4, 2), &r) == DECIMAL_OK && r == 1235);
    ck_assert(decimal_cast(9999, 3, type(3, 2), &r) == DECIMAL_OK && r == 1000);
    ck_assert_int_eq(decimal_cast(10000, 3, type(3, 2), &r), DECIMAL_OVERFLOW);
    ck_assert_int_eq(decimal_fit(12345, 3, type(4, 2), &r), DECIMAL_INEXACT);
    ck_assert(decimal_fit(12340, 3, type(4, 2), &r) == DECIMAL_OK && r == 1234);
    ck_assert(decimal_from_i64(-12, type(4, 2), &r) == DECIMAL_OK && r == -1200);
    ck_assert_int_eq(decimal_from_i64(100, type(4, 2), &r), DECIMAL_OVERFLOW);
    ck_assert_int_eq(decimal_to_i64(-1999, 3), -1);
    ck_assert_int_eq(decimal_to_i64(decimal_pow10(19) * 2, 0), 1553255926290448384);
}
END_TEST

START_TEST(doubles_convert_by_their_exact_binary_value)
{
    static const struct {
        double in;
        decimal_type t;
        const char *out;
    } cases[] = {
        {0.1, {20, 19}, "0.1000000000000000056"},
        {0.1, {4, 2}, "0.10"},
        {1.2345, {4, 3}, "1.234"},
        {1.2345, {5, 4}, "1.2345"},
        {2.5, {1, 0}, "3"},
        {-2.5, {1, 0}, "-3"},
        {1e-30, {38, 38}, "0.00000000000000000000000000000100000000"},
        {123456789.125, {12, 2}, "123456789.13"},
        {1e22, {38, 0}, "10000000000000000000000"},
        {0, {1, 1}, "0.0"},
    };
    decimal r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(decimal_from_f64(cases[i].in, cases[i].t, &r), DECIMAL_OK);
        ck_assert_str_eq(text(r, cases[i].t.scale), cases[i].out);
    }
    ck_assert_int_eq(decimal_from_f64(100, type(4, 2), &r), DECIMAL_OVERFLOW);
    ck_assert_int_eq(decimal_from_f64(DBL_MAX, type(38, 0), &r), DECIMAL_OVERFLOW);
    ck_assert_int_eq(decimal_from_f64(NAN, type(4, 2), &r), DECIMAL_MALFORMED);
    ck_assert(decimal_to_f64(123, 1) == 12.3 && decimal_to_f64(-decimal_pow10(38) + 1, 38) == -1.0);
    ck_assert(decimal_to_f64(value("0.1234567890123456789", type(38, 30)), 30) == 0.1234567890123456789);
}
END_TEST

START_TEST(comparison_ignores_the_scale)
{
    ck_assert_int_eq(decimal_cmp(120, 2, 12, 1), 0);
    ck_assert_int_lt(decimal_cmp(119, 2, 12, 1), 0);
    ck_assert_int_gt(decimal_cmp(decimal_pow10(37), 0, 1, 38), 0);
    ck_assert_int_lt(decimal_cmp(-decimal_pow10(37), 0, 1, 38), 0);
    ck_assert_int_lt(decimal_cmp(1, 38, 5, 0), 0);
    ck_assert_int_gt(decimal_cmp(-1, 38, -5, 0), 0);
}
END_TEST

START_TEST(bytes_are_minimal_twos_complement)
{
    static const struct {
        int64_t v;
        size_t n;
        uint8_t bytes[3];
    } cases[] = {{0, 1, {0}},       {127, 1, {0x7f}},        {128, 2, {0, 0x80}},
                 {-128, 1, {0x80}}, {-129, 2, {0xff, 0x7f}}, {-1, 1, {0xff}}};
    uint8_t out[16];
    decimal back;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_uint_eq(decimal_to_bytes(cases[i].v, out), cases[i].n);
        ck_assert_int_eq(memcmp(out, cases[i].bytes, cases[i].n), 0);
        ck_assert(decimal_from_bytes(out, cases[i].n, &back) == DECIMAL_OK && back == cases[i].v);
    }
    decimal large = -(decimal_pow10(38) - 1);
    size_t n = decimal_to_bytes(large, out);
    ck_assert(n == 16 && decimal_from_bytes(out, n, &back) == DECIMAL_OK && back == large);
    ck_assert_int_eq(decimal_from_bytes("\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, &back),
                     DECIMAL_OVERFLOW);
    ck_assert(decimal_from_bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80", 18,
                                 &back) == DECIMAL_OK &&
              back == -128);
    ck_assert_int_eq(decimal_from_bytes("", 0, &back), DECIMAL_MALFORMED);
}
END_TEST

UNIT_MAIN("base/decimal", result_types_follow_the_formulas, operators_compute_exactly_or_say_why_not,
          a_quotient_too_wide_for_128_bits_on_the_way_is_exact, rounding_modes_treat_ties_as_java_does,
          texts_parse_as_bigdecimal_parses_them, literals_have_their_natural_type,
          casts_check_the_whole_digits_before_they_round, doubles_convert_by_their_exact_binary_value,
          comparison_ignores_the_scale, bytes_are_minimal_twos_complement)
