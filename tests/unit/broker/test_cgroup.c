/* Consumer groups of the new protocol (KIP-848), by their requests and by simulated members that follow it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "broker/cgroup.h"
#include "broker/group_config.h"
#include "tests/support/broker/client.h"

static bench t;

/* A member as a client keeps it. */
typedef struct actor {
    char id[40];
    const char *instance, *assignor, *regex;
    const char *topics[4];
    int topics_len;
    int32_t epoch;
    cparts owned; /* what it reads from */
    bool silent; /* the next heartbeat says only what it must */
    bool in;
} actor;

typedef struct beat_answer {
    int16_t error;
    int32_t epoch, interval;
    bool assigned;
} beat_answer;

static void up(void)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
    bench_create_topic(&t, "x", 6);
    bench_create_topic(&t, "y", 3);
}

static actor member_of(const char *id, const char *topic_name)
{
    actor m = {.topics = {topic_name}, .topics_len = 1};
    snprintf(m.id, sizeof m.id, "%s", id);
    return m;
}

/* Sends a heartbeat; the assignment, when there is one, replaces what the member owns at once: it is quick. */
static beat_answer beat_as(actor *m, int32_t epoch, int16_t version)
{
    bench_begin(&t, 68, version);
    wire_out *o = &t.out;
    bool joins = epoch == 0, full = !m->silent && epoch >= 0;
    wire_put_str(o, STR("g"));
    wire_put_str(o, str_z(m->id));
    wire_put_i32(o, epoch);
    wire_put_nstr(o, m->instance ? str_z(m->instance) : WIRE_NULL);
    wire_put_nstr(o, WIRE_NULL);
    wire_put_i32(o, full ? 30000 : -1);
    wire_put_len(o, full && !m->regex ? m->topics_len : -1);
    for (int i = 0; full && !m->regex && i < m->topics_len; i++) wire_put_str(o, str_z(m->topics[i]));
    if (version >= 1) wire_put_nstr(o, full && m->regex ? str_z(m->regex) : WIRE_NULL);
    wire_put_nstr(o, full && m->assignor ? str_z(m->assignor) : WIRE_NULL);
    cparts none = {0};
    if (epoch < 0)
        wire_put_len(o, -1);
    else
        cparts_write(o, joins ? &none : &m->owned, NULL);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    beat_answer r = {0};
    ck_assert_int_eq(wire_i32(&in), 0);
    r.error = wire_i16(&in);
    ck_assert((wire_nstr(&in).p != NULL) == (r.error != 0));
    str id = wire_nstr(&in);
    r.epoch = wire_i32(&in);
    r.interval = wire_i32(&in);
    r.assigned = wire_i8(&in) == 1;
    if (r.error == 0) {
        if (m->id[0]) ck_assert(str_eqz(id, m->id));
        snprintf(m->id, sizeof m->id, "%.*s", STR_ARG(id));
    }
    if (r.assigned) {
        m->owned.n = 0;
        cparts_read(&in, &m->owned, NULL);
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    if (r.error == 0) m->epoch = r.epoch;
    m->in = r.error == 0 && epoch >= 0;
    if (joins && r.error == 0) ck_assert(r.assigned);
    if (!m->in && epoch < 0) m->owned.n = 0;
    return r;
}

static int16_t beat(actor *m)
{
    return beat_as(m, m->in ? m->epoch : 0, 1).error;
}

/* Lets everybody send heartbeats until nothing changes. */
static void settle(actor *list, int n)
{
    for (int round = 0; round < 12; round++)
        for (int i = 0; i < n; i++)
            if (list[i].in) ck_assert_int_eq(beat(&list[i]), 0);
}

static void nobody_shares(const actor *list, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) ck_assert(!cparts_meet(&list[i].owned, &list[k].owned));
}

static size_t owned_of(const actor *list, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) total += list[i].in ? list[i].owned.n : 0;
    return total;
}

static void forget(actor *list, int n)
{
    for (int i = 0; i < n; i++) cparts_free(&list[i].owned);
}

START_TEST(members_share_the_partitions_evenly)
{
    up();
    actor m[3] = {member_of("a", "x"), member_of("b", "x"), member_of("c", "x")};
    beat_answer first = beat_as(&m[0], 0, 1);
    ck_assert_int_eq(first.error, 0);
    ck_assert_int_eq(first.epoch, 1);
    ck_assert_int_eq(first.interval, 5000);
    ck_assert_uint_eq(m[0].owned.n, 6);
    m[0].silent = true;
    beat_answer quiet = beat_as(&m[0], 1, 1);
    ck_assert(!quiet.assigned);
    m[0].silent = false;
    ck_assert_int_eq(beat(&m[1]), 0);
    ck_assert_uint_eq(m[1].owned.n, 0); /* nothing is free yet */
    nobody_shares(m, 3);
    settle(m, 2);
    ck_assert_uint_eq(m[0].owned.n, 3);
    ck_assert_uint_eq(m[1].owned.n, 3);
    ck_assert_int_eq(beat(&m[2]), 0);
    settle(m, 3);
    for (int i = 0; i < 3; i++) ck_assert_uint_eq(m[i].owned.n, 2);
    nobody_shares(m, 3);
    ck_assert_int_eq(beat_as(&m[1], -1, 1).epoch, -1);
    settle(m, 3);
    ck_assert_uint_eq(m[0].owned.n, 3);
    ck_assert_uint_eq(m[2].owned.n, 3);
    forget(m, 3);
    bench_close(&t);
}
END_TEST

START_TEST(the_last_partitions_go_to_new_members)
{
    static const int after[3][2] = {{0, 1}, {3, 4}, {2, 5}};
    up();
    actor m[3] = {member_of("c", "x"), member_of("b", "x"), member_of("a", "x")};
    for (int n = 0; n < 3; n++) {
        ck_assert_int_eq(beat(&m[n]), 0);
        settle(m, n + 1);
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) ck_assert_int_eq(m[i].owned.list[k].partition, after[i][k]);
    forget(m, 3);
    bench_close(&t);
}
END_TEST

START_TEST(the_range_assignor_gives_stretches)
{
    up();
    actor m[2] = {member_of("a", "x"), member_of("b", "x")};
    m[0].assignor = m[1].assignor = "range";
    for (int i = 0; i < 2; i++) ck_assert_int_eq(beat(&m[i]), 0);
    settle(m, 2);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++) ck_assert_int_eq(m[i].owned.list[k].partition, i * 3 + k);
    actor bad = member_of("c", "x");
    bad.assignor = "mine";
    ck_assert_int_eq(beat(&bad), KAFKA_UNSUPPORTED_ASSIGNOR);
    forget(m, 2);
    bench_close(&t);
}
END_TEST

START_TEST(members_may_come_and_go_and_all_ends_well)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        rng r;
        rng_seed(&r, seed);
        up();
        enum { N = 6 };
        actor m[N];
        int32_t x = 6;
        for (int i = 0; i < N; i++) {
            char id[16];
            snprintf(id, sizeof id, "m%d", i);
            m[i] = member_of(id, "x");
            if (i % 3 == 2) m[i].topics[m[i].topics_len++] = "y";
            if (i % 2) m[i].assignor = "uniform";
        }
        for (int step = 0; step < 120; step++) {
            actor *a = &m[rng_below(&r, N)];
            uint64_t what = rng_below(&r, 20);
            diag d = {0};
            bench_wait(&t, (int64_t)rng_below(&r, 1500));
            if (what == 0 && a->in) {
                ck_assert_int_eq(beat_as(a, -1, 1).error, 0);
            } else if (what == 1 && x < 14) {
                ck_assert(broker_topic_grow(t.b, STR("x"), ++x, &d));
            } else if (what == 2) {
                bench_kill(&t);
            } else {
                int16_t error = beat(a);
                if (error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_FENCED_MEMBER_EPOCH) {
                    a->in = false;
                    a->owned.n = 0;
                } else {
                    ck_assert_int_eq(error, 0);
                }
            }
            nobody_shares(m, N);
        }
        for (int i = 0; i < N; i++)
            if (beat(&m[i]) != 0) ck_assert_int_eq(beat(&m[i]), 0);
        settle(m, N);
        bench_wait(&t, 1100);
        settle(m, N);
        nobody_shares(m, N);
        ck_assert_uint_eq(owned_of(m, N), (size_t)x + 3);
        size_t least = SIZE_MAX, most = 0;
        for (int i = 0; i < N; i++) {
            least = m[i].owned.n < least ? m[i].owned.n : least;
            most = m[i].owned.n > most ? m[i].owned.n : most;
        }
        ck_assert_uint_le(most - least, 1);
        ck_assert_str_eq(cgroup_state_name(group_find(t.b, STR("g"))->consumer), "Stable");
        forget(m, N);
        bench_close(&t);
    }
}
END_TEST

START_TEST(what_cannot_be_gets_its_code)
{
    up();
    actor none = member_of("", "x");
    ck_assert_int_eq(beat_as(&none, 0, 1).error, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(beat_as(&none, 0, 0).error, 0); /* version 0: the broker makes the id */
    ck_assert_uint_gt(strlen(none.id), 10);
    actor a = member_of("a", "x"), b = member_of("b", "x");
    ck_assert_int_eq(beat_as(&b, 3, 1).error, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(beat_as(&b, -1, 1).error, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(beat_as(&b, -2, 1).error, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(beat_as(&b, -3, 1).error, KAFKA_INVALID_REQUEST);
    b.silent = true;
    ck_assert_int_eq(beat_as(&b, 0, 1).error, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(beat_as(&a, 0, 1).error, 0);
    ck_assert_int_eq(beat_as(&a, a.epoch + 1, 1).error, KAFKA_FENCED_MEMBER_EPOCH);
    b.silent = false;
    b.regex = "(";
    ck_assert_int_eq(beat_as(&b, 0, 1).error, KAFKA_INVALID_REGULAR_EXPRESSION);
    forget(&none, 1);
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_lost_answer_is_repeated_and_a_silent_member_is_taken_out)
{
    up();
    actor a = member_of("a", "x"), b = member_of("b", "x");
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_int_eq(beat(&b), 0);
    int32_t old = a.epoch;
    settle(&a, 1);
    ck_assert_int_gt(a.epoch, old);
    a.in = true;
    ck_assert_int_eq(beat_as(&a, old, 1).error, 0);
    ck_assert_int_eq(beat_as(&a, old - 1, 1).error, KAFKA_FENCED_MEMBER_EPOCH);
    a.in = true;
    for (int i = 0; i < 12; i++) {
        bench_wait(&t, 5000);
        ck_assert_int_eq(beat(&a), 0);
    }
    ck_assert_uint_eq(a.owned.n, 6);
    ck_assert_int_eq(beat_as(&b, b.epoch, 1).error, KAFKA_UNKNOWN_MEMBER_ID);
    bench_wait(&t, 46000);
    ck_assert_str_eq(cgroup_state_name(group_find(t.b, STR("g"))->consumer), "Empty");
    forget(&a, 1);
    forget(&b, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_static_member_finds_its_partitions_again)
{
    up();
    actor a = member_of("a", "x"), b = member_of("b", "x"), c = member_of("c", "x");
    a.instance = c.instance = "i";
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_int_eq(beat(&b), 0);
    actor both[2] = {a, b};
    settle(both, 2);
    a = both[0];
    b = both[1];
    ck_assert_int_eq(beat_as(&c, 0, 1).error, KAFKA_UNRELEASED_INSTANCE_ID);
    cparts had = {0};
    cparts_copy(&had, &a.owned);
    ck_assert_int_eq(beat_as(&a, -2, 1).epoch, -2);
    ck_assert_int_eq(beat(&b), 0);
    ck_assert_uint_eq(b.owned.n, 3);
    ck_assert_int_eq(beat_as(&c, 0, 1).error, 0);
    ck_assert(cparts_same(&c.owned, &had));
    ck_assert_int_eq(beat_as(&a, 2, 1).error, KAFKA_FENCED_INSTANCE_ID);
    cparts_free(&had);
    forget(&a, 1);
    forget(&b, 1);
    forget(&c, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_pattern_follows_the_topics_there_are)
{
    up();
    actor a = member_of("a", "");
    a.regex = "x|new-.*";
    ck_assert_int_eq(beat(&a), 0);
    settle(&a, 1);
    ck_assert_uint_eq(a.owned.n, 6);
    bench_create_topic(&t, "new-1", 2);
    bench_wait(&t, 1500);
    settle(&a, 1);
    ck_assert_uint_eq(a.owned.n, 8);
    diag d = {0};
    ck_assert(broker_topic_delete(t.b, STR("x"), &d));
    bench_wait(&t, 1500);
    settle(&a, 1);
    ck_assert_uint_eq(a.owned.n, 2);
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_group_may_have_an_interval_of_its_own)
{
    up();
    actor a = member_of("a", "x");
    ck_assert_int_eq(beat_as(&a, 0, 1).interval, 5000);
    config_set set = {0};
    config_set_put(&set, config_group_def(STR("consumer.heartbeat.interval.ms")), STR("7000"));
    group_configs_put(t.b, STR("g"), &set);
    ck_assert_int_eq(beat_as(&a, a.epoch, 1).interval, 7000);
    config_set_put(&set, config_group_def(STR("consumer.session.timeout.ms")), STR("60000"));
    group_configs_put(t.b, STR("g"), &set);
    ck_assert_int_eq(beat_as(&a, a.epoch, 1).interval, 5000);
    bench_wait(&t, 59000);
    ck_assert_int_eq(beat(&a), 0);
    bench_wait(&t, 60001);
    ck_assert_int_eq(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_new_pattern_counts_from_the_second_heartbeat_on)
{
    up();
    actor a = member_of("a", ""), b = member_of("b", "");
    a.regex = b.regex = "x";
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_uint_eq(a.owned.n, 0);
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_uint_eq(a.owned.n, 6);
    /* Another member's pattern is known. */
    ck_assert_int_eq(beat(&b), 0);
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_uint_eq(a.owned.n, 3);
    a.regex = "y";
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_uint_eq(a.owned.n, 0);
    settle(&a, 1);
    ck_assert_uint_eq(a.owned.n, 3);
    forget(&a, 1);
    forget(&b, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_pattern_finds_internal_topics_as_well)
{
    up();
    actor a = member_of("a", "");
    a.regex = "__consumer_.*";
    ck_assert_int_eq(beat(&a), 0);
    bench_wait(&t, 1500);
    settle(&a, 1);
    ck_assert_uint_gt(a.owned.n, 0);
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

static int16_t commit(int16_t version, const actor *m, int32_t epoch)
{
    bench_begin(&t, 8, version);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, epoch);
    wire_put_str(o, str_z(m->id));
    wire_put_nstr(o, WIRE_NULL);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, 0);
    wire_put_i64(o, 5);
    wire_put_i32(o, -1);
    wire_put_nstr(o, WIRE_NULL);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_i32(&in);
    return wire_i16(&in);
}

/* OffsetFetch 9 of everything: the error of the group. */
static int16_t fetch_offsets(const actor *m, int32_t epoch)
{
    bench_begin(&t, 9, 9);
    wire_out *o = &t.out;
    wire_put_len(o, 1);
    wire_put_str(o, STR("g"));
    wire_put_nstr(o, str_z(m->id));
    wire_put_i32(o, epoch);
    wire_put_len(o, -1);
    wire_put_tags(o);
    wire_put_bool(o, false);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    int32_t topics = wire_len(&in, 1);
    if (topics > 0) {
        wire_str(&in);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        wire_i32(&in);
        ck_assert_int_eq(wire_i64(&in), 5);
        wire_i32(&in);
        wire_nstr(&in);
        wire_i16(&in);
        wire_tags(&in);
        wire_tags(&in);
    }
    return wire_i16(&in);
}

START_TEST(offsets_are_committed_by_members_of_the_right_epoch)
{
    up();
    actor a = member_of("a", "x"), other = member_of("z", "x");
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_int_eq(commit(9, &a, a.epoch), 0);
    ck_assert_int_eq(commit(9, &a, a.epoch + 1), KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(commit(9, &other, 1), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(commit(8, &a, a.epoch), KAFKA_UNSUPPORTED_VERSION);
    ck_assert_int_eq(fetch_offsets(&a, a.epoch), 0);
    ck_assert_int_eq(fetch_offsets(&a, a.epoch + 1), KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(fetch_offsets(&other, 1), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(fetch_offsets(&other, -1), 0);
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

/* JoinGroup version 5: the error. */
static int16_t classic_join(const char *member_id, char *given)
{
    bench_begin(&t, 11, 5);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, 10000);
    wire_put_i32(o, 10000);
    wire_put_str(o, str_z(member_id));
    wire_put_nstr(o, WIRE_NULL);
    wire_put_str(o, STR("consumer"));
    wire_put_len(o, 1);
    wire_put_str(o, STR("range"));
    wire_put_blob(o, STR("m"));
    wire_in in = bench_call(&t, 1);
    wire_i32(&in);
    int16_t error = wire_i16(&in);
    wire_i32(&in);
    wire_str(&in);
    wire_str(&in);
    str member_id_given = wire_str(&in);
    snprintf(given, 80, "%.*s", STR_ARG(member_id_given));
    return error;
}

START_TEST(a_group_changes_its_protocol_when_nobody_is_in_it)
{
    bench_config(&t, "group.consumer.migration.policy", "disabled");
    up();
    char id[80];
    actor a = member_of("a", "x");
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_int_eq(commit(9, &a, a.epoch), 0);
    ck_assert_int_eq(classic_join("", id), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_int_eq(beat_as(&a, -1, 1).error, 0);
    ck_assert_int_eq(classic_join("", id), KAFKA_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(classic_join(id, id), 0);
    ck_assert_int_eq(beat(&a), KAFKA_GROUP_ID_NOT_FOUND);
    bench_wait(&t, 30000); /* the classic member is gone */
    bench_power_loss(&t, 3);
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_int_eq(fetch_offsets(&a, a.epoch), 0);
    bench_restart(&t);
    a.in = true;
    ck_assert_int_eq(beat(&a), 0);
    ck_assert_ptr_nonnull(group_find(t.b, STR("g"))->consumer);
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

START_TEST(groups_are_described_and_listed_with_their_kind)
{
    up();
    actor a = member_of("a", "x");
    ck_assert_int_eq(beat(&a), 0);
    for (int16_t version = 0; version <= 1; version++) {
        bench_begin(&t, 69, version);
        wire_put_len(&t.out, 2);
        wire_put_str(&t.out, STR("g"));
        wire_put_str(&t.out, STR("h"));
        wire_put_bool(&t.out, false);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        ck_assert_int_eq(wire_len(&in, 1), 2);
        ck_assert_int_eq(wire_i16(&in), 0);
        wire_nstr(&in);
        ck_assert(str_eqz(wire_str(&in), "g"));
        ck_assert(str_eqz(wire_str(&in), "Stable"));
        ck_assert_int_eq(wire_i32(&in), 1);
        ck_assert_int_eq(wire_i32(&in), 1);
        ck_assert(str_eqz(wire_str(&in), "uniform"));
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert(str_eqz(wire_str(&in), "a"));
        wire_nstr(&in);
        wire_nstr(&in);
        ck_assert_int_eq(wire_i32(&in), 1);
        ck_assert(str_eqz(wire_str(&in), "tester"));
        ck_assert(str_eqz(wire_str(&in), "10.0.0.9"));
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert(str_eqz(wire_str(&in), "x"));
        wire_nstr(&in);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(wire_len(&in, 1), 1);
            wire_uuid(&in);
            ck_assert(str_eqz(wire_str(&in), "x"));
            ck_assert_int_eq(wire_len(&in, 1), 6);
            for (int k = 0; k < 6; k++) ck_assert_int_eq(wire_i32(&in), k);
            wire_tags(&in);
            wire_tags(&in);
        }
        if (version >= 1) ck_assert_int_eq(wire_i8(&in), 1);
        wire_tags(&in);
        ck_assert_int_eq(wire_i32(&in), INT32_MIN);
        wire_tags(&in);
        ck_assert_int_eq(wire_i16(&in), KAFKA_GROUP_ID_NOT_FOUND);
    }
    for (int kind = 0; kind < 2; kind++) {
        bench_begin(&t, 16, 5);
        wire_put_len(&t.out, 0);
        wire_put_len(&t.out, 1);
        wire_put_str(&t.out, kind ? STR("consumer") : STR("classic"));
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        wire_i16(&in);
        ck_assert_int_eq(wire_len(&in, 1), kind);
        if (!kind) continue;
        ck_assert(str_eqz(wire_str(&in), "g"));
        ck_assert(str_eqz(wire_str(&in), "consumer"));
        ck_assert(str_eqz(wire_str(&in), "Stable"));
        ck_assert(str_eqz(wire_str(&in), "Consumer"));
    }
    forget(&a, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_power_loss_leaves_every_member_with_what_it_was_told)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        up();
        actor m[3] = {member_of("a", "x"), member_of("b", "x"), member_of("c", "y")};
        m[2].topics[m[2].topics_len++] = "x";
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(beat(&m[i]), 0);
            if (seed % 3 == (uint64_t)i) bench_power_loss(&t, seed);
            for (int k = 0; k <= i; k++) ck_assert_int_eq(beat(&m[k]), 0);
            nobody_shares(m, 3);
        }
        bench_power_loss(&t, seed + 1000);
        settle(m, 3);
        nobody_shares(m, 3);
        ck_assert_uint_eq(owned_of(m, 3), 9);
        forget(m, 3);
        bench_close(&t);
    }
}
END_TEST

UNIT_MAIN("broker/cgroup", members_share_the_partitions_evenly, the_last_partitions_go_to_new_members,
          the_range_assignor_gives_stretches, members_may_come_and_go_and_all_ends_well, what_cannot_be_gets_its_code,
          a_lost_answer_is_repeated_and_a_silent_member_is_taken_out, a_static_member_finds_its_partitions_again,
          a_pattern_follows_the_topics_there_are, a_new_pattern_counts_from_the_second_heartbeat_on,
          a_group_may_have_an_interval_of_its_own, a_pattern_finds_internal_topics_as_well,
          offsets_are_committed_by_members_of_the_right_epoch,
          a_group_changes_its_protocol_when_nobody_is_in_it, groups_are_described_and_listed_with_their_kind,
          a_power_loss_leaves_every_member_with_what_it_was_told)
