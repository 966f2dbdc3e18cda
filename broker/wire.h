/*
 * broker/wire.h - the primitives of Kafka's protocol, classic and flexible, over bounded readers and growing buffers.
 *
 * A wire_in reads one request body, a wire_out writes one response body; `flexible` says which of the two encodings is
 * in force (KIP-482: compact lengths and tagged fields). As with base/bytes, failure of reading is sticky: decoders
 * read straight through and look at wire_failed once. Slices borrow the frame. One thread at a time.
 */
#ifndef BROKER_WIRE_H
#define BROKER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/str.h"

/* Public layout: handlers hold it in their request. */
typedef struct wire_in {
    reader r;
    bool flexible;
} wire_in;

/* Public layout, as wire_in. */
typedef struct wire_out {
    buf *b;
    bool flexible;
} wire_out;

/* A nullable value that is null. */
#define WIRE_NULL ((str){NULL, 0})

/* A reader of n bytes in the given encoding. */
static inline wire_in wire_in_of(const void *p, size_t n, bool flexible)
{
    return (wire_in){reader_of(p, n), flexible};
}

/* true when any read so far went wrong. */
static inline bool wire_failed(const wire_in *in)
{
    return in->r.failed;
}

/* Fixed-size integers, big-endian. */
static inline int8_t wire_i8(wire_in *in)
{
    return read_i8(&in->r);
}
/* See wire_i8. */
static inline int16_t wire_i16(wire_in *in)
{
    return read_i16(&in->r);
}
/* See wire_i8. */
static inline int32_t wire_i32(wire_in *in)
{
    return read_i32(&in->r);
}
/* See wire_i8. */
static inline int64_t wire_i64(wire_in *in)
{
    return read_i64(&in->r);
}
/* Any byte but 0 is true. */
static inline bool wire_bool(wire_in *in)
{
    return read_u8(&in->r) != 0;
}

/*
 * A string that may not be null; never returns a NULL pointer unless the read failed. One with a zero byte in it fails
 * the read: names have none.
 */
str wire_str(wire_in *in);
/* A string that may be null: p == NULL then. */
str wire_nstr(wire_in *in);
/* A string that may be null and hold any byte, zero as well: what clients store and is never a name. */
str wire_ntext(wire_in *in);
/* The same for byte strings (and records), whose classic length has four bytes. */
str wire_blob(wire_in *in);
/* See wire_blob; p == NULL for null. */
str wire_nblob(wire_in *in);
/* A uuid; points to 16 bytes of the frame, to zeros when the read failed. */
const uint8_t *wire_uuid(wire_in *in);

/*
 * The length of an array that may not be null, or -1 for a null one with wire_nlen. min_size is the least size of an
 * element in bytes: a length that the rest of the frame cannot hold fails, so that a hostile length costs nothing.
 */
int32_t wire_len(wire_in *in, size_t min_size);
/* See wire_len. */
int32_t wire_nlen(wire_in *in, size_t min_size);

/* Skips a tag section in a flexible body; nothing in a classic one. */
void wire_tags(wire_in *in);

/*
 * Reads a tag section field by field: call wire_tags_begin for the count, then wire_tag for each, which gives the
 * tag and a reader of its contents. Both give 0 fields in a classic body.
 */
uint32_t wire_tags_begin(wire_in *in);
/* See wire_tags_begin. */
uint32_t wire_tag(wire_in *in, wire_in *field);

/* Fixed-size integers. */
static inline void wire_put_i8(wire_out *o, int8_t v)
{
    write_u8(o->b, (uint8_t)v);
}
/* See wire_put_i8. */
static inline void wire_put_i16(wire_out *o, int16_t v)
{
    write_i16(o->b, v);
}
/* See wire_put_i8. */
static inline void wire_put_i32(wire_out *o, int32_t v)
{
    write_i32(o->b, v);
}
/* See wire_put_i8. */
static inline void wire_put_i64(wire_out *o, int64_t v)
{
    write_i64(o->b, v);
}
/* See wire_put_i8. */
static inline void wire_put_bool(wire_out *o, bool v)
{
    write_u8(o->b, v ? 1 : 0);
}

/* A string; p == NULL is written as the empty string. */
void wire_put_str(wire_out *o, str s);
/* A nullable string; p == NULL is written as null. */
void wire_put_nstr(wire_out *o, str s);
/* Bytes; p == NULL is written as empty. */
void wire_put_blob(wire_out *o, str s);
/* Only the length of bytes that follow by other means (records by sendfile). */
void wire_put_blob_len(wire_out *o, size_t n);
/* An array length; n < 0 writes null. */
void wire_put_len(wire_out *o, int32_t n);
/* 16 bytes. */
void wire_put_uuid(wire_out *o, const uint8_t id[16]);
/* An empty tag section in a flexible body; nothing in a classic one. */
void wire_put_tags(wire_out *o);
/* Overwrites four bytes at position at, written before, with v (counts that are known late). */
void wire_patch_i32(wire_out *o, size_t at, int32_t v);

#endif
