/*
 * state/store_memory.c - the entries of a store: a hash table of slab-allocated rows, the list of what changed, and the frozen copy.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "state/store.h"

enum {
    CLASS_STEP = 32,
    CLASSES = 64, /* entries up to 2 KiB come from slabs, larger ones from the heap */
    SLAB_BYTES = 1 << 18,
    NO_CHANGE = UINT32_MAX,
};

/* An entry: this head, the state (16-byte aligned), the key. */
typedef struct entry {
    int64_t window;
    struct entry *window_next, *window_prev; /* STORE_WINDOW: the other entries of this window start */
    uint64_t hash;
    uint32_t key_len;
    uint32_t changed_at; /* place in the list of changes, or NO_CHANGE */
    uint32_t bytes; /* of the allocation */
    uint32_t pad;
} entry;
_Static_assert(sizeof(entry) % 16 == 0, "states are aligned");

typedef struct slot {
    uint64_t hash;
    entry *e;
} slot;

/* The entries of one window start. */
typedef struct window {
    int64_t start;
    entry *first;
    uint64_t count;
} window;

typedef struct gone {
    int64_t window;
    str key; /* on the heap */
} gone;

struct store {
    const store_spec *spec;
    store_db *db;
    int32_t partition;
    uint32_t key_at; /* offset of the key in an entry */
    pthread_mutex_t lock;
    slot *slots;
    uint64_t mask;
    uint64_t count;
    uint64_t bytes;
    entry *free[CLASSES + 1];
    char *slab;
    size_t slab_left;
    void **slabs;
    size_t slab_count, slab_cap;
    window *windows; /* ascending */
    uint32_t window_count, window_cap, window_last;
    entry **changes;
    uint32_t change_count, change_cap;
    uint64_t changed; /* entries in changes, without the holes */
    gone *gone;
    uint32_t gone_count, gone_cap;
    int64_t expired;
    arena *frozen_mem;
    store_row *frozen;
    uint64_t frozen_count, frozen_cap;
    int64_t frozen_generation;
    int64_t frozen_expired;
    bool frozen_sorted;
};

static inline void *state_of(entry *e)
{
    return e + 1;
}
static inline entry *entry_of(const void *state)
{
    return (entry *)((char *)(uintptr_t)state - sizeof(entry));
}
static inline str entry_key(const store *s, const entry *e)
{
    return str_of((const char *)e + s->key_at, e->key_len);
}

uint64_t store_hash(str key, int64_t window_start)
{
    uint64_t h = hash_bytes(key.p, key.n);
    return window_start ? h ^ hash_u64((uint64_t)window_start) : h;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static void *grow(void *p, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap) return p;
    uint32_t n = *cap ? *cap : 16;
    while (n < need) n *= 2;
    p = realloc(p, n * size);
    check(p != NULL);
    *cap = n;
    return p;
}

static entry *entry_alloc(store *s, size_t bytes)
{
    size_t class = (bytes + CLASS_STEP - 1) / CLASS_STEP;
    if (class > CLASSES) {
        entry *e = calloc(1, bytes);
        check(e != NULL);
        e->bytes = (uint32_t)bytes;
        return e;
    }
    bytes = class * CLASS_STEP;
    entry *e = s->free[class];
    if (e) {
        s->free[class] = e->window_next;
    } else {
        if (s->slab_left < bytes) {
            uint32_t cap = (uint32_t)s->slab_cap;
            s->slabs = grow(s->slabs, &cap, (uint32_t)s->slab_count + 1, sizeof *s->slabs);
            s->slab_cap = cap;
            s->slab = aligned_alloc(64, SLAB_BYTES);
            check(s->slab != NULL);
            s->slabs[s->slab_count++] = s->slab;
            s->slab_left = SLAB_BYTES;
        }
        e = (entry *)(void *)s->slab;
        s->slab += bytes;
        s->slab_left -= bytes;
    }
    memset(e, 0, bytes);
    e->bytes = (uint32_t)bytes;
    return e;
}

static void entry_free(store *s, entry *e)
{
    if (s->spec->codec.release) s->spec->codec.release(s->spec->codec.ctx, state_of(e));
    s->bytes -= e->bytes;
    size_t class = e->bytes / CLASS_STEP;
    if (e->bytes > CLASSES * CLASS_STEP) {
        free(e);
        return;
    }
    e->window_next = s->free[class];
    s->free[class] = e;
}

/* ---- the hash table ------------------------------------------------------------------------------------------- */

static void table_resize(store *s, uint64_t slots)
{
    slot *old = s->slots;
    uint64_t old_slots = s->slots ? s->mask + 1 : 0;
    s->slots = calloc(slots, sizeof(slot));
    check(s->slots != NULL);
    s->mask = slots - 1;
    for (uint64_t i = 0; i < old_slots; i++) {
        if (!old[i].e) continue;
        uint64_t at = old[i].hash & s->mask;
        while (s->slots[at].e) at = (at + 1) & s->mask;
        s->slots[at] = old[i];
    }
    free(old);
}

static inline slot *table_find(const store *s, str key, int64_t w, uint64_t hash)
{
    for (uint64_t at = hash & s->mask; s->slots[at].e; at = (at + 1) & s->mask) {
        slot *x = &s->slots[at];
        if (x->hash != hash) continue;
        const entry *e = x->e;
        if (e->window == w && e->key_len == key.n && memcmp((const char *)e + s->key_at, key.p, key.n) == 0) return x;
    }
    return NULL;
}

/* Removes a slot and closes the gap behind it. */
static void table_remove(store *s, slot *x)
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
    s->count--;
}

/* ---- windows -------------------------------------------------------------------------------------------------- */

/* Index of the first window that starts at or after `start`. */
static uint32_t window_lower(const store *s, int64_t start)
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

static void window_link(store *s, entry *e)
{
    uint32_t i = s->window_last;
    if (i >= s->window_count || s->windows[i].start != e->window) {
        i = window_lower(s, e->window);
        if (i == s->window_count || s->windows[i].start != e->window) {
            s->windows = grow(s->windows, &s->window_cap, s->window_count + 1, sizeof *s->windows);
            memmove(s->windows + i + 1, s->windows + i, (s->window_count - i) * sizeof *s->windows);
            s->windows[i] = (window){e->window, NULL, 0};
            s->window_count++;
        }
        s->window_last = i;
    }
    window *w = &s->windows[i];
    e->window_next = w->first;
    e->window_prev = NULL;
    if (w->first) w->first->window_prev = e;
    w->first = e;
    w->count++;
}

static void window_unlink(store *s, entry *e)
{
    uint32_t i = window_lower(s, e->window);
    window *w = &s->windows[i];
    if (e->window_prev)
        e->window_prev->window_next = e->window_next;
    else
        w->first = e->window_next;
    if (e->window_next) e->window_next->window_prev = e->window_prev;
    if (--w->count > 0) return;
    memmove(s->windows + i, s->windows + i + 1, (s->window_count - i - 1) * sizeof *s->windows);
    s->window_count--;
}

/* ---- changes -------------------------------------------------------------------------------------------------- */

static inline void mark_changed(store *s, entry *e)
{
    if (e->changed_at != NO_CHANGE || !s->db) return;
    if (s->change_count == s->change_cap)
        s->changes = grow(s->changes, &s->change_cap, s->change_count + 1, sizeof *s->changes);
    e->changed_at = s->change_count;
    s->changes[s->change_count++] = e;
    s->changed++;
}

static void forget_change(store *s, entry *e)
{
    if (e->changed_at == NO_CHANGE) return;
    s->changes[e->changed_at] = NULL;
    s->changed--;
}

void store_touch(store *s, void *state)
{
    mark_changed(s, entry_of(state));
}

/* ---- the task's calls ----------------------------------------------------------------------------------------- */

static entry *insert(store *s, str key, int64_t w, uint64_t hash)
{
    if ((s->count + 1) * 2 > s->mask + 1) table_resize(s, (s->mask + 1) * 2);
    entry *e = entry_alloc(s, s->key_at + key.n);
    e->window = w;
    e->hash = hash;
    e->key_len = (uint32_t)key.n;
    e->changed_at = NO_CHANGE;
    if (key.n > 0) memcpy((char *)e + s->key_at, key.p, key.n);
    s->bytes += e->bytes;
    uint64_t at = hash & s->mask;
    while (s->slots[at].e) at = (at + 1) & s->mask;
    s->slots[at] = (slot){hash, e};
    s->count++;
    if (s->spec->shape == STORE_WINDOW) window_link(s, e);
    return e;
}

static void remove_entry(store *s, slot *x, bool record);

static bool load_row(void *ctx, const store_row *row)
{
    store *s = ctx;
    const store_codec *codec = &s->spec->codec;
    uint64_t hash = store_hash(row->key, row->window_start);
    slot *x = table_find(s, row->key, row->window_start, hash);
    entry *e = x ? x->e : insert(s, row->key, row->window_start, hash);
    if (s->spec->shape == STORE_BUCKET)
        return codec->bucket_add(codec->ctx, state_of(e), row->time, row->seq, row->cells);
    return codec->decode(codec->ctx, row->cells, state_of(e));
}

bool store_apply(store *s, const store_row *row)
{
    uint64_t hash = store_hash(row->key, row->window_start);
    slot *x = table_find(s, row->key, row->window_start, hash);
    /* Rows of a bucket follow the deletion of the old one and are added to it; any other row replaces what was there. */
    if (x && (row->deleted || s->spec->shape != STORE_BUCKET)) remove_entry(s, x, row->deleted);
    if (row->deleted) return true;
    if (!load_row(s, row)) return false;
    mark_changed(s, table_find(s, row->key, row->window_start, hash)->e);
    return true;
}

store *store_open(store_db *db, const store_spec *spec, int32_t partition, diag *d)
{
    store *s = calloc(1, sizeof *s);
    check(s != NULL);
    s->spec = spec;
    s->db = db;
    s->partition = partition;
    s->key_at = (uint32_t)(sizeof(entry) + ((spec->state_size + 15u) & ~15u));
    s->expired = s->frozen_expired = INT64_MIN;
    check(pthread_mutex_init(&s->lock, NULL) == 0);
    table_resize(s, 64);
    if (!db) return s;
    bool has_rows = false;
    if (!db->ops->open_store(db, spec, partition, &has_rows, d) ||
        (has_rows && !db->ops->scan(db, spec, partition, INT64_MIN, INT64_MAX, load_row, s, d))) {
        store_close(s);
        return NULL;
    }
    return s;
}

void store_close(store *s)
{
    if (!s) return;
    for (uint64_t i = 0; i <= s->mask; i++) {
        if (s->slots[i].e) entry_free(s, s->slots[i].e);
    }
    for (uint32_t i = 0; i < s->gone_count; i++) free((void *)(uintptr_t)s->gone[i].key.p);
    for (size_t i = 0; i < s->slab_count; i++) free(s->slabs[i]);
    if (s->frozen_mem) arena_free(s->frozen_mem);
    pthread_mutex_destroy(&s->lock);
    free(s->frozen);
    free(s->gone);
    free(s->changes);
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

bool store_prefetch(store *s, const str *keys, const int64_t *windows, const uint64_t *hashes, uint32_t count, diag *d)
{
    (void)keys;
    (void)windows;
    (void)d;
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

void *store_get(store *s, str key, int64_t window_start, uint64_t hash)
{
    slot *x = table_find(s, key, window_start, hash);
    return x ? state_of(x->e) : NULL;
}

void *store_upsert(store *s, str key, int64_t window_start, uint64_t hash, bool *created)
{
    slot *x = table_find(s, key, window_start, hash);
    *created = x == NULL;
    entry *e = likely(x != NULL) ? x->e : insert(s, key, window_start, hash);
    mark_changed(s, e);
    return state_of(e);
}

static void remove_entry(store *s, slot *x, bool record)
{
    entry *e = x->e;
    if (record && s->db) {
        s->gone = grow(s->gone, &s->gone_cap, s->gone_count + 1, sizeof *s->gone);
        char *key = malloc(e->key_len + 1u);
        check(key != NULL);
        memcpy(key, (const char *)e + s->key_at, e->key_len);
        s->gone[s->gone_count++] = (gone){e->window, str_of(key, e->key_len)};
    }
    forget_change(s, e);
    table_remove(s, x);
    if (s->spec->shape == STORE_WINDOW) window_unlink(s, e);
    entry_free(s, e);
}

void store_delete(store *s, str key, int64_t window_start, uint64_t hash)
{
    slot *x = table_find(s, key, window_start, hash);
    if (x) remove_entry(s, x, true);
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

bool store_expire(store *s, int64_t start, uint32_t most)
{
    if (start > s->expired) s->expired = start;
    while (s->window_count > 0 && s->windows[0].start < start) {
        if (most-- == 0) return false;
        entry *e = s->windows[0].first;
        remove_entry(s, table_find(s, entry_key(s, e), e->window, e->hash), false);
    }
    return true;
}

uint64_t store_count(const store *s)
{
    return s->count;
}

uint64_t store_bytes(const store *s)
{
    return s->bytes + (s->mask + 1) * sizeof(slot);
}

uint64_t store_changed(const store *s)
{
    return s->changed + s->gone_count;
}

void *store_next(store *s, store_iter *it)
{
    if (s->spec->shape != STORE_WINDOW) {
        while (it->a <= s->mask) {
            entry *e = s->slots[it->a++].e;
            if (e) return state_of(e);
        }
        return NULL;
    }
    /* b: the entry to come next as a pointer, found before the caller may delete the one at hand; a: 0 at the start. */
    entry *e = (entry *)(uintptr_t)it->b;
    if (!e) {
        int64_t from = it->a == 0 ? it->first_window : it->first_window + 1;
        if (it->a != 0 && it->first_window == INT64_MAX) return NULL;
        uint32_t i = window_lower(s, from);
        if (i == s->window_count || s->windows[i].start > it->last_window) return NULL;
        it->a = 1;
        it->first_window = s->windows[i].start;
        e = s->windows[i].first;
    }
    it->b = (uint64_t)(uintptr_t)e->window_next;
    return state_of(e);
}

uint32_t store_windows(store *s, int64_t first, int64_t last, int64_t *out, uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t i = window_lower(s, first); i < s->window_count && s->windows[i].start <= last; i++, n++) {
        if (n < most) out[n] = s->windows[i].start;
    }
    return n;
}

/* ---- generations ---------------------------------------------------------------------------------------------- */

static store_row *frozen_add(store *s)
{
    if (s->frozen_count == s->frozen_cap) {
        s->frozen_cap = s->frozen_cap ? s->frozen_cap * 2 : 256;
        s->frozen = realloc(s->frozen, s->frozen_cap * sizeof *s->frozen);
        check(s->frozen != NULL);
    }
    store_row *r = &s->frozen[s->frozen_count++];
    *r = (store_row){0};
    return r;
}

/* Cells of a frozen row: nothing in them may point into the state. */
static cell *own_cells(store *s, cell *cells)
{
    for (int i = 0; i < s->spec->column_count; i++) {
        if (cells[i].kind == CELL_TEXT || cells[i].kind == CELL_BLOB) cells[i].s = arena_str(s->frozen_mem, cells[i].s);
    }
    return cells;
}

static void freeze_entry(store *s, entry *e)
{
    const store_codec *codec = &s->spec->codec;
    str key = arena_str(s->frozen_mem, entry_key(s, e));
    size_t columns = (size_t)s->spec->column_count + 1;
    store_row *r = frozen_add(s);
    r->key = key;
    r->window_start = e->window;
    if (s->spec->shape != STORE_BUCKET) {
        cell *cells = arena_alloc(s->frozen_mem, columns * sizeof(cell));
        codec->encode(codec->ctx, state_of(e), cells, s->frozen_mem);
        r->cells = own_cells(s, cells);
        return;
    }
    r->deleted = true;
    r->time = INT64_MIN; /* in front of the bucket's rows */
    uint32_t n = codec->bucket_count(codec->ctx, state_of(e));
    for (uint32_t i = 0; i < n; i++) {
        r = frozen_add(s);
        r->key = key;
        r->window_start = e->window;
        cell *cells = arena_alloc(s->frozen_mem, columns * sizeof(cell));
        codec->bucket_row(codec->ctx, state_of(e), i, &r->time, &r->seq, cells, s->frozen_mem);
        r->cells = own_cells(s, cells);
    }
}

void store_freeze(store *s, int64_t generation)
{
    check(s->frozen_generation == 0 && generation > 0);
    s->frozen_generation = generation;
    s->frozen_expired = s->expired;
    s->frozen_sorted = false;
    if (!s->frozen_mem) s->frozen_mem = arena_new();
    for (uint32_t i = 0; i < s->change_count; i++) {
        entry *e = s->changes[i];
        if (!e) continue;
        freeze_entry(s, e);
        e->changed_at = NO_CHANGE;
    }
    for (uint32_t i = 0; i < s->gone_count; i++) {
        gone *g = &s->gone[i];
        /* A key that came back was frozen above. */
        if (!table_find(s, g->key, g->window, store_hash(g->key, g->window))) {
            store_row *r = frozen_add(s);
            r->key = arena_str(s->frozen_mem, g->key);
            r->window_start = g->window;
            r->deleted = true;
            r->time = INT64_MIN;
        }
        free((void *)(uintptr_t)g->key.p);
    }
    s->change_count = 0;
    s->changed = 0;
    s->gone_count = 0;
}

uint64_t store_frozen_count(const store *s)
{
    return s->frozen_count;
}

int64_t store_frozen_expired(const store *s)
{
    return s->frozen_expired;
}

static int compare_rows(const void *x, const void *y)
{
    const store_row *a = x, *b = y;
    if (a->window_start != b->window_start) return a->window_start < b->window_start ? -1 : 1;
    int c = str_cmp(a->key, b->key);
    if (c != 0) return c;
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

bool store_frozen_next(store *s, uint64_t *it, store_row *out)
{
    if (!s->frozen_sorted) {
        if (s->frozen_count > 1) qsort(s->frozen, s->frozen_count, sizeof *s->frozen, compare_rows);
        s->frozen_sorted = true;
    }
    if (*it >= s->frozen_count) return false;
    *out = s->frozen[(*it)++];
    return true;
}

static void thaw(store *s)
{
    s->frozen_generation = 0;
    s->frozen_count = 0;
    s->frozen_expired = INT64_MIN;
    if (s->frozen_mem) arena_free(s->frozen_mem);
    s->frozen_mem = NULL;
}

void store_decided(store *s, int64_t generation)
{
    check(s->frozen_generation == generation);
    thaw(s);
}

void store_dropped(store *s, int64_t generation)
{
    check(s->frozen_generation == generation);
    thaw(s);
}
