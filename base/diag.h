/*
 * base/diag.h - the error value: what went wrong, where in the text, and what to do about it.
 *
 * A diag lives on the caller's stack and never allocates. Functions that can fail for an operating or a user's
 * reason return bool and take a `diag *` as their last parameter; the FIRST error set wins, later ones
 * are ignored, so a failing function may clean up with other failing functions. One thread at a time.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Byte offsets [start, end) into a source text; start == end == SPAN_NONE: no place known. */
typedef struct span {
    uint32_t start;
    uint32_t end;
} span;

#define SPAN_NONE UINT32_MAX
#define NO_SPAN ((span){SPAN_NONE, SPAN_NONE})

/* The kinds of failure: what the caller, and in the end the client, must be able to tell apart. */
typedef enum diag_code {
    DIAG_OK = 0,
    DIAG_SYNTAX,        /* the statement does not parse */
    DIAG_STATEMENT,     /* it parses, but is not legal (types, names, rules) */
    DIAG_UNSUPPORTED,   /* legal KSQL that this version does not execute yet */
    DIAG_NOT_FOUND,     /* a named thing does not exist */
    DIAG_EXISTS,        /* a named thing exists already */
    DIAG_INVALID,       /* a malformed argument, property or request */
    DIAG_LIMIT,         /* a stated limit was exceeded */
    DIAG_IO,            /* the operating system refused (text says which file and why) */
    DIAG_CORRUPT,       /* stored data failed a check */
    DIAG_BUSY,          /* somebody else holds it (a data folder, a port) */
    DIAG_STATE,         /* not possible in the present state */
    DIAG_INTERNAL,      /* a bug that was contained */
} diag_code;

enum { DIAG_TEXT_MAX = 2048, DIAG_HINT_MAX = 256 };

typedef struct diag {
    diag_code code;
    span at;
    int os_error; /* errno of a DIAG_IO, else 0 */
    char text[DIAG_TEXT_MAX];
    char hint[DIAG_HINT_MAX]; /* the way out; empty when there is none to name */
} diag;

/* Makes d empty. A diag that is `= {0}` or was cleared is empty. */
void diag_clear(diag *d);

static inline bool diag_is_set(const diag *d)
{
    return d->code != DIAG_OK;
}

/* Sets the error when none is set yet. Always returns false, so that a site reads `return diag_set(...)`. */
bool diag_set(diag *d, diag_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with a place in the statement. */
bool diag_at(diag *d, span at, diag_code code, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for a failed system call: appends ": <text of os_error>". */
bool diag_os(diag *d, int os_error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds the way out to an error that was just set; the first hint wins. Returns false. */
bool diag_hint(diag *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Line and column (both from 1, columns in UTF-8 characters) of a byte offset. */
void diag_line_column(str source, uint32_t offset, int *line, int *column);

/*
 * Writes the error for a person: "line L:C: text", the source line, a caret line under the span, and the hint.
 * Without a span only text and hint.
 */
void diag_render(const diag *d, str source, buf *out);

#endif
