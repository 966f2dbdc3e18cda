/* Looking up offsets by time. */
#include "base/check.h"
#include "broker/plog_int.h"

enum { LOOKUP_BLOCK = 64 * 1024 };

/* The first record of one batch that is at or above both the timestamp and the offset. */
static bool search_batch(const uint8_t *data, size_t n, int64_t timestamp, int64_t from, int64_t *offset,
                         int64_t *found, diag *d)
{
    batch_iter it = {0};
    batch_record_view v;
    bool ok = batch_iter_open(&it, data, n, PLOG_EXPANDED_MAX, d);
    int rc = 0;
    while (ok && (rc = batch_iter_next(&it, &v, d)) == 1) {
        if (v.timestamp < timestamp || v.offset < from) continue;
        *offset = v.offset;
        *found = v.timestamp;
        break;
    }
    batch_iter_free(&it);
    return ok && rc >= 0;
}

static bool search_segment(plog *log, segment *s, int64_t timestamp, int64_t *offset, int64_t *found, diag *d)
{
    uint64_t size = segment_readable(s), at = 0;
    index_entry e;
    bool got;
    batch_header h;
    if (size == 0) return true;
    if (!segment_index_floor(&s->times, INDEX_BY_TIME, timestamp, &e, &got, d)) return false;
    if (got && !segment_locate(s, s->base + e.value, size, &at, &h, &got, d)) return false;
    segment_walk w;
    if (!segment_walk_open(&w, s, at, size, s->base, LOOKUP_BLOCK, d)) return false;
    int rc;
    bool ok = true;
    int64_t start = plog_start(log);
    while (ok && *offset < 0 && (rc = segment_walk_next(&w, &h, d)) == 1) {
        if (h.max_timestamp < timestamp || (h.attributes & BATCH_CONTROL) || batch_last_offset(&h) < start) continue;
        const uint8_t *data;
        ok = segment_walk_bytes(&w, &h, &data, d) &&
             search_batch(data, (size_t)batch_size(&h), timestamp, start, offset, found, d);
    }
    segment_walk_close(&w);
    return ok && !diag_is_set(d);
}

bool plog_offset_for_time(plog *log, int64_t timestamp, plog_isolation isolation, int64_t *offset, int64_t *found,
                          int32_t *epoch, diag *d)
{
    *offset = *found = -1;
    *epoch = -1;
    int64_t limit = plog_limit(log, isolation);
    segment_list *l = plog_list(log);
    bool ok = true;
    for (int i = 0; ok && *offset < 0 && i < l->n; i++) {
        int64_t time;
        ok = segment_max_time(l->s[i], &time, d);
        if (ok && time >= timestamp) ok = search_segment(log, l->s[i], timestamp, offset, found, d);
    }
    segment_list_release(l);
    if (*offset >= limit) *offset = *found = -1;
    if (*offset >= 0) *epoch = plog_epoch_of(log, *offset);
    return ok;
}

bool plog_offset_of_max_time(plog *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, diag *d)
{
    *offset = *timestamp = -1;
    *epoch = -1;
    segment_list *l = plog_list(log);
    segment *best = NULL;
    int64_t highest = -1;
    bool ok = true;
    for (int i = 0; ok && i < l->n; i++) {
        int64_t time;
        ok = segment_max_time(l->s[i], &time, d);
        if (ok && time > highest) {
            highest = time;
            best = l->s[i];
        }
    }
    if (ok && best) ok = search_segment(log, best, highest, offset, timestamp, d);
    segment_list_release(l);
    if (*offset >= 0) *epoch = plog_epoch_of(log, *offset);
    return ok;
}
