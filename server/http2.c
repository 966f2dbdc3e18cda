/*
 * HTTP/2 (RFC 9113) behind the same exchanges as HTTP/1.1; framing, HPACK and flow control are nghttp2's.
 *
 * One exchange per stream. The request's headers and body are collected in the exchange and handed out when the client
 * has ended its half; answers wait in the exchange's buffer, from where nghttp2 takes them as the windows allow.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "server/http_internal.h"

enum { STREAMS_MAX = 256, FRAME_OUT_MAX = 16384 };

struct http2 {
    nghttp2_session *session;
    http_exchange *streams; /* all that live */
    int streams_len;
    const uint8_t *out; /* what nghttp2 gave last and the socket has not taken */
    size_t out_n;
    bool inside; /* in nghttp2_session_mem_recv or _mem_send: must not be entered again */
    bool broken;
};

static http_exchange *stream_new(http_conn *c, int32_t id)
{
    http_exchange *x = calloc(1, sizeof *x);
    check(x);
    x->conn = c;
    x->stream = id;
    x->method = HTTP_OTHER;
    x->next = c->h2->streams;
    if (x->next) x->next->prev = x;
    c->h2->streams = x;
    c->h2->streams_len++;
    return x;
}

static void stream_free(http_exchange *x)
{
    http2 *h = x->conn->h2;
    if (x->prev)
        x->prev->next = x->next;
    else
        h->streams = x->next;
    if (x->next) x->next->prev = x->prev;
    h->streams_len--;
    buf_free(&x->headers);
    buf_free(&x->in);
    buf_free(&x->body);
    buf_free(&x->out);
    free(x);
}

static http_exchange *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- requests in --------------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    http_conn *c = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    http_exchange *x = stream_new(c, frame->hd.stream_id);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, x);
    return 0;
}

/* Keeps a name and its value in the exchange's buffer; the slices are made when the buffer has stopped growing. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    http_conn *c = user;
    http_exchange *x = stream_of(session, frame->hd.stream_id);
    if (!x || x->open) return 0;
    str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (x->in.len + n.n + v.n > c->service->limits.head_max) {
        x->too_large = true;
        return 0;
    }
    if (str_eqz(n, ":method")) {
        x->method = http_method_of(v);
    } else if (str_eqz(n, ":path")) {
        x->path_at = (uint32_t)x->in.len;
        x->path_n = (uint32_t)v.n;
        buf_add_str(&x->in, v);
    } else if (n.n > 0 && n.p[0] != ':') {
        if (x->request_headers_len == HTTP_HEADERS_MAX) {
            x->too_large = true;
            return 0;
        }
        uint32_t *at = x->offsets[x->request_headers_len++];
        at[0] = (uint32_t)x->in.len;
        at[1] = (uint32_t)n.n;
        buf_add_str(&x->in, n);
        at[2] = (uint32_t)x->in.len;
        at[3] = (uint32_t)v.n;
        buf_add_str(&x->in, v);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *user)
{
    http_conn *c = user;
    http_exchange *x = stream_of(session, id);
    if (!x || x->open) return 0;
    if (x->body.len + n > c->service->limits.body_max) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
    }
    buf_add(&x->body, data, n);
    return 0;
}

static void dispatch(http_conn *c, http_exchange *x)
{
    for (int i = 0; i < x->request_headers_len; i++) {
        const uint32_t *at = x->offsets[i];
        x->request_headers[i].name = str_of(x->in.data + at[0], at[1]);
        x->request_headers[i].value = str_of(x->in.data + at[2], at[3]);
    }
    str path = str_of(x->in.data + x->path_at, x->path_n);
    ptrdiff_t mark = str_find(path, STR("?"), 0);
    http_request rq = {.method = x->method,
                       .http2 = true,
                       .path = mark < 0 ? path : str_of(path.p, (size_t)mark),
                       .query = mark < 0 ? (str){0} : str_of(path.p + mark + 1, path.n - (size_t)mark - 1),
                       .body = buf_str(&x->body),
                       .headers = x->request_headers,
                       .headers_len = x->request_headers_len};
    x->open = true;
    x->head_only = x->method == HTTP_HEAD;
    if (x->too_large) {
        http_reply(x, 431, NULL, (str){0});
        return;
    }
    c->service->request(c->service->context, x, &rq);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    http_exchange *x = stream_of(session, frame->hd.stream_id);
    if (x && !x->open && !x->ended) dispatch(user, x);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    http_conn *c = user;
    http_exchange *x = stream_of(session, id);
    if (!x) return 0;
    if (x->open) {
        x->open = false;
        c->service->closed(c->service->context, x);
    }
    nghttp2_session_set_stream_user_data(session, id, NULL);
    stream_free(x);
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static nghttp2_session *make_session(http_conn *c)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_session_server_new2(&session, callbacks, c, option) != 0) session = NULL;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return session;
}

/* The settings of an Upgrade are base64url of a SETTINGS payload (RFC 7540 3.2.1). */
static bool decode_settings(str text, uint8_t *out, size_t cap, size_t *n)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int have = 0;
    *n = 0;
    while (text.n > 0 && text.p[text.n - 1] == '=') text.n--;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;
        if (!at) return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (*n == cap) return false;
        out[(*n)++] = (uint8_t)(bits >> have);
    }
    return true;
}

bool http2_start(http_conn *c, bool upgraded, str settings, bool head_only)
{
    uint8_t payload[512];
    size_t payload_n = 0;
    if (upgraded && !decode_settings(settings, payload, sizeof payload, &payload_n)) return false;
    http2 *h = calloc(1, sizeof *h);
    check(h);
    c->h2 = h;
    h->session = make_session(c);
    nghttp2_settings_entry own[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
                                    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
                                    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)c->service->limits.head_max}};
    bool good = h->session != NULL;
    if (good && upgraded) {
        good = nghttp2_session_upgrade2(h->session, payload, payload_n, head_only, NULL) == 0;
        if (good) nghttp2_session_set_stream_user_data(h->session, 1, stream_new(c, 1));
    }
    good = good && nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, own, ARRAY_LEN(own)) == 0;
    if (!good) {
        http2_free(c);
        c->h2 = NULL;
    } else if (upgraded) {
        h->streams->head_only = head_only;
    }
    return good;
}

http_exchange *http2_first(http_conn *c)
{
    check(c->h2->streams);
    return c->h2->streams;
}

void http2_free(http_conn *c)
{
    http2 *h = c->h2;
    while (h->streams) {
        http_exchange *x = h->streams;
        if (x->open) {
            x->open = false;
            c->service->closed(c->service->context, x);
        }
        stream_free(x);
    }
    nghttp2_session_del(h->session);
    free(h);
}

void http2_receive(http_conn *c, str bytes)
{
    http2 *h = c->h2;
    if (h->broken) return;
    h->inside = true;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.p, bytes.n);
    h->inside = false;
    if (n < 0) h->broken = true;
}

str http2_output(http_conn *c)
{
    http2 *h = c->h2;
    if (h->out_n == 0 && !h->inside) {
        h->inside = true;
        ssize_t n = nghttp2_session_mem_send(h->session, &h->out);
        h->inside = false;
        if (n < 0) h->broken = true;
        h->out_n = n > 0 ? (size_t)n : 0;
    }
    return str_of((const char *)h->out, h->out_n);
}

void http2_sent(http_conn *c, size_t n)
{
    http2 *h = c->h2;
    check(n <= h->out_n);
    h->out += n;
    h->out_n -= n;
    if (h->out_n > 0 || !c->service->writable) return;
    for (http_exchange *x = h->streams, *next; x; x = next) {
        next = x->next;
        if (!x->open || !x->full || x->out.len - x->out_pos > c->service->limits.output_max / 2) continue;
        x->full = false;
        c->service->writable(c->service->context, x);
    }
}

bool http2_done(const http_conn *c)
{
    const http2 *h = c->h2;
    if (h->broken) return true;
    return !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session) && h->out_n == 0;
}

bool http2_idle(const http_conn *c)
{
    return c->h2->streams_len == 0;
}

void http2_shutdown(http_conn *c)
{
    nghttp2_session_terminate_session(c->h2->session, NGHTTP2_NO_ERROR);
}

/* ---- answers out --------------------------------------------------------------------------------------------- */

/* nghttp2 asks for the next bytes of a stream. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *p, size_t cap, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    http_exchange *x = source->ptr;
    size_t n = x->out.len - x->out_pos;
    if (n == 0 && !x->ended) {
        x->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > cap) n = cap;
    if (n > 0) memcpy(p, x->out.data + x->out_pos, n);
    x->out_pos += n;
    if (x->out_pos == x->out.len) {
        x->out_pos = 0;
        buf_clear(&x->out);
        if (x->ended) *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (x->out_pos > FRAME_OUT_MAX * 16) {
        memmove(x->out.data, x->out.data + x->out_pos, x->out.len - x->out_pos);
        x->out.len -= x->out_pos;
        x->out_pos = 0;
    }
    return (ssize_t)n;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

void http2_reply_begin(http_exchange *x, int status, const char *type, bool has_body, int64_t length)
{
    http_conn *c = x->conn;
    char code[8], size[24], lower[16][48];
    nghttp2_nv nv[24];
    size_t n = 0, extra = 0;
    check(x->open && !x->begun);
    x->begun = true;
    snprintf(code, sizeof code, "%d", status);
    nv[n++] = header(":status", code);
    if (type) nv[n++] = header("content-type", type);
    if (length >= 0) {
        snprintf(size, sizeof size, "%lld", (long long)length);
        nv[n++] = header("content-length", size);
    }
    if (c->service->date) nv[n++] = header("date", c->service->date);
    for (size_t i = 0; i < x->headers.len && extra < ARRAY_LEN(lower); extra++) {
        const char *name = x->headers.data + i, *value = name + strlen(name) + 1;
        size_t k = 0;
        for (; name[k] && k < sizeof lower[0] - 1; k++) {
            lower[extra][k] = name[k] >= 'A' && name[k] <= 'Z' ? (char)(name[k] + 32) : name[k];
        }
        lower[extra][k] = 0;
        nv[n++] = header(lower[extra], value);
        i += strlen(name) + strlen(value) + 2;
    }
    nghttp2_data_provider provider = {.source.ptr = x, .read_callback = read_body};
    bool body = has_body && !x->head_only;
    int failed = nghttp2_submit_response(c->h2->session, x->stream, nv, n, body ? &provider : NULL);
    if (failed) c->h2->broken = true;
}

void http2_reply_write(http_exchange *x, str bytes)
{
    buf_add_str(&x->out, bytes);
    if (!x->deferred) return;
    x->deferred = false;
    nghttp2_session_resume_data(x->conn->h2->session, x->stream);
}

void http2_reply_end(http_exchange *x)
{
    http_conn *c = x->conn;
    x->ended = true;
    x->open = false;
    if (x->deferred) {
        x->deferred = false;
        nghttp2_session_resume_data(c->h2->session, x->stream);
    }
    http_conn_wake(c);
}

void http2_reply_abort(http_exchange *x)
{
    http_conn *c = x->conn;
    x->open = false;
    x->ended = true;
    nghttp2_submit_rst_stream(c->h2->session, NGHTTP2_FLAG_NONE, x->stream, NGHTTP2_INTERNAL_ERROR);
    http_conn_wake(c);
}
