/*
 * server/kafka_internal.h - shared by kafka.c (listener, loop, syncs) and kafka_conn.c (one connection). Loop thread
 * only.
 */
#ifndef SERVER_KAFKA_INTERNAL_H
#define SERVER_KAFKA_INTERNAL_H

#include "base/file.h"
#include "server/kafka.h"
#include "server/loop.h"
#include "server/pool.h"

typedef struct kafka_conn kafka_conn;

struct kafka {
    loop loop;
    bool looped; /* the loop was made and has to be stopped */
    atomic_bool stopped; /* the loop is gone: nothing may be posted any more */
    broker *broker;
    broker_hooks hooks;
    fs *fs;
    pool *syncs;
    int syncs_open;
    pool *works; /* checks of large batches */
    int works_open;
    struct cleaner *cleaner;
    net_address listen;
    net_address advertised;
    int fd;
    bool accept_paused;
    uv_poll_t accept_poll;
    uv_timer_t deadline;
    uv_timer_t sweep;
    uv_prepare_t prepare;
    int64_t deadline_at; /* what the timer is set to; INT64_MAX: nothing */
    mail run;
    atomic_bool run_posted;
    kafka_conn *conns; /* all of them */
    kafka_conn *ready; /* those with something to send or to check */
    size_t conns_len;
    size_t memory; /* of frames in part */
    size_t memory_max;
    kafka_conn *favoured; /* may go on reading although memory is full, so that somebody always finishes */
    bool starved; /* some connections stopped reading for memory */
    int64_t frame_max;
    int64_t idle_ms_max;
    uint8_t *scratch; /* where a read goes when no frame is begun */
};

enum { KAFKA_SCRATCH = 256 * 1024 };

/* The present time as the broker is told it. */
broker_time kafka_now(void);

/* A new connection on an accepted socket. */
void kafka_conn_new(kafka *k, int fd, const char *peer);

/* Sends what can be sent and brings the socket's interest up to date; may close the connection. */
void kafka_conn_pump(kafka_conn *c);

/* Puts the connection on the list that the loop works off before it sleeps. */
void kafka_conn_mark(kafka_conn *c);

/* Closes the connection; its memory goes when libuv let go of the handle. */
void kafka_conn_close(kafka_conn *c);

/* Closes those that were silent longer than connections.max.idle.ms. */
void kafka_conn_sweep(kafka *k, int64_t now_ms);

/* Lets those read again that had stopped for want of memory, when there is some, or when nobody else is reading on. */
void kafka_conn_feed(kafka *k);

/* Works the ready list off. */
void kafka_conn_run_ready(kafka *k);

#endif
