/*
 * tests/support/broker/compact_world.h - a compacted log with a memory of all that was appended to it.
 *
 * For the tests of compaction: whatever goes, each key must have its last committed record, and what is read must be
 * what was written. One thread.
 */
#ifndef TESTS_SUPPORT_BROKER_COMPACT_WORLD_H
#define TESTS_SUPPORT_BROKER_COMPACT_WORLD_H

#include "base/file_sim.h"
#include "broker/plog_int.h"

/* The time of the tests. */
#define COMPACT_NOW INT64_C(1700000000000)
enum { KEYS = 12, RECORDS_MAX = 4000, PLAIN = 0 };

/* Who wrote a record, and what became of it. */
typedef enum fate { FATE_NONE, FATE_DATA, FATE_OPEN, FATE_ABORTED } fate;

/* What was appended at an offset. */
typedef struct written {
    fate fate;
    int key;
    int64_t value; /* -1: a tombstone */
} written;

/* A log with a memory of all that was appended to it. */
typedef struct world {
    fs_sim *sim;
    plog_env *env;
    plog *log;
    plog_config config;
    batch_builder builder;
    written records[RECORDS_MAX];
    int64_t values, now;
    int32_t life;
    uint64_t seed;
} world;

/* What one reading of the log has found. */
typedef struct found {
    int64_t last[KEYS]; /* offset of the last record of a key that a committed reader sees; -1: none */
    int records, markers, batches;
} found;

/* Opens the log on the disk, in a new life. */
bool world_open(world *w, diag *d);
/* A compacted log with small segments on a new disk. */
void world_new(world *w, uint64_t seed);
/* Drops the log as a kill does; the disk stays. */
void world_leave(world *w);
/* Frees all. */
void world_free(world *w);
/* Closes the log cleanly and opens it again. */
void restart(world *w);
/* Appends one batch of n records; keys from `key` on, a tombstone each when `gone`. */
void send_batch(world *w, int key, int n, bool gone, int64_t pid, batch_codec codec);
/* Ends the open transaction of a producer. */
void end_txn(world *w, int64_t pid, bool commit);
/* Compacts with a map of this size; the number of segments that were written anew. */
int compact_with(world *w, size_t map_bytes);
/* The same with a large one. */
int compact(world *w);
/* Reads everything and compares it with what was written; NULL when all is right. */
const char *look(world *w, found *f);
/* Every offset is found by the index, and the index knows all of its segment; NULL when that is so. */
const char *look_up(world *w);
/* look and look_up, as an assertion. */
found must_be_right(world *w);
/* Appends batches of 1 to 4 records over all keys. */
void fill(world *w, int batches, batch_codec codec);

#endif
