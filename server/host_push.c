/* Push queries: a transient query whose rows go to one client. */
#include <sched.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/rng.h"
#include "server/host_int.h"

typedef struct push {
    transient base; /* first */
    io_subscriber subscriber;
    hosted *hosted;
    pthread_mutex_t waking; /* held while the query is woken, so that it does not go meanwhile */
    hosted *running; /* set while it may be woken; guarded by waking */
    const schema *shown; /* the columns of the SELECT, in its order */
    const int *result_keys; /* which of them repeat a key column */
    int key_count;
    vec *cols;
    int64_t limit; /* rows, -1: none */
    int64_t rows; /* so far; the query's task alone counts */
    atomic_bool ended;
    atomic_bool begun; /* the thread that begins it touches it no more */
} push;

/* The columns as the client sees them: those that repeat a key show the key, which a deleted row still has. */
static io_status push_rows(io_subscriber *self, const chunk *rows)
{
    push *p = container_of(self, push, subscriber);
    chunk view = *rows;
    view.schema = p->shown;
    view.cols = p->cols;
    for (int i = 0; i < p->shown->count; i++) {
        int key = p->result_keys ? p->result_keys[i] : -1;
        p->cols[i] = rows->cols[key >= 0 ? key : p->key_count + i];
    }
    io_status status = exec_stream_rows(p->base.stream, &view);
    if (status == IO_OK) p->rows += rows->count;
    return status;
}

static void end_stream(push *p, const diag *reason)
{
    if (atomic_exchange(&p->ended, true)) return;
    if (reason)
        exec_stream_end(p->base.stream, EXEC_END_ERROR, REST_SERVER_ERROR, reason->text);
    else
        exec_stream_end(p->base.stream, p->limit >= 0 && p->rows >= p->limit ? EXEC_END_LIMIT : EXEC_END_DONE, 0, NULL);
}

static void push_ended(io_subscriber *self, const diag *reason)
{
    push *p = container_of(self, push, subscriber);
    end_stream(p, reason);
    host_close_transient(&p->base);
}

/* A feed or operator failed outside of the subscriber's own path. */
static void push_failed(void *arg, hosted *h)
{
    push *p = arg;
    diag why = {0};
    hosted_error(h, &why);
    end_stream(p, &why);
    host_close_transient(&p->base);
}

static void wake_push(transient *t)
{
    push *p = container_of(t, push, base);
    pthread_mutex_lock(&p->waking);
    if (p->running) hosted_wake(p->running);
    pthread_mutex_unlock(&p->waking);
}

static void set_running(push *p, hosted *h)
{
    pthread_mutex_lock(&p->waking);
    p->running = h;
    pthread_mutex_unlock(&p->waking);
}

static void end_push(transient *t)
{
    push *p = container_of(t, push, base);
    while (!atomic_load(&p->begun)) sched_yield();
    set_running(p, NULL);
    hosted_stop(p->hosted);
    if (!atomic_exchange(&p->ended, true)) exec_stream_end(p->base.stream, EXEC_END_DONE, 0, NULL);
    /* The stream has ended, so nobody wakes it any more. */
    pthread_mutex_destroy(&p->waking);
    arena_free(p->base.mem);
}

static schema *shown_schema(arena *a, const schema *s, const int *result_keys)
{
    int count = s->count - s->key_count;
    column *columns = ARENA_ARRAY(a, column, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        columns[i] = s->columns[s->key_count + i];
        columns[i].role = result_keys && result_keys[i] >= 0 ? COLUMN_KEY : COLUMN_VALUE;
    }
    /* Not by schema_new: it would move the keys to the front. */
    schema *out = ARENA_NEW(a, schema);
    *out = (schema){.columns = columns, .count = count, .is_table = s->is_table};
    return out;
}

static str transient_id(arena *a, str from)
{
    rng dice;
    broker_time now = host_now(NULL);
    rng_seed(&dice, (uint64_t)now.mono_ms * 1000003u ^ (uint64_t)(uintptr_t)a);
    return arena_printf(a, "transient_%.*s_%llu", STR_ARG(from), (unsigned long long)(rng_u64(&dice) >> 1));
}

exec_begin host_begin_rows(host *h, const sql_session *session, const plan *root, const schema *result,
                           const int *result_keys, bool bounded, exec_stream_kind kind, str id, arena *mem,
                           exec_stream *s, str statement)
{
    push *p = ARENA_NEW(mem, push);
    p->base = (transient){
        .id = id, .statement = arena_str(mem, statement), .stream = s, .mem = mem, .end = end_push, .wake = wake_push};
    pthread_mutex_init(&p->waking, NULL);
    p->subscriber = (io_subscriber){push_rows, push_ended};
    p->shown = shown_schema(mem, result, result_keys);
    p->result_keys = result_keys;
    p->key_count = result->key_count;
    p->cols = ARENA_ARRAY(mem, vec, (size_t)p->shown->count + 1);
    p->limit = root->sink.limit;
    host_add_transient(h, &p->base);
    exec_stream_open(s, kind, id, p->shown, &p->base);
    hosted_options o = {
        .id = id, .plan = root, .subscriber = &p->subscriber, .bounded = bounded, .failed = push_failed, .arg = p};
    host_apply_settings(&session->settings, &o);
    /* A client that watches sees every change, unless it asks for fewer. */
    if (!map_get(&session->settings.values, STR("cache.max.bytes.buffering"))) o.cache_bytes = 0;
    diag d = {0};
    /* The first rows, and even the end, may come before this returns: who ends it waits for `begun`. */
    p->hosted = hosted_start(&h->env, &o, &d);
    set_running(p, p->hosted);
    if (p->hosted) {
        hosted_wake(p->hosted); /* its reader may have had room again before anybody could wake it */
    } else {
        end_stream(p, &d);
        host_close_transient(&p->base);
    }
    atomic_store(&p->begun, true);
    return EXEC_STARTED;
}

/*
 * What ksqlDB calls a scalable push query: no state, from now on, over what a persistent query writes. Here it differs
 * from others in its name alone: every push query reads the one log.
 */
static bool is_scalable(host *h, const sql_session *session, const plan *root)
{
    if (!settings_bool(&session->settings, "ksql.query.push.v2.enabled")) return false;
    const plan *p = root;
    while (p->kind == PLAN_SINK || p->kind == PLAN_PROJECT || p->kind == PLAN_FILTER) p = p->inputs[0];
    if (p->kind != PLAN_SOURCE || p->source.from_earliest) return false;
    catalog *c = host_catalog(h);
    const source *s = catalog_source(c, p->source.name);
    bool written = s && s->query_id.n > 0;
    catalog_unref(c);
    return written;
}

static str scalable_id(arena *a)
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b) memset(b, 0, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* a version 4 UUID (RFC 9562) */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    buf id = {0};
    buf_add_z(&id, "SCALABLE_PUSH_QUERY_");
    for (int i = 0; i < 16; i++) buf_printf(&id, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    str out = arena_str(a, buf_str(&id));
    buf_free(&id);
    return out;
}

exec_begin host_begin_push(host *h, const sql_session *session, const sql_result *r, arena *mem, exec_stream *s,
                           str statement)
{
    const planned *p = r->push;
    str id = is_scalable(h, session, p->root) ? scalable_id(mem) : transient_id(mem, r->push_id);
    return host_begin_rows(h, session, p->root, p->schema, p->result_keys, false, EXEC_PUSH, id, mem, s, statement);
}
