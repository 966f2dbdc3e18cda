/* Names that are near to one that was typed. */
#include "tests/unit/unit.h"

#include "base/similar.h"

START_TEST(distances_count_changes_without_case)
{
    ck_assert_int_eq(similar_distance(STR("PAGEVIEWS"), STR("pageviews"), 3), 0);
    ck_assert_int_eq(similar_distance(STR("PAGEVIEW"), STR("PAGEVIEWS"), 3), 1);
    ck_assert_int_eq(similar_distance(STR("PAGES"), STR("ORDERS"), 2), 3);
    ck_assert_int_eq(similar_distance(STR(""), STR("AB"), 3), 2);
    char longer[66];
    memset(longer, 'a', sizeof longer);
    ck_assert_int_eq(similar_distance(str_of(longer, 65), str_of(longer, 65), 3), 4);
    ck_assert_int_eq(similar_distance(str_of(longer, 64), str_of(longer, 64), 3), 0);
}
END_TEST

static const char *nearest(const char *typed)
{
    static const char *const names[] = {"N", "ID", "TOTAL", "TOTALS", "COUNTRY"};
    const char *best = "";
    similar s = similar_begin(str_z(typed));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (similar_try(&s, str_z(names[i]))) best = names[i];
    }
    return best;
}

START_TEST(the_nearest_candidate_is_guessed_and_short_names_are_not)
{
    ck_assert_str_eq(nearest("totel"), "TOTAL");
    ck_assert_str_eq(nearest("total_s"), "TOTALS");
    ck_assert_str_eq(nearest("contry"), "COUNTRY");
    ck_assert_str_eq(nearest("X"), "");
    ck_assert_str_eq(nearest("n"), "N");
    ck_assert_str_eq(nearest("IDS"), "ID");
    ck_assert_str_eq(nearest("VALUES"), "");
}
END_TEST

UNIT_MAIN("base/similar", distances_count_changes_without_case,
          the_nearest_candidate_is_guessed_and_short_names_are_not)
