/* ApiVersions, Metadata, Produce, Fetch and ListOffsets by their bytes. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/support/broker/client.h"

static bench t;

static void up(void)
{
    bench_config(&t, "group.initial.rebalance.delay.ms", "0");
    bench_open(&t);
}

START_TEST(api_versions_lists_the_table_in_every_version)
{
    up();
    size_t count;
    const api *table = api_table(&count);
    for (int16_t version = 0; version <= 5; version++) {
        bench_begin(&t, 18, version);
        if (version >= 3) {
            wire_put_str(&t.out, STR("unit-test"));
            wire_put_str(&t.out, STR("1.0"));
            if (version >= 5) {
                wire_put_nstr(&t.out, WIRE_NULL);
                wire_put_i32(&t.out, -1);
            }
            wire_put_tags(&t.out);
        }
        wire_in in = bench_call(&t, 0);
        ck_assert_int_eq(wire_i16(&in), 0);
        ck_assert_int_eq(wire_len(&in, 6), (int)count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_eq(wire_i16(&in), table[i].key);
            ck_assert_int_eq(wire_i16(&in), table[i].min);
            ck_assert_int_eq(wire_i16(&in), table[i].max);
            wire_tags(&in);
        }
        if (version >= 1) ck_assert_int_eq(wire_i32(&in), 0);
        wire_tags(&in);
        ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    }
    bench_close(&t);
}
END_TEST

START_TEST(api_versions_too_new_is_answered_with_version_0_and_error_35)
{
    up();
    bench_begin(&t, 18, 3);
    store_be16(t.request.data + 2, 99);
    t.flexible = false;
    wire_in in = bench_call(&t, 0);
    ck_assert_int_eq(wire_i16(&in), KAFKA_UNSUPPORTED_VERSION);
    ck_assert_int_eq(wire_len(&in, 6), 1);
    ck_assert_int_eq(wire_i16(&in), 18);
    wire_i16(&in);
    ck_assert_int_eq(wire_i16(&in), 5);
    ck_assert_uint_eq(reader_left(&in.r), 0);
    bench_close(&t);
}
END_TEST

START_TEST(api_versions_refuses_an_odd_software_name)
{
    up();
    bench_begin(&t, 18, 3);
    wire_put_str(&t.out, STR("-bad"));
    wire_put_str(&t.out, STR("1"));
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    ck_assert_int_eq(wire_i16(&in), KAFKA_INVALID_REQUEST);
    bench_close(&t);
}
END_TEST

START_TEST(what_is_no_request_closes_the_connection)
{
    up();
    static const char *const frames[] = {"", "\0", "\0\x12\0", "GET / HTTP/1.1", "\x7f\xff\0\0\0\0\0\1\xff\xff"};
    static const size_t lengths[] = {0, 1, 3, 14, 10};
    for (int i = 0; i < 5; i++) {
        buf_clear(&t.request);
        buf_add(&t.request, frames[i], lengths[i]);
        bench_send(&t, 0);
        ck_assert(t.closed);
        ck_assert(broker_conn_must_close(t.conns[0]));
        bench_hang_up(&t, 0);
    }
    /* A known request with a version that is not served, and one that ends too early. */
    bench_begin(&t, 0, 2);
    bench_send(&t, 0);
    ck_assert(t.closed);
    bench_hang_up(&t, 0);
    bench_begin(&t, 3, 9);
    bench_send(&t, 0);
    ck_assert(t.closed);
    bench_close(&t);
}
END_TEST

/* Reads one topic entry of Metadata: its error; checks the rest of its shape. */
static int16_t read_topic(wire_in *in, int16_t version, const char *name, int32_t partitions)
{
    int16_t error = wire_i16(in);
    str got = version >= 12 ? wire_nstr(in) : wire_str(in);
    ck_assert(name ? str_eqz(got, name) : got.p == NULL);
    if (version >= 10) wire_uuid(in);
    if (version >= 1) ck_assert_int_eq(wire_i8(in), 0);
    ck_assert_int_eq(wire_len(in, 1), partitions);
    for (int32_t i = 0; i < partitions; i++) {
        ck_assert_int_eq(wire_i16(in), 0);
        ck_assert_int_eq(wire_i32(in), i);
        ck_assert_int_eq(wire_i32(in), 1);
        if (version >= 7) ck_assert_int_eq(wire_i32(in), 0);
        for (int lists = 0; lists < 2; lists++) {
            ck_assert_int_eq(wire_len(in, 4), 1);
            ck_assert_int_eq(wire_i32(in), 1);
        }
        if (version >= 5) ck_assert_int_eq(wire_len(in, 4), 0);
        wire_tags(in);
    }
    if (version >= 8) ck_assert_int_eq(wire_i32(in), INT32_MIN);
    wire_tags(in);
    return error;
}

static wire_in call_metadata(int16_t version, const char *name, bool create)
{
    bench_begin(&t, 3, version);
    wire_put_len(&t.out, 1);
    static const uint8_t zeros[16];
    if (version >= 10) wire_put_uuid(&t.out, zeros);
    wire_put_nstr(&t.out, str_z(name));
    wire_put_tags(&t.out);
    if (version >= 4) wire_put_bool(&t.out, create);
    if (version >= 8 && version <= 10) wire_put_bool(&t.out, false);
    if (version >= 8) wire_put_bool(&t.out, false);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    if (version >= 3) ck_assert_int_eq(wire_i32(&in), 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(wire_i32(&in), 1);
    ck_assert(str_eqz(wire_str(&in), "broker.test"));
    ck_assert_int_eq(wire_i32(&in), 9092);
    if (version >= 1) ck_assert_ptr_null(wire_nstr(&in).p);
    wire_tags(&in);
    if (version >= 2) ck_assert(str_eqz(wire_nstr(&in), "test-cluster-id-000000"));
    if (version >= 1) ck_assert_int_eq(wire_i32(&in), 1);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    return in;
}

START_TEST(metadata_makes_a_named_topic_in_every_version)
{
    up();
    for (int16_t version = 0; version <= 13; version++) {
        char name[16];
        snprintf(name, sizeof name, "auto%d", version);
        wire_in in = call_metadata(version, name, true);
        ck_assert_int_eq(read_topic(&in, version, name, 1), 0);
        if (version >= 8 && version <= 10) ck_assert_int_eq(wire_i32(&in), INT32_MIN);
        if (version >= 13) ck_assert_int_eq(wire_i16(&in), 0);
        wire_tags(&in);
        ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    }
    wire_in in = call_metadata(4, "other", false);
    ck_assert_int_eq(read_topic(&in, 4, "other", 0), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    in = call_metadata(4, "bad name", true);
    ck_assert_int_eq(read_topic(&in, 4, "bad name", 0), KAFKA_INVALID_TOPIC_EXCEPTION);
    bench_close(&t);
}
END_TEST

START_TEST(metadata_finds_topics_by_id_and_names_unknown_ids)
{
    up();
    arena *a = arena_new();
    bench_create_topic(&t, "x", 2);
    broker_topic_info info;
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    for (int round = 0; round < 2; round++) {
        bench_begin(&t, 3, 12);
        wire_put_len(&t.out, 1);
        if (round == 1) info.id[3] ^= 1;
        wire_put_uuid(&t.out, info.id);
        wire_put_nstr(&t.out, WIRE_NULL);
        wire_put_tags(&t.out);
        wire_put_bool(&t.out, true);
        wire_put_bool(&t.out, false);
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        wire_len(&in, 1);
        wire_i32(&in);
        wire_str(&in);
        wire_i32(&in);
        wire_nstr(&in);
        wire_tags(&in);
        wire_nstr(&in);
        wire_i32(&in);
        wire_len(&in, 1);
        int16_t error = read_topic(&in, 12, round ? NULL : "x", round ? 0 : 2);
        ck_assert_int_eq(error, round ? KAFKA_UNKNOWN_TOPIC_ID : 0);
    }
    arena_free(a);
    bench_close(&t);
}
END_TEST

START_TEST(what_was_produced_is_fetched_byte_for_byte)
{
    up();
    bench_create_topic(&t, "x", 1);
    batch_options options = batch_options_plain();
    buf batch = {0}, records = {0};
    bench_batch(&batch, &options, "hello", 3, t.now.wall_ms);
    int64_t base, high, stable;
    for (int16_t acks = -1; acks <= 1; acks += 2) {
        ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, acks, NULL, &base), 0);
        ck_assert_int_eq(base, acks == -1 ? 0 : 3);
    }
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 0, false, &records, &high, &stable, NULL), 0);
    ck_assert_int_eq(high, 6);
    ck_assert_int_eq(stable, 6);
    ck_assert_int_eq(bench_count(&records), 6);
    ck_assert_uint_eq(records.len, 2 * batch.len);
    ck_assert_mem_eq(records.data + 16, batch.data + 16, batch.len - 16);
    /* From the middle of a batch the whole batch comes; beyond the end is an error. */
    buf_clear(&records);
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 4, false, &records, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(records.len, batch.len);
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 7, false, NULL, &high, NULL, NULL), KAFKA_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(high, 6);
    ck_assert_int_eq(bench_fetch(&t, "nope", 0, 0, false, NULL, NULL, NULL, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(bench_fetch(&t, "x", 9, 0, false, NULL, NULL, NULL, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    buf_free(&batch);
    buf_free(&records);
    bench_close(&t);
}
END_TEST

START_TEST(produce_answers_each_mistake_with_its_code)
{
    up();
    bench_create_topic(&t, "x", 1);
    batch_options options = batch_options_plain();
    buf batch = {0}, bad = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "nope", 0, &batch, 1, NULL, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(bench_produce(&t, "x", 1, &batch, 1, NULL, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, 2, NULL, NULL), KAFKA_INVALID_REQUIRED_ACKS);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &bad, 1, NULL, NULL), KAFKA_INVALID_RECORD);
    buf_add_str(&bad, buf_str(&batch));
    bad.data[bad.len - 2] ^= 1;
    ck_assert_int_eq(bench_produce(&t, "x", 0, &bad, 1, NULL, NULL), KAFKA_CORRUPT_MESSAGE);
    options.producer_id = 5;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    options.transactional = true;
    buf_clear(&batch);
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, 1, NULL, NULL), KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, 1, "tx", NULL), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    options.producer_id = BROKER_INTERNAL_PRODUCER_FIRST;
    options.transactional = false;
    buf_clear(&batch);
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, 1, NULL, NULL), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    diag d = {0};
    ck_assert(topic_internal(t.b, TOPIC_OFFSETS, &d) == 50);
    ck_assert_int_eq(bench_produce(&t, TOPIC_OFFSETS, 0, &batch, 1, NULL, NULL), KAFKA_INVALID_TOPIC_EXCEPTION);
    broker_config_entry two = {STR("min.insync.replicas"), STR("2")};
    ck_assert(broker_topic_configure(t.b, STR("x"), &two, 1, &d));
    buf_clear(&batch);
    options = batch_options_plain();
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, -1, NULL, NULL), KAFKA_NOT_ENOUGH_REPLICAS);
    ck_assert_int_eq(bench_produce(&t, "x", 0, &batch, 1, NULL, NULL), 0);
    buf_free(&batch);
    buf_free(&bad);
    bench_close(&t);
}
END_TEST

static void begin_produce(int16_t version, const uint8_t *id, int16_t acks, const buf *batch)
{
    bench_begin(&t, 0, version);
    wire_out *o = &t.out;
    wire_put_nstr(o, WIRE_NULL);
    wire_put_i16(o, acks);
    wire_put_i32(o, 1000);
    wire_put_len(o, 1);
    if (version >= 13)
        wire_put_uuid(o, id);
    else
        wire_put_str(o, STR("x"));
    wire_put_len(o, 1);
    wire_put_i32(o, 0);
    wire_put_blob(o, buf_str(batch));
    wire_put_tags(o);
    wire_put_tags(o);
    wire_put_tags(o);
}

START_TEST(produce_works_in_every_version)
{
    up();
    arena *a = arena_new();
    broker_topic_info info;
    bench_create_topic(&t, "x", 1);
    ck_assert(broker_topic_describe(t.b, STR("x"), a, &info));
    batch_options options = batch_options_plain();
    buf batch = {0};
    bench_batch(&batch, &options, "v", 2, t.now.wall_ms);
    for (int16_t version = 3; version <= 13; version++) {
        begin_produce(version, info.id, 1, &batch);
        wire_in in = bench_call(&t, 0);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        if (version >= 13)
            ck_assert_mem_eq(wire_uuid(&in), info.id, 16);
        else
            ck_assert(str_eqz(wire_str(&in), "x"));
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert_int_eq(wire_i32(&in), 0);
        ck_assert_int_eq(wire_i16(&in), 0);
        ck_assert_int_eq(wire_i64(&in), 2 * (version - 3));
        ck_assert_int_eq(wire_i64(&in), -1);
        if (version >= 5) ck_assert_int_eq(wire_i64(&in), 0);
        if (version >= 8) {
            ck_assert_int_eq(wire_len(&in, 1), 0);
            ck_assert_ptr_null(wire_nstr(&in).p);
        }
        wire_tags(&in);
        wire_tags(&in);
        ck_assert_int_eq(wire_i32(&in), 0);
        wire_tags(&in);
        ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    }
    arena_free(a);
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

START_TEST(acks_0_is_never_answered_and_its_failure_closes_the_connection)
{
    up();
    bench_create_topic(&t, "x", 1);
    batch_options options = batch_options_plain();
    buf batch = {0}, none = {0};
    wire_in in;
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    begin_produce(7, NULL, 0, &batch);
    bench_send(&t, 0);
    ck_assert(!t.closed && !bench_take(&t, 0, &in));
    int64_t high;
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 0, false, NULL, &high, NULL, NULL), 0);
    ck_assert_int_eq(high, 1);
    begin_produce(7, NULL, 0, &none);
    bench_send(&t, 0);
    ck_assert(!bench_take(&t, 0, &in));
    ck_assert(broker_conn_must_close(t.conns[0]));
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

static int syncs_asked;
static broker_partition *sync_asked;
static void note_sync(void *user, broker_partition *p)
{
    syncs_asked++;
    sync_asked = p;
}

START_TEST(acks_all_is_answered_without_a_sync_when_so_configured)
{
    syncs_asked = 0;
    bench_config(&t, "acks.all.sync", "false");
    up();
    bench_create_topic(&t, "x", 1);
    t.hooks.sync = note_sync;
    batch_options options = batch_options_plain();
    buf batch = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    begin_produce(7, NULL, -1, &batch);
    bench_send(&t, 0);
    wire_in in;
    ck_assert(bench_take(&t, 0, &in));
    ck_assert_int_eq(syncs_asked, 0);
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

START_TEST(flush_messages_holds_for_acks_all_from_the_page_cache)
{
    syncs_asked = 0;
    bench_config(&t, "acks.all.sync", "false");
    bench_config(&t, "log.flush.interval.messages", "1");
    up();
    bench_create_topic(&t, "x", 1);
    t.hooks.sync = note_sync;
    batch_options options = batch_options_plain();
    buf batch = {0};
    wire_in in;
    diag d = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    begin_produce(7, NULL, -1, &batch);
    bench_send(&t, 0);
    ck_assert(!bench_take(&t, 0, &in));
    ck_assert_int_eq(syncs_asked, 1);
    ck_assert(broker_partition_sync(sync_asked, &d));
    broker_sync_done(t.b, sync_asked, true, t.now);
    ck_assert(bench_take(&t, 0, &in));
    t.hooks.sync = NULL;
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

START_TEST(flush_messages_bounds_what_acks_1_leaves_to_the_page_cache)
{
    bench_config(&t, "log.flush.interval.messages", "2");
    syncs_asked = 0;
    up();
    bench_create_topic(&t, "x", 1);
    t.hooks.sync = note_sync;
    batch_options options = batch_options_plain();
    buf batch = {0};
    wire_in in;
    diag d = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    for (int i = 0; i < 2; i++) {
        begin_produce(7, NULL, 1, &batch);
        bench_send(&t, 0);
        ck_assert_int_eq(bench_take(&t, 0, &in), i == 0);
        ck_assert_int_eq(syncs_asked, i);
    }
    ck_assert(broker_partition_sync(sync_asked, &d));
    broker_sync_done(t.b, sync_asked, true, t.now);
    ck_assert(bench_take(&t, 0, &in));
    t.hooks.sync = NULL;
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

START_TEST(acks_all_waits_for_a_sync_that_later_requests_share)
{
    syncs_asked = 0;
    up();
    bench_create_topic(&t, "x", 1);
    t.hooks.sync = note_sync;
    batch_options options = batch_options_plain();
    buf batch = {0};
    wire_in in;
    diag d = {0};
    bench_batch(&batch, &options, "v", 1, t.now.wall_ms);
    for (int i = 0; i < 3; i++) {
        begin_produce(7, NULL, -1, &batch);
        bench_send(&t, 0);
        ck_assert(!bench_take(&t, 0, &in));
    }
    ck_assert_int_eq(syncs_asked, 1);
    int64_t high;
    bench_begin(&t, 2, 1);
    /* All three are appended although the first is not answered. */
    broker_partition *p = broker_partition_get(t.b, STR("x"), 0);
    high = plog_end(broker_partition_log(p, &d));
    ck_assert_int_eq(high, 3);
    ck_assert(broker_partition_sync(sync_asked, &d));
    broker_sync_done(t.b, sync_asked, true, t.now);
    for (int i = 0; i < 3; i++) {
        t.flexible = false;
        ck_assert(bench_take(&t, 0, &in));
        wire_len(&in, 1);
        wire_str(&in);
        wire_len(&in, 1);
        wire_i32(&in);
        ck_assert_int_eq(wire_i16(&in), 0);
        ck_assert_int_eq(wire_i64(&in), i);
    }
    ck_assert_int_eq(syncs_asked, 1);
    /* A failed sync is an error of everything that waited for it. */
    begin_produce(7, NULL, -1, &batch);
    bench_send(&t, 0);
    ck_assert_int_eq(syncs_asked, 2);
    broker_sync_done(t.b, sync_asked, false, t.now);
    ck_assert(bench_take(&t, 0, &in));
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    ck_assert_int_eq(wire_i16(&in), KAFKA_KAFKA_STORAGE_ERROR);
    t.hooks.sync = NULL;
    broker_partition_release(p);
    buf_free(&batch);
    bench_close(&t);
}
END_TEST

static broker_work *work_asked;
static void note_work(void *user, broker_work *w)
{
    ck_assert_ptr_null(work_asked);
    work_asked = w;
}

START_TEST(a_large_compressed_batch_is_checked_elsewhere_and_keeps_its_place)
{
    up();
    bench_create_topic(&t, "x", 1);
    t.hooks.work = note_work;
    work_asked = NULL;
    batch_options options = batch_options_plain();
    options.codec = CODEC_LZ4;
    batch_builder builder = {0};
    diag d = {0};
    buf large = {0}, small = {0}, noise = {0};
    for (uint32_t i = 0; i < 40000; i++) write_i32(&noise, (int32_t)(i * 2654435761u));
    batch_begin(&builder, &options);
    batch_record r = {STR("k"), buf_str(&noise), t.now.wall_ms, NULL, 0};
    batch_add(&builder, &r);
    uint8_t *data;
    size_t size;
    ck_assert(batch_finish(&builder, &data, &size, &d));
    buf_add(&large, data, size);
    ck_assert_uint_gt(large.len, 64 << 10);
    options.codec = CODEC_NONE;
    bench_batch(&small, &options, "v", 1, t.now.wall_ms);
    wire_in in;
    for (int hang_up = 0; hang_up < 2; hang_up++) {
        begin_produce(7, NULL, 1, &large);
        bench_send(&t, 0);
        ck_assert_ptr_nonnull(work_asked);
        begin_produce(7, NULL, 1, &small);
        bench_send(&t, 0);
        ck_assert(!bench_take(&t, 0, &in));
        if (hang_up) bench_hang_up(&t, 0);
        broker_work *w = work_asked;
        work_asked = NULL;
        w->run(w);
        broker_work_done(t.b, w, t.now);
        for (int i = 0; i < 2 && !hang_up; i++) {
            ck_assert(bench_take(&t, 0, &in));
            wire_len(&in, 1);
            wire_str(&in);
            wire_len(&in, 1);
            wire_i32(&in);
            ck_assert_int_eq(wire_i16(&in), 0);
            ck_assert_int_eq(wire_i64(&in), i);
        }
    }
    /* What was on its way when the connection went is appended; what waited behind it is not. */
    int64_t high;
    buf records = {0};
    ck_assert_int_eq(bench_fetch(&t, "x", 0, 0, false, &records, &high, NULL, NULL), 0);
    ck_assert_int_eq(high, 3);
    ck_assert_int_eq(bench_count(&records), 3);
    t.hooks.work = NULL;
    batch_builder_free(&builder);
    buf_free(&large);
    buf_free(&small);
    buf_free(&noise);
    buf_free(&records);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/api_produce", api_versions_lists_the_table_in_every_version,
          api_versions_too_new_is_answered_with_version_0_and_error_35, api_versions_refuses_an_odd_software_name,
          what_is_no_request_closes_the_connection, metadata_makes_a_named_topic_in_every_version,
          metadata_finds_topics_by_id_and_names_unknown_ids, what_was_produced_is_fetched_byte_for_byte,
          produce_answers_each_mistake_with_its_code, produce_works_in_every_version,
          acks_0_is_never_answered_and_its_failure_closes_the_connection,
          acks_all_is_answered_without_a_sync_when_so_configured,
          flush_messages_holds_for_acks_all_from_the_page_cache,
          acks_all_waits_for_a_sync_that_later_requests_share,
          flush_messages_bounds_what_acks_1_leaves_to_the_page_cache,
          a_large_compressed_batch_is_checked_elsewhere_and_keeps_its_place)
