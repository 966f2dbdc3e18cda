/*
 * state/store_load.c - what a store takes from its database, and gives back when memory is short.
 */
#include <stdlib.h>

#include "state/store_int.h"

/* ---- rows into the table --------------------------------------------------------------------------------- */

static bool decode_into(store *s, entry *e, const store_row *row)
{
    const store_codec *codec = &s->spec->codec;
    if (s->spec->shape == STORE_BUCKET)
        return codec->bucket_add(codec->ctx, entry_state(e), row->time, row->seq, row->cells);
    return codec->decode(codec->ctx, row->cells, entry_state(e));
}

bool store_load_row(void *ctx, const store_row *row)
{
    store *s = ctx;
    uint64_t hash = store_hash(row->key, row->window_start);
    slot *x = store_table_find(s, row->key, row->window_start, hash);
    /* What is in memory is newer; a bucket's rows come one after the other. */
    if (x && s->spec->shape != STORE_BUCKET) return true;
    entry *e = x ? x->e : store_entry_new(s, row->key, row->window_start, hash);
    if (!x) store_table_insert(s, e);
    bool ok = decode_into(s, e, row);
    store_entry_count_held(s, e);
    return ok;
}

static bool note_window(void *ctx, int64_t start)
{
    store_window_at(ctx, start)->stored = true;
    return true;
}

bool store_begin(store *s, diag *d)
{
    bool has_rows = false;
    const store_db_ops *ops = s->db->ops;
    if (!ops->open_store(s->db, s->spec, s->partition, &has_rows, d)) return false;
    if (!has_rows) return true;
    if (s->spec->shape == STORE_BUCKET || s->spec->resident)
        return ops->scan(s->db, s->spec, s->partition, INT64_MIN, INT64_MAX, store_load_row, s, d);
    if (s->spec->shape == STORE_WINDOW) return ops->windows(s->db, s->spec, s->partition, note_window, s, d);
    s->cold = true;
    return true;
}

bool store_load_window(store *s, int64_t start, diag *d)
{
    uint32_t i = store_window_lower(s, start);
    if (i == s->window_count || s->windows[i].start != start || !s->windows[i].stored) return true;
    if (!s->db->ops->scan(s->db, s->spec, s->partition, start, start, store_load_row, s, d)) return false;
    i = store_window_lower(s, start);
    s->windows[i].stored = false;
    if (s->windows[i].count > 0) return true;
    memmove(s->windows + i, s->windows + i + 1, (s->window_count - i - 1) * sizeof *s->windows);
    s->window_count--;
    return true;
}

/* ---- prefetch -------------------------------------------------------------------------------------------- */

static int compare_keys(const void *x, const void *y)
{
    const store_row *a = x, *b = y;
    if (a->window_start != b->window_start) return a->window_start < b->window_start ? -1 : 1;
    return str_cmp(a->key, b->key);
}

/* The keys of the coming rows that only the database can tell of; a key may be there twice. */
static void gather_misses(store *s, const str *keys, const int64_t *windows, const uint64_t *hashes, uint32_t count)
{
    s->miss_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t w = windows ? windows[i] : 0;
        if (!store_may_hold(s, w) || store_table_find(s, keys[i], w, hashes[i])) continue;
        if (s->miss_count == s->miss_cap)
            s->misses = store_grow(s->misses, &s->miss_cap, s->miss_count + 1, sizeof *s->misses);
        s->misses[s->miss_count++] = (store_row){.key = keys[i], .window_start = w};
    }
}

static bool load_misses(store *s, diag *d)
{
    qsort(s->misses, s->miss_count, sizeof *s->misses, compare_keys);
    uint32_t n = 1;
    for (uint32_t i = 1; i < s->miss_count; i++) {
        if (compare_keys(&s->misses[i], &s->misses[n - 1]) != 0) s->misses[n++] = s->misses[i];
    }
    return s->db->ops->read(s->db, s->spec, s->partition, s->misses, n, store_load_row, s, d);
}

bool store_prefetch(store *s, const str *keys, const int64_t *windows, const uint64_t *hashes, uint32_t count, diag *d)
{
    if (s->failed) {
        *d = s->error;
        return false;
    }
    if (s->db) {
        store_charge(s);
        store_evict(s, 4 * (uint64_t)count + 64);
        gather_misses(s, keys, windows, hashes, count);
        if (s->miss_count > 0 && !load_misses(s, d)) return false;
    }
    if (!s->slots) return true;
    /* Two passes, so that the slots of all rows are on their way before the first entry is looked at. */
    for (uint32_t i = 0; i < count; i++) __builtin_prefetch(&s->slots[hashes[i] & s->mask]);
    for (uint32_t i = 0; i < count; i++) {
        const entry *e = s->slots[hashes[i] & s->mask].e;
        if (!e) continue;
        __builtin_prefetch(e, 1);
        __builtin_prefetch((const char *)e + 64, 1);
    }
    return true;
}

/* ---- everything, for ranges and scans -------------------------------------------------------------------- */

/* A walk over the database's rows that memory does not have. */
typedef struct scan {
    store *s;
    bool (*found)(void *ctx, const void *state);
    void *ctx;
    bool ended; /* by `found` */
} scan;

/* The row becomes an entry for the time of the call only. */
static bool show_row(void *ctx, const store_row *row)
{
    scan *x = ctx;
    store *s = x->s;
    if (x->ended) return true;
    uint64_t hash = store_hash(row->key, row->window_start);
    if (store_table_find(s, row->key, row->window_start, hash)) return true;
    entry *e = store_entry_new(s, row->key, row->window_start, hash);
    bool ok = decode_into(s, e, row);
    if (ok) x->ended = !x->found(x->ctx, entry_state(e));
    store_entry_free(s, e);
    return ok;
}

bool store_scan(store *s, int64_t first, int64_t last, bool (*found)(void *ctx, const void *state), void *ctx, diag *d)
{
    scan x = {s, found, ctx, false};
    if (s->spec->shape != STORE_WINDOW) {
        store_iter it = {0};
        for (const void *state; !x.ended && (state = store_next(s, &it)) != NULL;) x.ended = !found(ctx, state);
        if (x.ended || !s->cold) return true;
        return s->db->ops->scan(s->db, s->spec, s->partition, first, last, show_row, &x, d);
    }
    for (uint32_t i = store_window_lower(s, first); i < s->window_count && s->windows[i].start <= last && !x.ended;
         i++) {
        const window *w = &s->windows[i];
        for (entry *e = w->first; e && !x.ended; e = e->window_next) x.ended = !found(ctx, entry_state(e));
        if (x.ended || !w->stored) continue;
        if (!s->db->ops->scan(s->db, s->spec, s->partition, w->start, w->start, show_row, &x, d)) return false;
    }
    return true;
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

void store_charge(store *s)
{
    if (!s->db || !s->db->budget) return;
    uint64_t now = store_bytes(s);
    atomic_fetch_add(&s->db->budget->used, (long long)now - (long long)s->charged);
    s->charged = now;
}

bool store_over_budget(const store *s)
{
    const store_budget *b = s->db->budget;
    return b && (int64_t)atomic_load(&b->used) > b->limit;
}

/* Takes an entry out that the database holds as it is. */
static void evict_entry(store *s, slot *x)
{
    entry *e = x->e;
    if (s->spec->shape == STORE_WINDOW) {
        store_window_at(s, e->window)->stored = true;
        store_window_unlink(s, e);
    } else {
        s->cold = true;
    }
    store_table_remove(s, x);
    s->count--;
    store_entry_free(s, e);
}

/*
 * A clock: what was used since the hand passed last stays for another round. Two rounds without a success end it: then
 * all the rest is waiting to be saved.
 */
void store_evict(store *s, uint64_t most)
{
    if (!s->db || !s->db->budget || s->pins > 0 || s->spec->shape == STORE_BUCKET || s->spec->resident || !s->slots)
        return;
    uint64_t idle = 0;
    while (most-- > 0 && idle <= 2 * (s->mask + 1) && store_over_budget(s)) {
        s->hand = (s->hand + 1) & s->mask;
        slot *x = &s->slots[s->hand];
        idle++;
        if (!x->e || x->e->dead || x->e->frozen || x->e->changed_at != STORE_NO_CHANGE) continue;
        if (x->e->used) {
            x->e->used = 0;
            continue;
        }
        evict_entry(s, x);
        store_charge(s);
        s->hand = (s->hand - 1) & s->mask; /* another entry may have moved here */
        idle = 0;
    }
    if (s->taken * 16 < s->mask && s->mask > 1024) store_table_fit(s);
    store_charge(s);
}
