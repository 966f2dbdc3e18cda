/* What transactional producers send: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/txn.h"

/* PRODUCER_FENCED came late; older versions of a request know only the other code for it. */
static kafka_error fenced(kafka_error error, bool knows)
{
    return error == KAFKA_PRODUCER_FENCED && !knows ? KAFKA_INVALID_PRODUCER_EPOCH : error;
}

/* ---- InitProducerId ------------------------------------------------------------------------------------ */

static void answer_init(request *q, kafka_error error, int64_t producer_id, int16_t epoch)
{
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)fenced(error, q->version >= 4));
    wire_put_i64(o, error == KAFKA_NONE ? producer_id : -1);
    wire_put_i16(o, error == KAFKA_NONE ? epoch : -1);
    wire_put_tags(o);
}

static void on_init(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    answer_init(arg, error, producer_id, epoch);
    request_done(arg, false);
}

api_outcome api_init_producer_id(request *q)
{
    wire_in *in = &q->in;
    str id = wire_nstr(in);
    int32_t timeout_ms = wire_i32(in);
    int64_t given_pid = q->version >= 3 ? wire_i64(in) : -1;
    int16_t given_epoch = q->version >= 3 ? wire_i16(in) : -1;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    kafka_error error = KAFKA_NONE;
    int64_t producer_id = -1;
    /* Whoever may write to some topic may do so idempotently (KIP-679). */
    if (!id.p) {
        if (!authz_cluster(q, ACL_IDEMPOTENT_WRITE) && !authz_any(q, ACL_WRITE, ACL_TOPIC))
            error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        else
            error = txn_new_producer_id(q->b, &producer_id);
        answer_init(q, error, producer_id, 0);
        return API_ANSWERED;
    }
    if (!authz_txn(q, ACL_WRITE, id))
        error = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    else if (id.n == 0 || (given_pid == -1) != (given_epoch == -1) || given_pid < -1 || given_epoch < -1)
        error = KAFKA_INVALID_REQUEST;
    else if (timeout_ms <= 0 || timeout_ms > broker_i64(q->b, "transaction.max.timeout.ms"))
        error = KAFKA_INVALID_TRANSACTION_TIMEOUT;
    if (error != KAFKA_NONE) {
        answer_init(q, error, -1, -1);
        return API_ANSWERED;
    }
    txn_init(q->b, id, timeout_ms, given_pid, given_epoch, q->version, on_init, q);
    return API_PARKED;
}

/* ---- AddPartitionsToTxn -------------------------------------------------------------------------------- */

typedef struct add_topic {
    str name;
    int32_t n;
    txn_partition *partitions;
    kafka_error *errors;
} add_topic;

typedef struct add_txn {
    struct add_request *of;
    str id;
    int64_t producer_id;
    int16_t epoch;
    bool verify_only;
    int32_t topics_len;
    add_topic *topics;
    size_t partitions;
} add_txn;

typedef struct add_request {
    request *q;
    int32_t txns_len;
    add_txn *txns;
    int waiting;
    kafka_error refused; /* the request as a whole */
} add_request;

static void read_add_topics(request *q, add_txn *a)
{
    wire_in *in = &q->in;
    a->topics_len = wire_len(in, 4);
    a->topics = ARENA_ARRAY(q->a, add_topic, (size_t)a->topics_len + 1);
    for (int32_t i = 0; i < a->topics_len && !wire_failed(in); i++) {
        add_topic *t = &a->topics[i];
        t->name = arena_str(q->a, wire_str(in));
        t->n = wire_len(in, 4);
        t->partitions = ARENA_ARRAY(q->a, txn_partition, (size_t)t->n + 1);
        t->errors = ARENA_ARRAY(q->a, kafka_error, (size_t)t->n + 1);
        for (int32_t k = 0; k < t->n; k++)
            t->partitions[k] = (txn_partition){(char *)(uintptr_t)t->name.p, wire_i32(in)};
        wire_tags(in);
        a->partitions += (size_t)t->n;
    }
}

static void read_add_txn(request *q, add_txn *a)
{
    wire_in *in = &q->in;
    a->id = arena_str(q->a, wire_str(in));
    a->producer_id = wire_i64(in);
    a->epoch = wire_i16(in);
    if (q->version >= 4) a->verify_only = wire_bool(in);
    read_add_topics(q, a);
}

static void set_all(add_txn *a, kafka_error error)
{
    for (int32_t i = 0; i < a->topics_len; i++)
        for (int32_t k = 0; k < a->topics[i].n; k++) a->topics[i].errors[k] = error;
}

/* Clients (other brokers send newer versions) may add what they may write to, but nothing that is the cluster's own. */
static bool may_add(const request *q, str topic_name)
{
    if (q->version >= 4) return true;
    if (str_eqz(topic_name, TOPIC_OFFSETS) || str_eqz(topic_name, TOPIC_TXNS)) return false;
    return authz_topic(q, ACL_WRITE, topic_name);
}

/* One partition that cannot be added spoils the request: every other one gets OPERATION_NOT_ATTEMPTED. */
static bool all_can_be_added(add_txn *a)
{
    bool all = true;
    for (int32_t i = 0; i < a->topics_len; i++) {
        bool may = may_add(a->of->q, a->topics[i].name);
        for (int32_t k = 0; k < a->topics[i].n; k++) {
            broker_partition *p =
                partition_by_name(a->of->q->b, a->topics[i].name, a->topics[i].partitions[k].partition);
            a->topics[i].errors[k] = !may ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                                     : p  ? KAFKA_OPERATION_NOT_ATTEMPTED
                                          : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            if (!may || !p) all = false;
            broker_partition_release(p);
        }
    }
    return all;
}

static void put_add_topics(wire_out *o, const add_txn *a)
{
    wire_put_len(o, a->topics_len);
    for (int32_t i = 0; i < a->topics_len; i++) {
        const add_topic *t = &a->topics[i];
        wire_put_str(o, t->name);
        wire_put_len(o, t->n);
        for (int32_t k = 0; k < t->n; k++) {
            wire_put_i32(o, t->partitions[k].partition);
            wire_put_i16(o, (int16_t)t->errors[k]);
            wire_put_tags(o);
        }
        wire_put_tags(o);
    }
}

static void answer_add(add_request *r)
{
    request *q = r->q;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    if (q->version >= 4) {
        wire_put_i16(o, (int16_t)r->refused);
        wire_put_len(o, r->refused == KAFKA_NONE ? r->txns_len : 0);
        for (int32_t i = 0; i < r->txns_len && r->refused == KAFKA_NONE; i++) {
            wire_put_str(o, r->txns[i].id);
            put_add_topics(o, &r->txns[i]);
            wire_put_tags(o);
        }
    } else {
        put_add_topics(o, &r->txns[0]);
    }
    wire_put_tags(o);
}

static void on_added(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    add_txn *a = arg;
    set_all(a, error);
    if (--a->of->waiting > 0) return;
    answer_add(a->of);
    request_done(a->of->q, false);
}

static void verify(add_txn *a, const txn *t, kafka_error missing)
{
    for (int32_t i = 0; i < a->topics_len; i++) {
        for (int32_t k = 0; k < a->topics[i].n; k++) {
            bool has = txn_has(t, a->topics[i].name, a->topics[i].partitions[k].partition);
            a->topics[i].errors[k] = has ? KAFKA_NONE : missing;
        }
    }
}

static void add_one(request *q, add_txn *a)
{
    txn *t;
    kafka_error error = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (q->version >= 4 || authz_txn(q, ACL_WRITE, a->id))
        error = a->id.n == 0 ? KAFKA_INVALID_REQUEST : txn_check(q->b, a->id, a->producer_id, a->epoch, &t);
    if (error != KAFKA_NONE) {
        set_all(a, fenced(error, q->version >= 2));
        return;
    }
    if (a->verify_only) {
        verify(a, t, KAFKA_TRANSACTION_ABORTABLE);
        return;
    }
    if (!all_can_be_added(a)) return;
    txn_partition *list = ARENA_ARRAY(q->a, txn_partition, a->partitions + 1);
    size_t n = 0;
    for (int32_t i = 0; i < a->topics_len; i++)
        for (int32_t k = 0; k < a->topics[i].n; k++) list[n++] = a->topics[i].partitions[k];
    a->of->waiting++;
    txn_add(t, list, n, false, on_added, a);
}

api_outcome api_add_partitions_to_txn(request *q)
{
    wire_in *in = &q->in;
    add_request *r = ARENA_NEW(q->a, add_request);
    r->q = q;
    r->txns_len = q->version >= 4 ? wire_len(in, 14) : 1;
    r->txns = ARENA_ARRAY(q->a, add_txn, (size_t)r->txns_len + 1);
    for (int32_t i = 0; i < r->txns_len && !wire_failed(in); i++) {
        r->txns[i].of = r;
        read_add_txn(q, &r->txns[i]);
        if (q->version >= 4) wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    /* One more than there are, so that answers that come at once do not complete the request in the middle. */
    r->waiting = 1;
    if (q->version >= 4 && !authz_cluster(q, ACL_CLUSTER_ACTION)) r->refused = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    for (int32_t i = 0; i < r->txns_len && r->refused == KAFKA_NONE; i++) add_one(q, &r->txns[i]);
    if (--r->waiting > 0) return API_PARKED;
    answer_add(r);
    return API_ANSWERED;
}

/* ---- AddOffsetsToTxn ----------------------------------------------------------------------------------- */

static void answer_error(request *q, kafka_error error)
{
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_i16(&q->out, (int16_t)fenced(error, q->version >= 2));
    wire_put_tags(&q->out);
}

static void on_error(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    answer_error(arg, error);
    request_done(arg, false);
}

api_outcome api_add_offsets_to_txn(request *q)
{
    wire_in *in = &q->in;
    str id = wire_str(in);
    int64_t producer_id = wire_i64(in);
    int16_t epoch = wire_i16(in);
    str group_id = wire_str(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    txn *t;
    diag d = {0};
    kafka_error error = KAFKA_NONE;
    if (!authz_txn(q, ACL_WRITE, id))
        error = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    else if (!authz_group(q, ACL_READ, group_id))
        error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    else
        error = id.n == 0 ? KAFKA_INVALID_REQUEST : txn_check(q->b, id, producer_id, epoch, &t);
    int32_t n = error == KAFKA_NONE ? topic_internal(q->b, TOPIC_OFFSETS, &d) : 0;
    if (error == KAFKA_NONE && n <= 0) error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (error != KAFKA_NONE) {
        answer_error(q, error);
        return API_ANSWERED;
    }
    txn_partition p = {(char *)(uintptr_t)TOPIC_OFFSETS, coordinator_partition(group_id, n)};
    txn_add(t, &p, 1, false, on_error, q);
    return API_PARKED;
}

/* ---- EndTxn -------------------------------------------------------------------------------------------- */

static void answer_end(request *q, kafka_error error, int64_t producer_id, int16_t epoch)
{
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_i16(&q->out, (int16_t)fenced(error, q->version >= 2));
    if (q->version >= 5) {
        wire_put_i64(&q->out, error == KAFKA_NONE ? producer_id : -1);
        wire_put_i16(&q->out, error == KAFKA_NONE ? epoch : -1);
    }
    wire_put_tags(&q->out);
}

static void on_ended(void *arg, kafka_error error, int64_t producer_id, int16_t epoch)
{
    answer_end(arg, error, producer_id, epoch);
    request_done(arg, false);
}

api_outcome api_end_txn(request *q)
{
    wire_in *in = &q->in;
    str id = wire_str(in);
    int64_t producer_id = wire_i64(in);
    int16_t epoch = wire_i16(in);
    bool commit = wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    bool may = authz_txn(q, ACL_WRITE, id);
    if (!may || id.n == 0) {
        answer_end(q, may ? KAFKA_INVALID_REQUEST : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, -1);
        return API_ANSWERED;
    }
    txn_end(q->b, id, producer_id, epoch, commit, q->version >= 5, on_ended, q);
    return API_PARKED;
}
