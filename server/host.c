#include "server/host_int.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/loop.h"
#include "server/memory.h"

enum { HOUSEKEEP_MS = 200, STATE_SHARE = 4 /* the part of all memory that state may take unless told otherwise */ };

broker_time host_now(void *arg)
{
    return (broker_time){clock_wall_ms(), clock_mono_ns() / 1000000};
}

catalog *host_catalog(host *h)
{
    pthread_mutex_lock(&h->lock);
    catalog *c = catalog_ref(h->catalog);
    pthread_mutex_unlock(&h->lock);
    return c;
}

void host_publish(host *h, catalog *next)
{
    pthread_mutex_lock(&h->lock);
    catalog *old = h->catalog;
    h->catalog = next;
    pthread_mutex_unlock(&h->lock);
    catalog_unref(old);
}

/* ---- what statements ask of the world -------------------------------------------------------------------------- */

static bool ask_topic(void *ctx, str name, sql_topic *out)
{
    host_topics *t = ctx;
    for (int i = t->count - 1; i >= 0; i--) {
        if (!str_eq(t->items[i].name, name)) continue;
        *out = t->items[i].topic;
        return !t->items[i].gone;
    }
    arena *mem = arena_new();
    broker_topic_info info;
    bool found = broker_topic_describe(t->host->options.broker, name, mem, &info);
    *out = (sql_topic){.partitions = 1, .replicas = 1, .retention_ms = -1};
    str text;
    if (found) {
        out->partitions = info.partitions;
        if (broker_topic_config(t->host->options.broker, name, STR("retention.ms"), mem, &text)) {
            str_to_i64(text, &out->retention_ms);
        }
    }
    arena_free(mem);
    return found || t->replaying;
}

sql_env host_sql_env(host *h, host_topics *made, int64_t now_ms)
{
    return (sql_env){.ctx = made, .topic = ask_topic, .now_ms = now_ms};
}

bool host_session(host *h, const exec_request *rq, sql_session *out, diag *d)
{
    *out = (sql_session){0};
    str name, text;
    for (size_t i = 0; config_passed_on(h->options.config, i, &name, &text); i++) {
        diag ignored = {0}; /* a setting of the broker */
        settings_set(&out->settings, name, NO_SPAN, text, NO_SPAN, &ignored);
    }
    for (size_t i = 0; i < rq->properties_n; i++) {
        const exec_setting *s = &rq->properties[i];
        if (s->null) continue;
        if (!settings_set(&out->settings, s->name, NO_SPAN, s->value, NO_SPAN, d)) return false;
    }
    for (size_t i = 0; i < rq->variables_n; i++)
        variables_define(&out->variables, rq->variables[i].name, rq->variables[i].value);
    return true;
}

/* ---- transient queries ------------------------------------------------------------------------------------------- */

static void close_letter(mail *m)
{
    transient *t = container_of(m, transient, close);
    host *h = t->host;
    pthread_mutex_lock(&h->lock);
    if (t->prev)
        t->prev->next = t->next;
    else
        h->transients = t->next;
    if (t->next) t->next->prev = t->prev;
    pthread_mutex_unlock(&h->lock);
    t->end(t);
}

void host_add_transient(host *h, transient *t)
{
    t->host = h;
    t->close.run = close_letter;
    pthread_mutex_lock(&h->lock);
    t->next = h->transients;
    if (t->next) t->next->prev = t;
    h->transients = t;
    pthread_mutex_unlock(&h->lock);
}

void host_close_transient(transient *t)
{
    if (!atomic_exchange(&t->closing, true)) pool_post(t->host->options.statements, &t->close);
}

bool host_end_transient(host *h, str id, bool end)
{
    pthread_mutex_lock(&h->lock);
    transient *t = h->transients;
    while (t && !str_ieq(t->id, id)) t = t->next;
    if (t && end) host_close_transient(t);
    pthread_mutex_unlock(&h->lock);
    return t != NULL;
}

/* The housekeeper posts to the statement thread, so it ends first. */
static void stop_housekeeper(host *h)
{
    if (!h->housekeeping) return;
    pthread_mutex_lock(&h->lock);
    h->ending = true;
    pthread_cond_signal(&h->housekeep);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->housekeeper, NULL);
    h->housekeeping = false;
}

void host_stop_work(host *h)
{
    stop_housekeeper(h);
    pthread_mutex_lock(&h->lock);
    for (transient *t = h->transients; t; t = t->next) host_close_transient(t);
    pthread_mutex_unlock(&h->lock);
}

/*
 * ---- the executor
 * --------------------------------------------------------------------------------------------------
 */

static host *host_of(executor *e)
{
    return container_of(e, host, base);
}

static exec_begin class_query(executor *e, const exec_request *rq, exec_stream *s, bool may_block, exec_reply *out)
{
    return host_begin_query(host_of(e), rq, s, may_block, out);
}

static void class_cancel(executor *e, void *handle)
{
    if (handle) host_close_transient(handle);
}

static void class_resume(executor *e, void *handle)
{
    transient *t = handle;
    if (t && t->wake) t->wake(t);
}

static bool class_valid_property(executor *e, str name, diag *d)
{
    settings probe = {0};
    bool ok = settings_unset(&probe, name, NO_SPAN, d);
    settings_free(&probe);
    return ok;
}

static bool class_command_status(executor *e, size_t i, exec_command_status *out)
{
    return false;
}

static bool class_healthy(executor *e)
{
    return true;
}

static const executor_class host_class = {
    .execute = host_execute,
    .terminate = host_terminate,
    .query = class_query,
    .cancel = class_cancel,
    .resume = class_resume,
    .valid_property = class_valid_property,
    .command_status = class_command_status,
    .healthy = class_healthy,
};

executor *host_executor(host *h)
{
    return &h->base;
}

/*
 * ---- life
 * ------------------------------------------------------------------------------------------------------------
 */

static void *housekeeper_main(void *arg)
{
    host *h = arg;
    pthread_mutex_lock(&h->lock);
    while (!h->ending) {
        pthread_mutex_unlock(&h->lock);
        host_retry_due(h);
        host_upkeep(h);
        if (proclog_topic_pending(h->proclog)) {
            diag d = {0};
            if (!proclog_topic_flush(h->proclog, h->options.broker, &d))
                log_warn("server", "processing log: %s", d.text);
        }
        pthread_mutex_lock(&h->lock);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += HOUSEKEEP_MS * 1000000L;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        if (!h->ending) pthread_cond_timedwait(&h->housekeep, &h->lock, &until);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static bool open_all(host *h, diag *d)
{
    buf path = {0};
    buf_printf(&path, "%s/catalog.db", h->options.data_dir);
    buf_z(&path);
    h->db = catalog_db_open(h->options.fs, buf_str(&path), d);
    buf_free(&path);
    if (!h->db) return false;
    int threads = (int)config_int(h->options.config, "worker.threads");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads < 1) threads = cores > 0 ? (int)cores : 1;
    h->env.workers = workers_new(threads, d);
    if (!h->env.workers) return false;
    h->env.committer = committer_new(d);
    if (!h->env.committer) return false;
    h->env.proclog = h->proclog;
    if (!host_replay(h, d)) return false;
    host_make_log_stream(h);
    h->housekeeping = thread_start(&h->housekeeper, "weir-keeper", housekeeper_main, h, d);
    return h->housekeeping;
}

host *host_open(const host_options *options, diag *d)
{
    arena *mem = arena_new();
    host *h = ARENA_NEW(mem, host);
    h->base.class = &host_class;
    h->mem = mem;
    h->options = *options;
    h->group_prefix = arena_printf(mem, "_confluent-ksql-%s", options->service_id);
    h->proclog_topic = arena_str(mem, config_text(options->config, "ksql.logging.processing.topic.name"));
    if (h->proclog_topic.n == 0) h->proclog_topic = arena_printf(mem, "%sksql_processing_log", options->service_id);
    proclog_topic_options log = {.topic = h->proclog_topic,
                                 .partitions =
                                     (int32_t)config_int(options->config, "ksql.logging.processing.topic.partitions"),
                                 .rows_include = config_bool(options->config, "ksql.logging.processing.rows.include"),
                                 .now = host_now};
    h->proclog = proclog_topic_new(&log);
    h->catalog = catalog_new();
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&h->housekeep, &attributes);
    pthread_condattr_destroy(&attributes);
    h->env = (hosted_env){.fs = options->fs,
                          .data_dir = arena_str(mem, str_z(options->data_dir)),
                          .group_prefix = h->group_prefix,
                          .broker = options->broker,
                          .budget = &h->budget};
    h->budget.limit = config_int(options->config, "state.cache.bytes");
    if (h->budget.limit <= 0) h->budget.limit = (int64_t)(memory_available(fs_real()) / STATE_SHARE);
    if (open_all(h, d)) return h;
    host_close(h);
    return NULL;
}

void host_close(host *h)
{
    if (!h) return;
    stop_housekeeper(h);
    while (h->transients) {
        transient *t = h->transients;
        h->transients = t->next;
        if (t->next) t->next->prev = NULL;
        t->end(t);
    }
    while (h->running_count > 0) host_stop_query(h, h->running[h->running_count - 1]->id, false);
    free(h->running);
    committer_free(h->env.committer);
    workers_free(h->env.workers);
    diag ignored = {0};
    if (proclog_topic_pending(h->proclog)) proclog_topic_flush(h->proclog, h->options.broker, &ignored);
    proclog_topic_free(h->proclog);
    catalog_db_close(h->db);
    catalog_unref(h->catalog);
    pthread_cond_destroy(&h->housekeep);
    pthread_mutex_destroy(&h->lock);
    arena_free(h->mem);
}
