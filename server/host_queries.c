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

static int64_t setting_int(const settings *s, const char *name)
{
    int64_t v = 0;
    str_to_i64(settings_get(s, name), &v);
    return v;
}

void host_apply_settings(const settings *s, hosted_options *o)
{
    o->cache_bytes = setting_int(s, "cache.max.bytes.buffering");
    o->commit_interval_ms = setting_int(s, "commit.interval.ms");
    o->fail_on_bad_record = settings_bool(s, "ksql.fail.on.deserialization.error");
    o->fail_on_bad_timestamp = settings_bool(s, "ksql.timestamp.throw.on.invalid");
    o->expr.nested_error_throws = !settings_bool(s, "ksql.nested.error.set.null");
    o->expr.null_to_text = !settings_bool(s, "ksql.cast.strings.preserve.nulls");
    o->agg.collect_list_limit = setting_int(s, "ksql.functions.collect_list.limit");
    o->agg.collect_set_limit = setting_int(s, "ksql.functions.collect_set.limit");
}

/* The settings that a query was started with. */
static void recorded_settings(const catalog_query *q, settings *out)
{
    diag d = {0};
    if (!host_read_settings(q->properties, out, &d)) log_warn("server", "query %.*s: %s", STR_ARG(q->id), d.text);
}

/* Called by the query's threads, and by the statement thread when it cannot be started at all. */
static void query_failed(void *arg, hosted *failed)
{
    running *r = arg;
    settings recorded = {0};
    recorded_settings(r->query, &recorded);
    int64_t first = setting_int(&recorded, "ksql.query.retry.backoff.initial.ms");
    int64_t most = setting_int(&recorded, "ksql.query.retry.backoff.max.ms");
    settings_free(&recorded);
    if (first < 1) first = 15000;
    if (most < first) most = first;
    pthread_mutex_lock(&r->host->lock);
    int64_t now = mono_ms();
    /* One that has run longer than it last had to wait begins anew. */
    if (now - r->started_at_ms > r->retry_ms) r->retry_ms = 0;
    r->retry_ms = r->retry_ms == 0 ? first : r->retry_ms * 2 < most ? r->retry_ms * 2 : most;
    r->retry_at_ms = now + r->retry_ms;
    r->failed = true;
    pthread_cond_signal(&r->host->housekeep);
    pthread_mutex_unlock(&r->host->lock);
}

/* Keeps a failure for EXPLAIN. With the lock. */
static void keep_error(running *r, const diag *why)
{
    if (r->error_count == QUERY_ERRORS_MAX) {
        free(r->errors[0].text);
        memmove(r->errors, r->errors + 1, (QUERY_ERRORS_MAX - 1) * sizeof *r->errors);
        r->error_count--;
    }
    char *text = strdup(why->text);
    check(text != NULL);
    r->errors[r->error_count++] = (running_error){host_now(NULL).wall_ms, why->code, text};
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
                        .paused = r->paused,
                        .failed = query_failed,
                        .arg = r};
    settings recorded = {0};
    recorded_settings(q, &recorded);
    host_apply_settings(&recorded, &o);
    settings_free(&recorded);
    diag error = {0};
    pthread_mutex_lock(&h->lock);
    r->started_at_ms = mono_ms();
    pthread_mutex_unlock(&h->lock);
    hosted *started = hosted_start(&h->env, &o, &error);
    pthread_mutex_lock(&h->lock);
    r->hosted = started;
    r->error = error;
    if (!started) keep_error(r, &error);
    bool noted = r->failed; /* a feed that could not be opened has told of it */
    pthread_mutex_unlock(&h->lock);
    if (!started && !noted) query_failed(r, NULL);
    if (!started) log_error("server", "query %.*s cannot be started: %s", STR_ARG(r->id), error.text);
}

running *host_start_query(host *h, const catalog_query *q, int64_t producer_id, diag *d)
{
    running *r = calloc(1, sizeof *r);
    check(r != NULL);
    r->host = h;
    r->query = catalog_query_ref(q);
    r->id = r->query->id;
    r->producer_id = producer_id;
    r->paused = q->paused;
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
    for (int i = 0; i < r->error_count; i++) free(r->errors[i].text);
    free(r);
}

void host_pause_query(host *h, const catalog_query *q)
{
    pthread_mutex_lock(&h->lock);
    int at = find_running(h, q->id);
    running *r = at < 0 ? NULL : h->running[at];
    if (r) r->paused = q->paused;
    if (r && r->hosted) hosted_pause(r->hosted, q->paused);
    pthread_mutex_unlock(&h->lock);
}

/* Travels to the statement thread by the query's id: the query may be gone when it arrives. */
typedef struct retry {
    mail mail;
    host *host;
    str id;
} retry;

/*
 * Takes down what has failed: its open generation is aborted, so that nobody who reads its topic waits for the retry.
 * The reason stays.
 */
static void take_down(running *r)
{
    host *h = r->host;
    atomic_store(&r->stopping, true);
    wait_for_readers(r);
    pthread_mutex_lock(&h->lock);
    hosted *old = r->hosted;
    if (old && hosted_error(old, &r->error)) keep_error(r, &r->error);
    r->hosted = NULL;
    pthread_mutex_unlock(&h->lock);
    hosted_stop(old);
    atomic_store(&r->stopping, false);
}

/* A failed query is built anew over its database: it goes on from the last decided generation. */
static void retry_letter(mail *m)
{
    retry *letter = container_of(m, retry, mail);
    host *h = letter->host;
    pthread_mutex_lock(&h->lock);
    int at = find_running(h, letter->id);
    running *r = at < 0 ? NULL : h->running[at];
    bool failed = r && r->failed;
    bool due = r && r->retry_at_ms != 0 && r->retry_at_ms <= mono_ms();
    if (r) r->posted = false;
    if (failed) r->failed = false;
    if (due) r->retry_at_ms = 0;
    pthread_mutex_unlock(&h->lock);
    free(letter);
    if (failed) take_down(r);
    if (!due) return;
    launch(r);
    if (r->hosted) log_info("server", "query %.*s was started again", STR_ARG(r->id));
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

void host_upkeep(host *h)
{
    int64_t now = mono_ms();
    for (int i = 0;; i++) {
        pthread_mutex_lock(&h->lock);
        running *r = i < h->running_count ? h->running[i] : NULL;
        bool held = r && r->hosted && !atomic_load(&r->stopping);
        if (held) atomic_fetch_add(&r->readers, 1);
        pthread_mutex_unlock(&h->lock);
        if (!r) return;
        if (!held) continue;
        hosted_upkeep(r->hosted, now);
        host_release_query(r);
    }
}

void host_retry_due(host *h)
{
    int64_t now = mono_ms();
    pthread_mutex_lock(&h->lock);
    for (int i = 0; i < h->running_count; i++) {
        running *r = h->running[i];
        bool due = r->retry_at_ms != 0 && r->retry_at_ms <= now;
        if (r->posted || !(r->failed || due)) continue;
        r->posted = true;
        post_retry(h, r);
    }
    pthread_mutex_unlock(&h->lock);
}
