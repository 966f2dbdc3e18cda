#include "base/bytes.h"

uint64_t read_uvarint64(reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->failed || r->p == r->end) break;
        uint8_t b = *r->p++;
        if (shift == 63 && b > 1) break;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) return v;
    }
    r->failed = true;
    r->p = r->end;
    return 0;
}

uint32_t read_uvarint32(reader *r)
{
    uint32_t v = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (r->failed || r->p == r->end) break;
        uint8_t b = *r->p++;
        if (shift == 28 && b > 0x0F) break;
        v |= (uint32_t)(b & 0x7F) << shift;
        if (b < 0x80) return v;
    }
    r->failed = true;
    r->p = r->end;
    return 0;
}

int32_t read_varint32(reader *r)
{
    uint32_t v = read_uvarint32(r);
    return (int32_t)((v >> 1) ^ (0u - (v & 1)));
}

int64_t read_varint64(reader *r)
{
    uint64_t v = read_uvarint64(r);
    return (int64_t)((v >> 1) ^ (0ull - (v & 1)));
}

void write_uvarint64(buf *b, uint64_t v)
{
    char *p = buf_reserve(b, 10);
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (char)v;
    b->len += n;
}

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

void write_varint64(buf *b, int64_t v)
{
    write_uvarint64(b, zigzag(v));
}

size_t uvarint64_size(uint64_t v)
{
    return v == 0 ? 1 : (size_t)(63 - __builtin_clzll(v)) / 7 + 1;
}

size_t varint64_size(int64_t v)
{
    return uvarint64_size(zigzag(v));
}
