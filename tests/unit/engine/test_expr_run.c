/* Programs over chunks: columns, selections, sides of a change, errors by row, folding. */
#include "engine/expr_run.h"
#include "tests/support/engine/mini.h"
#include "tests/unit/unit.h"

static schema *make_schema(arena *a)
{
    column cols[] = {{STR("k"), type_simple(TYPE_INT), COLUMN_KEY, {0}},
                     {STR("n"), type_simple(TYPE_INT), COLUMN_VALUE, {0}},
                     {STR("s"), type_simple(TYPE_STRING), COLUMN_VALUE, {0}}};
    schema *s = schema_new(a, cols, 3);
    s->is_table = true;
    return s;
}

/* n is the row, NULL in every seventh; the old n is the row + 1000. */
static chunk *make_chunk(arena *a, const schema *s, uint32_t rows)
{
    chunk *c = chunk_new(a, s, rows);
    c->rows = c->count = rows;
    for (uint32_t i = 0; i < rows; i++) {
        vec_set(&c->cols[0], i, (value){.i = (int32_t)i % 10});
        vec_set(&c->cols[1], i, i % 7 == 6 ? value_null() : (value){.i = (int32_t)i});
        vec_set(&c->cols[2], i, (value){.s = i % 2 ? STR("odd") : STR("even")});
        vec_set(&c->old[1], i, (value){.i = (int32_t)i + 1000});
        vec_set(&c->old[2], i, value_null());
        c->rowtime[i] = i * 10;
        c->partition[i] = 3;
        c->offset[i] = i;
    }
    return c;
}

typedef struct heard {
    uint32_t rows[CHUNK_ROWS];
    uint32_t n;
} heard;

static void hear(void *ctx, uint32_t row, str why)
{
    heard *h = ctx;
    h->rows[h->n++] = row;
}

static expr_program *compile(arena *a, const char *text, const schema *s)
{
    diag d = {0};
    expr_program *p = expr_compile(a, mini_parse(a, text, s), NULL, &d);
    ck_assert_msg(p, "%s", d.text);
    return p;
}

START_TEST(a_filter_may_write_over_its_own_selection)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    chunk *c = make_chunk(a, s, 700);
    static const char *const filters[] = {"n > 100 AND s = 'odd'",
                                          "n < 50 OR n > 600",
                                          "NOT n > 10",
                                          "n IN (3, 4, 5, 600)",
                                          "n BETWEEN 10 AND 20",
                                          "n NOT BETWEEN 10 AND 20",
                                          "s LIKE 'o%'",
                                          "n IS NULL",
                                          "NOT (n > 10 AND (s = 'odd' OR k = 4))",
                                          "CASE WHEN n > 300 THEN s = 'odd' ELSE k = 1 END",
                                          "n % 3 = 0 OR s = 'odd' AND n > 5"};
    for (size_t f = 0; f < sizeof filters / sizeof filters[0]; f++) {
        expr_program *p = compile(a, filters[f], s);
        expr_input in = {.chunk = c, .mem = a};
        uint16_t apart[700], own[700], sel[350];
        for (uint32_t i = 0; i < 350; i++) sel[i] = own[i] = (uint16_t)(2 * i + i % 2);
        uint32_t n = expr_filter(p, &in, sel, 350, apart);
        ck_assert_uint_eq(expr_filter(p, &in, own, 350, own), n);
        ck_assert_mem_eq(apart, own, n * sizeof *own);
        /* Each row alone says the same. */
        for (uint32_t i = 0, k = 0; i < 350; i++) {
            uint16_t one = sel[i], out;
            bool pass = expr_filter(p, &in, &one, 1, &out) == 1;
            ck_assert_msg(pass == (k < n && apart[k] == sel[i]), "%s row %u", filters[f], sel[i]);
            k += pass;
        }
    }
    arena_free(a);
}
END_TEST

START_TEST(only_selected_rows_are_computed_and_reported)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    chunk *c = make_chunk(a, s, 100);
    expr_program *p = compile(a, "10 / k", s);
    heard h = {0};
    expr_input in = {.chunk = c, .mem = a, .errors = {hear, &h}};
    uint16_t sel[] = {1, 10, 11, 20, 35};
    vec out;
    expr_run(p, &in, sel, 5, &out);
    ck_assert_uint_eq(h.n, 2);
    ck_assert_uint_eq(h.rows[0], 10);
    ck_assert_uint_eq(h.rows[1], 20);
    ck_assert_int_eq(vec_get(&out, 11).i, 10);
    ck_assert(vec_get(&out, 20).null);
    ck_assert_int_eq(vec_get(&out, 35).i, 2);
    h.n = 0;
    ck_assert_int_eq(expr_run_row(p, &in, 35).i, 2);
    ck_assert_uint_eq(h.n, 0);
    arena_free(a);
}
END_TEST

START_TEST(a_failing_row_is_reported_once)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    chunk *c = make_chunk(a, s, 50);
    expr_program *p = compile(a, "(1 / k + 1 / k) * n > 0 OR 1 / k = 5", s);
    heard h = {0};
    uint16_t out[50];
    expr_input in = {.chunk = c, .mem = a, .errors = {hear, &h}};
    expr_filter(p, &in, NULL, 50, out);
    uint8_t seen[50] = {0};
    for (uint32_t i = 0; i < h.n; i++) ck_assert_uint_eq(seen[h.rows[i]]++, 0);
    /* Five rows divide by zero, and of the other 45 the NULL n of rows 6, 13, 27, 34, 41 and 48 fails (20 is both). */
    ck_assert_uint_eq(h.n, 5 + 6);
    arena_free(a);
}
END_TEST

START_TEST(the_old_side_has_its_own_values_and_the_same_key)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    chunk *c = make_chunk(a, s, 30);
    expr_program *p = compile(a, "n + k", s);
    expr_input in = {.chunk = c, .mem = a, .old = true};
    ck_assert_int_eq(expr_run_row(p, &in, 15).i, 1015 + 5);
    in.old = false;
    ck_assert_int_eq(expr_run_row(p, &in, 15).i, 15 + 5);
    arena_free(a);
}
END_TEST

START_TEST(lambdas_read_columns_of_their_row)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    chunk *c = make_chunk(a, s, 40);
    expr_program *p = compile(a, "TRANSFORM(ARRAY[k, 100], x => x * 2 + n)", s);
    expr_input in = {.chunk = c, .mem = a};
    vec out;
    expr_run(p, &in, NULL, 40, &out);
    ck_assert_str_eq(mini_text(a, out.type, vec_get(&out, 23)), "[29, 223]");
    ck_assert_str_eq(mini_text(a, out.type, vec_get(&out, 6)), "NULL");
    arena_free(a);
}
END_TEST

START_TEST(a_bare_column_is_not_copied)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    chunk *c = make_chunk(a, s, 40);
    expr_input in = {.chunk = c, .mem = a};
    vec out;
    expr_run(compile(a, "s", s), &in, NULL, 40, &out);
    ck_assert_ptr_eq(out.s, c->cols[2].s);
    arena_free(a);
}
END_TEST

START_TEST(questions_about_trees_are_answered)
{
    arena *a = arena_new();
    schema *s = make_schema(a);
    bool needed[3] = {0};
    expr_columns(mini_parse(a, "TRANSFORM(ARRAY[1], x => x + n)", s), needed);
    ck_assert(!needed[0] && needed[1] && !needed[2]);
    ck_assert(expr_is_constant(mini_parse(a, "UCASE('x')", s)));
    ck_assert(!expr_is_constant(mini_parse(a, "RANDOM()", s)));
    ck_assert(!expr_is_constant(mini_parse(a, "n + 1", s)));
    value v;
    diag d = {0};
    ck_assert(!expr_eval_const(a, mini_parse(a, "1 / 0", s), NULL, NULL, &v, &d));
    ck_assert_str_eq(d.text, "/ by zero");
    diag_clear(&d);
    ck_assert(expr_eval_const(a, mini_parse(a, "ARRAY[1 / 0, 2]", s), NULL, NULL, &v, &d));
    arena_free(a);
}
END_TEST

START_TEST(options_change_scopes_and_null_texts)
{
    arena *a = arena_new();
    diag d = {0};
    expr_options throws = {.nested_error_throws = true}, text = {.null_to_text = true};
    expr_input in = {.mem = a};
    expr_program *p = expr_compile(a, mini_parse(a, "COALESCE(CAST('x' AS INT), 5)", NULL), &throws, &d);
    ck_assert(expr_run_row(p, &in, 0).null);
    p = expr_compile(a, mini_parse(a, "CAST(CAST(NULL AS INT) AS STRING)", NULL), &text, &d);
    ck_assert(str_eqz(expr_run_row(p, &in, 0).s, "null"));
    arena_free(a);
}
END_TEST

START_TEST(impossible_casts_and_deep_trees_are_refused)
{
    arena *a = arena_new();
    diag d = {0};
    ck_assert_ptr_null(expr_compile(a, mini_parse(a, "CAST(x'00' AS INT)", NULL), NULL, &d));
    ck_assert_str_eq(d.text, "Cast of BYTES to INTEGER is not supported");
    diag_clear(&d);
    expr *deep = ARENA_ARRAY(a, expr, 2000);
    deep[0] = (expr){.kind = EXPR_CONST, .type = type_simple(TYPE_BOOLEAN), .constant = {.b = true}};
    for (int i = 1; i < 2000; i++) {
        const expr **args = ARENA_ARRAY(a, const expr *, 1);
        args[0] = &deep[i - 1];
        deep[i] = (expr){.kind = EXPR_NOT, .type = type_simple(TYPE_BOOLEAN), .args = args, .arg_count = 1};
    }
    ck_assert_ptr_null(expr_compile(a, &deep[1999], NULL, &d));
    ck_assert_int_eq(d.code, DIAG_LIMIT);
    arena_free(a);
}
END_TEST

UNIT_MAIN("engine/expr run", a_filter_may_write_over_its_own_selection, only_selected_rows_are_computed_and_reported,
          a_failing_row_is_reported_once, the_old_side_has_its_own_values_and_the_same_key,
          lambdas_read_columns_of_their_row, a_bare_column_is_not_copied, questions_about_trees_are_answered,
          options_change_scopes_and_null_texts, impossible_casts_and_deep_trees_are_refused)
