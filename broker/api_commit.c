/* Committed offsets: OffsetCommit, TxnOffsetCommit, OffsetFetch. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/cgroup.h"
#include "broker/group.h"
#include "broker/txn.h"

/* ---- writing ------------------------------------------------------------------------------------------- */

typedef struct commit_part {
    offset_write w;
    kafka_error error;
} commit_part;

typedef struct commit_topic {
    str name;
    uint8_t id[16];
    bool known;
    int32_t parts_len;
    commit_part *parts;
} commit_topic;

/* OffsetCommit or TxnOffsetCommit on its way. */
typedef struct commit {
    sync_wait wait;
    request *q;
    broker_partition *p;
    bool by_id;
    bool with_epoch;
    bool throttle; /* the answer begins with the throttle time */
    int32_t topics_len;
    commit_topic *topics;
} commit;

static void read_topics(commit *c)
{
    request *q = c->q;
    wire_in *in = &q->in;
    c->topics_len = wire_len(in, 4);
    c->topics = ARENA_ARRAY(q->a, commit_topic, (size_t)c->topics_len + 1);
    for (int32_t i = 0; i < c->topics_len && !wire_failed(in); i++) {
        commit_topic *t = &c->topics[i];
        if (c->by_id)
            memcpy(t->id, wire_uuid(in), 16);
        else
            t->name = arena_str(q->a, wire_str(in));
        t->parts_len = wire_len(in, 14);
        t->parts = ARENA_ARRAY(q->a, commit_part, (size_t)t->parts_len + 1);
        for (int32_t k = 0; k < t->parts_len && !wire_failed(in); k++) {
            offset_write *w = &t->parts[k].w;
            w->partition = wire_i32(in);
            w->offset = wire_i64(in);
            w->leader_epoch = c->with_epoch ? wire_i32(in) : -1;
            w->metadata = wire_ntext(in);
            w->metadata = w->metadata.p ? arena_str(q->a, w->metadata) : STR("");
            wire_tags(in);
        }
        wire_tags(in);
    }
    wire_tags(in);
}

/* Marks the partitions of topics that the client may not read. */
static void check_topics(commit *c)
{
    broker *b = c->q->b;
    for (int32_t i = 0; i < c->topics_len && b->authorizer; i++) {
        commit_topic *t = &c->topics[i];
        pthread_mutex_lock(&b->meta_lock);
        const topic *found = c->by_id ? topic_find_id(b, t->id) : NULL;
        bool may = c->by_id ? !found || authz_topic(c->q, ACL_READ, str_z(found->name))
                            : authz_topic(c->q, ACL_READ, t->name);
        pthread_mutex_unlock(&b->meta_lock);
        for (int32_t k = 0; k < t->parts_len && !may; k++) t->parts[k].error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
}

/* Finds the topics and says, per partition, what cannot be committed. Returns how many can. */
static size_t check_parts(commit *c)
{
    broker *b = c->q->b;
    int64_t metadata_max = broker_i64(b, "offset.metadata.max.bytes");
    size_t good = 0;
    for (int32_t i = 0; i < c->topics_len; i++) {
        commit_topic *t = &c->topics[i];
        pthread_mutex_lock(&b->meta_lock);
        const topic *found = c->by_id ? topic_find_id(b, t->id) : topic_find(b, t->name);
        int32_t partitions = found ? found->partitions_len : 0;
        if (found) t->name = arena_str(c->q->a, str_z(found->name));
        pthread_mutex_unlock(&b->meta_lock);
        for (int32_t k = 0; k < t->parts_len; k++) {
            commit_part *part = &t->parts[k];
            part->w.topic = t->name;
            if (part->error != KAFKA_NONE) continue;
            if (!found && c->by_id)
                part->error = KAFKA_UNKNOWN_TOPIC_ID;
            else if (part->w.partition < 0 || part->w.partition >= partitions)
                part->error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            else if ((int64_t)part->w.metadata.n > metadata_max)
                part->error = KAFKA_OFFSET_METADATA_TOO_LARGE;
            else
                good++;
        }
    }
    return good;
}

static void answer_commit(commit *c, kafka_error all)
{
    request *q = c->q;
    request_begin(q);
    wire_out *o = &q->out;
    if (c->throttle) wire_put_i32(o, 0);
    wire_put_len(o, c->topics_len);
    for (int32_t i = 0; i < c->topics_len; i++) {
        const commit_topic *t = &c->topics[i];
        if (c->by_id)
            wire_put_uuid(o, t->id);
        else
            wire_put_str(o, t->name);
        wire_put_len(o, t->parts_len);
        for (int32_t k = 0; k < t->parts_len; k++) {
            kafka_error error = t->parts[k].error != KAFKA_NONE ? t->parts[k].error : all;
            wire_put_i32(o, t->parts[k].w.partition);
            wire_put_i16(o, (int16_t)error);
            wire_put_tags(o);
        }
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

static void on_commit_synced(sync_wait *wait, bool ok)
{
    commit *c = container_of(wait, commit, wait);
    answer_commit(c, ok ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE);
    broker_partition_release(c->p);
    request_done(c->q, false);
}

/* Kafka's translation of what went wrong with the internal topic (GroupCoordinator's error mapping). */
static kafka_error map_error(kafka_error error)
{
    switch (error) {
    case KAFKA_NONE:
    case KAFKA_INVALID_PRODUCER_EPOCH: return error;
    case KAFKA_RECORD_LIST_TOO_LARGE:
    case KAFKA_MESSAGE_TOO_LARGE: return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    default: return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
}

static api_outcome write_commit(commit *c, group *g, str group_id, int64_t producer_id, int16_t epoch)
{
    request *q = c->q;
    size_t n = check_parts(c);
    if (n == 0) {
        answer_commit(c, KAFKA_NONE);
        return API_ANSWERED;
    }
    if (!g) g = group_make(q->b, group_id);
    offset_write *list = ARENA_ARRAY(q->a, offset_write, n);
    size_t at = 0;
    for (int32_t i = 0; i < c->topics_len; i++)
        for (int32_t k = 0; k < c->topics[i].parts_len; k++)
            if (c->topics[i].parts[k].error == KAFKA_NONE) list[at++] = c->topics[i].parts[k].w;
    c->p = group_partition(q->b, group_id);
    int64_t end = 0;
    kafka_error error =
        c->p ? group_write_offsets(g, c->p, list, n, producer_id, epoch, &end) : KAFKA_COORDINATOR_NOT_AVAILABLE;
    c->wait.done = on_commit_synced;
    if (error == KAFKA_NONE && !partition_wait_sync(c->p, &c->wait, end)) return API_PARKED;
    broker_partition_release(c->p);
    answer_commit(c, map_error(error));
    return API_ANSWERED;
}

api_outcome api_offset_commit(request *q)
{
    wire_in *in = &q->in;
    commit *c = ARENA_NEW(q->a, commit);
    c->q = q;
    str group_id = wire_str(in);
    int32_t generation = wire_i32(in);
    str member_id = wire_str(in);
    str instance = q->version >= 7 ? wire_nstr(in) : WIRE_NULL;
    if (q->version <= 4) wire_i64(in); /* the retention of one commit is not honoured any more (KIP-211) */
    c->by_id = q->version >= 10;
    c->with_epoch = q->version >= 6;
    c->throttle = q->version >= 3;
    read_topics(c);
    if (wire_failed(in)) return API_MALFORMED;
    group *g;
    kafka_error error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (authz_group(q, ACL_READ, group_id)) {
        check_topics(c);
        error = group_check_commit(q->b, group_id, member_id, instance, generation, q->version, false, &g);
    }
    if (error == KAFKA_NONE) return write_commit(c, g, group_id, -1, -1);
    answer_commit(c, error);
    return API_ANSWERED;
}

/* A TxnOffsetCommit that waits until its partition is part of the transaction (transaction version 2). */
typedef struct implicit_commit {
    commit *c;
    str group_id;
    int64_t producer_id;
    int16_t epoch;
} implicit_commit;

static void on_group_added(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    implicit_commit *w = arg;
    request *q = w->c->q;
    api_outcome outcome = API_ANSWERED;
    if (error == KAFKA_NONE)
        outcome = write_commit(w->c, group_find(q->b, w->group_id), w->group_id, w->producer_id, w->epoch);
    else
        answer_commit(w->c, error);
    if (outcome == API_ANSWERED) request_done(q, false);
}

static api_outcome add_then_commit(commit *c, txn *t, txn_partition p, str group_id)
{
    implicit_commit *w = ARENA_NEW(c->q->a, implicit_commit);
    *w = (implicit_commit){c, arena_str(c->q->a, group_id), t->producer_id, t->epoch};
    txn_add(t, &p, 1, true, on_group_added, w);
    return API_PARKED;
}

/* What the client lacks to commit within the transaction, as a whole. */
static kafka_error check_txn_access(commit *c, str transactional_id, str group_id)
{
    if (!authz_txn(c->q, ACL_WRITE, transactional_id)) return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (!authz_group(c->q, ACL_READ, group_id)) return KAFKA_GROUP_AUTHORIZATION_FAILED;
    check_topics(c);
    return KAFKA_NONE;
}

api_outcome api_txn_offset_commit(request *q)
{
    wire_in *in = &q->in;
    commit *c = ARENA_NEW(q->a, commit);
    c->q = q;
    str transactional_id = wire_str(in);
    str group_id = wire_str(in);
    int64_t producer_id = wire_i64(in);
    int16_t epoch = wire_i16(in);
    int32_t generation = q->version >= 3 ? wire_i32(in) : -1;
    str member_id = q->version >= 3 ? wire_str(in) : STR("");
    str instance = q->version >= 3 ? wire_nstr(in) : WIRE_NULL;
    c->by_id = q->version >= 6;
    c->with_epoch = q->version >= 2;
    c->throttle = true;
    read_topics(c);
    if (wire_failed(in)) return API_MALFORMED;
    group *g;
    txn *t;
    kafka_error error = check_txn_access(c, transactional_id, group_id);
    if (error == KAFKA_NONE)
        error = group_check_commit(q->b, group_id, member_id, instance, generation, q->version, true, &g);
    if (error == KAFKA_NONE) error = txn_check(q->b, transactional_id, producer_id, epoch, &t);
    if (error == KAFKA_NONE) {
        diag d = {0};
        int32_t partitions = topic_internal(q->b, TOPIC_OFFSETS, &d);
        int32_t place = partitions > 0 ? coordinator_partition(group_id, partitions) : 0;
        if (partitions <= 0)
            error = KAFKA_COORDINATOR_NOT_AVAILABLE;
        else if (!txn_has(t, STR(TOPIC_OFFSETS), place) && q->version >= 5)
            return add_then_commit(c, t, (txn_partition){(char *)(uintptr_t)TOPIC_OFFSETS, place}, group_id);
        else if (!txn_has(t, STR(TOPIC_OFFSETS), place))
            error = KAFKA_INVALID_TXN_STATE;
    }
    if (error == KAFKA_PRODUCER_FENCED) error = KAFKA_INVALID_PRODUCER_EPOCH;
    if (error == KAFKA_NONE) return write_commit(c, g, group_id, producer_id, epoch);
    answer_commit(c, error);
    return API_ANSWERED;
}

/* ---- OffsetFetch --------------------------------------------------------------------------------------- */

typedef struct fetch_topic {
    str name;
    uint8_t id[16];
    int32_t partitions_len;
    int32_t *partitions;
} fetch_topic;

typedef struct fetch_group {
    str group_id;
    str member_id; /* p == NULL: not said */
    int32_t member_epoch;
    int32_t topics_len; /* -1: everything */
    fetch_topic *topics;
} fetch_group;

static void read_fetch_topics(request *q, fetch_group *f)
{
    wire_in *in = &q->in;
    f->topics_len = q->version >= 2 ? wire_nlen(in, 2) : wire_len(in, 2);
    f->topics = ARENA_ARRAY(q->a, fetch_topic, f->topics_len > 0 ? (size_t)f->topics_len : 1);
    for (int32_t i = 0; i < f->topics_len && !wire_failed(in); i++) {
        fetch_topic *t = &f->topics[i];
        if (q->version >= 10)
            memcpy(t->id, wire_uuid(in), 16);
        else
            t->name = wire_str(in);
        t->partitions_len = wire_len(in, 4);
        t->partitions = ARENA_ARRAY(q->a, int32_t, (size_t)t->partitions_len + 1);
        for (int32_t k = 0; k < t->partitions_len; k++) t->partitions[k] = wire_i32(in);
        wire_tags(in);
    }
}

static void put_offset(request *q, int32_t partition, const group_offset *o, kafka_error error)
{
    wire_out *out = &q->out;
    bool found = o && error == KAFKA_NONE;
    wire_put_i32(out, partition);
    wire_put_i64(out, found ? o->offset : -1);
    if (q->version >= 5) wire_put_i32(out, found ? o->leader_epoch : -1);
    wire_put_nstr(out, found ? o->metadata : STR(""));
    wire_put_i16(out, (int16_t)error);
    wire_put_tags(out);
}

/* With topic ids the name comes from the metadata; an unknown id is an error of each of its partitions. */
static kafka_error resolve(request *q, fetch_topic *t)
{
    if (q->version < 10) return KAFKA_NONE;
    broker *b = q->b;
    pthread_mutex_lock(&b->meta_lock);
    const topic *found = topic_find_id(b, t->id);
    t->name = found ? arena_str(q->a, str_z(found->name)) : STR("");
    pthread_mutex_unlock(&b->meta_lock);
    return found ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_ID;
}

/* all: an error of the whole, in the version that can say it only here. */
static void put_asked(request *q, const group *g, fetch_group *f, bool stable, kafka_error all)
{
    wire_out *o = &q->out;
    wire_put_len(o, f->topics_len);
    for (int32_t i = 0; i < f->topics_len; i++) {
        fetch_topic *t = &f->topics[i];
        kafka_error wrong = resolve(q, t);
        if (wrong == KAFKA_NONE && !authz_topic(q, ACL_DESCRIBE, t->name)) wrong = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        if (all != KAFKA_NONE) wrong = all;
        if (q->version >= 10)
            wire_put_uuid(o, t->id);
        else
            wire_put_str(o, t->name);
        wire_put_len(o, t->partitions_len);
        for (int32_t k = 0; k < t->partitions_len; k++) {
            const group_offset *found = g ? group_offset_find(g, t->name, t->partitions[k]) : NULL;
            bool pending = stable && g && group_offset_pending(g, t->name, t->partitions[k]);
            put_offset(q, t->partitions[k], found,
                       wrong != KAFKA_NONE ? wrong
                       : pending           ? KAFKA_UNSTABLE_OFFSET_COMMIT
                                           : KAFKA_NONE);
        }
        wire_put_tags(o);
    }
}

/* Everything that the group has, gathered by topic. */
static void put_everything(request *q, const group *g, bool stable)
{
    wire_out *o = &q->out;
    broker *b = q->b;
    map topics = {0};
    void *value;
    for (size_t it = 0; g && map_next(&g->offsets, &it, NULL, &value);) {
        group_offset *offset = value;
        bool known = true;
        if (q->version >= 10) {
            pthread_mutex_lock(&b->meta_lock);
            known = topic_find(b, str_z(offset->topic)) != NULL;
            pthread_mutex_unlock(&b->meta_lock);
        }
        if (known && authz_topic(q, ACL_DESCRIBE, str_z(offset->topic)))
            map_put(&topics, str_z(offset->topic), offset);
    }
    wire_put_len(o, (int32_t)map_count(&topics));
    str name;
    for (size_t it = 0; map_next(&topics, &it, &name, NULL);) {
        if (q->version >= 10) {
            static const uint8_t zeros[16];
            pthread_mutex_lock(&b->meta_lock);
            const topic *t = topic_find(b, name);
            wire_put_uuid(o, t ? t->id : zeros);
            pthread_mutex_unlock(&b->meta_lock);
        } else {
            wire_put_str(o, name);
        }
        int32_t count = 0;
        for (size_t jt = 0; map_next(&g->offsets, &jt, NULL, &value);)
            if (str_eqz(name, ((group_offset *)value)->topic)) count++;
        wire_put_len(o, count);
        for (size_t jt = 0; map_next(&g->offsets, &jt, NULL, &value);) {
            const group_offset *offset = value;
            if (!str_eqz(name, offset->topic)) continue;
            bool pending = stable && group_offset_pending(g, name, offset->partition);
            put_offset(q, offset->partition, offset, pending ? KAFKA_UNSTABLE_OFFSET_COMMIT : KAFKA_NONE);
        }
        wire_put_tags(o);
    }
    map_free(&topics);
}

/* A member of the new protocol may ask only for what is of its epoch. */
static kafka_error check_fetch(const request *q, const group *g, const fetch_group *f)
{
    if (q->version < 9 || !f->member_id.p || f->member_epoch < 0 || !g || !g->consumer) return KAFKA_NONE;
    return cgroup_check_member(g, f->member_id, f->member_epoch);
}

static kafka_error put_fetch_group(request *q, fetch_group *f, bool stable)
{
    const group *g = group_find(q->b, f->group_id);
    kafka_error error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (authz_group(q, ACL_DESCRIBE, f->group_id)) error = check_fetch(q, g, f);
    if (error != KAFKA_NONE && q->version < 2)
        put_asked(q, NULL, f, stable, error);
    else if (error != KAFKA_NONE)
        wire_put_len(&q->out, 0);
    else if (f->topics_len < 0)
        put_everything(q, g, stable);
    else
        put_asked(q, g, f, stable, KAFKA_NONE);
    return error;
}

api_outcome api_offset_fetch(request *q)
{
    wire_in *in = &q->in;
    fetch_group one = {.topics_len = 0};
    fetch_group *asked = &one;
    int32_t n = 1;
    if (q->version <= 7) {
        one.group_id = wire_str(in);
        read_fetch_topics(q, &one);
    } else {
        n = wire_len(in, 3);
        asked = ARENA_ARRAY(q->a, fetch_group, (size_t)n + 1);
        for (int32_t i = 0; i < n && !wire_failed(in); i++) {
            asked[i].group_id = wire_str(in);
            if (q->version >= 9) {
                asked[i].member_id = wire_nstr(in);
                asked[i].member_epoch = wire_i32(in);
            }
            read_fetch_topics(q, &asked[i]);
            wire_tags(in);
        }
    }
    bool stable = q->version >= 7 ? wire_bool(in) : false;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;

    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 3) wire_put_i32(o, 0);
    if (q->version >= 8) wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) {
        if (q->version >= 8) wire_put_str(o, asked[i].group_id);
        kafka_error error = put_fetch_group(q, &asked[i], stable);
        if (q->version >= 2) wire_put_i16(o, (int16_t)error);
        if (q->version >= 8) wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}
