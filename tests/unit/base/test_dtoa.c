/* Doubles and integers as text: Java's layout, round trips, correct rounding against the C library. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/dtoa.h"
#include "base/dtoa_table.h"
#include "base/rng.h"

static const char *java(double v)
{
    static char out[DTOA_MAX + 1];
    out[dtoa_java(v, out)] = 0;
    return out;
}

START_TEST(doubles_print_as_java_prints_them)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {1.0, "1.0"},
        {-1.5, "-1.5"},
        {100.0, "100.0"},
        {0.002, "0.002"},
        {0.001, "0.001"},
        {0.00099, "9.9E-4"},
        {1e-5, "1.0E-5"},
        {9999999.0, "9999999.0"},
        {1e7, "1.0E7"},
        {12345678.9, "1.23456789E7"},
        {1e21, "1.0E21"},
        {1e22, "1.0E22"},
        {1e23, "1.0E23"},
        {2e23, "2.0E23"},
        {123456.789, "123456.789"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {4.9e-324, "4.9E-324"},
        {9.9e-324, "9.9E-324"},
        {1.5e-323, "1.5E-323"},
        {2.2250738585072014e-308, "2.2250738585072014E-308"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {9007199254740993.0, "9.007199254740992E15"},
        {1234567.0, "1234567.0"},
        {0.0123, "0.0123"},
        {-1.2345678901234568e-300, "-1.2345678901234568E-300"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) ck_assert_str_eq(java(cases[i].v), cases[i].text);
}
END_TEST

static double random_double(rng *r, int kind)
{
    uint64_t u = rng_u64(r);
    double d;
    switch (kind % 4) {
    case 0: memcpy(&d, &u, 8); return isfinite(d) ? d : 1.0;
    case 1: return rng_unit(r) * 1000;
    case 2: return (double)(int64_t)(u >> (u & 63));
    default: return (double)(u % 1000000) / 100;
    }
}

START_TEST(printed_doubles_read_back_and_none_is_shorter)
{
    rng r;
    rng_seed(&r, 17);
    for (int i = 0; i < 200000; i++) {
        double d = random_double(&r, i), e;
        const char *text = java(d);
        ck_assert_msg(strtod(text, NULL) == d, "%s is not %.17g", text, d);
        ck_assert(dtoa_parse(str_z(text), &e) && e == d && signbit(e) == signbit(d));
        if (d == 0) continue;
        int exponent, digits = 0;
        for (uint64_t g = dtoa_shortest(fabs(d), &exponent); g != 0; g /= 10) digits++;
        char shorter[40];
        snprintf(shorter, sizeof shorter, "%.*e", digits > 2 ? digits - 2 : 0, d);
        if (digits > 2) ck_assert_msg(strtod(shorter, NULL) != d, "%s has a shorter form %s", text, shorter);
    }
}
END_TEST

START_TEST(parsing_rounds_correctly_for_any_number_of_digits)
{
    static const char *texts[] = {
        "69573017067109212.0",
        "9962760707811075.0",
        "9007199254740993",
        "9007199254740993.0000000000000000000000001",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e400",
        "1e-400",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "0.000000000000000000000000000000000000001e39",
        "8.41e21",
        "5e-20",
        "67e14",
        "985e15",
        "0e999999999",
        "1e-99999999999",
        ".5",
        "5.",
        "+1.25",
        "-0.0",
        "123456789012345678901234567890e-10",
        "7.3177701707893310e+15",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double d;
        ck_assert_msg(dtoa_parse(str_z(texts[i]), &d), "%s", texts[i]);
        ck_assert_msg(d == strtod(texts[i], NULL), "%s gives %.17g", texts[i], d);
    }
    rng r;
    rng_seed(&r, 5);
    for (int i = 0; i < 200000; i++) {
        char text[64];
        snprintf(text, sizeof text, "%.*e", (int)rng_below(&r, 30), random_double(&r, i));
        double d;
        ck_assert(dtoa_parse(str_z(text), &d));
        ck_assert_msg(d == strtod(text, NULL), "%s gives %.17g", text, d);
    }
}
END_TEST

START_TEST(what_is_no_number_does_not_parse)
{
    static const char *texts[] = {"",     "-",   "+",   ".",  "e5", "1e", "1e+", "1.2.3",
                                  "0x10", "NaN", "inf", " 1", "1 ", "1d", "--1", "1e1.5"};
    double d;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) ck_assert(!dtoa_parse(str_z(texts[i]), &d));
}
END_TEST

START_TEST(integers_print_to_their_limits)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, 101, 12345, -99999, 1000000000, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char out[ITOA_MAX + 1], expected[32];
        out[itoa_i64(values[i], out)] = 0;
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        ck_assert_str_eq(out, expected);
    }
    int64_t v = INT64_C(1000000000000000000);
    for (size_t digits = 19; digits > 1; digits--, v /= 10) {
        char out[ITOA_MAX + 1];
        ck_assert_uint_eq(itoa_i64(v, out), digits);
        ck_assert_uint_eq(itoa_i64(v - 1, out), digits - 1);
    }
}
END_TEST

/* Little-endian numbers of 64-bit words. */
enum { WORDS = 20 };

static uint64_t word_shifted(const uint64_t *w, int bit)
{
    int i = bit / 64, s = bit % 64;
    uint64_t low = i < WORDS ? w[i] >> s : 0;
    return s && i + 1 < WORDS ? low | w[i + 1] << (64 - s) : low;
}

static int bit_length(const uint64_t *w)
{
    int i = WORDS - 1;
    while (w[i] == 0) i--;
    return i * 64 + 64 - __builtin_clzll(w[i]);
}

START_TEST(the_table_holds_the_powers_of_ten)
{
    /* 5^k by multiplication, and 2^1279 / 5^k by division, which is cut where the true value goes on. */
    uint64_t up[WORDS] = {0, 0, 1}, down[WORDS] = {0}; /* two words below the number to take 128 bits from */
    for (int k = 0; k <= DTOA_POWER_MAX; k++) {
        int n = bit_length(up);
        dtoa_power p = dtoa_powers[k - DTOA_POWER_MIN];
        ck_assert_uint_eq(p.hi, word_shifted(up, n - 64));
        ck_assert_uint_eq(p.lo, word_shifted(up, n - 128));
        unsigned __int128 carry = 0;
        for (int i = 2; i < WORDS; i++) {
            carry += (unsigned __int128)up[i] * 5;
            up[i] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    down[WORDS - 1] = UINT64_C(1) << 63;
    for (int k = -1; k >= DTOA_POWER_MIN; k--) {
        unsigned __int128 rest = 0;
        for (int i = WORDS; i-- > 0;) {
            rest = rest << 64 | down[i];
            down[i] = (uint64_t)(rest / 5);
            rest %= 5;
        }
        int n = bit_length(down);
        dtoa_power p = dtoa_powers[k - DTOA_POWER_MIN];
        unsigned __int128 exact = (unsigned __int128)word_shifted(down, n - 64) << 64 | word_shifted(down, n - 128);
        exact++; /* rounded up */
        ck_assert_uint_eq(p.hi, (uint64_t)(exact >> 64));
        ck_assert_uint_eq(p.lo, (uint64_t)exact);
    }
}
END_TEST

UNIT_MAIN("base/dtoa", doubles_print_as_java_prints_them, printed_doubles_read_back_and_none_is_shorter,
          parsing_rounds_correctly_for_any_number_of_digits, what_is_no_number_does_not_parse,
          integers_print_to_their_limits, the_table_holds_the_powers_of_ten)
