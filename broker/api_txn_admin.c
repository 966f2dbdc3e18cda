/*
 * Looking at transactions and ending them by hand: WriteTxnMarkers, DescribeProducers, DescribeTransactions,
 * ListTransactions.
 */
#include "base/check.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/group.h"
#include "broker/txn.h"

/* ---- WriteTxnMarkers ----------------------------------------------------------------------------------- */

static kafka_error write_marker(request *q, str topic_name, int32_t index, int64_t producer_id, int16_t epoch,
                                int32_t coordinator_epoch, bool commit)
{
    diag d = {0};
    bool may = authz_cluster(q, ACL_ALTER) || authz_cluster(q, ACL_CLUSTER_ACTION);
    if (!may || producer_id >= BROKER_INTERNAL_PRODUCER_FIRST) return KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    broker_partition *p = partition_by_name(q->b, topic_name, index);
    if (!p) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    plog *log = broker_partition_log(p, &d);
    plog_appended out = {.error = KAFKA_KAFKA_STORAGE_ERROR};
    if (log && plog_append_marker(log, producer_id, epoch, coordinator_epoch, commit, q->b->now.wall_ms, &out)) {
        partition_note_append(p);
        if (str_eqz(topic_name, TOPIC_OFFSETS)) groups_end_txn(q->b, index, producer_id, commit);
    }
    broker_partition_release(p);
    return out.error;
}

typedef struct marker_topic {
    str name;
    int32_t n;
    int32_t *indexes;
} marker_topic;

static void put_marker(request *q, const marker_topic *topics, int32_t n, int64_t producer_id, int16_t epoch,
                       int32_t coordinator_epoch, bool commit)
{
    wire_out *o = &q->out;
    wire_put_i64(o, producer_id);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) {
        wire_put_str(o, topics[i].name);
        wire_put_len(o, topics[i].n);
        for (int32_t k = 0; k < topics[i].n; k++) {
            int32_t index = topics[i].indexes[k];
            kafka_error error = write_marker(q, topics[i].name, index, producer_id, epoch, coordinator_epoch, commit);
            wire_put_i32(o, index);
            wire_put_i16(o, (int16_t)error);
            wire_put_tags(o);
        }
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

/* Reads everything once without acting, so that a malformed end does not leave half of it done. */
static bool read_markers(request *q, bool act)
{
    wire_in in = q->in;
    int32_t n = wire_len(&in, 17);
    if (act) wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n && !wire_failed(&in); i++) {
        int64_t producer_id = wire_i64(&in);
        int16_t epoch = wire_i16(&in);
        bool commit = wire_bool(&in);
        int32_t topics_len = wire_len(&in, 3);
        marker_topic *topics = ARENA_ARRAY(q->a, marker_topic, (size_t)topics_len + 1);
        for (int32_t k = 0; k < topics_len && !wire_failed(&in); k++) {
            topics[k].name = wire_str(&in);
            topics[k].n = wire_len(&in, 4);
            topics[k].indexes = ARENA_ARRAY(q->a, int32_t, (size_t)topics[k].n + 1);
            for (int32_t j = 0; j < topics[k].n; j++) topics[k].indexes[j] = wire_i32(&in);
            wire_tags(&in);
        }
        int32_t coordinator_epoch = wire_i32(&in);
        if (q->version >= 2) wire_i8(&in);
        wire_tags(&in);
        if (act) put_marker(q, topics, topics_len, producer_id, epoch, coordinator_epoch, commit);
    }
    wire_tags(&in);
    return !wire_failed(&in);
}

api_outcome api_write_txn_markers(request *q)
{
    if (!read_markers(q, false)) return API_MALFORMED;
    request_begin(q);
    check(read_markers(q, true));
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

/* ---- DescribeProducers --------------------------------------------------------------------------------- */

static void put_producers(request *q, str topic_name, bool may, int32_t index)
{
    wire_out *o = &q->out;
    diag d = {0};
    broker_partition *p = may ? partition_by_name(q->b, topic_name, index) : NULL;
    plog *log = p ? broker_partition_log(p, &d) : NULL;
    kafka_error error = !may   ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                        : !p   ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                        : !log ? KAFKA_KAFKA_STORAGE_ERROR
                               : KAFKA_NONE;
    buf list = {0};
    if (log) plog_producers(log, &list);
    const plog_producer *producers = (const void *)list.data;
    size_t n = list.len / sizeof *producers;
    wire_put_i32(o, index);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, authz_message(error));
    wire_put_len(o, (int32_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_put_i64(o, producers[i].producer_id);
        wire_put_i32(o, producers[i].epoch);
        wire_put_i32(o, producers[i].last_sequence);
        wire_put_i64(o, producers[i].last_timestamp);
        wire_put_i32(o, producers[i].coordinator_epoch);
        wire_put_i64(o, producers[i].txn_start);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    buf_free(&list);
    broker_partition_release(p);
}

api_outcome api_describe_producers(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 3);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t count = wire_len(in, 4);
        bool may = !wire_failed(in) && authz_topic(q, ACL_READ, name);
        wire_put_str(o, name);
        wire_put_len(o, count);
        for (int32_t k = 0; k < count && !wire_failed(in); k++) {
            int32_t index = wire_i32(in);
            if (!wire_failed(in)) put_producers(q, name, may, index);
        }
        wire_tags(in);
        wire_put_tags(o);
    }
    wire_tags(in);
    wire_put_tags(o);
    return wire_failed(in) ? API_MALFORMED : API_ANSWERED;
}

/* ---- DescribeTransactions ------------------------------------------------------------------------------ */

/* Of its topics those that the client may know of. */
static void put_txn_topics(request *q, const txn *t)
{
    wire_out *o = &q->out;
    map topics = {0};
    for (size_t i = 0; i < t->partitions_len; i++) {
        str one = str_z(t->partitions[i].topic);
        if (authz_topic(q, ACL_DESCRIBE, one)) map_put(&topics, one, &t->partitions[i]);
    }
    wire_put_len(o, (int32_t)map_count(&topics));
    str name;
    for (size_t it = 0; map_next(&topics, &it, &name, NULL);) {
        int32_t n = 0;
        for (size_t i = 0; i < t->partitions_len; i++) n += str_eqz(name, t->partitions[i].topic);
        wire_put_str(o, name);
        wire_put_len(o, n);
        for (size_t i = 0; i < t->partitions_len; i++)
            if (str_eqz(name, t->partitions[i].topic)) wire_put_i32(o, t->partitions[i].partition);
        wire_put_tags(o);
    }
    map_free(&topics);
}

/* Whether an internal producer carries the id; its fields are written then. meta_lock is taken. */
static bool put_internal(request *q, str id)
{
    broker *b = q->b;
    wire_out *o = &q->out;
    bool found = false;
    void *value;
    pthread_mutex_lock(&b->meta_lock);
    for (size_t it = 0; !found && map_next(&b->internal_producers, &it, NULL, &value);) {
        const internal_producer *p = value;
        if (!str_eqz(id, p->transactional_id)) continue;
        found = true;
        wire_put_i16(o, KAFKA_NONE);
        wire_put_str(o, id);
        wire_put_str(o, str_z(txn_state_name(p->ongoing ? TXN_ONGOING : TXN_EMPTY)));
        wire_put_i32(o, INT32_MAX);
        wire_put_i64(o, p->ongoing ? p->started_ms : -1);
        wire_put_i64(o, p->producer_id);
        wire_put_i16(o, p->epoch);
        wire_put_len(o, 0);
        wire_put_tags(o);
    }
    pthread_mutex_unlock(&b->meta_lock);
    return found;
}

static void put_txn(request *q, str id)
{
    wire_out *o = &q->out;
    bool may = authz_txn(q, ACL_DESCRIBE, id);
    const txn *t = may ? txn_find(q->b, id) : NULL;
    if (may && !t && put_internal(q, id)) return;
    kafka_error missing = id.n == 0 ? KAFKA_INVALID_REQUEST : KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
    wire_put_i16(o, (int16_t)(t ? KAFKA_NONE : may ? missing : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
    wire_put_str(o, id);
    wire_put_str(o, t ? str_z(txn_state_name(t->state)) : STR(""));
    wire_put_i32(o, t ? t->timeout_ms : 0);
    wire_put_i64(o, t ? t->start_ms : 0);
    wire_put_i64(o, t ? t->producer_id : 0);
    wire_put_i16(o, t ? t->epoch : 0);
    if (t)
        put_txn_topics(q, t);
    else
        wire_put_len(o, 0);
    wire_put_tags(o);
}

api_outcome api_describe_transactions(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 1);
    str *ids = ARENA_ARRAY(q->a, str, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) ids[i] = wire_str(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) put_txn(q, ids[i]);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

/* ---- ListTransactions ---------------------------------------------------------------------------------- */

typedef struct txn_filter {
    int32_t states_len, ids_len;
    str *states;
    int64_t *ids;
    int64_t duration_ms; /* -1: any */
    regex *pattern; /* of the id; NULL: any */
} txn_filter;

static bool known_state(str name)
{
    for (int s = TXN_EMPTY; s <= TXN_DEAD; s++)
        if (str_eqz(name, txn_state_name((txn_state)s))) return true;
    return false;
}

static bool id_matches(const txn_filter *f, const char *id)
{
    diag ignored = {0};
    if (!f->pattern) return true;
    regex_match *m = regex_match_new();
    bool yes = regex_matches(f->pattern, m, str_z(id), &ignored) == REGEX_FOUND;
    regex_match_free(m);
    return yes;
}

static bool passes(const request *q, const txn_filter *f, const char *id, const char *state, int64_t producer_id,
                   int64_t start_ms)
{
    bool by_state = f->states_len == 0, by_id = f->ids_len == 0;
    for (int32_t i = 0; i < f->states_len; i++) by_state = by_state || str_eqz(f->states[i], state);
    for (int32_t i = 0; i < f->ids_len; i++) by_id = by_id || f->ids[i] == producer_id;
    bool by_time = f->duration_ms < 0 || (start_ms >= 0 && q->b->now.wall_ms - start_ms > f->duration_ms);
    return by_state && by_id && by_time && id_matches(f, id) && authz_txn(q, ACL_DESCRIBE, str_z(id));
}

static void put_listed(wire_out *o, const char *id, int64_t producer_id, const char *state)
{
    wire_put_str(o, str_z(id));
    wire_put_i64(o, producer_id);
    wire_put_str(o, str_z(state));
    wire_put_tags(o);
}

static int32_t put_matching(request *q, wire_out *o, const txn_filter *f)
{
    broker *b = q->b;
    int32_t n = 0;
    txn *t;
    for (size_t it = 0; txn_next(b, &it, &t);) {
        const char *state = txn_state_name(t->state);
        if (!passes(q, f, t->id, state, t->producer_id, t->start_ms)) continue;
        put_listed(o, t->id, t->producer_id, state);
        n++;
    }
    void *value;
    pthread_mutex_lock(&b->meta_lock);
    for (size_t it = 0; map_next(&b->internal_producers, &it, NULL, &value);) {
        const internal_producer *p = value;
        const char *state = txn_state_name(p->ongoing ? TXN_ONGOING : TXN_EMPTY);
        int64_t started = p->ongoing ? p->started_ms : -1;
        if (!passes(q, f, p->transactional_id, state, p->producer_id, started)) continue;
        put_listed(o, p->transactional_id, p->producer_id, state);
        n++;
    }
    pthread_mutex_unlock(&b->meta_lock);
    return n;
}

api_outcome api_list_transactions(request *q)
{
    wire_in *in = &q->in;
    txn_filter f = {.duration_ms = -1};
    f.states_len = wire_len(in, 1);
    f.states = ARENA_ARRAY(q->a, str, (size_t)f.states_len + 1);
    for (int32_t i = 0; i < f.states_len; i++) f.states[i] = wire_str(in);
    f.ids_len = wire_len(in, 8);
    f.ids = ARENA_ARRAY(q->a, int64_t, (size_t)f.ids_len + 1);
    for (int32_t i = 0; i < f.ids_len; i++) f.ids[i] = wire_i64(in);
    if (q->version >= 1) f.duration_ms = wire_i64(in);
    str pattern = q->version >= 2 ? wire_nstr(in) : WIRE_NULL;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    diag bad = {0};
    bool patterned = pattern.p && pattern.n > 0;
    if (patterned) patterned = utf8_valid(pattern) && (f.pattern = regex_compile(pattern, &bad)) != NULL;
    bool bad_pattern = pattern.p && pattern.n > 0 && !patterned;

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, bad_pattern ? KAFKA_INVALID_REGULAR_EXPRESSION : KAFKA_NONE);
    int32_t unknown = 0;
    for (int32_t i = 0; i < f.states_len; i++) unknown += !known_state(f.states[i]);
    wire_put_len(o, unknown);
    for (int32_t i = 0; i < f.states_len; i++)
        if (!known_state(f.states[i])) wire_put_str(o, f.states[i]);
    buf body = {0};
    wire_out listed = {&body, o->flexible};
    int32_t n = bad_pattern ? 0 : put_matching(q, &listed, &f);
    regex_free(f.pattern);
    wire_put_len(o, n);
    buf_add(o->b, body.data, body.len);
    buf_free(&body);
    wire_put_tags(o);
    return API_ANSWERED;
}
