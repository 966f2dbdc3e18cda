/*
 * server/server.h - one running server: start-up and shutdown of everything, in order.
 *
 * A server owns its data folder (a lock says so), the Kafka listener with the broker, the HTTP listener with the APIs,
 * and the threads that they need. server_start and server_stop are called by one thread; everything between runs on
 * the server's own.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/diag.h"
#include "server/config.h"

typedef struct server server;

/* What a server is started with. */
typedef struct server_options {
    const char *data_dir;
    const config *config; /* outlives the server */
    bool http, kafka; /* which listeners to open */
    bool temporary_ports; /* any free port on the loopback, whatever the config says (an embedded server) */
} server_options;

/* Starts and returns when it serves. NULL and an error when it cannot. */
server *server_start(const server_options *options, diag *d);

/* The ports that were taken, of several the first (of HTTP the first without TLS); 0 for a listener that is off. */
int server_http_port(const server *s);
/* Whether HTTP can be spoken to without TLS. */
bool server_http_plain(const server *s);
int server_kafka_port(const server *s);

/* The broker, for parts that run in the same process; NULL without a Kafka side. */
struct broker *server_broker(server *s);

/* Ends it cleanly: no new work, streams end, logs are synced and marked. NULL is allowed. */
void server_stop(server *s);

#endif
