/*
 * state/store_frozen.c - generations: the frozen copy of what changed, and what becomes of it.
 */
#include <stdlib.h>

#include "state/store_int.h"

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

static void freeze_bucket(store *s, entry *e, str key)
{
    const store_codec *codec = &s->spec->codec;
    size_t columns = (size_t)s->spec->column_count + 1;
    uint32_t n = codec->bucket_count(codec->ctx, entry_state(e));
    for (uint32_t i = 0; i < n; i++) {
        store_row *r = frozen_add(s);
        r->key = key;
        r->window_start = e->window;
        cell *cells = arena_alloc(s->frozen_mem, columns * sizeof(cell));
        codec->bucket_row(codec->ctx, entry_state(e), i, &r->time, &r->seq, cells, s->frozen_mem);
        r->cells = own_cells(s, cells);
    }
}

static void freeze_entry(store *s, entry *e)
{
    const store_codec *codec = &s->spec->codec;
    str key = arena_str(s->frozen_mem, entry_key(s, e));
    store_row *r = frozen_add(s);
    r->key = key;
    r->window_start = e->window;
    if (e->dead || s->spec->shape == STORE_BUCKET) {
        r->deleted = true;
        r->time = INT64_MIN; /* in front of the bucket's rows */
        if (!e->dead) freeze_bucket(s, e, key);
    } else {
        cell *cells = arena_alloc(s->frozen_mem, ((size_t)s->spec->column_count + 1) * sizeof(cell));
        codec->encode(codec->ctx, entry_state(e), cells, s->frozen_mem);
        r->cells = own_cells(s, cells);
    }
    if (!e->dead) store_entry_count_held(s, e);
    e->changed_at = STORE_NO_CHANGE;
    e->frozen = 1;
}

void store_freeze(store *s, int64_t generation)
{
    check(s->frozen_generation == 0 && generation > 0);
    s->frozen_generation = generation;
    s->frozen_expired = s->expired > s->expired_saved ? s->expired : INT64_MIN;
    s->frozen_sorted = false;
    if (!s->frozen_mem) s->frozen_mem = arena_new();
    change_list taken = s->changes;
    for (uint32_t i = 0; i < taken.count; i++) {
        if (taken.items[i]) freeze_entry(s, taken.items[i]);
    }
    s->changes = s->frozen_entries;
    s->changes.count = 0;
    s->frozen_entries = taken;
    atomic_store_explicit(&s->changed, 0, memory_order_relaxed);
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

/* The frozen generation is no more: its entries are like all others, and tombstones without a further change go. */
static void thaw(store *s)
{
    for (uint32_t i = 0; i < s->frozen_entries.count; i++) {
        entry *e = s->frozen_entries.items[i];
        if (!e) continue;
        e->frozen = 0;
        if (!e->dead || e->changed_at != STORE_NO_CHANGE) continue;
        store_table_remove(s, store_table_find(s, entry_key(s, e), e->window, e->hash));
        store_entry_free(s, e);
    }
    s->frozen_entries.count = 0;
    s->frozen_generation = 0;
    s->frozen_count = 0;
    s->frozen_expired = INT64_MIN;
    if (s->frozen_mem) arena_free(s->frozen_mem);
    s->frozen_mem = NULL;
}

void store_decided(store *s, int64_t generation)
{
    check(s->frozen_generation == generation);
    if (s->frozen_expired != INT64_MIN) s->expired_saved = s->frozen_expired;
    /* What was saved may leave, with as much of the rest; a longer clean-up would keep the task from its store. */
    uint64_t most = 8 * s->frozen_count + 1024;
    thaw(s);
    store_charge(s);
    store_evict(s, most);
}

void store_dropped(store *s, int64_t generation)
{
    check(s->frozen_generation == generation);
    thaw(s);
}
