#include <stdio.h>
#include <string.h>

#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

/* A count that commits; the sink must show each result once, whatever dies and when. */
typedef struct setup {
    rig *r;
    store_db *db;
    const plan *sink;
} setup;

static setup begin(bool log, bool multi)
{
    setup s = {.r = rig_new(), .db = store_memory_db()};
    rig_topic(s.r, "in", multi ? 2 : 1);
    rig_options(s.r)->single_task = !multi;
    rig_options(s.r)->db = s.db;
    rig_options(s.r)->cache_bytes = 1 << 20;
    if (log) rig_log_decides(s.r);
    const plan *p = rig_source(s.r, "in", "NAME STRING, V INT", FORMAT_JSON);
    p = rig_rekey(s.r, p, "NAME AS NAME", true, multi ? 2 : 1);
    p = rig_aggregate(s.r, p, "COUNT(*) AS N; MAX(V) AS M; AVG(V) AS A", (plan_window){.kind = WINDOW_NONE});
    s.sink = rig_sink(s.r, p, "out", FORMAT_JSON);
    rig_start(s.r, s.sink);
    return s;
}

static void put(setup *s, const char *name, int v)
{
    char text[100];
    snprintf(text, sizeof text, "{\"NAME\":\"%s\",\"V\":%d}", name, v);
    rig_put(s->r, "in", 0, NULL, text, v);
}

static void end(setup *s)
{
    rig_free(s->r);
    s->db->ops->close(s->db);
}

START_TEST(a_restart_goes_on_from_the_last_commit)
{
    setup s = begin(_i & 1, _i & 2);
    put(&s, "a", 1);
    put(&s, "b", 2);
    ck_assert(rig_run(s.r) && rig_commit(s.r));
    put(&s, "a", 3);
    ck_assert(rig_run(s.r)); /* not committed */
    rig_start(s.r, s.sink);
    put(&s, "b", 4);
    ck_assert(rig_run(s.r) && rig_commit(s.r));
    ck_assert_int_eq(query_generation(rig_query(s.r)), 2);
    const char *out = rig_committed(s.r, "out");
    ck_assert_ptr_nonnull(strstr(out, "\"a\" {\"N\":1,\"M\":1,\"A\":1.0} @1\n"));
    ck_assert_ptr_nonnull(strstr(out, "\"b\" {\"N\":1,\"M\":2,\"A\":2.0} @2\n"));
    ck_assert_ptr_nonnull(strstr(out, "\"a\" {\"N\":2,\"M\":3,\"A\":2.0} @3\n"));
    ck_assert_ptr_nonnull(strstr(out, "\"b\" {\"N\":2,\"M\":4,\"A\":3.0} @4\n"));
    end(&s);
}
END_TEST

START_TEST(a_crash_around_the_decision_shows_each_result_once)
{
    for (int at = RIG_CRASH_BEFORE_PREPARE; at <= RIG_CRASH_AFTER_DECISION; at++) {
        setup s = begin(_i & 1, _i & 2);
        put(&s, "a", 1);
        ck_assert(rig_run(s.r) && rig_commit(s.r));
        put(&s, "a", 2);
        put(&s, "b", 2);
        ck_assert(rig_run(s.r));
        rig_crash_next(s.r, (rig_crash)at);
        ck_assert(!rig_commit(s.r));
        ck_assert_ptr_nonnull(query_error(rig_query(s.r)));
        rig_start(s.r, s.sink);
        put(&s, "a", 3);
        ck_assert(rig_run(s.r));
        ck_assert(rig_commit(s.r));
        const char *out = rig_committed(s.r, "out");
        /* Decided before the crash: three results of "a". Dropped: the second and third came in one commit. */
        const char *second = strstr(out, "\"a\" {\"N\":2,");
        ck_assert_int_eq(second != NULL, at == RIG_CRASH_AFTER_DECISION);
        if (second) ck_assert_ptr_null(strstr(second + 1, "\"a\" {\"N\":2,"));
        const char *third = strstr(out, "\"a\" {\"N\":3,\"M\":3,\"A\":2.0} @3\n");
        ck_assert_ptr_nonnull(third);
        ck_assert_ptr_null(strstr(third + 1, "\"a\" {\"N\":3"));
        const char *b = strstr(out, "\"b\" {\"N\":1,");
        ck_assert_ptr_nonnull(b);
        ck_assert_ptr_null(strstr(b + 1, "\"b\" {\"N\":1,"));
        end(&s);
    }
}
END_TEST

START_TEST(input_goes_on_while_a_generation_is_frozen)
{
    setup s = begin(false, false);
    put(&s, "a", 1);
    ck_assert(rig_run(s.r));
    ck_assert(query_commit_begin(rig_query(s.r)));
    ck_assert(!query_commit_begin(rig_query(s.r)));
    ck_assert(rig_run(s.r));
    ck_assert_int_eq(query_commit_status(rig_query(s.r)), COMMIT_FROZEN);
    put(&s, "a", 2);
    ck_assert(rig_run(s.r));
    diag d = {0};
    ck_assert(query_commit_write(rig_query(s.r), &d));
    ck_assert_str_eq(rig_committed(s.r, "out"), "\"a\" {\"N\":1,\"M\":1,\"A\":1.0} @1\n");
    /* What came after the boundary was not saved with it. */
    rig_start(s.r, s.sink);
    ck_assert(rig_run(s.r) && rig_commit(s.r));
    ck_assert_ptr_nonnull(strstr(rig_committed(s.r, "out"), "\"a\" {\"N\":2,\"M\":2,\"A\":1.5} @2\n"));
    end(&s);
}
END_TEST

START_TEST(nothing_new_needs_no_commit_after_the_first)
{
    setup s = begin(false, false);
    ck_assert(rig_commit(s.r)); /* it fixes where the query begins */
    ck_assert(!query_commit_begin(rig_query(s.r)));
    put(&s, "a", 1);
    ck_assert(rig_run(s.r) && rig_commit(s.r));
    ck_assert(!query_commit_begin(rig_query(s.r)));
    end(&s);
}
END_TEST

START_TEST(another_plan_does_not_take_over_the_state)
{
    setup s = begin(false, false);
    put(&s, "a", 1);
    ck_assert(rig_run(s.r) && rig_commit(s.r));
    const plan *p = rig_source(s.r, "in", "NAME STRING, V INT", FORMAT_JSON);
    p = rig_rekey(s.r, p, "V AS V", true, 1);
    p = rig_aggregate(s.r, p, "COUNT(*) AS N", (plan_window){.kind = WINDOW_NONE});
    diag d = {0};
    ck_assert_ptr_null(rig_try_start(s.r, rig_sink(s.r, p, "out", FORMAT_JSON), &d));
    ck_assert_int_eq(d.code, DIAG_STATE);
    end(&s);
}
END_TEST

START_TEST(a_blocked_sink_stops_the_input_and_loses_nothing)
{
    rig *r = rig_new();
    rig_start(r, rig_sink(r, rig_source(r, "in", "ID INT KEY, V INT", FORMAT_JSON), "out", FORMAT_JSON));
    rig_block_sink(r, true);
    rig_put(r, "in", 0, "1", "{\"V\":1}", 1);
    ck_assert(rig_run(r));
    ck_assert_int_eq(task_step(query_task(rig_query(r), 0), 0), TASK_BLOCKED);
    rig_put(r, "in", 0, "2", "{\"V\":2}", 2);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "");
    rig_block_sink(r, false);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "1 {\"V\":1} @1\n2 {\"V\":2} @2\n");
    rig_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/commit");
    TCase *c = tcase_create("commit");
    tcase_add_loop_test(c, a_restart_goes_on_from_the_last_commit, 0, 4);
    tcase_add_loop_test(c, a_crash_around_the_decision_shows_each_result_once, 0, 4);
    tcase_add_test(c, input_goes_on_while_a_generation_is_frozen);
    tcase_add_test(c, nothing_new_needs_no_commit_after_the_first);
    tcase_add_test(c, another_plan_does_not_take_over_the_state);
    tcase_add_test(c, a_blocked_sink_stops_the_input_and_loses_nothing);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
