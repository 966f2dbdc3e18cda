/*
 * server/workers.h - the threads that run tasks: each piece of work is run by one of them at a time, until it has
 * nothing to do.
 *
 * A `work` is embedded by its owner. workers_wake may be called from any thread, as often as one likes: work that is
 * queued or running is not queued twice, and a wake during a run leads to another run. Threads spin for some tens of
 * microseconds before they sleep, since waking a sleeping processor costs as much.
 */
#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

typedef struct workers workers;
typedef struct work work;

/* One piece of work. Embed it, set run, and touch nothing else. */
struct work {
    work *next;
    atomic_int state;
    /*
     * Does a bounded part of it; true: there is more to do now, false: not before the next wake. `now_ms` is wall
     * time.
     */
    bool (*run)(work *w, int64_t now_ms);
};

/* Starts `threads` threads. NULL and an error when they cannot be started. */
workers *workers_new(int threads, diag *d);

/* Has the work run soon. Any thread, also from inside a run. */
void workers_wake(workers *ws, work *w);

/*
 * Returns when the work is not queued, not running, and will not run again, whoever wakes it. Not from inside a run.
 * The work may be given back to use by workers_revive.
 */
void workers_retire(workers *ws, work *w);

/* Undoes a retirement. */
void workers_revive(work *w);

/* Ends the threads; all work is retired. NULL is allowed. */
void workers_free(workers *ws);

#endif
