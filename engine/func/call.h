/*
 * engine/func/call.h - how functions are called, and what their implementations may use.
 *
 * A func_call is one call site of one task: it keeps what the implementation caches between rows (compiled patterns,
 * zones) and belongs to that task's thread. Results may borrow the arguments' memory or `mem`.
 */
#ifndef ENGINE_FUNC_CALL_H
#define ENGINE_FUNC_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/tz.h"
#include "engine/chunk.h"
#include "engine/func/registry.h"
#include "engine/value.h"

/* What a function may know of the world: told by whoever runs the task. */
typedef struct func_env {
    int64_t now_ms; /* wall clock of this step, for UNIX_TIMESTAMP() and UNIX_DATE() */
    const tz *zone; /* the server's zone; NULL: UTC */
    rng random; /* RANDOM(), UUID() */
} func_env;

/* Runs a lambda argument on values: false when its body failed (reported already). */
typedef bool (*func_apply_fn)(void *runner, const void *lambda, const value *args, int count, value *out);

enum { FUNC_CACHE_SLOTS = 4 };

/* One remembered object of a call site, by the text that it was made from. */
typedef struct func_cached {
    buf key;
    void *object;
    void (*release)(void *object);
} func_cached;

/* A call site. Public layout: implementations read it. */
typedef struct func_call {
    const func *f;
    const type *type; /* of the result */
    const type *const *arg_types;
    int arg_count;
    arena *mem; /* for results; lives as long as the chunk that is being made */
    func_env *env;
    func_apply_fn apply;
    void *runner;
    bool failed_silently; /* the reason of the failure was reported by a lambda's body */
    char error[512]; /* set by func_fail */
    func_cached cache[FUNC_CACHE_SLOTS];
} func_call;

/* A call site in an arena, which frees what it caches. env, mem and apply are set by the caller before each use. */
func_call *func_call_new(arena *a, const func *f, const type *result, const type *const *arg_types, int arg_count);

/* Records why the row fails; always false. */
bool func_fail(func_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with the text of a diag. */
bool func_fail_diag(func_call *c, const diag *d);

/*
 * The object of a slot when it was made from this key, else NULL. func_remember replaces it (the old one is
 * released): one per slot, because patterns are nearly always constant.
 */
void *func_recall(func_call *c, int slot, str key);
void *func_remember(func_call *c, int slot, str key, void *object, void (*release)(void *object));

/* Runs lambda argument `lambda` (value.lambda). False: return false as well. */
bool func_apply(func_call *c, value lambda, const value *args, int count, value *out);

/*
 * Calls the function on boxed arguments with the rules for NULL: propagation, and the error for primitive parameters.
 * For tests, constant folding and table functions; expressions do the same over vectors.
 */
bool func_invoke(func_call *c, const value *args, int count, value *out);

/* Helpers to make results. */
static inline bool func_str(value *out, str s)
{
    *out = (value){.s = s};
    return true;
}
static inline bool func_bool(value *out, bool b)
{
    *out = (value){.b = b};
    return true;
}
static inline bool func_int(value *out, int32_t i)
{
    *out = (value){.i = i};
    return true;
}
static inline bool func_bigint(value *out, int64_t l)
{
    *out = (value){.l = l};
    return true;
}
static inline bool func_double(value *out, double d)
{
    *out = (value){.d = d};
    return true;
}
static inline bool func_null(value *out)
{
    *out = value_null();
    return true;
}
/* An ARRAY or STRUCT value of items that live in mem (not copied). */
bool func_items(func_call *c, value *out, const value *items, uint32_t n);
/* A MAP value. */
bool func_entries(func_call *c, value *out, const value *keys, const value *items, uint32_t n);

#endif
