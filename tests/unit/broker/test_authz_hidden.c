/* What answers leave out for those who may not know of it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broker/acl_bed.h"

static bench t;

enum { AL = ACL_BED_AL };

/* Metadata of all topics: how many are shown; the operations of the last and of the cluster. */
static int32_t all_topics(int conn, int32_t *operations, int32_t *cluster)
{
    wire_in in = acl_bed_call(&t, conn, 3, 8, "N B=0 B=1 B=1");
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_i32(&in);
    wire_str(&in);
    wire_i32(&in);
    wire_nstr(&in);
    wire_nstr(&in);
    wire_i32(&in);
    int32_t n = wire_len(&in, 1);
    for (int32_t i = 0; i < n; i++) {
        ck_assert_int_eq(wire_i16(&in), 0);
        wire_str(&in);
        wire_i8(&in);
        int32_t partitions = wire_len(&in, 1);
        for (int32_t k = 0; k < partitions; k++) {
            wire_i16(&in);
            for (int j = 0; j < 3; j++) wire_i32(&in);
            for (int j = 0; j < 3; j++)
                for (int32_t left = wire_len(&in, 4); left > 0; left--) wire_i32(&in);
        }
        *operations = wire_i32(&in);
    }
    *cluster = wire_i32(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return n;
}

START_TEST(metadata_shows_what_may_be_described_and_done)
{
    int32_t operations = 0, cluster;
    acl_bed_open(&t, "false");
    bench_create_topic(&t, "other", 1);
    ck_assert_int_eq(all_topics(0, &operations, &cluster), 2);
    ck_assert_int_eq(operations, 0xdf8);
    ck_assert_int_eq(cluster, 0x1fa0);
    ck_assert_int_eq(all_topics(AL, &operations, &cluster), 0);
    ck_assert_int_eq(cluster, 0);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_READ);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_ALTER_CONFIGS);
    acl_bed_grant(&t, ACL_CLUSTER, "kafka-cluster", ACL_IDEMPOTENT_WRITE);
    ck_assert_int_eq(all_topics(AL, &operations, &cluster), 1);
    ck_assert_int_eq(operations,
                     1 << ACL_READ | 1 << ACL_DESCRIBE | 1 << ACL_ALTER_CONFIGS | 1 << ACL_DESCRIBE_CONFIGS);
    ck_assert_int_eq(cluster, 0);
    acl_bed_grant(&t, ACL_CLUSTER, "kafka-cluster", ACL_DESCRIBE);
    all_topics(AL, &operations, &cluster);
    ck_assert_int_eq(cluster, 1 << ACL_IDEMPOTENT_WRITE | 1 << ACL_DESCRIBE);
    /* DescribeCluster: its operations are the last field before the tags. */
    acl_bed_call(&t, AL, 60, 0, "B=1");
    ck_assert_int_eq((int32_t)load_be32(t.response.data + t.response.len - 5), cluster);
    acl_bed_call(&t, AL, 60, 0, "B=0");
    ck_assert_int_eq((int32_t)load_be32(t.response.data + t.response.len - 5), INT32_MIN);
    acl_bed_revoke_all(&t);
    acl_bed_call(&t, AL, 60, 0, "B=1");
    ck_assert_int_eq((int32_t)load_be32(t.response.data + t.response.len - 5), 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_described_list_of_topics_hides_the_rest)
{
    acl_bed_open(&t, "false");
    bench_create_topic(&t, "other", 1);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_WRITE);
    wire_in in = acl_bed_call(&t, AL, 75, 0, "0 i=100 c");
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert(str_eqz(wire_nstr(&in), "t"));
    bench_begin(&t, 75, 0);
    wire_put_len(&t.out, 3);
    static const char *const names[] = {"other", "none", "t"};
    for (int i = 0; i < 3; i++) {
        wire_put_str(&t.out, str_z(names[i]));
        wire_put_tags(&t.out);
    }
    wire_put_i32(&t.out, 100);
    wire_put_i8(&t.out, -1);
    wire_put_tags(&t.out);
    in = bench_call(&t, AL);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 3);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert(str_eqz(wire_nstr(&in), "t"));
    wire_uuid(&in);
    wire_i8(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_i16(&in);
    for (int i = 0; i < 3; i++) wire_i32(&in);
    for (int i = 0; i < 5; i++)
        for (int32_t left = wire_len(&in, 1); left > 0; left--) wire_i32(&in);
    wire_tags(&in);
    ck_assert_int_eq(wire_i32(&in), 1 << ACL_WRITE | 1 << ACL_DESCRIBE);
    wire_tags(&in);
    for (int i = 0; i < 2; i++) {
        static const uint8_t zeros[16];
        ck_assert_int_eq(wire_i16(&in), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        ck_assert(str_eqz(wire_nstr(&in), i == 0 ? "none" : "other"));
        ck_assert(memcmp(wire_uuid(&in), zeros, 16) == 0);
        wire_i8(&in);
        ck_assert_int_eq(wire_len(&in, 1), 0);
        ck_assert_int_eq(wire_i32(&in), INT32_MIN);
        wire_tags(&in);
    }
    ck_assert_int_eq(wire_i8(&in), -1);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    bench_close(&t);
}
END_TEST

START_TEST(deleting_by_id_names_only_what_may_be_described)
{
    acl_bed_open(&t, "false");
    wire_in in = acl_bed_call(&t, AL, 20, 6, "[ n u ] i=1000");
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(!wire_nstr(&in).p);
    ck_assert(memcmp(wire_uuid(&in), acl_bed_topic(), 16) == 0);
    ck_assert_int_eq(wire_i16(&in), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_DESCRIBE);
    in = acl_bed_call(&t, AL, 20, 6, "[ n u ] i=1000");
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_nstr(&in), "t"));
    wire_uuid(&in);
    ck_assert_int_eq(wire_i16(&in), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_DELETE);
    ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, AL, 20, 6, "[ n u ] i=1000"), "i[nuE"), 0);
    bench_close(&t);
}
END_TEST

/* CreateTopics, version 5: the code beside the configs; -1 with configs. */
static int config_code(void)
{
    wire_in in = acl_bed_call(&t, AL, 19, 5, "[ s=new i=1 h=1 0 0 ] i=1000 B=1");
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    wire_str(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    wire_nstr(&in);
    int32_t partitions = wire_i32(&in);
    wire_i16(&in);
    if (wire_len(&in, 1) > 0) return partitions == 1 ? -1 : -2;
    ck_assert_int_eq(partitions, -1);
    wire_in field;
    ck_assert_uint_eq(wire_tags_begin(&in), 1);
    ck_assert_uint_eq(wire_tag(&in, &field), 0);
    int code = wire_i16(&field);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return code;
}

START_TEST(configs_of_a_new_topic_are_shown_to_whom_they_may)
{
    acl_bed_open(&t, "false");
    acl_bed_grant(&t, ACL_TOPIC, "new", ACL_CREATE);
    ck_assert_int_eq(config_code(), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl_bed_grant(&t, ACL_TOPIC, "new", ACL_DESCRIBE_CONFIGS);
    ck_assert_int_eq(config_code(), -1);
    bench_close(&t);
}
END_TEST

static int32_t length_of_list(int16_t key, int16_t version, const char *words, const char *before)
{
    wire_in in = acl_bed_call(&t, AL, key, version, words);
    for (const char *p = before; *p; p++) {
        if (*p == 'i') wire_i32(&in);
        if (*p == 'h') ck_assert_int_eq(wire_i16(&in), 0);
        if (*p == '0') ck_assert_int_eq(wire_len(&in, 1), 0);
        if (*p == '1') ck_assert_int_eq(wire_len(&in, 1), 1);
        if (*p == 's') wire_str(&in);
    }
    return wire_len(&in, 1);
}

START_TEST(lists_of_groups_and_transactions_show_what_may_be_described)
{
    acl_bed_open(&t, "false");
    acl_bed_call(&t, 0, 8, 7, "s=g i=-1 s= n [ s=t [ i=0 q=3 i=-1 n= ] ]");
    acl_bed_call(&t, 0, 8, 7, "s=h i=-1 s= n [ s=t [ i=0 q=3 i=-1 n= ] ]");
    acl_bed_call(&t, 0, 22, 0, "n=tx i=60000");
    ck_assert_int_eq(length_of_list(16, 2, "", "ih"), 0);
    ck_assert_int_eq(length_of_list(66, 0, "0 0", "ih0"), 0);
    acl_bed_grant(&t, ACL_GROUP, "g", ACL_DELETE);
    acl_bed_grant(&t, ACL_TRANSACTIONAL_ID, "tx", ACL_WRITE);
    ck_assert_int_eq(length_of_list(16, 2, "", "ih"), 1);
    ck_assert_int_eq(length_of_list(66, 0, "0 0", "ih0"), 1);
    acl_bed_grant(&t, ACL_CLUSTER, "kafka-cluster", ACL_DESCRIBE);
    ck_assert_int_eq(length_of_list(16, 2, "", "ih"), 2);
    bench_close(&t);
}
END_TEST

START_TEST(offsets_of_hidden_topics_are_neither_shown_nor_deleted)
{
    acl_bed_open(&t, "false");
    acl_bed_call(&t, 0, 8, 7, "s=g i=-1 s= n [ s=t [ i=0 q=3 i=-1 n= ] ]");
    /* Of the group alone: what it has is not told. */
    ck_assert_int_eq(length_of_list(9, 8, "[ s=g N ] B=0", "i1s"), 0);
    acl_bed_grant(&t, ACL_GROUP, "g", ACL_DELETE);
    ck_assert_int_eq(length_of_list(9, 8, "[ s=g N ] B=0", "i1s"), 0);
    ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, AL, 47, 0, "s=g [ s=t [ i=0 ] ]"), "E"), 0);
    wire_in in = acl_bed_call(&t, AL, 47, 0, "s=g [ s=t [ i=0 ] ]");
    wire_i16(&in);
    ck_assert_int_eq(acl_bed_error(in, "i[s[iE"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_READ);
    ck_assert_int_eq(length_of_list(9, 8, "[ s=g N ] B=0", "i1s"), 1);
    in = acl_bed_call(&t, AL, 47, 0, "s=g [ s=t [ i=0 ] ]");
    wire_i16(&in);
    ck_assert_int_eq(acl_bed_error(in, "i[s[iE"), 0);
    ck_assert_int_eq(length_of_list(9, 8, "[ s=g N ] B=0", "i1s"), 0);
    bench_close(&t);
}
END_TEST

START_TEST(a_group_with_hidden_topics_is_not_described)
{
    acl_bed_open(&t, "false");
    acl_bed_call(&t, 0, 68, 0, "s=g s=m i=0 n n i=10000 { s=t } n 0");
    acl_bed_grant(&t, ACL_GROUP, "g", ACL_READ);
    ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, AL, 69, 0, "{ s=g } B=1"), "i[E"),
                     KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_DESCRIBE);
    ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, AL, 69, 0, "{ s=g } B=1"), "i[E"), 0);
    bench_close(&t);
}
END_TEST

/* Topics of the member's assignment, or -1 when the answer has none. */
static int32_t beat(int32_t epoch, const char *regex, int32_t *next)
{
    char words[200];
    snprintf(words, sizeof words, "s=g s=m i=%d n n i=10000 N %s n 0", epoch, regex);
    wire_in in = acl_bed_call(&t, AL, 68, 1, words);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    wire_nstr(&in);
    wire_nstr(&in);
    *next = wire_i32(&in);
    wire_i32(&in);
    if (wire_i8(&in) < 0) return -1;
    return wire_len(&in, 1);
}

START_TEST(patterns_find_only_what_may_be_described)
{
    int32_t epoch;
    acl_bed_open(&t, "false");
    bench_create_topic(&t, "t2", 1);
    bench_create_topic(&t, "t3", 1);
    acl_bed_grant(&t, ACL_GROUP, "g", ACL_READ);
    acl_bed_grant(&t, ACL_TOPIC, "t2", ACL_READ);
    /* A new pattern is looked up beside the heartbeat that brings it. */
    int32_t found = beat(0, "n=t.*", &epoch);
    for (int i = 0; i < 5 && found < 1; i++) found = beat(epoch, "n", &epoch);
    ck_assert_int_eq(found, 1);
    acl_bed_grant(&t, ACL_TOPIC, "t3", ACL_DESCRIBE);
    bench_wait(&t, 40000);
    found = -1;
    for (int i = 0; i < 5 && found < 0; i++) found = beat(epoch, "n", &epoch);
    ck_assert_int_eq(found, 2);
    bench_close(&t);
}
END_TEST

START_TEST(a_fetch_that_waits_sees_that_its_right_is_gone)
{
    static const char words[] = "i=-1 i=500 i=1 i=999 b=0 i=0 i=-1 [ s=t [ i=0 i=-1 q=0 q=-1 i=999 ] ] 0 s=";
    acl_bed_open(&t, "false");
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_READ);
    bench_begin(&t, 1, 11);
    acl_bed_put(&t, words);
    bench_send(&t, AL);
    wire_in in;
    ck_assert(!bench_take(&t, AL, &in));
    acl_bed_revoke_all(&t);
    buf batch = {0};
    batch_options options = batch_options_plain();
    bench_batch(&batch, &options, "secret", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "t", 0, &batch, 1, NULL, NULL), 0);
    buf_free(&batch);
    t.key = 1;
    ck_assert(bench_take(&t, AL, &in));
    ck_assert_int_eq(acl_bed_error(in, "i b b i [s[iE"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_ptr_null(memmem(t.response.data, t.response.len, "secret", 6));
    bench_close(&t);
}
END_TEST

START_TEST(topics_of_a_transaction_are_shown_to_whom_they_may)
{
    acl_bed_open(&t, "false");
    acl_bed_call(&t, 0, 22, 0, "n=tx i=60000");
    ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, 0, 24, 0, "s=tx q=0 h=0 [ s=t { i=0 } ]"), "i[s[iE"), 0);
    acl_bed_grant(&t, ACL_TRANSACTIONAL_ID, "tx", ACL_DESCRIBE);
    for (int may = 0; may < 2; may++) {
        wire_in in = acl_bed_call(&t, AL, 65, 0, "{ s=tx }");
        wire_i32(&in);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert_int_eq(wire_i16(&in), 0);
        wire_str(&in);
        ck_assert(str_eqz(wire_str(&in), "Ongoing"));
        wire_i32(&in);
        wire_i64(&in);
        wire_i64(&in);
        wire_i16(&in);
        ck_assert_int_eq(wire_len(&in, 1), may);
        if (!may) acl_bed_grant(&t, ACL_TOPIC, "t", ACL_DESCRIBE);
    }
    bench_close(&t);
}
END_TEST

START_TEST(partitions_of_a_topic_that_may_not_be_written_spoil_the_request)
{
    acl_bed_open(&t, "false");
    bench_create_topic(&t, "u", 1);
    acl_bed_call(&t, 0, 22, 0, "n=tx i=60000");
    acl_bed_grant(&t, ACL_TRANSACTIONAL_ID, "tx", ACL_WRITE);
    acl_bed_grant(&t, ACL_TOPIC, "t", ACL_WRITE);
    acl_bed_grant(&t, ACL_TOPIC, "__consumer_offsets", ACL_WRITE);
    static const char *const others[] = {"u", "__consumer_offsets"};
    for (int i = 0; i < 2; i++) {
        bench_begin(&t, 24, 0);
        wire_put_str(&t.out, STR("tx"));
        wire_put_i64(&t.out, 0);
        wire_put_i16(&t.out, 0);
        wire_put_len(&t.out, 2);
        for (int k = 0; k < 2; k++) {
            wire_put_str(&t.out, k ? str_z(others[i]) : STR("t"));
            wire_put_len(&t.out, 1);
            wire_put_i32(&t.out, 0);
        }
        wire_in in = bench_call(&t, AL);
        wire_i32(&in);
        ck_assert_int_eq(wire_len(&in, 1), 2);
        for (int k = 0; k < 2; k++) {
            wire_str(&in);
            ck_assert_int_eq(wire_len(&in, 1), 1);
            wire_i32(&in);
            ck_assert_int_eq(wire_i16(&in), k ? KAFKA_TOPIC_AUTHORIZATION_FAILED : KAFKA_OPERATION_NOT_ATTEMPTED);
        }
    }
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/authz_hidden", metadata_shows_what_may_be_described_and_done,
          a_described_list_of_topics_hides_the_rest, deleting_by_id_names_only_what_may_be_described,
          configs_of_a_new_topic_are_shown_to_whom_they_may,
          lists_of_groups_and_transactions_show_what_may_be_described,
          offsets_of_hidden_topics_are_neither_shown_nor_deleted, a_group_with_hidden_topics_is_not_described,
          patterns_find_only_what_may_be_described, a_fetch_that_waits_sees_that_its_right_is_gone,
          topics_of_a_transaction_are_shown_to_whom_they_may,
          partitions_of_a_topic_that_may_not_be_written_spoil_the_request)
