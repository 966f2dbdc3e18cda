#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/kafka_internal.h"

/* Responses taken from the broker and not sent yet: enough for one writev to carry many small answers. */
enum { TAKEN_MAX = 16, IOV_MAX_USED = 64, READS_MAX = 8, FRAME_FIRST = 64 * 1024 };
/* Plain bytes that are encrypted at a time; how long a handshake, and a client that was turned away, may take. */
enum { STAGE_BYTES = 64 * 1024, HANDSHAKE_MS = 10000, LINGER_MS = 2000 };

struct kafka_conn {
    uv_poll_t poll;
    kafka *k;
    const kafka_listener *listener;
    broker_conn *bc;
    kafka_conn *next, *prev;
    kafka_conn *next_ready;
    bool marked;
    bool closed;
    bool must_close;
    bool lingering; /* turned away and told so: what still comes is dropped, or it would reset the connection */
    bool blocked; /* the socket took no more: wait until it is writable */
    bool starved; /* not reading: no memory for its frame */
    int events; /* what the poll handle waits for */
    int fd;
    tls *tls; /* NULL: plain */
    char peer[48]; /* its address */
    bool identified; /* the handshake is done and the broker knows who the client is */
    int64_t began_ms;
    int64_t last_ms;
    /* The frame that has come in part. */
    uint8_t *frame;
    size_t frame_cap;
    size_t frame_len;
    size_t frame_n; /* its whole length; known once prefix_len == 4 */
    uint8_t prefix[4];
    int prefix_len;
    /* Responses on their way out, oldest first. */
    broker_response *taken[TAKEN_MAX];
    int taken_first, taken_len;
    size_t part; /* of the first response */
    size_t part_at; /* bytes of that part that went out */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void frame_free(kafka_conn *c)
{
    c->k->memory -= c->frame_cap;
    free(c->frame);
    c->frame = NULL;
    c->frame_cap = c->frame_len = c->frame_n = 0;
    c->prefix_len = 0;
    if (c->k->favoured == c) c->k->favoured = NULL;
}

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
    if (c->tls && !c->lingering) {
        tls_goodbye(c->tls);
        tls_flush(c->tls, c->fd);
    }
    broker_conn_close(c->bc);
    for (; c->taken_len > 0; c->taken_len--) {
        broker_response_free(c->taken[c->taken_first]);
        c->taken_first = (c->taken_first + 1) % TAKEN_MAX;
    }
    frame_free(c);
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

/* ---- out ------------------------------------------------------------------------------------------------------- */

static void take(kafka_conn *c)
{
    while (c->taken_len < TAKEN_MAX) {
        broker_response *r = broker_conn_take(c->bc);
        if (!r) return;
        c->taken[(c->taken_first + c->taken_len++) % TAKEN_MAX] = r;
    }
}

/* Goes n bytes further in what is to be sent. Responses that are out are freed. */
static void sent(kafka_conn *c, size_t n)
{
    while (c->taken_len > 0) {
        broker_response *r = c->taken[c->taken_first];
        while (c->part < r->parts_len) {
            size_t left = r->parts[c->part].n - c->part_at;
            if (n < left) {
                c->part_at += n;
                return;
            }
            n -= left;
            c->part++;
            c->part_at = 0;
        }
        broker_response_free(r);
        c->taken_first = (c->taken_first + 1) % TAKEN_MAX;
        c->taken_len--;
        c->part = 0;
        if (n == 0 && c->taken_len == 0) return;
    }
}

/* Gathers the memory parts up to the first file part. *more: a file part follows. */
static int gather(const kafka_conn *c, struct iovec *iov, bool *more)
{
    int n = 0;
    size_t at = c->part_at;
    *more = false;
    for (int i = 0; i < c->taken_len; i++) {
        const broker_response *r = c->taken[(c->taken_first + i) % TAKEN_MAX];
        for (size_t p = i == 0 ? c->part : 0; p < r->parts_len; p++, at = 0) {
            const broker_part *part = &r->parts[p];
            if (part->n == at) continue;
            if (!part->bytes) {
                *more = true;
                return n;
            }
            if (n == IOV_MAX_USED) return n;
            iov[n++] = (struct iovec){(uint8_t *)part->bytes + at, part->n - at};
        }
    }
    return n;
}

/* Sends until there is nothing more or the socket is full. false: the connection is broken. */
static bool send_all(kafka_conn *c)
{
    for (;;) {
        take(c);
        if (c->taken_len == 0) return true;
        struct iovec iov[IOV_MAX_USED];
        bool more;
        int n = gather(c, iov, &more);
        ssize_t wrote;
        if (n > 0) {
            struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
            wrote = sendmsg(c->fd, &m, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        } else if (more) {
            sent(c, 0);
            const broker_part *part = &c->taken[c->taken_first]->parts[c->part];
            off_t at = part->position + (off_t)c->part_at;
            wrote = sendfile(c->fd, part->fd, &at, part->n - c->part_at);
            /* The stretch was there when the answer was made, and nothing shortens a file that is read. */
            if (wrote == 0) return false;
        } else {
            sent(c, 0); /* empty parts only */
            continue;
        }
        if (wrote < 0) {
            if (errno == EINTR) continue;
            c->blocked = errno == EAGAIN;
            return c->blocked;
        }
        c->last_ms = clock_mono_ns() / 1000000;
        sent(c, (size_t)wrote);
    }
}

/* Copies what goes out next, from memory and from files, until `room` is full; -1: a file cannot be read. */
static ssize_t stage(kafka_conn *c, uint8_t *to, size_t room)
{
    size_t n = 0;
    while (n < room) {
        take(c);
        sent(c, 0); /* past empty parts */
        if (c->taken_len == 0) break;
        const broker_part *part = &c->taken[c->taken_first]->parts[c->part];
        size_t left = part->n - c->part_at, some = left < room - n ? left : room - n;
        if (part->bytes) {
            memcpy(to + n, part->bytes + c->part_at, some);
        } else {
            ssize_t got = pread(part->fd, to + n, some, part->position + (off_t)c->part_at);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return -1;
            some = (size_t)got;
        }
        n += some;
        sent(c, some);
    }
    return (ssize_t)n;
}

/* The same as send_all for an encrypted connection. */
static bool send_encrypted(kafka_conn *c)
{
    for (;;) {
        tls_status status = tls_flush(c->tls, c->fd);
        c->blocked = status == TLS_AGAIN;
        if (status != TLS_OK) return c->blocked;
        ssize_t n = stage(c, c->k->scratch, STAGE_BYTES);
        if (n <= 0) return n == 0;
        if (!tls_write(c->tls, c->k->scratch, (size_t)n)) return false;
        c->last_ms = clock_mono_ns() / 1000000;
    }
}

void kafka_conn_pump(kafka_conn *c)
{
    if (c->closed || c->lingering) return;
    if (!c->blocked && !(c->tls ? send_encrypted(c) : send_all(c))) {
        kafka_conn_close(c);
        return;
    }
    if (broker_conn_must_close(c->bc)) c->must_close = true;
    if (c->must_close && c->taken_len == 0 && !(c->tls && tls_waiting(c->tls) > 0)) {
        kafka_conn_close(c);
        return;
    }
    int events = 0;
    if (!c->must_close && !c->starved && broker_conn_wants_input(c->bc))
        events = UV_READABLE;
    else
        events = UV_DISCONNECT;
    if (c->blocked) events |= UV_WRITABLE;
    if (events == c->events) return;
    c->events = events;
    uv_poll_start(&c->poll, events, on_poll);
}

/* ---- in -------------------------------------------------------------------------------------------------------- */

/* One whole frame. false: close after what can be sent. */
static bool request(kafka_conn *c, uint8_t *frame, size_t n)
{
    bool good = broker_conn_request(c->bc, frame, n, kafka_now());
    if (!good || broker_conn_must_close(c->bc)) c->must_close = true;
    return !c->must_close;
}

/* The frame's length from its prefix; false when no client of ours would announce it. */
static bool announced(kafka_conn *c)
{
    int32_t n = (int32_t)((uint32_t)c->prefix[0] << 24 | (uint32_t)c->prefix[1] << 16 | (uint32_t)c->prefix[2] << 8 |
                          c->prefix[3]);
    if (n <= 0 || n > c->k->frame_max) {
        log_info("kafka", "closing a connection: a frame of %d bytes (limit %lld)", n, (long long)c->k->frame_max);
        c->must_close = true;
        return false;
    }
    c->frame_n = (size_t)n;
    return true;
}

/* Room for more of the frame: as much again as has arrived, never what was merely announced. */
static bool frame_room(kafka_conn *c)
{
    kafka *k = c->k;
    if (c->frame_len < c->frame_cap) return true;
    size_t cap = c->frame_cap == 0 ? FRAME_FIRST : c->frame_cap * 2;
    if (cap > c->frame_n) cap = c->frame_n;
    if (k->memory + (cap - c->frame_cap) > k->memory_max && c->frame_cap > 0) {
        if (!k->favoured) k->favoured = c;
        if (k->favoured != c) {
            c->starved = k->starved = true;
            return false;
        }
    }
    c->frame = realloc(c->frame, cap);
    check(c->frame);
    k->memory += cap - c->frame_cap;
    c->frame_cap = cap;
    return true;
}

/* Takes what was read into the scratch buffer apart: whole frames are served in place, a rest is kept. */
static void take_bytes(kafka_conn *c, uint8_t *p, size_t n)
{
    while (n > 0 && !c->must_close) {
        if (c->prefix_len < 4) {
            c->prefix[c->prefix_len++] = *p++;
            n--;
            if (c->prefix_len == 4 && !announced(c)) return;
            continue;
        }
        if (c->frame_len == 0 && n >= c->frame_n) {
            size_t whole = c->frame_n;
            c->prefix_len = 0;
            if (!request(c, p, whole)) return;
            p += whole;
            n -= whole;
            continue;
        }
        size_t want = c->frame_n - c->frame_len, part = want < n ? want : n;
        while (part > c->frame_cap - c->frame_len) {
            /* These bytes are here already: they are taken even when memory is full. */
            size_t cap = c->frame_len + part < FRAME_FIRST ? FRAME_FIRST : c->frame_len + part;
            if (cap > c->frame_n) cap = c->frame_n;
            c->frame = realloc(c->frame, cap);
            check(c->frame);
            c->k->memory += cap - c->frame_cap;
            c->frame_cap = cap;
        }
        memcpy(c->frame + c->frame_len, p, part);
        c->frame_len += part;
        p += part;
        n -= part;
        if (c->frame_len < c->frame_n) continue;
        bool good = request(c, c->frame, c->frame_n);
        frame_free(c);
        if (!good) return;
    }
}

/* One read: the rest of a begun frame straight into its place, what follows into the scratch buffer. */
static ssize_t read_some(kafka_conn *c)
{
    kafka *k = c->k;
    struct iovec iov[2];
    int n = 0;
    size_t direct = 0;
    if (c->prefix_len == 4 && c->frame_len > 0) {
        if (!frame_room(c)) return -2;
        direct = c->frame_cap - c->frame_len;
        iov[n++] = (struct iovec){c->frame + c->frame_len, direct};
    }
    if (direct == 0 || c->frame_cap == c->frame_n) iov[n++] = (struct iovec){k->scratch, KAFKA_SCRATCH};
    ssize_t got = readv(c->fd, iov, n);
    if (got <= 0) return got;
    size_t in_place = (size_t)got < direct ? (size_t)got : direct;
    c->frame_len += in_place;
    if (in_place > 0 && c->frame_len == c->frame_n) {
        request(c, c->frame, c->frame_n);
        frame_free(c);
    }
    take_bytes(c, k->scratch, (size_t)got - in_place);
    return got;
}

/* Tells a client why it is turned away (the alert) and gives it the time to read that. */
static void turn_away(kafka_conn *c)
{
    log_info("kafka", "closing a connection from %s: TLS: %s", c->peer, tls_error(c->tls));
    frame_free(c);
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

/* After the handshake: who the client is, when it showed a certificate. false: it is turned away. */
static bool identify(kafka_conn *c)
{
    buf name = {0};
    int shown = c->listener->spec->broker.login ? 0 : tls_principal(c->tls, &name);
    if (shown > 0) broker_conn_identify(c->bc, buf_str(&name));
    buf_free(&name);
    c->identified = shown >= 0;
    return c->identified;
}

/* One read of an encrypted connection: a large frame into its place, everything else by way of the scratch buffer. */
static tls_status read_encrypted(kafka_conn *c, size_t *got)
{
    kafka *k = c->k;
    size_t left = c->frame_cap - c->frame_len;
    if (c->frame_len == 0 || left < TLS_READ_MIN) {
        tls_status status = tls_read(c->tls, c->fd, k->scratch, KAFKA_SCRATCH, got);
        if (*got > 0 && (c->identified || identify(c))) take_bytes(c, k->scratch, *got);
        return status;
    }
    tls_status status = tls_read(c->tls, c->fd, c->frame + c->frame_len, left, got);
    c->frame_len += *got;
    if (c->frame_len == c->frame_n) {
        request(c, c->frame, c->frame_n);
        frame_free(c);
    }
    return status;
}

static void on_readable_encrypted(kafka_conn *c)
{
    if (tls_must_wait(c->tls)) return; /* the socket stays readable */
    for (int i = 0; i < READS_MAX; i++) {
        size_t got;
        if (c->prefix_len == 4 && c->frame_len > 0 && !frame_room(c)) break;
        tls_status status = read_encrypted(c, &got);
        if (status == TLS_AGAIN) break;
        bool stranger = tls_ready(c->tls) && !c->identified && !identify(c);
        if (status == TLS_FAILED || stranger) {
            turn_away(c);
            return;
        }
        c->last_ms = clock_mono_ns() / 1000000;
        if (status == TLS_END) c->must_close = true;
        if (c->must_close || !broker_conn_wants_input(c->bc) || got < STAGE_BYTES / 4) break;
    }
    kafka_conn_mark(c);
}

static void on_readable(kafka_conn *c)
{
    /* A bounded number of reads, so that one busy client does not starve the others. */
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t got = read_some(c);
        if (got == -2) break;
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            kafka_conn_close(c);
            return;
        }
        if (got < 0) break;
        c->last_ms = clock_mono_ns() / 1000000;
        if (c->must_close || !broker_conn_wants_input(c->bc) || got < KAFKA_SCRATCH / 2) break;
    }
    kafka_conn_mark(c);
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
        else if (c->tls)
            on_readable_encrypted(c);
        else
            on_readable(c);
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
    if (!k->starved || (k->memory > k->memory_max / 2 && k->favoured)) return;
    k->starved = false;
    for (kafka_conn *c = k->conns; c; c = c->next) {
        if (!c->starved) continue;
        c->starved = false;
        kafka_conn_mark(c);
    }
}
