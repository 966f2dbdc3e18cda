#include "server/http.h"

#include <stdlib.h>

#include "base/check.h"
#include "server/http_internal.h"

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_N = sizeof PREFACE - 1, KEEP_BUFFER_MAX = 16384 };

http_conn *http_conn_new(const http_service *service, void (*wake)(void *owner), void *owner)
{
    http_conn *c = calloc(1, sizeof *c);
    check(c && service->request && service->closed);
    c->service = service;
    c->wake = wake;
    c->owner = owner;
    return c;
}

static void exchange_free(http_exchange *x)
{
    if (!x) return;
    buf_free(&x->headers);
    buf_free(&x->in);
    buf_free(&x->body);
    buf_free(&x->out);
    free(x);
}

static void abandon(http_conn *c)
{
    if (!c->active) return;
    c->active = false;
    c->x->open = false;
    c->service->closed(c->service->context, c->x);
}

void http_conn_free(http_conn *c)
{
    if (!c) return;
    c->stepping = true; /* no wake-ups from here on */
    abandon(c);
    if (c->h2) http2_free(c);
    exchange_free(c->x);
    buf_free(&c->in);
    buf_free(&c->body);
    buf_free(&c->out);
    free(c);
}

void http_conn_wake(http_conn *c)
{
    if (!c->stepping && c->wake) c->wake(c->owner);
}

str http_request_header(const http_request *rq, const char *name)
{
    str want = str_z(name);
    for (int i = 0; i < rq->headers_len; i++) {
        if (str_ieq(rq->headers[i].name, want)) return rq->headers[i].value;
    }
    return (str){0};
}

/* ---- requests ---------------------------------------------------------------------------------------------- */

/* An error below the service: the client gets its reason in ksqlDB's form, and the connection ends. */
static void refuse(http_conn *c, int status)
{
    static const struct {
        int status;
        const char *message;
    } messages[] = {
        {400, "The request is not well-formed HTTP/1.1"},
        {413, "The request body is larger than this server accepts"},
        {414, "The request line is longer than this server accepts"},
        {417, "Only 'Expect: 100-continue' is supported"},
        {431, "The request headers are larger than this server accepts"},
        {501, "Only the chunked transfer coding is supported"},
        {505, "Only HTTP/1.0, HTTP/1.1 and HTTP/2 are supported"},
    };
    const char *message = http_reason(status);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        if (messages[i].status == status) message = messages[i].message;
    }
    buf body = {0};
    buf_printf(&body, "{\"@type\":\"generic_error\",\"error_code\":%d,\"message\":\"%s\"}", status * 100, message);
    buf_printf(&c->out,
               "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n%.*s",
               status, http_reason(status), body.len, STR_ARG(buf_str(&body)));
    buf_free(&body);
    c->closing = true;
}

/* Forgets the first n bytes of the input. */
static void consume(http_conn *c, size_t n)
{
    c->in_pos += n;
    c->scanned = 0;
    c->head_n = 0;
    c->total_n = 0;
    if (c->in_pos == c->in.len) {
        c->in_pos = 0;
        if (c->in.cap > KEEP_BUFFER_MAX) buf_free(&c->in);
        buf_clear(&c->in);
    } else if (c->in_pos >= 65536) {
        memmove(c->in.data, c->in.data + c->in_pos, c->in.len - c->in_pos);
        c->in.len -= c->in_pos;
        c->in_pos = 0;
    }
}

static str pending_input(const http_conn *c)
{
    return c->in.data ? str_of(c->in.data + c->in_pos, c->in.len - c->in_pos) : (str){0};
}

/* RFC 7540 3.2: answers 101 and goes on as HTTP/2, the request at hand being stream 1. */
static bool upgrade(http_conn *c, const http_head *head)
{
    str settings = http_header_get(head, "http2-settings");
    size_t mark = c->out.len;
    buf_add_z(&c->out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    if (http2_start(c, true, settings, head->method == HTTP_HEAD)) return true;
    c->out.len = mark;
    return false;
}

static void dispatch(http_conn *c, const http_head *head, str body, size_t taken)
{
    http_request rq = {.method = head->method,
                       .path = head->path,
                       .query = head->query,
                       .body = body,
                       .headers = head->headers,
                       .headers_len = head->headers_len};
    http_exchange *x = NULL;
    bool upgraded = head->upgrade_h2c && upgrade(c, head);
    if (upgraded) {
        x = http2_first(c);
    } else {
        if (!c->x) c->x = calloc(1, sizeof *c->x);
        x = c->x;
        check(x);
        c->active = true;
        c->keep_alive = head->keep_alive;
        x->conn = c;
        x->user = NULL;
        x->begun = x->full = false;
        x->head_only = head->method == HTTP_HEAD;
        x->chunked = head->minor >= 1;
        buf_clear(&x->headers);
    }
    x->open = true;
    c->service->request(c->service->context, x, &rq);
    consume(c, taken);
    if (c->body.cap > KEEP_BUFFER_MAX) buf_free(&c->body);
    buf_clear(&c->body);
    c->body_chunked = false;
    if (upgraded && c->in.len > c->in_pos) {
        http2_receive(c, pending_input(c));
        consume(c, c->in.len - c->in_pos);
    }
}

/* The head is whole. Returns false when more of the body must come first (or the request was refused). */
static bool take_body(http_conn *c, const http_head *head, size_t head_n)
{
    const http_limits *limits = &c->service->limits;
    str in = pending_input(c);
    if (head->chunked) {
        if (!c->body_chunked) {
            c->body_chunked = true;
            c->chunks = (http_chunks){0};
        }
        int64_t took = http_chunks_decode(&c->chunks, str_of(in.p + head_n, in.n - head_n), limits->body_max, &c->body);
        if (took < 0) {
            refuse(c, (int)-took);
            return false;
        }
        if (c->chunks.done) {
            c->total_n = head_n + (size_t)took;
            return true;
        }
        c->in.len = c->in_pos + head_n; /* what was decoded is in c->body */
        c->total_n = 0;
    } else {
        if (head->content_length > 0 && (uint64_t)head->content_length > limits->body_max) {
            refuse(c, 413);
            return false;
        }
        c->total_n = head_n + (head->content_length > 0 ? (size_t)head->content_length : 0);
        if (in.n >= c->total_n) return true;
    }
    c->head_n = head_n;
    if (head->expect_continue && !c->sent_continue) {
        c->sent_continue = true;
        buf_add_z(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return false;
}

/* Hands out one request if it is there. Returns false when there is nothing more to do. */
static bool step(http_conn *c)
{
    str in = pending_input(c);
    if (c->active || c->closing || c->h2 || in.n == 0) return false;
    if (in.p[0] == 'P' && memcmp(in.p, PREFACE, in.n < PREFACE_N ? in.n : PREFACE_N) == 0 && in.n > 3) {
        if (in.n < PREFACE_N) return false;
        if (!http2_start(c, false, (str){0}, false)) {
            refuse(c, 505);
            return false;
        }
        http2_receive(c, in);
        consume(c, in.n);
        return false;
    }
    if (c->head_n > 0 && !c->body_chunked && in.n < c->total_n) return false;
    http_head head;
    size_t scanned = c->scanned;
    int64_t head_n = http_parse_head(in, &c->service->limits, &scanned, &head);
    if (head_n == HTTP_MORE) {
        c->scanned = scanned;
        return false;
    }
    if (head_n < 0) {
        refuse(c, (int)-head_n);
        return false;
    }
    c->scanned = 0;
    if (!take_body(c, &head, (size_t)head_n)) return false;
    in = pending_input(c);
    str body = c->body_chunked ? buf_str(&c->body) : str_of(in.p + head_n, c->total_n - (size_t)head_n);
    c->sent_continue = false;
    dispatch(c, &head, body, c->total_n);
    return true;
}

static void step_all(http_conn *c)
{
    if (c->stepping) return;
    c->stepping = true;
    while (step(c)) {
    }
    if (c->eof && !c->active && !c->h2) c->closing = true;
    c->stepping = false;
}

void http_conn_receive(http_conn *c, str bytes)
{
    if (c->closing || bytes.n == 0) return;
    if (c->h2) {
        c->stepping = true;
        http2_receive(c, bytes);
        c->stepping = false;
        return;
    }
    buf_add_str(&c->in, bytes);
    step_all(c);
}

void http_conn_eof(http_conn *c)
{
    c->eof = true;
    if (c->h2 || (c->active && c->x->begun)) {
        abandon(c);
        c->closing = true;
    } else if (!c->active) {
        c->closing = true;
    }
    c->keep_alive = false;
}

str http_conn_output(http_conn *c)
{
    if (c->out_pos == c->out.len && c->h2) return http2_output(c);
    return c->out.data ? str_of(c->out.data + c->out_pos, c->out.len - c->out_pos) : (str){0};
}

void http_conn_sent(http_conn *c, size_t n)
{
    if (c->out_pos == c->out.len && c->h2) {
        http2_sent(c, n);
        return;
    }
    check(n <= c->out.len - c->out_pos);
    c->out_pos += n;
    if (c->out_pos == c->out.len) {
        c->out_pos = 0;
        if (c->out.cap > KEEP_BUFFER_MAX) buf_free(&c->out);
        buf_clear(&c->out);
    }
    if (c->active && c->x->full && c->out.len - c->out_pos <= c->service->limits.output_max / 2) {
        c->x->full = false;
        if (c->service->writable) c->service->writable(c->service->context, c->x);
    }
}

bool http_conn_wants_input(const http_conn *c)
{
    if (c->closing) return false;
    return !c->active || c->in.len - c->in_pos < c->service->limits.pipeline_max;
}

bool http_conn_done(const http_conn *c)
{
    return c->h2 && !c->closing ? http2_done(c) : c->closing;
}

bool http_conn_idle(const http_conn *c)
{
    if (c->h2) return http2_idle(c);
    return !c->active && c->in.len == c->in_pos;
}

bool http_conn_reading(const http_conn *c)
{
    return !c->h2 && !c->active && c->in.len > c->in_pos;
}

void http_conn_shutdown(http_conn *c)
{
    if (c->h2) {
        http2_shutdown(c);
        return;
    }
    c->keep_alive = false;
    if (!c->active) c->closing = true;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

void http_set_user(http_exchange *x, void *user)
{
    x->user = user;
}

void *http_user(const http_exchange *x)
{
    return x->user;
}

void http_reply_header(http_exchange *x, const char *name, const char *value)
{
    check(x->open && !x->begun);
    buf_add(&x->headers, name, strlen(name) + 1);
    buf_add(&x->headers, value, strlen(value) + 1);
}

/* Status line and headers. length < 0: a stream. */
static void write_head(http_exchange *x, int status, const char *type, int64_t length)
{
    http_conn *c = x->conn;
    buf *out = &c->out;
    check(x->open && !x->begun);
    x->begun = true;
    if (length < 0 && !x->chunked) c->keep_alive = false;
    buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    if (type) buf_printf(out, "Content-Type: %s\r\n", type);
    if (length >= 0) {
        if (status != 204) buf_printf(out, "Content-Length: %lld\r\n", (long long)length);
    } else if (x->chunked) {
        buf_add_z(out, "Transfer-Encoding: chunked\r\n");
    }
    if (c->service->date) buf_printf(out, "Date: %s\r\n", c->service->date);
    for (size_t i = 0; i < x->headers.len;) {
        const char *name = x->headers.data + i;
        const char *value = name + strlen(name) + 1;
        buf_printf(out, "%s: %s\r\n", name, value);
        i += strlen(name) + strlen(value) + 2;
    }
    if (!c->keep_alive)
        buf_add_z(out, "Connection: close\r\n");
    else if (!x->chunked)
        buf_add_z(out, "Connection: keep-alive\r\n");
    buf_add_z(out, "\r\n");
}

/* The answer is complete: the next request may come. */
static void finish(http_exchange *x)
{
    http_conn *c = x->conn;
    check(c->active && x->open);
    x->open = false;
    c->active = false;
    if (!c->keep_alive) c->closing = true;
    if (c->stepping) return; /* step_all goes on */
    step_all(c);
    http_conn_wake(c);
}

void http_reply(http_exchange *x, int status, const char *type, str body)
{
    if (x->conn->h2) {
        http2_reply_begin(x, status, type, body.n > 0, (int64_t)body.n);
        if (!x->head_only && body.n > 0) http2_reply_write(x, body);
        http2_reply_end(x);
        return;
    }
    write_head(x, status, type, (int64_t)body.n);
    if (!x->head_only) buf_add_str(&x->conn->out, body);
    finish(x);
}

void http_reply_begin(http_exchange *x, int status, const char *type)
{
    if (x->conn->h2)
        http2_reply_begin(x, status, type, true, -1);
    else
        write_head(x, status, type, -1);
    http_conn_wake(x->conn);
}

bool http_reply_write(http_exchange *x, str bytes)
{
    http_conn *c = x->conn;
    check(x->open && x->begun);
    if (!x->head_only && bytes.n > 0) {
        if (c->h2) {
            http2_reply_write(x, bytes);
        } else {
            if (x->chunked) buf_printf(&c->out, "%zx\r\n", bytes.n);
            buf_add_str(&c->out, bytes);
            if (x->chunked) buf_add_z(&c->out, "\r\n");
        }
    }
    http_conn_wake(c);
    if (http_reply_pending(x) > c->service->limits.output_max) x->full = true;
    return !x->full;
}

void http_reply_end(http_exchange *x)
{
    http_conn *c = x->conn;
    check(x->open && x->begun);
    if (c->h2) {
        http2_reply_end(x);
        return;
    }
    if (x->chunked && !x->head_only) buf_add_z(&c->out, "0\r\n\r\n");
    finish(x);
}

void http_reply_abort(http_exchange *x)
{
    http_conn *c = x->conn;
    check(x->open);
    if (c->h2) {
        http2_reply_abort(x);
        return;
    }
    c->keep_alive = false;
    finish(x);
}

size_t http_reply_pending(const http_exchange *x)
{
    const http_conn *c = x->conn;
    return c->h2 ? x->out.len - x->out_pos : c->out.len - c->out_pos;
}
