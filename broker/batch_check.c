/*
 * What a client may append: the checks of Apache Kafka's ProduceRequest, UnifiedLog and LogValidator, in their order.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/batch.h"
#include "broker/batch_record.h"
#include "broker/compress.h"

/*
 * LEGACY_LENGTH_MIN: the smallest length that Kafka takes for a batch of any format
 * (LegacyRecord.RECORD_OVERHEAD_V0).
 */
enum { LEGACY_LENGTH_MIN = 14, MAGIC_AT = 16, MAGIC_NOW = 2, PRODUCE_VERSION_ZSTD = 7, EXPAND_STEP = 64 * 1024 };

/* What the pass over the records has found so far. */
typedef struct record_pass {
    const batch_rules *rules;
    int64_t now_ms;
    int32_t index;
    int64_t max_timestamp;
    batch_checked *out;
} record_pass;

static bool refuse(batch_checked *out, kafka_error error, const char *message)
{
    if (out->error == KAFKA_NONE) {
        out->error = error;
        out->message = message;
    }
    return false;
}

static void blame(record_pass *s, kafka_error error, const char *message)
{
    refuse(s->out, error, message);
    if (s->out->error == error && s->out->bad_count < BATCH_BAD_MAX) s->out->bad[s->out->bad_count++] = s->index;
}

/* Distance a - b without overflow, as timestamps may be anything. */
static bool exceeds(int64_t a, int64_t b, int64_t max)
{
    int64_t distance;
    if (__builtin_sub_overflow(a, b, &distance)) return a > b;
    return distance > max;
}

/*
 * One record: its framing is known to be good. A record that breaks a rule is noted and the pass goes on, so that the
 * response can name all of them (KIP-467); a wrong offset delta ends it.
 */
static bool pass_record(record_pass *s, const raw_record *r)
{
    if (r->offset_delta != s->index) {
        return refuse(s->out, KAFKA_INVALID_RECORD, "the offset deltas of the records are not consecutive");
    }
    if (r->key_length < 0 && s->rules->compacted) {
        blame(s, KAFKA_INVALID_RECORD, "Compacted topic cannot accept message without key.");
    }
    int64_t timestamp = (int64_t)((uint64_t)s->out->header.base_timestamp + (uint64_t)r->timestamp_delta);
    if (!s->rules->log_append_time && timestamp != -1) {
        if (exceeds(s->now_ms, timestamp, s->rules->timestamp_before_max_ms) ||
            exceeds(timestamp, s->now_ms, s->rules->timestamp_after_max_ms)) {
            blame(s, KAFKA_INVALID_TIMESTAMP, "the timestamp of a record is out of the range that the topic allows");
        }
    }
    if (timestamp > s->max_timestamp) s->max_timestamp = timestamp;
    s->index++;
    return true;
}

static bool malformed(record_pass *s)
{
    return refuse(s->out, KAFKA_INVALID_RECORD, "a record of the batch is malformed");
}

static bool trailing(record_pass *s)
{
    return refuse(s->out, KAFKA_INVALID_RECORD, "bytes are left behind the last record of the batch");
}

/*
 * Parses the whole records at the front of [p, end). Returns where it stopped (at a record that is cut, or behind the
 * last), NULL when the bytes are malformed or refused.
 */
static const uint8_t *pass_bytes(record_pass *s, const uint8_t *p, const uint8_t *end)
{
    while (s->index < s->out->header.count) {
        int32_t length;
        const uint8_t *body = raw_varint32(p, end, &length);
        if (!body) {
            if (end - p >= 5) malformed(s); /* a length is at most 5 bytes long */
            return end - p >= 5 ? NULL : p;
        }
        if (length < 0) {
            malformed(s);
            return NULL;
        }
        if (end - body < length) return p;
        raw_record r;
        if (!raw_record_body(body, body + length, &r)) {
            malformed(s);
            return NULL;
        }
        if (!pass_record(s, &r)) return NULL;
        p = body + length;
    }
    return p;
}

static bool pass_flat(record_pass *s, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *stop = pass_bytes(s, p, end);
    if (!stop) return false;
    if (s->index < s->out->header.count) return malformed(s);
    return stop == end || trailing(s);
}

/*
 * Decompresses piece by piece and checks what is there. The window grows only to the size of one record, and only as
 * its bytes really come.
 */
static bool pass_stream(record_pass *s, const uint8_t *p, const uint8_t *end)
{
    diag d = {0};
    expander e;
    buf window = {0};
    bool ok = expander_open(&e, batch_codec_of(&s->out->header), p, (size_t)(end - p),
                            (uint64_t)s->rules->expanded_bytes_max, &d);
    while (ok) {
        ptrdiff_t got = expander_read(&e, buf_reserve(&window, EXPAND_STEP), EXPAND_STEP, &d);
        if (got < 0) {
            ok = false;
            break;
        }
        window.len += (size_t)got;
        const uint8_t *from = (const uint8_t *)window.data;
        const uint8_t *stop = pass_bytes(s, from, from + window.len);
        if (!stop) break;
        size_t left = window.len - (size_t)(stop - from);
        if (s->index == s->out->header.count) {
            if (left > 0 || (got > 0 && (got = expander_read(&e, window.data, 1, &d)) > 0)) trailing(s);
            ok = got >= 0;
            break;
        }
        if (got == 0) {
            malformed(s);
            break;
        }
        memmove(window.data, stop, left);
        window.len = left;
    }
    expander_close(&e);
    buf_free(&window);
    if (!ok) {
        refuse(s->out, KAFKA_INVALID_RECORD,
               d.code == DIAG_LIMIT ? "the batch expands beyond what is allowed" : "the batch cannot be decompressed");
    }
    return s->out->error == KAFKA_NONE;
}

/*
 * The size of the next batch at p as Kafka's ByteBufferLogInputStream finds it: -1 when the bytes cannot be one, 0 when
 * there are too few of them.
 */
static int64_t next_size(const uint8_t *p, size_t n)
{
    if (n < BATCH_PREFIX) return 0;
    int32_t length = (int32_t)load_be32(p + 8);
    if (length < LEGACY_LENGTH_MIN) return -1;
    if (n <= MAGIC_AT) return 0;
    if (p[MAGIC_AT] > MAGIC_NOW) return -1;
    int64_t size = (int64_t)BATCH_PREFIX + length;
    return size > (int64_t)n ? 0 : size;
}

/* The bytes hold exactly one batch of format 2 (ProduceRequest.validateRecords). */
static bool check_shape(uint8_t *data, size_t n, int version, batch_checked *out)
{
    int64_t size = n == 0 ? 0 : next_size(data, n);
    if (size < 0) return refuse(out, KAFKA_CORRUPT_MESSAGE, NULL);
    if (size == 0) return refuse(out, KAFKA_INVALID_RECORD, "the request holds no whole record batch");
    if (data[MAGIC_AT] != MAGIC_NOW) {
        return refuse(out, KAFKA_INVALID_RECORD, "only record batches of format 2 are taken");
    }
    if (size < BATCH_HEADER) return refuse(out, KAFKA_CORRUPT_MESSAGE, NULL);
    out->data = data;
    out->size = (size_t)size;
    batch_header_read(data, &out->header);
    if (batch_codec_of(&out->header) == CODEC_ZSTD && version < PRODUCE_VERSION_ZSTD) {
        return refuse(out, KAFKA_UNSUPPORTED_COMPRESSION_TYPE, NULL);
    }
    int64_t more = next_size(data + size, n - (size_t)size);
    if (more > 0) return refuse(out, KAFKA_INVALID_RECORD, "the request holds more than one record batch");
    return more == 0 || refuse(out, KAFKA_CORRUPT_MESSAGE, NULL);
}

/* The header's own rules (UnifiedLog.analyzeAndValidateRecords, LogValidator.validateBatch). */
static bool check_header(const batch_rules *rules, batch_checked *out)
{
    const batch_header *h = &out->header;
    if (h->base_offset != 0) return refuse(out, KAFKA_INVALID_RECORD, "the base offset of the batch is not 0");
    if ((int64_t)out->size > rules->max_bytes) {
        return refuse(out, KAFKA_MESSAGE_TOO_LARGE, "the batch is larger than max.message.bytes");
    }
    if (hash_crc32c(out->data + BATCH_CRC_START, out->size - BATCH_CRC_START) != h->crc) {
        return refuse(out, KAFKA_CORRUPT_MESSAGE, "the CRC of the batch does not match its bytes");
    }
    if (h->last_offset_delta < 0) return refuse(out, KAFKA_INVALID_RECORD, "the batch has an invalid offset range");
    if (h->count <= 0) return refuse(out, KAFKA_INVALID_RECORD, "the batch holds no record");
    if (h->last_offset_delta != h->count - 1) {
        return refuse(out, KAFKA_INVALID_RECORD, "the offset range of the batch does not match its number of records");
    }
    if (h->attributes & BATCH_CONTROL) {
        return refuse(out, KAFKA_INVALID_RECORD, "clients may not write control records");
    }
    if (h->producer_id >= 0 && h->base_sequence < 0) {
        return refuse(out, KAFKA_INVALID_RECORD, "the batch has a producer id and no sequence number");
    }
    /* CompressionType.forId throws what Kafka has no code of its own for. */
    if (batch_codec_of(h) > CODEC_ZSTD) {
        return refuse(out, KAFKA_UNKNOWN_SERVER_ERROR, "the codec of the batch is unknown");
    }
    if (h->attributes & BATCH_LOG_APPEND_TIME) {
        return refuse(out, KAFKA_INVALID_TIMESTAMP, "producers may not set log append time");
    }
    if (h->attributes & BATCH_DELETE_HORIZON) {
        return refuse(out, KAFKA_INVALID_RECORD, "producers may not set a delete horizon");
    }
    return true;
}

/* Writes the attributes and the maximum timestamp and computes the CRC again. */
static void patch_times(batch_checked *out, int16_t attributes, int64_t max_timestamp)
{
    out->header.attributes = attributes;
    out->header.max_timestamp = max_timestamp;
    store_be16(out->data + 21, (uint16_t)attributes);
    store_be64(out->data + 35, (uint64_t)max_timestamp);
    out->header.crc = hash_crc32c(out->data + BATCH_CRC_START, out->size - BATCH_CRC_START);
    store_be32(out->data + 17, out->header.crc);
}

/* Builds the batch anew with the topic's codec; everything else of it stays. */
static bool recode(const batch_rules *rules, batch_checked *out)
{
    diag d = {0};
    buf records = {0};
    const batch_header *h = &out->header;
    bool ok = expand_all(batch_codec_of(h), out->data + BATCH_HEADER, out->size - BATCH_HEADER,
                         (uint64_t)rules->expanded_bytes_max, &records, &d);
    if (ok) {
        buf_add(&out->owned, out->data, BATCH_HEADER);
        ok = compress_all((batch_codec)rules->codec, rules->level, records.data, records.len, &out->owned, &d);
    }
    buf_free(&records);
    if (!ok) return refuse(out, KAFKA_UNKNOWN_SERVER_ERROR, "the batch cannot be compressed by the topic's codec");
    out->data = (uint8_t *)out->owned.data;
    out->size = out->owned.len;
    out->header.length = (int32_t)(out->size - BATCH_PREFIX);
    store_be32(out->data + 8, (uint32_t)out->header.length);
    if ((int64_t)out->size > rules->max_bytes) {
        return refuse(out, KAFKA_MESSAGE_TOO_LARGE, "the batch is larger than max.message.bytes");
    }
    return true;
}

bool batch_check(uint8_t *data, size_t n, const batch_rules *rules, int version, int64_t now_ms, batch_checked *out)
{
    check(rules->expanded_bytes_max > 0);
    *out = (batch_checked){0};
    if (!check_shape(data, n, version, out) || !check_header(rules, out)) return false;
    record_pass s = {.rules = rules, .now_ms = now_ms, .max_timestamp = -1, .out = out};
    const uint8_t *records = out->data + BATCH_HEADER;
    const uint8_t *end = out->data + out->size;
    bool flat = batch_codec_of(&out->header) == CODEC_NONE;
    if (!(flat ? pass_flat(&s, records, end) : pass_stream(&s, records, end))) return false;
    if (out->error != KAFKA_NONE) return false;

    int codec = batch_codec_of(&out->header);
    bool other_codec = rules->codec >= 0 && rules->codec != codec;
    if (other_codec && !recode(rules, out)) return false;
    int16_t attributes = out->header.attributes;
    if (other_codec) attributes = (int16_t)((attributes & ~BATCH_CODEC_MASK) | rules->codec);
    if (rules->log_append_time) attributes |= BATCH_LOG_APPEND_TIME;
    int64_t max_timestamp = rules->log_append_time ? now_ms : s.max_timestamp;
    if (other_codec || attributes != out->header.attributes || max_timestamp != out->header.max_timestamp) {
        patch_times(out, attributes, max_timestamp);
    }
    if ((int64_t)out->size > rules->segment_bytes) {
        return refuse(out, KAFKA_RECORD_LIST_TOO_LARGE, "the batch is larger than segment.bytes");
    }
    return true;
}
