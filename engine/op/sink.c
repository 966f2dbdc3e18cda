/*
 * engine/op/sink.c - the end of a query: rows become records of a topic, or go to the subscriber of a push query.
 *
 * Rows are encoded as they come and appended together: at the end of a step, or when enough are there.
 */
#include <stdlib.h>

#include "base/datepattern.h"
#include "base/hash.h"
#include "engine/format/format.h"
#include "engine/op/op.h"

enum { SEND_ROWS = 4096, SEND_BYTES = 1 << 20 };

/* One encoded record: places in `bytes`. */
typedef struct pending {
    uint32_t key_at, key_n, value_at, value_n;
    bool key_null, value_null;
    int32_t partition;
    int64_t timestamp;
    const headers *headers;
} pending;

typedef struct sink {
    op base;
    int output;
    format_codec *key, *value;
    const datepattern *pattern;
    bool bare_key, bare_value; /* one unwrapped column: its NULL is a null key or value */
    buf bytes;
    pending *rows;
    io_out *out;
    uint32_t count, cap;
    arena *mem; /* headers of pending records */
} sink;

static uint32_t add_pending(sink *s)
{
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 1024;
        s->rows = realloc(s->rows, cap * sizeof *s->rows);
        s->out = realloc(s->out, cap * sizeof *s->out);
        check(s->rows && s->out);
        s->cap = cap;
    }
    return s->count++;
}

/* Appends what is pending. IO_BLOCKED keeps it. */
static io_status sink_send(sink *s)
{
    if (s->count == 0) return IO_OK;
    const char *base = s->bytes.data;
    for (uint32_t i = 0; i < s->count; i++) {
        const pending *p = &s->rows[i];
        s->out[i] = (io_out){
            .key = str_of(base + p->key_at, p->key_n),
            .value = str_of(base + p->value_at, p->value_n),
            .key_null = p->key_null,
            .value_null = p->value_null,
            .partition = p->partition,
            .timestamp = p->timestamp,
            .headers = p->headers,
        };
    }
    io_sink *to = s->base.env->options->sink;
    io_status st = to->ops->append(to, s->output, s->out, s->count, s->base.env->error);
    if (st != IO_OK) {
        if (st == IO_FAILED) op_report(&s->base, PROCLOG_PRODUCTION, NULL, 0, str_z(s->base.env->error->text));
        return st;
    }
    s->base.stats.bytes += s->bytes.len;
    s->base.stats.rows_out += s->count;
    s->count = 0;
    buf_clear(&s->bytes);
    arena_reset(s->mem);
    return IO_OK;
}

/* The record's time: the row's, or that of the sink's timestamp column. False: none, the row is dropped. */
static bool record_time(sink *s, const chunk *c, uint32_t row, int64_t *out)
{
    int at = s->base.step->sink.timestamp.column;
    *out = c->rowtime[row];
    if (at < 0 || (c->flags[row] & ROW_VALUE_NULL)) return true;
    const vec *v = &c->cols[at];
    diag d = {0};
    if (vec_is_null(v, row))
        diag_set(&d, DIAG_INVALID, "the timestamp column is NULL");
    else if (v->type->kind != TYPE_STRING)
        *out = v->l[row];
    else
        datepattern_parse_timestamp(s->pattern, v->s[row], s->base.env->func.zone, out, &d);
    if (!diag_is_set(&d) && *out < 0) diag_set(&d, DIAG_INVALID, "the timestamp is negative");
    if (!diag_is_set(&d)) return true;
    buf b = {0};
    buf_printf(&b, "Failed to extract timestamp from row: %s", d.text);
    op_report(&s->base, PROCLOG_RECORD, c, row, buf_str(&b));
    buf_free(&b);
    return false;
}

static bool write_failed(sink *s, const chunk *c, uint32_t row, str why)
{
    op_report(&s->base, PROCLOG_SERIALIZATION, c, row, why);
    return diag_set(s->base.env->error, DIAG_INVALID, "a row cannot be written to topic %.*s: %.*s",
                    STR_ARG(s->base.step->sink.topic), STR_ARG(why));
}

static inline bool write_row(sink *s, const chunk *c, uint32_t row)
{
    pending p = {.timestamp = c->rowtime[row], .partition = -1};
    if (unlikely(s->base.step->sink.timestamp.column >= 0) && !record_time(s, c, row, &p.timestamp)) return true;
    str why;
    const schema *sc = c->schema;
    p.key_at = (uint32_t)s->bytes.len;
    p.key_null = sc->key_count == 0 || (c->flags[row] & ROW_KEY_NULL) || (s->bare_key && vec_is_null(&c->cols[0], row));
    if (!p.key_null) {
        if (!format_write(s->key, c->cols, row, &s->bytes, &why)) return write_failed(s, c, row, why);
        p.partition = hash_partition(s->bytes.data + p.key_at, s->bytes.len - p.key_at, s->base.step->sink.partitions);
        if (sc->window != WINDOW_NONE)
            format_add_window(sc->window, c->window_start[row], c->window_end[row], &s->bytes);
    }
    p.key_n = (uint32_t)(s->bytes.len - p.key_at);
    p.value_at = (uint32_t)s->bytes.len;
    p.value_null = (c->flags[row] & ROW_VALUE_NULL) ||
                   (s->bare_value && sc->count > sc->key_count && vec_is_null(&c->cols[sc->key_count], row));
    if (!p.value_null && !format_write(s->value, c->cols, row, &s->bytes, &why)) return write_failed(s, c, row, why);
    p.value_n = (uint32_t)(s->bytes.len - p.value_at);
    if (unlikely(c->headers && c->headers[row])) {
        const headers *from = c->headers[row];
        headers *h = ARENA_NEW(s->mem, headers);
        header *items = ARENA_ARRAY(s->mem, header, from->n);
        for (uint32_t i = 0; i < from->n; i++) {
            items[i] = (header){arena_str(s->mem, from->items[i].key), arena_str(s->mem, from->items[i].value),
                                from->items[i].value_null};
        }
        *h = (headers){from->n, items};
        p.headers = h;
    }
    uint32_t at = (uint32_t)add_pending(s); /* may move the rows: before they are indexed */
    s->rows[at] = p;
    return true;
}

static bool sink_push(op *o, int side, chunk *c)
{
    sink *s = (sink *)o;
    for (uint32_t k = 0; k < c->count; k++) {
        if (!write_row(s, c, chunk_row(c, k))) return false;
    }
    if (s->count >= SEND_ROWS || s->bytes.len >= SEND_BYTES) return sink_send(s) != IO_FAILED;
    return true;
}

static bool sink_blocked(op *o)
{
    return sink_send((sink *)o) != IO_OK;
}

static void sink_close(op *o)
{
    sink *s = (sink *)o;
    buf_free(&s->bytes);
    free(s->rows);
    free(s->out);
    arena_free(s->mem);
}

static const op_class sink_class = {.name = "SINK", .push = sink_push, .blocked = sink_blocked, .close = sink_close};

/* ---- subscribers ---------------------------------------------------------------------------------------------- */

typedef struct held {
    struct held *next;
    arena *mem;
    chunk *rows;
} held;

typedef struct deliver {
    op base;
    int64_t left; /* rows until LIMIT; -1: no limit */
    held *first, **last;
} deliver;

static bool deliver_blocked(op *o)
{
    deliver *s = (deliver *)o;
    io_subscriber *to = o->env->options->subscriber;
    while (s->first) {
        held *h = s->first;
        if (to->push(to, h->rows) != IO_OK) return true;
        s->first = h->next;
        if (!s->first) s->last = &s->first;
        arena_free(h->mem); /* h lives in it */
    }
    if (s->left == 0) *o->env->ended = true;
    return false;
}

/* A stream's record without a value is no row for a client (ksqlDB's TransientQueryQueue). */
static void drop_null_events(chunk *c)
{
    uint16_t *sel = chunk_selection(c);
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        if (!(c->flags[sel[k]] & ROW_VALUE_NULL)) sel[n++] = sel[k];
    }
    c->count = n;
}

static bool deliver_push(op *o, int side, chunk *c)
{
    deliver *s = (deliver *)o;
    io_subscriber *to = o->env->options->subscriber;
    if (!to) return true; /* the query only keeps a table */
    if (!c->schema->is_table) drop_null_events(c);
    if (s->left >= 0) {
        if ((uint64_t)c->count > (uint64_t)s->left) {
            chunk_selection(c);
            c->count = (uint32_t)s->left;
        }
        s->left -= c->count;
    }
    if (c->count == 0) return true;
    o->stats.rows_out += c->count;
    if (!s->first && to->push(to, c) == IO_OK) {
        if (s->left == 0) *o->env->ended = true;
        return true;
    }
    arena *mem = arena_new();
    held *h = ARENA_NEW(mem, held);
    *h = (held){NULL, mem, chunk_copy(mem, c)};
    *s->last = h;
    s->last = &h->next;
    return true;
}

static void deliver_close(op *o)
{
    deliver *s = (deliver *)o;
    while (s->first) {
        held *h = s->first;
        s->first = h->next;
        arena_free(h->mem);
    }
}

static const op_class deliver_class = {
    .name = "SINK", .push = deliver_push, .blocked = deliver_blocked, .close = deliver_close};

op *sink_open(op_env *env, const plan *p, int output)
{
    if (p->sink.topic.n == 0) {
        deliver *s = ARENA_NEW(env->life, deliver);
        op_init(&s->base, &deliver_class, env, p, NULL, 0);
        s->left = p->sink.limit;
        s->last = &s->first;
        if (s->left == 0) *env->ended = true;
        return &s->base;
    }
    check(env->options->sink != NULL && p->sink.partitions > 0);
    sink *s = ARENA_NEW(env->life, sink);
    op_init(&s->base, &sink_class, env, p, NULL, 0);
    s->base.topic = p->sink.topic;
    s->output = output;
    s->mem = arena_new();
    const plan_sink *spec = &p->sink;
    s->key = format_open(env->life, &spec->key_format, p->schema, FORMAT_KEY, NULL, env->error);
    s->value = format_open(env->life, &spec->value_format, p->schema, FORMAT_VALUE, NULL, env->error);
    if (!s->key || !s->value) return NULL;
    bool one_value = p->schema->count - p->schema->key_count == 1;
    s->bare_key = p->schema->key_count == 1 && spec->key_format.kind != FORMAT_DELIMITED && !spec->key_format.wrapped;
    s->bare_value = one_value && (spec->value_format.kind == FORMAT_KAFKA ||
                                  (spec->value_format.kind != FORMAT_DELIMITED && !spec->value_format.wrapped));
    if (spec->key_format.kind == FORMAT_KAFKA) s->bare_key = true;
    if (spec->timestamp.column >= 0 && p->schema->columns[spec->timestamp.column].type->kind == TYPE_STRING) {
        s->pattern = datepattern_compile(env->life, spec->timestamp.format, env->error);
        if (!s->pattern) return NULL;
    }
    return &s->base;
}
