/* Groups, offsets, log folders and producers as administrators see them, in every version. */
#include "tests/unit/unit.h"

#include "tests/support/broker/client.h"

static bench t;

static void up(void)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
}

static void commit(const char *topic_name)
{
    bench_begin(&t, 8, 2);
    wire_put_str(&t.out, STR("g"));
    wire_put_i32(&t.out, -1);
    wire_put_str(&t.out, STR(""));
    wire_put_i64(&t.out, -1);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, str_z(topic_name));
    wire_put_len(&t.out, 1);
    wire_put_i32(&t.out, 0);
    wire_put_i64(&t.out, 4);
    wire_put_nstr(&t.out, STR(""));
    wire_in in = bench_call(&t, 0);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
}

static int16_t delete_group(int16_t version, const char *id)
{
    bench_begin(&t, 42, version);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, str_z(id));
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    int16_t error = wire_i16(&in);
    if (version >= 3) wire_nstr(&in);
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return error;
}

static void check_description(int16_t version, const char *id, bool exists)
{
    bench_begin(&t, 15, version);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, str_z(id));
    if (version >= 3) wire_put_bool(&t.out, true);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    if (version >= 1) wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i16(&in), !exists && version >= 6 ? KAFKA_GROUP_ID_NOT_FOUND : 0);
    if (version >= 6) wire_nstr(&in);
    ck_assert(str_eqz(wire_str(&in), id));
    ck_assert(str_eqz(wire_str(&in), exists ? "Empty" : "Dead"));
    wire_str(&in);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 0);
    /* What is not found tells no operations. */
    if (version >= 3) ck_assert((wire_i32(&in) == INT32_MIN) == (!exists && version >= 6));
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
}

static int count_groups(int16_t version, const char *state)
{
    bench_begin(&t, 16, version);
    if (version >= 4) {
        wire_put_len(&t.out, 1);
        wire_put_str(&t.out, str_z(state));
    }
    if (version >= 5) wire_put_len(&t.out, 0);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    if (version >= 1) wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    return wire_len(&in, 1);
}

START_TEST(groups_are_described_listed_and_deleted)
{
    up();
    bench_create_topic(&t, "x", 1);
    commit("x");
    for (int16_t version = 0; version <= 6; version++) {
        check_description(version, "g", true);
        check_description(version, "ghost", false);
    }
    for (int16_t version = 0; version <= 5; version++) ck_assert_int_eq(count_groups(version, "Empty"), 1);
    ck_assert_int_eq(count_groups(5, "Stable"), 0);
    for (int16_t version = 0; version <= 3; version++) {
        ck_assert_int_eq(delete_group(version, "g"), 0);
        ck_assert_int_eq(delete_group(version, "g"), KAFKA_GROUP_ID_NOT_FOUND);
        commit("x");
    }
    ck_assert_int_eq(delete_group(2, "g"), 0);
    bench_power_loss(&t, 4);
    ck_assert_int_eq(count_groups(0, NULL), 0);
    bench_close(&t);
}
END_TEST

START_TEST(single_offsets_are_deleted)
{
    up();
    bench_create_topic(&t, "x", 1);
    commit("x");
    for (int round = 0; round < 2; round++) {
        bench_begin(&t, 47, 0);
        wire_put_str(&t.out, round ? STR("ghost") : STR("g"));
        wire_put_len(&t.out, 1);
        wire_put_str(&t.out, STR("x"));
        wire_put_len(&t.out, 1);
        wire_put_i32(&t.out, 0);
        wire_in in = bench_call(&t, 0);
        ck_assert_int_eq(wire_i16(&in), round ? KAFKA_GROUP_ID_NOT_FOUND : 0);
        wire_i32(&in);
        ck_assert_int_eq(wire_len(&in, 1), round ? 0 : 1);
    }
    arena *a = arena_new();
    broker_group_offset *offsets;
    ck_assert_uint_eq(broker_group_offsets(t.b, STR("g"), a, &offsets), 0);
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(log_dirs_show_sizes_in_every_version)
{
    up();
    bench_create_topic(&t, "x", 2);
    batch_options options = batch_options_plain();
    buf batch = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "x", 1, &batch, 1, NULL, NULL), 0);
    for (int16_t version = 1; version <= 5; version++) {
        bench_begin(&t, 35, version);
        wire_put_len(&t.out, -1);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        if (version >= 3) ck_assert_int_eq(wire_i16(&in), 0);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert_int_eq(wire_i16(&in), 0);
        ck_assert(str_eqz(wire_str(&in), "/data"));
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert(str_eqz(wire_str(&in), "x"));
        ck_assert_int_eq(wire_len(&in, 1), 2);
        for (int32_t i = 0; i < 2; i++) {
            ck_assert_int_eq(wire_i32(&in), i);
            ck_assert_int_eq(wire_i64(&in), i ? (int64_t)batch.len : 0);
            wire_i64(&in);
            wire_bool(&in);
            wire_tags(&in);
        }
        wire_tags(&in);
        if (version >= 4) read_bytes(&in.r, 16);
        if (version >= 5) wire_bool(&in);
        wire_tags(&in);
        wire_tags(&in);
        ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    }
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

/* The start of the open transaction of the one producer of "x", by DescribeProducers; -1 when there is none. */
static int64_t open_transaction(void)
{
    bench_begin(&t, 61, 0);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, STR("x"));
    wire_put_len(&t.out, 1);
    wire_put_i32(&t.out, 0);
    wire_put_tags(&t.out);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    wire_nstr(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i64(&in), 77);
    wire_i32(&in);
    wire_i32(&in);
    wire_i64(&in);
    wire_i32(&in);
    return wire_i64(&in);
}

static int16_t write_marker(int16_t version, int64_t producer_id)
{
    bench_begin(&t, 27, version);
    wire_put_len(&t.out, 1);
    wire_put_i64(&t.out, producer_id);
    wire_put_i16(&t.out, 0);
    wire_put_bool(&t.out, false);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, STR("x"));
    wire_put_len(&t.out, 1);
    wire_put_i32(&t.out, 0);
    wire_put_tags(&t.out);
    wire_put_i32(&t.out, 0);
    if (version >= 2) wire_put_i8(&t.out, 0);
    wire_put_tags(&t.out);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i64(&in), producer_id);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    return wire_i16(&in);
}

START_TEST(producers_are_described_and_a_hanging_transaction_is_ended_by_hand)
{
    up();
    bench_create_topic(&t, "x", 1);
    config_set_put(&t.b->dynamic, config_broker_def(STR("transaction.partition.verification.enable")), STR("false"));
    batch_options options = batch_options_plain();
    options.producer_id = 77;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    options.transactional = true;
    buf batch = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, 1, "tx", NULL), 0);
    ck_assert_int_eq(open_transaction(), 0);
    ck_assert_int_eq(write_marker(1, 77), 0);
    ck_assert_int_eq(open_transaction(), -1);
    ck_assert_int_eq(write_marker(2, BROKER_INTERNAL_PRODUCER_FIRST), KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    bench_begin(&t, 65, 0);
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, STR("tx"));
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    wire_len(&in, 1);
    ck_assert_int_eq(wire_i16(&in), KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/api_group_admin", groups_are_described_listed_and_deleted, single_offsets_are_deleted,
          log_dirs_show_sizes_in_every_version, producers_are_described_and_a_hanging_transaction_is_ended_by_hand)
