#include "server/cleaner.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "server/loop.h"

/* The first look for what is too old comes soon after a start, as in Kafka; idle logs are looked for twice a minute. */
enum { FIRST_RETAIN_MS = 30000, CHECKPOINT_MS = 30000, PAUSE_MIN_MS = 10 };

struct cleaner {
    broker *b;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool stopping;
};

static int64_t setting(broker *b, str name)
{
    arena *a = arena_new();
    str text;
    int64_t v = 0;
    check(broker_config_value(b, name, a, &text) && str_to_i64(text, &v));
    arena_free(a);
    return v < PAUSE_MIN_MS ? PAUSE_MIN_MS : v;
}

static int64_t later(int64_t now_ms, int64_t pause_ms)
{
    return pause_ms > INT64_MAX / 2 ? INT64_MAX / 2 : now_ms + pause_ms;
}

/* Sleeps until a monotonic time; true when the cleaner is to end. */
static bool wait_until(cleaner *c, int64_t at_ms)
{
    struct timespec until = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
    pthread_mutex_lock(&c->lock);
    while (!c->stopping && clock_mono_ns() / 1000000 < at_ms) pthread_cond_timedwait(&c->change, &c->lock, &until);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return stopping;
}

static void *run(void *arg)
{
    cleaner *c = arg;
    int64_t now = clock_mono_ns() / 1000000;
    int64_t interval = setting(c->b, STR("log.retention.check.interval.ms"));
    int64_t retain_at = now + (interval < FIRST_RETAIN_MS ? interval : FIRST_RETAIN_MS);
    int64_t compact_at = later(now, setting(c->b, STR("log.cleaner.backoff.ms")));
    int64_t checkpoint_at = now + CHECKPOINT_MS;
    for (;;) {
        int64_t at = retain_at < compact_at ? retain_at : compact_at;
        if (wait_until(c, at < checkpoint_at ? at : checkpoint_at)) return NULL;
        broker_time t = {clock_wall_ms(), clock_mono_ns() / 1000000};
        if (t.mono_ms >= retain_at) {
            broker_clean(c->b, t);
            retain_at = later(clock_mono_ns() / 1000000, setting(c->b, STR("log.retention.check.interval.ms")));
        }
        if (t.mono_ms >= compact_at) {
            broker_compact(c->b, t);
            compact_at = later(clock_mono_ns() / 1000000, setting(c->b, STR("log.cleaner.backoff.ms")));
        }
        if (t.mono_ms >= checkpoint_at) {
            broker_checkpoint_idle(c->b);
            checkpoint_at = clock_mono_ns() / 1000000 + CHECKPOINT_MS;
        }
    }
}

cleaner *cleaner_start(broker *b, diag *d)
{
    cleaner *c = calloc(1, sizeof *c);
    check(c);
    c->b = b;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->change, &attributes);
    pthread_condattr_destroy(&attributes);
    if (thread_start(&c->thread, "weir-cleaner", run, c, d)) return c;
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->change);
    free(c);
    return NULL;
}

void cleaner_stop(cleaner *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&c->lock);
    broker_clean_cancel(c->b);
    pthread_join(c->thread, NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->change);
    free(c);
}
