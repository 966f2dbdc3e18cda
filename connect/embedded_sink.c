/*
 * Writes a query's outputs to the embedded logs in transactions that the query's database decides (design: commit).
 *
 * Two internal producer ids take turns, one a generation, since a marker ends all that its producer wrote before it.
 * The engine asks for a boundary (freeze), a writer thread makes the frozen outputs durable (prepare), the database
 * decides, and the markers follow (decided). Appends of the next generation go on meanwhile under the other id.
 */
#include "connect/connect.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker/batch.h"

enum {
    BATCH_BYTES = 512 * 1024, /* a batch is closed when it has this many */
    BATCH_MARGIN = 1024, /* what the header and the framing add, at most */
    PRODUCERS = 2,
    EPOCH = 0,
};

/* What one generation wrote to one partition. */
typedef struct written {
    int64_t first;
    int64_t end; /* 0: nothing */
} written;

/* One partition of one output. */
typedef struct out_part {
    broker_partition *partition;
    written by[PRODUCERS]; /* by producer: generation % 2 */
    /*
     * Something other than this generation's records may not be on disk: a marker. The database remembers the outputs
     * of one generation only, so the markers of N must be durable before N+1 is decided.
     */
    bool marker_unsynced;
} out_part;

typedef struct output {
    str topic;
    out_part *parts;
    int part_count;
    size_t batch_max;
} output;

/* Batches being built by one append call; several tasks may append to one output at once, each with one of its own. */
typedef struct appender {
    struct appender *next;
    batch_builder *builders; /* by partition, as many as the output with the most has */
    int builder_count;
    int next_part; /* for records without a key */
    buf headers;
} appender;

typedef struct sink {
    io_sink io;
    broker *broker;
    arena *mem;
    embedded_sink_options options;
    output *outputs;
    str *inputs;
    pthread_mutex_t lock; /* guards `by`, `generation` and `idle` between workers and the writer */
    appender *idle; /* appenders that nobody uses */
    int parts_max; /* partitions of the output that has the most */
    int64_t generation; /* of the appends that come now */
    io_output_position *positions; /* what prepare hands out */
} sink;

static const io_sink_ops sink_ops;

static broker_time now_of(sink *s)
{
    return s->options.now(s->options.now_arg);
}

static int64_t producer_of(const sink *s, int64_t generation)
{
    return s->options.producer_id + generation % PRODUCERS;
}

static bool open_output(sink *s, output *o, str topic, diag *d)
{
    broker_topic_info info;
    o->topic = arena_str(s->mem, topic);
    if (!broker_topic_describe(s->broker, topic, s->mem, &info)) {
        return diag_set(d, DIAG_NOT_FOUND, "topic %.*s does not exist", STR_ARG(topic));
    }
    o->parts = ARENA_ARRAY(s->mem, out_part, (size_t)info.partitions);
    o->part_count = info.partitions;
    o->batch_max = BATCH_BYTES;
    str text;
    int64_t limit;
    if (broker_topic_config(s->broker, topic, STR("max.message.bytes"), s->mem, &text) && str_to_i64(text, &limit) &&
        limit < BATCH_BYTES + BATCH_MARGIN) {
        o->batch_max = limit > 2 * BATCH_MARGIN ? (size_t)(limit - BATCH_MARGIN) : BATCH_MARGIN;
    }
    for (int32_t i = 0; i < info.partitions; i++) {
        o->parts[i].partition = broker_partition_get(s->broker, topic, i);
        if (!o->parts[i].partition) {
            return diag_set(d, DIAG_NOT_FOUND, "topic %.*s has no partition %d", STR_ARG(topic), i);
        }
    }
    return true;
}

io_sink *embedded_sink_new(broker *b, const embedded_sink_options *options, diag *d)
{
    arena *mem = arena_new();
    sink *s = ARENA_NEW(mem, sink);
    s->io = (io_sink){&sink_ops, IO_DECIDES_STORE};
    s->broker = b;
    s->mem = mem;
    s->options = *options;
    s->options.transactional_id = arena_str(mem, options->transactional_id);
    s->outputs = ARENA_ARRAY(mem, output, (size_t)options->topic_count);
    s->inputs = ARENA_ARRAY(mem, str, (size_t)options->input_count);
    s->generation = 1;
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 0; i < options->input_count; i++) s->inputs[i] = arena_str(mem, options->inputs[i]);
    int partitions = 0;
    for (int i = 0; i < options->topic_count; i++) {
        if (!open_output(s, &s->outputs[i], options->topics[i], d)) {
            embedded_sink_free(&s->io);
            return NULL;
        }
        partitions += s->outputs[i].part_count;
        if (s->outputs[i].part_count > s->parts_max) s->parts_max = s->outputs[i].part_count;
    }
    s->positions = ARENA_ARRAY(mem, io_output_position, (size_t)partitions);
    return &s->io;
}

void embedded_sink_free(io_sink *io)
{
    if (!io) return;
    sink *s = container_of(io, sink, io);
    for (int i = 0; i < s->options.topic_count; i++) {
        output *o = &s->outputs[i];
        for (int k = 0; k < o->part_count; k++) broker_partition_release(o->parts[k].partition);
    }
    while (s->idle) {
        appender *a = s->idle;
        s->idle = a->next;
        for (int i = 0; i < a->builder_count; i++) batch_builder_free(&a->builders[i]);
        free(a->builders);
        buf_free(&a->headers);
        free(a);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        broker_producer_show(s->broker, s->options.producer_id + i, EPOCH, STR(""), false, (broker_time){0});
    }
    pthread_mutex_destroy(&s->lock);
    arena_free(s->mem);
}

/* ---- appending --------------------------------------------------------------------------------------------- */

static appender *take_appender(sink *s)
{
    pthread_mutex_lock(&s->lock);
    appender *a = s->idle;
    if (a) s->idle = a->next;
    pthread_mutex_unlock(&s->lock);
    if (a) return a;
    a = calloc(1, sizeof *a);
    check(a != NULL);
    a->builder_count = s->parts_max;
    a->builders = calloc((size_t)s->parts_max, sizeof *a->builders);
    check(a->builders != NULL);
    return a;
}

static void give_appender(sink *s, appender *a)
{
    for (int i = 0; i < a->builder_count; i++) a->builders[i].count = 0;
    pthread_mutex_lock(&s->lock);
    a->next = s->idle;
    s->idle = a;
    pthread_mutex_unlock(&s->lock);
}

static bool flush_part(sink *s, out_part *p, batch_builder *builder, diag *d)
{
    uint8_t *data;
    size_t n;
    int64_t base;
    int32_t count = builder->count;
    if (count == 0) return true;
    if (!batch_finish(builder, &data, &n, d)) return false;
    if (!broker_append(p->partition, data, n, now_of(s), &base, d)) return false;
    builder->count = 0;
    pthread_mutex_lock(&s->lock);
    written *w = &p->by[s->generation % PRODUCERS];
    if (w->end == 0 || base < w->first) w->first = base;
    if (base + count > w->end) w->end = base + count;
    pthread_mutex_unlock(&s->lock);
    return true;
}

static void begin_batch(sink *s, batch_builder *builder)
{
    batch_options options = batch_options_plain();
    options.producer_id = producer_of(s, s->generation);
    options.producer_epoch = EPOCH;
    options.transactional = true;
    batch_begin(builder, &options);
}

/* The headers of the record that caused the row, in the broker's form; they live in *mem. */
static void convert_headers(const io_out *r, buf *mem, batch_record *out)
{
    buf_clear(mem);
    for (uint32_t i = 0; i < r->headers->n; i++) {
        const header *h = &r->headers->items[i];
        batch_record_header to = {h->key, h->value_null ? (str){NULL, 0} : h->value};
        if (!h->value_null && !to.value.p) to.value.p = "";
        buf_add(mem, &to, sizeof to);
    }
    out->headers = (const batch_record_header *)(const void *)mem->data;
    out->header_count = (int)r->headers->n;
}

/* A slice that is null only when it should be. */
static str present(str s, bool null)
{
    if (null) return (str){NULL, 0};
    return s.p ? s : (str){"", 0};
}

static bool add_record(sink *s, output *o, appender *a, const io_out *r, diag *d)
{
    int32_t index = r->partition;
    if (index < 0) index = a->next_part = (a->next_part + 1) % o->part_count;
    check(index < o->part_count);
    batch_builder *builder = &a->builders[index];
    batch_record record = {
        .key = present(r->key, r->key_null), .value = present(r->value, r->value_null), .timestamp = r->timestamp};
    if (r->headers && r->headers->n > 0) convert_headers(r, &a->headers, &record);
    size_t need = batch_record_bound(&record);
    bool full = builder->count > 0 && batch_builder_size(builder) + need > o->batch_max;
    if (full && !flush_part(s, &o->parts[index], builder, d)) return false;
    if (builder->count == 0) begin_batch(s, builder);
    batch_add(builder, &record);
    return true;
}

/* Every call ends in appended batches: what a task has produced is readable when its step ends. */
static io_status sink_append(io_sink *io, int index, const io_out *records, uint32_t count, diag *d)
{
    sink *s = container_of(io, sink, io);
    output *o = &s->outputs[index];
    appender *a = take_appender(s);
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++) ok = add_record(s, o, a, &records[i], d);
    for (int i = 0; ok && i < o->part_count; i++) ok = flush_part(s, &o->parts[i], &a->builders[i], d);
    give_appender(s, a);
    return ok ? IO_OK : IO_FAILED;
}

/* ---- commits ------------------------------------------------------------------------------------------------ */

static void sink_freeze(io_sink *io, int64_t generation)
{
    sink *s = container_of(io, sink, io);
    pthread_mutex_lock(&s->lock);
    check(generation == s->generation);
    s->generation = generation + 1;
    pthread_mutex_unlock(&s->lock);
}

/* What was consumed must be on disk before anything refers to it (design: order on disk). */
static bool sync_inputs(sink *s, diag *d)
{
    arena *mem = arena_new();
    bool ok = true;
    for (int i = 0; ok && i < s->options.input_count; i++) {
        broker_topic_info info;
        if (!broker_topic_describe(s->broker, s->inputs[i], mem, &info)) continue;
        for (int32_t k = 0; ok && k < info.partitions; k++) {
            broker_partition *p = broker_partition_get(s->broker, s->inputs[i], k);
            if (!p) continue;
            plog *log = broker_partition_log(p, d);
            ok = log && (plog_synced_end(log) >= plog_end(log) || broker_partition_sync(p, d));
            broker_partition_release(p);
        }
    }
    arena_free(mem);
    return ok;
}

static bool sink_prepare(io_sink *io, int64_t generation, const io_output_position **out, int *count, diag *d)
{
    sink *s = container_of(io, sink, io);
    int n = 0;
    for (int i = 0; i < s->options.topic_count; i++) {
        output *o = &s->outputs[i];
        for (int32_t k = 0; k < o->part_count; k++) {
            pthread_mutex_lock(&s->lock);
            written w = o->parts[k].by[generation % PRODUCERS];
            bool marker = o->parts[k].marker_unsynced;
            pthread_mutex_unlock(&s->lock);
            if (w.end == 0 && !marker) continue;
            if (!broker_partition_sync(o->parts[k].partition, d)) return false;
            o->parts[k].marker_unsynced = false;
            if (w.end == 0) continue;
            io_output_position *position = &s->positions[n++];
            *position = (io_output_position){.topic = o->topic,
                                             .partition = k,
                                             .producer_id = producer_of(s, generation),
                                             .epoch = EPOCH,
                                             .first_offset = w.first,
                                             .end_offset = w.end};
            memcpy(position->topic_id.bytes, broker_partition_topic_id(o->parts[k].partition), 16);
        }
    }
    if (!sync_inputs(s, d)) return false;
    *out = s->positions;
    *count = n;
    return true;
}

/* Appends the generation's markers wherever it wrote. */
static bool end_generation(sink *s, int64_t generation, bool commit, diag *d)
{
    for (int i = 0; i < s->options.topic_count; i++) {
        for (int32_t k = 0; k < s->outputs[i].part_count; k++) {
            out_part *p = &s->outputs[i].parts[k];
            pthread_mutex_lock(&s->lock);
            bool wrote = p->by[generation % PRODUCERS].end != 0;
            pthread_mutex_unlock(&s->lock);
            if (!wrote) continue;
            if (!broker_append_marker(p->partition, producer_of(s, generation), EPOCH, commit, now_of(s), NULL, d)) {
                return false;
            }
            pthread_mutex_lock(&s->lock);
            p->marker_unsynced = true;
            p->by[generation % PRODUCERS] = (written){0};
            pthread_mutex_unlock(&s->lock);
        }
    }
    return true;
}

static bool sink_commit(io_sink *io, int64_t generation, const io_input_position *inputs, int input_count,
                        io_changes *changes, bool *decided, diag *d)
{
    *decided = false;
    return diag_set(d, DIAG_INTERNAL, "the embedded sink's commits are decided by the query's database");
}

static bool sink_decided(io_sink *io, int64_t generation, diag *d)
{
    return end_generation(container_of(io, sink, io), generation, true, d);
}

static void sink_dropped(io_sink *io, int64_t generation)
{
    sink *s = container_of(io, sink, io);
    diag ignored = {0};
    if (generation >= 0) {
        end_generation(s, generation, false, &ignored);
        return;
    }
    for (int i = 0; i < PRODUCERS; i++) {
        diag_clear(&ignored);
        end_generation(s, i, false, &ignored);
    }
}

/* ---- recovery ------------------------------------------------------------------------------------------------- */

/* Whether this producer's open transaction in this partition is the one that the database has decided. */
static bool is_decided(sink *s, const output *o, int32_t index, const plog_producer *producer,
                       const io_output_position *stored, int count)
{
    const uint8_t *id = broker_partition_topic_id(o->parts[index].partition);
    for (int i = 0; i < count; i++) {
        const io_output_position *w = &stored[i];
        if (w->partition == index && w->producer_id == producer->producer_id && str_eq(w->topic, o->topic) &&
            memcmp(w->topic_id.bytes, id, 16) == 0 && producer->txn_start >= w->first_offset &&
            producer->txn_start < w->end_offset) {
            return true;
        }
    }
    return false;
}

static bool resolve_part(sink *s, const output *o, int32_t index, const io_output_position *stored, int count, diag *d)
{
    broker_partition *partition = o->parts[index].partition;
    plog *log = broker_partition_log(partition, d);
    if (!log) return false;
    /* Also what the last run wrote may still be in the page cache alone. */
    o->parts[index].marker_unsynced = true;
    for (int i = 0; i < PRODUCERS; i++) {
        plog_producer producer;
        if (!plog_producer_get(log, s->options.producer_id + i, &producer) || producer.txn_start < 0) continue;
        bool commit = is_decided(s, o, index, &producer, stored, count);
        if (!broker_append_marker(partition, producer.producer_id, EPOCH, commit, now_of(s), NULL, d)) return false;
    }
    return true;
}

static bool sink_recover(io_sink *io, int64_t stored, const io_output_position *outputs, int output_count,
                         int64_t *generation, const io_input_position **inputs, int *input_count,
                         bool (*apply)(void *ctx, const io_change *c, diag *d), void *ctx, diag *d)
{
    sink *s = container_of(io, sink, io);
    for (int i = 0; i < s->options.topic_count; i++) {
        for (int32_t k = 0; k < s->outputs[i].part_count; k++) {
            if (!resolve_part(s, &s->outputs[i], k, outputs, output_count, d)) return false;
        }
    }
    s->generation = stored + 1;
    *generation = stored;
    for (int i = 0; i < PRODUCERS; i++) {
        broker_producer_show(s->broker, s->options.producer_id + i, EPOCH, s->options.transactional_id, false,
                             now_of(s));
    }
    return true;
}

static const io_sink_ops sink_ops = {
    .append = sink_append,
    .freeze = sink_freeze,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .decided = sink_decided,
    .dropped = sink_dropped,
    .recover = sink_recover,
};
