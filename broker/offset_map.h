/*
 * broker/offset_map.h - the last offset of every key of a stretch of log, in bounded memory; for compaction.
 *
 * Keys are kept as 128 bits of a seeded hash. One thread at a time.
 */
#ifndef BROKER_OFFSET_MAP_H
#define BROKER_OFFSET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* One key; offset -1: an empty place. */
typedef struct offset_slot {
    uint64_t hash[2];
    int64_t offset;
} offset_slot;

/* Public layout: embedded. */
typedef struct offset_map {
    offset_slot *slots;
    size_t cap, count, cap_max;
    uint64_t seed;
} offset_map;

/* An empty map that takes at most about bytes_max of memory. */
void offset_map_init(offset_map *m, size_t bytes_max, uint64_t seed);
/* Releases it. */
void offset_map_free(offset_map *m);
/* Notes an offset, which is not below one noted for the key before; false when there is no room for a new key. */
bool offset_map_put(offset_map *m, str key, int64_t offset);
/* The offset noted for a key, -1 when there is none. */
int64_t offset_map_get(const offset_map *m, str key);

#endif
