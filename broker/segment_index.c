#include "broker/segment_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { WIDTH_MAX = 12 };

void segment_index_init(segment_index *ix, index_kind kind, plog_env *env, const char *path, uint32_t count)
{
    *ix = (segment_index){.kind = kind, .file = segment_file_new(env, path), .written = count};
    pthread_mutex_init(&ix->mutex, NULL);
}

void segment_index_free(segment_index *ix)
{
    segment_file_release(ix->file);
    pthread_mutex_destroy(&ix->mutex);
    free(ix->tail);
}

uint32_t segment_index_count(segment_index *ix)
{
    pthread_mutex_lock(&ix->mutex);
    uint32_t n = ix->written + (uint32_t)ix->tail_count;
    pthread_mutex_unlock(&ix->mutex);
    return n;
}

static void encode(index_kind kind, index_entry e, uint8_t *p)
{
    if (kind == INDEX_OFFSET) {
        store_be32(p, (uint32_t)e.key);
        store_be32(p + 4, (uint32_t)e.value);
    } else {
        store_be64(p, (uint64_t)e.key);
        store_be32(p + 8, (uint32_t)e.value);
    }
}

static index_entry decode(index_kind kind, const uint8_t *p)
{
    if (kind == INDEX_OFFSET) return (index_entry){(int32_t)load_be32(p), (int32_t)load_be32(p + 4)};
    return (index_entry){(int64_t)load_be64(p), (int32_t)load_be32(p + 8)};
}

static int64_t field_of(index_field field, const index_entry *e)
{
    return field == INDEX_BY_POSITION ? e->value : e->key;
}

/* Only the adding thread changes the tail, so it may read it without the lock. */
bool segment_index_flush(segment_index *ix, diag *d)
{
    if (ix->tail_count == 0) return true;
    uint8_t block[INDEX_TAIL_MAX * WIDTH_MAX];
    uint32_t width = segment_index_width(ix->kind);
    for (int i = 0; i < ix->tail_count; i++) encode(ix->kind, ix->tail[i], block + (size_t)i * width);
    file *f;
    if (!segment_file_pin_write(ix->file, true, &f, d)) return false;
    bool ok = file_write(f, (uint64_t)ix->written * width, block, (size_t)ix->tail_count * width, d);
    segment_file_unpin(ix->file);
    if (!ok) return false;
    pthread_mutex_lock(&ix->mutex);
    ix->written += (uint32_t)ix->tail_count;
    ix->tail_count = 0;
    pthread_mutex_unlock(&ix->mutex);
    ix->unsynced = true;
    return true;
}

bool segment_index_add(segment_index *ix, int64_t key, int32_t value, diag *d)
{
    if (ix->tail_count == INDEX_TAIL_MAX && !segment_index_flush(ix, d)) return false;
    pthread_mutex_lock(&ix->mutex);
    if (!ix->tail) {
        ix->tail = malloc(INDEX_TAIL_MAX * sizeof *ix->tail);
        check(ix->tail != NULL);
    }
    check(ix->tail_count == 0 || ix->tail[ix->tail_count - 1].key <= key);
    ix->tail[ix->tail_count++] = (index_entry){key, value};
    pthread_mutex_unlock(&ix->mutex);
    return true;
}

/* How many of the entries in the file have a field of at most the value; the last such entry is put into *out. */
static bool search_file(segment_index *ix, uint32_t count, index_field field, int64_t value, uint32_t *below,
                        index_entry *out, diag *d)
{
    *below = 0;
    if (count == 0) return true;
    file *f;
    if (!segment_file_pin(ix->file, false, &f, d)) return false;
    uint32_t width = segment_index_width(ix->kind), low = 0, high = count;
    bool ok = true;
    while (ok && low < high) {
        uint32_t mid = low + (high - low) / 2;
        uint8_t bytes[WIDTH_MAX];
        ok = file_read_all(f, (uint64_t)mid * width, bytes, width, d);
        if (!ok) break;
        index_entry e = decode(ix->kind, bytes);
        if (field_of(field, &e) <= value) {
            *out = e;
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    segment_file_unpin(ix->file);
    *below = low;
    return ok;
}

/* Searches the tail: how many of its entries have a field of at most the value. */
static int search_tail(const segment_index *ix, index_field field, int64_t value)
{
    int low = 0, high = ix->tail_count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (field_of(field, &ix->tail[mid]) <= value) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool segment_index_floor(segment_index *ix, index_field field, int64_t value, index_entry *out, bool *found, diag *d)
{
    pthread_mutex_lock(&ix->mutex);
    int in_tail = search_tail(ix, field, value);
    uint32_t written = ix->written;
    if (in_tail > 0) *out = ix->tail[in_tail - 1];
    pthread_mutex_unlock(&ix->mutex);
    *found = in_tail > 0;
    if (*found) return true;
    uint32_t below;
    if (!search_file(ix, written, field, value, &below, out, d)) return false;
    *found = below > 0;
    return true;
}

static bool read_entry(segment_index *ix, uint32_t number, index_entry *out, diag *d)
{
    uint8_t bytes[WIDTH_MAX];
    uint32_t width = segment_index_width(ix->kind);
    file *f;
    if (!segment_file_pin(ix->file, false, &f, d)) return false;
    bool ok = file_read_all(f, (uint64_t)number * width, bytes, width, d);
    segment_file_unpin(ix->file);
    if (ok) *out = decode(ix->kind, bytes);
    return ok;
}

bool segment_index_above(segment_index *ix, index_field field, int64_t value, index_entry *out, bool *found, diag *d)
{
    pthread_mutex_lock(&ix->mutex);
    int in_tail = search_tail(ix, field, value);
    uint32_t written = ix->written;
    *found = in_tail < ix->tail_count;
    if (*found) *out = ix->tail[in_tail];
    pthread_mutex_unlock(&ix->mutex);
    if (in_tail > 0 || written == 0) return true;
    uint32_t below;
    index_entry ignored;
    if (!search_file(ix, written, field, value, &below, &ignored, d)) return false;
    if (below == written) return true;
    *found = true;
    return read_entry(ix, below, out, d);
}

bool segment_index_last(segment_index *ix, index_entry *out, bool *found, diag *d)
{
    pthread_mutex_lock(&ix->mutex);
    uint32_t written = ix->written;
    *found = ix->tail_count > 0;
    if (*found) *out = ix->tail[ix->tail_count - 1];
    pthread_mutex_unlock(&ix->mutex);
    if (*found || written == 0) return true;
    *found = true;
    return read_entry(ix, written - 1, out, d);
}

/* Counts the entries at the front that are in order and below the value. */
static bool count_good(segment_index *ix, file *f, index_field field, int64_t value, uint32_t *good, diag *d)
{
    uint8_t block[INDEX_TAIL_MAX * WIDTH_MAX];
    uint32_t width = segment_index_width(ix->kind);
    index_entry before = {-1, ix->kind == INDEX_OFFSET ? 0 : -1};
    *good = 0;
    while (*good < ix->written) {
        uint32_t n = ix->written - *good < INDEX_TAIL_MAX ? ix->written - *good : INDEX_TAIL_MAX;
        if (!file_read_all(f, (uint64_t)*good * width, block, (size_t)n * width, d)) return false;
        for (uint32_t i = 0; i < n; i++) {
            index_entry e = decode(ix->kind, block + (size_t)i * width);
            if (e.key <= before.key || e.value <= before.value || field_of(field, &e) >= value) return true;
            before = e;
            ++*good;
        }
    }
    return true;
}

/* After a power loss anything may lie behind the entries that were synced, so they are read one by one. */
bool segment_index_cut(segment_index *ix, index_field field, int64_t value, diag *d)
{
    check(ix->tail_count == 0);
    uint32_t good;
    file *f;
    if (ix->written == 0) return true;
    if (!segment_file_pin(ix->file, false, &f, d)) return false;
    bool ok = count_good(ix, f, field, value, &good, d);
    segment_file_unpin(ix->file);
    if (!ok || good == ix->written) return ok;
    if (!segment_file_pin_write(ix->file, false, &f, d)) return false;
    ok = file_truncate(f, (uint64_t)good * segment_index_width(ix->kind), d);
    segment_file_unpin(ix->file);
    if (ok) {
        ix->written = good;
        ix->unsynced = true;
    }
    return ok;
}
