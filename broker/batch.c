#include "broker/batch.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"

enum { MAGIC_AT = 16, MAGIC_NOW = 2 };

void batch_header_read(const void *data, batch_header *h)
{
    const uint8_t *p = data;
    h->base_offset = (int64_t)load_be64(p);
    h->length = (int32_t)load_be32(p + 8);
    h->leader_epoch = (int32_t)load_be32(p + 12);
    h->magic = (int8_t)p[MAGIC_AT];
    h->crc = load_be32(p + 17);
    h->attributes = (int16_t)load_be16(p + 21);
    h->last_offset_delta = (int32_t)load_be32(p + 23);
    h->base_timestamp = (int64_t)load_be64(p + 27);
    h->max_timestamp = (int64_t)load_be64(p + 35);
    h->producer_id = (int64_t)load_be64(p + 43);
    h->producer_epoch = (int16_t)load_be16(p + 51);
    h->base_sequence = (int32_t)load_be32(p + 53);
    h->count = (int32_t)load_be32(p + 57);
}

int32_t batch_last_sequence(const batch_header *h)
{
    if (h->base_sequence < 0) return h->base_sequence;
    return (int32_t)(((uint32_t)h->base_sequence + (uint32_t)h->last_offset_delta) & INT32_MAX);
}

bool batch_verify(const void *data, size_t n, batch_header *h, diag *d)
{
    if (n < BATCH_HEADER) return diag_set(d, DIAG_CORRUPT, "%zu bytes are too few for a record batch", n);
    batch_header_read(data, h);
    if (h->length < BATCH_HEADER - BATCH_PREFIX || batch_size(h) > (int64_t)n) {
        return diag_set(d, DIAG_CORRUPT, "a record batch at offset %lld states a length of %d",
                        (long long)h->base_offset, h->length);
    }
    if (h->magic != MAGIC_NOW) {
        return diag_set(d, DIAG_CORRUPT, "a record batch at offset %lld has format %d", (long long)h->base_offset,
                        h->magic);
    }
    uint32_t crc = hash_crc32c((const uint8_t *)data + BATCH_CRC_START, (size_t)batch_size(h) - BATCH_CRC_START);
    if (crc != h->crc) {
        return diag_set(d, DIAG_CORRUPT, "the record batch at offset %lld has the CRC %08x instead of %08x",
                        (long long)h->base_offset, crc, h->crc);
    }
    if (h->last_offset_delta < 0 || h->count < 0) {
        return diag_set(d, DIAG_CORRUPT, "the record batch at offset %lld has negative counts",
                        (long long)h->base_offset);
    }
    return true;
}

void batch_trust(uint8_t *data, size_t n, batch_checked *out)
{
    *out = (batch_checked){.data = data, .size = n};
    check(n >= BATCH_HEADER);
    batch_header_read(data, &out->header);
    check(batch_size(&out->header) == (int64_t)n);
}

void batch_checked_free(batch_checked *c)
{
    buf_free(&c->owned);
}
