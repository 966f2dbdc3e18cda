#include <stdio.h>
#include <string.h>

#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

static const uint32_t sizes[] = {1, 2, 1024};

/* The bounds of a session key in hex are long: they are shown as [start,end]. */
static const char *shown(rig *r, const char *text)
{
    static char out[8192];
    size_t n = 0;
    for (const char *p = text; *p;) {
        unsigned end[8], start[8];
        int used = 0;
        if (*p == '\\' &&
            sscanf(p, "\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x\\%2x%n", &end[0],
                   &end[1], &end[2], &end[3], &end[4], &end[5], &end[6], &end[7], &start[0], &start[1], &start[2],
                   &start[3], &start[4], &start[5], &start[6], &start[7], &used) == 16) {
            n += (size_t)snprintf(out + n, sizeof out - n, "[%u,%u]", start[7], end[7]);
            p += used;
            continue;
        }
        out[n++] = *p++;
    }
    out[n] = 0;
    return out;
}

static const plan *sessions_of(rig *r, bool final, int64_t grace)
{
    plan_window w = {WINDOW_SESSION, 5, 0, grace, 5 + grace};
    const plan *p = rig_source(r, "in", "K STRING KEY, V INT", FORMAT_JSON);
    p = rig_aggregate(r, p, "COUNT(*) AS N; SUM(V) AS S", w);
    if (final) p = rig_suppress(r, p);
    return rig_sink(r, p, "out", FORMAT_JSON);
}

static void put(rig *r, const char *key, int v, int64_t ts)
{
    char text[40];
    snprintf(text, sizeof text, "{\"V\":%d}", v);
    rig_put(r, "in", 0, key, text, ts);
}

START_TEST(sessions_within_the_gap_merge)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    rig_start(r, sessions_of(r, false, 100));
    put(r, "\"a\"", 1, 10);
    put(r, "\"a\"", 2, 10); /* the same moment: no tombstone */
    put(r, "\"a\"", 3, 20);
    put(r, "\"a\"", 4, 15); /* joins both, at distance exactly the gap */
    put(r, "\"b\"", 5, 16);
    ck_assert(rig_run(r));
    ck_assert_str_eq(shown(r, rig_text(r, "out")), "\"a\"[10,10] {\"N\":1,\"S\":1} @10\n"
                                                   "\"a\"[10,10] {\"N\":2,\"S\":3} @10\n"
                                                   "\"a\"[20,20] {\"N\":1,\"S\":3} @20\n"
                                                   "\"a\"[10,10] null @10\n"
                                                   "\"a\"[20,20] null @20\n"
                                                   "\"a\"[10,20] {\"N\":4,\"S\":10} @20\n"
                                                   "\"b\"[16,16] {\"N\":1,\"S\":5} @16\n");
    rig_free(r);
}
END_TEST

START_TEST(a_session_behind_gap_and_grace_is_late)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    rig_start(r, sessions_of(r, false, 10));
    put(r, "\"a\"", 1, 40);
    put(r, "\"b\"", 1, 25); /* 40 - 5 - 10 */
    put(r, "\"c\"", 1, 24);
    ck_assert(rig_run(r));
    const char *out = shown(r, rig_text(r, "out"));
    ck_assert_ptr_nonnull(strstr(out, "\"b\"[25,25]"));
    ck_assert_ptr_null(strstr(out, "\"c\""));
    rig_free(r);
}
END_TEST

START_TEST(emit_final_gives_a_session_once)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    store_db *db = rig_options(r)->db = store_memory_db();
    const plan *sink = sessions_of(r, true, 1);
    rig_start(r, sink);
    put(r, "\"b\"", 1, 10);
    put(r, "\"a\"", 2, 10);
    put(r, "\"b\"", 3, 13);
    put(r, "\"c\"", 1, 16); /* 10 + 5 + 1 is not passed */
    ck_assert(rig_run(r) && rig_commit(r));
    ck_assert_str_eq(shown(r, rig_text(r, "out")), "");
    rig_start(r, sink);
    put(r, "\"c\"", 1, 17);
    ck_assert(rig_run(r) && rig_commit(r));
    rig_start(r, sink);
    put(r, "\"c\"", 1, 20);
    ck_assert(rig_run(r) && rig_commit(r));
    ck_assert_str_eq(shown(r, rig_committed(r, "out")), "\"a\"[10,10] {\"N\":1,\"S\":2} @10\n"
                                                        "\"b\"[10,13] {\"N\":2,\"S\":4} @13\n");
    rig_free(r);
    db->ops->close(db);
}
END_TEST

START_TEST(sessions_are_emitted_once_per_commit)
{
    chunk_set_rows_max(sizes[_i]);
    rig *r = rig_new();
    store_db *db = rig_options(r)->db = store_memory_db();
    rig_options(r)->cache_bytes = 1 << 20;
    const plan *sink = sessions_of(r, false, 100);
    rig_start(r, sink);
    put(r, "\"a\"", 1, 10);
    put(r, "\"a\"", 2, 12);
    ck_assert(rig_run(r) && rig_commit(r));
    rig_start(r, sink);
    put(r, "\"a\"", 3, 14);
    put(r, "\"a\"", 4, 13);
    ck_assert(rig_run(r) && rig_commit(r));
    ck_assert_str_eq(shown(r, rig_committed(r, "out")), "\"a\"[10,12] {\"N\":2,\"S\":3} @12\n"
                                                        "\"a\"[10,12] null @12\n"
                                                        "\"a\"[10,14] {\"N\":4,\"S\":10} @14\n");
    rig_free(r);
    db->ops->close(db);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/session");
    TCase *c = tcase_create("session");
    tcase_add_loop_test(c, sessions_within_the_gap_merge, 0, 3);
    tcase_add_loop_test(c, a_session_behind_gap_and_grace_is_late, 0, 3);
    tcase_add_loop_test(c, emit_final_gives_a_session_once, 0, 3);
    tcase_add_loop_test(c, sessions_are_emitted_once_per_commit, 0, 3);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
