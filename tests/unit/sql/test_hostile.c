/* Texts that nobody writes: found by fuzzing, kept as tests. */
#include "sql/parse.h"
#include "tests/unit/unit.h"

/* A control byte is not space: the text of the statement began behind the place that `offset` names. */
START_TEST(a_statement_begins_at_its_first_token_even_when_that_is_a_control_byte)
{
    arena *a = arena_new();
    str source = str_of("\0SELECT; \n", 10);
    parse_results r = parse_sql(a, source, PARSE_SERVER);
    ck_assert_uint_eq(r.n, 1);
    ck_assert_uint_eq(r.items[0].offset, 0);
    ck_assert(r.items[0].text.p == source.p);
    ck_assert_uint_eq(r.items[0].text.n, 8);
    arena_free(a);
}
END_TEST

UNIT_MAIN("sql/hostile", a_statement_begins_at_its_first_token_even_when_that_is_a_control_byte)
