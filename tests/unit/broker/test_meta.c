/* The metadata log, topic configs, timers, wire primitives, and requests that are not what they say. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "tests/support/broker/client.h"

static bench t;

START_TEST(topics_and_ids_survive_every_power_loss)
{
    bench_open(&t);
    arena *a = arena_new();
    broker_topic_info before, after;
    bench_create_topic(&t, "x", 3);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &before));
    for (uint64_t seed = 0; seed < 20; seed++) {
        bench_power_loss(&t, seed);
        ck_assert(broker_topic_describe(t.b, STR("x"), a, &after));
        ck_assert_mem_eq(before.id, after.id, 16);
        ck_assert_int_eq(after.partitions, 3);
    }
    diag d = {0};
    ck_assert(broker_topic_delete(t.b, STR("x"), &d));
    bench_power_loss(&t, 99);
    ck_assert(!broker_topic_describe(t.b, STR("x"), a, &after));
    bench_create_topic(&t, "x", 1);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &after));
    ck_assert(memcmp(before.id, after.id, 16) != 0);
    arena_free(a);
    bench_close(&t);
}
END_TEST

/* Each sync of the metadata is needed: without it some power loss forgets a topic that was answered for. */
START_TEST(a_topic_is_lost_when_its_sync_is_left_out)
{
    bool lost = false;
    for (uint64_t seed = 0; seed < 40 && !lost; seed++) {
        bench_open(&t);
        bench_create_topic(&t, "first", 1);
        const char *site = NULL;
        for (size_t i = 0; i < fs_sim_site_count(t.sim); i++)
            if (strstr(fs_sim_site(t.sim, i), "broker/meta.c")) site = fs_sim_site(t.sim, i);
        ck_assert_ptr_nonnull(site);
        for (size_t i = 0; i < fs_sim_site_count(t.sim); i++)
            if (strstr(fs_sim_site(t.sim, i), "broker/meta.c")) fs_sim_ignore_site(t.sim, fs_sim_site(t.sim, i));
        bench_create_topic(&t, "second", 1);
        arena *a = arena_new();
        broker_topic_info info;
        fs_sim *disk = fs_sim_power_loss(t.sim, seed);
        broker_close(t.b);
        fs_sim_free(t.sim);
        t.sim = disk;
        diag d = {0};
        broker_options options = {NULL, 0, STR(""), 1, 5};
        t.b = broker_open(fs_sim_fs(disk), STR("/data"), &options, &t.hooks, t.now, &d);
        lost = !t.b || !broker_topic_describe(t.b, STR("second"), a, &info);
        arena_free(a);
        bench_close(&t);
    }
    ck_assert(lost);
}
END_TEST

static broker *reopen(fs_sim *disk, diag *d)
{
    broker_options options = {NULL, 0, STR(""), 1, 5};
    return broker_open(fs_sim_fs(disk), STR("/data"), &options, NULL, (broker_time){1, 1}, d);
}

START_TEST(a_torn_end_is_cut_and_damage_before_it_stops_the_start)
{
    bench_open(&t);
    bench_create_topic(&t, "first", 1);
    bench_create_topic(&t, "second", 1);
    arena *a = arena_new();
    broker_topic_info info;
    diag d = {0};
    file *f;
    uint64_t size;
    fs_sim *torn = fs_sim_process_kill(t.sim), *damaged = fs_sim_process_kill(t.sim);
    ck_assert(fs_open(fs_sim_fs(torn), "/data/broker/metadata.log", 0, &f, &d));
    ck_assert(file_size(f, &size, &d));
    ck_assert(file_truncate(f, size - 3, &d));
    file_close(f);
    broker *b = reopen(torn, &d);
    ck_assert_msg(b != NULL, "%s", d.text);
    ck_assert(broker_topic_describe(b, STR("first"), a, &info));
    ck_assert(!broker_topic_describe(b, STR("second"), a, &info));
    broker_close(b);
    ck_assert(fs_sim_corrupt(damaged, "/data/broker/metadata.log", size / 2, 0x10));
    ck_assert_ptr_null(reopen(damaged, &d));
    ck_assert_int_eq(d.code, DIAG_CORRUPT);
    /* What was refused is untouched: with the byte put right the start goes on. */
    ck_assert(fs_sim_corrupt(damaged, "/data/broker/metadata.log", size / 2, 0x10));
    diag_clear(&d);
    b = reopen(damaged, &d);
    ck_assert_msg(b != NULL, "%s", d.text);
    ck_assert(broker_topic_describe(b, STR("second"), a, &info));
    broker_close(b);
    fs_sim_free(torn);
    fs_sim_free(damaged);
    arena_free(a);
    bench_close(&t);
}
END_TEST

/* A write is torn anywhere: also its first bytes may be those that never came. */
START_TEST(a_record_whose_beginning_is_missing_is_torn)
{
    bench_open(&t);
    bench_create_topic(&t, "first", 1);
    diag d = {0};
    file *f;
    uint64_t before, after;
    ck_assert(fs_open(fs_sim_fs(t.sim), "/data/broker/metadata.log", 0, &f, &d));
    ck_assert(file_size(f, &before, &d));
    bench_create_topic(&t, "second", 1);
    ck_assert(file_size(f, &after, &d));
    ck_assert(file_write(f, before, (uint8_t[12]){0}, 12, &d));
    file_close(f);
    fs_sim *torn = fs_sim_process_kill(t.sim);
    broker *b = reopen(torn, &d);
    ck_assert_msg(b != NULL, "%s", d.text);
    arena *a = arena_new();
    broker_topic_info info;
    ck_assert(broker_topic_describe(b, STR("first"), a, &info));
    ck_assert(!broker_topic_describe(b, STR("second"), a, &info));
    arena_free(a);
    broker_close(b);
    fs_sim_free(torn);
    bench_close(&t);
}
END_TEST

START_TEST(a_full_disk_refuses_a_topic_and_nothing_else)
{
    bench_open(&t);
    bench_create_topic(&t, "x", 1);
    diag d = {0};
    arena *a = arena_new();
    broker_topic_info info;
    fs_sim_fail(t.sim, FS_SIM_WRITE, 1, ENOSPC, false);
    ck_assert(!broker_topic_create(t.b, STR("y"), 1, NULL, 0, &d));
    ck_assert_int_eq(d.os_error, ENOSPC);
    bench_create_topic(&t, "z", 1);
    bench_kill(&t);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    ck_assert(!broker_topic_describe(t.b, STR("y"), a, &info));
    ck_assert(broker_topic_describe(t.b, STR("z"), a, &info));
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(a_long_log_is_written_anew)
{
    bench_open(&t);
    bench_create_topic(&t, "x", 1);
    diag d = {0};
    char value[64];
    for (int i = 0; i < 25000; i++) {
        snprintf(value, sizeof value, "%d", 1000 + i);
        broker_config_entry e = {STR("retention.ms"), str_z(value)};
        ck_assert(broker_topic_configure(t.b, STR("x"), &e, 1, &d));
    }
    bench_restart(&t);
    file *f;
    uint64_t size;
    ck_assert(fs_open(fs_sim_fs(t.sim), "/data/broker/metadata.log", FILE_READONLY, &f, &d));
    ck_assert(file_size(f, &size, &d));
    file_close(f);
    ck_assert_uint_lt(size, 1000);
    arena *a = arena_new();
    str got;
    bench_power_loss(&t, 3);
    ck_assert(broker_topic_config(t.b, STR("x"), STR("retention.ms"), a, &got));
    ck_assert(str_eqz(got, "25999"));
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(broker_configs_give_topics_their_defaults)
{
    bench_config(&t, "log.retention.hours", "2");
    bench_config(&t, "num.partitions", "4");
    bench_open(&t);
    arena *a = arena_new();
    str got;
    broker_topic_info info;
    bench_create_topic(&t, "x", -1);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    ck_assert_int_eq(info.partitions, 4);
    ck_assert(broker_topic_config(t.b, STR("x"), STR("retention.ms"), a, &got));
    ck_assert(str_eqz(got, "7200000"));
    ck_assert(!broker_topic_config(t.b, STR("x"), STR("no.such"), a, &got));
    ck_assert(broker_config_value(t.b, STR("log.retention.hours"), a, &got));
    ck_assert(str_eqz(got, "2"));
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(the_place_of_a_group_is_that_of_javas_hash)
{
    /* "hello".hashCode() is 99162322 in Java. */
    ck_assert_int_eq(coordinator_partition(STR("hello"), 50), 99162322 % 50);
    /* An emoji is two UTF-16 units: 0xd83d * 31 + 0xde00. */
    ck_assert_int_eq(coordinator_partition(STR("\xf0\x9f\x98\x80"), 1000003), (0xd83d * 31 + 0xde00) % 1000003);
    ck_assert_int_eq(coordinator_partition(STR("\xc3\xa9"), 50), 0xe9 % 50);
}
END_TEST

static int fired[4], fired_len;
typedef struct test_timer {
    delay_timer timer;
    int number;
} test_timer;
static void on_fire(delay_timer *timer)
{
    fired[fired_len++] = ((test_timer *)timer)->number;
}

START_TEST(timers_fire_in_order_and_can_be_moved_and_cancelled)
{
    delay_queue q = {0};
    test_timer timers[4];
    for (int i = 0; i < 4; i++) timers[i] = (test_timer){{0, 0, on_fire}, i};
    delay_set(&q, &timers[0].timer, 30);
    delay_set(&q, &timers[1].timer, 10);
    delay_set(&q, &timers[2].timer, 20);
    delay_set(&q, &timers[3].timer, 5);
    delay_set(&q, &timers[1].timer, 40);
    delay_cancel(&q, &timers[3].timer);
    delay_cancel(&q, &timers[3].timer);
    ck_assert_int_eq(delay_next(&q), 20);
    delay_run(&q, 30);
    ck_assert_int_eq(fired_len, 2);
    ck_assert_int_eq(fired[0], 2);
    ck_assert_int_eq(fired[1], 0);
    delay_run(&q, 40);
    ck_assert_int_eq(fired[2], 1);
    ck_assert(delay_next(&q) == INT64_MAX);
    delay_free(&q);
}
END_TEST

START_TEST(lengths_that_lie_fail_without_cost)
{
    static const uint8_t huge[] = {0x7f, 0xff, 0xff, 0xff, 0, 0};
    wire_in in = wire_in_of(huge, sizeof huge, false);
    ck_assert_int_eq(wire_len(&in, 1), 0);
    ck_assert(wire_failed(&in));
    in = wire_in_of(huge, sizeof huge, false);
    ck_assert_ptr_null(wire_str(&in).p);
    ck_assert(wire_failed(&in));
    static const uint8_t null_string[] = {0xff, 0xff};
    in = wire_in_of(null_string, 2, false);
    ck_assert_ptr_null(wire_nstr(&in).p);
    ck_assert(!wire_failed(&in));
    in = wire_in_of(null_string, 2, false);
    wire_str(&in);
    ck_assert(wire_failed(&in));
    static const uint8_t compact[] = {0x04, 'a', 'b', 'c', 0x00, 0x01, 0x02, 0x05, 0x02, 'x', 'y', 0x07, 0x00};
    in = wire_in_of(compact, sizeof compact, true);
    ck_assert(str_eqz(wire_str(&in), "abc"));
    ck_assert_int_eq(wire_nlen(&in, 1), -1);
    ck_assert_int_eq(wire_len(&in, 1), 0);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
}
END_TEST

/* Plausible bodies for the walk of the mutations: random strings, small numbers and lengths in both encodings. */
static void random_body(rng *r, buf *out)
{
    static const char *const words[] = {"x", "g", "tx", "consumer", "range", "", "retention.ms", "1000"};
    size_t n = 1 + rng_below(r, 40);
    for (size_t i = 0; i < n; i++) {
        str word = str_z(words[rng_below(r, 8)]);
        wire_out o = {out, rng_below(r, 2) == 0};
        switch (rng_below(r, 7)) {
        case 0: wire_put_str(&o, word); break;
        case 1: wire_put_i32(&o, (int32_t)rng_below(r, 4)); break;
        case 2: wire_put_i64(&o, (int64_t)rng_below(r, 3) - 1); break;
        case 3: wire_put_i8(&o, (int8_t)rng_below(r, 3)); break;
        case 4: wire_put_len(&o, (int32_t)rng_below(r, 3)); break;
        case 5: wire_put_i16(&o, (int16_t)rng_below(r, 3)); break;
        default: write_u8(out, (uint8_t)rng_u64(r)); break;
        }
    }
}

START_TEST(random_requests_of_every_api_never_hurt)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
    bench_create_topic(&t, "x", 1);
    rng r;
    rng_seed(&r, 42);
    size_t count;
    const api *table = api_table(&count);
    int answered = 0;
    for (int i = 0; i < 20000; i++) {
        const api *a = &table[rng_below(&r, count)];
        bench_begin(&t, a->key, (int16_t)(a->min + (int16_t)rng_below(&r, (uint64_t)(a->max - a->min + 1))));
        random_body(&r, &t.request);
        int conn = (int)rng_below(&r, BENCH_CONNS);
        bench_send(&t, conn);
        wire_in in;
        while (bench_take(&t, conn, &in)) answered++;
        if (t.closed || rng_below(&r, 10) == 0) bench_hang_up(&t, conn);
        if (rng_below(&r, 100) == 0) bench_wait(&t, 1000);
    }
    ck_assert_int_gt(answered, 100);
    bench_restart(&t);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/meta", topics_and_ids_survive_every_power_loss, a_topic_is_lost_when_its_sync_is_left_out,
          a_torn_end_is_cut_and_damage_before_it_stops_the_start, a_record_whose_beginning_is_missing_is_torn,
          a_full_disk_refuses_a_topic_and_nothing_else, a_long_log_is_written_anew,
          broker_configs_give_topics_their_defaults, the_place_of_a_group_is_that_of_javas_hash,
          timers_fire_in_order_and_can_be_moved_and_cancelled, lengths_that_lie_fail_without_cost,
          random_requests_of_every_api_never_hurt)
