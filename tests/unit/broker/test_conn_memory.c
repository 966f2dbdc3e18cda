/* What one connection can make the broker hold. */
#include "broker/broker_core.h"
#include "tests/support/broker/client.h"
#include "tests/unit/unit.h"

enum { KB = 1 << 10, METADATA = 3, FETCH = 1, TOPIC_PARTITIONS = 500 };

static void ask_for_all(bench *t)
{
    bench_begin(t, METADATA, 1);
    wire_put_len(&t->out, -1);
    bench_send(t, 0);
}

/* A Fetch of so many times the same partition, which has nothing. */
static void fetch_nothing(bench *t, int conn, int32_t times)
{
    bench_begin(t, FETCH, 11);
    wire_put_i32(&t->out, -1);
    wire_put_i32(&t->out, 1000);
    wire_put_i32(&t->out, 1);
    wire_put_i32(&t->out, 1 << 20);
    wire_put_i8(&t->out, 0);
    wire_put_i32(&t->out, 0);
    wire_put_i32(&t->out, -1);
    wire_put_len(&t->out, 1);
    wire_put_str(&t->out, STR("t"));
    wire_put_len(&t->out, times);
    for (int32_t i = 0; i < times; i++) {
        wire_put_i32(&t->out, i % TOPIC_PARTITIONS);
        wire_put_i32(&t->out, -1);
        wire_put_i64(&t->out, 0);
        wire_put_i64(&t->out, -1);
        wire_put_i32(&t->out, 1 << 20);
    }
    wire_put_len(&t->out, 0);
    wire_put_str(&t->out, STR(""));
    bench_send(t, conn);
}

START_TEST(answers_that_are_not_taken_stop_requests_from_being_served)
{
    bench t = {0};
    wire_in in;
    bench_open(&t);
    bench_create_topic(&t, "t", TOPIC_PARTITIONS);
    ask_for_all(&t);
    size_t one = broker_memory(t.b);
    ck_assert_uint_gt(one, 10 * KB);
    for (int i = 1; i < 200; i++) ask_for_all(&t);
    ck_assert(!broker_conn_wants_input(t.conns[0]));
    ck_assert_uint_le(broker_memory(t.b), 64 * KB + one + (size_t)200 * t.request.len);
    ck_assert_uint_eq(broker_memory(t.b), broker_conn_memory(t.conns[0]));
    int answers = 0;
    do {
        while (bench_take(&t, 0, &in)) answers++;
    } while (broker_conn_resume(t.conns[0], t.now));
    ck_assert_int_eq(answers, 200);
    ck_assert(broker_conn_wants_input(t.conns[0]));
    ck_assert_uint_eq(broker_memory(t.b), 0);
    bench_close(&t);
}
END_TEST

START_TEST(an_answer_counts_until_it_is_freed_even_behind_its_connection)
{
    bench t = {0};
    bench_open(&t);
    bench_create_topic(&t, "t", TOPIC_PARTITIONS);
    for (int i = 0; i < 20; i++) ask_for_all(&t);
    broker_response *first = broker_conn_take(t.conns[0]), *second = broker_conn_take(t.conns[0]);
    ck_assert(first && second);
    size_t both = broker_memory(t.b);
    broker_response_free(first);
    size_t left = broker_memory(t.b);
    ck_assert_uint_lt(left, both);
    bench_hang_up(&t, 0);
    ck_assert_uint_gt(broker_memory(t.b), 0);
    ck_assert_uint_lt(broker_memory(t.b), left);
    broker_response_free(second);
    ck_assert_uint_eq(broker_memory(t.b), 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_request_behind_one_that_waits_is_better_not_read)
{
    bench t = {0};
    wire_in in;
    bench_open(&t);
    bench_create_topic(&t, "t", TOPIC_PARTITIONS);
    fetch_nothing(&t, 0, 1);
    ck_assert(broker_conn_would_wait(t.conns[0], 0) && broker_conn_would_wait(t.conns[0], METADATA));
    bench_wait(&t, 1000);
    ck_assert(!broker_conn_would_wait(t.conns[0], 0));
    ck_assert(bench_take(&t, 0, &in));
    /* Small ones are read; when enough of them wait, it is enough. */
    fetch_nothing(&t, 0, 1);
    for (int i = 0; i < 4; i++) fetch_nothing(&t, 0, 400);
    ck_assert(broker_conn_wants_input(t.conns[0]));
    for (int i = 0; i < 4; i++) fetch_nothing(&t, 0, 400);
    ck_assert(!broker_conn_wants_input(t.conns[0]));
    bench_close(&t);
}
END_TEST

START_TEST(fetches_of_very_many_partitions_do_not_wait_when_such_ones_take_much_memory)
{
    bench t = {0};
    wire_in in;
    int parked = 0;
    bench_open(&t);
    bench_create_topic(&t, "t", TOPIC_PARTITIONS);
    for (; parked < 6; parked++) {
        fetch_nothing(&t, parked, 60000);
        if (bench_take(&t, parked, &in)) break;
    }
    ck_assert_int_gt(parked, 1);
    ck_assert_int_lt(parked, 6);
    ck_assert_uint_le(t.b->fetches, 64 << 20);
    /* Those of ordinary size do. */
    fetch_nothing(&t, 7, 100);
    ck_assert(!bench_take(&t, 7, &in));
    bench_wait(&t, 1000);
    ck_assert_uint_eq(t.b->fetches, 0);
    for (int i = 0; i < parked; i++) ck_assert(bench_take(&t, i, &in));
    ck_assert(bench_take(&t, 7, &in));
    fetch_nothing(&t, 0, 60000);
    ck_assert_uint_gt(t.b->fetches, 0);
    bench_hang_up(&t, 0);
    ck_assert_uint_eq(t.b->fetches, 0);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/conn_memory", answers_that_are_not_taken_stop_requests_from_being_served,
          an_answer_counts_until_it_is_freed_even_behind_its_connection,
          a_request_behind_one_that_waits_is_better_not_read,
          fetches_of_very_many_partitions_do_not_wait_when_such_ones_take_much_memory)
