/*
 * HTTP: any bytes in any pieces give the same requests as the same bytes in one piece; whatever the service does with
 * an exchange (answers now, later, in parts, never), the connection ends with every exchange ended once.
 *
 * Input: one byte for the sizes of the pieces, one for what the service does, one for what is tested, then the stream.
 */
#include <stdlib.h>

#include "server/http.h"
#include "tests/fuzz/fuzz.h"

enum { OPEN_MAX = 64 };
enum { TEST_CONNECTION, TEST_CONNECTION_AGAIN, TEST_HEAD, TEST_CHUNKS, TESTS };

/* What the service did and saw. */
typedef struct seen {
    buf requests; /* each request as text */
    uint32_t behaviour; /* 0: answer at once */
    uint32_t number;
    http_exchange *open[OPEN_MAX]; /* not ended yet */
    bool begun[OPEN_MAX];
    int open_count;
} seen;

static void forget(seen *s, int i)
{
    s->open_count--;
    s->open[i] = s->open[s->open_count];
    s->begun[i] = s->begun[s->open_count];
}

static void keep(seen *s, http_exchange *x, bool begun)
{
    check(s->open_count < OPEN_MAX);
    s->begun[s->open_count] = begun;
    s->open[s->open_count++] = x;
}

static void on_closed(void *context, http_exchange *x)
{
    seen *s = context;
    for (int i = 0; i < s->open_count; i++) {
        if (s->open[i] != x) continue;
        forget(s, i);
        return;
    }
    check_unreachable();
}

static void on_writable(void *context, http_exchange *x)
{
    seen *s = context;
    int i = 0;
    while (i < s->open_count && s->open[i] != x) i++;
    check(i < s->open_count);
    forget(s, i);
    http_reply_end(x);
}

/* One of the ways to end an exchange, or to leave it open. */
static void answer(seen *s, http_exchange *x, uint32_t how)
{
    static const char text[] = "0123456789abcdef0123456789abcdef";
    switch (s->open_count < OPEN_MAX ? how % 8 : 0) {
    case 1: http_reply(x, 204, NULL, (str){0}); return;
    case 2:
        http_reply_begin(x, 200, "text/plain");
        http_reply_write(x, STR("part"));
        http_reply_write(x, (str){0});
        http_reply_end(x);
        return;
    case 3:
        http_reply_begin(x, 200, "text/plain");
        http_reply_abort(x);
        return;
    case 4:
        http_reply_begin(x, 200, "text/plain");
        for (int i = 0; i < 100; i++) {
            if (http_reply_write(x, STR(text))) continue;
            /* Full: it is ended when there is room again. */
            keep(s, x, true);
            return;
        }
        http_reply_end(x);
        return;
    case 5:
    case 6: keep(s, x, false); return;
    default: break;
    }
    http_reply_header(x, "X-Fuzz", "1");
    http_reply(x, 200, "application/json", STR("{}"));
}

static void on_request(void *context, http_exchange *x, const http_request *rq)
{
    seen *s = context;
    static const char *const names[] = {"host", "content-type", "accept", ""};
    buf_printf(&s->requests, "%s %.*s ? %.*s (%d) [%.*s]\n", http_method_name(rq->method), STR_ARG(rq->path),
               STR_ARG(rq->query), rq->headers_len, STR_ARG(rq->body));
    check(rq->headers_len >= 0 && rq->headers_len <= HTTP_HEADERS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) buf_add_str(&s->requests, http_request_header(rq, names[i]));
    for (int i = 0; i < rq->headers_len; i++) {
        buf_add_str(&s->requests, rq->headers[i].name);
        buf_add_str(&s->requests, rq->headers[i].value);
    }
    char *decoded = malloc(rq->path.n + 1);
    check(decoded != NULL);
    int64_t n = http_percent_decode(rq->path, false, decoded);
    check(n >= -1 && n <= (int64_t)rq->path.n);
    free(decoded);
    answer(s, x, s->behaviour == 0 ? 0 : s->behaviour + s->number);
    s->number++;
}

static void on_wake(void *owner)
{
    (void)owner;
}

static void send_output(http_conn *c, uint32_t most)
{
    for (str out; (out = http_conn_output(c)).n > 0;) {
        size_t n = most > 0 && most < out.n ? most : out.n;
        http_conn_sent(c, n);
        if (most > 0) return;
    }
}

/* A whole connection; `pieces` 0: the stream comes at once, else it decides how long each piece is. */
static void converse(seen *s, const uint8_t *p, size_t n, uint32_t pieces)
{
    http_service service = {
        .context = s,
        .limits = {.line_max = 512, .head_max = 2048, .body_max = 1024, .pipeline_max = 8192, .output_max = 256},
        .date = "Thu, 01 Jan 1970 00:00:00 GMT",
        .request = on_request,
        .closed = on_closed,
        .writable = on_writable};
    http_conn *c = http_conn_new(&service, on_wake, NULL);
    uint32_t state = pieces;
    for (size_t at = 0; at < n && !http_conn_done(c);) {
        state = state * 1103515245 + 12345;
        size_t step = pieces == 0 ? n : 1 + (state >> 16) % pieces;
        if (step > n - at) step = n - at;
        uint8_t *piece = fuzz_copy(p + at, step);
        http_conn_receive(c, str_of((const char *)piece, step));
        free(piece);
        at += step;
        send_output(c, s->behaviour & 32 ? 16 : 0);
        if ((s->behaviour & 16) && s->open_count > 0 && !s->begun[0]) {
            http_exchange *x = s->open[0];
            forget(s, 0);
            http_reply(x, 404, "text/plain", STR("late"));
        }
        http_conn_wants_input(c);
        check(!(http_conn_idle(c) && http_conn_reading(c)));
    }
    if (s->behaviour & 64) http_conn_shutdown(c);
    http_conn_eof(c);
    send_output(c, 0);
    http_conn_free(c);
    check(s->open_count == 0);
}

static void connection(const uint8_t *p, size_t n, uint32_t pieces, uint32_t behaviour)
{
    seen whole = {.behaviour = behaviour}, parts = {.behaviour = behaviour};
    converse(&parts, p, n, pieces);
    converse(&whole, p, n, 0);
    /* What is left open or cut off depends on when it comes; with answers at once it does not. */
    if (behaviour == 0) check(str_eq(buf_str(&whole.requests), buf_str(&parts.requests)));
    buf_free(&whole.requests);
    buf_free(&parts.requests);
}

static void head(const uint8_t *p, size_t n, uint32_t pieces)
{
    http_limits limits = {.line_max = 512, .head_max = 2048, .body_max = 1024};
    str in = str_of((const char *)p, n);
    http_head once, again;
    size_t scanned = 0;
    int64_t result = http_parse_head(in, &limits, &scanned, &once);
    check(result <= (int64_t)n && result > -600);
    if (result > 0) {
        check(once.headers_len <= HTTP_HEADERS_MAX && once.path.p >= in.p &&
              once.path.p + once.path.n <= in.p + result);
        check(once.path.n + (once.query.p ? once.query.n + 1 : 0) <= once.target.n + 1);
        for (int i = 0; i < once.headers_len; i++) check(once.headers[i].name.n > 0);
        /* Byte by byte, or nearly: no earlier end, and the same one. */
        scanned = 0;
        size_t step = pieces % 7 + 1;
        for (size_t len = 1; len < (size_t)result; len += step)
            check(http_parse_head(str_of(in.p, len), &limits, &scanned, &again) == HTTP_MORE);
        check(http_parse_head(in, &limits, &scanned, &again) == result && again.headers_len == once.headers_len);
    }
}

static void chunks(const uint8_t *p, size_t n, uint32_t pieces)
{
    http_chunks once = {0}, many = {0};
    buf whole = {0}, parts = {0};
    int64_t took = http_chunks_decode(&once, str_of((const char *)p, n), 1024, &whole);
    int64_t status = 0;
    size_t at = 0;
    for (size_t step = pieces % 7 + 1; at < n && status >= 0 && !many.done;) {
        size_t len = step < n - at ? step : n - at;
        status = http_chunks_decode(&many, str_of((const char *)p + at, len), 1024, &parts);
        if (status > 0) at += (size_t)status;
        check(status <= (int64_t)len && (status == (int64_t)len || many.done || status < 0));
    }
    check(whole.len <= 1024 && once.done == many.done);
    if (took < 0)
        check(status == took);
    else
        check(status >= 0 && (size_t)took == at && str_eq(buf_str(&whole), buf_str(&parts)));
    buf_free(&whole);
    buf_free(&parts);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader r = reader_of(data, n);
    uint32_t pieces = 1 + fuzz_pick(&r, 64), behaviour = fuzz_pick(&r, 128), test = fuzz_pick(&r, TESTS);
    uint8_t *copy = fuzz_copy(r.p, reader_left(&r));
    switch (test) {
    case TEST_HEAD: head(copy, reader_left(&r), pieces); break;
    case TEST_CHUNKS: chunks(copy, reader_left(&r), pieces); break;
    default: connection(copy, reader_left(&r), pieces, behaviour); break;
    }
    free(copy);
}

static void put_frame(buf *b, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
    buf_add_char(b, 0);
    write_i16(b, (int16_t)n);
    buf_add_char(b, (char)type);
    buf_add_char(b, (char)flags);
    write_i32(b, (int32_t)stream);
    buf_add(b, p, n);
}

/* Requests over HTTP/2 with prior knowledge (RFC 9113; header fields from the static table of RFC 7541). */
static void seed_http2(fuzz_out *out, uint8_t behaviour)
{
    enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW };
    static const uint8_t get[] = {0x82, 0x86, 0x84, 0x41, 1, 'x'}, post[] = {0x83, 0x86, 0x84, 0x41, 1, 'x'};
    static const uint8_t setting[] = {0, 4, 0, 0, 0, 64}, window[] = {0, 0, 4, 0}, error[] = {0, 0, 0, 8};
    buf b = {0};
    const uint8_t begin[] = {7, behaviour, TEST_CONNECTION};
    buf_add(&b, begin, sizeof begin);
    buf_add_z(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_frame(&b, SETTINGS, 0, 0, setting, sizeof setting);
    put_frame(&b, HEADERS, 5, 1, get, sizeof get);
    put_frame(&b, HEADERS, 4, 3, post, sizeof post);
    put_frame(&b, DATA, 0, 3, "hel", 3);
    put_frame(&b, WINDOW, 0, 0, window, sizeof window);
    put_frame(&b, DATA, 1, 3, "lo", 2);
    put_frame(&b, HEADERS, 5, 5, get, sizeof get);
    put_frame(&b, RST_STREAM, 0, 5, error, sizeof error);
    put_frame(&b, PING, 0, 0, "12345678", 8);
    put_frame(&b, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

void fuzz_make(fuzz_out *out)
{
    static const char *const streams[] = {
        "GET /info?a=b%20c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
        "POST /ksql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
        "GET / HTTP/1.0\r\n\r\n",
        "POST /query-stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: v\r\n\r\nDELETE /x HTTP/1.1\r\nHost: y\r\n\r\n",
        "PUT /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
        "AAMAAABk\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "3\r\nabc\r\n1;a=\"b\"\r\nx\r\n0\r\nA: b\r\n\r\nrest",
        NULL,
    };
    static const uint8_t prefixes[][3] = {{0, 0, TEST_CONNECTION},  {4, 4, TEST_CONNECTION},  {9, 21, TEST_CONNECTION},
                                          {2, 37, TEST_CONNECTION}, {0, 66, TEST_CONNECTION}, {3, 2, TEST_CONNECTION},
                                          {1, 0, TEST_HEAD},        {3, 0, TEST_CHUNKS}};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) fuzz_seed_texts(out, prefixes[i], 3, streams);
    for (uint8_t behaviour = 0; behaviour < 128; behaviour += 21) seed_http2(out, behaviour);
    static const char *const words[] = {"\r\n\r\n",
                                        "\r\n",
                                        "Host: x\r\n",
                                        "Content-Length: ",
                                        "Transfer-Encoding: chunked\r\n",
                                        "HTTP/1.1\r\n",
                                        "HTTP/1.0\r\n",
                                        "Connection: close\r\n",
                                        "Expect: 100-continue\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                        "0\r\n\r\n",
                                        "GET / ",
                                        "%00",
                                        NULL};
    fuzz_words(out, words);
}
