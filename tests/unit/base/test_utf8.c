/* UTF-8 seen as UTF-16: the results of java.lang.String. */
#include "tests/unit/unit.h"

#include "base/utf8.h"

/* a, e acute, euro sign, a face outside the basic plane, z */
#define MIXED STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z")

START_TEST(malformed_bytes_are_found_and_repaired_as_java_does)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\x80", "\xef\xbf\xbd"},
        {"a\xc0\xaf", "a\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx"},
        {"\xf0\x9f\x98", "\xef\xbf\xbd"},
        {"\xe2\x82x", "\xef\xbf\xbdx"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"12345678\xff", "12345678\xef\xbf\xbd"},
    };
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(!utf8_valid(str_z(cases[i].in)));
        ck_assert(str_eqz(utf8_repair(a, str_z(cases[i].in)), cases[i].out));
    }
    ck_assert(utf8_valid(MIXED) && utf8_valid(STR("")) && utf8_valid(STR("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
    ck_assert(utf8_is_ascii(STR("0123456789")) && !utf8_is_ascii(STR("0123456789\xc3\xa9")));
    arena_free(a);
}
END_TEST

START_TEST(lengths_and_positions_count_utf16_units)
{
    ck_assert_uint_eq(utf8_length16(MIXED), 6);
    ck_assert_uint_eq(utf8_length(MIXED), 5);
    static const size_t offsets[] = {0, 1, 3, 6, 6, 10, 11, 11};
    for (size_t i = 0; i < 8; i++) {
        bool inside;
        ck_assert_uint_eq(utf8_offset16(MIXED, i, &inside), offsets[i]);
        ck_assert(inside == (i == 4));
        if (!inside && i < 7) ck_assert_uint_eq(utf8_index16(MIXED, offsets[i]), i);
    }
}
END_TEST

START_TEST(substrings_cut_pairs_into_question_marks)
{
    arena *a = arena_new();
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 1, 2), "\xc3\xa9\xe2\x82\xac"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 3, 2), "\xf0\x9f\x98\x80"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 3, 1), "?"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 4, 1), "?"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 4, 2), "?z"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 2, 2), "\xe2\x82\xac?"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 4, SIZE_MAX), "?z"));
    ck_assert(str_eqz(utf8_substr16(a, MIXED, 5, 100), "z"));
    ck_assert_uint_eq(utf8_substr16(a, MIXED, 9, 3).n, 0);
    ck_assert_uint_eq(utf8_substr16(a, MIXED, 2, 0).n, 0);
    arena_free(a);
}
END_TEST

START_TEST(case_maps_as_java_does)
{
    arena *a = arena_new();
    ck_assert(str_eqz(utf8_upper(a, STR("abc XyZ09")), "ABC XYZ09"));
    ck_assert(str_eqz(utf8_lower(a, STR("ABC XyZ@[")), "abc xyz@["));
    ck_assert(str_eqz(utf8_upper(a, STR("stra\xc3\x9f"
                                        "e \xc3\xa9")),
                      "STRASSE \xc3\x89"));
    ck_assert(str_eqz(utf8_lower(a, STR("\xce\x9f\xce\x94\xce\x9f\xce\xa3 \xc3\x89")),
                      "\xce\xbf\xce\xb4\xce\xbf\xcf\x82 \xc3\xa9"));
    arena_free(a);
}
END_TEST

START_TEST(order_is_that_of_utf16)
{
    ck_assert_int_lt(utf8_cmp16(STR("abc"), STR("abd")), 0);
    ck_assert_int_lt(utf8_cmp16(STR("abc"), STR("abcd")), 0);
    ck_assert_int_eq(utf8_cmp16(STR("12345678x"), STR("12345678x")), 0);
    /* A pair (d83d de00) sorts before U+FFFD, though its bytes are larger; and behind U+D7FF. */
    ck_assert_int_lt(utf8_cmp16(STR("\xf0\x9f\x98\x80"), STR("\xef\xbf\xbd")), 0);
    ck_assert_int_gt(utf8_cmp16(STR("\xee\x80\x80"), STR("\xf0\x9f\x98\x80")), 0);
    ck_assert_int_gt(utf8_cmp16(STR("\xf0\x9f\x98\x80"), STR("\xed\x9f\xbf")), 0);
    ck_assert_int_lt(utf8_cmp16(STR("\xf0\x9f\x98\x80"), STR("\xf0\x9f\x98\x81")), 0);
}
END_TEST

START_TEST(every_code_point_round_trips)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        char out[4];
        size_t n = utf8_encode(c, out);
        const char *p = out;
        uint32_t back = utf8_next(&p, out + n);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        ck_assert(back == (surrogate ? '?' : c) && p == out + n && utf8_valid(str_of(out, n)));
    }
}
END_TEST

UNIT_MAIN("base/utf8", malformed_bytes_are_found_and_repaired_as_java_does, lengths_and_positions_count_utf16_units,
          substrings_cut_pairs_into_question_marks, case_maps_as_java_does, order_is_that_of_utf16,
          every_code_point_round_trips)
