#include "server/hosted.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "connect/connect.h"
#include "engine/view.h"
#include "server/upkeep.h"
#include "state/sqlite_db.h"

/* One task of the query as the workers see it, and the feed that it reads. */
typedef struct slot {
    work work;
    hosted *h;
    task *task;
    int stage;
    int32_t partition;
    io_feed *feed;
    bool worked; /* since it was dry the last time; only its runs touch it */
} slot;

struct hosted {
    arena *mem;
    hosted_env env;
    hosted_options options;
    query *q;
    store_db *db;
    io_sink *sink;
    slot **slots; /* each stays where it is */
    int slot_count;
    int slot_cap;
    atomic_bool mapped; /* slots know their tasks: wakes count from now on */
    bool paused;
    commit_client client;
    upkeep care;
    pthread_mutex_t error_lock;
    diag error;
};

static broker_time now_of(void *arg)
{
    return (broker_time){clock_wall_ms(), clock_mono_ns() / 1000000};
}

/*
 * ---- waking
 * -------------------------------------------------------------------------------------------------------
 */

static void wake_slot(void *arg)
{
    slot *s = arg;
    if (atomic_load(&s->h->mapped)) workers_wake(s->h->env.workers, &s->work);
}

void hosted_wake(hosted *h)
{
    if (!atomic_load(&h->mapped)) return;
    for (int i = 0; i < h->slot_count; i++) workers_wake(h->env.workers, &h->slots[i]->work);
}

/* The engine's hook: this task has something to do. */
static void wake_task(void *ctx, task *t)
{
    hosted *h = ctx;
    if (!atomic_load(&h->mapped)) return;
    for (int i = 0; i < h->slot_count; i++) {
        if (h->slots[i]->task == t) {
            workers_wake(h->env.workers, &h->slots[i]->work);
            return;
        }
    }
}

static void wake_for_commit(commit_client *c)
{
    hosted_wake(container_of(c, hosted, client));
}

/*
 * ---- stepping
 * ------------------------------------------------------------------------------------------------------
 */

static void note_failure(hosted *h, const diag *why)
{
    pthread_mutex_lock(&h->error_lock);
    bool first = !diag_is_set(&h->error);
    if (first) h->error = *why;
    pthread_mutex_unlock(&h->error_lock);
    if (!first) return;
    log_error("engine", "query %.*s failed: %s", STR_ARG(h->options.id), why->text);
    if (h->options.failed) h->options.failed(h->options.arg, h);
}

static bool run_slot(work *w, int64_t now_ms)
{
    slot *s = container_of(w, slot, work);
    hosted *h = s->h;
    task_status status = task_step(s->task, now_ms);
    if (status == TASK_FAILED) {
        const diag *why = query_error(h->q);
        if (why) note_failure(h, why);
        return false;
    }
    bool more = status == TASK_MORE;
    if (h->options.persistent) {
        bool dry = status == TASK_IDLE && s->worked;
        committer_note(h->env.committer, &h->client, more, dry);
    }
    s->worked = more;
    return more;
}

static void on_committed(commit_client *c, int64_t now_ms)
{
    upkeep_committed(&container_of(c, hosted, client)->care);
}

static void on_commit_failed(commit_client *c, const diag *why)
{
    note_failure(container_of(c, hosted, client), why);
}

/*
 * ---- starting
 * -------------------------------------------------------------------------------------------------------
 */

static int topic_partitions(void *ctx, str topic)
{
    hosted *h = ctx;
    broker_topic_info info;
    arena *mem = arena_new();
    int n = broker_topic_describe(h->env.broker, topic, mem, &info) ? info.partitions : 0;
    arena_free(mem);
    return n;
}

static slot *add_slot(hosted *h, int stage, int32_t partition)
{
    if (h->slot_count == h->slot_cap) {
        h->slot_cap = h->slot_cap ? h->slot_cap * 2 : 4;
        h->slots = realloc(h->slots, (size_t)h->slot_cap * sizeof *h->slots);
        check(h->slots != NULL);
    }
    slot *s = ARENA_NEW(h->mem, slot);
    h->slots[h->slot_count++] = s;
    *s = (slot){.work.run = run_slot, .h = h, .stage = stage, .partition = partition};
    return s;
}

/* The engine asks for the feed of a task before the task exists: the slot is made here and gets its task later. */
static io_feed *make_feed(void *ctx, const query *q, int stage, int32_t partition)
{
    hosted *h = ctx;
    const query_input *inputs;
    int total = query_inputs(q, &inputs);
    embedded_input *list = calloc((size_t)total + 1, sizeof *list);
    check(list != NULL);
    int n = 0;
    for (int i = 0; i < total; i++) {
        if (inputs[i].stage != stage) continue;
        const plan_source *source = &inputs[i].step->source;
        check(inputs[i].index == n);
        list[n++] = (embedded_input){source->topic, source->from_earliest};
    }
    slot *s = add_slot(h, stage, partition);
    embedded_feed_options o = {.inputs = list,
                               .input_count = n,
                               .partition = partition,
                               .read_committed = h->options.persistent,
                               .bounded = h->options.bounded,
                               .wake = wake_slot,
                               .wake_arg = s};
    diag d = {0};
    s->feed = embedded_feed_new(h->env.broker, &o, &d);
    if (!s->feed) note_failure(h, &d);
    free(list);
    return s->feed;
}

/* Sinks of a plan in the order in which the engine numbers them: there is one, at the root. */
static bool open_sink(hosted *h, diag *d)
{
    const plan *root = h->options.plan;
    check(root->kind == PLAN_SINK);
    str topics[1] = {root->sink.topic};
    buf name = {0};
    buf_printf(&name, "%.*squery_%.*s", STR_ARG(h->env.group_prefix), STR_ARG(h->options.id));
    embedded_sink_options o = {.topics = topics,
                               .topic_count = root->sink.topic.n > 0 ? 1 : 0,
                               .producer_id = h->options.producer_id,
                               .transactional_id = buf_str(&name),
                               .now = now_of};
    str inputs[64];
    int n = 0;
    const plan *stack[128];
    int depth = 0;
    stack[depth++] = root;
    while (depth > 0 && n < (int)ARRAY_LEN(inputs)) {
        const plan *step = stack[--depth];
        if (step->kind == PLAN_SOURCE) inputs[n++] = step->source.topic;
        for (int i = 0; i < step->input_count; i++) {
            check(depth < (int)ARRAY_LEN(stack));
            stack[depth++] = step->inputs[i];
        }
    }
    o.inputs = inputs;
    o.input_count = n;
    h->sink = embedded_sink_new(h->env.broker, &o, d);
    buf_free(&name);
    return h->sink != NULL;
}

void hosted_db_path(const hosted_env *env, str id, buf *out)
{
    buf_printf(out, "%.*s/state/%.*s.db", STR_ARG(env->data_dir), STR_ARG(id));
}

static bool open_state(hosted *h, diag *d)
{
    buf path = {0};
    buf_printf(&path, "%.*s/state", STR_ARG(h->env.data_dir));
    bool ok = fs_mkdirs(h->env.fs, buf_z(&path), d);
    buf_clear(&path);
    hosted_db_path(&h->env, h->options.id, &path);
    buf_z(&path);
    if (ok) {
        h->db = store_sqlite_new(h->env.fs, buf_str(&path));
        h->db->budget = h->env.budget;
    }
    buf_free(&path);
    return ok;
}

bool hosted_remove_state(const hosted_env *env, str id, diag *d)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    bool ok = true;
    buf path = {0};
    for (size_t i = 0; ok && i < ARRAY_LEN(suffixes); i++) {
        diag why = {0};
        buf_clear(&path);
        hosted_db_path(env, id, &path);
        buf_add_z(&path, suffixes[i]);
        ok = fs_unlink(env->fs, buf_z(&path), &why) || why.code == DIAG_NOT_FOUND;
        if (!ok) *d = why;
    }
    buf_free(&path);
    return ok;
}

/*
 * Fixes where a new query begins before anybody is told of it: one that starts at the latest records would otherwise
 * start later after a crash, and miss what came between.
 */
static bool commit_start(hosted *h, diag *d)
{
    if (!h->options.persistent || query_generation(h->q) > 0 || !query_commit_begin(h->q)) return true;
    while (query_commit_status(h->q) == COMMIT_DRAINING) {
        for (int i = 0; i < query_task_count(h->q); i++) {
            if (task_step(query_task(h->q, i), clock_wall_ms()) == TASK_FAILED) {
                *d = *query_error(h->q);
                return false;
            }
        }
    }
    return query_commit_write(h->q, d);
}

/* Gives every task its slot; tasks without sources get one here. */
static void map_tasks(hosted *h)
{
    for (int i = 0; i < query_task_count(h->q); i++) {
        task *t = query_task(h->q, i);
        slot *found = NULL;
        for (int k = 0; k < h->slot_count; k++) {
            slot *s = h->slots[k];
            /* A single task over all partitions was given its feed as partition -1. */
            bool fits = s->stage == task_stage(t) && (s->partition == task_partition(t) || s->partition == -1);
            if (!s->task && fits) found = s;
        }
        if (!found) found = add_slot(h, task_stage(t), task_partition(t));
        found->task = t;
    }
}

static bool build(hosted *h, diag *d)
{
    hosted_options *o = &h->options;
    if (o->persistent && (!open_state(h, d) || !open_sink(h, d))) return false;
    query_options q = {.id = o->id,
                       .cache_bytes = o->cache_bytes,
                       .fail_on_bad_record = o->fail_on_bad_record,
                       .fail_on_bad_timestamp = o->fail_on_bad_timestamp,
                       .commit_interval_ms = o->commit_interval_ms,
                       .expr = o->expr,
                       .agg = o->agg,
                       .sink = h->sink,
                       .subscriber = o->subscriber,
                       .proclog = h->env.proclog,
                       .db = h->db,
                       .feed = make_feed,
                       .topic_partitions = topic_partitions,
                       .wake = wake_task,
                       .ctx = h};
    h->q = query_new(o->plan, &q, d);
    if (h->q && !diag_is_set(&h->error)) return true;
    /* A feed's own reason says more than that there is none. */
    if (diag_is_set(&h->error)) *d = h->error;
    return false;
}

/* For analysts: a view under the sink's name. A query runs without it as well. */
static void make_view(hosted *h)
{
    const plan *root = h->options.plan;
    arena *a = arena_new();
    store_sqlite_names n;
    str store_name = view_store(root, a);
    buf select = {0};
    diag d = {0};
    if (store_name.n > 0 && store_sqlite_names_of(h->db, store_name, a, &n)) {
        view_names names = {n.table, n.keys, n.key_count, n.cells, n.cell_count, n.window_start, n.time, n.seq};
        bool ok = !view_select(root, &names, &select) ||
                  store_sqlite_view(h->db, root->sink.name, buf_str(&select), &d);
        if (!ok) log_warn("engine", "the view of query %.*s: %s", STR_ARG(h->options.id), d.text);
    }
    buf_free(&select);
    arena_free(a);
}

hosted *hosted_start(const hosted_env *env, const hosted_options *options, diag *d)
{
    arena *mem = arena_new();
    hosted *h = ARENA_NEW(mem, hosted);
    h->mem = mem;
    h->env = *env;
    h->options = *options;
    h->options.id = arena_str(mem, options->id);
    pthread_mutex_init(&h->error_lock, NULL);
    if (!build(h, d) || !commit_start(h, d)) {
        hosted_stop(h);
        return NULL;
    }
    map_tasks(h);
    if (h->options.persistent) make_view(h);
    h->client = (commit_client){.q = h->q,
                                .wake = wake_for_commit,
                                .committed = on_committed,
                                .failed = on_commit_failed,
                                .interval_ms = options->commit_interval_ms};
    if (options->persistent) {
        h->care.group =
            arena_printf(mem, "%.*squery_%.*s", STR_ARG(h->env.group_prefix), STR_ARG(h->options.id));
        upkeep_committed(&h->care);
        committer_add(env->committer, &h->client);
    }
    atomic_store(&h->mapped, true);
    hosted_pause(h, options->paused);
    hosted_wake(h);
    return h;
}

void hosted_stop(hosted *h)
{
    if (!h) return;
    atomic_store(&h->mapped, false);
    for (int i = 0; i < h->slot_count; i++) workers_retire(h->env.workers, &h->slots[i]->work);
    if (h->client.q && h->options.persistent) committer_remove(h->env.committer, &h->client);
    if (h->q && h->care.group.n > 0) upkeep_end(&h->care, h->q, h->env.broker);
    query_free(h->q);
    for (int i = 0; i < h->slot_count; i++) embedded_feed_free(h->slots[i]->feed);
    embedded_sink_free(h->sink);
    if (h->db) h->db->ops->close(h->db);
    pthread_mutex_destroy(&h->error_lock);
    free(h->slots);
    arena_free(h->mem);
}

/*
 * ---- looking
 * ----------------------------------------------------------------------------------------------------------
 */

void hosted_pause(hosted *h, bool paused)
{
    if (h->paused == paused) return;
    h->paused = paused;
    for (int i = 0; i < h->slot_count; i++) {
        if (h->slots[i]->feed) embedded_feed_pause(h->slots[i]->feed, paused);
    }
    hosted_wake(h);
}

void hosted_upkeep(hosted *h, int64_t now_ms)
{
    if (h->care.group.n > 0) upkeep_do(&h->care, h->q, h->db, h->env.broker, now_ms);
}

bool hosted_paused(const hosted *h)
{
    return h->paused;
}

query *hosted_query(hosted *h)
{
    return h->q;
}

store_db *hosted_db(hosted *h)
{
    return h->db;
}

bool hosted_error(hosted *h, diag *out)
{
    pthread_mutex_lock(&h->error_lock);
    bool set = diag_is_set(&h->error);
    if (set && out) *out = h->error;
    pthread_mutex_unlock(&h->error_lock);
    return set;
}
