/*
 * The processing log as records of a topic, in ksqlDB's JSON (reference: ProcessingLogMessage schemas). Tasks add
 * events to a buffer under a lock; a thread that may block appends them.
 */
#include "connect/connect.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "broker/batch.h"

enum {
    PENDING_MAX = 4 * 1024 * 1024, /* bytes of events that wait; more are counted and dropped */
    BATCH_BYTES = 256 * 1024,
};

typedef struct proclog_topic {
    io_proclog io;
    proclog_topic_options options;
    int32_t turn; /* the partition of the next flush; flushing thread */
    pthread_mutex_t lock;
    buf events; /* JSON texts, each followed by a zero byte */
    uint64_t dropped; /* since the last flush */
    bool made; /* the topic exists; flushing thread */
    arena *mem;
} proclog_topic;

static proclog_topic *topic_of(io_proclog *io)
{
    return container_of(io, proclog_topic, io);
}

static void member_str(json_out *o, const char *name, str text, bool null)
{
    json_out_key(o, name);
    if (null)
        json_out_null(o);
    else
        json_out_str(o, text);
}

static const char *body_name(proclog_kind kind)
{
    static const char *const names[] = {"deserializationError", "recordProcessingError", "productionError",
                                        "serializationError", "kafkaStreamsThreadError"};
    return names[kind];
}

/* What ksqlDB tells of each kind. */
static void put_body(json_out *o, const proclog_topic *p, const proclog_event *e)
{
    bool show = p->options.rows_include && e->record.n > 0;
    json_out_object(o);
    if (e->target) member_str(o, "target", str_z(e->target), false);
    member_str(o, "errorMessage", e->message, false);
    if (e->kind == PROCLOG_DESERIALIZATION) {
        buf encoded = {0};
        if (show) {
            char *to = buf_reserve(&encoded, base64_encoded_size(e->record.n));
            encoded.len = base64_encode(e->record.p, e->record.n, to);
        }
        member_str(o, "recordB64", buf_str(&encoded), !show);
        buf_free(&encoded);
    } else if (e->kind != PROCLOG_PRODUCTION) {
        member_str(o, "record", e->record, !show);
    }
    json_out_key(o, "cause");
    json_out_array(o);
    if (e->cause.n > 0) json_out_str(o, e->cause);
    json_out_end_array(o);
    member_str(o, "topic", e->topic, e->topic.n == 0);
    json_out_key(o, "partition");
    json_out_i64(o, e->partition);
    json_out_key(o, "offset");
    json_out_i64(o, e->offset);
    json_out_end_object(o);
}

static void put_event(buf *out, const proclog_topic *p, const proclog_event *e)
{
    json_out o = {.b = out};
    buf logger = {0};
    buf_printf(&logger, "processing.%.*s.", STR_ARG(e->query));
    for (size_t i = 0; i < e->context.n; i++) buf_add_char(&logger, e->context.p[i] == '-' ? '.' : e->context.p[i]);
    if (e->kind == PROCLOG_DESERIALIZATION) buf_add_z(&logger, ".deserializer");
    if (e->kind == PROCLOG_SERIALIZATION) buf_add_z(&logger, ".serializer");
    json_out_object(&o);
    member_str(&o, "level", STR("ERROR"), false);
    member_str(&o, "logger", buf_str(&logger), false);
    json_out_key(&o, "time");
    json_out_i64(&o, p->options.now(p->options.now_arg).wall_ms);
    json_out_key(&o, "message");
    json_out_object(&o);
    json_out_key(&o, "type");
    json_out_i64(&o, e->kind);
    for (int kind = PROCLOG_DESERIALIZATION; kind <= PROCLOG_THREAD; kind++) {
        json_out_key(&o, body_name((proclog_kind)kind));
        if (kind == (int)e->kind)
            put_body(&o, p, e);
        else
            json_out_null(&o);
    }
    json_out_end_object(&o);
    json_out_end_object(&o);
    buf_free(&logger);
}

static void on_event(io_proclog *io, const proclog_event *e)
{
    proclog_topic *p = topic_of(io);
    pthread_mutex_lock(&p->lock);
    if (p->events.len < PENDING_MAX) {
        put_event(&p->events, p, e);
        buf_add_char(&p->events, '\0');
    } else {
        p->dropped++;
    }
    pthread_mutex_unlock(&p->lock);
}

io_proclog *proclog_topic_new(const proclog_topic_options *options)
{
    arena *mem = arena_new();
    proclog_topic *p = ARENA_NEW(mem, proclog_topic);
    p->io.event = on_event;
    p->mem = mem;
    p->options = *options;
    p->options.topic = arena_str(mem, options->topic);
    pthread_mutex_init(&p->lock, NULL);
    return &p->io;
}

void proclog_topic_free(io_proclog *io)
{
    if (!io) return;
    proclog_topic *p = topic_of(io);
    buf_free(&p->events);
    pthread_mutex_destroy(&p->lock);
    arena_free(p->mem);
}

bool proclog_topic_pending(io_proclog *io)
{
    proclog_topic *p = topic_of(io);
    pthread_mutex_lock(&p->lock);
    bool pending = p->events.len > 0;
    pthread_mutex_unlock(&p->lock);
    return pending;
}

/* The topic is made with its first event. */
static bool make_topic(proclog_topic *p, broker *b, diag *d)
{
    if (p->made) return true;
    diag why = {0};
    if (!broker_topic_create(b, p->options.topic, p->options.partitions, NULL, 0, &why) && why.code != DIAG_EXISTS) {
        *d = why;
        return false;
    }
    p->made = true;
    return true;
}

/* Flushes take turns over what partitions the topic has. */
static broker_partition *next_partition(proclog_topic *p, broker *b)
{
    broker_partition *found = broker_partition_get(b, p->options.topic, p->turn);
    if (!found) found = broker_partition_get(b, p->options.topic, p->turn = 0);
    p->turn++;
    return found;
}

static bool append_all(proclog_topic *p, broker_partition *partition, const buf *events, diag *d)
{
    batch_builder builder = {0};
    batch_options options = batch_options_plain();
    broker_time now = p->options.now(p->options.now_arg);
    bool ok = true;
    for (size_t at = 0; ok && at < events->len;) {
        batch_begin(&builder, &options);
        while (at < events->len && batch_builder_size(&builder) < BATCH_BYTES) {
            str text = str_z(events->data + at);
            at += text.n + 1;
            batch_record r = {.value = text, .timestamp = now.wall_ms};
            batch_add(&builder, &r);
        }
        uint8_t *data;
        size_t n;
        ok = batch_finish(&builder, &data, &n, d) && broker_append(partition, data, n, now, NULL, d);
    }
    batch_builder_free(&builder);
    return ok;
}

bool proclog_topic_flush(io_proclog *io, broker *b, diag *d)
{
    proclog_topic *p = topic_of(io);
    pthread_mutex_lock(&p->lock);
    buf events = p->events;
    uint64_t dropped = p->dropped;
    p->events = (buf){0};
    p->dropped = 0;
    pthread_mutex_unlock(&p->lock);
    if (dropped > 0)
        log_warn("connect", "%llu events did not fit into the processing log", (unsigned long long)dropped);
    bool ok = make_topic(p, b, d);
    broker_partition *partition = ok ? next_partition(p, b) : NULL;
    if (ok && !partition) {
        p->made = false; /* somebody deleted it: the next flush makes it again */
        ok = diag_set(d, DIAG_NOT_FOUND, "topic %.*s was deleted", STR_ARG(p->options.topic));
    }
    ok = ok && append_all(p, partition, &events, d);
    broker_partition_release(partition);
    buf_free(&events);
    return ok;
}
