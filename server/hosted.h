/*
 * server/hosted.h - a query that runs in the server: its feeds, sink, database, tasks on workers, and commits.
 *
 * hosted_start and hosted_stop are called by threads that may block (the statement thread); everything else is any
 * thread's. A hosted query that fails stays there, with its error, until it is stopped.
 */
#ifndef SERVER_HOSTED_H
#define SERVER_HOSTED_H

#include "base/file.h"
#include "broker/broker.h"
#include "engine/query.h"
#include "server/committer.h"
#include "server/workers.h"

typedef struct hosted hosted;

/* What all hosted queries share. Outlives them. */
typedef struct hosted_env {
    fs *fs;
    str data_dir;
    str group_prefix; /* "_confluent-ksql-<service id>" */
    broker *broker;
    workers *workers;
    committer *committer;
    io_proclog *proclog; /* may be NULL */
    store_budget *budget; /* of all state in memory */
} hosted_env;

/* How to run one. Slices are copied, the plan is not: `plan` must live as long. */
typedef struct hosted_options {
    str id;
    const plan *plan;
    bool persistent; /* outputs and state are committed; otherwise rows go to the subscriber */
    int64_t producer_id; /* persistent: the first of its two internal producer ids */
    io_subscriber *subscriber; /* not persistent */
    bool bounded; /* ends at the present ends of its inputs */
    /* Settings, as struct query_options has them. */
    int64_t cache_bytes;
    int64_t commit_interval_ms;
    bool fail_on_bad_record;
    bool fail_on_bad_timestamp;
    expr_options expr;
    agg_options agg;
    bool paused;
    /* A persistent query failed: any thread, without locks; must not call back but may note it. */
    void (*failed)(void *arg, hosted *h);
    void *arg;
} hosted_options;

/* Starts it; NULL and an error when it cannot. */
hosted *hosted_start(const hosted_env *env, const hosted_options *options, diag *d);

/* Stops it and frees everything; what was not committed is aborted. Not from a worker. NULL is allowed. */
void hosted_stop(hosted *h);

/* Wakes its tasks: a subscriber has room again. */
void hosted_wake(hosted *h);

/*
 * Ceases, or goes on, to read its sources. What was read is finished and committed, so that no transaction stays open
 * and holds up the readers of its topic.
 */
void hosted_pause(hosted *h, bool paused);
bool hosted_paused(const hosted *h);

/* Does what is due now and then (server/upkeep.h); one thread at a time, now_ms is monotonic. */
void hosted_upkeep(hosted *h, int64_t now_ms);

/* The running query, for statistics and pull reads; valid until hosted_stop. */
query *hosted_query(hosted *h);
/* Its database, NULL when it is not persistent. */
store_db *hosted_db(hosted *h);
/* Why it failed: copied to out; false when it did not. */
bool hosted_error(hosted *h, diag *out);

/* Path of a persistent query's database, appended. */
void hosted_db_path(const hosted_env *env, str id, buf *out);
/* Removes the database of a query that was ended for good. */
bool hosted_remove_state(const hosted_env *env, str id, diag *d);

#endif
