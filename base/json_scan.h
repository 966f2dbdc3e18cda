/*
 * base/json_scan.h - the steps of reading JSON (RFC 8259), inline and fast, for readers that know what they expect.
 *
 * A json_in is a cursor over borrowed bytes, usually on the stack. Each step returns false on malformed input, sets
 * `why`, and leaves p near the fault; no step reads at or beyond end, except that a `padded` cursor may LOAD
 * (never interpret) up to 32 bytes behind it, which the caller promises to be readable. Accepted input is strictly
 * valid: escapes, control characters, number forms, and UTF-8 (no overlong forms, no surrogates) are checked by the
 * step that passes over them. The typical object loop:
 *
 *     if (!json_open(&in, '{')) fail;
 *     for (bool more = !json_closes(&in, '}'); more; ) {
 *         json_text key;
 *         if (!json_key(&in, &key)) fail;             // cursor now at the value
 *         ... json_string / json_number / json_literal / json_skip ...
 *         if (!json_more(&in, '}', &more)) fail;      // steps over ',' or '}'
 *     }
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/dtoa.h"
#include "base/str.h"

/* The cursor. Public layout: readers look at p and end. */
typedef struct json_in {
    const char *p;
    const char *end;
    const char *wide; /* at p < wide, 32 bytes may be loaded */
    const char *why; /* set by the first step that failed */
} json_in;

/* A string's bytes between its quotes. */
typedef struct json_text {
    str raw;
    bool escaped; /* raw holds backslashes: json_unescape gives the text */
} json_text;

/* A number: its text, and what one pass over it collects. value = (-1)^negative * mantissa * 10^exponent. */
typedef struct json_num {
    str text;
    uint64_t mantissa; /* the first 19 significant digits */
    int32_t exponent;
    bool negative;
    bool integral; /* no fraction and no exponent part */
    bool truncated; /* more digits than the mantissa holds */
} json_num;

/* A cursor over text; `padded` promises 32 readable bytes behind its end. */
static inline json_in json_in_of(str text, bool padded)
{
    json_in in = {text.p, text.p + text.n, NULL, NULL};
    if (padded)
        in.wide = in.end;
    else
        in.wide = text.n >= 32 ? in.end - 31 : in.p;
    return in;
}

/* Records the first failure; always false. */
static inline bool json_fail(json_in *in, const char *why)
{
    if (!in->why) in->why = why;
    return false;
}

/* Steps over white space. */
static inline void json_ws(json_in *in)
{
    const char *p = in->p;
    while (p < in->end && (unsigned char)*p <= ' ') {
        if (*p != ' ' && *p != '\n' && *p != '\t' && *p != '\r') break;
        p++;
    }
    in->p = p;
}

/* The first byte of what comes after white space, without stepping over it; 0 at the end. */
static inline char json_peek(json_in *in)
{
    json_ws(in);
    return in->p < in->end ? *in->p : 0;
}

/* Steps over white space, one given character, and white space. */
static inline bool json_open(json_in *in, char c)
{
    if (unlikely(json_peek(in) != c || c == 0)) return json_fail(in, "unexpected character");
    in->p++;
    json_ws(in);
    return true;
}

/* Right after an opening bracket: whether the array or object is empty; then steps over the closing one. */
static inline bool json_closes(json_in *in, char close)
{
    if (json_peek(in) != close) return false;
    in->p++;
    return true;
}

/* After a value: steps over ',' (more = true) or the closing bracket (more = false). */
static inline bool json_more(json_in *in, char close, bool *more)
{
    char c = json_peek(in);
    if (c == ',') {
        in->p++;
        json_ws(in);
        *more = true;
        return true;
    }
    if (likely(c == close)) {
        in->p++;
        *more = false;
        return true;
    }
    return json_fail(in, "expected ',' or the closing bracket");
}

/* The part of json_string for strings with escapes, non-ASCII bytes, or near the end; p is behind the opening quote. */
bool json_string_slow(json_in *in, const char *start, json_text *out);

/* A string with the cursor at its opening quote; steps behind the closing one. */
static inline bool json_string(json_in *in, json_text *out)
{
    if (unlikely(in->p >= in->end || *in->p != '"')) return json_fail(in, "expected a string");
    const char *start = in->p + 1;
#ifdef __AVX2__
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), space = _mm256_set1_epi8(0x20);
    for (const char *q = start; likely(q < in->wide); q += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)q);
        /* Signed comparison: bytes of 0x80 and above are negative, so they stop the search as controls do. */
        __m256i stop = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, slash)),
                                       _mm256_cmpgt_epi8(space, v));
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(stop);
        if (mask == 0) continue;
        q += __builtin_ctz(mask);
        if (unlikely(q >= in->end || *q != '"')) break;
        *out = (json_text){{start, (size_t)(q - start)}, false};
        in->p = q + 1;
        return true;
    }
#endif
    return json_string_slow(in, start, out);
}

/* A member's name and the colon behind it; the cursor ends at the value. */
static inline bool json_key(json_in *in, json_text *out)
{
    if (unlikely(!json_string(in, out))) return false;
    return json_open(in, ':');
}

/*
 * The text of a string that a step has accepted. Without escapes the slice itself, else a copy in the arena. A lone
 * surrogate escape becomes '?', which is what Java writes for it.
 */
str json_unescape(arena *a, json_text t);
/* The same appended to a buffer. */
void json_unescape_put(buf *b, json_text t);

/* The part of json_number for fractions, exponents and long digit rows. */
bool json_number_slow(json_in *in, json_num *out);

/* A number; the cursor ends behind it. */
static inline bool json_number(json_in *in, json_num *out)
{
    const char *p = in->p, *end = in->end;
    bool negative = p < end && *p == '-';
    p += negative;
    const char *digits = p;
    uint64_t v = 0;
    while (p < end && (unsigned char)(*p - '0') <= 9) v = v * 10 + (unsigned char)(*p++ - '0');
    ptrdiff_t n = p - digits;
    /* Up to 18 digits cannot overflow; a leading zero, a point or an exponent go the long way. */
    if (unlikely(n == 0 || n > 18 || (*digits == '0' && n > 1) || (p < end && (*p == '.' || (*p | 32) == 'e'))))
        return json_number_slow(in, out);
    *out = (json_num){{in->p, (size_t)(p - in->p)}, v, 0, negative, true, false};
    in->p = p;
    return true;
}

/* Whether the number is integral and fits 64 bits; its value. */
bool json_num_i64(const json_num *n, int64_t *out);

/* The number with its fraction cut off, modulo 2^64: BigDecimal.longValue and BigInteger.longValue. */
int64_t json_num_wrap_i64(const json_num *n);

/* The nearest double. */
double json_num_f64(const json_num *n);

/* One of true, false, null: the given terminated word; the cursor ends behind it. */
static inline bool json_literal(json_in *in, const char *word, size_t n)
{
    if (unlikely((size_t)(in->end - in->p) < n || memcmp(in->p, word, n) != 0))
        return json_fail(in, "unexpected character");
    in->p += n;
    return true;
}

/* true or false. */
static inline bool json_bool(json_in *in, bool *out)
{
    *out = in->p < in->end && *in->p == 't';
    return *out ? json_literal(in, "true", 4) : json_literal(in, "false", 5);
}

/* null. */
static inline bool json_null(json_in *in)
{
    return json_literal(in, "null", 4);
}

/* Any value of up to `depth` levels of nesting, checked completely and passed over. */
bool json_skip(json_in *in, int depth);

/* After the document: only white space is left. */
static inline bool json_end(json_in *in)
{
    json_ws(in);
    return in->p == in->end ? true : json_fail(in, "unexpected text behind the value");
}

#endif
