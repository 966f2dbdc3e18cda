/*
 * base/regex.h - regular expressions in java.util.regex's dialect as near as PCRE2 (with its JIT) comes to it.
 *
 * Compiled patterns are immutable; matching needs a regex_match, which belongs to one thread at a time. Subjects must
 * be valid UTF-8 (the caller checks once, utf8_valid); positions are byte offsets. Matching is bounded: a
 * pattern that backtracks too far fails with DIAG_LIMIT instead of hanging the task.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/str.h"

typedef struct regex regex;
typedef struct regex_match regex_match;

/* Compiles; NULL and DIAG_INVALID with the reason and the position for a bad pattern. Freed with regex_free. */
regex *regex_compile(str pattern, diag *d);
/* Frees; NULL is allowed. */
void regex_free(regex *r);
/* Number of capturing groups, without the whole match. */
int regex_groups(const regex *r);

/* Result memory for any pattern. Freed with regex_match_free. */
regex_match *regex_match_new(void);
/* Frees; NULL is allowed. */
void regex_match_free(regex_match *m);

/* The outcome of a search. */
typedef enum regex_result {
    REGEX_NONE,
    REGEX_FOUND,
    REGEX_FAILED, /* a limit was hit; the diag says which */
} regex_result;

/* Searches from a byte offset on a character's start (Matcher.find). Groups stay readable until the next search. */
regex_result regex_find(const regex *r, regex_match *m, str subject, size_t from, diag *d);
/* Whether the whole subject matches (Matcher.matches). */
regex_result regex_matches(const regex *r, regex_match *m, str subject, diag *d);

/* Group i of the last match (0: all of it) as a slice of the subject; false when it took no part. */
bool regex_group(const regex_match *m, int i, str *out);
/* Byte offsets of the last match. */
void regex_span(const regex_match *m, size_t *start, size_t *end);
/* Where to search next: the end, or one character further after an empty match. May be subject.n + 1: then stop. */
size_t regex_next(const regex_match *m, str subject);

/*
 * Replaces every match (String.replaceAll): $n, ${name} and backslash escapes in the replacement. False and an error
 * for a malformed replacement or a limit.
 */
bool regex_replace_all(const regex *r, regex_match *m, str subject, str replacement, buf *out, diag *d);

typedef struct regex_cache regex_cache;

/* A cache of compiled patterns by text with least recently used ones dropped; one thread at a time. */
regex_cache *regex_cache_new(size_t capacity);
/* Frees the cache and its patterns; NULL is allowed. */
void regex_cache_free(regex_cache *c);
/* The compiled pattern, valid until the next call on the cache; NULL and an error for a bad one. */
const regex *regex_cache_get(regex_cache *c, str pattern, diag *d);

#endif
