#include "server/kafka.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/cleaner.h"
#include "server/kafka_internal.h"

broker_time kafka_now(void)
{
    return (broker_time){clock_wall_ms(), clock_mono_ns() / 1000000};
}

/* ---- what the broker asks for: only noted here, done before the loop sleeps ---------------------------------- */

static void on_conn_ready(void *user, broker_conn *c)
{
    kafka_conn_mark(broker_conn_user(c));
}

/* A sync under way: made on the loop, run on a sync thread, reported on the loop. */
typedef struct sync_job {
    mail mail;
    kafka *k;
    broker_partition *partition;
    bool ok;
} sync_job;

static void sync_report(mail *m)
{
    sync_job *job = container_of(m, sync_job, mail);
    kafka *k = job->k;
    k->syncs_open--;
    broker_sync_done(k->broker, job->partition, job->ok, kafka_now());
    free(job);
}

static void sync_run(mail *m)
{
    sync_job *job = container_of(m, sync_job, mail);
    diag d = {0};
    job->ok = broker_partition_sync(job->partition, &d);
    if (!job->ok) log_error("kafka", "%s", d.text);
    m->run = sync_report;
    loop_post(&job->k->loop, m);
}

static void on_sync(void *user, broker_partition *p)
{
    kafka *k = user;
    check(!atomic_load(&k->stopped));
    sync_job *job = malloc(sizeof *job);
    check(job);
    *job = (sync_job){.mail = {.run = sync_run}, .k = k, .partition = p};
    k->syncs_open++;
    pool_post(k->syncs, &job->mail);
}

/* Computing under way: run on a check thread, reported on the loop. */
typedef struct work_job {
    mail mail;
    kafka *k;
    broker_work *work;
} work_job;

static void work_report(mail *m)
{
    work_job *job = container_of(m, work_job, mail);
    kafka *k = job->k;
    k->works_open--;
    broker_work_done(k->broker, job->work, kafka_now());
    free(job);
}

static void work_run(mail *m)
{
    work_job *job = container_of(m, work_job, mail);
    job->work->run(job->work);
    m->run = work_report;
    loop_post(&job->k->loop, m);
}

static void on_work(void *user, broker_work *w)
{
    kafka *k = user;
    check(!atomic_load(&k->stopped));
    work_job *job = malloc(sizeof *job);
    check(job);
    *job = (work_job){.mail = {.run = work_run}, .k = k, .work = w};
    k->works_open++;
    pool_post(k->works, &job->mail);
}

static int64_t on_clock(void *user)
{
    return clock_mono_ns();
}

static void run_broker(mail *m)
{
    kafka *k = container_of(m, kafka, run);
    atomic_store(&k->run_posted, false);
    broker_run(k->broker, kafka_now());
}

static void on_wake(void *user)
{
    kafka *k = user;
    if (atomic_load(&k->stopped)) return; /* broker_close does what is left itself */
    if (!atomic_exchange(&k->run_posted, true)) loop_post(&k->loop, &k->run);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void on_deadline(uv_timer_t *timer)
{
    kafka *k = container_of(timer, kafka, deadline);
    k->deadline_at = INT64_MAX;
    broker_run(k->broker, kafka_now());
}

/* Keeps the loop from sleeping. */
static void on_busy(uv_idle_t *busy)
{
}

static void on_look(uv_timer_t *timer)
{
    kafka *k = container_of(timer, kafka, look);
    kafka_conn_look(k, clock_mono_ns() / 1000000);
    if (!budget_short(&k->memory)) uv_timer_stop(&k->look);
}

/* Before the loop sleeps: what the broker made ready goes out, and its next deadline is set. */
static void on_prepare(uv_prepare_t *prepare)
{
    kafka *k = container_of(prepare, kafka, prepare);
    kafka_listeners_turn(k);
    kafka_conn_feed(k);
    if (kafka_conn_run_again(k))
        uv_idle_start(&k->busy, on_busy);
    else
        uv_idle_stop(&k->busy);
    if (budget_short(&k->memory) && !uv_is_active((uv_handle_t *)&k->look))
        uv_timer_start(&k->look, on_look, BUDGET_LOOK_MS, BUDGET_LOOK_MS);
    int64_t next = broker_next_deadline(k->broker);
    if (next == k->deadline_at) return;
    k->deadline_at = next;
    if (next == INT64_MAX) {
        uv_timer_stop(&k->deadline);
        return;
    }
    int64_t in_ms = next - clock_mono_ns() / 1000000;
    uv_update_time(&k->loop.uv);
    uv_timer_start(&k->deadline, on_deadline, in_ms > 0 ? (uint64_t)in_ms : 0, 0);
}

static void on_sweep(uv_timer_t *timer)
{
    kafka *k = container_of(timer, kafka, sweep);
    kafka_conn_sweep(k, clock_mono_ns() / 1000000);
    /* The allocator keeps what lies between pieces that are still in use. */
    if (k->shed < KAFKA_SHED_MAX) return;
    k->shed = 0;
    malloc_trim(0);
}

static void on_stopping(void *arg)
{
    kafka *k = arg;
    if (!k->broker) return; /* opening failed before there was anything to close */
    while (k->conns) kafka_conn_close(k->conns);
    kafka_listeners_stop(k);
    uv_close((uv_handle_t *)&k->deadline, NULL);
    uv_close((uv_handle_t *)&k->sweep, NULL);
    uv_close((uv_handle_t *)&k->look, NULL);
    uv_close((uv_handle_t *)&k->busy, NULL);
    uv_close((uv_handle_t *)&k->pause, NULL);
    uv_close((uv_handle_t *)&k->prepare, NULL);
}

static bool on_drained(void *arg)
{
    kafka *k = arg;
    return k->syncs_open == 0 && k->works_open == 0;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

int64_t kafka_config_number(const kafka *k, str name, int64_t otherwise)
{
    arena *a = arena_new();
    str text;
    int64_t v = otherwise;
    if (!broker_config_value(k->broker, name, a, &text) || !str_to_i64(text, &v)) v = otherwise;
    arena_free(a);
    return v;
}

/* Settings that are not sessions' (ksql. and the like) are the broker's, which refuses those that it does not know. */
static bool is_broker_config(str name)
{
    static const char *const others[] = {"ksql.",       "auto.offset", "commit.",       "cache.",
                                         "processing.", "state.",      "listener.name."};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (str_starts(name, str_z(others[i]))) return false;
    }
    return true;
}

static bool open_broker(kafka *k, const kafka_options *o, diag *d)
{
    str name, value;
    size_t n = 0;
    while (config_passed_on(o->config, n, &name, &value)) n++;
    broker_config_entry *entries = ARENA_ARRAY(k->a, broker_config_entry, n + 3);
    broker_options options = {.configs = entries, .node_id = 1, .seed = o->seed};
    entries[options.configs_len++] = (broker_config_entry){STR("listeners"), kafka_listeners_text(k, false, k->a)};
    entries[options.configs_len++] =
        (broker_config_entry){STR("advertised.listeners"), kafka_listeners_text(k, true, k->a)};
    for (size_t i = 0; config_passed_on(o->config, i, &name, &value); i++) {
        if (is_broker_config(name)) entries[options.configs_len++] = (broker_config_entry){name, value};
    }
    /* Last, so that it says what is: --data decides. */
    entries[options.configs_len++] = (broker_config_entry){STR("log.dirs"), o->data_dir};
    k->broker = broker_open(k->fs, o->data_dir, &options, &k->hooks, kafka_now(), d);
    return k->broker != NULL;
}

static bool open_all(kafka *k, const kafka_options *o, diag *d)
{
    k->hooks = (broker_hooks){.user = k,
                              .conn_ready = on_conn_ready,
                              .sync = on_sync,
                              .work = on_work,
                              .wake = on_wake,
                              .clock_ns = on_clock};
    k->syncs = pool_new("weir-sync", o->sync_threads, d);
    k->works = k->syncs ? pool_new("weir-check", 1, d) : NULL;
    if (!k->works || !loop_init(&k->loop, "weir-kafka", d)) return false;
    k->looped = true;
    k->loop.drained = on_drained;
    k->loop.stopping = on_stopping;
    k->loop.stopping_arg = k;
    if (!kafka_listeners_open(k, o, d) || !open_broker(k, o, d)) return false;
    int64_t queued_max = kafka_config_number(k, STR("queued.max.request.bytes"), -1);
    if (queued_max > 0) budget_init(&k->memory, (size_t)queued_max);
    k->frame_max = kafka_config_number(k, STR("socket.request.max.bytes"), 104857600);
    k->idle_ms_max = kafka_config_number(k, STR("connections.max.idle.ms"), 600000);

    uv_loop_t *uv = &k->loop.uv;
    uv_timer_init(uv, &k->deadline);
    uv_timer_init(uv, &k->sweep);
    uv_timer_init(uv, &k->look);
    uv_idle_init(uv, &k->busy);
    uv_timer_init(uv, &k->pause);
    uv_timer_start(&k->sweep, on_sweep, KAFKA_SWEEP_MS, KAFKA_SWEEP_MS);
    uv_prepare_init(uv, &k->prepare);
    uv_prepare_start(&k->prepare, on_prepare);
    kafka_listeners_start(k);
    return true;
}

kafka *kafka_open(const kafka_options *options, diag *d)
{
    kafka *k = calloc(1, sizeof *k);
    check(k);
    k->fs = options->fs;
    k->a = arena_new();
    budget_init(&k->memory, options->memory_max);
    k->deadline_at = INT64_MAX;
    k->run.run = run_broker;
    k->scratch = malloc(KAFKA_SCRATCH);
    check(k->scratch);
    if (open_all(k, options, d)) return k;
    kafka_close(k);
    return NULL;
}

bool kafka_start(kafka *k, diag *d)
{
    k->cleaner = cleaner_start(k->broker, d);
    return k->cleaner && loop_start(&k->loop, d);
}

broker *kafka_broker(kafka *k)
{
    return k->broker;
}

int kafka_port(const kafka *k)
{
    return k->listeners[0].listen.port;
}

void kafka_stop(kafka *k)
{
    if (!k->looped) return;
    loop_stop(&k->loop);
    k->looped = false;
    atomic_store(&k->stopped, true);
    check(k->syncs_open == 0 && k->works_open == 0);
}

void kafka_close(kafka *k)
{
    if (!k) return;
    kafka_stop(k);
    cleaner_stop(k->cleaner);
    pool_free(k->works);
    pool_free(k->syncs);
    broker_close(k->broker);
    kafka_listeners_close(k);
    arena_free(k->a);
    free(k->scratch);
    free(k);
}
