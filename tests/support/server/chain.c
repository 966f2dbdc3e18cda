#include "tests/support/server/chain_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/batch.h"
#include "state/sqlite_db.h"
#include "state/vfs.h"

static const char *const statements =
    "CREATE STREAM SRC (K STRING KEY, ID BIGINT, G STRING, V BIGINT)"
    " WITH (KAFKA_TOPIC='src', VALUE_FORMAT='JSON', PARTITIONS=2);"
    "CREATE STREAM FILTERED WITH (KAFKA_TOPIC='filtered') AS SELECT * FROM SRC WHERE V % 3 <> 0;"
    "CREATE STREAM REKEYED WITH (KAFKA_TOPIC='rekeyed') AS SELECT G, ID, V FROM FILTERED PARTITION BY G;"
    "CREATE TABLE COUNTS WITH (KAFKA_TOPIC='counts') AS SELECT G, COUNT(*) AS N, SUM(V) AS S FROM REKEYED GROUP BY G;"
    "CREATE TABLE WINDOWED WITH (KAFKA_TOPIC='windowed') AS SELECT G, COUNT(*) AS N, SUM(V) AS S FROM FILTERED"
    " WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY G;"
    "CREATE TABLE SESSIONS WITH (KAFKA_TOPIC='sessions') AS SELECT G, COUNT(*) AS N, SUM(V) AS S FROM REKEYED"
    " WINDOW SESSION (5 SECONDS) GROUP BY G;";

bool chain_fail(chain *c, const char *format, ...)
{
    if (c->out->why[0]) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(c->out->why, sizeof c->out->why, format, args);
    va_end(args);
    return false;
}

static broker_time now_of(void *arg)
{
    return ((chain *)arg)->now;
}

static fs *disk(chain *c)
{
    return fs_sim_fs(c->sim);
}

/* ---- statements ------------------------------------------------------------------------------------------ */

static bool find_topic(void *ctx, str name, sql_topic *out)
{
    chain *c = ctx;
    for (int i = 0; i < c->topic_count; i++) {
        if (!str_eq(c->topic_names[i], name)) continue;
        *out = c->topics[i];
        return true;
    }
    return false;
}

static bool make_topic(chain *c, const effect *e, diag *d)
{
    /* Short segments, so that a run crosses many of their ends. */
    broker_config_entry configs[] = {{STR("segment.ms"), STR("400")}};
    check(c->topic_count < TOPICS_MAX);
    c->topic_names[c->topic_count] = arena_str(c->a, e->topic);
    c->topics[c->topic_count++] = (sql_topic){.partitions = e->partitions, .replicas = 1, .retention_ms = -1};
    return broker_topic_create(c->b, e->topic, e->partitions, configs, 1, d);
}

static bool plan_all(chain *c, diag *d)
{
    parse_results parsed;
    settings_set(&c->session.settings, STR("auto.offset.reset"), NO_SPAN, STR("earliest"), NO_SPAN, d);
    if (!parse_all(c->a, str_z(statements), 0, &parsed, d)) return false;
    sql_env env = {.ctx = c, .topic = find_topic, .now_ms = c->now.wall_ms};
    for (uint32_t i = 0; i < parsed.n; i++) {
        sql_outcome out;
        if (!sql_execute(c->a, c->catalog, &c->session, &env, parsed.items[i].stmt, i, &out, d)) return false;
        for (int k = 0; k < out.effect_count; k++) {
            const effect *e = &out.effects[k];
            if (e->kind == EFFECT_CREATE_TOPIC && !make_topic(c, e, d)) return false;
            if (e->kind != EFFECT_START_QUERY) continue;
            check(c->query_count < QUERIES_MAX);
            chain_query *q = &c->queries[c->query_count++];
            *q = (chain_query){.plan = e->query->plan, .id = e->query->id};
            if (!broker_producer_reserve(c->b, 2, &q->producer_id, d)) return false;
        }
        c->kept[c->kept_count++] = c->catalog;
        if (out.after)
            c->catalog = out.after;
        else
            c->kept_count--;
    }
    return true;
}

/* ---- one life of a query --------------------------------------------------------------------------------- */

/* The feed of a task; the chain has one query at a time in its hands. */
typedef struct making {
    chain *c;
    chain_query *q;
} making;

static io_feed *make_feed(void *ctx, const query *q, int stage, int32_t partition)
{
    making *m = ctx;
    const query_input *inputs;
    int total = query_inputs(q, &inputs), n = 0;
    embedded_input list[8];
    for (int i = 0; i < total; i++) {
        if (inputs[i].stage != stage) continue;
        check(n < (int)ARRAY_LEN(list));
        list[n++] = (embedded_input){inputs[i].step->source.topic, inputs[i].step->source.from_earliest};
    }
    embedded_feed_options o = {.inputs = list, .input_count = n, .partition = partition, .read_committed = true};
    diag d = {0};
    io_feed *f = embedded_feed_new(m->c->b, &o, &d);
    check(m->q->feed_count < FEEDS_MAX);
    if (f) m->q->feeds[m->q->feed_count++] = f;
    return f;
}

static int topic_partitions(void *ctx, str topic)
{
    sql_topic t;
    return find_topic(((making *)ctx)->c, topic, &t) ? t.partitions : 0;
}

static str first_source(const plan *p)
{
    while (p->kind != PLAN_SOURCE) p = p->inputs[0];
    return p->source.topic;
}

static void stop_query(chain *c, chain_query *q)
{
    if (q->q) c->out->commits += (uint64_t)query_generation(q->q) > 0;
    query_free(q->q);
    for (int i = 0; i < q->feed_count; i++) embedded_feed_free(q->feeds[i]);
    embedded_sink_free(q->sink);
    if (q->db) q->db->ops->close(q->db);
    q->q = NULL;
    q->sink = NULL;
    q->db = NULL;
    q->feed_count = 0;
}

static bool start_query(chain *c, chain_query *q, diag *d)
{
    char path[128];
    snprintf(path, sizeof path, "/data/state/%.*s.db", STR_ARG(q->id));
    q->db = store_sqlite_new(disk(c), str_z(path));
    str topic = q->plan->sink.topic, input = first_source(q->plan);
    embedded_sink_options so = {.topics = &topic,
                                .topic_count = 1,
                                .inputs = &input,
                                .input_count = 1,
                                .producer_id = q->producer_id,
                                .transactional_id = q->id,
                                .now = now_of,
                                .now_arg = c};
    q->sink = embedded_sink_new(c->b, &so, d);
    if (!q->sink) return false;
    making *m = ARENA_NEW(c->a, making);
    *m = (making){c, q};
    query_options o = {.id = q->id,
                       .cache_bytes = rng_below(&c->r, 2) ? 1 << 20 : 0,
                       .sink = q->sink,
                       .db = q->db,
                       .feed = make_feed,
                       .topic_partitions = topic_partitions,
                       .ctx = m,
                       .expr.null_to_text = true};
    q->q = query_new(q->plan, &o, d);
    return q->q != NULL;
}

/* ---- one life of the process ----------------------------------------------------------------------------- */

static bool boot(chain *c, diag *d)
{
    if (!fs_mkdirs(disk(c), "/data/state", d)) return false;
    broker_options o = {.node_id = 1, .seed = ++c->boots, .cluster_id = STR("test-cluster-id-000000")};
    static const broker_hooks hooks;
    c->b = broker_open(disk(c), STR("/data"), &o, &hooks, c->now, d);
    if (!c->b) return false;
    broker_run(c->b, c->now);
    for (int i = 0; i < c->query_count; i++) {
        if (!start_query(c, &c->queries[i], d)) return false;
    }
    return true;
}

static void shut(chain *c)
{
    for (int i = 0; i < c->query_count; i++) stop_query(c, &c->queries[i]);
    broker_close(c->b);
    c->b = NULL;
}

/* The process ends here; the next life begins on `after`. What shutting down writes is lost on the old disk. */
static void die(chain *c, bool power)
{
    fs_sim *after = power ? fs_sim_power_loss(c->sim, rng_u64(&c->r)) : fs_sim_process_kill(c->sim);
    c->killed = !power;
    shut(c);
    sim_note_sites(c->out, c->sim);
    vfs_forget(disk(c));
    fs_sim_free(c->sim);
    c->sim = after;
    fs_sim_ignore_site(c->sim, c->o.ignore_site);
    for (int p = 0; p < PARTITIONS; p++) c->unsynced_count[p] = 0;
}

/* ---- what happens ---------------------------------------------------------------------------------------- */

static void acknowledge(chain *c, int p)
{
    for (int i = 0; i < c->unsynced_count[p]; i++) c->acknowledged[c->unsynced[p][i]] = true;
    c->unsynced_count[p] = 0;
}

/* Appends some records to a partition of the source and, most often, syncs them as acks=all does. */
static void produce(chain *c)
{
    int p = (int)rng_below(&c->r, PARTITIONS);
    int n = 1 + (int)rng_below(&c->r, 20);
    batch_builder builder = {0};
    batch_options o = batch_options_plain();
    batch_begin(&builder, &o);
    int64_t first = c->next_id[p];
    for (int i = 0; i < n; i++) {
        int64_t id = c->next_id[p]++ * PARTITIONS + p;
        if (id >= IDS_MAX) break;
        char key[32], text[128];
        int k = snprintf(key, sizeof key, "k%lld", (long long)(id % 50));
        int v = snprintf(text, sizeof text, "{\"ID\":%lld,\"G\":\"g%d\",\"V\":%lld}", (long long)id,
                         (int)rng_below(&c->r, GROUPS), (long long)rng_below(&c->r, 1000));
        batch_record r = {.key = str_of(key, (size_t)k),
                          .value = str_of(text, (size_t)v),
                          .timestamp = c->now.wall_ms - (int64_t)rng_below(&c->r, 3000)};
        batch_add(&builder, &r);
    }
    uint8_t *data;
    size_t size;
    diag d = {0};
    broker_partition *part = broker_partition_get(c->b, STR("src"), p);
    bool ok = part && builder.count > 0 && batch_finish(&builder, &data, &size, &d) &&
              broker_append(part, data, size, c->now, NULL, &d);
    if (ok) {
        for (int64_t i = first; i < c->next_id[p]; i++) c->unsynced[p][c->unsynced_count[p]++] = i * PARTITIONS + p;
        if (rng_below(&c->r, 10) < 6 && broker_partition_sync(part, &d)) acknowledge(c, p);
    }
    broker_partition_release(part);
    batch_builder_free(&builder);
}

/* A query that failed is built anew, as the server does it; when that fails too, the process ends. */
static bool restart_query(chain *c, chain_query *q)
{
    diag d = {0};
    c->out->restarts++;
    stop_query(c, q);
    return start_query(c, q, &d);
}

static bool step_some(chain *c)
{
    chain_query *q = &c->queries[rng_below(&c->r, (uint64_t)c->query_count)];
    task *t = query_task(q->q, (int)rng_below(&c->r, (uint64_t)query_task_count(q->q)));
    for (uint64_t n = 1 + rng_below(&c->r, 8); n > 0; n--) {
        task_status s = task_step(t, c->now.wall_ms);
        if (s == TASK_FAILED) return restart_query(c, q);
        if (s != TASK_MORE) break;
    }
    return true;
}

/* Moves a query's commit on by one move: begin, bring to the boundary, or write. */
static bool commit_some(chain *c, chain_query *q)
{
    diag d = {0};
    switch (query_commit_status(q->q)) {
    case COMMIT_NONE: query_commit_begin(q->q); return true;
    case COMMIT_DRAINING:
        for (int i = 0; i < query_task_count(q->q); i++) {
            if (task_step(query_task(q->q, i), c->now.wall_ms) == TASK_FAILED) return restart_query(c, q);
        }
        return true;
    default:
        if (!query_commit_write(q->q, &d)) return restart_query(c, q);
        c->out->commits++;
        return true;
    }
}

static bool act(chain *c)
{
    c->now.wall_ms += (int64_t)rng_below(&c->r, 60);
    c->now.mono_ms += 10;
    uint64_t dice = rng_below(&c->r, 100);
    if (dice < 12) {
        produce(c);
        return true;
    }
    if (dice < 60) return step_some(c);
    if (dice < 62) {
        broker_run(c->b, c->now);
        return true;
    }
    return commit_some(c, &c->queries[rng_below(&c->r, (uint64_t)c->query_count)]);
}

/* A single call fails now and then; the process lives on. */
static void inject(chain *c)
{
    static const int errors[] = {EIO, ENOSPC};
    static const unsigned calls[] = {FS_SIM_WRITE, FS_SIM_SYNC, FS_SIM_READ, FS_SIM_ALL};
    if (fs_sim_failed(c->sim)) {
        c->out->failures++;
        fs_sim_fail(c->sim, 0, 0, 0, false);
    }
    if (rng_below(&c->r, 60) != 0) return;
    fs_sim_fail(c->sim, calls[rng_below(&c->r, 4)], 1 + rng_below(&c->r, 40), errors[rng_below(&c->r, 2)], false);
}

/*
 * A life that ends somewhere: after a number of actions, or in the middle of one, when a call and all later ones
 * fail.
 */
static void live_and_die(chain *c)
{
    diag d = {0};
    /* After a sync that failed nobody can tell what of a file is on disk but the disk: no process lives on with it. */
    bool power = c->o.errors || rng_below(&c->r, 4) != 0;
    bool within = !c->o.errors && rng_below(&c->r, 4) != 0;
    /* Soon after a kill the power fails: what the new process believed must have been made durable by it. */
    bool brief = c->killed && rng_below(&c->r, 2) == 0;
    if (brief) {
        power = true;
        within = false;
    }
    bool early = rng_below(&c->r, 3) == 0; /* the start may be interrupted as well */
    uint64_t calls = 1 + rng_below(&c->r, rng_below(&c->r, 2) ? 200 : 2500);
    if (within && early) fs_sim_die(c->sim, calls);
    bool alive = boot(c, &d);
    if (!alive && !fs_sim_failed(c->sim)) chain_fail(c, "the process did not start again: %s", d.text);
    if (alive && !early && c->boots > 2) alive = chain_check_input(c);
    if (within && !early) fs_sim_die(c->sim, calls);
    for (uint64_t n = brief ? rng_below(&c->r, 60) : 50 + rng_below(&c->r, 400); alive && n > 0; n--) {
        if (c->o.errors) inject(c);
        alive = act(c) && !(within && fs_sim_failed(c->sim));
    }
    if (c->o.errors) fs_sim_fail(c->sim, 0, 0, 0, false);
    die(c, power);
}

static bool quiet(chain *c)
{
    bool none = true;
    for (int i = 0; i < c->query_count; i++) {
        chain_query *q = &c->queries[i];
        for (int k = 0; k < query_task_count(q->q); k++) {
            task_status s;
            while ((s = task_step(query_task(q->q, k), c->now.wall_ms)) == TASK_MORE) none = false;
            if (s == TASK_FAILED) return chain_fail(c, "%.*s: %s", STR_ARG(q->id), query_error(q->q)->text);
        }
        if (query_commit_begin(q->q)) none = false;
        if (query_commit_status(q->q) == COMMIT_NONE) continue;
        none = false;
        for (int n = 0; query_commit_status(q->q) != COMMIT_NONE; n++) {
            if (n > 1000) return chain_fail(c, "%.*s does not reach its boundary", STR_ARG(q->id));
            if (!commit_some(c, q)) return chain_fail(c, "%.*s does not start again", STR_ARG(q->id));
        }
    }
    return none;
}

/* The last life: everything runs to its end, then the results are looked at. */
static void live_to_the_end(chain *c)
{
    diag d = {0};
    if (!boot(c, &d)) {
        chain_fail(c, "the process did not start again: %s", d.text);
        return;
    }
    if (!chain_check_input(c)) return;
    for (int n = 0; n < 20; n++) produce(c);
    for (int n = 0; !quiet(c) && !c->out->why[0]; n++) {
        if (n > 100) chain_fail(c, "the chain does not come to rest");
    }
    if (!c->out->why[0] && chain_check_input(c)) chain_check_results(c);
}

void chain_run(const sim_options *options, sim_result *out)
{
    *out = (sim_result){0};
    log_set_level((log_level)(LOG_ERROR + 1)); /* every call that fails, and every tail that is cut, would be told */
    chain *c = calloc(1, sizeof *c);
    check(c != NULL);
    c->o = *options;
    c->out = out;
    c->a = arena_new();
    c->catalog = catalog_new();
    c->now = (broker_time){1700000000000, 1000};
    rng_seed(&c->r, options->seed);
    c->sim = fs_sim_new(options->seed);
    fs_sim_ignore_site(c->sim, options->ignore_site);
    diag d = {0};
    /* Statements are their own test: here they and their topics are complete and synced before the first death. */
    if (!boot(c, &d) || !plan_all(c, &d)) chain_fail(c, "the chain cannot be made: %s", d.text);
    if (!out->why[0]) {
        die(c, rng_below(&c->r, 2) == 0);
        for (int i = 0; i < options->lives && !out->why[0]; i++) live_and_die(c);
        if (!out->why[0]) live_to_the_end(c);
    }
    die(c, false);
    vfs_forget(disk(c));
    fs_sim_free(c->sim);
    for (int i = 0; i < c->kept_count; i++) catalog_unref(c->kept[i]);
    catalog_unref(c->catalog);
    sql_session_free(&c->session);
    arena_free(c->a);
    out->ok = out->why[0] == 0;
    free(c);
}
