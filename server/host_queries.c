/* The persistent queries that run: started, stopped, held for a read, and started again after a failure. */
#include <sched.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/host_int.h"

enum { MS = 1000000 };

static int64_t mono_ms(void)
{
    return clock_mono_ns() / MS;
}

/* The value of a "name=value" line of a query's recorded properties, else of a new session. */
static int64_t setting_int(const catalog_query *q, const char *name)
{
    settings defaults = {0};
    str text = settings_get(&defaults, name);
    str lines = q->properties;
    size_t n = strlen(name);
    while (lines.n > 0) {
        ptrdiff_t end = str_find(lines, STR("\n"), 0);
        str line = {lines.p, end < 0 ? lines.n : (size_t)end};
        lines = end < 0 ? (str){0} : (str){lines.p + end + 1, lines.n - (size_t)end - 1};
        if (str_starts(line, STR("ksql.streams."))) line = (str){line.p + 13, line.n - 13};
        if (line.n > n && line.p[n] == '=' && memcmp(line.p, name, n) == 0)
            text = (str){line.p + n + 1, line.n - n - 1};
    }
    int64_t v = 0;
    if (str_ieq(text, STR("true")))
        v = 1;
    else
        str_to_i64(text, &v);
    settings_free(&defaults);
    return v;
}

static void query_failed(void *arg, hosted *failed)
{
    running *r = arg;
    pthread_mutex_lock(&r->host->lock);
    int64_t first = setting_int(r->query, "ksql.query.retry.backoff.initial.ms");
    int64_t most = setting_int(r->query, "ksql.query.retry.backoff.max.ms");
    if (first < 1) first = 15000;
    if (most < first) most = first;
    r->retry_ms = r->retry_ms == 0 ? first : r->retry_ms * 2 < most ? r->retry_ms * 2 : most;
    r->retry_at_ms = mono_ms() + r->retry_ms;
    pthread_mutex_unlock(&r->host->lock);
}

/* Makes the hosted query; the error stays in r->error. */
static void launch(running *r)
{
    host *h = r->host;
    const catalog_query *q = r->query;
    hosted_options o = {.id = q->id,
                        .plan = q->plan,
                        .persistent = true,
                        .producer_id = r->producer_id,
                        .cache_bytes = setting_int(q, "cache.max.bytes.buffering"),
                        .commit_interval_ms = setting_int(q, "commit.interval.ms"),
                        .fail_on_bad_record = setting_int(q, "ksql.fail.on.deserialization.error") != 0,
                        .fail_on_bad_timestamp = setting_int(q, "ksql.timestamp.throw.on.invalid") != 0,
                        .paused = q->paused,
                        .failed = query_failed,
                        .arg = r};
    diag_clear(&r->error);
    r->hosted = hosted_start(&h->env, &o, &r->error);
    if (!r->hosted) query_failed(r, NULL);
}

running *host_start_query(host *h, const catalog_query *q, int64_t producer_id, diag *d)
{
    running *r = calloc(1, sizeof *r);
    check(r != NULL);
    r->host = h;
    r->query = catalog_query_ref(q);
    r->id = r->query->id;
    r->producer_id = producer_id;
    launch(r);
    if (!r->hosted && d) *d = r->error;
    pthread_mutex_lock(&h->lock);
    if (h->running_count == h->running_cap) {
        h->running_cap = h->running_cap ? h->running_cap * 2 : 16;
        h->running = realloc(h->running, (size_t)h->running_cap * sizeof *h->running);
        check(h->running != NULL);
    }
    h->running[h->running_count++] = r;
    pthread_mutex_unlock(&h->lock);
    return r;
}

static int find_running(const host *h, str id)
{
    for (int i = 0; i < h->running_count; i++) {
        if (str_eq(h->running[i]->id, id)) return i;
    }
    return -1;
}

running *host_hold_query(host *h, str id)
{
    pthread_mutex_lock(&h->lock);
    int i = find_running(h, id);
    running *r = i < 0 ? NULL : h->running[i];
    if (r && (atomic_load(&r->stopping) || !r->hosted)) r = NULL;
    if (r) atomic_fetch_add(&r->readers, 1);
    pthread_mutex_unlock(&h->lock);
    return r;
}

void host_release_query(running *r)
{
    atomic_fetch_sub(&r->readers, 1);
}

/* Waits until nobody reads; readers look at `stopping` between two chunks. */
static void wait_for_readers(running *r)
{
    while (atomic_load(&r->readers) > 0) sched_yield();
}

void host_stop_query(host *h, str id, bool forget)
{
    pthread_mutex_lock(&h->lock);
    int at = find_running(h, id);
    running *r = at < 0 ? NULL : h->running[at];
    if (r) {
        atomic_store(&r->stopping, true);
        h->running_count--;
        for (int i = at; i < h->running_count; i++) h->running[i] = h->running[i + 1];
    }
    pthread_mutex_unlock(&h->lock);
    if (!r) return;
    wait_for_readers(r);
    hosted_stop(r->hosted);
    diag d = {0};
    if (forget && !hosted_remove_state(&h->env, r->id, &d))
        log_warn("server", "state of %.*s: %s", STR_ARG(r->id), d.text);
    catalog_query_unref(r->query);
    free(r);
}

/* Travels to the statement thread by the query's id: the query may be gone when it arrives. */
typedef struct retry {
    mail mail;
    host *host;
    str id;
} retry;

/* A failed query is built anew over its database: it goes on from the last decided generation. */
static void retry_letter(mail *m)
{
    retry *letter = container_of(m, retry, mail);
    host *h = letter->host;
    pthread_mutex_lock(&h->lock);
    int at = find_running(h, letter->id);
    running *r = at < 0 ? NULL : h->running[at];
    if (r) atomic_store(&r->stopping, true);
    pthread_mutex_unlock(&h->lock);
    free(letter);
    if (!r) return;
    wait_for_readers(r);
    pthread_mutex_lock(&h->lock);
    hosted *old = r->hosted;
    r->hosted = NULL;
    r->retry_at_ms = 0;
    pthread_mutex_unlock(&h->lock);
    hosted_stop(old);
    launch(r);
    log_info("server", "query %.*s was started again", STR_ARG(r->id));
    atomic_store(&r->stopping, false);
}

static void post_retry(host *h, const running *r)
{
    retry *letter = malloc(sizeof *letter + r->id.n);
    check(letter != NULL);
    char *id = (char *)(letter + 1);
    memcpy(id, r->id.p, r->id.n);
    *letter = (retry){.mail = {.run = retry_letter}, .host = h, .id = {id, r->id.n}};
    pool_post(h->options.statements, &letter->mail);
}

void host_retry_due(host *h)
{
    int64_t now = mono_ms();
    pthread_mutex_lock(&h->lock);
    for (int i = 0; i < h->running_count; i++) {
        running *r = h->running[i];
        if (r->retry_at_ms == 0 || r->retry_at_ms > now) continue;
        r->retry_at_ms = 0;
        post_retry(h, r);
    }
    pthread_mutex_unlock(&h->lock);
}
