#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 16, BLOCK_MIN = 4096 - 64, BLOCK_MAX = 1 << 20 };

typedef struct block {
    struct block *prev;
    size_t size;
    size_t used;
    _Alignas(16) unsigned char data[];
} block;

typedef struct cleanup {
    struct cleanup *prev;
    void (*fn)(void *arg);
    void *arg;
} cleanup;

struct arena {
    block *top;
    cleanup *hooks;
    size_t total;
    size_t next_size;
};

arena *arena_new(void)
{
    arena *a = calloc(1, sizeof *a);
    check(a != NULL);
    a->next_size = BLOCK_MIN;
    return a;
}

static void run_hooks(arena *a, cleanup *until)
{
    while (a->hooks != until) {
        cleanup *c = a->hooks;
        a->hooks = c->prev;
        c->fn(c->arg);
    }
}

static void pop_blocks(arena *a, block *until)
{
    while (a->top != until) {
        block *b = a->top;
        a->top = b->prev;
        UNPOISON(b->data, b->size);
        free(b);
    }
}

void arena_free(arena *a)
{
    if (!a) return;
    run_hooks(a, NULL);
    pop_blocks(a, NULL);
    free(a);
}

void arena_reset(arena *a)
{
    run_hooks(a, NULL);
    if (a->top) {
        block *keep = a->top;
        block *rest = keep->prev;
        keep->prev = NULL;
        while (rest) {
            block *b = rest;
            rest = b->prev;
            UNPOISON(b->data, b->size);
            free(b);
        }
        keep->used = 0;
        POISON(keep->data, keep->size);
    }
    a->total = 0;
}

arena_mark arena_save(arena *a)
{
    return (arena_mark){a->top, a->top ? a->top->used : 0, a->total, a->hooks};
}

void arena_restore(arena *a, arena_mark m)
{
    run_hooks(a, m.cleanup);
    pop_blocks(a, m.block);
    if (a->top) {
        POISON(a->top->data + m.used, a->top->size - m.used);
        a->top->used = m.used;
    }
    a->total = m.total;
}

static void *alloc_slow(arena *a, size_t need)
{
    size_t size = a->next_size;
    if (a->next_size < BLOCK_MAX) a->next_size *= 2;
    if (size < need) size = need;
    check(size <= SIZE_MAX - sizeof(block));
    block *b = malloc(sizeof *b + size);
    check(b != NULL);
    b->prev = a->top;
    b->size = size;
    b->used = need;
    a->top = b;
    POISON(b->data + need, size - need);
    return b->data;
}

void *arena_alloc(arena *a, size_t n)
{
    check(n <= SIZE_MAX / 2);
    size_t need = (n + (ALIGN - 1)) & ~(size_t)(ALIGN - 1);
    a->total += need;
    block *b = a->top;
    if (likely(b && need <= b->size - b->used)) {
        void *p = b->data + b->used;
        b->used += need;
        UNPOISON(p, n);
        return p;
    }
    void *p = alloc_slow(a, need);
    POISON((char *)p + n, need - n);
    return p;
}

void *arena_zalloc(arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    memset(p, 0, n);
    return p;
}

void *arena_calloc(arena *a, size_t count, size_t size)
{
    size_t n;
    check(!__builtin_mul_overflow(count, size, &n));
    return arena_zalloc(a, n);
}

str arena_str(arena *a, str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (str){p, s.n};
}

char *arena_strz(arena *a, str s)
{
    return (char *)arena_str(a, s).p;
}

str arena_vprintf(arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    check(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return (str){p, (size_t)n};
}

str arena_printf(arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    str s = arena_vprintf(a, format, args);
    va_end(args);
    return s;
}

void arena_on_free(arena *a, void (*fn)(void *arg), void *arg)
{
    cleanup *c = arena_alloc(a, sizeof *c);
    *c = (cleanup){a->hooks, fn, arg};
    a->hooks = c;
}

size_t arena_used(const arena *a)
{
    return a->total;
}
