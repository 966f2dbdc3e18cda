/* One valid request of every API in every version that is served: each is decoded to its end and answered. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/quota.h"
#include "tests/fuzz/kafka_requests.h"
#include "tests/support/broker/client.h"

enum { FETCH = 1, SASL_AUTHENTICATE = 36 };

static bool decodes(bench *t, const buf *frame, size_t n)
{
    buf_clear(&t->request);
    buf_add(&t->request, frame->data, n);
    bench_send(t, 0);
    return !t->closed;
}

/* Opens a broker with the topic that the requests name. */
static void up(bench *t)
{
    bench_config(t, "offsets.topic.num.partitions", "1");
    bench_config(t, "transaction.state.log.num.partitions", "1");
    bench_open(t);
    bench_create_topic(t, "t", 2);
}

/* The answer, once what it waits for came. The caller frees *out. */
static bool answered(bench *t, buf *out)
{
    diag d = {0};
    for (int i = 0; i < 400; i++) {
        broker_response *r = broker_conn_take(t->conns[0]);
        if (r) {
            ck_assert(broker_response_bytes(r, out, &d));
            broker_response_free(r);
            return true;
        }
        bench_wait(t, 100);
    }
    return false;
}

START_TEST(each_version_of_each_api_has_a_valid_request)
{
    size_t n;
    int pairs = 0;
    const api *table = api_table(&n);
    for (size_t i = 0; i < n; i++) {
        for (int16_t v = table[i].served; v <= table[i].max; v++, pairs++) {
            bench t = {0};
            buf frame = {0}, body = {0}, bytes = {0};
            up(&t);
            ck_assert_msg(kafka_put_body(&body, table[i].key, v, NULL), "%s has no request", table[i].name);
            kafka_make_request(&frame, table[i].key, v, NULL);
            ck_assert_msg(decodes(&t, &frame, frame.len), "%s %d is malformed", table[i].name, v);
            ck_assert_msg(answered(&t, &bytes), "%s %d is not answered", table[i].name, v);
            ck_assert_uint_ge(bytes.len, 8);
            ck_assert_uint_eq(load_be32(bytes.data), bytes.len - 4);
            ck_assert_uint_eq(load_be32(bytes.data + 4), 1);
            bench_hang_up(&t, 0);
            /* Its last byte is part of it. */
            if (body.len > 0)
                ck_assert_msg(!decodes(&t, &frame, frame.len - 1), "%s %d does without its end", table[i].name, v);
            bench_close(&t);
            buf_free(&frame);
            buf_free(&body);
            buf_free(&bytes);
        }
    }
    printf("%d pairs of API and version\n", pairs);
    ck_assert_int_gt(pairs, 200);
}
END_TEST

static int64_t on_clock(void *user)
{
    int64_t *now = user;
    return *now += 1000000000;
}

/*
 * First versions whose answer has a time to wait, INT16_MAX: none has; from the definitions of the answers. APIs that
 * are not named have it in all versions.
 */
static int16_t first_throttled(int16_t key)
{
    static const struct {
        int16_t key, first;
    } list[] = {{0, 1},  {1, 1},  {2, 2},  {3, 3},          {8, 3},          {9, 3},          {10, 1},
                {11, 2}, {12, 1}, {13, 1}, {14, 1},         {15, 1},         {16, 1},         {18, 1},
                {19, 2}, {20, 1}, {23, 2}, {17, INT16_MAX}, {27, INT16_MAX}, {36, INT16_MAX}, {55, INT16_MAX}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].key == key) return list[i].first;
    return 0;
}

/* Two brokers differ in nothing but a quota that every request is over: so must their answers, in the time to wait. */
START_TEST(each_answer_tells_the_time_to_wait_in_its_place)
{
    size_t n;
    const api *table = api_table(&n);
    for (size_t i = 0; i < n; i++) {
        for (int16_t v = table[i].served; v <= table[i].max; v++) {
            if (table[i].key == FETCH) continue; /* is answered empty */
            buf frame = {0}, bytes[2] = {{0}, {0}};
            int64_t now = 1;
            kafka_make_request(&frame, table[i].key, v, NULL);
            for (int k = 0; k < 2; k++) {
                bench t = {.hooks = {.user = &now, .clock_ns = on_clock}};
                up(&t);
                quota_entity everyone = {.has = {[QUOTA_CLIENT] = true}};
                quota_change c = {&everyone, QUOTA_REQUEST, false, 1};
                if (k == 1) quota_apply(t.b, &c);
                ck_assert(decodes(&t, &frame, frame.len));
                ck_assert(answered(&t, &bytes[k]));
                bench_close(&t);
            }
            ck_assert_uint_eq(bytes[0].len, bytes[1].len);
            size_t at = 0;
            while (at < bytes[0].len && bytes[0].data[at] == bytes[1].data[at]) at++;
            if (v < first_throttled(table[i].key)) {
                ck_assert_msg(at == bytes[0].len, "%s %d has no time to wait", table[i].name, v);
            } else {
                /* 1000 is 00 00 03 e8: the first byte that differs is its third. */
                ck_assert_msg(at >= 10 && at + 2 <= bytes[0].len, "%s %d: %zu", table[i].name, v, at);
                ck_assert_msg(load_be32(bytes[0].data + at - 2) == 0, "%s %d", table[i].name, v);
                ck_assert_msg(load_be32(bytes[1].data + at - 2) == 1000, "%s %d", table[i].name, v);
                ck_assert(memcmp(bytes[0].data + at + 2, bytes[1].data + at + 2, bytes[0].len - at - 2) == 0);
            }
            for (int k = 0; k < 2; k++) buf_free(&bytes[k]);
            buf_free(&frame);
        }
    }
}
END_TEST

UNIT_MAIN("broker/every_api", each_version_of_each_api_has_a_valid_request,
          each_answer_tells_the_time_to_wait_in_its_place)
