/*
 * broker/delay.h - deadlines of the loop thread: parked requests, sessions, rebalances, transactions.
 *
 * A binary heap of timers that are embedded in what waits. Loop thread only; the queue owns no timer. Time is monotonic
 * milliseconds as the server tells them.
 */
#ifndef BROKER_DELAY_H
#define BROKER_DELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Public layout: embedded. Zeroed it is a timer that is not set; fire must be set before delay_set. */
typedef struct delay_timer {
    int64_t at_ms;
    size_t slot; /* 1 + index in the heap, 0: not set */
    void (*fire)(struct delay_timer *t);
} delay_timer;

/* Public layout: embedded; {0} is empty. */
typedef struct delay_queue {
    delay_timer **heap;
    size_t len, cap;
} delay_queue;

/* Frees the heap; timers that are still set are forgotten. */
void delay_free(delay_queue *q);

/* Sets or moves a timer. */
void delay_set(delay_queue *q, delay_timer *t, int64_t at_ms);
/* Takes a timer out; nothing happens when it is not set. */
void delay_cancel(delay_queue *q, delay_timer *t);

/* true while the timer waits. */
static inline bool delay_is_set(const delay_timer *t)
{
    return t->slot != 0;
}

/* The earliest deadline, INT64_MAX when there is none. */
int64_t delay_next(const delay_queue *q);

/* Fires, earliest first, all timers due at now_ms. A timer is unset before it fires and may be set again inside. */
void delay_run(delay_queue *q, int64_t now_ms);

#endif
