/*
 * server/http_internal.h - what http.c (HTTP/1.1) and http2.c share: the inside of connections and exchanges.
 *
 * Included by these two files only; same thread and ownership rules as server/http.h.
 */
#ifndef SERVER_HTTP_INTERNAL_H
#define SERVER_HTTP_INTERNAL_H

#include "server/http.h"

typedef struct http2 http2;

struct http_exchange {
    http_conn *conn;
    void *user;
    buf headers; /* extra headers of the answer, as "name\0value\0" pairs */
    bool open; /* the service holds it */
    bool begun;
    bool head_only;
    bool full; /* http_reply_write said no; `writable` is owed */
    /* HTTP/1.1 */
    bool chunked;
    /* HTTP/2: one of these per stream */
    int32_t stream;
    bool ended;
    bool deferred;
    bool too_large;
    http_method method;
    buf in; /* the request's names and values, then its body */
    buf body;
    buf out;
    size_t out_pos;
    http_header request_headers[HTTP_HEADERS_MAX];
    uint32_t offsets[HTTP_HEADERS_MAX][4];
    int request_headers_len;
    str path;
    uint32_t path_at, path_n;
    http_exchange *next, *prev;
};

struct http_conn {
    const http_service *service;
    void (*wake)(void *owner);
    void *owner;
    http2 *h2;
    buf in;
    size_t in_pos;
    size_t scanned;
    size_t head_n; /* > 0: the head is whole and its body is awaited */
    size_t total_n; /* head and body together, when the length is known */
    bool body_chunked;
    bool sent_continue;
    bool keep_alive;
    bool active; /* the one exchange of HTTP/1.1 is open */
    bool stepping; /* inside the loop that hands out requests */
    bool closing; /* no further request; close when the output is out */
    bool eof;
    http_chunks chunks;
    buf body;
    buf out;
    size_t out_pos;
    http_exchange *x; /* HTTP/1.1's, made at the first request */
};

/* Tells the owner that there is output, unless the call came from inside receive. */
void http_conn_wake(http_conn *c);

/* HTTP/2: takes over the connection; settings is the decoded HTTP2-Settings header of an Upgrade, or empty. */
bool http2_start(http_conn *c, bool upgraded, str settings, bool head_only);
void http2_free(http_conn *c);
void http2_receive(http_conn *c, str bytes);
str http2_output(http_conn *c);
void http2_sent(http_conn *c, size_t n);
bool http2_done(const http_conn *c);
bool http2_idle(const http_conn *c);
void http2_shutdown(http_conn *c);
/* The exchange of the request that came with an Upgrade: stream 1. */
http_exchange *http2_first(http_conn *c);
void http2_reply_begin(http_exchange *x, int status, const char *type, bool has_body, int64_t length);
void http2_reply_write(http_exchange *x, str bytes);
void http2_reply_end(http_exchange *x);
void http2_reply_abort(http_exchange *x);

#endif
