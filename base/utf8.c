#include "base/utf8.h"

#include <stdlib.h>
#include <unicase.h>

#include "base/check.h"

static inline uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Length of the leading ASCII part. */
static size_t ascii_prefix(str s)
{
    size_t i = 0;
    while (i + 8 <= s.n && (load8(s.p + i) & HIGH_BITS) == 0) i += 8;
    while (i < s.n && (unsigned char)s.p[i] < 0x80) i++;
    return i;
}

bool utf8_is_ascii(str s)
{
    return ascii_prefix(s) == s.n;
}

/*
 * Length of the well-formed character at p (Unicode 15, table 3-7), or 0; *bad is then the length of the malformed
 * part that decoders replace by one U+FFFD (its maximal subpart).
 */
static inline size_t sequence(const unsigned char *p, size_t n, size_t *bad)
{
    unsigned c = p[0];
    *bad = 1;
    if (c < 0x80) return 1;
    if (c < 0xc2 || c > 0xf4) return 0;
    size_t need = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < need; i++) {
        *bad = i;
        if (i >= n || p[i] < low || p[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
    }
    return need;
}

bool utf8_valid(str s)
{
    size_t bad;
    for (size_t i = 0; i < s.n;) {
        if (i + 8 <= s.n && (load8(s.p + i) & HIGH_BITS) == 0) {
            i += 8;
            continue;
        }
        size_t len = sequence((const unsigned char *)s.p + i, s.n - i, &bad);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

str utf8_repair(arena *a, str s)
{
    if (utf8_valid(s)) return s;
    /* A malformed byte grows to three. */
    check(s.n < SIZE_MAX / 3);
    char *out = arena_alloc(a, s.n * 3);
    size_t n = 0, bad;
    for (size_t i = 0; i < s.n;) {
        size_t len = sequence((const unsigned char *)s.p + i, s.n - i, &bad);
        if (len > 0) {
            memcpy(out + n, s.p + i, len);
            n += len;
            i += len;
        } else {
            memcpy(out + n, "\xef\xbf\xbd", 3);
            n += 3;
            i += bad;
        }
    }
    return str_of(out, n);
}

/* Bytes of the character that begins with c, in valid text. */
static inline size_t lead_length(unsigned char c)
{
    return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t utf8_length16(str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        n += ((c & 0xc0) != 0x80) + (c >= 0xf0);
    }
    return n;
}

size_t utf8_length(str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

size_t utf8_offset16(str s, size_t index, bool *inside)
{
    if (inside) *inside = false;
    size_t i = 0, units = 0;
    while (i < s.n && units < index) {
        unsigned char c = (unsigned char)s.p[i];
        size_t wide = c >= 0xf0 ? 2 : 1;
        if (units + wide > index) {
            if (inside) *inside = true;
            return i;
        }
        units += wide;
        i += lead_length(c);
    }
    return i < s.n ? i : s.n;
}

size_t utf8_index16(str s, size_t offset)
{
    check(offset <= s.n);
    return utf8_length16(str_of(s.p, offset));
}

str utf8_substr16(arena *a, str s, size_t start, size_t count)
{
    bool cut_start, cut_end;
    size_t from = utf8_offset16(s, start, &cut_start);
    str rest = str_of(s.p + from, s.n - from);
    /* Counted from the character's own start when the beginning cuts it. */
    size_t extra = cut_start ? 1 : 0;
    if (count == 0) return str_of(s.p + from, 0);
    size_t to = count > SIZE_MAX - extra ? rest.n : utf8_offset16(rest, count + extra, &cut_end);
    if (count > SIZE_MAX - extra) cut_end = false;
    if (!cut_start && !cut_end) return str_of(rest.p, to);
    char *out = arena_alloc(a, to + 2);
    size_t n = 0, skip = cut_start ? lead_length((unsigned char)rest.p[0]) : 0;
    if (cut_start) out[n++] = '?';
    if (to > skip) {
        memcpy(out + n, rest.p + skip, to - skip);
        n += to - skip;
    }
    if (cut_end) out[n++] = '?';
    return str_of(out, n);
}

/* Full case mapping by libunistring; it allocates with malloc when its buffer does not fit. */
static str map_case(arena *a, str s, bool upper)
{
    size_t n = s.n + s.n / 2 + 16;
    uint8_t *room = arena_alloc(a, n);
    const uint8_t *in = (const uint8_t *)s.p;
    uint8_t *out = upper ? u8_toupper(in, s.n, NULL, NULL, room, &n) : u8_tolower(in, s.n, NULL, NULL, room, &n);
    if (!out) return s; /* malformed text has no case */
    if (out == room) return str_of((char *)out, n);
    str copy = arena_str(a, str_of((char *)out, n));
    free(out);
    return copy;
}

static str ascii_case(arena *a, str s, char first, char last)
{
    size_t i = 0;
    while (i < s.n && (s.p[i] < first || s.p[i] > last)) i++;
    if (i == s.n) return s;
    char *out = arena_alloc(a, s.n);
    memcpy(out, s.p, i);
    for (; i < s.n; i++) {
        char c = s.p[i];
        out[i] = (char)(c ^ (c >= first && c <= last ? 0x20 : 0));
    }
    return str_of(out, s.n);
}

str utf8_upper(arena *a, str s)
{
    return utf8_is_ascii(s) ? ascii_case(a, s, 'a', 'z') : map_case(a, s, true);
}

str utf8_lower(arena *a, str s)
{
    return utf8_is_ascii(s) ? ascii_case(a, s, 'A', 'Z') : map_case(a, s, false);
}

int utf8_cmp16(str a, str b)
{
    size_t n = a.n < b.n ? a.n : b.n, i = 0;
    while (i + 8 <= n && load8(a.p + i) == load8(b.p + i)) i += 8;
    while (i < n && a.p[i] == b.p[i]) i++;
    if (i == n) return a.n < b.n ? -1 : a.n > b.n;
    unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
    /* Lead bytes 0xf0.. are surrogate pairs, which sort below U+E000..U+FFFF (leads 0xee and 0xef). */
    if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0)) return x >= 0xf0 ? -1 : 1;
    return x < y ? -1 : 1;
}

uint32_t utf8_next(const char **p, const char *end)
{
    const unsigned char *s = (const unsigned char *)*p;
    check(*p < end);
    size_t bad, n = sequence(s, (size_t)(end - *p), &bad);
    if (n == 0) {
        *p += 1;
        return 0xfffd;
    }
    *p += n;
    switch (n) {
    case 1: return s[0];
    case 2: return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
    case 3: return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    default:
        return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 |
               (s[3] & 0x3f);
    }
}

size_t utf8_encode(uint32_t c, char out[4])
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = '?';
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

void utf8_put(buf *b, uint32_t c)
{
    b->len += utf8_encode(c, buf_reserve(b, 4));
}
