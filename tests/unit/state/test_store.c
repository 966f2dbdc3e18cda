/* A store as a cache of its database: a model says what it must hold, whatever was committed, evicted and reloaded. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file_sim.h"
#include "base/rng.h"
#include "state/sqlite_db.h"
#include "state/vfs.h"
#include "tests/support/state/bed.h"

enum { KEYS = 60, WINDOWS = 6, ROUNDS = 4000 };

/* What a store should hold: -1 where there is nothing. */
typedef struct model {
    int64_t now[KEYS][WINDOWS];
    int64_t saved[KEYS][WINDOWS];
    int64_t expired; /* windows below it are gone */
    int64_t expired_saved;
} model;

static str key_of(int k)
{
    char name[16];
    snprintf(name, sizeof name, "key %d", k * 7);
    return bed_key(k % 5 - 2, name);
}

static int64_t start_of(int w)
{
    return (int64_t)w * 1000 - 2000;
}

static void check_all(bed *b, const model *m, store_shape shape)
{
    for (int k = 0; k < KEYS; k++) {
        for (int w = 0; w < (shape == STORE_WINDOW ? WINDOWS : 1); w++) {
            int64_t start = shape == STORE_WINDOW ? start_of(w) : 0;
            ck_assert_int_eq(bed_number(b, key_of(k), start), m->now[k][w]);
        }
    }
}

/* A walk must show each entry once. */
typedef struct seen {
    bed *b;
    int count;
    int64_t sum;
} seen;

static bool see(void *ctx, const void *state)
{
    seen *x = ctx;
    x->count++;
    x->sum += ((const bed_state *)state)->cells[0].i;
    ck_assert_uint_ge(store_key_of(x->b->st, state).n, 8);
    return true;
}

static void check_scan(bed *b, const model *m, store_shape shape)
{
    seen x = {.b = b};
    diag d = {0};
    ck_assert(store_scan(b->st, INT64_MIN, INT64_MAX, see, &x, &d));
    int count = 0;
    int64_t sum = 0;
    for (int k = 0; k < KEYS; k++) {
        for (int w = 0; w < (shape == STORE_WINDOW ? WINDOWS : 1); w++) {
            if (m->now[k][w] < 0) continue;
            count++;
            sum += m->now[k][w];
        }
    }
    ck_assert_int_eq(x.count, count);
    ck_assert_int_eq(x.sum, sum);
}

static void expire(bed *b, model *m, int64_t start)
{
    store_expire(b->st, start, UINT32_MAX);
    if (start > m->expired) m->expired = start;
    for (int k = 0; k < KEYS; k++) {
        for (int w = 0; w < WINDOWS && start_of(w) < start; w++) m->now[k][w] = -1;
    }
}

static void prefetch_some(bed *b, rng *r, store_shape shape)
{
    str keys[3];
    int64_t starts[3];
    uint64_t hashes[3];
    for (int i = 0; i < 3; i++) {
        keys[i] = key_of((int)rng_below(r, KEYS));
        starts[i] = shape == STORE_WINDOW ? start_of((int)rng_below(r, WINDOWS)) : 0;
        hashes[i] = store_hash(keys[i], starts[i]);
    }
    diag d = {0};
    ck_assert(store_prefetch(b->st, keys, starts, hashes, 3, &d));
}

/* One random step; true when it made a change. */
static void step(bed *b, model *m, rng *r, store_shape shape)
{
    int k = (int)rng_below(r, KEYS), w = shape == STORE_WINDOW ? (int)rng_below(r, WINDOWS) : 0;
    int64_t start = shape == STORE_WINDOW ? start_of(w) : 0;
    if (shape == STORE_WINDOW && start < m->expired) return;
    switch (rng_below(r, 5)) {
    case 0:
    case 1:
        m->now[k][w] = (int64_t)rng_below(r, 1000000);
        bed_put_number(b, key_of(k), start, m->now[k][w]);
        break;
    case 2:
        bed_delete(b, key_of(k), start);
        m->now[k][w] = -1;
        break;
    case 3: ck_assert_int_eq(bed_number(b, key_of(k), start), m->now[k][w]); break;
    default: prefetch_some(b, r, shape);
    }
}

static void run_model(store_db *db, store_shape shape, bool blob, uint64_t seed)
{
    rng r;
    rng_seed(&r, seed);
    bed b;
    bed_init(&b, shape, blob);
    bed_open(&b, db);
    static model m;
    m = (model){.expired = INT64_MIN, .expired_saved = INT64_MIN};
    memset(m.now, 0xff, sizeof m.now);
    memset(m.saved, 0xff, sizeof m.saved);
    int64_t generation = 0;
    diag d = {0};
    for (int i = 0; i < ROUNDS; i++) {
        step(&b, &m, &r, shape);
        uint64_t dice = rng_below(&r, 100);
        if (dice < 3) {
            ck_assert_msg(bed_commit(&b, db, ++generation, &d), "%s", d.text);
            memcpy(m.saved, m.now, sizeof m.now);
            m.expired_saved = m.expired;
        } else if (dice < 5) {
            /* A boundary whose writing takes a while: the task goes on between. */
            memcpy(m.saved, m.now, sizeof m.now);
            m.expired_saved = m.expired;
            store_freeze(b.st, ++generation);
            for (int n = 0; n < 20; n++) step(&b, &m, &r, shape);
            store *stores[] = {b.st};
            store_commit c = {.generation = generation, .stores = stores, .store_count = 1};
            ck_assert(db->ops->commit(db, &c, &d));
            for (int n = 0; n < 20; n++) step(&b, &m, &r, shape);
            store_decided(b.st, generation);
        } else if (dice == 5) {
            bed_close(&b);
            bed_open(&b, db);
            memcpy(m.now, m.saved, sizeof m.now);
            m.expired = m.expired_saved;
        } else if (dice == 6 && shape == STORE_WINDOW && rng_below(&r, 8) == 0) {
            expire(&b, &m, start_of((int)rng_below(&r, WINDOWS)));
        } else if (dice == 7) {
            check_scan(&b, &m, shape);
        } else if (dice == 8 && shape == STORE_WINDOW) {
            ck_assert(store_load_window(b.st, start_of((int)rng_below(&r, WINDOWS)), &d));
        }
        if (i % 500 == 499) check_all(&b, &m, shape);
    }
    check_scan(&b, &m, shape);
    check_all(&b, &m, shape);
    bed_close(&b);
}

START_TEST(a_store_holds_what_its_model_holds)
{
    store_shape shape = _i & 1 ? STORE_WINDOW : STORE_KEY;
    bool blob = (_i & 2) != 0;
    store_budget budget = {.limit = _i & 4 ? 4000 : INT64_MAX};
    fs_sim *sim = fs_sim_new(1);
    fs *sys = fs_sim_fs(sim);
    store_db *db = _i & 8 ? store_memory_db() : store_sqlite_new(sys, STR("/q.db"));
    db->budget = &budget;
    run_model(db, shape, blob, (uint64_t)_i + 1);
    ck_assert_int_eq(atomic_load(&budget.used), 0);
    db->ops->close(db);
    vfs_forget(sys);
    fs_sim_free(sim);
}
END_TEST

START_TEST(nothing_is_loaded_that_is_not_asked_for)
{
    fs_sim *sim = fs_sim_new(1);
    fs *sys = fs_sim_fs(sim);
    store_db *db = store_sqlite_new(sys, STR("/q.db"));
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, db);
    diag d = {0};
    for (int i = 0; i < 1000; i++) bed_put_number(&b, bed_key(i, "k"), 0, i);
    ck_assert(bed_commit(&b, db, 1, &d));
    bed_close(&b);
    bed_open(&b, db);
    ck_assert_uint_eq(b.decoded, 0);
    ck_assert_uint_eq(store_count(b.st), 0);
    ck_assert_int_eq(bed_number(&b, bed_key(17, "k"), 0), 17);
    ck_assert_int_eq(bed_number(&b, bed_key(17, "k"), 0), 17);
    ck_assert_uint_eq(b.decoded, 1);
    bed_close(&b);
    db->ops->close(db);
    vfs_forget(sys);
    fs_sim_free(sim);
}
END_TEST

START_TEST(memory_stays_within_the_budget)
{
    fs_sim *sim = fs_sim_new(1);
    fs *sys = fs_sim_fs(sim);
    store_db *db = store_sqlite_new(sys, STR("/q.db"));
    store_budget budget = {.limit = 64 * 1024};
    db->budget = &budget;
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, db);
    diag d = {0};
    int64_t most = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 500; i++) bed_put_number(&b, bed_key(round * 500 + i, "k"), 0, i);
        ck_assert(bed_commit(&b, db, round + 1, &d));
        if (atomic_load(&budget.used) > most) most = atomic_load(&budget.used);
    }
    /* What is dirty at a boundary comes on top; afterwards it can leave. */
    ck_assert_int_le(most, 64 * 1024 + 500 * 256);
    ck_assert_uint_lt(store_count(b.st), 2000);
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 500; i += 50) ck_assert_int_eq(bed_number(&b, bed_key(round * 500 + i, "k"), 0), i);
    bed_close(&b);
    db->ops->close(db);
    vfs_forget(sys);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_failed_read_is_remembered)
{
    fs_sim *sim = fs_sim_new(1);
    fs *sys = fs_sim_fs(sim);
    store_db *db = store_sqlite_new(sys, STR("/q.db"));
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, db);
    diag d = {0};
    for (int i = 0; i < 2000; i++) bed_put_number(&b, bed_key(i, "k"), 0, i);
    ck_assert(bed_commit(&b, db, 1, &d));
    bed_close(&b);
    store_sqlite_idle(db);
    bed_open(&b, db);
    fs_sim_fail(sim, FS_SIM_READ, 1, 5, true);
    store_sqlite_idle(db);
    ck_assert(!store_error(b.st, &d));
    ck_assert_ptr_null(bed_get(&b, bed_key(1, "k"), 0));
    ck_assert(store_error(b.st, &d));
    ck_assert_int_eq(d.code, DIAG_IO);
    fs_sim_fail(sim, 0, 0, 0, false);
    bed_close(&b);
    db->ops->close(db);
    vfs_forget(sys);
    fs_sim_free(sim);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state/store");
    TCase *c = tcase_create("store");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_store_holds_what_its_model_holds, 0, 16);
    tcase_add_test(c, nothing_is_loaded_that_is_not_asked_for);
    tcase_add_test(c, memory_stays_within_the_budget);
    tcase_add_test(c, a_failed_read_is_remembered);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
