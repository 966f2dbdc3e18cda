#include "broker/meter.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

/* A wait that fits into the protocol's field; whoever is that far over the bound has asked for no less. */
static int64_t wait_ms(double ms)
{
    if (!(ms > 0)) return 0;
    return ms >= INT32_MAX ? INT32_MAX : llround(ms);
}

/* ---- rate ------------------------------------------------------------------------------------------------------- */

void meter_rate_free(meter_rate *r)
{
    free(r->samples);
    *r = (meter_rate){0};
}

static void begin_sample(meter_sample *s, int64_t now_ms)
{
    *s = (meter_sample){now_ms, now_ms, 0};
}

/* The sample that takes what is added now. */
static meter_sample *current(meter_rate *r, const meter_window *w, int64_t now_ms)
{
    bool none = r->len == 0;
    if (!none && now_ms - r->samples[r->current].start_ms < w->ms) return &r->samples[r->current];
    /* One more than the windows that count: the oldest reaches into the time that is looked at. */
    size_t next = none || (int64_t)r->current >= w->samples ? 0 : r->current + 1;
    if (next >= r->len) {
        if (r->len == r->cap) {
            r->cap = r->cap ? r->cap * 2 : 4;
            r->samples = realloc(r->samples, r->cap * sizeof r->samples[0]);
            check(r->samples);
        }
        r->len = next + 1;
    }
    r->current = next;
    begin_sample(&r->samples[next], now_ms);
    return &r->samples[next];
}

void meter_rate_add(meter_rate *r, const meter_window *w, double amount, int64_t now_ms)
{
    meter_sample *s = current(r, w, now_ms);
    s->sum += amount;
    s->last_ms = now_ms;
}

static bool is_outdated(const meter_sample *s, const meter_window *w, int64_t now_ms)
{
    return now_ms - s->last_ms >= w->samples * w->ms;
}

int64_t meter_rate_excess_ms(meter_rate *r, const meter_window *w, double bound, int64_t now_ms)
{
    double sum = 0;
    int64_t oldest = now_ms;
    for (size_t i = 0; i < r->len; i++) {
        meter_sample *s = &r->samples[i];
        if (is_outdated(s, w, now_ms)) begin_sample(s, now_ms);
        sum += s->sum;
        if (s->start_ms < oldest) oldest = s->start_ms;
    }
    /* Time before the first sample counts as if nothing had been used in it, so that a beginning is no violation. */
    int64_t elapsed = now_ms - oldest;
    int64_t missing = w->samples - 1 - elapsed / w->ms;
    if (missing > 0) elapsed += missing * w->ms;
    if (elapsed < 1) elapsed = 1;
    double rate = sum / ((double)elapsed / 1000);
    /* What brings rate * elapsed / (elapsed + wait) down to the bound. */
    return rate > bound ? wait_ms((rate - bound) / bound * (double)elapsed) : 0;
}

bool meter_rate_is_idle(const meter_rate *r, const meter_window *w, int64_t now_ms)
{
    for (size_t i = 0; i < r->len; i++)
        if (!is_outdated(&r->samples[i], w, now_ms)) return false;
    return true;
}

/* ---- bucket ----------------------------------------------------------------------------------------------------- */

static double most_tokens(const meter_window *w, double bound)
{
    return (double)(w->samples * w->ms) / 1000 * bound;
}

static void refill(meter_bucket *k, const meter_window *w, double bound, int64_t now_ms)
{
    double most = most_tokens(w, bound);
    double more = (double)(now_ms - k->filled_ms) / 1000 * bound;
    k->tokens = !k->begun || k->tokens + more > most ? most : k->tokens + more;
    k->begun = true;
    k->filled_ms = now_ms;
}

void meter_bucket_take(meter_bucket *k, const meter_window *w, double bound, double tokens, int64_t now_ms)
{
    refill(k, w, bound, now_ms);
    k->tokens -= tokens;
}

int64_t meter_bucket_excess_ms(meter_bucket *k, const meter_window *w, double bound, int64_t now_ms)
{
    refill(k, w, bound, now_ms);
    return k->tokens < 0 ? wait_ms(-k->tokens / bound * 1000) : 0;
}

bool meter_bucket_is_full(meter_bucket *k, const meter_window *w, double bound, int64_t now_ms)
{
    refill(k, w, bound, now_ms);
    return k->tokens >= most_tokens(w, bound);
}
