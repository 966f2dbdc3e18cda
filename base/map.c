#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"

/* slots hold entry index + 1; 0 is free. Removed entries keep their slot until the next rebuild. */

void map_free(map *m)
{
    for (size_t i = 0; i < m->entries_len; i++) free((char *)m->entries[i].key.p);
    free(m->entries);
    free(m->slots);
    *m = (map){0};
}

static size_t find_slot(const map *m, str key)
{
    size_t mask = m->slots_cap - 1;
    size_t i = hash_bytes(key.p, key.n) & mask;
    while (m->slots[i] != 0) {
        const map_entry *e = &m->entries[m->slots[i] - 1];
        if (e->key.p && str_eq(e->key, key)) return i;
        i = (i + 1) & mask;
    }
    return i;
}

static void rebuild(map *m, size_t slots_cap)
{
    size_t live = 0;
    for (size_t i = 0; i < m->entries_len; i++) {
        if (m->entries[i].key.p) m->entries[live++] = m->entries[i];
    }
    m->entries_len = live;
    free(m->slots);
    m->slots = calloc(slots_cap, sizeof *m->slots);
    check(m->slots != NULL);
    m->slots_cap = slots_cap;
    for (size_t i = 0; i < live; i++) m->slots[find_slot(m, m->entries[i].key)] = (uint32_t)(i + 1);
}

void *map_get(const map *m, str key)
{
    if (m->count == 0) return NULL;
    size_t slot = find_slot(m, key);
    return m->slots[slot] ? m->entries[m->slots[slot] - 1].value : NULL;
}

void *map_put(map *m, str key, void *value)
{
    check(value != NULL);
    if (m->slots_cap == 0 || (m->entries_len + 1) * 2 > m->slots_cap) {
        size_t cap = 16;
        while (cap < (m->count + 1) * 4) cap *= 2;
        rebuild(m, cap);
    }
    size_t slot = find_slot(m, key);
    if (m->slots[slot]) {
        map_entry *e = &m->entries[m->slots[slot] - 1];
        void *old = e->value;
        e->value = value;
        return old;
    }
    if (m->entries_len == m->entries_cap) {
        size_t cap = m->entries_cap ? m->entries_cap * 2 : 8;
        map_entry *entries = realloc(m->entries, cap * sizeof *entries);
        check(entries != NULL);
        m->entries = entries;
        m->entries_cap = cap;
    }
    char *copy = malloc(key.n + 1);
    check(copy != NULL);
    if (key.n) memcpy(copy, key.p, key.n);
    copy[key.n] = '\0';
    m->entries[m->entries_len++] = (map_entry){{copy, key.n}, value};
    m->slots[slot] = (uint32_t)m->entries_len;
    m->count++;
    return NULL;
}

void *map_remove(map *m, str key)
{
    if (m->count == 0) return NULL;
    size_t slot = find_slot(m, key);
    if (m->slots[slot] == 0) return NULL;
    map_entry *e = &m->entries[m->slots[slot] - 1];
    void *old = e->value;
    free((char *)e->key.p);
    e->key = (str){NULL, 0};
    e->value = NULL;
    m->count--;
    return old;
}

bool map_next(const map *m, size_t *it, str *key, void **value)
{
    while (*it < m->entries_len) {
        const map_entry *e = &m->entries[(*it)++];
        if (!e->key.p) continue;
        if (key) *key = e->key;
        if (value) *value = e->value;
        return true;
    }
    return false;
}
