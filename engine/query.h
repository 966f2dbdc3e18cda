/*
 * engine/query.h - a running query: a plan turned into operators, tasks, stores and commits.
 *
 * A query consists of stages (cut where the plan has an exchange) and of tasks: one for each stage and partition, or a
 * single one in single-task mode. Nothing here has a thread or a clock: workers call task_step, a writer calls
 * query_commit_write, both are told the time. A task is stepped by one worker at a time; different tasks may run at
 * once. query_commit_write may run beside them. All other calls need that no task of the query is being stepped, unless
 * their comment says otherwise.
 */
#ifndef ENGINE_QUERY_H
#define ENGINE_QUERY_H

#include "base/diag.h"
#include "engine/expr_run.h"
#include "engine/func/agg.h"
#include "engine/io.h"
#include "engine/plan.h"
#include "state/store.h"

typedef struct query query;
typedef struct task task;

/* One input of a stage: a source step of the plan, in plan order (left before right). */
typedef struct query_input {
    const plan *step; /* kind PLAN_SOURCE */
    int stage;
    int index; /* the number that the feed of a task of that stage gets */
} query_input;

/* What a query is made of. Everything must outlive the query; hooks may be called from any thread that steps a task. */
typedef struct query_options {
    str id;
    bool single_task; /* one task over all stages and partitions; exchanges finish each row before the next */
    int64_t cache_bytes; /* cache.max.bytes.buffering: 0 emits every change, else one per key and commit */
    int64_t commit_interval_ms; /* commit.interval.ms: how long changes may wait where nothing commits (no db) */
    bool fail_on_bad_record; /* ksql.fail.on.deserialization.error */
    bool fail_on_bad_timestamp; /* ksql.timestamp.throw.on.invalid */
    uint32_t exchange_rows; /* rows that an exchange holds before it is full; 0: 16,384 */
    expr_options expr; /* settings of expressions and aggregates */
    agg_options agg;
    const tz *zone; /* the server's zone; NULL: UTC */
    uint64_t seed; /* of RANDOM() and UUID() */
    io_sink *sink; /* NULL for a push query */
    io_subscriber *subscriber; /* push query, else NULL */
    io_proclog *proclog; /* may be NULL */
    store_db *db; /* NULL: state in memory only, no commits (push queries) */
    /* Makes the feed of a task: stage and partition of it (-1: all partitions). The query frees nothing of it. */
    io_feed *(*feed)(void *ctx, const query *q, int stage, int32_t partition);
    /* Partitions of a source topic; < 1: unknown topic. */
    int (*topic_partitions)(void *ctx, str topic);
    /* This task has something to do again. May be NULL when the caller steps all tasks in turn. */
    void (*wake)(void *ctx, task *t);
    void *ctx;
} query_options;

/*
 * Builds operators and state and, with a database, recovers: the sink resolves or aborts what the last run left, stores
 * and positions are loaded, feeds are sought. NULL with a diag on failure. The options are copied, the plan is not.
 */
query *query_new(const plan *root, const query_options *options, diag *d);

/* Ends the query. Drops an open generation first (outputs that are not committed are aborted). */
void query_free(query *q);

/* Fails early: would query_new accept this plan? Needs no feeds. */
bool query_check(const plan *root, diag *d);

/* The id of the options, and how many stages the plan was cut into. */
str query_id(const query *q);
int query_stages(const query *q);
/* The inputs of all stages. */
int query_inputs(const query *q, const query_input **out);

/* The tasks, stage by stage, and what each works on. */
int query_task_count(const query *q);
task *query_task(query *q, int index);
int task_stage(const task *t);
int32_t task_partition(const task *t);

typedef enum task_status {
    TASK_MORE, /* there is more to do now */
    TASK_IDLE, /* inputs are empty; step again after a wake */
    TASK_BLOCKED, /* a full exchange, sink or subscriber, or a commit boundary; step again after a wake */
    TASK_DONE, /* the query ended: LIMIT, or every input ended */
    TASK_FAILED, /* query_error says why */
} task_status;

/* Does a bounded amount of work: about one chunk per input. `now`: wall clock in ms, for idle inputs and suppression.
 */
task_status task_step(task *t, int64_t now);

/* Why the query failed; NULL: it did not. Any thread. */
const diag *query_error(const query *q);

/* ---- commits ------------------------------------------------------------------------------------------ */

typedef enum commit_status {
    COMMIT_NONE, /* none in flight */
    COMMIT_DRAINING, /* tasks are reaching the boundary: keep stepping all of them */
    COMMIT_FROZEN, /* the boundary is reached, tasks go on: call query_commit_write */
} commit_status;

/*
 * Asks for a boundary. False: one is in flight, or nothing has happened since the last. The start of a query without
 * stored positions counts: its first commit fixes where it began. Any thread.
 */
bool query_commit_begin(query *q);
/* Any thread. */
commit_status query_commit_status(const query *q);
/*
 * Saves the frozen generation and decides it; blocks. After false the query is failed and what was not decided is
 * dropped; a new query over the same database goes on from the last decided generation. One writer thread at a time.
 */
bool query_commit_write(query *q, diag *d);
/* The last decided generation. Any thread. */
int64_t query_generation(const query *q);
/* Where reading of an input goes on, as of the last decided generation. */
typedef struct query_position {
    str topic;
    int32_t partition;
    int64_t offset;
} query_position;

/* The committed positions of all inputs: how many there are; at most `most` are written. Any thread. */
int query_committed(const query *q, query_position *out, int most);

/* Rows in all stores changed since the last boundary: what a commit would write. Any thread, approximate. */
uint64_t query_changed(const query *q);

/* ---- statistics ------------------------------------------------------------------------------------------ */

/* Counters of one step, summed over tasks. */
typedef struct query_step_stats {
    const plan *step;
    uint64_t rows_in;
    uint64_t rows_out;
    uint64_t bytes; /* read by a source, written by a sink */
    uint64_t errors; /* rows that failed or were skipped because of an error */
    uint64_t late; /* rows dropped because their window had closed */
    uint64_t state_rows;
    uint64_t state_bytes;
    int64_t lag; /* source: records not yet read; -1: unknown */
} query_step_stats;

/* Any thread; numbers of running tasks are approximate. Returns the number of steps; at most `most` are written. */
int query_stats(const query *q, query_step_stats *out, int most);

/* ---- pull reads ------------------------------------------------------------------------------------------ */

typedef struct pull pull;

typedef enum pull_kind {
    PULL_KEYS, /* the given keys */
    PULL_RANGE, /* single key column of a comparable type: from low to high */
    PULL_SCAN, /* everything */
} pull_kind;

/* What to read. A windowed table is also limited to window starts and ends in the given ranges (inclusive). */
typedef struct pull_request {
    pull_kind kind;
    const value *keys; /* PULL_KEYS: key_count rows of as many values as the table has key columns */
    int key_count;
    const value *low, *high; /* PULL_RANGE: NULL: open */
    bool low_open, high_open; /* exclusive bounds */
    int64_t start_min, start_max;
    int64_t end_min, end_max;
} pull_request;

/* A request for everything: PULL_SCAN and all windows. */
pull_request pull_everything(void);

/*
 * A reader of the table that the query keeps: the last stateful step's store seen through the steps behind it. It
 * belongs to one thread and lives in the arena. NULL with a diag when the query has no such table.
 */
pull *pull_open(query *q, arena *a, diag *d);

/* Schema of the rows that pull_read gives: that of the sink step. */
const schema *pull_schema(const pull *p);

/*
 * Reads; calls row chunks into emit(ctx, chunk) until it returns false. Rows of one key come in order of window start.
 * Any thread, beside running tasks: a keyed read locks a store for its lookups; a range or a scan locks it while it
 * copies the rows that match, so that the task waits for that long.
 */
bool pull_read(pull *p, const pull_request *r, bool (*emit)(void *ctx, const chunk *rows), void *ctx, diag *d);

#endif
