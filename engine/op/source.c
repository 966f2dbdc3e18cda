#include "engine/op/source.h"

#include "base/datepattern.h"
#include "engine/format/format.h"
#include "engine/op/keep.h"

struct source {
    op base;
    io_feed *feed;
    int input;
    format_codec *key, *value;
    const datepattern *pattern; /* of a STRING timestamp column */
    table_store *table; /* a materialised table */
    bool needs_old;
    arena *mem; /* of the batch at hand */
    chunk *ready; /* NULL: none */
    uint32_t at; /* next selected row */
    io_batch batch;
    bool ended;
    bool failed;
    bool skipped;
    source_position *positions;
    bool *sought;
    int position_count;
};

op *source_op(source *s)
{
    return &s->base;
}

bool source_ready(const source *s)
{
    return s->ready != NULL;
}

bool source_ended(const source *s)
{
    return s->ended;
}

bool source_may_pass(source *s, int64_t now)
{
    return s->ended || s->feed->ops->may_pass(s->feed, s->input, now);
}

int64_t source_head(const source *s)
{
    return s->ready->rowtime[chunk_row(s->ready, s->at)];
}

static source_position *position_of(source *s, int32_t partition)
{
    for (int i = 0; i < s->position_count; i++) {
        if (s->positions[i].partition == partition) return &s->positions[i];
    }
    check_unreachable();
}

/* ---- decoding ----------------------------------------------------------------------------------------------- */

/* One batch that is being decoded. */
typedef struct decode {
    source *s;
    chunk *c;
    const io_record *records;
    bool *keep;
    const char *target;
} decode;

static void report_bad_record(void *ctx, uint32_t row, str message)
{
    decode *x = ctx;
    source *s = x->s;
    const io_record *rec = &x->records[row];
    x->keep[row] = false;
    s->base.stats.errors++;
    str topic = s->base.step->source.topic;
    str text = arena_printf(s->mem, "Failed to deserialize %s from topic: %.*s. %.*s", x->target, STR_ARG(topic),
                            STR_ARG(message));
    io_proclog *log = s->base.env->options->proclog;
    if (log) {
        proclog_event e = {
            .kind = PROCLOG_DESERIALIZATION,
            .query = s->base.env->query_id,
            .context = s->base.step->context,
            .message = text,
            .cause = message,
            .target = x->target,
            .topic = topic,
            .partition = s->batch.partition,
            .offset = rec->offset,
            .record = x->target[0] == 'k' ? rec->key : rec->value,
        };
        log->event(log, &e);
    }
    if (s->base.env->options->fail_on_bad_record && !s->failed) {
        s->failed = true;
        diag_set(s->base.env->error, DIAG_INVALID, "%.*s (partition %d, offset %lld)", STR_ARG(text),
                 s->batch.partition, (long long)rec->offset);
    }
}

static void became_null(void *ctx, uint32_t row)
{
    decode *x = ctx;
    x->c->flags[row] |= x->target[0] == 'k' ? ROW_KEY_NULL : ROW_VALUE_NULL;
}

static bool report_bad_time(decode *x, uint32_t row, const char *why)
{
    source *s = x->s;
    x->keep[row] = false;
    op_report(&s->base, PROCLOG_RECORD, x->c, row,
              arena_printf(s->mem, "Failed to extract timestamp from row: %s", why));
    if (!s->base.env->options->fail_on_bad_timestamp) return true;
    s->failed = true;
    return diag_set(s->base.env->error, DIAG_INVALID, "%.*s: no valid timestamp (partition %d, offset %lld)",
                    STR_ARG(s->base.topic), s->batch.partition, (long long)x->c->offset[row]);
}

/* Event times: of the record, or of the timestamp column. */
static bool set_times(decode *x, uint32_t n)
{
    source *s = x->s;
    chunk *c = x->c;
    const timestamp_spec *t = &s->base.step->source.timestamp;
    const vec *v = t->column >= 0 ? &c->cols[t->column] : NULL;
    for (uint32_t r = 0; r < n; r++) {
        c->rowtime[r] = x->records[r].timestamp;
        if (!x->keep[r]) continue;
        if (v) {
            diag d = {0};
            if (vec_is_null(v, r)) {
                if (!report_bad_time(x, r, "the timestamp column is NULL")) return false;
                continue;
            }
            if (v->type->kind != TYPE_STRING) {
                c->rowtime[r] = v->l[r];
            } else if (!datepattern_parse_timestamp(s->pattern, v->s[r], s->base.env->func.zone, &c->rowtime[r], &d)) {
                if (!report_bad_time(x, r, d.text)) return false;
                continue;
            }
        }
        if (c->rowtime[r] < 0 && !report_bad_time(x, r, "the timestamp is negative")) return false;
    }
    return true;
}

/* HEADERS and HEADER('k') columns. */
static void set_header_columns(source *s, chunk *c, const io_record *records, uint32_t n)
{
    for (int i = 0; i < c->schema->count; i++) {
        const column *col = &c->schema->columns[i];
        if (col->role != COLUMN_HEADERS && col->role != COLUMN_HEADER) continue;
        for (uint32_t r = 0; r < n; r++) {
            const headers *h = &records[r].headers;
            if (col->role == COLUMN_HEADER) {
                value v = value_null();
                for (uint32_t k = 0; k < h->n; k++) {
                    if (str_eq(h->items[k].key, col->header_key))
                        v = (value){.s = h->items[k].value, .null = h->items[k].value_null};
                }
                vec_set(&c->cols[i], r, v);
                continue;
            }
            value *items = ARENA_ARRAY(s->mem, value, (size_t)h->n + 1);
            for (uint32_t k = 0; k < h->n; k++) {
                value *fields = ARENA_ARRAY(s->mem, value, 2);
                fields[0] = (value){.s = h->items[k].key};
                fields[1] = (value){.s = h->items[k].value, .null = h->items[k].value_null};
                nested *pair = ARENA_NEW(s->mem, nested);
                *pair = (nested){2, fields, NULL};
                items[k] = (value){.nest = pair};
            }
            nested *list = ARENA_NEW(s->mem, nested);
            *list = (nested){h->n, items, NULL};
            vec_set(&c->cols[i], r, (value){.nest = list});
        }
    }
}

/* Takes the window off each key; the records are copied as their keys get shorter. */
static const io_record *split_windows(decode *x, uint32_t n)
{
    source *s = x->s;
    chunk *c = x->c;
    io_record *copy = ARENA_ARRAY(s->mem, io_record, n);
    memcpy(copy, x->records, n * sizeof *copy);
    for (uint32_t r = 0; r < n; r++) {
        c->window_start[r] = c->window_end[r] = 0;
        if (copy[r].key_null) continue;
        if (!format_split_window(c->schema->window, c->schema->window_size, &copy[r].key, &c->window_start[r],
                                 &c->window_end[r])) {
            report_bad_record(x, r, STR("the key is too short for a windowed key"));
            copy[r].key_null = true;
        }
    }
    return copy;
}

static void set_envelope(decode *x, uint32_t n)
{
    chunk *c = x->c;
    bool any_headers = false;
    for (uint32_t r = 0; r < n; r++) {
        const io_record *rec = &x->records[r];
        c->flags[r] =
            (uint8_t)(ROW_OLD_NULL | (rec->value_null ? ROW_VALUE_NULL : 0) | (rec->key_null ? ROW_KEY_NULL : 0));
        c->partition[r] = x->s->batch.partition;
        c->offset[r] = rec->offset;
        any_headers |= rec->headers.n > 0;
        x->keep[r] = true;
    }
    c->headers = NULL;
    if (!any_headers) return;
    c->headers = ARENA_ARRAY(c->mem, const headers *, n);
    for (uint32_t r = 0; r < n; r++) c->headers[r] = x->records[r].headers.n > 0 ? &x->records[r].headers : NULL;
}

/* Decodes the batch at hand into s->ready. False: the query fails. */
static bool decode_batch(source *s)
{
    const schema *sc = s->base.step->schema;
    uint32_t n = s->batch.count;
    chunk *c = chunk_new(s->mem, sc, n);
    c->rows = c->count = n;
    decode x = {s, c, s->batch.records, ARENA_ARRAY(s->mem, bool, (size_t)n + 1), "key"};
    set_envelope(&x, n);
    if (sc->window != WINDOW_NONE) x.records = split_windows(&x, n);
    format_events events = {report_bad_record, became_null, &x};
    format_read(s->key, x.records, n, s->batch.padded, c->cols, 0, s->mem, &events);
    x.target = "value";
    format_read(s->value, x.records, n, s->batch.padded, c->cols, 0, s->mem, &events);
    if (s->failed) return false;
    set_header_columns(s, c, x.records, n);
    if (!set_times(&x, n)) return false;
    uint32_t kept = 0;
    for (uint32_t r = 0; r < n; r++) {
        s->base.stats.bytes += s->batch.records[r].key.n + s->batch.records[r].value.n;
        /* A table has no place for a record without a key. */
        if (sc->is_table && (c->flags[r] & ROW_KEY_NULL)) x.keep[r] = false;
        kept += x.keep[r];
    }
    s->base.stats.rows_in += n;
    if (kept < n) op_keep(c, x.keep);
    s->ready = c;
    s->at = 0;
    return true;
}

static void finish_batch(source *s)
{
    source_position *p = position_of(s, s->batch.partition);
    p->offset = s->batch.next_offset;
    s->ready = NULL;
    s->feed->ops->release(s->feed, s->input);
}

io_status source_fill(source *s)
{
    while (!s->ready && !s->ended) {
        io_status st = s->feed->ops->read(s->feed, s->input, chunk_rows_max(), &s->batch, s->base.env->error);
        if (st == IO_END) s->ended = true;
        if (st != IO_OK) return st;
        source_position *p = position_of(s, s->batch.partition);
        p->end_offset = s->batch.end_offset;
        arena_reset(s->mem);
        if (s->batch.count > 0 && !decode_batch(s)) return IO_FAILED;
        s->skipped = s->batch.count > 0 && s->ready->count == 0;
        if (s->batch.count == 0 || s->skipped) finish_batch(s);
        if (s->skipped) return IO_EMPTY;
    }
    return s->ready ? IO_OK : IO_END;
}

bool source_skipped(source *s)
{
    bool skipped = s->skipped;
    s->skipped = false;
    return skipped;
}

/* ---- handing out ------------------------------------------------------------------------------------------------ */

/* A table's rows go through the store, which knows what they replace. */
static bool materialize(source *s, chunk *c)
{
    store_lock(s->table->rows);
    bool ok = table_store_near_rows(s->table, c, s->base.env->error);
    for (uint32_t k = 0; ok && k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (table_store_apply(s->table, c, row, s->needs_old ? c->old : NULL)) c->flags[row] &= (uint8_t)~ROW_OLD_NULL;
    }
    store_unlock(s->table->rows);
    return ok;
}

bool source_push(source *s, int64_t limit)
{
    chunk *all = s->ready;
    uint32_t from = s->at, to = from + 1;
    while (to < all->count && all->rowtime[chunk_row(all, to)] <= limit) to++;
    s->at = to;
    chunk *c = all;
    if (from > 0 || to < all->count) {
        c = arena_alloc(all->mem, sizeof *c);
        *c = *all;
        c->count = to - from;
        c->sel = arena_alloc(all->mem, sizeof(uint16_t) * (to - from));
        for (uint32_t k = from; k < to; k++) c->sel[k - from] = (uint16_t)chunk_row(all, k);
    }
    bool last = to == all->count;
    if (!last) {
        /* What has been pushed is consumed, with the holes and bad records before it. */
        position_of(s, s->batch.partition)->offset = all->offset[chunk_row(all, to)];
    }
    bool ok = (!s->table || materialize(s, c)) && op_emit(&s->base, c);
    if (last) finish_batch(s);
    return ok;
}

/* ---- positions -------------------------------------------------------------------------------------------------- */

int source_positions(source *s, const source_position **out)
{
    *out = s->positions;
    return s->position_count;
}

bool source_seek(source *s, int32_t partition, const io_topic_id *topic, int64_t offset)
{
    diag *d = s->base.env->error;
    str name = s->base.step->source.topic;
    for (int i = 0; i < s->position_count; i++) {
        source_position *p = &s->positions[i];
        if (p->partition != partition) continue;
        if (memcmp(&p->topic_id, topic, sizeof *topic) != 0)
            return diag_set(d, DIAG_STATE, "the topic %.*s is not the one that was read: it was deleted and made again",
                            STR_ARG(name));
        if (p->end_offset >= 0 && offset > p->end_offset)
            return diag_set(d, DIAG_STATE,
                            "the topic %.*s ends at offset %lld of partition %d, but was read up to %lld",
                            STR_ARG(name), (long long)p->end_offset, partition, (long long)offset);
        p->offset = offset;
        s->sought[i] = true;
        return s->feed->ops->seek(s->feed, s->input, partition, offset, d);
    }
    return true; /* a partition of another task */
}

/* Where reading begins counts as a position from now on: a start at the latest record must not move by a restart. */
static void learn_positions(source *s)
{
    const io_partition *parts;
    int n = s->feed->ops->partitions(s->feed, s->input, &parts);
    for (int i = 0; i < n; i++) {
        source_position *p = position_of(s, parts[i].partition);
        if (p && p->offset < 0) p->offset = parts[i].position;
    }
}

bool source_start(source *s)
{
    for (int i = 0; i < s->position_count; i++) {
        if (s->sought[i]) continue;
        if (!s->feed->ops->seek(s->feed, s->input, s->positions[i].partition, -1, s->base.env->error)) return false;
    }
    learn_positions(s);
    return true;
}

static void source_close(op *o)
{
    source *s = (source *)o;
    if (s->table) table_store_close(s->table);
    arena_free(s->mem);
}

static bool source_view(const op *o, const void *state, uint32_t i, chunk *c, uint32_t row)
{
    return i == 0 && table_store_view(((const source *)o)->table, state, c, row);
}

static const op_class source_class = {.name = "SOURCE", .view = source_view, .close = source_close};

source *source_open(op_env *env, const plan *p, op *next, int side, io_feed *feed, int input)
{
    source *s = ARENA_NEW(env->life, source);
    op_init(&s->base, &source_class, env, p, next, side);
    s->mem = arena_new();
    s->feed = feed;
    s->input = input;
    s->needs_old = op_needs_old(&s->base);
    const plan_source *spec = &p->source;
    s->key = format_open(env->life, &spec->key_format, p->schema, FORMAT_KEY, spec->needed, env->error);
    s->value = format_open(env->life, &spec->value_format, p->schema, FORMAT_VALUE, spec->needed, env->error);
    if (!s->key || !s->value) return NULL;
    if (spec->timestamp.column >= 0 && p->schema->columns[spec->timestamp.column].type->kind == TYPE_STRING) {
        s->pattern = datepattern_compile(env->life, spec->timestamp.format, env->error);
        if (!s->pattern) return NULL;
    }
    if (spec->materialize) {
        s->table = ARENA_NEW(env->life, table_store);
        bool nullable = spec->key_format.kind != FORMAT_KAFKA;
        if (!table_store_open(s->table, &s->base, "-Reduce", p->schema, spec->needed, nullable)) return NULL;
    }
    const io_partition *parts;
    s->position_count = feed->ops->partitions(feed, input, &parts);
    s->positions = ARENA_ARRAY(env->life, source_position, (size_t)s->position_count + 1);
    s->sought = ARENA_ARRAY(env->life, bool, (size_t)s->position_count + 1);
    for (int i = 0; i < s->position_count; i++) {
        s->positions[i] = (source_position){parts[i].partition, parts[i].topic_id, -1, parts[i].end_offset};
    }
    return s;
}
