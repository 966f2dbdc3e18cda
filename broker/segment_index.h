/*
 * broker/segment_index.h - the sparse indexes of a segment, in Kafka's formats: .index and .timeindex.
 *
 * An index is a file of entries whose fields only grow: offset index 8 bytes (i32 last offset of a batch relative to
 * the segment's base, i32 its position), time index 12 bytes (i64 highest timestamp so far, i32 relative offset of
 * the batch that has it). The newest entries are in memory until a block of them is written. One thread at a time
 * adds (under the log's append mutex); any thread searches, with a lock that is never held over I/O. The indexes can
 * be made anew from the log, so their files are synced only by a checkpoint.
 */
#ifndef BROKER_SEGMENT_INDEX_H
#define BROKER_SEGMENT_INDEX_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker/segment_file.h"

/* Which index. */
typedef enum index_kind { INDEX_OFFSET, INDEX_TIME } index_kind;
/* What is searched: the first field of an offset index, its second, or the first field of a time index. */
typedef enum index_field { INDEX_BY_OFFSET, INDEX_BY_POSITION, INDEX_BY_TIME } index_field;

enum { INDEX_TAIL_MAX = 256 };

/* One entry; `key` is a relative offset or a timestamp, `value` a position or a relative offset. */
typedef struct index_entry {
    int64_t key;
    int32_t value;
} index_entry;

/* One index; embedded in its segment. */
typedef struct segment_index {
    index_kind kind;
    segment_file *file;
    pthread_mutex_t mutex; /* tail_count, written, last */
    index_entry *tail; /* NULL while there is none */
    int tail_count;
    uint32_t written; /* entries in the file */
    bool unsynced; /* guarded by the log's append mutex */
} segment_index;

/* An index over the file at path with `count` entries in it. */
void segment_index_init(segment_index *ix, index_kind kind, plog_env *env, const char *path, uint32_t count);
/* Entries left in memory are dropped: flush before, or make them anew. */
void segment_index_free(segment_index *ix);
/* Bytes of one entry in the file. */
static inline uint32_t segment_index_width(index_kind kind)
{
    return kind == INDEX_OFFSET ? 8 : 12;
}
/* Entries in all. */
uint32_t segment_index_count(segment_index *ix);
/* Adds an entry; its fields must not be below those of the last one. */
bool segment_index_add(segment_index *ix, int64_t key, int32_t value, diag *d);
/* Writes what is only in memory. */
bool segment_index_flush(segment_index *ix, diag *d);
/* Removes the entries whose field is at or above the value, in recovery, while nobody else looks. */
bool segment_index_cut(segment_index *ix, index_field field, int64_t value, diag *d);
/* The last entry whose field is at most the value; *found is false when there is none. */
bool segment_index_floor(segment_index *ix, index_field field, int64_t value, index_entry *out, bool *found, diag *d);
/* The first entry whose field is above the value. */
bool segment_index_above(segment_index *ix, index_field field, int64_t value, index_entry *out, bool *found, diag *d);
/* The last entry. */
bool segment_index_last(segment_index *ix, index_entry *out, bool *found, diag *d);

#endif
