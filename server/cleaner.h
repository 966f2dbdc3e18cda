/*
 * server/cleaner.h - the thread that keeps the logs short: retention, compaction, and checkpoints of idle partitions.
 *
 * It works at the paces that the broker's settings name (log.retention.check.interval.ms, log.cleaner.backoff.ms). Any
 * one thread starts and stops it.
 */
#ifndef SERVER_CLEANER_H
#define SERVER_CLEANER_H

#include "broker/broker.h"

typedef struct cleaner cleaner;

/* Starts the thread on a broker that outlives it. */
cleaner *cleaner_start(broker *b, diag *d);

/* Ends it; a pass under way stops at the next record batch. NULL is allowed. */
void cleaner_stop(cleaner *c);

#endif
