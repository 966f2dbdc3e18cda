/* ${name} in statements: what replaces it by place, and that no value can say more than its place allows. */
#include "tests/unit/unit.h"

#include "base/arena.h"
#include "sql/parse.h"
#include "sql/variables.h"

static arena *a;
static variables v;

static void set_up(void)
{
    static const char *const defined[][2] = {
        {"identifier", "_id_"},
        {"quoted", "\"_id_\""},
        {"back", "`_id_`"},
        {"num", "1"},
        {"dec", "0.32"},
        {"neg", "-5"},
        {"flag", "false"},
        {"text", "'john'"},
        {"plain", "john"},
        {"evil", "'t1', value_format='AVRO'"},
        {"quote", "it's"},
        {"schema", "s1 (id, name)"},
        {"values", "1, 5"},
        {"where", "s1 WHERE id = 1"},
        {"expr", "5 and id != 5"},
        {"word", "EXTENDED _id_"},
        {"inner", "\"EXTENDED _id_\""},
        {"empty", ""},
        {"inf", "1e999"},
        {"doubled", "'it''s'"},
        {"lone", "'"},
        {"env", "qa"},
        {"nested", "${env}"},
    };
    a = arena_new();
    for (size_t i = 0; i < sizeof defined / sizeof defined[0]; i++) {
        variables_define(&v, str_z(defined[i][0]), str_z(defined[i][1]));
    }
}

static void tear_down(void)
{
    variables_free(&v);
    arena_free(a);
}

/* A statement and what becomes of it. */
static const char *const replaced[][2] = {
    {"DESCRIBE ${identifier};", "DESCRIBE _id_;"},
    {"DESCRIBE ${quoted} EXTENDED;", "DESCRIBE \"_id_\" EXTENDED;"},
    {"DESCRIBE FUNCTION ${back};", "DESCRIBE FUNCTION `_id_`;"},
    {"INSERT INTO ${identifier} VALUES (${num}, ${flag}, ${dec}, ${text}, ${neg});",
     "INSERT INTO _id_ VALUES (1, false, 0.32, 'john', -5);"},
    {"CREATE STREAM ${back} WITH (kafka_topic=${text}, replicas=${num});",
     "CREATE STREAM `_id_` WITH (kafka_topic='john', replicas=1);"},
    {"CREATE STREAM s1 WITH (kafka_topic=${evil});",
     "CREATE STREAM s1 WITH (kafka_topic='t1'', value_format=''AVRO');"},
    {"PRINT 'a-${env}-b';", "PRINT 'a-qa-b';"},
    {"SELECT '${quote}', '${doubled}', '${lone}' FROM s;", "SELECT 'it''s', '''it''''s''', '''' FROM s;"},
    {"SELECT ${doubled} FROM s;", "SELECT 'it''s' FROM s;"},
    {"SELECT * FROM s WHERE a = -${neg} AND f(${num}) > 0;", "SELECT * FROM s WHERE a = - -5 AND f(1) > 0;"},
    {"SELECT ${identifier}.x ${plain}, ${identifier}(1) FROM ${identifier};", "SELECT _id_.x john, _id_(1) FROM _id_;"},
    {"DEFINE topic = 'topic_${env}';", "DEFINE topic = 'topic_qa';"},
    {"DEFINE topic = 'topic_$${${env}}';", "DEFINE topic = 'topic_${qa}';"},
    {"DEFINE topic = '${nested}';", "DEFINE topic = '${env}';"},
    {"SET '${plain}' = '${quote}';", "SET 'john' = 'it''s';"},
    {"SELECT 1 FROM s; ", "SELECT 1 FROM s; "},
    {"SELECT '${no}', `${env}` /* ${env} */ FROM s;", "SELECT '${no}', `${env}` /* ${env} */ FROM s;"},
    {"SELECT ${no} FROM s;", "SELECT ${no} FROM s;"},
    {"SELECT '${', '${}', '${a b}', '$' FROM s;", "SELECT '${', '${}', '${a b}', '$' FROM s;"},
    {"DESCRIBE ${IDENTIFIER};", "DESCRIBE _id_;"},
};

START_TEST(values_go_where_they_fit)
{
    set_up();
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++) {
        str out;
        diag d = {0};
        bool ok = variables_substitute(&v, a, str_z(replaced[i][0]), PARSE_SERVER, &out, &d);
        ck_assert_msg(ok, "%s: %s", replaced[i][0], d.text);
        ck_assert_msg(str_eqz(out, replaced[i][1]), "%s: %.*s", replaced[i][0], STR_ARG(out));
    }
    tear_down();
}
END_TEST

/* A statement whose value does not fit, and where. */
static const struct {
    const char *text;
    uint32_t at;
    const char *message;
} refused[] = {
    {"DESCRIBE ${word};", 9, "Illegal argument. Identifier names cannot start"},
    {"DESCRIBE ${inner};", 9, "Illegal argument"},
    {"DESCRIBE ${text};", 9, "Illegal argument"},
    {"DESCRIBE ${empty};", 9, "Illegal argument"},
    {"INSERT INTO ${schema} VALUES (1);", 12, "Identifier names cannot start"},
    {"INSERT INTO s1 VALUES (${values});", 23, "Illegal argument. Got: '1, 5'"},
    {"SELECT * FROM ${where};", 14, "Identifier names cannot start"},
    {"SELECT * FROM s1 WHERE id = ${expr};", 28, "Illegal argument. Got: '5 and id != 5'"},
    {"SELECT ${inf} FROM s;", 7, "Illegal argument"},
    {"SELECT ${lone} FROM s;", 7, "Illegal argument"},
    {"SELECT ${empty} FROM s;", 7, "Illegal argument"},
    {"SELECT ${plain} FROM s;", 7, "Illegal argument"},
    {"SELECT ${env} FORM s;", 19, "Syntax Error"},
    {"SELECT '${env} FROM s;", 7, "has no end"},
};

START_TEST(values_that_would_inject_are_refused)
{
    set_up();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        str out;
        diag d = {0};
        ck_assert_msg(!variables_substitute(&v, a, str_z(refused[i].text), PARSE_SERVER, &out, &d), "%s",
                      refused[i].text);
        ck_assert_msg(d.at.start == refused[i].at, "%s: %u", refused[i].text, d.at.start);
        ck_assert_msg(strstr(d.text, refused[i].message) != NULL, "%s: %s", refused[i].text, d.text);
    }
    tear_down();
}
END_TEST

/* Whatever a value is, the statement around it keeps its shape: one literal, or an error. */
START_TEST(no_value_changes_the_statement_around_it)
{
    set_up();
    static const char *const pieces[] = {"'", "''", "\"", "`", ";", "--",   "/*", "*/",
                                         "a", "1",  "-",  ".", " ", "${x}", "\\", "$"};
    enum { N = sizeof pieces / sizeof pieces[0] };
    for (int i = 0; i < N * N * N; i++) {
        str value = arena_printf(a, "%s%s%s", pieces[i % N], pieces[i / N % N], pieces[i / N / N]);
        variables_define(&v, STR("x"), value);
        str out;
        const ast_stmt *s;
        diag d = {0};
        if (variables_substitute(&v, a, STR("SELECT ${x}, '${x}', b FROM ${x} c;"), PARSE_SERVER, &out, &d)) {
            ck_assert_msg(false, "%.*s is no name and literal at once", STR_ARG(out));
        }
        diag_clear(&d);
        ck_assert(variables_substitute(&v, a, STR("SELECT 'p${x}', b FROM s;"), PARSE_SERVER, &out, &d));
        ck_assert_msg(parse_one(a, out, PARSE_SERVER, &s, &d), "%.*s", STR_ARG(out));
        ck_assert_uint_eq(s->u.query->items_n, 2);
        diag_clear(&d);
        if (!variables_substitute(&v, a, STR("SELECT -${x}, b FROM s;"), PARSE_SERVER, &out, &d)) continue;
        if (!parse_one(a, out, PARSE_SERVER, &s, &d)) ck_assert_msg(false, "%.*s: %s", STR_ARG(out), d.text);
        ck_assert_uint_eq(s->u.query->items_n, 2);
    }
    tear_down();
}
END_TEST

START_TEST(definitions_replace_and_vanish)
{
    set_up();
    str value, name;
    variables_define(&v, STR("Num"), STR("2"));
    ck_assert(variables_get(&v, STR("NUM"), &value) && str_eqz(value, "2"));
    ck_assert(variables_undefine(&v, STR("nuM")) && !variables_undefine(&v, STR("num")));
    ck_assert(!variables_get(&v, STR("num"), &value));
    size_t n = 0, it = 0;
    while (variables_next(&v, &it, &name, &value)) n++;
    ck_assert_uint_eq(n, 22);
    tear_down();
}
END_TEST

START_TEST(a_flood_of_references_is_read_once)
{
    set_up();
    buf b = {0};
    buf_add_z(&b, "SELECT '");
    for (int i = 0; i < 300000; i++) buf_add_z(&b, "${a");
    buf_add_z(&b, "' FROM s;");
    str out;
    diag d = {0};
    ck_assert(variables_substitute(&v, a, buf_str(&b), PARSE_SERVER, &out, &d));
    ck_assert(str_eq(out, buf_str(&b)));
    buf_free(&b);
    tear_down();
}
END_TEST

UNIT_MAIN("sql/variables", values_go_where_they_fit, values_that_would_inject_are_refused,
          no_value_changes_the_statement_around_it, definitions_replace_and_vanish, a_flood_of_references_is_read_once)
