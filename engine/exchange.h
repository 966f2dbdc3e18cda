/*
 * engine/exchange.h - rows on their way to the partition of their new key, inside one process.
 *
 * One exchange connects all tasks of a stage with all tasks of the next. Every target partition has a queue of chunks,
 * each in an arena of its own; rows of one sender keep their order. A queue never refuses: a sender that finds it
 * beyond its bound takes no more input until it has shrunk. Any thread; a queue's lock is taken once per chunk.
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

/* `wake` (may be NULL) hears of a partition whose queue was empty, and, with -1, of a queue that is no longer full. */
exchange *exchange_new(int partitions, uint32_t rows_max, void (*wake)(void *ctx, int partition), void *ctx);
void exchange_free(exchange *x);

/* How many queues it has. */
int exchange_partitions(const exchange *x);

/* Copies the selected rows of a chunk into a partition's queue. */
void exchange_put(exchange *x, int partition, const chunk *c);

/* Takes the oldest chunk of a partition; false: its queue is empty. */
bool exchange_take(exchange *x, int partition, exchange_rows *out);
/* Gives the memory of a taken chunk back. */
void exchange_done(exchange *x, int partition, exchange_rows *r);

/* A queue holds as many rows as it should. */
bool exchange_full(exchange *x);
bool exchange_empty(exchange *x, int partition);

#endif
