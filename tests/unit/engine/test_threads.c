#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "tests/support/engine/rig.h"
#include "tests/unit/unit.h"

enum { ROWS = 6000, KEYS = 50, PARTITIONS = 3, TASKS_MAX = 16 };

/* Tasks are stepped by two workers while commits are written and keys are read beside them. */
typedef struct world {
    rig *r;
    query *q;
    pthread_mutex_t task_locks[TASKS_MAX];
    atomic_bool stop;
    atomic_int quiet;
} world;

static void *work(void *arg)
{
    world *w = arg;
    int n = query_task_count(w->q);
    while (!atomic_load(&w->stop)) {
        bool busy = false;
        for (int i = 0; i < n; i++) {
            if (pthread_mutex_trylock(&w->task_locks[i]) != 0) continue;
            task_status st = task_step(query_task(w->q, i), 0);
            pthread_mutex_unlock(&w->task_locks[i]);
            check(st != TASK_FAILED);
            busy = busy || st == TASK_MORE;
        }
        if (busy)
            atomic_store(&w->quiet, 0);
        else
            atomic_fetch_add(&w->quiet, 1);
    }
    return NULL;
}

static bool count_rows(void *ctx, const chunk *c)
{
    int64_t *sum = ctx;
    for (uint32_t k = 0; k < c->count; k++) *sum += c->cols[1].l[chunk_row(c, k)];
    return true;
}

static int64_t total(world *w)
{
    arena *a = arena_new();
    diag d = {0};
    pull *p = pull_open(w->q, a, &d);
    check(p != NULL);
    pull_request all = pull_everything();
    int64_t sum = 0;
    check(pull_read(p, &all, count_rows, &sum, &d));
    arena_free(a);
    return sum;
}

START_TEST(workers_commits_and_readers_do_not_disturb_each_other)
{
    static world w;
    rig *r = w.r = rig_new();
    rig_topic(r, "in", PARTITIONS);
    rig_topic(r, "out", 2);
    store_db *db = rig_options(r)->db = store_memory_db();
    rig_options(r)->single_task = false;
    rig_options(r)->cache_bytes = 1 << 20;
    rig_options(r)->exchange_rows = 100;
    const plan *p = rig_source(r, "in", "K INT, V INT", FORMAT_JSON);
    p = rig_rekey(r, p, "K AS K", true, 2);
    p = rig_aggregate(r, p, "COUNT(*) AS N", (plan_window){.kind = WINDOW_NONE});
    plan *sink = rig_sink(r, p, "out", FORMAT_JSON);
    sink->sink.view = true;
    for (int i = 0; i < ROWS; i++) {
        char text[60];
        snprintf(text, sizeof text, "{\"K\":%d,\"V\":%d}", i % KEYS, i);
        rig_put(r, "in", i % PARTITIONS, NULL, text, i);
    }
    w.q = rig_start(r, sink);
    for (int i = 0; i < TASKS_MAX; i++) pthread_mutex_init(&w.task_locks[i], NULL);
    ck_assert_int_eq(query_task_count(w.q), PARTITIONS + 2);
    pthread_t workers[2];
    for (int i = 0; i < 2; i++) pthread_create(&workers[i], NULL, work, &w);
    int64_t last = 0;
    while (last < ROWS || query_commit_status(w.q) != COMMIT_NONE) {
        query_commit_begin(w.q);
        int64_t now = total(&w);
        ck_assert_int_ge(now, last);
        last = now;
        diag d = {0};
        if (query_commit_status(w.q) == COMMIT_FROZEN) ck_assert_msg(query_commit_write(w.q, &d), "%s", d.text);
    }
    atomic_store(&w.stop, true);
    for (int i = 0; i < 2; i++) pthread_join(workers[i], NULL);
    ck_assert(rig_commit(r) || query_generation(w.q) > 0);
    ck_assert_int_eq(total(&w), ROWS);
    /* What a restart finds is all of it. */
    w.q = rig_start(r, sink);
    ck_assert_int_eq(total(&w), ROWS);
    rig_free(r);
    db->ops->close(db);
}
END_TEST

UNIT_MAIN("engine/threads", workers_commits_and_readers_do_not_disturb_each_other)
