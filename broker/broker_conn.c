/* Connections: requests in order, responses in order, and what runs when nothing more can be done at once. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/auth.h"
#include "broker/broker_core.h"
#include "broker/quota.h"

/*
 * A client that pipelines more than this waits until answers went out; librdkafka sends Produce up to
 * 1,000,000 deep. Requests that wait behind another one and answers that are not sent yet are memory: of each there is
 * no more than so much and one more.
 */
enum { CONN_REQUESTS_MAX = 256, CONN_BYTES_MAX = 64 << 20, CONN_WAITING_MAX = 64 << 10, CONN_UNSENT_MAX = 64 << 10 };
/* SHRINK_MIN: what a finished answer may leave unused of its buffer. ANSWER_BYTES: what one takes beside its bytes. */
enum { RESPONSE_HEAD_BYTES = 4, SHRINK_MIN = 4096, ANSWER_BYTES = 512 };

typedef struct response {
    broker_response r; /* first: what the server holds */
    broker *b;
    broker_conn *c; /* NULL: it is gone */
    struct response *next, **link; /* of those taken from c */
    size_t held;
    buf bytes;
    response_cut *cuts;
    size_t cuts_len;
    file **files; /* per part: the file behind an extent, NULL for memory */
} response;

/* ---- writing a response -------------------------------------------------------------------------------- */

void request_begin(request *q)
{
    buf_clear(&q->bytes);
    for (size_t i = 0; i < q->cuts_len; i++) segment_file_unref(q->cuts[i].extent.file);
    q->cuts_len = 0;
    q->out = (wire_out){&q->bytes, q->in.flexible};
    write_i32(&q->bytes, 0);
    write_i32(&q->bytes, q->correlation);
    /* ApiVersions keeps the old header for ever, so that a client can read the answer before it knows anything. */
    if (q->key != 18) wire_put_tags(&q->out);
}

void request_add_extent(request *q, plog_extent e)
{
    if (q->cuts_len == q->cuts_cap) {
        q->cuts_cap = q->cuts_cap ? q->cuts_cap * 2 : 4;
        q->cuts = realloc(q->cuts, q->cuts_cap * sizeof q->cuts[0]);
        check(q->cuts);
    }
    q->cuts[q->cuts_len++] = (response_cut){q->bytes.len, e};
}

size_t request_size(const request *q)
{
    size_t n = q->bytes.len;
    for (size_t i = 0; i < q->cuts_len; i++) n += q->cuts[i].extent.n;
    return n;
}

static void add_memory(response *r, broker_part *parts, size_t from, size_t to)
{
    if (from == to) return;
    parts[r->r.parts_len++] = (broker_part){(const uint8_t *)r->bytes.data + from, to - from, -1, 0};
}

/* Takes bytes and extents over from the request. */
static broker_response *response_of(request *q)
{
    response *r = calloc(1, sizeof *r);
    check(r);
    r->b = q->b;
    r->c = q->c;
    r->next = r->c->taken;
    r->link = &r->c->taken;
    if (r->next) r->next->link = &r->next;
    r->c->taken = r;
    r->held = q->held;
    q->held = 0;
    r->r.size = request_size(q);
    r->bytes = q->bytes;
    r->cuts = q->cuts;
    r->cuts_len = q->cuts_len;
    q->bytes = (buf){0};
    q->cuts = NULL;
    q->cuts_len = q->cuts_cap = 0;
    store_be32(r->bytes.data, (uint32_t)(r->r.size - RESPONSE_HEAD_BYTES));
    broker_part *parts = calloc(2 * r->cuts_len + 1, sizeof *parts);
    r->files = calloc(2 * r->cuts_len + 1, sizeof *r->files);
    check(parts && r->files);
    r->r.parts = parts;
    size_t at = 0;
    for (size_t i = 0; i < r->cuts_len; i++) {
        add_memory(r, parts, at, r->cuts[i].at);
        at = r->cuts[i].at;
        file *f = segment_file_handle(r->cuts[i].extent.file);
        r->files[r->r.parts_len] = f;
        parts[r->r.parts_len++] = (broker_part){NULL, r->cuts[i].extent.n, file_fd(f), (int64_t)r->cuts[i].extent.at};
    }
    add_memory(r, parts, at, r->bytes.len);
    atomic_fetch_add(&q->b->responses, 1);
    return &r->r;
}

void broker_response_free(broker_response *base)
{
    if (!base) return;
    response *r = (response *)base;
    for (size_t i = 0; i < r->cuts_len; i++) segment_file_unref(r->cuts[i].extent.file);
    atomic_fetch_sub(&r->b->responses, 1);
    r->b->held -= r->held;
    if (r->c) {
        r->c->unsent -= r->held;
        *r->link = r->next;
        if (r->next) r->next->link = r->link;
    }
    buf_free(&r->bytes);
    free(r->cuts);
    free(r->files);
    free((void *)(uintptr_t)r->r.parts);
    free(r);
}

bool broker_response_bytes(const broker_response *base, buf *out, diag *d)
{
    const response *r = (const response *)base;
    for (size_t i = 0; i < r->r.parts_len; i++) {
        const broker_part *part = &r->r.parts[i];
        if (part->bytes) {
            buf_add(out, part->bytes, part->n);
            continue;
        }
        if (!file_read_all(r->files[i], (uint64_t)part->position, buf_reserve(out, part->n), part->n, d)) return false;
        out->len += part->n;
    }
    return true;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

/* The copy of a frame that had to wait goes. */
static void drop_frame(request *q)
{
    if (!q->frame) return;
    q->b->held -= q->frame_len;
    if (q->c) {
        q->c->relieved = q->c->relieved || q->c->waiting >= CONN_WAITING_MAX;
        q->c->waiting -= q->frame_len;
    }
    free(q->frame);
    q->frame = NULL;
}

/* The answer is written: it is charged to its connection until it is sent, and what made it goes. */
static void hold_answer(request *q)
{
    if (q->bytes.len > 0 && q->bytes.cap - q->bytes.len > SHRINK_MIN) {
        char *data = realloc(q->bytes.data, q->bytes.len);
        check(data);
        q->bytes.data = data;
        q->bytes.cap = q->bytes.len;
    }
    q->held = q->bytes.cap + q->cuts_cap * sizeof *q->cuts + ANSWER_BYTES;
    q->b->held += q->held;
    q->c->unsent += q->held;
}

static void request_free(request *q)
{
    check(!delay_is_set(&q->timer));
    q->b->held -= q->held;
    if (q->c) q->c->unsent -= q->held;
    drop_frame(q);
    for (size_t i = 0; i < q->cuts_len; i++) segment_file_unref(q->cuts[i].extent.file);
    free(q->cuts);
    buf_free(&q->bytes);
    arena_free(q->a);
    free(q);
}

void conn_activate(broker_conn *c)
{
    if (c->active) return;
    c->active = true;
    c->active_next = c->b->active;
    c->b->active = c;
}

void request_done(request *q, bool silent)
{
    check(q->state == REQUEST_PARKED || q->state == REQUEST_QUEUED);
    if (q->b->quotas_on || q->throttle_ms > 0) quota_finish(q, silent);
    q->state = silent ? REQUEST_SILENT : REQUEST_DONE;
    q->cancel = NULL;
    delay_cancel(&q->b->timers, &q->timer);
    if (!q->c) {
        request_free(q);
        return;
    }
    if (!silent) hold_answer(q);
    conn_activate(q->c);
}

void request_progress(request *q)
{
    if (q->c) conn_activate(q->c);
}

/* Reads the header and runs the handler. false: the connection is to be closed. */
static bool run(request *q, const uint8_t *frame, size_t n)
{
    if (q->c->login->phase == AUTH_RAW) {
        bool good = auth_raw_frame(q, frame, n);
        if (good) request_done(q, false);
        return good;
    }
    api_parsed parsed = api_parse(q, frame, n);
    if (parsed == API_BAD) return false;
    if (parsed == API_VERSION) {
        q->version = 0;
        q->in.flexible = false;
        q->unsupported = true;
    }
    if (!auth_may(q->c, q->key)) {
        log_info("broker", "closing a connection from %s %s", q->c->peer_host,
                 q->c->login->phase == AUTH_DONE ? "whose login has expired" : "that has not logged in");
        return false;
    }
    q->began_ns = quota_clock(q->b);
    api_outcome outcome = q->api->handle(q);
    if (q->began_ns > 0) q->spent_ns += quota_clock(q->b) - q->began_ns;
    q->began_ns = 0;
    if (outcome == API_MALFORMED) {
        log_debug("broker", "malformed %s v%d", q->api->name, q->version);
        return false;
    }
    if (outcome == API_PARKED) {
        if (q->state == REQUEST_QUEUED) q->state = REQUEST_PARKED;
        return true;
    }
    request_done(q, outcome == API_SILENT);
    return true;
}

/*
 * What may run while an earlier request of the connection is unanswered: Produce behind Produce, nothing else. A client
 * that does not take its answers gets no further ones.
 */
static bool may_run(broker_conn *c, const request *q)
{
    if (quota_mutes(c)) return false;
    if (c->unsent >= CONN_UNSENT_MAX) {
        c->held_back = true;
        return false;
    }
    for (const request *before = c->head; before != q; before = before->next) {
        if (before->state == REQUEST_DONE || before->state == REQUEST_SILENT) continue;
        if (before->state == REQUEST_QUEUED || before->key != 0 || q->key != 0 || before->checking) return false;
    }
    return true;
}

static void unlink_request(broker_conn *c, request *q)
{
    request **at = &c->head;
    request *last = NULL;
    while (*at != q) {
        last = *at;
        at = &(*at)->next;
    }
    *at = q->next;
    if (c->tail == q) c->tail = last;
    c->queued--;
    c->bytes -= q->frame_len;
}

static void fail_conn(broker_conn *c, request *q)
{
    unlink_request(c, q);
    request_free(q);
    c->must_close = true;
    conn_activate(c);
}

bool broker_conn_request(broker_conn *c, uint8_t *frame, size_t n, broker_time now)
{
    broker *b = c->b;
    broker_enter(b, now);
    /*
     * What was due before the request came is done before it: a member that timed out is gone when its group is
     * asked for.
     */
    if (delay_next(&b->timers) <= b->now.mono_ms) delay_run(&b->timers, b->now.mono_ms);
    if (c->must_close) return false;
    request *q = calloc(1, sizeof *q);
    check(q);
    q->b = b;
    q->c = c;
    q->a = arena_new();
    q->key = n >= 2 ? (int16_t)load_be16(frame) : -1;
    q->frame_len = n;
    if (c->tail)
        c->tail->next = q;
    else
        c->head = q;
    c->tail = q;
    c->queued++;
    c->bytes += n;
    if (may_run(c, q)) {
        if (!run(q, frame, n)) fail_conn(c, q);
    } else {
        q->frame = malloc(n ? n : 1);
        check(q->frame);
        if (n > 0) memcpy(q->frame, frame, n);
        c->waiting += n;
        b->held += n;
    }
    broker_settle(b);
    return !c->must_close;
}

/*
 * Drops answered requests that send nothing, then starts what waited behind them. What an answer was made from goes
 * here, where nobody stands in its code any more.
 */
static void advance(broker_conn *c)
{
    while (c->head && c->head->state == REQUEST_SILENT) {
        request *q = c->head;
        if (q->close) c->must_close = true;
        unlink_request(c, q);
        request_free(q);
    }
    for (request *q = c->head, *next; q && !c->must_close; q = next) {
        next = q->next;
        if (q->state == REQUEST_DONE && q->a) {
            arena_free(q->a);
            q->a = NULL;
        }
        if (q->state != REQUEST_QUEUED) continue;
        if (!may_run(c, q)) break;
        check(q->frame);
        if (run(q, q->frame, q->frame_len))
            drop_frame(q);
        else
            fail_conn(c, q);
    }
}

void broker_settle(broker *b)
{
    bool more = true;
    while (more) {
        more = broker_run_touched(b);
        while (b->active) {
            broker_conn *c = b->active;
            b->active = c->active_next;
            c->active = false;
            advance(c);
            /* conn_ready runs while the connection cannot go away: nothing here closes one. */
            bool ready = c->must_close || c->relieved || c->watched || (c->head && c->head->state == REQUEST_DONE);
            c->relieved = c->watched = false;
            if (b->hooks->conn_ready && ready) b->hooks->conn_ready(b->hooks->user, c);
            more = true;
        }
        if (!more) more = broker_run_inline_syncs(b);
    }
}

/* ---- connections --------------------------------------------------------------------------------------- */

static char *copy_text(str s)
{
    char *p = strndup(s.p ? s.p : "", s.n);
    check(p);
    return p;
}

broker_conn *broker_conn_open(broker *b, const broker_conn_options *options)
{
    broker_conn *c = calloc(1, sizeof *c);
    check(c);
    c->b = b;
    c->user = options->user;
    c->peer_host = copy_text(options->peer_host);
    c->host = copy_text(options->advertised_host);
    c->port = options->advertised_port;
    c->listener = options->listener ? options->listener : &b->listener;
    c->login = auth_new();
    b->conns++;
    quota_connected(c);
    return c;
}

void broker_conn_identify(broker_conn *c, str principal)
{
    free(c->login->user);
    c->login->user = copy_text(principal);
}

void broker_conn_close(broker_conn *c)
{
    broker *b = c->b;
    c->must_close = true;
    for (response *r = c->taken; r; r = r->next) r->c = NULL;
    for (request *q = c->head, *next; q; q = next) {
        next = q->next;
        q->c = NULL;
        if (q->state != REQUEST_PARKED) {
            request_free(q);
        } else if (q->cancel) {
            q->cancel(q);
            delay_cancel(&b->timers, &q->timer);
            request_free(q);
        }
        /* Else it completes unseen: its records are on their way to the disk, and request_done frees it. */
    }
    for (broker_conn **at = &b->active; *at; at = &(*at)->active_next) {
        if (*at != c) continue;
        *at = c->active_next;
        break;
    }
    delay_cancel(&b->timers, &c->unmute);
    b->conns--;
    auth_free(c->login);
    free(c->peer_host);
    free(c->host);
    free(c);
}

void *broker_conn_user(const broker_conn *c)
{
    return c->user;
}

bool broker_conn_wants_input(const broker_conn *c)
{
    return !c->must_close && !quota_mutes(c) && c->queued < CONN_REQUESTS_MAX && c->bytes < CONN_BYTES_MAX &&
           c->waiting < CONN_WAITING_MAX && c->unsent < CONN_UNSENT_MAX;
}

bool broker_conn_would_wait(broker_conn *c, int16_t key)
{
    for (const request *q = c->head; q; q = q->next) {
        bool answered = q->state == REQUEST_DONE || q->state == REQUEST_SILENT;
        if (!answered && (q->key != 0 || key != 0)) return c->watched = true;
    }
    return false;
}

bool broker_conn_resume(broker_conn *c, broker_time now)
{
    if (!c->held_back || c->unsent >= CONN_UNSENT_MAX) return false;
    c->held_back = false;
    broker_enter(c->b, now);
    conn_activate(c);
    broker_settle(c->b);
    return true;
}

bool broker_conn_must_close(const broker_conn *c)
{
    return c->must_close;
}

size_t broker_conn_memory(const broker_conn *c)
{
    return c->waiting + c->unsent;
}

size_t broker_memory(const broker *b)
{
    return b->held;
}

broker_response *broker_conn_take(broker_conn *c)
{
    request *q = c->head;
    if (!q || q->state != REQUEST_DONE) return NULL;
    broker_response *r = response_of(q);
    if (q->close) c->must_close = true;
    unlink_request(c, q);
    request_free(q);
    /* Silent ones behind it hold nobody up. */
    while (c->head && c->head->state == REQUEST_SILENT) {
        q = c->head;
        if (q->close) c->must_close = true;
        unlink_request(c, q);
        request_free(q);
    }
    return r;
}
