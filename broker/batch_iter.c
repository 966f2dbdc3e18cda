/* Walking the records of a stored batch. */
#include "base/bytes.h"
#include "base/check.h"
#include "broker/batch.h"
#include "broker/batch_record.h"
#include "broker/compress.h"

bool batch_iter_open(batch_iter *it, const void *data, size_t n, size_t expanded_max, diag *d)
{
    if (n < BATCH_HEADER) return diag_set(d, DIAG_CORRUPT, "%zu bytes are too few for a record batch", n);
    batch_header_read(data, &it->header);
    if (it->header.length < BATCH_HEADER - BATCH_PREFIX || batch_size(&it->header) > (int64_t)n) {
        return diag_set(d, DIAG_CORRUPT, "the record batch at offset %lld is cut", (long long)it->header.base_offset);
    }
    const uint8_t *records = (const uint8_t *)data + BATCH_HEADER;
    size_t size = (size_t)batch_size(&it->header) - BATCH_HEADER;
    it->left = it->header.count;
    batch_codec codec = batch_codec_of(&it->header);
    if (codec == CODEC_NONE) {
        it->p = records;
        it->end = records + size;
        return true;
    }
    buf_clear(&it->expanded);
    it->p = it->end = NULL;
    if (!expand_all(codec, records, size, expanded_max, &it->expanded, d)) return false;
    memset(buf_reserve(&it->expanded, BATCH_PADDING), 0, BATCH_PADDING);
    it->p = (const uint8_t *)it->expanded.data;
    it->end = it->p + it->expanded.len;
    return true;
}

int batch_iter_next(batch_iter *it, batch_record_view *v, diag *d)
{
    if (it->left <= 0) return 0;
    int32_t length;
    raw_record r;
    const uint8_t *body = raw_varint32(it->p, it->end, &length);
    if (!body || length < 0 || it->end - body < length || !raw_record_body(body, body + length, &r)) {
        it->left = 0;
        diag_set(d, DIAG_CORRUPT, "a record of the batch at offset %lld is malformed",
                 (long long)it->header.base_offset);
        return -1;
    }
    it->p = body + length;
    it->left--;
    v->offset = (int64_t)((uint64_t)it->header.base_offset + (uint64_t)(int64_t)r.offset_delta);
    v->timestamp = it->header.attributes & BATCH_LOG_APPEND_TIME
                       ? it->header.max_timestamp
                       : (int64_t)((uint64_t)it->header.base_timestamp + (uint64_t)r.timestamp_delta);
    v->key = r.key_length < 0 ? (str){0} : str_of((const char *)r.key, (size_t)r.key_length);
    v->value = r.value_length < 0 ? (str){0} : str_of((const char *)r.value, (size_t)r.value_length);
    v->headers = r.headers;
    v->headers_end = r.end;
    v->header_count = r.header_count;
    return 1;
}

void batch_iter_free(batch_iter *it)
{
    buf_free(&it->expanded);
}

bool batch_header_next(batch_record_view *r, str *key, str *value)
{
    if (r->header_count <= 0) return false;
    const uint8_t *p = r->headers, *end = r->headers_end;
    int32_t n, m;
    if (!(p = raw_varint32(p, end, &n)) || n < 0) return false;
    *key = str_of((const char *)p, (size_t)n);
    if (!(p = raw_skip(p, end, n)) || !(p = raw_varint32(p, end, &m))) return false;
    *value = m < 0 ? (str){0} : str_of((const char *)p, (size_t)m);
    if (!(p = raw_skip(p, end, m))) return false;
    r->headers = p;
    r->header_count--;
    return true;
}

bool batch_marker_read(const void *data, size_t n, bool *commit, int32_t *coordinator_epoch)
{
    batch_iter it = {0};
    batch_record_view v;
    diag d = {0};
    enum { MARKER_BYTES_MAX = 4096 };
    bool found = false;
    if (n >= BATCH_HEADER) {
        batch_header_read(data, &it.header);
        if ((it.header.attributes & BATCH_CONTROL) && batch_iter_open(&it, data, n, MARKER_BYTES_MAX, &d) &&
            batch_iter_next(&it, &v, &d) == 1 && v.key.n >= 4 && v.value.n >= 6) {
            uint16_t type = load_be16(v.key.p + 2);
            *commit = type == 1;
            *coordinator_epoch = (int32_t)load_be32(v.value.p + 2);
            found = type <= 1;
        }
    }
    batch_iter_free(&it);
    return found;
}
