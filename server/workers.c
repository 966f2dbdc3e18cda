#include "server/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "server/loop.h"

enum {
    SPIN_NS = 30 * 1000, /* about what waking a sleeping thread would cost */
};

/* IDLE -> QUEUED -> RUNNING -> IDLE or QUEUED; a wake during a run makes it AGAIN; RETIRED takes no wakes. */
enum { STATE_IDLE, STATE_QUEUED, STATE_RUNNING, STATE_AGAIN, STATE_RETIRED };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;    /* there is work, or the end */
    pthread_cond_t changed; /* some work stopped running: for workers_retire */
    work *first, *last;
    atomic_int queued; /* what a spinning thread looks at */
    int sleeping;
    int spinning; /* 0 or 1: one on the look-out is enough, and it needs no signal */
    int retiring; /* threads that wait in workers_retire */
    bool ending;
    pthread_t *threads;
    int count;
};

/* `awake`: how many threads will look into the queue without being signalled. */
static void push(workers *ws, work *w, int awake)
{
    w->next = NULL;
    if (ws->last) ws->last->next = w;
    else ws->first = w;
    ws->last = w;
    int queued = atomic_fetch_add(&ws->queued, 1) + 1;
    if (ws->sleeping > 0 && queued > awake) pthread_cond_signal(&ws->more);
}

static work *pop(workers *ws)
{
    work *w = ws->first;
    if (!w) return NULL;
    ws->first = w->next;
    if (!ws->first) ws->last = NULL;
    atomic_fetch_sub(&ws->queued, 1);
    return w;
}

/* States change under the lock only; without it one may see that nothing needs to be done. */
void workers_wake(workers *ws, work *w)
{
    int state = atomic_load(&w->state);
    if (state == STATE_QUEUED || state == STATE_AGAIN || state == STATE_RETIRED) return;
    pthread_mutex_lock(&ws->lock);
    state = atomic_load(&w->state);
    if (state == STATE_RUNNING) atomic_store(&w->state, STATE_AGAIN);
    if (state == STATE_IDLE) {
        atomic_store(&w->state, STATE_QUEUED);
        push(ws, w, ws->spinning);
    }
    pthread_mutex_unlock(&ws->lock);
}

/* Looks for work without sleeping. */
static bool spin(workers *ws)
{
    int64_t until = clock_mono_ns() + SPIN_NS;
    do {
        if (atomic_load_explicit(&ws->queued, memory_order_relaxed) > 0) return true;
        for (int i = 0; i < 64; i++) __builtin_ia32_pause();
    } while (clock_mono_ns() < until);
    return false;
}

/* The next work with the lock held; NULL at the end. */
static work *next_work(workers *ws)
{
    bool spun = false;
    for (;;) {
        work *w = pop(ws);
        if (w || ws->ending) return w;
        if (!spun && ws->spinning == 0) {
            ws->spinning++;
            pthread_mutex_unlock(&ws->lock);
            spun = !spin(ws);
            pthread_mutex_lock(&ws->lock);
            ws->spinning--;
            continue;
        }
        ws->sleeping++;
        pthread_cond_wait(&ws->more, &ws->lock);
        ws->sleeping--;
        spun = false;
    }
}

/* Ends a run: back into the queue when there is more to do or a wake came meanwhile. */
static void finish(workers *ws, work *w, bool more)
{
    bool again = more || atomic_load(&w->state) == STATE_AGAIN;
    atomic_store(&w->state, again ? STATE_QUEUED : STATE_IDLE);
    /* This thread looks into the queue next. */
    if (again) push(ws, w, ws->spinning + 1);
    if (ws->retiring > 0) pthread_cond_broadcast(&ws->changed);
}

static void *worker_main(void *arg)
{
    workers *ws = arg;
    pthread_mutex_lock(&ws->lock);
    for (work *w; (w = next_work(ws)) != NULL;) {
        atomic_store(&w->state, STATE_RUNNING);
        pthread_mutex_unlock(&ws->lock);
        bool more = w->run(w, clock_wall_ms());
        pthread_mutex_lock(&ws->lock);
        finish(ws, w, more);
    }
    pthread_mutex_unlock(&ws->lock);
    return NULL;
}

workers *workers_new(int threads, diag *d)
{
    workers *ws = calloc(1, sizeof *ws);
    check(ws != NULL);
    pthread_mutex_init(&ws->lock, NULL);
    pthread_cond_init(&ws->more, NULL);
    pthread_cond_init(&ws->changed, NULL);
    ws->threads = calloc((size_t)threads, sizeof *ws->threads);
    check(ws->threads != NULL);
    while (ws->count < threads) {
        if (!thread_start(&ws->threads[ws->count], "weir-worker", worker_main, ws, d)) {
            workers_free(ws);
            return NULL;
        }
        ws->count++;
    }
    return ws;
}

/* Takes the work out of the queue, if it is there. */
static void unqueue(workers *ws, work *w)
{
    work *before = NULL;
    for (work *at = ws->first; at; before = at, at = at->next) {
        if (at != w) continue;
        if (before) before->next = at->next;
        else ws->first = at->next;
        if (ws->last == at) ws->last = before;
        atomic_fetch_sub(&ws->queued, 1);
        return;
    }
}

void workers_retire(workers *ws, work *w)
{
    pthread_mutex_lock(&ws->lock);
    ws->retiring++;
    int state;
    while ((state = atomic_load(&w->state)) == STATE_RUNNING || state == STATE_AGAIN) {
        pthread_cond_wait(&ws->changed, &ws->lock);
    }
    ws->retiring--;
    if (state == STATE_QUEUED) unqueue(ws, w);
    atomic_store(&w->state, STATE_RETIRED);
    pthread_mutex_unlock(&ws->lock);
}

void workers_revive(work *w)
{
    int state = STATE_RETIRED;
    atomic_compare_exchange_strong(&w->state, &state, STATE_IDLE);
}

void workers_free(workers *ws)
{
    if (!ws) return;
    pthread_mutex_lock(&ws->lock);
    check(ws->first == NULL);
    ws->ending = true;
    pthread_cond_broadcast(&ws->more);
    pthread_mutex_unlock(&ws->lock);
    for (int i = 0; i < ws->count; i++) pthread_join(ws->threads[i], NULL);
    pthread_cond_destroy(&ws->more);
    pthread_cond_destroy(&ws->changed);
    pthread_mutex_destroy(&ws->lock);
    free(ws->threads);
    free(ws);
}
