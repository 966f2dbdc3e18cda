/*
 * Compaction: which part of a log is due, and writing it anew. The rules are those of Kafka's LogCleaner.
 *
 * One pass: the last offset of every key of the dirty part goes into a map (as many as its memory takes), then all
 * closed segments up to there are written anew in groups that fit into one segment. Each group is put in place for
 * itself, so that a stop in between loses nothing but work.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "broker/compact_batch.h"
#include "broker/plog_int.h"

enum { WALK_BLOCK = 1 << 20, CLEANED_BYTES = 20 };
static const uint32_t CLEANED_MAGIC = 0x57434c31; /* "WCL1" */

/* An aborted transaction while its batches are met. */
typedef struct aborted_txn {
    segment_txn t;
    bool met; /* records of it were there in this pass */
} aborted_txn;

/* One pass. */
typedef struct pass {
    plog *log;
    const plog_compaction *how;
    plog_config config;
    segment_list *list;
    int64_t stable, end; /* of the log when the pass began */
    int closed; /* segments before this number may be written anew */
    int64_t dirty_from, dirty_to; /* the map holds the keys of this stretch */
    offset_map map;
    buf aborted; /* aborted_txn, in order of their first offsets; some before `started` have begun */
    size_t started;
    int64_t from; /* transactions whose markers lie below are over */
    map ongoing; /* producer id -> aborted_txn, whose marker has not been met */
    map committed; /* producer ids with records of a transaction that was not aborted */
    map producers; /* producer id -> entry of last */
    buf last; /* plog_last */
    compact_scratch scratch;
} pass;

/* The batch that must stay for a producer's sequence numbers. */
typedef struct plog_last {
    int64_t producer_id;
    int64_t last_offset; /* -1: it sent no data here */
    int16_t epoch;
} plog_last;

static str id_key(const int64_t *id)
{
    return str_of((const char *)id, sizeof *id);
}

static bool cancelled(const pass *p)
{
    return atomic_load(&p->log->deleted) || (p->how->cancel && atomic_load(p->how->cancel));
}

/* ---- how far the log is clean -------------------------------------------------------------------------------- */

/* "weir.compacted" may be lost or stale at any time: more is then looked at than need be. It is never synced. */
static void read_cleaned(plog *log)
{
    char path[PATH_MAX];
    uint8_t p[CLEANED_BYTES];
    file *f;
    diag ignored = {0};
    plog_path(log, path, sizeof path, "weir.compacted");
    log->clean_known = true;
    if (!fs_open(log->fs, path, FILE_READONLY, &f, &ignored)) return;
    if (file_read_all(f, 0, p, sizeof p, &ignored) && load_be32(p) == CLEANED_MAGIC &&
        load_be32(p + 16) == hash_crc32c(p, 16)) {
        log->clean_to = (int64_t)load_be64(p + 8);
    }
    file_close(f);
}

static void write_cleaned(plog *log)
{
    char path[PATH_MAX];
    uint8_t p[CLEANED_BYTES] = {0};
    file *f;
    diag ignored = {0};
    store_be32(p, CLEANED_MAGIC);
    store_be64(p + 8, (uint64_t)log->clean_to);
    store_be32(p + 16, hash_crc32c(p, 16));
    plog_path(log, path, sizeof path, "weir.compacted");
    pthread_mutex_lock(&log->sync_mutex);
    bool there = !atomic_load(&log->deleted) && fs_open(log->fs, path, FILE_CREATE, &f, &ignored);
    if (there) {
        file_write(f, 0, p, sizeof p, &ignored);
        file_close(f);
    }
    pthread_mutex_unlock(&log->sync_mutex);
}

/* Kafka's cleanableOffsets: the segments that may be written anew now. */
static bool find_closed(pass *p, diag *d)
{
    int64_t stable = p->stable, lag = p->config.min_compaction_lag_ms;
    for (p->closed = 0; p->closed + 1 < p->list->n; p->closed++) {
        segment *s = p->list->s[p->closed];
        int64_t time = -1;
        if (p->list->s[p->closed + 1]->base > stable || atomic_load(&s->corrupt_from) != UINT64_MAX) break;
        if (lag > 0 && !segment_max_time(s, &time, d)) return false;
        if (lag > 0 && time > p->how->now_ms - lag) break;
    }
    return true;
}

/* Whether the dirty part is large enough, or too old to wait. */
static bool is_due(pass *p, bool *due, diag *d)
{
    plog *log = p->log;
    int64_t clean = 0, dirty = 0;
    int first = -1;
    if (!log->clean_known) read_cleaned(log);
    if (log->clean_to > plog_end(log)) log->clean_to = 0;
    for (int i = 0; i < p->closed; i++) {
        int64_t size = (int64_t)atomic_load(&p->list->s[i]->size);
        bool is_clean = p->list->s[i + 1]->base <= log->clean_to;
        *(is_clean ? &clean : &dirty) += size;
        if (!is_clean && first < 0 && size > 0) first = i;
    }
    *due = dirty > 0 && (double)dirty > p->config.min_dirty_ratio * (double)(clean + dirty);
    if (*due || first < 0 || p->config.max_compaction_lag_ms == INT64_MAX) return true;
    segment *s = p->list->s[first];
    batch_header h;
    if (!segment_header(s, 0, atomic_load(&s->size), s->base, &h, d)) return false;
    *due = h.max_timestamp <= p->how->now_ms - p->config.max_compaction_lag_ms;
    return true;
}

/* ---- transactions ---------------------------------------------------------------------------------------------- */

static int by_first_offset(const void *a, const void *b)
{
    const aborted_txn *x = a, *y = b;
    return x->t.first_offset < y->t.first_offset ? -1 : x->t.first_offset > y->t.first_offset;
}

/* All aborted transactions with records below `to`; their markers may lie behind it. */
static bool load_aborted(pass *p, int64_t to, diag *d)
{
    buf all = {0};
    bool ok = true;
    for (int i = 0; ok && i < p->list->n; i++) {
        buf_clear(&all);
        ok = segment_txns(p->list->s[i], &all, d);
        const segment_txn *t = (const segment_txn *)(const void *)all.data;
        for (size_t k = 0; ok && k < all.len / sizeof *t; k++) {
            aborted_txn one = {.t = t[k]};
            if (t[k].first_offset < to) buf_add(&p->aborted, &one, sizeof one);
        }
    }
    buf_free(&all);
    if (p->aborted.len > 0)
        qsort(p->aborted.data, p->aborted.len / sizeof(aborted_txn), sizeof(aborted_txn), by_first_offset);
    return ok;
}

static void restart_txns(pass *p, int64_t from)
{
    p->from = from;
    map_free(&p->ongoing);
    map_free(&p->committed);
    p->ongoing = p->committed = (map){0};
    p->started = 0;
    aborted_txn *t = (aborted_txn *)(void *)p->aborted.data;
    for (size_t i = 0; i < p->aborted.len / sizeof *t; i++) t[i].met = false;
}

/* Whether the batch's records are of no use. A marker that ends a transaction still to be seen is noted in *ended. */
static bool judge(pass *p, const batch_header *h, const uint8_t *data, const segment_txn **ended)
{
    aborted_txn *t = (aborted_txn *)(void *)p->aborted.data;
    size_t n = p->aborted.len / sizeof *t;
    *ended = NULL;
    for (; p->started < n && t[p->started].t.first_offset <= batch_last_offset(h); p->started++) {
        if (t[p->started].t.last_offset < p->from) continue;
        map_put(&p->ongoing, id_key(&t[p->started].t.producer_id), &t[p->started]);
    }
    if (!(h->attributes & BATCH_TRANSACTIONAL)) return false;
    if (!(h->attributes & BATCH_CONTROL)) {
        aborted_txn *of = map_get(&p->ongoing, id_key(&h->producer_id));
        if (of) {
            of->met = true;
            return true;
        }
        map_put(&p->committed, id_key(&h->producer_id), p);
        return false;
    }
    bool commit;
    int32_t epoch;
    if (!batch_marker_read(data, (size_t)batch_size(h), &commit, &epoch)) return h->count == 0;
    if (commit) return map_remove(&p->committed, id_key(&h->producer_id)) == NULL;
    const aborted_txn *of = map_remove(&p->ongoing, id_key(&h->producer_id));
    if (!of || !of->met) return true;
    *ended = &of->t;
    return false;
}

/* ---- the map --------------------------------------------------------------------------------------------------- */

static bool verified(segment_walk *w, const batch_header *h, const uint8_t **data, diag *d)
{
    batch_header again;
    return segment_walk_bytes(w, h, data, d) && batch_verify(*data, (size_t)batch_size(h), &again, d);
}

/* Notes the keys of a batch; *full when one had no room, with dirty_to at its offset. */
static bool map_batch(pass *p, const uint8_t *data, const batch_header *h, bool *full, diag *d)
{
    batch_iter it = {.expanded = p->scratch.expanded};
    batch_record_view r;
    int rc = 0;
    bool ok = batch_iter_open(&it, data, (size_t)batch_size(h), PLOG_EXPANDED_MAX, d);
    while (ok && !*full && (rc = batch_iter_next(&it, &r, d)) == 1) {
        if (!r.key.p || r.offset < p->dirty_from) continue;
        *full = !offset_map_put(&p->map, r.key, r.offset);
        p->dirty_to = *full ? r.offset : r.offset + 1;
    }
    p->scratch.expanded = it.expanded;
    return ok && rc >= 0;
}

static bool build_map(pass *p, diag *d)
{
    int64_t to = p->list->s[p->closed]->base;
    bool full = false, ok = true;
    int first = 0;
    p->dirty_from = p->dirty_to = p->log->clean_to;
    while (first < p->closed && p->list->s[first + 1]->base <= p->dirty_from) first++;
    restart_txns(p, p->list->s[first]->base);
    for (int i = first; ok && !full && i < p->closed; i++) {
        segment *s = p->list->s[i];
        segment_walk w;
        batch_header h;
        const uint8_t *data;
        const segment_txn *ended;
        int rc = 0;
        ok = segment_walk_open(&w, s, 0, atomic_load(&s->size), s->base, WALK_BLOCK, d);
        while (ok && !full && !cancelled(p) && (rc = segment_walk_next(&w, &h, d)) == 1) {
            ok = verified(&w, &h, &data, d);
            bool discard = ok && judge(p, &h, data, &ended);
            if (ok && !discard && !(h.attributes & BATCH_CONTROL)) ok = map_batch(p, data, &h, &full, d);
        }
        ok = ok && rc >= 0;
        segment_walk_close(&w);
    }
    if (!full) p->dirty_to = to;
    return ok;
}

static void load_producers(pass *p)
{
    buf all = {0};
    pthread_mutex_lock(&p->log->append_mutex);
    size_t at = 0;
    for (const producer_entry *e; (e = producer_state_next(&p->log->producers, &at));) {
        plog_last one = {e->id, e->batch_count > 0 ? e->batches[e->batch_count - 1].last_offset : -1, e->epoch};
        buf_add(&all, &one, sizeof one);
    }
    pthread_mutex_unlock(&p->log->append_mutex);
    p->last = all;
    plog_last *list = (plog_last *)(void *)all.data;
    for (size_t i = 0; i < all.len / sizeof *list; i++) map_put(&p->producers, id_key(&list[i].producer_id), &list[i]);
}

/* ---- writing anew ---------------------------------------------------------------------------------------------- */

/* A producer's last batch tells its sequence, or for a marker its epoch, to whoever has to read them from the log. */
static bool is_last_of_producer(const pass *p, const batch_header *h)
{
    if (h->producer_id < 0) return false;
    const plog_last *last = map_get(&p->producers, id_key(&h->producer_id));
    if (!last) return false;
    if (last->last_offset >= 0) return last->last_offset == batch_last_offset(h);
    return (h->attributes & BATCH_CONTROL) && last->epoch == h->producer_epoch;
}

static bool append(segment *to, const void *data, size_t n, int64_t interval, diag *d)
{
    batch_header h;
    batch_header_read(data, &h);
    if (atomic_load(&to->size) + n > INT32_MAX) {
        return diag_set(d, DIAG_LIMIT, "%s would become larger than 2 GiB", segment_file_path(to->log));
    }
    if (segment_write(to, data, n, d) != SEGMENT_WRITTEN) return false;
    segment_note(to, &h, interval);
    segment_publish(to, n);
    return true;
}

static bool write_batch(pass *p, segment *to, const uint8_t *data, const batch_header *h, bool last, diag *d)
{
    int level = p->config.codec == (int)batch_codec_of(h) ? p->config.level : 0;
    compact_rules rules = {&p->map, p->dirty_to, p->how->now_ms, p->config.delete_retention_ms, level};
    const segment_txn *ended;
    bool discard = judge(p, h, data, &ended), made = false;
    compact_case c = {discard, last || is_last_of_producer(p, h)};
    switch (compact_batch(data, (size_t)batch_size(h), &rules, c, &p->scratch, d)) {
    case COMPACT_DROP: return true;
    case COMPACT_ERROR: return false;
    case COMPACT_KEEP:
        if (!append(to, data, (size_t)batch_size(h), p->config.index_interval_bytes, d)) return false;
        break;
    case COMPACT_REPLACE:
        if (!append(to, p->scratch.out.data, p->scratch.out.len, p->config.index_interval_bytes, d)) return false;
    }
    return !ended || segment_add_txn(to, ended, &made, d);
}

static bool write_group(pass *p, segment *to, segment *const *from, int n, diag *d)
{
    for (int i = 0; i < n; i++) {
        segment_walk w;
        batch_header h;
        const uint8_t *data;
        uint64_t size = atomic_load(&from[i]->size);
        int rc = 0;
        bool ok = segment_walk_open(&w, from[i], 0, size, from[i]->base, WALK_BLOCK, d);
        while (ok && !cancelled(p) && (rc = segment_walk_next(&w, &h, d)) == 1) {
            /* The last batch stays in any case: it says up to where the old segments are replaced. */
            bool last = i == n - 1 && w.at == size;
            ok = verified(&w, &h, &data, d) && write_batch(p, to, data, &h, last, d);
        }
        segment_walk_close(&w);
        if (!ok || rc < 0) return false;
    }
    return true;
}

static bool sync_file(segment_file *f, const char *site, diag *d)
{
    file *handle;
    if (!segment_file_pin_write(f, true, &handle, d)) return false;
    uint64_t writes = segment_file_writes(f);
    bool ok = file_sync_at(handle, FILE_SYNC_DATA, site, d);
    if (ok) segment_file_synced(f, writes);
    segment_file_unpin(f);
    return ok;
}

/* Makes the four files, empty ones included, before anything is written; what an earlier failure has left goes. */
static bool make_files(pass *p, segment *to, diag *d)
{
    segment_file *files[] = {to->log, to->offsets.file, to->times.file, to->txns};
    plog *log = p->log;
    bool ok = true;
    /* A deleted topic's name may be taken again: no file of the old one may be made in the new one's folder. */
    pthread_mutex_lock(&log->sync_mutex);
    for (size_t i = 0; ok && i < ARRAY_LEN(files); i++) {
        file *f;
        ok = !atomic_load(&log->deleted) && segment_file_pin_write(files[i], true, &f, d);
        if (!ok) break;
        ok = file_truncate(f, 0, d);
        segment_file_unpin(files[i]);
    }
    pthread_mutex_unlock(&log->sync_mutex);
    return ok;
}

static bool finish_files(segment *to, diag *d)
{
    return segment_seal(to, d) && segment_flush_indexes(to, d) && sync_file(to->log, FILE_SITE, d) &&
           sync_file(to->offsets.file, FILE_SITE, d) && sync_file(to->times.file, FILE_SITE, d) &&
           sync_file(to->txns, FILE_SITE, d);
}

static bool compact_group(pass *p, int first, int n, plog_compacted *out, diag *d)
{
    plog *log = p->log;
    segment *const *from = &p->list->s[first];
    segment *to = segment_new_aside(log->env, log->folder, from[0]->base, SEGMENT_CLEANED, p->how->now_ms);
    bool done = false;
    bool ok = make_files(p, to, d) && write_group(p, to, from, n, d);
    if (ok && !cancelled(p)) ok = finish_files(to, d) && plog_swap(log, to, from, n, p->how->now_ms, &done, d);
    if (done) {
        for (int i = 0; i < n; i++) out->bytes_before += (int64_t)atomic_load(&from[i]->size);
        out->bytes_after += (int64_t)atomic_load(&to->size);
        out->segments += n;
    } else if (!plog_failed(log) && !atomic_load(&log->deleted)) {
        plog_discard_aside(log, to);
    }
    segment_unref(to);
    return ok && (done || cancelled(p));
}

/* How many segments from `first` on fit into one, as they are now. */
static int group_size(const pass *p, int first, int end)
{
    int64_t bytes = 0, offsets = 0, times = 0;
    int n = 0;
    for (int i = first; i < end; i++, n++) {
        segment *s = p->list->s[i];
        bytes += (int64_t)atomic_load(&s->size);
        offsets += (int64_t)segment_index_count(&s->offsets) * segment_index_width(INDEX_OFFSET);
        times += (int64_t)segment_index_count(&s->times) * segment_index_width(INDEX_TIME);
        bool fits = bytes <= p->config.segment_bytes && offsets <= p->config.segment_index_bytes &&
                    times <= p->config.segment_index_bytes &&
                    p->list->s[i + 1]->base - 1 - p->list->s[first]->base <= INT32_MAX;
        if (n > 0 && !fits) break;
    }
    return n;
}

static bool write_all(pass *p, plog_compacted *out, diag *d)
{
    int end = 0;
    while (end < p->closed && p->list->s[end]->base < p->dirty_to) end++;
    restart_txns(p, 0);
    for (int first = 0; first < end && !cancelled(p);) {
        int n = group_size(p, first, end);
        bool empty = n == 1 && atomic_load(&p->list->s[first]->size) == 0;
        if (!empty && !compact_group(p, first, n, out, d)) return false;
        first += n;
    }
    if (cancelled(p)) return true;
    p->log->clean_to = p->dirty_to;
    write_cleaned(p->log);
    return true;
}

/*
 * A recovery must never walk what is compacted: its offsets have gaps, as a torn tail has. So the index point is
 * brought behind it, durably. The markers that end the transactions in it must not be lost any more either.
 */
static bool settle_before(pass *p, diag *d)
{
    plog *log = p->log;
    pthread_mutex_lock(&log->sync_mutex);
    bool ok = log->point.index_base >= p->list->s[p->closed]->base;
    if (!ok || plog_synced_end(log) < p->end) ok = plog_sync_locked(log, true, d) && plog_point_write(log, true, d);
    if (ok) ok = log->point.index_base >= p->list->s[p->closed]->base;
    pthread_mutex_unlock(&log->sync_mutex);
    return ok || diag_is_set(d) || diag_set(d, DIAG_IO, "%s: the checkpoint cannot be written", log->folder);
}

static bool run(pass *p, plog_compacted *out, diag *d)
{
    bool due;
    if (!find_closed(p, d) || !is_due(p, &due, d)) return false;
    if (!due) return true;
    if (!settle_before(p, d) || diag_is_set(d)) return false;
    offset_map_init(&p->map, p->how->map_bytes, p->how->seed);
    load_producers(p);
    return load_aborted(p, p->list->s[p->closed]->base, d) && build_map(p, d) && (cancelled(p) || write_all(p, out, d));
}

bool plog_compact(plog *log, const plog_compaction *how, plog_compacted *out, diag *d)
{
    pass p = {.log = log, .how = how};
    *out = (plog_compacted){0};
    plog_get_config(log, &p.config);
    if (!p.config.policy_compact || log->uncleanable || plog_failed(log) || atomic_load(&log->deleted)) return true;
    p.list = plog_list(log);
    p.stable = plog_last_stable(log);
    p.end = plog_end(log);
    bool ok = run(&p, out, d);
    if (!ok && d->code == DIAG_CORRUPT) log->uncleanable = true;
    segment_list_release(p.list);
    offset_map_free(&p.map);
    buf_free(&p.aborted);
    buf_free(&p.last);
    map_free(&p.ongoing);
    map_free(&p.committed);
    map_free(&p.producers);
    compact_scratch_free(&p.scratch);
    return ok;
}
