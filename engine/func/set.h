/*
 * engine/func/set.h - positions of values by hash, for functions that look for equal values.
 *
 * The set does not hold the values: it refers to an array that the caller fills. Lives in an arena; one thread at a
 * time.
 */
#ifndef ENGINE_FUNC_SET_H
#define ENGINE_FUNC_SET_H

#include "engine/value.h"

/* Public layout only so that it lives on the stack. */
typedef struct func_set {
    const type *t;
    const value *items;
    uint32_t *slots; /* position + 1, 0: free */
    uint64_t mask;
} func_set;

/* A set over `items`, of which at most `n` positions will be in it. */
static inline func_set func_set_new(arena *a, const type *t, const value *items, uint64_t n)
{
    uint64_t size = 8;
    while (size < n * 2) size *= 2;
    return (func_set){t, items, ARENA_ARRAY(a, uint32_t, size), size - 1};
}

/* The position of an equal item, or -1; *slot is where it would go. */
static inline int64_t func_set_find(const func_set *s, value v, uint64_t *slot)
{
    for (*slot = value_hash(s->t, v) & s->mask; s->slots[*slot]; *slot = (*slot + 1) & s->mask) {
        if (value_eq(s->t, s->items[s->slots[*slot] - 1], v)) return s->slots[*slot] - 1;
    }
    return -1;
}

/* Puts a position into the slot that func_set_find gave. */
static inline void func_set_put(func_set *s, uint64_t slot, uint32_t position)
{
    s->slots[slot] = position + 1;
}

#endif
