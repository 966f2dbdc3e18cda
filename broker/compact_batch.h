/*
 * broker/compact_batch.h - what compaction makes of one record batch.
 *
 * A batch keeps its base offset, last offset, producer and sequence whatever goes of its records (KIP-98); the time at
 * which its tombstones or its marker may go is written into it the first time they are met (KIP-534: bit 6 of the
 * attributes, and the horizon in the place of the base timestamp). Thread-neutral.
 */
#ifndef BROKER_COMPACT_BATCH_H
#define BROKER_COMPACT_BATCH_H

#include "broker/batch.h"
#include "broker/offset_map.h"

/* How batches are judged in one pass. */
typedef struct compact_rules {
    const offset_map *map;
    int64_t mapped_to; /* records from this offset on are not in the map and stay */
    int64_t now_ms;
    int64_t delete_retention_ms;
    int level; /* of compression, when a batch is packed again; 0: the codec's default */
} compact_rules;

/* What is known of one batch from around it. */
typedef struct compact_case {
    bool discard; /* its records are of no use: an aborted transaction's, or a marker whose records are gone */
    bool keep_empty; /* the batch must stay even without records */
} compact_case;

typedef enum compact_verdict { COMPACT_KEEP, COMPACT_DROP, COMPACT_REPLACE, COMPACT_ERROR } compact_verdict;

/* Memory that is used again from batch to batch; {0} before the first, compact_scratch_free at the end. */
typedef struct compact_scratch {
    buf expanded;
    buf records;
    buf out; /* the new batch after COMPACT_REPLACE */
} compact_scratch;

/* Releases it. */
void compact_scratch_free(compact_scratch *s);

/* Judges a whole batch whose CRC was checked. COMPACT_REPLACE: the new one is in s->out; COMPACT_ERROR: d is set. */
compact_verdict compact_batch(const uint8_t *data, size_t n, const compact_rules *rules, compact_case c,
                              compact_scratch *s, diag *d);

#endif
