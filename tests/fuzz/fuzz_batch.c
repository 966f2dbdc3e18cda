/*
 * Record batches: what batch_check lets through, batch_verify accepts and batch_iter walks to the end, with the
 * number of records and the offsets that the header states; what it refuses hurts nobody. Every codec, also on bytes
 * of its own.
 *
 * Input: one byte of flags, one of topic rules, one of the Produce version, then the batch; or, with flag 2, a codec
 * and its bytes.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "broker/batch.h"
#include "broker/compress.h"
#include "tests/fuzz/fuzz.h"

enum { MEND = 1, CODEC_ONLY = 2, EXPANDED_MAX = 1 << 20 };
static const int64_t now_ms = 1700000000000;

/* Piece by piece and at once, an expansion gives the same bytes and the same verdict. */
static void expand(batch_codec codec, const void *p, size_t n)
{
    diag d = {0};
    buf whole = {0}, pieces = {0};
    bool ok = expand_all(codec, p, n, EXPANDED_MAX, &whole, &d);
    check(ok || diag_is_set(&d));
    check(whole.len <= EXPANDED_MAX);
    expander e;
    diag_clear(&d);
    ptrdiff_t got = -1;
    if (expander_open(&e, codec, p, n, EXPANDED_MAX, &d)) {
        while ((got = expander_read(&e, buf_reserve(&pieces, 333), 333, &d)) > 0) {
            check(got <= 333);
            pieces.len += (size_t)got;
        }
    }
    expander_close(&e);
    check((got == 0) == ok);
    if (ok) check(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_free(&pieces);
    if (ok && codec <= CODEC_ZSTD) {
        buf packed = {0}, again = {0};
        check(compress_all(codec, 0, whole.data, whole.len, &packed, &d));
        check(expand_all(codec, packed.data, packed.len, EXPANDED_MAX, &again, &d));
        check(str_eq(buf_str(&whole), buf_str(&again)));
        buf_free(&packed);
        buf_free(&again);
    }
    buf_free(&whole);
}

/* Walks a batch; the number of records, or -1. */
static int32_t walk(const void *p, size_t n, bool checked)
{
    static volatile uint32_t seen; /* every byte that a record borrows is read */
    batch_iter it = {0};
    batch_record_view r;
    diag d = {0};
    int32_t count = -1;
    if (batch_iter_open(&it, p, n, EXPANDED_MAX, &d)) {
        int status;
        for (count = 0; (status = batch_iter_next(&it, &r, &d)) == 1; count++) {
            if (checked) check(r.offset == it.header.base_offset + count);
            seen ^= hash_crc32c(r.key.p, r.key.n) ^ hash_crc32c(r.value.p, r.value.n);
            str key, value;
            int32_t headers = 0;
            while (batch_header_next(&r, &key, &value)) {
                seen ^= hash_crc32c(key.p, key.n) ^ hash_crc32c(value.p, value.n);
                headers++;
            }
            if (checked) check(r.header_count == 0 && headers >= 0);
        }
        if (status < 0) {
            check(diag_is_set(&d) && !checked);
            count = -1;
        }
    } else {
        check(diag_is_set(&d));
    }
    (void)seen;
    batch_iter_free(&it);
    return count;
}

static batch_rules rules_of(uint32_t pick)
{
    static const int codecs[] = {-1, CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, -1, -1};
    return (batch_rules){.max_bytes = 1 << 20,
                         .segment_bytes = 1 << 20,
                         .compacted = pick & 8,
                         .log_append_time = pick & 16,
                         .timestamp_before_max_ms = pick & 32 ? 1000 : INT64_MAX,
                         .timestamp_after_max_ms = pick & 32 ? 1000 : INT64_MAX,
                         .codec = codecs[pick & 7],
                         .expanded_bytes_max = EXPANDED_MAX};
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader in = reader_of(data, n);
    uint32_t flags = fuzz_pick(&in, 4), pick = fuzz_pick(&in, 64);
    int version = (int)fuzz_pick(&in, 14);
    size_t size = reader_left(&in);
    if (flags & CODEC_ONLY) {
        expand((batch_codec)(pick % 6), in.p, size);
        return;
    }
    uint8_t *batch = fuzz_copy(in.p, size);
    if (flags & MEND) fuzz_mend_batches(batch, size);
    batch_header h;
    diag d = {0};
    bool whole = batch_verify(batch, size, &h, &d);
    check(whole != diag_is_set(&d));
    if (whole) {
        check(batch_size(&h) <= (int64_t)size);
        walk(batch, (size_t)batch_size(&h), false);
        bool commit;
        int32_t epoch;
        batch_marker_read(batch, (size_t)batch_size(&h), &commit, &epoch);
    }

    batch_rules rules = rules_of(pick);
    batch_checked c;
    if (batch_check(batch, size, &rules, version, now_ms, &c)) {
        check(c.error == KAFKA_NONE && whole);
        diag_clear(&d);
        check(batch_verify(c.data, c.size, &h, &d) && batch_size(&h) == (int64_t)c.size);
        int32_t count = walk(c.data, c.size, true);
        check(count == c.header.count && count == h.count && c.header.last_offset_delta == count - 1);
        if (rules.codec >= 0) check(batch_codec_of(&h) == (batch_codec)rules.codec);
        if (rules.log_append_time) check(h.max_timestamp == now_ms && h.attributes & BATCH_LOG_APPEND_TIME);
    } else {
        check(c.error != KAFKA_NONE && c.bad_count >= 0 && c.bad_count <= BATCH_BAD_MAX);
    }
    batch_checked_free(&c);
    free(batch);
}

static void seed_batch(fuzz_out *out, uint8_t flags, uint8_t pick, const batch_options *options, int records)
{
    batch_builder b = {0};
    diag d = {0};
    batch_begin(&b, options);
    for (int i = 0; i < records; i++) {
        batch_record_header headers[] = {{STR("h"), STR("v")}, {STR("empty"), {0}}};
        batch_record r = {i % 3 ? STR("key") : (str){0}, i % 4 ? STR("value value value") : (str){0}, now_ms + i,
                          headers, i % 2 ? 2 : 0};
        batch_add(&b, &r);
    }
    uint8_t *data;
    size_t size;
    check(batch_finish(&b, &data, &size, &d));
    buf input = {0};
    const uint8_t head[] = {flags, pick, 9};
    buf_add(&input, head, sizeof head);
    buf_add(&input, data, size);
    fuzz_seed(out, input.data, input.len);
    if (flags == MEND && options->codec != CODEC_NONE) {
        /* The codec's bytes alone. */
        buf_clear(&input);
        const uint8_t alone[] = {CODEC_ONLY, (uint8_t)options->codec, 0};
        buf_add(&input, alone, sizeof alone);
        buf_add(&input, data + BATCH_HEADER, size - BATCH_HEADER);
        fuzz_seed(out, input.data, input.len);
    }
    buf_free(&input);
    batch_builder_free(&b);
}

void fuzz_make(fuzz_out *out)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        batch_options plain = batch_options_plain(), txn = plain;
        plain.codec = txn.codec = (batch_codec)codec;
        txn.producer_id = 7;
        txn.producer_epoch = 1;
        txn.base_sequence = 0;
        txn.transactional = true;
        for (int records = 1; records <= 9; records += 4) seed_batch(out, MEND, 0, &plain, records);
        seed_batch(out, MEND, 16, &txn, 5);
        seed_batch(out, 0, 8, &plain, 3);
        seed_batch(out, MEND, (uint8_t)(codec + 1) % 6, &plain, 4);
    }
    batch_builder b = {0};
    uint8_t *data;
    size_t size;
    batch_marker(&b, 7, 1, 3, true, now_ms, &data, &size);
    buf input = {0};
    buf_add(&input, "\1\0\11", 3);
    buf_add(&input, data, size);
    fuzz_seed(out, input.data, input.len);
    buf_free(&input);
    batch_builder_free(&b);
}
