/* Values on the heap, for state that outlives chunks: each in one block, so that it is freed at once. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/value.h"

static size_t aligned(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

/* Bytes of what hangs off a value. */
static size_t size_of(const type *t, value v)
{
    if (v.null) return 0;
    if (t->kind == TYPE_STRING || t->kind == TYPE_BYTES) return aligned(v.s.n + 1);
    if (!type_is_nested(t)) return 0;
    const nested *n = v.nest;
    size_t size = aligned(sizeof *n) + aligned(sizeof(value) * n->n) * (t->kind == TYPE_MAP ? 2 : 1);
    for (uint32_t i = 0; i < n->n; i++) {
        size += size_of(t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, n->items[i]);
        if (t->kind == TYPE_MAP) size += size_of(t->key, n->keys[i]);
    }
    return size;
}

static void *carve(char **at, size_t n)
{
    void *p = *at;
    *at += aligned(n);
    return p;
}

static value copy_into(char **at, const type *t, value v)
{
    if (v.null) return value_null();
    if (t->kind == TYPE_STRING || t->kind == TYPE_BYTES) {
        char *p = carve(at, v.s.n + 1);
        if (v.s.n) memcpy(p, v.s.p, v.s.n);
        p[v.s.n] = 0;
        v.s.p = p;
        return v;
    }
    if (!type_is_nested(t)) return v;
    const nested *from = v.nest;
    nested *to = carve(at, sizeof *to);
    value *items = carve(at, sizeof(value) * from->n), *keys = NULL;
    if (t->kind == TYPE_MAP) keys = carve(at, sizeof(value) * from->n);
    for (uint32_t i = 0; i < from->n; i++) {
        items[i] = copy_into(at, t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, from->items[i]);
        if (keys) keys[i] = copy_into(at, t->key, from->keys[i]);
    }
    *to = (nested){.n = from->n, .items = items, .keys = keys};
    v.nest = to;
    return v;
}

value value_own(const type *t, value v)
{
    size_t size = size_of(t, v);
    if (size == 0) return v;
    char *block = aligned_alloc(16, size), *at = block;
    check(block);
    v = copy_into(&at, t, v);
    check(at == block + size);
    return v;
}

void value_disown(const type *t, value v)
{
    if (v.null) return;
    if (t->kind == TYPE_STRING || t->kind == TYPE_BYTES)
        free((void *)(uintptr_t)v.s.p);
    else if (type_is_nested(t))
        free((void *)(uintptr_t)v.nest);
}

size_t value_held(const type *t, value v)
{
    return size_of(t, v);
}
