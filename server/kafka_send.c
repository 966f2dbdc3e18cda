/*
 * Answers of a Kafka connection on their way out: memory with sendmsg, stretches of files with sendfile, or
 * encrypted.
 */
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/kafka_conn.h"

enum { IOV_MAX_USED = 64 };

static void take(kafka_conn *c)
{
    while (c->taken_len < KAFKA_TAKEN_MAX) {
        broker_response *r = broker_conn_take(c->bc);
        if (!r && broker_conn_resume(c->bc, kafka_now())) r = broker_conn_take(c->bc);
        if (!r) return;
        c->taken[(c->taken_first + c->taken_len++) % KAFKA_TAKEN_MAX] = r;
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
        c->taken_first = (c->taken_first + 1) % KAFKA_TAKEN_MAX;
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
        const broker_response *r = c->taken[(c->taken_first + i) % KAFKA_TAKEN_MAX];
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

/* kafka_conn_send for a plain connection. */
static bool send_plain(kafka_conn *c)
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
        c->memory.moved += (size_t)wrote;
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

/* The same for an encrypted connection. */
static bool send_encrypted(kafka_conn *c)
{
    for (;;) {
        tls_status status = tls_flush(c->tls, c->fd);
        c->blocked = status == TLS_AGAIN;
        if (status != TLS_OK) return c->blocked;
        ssize_t n = stage(c, c->k->scratch, KAFKA_STAGE_BYTES);
        if (n <= 0) return n == 0;
        if (!tls_write(c->tls, c->k->scratch, (size_t)n)) return false;
        c->last_ms = clock_mono_ns() / 1000000;
        c->memory.moved += (size_t)n;
    }
}

bool kafka_conn_send(kafka_conn *c)
{
    return c->tls ? send_encrypted(c) : send_plain(c);
}
