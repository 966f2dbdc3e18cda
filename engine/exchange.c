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

/* Chunks of one sender, oldest first. */
typedef struct lane {
    message *first, **last;
} lane;

typedef struct queue {
    pthread_mutex_t lock;
    lane *lanes; /* one for each sender */
    uint64_t rows;
    atomic_int chunks;
    arena *spare[SPARE_ARENAS]; /* of chunks that this queue's receiver has done with */
    int spare_count;
} queue;

struct exchange {
    int senders, partitions;
    uint32_t rows_max;
    atomic_int full; /* queues at or beyond their bound */
    void (*wake)(void *ctx, int partition);
    void *ctx;
    queue queues[];
};

exchange *exchange_new(int senders, int partitions, uint32_t rows_max, void (*wake)(void *ctx, int partition),
                       void *ctx)
{
    check(senders > 0 && partitions > 0 && rows_max > 0);
    exchange *x = calloc(1, sizeof *x + (size_t)partitions * sizeof(queue));
    check(x != NULL);
    x->senders = senders;
    x->partitions = partitions;
    x->rows_max = rows_max;
    x->wake = wake;
    x->ctx = ctx;
    for (int i = 0; i < partitions; i++) {
        check(pthread_mutex_init(&x->queues[i].lock, NULL) == 0);
        lane *lanes = malloc((size_t)senders * sizeof *lanes);
        check(lanes != NULL);
        for (int k = 0; k < senders; k++) lanes[k] = (lane){.last = &lanes[k].first};
        x->queues[i].lanes = lanes;
    }
    return x;
}

void exchange_free(exchange *x)
{
    if (!x) return;
    for (int i = 0; i < x->partitions; i++) {
        queue *q = &x->queues[i];
        for (int k = 0; k < x->senders; k++) {
            for (message *next, *m = q->lanes[k].first; m; m = next) {
                next = m->next;
                arena_free(m->rows.mem); /* m lives in it */
            }
        }
        free(q->lanes);
        for (int k = 0; k < q->spare_count; k++) arena_free(q->spare[k]);
        pthread_mutex_destroy(&q->lock);
    }
    free(x);
}

int exchange_partitions(const exchange *x)
{
    return x->partitions;
}

int exchange_senders(const exchange *x)
{
    return x->senders;
}

void exchange_put(exchange *x, int sender, int partition, const chunk *c)
{
    if (c->count == 0) return;
    queue *q = &x->queues[partition];
    pthread_mutex_lock(&q->lock);
    arena *mem = q->spare_count > 0 ? q->spare[--q->spare_count] : NULL;
    pthread_mutex_unlock(&q->lock);
    if (!mem) mem = arena_new();
    message *m = ARENA_NEW(mem, message);
    m->rows = (exchange_rows){chunk_copy(mem, c), mem};

    lane *l = &q->lanes[sender];
    pthread_mutex_lock(&q->lock);
    bool was_empty = l->first == NULL;
    *l->last = m;
    l->last = &m->next;
    atomic_fetch_add(&q->chunks, 1);
    uint64_t before = q->rows;
    q->rows += c->count;
    if (before < x->rows_max && q->rows >= x->rows_max) atomic_fetch_add(&x->full, 1);
    pthread_mutex_unlock(&q->lock);
    if (was_empty && x->wake) x->wake(x->ctx, partition);
}

int exchange_take(exchange *x, int partition, exchange_rows *heads)
{
    queue *q = &x->queues[partition];
    if (exchange_empty(x, partition)) return 0;
    int taken = 0;
    pthread_mutex_lock(&q->lock);
    uint64_t before = q->rows;
    for (int i = 0; i < x->senders; i++) {
        lane *l = &q->lanes[i];
        message *m = l->first;
        if (!m || heads[i].rows) continue;
        l->first = m->next;
        if (!l->first) l->last = &l->first;
        q->rows -= m->rows.rows->count;
        heads[i] = m->rows;
        taken++;
    }
    atomic_fetch_sub(&q->chunks, taken);
    bool shrunk = before >= x->rows_max && q->rows < x->rows_max;
    if (shrunk) atomic_fetch_sub(&x->full, 1);
    pthread_mutex_unlock(&q->lock);
    if (shrunk && x->wake) x->wake(x->ctx, -1);
    return taken;
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
    return atomic_load(&x->queues[partition].chunks) == 0;
}
