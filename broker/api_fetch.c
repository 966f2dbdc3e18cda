/*
 * Fetch: what there is to read, as extents of segment files; parked until there is enough or the client's
 * time is up.
 */
#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"
#include "broker/api_fetch.h"
#include "broker/authz.h"
#include "broker/quota.h"

/* A Fetch that takes more than the first may wait for records while all that do take no more than the second. */
enum { FETCH_SMALL = 64 << 10, FETCHES_MAX = 64 << 20 };

typedef struct fetch_result {
    kafka_error error;
    broker_partition *p; /* NULL: unknown */
    plog *log;
    plog_fetched f;
    fetch_wait wait;
    bool diverged;
    int32_t diverging_epoch;
    int64_t diverging_end;
} fetch_result;

typedef struct fetch {
    request *q;
    fetch_session *session; /* a reference; NULL: none */
    bool incremental; /* only what changed is answered */
    fetch_part **parts;
    size_t n;
    fetch_result *results;
    int32_t max_wait_ms, min_bytes, max_bytes;
    int8_t isolation;
    size_t held; /* while it waits: its memory */
    const topic *asked; /* the topic whose right to be read was looked up last, */
    bool may; /* and what came of it */
} fetch;

/* ---- finding out what there is ------------------------------------------------------------------------- */

/* Whether the client may read the partition, or (p NULL) the topic that has no such partition. */
static bool may_read(fetch *w, const fetch_part *part, const broker_partition *p)
{
    broker *b = w->q->b;
    if (p) {
        if (w->asked != p->topic) w->may = authz_topic(w->q, ACL_READ, str_z(p->topic->name));
        /* Only what may be read is held on to, and so stays the topic that was asked for. */
        w->asked = w->may ? p->topic : NULL;
        return w->may;
    }
    if (w->q->version < 13) return authz_topic(w->q, ACL_READ, str_z(part->name));
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = topic_find_id(b, part->id);
    bool may = !t || authz_topic(w->q, ACL_READ, str_z(t->name));
    pthread_mutex_unlock(&b->meta_lock);
    return may;
}

static void look_up(fetch *w, const fetch_part *part, fetch_result *r)
{
    broker *b = w->q->b;
    bool by_id = w->q->version >= 13, known = true;
    r->f = (plog_fetched){.high_watermark = -1, .last_stable = -1, .log_start = -1};
    r->p = by_id ? partition_by_id(b, part->id, part->index, &known)
                 : partition_by_name(b, str_z(part->name), part->index);
    r->error = r->p ? KAFKA_NONE : by_id && !known ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (b->authorizer && known && !may_read(w, part, r->p)) {
        broker_partition_release(r->p);
        r->p = NULL;
        r->error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    if (!r->p) return;
    diag d = {0};
    r->log = broker_partition_log(r->p, &d);
    if (!r->log)
        r->error = KAFKA_KAFKA_STORAGE_ERROR;
    else if (part->leader_epoch >= 0 && part->leader_epoch < b->leader_epoch)
        r->error = KAFKA_FENCED_LEADER_EPOCH;
    else if (part->leader_epoch > b->leader_epoch)
        r->error = KAFKA_UNKNOWN_LEADER_EPOCH;
}

/* A client that names the epoch it read last is told when its history is not ours (KIP-595). */
static void check_divergence(const fetch_part *part, fetch_result *r)
{
    if (part->last_epoch < 0) return;
    int32_t found = -1;
    int64_t end = -1;
    plog_end_of_epoch(r->log, part->last_epoch, &found, &end);
    if (found == part->last_epoch && end >= part->offset) return;
    r->diverged = true;
    r->diverging_epoch = found;
    r->diverging_end = end;
}

/* Looks at every partition. true: there is enough, or something that must be said at once. */
static bool gather(fetch *w)
{
    w->asked = NULL;
    int64_t left = w->max_bytes;
    uint64_t bytes = 0;
    bool say = w->n == 0;
    for (size_t i = 0; i < w->n; i++) {
        fetch_part *part = w->parts[i];
        fetch_result *r = &w->results[i];
        look_up(w, part, r);
        r->diverged = false;
        if (r->error == KAFKA_NONE) check_divergence(part, r);
        if (r->error == KAFKA_NONE && !r->diverged) {
            int64_t max = part->max_bytes < left ? part->max_bytes : left;
            plog_fetch(r->log, part->offset, max > 0 ? (uint64_t)max : 0, bytes == 0,
                       w->isolation ? PLOG_READ_COMMITTED : PLOG_READ_UNCOMMITTED, &r->f);
            r->error = r->f.error;
            bytes += r->f.bytes;
            left -= (int64_t)r->f.bytes;
        }
        if (r->error != KAFKA_NONE || r->diverged) say = true;
    }
    return say || bytes >= (uint64_t)(w->min_bytes > 0 ? w->min_bytes : 0);
}

static void let_go(fetch *w)
{
    for (size_t i = 0; i < w->n; i++) {
        plog_fetched_free(&w->results[i].f);
        w->results[i].f = (plog_fetched){0};
        broker_partition_release(w->results[i].p);
        w->results[i].p = NULL;
    }
}

/* ---- the answer ---------------------------------------------------------------------------------------- */

static void put_aborted(fetch *w, const fetch_part *part, const fetch_result *r)
{
    wire_out *o = &w->q->out;
    if (!w->isolation) {
        wire_put_len(o, -1);
        return;
    }
    buf list = {0};
    diag d = {0};
    if (r->error == KAFKA_NONE && r->f.bytes > 0) plog_aborted(r->log, part->offset, r->f.next_offset, &list, &d);
    const plog_aborted_txn *aborted = (const void *)list.data;
    size_t n = list.len / sizeof *aborted;
    wire_put_len(o, (int32_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_put_i64(o, aborted[i].producer_id);
        wire_put_i64(o, aborted[i].first_offset);
        wire_put_tags(o);
    }
    buf_free(&list);
}

static void put_records(request *q, fetch_result *r)
{
    uint64_t n = 0;
    for (int i = 0; i < r->f.extent_count; i++) n += r->f.extents[i].n;
    wire_put_blob_len(&q->out, n);
    for (int i = 0; i < r->f.extent_count; i++) {
        segment_file_ref(r->f.extents[i].file);
        request_add_extent(q, r->f.extents[i]);
    }
}

static void put_part(fetch *w, const fetch_part *part, fetch_result *r)
{
    request *q = w->q;
    wire_out *o = &q->out;
    wire_put_i32(o, part->index);
    wire_put_i16(o, (int16_t)r->error);
    wire_put_i64(o, r->f.high_watermark);
    wire_put_i64(o, r->f.last_stable);
    if (q->version >= 5) wire_put_i64(o, r->f.log_start);
    put_aborted(w, part, r);
    if (q->version >= 11) wire_put_i32(o, -1);
    put_records(q, r);
    if (r->diverged && q->version >= 12) {
        /* One tagged field, 0: epoch and end offset, with an empty tag section of its own. */
        write_uvarint64(o->b, 1);
        write_uvarint64(o->b, 0);
        write_uvarint64(o->b, 13);
        wire_put_i32(o, r->diverging_epoch);
        wire_put_i64(o, r->diverging_end);
    }
    wire_put_tags(o);
}

static bool is_news(const fetch *w, const fetch_part *part, const fetch_result *r)
{
    return !w->incremental || r->error != KAFKA_NONE || r->diverged || r->f.bytes > 0 ||
           r->f.high_watermark != part->sent_high || r->f.last_stable != part->sent_stable ||
           r->f.log_start != part->sent_start;
}

static bool same_topic(const fetch *w, const fetch_part *x, const fetch_part *y)
{
    return w->q->version >= 13 ? memcmp(x->id, y->id, 16) == 0 : strcmp(x->name, y->name) == 0;
}

/* What the client is told now, and so need not be told again. */
static void note_told(const fetch *w, const size_t *news, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fetch_part *part = w->parts[news[i]];
        const plog_fetched *f = &w->results[news[i]].f;
        part->sent_high = f->high_watermark;
        part->sent_stable = f->last_stable;
        part->sent_start = f->log_start;
    }
    /* Who got data goes to the end, so that a full answer does not starve the same partitions each time. */
    if (!w->session) return;
    for (size_t i = 0; i < w->n; i++) w->parts[i]->served = w->results[i].f.bytes > 0;
    fetch_session_rotate(w->session);
}

/* An answer without partitions: an error, or nothing for a client that has to wait. */
static void put_nothing(request *q, kafka_error error, int32_t session_id)
{
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    if (q->version >= 7) {
        wire_put_i16(o, (int16_t)error);
        wire_put_i32(o, session_id);
    }
    wire_put_len(o, 0);
    wire_put_tags(o);
}

static void answer(fetch *w)
{
    request *q = w->q;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    if (q->version >= 7) {
        wire_put_i16(o, KAFKA_NONE);
        wire_put_i32(o, w->session ? fetch_session_id(w->session) : 0);
    }
    size_t *news = ARENA_ARRAY(q->a, size_t, w->n + 1);
    size_t count = 0;
    for (size_t i = 0; i < w->n; i++)
        if (is_news(w, w->parts[i], &w->results[i])) news[count++] = i;
    int32_t topics = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !same_topic(w, w->parts[news[i - 1]], w->parts[news[i]])) topics++;
    wire_put_len(o, topics);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        fetch_part *first = w->parts[news[i]];
        while (end < count && same_topic(w, first, w->parts[news[end]])) end++;
        if (q->version >= 13)
            wire_put_uuid(o, first->id);
        else
            wire_put_str(o, str_z(first->name));
        wire_put_len(o, (int32_t)(end - i));
        for (; i < end; i++) put_part(w, w->parts[news[i]], &w->results[news[i]]);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    if (quota_charge_fetch(q, request_size(q))) {
        /* A session that begins is not kept: the client asks for one again. */
        if (w->session && !w->incremental) fetch_session_forget(q->b, w->session);
        put_nothing(q, KAFKA_NONE, w->incremental ? fetch_session_id(w->session) : 0);
    } else {
        note_told(w, news, count);
    }
    let_go(w);
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

static void stop_waiting(fetch *w)
{
    for (size_t i = 0; i < w->n; i++) {
        fetch_wait *wait = &w->results[i].wait;
        if (!wait->link) continue;
        *wait->link = wait->next;
        if (wait->next) wait->next->link = wait->link;
        wait->link = NULL;
        broker_partition *p = w->results[i].p;
        if (!p->fetchers) atomic_store(&p->awaited, false);
    }
}

static void finish(fetch *w)
{
    w->q->b->fetches -= w->held;
    w->held = 0;
    if (!w->session) return;
    fetch_session_leave(w->session, w->q);
    w->session = NULL;
}

static void cancel(request *q)
{
    fetch *w = q->parked;
    stop_waiting(w);
    let_go(w);
    finish(w);
}

static void on_time(delay_timer *t)
{
    api_fetch_retry(container_of(t, request, timer), true);
}

/*
 * Puts the Fetch on the list of each partition. The results keep their references to the partitions but not to
 * files: what is read in the end is looked up again.
 */
static void start_waiting(fetch *w)
{
    for (size_t i = 0; i < w->n; i++) {
        fetch_result *r = &w->results[i];
        plog_fetched_free(&r->f);
        r->f = (plog_fetched){0};
        check(r->p);
        r->wait = (fetch_wait){r->p->fetchers, &r->p->fetchers, w->q};
        if (r->p->fetchers) r->p->fetchers->link = &r->wait.next;
        r->p->fetchers = &r->wait;
        atomic_store(&r->p->awaited, true);
    }
}

void api_fetch_retry(request *q, bool final)
{
    fetch *w = q->parked;
    stop_waiting(w);
    let_go(w);
    if (!gather(w) && !final) {
        start_waiting(w);
        return;
    }
    answer(w);
    finish(w);
    request_done(q, false);
}

/*
 * A Fetch that names very many partitions and finds no records is answered at once when such Fetches take much memory
 * already: its client asks again.
 */
static bool may_wait(const fetch *w)
{
    size_t n = arena_used(w->q->a);
    return n <= FETCH_SMALL || w->q->b->fetches + n <= FETCHES_MAX;
}

/* ---- the request --------------------------------------------------------------------------------------- */

static fetch_request *decode(request *q)
{
    wire_in *in = &q->in;
    fetch_request *f = ARENA_NEW(q->a, fetch_request);
    if (q->version <= 14) wire_i32(in); /* the replica id: nobody follows us */
    f->max_wait_ms = wire_i32(in);
    f->min_bytes = wire_i32(in);
    f->max_bytes = wire_i32(in);
    f->isolation = wire_i8(in);
    f->session_id = q->version >= 7 ? wire_i32(in) : 0;
    f->session_epoch = q->version >= 7 ? wire_i32(in) : -1;
    f->by_id = q->version >= 13;
    int32_t topics = wire_len(in, 4);
    for (int32_t i = 0; i < topics && !wire_failed(in); i++) {
        const uint8_t *id = f->by_id ? wire_uuid(in) : NULL;
        str name = f->by_id ? STR("") : arena_str(q->a, wire_str(in));
        int32_t n = wire_len(in, 16);
        for (int32_t k = 0; k < n && !wire_failed(in); k++) {
            fetch_part *part = ARENA_NEW(q->a, fetch_part);
            part->name = (char *)(uintptr_t)name.p;
            if (id) memcpy(part->id, id, 16);
            part->index = wire_i32(in);
            part->leader_epoch = q->version >= 9 ? wire_i32(in) : -1;
            part->offset = wire_i64(in);
            part->last_epoch = q->version >= 12 ? wire_i32(in) : -1;
            if (q->version >= 5) wire_i64(in);
            part->max_bytes = wire_i32(in);
            wire_tags(in);
            fetch_request_add(f, q->a, part, false);
        }
        wire_tags(in);
    }
    int32_t forgotten = q->version >= 7 ? wire_len(in, 2) : 0;
    for (int32_t i = 0; i < forgotten && !wire_failed(in); i++) {
        const uint8_t *id = f->by_id ? wire_uuid(in) : NULL;
        str name = f->by_id ? STR("") : arena_str(q->a, wire_str(in));
        int32_t n = wire_len(in, 4);
        for (int32_t k = 0; k < n && !wire_failed(in); k++) {
            fetch_part *part = ARENA_NEW(q->a, fetch_part);
            part->name = (char *)(uintptr_t)name.p;
            if (id) memcpy(part->id, id, 16);
            part->index = wire_i32(in);
            fetch_request_add(f, q->a, part, true);
        }
        wire_tags(in);
    }
    if (q->version >= 11) wire_str(in); /* the rack */
    wire_tags(in);
    return wire_failed(in) ? NULL : f;
}

api_outcome api_fetch(request *q)
{
    fetch_request *f = decode(q);
    if (!f) return API_MALFORMED;
    broker *b = q->b;
    fetch *w = ARENA_NEW(q->a, fetch);
    kafka_error error = fetch_session_find(b, q, f, &w->session, &w->incremental);
    if (error != KAFKA_NONE) {
        put_nothing(q, error, 0);
        return API_ANSWERED;
    }
    int64_t limit = broker_i64(b, "fetch.max.bytes"), quota = quota_fetch_max(q);
    if (quota < limit) limit = quota;
    w->q = q;
    w->max_wait_ms = f->max_wait_ms;
    w->max_bytes = f->max_bytes < limit ? f->max_bytes : (int32_t)limit;
    w->min_bytes = f->min_bytes < w->max_bytes ? f->min_bytes : w->max_bytes;
    w->isolation = f->isolation;
    w->parts = w->session ? fetch_session_parts(w->session, q->a, &w->n) : f->parts;
    if (!w->session) w->n = f->parts_len;
    w->results = ARENA_ARRAY(q->a, fetch_result, w->n + 1);
    q->parked = w;
    if (gather(w) || w->max_wait_ms <= 0 || !may_wait(w)) {
        answer(w);
        finish(w);
        return API_ANSWERED;
    }
    q->cancel = cancel;
    q->timer.fire = on_time;
    start_waiting(w);
    /* An append between the look and the waiting told nobody: look once more, now that we would be told. */
    stop_waiting(w);
    let_go(w);
    bool enough = gather(w);
    if (enough) {
        answer(w);
        finish(w);
        return API_ANSWERED;
    }
    start_waiting(w);
    w->held = arena_used(q->a);
    b->fetches += w->held;
    broker_timer(b, &q->timer, w->max_wait_ms);
    return API_PARKED;
}
