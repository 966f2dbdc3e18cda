#include "broker/segment.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"

enum { MAGIC_NOW = 2, LOCATE_BLOCK = 8192 };

/* Writes ".<kind><ending>" behind the stem of a path that has room for it. */
static void put_suffix(char *at, const char *kind, const char *ending)
{
    int n = snprintf(at, SEGMENT_SUFFIX_MAX, "%s%s", kind, ending);
    check(n > 0 && n < SEGMENT_SUFFIX_MAX);
}

static segment *make(plog_env *env, const char *folder, int64_t base, const char *ending, uint32_t offset_entries,
                     uint32_t time_entries)
{
    segment *s = calloc(1, sizeof *s);
    check(s != NULL);
    char path[PATH_MAX];
    int stem = snprintf(path, sizeof path - SEGMENT_SUFFIX_MAX, "%s/%020lld", folder, (long long)base);
    check(stem > 0 && (size_t)stem < sizeof path - SEGMENT_SUFFIX_MAX);
    atomic_init(&s->counts, 1);
    s->fs = plog_env_fs(env);
    s->base = base;
    put_suffix(path + stem, ".log", ending);
    s->log = segment_file_new(env, path);
    put_suffix(path + stem, ".txnindex", ending);
    s->txns = segment_file_new(env, path);
    put_suffix(path + stem, ".index", ending);
    segment_index_init(&s->offsets, INDEX_OFFSET, env, path, offset_entries);
    put_suffix(path + stem, ".timeindex", ending);
    segment_index_init(&s->times, INDEX_TIME, env, path, time_entries);
    return s;
}

segment *segment_new_aside(plog_env *env, const char *folder, int64_t base, const char *ending, int64_t now_ms)
{
    segment *s = make(env, folder, base, ending, 0, 0);
    atomic_init(&s->corrupt_from, UINT64_MAX);
    atomic_init(&s->max_time, -1);
    s->max_time_offset = base;
    s->first_time = -1;
    s->made_ms = now_ms;
    return s;
}

segment *segment_new(plog_env *env, const char *folder, int64_t base, uint64_t size, uint32_t offset_entries,
                     uint32_t time_entries, uint32_t txn_entries, int64_t now_ms)
{
    segment *s = make(env, folder, base, "", offset_entries, time_entries);
    atomic_init(&s->size, size);
    atomic_init(&s->corrupt_from, UINT64_MAX);
    atomic_init(&s->txn_count, txn_entries);
    atomic_init(&s->max_time, size == 0 ? -1 : SEGMENT_TIME_UNKNOWN);
    s->max_time_offset = base;
    s->first_time = -1;
    s->made_ms = now_ms;
    return s;
}

void segment_ref(segment *s)
{
    atomic_fetch_add_explicit(&s->counts, 1, memory_order_relaxed);
}

void segment_unref(segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->counts, 1, memory_order_acq_rel) > 1) return;
    segment_file_release(s->log);
    segment_file_release(s->txns);
    segment_index_free(&s->offsets);
    segment_index_free(&s->times);
    free(s);
}

bool segment_keep_open(segment *s, diag *d)
{
    return segment_file_keep(s->log, d) && segment_file_keep(s->txns, d) && segment_file_keep(s->offsets.file, d) &&
           segment_file_keep(s->times.file, d);
}

/* Removes one of the files that need not exist. */
static bool unlink_if_there(segment *s, segment_file *f, diag *d)
{
    diag own = {0};
    if (fs_unlink(s->fs, segment_file_path(f), &own) || own.code == DIAG_NOT_FOUND) return true;
    if (!diag_is_set(d)) *d = own;
    return false;
}

/* The log goes last: while it is there, the segment is found again after a crash and unlinked then. */
bool segment_unlink(segment *s, diag *d)
{
    return segment_keep_open(s, d) && unlink_if_there(s, s->offsets.file, d) && unlink_if_there(s, s->times.file, d) &&
           unlink_if_there(s, s->txns, d) && unlink_if_there(s, s->log, d);
}

segment_written segment_write(segment *s, const void *batch, size_t n, diag *d)
{
    file *f;
    if (!segment_file_pin_write(s->log, true, &f, d)) return SEGMENT_REFUSED;
    uint64_t at = atomic_load_explicit(&s->size, memory_order_relaxed);
    segment_written result = SEGMENT_WRITTEN;
    if (!file_write(f, at, batch, n, d)) {
        /*
         * What a failed write has left must not be taken for a batch later; nobody reads behind the published size. The
         * cut is synced at once: a later sync takes a file whose published size it knows for synced.
         */
        diag ignored = {0};
        bool cut = file_truncate(f, at, &ignored) && file_sync(f, FILE_SYNC_DATA, &ignored);
        result = cut ? SEGMENT_REFUSED : SEGMENT_BROKEN;
    }
    segment_file_unpin(s->log);
    return result;
}

/* Index entries are made as Kafka makes them: for the batch that begins when `interval` bytes are not indexed. */
void segment_note(segment *s, const batch_header *h, int64_t interval)
{
    uint64_t at = atomic_load_explicit(&s->size, memory_order_relaxed);
    int64_t last = batch_last_offset(h);
    if (h->max_timestamp > atomic_load_explicit(&s->max_time, memory_order_relaxed)) {
        atomic_store_explicit(&s->max_time, h->max_timestamp, memory_order_relaxed);
        s->max_time_offset = last;
    }
    if (at == 0) s->first_time = h->max_timestamp;
    if (at - s->indexed_to < (uint64_t)interval) return;
    diag ignored = {0};
    if (!segment_index_add(&s->offsets, last - s->base, (int32_t)at, &ignored)) return;
    s->indexed_to = at;
    segment_seal(s, &ignored);
}

uint64_t segment_readable(segment *s)
{
    uint64_t size = atomic_load_explicit(&s->size, memory_order_acquire);
    uint64_t corrupt = atomic_load_explicit(&s->corrupt_from, memory_order_relaxed);
    return size < corrupt ? size : corrupt;
}

bool segment_seal(segment *s, diag *d)
{
    int64_t time = atomic_load_explicit(&s->max_time, memory_order_relaxed);
    index_entry e;
    bool found;
    if (time < 0) return true;
    if (!segment_index_last(&s->times, &e, &found, d)) return false;
    if (found && time <= e.key) return true;
    return segment_index_add(&s->times, time, (int32_t)(s->max_time_offset - s->base), d);
}

void segment_publish(segment *s, size_t n)
{
    uint64_t at = atomic_load_explicit(&s->size, memory_order_relaxed);
    atomic_store_explicit(&s->size, at + n, memory_order_release);
}

bool segment_flush_indexes(segment *s, diag *d)
{
    return segment_index_flush(&s->offsets, d) && segment_index_flush(&s->times, d);
}

static bool implausible(segment *s, uint64_t at, const char *what, diag *d)
{
    return diag_set(d, DIAG_CORRUPT, "%s is corrupt at byte %llu: %s", segment_file_path(s->log),
                    (unsigned long long)at, what);
}

static bool plausible(segment *s, uint64_t at, uint64_t limit, int64_t from, const batch_header *h, diag *d)
{
    if (h->length < BATCH_HEADER - BATCH_PREFIX) return implausible(s, at, "a batch is shorter than its header", d);
    if ((uint64_t)batch_size(h) > limit - at) return implausible(s, at, "a batch is longer than what is left", d);
    if (h->magic != MAGIC_NOW) return implausible(s, at, "a batch is not of format 2", d);
    if (h->last_offset_delta < 0 || h->count < 0) return implausible(s, at, "a batch has negative counts", d);
    if (h->base_offset < from) return implausible(s, at, "a batch has an offset below that of the one before", d);
    if (h->base_offset - s->base > INT32_MAX - h->last_offset_delta)
        return implausible(s, at, "a batch has an offset too high", d);
    return true;
}

bool segment_header(segment *s, uint64_t at, uint64_t limit, int64_t from, batch_header *h, diag *d)
{
    uint8_t bytes[BATCH_HEADER];
    if (limit < at || limit - at < BATCH_HEADER) return implausible(s, at, "a header is cut", d);
    file *f;
    if (!segment_file_pin(s->log, false, &f, d)) return false;
    bool ok = file_read_all(f, at, bytes, sizeof bytes, d);
    segment_file_unpin(s->log);
    if (!ok) return false;
    batch_header_read(bytes, h);
    return plausible(s, at, limit, from, h, d);
}

bool segment_walk_open(segment_walk *w, segment *s, uint64_t at, uint64_t limit, int64_t from, size_t block, diag *d)
{
    *w = (segment_walk){.s = s, .at = at, .limit = limit, .from = from, .block_size = block};
    if (!segment_file_pin(s->log, false, &w->f, d)) return false;
    w->block = malloc(block);
    check(w->block != NULL);
    return true;
}

/* Makes [at, at + n) lie in the block; the block grows for a batch that is larger. */
static bool walk_load(segment_walk *w, uint64_t at, size_t n, diag *d)
{
    if (at >= w->block_at && at + n <= w->block_at + w->block_n) return true;
    if (n > w->block_size) {
        w->block = realloc(w->block, n);
        check(w->block != NULL);
        w->block_size = n;
    }
    uint64_t left = w->limit - at;
    size_t want = left < w->block_size ? (size_t)left : w->block_size;
    w->block_n = 0;
    w->block_at = at;
    if (!file_read(w->f, at, w->block, want, &w->block_n, d)) return false;
    if (w->block_n < n) return implausible(w->s, at, "the file ends inside a batch", d);
    return true;
}

int segment_walk_next(segment_walk *w, batch_header *h, diag *d)
{
    if (w->at >= w->limit) return 0;
    if (w->limit - w->at < BATCH_HEADER) {
        implausible(w->s, w->at, "a header is cut", d);
        return -1;
    }
    if (!walk_load(w, w->at, BATCH_HEADER, d)) return -1;
    batch_header_read(w->block + (w->at - w->block_at), h);
    if (!plausible(w->s, w->at, w->limit, w->from, h, d)) return -1;
    w->at += (uint64_t)batch_size(h);
    w->from = batch_last_offset(h) + 1;
    return 1;
}

bool segment_walk_bytes(segment_walk *w, const batch_header *h, const uint8_t **data, diag *d)
{
    uint64_t at = w->at - (uint64_t)batch_size(h);
    if (!walk_load(w, at, (size_t)batch_size(h), d)) return false;
    *data = w->block + (at - w->block_at);
    return true;
}

void segment_walk_close(segment_walk *w)
{
    if (w->f) segment_file_unpin(w->s->log);
    free(w->block);
}

bool segment_locate(segment *s, int64_t offset, uint64_t limit, uint64_t *at, batch_header *h, bool *found, diag *d)
{
    index_entry e;
    *found = false;
    if (limit == 0) return true;
    if (!segment_index_floor(&s->offsets, INDEX_BY_OFFSET, offset - s->base, &e, found, d)) return false;
    uint64_t start = *found && (uint64_t)e.value < limit ? (uint64_t)e.value : 0;
    *found = false;
    segment_walk w;
    if (!segment_walk_open(&w, s, start, limit, s->base, LOCATE_BLOCK, d)) return false;
    int rc;
    while ((rc = segment_walk_next(&w, h, d)) == 1) {
        if (batch_last_offset(h) < offset) continue;
        *at = w.at - (uint64_t)batch_size(h);
        *found = true;
        break;
    }
    segment_walk_close(&w);
    return rc >= 0;
}

bool segment_max_time(segment *s, int64_t *time, diag *d)
{
    *time = atomic_load_explicit(&s->max_time, memory_order_relaxed);
    if (*time != SEGMENT_TIME_UNKNOWN) return true;
    index_entry e;
    bool found;
    if (!segment_index_last(&s->times, &e, &found, d)) return false;
    *time = found ? e.key : -1;
    int64_t unknown = SEGMENT_TIME_UNKNOWN;
    atomic_compare_exchange_strong(&s->max_time, &unknown, *time);
    return true;
}

static void txn_encode(const segment_txn *t, uint8_t *p)
{
    store_be16(p, 0);
    store_be64(p + 2, (uint64_t)t->producer_id);
    store_be64(p + 10, (uint64_t)t->first_offset);
    store_be64(p + 18, (uint64_t)t->last_offset);
    store_be64(p + 26, (uint64_t)t->last_stable);
}

bool segment_add_txn(segment *s, const segment_txn *t, bool *made, diag *d)
{
    uint8_t bytes[SEGMENT_TXN_BYTES];
    txn_encode(t, bytes);
    unsigned count = atomic_load_explicit(&s->txn_count, memory_order_relaxed);
    file *f;
    if (!segment_file_pin_write(s->txns, true, &f, d)) return false;
    bool ok = file_write(f, (uint64_t)count * SEGMENT_TXN_BYTES, bytes, sizeof bytes, d);
    segment_file_unpin(s->txns);
    if (!ok) return false;
    s->txns_unsynced = true;
    if (count == 0) *made = true;
    atomic_store_explicit(&s->txn_count, count + 1, memory_order_release);
    return true;
}

bool segment_txns(segment *s, buf *out, diag *d)
{
    unsigned count = atomic_load_explicit(&s->txn_count, memory_order_acquire);
    if (count == 0) return true;
    size_t n = (size_t)count * SEGMENT_TXN_BYTES;
    uint8_t *bytes = malloc(n);
    check(bytes != NULL);
    file *f;
    bool ok = segment_file_pin(s->txns, false, &f, d);
    if (ok) {
        ok = file_read_all(f, 0, bytes, n, d);
        segment_file_unpin(s->txns);
    }
    for (size_t i = 0; ok && i < count; i++) {
        const uint8_t *p = bytes + i * SEGMENT_TXN_BYTES;
        segment_txn t = {(int64_t)load_be64(p + 2), (int64_t)load_be64(p + 10), (int64_t)load_be64(p + 18),
                         (int64_t)load_be64(p + 26)};
        buf_add(out, &t, sizeof t);
    }
    free(bytes);
    return ok;
}

bool segment_cut_txns(segment *s, int64_t offset, diag *d)
{
    buf all = {0};
    bool ok = segment_txns(s, &all, d);
    const segment_txn *t = (const segment_txn *)(const void *)all.data;
    unsigned count = (unsigned)(all.len / sizeof *t), keep = 0;
    /* Anything may lie behind the entries that were synced; good ones are in the order of their markers. */
    int64_t before = s->base - 1;
    while (ok && keep < count && t[keep].last_offset > before && t[keep].last_offset < offset &&
           t[keep].first_offset < t[keep].last_offset) {
        before = t[keep++].last_offset;
    }
    buf_free(&all);
    if (!ok || keep == count) return ok;
    file *f;
    if (!segment_file_pin_write(s->txns, false, &f, d)) return false;
    ok = file_truncate(f, (uint64_t)keep * SEGMENT_TXN_BYTES, d);
    segment_file_unpin(s->txns);
    if (ok) {
        atomic_store_explicit(&s->txn_count, keep, memory_order_release);
        s->txns_unsynced = true;
    }
    return ok;
}
