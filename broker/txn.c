#include "broker/txn.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/group.h"
#include "broker/meta.h"

enum {
    PRODUCER_BLOCK = 1000,
    EPOCH_MAX = INT16_MAX - 1,
    RETRY_MS = 100,
    END_RETRY_MS = 1000,
    END_RETRY_MAX_MS = 60000
};

/* One step of a txn on its way to the disk. */
typedef struct txn_step {
    txn *t;
    txn_done *done;
    void *arg;
    bool commit;
    int waiting;
    bool failed;
    txn_state before; /* txn_add: the state, and how many partitions there were */
    size_t kept;
    void (*then)(struct txn_step *s); /* when nothing is waited for any more */
    struct step_wait {
        sync_wait wait;
        struct txn_step *step;
        broker_partition *p;
    } * waits;
    size_t waits_len;
} txn_step;

kafka_error txn_new_producer_id(broker *b, int64_t *producer_id)
{
    diag d = {0};
    bool ok = true;
    pthread_mutex_lock(&b->meta_lock);
    if (b->producer_next == b->producer_end) {
        ok = b->producer_end + PRODUCER_BLOCK < BROKER_INTERNAL_PRODUCER_FIRST &&
             meta_write_producers(b, b->producer_end + PRODUCER_BLOCK, &d);
        if (ok) b->producer_end += PRODUCER_BLOCK;
    }
    if (ok) *producer_id = b->producer_next++;
    pthread_mutex_unlock(&b->meta_lock);
    if (!ok) log_error("broker", "no producer id: %s", d.text);
    return ok ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE;
}

const char *txn_state_name(txn_state state)
{
    static const char *const names[] = {"Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
                                        "CompleteCommit", "CompleteAbort", "Dead"};
    return names[state];
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static txn_step *step_new(txn *t, txn_done *done, void *arg, size_t waits)
{
    txn_step *s = calloc(1, sizeof *s);
    check(s);
    s->t = t;
    s->done = done;
    s->arg = arg;
    s->waits = calloc(waits, sizeof s->waits[0]);
    check(s->waits);
    return s;
}

static void step_end(txn_step *s, kafka_error error)
{
    txn *t = s->t;
    t->pending = false;
    txn_done *done = s->done;
    void *arg = s->arg;
    int64_t producer_id = t->producer_id;
    int16_t epoch = t->epoch;
    free(s->waits);
    free(s);
    if (done) done(arg, error, producer_id, epoch);
}

static void on_step_synced(sync_wait *wait, bool ok)
{
    struct step_wait *w = container_of(wait, struct step_wait, wait);
    txn_step *s = w->step;
    broker_partition_release(w->p);
    w->p = NULL;
    if (!ok) s->failed = true;
    if (--s->waiting == 0) s->then(s);
}

/* Adds a partition to what the step waits for; takes over the reference. */
static void step_wait_for(txn_step *s, broker_partition *p, int64_t end)
{
    struct step_wait *w = &s->waits[s->waits_len++];
    w->wait.done = on_step_synced;
    w->step = s;
    w->p = p;
    if (partition_wait_sync(p, &w->wait, end)) {
        broker_partition_release(p);
        w->p = NULL;
        return;
    }
    s->waiting++;
}

/*
 * Writes the txn's record and goes on with s->then once it is durable. false: it could not be written, the
 * step is over.
 */
static void store_then(txn_step *s, void (*then)(txn_step *s))
{
    txn *t = s->t;
    t->pending = true;
    t->update_ms = t->b->now.wall_ms;
    s->then = then;
    broker_partition *p = txn_partition_of(t->b, str_z(t->id));
    int64_t end = 0;
    if (!p || txn_store(t, p, &end) != KAFKA_NONE) {
        broker_partition_release(p);
        s->failed = true;
        then(s);
        return;
    }
    step_wait_for(s, p, end);
    if (s->waiting == 0) then(s);
}

static void just_end(txn_step *s)
{
    step_end(s, s->failed ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE);
}

static void on_timeout(delay_timer *timer);

/* ---- ending -------------------------------------------------------------------------------------------- */

/*
 * An end that could not be carried out whole: PrepareX stays, its client is told to ask again, and it is tried anew, by
 * the next start at the latest.
 */
static void end_failed(txn_step *s)
{
    txn *t = s->t;
    t->timer.fire = on_timeout;
    t->retry_ms = t->retry_ms == 0 ? END_RETRY_MS : t->retry_ms * 2;
    if (t->retry_ms > END_RETRY_MAX_MS) t->retry_ms = END_RETRY_MAX_MS;
    broker_timer(t->b, &t->timer, t->retry_ms);
    step_end(s, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

static void completed(txn_step *s)
{
    txn *t = s->t;
    if (s->failed) {
        end_failed(s); /* of the markers some may not have been written, or be lost with the page cache */
        return;
    }
    t->state = s->commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    t->retry_ms = 0;
    txn_clear_partitions(t);
    if (t->next_producer_id >= 0) {
        /* The markers carried the last epoch there is; the client goes on with a new id. */
        t->last_producer_id = t->producer_id;
        t->last_epoch = EPOCH_MAX;
        t->producer_id = t->next_producer_id;
        t->next_producer_id = -1;
        t->epoch = 0;
    }
    t->update_ms = t->b->now.wall_ms;
    t->start_ms = -1;
    broker_partition *p = txn_partition_of(t->b, str_z(t->id));
    int64_t end;
    /* Not waited for: what is lost of it is written again from PrepareX. */
    if (!p || txn_store(t, p, &end) != KAFKA_NONE) log_error("broker", "end of transaction of %s not stored", t->id);
    broker_partition_release(p);
    step_end(s, KAFKA_NONE);
}

/* Appends one marker; false when it must be tried again after a restart. */
static bool write_marker(txn_step *s, const txn_partition *tp)
{
    txn *t = s->t;
    diag d = {0};
    broker_partition *p = partition_by_name(t->b, str_z(tp->topic), tp->partition);
    if (!p) return true; /* deleted meanwhile: nothing of the transaction is left there */
    plog *log = broker_partition_log(p, &d);
    plog_appended out = {.error = KAFKA_KAFKA_STORAGE_ERROR};
    bool ok = log &&
              plog_append_marker(log, t->producer_id, t->epoch, t->b->leader_epoch, s->commit, t->b->now.wall_ms, &out);
    if (!ok && atomic_load(&p->gone))
        ok = true;
    else if (ok) {
        partition_note_append(p);
        if (strcmp(tp->topic, TOPIC_OFFSETS) == 0) groups_end_txn(t->b, tp->partition, t->producer_id, s->commit);
        step_wait_for(s, p, out.last_offset + 1);
        return true;
    } else {
        log_error("broker", "marker of %s at %s-%d: error %d", t->id, tp->topic, tp->partition, out.error);
    }
    broker_partition_release(p);
    return ok;
}

/* The decision is durable: every partition is told. */
static void prepared(txn_step *s)
{
    txn *t = s->t;
    if (s->failed) {
        end_failed(s); /* the record may or may not have reached the disk; memory keeps what it says */
        return;
    }
    free(s->waits);
    s->waits = calloc(t->partitions_len + 1, sizeof s->waits[0]);
    check(s->waits);
    s->waits_len = 0;
    s->then = completed;
    s->waiting = 1; /* so that markers that are durable at once do not end the step in the middle */
    for (size_t i = 0; i < t->partitions_len; i++)
        if (!write_marker(s, &t->partitions[i])) s->failed = true;
    if (--s->waiting == 0) completed(s);
}

/* Each end of version 2 raises the epoch, so that nothing of this transaction can come after its markers. */
static kafka_error raise_epoch(txn *t)
{
    if (t->epoch >= EPOCH_MAX) {
        int64_t fresh;
        kafka_error error = txn_new_producer_id(t->b, &fresh);
        if (error != KAFKA_NONE) return error;
        t->next_producer_id = fresh;
    }
    t->last_epoch = t->epoch++;
    return KAFKA_NONE;
}

static void begin_end(txn *t, bool commit, txn_done *done, void *arg)
{
    txn_step *s = step_new(t, done, arg, 1);
    delay_cancel(&t->b->timers, &t->timer);
    s->commit = commit;
    t->state = commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
    store_then(s, prepared);
}

static void on_timeout(delay_timer *timer)
{
    txn *t = container_of(timer, txn, timer);
    if (t->pending) {
        broker_timer(t->b, timer, RETRY_MS);
    } else if (t->state == TXN_PREPARE_COMMIT || t->state == TXN_PREPARE_ABORT) {
        begin_end(t, t->state == TXN_PREPARE_COMMIT, NULL, NULL);
    } else if (t->state == TXN_ONGOING) {
        log_info("broker", "transaction of %s timed out", t->id);
        txn_fence(t, NULL, NULL);
    }
}

void txn_fence(txn *t, txn_done *done, void *arg)
{
    check(t->state == TXN_ONGOING && !t->pending);
    if (t->epoch < INT16_MAX) t->epoch++;
    t->last_epoch = -1;
    begin_end(t, false, done, arg);
}

static void end_v2(txn *t, bool commit, txn_done *done, void *arg)
{
    kafka_error error = raise_epoch(t);
    t->v2 = true;
    if (error == KAFKA_NONE)
        begin_end(t, commit, done, arg);
    else
        done(arg, error, -1, -1);
}

/* What Kafka's TransactionCoordinator answers in each state under version 2. */
static void txn_end_v2(txn *t, int64_t producer_id, int16_t epoch, bool commit, txn_done *done, void *arg)
{
    bool overflowed = t->v2 && t->last_producer_id == producer_id && epoch == EPOCH_MAX && t->epoch == 0;
    bool again = t->v2 && ((t->producer_id == producer_id && t->epoch == epoch + 1) || overflowed);
    bool complete = t->state == TXN_COMPLETE_COMMIT || t->state == TXN_COMPLETE_ABORT;
    bool preparing = t->state == TXN_PREPARE_COMMIT || t->state == TXN_PREPARE_ABORT;
    bool same = commit == (t->state == TXN_COMPLETE_COMMIT || t->state == TXN_PREPARE_COMMIT);
    kafka_error error = KAFKA_NONE;
    if (t->producer_id != producer_id && !overflowed)
        error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    else if (t->epoch != epoch && !(again && (complete || preparing)))
        error = KAFKA_PRODUCER_FENCED;
    else if (preparing)
        error = same ? KAFKA_CONCURRENT_TRANSACTIONS : KAFKA_INVALID_TXN_STATE;
    else if (t->pending)
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    else if (again && complete)
        error = same ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
    else if (t->state != TXN_ONGOING && commit)
        error = KAFKA_INVALID_TXN_STATE;
    else {
        /* Ongoing; or an abort of nothing, which only raises the epoch. */
        if (t->state != TXN_ONGOING) txn_clear_partitions(t);
        end_v2(t, commit, done, arg);
        return;
    }
    done(arg, error, t->producer_id, t->epoch);
}

void txn_end(broker *b, str id, int64_t producer_id, int16_t epoch, bool commit, bool v2, txn_done *done, void *arg)
{
    txn *t = txn_find(b, id);
    kafka_error error = KAFKA_NONE;
    if (v2 && t) {
        txn_end_v2(t, producer_id, epoch, commit, done, arg);
        return;
    }
    if (!t || t->producer_id != producer_id)
        error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    else if (t->epoch != epoch)
        error = KAFKA_PRODUCER_FENCED;
    else if (t->pending && (t->state == TXN_PREPARE_COMMIT || t->state == TXN_PREPARE_ABORT))
        error = commit == (t->state == TXN_PREPARE_COMMIT) ? KAFKA_CONCURRENT_TRANSACTIONS : KAFKA_INVALID_TXN_STATE;
    else if (t->pending)
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    if (error == KAFKA_NONE && t->state == TXN_ONGOING) {
        begin_end(t, commit, done, arg);
        return;
    }
    if (error == KAFKA_NONE) {
        txn_state same = commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
        txn_state coming = commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
        error = t->state == same     ? KAFKA_NONE
                : t->state == coming ? KAFKA_CONCURRENT_TRANSACTIONS
                                     : KAFKA_INVALID_TXN_STATE;
    }
    done(arg, error, producer_id, epoch);
}

/* ---- InitProducerId ------------------------------------------------------------------------------------ */

/* An InitProducerId that waits until the transaction before it is aborted. */
typedef struct init_again {
    broker *b;
    str id;
    int32_t timeout_ms;
    txn_done *done;
    void *arg;
} init_again;

static void on_fenced(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    init_again *w = arg;
    if (error != KAFKA_NONE)
        w->done(w->arg, KAFKA_CONCURRENT_TRANSACTIONS, -1, -1);
    else
        txn_init(w->b, w->id, w->timeout_ms, -1, -1, 0, w->done, w->arg);
    free((void *)(uintptr_t)w->id.p);
    free(w);
}

static void fence_then_init(txn *t, int32_t timeout_ms, txn_done *done, void *arg)
{
    init_again *w = malloc(sizeof *w);
    check(w);
    *w = (init_again){t->b, {strdup(t->id), strlen(t->id)}, timeout_ms, done, arg};
    check(w->id.p);
    txn_fence(t, on_fenced, w);
}

/* A new epoch, or a new producer id when the epochs are used up. KAFKA_NONE, or why not. */
static kafka_error bump(txn *t, int64_t given_pid, int16_t given_epoch)
{
    bool given = given_pid != -1;
    if (given && given_pid != t->producer_id && !(given_pid == t->last_producer_id && given_epoch >= EPOCH_MAX)) {
        return KAFKA_PRODUCER_FENCED;
    }
    if (given && given_pid == t->producer_id && given_epoch != t->epoch) {
        /* The same question as last time, whose answer got lost: the same answer. */
        return given_epoch == t->last_epoch && t->last_epoch >= 0 ? KAFKA_NONE : KAFKA_PRODUCER_FENCED;
    }
    if (given && given_pid == t->last_producer_id && given_pid != t->producer_id) return KAFKA_NONE;
    if (t->epoch >= EPOCH_MAX) {
        int64_t fresh;
        kafka_error error = txn_new_producer_id(t->b, &fresh);
        if (error != KAFKA_NONE) return error;
        t->last_producer_id = t->producer_id;
        t->last_epoch = given ? t->epoch : -1;
        t->producer_id = fresh;
        t->epoch = 0;
        return KAFKA_NONE;
    }
    t->last_epoch = given ? t->epoch : -1;
    t->epoch++;
    return KAFKA_NONE;
}

void txn_init(broker *b, str id, int32_t timeout_ms, int64_t given_pid, int16_t given_epoch, int16_t version,
              txn_done *done, void *arg)
{
    txn *t = txn_find(b, id);
    kafka_error error = KAFKA_NONE;
    if (!t) {
        int64_t fresh;
        error = txn_new_producer_id(b, &fresh);
        if (error == KAFKA_NONE) {
            t = txn_make(b, id);
            t->producer_id = fresh;
            t->epoch = 0;
        }
    } else if (t->pending || t->state == TXN_PREPARE_COMMIT || t->state == TXN_PREPARE_ABORT) {
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    } else if (t->state == TXN_ONGOING) {
        if (given_pid != -1 && given_pid != t->producer_id) {
            error = KAFKA_PRODUCER_FENCED;
        } else {
            fence_then_init(t, timeout_ms, done, arg);
            return;
        }
    } else {
        error = bump(t, given_pid, given_epoch);
    }
    if (error != KAFKA_NONE) {
        done(arg, error, -1, -1);
        return;
    }
    t->state = TXN_EMPTY;
    t->timeout_ms = timeout_ms;
    t->start_ms = -1;
    store_then(step_new(t, done, arg, 1), just_end);
}

/* ---- in a transaction ---------------------------------------------------------------------------------- */

kafka_error txn_check(broker *b, str id, int64_t producer_id, int16_t epoch, txn **out)
{
    txn *t = txn_find(b, id);
    *out = t;
    if (!t || t->producer_id != producer_id) return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (t->epoch != epoch) return KAFKA_PRODUCER_FENCED;
    if (t->pending || t->state == TXN_PREPARE_COMMIT || t->state == TXN_PREPARE_ABORT)
        return KAFKA_CONCURRENT_TRANSACTIONS;
    return KAFKA_NONE;
}

bool txn_has(const txn *t, str topic_name, int32_t partition)
{
    if (t->state != TXN_ONGOING) return false;
    for (size_t i = 0; i < t->partitions_len; i++)
        if (t->partitions[i].partition == partition && str_eqz(topic_name, t->partitions[i].topic)) return true;
    return false;
}

/*
 * What could not be stored is not part of the transaction: a write to it would be nobody's after a start. If the record
 * reached the disk all the same, the transaction gets a marker more than it needs.
 */
static void added(txn_step *s)
{
    txn *t = s->t;
    if (s->failed) {
        while (t->partitions_len > s->kept) free(t->partitions[--t->partitions_len].topic);
        if (s->before != TXN_ONGOING) delay_cancel(&t->b->timers, &t->timer);
        if (s->before != TXN_ONGOING) t->start_ms = -1;
        t->state = s->before;
    }
    just_end(s);
}

void txn_add(txn *t, const txn_partition *partitions, size_t n, bool v2, txn_done *done, void *arg)
{
    bool news = t->state != TXN_ONGOING;
    txn_state before = t->state;
    if (news) {
        txn_clear_partitions(t);
        t->state = TXN_ONGOING;
        t->v2 = v2;
        t->start_ms = t->b->now.wall_ms;
        t->timer.fire = on_timeout;
        broker_timer(t->b, &t->timer, t->timeout_ms);
    }
    size_t kept = t->partitions_len;
    for (size_t i = 0; i < n; i++) {
        if (txn_has(t, str_z(partitions[i].topic), partitions[i].partition)) continue;
        txn_note_partition(t, str_z(partitions[i].topic), partitions[i].partition);
        news = true;
    }
    if (!news) {
        done(arg, KAFKA_NONE, t->producer_id, t->epoch);
        return;
    }
    txn_step *s = step_new(t, done, arg, 1);
    s->before = before;
    s->kept = kept;
    store_then(s, added);
}

kafka_error txn_check_produce(broker *b, str id, int64_t producer_id, int16_t epoch, str topic_name, int32_t partition,
                              int16_t version)
{
    txn *t;
    kafka_error error = txn_check(b, id, producer_id, epoch, &t);
    if (error == KAFKA_PRODUCER_FENCED) return KAFKA_INVALID_PRODUCER_EPOCH;
    /* While another partition is being added, those that are part of it already can be written. */
    bool adding = error == KAFKA_CONCURRENT_TRANSACTIONS && t->state == TXN_ONGOING;
    if (adding && (version < 12 || txn_has(t, topic_name, partition))) error = KAFKA_NONE;
    if (error == KAFKA_CONCURRENT_TRANSACTIONS) return version >= 12 ? error : KAFKA_NOT_ENOUGH_REPLICAS;
    if (error != KAFKA_NONE) return error;
    if (txn_has(t, topic_name, partition)) return KAFKA_NONE;
    return version >= 11 ? KAFKA_TRANSACTION_ABORTABLE : KAFKA_INVALID_TXN_STATE;
}

/* ---- after a start ------------------------------------------------------------------------------------- */

/* What was decided before the stop is carried out; what was open goes on and may time out. */
void txn_resume(txn *t)
{
    if (t->state == TXN_PREPARE_COMMIT || t->state == TXN_PREPARE_ABORT) {
        txn_step *s = step_new(t, NULL, NULL, 1);
        s->commit = t->state == TXN_PREPARE_COMMIT;
        t->pending = true;
        prepared(s);
    } else if (t->state == TXN_ONGOING) {
        int64_t age = t->b->now.wall_ms - t->start_ms;
        t->timer.fire = on_timeout;
        broker_timer(t->b, &t->timer, age >= t->timeout_ms ? 0 : age < 0 ? t->timeout_ms : t->timeout_ms - age);
    }
}
