/*
 * tests/support/broker/plog_bed.h - a simulated disk with one log on it, and ways to fill and read it that check
 * themselves.
 *
 * For unit tests of broker/plog; the functions end the test with Check's assertions.
 */
#ifndef TESTS_SUPPORT_PLOG_BED_H
#define TESTS_SUPPORT_PLOG_BED_H

#include "base/file_sim.h"
#include "broker/plog.h"

/* The time of the tests. */
#define NOW INT64_C(1700000000000)

/* A simulated disk with one log on it. */
typedef struct bed {
    fs_sim *sim;
    plog_env *env;
    plog *log;
    plog_config config;
    batch_builder builder;
    int32_t epoch;
    int64_t now;
} bed;

/* What one append is. */
typedef struct sent {
    int count;
    int64_t pid;
    int16_t epoch;
    int32_t sequence;
    bool transactional;
    int64_t timestamp;
} sent;

/* Opens the log on a disk that has, or has not, held it before. */
void bed_start(bed *b, fs_sim *sim);
/* A log with small segments on a new disk. */
bed bed_new(void);
/* Closes the log and opens it again: cleanly, or as after a kill. */
void bed_restart(bed *b, bool clean);
/* Frees everything, unclean. */
void bed_free(bed *b);
/* Appends one batch; out may be NULL. Returns the code of the append. */
kafka_error bed_send(bed *b, sent s, plog_appended *out);
/* Appends batches of 1, 2, 3, 4, 1, ... records. */
void bed_send_many(bed *b, int batches);
/* Reads everything from an offset with a reader; checks that offsets are dense and values match; returns the end. */
int64_t bed_read_through(bed *b, int64_t from, plog_isolation isolation, size_t max_bytes);
/*
 * Fetches from an offset; checks that extents are whole batches that begin with the one of the offset; returns the
 * next offset.
 */
int64_t bed_fetch(bed *b, int64_t from, uint64_t max, plog_isolation isolation);

#endif
