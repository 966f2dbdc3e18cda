/* Names, overloads, ambiguity, error texts, types of calls and lambdas. */
#include "base/map.h"
#include "engine/func/registry.h"
#include "tests/support/engine/mini.h"
#include "tests/unit/unit.h"

/* The type of a call, or the error. */
static const char *type_of(arena *a, const char *text)
{
    diag d = {0};
    const expr *e = mini_try(a, text, NULL, &d);
    return e ? type_text(a, e->type).p : arena_strz(a, str_z(d.text));
}

static void starts(const char *got, const char *want)
{
    ck_assert_msg(strncmp(got, want, strlen(want)) == 0, "got %s, want %s", got, want);
}

START_TEST(every_function_of_ksqldb_is_there)
{
    int count, kinds[3] = {0};
    const func_group *const *all = func_list(&count);
    for (int i = 0; i < count; i++) {
        kinds[all[i]->kind]++;
        ck_assert(all[i]->doc.n > 0 && all[i]->count > 0);
        ck_assert_ptr_eq(func_find(all[i]->display), all[i]);
    }
    ck_assert_int_eq(kinds[FUNC_SCALAR], 129);
    ck_assert_int_eq(kinds[FUNC_AGGREGATE], 18);
    ck_assert_int_eq(kinds[FUNC_TABLE], 2);
}
END_TEST

START_TEST(exact_types_win_and_numbers_are_widened_otherwise)
{
    arena *a = arena_new();
    ck_assert_str_eq(type_of(a, "ABS(1)"), "INTEGER");
    ck_assert_str_eq(type_of(a, "ABS(1.5)"), "DECIMAL(2, 1)");
    ck_assert_str_eq(type_of(a, "ROUND(12.345)"), "DECIMAL(2, 0)");
    ck_assert_str_eq(type_of(a, "ROUND(12.345, 1)"), "DECIMAL(5, 3)");
    ck_assert_str_eq(type_of(a, "GREATEST(1.5, 10.25)"), "DECIMAL(4, 2)");
    ck_assert_str_eq(type_of(a, "SQRT(1.5)"), "DOUBLE");
    ck_assert_str_eq(type_of(a, "COALESCE(NULL, 'x')"), "STRING");
    ck_assert_str_eq(type_of(a, "SPLIT('a', 'b')"), "ARRAY<STRING>");
    ck_assert_str_eq(type_of(a, "ENTRIES(MAP('a' := 1), TRUE)"), "ARRAY<STRUCT<`K` STRING, `V` INTEGER>>");
    ck_assert_str_eq(type_of(a, "GEO_DISTANCE(1, 2, 3, 4)"), "DOUBLE");
    ck_assert_str_eq(type_of(a, "FORMAT_DATE('2020-01-01', 'yyyy')"), "STRING");
    ck_assert_str_eq(type_of(a, "NULLIF(NULL, 1)"), "INTEGER");
    arena_free(a);
}
END_TEST

START_TEST(lambdas_take_their_types_from_the_arguments)
{
    arena *a = arena_new();
    ck_assert_str_eq(type_of(a, "TRANSFORM(ARRAY[1], x => CAST(x AS STRING))"), "ARRAY<STRING>");
    ck_assert_str_eq(type_of(a, "TRANSFORM(MAP('a' := 1), (k, v) => v, (k, v) => k)"), "MAP<INTEGER, STRING>");
    ck_assert_str_eq(type_of(a, "REDUCE(ARRAY[1], 'x', (s, x) => s)"), "STRING");
    starts(type_of(a, "FILTER(ARRAY[1], (x, y) => TRUE)"),
           "Function 'filter' does not accept parameters (ARRAY<INTEGER>, LAMBDA)");
    arena_free(a);
}
END_TEST

START_TEST(what_does_not_fit_lists_the_alternatives)
{
    arena *a = arena_new();
    starts(type_of(a, "GREATEST('a', 1)"),
           "Function 'greatest' does not accept parameters (STRING, INTEGER).\nValid alternatives are:\n"
           "greatest(INT val, INT... vals)\n");
    starts(type_of(a, "GREATEST(1, 5000000000)"),
           "Function 'greatest' cannot be resolved due to ambiguous method parameters (INTEGER, BIGINT).\nUse CAST()");
    starts(type_of(a, "GREATEST(NULL, NULL, NULL, NULL)"),
           "Function 'greatest' cannot be resolved due to ambiguous method parameters (null, null, null, null).");
    starts(type_of(a, "GREATEST()"), "Function 'greatest' does not accept parameters ().");
    starts(type_of(a, "DATESUB(DATE '2020-01-01', 1, DATE '2020-01-01')"),
           "Function 'datesub' does not accept parameters (DATE, INTEGER, DATE).");
    starts(type_of(a, "COALESCE(1, 'a')"), "Function 'COALESCE' does not accept parameters (INTEGER, STRING).\nValid "
                                           "alternatives are:\nCOALESCE(T first, T... others)\n");
    starts(type_of(a, "COALESCE(NULL, NULL)"), "Could not find mapping for generic type: T");
    arena_free(a);
}
END_TEST

START_TEST(unknown_names_get_a_hint)
{
    diag d = {0};
    ck_assert_ptr_null(func_get(STR("SUBSTRNG"), NO_SPAN, &d));
    ck_assert_str_eq(d.text, "Can't find any functions with the name 'SUBSTRNG'");
    ck_assert_str_eq(d.hint, "Did you mean SUBSTRING?");
    diag_clear(&d);
    ck_assert_ptr_null(func_get(STR("WONT_FIND_ME"), NO_SPAN, &d));
    ck_assert_str_eq(d.hint, "");
    ck_assert_ptr_nonnull(func_find(STR("ucase")));
}
END_TEST

START_TEST(aggregates_do_not_cast)
{
    diag d = {0};
    func_arg args[3] = {
        {.type = type_simple(TYPE_INT)}, {.type = type_simple(TYPE_STRING)}, {.type = type_simple(TYPE_INT)}};
    const func_group *topk = func_find(STR("TOPK"));
    const func *f = func_resolve(topk, args, 3, NO_SPAN, &d);
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(func_constant_args(f, 3), 1);
    ck_assert(func_param_of(f, 2, 3)->constant);
    ck_assert(!func_param_of(f, 1, 3)->constant);
    args[0].type = type_simple(TYPE_DATE);
    ck_assert_ptr_null(func_resolve(topk, args, 3, NO_SPAN, &d));
    diag_clear(&d);
    args[0].type = type_simple(TYPE_DATE);
    ck_assert_ptr_nonnull(func_resolve(func_find(STR("COUNT")), args, 1, NO_SPAN, &d));
}
END_TEST

UNIT_MAIN("engine/func registry", every_function_of_ksqldb_is_there, exact_types_win_and_numbers_are_widened_otherwise,
          lambdas_take_their_types_from_the_arguments, what_does_not_fit_lists_the_alternatives,
          unknown_names_get_a_hint, aggregates_do_not_cast)
