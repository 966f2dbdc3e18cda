/*
 * State of every SQL type goes to SQLite and comes back: as a value and as a key, after a restart and after
 * eviction.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_sim.h"
#include "state/sqlite_db.h"
#include "state/vfs.h"
#include "tests/support/engine/mini.h"
#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

/* Expressions of one type; the last is NULL in all of them. */
typedef struct sample {
    const char *type;
    bool key; /* can be a key */
    const char *values[6];
} sample;

static const sample samples[] = {
    {"BOOLEAN", true, {"TRUE", "FALSE"}},
    {"INT", true, {"0", "-2147483647 - 1", "2147483647"}},
    {"BIGINT", true, {"5000000000", "-9223372036854775807 - 1", "CAST(0 AS BIGINT)"}},
    {"DOUBLE", true, {"SQRT(-1e0)", "0e0 * -1e0", "0e0", "1e300", "1e300 * -1e300", "0.1e0"}},
    {"DECIMAL(38,10)",
     true,
     {"CAST('-1234567890123456789012345678.0123456789' AS DECIMAL(38,10))", "CAST('0' AS DECIMAL(38,10))",
      "CAST('1.50' AS DECIMAL(38,10))"}},
    {"STRING", true, {"''", "'NaN'", "'-0.0'", "'12'", "'\xc3\xa4 \xf0\x9f\x98\x80'", "' 1e5 '"}},
    {"BYTES", true, {"x''", "x'00ff00'", "x'3132'"}},
    {"DATE", true, {"DATE '1969-12-31'", "DATE '2024-02-29'"}},
    {"TIME", true, {"TIME '00:00:00'", "TIME '23:59:59.999'"}},
    {"TIMESTAMP", true, {"TIMESTAMP '1969-12-31T23:59:59.999'", "TIMESTAMP '2024-02-29T12:00:00.001'"}},
    {"ARRAY<DOUBLE>", true, {"ARRAY[1.5e0, NULL, SQRT(-1e0), 0e0 * -1e0]", "ARRAY[0.1e0]"}},
    {"ARRAY<DECIMAL(5,2)>", true, {"ARRAY[CAST('1.50' AS DECIMAL(5,2)), NULL]"}},
    {"MAP<STRING, BIGINT>", false, {"MAP('a' := 9007199254740993, 'b' := NULL)", "MAP('' := 5000000000)"}},
    {"STRUCT", true, {"STRUCT(A := 'x', B := ARRAY[x'00ff', NULL], C := STRUCT(D := DATE '2024-02-29'))"}},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

/* "CASE WHEN V = 0 THEN .. WHEN V = 1 THEN .. END": NULL for the number behind the last. */
static const char *choice(const sample *s, int *count)
{
    static char text[2048];
    size_t n = (size_t)snprintf(text, sizeof text, "CASE");
    int i = 0;
    for (; i < 6 && s->values[i]; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, " WHEN V = %d THEN %s", i, s->values[i]);
    snprintf(text + n, sizeof text - n, " END");
    *count = i;
    return text;
}

typedef struct lines {
    arena *mem;
    char *rows[16];
    int count;
} lines;

static bool add_line(void *ctx, const chunk *c)
{
    lines *l = ctx;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        buf b = {0};
        for (int i = 0; i < c->schema->count; i++)
            buf_printf(&b, "%s ", mini_text(l->mem, c->cols[i].type, vec_get(&c->cols[i], row)));
        buf_printf(&b, "@%lld", (long long)c->rowtime[row]);
        ck_assert_int_lt(l->count, 16);
        l->rows[l->count++] = arena_strz(l->mem, buf_str(&b));
        buf_free(&b);
    }
    return true;
}

static int line_count(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static int compare_lines(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* All rows of the table, sorted as text. */
static const char *read_all(rig *r)
{
    lines l = {.mem = rig_arena(r)};
    diag d = {0};
    arena *a = arena_new();
    pull *p = pull_open(rig_query(r), a, &d);
    ck_assert_msg(p != NULL, "%s", d.text);
    pull_request q = pull_everything();
    ck_assert_msg(pull_read(p, &q, add_line, &l, &d), "%s", d.text);
    arena_free(a);
    qsort(l.rows, (size_t)l.count, sizeof *l.rows, compare_lines);
    buf b = {0};
    for (int i = 0; i < l.count; i++) buf_printf(&b, "%s\n", l.rows[i]);
    const char *text = arena_strz(rig_arena(r), buf_str(&b));
    buf_free(&b);
    return text;
}

/* One query per type: a table whose key, or whose value, is of it. */
static void round_trip(const sample *s, bool as_key, bool evict)
{
    fs_sim *sim = fs_sim_new(1);
    fs *sys = fs_sim_fs(sim);
    store_budget budget = {.limit = evict ? 0 : INT64_MAX};
    store_db *db = store_sqlite_new(sys, STR("/q.db"));
    db->budget = &budget;
    rig *r = rig_new();
    rig_options(r)->db = db;
    int count;
    const char *expression = choice(s, &count);
    char text[5000];
    const plan *p = rig_source(r, "in", "K BIGINT KEY, V INT", FORMAT_JSON);
    snprintf(text, sizeof text, "%s AS X", as_key ? expression : "V");
    p = rig_rekey(r, p, text, true, 1);
    /* MAX keeps a scalar in a column of its own type, LATEST_BY_OFFSET a nested state. */
    bool scalar = strchr("DISBT", s->type[0]) && strcmp(s->type, "BOOLEAN") != 0 && strcmp(s->type, "STRUCT") != 0;
    if (as_key)
        snprintf(text, sizeof text, "MAX(V) AS M; COUNT(*) AS N");
    else if (scalar)
        snprintf(text, sizeof text, "LATEST_BY_OFFSET(%s) AS L; MAX(%s) AS M; COUNT(*) AS N", expression, expression);
    else
        snprintf(text, sizeof text, "LATEST_BY_OFFSET(%s) AS L; COUNT(*) AS N", expression);
    p = rig_aggregate(r, p, text, (plan_window){.kind = WINDOW_NONE});
    plan *sink = rig_sink(r, p, "out", FORMAT_JSON);
    sink->sink.view = true;
    rig_start(r, sink);
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "{\"V\":%d}", i);
        rig_put(r, "in", 0, "1", text, i);
    }
    ck_assert(rig_run(r));
    const char *before = arena_strz(rig_arena(r), str_z(read_all(r)));
    ck_assert_int_eq(count, line_count(before));
    ck_assert(rig_commit(r));
    ck_assert_str_eq(read_all(r), before);
    rig_start(r, sink);
    ck_assert_str_eq(read_all(r), before);
    /* The loaded state goes on: every group counts a second row. */
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "{\"V\":%d}", i);
        rig_put(r, "in", 0, "1", text, i);
    }
    ck_assert(rig_run(r));
    const char *after = read_all(r);
    ck_assert_int_eq(count, line_count(after));
    for (const char *line = after; *line; line = strchr(line, '\n') + 1) ck_assert_ptr_nonnull(strstr(line, " 2 @"));
    rig_free(r);
    db->ops->close(db);
    vfs_forget(sys);
    fs_sim_free(sim);
}

START_TEST(a_value_of_every_type_comes_back)
{
    round_trip(&samples[_i], false, false);
    round_trip(&samples[_i], false, true);
}
END_TEST

START_TEST(a_key_of_every_type_comes_back)
{
    if (!samples[_i].key) return;
    round_trip(&samples[_i], true, false);
    round_trip(&samples[_i], true, true);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/reload");
    TCase *c = tcase_create("reload");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, a_value_of_every_type_comes_back, 0, SAMPLES);
    tcase_add_loop_test(c, a_key_of_every_type_comes_back, 0, SAMPLES);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
