#include "server/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "server/loop.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    mail *first, **last;
    bool stopping;
    int threads_len;
    pthread_t threads[];
};

static void *run(void *arg)
{
    pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->stopping) pthread_cond_wait(&p->work, &p->lock);
        mail *m = p->first;
        if (!m) break;
        p->first = m->next;
        if (!p->first) p->last = &p->first;
        pthread_mutex_unlock(&p->lock);
        m->run(m);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

pool *pool_new(const char *name, int threads, diag *d)
{
    check(threads > 0);
    pool *p = calloc(1, sizeof *p + (size_t)threads * sizeof *p->threads);
    check(p);
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    while (p->threads_len < threads) {
        if (!thread_start(&p->threads[p->threads_len], name, run, p, d)) {
            pool_free(p);
            return NULL;
        }
        p->threads_len++;
    }
    return p;
}

void pool_post(pool *p, mail *m)
{
    pthread_mutex_lock(&p->lock);
    check(!p->stopping);
    m->next = NULL;
    *p->last = m;
    p->last = &m->next;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void pool_free(pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->threads_len; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
