/*
 * state/store_int.h - the inside of a store, shared by state/store*.c and nobody else.
 *
 * An entry is alive, or dead: deleted, but kept as a tombstone until the deletion is durable, so that a miss of the
 * table always means "ask the database" and never "it was deleted meanwhile". An entry may be evicted when it is alive,
 * not changed since the last boundary and not part of the frozen generation: then the database holds it as it is.
 */
#ifndef STATE_STORE_INT_H
#define STATE_STORE_INT_H

#include <pthread.h>

#include "base/check.h"
#include "base/hash.h"
#include "state/store.h"

enum {
    STORE_CLASS_STEP = 32,
    STORE_CLASSES = 64, /* entries up to 2 KiB come from slabs, larger ones from the heap */
    STORE_SLAB_BYTES = 1 << 18,
    STORE_KEY_MAX = 1 << 28,
};
#define STORE_NO_CHANGE UINT32_MAX

/* An entry: this head, the state (16-byte aligned), the key. */
typedef struct entry {
    int64_t window;
    struct entry *window_next, *window_prev; /* STORE_WINDOW, alive: the other entries of this window start */
    uint64_t hash;
    uint32_t key_len : 29;
    uint32_t dead : 1;
    uint32_t frozen : 1; /* part of the generation that is being saved */
    uint32_t used : 1; /* since the hand of the clock passed */
    uint32_t changed_at; /* place in the list of changes, or STORE_NO_CHANGE */
    uint32_t bytes; /* of the allocation */
    uint32_t held; /* outside of it, when it was counted last */
} entry;
_Static_assert(sizeof(entry) % 16 == 0, "states are aligned");

typedef struct slot {
    uint64_t hash;
    entry *e;
} slot;

/* The entries of one window start. */
typedef struct window {
    int64_t start;
    entry *first; /* NULL: only the database has some */
    uint64_t count;
    bool stored; /* the database may hold rows that are not in memory */
} window;

/* Entries that were changed, in order of their first change; NULL where one has gone since. */
typedef struct change_list {
    entry **items;
    uint32_t count, cap;
} change_list;

struct store {
    const store_spec *spec;
    store_db *db;
    int32_t partition;
    uint32_t key_at; /* offset of the key in an entry */
    pthread_mutex_t lock;

    slot *slots;
    uint64_t mask;
    uint64_t taken; /* slots with an entry, dead ones included */
    uint64_t count; /* alive */
    uint64_t bytes; /* of the entries, with what they hold */
    uint64_t charged; /* of them and the table, to the budget */
    uint64_t hand; /* of the eviction clock */
    entry *free[STORE_CLASSES + 1];
    char *slab;
    size_t slab_left;
    void **slabs;
    uint32_t slab_count, slab_cap;

    bool cold; /* STORE_KEY: the database may hold rows that are not in memory */
    window *windows; /* ascending */
    uint32_t window_count, window_cap, window_last;

    change_list changes;
    _Atomic uint64_t changed; /* entries in changes, without the holes */
    int64_t expired; /* windows that start before this are gone; INT64_MIN: none */
    int64_t expired_saved; /* the same as the database has been told */

    change_list frozen_entries;
    arena *frozen_mem;
    store_row *frozen;
    uint64_t frozen_count, frozen_cap;
    int64_t frozen_generation; /* 0: none */
    int64_t frozen_expired;
    bool frozen_sorted;

    store_row *misses; /* scratch of a load */
    uint32_t miss_count, miss_cap;
    int pins; /* nothing is evicted while there are any */
    bool failed;
    diag error; /* why, when it failed */
};

static inline void *entry_state(entry *e)
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

/* Enlarges an array of *cap items to hold `need`. */
void *store_grow(void *p, uint32_t *cap, uint32_t need, size_t size);

/* An entry with a key that is in no table yet; its state is zero. */
entry *store_entry_new(store *s, str key, int64_t w, uint64_t hash);
/* Frees what a state holds and zeroes it. */
void store_entry_release(store *s, entry *e);
/* Releases and frees the entry. */
void store_entry_free(store *s, entry *e);
/* Counts anew what the state holds outside of the entry. */
void store_entry_count_held(store *s, entry *e);

/* Finds an entry, alive or dead. */
slot *store_table_find(const store *s, str key, int64_t w, uint64_t hash);
/* Puts a new entry, alive, into the table and its window. */
void store_table_insert(store *s, entry *e);
/* Rehashes to a size that fits what is there, without the tombstones that nobody needs. */
void store_table_fit(store *s);
/* Takes a slot out and closes the gap behind it; the entry stays. */
void store_table_remove(store *s, slot *x);

/* Index of the first window that starts at or after `start`. */
uint32_t store_window_lower(const store *s, int64_t start);
/* The window of this start, made when it is missing. */
window *store_window_at(store *s, int64_t start);
/* Puts an entry that has come alive into its window, and takes one out that is dying or leaving. */
void store_window_link(store *s, entry *e);
void store_window_unlink(store *s, entry *e);

/* Notes a change, or forgets it. */
void store_entry_changed(store *s, entry *e);
void store_entry_unchanged(store *s, entry *e);

/* Whether the database may hold an entry of this window that the table lacks. */
static inline bool store_may_hold(const store *s, int64_t w)
{
    if (s->spec->shape == STORE_KEY) return s->cold;
    if (s->spec->shape != STORE_WINDOW || w < s->expired) return false;
    uint32_t i = s->window_last;
    if (i >= s->window_count || s->windows[i].start != w) i = store_window_lower(s, w);
    return i < s->window_count && s->windows[i].start == w && s->windows[i].stored;
}

/* Puts a row of the database into the table unless the key is there. The callback of reads; ctx is the store. */
bool store_load_row(void *ctx, const store_row *row);
/* Prepares a new store for what the database holds: all of it now, or on demand. */
bool store_begin(store *s, diag *d);
/* Evicts what may leave until the budget is kept, looking at `most` slots at most. */
void store_evict(store *s, uint64_t most);
/* Whether all stores together hold more than they should. */
bool store_over_budget(const store *s);
/* Tells the budget how much the store holds. */
void store_charge(store *s);

#endif
