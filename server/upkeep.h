/*
 * server/upkeep.h - what is done for a running query now and then: its offsets are shown, an idle database is closed.
 *
 * The positions that a query has committed are shown as the offsets of a consumer group of ksqlDB's name, at most once
 * a second, so that every Kafka tool sees the lag; the query's database stays the truth. Embedded by its query;
 * upkeep_committed may be called by any thread, the rest by one at a time.
 */
#ifndef SERVER_UPKEEP_H
#define SERVER_UPKEEP_H

#include <stdatomic.h>

#include "broker/broker.h"
#include "engine/query.h"

/* Public layout; {0} and the group's name before the first use. */
typedef struct upkeep {
    str group; /* borrowed: lives as long as the query */
    atomic_bool moved; /* something was committed since the offsets were shown */
    int64_t shown_ms, swept_ms;
} upkeep;

/* A generation was decided, or the query has just begun. */
void upkeep_committed(upkeep *u);

/* Does what is due; now_ms is monotonic. `db` is the query's SQLite database. */
void upkeep_do(upkeep *u, query *q, store_db *db, broker *b, int64_t now_ms);

/* Shows the offsets whatever was shown when: before the query ends. */
void upkeep_end(upkeep *u, query *q, broker *b);

#endif
