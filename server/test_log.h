/*
 * server/test_log.h - topics in memory for `weir test`: what replaces the log, and the engine's seams over it.
 *
 * Topics of one case live in the case's arena; one thread. Records keep the order in which they were produced, across
 * partitions.
 */
#ifndef SERVER_TEST_LOG_H
#define SERVER_TEST_LOG_H

#include "base/map.h"
#include "engine/io.h"
#include "engine/query.h"
#include "sql/plan_query.h"

/* One record. */
typedef struct test_record {
    io_record record;
    int32_t partition;
} test_record;

/* One topic. */
typedef struct test_topic {
    str name;
    int partitions;
    int replicas;
    test_record *records; /* in the order of production */
    int count, cap;
    int64_t *next_offset; /* by partition */
    bool has_inputs; /* the case gives records of it */
    int first_input; /* the first of them */
    int spread; /* where the next record without a key goes */
} test_topic;

/* All topics of a case. */
typedef struct test_log {
    arena *a;
    map topics;
    test_topic **order;
    int count, cap;
} test_log;

/* Makes a topic that does not exist yet. */
test_topic *test_log_create(test_log *l, str name, int partitions, int replicas);
/* NULL: there is none. */
test_topic *test_log_find(const test_log *l, str name);
/* Forgets it. */
void test_log_delete(test_log *l, str name);
/* Appends a record; key, value and headers are copied. Partition -1: by the key, or spread when there is none. */
test_record *test_log_append(test_log *l, test_topic *t, const io_out *r);

/* One record in the order in which a query is to see them. */
typedef struct test_turn {
    int input; /* of the engine's numbering */
    const test_topic *topic;
    int record;
} test_turn;

/* A feed that hands out the turns in their order. */
io_feed *test_feed_new(arena *a, const test_topic *const *topics, int input_count, const test_turn *turns,
                       int turn_count);

/* A sink over the log; outputs are numbered as the query numbers its sinks. */
io_sink *test_sink_new(test_log *l, const str *topics, int count);

#endif
