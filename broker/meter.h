/*
 * broker/meter.h - how much a client used lately: a rate over windows of time, and a bucket of tokens.
 *
 * Private to broker/. Both are those of Kafka (its metrics Rate over a WindowedSum, KIP-13; TokenBucket, KIP-599), so
 * that a quota means the same here as there. The caller tells the time and serialises; a meter owns its samples.
 */
#ifndef BROKER_METER_H
#define BROKER_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* quota.window.num and quota.window.size.seconds: the last sample is the one in the making. */
typedef struct meter_window {
    int64_t samples;
    int64_t ms; /* of one sample */
} meter_window;

/* What was used in one window. */
typedef struct meter_sample {
    int64_t start_ms, last_ms;
    double sum;
} meter_sample;

/* Public layout: embedded; {0} has seen nothing. */
typedef struct meter_rate {
    meter_sample *samples; /* a ring that grows up to window.samples + 1 */
    size_t len, cap, current;
} meter_rate;

/* Frees the samples. */
void meter_rate_free(meter_rate *r);
/* Adds an amount, which may be negative to take one back. */
void meter_rate_add(meter_rate *r, const meter_window *w, double amount, int64_t now_ms);
/*
 * Milliseconds after which the rate is back at the bound (amount a second) when nothing more is added; 0 when it is not
 * above it.
 */
int64_t meter_rate_excess_ms(meter_rate *r, const meter_window *w, double bound, int64_t now_ms);
/* Nothing of what it has seen counts any more. */
bool meter_rate_is_idle(const meter_rate *r, const meter_window *w, int64_t now_ms);

/* Public layout: embedded; a new one is full at its first use. */
typedef struct meter_bucket {
    double tokens;
    int64_t filled_ms;
    bool begun;
} meter_bucket;

/* Takes tokens out; there may be fewer than none afterwards. `bound` tokens come back in a second. */
void meter_bucket_take(meter_bucket *k, const meter_window *w, double bound, double tokens, int64_t now_ms);
/* Milliseconds until there is no debt, 0 when there is none. */
int64_t meter_bucket_excess_ms(meter_bucket *k, const meter_window *w, double bound, int64_t now_ms);
/* It is as a new one. */
bool meter_bucket_is_full(meter_bucket *k, const meter_window *w, double bound, int64_t now_ms);

#endif
