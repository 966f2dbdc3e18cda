/* Fetch: waiting, sessions, topic ids, order on a connection; ListOffsets, epochs, DeleteRecords. */
#include "tests/unit/unit.h"

#include "tests/support/broker/client.h"

static bench t;
static broker_topic_info info;

static void up(void)
{
    arena *a = arena_new();
    bench_open(&t);
    bench_create_topic(&t, "x", 3);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    arena_free(a);
}

static void append(int32_t partition, int n)
{
    batch_options options = batch_options_plain();
    buf batch = {0};
    diag d = {0};
    bench_batch(&batch, &options, "v", n, t.now.wall_ms);
    broker_partition *p = broker_partition_get(t.b, STR("x"), partition);
    ck_assert_msg(broker_append(p, (uint8_t *)batch.data, batch.len, t.now, NULL, &d), "%s", d.text);
    broker_partition_release(p);
    buf_free(&batch);
}

typedef struct want {
    int32_t partition;
    int64_t offset;
} want;

typedef struct ask {
    int16_t version;
    int32_t max_wait_ms, min_bytes, session, epoch;
    const want *wants;
    int n;
    int32_t forget; /* a partition to forget; -1: none */
    int32_t leader_epoch;
} ask;

static void send_fetch(int conn, const ask *k)
{
    int16_t v = k->version;
    bench_begin(&t, 1, v);
    wire_out *o = &t.out;
    if (v <= 14) wire_put_i32(o, -1);
    wire_put_i32(o, k->max_wait_ms);
    wire_put_i32(o, k->min_bytes);
    wire_put_i32(o, 1 << 20);
    wire_put_i8(o, 0);
    if (v >= 7) {
        wire_put_i32(o, k->session);
        wire_put_i32(o, k->epoch);
    }
    wire_put_len(o, k->n > 0 ? 1 : 0);
    if (k->n > 0) {
        if (v >= 13)
            wire_put_uuid(o, info.id);
        else
            wire_put_str(o, STR("x"));
        wire_put_len(o, k->n);
        for (int i = 0; i < k->n; i++) {
            wire_put_i32(o, k->wants[i].partition);
            if (v >= 9) wire_put_i32(o, k->leader_epoch);
            wire_put_i64(o, k->wants[i].offset);
            if (v >= 12) wire_put_i32(o, -1);
            if (v >= 5) wire_put_i64(o, -1);
            wire_put_i32(o, 1 << 20);
            wire_put_tags(o);
        }
        wire_put_tags(o);
    }
    if (v >= 7) {
        wire_put_len(o, k->forget >= 0 ? 1 : 0);
        if (k->forget >= 0) {
            if (v >= 13)
                wire_put_uuid(o, info.id);
            else
                wire_put_str(o, STR("x"));
            wire_put_len(o, 1);
            wire_put_i32(o, k->forget);
            wire_put_tags(o);
        }
    }
    if (v >= 11) wire_put_str(o, STR(""));
    wire_put_tags(o);
    bench_send(&t, conn);
    ck_assert(!t.closed);
}

typedef struct answer {
    int16_t error, partition_error;
    int32_t session;
    int partitions;
    int32_t first; /* index of the first partition */
    size_t bytes; /* of all */
    int64_t high; /* of the first */
} answer;

static bool take_fetch(int conn, int16_t v, answer *r)
{
    wire_in in;
    *r = (answer){.first = -1};
    t.key = 1;
    t.flexible = v >= 12;
    if (!bench_take(&t, conn, &in)) return false;
    wire_i32(&in);
    if (v >= 7) {
        r->error = wire_i16(&in);
        r->session = wire_i32(&in);
    }
    int32_t topics = wire_len(&in, 1);
    for (int32_t i = 0; i < topics; i++) {
        if (v >= 13)
            ck_assert_mem_eq(wire_uuid(&in), info.id, 16);
        else
            ck_assert(str_eqz(wire_str(&in), "x"));
        int32_t n = wire_len(&in, 1);
        for (int32_t k = 0; k < n; k++) {
            int32_t index = wire_i32(&in);
            int16_t error = wire_i16(&in);
            int64_t high = wire_i64(&in);
            wire_i64(&in);
            if (v >= 5) wire_i64(&in);
            ck_assert_int_eq(wire_nlen(&in, 16), -1);
            if (v >= 11) ck_assert_int_eq(wire_i32(&in), -1);
            r->bytes += wire_blob(&in).n;
            wire_tags(&in);
            if (r->partitions++ == 0) {
                r->first = index;
                r->high = high;
                r->partition_error = error;
            }
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return true;
}

static answer fetch(const ask *k)
{
    answer r;
    send_fetch(0, k);
    ck_assert(take_fetch(0, k->version, &r));
    return r;
}

START_TEST(fetch_works_in_every_version)
{
    up();
    append(1, 2);
    want w = {1, 0};
    for (int16_t version = 4; version <= 18; version++) {
        answer r = fetch(&(ask){version, 0, 1, 0, -1, &w, 1, -1, -1});
        ck_assert_int_eq(r.partition_error, 0);
        ck_assert_int_eq(r.first, 1);
        ck_assert_int_eq(r.high, 2);
        ck_assert_uint_gt(r.bytes, 61);
    }
    answer r = fetch(&(ask){9, 0, 1, 0, -1, &w, 1, -1, 5});
    ck_assert_int_eq(r.partition_error, KAFKA_UNKNOWN_LEADER_EPOCH);
    info.id[0] ^= 1;
    r = fetch(&(ask){13, 0, 1, 0, -1, &w, 1, -1, -1});
    ck_assert_int_eq(r.partition_error, KAFKA_UNKNOWN_TOPIC_ID);
    bench_close(&t);
}
END_TEST

START_TEST(a_fetch_at_the_end_waits_for_an_append_or_its_time)
{
    up();
    answer r;
    want w[] = {{0, 0}, {1, 0}};
    ask k = {11, 500, 1, 0, -1, w, 2, -1, -1};
    send_fetch(0, &k);
    ck_assert(!take_fetch(0, 11, &r));
    append(1, 1);
    broker_run(t.b, t.now);
    ck_assert(take_fetch(0, 11, &r));
    ck_assert_uint_gt(r.bytes, 0);
    w[1].offset = 1;
    send_fetch(0, &k);
    bench_wait(&t, 499);
    ck_assert(!take_fetch(0, 11, &r));
    bench_wait(&t, 1);
    ck_assert(take_fetch(0, 11, &r));
    ck_assert_uint_eq(r.bytes, 0);
    ck_assert_int_eq(r.partitions, 2);
    /* Enough bytes are waited for, and what is there in the end is given. */
    k.min_bytes = 1000;
    send_fetch(0, &k);
    append(0, 1);
    broker_run(t.b, t.now);
    ck_assert(!take_fetch(0, 11, &r));
    bench_wait(&t, 500);
    ck_assert(take_fetch(0, 11, &r));
    ck_assert_uint_gt(r.bytes, 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_waiting_fetch_ends_with_its_connection_and_with_its_topic)
{
    up();
    answer r;
    diag d = {0};
    want w = {0, 0};
    ask k = {11, 5000, 1, 0, -1, &w, 1, -1, -1};
    send_fetch(0, &k);
    send_fetch(1, &k);
    bench_hang_up(&t, 0);
    append(0, 1);
    broker_run(t.b, t.now);
    ck_assert(take_fetch(1, 11, &r));
    w.offset = 1;
    send_fetch(1, &k);
    ck_assert(broker_topic_delete(t.b, STR("x"), &d));
    broker_run(t.b, t.now);
    ck_assert(take_fetch(1, 11, &r));
    ck_assert_int_eq(r.partition_error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    /* The same name at once, and empty. */
    bench_create_topic(&t, "x", 1);
    int64_t high;
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 0, false, NULL, &high, NULL, NULL), 0);
    ck_assert_int_eq(high, 0);
    bench_close(&t);
}
END_TEST

START_TEST(answers_leave_in_the_order_of_the_requests)
{
    up();
    answer r;
    wire_in in;
    want w = {0, 0};
    ask k = {11, 300, 1, 0, -1, &w, 1, -1, -1};
    send_fetch(0, &k);
    bench_begin(&t, 18, 0);
    bench_send(&t, 0);
    ck_assert(!bench_take(&t, 0, &in));
    bench_wait(&t, 300);
    ck_assert(take_fetch(0, 11, &r));
    t.key = 18;
    t.flexible = false;
    ck_assert(bench_take(&t, 0, &in));
    ck_assert_int_eq(wire_i16(&in), 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_session_tells_only_what_changed)
{
    for (int16_t version = 7; version <= 17; version += 5) {
        up();
        append(0, 1);
        want w[] = {{0, 0}, {1, 0}, {2, 0}};
        answer r = fetch(&(ask){version, 0, 1, 0, 0, w, 3, -1, -1});
        ck_assert_int_eq(r.error, 0);
        ck_assert_int_ne(r.session, 0);
        ck_assert_int_eq(r.partitions, 3);
        int32_t id = r.session;
        want next = {0, 1};
        r = fetch(&(ask){version, 0, 1, id, 1, &next, 1, -1, -1});
        ck_assert_int_eq(r.session, id);
        ck_assert_int_eq(r.partitions, 0);
        append(2, 1);
        r = fetch(&(ask){version, 0, 1, id, 2, NULL, 0, -1, -1});
        ck_assert_int_eq(r.partitions, 1);
        ck_assert_int_eq(r.first, 2);
        /* A wrong epoch, an unknown session. */
        ck_assert_int_eq(fetch(&(ask){version, 0, 1, id, 9, NULL, 0, -1, -1}).error, KAFKA_INVALID_FETCH_SESSION_EPOCH);
        ck_assert_int_eq(fetch(&(ask){version, 0, 1, id + 1, 3, NULL, 0, -1, -1}).error,
                         KAFKA_FETCH_SESSION_ID_NOT_FOUND);
        /* What is forgotten is not told of any more. */
        append(1, 1);
        next.partition = 2;
        r = fetch(&(ask){version, 0, 1, id, 3, &next, 1, 1, -1});
        ck_assert_int_eq(r.error, 0);
        ck_assert_int_eq(r.partitions, 0);
        /* Closing it. */
        r = fetch(&(ask){version, 0, 1, id, -1, w, 1, -1, -1});
        ck_assert_int_eq(r.session, 0);
        ck_assert_int_eq(fetch(&(ask){version, 0, 1, id, 4, NULL, 0, -1, -1}).error, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
        bench_close(&t);
    }
}
END_TEST

START_TEST(a_waiting_session_is_woken_and_survives_its_connection)
{
    up();
    answer r;
    want w[] = {{0, 0}, {1, 0}};
    r = fetch(&(ask){12, 0, 1, 0, 0, w, 2, -1, -1});
    int32_t id = r.session;
    ask k = {12, 10000, 1, id, 1, NULL, 0, -1, -1};
    send_fetch(0, &k);
    ck_assert(!take_fetch(0, 12, &r));
    /* The same session asked again elsewhere: the first is answered at once. */
    k.epoch = 2;
    send_fetch(1, &k);
    ck_assert(take_fetch(0, 12, &r));
    ck_assert(!take_fetch(1, 12, &r));
    bench_hang_up(&t, 1);
    append(1, 1);
    broker_run(t.b, t.now);
    k.epoch = 3;
    send_fetch(2, &k);
    ck_assert(take_fetch(2, 12, &r));
    ck_assert_int_eq(r.partitions, 1);
    ck_assert_int_eq(r.first, 1);
    ck_assert_int_eq(fetch(&(ask){13, 0, 1, id, 4, NULL, 0, -1, -1}).error, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    bench_close(&t);
}
END_TEST

typedef struct listed {
    int16_t error;
    int64_t timestamp, offset;
} listed;

static listed list(int16_t version, int64_t target)
{
    bench_begin(&t, 2, version);
    wire_out *o = &t.out;
    wire_put_i32(o, -1);
    if (version >= 2) wire_put_i8(o, 0);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, 0);
    if (version >= 4) wire_put_i32(o, -1);
    wire_put_i64(o, target);
    wire_put_tags(o);
    wire_put_tags(o);
    if (version >= 10) wire_put_i32(o, 1000);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    listed r;
    if (version >= 2) wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), 0);
    r.error = wire_i16(&in);
    r.timestamp = wire_i64(&in);
    r.offset = wire_i64(&in);
    if (version >= 4) wire_i32(&in);
    wire_tags(&in);
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return r;
}

START_TEST(list_offsets_finds_ends_times_and_unknown_targets)
{
    up();
    append(0, 3);
    int64_t first = t.now.wall_ms;
    bench_wait(&t, 100);
    append(0, 2);
    for (int16_t version = 1; version <= 11; version++) {
        ck_assert_int_eq(list(version, -1).offset, 5);
        ck_assert_int_eq(list(version, -2).offset, 0);
        listed r = list(version, first + 1);
        ck_assert_int_eq(r.offset, 3);
        ck_assert_int_eq(r.timestamp, first + 100);
        r = list(version, first + 101);
        ck_assert_int_eq(r.error, 0);
        ck_assert_int_eq(r.offset, -1);
        r = list(version, -3);
        ck_assert_int_eq(r.error, version >= 7 ? 0 : KAFKA_UNSUPPORTED_VERSION);
        if (version >= 7) ck_assert_int_eq(r.timestamp, first + 100);
        ck_assert_int_eq(list(version, -99).error, KAFKA_UNSUPPORTED_VERSION);
    }
    bench_close(&t);
}
END_TEST

START_TEST(delete_records_moves_the_start)
{
    up();
    append(0, 2);
    append(0, 2);
    for (int16_t version = 0; version <= 2; version++) {
        int64_t to = version == 2 ? 9 : version == 1 ? -1 : 2;
        bench_begin(&t, 21, version);
        wire_put_len(&t.out, 1);
        wire_put_str(&t.out, STR("x"));
        wire_put_len(&t.out, 1);
        wire_put_i32(&t.out, 0);
        wire_put_i64(&t.out, to);
        wire_put_tags(&t.out);
        wire_put_tags(&t.out);
        wire_put_i32(&t.out, 1000);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        wire_len(&in, 1);
        wire_str(&in);
        wire_len(&in, 1);
        wire_i32(&in);
        int64_t low = wire_i64(&in);
        int16_t error = wire_i16(&in);
        ck_assert_int_eq(error, version == 2 ? KAFKA_OFFSET_OUT_OF_RANGE : 0);
        ck_assert_int_eq(low, version == 2 ? -1 : version == 1 ? 4 : 2);
    }
    ck_assert_int_eq(list(5, -2).offset, 4);
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 1, false, NULL, NULL, NULL, NULL), KAFKA_OFFSET_OUT_OF_RANGE);
    bench_close(&t);
}
END_TEST

static int64_t epoch_end(int16_t version, int32_t epoch, int32_t *found)
{
    bench_begin(&t, 23, version);
    if (version >= 3) wire_put_i32(&t.out, -2);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, STR("x"));
    wire_put_len(&t.out, 1);
    wire_put_i32(&t.out, 0);
    wire_put_i32(&t.out, -1);
    wire_put_i32(&t.out, epoch);
    wire_put_tags(&t.out);
    wire_put_tags(&t.out);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert_int_eq(wire_i32(&in), 0);
    *found = wire_i32(&in);
    return wire_i64(&in);
}

START_TEST(an_unclean_stop_raises_the_epoch_and_old_epochs_have_an_end)
{
    up();
    int32_t found;
    append(0, 3);
    bench_restart(&t);
    ck_assert_int_eq(epoch_end(2, 0, &found), 3);
    ck_assert_int_eq(found, 0);
    bench_kill(&t);
    append(0, 2);
    for (int16_t version = 2; version <= 4; version++) {
        ck_assert_int_eq(epoch_end(version, 0, &found), 3);
        ck_assert_int_eq(found, 0);
        ck_assert_int_eq(epoch_end(version, 1, &found), 5);
        ck_assert_int_eq(found, 1);
        ck_assert_int_eq(epoch_end(version, 2, &found), -1);
    }
    want w = {0, 0};
    ck_assert_int_eq(fetch(&(ask){11, 0, 1, 0, -1, &w, 1, -1, 0}).partition_error, KAFKA_FENCED_LEADER_EPOCH);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/api_fetch", fetch_works_in_every_version, a_fetch_at_the_end_waits_for_an_append_or_its_time,
          a_waiting_fetch_ends_with_its_connection_and_with_its_topic, answers_leave_in_the_order_of_the_requests,
          a_session_tells_only_what_changed, a_waiting_session_is_woken_and_survives_its_connection,
          list_offsets_finds_ends_times_and_unknown_targets, delete_records_moves_the_start,
          an_unclean_stop_raises_the_epoch_and_old_epochs_have_an_end)
