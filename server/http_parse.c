#include "server/http_parse.h"

#include <stdlib.h>

#include "base/check.h"

/* RFC 9110 5.6.2: the characters of a token. */
static const bool token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", ""};

const char *http_method_name(http_method m)
{
    check((size_t)m < ARRAY_LEN(method_names));
    return method_names[m];
}

http_method http_method_of(str text)
{
    for (int m = 0; m < HTTP_OTHER; m++) {
        if (str_eqz(text, method_names[m])) return (http_method)m;
    }
    return HTTP_OTHER;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) return reasons[i].reason;
    }
    return "Unknown";
}

str http_header_get(const http_head *h, const char *name)
{
    str want = str_z(name);
    for (int i = 0; i < h->headers_len; i++) {
        if (str_ieq(h->headers[i].name, want)) return h->headers[i].value;
    }
    return (str){0};
}

/* "METHOD SP target SP HTTP/1.x"; the line comes without its CRLF. Returns 0 or minus a status. */
static int parse_line(str line, http_head *out)
{
    size_t i = 0;
    while (i < line.n && token_char[(uint8_t)line.p[i]]) i++;
    if (i == 0 || i == line.n || line.p[i] != ' ') return -400;
    out->method_text = str_of(line.p, i);
    out->method = http_method_of(out->method_text);

    size_t start = ++i;
    while (i < line.n && (uint8_t)line.p[i] > 0x20 && line.p[i] != 0x7f) i++;
    if (i == start || i == line.n || line.p[i] != ' ') return -400;
    out->target = str_of(line.p + start, i - start);

    str version = str_of(line.p + i + 1, line.n - i - 1);
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.') return -400;
    if (version.p[5] < '0' || version.p[5] > '9' || version.p[7] < '0' || version.p[7] > '9') return -400;
    if (version.p[5] != '1') return -505;
    out->minor = version.p[7] - '0';

    /* The absolute form is for proxies, but a server must take it (RFC 9112 3.2.2). */
    str path = out->target;
    if (path.p[0] != '/' && !(out->method == HTTP_OPTIONS && str_eq(path, STR("*")))) {
        size_t skip = str_starts(path, STR("http://")) ? 7 : str_starts(path, STR("https://")) ? 8 : 0;
        if (skip == 0) return -400;
        while (skip < path.n && path.p[skip] != '/' && path.p[skip] != '?') skip++;
        path = str_of(path.p + skip, path.n - skip);
        if (path.n == 0 || path.p[0] == '?') return -400;
    }
    ptrdiff_t mark = str_find(path, STR("?"), 0);
    out->path = mark < 0 ? path : str_of(path.p, (size_t)mark);
    out->query = mark < 0 ? (str){0} : str_of(path.p + mark + 1, path.n - (size_t)mark - 1);
    return 0;
}

static int parse_header(str line, http_header *out)
{
    size_t i = 0;
    while (i < line.n && token_char[(uint8_t)line.p[i]]) i++;
    if (i == 0 || i == line.n || line.p[i] != ':') return -400;
    out->name = str_of(line.p, i);
    i++;
    while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t')) i++;
    size_t end = line.n;
    while (end > i && (line.p[end - 1] == ' ' || line.p[end - 1] == '\t')) end--;
    for (size_t k = i; k < end; k++) {
        uint8_t ch = (uint8_t)line.p[k];
        if ((ch < 0x20 && ch != '\t') || ch == 0x7f) return -400;
    }
    out->value = str_of(line.p + i, end - i);
    return 0;
}

/* Calls for each element of a comma-separated list; *rest is what is left. */
static bool list_next(str *rest, str *element)
{
    while (rest->n > 0) {
        ptrdiff_t comma = str_find(*rest, STR(","), 0);
        size_t n = comma < 0 ? rest->n : (size_t)comma;
        *element = str_trim(str_of(rest->p, n));
        size_t step = comma < 0 ? n : n + 1;
        *rest = str_of(rest->p + step, rest->n - step);
        if (element->n > 0) return true;
    }
    return false;
}

static int parse_content_length(str value, http_head *out)
{
    /* "5, 5" from a careless proxy is legal to accept; refusing it is as well, and safer. */
    if (value.n == 0 || value.n > 18) return -400;
    int64_t v = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9') return -400;
        v = v * 10 + (value.p[i] - '0');
    }
    if (out->content_length >= 0 && out->content_length != v) return -400;
    out->content_length = v;
    return 0;
}

static void parse_connection(str value, http_head *out, bool *names_upgrade)
{
    str element;
    while (list_next(&value, &element)) {
        if (str_ieq(element, STR("close")))
            out->keep_alive = false;
        else if (str_ieq(element, STR("keep-alive")) && out->minor == 0)
            out->keep_alive = true;
        else if (str_ieq(element, STR("upgrade")))
            *names_upgrade = true;
    }
}

/* What the headers say about the message itself (RFC 9112 6). */
static int read_framing(http_head *out)
{
    int hosts = 0, status = 0;
    bool names_upgrade = false, h2c = false;
    out->keep_alive = out->minor >= 1;
    for (int i = 0; i < out->headers_len && status == 0; i++) {
        str name = out->headers[i].name, value = out->headers[i].value;
        if (str_ieq(name, STR("host"))) {
            hosts++;
        } else if (str_ieq(name, STR("content-length"))) {
            status = parse_content_length(value, out);
        } else if (str_ieq(name, STR("transfer-encoding"))) {
            if (out->minor == 0 || out->chunked)
                status = -400;
            else if (!str_ieq(value, STR("chunked")))
                status = -501;
            else
                out->chunked = true;
        } else if (str_ieq(name, STR("connection"))) {
            parse_connection(value, out, &names_upgrade);
        } else if (str_ieq(name, STR("expect"))) {
            if (str_ieq(value, STR("100-continue")))
                out->expect_continue = out->minor >= 1;
            else
                status = -417;
        } else if (str_ieq(name, STR("upgrade"))) {
            str element, rest = value;
            while (list_next(&rest, &element)) h2c |= str_ieq(element, STR("h2c"));
        }
    }
    if (status != 0) return status;
    if (hosts > 1 || (hosts == 0 && out->minor >= 1)) return -400;
    if (out->chunked && out->content_length >= 0) return -400;
    out->upgrade_h2c = h2c && names_upgrade && http_header_get(out, "http2-settings").p != NULL;
    return 0;
}

/* The length of the head with its empty line, or 0 while it is not whole. */
static size_t find_end(str in, size_t *scanned)
{
    size_t from = *scanned < 3 ? 0 : *scanned - 3;
    ptrdiff_t at = str_find(in, STR("\r\n\r\n"), from);
    *scanned = in.n;
    return at < 0 ? 0 : (size_t)at + 4;
}

int64_t http_parse_head(str in, const http_limits *limits, size_t *scanned, http_head *out)
{
    size_t skip = 0;
    /* A server should ignore empty lines before a request (RFC 9112 2.2); two are enough. */
    while (skip < 4 && in.n >= skip + 2 && in.p[skip] == '\r' && in.p[skip + 1] == '\n') skip += 2;
    str rest = str_of(in.p + skip, in.n - skip);
    size_t seen = *scanned > skip ? *scanned - skip : 0;

    ptrdiff_t eol = str_find(rest, STR("\r\n"), 0);
    size_t line_n = eol < 0 ? rest.n : (size_t)eol;
    if (line_n > limits->line_max) return -414;
    /* Garbage (another protocol, say) is told at its first line, not after head_max bytes of it. */
    if (eol < 0 && memchr(rest.p ? rest.p : "", '\n', rest.n)) return -400;
    for (size_t i = 0; eol < 0 && i < rest.n && i < 8 && rest.p[i] != ' '; i++) {
        if (!token_char[(uint8_t)rest.p[i]] && rest.p[i] != '\r') return -400;
    }
    size_t head_n = find_end(rest, &seen);
    *scanned = skip + seen;
    if ((head_n == 0 ? rest.n : head_n) > limits->head_max) return -431;
    if (head_n == 0) return HTTP_MORE;

    *out = (http_head){.content_length = -1};
    int status = parse_line(str_of(rest.p, line_n), out);
    for (size_t at = line_n + 2; status == 0 && at < head_n - 2;) {
        ptrdiff_t end = str_find(str_of(rest.p, head_n), STR("\r\n"), at);
        check(end >= 0);
        if (out->headers_len == HTTP_HEADERS_MAX) return -431;
        status = parse_header(str_of(rest.p + at, (size_t)end - at), &out->headers[out->headers_len++]);
        at = (size_t)end + 2;
    }
    if (status == 0) status = read_framing(out);
    return status != 0 ? status : (int64_t)(skip + head_n);
}

enum {
    CHUNK_SIZE,
    CHUNK_SIZE_MORE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER_LINE,
    TRAILER_LF,
    TRAILER_END_LF
};
enum { CHUNK_LINE_MAX = 256, TRAILERS_MAX = 8192 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* A byte of the line with the chunk's size. Returns false when it does not belong there. */
static bool size_line(http_chunks *c, uint8_t ch)
{
    if (++c->line > CHUNK_LINE_MAX) return false;
    int digit = hex_digit(ch);
    if (c->state == CHUNK_EXTENSION) {
        if (ch == '\r') c->state = CHUNK_SIZE_LF;
        return ch != '\n' && ch != 0;
    }
    if (digit >= 0) {
        if (c->left >> 48) return false;
        c->left = c->left * 16 + (uint64_t)digit;
        c->state = CHUNK_SIZE_MORE;
        return true;
    }
    if (c->state == CHUNK_SIZE) return false;
    if (ch == '\r')
        c->state = CHUNK_SIZE_LF;
    else if (ch == ';' || ch == ' ' || ch == '\t')
        c->state = CHUNK_EXTENSION;
    else
        return false;
    return true;
}

/* A byte of the trailers, which are checked for their end and otherwise dropped. */
static bool trailer_byte(http_chunks *c, uint8_t ch)
{
    if (++c->trailers > TRAILERS_MAX) return false;
    switch (c->state) {
    case TRAILER_START:
        if (ch == '\n') return false;
        c->state = ch == '\r' ? TRAILER_END_LF : TRAILER_LINE;
        return true;
    case TRAILER_LINE:
        if (ch == '\r') c->state = TRAILER_LF;
        return ch != '\n' && ch != 0;
    case TRAILER_LF: c->state = TRAILER_START; return ch == '\n';
    default: c->done = true; return ch == '\n';
    }
}

int64_t http_chunks_decode(http_chunks *c, str in, size_t body_max, buf *body)
{
    size_t i = 0;
    while (i < in.n && !c->done) {
        uint8_t ch = (uint8_t)in.p[i];
        bool good = true;
        switch (c->state) {
        case CHUNK_DATA: {
            size_t n = in.n - i < c->left ? in.n - i : (size_t)c->left;
            buf_add(body, in.p + i, n);
            i += n;
            c->left -= n;
            if (c->left == 0) c->state = CHUNK_DATA_CR;
            continue;
        }
        case CHUNK_SIZE:
        case CHUNK_SIZE_MORE:
        case CHUNK_EXTENSION: good = size_line(c, ch); break;
        case CHUNK_SIZE_LF:
            good = ch == '\n';
            if (c->left > body_max || body->len > body_max - c->left) return -413;
            c->state = c->left == 0 ? TRAILER_START : CHUNK_DATA;
            break;
        case CHUNK_DATA_CR:
            good = ch == '\r';
            c->state = CHUNK_DATA_LF;
            break;
        case CHUNK_DATA_LF:
            good = ch == '\n';
            c->state = CHUNK_SIZE;
            c->line = 0;
            break;
        default: good = trailer_byte(c, ch);
        }
        if (!good) return -400;
        i++;
    }
    return (int64_t)i;
}

int64_t http_percent_decode(str text, bool plus, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];
        if (ch == '%') {
            if (text.n - i < 3) return -1;
            int high = hex_digit((uint8_t)text.p[i + 1]), low = hex_digit((uint8_t)text.p[i + 2]);
            if (high < 0 || low < 0 || (high | low) == 0) return -1;
            ch = (char)(high * 16 + low);
            i += 2;
        } else if (ch == '+' && plus) {
            ch = ' ';
        }
        out[n++] = ch;
    }
    return (int64_t)n;
}
