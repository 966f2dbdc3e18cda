#include "broker/compress.h"

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bytes.h"
#include "base/check.h"

/*
 * snappy-java's stream format ("xerial"): this magic, two version numbers, then blocks, each behind its length.
 * Clients of librdkafka's family send one bare block instead; both are valid under codec id 2.
 */
static const uint8_t XERIAL_MAGIC[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
enum { XERIAL_HEADER = 16, XERIAL_BLOCK = 32 * 1024, LZ4_FLAG_INDEPENDENT = 0x20 };

/* A broken or too large input; the message names the codec. */
static bool broken(diag *d, const char *codec)
{
    return diag_set(d, DIAG_CORRUPT, "the %s data cannot be decompressed", codec);
}

/*
 * The decoders of gzip and zstd are 80 to 150 KiB large: for a batch of 16 KiB making one costs as much as decoding.
 * Each thread keeps the one it used last.
 */
typedef struct kept_decoders {
    ZSTD_DCtx *zstd;
    struct inflate_state *gzip;
} kept_decoders;

static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void kept_free(void *p)
{
    kept_decoders *kept = p;
    ZSTD_freeDCtx(kept->zstd);
    free(kept->gzip);
    free(kept);
}

static void kept_init(void)
{
    check(pthread_key_create(&kept_key, kept_free) == 0);
}

static kept_decoders *kept_of_thread(void)
{
    pthread_once(&kept_once, kept_init);
    kept_decoders *kept = pthread_getspecific(kept_key);
    if (!kept) {
        kept = calloc(1, sizeof *kept);
        check(kept != NULL && pthread_setspecific(kept_key, kept) == 0);
    }
    return kept;
}

/* ---- snappy: whole blocks --------------------------------------------------------------------------------------- */

static bool snappy_block(expander *e, const uint8_t *in, size_t n, diag *d)
{
    size_t size;
    if (snappy_uncompressed_length((const char *)in, n, &size) != SNAPPY_OK) return broken(d, "snappy");
    /*
     * One byte of input gives at most about 64 bytes (a copy of 2 bytes), so a larger claim is a lie that costs
     * memory.
     */
    if (size > e->left || size / 64 > n + 1) {
        return diag_set(d, DIAG_LIMIT, "the snappy data expands beyond what is allowed");
    }
    buf_clear(&e->block);
    size_t got = size;
    char *out = buf_reserve(&e->block, size + 1);
    if (snappy_uncompress((const char *)in, n, out, &got) != SNAPPY_OK) return broken(d, "snappy");
    e->block.len = got;
    e->block_at = 0;
    return true;
}

static ptrdiff_t snappy_read(expander *e, void *out, size_t cap, diag *d)
{
    bool framed = e->state != NULL;
    while (e->block_at == e->block.len) {
        if (e->in == e->in_end) return 0;
        const uint8_t *block = e->in;
        size_t n = (size_t)(e->in_end - e->in);
        if (framed) {
            if (n < 4 || load_be32(block) > n - 4) return broken(d, "snappy") - 1;
            n = load_be32(block);
            block += 4;
        }
        if (!snappy_block(e, block, n, d)) return -1;
        e->in = block + n;
    }
    size_t n = e->block.len - e->block_at;
    if (n > cap) n = cap;
    memcpy(out, e->block.data + e->block_at, n);
    e->block_at += n;
    return (ptrdiff_t)n;
}

static void snappy_open(expander *e)
{
    size_t n = (size_t)(e->in_end - e->in);
    if (n >= XERIAL_HEADER && memcmp(e->in, XERIAL_MAGIC, sizeof XERIAL_MAGIC) == 0) {
        e->in += XERIAL_HEADER;
        e->state = e; /* marks the framed form */
    }
}

/* ---- gzip: isa-l's inflate, member after member -------------------------------------------------------- */

static ptrdiff_t gzip_read(expander *e, void *out, size_t cap, diag *d)
{
    struct inflate_state *s = e->state;
    s->next_out = out;
    s->avail_out = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;
    uint32_t room = s->avail_out;
    while (s->avail_out == room) {
        if (s->block_state == ISAL_BLOCK_FINISH) {
            if (s->avail_in == 0) return 0;
            isal_inflate_reset(s);
            s->crc_flag = ISAL_GZIP;
        }
        uint32_t in_before = s->avail_in;
        if (isal_inflate(s) != ISAL_DECOMP_OK) return broken(d, "gzip") - 1;
        bool stuck = s->avail_in == in_before && s->avail_out == room;
        if (stuck && s->block_state != ISAL_BLOCK_FINISH) return broken(d, "gzip") - 1;
    }
    return (ptrdiff_t)(room - s->avail_out);
}

static bool gzip_open(expander *e, diag *d)
{
    size_t n = (size_t)(e->in_end - e->in);
    if (n > UINT32_MAX) return broken(d, "gzip");
    kept_decoders *kept = kept_of_thread();
    struct inflate_state *s = kept->gzip ? kept->gzip : malloc(sizeof *s);
    check(s != NULL);
    kept->gzip = NULL;
    isal_inflate_init(s);
    s->crc_flag = ISAL_GZIP;
    s->next_in = (uint8_t *)(uintptr_t)e->in;
    s->avail_in = (uint32_t)n;
    e->state = s;
    return true;
}

/* ---- lz4 frames ---------------------------------------------------------------------------------------- */

static ptrdiff_t lz4_read(expander *e, void *out, size_t cap, diag *d)
{
    for (;;) {
        size_t got = cap, used = (size_t)(e->in_end - e->in);
        size_t hint = LZ4F_decompress(e->state, out, &got, e->in, &used, NULL);
        if (LZ4F_isError(hint)) return broken(d, "lz4") - 1;
        e->in += used;
        if (hint == 0) e->done = true;
        if (got > 0) return (ptrdiff_t)got;
        if (hint == 0) return 0;
        if (used == 0) return broken(d, "lz4") - 1;
    }
}

/* Java's reader refuses frames whose blocks depend on each other, so nobody may store one. */
static bool lz4_open(expander *e, diag *d)
{
    if (e->in_end - e->in < 7 || !(e->in[4] & LZ4_FLAG_INDEPENDENT)) return broken(d, "lz4");
    LZ4F_dctx *ctx;
    check(!LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)));
    e->state = ctx;
    return true;
}

/* ---- zstd --------------------------------------------------------------- */

/*
 * A frame that ends short of the size it states: libzstd refuses it when the output has room for the stated size, and
 * takes it otherwise. Here it is refused whatever the pieces are.
 */
static bool zstd_frame_ended_short(expander *e, size_t made)
{
    if (e->frame_left == ZSTD_CONTENTSIZE_UNKNOWN || e->frame_left == ZSTD_CONTENTSIZE_ERROR) return false;
    if (made > e->frame_left) return true;
    e->frame_left -= made;
    return e->done && e->frame_left > 0;
}

static ptrdiff_t zstd_read(expander *e, void *out, size_t cap, diag *d)
{
    ZSTD_inBuffer in = {e->in, (size_t)(e->in_end - e->in), 0};
    ZSTD_outBuffer to = {out, cap, 0};
    size_t hint = 1;
    while (to.pos == 0) {
        size_t before = in.pos;
        if (in.pos == in.size && e->done) return 0;
        if (e->done) e->frame_left = ZSTD_getFrameContentSize((const char *)in.src + in.pos, in.size - in.pos);
        hint = ZSTD_decompressStream(e->state, &to, &in);
        if (ZSTD_isError(hint)) return broken(d, "zstd") - 1;
        e->done = hint == 0;
        if (zstd_frame_ended_short(e, to.pos)) return broken(d, "zstd") - 1;
        if (to.pos == 0 && in.pos == before) {
            if (!e->done) return broken(d, "zstd") - 1;
            if (in.pos == in.size) return 0;
        }
    }
    e->in += in.pos;
    return (ptrdiff_t)to.pos;
}

static void zstd_open(expander *e)
{
    kept_decoders *kept = kept_of_thread();
    e->state = kept->zstd ? kept->zstd : ZSTD_createDCtx();
    check(e->state != NULL);
    kept->zstd = NULL;
    ZSTD_DCtx_reset(e->state, ZSTD_reset_session_only);
    e->frame_left = ZSTD_getFrameContentSize(e->in, (size_t)(e->in_end - e->in));
}

/* ---- all of them --------------------------------------------------------------------------------------- */

bool expander_open(expander *e, batch_codec codec, const void *in, size_t n, uint64_t limit, diag *d)
{
    /* No bytes may come as NULL, to which C lets nobody add even 0. */
    if (n == 0) in = "";
    *e = (expander){.codec = codec, .in = in, .in_end = (const uint8_t *)in + n, .left = limit};
    switch (codec) {
    case CODEC_NONE: return true;
    case CODEC_GZIP: return gzip_open(e, d);
    case CODEC_SNAPPY: snappy_open(e); return true;
    case CODEC_LZ4: return lz4_open(e, d);
    case CODEC_ZSTD: zstd_open(e); return true;
    }
    return diag_set(d, DIAG_CORRUPT, "%d is no compression codec", (int)codec);
}

ptrdiff_t expander_read(expander *e, void *out, size_t cap, diag *d)
{
    check(cap > 0);
    ptrdiff_t n = 0;
    switch (e->codec) {
    case CODEC_NONE:
        n = e->in_end - e->in;
        if ((size_t)n > cap) n = (ptrdiff_t)cap;
        if (n > 0) memcpy(out, e->in, (size_t)n);
        e->in += n;
        break;
    case CODEC_GZIP: n = gzip_read(e, out, cap, d); break;
    case CODEC_SNAPPY: n = snappy_read(e, out, cap, d); break;
    case CODEC_LZ4: n = e->done ? 0 : lz4_read(e, out, cap, d); break;
    case CODEC_ZSTD: n = zstd_read(e, out, cap, d); break;
    }
    if (n <= 0) return n;
    if ((uint64_t)n > e->left) {
        diag_set(d, DIAG_LIMIT, "the compressed data expands beyond what is allowed");
        return -1;
    }
    e->left -= (uint64_t)n;
    return n;
}

void expander_close(expander *e)
{
    kept_decoders *kept = kept_of_thread();
    if (e->codec == CODEC_GZIP && e->state) {
        free(kept->gzip);
        kept->gzip = e->state;
    }
    if (e->codec == CODEC_ZSTD && e->state) {
        ZSTD_freeDCtx(kept->zstd);
        kept->zstd = e->state;
    }
    if (e->codec == CODEC_LZ4 && e->state) LZ4F_freeDecompressionContext(e->state);
    buf_free(&e->block);
    e->state = NULL;
}

bool expand_all(batch_codec codec, const void *in, size_t n, uint64_t limit, buf *out, diag *d)
{
    expander e;
    bool ok = expander_open(&e, codec, in, n, limit, d);
    size_t step = n * 4 < 16384 ? 16384 : n * 4;
    while (ok) {
        if (step > 1u << 20) step = 1u << 20;
        ptrdiff_t got = expander_read(&e, buf_reserve(out, step), step, d);
        if (got < 0) ok = false;
        if (got <= 0) break;
        out->len += (size_t)got;
    }
    expander_close(&e);
    return ok;
}

static bool compress_gzip(int level, const void *in, size_t n, buf *out, diag *d)
{
    z_stream z = {0};
    enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };
    int use = level >= 1 && level <= 9 ? level : Z_DEFAULT_COMPRESSION;
    if (n > UINT32_MAX / 2) return diag_set(d, DIAG_LIMIT, "%zu bytes are too many for one batch", n);
    check(deflateInit2(&z, use, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&z, n);
    z.next_in = (Bytef *)(uintptr_t)in;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)buf_reserve(out, bound);
    z.avail_out = (uInt)bound;
    check(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->len += bound - z.avail_out;
    deflateEnd(&z);
    return true;
}

static void compress_snappy(const void *in, size_t n, buf *out)
{
    buf_add(out, XERIAL_MAGIC, sizeof XERIAL_MAGIC);
    write_i32(out, 1);
    write_i32(out, 1);
    for (size_t at = 0; at < n; at += XERIAL_BLOCK) {
        size_t step = n - at < XERIAL_BLOCK ? n - at : XERIAL_BLOCK;
        size_t packed = snappy_max_compressed_length(step);
        char *p = buf_reserve(out, 4 + packed);
        check(snappy_compress((const char *)in + at, step, p + 4, &packed) == SNAPPY_OK);
        store_be32(p, (uint32_t)packed);
        out->len += 4 + packed;
    }
}

static void compress_lz4(int level, const void *in, size_t n, buf *out)
{
    LZ4F_preferences_t how = {0};
    how.frameInfo.blockSizeID = LZ4F_max64KB;
    how.frameInfo.blockMode = LZ4F_blockIndependent;
    how.compressionLevel = level;
    size_t bound = LZ4F_compressFrameBound(n, &how);
    size_t packed = LZ4F_compressFrame(buf_reserve(out, bound), bound, in, n, &how);
    check(!LZ4F_isError(packed));
    out->len += packed;
}

bool compress_all(batch_codec codec, int level, const void *in, size_t n, buf *out, diag *d)
{
    switch (codec) {
    case CODEC_NONE: buf_add(out, in, n); return true;
    case CODEC_GZIP: return compress_gzip(level, in, n, out, d);
    case CODEC_SNAPPY: compress_snappy(in, n, out); return true;
    case CODEC_LZ4: compress_lz4(level, in, n, out); return true;
    case CODEC_ZSTD: {
        size_t bound = ZSTD_compressBound(n);
        size_t packed = ZSTD_compress(buf_reserve(out, bound), bound, in, n, level ? level : ZSTD_CLEVEL_DEFAULT);
        if (ZSTD_isError(packed)) return diag_set(d, DIAG_INTERNAL, "zstd: %s", ZSTD_getErrorName(packed));
        out->len += packed;
        return true;
    }
    }
    return diag_set(d, DIAG_INVALID, "%d is no compression codec", (int)codec);
}
