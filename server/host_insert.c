/* INSERT INTO ... VALUES: one record, written as any producer with acks=all writes it. */
#include "base/check.h"
#include "base/hash.h"
#include "broker/batch.h"
#include "engine/format/format.h"
#include "server/host_int.h"

typedef struct record {
    buf key, value;
    bool key_null;
} record;

static bool write_side(arena *mem, const source *s, format_side side, const vec *cols, buf *out, diag *d)
{
    const source_format *f = side == FORMAT_KEY ? &s->key_format : &s->value_format;
    format_codec *codec = format_open(mem, &f->spec, s->schema, side, NULL, d);
    str message;
    if (!codec) return false;
    if (format_write(codec, cols, 0, out, &message)) return true;
    return diag_set(d, DIAG_INVALID, "Could not serialize %s: %.*s", side == FORMAT_KEY ? "key" : "row",
                    STR_ARG(message));
}

static bool encode(arena *mem, const effect *e, record *r, diag *d)
{
    const source *s = e->src;
    vec *cols = ARENA_ARRAY(mem, vec, (size_t)s->schema->count);
    for (int i = 0; i < s->schema->count; i++) {
        cols[i] = vec_new(mem, s->schema->columns[i].type, 1);
        vec_set(&cols[i], 0, e->values[i]);
    }
    r->key_null = e->key_null || s->schema->key_count == 0;
    if (!r->key_null && !write_side(mem, s, FORMAT_KEY, cols, &r->key, d)) return false;
    return write_side(mem, s, FORMAT_VALUE, cols, &r->value, d);
}

static bool append(host *h, const effect *e, const record *r, int32_t partitions, diag *d)
{
    static atomic_uint turn;
    int32_t index = r->key_null ? (int32_t)(atomic_fetch_add(&turn, 1) % (unsigned)partitions)
                                : hash_partition(r->key.data, r->key.len, partitions);
    broker_partition *p = broker_partition_get(h->options.broker, e->src->topic, index);
    if (!p) return diag_set(d, DIAG_NOT_FOUND, "topic %.*s does not exist", STR_ARG(e->src->topic));
    batch_builder builder = {0};
    batch_options options = batch_options_plain();
    batch_begin(&builder, &options);
    batch_record out = {.value = {r->value.data ? r->value.data : "", r->value.len}, .timestamp = e->rowtime};
    if (!r->key_null) out.key = (str){r->key.data ? r->key.data : "", r->key.len};
    batch_add(&builder, &out);
    uint8_t *data;
    size_t n;
    bool ok = batch_finish(&builder, &data, &n, d) && broker_append(p, data, n, host_now(NULL), NULL, d) &&
              broker_partition_sync(p, d);
    batch_builder_free(&builder);
    broker_partition_release(p);
    return ok;
}

bool host_insert(host *h, const effect *e, diag *d)
{
    arena *mem = arena_new();
    record r = {0};
    broker_topic_info info;
    bool ok = broker_topic_describe(h->options.broker, e->src->topic, mem, &info) ||
              diag_set(d, DIAG_NOT_FOUND, "topic %.*s does not exist", STR_ARG(e->src->topic));
    ok = ok && encode(mem, e, &r, d) && append(h, e, &r, info.partitions, d);
    buf_free(&r.key);
    buf_free(&r.value);
    arena_free(mem);
    return ok;
}
