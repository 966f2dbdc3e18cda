#include "server/test_log.h"

#include "base/check.h"
#include "base/hash.h"

test_topic *test_log_find(const test_log *l, str name)
{
    return map_get(&l->topics, name);
}

test_topic *test_log_create(test_log *l, str name, int partitions, int replicas)
{
    check(partitions > 0 && !test_log_find(l, name));
    test_topic *t = ARENA_NEW(l->a, test_topic);
    t->name = arena_str(l->a, name);
    t->partitions = partitions;
    t->replicas = replicas;
    t->next_offset = ARENA_ARRAY(l->a, int64_t, (size_t)partitions);
    if (l->count == l->cap) {
        int cap = l->cap ? 2 * l->cap : 16;
        test_topic **grown = ARENA_ARRAY(l->a, test_topic *, (size_t)cap);
        for (int i = 0; i < l->count; i++) grown[i] = l->order[i];
        l->order = grown;
        l->cap = cap;
    }
    l->order[l->count++] = t;
    map_put(&l->topics, name, t);
    return t;
}

void test_log_delete(test_log *l, str name)
{
    test_topic *t = map_remove(&l->topics, name);
    if (!t) return;
    int n = 0;
    for (int i = 0; i < l->count; i++) {
        if (l->order[i] != t) l->order[n++] = l->order[i];
    }
    l->count = n;
}

/* Bytes with room behind them: readers of JSON look at whole blocks. */
enum { PADDING = 64 };

static str keep_bytes(arena *a, str s)
{
    char *p = arena_zalloc(a, s.n + PADDING);
    if (s.n) memcpy(p, s.p, s.n);
    return (str){p, s.n};
}

static headers keep_headers(arena *a, const headers *h)
{
    if (!h) return (headers){0};
    header *items = ARENA_ARRAY(a, header, h->n + 1);
    for (uint32_t i = 0; i < h->n; i++) {
        items[i] = (header){arena_str(a, h->items[i].key), keep_bytes(a, h->items[i].value), h->items[i].value_null};
    }
    return (headers){h->n, items};
}

/* Kafka's default partitioner: murmur2 of the key without its sign bit. */
static int32_t partition_of(test_topic *t, const io_out *r)
{
    if (r->partition >= 0) return r->partition < t->partitions ? r->partition : r->partition % t->partitions;
    if (r->key_null) return t->spread++ % t->partitions;
    return (int32_t)(hash_murmur2(r->key.p, r->key.n) & 0x7fffffff) % t->partitions;
}

test_record *test_log_append(test_log *l, test_topic *t, const io_out *r)
{
    if (t->count == t->cap) {
        int cap = t->cap ? 2 * t->cap : 32;
        test_record *grown = ARENA_ARRAY(l->a, test_record, (size_t)cap);
        for (int i = 0; i < t->count; i++) grown[i] = t->records[i];
        t->records = grown;
        t->cap = cap;
    }
    test_record *to = &t->records[t->count++];
    to->partition = partition_of(t, r);
    to->record = (io_record){.key = keep_bytes(l->a, r->key),
                             .value = keep_bytes(l->a, r->value),
                             .key_null = r->key_null,
                             .value_null = r->value_null,
                             .headers = keep_headers(l->a, r->headers),
                             .timestamp = r->timestamp,
                             .offset = t->next_offset[to->partition]++};
    return to;
}

/* ---- feed ------------------------------------------------------------------------------------------------- */

/* One input of a feed. */
typedef struct feed_input {
    io_partition *partitions;
    int partition_count;
} feed_input;

typedef struct test_feed {
    io_feed base;
    arena *a;
    feed_input *inputs;
    int input_count;
    const test_turn *turns;
    int turn_count;
    int at; /* the next turn */
    int out; /* turns in the unreleased batch */
} test_feed;

/* The next run of turns of one input and partition, when it is that input's turn. */
static io_status feed_read(io_feed *base, int index, uint32_t max, io_batch *out, diag *d)
{
    test_feed *f = container_of(base, test_feed, base);
    if (f->at >= f->turn_count) return IO_END;
    if (f->out || f->turns[f->at].input != index) {
        for (int i = f->at; i < f->turn_count; i++) {
            if (f->turns[i].input == index) return IO_EMPTY;
        }
        return f->out ? IO_EMPTY : IO_END;
    }
    const test_turn *first = &f->turns[f->at];
    const test_record *from = &first->topic->records[first->record];
    io_record *records = ARENA_ARRAY(f->a, io_record, max);
    uint32_t n = 0;
    while (n < max && f->at + (int)n < f->turn_count) {
        const test_turn *t = &f->turns[f->at + (int)n];
        const test_record *r = &t->topic->records[t->record];
        if (t->input != index || r->partition != from->partition) break;
        records[n++] = r->record;
    }
    f->out = (int)n;
    *out = (io_batch){.partition = from->partition,
                      .count = n,
                      .padded = true,
                      .records = records,
                      .next_offset = records[n - 1].offset + 1,
                      .end_offset = -1};
    return IO_OK;
}

static void feed_release(io_feed *base, int index)
{
    test_feed *f = container_of(base, test_feed, base);
    f->at += f->out;
    f->out = 0;
}

static bool feed_may_pass(io_feed *base, int index, int64_t now)
{
    return true;
}

static bool feed_seek(io_feed *base, int index, int32_t partition, int64_t offset, diag *d)
{
    return true;
}

static int feed_partitions(io_feed *base, int index, const io_partition **out)
{
    test_feed *f = container_of(base, test_feed, base);
    *out = f->inputs[index].partitions;
    return f->inputs[index].partition_count;
}

static const io_feed_ops feed_ops = {feed_read, feed_release, feed_may_pass, feed_seek, feed_partitions};

io_feed *test_feed_new(arena *a, const test_topic *const *topics, int input_count, const test_turn *turns,
                       int turn_count)
{
    test_feed *f = ARENA_NEW(a, test_feed);
    *f = (test_feed){.base = {&feed_ops}, .a = a, .input_count = input_count, .turns = turns, .turn_count = turn_count};
    f->inputs = ARENA_ARRAY(a, feed_input, (size_t)input_count + 1);
    for (int i = 0; i < input_count; i++) {
        feed_input *in = &f->inputs[i];
        in->partition_count = topics[i]->partitions;
        in->partitions = ARENA_ARRAY(a, io_partition, (size_t)in->partition_count);
        for (int k = 0; k < in->partition_count; k++) {
            in->partitions[k] =
                (io_partition){.partition = k, .start_offset = 0, .end_offset = topics[i]->next_offset[k]};
        }
    }
    return &f->base;
}

/* ---- sink ------------------------------------------------------------------------------------------------- */

typedef struct test_sink {
    io_sink base;
    test_log *log;
    const str *topics;
    int count;
} test_sink;

static io_status sink_append(io_sink *base, int output, const io_out *records, uint32_t count, diag *d)
{
    test_sink *s = container_of(base, test_sink, base);
    check(output >= 0 && output < s->count);
    test_topic *t = test_log_find(s->log, s->topics[output]);
    if (!t) {
        diag_set(d, DIAG_NOT_FOUND, "The topic '%.*s' does not exist", STR_ARG(s->topics[output]));
        return IO_FAILED;
    }
    for (uint32_t i = 0; i < count; i++) test_log_append(s->log, t, &records[i]);
    return IO_OK;
}

static void sink_freeze(io_sink *base, int64_t generation)
{
}

static bool sink_prepare(io_sink *base, int64_t generation, const io_output_position **out, int *count, diag *d)
{
    *out = NULL;
    *count = 0;
    return true;
}

static bool sink_decided(io_sink *base, int64_t generation, diag *d)
{
    return true;
}

static void sink_dropped(io_sink *base, int64_t generation)
{
}

static bool sink_recover(io_sink *base, int64_t stored, const io_output_position *outputs, int output_count,
                         int64_t *generation, const io_input_position **inputs, int *input_count,
                         bool (*apply)(void *ctx, const io_change *c, diag *d), void *ctx, diag *d)
{
    *generation = stored;
    *inputs = NULL;
    *input_count = 0;
    return true;
}

static const io_sink_ops sink_ops = {
    .append = sink_append,
    .freeze = sink_freeze,
    .prepare = sink_prepare,
    .decided = sink_decided,
    .dropped = sink_dropped,
    .recover = sink_recover,
};

io_sink *test_sink_new(test_log *l, const str *topics, int count)
{
    test_sink *s = ARENA_NEW(l->a, test_sink);
    *s = (test_sink){.base = {&sink_ops, IO_DECIDES_STORE}, .log = l, .topics = topics, .count = count};
    return &s->base;
}
