/*
 * base/similar.h - which name was meant: the nearest of some candidates to one that is not known.
 *
 *     similar s = similar_begin(typed);
 *     for (...) if (similar_try(&s, candidate)) best = candidate;
 *
 * Nearness is Levenshtein's distance without regard to ASCII case. No state outside the struct.
 */
#ifndef BASE_SIMILAR_H
#define BASE_SIMILAR_H

#include "base/str.h"

/* Public layout. */
typedef struct similar {
    str typed;
    int limit; /* a candidate may be this far; -1: no better one can come */
} similar;

/* How far a candidate may be depends on the length: a single letter is never guessed, long names may be 3 edits off. */
similar similar_begin(str typed);
/* Whether this candidate is near enough, and nearer than all before it. */
bool similar_try(similar *s, str candidate);
/* The distance of two names, or limit + 1 when they are farther apart (or longer than 64 bytes). */
int similar_distance(str a, str b, int limit);

#endif
