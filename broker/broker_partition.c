/* Partitions: references, the log behind each, and who is told of appends and syncs. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "broker/broker_core.h"
#include "broker/api.h"

/* ---- life ---------------------------------------------------------------------------------------------- */

topic *topic_new(str name, const uint8_t id[16])
{
    topic *t = calloc(1, sizeof *t);
    check(t);
    t->name = strndup(name.p, name.n);
    check(t->name);
    memcpy(t->id, id, 16);
    atomic_init(&t->refs, 1);
    return t;
}

void topic_unref(topic *t)
{
    if (atomic_fetch_sub(&t->refs, 1) > 1) return;
    config_set_free(&t->configs);
    free(t->partitions);
    free(t->name);
    free(t);
}

broker_partition *partition_new(broker *b, topic *t, int32_t index)
{
    broker_partition *p = calloc(1, sizeof *p);
    check(p);
    p->b = b;
    p->topic = t;
    p->index = index;
    p->syncs_tail = &p->syncs;
    atomic_init(&p->refs, 1);
    atomic_fetch_add(&t->refs, 1);
    check(pthread_mutex_init(&p->lock, NULL) == 0);
    return p;
}

broker_partition *partition_ref(broker_partition *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void broker_partition_release(broker_partition *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) > 1) return;
    check(!p->fetchers && !p->syncs && !p->watches);
    plog *log = atomic_load(&p->log);
    diag d = {0};
    if (log && atomic_load(&p->gone))
        plog_abandon(log);
    else if (log && !plog_close(log, &d)) {
        atomic_store(&p->b->lost, true);
        log_error("broker", "%s", d.text);
    }
    pthread_mutex_destroy(&p->lock);
    topic_unref(p->topic);
    free(p);
}

const uint8_t *broker_partition_topic_id(const broker_partition *p)
{
    return p->topic->id;
}

int32_t broker_partition_index(const broker_partition *p)
{
    return p->index;
}

/* ---- the log ------------------------------------------------------------------------------------------- */

void partition_tell_watches(broker_partition *p)
{
    if (!atomic_load(&p->watched)) return;
    pthread_mutex_lock(&p->lock);
    for (broker_watch *w = p->watches; w; w = w->next) w->fn(w->arg, p);
    pthread_mutex_unlock(&p->lock);
}

/* On the appending thread, after the end (or the last stable offset) moved. */
static void on_append(void *arg, plog *log)
{
    broker_partition *p = arg;
    partition_tell_watches(p);
    if (atomic_load(&p->awaited)) partition_touch(p);
}

static plog_config config_now(broker_partition *p)
{
    pthread_mutex_lock(&p->b->meta_lock);
    plog_config config = topic_plog_config(p->b, p->topic);
    pthread_mutex_unlock(&p->b->meta_lock);
    return config;
}

static plog *open_log(broker_partition *p, diag *d)
{
    broker *b = p->b;
    plog_config config = config_now(p);
    pthread_mutex_lock(&p->lock);
    plog *log = atomic_load(&p->log);
    if (!log && !atomic_load(&p->gone)) {
        buf folder = {0};
        buf_printf(&folder, "%s/topics/%s-%d", b->data_dir, p->topic->name, p->index);
        log = plog_open(b->env, buf_z(&folder), &config, b->leader_epoch, atomic_load(&b->wall_ms), on_append, p, d);
        buf_free(&folder);
        atomic_store(&p->log, log);
    }
    pthread_mutex_unlock(&p->lock);
    /* Configs that changed while the log was being opened found no log to be applied to. */
    if (log) {
        config = config_now(p);
        plog_set_config(log, &config);
    }
    return log;
}

plog *broker_partition_log(broker_partition *p, diag *d)
{
    if (atomic_load(&p->gone)) {
        diag_set(d, DIAG_NOT_FOUND, "topic %s was deleted", p->topic->name);
        return NULL;
    }
    plog *log = atomic_load(&p->log);
    return log ? log : open_log(p, d);
}

bool broker_partition_sync(broker_partition *p, diag *d)
{
    plog *log = atomic_load(&p->log);
    return !log || plog_sync(log, d);
}

static bool append_failed(const plog_appended *out, const broker_partition *p, diag *d)
{
    return diag_set(d, out->error == KAFKA_KAFKA_STORAGE_ERROR ? DIAG_IO : DIAG_STATE,
                    "append to %s-%d failed with Kafka error %d%s%s", p->topic->name, p->index, out->error,
                    out->message ? ": " : "", out->message ? out->message : "");
}

/*
 * A batch of an internal producer has no sequence numbers (the order on disk is the caller's own) and was built
 * here: header, CRC and size are checked, and the append time is put in where the topic wants it.
 */
static bool check_internal(uint8_t *batch, size_t n, const batch_rules *rules, broker_time now, batch_checked *out)
{
    batch_header h;
    diag d = {0};
    if (!batch_verify(batch, n, &h, &d) || batch_size(&h) != (int64_t)n || h.count <= 0) {
        out->error = KAFKA_CORRUPT_MESSAGE;
        return false;
    }
    if ((int64_t)n > rules->max_bytes) {
        out->error = KAFKA_MESSAGE_TOO_LARGE;
        return false;
    }
    if (rules->log_append_time) {
        store_be16(batch + 21, (uint16_t)(h.attributes | BATCH_LOG_APPEND_TIME));
        store_be64(batch + 35, (uint64_t)now.wall_ms);
        store_be32(batch + 17, hash_crc32c(batch + BATCH_CRC_START, n - BATCH_CRC_START));
    }
    batch_trust(batch, n, out);
    return true;
}

bool broker_append(broker_partition *p, uint8_t *batch, size_t n, broker_time now, int64_t *base_offset, diag *d)
{
    plog *log = broker_partition_log(p, d);
    if (!log) return false;
    batch_checked checked = {0};
    plog_appended out = {.error = KAFKA_NONE};
    batch_rules rules = plog_rules(log);
    batch_header h = {.producer_id = -1};
    if (n >= BATCH_HEADER) batch_header_read(batch, &h);
    bool internal = h.producer_id >= BROKER_INTERNAL_PRODUCER_FIRST;
    bool ok = internal ? check_internal(batch, n, &rules, now, &checked)
                       : batch_check(batch, n, &rules, INT16_MAX, now.wall_ms, &checked);
    if (!ok) {
        out.error = checked.error;
        out.message = checked.message;
    } else if ((checked.header.attributes & BATCH_TRANSACTIONAL) && !internal) {
        ok = false;
        out.error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    } else {
        ok = plog_append(log, &checked, PLOG_COORDINATOR, now.wall_ms, &out);
    }
    batch_checked_free(&checked);
    if (!ok) return append_failed(&out, p, d);
    if (base_offset) *base_offset = out.base_offset;
    return true;
}

bool broker_append_marker(broker_partition *p, int64_t producer_id, int16_t epoch, bool commit, broker_time now,
                          int64_t *offset, diag *d)
{
    check(producer_id >= BROKER_INTERNAL_PRODUCER_FIRST);
    plog *log = broker_partition_log(p, d);
    if (!log) return false;
    plog_appended out = {.error = KAFKA_NONE};
    if (!plog_append_marker(log, producer_id, epoch, p->b->leader_epoch, commit, now.wall_ms, &out)) {
        return append_failed(&out, p, d);
    }
    if (offset) *offset = out.base_offset;
    return true;
}

/* ---- being told of appends ----------------------------------------------------------------------------- */

void broker_watch_add(broker_partition *p, broker_watch *w, void (*fn)(void *arg, broker_partition *p), void *arg)
{
    pthread_mutex_lock(&p->lock);
    w->fn = fn;
    w->arg = arg;
    w->next = p->watches;
    p->watches = w;
    atomic_store(&p->watched, true);
    pthread_mutex_unlock(&p->lock);
}

void broker_watch_remove(broker_partition *p, broker_watch *w)
{
    pthread_mutex_lock(&p->lock);
    for (broker_watch **at = &p->watches; *at; at = &(*at)->next) {
        if (*at != w) continue;
        *at = w->next;
        break;
    }
    atomic_store(&p->watched, p->watches != NULL);
    pthread_mutex_unlock(&p->lock);
}

void broker_wake(broker *b)
{
    if (pthread_equal(atomic_load(&b->loop_thread), pthread_self())) return;
    if (b->hooks->wake && !atomic_exchange(&b->wake_asked, true)) b->hooks->wake(b->hooks->user);
}

void partition_touch(broker_partition *p)
{
    if (atomic_exchange(&p->touched, true)) return;
    broker *b = p->b;
    partition_ref(p);
    pthread_mutex_lock(&b->touched_lock);
    p->touched_next = b->touched;
    b->touched = p;
    pthread_mutex_unlock(&b->touched_lock);
    broker_wake(b);
}

bool broker_run_touched(broker *b)
{
    pthread_mutex_lock(&b->touched_lock);
    broker_partition *list = b->touched;
    b->touched = NULL;
    pthread_mutex_unlock(&b->touched_lock);
    bool any = list != NULL;
    while (list) {
        broker_partition *p = list;
        list = p->touched_next;
        atomic_store(&p->touched, false);
        /* A retried Fetch may leave this list or come back to its front: only those that wait now are looked at. */
        for (fetch_wait *w = p->fetchers, *next; w; w = next) {
            next = w->next;
            api_fetch_retry(w->q, false);
        }
        broker_partition_release(p);
    }
    return any;
}

/* ---- syncs --------------------------------------------------------------------------------------------- */

static void ask_sync(broker_partition *p)
{
    broker *b = p->b;
    if (p->syncing) return;
    p->syncing = true;
    partition_ref(p);
    if (b->hooks->sync) {
        b->hooks->sync(b->hooks->user, p);
        return;
    }
    p->sync_next = b->sync_now;
    b->sync_now = p;
}

bool partition_wait_sync(broker_partition *p, sync_wait *w, int64_t end)
{
    plog *log = atomic_load(&p->log);
    check(log);
    if (plog_synced_end(log) >= end) return true;
    w->next = NULL;
    w->end = end;
    *p->syncs_tail = w;
    p->syncs_tail = &w->next;
    ask_sync(p);
    return false;
}

static void sync_ended(broker_partition *p, bool ok)
{
    p->syncing = false;
    plog *log = atomic_load(&p->log);
    int64_t synced = log ? plog_synced_end(log) : 0;
    sync_wait *list = p->syncs;
    p->syncs = NULL;
    p->syncs_tail = &p->syncs;
    while (list) {
        sync_wait *w = list;
        list = w->next;
        if (ok && w->end > synced) {
            w->next = NULL;
            *p->syncs_tail = w;
            p->syncs_tail = &w->next;
        } else {
            w->done(w, ok);
        }
    }
    if (p->syncs) ask_sync(p);
    broker_partition_release(p);
}

void broker_sync_done(broker *b, broker_partition *p, bool ok, broker_time now)
{
    broker_enter(b, now);
    check(p->syncing);
    sync_ended(p, ok);
    broker_settle(b);
}

bool broker_run_inline_syncs(broker *b)
{
    broker_partition *list = b->sync_now;
    b->sync_now = NULL;
    bool any = list != NULL;
    while (list) {
        broker_partition *p = list;
        list = p->sync_next;
        diag d = {0};
        bool ok = broker_partition_sync(p, &d);
        if (!ok) log_error("broker", "%s", d.text);
        sync_ended(p, ok);
    }
    return any;
}

/* One pass over all partitions; what a sync completes may ask for another one elsewhere. */
static bool finish_pass(broker *b)
{
    bool any = false;
    void *value;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);) {
        topic *t = value;
        for (int32_t i = 0; i < t->partitions_len; i++) {
            broker_partition *p = t->partitions[i];
            diag d = {0};
            if (!p->syncing) continue;
            any = true;
            sync_ended(p, broker_partition_sync(p, &d));
        }
    }
    return any;
}

void broker_finish_syncs(broker *b)
{
    do b->sync_now = NULL;
    while (finish_pass(b));
}

enum { SYNC_LOOK_MS = 1000 };

/* Appends with acks=1 are synced as well, a little later: looks once a second at what was appended to. */
static void look_for_syncs(delay_timer *t)
{
    broker *b = container_of(t, broker, sync_timer);
    broker_partition **at = &b->unsynced;
    while (*at) {
        broker_partition *p = *at;
        plog *log = atomic_load(&p->log);
        bool clean = atomic_load(&p->gone) || plog_failed(log) || plog_synced_end(log) >= plog_end(log);
        if (!clean && plog_sync_due(log, b->now.wall_ms)) ask_sync(p);
        if (!clean) {
            at = &p->unsynced_next;
            continue;
        }
        *at = p->unsynced_next;
        p->unsynced = false;
        broker_partition_release(p);
    }
    if (b->unsynced) broker_timer(b, t, SYNC_LOOK_MS);
}

void partition_note_append(broker_partition *p)
{
    broker *b = p->b;
    if (p->unsynced) return;
    p->unsynced = true;
    p->unsynced_next = b->unsynced;
    b->unsynced = partition_ref(p);
    b->sync_timer.fire = look_for_syncs;
    if (!delay_is_set(&b->sync_timer)) broker_timer(b, &b->sync_timer, SYNC_LOOK_MS);
}
