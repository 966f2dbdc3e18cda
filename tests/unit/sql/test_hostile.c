/* Texts that nobody writes: found by fuzzing, kept as tests. */
#include "sql/parse.h"
#include "sql/typeck.h"
#include "tests/unit/unit.h"

/* A control byte is not space: the text of the statement began behind the place that `offset` names. */
START_TEST(a_statement_begins_at_its_first_token_even_when_that_is_a_control_byte)
{
    arena *a = arena_new();
    str text = str_of("\0SELECT; \n", 10);
    parse_results r = parse_sql(a, text, PARSE_SERVER);
    ck_assert_uint_eq(r.n, 1);
    ck_assert_uint_eq(r.items[0].offset, 0);
    ck_assert(r.items[0].text.p == text.p);
    ck_assert_uint_eq(r.items[0].text.n, 8);
    arena_free(a);
}
END_TEST

static bool types(const char *text)
{
    arena *a = arena_new();
    diag d = {0};
    const ast_expr *tree;
    expr *e;
    ck_assert_msg(parse_expr(a, str_z(text), &tree, &d), "%s", d.text);
    catalog *c = catalog_new();
    typeck t = {.a = a, .catalog = c, .clause = "SELECT", .d = &d};
    bool ok = typeck_expr(&t, tree, &e);
    ck_assert(ok != diag_is_set(&d));
    catalog_unref(c);
    arena_free(a);
    return ok;
}

/* The overload is chosen before the body has a type: a text was read as a BOOLEAN, a number as a text. */
START_TEST(the_body_of_a_lambda_has_the_type_that_the_function_takes)
{
    ck_assert(types("FILTER(ARRAY['a'], x => x = 'a')"));
    ck_assert(!types("FILTER(ARRAY['a'], x => x)"));
    ck_assert(types("REDUCE(ARRAY[1], '', (s, x) => s || 'x')"));
    ck_assert(!types("REDUCE(ARRAY[1], '', (s, x) => x)"));
    ck_assert(!types("REDUCE(ARRAY['a'], 0, (s, x) => x)"));
    ck_assert(types("TRANSFORM(ARRAY['a'], x => 5)"));
    ck_assert(types("REDUCE(ARRAY[1.5, 2.5], 0.0, (s, x) => s + x)"));
}
END_TEST

UNIT_MAIN("sql/hostile", a_statement_begins_at_its_first_token_even_when_that_is_a_control_byte,
          the_body_of_a_lambda_has_the_type_that_the_function_takes)
