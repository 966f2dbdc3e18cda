/* What is there and who serves it: Metadata, FindCoordinator, DescribeCluster, DescribeTopicPartitions. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"

static const uint8_t zero_id[16];

/* Where a partition's number stands: behind its error. */
enum { PARTITION_INDEX_AT = 2 };

/* ---- Metadata ------------------------------------------------------------------------------------------ */

typedef struct wanted_topic {
    str name; /* p == NULL: by id */
    const uint8_t *id; /* NULL: by name */
} wanted_topic;

static void put_self(request *q)
{
    wire_out *o = &q->out;
    wire_put_i32(o, q->b->node_id);
    wire_put_str(o, str_z(q->c->host));
    wire_put_i32(o, q->c->port);
}

static void put_one_id(wire_out *o, int32_t id)
{
    wire_put_len(o, 1);
    wire_put_i32(o, id);
}

static void put_partition(request *q, int32_t index)
{
    wire_out *o = &q->out;
    wire_put_i16(o, KAFKA_NONE);
    wire_put_i32(o, index);
    wire_put_i32(o, q->b->node_id);
    if (q->version >= 7) wire_put_i32(o, q->b->leader_epoch);
    put_one_id(o, q->b->node_id);
    put_one_id(o, q->b->node_id);
    if (q->version >= 5) wire_put_len(o, 0);
    wire_put_tags(o);
}

/* They differ in their number only: written once and copied, ten times as fast for topics with thousands. */
static void put_partitions(request *q, int32_t n)
{
    buf *out = &q->bytes;
    size_t at = out->len;
    if (n == 0) return;
    put_partition(q, 0);
    size_t size = out->len - at;
    buf_reserve(out, size * (size_t)(n - 1));
    for (int32_t i = 1; i < n; i++) {
        buf_add(out, out->data + at, size);
        store_be32(out->data + out->len - size + PARTITION_INDEX_AT, (uint32_t)i);
    }
}

/*
 * t == NULL: the error for w. meta_lock is held. Topics that are asked for by an unknown id, and those that one may not
 * know of, tell no operations.
 */
static void put_topic(request *q, const wanted_topic *w, const topic *t, kafka_error error, bool operations)
{
    wire_out *o = &q->out;
    str name = t ? str_z(t->name) : w->name;
    bool tells = operations && name.p && error != KAFKA_TOPIC_AUTHORIZATION_FAILED;
    wire_put_i16(o, (int16_t)error);
    if (q->version >= 12)
        wire_put_nstr(o, name);
    else
        wire_put_str(o, name);
    if (q->version >= 10) wire_put_uuid(o, t ? t->id : w->id ? w->id : zero_id);
    if (q->version >= 1) wire_put_bool(o, t && t->internal);
    wire_put_len(o, t ? t->partitions_len : 0);
    if (t) put_partitions(q, t->partitions_len);
    if (q->version >= 8) wire_put_i32(o, tells ? authz_operations(q, ACL_TOPIC, name) : AUTHZ_NOT_ASKED);
    wire_put_tags(o);
}

static bool is_internal_name(str name)
{
    return str_eqz(name, TOPIC_OFFSETS) || str_eqz(name, TOPIC_TXNS);
}

/* Makes a topic because a client named it, with the broker's defaults. */
static kafka_error auto_create(broker *b, str name)
{
    diag d = {0};
    if (is_internal_name(name)) {
        return topic_internal(b, str_eqz(name, TOPIC_OFFSETS) ? TOPIC_OFFSETS : TOPIC_TXNS, &d) > 0
                   ? KAFKA_NONE
                   : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    uint8_t id[16];
    topic_spec spec = {.name = name, .partitions = -1};
    kafka_error error = topic_create(b, &spec, id, &d);
    return error == KAFKA_TOPIC_ALREADY_EXISTS ? KAFKA_NONE : error;
}

/* Whoever may make topics at all may make this one; else it is a matter of the name. */
static bool may_create(request *q, str name)
{
    return authz_cluster(q, ACL_CREATE) || authz_topic(q, ACL_CREATE, name);
}

/* What one may not describe is not even looked for; by id, which tells nothing, it may be. */
static bool may_describe(request *q, const wanted_topic *w, const topic *t)
{
    return (!t && !w->name.p) || authz_topic(q, ACL_DESCRIBE, t ? str_z(t->name) : w->name);
}

static void put_wanted(request *q, const wanted_topic *w, bool create, bool operations)
{
    broker *b = q->b;
    kafka_error error = KAFKA_NONE;
    if (w->name.p && !topic_name_ok(w->name)) error = KAFKA_INVALID_TOPIC_EXCEPTION;
    for (int attempt = 0; attempt < 2; attempt++) {
        pthread_mutex_lock(&b->meta_lock);
        topic *t = w->name.p ? topic_find(b, w->name) : topic_find_id(b, w->id);
        bool refused = !may_describe(q, w, t);
        if (!refused && !t && w->name.p && create && attempt == 0) refused = !may_create(q, w->name);
        if (refused) {
            t = NULL;
            error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        }
        if (t || error != KAFKA_NONE || !w->name.p || !create || attempt == 1) {
            if (!t && error == KAFKA_NONE)
                error = w->name.p ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
            put_topic(q, w, t, t ? KAFKA_NONE : error, operations);
            pthread_mutex_unlock(&b->meta_lock);
            return;
        }
        pthread_mutex_unlock(&b->meta_lock);
        error = auto_create(b, w->name);
    }
}

/* All that one may know of. */
static void put_all(request *q, bool operations)
{
    broker *b = q->b;
    pthread_mutex_lock(&b->meta_lock);
    const topic **shown = ARENA_ARRAY(q->a, const topic *, map_count(&b->topics_by_name) + 1);
    int32_t n = 0;
    void *value;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);)
        if (authz_topic(q, ACL_DESCRIBE, str_z(((topic *)value)->name))) shown[n++] = value;
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) put_topic(q, NULL, shown[i], KAFKA_NONE, operations);
    pthread_mutex_unlock(&b->meta_lock);
}

/* The cluster's operations; not even that there are some without being let to describe it. */
static int32_t cluster_operations_of(request *q, bool asked)
{
    if (!asked) return AUTHZ_NOT_ASKED;
    return authz_cluster(q, ACL_DESCRIBE) ? authz_operations(q, ACL_CLUSTER, ACL_CLUSTER_NAME) : 0;
}

static wanted_topic *read_wanted(request *q, int32_t *n, bool *bad)
{
    wire_in *in = &q->in;
    *n = q->version >= 1 ? wire_nlen(in, 2) : wire_len(in, 2);
    if (q->version == 0 && *n == 0) *n = -1;
    wanted_topic *wanted = ARENA_ARRAY(q->a, wanted_topic, *n > 0 ? (size_t)*n : 1);
    for (int32_t i = 0; i < *n && !wire_failed(in); i++) {
        const uint8_t *id = q->version >= 10 ? wire_uuid(in) : zero_id;
        wanted[i].name = q->version >= 10 ? wire_nstr(in) : wire_str(in);
        wire_tags(in);
        if (!wanted[i].name.p) wanted[i].id = id;
        /* Ids may be asked for from version 12 on; before it a null name is a mistake. */
        if (!wanted[i].name.p && (q->version < 12 || memcmp(id, zero_id, 16) == 0)) *bad = true;
    }
    return wanted;
}

api_outcome api_metadata(request *q)
{
    wire_in *in = &q->in;
    broker *b = q->b;
    int32_t n;
    bool bad = false;
    wanted_topic *wanted = read_wanted(q, &n, &bad);
    bool create = q->version >= 4 ? wire_bool(in) : true;
    bool cluster_operations = q->version >= 8 && q->version <= 10 ? wire_bool(in) : false;
    bool operations = q->version >= 8 ? wire_bool(in) : false;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    create = create && broker_bool(b, "auto.create.topics.enable");

    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 3) wire_put_i32(o, 0);
    wire_put_len(o, 1);
    put_self(q);
    if (q->version >= 1) wire_put_nstr(o, WIRE_NULL);
    wire_put_tags(o);
    if (q->version >= 2) wire_put_nstr(o, str_z(b->cluster_id));
    if (q->version >= 1) wire_put_i32(o, b->node_id);
    if (bad) {
        wire_put_len(o, n);
        for (int32_t i = 0; i < n; i++) put_topic(q, &wanted[i], NULL, KAFKA_INVALID_REQUEST, false);
    } else if (n < 0) {
        put_all(q, operations);
    } else {
        wire_put_len(o, n);
        for (int32_t i = 0; i < n; i++) put_wanted(q, &wanted[i], create, operations);
    }
    if (q->version >= 8 && q->version <= 10) wire_put_i32(o, cluster_operations_of(q, cluster_operations));
    if (q->version >= 13) wire_put_i16(o, KAFKA_NONE);
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- FindCoordinator ----------------------------------------------------------------------------------- */

static kafka_error find_coordinator(request *q, str key, int8_t type)
{
    broker *b = q->b;
    diag d = {0};
    if (type == 0 && !authz_group(q, ACL_DESCRIBE, key)) return KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (type == 1 && !authz_txn(q, ACL_DESCRIBE, key)) return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (type == 0) return topic_internal(b, TOPIC_OFFSETS, &d) > 0 ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (type == 1 && key.n == 0) return KAFKA_INVALID_REQUEST;
    if (type == 1) return topic_internal(b, TOPIC_TXNS, &d) > 0 ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE;
    return KAFKA_INVALID_REQUEST;
}

static void put_coordinator(request *q, kafka_error error)
{
    if (error == KAFKA_NONE) {
        put_self(q);
        return;
    }
    wire_put_i32(&q->out, -1);
    wire_put_str(&q->out, STR(""));
    wire_put_i32(&q->out, -1);
}

api_outcome api_find_coordinator(request *q)
{
    wire_in *in = &q->in;
    str key = STR("");
    if (q->version <= 3) key = wire_str(in);
    int8_t type = q->version >= 1 ? wire_i8(in) : 0;
    int32_t n = q->version >= 4 ? wire_len(in, 1) : 0;
    str *keys = ARENA_ARRAY(q->a, str, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) keys[i] = wire_str(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;

    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 1) wire_put_i32(o, 0);
    if (q->version <= 3) {
        kafka_error error = find_coordinator(q, key, type);
        wire_put_i16(o, (int16_t)error);
        if (q->version >= 1) wire_put_nstr(o, authz_message(error));
        put_coordinator(q, error);
    } else {
        wire_put_len(o, n);
        for (int32_t i = 0; i < n; i++) {
            kafka_error error = find_coordinator(q, keys[i], type);
            wire_put_str(o, keys[i]);
            put_coordinator(q, error);
            wire_put_i16(o, (int16_t)error);
            wire_put_nstr(o, authz_message(error));
            wire_put_tags(o);
        }
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- DescribeCluster ----------------------------------------------------------------------------------- */

api_outcome api_describe_cluster(request *q)
{
    wire_in *in = &q->in;
    bool operations = wire_bool(in);
    int8_t endpoints = q->version >= 1 ? wire_i8(in) : 1;
    if (q->version >= 2) wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    kafka_error error = KAFKA_NONE;
    if (endpoints == 2)
        error = KAFKA_MISMATCHED_ENDPOINT_TYPE;
    else if (endpoints != 1)
        error = KAFKA_UNSUPPORTED_ENDPOINT_TYPE;

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, error == KAFKA_NONE ? WIRE_NULL : STR("Only endpoint type 1, brokers, is served here."));
    if (q->version >= 1) wire_put_i8(o, error == KAFKA_NONE ? 1 : endpoints);
    wire_put_str(o, error == KAFKA_NONE ? str_z(q->b->cluster_id) : STR(""));
    wire_put_i32(o, error == KAFKA_NONE ? q->b->node_id : -1);
    wire_put_len(o, error == KAFKA_NONE ? 1 : 0);
    if (error == KAFKA_NONE) {
        put_self(q);
        wire_put_nstr(o, WIRE_NULL);
        if (q->version >= 2) wire_put_bool(o, false);
        wire_put_tags(o);
    }
    wire_put_i32(o, cluster_operations_of(q, operations));
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- DescribeTopicPartitions --------------------------------------------------------------------------- */

enum { DESCRIBE_PARTITIONS_MAX = 2000 };

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const str *)x, *(const str *)y);
}

/*
 * The names asked for (all when none), sorted, from the cursor's on, each once. Those that one may not know of go to
 * *hidden when they were asked for by name.
 */
static str *sorted_names(request *q, str *names, int32_t *n, str from, int32_t *hidden_len, str **hidden)
{
    broker *b = q->b;
    bool all = *n == 0;
    *hidden = ARENA_ARRAY(q->a, str, (size_t)*n + 1);
    *hidden_len = 0;
    if (all) {
        broker_topic_info *infos;
        *n = (int32_t)broker_topic_list(b, q->a, &infos);
        names = ARENA_ARRAY(q->a, str, (size_t)*n + 1);
        for (int32_t i = 0; i < *n; i++) names[i] = infos[i].name;
    } else {
        qsort(names, (size_t)*n, sizeof *names, by_text);
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < *n; i++) {
        str name = names[i];
        if (from.p && str_cmp(name, from) < 0) continue;
        if (kept > 0 && str_eq(names[kept - 1], name)) continue;
        if (authz_topic(q, ACL_DESCRIBE, name))
            names[kept++] = name;
        else if (!all && (*hidden_len == 0 || !str_eq((*hidden)[*hidden_len - 1], name)))
            (*hidden)[(*hidden_len)++] = name;
    }
    *n = kept;
    return names;
}

/* One that must not be known of: whether it exists is not told. */
static void put_hidden(request *q, str name)
{
    wire_out *o = &q->out;
    wire_put_i16(o, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    wire_put_nstr(o, name);
    wire_put_uuid(o, zero_id);
    wire_put_bool(o, false);
    wire_put_len(o, 0);
    wire_put_i32(o, AUTHZ_NOT_ASKED);
    wire_put_tags(o);
}

/* Writes one topic from partition `from` on, at most *left partitions; the first one not written, or -1. */
static int32_t put_described(request *q, str name, int32_t from, int32_t *left)
{
    broker *b = q->b;
    wire_out *o = &q->out;
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = topic_find(b, name);
    kafka_error error = t                     ? KAFKA_NONE
                        : topic_name_ok(name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                              : KAFKA_INVALID_TOPIC_EXCEPTION;
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, name);
    wire_put_uuid(o, t ? t->id : zero_id);
    wire_put_bool(o, t && t->internal);
    int32_t end = t ? t->partitions_len : 0;
    if (from > end) from = end;
    int32_t count = end - from < *left ? end - from : *left;
    wire_put_len(o, count);
    for (int32_t i = from; i < from + count; i++) {
        wire_put_i16(o, KAFKA_NONE);
        wire_put_i32(o, i);
        wire_put_i32(o, b->node_id);
        wire_put_i32(o, b->leader_epoch);
        put_one_id(o, b->node_id);
        put_one_id(o, b->node_id);
        wire_put_len(o, 0);
        wire_put_len(o, 0);
        wire_put_len(o, 0);
        wire_put_tags(o);
    }
    pthread_mutex_unlock(&b->meta_lock);
    wire_put_i32(o, authz_operations(q, ACL_TOPIC, name));
    wire_put_tags(o);
    *left -= count;
    return from + count < end ? from + count : -1;
}

api_outcome api_describe_topic_partitions(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 2);
    str *names = ARENA_ARRAY(q->a, str, (size_t)n + 1);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        names[i] = wire_str(in);
        wire_tags(in);
    }
    int32_t left = wire_i32(in);
    str from = WIRE_NULL;
    int32_t from_partition = 0;
    if (wire_i8(in) >= 0) {
        from = wire_str(in);
        from_partition = wire_i32(in);
        wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in) || left < 1 || from_partition < 0) return API_MALFORMED;
    if (left > DESCRIBE_PARTITIONS_MAX) left = DESCRIBE_PARTITIONS_MAX;
    int32_t hidden_len;
    str *hidden;
    names = sorted_names(q, names, &n, from, &hidden_len, &hidden);

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    /* The number of topics is known only when the limit was met: written into a buffer of its own. */
    buf body = {0};
    buf *whole = o->b;
    o->b = &body;
    int32_t written = 0, next = -1;
    int32_t i = 0;
    for (; i < n && left > 0 && next < 0; i++) {
        bool first = from.p && str_eq(names[i], from);
        next = put_described(q, names[i], first ? from_partition : 0, &left);
        written++;
    }
    for (int32_t k = 0; k < hidden_len; k++) put_hidden(q, hidden[k]);
    o->b = whole;
    wire_put_len(o, written + hidden_len);
    buf_add(whole, body.data, body.len);
    buf_free(&body);
    bool cut = next > 0;
    bool more = cut || i < n;
    wire_put_i8(o, more ? 1 : -1);
    if (more) {
        wire_put_str(o, cut ? names[i - 1] : names[i]);
        wire_put_i32(o, cut ? next : 0);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}
