/* Statements and their errors: what the tree says, where an error stands, and that no input does harm. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"
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

static const ast_stmt *statement(const char *text)
{
    const ast_stmt *s;
    diag d = {0};
    bool ok = parse_one(a, str_z(text), PARSE_SERVER, &s, &d);
    ck_assert_msg(ok, "%s: %s (%s)", text, d.text, d.hint);
    return s;
}

static str slice(const char *text, span at)
{
    return (str){text + at.start, at.end - at.start};
}

/* ---- trees ------------------------------------------------------------------------------------------------- */

START_TEST(statements_keep_their_own_text)
{
    set_up();
    const char *text = " -- first\n SHOW TABLES ; /* x */ select 1 from s;\nexplain select a from s ; ";
    parse_results r = parse_sql(a, str_z(text), PARSE_SERVER);
    ck_assert_uint_eq(r.n, 3);
    ck_assert_uint_eq(r.failed, 0);
    ck_assert(str_eqz(r.items[0].text, "SHOW TABLES ;") && r.items[0].offset == 11);
    ck_assert(str_eqz(r.items[1].text, "select 1 from s;"));
    ck_assert(str_eq(r.items[1].stmt->text, r.items[1].text));
    ck_assert(str_eqz(slice(text, r.items[1].stmt->at), "select 1 from s"));
    ck_assert(str_eqz(r.items[2].stmt->u.explain.stmt->text, "select a from s ;"));
    tear_down();
}
END_TEST

START_TEST(names_are_upper_cased_unless_quoted)
{
    set_up();
    const ast_stmt *s = statement("SELECT abc, `Abc` \"x\"\"y\", key FROM `s-1` AS t;");
    const ast_query *q = s->u.query;
    ck_assert(str_eqz(q->items[0].expr->u.column.name.text, "ABC") && q->items[0].expr->u.column.name.quote == 0);
    ck_assert(str_eqz(q->items[1].expr->u.column.name.text, "Abc") && q->items[1].expr->u.column.name.quote == '`');
    ck_assert(str_eqz(q->items[1].alias.text, "x\"y") && q->items[1].alias.quote == '"');
    ck_assert(str_eqz(q->items[2].expr->u.column.name.text, "KEY"));
    ck_assert(str_eqz(q->from.name.text, "s-1") && str_eqz(q->from.alias.text, "T") && q->from.aliased);
    ck_assert(q->emit == AST_EMIT_NONE && q->items[0].alias.text.p == NULL);
    tear_down();
}
END_TEST

START_TEST(every_node_has_its_span)
{
    set_up();
    const char *text = "SELECT (a + f(b->c[1])) x, s.* FROM s WHERE d NOT LIKE 'y' GROUP BY a LIMIT 3;";
    const ast_query *q = statement(text)->u.query;
    const ast_expr *sum = q->items[0].expr;
    ck_assert(str_eqz(slice(text, q->items[0].at), "(a + f(b->c[1])) x"));
    ck_assert(str_eqz(slice(text, sum->at), "(a + f(b->c[1]))") && sum->parens);
    ck_assert(str_eqz(slice(text, sum->op_at), "+"));
    ck_assert(str_eqz(slice(text, sum->u.binary.right->at), "f(b->c[1])"));
    ck_assert(str_eqz(slice(text, sum->u.binary.right->u.call.args.items[0]->at), "b->c[1]"));
    ck_assert(str_eqz(slice(text, q->items[1].at), "s.*"));
    ck_assert(str_eqz(slice(text, q->where->at), "d NOT LIKE 'y'"));
    ck_assert(str_eqz(slice(text, q->group_at), "GROUP") && str_eqz(slice(text, q->limit_at), "LIMIT 3"));
    tear_down();
}
END_TEST

START_TEST(literals_get_their_types)
{
    set_up();
    static const struct {
        const char *text;
        ast_expr_kind kind;
    } cases[] = {{"2147483647", AST_EXPR_INTEGER},
                 {"2147483648", AST_EXPR_BIGINT},
                 {"-2147483648", AST_EXPR_INTEGER},
                 {"-2147483649", AST_EXPR_BIGINT},
                 {"-9223372036854775808", AST_EXPR_BIGINT},
                 {"9223372036854775807", AST_EXPR_BIGINT},
                 {"1.0", AST_EXPR_DECIMAL},
                 {"1e0", AST_EXPR_DOUBLE},
                 {"- 5", AST_EXPR_INTEGER},
                 {"-(5)", AST_EXPR_NEGATE},
                 {"- -5", AST_EXPR_NEGATE},
                 {"+5", AST_EXPR_PLUS},
                 {"true", AST_EXPR_BOOLEAN},
                 {"NULL", AST_EXPR_NULL},
                 {"'1'", AST_EXPR_STRING}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const ast_expr *e;
        diag d = {0};
        ck_assert_msg(parse_expr(a, str_z(cases[i].text), &e, &d), "%s: %s", cases[i].text, d.text);
        ck_assert_msg(e->kind == cases[i].kind, "%s: %d", cases[i].text, e->kind);
    }
    tear_down();
}
END_TEST

START_TEST(decimals_have_precision_and_scale)
{
    set_up();
    static const struct {
        const char *text, *plain;
        int precision, scale;
    } cases[] = {{"1.5", "1.5", 2, 1},
                 {"12.30", "12.30", 4, 2},
                 {".5", "0.5", 2, 1},
                 {"0.005", "0.005", 4, 3},
                 {"-0.0", "0.0", 2, 1},
                 {"5.", "5", 1, 0},
                 {"007.10", "7.10", 3, 2},
                 {"DECIMAL '1E3'", "1000", 4, 0},
                 {"DECIMAL '-1.25E1'", "-12.5", 3, 1},
                 {"DECIMAL '125E-5'", "0.00125", 6, 5},
                 {"DECIMAL '0'", "0", 1, 0},
                 {"DECIMAL '10'", "10", 2, 0},
                 {"`DECIMAL` '1.0'", "1.0", 2, 1},
                 {"DECIMAL '+0.10'", "0.10", 3, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const ast_expr *e;
        diag d = {0};
        ck_assert_msg(parse_expr(a, str_z(cases[i].text), &e, &d), "%s: %s", cases[i].text, d.text);
        ck_assert_int_eq(e->kind, AST_EXPR_DECIMAL);
        ck_assert_msg(str_eqz(e->u.decimal.text, cases[i].plain), "%s: %.*s", cases[i].text,
                      STR_ARG(e->u.decimal.text));
        ck_assert_int_eq(e->u.decimal.precision, cases[i].precision);
        ck_assert_int_eq(e->u.decimal.scale, cases[i].scale);
    }
    tear_down();
}
END_TEST

START_TEST(lambda_parameters_are_no_columns)
{
    set_up();
    const ast_expr *e;
    diag d = {0};
    ck_assert(parse_expr(a, STR("f(x, (x, y) => x + g(z, w => w + y + x) + s.x)"), &e, &d));
    const ast_expr *body = e->u.call.args.items[1]->u.lambda.body;
    ck_assert_int_eq(e->u.call.args.items[0]->kind, AST_EXPR_COLUMN);
    ck_assert_int_eq(body->u.binary.left->u.binary.left->kind, AST_EXPR_LAMBDA_VAR);
    ck_assert_int_eq(body->u.binary.right->kind, AST_EXPR_COLUMN);
    const ast_expr *inner = body->u.binary.left->u.binary.right;
    ck_assert_int_eq(inner->u.call.args.items[0]->kind, AST_EXPR_COLUMN);
    const ast_expr *sum = inner->u.call.args.items[1]->u.lambda.body;
    ck_assert_int_eq(sum->u.binary.right->kind, AST_EXPR_LAMBDA_VAR);
    ck_assert_int_eq(sum->u.binary.left->u.binary.right->kind, AST_EXPR_LAMBDA_VAR);
    tear_down();
}
END_TEST

START_TEST(persistent_queries_emit_changes)
{
    set_up();
    ck_assert_int_eq(statement("CREATE STREAM a AS SELECT * FROM s;")->u.create_as.query->emit, AST_EMIT_CHANGES);
    ck_assert(!statement("INSERT INTO a SELECT * FROM s;")->u.insert_into.query->emit_written);
    ck_assert_int_eq(statement("INSERT INTO a SELECT * FROM s EMIT FINAL;")->u.insert_into.query->emit, AST_EMIT_FINAL);
    ck_assert_int_eq(statement("SELECT * FROM s EMIT CHANGES;")->u.query->emit, AST_EMIT_CHANGES);
    tear_down();
}
END_TEST

START_TEST(topics_keep_their_case)
{
    set_up();
    ck_assert(str_eqz(statement("PRINT My_Topic;")->u.print.topic, "My_Topic"));
    ck_assert(str_eqz(statement("PRINT `my.topic` LIMIT 2;")->u.print.topic, "my.topic"));
    ck_assert(str_eqz(statement("ASSERT TOPIC aB;")->u.assert_topic.topic, "aB"));
    ck_assert(str_eqz(statement("DEFINE Name='x';")->u.property.name, "Name"));
    tear_down();
}
END_TEST

START_TEST(properties_are_found_without_case)
{
    set_up();
    const ast_stmt *s = statement("CREATE STREAM s WITH (kafka_topic='t', `Format`='x');");
    const ast_expr *e = ast_property_get(&s->u.create.with, STR("KAFKA_TOPIC"));
    ck_assert(e != NULL && str_eqz(e->u.string, "t"));
    ck_assert(ast_property_get(&s->u.create.with, STR("format")) != NULL);
    ck_assert(ast_property_get(&s->u.create.with, STR("FORMATS")) == NULL);
    tear_down();
}
END_TEST

START_TEST(types_and_column_lists_parse_alone)
{
    set_up();
    const ast_type *t;
    ast_columns c;
    diag d = {0};
    ck_assert(parse_type(a, STR("MAP<VARCHAR, STRUCT<A INT, `b` MY_TYPE> ARRAY>"), &t, &d));
    ck_assert(str_eqz(ast_type_text(a, t), "MAP<STRING, ARRAY<STRUCT<A INTEGER, `b` MY_TYPE>>>"));
    ck_assert(parse_columns(a, STR("`ID` BIGINT KEY, `NAME` STRING"), &c, &d));
    ck_assert(c.n == 2 && c.items[0].role == AST_COLUMN_KEY && str_eqz(c.items[1].name.text, "NAME"));
    ck_assert(parse_columns(a, STR(" "), &c, &d) && c.n == 0);
    ck_assert(!parse_type(a, STR("INT x"), &t, &d) && d.code == DIAG_SYNTAX);
    tear_down();
}
END_TEST

/* ---- errors ------------------------------------------------------------------------------------------------ */

/* A text, where its error begins, a part of the error's text and of its hint. */
static const struct {
    const char *text;
    int line, column;
    const char *message, *hint;
} errors[] = {
    {"SELEKT * FROM s;", 1, 1, "Syntax Error\nUnknown statement 'SELEKT'", "Did you mean 'SELECT'?"},
    {"creat stream s;", 1, 1, "Unknown statement 'creat'", "'CREATE'"},
    {";", 1, 1, "There is no statement before ';'", ""},
    {"RUN SCRIPT 'x';", 1, 1, "Unknown statement 'RUN'", "prompt"},
    {"ASSERT VALUES foo (id INT) VALUES (123);", 1, 8, "Syntax error at or near 'VALUES' at line 1:8", ""},
    {"SELECT *\nFROM s\nWHERE a = ;", 3, 11, "Syntax error at or near ';' at line 3:11", ""},
    {"SELECT a FORM s;", 1, 15, "Expecting FROM or ','", ""},
    {"SELECT * FORM s;", 1, 10, "Expecting FROM or ','", "Did you mean 'FROM'?"},
    {"CREATE STREAM s (a INT, b STRING;", 1, 33, "Syntax error at or near \";\"\n')' is missing", ""},
    {"SELECT f(a FROM s;", 1, 12, "missing ')' at 'FROM'", ""},
    {"SELECT a[1 FROM s;", 1, 12, "missing ']' at 'FROM'", ""},
    {"SELECT * FROM s GROUP BY f3, (f2, f1);", 1, 33, "missing ')' at ','", ""},
    {"SHOW TABLES", 1, 12, "missing ';' at '<EOF>'", "ends with ;"},
    {"CREATE STREAM select (a INT);", 1, 15, "\"select\" is a reserved keyword", ""},
    {"CREATE STREAM s (from INT);", 1, 18, "You can use it as an identifier by escaping it as `from`", ""},
    {"SELECT a, where, b FROM s;", 1, 11, "\"where\" is a reserved keyword", ""},
    {"CREATE STREAM s (k INT (KEY));", 1, 25, "Expecting STRING or integer", ""},
    {"SELECT 'abc FROM s;", 1, 8, "The string that begins here has no end", "twice"},
    {"SELECT `abc FROM s;", 1, 8, "The quoted name that begins here has no end", "`"},
    {"SELECT a /* FROM s;", 1, 10, "The comment that begins here has no end", "*/"},
    {"SELECT \xC3\xA4 FROM s;", 1, 8, "Unexpected character (byte 0xC3)", "quotes"},
    {"SELECT a ? FROM s;", 1, 10, "Unexpected character '?'", ""},
    {"SELECT '\xFF' FROM s;", 1, 8, "Malformed UTF-8", ""},
    {"SELECT `\xED\xA0\x80` FROM s;", 1, 8, "Malformed UTF-8", ""},
    {"SELECT 9223372036854775808 FROM s;", 1, 8, "Invalid numeric literal: 9223372036854775808", ""},
    {"SELECT -9223372036854775809 FROM s;", 1, 8, "Invalid numeric literal: -9223372036854775809", ""},
    {"SELECT 1.7976931348623159E308 FROM s;", 1, 8, "Number overflows DOUBLE: 1.7976931348623159E308", ""},
    {"SELECT DECIMAL 'x' FROM s;", 1, 8, "Invalid numeric literal: x", ""},
    {"SELECT DATE '2020-01-01' FROM s;", 1, 8, "Unknown type: DATE", "DECIMAL"},
    {"SELECT CASE a WHEN 1 THEN 2 END FROM s;", 1, 8, "not supported", "CASE WHEN"},
    {"SELECT a AT TIME ZONE 'UTC' FROM s;", 1, 10, "AT TIME ZONE is not supported", "CONVERT_TZ"},
    {"SELECT a FROM s WHERE a LIKE 'b' ESCAPE 'cd';", 1, 41, "Expected single character escape but got: cd", ""},
    {"SELECT x.a FROM s;", 1, 8, "'X' is not a valid stream/table name or alias.", ""},
    {"SELECT x.* FROM s;", 1, 8, "'X' is not a valid stream/table name or alias.", ""},
    {"SELECT * FROM `a b`;", 1, 15, "Source names may only contain alphanumeric values, '_' or '-'. Got: 'a b'", ""},
    {"SELECT * FROM ``;", 1, 15, "must not be empty", ""},
    {"SELECT * FROM s LIMIT 1.5;", 1, 23, "Value must be integer for command: LIMIT", ""},
    {"SELECT * FROM s LIMIT 99999999999;", 1, 23, "out of range", ""},
    {"CREATE STREAM a AS SELECT * FROM s LIMIT 1;", 1, 36, "CREATE STREAM AS SELECT statements don't support LIMIT",
     ""},
    {"INSERT INTO a SELECT * FROM s LIMIT 1;", 1, 31, "INSERT INTO statements don't support LIMIT", ""},
    {"CREATE STREAM a (x INT) AS SELECT * FROM s;", 1, 25, "either a column list or AS SELECT", "columns"},
    {"CREATE SOURCE STREAM a AS SELECT * FROM s;", 1, 8, "SOURCE and AS SELECT", ""},
    {"CREATE TABLE t (a INT KEY);", 1, 17, "Column `A` is a 'KEY' column: please use 'PRIMARY KEY' for tables.",
     "unique"},
    {"CREATE STREAM s (a INT PRIMARY KEY);", 1, 18, "is a 'PRIMARY KEY' column: please use 'KEY' for streams.", ""},
    {"CREATE STREAM s (a INT, A STRING);", 1, 25, "Duplicate column names: `A`", ""},
    {"CREATE STREAM s (a STRUCT<x INT, X INT>);", 1, 34, "Duplicate field names found in STRUCT: 'X'", ""},
    {"CREATE STREAM s (a DECIMAL(0, 0));", 1, 20, "DECIMAL precision must be >= 1: DECIMAL(0,0)", ""},
    {"CREATE STREAM s (a DECIMAL(2, 3));", 1, 20, "DECIMAL precision must be >= scale: DECIMAL(2,3)", ""},
    {"CREATE STREAM s (a DECIMAL);", 1, 27, "Expecting '('", ""},
    {"CREATE STREAM s (a INT HEADERS);", 1, 20, "Invalid type for HEADERS column", ""},
    {"CREATE STREAM s (a INT HEADER('k'));", 1, 20, "HEADER('k') column: expected BYTES, got INTEGER", ""},
    {"CREATE STREAM s (a BYTES HEADER(' '));", 1, 33, "must not be empty", ""},
    {"CREATE STREAM s WITH (a=1, A=2);", 1, 28, "Duplicate property: A", ""},
    {"ASSERT SCHEMA TIMEOUT 1 SECOND;", 1, 8, "must include a subject name or an id", ""},
    {"ASSERT SCHEMA ID 'x';", 1, 18, "ID must be an integer", ""},
    {"SELECT f(x => 1) FROM s;", 1, 12, "Syntax error at or near '=>' at line 1:12", ""},
    {"SELECT f(a, x => 1, b) FROM s;", 1, 22, "Expecting '=>'", ""},
    {"SELECT f(a, (x, X) => 1) FROM s;", 1, 17, "Duplicate lambda argument: X", ""},
    {"SELECT a = b = c FROM s;", 1, 14, "at or near '=' at line 1:14", ""},
    {"SELECT a FROM s WHERE x IN ();", 1, 29, "at or near ')'", ""},
    {"INSERT INTO s VALUES (1), (2);", 1, 25, "Expecting ';'", ""},
    {"SELECT ${x} FROM s;", 1, 8, "Undefined variable: ${x}", "DEFINE x = '...';"},
    {"DEFINE 1a = 'x';", 1, 8, "begins with a letter", ""},
    {"SELECT * FROM (SELECT * FROM s);", 1, 15, "Expecting identifier", ""},
    {"SELECT * FROM s WINDOW TUMBLING (SIZE 1 YEAR) GROUP BY a;", 1, 41, "at or near 'YEAR'", ""},
};

START_TEST(errors_say_what_where_and_what_to_do)
{
    set_up();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        str text = str_z(errors[i].text);
        const ast_stmt *s;
        diag d = {0};
        ck_assert_msg(!parse_one(a, text, PARSE_SERVER, &s, &d), "%s", errors[i].text);
        int line = 0, column = 0;
        diag_line_column(text, d.at.start, &line, &column);
        ck_assert_msg(line == errors[i].line && column == errors[i].column, "%s: %d:%d %s", errors[i].text, line,
                      column, d.text);
        ck_assert_msg(strstr(d.text, errors[i].message) != NULL, "%s: %s", errors[i].text, d.text);
        ck_assert_msg(strstr(d.hint, errors[i].hint) != NULL, "%s: hint %s", errors[i].text, d.hint);
    }
    tear_down();
}
END_TEST

START_TEST(each_failing_statement_gives_one_error)
{
    set_up();
    parse_results r = parse_sql(a, STR("SHOW x; SHOW TABLES; SELECT FROM; LIST STREAMS; y"), PARSE_SERVER);
    ck_assert_uint_eq(r.n, 5);
    ck_assert_uint_eq(r.failed, 3);
    ck_assert(r.items[0].error != NULL && r.items[1].stmt != NULL && r.items[2].error != NULL);
    ck_assert(r.items[3].stmt != NULL && r.items[4].error != NULL);
    ck_assert(str_eqz(r.items[2].text, "SELECT FROM;") && str_eqz(r.items[4].text, "y"));
    diag d = {0};
    ck_assert(!parse_all(a, STR("SHOW TABLES; y;"), PARSE_SERVER, &r, &d) && d.at.start == 13);
    const ast_stmt *s;
    diag_clear(&d);
    ck_assert(!parse_one(a, STR("SHOW TABLES; LIST STREAMS;"), PARSE_SERVER, &s, &d) && d.at.start == 13);
    diag_clear(&d);
    ck_assert(!parse_one(a, STR(" -- nothing"), PARSE_SERVER, &s, &d) && diag_is_set(&d));
    tear_down();
}
END_TEST

START_TEST(a_flood_of_errors_ends)
{
    set_up();
    buf b = {0};
    for (int i = 0; i < 10000; i++) buf_add_z(&b, "x;");
    ck_assert_uint_eq(parse_sql(a, buf_str(&b), PARSE_SERVER).n, PARSE_ERRORS_MAX);
    buf_free(&b);
    tear_down();
}
END_TEST

/* before n times, the middle, after n times. */
static bool parse_nested(const char *before, const char *middle, const char *after, int n, diag *d)
{
    buf b = {0};
    for (int i = 0; i < n; i++) buf_add_z(&b, before);
    buf_add_z(&b, middle);
    for (int i = 0; i < n; i++) buf_add_z(&b, after);
    const ast_expr *e;
    diag_clear(d);
    bool ok = parse_expr(a, buf_str(&b), &e, d);
    if (ok) {
        buf out = {0};
        ast_print_expr(e, &out);
        ck_assert(ast_expr_equal(e, e) && ast_expr_hash(e) != 0);
        buf_free(&out);
    }
    buf_free(&b);
    return ok;
}

START_TEST(deep_nesting_is_an_error)
{
    set_up();
    diag d;
    ck_assert(parse_nested("(", "a", ")", 1000, &d));
    ck_assert(parse_nested("", "a", " + a", 900, &d) && parse_nested("NOT ", "a", "", 900, &d));
    ck_assert(parse_nested("f(", "a", ")", 500, &d) && parse_nested("a + (", "a", ")", 500, &d));
    static const char *const deep[][3] = {
        {"(", "a", ")"},           {"", "a", " + a"},        {"NOT ", "a", ""},   {"- ", "a", ""},
        {"f(", "a", ")"},          {"", "a", "[1]"},         {"a + (", "a", ")"}, {"CASE WHEN a THEN ", "a", " END"},
        {"ARRAY[", "1", "]"},      {"f(x, y => ", "1", ")"}, {"", "a", " || a"},  {"", "a", "->b"},
        {"MAP('a' := ", "1", ")"}, {"", "a", " AND a"},
    };
    for (size_t i = 0; i < sizeof deep / sizeof deep[0]; i++) {
        ck_assert_msg(!parse_nested(deep[i][0], deep[i][1], deep[i][2], 30000, &d), "%s", deep[i][0]);
        ck_assert_msg(d.code == DIAG_LIMIT, "%s: %s", deep[i][0], d.text);
    }
    ck_assert(parse_nested("CAST(1 AS ARRAY<", "INT", ">", 1, &d) == false);
    buf b = {0};
    for (int i = 0; i < 5000; i++) buf_add_z(&b, "ARRAY<");
    const ast_type *t;
    diag_clear(&d);
    ck_assert(!parse_type(a, buf_str(&b), &t, &d));
    buf_clear(&b);
    buf_add_z(&b, "INT");
    for (int i = 0; i < 5000; i++) buf_add_z(&b, " ARRAY");
    diag_clear(&d);
    ck_assert(!parse_type(a, buf_str(&b), &t, &d) && d.code == DIAG_LIMIT);
    buf_free(&b);
    tear_down();
}
END_TEST

START_TEST(sizes_are_bounded)
{
    set_up();
    buf b = {0};
    diag d = {0};
    const ast_stmt *s;
    buf_add_z(&b, "INSERT INTO s VALUES (1");
    for (int i = 0; i < PARSE_TOKENS_MAX / 2; i++) buf_add_z(&b, ",1");
    buf_add_z(&b, ");");
    ck_assert(!parse_one(a, buf_str(&b), PARSE_SERVER, &s, &d) && d.code == DIAG_LIMIT);
    buf_clear(&b);
    buf_add_z(&b, "SELECT a FROM s");
    for (int i = 0; i < 600; i++) buf_add_z(&b, " JOIN t ON a = b");
    buf_add_z(&b, ";");
    diag_clear(&d);
    ck_assert(!parse_one(a, buf_str(&b), PARSE_SERVER, &s, &d) && d.code == DIAG_LIMIT);
    buf_clear(&b);
    buf_add_z(&b, "PRINT '");
    memset(buf_reserve(&b, PARSE_TEXT_MAX), 'x', PARSE_TEXT_MAX);
    b.len += PARSE_STATEMENT_MAX;
    buf_add_z(&b, "';");
    diag_clear(&d);
    ck_assert(!parse_one(a, buf_str(&b), PARSE_SERVER, &s, &d) && d.code == DIAG_LIMIT);
    b.len = PARSE_TEXT_MAX + 1;
    diag_clear(&d);
    ck_assert(!parse_one(a, buf_str(&b), PARSE_SERVER, &s, &d) && d.code == DIAG_LIMIT);
    buf_free(&b);
    tear_down();
}
END_TEST

/* Every prefix of a text, and the text with single bytes changed, gives trees or errors, and every error renders. */
START_TEST(mutilated_texts_do_no_harm)
{
    set_up();
    const char *text =
        "CREATE TABLE t WITH (a='\xC3\xA4', b=1.5) AS SELECT k, f(x, (p, q) => p->r[1] || 'it''s') AS \"c\", s.* FROM "
        "s "
        "LEFT JOIN u ON s.a = u.b WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 5 MINUTES) WHERE a NOT IN (1, 2) "
        "AND CAST(b AS STRUCT<x INT, y MAP<STRING, DECIMAL(3,1)>>)->x LIKE '%' GROUP BY k EMIT FINAL; /* c */";
    size_t n = strlen(text);
    char *copy = malloc(n);
    rng r;
    rng_seed(&r, 7);
    buf out = {0};
    for (size_t i = 0; i < n + 4000; i++) {
        size_t len = i < n ? i : n;
        memcpy(copy, text, n);
        for (int k = 0; i >= n && k < 3; k++) copy[rng_below(&r, (uint32_t)n)] = (char)rng_below(&r, 256);
        parse_results results = parse_sql(a, (str){copy, len}, (unsigned)i & 7);
        for (uint32_t k = 0; k < results.n; k++) {
            ck_assert((results.items[k].stmt == NULL) != (results.items[k].error == NULL));
            if (results.items[k].stmt != NULL)
                ast_print_stmt(results.items[k].stmt, &out);
            else
                diag_render(results.items[k].error, (str){copy, len}, &out);
        }
        parse_completion c;
        parse_complete(a, (str){copy, n}, (uint32_t)len, &c);
        buf_clear(&out);
        arena_reset(a);
    }
    buf_free(&out);
    free(copy);
    tear_down();
}
END_TEST

/* ---- the prompt -------------------------------------------------------------------------------------------- */

START_TEST(the_prompt_knows_when_a_text_is_complete)
{
    set_up();
    static const struct {
        const char *text;
        parse_state state;
        uint32_t at;
    } cases[] = {{"", PARSE_EMPTY, 0},
                 {" -- x\n", PARSE_EMPTY, 0},
                 {"SHOW TABLES;", PARSE_COMPLETE, 0},
                 {"a; b; -- c", PARSE_COMPLETE, 0},
                 {"a; select 1", PARSE_IN_STATEMENT, 3},
                 {"select 'a;", PARSE_IN_STRING, 7},
                 {"select \"a;", PARSE_IN_QUOTED_NAME, 7},
                 {"select `a;", PARSE_IN_QUOTED_NAME, 7},
                 {"a; /* ;", PARSE_IN_COMMENT, 3},
                 {"a 'b;' ;", PARSE_COMPLETE, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t at = 0;
        ck_assert_msg(parse_text_state(str_z(cases[i].text), &at) == cases[i].state, "%s", cases[i].text);
        if (cases[i].state >= PARSE_IN_STATEMENT) ck_assert_uint_eq(at, cases[i].at);
    }
    tear_down();
}
END_TEST

/* Is the keyword offered? */
static bool offers(const parse_completion *c, const char *word)
{
    for (uint32_t i = 0; i < c->keywords_n; i++) {
        if (strcmp(c->keywords[i], word) == 0) return true;
    }
    return false;
}

/* A text with | at the cursor, what it wants, a keyword that is offered and one that is not. */
static const struct {
    const char *text;
    unsigned wants;
    const char *yes, *no;
} places[] = {
    {"|", 0, "SELECT", "FROM"},
    {"SHOW TABLES; |", 0, "CREATE", "TABLES"},
    {"sel|", 0, "SELECT", "SHOW"},
    {"SHOW |", 0, "TABLES", "SELECT"},
    {"SELECT * FROM |", PARSE_WANT_SOURCE, NULL, "WHERE"},
    {"SELECT * FROM s |", PARSE_WANT_NEW_NAME, "WHERE", "FROM"},
    {"SELECT * FROM s E|", PARSE_WANT_NEW_NAME, "EMIT", "WHERE"},
    {"SELECT * FROM s EMIT |", 0, "CHANGES", "SELECT"},
    {"SELECT | FROM s JOIN t ON", PARSE_WANT_COLUMN, "CASE", "FROM"},
    {"SELECT a FROM s WHERE |", PARSE_WANT_COLUMN, "NOT", "WHERE"},
    {"SELECT a FROM s WHERE a |", 0, "BETWEEN", "CASE"},
    {"DESCRIBE |", PARSE_WANT_SOURCE, "FUNCTION", "SELECT"},
    {"DROP STREAM IF EXISTS |", PARSE_WANT_SOURCE, NULL, "DELETE"},
    {"CREATE STREAM |", PARSE_WANT_NEW_NAME, "IF", "AS"},
    {"CREATE STREAM s (a |", PARSE_WANT_TYPE, "MAP", "KEY"},
    {"CREATE STREAM s (a INT |", 0, "KEY", "MAP"},
    {"CREATE STREAM s WITH (|", PARSE_WANT_PROPERTY, NULL, "AS"},
    {"CREATE STREAM s WITH (a='b', |", PARSE_WANT_PROPERTY, NULL, "AS"},
    {"TERMINATE |", PARSE_WANT_QUERY, "ALL", "SELECT"},
    {"PRINT |", PARSE_WANT_TOPIC, NULL, "FROM"},
    {"INSERT INTO |", PARSE_WANT_SOURCE, NULL, "VALUES"},
    {"SET 'auto.|", PARSE_WANT_SETTING, NULL, "SELECT"},
    {"SELECT 'x|", 0, NULL, "FROM"},
    {"UNDEFINE |", PARSE_WANT_VARIABLE, NULL, "SELECT"},
    {"FOO BAR |", 0, NULL, "SELECT"},
};

START_TEST(completion_offers_what_may_follow)
{
    set_up();
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *bar = strchr(places[i].text, '|');
        str text = arena_printf(a, "%.*s%s", (int)(bar - places[i].text), places[i].text, bar + 1);
        parse_completion c;
        parse_complete(a, text, (uint32_t)(bar - places[i].text), &c);
        ck_assert_msg(c.wants == places[i].wants, "%s: wants %u", places[i].text, c.wants);
        if (places[i].yes != NULL) ck_assert_msg(offers(&c, places[i].yes), "%s: no %s", places[i].text, places[i].yes);
        ck_assert_msg(!offers(&c, places[i].no), "%s: offers %s", places[i].text, places[i].no);
        for (uint32_t k = 1; k < c.keywords_n; k++) ck_assert(strcmp(c.keywords[k - 1], c.keywords[k]) < 0);
    }
    parse_completion c;
    parse_complete(a, STR("SHOW x; SELECT  FROM s JOIN `t` ON"), 15, &c);
    ck_assert(c.sources_n == 2 && str_eqz(c.sources[0], "s") && str_eqz(c.sources[1], "`t`"));
    tear_down();
}
END_TEST

UNIT_MAIN("sql/parse", statements_keep_their_own_text, names_are_upper_cased_unless_quoted, every_node_has_its_span,
          literals_get_their_types, decimals_have_precision_and_scale, lambda_parameters_are_no_columns,
          persistent_queries_emit_changes, topics_keep_their_case, properties_are_found_without_case,
          types_and_column_lists_parse_alone, errors_say_what_where_and_what_to_do,
          each_failing_statement_gives_one_error, a_flood_of_errors_ends, deep_nesting_is_an_error, sizes_are_bounded,
          mutilated_texts_do_no_harm, the_prompt_knows_when_a_text_is_complete, completion_offers_what_may_follow)
