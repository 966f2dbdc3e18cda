/*
 * server/http_listener.h - sockets for http_conn, on the HTTP loop's thread.
 *
 * It brings bytes to connections and takes their output to the sockets, limits how many there are, and ends those that
 * sit idle or send a request too slowly. Everything here belongs to the loop's thread once the loop runs.
 */
#ifndef SERVER_HTTP_LISTENER_H
#define SERVER_HTTP_LISTENER_H

#include "server/http.h"
#include "server/loop.h"
#include "server/net.h"
#include "server/tls.h"

typedef struct http_listener http_listener;

/* Times in milliseconds, 0 for no limit. */
typedef struct http_listener_options {
    net_address listen;
    tls_context *tls; /* taken over, also when opening fails; NULL: plain */
    int connections_max;
    int64_t idle_ms; /* between requests */
    int64_t request_ms; /* from a request's first byte to its last */
} http_listener_options;

/*
 * Listens on an address and serves it with `service`, whose date is kept up here. Before the loop runs. NULL and an
 * error when the port cannot be had.
 */
http_listener *http_listener_open(loop *l, const http_listener_options *options, http_service *service, diag *d);

/* The port that was taken. */
int http_listener_port(const http_listener *h);

/* The loop's thread, when it stops: closes all connections and handles. */
void http_listener_stop(http_listener *h);

/* After the loop ended. NULL is allowed. */
void http_listener_free(http_listener *h);

#endif
