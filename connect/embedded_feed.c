/* Reads the partitions of a task's inputs from the embedded logs, as a Kafka consumer would read them. */
#include "connect/connect.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker/batch.h"
#include "connect/aborted.h"

enum {
    READ_BYTES = 256 * 1024, /* of one read of a log: a chunk of 250-byte records fits */
    EXPANDED_MAX = 256 * 1024 * 1024, /* most bytes that one compressed batch may expand to */
};

/* One partition of one input. */
typedef struct part {
    broker_partition *partition;
    plog *log;
    plog_reader *reader;
    broker_watch watch;
    bool watched;
    int64_t limit; /* bounded feeds end here; INT64_MAX otherwise */
    /* What the last read returned and is not handed out yet. */
    const uint8_t *data;
    size_t left;
    batch_iter iter;
    bool in_batch;
    int64_t position; /* next offset that the task will see */
    aborted_filter aborted;
} part;

typedef struct input {
    str topic;
    bool from_earliest;
    part *parts;
    int part_count;
    int turn; /* the partition to look at first */
    io_partition *shown;
    io_record *records; /* of the unreleased batch */
    uint32_t records_cap;
    arena *headers;
    bool unreleased;
} input;

typedef struct feed {
    io_feed io;
    broker *broker;
    arena *mem;
    embedded_feed_options options;
    input *inputs;
    atomic_bool paused;
} feed;

static const io_feed_ops feed_ops;

static void wake_task(void *arg, broker_partition *p)
{
    feed *f = arg;
    f->options.wake(f->options.wake_arg);
}

static bool open_part(feed *f, input *in, part *p, int32_t index, diag *d)
{
    p->partition = broker_partition_get(f->broker, in->topic, index);
    if (!p->partition) return diag_set(d, DIAG_NOT_FOUND, "topic %.*s has no partition %d", STR_ARG(in->topic), index);
    p->log = broker_partition_log(p->partition, d);
    if (!p->log) return false;
    p->limit = INT64_MAX;
    if (f->options.bounded) p->limit = f->options.read_committed ? plog_last_stable(p->log) : plog_end(p->log);
    p->position = in->from_earliest ? plog_start(p->log) : plog_end(p->log);
    p->reader = plog_reader_new(p->log, p->position);
    if (f->options.wake) {
        broker_watch_add(p->partition, &p->watch, wake_task, f);
        p->watched = true;
    }
    return true;
}

static bool open_input(feed *f, input *in, diag *d)
{
    broker_topic_info info;
    if (!broker_topic_describe(f->broker, in->topic, f->mem, &info)) {
        return diag_set(d, DIAG_NOT_FOUND, "topic %.*s does not exist", STR_ARG(in->topic));
    }
    int32_t first = f->options.partition < 0 ? 0 : f->options.partition;
    int32_t count = f->options.partition < 0 ? info.partitions : 1;
    if (first + count > info.partitions) {
        return diag_set(d, DIAG_STATE, "topic %.*s has %d partitions, a task wants number %d", STR_ARG(in->topic),
                        info.partitions, first);
    }
    in->parts = ARENA_ARRAY(f->mem, part, (size_t)count);
    in->shown = ARENA_ARRAY(f->mem, io_partition, (size_t)count);
    in->part_count = count;
    in->headers = arena_new();
    for (int i = 0; i < count; i++) {
        if (!open_part(f, in, &in->parts[i], first + i, d)) return false;
    }
    return true;
}

io_feed *embedded_feed_new(broker *b, const embedded_feed_options *options, diag *d)
{
    arena *mem = arena_new();
    feed *f = ARENA_NEW(mem, feed);
    f->io.ops = &feed_ops;
    f->broker = b;
    f->mem = mem;
    f->options = *options;
    f->inputs = ARENA_ARRAY(mem, input, (size_t)options->input_count);
    for (int i = 0; i < options->input_count; i++) {
        f->inputs[i].topic = arena_str(mem, options->inputs[i].topic);
        f->inputs[i].from_earliest = options->inputs[i].from_earliest;
    }
    f->options.inputs = NULL;
    for (int i = 0; i < options->input_count; i++) {
        if (!open_input(f, &f->inputs[i], d)) {
            embedded_feed_free(&f->io);
            return NULL;
        }
    }
    return &f->io;
}

void embedded_feed_free(io_feed *io)
{
    if (!io) return;
    feed *f = container_of(io, feed, io);
    for (int i = 0; i < f->options.input_count; i++) {
        input *in = &f->inputs[i];
        for (int k = 0; k < in->part_count; k++) {
            part *p = &in->parts[k];
            if (p->watched) broker_watch_remove(p->partition, &p->watch);
            if (p->reader) plog_reader_free(p->reader);
            batch_iter_free(&p->iter);
            aborted_filter_free(&p->aborted);
            broker_partition_release(p->partition);
        }
        free(in->records);
        arena_free(in->headers);
    }
    arena_free(f->mem);
}

void embedded_feed_pause(io_feed *io, bool paused)
{
    atomic_store(&container_of(io, feed, io)->paused, paused);
}

/* Refills p->data from the log. IO_OK, IO_EMPTY, IO_END or IO_FAILED. */
static io_status refill(feed *f, const input *in, part *p, diag *d)
{
    if (p->position >= p->limit) return IO_END;
    plog_isolation isolation = f->options.read_committed ? PLOG_READ_COMMITTED : PLOG_READ_UNCOMMITTED;
    int64_t from = plog_reader_offset(p->reader);
    plog_read_status got = plog_read(p->reader, isolation, READ_BYTES, true, &p->data, &p->left, d);
    if (got == PLOG_READ_END || got == PLOG_READ_WAIT) {
        p->left = 0;
        return IO_EMPTY;
    }
    if (got == PLOG_READ_ERROR && plog_reader_error(p->reader) == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        diag_clear(d);
        diag_set(d, DIAG_NOT_FOUND, "topic %.*s was deleted", STR_ARG(in->topic));
    }
    if (got == PLOG_READ_ERROR) return IO_FAILED;
    int64_t to = plog_reader_offset(p->reader);
    if (f->options.read_committed && !aborted_filter_load(&p->aborted, p->log, from, to, d)) return IO_FAILED;
    return IO_OK;
}

/* Steps into the next batch of p->data that has records for the task; false at the end of the data or on an error. */
static bool next_batch(part *p, diag *d)
{
    while (p->left > 0) {
        batch_header h;
        batch_header_read(p->data, &h);
        size_t size = (size_t)batch_size(&h);
        const uint8_t *bytes = p->data;
        p->data += size;
        p->left -= size;
        /* The filter sees every batch: it is the marker that ends an aborted transaction. */
        bool dropped = aborted_filter_drops(&p->aborted, &h, bytes, size);
        bool skip = dropped || (h.attributes & BATCH_CONTROL) != 0 || batch_last_offset(&h) < p->position;
        if (skip) {
            if (batch_last_offset(&h) >= p->position) p->position = batch_last_offset(&h) + 1;
            continue;
        }
        if (!batch_iter_open(&p->iter, bytes, size, EXPANDED_MAX, d)) return false;
        p->in_batch = true;
        return true;
    }
    return false;
}

static void copy_headers(input *in, batch_record_view *view, headers *out)
{
    header *items = ARENA_ARRAY(in->headers, header, (size_t)view->header_count);
    uint32_t n = 0;
    str name, bytes;
    while (n < (uint32_t)view->header_count && batch_header_next(view, &name, &bytes)) {
        items[n++] = (header){.key = name, .value = bytes, .value_null = bytes.p == NULL};
    }
    *out = (headers){n, items};
}

/* Moves records of the open batch to in->records; stops at max and at the end of the batch. */
static bool take_records(input *in, part *p, uint32_t max, uint32_t *count, diag *d)
{
    while (*count < max) {
        batch_record_view view;
        int got = batch_iter_next(&p->iter, &view, d);
        if (got < 0) return false;
        if (got == 0) {
            p->in_batch = false;
            int64_t last = batch_last_offset(&p->iter.header);
            if (last >= p->position) p->position = last + 1;
            return true;
        }
        if (view.offset < p->position) continue;
        p->position = view.offset + 1;
        io_record *r = &in->records[(*count)++];
        *r = (io_record){.key = view.key,
                         .value = view.value,
                         .key_null = view.key.p == NULL,
                         .value_null = view.value.p == NULL,
                         .timestamp = view.timestamp,
                         .offset = view.offset};
        if (view.header_count > 0) copy_headers(in, &view, &r->headers);
    }
    return true;
}

/*
 * Hands out records of one partition. A compressed batch lies in the iterator's buffer, so no second one is opened
 * before the records of the first are released.
 */
static io_status read_part(feed *f, input *in, part *p, uint32_t max, io_batch *out, diag *d)
{
    int64_t before = p->position;
    uint32_t count = 0;
    /* What is buffered may hold nothing more: the batch that the last read came to the end of. */
    while (count == 0 && p->position == before) {
        if (!p->in_batch && p->left == 0) {
            io_status got = refill(f, in, p, d);
            if (got != IO_OK) return got;
        }
        if (p->position >= p->limit) return IO_END;
        while (count < max && p->position < p->limit) {
            if (!p->in_batch && !next_batch(p, d)) break;
            if (!take_records(in, p, max, &count, d)) break;
            if (batch_codec_of(&p->iter.header) != CODEC_NONE && count > 0) break;
        }
        if (diag_is_set(d)) return IO_FAILED;
    }
    *out = (io_batch){.partition = broker_partition_index(p->partition),
                      .count = count,
                      .records = in->records,
                      .next_offset = p->position,
                      .end_offset = f->options.read_committed ? plog_last_stable(p->log) : plog_end(p->log)};
    return IO_OK;
}

static io_status feed_read(io_feed *io, int index, uint32_t max, io_batch *out, diag *d)
{
    feed *f = container_of(io, feed, io);
    input *in = &f->inputs[index];
    check(!in->unreleased);
    if (atomic_load_explicit(&f->paused, memory_order_relaxed)) return IO_EMPTY;
    if (in->records_cap < max) {
        in->records = realloc(in->records, max * sizeof *in->records);
        check(in->records != NULL);
        in->records_cap = max;
    }
    int ended = 0;
    for (int i = 0; i < in->part_count; i++) {
        part *p = &in->parts[(in->turn + i) % in->part_count];
        io_status got = read_part(f, in, p, max, out, d);
        if (got == IO_END) ended++;
        if (got == IO_OK) {
            in->turn = (in->turn + i + 1) % in->part_count;
            in->unreleased = true;
        }
        if (got == IO_OK || got == IO_FAILED) return got;
    }
    return ended == in->part_count ? IO_END : IO_EMPTY;
}

static void feed_release(io_feed *io, int index)
{
    input *in = &container_of(io, feed, io)->inputs[index];
    check(in->unreleased);
    in->unreleased = false;
    arena_reset(in->headers);
}

/* On one node an input that is empty has nothing acknowledged that was not read: nobody is waited for. */
static bool feed_may_pass(io_feed *io, int index, int64_t now)
{
    return true;
}

static part *find_part(input *in, int32_t partition)
{
    for (int i = 0; i < in->part_count; i++) {
        if (broker_partition_index(in->parts[i].partition) == partition) return &in->parts[i];
    }
    return NULL;
}

static bool feed_seek(io_feed *io, int index, int32_t partition, int64_t offset, diag *d)
{
    feed *f = container_of(io, feed, io);
    input *in = &f->inputs[index];
    part *p = find_part(in, partition);
    if (!p) return diag_set(d, DIAG_STATE, "topic %.*s has no partition %d", STR_ARG(in->topic), partition);
    if (offset < 0) offset = in->from_earliest ? plog_start(p->log) : plog_end(p->log);
    if (offset > plog_end(p->log)) {
        return diag_set(d, DIAG_STATE, "the stored offset %lld of %.*s-%d lies beyond the end of the log (%lld)",
                        (long long)offset, STR_ARG(in->topic), partition, (long long)plog_end(p->log));
    }
    if (offset < plog_start(p->log)) offset = plog_start(p->log);
    plog_reader_seek(p->reader, offset);
    p->position = offset;
    p->left = 0;
    p->in_batch = false;
    aborted_filter_clear(&p->aborted);
    return true;
}

static int feed_partitions(io_feed *io, int index, const io_partition **out)
{
    input *in = &container_of(io, feed, io)->inputs[index];
    for (int i = 0; i < in->part_count; i++) {
        part *p = &in->parts[i];
        in->shown[i] = (io_partition){.partition = broker_partition_index(p->partition),
                                      .start_offset = plog_start(p->log),
                                      .end_offset = plog_end(p->log),
                                      .position = p->position};
        memcpy(in->shown[i].topic_id.bytes, broker_partition_topic_id(p->partition), 16);
    }
    *out = in->shown;
    return in->part_count;
}

static const io_feed_ops feed_ops = {
    .read = feed_read,
    .release = feed_release,
    .may_pass = feed_may_pass,
    .seek = feed_seek,
    .partitions = feed_partitions,
};
