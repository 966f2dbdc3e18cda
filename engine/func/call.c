#include "engine/func/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static void release_cache(void *arg)
{
    func_call *c = arg;
    for (int i = 0; i < FUNC_CACHE_SLOTS; i++) {
        if (c->cache[i].object && c->cache[i].release) c->cache[i].release(c->cache[i].object);
        buf_free(&c->cache[i].key);
    }
}

func_call *func_call_new(arena *a, const func *f, const type *result, const type *const *arg_types, int arg_count)
{
    func_call *c = ARENA_NEW(a, func_call);
    c->f = f;
    c->type = result;
    c->arg_types = arg_types;
    c->arg_count = arg_count;
    arena_on_free(a, release_cache, c);
    return c;
}

bool func_fail(func_call *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->error, sizeof c->error, format, args);
    va_end(args);
    return false;
}

bool func_fail_diag(func_call *c, const diag *d)
{
    return func_fail(c, "%s", d->text);
}

void *func_recall(func_call *c, int slot, str key)
{
    check(slot >= 0 && slot < FUNC_CACHE_SLOTS);
    func_cached *f = &c->cache[slot];
    return f->object && str_eq(buf_str(&f->key), key) ? f->object : NULL;
}

void *func_remember(func_call *c, int slot, str key, void *object, void (*release)(void *object))
{
    check(slot >= 0 && slot < FUNC_CACHE_SLOTS && object);
    func_cached *f = &c->cache[slot];
    if (f->object && f->release) f->release(f->object);
    buf_clear(&f->key);
    buf_add_str(&f->key, key);
    f->object = object;
    f->release = release;
    return object;
}

bool func_apply(func_call *c, value lambda, const value *args, int count, value *out)
{
    check(c->apply);
    if (c->apply(c->runner, lambda.lambda, args, count, out)) return true;
    c->failed_silently = true;
    return false;
}

bool func_invoke(func_call *c, const value *args, int count, value *out)
{
    const func *f = c->f;
    *out = value_null();
    c->failed_silently = false;
    for (int i = 0; i < count; i++) {
        if (!args[i].null) continue;
        if (func_param_of(f, i, count)->primitive)
            return func_fail(c, "Can't coerce argument at index %d from null to a primitive type", i);
        if (!f->sees_nulls) return true;
    }
    return f->row(c, args, count, out);
}

bool func_items(func_call *c, value *out, const value *items, uint32_t n)
{
    nested *nest = ARENA_NEW(c->mem, nested);
    *nest = (nested){.n = n, .items = items};
    *out = (value){.nest = nest};
    return true;
}

bool func_entries(func_call *c, value *out, const value *keys, const value *items, uint32_t n)
{
    nested *nest = ARENA_NEW(c->mem, nested);
    *nest = (nested){.n = n, .items = items, .keys = keys};
    *out = (value){.nest = nest};
    return true;
}
