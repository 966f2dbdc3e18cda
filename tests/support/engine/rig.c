/* tests/support/engine/rig.c - topics, feeds and the run of a query. */
#include <check.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/support/engine/rig_int.h"

static void log_event(io_proclog *p, const proclog_event *e)
{
    rig *r = container_of(p, rig, proclog);
    pthread_mutex_lock(&r->lock);
    buf_printf(&r->log, "%d %.*s/%d@%lld %.*s\n", (int)e->kind, STR_ARG(e->topic), e->partition, (long long)e->offset,
               STR_ARG(e->message));
    pthread_mutex_unlock(&r->lock);
}

static io_status feed_read(io_feed *base, int in, uint32_t max, io_batch *out, diag *d)
{
    rig_feed *f = (rig_feed *)base;
    rig_topic_data *t = f->topics[in];
    check(!f->handed[in]);
    /* In order of arrival: only the topic of the first unread record has its turn. */
    int64_t turn = INT64_MAX, limit = INT64_MAX;
    if (f->partition < 0) {
        for (int k = 0; k < f->topic_count; k++) {
            if (f->handed[k]) return IO_EMPTY;
            int64_t first = INT64_MAX;
            for (int i = 0; i < f->topics[k]->count && first == INT64_MAX; i++) {
                const rig_record *x = &f->topics[k]->records[i];
                if (x->rec.offset >= f->next[k][x->partition]) first = x->generation;
            }
            if (k == in)
                turn = first;
            else if (first < limit)
                limit = first;
        }
        if (turn == INT64_MAX || turn > limit) return IO_EMPTY;
    }
    io_record *records = f->batch[in] = calloc(max, sizeof *records);
    check(records != NULL);
    uint32_t n = 0;
    int partition = -1;
    for (int i = 0; i < t->count && n < max; i++) {
        const rig_record *x = &t->records[i];
        if (x->rec.offset < f->next[in][x->partition]) continue;
        if (f->partition >= 0 && x->partition != f->partition) continue;
        if (f->partition < 0 && x->generation > limit) break;
        if (partition >= 0 && x->partition != partition) {
            if (f->partition < 0) break;
            continue;
        }
        partition = x->partition;
        records[n++] = x->rec;
    }
    if (n == 0) {
        free(records);
        f->batch[in] = NULL;
        return IO_EMPTY;
    }
    *out = (io_batch){.partition = partition,
                      .count = n,
                      .padded = true,
                      .records = records,
                      .next_offset = records[n - 1].offset + 1,
                      .end_offset = t->end[partition]};
    f->next[in][partition] = out->next_offset;
    f->handed[in] = true;
    return IO_OK;
}

static void feed_release(io_feed *base, int in)
{
    rig_feed *f = (rig_feed *)base;
    check(f->handed[in]);
    free(f->batch[in]);
    f->batch[in] = NULL;
    f->handed[in] = false;
}

static bool feed_may_pass(io_feed *base, int in, int64_t now)
{
    return true;
}

static bool feed_seek(io_feed *base, int in, int32_t partition, int64_t offset, diag *d)
{
    ((rig_feed *)base)->next[in][partition] = offset < 0 ? 0 : offset;
    return true;
}

static int feed_partitions(io_feed *base, int in, const io_partition **out)
{
    rig_feed *f = (rig_feed *)base;
    int n = 0;
    for (int p = 0; p < f->topics[in]->partitions; p++) {
        if (f->partition >= 0 && p != f->partition) continue;
        f->parts[in][n++] = (io_partition){p, {{1}}, 0, f->topics[in]->end[p], f->next[in][p]};
    }
    *out = f->parts[in];
    return n;
}

static void free_feed(void *arg)
{
    rig_feed *f = arg;
    for (size_t i = 0; i < ARRAY_LEN(f->batch); i++) free(f->batch[i]);
}

static io_feed *make_feed(void *ctx, const query *q, int stage, int32_t partition)
{
    static const io_feed_ops ops = {feed_read, feed_release, feed_may_pass, feed_seek, feed_partitions};
    rig *r = ctx;
    const query_input *inputs;
    int n = query_inputs(q, &inputs);
    rig_feed *f = NULL;
    /* One feed per task: the engine asks once for each source. */
    f = ARENA_NEW(r->mem, rig_feed);
    arena_on_free(r->mem, free_feed, f);
    f->base.ops = &ops;
    f->r = r;
    f->stage = stage;
    f->partition = partition;
    for (int i = 0; i < n; i++) {
        if (inputs[i].stage != stage) continue;
        f->topics[inputs[i].index] = rig_topic_of(r, inputs[i].step->source.topic);
        if (inputs[i].index >= f->topic_count) f->topic_count = inputs[i].index + 1;
    }
    return &f->base;
}

static int topic_partitions(void *ctx, str topic)
{
    return rig_topic_of(ctx, topic)->partitions;
}

rig_topic_data *rig_topic_of(rig *r, str name)
{
    for (int i = 0; i < r->topic_count; i++) {
        if (str_eq(r->topics[i].name, name)) return &r->topics[i];
    }
    rig_topic_data *t = &r->topics[r->topic_count++];
    t->name = arena_str(r->mem, name);
    t->partitions = 1;
    return t;
}

void rig_topic(rig *r, const char *topic, int partitions)
{
    rig_topic_of(r, str_z(topic))->partitions = partitions;
}

rig *rig_new(void)
{
    arena *mem = arena_new();
    rig *r = ARENA_NEW(mem, rig);
    r->mem = mem;
    r->sink.ops = rig_sink_ops();
    r->proclog.event = log_event;
    r->generation = 1;
    check(pthread_mutex_init(&r->lock, NULL) == 0);
    r->options = (query_options){
        .id = STR("CSAS_OUT_1"),
        .single_task = true,
        .sink = &r->sink,
        .proclog = &r->proclog,
        .feed = make_feed,
        .topic_partitions = topic_partitions,
        .ctx = r,
    };
    return r;
}

void rig_free(rig *r)
{
    rig_stop(r);
    for (int i = 0; i < r->topic_count; i++) free(r->topics[i].records);
    free(r->changes);
    buf_free(&r->text);
    buf_free(&r->log);
    arena_free(r->mem);
}

query_options *rig_options(rig *r)
{
    return &r->options;
}

arena *rig_arena(rig *r)
{
    return r->mem;
}

query *rig_query(rig *r)
{
    return r->q;
}

rig_record *rig_append(rig *r, rig_topic_data *t, int partition, io_record rec)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->records = realloc(t->records, (size_t)t->cap * sizeof *t->records);
        check(t->records != NULL);
    }
    rec.offset = t->end[partition]++;
    t->records[t->count] = (rig_record){.rec = rec, .partition = partition};
    return &t->records[t->count++];
}

/* A copy with 32 bytes behind it. */
static str padded(rig *r, const char *z)
{
    size_t n = strlen(z);
    char *p = arena_zalloc(r->mem, n + 32);
    memcpy(p, z, n);
    return str_of(p, n);
}

void rig_put(rig *r, const char *topic, int partition, const char *key, const char *val, int64_t timestamp)
{
    io_record rec = {.key_null = !key, .value_null = !val, .timestamp = timestamp};
    if (key) rec.key = padded(r, key);
    if (val) rec.value = padded(r, val);
    rig_append(r, rig_topic_of(r, str_z(topic)), partition, rec)->generation = ++r->arrival;
}

void rig_put_header(rig *r, const char *topic, const char *key, const char *val, int64_t timestamp,
                    const char *header_key, const char *header_value)
{
    header *h = ARENA_NEW(r->mem, header);
    *h = (header){str_z(header_key), str_z(header_value), false};
    io_record rec = {.key = padded(r, key), .value = padded(r, val), .headers = {1, h}, .timestamp = timestamp};
    rig_append(r, rig_topic_of(r, str_z(topic)), 0, rec)->generation = ++r->arrival;
}

query *rig_try_start(rig *r, const plan *sink, diag *d)
{
    rig_stop(r);
    r->out_topic = sink->sink.topic;
    r->crash = RIG_NO_CRASH;
    r->crashed = false;
    r->q = query_new(sink, &r->options, d);
    return r->q;
}

query *rig_start(rig *r, const plan *sink)
{
    diag d = {0};
    rig_try_start(r, sink, &d);
    ck_assert_msg(r->q != NULL, "%s", d.text);
    return r->q;
}

void rig_stop(rig *r)
{
    query_free(r->q);
    r->q = NULL;
}

bool rig_run(rig *r)
{
    int quiet = 0, n = query_task_count(r->q);
    for (int64_t now = 0; quiet < 2; now++) {
        bool busy = false;
        for (int i = 0; i < n; i++) {
            task_status st = task_step(query_task(r->q, i), now);
            if (st == TASK_FAILED) return false;
            busy = busy || st == TASK_MORE;
        }
        quiet = busy ? 0 : quiet + 1;
    }
    return true;
}

bool rig_commit(rig *r)
{
    if (!query_commit_begin(r->q)) return false;
    if (!rig_run(r)) return false;
    ck_assert_int_eq(query_commit_status(r->q), COMMIT_FROZEN);
    diag d = {0};
    return query_commit_write(r->q, &d);
}

static void put_text(buf *b, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e)
            buf_printf(b, "\\%02x", (unsigned char)s.p[i]);
        else
            buf_add_char(b, s.p[i]);
    }
}

static const char *records_text(rig *r, const char *topic, bool committed)
{
    const rig_topic_data *t = rig_topic_of(r, str_z(topic));
    buf_clear(&r->text);
    for (int i = 0; i < t->count; i++) {
        const rig_record *x = &t->records[i];
        if (committed && !x->committed) continue;
        if (x->rec.key_null)
            buf_add_z(&r->text, "null");
        else
            put_text(&r->text, x->rec.key);
        buf_add_char(&r->text, ' ');
        if (x->rec.value_null)
            buf_add_z(&r->text, "null");
        else
            put_text(&r->text, x->rec.value);
        buf_printf(&r->text, " @%lld\n", (long long)x->rec.timestamp);
    }
    return buf_z(&r->text);
}

const char *rig_text(rig *r, const char *topic)
{
    return records_text(r, topic, false);
}

const char *rig_committed(rig *r, const char *topic)
{
    return records_text(r, topic, true);
}

void rig_clear(rig *r, const char *topic)
{
    rig_topic_of(r, str_z(topic))->count = 0;
}

const char *rig_log(rig *r)
{
    return buf_z(&r->log);
}
