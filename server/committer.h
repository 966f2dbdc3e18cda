/*
 * server/committer.h - the thread that commits queries: it chooses the moment, and writes what is frozen.
 *
 * A query whose input ran dry is committed at once, as far as the budget of the server allows (commits take at most
 * about a fifth of one core's time, the query that has waited longest first). Under load the interval decides, or the
 * number of changed rows. Clients are added and removed by any thread that may block; notes come from workers.
 */
#ifndef SERVER_COMMITTER_H
#define SERVER_COMMITTER_H

#include <stdatomic.h>

#include "base/diag.h"
#include "engine/query.h"

typedef struct committer committer;

/* One query that is committed. Embedded by its owner; the members below the line belong to the committer. */
typedef struct commit_client {
    query *q;
    /* Wakes all tasks of the query: a boundary was asked for, or passed. Any thread. */
    void (*wake)(struct commit_client *c);
    /* A generation was written; committer's thread, without locks. */
    void (*committed)(struct commit_client *c, int64_t now_ms);
    /* A write failed: the query must be built anew. Committer's thread, without locks. */
    void (*failed)(struct commit_client *c, const diag *why);
    int64_t interval_ms; /* commit.interval.ms */

    atomic_bool dirty;    /* something happened since the last boundary */
    atomic_bool draining; /* a boundary was asked for and is not reached yet */
    bool dry;             /* and its input ran dry */
    bool frozen;          /* the boundary is reached: to be written */
    bool writing;
    bool broken;
    int64_t since_ms; /* of the first change since the last boundary */
    struct commit_client *next;
    bool listed;
} commit_client;

/* Starts the thread. */
committer *committer_new(diag *d);
/* Ends it; there are no clients any more. NULL is allowed. */
void committer_free(committer *k);

/* Begins to commit a query. */
void committer_add(committer *k, commit_client *c);
/* Ends it: returns when nothing of the client is being written. */
void committer_remove(committer *k, commit_client *c);

/*
 * A worker's note after a step of one of the query's tasks: `did` something, and whether its input ran dry after
 * that.
 */
void committer_note(committer *k, commit_client *c, bool did, bool dry);

#endif
