/* Produce: check, append, and for acks=all wait for the disk. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/quota.h"
#include "broker/txn.h"

typedef struct produce produce;

typedef struct produce_partition {
    sync_wait wait;
    produce *of;
    broker_partition *p; /* held while the sync is waited for */
    int32_t index;
    str records;
    kafka_error error;
    const char *message;
    plog_appended out;
    batch_checked checked;
    batch_rules rules;
    plog *log;
    uint8_t *copy; /* of the records, when they are checked elsewhere */
    int32_t *bad; /* indexes of records to blame */
    int bad_count;
} produce_partition;

typedef struct produce_topic {
    str name;
    uint8_t id[16];
    int32_t partitions_len;
    produce_partition *partitions;
    bool asked, may; /* whether it may be written to, once that was asked */
} produce_topic;

struct produce {
    broker_work work;
    request *q;
    int16_t version;
    int64_t now_ms;
    str transactional_id; /* p == NULL: none */
    int16_t acks;
    int32_t topics_len;
    produce_topic *topics;
    int waiting;
    int64_t producer_id; /* of the first transactional batch; -1 */
    bool timed; /* the check elsewhere is to say how long it took */
    int64_t check_ns;
    bool adding; /* partitions are being added to the transaction; false again: it is done */
};

enum { PRODUCE_PARTITIONS_MAX = 100000 };

static bool decode(request *q, produce *w)
{
    int64_t partitions = 0;
    wire_in *in = &q->in;
    w->transactional_id = wire_nstr(in);
    w->acks = wire_i16(in);
    wire_i32(in); /* the timeout: there are no replicas to wait for */
    w->topics_len = wire_len(in, 4);
    w->topics = ARENA_ARRAY(q->a, produce_topic, (size_t)w->topics_len + 1);
    for (int32_t i = 0; i < w->topics_len && !wire_failed(in); i++) {
        produce_topic *t = &w->topics[i];
        /* The name outlives the frame: the answer may have to wait for a sync. */
        if (q->version >= 13)
            memcpy(t->id, wire_uuid(in), 16);
        else
            t->name = arena_str(q->a, wire_str(in));
        t->partitions_len = wire_len(in, 6);
        /* No client names so many; an entry of six bytes must not cost hundreds. */
        partitions += t->partitions_len;
        if (partitions > PRODUCE_PARTITIONS_MAX) return false;
        t->partitions = ARENA_ARRAY(q->a, produce_partition, (size_t)t->partitions_len + 1);
        for (int32_t k = 0; k < t->partitions_len && !wire_failed(in); k++) {
            t->partitions[k] = (produce_partition){.of = w, .index = wire_i32(in), .records = wire_nblob(in)};
            wire_tags(in);
        }
        wire_tags(in);
    }
    wire_tags(in);
    return !wire_failed(in);
}

/* Attributes and producer of what looks like a batch; false when it is too short to be one. */
static bool peek(str records, batch_header *h)
{
    if (!records.p || records.n < BATCH_HEADER) return false;
    batch_header_read(records.p, h);
    return h->magic == 2;
}

static bool is_transactional(const produce *w)
{
    for (int32_t i = 0; i < w->topics_len; i++) {
        for (int32_t k = 0; k < w->topics[i].partitions_len; k++) {
            batch_header h;
            if (peek(w->topics[i].partitions[k].records, &h) && (h.attributes & BATCH_TRANSACTIONAL)) return true;
        }
    }
    return false;
}

/* What the request as a whole gets wrong, for every partition alike. */
static kafka_error check_request(const produce *w)
{
    bool may = w->transactional_id.p && authz_txn(w->q, ACL_WRITE, w->transactional_id);
    if (!may && is_transactional(w)) return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (w->acks < -1 || w->acks > 1) return KAFKA_INVALID_REQUIRED_ACKS;
    return KAFKA_NONE;
}

/* Whether the topic may be written to; an unknown id is an error of its own. */
static bool may_write(request *q, produce_topic *t, const topic *found)
{
    if (!q->b->authorizer || (!found && q->version >= 13)) return true;
    if (!t->asked) t->may = authz_topic(q, ACL_WRITE, found ? str_z(found->name) : t->name);
    t->asked = true;
    return t->may;
}

/* Finds the partition and applies the rules that depend on the topic. */
static kafka_error find_partition(request *q, produce *w, produce_topic *t, produce_partition *pp)
{
    broker *b = q->b;
    kafka_error error = KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    topic *found = q->version >= 13 ? topic_find_id(b, t->id) : topic_find(b, t->name);
    if (!may_write(q, t, found)) {
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    } else if (!found) {
        error = q->version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (found->internal && !str_eqz(q->client_id, "__admin_client")) {
        error = KAFKA_INVALID_TOPIC_EXCEPTION;
    } else if (pp->index < 0 || pp->index >= found->partitions_len) {
        error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        config_view v = broker_view(b, found);
        if (w->acks == -1 && config_topic_i64(&v, "min.insync.replicas") > 1)
            error = KAFKA_NOT_ENOUGH_REPLICAS;
        else
            pp->p = partition_ref(found->partitions[pp->index]);
    }
    pthread_mutex_unlock(&b->meta_lock);
    return error;
}

static kafka_error check_producer(request *q, produce *w, const produce_partition *pp, const batch_header *h)
{
    if (h->producer_id >= BROKER_INTERNAL_PRODUCER_FIRST) return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (!(h->attributes & BATCH_TRANSACTIONAL)) return KAFKA_NONE;
    if (w->producer_id != -1 && w->producer_id != h->producer_id) return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    w->producer_id = h->producer_id;
    if (!broker_bool(q->b, "transaction.partition.verification.enable")) return KAFKA_NONE;
    return txn_check_produce(q->b, w->transactional_id, h->producer_id, h->producer_epoch, str_z(pp->p->topic->name),
                             pp->index, q->version);
}

/* Finds the log; what is wrong with the place is known before the batch is looked at. */
static void prepare(request *q, produce *w, produce_topic *t, produce_partition *pp)
{
    diag d = {0};
    pp->out = (plog_appended){.base_offset = -1, .append_time_ms = -1, .log_start = -1};
    pp->error = find_partition(q, w, t, pp);
    if (pp->error != KAFKA_NONE) return;
    pp->log = broker_partition_log(pp->p, &d);
    if (pp->log)
        pp->rules = plog_rules(pp->log);
    else
        pp->error = atomic_load(&pp->p->gone) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_KAFKA_STORAGE_ERROR;
}

/* The check of one batch; touches nothing but its partition's entry, so that it may run on another thread. */
static void check_batch(const produce *w, produce_partition *pp)
{
    if (pp->error != KAFKA_NONE) return;
    /* The frame is ours to write to. */
    uint8_t *bytes = pp->copy ? pp->copy : (uint8_t *)(uintptr_t)pp->records.p;
    batch_check(bytes, pp->records.n, &pp->rules, w->version, w->now_ms, &pp->checked);
}

static void append(request *q, produce *w, produce_partition *pp)
{
    batch_checked *checked = &pp->checked;
    if (pp->error != KAFKA_NONE) return;
    if (checked->error == KAFKA_NONE) {
        pp->error = check_producer(q, w, pp, &checked->header);
        if (pp->error == KAFKA_NONE && !plog_append(pp->log, checked, PLOG_CLIENT, q->b->now.wall_ms, &pp->out)) {
            pp->error = pp->out.error;
            pp->message = pp->out.message;
        }
        if (pp->error == KAFKA_NONE) partition_note_append(pp->p);
    } else {
        pp->error = checked->error;
        pp->message = checked->message;
        pp->bad_count = checked->bad_count;
        pp->bad = ARENA_ARRAY(q->a, int32_t, (size_t)checked->bad_count + 1);
        memcpy(pp->bad, checked->bad, (size_t)checked->bad_count * sizeof pp->bad[0]);
    }
    batch_checked_free(checked);
}

static void put_partition(request *q, const produce_partition *pp)
{
    wire_out *o = &q->out;
    bool ok = pp->error == KAFKA_NONE;
    wire_put_i32(o, pp->index);
    wire_put_i16(o, (int16_t)pp->error);
    wire_put_i64(o, ok ? pp->out.base_offset : -1);
    wire_put_i64(o, ok ? pp->out.append_time_ms : -1);
    if (q->version >= 5) wire_put_i64(o, ok ? pp->out.log_start : -1);
    if (q->version >= 8) {
        str message = pp->message ? str_z(pp->message) : WIRE_NULL;
        wire_put_len(o, pp->bad_count);
        for (int i = 0; i < pp->bad_count; i++) {
            wire_put_i32(o, pp->bad[i]);
            wire_put_nstr(o, message);
            wire_put_tags(o);
        }
        wire_put_nstr(o, message);
    }
    wire_put_tags(o);
}

/* Writes the response; for acks=0 only whether something failed, which closes the connection as Kafka does. */
static bool answer(produce *w)
{
    request *q = w->q;
    bool failed = false;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_len(o, w->topics_len);
    for (int32_t i = 0; i < w->topics_len; i++) {
        const produce_topic *t = &w->topics[i];
        if (q->version >= 13)
            wire_put_uuid(o, t->id);
        else
            wire_put_str(o, t->name);
        wire_put_len(o, t->partitions_len);
        for (int32_t k = 0; k < t->partitions_len; k++) {
            put_partition(q, &t->partitions[k]);
            failed = failed || t->partitions[k].error != KAFKA_NONE;
        }
        wire_put_tags(o);
    }
    q->throttle_at = q->bytes.len;
    wire_put_i32(o, 0);
    wire_put_tags(o);
    if (w->acks == 0) q->close = failed;
    return w->acks == 0;
}

static void on_synced(sync_wait *wait, bool ok)
{
    produce_partition *pp = container_of(wait, produce_partition, wait);
    produce *w = pp->of;
    if (!ok) pp->error = KAFKA_KAFKA_STORAGE_ERROR;
    broker_partition_release(pp->p);
    pp->p = NULL;
    if (--w->waiting == 0) request_done(w->q, answer(w));
}

/* Waits for what acks=all or flush.messages promises; lets go of the partitions that nothing is waited for. */
static void wait_for_disk(produce *w, produce_partition *pp, bool durable)
{
    bool wait = pp->error == KAFKA_NONE && (durable || (w->acks != 0 && plog_flush_wanted(pp->log)));
    pp->wait.done = on_synced;
    if (wait && !partition_wait_sync(pp->p, &pp->wait, pp->out.last_offset + 1)) {
        w->waiting++;
        return;
    }
    broker_partition_release(pp->p);
    pp->p = NULL;
}

/* Calls fn for every partition of the request. */
#define EACH_PARTITION(w, t, pp)                                                                                       \
    for (produce_topic *t = (w)->topics; t < (w)->topics + (w)->topics_len; t++)                                       \
        for (produce_partition *pp = t->partitions; pp < t->partitions + t->partitions_len; pp++)

/* Compressed batches above this size are checked on another thread: unpacking them would hold the loop up. */
enum { CHECK_ELSEWHERE_BYTES = 64 << 10 };

static bool is_heavy(const produce_partition *pp)
{
    batch_header h;
    return pp->error == KAFKA_NONE && pp->records.n > CHECK_ELSEWHERE_BYTES && peek(pp->records, &h) &&
           batch_codec_of(&h) != CODEC_NONE;
}

/* Everything is checked: append, then wait for the disk. true: the request is answered in w->q. */
static bool append_all(produce *w)
{
    EACH_PARTITION(w, t, pp)
    {
        append(w->q, w, pp);
        free(pp->copy);
        pp->copy = NULL;
    }
    bool durable = w->acks == -1 && broker_bool(w->q->b, "acks.all.sync");
    EACH_PARTITION(w, t, pp) wait_for_disk(w, pp, durable);
    return w->waiting == 0;
}

/* ---- adding to the transaction by writing (transaction version 2) ---------------------------------------------- */

/* The first batch of the request that can be written and belongs to a transaction. */
static const batch_header *first_transactional(const produce *w)
{
    EACH_PARTITION(w, t, pp)
    {
        if (pp->error != KAFKA_NONE || pp->checked.error != KAFKA_NONE) continue;
        if (pp->checked.header.attributes & BATCH_TRANSACTIONAL) return &pp->checked.header;
    }
    return NULL;
}

static bool is_missing(const produce_partition *pp, const txn *t)
{
    return pp->error == KAFKA_NONE && pp->checked.error == KAFKA_NONE &&
           (pp->checked.header.attributes & BATCH_TRANSACTIONAL) &&
           !txn_has(t, str_z(pp->p->topic->name), pp->index);
}

/* What must outlive the frame, as the append has to wait. */
static void keep_batches(produce *w)
{
    EACH_PARTITION(w, t, pp)
    {
        batch_checked *c = &pp->checked;
        bool kept = pp->copy || c->data == (uint8_t *)c->owned.data;
        if (pp->error != KAFKA_NONE || c->error != KAFKA_NONE || kept) continue;
        pp->copy = malloc(c->size);
        check(pp->copy);
        memcpy(pp->copy, c->data, c->size);
        c->data = pp->copy;
    }
    w->transactional_id = arena_str(w->q->a, w->transactional_id);
}

static void on_partitions_added(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    produce *w = arg;
    request *q = w->q;
    if (error != KAFKA_NONE) {
        EACH_PARTITION(w, t, pp)
        {
            bool concerned = pp->error == KAFKA_NONE && pp->checked.error == KAFKA_NONE &&
                             (pp->checked.header.attributes & BATCH_TRANSACTIONAL);
            /* A client knows this code as one to try again after. */
            if (concerned) pp->error = KAFKA_NOT_ENOUGH_REPLICAS;
            if (concerned) batch_checked_free(&pp->checked);
        }
    }
    w->adding = false;
    if (!q->checking) return; /* at once: the caller goes on */
    q->checking = false;
    request_progress(q);
    if (append_all(w)) request_done(q, answer(w));
}

/* Whether the append has to wait until the transaction's record names all partitions of the request. */
static bool add_implicitly(produce *w)
{
    request *q = w->q;
    txn *t;
    if (w->version < 12 || !w->transactional_id.p) return false;
    const batch_header *h = first_transactional(w);
    if (!h || txn_check(q->b, w->transactional_id, h->producer_id, h->producer_epoch, &t) != KAFKA_NONE) return false;
    size_t n = 0, most = 0;
    EACH_PARTITION(w, pt, pp) most++;
    txn_partition *list = ARENA_ARRAY(q->a, txn_partition, most + 1);
    EACH_PARTITION(w, pt, pp)
    if (is_missing(pp, t)) list[n++] = (txn_partition){pp->p->topic->name, pp->index};
    if (n == 0) return false;
    keep_batches(w);
    w->adding = true;
    txn_add(t, list, n, true, on_partitions_added, w);
    q->checking = w->adding;
    return w->adding;
}

/* Everything is checked. true: the request is answered in w->q. */
static bool proceed(produce *w)
{
    return !add_implicitly(w) && append_all(w);
}

static void check_all(broker_work *work)
{
    produce *w = container_of(work, produce, work);
    int64_t began_ns = w->timed ? w->q->b->hooks->clock_ns(w->q->b->hooks->user) : 0;
    EACH_PARTITION(w, t, pp) check_batch(w, pp);
    if (w->timed) w->check_ns = w->q->b->hooks->clock_ns(w->q->b->hooks->user) - began_ns;
}

static void on_checked(broker_work *work, broker_time now)
{
    produce *w = container_of(work, produce, work);
    w->q->checking = false;
    w->q->spent_ns += w->check_ns;
    /* Produce requests behind this one may be appended now. */
    request_progress(w->q);
    if (proceed(w)) request_done(w->q, answer(w));
}

/* The frame is only there until the handler returns: the batches are copied. */
static api_outcome check_elsewhere(produce *w)
{
    request *q = w->q;
    EACH_PARTITION(w, t, pp)
    {
        if (pp->error != KAFKA_NONE || !pp->records.p) continue;
        pp->copy = malloc(pp->records.n + 1);
        check(pp->copy);
        memcpy(pp->copy, pp->records.p, pp->records.n);
    }
    if (w->transactional_id.p) w->transactional_id = arena_str(q->a, w->transactional_id);
    q->checking = true;
    w->timed = q->began_ns > 0;
    w->work = (broker_work){check_all, on_checked};
    q->b->hooks->work(q->b->hooks->user, &w->work);
    return API_PARKED;
}

api_outcome api_produce(request *q)
{
    produce *w = ARENA_NEW(q->a, produce);
    w->q = q;
    w->version = q->version;
    w->now_ms = q->b->now.wall_ms;
    w->producer_id = -1;
    if (!decode(q, w)) return API_MALFORMED;
    /* Before the answer, as what follows on the connection is appended without waiting for it. */
    quota_charge(q, QUOTA_PRODUCE, (double)q->frame_len);
    kafka_error error = check_request(w);
    bool heavy = false;
    EACH_PARTITION(w, t, pp)
    {
        if (error == KAFKA_NONE)
            prepare(q, w, t, pp);
        else
            pp->error = error;
        heavy = heavy || is_heavy(pp);
    }
    if (heavy && q->b->hooks->work) return check_elsewhere(w);
    EACH_PARTITION(w, t, pp) check_batch(w, pp);
    if (!proceed(w)) return API_PARKED;
    return answer(w) ? API_SILENT : API_ANSWERED;
}
