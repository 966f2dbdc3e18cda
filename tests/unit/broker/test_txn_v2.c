/* Transactions of version 2 (KIP-890): partitions are added by writing to them, and each end raises the epoch. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "broker/txn.h"
#include "tests/support/broker/client.h"

static bench t;

typedef struct identity {
    int16_t error;
    int64_t id;
    int16_t epoch;
} identity;

static void up(void)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
    bench_create_topic(&t, "x", 2);
}

static identity init(const char *id)
{
    bench_begin(&t, 22, 5);
    wire_put_nstr(&t.out, str_z(id));
    wire_put_i32(&t.out, 60000);
    wire_put_i64(&t.out, -1);
    wire_put_i16(&t.out, -1);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    identity p = {.error = wire_i16(&in)};
    p.id = wire_i64(&in);
    p.epoch = wire_i16(&in);
    return p;
}

static identity end(const char *id, identity p, bool commit)
{
    bench_begin(&t, 26, 5);
    wire_put_str(&t.out, str_z(id));
    wire_put_i64(&t.out, p.id);
    wire_put_i16(&t.out, p.epoch);
    wire_put_bool(&t.out, commit);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    identity r = {.error = wire_i16(&in)};
    r.id = wire_i64(&in);
    r.epoch = wire_i16(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return r;
}

/* Produce version 12 to one partition. */
static int16_t produce(const char *id, identity p, int32_t partition, int32_t sequence)
{
    batch_options options = batch_options_plain();
    options.producer_id = p.id;
    options.producer_epoch = p.epoch;
    options.base_sequence = sequence;
    options.transactional = true;
    buf batch = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    bench_begin(&t, 0, 12);
    wire_out *o = &t.out;
    wire_put_nstr(o, str_z(id));
    wire_put_i16(o, -1);
    wire_put_i32(o, 1000);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, partition);
    wire_put_blob(o, buf_str(&batch));
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
    buf_free(&batch);
    wire_in in = bench_call(&t, 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), partition);
    return wire_i16(&in);
}

static int visible(int32_t partition, int64_t *stable, int *aborted)
{
    buf records = {0};
    ck_assert_int_eq(bench_fetch(&t, "x", partition, 0, true, &records, NULL, stable, aborted), 0);
    int n = bench_count(&records);
    buf_free(&records);
    return n;
}

START_TEST(writing_adds_the_partition_and_ending_raises_the_epoch)
{
    up();
    int64_t stable;
    int aborted;
    identity p = init("tx");
    for (int round = 0; round < 5; round++) {
        ck_assert_int_eq(produce("tx", p, 0, 0), 0);
        ck_assert_int_eq(produce("tx", p, 0, 1), 0);
        ck_assert_int_eq(produce("tx", p, 1, 0), 0);
        identity next = end("tx", p, true);
        ck_assert_int_eq(next.error, 0);
        ck_assert_int_eq(next.id, p.id);
        ck_assert_int_eq(next.epoch, p.epoch + 1);
        ck_assert_int_eq(visible(0, &stable, &aborted), 2 * (round + 1));
        ck_assert_int_eq(visible(1, &stable, &aborted), round + 1);
        /* What is late of the old epoch is kept out, and the answer to a repeated end is the same. */
        ck_assert_int_eq(produce("tx", p, 0, 2), KAFKA_INVALID_PRODUCER_EPOCH);
        identity again = end("tx", p, true);
        ck_assert_int_eq(again.error, 0);
        ck_assert_int_eq(again.epoch, next.epoch);
        ck_assert_int_eq(end("tx", p, false).error, KAFKA_INVALID_TXN_STATE);
        p = next;
    }
    bench_close(&t);
}
END_TEST

START_TEST(an_abort_hides_what_was_written_and_may_come_without_a_transaction)
{
    up();
    int64_t stable;
    int aborted;
    identity p = init("tx");
    ck_assert_int_eq(end("tx", p, true).error, KAFKA_INVALID_TXN_STATE);
    identity next = end("tx", p, false);
    ck_assert_int_eq(next.error, 0);
    ck_assert_int_eq(next.epoch, p.epoch + 1);
    ck_assert_int_eq(produce("tx", next, 0, 0), 0);
    identity last = end("tx", next, false);
    ck_assert_int_eq(last.epoch, next.epoch + 1);
    ck_assert_int_eq(visible(0, &stable, &aborted), 1);
    ck_assert_int_eq(aborted, 1);
    ck_assert_int_eq(end("tx", last, true).error, KAFKA_INVALID_TXN_STATE);
    ck_assert_int_eq(end("tx", p, true).error, KAFKA_PRODUCER_FENCED);
    bench_close(&t);
}
END_TEST

START_TEST(a_new_producer_id_follows_the_last_epoch)
{
    up();
    identity p = init("tx");
    txn *x = txn_find(t.b, STR("tx"));
    x->epoch = p.epoch = INT16_MAX - 1;
    ck_assert_int_eq(produce("tx", p, 0, 0), 0);
    identity next = end("tx", p, true);
    ck_assert_int_eq(next.error, 0);
    ck_assert_int_ne(next.id, p.id);
    ck_assert_int_eq(next.epoch, 0);
    identity again = end("tx", p, true);
    ck_assert_int_eq(again.error, 0);
    ck_assert_int_eq(again.id, next.id);
    ck_assert_int_eq(produce("tx", next, 0, 0), 0);
    ck_assert_int_eq(end("tx", next, true).error, 0);
    bench_close(&t);
}
END_TEST

START_TEST(version_two_survives_a_power_loss)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        up();
        int64_t stable;
        int aborted;
        identity p = init("tx");
        ck_assert_int_eq(produce("tx", p, 0, 0), 0);
        identity next = end("tx", p, true);
        bench_power_loss(&t, seed);
        ck_assert_int_eq(visible(0, &stable, &aborted), 1);
        ck_assert_int_ge(stable, 2); /* the marker may have been written again */
        identity again = end("tx", p, true);
        ck_assert_int_eq(again.error, 0);
        ck_assert_int_eq(again.epoch, next.epoch);
        ck_assert_int_eq(produce("tx", next, 1, 0), 0);
        bench_power_loss(&t, seed + 100);
        ck_assert_int_eq(end("tx", next, true).error, 0);
        ck_assert_int_eq(visible(1, &stable, &aborted), 1);
        bench_close(&t);
    }
}
END_TEST

START_TEST(offsets_join_the_transaction_by_being_committed)
{
    up();
    identity p = init("tx");
    bench_begin(&t, 28, 5);
    wire_out *o = &t.out;
    wire_put_str(o, STR("tx"));
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
    wire_put_i64(o, 7);
    wire_put_i32(o, -1);
    wire_put_nstr(o, STR("here"));
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    arena *a = arena_new();
    broker_group_offset *offsets;
    ck_assert_uint_eq(broker_group_offsets(t.b, STR("g"), a, &offsets), 0);
    ck_assert_int_eq(end("tx", p, true).error, 0);
    ck_assert_uint_eq(broker_group_offsets(t.b, STR("g"), a, &offsets), 1);
    ck_assert_int_eq(offsets[0].offset, 7);
    ck_assert(str_eqz(offsets[0].metadata, "here"));
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(the_feature_is_told_in_the_tags_of_api_versions)
{
    up();
    for (int16_t version = 3; version <= 4; version++) {
        bench_begin(&t, 18, version);
        wire_put_str(&t.out, STR("c"));
        wire_put_str(&t.out, STR("1"));
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0), field;
        ck_assert_int_eq(wire_i16(&in), 0);
        int32_t n = wire_len(&in, 7);
        for (int32_t i = 0; i < n; i++) {
            wire_i16(&in);
            wire_i16(&in);
            wire_i16(&in);
            wire_tags(&in);
        }
        wire_i32(&in);
        ck_assert_uint_eq(wire_tags_begin(&in), 3);
        ck_assert_uint_eq(wire_tag(&in, &field), 0);
        ck_assert_int_eq(wire_len(&field, 1), version >= 4 ? 3 : 1);
        ck_assert_uint_eq(wire_tag(&in, &field), 1);
        ck_assert_int_eq(wire_i64(&field), 0);
        ck_assert_uint_eq(wire_tag(&in, &field), 2);
        ck_assert_int_eq(wire_len(&field, 1), 3);
        ck_assert(str_eqz(wire_str(&field), "group.version"));
        ck_assert_int_eq(wire_i16(&field), 1);
        ck_assert_int_eq(wire_i16(&field), 1);
        wire_tags(&field);
        ck_assert(str_eqz(wire_str(&field), "metadata.version"));
        ck_assert_int_eq(wire_i16(&field), 30);
        ck_assert_int_eq(wire_i16(&field), 30);
        wire_tags(&field);
        ck_assert(str_eqz(wire_str(&field), "transaction.version"));
        ck_assert_int_eq(wire_i16(&field), 2);
        ck_assert_int_eq(wire_i16(&field), 2);
        ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    }
    bench_close(&t);
}
END_TEST

START_TEST(transactions_are_listed_by_pattern)
{
    static const struct {
        const char *pattern;
        int16_t error;
        int n;
    } cases[] = {{"a-.*", 0, 2}, {"a", 0, 0}, {"", 0, 3}, {"(", KAFKA_INVALID_REGULAR_EXPRESSION, 0}, {NULL, 0, 3}};
    up();
    init("a-1");
    init("a-2");
    init("b-1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_begin(&t, 66, 2);
        wire_put_len(&t.out, 0);
        wire_put_len(&t.out, 0);
        wire_put_i64(&t.out, -1);
        wire_put_nstr(&t.out, cases[i].pattern ? str_z(cases[i].pattern) : WIRE_NULL);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        ck_assert_int_eq(wire_i16(&in), cases[i].error);
        ck_assert_int_eq(wire_len(&in, 1), 0);
        ck_assert_int_eq(wire_len(&in, 1), cases[i].n);
    }
    bench_close(&t);
}
END_TEST

/* It was kept in memory: the next write found it there, and after a kill nobody ended the transaction in it. */
START_TEST(a_partition_that_could_not_be_stored_is_not_part_of_the_transaction)
{
    up();
    int64_t stable;
    int aborted;
    identity p = init("tx");
    ck_assert_int_eq(produce("tx", p, 1, 0), 0);
    fs_sim_fail(t.sim, FS_SIM_WRITE, 1, ENOSPC, false);
    ck_assert_int_ne(produce("tx", p, 0, 0), 0);
    ck_assert(fs_sim_failed(t.sim));
    ck_assert_int_eq(produce("tx", p, 0, 0), 0);
    bench_kill(&t);
    ck_assert_int_eq(init("tx").error, 0);
    visible(0, &stable, &aborted);
    /* One record and the marker. */
    ck_assert_int_eq(stable, 2);
    ck_assert_int_eq(aborted, 1);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/txn_v2", writing_adds_the_partition_and_ending_raises_the_epoch,
          an_abort_hides_what_was_written_and_may_come_without_a_transaction, a_new_producer_id_follows_the_last_epoch,
          version_two_survives_a_power_loss, offsets_join_the_transaction_by_being_committed,
          the_feature_is_told_in_the_tags_of_api_versions,
          a_partition_that_could_not_be_stored_is_not_part_of_the_transaction, transactions_are_listed_by_pattern)
