/*
 * server/http.h - one HTTP connection as a state machine: bytes in, requests out, bytes to send out.
 *
 * HTTP/1.1 and HTTP/2 (prior knowledge or Upgrade) look the same from above: a service gets each request whole, with an
 * exchange to answer it by, at once or later, in one piece or as a stream. There is no socket here: the listener
 * brings bytes and takes bytes. A connection and its exchanges belong to one thread (the HTTP loop).
 *
 * An exchange lives from the `request` call until its answer is ended or `closed` is called, whichever comes first;
 * after that the pointer must not be used.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "server/http_parse.h"

typedef struct http_conn http_conn;
typedef struct http_exchange http_exchange;

/* A whole request. Everything in it is valid during the `request` call only. */
typedef struct http_request {
    http_method method;
    bool http2;
    str path; /* not percent-decoded */
    str query;
    str body;
    const http_header *headers;
    int headers_len;
} http_request;

/* Who answers. The struct belongs to the caller of http_conn_new and outlives the connection. */
typedef struct http_service {
    void *context;
    http_limits limits;
    /* The present date in HTTP's form, kept up by the owner of the loop; NULL leaves the header out. */
    const char *date;
    /* A request arrived. Answering inside the call is allowed. */
    void (*request)(void *context, http_exchange *x, const http_request *rq);
    /* The client went away before the answer ended; x ends with this call. */
    void (*closed)(void *context, http_exchange *x);
    /* An answer that was full (http_reply_write said so) has room again. May be NULL. */
    void (*writable)(void *context, http_exchange *x);
} http_service;

/* A new connection; wake(owner) is called when there is output to send that a call from outside receive caused. */
http_conn *http_conn_new(const http_service *service, void (*wake)(void *owner), void *owner);

/* Ends the connection: open exchanges get `closed`, memory goes. */
void http_conn_free(http_conn *c);

/* Bytes from the client. */
void http_conn_receive(http_conn *c, str bytes);

/* The client will send no more. Streams end; an answer still being made is sent before the connection closes. */
void http_conn_eof(http_conn *c);

/* What is to be sent next, until http_conn_sent says how much of it went. Empty: nothing for now. */
str http_conn_output(http_conn *c);
void http_conn_sent(http_conn *c, size_t n);

/* False while enough input waits behind the request being answered: stop reading from the socket. */
bool http_conn_wants_input(const http_conn *c);

/* True when the connection is over: send what is left of the output, then close. */
bool http_conn_done(const http_conn *c);

/* True when no request is under way, not even a part of one (for idle timeouts and a clean stop). */
bool http_conn_idle(const http_conn *c);

/* True while a request has come in part only (for the time limit on slow senders). */
bool http_conn_reading(const http_conn *c);

/* Finish what is under way and then close: used when the server stops. */
void http_conn_shutdown(http_conn *c);

/* A header of a request, or p == NULL. */
str http_request_header(const http_request *rq, const char *name);

/* The service's own pointer on an exchange. */
void http_set_user(http_exchange *x, void *user);
void *http_user(const http_exchange *x);

/* Adds a header to the answer; before http_reply or http_reply_begin. Name and value are ours, never a client's. */
void http_reply_header(http_exchange *x, const char *name, const char *value);

/* The whole answer. type may be NULL when there is no body. Ends the exchange. */
void http_reply(http_exchange *x, int status, const char *type, str body);

/* An answer in pieces: begin, write any number of times, end. */
void http_reply_begin(http_exchange *x, int status, const char *type);
/* Always takes the bytes; returns false when more than output_max waits for the client (then await `writable`). */
bool http_reply_write(http_exchange *x, str bytes);
void http_reply_end(http_exchange *x);

/* Ends an answer that cannot be finished: the client sees a broken response, not a short one. */
void http_reply_abort(http_exchange *x);

/* Bytes of this answer that were not sent yet. */
size_t http_reply_pending(const http_exchange *x);

#endif
