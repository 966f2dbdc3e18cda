/*
 * broker/txn.h - the transaction coordinator: transactional ids, their state machine and its records.
 *
 * Loop thread. State lies in __transaction_state in Kafka's record format and is read back at start. A step that the
 * client is told of is synced first; markers are appended once the decision is durable, and the answer goes out when
 * the markers are durable as well, so that the next transaction of the id never overtakes the last. Transaction
 * versions 1 and 2 of KIP-890: in version 1 epochs are raised by InitProducerId and by timeouts only; in version 2,
 * which EndTxn 5, Produce 12 and TxnOffsetCommit 5 stand for, by each EndTxn, and the marker carries the raised one.
 */
#ifndef BROKER_TXN_H
#define BROKER_TXN_H

#include "broker/broker_core.h"

typedef struct txns txns;

/* The states; the numbers are those of the records. */
typedef enum txn_state {
    TXN_EMPTY = 0,
    TXN_ONGOING = 1,
    TXN_PREPARE_COMMIT = 2,
    TXN_PREPARE_ABORT = 3,
    TXN_COMPLETE_COMMIT = 4,
    TXN_COMPLETE_ABORT = 5,
    TXN_DEAD = 6,
} txn_state;

/* One partition of a transaction. The name belongs to the txn. */
typedef struct txn_partition {
    char *topic;
    int32_t partition;
} txn_partition;

/* A transactional id. Public layout inside broker/: the listings read it. */
typedef struct txn {
    broker *b;
    char *id;
    int64_t producer_id;
    int64_t last_producer_id; /* before the last change; -1 */
    int16_t epoch;
    int16_t last_epoch; /* -1 */
    int32_t timeout_ms;
    txn_state state;
    bool v2; /* the client speaks transaction version 2 */
    int64_t next_producer_id; /* when the end under way uses the last epoch up: what follows; -1 */
    txn_partition *partitions;
    size_t partitions_len, partitions_cap;
    int64_t start_ms; /* wall clock; -1 outside a transaction */
    int64_t update_ms; /* wall clock of the last record */
    bool pending; /* a step is on its way: others are answered CONCURRENT_TRANSACTIONS */
    delay_timer timer; /* of an ongoing transaction, or of an end that is to be tried again */
    int32_t retry_ms; /* how long that waits; 0: the end was not tried yet */
} txn;

/* An empty coordinator. */
txns *txns_new(void);
/* Frees b->txns. */
void txns_free(broker *b);
/* Reads __transaction_state and ends what was decided before the stop. */
bool txns_load(broker *b, diag *d);
/* Forgets ids that were idle for transactional.id.expiration.ms. */
void txns_expire(broker *b);

/* The txn of an id, or NULL. */
txn *txn_find(broker *b, str id);
/* Iterates over all, as map_next. */
bool txn_next(broker *b, size_t *it, txn **t);
/* Kafka's name of a state. */
const char *txn_state_name(txn_state state);
/* A producer id never given out before. KAFKA_NONE or the error. */
kafka_error txn_new_producer_id(broker *b, int64_t *producer_id);

/* Called once the outcome of a step is durable (or failed). */
typedef void txn_done(void *arg, kafka_error error, int64_t producer_id, int16_t epoch);

/*
 * InitProducerId of a transactional id. given_pid and given_epoch are -1 when the client did not send them; version
 * is the request's. done is called later, or at once when nothing has to be written.
 */
void txn_init(broker *b, str id, int32_t timeout_ms, int64_t given_pid, int16_t given_epoch, int16_t version,
              txn_done *done, void *arg);

/* Aborts what is ongoing with a raised epoch, so that its producer is fenced; done may be NULL. */
void txn_fence(txn *t, txn_done *done, void *arg);

/* Whether producer and epoch may act on the id now; the checks that AddPartitionsToTxn and others share. */
kafka_error txn_check(broker *b, str id, int64_t producer_id, int16_t epoch, txn **out);

/* Adds partitions to the transaction, beginning one when there is none. v2: as part of the write itself (KIP-890). */
void txn_add(txn *t, const txn_partition *partitions, size_t n, bool v2, txn_done *done, void *arg);
/* Whether a partition is part of the ongoing transaction. */
bool txn_has(const txn *t, str topic, int32_t partition);

/* EndTxn, of transaction version 2 when v2 is set: done is told the raised epoch, or the id that follows. */
void txn_end(broker *b, str id, int64_t producer_id, int16_t epoch, bool commit, bool v2, txn_done *done, void *arg);

/*
 * Whether a transactional batch may be appended: the producer owns the id and the partition is part of its
 * transaction. The error is that of Produce in this version.
 */
kafka_error txn_check_produce(broker *b, str id, int64_t producer_id, int16_t epoch, str topic, int32_t partition,
                              int16_t version);

/* ---- txn_store.c --------------------------------------------------------------------------------------- */

/* The partition of __transaction_state that keeps the id, with a reference; NULL when the topic cannot be made. */
broker_partition *txn_partition_of(broker *b, str id);
/* Appends the txn's record; *end is what must be durable. */
kafka_error txn_store(txn *t, broker_partition *p, int64_t *end);
/* Appends the tombstone of an id. */
kafka_error txn_store_gone(txn *t, broker_partition *p, int64_t *end);
/* The txn of an id, made when it does not exist. */
txn *txn_make(broker *b, str id);
/* Puts a partition on the list, once. */
void txn_note_partition(txn *t, str topic, int32_t partition);
/* Empties the list. */
void txn_clear_partitions(txn *t);
/* txn.c, after a start: carries out what was decided, and lets what is open time out. */
void txn_resume(txn *t);
/* Takes the txn out and frees it. */
void txn_drop(txn *t);

#endif
