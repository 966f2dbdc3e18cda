/* Transactions by their requests: commit, abort, fencing, time-outs, offsets, stops in the middle. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/support/broker/client.h"

static bench t;

static void up(void)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
    bench_create_topic(&t, "x", 2);
}

typedef struct identity {
    int16_t error;
    int64_t id;
    int16_t epoch;
} identity;

static identity init(int16_t version, const char *txn, int32_t timeout_ms, int64_t given, int16_t given_epoch)
{
    bench_begin(&t, 22, version);
    wire_put_nstr(&t.out, txn ? str_z(txn) : WIRE_NULL);
    wire_put_i32(&t.out, timeout_ms);
    if (version >= 3) {
        wire_put_i64(&t.out, given);
        wire_put_i16(&t.out, given_epoch);
    }
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    identity p;
    wire_i32(&in);
    p.error = wire_i16(&in);
    p.id = wire_i64(&in);
    p.epoch = wire_i16(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return p;
}

static int16_t add(int16_t version, const char *txn, identity p, const char *topic_name, int32_t partition)
{
    bench_begin(&t, 24, version);
    wire_out *o = &t.out;
    if (version >= 4) wire_put_len(o, 1);
    wire_put_str(o, str_z(txn));
    wire_put_i64(o, p.id);
    wire_put_i16(o, p.epoch);
    if (version >= 4) wire_put_bool(o, false);
    wire_put_len(o, 1);
    wire_put_str(o, str_z(topic_name));
    wire_put_len(o, 1);
    wire_put_i32(o, partition);
    wire_put_tags(o);
    if (version >= 4) wire_put_tags(o);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    if (version >= 4) {
        ck_assert_int_eq(wire_i16(&in), 0);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert(str_eqz(wire_str(&in), txn));
    }
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_str(&in), topic_name));
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), partition);
    return wire_i16(&in);
}

static int16_t end(int16_t version, const char *txn, identity p, bool commit)
{
    bench_begin(&t, 26, version);
    wire_put_str(&t.out, str_z(txn));
    wire_put_i64(&t.out, p.id);
    wire_put_i16(&t.out, p.epoch);
    wire_put_bool(&t.out, commit);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    return wire_i16(&in);
}

static int16_t produce(const char *txn, identity p, int32_t partition, int32_t sequence)
{
    batch_options options = batch_options_plain();
    options.producer_id = p.id;
    options.producer_epoch = p.epoch;
    options.base_sequence = sequence;
    options.transactional = txn != NULL;
    buf batch = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    int16_t error = bench_produce(&t, "x", partition, &batch, -1, txn, NULL);
    buf_free(&batch);
    return error;
}

static int visible(int32_t partition, int64_t *stable, int *aborted)
{
    buf records = {0};
    ck_assert_int_eq(bench_fetch(&t, "x", partition, 0, true, &records, NULL, stable, aborted), 0);
    int n = bench_count(&records);
    buf_free(&records);
    return n;
}

START_TEST(a_producer_without_a_transactional_id_gets_a_fresh_id)
{
    up();
    identity before = {.id = -1};
    for (int16_t version = 0; version <= 5; version++) {
        identity p = init(version, NULL, 0, -1, -1);
        ck_assert_int_eq(p.error, 0);
        ck_assert_int_gt(p.id, before.id);
        ck_assert_int_eq(p.epoch, 0);
        before = p;
    }
    bench_restart(&t);
    ck_assert_int_gt(init(0, NULL, 0, -1, -1).id, before.id);
    bench_close(&t);
}
END_TEST

START_TEST(a_repeated_batch_is_answered_like_the_first)
{
    up();
    identity p = init(4, NULL, 0, -1, -1);
    batch_options options = batch_options_plain();
    options.producer_id = p.id;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    buf batch = {0}, again = {0};
    bench_batch(&batch, &options, "v", 3, t.now.wall_ms);
    buf_add_str(&again, buf_str(&batch));
    int64_t base;
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, -1, NULL, &base), 0);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &again, -1, NULL, &base), 0);
    ck_assert_int_eq(base, 0);
    ck_assert_int_eq(produce(NULL, p, 0, 5), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(produce(NULL, p, 0, 3), 0);
    buf_free(&batch);
    buf_free(&again);
    bench_close(&t);
}
END_TEST

START_TEST(a_committed_transaction_becomes_visible_and_an_aborted_one_is_listed)
{
    up();
    int64_t stable;
    int aborted;
    identity p = init(4, "tx", 60000, -1, -1);
    ck_assert_int_eq(p.error, 0);
    ck_assert_int_eq(produce("tx", p, 0, 0), KAFKA_INVALID_TXN_STATE);
    for (int16_t version = 0; version <= 5; version++) {
        ck_assert_int_eq(add(version, "tx", p, "x", 0), 0);
        ck_assert_int_eq(produce("tx", p, 0, version), 0);
    }
    ck_assert_int_eq(visible(0, &stable, &aborted), 0);
    ck_assert_int_eq(stable, 0);
    ck_assert_int_eq(end(1, "tx", p, true), 0);
    ck_assert_int_eq(visible(0, &stable, &aborted), 6);
    ck_assert_int_eq(stable, 7);
    ck_assert_int_eq(aborted, 0);
    ck_assert_int_eq(end(1, "tx", p, true), 0);
    ck_assert_int_eq(end(1, "tx", p, false), KAFKA_INVALID_TXN_STATE);
    ck_assert_int_eq(add(3, "tx", p, "x", 0), 0);
    ck_assert_int_eq(add(3, "tx", p, "x", 1), 0);
    ck_assert_int_eq(produce("tx", p, 0, 6), 0);
    ck_assert_int_eq(produce("tx", p, 1, 0), 0);
    ck_assert_int_eq(end(4, "tx", p, false), 0);
    ck_assert_int_eq(visible(0, &stable, &aborted), 7);
    ck_assert_int_eq(aborted, 1);
    ck_assert_int_eq(stable, 9);
    ck_assert_int_eq(visible(1, &stable, &aborted), 1);
    ck_assert_int_eq(aborted, 1);
    bench_close(&t);
}
END_TEST

START_TEST(mistakes_in_transactions_get_their_codes)
{
    up();
    identity p = init(4, "tx", 60000, -1, -1);
    identity other = {0, p.id + 1, 0}, stale = {0, p.id, (int16_t)(p.epoch + 1)};
    ck_assert_int_eq(init(4, "", 60000, -1, -1).error, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(init(4, "tx", 60000, 5, -1).error, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(init(4, "tx", 0, -1, -1).error, KAFKA_INVALID_TRANSACTION_TIMEOUT);
    ck_assert_int_eq(init(4, "tx", 900001, -1, -1).error, KAFKA_INVALID_TRANSACTION_TIMEOUT);
    ck_assert_int_eq(add(3, "ghost", p, "x", 0), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    ck_assert_int_eq(add(3, "tx", other, "x", 0), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    ck_assert_int_eq(add(3, "tx", stale, "x", 0), KAFKA_PRODUCER_FENCED);
    ck_assert_int_eq(add(1, "tx", stale, "x", 0), KAFKA_INVALID_PRODUCER_EPOCH);
    ck_assert_int_eq(add(3, "tx", p, "x", 9), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(end(3, "tx", p, true), KAFKA_INVALID_TXN_STATE);
    ck_assert_int_eq(end(3, "tx", stale, true), KAFKA_PRODUCER_FENCED);
    ck_assert_int_eq(end(1, "tx", stale, true), KAFKA_INVALID_PRODUCER_EPOCH);
    bench_close(&t);
}
END_TEST

START_TEST(a_second_producer_fences_the_first_and_aborts_what_it_left)
{
    up();
    int64_t stable;
    int aborted;
    identity first = init(4, "tx", 60000, -1, -1);
    ck_assert_int_eq(add(3, "tx", first, "x", 0), 0);
    ck_assert_int_eq(produce("tx", first, 0, 0), 0);
    identity second = init(4, "tx", 60000, -1, -1);
    ck_assert_int_eq(second.error, 0);
    ck_assert_int_eq(second.id, first.id);
    ck_assert_int_gt(second.epoch, first.epoch);
    ck_assert_int_eq(visible(0, &stable, &aborted), 1);
    ck_assert_int_eq(aborted, 1);
    ck_assert_int_eq(stable, 2);
    ck_assert_int_eq(produce("tx", first, 0, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    ck_assert_int_eq(end(3, "tx", first, true), KAFKA_PRODUCER_FENCED);
    /* A producer that names its id and epoch gets the next; asking twice gives the same. */
    identity third = init(4, "tx", 60000, second.id, second.epoch);
    ck_assert_int_eq(third.epoch, second.epoch + 1);
    ck_assert_int_eq(init(4, "tx", 60000, second.id, second.epoch).epoch, third.epoch);
    ck_assert_int_eq(init(4, "tx", 60000, first.id, first.epoch).error, KAFKA_PRODUCER_FENCED);
    ck_assert_int_eq(init(3, "tx", 60000, first.id, first.epoch).error, KAFKA_INVALID_PRODUCER_EPOCH);
    bench_close(&t);
}
END_TEST

START_TEST(a_transaction_that_takes_too_long_is_aborted)
{
    up();
    int64_t stable;
    int aborted;
    identity p = init(4, "tx", 5000, -1, -1);
    ck_assert_int_eq(add(3, "tx", p, "x", 0), 0);
    ck_assert_int_eq(produce("tx", p, 0, 0), 0);
    bench_wait(&t, 4900);
    ck_assert_int_eq(visible(0, &stable, &aborted), 0);
    bench_wait(&t, 200);
    ck_assert_int_eq(visible(0, &stable, &aborted), 1);
    ck_assert_int_eq(aborted, 1);
    ck_assert_int_eq(produce("tx", p, 0, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    ck_assert_int_eq(end(3, "tx", p, true), KAFKA_PRODUCER_FENCED);
    bench_close(&t);
}
END_TEST

/*
 * The nth write of an end fails, of its decision, a marker or the record of its end: it is tried again by itself, and
 * the producer goes on. Only a log whose index of aborted transactions failed needs a start for it. False: there was no
 * nth write.
 */
static bool end_with_failing_write(bool commit, uint64_t n, int *starts)
{
    up();
    int64_t stable;
    int aborted;
    identity p = init(4, "tx", 60000, -1, -1);
    for (int32_t partition = 0; partition < 2; partition++) {
        ck_assert_int_eq(add(3, "tx", p, "x", partition), 0);
        ck_assert_int_eq(produce("tx", p, partition, 0), 0);
    }
    fs_sim_fail(t.sim, FS_SIM_WRITE, n, ENOSPC, false);
    int16_t error = end(4, "tx", p, commit);
    bool failed = fs_sim_failed(t.sim);
    fs_sim_fail(t.sim, 0, 0, 0, false);
    ck_assert(error == 0 || (failed && error == KAFKA_COORDINATOR_NOT_AVAILABLE));
    bench_wait(&t, 2100);
    error = end(4, "tx", p, commit);
    if (error == KAFKA_CONCURRENT_TRANSACTIONS) {
        ++*starts;
        bench_restart(&t);
        error = end(4, "tx", p, commit);
    }
    ck_assert_int_eq(error, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        visible(partition, &stable, &aborted);
        ck_assert_int_ge(stable, 2);
        ck_assert_int_eq(aborted, commit ? 0 : 1);
    }
    ck_assert_int_eq(add(3, "tx", p, "x", 0), 0);
    ck_assert_int_eq(produce("tx", p, 0, 1), 0);
    ck_assert_int_eq(end(4, "tx", p, true), 0);
    bench_close(&t);
    return failed;
}

START_TEST(an_end_that_could_not_be_written_is_written_later)
{
    for (int commit = 0; commit < 2; commit++) {
        uint64_t n = 1;
        int starts = 0;
        while (end_with_failing_write(commit, n, &starts)) ck_assert_uint_lt(n++, 20);
        ck_assert_uint_gt(n, 3);
        ck_assert_int_eq(starts, commit ? 0 : 2);
    }
}
END_TEST

static int16_t txn_commit(const char *txn, identity p, int64_t offset)
{
    bench_begin(&t, 25, 3);
    wire_put_str(&t.out, str_z(txn));
    wire_put_i64(&t.out, p.id);
    wire_put_i16(&t.out, p.epoch);
    wire_put_str(&t.out, STR("g"));
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    bench_begin(&t, 28, 3);
    wire_out *o = &t.out;
    wire_put_str(o, str_z(txn));
    wire_put_str(o, STR("g"));
    wire_put_i64(o, p.id);
    wire_put_i16(o, p.epoch);
    wire_put_i32(o, -1);
    wire_put_str(o, STR(""));
    wire_put_nstr(o, WIRE_NULL);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, 0);
    wire_put_i64(o, offset);
    wire_put_i32(o, -1);
    wire_put_nstr(o, STR(""));
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
    in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_i32(&in);
    return wire_i16(&in);
}

static int64_t committed(bool stable, int16_t *error)
{
    bench_begin(&t, 9, 7);
    wire_put_str(&t.out, STR("g"));
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, STR("x"));
    wire_put_len(&t.out, 1);
    wire_put_i32(&t.out, 0);
    wire_put_tags(&t.out);
    wire_put_bool(&t.out, stable);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    int64_t offset = wire_i64(&in);
    wire_i32(&in);
    wire_nstr(&in);
    *error = wire_i16(&in);
    return offset;
}

START_TEST(offsets_in_a_transaction_count_only_when_it_commits)
{
    up();
    int16_t error;
    identity p = init(4, "tx", 60000, -1, -1);
    ck_assert_int_eq(txn_commit("tx", p, 10), 0);
    ck_assert_int_eq(committed(false, &error), -1);
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(committed(true, &error), -1);
    ck_assert_int_eq(error, KAFKA_UNSTABLE_OFFSET_COMMIT);
    ck_assert_int_eq(end(3, "tx", p, true), 0);
    ck_assert_int_eq(committed(true, &error), 10);
    ck_assert_int_eq(txn_commit("tx", p, 20), 0);
    ck_assert_int_eq(end(3, "tx", p, false), 0);
    ck_assert_int_eq(committed(true, &error), 10);
    bench_restart(&t);
    ck_assert_int_eq(committed(true, &error), 10);
    ck_assert_int_eq(txn_commit("tx", p, 30), 0);
    bench_kill(&t);
    ck_assert_int_eq(committed(true, &error), -1);
    ck_assert_int_eq(error, KAFKA_UNSTABLE_OFFSET_COMMIT);
    ck_assert_int_eq(end(3, "tx", p, true), 0);
    ck_assert_int_eq(committed(true, &error), 30);
    bench_close(&t);
}
END_TEST

static broker_partition *asked[16];
static int asked_len;
static void note_sync(void *user, broker_partition *p)
{
    ck_assert_int_lt(asked_len, 16);
    asked[asked_len++] = p;
}

static void sync_one(void)
{
    diag d = {0};
    ck_assert_int_gt(asked_len, 0);
    broker_partition *p = asked[0];
    memmove(asked, asked + 1, sizeof asked[0] * (size_t)--asked_len);
    ck_assert(broker_partition_sync(p, &d));
    broker_sync_done(t.b, p, true, t.now);
}

START_TEST(what_was_decided_before_a_power_loss_is_carried_out_after_it)
{
    int64_t stable;
    int aborted;
    wire_in in;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        asked_len = 0;
        up();
        identity p = init(4, "tx", 60000, -1, -1);
        ck_assert_int_eq(add(3, "tx", p, "x", 0), 0);
        ck_assert_int_eq(produce("tx", p, 0, 0), 0);
        t.hooks.sync = note_sync;
        bench_begin(&t, 26, 3);
        wire_put_str(&t.out, STR("tx"));
        wire_put_i64(&t.out, p.id);
        wire_put_i16(&t.out, p.epoch);
        wire_put_bool(&t.out, true);
        wire_put_tags(&t.out);
        bench_send(&t, 0);
        /* The decision is synced, then the markers are appended but not synced. */
        sync_one();
        ck_assert(!bench_take(&t, 0, &in));
        fs_sim *disk = fs_sim_power_loss(t.sim, seed);
        while (asked_len > 0) sync_one();
        t.hooks.sync = NULL;
        bench_hang_up(&t, 0);
        broker_close(t.b);
        fs_sim_free(t.sim);
        t.sim = disk;
        diag d = {0};
        broker_options options = {NULL, 0, STR(""), 1, seed};
        t.b = broker_open(fs_sim_fs(disk), STR("/data"), &options, &t.hooks, t.now, &d);
        ck_assert_msg(t.b != NULL, "%s", d.text);
        bench_wait(&t, 10);
        ck_assert_int_eq(visible(0, &stable, &aborted), 1);
        ck_assert_int_eq(aborted, 0);
        ck_assert_int_ge(stable, 2);
        ck_assert_int_eq(end(3, "tx", p, true), 0);
        bench_close(&t);
    }
}
END_TEST

START_TEST(internal_producers_are_listed_and_out_of_reach)
{
    up();
    diag d = {0};
    int64_t first, base;
    ck_assert(broker_producer_reserve(t.b, 2, &first, &d));
    ck_assert_int_eq(first, BROKER_INTERNAL_PRODUCER_FIRST);
    broker_producer_show(t.b, first, 0, STR("query-1"), true, t.now);
    batch_options options = batch_options_plain();
    options.producer_id = first;
    options.producer_epoch = 0;
    options.transactional = true;
    buf batch = {0};
    bench_batch(&batch, &options, "v", 2, t.now.wall_ms);
    broker_partition *p = broker_partition_get(t.b, STR("x"), 0);
    ck_assert_msg(broker_append(p, (uint8_t *)batch.data, batch.len, t.now, &base, &d), "%s", d.text);
    int64_t stable;
    int aborted;
    ck_assert_int_eq(visible(0, &stable, &aborted), 0);
    identity stranger = {0, first, 0};
    ck_assert_int_eq(add(3, "query-1", stranger, "x", 0), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    bench_begin(&t, 66, 0);
    wire_put_len(&t.out, 0);
    wire_put_len(&t.out, 0);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert_int_eq(wire_len(&in, 1), 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_str(&in), "query-1"));
    ck_assert_int_eq(wire_i64(&in), first);
    ck_assert(str_eqz(wire_str(&in), "Ongoing"));
    ck_assert(broker_append_marker(p, first, 0, true, t.now, NULL, &d));
    ck_assert_int_eq(visible(0, &stable, &aborted), 2);
    broker_partition_release(p);
    buf_free(&batch);
    bench_restart(&t);
    int64_t next;
    ck_assert(broker_producer_reserve(t.b, 1, &next, &d));
    ck_assert_int_eq(next, first + 2);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/txn", a_producer_without_a_transactional_id_gets_a_fresh_id,
          a_repeated_batch_is_answered_like_the_first,
          a_committed_transaction_becomes_visible_and_an_aborted_one_is_listed,
          mistakes_in_transactions_get_their_codes, a_second_producer_fences_the_first_and_aborts_what_it_left,
          a_transaction_that_takes_too_long_is_aborted, an_end_that_could_not_be_written_is_written_later,
          offsets_in_a_transaction_count_only_when_it_commits,
          what_was_decided_before_a_power_loss_is_carried_out_after_it, internal_producers_are_listed_and_out_of_reach)
