/*
 * server/kafka_internal.h - shared by kafka.c (loop, syncs), kafka_listener.c (ports) and the files of one
 * connection (server/kafka_conn.h). Loop thread only.
 */
#ifndef SERVER_KAFKA_INTERNAL_H
#define SERVER_KAFKA_INTERNAL_H

#include "base/file.h"
#include "server/budget.h"
#include "server/kafka.h"
#include "server/listeners.h"
#include "server/loop.h"
#include "server/pool.h"

typedef struct kafka_conn kafka_conn;

/* One port. */
typedef struct kafka_listener {
    struct kafka *k;
    const listener_spec *spec;
    net_address listen; /* with the port that was taken */
    net_address advertised; /* host empty: clients are told the address that they came by */
    tls_context *tls; /* NULL: connections are plain */
    int fd;
    uv_poll_t poll;
} kafka_listener;

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
    arena *a; /* of what the listeners are made from */
    kafka_listener *listeners;
    size_t listeners_len;
    uv_timer_t deadline;
    uv_timer_t sweep;
    uv_timer_t look; /* while memory is short */
    uv_idle_t busy; /* while there are connections to go on with at once */
    uv_timer_t pause; /* of accepting; not the sweep, which may be what ends it */
    uv_prepare_t prepare;
    int64_t deadline_at; /* what the timer is set to; INT64_MAX: nothing */
    mail run;
    atomic_bool run_posted;
    kafka_conn *conns; /* all of them */
    kafka_conn *ready; /* those with something to send or to check */
    kafka_conn *again; /* those that go on in the loop's next turn */
    size_t conns_len;
    budget memory; /* of requests in part, of those that wait, and of answers that are not sent */
    size_t shed; /* what closed connections held, since free memory was given back last */
    int64_t frame_max;
    int64_t idle_ms_max;
    uint8_t *scratch; /* where a read goes when no frame is begun */
};

enum { KAFKA_SCRATCH = 256 * 1024, KAFKA_SWEEP_MS = 5000, KAFKA_SHED_MAX = 32 << 20 };

/* The present time as the broker is told it. */
broker_time kafka_now(void);

/* Opens the ports. */
bool kafka_listeners_open(kafka *k, const kafka_options *o, diag *d);

/* Their addresses as Kafka's `listeners` and `advertised.listeners` write them. */
str kafka_listeners_text(const kafka *k, bool advertised, arena *a);

/* Begins to accept connections, once the loop exists. */
void kafka_listeners_start(kafka *k);

/* Tells them that a turn of the loop ends. */
void kafka_listeners_turn(kafka *k);

/* Accepts no more; on the loop's thread. */
void kafka_listeners_stop(kafka *k);

/* Closes the ports, after the loop. */
void kafka_listeners_close(kafka *k);

/* A number of the broker's configs as it is now. */
int64_t kafka_config_number(const kafka *k, str name, int64_t otherwise);
/* How many connections of this address there are. */
size_t kafka_conn_count(const kafka *k, const char *peer);
/* A new connection on an accepted socket. */
void kafka_conn_new(kafka_listener *l, int fd, const char *peer);

/* Sends what can be sent and brings the socket's interest up to date; may close the connection. */
void kafka_conn_pump(kafka_conn *c);

/* Puts the connection on the list that the loop works off before it sleeps. */
void kafka_conn_mark(kafka_conn *c);

/* Closes the connection; its memory goes when libuv let go of the handle. */
void kafka_conn_close(kafka_conn *c);

/* Closes those that were silent longer than connections.max.idle.ms, or do not come to an end with their handshake. */
void kafka_conn_sweep(kafka *k, int64_t now_ms);

/* Lets those read again that had stopped for want of memory, as far as there is some. */
void kafka_conn_feed(kafka *k);

/* While memory is short: closes those that hold some of it and do not move. */
void kafka_conn_look(kafka *k, int64_t now_ms);

/* Works the ready list off. */
void kafka_conn_run_ready(kafka *k);

/* The same with those that were put off to this turn. true: some were put off to the next. */
bool kafka_conn_run_again(kafka *k);

#endif
