#include "connect/aborted.h"

bool aborted_filter_load(aborted_filter *a, plog *log, int64_t from, int64_t to, diag *d)
{
    buf_clear(&a->ranges);
    a->next = 0;
    return plog_aborted(log, from, to, &a->ranges, d);
}

static size_t open_count(const aborted_filter *a)
{
    return a->open.len / sizeof(int64_t);
}

static ptrdiff_t find_open(const aborted_filter *a, int64_t producer_id)
{
    const int64_t *ids = (const int64_t *)(const void *)a->open.data;
    for (size_t i = 0; i < open_count(a); i++) {
        if (ids[i] == producer_id) return (ptrdiff_t)i;
    }
    return -1;
}

bool aborted_filter_drops(aborted_filter *a, const batch_header *h, const void *batch, size_t n)
{
    const plog_aborted_txn *txns = (const plog_aborted_txn *)(const void *)a->ranges.data;
    size_t count = a->ranges.len / sizeof *txns;
    while (a->next < count && txns[a->next].first_offset <= batch_last_offset(h)) {
        int64_t id = txns[a->next++].producer_id;
        if (find_open(a, id) < 0) buf_add(&a->open, &id, sizeof id);
    }
    if (!(h->attributes & BATCH_TRANSACTIONAL)) return false;
    ptrdiff_t at = find_open(a, h->producer_id);
    if (at < 0) return false;
    if (h->attributes & BATCH_CONTROL) {
        bool commit;
        int32_t epoch;
        if (batch_marker_read(batch, n, &commit, &epoch) && !commit) {
            int64_t *ids = (int64_t *)(void *)a->open.data;
            ids[at] = ids[open_count(a) - 1];
            a->open.len -= sizeof *ids;
        }
    }
    return true;
}

void aborted_filter_clear(aborted_filter *a)
{
    buf_clear(&a->ranges);
    buf_clear(&a->open);
    a->next = 0;
}

void aborted_filter_free(aborted_filter *a)
{
    buf_free(&a->ranges);
    buf_free(&a->open);
}
