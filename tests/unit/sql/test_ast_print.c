/* Text -> tree -> text: the trees agree, the text is stable, and equality and hashing see what they should see. */
#include "tests/unit/unit.h"

#include "base/arena.h"
#include "sql/ast_print.h"
#include "sql/parse.h"

static arena *a;

static void set_up(void)
{
    a = arena_new();
}

static void tear_down(void)
{
    arena_free(a);
}

static const ast_stmt *statement(str text)
{
    const ast_stmt *s;
    diag d = {0};
    bool ok = parse_one(a, text, PARSE_TEST, &s, &d);
    ck_assert_msg(ok, "%.*s: %s (%s)", STR_ARG(text), d.text, d.hint);
    return s;
}

static const ast_expr *expression(const char *text)
{
    const ast_expr *e;
    diag d = {0};
    bool ok = parse_expr(a, str_z(text), &e, &d);
    ck_assert_msg(ok, "%s: %s (%s)", text, d.text, d.hint);
    return e;
}

/* Every statement and clause of the language at least once. */
static const char *const corpus[] = {
    "SHOW PROPERTIES;",
    "LIST TOPICS;",
    "SHOW ALL TOPICS EXTENDED;",
    "LIST STREAMS EXTENDED;",
    "SHOW TABLES;",
    "SHOW FUNCTIONS;",
    "SHOW CONNECTORS;",
    "SHOW SOURCE CONNECTORS;",
    "LIST SINK CONNECTORS;",
    "SHOW CONNECTOR PLUGINS;",
    "SHOW TYPES;",
    "SHOW VARIABLES;",
    "SHOW QUERIES EXTENDED;",
    "DESCRIBE s;",
    "DESCRIBE `lower-1` EXTENDED;",
    "DESCRIBE STREAMS EXTENDED;",
    "DESCRIBE TABLES;",
    "DESCRIBE `TABLES`;",
    "DESCRIBE FUNCTION substring;",
    "DESCRIBE FUNCTION;",
    "DESCRIBE CONNECTOR c;",
    "PRINT Topic_a FROM BEGINNING INTERVAL 5 LIMIT 3;",
    "PRINT 'my-topic' SAMPLE 2;",
    "PRINT `x.y`;",
    "EXPLAIN CSAS_A_1;",
    "EXPLAIN SELECT * FROM s EMIT CHANGES;",
    "EXPLAIN CREATE STREAM a AS SELECT * FROM s;",
    "EXPLAIN `SHOW`;",
    "TERMINATE ALL;",
    "TERMINATE q_1;",
    "PAUSE ALL;",
    "PAUSE q;",
    "RESUME q;",
    "RESUME ALL;",
    "SET 'auto.offset.reset'='earliest';",
    "SET 'a''b' = 'c''d';",
    "UNSET 'x';",
    "ALTER SYSTEM 'k'='v';",
    "DEFINE name = 'it''s';",
    "DEFINE limit = '5';",
    "UNDEFINE name;",
    "UNDEFINE select;",
    "CREATE STREAM s (id INT KEY, v VARCHAR(10), h ARRAY<STRUCT<key STRING, value BYTES>> HEADERS) "
    "WITH (kafka_topic='t', 'value_format'='JSON', partitions=1, x=TRUE, y=NULL, z=-1.50, w=1E3);",
    "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS t (a BIGINT PRIMARY KEY, b DECIMAL(10, 2), c INT ARRAY ARRAY, "
    "d MAP<STRING, ARRAY<DOUBLE>>, e STRUCT<`x y` INT, KEY TIMESTAMP, f STRUCT< >>, g my_type, h BYTES "
    "HEADER('k''1'));",
    "CREATE STREAM s;",
    "CREATE TABLE key (key INTEGER PRIMARY KEY, date DATE, time TIME, timestamp TIMESTAMP);",
    "CREATE SOURCE STREAM IF NOT EXISTS s WITH (a='b');",
    "CREATE STREAM e (x STRUCT<>);",
    "CREATE STREAM a AS SELECT * FROM b;",
    "CREATE OR REPLACE STREAM IF NOT EXISTS a WITH (p=1) AS SELECT x FROM b;",
    "CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 5 MINUTES) GROUP BY k EMIT FINAL;",
    "CREATE TABLE t AS SELECT k, SUM(v) FROM s WINDOW w HOPPING (SIZE 1 DAY, ADVANCE BY 1 HOUR, RETENTION 7 DAYS, "
    "GRACE PERIOD 0 SECONDS) WHERE v > 0 GROUP BY k, (v + 1) * 2 HAVING COUNT(*) > 1 AND NOT k IS NULL;",
    "CREATE TABLE t AS SELECT k FROM s WINDOW SESSION (30 SECONDS, GRACE PERIOD 10 MILLISECONDS) GROUP BY (k, v);",
    "CREATE STREAM r AS SELECT * FROM s PARTITION BY a->b, c;",
    "SELECT COUNT(*) FROM s GROUP BY () EMIT CHANGES;",
    "CREATE STREAM j AS SELECT l.a, r.*, x.b AS c FROM l INNER JOIN r AS rr WITHIN (1 HOUR, 2 DAYS) GRACE PERIOD 1 "
    "MINUTE "
    "ON l.id = rr.id LEFT JOIN x WITHIN 5 SECONDS ON rr.id = x.id RIGHT OUTER JOIN y ON y.k = x.k FULL JOIN z ON z.k = "
    "y.k;",
    "INSERT INTO t SELECT * FROM s;",
    "INSERT INTO t WITH (query_id='q') SELECT a FROM s WHERE a IS NOT NULL EMIT CHANGES;",
    "INSERT INTO t VALUES (1, 'a', NULL, ARRAY[1, 2], MAP('a' := 1), STRUCT(x := 1, `y` := 'z'), -5, TRUE);",
    "INSERT INTO t (a, `b`, key) VALUES (1 + 2, f(), 2147483648);",
    "INSERT INTO t VALUES ();",
    "DROP STREAM s;",
    "DROP TABLE IF EXISTS t DELETE TOPIC;",
    "DROP STREAM IF;",
    "DROP CONNECTOR IF EXISTS `c-1`;",
    "CREATE SOURCE CONNECTOR IF NOT EXISTS c WITH ('connector.class'='x', \"tasks.max\"='1');",
    "CREATE SINK CONNECTOR `my-c` WITH (a='b');",
    "CREATE TYPE IF NOT EXISTS addr AS STRUCT<street STRING, nr INT>;",
    "DROP TYPE IF EXISTS addr;",
    "ALTER STREAM s ADD COLUMN a INT, ADD b STRING;",
    "ALTER TABLE t ADD COLUMN INT;",
    "ASSERT TOPIC t WITH (partitions=1, replicas=1) TIMEOUT 5 SECONDS;",
    "ASSERT NOT EXISTS TOPIC 'a.b';",
    "ASSERT SCHEMA SUBJECT 's-value' ID 3 TIMEOUT 1 MINUTE;",
    "ASSERT NOT EXISTS SCHEMA ID 4;",
    "ASSERT SCHEMA SUBJECT id;",
    "ASSERT VALUES s (a, b) VALUES (1, 2);",
    "ASSERT NULL VALUES s (k) KEY ('x');",
    "ASSERT STREAM s (a INT KEY);",
    "ASSERT TABLE t (a INT PRIMARY KEY) WITH (kafka_topic='x');",
    "RUN SCRIPT './a.sql';",
    "SELECT * FROM s;",
    "SELECT a, b c, d AS `e f`, g->*, s.* FROM s EMIT CHANGES LIMIT 10;",
    "SELECT emit, partition, escape, grace, if, key, map, array, struct, show, tables, date FROM emit EMIT CHANGES;",
    "SELECT x emit FROM t partition PARTITION BY x EMIT CHANGES;",
    "SELECT `MAP`(1), `ARRAY`[1] FROM s;",
    "SELECT TRANSFORM(m, (k, v) => UCASE(k), (k, v) => v * 2), FILTER(a, x => x > 1), "
    "REDUCE(a, 0, (s, x) => CASE WHEN x > s THEN x ELSE s END) FROM s;",
    "SELECT DATEADD(DAYS, 1, d), DATEADD(DAY, 1, d) FROM s;",
    "SELECT COUNT(*), COUNT(), f(*) FROM s;",
    "SELECT -a, - -1, -(-1), -(5), -9223372036854775808, a - -1, a-1, 1-1, +a, - + -b, -a->b, (-a)[1], -(a)[1], "
    "-(1)[1], s.`1a` FROM s;",
    "SELECT 1.0, .5, 5., 007.50, 0.000, DECIMAL '1.20', DECIMAL '12', DECIMAL '-1E3', DECIMAL '1.5e-3' FROM s;",
    "SELECT 1E3, 1.5E-300, 0E0, -2.5e10, 1.7976931348623157E308, 123456789.123E0 FROM s;",
    "SELECT 'it''s', '', 'a;b', '\xC3\xA4\xE2\x82\xAC' FROM s;",
    "SELECT (a = b) IS NULL, (NOT a) = b, NOT a = b FROM s;",
    "SELECT a = 1 AND b OR NOT c AND d OR e FROM s;",
    "SELECT a + b * c - d / e % f || g || 'x' FROM s;",
    "SELECT a[1]->b['k'][-1], CAST(a AS ARRAY<INT>), s.a->b FROM s;",
    "SELECT ARRAY[], MAP(), STRUCT() FROM s;",
    "SELECT * FROM s WHERE a BETWEEN 1 AND 2 AND b NOT BETWEEN c AND d + 1 OR e IN (1, 2 = 3) AND f NOT IN ('x');",
    "SELECT * FROM s WHERE a LIKE 'x%' OR b NOT LIKE c || '_' ESCAPE '!' OR d IS DISTINCT FROM e OR f IS NOT DISTINCT "
    "FROM 1;",
    "SELECT CASE WHEN a THEN 1 WHEN b = 2 THEN 2 END, CASE WHEN x THEN NULL ELSE y END + 1 FROM s;",
};

START_TEST(printed_statements_parse_to_equal_trees)
{
    set_up();
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        const ast_stmt *first = statement(str_z(corpus[i]));
        str text = ast_stmt_text(a, first);
        const ast_stmt *again = statement(text);
        ck_assert_msg(ast_stmt_equal(first, again), "%s\n%.*s", corpus[i], STR_ARG(text));
        str twice = ast_stmt_text(a, again);
        ck_assert_msg(str_eq(text, twice), "%.*s\n%.*s", STR_ARG(text), STR_ARG(twice));
        for (size_t k = 0; k < i; k++) {
            ck_assert_msg(!ast_stmt_equal(first, statement(str_z(corpus[k]))), "%s = %s", corpus[i], corpus[k]);
        }
    }
    tear_down();
}
END_TEST

/* Text and what it is printed as. */
static const char *const printed[][2] = {
    {"a = 1 and b", "((A = 1) AND B)"},
    {"a or b and not c = d", "(A OR (B AND (NOT (C = D))))"},
    {"not a and b", "((NOT A) AND B)"},
    {"a + b * c - d", "((A + (B * C)) - D)"},
    {"-a * b", "(-A * B)"},
    {"a || b + c", "CONCAT(A, (B + C))"},
    {"a - -1", "(A - -1)"},
    {"a -1", "(A - 1)"},
    {"a not in (1)", "(NOT (A IN (1)))"},
    {"a is not distinct from b", "(NOT (A IS DISTINCT FROM B))"},
    {"count(*)", "COUNT(*)"},
    {"`count`(\"a\")", "`count`(`a`)"},
    {"f(x, (k, v) => k + v)", "F(X, (K, V) => (K + V))"},
    {"case when a then b else c end", "(CASE WHEN A THEN B ELSE C END)"},
    {"struct(a := 1, `b` := 2)", "STRUCT(A:=1, `b`:=2)"},
    {"map('a' := b)", "MAP('a':=B)"},
    {"a->b[1]", "A->B[1]"},
    {"cast(a as struct<b varchar(3), c decimal(4,2)>)", "CAST(A AS STRUCT<B STRING, C DECIMAL(4, 2)>)"},
    {"1e3", "1E3"},
    {"-1.5e-7", "-1.5E-7"},
    {"0.1e0", "1E-1"},
    {".50", "0.50"},
    {"null", "null"},
    {"TRUE", "true"},
    {"'it''s'", "'it''s'"},
    {"s.`x y`", "S.`x y`"},
    {"dateadd(minutes, 5, ts)", "DATEADD(MINUTES, 5, TS)"},
    {"a like b escape '!'", "(A LIKE B ESCAPE '!')"},
    {"a <> b", "(A <> B)"},
    {"a != b", "(A <> B)"},
};

START_TEST(expressions_print_canonically)
{
    set_up();
    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
        str text = ast_expr_text(a, expression(printed[i][0]));
        ck_assert_msg(str_eqz(text, printed[i][1]), "%s: %.*s", printed[i][0], STR_ARG(text));
    }
    tear_down();
}
END_TEST

START_TEST(a_query_prints_over_lines)
{
    set_up();
    str text =
        ast_stmt_text(a, statement(STR("create stream o with (p=1) as select a, b c from s join t u within 1 hour "
                                       "grace period 5 seconds on s.x=u.x where a>1;")));
    ck_assert_str_eq(text.p, "CREATE STREAM O WITH (P=1) AS SELECT\n"
                             "  A,\n"
                             "  B C\n"
                             "FROM S S\n"
                             "INNER JOIN T U WITHIN 1 HOURS GRACE PERIOD 5 SECONDS ON ((S.X = U.X))\n"
                             "WHERE (A > 1)\n"
                             "EMIT CHANGES;");
    tear_down();
}
END_TEST

START_TEST(equality_ignores_layout_and_quotes_alone)
{
    set_up();
    ck_assert(ast_expr_equal(expression("a+b"), expression(" ( `A` ) + /* x */ \"B\"")));
    ck_assert(ast_expr_equal(expression("sum(a)"), expression("`sum`(a)")));
    const char *const different[] = {"a",
                                     "`a`",
                                     "s.a",
                                     "a->b",
                                     "a->c",
                                     "a[1]",
                                     "a[2]",
                                     "f(a)",
                                     "f(a, a)",
                                     "g(a)",
                                     "1",
                                     "2147483648",
                                     "1.0",
                                     "1.00",
                                     "1e0",
                                     "'1'",
                                     "null",
                                     "true",
                                     "false",
                                     "-a",
                                     "+a",
                                     "a + b",
                                     "a - b",
                                     "b + a",
                                     "a = b",
                                     "a <> b",
                                     "a and b",
                                     "a or b",
                                     "not a",
                                     "a is null",
                                     "a is not null",
                                     "a in (1)",
                                     "a in (1, 1)",
                                     "a like 'x'",
                                     "a like 'x' escape 'y'",
                                     "a between 1 and 2",
                                     "cast(a as int)",
                                     "cast(a as bigint)",
                                     "array[a]",
                                     "map('a' := 1)",
                                     "struct(a := 1)",
                                     "struct(b := 1)",
                                     "f(*)",
                                     "f()",
                                     "f(a, x => x)",
                                     "f(a, y => y)",
                                     "f(a, x => y)",
                                     "case when a then b end",
                                     "case when a then b else c end",
                                     "f(days)",
                                     "f(hours)"};
    size_t n = sizeof different / sizeof different[0];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            const ast_expr *x = expression(different[i]), *y = expression(different[k]);
            ck_assert_msg(ast_expr_equal(x, y) == (i == k), "%s, %s", different[i], different[k]);
            if (i == k) ck_assert_uint_eq(ast_expr_hash(x), ast_expr_hash(y));
        }
    }
    ck_assert_uint_eq(ast_expr_hash(expression("SUM(a)+1")), ast_expr_hash(expression("`sum`(`A`) + 1")));
    ck_assert_uint_ne(ast_expr_hash(expression("a+1")), ast_expr_hash(expression("a+2")));
    tear_down();
}
END_TEST

/* Counts columns and prunes calls. */
static ast_visit count_columns(const ast_expr *e, void *arg)
{
    if (e->kind == AST_EXPR_CALL) return AST_VISIT_PRUNE;
    if (e->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    return ++*(int *)arg == 4 ? AST_VISIT_STOP : AST_VISIT_CONTINUE;
}

START_TEST(a_walk_goes_on_prunes_and_stops)
{
    set_up();
    int n = 0;
    ck_assert(ast_expr_walk(expression("a + b[c] + f(d, e)"), count_columns, &n));
    ck_assert_int_eq(n, 3);
    n = 0;
    ck_assert(
        !ast_expr_walk(expression("case when a then b else c end = struct(x := d, y := e)->x"), count_columns, &n));
    ck_assert_int_eq(n, 4);
    n = 0;
    const ast_stmt *s = statement(STR("SELECT a, f(x) FROM s WHERE b GROUP BY c;"));
    ck_assert(ast_query_walk(ast_stmt_query(s), count_columns, &n));
    ck_assert_int_eq(n, 3);
    tear_down();
}
END_TEST

/* Renames every column to Z. */
static ast_expr *rename(arena *to, ast_expr *e, void *arg)
{
    ast_expr *out = ast_expr_map(to, e, rename, arg);
    if (out->kind == AST_EXPR_COLUMN) out->u.column.name.text = STR("Z");
    return out;
}

START_TEST(mapping_rewrites_a_copy)
{
    set_up();
    const char *text = "f(a, x => x + a) + case when a then b else c end + map(a := b)['k'] + struct(q := a)->q + "
                       "array[a][1] + cast(a as int) + (a between b and c or a in (b, c) or a like b or not a is null)";
    const ast_expr *e = expression(text);
    str before = ast_expr_text(a, e);
    str after = ast_expr_text(a, rename(a, (ast_expr *)e, NULL));
    ck_assert(str_eq(before, ast_expr_text(a, e)));
    ck_assert(str_find(after, STR("Z"), 0) >= 0);
    for (const char *old = "ABC"; *old != '\0'; old++) {
        char call[] = {'(', *old, ' ', '\0'};
        ck_assert_msg(str_find(after, str_z(call), 0) < 0, "%.*s", STR_ARG(after));
    }
    tear_down();
}
END_TEST

START_TEST(durations_count_in_milliseconds)
{
    set_up();
    ck_assert_int_eq(ast_duration_ms((ast_duration){.present = true, .value = 2, .unit = AST_UNIT_DAYS}), 172800000);
    ck_assert_int_eq(ast_duration_ms((ast_duration){.value = INT64_MAX, .unit = AST_UNIT_HOURS}), INT64_MAX);
    ck_assert_int_eq(ast_duration_ms((ast_duration){.value = INT64_MIN, .unit = AST_UNIT_HOURS}), INT64_MIN);
    ast_unit unit;
    ck_assert(ast_unit_of(STR("day"), &unit) && unit == AST_UNIT_DAYS);
    ck_assert(ast_unit_of(STR("MilliSeconds"), &unit) && unit == AST_UNIT_MILLISECONDS);
    ck_assert(!ast_unit_of(STR("MONTH"), &unit) && !ast_unit_of(STR(""), &unit));
    tear_down();
}
END_TEST

UNIT_MAIN("sql/ast_print", printed_statements_parse_to_equal_trees, expressions_print_canonically,
          a_query_prints_over_lines, equality_ignores_layout_and_quotes_alone, a_walk_goes_on_prunes_and_stops,
          mapping_rewrites_a_copy, durations_count_in_milliseconds)
