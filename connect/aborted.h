/*
 * connect/aborted.h - leaves out the records of aborted transactions, as a read_committed consumer does (KIP-98).
 *
 * Belongs to the feed of one partition and its thread.
 */
#ifndef CONNECT_ABORTED_H
#define CONNECT_ABORTED_H

#include "broker/batch.h"
#include "broker/plog.h"

/* Public layout: embedded in a feed's partition; {0} is empty. */
typedef struct aborted_filter {
    buf ranges; /* plog_aborted_txn, ordered by first offset, of the bytes that were read last */
    size_t next; /* the first that was not reached yet */
    buf open; /* int64_t producer ids whose aborted transaction is being passed */
} aborted_filter;

/* Learns the aborted transactions that reach into the offsets [from, to), which come next. */
bool aborted_filter_load(aborted_filter *a, plog *log, int64_t from, int64_t to, diag *d);
/* Whether this batch is to be left out. Batches must come in order, markers included. */
bool aborted_filter_drops(aborted_filter *a, const batch_header *h, const void *batch, size_t n);
/* Forgets everything, before a seek. */
void aborted_filter_clear(aborted_filter *a);
/* Releases its memory. */
void aborted_filter_free(aborted_filter *a);

#endif
