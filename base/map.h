/*
 * base/map.h - a hash map from byte strings to pointers, for control-plane tables (topics, names, sessions).
 *
 * One thread at a time. Keys are copied, values belong to the caller. Iteration is in insertion order with
 * removed entries left out; removing during iteration is allowed, inserting is not.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

typedef struct map_entry {
    str key; /* p == NULL: removed */
    void *value;
} map_entry;

/* Public layout so that it can be embedded; {0} is a valid empty map. Touch it only through the functions. */
typedef struct map {
    map_entry *entries;
    size_t entries_len, entries_cap;
    uint32_t *slots;
    size_t slots_cap;
    size_t count;
} map;

/* Frees keys and tables, not values. */
void map_free(map *m);

/* The value, or NULL when the key is absent. */
void *map_get(const map *m, str key);
/* Inserts or replaces; returns the replaced value or NULL. value must not be NULL. */
void *map_put(map *m, str key, void *value);
/* Removes; returns the value or NULL. */
void *map_remove(map *m, str key);

static inline size_t map_count(const map *m)
{
    return m->count;
}

/* Iteration: `for (size_t it = 0; map_next(&m, &it, &key, &value);)`. key may be NULL. */
bool map_next(const map *m, size_t *it, str *key, void **value);

#endif
