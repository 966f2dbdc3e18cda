/*
 * broker/producer_state.h - what a partition knows of its producers: epochs, the last five batches, open transactions.
 *
 * The rules and codes are those of Apache Kafka's ProducerStateManager and ProducerAppendInfo (KIP-98, KIP-360). One
 * thread at a time, under the log's append mutex. Snapshots are files of Kafka's format (version 1), with the older
 * batches of the window behind Kafka's fields, where its reader does not look.
 */
#ifndef BROKER_PRODUCER_STATE_H
#define BROKER_PRODUCER_STATE_H

#include "broker/plog.h"

enum { PRODUCER_BATCHES = 5 };

/* One of the batches that a producer sent last. */
typedef struct producer_batch {
    int64_t last_offset;
    int64_t timestamp;
    int32_t offset_delta; /* last offset - base offset */
    int32_t last_sequence;
} producer_batch;

/* One producer. */
typedef struct producer_entry {
    int64_t id;
    int64_t last_time; /* of its last append, by the server's clock */
    int64_t txn_start; /* -1: no open transaction */
    int32_t coordinator_epoch;
    int16_t epoch;
    int16_t batch_count; /* oldest first */
    producer_batch batches[PRODUCER_BATCHES];
} producer_entry;

/* All producers of a partition; {0} knows none. */
typedef struct producer_state {
    producer_entry **slots; /* open addressing by id */
    size_t slots_cap;
    size_t count;
    buf open; /* txn starts (int64_t), ascending */
} producer_state;

/* Forgets all producers. */
void producer_state_free(producer_state *p);
/* The producer, or NULL. The pointer is good until the next call that adds or expires. */
producer_entry *producer_state_get(const producer_state *p, int64_t id);

/* What producer_state_check has found. */
typedef struct producer_verdict {
    kafka_error error;
    bool duplicate;
    producer_batch original; /* of a duplicate */
} producer_verdict;

/* Judges a data batch of a producer (header->producer_id >= 0); changes nothing. */
producer_verdict producer_state_check(const producer_state *p, const batch_header *h, plog_origin origin);
/* Takes a data batch in at its final offsets; it was judged before, or comes from the log. */
void producer_state_add(producer_state *p, const batch_header *h, int64_t now_ms);
/* Judges a transaction marker. */
kafka_error producer_state_check_marker(const producer_state *p, int64_t id, int16_t epoch, int32_t coordinator_epoch);
/* Ends the producer's transaction; returns its first offset, -1 when none was open. */
int64_t producer_state_end(producer_state *p, int64_t id, int16_t epoch, int32_t coordinator_epoch, int64_t now_ms);
/* First offset of the earliest open transaction, -1: none is open. */
int64_t producer_state_first_open(const producer_state *p);
/* Forgets idle producers without an open transaction. */
void producer_state_expire(producer_state *p, int64_t idle_since_ms);
/* The next producer in no stated order; NULL after the last. *at starts at 0. */
producer_entry *producer_state_next(const producer_state *p, size_t *at);

/* The bytes of a snapshot file. */
void producer_state_save(const producer_state *p, buf *out);
/* Reads one into an empty state; false (and still empty) when it is damaged. */
bool producer_state_load(producer_state *p, const void *data, size_t n, int64_t now_ms, diag *d);

#endif
