/*
 * engine/exchange.h - rows on their way to the partition of their new key, inside one process.
 *
 * One exchange connects all tasks of a stage, its senders, with all tasks of the next. Every target partition has a
 * queue with a lane for each sender: chunks in their order, each in an arena of its own. The receiver sees the head of
 * every lane, and so takes rows by event time. A queue never refuses: a sender that finds it beyond its bound takes no
 * more input until it has shrunk. Any thread; a queue's lock is taken once per chunk.
 */
#ifndef ENGINE_EXCHANGE_H
#define ENGINE_EXCHANGE_H

#include "engine/chunk.h"

typedef struct exchange exchange;

/* Rows in one queue: the chunk lives in `mem`, which goes back with exchange_done. */
typedef struct exchange_rows {
    chunk *rows;
    arena *mem;
} exchange_rows;

/*
 * `wake` (may be NULL) hears of a partition of which a lane was empty, and, with -1, of a queue that is no longer full.
 * rows_max bounds the rows of one queue.
 */
exchange *exchange_new(int senders, int partitions, uint32_t rows_max, void (*wake)(void *ctx, int partition),
                       void *ctx);
void exchange_free(exchange *x);

/* How many queues it has. */
int exchange_partitions(const exchange *x);
/* How many lanes a queue has. */
int exchange_senders(const exchange *x);

/* Copies the selected rows of a chunk into the sender's lane of a partition's queue. */
void exchange_put(exchange *x, int sender, int partition, const chunk *c);

/*
 * Takes the oldest chunk of every lane whose place in heads[exchange_senders()] is free (rows is NULL). Returns how
 * many it took.
 */
int exchange_take(exchange *x, int partition, exchange_rows *heads);
/* Gives the memory of a taken chunk back. */
void exchange_done(exchange *x, int partition, exchange_rows *r);

/* A queue holds as many rows as it should. */
bool exchange_full(exchange *x);
bool exchange_empty(exchange *x, int partition);

#endif
