/* Regular expressions; the expected values were made with java.util.regex. */
#include "tests/unit/unit.h"

#include "base/regex.h"

/* Pattern, subject, where the first match begins (-1: none), its text, group 1, whether the whole subject matches. */
static const struct {
    const char *pattern, *subject;
    int at;
    const char *text, *group;
    bool whole;
} finds[] = {
    {"a(b*)c", "xabbc", 1, "abbc", "bb", false},
    {"^\\d+$", "123\n", 0, "123", NULL, false},
    {"^\\d+\\z", "123\n", -1, NULL, NULL, false},
    {"a.c", "a\nc", -1, NULL, NULL, false},
    {"(?s)a.c", "a\nc", 0, "a\nc", NULL, true},
    {"\\p{Alpha}+", "12abc3", 2, "abc", NULL, false},
    {"[\\p{Upper}\\d]+", "abC1d", 2, "C1", NULL, false},
    {"\\P{Alpha}+", "ab12", 2, "12", NULL, false},
    {"\\p{L}+", "1äöü2", 1, "äöü", NULL, false},
    {"\\w+", "äb", 2, "b", NULL, false},
    {"\\Qa.b\\E+", "xa.bbb", 1, "a.bbb", NULL, false},
    {"\\u0041B", "xAB", 1, "AB", NULL, false},
    {"\\0101", "A", 0, "A", NULL, true},
    {"[]a]+", "x]a", 1, "]a", NULL, false},
    {"(?i)HeLLo", "hello", 0, "hello", NULL, true},
    {"(?<y>\\d{4})-(?<m>\\d\\d)", "on 2021-09", 3, "2021-09", "2021", false},
    {"(a)|(b)", "b", 0, "b", NULL, true},
    {"(?<=x)y", "xy", 1, "y", NULL, false},
    {"a*+a", "aaa", -1, NULL, NULL, false},
    {"", "abc", 0, "", NULL, false},
    {"(\\w)\\1", "abba", 1, "bb", "b", false},
    {"x|", "ay", 0, "", NULL, false},
    {"[^,]*", "a,b", 0, "a", NULL, false},
    {"\\bfoo\\b", "a foo b", 2, "foo", NULL, false},
    {"(?u)a", "a", 0, "a", NULL, true},
    {"a{2,3}", "aaaa", 0, "aaa", NULL, false},
    {"\\x41\\t", "A\t", 0, "A\t", NULL, true},
    {"$", "ab\n", 2, "", NULL, false},
    {"\\Z", "ab\r\n", 2, "", NULL, false},
    {"[a-z&]+", "a&b", 0, "a&b", NULL, true},
    {"\\s+", "a b", 1, " ", NULL, false},
};

static const struct {
    const char *pattern, *replacement, *subject, *result;
} replacements[] = {
    {"b", "a$0b", "abc", "aabbc"},    {"(b)(c)", "$2$1", "abcd", "acbd"}, {"(?<x>b)", "<${x}>", "abc", "a<b>c"},
    {"b", "\\$\\\\", "abc", "a$\\c"}, {"", "-", "abé", "-a-b-é-"},        {"(b)?", "[$1]", "abc", "[]a[b][]c[]"},
    {"x*", "-", "axb", "-a--b-"},     {"(a)", "$10", "a", "a0"},
};

START_TEST(searches_find_what_java_finds)
{
    regex_match *m = regex_match_new();
    for (size_t i = 0; i < sizeof finds / sizeof *finds; i++) {
        diag d = {0};
        regex *r = regex_compile(str_z(finds[i].pattern), &d);
        ck_assert_msg(r != NULL, "%s: %s", finds[i].pattern, d.text);
        str subject = str_z(finds[i].subject), text;
        regex_result found = regex_find(r, m, subject, 0, &d);
        ck_assert_msg(found == (finds[i].at < 0 ? REGEX_NONE : REGEX_FOUND), "%s in %s", finds[i].pattern,
                      finds[i].subject);
        if (found == REGEX_FOUND) {
            size_t start, end;
            regex_span(m, &start, &end);
            ck_assert_msg((int)start == finds[i].at, "%s in %s at %zu", finds[i].pattern, finds[i].subject, start);
            ck_assert(regex_group(m, 0, &text) && str_eqz(text, finds[i].text));
            ck_assert(regex_group(m, 1, &text) == (finds[i].group != NULL));
            if (finds[i].group) ck_assert(str_eqz(text, finds[i].group));
        }
        ck_assert(regex_matches(r, m, subject, &d) == (finds[i].whole ? REGEX_FOUND : REGEX_NONE));
        regex_free(r);
    }
    regex_match_free(m);
}
END_TEST

START_TEST(replacements_are_those_of_string_replaceall)
{
    regex_match *m = regex_match_new();
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        diag d = {0};
        buf out = {0};
        regex *r = regex_compile(str_z(replacements[i].pattern), &d);
        ck_assert_msg(r != NULL, "%s", d.text);
        ck_assert_msg(
            regex_replace_all(r, m, str_z(replacements[i].subject), str_z(replacements[i].replacement), &out, &d), "%s",
            d.text);
        ck_assert_str_eq(buf_z(&out), replacements[i].result);
        buf_free(&out);
        regex_free(r);
    }
    diag d = {0};
    buf out = {0};
    regex *r = regex_compile(STR("a"), &d);
    static const char *bad[] = {"$1", "$", "${x}", "${", "\\", "$x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        diag_clear(&d);
        ck_assert_msg(!regex_replace_all(r, m, STR("a"), str_z(bad[i]), &out, &d) && d.code == DIAG_INVALID, "%s",
                      bad[i]);
    }
    buf_free(&out);
    regex_free(r);
    regex_match_free(m);
}
END_TEST

START_TEST(bad_patterns_are_refused_with_a_reason)
{
    static const char *bad[] = {"(",      "[a",          "*a",    "a)",   "\\p{Nothing}",
                                "[a[b]]", "[a-z&&[^b]]", "(?U)a", "\xff", "(?<x>a)(?<x>b)"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        diag d = {0};
        ck_assert_msg(!regex_compile(str_z(bad[i]), &d) && d.code == DIAG_INVALID && d.text[0], "%s", bad[i]);
    }
}
END_TEST

START_TEST(endless_backtracking_gives_up)
{
    diag d = {0};
    regex *r = regex_compile(STR("^(([a-z])+.)+[A-Z]([a-z])+$"), &d);
    regex_match *m = regex_match_new();
    ck_assert(r && regex_find(r, m, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 0, &d) == REGEX_FAILED);
    ck_assert(d.code == DIAG_LIMIT);
    regex_match_free(m);
    regex_free(r);
}
END_TEST

START_TEST(the_cache_keeps_the_patterns_used_last)
{
    diag d = {0};
    regex_cache *c = regex_cache_new(2);
    const regex *a = regex_cache_get(c, STR("a(.)"), &d), *b = regex_cache_get(c, STR("b"), &d);
    ck_assert(a && b && regex_groups(a) == 1 && regex_cache_get(c, STR("a(.)"), &d) == a);
    ck_assert(regex_cache_get(c, STR("c"), &d) != NULL);
    ck_assert(regex_cache_get(c, STR("a(.)"), &d) == a);
    ck_assert(!regex_cache_get(c, STR("("), &d) && d.code == DIAG_INVALID);
    ck_assert(regex_cache_get(c, STR(""), &d) != NULL);
    regex_cache_free(c);
}
END_TEST

UNIT_MAIN("base/regex", searches_find_what_java_finds, replacements_are_those_of_string_replaceall,
          bad_patterns_are_refused_with_a_reason, endless_backtracking_gives_up, the_cache_keeps_the_patterns_used_last)
