/* Joins: the key of the result, the names of its columns, and what is refused. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/support/sql/world.h"

static world *w;

static void set_up(void)
{
    w = world_new();
    world_run(
        w, "CREATE STREAM A (ID INT KEY, X INT, N STRING) WITH (KAFKA_TOPIC='t4', VALUE_FORMAT='JSON');"
           "CREATE STREAM B (ID INT KEY, X INT, M STRING) WITH (KAFKA_TOPIC='b4', PARTITIONS=4, VALUE_FORMAT='JSON');"
           "CREATE STREAM C (ID INT KEY, Y INT) WITH (KAFKA_TOPIC='c4', PARTITIONS=4, VALUE_FORMAT='JSON');"
           "CREATE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='d4', PARTITIONS=4, VALUE_FORMAT='JSON');"
           "CREATE TABLE U (ID INT PRIMARY KEY, T_ID INT, Q INT) WITH (KAFKA_TOPIC='e4', PARTITIONS=4, "
           "VALUE_FORMAT='JSON');"
           "CREATE STREAM P1 (ID INT KEY, X INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
}

static void tear_down(void)
{
    world_free(w);
}

#define TEST(name)                                                                                                     \
    static void body_##name(void);                                                                                     \
    START_TEST(name)                                                                                                   \
    {                                                                                                                  \
        set_up();                                                                                                      \
        body_##name();                                                                                                 \
        tear_down();                                                                                                   \
    }                                                                                                                  \
    END_TEST                                                                                                           \
    static void body_##name(void)

static const char *result_of(const char *kind, const char *select)
{
    buf b = {0};
    char name[16];
    snprintf(name, sizeof name, "O%d", w->catalog->query_count);
    buf_printf(&b, "CREATE %s %s AS %s;", kind, name, select);
    world_run(w, buf_z(&b));
    buf_free(&b);
    return world_schema(w, name);
}

static void refuses(const char *kind, const char *select, const char *message, const char *where)
{
    buf b = {0};
    buf_printf(&b, "CREATE %s OUT_J AS %s;", kind, select);
    world_refuses(w, buf_z(&b), message, where);
    buf_free(&b);
}

/* Steps of a kind in the last plan. */
static int steps_of(const plan *p, plan_kind kind)
{
    int n = p->kind == kind;
    for (int i = 0; i < p->input_count; i++) n += steps_of(p->inputs[i], kind);
    return n;
}

static const plan *last_plan(void)
{
    return w->catalog->queries[w->catalog->query_count - 1]->plan;
}

TEST(the_key_is_the_first_equal_column_of_the_projection)
{
    ck_assert_str_eq(result_of("STREAM", "SELECT A.ID, N, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID"),
                     "`A_ID` INTEGER KEY, `N` STRING, `M` STRING");
    ck_assert_int_eq(steps_of(last_plan(), PLAN_REKEY), 0);
    ck_assert_str_eq(result_of("STREAM", "SELECT B.ID AS K, N FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID"),
                     "`K` INTEGER KEY, `N` STRING");
    ck_assert_str_eq(result_of("STREAM", "SELECT A.ID AS K, B.ID AS L, N FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID"),
                     "`K` INTEGER KEY, `L` INTEGER, `N` STRING");
    refuses("STREAM", "SELECT N, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID", "must include the join expression",
            NULL);
}

TEST(stars_carry_the_alias_of_each_source)
{
    ck_assert_str_eq(result_of("STREAM", "SELECT * FROM A AS L JOIN B WITHIN 1 SECOND ON L.ID = B.ID"),
                     "`L_ID` INTEGER KEY, `L_X` INTEGER, `L_N` STRING, `B_ID` INTEGER, `B_X` INTEGER, `B_M` STRING");
    ck_assert_str_eq(result_of("STREAM", "SELECT A.*, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID"),
                     "`A_ID` INTEGER KEY, `A_X` INTEGER, `A_N` STRING, `M` STRING");
    refuses("STREAM", "SELECT A.ID, X FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID", "Column 'X' is ambiguous",
            "X FROM");
}

TEST(sides_that_are_not_keyed_by_the_criterion_are_repartitioned)
{
    ck_assert_str_eq(result_of("STREAM", "SELECT A.X, N, M FROM A JOIN B WITHIN 1 SECOND ON A.X = B.ID"),
                     "`A_X` INTEGER KEY, `N` STRING, `M` STRING");
    ck_assert_int_eq(steps_of(last_plan(), PLAN_REKEY), 1);
    ck_assert_str_eq(result_of("STREAM", "SELECT ROWKEY, N FROM A JOIN B WITHIN 1 SECOND ON A.X + 1 = B.X - 1"),
                     "`ROWKEY` INTEGER KEY, `N` STRING");
    ck_assert_int_eq(steps_of(last_plan(), PLAN_REKEY), 2);
    refuses("STREAM", "SELECT A.ID, V FROM A JOIN T ON A.ID = T.V", "join on the table's primary key", "A.ID = T.V");
}

TEST(full_outer_joins_have_a_synthetic_key)
{
    ck_assert_str_eq(
        result_of("STREAM", "SELECT * FROM A FULL OUTER JOIN C WITHIN 1 SECOND ON A.ID = C.ID"),
        "`ROWKEY` INTEGER KEY, `A_ID` INTEGER, `A_X` INTEGER, `A_N` STRING, `C_ID` INTEGER, `C_Y` INTEGER");
    refuses("STREAM", "SELECT A.ID, Y FROM A FULL OUTER JOIN C WITHIN 1 SECOND ON A.ID = C.ID",
            "must include the join expression", NULL);
}

TEST(chains_join_on_what_their_key_equals)
{
    ck_assert_str_eq(result_of("STREAM", "SELECT A.ID, N, M, Y, V FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID "
                                         "JOIN C WITHIN 2 SECONDS ON B.ID = C.ID LEFT JOIN T ON T.ID = C.ID"),
                     "`A_ID` INTEGER KEY, `N` STRING, `M` STRING, `Y` INTEGER, `V` INTEGER");
    ck_assert_int_eq(steps_of(last_plan(), PLAN_REKEY), 0);
    ck_assert_int_eq(steps_of(last_plan(), PLAN_JOIN), 3);
    result_of("STREAM",
              "SELECT C.ID, N, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID JOIN C WITHIN 2 SECONDS ON B.X = C.ID");
    ck_assert_int_eq(steps_of(last_plan(), PLAN_REKEY), 1);
}

TEST(tables_join_on_keys_or_foreign_keys)
{
    ck_assert_str_eq(result_of("TABLE", "SELECT T.ID, V, Q FROM T JOIN U ON T.ID = U.ID"),
                     "`T_ID` INTEGER KEY, `V` INTEGER, `Q` INTEGER");
    ck_assert_str_eq(result_of("TABLE", "SELECT U.ID, V, Q FROM U LEFT JOIN T ON U.T_ID = T.ID"),
                     "`U_ID` INTEGER KEY, `V` INTEGER, `Q` INTEGER");
    const plan *p = last_plan();
    while (p->kind != PLAN_JOIN) p = p->inputs[0];
    ck_assert(p->join.foreign_key != NULL && p->join.kind == JOIN_LEFT);
    refuses("TABLE", "SELECT V, Q FROM U JOIN T ON U.T_ID = T.ID", "Key missing from projection", NULL);
    refuses("TABLE", "SELECT U.ID, V FROM U FULL OUTER JOIN T ON U.T_ID = T.ID",
            "full-outer join not supported for foreign-key", "FULL");
    refuses("TABLE", "SELECT T.ID, Q FROM T JOIN U ON T.ID = U.T_ID", "primary key of the right input table",
            "T.ID = U.T_ID");
}

TEST(joins_that_cannot_be_are_refused)
{
    refuses("STREAM", "SELECT A.ID, M FROM A JOIN B ON A.ID = B.ID", "must have a WITHIN clause", NULL);
    refuses("STREAM", "SELECT A.ID, V FROM A JOIN T WITHIN 1 SECOND ON A.ID = T.ID", "not windowed", NULL);
    refuses("STREAM", "SELECT A.ID, V FROM T JOIN A ON A.ID = T.ID", "Invalid join order", NULL);
    refuses("STREAM", "SELECT A.ID, V FROM A FULL OUTER JOIN T ON A.ID = T.ID", "Invalid join type", "FULL");
    refuses("STREAM", "SELECT A.ID, A.N FROM A JOIN A AS Z WITHIN 1 SECOND ON A.ID = Z.ID",
            "self joins are not yet supported", "A AS Z");
    refuses("STREAM", "SELECT A.ID, M FROM A JOIN B WITHIN 1 SECOND ON A.ID > B.ID", "Only equality join criteria",
            NULL);
    refuses("STREAM", "SELECT A.ID, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.ID AND A.X = B.X",
            "multiple conditions", "A.ID = B.ID AND");
    refuses("STREAM", "SELECT A.ID, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = A.X", "not the same source", NULL);
    refuses("STREAM", "SELECT A.ID, M FROM A JOIN B WITHIN 1 SECOND ON A.ID = B.M",
            "types don't match. Got A.ID{INTEGER} = B.M{STRING}", NULL);
    refuses("STREAM", "SELECT A.ID, P1.X FROM A JOIN P1 WITHIN 1 SECOND ON A.ID = P1.ID",
            "number of partitions don't match", NULL);
}

UNIT_MAIN("sql/join", the_key_is_the_first_equal_column_of_the_projection, stars_carry_the_alias_of_each_source,
          sides_that_are_not_keyed_by_the_criterion_are_repartitioned, full_outer_joins_have_a_synthetic_key,
          chains_join_on_what_their_key_equals, tables_join_on_keys_or_foreign_keys, joins_that_cannot_be_are_refused)
