/*
 * SQL text: whatever the bytes, parsing ends with trees and errors; a tree's text parses to an equal tree; every
 * error can be shown; completion and colouring stay inside the text.
 */
#include <stdio.h>

#include "sql/ast_print.h"
#include "sql/parse.h"
#include "sql/variables.h"
#include "tests/fuzz/fuzz.h"

static void show(const diag *d, str source)
{
    check(diag_is_set(d) && d->text[0] != 0);
    if (d->at.start != SPAN_NONE) check(d->at.start <= d->at.end && d->at.end <= source.n);
    buf out = {0};
    diag_render(d, source, &out);
    check(out.len > 0);
    buf_free(&out);
}

static void print_and_parse(arena *a, const ast_stmt *s, unsigned flags)
{
    str text = ast_stmt_text(a, s);
    const ast_stmt *again;
    diag d = {0};
    if (!parse_one(a, text, flags & ~(unsigned)PARSE_NO_SEMICOLON, &again, &d)) {
        fprintf(stderr, "%.*s\n%s\n", STR_ARG(text), d.text);
        /* Parentheses and quotes may carry a text over a limit, and nothing else may be wrong with it. */
        check(d.code == DIAG_LIMIT);
        return;
    }
    if (!ast_stmt_equal(s, again)) fprintf(stderr, "%.*s\n", STR_ARG(text));
    check(ast_stmt_equal(s, again));
    check(str_eq(ast_stmt_text(a, again), text));
}

static void statements(arena *a, str source, unsigned flags)
{
    parse_results all = parse_sql(a, source, flags);
    uint32_t failed = 0, end = 0;
    for (uint32_t i = 0; i < all.n; i++) {
        parse_result *one = &all.items[i];
        check(one->offset >= end && one->offset + one->text.n <= source.n && one->text.p == source.p + one->offset);
        end = one->offset + (uint32_t)one->text.n;
        check((one->stmt != NULL) != (one->error != NULL));
        if (one->stmt) {
            print_and_parse(a, one->stmt, flags);
        } else {
            failed++;
            show(one->error, source);
        }
    }
    check(failed == all.failed);

    diag d = {0};
    parse_results good;
    if (parse_all(a, source, flags, &good, &d))
        check(failed == 0 && good.n == all.n);
    else
        show(&d, source);
    diag_clear(&d);
    parse_results cut;
    if (!parse_split(a, source, flags, &cut, &d)) show(&d, source);
}

static void fragments(arena *a, str source)
{
    diag d = {0};
    const ast_expr *e, *e2;
    const ast_type *t, *t2;
    ast_columns columns;
    if (parse_expr(a, source, &e, &d)) {
        str text = ast_expr_text(a, e);
        if (parse_expr(a, text, &e2, &d))
            check(ast_expr_equal(e, e2) && ast_expr_hash(e) == ast_expr_hash(e2));
        else
            check(d.code == DIAG_LIMIT);
    } else {
        show(&d, source);
    }
    diag_clear(&d);
    if (parse_type(a, source, &t, &d)) {
        if (parse_type(a, ast_type_text(a, t), &t2, &d))
            check(ast_type_equal(t, t2));
        else
            check(d.code == DIAG_LIMIT);
    } else {
        show(&d, source);
    }
    diag_clear(&d);
    if (!parse_columns(a, source, &columns, &d)) show(&d, source);
    diag_clear(&d);
    if (source.n > 0 && parse_is_bare_name(source)) check(parse_expr(a, source, &e, &d));
}

static void prompt(arena *a, str source)
{
    uint32_t pos = 0, end = 0, at = 0;
    parse_piece piece;
    while (parse_next_piece(source, &pos, &piece)) {
        check(piece.at.start >= end && piece.at.end > piece.at.start && piece.at.end <= source.n);
        check(pos >= piece.at.end && pos <= source.n);
        end = piece.at.end;
    }
    parse_state state = parse_text_state(source, &at);
    check(state <= PARSE_IN_COMMENT && at <= source.n);
    size_t step = source.n / 4 + 1;
    for (size_t cursor = 0; cursor <= source.n; cursor += step) {
        parse_completion c;
        parse_complete(a, source, (uint32_t)cursor, &c);
        check(c.word.start <= c.word.end && c.word.end <= source.n && c.sources_n <= ARRAY_LEN(c.sources));
    }
}

static void substitute(arena *a, str source, unsigned flags)
{
    variables v = {0};
    variables_define(&v, STR("A"), STR("`x y`"));
    variables_define(&v, STR("a"), STR("it's ${A}"));
    variables_define(&v, STR("N"), STR("-1"));
    str out;
    diag d = {0};
    if (!variables_substitute(&v, a, source, flags, &out, &d)) show(&d, source);
    variables_free(&v);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    unsigned flags = data[0] & 7;
    str source = str_of((const char *)data + 1, n - 1);
    arena *a = arena_new();
    statements(a, source, flags);
    fragments(a, source);
    prompt(a, source);
    substitute(a, source, flags);
    arena_free(a);
}

static const char *const texts[] = {
    "CREATE STREAM s (id BIGINT KEY, v STRING, h BYTES HEADER('k'), hs ARRAY<STRUCT<key STRING, value BYTES>> HEADERS)"
    " WITH (kafka_topic='t', value_format='json', partitions=3);",
    "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS `t 1` (a INT PRIMARY KEY, b DECIMAL(10, 2), c MAP<STRING, "
    "ARRAY<INT>>,"
    " d STRUCT<x INT, `y z` DOUBLE>) WITH (KAFKA_TOPIC='t', WRAP_SINGLE_VALUE=false);",
    "CREATE TABLE c AS SELECT k, COUNT(*) AS n, AVG(x + 1.5e3) a FROM s WINDOW TUMBLING (SIZE 10 SECONDS, RETENTION 1 "
    "DAY,"
    " GRACE PERIOD 5 MINUTES) WHERE x > 3 AND NOT (y LIKE '%a!_' ESCAPE '!') GROUP BY k HAVING COUNT(*) > 1 EMIT "
    "FINAL;",
    "CREATE STREAM j WITH (PARTITIONS=2) AS SELECT l.*, r.a FROM l LEFT OUTER JOIN r WITHIN (1 HOUR, 2 DAYS) GRACE "
    "PERIOD 1"
    " MINUTE ON l.id = r.id INNER JOIN t ON t.id = l.id PARTITION BY r.a EMIT CHANGES;",
    "INSERT INTO s (a, b, c) VALUES (1, 'x''y', ARRAY[1, -2, NULL]), (MAP('k' := 2), STRUCT(f := x'00'), TRUE);",
    "INSERT INTO s WITH (QUERY_ID='q') SELECT CASE WHEN a IS NULL THEN 1 WHEN b BETWEEN 1 AND 2 THEN 3 ELSE -4 END,"
    " CASE a WHEN 1 THEN 2 END, CAST(a AS DECIMAL(3,1)), a->b->c[1]['k'], TRANSFORM(m, (k, v) => k || v, (k, v) => v) "
    "FROM s;",
    "SELECT a.b, c IN (1, 2), d NOT IN ('x'), e IS DISTINCT FROM f, -(-1), - -1, 9223372036854775808, 1., .5 FROM s "
    "LIMIT 3;",
    "SET 'a'='b'; UNSET 'a'; DEFINE v = '${x}'; UNDEFINE v; SHOW ALL TOPICS EXTENDED; LIST QUERIES; PRINT 't' FROM "
    "BEGINNING"
    " INTERVAL 2 LIMIT 3;",
    "DESCRIBE s EXTENDED; DESCRIBE FUNCTION abs; EXPLAIN q; EXPLAIN SELECT 1 FROM s; TERMINATE ALL; PAUSE q; RESUME q;",
    "DROP STREAM IF EXISTS s DELETE TOPIC; DROP TYPE t; CREATE TYPE addr AS STRUCT<a INT>; ALTER STREAM s ADD COLUMN x "
    "INT;"
    " ALTER SYSTEM 'a'='b'; DROP CONNECTOR IF EXISTS c;",
    "CREATE SOURCE CONNECTOR IF NOT EXISTS c WITH ('a'='b', \"c\"=1); SHOW CONNECTOR PLUGINS; SHOW VARIABLES;",
    "ASSERT TOPIC t WITH (partitions=1) TIMEOUT 3 SECONDS; ASSERT NOT EXISTS SCHEMA SUBJECT 's' ID 3; ASSERT VALUES s "
    "(a)"
    " VALUES (1); ASSERT NULL VALUES s (a) KEY (1); ASSERT STREAM s (a INT) WITH (x='y'); RUN SCRIPT 'f';",
    "SELECT * FROM a s JOIN b ON s.x = b.y FULL JOIN c ON c.z = 1 WINDOW HOPPING (SIZE 1 DAY, ADVANCE BY 1 HOUR)"
    " GROUP BY x, (y, z); -- comment\n/* and */ SELECT ${N} FROM ${A}; SELECT '${a}' FROM b",
    "SELECT * FROM s WINDOW SESSION (30 SECONDS) GROUP BY a; SELECT\x01; 'open",
    "SELEC * FORM s; SELECT FROM; CREATE STREAM (; SELECT a FROM t WHERE; \xff\xfe;;",
    "ARRAY<STRUCT<a MAP<STRING, DECIMAL(38, 38)>, `B` VARCHAR>>",
    "`ID` BIGINT KEY, `NAME` STRING, v VARCHAR(STRING)",
    NULL,
};

void fuzz_make(fuzz_out *out)
{
    static const uint8_t flags[] = {PARSE_SERVER, PARSE_TEST, PARSE_NO_SEMICOLON};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) fuzz_seed_texts(out, &flags[i], 1, texts);
    uint32_t n;
    const parse_keyword *words = parse_keywords(&n);
    for (uint32_t i = 0; i < n; i++) fuzz_word(out, str_z(words[i].word));
    static const char *const more[] = {"->", "=>", ":=", "<>", "!=",       "<=",      ">=",   "||",     "${", "/*",
                                       "*/", "--", "''", "``", "DECIMAL(", "STRUCT<", "MAP<", "ARRAY[", "x'", NULL};
    fuzz_words(out, more);
}
