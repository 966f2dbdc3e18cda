/* Functions on URLs, by the rules of java.net.URI (RFC 2396 with its deviations) and of form encoding. */
#include "base/utf8.h"
#include "engine/func/table.h"

/* The raw parts of a URI; p NULL: absent. */
typedef struct uri {
    str scheme, authority, path, query, fragment;
    str host;
    int32_t port; /* -1: none */
} uri;

static bool is_alpha(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Letters, digits, the marks of RFC 2396, escapes, characters beyond ASCII that are no blanks, and those in `more`. */
static bool legal(str s, const char *more)
{
    const char *p = s.p, *end = s.p + s.n;
    while (p < end) {
        char c = *p;
        if ((unsigned char)c >= 0x80) {
            uint32_t u = utf8_next(&p, end);
            if (u < 0xa0 || u == 0xa0 || u == 0x1680 || (u >= 0x2000 && u <= 0x200a) || u == 0x2028 || u == 0x2029 ||
                u == 0x202f || u == 0x205f || u == 0x3000)
                return false;
            continue;
        }
        p++;
        if (c == '%') {
            if (end - p < 2 || hex_digit(p[0]) < 0 || hex_digit(p[1]) < 0) return false;
            p += 2;
            continue;
        }
        if (c == 0 || (!is_alpha(c) && !is_digit(c) && !strchr("_-!.~'()*", c) && !strchr(more, c))) return false;
    }
    return true;
}

static bool ipv4(str s)
{
    int parts = 0;
    for (size_t i = 0; i < s.n; parts++) {
        int v = 0, digits = 0;
        while (i < s.n && is_digit(s.p[i]) && digits < 4) v = v * 10 + (s.p[i++] - '0'), digits++;
        if (digits == 0 || digits > 3 || v > 255) return false;
        if (i < s.n && (s.p[i++] != '.' || i == s.n)) return false;
    }
    return parts == 4;
}

/* Labels of letters, digits and inner hyphens; the last begins with a letter. A dot may end the name. */
static bool hostname(str s)
{
    if (s.n && s.p[s.n - 1] == '.') s.n--;
    size_t start = 0;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '.') {
            if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-') return false;
            continue;
        }
        if (i == start || s.p[start] == '-' || s.p[i - 1] == '-') return false;
        if (i == s.n) return is_alpha(s.p[start]);
        start = i + 1;
    }
    return false;
}

static bool bracketed(str s)
{
    if (s.n < 4 || s.p[0] != '[' || s.p[s.n - 1] != ']') return false;
    bool colon = false;
    for (size_t i = 1; i + 1 < s.n && s.p[i] != '%'; i++) {
        colon = colon || s.p[i] == ':';
        if (hex_digit(s.p[i]) < 0 && s.p[i] != ':' && s.p[i] != '.') return false;
    }
    return colon;
}

/* [user@]host[:port]; what is none stays a registry name, which has no host. */
static bool parse_authority(uri *u)
{
    str a = u->authority;
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] != '@') continue;
        a = str_of(a.p + i + 1, a.n - i - 1);
        break;
    }
    size_t end = a.n;
    int32_t port = -1;
    for (size_t i = a.n; i > 0 && (is_digit(a.p[i - 1]) || a.p[i - 1] == ':'); i--) {
        if (a.p[i - 1] != ':') continue;
        int64_t v = -1;
        if (i < a.n && (!str_to_i64(str_of(a.p + i, a.n - i), &v) || v > INT32_MAX)) break;
        port = (int32_t)v;
        end = i - 1;
        break;
    }
    str host = str_of(a.p, end);
    if (ipv4(host) || hostname(host) || bracketed(host)) {
        u->host = host;
        u->port = port;
        return legal(u->authority, "$,;:@&=+[]");
    }
    return legal(u->authority, "$,;:@&=+");
}

static size_t scan(str s, size_t from, const char *stop)
{
    while (from < s.n && !(s.p[from] && strchr(stop, s.p[from]))) from++;
    return from;
}

static bool parse_rest(uri *u, str s)
{
    size_t p = 0;
    if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/') {
        size_t q = scan(s, 2, "/?#");
        if (q == 2 && q == s.n) return false;
        if (q > 2) {
            u->authority = str_of(s.p + 2, q - 2);
            if (!parse_authority(u)) return false;
        }
        p = q;
    }
    size_t q = scan(s, p, "?#");
    u->path = str_of(s.p + p, q - p);
    if (!legal(u->path, ":@&=+$,;/")) return false;
    if (q < s.n && s.p[q] == '?') {
        p = q + 1;
        q = scan(s, p, "#");
        u->query = str_of(s.p + p, q - p);
    }
    return legal(u->query, ";/?:@&=+$,[]");
}

static bool parse_uri(str s, uri *u)
{
    *u = (uri){.port = -1};
    static const char nothing[1];
    if (!s.p) s.p = nothing;
    size_t hash = scan(s, 0, "#");
    if (hash < s.n) {
        u->fragment = str_of(s.p + hash + 1, s.n - hash - 1);
        if (!legal(u->fragment, ";/?:@&=+$,[]")) return false;
        s.n = hash;
    }
    size_t p = scan(s, 0, "/?:");
    if (p < s.n && s.p[p] == ':') {
        if (p == 0 || !is_alpha(s.p[0])) return false;
        for (size_t i = 0; i < p; i++) {
            if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && !strchr("+-.", s.p[i])) return false;
        }
        u->scheme = str_of(s.p, p);
        s = str_of(s.p + p + 1, s.n - p - 1);
        if (s.n == 0) return false;
        /* mailto:x: opaque, without a path. */
        if (s.p[0] != '/') return legal(s, ";/?:@&=+$,[]");
    }
    return parse_rest(u, s);
}

/* %XX to bytes; what is no UTF-8 then becomes U+FFFD. */
static str decode(arena *a, str s)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0 && hex_digit(s.p[i + 2]) >= 0) {
            out[n++] = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    return utf8_repair(a, str_of(out, n));
}

static bool read_uri(func_call *c, str text, uri *u)
{
    return parse_uri(text, u) ||
           func_fail(c, "URL input has invalid syntax: %.*s", (int)(text.n > 200 ? 200 : text.n), text.p);
}

static bool part(func_call *c, str raw, value *out)
{
    return raw.p ? func_str(out, decode(c->mem, raw)) : true;
}

#define PART(NAME, MEMBER)                                                                                             \
    static bool fn_##NAME(func_call *c, const value *args, int count, value *out)                                      \
    {                                                                                                                  \
        uri u;                                                                                                         \
        return read_uri(c, args[0].s, &u) && part(c, u.MEMBER, out);                                                   \
    }                                                                                                                  \
    static const func_def def_##NAME[] = {FUNC("(input STRING) STRING", fn_##NAME), {0}};
PART(fragment, fragment)
PART(host, host)
PART(path, path)
PART(protocol, scheme)
PART(query, query)

static bool fn_port(func_call *c, const value *args, int count, value *out)
{
    uri u;
    if (!read_uri(c, args[0].s, &u)) return false;
    return u.port < 0 ? true : func_int(out, u.port);
}

/* The query is decoded first and split then, as ksqlDB does. */
static bool fn_parameter(func_call *c, const value *args, int count, value *out)
{
    uri u;
    if (args[0].null) return true;
    if (!read_uri(c, args[0].s, &u)) return false;
    if (!u.query.p || args[1].null) return true;
    str query = decode(c->mem, u.query), name = args[1].s;
    for (size_t from = 0; from <= query.n;) {
        size_t end = scan(query, from, "&");
        str pair = str_of(query.p + from, end - from);
        size_t equal = scan(pair, 0, "=");
        if (str_eq(str_of(pair.p, equal), name)) {
            bool none = equal == pair.n;
            return func_str(out, none ? STR("") : str_of(pair.p + equal + 1, pair.n - equal - 1));
        }
        from = end + 1;
    }
    return true;
}

static bool fn_encode_param(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s;
    char *p = arena_alloc(c->mem, s.n * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (ch == ' ') {
            p[n++] = '+';
        } else if (is_alpha(ch) || is_digit(ch) || (ch && strchr("-_.*", ch))) {
            p[n++] = ch;
        } else {
            p[n++] = '%';
            p[n++] = "0123456789ABCDEF"[(unsigned char)ch >> 4];
            p[n++] = "0123456789ABCDEF"[ch & 15];
        }
    }
    return func_str(out, str_of(p, n));
}

static bool fn_decode_param(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s;
    char *p = arena_alloc(c->mem, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        p[i] = s.p[i] == '+' ? ' ' : s.p[i];
        if (s.p[i] != '%') continue;
        if (i + 2 >= s.n) return func_fail(c, "URLDecoder: Incomplete trailing escape (%%) pattern");
        if (hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
            return func_fail(c, "URLDecoder: Illegal hex characters in escape (%%) pattern");
    }
    return func_str(out, decode(c->mem, str_of(p, s.n)));
}

static const func_def def_port[] = {FUNC("(input STRING) INT", fn_port), {0}};
static const func_def def_parameter[] = {
    FUNC("(input STRING, paramToFind STRING) STRING", fn_parameter, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_encode[] = {FUNC("(input STRING) STRING", fn_encode_param), {0}};
static const func_def def_decode[] = {FUNC("(input STRING) STRING", fn_decode_param), {0}};

const func_name func_family_url[] = {
    {"url_extract_fragment", FUNC_CATEGORY_URL, "The fragment of a URL.", def_fragment},
    {"url_extract_host", FUNC_CATEGORY_URL, "The host of a URL.", def_host},
    {"url_extract_path", FUNC_CATEGORY_URL, "The path of a URL.", def_path},
    {"url_extract_port", FUNC_CATEGORY_URL, "The port of a URL.", def_port},
    {"url_extract_protocol", FUNC_CATEGORY_URL, "The protocol (scheme) of a URL.", def_protocol},
    {"url_extract_query", FUNC_CATEGORY_URL, "The query of a URL.", def_query},
    {"url_extract_parameter", FUNC_CATEGORY_URL, "The value of a parameter in the query of a URL.", def_parameter},
    {"url_encode_param", FUNC_CATEGORY_URL, "Encodes a text as a parameter of a URL.", def_encode},
    {"url_decode_param", FUNC_CATEGORY_URL, "Decodes a parameter of a URL.", def_decode},
    {0},
};
