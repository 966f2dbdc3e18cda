/*
 * tests/support/state/bed.h - a small store for tests: states of a few cells, keys of two columns, over any database.
 *
 * One thread.
 */
#ifndef TESTS_SUPPORT_STATE_BED_H
#define TESTS_SUPPORT_STATE_BED_H

#include "state/store.h"

enum { BED_CELLS = 3 };

/* The state of an entry (STORE_KEY, STORE_WINDOW): owned copies of cells. */
typedef struct bed_state {
    cell cells[BED_CELLS];
} bed_state;

/* The state of a bucket: items in order. */
typedef struct bed_item {
    int64_t time, seq;
    cell cells[BED_CELLS];
} bed_item;
typedef struct bed_bucket {
    bed_item *items;
    uint32_t count;
} bed_bucket;

/* A store with its spec. */
typedef struct bed {
    store_spec spec;
    store *st;
    uint64_t decoded; /* rows that were read from the database */
} bed;

/* The spec: key columns ID INTEGER and NAME TEXT (typed, or as bytes), cells A INTEGER, B REAL, C TEXT. */
void bed_init(bed *b, store_shape shape, bool key_is_blob);
/* Opens over a database; ends the test when that fails. */
void bed_open(bed *b, store_db *db);
void bed_close(bed *b);

/* The encoded key of an id and a name, in a static buffer of one of four turns. */
str bed_key(int64_t id, const char *name);
/* Sets an entry. */
void bed_put(bed *b, str key, int64_t window, const cell cells[BED_CELLS]);
/* The same with A = number, B = number / 2, C = its digits. */
void bed_put_number(bed *b, str key, int64_t window, int64_t number);
void bed_delete(bed *b, str key, int64_t window);
/* The cells of an entry, or NULL. */
const cell *bed_get(bed *b, str key, int64_t window);
/* A of an entry, checked against B and C; -1: there is none. */
int64_t bed_number(bed *b, str key, int64_t window);

/* Freezes, commits with the next generation and reports the decision; false when the commit failed. */
bool bed_commit(bed *b, store_db *db, int64_t generation, diag *d);

/* Cells of each kind. */
cell bed_int(int64_t i);
cell bed_real(double v);
cell bed_text(const char *p, size_t n);
cell bed_blob(const char *p, size_t n);
/* Frees what a state's cell holds. */
void bed_drop(cell *c);
/* Same kind and bytes; reals by their bits. */
bool bed_same(const cell *a, const cell *b);

#endif
