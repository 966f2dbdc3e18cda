/*
 * state/store.c - what a task does with its store: find, make, change and delete entries, expire windows, walk.
 */
#include "state/store.h"

#include <stdlib.h>

#include "state/store_int.h"

uint64_t store_hash(str key, int64_t window_start)
{
    uint64_t h = hash_bytes(key.p, key.n);
    return window_start ? h ^ hash_u64((uint64_t)window_start) : h;
}

store *store_open(store_db *db, const store_spec *spec, int32_t partition, diag *d)
{
    store *s = calloc(1, sizeof *s);
    check(s != NULL);
    s->spec = spec;
    s->db = db;
    s->partition = partition;
    s->key_at = (uint32_t)(sizeof(entry) + ((spec->state_size + 15u) & ~15u));
    s->expired = s->expired_saved = s->frozen_expired = INT64_MIN;
    check(pthread_mutex_init(&s->lock, NULL) == 0);
    if (!db || store_begin(s, d)) return s;
    store_close(s);
    return NULL;
}

void store_close(store *s)
{
    if (!s) return;
    for (uint64_t i = 0; s->slots && i <= s->mask; i++) {
        if (s->slots[i].e) store_entry_free(s, s->slots[i].e);
    }
    if (s->db && s->db->budget) atomic_fetch_sub(&s->db->budget->used, (long long)s->charged);
    for (uint32_t i = 0; i < s->slab_count; i++) free(s->slabs[i]);
    if (s->frozen_mem) arena_free(s->frozen_mem);
    pthread_mutex_destroy(&s->lock);
    free(s->frozen);
    free(s->frozen_entries.items);
    free(s->changes.items);
    free(s->misses);
    free(s->windows);
    free(s->slabs);
    free(s->slots);
    free(s);
}

const store_spec *store_get_spec(const store *s)
{
    return s->spec;
}

int32_t store_partition(const store *s)
{
    return s->partition;
}

void store_lock(store *s)
{
    pthread_mutex_lock(&s->lock);
}

void store_unlock(store *s)
{
    pthread_mutex_unlock(&s->lock);
}

/* ---- entries --------------------------------------------------------------------------------------------- */

/* Reads one key of the database into the table; NULL when it is not there, or when that failed. */
static slot *load_one(store *s, str key, int64_t w, uint64_t hash)
{
    store_row row = {.key = key, .window_start = w};
    if (!s->failed && !s->db->ops->read(s->db, s->spec, s->partition, &row, 1, store_load_row, s, &s->error))
        s->failed = true;
    return store_table_find(s, key, w, hash);
}

static inline slot *find(store *s, str key, int64_t w, uint64_t hash)
{
    slot *x = store_table_find(s, key, w, hash);
    if (likely(x != NULL) || !s->db || !store_may_hold(s, w)) return x;
    return load_one(s, key, w, hash);
}

void *store_get(store *s, str key, int64_t window_start, uint64_t hash)
{
    slot *x = find(s, key, window_start, hash);
    if (!x || x->e->dead) return NULL;
    x->e->used = 1;
    return entry_state(x->e);
}

void *store_upsert(store *s, str key, int64_t window_start, uint64_t hash, bool *created)
{
    slot *x = find(s, key, window_start, hash);
    entry *e;
    *created = false;
    if (likely(x != NULL)) {
        e = x->e;
    } else {
        e = store_entry_new(s, key, window_start, hash);
        store_table_insert(s, e);
        *created = true;
    }
    if (e->dead) {
        e->dead = 0;
        s->count++;
        if (s->spec->shape == STORE_WINDOW) store_window_link(s, e);
        *created = true;
    }
    e->used = 1;
    store_entry_changed(s, e);
    return entry_state(e);
}

void store_touch(store *s, void *state)
{
    store_entry_changed(s, entry_of(state));
}

/* The entry dies; it leaves the table when the database knows. */
static void bury(store *s, entry *e)
{
    if (s->spec->shape == STORE_WINDOW) store_window_unlink(s, e);
    store_entry_release(s, e);
    e->dead = 1;
    s->count--;
}

void store_delete(store *s, str key, int64_t window_start, uint64_t hash)
{
    slot *x = find(s, key, window_start, hash);
    if (!x || x->e->dead) return;
    bury(s, x->e);
    store_entry_changed(s, x->e);
}

str store_key_of(const store *s, const void *state)
{
    return entry_key(s, entry_of(state));
}

int64_t store_window_of(const store *s, const void *state)
{
    (void)s;
    return entry_of(state)->window;
}

bool store_apply(store *s, const store_row *row)
{
    uint64_t hash = store_hash(row->key, row->window_start);
    slot *x = store_table_find(s, row->key, row->window_start, hash);
    /*
     * Rows of a bucket follow the deletion of the old one and are added to it; any other row replaces what was
     * there.
     */
    if (x && !x->e->dead && (row->deleted || s->spec->shape != STORE_BUCKET)) bury(s, x->e);
    if (!x) {
        entry *e = store_entry_new(s, row->key, row->window_start, hash);
        store_table_insert(s, e);
        if (row->deleted) bury(s, e);
        x = store_table_find(s, row->key, row->window_start, hash);
    }
    entry *e = x->e;
    store_entry_changed(s, e);
    if (row->deleted) return true;
    if (e->dead) {
        e->dead = 0;
        s->count++;
        if (s->spec->shape == STORE_WINDOW) store_window_link(s, e);
    }
    const store_codec *codec = &s->spec->codec;
    if (s->spec->shape == STORE_BUCKET)
        return codec->bucket_add(codec->ctx, entry_state(e), row->time, row->seq, row->cells);
    return codec->decode(codec->ctx, row->cells, entry_state(e));
}

bool store_expire(store *s, int64_t start, uint32_t most)
{
    if (start > s->expired) s->expired = start;
    while (s->window_count > 0 && s->windows[0].start < start) {
        s->windows[0].stored = false;
        entry *e = s->windows[0].first;
        if (!e) {
            memmove(s->windows, s->windows + 1, (s->window_count - 1) * sizeof *s->windows);
            s->window_count--;
            continue;
        }
        if (most-- == 0) return false;
        bury(s, e);
        store_entry_unchanged(s, e);
        /* What is being saved stays as a tombstone until that is done. */
        if (e->frozen) continue;
        store_table_remove(s, store_table_find(s, entry_key(s, e), e->window, e->hash));
        store_entry_free(s, e);
    }
    return true;
}

/* ---- looking --------------------------------------------------------------------------------------------- */

uint64_t store_count(const store *s)
{
    return s->count;
}

uint64_t store_bytes(const store *s)
{
    return s->bytes + (s->slots ? (s->mask + 1) * sizeof(slot) : 0);
}

uint64_t store_changed(const store *s)
{
    return atomic_load_explicit(&s->changed, memory_order_relaxed);
}

void store_pin(store *s, bool pinned)
{
    s->pins += pinned ? 1 : -1;
    check(s->pins >= 0);
}

bool store_error(const store *s, diag *d)
{
    if (s->failed) *d = s->error;
    return s->failed;
}

bool store_is_whole(const store *s)
{
    if (s->failed || (s->db && store_over_budget(s))) return false;
    if (s->spec->shape != STORE_WINDOW) return !s->cold;
    for (uint32_t i = 0; i < s->window_count; i++) {
        if (s->windows[i].stored) return false;
    }
    return true;
}

void *store_next(store *s, store_iter *it)
{
    if (s->spec->shape != STORE_WINDOW) {
        while (s->slots && it->a <= s->mask) {
            entry *e = s->slots[it->a++].e;
            if (e && !e->dead) return entry_state(e);
        }
        return NULL;
    }
    /* b: the entry to come next as a pointer, found before the caller may delete the one at hand; a: 0 at the start. */
    entry *e = (entry *)(uintptr_t)it->b;
    while (!e) {
        int64_t from = it->a == 0 ? it->first_window : it->first_window + 1;
        if (it->a != 0 && it->first_window == INT64_MAX) return NULL;
        uint32_t i = store_window_lower(s, from);
        if (i == s->window_count || s->windows[i].start > it->last_window) return NULL;
        it->a = 1;
        it->first_window = s->windows[i].start;
        e = s->windows[i].first;
    }
    it->b = (uint64_t)(uintptr_t)e->window_next;
    return entry_state(e);
}
