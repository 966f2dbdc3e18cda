/*
 * Opening a log: what lies below the index point is trusted, up to the recovery point batch headers are walked to make
 * indexes and producers anew, and above it every batch is checked whole.
 *
 * Above the recovery point a bad batch is a torn tail: it and all behind it is cut, as nobody was told that it is
 * durable. Below it is corruption: reported, and nothing is touched; what can be found behind it stays readable.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/plog_int.h"

enum { SCAN_BLOCK = 1 << 20, NAME_DIGITS = 20 };

/* A recovery under way. */
typedef struct recovery {
    plog *log;
    segment **s;
    int n;
    int64_t next; /* offset that the next batch should have */
    int64_t now_ms;
    bool changed; /* something was scanned or cut: sync before appends are taken */
    bool roll; /* the last segment cannot take appends */
} recovery;

/* Size of a file of the partition, 0 when it is missing. */
static bool bytes_of(plog *log, const char *stem, const char *suffix, uint64_t *size, diag *d)
{
    char name[NAME_DIGITS + SEGMENT_SUFFIX_MAX], path[PATH_MAX];
    memcpy(name, stem, NAME_DIGITS);
    memcpy(name + NAME_DIGITS, suffix, strlen(suffix) + 1);
    plog_path(log, path, sizeof path, name);
    file *f;
    diag own = {0};
    *size = 0;
    if (!fs_open(log->fs, path, FILE_READONLY, &f, &own)) {
        if (own.code == DIAG_NOT_FOUND) return true;
        if (!diag_is_set(d)) *d = own;
        return false;
    }
    bool ok = file_size(f, size, d);
    file_close(f);
    return ok;
}

/* The base offset that a segment's file name states. */
static bool is_segment(const fs_entry *e, int64_t *base)
{
    return !e->is_dir && e->name.n == NAME_DIGITS + 4 && str_ends(e->name, STR(".log")) &&
           str_to_i64(str_of(e->name.p, NAME_DIGITS), base) && *base >= 0 && *base <= SEGMENT_OFFSET_MAX;
}

static bool find_segments(recovery *r, diag *d)
{
    plog *log = r->log;
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    bool ok = fs_list(log->fs, log->folder, a, &entries, &count, d);
    r->s = calloc(count + 1, sizeof(segment *));
    check(r->s != NULL);
    for (size_t i = 0; ok && i < count; i++) {
        int64_t base;
        uint64_t size, offsets, times, txns;
        const char *stem = entries[i].name.p;
        if (!is_segment(&entries[i], &base)) continue;
        ok = bytes_of(log, stem, ".log", &size, d) && bytes_of(log, stem, ".index", &offsets, d) &&
             bytes_of(log, stem, ".timeindex", &times, d) && bytes_of(log, stem, ".txnindex", &txns, d);
        if (!ok) break;
        segment *s = segment_new(
            log->env, log->folder, base, size, (uint32_t)(offsets / segment_index_width(INDEX_OFFSET)),
            (uint32_t)(times / segment_index_width(INDEX_TIME)), (uint32_t)(txns / SEGMENT_TXN_BYTES), r->now_ms);
        s->synced_size = size;
        r->s[r->n++] = s;
    }
    arena_free(a);
    return ok;
}

/* Segments wholly below the start of the log are what retention did not come to unlink. */
static bool drop_leftovers(recovery *r, diag *d)
{
    int gone = 0;
    bool ok = true;
    while (ok && gone + 1 < r->n && r->s[gone + 1]->base <= r->log->point.log_start) {
        ok = segment_unlink(r->s[gone], d);
        if (ok) segment_unref(r->s[gone++]);
        r->log->folder_dirty = true;
    }
    r->n -= gone;
    memmove(r->s, r->s + gone, (size_t)r->n * sizeof *r->s);
    return ok;
}

static bool drop_segment(recovery *r, int i, diag *d)
{
    if (!segment_unlink(r->s[i], d)) return false;
    segment_unref(r->s[i]);
    r->log->folder_dirty = true;
    memmove(r->s + i, r->s + i + 1, (size_t)(r->n - i - 1) * sizeof *r->s);
    r->n--;
    return true;
}

/*
 * A roll that failed half-way leaves an empty file, and the segment before it goes on beyond its name. Below the index
 * point every empty file is one; above it those are whose name the scan has passed (drop_passed).
 */
static bool drop_empty(recovery *r, diag *d)
{
    const plog_point *p = &r->log->point;
    for (int i = 0; i < r->n;) {
        const segment *s = r->s[i];
        bool left_over = i > 0 && s->size == 0 && s->base < p->index_point && s->base != p->index_base;
        if (!left_over) i++;
        else if (!drop_segment(r, i, d)) return false;
    }
    return true;
}

/* Empty files behind segment i, which was scanned up to r->next, that bear the name of an offset in it. */
static bool drop_passed(recovery *r, int i, diag *d)
{
    while (i + 1 < r->n && r->s[i + 1]->size == 0 && r->s[i + 1]->base < r->next) {
        if (!drop_segment(r, i + 1, d)) return false;
    }
    return true;
}

/* Takes a batch of the log into the producers; aborted transactions are noted when `note` is set. */
static bool replay(recovery *r, segment *s, segment_walk *w, const batch_header *h, bool note, diag *d)
{
    plog *log = r->log;
    if (h->producer_id < 0) return true;
    if (!(h->attributes & BATCH_CONTROL)) {
        producer_state_add(&log->producers, h, r->now_ms);
        return true;
    }
    const uint8_t *data;
    bool commit;
    int32_t coordinator_epoch;
    if (!segment_walk_bytes(w, h, &data, d)) return false;
    if (!batch_marker_read(data, (size_t)batch_size(h), &commit, &coordinator_epoch)) return true;
    int64_t first =
        producer_state_end(&log->producers, h->producer_id, h->producer_epoch, coordinator_epoch, r->now_ms);
    if (first < 0 || commit || !note) return true;
    int64_t open = producer_state_first_open(&log->producers);
    segment_txn t = {h->producer_id, first, h->base_offset, open >= 0 ? open : h->base_offset + 1};
    return segment_add_txn(s, &t, &log->folder_dirty, d);
}

/* Producers as of the index point, when its snapshot is lost: from what is left of the log. */
static bool replay_below(recovery *r, int64_t to, diag *d)
{
    producer_state_free(&r->log->producers);
    for (int i = 0; i < r->n && r->s[i]->base < to; i++) {
        segment *s = r->s[i];
        segment_walk w;
        batch_header h;
        int rc;
        if (!segment_walk_open(&w, s, 0, s->size, s->base, SCAN_BLOCK, d)) return false;
        while ((rc = segment_walk_next(&w, &h, d)) == 1 && h.base_offset < to) {
            if (!replay(r, s, &w, &h, false, d)) break;
        }
        segment_walk_close(&w);
        if (diag_is_set(d) && d->code != DIAG_CORRUPT) return false;
        if (diag_is_set(d)) plog_report(r->log, d);
        diag_clear(d);
    }
    return true;
}

static bool load_producers(recovery *r, diag *d)
{
    diag own = {0};
    const plog_point *p = &r->log->point;
    if (!p->has_snapshot || plog_snapshot_read(r->log, p->index_point, r->now_ms, &own)) return true;
    log_warn("broker", "%s: producers are read from the log again: %s", r->log->folder, own.text);
    return replay_below(r, p->index_point, d);
}

/* Cuts everything from a position of segment i on. */
static bool cut(recovery *r, int i, uint64_t at, diag *d)
{
    segment *s = r->s[i];
    file *f;
    log_warn("broker", "%s: cut at byte %llu, offset %lld", segment_file_path(s->log), (unsigned long long)at,
             (long long)r->next);
    if (!segment_file_pin_write(s->log, false, &f, d)) return false;
    bool ok = file_truncate(f, at, d);
    segment_file_unpin(s->log);
    while (ok && r->n > i + 1) {
        ok = segment_unlink(r->s[r->n - 1], d);
        if (ok) segment_unref(r->s[--r->n]);
    }
    if (!ok) return false;
    s->synced_size = UINT64_MAX;
    r->log->folder_dirty = true;
    r->changed = true;
    return true;
}

/* Makes a segment ready to be scanned from a position: the indexes end there. */
static bool rewind_segment(segment *s, uint64_t at, int64_t offset, diag *d)
{
    index_entry e;
    bool found;
    if (!segment_index_cut(&s->offsets, INDEX_BY_POSITION, (int64_t)at, d)) return false;
    if (!segment_index_cut(&s->times, INDEX_BY_POSITION, offset - s->base, d)) return false;
    if (!segment_cut_txns(s, offset, d)) return false;
    if (!segment_index_last(&s->offsets, &e, &found, d)) return false;
    s->indexed_to = found ? (uint64_t)e.value : 0;
    if (!segment_index_last(&s->times, &e, &found, d)) return false;
    atomic_store(&s->max_time, found ? e.key : -1);
    s->max_time_offset = s->base + (found ? e.value : 0);
    atomic_store(&s->size, at);
    return true;
}

/* One batch of the scan: above the recovery point it must be whole and come next. */
static bool whole(recovery *r, segment_walk *w, const batch_header *h, diag *d)
{
    /* A compacted log has gaps; only one whose checkpoint is lost is scanned there. */
    bool gaps = r->log->config.policy_compact && r->log->point_turn == 0;
    if (h->base_offset != r->next && !(gaps && h->base_offset > r->next)) {
        return diag_set(d, DIAG_CORRUPT, "offset %lld follows where %lld should", (long long)h->base_offset,
                        (long long)r->next);
    }
    const uint8_t *data;
    batch_header again;
    return segment_walk_bytes(w, h, &data, d) && batch_verify(data, (size_t)batch_size(h), &again, d);
}

/* Scans one segment from a position to its end or to the first bad batch, whose position is left in *at. */
static bool scan(recovery *r, segment *s, uint64_t *at, uint64_t file_bytes, bool *bad, diag *d)
{
    plog *log = r->log;
    segment_walk w;
    batch_header h;
    *bad = false;
    if (*at >= file_bytes) return true;
    if (!segment_walk_open(&w, s, *at, file_bytes, r->next, SCAN_BLOCK, d)) return false;
    int rc;
    diag own = {0};
    bool ok = true;
    while ((rc = segment_walk_next(&w, &h, &own)) == 1) {
        bool above = h.base_offset >= log->point.recovery || r->next >= log->point.recovery;
        if (above && !whole(r, &w, &h, &own)) break;
        ok = replay(r, s, &w, &h, true, &own);
        if (!ok) break;
        segment_note(s, &h, log->config.index_interval_bytes);
        plog_note_epoch(log, h.leader_epoch, h.base_offset);
        segment_publish(s, (size_t)batch_size(&h));
        *at += (uint64_t)batch_size(&h);
        r->next = batch_last_offset(&h) + 1;
    }
    segment_walk_close(&w);
    *bad = diag_is_set(&own);
    if (!*bad) return true;
    if (own.code == DIAG_CORRUPT) {
        if (r->next < log->point.recovery) plog_report(log, &own);
        return true;
    }
    if (!diag_is_set(d)) *d = own;
    return false;
}

/* Scans segment i and deals with what is found bad. *stop: there is nothing more to scan. */
static bool scan_segment(recovery *r, int i, uint64_t at, bool *stop, diag *d)
{
    segment *s = r->s[i];
    const plog_point *p = &r->log->point;
    uint64_t file_bytes = s->size;
    bool bad;
    if (r->next < s->base) r->next = s->base;
    if (!rewind_segment(s, at, at > 0 ? r->next : s->base, d)) return false;
    if (file_bytes > at) r->changed = true;
    if (!scan(r, s, &at, file_bytes, &bad, d) || !drop_passed(r, i, d)) return false;
    if (file_bytes > at || r->next > p->recovery) s->synced_size = UINT64_MAX;
    *stop = i + 1 == r->n;
    /* A segment that takes no more appends gets its last entries now; the last one with the next checkpoint. */
    if (!*stop && (!segment_seal(s, d) || !segment_flush_indexes(s, d))) return false;
    if (bad && r->next >= p->recovery) {
        *stop = true;
        return cut(r, i, at, d);
    }
    if (bad) {
        atomic_store(&s->corrupt_from, at);
        atomic_store(&s->size, file_bytes);
        r->roll = *stop;
        return true;
    }
    bool gaps = r->log->config.policy_compact && r->log->point_turn == 0;
    if (!*stop && r->next >= p->recovery && r->s[i + 1]->base != r->next && !gaps) {
        *stop = true;
        return cut(r, i, at, d);
    }
    return true;
}

static bool scan_all(recovery *r, diag *d)
{
    plog *log = r->log;
    const plog_point *p = &log->point;
    int first = 0;
    while (first < r->n && r->s[first]->base < p->index_base) first++;
    bool stop = first >= r->n;
    r->next = p->index_point;
    for (int i = first; !stop; i++) {
        bool exact = i == first && r->s[i]->base == p->index_base && (uint64_t)p->index_position <= r->s[i]->size;
        if (i == first && r->s[i]->base == p->index_base && !exact) r->next = r->s[i]->base;
        if (!scan_segment(r, i, exact ? (uint64_t)p->index_position : 0, &stop, d)) return false;
    }
    if (r->next < p->recovery) {
        diag lost = {0};
        diag_set(&lost, DIAG_CORRUPT, "%s: offsets %lld to %lld were on disk and are missing or corrupt", log->folder,
                 (long long)r->next, (long long)p->recovery - 1);
        plog_report(log, &lost);
        r->next = p->recovery;
        r->roll = true;
    }
    return true;
}

/* Publishes what was found. */
static bool settle(recovery *r, diag *d)
{
    plog *log = r->log;
    int64_t bytes = 0;
    for (int i = 0; i < r->n; i++) bytes += (int64_t)r->s[i]->size;
    if (r->next < log->point.log_start) r->next = log->point.log_start;
    int64_t start = r->n > 0 ? r->s[0]->base : r->next;
    if (start < log->point.log_start) start = log->point.log_start;
    if (start > r->next) start = r->next;
    atomic_store(&log->bytes, bytes);
    atomic_store(&log->end, r->next);
    atomic_store(&log->start, start);
    plog_set_list(log, r->s, r->n);
    r->n = 0;
    batch_header h;
    segment *active = log->active;
    if (active && active->size > 0 && atomic_load(&active->corrupt_from) > 0) {
        if (!segment_header(active, 0, active->size, active->base, &h, d)) return false;
        active->first_time = h.max_timestamp;
        int64_t time;
        if (!segment_max_time(active, &time, d)) return false;
    }
    if (r->roll && !plog_roll(log, r->now_ms, d)) return false;
    plog_publish_stable(log);
    atomic_store(&log->synced_end, r->next);
    if (!r->changed && !log->epochs_dirty && !r->roll) return true;
    atomic_store(&log->synced_end, log->point.recovery < r->next ? log->point.recovery : r->next);
    return plog_sync_locked(log, true, d);
}

bool plog_recover(plog *log, int64_t now_ms, diag *d)
{
    recovery r = {.log = log, .now_ms = now_ms};
    diag own = {0};
    /* What is found may have been made by a process that was killed before it synced the names. */
    log->folder_dirty = log->parent_dirty = true;
    plog_point_read(log, &log->point);
    if (!plog_epochs_read(log, &own)) plog_report(log, &own);
    bool ok = plog_finish_swaps(log, d) && find_segments(&r, d) && drop_leftovers(&r, d) && drop_empty(&r, d);
    if (ok && r.n == 0) r.next = log->point.recovery;
    ok = ok && load_producers(&r, d) && scan_all(&r, d) && settle(&r, d);
    for (int i = 0; i < r.n; i++) segment_unref(r.s[i]);
    free(r.s);
    return ok;
}
