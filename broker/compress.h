/*
 * broker/compress.h - the codecs of record batches: gzip, snappy (raw and xerial-framed), lz4 frames, zstd.
 *
 * Input is hostile: expansion is a stream of pieces with a limit on their sum, so that a small batch can cost
 * neither memory nor time without end. Thread-neutral; an expander belongs to one thread.
 */
#ifndef BROKER_COMPRESS_H
#define BROKER_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "broker/batch.h"

/* An expansion under way. */
typedef struct expander {
    batch_codec codec;
    const uint8_t *in;
    const uint8_t *in_end;
    uint64_t left; /* bytes that may still come out */
    bool done;
    uint64_t frame_left; /* zstd: of the size that the frame states */
    void *state; /* of the codec */
    buf block; /* snappy: the block that is being handed out */
    size_t block_at;
} expander;

/* Starts; the input is borrowed until expander_close. False for an id that is no codec. */
bool expander_open(expander *e, batch_codec codec, const void *in, size_t n, uint64_t limit, diag *d);
/* The next bytes, at most cap: their number, 0 at the end, -1 when the input is broken or expands beyond the limit. */
ptrdiff_t expander_read(expander *e, void *out, size_t cap, diag *d);
/* Releases it; allowed after a failed open. */
void expander_close(expander *e);

/* Expands everything behind what the buffer holds; for CODEC_NONE a copy. */
bool expand_all(batch_codec codec, const void *in, size_t n, uint64_t limit, buf *out, diag *d);

/* Compresses everything behind what the buffer holds. Level 0 is the codec's default. */
bool compress_all(batch_codec codec, int level, const void *in, size_t n, buf *out, diag *d);

#endif
