/*
 * server/kafka.h - the Kafka listeners: sockets and time for broker/, on a loop of its own.
 *
 * Which addresses there are, and how each is secured, is read from the config (server/listeners.h). Bytes of a frame
 * are charged as they arrive; answers go out in order, memory with writev and stretches of files with sendfile. The
 * broker belongs to this listener's loop thread while it runs; other threads use the broker's "any thread" functions
 * or broker_post.
 */
#ifndef SERVER_KAFKA_H
#define SERVER_KAFKA_H

#include "broker/broker.h"
#include "server/config.h"

typedef struct kafka kafka;

/* What the listener needs. Everything is copied but fs, which outlives it. */
typedef struct kafka_options {
    bool temporary; /* any free port on the loopback and nothing else, whatever the config says */
    str data_dir;
    fs *fs;
    uint64_t seed;
    int sync_threads;
    size_t memory_max; /* of requests that arrived in part */
    const config *config; /* listeners, and the broker's configs; outlives it */
} kafka_options;

/* Opens broker and ports; nothing is served yet. NULL and an error when one of them cannot be had. */
kafka *kafka_open(const kafka_options *options, diag *d);

/* Starts to serve on a thread of its own. */
bool kafka_start(kafka *k, diag *d);

/* The broker, and the port that the first listener took. */
broker *kafka_broker(kafka *k);
int kafka_port(const kafka *k);

/* Closes connections, then the ports, the loop. Connections get no further answers. */
void kafka_stop(kafka *k);

/*
 * Closes the broker, which marks the stop as clean, and frees all. After kafka_stop (or an open without start). NULL
 * is allowed.
 */
void kafka_close(kafka *k);

#endif
