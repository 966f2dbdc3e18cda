#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

void buf_free(buf *b)
{
    free(b->data);
    *b = (buf){0};
}

void buf_grow(buf *b, size_t extra)
{
    size_t need;
    check(!__builtin_add_overflow(b->len, extra, &need));
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) {
        check(cap <= SIZE_MAX / 2);
        cap *= 2;
    }
    if (cap == b->cap) return;
    char *data = realloc(b->data, cap);
    check(data != NULL);
    b->data = data;
    b->cap = cap;
}

void buf_add_z(buf *b, const char *z)
{
    buf_add(b, z, strlen(z));
}

void buf_vprintf(buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    check(n >= 0);
    vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    b->len += (size_t)n;
}

void buf_printf(buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

const char *buf_z(buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return b->data;
}
