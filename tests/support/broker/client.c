#include "tests/support/broker/client.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t start_ms = 1700000000000;

static void open_broker(bench *t)
{
    diag d = {0};
    broker_options options = {t->configs, t->configs_len, STR("test-cluster-id-000000"), 1, ++t->seed};
    t->b = broker_open(fs_sim_fs(t->sim), STR("/data"), &options, &t->hooks, t->now, &d);
    ck_assert_msg(t->b != NULL, "%s", d.text);
    broker_run(t->b, t->now);
}

void bench_open(bench *t)
{
    if (t->now.wall_ms == 0) t->now = (broker_time){start_ms, 1000};
    t->sim = fs_sim_new(7);
    open_broker(t);
}

void bench_config(bench *t, const char *name, const char *value)
{
    ck_assert(t->configs_len < 16);
    t->configs[t->configs_len++] = (broker_config_entry){str_z(name), str_z(value)};
}

static void hang_up_all(bench *t)
{
    for (int i = 0; i < BENCH_CONNS; i++) bench_hang_up(t, i);
}

void bench_restart(bench *t)
{
    hang_up_all(t);
    broker_close(t->b);
    open_broker(t);
}

static void start_on(bench *t, fs_sim *disk)
{
    /* The old broker is closed only after the copy was taken: nothing that closing writes is on it. */
    hang_up_all(t);
    broker_close(t->b);
    fs_sim_free(t->sim);
    t->sim = disk;
    open_broker(t);
}

void bench_kill(bench *t)
{
    start_on(t, fs_sim_process_kill(t->sim));
}

void bench_power_loss(bench *t, uint64_t seed)
{
    start_on(t, fs_sim_power_loss(t->sim, seed));
}

void bench_close(bench *t)
{
    hang_up_all(t);
    broker_close(t->b);
    fs_sim_free(t->sim);
    buf_free(&t->request);
    buf_free(&t->response);
    *t = (bench){0};
}

void bench_wait(bench *t, int64_t ms)
{
    /* In steps, so that timers set by timers fire when they are due. */
    int64_t end = t->now.mono_ms + ms;
    for (;;) {
        int64_t next = broker_next_deadline(t->b);
        if (next > end) next = end;
        if (next > t->now.mono_ms) {
            t->now.wall_ms += next - t->now.mono_ms;
            t->now.mono_ms = next;
        }
        broker_run(t->b, t->now);
        if (t->now.mono_ms >= end) return;
    }
}

void bench_begin(bench *t, int16_t key, int16_t version)
{
    const api *a = api_find(key);
    ck_assert_ptr_nonnull(a);
    t->key = key;
    t->version = version;
    t->flexible = version >= a->flexible;
    buf_clear(&t->request);
    write_i16(&t->request, key);
    write_i16(&t->request, version);
    write_i32(&t->request, ++t->correlation);
    wire_out classic = {&t->request, false};
    wire_put_nstr(&classic, t->client_id ? str_z(t->client_id) : STR("tester"));
    t->out = (wire_out){&t->request, t->flexible};
    wire_put_tags(&t->out);
}

static broker_conn *conn_of(bench *t, int i)
{
    broker_conn_options options = {t, STR("10.0.0.9"), STR("broker.test"), 9092, NULL};
    if (!t->conns[i]) t->conns[i] = broker_conn_open(t->b, &options);
    return t->conns[i];
}

void bench_send(bench *t, int conn)
{
    broker_conn *c = conn_of(t, conn);
    /* A copy of the exact size, so that the sanitizer sees a read behind the frame. */
    uint8_t *frame = malloc(t->request.len);
    ck_assert_ptr_nonnull(frame);
    if (t->request.len > 0) memcpy(frame, t->request.data, t->request.len);
    t->closed = !broker_conn_request(c, frame, t->request.len, t->now);
    free(frame);
}

bool bench_take(bench *t, int conn, wire_in *in)
{
    diag d = {0};
    broker_response *r = broker_conn_take(conn_of(t, conn));
    if (!r) return false;
    buf_clear(&t->response);
    ck_assert_msg(broker_response_bytes(r, &t->response, &d), "%s", d.text);
    ck_assert_uint_eq(t->response.len, r->size);
    broker_response_free(r);
    ck_assert_uint_eq(load_be32(t->response.data), t->response.len - 4);
    *in = wire_in_of(t->response.data + 4, t->response.len - 4, t->flexible);
    wire_i32(in);
    if (t->flexible && t->key != 18) wire_tags(in);
    return true;
}

wire_in bench_call(bench *t, int conn)
{
    wire_in in;
    bench_send(t, conn);
    ck_assert_msg(!t->closed, "API %d version %d: the connection is closed", t->key, t->version);
    ck_assert_msg(bench_take(t, conn, &in), "API %d version %d: no answer", t->key, t->version);
    ck_assert_int_eq(load_be32(t->response.data + 4), t->correlation);
    return in;
}

void bench_hang_up(bench *t, int conn)
{
    if (t->conns[conn]) broker_conn_close(t->conns[conn]);
    t->conns[conn] = NULL;
}

void bench_create_topic(bench *t, const char *name, int32_t partitions)
{
    diag d = {0};
    ck_assert_msg(broker_topic_create(t->b, str_z(name), partitions, NULL, 0, &d), "%s", d.text);
}

void bench_batch(buf *out, const batch_options *options, const char *value, int n, int64_t timestamp)
{
    batch_builder b = {0};
    diag d = {0};
    batch_begin(&b, options);
    for (int i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        batch_record r = {str_z(key), str_z(value), timestamp, NULL, 0};
        batch_add(&b, &r);
    }
    uint8_t *data;
    size_t size;
    ck_assert(batch_finish(&b, &data, &size, &d));
    buf_add(out, data, size);
    batch_builder_free(&b);
}

int16_t bench_produce(bench *t, const char *topic_name, int32_t partition, const buf *batch, int16_t acks,
                      const char *txn, int64_t *base)
{
    bench_begin(t, 0, 7);
    wire_out *o = &t->out;
    wire_put_nstr(o, txn ? str_z(txn) : WIRE_NULL);
    wire_put_i16(o, acks);
    wire_put_i32(o, 1000);
    wire_put_len(o, 1);
    wire_put_str(o, str_z(topic_name));
    wire_put_len(o, 1);
    wire_put_i32(o, partition);
    wire_put_blob(o, buf_str(batch));
    wire_in in = bench_call(t, 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_str(&in), topic_name));
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), partition);
    int16_t error = wire_i16(&in);
    int64_t offset = wire_i64(&in);
    wire_i64(&in);
    wire_i64(&in);
    wire_i32(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    if (base) *base = offset;
    return error;
}

int16_t bench_fetch(bench *t, const char *topic_name, int32_t partition, int64_t offset, bool committed, buf *records,
                    int64_t *high, int64_t *stable, int *aborted)
{
    bench_begin(t, 1, 11);
    wire_out *o = &t->out;
    wire_put_i32(o, -1);
    wire_put_i32(o, 0);
    wire_put_i32(o, 1);
    wire_put_i32(o, 1 << 20);
    wire_put_i8(o, committed ? 1 : 0);
    wire_put_i32(o, 0);
    wire_put_i32(o, -1);
    wire_put_len(o, 1);
    wire_put_str(o, str_z(topic_name));
    wire_put_len(o, 1);
    wire_put_i32(o, partition);
    wire_put_i32(o, -1);
    wire_put_i64(o, offset);
    wire_put_i64(o, -1);
    wire_put_i32(o, 1 << 20);
    wire_put_len(o, 0);
    wire_put_str(o, STR(""));
    wire_in in = bench_call(t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert_int_eq(wire_i32(&in), 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_str(&in), topic_name));
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), partition);
    int16_t error = wire_i16(&in);
    int64_t value = wire_i64(&in);
    if (high) *high = value;
    value = wire_i64(&in);
    if (stable) *stable = value;
    wire_i64(&in);
    int32_t n = wire_nlen(&in, 16);
    ck_assert(committed ? n >= 0 : n == -1);
    for (int32_t i = 0; i < n; i++) read_bytes(&in.r, 16);
    if (aborted) *aborted = n;
    ck_assert_int_eq(wire_i32(&in), -1);
    str bytes = wire_blob(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    if (records) buf_add_str(records, bytes);
    return error;
}

int bench_count(const buf *records)
{
    int n = 0;
    for (size_t at = 0; at < records->len;) {
        batch_header h;
        diag d = {0};
        ck_assert_msg(batch_verify(records->data + at, records->len - at, &h, &d), "%s", d.text);
        if (!(h.attributes & BATCH_CONTROL)) n += h.count;
        at += (size_t)batch_size(&h);
    }
    return n;
}
