/* Syncing and checkpoints: what must be on disk before somebody is told that it is. */
#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker/plog_int.h"

/* One segment as it was when the sync began. */
typedef struct sync_item {
    segment *s;
    uint64_t size;
    uint64_t writes, txn_writes, offset_writes, time_writes;
    bool log_dirty, txns_dirty, offsets_dirty, times_dirty;
} sync_item;

/* What one sync brings to disk. */
typedef struct sync_work {
    segment_list *list;
    sync_item *items;
    int64_t end;
    int64_t index_base, index_position;
    bool folder_dirty, parent_dirty, epochs_dirty, checkpoint;
    buf epochs, snapshot;
    bool has_snapshot;
} sync_work;

/* Looks at the log while nobody appends: what is dirty now is what this sync is about. */
static bool take_work(plog *log, bool checkpoint, sync_work *w, diag *d)
{
    pthread_mutex_lock(&log->append_mutex);
    w->checkpoint = checkpoint || log->checkpoint_due;
    bool ok = true;
    if (w->checkpoint && log->active) ok = segment_seal(log->active, d) && segment_flush_indexes(log->active, d);
    w->list = plog_list(log);
    w->items = calloc((size_t)w->list->n + 1, sizeof *w->items);
    check(w->items != NULL);
    w->end = plog_end(log);
    bool index_files = false; /* one of them may be new, so the folder is synced as well */
    for (int i = 0; i < w->list->n; i++) {
        segment *s = w->list->s[i];
        sync_item *it = &w->items[i];
        it->s = s;
        it->size = atomic_load_explicit(&s->size, memory_order_relaxed);
        it->log_dirty = it->size != s->synced_size;
        it->txns_dirty = s->txns_unsynced;
        it->offsets_dirty = w->checkpoint && s->offsets.unsynced;
        it->times_dirty = w->checkpoint && s->times.unsynced;
        index_files = index_files || it->offsets_dirty || it->times_dirty;
        if (it->log_dirty) it->writes = segment_file_writes(s->log);
        if (it->txns_dirty) it->txn_writes = segment_file_writes(s->txns);
        if (it->offsets_dirty) it->offset_writes = segment_file_writes(s->offsets.file);
        if (it->times_dirty) it->time_writes = segment_file_writes(s->times.file);
        s->txns_unsynced = false;
        if (w->checkpoint) s->offsets.unsynced = s->times.unsynced = false;
    }
    if (w->list->n > 0) {
        w->index_base = w->list->s[w->list->n - 1]->base;
        w->index_position = (int64_t)w->items[w->list->n - 1].size;
    }
    w->folder_dirty = log->folder_dirty || index_files;
    w->parent_dirty = log->parent_dirty;
    w->epochs_dirty = log->epochs_dirty;
    log->folder_dirty = log->parent_dirty = log->epochs_dirty = false;
    if (w->epochs_dirty) buf_add(&w->epochs, log->epochs.data, log->epochs.len);
    if (w->checkpoint) {
        log->checkpoint_due = false;
        log->indexed_bytes = 0;
        w->has_snapshot = log->producers.count > 0;
        if (w->has_snapshot) producer_state_save(&log->producers, &w->snapshot);
    }
    atomic_store_explicit(&log->unsynced_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&log->unsynced_since, INT64_MAX, memory_order_relaxed);
    pthread_mutex_unlock(&log->append_mutex);
    return ok;
}

static void free_work(sync_work *w)
{
    segment_list_release(w->list);
    free(w->items);
    buf_free(&w->epochs);
    buf_free(&w->snapshot);
}

static bool sync_log(sync_item *it, diag *d)
{
    file *f;
    if (!it->log_dirty) return true;
    if (!segment_file_pin(it->s->log, false, &f, d)) return false;
    bool ok = file_sync(f, FILE_SYNC_DATA, d);
    if (ok) segment_file_synced(it->s->log, it->writes);
    segment_file_unpin(it->s->log);
    if (ok) it->s->synced_size = it->size;
    return ok;
}

static bool sync_txns(sync_item *it, diag *d)
{
    file *f;
    if (!it->txns_dirty) return true;
    if (!segment_file_pin(it->s->txns, false, &f, d)) return false;
    bool ok = file_sync(f, FILE_SYNC_DATA, d);
    if (ok) segment_file_synced(it->s->txns, it->txn_writes);
    segment_file_unpin(it->s->txns);
    return ok;
}

static bool sync_offsets(sync_item *it, diag *d)
{
    file *f;
    if (!it->offsets_dirty) return true;
    if (!segment_file_pin(it->s->offsets.file, false, &f, d)) return false;
    bool ok = file_sync(f, FILE_SYNC_DATA, d);
    if (ok) segment_file_synced(it->s->offsets.file, it->offset_writes);
    segment_file_unpin(it->s->offsets.file);
    return ok;
}

static bool sync_times(sync_item *it, diag *d)
{
    file *f;
    if (!it->times_dirty) return true;
    if (!segment_file_pin(it->s->times.file, false, &f, d)) return false;
    bool ok = file_sync(f, FILE_SYNC_DATA, d);
    if (ok) segment_file_synced(it->s->times.file, it->time_writes);
    segment_file_unpin(it->s->times.file);
    return ok;
}

static bool sync_parent(plog *log, diag *d)
{
    char path[PATH_MAX];
    memcpy(path, log->folder, strlen(log->folder) + 1);
    char *slash = strrchr(path, '/');
    if (!slash) return fs_sync_dir(log->fs, ".", d);
    slash[slash == path] = '\0';
    return fs_sync_dir(log->fs, path, d);
}

/* The files first, then the folders that name them, then the checkpoint that speaks of both. */
static bool do_work(plog *log, sync_work *w, diag *d)
{
    for (int i = 0; i < w->list->n; i++) {
        if (!sync_log(&w->items[i], d) || !sync_txns(&w->items[i], d)) return false;
        if (!sync_offsets(&w->items[i], d) || !sync_times(&w->items[i], d)) return false;
    }
    if (w->epochs_dirty) {
        if (!plog_epochs_write(log, (const plog_epoch *)(const void *)w->epochs.data,
                               w->epochs.len / sizeof(plog_epoch), d)) {
            return false;
        }
        w->folder_dirty = true;
    }
    diag ignored = {0};
    if (w->has_snapshot) {
        /* A full disk keeps the last checkpoint in force. */
        if (!plog_snapshot_write(log, w->end, &w->snapshot, &ignored)) w->checkpoint = false;
        w->folder_dirty = true;
    }
    if (w->folder_dirty && !fs_sync_dir(log->fs, log->folder, d)) return false;
    if (w->parent_dirty && !sync_parent(log, d)) return false;
    log->point.recovery = w->end;
    log->point.log_start = plog_start(log);
    if (w->checkpoint) {
        log->point.index_point = w->end;
        log->point.index_base = w->index_base;
        log->point.index_position = w->index_position;
        log->point.has_snapshot = w->has_snapshot;
    }
    /*
     * A recovery point that is not written costs the next start a longer walk and nothing else. An index point is
     * synced, as the snapshot of the one before is removed next.
     */
    if (!plog_point_write(log, w->checkpoint, &ignored)) return true;
    if (w->checkpoint) plog_snapshots_prune(log, w->end);
    return true;
}

bool plog_sync_locked(plog *log, bool checkpoint, diag *d)
{
    if (atomic_load(&log->deleted)) return diag_set(d, DIAG_NOT_FOUND, "%s was deleted", log->folder);
    if (plog_failed(log)) return diag_set(d, DIAG_IO, "an earlier write or sync of %s failed", log->folder);
    sync_work w = {0};
    diag own = {0};
    bool ok = take_work(log, checkpoint, &w, &own) && do_work(log, &w, &own);
    if (ok) {
        atomic_store_explicit(&log->synced_end, w.end, memory_order_release);
    } else {
        plog_fail(log, &own);
        if (!diag_is_set(d)) *d = own;
    }
    free_work(&w);
    return ok;
}

bool plog_sync(plog *log, diag *d)
{
    int64_t wanted = plog_end(log);
    if (plog_synced_end(log) >= wanted && !plog_failed(log)) return true;
    pthread_mutex_lock(&log->sync_mutex);
    bool ok = true;
    if (plog_failed(log) || plog_synced_end(log) < wanted) ok = plog_sync_locked(log, false, d);
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

bool plog_checkpoint(plog *log, diag *d)
{
    pthread_mutex_lock(&log->sync_mutex);
    bool nothing =
        plog_synced_end(log) == plog_end(log) && log->point.index_point == plog_end(log) && !plog_failed(log);
    bool ok = nothing || plog_sync_locked(log, true, d);
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

bool plog_flush_wanted(plog *log)
{
    plog_config c;
    plog_get_config(log, &c);
    return plog_end(log) - plog_synced_end(log) >= c.flush_messages;
}

bool plog_sync_due(plog *log, int64_t now_ms)
{
    plog_config c;
    if (plog_failed(log)) return false;
    if (atomic_load_explicit(&log->unsynced_bytes, memory_order_relaxed) >= PLOG_SYNC_BYTES) return true;
    plog_get_config(log, &c);
    int64_t since = atomic_load_explicit(&log->unsynced_since, memory_order_relaxed);
    int64_t most = c.flush_ms < PLOG_SYNC_MS ? c.flush_ms : PLOG_SYNC_MS;
    return since != INT64_MAX && (now_ms - since >= most || plog_flush_wanted(log));
}
