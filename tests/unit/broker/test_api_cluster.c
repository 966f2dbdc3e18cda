/* What administrators ask of a cluster, answered by its only node. */
#include "tests/unit/unit.h"

#include "broker/group_config.h"
#include "tests/support/broker/client.h"

static bench t;

static void up(void)
{
    bench_open(&t);
    bench_create_topic(&t, "x", 2);
}

/* One "index, error, message" of a result; the message is there when there is an error. */
static int16_t result(wire_in *in, int32_t index)
{
    ck_assert_int_eq(wire_i32(in), index);
    int16_t error = wire_i16(in);
    ck_assert((wire_nstr(in).p != NULL) == (error != 0));
    wire_tags(in);
    return error;
}

static void at_end(wire_in *in)
{
    wire_tags(in);
    ck_assert(!wire_failed(in) && reader_left(&in->r) == 0);
}

START_TEST(no_leader_is_ever_to_be_elected)
{
    up();
    for (int16_t version = 0; version <= 2; version++) {
        for (int all = 0; all < 2; all++) {
            bench_begin(&t, 43, version);
            wire_out *o = &t.out;
            if (version >= 1) wire_put_i8(o, 0);
            wire_put_len(o, all ? -1 : 1);
            if (!all) {
                wire_put_str(o, STR("x"));
                wire_put_len(o, 2);
                wire_put_i32(o, 1);
                wire_put_i32(o, 2);
                wire_put_tags(o);
            }
            wire_put_i32(o, 1000);
            wire_put_tags(o);
            wire_in in = bench_call(&t, 0);
            wire_i32(&in);
            if (version >= 1) ck_assert_int_eq(wire_i16(&in), 0);
            ck_assert_int_eq(wire_len(&in, 1), all ? 0 : 1);
            if (!all) {
                ck_assert(str_eqz(wire_str(&in), "x"));
                ck_assert_int_eq(wire_len(&in, 1), 2);
                ck_assert_int_eq(result(&in, 1), KAFKA_ELECTION_NOT_NEEDED);
                ck_assert_int_eq(result(&in, 2), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
                wire_tags(&in);
            }
            at_end(&in);
        }
    }
    bench_close(&t);
}
END_TEST

static int16_t reassign(int16_t version, int32_t partition, int32_t n, int32_t first)
{
    bench_begin(&t, 45, version);
    wire_out *o = &t.out;
    wire_put_i32(o, 1000);
    if (version >= 1) wire_put_bool(o, true);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, partition);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) wire_put_i32(o, first + i);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    if (version >= 1) ck_assert(wire_bool(&in));
    ck_assert_int_eq(wire_i16(&in), 0);
    wire_nstr(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    int16_t error = result(&in, partition);
    wire_tags(&in);
    at_end(&in);
    return error;
}

START_TEST(partitions_can_only_stay_where_they_are)
{
    up();
    for (int16_t version = 0; version <= 1; version++) {
        ck_assert_int_eq(reassign(version, 0, 1, 1), 0);
        ck_assert_int_eq(reassign(version, 0, 1, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT);
        ck_assert_int_eq(reassign(version, 0, 2, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
        ck_assert_int_eq(reassign(version, 0, 0, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
        ck_assert_int_eq(reassign(version, 0, -1, 1), KAFKA_NO_REASSIGNMENT_IN_PROGRESS);
        ck_assert_int_eq(reassign(version, 7, 1, 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    bench_begin(&t, 46, 0);
    wire_put_i32(&t.out, 1000);
    wire_put_len(&t.out, -1);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert(wire_nstr(&in).p == NULL);
    ck_assert_int_eq(wire_len(&in, 1), 0);
    at_end(&in);
    bench_close(&t);
}
END_TEST

START_TEST(replicas_stay_in_the_only_folder)
{
    static const struct {
        const char *path;
        int32_t partition;
        int16_t error;
    } cases[] = {
        {"/data", 0, 0}, {"/other", 0, KAFKA_LOG_DIR_NOT_FOUND}, {"/data", 9, KAFKA_UNKNOWN_TOPIC_OR_PARTITION}};
    up();
    for (int16_t version = 1; version <= 2; version++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            bench_begin(&t, 34, version);
            wire_out *o = &t.out;
            wire_put_len(o, 1);
            wire_put_str(o, str_z(cases[i].path));
            wire_put_len(o, 1);
            wire_put_str(o, STR("x"));
            wire_put_len(o, 1);
            wire_put_i32(o, cases[i].partition);
            wire_put_tags(o);
            wire_put_tags(o);
            wire_put_tags(o);
            wire_in in = bench_call(&t, 0);
            wire_i32(&in);
            ck_assert_int_eq(wire_len(&in, 1), 1);
            ck_assert(str_eqz(wire_str(&in), "x"));
            ck_assert_int_eq(wire_len(&in, 1), 1);
            ck_assert_int_eq(wire_i32(&in), cases[i].partition);
            ck_assert_int_eq(wire_i16(&in), cases[i].error);
            wire_tags(&in);
            wire_tags(&in);
            at_end(&in);
        }
    }
    bench_close(&t);
}
END_TEST

START_TEST(the_quorum_is_this_node)
{
    up();
    for (int16_t version = 0; version <= 2; version++) {
        bench_begin(&t, 55, version);
        wire_out *o = &t.out;
        wire_put_len(o, 1);
        wire_put_str(o, STR("__cluster_metadata"));
        wire_put_len(o, 1);
        wire_put_i32(o, 0);
        wire_put_tags(o);
        wire_put_tags(o);
        wire_put_tags(o);
        wire_in in = bench_call(&t, 0);
        ck_assert_int_eq(wire_i16(&in), 0);
        if (version >= 2) wire_nstr(&in);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        wire_str(&in);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert_int_eq(wire_i32(&in), 0);
        ck_assert_int_eq(wire_i16(&in), 0);
        if (version >= 2) wire_nstr(&in);
        ck_assert_int_eq(wire_i32(&in), 1);
        wire_i32(&in);
        int64_t high = wire_i64(&in);
        ck_assert_int_gt(high, 0);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert_int_eq(wire_i32(&in), 1);
        if (version >= 2) wire_uuid(&in);
        ck_assert_int_eq(wire_i64(&in), high);
        if (version >= 1) ck_assert_int_eq(wire_i64(&in), t.now.wall_ms);
        if (version >= 1) wire_i64(&in);
        wire_tags(&in);
        ck_assert_int_eq(wire_len(&in, 1), 0);
        wire_tags(&in);
        wire_tags(&in);
        if (version >= 2) {
            ck_assert_int_eq(wire_len(&in, 1), 1);
            ck_assert_int_eq(wire_i32(&in), 1);
            ck_assert_int_eq(wire_len(&in, 1), 0);
            wire_tags(&in);
        }
        at_end(&in);
    }
    bench_close(&t);
}
END_TEST

START_TEST(features_stay_at_their_level)
{
    up();
    for (int16_t version = 0; version <= 2; version++) {
        for (int16_t level = 1; level <= 2; level++) {
            bench_begin(&t, 57, version);
            wire_out *o = &t.out;
            wire_put_i32(o, 1000);
            wire_put_len(o, 1);
            wire_put_str(o, STR("transaction.version"));
            wire_put_i16(o, level);
            wire_put_i8(o, 1);
            wire_put_tags(o);
            if (version >= 1) wire_put_bool(o, false);
            wire_put_tags(o);
            wire_in in = bench_call(&t, 0);
            int16_t wanted = level == 2 ? 0 : KAFKA_INVALID_UPDATE_VERSION;
            wire_i32(&in);
            ck_assert_int_eq(wire_i16(&in), version >= 2 ? wanted : 0);
            wire_nstr(&in);
            if (version <= 1) {
                ck_assert_int_eq(wire_len(&in, 1), 1);
                wire_str(&in);
                ck_assert_int_eq(wire_i16(&in), wanted);
                wire_nstr(&in);
                wire_tags(&in);
            }
            at_end(&in);
        }
    }
    bench_close(&t);
}
END_TEST

START_TEST(config_resources_are_listed_by_type)
{
    static const struct {
        int8_t type;
        int16_t error;
        int32_t n;
    } cases[] = {{2, 0, 1}, {4, 0, 1}, {8, 0, 0}, {16, 0, 0}, {32, 0, 1}, {3, KAFKA_UNSUPPORTED_VERSION, 0}, {0, 0, 3}};
    up();
    config_set set = {0};
    config_set_put(&set, &config_group_defs[0], STR("6000"));
    group_configs_put(t.b, STR("g"), &set);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_begin(&t, 74, 1);
        wire_put_len(&t.out, cases[i].type ? 1 : 0);
        if (cases[i].type) wire_put_i8(&t.out, cases[i].type);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        ck_assert_int_eq(wire_i16(&in), cases[i].error);
        ck_assert_int_eq(wire_len(&in, 1), cases[i].n);
        for (int32_t k = 0; k < cases[i].n; k++) {
            str name = wire_str(&in);
            int8_t type = wire_i8(&in);
            ck_assert(str_eqz(name, type == 2 ? "x" : type == 32 ? "g" : "1"));
            ck_assert(type == cases[i].type || cases[i].type == 0);
            wire_tags(&in);
        }
        at_end(&in);
    }
    bench_begin(&t, 74, 0);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert_int_eq(wire_len(&in, 1), 0);
    at_end(&in);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/api_cluster", no_leader_is_ever_to_be_elected, partitions_can_only_stay_where_they_are,
          replicas_stay_in_the_only_folder, the_quorum_is_this_node, features_stay_at_their_level,
          config_resources_are_listed_by_type)
