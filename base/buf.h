/*
 * base/buf.h - a growable byte buffer on the heap.
 *
 * Owned by whoever holds the struct; one thread at a time. {0} is a valid empty buffer; buf_free releases it and
 * makes it empty again. Growth never fails (out of memory aborts). Pointers into the data are valid until
 * the next call that may grow it.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Public layout: writers on the hot path store into data[len] after buf_reserve. */
typedef struct buf {
    char *data;
    size_t len;
    size_t cap;
} buf;

/* Releases the memory; the buffer is empty again. */
void buf_free(buf *b);

/* Makes the buffer empty and keeps its memory. */
static inline void buf_clear(buf *b)
{
    b->len = 0;
}

/* The slow half of buf_reserve. */
void buf_grow(buf *b, size_t extra);

/* Makes room for at least extra bytes behind len and returns where they go. Does not change len. */
static inline char *buf_reserve(buf *b, size_t extra)
{
    if (b->cap - b->len < extra) buf_grow(b, extra);
    return b->data + b->len;
}

static inline void buf_add(buf *b, const void *p, size_t n)
{
    if (n == 0) return;
    memcpy(buf_reserve(b, n), p, n);
    b->len += n;
}

static inline void buf_add_str(buf *b, str s)
{
    buf_add(b, s.p, s.n);
}

static inline void buf_add_char(buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->len++;
}

/* Appends a terminated string, or formatted text. */
void buf_add_z(buf *b, const char *z);
void buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* The contents as a slice, valid until the buffer changes. */
static inline str buf_str(const buf *b)
{
    return (str){b->data, b->len};
}

/* The contents as a terminated string (the zero is not counted in len). */
const char *buf_z(buf *b);

#endif
