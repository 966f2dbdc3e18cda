/*
 * server/pool.h - threads that run jobs which block: syncs, cold reads, statements.
 *
 * Jobs are letters (server/mailbox.h): run is called on one of the pool's threads, in the order of posting when the
 * pool has one thread. Whoever posts a job keeps it alive until it ran; an answer travels back by loop_post. Any
 * thread may post.
 */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include "base/diag.h"
#include "server/mailbox.h"

typedef struct pool pool;

/* Starts `threads` threads named name (13 characters at most). NULL and an error when they cannot be started. */
pool *pool_new(const char *name, int threads, diag *d);

/* Has m->run(m) called on a thread of the pool. */
void pool_post(pool *p, mail *m);

/* Runs what was posted, ends the threads, frees the pool. NULL is allowed. */
void pool_free(pool *p);

#endif
