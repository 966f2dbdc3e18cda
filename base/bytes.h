/*
 * base/bytes.h - bounded reading and writing of big-endian integers and varints, for wire and disk formats.
 *
 * The reader's failure is sticky: after an underflow every read returns zero or an empty slice and `failed` stays set,
 * so a decoder reads straight through and checks once at its end. Slices borrow the input. Thread-neutral.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

static inline uint16_t load_be16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return __builtin_bswap16(v);
}
static inline uint32_t load_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline void store_be16(void *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
}
static inline void store_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline void store_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

/* Public layout: hot decoders look at p and end. */
typedef struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool failed;
} reader;

static inline reader reader_of(const void *p, size_t n)
{
    return (reader){p, (const uint8_t *)p + n, false};
}
static inline size_t reader_left(const reader *r)
{
    return (size_t)(r->end - r->p);
}
/* n bytes, or NULL (and failed) when fewer are left. */
static inline const uint8_t *read_bytes(reader *r, size_t n)
{
    if (r->failed || (size_t)(r->end - r->p) < n) {
        r->failed = true;
        r->p = r->end;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}
static inline uint8_t read_u8(reader *r)
{
    const uint8_t *p = read_bytes(r, 1);
    return p ? *p : 0;
}
static inline int8_t read_i8(reader *r)
{
    return (int8_t)read_u8(r);
}
static inline int16_t read_i16(reader *r)
{
    const uint8_t *p = read_bytes(r, 2);
    return p ? (int16_t)load_be16(p) : 0;
}
static inline int32_t read_i32(reader *r)
{
    const uint8_t *p = read_bytes(r, 4);
    return p ? (int32_t)load_be32(p) : 0;
}
static inline int64_t read_i64(reader *r)
{
    const uint8_t *p = read_bytes(r, 8);
    return p ? (int64_t)load_be64(p) : 0;
}

/* Unsigned LEB128 of at most 32 (5 bytes) or 64 (10 bytes) bits; longer or overflowing ones fail. */
uint32_t read_uvarint32(reader *r);
uint64_t read_uvarint64(reader *r);
/* Zigzag forms, as Kafka's record fields use them. */
int32_t read_varint32(reader *r);
int64_t read_varint64(reader *r);

static inline void write_u8(buf *b, uint8_t v)
{
    buf_add_char(b, (char)v);
}
static inline void write_i16(buf *b, int16_t v)
{
    store_be16(buf_reserve(b, 2), (uint16_t)v);
    b->len += 2;
}
static inline void write_i32(buf *b, int32_t v)
{
    store_be32(buf_reserve(b, 4), (uint32_t)v);
    b->len += 4;
}
static inline void write_i64(buf *b, int64_t v)
{
    store_be64(buf_reserve(b, 8), (uint64_t)v);
    b->len += 8;
}
/* Unsigned and zigzag varints. */
void write_uvarint64(buf *b, uint64_t v);
void write_varint64(buf *b, int64_t v);
/* Encoded sizes in bytes. */
size_t uvarint64_size(uint64_t v);
size_t varint64_size(int64_t v);

#endif
