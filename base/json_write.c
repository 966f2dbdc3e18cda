/* Writing JSON; the escapes are those of Jackson's generators with their default settings. */
#include <math.h>

#include "base/dtoa.h"
#include "base/json.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

static inline bool must_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Length of the leading part that needs no escape. */
static size_t clean_prefix(const char *p, size_t n)
{
    size_t i = 0;
#ifdef __AVX2__
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), limit = _mm256_set1_epi8(0x1f);
    for (; i + 32 <= n; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        __m256i stop = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, slash)),
                                       _mm256_cmpeq_epi8(_mm256_min_epu8(v, limit), v));
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(stop);
        if (mask != 0) return i + (size_t)__builtin_ctz(mask);
    }
#endif
    while (i < n && !must_escape((unsigned char)p[i])) i++;
    return i;
}

static void put_escape(buf *b, unsigned char c)
{
    static const char shorts[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char digits[] = "0123456789ABCDEF";
    char *o = buf_reserve(b, 6);
    o[0] = '\\';
    if (c >= 0x20 || shorts[c]) {
        o[1] = c >= 0x20 ? (char)c : shorts[c];
        b->len += 2;
        return;
    }
    memcpy(o + 1, "u00", 3);
    o[4] = digits[c >> 4];
    o[5] = digits[c & 15];
    b->len += 6;
}

void json_put_str(buf *b, str s)
{
    char *o = buf_reserve(b, s.n + 2);
    *o = '"';
    b->len++;
    while (s.n > 0) {
        size_t n = clean_prefix(s.p, s.n);
        buf_add(b, s.p, n);
        if (n == s.n) break;
        put_escape(b, (unsigned char)s.p[n]);
        s = str_of(s.p + n + 1, s.n - n - 1);
    }
    buf_add_char(b, '"');
}

void json_put_f64(buf *b, double v)
{
    bool number = isfinite(v);
    if (!number) buf_add_char(b, '"');
    dtoa_put(b, v);
    if (!number) buf_add_char(b, '"');
}

void json_put_i64(buf *b, int64_t v)
{
    itoa_put(b, v);
}

void json_put_value(buf *b, const json_value *v)
{
    switch (v->kind) {
    case JSON_NULL: buf_add(b, "null", 4); break;
    case JSON_BOOL: buf_add_str(b, v->truth ? STR("true") : STR("false")); break;
    case JSON_NUMBER: buf_add_str(b, v->text); break;
    case JSON_STRING: json_put_str(b, v->text); break;
    case JSON_ARRAY:
        buf_add_char(b, '[');
        for (uint32_t i = 0; i < v->count; i++) {
            if (i > 0) buf_add_char(b, ',');
            json_put_value(b, &v->items[i]);
        }
        buf_add_char(b, ']');
        break;
    case JSON_OBJECT:
        buf_add_char(b, '{');
        for (uint32_t i = 0; i < v->count; i++) {
            if (i > 0) buf_add_char(b, ',');
            json_put_str(b, v->members[i].name);
            buf_add_char(b, ':');
            json_put_value(b, &v->members[i].value);
        }
        buf_add_char(b, '}');
        break;
    }
}

/* Called before a value or a name. */
static void separate(json_out *o, bool comma_after)
{
    if (o->comma) buf_add_char(o->b, ',');
    o->comma = comma_after;
}

void json_out_object(json_out *o)
{
    separate(o, false);
    buf_add_char(o->b, '{');
}

void json_out_end_object(json_out *o)
{
    buf_add_char(o->b, '}');
    o->comma = true;
}

void json_out_array(json_out *o)
{
    separate(o, false);
    buf_add_char(o->b, '[');
}

void json_out_end_array(json_out *o)
{
    buf_add_char(o->b, ']');
    o->comma = true;
}

void json_out_key_str(json_out *o, str name)
{
    separate(o, false);
    json_put_str(o->b, name);
    buf_add_char(o->b, ':');
}

void json_out_key(json_out *o, const char *name)
{
    json_out_key_str(o, str_z(name));
}

void json_out_str(json_out *o, str s)
{
    separate(o, true);
    json_put_str(o->b, s);
}

void json_out_z(json_out *o, const char *z)
{
    if (z)
        json_out_str(o, str_z(z));
    else
        json_out_null(o);
}

void json_out_i64(json_out *o, int64_t v)
{
    separate(o, true);
    json_put_i64(o->b, v);
}

void json_out_f64(json_out *o, double v)
{
    separate(o, true);
    json_put_f64(o->b, v);
}

void json_out_bool(json_out *o, bool v)
{
    json_out_raw(o, v ? STR("true") : STR("false"));
}

void json_out_null(json_out *o)
{
    json_out_raw(o, STR("null"));
}

void json_out_raw(json_out *o, str json)
{
    separate(o, true);
    buf_add_str(o->b, json);
}

void json_out_value(json_out *o, const json_value *v)
{
    separate(o, true);
    json_put_value(o->b, v);
}
