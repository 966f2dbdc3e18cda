/* Transactional ids as a whole: the table, and their records in __transaction_state. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/group.h"
#include "broker/txn.h"

struct txns {
    broker *b;
    map by_id;
    delay_timer resume; /* after a start: carries out what was decided */
};

/* ---- the table ----------------------------------------------------------------------------------------- */

txns *txns_new(void)
{
    txns *t = calloc(1, sizeof *t);
    check(t);
    return t;
}

txn *txn_find(broker *b, str id)
{
    return map_get(&b->txns->by_id, id);
}

bool txn_next(broker *b, size_t *it, txn **t)
{
    void *value;
    if (!map_next(&b->txns->by_id, it, NULL, &value)) return false;
    *t = value;
    return true;
}

txn *txn_make(broker *b, str id)
{
    txn *t = txn_find(b, id);
    if (t) return t;
    t = calloc(1, sizeof *t);
    check(t);
    t->b = b;
    t->id = strndup(id.p, id.n);
    check(t->id);
    t->producer_id = t->last_producer_id = t->next_producer_id = t->start_ms = -1;
    t->epoch = t->last_epoch = -1;
    map_put(&b->txns->by_id, id, t);
    return t;
}

void txn_note_partition(txn *t, str topic_name, int32_t partition)
{
    if (t->partitions_len == t->partitions_cap) {
        t->partitions_cap = t->partitions_cap ? t->partitions_cap * 2 : 4;
        t->partitions = realloc(t->partitions, t->partitions_cap * sizeof t->partitions[0]);
        check(t->partitions);
    }
    char *copy = strndup(topic_name.p, topic_name.n);
    check(copy);
    t->partitions[t->partitions_len++] = (txn_partition){copy, partition};
}

void txn_clear_partitions(txn *t)
{
    for (size_t i = 0; i < t->partitions_len; i++) free(t->partitions[i].topic);
    t->partitions_len = 0;
}

static void txn_free(txn *t)
{
    delay_cancel(&t->b->timers, &t->timer);
    txn_clear_partitions(t);
    free(t->partitions);
    free(t->id);
    free(t);
}

void txn_drop(txn *t)
{
    map_remove(&t->b->txns->by_id, str_z(t->id));
    txn_free(t);
}

void txns_free(broker *b)
{
    if (!b->txns) return;
    txn *t;
    for (size_t it = 0; txn_next(b, &it, &t);) txn_free(t);
    delay_cancel(&b->timers, &b->txns->resume);
    map_free(&b->txns->by_id);
    free(b->txns);
    b->txns = NULL;
}

void txns_expire(broker *b)
{
    int64_t idle_ms = broker_i64(b, "transactional.id.expiration.ms");
    txn *t;
    for (size_t it = 0; txn_next(b, &it, &t);) {
        bool idle = t->state == TXN_EMPTY || t->state == TXN_COMPLETE_COMMIT || t->state == TXN_COMPLETE_ABORT;
        if (!idle || t->pending || b->now.wall_ms - t->update_ms < idle_ms) continue;
        broker_partition *p = txn_partition_of(b, str_z(t->id));
        int64_t end;
        if (p && txn_store_gone(t, p, &end) == KAFKA_NONE) txn_drop(t);
        broker_partition_release(p);
    }
}

/* ---- records ------------------------------------------------------------------------------------------- */

broker_partition *txn_partition_of(broker *b, str id)
{
    diag d = {0};
    int32_t n = topic_internal(b, TOPIC_TXNS, &d);
    if (n > 0) return partition_by_name(b, STR(TOPIC_TXNS), coordinator_partition(id, n));
    log_error("broker", "%s", d.text);
    return NULL;
}

static str key_of(buf *out, const txn *t)
{
    wire_out o = {out, false};
    wire_put_i16(&o, 0);
    wire_put_str(&o, str_z(t->id));
    return buf_str(out);
}

/* The partitions are grouped by topic. */
static void put_partitions(wire_out *o, const txn *t)
{
    if (t->state == TXN_EMPTY) {
        wire_put_len(o, -1);
        return;
    }
    map topics = {0};
    for (size_t i = 0; i < t->partitions_len; i++) map_put(&topics, str_z(t->partitions[i].topic), &t->partitions[i]);
    wire_put_len(o, (int32_t)map_count(&topics));
    str name;
    for (size_t it = 0; map_next(&topics, &it, &name, NULL);) {
        wire_put_str(o, name);
        size_t at = o->b->len;
        int32_t n = 0;
        for (size_t i = 0; o->flexible && i < t->partitions_len; i++) n += str_eqz(name, t->partitions[i].topic);
        wire_put_len(o, n);
        n = 0;
        for (size_t i = 0; i < t->partitions_len; i++) {
            if (!str_eqz(name, t->partitions[i].topic)) continue;
            wire_put_i32(o, t->partitions[i].partition);
            n++;
        }
        wire_put_tags(o);
        if (!o->flexible) wire_patch_i32(o, at, n);
    }
    map_free(&topics);
}

/* The tagged fields of version 1: the producer ids before and after, and the version of transactions. */
static void put_v2(wire_out *o, const txn *t)
{
    enum { TAG_PREVIOUS = 0, TAG_NEXT = 1, TAG_VERSION = 2, WIDE = 8, NARROW = 2 };
    write_uvarint64(o->b, 1u + (t->last_producer_id >= 0) + (t->next_producer_id >= 0));
    if (t->last_producer_id >= 0) {
        write_uvarint64(o->b, TAG_PREVIOUS);
        write_uvarint64(o->b, WIDE);
        wire_put_i64(o, t->last_producer_id);
    }
    if (t->next_producer_id >= 0) {
        write_uvarint64(o->b, TAG_NEXT);
        write_uvarint64(o->b, WIDE);
        wire_put_i64(o, t->next_producer_id);
    }
    write_uvarint64(o->b, TAG_VERSION);
    write_uvarint64(o->b, NARROW);
    wire_put_i16(o, 2);
}

/* TransactionLogValue: version 0 as long as version 1 has nothing to say. */
kafka_error txn_store(txn *t, broker_partition *p, int64_t *end)
{
    buf key = {0}, value = {0};
    wire_out o = {&value, t->v2};
    wire_put_i16(&o, t->v2 ? 1 : 0);
    wire_put_i64(&o, t->producer_id);
    wire_put_i16(&o, t->epoch);
    wire_put_i32(&o, t->timeout_ms);
    wire_put_i8(&o, (int8_t)t->state);
    put_partitions(&o, t);
    wire_put_i64(&o, t->update_ms);
    wire_put_i64(&o, t->start_ms);
    if (t->v2) put_v2(&o, t);
    batch_record record = {key_of(&key, t), buf_str(&value), t->b->now.wall_ms, NULL, 0};
    kafka_error error = coordinator_append(p, &record, 1, -1, -1, end);
    buf_free(&key);
    buf_free(&value);
    return error;
}

kafka_error txn_store_gone(txn *t, broker_partition *p, int64_t *end)
{
    buf key = {0};
    batch_record record = {key_of(&key, t), WIRE_NULL, t->b->now.wall_ms, NULL, 0};
    kafka_error error = coordinator_append(p, &record, 1, -1, -1, end);
    buf_free(&key);
    return error;
}

/* ---- reading back -------------------------------------------------------------------------------------- */

static void load_partitions(txn *t, wire_in *in)
{
    txn_clear_partitions(t);
    int32_t topics = wire_nlen(in, 6);
    for (int32_t i = 0; i < topics && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t n = wire_len(in, 4);
        for (int32_t k = 0; k < n && !wire_failed(in); k++) {
            int32_t partition = wire_i32(in);
            if (!wire_failed(in)) txn_note_partition(t, name, partition);
        }
        wire_tags(in);
    }
}

static void load_v2(txn *t, wire_in *in)
{
    for (uint32_t n = wire_tags_begin(in); n > 0 && !wire_failed(in); n--) {
        wire_in field;
        switch (wire_tag(in, &field)) {
        case 0: t->last_producer_id = wire_i64(&field); break;
        case 1: t->next_producer_id = wire_i64(&field); break;
        case 2: t->v2 = wire_i16(&field) >= 2; break;
        default: break;
        }
    }
}

static void load_record(broker *b, const batch_record_view *r)
{
    wire_in key = wire_in_of(r->key.p, r->key.n, false);
    int16_t version = wire_i16(&key);
    str id = wire_str(&key);
    if (wire_failed(&key) || version != 0) return;
    txn *t = txn_find(b, id);
    if (!r->value.p) {
        if (t) txn_drop(t);
        return;
    }
    wire_in in = wire_in_of(r->value.p, r->value.n, false);
    int16_t value_version = wire_i16(&in);
    if (value_version < 0 || value_version > 1) return;
    in.flexible = value_version == 1;
    if (!t) t = txn_make(b, id);
    t->producer_id = wire_i64(&in);
    t->epoch = wire_i16(&in);
    t->timeout_ms = wire_i32(&in);
    int8_t state = wire_i8(&in);
    load_partitions(t, &in);
    t->update_ms = wire_i64(&in);
    t->start_ms = wire_i64(&in);
    t->last_producer_id = t->next_producer_id = -1;
    t->v2 = false;
    load_v2(t, &in);
    if (wire_failed(&in) || state < TXN_EMPTY || state > TXN_COMPLETE_ABORT) {
        log_warn("broker", "a record of transactional id %s makes no sense and is left out", t->id);
        txn_drop(t);
        return;
    }
    t->state = (txn_state)state;
}

static bool load_batch(void *arg, batch_iter *it, const uint8_t *batch, size_t n, diag *d)
{
    batch_record_view r;
    int got;
    if (it->header.attributes & BATCH_CONTROL) return true;
    while ((got = batch_iter_next(it, &r, d)) > 0)
        if (r.key.p) load_record(arg, &r);
    return got == 0;
}

static void resume(delay_timer *timer)
{
    txns *all = container_of(timer, txns, resume);
    txn *t;
    for (size_t it = 0; txn_next(all->b, &it, &t);) txn_resume(t);
}

bool txns_load(broker *b, diag *d)
{
    bool ok = true;
    for (int32_t i = 0; ok; i++) {
        broker_partition *p = partition_by_name(b, STR(TOPIC_TXNS), i);
        if (!p) break;
        ok = coordinator_read(p, load_batch, b, d);
        broker_partition_release(p);
    }
    /* Not now: syncs are asked for, and the server has no broker in its hands yet. */
    b->txns->b = b;
    b->txns->resume.fire = resume;
    if (map_count(&b->txns->by_id) > 0) broker_timer(b, &b->txns->resume, 0);
    return ok;
}
