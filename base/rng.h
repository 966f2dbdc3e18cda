/*
 * base/rng.h - a small seeded generator (xoshiro256**, Blackman and Vigna 2018) for tests, samples and jitter.
 *
 * The same seed gives the same numbers on every machine. One thread at a time. Not for secrets.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

typedef struct rng {
    uint64_t s[4];
} rng;

/* Starts the sequence of a seed. */
void rng_seed(rng *r, uint64_t seed);
uint64_t rng_u64(rng *r);
/* Uniform in [0, n); n must be positive. */
uint64_t rng_below(rng *r, uint64_t n);
/* Uniform in [0, 1). */
double rng_unit(rng *r);

#endif
