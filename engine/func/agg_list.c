#include "engine/func/agg_list.h"

#include <stdlib.h>

#include "base/check.h"

void agg_list_insert(agg_list *l, const type *t, uint32_t at, value v)
{
    check(at <= l->n);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 4;
        value *items = aligned_alloc(16, sizeof(value) * l->cap);
        check(items);
        if (l->n) memcpy(items, l->items, sizeof(value) * l->n);
        free(l->items);
        l->items = items;
    }
    memmove(l->items + at + 1, l->items + at, sizeof(value) * (l->n - at));
    l->items[at] = value_own(t, v);
    l->held += value_held(t, v);
    l->n++;
}

void agg_list_add(agg_list *l, const type *t, value v)
{
    agg_list_insert(l, t, l->n, v);
}

void agg_list_remove(agg_list *l, const type *t, uint32_t at)
{
    check(at < l->n);
    l->held -= value_held(t, l->items[at]);
    value_disown(t, l->items[at]);
    l->n--;
    memmove(l->items + at, l->items + at + 1, sizeof(value) * (l->n - at));
}

void agg_list_drop(agg_list *l, const type *t)
{
    for (uint32_t i = 0; i < l->n; i++) value_disown(t, l->items[i]);
    free(l->items);
    *l = (agg_list){0};
}

int64_t agg_list_find(const agg_list *l, const type *t, value v)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (value_eq(t, l->items[i], v)) return i;
    }
    return -1;
}

value agg_list_value(const agg_list *l, arena *mem)
{
    nested *n = ARENA_NEW(mem, nested);
    *n = (nested){.n = l->n, .items = l->items};
    return (value){.nest = n};
}

size_t agg_list_held(const agg_list *l)
{
    return l->held + sizeof(value) * l->cap;
}
