/* Groups: rounds of two members, static members, time-outs, commits, restarts; by their requests, in told time. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/support/broker/client.h"

static bench t;

typedef struct joined {
    int16_t error;
    int32_t generation;
    char protocol[32], leader[80], member[80];
    bool skip;
    int members;
} joined;

static void copy(char *to, size_t n, str s)
{
    snprintf(to, n, "%.*s", (int)s.n, s.p ? s.p : "");
}

static void send_join(int conn, int16_t version, const char *member, const char *instance, const char *metadata)
{
    bench_begin(&t, 11, version);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, 10000);
    if (version >= 1) wire_put_i32(o, 60000);
    wire_put_str(o, str_z(member));
    if (version >= 5) wire_put_nstr(o, instance ? str_z(instance) : WIRE_NULL);
    wire_put_str(o, STR("consumer"));
    wire_put_len(o, 2);
    wire_put_str(o, STR("range"));
    wire_put_blob(o, str_z(metadata));
    wire_put_tags(o);
    wire_put_str(o, STR("roundrobin"));
    wire_put_blob(o, str_z(metadata));
    wire_put_tags(o);
    if (version >= 8) wire_put_nstr(o, STR("because"));
    wire_put_tags(o);
    bench_send(&t, conn);
    ck_assert(!t.closed);
}

static bool take_join(int conn, int16_t version, joined *j)
{
    wire_in in;
    *j = (joined){0};
    t.key = 11;
    t.flexible = version >= 6;
    if (!bench_take(&t, conn, &in)) return false;
    if (version >= 2) ck_assert_int_eq(wire_i32(&in), 0);
    j->error = wire_i16(&in);
    j->generation = wire_i32(&in);
    if (version >= 7) wire_nstr(&in);
    copy(j->protocol, sizeof j->protocol, version >= 7 ? wire_nstr(&in) : wire_str(&in));
    copy(j->leader, sizeof j->leader, wire_str(&in));
    if (version >= 9) j->skip = wire_bool(&in);
    copy(j->member, sizeof j->member, wire_str(&in));
    j->members = wire_len(&in, 1);
    for (int i = 0; i < j->members; i++) {
        wire_str(&in);
        if (version >= 5) wire_nstr(&in);
        wire_blob(&in);
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return true;
}

static joined join(int conn, int16_t version, const char *member, const char *instance, const char *metadata)
{
    joined j;
    send_join(conn, version, member, instance, metadata);
    ck_assert(take_join(conn, version, &j));
    return j;
}

static void send_sync(int conn, int16_t version, int32_t generation, const char *member, int n, const char *const *who)
{
    bench_begin(&t, 14, version);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, generation);
    wire_put_str(o, str_z(member));
    if (version >= 3) wire_put_nstr(o, WIRE_NULL);
    if (version >= 5) {
        wire_put_nstr(o, STR("consumer"));
        wire_put_nstr(o, STR("range"));
    }
    wire_put_len(o, n);
    for (int i = 0; i < n; i++) {
        char bytes[16];
        snprintf(bytes, sizeof bytes, "part%d", i);
        wire_put_str(o, str_z(who[i]));
        wire_put_blob(o, str_z(bytes));
        wire_put_tags(o);
    }
    wire_put_tags(o);
    bench_send(&t, conn);
    ck_assert(!t.closed);
}

static bool take_sync(int conn, int16_t version, int16_t *error, char assignment[32])
{
    wire_in in;
    t.key = 14;
    t.flexible = version >= 4;
    if (!bench_take(&t, conn, &in)) return false;
    if (version >= 1) wire_i32(&in);
    *error = wire_i16(&in);
    if (version >= 5) {
        wire_nstr(&in);
        wire_nstr(&in);
    }
    copy(assignment, 32, wire_blob(&in));
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return true;
}

static int16_t heartbeat(int conn, int16_t version, int32_t generation, const char *member, const char *instance)
{
    bench_begin(&t, 12, version);
    wire_put_str(&t.out, STR("g"));
    wire_put_i32(&t.out, generation);
    wire_put_str(&t.out, str_z(member));
    if (version >= 3) wire_put_nstr(&t.out, instance ? str_z(instance) : WIRE_NULL);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, conn);
    if (version >= 1) wire_i32(&in);
    return wire_i16(&in);
}

static int16_t leave(int conn, int16_t version, const char *member, const char *instance)
{
    bench_begin(&t, 13, version);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    if (version <= 2) {
        wire_put_str(o, str_z(member));
    } else {
        wire_put_len(o, 1);
        wire_put_str(o, str_z(member));
        wire_put_nstr(o, instance ? str_z(instance) : WIRE_NULL);
        if (version >= 5) wire_put_nstr(o, WIRE_NULL);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    wire_in in = bench_call(&t, conn);
    if (version >= 1) wire_i32(&in);
    int16_t error = wire_i16(&in);
    if (version <= 2) return error;
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    wire_nstr(&in);
    return wire_i16(&in);
}

/* The metadata that commit() sends. */
static str note = {"note", 4};

static int16_t commit(int16_t version, int32_t generation, const char *member, int32_t partition, int64_t offset)
{
    bench_begin(&t, 8, version);
    wire_out *o = &t.out;
    wire_put_str(o, STR("g"));
    wire_put_i32(o, generation);
    wire_put_str(o, str_z(member));
    if (version >= 7) wire_put_nstr(o, WIRE_NULL);
    if (version <= 4) wire_put_i64(o, -1);
    wire_put_len(o, 1);
    wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, partition);
    wire_put_i64(o, offset);
    if (version >= 6) wire_put_i32(o, -1);
    wire_put_nstr(o, note);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 7);
    if (version >= 3) wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), partition);
    return wire_i16(&in);
}

/* OffsetFetch of partition 0 of "x": the offset. version <= 7: one group; else the batched form. */
static int64_t committed(int16_t version, bool all)
{
    bench_begin(&t, 9, version);
    wire_out *o = &t.out;
    if (version >= 8) wire_put_len(o, 1);
    wire_put_str(o, STR("g"));
    if (version >= 9) {
        wire_put_nstr(o, WIRE_NULL);
        wire_put_i32(o, -1);
    }
    wire_put_len(o, all ? -1 : 1);
    if (!all) {
        wire_put_str(o, STR("x"));
        wire_put_len(o, 1);
        wire_put_i32(o, 0);
        wire_put_tags(o);
    }
    if (version >= 8) wire_put_tags(o);
    if (version >= 7) wire_put_bool(o, true);
    wire_put_tags(o);
    wire_in in = bench_call(&t, 7);
    if (version >= 3) wire_i32(&in);
    if (version >= 8) {
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert(str_eqz(wire_str(&in), "g"));
    }
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_str(&in), "x"));
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), 0);
    int64_t offset = wire_i64(&in);
    if (version >= 5) ck_assert_int_eq(wire_i32(&in), -1);
    ck_assert(str_eqz(wire_nstr(&in), offset >= 0 ? "note" : ""));
    ck_assert_int_eq(wire_i16(&in), 0);
    wire_tags(&in);
    wire_tags(&in);
    if (version >= 2) ck_assert_int_eq(wire_i16(&in), 0);
    wire_tags(&in);
    if (version >= 8) wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return offset;
}

static void up(const char *delay_ms)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", delay_ms);
    bench_open(&t);
    bench_create_topic(&t, "x", 2);
}

/* Two members a (connection 0, the leader) and b (connection 1) with assignments; returns the generation. */
static int32_t two_members(char a[80], char b[80])
{
    joined ja = join(0, 5, "", NULL, "sub");
    ck_assert_int_eq(ja.error, KAFKA_MEMBER_ID_REQUIRED);
    ja = join(0, 5, ja.member, NULL, "sub");
    ck_assert_int_eq(ja.error, 0);
    joined jb = join(1, 5, "", NULL, "sub");
    ck_assert_int_eq(jb.error, KAFKA_MEMBER_ID_REQUIRED);
    send_join(1, 5, jb.member, NULL, "sub");
    ck_assert(!take_join(1, 5, &jb));
    ck_assert_int_eq(heartbeat(2, 3, ja.generation, ja.member, NULL), KAFKA_REBALANCE_IN_PROGRESS);
    ja = join(0, 5, ja.member, NULL, "sub");
    ck_assert(take_join(1, 5, &jb));
    ck_assert_int_eq(ja.generation, jb.generation);
    ck_assert_str_eq(ja.leader, ja.member);
    ck_assert_str_eq(jb.leader, ja.member);
    ck_assert_int_eq(ja.members, 2);
    ck_assert_int_eq(jb.members, 0);
    ck_assert_str_eq(ja.protocol, "range");
    snprintf(a, 80, "%s", ja.member);
    snprintf(b, 80, "%s", jb.member);
    int16_t error;
    char assignment[32];
    send_sync(1, 3, ja.generation, b, 0, NULL);
    ck_assert(!take_sync(1, 3, &error, assignment));
    const char *who[] = {a, b};
    send_sync(0, 3, ja.generation, a, 2, who);
    ck_assert(take_sync(0, 3, &error, assignment));
    ck_assert_int_eq(error, 0);
    ck_assert_str_eq(assignment, "part0");
    ck_assert(take_sync(1, 3, &error, assignment));
    ck_assert_str_eq(assignment, "part1");
    return ja.generation;
}

START_TEST(two_members_share_a_generation_and_its_assignment)
{
    char a[80], b[80];
    up("0");
    int32_t generation = two_members(a, b);
    ck_assert_int_eq(heartbeat(0, 0, generation, a, NULL), 0);
    ck_assert_int_eq(heartbeat(0, 4, generation, b, NULL), 0);
    ck_assert_int_eq(heartbeat(0, 1, generation - 1, a, NULL), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(heartbeat(0, 1, generation, "who", NULL), KAFKA_UNKNOWN_MEMBER_ID);
    /* A follower that joins again with the same metadata changes nothing. */
    joined j = join(1, 5, b, NULL, "sub");
    ck_assert_int_eq(j.error, 0);
    ck_assert_int_eq(j.generation, generation);
    bench_close(&t);
}
END_TEST

START_TEST(join_works_in_every_version)
{
    for (int16_t version = 0; version <= 9; version++) {
        up("0");
        joined j = join(0, version, "", NULL, "sub");
        if (version >= 4) {
            ck_assert_int_eq(j.error, KAFKA_MEMBER_ID_REQUIRED);
            j = join(0, version, j.member, NULL, "sub");
        }
        ck_assert_int_eq(j.error, 0);
        ck_assert_int_eq(j.generation, 1);
        ck_assert_int_eq(j.members, 1);
        ck_assert_str_eq(j.leader, j.member);
        int16_t error;
        char assignment[32];
        const char *who[] = {j.member};
        int16_t sync_version = version > 5 ? 5 : version;
        send_sync(0, sync_version, 1, j.member, 1, who);
        ck_assert(take_sync(0, sync_version, &error, assignment));
        ck_assert_int_eq(error, 0);
        ck_assert_str_eq(assignment, "part0");
        ck_assert_int_eq(leave(0, version > 5 ? 5 : version, j.member, NULL), 0);
        bench_close(&t);
    }
}
END_TEST

START_TEST(the_first_round_waits_for_company)
{
    joined j;
    up("3000");
    send_join(0, 3, "", NULL, "sub");
    ck_assert(!take_join(0, 3, &j));
    bench_wait(&t, 2000);
    send_join(1, 3, "", NULL, "sub");
    bench_wait(&t, 1500);
    /* The second came while the first waited: once more the same time. */
    ck_assert(!take_join(0, 3, &j));
    bench_wait(&t, 2000);
    ck_assert(!take_join(0, 3, &j));
    bench_wait(&t, 500);
    ck_assert(take_join(0, 3, &j));
    ck_assert_int_eq(j.members, 2);
    ck_assert(take_join(1, 3, &j));
    ck_assert_int_eq(j.generation, 1);
    bench_close(&t);
}
END_TEST

START_TEST(a_silent_member_is_dropped_and_the_rest_is_told)
{
    char a[80], b[80];
    up("0");
    int32_t generation = two_members(a, b);
    bench_wait(&t, 9000);
    ck_assert_int_eq(heartbeat(0, 3, generation, a, NULL), 0);
    bench_wait(&t, 2000);
    ck_assert_int_eq(heartbeat(0, 3, generation, a, NULL), KAFKA_REBALANCE_IN_PROGRESS);
    joined j = join(0, 5, a, NULL, "sub");
    ck_assert_int_eq(j.error, 0);
    ck_assert_int_eq(j.generation, generation + 1);
    ck_assert_int_eq(j.members, 1);
    ck_assert_int_eq(heartbeat(1, 3, generation, b, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    bench_close(&t);
}
END_TEST

START_TEST(a_member_that_does_not_join_again_is_left_behind)
{
    char a[80], b[80];
    up("0");
    int32_t generation = two_members(a, b);
    joined j;
    send_join(0, 5, a, NULL, "changed");
    ck_assert(!take_join(0, 5, &j));
    for (int i = 0; i < 12; i++) {
        bench_wait(&t, 5000);
        if (i < 11) ck_assert_int_eq(heartbeat(1, 3, generation, b, NULL), KAFKA_REBALANCE_IN_PROGRESS);
    }
    ck_assert(take_join(0, 5, &j));
    ck_assert_int_eq(j.generation, generation + 1);
    ck_assert_int_eq(j.members, 1);
    bench_close(&t);
}
END_TEST

START_TEST(leaving_starts_a_round_and_the_last_leaves_an_empty_group)
{
    char a[80], b[80];
    up("0");
    int32_t generation = two_members(a, b);
    ck_assert_int_eq(leave(1, 1, b, NULL), 0);
    ck_assert_int_eq(leave(1, 1, b, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(heartbeat(0, 3, generation, a, NULL), KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(leave(0, 3, a, NULL), 0);
    arena *arena_ = arena_new();
    broker_group_info *groups;
    ck_assert_uint_eq(broker_group_list(t.b, arena_, &groups), 1);
    ck_assert_str_eq(groups[0].state, "Empty");
    ck_assert_int_eq(groups[0].members, 0);
    arena_free(arena_);
    bench_close(&t);
}
END_TEST

START_TEST(a_static_member_comes_back_without_a_round_and_fences_its_old_self)
{
    up("0");
    joined first = join(0, 5, "", "i1", "sub");
    ck_assert_int_eq(first.error, 0);
    int16_t error;
    char assignment[32];
    const char *who[] = {first.member};
    send_sync(0, 3, first.generation, first.member, 1, who);
    ck_assert(take_sync(0, 3, &error, assignment));
    joined again = join(1, 9, "", "i1", "sub");
    ck_assert_int_eq(again.error, 0);
    ck_assert_int_eq(again.generation, first.generation);
    ck_assert(again.skip);
    ck_assert_str_eq(again.leader, again.member);
    ck_assert_int_eq(again.members, 1);
    ck_assert_str_ne(again.member, first.member);
    ck_assert_int_eq(heartbeat(0, 3, first.generation, first.member, "i1"), KAFKA_FENCED_INSTANCE_ID);
    /* Before version 9 the leader is told of its old self, so that it does not assign. */
    joined old = join(1, 5, "", "i1", "sub");
    ck_assert_str_eq(old.leader, again.member);
    ck_assert_str_ne(old.leader, old.member);
    ck_assert_int_eq(leave(2, 3, "", "i1"), 0);
    ck_assert_int_eq(leave(2, 3, "", "i1"), KAFKA_UNKNOWN_MEMBER_ID);
    bench_close(&t);
}
END_TEST

START_TEST(a_static_member_stays_one_when_it_does_not_say_so_again)
{
    up("0");
    joined j = join(0, 5, "", "one", "sub"), again = join(0, 5, j.member, NULL, "other");
    ck_assert_int_eq(again.error, 0);
    ck_assert_int_eq(again.generation, 2);
    ck_assert_int_eq(leave(0, 5, j.member, NULL), 0);
    /* Its name went with it. */
    ck_assert_int_eq(heartbeat(0, 4, 2, j.member, "one"), KAFKA_UNKNOWN_MEMBER_ID);
    again = join(1, 5, "", "one", "sub");
    ck_assert_int_eq(again.error, 0);
    ck_assert_int_eq(again.generation, 4);
    ck_assert_int_eq(again.members, 1);
    bench_close(&t);
}
END_TEST

START_TEST(joins_that_make_no_sense_get_their_codes)
{
    up("0");
    ck_assert_int_eq(join(0, 3, "ghost", NULL, "sub").error, KAFKA_UNKNOWN_MEMBER_ID);
    joined a = join(0, 3, "", NULL, "sub");
    bench_begin(&t, 11, 0);
    wire_put_str(&t.out, STR("g"));
    wire_put_i32(&t.out, 10000);
    wire_put_str(&t.out, STR(""));
    wire_put_str(&t.out, STR("connect"));
    wire_put_len(&t.out, 1);
    wire_put_str(&t.out, STR("range"));
    wire_put_blob(&t.out, STR(""));
    wire_in in = bench_call(&t, 1);
    ck_assert_int_eq(wire_i16(&in), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    bench_begin(&t, 11, 0);
    wire_put_str(&t.out, STR("h"));
    wire_put_i32(&t.out, 5999);
    wire_put_str(&t.out, STR(""));
    wire_put_str(&t.out, STR("consumer"));
    wire_put_len(&t.out, 0);
    in = bench_call(&t, 1);
    ck_assert_int_eq(wire_i16(&in), KAFKA_INVALID_SESSION_TIMEOUT);
    ck_assert_int_eq(a.error, 0);
    bench_close(&t);
}
END_TEST

START_TEST(offsets_are_committed_and_fetched_in_every_version)
{
    up("0");
    for (int16_t version = 2; version <= 9; version++) {
        ck_assert_int_eq(commit(version, -1, "", 0, 100 + version), 0);
        ck_assert_int_eq(committed(version, false), 100 + version);
        ck_assert_int_eq(committed(version, true), 100 + version);
    }
    ck_assert_int_eq(committed(1, false), 109);
    ck_assert_int_eq(commit(7, -1, "", 5, 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(commit(7, 3, "x", 0, 1), KAFKA_UNKNOWN_MEMBER_ID);
    bench_close(&t);
}
END_TEST

START_TEST(commits_follow_members_and_generations)
{
    char a[80], b[80];
    up("0");
    int32_t generation = two_members(a, b);
    ck_assert_int_eq(commit(7, generation, a, 0, 5), 0);
    ck_assert_int_eq(commit(7, generation + 1, a, 0, 6), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(commit(7, -1, "", 0, 7), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(committed(5, false), 5);
    bench_close(&t);
}
END_TEST

START_TEST(groups_and_offsets_survive_stops_of_every_kind)
{
    char a[80], b[80];
    up("0");
    int32_t generation = two_members(a, b);
    ck_assert_int_eq(commit(7, generation, a, 0, 77), 0);
    for (int how = 0; how < 12; how++) {
        if (how == 0)
            bench_restart(&t);
        else if (how == 1)
            bench_kill(&t);
        else
            bench_power_loss(&t, (uint64_t)how);
        ck_assert_int_eq(committed(7, false), 77);
        ck_assert_int_eq(heartbeat(0, 3, generation, a, NULL), 0);
        int16_t error;
        char assignment[32];
        send_sync(1, 3, generation, b, 0, NULL);
        ck_assert(take_sync(1, 3, &error, assignment));
        ck_assert_int_eq(error, 0);
        ck_assert_str_eq(assignment, "part1");
    }
    bench_close(&t);
}
END_TEST

START_TEST(a_parked_join_dies_with_its_connection)
{
    joined j;
    up("0");
    joined a = join(0, 3, "", NULL, "sub");
    send_join(1, 3, "", NULL, "sub");
    ck_assert(!take_join(1, 3, &j));
    bench_hang_up(&t, 1);
    /* It joined the round all the same, as in Kafka, and is dropped when it never asks for its assignment. */
    a = join(0, 3, a.member, NULL, "sub");
    ck_assert_int_eq(a.members, 2);
    for (int i = 0; i < 13; i++) {
        heartbeat(0, 3, a.generation, a.member, NULL);
        bench_wait(&t, 5000);
    }
    a = join(0, 3, a.member, NULL, "sub");
    ck_assert_int_eq(a.members, 1);
    bench_close(&t);
}
END_TEST

START_TEST(offsets_of_an_empty_group_expire_and_a_deleted_topics_go_at_once)
{
    bench_config(&t, "offsets.retention.minutes", "10");
    up("0");
    ck_assert_int_eq(commit(7, -1, "", 0, 5), 0);
    bench_wait(&t, 9 * 60000);
    ck_assert_int_eq(committed(7, false), 5);
    bench_wait(&t, 3 * 60000);
    ck_assert_int_eq(committed(7, false), -1);
    ck_assert_int_eq(commit(7, -1, "", 0, 6), 0);
    diag d = {0};
    ck_assert(broker_topic_delete(t.b, STR("x"), &d));
    ck_assert_int_eq(committed(7, false), -1);
    bench_restart(&t);
    ck_assert_int_eq(committed(7, false), -1);
    bench_close(&t);
}
END_TEST

START_TEST(metadata_of_an_offset_keeps_its_zero_bytes)
{
    up("0");
    arena *a = arena_new();
    note = STR("Hello\0world!");
    ck_assert_int_eq(commit(8, -1, "", 0, 5), 0);
    note = STR("note");
    for (int restart = 0; restart < 2; restart++) {
        broker_group_offset *got;
        ck_assert_uint_eq(broker_group_offsets(t.b, STR("g"), a, &got), 1);
        ck_assert_uint_eq(got[0].metadata.n, 12);
        ck_assert_mem_eq(got[0].metadata.p, "Hello\0world!", 12);
        bench_begin(&t, 9, 1);
        wire_put_str(&t.out, STR("g"));
        wire_put_len(&t.out, 1);
        wire_put_str(&t.out, STR("x"));
        wire_put_len(&t.out, 1);
        wire_put_i32(&t.out, 0);
        wire_in in = bench_call(&t, 5);
        wire_len(&in, 1);
        wire_str(&in);
        wire_len(&in, 1);
        wire_i32(&in);
        ck_assert_int_eq(wire_i64(&in), 5);
        str told = wire_ntext(&in);
        ck_assert(told.n == 12 && memcmp(told.p, "Hello\0world!", 12) == 0);
        bench_restart(&t);
    }
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(the_facade_writes_and_reads_offsets_of_a_group)
{
    up("0");
    diag d = {0};
    arena *a = arena_new();
    broker_group_offset offsets[] = {{STR("x"), 0, 11, STR(""), 0}, {STR("x"), 1, 12, STR("m"), 0}};
    ck_assert(broker_group_write(t.b, STR("_confluent-ksql-q"), offsets, 2, t.now, &d));
    broker_group_offset *got;
    ck_assert_uint_eq(broker_group_offsets(t.b, STR("_confluent-ksql-q"), a, &got), 2);
    ck_assert_int_eq(got[1].offset, 12);
    ck_assert(str_eqz(got[1].metadata, "m"));
    joined j = join(0, 3, "", NULL, "sub");
    ck_assert_int_eq(j.error, 0);
    ck_assert(!broker_group_write(t.b, STR("g"), offsets, 2, t.now, &d));
    arena_free(a);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/group", two_members_share_a_generation_and_its_assignment, join_works_in_every_version,
          the_first_round_waits_for_company, a_silent_member_is_dropped_and_the_rest_is_told,
          a_member_that_does_not_join_again_is_left_behind, leaving_starts_a_round_and_the_last_leaves_an_empty_group,
          a_static_member_comes_back_without_a_round_and_fences_its_old_self,
          a_static_member_stays_one_when_it_does_not_say_so_again, joins_that_make_no_sense_get_their_codes,
          offsets_are_committed_and_fetched_in_every_version, commits_follow_members_and_generations,
          groups_and_offsets_survive_stops_of_every_kind, a_parked_join_dies_with_its_connection,
          offsets_of_an_empty_group_expire_and_a_deleted_topics_go_at_once,
          metadata_of_an_offset_keeps_its_zero_bytes, the_facade_writes_and_reads_offsets_of_a_group)
