/*
 * engine/op/bucket.h - rows of a key ordered by time: the sides of stream-stream joins.
 *
 * Internal to engine/op; belongs to one task. A bucket is the state of a STORE_BUCKET entry.
 */
#ifndef ENGINE_OP_BUCKET_H
#define ENGINE_OP_BUCKET_H

#include "engine/op/keep.h"

/* One row. */
typedef struct bucket_item {
    int64_t time, seq;
    char *bytes; /* rowcode of the value columns, on the heap */
    uint32_t n;
    bool waits; /* an outer join's row that has had no partner yet */
} bucket_item;

/* The rows of a key, by time, then seq. */
typedef struct bucket {
    bucket_item *items;
    uint32_t count, cap;
    uint32_t refs; /* segments that name this bucket */
} bucket;

/* The buckets that got rows of one span of time, so that they can be looked at when it expires. */
typedef struct bucket_segment {
    int64_t start;
    bucket **buckets;
    uint32_t count, cap;
} bucket_segment;

/* All rows of one side. */
typedef struct buckets {
    keep keep; /* first: the codec's context */
    const schema *schema;
    int *columns;
    int count;
    store *st;
    int64_t retention;
    int64_t observed; /* highest time that was put; INT64_MIN: none */
    int64_t seq;
    bucket_segment *segments; /* ascending */
    uint32_t segment_count, segment_cap;
    buf scratch;
} buckets;

/* Opens the store of a side; rows older than observed - retention do not exist. */
bool buckets_open(buckets *b, op *o, const char *suffix, const schema *s, int64_t retention);
void buckets_close(buckets *b);

/* A row is too old to be kept, by this side's own time. */
static inline bool buckets_expired(const buckets *b, int64_t time)
{
    return b->observed != INT64_MIN && time <= b->observed - b->retention;
}

/* Keeps a row; NULL: it is too old. Advances the side's time. */
bucket_item *buckets_put(buckets *b, str key, const chunk *c, uint32_t row);
/* The rows of a key, or NULL. */
bucket *buckets_get(buckets *b, str key);
/* First item at or after a time. */
uint32_t bucket_lower(const bucket *k, int64_t time);
/* Frees what has expired. */
void buckets_expire(buckets *b);
/* Marks a bucket whose items were changed. */
void buckets_touch(buckets *b, bucket *k);

#endif
