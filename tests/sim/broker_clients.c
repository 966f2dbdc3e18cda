/* The clients of the simulated broker: what they send, and what they make of the answers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker/batch.h"
#include "tests/sim/broker_world.h"

enum { BATCH_RECORDS = 4 };
/* Phases of the client with transactions. */
enum { TX_INIT, TX_READY, TX_ADD, TX_PRODUCE, TX_ADD_OFFSETS, TX_OFFSETS, TX_END };

static bool newer(const world *w)
{
    return w->o.seed % 2 == 1; /* transaction version 2 (KIP-890) */
}

/* ---- Produce ---------------------------------------------------------------------------------------------------- */

static void put_batch(world *w, const client *c, wire_out *o, int which)
{
    batch_builder b = {0};
    batch_options options = batch_options_plain();
    bool numbered = which == IDEMPOTENT || which == TRANSACTIONAL;
    if (numbered) {
        options.producer_id = c->producer_id;
        options.producer_epoch = c->epoch;
        options.base_sequence = c->sequence[c->partition];
        options.transactional = which == TRANSACTIONAL;
    }
    options.codec = c->first % 3 == 0 ? CODEC_LZ4 : CODEC_NONE;
    batch_begin(&b, &options);
    for (int32_t i = c->first; i < c->first + c->count; i++) {
        char value[24], key[8];
        snprintf(value, sizeof value, "%d", i);
        snprintf(key, sizeof key, "k%d", w->made[i].key);
        batch_record r = {
            .key = str_z(key), .value = w->made[i].tombstone ? WIRE_NULL : str_z(value), .timestamp = w->now.wall_ms};
        /* A tombstone has no value, so its number stands in a header. */
        batch_record_header number = {STR("n"), str_z(value)};
        r.headers = &number;
        r.header_count = 1;
        batch_add(&b, &r);
    }
    uint8_t *data;
    size_t n;
    diag d = {0};
    check(batch_finish(&b, &data, &n, &d));
    wire_put_blob(o, str_of((const char *)data, n));
    batch_builder_free(&b);
}

static void send_batch(world *w, int which)
{
    client *c = &w->clients[which];
    int16_t version = which == TRANSACTIONAL && newer(w) ? 12 : 9;
    buf_clear(&w->frame);
    write_i16(&w->frame, 0);
    write_i16(&w->frame, version);
    write_i32(&w->frame, ++w->correlation);
    wire_out classic = {&w->frame, false}, o = {&w->frame, true};
    wire_put_nstr(&classic, STR("sim"));
    wire_put_tags(&o);
    wire_put_nstr(&o, which == TRANSACTIONAL ? STR("tx") : WIRE_NULL);
    wire_put_i16(&o, c->acks);
    wire_put_i32(&o, 1000);
    wire_put_len(&o, 1);
    wire_put_str(&o, str_z(world_topic(which)));
    wire_put_len(&o, 1);
    wire_put_i32(&o, c->partition);
    put_batch(w, c, &o, which);
    for (int i = 0; i < 3; i++) wire_put_tags(&o);
    world_send_frame(w, c, 0, version);
    if (c->acks == 0) c->waiting = false;
}

static void make_records(world *w, int which)
{
    client *c = &w->clients[which];
    c->count = 1 + (int32_t)rng_below(&w->r, BATCH_RECORDS);
    c->first = w->made_len;
    for (int32_t i = 0; i < c->count; i++) {
        int32_t id = world_make(w, which, c->partition);
        made *m = &w->made[id];
        m->key = (uint8_t)rng_below(&w->r, KEYS);
        m->tombstone = which == COMPACTED && rng_below(&w->r, 8) == 0;
        if (which == TRANSACTIONAL) m->txn = w->txns_len - 1;
    }
}

/* The error of a Produce's answer; *offset is that of its first record. */
static int16_t produced(wire_in *in, int64_t *offset)
{
    wire_len(in, 1);
    wire_str(in);
    wire_len(in, 1);
    wire_i32(in);
    int16_t error = wire_i16(in);
    *offset = wire_i64(in);
    return error;
}

static void note_produced(world *w, const client *c, int64_t offset)
{
    for (int32_t i = 0; i < c->count; i++) {
        made *m = &w->made[c->first + i];
        if (c->acks == -1) w->result->acknowledged++;
        m->certainty = c->acks == -1 ? SURE : CACHED;
        if (offset >= 0) m->offset = offset + i;
    }
}

/* An error that only a disk that fails can be the cause of. */
static bool expected(world *w, int16_t error, const char *what)
{
    if (error != 0) w->result->failures++;
    if (error != 0 && !w->o.errors) world_fail(w, "%s is answered with error %d", what, error);
    return error == 0;
}

static void step_plain(world *w, int which)
{
    client *c = &w->clients[which];
    wire_in in;
    int64_t offset;
    if (c->waiting) {
        if (!world_take(w, c, &in)) return;
        if (expected(w, produced(&in, &offset), "Produce")) note_produced(w, c, offset);
        return;
    }
    c->partition = which == COMPACTED ? 0 : (int32_t)rng_below(&w->r, PARTITIONS);
    static const int16_t kinds[] = {-1, -1, 1, 0};
    c->acks = which == COMPACTED ? -1 : kinds[rng_below(&w->r, 4)];
    make_records(w, which);
    send_batch(w, which);
}

/* ---- the idempotent producer ------------------------------------------------------------------------------------ */

static bool took_producer(world *w, client *c, wire_in *in)
{
    wire_i32(in);
    int16_t error = wire_i16(in);
    int64_t id = wire_i64(in);
    int16_t epoch = wire_i16(in);
    if (error == KAFKA_CONCURRENT_TRANSACTIONS || !expected(w, error, "InitProducerId")) return false;
    c->producer_id = id;
    c->epoch = epoch;
    memset(c->sequence, 0, sizeof c->sequence);
    return true;
}

static void step_idempotent(world *w)
{
    client *c = &w->clients[IDEMPOTENT];
    wire_in in;
    int64_t offset;
    if (c->waiting) {
        if (!world_take(w, c, &in)) return;
        if (c->key == 22) {
            took_producer(w, c, &in);
            return;
        }
        if (!expected(w, produced(&in, &offset), "an idempotent Produce")) return; /* the same again */
        note_produced(w, c, offset);
        c->pending[c->partition] = false;
        c->sequence[c->partition] += c->count;
        return;
    }
    if (c->producer_id < 0) {
        world_send(w, c, 22, 4, "n i=60000 q=-1 h=-1");
        return;
    }
    c->partition = (int32_t)rng_below(&w->r, PARTITIONS);
    c->acks = -1;
    int32_t p = c->partition;
    if (!c->pending[p]) {
        make_records(w, IDEMPOTENT);
        c->pending[p] = true;
        c->pending_first[p] = c->first;
        c->pending_count[p] = c->count;
    }
    c->first = c->pending_first[p];
    c->count = c->pending_count[p];
    send_batch(w, IDEMPOTENT);
}

/* ---- transactions ----------------------------------------------------------------------------------------------- */

/* The transaction in hand ends here, for its client: what becomes of it, the next InitProducerId decides. */
static void abandon(world *w)
{
    client *c = &w->clients[TRANSACTIONAL];
    if (w->txns_len > 0 && w->txns[w->txns_len - 1].fate == FATE_OPEN) w->txns[w->txns_len - 1].fate = FATE_ABORTED;
    c->phase = TX_INIT;
}

static void begin_txn(world *w)
{
    if (w->txns_len == w->txns_cap) {
        w->txns_cap = w->txns_cap ? w->txns_cap * 2 : 64;
        w->txns = realloc(w->txns, (size_t)w->txns_cap * sizeof *w->txns);
        check(w->txns);
    }
    w->txns[w->txns_len++] = (txn_made){FATE_OPEN, false};
    w->result->transactions++;
    client *c = &w->clients[TRANSACTIONAL];
    c->left = 1 + (int32_t)rng_below(&w->r, 4);
    c->phase = newer(w) ? TX_PRODUCE : TX_ADD;
}

static void txn_send(world *w)
{
    client *c = &w->clients[TRANSACTIONAL];
    long long id = c->producer_id;
    int epoch = c->epoch, number = w->txns_len - 1;
    txn_made *t = &w->txns[number];
    bool commit;
    switch (c->phase) {
    case TX_ADD:
        c->partition = (int32_t)rng_below(&w->r, PARTITIONS);
        world_send(w, c, 24, 3, "s=tx q=%lld h=%d [ s=%s { i=%d } ]", id, epoch, world_topic(TRANSACTIONAL),
                   c->partition);
        return;
    case TX_PRODUCE:
        if (newer(w)) c->partition = (int32_t)rng_below(&w->r, PARTITIONS);
        c->acks = -1;
        make_records(w, TRANSACTIONAL);
        send_batch(w, TRANSACTIONAL);
        return;
    case TX_ADD_OFFSETS: world_send(w, c, 25, 3, "s=tx q=%lld h=%d s=tg", id, epoch); return;
    case TX_OFFSETS:
        t->offsets = true;
        world_send(w, c, 28, newer(w) ? 5 : 3, "s=tx s=tg q=%lld h=%d i=-1 s= n [ s=%s [ i=0 q=%d i=-1 n= ] ]", id,
                   epoch, world_topic(PLAIN), number);
        return;
    default:
        commit = rng_below(&w->r, 3) > 0;
        t->fate = commit ? FATE_MAYBE_COMMITTED : FATE_ABORTED;
        world_send(w, c, 26, newer(w) ? 5 : 3, "s=tx q=%lld h=%d B=%d", id, epoch, commit);
    }
}

/* The error that an answer of the transaction's requests carries. */
static int16_t txn_error(const client *c, wire_in *in)
{
    int64_t offset;
    if (c->key == 0) return produced(in, &offset);
    wire_i32(in);
    if (c->key == 24 || c->key == 28) {
        wire_len(in, 1);
        wire_str(in);
        wire_len(in, 1);
        wire_i32(in);
    }
    return wire_i16(in);
}

static void txn_answered(world *w, wire_in *in)
{
    client *c = &w->clients[TRANSACTIONAL];
    int16_t error = txn_error(c, in);
    txn_made *t = &w->txns[w->txns_len - 1];
    if (error == KAFKA_CONCURRENT_TRANSACTIONS && c->phase != TX_END) return; /* the end of the last is being written */
    /* That of version 2 is told as one to try again after; the records are not there. */
    if (newer(w) && c->phase == TX_PRODUCE && error == KAFKA_NOT_ENOUGH_REPLICAS) return;
    if (!expected(w, error, "a request of a transaction")) {
        abandon(w);
        return;
    }
    switch (c->phase) {
    case TX_ADD: c->phase = TX_PRODUCE; return;
    case TX_PRODUCE:
        note_produced(w, c, -1);
        c->sequence[c->partition] += c->count;
        if (--c->left > 0)
            c->phase = newer(w) ? TX_PRODUCE : TX_ADD;
        else
            c->phase = rng_below(&w->r, 2) ? TX_END : newer(w) ? TX_OFFSETS : TX_ADD_OFFSETS;
        return;
    case TX_ADD_OFFSETS: c->phase = TX_OFFSETS; return;
    case TX_OFFSETS: c->phase = TX_END; return;
    default:
        if (t->fate == FATE_MAYBE_COMMITTED) {
            t->fate = FATE_COMMITTED;
            w->result->commits++;
        }
        if (newer(w)) {
            int64_t id = wire_i64(in);
            if (id != c->producer_id) memset(c->sequence, 0, sizeof c->sequence);
            c->producer_id = id;
            c->epoch = wire_i16(in);
            memset(c->sequence, 0, sizeof c->sequence);
        }
        c->phase = TX_READY;
    }
}

static void step_transactional(world *w)
{
    client *c = &w->clients[TRANSACTIONAL];
    wire_in in;
    if (c->waiting) {
        if (!world_take(w, c, &in)) return;
        if (c->phase == TX_INIT) {
            if (took_producer(w, c, &in)) c->phase = TX_READY;
        } else {
            txn_answered(w, &in);
        }
        return;
    }
    if (c->phase == TX_READY) begin_txn(w);
    if (c->phase != TX_INIT && rng_below(&w->r, 40) == 0) abandon(w);
    if (c->phase == TX_INIT)
        world_send(w, c, 22, newer(w) ? 5 : 4, "n=tx i=900000 q=-1 h=-1");
    else
        txn_send(w);
}

/* ---- the administrator ------------------------------------------------------------------------------------------ */

/* Makes, deletes or configures a topic by the broker's own interface, which answers at once. */
static void change_topic(world *w)
{
    size_t i = rng_below(&w->r, NAMES);
    char name[16], value[24];
    diag d = {0};
    snprintf(name, sizeof name, "x%zu", i);
    int64_t retention = 1000000 + (int64_t)rng_below(&w->r, 1000000);
    snprintf(value, sizeof value, "%lld", (long long)retention);
    broker_config_entry config = {STR("retention.ms"), str_z(value)};
    bool there = w->names[i].sure_there, gone = w->names[i].sure_gone, ok;
    switch (rng_below(&w->r, 3)) {
    case 0:
        w->names[i].sure_gone = false;
        ok = broker_topic_create(w->b, str_z(name), 2, &config, 1, &d);
        if (fs_sim_failed(w->disk) && !w->o.errors) return;
        if (ok) w->names[i].sure_there = true;
        if (ok) w->names[i].retention = (setting){retention, retention};
        if (!ok && gone && !w->o.errors) world_fail(w, "%s cannot be made: %s", name, d.text);
        if (!ok && !w->o.errors && d.code == DIAG_EXISTS) w->names[i].sure_there = true;
        return;
    case 1:
        w->names[i].sure_there = false;
        ok = broker_topic_delete(w->b, str_z(name), &d);
        if (fs_sim_failed(w->disk) && !w->o.errors) return;
        /* After an error of the disk "not found" is only what the broker believes; a start may find the topic. */
        if (ok || (d.code == DIAG_NOT_FOUND && !w->o.errors)) w->names[i].sure_gone = true;
        if (!ok && there && !w->o.errors) world_fail(w, "%s cannot be deleted: %s", name, d.text);
        return;
    default:
        if (!there) return;
        w->names[i].retention.sent = retention;
        ok = broker_topic_configure(w->b, str_z(name), &config, 1, &d);
        if (fs_sim_failed(w->disk) && !w->o.errors) return;
        if (ok) w->names[i].retention.sure = retention;
        if (!ok && !w->o.errors) world_fail(w, "%s cannot be configured: %s", name, d.text);
    }
}

static void administer(world *w)
{
    client *c = &w->clients[ADMIN];
    double rate;
    int64_t bits;
    switch (rng_below(&w->r, 4)) {
    case 0: change_topic(w); return;
    case 1:
        rate = (double)++w->quota.sent;
        memcpy(&bits, &rate, sizeof bits);
        world_send(w, c, 49, 0, "[ [ s=client-id n=limited ] [ s=producer_byte_rate q=%lld B=0 ] ] B=0",
                   (long long)bits);
        return;
    case 2: {
        c->partition = (int32_t)rng_below(&w->r, PARTITIONS);
        int64_t to = w->deleted_to[c->partition];
        for (int32_t i = w->made_len - 1; i >= 0 && i > w->made_len - 40; i--) {
            const made *m = &w->made[i];
            bool fits = m->topic == PLAIN && m->partition == c->partition && m->certainty == SURE;
            if (fits && m->offset > to && rng_below(&w->r, 4) == 0) to = m->offset;
        }
        if (to == w->deleted_to[c->partition]) return;
        w->deleted_to[c->partition] = to;
        world_send(w, c, 21, 2, "[ s=%s [ i=%d q=%lld ] ] i=1000", world_topic(PLAIN), c->partition, (long long)to);
        return;
    }
    default:
        w->group_offset.sent++;
        world_send(w, c, 8, 7, "s=g i=-1 s= n [ s=%s [ i=0 q=%lld i=-1 n= ] ]", world_topic(PLAIN),
                   (long long)w->group_offset.sent);
    }
}

static void step_admin(world *w)
{
    client *c = &w->clients[ADMIN];
    wire_in in;
    if (!c->waiting) {
        administer(w);
        return;
    }
    if (!world_take(w, c, &in)) return;
    int16_t error;
    wire_i32(&in);
    wire_len(&in, 1);
    switch (c->key) {
    case 49:
        if (expected(w, wire_i16(&in), "AlterClientQuotas")) w->quota.sure = w->quota.sent;
        return;
    case 21: {
        wire_str(&in);
        wire_len(&in, 1);
        wire_i32(&in);
        int64_t low = wire_i64(&in);
        error = wire_i16(&in);
        if (expected(w, error, "DeleteRecords")) w->start_sure[c->partition] = low;
        return;
    }
    default:
        wire_str(&in);
        wire_len(&in, 1);
        wire_i32(&in);
        if (expected(w, wire_i16(&in), "OffsetCommit")) w->group_offset.sure = w->group_offset.sent;
    }
}

void client_step(world *w, int which)
{
    switch (which) {
    case PLAIN:
    case COMPACTED: step_plain(w, which); return;
    case IDEMPOTENT: step_idempotent(w); return;
    case TRANSACTIONAL: step_transactional(w); return;
    default: step_admin(w);
    }
}

void clients_forget(world *w)
{
    for (int i = 0; i < CLIENTS; i++) {
        w->clients[i].waiting = false;
        w->clients[i].conn = NULL;
    }
    abandon(w);
}
