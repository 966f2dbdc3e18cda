/* Work runs one at a time, never loses a wake, and is quiet after it was retired. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <unistd.h>

#include "base/check.h"
#include "server/workers.h"

typedef struct counter {
    work work;
    atomic_int inside;
    atomic_int wanted; /* raised before each wake */
    int seen;          /* what the last run saw; only runs touch it */
    atomic_int runs;
    bool overlapped;
} counter;

static bool count(work *w, int64_t now_ms)
{
    counter *c = container_of(w, counter, work);
    if (atomic_fetch_add(&c->inside, 1) != 0) c->overlapped = true;
    c->seen = atomic_load(&c->wanted);
    atomic_fetch_add(&c->runs, 1);
    atomic_fetch_sub(&c->inside, 1);
    return atomic_load(&c->runs) % 3 == 0;
}

typedef struct waker {
    workers *ws;
    counter *counters;
    int n;
} waker;

static void *wake_many(void *arg)
{
    waker *k = arg;
    for (int i = 0; i < 20000; i++) {
        counter *c = &k->counters[i % k->n];
        atomic_fetch_add(&c->wanted, 1);
        workers_wake(k->ws, &c->work);
    }
    return NULL;
}

START_TEST(no_wake_is_lost_and_no_two_runs_overlap)
{
    diag d = {0};
    workers *ws = workers_new(3, &d);
    ck_assert_ptr_nonnull(ws);
    counter counters[4] = {0};
    for (int i = 0; i < 4; i++) counters[i].work.run = count;
    waker k = {ws, counters, 4};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, wake_many, &k), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    usleep(50000);
    for (int i = 0; i < 4; i++) {
        workers_retire(ws, &counters[i].work);
        ck_assert(!counters[i].overlapped);
        ck_assert_int_eq(counters[i].seen, 15000);
    }
    workers_free(ws);
}
END_TEST

START_TEST(retired_work_does_not_run_until_revived)
{
    diag d = {0};
    workers *ws = workers_new(1, &d);
    counter c = {.work.run = count};
    workers_wake(ws, &c.work);
    workers_retire(ws, &c.work);
    int runs = atomic_load(&c.runs);
    workers_wake(ws, &c.work);
    usleep(20000);
    ck_assert_int_eq(atomic_load(&c.runs), runs);
    workers_revive(&c.work);
    workers_wake(ws, &c.work);
    for (int i = 0; i < 1000 && atomic_load(&c.runs) == runs; i++) usleep(1000);
    ck_assert_int_gt(atomic_load(&c.runs), runs);
    workers_retire(ws, &c.work);
    workers_free(ws);
}
END_TEST

UNIT_MAIN("server/workers", no_wake_is_lost_and_no_two_runs_overlap, retired_work_does_not_run_until_revived)
