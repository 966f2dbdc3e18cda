#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/kafka_conn.h"

/*
 * How long a handshake, and a client that was turned away, may take. How much of what was read early is served at
 * a time.
 */
enum { HANDSHAKE_MS = 10000, LINGER_MS = 2000, SERVES_MAX = 4, GULP_FIRST = 32 * 1024 };

static void on_poll(uv_poll_t *poll, int status, int events);

size_t kafka_conn_count(const kafka *k, const char *peer)
{
    size_t n = 0;
    for (const kafka_conn *c = k->conns; c; c = c->next) n += strncmp(c->peer, peer, sizeof c->peer - 1) == 0;
    return n;
}

void kafka_conn_new(kafka_listener *l, int fd, const char *peer)
{
    kafka *k = l->k;
    char came_by[NET_HOST_MAX];
    kafka_conn *c = calloc(1, sizeof *c);
    check(c);
    c->k = k;
    c->listener = l;
    c->fd = fd;
    snprintf(c->peer, sizeof c->peer, "%.*s", (int)sizeof c->peer - 1, peer);
    c->began_ms = c->last_ms = clock_mono_ns() / 1000000;
    c->gulp = GULP_FIRST;
    if (uv_poll_init(&k->loop.uv, &c->poll, fd) != 0) {
        close(fd);
        free(c);
        return;
    }
    if (l->advertised.host[0] == 0) net_own_host(fd, came_by);
    broker_conn_options options = {.user = c,
                                   .peer_host = str_z(peer),
                                   .advertised_host = str_z(l->advertised.host[0] ? l->advertised.host : came_by),
                                   .advertised_port = l->advertised.port,
                                   .listener = &l->spec->broker};
    if (l->tls) c->tls = tls_new(l->tls);
    /* Connections of an address may be limited: the broker has to know the time. */
    broker_run(k->broker, kafka_now());
    c->bc = broker_conn_open(k->broker, &options);
    c->next = k->conns;
    if (k->conns) k->conns->prev = c;
    k->conns = c;
    k->conns_len++;
    /* A connection may begin muted, by a quota. */
    c->events = broker_conn_wants_input(c->bc) ? UV_READABLE : UV_DISCONNECT;
    uv_poll_start(&c->poll, c->events, on_poll);
}

static void on_closed(uv_handle_t *handle)
{
    kafka_conn *c = container_of((uv_poll_t *)handle, kafka_conn, poll);
    close(c->fd);
    tls_free(c->tls);
    free(c);
}

void kafka_conn_close(kafka_conn *c)
{
    kafka *k = c->k;
    if (c->closed) return;
    c->closed = true;
    k->shed += c->memory.held + broker_conn_memory(c->bc) + (c->tls ? tls_waiting(c->tls) : 0);
    if (c->tls && !c->lingering) {
        tls_goodbye(c->tls);
        tls_flush(c->tls, c->fd);
    }
    broker_conn_close(c->bc);
    for (; c->taken_len > 0; c->taken_len--) {
        broker_response_free(c->taken[c->taken_first]);
        c->taken_first = (c->taken_first + 1) % KAFKA_TAKEN_MAX;
    }
    kafka_conn_drop_frame(c);
    kafka_conn_drop_rest(c);
    budget_leave(&k->memory, &c->memory);
    if (c->prev)
        c->prev->next = c->next;
    else
        k->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    k->conns_len--;
    for (kafka_conn **at = &k->ready; c->marked && *at; at = &(*at)->next_ready) {
        if (*at != c) continue;
        *at = c->next_ready;
        break;
    }
    for (kafka_conn **at = &k->again; c->again && *at; at = &(*at)->next_again) {
        if (*at != c) continue;
        *at = c->next_again;
        break;
    }
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

void kafka_conn_mark(kafka_conn *c)
{
    if (c->marked || c->closed) return;
    c->marked = true;
    c->next_ready = c->k->ready;
    c->k->ready = c;
}

void kafka_conn_run_ready(kafka *k)
{
    while (k->ready) {
        kafka_conn *c = k->ready;
        k->ready = c->next_ready;
        c->marked = false;
        kafka_conn_pump(c);
    }
}

/* Sends, and serves what was read already as far as answers go out. false: it is broken. */
static bool send_and_serve(kafka_conn *c)
{
    for (int turn = 0;; turn++) {
        if (!c->blocked && !kafka_conn_send(c)) return false;
        if (broker_conn_must_close(c->bc)) c->must_close = true;
        if (c->rest_len == 0 || c->must_close || !broker_conn_wants_input(c->bc)) return true;
        if (turn == SERVES_MAX) break;
        kafka_conn_serve_rest(c);
    }
    /* The others first. */
    if (c->again) return true;
    c->again = true;
    c->next_again = c->k->again;
    c->k->again = c;
    return true;
}

void kafka_conn_pump(kafka_conn *c)
{
    if (c->closed || c->lingering) return;
    if (!send_and_serve(c) || (c->must_close && c->taken_len == 0 && !(c->tls && tls_waiting(c->tls) > 0))) {
        kafka_conn_close(c);
        return;
    }
    int events = kafka_conn_wants_input(c) ? UV_READABLE : UV_DISCONNECT;
    if (c->blocked) events |= UV_WRITABLE;
    if (events == c->events) return;
    c->events = events;
    uv_poll_start(&c->poll, events, on_poll);
}

bool kafka_conn_run_again(kafka *k)
{
    kafka_conn *list = k->again;
    k->again = NULL;
    for (kafka_conn *c = list, *next; c; c = next) {
        next = c->next_again;
        c->again = false;
        kafka_conn_mark(c);
    }
    kafka_conn_run_ready(k);
    return k->again != NULL;
}

void kafka_conn_turn_away(kafka_conn *c)
{
    log_info("kafka", "closing a connection from %s: TLS: %s", c->peer, tls_error(c->tls));
    kafka_conn_drop_frame(c);
    kafka_conn_drop_rest(c);
    if (tls_flush(c->tls, c->fd) != TLS_OK || shutdown(c->fd, SHUT_WR) != 0) {
        kafka_conn_close(c);
        return;
    }
    c->lingering = true;
    c->last_ms = clock_mono_ns() / 1000000;
    if (c->events != UV_READABLE) uv_poll_start(&c->poll, c->events = UV_READABLE, on_poll);
}

static void linger(kafka_conn *c)
{
    ssize_t n = recv(c->fd, c->k->scratch, KAFKA_SCRATCH, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) kafka_conn_close(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    kafka_conn *c = container_of(poll, kafka_conn, poll);
    kafka *k = c->k;
    if (status < 0) {
        kafka_conn_close(c);
        return;
    }
    if (events & UV_WRITABLE) {
        c->blocked = false;
        kafka_conn_mark(c);
    }
    if (events & UV_READABLE) {
        if (c->lingering)
            linger(c);
        else
            kafka_conn_read(c);
    } else if ((events & UV_DISCONNECT) && !(events & UV_WRITABLE)) {
        kafka_conn_close(c);
    }
    kafka_conn_run_ready(k);
}

void kafka_conn_sweep(kafka *k, int64_t now_ms)
{
    for (kafka_conn *c = k->conns, *next; c; c = next) {
        next = c->next;
        if (!broker_conn_wants_input(c->bc)) c->began_ms = now_ms; /* it is not the client who is slow */
        bool idle = k->idle_ms_max > 0 && now_ms - c->last_ms > k->idle_ms_max;
        bool slow = c->tls && !c->identified && now_ms - c->began_ms > HANDSHAKE_MS;
        bool over = c->lingering && now_ms - c->last_ms > LINGER_MS;
        if (idle || slow || over) kafka_conn_close(c);
    }
}

void kafka_conn_feed(kafka *k)
{
    k->memory.also = broker_memory(k->broker);
    for (budget_member *m; (m = budget_next(&k->memory));) kafka_conn_mark(container_of(m, kafka_conn, memory));
}

void kafka_conn_look(kafka *k, int64_t now_ms)
{
    for (kafka_conn *c = k->conns, *next; c; c = next) {
        next = c->next;
        k->memory.also = broker_memory(k->broker);
        if (!budget_must_go(&k->memory, &c->memory, broker_conn_memory(c->bc), now_ms)) continue;
        log_info("kafka", "closing a connection from %s: memory is short, it holds %zu bytes and moves nothing",
                 c->peer, c->memory.held + broker_conn_memory(c->bc));
        kafka_conn_close(c);
    }
}
