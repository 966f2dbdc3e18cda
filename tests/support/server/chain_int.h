/*
 * tests/support/server/chain_int.h - the inside of the chain: the world and what it must show.
 */
#ifndef TESTS_SUPPORT_SERVER_CHAIN_INT_H
#define TESTS_SUPPORT_SERVER_CHAIN_INT_H

#include "base/rng.h"
#include "broker/broker.h"
#include "connect/connect.h"
#include "engine/query.h"
#include "sql/parse.h"
#include "sql/sql.h"
#include "tests/support/server/chain.h"

enum {
    PARTITIONS = 2,
    GROUPS = 7,
    QUERIES_MAX = 8,
    TOPICS_MAX = 8,
    FEEDS_MAX = 16,
    IDS_MAX = 20000,
    SESSION_GAP = 5000,
    WINDOW_SIZE = 10000
};

/* A query of the chain: the plan lives through all lives, the rest through one. */
typedef struct chain_query {
    const plan *plan;
    str id;
    int64_t producer_id;
    store_db *db;
    io_sink *sink;
    query *q;
    io_feed *feeds[FEEDS_MAX];
    int feed_count;
} chain_query;

/* A record that was appended. */
typedef struct chain_record {
    int64_t id;
    int32_t group;
    int64_t v;
    int64_t time;
} chain_record;

typedef struct chain {
    sim_options o;
    sim_result *out;
    rng r;
    fs_sim *sim;
    broker *b;
    broker_time now;
    uint64_t boots;
    bool killed; /* the last life ended by a kill: what it wrote may be in the page cache alone */
    arena *a;
    const catalog *catalog;
    const catalog *kept[16];
    int kept_count;
    sql_session session;
    sql_topic topics[TOPICS_MAX];
    str topic_names[TOPICS_MAX];
    int topic_count;
    chain_query queries[QUERIES_MAX];
    int query_count;
    /* What was appended to the source topic: by partition the ids in order, and how many are acknowledged. */
    int64_t next_id[PARTITIONS];
    bool acknowledged[IDS_MAX];
    int64_t unsynced[PARTITIONS][IDS_MAX];
    int unsynced_count[PARTITIONS];
} chain;

/* Sets the reason once. Returns false. */
bool chain_fail(chain *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Calls visit for every record of a topic, partition by partition, as a reader of this isolation sees it. */
bool chain_read(chain *c, const char *topic, bool committed,
                bool (*visit)(void *ctx, int32_t partition, const io_record *r), void *ctx);

/* Every acknowledged record is in the source topic, and none is there twice. */
bool chain_check_input(chain *c);
/* All results are what the source topic says. */
bool chain_check_results(chain *c);

#endif
