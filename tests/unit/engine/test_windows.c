#include <stdio.h>
#include <string.h>

#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

static const uint32_t sizes[] = {1, 2, 1024};

static plan_window tumbling(int64_t size, int64_t grace)
{
    return (plan_window){WINDOW_TUMBLING, size, size, grace, size + grace};
}

static const plan *counts(rig *r, plan_window w, bool final)
{
    const plan *p = rig_source(r, "in", "K STRING KEY, V INT", FORMAT_JSON);
    p = rig_aggregate(r, p, "COUNT(*) AS N; SUM(V) AS S", w);
    if (final) p = rig_suppress(r, p);
    return rig_sink(r, p, "out", FORMAT_JSON);
}

START_TEST(a_row_lands_in_its_tumbling_window)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    rig_start(r, counts(r, tumbling(10, 1000), false));
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 3);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":2}", 9);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":3}", 10);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":4}", 5);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "\"a\"\\00\\00\\00\\00\\00\\00\\00\\00 {\"N\":1,\"S\":1} @3\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\00 {\"N\":2,\"S\":3} @9\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\0a {\"N\":1,\"S\":3} @10\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\00 {\"N\":3,\"S\":7} @9\n");
    rig_free(r);
}
END_TEST

START_TEST(a_row_behind_the_grace_is_late)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    query *q = rig_start(r, counts(r, tumbling(10, 5), false));
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 1);
    rig_put(r, "in", 0, "\"b\"", "{\"V\":1}", 14);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 2); /* ends at 10, closes at 15: in time */
    rig_put(r, "in", 0, "\"b\"", "{\"V\":1}", 15);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 3); /* late */
    ck_assert(rig_run(r));
    const char *out = rig_text(r, "out");
    ck_assert_ptr_nonnull(strstr(out, "{\"N\":2,\"S\":2} @2"));
    ck_assert_ptr_null(strstr(out, "{\"N\":3"));
    query_step_stats stats[8];
    int n = query_stats(q, stats, 8);
    uint64_t late = 0;
    for (int i = 0; i < n; i++) late += stats[i].late;
    ck_assert_uint_eq(late, 1);
    rig_free(r);
}
END_TEST

START_TEST(a_row_lands_in_every_hopping_window_that_holds_it)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    plan_window w = {WINDOW_HOPPING, 10, 4, 100, 110};
    rig_start(r, counts(r, w, false));
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 9);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":1}", 12);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "\"a\"\\00\\00\\00\\00\\00\\00\\00\\00 {\"N\":1,\"S\":1} @9\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\04 {\"N\":1,\"S\":1} @9\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\08 {\"N\":1,\"S\":1} @9\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\04 {\"N\":2,\"S\":2} @12\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\08 {\"N\":2,\"S\":2} @12\n"
                                         "\"a\"\\00\\00\\00\\00\\00\\00\\00\\0c {\"N\":1,\"S\":1} @12\n");
    rig_free(r);
}
END_TEST

START_TEST(emit_final_gives_one_row_when_a_window_closes)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    rig_start(r, counts(r, tumbling(10, 2), true));
    rig_put(r, "in", 0, "\"b\"", "{\"V\":1}", 3);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":2}", 4);
    rig_put(r, "in", 0, "\"b\"", "{\"V\":5}", 8);
    rig_put(r, "in", 0, "\"a\"", "{\"V\":7}", 11);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "");
    rig_put(r, "in", 0, "\"c\"", "{\"V\":1}", 12);
    rig_put(r, "in", 0, "\"b\"", "{\"V\":1}", 9); /* late: the window left */
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "\"a\"\\00\\00\\00\\00\\00\\00\\00\\00 {\"N\":1,\"S\":2} @4\n"
                                         "\"b\"\\00\\00\\00\\00\\00\\00\\00\\00 {\"N\":2,\"S\":6} @8\n");
    rig_free(r);
}
END_TEST

static const char *table_group(uint32_t rows)
{
    static char kept[4096];
    chunk_set_rows_max(rows);
    rig *r = rig_new();
    const plan *p = rig_table(r, "in", "ID INT KEY, G STRING, V INT", FORMAT_JSON);
    p = rig_rekey(r, p, "G AS G", true, 1);
    p = rig_aggregate(r, p, "COUNT(*) AS N; SUM(V) AS S", (plan_window){.kind = WINDOW_NONE});
    rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
    rig_put(r, "in", 0, "1", "{\"G\":\"x\",\"V\":1}", 1);
    rig_put(r, "in", 0, "2", "{\"G\":\"x\",\"V\":10}", 2);
    rig_put(r, "in", 0, "1", "{\"G\":\"x\",\"V\":2}", 3);
    rig_put(r, "in", 0, "1", "{\"G\":\"y\",\"V\":2}", 4);
    rig_put(r, "in", 0, "2", NULL, 5);
    rig_put(r, "in", 0, "9", NULL, 6);
    ck_assert(rig_run(r));
    snprintf(kept, sizeof kept, "%s", rig_text(r, "out"));
    rig_free(r);
    return kept;
}

START_TEST(a_table_change_is_taken_back_and_added)
{
    ck_assert_str_eq(table_group(sizes[_i]), "\"x\" {\"N\":1,\"S\":1} @1\n"
                                             "\"x\" {\"N\":2,\"S\":11} @2\n"
                                             "\"x\" {\"N\":2,\"S\":12} @3\n"
                                             "\"x\" {\"N\":1,\"S\":10} @4\n"
                                             "\"y\" {\"N\":1,\"S\":2} @4\n"
                                             "\"x\" {\"N\":0,\"S\":0} @5\n");
}
END_TEST

START_TEST(having_deletes_a_row_that_passed_before)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    const plan *p = rig_table(r, "in", "ID INT KEY, G STRING, V INT", FORMAT_JSON);
    p = rig_rekey(r, p, "G AS G", true, 1);
    p = rig_aggregate(r, p, "SUM(V) AS S", (plan_window){.kind = WINDOW_NONE});
    p = rig_filter(r, p, "S > 5");
    p = rig_project(r, p, "S + 1 AS T");
    rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
    rig_put(r, "in", 0, "1", "{\"G\":\"x\",\"V\":1}", 1);
    rig_put(r, "in", 0, "2", "{\"G\":\"x\",\"V\":10}", 2);
    rig_put(r, "in", 0, "2", "{\"G\":\"x\",\"V\":3}", 3);
    rig_put(r, "in", 0, "2", "{\"G\":\"x\",\"V\":4}", 4);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "\"x\" {\"T\":12} @2\n\"x\" null @3\n");
    rig_free(r);
}
END_TEST

START_TEST(a_table_filter_deletes_what_leaves)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    const plan *p = rig_filter(r, rig_table(r, "in", "ID INT KEY, V INT", FORMAT_JSON), "V > 5");
    rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
    rig_put(r, "in", 0, "1", "{\"V\":1}", 1);
    rig_put(r, "in", 0, "1", "{\"V\":6}", 2);
    rig_put(r, "in", 0, "1", "{\"V\":2}", 3);
    rig_put(r, "in", 0, "1", NULL, 4);
    rig_put(r, "in", 0, "1", "{\"V\":7}", 5);
    rig_put(r, "in", 0, "1", NULL, 6);
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), "1 {\"V\":6} @2\n1 null @3\n1 {\"V\":7} @5\n1 null @6\n");
    rig_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/windows");
    TCase *c = tcase_create("windows");
    const TTest *const tests[] = {a_row_lands_in_its_tumbling_window,
                                  a_row_behind_the_grace_is_late,
                                  a_row_lands_in_every_hopping_window_that_holds_it,
                                  emit_final_gives_one_row_when_a_window_closes,
                                  a_table_change_is_taken_back_and_added,
                                  having_deletes_a_row_that_passed_before,
                                  a_table_filter_deletes_what_leaves};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_loop_test(c, tests[i], 0, 3);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
