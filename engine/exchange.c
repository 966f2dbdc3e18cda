#include "engine/exchange.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"

enum { SPARE_ARENAS = 8 };

typedef struct message {
    struct message *next;
    exchange_rows rows;
} message;

typedef struct queue {
    pthread_mutex_t lock;
    message *first, **last;
    uint64_t rows;
    arena *spare[SPARE_ARENAS]; /* of chunks that this queue's receiver has done with */
    int spare_count;
} queue;

struct exchange {
    int partitions;
    uint32_t rows_max;
    atomic_int full; /* queues at or beyond their bound */
    void (*wake)(void *ctx, int partition);
    void *ctx;
    queue queues[];
};

exchange *exchange_new(int partitions, uint32_t rows_max, void (*wake)(void *ctx, int partition), void *ctx)
{
    exchange *x = calloc(1, sizeof *x + (size_t)partitions * sizeof(queue));
    check(x != NULL && partitions > 0 && rows_max > 0);
    x->partitions = partitions;
    x->rows_max = rows_max;
    x->wake = wake;
    x->ctx = ctx;
    for (int i = 0; i < partitions; i++) {
        check(pthread_mutex_init(&x->queues[i].lock, NULL) == 0);
        x->queues[i].last = &x->queues[i].first;
    }
    return x;
}

void exchange_free(exchange *x)
{
    if (!x) return;
    for (int i = 0; i < x->partitions; i++) {
        queue *q = &x->queues[i];
        while (q->first) {
            message *m = q->first;
            q->first = m->next;
            arena_free(m->rows.mem); /* m lives in it */
        }
        for (int k = 0; k < q->spare_count; k++) arena_free(q->spare[k]);
        pthread_mutex_destroy(&q->lock);
    }
    free(x);
}

int exchange_partitions(const exchange *x)
{
    return x->partitions;
}

void exchange_put(exchange *x, int partition, const chunk *c)
{
    if (c->count == 0) return;
    queue *q = &x->queues[partition];
    pthread_mutex_lock(&q->lock);
    arena *mem = q->spare_count > 0 ? q->spare[--q->spare_count] : NULL;
    pthread_mutex_unlock(&q->lock);
    if (!mem) mem = arena_new();
    message *m = ARENA_NEW(mem, message);
    m->rows = (exchange_rows){chunk_copy(mem, c), mem};

    pthread_mutex_lock(&q->lock);
    bool was_empty = q->first == NULL;
    *q->last = m;
    q->last = &m->next;
    uint64_t before = q->rows;
    q->rows += c->count;
    if (before < x->rows_max && q->rows >= x->rows_max) atomic_fetch_add(&x->full, 1);
    pthread_mutex_unlock(&q->lock);
    if (was_empty && x->wake) x->wake(x->ctx, partition);
}

bool exchange_take(exchange *x, int partition, exchange_rows *out)
{
    queue *q = &x->queues[partition];
    bool shrunk = false;
    pthread_mutex_lock(&q->lock);
    message *m = q->first;
    if (m) {
        q->first = m->next;
        if (!q->first) q->last = &q->first;
        uint64_t before = q->rows;
        q->rows -= m->rows.rows->count;
        *out = m->rows;
        shrunk = before >= x->rows_max && q->rows < x->rows_max;
        if (shrunk) atomic_fetch_sub(&x->full, 1);
    }
    pthread_mutex_unlock(&q->lock);
    if (shrunk && x->wake) x->wake(x->ctx, -1);
    return m != NULL;
}

void exchange_done(exchange *x, int partition, exchange_rows *r)
{
    arena *mem = r->mem;
    *r = (exchange_rows){0};
    arena_reset(mem);
    queue *q = &x->queues[partition];
    pthread_mutex_lock(&q->lock);
    if (q->spare_count < SPARE_ARENAS) {
        q->spare[q->spare_count++] = mem;
        mem = NULL;
    }
    pthread_mutex_unlock(&q->lock);
    if (mem) arena_free(mem);
}

bool exchange_full(exchange *x)
{
    return atomic_load_explicit(&x->full, memory_order_relaxed) > 0;
}

bool exchange_empty(exchange *x, int partition)
{
    queue *q = &x->queues[partition];
    pthread_mutex_lock(&q->lock);
    bool empty = q->first == NULL;
    pthread_mutex_unlock(&q->lock);
    return empty;
}
