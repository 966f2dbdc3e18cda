/*
 * server/tls_int.h - shared by tls_context.c (what a listener offers) and tls.c (one connection).
 */
#ifndef SERVER_TLS_INT_H
#define SERVER_TLS_INT_H

#include <openssl/ssl.h>

#include "server/tls.h"
#include "server/tls_name.h"

enum { TLS_IN_MAX = 64 * 1024 };

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *method; /* of the connections' ends towards the socket */
    tls_rules *rules;
    int64_t handshakes_ns; /* what handshakes have taken in this turn of the loop */
    uint8_t in[TLS_IN_MAX]; /* what a read brought from the socket; empty between two calls */
};

/* The ends of connections towards the socket. */
BIO_METHOD *tls_method_new(void);

#endif
