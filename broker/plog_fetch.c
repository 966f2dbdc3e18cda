/* Fetching: extents of files from an offset, found through the index and a few headers. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/plog_int.h"

enum { FETCH_WALK_BLOCK = 4096 };

int64_t plog_limit(const plog *log, plog_isolation isolation)
{
    return isolation == PLOG_READ_COMMITTED ? plog_last_stable(log) : plog_end(log);
}

/*
 * Where whole batches end that begin at `at` and take at most max bytes below `limit`. The index gives a batch boundary
 * near the end without reading the log; only a short stretch is walked. The first batch comes whole when `one` is set.
 */
static bool whole_batches(segment *s, uint64_t at, uint64_t limit, uint64_t max, bool one, uint64_t *end,
                          int64_t *next_offset, diag *d)
{
    index_entry e;
    bool found;
    *end = at;
    uint64_t want = limit - at < max ? limit : at + max;
    if (!segment_index_floor(&s->offsets, INDEX_BY_POSITION, (int64_t)want, &e, &found, d)) return false;
    if (found && e.value > (int64_t)at) { /* a damaged index may hold anything, also less than 0 */
        *end = (uint64_t)e.value;
        *next_offset = s->base + e.key; /* the last offset of the batch that begins there: no lower than its base */
        if (*end == want) return true;
    }
    segment_walk w;
    if (!segment_walk_open(&w, s, *end, limit, s->base, FETCH_WALK_BLOCK, d)) return false;
    batch_header h;
    int rc;
    diag own = {0};
    while ((rc = segment_walk_next(&w, &h, &own)) == 1) {
        bool first = *end == at;
        if (w.at > want && !(first && one)) break;
        *end = w.at;
        *next_offset = batch_last_offset(&h) + 1;
        if (w.at >= want) break;
    }
    segment_walk_close(&w);
    if (rc >= 0 || *end > at) return true; /* what precedes a corrupt batch is handed out */
    *d = own;
    return false;
}

static kafka_error code_of(const diag *d)
{
    return d->code == DIAG_CORRUPT ? KAFKA_CORRUPT_MESSAGE : KAFKA_KAFKA_STORAGE_ERROR;
}

/* Adds the part of one segment; *more says that the next segment may follow. */
static bool add_extent(segment *s, int64_t offset, int64_t limit_offset, uint64_t max_bytes, bool one,
                       plog_fetched *out, bool *more, diag *d)
{
    *more = false;
    uint64_t size = segment_readable(s), at = 0, end;
    bool cut_short = size < atomic_load_explicit(&s->size, memory_order_relaxed);
    bool found = size > 0;
    batch_header h;
    if (found && offset > s->base && !segment_locate(s, offset, size, &at, &h, &found, d)) return false;
    if (!found) {
        *more = !cut_short;
        return !cut_short || diag_set(d, DIAG_CORRUPT, "%s: the offset %lld is in a corrupt part",
                                      segment_file_path(s->log), (long long)offset);
    }
    uint64_t limit = size;
    if (limit_offset < out->high_watermark) {
        if (!segment_locate(s, limit_offset, size, &limit, &h, &found, d)) return false;
        if (!found) limit = size;
        if (limit <= at) return true;
    }
    int64_t next = out->next_offset;
    if (!whole_batches(s, at, limit, max_bytes - out->bytes, one && out->bytes == 0, &end, &next, d)) return false;
    if (next > out->high_watermark) {
        /* An append has published the size and not yet the end: who got it would ask for an offset beyond the end. */
        if (!segment_locate(s, out->high_watermark, size, &limit, &h, &found, d)) return false;
        if (!found) limit = size;
        if (limit <= at) return true;
        next = out->next_offset;
        if (!whole_batches(s, at, limit, max_bytes - out->bytes, one && out->bytes == 0, &end, &next, d)) return false;
        if (next > out->high_watermark) next = out->high_watermark; /* the index told of what begins at the limit */
    }
    if (end == at) return true;
    file *f;
    if (!segment_file_pin(s->log, false, &f, d)) return false;
    out->extents[out->extent_count++] = (plog_extent){s->log, at, end - at};
    out->bytes += end - at;
    out->next_offset = next;
    *more = end == limit && limit == size && !cut_short;
    return true;
}

void plog_fetch(plog *log, int64_t offset, uint64_t max_bytes, bool at_least_one, plog_isolation isolation,
                plog_fetched *out)
{
    *out = (plog_fetched){.next_offset = offset};
    int64_t limit = plog_limit(log, isolation);
    out->last_stable = plog_last_stable(log);
    out->high_watermark = plog_end(log);
    out->log_start = plog_start(log);
    if (atomic_load(&log->deleted)) out->error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (plog_failed(log)) out->error = KAFKA_KAFKA_STORAGE_ERROR;
    if (out->error != KAFKA_NONE) return;
    if (offset < out->log_start || offset > out->high_watermark) {
        out->error = KAFKA_OFFSET_OUT_OF_RANGE;
        return;
    }
    if (offset >= limit) return;
    segment_list *l = plog_list(log);
    int i = segment_list_find(l, offset);
    diag d = {0};
    bool more = true, ok = true;
    for (i = i < 0 ? 0 : i; more && i < l->n && l->s[i]->base < limit && out->extent_count < PLOG_EXTENTS_MAX; i++) {
        if (out->bytes >= max_bytes && !(at_least_one && out->bytes == 0)) break;
        ok = add_extent(l->s[i], offset, limit, max_bytes, at_least_one, out, &more, &d);
        if (!ok) break;
    }
    segment_list_release(l);
    if (!ok && out->bytes == 0) {
        out->error = code_of(&d);
        plog_report(log, &d);
    }
}

void plog_fetched_free(plog_fetched *f)
{
    for (int i = 0; i < f->extent_count; i++) segment_file_unpin(f->extents[i].file);
    f->extent_count = 0;
}

static int by_first_offset(const void *a, const void *b)
{
    const plog_aborted_txn *x = a, *y = b;
    return x->first_offset < y->first_offset ? -1 : x->first_offset > y->first_offset;
}

bool plog_aborted(plog *log, int64_t from, int64_t to, buf *out, diag *d)
{
    segment_list *l = plog_list(log);
    buf all = {0};
    size_t before = out->len;
    int i = segment_list_find(l, from);
    bool ok = true, done = false;
    for (i = i < 0 ? 0 : i; ok && !done && i < l->n; i++) {
        buf_clear(&all);
        ok = segment_txns(l->s[i], &all, d);
        const segment_txn *t = (const segment_txn *)(const void *)all.data;
        for (size_t k = 0; ok && k < all.len / sizeof *t; k++) {
            if (t[k].last_offset >= from && t[k].first_offset < to) {
                plog_aborted_txn one = {t[k].producer_id, t[k].first_offset};
                buf_add(out, &one, sizeof one);
            }
            /* Transactions that end later than this one began no earlier than its last stable offset. */
            if (t[k].last_stable >= to) done = true;
        }
    }
    buf_free(&all);
    segment_list_release(l);
    if (out->len > before) {
        qsort(out->data + before, (out->len - before) / sizeof(plog_aborted_txn), sizeof(plog_aborted_txn),
              by_first_offset);
    }
    return ok;
}
