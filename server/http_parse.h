/*
 * server/http_parse.h - reading HTTP/1.1 as RFC 9112 writes it: request heads and chunked bodies. Pure functions.
 *
 * Strict on purpose: what two readers could take for two different requests is refused (bare LF, folded headers,
 * space before the colon, both lengths at once). Nothing is allocated and slices borrow the input. Thread-neutral.
 */
#ifndef SERVER_HTTP_PARSE_H
#define SERVER_HTTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

typedef enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_OTHER, /* a well-formed method that no route has */
} http_method;

enum { HTTP_HEADERS_MAX = 64 };

/* One header; the name as it was sent (compare with str_ieq), the value without the spaces around it. */
typedef struct http_header {
    str name;
    str value;
} http_header;

/* Public layout: a parsed head. All slices borrow the bytes it was parsed from. */
typedef struct http_head {
    http_method method;
    str method_text;
    str target; /* as sent */
    str path; /* the target up to '?', not decoded */
    str query; /* behind '?', or empty */
    int minor; /* the x of HTTP/1.x */
    int headers_len;
    http_header headers[HTTP_HEADERS_MAX];
    int64_t content_length; /* -1: none given */
    bool chunked;
    bool keep_alive;
    bool expect_continue;
    bool upgrade_h2c;
} http_head;

/* Limits of one connection, in bytes. */
typedef struct http_limits {
    size_t line_max; /* the request line */
    size_t head_max; /* request line and headers together */
    size_t body_max;
    size_t pipeline_max; /* input kept while a request is being answered */
    size_t output_max; /* output kept for a slow reader before its response counts as full */
} http_limits;

enum { HTTP_MORE = 0 };

/*
 * Parses a request head from the start of in. Returns the bytes taken (> 0), HTTP_MORE when the head is not whole yet,
 * or minus the HTTP status that says what is wrong with it (400, 414, 431, 501, 505). *scanned (0 at first, kept by
 * the caller while more bytes come) keeps the search for the end linear.
 */
int64_t http_parse_head(str in, const http_limits *limits, size_t *scanned, http_head *out);

/* The value of a header, or the empty slice with p == NULL when it was not sent. */
str http_header_get(const http_head *h, const char *name);

/* The text of a method, and the method of a text (case counts). */
const char *http_method_name(http_method m);
http_method http_method_of(str text);

/* The reason phrase of a status. */
const char *http_reason(int status);

/* A decoder of chunked bodies; {0} is the start. */
typedef struct http_chunks {
    int state;
    bool done;
    uint64_t left;
    size_t line; /* bytes of the present line, to bound extensions and trailers */
    size_t trailers;
} http_chunks;

/*
 * Decodes from in and appends the body's bytes to body. Returns the bytes taken (all of them until `done`) or
 * minus a status: 400, or 413 when the body would outgrow body_max.
 */
int64_t http_chunks_decode(http_chunks *c, str in, size_t body_max, buf *body);

/*
 * Decodes %XX (and '+' to a space when plus is set) into out, which must have room for text.n bytes. Returns the
 * length, or -1 for a broken escape or a decoded zero.
 */
int64_t http_percent_decode(str text, bool plus, char *out);

#endif
