/* Encodings: ENCODE, TO_BYTES, FROM_BYTES, MD5, UUID, CHR, and numbers from bytes. */
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "engine/func/table.h"

typedef enum encoding { ENCODING_NONE, ENCODING_HEX, ENCODING_UTF8, ENCODING_ASCII, ENCODING_BASE64 } encoding;

static encoding encoding_of(str name)
{
    if (str_ieq(name, STR("hex"))) return ENCODING_HEX;
    if (str_ieq(name, STR("utf8"))) return ENCODING_UTF8;
    if (str_ieq(name, STR("ascii"))) return ENCODING_ASCII;
    if (str_ieq(name, STR("base64"))) return ENCODING_BASE64;
    return ENCODING_NONE;
}

static str take(func_call *c, buf *b)
{
    str s = arena_str(c->mem, buf_str(b));
    buf_free(b);
    return s;
}

/* getBytes(US_ASCII): a question mark for what is not ASCII. */
static str to_ascii(func_call *c, str s)
{
    if (utf8_is_ascii(s)) return s;
    buf b = {0};
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        uint32_t ch = utf8_next(&p, end);
        buf_add_char(&b, ch < 0x80 ? (char)ch : '?');
    }
    return take(c, &b);
}

/* new String(bytes, US_ASCII): U+FFFD for each byte that is not ASCII. */
static str from_ascii(func_call *c, str s)
{
    if (utf8_is_ascii(s)) return s;
    buf b = {0};
    for (size_t i = 0; i < s.n; i++) utf8_put(&b, (unsigned char)s.p[i] < 0x80 ? (uint32_t)s.p[i] : 0xfffd);
    return take(c, &b);
}

static str to_hex(func_call *c, str s, bool upper)
{
    buf b = {0};
    hex_put(&b, s.p, s.n, upper);
    return take(c, &b);
}

static str to_base64(func_call *c, str s)
{
    buf b = {0};
    base64_put(&b, s.p, s.n);
    return take(c, &b);
}

/* Text of bytes in an encoding. */
static str text_of(func_call *c, str bytes, encoding e, bool upper_hex)
{
    switch (e) {
    case ENCODING_HEX: return to_hex(c, bytes, upper_hex);
    case ENCODING_UTF8: return utf8_repair(c->mem, bytes);
    case ENCODING_ASCII: return from_ascii(c, bytes);
    default: return to_base64(c, bytes);
    }
}

static int base64_digit(char ch)
{
    if (ch >= 'A' && ch <= 'Z') return ch - 'A';
    if (ch >= 'a' && ch <= 'z') return ch - 'a' + 26;
    if (ch >= '0' && ch <= '9') return ch - '0' + 52;
    return ch == '+' || ch == '-' ? 62 : ch == '/' || ch == '_' ? 63 : -1;
}

/* commons-codec's decoder, which ENCODE uses: both alphabets, other characters skipped, padding ends the text. */
static str lenient_base64(func_call *c, str s)
{
    char *p = arena_alloc(c->mem, s.n + 1);
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
        int digit = base64_digit(s.p[i]);
        if (digit < 0) continue;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        p[n++] = (char)(bits >> have);
    }
    return str_of(p, n);
}

/* 0xAB.. (a missing digit is put in front) and X'AB..' besides plain digits. */
static bool lenient_hex(func_call *c, str s, str *out)
{
    if (str_starts(s, STR("0x"))) {
        bool odd = s.n % 2 != 0;
        s = str_of(s.p + 2, s.n - 2);
        if (odd) s = arena_printf(c->mem, "0%.*s", STR_ARG(s));
    } else if (s.n >= 3 && (s.p[0] == 'x' || s.p[0] == 'X') && s.p[1] == '\'' && s.p[s.n - 1] == '\'') {
        s = str_of(s.p + 2, s.n - 3);
    }
    uint8_t *p = arena_alloc(c->mem, s.n / 2 + 1);
    if (s.n % 2) return func_fail(c, "Odd number of characters.");
    if (!hex_decode(s, p)) return func_fail(c, "Illegal hexadecimal character");
    *out = str_of((char *)p, s.n / 2);
    return true;
}

static bool fn_encode(func_call *c, const value *args, int count, value *out)
{
    encoding from = encoding_of(args[1].s), to = encoding_of(args[2].s);
    if (!from || !to || from == to)
        return func_fail(c, "Supported input and output encodings are: hex, utf8, ascii and base64");
    str bytes = args[0].s;
    if (from == ENCODING_HEX && !lenient_hex(c, args[0].s, &bytes)) return false;
    if (from == ENCODING_ASCII) bytes = to_ascii(c, args[0].s);
    if (from == ENCODING_BASE64) bytes = lenient_base64(c, args[0].s);
    return func_str(out, text_of(c, bytes, to, false));
}

static bool known_encoding(func_call *c, str name, encoding *e)
{
    *e = encoding_of(name);
    return *e ||
           func_fail(c, "Unknown encoding type '%.*s'. Supported formats are 'hex', 'utf8', 'ascii', and 'base64'.",
                     STR_ARG(name));
}

static bool fn_from_bytes(func_call *c, const value *args, int count, value *out)
{
    encoding e;
    return known_encoding(c, args[1].s, &e) && func_str(out, text_of(c, args[0].s, e, true));
}

static bool fn_to_bytes(func_call *c, const value *args, int count, value *out)
{
    encoding e;
    str s = args[0].s;
    size_t n;
    if (!known_encoding(c, args[1].s, &e)) return false;
    if (e == ENCODING_UTF8) return func_str(out, s);
    if (e == ENCODING_ASCII) return func_str(out, to_ascii(c, s));
    uint8_t *p = arena_alloc(c->mem, base64_decoded_max(s.n));
    if (e == ENCODING_HEX) {
        if (!hex_decode(s, p))
            return func_fail(c, "hexBinary needs to be even-length and of hexadecimal digits: %.*s", STR_ARG(s));
        n = s.n / 2;
    } else if (!base64_decode(s, BASE64_JAVA, p, &n)) {
        return func_fail(c, "Illegal base64 text");
    }
    return func_str(out, str_of((char *)p, n));
}

static bool fn_md5(func_call *c, const value *args, int count, value *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t n = 0;
    if (!EVP_Q_digest(NULL, "MD5", NULL, args[0].s.p ? args[0].s.p : "", args[0].s.n, digest, &n))
        return func_fail(c, "MD5 is not available");
    return func_str(out, to_hex(c, str_of((char *)digest, n), false));
}

static bool uuid_text(func_call *c, uint64_t high, uint64_t low, value *out)
{
    return func_str(out, arena_printf(c->mem, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
                                      (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xffff, (unsigned)(low >> 48),
                                      (unsigned long long)(low & 0xffffffffffff)));
}

/* Version 4, variant 2. */
static bool fn_uuid(func_call *c, const value *args, int count, value *out)
{
    uint64_t high = rng_u64(&c->env->random), low = rng_u64(&c->env->random);
    high = (high & ~UINT64_C(0xf000)) | 0x4000;
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    return uuid_text(c, high, low, out);
}

static bool fn_uuid_of(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null || args[0].s.n != 16) return true;
    return uuid_text(c, load_be64(args[0].s.p), load_be64(args[0].s.p + 8), out);
}

/* ---- CHR ---- */

static bool fn_chr(func_call *c, const value *args, int count, value *out)
{
    if (args[0].i < 0 || args[0].i > 0x10ffff) return true;
    char text[4];
    return func_str(out, arena_str(c->mem, str_of(text, utf8_encode((uint32_t)args[0].i, text))));
}

/* Four hexadecimal digits at s[at], or -1. */
static int32_t unit_at(str s, size_t at)
{
    int32_t v = 0;
    if (at + 4 > s.n) return -1;
    for (size_t i = at; i < at + 4; i++) {
        char ch = s.p[i];
        int digit = ch >= '0' && ch <= '9'                 ? ch - '0'
                    : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10
                                                           : -1;
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* Position behind the u's and the plus sign of an escape that begins at s[at]; 0 when it is none. */
static size_t escape_digits(str s, size_t at)
{
    if (at + 1 >= s.n || s.p[at] != '\\' || s.p[at + 1] != 'u') return 0;
    for (at += 2; at < s.n && s.p[at] == 'u'; at++) {
    }
    return at < s.n && s.p[at] == '+' ? at + 1 : at;
}

/* StringEscapeUtils.unescapeJava: unicode escapes, the single letters, octal digits. */
static bool fn_chr_escape(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s;
    if (utf8_length16(s) < 6 || !str_starts(s, STR("\\u"))) return true;
    buf b = {0};
    for (size_t i = 0; i < s.n;) {
        size_t digits = escape_digits(s, i);
        if (digits) {
            int32_t high = unit_at(s, digits);
            if (high < 0) {
                buf_free(&b);
                return func_fail(c, "Unable to parse unicode value: %.*s", STR_ARG(s));
            }
            i = digits + 4;
            size_t next = escape_digits(s, i);
            int32_t low = next && high >= 0xd800 && high < 0xdc00 ? unit_at(s, next) : -1;
            bool pair = low >= 0xdc00 && low < 0xe000;
            utf8_put(&b,
                     pair ? 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00) : (uint32_t)high);
            if (pair) i = next + 4;
        } else if (s.p[i] == '\\' && i + 1 < s.n) {
            static const char from[] = "bntfr", to[] = "\b\n\t\f\r";
            const char *at = strchr(from, s.p[i + 1]);
            uint32_t octal = 0;
            size_t k = i + 1;
            while (k < s.n && k < i + 4 && s.p[k] >= '0' && s.p[k] <= '7' && octal < 32)
                octal = octal * 8 + (uint32_t)(s.p[k++] - '0');
            if (k > i + 1)
                utf8_put(&b, octal);
            else
                buf_add_char(&b, at ? to[at - from] : s.p[i + 1]);
            i = k > i + 1 ? k : i + 2;
        } else {
            buf_add_char(&b, s.p[i++]);
        }
    }
    return func_str(out, take(c, &b));
}

/* ---- numbers from bytes ---- */

static bool from_bytes(func_call *c, const value *args, int count, size_t size, uint64_t *out)
{
    bool little = false;
    if (count == 2) {
        little = str_ieq(args[1].s, STR("LITTLE_ENDIAN"));
        if (!little && !str_ieq(args[1].s, STR("BIG_ENDIAN")))
            return func_fail(c, "Byte order must be BIG_ENDIAN or LITTLE_ENDIAN. Unknown byte order '%.*s'.",
                             STR_ARG(args[1].s));
    }
    str s = args[0].s;
    if (s.n != size) return func_fail(c, "Number of bytes must be equal to %zu, but found %zu", size, s.n);
    *out = 0;
    for (size_t i = 0; i < size; i++) *out = *out << 8 | (unsigned char)s.p[little ? size - 1 - i : i];
    return true;
}

static bool fn_int_from_bytes(func_call *c, const value *args, int count, value *out)
{
    uint64_t v;
    return from_bytes(c, args, count, 4, &v) && func_int(out, (int32_t)(uint32_t)v);
}

static bool fn_bigint_from_bytes(func_call *c, const value *args, int count, value *out)
{
    uint64_t v;
    return from_bytes(c, args, count, 8, &v) && func_bigint(out, (int64_t)v);
}

static bool fn_double_from_bytes(func_call *c, const value *args, int count, value *out)
{
    uint64_t v;
    double d;
    if (!from_bytes(c, args, count, 8, &v)) return false;
    memcpy(&d, &v, sizeof d);
    return func_double(out, d);
}

static const func_def def_encode[] = {
    FUNC("(str STRING, inputEncoding STRING, outputEncoding STRING) STRING", fn_encode), {0}};
static const func_def def_from_bytes[] = {FUNC("(value BYTES, encoding STRING) STRING", fn_from_bytes), {0}};
static const func_def def_to_bytes[] = {FUNC("(value STRING, encoding STRING) BYTES", fn_to_bytes), {0}};
static const func_def def_md5[] = {FUNC("(s STRING) STRING", fn_md5), {0}};
static const func_def def_uuid[] = {
    FUNC("() STRING", fn_uuid, .flags = FUNC_IS_VOLATILE), FUNC("(bytes BYTES) STRING", fn_uuid_of), {0}};
static const func_def def_chr[] = {
    FUNC("(decimalCode INT) STRING", fn_chr), FUNC("(utf16Code STRING) STRING", fn_chr_escape), {0}};
#define NUMBER(NAME, TYPE)                                                                                             \
    static const func_def def_##NAME[] = {                                                                             \
        FUNC("(value BYTES) " TYPE, fn_##NAME), FUNC("(value BYTES, byteOrder STRING) " TYPE, fn_##NAME), {0}};
NUMBER(int_from_bytes, "INT")
NUMBER(bigint_from_bytes, "BIGINT")
NUMBER(double_from_bytes, "DOUBLE")

const func_name func_family_encode[] = {
    {"encode", FUNC_CATEGORY_STRING, "Converts a text between the encodings hex, utf8, ascii and base64.", def_encode},
    {"from_bytes", FUNC_CATEGORY_STRING, "The text of bytes in the encoding hex, utf8, ascii or base64.",
     def_from_bytes},
    {"to_bytes", FUNC_CATEGORY_STRING, "The bytes of a text in the encoding hex, utf8, ascii or base64.", def_to_bytes},
    {"md5", FUNC_CATEGORY_STRING, "The MD5 digest of a text in hexadecimal digits.", def_md5},
    {"UUID", FUNC_CATEGORY_STRING, "A random UUID, or the UUID that 16 bytes are.", def_uuid},
    {"Chr", FUNC_CATEGORY_STRING, "The character of a code point, or of an escape such as \\u004b.", def_chr},
    {"int_from_bytes", FUNC_CATEGORY_CONVERSIONS, "The INT of 4 bytes (big endian unless said otherwise).",
     def_int_from_bytes},
    {"bigint_from_bytes", FUNC_CATEGORY_CONVERSIONS, "The BIGINT of 8 bytes (big endian unless said otherwise).",
     def_bigint_from_bytes},
    {"double_from_bytes", FUNC_CATEGORY_CONVERSIONS, "The DOUBLE of 8 bytes (big endian unless said otherwise).",
     def_double_from_bytes},
    {0},
};
