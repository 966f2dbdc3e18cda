/* Members of the classic and of the new protocol in one group, and groups that go from one to the other (KIP-848). */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/cgroup.h"
#include "tests/support/broker/client.h"

static bench t;

/* Partitions of topic "x", as a bit each. */
typedef unsigned partitions;
enum { ALL = 0x3f };

/* A member of either protocol; epoch is the generation of a classic one. */
typedef struct actor {
    char id[80];
    const char *instance;
    int32_t epoch;
    partitions owned;
    bool leads;
} actor;

static void up(const char *policy)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    if (policy) bench_config(&t, "group.consumer.migration.policy", policy);
    bench_open(&t);
    bench_create_topic(&t, "x", 6);
}

static actor actor_of(const char *id, const char *instance)
{
    actor m = {.instance = instance};
    snprintf(m.id, sizeof m.id, "%s", id);
    return m;
}

static str instance_of(const actor *m)
{
    return m->instance ? str_z(m->instance) : WIRE_NULL;
}

static int count(partitions p)
{
    return __builtin_popcount(p);
}

/* ---- the new protocol ---------------------------------------------------------------------------------- */

static void topic_id(uint8_t id[16])
{
    pthread_mutex_lock(&t.b->meta_lock);
    memcpy(id, topic_find(t.b, STR("x"))->id, 16);
    pthread_mutex_unlock(&t.b->meta_lock);
}

static int16_t beat(actor *m, int32_t epoch)
{
    cparts owned = {0};
    cpart one;
    topic_id(one.id);
    for (one.partition = 0; epoch > 0 && one.partition < 6; one.partition++)
        if (m->owned >> one.partition & 1) cparts_add(&owned, &one);
    bench_begin(&t, 68, 1);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_str(o, str_z(m->id));
    wire_put_i32(o, epoch);
    wire_put_nstr(o, instance_of(m));
    wire_put_nstr(o, WIRE_NULL);
    wire_put_i32(o, 30000);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_nstr(o, WIRE_NULL);
    wire_put_nstr(o, WIRE_NULL);
    cparts_write(o, &owned, NULL);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    int16_t error = wire_i16(&in);
    wire_nstr(&in);
    wire_nstr(&in);
    if (error == 0) m->epoch = wire_i32(&in);
    wire_i32(&in);
    if (error == 0 && wire_i8(&in) == 1) {
        owned.n = 0;
        cparts_read(&in, &owned, NULL);
        m->owned = 0;
        for (size_t i = 0; i < owned.n; i++) m->owned |= 1U << owned.list[i].partition;
    }
    cparts_free(&owned);
    return error;
}

/* ---- the classic protocol ------------------------------------------------------------------------------- */

static void put_parts(wire_out *o, partitions p)
{
    wire_put_len(o, p ? 1 : 0);
    if (p) wire_put_str(o, STR("x"));
    if (p) wire_put_len(o, count(p));
    for (int i = 0; i < 6; i++)
        if (p >> i & 1) wire_put_i32(o, i);
}

static void begin_join(const actor *m, const char *type, const char *protocol)
{
    buf subscription = {0};
    wire_out s = {&subscription, false};
    wire_put_i16(&s, 1);
    wire_put_len(&s, 1);
    wire_put_str(&s, STR("x"));
    wire_put_len(&s, -1);
    put_parts(&s, m->owned);
    bench_begin(&t, 11, 5);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, 10000);
    wire_put_i32(o, 20000);
    wire_put_str(o, str_z(m->id));
    wire_put_nstr(o, instance_of(m));
    wire_put_str(o, str_z(type));
    wire_put_len(o, 1);
    wire_put_str(o, str_z(protocol));
    wire_put_blob(o, buf_str(&subscription));
    buf_free(&subscription);
}

static int16_t join_with(actor *m, const char *type, const char *protocol)
{
    begin_join(m, type, protocol);
    wire_in in = bench_call(&t, 1);
    wire_i32(&in);
    int16_t error = wire_i16(&in);
    int32_t generation = wire_i32(&in);
    if (error == 0) m->epoch = generation;
    if (error == 0) ck_assert(str_eqz(wire_str(&in), protocol));
    else wire_str(&in);
    str leader = wire_str(&in), id = wire_str(&in);
    m->leads = str_eq(leader, id);
    if (error == 0 || error == KAFKA_MEMBER_ID_REQUIRED) snprintf(m->id, sizeof m->id, "%.*s", STR_ARG(id));
    return error;
}

static int16_t join(actor *m)
{
    int16_t error = join_with(m, "consumer", "range");
    return error == KAFKA_MEMBER_ID_REQUIRED ? join_with(m, "consumer", "range") : error;
}

/* A leader gives itself everything. */
static int16_t sync_group(actor *m)
{
    buf mine = {0};
    wire_out s = {&mine, false};
    wire_put_i16(&s, 1);
    put_parts(&s, ALL);
    wire_put_len(&s, -1);
    bench_begin(&t, 14, 3);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, m->epoch);
    wire_put_str(o, str_z(m->id));
    wire_put_nstr(o, instance_of(m));
    wire_put_len(o, m->leads ? 1 : 0);
    if (m->leads) wire_put_str(o, str_z(m->id));
    if (m->leads) wire_put_blob(o, buf_str(&mine));
    buf_free(&mine);
    wire_in in = bench_call(&t, 1);
    wire_i32(&in);
    int16_t error = wire_i16(&in);
    str bytes = wire_blob(&in);
    if (error != 0) return error;
    wire_in a = wire_in_of(bytes.p, bytes.n, false);
    ck_assert_int_eq(wire_i16(&a), 1);
    m->owned = 0;
    for (int32_t n = wire_len(&a, 1); n > 0; n--) {
        ck_assert(str_eqz(wire_str(&a), "x"));
        for (int32_t k = wire_len(&a, 4); k > 0; k--) m->owned |= 1U << wire_i32(&a);
    }
    ck_assert(!wire_failed(&a));
    return error;
}

static int16_t heartbeat(const actor *m)
{
    bench_begin(&t, 12, 3);
    wire_put_str(&t.out, STR("g"));
    wire_put_i32(&t.out, m->epoch);
    wire_put_str(&t.out, str_z(m->id));
    wire_put_nstr(&t.out, instance_of(m));
    wire_in in = bench_call(&t, 1);
    wire_i32(&in);
    return wire_i16(&in);
}

static int16_t leave_group(const actor *m)
{
    bench_begin(&t, 13, 1);
    wire_put_str(&t.out, STR("g"));
    wire_put_str(&t.out, str_z(m->id));
    wire_in in = bench_call(&t, 1);
    wire_i32(&in);
    return wire_i16(&in);
}

static int16_t commit(const actor *m, int32_t generation)
{
    bench_begin(&t, 8, 5);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, generation);
    wire_put_str(o, str_z(m->id));
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, 0);
    wire_put_i64(o, 7);
    wire_put_nstr(o, STR(""));
    wire_in in = bench_call(&t, 1);
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    return wire_i16(&in);
}

/* What a client of the cooperative kind does until nothing changes. */
static void settle(actor *classic, actor *fresh)
{
    for (int i = 0; i < 8; i++) {
        if (classic && heartbeat(classic) != 0) {
            ck_assert_int_eq(join(classic), 0);
            ck_assert_int_eq(sync_group(classic), 0);
        }
        if (fresh) ck_assert_int_eq(beat(fresh, fresh->epoch), 0);
    }
    if (classic) ck_assert_int_eq(heartbeat(classic), 0);
}

static bool is_consumer(void)
{
    return group_find(t.b, STR("g"))->consumer != NULL;
}

/* A classic group with one member that has all of "x". */
static actor classic_group(const char *instance)
{
    actor c = actor_of("", instance);
    ck_assert_int_eq(join(&c), 0);
    ck_assert(c.leads);
    ck_assert_int_eq(sync_group(&c), 0);
    ck_assert_uint_eq(c.owned, ALL);
    ck_assert_int_eq(heartbeat(&c), 0);
    return c;
}

/* ---- tests ------------------------------------------------------------------------------------------------ */

START_TEST(a_living_group_goes_to_the_new_protocol_and_back)
{
    up(NULL);
    actor c = classic_group(NULL), a = actor_of("a", NULL);
    ck_assert_int_eq(beat(&a, 0), 0);
    ck_assert(is_consumer());
    ck_assert_uint_eq(a.owned, 0); /* the other one has it all, and must give it up first */
    ck_assert_int_eq(heartbeat(&c), KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(join(&c), 0);
    ck_assert(!c.leads);
    ck_assert_int_eq(sync_group(&c), 0);
    ck_assert_int_eq(count(c.owned), 3);
    ck_assert_int_eq(beat(&a, a.epoch), 0);
    ck_assert_uint_eq(a.owned, 0); /* it has not said yet that it gave it up */
    settle(&c, &a);
    ck_assert_uint_eq(c.owned | a.owned, ALL);
    ck_assert_uint_eq(c.owned & a.owned, 0);
    ck_assert_int_eq(c.epoch, a.epoch);
    ck_assert_int_eq(commit(&c, c.epoch), 0);
    ck_assert_int_eq(commit(&c, c.epoch + 1), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(commit(&a, a.epoch), KAFKA_UNSUPPORTED_VERSION);
    bench_power_loss(&t, 5);
    ck_assert(is_consumer());
    ck_assert_int_eq(heartbeat(&c), 0);
    ck_assert_int_eq(beat(&a, a.epoch), 0);
    ck_assert_uint_eq(c.owned | a.owned, ALL);
    /* The last of the new protocol goes. */
    ck_assert_int_eq(beat(&a, -1), 0);
    ck_assert(!is_consumer());
    ck_assert_int_eq(heartbeat(&c), KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(commit(&c, c.epoch), 0);
    ck_assert_int_eq(join(&c), 0);
    ck_assert(c.leads);
    ck_assert_int_eq(sync_group(&c), 0);
    ck_assert_uint_eq(c.owned, ALL);
    bench_power_loss(&t, 6);
    ck_assert(!is_consumer());
    ck_assert_int_eq(heartbeat(&c), 0);
    ck_assert_int_eq(commit(&c, c.epoch), 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_member_that_has_not_joined_the_round_yet_keeps_what_it_reads_from)
{
    up(NULL);
    actor c = classic_group(NULL), a = actor_of("a", NULL);
    /* The round that this one begins waits for the other. */
    actor quick = actor_of("", "j");
    begin_join(&quick, "consumer", "range");
    bench_send(&t, 2);
    ck_assert_int_eq(heartbeat(&c), KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(beat(&a, 0), 0);
    ck_assert(is_consumer());
    ck_assert_uint_eq(a.owned, 0);
    ck_assert_int_eq(commit(&c, c.epoch), 0);
    ck_assert_int_eq(join(&c), 0);
    ck_assert_int_eq(sync_group(&c), 0);
    settle(&c, &a);
    ck_assert(c.owned != 0 && a.owned != 0 && (c.owned & a.owned) == 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_classic_member_joins_a_group_of_the_new_protocol_and_leaves_it)
{
    up(NULL);
    actor c = actor_of("", NULL), a = actor_of("a", NULL);
    ck_assert_int_eq(beat(&a, 0), 0);
    ck_assert_uint_eq(a.owned, ALL);
    ck_assert_int_eq(join_with(&c, "connect", "range"), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_int_eq(join_with(&c, "consumer", "range"), KAFKA_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(join(&c), 0);
    ck_assert_int_eq(sync_group(&c), 0);
    ck_assert_uint_eq(c.owned, 0);
    settle(&c, &a);
    ck_assert_int_eq(count(c.owned), 3);
    ck_assert_uint_eq(c.owned ^ a.owned, ALL);
    actor other = actor_of("", NULL);
    ck_assert_int_eq(join_with(&other, "consumer", "sticky"), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    other.epoch = c.epoch;
    ck_assert_int_eq(heartbeat(&other), KAFKA_UNKNOWN_MEMBER_ID);
    actor fake = a;
    ck_assert_int_eq(heartbeat(&fake), KAFKA_UNKNOWN_MEMBER_ID); /* it is of the other kind */
    ck_assert_int_eq(leave_group(&c), 0);
    ck_assert_int_eq(leave_group(&c), KAFKA_UNKNOWN_MEMBER_ID);
    settle(NULL, &a);
    ck_assert_uint_eq(a.owned, ALL);
    ck_assert(is_consumer());
    bench_close(&t);
}
END_TEST

START_TEST(a_classic_member_that_does_not_follow_is_taken_out)
{
    up(NULL);
    actor c = classic_group(NULL), a = actor_of("a", NULL);
    ck_assert_int_eq(beat(&a, 0), 0);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(heartbeat(&c), i < 5 ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_UNKNOWN_MEMBER_ID);
        bench_wait(&t, 4500); /* its session is of 10 seconds, its rebalance time-out of 20 */
        ck_assert_int_eq(beat(&a, a.epoch), 0);
    }
    ck_assert_uint_eq(a.owned, ALL);
    bench_close(&t);
}
END_TEST

START_TEST(the_policy_says_which_way_a_group_may_go)
{
    static const struct {
        const char *policy;
        bool up, mix, down;
    } cases[] = {{"disabled", false, false, false},
                 {"upgrade", true, true, false},
                 {"downgrade", false, true, true},
                 {"bidirectional", true, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        up(cases[i].policy);
        actor c = classic_group(NULL), a = actor_of("a", NULL);
        ck_assert_int_eq(beat(&a, 0), cases[i].up ? 0 : KAFKA_GROUP_ID_NOT_FOUND);
        ck_assert_int_eq(heartbeat(&c), cases[i].up ? KAFKA_REBALANCE_IN_PROGRESS : 0);
        ck_assert_int_eq(leave_group(&c), 0);
        ck_assert_int_eq(beat(&a, 0), 0);
        c = actor_of("", NULL);
        ck_assert_int_eq(join(&c), cases[i].mix ? 0 : KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        if (cases[i].mix) settle(&c, &a);
        ck_assert_int_eq(beat(&a, -1), 0);
        ck_assert_int_eq(is_consumer(), !cases[i].down);
        if (cases[i].mix && !cases[i].down) {
            settle(&c, NULL); /* those who are left go on, and get what became free */
            ck_assert_uint_eq(c.owned, ALL);
        }
        bench_close(&t);
    }
}
END_TEST

START_TEST(a_static_member_changes_its_protocol_and_keeps_its_partitions)
{
    up(NULL);
    actor c = classic_group("i"), a = actor_of("a", "i");
    ck_assert_int_eq(beat(&a, 0), 0);
    ck_assert(is_consumer());
    ck_assert_uint_eq(a.owned, ALL);
    ck_assert_int_eq(heartbeat(&c), KAFKA_FENCED_INSTANCE_ID);
    bench_power_loss(&t, 7);
    ck_assert_int_eq(beat(&a, a.epoch), 0);
    /* And it is the classic one again, as which it is alone. */
    actor d = actor_of("", "i");
    ck_assert_int_eq(join(&d), 0);
    ck_assert(!is_consumer());
    ck_assert_int_eq(sync_group(&d), 0);
    ck_assert_int_eq(heartbeat(&d), 0);
    ck_assert_int_eq(beat(&a, a.epoch), KAFKA_GROUP_ID_NOT_FOUND);
    bench_close(&t);
}
END_TEST

START_TEST(a_group_that_the_broker_cannot_assign_for_stays_classic)
{
    up(NULL);
    actor c = actor_of("", NULL), a = actor_of("a", NULL);
    ck_assert_int_eq(join_with(&c, "connect", "range"), KAFKA_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(join_with(&c, "connect", "range"), 0);
    ck_assert_int_eq(sync_group(&c), 0);
    ck_assert_int_eq(beat(&a, 0), KAFKA_GROUP_ID_NOT_FOUND);
    ck_assert(!is_consumer());
    ck_assert_int_eq(heartbeat(&c), 0);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/cgroup_mixed", a_living_group_goes_to_the_new_protocol_and_back,
          a_classic_member_joins_a_group_of_the_new_protocol_and_leaves_it,
          a_member_that_has_not_joined_the_round_yet_keeps_what_it_reads_from,
          a_classic_member_that_does_not_follow_is_taken_out, the_policy_says_which_way_a_group_may_go,
          a_static_member_changes_its_protocol_and_keeps_its_partitions,
          a_group_that_the_broker_cannot_assign_for_stays_classic)
