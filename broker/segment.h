/*
 * broker/segment.h - one segment of a log: its file, its indexes, its index of aborted transactions.
 *
 * One thread at a time appends (under the log's append mutex); any thread locates and reads up to the published size.
 * Counted: the list of segments holds one count, a reader another.
 */
#ifndef BROKER_SEGMENT_H
#define BROKER_SEGMENT_H

#include "broker/segment_index.h"

/* Public layout: the files of broker/plog*.c work on it. */
typedef struct segment {
    atomic_int counts;
    fs *fs;
    int64_t base;
    segment_file *log;
    segment_file *txns; /* aborted transactions (.txnindex); made with the first */
    segment_index offsets;
    segment_index times;
    _Atomic uint64_t size; /* bytes of whole batches; published by the appender */
    atomic_uint txn_count; /* entries of .txnindex */
    _Atomic uint64_t
        corrupt_from; /* position from which recovery found no batches, UINT64_MAX: none; nothing is read there */
    _Atomic int64_t max_time; /* highest timestamp; SEGMENT_TIME_UNKNOWN until it was looked up */
    /* Below: guarded by the log's append mutex. */
    int64_t max_time_offset; /* last offset of the batch that has it */
    int64_t first_time; /* maximum timestamp of the first batch, -1: none yet */
    int64_t made_ms;
    uint64_t indexed_to; /* position up to which the indexes know the log */
    bool txns_unsynced;
    uint64_t synced_size; /* guarded by the log's sync mutex */
} segment;

#define SEGMENT_TIME_UNKNOWN INT64_MIN

/* An entry of .txnindex (Kafka's AbortedTxn, 34 bytes on disk). */
typedef struct segment_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* the marker's */
    int64_t last_stable; /* after the marker */
} segment_txn;

enum { SEGMENT_TXN_BYTES = 34, SEGMENT_SUFFIX_MAX = 24 };

/* Endings of the files of a compaction, as Kafka names them: being written, and whole but not in place yet. */
#define SEGMENT_CLEANED ".cleaned"
#define SEGMENT_SWAP ".swap"

/* No log comes this far: a higher base or offset is a damaged file, and arithmetic on lower ones does not overflow. */
#define SEGMENT_OFFSET_MAX (INT64_MAX / 2)

/* A segment over the files in folder; the counts of their entries as found (0 for new ones). */
segment *segment_new(plog_env *env, const char *folder, int64_t base, uint64_t size, uint32_t offset_entries,
                     uint32_t time_entries, uint32_t txn_entries, int64_t now_ms);
/* A new, empty segment whose files have one more ending (SEGMENT_CLEANED): what a compaction writes. */
segment *segment_new_aside(plog_env *env, const char *folder, int64_t base, const char *ending, int64_t now_ms);
void segment_ref(segment *s);
void segment_unref(segment *s);
/* Keeps its files open from now on, as their names are about to go and somebody may still read. */
bool segment_keep_open(segment *s, diag *d);
/* Removes its files; those who hold a count go on reading. */
bool segment_unlink(segment *s, diag *d);

/* The outcome of a write: after SEGMENT_BROKEN a part of the batch may be left in the file. */
typedef enum segment_written { SEGMENT_WRITTEN, SEGMENT_REFUSED, SEGMENT_BROKEN } segment_written;

/* Writes a batch at the end. The new size is published by segment_publish, after the caller's own book-keeping. */
segment_written segment_write(segment *s, const void *batch, size_t n, diag *d);
/*
 * Notes a batch behind the present size in the indexes; `interval` is index.interval.bytes. An entry that cannot be
 * written (a full disk) is left out: the index is sparse anyway.
 */
void segment_note(segment *s, const batch_header *h, int64_t interval);
/* Bytes that may be read: the published size, or less when a part of the file is corrupt. */
uint64_t segment_readable(segment *s);
/* Makes the batch readable. */
void segment_publish(segment *s, size_t n);
/* The last entries, when the segment takes no more appends; and for a checkpoint. */
bool segment_flush_indexes(segment *s, diag *d);
/* The time index ends with the highest timestamp. */
bool segment_seal(segment *s, diag *d);

/*
 * Reads the header of the batch at a position. Lengths are checked against `limit`, offsets against `from`: an
 * implausible header is DIAG_CORRUPT with the file and position.
 */
bool segment_header(segment *s, uint64_t at, uint64_t limit, int64_t from, batch_header *h, diag *d);

/* Walks batch headers with few reads. One thread; segment_walk_close at the end. */
typedef struct segment_walk {
    segment *s;
    file *f;
    uint64_t at; /* of the next header */
    uint64_t limit;
    int64_t from; /* offsets must not be below */
    uint8_t *block;
    size_t block_size;
    uint64_t block_at;
    size_t block_n;
} segment_walk;

/* Starts at a position; segment_walk_close afterwards, also when this fails. */
bool segment_walk_open(segment_walk *w, segment *s, uint64_t at, uint64_t limit, int64_t from, size_t block, diag *d);
/* 1: the next header, w->at behind it; 0: the end; -1: implausible (DIAG_CORRUPT) or unreadable. */
int segment_walk_next(segment_walk *w, batch_header *h, diag *d);
/* The whole batch whose header was just returned; the bytes are valid until the next call. */
bool segment_walk_bytes(segment_walk *w, const batch_header *h, const uint8_t **data, diag *d);
void segment_walk_close(segment_walk *w);

/*
 * The first batch below `limit` whose last offset is at or above the offset: its position and header. *found is false
 * when the segment has none.
 */
bool segment_locate(segment *s, int64_t offset, uint64_t limit, uint64_t *at, batch_header *h, bool *found, diag *d);

/* The highest timestamp (from the time index when it is not known yet). */
bool segment_max_time(segment *s, int64_t *time, diag *d);

/* Adds an aborted transaction. *made is set when the file may be new: its folder is then to be synced as well. */
bool segment_add_txn(segment *s, const segment_txn *t, bool *made, diag *d);
/* Appends all of them (as segment_txn) to the buffer. */
bool segment_txns(segment *s, buf *out, diag *d);
/* Keeps those whose marker lies below the offset; for recovery. */
bool segment_cut_txns(segment *s, int64_t offset, diag *d);

#endif
