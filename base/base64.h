/*
 * base/base64.h - base64 (RFC 4648, standard alphabet) and hexadecimal text, as java.util.Base64 and Jackson do it.
 *
 * Pure functions, any thread. The caller provides the output memory, sized with the functions below.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* How strict the decoder is about padding and white space. */
typedef enum base64_rules {
    BASE64_JAVA, /* Base64.getDecoder(): padding may be missing, no other characters */
    BASE64_JACKSON, /* JsonNode.binaryValue(): padding required, blanks allowed between groups of four */
    BASE64_URL, /* Base64.getUrlDecoder(): the alphabet with - and _, padding may be missing */
} base64_rules;

/* Characters that n bytes encode to, with padding. */
static inline size_t base64_encoded_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

/* An upper bound of the bytes that n characters decode to. */
static inline size_t base64_decoded_max(size_t n)
{
    return n / 4 * 3 + 3;
}

/* Encodes with padding into out, not terminated; returns base64_encoded_size(n). */
size_t base64_encode(const void *p, size_t n, char *out);
/* The same appended to a buffer. */
void base64_put(buf *b, const void *p, size_t n);

/* Decodes into out (base64_decoded_max(s.n) bytes); false on malformed text. */
bool base64_decode(str s, base64_rules rules, uint8_t *out, size_t *out_n);

/* Appends 2 * n hexadecimal digits. */
void hex_put(buf *b, const void *p, size_t n, bool upper);

/* Decodes pairs of digits of either case into out (s.n / 2 bytes); false on an odd length or other characters. */
bool hex_decode(str s, uint8_t *out);

#endif
