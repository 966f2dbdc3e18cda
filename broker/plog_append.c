/* Appending: the sequence check, the offset and one pwritev under the partition's mutex. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/plog_int.h"

void plog_note_epoch(plog *log, int32_t epoch, int64_t offset)
{
    plog_epoch next = {epoch, offset};
    pthread_mutex_lock(&log->list_mutex);
    size_t n = log->epochs.len / sizeof next;
    const plog_epoch *e = (const plog_epoch *)(const void *)log->epochs.data;
    if (n == 0 || e[n - 1].epoch < epoch) {
        buf_add(&log->epochs, &next, sizeof next);
        log->epochs_dirty = true;
    }
    pthread_mutex_unlock(&log->list_mutex);
}

bool plog_make_folder(plog *log, diag *d)
{
    if (log->folder_made) return true;
    bool made;
    if (!fs_mkdir(log->fs, log->folder, &made, d)) return false;
    log->folder_made = true;
    log->parent_dirty = true;
    return true;
}

/* Indexes of this name belong to a segment that a power loss took: its entries would count again at the next start. */
static bool drop_stale_indexes(plog *log, int64_t base, diag *d)
{
    static const char *const suffixes[] = {".index", ".timeindex", ".txnindex"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char name[64], path[PATH_MAX];
        snprintf(name, sizeof name, "%020lld%s", (long long)base, suffixes[i]);
        plog_path(log, path, sizeof path, name);
        diag own = {0};
        if (fs_unlink(log->fs, path, &own) || own.code == DIAG_NOT_FOUND) continue;
        if (!diag_is_set(d)) *d = own;
        return false;
    }
    return true;
}

bool plog_roll(plog *log, int64_t now_ms, diag *d)
{
    segment *old = log->active;
    if (old && (!segment_seal(old, d) || !segment_flush_indexes(old, d))) return false;
    if (!plog_make_folder(log, d) || !drop_stale_indexes(log, plog_end(log), d)) return false;
    segment *fresh = segment_new(log->env, log->folder, plog_end(log), 0, 0, 0, 0, now_ms);
    file *f;
    if (!segment_file_pin_write(fresh->log, true, &f, d)) {
        segment_unref(fresh);
        return false;
    }
    /* Something is left here only when an earlier roll failed half-way. */
    bool ok = file_truncate(f, 0, d);
    segment_file_unpin(fresh->log);
    if (!ok) {
        segment_unref(fresh);
        return false;
    }
    int n = log->list->n;
    segment **s = calloc((size_t)n + 1, sizeof *s);
    check(s != NULL);
    for (int i = 0; i < n; i++) {
        s[i] = log->list->s[i];
        segment_ref(s[i]);
    }
    s[n] = fresh;
    plog_set_list(log, s, n + 1);
    free(s);
    log->folder_dirty = true;
    log->checkpoint_due = true;
    return true;
}

/* What a segment's time is shortened by, so that the segments of many logs do not all roll at once. */
static int64_t jitter_of(const plog *log, const segment *s, const plog_config *c)
{
    int64_t most = c->segment_jitter_ms < c->segment_ms ? c->segment_jitter_ms : c->segment_ms;
    if (most <= 0) return 0;
    uint64_t spread = hash_u64(hash_bytes(log->folder, strlen(log->folder)) ^ (uint64_t)s->base);
    return (int64_t)(spread % (uint64_t)most);
}

/* Kafka's LogSegment.shouldRoll. */
static bool must_roll(const plog *log, const plog_config *c, const batch_header *h, int64_t now_ms)
{
    segment *s = log->active;
    if (!s) return true;
    int64_t size = (int64_t)atomic_load_explicit(&s->size, memory_order_relaxed);
    if (size == 0) return plog_end(log) + h->last_offset_delta - s->base > INT32_MAX;
    if (size + batch_size(h) > c->segment_bytes) return true;
    int64_t waited =
        s->first_time >= 0 && h->max_timestamp >= 0 ? h->max_timestamp - s->first_time : now_ms - s->made_ms;
    /* What must be compacted in time must not stay in the active segment for longer. */
    bool lagging = c->policy_compact && waited > c->max_compaction_lag_ms;
    if (waited > c->segment_ms - jitter_of(log, s, c) || lagging) return true;
    enum { OFFSET_WIDTH = 8, TIME_WIDTH = 12 };
    if (((int64_t)segment_index_count(&s->offsets) + 1) * OFFSET_WIDTH > c->segment_index_bytes) return true;
    if (((int64_t)segment_index_count(&s->times) + 1) * TIME_WIDTH > c->segment_index_bytes) return true;
    return plog_end(log) + h->last_offset_delta - s->base > INT32_MAX;
}

static bool refuse(plog_appended *out, kafka_error error, const char *message)
{
    out->error = error;
    out->message = message;
    return false;
}

static bool storage_error(plog *log, plog_appended *out, const diag *d)
{
    plog_report(log, d);
    bool full = d->os_error == ENOSPC || d->os_error == EDQUOT;
    return refuse(out, KAFKA_KAFKA_STORAGE_ERROR,
                  full ? "the log cannot be written: there is no space left on the disk" : "the log cannot be written");
}

/* Gives the batch its place and writes it; the log is unchanged when this fails. append_mutex. */
static bool write_batch(plog *log, batch_checked *b, int64_t now_ms, plog_appended *out)
{
    diag d = {0};
    plog_config c;
    plog_get_config(log, &c);
    batch_header *h = &b->header;
    if (must_roll(log, &c, h, now_ms) && !plog_roll(log, now_ms, &d)) return storage_error(log, out, &d);
    segment *s = log->active;
    h->base_offset = plog_end(log);
    h->leader_epoch = log->leader_epoch;
    store_be64(b->data, (uint64_t)h->base_offset);
    store_be32(b->data + 12, (uint32_t)h->leader_epoch);
    segment_written written = segment_write(s, b->data, b->size, &d);
    if (written == SEGMENT_BROKEN) plog_fail(log, &d);
    if (written != SEGMENT_WRITTEN) return storage_error(log, out, &d);
    segment_note(s, h, c.index_interval_bytes);
    plog_note_epoch(log, h->leader_epoch, h->base_offset);
    return true;
}

/* Makes what was written visible: first the size, then the end, so that an end that was seen can be read. */
static void publish(plog *log, const batch_checked *b, int64_t now_ms)
{
    segment_publish(log->active, b->size);
    atomic_fetch_add_explicit(&log->bytes, (int64_t)b->size, memory_order_relaxed);
    atomic_store_explicit(&log->end, batch_last_offset(&b->header) + 1, memory_order_release);
    plog_publish_stable(log);
    log->indexed_bytes += (int64_t)b->size;
    if (log->indexed_bytes >= PLOG_SYNC_BYTES) log->checkpoint_due = true;
    atomic_fetch_add_explicit(&log->unsynced_bytes, (int64_t)b->size, memory_order_relaxed);
    int64_t none = INT64_MAX;
    atomic_compare_exchange_strong(&log->unsynced_since, &none, now_ms);
}

static bool in_service(plog *log, plog_appended *out)
{
    *out = (plog_appended){.base_offset = -1, .last_offset = -1, .append_time_ms = -1, .log_start = plog_start(log)};
    if (atomic_load_explicit(&log->deleted, memory_order_acquire)) {
        return refuse(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    }
    if (plog_failed(log)) return refuse(out, KAFKA_KAFKA_STORAGE_ERROR, "an earlier write or sync of the log failed");
    return true;
}

static bool append_locked(plog *log, batch_checked *b, plog_origin origin, int64_t now_ms, plog_appended *out)
{
    if (!in_service(log, out)) return false;
    const batch_header *h = &b->header;
    if (h->producer_id >= 0) {
        producer_verdict v = producer_state_check(&log->producers, h, origin);
        if (v.error != KAFKA_NONE) return refuse(out, v.error, NULL);
        if (v.duplicate) {
            out->duplicate = true;
            out->last_offset = v.original.last_offset;
            out->base_offset = v.original.last_offset - v.original.offset_delta;
            out->append_time_ms = h->attributes & BATCH_LOG_APPEND_TIME ? v.original.timestamp : -1;
            return true;
        }
    }
    if (!write_batch(log, b, now_ms, out)) return false;
    if (h->producer_id >= 0) producer_state_add(&log->producers, h, now_ms);
    publish(log, b, now_ms);
    out->base_offset = h->base_offset;
    out->last_offset = batch_last_offset(h);
    if (h->attributes & BATCH_LOG_APPEND_TIME) out->append_time_ms = h->max_timestamp;
    return true;
}

static void tell(plog *log, bool appended)
{
    if (appended && log->listener) log->listener(log->listener_arg, log);
}

bool plog_append(plog *log, batch_checked *batch, plog_origin origin, int64_t now_ms, plog_appended *out)
{
    check(batch->error == KAFKA_NONE && !(batch->header.attributes & BATCH_CONTROL));
    pthread_mutex_lock(&log->append_mutex);
    bool ok = append_locked(log, batch, origin, now_ms, out);
    pthread_mutex_unlock(&log->append_mutex);
    tell(log, ok && !out->duplicate);
    return ok;
}

static bool marker_locked(plog *log, int64_t id, int16_t epoch, int32_t coordinator_epoch, bool commit, int64_t now_ms,
                          plog_appended *out)
{
    if (!in_service(log, out)) return false;
    kafka_error error = producer_state_check_marker(&log->producers, id, epoch, coordinator_epoch);
    if (error != KAFKA_NONE) return refuse(out, error, NULL);
    uint8_t *data;
    size_t n;
    batch_checked b;
    batch_marker(&log->marker, id, epoch, coordinator_epoch, commit, now_ms, &data, &n);
    batch_trust(data, n, &b);
    if (!write_batch(log, &b, now_ms, out)) return false;
    int64_t first = producer_state_end(&log->producers, id, epoch, coordinator_epoch, now_ms);
    if (first >= 0 && !commit) {
        int64_t open = producer_state_first_open(&log->producers);
        segment_txn t = {id, first, b.header.base_offset, open >= 0 ? open : b.header.base_offset + 1};
        diag d = {0};
        if (!segment_add_txn(log->active, &t, &log->folder_dirty, &d)) {
            /* Without this entry readers would take the aborted records for committed ones. */
            plog_fail(log, &d);
            return storage_error(log, out, &d);
        }
    }
    publish(log, &b, now_ms);
    out->base_offset = out->last_offset = b.header.base_offset;
    return true;
}

bool plog_append_marker(plog *log, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch, bool commit,
                        int64_t now_ms, plog_appended *out)
{
    pthread_mutex_lock(&log->append_mutex);
    bool ok = marker_locked(log, producer_id, producer_epoch, coordinator_epoch, commit, now_ms, out);
    pthread_mutex_unlock(&log->append_mutex);
    tell(log, ok);
    return ok;
}
