#include "base/base64.h"

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const void *p, size_t n, char *out)
{
    const uint8_t *in = p;
    char *o = out;
    for (; n >= 3; n -= 3, in += 3) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    if (n > 0) {
        uint32_t v = (uint32_t)in[0] << 16 | (n == 2 ? (uint32_t)in[1] << 8 : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = n == 2 ? alphabet[v >> 6 & 63] : '=';
        *o++ = '=';
    }
    return (size_t)(o - out);
}

void base64_put(buf *b, const void *p, size_t n)
{
    if (n == 0) return;
    b->len += base64_encode(p, n, buf_reserve(b, base64_encoded_size(n)));
}

/* The value of a character, or -1. */
static inline int sextet(char c, bool url)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    if (c == (url ? '_' : '/')) return 63;
    return -1;
}

/*
 * One group from p: up to four characters. Returns the characters taken (0: malformed) and the bytes written.
 * Non-zero bits behind the last byte are ignored, as both Java decoders do.
 */
static size_t decode_group(const char *p, size_t n, base64_rules rules, uint8_t *out, size_t *wrote)
{
    uint32_t v = 0;
    size_t i = 0;
    while (i < 4 && i < n) {
        int s = sextet(p[i], rules == BASE64_URL);
        if (s < 0) break;
        v = v << 6 | (uint32_t)s;
        i++;
    }
    if (i < 2) return 0;
    *wrote = i - 1;
    v <<= 6 * (4 - i);
    out[0] = (uint8_t)(v >> 16);
    if (i > 2) out[1] = (uint8_t)(v >> 8);
    if (i > 3) out[2] = (uint8_t)v;
    if (i == 4) return 4;
    if (i == n) return rules == BASE64_JACKSON ? 0 : n;
    for (size_t k = i; k < 4; k++)
        if (k >= n || p[k] != '=') return 0;
    return 4;
}

bool base64_decode(str s, base64_rules rules, uint8_t *out, size_t *out_n)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        if (rules == BASE64_JACKSON && (unsigned char)s.p[i] <= ' ') {
            i++;
            continue;
        }
        size_t wrote = 0, taken = decode_group(s.p + i, s.n - i, rules, out + n, &wrote);
        if (taken == 0) return false;
        i += taken;
        n += wrote;
        /* Java's decoders take nothing behind a short group; Jackson goes on with the next one. */
        if (wrote < 3 && rules != BASE64_JACKSON && i < s.n) return false;
    }
    *out_n = n;
    return true;
}

void hex_put(buf *b, const void *p, size_t n, bool upper)
{
    if (n == 0) return;
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    const uint8_t *in = p;
    char *o = buf_reserve(b, 2 * n);
    for (size_t i = 0; i < n; i++) {
        *o++ = digits[in[i] >> 4];
        *o++ = digits[in[i] & 15];
    }
    b->len += 2 * n;
}

static inline int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(str s, uint8_t *out)
{
    if (s.n % 2 != 0) return false;
    for (size_t i = 0; i < s.n; i += 2) {
        int high = nibble(s.p[i]), low = nibble(s.p[i + 1]);
        if (high < 0 || low < 0) return false;
        *out++ = (uint8_t)(high << 4 | low);
    }
    return true;
}
