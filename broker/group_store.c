/* Records of groups and offsets in __consumer_offsets: writing them, and reading them back at start. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/cgroup.h"
#include "broker/group.h"

/* Versions of Kafka's record formats (OffsetCommitKey/Value, GroupMetadataKey/Value) that are written. */
enum { KEY_OFFSET = 1, KEY_GROUP = 2, VALUE_OFFSET = 3, VALUE_GROUP = 3, RECORDS_EXPANDED_MAX = 256 << 20 };

/* ---- appending ----------------------------------------------------------------------------------------- */

kafka_error coordinator_append(broker_partition *p, const batch_record *records, size_t n, int64_t producer_id,
                               int16_t epoch, int64_t *end)
{
    diag d = {0};
    *end = 0;
    plog *log = broker_partition_log(p, &d);
    if (!log) return KAFKA_KAFKA_STORAGE_ERROR;
    batch_builder builder = {0};
    batch_options options = batch_options_plain();
    options.producer_id = producer_id;
    options.producer_epoch = epoch;
    options.transactional = producer_id >= 0;
    kafka_error error = KAFKA_NONE;
    /* Several batches when one would be larger than the topic allows. */
    size_t limit = (size_t)plog_rules(log).max_bytes;
    for (size_t i = 0; i < n && error == KAFKA_NONE;) {
        batch_begin(&builder, &options);
        do batch_add(&builder, &records[i++]);
        while (i < n && batch_builder_size(&builder) + batch_record_bound(&records[i]) <= limit);
        uint8_t *data;
        size_t size;
        if (!batch_finish(&builder, &data, &size, &d)) {
            error = KAFKA_UNKNOWN_SERVER_ERROR;
            break;
        }
        batch_checked checked;
        plog_appended out = {.error = KAFKA_NONE};
        batch_trust(data, size, &checked);
        if (plog_append(log, &checked, PLOG_COORDINATOR, atomic_load(&p->b->wall_ms), &out))
            *end = out.last_offset + 1;
        else
            error = out.error;
        batch_checked_free(&checked);
    }
    batch_builder_free(&builder);
    if (error == KAFKA_NONE)
        partition_note_append(p);
    else
        log_error("broker", "append to %s-%d: error %d", p->topic->name, p->index, error);
    return error;
}

broker_partition *group_partition(broker *b, str group_id)
{
    diag d = {0};
    int32_t n = topic_internal(b, TOPIC_OFFSETS, &d);
    if (n > 0) return partition_by_name(b, STR(TOPIC_OFFSETS), coordinator_partition(group_id, n));
    log_error("broker", "%s", d.text);
    return NULL;
}

static wire_out classic(buf *b)
{
    return (wire_out){b, false};
}

static str group_key(buf *out, const char *id)
{
    wire_out o = classic(out);
    wire_put_i16(&o, KEY_GROUP);
    wire_put_str(&o, str_z(id));
    return buf_str(out);
}

static str offset_key(buf *out, const char *id, str topic_name, int32_t partition)
{
    wire_out o = classic(out);
    wire_put_i16(&o, KEY_OFFSET);
    wire_put_str(&o, str_z(id));
    wire_put_str(&o, topic_name);
    wire_put_i32(&o, partition);
    return buf_str(out);
}

static str text_or_null(const char *z)
{
    return z ? str_z(z) : WIRE_NULL;
}

static void put_members(wire_out *o, const group *g)
{
    void *value;
    wire_put_len(o, (int32_t)map_count(&g->members));
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        wire_put_str(o, str_z(m->id));
        wire_put_nstr(o, m->instance);
        wire_put_str(o, m->client_id);
        wire_put_str(o, m->client_host);
        wire_put_i32(o, m->rebalance_ms);
        wire_put_i32(o, m->session_ms);
        wire_put_blob(o, member_metadata(m, g->protocol));
        wire_put_blob(o, str_of(m->assignment ? m->assignment : "", m->assignment_len));
    }
}

kafka_error group_store(group *g, broker_partition *p, int64_t *end)
{
    buf key = {0}, value = {0};
    wire_out o = classic(&value);
    wire_put_i16(&o, VALUE_GROUP);
    wire_put_str(&o, str_z(g->protocol_type));
    wire_put_i32(&o, g->generation);
    wire_put_nstr(&o, text_or_null(g->protocol));
    wire_put_nstr(&o, text_or_null(g->leader));
    wire_put_i64(&o, g->state_ms);
    put_members(&o, g);
    batch_record record = {group_key(&key, g->id), buf_str(&value), g->b->now.wall_ms, NULL, 0};
    kafka_error error = coordinator_append(p, &record, 1, -1, -1, end);
    buf_free(&key);
    buf_free(&value);
    return error;
}

kafka_error group_store_gone(group *g, broker_partition *p, int64_t *end)
{
    size_t n = map_count(&g->offsets) + 1;
    batch_record *records = calloc(n, sizeof *records);
    buf *keys = calloc(n, sizeof *keys);
    check(records && keys);
    size_t i = 0;
    void *value;
    for (size_t it = 0; map_next(&g->offsets, &it, NULL, &value); i++) {
        const group_offset *o = value;
        records[i].key = offset_key(&keys[i], g->id, str_z(o->topic), o->partition);
    }
    records[i].key = group_key(&keys[i], g->id);
    for (size_t k = 0; k < n; k++) records[k].timestamp = g->b->now.wall_ms;
    kafka_error error = coordinator_append(p, records, n, -1, -1, end);
    for (size_t k = 0; k < n; k++) buf_free(&keys[k]);
    free(records);
    free(keys);
    if (error == KAFKA_NONE && g->consumer) {
        cwrites w = {.a = arena_new(), .now_ms = g->b->now.wall_ms};
        cwrite_group_gone(&w, g);
        error = cwrites_append(&w, p, end);
        arena_free(w.a);
    }
    return error;
}

/* ---- offsets in memory --------------------------------------------------------------------------------- */

static str offset_id(buf *out, str topic_name, int32_t partition)
{
    buf_clear(out);
    write_i32(out, partition);
    buf_add_str(out, topic_name);
    return buf_str(out);
}

const group_offset *group_offset_find(const group *g, str topic_name, int32_t partition)
{
    buf id = {0};
    group_offset *o = map_get(&g->offsets, offset_id(&id, topic_name, partition));
    buf_free(&id);
    return o;
}

static void offset_clear(group_offset *o)
{
    free(o->topic);
    free((char *)o->metadata.p);
}

/* Takes over the texts of o. */
static void take_offset(group *g, const group_offset *o)
{
    buf id = {0};
    group_offset *copy = malloc(sizeof *copy);
    check(copy);
    *copy = *o;
    group_offset *old = map_put(&g->offsets, offset_id(&id, str_z(o->topic), o->partition), copy);
    if (old) {
        offset_clear(old);
        free(old);
    }
    buf_free(&id);
}

static void drop_offset(group *g, str topic_name, int32_t partition)
{
    buf id = {0};
    group_offset *old = map_remove(&g->offsets, offset_id(&id, topic_name, partition));
    if (old) {
        offset_clear(old);
        free(old);
    }
    buf_free(&id);
}

static group_offset make_offset(const offset_write *w, int64_t commit_ms)
{
    group_offset o = {
        .partition = w->partition, .offset = w->offset, .leader_epoch = w->leader_epoch, .commit_ms = commit_ms};
    group_set_text(&o.topic, w->topic);
    char *metadata = malloc(w->metadata.n + 1);
    check(metadata);
    if (w->metadata.n > 0) memcpy(metadata, w->metadata.p, w->metadata.n);
    o.metadata = str_of(metadata, w->metadata.n);
    return o;
}

static str producer_key(const int64_t *producer_id)
{
    return str_of((const char *)producer_id, sizeof *producer_id);
}

static void note_txn_offset(group *g, int64_t producer_id, const offset_write *w, int64_t commit_ms)
{
    txn_offsets *t = map_get(&g->txns, producer_key(&producer_id));
    if (!t) {
        t = calloc(1, sizeof *t);
        check(t);
        t->producer_id = producer_id;
        map_put(&g->txns, producer_key(&producer_id), t);
    }
    if (t->len == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->list = realloc(t->list, t->cap * sizeof t->list[0]);
        check(t->list);
    }
    t->list[t->len++] = make_offset(w, commit_ms);
}

bool group_offset_pending(const group *g, str topic_name, int32_t partition)
{
    void *value;
    for (size_t it = 0; map_next(&g->txns, &it, NULL, &value);) {
        const txn_offsets *t = value;
        for (size_t i = 0; i < t->len; i++)
            if (t->list[i].partition == partition && str_eqz(topic_name, t->list[i].topic)) return true;
    }
    return false;
}

static void end_group_txn(group *g, int64_t producer_id, bool commit)
{
    txn_offsets *t = map_remove(&g->txns, producer_key(&producer_id));
    if (!t) return;
    for (size_t i = 0; i < t->len; i++) {
        if (commit)
            take_offset(g, &t->list[i]);
        else
            offset_clear(&t->list[i]);
    }
    free(t->list);
    free(t);
}

void groups_end_txn(broker *b, int32_t partition, int64_t producer_id, bool commit)
{
    diag d = {0};
    int32_t partitions = topic_internal(b, TOPIC_OFFSETS, &d);
    group *g;
    for (size_t it = 0; partitions > 0 && group_next(b, &it, &g);) {
        if (map_count(&g->txns) == 0 || coordinator_partition(str_z(g->id), partitions) != partition) continue;
        end_group_txn(g, producer_id, commit);
    }
}

/* ---- writing offsets ----------------------------------------------------------------------------------- */

static str offset_value(buf *out, const offset_write *w, int64_t commit_ms)
{
    if (!w->metadata.p) return WIRE_NULL;
    wire_out o = classic(out);
    wire_put_i16(&o, VALUE_OFFSET);
    wire_put_i64(&o, w->offset);
    wire_put_i32(&o, w->leader_epoch);
    wire_put_str(&o, w->metadata);
    wire_put_i64(&o, commit_ms);
    return buf_str(out);
}

kafka_error group_write_offsets(group *g, broker_partition *p, const offset_write *list, size_t n, int64_t producer_id,
                                int16_t epoch, int64_t *end)
{
    int64_t now = g->b->now.wall_ms;
    batch_record *records = calloc(n, sizeof *records);
    buf *bytes = calloc(2 * n, sizeof *bytes);
    check(records && bytes);
    for (size_t i = 0; i < n; i++) {
        records[i].key = offset_key(&bytes[2 * i], g->id, list[i].topic, list[i].partition);
        records[i].value = offset_value(&bytes[2 * i + 1], &list[i], now);
        records[i].timestamp = now;
    }
    kafka_error error = coordinator_append(p, records, n, producer_id, epoch, end);
    for (size_t i = 0; i < n && error == KAFKA_NONE; i++) {
        if (!list[i].metadata.p) {
            drop_offset(g, list[i].topic, list[i].partition);
        } else if (producer_id >= 0) {
            note_txn_offset(g, producer_id, &list[i], now);
        } else {
            group_offset o = make_offset(&list[i], now);
            take_offset(g, &o);
        }
    }
    for (size_t i = 0; i < 2 * n; i++) buf_free(&bytes[i]);
    free(records);
    free(bytes);
    return error;
}

/* ---- reading back -------------------------------------------------------------------------------------- */

bool coordinator_read(broker_partition *p,
                      bool (*fn)(void *arg, batch_iter *it, const uint8_t *batch, size_t n, diag *d), void *arg,
                      diag *d)
{
    plog *log = broker_partition_log(p, d);
    if (!log) return false;
    if (plog_start(log) >= plog_end(log)) return true;
    plog_reader *source = plog_reader_new(log, plog_start(log));
    batch_iter it = {0};
    bool ok = true;
    while (ok) {
        const uint8_t *data;
        size_t n;
        plog_read_status status = plog_read(source, PLOG_READ_UNCOMMITTED, 1 << 20, true, &data, &n, d);
        if (status == PLOG_READ_END) break;
        ok = status == PLOG_READ_OK;
        while (ok && n > 0) {
            batch_header h;
            batch_header_read(data, &h);
            size_t size = (size_t)batch_size(&h);
            check(size <= n);
            ok = batch_iter_open(&it, data, size, RECORDS_EXPANDED_MAX, d) && fn(arg, &it, data, size, d);
            data += size;
            n -= size;
        }
    }
    batch_iter_free(&it);
    plog_reader_free(source);
    return ok;
}

static void load_offset(broker *b, wire_in *key, const batch_record_view *r, const batch_header *h)
{
    str group_id = wire_str(key);
    offset_write w = {.topic = wire_str(key), .partition = wire_i32(key)};
    if (wire_failed(key)) return;
    if (!r->value.p) {
        group *known = group_find(b, group_id);
        if (known) drop_offset(known, w.topic, w.partition);
        return;
    }
    wire_in in = wire_in_of(r->value.p, r->value.n, false);
    int16_t version = wire_i16(&in);
    w.offset = wire_i64(&in);
    w.leader_epoch = version >= 3 ? wire_i32(&in) : -1;
    w.metadata = wire_ntext(&in);
    int64_t commit_ms = wire_i64(&in);
    if (wire_failed(&in) || version < 0 || version > 3) return;
    group *g = group_make(b, group_id);
    if (h->attributes & BATCH_TRANSACTIONAL) {
        note_txn_offset(g, h->producer_id, &w, commit_ms);
    } else {
        group_offset o = make_offset(&w, commit_ms);
        take_offset(g, &o);
    }
}

static void load_group(broker *b, wire_in *key, const batch_record_view *r)
{
    str group_id = wire_str(key);
    if (wire_failed(key)) return;
    group *known = group_find(b, group_id);
    if (!r->value.p) {
        bool bare = known && !known->consumer && map_count(&known->offsets) == 0 && map_count(&known->txns) == 0;
        if (bare)
            group_drop(known);
        else if (known && !known->consumer)
            group_clear_members(known, KAFKA_UNKNOWN_MEMBER_ID); /* it became one of the new protocol */
        return;
    }
    wire_in in = wire_in_of(r->value.p, r->value.n, false);
    int16_t version = wire_i16(&in);
    str type = wire_str(&in);
    int32_t generation = wire_i32(&in);
    str protocol = wire_nstr(&in);
    str leader = wire_nstr(&in);
    int64_t state_ms = version >= 2 ? wire_i64(&in) : -1;
    int32_t n = wire_len(&in, 20);
    if (wire_failed(&in) || version < 0 || version > 3) return;
    group_loaded loaded = {group_id, type, protocol, leader, generation, state_ms};
    group *g = group_restore(b, &loaded);
    for (int32_t i = 0; i < n && !wire_failed(&in); i++) {
        str id = wire_str(&in);
        join_args args = {.instance = version >= 3 ? wire_nstr(&in) : WIRE_NULL};
        args.client_id = wire_str(&in);
        args.client_host = wire_str(&in);
        args.rebalance_ms = version >= 1 ? wire_i32(&in) : -1;
        args.session_ms = wire_i32(&in);
        if (args.rebalance_ms < 0) args.rebalance_ms = args.session_ms;
        group_protocol only = {protocol.p ? protocol : STR(""), wire_blob(&in)};
        str assignment = wire_blob(&in);
        args.protocols = &only;
        args.protocols_len = 1;
        if (!wire_failed(&in)) group_restore_member(g, id, &args, assignment);
    }
}

typedef struct load_place {
    broker *b;
    int32_t partition;
} load_place;

static bool load_batch(void *arg, batch_iter *it, const uint8_t *batch, size_t n, diag *d)
{
    load_place *place = arg;
    bool commit;
    int32_t epoch;
    if (it->header.attributes & BATCH_CONTROL) {
        if (batch_marker_read(batch, n, &commit, &epoch)) {
            group *g;
            for (size_t at = 0; group_next(place->b, &at, &g);) end_group_txn(g, it->header.producer_id, commit);
        }
        return true;
    }
    batch_record_view r;
    int got;
    while ((got = batch_iter_next(it, &r, d)) > 0) {
        if (!r.key.p) continue;
        wire_in key = wire_in_of(r.key.p, r.key.n, false);
        int16_t version = wire_i16(&key);
        if (version == 0 || version == KEY_OFFSET)
            load_offset(place->b, &key, &r, &it->header);
        else if (version == KEY_GROUP)
            load_group(place->b, &key, &r);
        else
            cgroup_load(place->b, version, &key, r.value);
    }
    return got == 0;
}

bool groups_load(broker *b, diag *d)
{
    bool ok = true;
    for (int32_t i = 0; ok; i++) {
        broker_partition *p = partition_by_name(b, STR(TOPIC_OFFSETS), i);
        if (!p) break;
        load_place place = {b, i};
        ok = coordinator_read(p, load_batch, &place, d);
        broker_partition_release(p);
    }
    group *g;
    for (size_t it = 0; group_next(b, &it, &g);)
        if (g->consumer) cgroup_resume(g);
    return ok;
}
