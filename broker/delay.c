#include "broker/delay.h"

#include <stdlib.h>

#include "base/check.h"

void delay_free(delay_queue *q)
{
    free(q->heap);
    *q = (delay_queue){0};
}

static void place(delay_queue *q, size_t i, delay_timer *t)
{
    q->heap[i] = t;
    t->slot = i + 1;
}

static void sift_up(delay_queue *q, size_t i)
{
    delay_timer *t = q->heap[i];
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (q->heap[parent]->at_ms <= t->at_ms) break;
        place(q, i, q->heap[parent]);
        i = parent;
    }
    place(q, i, t);
}

static void sift_down(delay_queue *q, size_t i)
{
    delay_timer *t = q->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= q->len) break;
        if (child + 1 < q->len && q->heap[child + 1]->at_ms < q->heap[child]->at_ms) child++;
        if (q->heap[child]->at_ms >= t->at_ms) break;
        place(q, i, q->heap[child]);
        i = child;
    }
    place(q, i, t);
}

void delay_set(delay_queue *q, delay_timer *t, int64_t at_ms)
{
    check(t->fire);
    delay_cancel(q, t);
    if (q->len == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 64;
        q->heap = realloc(q->heap, q->cap * sizeof(delay_timer *));
        check(q->heap);
    }
    t->at_ms = at_ms;
    q->heap[q->len] = t;
    sift_up(q, q->len++);
}

void delay_cancel(delay_queue *q, delay_timer *t)
{
    if (t->slot == 0) return;
    size_t i = t->slot - 1;
    check(i < q->len && q->heap[i] == t);
    t->slot = 0;
    delay_timer *last = q->heap[--q->len];
    if (last == t) return;
    place(q, i, last);
    sift_up(q, i);
    sift_down(q, last->slot - 1);
}

int64_t delay_next(const delay_queue *q)
{
    return q->len ? q->heap[0]->at_ms : INT64_MAX;
}

void delay_run(delay_queue *q, int64_t now_ms)
{
    while (q->len > 0 && q->heap[0]->at_ms <= now_ms) {
        delay_timer *t = q->heap[0];
        delay_cancel(q, t);
        t->fire(t);
    }
}
