/* Other threads append, watch and change topics while the loop thread serves Fetches; meant for ThreadSanitizer too. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/support/broker/client.h"

enum { APPENDERS = 3, APPENDS = 200 };

static bench t;
static atomic_int wakes, watched, posted_runs, running;

static void on_wake(void *user)
{
    atomic_fetch_add(&wakes, 1);
}

static void on_watch(void *arg, broker_partition *p)
{
    atomic_fetch_add(&watched, 1);
}

static void on_posted(void *arg, broker_time now)
{
    atomic_fetch_add(&posted_runs, 1);
}

static void *append_many(void *arg)
{
    batch_options options = batch_options_plain();
    broker_time now = {1700000000000, 1000};
    diag d = {0};
    broker_partition *p = broker_partition_get(t.b, STR("x"), 0);
    broker_watch w;
    broker_watch_add(p, &w, on_watch, NULL);
    for (int i = 0; i < APPENDS; i++) {
        buf batch = {0};
        bench_batch(&batch, &options, "v", 1, now.wall_ms);
        ck_assert(broker_append(p, (uint8_t *)batch.data, batch.len, now, NULL, &d));
        buf_free(&batch);
        if (i % 50 == 0) {
            broker_post(t.b, on_posted, NULL);
            ck_assert(broker_partition_sync(p, &d));
        }
    }
    broker_watch_remove(p, &w);
    broker_partition_release(p);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void *change_topics(void *arg)
{
    diag d = {0};
    arena *a = arena_new();
    broker_config_entry e = {STR("retention.ms"), STR("100000")};
    for (int i = 0; i < 20; i++) {
        ck_assert_msg(broker_topic_create(t.b, STR("other"), 2, NULL, 0, &d), "%s", d.text);
        ck_assert(broker_topic_configure(t.b, STR("x"), &e, 1, &d));
        broker_topic_info *list;
        ck_assert_uint_eq(broker_topic_list(t.b, a, &list), 2);
        ck_assert_msg(broker_topic_delete(t.b, STR("other"), &d), "%s", d.text);
        broker_clean(t.b, (broker_time){1700000000000, 1000});
    }
    arena_free(a);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void send_fetch(int64_t offset)
{
    bench_begin(&t, 1, 4);
    wire_out *o = &t.out;
    wire_put_i32(o, -1);
    wire_put_i32(o, 100000);
    wire_put_i32(o, 1);
    wire_put_i32(o, 1 << 20);
    wire_put_i8(o, 0);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, 0);
    wire_put_i64(o, offset);
    wire_put_i32(o, 1 << 20);
    bench_send(&t, 0);
}

static int64_t take_records(wire_in *in)
{
    wire_i32(in);
    wire_len(in, 1);
    wire_str(in);
    wire_len(in, 1);
    wire_i32(in);
    ck_assert_int_eq(wire_i16(in), 0);
    wire_i64(in);
    wire_i64(in);
    wire_nlen(in, 16);
    str bytes = wire_blob(in);
    int64_t n = 0;
    for (size_t at = 0; at < bytes.n;) {
        batch_header h;
        batch_header_read(bytes.p + at, &h);
        n += h.count;
        at += (size_t)batch_size(&h);
    }
    return n;
}

START_TEST(a_fetch_sees_every_append_of_other_threads_once)
{
    t.hooks.wake = on_wake;
    bench_open(&t);
    bench_create_topic(&t, "x", 1);
    pthread_t threads[APPENDERS + 1];
    atomic_store(&running, APPENDERS + 1);
    for (int i = 0; i < APPENDERS; i++) pthread_create(&threads[i], NULL, append_many, NULL);
    pthread_create(&threads[APPENDERS], NULL, change_topics, NULL);
    int64_t got = 0;
    wire_in in;
    int idle = 0;
    send_fetch(0);
    while (got < APPENDERS * APPENDS && idle < 20000) {
        broker_run(t.b, t.now);
        if (bench_take(&t, 0, &in)) {
            got += take_records(&in);
            send_fetch(got);
            idle = 0;
        } else {
            usleep(100);
            idle++;
        }
    }
    ck_assert_int_eq(got, APPENDERS * APPENDS);
    for (int i = 0; i <= APPENDERS; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&running), 0);
    broker_run(t.b, t.now);
    ck_assert_int_gt(atomic_load(&wakes), 0);
    ck_assert_int_ge(atomic_load(&watched), APPENDERS * APPENDS);
    ck_assert_int_eq(atomic_load(&posted_runs), APPENDERS * APPENDS / 50);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/threads", a_fetch_sees_every_append_of_other_threads_once)
