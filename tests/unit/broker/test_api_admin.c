/* Topics, configs and the cluster as administrators see them, in every version. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/support/broker/client.h"

static bench t;

static void up(void)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
}

typedef struct made {
    int16_t error;
    int32_t partitions;
    int configs;
} made;

typedef struct spec {
    const char *name;
    int32_t partitions;
    int16_t replicas;
    int32_t assigned; /* to broker 1 */
    int32_t assigned_to; /* 0: broker 1 */
    const char *config, *value;
    bool validate_only, twice;
} spec;

static made create(int16_t version, spec s)
{
    bench_begin(&t, 19, version);
    wire_out *o = &t.out;
    int n = s.twice ? 2 : 1;
    wire_put_len(o, n);
    for (int i = 0; i < n; i++) {
        wire_put_str(o, str_z(s.name));
        wire_put_i32(o, s.partitions);
        wire_put_i16(o, s.replicas);
        wire_put_len(o, s.assigned);
        for (int32_t k = 0; k < s.assigned; k++) {
            wire_put_i32(o, k);
            wire_put_len(o, 1);
            wire_put_i32(o, s.assigned_to ? s.assigned_to : 1);
            wire_put_tags(o);
        }
        wire_put_len(o, s.config ? 1 : 0);
        if (s.config) {
            wire_put_str(o, str_z(s.config));
            wire_put_nstr(o, s.value ? str_z(s.value) : WIRE_NULL);
            wire_put_tags(o);
        }
        wire_put_tags(o);
    }
    wire_put_i32(o, 1000);
    wire_put_bool(o, s.validate_only);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    made r = {0};
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), n);
    for (int i = 0; i < n; i++) {
        ck_assert(str_eqz(wire_str(&in), s.name));
        if (version >= 7) wire_uuid(&in);
        r.error = wire_i16(&in);
        str message = wire_nstr(&in);
        ck_assert((message.p == NULL) == (r.error == 0));
        if (version >= 5) {
            r.partitions = wire_i32(&in);
            ck_assert_int_eq(wire_i16(&in), r.error ? -1 : 1);
            r.configs = wire_nlen(&in, 5);
            for (int k = 0; k < r.configs; k++) {
                wire_str(&in);
                wire_nstr(&in);
                wire_bool(&in);
                wire_i8(&in);
                wire_bool(&in);
                wire_tags(&in);
            }
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return r;
}

START_TEST(topics_are_created_in_every_version)
{
    bench_config(&t, "replication.factor.clamp", "true");
    up();
    for (int16_t version = 2; version <= 7; version++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", version);
        made r = create(version, (spec){.name = name, .partitions = 3, .replicas = 1, .validate_only = true});
        ck_assert_int_eq(r.error, 0);
        r = create(version, (spec){.name = name, .partitions = 3, .replicas = 3});
        ck_assert_int_eq(r.error, 0);
        if (version >= 5) ck_assert_int_eq(r.partitions, 3);
        if (version >= 5) ck_assert_int_eq(r.configs, (int)config_topic_defs_len);
        r = create(version, (spec){.name = name, .partitions = 3, .replicas = 1});
        ck_assert_int_eq(r.error, KAFKA_TOPIC_ALREADY_EXISTS);
    }
    bench_close(&t);
}
END_TEST

START_TEST(topics_that_cannot_be_get_their_codes)
{
    up();
    ck_assert_int_eq(create(7, (spec){.name = "a/b", .partitions = 1, .replicas = 1}).error,
                     KAFKA_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_eq(create(7, (spec){.name = "..", .partitions = 1, .replicas = 1}).error,
                     KAFKA_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_eq(create(7, (spec){.name = "a", .partitions = 0, .replicas = 1}).error, KAFKA_INVALID_PARTITIONS);
    ck_assert_int_eq(create(7, (spec){.name = "a", .partitions = -2, .replicas = 1}).error, KAFKA_INVALID_PARTITIONS);
    ck_assert_int_eq(create(7, (spec){.name = "a", .partitions = 1, .replicas = 0}).error,
                     KAFKA_INVALID_REPLICATION_FACTOR);
    ck_assert_int_eq(create(7, (spec){.name = "a", .partitions = 1, .replicas = 3}).error,
                     KAFKA_INVALID_REPLICATION_FACTOR);
    ck_assert_int_eq(create(7, (spec){.name = "a", .partitions = 1, .replicas = 1, .twice = true}).error,
                     KAFKA_INVALID_REQUEST);
    spec bad = {.name = "a", .partitions = 1, .replicas = 1, .config = "no.such", .value = "1"};
    ck_assert_int_eq(create(7, bad).error, KAFKA_INVALID_CONFIG);
    bad.config = "retention.ms";
    bad.value = "soon";
    ck_assert_int_eq(create(7, bad).error, KAFKA_INVALID_CONFIG);
    bad.value = NULL;
    ck_assert_int_eq(create(7, bad).error, KAFKA_INVALID_CONFIG);
    bad.config = "cleanup.policy";
    bad.value = "compact,shred";
    ck_assert_int_eq(create(7, bad).error, KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(create(7, (spec){.name = "a", .partitions = 1, .replicas = -1, .assigned = 1}).error,
                     KAFKA_INVALID_REQUEST);
    spec moved = {.name = "a", .partitions = -1, .replicas = -1, .assigned = 2, .assigned_to = 7};
    ck_assert_int_eq(create(7, moved).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    moved.assigned_to = 1;
    ck_assert_int_eq(create(7, moved).error, 0);
    ck_assert_int_eq(create(7, (spec){.name = "a.b", .partitions = 1, .replicas = 1}).error, 0);
    ck_assert_int_eq(create(7, (spec){.name = "a_b", .partitions = 1, .replicas = 1}).error,
                     KAFKA_INVALID_TOPIC_EXCEPTION);
    bench_close(&t);
}
END_TEST

static int16_t delete_topic(int16_t version, const char *name, const uint8_t *id)
{
    static const uint8_t zeros[16];
    bench_begin(&t, 20, version);
    wire_put_len(&t.out, 1);
    if (version >= 6) {
        wire_put_nstr(&t.out, name ? str_z(name) : WIRE_NULL);
        wire_put_uuid(&t.out, id ? id : zeros);
        wire_put_tags(&t.out);
    } else {
        wire_put_str(&t.out, str_z(name));
    }
    wire_put_i32(&t.out, 1000);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    if (version >= 6) {
        wire_nstr(&in);
        wire_uuid(&in);
    } else {
        wire_str(&in);
    }
    int16_t error = wire_i16(&in);
    if (version >= 5) wire_nstr(&in);
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return error;
}

START_TEST(topics_are_deleted_by_name_and_by_id)
{
    up();
    arena *a = arena_new();
    broker_topic_info info;
    for (int16_t version = 1; version <= 6; version++) {
        bench_create_topic(&t, "x", 2);
        ck_assert_int_eq(delete_topic(version, "x", NULL), 0);
        ck_assert_int_eq(delete_topic(version, "x", NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    bench_create_topic(&t, "x", 2);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    ck_assert_int_eq(delete_topic(6, "x", info.id), KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(delete_topic(6, NULL, info.id), 0);
    ck_assert_int_eq(delete_topic(6, NULL, info.id), KAFKA_UNKNOWN_TOPIC_ID);
    arena_free(a);
    bench_close(&t);
}
END_TEST

static int16_t grow(int16_t version, const char *name, int32_t count, int32_t assigned)
{
    bench_begin(&t, 37, version);
    wire_out *o = &t.out;
    wire_put_len(o, 1);
    wire_put_str(o, str_z(name));
    wire_put_i32(o, count);
    wire_put_len(o, assigned);
    for (int32_t i = 0; i < assigned; i++) {
        wire_put_len(o, 1);
        wire_put_i32(o, 1);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    wire_put_i32(o, 1000);
    wire_put_bool(o, false);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    int16_t error = wire_i16(&in);
    wire_nstr(&in);
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return error;
}

START_TEST(partitions_only_become_more)
{
    up();
    bench_create_topic(&t, "x", 1);
    for (int16_t version = 0; version <= 3; version++) ck_assert_int_eq(grow(version, "x", version + 2, -1), 0);
    ck_assert_int_eq(grow(2, "x", 5, -1), KAFKA_INVALID_PARTITIONS);
    ck_assert_int_eq(grow(2, "x", 8, 1), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(grow(2, "x", 6, 1), 0);
    ck_assert_int_eq(grow(2, "y", 6, -1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    arena *a = arena_new();
    broker_topic_info info;
    bench_kill(&t);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    ck_assert_int_eq(info.partitions, 6);
    arena_free(a);
    bench_close(&t);
}
END_TEST

typedef struct described {
    int16_t error;
    int entries;
    char value[64];
    int8_t source;
    bool read_only;
    int synonyms;
} described;

static described describe(int16_t version, int8_t type, const char *name, const char *key)
{
    bench_begin(&t, 32, version);
    wire_out *o = &t.out;
    wire_put_len(o, 1);
    wire_put_i8(o, type);
    wire_put_str(o, str_z(name));
    wire_put_len(o, key ? 1 : -1);
    if (key) wire_put_str(o, str_z(key));
    wire_put_tags(o);
    wire_put_bool(o, true);
    if (version >= 3) wire_put_bool(o, true);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    described r = {0};
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    r.error = wire_i16(&in);
    wire_nstr(&in);
    ck_assert_int_eq(wire_i8(&in), type);
    ck_assert(str_eqz(wire_str(&in), name));
    r.entries = wire_len(&in, 1);
    for (int i = 0; i < r.entries; i++) {
        str entry = wire_str(&in);
        str value = wire_nstr(&in);
        bool wanted = key && str_eqz(entry, key);
        if (wanted) snprintf(r.value, sizeof r.value, "%.*s", (int)value.n, value.p ? value.p : "");
        bool read_only = wire_bool(&in);
        int8_t source = wire_i8(&in);
        wire_bool(&in);
        int n = wire_len(&in, 1);
        for (int k = 0; k < n; k++) {
            wire_str(&in);
            wire_nstr(&in);
            wire_i8(&in);
            wire_tags(&in);
        }
        if (wanted) r.synonyms = n, r.source = source, r.read_only = read_only;
        if (version >= 3) {
            ck_assert_int_gt(wire_i8(&in), 0);
            ck_assert_uint_gt(wire_nstr(&in).n, 0);
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return r;
}

static int16_t alter(int16_t key, int16_t version, int8_t type, const char *name, const char *config, int8_t op,
                     const char *value)
{
    bench_begin(&t, key, version);
    wire_out *o = &t.out;
    wire_put_len(o, 1);
    wire_put_i8(o, type);
    wire_put_str(o, str_z(name));
    wire_put_len(o, 1);
    wire_put_str(o, str_z(config));
    if (key == 44) wire_put_i8(o, op);
    wire_put_nstr(o, value ? str_z(value) : WIRE_NULL);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_bool(o, false);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    int16_t error = wire_i16(&in);
    wire_nstr(&in);
    wire_i8(&in);
    wire_str(&in);
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return error;
}

START_TEST(configs_are_described_altered_and_kept)
{
    up();
    bench_create_topic(&t, "x", 1);
    for (int16_t version = 1; version <= 4; version++) {
        described r = describe(version, 2, "x", NULL);
        ck_assert_int_eq(r.error, 0);
        ck_assert_int_eq(r.entries, (int)config_topic_defs_len);
        r = describe(version, 2, "x", "retention.ms");
        ck_assert_int_eq(r.entries, 1);
        ck_assert_str_eq(r.value, "604800000");
        ck_assert_int_eq(r.source, CONFIG_FROM_DEFAULT);
        r = describe(version, 4, "1", "num.partitions");
        ck_assert_str_eq(r.value, "1");
        ck_assert(r.read_only);
    }
    ck_assert_int_eq(describe(4, 2, "y", NULL).error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(describe(4, 4, "9", NULL).error, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(describe(4, 99, "x", NULL).error, KAFKA_INVALID_REQUEST);
    for (int16_t version = 0; version <= 1; version++) {
        ck_assert_int_eq(alter(44, version, 2, "x", "retention.ms", 0, "1000"), 0);
        ck_assert_int_eq(alter(44, version, 2, "x", "cleanup.policy", 2, "compact"), 0);
    }
    ck_assert_str_eq(describe(4, 2, "x", "cleanup.policy").value, "delete,compact");
    ck_assert_int_eq(alter(44, 1, 2, "x", "cleanup.policy", 3, "delete"), 0);
    ck_assert_int_eq(alter(44, 1, 2, "x", "no.such", 0, "1"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, 2, "x", "retention.ms", 0, NULL), KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(alter(44, 1, 2, "x", "retention.ms", 2, "1"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, 4, "1", "num.partitions", 0, "3"), KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(alter(44, 1, 4, "", "log.retention.bytes", 0, "5000000"), 0);
    ck_assert_int_eq(alter(44, 1, 4, "1", "log.retention.bytes", 0, "6000000"), 0);
    bench_power_loss(&t, 3);
    described r = describe(4, 2, "x", "retention.ms");
    ck_assert_str_eq(r.value, "1000");
    ck_assert_int_eq(r.source, CONFIG_FROM_TOPIC);
    ck_assert_str_eq(describe(4, 2, "x", "cleanup.policy").value, "compact");
    r = describe(4, 2, "x", "retention.bytes");
    ck_assert_str_eq(r.value, "6000000");
    ck_assert_int_eq(r.source, CONFIG_FROM_DYNAMIC_BROKER);
    ck_assert_int_eq(r.synonyms, 3);
    ck_assert_int_eq(alter(44, 1, 2, "x", "retention.ms", 1, NULL), 0);
    ck_assert_str_eq(describe(4, 2, "x", "retention.ms").value, "604800000");
    /* The old API replaces the whole set. */
    for (int16_t version = 0; version <= 2; version++)
        ck_assert_int_eq(alter(33, version, 2, "x", "segment.ms", 0, "7777"), 0);
    ck_assert_str_eq(describe(4, 2, "x", "cleanup.policy").value, "delete");
    ck_assert_str_eq(describe(4, 2, "x", "segment.ms").value, "7777");
    bench_close(&t);
}
END_TEST

START_TEST(the_broker_bounds_what_groups_may_say)
{
    bench_config(&t, "group.consumer.min.heartbeat.interval.ms", "100");
    bench_config(&t, "group.consumer.max.heartbeat.interval.ms", "200");
    up();
    ck_assert_int_eq(alter(44, 1, 32, "g", "consumer.heartbeat.interval.ms", 0, "99"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, 32, "g", "consumer.heartbeat.interval.ms", 0, "100"), 0);
    ck_assert_int_eq(alter(44, 1, 32, "g", "consumer.heartbeat.interval.ms", 0, "201"), KAFKA_INVALID_CONFIG);
    bench_close(&t);
}
END_TEST

START_TEST(values_that_kafka_refuses_are_refused)
{
    static const struct {
        const char *name, *value;
        bool good;
    } cases[] = {
        {"compression.gzip.level", "0", false},
        {"compression.gzip.level", "-1", true},
        {"cleanup.policy", "delete,delete", false},
        {"cleanup.policy", "", true},
        {"remote.storage.enable", "true", false},
        {"remote.storage.enable", "false", true},
        {"remote.log.copy.disable", "false", true},
        {"leader.replication.throttled.replicas", "x", false},
        {"leader.replication.throttled.replicas", "1:", false},
        {"leader.replication.throttled.replicas", "0:1,1:1", true},
        {"follower.replication.throttled.replicas", "*", true},
        {"min.compaction.lag.ms", "500", true},
        {"max.compaction.lag.ms", "499", false}, /* below the other, which is set by now */
        {"max.compaction.lag.ms", "500", true},
        {"message.format.version", "3.0", false},
    };
    up();
    bench_create_topic(&t, "x", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(alter(44, 1, 2, "x", cases[i].name, 0, cases[i].value),
                         cases[i].good ? KAFKA_NONE : KAFKA_INVALID_CONFIG);
    /* Of a broker it is another code (KAFKA-13609). */
    ck_assert_int_eq(alter(44, 1, 4, "", "log.retention.ms", 0, "soon"), KAFKA_INVALID_REQUEST);
    bench_close(&t);
}
END_TEST

START_TEST(the_defaults_of_all_brokers_are_those_that_were_set)
{
    up();
    ck_assert_int_eq(describe(4, 4, "", NULL).entries, 0);
    ck_assert_int_eq(alter(44, 1, 4, "", "log.retention.ms", 0, "5000"), 0);
    ck_assert_int_eq(describe(4, 4, "", NULL).entries, 1);
    described r = describe(4, 4, "", "log.retention.ms");
    ck_assert_str_eq(r.value, "5000");
    ck_assert_int_eq(r.source, CONFIG_FROM_DYNAMIC_DEFAULT);
    bench_close(&t);
}
END_TEST

START_TEST(groups_have_configs_of_their_own)
{
    up();
    enum { GROUP = 32 };
    described r = describe(4, GROUP, "g", NULL);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(r.entries, (int)config_group_defs_len);
    const char *name = "consumer.session.timeout.ms";
    r = describe(4, GROUP, "g", name);
    ck_assert_str_eq(r.value, "45000");
    ck_assert_int_eq(r.source, CONFIG_FROM_DEFAULT);
    ck_assert_int_eq(alter(44, 1, GROUP, "g", name, 0, "50000"), 0);
    ck_assert_int_eq(alter(44, 1, GROUP, "g", name, 0, "44999"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, GROUP, "g", name, 0, "60001"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, GROUP, "g", name, 0, "60001"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, GROUP, "g", name, 2, "1"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, GROUP, "g", "no.such", 0, "1"), KAFKA_INVALID_CONFIG);
    ck_assert_int_eq(alter(44, 1, GROUP, "", name, 0, "50000"), KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(describe(4, GROUP, "", NULL).error, KAFKA_INVALID_REQUEST);
    bench_power_loss(&t, 3);
    r = describe(4, GROUP, "g", name);
    ck_assert_str_eq(r.value, "50000");
    ck_assert_int_eq(r.source, CONFIG_FROM_GROUP);
    ck_assert_int_eq(r.synonyms, 2);
    ck_assert_str_eq(describe(4, GROUP, "other", name).value, "45000");
    ck_assert_int_eq(alter(44, 1, GROUP, "g", name, 1, NULL), 0);
    bench_power_loss(&t, 4);
    ck_assert_str_eq(describe(4, GROUP, "g", name).value, "45000");
    /* A default of the broker that no session can be longer than. */
    ck_assert_int_eq(alter(33, 2, GROUP, "g", "consumer.heartbeat.interval.ms", 0, "6000"), 0);
    bench_config(&t, "group.consumer.session.timeout.ms", "6000");
    bench_restart(&t);
    ck_assert_str_eq(describe(4, GROUP, "g", name).value, "6000");
    ck_assert_int_eq(alter(33, 2, GROUP, "g", "consumer.heartbeat.interval.ms", 0, "6000"), KAFKA_INVALID_CONFIG);
    bench_close(&t);
}
END_TEST

START_TEST(coordinators_and_the_cluster_are_this_node)
{
    up();
    for (int16_t version = 0; version <= 6; version++) {
        bench_begin(&t, 10, version);
        if (version <= 3) wire_put_str(&t.out, STR("g"));
        if (version >= 1) wire_put_i8(&t.out, version % 2);
        if (version >= 4) {
            wire_put_len(&t.out, 1);
            wire_put_str(&t.out, STR("g"));
        }
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        if (version >= 1) wire_i32(&in);
        if (version >= 4) {
            ck_assert_int_eq(wire_len(&in, 1), 1);
            ck_assert(str_eqz(wire_str(&in), "g"));
        } else {
            ck_assert_int_eq(wire_i16(&in), 0);
            if (version >= 1) wire_nstr(&in);
        }
        ck_assert_int_eq(wire_i32(&in), 1);
        ck_assert(str_eqz(wire_str(&in), "broker.test"));
        ck_assert_int_eq(wire_i32(&in), 9092);
        if (version >= 4) ck_assert_int_eq(wire_i16(&in), 0);
    }
    for (int16_t version = 0; version <= 2; version++) {
        bench_begin(&t, 60, version);
        wire_put_bool(&t.out, false);
        if (version >= 1) wire_put_i8(&t.out, 1);
        if (version >= 2) wire_put_bool(&t.out, false);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        ck_assert_int_eq(wire_i16(&in), 0);
        wire_nstr(&in);
        if (version >= 1) ck_assert_int_eq(wire_i8(&in), 1);
        ck_assert(str_eqz(wire_str(&in), "test-cluster-id-000000"));
        ck_assert_int_eq(wire_i32(&in), 1);
        ck_assert_int_eq(wire_len(&in, 1), 1);
    }
    bench_close(&t);
}
END_TEST

START_TEST(topic_partitions_are_described_page_by_page)
{
    up();
    bench_create_topic(&t, "a", 2);
    bench_create_topic(&t, "b", 3);
    const char *cursor = NULL;
    int32_t at = 0;
    int seen = 0, pages = 0;
    do {
        bench_begin(&t, 75, 0);
        wire_put_len(&t.out, 0);
        wire_put_i32(&t.out, 2);
        wire_put_i8(&t.out, cursor ? 1 : -1);
        if (cursor) {
            wire_put_str(&t.out, str_z(cursor));
            wire_put_i32(&t.out, at);
            wire_put_tags(&t.out);
        }
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        int32_t topics = wire_len(&in, 1);
        for (int32_t i = 0; i < topics; i++) {
            ck_assert_int_eq(wire_i16(&in), 0);
            wire_nstr(&in);
            wire_uuid(&in);
            wire_bool(&in);
            int32_t n = wire_len(&in, 1);
            for (int32_t k = 0; k < n; k++, seen++) {
                wire_i16(&in);
                wire_i32(&in);
                wire_i32(&in);
                wire_i32(&in);
                for (int lists = 0; lists < 5; lists++)
                    for (int32_t left = wire_nlen(&in, 4); left > 0; left--) wire_i32(&in);
                wire_tags(&in);
            }
            wire_i32(&in);
            wire_tags(&in);
        }
        bool more = wire_i8(&in) >= 0;
        cursor = more ? str_eqz(wire_str(&in), "a") ? "a" : "b" : NULL;
        if (more) at = wire_i32(&in);
        if (more) wire_tags(&in);
        wire_tags(&in);
        ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
        ck_assert_int_le(++pages, 5);
    } while (cursor);
    ck_assert_int_eq(seen, 5);
    ck_assert_int_eq(pages, 3);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/api_admin", topics_are_created_in_every_version, topics_that_cannot_be_get_their_codes,
          topics_are_deleted_by_name_and_by_id, partitions_only_become_more, configs_are_described_altered_and_kept,
          groups_have_configs_of_their_own, values_that_kafka_refuses_are_refused,
          the_broker_bounds_what_groups_may_say,
          the_defaults_of_all_brokers_are_those_that_were_set, coordinators_and_the_cluster_are_this_node,
          topic_partitions_are_described_page_by_page)
