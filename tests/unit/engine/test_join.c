#include <stdio.h>
#include <string.h>

#include "tests/support/engine/mini.h"
#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

static const uint32_t sizes[] = {1, 2, 1024};

static rig *begin(int i)
{
    chunk_set_rows_max(sizes[i]);
    return rig_new();
}

/* Runs a join over inputs that were put, and compares the output. */
static void expect(rig *r, const char *text)
{
    ck_assert(rig_run(r));
    ck_assert_str_eq(rig_text(r, "out"), text);
    rig_free(r);
}

static plan *streams(rig *r, join_kind kind, int64_t before, int64_t after, int64_t grace)
{
    plan *p = rig_join(r, rig_source(r, "l", "K INT KEY, A INT", FORMAT_JSON),
                       rig_source(r, "r", "K INT KEY, B INT", FORMAT_JSON), kind);
    p->join.before = before;
    p->join.after = after;
    p->join.grace = grace;
    return p;
}

START_TEST(a_stream_row_meets_the_table_as_it_is)
{
    rig *r = begin(_i);
    plan *p = rig_join(r, rig_source(r, "l", "K INT KEY, A INT", FORMAT_JSON),
                       rig_table(r, "r", "K INT KEY, B STRING", FORMAT_JSON), JOIN_LEFT);
    rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
    rig_put(r, "l", 0, "1", "{\"A\":1}", 1);
    rig_put(r, "r", 0, "1", "{\"B\":\"x\"}", 2);
    rig_put(r, "l", 0, "1", "{\"A\":2}", 3);
    rig_put(r, "r", 0, "1", "{\"B\":\"y\"}", 9);
    rig_put(r, "l", 0, "1", "{\"A\":3}", 4);
    rig_put(r, "l", 0, "1", NULL, 5);
    rig_put(r, "r", 0, "1", NULL, 6);
    rig_put(r, "l", 0, "1", "{\"A\":4}", 7);
    expect(r, "1 {\"L_A\":1,\"R_B\":null} @1\n1 {\"L_A\":2,\"R_B\":\"x\"} @3\n1 {\"L_A\":3,\"R_B\":\"y\"} @4\n"
              "1 {\"L_A\":4,\"R_B\":null} @7\n");
}
END_TEST

START_TEST(an_inner_stream_table_join_drops_rows_without_partner)
{
    rig *r = begin(_i);
    plan *p = rig_join(r, rig_source(r, "l", "K INT KEY, A INT", FORMAT_JSON),
                       rig_table(r, "r", "K INT KEY, B STRING", FORMAT_JSON), JOIN_INNER);
    rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
    rig_put(r, "l", 0, "1", "{\"A\":1}", 1);
    rig_put(r, "r", 0, "1", "{\"B\":\"x\"}", 2);
    rig_put(r, "l", 0, "1", "{\"A\":2}", 3);
    rig_put(r, "l", 0, NULL, "{\"A\":3}", 3);
    expect(r, "1 {\"L_A\":2,\"R_B\":\"x\"} @3\n");
}
END_TEST

static void put_tables(rig *r)
{
    rig_put(r, "l", 0, "1", "{\"A\":1}", 1);
    rig_put(r, "r", 0, "2", "{\"B\":2}", 2);
    rig_put(r, "r", 0, "1", "{\"B\":3}", 9);
    rig_put(r, "l", 0, "1", "{\"A\":4}", 4);
    rig_put(r, "l", 0, "1", NULL, 5);
    rig_put(r, "r", 0, "1", NULL, 6);
    rig_put(r, "r", 0, "1", NULL, 7);
}

static plan *tables(rig *r, join_kind kind)
{
    return rig_join(r, rig_table(r, "l", "K INT KEY, A INT", FORMAT_JSON),
                    rig_table(r, "r", "K INT KEY, B INT", FORMAT_JSON), kind);
}

START_TEST(tables_join_inner)
{
    rig *r = begin(_i);
    rig_start(r, rig_sink(r, tables(r, JOIN_INNER), "out", FORMAT_JSON));
    put_tables(r);
    expect(r, "1 {\"L_A\":1,\"R_B\":3} @9\n1 {\"L_A\":4,\"R_B\":3} @9\n1 null @9\n");
}
END_TEST

START_TEST(tables_join_left)
{
    rig *r = begin(_i);
    rig_start(r, rig_sink(r, tables(r, JOIN_LEFT), "out", FORMAT_JSON));
    put_tables(r);
    expect(r, "1 {\"L_A\":1,\"R_B\":null} @1\n1 {\"L_A\":1,\"R_B\":3} @9\n1 {\"L_A\":4,\"R_B\":3} @9\n1 null @9\n");
}
END_TEST

START_TEST(tables_join_full)
{
    rig *r = begin(_i);
    rig_start(r, rig_sink(r, tables(r, JOIN_OUTER), "out", FORMAT_JSON));
    put_tables(r);
    expect(r, "1 {\"L_A\":1,\"R_B\":null} @1\n2 {\"L_A\":null,\"R_B\":2} @2\n1 {\"L_A\":1,\"R_B\":3} @9\n"
              "1 {\"L_A\":4,\"R_B\":3} @9\n1 {\"L_A\":null,\"R_B\":3} @9\n1 null @6\n");
}
END_TEST

START_TEST(streams_join_within_the_window)
{
    rig *r = begin(_i);
    rig_start(r, rig_sink(r, streams(r, JOIN_INNER, 5, 3, -1), "out", FORMAT_JSON));
    rig_put(r, "l", 0, "1", "{\"A\":1}", 10);
    rig_put(r, "r", 0, "1", "{\"B\":1}", 13); /* 3 after the left one */
    rig_put(r, "r", 0, "1", "{\"B\":2}", 14);
    rig_put(r, "r", 0, "1", "{\"B\":3}", 5); /* 5 before */
    rig_put(r, "r", 0, "1", "{\"B\":4}", 4);
    rig_put(r, "r", 0, "2", "{\"B\":5}", 10);
    rig_put(r, "l", 0, "1", "{\"A\":2}", 11);
    expect(r, "1 {\"L_A\":1,\"R_B\":1} @13\n1 {\"L_A\":1,\"R_B\":3} @10\n"
              "1 {\"L_A\":2,\"R_B\":1} @13\n1 {\"L_A\":2,\"R_B\":2} @14\n");
}
END_TEST

START_TEST(a_left_join_without_grace_shows_nulls_at_once)
{
    rig *r = begin(_i);
    rig_start(r, rig_sink(r, streams(r, JOIN_LEFT, 5, 5, -1), "out", FORMAT_JSON));
    rig_put(r, "l", 0, "1", "{\"A\":1}", 10);
    rig_put(r, "r", 0, "1", "{\"B\":1}", 12);
    rig_put(r, "l", 0, NULL, "{\"A\":2}", 13);
    expect(r, "1 {\"L_A\":1,\"R_B\":null} @10\n1 {\"L_A\":1,\"R_B\":1} @12\nnull {\"L_A\":2,\"R_B\":null} @13\n");
}
END_TEST

START_TEST(a_full_join_with_grace_waits_for_the_window_to_close)
{
    rig *r = begin(_i);
    rig_start(r, rig_sink(r, streams(r, JOIN_OUTER, 5, 5, 2), "out", FORMAT_JSON));
    rig_put(r, "l", 0, "1", "{\"A\":1}", 10);
    rig_put(r, "r", 0, "2", "{\"B\":1}", 10);
    rig_put(r, "l", 0, "3", "{\"A\":3}", 11);
    rig_put(r, "r", 0, "3", "{\"B\":3}", 12);
    rig_put(r, "r", 0, "4", "{\"B\":4}", 17); /* 10 + 5 + 2 is not yet passed */
    rig_put(r, "r", 0, "5", "{\"B\":5}", 18);
    rig_put(r, "l", 0, "6", "{\"A\":6}", 11); /* its window has closed already: nulls at once */
    expect(r, "3 {\"L_A\":3,\"R_B\":3} @12\n2 {\"L_A\":null,\"R_B\":1} @10\n1 {\"L_A\":1,\"R_B\":null} @10\n"
              "6 {\"L_A\":6,\"R_B\":null} @11\n");
}
END_TEST

START_TEST(a_stream_join_survives_a_restart)
{
    rig *r = begin(_i);
    store_db *db = rig_options(r)->db = store_memory_db();
    plan *sink = rig_sink(r, streams(r, JOIN_LEFT, 5, 5, 1), "out", FORMAT_JSON);
    rig_start(r, sink);
    rig_put(r, "l", 0, "1", "{\"A\":1}", 10);
    rig_put(r, "l", 0, "2", "{\"A\":2}", 10);
    ck_assert(rig_run(r) && rig_commit(r));
    rig_start(r, sink);
    rig_put(r, "r", 0, "1", "{\"B\":1}", 12);
    rig_put(r, "r", 0, "1", "{\"B\":2}", 30);
    ck_assert(rig_run(r) && rig_commit(r));
    ck_assert_str_eq(rig_committed(r, "out"), "1 {\"L_A\":1,\"R_B\":1} @12\n2 {\"L_A\":2,\"R_B\":null} @10\n");
    rig_free(r);
    db->ops->close(db);
}
END_TEST

START_TEST(a_foreign_key_join_follows_both_sides)
{
    rig *r = begin(_i);
    plan *l = rig_table(r, "l", "K INT KEY, F STRING, A INT", FORMAT_JSON);
    plan *p = rig_join(r, l, rig_table(r, "r", "ID STRING KEY, B INT", FORMAT_JSON), JOIN_LEFT);
    p->join.foreign_key = mini_parse(rig_arena(r), "F", l->schema);
    rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
    rig_put(r, "l", 0, "1", "{\"F\":\"x\",\"A\":1}", 1);
    rig_put(r, "l", 0, "2", "{\"F\":\"x\",\"A\":2}", 2);
    rig_put(r, "r", 0, "\"x\"", "{\"B\":7}", 3);
    rig_put(r, "l", 0, "1", "{\"F\":null,\"A\":1}", 4);
    rig_put(r, "r", 0, "\"x\"", NULL, 5);
    rig_put(r, "l", 0, "2", NULL, 6);
    expect(r, "1 {\"L_F\":\"x\",\"L_A\":1,\"R_B\":null} @1\n2 {\"L_F\":\"x\",\"L_A\":2,\"R_B\":null} @2\n"
              "1 {\"L_F\":\"x\",\"L_A\":1,\"R_B\":7} @3\n2 {\"L_F\":\"x\",\"L_A\":2,\"R_B\":7} @3\n"
              "1 {\"L_F\":null,\"L_A\":1,\"R_B\":null} @4\n2 {\"L_F\":\"x\",\"L_A\":2,\"R_B\":null} @5\n2 null @6\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/join");
    TCase *c = tcase_create("join");
    const TTest *const tests[] = {a_stream_row_meets_the_table_as_it_is,
                                  an_inner_stream_table_join_drops_rows_without_partner,
                                  tables_join_inner,
                                  tables_join_left,
                                  tables_join_full,
                                  streams_join_within_the_window,
                                  a_left_join_without_grace_shows_nulls_at_once,
                                  a_full_join_with_grace_waits_for_the_window_to_close,
                                  a_stream_join_survives_a_restart,
                                  a_foreign_key_join_follows_both_sides};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_loop_test(c, tests[i], 0, 3);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
