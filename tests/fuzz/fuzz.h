/*
 * tests/fuzz/fuzz.h - what a fuzz target is: one input judged, seeds to begin with, words for the mutator.
 *
 * A target is one file, tests/fuzz/fuzz_<name>.c, that defines the two functions below; fuzz.c joins it to libFuzzer.
 * `make fuzz` builds and runs all of them. One thread. A finding is anything that ends the process: a sanitizer's
 * report, a failed check(), too much time or memory.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/str.h"

/* Where seeds and words go. */
typedef struct fuzz_out fuzz_out;

/* The target: judges one input. Equal inputs give equal runs: nothing is kept from one call to the next. */
void fuzz_one(const uint8_t *data, size_t n);
/* The target's seeds and words, made with fuzz_seed and fuzz_word. Each seed is run once as well, and must pass. */
void fuzz_make(fuzz_out *out);

/* Adds an input to begin with. */
void fuzz_seed(fuzz_out *out, const void *p, size_t n);
/* Adds a word that the mutator may insert. */
void fuzz_word(fuzz_out *out, str word);
/* Both for each string of a list that ends with NULL; `prefix` (n bytes) comes in front of each seed. */
void fuzz_seed_texts(fuzz_out *out, const void *prefix, size_t n, const char *const *texts);
/* Words from a list that ends with NULL. */
void fuzz_words(fuzz_out *out, const char *const *words);

/* A number from the input in [0, bound), one byte of it (two when bound > 256); 0 when the input is used up. */
uint32_t fuzz_pick(reader *r, uint32_t bound);
/* Up to `most` bytes behind a two-byte length; the rest of the input when there is less. */
str fuzz_bytes(reader *r, size_t most);
/* Writes what fuzz_bytes reads. */
void fuzz_put_bytes(buf *b, const void *p, size_t n);

/*
 * A copy of exactly n bytes on the heap, so that the sanitizer sees every byte read behind it; the caller frees it.
 * Never NULL.
 */
uint8_t *fuzz_copy(const void *p, size_t n);
/* The same followed by `padding` bytes that may be loaded and must not matter: they hold `fill`. */
uint8_t *fuzz_copy_padded(const void *p, size_t n, size_t padding, int fill);

/* Makes the lengths and checksums of everything that looks like a record batch right, so that mutations get further. */
void fuzz_mend_batches(uint8_t *p, size_t n);

#endif
