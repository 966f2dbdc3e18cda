/*
 * broker/batch.h - Kafka record batches, format version 2: header, checks, building and walking.
 *
 * The same bytes travel on the wire and lie on disk (reference: Apache Kafka documentation, "Record Batch").
 * Everything here takes hostile bytes: nothing reads past the length that it is given. Thread-neutral; a builder or
 * an iterator belongs to one thread. Slices borrow the batch or, for a compressed one, the iterator's own buffer.
 */
#ifndef BROKER_BATCH_H
#define BROKER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/str.h"
#include "broker/kafka_error.h"

enum {
    BATCH_PREFIX = 12, /* base offset and length: what comes before the counted bytes */
    BATCH_HEADER = 61, /* the whole header, up to the first record */
    BATCH_CRC_START = 21, /* the CRC covers from the attributes to the end */
};

/* Bits of the attributes. */
enum {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40,
};

/* Codec ids, as in the attributes. */
typedef enum batch_codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD } batch_codec;

/* A parsed header; the names are Kafka's. */
typedef struct batch_header {
    int64_t base_offset;
    int32_t length; /* bytes behind the 12 of the prefix */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
} batch_header;

/* Reads a header from at least BATCH_HEADER bytes. */
void batch_header_read(const void *p, batch_header *h);
/* Whole size in bytes of the batch that this header opens. */
static inline int64_t batch_size(const batch_header *h)
{
    return (int64_t)BATCH_PREFIX + h->length;
}
/*
 * Wraps for a header that is not plausible: neither field is under the CRC's or anybody's protection when it is
 * read.
 */
static inline int64_t batch_last_offset(const batch_header *h)
{
    return (int64_t)((uint64_t)h->base_offset + (uint64_t)(int64_t)h->last_offset_delta);
}
static inline batch_codec batch_codec_of(const batch_header *h)
{
    return (batch_codec)(h->attributes & BATCH_CODEC_MASK);
}
/* Sequence of the batch's last record; wraps from 2^31-1 to 0. */
int32_t batch_last_sequence(const batch_header *h);

/* The rules that a topic sets for what clients append. */
typedef struct batch_rules {
    int64_t max_bytes; /* max.message.bytes */
    int64_t segment_bytes; /* segment.bytes */
    bool compacted; /* cleanup.policy includes compact: every record needs a key */
    bool log_append_time; /* message.timestamp.type */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int codec; /* compression.type: -1 the producer's, else a batch_codec */
    int level; /* level for a codec that is forced; 0: the codec's default */
    int64_t expanded_bytes_max; /* most bytes that a compressed batch may expand to */
} batch_rules;

enum { BATCH_BAD_MAX = 32 };

/* The outcome of batch_check, ready for plog_append. */
typedef struct batch_checked {
    uint8_t *data; /* the batch as it will be appended: the caller's bytes, or owned.data when it was built anew */
    size_t size;
    batch_header header;
    buf owned;
    kafka_error error; /* KAFKA_NONE: fit to be appended */
    const char *message; /* a constant text for the response; NULL when there is nothing to add */
    int32_t bad[BATCH_BAD_MAX]; /* indexes of the records to blame (record_errors), for 87 and 32 */
    int bad_count;
} batch_checked;

/*
 * Checks what a client sent as the records of one partition: exactly one batch, header and CRC32C, then in one pass
 * every record's framing, offset delta, timestamp and, on compacted topics, key. `version` is that of the Produce
 * request (zstd needs 7). now_ms is the wall clock. With log append time, a wrong maximum timestamp or a forced codec
 * the batch is patched or built anew with a fresh CRC. May be called on any thread; for a compressed batch it costs
 * the decompression. Returns true when error is KAFKA_NONE. batch_checked_free releases what was built.
 */
bool batch_check(uint8_t *data, size_t n, const batch_rules *rules, int version, int64_t now_ms, batch_checked *out);
/* Takes a batch that a builder finished in this process: parses the header and checks nothing else. */
void batch_trust(uint8_t *data, size_t n, batch_checked *out);
/* Releases what batch_check built. */
void batch_checked_free(batch_checked *c);

/*
 * What a reader needs to know of stored bytes before it uses them: plausible lengths, magic 2 and the CRC. On success
 * the header is filled; on failure the text says what is wrong.
 */
bool batch_verify(const void *data, size_t n, batch_header *h, diag *d);

/* ---- building ------------------------------------------------------------------------------------------------ */

/* One header of a record; value.p == NULL: null. */
typedef struct batch_record_header {
    str key;
    str value;
} batch_record_header;

/* One record to append; key.p or value.p == NULL: null (an empty slice needs a pointer that is not NULL). */
typedef struct batch_record {
    str key;
    str value;
    int64_t timestamp;
    const batch_record_header *headers;
    int header_count;
} batch_record;

/* Who and what a built batch is; batch_options_plain gives the usual ones. */
typedef struct batch_options {
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int32_t base_sequence; /* -1: none */
    bool transactional;
    bool control;
    batch_codec codec;
    int level; /* 0: the codec's default */
} batch_options;

/* No producer, no codec. */
batch_options batch_options_plain(void);

/* A batch under construction. {0} before batch_begin; reusable; batch_builder_free releases it. */
typedef struct batch_builder {
    buf out; /* header and records */
    buf packed;
    batch_options options;
    int32_t count;
    int64_t base_timestamp;
    int64_t max_timestamp;
} batch_builder;

/* Starts an empty batch; memory of the last one is reused. */
void batch_begin(batch_builder *b, const batch_options *options);
/* Adds a record; its offset delta is its number. */
void batch_add(batch_builder *b, const batch_record *r);
/* Bytes of the batch so far, before compression. */
static inline size_t batch_builder_size(const batch_builder *b)
{
    return b->out.len;
}
/* Upper bound of what a record of these sizes adds. */
size_t batch_record_bound(const batch_record *r);
/*
 * Compresses, fills the header and the CRC (base offset 0). The bytes stay the builder's until its next begin or
 * free.
 */
bool batch_finish(batch_builder *b, uint8_t **data, size_t *n, diag *d);
/* Releases the builder's memory. */
void batch_builder_free(batch_builder *b);

/* A transaction marker as a finished batch of one control record. */
void batch_marker(batch_builder *b, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch, bool commit,
                  int64_t timestamp, uint8_t **data, size_t *n);

/* ---- walking --------------------------------------------------------------------------------------------------- */

/* A record as it is met; slices live as long as the batch bytes and the iterator. */
typedef struct batch_record_view {
    int64_t offset;
    int64_t timestamp; /* the batch's maximum with log append time */
    str key; /* p == NULL: null */
    str value; /* p == NULL: null */
    const uint8_t *headers; /* header_count headers, for batch_header_next */
    const uint8_t *headers_end;
    int32_t header_count;
} batch_record_view;

/* Walks the records of one batch. {0} before the first batch_iter_open; batch_iter_free at the end. */
typedef struct batch_iter {
    batch_header header;
    buf expanded; /* the records of a compressed batch, followed by padding */
    const uint8_t *p;
    const uint8_t *end;
    int32_t left;
} batch_iter;

enum { BATCH_PADDING = 64 }; /* readable bytes behind decompressed records and behind what plog readers return */

/* Opens a whole batch (checked before, by batch_verify or by the append); decompresses up to `expanded_max` bytes. */
bool batch_iter_open(batch_iter *it, const void *data, size_t n, size_t expanded_max, diag *d);
/* The next record: 1; the end: 0; malformed: -1 with the diag set. */
int batch_iter_next(batch_iter *it, batch_record_view *r, diag *d);
/* Releases the iterator's buffer. */
void batch_iter_free(batch_iter *it);
/* The next header of a record; false after the last (or where the bytes are malformed). Advances r->headers. */
bool batch_header_next(batch_record_view *r, str *key, str *value);

/* Type and coordinator epoch of a transaction marker; false when the batch is none. */
bool batch_marker_read(const void *data, size_t n, bool *commit, int32_t *coordinator_epoch);

#endif
