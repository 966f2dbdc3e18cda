#include "base/json_scan.h"

#include "base/json.h"
#include "base/utf8.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Whether one of eight bytes is a quote, a backslash, a control or not ASCII. */
static inline bool special8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    uint64_t quote = v ^ ONES * '"', slash = v ^ ONES * '\\';
    /* The classic zero-byte test; it may report too much behind a hit, never too little. */
    uint64_t hit = (quote - ONES) | (slash - ONES) | (v - ONES * 0x20);
    return ((hit | v) & HIGHS) != 0;
}

static inline int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4) return -1;
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int h = hex_value(p[i]);
        if (h < 0) return -1;
        v = v << 4 | h;
    }
    return v;
}

bool json_string_slow(json_in *in, const char *start, json_text *out)
{
    const char *p = start, *end = in->end;
    bool escaped = false;
    for (;;) {
        while (end - p >= 8 && !special8(p)) p += 8;
        if (p >= end) break;
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            *out = (json_text){{start, (size_t)(p - start)}, escaped};
            in->p = p + 1;
            return true;
        }
        in->p = p;
        if (c == '\\') {
            escaped = true;
            if (end - p < 2) break;
            if (p[1] == 'u') {
                if (hex4(p + 2, end) < 0) return json_fail(in, "malformed \\u escape");
                p += 6;
            } else {
                if (p[1] == 0 || !strchr("\"\\/bfnrt", p[1])) return json_fail(in, "unknown escape");
                p += 2;
            }
        } else if (c < 0x20) {
            return json_fail(in, "control character in a string");
        } else if (c < 0x80) {
            p++;
        } else if (utf8_next(&p, end) == 0xfffd && p - in->p == 1) {
            return json_fail(in, "malformed UTF-8");
        }
    }
    in->p = end;
    return json_fail(in, "string without an end");
}

/* Decodes an escape at p (behind the backslash) into out; returns the bytes consumed, *n those written. */
static size_t unescape_one(const char *p, const char *end, char out[4], size_t *n)
{
    static const char plain[128] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    if (*p != 'u') {
        out[0] = plain[*p & 127];
        *n = 1;
        return 1;
    }
    uint32_t c = (uint32_t)hex4(p + 1, end);
    size_t used = 5;
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 11 && p[5] == '\\' && p[6] == 'u') {
        int32_t low = hex4(p + 7, end);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            used = 11;
        }
    }
    *n = utf8_encode(c, out);
    return used;
}

/* Unescapes into out, which has room for raw.n bytes: no escape is shorter than what it stands for. */
static size_t unescape(str raw, char *out)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    char *o = out;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((slash ? slash : end) - p);
        memcpy(o, p, run);
        o += run;
        p += run;
        if (p >= end) break;
        char c[4];
        size_t n;
        p += 1 + unescape_one(p + 1, end, c, &n);
        memcpy(o, c, n);
        o += n;
    }
    return (size_t)(o - out);
}

str json_unescape(arena *a, json_text t)
{
    if (!t.escaped) return t.raw;
    char *out = arena_alloc(a, t.raw.n);
    return str_of(out, unescape(t.raw, out));
}

void json_unescape_put(buf *b, json_text t)
{
    if (t.escaped)
        b->len += unescape(t.raw, buf_reserve(b, t.raw.n));
    else
        buf_add_str(b, t.raw);
}

/* The digits of one part of a number. */
static const char *take_digits(const char *p, const char *end, json_num *out, int *significant, bool fraction)
{
    for (; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit > 9) break;
        if (*significant < 19) {
            out->mantissa = out->mantissa * 10 + digit;
            *significant += out->mantissa != 0;
            out->exponent -= fraction;
        } else {
            out->truncated |= digit != 0;
            out->exponent += !fraction;
        }
    }
    return p;
}

bool json_number_slow(json_in *in, json_num *out)
{
    const char *p = in->p, *end = in->end;
    int significant = 0;
    *out = (json_num){.integral = true};
    /* Counts of digits must fit the exponent; longer texts are no numbers anybody can use. */
    if (end - p > INT32_MAX / 4) end = p + INT32_MAX / 4;
    if (p < end && *p == '-') {
        out->negative = true;
        p++;
    }
    const char *digits = p;
    p = take_digits(p, end, out, &significant, false);
    if (p == digits || (*digits == '0' && p - digits > 1)) return json_fail(in, "malformed number");
    if (p < end && *p == '.') {
        digits = ++p;
        out->integral = false;
        p = take_digits(p, end, out, &significant, true);
        if (p == digits) return json_fail(in, "malformed number");
    }
    if (p < end && (*p | 32) == 'e') {
        p++;
        out->integral = false;
        bool minus = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        digits = p;
        int32_t e = 0;
        for (; p < end && (unsigned char)(*p - '0') <= 9; p++)
            if (e < INT32_MAX / 40) e = e * 10 + (*p - '0');
        if (p == digits) return json_fail(in, "malformed number");
        out->exponent += minus ? -e : e;
    }
    out->text = str_of(in->p, (size_t)(p - in->p));
    in->p = p;
    return true;
}

bool json_num_i64(const json_num *n, int64_t *out)
{
    uint64_t limit = (uint64_t)INT64_MAX + n->negative;
    if (!n->integral || n->truncated || n->exponent != 0 || n->mantissa > limit) return false;
    *out = (int64_t)(n->negative ? 0 - n->mantissa : n->mantissa);
    return true;
}

int64_t json_num_wrap_i64(const json_num *n)
{
    uint64_t v = 0;
    /* 10^64 is a multiple of 2^64. */
    if (n->exponent >= 64) return 0;
    if (!n->truncated) {
        v = n->mantissa;
        for (int32_t e = n->exponent; e < 0 && v != 0; e++) v /= 10;
        for (int32_t e = n->exponent; e > 0; e--) v *= 10;
    } else {
        /* The mantissa holds 19 digits, so 19 + exponent digits stand before the point. */
        int64_t whole = 19 + (int64_t)n->exponent;
        for (size_t i = 0; i < n->text.n && whole > 0 && (n->text.p[i] | 32) != 'e'; i++) {
            unsigned digit = (unsigned char)(n->text.p[i] - '0');
            if (digit > 9 || (v == 0 && digit == 0 && whole == 19 + (int64_t)n->exponent)) continue;
            v = v * 10 + digit;
            whole--;
        }
        for (; whole > 0; whole--) v *= 10;
    }
    return (int64_t)(n->negative ? 0 - v : v);
}

double json_num_f64(const json_num *n)
{
    double v;
    if (!dtoa_from_parts(n->mantissa, n->exponent, n->truncated, &v)) {
        check(dtoa_parse(n->text, &v));
        return v;
    }
    return n->negative ? -v : v;
}

/* A value that is neither array nor object. */
static bool skip_scalar(json_in *in, char c)
{
    json_text text;
    json_num number;
    switch (c) {
    case '"': return json_string(in, &text);
    case 't': return json_literal(in, "true", 4);
    case 'f': return json_literal(in, "false", 5);
    case 'n': return json_literal(in, "null", 4);
    default:
        if (c != '-' && (unsigned char)(c - '0') > 9) return json_fail(in, "unexpected character");
        return json_number(in, &number);
    }
}

bool json_skip(json_in *in, int depth)
{
    uint64_t objects[JSON_DEPTH_MAX / 64 + 1] = {0}; /* one bit a level: object or array */
    int level = 0;
    check(depth <= JSON_DEPTH_MAX);
    for (;;) {
        json_text name;
        char c = json_peek(in);
        if (c == '{' || c == '[') {
            bool object = c == '{';
            if (level == depth) return json_fail(in, "nested too deeply");
            in->p++;
            if (!json_closes(in, object ? '}' : ']')) {
                uint64_t bit = UINT64_C(1) << (level % 64);
                objects[level / 64] = object ? objects[level / 64] | bit : objects[level / 64] & ~bit;
                level++;
                if (object && !json_key(in, &name)) return false;
                continue;
            }
        } else if (!skip_scalar(in, c)) {
            return false;
        }
        bool more = false;
        while (level > 0 && !more) {
            bool object = objects[(level - 1) / 64] >> ((level - 1) % 64) & 1;
            if (!json_more(in, object ? '}' : ']', &more)) return false;
            if (!more)
                level--;
            else if (object && !json_key(in, &name))
                return false;
        }
        if (!more) return true;
    }
}
