/* Queries: names, types, keys and the steps that they become. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "engine/query.h"
#include "tests/support/sql/world.h"

static world *w;

static void set_up(void)
{
    w = world_new();
    world_run(
        w,
        "CREATE STREAM S (ID INT KEY, NAME STRING, V INT, L BIGINT, D DOUBLE, P DECIMAL(4,2), A ARRAY<INT>, M "
        "MAP<STRING, INT>, "
        "ST STRUCT<X INT, Y STRING>, TS TIMESTAMP, B BYTES, T BOOLEAN) WITH (KAFKA_TOPIC='t4', VALUE_FORMAT='JSON');");
    world_run(w,
              "CREATE TABLE T (ID INT PRIMARY KEY, V INT, NAME STRING) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
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

/* The schema that CREATE ... AS with this query gives. */
static const char *stream_of(const char *select)
{
    buf b = {0};
    buf_printf(&b, "CREATE OR REPLACE STREAM O%d AS %s;", w->catalog->query_count, select);
    char name[16];
    snprintf(name, sizeof name, "O%d", w->catalog->query_count);
    world_run(w, buf_z(&b));
    buf_free(&b);
    return world_schema(w, name);
}

static const char *table_of(const char *select)
{
    buf b = {0};
    buf_printf(&b, "CREATE TABLE O%d AS %s;", w->catalog->query_count, select);
    char name[16];
    snprintf(name, sizeof name, "O%d", w->catalog->query_count);
    world_run(w, buf_z(&b));
    buf_free(&b);
    return world_schema(w, name);
}

static void refuses(const char *select, const char *message, const char *where)
{
    buf b = {0};
    buf_printf(&b, "CREATE STREAM OUT_S AS %s;", select);
    world_refuses(w, buf_z(&b), message, where);
    buf_free(&b);
}

static void refuses_table(const char *select, const char *message, const char *where)
{
    buf b = {0};
    buf_printf(&b, "CREATE TABLE OUT_T AS %s;", select);
    world_refuses(w, buf_z(&b), message, where);
    buf_free(&b);
}

/* The type of an expression over S. */
static void has_type(const char *e, const char *type_name)
{
    buf b = {0}, want = {0};
    buf_printf(&b, "SELECT ID, %s AS R FROM S", e);
    buf_printf(&want, "`ID` INTEGER KEY, `R` %s", type_name);
    ck_assert_str_eq(stream_of(buf_z(&b)), buf_z(&want));
    buf_free(&b);
    buf_free(&want);
}

/* ---- types ------------------------------------------------------------------------------------------------ */

TEST(operators_have_ksqls_result_types)
{
    has_type("V + V", "INTEGER");
    has_type("V + L", "BIGINT");
    has_type("V * D", "DOUBLE");
    has_type("P + P", "DECIMAL(5, 2)");
    has_type("P * V", "DECIMAL(15, 2)");
    has_type("P / P", "DECIMAL(11, 7)");
    has_type("P % L", "DECIMAL(4, 2)");
    has_type("P + D", "DOUBLE");
    has_type("NAME + 'x'", "STRING");
    has_type("V > 1.5", "BOOLEAN");
    has_type("TS > '2020-01-01'", "BOOLEAN");
    has_type("A[1]", "INTEGER");
    has_type("M['k']", "INTEGER");
    has_type("ST->Y", "STRING");
    has_type("-P", "DECIMAL(4, 2)");
    has_type("NAME BETWEEN 'a' AND 'b'", "BOOLEAN");
    has_type("V IN (1, '2', 3.0)", "BOOLEAN");
}

TEST(literals_have_the_smallest_type)
{
    has_type("1", "INTEGER");
    has_type("3000000000", "BIGINT");
    has_type("1.50", "DECIMAL(3, 2)");
    has_type("0.05", "DECIMAL(3, 2)");
    has_type("1e3", "DOUBLE");
    has_type("'x'", "STRING");
    has_type("CAST(NULL AS BYTES)", "BYTES");
}

TEST(constructors_bring_their_elements_to_one_type)
{
    has_type("ARRAY[1, 2.5, V]", "ARRAY<DECIMAL(11, 1)>");
    has_type("ARRAY[1, NULL, L]", "ARRAY<BIGINT>");
    has_type("ARRAY[1, '2.50']", "ARRAY<DECIMAL(12, 2)>");
    has_type("ARRAY['a', 1]", "ARRAY<STRING>");
    has_type("MAP('a' := 1, 'b' := L)", "MAP<STRING, BIGINT>");
    has_type("STRUCT(X := 1, `y` := 'a')", "STRUCT<`X` INTEGER, `y` STRING>");
    has_type("CASE WHEN T THEN 1 WHEN V = 1 THEN NULL ELSE 2 END", "INTEGER");
}

TEST(what_does_not_fit_is_refused_at_its_place)
{
    refuses("SELECT ID, V + NAME AS R FROM S", "Unsupported arithmetic types. INTEGER STRING", "+ NAME");
    refuses("SELECT ID, V + NULL AS R FROM S", "Arithmetic on types INTEGER and NULL", "+ NULL");
    refuses("SELECT ID, V FROM S WHERE V = NULL", "Comparison with NULL not supported", "= NULL");
    refuses("SELECT ID, V FROM S WHERE V = NAME", "Cannot compare", "= NAME");
    refuses("SELECT ID, V FROM S WHERE A > A", "Cannot compare", "> A");
    refuses("SELECT ID, V FROM S WHERE TS > 'never'", "Failed to parse", "'never'");
    refuses("SELECT ID, V FROM S WHERE V", "Should evaluate to boolean", "V;");
    refuses("SELECT ID, V FROM S WHERE T AND V", "expected a BOOLEAN", "V;");
    refuses("SELECT ID, NULL AS R FROM S", "Can't infer a type of null", "NULL AS");
    refuses("SELECT ID, CAST(B AS INT) AS R FROM S", "Cast of BYTES to INTEGER", "CAST(");
    refuses("SELECT ID, ST->Z AS R FROM S", "Could not find field 'Z'", "Z AS");
    refuses("SELECT ID, NAME->Z AS R FROM S", "Expected STRUCT type, got: STRING", "Z AS");
    refuses("SELECT ID, V[1] AS R FROM S", "do not apply to INTEGER", NULL);
    refuses("SELECT ID, CASE WHEN V THEN 1 END AS R FROM S", "WHEN operand type should be boolean", "V THEN");
    refuses("SELECT ID, CASE WHEN T THEN 1 ELSE 'x' END AS R FROM S", "default clause", "'x'");
    refuses("SELECT ID, CASE WHEN T THEN NULL END AS R FROM S", "All case branches have NULL type", "CASE");
    refuses("SELECT ID, ARRAY[1, T] AS R FROM S", "operator does not exist", "T] AS");
    refuses("SELECT ID, V FROM S WHERE V IN (1, 'x')", "invalid input syntax for type INTEGER", "'x'");
    refuses("SELECT ID, UCASE(V) AS R FROM S", "does not accept parameters (INTEGER)", "UCASE");
    refuses("SELECT ID, UKASE(NAME) AS R FROM S", "Can't find any functions with the name 'UKASE'", "UKASE");
    ck_assert_ptr_nonnull(strstr(w->d.hint, "UCASE"));
}

/* ---- names ------------------------------------------------------------------------------------------------ */

TEST(unknown_names_get_a_place_and_a_guess)
{
    refuses("SELECT ID, NAM FROM S", "SELECT column 'NAM' cannot be resolved", "NAM FROM");
    ck_assert_ptr_nonnull(strstr(w->d.hint, "NAME"));
    refuses("SELECT ID, V FROM SS", "SS does not exist", "SS");
    refuses("SELECT ID, V FROM S WHERE X = 1", "WHERE column 'X' cannot be resolved", "X =");
    refuses("SELECT ID, Q.V FROM S", "'Q' is not a valid stream/table name", "Q.V");
}

TEST(unnamed_columns_are_named_as_ksql_names_them)
{
    ck_assert_str_eq(stream_of("SELECT ID, V + 1, ST->X, UCASE(NAME), ST->Y AS Z FROM S"),
                     "`ID` INTEGER KEY, `KSQL_COL_0` INTEGER, `X` INTEGER, `KSQL_COL_1` STRING, `Z` STRING");
    world_run(
        w,
        "CREATE STREAM N (KSQL_COL_0 INT KEY, X INT, ST STRUCT<X INT>) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    ck_assert_str_eq(stream_of("SELECT KSQL_COL_0, X + 1, ST->X FROM N"),
                     "`KSQL_COL_0` INTEGER KEY, `KSQL_COL_1` INTEGER, `X_1` INTEGER");
}

TEST(stars_leave_pseudo_columns_out)
{
    ck_assert_str_eq(
        stream_of("SELECT *, ROWTIME AS RT FROM S EMIT CHANGES"),
        "`ID` INTEGER KEY, `NAME` STRING, `V` INTEGER, `L` BIGINT, `D` DOUBLE, `P` DECIMAL(4, 2), `A` ARRAY<INTEGER>, "
        "`M` MAP<STRING, "
        "INTEGER>, `ST` STRUCT<`X` INTEGER, `Y` STRING>, `TS` TIMESTAMP, `B` BYTES, `T` BOOLEAN, `RT` BIGINT");
    ck_assert_str_eq(stream_of("SELECT S.ID, ST->* FROM S"), "`ID` INTEGER KEY, `X` INTEGER, `Y` STRING");
    refuses("SELECT ID, ROWTIME FROM S", "Reserved column name in select: `ROWTIME`", "ROWTIME");
    refuses("SELECT ID, V AS ROWTIME FROM S", "is a reserved column name", "V AS");
}

/* ---- keys ------------------------------------------------------------------------------------------------- */

TEST(the_projection_has_every_key_once)
{
    ck_assert_str_eq(stream_of("SELECT V, ID AS K, AS_VALUE(ID) AS COPY FROM S"),
                     "`K` INTEGER KEY, `V` INTEGER, `COPY` INTEGER");
    refuses("SELECT V FROM S", "must include the key column ID", NULL);
    refuses("SELECT ID, ID AS K2, V FROM S", "more than once", "ID AS K2");
    refuses("SELECT ID FROM S", "contains no value columns", NULL);
    refuses("SELECT ID, V, L AS V FROM S", "Duplicate value columns", "L AS V");
    refuses("SELECT ID AS V, V FROM S", "Value columns clash with key columns", "V FROM");
}

TEST(partition_by_moves_columns_into_the_key)
{
    world_run(w, "CREATE STREAM R (ID INT KEY, A INT, B STRING) WITH (KAFKA_TOPIC='t4', VALUE_FORMAT='JSON');");
    ck_assert_str_eq(stream_of("SELECT * FROM R PARTITION BY B"), "`B` STRING KEY, `A` INTEGER, `ID` INTEGER");
    ck_assert_str_eq(stream_of("SELECT A + 1 AS K, ID FROM R PARTITION BY A + 1"), "`K` INTEGER KEY, `ID` INTEGER");
    ck_assert_str_eq(stream_of("SELECT ID, A FROM R PARTITION BY ID"), "`ID` INTEGER KEY, `A` INTEGER");
    ck_assert_str_eq(stream_of("SELECT ID, A FROM R PARTITION BY NULL"), "`ID` INTEGER, `A` INTEGER");
    ck_assert_int_eq(catalog_source(w->catalog, STR("O3"))->key_format.spec.kind, FORMAT_NONE);
    refuses("SELECT ID, A FROM R PARTITION BY B", "must include the partitioning expression R.B", NULL);
    refuses("SELECT ID, M FROM S PARTITION BY M", "Map keys", "M;");
    refuses_table("SELECT ID, V FROM T PARTITION BY V", "not supported for tables", "PARTITION");
}

TEST(group_by_needs_its_expressions_in_the_projection)
{
    ck_assert_str_eq(table_of("SELECT NAME, COUNT(*) AS N, SUM(V) FROM S GROUP BY NAME"),
                     "`NAME` STRING KEY, `N` BIGINT, `KSQL_COL_0` INTEGER");
    ck_assert_str_eq(table_of("SELECT V + 1 AS K, COUNT(*) AS N, (V + 1) * 2 AS X FROM S GROUP BY V + 1"),
                     "`K` INTEGER KEY, `N` BIGINT, `X` INTEGER");
    world_run(w, "CREATE TABLE J WITH (KEY_FORMAT='JSON') AS SELECT ST->X, ID, MAX(L) AS M FROM S WINDOW TUMBLING "
                 "(SIZE 1 MINUTE) GROUP BY ID, ST->X;");
    ck_assert_str_eq(world_schema(w, "J"), "`ID` INTEGER KEY, `X` INTEGER KEY, `M` BIGINT");
    ck_assert_int_eq(catalog_source(w->catalog, STR("J"))->schema->window_size, 60000);
}

TEST(aggregates_that_break_a_rule_are_refused)
{
    refuses_table("SELECT COUNT(*) AS N FROM S GROUP BY NAME", "must include the grouping expression S.NAME", NULL);
    refuses_table("SELECT NAME, V, COUNT(*) AS N FROM S GROUP BY NAME", "not part of GROUP BY: S.V", "V, COUNT");
    refuses_table("SELECT NAME, V FROM S GROUP BY NAME, V", "requires aggregate functions", NULL);
    refuses_table("SELECT NAME, SUM(COUNT(V)) AS N FROM S GROUP BY NAME", "can not be nested", "COUNT(V)");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S GROUP BY COUNT(*)",
                  "GROUP BY does not support aggregate functions", "COUNT(*);");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S WHERE COUNT(*) > 1 GROUP BY NAME",
                  "WHERE does not support aggregate functions", "COUNT(*) > 1");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S GROUP BY NAME HAVING V > 1",
                  "HAVING expression not part of GROUP BY", "V > 1");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S GROUP BY NAME, S.NAME", "Duplicate GROUP BY expression", "S.NAME");
    refuses_table("SELECT NAME, MIN(V) AS A, MAX(V) AS B FROM T GROUP BY NAME",
                  "MIN and MAX cannot be applied to a table", "MIN");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 0 SECONDS) GROUP BY NAME",
                  "greater than zero", "0 SECONDS");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 1 HOUR, GRACE PERIOD 1 "
                  "HOUR) GROUP BY NAME",
                  "RETENTION", NULL);
    refuses_table("SELECT NAME, COUNT(*) AS N FROM T WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY NAME",
                  "not supported for table aggregations", "TUMBLING");
    refuses_table("SELECT NAME, COUNT(*) AS N FROM S GROUP BY NAME EMIT FINAL", "EMIT FINAL is only supported", "EMIT");
    refuses("SELECT ID, V FROM S WINDOW TUMBLING (SIZE 1 HOUR)", "WINDOW clause requires a GROUP BY", "TUMBLING");
}

TEST(windows_get_their_default_grace)
{
    table_of("SELECT NAME, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY NAME");
    const plan *p = w->catalog->queries[0]->plan;
    while (p->kind != PLAN_AGGREGATE) p = p->inputs[0];
    ck_assert(p->aggregate.window.kind == WINDOW_TUMBLING && p->aggregate.window.grace == 23 * 3600000);
    table_of("SELECT NAME, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY NAME EMIT FINAL");
    p = w->catalog->queries[1]->plan;
    while (p->kind != PLAN_AGGREGATE) p = p->inputs[0];
    ck_assert_int_eq(p->aggregate.window.grace, 0);
}

TEST(windowed_tables_are_no_input_of_persistent_queries)
{
    table_of("SELECT NAME, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY NAME");
    refuses_table("SELECT * FROM O0", "persistent queries on windowed tables", "O0");
}

/* ---- formats ---------------------------------------------------------------------------------------------- */

TEST(a_key_that_does_not_fit_the_inherited_format_is_refused)
{
    refuses_table("SELECT NAME, V, COUNT(*) AS N FROM S GROUP BY NAME, V", "Key format does not support schema", NULL);
    world_run(w, "CREATE TABLE J WITH (KEY_FORMAT='JSON') AS SELECT NAME, V, COUNT(*) AS N FROM S GROUP BY NAME, V;");
    const source *s = catalog_source(w->catalog, STR("J"));
    ck_assert(s->key_format.spec.kind == FORMAT_JSON && s->key_format.spec.wrapped);
}

/* ---- the plan --------------------------------------------------------------------------------------------- */

TEST(sources_decode_only_what_is_read)
{
    stream_of("SELECT ID, V FROM S WHERE NAME = 'x'");
    const plan *p = w->catalog->queries[0]->plan;
    while (p->kind != PLAN_SOURCE) p = p->inputs[0];
    ck_assert(p->source.needed[0] && p->source.needed[1] && p->source.needed[2]);
    for (int i = 3; i < p->schema->count; i++) ck_assert(!p->source.needed[i]);
}

TEST(explain_shows_the_tree)
{
    table_of("SELECT NAME, COUNT(*) AS N FROM S WHERE V > 1 GROUP BY NAME HAVING COUNT(*) > 2");
    const char *tree = world_plan(w);
    static const char *const steps[] = {
        "> [ SINK ] O0:", "  > [ PROJECT ]", "    > [ FILTER ] Aggregate-HavingFilter: (N > 2)", "AGGREGATE", "REKEY",
        "(V > 1)",        "SOURCE"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const char *at = strstr(tree, steps[i]);
        ck_assert_msg(at != NULL, "%s not in\n%s", steps[i], tree);
        tree = at;
    }
    world_run(w, "EXPLAIN CTAS_O0_0;");
    ck_assert_int_eq(w->out.result.kind, RESULT_EXPLAIN);
    world_run(w, "EXPLAIN SELECT ID FROM S EMIT CHANGES;");
    world_run(w, "EXPLAIN CREATE STREAM E AS SELECT ID, V FROM S;");
    ck_assert(w->out.after == NULL && w->out.effect_count == 0 && w->out.result.explain.plan != NULL);
    world_run(w, "EXPLAIN SELECT N FROM O0 WHERE NAME IN ('a', 'b');");
    ck_assert_ptr_nonnull(strstr(w->out.result.explain.tree.p, "[ KEY LOOKUP ] of 2 keys in O0, kept by CTAS_O0_0"));
    world_refuses(w, "EXPLAIN NOPE;", "does not exist", "NOPE");
}

/* ---- pull queries ----------------------------------------------------------------------------------------- */

static const planned_pull *pull_of(const char *where)
{
    buf b = {0};
    buf_printf(&b, "SELECT * FROM O0 %s;", where);
    world_run(w, buf_z(&b));
    buf_free(&b);
    ck_assert_int_eq(w->out.result.kind, RESULT_PULL);
    return w->out.result.pull;
}

TEST(keys_of_a_predicate_become_lookups)
{
    table_of("SELECT NAME, COUNT(*) AS N FROM S GROUP BY NAME");
    const planned_pull *p = pull_of("WHERE NAME = 'a'");
    ck_assert(p->request->kind == PULL_KEYS && p->request->key_count == 1 && str_eqz(p->request->keys[0].s, "a") &&
              str_eqz(p->query_id, "CTAS_O0_0"));
    p = pull_of("WHERE NAME IN ('a', 'b', 'a') AND N > 1");
    ck_assert(p->request->kind == PULL_KEYS && p->request->key_count == 2 && p->filter != NULL);
    p = pull_of("WHERE NAME = 'a' OR 'b' = NAME");
    ck_assert(p->request->kind == PULL_KEYS && p->request->key_count == 2);
    p = pull_of("WHERE NAME = 'a' AND NAME = 'b'");
    ck_assert(p->request->kind == PULL_KEYS && p->request->key_count == 0);
    p = pull_of("WHERE NAME >= 'a' AND NAME < UCASE('c')");
    ck_assert(p->request->kind == PULL_RANGE && !p->request->low_open && p->request->high_open &&
              str_eqz(p->request->high->s, "C"));
    ck_assert_int_eq(pull_of("WHERE NAME = 'a' OR N = 3")->request->kind, PULL_SCAN);
    ck_assert_int_eq(pull_of("LIMIT 3")->request->kind, PULL_SCAN);
    ck_assert_int_eq(w->out.result.pull->limit, 3);
}

TEST(window_bounds_of_a_predicate_limit_the_read)
{
    table_of("SELECT NAME, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY NAME");
    const planned_pull *p = pull_of("WHERE NAME = 'a' AND WINDOWSTART >= 10 AND WINDOWSTART < 20 AND WINDOWEND = 30");
    ck_assert(p->request->start_min == 10 && p->request->start_max == 19 && p->request->end_min == 30 &&
              p->request->end_max == 30);
    p = pull_of("WHERE NAME = 'a' AND WINDOWSTART > '1970-01-01T00:00:01'");
    ck_assert_int_eq(p->request->start_min, 1001);
    ck_assert_int_eq(p->schema->count, 4);
    ck_assert(p->schema->columns[1].role == COLUMN_KEY && str_eqz(p->schema->columns[1].name, "WINDOWSTART"));
}

TEST(what_pull_queries_cannot_do_is_refused)
{
    table_of("SELECT NAME, COUNT(*) AS N FROM S GROUP BY NAME");
    world_refuses(w, "SELECT * FROM T;", "isn't queryable", "T;");
    world_refuses(w, "SELECT NAME, COUNT(*) FROM O0 GROUP BY NAME;", "Pull queries don't support GROUP BY", "GROUP");
    world_refuses(w, "SELECT ROWOFFSET FROM O0;", "don't support the following columns", "ROWOFFSET");
    world_run(w, "SET 'ksql.query.pull.table.scan.enabled'='false';");
    world_refuses(w, "SELECT * FROM O0 WHERE N = 1;", "does not fix the key", "N = 1");
    world_refuses(w, "SELECT * FROM O0 WHERE NAME > 'a' AND NAME < 'c';", "cannot be combined", "NAME > 'a'");
    world_run(w, "SELECT * FROM O0 WHERE NAME > 'a';");
    world_run(w, "SET 'ksql.query.pull.range.scan.enabled'='false';");
    world_refuses(w, "SELECT * FROM O0 WHERE NAME > 'a';", "requires range scan", "NAME > 'a'");
    world_run(w, "SELECT * FROM O0 WHERE NAME = 'a';");
    world_run(w, "SELECT ID FROM S WHERE V > 1 LIMIT 2;");
    ck_assert(w->out.result.pull->stream && w->out.result.pull->push != NULL);
}

UNIT_MAIN("sql/plan", operators_have_ksqls_result_types, literals_have_the_smallest_type,
          constructors_bring_their_elements_to_one_type, what_does_not_fit_is_refused_at_its_place,
          unknown_names_get_a_place_and_a_guess, unnamed_columns_are_named_as_ksql_names_them,
          stars_leave_pseudo_columns_out, the_projection_has_every_key_once, partition_by_moves_columns_into_the_key,
          group_by_needs_its_expressions_in_the_projection, aggregates_that_break_a_rule_are_refused,
          windows_get_their_default_grace, windowed_tables_are_no_input_of_persistent_queries,
          a_key_that_does_not_fit_the_inherited_format_is_refused, sources_decode_only_what_is_read,
          explain_shows_the_tree, keys_of_a_predicate_become_lookups, window_bounds_of_a_predicate_limit_the_read,
          what_pull_queries_cannot_do_is_refused)
