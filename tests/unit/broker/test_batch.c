/* Record batches: the published layout, every reason to refuse one, building and walking. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/rng.h"
#include "broker/batch.h"

static const int64_t NOW = 1700000000000;

static batch_rules rules_plain(void)
{
    return (batch_rules){
        .max_bytes = 1 << 20,
        .segment_bytes = 1 << 30,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .codec = -1,
        .expanded_bytes_max = 64 << 20,
    };
}

static void add(batch_builder *b, const char *key, const char *value, int64_t timestamp)
{
    batch_record r = {.key = str_z(key), .value = str_z(value), .timestamp = timestamp};
    batch_add(b, &r);
}

/* A batch of `count` records on the heap, so that a read beyond its end is seen. */
static uint8_t *make(int count, batch_codec codec, size_t *n)
{
    batch_builder b = {0};
    batch_options o = batch_options_plain();
    o.codec = codec;
    batch_begin(&b, &o);
    for (int i = 0; i < count; i++) add(&b, i % 3 ? "key" : "", i % 5 ? "a value of some bytes" : NULL, NOW + i);
    uint8_t *data;
    diag d = {0};
    ck_assert(batch_finish(&b, &data, n, &d));
    uint8_t *copy = malloc(*n);
    memcpy(copy, data, *n);
    batch_builder_free(&b);
    return copy;
}

static void fix_crc(uint8_t *p, size_t n)
{
    store_be32(p + 17, hash_crc32c(p + BATCH_CRC_START, n - BATCH_CRC_START));
}

static kafka_error check_with(uint8_t *p, size_t n, batch_rules rules)
{
    batch_checked c;
    batch_check(p, n, &rules, 9, NOW, &c);
    kafka_error error = c.error;
    batch_checked_free(&c);
    return error;
}

static kafka_error check_plain(uint8_t *p, size_t n)
{
    return check_with(p, n, rules_plain());
}

/* Written by hand from the published layout: one record, key "k", value "v", one header h=1. */
static const uint8_t BY_HAND[] = {
    0,    0,    0,    0,    0,    0,
    0,    0, /* base offset */
    0,    0,    0,    61, /* length: 49 + 12 */
    0xff, 0xff, 0xff, 0xff, /* leader epoch */
    2, /* magic */
    0,    0,    0,    0, /* crc, filled in below */
    0,    0, /* attributes */
    0,    0,    0,    0, /* last offset delta */
    0,    0,    1,    0x8b, 0xcf, 0xe5,
    0x68, 0, /* base timestamp 1700000000000 */
    0,    0,    1,    0x8b, 0xcf, 0xe5,
    0x68, 0, /* max timestamp */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, /* producer id */
    0xff, 0xff, /* producer epoch */
    0xff, 0xff, 0xff, 0xff, /* base sequence */
    0,    0,    0,    1, /* count */
    22,   0,    0,    0,    2,    'k',
    2,    'v',  2,    2,    'h',  2 /* record: 11 bytes follow; the header's value is behind */,
};

START_TEST(the_published_layout_is_read_and_written)
{
    uint8_t p[sizeof BY_HAND + 1];
    memcpy(p, BY_HAND, sizeof BY_HAND);
    p[sizeof BY_HAND] = '1';
    store_be32(p + 8, sizeof p - 12);
    p[61] = 2 * (sizeof p - 62);
    fix_crc(p, sizeof p);
    ck_assert_int_eq(check_plain(p, sizeof p), KAFKA_NONE);
    batch_builder b = {0};
    batch_options o = batch_options_plain();
    batch_begin(&b, &o);
    batch_record_header h = {STR("h"), STR("1")};
    batch_record r = {.key = STR("k"), .value = STR("v"), .timestamp = NOW, .headers = &h, .header_count = 1};
    batch_add(&b, &r);
    uint8_t *data;
    size_t n;
    diag d = {0};
    ck_assert(batch_finish(&b, &data, &n, &d));
    ck_assert_uint_eq(n, sizeof p);
    ck_assert_int_eq(memcmp(data, p, n), 0);
    ck_assert_uint_le(n - BATCH_HEADER, batch_record_bound(&r));
    batch_builder_free(&b);
}
END_TEST

START_TEST(records_come_back_as_they_were_added_with_every_codec)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        size_t n;
        uint8_t *p = make(300, (batch_codec)codec, &n);
        ck_assert_int_eq(check_plain(p, n), KAFKA_NONE);
        store_be64(p, 1000);
        batch_iter it = {0};
        batch_record_view v;
        diag d = {0};
        ck_assert(batch_iter_open(&it, p, n, 1 << 20, &d));
        for (int i = 0; i < 300; i++) {
            ck_assert_int_eq(batch_iter_next(&it, &v, &d), 1);
            ck_assert_int_eq(v.offset, 1000 + i);
            ck_assert_int_eq(v.timestamp, NOW + i);
            ck_assert(str_eqz(v.key, i % 3 ? "key" : "") && v.key.p != NULL);
            ck_assert(i % 5 ? str_eqz(v.value, "a value of some bytes") : v.value.p == NULL);
        }
        ck_assert_int_eq(batch_iter_next(&it, &v, &d), 0);
        batch_iter_free(&it);
        free(p);
    }
}
END_TEST

START_TEST(headers_are_walked)
{
    batch_builder b = {0};
    batch_options o = batch_options_plain();
    batch_begin(&b, &o);
    batch_record_header h[] = {{STR("a"), STR("1")}, {STR(""), {0}}, {STR("a"), STR("")}};
    batch_record r = {.value = STR("v"), .timestamp = NOW, .headers = h, .header_count = 3};
    batch_add(&b, &r);
    uint8_t *p;
    size_t n;
    diag d = {0};
    ck_assert(batch_finish(&b, &p, &n, &d));
    batch_iter it = {0};
    batch_record_view v;
    ck_assert(batch_iter_open(&it, p, n, 1 << 20, &d) && batch_iter_next(&it, &v, &d) == 1);
    ck_assert(v.key.p == NULL && v.header_count == 3);
    str key, value;
    ck_assert(batch_header_next(&v, &key, &value) && str_eqz(key, "a") && str_eqz(value, "1"));
    ck_assert(batch_header_next(&v, &key, &value) && key.n == 0 && value.p == NULL);
    ck_assert(batch_header_next(&v, &key, &value) && str_eqz(key, "a") && value.p && value.n == 0);
    ck_assert(!batch_header_next(&v, &key, &value));
    batch_iter_free(&it);
    batch_builder_free(&b);
}
END_TEST

START_TEST(what_is_not_one_whole_batch_of_format_2_is_refused)
{
    size_t n;
    uint8_t *p = make(3, CODEC_NONE, &n);
    ck_assert_int_eq(check_plain(p, 0), KAFKA_INVALID_RECORD);
    ck_assert_int_eq(check_plain(p, 11), KAFKA_INVALID_RECORD);
    ck_assert_int_eq(check_plain(p, n - 1), KAFKA_INVALID_RECORD);
    uint8_t *two = malloc(2 * n);
    memcpy(two, p, n);
    memcpy(two + n, p, n);
    ck_assert_int_eq(check_plain(two, 2 * n), KAFKA_INVALID_RECORD);
    ck_assert_int_eq(check_plain(two, 2 * n - 1), KAFKA_NONE);
    store_be32(two + n + 8, 3);
    ck_assert_int_eq(check_plain(two, 2 * n), KAFKA_CORRUPT_MESSAGE);
    p[16] = 1;
    ck_assert_int_eq(check_plain(p, n), KAFKA_INVALID_RECORD);
    p[16] = 9;
    ck_assert_int_eq(check_plain(p, n), KAFKA_CORRUPT_MESSAGE);
    p[16] = 2;
    store_be32(p + 8, 20);
    ck_assert_int_eq(check_plain(p, n), KAFKA_CORRUPT_MESSAGE);
    free(p);
    free(two);
}
END_TEST

/* One field of the header is changed (with a fresh CRC) and the exact code is expected. */
static kafka_error with_field(int at, int width, int64_t value)
{
    size_t n;
    uint8_t *p = make(3, CODEC_NONE, &n);
    if (width == 8) store_be64(p + at, (uint64_t)value);
    if (width == 4) store_be32(p + at, (uint32_t)value);
    if (width == 2) store_be16(p + at, (uint16_t)value);
    fix_crc(p, n);
    kafka_error error = check_plain(p, n);
    free(p);
    return error;
}

START_TEST(each_rule_of_the_header_has_its_code)
{
    ck_assert_int_eq(with_field(0, 8, 1), KAFKA_INVALID_RECORD); /* base offset */
    ck_assert_int_eq(with_field(12, 4, 77), KAFKA_NONE); /* leader epoch: anything */
    ck_assert_int_eq(with_field(23, 4, -1), KAFKA_INVALID_RECORD); /* last offset delta */
    ck_assert_int_eq(with_field(23, 4, 5), KAFKA_INVALID_RECORD);
    ck_assert_int_eq(with_field(57, 4, 0), KAFKA_INVALID_RECORD); /* count */
    ck_assert_int_eq(with_field(57, 4, 2), KAFKA_INVALID_RECORD);
    ck_assert_int_eq(with_field(21, 2, BATCH_CONTROL), KAFKA_INVALID_RECORD);
    ck_assert_int_eq(with_field(21, 2, BATCH_LOG_APPEND_TIME), KAFKA_INVALID_TIMESTAMP);
    ck_assert_int_eq(with_field(21, 2, 6), KAFKA_UNKNOWN_SERVER_ERROR); /* codec */
    ck_assert_int_eq(with_field(43, 8, 12), KAFKA_INVALID_RECORD); /* producer id without a sequence */
    size_t n;
    uint8_t *p = make(3, CODEC_NONE, &n);
    p[n - 1] ^= 1;
    ck_assert_int_eq(check_plain(p, n), KAFKA_CORRUPT_MESSAGE);
    free(p);
}
END_TEST

START_TEST(each_rule_of_the_topic_has_its_code)
{
    size_t n;
    uint8_t *p = make(3, CODEC_NONE, &n);
    batch_rules r = rules_plain();
    r.max_bytes = (int64_t)n - 1;
    ck_assert_int_eq(check_with(p, n, r), KAFKA_MESSAGE_TOO_LARGE);
    r = rules_plain();
    r.segment_bytes = (int64_t)n - 1;
    ck_assert_int_eq(check_with(p, n, r), KAFKA_RECORD_LIST_TOO_LARGE);
    r = rules_plain();
    r.timestamp_after_max_ms = 1; /* the records carry NOW, NOW + 1, NOW + 2 */
    batch_checked c;
    ck_assert(!batch_check(p, n, &r, 9, NOW, &c));
    ck_assert_int_eq(c.error, KAFKA_INVALID_TIMESTAMP);
    ck_assert(c.bad_count == 1 && c.bad[0] == 2);
    ck_assert(batch_check(p, n, &r, 9, NOW + 1, &c));
    r = rules_plain();
    r.timestamp_before_max_ms = 10;
    ck_assert(!batch_check(p, n, &r, 9, NOW + 11, &c));
    ck_assert_int_eq(c.error, KAFKA_INVALID_TIMESTAMP);
    ck_assert(c.bad_count == 1 && c.bad[0] == 0);
    free(p);

    batch_builder b = {0};
    batch_options o = batch_options_plain();
    batch_begin(&b, &o);
    add(&b, "k", "v", NOW);
    add(&b, NULL, "v", NOW);
    add(&b, NULL, "v", NOW);
    diag d = {0};
    ck_assert(batch_finish(&b, &p, &n, &d));
    r = rules_plain();
    ck_assert(batch_check(p, n, &r, 9, NOW, &c));
    r.compacted = true;
    ck_assert(!batch_check(p, n, &r, 9, NOW, &c));
    ck_assert_int_eq(c.error, KAFKA_INVALID_RECORD);
    ck_assert(c.bad_count == 2 && c.bad[0] == 1 && c.bad[1] == 2);
    batch_builder_free(&b);
    p = make(1, CODEC_ZSTD, &n);
    r = rules_plain();
    ck_assert(!batch_check(p, n, &r, 6, NOW, &c));
    ck_assert_int_eq(c.error, KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    free(p);
}
END_TEST

START_TEST(a_wrong_maximum_timestamp_is_put_right)
{
    size_t n;
    uint8_t *p = make(3, CODEC_NONE, &n);
    store_be64(p + 35, 5);
    fix_crc(p, n);
    batch_rules r = rules_plain();
    batch_checked c;
    ck_assert(batch_check(p, n, &r, 9, NOW, &c));
    diag d = {0};
    batch_header h;
    ck_assert(batch_verify(p, n, &h, &d));
    ck_assert_int_eq(h.max_timestamp, NOW + 2);
    free(p);
}
END_TEST

START_TEST(log_append_time_marks_the_batch)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        size_t n;
        uint8_t *p = make(3, (batch_codec)codec, &n);
        batch_rules r = rules_plain();
        r.log_append_time = true;
        batch_checked c;
        ck_assert(batch_check(p, n, &r, 9, NOW + 777, &c));
        diag d = {0};
        batch_header h;
        ck_assert(batch_verify(c.data, c.size, &h, &d));
        ck_assert_int_eq(h.max_timestamp, NOW + 777);
        batch_iter it = {0};
        batch_record_view v;
        ck_assert(batch_iter_open(&it, c.data, c.size, 1 << 20, &d) && batch_iter_next(&it, &v, &d) == 1);
        ck_assert_int_eq(v.timestamp, NOW + 777);
        batch_iter_free(&it);
        batch_checked_free(&c);
        free(p);
    }
}
END_TEST

START_TEST(a_forced_codec_builds_the_batch_anew)
{
    for (int from = CODEC_NONE; from <= CODEC_ZSTD; from++) {
        for (int to = CODEC_NONE; to <= CODEC_ZSTD; to++) {
            size_t n;
            uint8_t *p = make(50, (batch_codec)from, &n);
            batch_rules r = rules_plain();
            r.codec = to;
            batch_checked c;
            ck_assert(batch_check(p, n, &r, 9, NOW, &c));
            ck_assert_int_eq(c.data == p, from == to);
            diag d = {0};
            batch_header h;
            ck_assert(batch_verify(c.data, c.size, &h, &d));
            ck_assert_int_eq(batch_codec_of(&h), to);
            ck_assert_int_eq(h.count, 50);
            ck_assert_int_eq(check_plain(c.data, c.size), KAFKA_NONE);
            batch_checked_free(&c);
            free(p);
        }
    }
}
END_TEST

START_TEST(a_batch_that_expands_without_end_is_refused)
{
    batch_builder b = {0};
    batch_options o = batch_options_plain();
    o.codec = CODEC_ZSTD;
    batch_begin(&b, &o);
    char *zeros = calloc(1, 16 << 20);
    batch_record record = {.value = {zeros, 16 << 20}, .timestamp = NOW};
    batch_add(&b, &record);
    uint8_t *p;
    size_t n;
    diag d = {0};
    ck_assert(batch_finish(&b, &p, &n, &d));
    batch_rules r = rules_plain();
    ck_assert_int_eq(check_with(p, n, r), KAFKA_NONE);
    r.expanded_bytes_max = 1 << 20;
    ck_assert_int_eq(check_with(p, n, r), KAFKA_INVALID_RECORD);
    free(zeros);
    batch_builder_free(&b);
}
END_TEST

/* Any change of the bytes behind the header, with a CRC that fits, is taken whole or refused; never read beyond. */
START_TEST(malformed_records_are_refused_with_every_codec)
{
    rng r;
    rng_seed(&r, 5);
    int refused = 0;
    for (int i = 0; i < 20000; i++) {
        size_t n;
        uint8_t *p = make(4, (batch_codec)(i % 5), &n);
        size_t at = BATCH_HEADER + rng_below(&r, n - BATCH_HEADER);
        p[at] = (uint8_t)rng_u64(&r);
        fix_crc(p, n);
        kafka_error error = check_plain(p, n);
        ck_assert(error == KAFKA_NONE || error == KAFKA_INVALID_RECORD || error == KAFKA_INVALID_TIMESTAMP);
        refused += error != KAFKA_NONE;
        if (error == KAFKA_NONE) {
            batch_iter it = {0};
            batch_record_view v;
            diag d = {0};
            ck_assert(batch_iter_open(&it, p, n, 1 << 20, &d));
            int count = 0;
            while (batch_iter_next(&it, &v, &d) == 1) count++;
            ck_assert_int_eq(count, 4);
            batch_iter_free(&it);
        }
        free(p);
    }
    ck_assert_int_gt(refused, 4000);
}
END_TEST

START_TEST(bytes_behind_the_last_record_are_refused)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        batch_builder b = {0};
        batch_options o = batch_options_plain();
        o.codec = (batch_codec)codec;
        batch_begin(&b, &o);
        add(&b, "k", "v", NOW);
        buf_add(&b.out, "junk", 4);
        uint8_t *p;
        size_t n;
        diag d = {0};
        ck_assert(batch_finish(&b, &p, &n, &d));
        ck_assert_int_eq(check_plain(p, n), KAFKA_INVALID_RECORD);
        batch_builder_free(&b);
    }
}
END_TEST

START_TEST(records_larger_than_the_window_pass_the_stream)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        batch_builder b = {0};
        batch_options o = batch_options_plain();
        o.codec = (batch_codec)codec;
        batch_begin(&b, &o);
        char *value = malloc(300000);
        rng r;
        rng_seed(&r, 3);
        for (int i = 0; i < 300000; i++) value[i] = (char)(rng_u64(&r) & 15);
        batch_record record = {.key = STR("k"), .value = {value, 300000}, .timestamp = NOW};
        batch_add(&b, &record);
        batch_add(&b, &record);
        record.value.n = 3;
        for (int i = 0; i < 1000; i++) batch_add(&b, &record);
        uint8_t *p;
        size_t n;
        diag d = {0};
        ck_assert(batch_finish(&b, &p, &n, &d));
        ck_assert_int_eq(check_plain(p, n), KAFKA_NONE);
        free(value);
        batch_builder_free(&b);
    }
}
END_TEST

START_TEST(markers_say_what_they_are)
{
    batch_builder b = {0};
    uint8_t *p;
    size_t n;
    bool commit;
    int32_t epoch;
    batch_marker(&b, 77, 3, 9, true, NOW, &p, &n);
    batch_header h;
    diag d = {0};
    ck_assert(batch_verify(p, n, &h, &d));
    ck_assert_int_eq(h.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    ck_assert(h.producer_id == 77 && h.producer_epoch == 3 && h.base_sequence == -1 && h.count == 1);
    ck_assert(batch_marker_read(p, n, &commit, &epoch) && commit && epoch == 9);
    batch_marker(&b, 77, 3, 10, false, NOW, &p, &n);
    ck_assert(batch_marker_read(p, n, &commit, &epoch) && !commit && epoch == 10);
    batch_builder_free(&b);
    p = make(1, CODEC_NONE, &n);
    ck_assert(!batch_marker_read(p, n, &commit, &epoch));
    free(p);
}
END_TEST

START_TEST(the_last_sequence_wraps)
{
    batch_header h = {.base_sequence = INT32_MAX - 1, .last_offset_delta = 3};
    ck_assert_int_eq(batch_last_sequence(&h), 1);
    h.last_offset_delta = 1;
    ck_assert_int_eq(batch_last_sequence(&h), INT32_MAX);
}
END_TEST

UNIT_MAIN("broker/batch", the_published_layout_is_read_and_written,
          records_come_back_as_they_were_added_with_every_codec, headers_are_walked,
          what_is_not_one_whole_batch_of_format_2_is_refused, each_rule_of_the_header_has_its_code,
          each_rule_of_the_topic_has_its_code, a_wrong_maximum_timestamp_is_put_right, log_append_time_marks_the_batch,
          a_forced_codec_builds_the_batch_anew, a_batch_that_expands_without_end_is_refused,
          malformed_records_are_refused_with_every_codec, bytes_behind_the_last_record_are_refused,
          records_larger_than_the_window_pass_the_stream, markers_say_what_they_are, the_last_sequence_wraps)
