/*
 * connect/connect.h - the seams to the outside: the engine's topics on the embedded broker.
 *
 * The engine declares what it needs in engine/io.h; this folder implements it over broker/broker.h: a feed reads the
 * partitions of a task's inputs, a sink writes a query's outputs in transactions that the query's database decides, and
 * the processing log becomes a topic. Feeds belong to the worker that runs their task, a sink's appends come from
 * workers and its commit calls from the query's writer; nothing here has a thread, a loop or a clock of its own.
 */
#ifndef CONNECT_CONNECT_H
#define CONNECT_CONNECT_H

#include "base/diag.h"
#include "broker/broker.h"
#include "engine/io.h"

/* ---- feeds -------------------------------------------------------------------------------------------------- */

/* One input of a feed: a topic, and where a query without stored offsets begins. */
typedef struct embedded_input {
    str topic;
    bool from_earliest;
} embedded_input;

/* What a feed reads. Slices are copied. */
typedef struct embedded_feed_options {
    const embedded_input *inputs; /* numbered as the engine numbers the inputs of the task */
    int input_count;
    int32_t partition; /* the task's partition of every input; -1: all of them */
    bool read_committed; /* up to the last stable offset, without aborted records; else up to the high watermark */
    bool bounded; /* ends at the ends that the logs have now */
    /* Called on an appending thread when an input has more, at most until the next read: cheap, calls nothing back. */
    void (*wake)(void *arg);
    void *wake_arg;
} embedded_feed_options;

/* A feed over the broker's partitions; NULL and an error when a topic does not exist or its log cannot be opened. */
io_feed *embedded_feed_new(broker *b, const embedded_feed_options *options, diag *d);
/* Ends it: after this, wake is not called any more. NULL is allowed. */
void embedded_feed_free(io_feed *f);

/* A paused feed has nothing to read: its task empties itself, and what it did is committed. Any thread. */
void embedded_feed_pause(io_feed *f, bool paused);

/* ---- sinks -------------------------------------------------------------------------------------------------- */

/* What a sink writes. Slices are copied. */
typedef struct embedded_sink_options {
    const str *topics; /* numbered as the engine numbers the plan's sinks */
    int topic_count;
    const str *inputs; /* topics that the query reads: what it consumed is synced before it is decided */
    int input_count;
    int64_t producer_id; /* the first of the query's two internal producer ids, reserved when it was created */
    str transactional_id; /* the name under which ListTransactions shows them */
    broker_time (*now)(void *arg);
    void *now_arg;
} embedded_sink_options;

/* A sink over the broker's partitions; NULL and an error when a topic does not exist. */
io_sink *embedded_sink_new(broker *b, const embedded_sink_options *options, diag *d);
/* Frees it; an open generation was dropped before. NULL is allowed. */
void embedded_sink_free(io_sink *s);

/* ---- the processing log --------------------------------------------------------------------------------------- */

/* Where the processing log goes. Slices are copied. */
typedef struct proclog_topic_options {
    str topic;
    int32_t partitions; /* when the log makes the topic */
    bool rows_include; /* events hold the record that failed */
    broker_time (*now)(void *arg);
    void *now_arg;
} proclog_topic_options;

/*
 * The processing log as a topic of JSON events, in ksqlDB's schemas; bounded in memory, what does not fit is
 * counted.
 */
io_proclog *proclog_topic_new(const proclog_topic_options *options);
/* Appends what was logged since; any thread that may block. False when the topic cannot be written. */
bool proclog_topic_flush(io_proclog *log, broker *b, diag *d);
/* Whether there is something to flush. Any thread. */
bool proclog_topic_pending(io_proclog *log);
/* Frees it with what was not flushed. NULL is allowed. */
void proclog_topic_free(io_proclog *log);

#endif
