#include "server/committer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "server/loop.h"

enum {
    BUDGET_PARTS = 4,        /* after a write of t ms there is none for 4 t: a fifth of one core */
    REST_MAX_MS = 500,       /* however long a write took */
    CHANGED_MAX = 150 * 1000, /* rows that are written in about 500 ms (docs/decisions/0003-commit.md) */
    LOOK_MS = 50,            /* how often a query under load is looked at */
};

struct committer {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t idle; /* a write ended: for committer_remove */
    commit_client *clients; /* those that have something to commit */
    int64_t rest_until_ms;  /* monotonic: the budget is used up until then */
    pthread_t thread;
    bool started;
    bool ending;
};

static int64_t mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static void list(committer *k, commit_client *c)
{
    if (c->listed) return;
    c->listed = true;
    c->next = k->clients;
    k->clients = c;
}

static void unlist(committer *k, commit_client *c)
{
    if (!c->listed) return;
    commit_client **at = &k->clients;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    c->listed = false;
}

/* Asks for a boundary; false when there is nothing to commit. */
static bool begin(committer *k, commit_client *c)
{
    atomic_store(&c->dirty, false);
    c->dry = false;
    if (!query_commit_begin(c->q)) {
        unlist(k, c);
        return false;
    }
    atomic_store(&c->draining, true);
    return true;
}

/* Writes a frozen generation with the lock dropped meanwhile. */
static void write_frozen(committer *k, commit_client *c)
{
    c->frozen = false;
    c->writing = true;
    pthread_mutex_unlock(&k->lock);
    diag why = {0};
    int64_t started = clock_mono_ns();
    bool ok = query_commit_write(c->q, &why);
    int64_t spent_ms = (clock_mono_ns() - started) / 1000000;
    if (ok) c->committed(c, clock_wall_ms());
    else c->failed(c, &why);
    pthread_mutex_lock(&k->lock);
    c->writing = false;
    c->broken = !ok;
    int64_t rest = spent_ms * BUDGET_PARTS;
    k->rest_until_ms = mono_ms() + (rest < REST_MAX_MS ? rest : REST_MAX_MS);
    if (!atomic_load(&c->dirty) || c->broken) unlist(k, c);
    else c->since_ms = mono_ms();
    pthread_cond_broadcast(&k->idle);
}

/* When a client's next boundary may be asked for: monotonic ms. */
static int64_t due(const committer *k, const commit_client *c)
{
    int64_t at = c->since_ms + c->interval_ms;
    if (query_changed(c->q) > CHANGED_MAX) at = 0;
    if (c->dry && k->rest_until_ms < at) at = k->rest_until_ms;
    return at;
}

/* The client to write, or else to begin, that has waited longest; *wait_ms says when to look again. */
static commit_client *choose(committer *k, bool *write, int64_t *wait_ms)
{
    commit_client *oldest = NULL;
    int64_t now = mono_ms();
    *wait_ms = INT64_MAX;
    *write = false;
    for (commit_client *c = k->clients; c; c = c->next) {
        if (c->frozen) {
            if (!*write || c->since_ms < oldest->since_ms) oldest = c;
            *write = true;
            continue;
        }
        if (*write || atomic_load(&c->draining) || c->writing || c->broken) continue;
        int64_t at = due(k, c);
        int64_t wait = at - now;
        if (wait > 0) {
            if (wait > LOOK_MS) wait = LOOK_MS;
            if (wait < *wait_ms) *wait_ms = wait;
        } else if (!oldest || c->since_ms < oldest->since_ms) {
            oldest = c;
        }
    }
    return oldest;
}

static void sleep_until(committer *k, int64_t wait_ms)
{
    if (wait_ms == INT64_MAX) {
        pthread_cond_wait(&k->wake, &k->lock);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&k->wake, &k->lock, &until);
}

static void *committer_main(void *arg)
{
    committer *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->ending) {
        bool write;
        int64_t wait_ms;
        commit_client *c = choose(k, &write, &wait_ms);
        if (!c) {
            sleep_until(k, wait_ms);
        } else if (write) {
            write_frozen(k, c);
        } else if (begin(k, c)) {
            c->wake(c);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

committer *committer_new(diag *d)
{
    committer *k = calloc(1, sizeof *k);
    check(k != NULL);
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_cond_init(&k->idle, NULL);
    k->started = thread_start(&k->thread, "weir-commit", committer_main, k, d);
    if (k->started) return k;
    committer_free(k);
    return NULL;
}

void committer_free(committer *k)
{
    if (!k) return;
    if (k->started) {
        pthread_mutex_lock(&k->lock);
        check(k->clients == NULL);
        k->ending = true;
        pthread_cond_signal(&k->wake);
        pthread_mutex_unlock(&k->lock);
        pthread_join(k->thread, NULL);
    }
    pthread_cond_destroy(&k->wake);
    pthread_cond_destroy(&k->idle);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

void committer_add(committer *k, commit_client *c)
{
    check(c->q && c->wake && c->committed && c->failed && !c->listed);
}

void committer_remove(committer *k, commit_client *c)
{
    pthread_mutex_lock(&k->lock);
    c->broken = true;
    while (c->writing) pthread_cond_wait(&k->idle, &k->lock);
    unlist(k, c);
    pthread_mutex_unlock(&k->lock);
}

void committer_note(committer *k, commit_client *c, bool did, bool dry)
{
    bool reached = atomic_load(&c->draining) && query_commit_status(c->q) == COMMIT_FROZEN;
    bool first = did && !atomic_load_explicit(&c->dirty, memory_order_relaxed);
    if (!reached && !first && !dry) return;
    pthread_mutex_lock(&k->lock);
    if (!c->broken) {
        if (first && !atomic_load(&c->dirty)) {
            atomic_store(&c->dirty, true);
            c->since_ms = mono_ms();
            list(k, c);
        }
        if (dry && atomic_load(&c->dirty)) c->dry = true;
        if (reached && atomic_load(&c->draining)) {
            atomic_store(&c->draining, false);
            c->frozen = true;
            list(k, c);
        }
        pthread_cond_signal(&k->wake);
    }
    pthread_mutex_unlock(&k->lock);
    if (reached) c->wake(c);
}
