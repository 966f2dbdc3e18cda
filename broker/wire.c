#include "broker/wire.h"

#include "base/check.h"

static const uint8_t zeros[16];

/* The classic lengths are signed with -1 for null; the compact ones are n + 1 with 0 for null. */
static int64_t length(wire_in *in, bool four_bytes)
{
    if (in->flexible) return (int64_t)read_uvarint32(&in->r) - 1;
    return four_bytes ? read_i32(&in->r) : read_i16(&in->r);
}

static str slice(wire_in *in, bool four_bytes, bool nullable)
{
    int64_t n = length(in, four_bytes);
    if (in->r.failed) return WIRE_NULL;
    if (n == -1 && nullable) return WIRE_NULL;
    if (n < 0) {
        in->r.failed = true;
        return WIRE_NULL;
    }
    const uint8_t *p = read_bytes(&in->r, (size_t)n);
    return p ? str_of((const char *)p, (size_t)n) : WIRE_NULL;
}

/* Names are kept as terminated strings: two that differ only behind a zero byte would become one. */
static str text(wire_in *in, bool nullable)
{
    str s = slice(in, false, nullable);
    if (s.n == 0 || !memchr(s.p, 0, s.n)) return s;
    in->r.failed = true;
    return WIRE_NULL;
}

str wire_str(wire_in *in)
{
    return text(in, false);
}

str wire_nstr(wire_in *in)
{
    return text(in, true);
}

str wire_ntext(wire_in *in)
{
    return slice(in, false, true);
}

str wire_blob(wire_in *in)
{
    return slice(in, true, false);
}

str wire_nblob(wire_in *in)
{
    return slice(in, true, true);
}

const uint8_t *wire_uuid(wire_in *in)
{
    const uint8_t *p = read_bytes(&in->r, 16);
    return p ? p : zeros;
}

int32_t wire_nlen(wire_in *in, size_t min_size)
{
    check(min_size > 0);
    int64_t n = length(in, true);
    if (in->r.failed) return 0;
    if (n == -1) return -1;
    if (n < 0 || (uint64_t)n > reader_left(&in->r) / min_size) {
        in->r.failed = true;
        return 0;
    }
    return (int32_t)n;
}

int32_t wire_len(wire_in *in, size_t min_size)
{
    int32_t n = wire_nlen(in, min_size);
    if (n < 0) in->r.failed = true;
    return n < 0 ? 0 : n;
}

uint32_t wire_tags_begin(wire_in *in)
{
    if (!in->flexible) return 0;
    uint32_t count = read_uvarint32(&in->r);
    /* A tagged field takes two bytes at least. */
    if (count > reader_left(&in->r) / 2) in->r.failed = true;
    return in->r.failed ? 0 : count;
}

uint32_t wire_tag(wire_in *in, wire_in *field)
{
    uint32_t tag = read_uvarint32(&in->r);
    uint32_t size = read_uvarint32(&in->r);
    const uint8_t *p = read_bytes(&in->r, size);
    *field = wire_in_of(p ? p : zeros, p ? size : 0, true);
    return tag;
}

void wire_tags(wire_in *in)
{
    uint32_t count = wire_tags_begin(in);
    wire_in field;
    for (uint32_t i = 0; i < count && !in->r.failed; i++) wire_tag(in, &field);
}

static void put_length(wire_out *o, size_t n, bool four_bytes)
{
    check(n <= INT32_MAX);
    if (o->flexible)
        write_uvarint64(o->b, n + 1);
    else if (four_bytes)
        write_i32(o->b, (int32_t)n);
    else {
        /* A string that the classic encoding cannot carry is our mistake: names and messages are limited. */
        check(n <= INT16_MAX);
        write_i16(o->b, (int16_t)n);
    }
}

void wire_put_str(wire_out *o, str s)
{
    put_length(o, s.n, false);
    buf_add_str(o->b, s);
}

void wire_put_nstr(wire_out *o, str s)
{
    if (s.p) {
        wire_put_str(o, s);
        return;
    }
    if (o->flexible)
        write_u8(o->b, 0);
    else
        write_i16(o->b, -1);
}

void wire_put_blob(wire_out *o, str s)
{
    put_length(o, s.n, true);
    buf_add_str(o->b, s);
}

void wire_put_blob_len(wire_out *o, size_t n)
{
    put_length(o, n, true);
}

void wire_put_len(wire_out *o, int32_t n)
{
    if (n >= 0)
        put_length(o, (size_t)n, true);
    else if (o->flexible)
        write_u8(o->b, 0);
    else
        write_i32(o->b, -1);
}

void wire_put_uuid(wire_out *o, const uint8_t id[16])
{
    buf_add(o->b, id, 16);
}

void wire_put_tags(wire_out *o)
{
    if (o->flexible) write_u8(o->b, 0);
}

void wire_patch_i32(wire_out *o, size_t at, int32_t v)
{
    check(at + 4 <= o->b->len);
    store_be32(o->b->data + at, (uint32_t)v);
}
