/*
 * base/arena.h - region memory: allocate piece by piece, free all at once.
 *
 * An arena belongs to one thread at a time. Its name in a signature says the lifetime of what is put there
 * (statement, query, step). Allocation never returns NULL: running out of memory aborts, and limits on sizes are
 * checked by the callers before. Memory is aligned to 16 bytes. Under AddressSanitizer, memory that is
 * unused or was reset is poisoned.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/str.h"

typedef struct arena arena;

/* A position in an arena, to release everything that was allocated after it. */
typedef struct arena_mark {
    void *block;
    size_t used;
    size_t total;
    void *cleanup;
} arena_mark;

/* A new, empty arena. The caller frees it with arena_free. */
arena *arena_new(void);

/* Frees the arena and all its memory; cleanup hooks run first, last registered first. NULL is allowed. */
void arena_free(arena *a);

/* Releases all allocations and runs the hooks, but keeps one block for reuse. */
void arena_reset(arena *a);

/* The present position. */
arena_mark arena_save(arena *a);
/* Releases what was allocated since the mark; hooks registered since then run. */
void arena_restore(arena *a, arena_mark m);

/* n bytes, not initialised. */
void *arena_alloc(arena *a, size_t n);
/* n bytes of zero. */
void *arena_zalloc(arena *a, size_t n);
/* count * size bytes of zero; aborts when the product overflows. */
void *arena_calloc(arena *a, size_t count, size_t size);

#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_calloc((a), (count), sizeof(type)))

/* A copy of the bytes with a terminating zero behind them (not counted in n). */
str arena_str(arena *a, str s);
/* A terminated copy. */
char *arena_strz(arena *a, str s);
/* Formatted text with a terminating zero behind it. */
str arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
str arena_vprintf(arena *a, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Calls fn(arg) when the arena is reset or freed: ties files and statements to the arena's life. */
void arena_on_free(arena *a, void (*fn)(void *arg), void *arg);

/* Bytes handed out since the last reset. */
size_t arena_used(const arena *a);

#endif
