/*
 * engine/io.h - what the engine needs from the world: records in, records out, who decides a commit, where errors go.
 *
 * The engine declares these interfaces and never includes a broker; connect/ implements them over the embedded log or a
 * Kafka cluster, `weir test` and unit tests over plain memory. An implementation embeds the struct as its first member
 * and fills `ops`.
 *
 * Threads: a feed belongs to one task and is called only by the worker that runs it. A sink belongs to a query: append
 * is called by its tasks (several threads at once, but one task per output partition and generation order is kept by
 * the engine), the commit calls by one thread at a time, which may block. The processing log may be called by every
 * task at once.
 */
#ifndef ENGINE_IO_H
#define ENGINE_IO_H

#include "base/diag.h"
#include "engine/chunk.h"

/* One record as it was read: slices into the feed's buffer. */
typedef struct io_record {
    str key;
    str value;
    bool key_null;
    bool value_null;
    headers headers;
    int64_t timestamp; /* ms; negative: the record has none that is valid */
    int64_t offset;
} io_record;

/* Records of one partition of one input, in offset order. */
typedef struct io_batch {
    int32_t partition;
    uint32_t count;
    bool padded; /* 32 bytes behind every key and value can be read (they belong to the same buffer) */
    const io_record *records;
    int64_t next_offset; /* where reading goes on: beyond the last record, and beyond markers and compacted holes behind
                            it */
    int64_t end_offset; /* end of the log as the feed knows it, for lag; -1: unknown */
} io_batch;

typedef struct io_feed io_feed;
typedef struct io_partition io_partition;

typedef enum io_status {
    IO_OK, /* done; a read gave at least one record, or moved the position over a hole */
    IO_EMPTY, /* read: nothing there now; the feed wakes the task when that changes */
    IO_BLOCKED, /* append: no room now; nothing was taken, try again after a wake */
    IO_END, /* read: this input has ended for good (bounded reads, tests) */
    IO_FAILED, /* the diag says why; the query stops with it */
} io_status;

/* What a feed does. Inputs are numbered as query.h numbers the source steps of a task. */
typedef struct io_feed_ops {
    /*
     * The next records of an input, at most `max`. They stay valid until `release` of that input, and there is at most
     * one unreleased batch per input. The task decodes ahead: it reads every input that has no rows at hand, and merges
     * what it has, lowest event time first. A feed that wants another order (a test's list of inputs) answers IO_EMPTY
     * for the inputs whose turn it is not, and hands out the next batch only after the release of the last.
     */
    io_status (*read)(io_feed *f, int input, uint32_t max, io_batch *out, diag *d);
    /* All rows of the last batch of this input were processed. */
    void (*release)(io_feed *f, int input);
    /*
     * Asked when this input is empty while another has rows: may the task go on without it (max.task.idle.ms is over,
     * or its log has nothing that was acknowledged before now)?
     */
    bool (*may_pass)(io_feed *f, int input, int64_t now);
    /* Sets the position of a partition before the first read; offset -1: the start that the plan names (earliest or
     * latest). */
    bool (*seek)(io_feed *f, int input, int32_t partition, int64_t offset, diag *d);
    /* Partitions of an input that this feed reads, with the identity of their topic and the bounds of their logs. */
    int (*partitions)(io_feed *f, int input, const io_partition **out);
} io_feed_ops;

struct io_feed {
    const io_feed_ops *ops;
};

/* A topic's 16-byte id: stored offsets of another topic of the same name are refused. */
typedef struct io_topic_id {
    uint8_t bytes[16];
} io_topic_id;

/* One partition of an input, as a feed shows it. */
struct io_partition {
    int32_t partition;
    io_topic_id topic_id;
    int64_t start_offset; /* first that can be read */
    int64_t end_offset;
    int64_t position; /* the next that the feed will read */
};

/* A record to be written. */
typedef struct io_out {
    str key;
    str value;
    bool key_null;
    bool value_null;
    int32_t partition; /* -1: any (no key); the sink spreads them */
    int64_t timestamp;
    const headers *headers; /* NULL: none */
} io_out;

/* Who decides a commit (design: 5 and 7). */
typedef enum io_decider {
    IO_DECIDES_STORE, /* outputs are synced, the store's transaction decides, then the sink is told to resolve */
    IO_DECIDES_LOG, /* the sink's transaction (outputs, changelog, offsets) decides, then the store applies it */
} io_decider;

/* Position of an input in a commit: the next offset to read. */
typedef struct io_input_position {
    int input; /* the plan step's id */
    int32_t partition;
    io_topic_id topic_id;
    int64_t offset;
} io_input_position;

/* What one generation wrote to one output partition. */
typedef struct io_output_position {
    str topic;
    int32_t partition;
    io_topic_id topic_id;
    int64_t producer_id;
    int16_t epoch;
    int64_t first_offset;
    int64_t end_offset;
} io_output_position;

/* One changed row of a store, as a changelog carries it: opaque bytes, made and read by state/. */
typedef struct io_change {
    str store;
    int32_t partition;
    str key;
    str row;
    bool deleted;
} io_change;

/* A walk over the changes of a generation: false at the end. */
typedef struct io_changes {
    bool (*next)(struct io_changes *self, io_change *out);
} io_changes;

typedef struct io_sink io_sink;

/* What a query's sink does. Outputs are numbered as query.h numbers the plan's sinks. */
typedef struct io_sink_ops {
    /*
     * Appends records to an output as part of the current generation. IO_OK: all were taken (their bytes were copied).
     * IO_BLOCKED: none was taken.
     */
    io_status (*append)(io_sink *s, int output, const io_out *records, uint32_t count, diag *d);

    /*
     * The boundary: every append so far belongs to `generation`, later ones to generation + 1. Called by the engine
     * while no task of the query runs; must not block. At most one generation is frozen and undecided.
     */
    void (*freeze)(io_sink *s, int64_t generation);

    /*
     * IO_DECIDES_STORE, first half: makes the frozen outputs (and the consumed inputs) durable and says where they lie.
     * The slices of `out` stay valid until decided or dropped. Blocks.
     */
    bool (*prepare)(io_sink *s, int64_t generation, const io_output_position **out, int *count, diag *d);

    /*
     * IO_DECIDES_LOG: commits outputs, changes and offsets in one transaction, which is the decision. *decided tells
     * whether it happened even when the call fails later; after a failure that leaves it open, the query restarts and
     * asks `recover`. Blocks.
     */
    bool (*commit)(io_sink *s, int64_t generation, const io_input_position *inputs, int input_count,
                   io_changes *changes, bool *decided, diag *d);

    /* The generation is decided: its markers are appended before this returns (`store`), or are there already (`log`).
     * Blocks. */
    bool (*decided)(io_sink *s, int64_t generation, diag *d);

    /* The generation, or everything undecided when `generation` is -1, will never be decided: its outputs are aborted.
     */
    void (*dropped)(io_sink *s, int64_t generation);

    /*
     * At start, before the first append. `stored`: the last generation that the database holds (0: none) and its
     * outputs. `store`: completes the markers of it and aborts what else is open. `log`: sets *generation to the last
     * decided one and *inputs to its offsets, and replays the changes behind `stored` into apply(ctx, ...). Blocks.
     */
    bool (*recover)(io_sink *s, int64_t stored, const io_output_position *outputs, int output_count,
                    int64_t *generation, const io_input_position **inputs, int *input_count,
                    bool (*apply)(void *ctx, const io_change *c, diag *d), void *ctx, diag *d);
} io_sink_ops;

struct io_sink {
    const io_sink_ops *ops;
    io_decider decider;
};

/* Kinds of processing-log events (reference 6.13); the numbers are those of the JSON event. */
typedef enum proclog_kind {
    PROCLOG_DESERIALIZATION = 0,
    PROCLOG_RECORD = 1,
    PROCLOG_PRODUCTION = 2,
    PROCLOG_SERIALIZATION = 3,
    PROCLOG_THREAD = 4,
} proclog_kind;

/* One event. Slices are valid during the call. */
typedef struct proclog_event {
    proclog_kind kind;
    str query; /* query id */
    str context; /* step path, as in `processing.<query>.<context>` */
    str message;
    str cause; /* may be empty */
    const char *target; /* "key" or "value" of a (de)serialization; else NULL */
    str topic; /* source topic, empty when unknown */
    int32_t partition;
    int64_t offset;
    str record; /* raw bytes of the failing side; empty when unknown or not to be shown */
} proclog_event;

typedef struct io_proclog io_proclog;

/* Where the processing log goes. Must not block; may drop and count. */
struct io_proclog {
    void (*event)(io_proclog *self, const proclog_event *e);
};

typedef struct io_subscriber io_subscriber;

/* Who takes the rows of a push query. push is called by the query's task: it copies what it keeps. */
struct io_subscriber {
    /* Takes all selected rows (IO_OK) or none (IO_BLOCKED: the queue is full, the task is woken when there is room). */
    io_status (*push)(io_subscriber *self, const chunk *rows);
    /* The query has ended: a NULL reason means LIMIT or end of a bounded input. Called once. */
    void (*end)(io_subscriber *self, const diag *reason);
};

#endif
