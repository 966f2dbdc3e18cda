/*
 * Requests of a Kafka connection on their way in.
 *
 * What a socket has is read into a buffer that all connections share, and whole frames are served from there. A frame
 * that has come in part is kept, in memory that grows with what arrives; the budget says how far. What follows behind
 * requests that the broker cannot take yet is kept as well, and less is read the next time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/kafka_conn.h"

/*
 * READS_MAX, TURN_BYTES: what one connection reads in a turn of the loop, so that a busy one does not hold others
 * up.
 */
enum { READS_MAX = 8, TURN_BYTES = 1 << 20 };
/* By how much the room for a frame grows at most; from FRAME_MAPPED bytes on it is memory that goes back at once. */
enum { FRAME_MIN = 1024, FRAME_STEP = 4 << 20, FRAME_MAPPED = BUDGET_LARGE };
enum { GULP_MIN = 16 * 1024 };

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void charge(kafka_conn *c)
{
    budget_hold(&c->k->memory, &c->memory, c->frame_cap + c->rest_cap);
}

/* The room for the frame becomes cap bytes. */
static void frame_resize(kafka_conn *c, size_t cap)
{
    bool was_mapped = c->frame_cap >= FRAME_MAPPED;
    if (cap < FRAME_MAPPED) {
        c->frame = realloc(c->frame, cap);
        check(c->frame);
    } else {
        void *p = was_mapped ? mremap(c->frame, c->frame_cap, cap, MREMAP_MAYMOVE)
                             : mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(p != MAP_FAILED);
        if (!was_mapped) {
            if (c->frame_len > 0) memcpy(p, c->frame, c->frame_len);
            free(c->frame);
        }
        c->frame = p;
    }
    c->frame_cap = cap;
    charge(c);
}

void kafka_conn_drop_frame(kafka_conn *c)
{
    if (c->frame_cap >= FRAME_MAPPED)
        munmap(c->frame, c->frame_cap);
    else
        free(c->frame);
    c->frame = NULL;
    c->frame_cap = c->frame_len = c->frame_n = 0;
    c->prefix_len = 0;
    charge(c);
    budget_finished(&c->k->memory, &c->memory);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

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

bool kafka_conn_wants_input(kafka_conn *c)
{
    if (c->must_close || c->rest_len > 0 || budget_waits(&c->memory) || !broker_conn_wants_input(c->bc)) return false;
    if (c->frame_len < BUDGET_SHARE) return true;
    return !broker_conn_would_wait(c->bc, (int16_t)(c->frame[0] << 8 | c->frame[1]));
}

/* Room for more of the frame: at most as much again as has arrived, never what was merely announced. */
static bool frame_room(kafka_conn *c)
{
    if (c->frame_len < c->frame_cap) return true;
    size_t step = c->frame_cap < FRAME_STEP ? c->frame_cap : FRAME_STEP, left = c->frame_n - c->frame_cap;
    if (step > left) step = left;
    if (!budget_grant(&c->k->memory, &c->memory, step, c->frame_n, now_ms())) return false;
    frame_resize(c, c->frame_cap + step);
    return true;
}

/*
 * A frame that the read brought in part is kept. These bytes are here already: they are taken even when memory is
 * full.
 */
static size_t keep_part(kafka_conn *c, const uint8_t *p, size_t n)
{
    size_t want = c->frame_n - c->frame_len, part = want < n ? want : n;
    if (part > c->frame_cap - c->frame_len) {
        size_t cap = c->frame_len + part < FRAME_MIN ? FRAME_MIN : c->frame_len + part;
        frame_resize(c, cap < c->frame_n ? cap : c->frame_n);
    }
    memcpy(c->frame + c->frame_len, p, part);
    c->frame_len += part;
    if (c->frame_len == c->frame_n) {
        request(c, c->frame, c->frame_n);
        kafka_conn_drop_frame(c);
    }
    return part;
}

/*
 * Takes what was read apart: whole frames are served in place, the beginning of one is kept. Stops when the broker
 * wants no more. Returns how many bytes were used.
 */
static size_t take_bytes(kafka_conn *c, uint8_t *p, size_t n)
{
    size_t at = 0;
    while (at < n && !c->must_close && broker_conn_wants_input(c->bc)) {
        if (c->prefix_len < 4) {
            c->prefix[c->prefix_len++] = p[at++];
            if (c->prefix_len == 4 && !announced(c)) break;
        } else if (c->frame_len == 0 && n - at >= c->frame_n) {
            size_t whole = c->frame_n;
            c->prefix_len = 0;
            request(c, p + at, whole);
            at += whole;
        } else {
            at += keep_part(c, p + at, n - at);
        }
    }
    return at;
}

/* As take_bytes; what is not used is kept for later. */
static void take_all(kafka_conn *c, uint8_t *p, size_t n)
{
    size_t used = take_bytes(c, p, n);
    if (used == n || c->must_close) {
        if (n >= c->gulp / 2 && c->gulp < KAFKA_SCRATCH) c->gulp *= 2;
        return;
    }
    check(c->rest_len == 0);
    c->gulp = GULP_MIN;
    c->rest_len = c->rest_cap = n - used;
    c->rest_at = 0;
    c->rest = malloc(c->rest_cap);
    check(c->rest);
    memcpy(c->rest, p + used, c->rest_len);
    charge(c);
}

void kafka_conn_serve_rest(kafka_conn *c)
{
    size_t used = take_bytes(c, c->rest + c->rest_at, c->rest_len);
    c->rest_at += used;
    c->rest_len -= used;
    if (c->rest_len > 0 && !c->must_close) return;
    kafka_conn_drop_rest(c);
}

void kafka_conn_drop_rest(kafka_conn *c)
{
    free(c->rest);
    c->rest = NULL;
    c->rest_at = c->rest_len = c->rest_cap = 0;
    charge(c);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* One read: the rest of a begun frame straight into its place, what follows into the scratch buffer. */
static ssize_t read_some(kafka_conn *c)
{
    kafka *k = c->k;
    struct iovec iov[2];
    int n = 0;
    size_t direct = 0;
    if (c->frame_len > 0) {
        if (!frame_room(c)) return -2;
        direct = c->frame_cap - c->frame_len;
        if (direct > TURN_BYTES) direct = TURN_BYTES;
        iov[n++] = (struct iovec){c->frame + c->frame_len, direct};
    }
    if (c->frame_len + direct == c->frame_n || direct == 0) iov[n++] = (struct iovec){k->scratch, c->gulp};
    ssize_t got = readv(c->fd, iov, n);
    if (got <= 0) return got;
    size_t in_place = (size_t)got < direct ? (size_t)got : direct;
    c->frame_len += in_place;
    if (in_place > 0 && c->frame_len == c->frame_n) {
        request(c, c->frame, c->frame_n);
        kafka_conn_drop_frame(c);
    }
    take_all(c, k->scratch, (size_t)got - in_place);
    return got;
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
        tls_status status = tls_read(c->tls, c->fd, k->scratch, c->gulp < TLS_READ_MIN ? TLS_READ_MIN : c->gulp, got);
        if (*got > 0 && (c->identified || identify(c))) take_all(c, k->scratch, *got);
        return status;
    }
    if (left > TURN_BYTES) left = TURN_BYTES;
    tls_status status = tls_read(c->tls, c->fd, c->frame + c->frame_len, left, got);
    c->frame_len += *got;
    if (c->frame_len == c->frame_n) {
        request(c, c->frame, c->frame_n);
        kafka_conn_drop_frame(c);
    }
    return status;
}

/* Whether a connection that read `all` bytes in this turn, `got` of them last, is to read on. */
static bool reads_on(kafka_conn *c, size_t got, size_t enough, size_t all)
{
    return got >= enough && all < TURN_BYTES && kafka_conn_wants_input(c);
}

static void on_readable_encrypted(kafka_conn *c)
{
    if (tls_must_wait(c->tls)) return; /* the socket stays readable */
    size_t all = 0, got;
    for (int i = 0; i < READS_MAX; i++) {
        if (c->frame_len > 0 && !frame_room(c)) break;
        tls_status status = read_encrypted(c, &got);
        if (status == TLS_AGAIN) break;
        bool stranger = tls_ready(c->tls) && !c->identified && !identify(c);
        if (status == TLS_FAILED || stranger) {
            kafka_conn_turn_away(c);
            return;
        }
        c->last_ms = now_ms();
        c->memory.moved += got;
        if (status == TLS_END) c->must_close = true;
        if (!reads_on(c, got, KAFKA_STAGE_BYTES / 4, all += got)) break;
    }
    kafka_conn_mark(c);
}

static void on_readable(kafka_conn *c)
{
    size_t all = 0;
    for (int i = 0; i < READS_MAX; i++) {
        size_t enough = c->gulp / 2;
        ssize_t got = read_some(c);
        if (got == -2) break;
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            kafka_conn_close(c);
            return;
        }
        if (got < 0) break;
        c->last_ms = now_ms();
        c->memory.moved += (size_t)got;
        if (!reads_on(c, (size_t)got, enough, all += (size_t)got)) break;
    }
    kafka_conn_mark(c);
}

void kafka_conn_read(kafka_conn *c)
{
    if (!kafka_conn_wants_input(c))
        kafka_conn_mark(c); /* it did when the loop began to wait */
    else if (c->tls)
        on_readable_encrypted(c);
    else
        on_readable(c);
}
