/* What a simulated broker holds after a start, against what its clients were promised. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker/batch.h"
#include "broker/quota.h"
#include "tests/sim/broker_world.h"

enum { TRIES = 200, ABORTED_MAX = 512 };

/* ---- reading ---------------------------------------------------------------------------------------------------- */

typedef struct aborted {
    int64_t producer_id, first;
    bool over;
} aborted;

/* One reading of a partition. */
typedef struct scan {
    world *w;
    int topic;
    int32_t partition;
    bool committed;
    int64_t next, high, stable;
    int32_t last; /* the number read last */
    aborted aborted[ABORTED_MAX];
    int aborted_len;
} scan;

/* Whether a committed reader leaves a batch out: its producer has an aborted transaction that began before it. */
static bool is_aborted(scan *s, const batch_header *h, bool ends)
{
    for (int i = 0; i < s->aborted_len; i++) {
        aborted *a = &s->aborted[i];
        if (a->over || a->producer_id != h->producer_id || a->first > h->base_offset) continue;
        if (ends) a->over = true;
        return true;
    }
    return false;
}

static bool take_record(scan *s, const batch_record_view *v)
{
    world *w = s->w;
    batch_record_view copy = *v;
    str name, number;
    int64_t id;
    const char *name_of = world_topic(s->topic);
    if (!batch_header_next(&copy, &name, &number) || !str_to_i64(number, &id) || id < 0 || id >= w->made_len)
        return world_fail(w, "%s-%d holds a record at %lld that nobody made", name_of, s->partition,
                          (long long)v->offset);
    made *m = &w->made[id];
    bool same = m->tombstone ? v->value.p == NULL : str_eq(v->value, number);
    if (m->topic != s->topic || m->partition != s->partition || !same)
        return world_fail(w, "%s-%d holds record %lld, which was made for another place", name_of, s->partition,
                          (long long)id);
    if (m->offset >= 0 && m->offset != v->offset)
        return world_fail(w, "record %lld moved from offset %lld to %lld", (long long)id, (long long)m->offset,
                          (long long)v->offset);
    if (id <= s->last)
        return world_fail(w, "%s-%d: %lld comes behind %d", name_of, s->partition, (long long)id, s->last);
    s->last = (int32_t)id;
    m->offset = v->offset;
    if (s->committed)
        m->seen_committed++;
    else
        m->seen++;
    return true;
}

static bool take_batches(scan *s, str records)
{
    diag d = {0};
    while (records.n > 0) {
        batch_header h;
        batch_iter it = {0};
        batch_record_view v;
        if (!batch_verify(records.p, records.n, &h, &d)) return world_fail(s->w, "a batch that was read: %s", d.text);
        size_t size = (size_t)batch_size(&h);
        bool commit = true, control = h.attributes & BATCH_CONTROL;
        int32_t epoch;
        if (control) batch_marker_read(records.p, size, &commit, &epoch);
        bool hidden = (h.attributes & BATCH_TRANSACTIONAL) && is_aborted(s, &h, control && !commit);
        bool good = batch_iter_open(&it, records.p, size, 1 << 20, &d);
        while (good && !control && !hidden && batch_iter_next(&it, &v, &d) == 1)
            if (v.offset >= s->next) good = take_record(s, &v);
        batch_iter_free(&it);
        if (!good) return world_fail(s->w, "a batch cannot be read: %s", d.text);
        s->next = batch_last_offset(&h) + 1;
        records = str_of(records.p + size, records.n - size);
    }
    return true;
}

static bool fetch(scan *s)
{
    world *w = s->w;
    client *c = &w->clients[ADMIN];
    wire_in in;
    world_send(w, c, 1, 4, "i=-1 i=0 i=1 i=100000 b=%d [ s=%s [ i=%d q=%lld i=100000 ] ]", s->committed,
               world_topic(s->topic), s->partition, (long long)s->next);
    if (!world_wait(w, c, &in)) return world_fail(w, "a Fetch is not answered");
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    int16_t error = wire_i16(&in);
    s->high = wire_i64(&in);
    s->stable = wire_i64(&in);
    int32_t n = wire_nlen(&in, 16);
    s->aborted_len = 0;
    for (int32_t i = 0; i < n && i < ABORTED_MAX; i++) {
        aborted *a = &s->aborted[s->aborted_len++];
        a->producer_id = wire_i64(&in);
        a->first = wire_i64(&in);
        a->over = false;
    }
    str records = wire_blob(&in);
    if (wire_failed(&in) || error != 0)
        return world_fail(w, "%s-%d cannot be read at %lld: error %d", world_topic(s->topic), s->partition,
                          (long long)s->next, error);
    return take_batches(s, records);
}

static bool earliest(world *w, int which, int32_t partition, int64_t *offset)
{
    client *c = &w->clients[ADMIN];
    wire_in in;
    world_send(w, c, 2, 1, "i=-1 [ s=%s [ i=%d q=-2 ] ]", world_topic(which), partition);
    if (!world_wait(w, c, &in)) return world_fail(w, "a ListOffsets is not answered");
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    int16_t error = wire_i16(&in);
    wire_i64(&in);
    *offset = wire_i64(&in);
    return error == 0 || world_fail(w, "ListOffsets is answered with error %d", error);
}

static bool read_partition(world *w, int which, int32_t partition, bool committed)
{
    static scan s; /* large */
    s = (scan){.w = w, .topic = which, .partition = partition, .committed = committed, .last = -1};
    if (!earliest(w, which, partition, &s.next)) return false;
    if (which == PLAIN && s.next < w->start_sure[partition])
        return world_fail(w, "the log begins at %lld, records up to %lld had been deleted", (long long)s.next,
                          (long long)w->start_sure[partition]);
    for (int64_t before = -1; before != s.next;) {
        before = s.next;
        if (!fetch(&s)) return false;
    }
    if (s.stable != s.high || s.next != s.high)
        return world_fail(w, "%s-%d ends at %lld, is stable up to %lld, and was read up to %lld", world_topic(which),
                          partition, (long long)s.high, (long long)s.stable, (long long)s.next);
    return true;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

/* A batch that its client is going to send again is neither here nor there. */
static bool is_pending(const world *w, int32_t id)
{
    const client *c = &w->clients[IDEMPOTENT];
    const made *m = &w->made[id];
    if (m->topic != IDEMPOTENT || !c->pending[m->partition]) return false;
    int32_t first = c->pending_first[m->partition];
    return id >= first && id < first + c->pending_count[m->partition];
}

static bool judge_record(world *w, int32_t id)
{
    made *m = &w->made[id];
    const char *name_of = world_topic(m->topic);
    bool cut = m->topic == PLAIN && m->offset < w->deleted_to[m->partition];
    if (m->seen > 1) return world_fail(w, "record %d of %s is there %d times", id, name_of, m->seen);
    if (m->seen == 1 && m->certainty == ABSENT)
        return world_fail(w, "record %d of %s had gone, and came back", id, name_of);
    if (m->seen == 0 && m->certainty == SURE && !cut)
        return world_fail(w, "record %d of %s was acknowledged, and is lost", id, name_of);
    if (m->seen == 0 && m->certainty == CACHED && !w->powerless && !w->o.errors && !cut)
        return world_fail(w, "record %d of %s was acknowledged with acks=1, and lost by a kill", id, name_of);
    if (!is_pending(w, id) && !cut) m->certainty = m->seen ? SURE : ABSENT;
    return true;
}

/* Compaction may take what a later record of the key has replaced, and deletions once what they delete is gone. */
static bool judge_keys(world *w)
{
    int32_t sure[KEYS], found[KEYS];
    for (int k = 0; k < KEYS; k++) sure[k] = found[k] = -1;
    for (int32_t i = 0; i < w->made_len; i++) {
        made *m = &w->made[i];
        if (m->topic != COMPACTED) continue;
        if (m->seen > 1) return world_fail(w, "record %d is in the compacted log %d times", i, m->seen);
        if (m->seen) m->certainty = SURE;
        if (m->seen) found[m->key] = i;
        if (m->certainty == SURE) sure[m->key] = i;
    }
    for (int k = 0; k < KEYS; k++) {
        if (sure[k] < 0 || found[k] == sure[k]) continue;
        bool deleted = w->made[sure[k]].tombstone && found[k] < 0;
        if (!deleted && found[k] < sure[k])
            return world_fail(w, "record %d was the last of key %d, and is lost: %d is there", sure[k], k, found[k]);
    }
    return true;
}

/* A transaction is there as a whole or not at all, and once that is known it stays so. */
static bool judge_txns(world *w)
{
    int32_t last_offsets = -1;
    for (int32_t t = 0; t < w->txns_len; t++) {
        int32_t all = 0, seen = 0;
        for (int32_t i = 0; i < w->made_len; i++) {
            if (w->made[i].txn != t) continue;
            /* What had no good answer was not part of what was committed. */
            bool sure = w->made[i].certainty == SURE;
            if (!sure && !w->made[i].seen_committed) continue;
            all++;
            seen += w->made[i].seen_committed;
        }
        fate *f = &w->txns[t].fate;
        if (seen != 0 && seen != all)
            return world_fail(w, "transaction %d: %d of %d records are committed", t, seen, all);
        if (*f == FATE_COMMITTED && seen < all) return world_fail(w, "transaction %d was committed, and is lost", t);
        if (*f == FATE_ABORTED && seen > 0) return world_fail(w, "transaction %d was aborted, and is seen", t);
        if (*f == FATE_MAYBE_COMMITTED) *f = seen > 0 ? FATE_COMMITTED : FATE_ABORTED;
        if (*f == FATE_COMMITTED && w->txns[t].offsets) last_offsets = t;
    }
    client *c = &w->clients[ADMIN];
    wire_in in;
    world_send(w, c, 9, 7, "s=tg [ s=%s { i=0 } ] B=1", world_topic(PLAIN));
    if (!world_wait(w, c, &in)) return world_fail(w, "an OffsetFetch is not answered");
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    int64_t offset = wire_i64(&in);
    return offset == last_offsets ||
           world_fail(w, "the offset of the transactions is %lld, it should be %d", (long long)offset, last_offsets);
}

/* ---- offsets and metadata --------------------------------------------------------------------------------------- */

static bool judge_setting(world *w, setting *s, int64_t found, const char *what)
{
    if (found < s->sure || found > s->sent)
        return world_fail(w, "%s is %lld, should be from %lld to %lld", what, (long long)found, (long long)s->sure,
                          (long long)s->sent);
    s->sure = s->sent = found;
    return true;
}

static bool judge_group(world *w)
{
    client *c = &w->clients[ADMIN];
    wire_in in;
    world_send(w, c, 9, 7, "s=g [ s=%s { i=0 } ] B=1", world_topic(PLAIN));
    if (!world_wait(w, c, &in)) return world_fail(w, "an OffsetFetch is not answered");
    wire_i32(&in);
    wire_len(&in, 1);
    wire_str(&in);
    wire_len(&in, 1);
    wire_i32(&in);
    return judge_setting(w, &w->group_offset, wire_i64(&in), "a committed offset");
}

static bool judge_metadata(world *w)
{
    quota_entity limited = {.has = {[QUOTA_CLIENT] = true}, .names = {[QUOTA_CLIENT] = STR("limited")}};
    const quota_limits *l = quota_find(w->b, &limited);
    if (!judge_setting(w, &w->quota, l ? (int64_t)l->values[QUOTA_PRODUCE] : 0, "a quota")) return false;
    arena *a = arena_new();
    for (int i = 0; i < NAMES && w->result->why[0] == 0; i++) {
        char name[16];
        broker_topic_info info;
        str value;
        int64_t retention = -1;
        snprintf(name, sizeof name, "x%d", i);
        bool there = broker_topic_describe(w->b, str_z(name), a, &info);
        if (there && w->names[i].sure_gone) world_fail(w, "topic %s was deleted, and came back", name);
        if (!there && w->names[i].sure_there) world_fail(w, "topic %s is lost", name);
        bool was_sure = w->names[i].sure_there;
        w->names[i].sure_there = there;
        w->names[i].sure_gone = !there;
        if (!there || !broker_topic_config(w->b, str_z(name), STR("retention.ms"), a, &value)) continue;
        str_to_i64(value, &retention);
        setting *s = &w->names[i].retention;
        /* After several calls that failed any of their values may be there. */
        if (was_sure && !w->o.errors && retention != s->sure && retention != s->sent)
            world_fail(w, "retention.ms of %s is %lld, not %lld or %lld", name, (long long)retention,
                       (long long)s->sure, (long long)s->sent);
        *s = (setting){retention, retention};
    }
    arena_free(a);
    return w->result->why[0] == 0;
}

/* Ends the transaction that the stop left open, as a producer does that comes back. */
static bool end_open_transaction(world *w)
{
    client *c = &w->clients[TRANSACTIONAL];
    wire_in in;
    int16_t error = -1;
    for (int i = 0; i < TRIES && error != 0; i++) {
        while (i > 0 && world_sync_one(w)) {
        }
        if (i > 0) world_pass(w, 20);
        world_send(w, c, 22, 4, "n=tx i=900000 q=-1 h=-1");
        if (!world_wait(w, c, &in)) return world_fail(w, "an InitProducerId is not answered");
        wire_i32(&in);
        error = wire_i16(&in);
        if (error != 0 && error != KAFKA_CONCURRENT_TRANSACTIONS) break;
    }
    for (int i = 0; i < 20; i++) {
        world_pass(w, 20);
        while (world_sync_one(w)) {
        }
    }
    return error == 0 || world_fail(w, "InitProducerId is answered with error %d", error);
}

bool world_check(world *w)
{
    if (!end_open_transaction(w)) return false;
    for (int32_t i = 0; i < w->made_len; i++) w->made[i].seen = w->made[i].seen_committed = 0;
    for (int which = 0; which < TOPICS; which++)
        for (int32_t p = 0; p < (which == COMPACTED ? 1 : PARTITIONS); p++)
            for (int committed = 0; committed < 2; committed++)
                if (!read_partition(w, which, p, committed)) return false;
    if (!judge_txns(w)) return false;
    for (int32_t i = 0; i < w->made_len; i++)
        if (w->made[i].topic != COMPACTED && !judge_record(w, i)) return false;
    return judge_keys(w) && judge_group(w) && judge_metadata(w);
}
