/*
 * Putting a compacted segment in the place of the ones it was made of, so that a power loss leaves either.
 *
 * Kafka's endings tell how far it came. Files that end in .cleaned are of no use to a start. Once <base>.log.swap has
 * its name durably, the new segment is the truth: the indexes had theirs before, and a start carries the rest out, as
 * often as it takes: the old segments go, the indexes take their places, and at last the log does.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/plog_int.h"

enum { BASE_DIGITS = 20 };

static const char *const side_kinds[] = {".index", ".timeindex", ".txnindex"};

static const char *path_of(const plog *log, char *out, int64_t base, const char *kind, const char *ending)
{
    char name[BASE_DIGITS + SEGMENT_SUFFIX_MAX + 1];
    snprintf(name, sizeof name, "%020lld%s%s", (long long)base, kind, ending);
    plog_path(log, out, PATH_MAX, name);
    return out;
}

static bool rename_kind(plog *log, int64_t base, const char *kind, const char *from, const char *to, diag *d)
{
    char a[PATH_MAX], b[PATH_MAX];
    return fs_rename(log->fs, path_of(log, a, base, kind, from), path_of(log, b, base, kind, to), d);
}

static bool unlink_if_there(plog *log, const char *path, diag *d)
{
    diag own = {0};
    if (fs_unlink(log->fs, path, &own) || own.code == DIAG_NOT_FOUND) return true;
    if (!diag_is_set(d)) *d = own;
    return false;
}

void plog_discard_aside(plog *log, segment *fresh)
{
    diag ignored = {0};
    segment_file *files[] = {fresh->log, fresh->offsets.file, fresh->times.file, fresh->txns};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) unlink_if_there(log, segment_file_path(files[i]), &ignored);
}

/* Whether the n segments still follow each other in the list; the number of the first is in *at. */
static bool all_listed(const segment_list *l, segment *const *old, int n, int *at)
{
    for (*at = 0; *at < l->n && l->s[*at] != old[0]; (*at)++) continue;
    if (*at + n >= l->n) return false; /* the last of the list is the active one and no candidate */
    for (int i = 0; i < n; i++)
        if (l->s[*at + i] != old[i]) return false;
    return true;
}

/* From here on a start finishes it: the old segments go and the indexes take their names, the log comes last. */
static bool carry_out(plog *log, segment *const *old, int n, diag *d)
{
    int64_t base = old[0]->base;
    for (int i = 1; i < n; i++)
        if (!segment_unlink(old[i], d)) return false;
    for (size_t i = 0; i < ARRAY_LEN(side_kinds); i++)
        if (!rename_kind(log, base, side_kinds[i], SEGMENT_SWAP, "", d)) return false;
    /* Else an old segment could come back beside the one that has taken its offsets over. */
    return fs_sync_dir(log->fs, log->folder, d) && rename_kind(log, base, ".log", SEGMENT_SWAP, "", d);
}

static void replace_in_list(plog *log, segment *fresh, int at, int n)
{
    pthread_mutex_lock(&log->append_mutex);
    int left = log->list->n - n + 1;
    segment **s = calloc((size_t)left, sizeof *s);
    check(s != NULL);
    for (int i = 0, k = 0; i < log->list->n; i++) {
        if (i >= at && i < at + n) {
            if (i == at) s[k++] = fresh;
            continue;
        }
        s[k] = log->list->s[i];
        segment_ref(s[k++]);
    }
    plog_set_list(log, s, left);
    free(s);
    log->folder_dirty = true;
    pthread_mutex_unlock(&log->append_mutex);
}

/* sync_mutex, so that neither retention nor deletion comes in between. */
static bool swap_locked(plog *log, segment *fresh, segment *const *old, int n, int at, int64_t now_ms, diag *d)
{
    int64_t base = fresh->base;
    for (int i = 0; i < n; i++)
        if (!segment_keep_open(old[i], d)) return false;
    for (size_t i = 0; i < ARRAY_LEN(side_kinds); i++)
        if (!rename_kind(log, base, side_kinds[i], SEGMENT_CLEANED, SEGMENT_SWAP, d)) return false;
    if (!fs_sync_dir(log->fs, log->folder, d)) return false;
    if (!rename_kind(log, base, ".log", SEGMENT_CLEANED, SEGMENT_SWAP, d)) return false;
    bool ok = fs_sync_dir(log->fs, log->folder, d) && carry_out(log, old, n, d);
    if (!ok) {
        /* Half of it may be done, which only a start can sort out. */
        plog_fail(log, d);
        return false;
    }
    int64_t before = 0, after = (int64_t)atomic_load(&fresh->size);
    for (int i = 0; i < n; i++) before += (int64_t)atomic_load(&old[i]->size);
    segment *s = segment_new(log->env, log->folder, base, (uint64_t)after, segment_index_count(&fresh->offsets),
                             segment_index_count(&fresh->times), atomic_load(&fresh->txn_count), now_ms);
    s->synced_size = (uint64_t)after;
    s->made_ms = old[n - 1]->made_ms;
    replace_in_list(log, s, at, n);
    atomic_fetch_add(&log->bytes, after - before);
    return true;
}

bool plog_swap(plog *log, segment *fresh, segment *const *old, int n, int64_t now_ms, bool *done, diag *d)
{
    *done = false;
    pthread_mutex_lock(&log->sync_mutex);
    segment_list *l = plog_list(log);
    int at;
    bool ok = true;
    if (!atomic_load(&log->deleted) && !plog_failed(log) && all_listed(l, old, n, &at)) {
        ok = swap_locked(log, fresh, old, n, at, now_ms, d);
        *done = ok;
    }
    segment_list_release(l);
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

/* ---- at a start ------------------------------------------------------------------------------------------------ */

/* Offset behind the last batch of a segment that waits for its place. */
static bool end_of_swap(plog *log, int64_t base, int64_t *end, diag *d)
{
    char path[PATH_MAX];
    file *f;
    uint64_t size = 0, at = 0;
    if (!fs_open(log->fs, path_of(log, path, base, ".log", SEGMENT_SWAP), FILE_READONLY, &f, d)) return false;
    bool ok = file_size(f, &size, d);
    *end = base;
    while (ok && at < size) {
        uint8_t bytes[BATCH_HEADER];
        batch_header h = {0};
        ok = file_read_all(f, at, bytes, sizeof bytes, d);
        if (ok) batch_header_read(bytes, &h);
        if (ok && (h.length < BATCH_HEADER - BATCH_PREFIX || h.base_offset < *end || h.last_offset_delta < 0)) {
            ok = diag_set(d, DIAG_CORRUPT, "%s is corrupt at byte %llu", path, (unsigned long long)at);
        }
        if (!ok) break;
        at += (uint64_t)batch_size(&h);
        *end = batch_last_offset(&h) + 1;
    }
    file_close(f);
    return ok;
}

static bool base_of(str name, const char *ending, int64_t *base)
{
    return name.n > BASE_DIGITS && str_ends(name, str_z(ending)) && str_to_i64(str_of(name.p, BASE_DIGITS), base);
}

/* Removes the segments after `base` whose offsets a swapped one has taken over. */
static bool remove_old(plog *log, const fs_entry *entries, size_t count, int64_t base, int64_t end, diag *d)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < count; i++) {
        int64_t other;
        str name = entries[i].name;
        bool of_segment = base_of(name, ".log", &other) || base_of(name, ".index", &other) ||
                          base_of(name, ".timeindex", &other) || base_of(name, ".txnindex", &other);
        if (!of_segment || other <= base || other >= end) continue;
        plog_path(log, path, sizeof path, name.p);
        if (!unlink_if_there(log, path, d)) return false;
    }
    return true;
}

static bool finish_swap(plog *log, const fs_entry *entries, size_t count, int64_t base, diag *d)
{
    char from[PATH_MAX];
    int64_t end;
    if (!end_of_swap(log, base, &end, d) || !remove_old(log, entries, count, base, end, d)) return false;
    log_info("broker", "%s: completing the compaction of offsets %lld to %lld", log->folder, (long long)base,
             (long long)end - 1);
    for (size_t i = 0; i < ARRAY_LEN(side_kinds); i++) {
        if (!fs_exists(log->fs, path_of(log, from, base, side_kinds[i], SEGMENT_SWAP))) continue;
        if (!rename_kind(log, base, side_kinds[i], SEGMENT_SWAP, "", d)) return false;
    }
    return fs_sync_dir(log->fs, log->folder, d) && rename_kind(log, base, ".log", SEGMENT_SWAP, "", d);
}

bool plog_finish_swaps(plog *log, diag *d)
{
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    char path[PATH_MAX];
    bool ok = fs_list(log->fs, log->folder, a, &entries, &count, d);
    for (size_t i = 0; ok && i < count; i++) {
        int64_t base;
        if (base_of(entries[i].name, ".log" SEGMENT_SWAP, &base)) ok = finish_swap(log, entries, count, base, d);
    }
    /* What is left was not whole, or its log had not got its name. */
    for (size_t i = 0; ok && i < count; i++) {
        str name = entries[i].name;
        if (!str_ends(name, STR(SEGMENT_CLEANED)) && !str_ends(name, STR(SEGMENT_SWAP))) continue;
        plog_path(log, path, sizeof path, name.p);
        ok = unlink_if_there(log, path, d);
    }
    arena_free(a);
    return ok;
}
