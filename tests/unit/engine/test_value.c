/* Types, values, chunks: equality, order, texts, copies. */
#include "engine/chunk.h"
#include "engine/value.h"
#include "tests/support/engine/mini.h"
#include "tests/unit/unit.h"

static value eval(arena *a, const char *text, const type **t)
{
    diag d = {0};
    value v;
    const expr *e = mini_parse(a, text, NULL);
    ck_assert_msg(expr_eval_const(a, e, NULL, NULL, &v, &d), "%s", d.text);
    *t = e->type;
    return v;
}

static const char *printed(arena *a, const char *text)
{
    const type *t;
    value v = eval(a, text, &t);
    buf b = {0};
    value_print(t, v, &b);
    const char *z = arena_strz(a, buf_str(&b));
    buf_free(&b);
    return z;
}

START_TEST(types_print_as_ksqldb_prints_them)
{
    arena *a = arena_new();
    static const char *const texts[] = {"BOOLEAN", "INTEGER", "DECIMAL(4, 2)", "ARRAY<STRING>", "MAP<STRING, BIGINT>"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_str_eq(type_text(a, mini_type(a, texts[i])).p, texts[i]);
    const type *s = mini_type(a, "STRUCT<A INTEGER, b ARRAY<DOUBLE>>");
    ck_assert_str_eq(type_text(a, s).p, "STRUCT<`A` INTEGER, `b` ARRAY<DOUBLE>>");
    ck_assert_int_eq(type_field_index(s, STR("b")), 1);
    ck_assert_int_eq(type_field_index(s, STR("B")), -1);
    ck_assert_str_eq(type_text(a, type_struct(a, NULL, 0)).p, "STRUCT< >");
    arena *other = arena_new();
    ck_assert(type_eq(s, type_copy(other, s)));
    ck_assert(!type_eq(s, mini_type(a, "STRUCT<A INTEGER, c ARRAY<DOUBLE>>")));
    ck_assert(!type_eq(type_decimal(a, 4, 2), type_decimal(a, 4, 1)));
    arena_free(other);
    arena_free(a);
}
END_TEST

START_TEST(values_inside_collections_print_as_java_objects)
{
    arena *a = arena_new();
    ck_assert_str_eq(printed(a, "ARRAY[TIMESTAMP '2020-01-02T03:04:05.120']"), "[2020-01-02 03:04:05.12]");
    ck_assert_str_eq(printed(a, "ARRAY[TIME '03:04']"), "[03:04:00]");
    ck_assert_str_eq(printed(a, "ARRAY[x'0102']"), "[java.nio.HeapByteBuffer[pos=0 lim=2 cap=2]]");
    ck_assert_str_eq(printed(a, "ARRAY[CAST(0 AS DECIMAL(10, 8))]"), "[0E-8]");
    ck_assert_str_eq(printed(a, "ARRAY[1.50]"), "[1.50]");
    ck_assert_str_eq(printed(a, "STRUCT(A := CAST(NULL AS INT), B := 1e20)"), "Struct{B=1.0E20}");
    ck_assert_str_eq(printed(a, "TIME '03:04'"), "03:04");
    arena_free(a);
}
END_TEST

START_TEST(equality_and_hash_agree_and_maps_have_no_order)
{
    arena *a = arena_new();
    static const char *const same[][2] = {{"MAP('a' := 1, 'b' := 2)", "MAP('b' := 2, 'a' := 1)"},
                                          {"0e0 / 0", "0e0 / 0"},
                                          {"ARRAY[1, NULL]", "ARRAY[1, NULL]"}};
    for (size_t i = 0; i < 3; i++) {
        const type *t;
        value x = eval(a, same[i][0], &t), y = eval(a, same[i][1], &t);
        ck_assert(value_eq(t, x, y));
        ck_assert_uint_eq(value_hash(t, x), value_hash(t, y));
    }
    const type *d = type_simple(TYPE_DOUBLE);
    ck_assert(!value_eq(d, (value){.d = 0.0}, (value){.d = -0.0}));
    ck_assert_int_lt(value_cmp(d, (value){.d = -0.0}, (value){.d = 0.0}), 0);
    ck_assert(!value_eq(d, value_null(), (value){.d = 0}));
    arena_free(a);
}
END_TEST

START_TEST(copies_do_not_share_memory)
{
    arena *a = arena_new(), *b = arena_new();
    const type *t;
    value v = eval(a, "STRUCT(A := ARRAY['x', NULL], M := MAP('k' := x'0102'))", &t);
    t = type_copy(b, t);
    value copy = value_copy(b, t, v), own = value_own(t, v);
    ck_assert_uint_gt(value_held(t, v), 0);
    const char *text = arena_strz(b, str_z(mini_text(a, t, v)));
    arena_free(a);
    ck_assert_str_eq(mini_text(b, t, copy), text);
    ck_assert_str_eq(mini_text(b, t, own), text);
    value_disown(t, own);
    value empty = value_own(type_simple(TYPE_STRING), (value){.s = {NULL, 0}});
    ck_assert_uint_eq(empty.s.n, 0);
    value_disown(type_simple(TYPE_STRING), empty);
    arena_free(b);
}
END_TEST

START_TEST(a_copied_chunk_holds_the_selected_rows)
{
    arena *a = arena_new(), *b = arena_new();
    column cols[] = {{STR("V"), type_simple(TYPE_STRING), COLUMN_VALUE, {0}},
                     {STR("K"), type_simple(TYPE_INT), COLUMN_KEY, {0}}};
    schema *s = schema_new(a, cols, 2);
    s->is_table = true;
    ck_assert(str_eqz(s->columns[0].name, "K"));
    ck_assert_int_eq(schema_find(s, STR("V")), 1);
    chunk *c = chunk_new(a, s, 4);
    c->rows = c->count = 4;
    for (uint32_t i = 0; i < 4; i++) {
        vec_set(&c->cols[0], i, (value){.i = (int32_t)i});
        vec_set(&c->cols[1], i, (value){.s = arena_printf(a, "v%u", i)});
        vec_set(&c->old[1], i, (value){.s = arena_printf(a, "old%u", i)});
        c->rowtime[i] = 100 + i;
        c->partition[i] = 0;
        c->offset[i] = i;
    }
    c->flags[3] = ROW_VALUE_NULL;
    uint16_t *sel = chunk_selection(c);
    sel[0] = 1;
    sel[1] = 3;
    c->count = 2;
    chunk *copy = chunk_copy(b, c);
    schema *kept = schema_copy(b, s);
    copy->schema = kept;
    for (int i = 0; i < 2; i++) copy->cols[i].type = kept->columns[i].type;
    arena_free(a);
    ck_assert_uint_eq(copy->count, 2);
    ck_assert_ptr_null(copy->sel);
    ck_assert_int_eq(vec_get(&copy->cols[0], 1).i, 3);
    ck_assert(str_eqz(vec_get(&copy->cols[1], 0).s, "v1"));
    ck_assert(vec_get(&copy->cols[1], 1).null);
    ck_assert_int_eq(copy->rowtime[1], 103);
    arena_free(b);
}
END_TEST

UNIT_MAIN("engine/value", types_print_as_ksqldb_prints_them, values_inside_collections_print_as_java_objects,
          equality_and_hash_agree_and_maps_have_no_order, copies_do_not_share_memory,
          a_copied_chunk_holds_the_selected_rows)
