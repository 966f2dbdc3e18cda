#include "broker/compact_batch.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/batch_record.h"
#include "broker/compress.h"

enum { EXPANDED_MAX = 256 << 20, VARINT_MAX = 10 };

void compact_scratch_free(compact_scratch *s)
{
    buf_free(&s->expanded);
    buf_free(&s->records);
    buf_free(&s->out);
}

/* The batch under judgement. */
typedef struct judged {
    batch_header h;
    const compact_rules *rules;
    const uint8_t *p, *end; /* its records, expanded */
    bool discard; /* the records go, all of them */
    int32_t kept;
    bool tombstones; /* one of those that stay has no value */
    int64_t max_time;
} judged;

static bool has_horizon(const batch_header *h)
{
    return h->attributes & BATCH_DELETE_HORIZON;
}

static bool stays(const judged *j, const raw_record *r)
{
    const compact_rules *rules = j->rules;
    if (j->discard) return false;
    if (j->h.attributes & BATCH_CONTROL) return true;
    int64_t offset = j->h.base_offset + r->offset_delta;
    if (offset >= rules->mapped_to) return true;
    if (r->key_length < 0) return false;
    if (offset < offset_map_get(rules->map, str_of((const char *)r->key, (size_t)r->key_length))) return false;
    return r->value_length >= 0 || !has_horizon(&j->h) || rules->now_ms < j->h.base_timestamp;
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

/* Where the timestamp delta of a record body ends. */
static const uint8_t *behind_time(const uint8_t *body)
{
    const uint8_t *p = body + 1;
    while (*p & 0x80) p++;
    return p + 1;
}

/* Adds a record whose timestamp is told from another base. */
static void add_record(buf *out, const uint8_t *body, size_t n, int64_t delta)
{
    uint8_t time[VARINT_MAX];
    size_t time_n = (size_t)(put_varint(time, delta) - time);
    const uint8_t *rest = behind_time(body);
    size_t rest_n = n - (size_t)(rest - body);
    uint8_t *start = (uint8_t *)buf_reserve(out, VARINT_MAX + 1 + VARINT_MAX + rest_n);
    uint8_t *p = put_varint(start, (int64_t)(1 + time_n + rest_n));
    *p++ = body[0];
    memcpy(p, time, time_n);
    memcpy(p + time_n, rest, rest_n);
    out->len += (size_t)(p - start) + time_n + rest_n;
}

/* One pass over the records: counts what stays, or (out not NULL) copies it with timestamps relative to `base`. */
static bool pass(judged *j, buf *out, int64_t base, diag *d)
{
    const uint8_t *p = j->p;
    j->kept = 0;
    j->tombstones = false;
    j->max_time = -1;
    for (int32_t i = 0; i < j->h.count; i++) {
        int32_t length;
        raw_record r;
        const uint8_t *body = raw_varint32(p, j->end, &length);
        if (!body || length < 0 || j->end - body < length || !raw_record_body(body, body + length, &r)) {
            return diag_set(d, DIAG_CORRUPT, "a record of the batch at offset %lld is malformed",
                            (long long)j->h.base_offset);
        }
        p = body + length;
        if (!stays(j, &r)) continue;
        int64_t time = (int64_t)((uint64_t)j->h.base_timestamp + (uint64_t)r.timestamp_delta);
        j->kept++;
        if (r.value_length < 0) j->tombstones = true;
        if (time > j->max_time) j->max_time = time;
        if (out) add_record(out, body, (size_t)length, (int64_t)((uint64_t)time - (uint64_t)base));
    }
    return true;
}

/* Writes the batch anew with what stays of it. */
static bool rebuild(judged *j, bool set_horizon, compact_scratch *s, diag *d)
{
    const batch_header *h = &j->h;
    batch_codec codec = j->kept > 0 ? batch_codec_of(h) : CODEC_NONE;
    int64_t base = set_horizon ? j->rules->now_ms + j->rules->delete_retention_ms : h->base_timestamp;
    int attributes = (h->attributes & ~BATCH_CODEC_MASK) | (int)codec;
    if (set_horizon) attributes |= BATCH_DELETE_HORIZON;
    buf_clear(&s->records);
    if (!pass(j, &s->records, base, d)) return false;
    int64_t max_time = h->attributes & BATCH_LOG_APPEND_TIME || j->kept == 0 ? h->max_timestamp : j->max_time;
    if (j->kept == 0) base = max_time;
    if (j->kept == 0) attributes &= ~BATCH_DELETE_HORIZON;
    buf_clear(&s->out);
    memset(buf_reserve(&s->out, BATCH_HEADER), 0, BATCH_HEADER);
    s->out.len = BATCH_HEADER;
    if (codec == CODEC_NONE) {
        buf_add(&s->out, s->records.data, s->records.len);
    } else if (!compress_all(codec, j->rules->level, s->records.data, s->records.len, &s->out, d)) {
        return false;
    }
    if (s->out.len > INT32_MAX) return diag_set(d, DIAG_LIMIT, "a compacted batch has %zu bytes", s->out.len);
    uint8_t *p = (uint8_t *)s->out.data;
    store_be64(p, (uint64_t)h->base_offset);
    store_be32(p + 8, (uint32_t)(s->out.len - BATCH_PREFIX));
    store_be32(p + 12, (uint32_t)h->leader_epoch);
    p[16] = 2;
    store_be16(p + 21, (uint16_t)attributes);
    store_be32(p + 23, (uint32_t)h->last_offset_delta);
    store_be64(p + 27, (uint64_t)base);
    store_be64(p + 35, (uint64_t)max_time);
    store_be64(p + 43, (uint64_t)h->producer_id);
    store_be16(p + 51, (uint16_t)h->producer_epoch);
    store_be32(p + 53, (uint32_t)h->base_sequence);
    store_be32(p + 57, (uint32_t)j->kept);
    store_be32(p + 17, hash_crc32c(p + BATCH_CRC_START, s->out.len - BATCH_CRC_START));
    return true;
}

static bool expand(judged *j, const uint8_t *data, size_t n, compact_scratch *s, diag *d)
{
    batch_codec codec = batch_codec_of(&j->h);
    j->p = data + BATCH_HEADER;
    j->end = data + n;
    if (codec == CODEC_NONE || j->h.count == 0) return true;
    buf_clear(&s->expanded);
    if (!expand_all(codec, j->p, n - BATCH_HEADER, EXPANDED_MAX, &s->expanded, d)) return false;
    j->p = (const uint8_t *)s->expanded.data;
    j->end = j->p + s->expanded.len;
    return true;
}

compact_verdict compact_batch(const uint8_t *data, size_t n, const compact_rules *rules, compact_case c,
                              compact_scratch *s, diag *d)
{
    judged j = {.rules = rules};
    batch_header_read(data, &j.h);
    bool control = j.h.attributes & BATCH_CONTROL;
    /* A marker outlives its records by the retention of deletes, so that a reader of them meets it. */
    bool expired = has_horizon(&j.h) && j.h.base_timestamp <= rules->now_ms;
    j.discard = c.discard && (!control || expired);
    if (j.discard && !c.keep_empty) return COMPACT_DROP;
    if (!expand(&j, data, n, s, d) || !pass(&j, NULL, 0, d)) return COMPACT_ERROR;
    if (j.kept == 0 && !c.keep_empty) return COMPACT_DROP;
    bool set_horizon = (j.tombstones || (control && c.discard)) && !has_horizon(&j.h) && j.kept > 0;
    if (j.kept == j.h.count && !set_horizon) return COMPACT_KEEP;
    return rebuild(&j, set_horizon, s, d) ? COMPACT_REPLACE : COMPACT_ERROR;
}
