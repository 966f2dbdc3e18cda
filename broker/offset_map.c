#include "broker/offset_map.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"

enum { FIRST_SLOTS = 1024, SMALLEST_SLOTS = 64 };

static offset_slot *new_slots(size_t n)
{
    offset_slot *s = malloc(n * sizeof *s);
    check(s);
    for (size_t i = 0; i < n; i++) s[i].offset = -1;
    return s;
}

void offset_map_init(offset_map *m, size_t bytes_max, uint64_t seed)
{
    size_t max = SMALLEST_SLOTS;
    while (max * 2 * sizeof(offset_slot) <= bytes_max) max *= 2;
    *m = (offset_map){.cap = max < FIRST_SLOTS ? max : FIRST_SLOTS, .cap_max = max, .seed = seed};
    m->slots = new_slots(m->cap);
}

void offset_map_free(offset_map *m)
{
    free(m->slots);
    *m = (offset_map){0};
}

static offset_slot *place(const offset_map *m, const uint64_t hash[2])
{
    size_t i = hash[0] & (m->cap - 1);
    while (m->slots[i].offset >= 0 && (m->slots[i].hash[0] != hash[0] || m->slots[i].hash[1] != hash[1])) {
        i = (i + 1) & (m->cap - 1);
    }
    return &m->slots[i];
}

static void grow(offset_map *m)
{
    offset_slot *old = m->slots;
    size_t n = m->cap;
    m->cap *= 2;
    m->slots = new_slots(m->cap);
    for (size_t i = 0; i < n; i++)
        if (old[i].offset >= 0) *place(m, old[i].hash) = old[i];
    free(old);
}

bool offset_map_put(offset_map *m, str key, int64_t offset)
{
    uint64_t hash[2];
    hash_bytes128(key.p, key.n, m->seed, hash);
    offset_slot *s = place(m, hash);
    if (s->offset < 0) {
        if (m->count + 1 > m->cap / 4 * 3) {
            if (m->cap == m->cap_max) return false;
            grow(m);
            s = place(m, hash);
        }
        m->count++;
    }
    *s = (offset_slot){{hash[0], hash[1]}, offset};
    return true;
}

int64_t offset_map_get(const offset_map *m, str key)
{
    uint64_t hash[2];
    hash_bytes128(key.p, key.n, m->seed, hash);
    return place(m, hash)->offset;
}
