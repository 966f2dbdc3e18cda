/* tests/support/engine/rig_int.h - what the files of the rig share. */
#ifndef TESTS_SUPPORT_ENGINE_RIG_INT_H
#define TESTS_SUPPORT_ENGINE_RIG_INT_H

#include <pthread.h>

#include "tests/support/engine/rig.h"

enum { RIG_PARTITIONS = 8 };

/* A record of a topic. generation 0: an input, or written without commits. */
typedef struct rig_record {
    io_record rec;
    int partition;
    int64_t generation;
    bool aborted, committed;
} rig_record;

/* A topic: records in the order of arrival; offsets are per partition. */
typedef struct rig_topic_data {
    str name;
    int partitions;
    rig_record *records;
    int count, cap;
    int64_t end[RIG_PARTITIONS];
} rig_topic_data;

/* A feed of one task. */
typedef struct rig_feed {
    io_feed base;
    struct rig *r;
    int stage;
    int32_t partition; /* -1: all, in order of arrival over all topics */
    rig_topic_data *topics[32];
    int topic_count;
    int64_t next[32][RIG_PARTITIONS];
    io_partition parts[32][RIG_PARTITIONS];
    bool handed[32];
    io_record *batch[32];
} rig_feed;

struct rig {
    arena *mem;
    query_options options;
    io_sink sink;
    io_proclog proclog;
    query *q;
    rig_topic_data topics[32];
    int topic_count;
    int64_t arrival; /* global order of records: kept in rec of each as its place */
    int steps;
    const type *agg_type;
    str out_topic;
    buf text, log;
    /* The sink's transaction. */
    int64_t generation; /* that appends belong to */
    int64_t log_decided; /* log decides: last generation, its positions and all changes so far */
    io_input_position *log_inputs;
    int log_input_count;
    struct rig_change *changes;
    int change_count, change_cap;
    rig_crash crash;
    bool crashed, blocked;
    pthread_mutex_t lock; /* tests with threads: the sink and the log are called by several tasks */
};

/* A changelog record of a decided generation. */
typedef struct rig_change {
    int64_t generation;
    io_change change;
} rig_change;

/* Appends a record; its offset is given here. */
rig_record *rig_append(rig *r, rig_topic_data *t, int partition, io_record rec);
rig_topic_data *rig_topic_of(rig *r, str name);
plan *rig_step(rig *r, plan_kind kind, const char *context, const schema *s, const plan *in);
/* The sink's functions. */
const io_sink_ops *rig_sink_ops(void);

#endif
