#include "server/http_listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

enum { SCRATCH = 64 * 1024, ACCEPTS_MAX = 64, READS_MAX = 4, TICK_MS = 1000, LINGER_MS = 2000, DATE_MAX = 32 };
/* Plain bytes that are encrypted at a time; how long a handshake may take. */
enum { STAGE_BYTES = 64 * 1024, HANDSHAKE_MS = 10000 };

typedef struct client client;

struct http_listener {
    loop *loop;
    http_service *service;
    http_listener_options options;
    int fd;
    bool accepting;
    uv_poll_t poll;
    uv_timer_t tick;
    uv_prepare_t prepare;
    client *clients;
    client *dirty; /* those with output to send */
    int clients_len;
    char date[DATE_MAX];
    char scratch[SCRATCH];
};

struct client {
    uv_poll_t poll;
    http_listener *h;
    http_conn *conn;
    client *next, *prev, *next_dirty;
    int fd;
    int events;
    tls *tls; /* NULL: plain */
    bool tls_end; /* the client said that it sends no more */
    char peer[48]; /* its address */
    bool marked, closed, blocked;
    bool at_end; /* the client sends no more */
    bool lingering; /* answered and shut for writing: reads on so that unread input does not reset the connection */
    int64_t began_ms;
    int64_t last_ms; /* of the last byte in either direction */
    int64_t reading_ms; /* when the present request's first byte came; 0: none in part */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void mark(void *owner)
{
    client *c = owner;
    if (c->marked || c->closed) return;
    c->marked = true;
    c->next_dirty = c->h->dirty;
    c->h->dirty = c;
}

static void on_closed(uv_handle_t *handle)
{
    client *c = container_of((uv_poll_t *)handle, client, poll);
    close(c->fd);
    tls_free(c->tls);
    free(c);
}

/* Tells the client that nothing more comes, as far as the socket takes that. */
static void say_goodbye(client *c)
{
    if (!c->tls || c->lingering) return;
    tls_goodbye(c->tls);
    tls_flush(c->tls, c->fd);
}

static void close_client(client *c)
{
    http_listener *h = c->h;
    if (c->closed) return;
    say_goodbye(c);
    c->closed = true;
    http_conn_free(c->conn);
    if (c->prev)
        c->prev->next = c->next;
    else
        h->clients = c->next;
    if (c->next) c->next->prev = c->prev;
    h->clients_len--;
    for (client **at = &h->dirty; c->marked && *at; at = &(*at)->next_dirty) {
        if (*at != c) continue;
        *at = c->next_dirty;
        break;
    }
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

/* As send(2), with encryption in between: what it takes is on its way, though not all of it may be sent. */
static ssize_t transmit(client *c, str out)
{
    if (!c->tls) return send(c->fd, out.p, out.n, MSG_NOSIGNAL);
    tls_status status = tls_flush(c->tls, c->fd);
    size_t n = out.n < STAGE_BYTES ? out.n : STAGE_BYTES;
    if (status == TLS_OK && tls_write(c->tls, out.p, n)) return (ssize_t)n;
    errno = status == TLS_AGAIN ? EAGAIN : EPIPE;
    return -1;
}

/* As recv(2), with decryption in between. */
static ssize_t receive(client *c)
{
    http_listener *h = c->h;
    if (!c->tls) return recv(c->fd, h->scratch, SCRATCH, 0);
    if (c->tls_end) return 0;
    size_t got;
    tls_status status = tls_read(c->tls, c->fd, h->scratch, SCRATCH, &got);
    c->tls_end = status == TLS_END;
    if (got > 0 || c->tls_end) return (ssize_t)got;
    errno = status == TLS_OK ? EINTR : status == TLS_AGAIN ? EAGAIN : EPROTO;
    return -1;
}

/* Tells a client why it is turned away (the alert) and gives it the time to read that. */
static void turn_away(client *c)
{
    log_info("http", "closing a connection from %s: TLS: %s", c->peer, tls_error(c->tls));
    if (tls_flush(c->tls, c->fd) != TLS_OK || shutdown(c->fd, SHUT_WR) != 0) {
        close_client(c);
        return;
    }
    c->lingering = true;
    c->last_ms = clock_mono_ns() / 1000000;
    if (c->events != UV_READABLE) uv_poll_start(&c->poll, c->events = UV_READABLE, on_poll);
}

/* Sends what can be sent, and closes or goes on waiting as the connection says. */
static void flush(client *c)
{
    for (str out; !c->blocked && (out = http_conn_output(c->conn)).n > 0;) {
        ssize_t n = transmit(c, out);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) {
            close_client(c);
            return;
        }
        if (n < 0) {
            c->blocked = true;
            break;
        }
        c->last_ms = clock_mono_ns() / 1000000;
        http_conn_sent(c->conn, (size_t)n);
    }
    if (c->tls && !c->blocked) {
        tls_status status = tls_flush(c->tls, c->fd);
        if (status == TLS_FAILED) {
            close_client(c);
            return;
        }
        c->blocked = status == TLS_AGAIN;
    }
    if (http_conn_done(c->conn) && http_conn_output(c->conn).n == 0 && !(c->tls && tls_waiting(c->tls) > 0)) {
        say_goodbye(c);
        if (c->lingering || c->at_end || shutdown(c->fd, SHUT_WR) != 0) {
            close_client(c);
            return;
        }
        c->lingering = true;
        if (c->events != UV_READABLE) uv_poll_start(&c->poll, c->events = UV_READABLE, on_poll);
        return;
    }
    int events = http_conn_wants_input(c->conn) && !c->at_end ? UV_READABLE : c->at_end ? 0 : UV_DISCONNECT;
    if (c->blocked) events |= UV_WRITABLE;
    if (events == c->events) return;
    c->events = events;
    if (events == 0)
        uv_poll_stop(&c->poll);
    else
        uv_poll_start(&c->poll, events, on_poll);
}

static void flush_dirty(http_listener *h)
{
    while (h->dirty) {
        client *c = h->dirty;
        h->dirty = c->next_dirty;
        c->marked = false;
        flush(c);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    http_listener *h = container_of(prepare, http_listener, prepare);
    if (h->options.tls) tls_context_turn(h->options.tls);
    flush_dirty(h);
}

/* What a client sends after the last answer is read and dropped, until it closes or its time is up. */
static void linger(client *c)
{
    ssize_t n = recv(c->fd, c->h->scratch, SCRATCH, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) close_client(c);
}

static void on_readable(client *c)
{
    http_listener *h = c->h;
    if (c->lingering) {
        linger(c);
        return;
    }
    if (c->tls && tls_must_wait(c->tls)) return; /* the socket stays readable */
    for (int i = 0; i < READS_MAX && http_conn_wants_input(c->conn); i++) {
        ssize_t n = receive(c);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0 && errno == EPROTO) {
            turn_away(c);
            return;
        }
        if (n < 0) {
            close_client(c);
            return;
        }
        c->last_ms = clock_mono_ns() / 1000000;
        if (n == 0) {
            c->at_end = true;
            http_conn_eof(c->conn);
            break;
        }
        http_conn_receive(c->conn, str_of(h->scratch, (size_t)n));
        if (n < SCRATCH) break;
    }
    if (!http_conn_reading(c->conn))
        c->reading_ms = 0;
    else if (c->reading_ms == 0)
        c->reading_ms = c->last_ms;
    mark(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    client *c = container_of(poll, client, poll);
    http_listener *h = c->h;
    if (status < 0) {
        close_client(c);
        return;
    }
    if (events & UV_WRITABLE) {
        c->blocked = false;
        mark(c);
    }
    if (events & UV_READABLE)
        on_readable(c);
    else if (events & UV_DISCONNECT)
        close_client(c);
    flush_dirty(h);
}

static void new_client(http_listener *h, int fd, const char *peer)
{
    client *c = calloc(1, sizeof *c);
    check(c);
    c->h = h;
    c->fd = fd;
    c->began_ms = c->last_ms = clock_mono_ns() / 1000000;
    snprintf(c->peer, sizeof c->peer, "%.*s", (int)sizeof c->peer - 1, peer);
    if (uv_poll_init(&h->loop->uv, &c->poll, fd) != 0) {
        close(fd);
        free(c);
        return;
    }
    c->conn = http_conn_new(h->service, mark, c);
    if (h->options.tls) c->tls = tls_new(h->options.tls);
    c->next = h->clients;
    if (h->clients) h->clients->prev = c;
    h->clients = c;
    h->clients_len++;
    c->events = UV_READABLE;
    uv_poll_start(&c->poll, c->events, on_poll);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    http_listener *h = container_of(poll, http_listener, poll);
    char peer[NET_HOST_MAX];
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (h->clients_len >= h->options.connections_max) {
            /* The rest waits in the backlog until one leaves. */
            h->accepting = false;
            uv_poll_stop(&h->poll);
            return;
        }
        int fd = net_accept(h->fd, peer);
        if (fd >= 0) {
            new_client(h, fd, peer);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            if (errno == EAGAIN) return;
            log_warn("http", "cannot accept a connection: %s", strerror(errno));
            h->accepting = false; /* until the next tick, or this would spin */
            uv_poll_stop(&h->poll);
            return;
        }
    }
}

static void set_date(http_listener *h)
{
    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(h->date, sizeof h->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void on_tick(uv_timer_t *timer)
{
    http_listener *h = container_of(timer, http_listener, tick);
    int64_t now = clock_mono_ns() / 1000000;
    set_date(h);
    for (client *c = h->clients, *next; c; c = next) {
        next = c->next;
        bool slow = h->options.request_ms > 0 && c->reading_ms > 0 && now - c->reading_ms > h->options.request_ms;
        bool idle = h->options.idle_ms > 0 && http_conn_idle(c->conn) && now - c->last_ms > h->options.idle_ms;
        bool over = c->lingering && now - c->last_ms > LINGER_MS;
        bool stuck = c->tls && !tls_ready(c->tls) && now - c->began_ms > HANDSHAKE_MS;
        if (slow || idle || over || stuck) close_client(c);
    }
    if (!h->accepting && h->clients_len < h->options.connections_max) {
        h->accepting = true;
        uv_poll_start(&h->poll, UV_READABLE, on_accept);
    }
}

http_listener *http_listener_open(loop *l, const http_listener_options *options, http_service *service, diag *d)
{
    http_listener *h = calloc(1, sizeof *h);
    check(h);
    h->loop = l;
    h->service = service;
    h->options = *options;
    h->fd = net_listen(&h->options.listen, d);
    if (h->fd < 0) {
        tls_context_free(h->options.tls);
        free(h);
        return NULL;
    }
    if (!net_is_loopback(h->fd) && !(h->options.tls && tls_context_authenticates(h->options.tls))) {
        log_warn("http",
                 "%s:%d can be reached from other machines and asks nobody who he is: whoever reaches it may run "
                 "every statement",
                 h->options.listen.host, h->options.listen.port);
    }
    set_date(h);
    service->date = h->date;
    int status = uv_poll_init(&l->uv, &h->poll, h->fd);
    check(status == 0);
    h->accepting = true;
    uv_poll_start(&h->poll, UV_READABLE, on_accept);
    uv_timer_init(&l->uv, &h->tick);
    uv_timer_start(&h->tick, on_tick, TICK_MS, TICK_MS);
    uv_prepare_init(&l->uv, &h->prepare);
    uv_prepare_start(&h->prepare, on_prepare);
    return h;
}

int http_listener_port(const http_listener *h)
{
    return h->options.listen.port;
}

void http_listener_stop(http_listener *h)
{
    while (h->clients) {
        http_conn_shutdown(h->clients->conn);
        client *c = h->clients;
        c->blocked = false;
        flush(c);
        close_client(c);
    }
    uv_close((uv_handle_t *)&h->poll, NULL);
    uv_close((uv_handle_t *)&h->tick, NULL);
    uv_close((uv_handle_t *)&h->prepare, NULL);
}

void http_listener_free(http_listener *h)
{
    if (!h) return;
    close(h->fd);
    tls_context_free(h->options.tls);
    free(h);
}
