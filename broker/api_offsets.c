/* Positions in logs: ListOffsets, OffsetForLeaderEpoch, DeleteRecords. */
#include "base/check.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/authz.h"

/* A partition's log with a reference to the partition, or NULL and the error; epoch -1 is not compared. */
static plog *log_of(request *q, str topic_name, int32_t index, int32_t epoch, broker_partition **p, kafka_error *error)
{
    diag d = {0};
    *p = partition_by_name(q->b, topic_name, index);
    *error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!*p) return NULL;
    plog *log = broker_partition_log(*p, &d);
    *error = !log                                       ? KAFKA_KAFKA_STORAGE_ERROR
             : epoch >= 0 && epoch < q->b->leader_epoch ? KAFKA_FENCED_LEADER_EPOCH
             : epoch > q->b->leader_epoch               ? KAFKA_UNKNOWN_LEADER_EPOCH
                                                        : KAFKA_NONE;
    if (*error == KAFKA_NONE) return log;
    broker_partition_release(*p);
    *p = NULL;
    return NULL;
}

/* ---- ListOffsets --------------------------------------------------------------------------------------- */

/* Targets below zero that are no timestamps; each is known from a version on. */
enum {
    LIST_LATEST = -1,
    LIST_EARLIEST = -2,
    LIST_MAX_TIMESTAMP = -3,
    LIST_EARLIEST_LOCAL = -4,
    LIST_LAST_TIERED = -5,
    LIST_EARLIEST_PENDING = -6,
};

typedef struct listed {
    kafka_error error;
    int64_t timestamp, offset;
    int32_t epoch;
} listed;

static bool target_known(int64_t target, int16_t version)
{
    if (target >= LIST_EARLIEST) return true;
    int from = target == LIST_MAX_TIMESTAMP      ? 7
               : target == LIST_EARLIEST_LOCAL   ? 8
               : target == LIST_LAST_TIERED      ? 9
               : target == LIST_EARLIEST_PENDING ? 11
                                                 : INT16_MAX;
    return version >= from;
}

static int32_t epoch_at(plog *log, int64_t offset, int32_t fallback)
{
    int32_t epoch = plog_epoch_of(log, offset);
    return epoch >= 0 ? epoch : fallback;
}

static listed list_offset(request *q, plog *log, int64_t target, plog_isolation isolation)
{
    listed r = {KAFKA_NONE, -1, -1, -1};
    diag d = {0};
    bool ok = true;
    switch (target) {
    case LIST_LATEST:
        r.offset = isolation == PLOG_READ_COMMITTED ? plog_last_stable(log) : plog_end(log);
        r.epoch = q->b->leader_epoch;
        break;
    case LIST_EARLIEST:
    case LIST_EARLIEST_LOCAL:
        r.offset = plog_start(log);
        r.epoch = epoch_at(log, r.offset, q->b->leader_epoch);
        break;
    case LIST_MAX_TIMESTAMP: ok = plog_offset_of_max_time(log, &r.offset, &r.timestamp, &r.epoch, &d); break;
    case LIST_LAST_TIERED:
    case LIST_EARLIEST_PENDING: break; /* nothing is tiered */
    default: ok = plog_offset_for_time(log, target, isolation, &r.offset, &r.timestamp, &r.epoch, &d);
    }
    if (!ok) {
        log_error("broker", "ListOffsets: %s", d.text);
        r = (listed){d.code == DIAG_CORRUPT ? KAFKA_CORRUPT_MESSAGE : KAFKA_KAFKA_STORAGE_ERROR, -1, -1, -1};
    }
    return r;
}

typedef struct list_partition {
    str topic;
    int32_t index, epoch;
    int64_t target;
    bool twice;
} list_partition;

static listed look_up(request *q, const list_partition *lp, bool may, plog_isolation isolation)
{
    listed r = {KAFKA_NONE, -1, -1, -1};
    if (!may)
        r.error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (lp->twice)
        r.error = KAFKA_INVALID_REQUEST;
    else if (!target_known(lp->target, q->version))
        r.error = KAFKA_UNSUPPORTED_VERSION;
    if (r.error != KAFKA_NONE) return r;
    broker_partition *p;
    plog *log = log_of(q, lp->topic, lp->index, lp->epoch, &p, &r.error);
    if (log) r = list_offset(q, log, lp->target, isolation);
    broker_partition_release(p);
    return r;
}

static void put_listed(request *q, int32_t index, const listed *r)
{
    wire_out *o = &q->out;
    wire_put_i32(o, index);
    wire_put_i16(o, (int16_t)r->error);
    wire_put_i64(o, r->timestamp);
    wire_put_i64(o, r->offset);
    if (q->version >= 4) wire_put_i32(o, r->epoch);
    wire_put_tags(o);
}

/* Marks a partition that the request names twice. */
static void mark_twice(map *seen, list_partition *lp, buf *key)
{
    buf_clear(key);
    write_i32(key, lp->index);
    buf_add_str(key, lp->topic);
    list_partition *before = map_put(seen, buf_str(key), lp);
    if (before) before->twice = lp->twice = true;
}

api_outcome api_list_offsets(request *q)
{
    wire_in *in = &q->in;
    wire_i32(in);
    plog_isolation isolation = q->version >= 2 && wire_i8(in) ? PLOG_READ_COMMITTED : PLOG_READ_UNCOMMITTED;
    int32_t topics = wire_len(in, 4);
    str *names = ARENA_ARRAY(q->a, str, (size_t)topics + 1);
    int32_t *counts = ARENA_ARRAY(q->a, int32_t, (size_t)topics + 1);
    list_partition **parts = ARENA_ARRAY(q->a, list_partition *, (size_t)topics + 1);
    map seen = {0};
    buf key = {0};
    for (int32_t i = 0; i < topics && !wire_failed(in); i++) {
        names[i] = wire_str(in);
        counts[i] = wire_len(in, 12);
        parts[i] = ARENA_ARRAY(q->a, list_partition, (size_t)counts[i] + 1);
        for (int32_t k = 0; k < counts[i] && !wire_failed(in); k++) {
            list_partition *lp = &parts[i][k];
            lp->topic = names[i];
            lp->index = wire_i32(in);
            lp->epoch = q->version >= 4 ? wire_i32(in) : -1;
            lp->target = wire_i64(in);
            wire_tags(in);
            if (!wire_failed(in)) mark_twice(&seen, lp, &key);
        }
        wire_tags(in);
    }
    if (q->version >= 10) wire_i32(in);
    wire_tags(in);
    map_free(&seen);
    buf_free(&key);
    if (wire_failed(in)) return API_MALFORMED;

    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 2) wire_put_i32(o, 0);
    wire_put_len(o, topics);
    for (int32_t i = 0; i < topics; i++) {
        wire_put_str(o, names[i]);
        wire_put_len(o, counts[i]);
        bool may = authz_topic(q, ACL_DESCRIBE, names[i]);
        for (int32_t k = 0; k < counts[i]; k++) {
            listed r = look_up(q, &parts[i][k], may, isolation);
            put_listed(q, parts[i][k].index, &r);
        }
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------------------------------------ */

static void put_epoch_end(request *q, str topic_name, bool may, int32_t index, int32_t current, int32_t epoch)
{
    wire_out *o = &q->out;
    kafka_error error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    broker_partition *p = NULL;
    int32_t found = -1;
    int64_t end = -1;
    plog *log = may ? log_of(q, topic_name, index, current, &p, &error) : NULL;
    if (log && epoch == q->b->leader_epoch) {
        found = epoch;
        end = plog_end(log);
    } else if (log && epoch >= 0 && epoch < q->b->leader_epoch) {
        /* An epoch above every known one ends where the next begins, which is the end of the log. */
        if (!plog_end_of_epoch(log, epoch, &found, &end)) {
            found = -1;
            end = -1;
        }
    }
    broker_partition_release(p);
    wire_put_i16(o, (int16_t)error);
    wire_put_i32(o, index);
    wire_put_i32(o, found);
    wire_put_i64(o, end);
    wire_put_tags(o);
}

api_outcome api_offset_for_leader_epoch(request *q)
{
    wire_in *in = &q->in;
    if (q->version >= 3) wire_i32(in);
    int32_t topics = wire_len(in, 4);
    /* Brokers that follow may ask for every topic. */
    bool follows = authz_cluster(q, ACL_CLUSTER_ACTION);
    /* Written while it is read: the answer has the shape of the question. */
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, topics);
    for (int32_t i = 0; i < topics && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t n = wire_len(in, 12);
        if (wire_failed(in)) break;
        bool may = follows || authz_topic(q, ACL_DESCRIBE, name);
        wire_put_str(o, name);
        wire_put_len(o, n);
        for (int32_t k = 0; k < n && !wire_failed(in); k++) {
            int32_t index = wire_i32(in);
            int32_t current = wire_i32(in);
            int32_t epoch = wire_i32(in);
            wire_tags(in);
            if (!wire_failed(in)) put_epoch_end(q, name, may, index, current, epoch);
        }
        wire_tags(in);
        wire_put_tags(o);
    }
    wire_tags(in);
    wire_put_tags(o);
    return wire_failed(in) ? API_MALFORMED : API_ANSWERED;
}

/* ---- DeleteRecords ------------------------------------------------------------------------------------- */

static kafka_error delete_records(request *q, str topic_name, int32_t index, int64_t offset, int64_t *low)
{
    kafka_error error;
    diag d = {0};
    broker_partition *p;
    plog *log = log_of(q, topic_name, index, -1, &p, &error);
    if (!log) return error;
    plog_config config;
    plog_get_config(log, &config);
    if (p->topic->internal)
        error = KAFKA_INVALID_TOPIC_EXCEPTION;
    else if (!config.policy_delete)
        error = KAFKA_POLICY_VIOLATION;
    else if (offset < -1)
        error = KAFKA_OFFSET_OUT_OF_RANGE;
    else if (!plog_delete_records(log, offset, low, &error, &d) && error == KAFKA_NONE) {
        log_error("broker", "DeleteRecords: %s", d.text);
        error = KAFKA_KAFKA_STORAGE_ERROR;
    }
    if (error == KAFKA_NONE) partition_touch(p);
    broker_partition_release(p);
    return error;
}

typedef struct delete_target {
    int32_t index;
    int64_t offset;
} delete_target;

api_outcome api_delete_records(request *q)
{
    wire_in *in = &q->in;
    int32_t topics = wire_len(in, 4);
    str *names = ARENA_ARRAY(q->a, str, (size_t)topics + 1);
    int32_t *counts = ARENA_ARRAY(q->a, int32_t, (size_t)topics + 1);
    delete_target **targets = ARENA_ARRAY(q->a, delete_target *, (size_t)topics + 1);
    for (int32_t i = 0; i < topics && !wire_failed(in); i++) {
        names[i] = wire_str(in);
        counts[i] = wire_len(in, 12);
        targets[i] = ARENA_ARRAY(q->a, delete_target, (size_t)counts[i] + 1);
        for (int32_t k = 0; k < counts[i] && !wire_failed(in); k++) {
            targets[i][k].index = wire_i32(in);
            targets[i][k].offset = wire_i64(in);
            wire_tags(in);
        }
        wire_tags(in);
    }
    wire_i32(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, topics);
    for (int32_t i = 0; i < topics; i++) {
        bool may = authz_topic(q, ACL_DELETE, names[i]);
        wire_put_str(o, names[i]);
        wire_put_len(o, counts[i]);
        for (int32_t k = 0; k < counts[i]; k++) {
            int64_t low = -1;
            kafka_error error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
            if (may) error = delete_records(q, names[i], targets[i][k].index, targets[i][k].offset, &low);
            wire_put_i32(o, targets[i][k].index);
            wire_put_i64(o, error == KAFKA_NONE ? low : -1);
            wire_put_i16(o, (int16_t)error);
            wire_put_tags(o);
        }
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}
