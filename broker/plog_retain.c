/* Getting shorter: retention, DeleteRecords, and the removal of a whole log. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/plog_int.h"

/* Forgets epochs that ended at or below the start, but the one that holds it. append_mutex. */
static void trim_epochs(plog *log, int64_t start)
{
    pthread_mutex_lock(&log->list_mutex);
    plog_epoch *e = (plog_epoch *)(void *)log->epochs.data;
    size_t n = log->epochs.len / sizeof *e, gone = 0;
    while (gone + 1 < n && e[gone + 1].start <= start) gone++;
    if (gone > 0) {
        memmove(e, e + gone, (n - gone) * sizeof *e);
        log->epochs.len = (n - gone) * sizeof *e;
        log->epochs_dirty = true;
    }
    pthread_mutex_unlock(&log->list_mutex);
}

/* Moves the start of the log up, durably before anybody can rely on it. sync_mutex. */
static bool move_start(plog *log, int64_t start, diag *d)
{
    if (start <= plog_start(log)) return true;
    log->point.log_start = start;
    diag own = {0};
    if (!plog_point_write(log, true, &own)) {
        plog_fail(log, &own);
        if (!diag_is_set(d)) *d = own;
        return false;
    }
    pthread_mutex_lock(&log->append_mutex);
    atomic_store_explicit(&log->start, start, memory_order_release);
    plog_publish_stable(log);
    trim_epochs(log, start);
    pthread_mutex_unlock(&log->append_mutex);
    return true;
}

bool plog_delete_records(plog *log, int64_t offset, int64_t *low_watermark, kafka_error *error, diag *d)
{
    *low_watermark = -1;
    *error = KAFKA_NONE;
    pthread_mutex_lock(&log->sync_mutex);
    int64_t end = plog_end(log);
    if (offset == -1) offset = end;
    bool ok = true;
    if (offset < 0 || offset > end) {
        *error = KAFKA_OFFSET_OUT_OF_RANGE;
        ok = diag_set(d, DIAG_INVALID, "the offset %lld is beyond the end %lld", (long long)offset, (long long)end);
    } else if (plog_failed(log)) {
        ok = diag_set(d, DIAG_IO, "an earlier write or sync of %s failed", log->folder);
    } else {
        /* The start must not lie above what a power loss would leave. */
        ok = (plog_synced_end(log) >= offset || plog_sync_locked(log, false, d)) && move_start(log, offset, d);
    }
    if (!ok && *error == KAFKA_NONE) *error = KAFKA_KAFKA_STORAGE_ERROR;
    if (ok) *low_watermark = plog_start(log);
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

/* How many segments at the front may go, by Kafka's rules. The last one counts: it is rolled first. */
static bool count_expired(plog *log, const segment_list *l, const plog_config *c, int64_t now_ms, int *count, diag *d)
{
    int64_t start = plog_start(log), excess = plog_bytes(log) - c->retention_bytes;
    bool by_size = c->policy_delete && c->retention_bytes >= 0;
    int i = 0;
    for (; i < l->n; i++) {
        segment *s = l->s[i];
        int64_t size = (int64_t)atomic_load(&s->size), time;
        if (size == 0 && i + 1 == l->n) break;
        bool below = i + 1 < l->n && l->s[i + 1]->base <= start;
        bool over = by_size && excess - size >= 0;
        bool old = false;
        if (c->policy_delete && c->retention_ms >= 0) {
            if (!segment_max_time(s, &time, d)) return false;
            /* Without any timestamp the age is that of the file. */
            old = now_ms - (time >= 0 ? time : s->made_ms) > c->retention_ms;
        }
        if (!below && !over && !old) break;
        excess -= size;
    }
    *count = i;
    return true;
}

/* Takes the first segments out of the list and unlinks them. sync_mutex. */
static bool drop_front(plog *log, int count, diag *d)
{
    segment_list *l = plog_list(log);
    check(count < l->n);
    bool ok = move_start(log, l->s[count]->base, d);
    if (ok) {
        pthread_mutex_lock(&log->append_mutex);
        int n = log->list->n - count;
        segment **left = calloc((size_t)n, sizeof *left);
        check(left != NULL);
        for (int i = 0; i < n; i++) {
            left[i] = log->list->s[count + i];
            segment_ref(left[i]);
        }
        plog_set_list(log, left, n);
        free(left);
        log->folder_dirty = true;
        pthread_mutex_unlock(&log->append_mutex);
    }
    for (int i = 0; ok && i < count; i++) {
        atomic_fetch_sub(&log->bytes, (int64_t)atomic_load(&l->s[i]->size));
        ok = segment_unlink(l->s[i], d);
    }
    segment_list_release(l);
    return ok;
}

bool plog_retain(plog *log, int64_t now_ms, int *removed, diag *d)
{
    plog_config c;
    plog_get_config(log, &c);
    *removed = 0;
    if (plog_failed(log)) return true;
    pthread_mutex_lock(&log->sync_mutex);
    segment_list *l = plog_list(log);
    int count = 0;
    bool ok = count_expired(log, l, &c, now_ms, &count, d);
    bool all = count > 0 && count == l->n;
    segment_list_release(l);
    if (ok && all) {
        /* The offsets of the log must outlive its records: an empty segment goes on from the end. */
        pthread_mutex_lock(&log->append_mutex);
        ok = plog_roll(log, now_ms, d);
        pthread_mutex_unlock(&log->append_mutex);
    }
    /* The start moves over what must be on disk first, the new segment's entry included. */
    if (ok && count > 0) ok = plog_sync_locked(log, true, d);
    if (ok && count > 0) ok = drop_front(log, count, d);
    if (ok) *removed = count;
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

static bool remove_folder(fs *sys, const char *folder, diag *d)
{
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    bool ok = fs_list(sys, folder, a, &entries, &count, d);
    for (size_t i = 0; ok && i < count; i++) {
        ok = fs_unlink(sys, arena_printf(a, "%s/%s", folder, entries[i].name.p).p, d);
    }
    arena_free(a);
    return ok && fs_rmdir(sys, folder, d);
}

static bool sync_above(fs *sys, const char *path, diag *d)
{
    char above[PATH_MAX];
    size_t n = strlen(path);
    check(n < sizeof above);
    memcpy(above, path, n + 1);
    char *slash = strrchr(above, '/');
    if (!slash) return fs_sync_dir(sys, ".", d);
    slash[slash == above] = '\0';
    return fs_sync_dir(sys, above, d);
}

bool plog_delete(plog *log, int64_t now_ms, diag *d)
{
    pthread_mutex_lock(&log->sync_mutex);
    pthread_mutex_lock(&log->append_mutex);
    atomic_store(&log->deleted, true);
    segment_list *l = plog_list(log);
    plog_set_list(log, NULL, 0);
    pthread_mutex_unlock(&log->append_mutex);
    bool ok = true;
    char gone[PATH_MAX];
    int len = snprintf(gone, sizeof gone, "%s.%lld-delete", log->folder, (long long)now_ms);
    check(len > 0 && (size_t)len < sizeof gone);
    if (log->folder_made) {
        /* Segments first: those that a reader holds are opened before their names go. */
        ok = fs_exists(log->fs, log->folder);
        for (int i = 0; ok && i < l->n; i++) ok = segment_keep_open(l->s[i], d);
        ok = ok && fs_rename(log->fs, log->folder, gone, d) && sync_above(log->fs, log->folder, d) &&
             remove_folder(log->fs, gone, d);
    }
    segment_list_release(l);
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

bool plog_remove_leftovers(plog_env *env, const char *topics, diag *d)
{
    fs *sys = plog_env_fs(env);
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    bool ok = fs_list(sys, topics, a, &entries, &count, d);
    for (size_t i = 0; ok && i < count; i++) {
        if (!entries[i].is_dir || !str_ends(entries[i].name, STR("-delete"))) continue;
        ok = remove_folder(sys, arena_printf(a, "%s/%s", topics, entries[i].name.p).p, d);
    }
    arena_free(a);
    return ok;
}
