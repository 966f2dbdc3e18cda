/* Quotas of clients: what happens to who is over one. The time is the test's. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "tests/support/broker/quotas.h"

static bench t;

/* Produce to "t" with a batch that makes the frame exactly `size` bytes; the wait that the answer tells, or -1. */
static int32_t produce(int conn, size_t size, int16_t acks)
{
    size_t fill = size;
    for (int attempt = 0; attempt < 2; attempt++) {
        buf batch = {0};
        batch_options options = batch_options_plain();
        char *value = malloc(fill + 1);
        ck_assert_ptr_nonnull(value);
        memset(value, 'v', fill);
        value[fill] = '\0';
        bench_batch(&batch, &options, value, 1, t.now.wall_ms);
        bench_begin(&t, 0, 7);
        wire_put_nstr(&t.out, WIRE_NULL);
        wire_put_i16(&t.out, acks);
        wire_put_i32(&t.out, 1000);
        wire_put_len(&t.out, 1);
        wire_put_str(&t.out, STR("t"));
        wire_put_len(&t.out, 1);
        wire_put_i32(&t.out, 0);
        wire_put_blob(&t.out, buf_str(&batch));
        buf_free(&batch);
        free(value);
        fill -= t.request.len - size;
    }
    ck_assert_uint_eq(t.request.len, size);
    wire_in in;
    bench_send(&t, conn);
    ck_assert(!t.closed);
    if (!bench_take(&t, conn, &in)) return -1;
    return (int32_t)load_be32(t.response.data + t.response.len - 4);
}

/* How long until the connection may be read again. */
static int64_t muted_for(int conn)
{
    int64_t ms = 0;
    while (!broker_conn_wants_input(t.conns[conn])) {
        bench_wait(&t, 1);
        ms++;
    }
    return ms;
}

static void up(void)
{
    bench_open(&t);
    bench_create_topic(&t, "t", 1);
}

/* ---- who is over ------------------------------------------------------------------------------------------------ */

START_TEST(a_producer_over_its_quota_is_muted_for_the_time_it_is_told)
{
    up();
    quotas_set(&t, (who){.client = "tester"}, "producer_byte_rate", 1000);
    /* Ten windows that were empty count, so 10,000 bytes are free at first. */
    ck_assert_int_eq(produce(0, 4000, 1), 0);
    ck_assert_int_eq(produce(0, 6000, 1), 0);
    ck_assert(broker_conn_wants_input(t.conns[0]));
    ck_assert_int_eq(produce(0, 2000, 1), 2000);
    ck_assert(!broker_conn_wants_input(t.conns[0]));
    ck_assert(!broker_conn_must_close(t.conns[0]));
    /* What was read before the mute waits, and another connection of the client is not better off. */
    ck_assert_int_eq(produce(0, 500, 1), -1);
    ck_assert_int_gt(produce(1, 500, 1), 2000);
    bench_wait(&t, 1999);
    wire_in in;
    ck_assert(!bench_take(&t, 0, &in));
    bench_wait(&t, 1);
    ck_assert(bench_take(&t, 0, &in));
    muted_for(0);
    muted_for(1);
    /* Another client is not concerned. */
    t.client_id = "other";
    ck_assert_int_eq(produce(2, 50000, 1), 0);
    t.client_id = NULL;
    bench_wait(&t, 60000);
    ck_assert_int_eq(produce(0, 9000, 1), 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_producer_that_obeys_gets_its_rate_in_the_long_run)
{
    up();
    quotas_set(&t, (who){.client = "tester"}, "producer_byte_rate", 100000);
    int64_t start = t.now.mono_ms;
    size_t sent = 0;
    for (int i = 0; i < 600; i++, sent += 20000) {
        ck_assert_int_ge(produce(0, 20000, 1), 0);
        muted_for(0);
        bench_wait(&t, 1);
    }
    double rate = (double)sent / ((double)(t.now.mono_ms - start) / 1000);
    ck_assert_msg(rate > 95000 && rate < 112000, "%g bytes a second", rate);
    bench_close(&t);
}
END_TEST

START_TEST(producers_without_answers_are_muted_too)
{
    up();
    quotas_set(&t, (who){.client = "*"}, "producer_byte_rate", 1000);
    ck_assert_int_eq(produce(0, 13000, 0), -1);
    ck_assert_int_eq(muted_for(0), 3000);
    bench_close(&t);
}
END_TEST

START_TEST(a_muted_connection_can_be_closed)
{
    up();
    quotas_set(&t, (who){.client = "*"}, "producer_byte_rate", 1000);
    ck_assert_int_eq(produce(0, 13000, 1), 3000);
    ck_assert_int_eq(produce(0, 500, 1), -1);
    bench_hang_up(&t, 0);
    bench_wait(&t, 10000);
    bench_close(&t);
}
END_TEST

START_TEST(the_most_specific_quota_holds)
{
    static const who order[] = {{.client = "*"},
                                {.client = "tester"},
                                {.user = "*"},
                                {.user = "*", .client = "*"},
                                {.user = "*", .client = "tester"},
                                {.user = "bob"},
                                {.user = "bob", .client = "*"},
                                {.user = "bob", .client = "tester"}};
    up();
    quotas_set(&t, (who){.user = "alice", .client = "tester"}, "producer_byte_rate", 1);
    quotas_set(&t, (who){.user = "bob", .client = "other"}, "producer_byte_rate", 1);
    quotas_set(&t, (who){.user = "bob", .client = "tester"}, "consumer_byte_rate", 1);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        /* A new bound of 1,000 each time: 500 more than ten seconds of it is a wait of 500 ms. */
        quotas_set(&t, order[i], "producer_byte_rate", 1000);
        bench_wait(&t, 100000);
        bench_hang_up(&t, 0);
        broker_conn_options options = {t.b, STR("10.0.0.9"), STR("broker.test"), 9092, NULL};
        t.conns[0] = broker_conn_open(t.b, &options);
        broker_conn_identify(t.conns[0], STR("bob"));
        int32_t wait = produce(0, 10500, 1);
        ck_assert_msg(wait == 500, "%zu: %d", i, wait);
        quotas_set(&t, order[i], "producer_byte_rate", 1000000);
    }
    bench_close(&t);
}
END_TEST

START_TEST(users_share_and_client_ids_do_not)
{
    up();
    quotas_set(&t, (who){.user = "ANONYMOUS"}, "producer_byte_rate", 1000);
    t.client_id = "a";
    ck_assert_int_eq(produce(0, 9000, 1), 0);
    t.client_id = "b";
    ck_assert_int_eq(produce(1, 9000, 1), 8000);
    quotas_set(&t, (who){.user = "ANONYMOUS"}, "producer_byte_rate", -1);
    quotas_set(&t, (who){.user = "*", .client = "*"}, "producer_byte_rate", 1000);
    t.client_id = "c";
    ck_assert_int_eq(produce(2, 9000, 1), 0);
    t.client_id = "d";
    ck_assert_int_eq(produce(3, 9000, 1), 0);
    /* No client id is none that could have a quota. */
    t.client_id = "";
    ck_assert_int_eq(produce(4, 90000, 1), 0);
    t.client_id = NULL;
    bench_close(&t);
}
END_TEST

/* ---- Fetch ------------------------------------------------------------------------------------------------------ */

typedef struct fetched {
    int32_t throttle, session, topics;
    size_t records;
} fetched;

static fetched fetch(int32_t session, int32_t epoch, int64_t offset)
{
    bench_begin(&t, 1, 11);
    wire_out *o = &t.out;
    bool full = epoch <= 0;
    wire_put_i32(o, -1);
    wire_put_i32(o, 0);
    wire_put_i32(o, 1);
    wire_put_i32(o, 1 << 20);
    wire_put_i8(o, 0);
    wire_put_i32(o, session);
    wire_put_i32(o, epoch);
    wire_put_len(o, full ? 1 : 0);
    if (full) {
        wire_put_str(o, STR("t"));
        wire_put_len(o, 1);
        wire_put_i32(o, 0);
        wire_put_i32(o, -1);
        wire_put_i64(o, offset);
        wire_put_i64(o, -1);
        wire_put_i32(o, 1 << 20);
    }
    wire_put_len(o, 0);
    wire_put_str(o, STR(""));
    wire_in in = bench_call(&t, 1);
    fetched f = {.throttle = wire_i32(&in)};
    ck_assert_int_eq(wire_i16(&in), 0);
    f.session = wire_i32(&in);
    f.topics = wire_len(&in, 1);
    for (int32_t i = 0; i < f.topics; i++) {
        wire_str(&in);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        wire_i32(&in);
        ck_assert_int_eq(wire_i16(&in), 0);
        for (int k = 0; k < 3; k++) wire_i64(&in);
        ck_assert_int_eq(wire_nlen(&in, 16), -1);
        wire_i32(&in);
        f.records += wire_blob(&in).n;
    }
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return f;
}

START_TEST(a_consumer_over_its_quota_gets_nothing_and_then_the_same)
{
    up();
    for (int i = 0; i < 4; i++) produce(0, 8000, 1);
    quotas_set(&t, (who){.client = "tester"}, "consumer_byte_rate", 1000);
    /* Of the quota's ten seconds one Fetch gets at most as much, so that it can be served at all. */
    fetched f = fetch(0, -1, 0);
    ck_assert_int_eq(f.throttle, 0);
    ck_assert_uint_gt(f.records, 7000);
    ck_assert_uint_le(f.records, 10000);
    f = fetch(0, -1, 1);
    ck_assert_int_gt(f.throttle, 0);
    ck_assert_int_eq(f.topics, 0);
    ck_assert_int_eq(f.session, 0);
    ck_assert_int_eq(muted_for(1), f.throttle);
    /* What was not sent does not count: there is an end to it when what was sent is out of sight. */
    f = fetch(0, -1, 1);
    muted_for(1);
    if (f.throttle > 0) f = fetch(0, -1, 1);
    ck_assert_int_eq(f.throttle, 0);
    ck_assert_uint_gt(f.records, 7000);
    bench_close(&t);
}
END_TEST

START_TEST(a_session_forgets_nothing_while_its_client_is_throttled)
{
    up();
    produce(0, 8000, 1);
    fetched f = fetch(0, 0, 1);
    int32_t id = f.session;
    ck_assert_int_ne(id, 0);
    ck_assert_int_eq(f.topics, 1);
    quotas_set(&t, (who){.client = "tester"}, "consumer_byte_rate", 1000);
    ck_assert_int_eq(fetch(0, -1, 0).throttle, 0);
    t.client_id = "other";
    produce(0, 5000, 1);
    t.client_id = NULL;
    f = fetch(id, 1, 0);
    ck_assert_int_gt(f.throttle, 0);
    ck_assert_int_eq(f.topics, 0);
    ck_assert_int_eq(f.session, id);
    for (int32_t epoch = 2; f.throttle > 0; epoch++) {
        ck_assert_int_lt(epoch, 7);
        muted_for(1);
        f = fetch(id, epoch, 0);
    }
    ck_assert_uint_gt(f.records, 4000);
    /* A session that would have begun did not. */
    f = fetch(0, 0, 0);
    ck_assert_int_gt(f.throttle, 0);
    ck_assert_int_eq(f.session, 0);
    bench_close(&t);
}
END_TEST

/* ---- the other kinds -------------------------------------------------------------------------------------------- */

static int64_t clock_step, clock_now = 1;

static int64_t on_clock(void *user)
{
    return clock_now += clock_step;
}

START_TEST(time_is_limited_where_there_is_a_clock)
{
    t.hooks.clock_ns = on_clock;
    up();
    quotas_set(&t, (who){.client = "tester"}, "request_percentage", 1);
    /* 50 ms in a handler are half of a percent of ten seconds. */
    clock_step = 50000000;
    bench_begin(&t, 3, 4);
    wire_put_len(&t.out, 0);
    wire_put_bool(&t.out, false);
    wire_in in = bench_call(&t, 0);
    ck_assert_int_eq(wire_i32(&in), 0);
    clock_step = 70000000;
    bench_begin(&t, 3, 4);
    wire_put_len(&t.out, 0);
    wire_put_bool(&t.out, false);
    in = bench_call(&t, 0);
    /* 1.2 percent: two more seconds would do, and one window is the most. */
    ck_assert_int_eq(wire_i32(&in), 1000);
    ck_assert_int_eq(muted_for(0), 1000);
    clock_step = 0;
    fetched f = fetch(0, -1, 0);
    ck_assert_int_gt(f.throttle, 0);
    ck_assert_int_eq(f.topics, 0);
    bench_close(&t);
    t.hooks.clock_ns = NULL;
}
END_TEST

/* CreateTopics, DeleteTopics and CreatePartitions of one topic: the error; the wait goes to *wait. */
static int16_t mutate(int16_t key, int16_t version, const char *name, int32_t count, int32_t *wait)
{
    bench_begin(&t, key, version);
    wire_out *o = &t.out;
    wire_put_len(o, 1);
    if (key == 20 && version >= 6) {
        wire_put_nstr(o, str_z(name));
        wire_put_uuid(o, (const uint8_t[16]){0});
        wire_put_tags(o);
    } else {
        wire_put_str(o, str_z(name));
    }
    if (key != 20) wire_put_i32(o, count);
    if (key == 19) wire_put_i16(o, 1);
    if (key == 19) wire_put_len(o, 0);
    if (key == 19) wire_put_len(o, 0);
    if (key == 37) wire_put_len(o, -1);
    if (key != 20) wire_put_tags(o);
    wire_put_i32(o, 1000);
    if (key != 20) wire_put_bool(o, false);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    *wait = wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    if (key == 20 && version >= 6)
        wire_nstr(&in);
    else
        wire_str(&in);
    if ((key == 19 && version >= 7) || (key == 20 && version >= 6)) wire_uuid(&in);
    int16_t error = wire_i16(&in);
    ck_assert(!wire_failed(&in));
    return error;
}

START_TEST(mutations_over_the_quota_wait_or_are_refused)
{
    static const struct {
        int16_t key, strict;
    } cases[] = {{19, 6}, {37, 3}, {20, 5}}; /* "new" is made, "grown" grows, "new" goes */
    int32_t wait;
    up();
    bench_create_topic(&t, "grown", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int16_t key = cases[i].key;
        static const char *const first[] = {"a", "b", "c"}, *const last[] = {"x", "y", "z"};
        const char *name = key == 37 ? "grown" : "new";
        bench_wait(&t, 1000000);
        quotas_set(&t, (who){.client = "tester"}, "controller_mutation_rate", 1);
        /* The bucket holds eleven seconds' worth: one may take more, and is in debt then. */
        ck_assert_int_eq(mutate(19, 7, first[i], 13, &wait), 0);
        ck_assert_int_eq(wait, 0);
        ck_assert_int_eq(mutate(key, cases[i].strict, name, 3, &wait), KAFKA_THROTTLING_QUOTA_EXCEEDED);
        ck_assert_int_eq(wait, 2000);
        ck_assert_int_eq(muted_for(0), 2000);
        ck_assert_int_eq(mutate(key, cases[i].strict, name, 3, &wait), 0);
        ck_assert_int_eq(wait, 0);
        /* An older version is never refused. What the last one took is still to be waited for. */
        ck_assert_int_eq(mutate(19, 5, last[i], 1, &wait), 0);
        ck_assert_int_gt(wait, 0);
        muted_for(0);
        quotas_set(&t, (who){.client = "tester"}, "controller_mutation_rate", -1);
    }
    /* Each of the older ones does it, and waits. */
    bench_wait(&t, 1000000);
    quotas_set(&t, (who){.client = "tester"}, "controller_mutation_rate", 1);
    ck_assert_int_eq(mutate(19, 5, "old", 12, &wait), 0);
    ck_assert_int_eq(wait, 1000);
    muted_for(0);
    ck_assert_int_eq(mutate(37, 2, "old", 14, &wait), 0);
    ck_assert_int_eq(wait, 2000);
    muted_for(0);
    ck_assert_int_eq(mutate(20, 4, "old", 0, &wait), 0);
    ck_assert_int_eq(wait, 14000);
    bench_close(&t);
}
END_TEST

static bool connects(const char *ip)
{
    broker_conn_options options = {t.b, str_z(ip), STR("broker.test"), 9092, NULL};
    broker_conn *c = broker_conn_open(t.b, &options);
    bool good = broker_conn_wants_input(c);
    if (!good) {
        bench_wait(&t, 1000);
        ck_assert(broker_conn_must_close(c));
    }
    broker_conn_close(c);
    return good;
}

START_TEST(an_address_with_too_many_connections_is_turned_away)
{
    up();
    quotas_set(&t, (who){.ip = "2001:0db8::1"}, "connection_creation_rate", 1);
    for (int i = 0; i < 10; i++) ck_assert(connects("2001:db8::1"));
    ck_assert(!connects("2001:db8::1"));
    for (int i = 0; i < 20; i++) ck_assert(connects("127.0.0.1"));
    quotas_set(&t, (who){.ip = "*"}, "connection_creation_rate", 1);
    for (int i = 0; i < 10; i++) ck_assert(connects("10.0.0.1"));
    ck_assert(!connects("10.0.0.1"));
    /* Those that were turned away do not count, so that there is an end to it. */
    bench_wait(&t, 12000);
    ck_assert(connects("10.0.0.1"));
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/quota", a_producer_over_its_quota_is_muted_for_the_time_it_is_told,
          a_producer_that_obeys_gets_its_rate_in_the_long_run, producers_without_answers_are_muted_too,
          a_muted_connection_can_be_closed, the_most_specific_quota_holds, users_share_and_client_ids_do_not,
          a_consumer_over_its_quota_gets_nothing_and_then_the_same,
          a_session_forgets_nothing_while_its_client_is_throttled, time_is_limited_where_there_is_a_clock,
          mutations_over_the_quota_wait_or_are_refused, an_address_with_too_many_connections_is_turned_away)
