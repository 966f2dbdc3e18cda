#include <stdio.h>
#include <string.h>

#include "tests/support/engine/mini.h"
#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

static const plan_window no_window = {.kind = WINDOW_NONE};

/* Rows as "key value ...@rowtime" lines. */
typedef struct lines {
    arena *mem;
    char text[4096];
    size_t n;
} lines;

static bool add_lines(void *ctx, const chunk *c)
{
    lines *l = ctx;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (c->window_start)
            l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "[%lld,%lld] ",
                                     (long long)c->window_start[row], (long long)c->window_end[row]);
        for (int i = 0; i < c->schema->count; i++)
            l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s ",
                                     mini_text(l->mem, c->cols[i].type, vec_get(&c->cols[i], row)));
        l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "@%lld\n", (long long)c->rowtime[row]);
    }
    return true;
}

static const char *read_all(rig *r, const pull_request *q)
{
    static lines l;
    l = (lines){.mem = rig_arena(r)};
    diag d = {0};
    arena *a = arena_new();
    pull *p = pull_open(rig_query(r), a, &d);
    ck_assert_msg(p != NULL, "%s", d.text);
    ck_assert_msg(pull_read(p, q, add_lines, &l, &d), "%s", d.text);
    arena_free(a);
    return l.text;
}

static void start_counts(rig *r, plan_window w)
{
    const plan *p = rig_source(r, "in", "K STRING KEY, V INT", FORMAT_JSON);
    p = rig_aggregate(r, p, "COUNT(*) AS N; SUM(V) AS S", w);
    p = rig_filter(r, p, "N > 1");
    p = rig_project(r, p, "S * 10 AS T");
    plan *s = rig_sink(r, p, "out", FORMAT_JSON);
    s->sink.view = true;
    rig_start(r, s);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 1);
    rig_put(r, "in", 0, "\"b\"", "{\"V\":2}", 2);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":3}", 3);
    rig_put(r, "in", 0, "\"c\"", "{\"V\":4}", 14);
    rig_put(r, "in", 0, "\"c\"", "{\"V\":4}", 15);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":4}", 16);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":4}", 17);
    ck_assert(rig_run(r));
}

START_TEST(a_key_is_read_through_projection_and_having)
{
    rig *r = rig_new();
    start_counts(r, no_window);
    value keys[3] = {{.s = STR("a")}, {.s = STR("b")}, {.s = STR("nobody")}};
    pull_request q = pull_everything();
    q.kind = PULL_KEYS;
    q.keys = keys;
    q.key_count = 3;
    ck_assert_str_eq(read_all(r, &q), "'a' 120 @17\n");
    rig_free(r);
}
END_TEST

START_TEST(windows_of_a_key_come_in_order_and_in_range)
{
    rig *r = rig_new();
    start_counts(r, (plan_window){WINDOW_TUMBLING, 10, 10, 100, 110});
    value key = {.s = STR("a")};
    pull_request q = pull_everything();
    q.kind = PULL_KEYS;
    q.keys = &key;
    q.key_count = 1;
    ck_assert_str_eq(read_all(r, &q), "[0,10] 'a' 40 @3\n[10,20] 'a' 80 @17\n");
    q.start_min = 1;
    ck_assert_str_eq(read_all(r, &q), "[10,20] 'a' 80 @17\n");
    q.start_min = INT64_MIN;
    q.end_max = 19;
    ck_assert_str_eq(read_all(r, &q), "[0,10] 'a' 40 @3\n");
    rig_free(r);
}
END_TEST

/* Counts rows, and looks that window starts go up by 10. */
static bool count_windows(void *ctx, const chunk *c)
{
    int64_t *n = ctx;
    for (uint32_t k = 0; k < c->count; k++) ck_assert_int_eq(c->window_start[chunk_row(c, k)], 10 * (*n)++);
    return true;
}

START_TEST(more_windows_of_a_key_than_a_chunk_holds_are_read)
{
    enum { WINDOWS = 600 }; /* more than the first chunk's rows and than the store is asked for at once */
    rig *r = rig_new();
    diag d = {0};
    start_counts(r, (plan_window){WINDOW_TUMBLING, 10, 10, 100000, 100010});
    for (int i = 2; i < 2 * WINDOWS; i++) rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", i / 2 * 10);
    ck_assert(rig_run(r));
    value key = {.s = STR("a")};
    pull_request q = pull_everything();
    q.kind = PULL_KEYS;
    q.keys = &key;
    q.key_count = 1;
    arena *a = arena_new();
    pull *p = pull_open(rig_query(r), a, &d);
    ck_assert_msg(p != NULL, "%s", d.text);
    int64_t n = 0;
    ck_assert_msg(pull_read(p, &q, count_windows, &n, &d), "%s", d.text);
    ck_assert_int_eq(n, WINDOWS);
    arena_free(a);
    rig_free(r);
}
END_TEST

START_TEST(sessions_of_a_key_are_read)
{
    rig *r = rig_new();
    start_counts(r, (plan_window){WINDOW_SESSION, 3, 0, 100, 103});
    value key = {.s = STR("a")};
    pull_request q = pull_everything();
    q.kind = PULL_KEYS;
    q.keys = &key;
    q.key_count = 1;
    ck_assert_str_eq(read_all(r, &q), "[1,3] 'a' 40 @3\n[16,17] 'a' 80 @17\n");
    rig_free(r);
}
END_TEST

START_TEST(a_range_and_a_scan_read_what_matches)
{
    rig *r = rig_new();
    start_counts(r, no_window);
    pull_request q = pull_everything();
    const char *all = read_all(r, &q);
    ck_assert_ptr_nonnull(strstr(all, "'a' 120"));
    ck_assert_ptr_nonnull(strstr(all, "'c' 80"));
    ck_assert_ptr_null(strstr(all, "'b'"));
    value low = {.s = STR("a")};
    q.kind = PULL_RANGE;
    q.low = &low;
    q.low_open = true;
    ck_assert_str_eq(read_all(r, &q), "'c' 80 @15\n");
    rig_free(r);
}
END_TEST

START_TEST(a_materialised_table_and_a_join_are_read)
{
    for (int join = 0; join < 2; join++) {
        rig *r = rig_new();
        const plan *p = rig_table(r, "in", "K INT KEY, V INT", FORMAT_JSON);
        if (join) p = rig_join(r, p, rig_table(r, "r", "K INT KEY, B INT", FORMAT_JSON), JOIN_LEFT);
        plan *s = rig_sink(r, p, "out", FORMAT_JSON);
        s->sink.view = true;
        rig_start(r, s);
        rig_put(r, "in", 0, "1", "{\"V\":5}", 1);
        rig_put(r, "in", 0, "2", "{\"V\":6}", 1);
        rig_put(r, "in", 0, "2", NULL, 2);
        ck_assert(rig_run(r));
        pull_request q = pull_everything();
        ck_assert_str_eq(read_all(r, &q), join ? "1 5 NULL @1\n" : "1 5 @1\n");
        rig_free(r);
    }
}
END_TEST

START_TEST(a_stream_keeps_nothing_to_read)
{
    rig *r = rig_new();
    rig_start(r, rig_sink(r, rig_source(r, "in", "K INT KEY, V INT", FORMAT_JSON), "out", FORMAT_JSON));
    diag d = {0};
    arena *a = arena_new();
    ck_assert_ptr_null(pull_open(rig_query(r), a, &d));
    ck_assert_int_eq(d.code, DIAG_STATEMENT);
    arena_free(a);
    rig_free(r);
}
END_TEST

/* ---- push queries --------------------------------------------------------------------------------------------------
 */

typedef struct listener {
    io_subscriber base;
    lines got;
    bool full, ended;
} listener;

static io_status take(io_subscriber *s, const chunk *c)
{
    listener *l = (listener *)s;
    if (l->full) return IO_BLOCKED;
    add_lines(&l->got, c);
    return IO_OK;
}

static void ended(io_subscriber *s, const diag *why)
{
    ck_assert_ptr_null(why);
    ck_assert(!((listener *)s)->ended);
    ((listener *)s)->ended = true;
}

START_TEST(a_push_query_ends_with_its_limit)
{
    chunk_set_rows_max(_i ? 1 : 1024);
    rig *r = rig_new();
    listener l = {.base = {take, ended}, .got = {.mem = rig_arena(r)}};
    rig_options(r)->sink = NULL;
    rig_options(r)->subscriber = &l.base;
    plan *s = rig_sink(r, rig_source(r, "in", "K INT KEY, V INT", FORMAT_JSON), NULL, FORMAT_JSON);
    s->sink.limit = 2;
    rig_start(r, s);
    l.full = true;
    rig_put(r, "in", 0, "1", "{\"V\":1}", 1);
    rig_put(r, "in", 0, "2", "{\"V\":2}", 2);
    rig_put(r, "in", 0, "3", "{\"V\":3}", 3);
    ck_assert(rig_run(r));
    ck_assert(!l.ended && l.got.n == 0);
    l.full = false;
    ck_assert(rig_run(r));
    ck_assert_str_eq(l.got.text, "1 1 @1\n2 2 @2\n");
    ck_assert(l.ended);
    ck_assert_int_eq(task_step(query_task(rig_query(r), 0), 0), TASK_DONE);
    rig_free(r);
}
END_TEST

START_TEST(a_push_query_shows_changes_when_the_input_is_dry)
{
    rig *r = rig_new();
    listener l = {.base = {take, ended}, .got = {.mem = rig_arena(r)}};
    rig_options(r)->sink = NULL;
    rig_options(r)->subscriber = &l.base;
    rig_options(r)->cache_bytes = 1 << 20;
    rig_options(r)->commit_interval_ms = 2000;
    const plan *p = rig_aggregate(r, rig_source(r, "in", "K INT KEY, V INT", FORMAT_JSON), "COUNT(*) AS N", no_window);
    rig_start(r, rig_sink(r, p, NULL, FORMAT_JSON));
    rig_put(r, "in", 0, "1", "{\"V\":1}", 1);
    rig_put(r, "in", 0, "1", "{\"V\":2}", 2);
    ck_assert(rig_run(r));
    ck_assert_str_eq(l.got.text, "1 2 @2\n");
    rig_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/pull");
    TCase *c = tcase_create("pull");
    tcase_add_test(c, a_key_is_read_through_projection_and_having);
    tcase_add_test(c, windows_of_a_key_come_in_order_and_in_range);
    tcase_add_test(c, more_windows_of_a_key_than_a_chunk_holds_are_read);
    tcase_add_test(c, sessions_of_a_key_are_read);
    tcase_add_test(c, a_range_and_a_scan_read_what_matches);
    tcase_add_test(c, a_materialised_table_and_a_join_are_read);
    tcase_add_test(c, a_stream_keeps_nothing_to_read);
    tcase_add_loop_test(c, a_push_query_ends_with_its_limit, 0, 2);
    tcase_add_test(c, a_push_query_shows_changes_when_the_input_is_dry);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
