/* Building batches: what the engine's sinks, the coordinators and tests append. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/batch.h"
#include "broker/compress.h"

enum { MARKER_ABORT = 0, MARKER_COMMIT = 1 };

batch_options batch_options_plain(void)
{
    return (batch_options){.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
}

void batch_begin(batch_builder *b, const batch_options *options)
{
    b->options = *options;
    b->count = 0;
    b->base_timestamp = 0;
    b->max_timestamp = -1;
    buf_clear(&b->out);
    memset(buf_reserve(&b->out, BATCH_HEADER), 0, BATCH_HEADER);
    b->out.len = BATCH_HEADER;
}

size_t batch_record_bound(const batch_record *r)
{
    enum { FRAMING = 5 + 1 + 10 + 5 + 5 + 5 + 5, HEADER_FRAMING = 10 };
    size_t n = FRAMING + r->key.n + r->value.n;
    for (int i = 0; i < r->header_count; i++) n += HEADER_FRAMING + r->headers[i].key.n + r->headers[i].value.n;
    return n;
}

static size_t field_size(str s)
{
    return s.p ? varint64_size((int64_t)s.n) + s.n : 1;
}

static uint8_t *put_varint(uint8_t *p, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    while (z >= 0x80) {
        *p++ = (uint8_t)(z | 0x80);
        z >>= 7;
    }
    *p++ = (uint8_t)z;
    return p;
}

static uint8_t *put_field(uint8_t *p, str s)
{
    if (!s.p) return put_varint(p, -1);
    p = put_varint(p, (int64_t)s.n);
    if (s.n > 0) memcpy(p, s.p, s.n);
    return p + s.n;
}

void batch_add(batch_builder *b, const batch_record *r)
{
    check(b->out.len >= BATCH_HEADER);
    if (b->count == 0) b->base_timestamp = r->timestamp;
    if (r->timestamp > b->max_timestamp) b->max_timestamp = r->timestamp;
    int64_t delta = (int64_t)((uint64_t)r->timestamp - (uint64_t)b->base_timestamp);
    size_t body = 1 + varint64_size(delta) + varint64_size(b->count) + field_size(r->key) + field_size(r->value) +
                  varint64_size(r->header_count);
    for (int i = 0; i < r->header_count; i++) {
        check(r->headers[i].key.p != NULL);
        body += field_size(r->headers[i].key) + field_size(r->headers[i].value);
    }
    check(body < INT32_MAX);
    uint8_t *start = (uint8_t *)buf_reserve(&b->out, 5 + body);
    uint8_t *p = put_varint(start, (int64_t)body);
    *p++ = 0;
    p = put_varint(p, delta);
    p = put_varint(p, b->count);
    p = put_field(p, r->key);
    p = put_field(p, r->value);
    p = put_varint(p, r->header_count);
    for (int i = 0; i < r->header_count; i++) {
        p = put_field(p, r->headers[i].key);
        p = put_field(p, r->headers[i].value);
    }
    b->out.len += (size_t)(p - start);
    b->count++;
}

static void fill_header(batch_builder *b, uint8_t *p, size_t n, batch_codec codec)
{
    int attributes = (int)codec;
    if (b->options.transactional) attributes |= BATCH_TRANSACTIONAL;
    if (b->options.control) attributes |= BATCH_CONTROL;
    store_be64(p, 0);
    store_be32(p + 8, (uint32_t)(n - BATCH_PREFIX));
    store_be32(p + 12, (uint32_t)-1);
    p[16] = 2;
    store_be16(p + 21, (uint16_t)attributes);
    store_be32(p + 23, (uint32_t)(b->count - 1));
    store_be64(p + 27, (uint64_t)b->base_timestamp);
    store_be64(p + 35, (uint64_t)b->max_timestamp);
    store_be64(p + 43, (uint64_t)b->options.producer_id);
    store_be16(p + 51, (uint16_t)b->options.producer_epoch);
    store_be32(p + 53, (uint32_t)b->options.base_sequence);
    store_be32(p + 57, (uint32_t)b->count);
    store_be32(p + 17, hash_crc32c(p + BATCH_CRC_START, n - BATCH_CRC_START));
}

bool batch_finish(batch_builder *b, uint8_t **data, size_t *n, diag *d)
{
    check(b->count > 0);
    buf *whole = &b->out;
    if (b->options.codec != CODEC_NONE) {
        buf_clear(&b->packed);
        buf_add(&b->packed, b->out.data, BATCH_HEADER);
        if (!compress_all(b->options.codec, b->options.level, b->out.data + BATCH_HEADER, b->out.len - BATCH_HEADER,
                          &b->packed, d)) {
            return false;
        }
        whole = &b->packed;
    }
    if (whole->len > INT32_MAX) return diag_set(d, DIAG_LIMIT, "a batch of %zu bytes is too large", whole->len);
    fill_header(b, (uint8_t *)whole->data, whole->len, b->options.codec);
    *data = (uint8_t *)whole->data;
    *n = whole->len;
    return true;
}

void batch_builder_free(batch_builder *b)
{
    buf_free(&b->out);
    buf_free(&b->packed);
}

void batch_marker(batch_builder *b, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch, bool commit,
                  int64_t timestamp, uint8_t **data, size_t *n)
{
    batch_options options = batch_options_plain();
    options.producer_id = producer_id;
    options.producer_epoch = producer_epoch;
    options.transactional = true;
    options.control = true;
    uint8_t key[4] = {0}, value[6] = {0};
    store_be16(key + 2, commit ? MARKER_COMMIT : MARKER_ABORT);
    store_be32(value + 2, (uint32_t)coordinator_epoch);
    batch_begin(b, &options);
    batch_record r = {
        .key = {(const char *)key, sizeof key},
        .value = {(const char *)value, sizeof value},
        .timestamp = timestamp,
    };
    batch_add(b, &r);
    diag d = {0};
    check(batch_finish(b, data, n, &d));
}
