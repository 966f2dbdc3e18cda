/*
 * broker/batch_record.h - the framing of one record inside a batch; inline, for the hot loops of broker/batch*.c.
 *
 * Hostile bytes; nothing reads behind `end`. Thread-neutral.
 */
#ifndef BROKER_BATCH_RECORD_H
#define BROKER_BATCH_RECORD_H

#include "broker/batch.h"

/* One record's parts; pointers into the bytes that were given. */
typedef struct raw_record {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t key_length; /* negative: null */
    int32_t value_length; /* negative: null */
    int32_t header_count;
    const uint8_t *key;
    const uint8_t *value;
    const uint8_t *headers;
    const uint8_t *end;
} raw_record;

/* A zigzag varint of at most 64 bits; the position behind it, or NULL when it is cut or too long. */
static inline const uint8_t *raw_varint64(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == end) return NULL;
        uint8_t b = *p++;
        if (shift == 63 && b > 1) return NULL;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return p;
        }
    }
    return NULL;
}

/* The same of at most 32 bits; most are one or two bytes long. */
static inline const uint8_t *raw_varint32(const uint8_t *p, const uint8_t *end, int32_t *out)
{
    uint32_t v = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (p == end) return NULL;
        uint8_t b = *p++;
        if (shift == 28 && b > 0x0f) return NULL;
        v |= (uint32_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = (int32_t)(v >> 1) ^ -(int32_t)(v & 1);
            return p;
        }
    }
    return NULL;
}

/* Steps over n bytes, or NULL when fewer are left; a negative n stands for null and takes none. */
static inline const uint8_t *raw_skip(const uint8_t *p, const uint8_t *end, int32_t n)
{
    if (n <= 0) return p;
    return end - p < n ? NULL : p + n;
}

/* Checks the headers of a record; the position behind the last, or NULL. */
static inline const uint8_t *raw_headers(const uint8_t *p, const uint8_t *end, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t n;
        if (!(p = raw_varint32(p, end, &n)) || n < 0 || !(p = raw_skip(p, end, n))) return NULL;
        if (!(p = raw_varint32(p, end, &n)) || !(p = raw_skip(p, end, n))) return NULL;
    }
    return p;
}

/* Parses the body of a record that takes exactly [p, end); false when it does not. */
static inline bool raw_record_body(const uint8_t *p, const uint8_t *end, raw_record *r)
{
    if (p == end) return false;
    p++; /* the attributes of a record are unused */
    if (!(p = raw_varint64(p, end, &r->timestamp_delta))) return false;
    if (!(p = raw_varint32(p, end, &r->offset_delta))) return false;
    if (!(p = raw_varint32(p, end, &r->key_length))) return false;
    r->key = p;
    if (!(p = raw_skip(p, end, r->key_length))) return false;
    if (!(p = raw_varint32(p, end, &r->value_length))) return false;
    r->value = p;
    if (!(p = raw_skip(p, end, r->value_length))) return false;
    if (!(p = raw_varint32(p, end, &r->header_count)) || r->header_count < 0) return false;
    r->headers = p;
    if (r->header_count > 0 && !(p = raw_headers(p, end, r->header_count))) return false;
    r->end = end;
    return p == end;
}

#endif
