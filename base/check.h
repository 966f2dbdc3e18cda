/*
 * base/check.h - assertions for programmer errors; on in release builds.
 *
 * check(cond) prints the place and the condition and aborts. It is for what can only be wrong when our own
 * code is wrong; what a user, a client or a disk can cause is an error value (base/diag.h).
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

/* Prints the failed check to standard error and aborts. Never returns. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define check(cond)                                                                                                    \
    do {                                                                                                               \
        if (__builtin_expect(!(cond), 0)) check_failed(__FILE__, __LINE__, #cond);                                     \
    } while (0)

/* Marks a place that no input can reach. */
#define check_unreachable() check_failed(__FILE__, __LINE__, "reached a place that must not be reached")

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
