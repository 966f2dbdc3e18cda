/*
 * state/store_table.c - entries, the hash table that finds them, and their order by window.
 */
#include <stdlib.h>

#include "state/store_int.h"

/* ---- memory ---------------------------------------------------------------------------------------------- */

void *store_grow(void *p, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap) return p;
    uint32_t n = *cap ? *cap : 16;
    while (n < need) n *= 2;
    p = realloc(p, n * size);
    check(p != NULL);
    *cap = n;
    return p;
}

static void *slab_take(store *s, size_t bytes)
{
    if (s->slab_left < bytes) {
        s->slabs = store_grow(s->slabs, &s->slab_cap, s->slab_count + 1, sizeof *s->slabs);
        s->slab = aligned_alloc(64, STORE_SLAB_BYTES);
        check(s->slab != NULL);
        s->slabs[s->slab_count++] = s->slab;
        s->slab_left = STORE_SLAB_BYTES;
    }
    void *p = s->slab;
    s->slab += bytes;
    s->slab_left -= bytes;
    return p;
}

entry *store_entry_new(store *s, str key, int64_t w, uint64_t hash)
{
    check(key.n < STORE_KEY_MAX);
    size_t bytes = s->key_at + key.n;
    size_t class = (bytes + STORE_CLASS_STEP - 1) / STORE_CLASS_STEP;
    entry *e;
    if (class > STORE_CLASSES) {
        e = calloc(1, bytes);
        check(e != NULL);
    } else {
        bytes = class * STORE_CLASS_STEP;
        e = s->free[class];
        if (e)
            s->free[class] = e->window_next;
        else
            e = slab_take(s, bytes);
        memset(e, 0, bytes);
    }
    e->bytes = (uint32_t)bytes;
    e->window = w;
    e->hash = hash;
    e->key_len = (uint32_t)key.n & (STORE_KEY_MAX - 1);
    e->changed_at = STORE_NO_CHANGE;
    e->used = 1;
    if (key.n > 0) memcpy((char *)e + s->key_at, key.p, key.n);
    s->bytes += e->bytes;
    return e;
}

void store_entry_release(store *s, entry *e)
{
    if (s->spec->codec.release) s->spec->codec.release(s->spec->codec.ctx, entry_state(e));
    memset(entry_state(e), 0, s->spec->state_size);
    s->bytes -= e->held;
    e->held = 0;
}

void store_entry_free(store *s, entry *e)
{
    store_entry_release(s, e);
    s->bytes -= e->bytes;
    size_t class = e->bytes / STORE_CLASS_STEP;
    if (e->bytes > STORE_CLASSES * STORE_CLASS_STEP) {
        free(e);
        return;
    }
    e->window_next = s->free[class];
    s->free[class] = e;
}

void store_entry_count_held(store *s, entry *e)
{
    if (!s->spec->codec.held) return;
    size_t held = s->spec->codec.held(s->spec->codec.ctx, entry_state(e));
    if (held > UINT32_MAX) held = UINT32_MAX;
    s->bytes += held;
    s->bytes -= e->held;
    e->held = (uint32_t)held;
}

/* ---- the hash table -------------------------------------------------------------------------------------- */

/* A tombstone that nobody needs: without a database nothing has to be told of the deletion. */
static bool is_waste(const store *s, const entry *e)
{
    return e->dead && !e->frozen && (!s->db || e->changed_at == STORE_NO_CHANGE);
}

void store_table_fit(store *s)
{
    slot *old = s->slots;
    uint64_t old_slots = s->slots ? s->mask + 1 : 0;
    for (uint64_t i = 0; i < old_slots; i++) {
        if (!old[i].e || !is_waste(s, old[i].e)) continue;
        store_entry_free(s, old[i].e);
        old[i].e = NULL;
        s->taken--;
    }
    uint64_t slots = 64;
    while (slots < (s->taken + 1) * 4) slots *= 2;
    s->slots = calloc(slots, sizeof(slot));
    check(s->slots != NULL);
    s->mask = slots - 1;
    s->hand = 0;
    for (uint64_t i = 0; i < old_slots; i++) {
        if (!old[i].e) continue;
        uint64_t at = old[i].hash & s->mask;
        while (s->slots[at].e) at = (at + 1) & s->mask;
        s->slots[at] = old[i];
    }
    free(old);
}

slot *store_table_find(const store *s, str key, int64_t w, uint64_t hash)
{
    if (!s->slots) return NULL;
    for (uint64_t at = hash & s->mask; s->slots[at].e; at = (at + 1) & s->mask) {
        slot *x = &s->slots[at];
        if (x->hash != hash) continue;
        const entry *e = x->e;
        if (e->window == w && e->key_len == key.n && memcmp((const char *)e + s->key_at, key.p, key.n) == 0) return x;
    }
    return NULL;
}

void store_table_insert(store *s, entry *e)
{
    if (!s->slots || (s->taken + 1) * 2 > s->mask + 1) store_table_fit(s);
    uint64_t at = e->hash & s->mask;
    while (s->slots[at].e) at = (at + 1) & s->mask;
    s->slots[at] = (slot){e->hash, e};
    s->taken++;
    s->count++;
    if (s->spec->shape == STORE_WINDOW) store_window_link(s, e);
}

void store_table_remove(store *s, slot *x)
{
    uint64_t hole = (uint64_t)(x - s->slots);
    for (uint64_t at = (hole + 1) & s->mask; s->slots[at].e; at = (at + 1) & s->mask) {
        uint64_t home = s->slots[at].hash & s->mask;
        if (((at - home) & s->mask) >= ((at - hole) & s->mask)) {
            s->slots[hole] = s->slots[at];
            hole = at;
        }
    }
    s->slots[hole].e = NULL;
    s->taken--;
}

/* ---- windows --------------------------------------------------------------------------------------------- */

uint32_t store_window_lower(const store *s, int64_t start)
{
    uint32_t lo = 0, hi = s->window_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (s->windows[mid].start < start)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

window *store_window_at(store *s, int64_t start)
{
    uint32_t i = s->window_last;
    if (i < s->window_count && s->windows[i].start == start) return &s->windows[i];
    i = store_window_lower(s, start);
    if (i == s->window_count || s->windows[i].start != start) {
        s->windows = store_grow(s->windows, &s->window_cap, s->window_count + 1, sizeof *s->windows);
        memmove(s->windows + i + 1, s->windows + i, (s->window_count - i) * sizeof *s->windows);
        s->windows[i] = (window){.start = start};
        s->window_count++;
    }
    s->window_last = i;
    return &s->windows[i];
}

void store_window_link(store *s, entry *e)
{
    window *w = store_window_at(s, e->window);
    e->window_next = w->first;
    e->window_prev = NULL;
    if (w->first) w->first->window_prev = e;
    w->first = e;
    w->count++;
}

void store_window_unlink(store *s, entry *e)
{
    uint32_t i = store_window_lower(s, e->window);
    window *w = &s->windows[i];
    if (e->window_prev)
        e->window_prev->window_next = e->window_next;
    else
        w->first = e->window_next;
    if (e->window_next) e->window_next->window_prev = e->window_prev;
    e->window_next = e->window_prev = NULL;
    if (--w->count > 0 || w->stored) return;
    memmove(s->windows + i, s->windows + i + 1, (s->window_count - i - 1) * sizeof *s->windows);
    s->window_count--;
}

uint32_t store_windows(store *s, int64_t first, int64_t last, int64_t *out, uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t i = store_window_lower(s, first); i < s->window_count && s->windows[i].start <= last; i++, n++) {
        if (n < most) out[n] = s->windows[i].start;
    }
    return n;
}

/* ---- changes --------------------------------------------------------------------------------------------- */

/* One writer; the committer looks at it without the lock. */
static void count_changed(store *s, int64_t by)
{
    uint64_t n = atomic_load_explicit(&s->changed, memory_order_relaxed);
    atomic_store_explicit(&s->changed, n + (uint64_t)by, memory_order_relaxed);
}

void store_entry_changed(store *s, entry *e)
{
    if (e->changed_at != STORE_NO_CHANGE || !s->db) return;
    change_list *l = &s->changes;
    if (l->count == l->cap) l->items = store_grow(l->items, &l->cap, l->count + 1, sizeof *l->items);
    e->changed_at = l->count;
    l->items[l->count++] = e;
    count_changed(s, 1);
}

void store_entry_unchanged(store *s, entry *e)
{
    if (e->changed_at == STORE_NO_CHANGE) return;
    s->changes.items[e->changed_at] = NULL;
    e->changed_at = STORE_NO_CHANGE;
    count_changed(s, -1);
}
