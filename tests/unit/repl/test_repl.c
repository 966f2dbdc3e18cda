/* The prompt's pure parts: cutting statements, tables, rendering of answers, history. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "repl/history.h"
#include "repl/render.h"
#include "repl/split.h"

START_TEST(statements_are_cut_at_semicolons_outside_of_quotes_and_comments)
{
    str text = STR(" -- a; b\n/* c; */ select 'x;''y', `n;`, \"m;\" ; ;\nnext;rest"), statement;
    size_t used;
    split_state state;
    ck_assert(split_next(text, &statement, &used, &state));
    ck_assert(str_eqz(statement, "select 'x;''y', `n;`, \"m;\" ;"));
    text = str_of(text.p + used, text.n - used);
    ck_assert(split_next(text, &statement, &used, &state));
    ck_assert(str_eqz(statement, "next;"));
    text = str_of(text.p + used, text.n - used);
    ck_assert(!split_next(text, &statement, &used, &state));
    ck_assert_int_eq(state, SPLIT_STATEMENT);
}
END_TEST

START_TEST(what_is_open_at_the_end_is_told)
{
    static const struct {
        const char *text;
        split_state state;
    } cases[] = {
        {"", SPLIT_EMPTY},     {" ; -- x", SPLIT_EMPTY}, {"a", SPLIT_STATEMENT},     {"a 'b;", SPLIT_STRING},
        {"a `b;", SPLIT_NAME}, {"a \"b;", SPLIT_NAME},   {"a /* b;", SPLIT_COMMENT}, {"-- 'x\n", SPLIT_EMPTY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str statement;
        size_t used;
        split_state state;
        ck_assert(!split_next(str_z(cases[i].text), &statement, &used, &state));
        ck_assert_msg(state == cases[i].state, "case %zu", i);
    }
}
END_TEST

START_TEST(words_keep_their_quotes_and_comments_are_no_words)
{
    str s = STR("SET/*x*/ 'a''b' = 'c' -- d\n;");
    ck_assert(str_eqz(split_word(s, 0), "SET"));
    ck_assert(str_eqz(split_word(s, 1), "'a''b'"));
    ck_assert(str_eqz(split_word(s, 2), "="));
    ck_assert(str_eqz(split_word(s, 4), ";"));
    ck_assert_uint_eq(split_word(s, 5).n, 0);
    ck_assert(split_begins(STR("set CLI wrap on"), "SET cli WRAP"));
    ck_assert(!split_begins(STR("settle"), "set"));
    char out[8];
    ck_assert_int_eq(split_unquote(STR("'a''b'"), out, sizeof out), 3);
    ck_assert_str_eq(out, "a'b");
    ck_assert_int_eq(split_unquote(STR("'12345678'"), out, sizeof out), -1);
    ck_assert_int_eq(split_unquote(STR("ab"), out, sizeof out), -1);
}
END_TEST

static void check_table(size_t width, bool wrap, const char *expected)
{
    const str heading[] = {STR("Name"), STR("N")};
    const str first[] = {STR("caf\u00e9 \u6f22\u5b57"), STR("1")};
    const str second[] = {STR("two\nlines of text"), STR("22")};
    buf out = {0};
    table *t = table_new(2, width, wrap);
    table_heading(t, heading);
    table_row(t, first);
    table_row(t, second);
    table_draw(t, &out);
    ck_assert_str_eq(buf_z(&out), expected);
    table_free(t);
    buf_free(&out);
}

START_TEST(tables_fit_their_contents_and_the_screen)
{
    check_table(0, true,
                "+-------------+--+\n"
                "|Name         |N |\n"
                "+-------------+--+\n"
                "|caf\u00e9 \u6f22\u5b57    |1 |\n"
                "|two          |22|\n"
                "|lines of text|  |\n"
                "+-------------+--+\n");
    check_table(12, true,
                "+-------+--+\n"
                "|Name   |N |\n"
                "+-------+--+\n"
                "|caf\u00e9   |1 |\n"
                "|\u6f22\u5b57   |  |\n"
                "|two    |22|\n"
                "|lines  |  |\n"
                "|of text|  |\n"
                "+-------+--+\n");
}
END_TEST

START_TEST(without_wrapping_long_cells_are_cut)
{
    const str cells[] = {STR("0123456789")};
    buf out = {0};
    table *t = table_new(1, 8, false);
    table_row(t, cells);
    table_draw(t, &out);
    ck_assert_str_eq(buf_z(&out), "+------+\n|01234\u2026|\n+------+\n");
    table_free(t);
    buf_free(&out);
}
END_TEST

START_TEST(widths_count_terminal_columns)
{
    ck_assert_uint_eq(table_width(STR("abc")), 3);
    ck_assert_uint_eq(table_width(STR("\u00fc")), 1);
    ck_assert_uint_eq(table_width(STR("\u6f22\u5b57")), 4);
    ck_assert_uint_eq(table_width(STR("e\u0301")), 1);
    ck_assert_uint_eq(table_width(STR("\xff\xfe")), 2);
    ck_assert_uint_eq(table_fit(STR("\u6f22\u5b57x"), 3), 3);
    ck_assert_uint_eq(table_fit(STR("\u6f22"), 1), 3);
}
END_TEST

static void check_rendered(render_form form, const char *json, const char *expected)
{
    render_options o = {.form = form, .wrap = true};
    arena *mem = arena_new();
    diag d = {0};
    buf out = {0};
    const json_value *v = json_parse(mem, str_z(json), NULL, &d);
    ck_assert_msg(v != NULL, "%s", d.text);
    render_entities(&o, v, &out);
    ck_assert_str_eq(buf_z(&out), expected);
    buf_free(&out);
    arena_free(mem);
}

START_TEST(entities_are_drawn_by_their_type)
{
    const char *topics = "[{\"@type\":\"kafka_topics\",\"topics\":[{\"name\":\"t\",\"replicaInfo\":[1,1,1]}]}]";
    check_rendered(RENDER_TABLE, topics,
                   "+-----------+----------+------------------+\n"
                   "|Kafka Topic|Partitions|Partition Replicas|\n"
                   "+-----------+----------+------------------+\n"
                   "|t          |3         |1                 |\n"
                   "+-----------+----------+------------------+\n");
    check_rendered(RENDER_CSV, topics, "Kafka Topic,Partitions,Partition Replicas\r\nt,3,1\r\n");
    check_rendered(RENDER_JSON, "[{\"@type\":\"x\", \"a\" : [1.50, null]}]", "{\"@type\":\"x\",\"a\":[1.50,null]}\n");
    check_rendered(RENDER_TABLE,
                   "[{\"@type\":\"currentStatus\",\"commandStatus\":{\"message\":\"Stream created\"},"
                   "\"warnings\":[{\"message\":\"careful\"}]}]",
                   "Stream created\nWARNING               : careful\n");
    check_rendered(
        RENDER_CSV,
        "[{\"@type\":\"type_list\",\"types\":{\"A\":{\"type\":\"STRUCT\",\"fields\":[{\"name\":\"X\",\"schema\":"
        "{\"type\":\"ARRAY\",\"memberSchema\":{\"type\":\"DECIMAL\",\"parameters\":{\"precision\":4,\"scale\":2}}}}]}}}"
        "]",
        "Type Name,Schema\r\nA,\"STRUCT<X ARRAY<DECIMAL(4, 2)>>\"\r\n");
    check_rendered(RENDER_TABLE, "[{\"@type\":\"something_new\",\"a\":1}]", "{\"@type\":\"something_new\",\"a\":1}\n");
}
END_TEST

START_TEST(an_error_shows_its_place)
{
    arena *mem = arena_new();
    diag d = {0};
    buf out = {0};
    const json_value *v = json_parse(mem, STR("{\"message\":\"line 2:6: no such column: N\u00c4ME\"}"), NULL, &d);
    render_error(v, STR("SELECT\n  \u00e4, N\u00c4ME\nFROM S;"), &out);
    ck_assert_str_eq(buf_z(&out), "line 2:6: no such column: N\u00c4ME\n    \u00e4, N\u00c4ME\n       ^^^^\n");
    buf_free(&out);
    arena_free(mem);
}
END_TEST

START_TEST(live_rows_have_fixed_columns)
{
    render_options o = {.form = RENDER_TABLE, .wrap = true, .column_width = 5};
    arena *mem = arena_new();
    diag d = {0};
    buf out = {0};
    rows *r = rows_new(&o, STR("`A` STRING KEY, `B` STRUCT<`C` INTEGER, `D` DECIMAL(4, 2)>"), true, &out);
    rows_add(r, json_parse(mem, STR("[\"k\",null]"), NULL, &d), true, &out);
    rows_end(r, &out);
    ck_assert_str_eq(
        buf_z(&out),
        "+-----+-----+\n|A    |B    |\n+-----+-----+\n|k    |<TOMB|\n|     |STONE|\n|     |>    |\n+-----+-----+\n");
    ck_assert_uint_eq(rows_count(r), 1);
    rows_free(r);
    buf_free(&out);
    arena_free(mem);
}
END_TEST

START_TEST(history_survives_with_its_line_feeds)
{
    char path[] = P_tmpdir "/weir-history-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    history *h = history_open(path);
    history_add(h, STR("select 1\nfrom t; -- \\n"));
    history_add(h, STR("select 1\nfrom t; -- \\n"));
    history_add(h, STR("  "));
    history_add(h, STR("two;"));
    history_close(h);
    h = history_open(path);
    ck_assert_int_eq(history_count(h), 2);
    ck_assert(str_eqz(history_get(h, 0), "select 1\nfrom t; -- \\n"));
    ck_assert(str_eqz(history_get(h, 1), "two;"));
    history_close(h);
    unlink(path);
}
END_TEST

UNIT_MAIN("repl", statements_are_cut_at_semicolons_outside_of_quotes_and_comments, what_is_open_at_the_end_is_told,
          words_keep_their_quotes_and_comments_are_no_words, tables_fit_their_contents_and_the_screen,
          without_wrapping_long_cells_are_cut, widths_count_terminal_columns, entities_are_drawn_by_their_type,
          an_error_shows_its_place, live_rows_have_fixed_columns, history_survives_with_its_line_feeds)
