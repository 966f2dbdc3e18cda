/* Making and removing topics: CreateTopics, DeleteTopics, CreatePartitions. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/quota.h"

/* From these versions on a client that is over its quota is refused; before, it only has to wait (KIP-599). */
enum { CREATE_STRICT = 6, DELETE_STRICT = 5, GROW_STRICT = 3 };

/* ---- CreateTopics -------------------------------------------------------------------------------------- */

typedef struct new_topic {
    str name;
    int32_t partitions;
    int16_t replicas;
    int32_t assigned; /* replica assignments given */
    bool assignment_bad;
    broker_config_entry *configs;
    int32_t configs_len;
    bool twice;
    uint8_t id[16];
} new_topic;

/* A manual assignment must name each partition from 0 on once, each on this node alone. */
static void read_assignments(request *q, new_topic *t)
{
    wire_in *in = &q->in;
    t->assigned = wire_len(in, 5);
    bool *seen = ARENA_ARRAY(q->a, bool, (size_t)t->assigned + 1);
    for (int32_t i = 0; i < t->assigned && !wire_failed(in); i++) {
        int32_t index = wire_i32(in);
        int32_t n = wire_len(in, 4);
        if (index < 0 || index >= t->assigned || seen[index] || n != 1)
            t->assignment_bad = true;
        else
            seen[index] = true;
        for (int32_t k = 0; k < n; k++)
            if (wire_i32(in) != q->b->node_id) t->assignment_bad = true;
        wire_tags(in);
    }
}

static void read_new_topic(request *q, new_topic *t)
{
    wire_in *in = &q->in;
    t->name = wire_str(in);
    t->partitions = wire_i32(in);
    t->replicas = wire_i16(in);
    read_assignments(q, t);
    t->configs_len = wire_len(in, 2);
    t->configs = ARENA_ARRAY(q->a, broker_config_entry, (size_t)t->configs_len + 1);
    for (int32_t i = 0; i < t->configs_len && !wire_failed(in); i++) {
        t->configs[i].name = wire_str(in);
        t->configs[i].value = wire_nstr(in);
        wire_tags(in);
    }
    wire_tags(in);
}

static kafka_error fail(diag *d, kafka_error error, const char *text)
{
    diag_set(d, DIAG_INVALID, "%s", text);
    return error;
}

/* Whether so many partitions may be made or deleted now, once it is known that nothing else is wrong. */
static kafka_error admit(request *q, int32_t partitions, int16_t strict_from, diag *d)
{
    if (quota_admit(q, partitions, q->version >= strict_from)) return KAFKA_NONE;
    return fail(d, KAFKA_THROTTLING_QUOTA_EXCEEDED, "The client is over its controller_mutation_rate.");
}

/* Makes a topic of which only what topic_create looks at can be wrong. */
static kafka_error create_admitted(request *q, topic_spec *spec, uint8_t id[16], diag *d)
{
    bool validate_only = spec->validate_only;
    if (!quota_on(q->b, QUOTA_MUTATION)) return topic_create(q->b, spec, id, d);
    spec->validate_only = true;
    kafka_error error = topic_create(q->b, spec, id, d);
    int32_t partitions = spec->partitions == -1 ? (int32_t)broker_i64(q->b, "num.partitions") : spec->partitions;
    if (error == KAFKA_NONE) error = admit(q, partitions, CREATE_STRICT, d);
    spec->validate_only = validate_only;
    return error == KAFKA_NONE && !validate_only ? topic_create(q->b, spec, id, d) : error;
}

static kafka_error create(request *q, new_topic *t, bool validate_only, diag *d)
{
    if (t->twice) return fail(d, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
    if (!authz_cluster(q, ACL_CREATE) && !authz_topic(q, ACL_CREATE, t->name))
        return fail(d, KAFKA_TOPIC_AUTHORIZATION_FAILED, "Authorization failed.");
    if (t->assigned > 0 && (t->partitions != -1 || t->replicas != -1)) {
        return fail(d, KAFKA_INVALID_REQUEST,
                    "A manual partition assignment was specified, but numPartitions or "
                    "replicationFactor was not set to -1.");
    }
    if (t->assignment_bad) {
        return fail(d, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    "Partitions must be numbered from 0 on, each with this one broker.");
    }
    if (t->assigned == 0 && (t->replicas == 0 || t->replicas < -1)) {
        return fail(d, KAFKA_INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0.");
    }
    int64_t replicas = t->replicas == -1 ? broker_i64(q->b, "default.replication.factor") : t->replicas;
    if (t->assigned == 0 && replicas > 1 && !broker_bool(q->b, "replication.factor.clamp")) {
        return fail(d, KAFKA_INVALID_REPLICATION_FACTOR,
                    "The replication factor is larger than the one broker there is; "
                    "replication.factor.clamp=true takes it as 1.");
    }
    if (t->assigned == 0 && t->partitions != -1 && t->partitions <= 0) {
        return fail(d, KAFKA_INVALID_PARTITIONS, "Number of partitions must be larger than 0.");
    }
    topic_spec spec = {
        .name = t->name,
        .partitions = t->assigned > 0 ? t->assigned : t->partitions,
        .configs = t->configs,
        .configs_len = (size_t)t->configs_len,
        .validate_only = validate_only,
    };
    if (str_eqz(t->name, TOPIC_OFFSETS) || str_eqz(t->name, TOPIC_TXNS)) spec.internal = true;
    return create_admitted(q, &spec, t->id, d);
}

/* The settings that the topic has, or would have. */
static void put_effective(request *q, const new_topic *t)
{
    wire_out *o = &q->out;
    config_set set = {0};
    for (int32_t i = 0; i < t->configs_len; i++) {
        config_set_put(&set, config_topic_def(t->configs[i].name), t->configs[i].value);
    }
    pthread_mutex_lock(&q->b->meta_lock);
    config_view v = broker_view(q->b, NULL);
    v.topic = &set;
    int32_t partitions = t->assigned > 0 ? t->assigned : t->partitions;
    if (partitions == -1) partitions = (int32_t)config_broker_i64(&v, "num.partitions");
    wire_put_i32(o, partitions);
    wire_put_i16(o, 1);
    wire_put_len(o, (int32_t)config_topic_defs_len);
    for (size_t i = 0; i < config_topic_defs_len; i++) {
        const config_def *def = &config_topic_defs[i];
        config_source source;
        const char *value = config_topic_value(&v, def, q->a, &source);
        wire_put_str(o, str_z(def->name));
        wire_put_nstr(o, value ? str_z(value) : WIRE_NULL);
        wire_put_bool(o, false);
        wire_put_i8(o, (int8_t)source);
        wire_put_bool(o, false);
        wire_put_tags(o);
    }
    pthread_mutex_unlock(&q->b->meta_lock);
    config_set_free(&set);
}

static void put_created(request *q, const new_topic *t, kafka_error error, const diag *d)
{
    wire_out *o = &q->out;
    wire_put_str(o, t->name);
    if (q->version >= 7) wire_put_uuid(o, t->id);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, error == KAFKA_NONE ? WIRE_NULL : str_z(d->text));
    bool shown = error != KAFKA_NONE || authz_topic(q, ACL_DESCRIBE_CONFIGS, t->name);
    if (q->version >= 5 && error == KAFKA_NONE && shown) {
        put_effective(q, t);
    } else if (q->version >= 5) {
        wire_put_i32(o, -1);
        wire_put_i16(o, -1);
        wire_put_len(o, 0);
    }
    if (q->version >= 5 && !shown) {
        /* One tagged field, 0: why there are no configs. */
        write_uvarint64(o->b, 1);
        write_uvarint64(o->b, 0);
        write_uvarint64(o->b, 2);
        wire_put_i16(o, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    } else {
        wire_put_tags(o);
    }
}

api_outcome api_create_topics(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 9);
    new_topic *topics = ARENA_ARRAY(q->a, new_topic, (size_t)n + 1);
    map seen = {0};
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        read_new_topic(q, &topics[i]);
        if (wire_failed(in)) break;
        new_topic *before = map_put(&seen, topics[i].name, &topics[i]);
        if (before) before->twice = topics[i].twice = true;
    }
    map_free(&seen);
    wire_i32(in);
    bool validate_only = wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) {
        diag d = {0};
        kafka_error error = create(q, &topics[i], validate_only, &d);
        put_created(q, &topics[i], error, &d);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- DeleteTopics -------------------------------------------------------------------------------------- */

typedef struct doomed {
    str name; /* p == NULL: by id */
    uint8_t id[16];
    bool bad;
} doomed;

/*
 * Whether what is named may be deleted. What is found goes into t, as far as it may be known: ids only to those who may
 * delete, the name of an id to those who may describe.
 */
static kafka_error check_doomed(request *q, doomed *t, int32_t *partitions, diag *d)
{
    broker *b = q->b;
    bool by_name = t->name.p != NULL, everything = authz_cluster(q, ACL_DELETE);
    pthread_mutex_lock(&b->meta_lock);
    const topic *found = by_name ? topic_find(b, t->name) : topic_find_id(b, t->id);
    str name = found ? arena_str(q->a, str_z(found->name)) : t->name;
    bool known = everything || !name.p || authz_topic(q, ACL_DESCRIBE, name);
    bool may = everything || !found || authz_topic(q, ACL_DELETE, name);
    *partitions = found ? found->partitions_len : 0;
    if (found && known && may) memcpy(t->id, found->id, 16);
    pthread_mutex_unlock(&b->meta_lock);
    if (known) t->name = name;
    return known && may ? KAFKA_NONE : fail(d, KAFKA_TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.");
}

static void delete_one(request *q, doomed *t)
{
    broker *b = q->b;
    diag d = {0};
    kafka_error error = KAFKA_NONE;
    static const uint8_t zeros[16];
    bool has_id = memcmp(t->id, zeros, 16) != 0;
    if (t->bad || (t->name.p != NULL) == has_id) {
        error = KAFKA_INVALID_REQUEST;
        diag_set(&d, DIAG_INVALID, "A topic is deleted either by name or by id, once in a request.");
    } else if (!broker_bool(b, "delete.topic.enable")) {
        error = q->version >= 3 ? KAFKA_TOPIC_DELETION_DISABLED : KAFKA_INVALID_REQUEST;
        diag_set(&d, DIAG_STATE, "Topic deletion is disabled.");
    } else {
        /* The answer names the topic in both ways; what it was is gone once it is deleted. */
        int32_t partitions;
        error = check_doomed(q, t, &partitions, &d);
        if (error == KAFKA_NONE && partitions > 0) error = admit(q, partitions, DELETE_STRICT, &d);
        if (error == KAFKA_NONE) error = topic_delete(b, t->name, t->id, &d);
    }
    wire_out *o = &q->out;
    if (q->version >= 6)
        wire_put_nstr(o, t->name);
    else
        wire_put_str(o, t->name);
    if (q->version >= 6) wire_put_uuid(o, t->id);
    wire_put_i16(o, (int16_t)error);
    if (q->version >= 5) wire_put_nstr(o, error == KAFKA_NONE ? WIRE_NULL : str_z(d.text));
    wire_put_tags(o);
}

static void mark_repeated(doomed *topics, int32_t n)
{
    map seen = {0};
    for (int32_t i = 0; i < n; i++) {
        str key = topics[i].name.p ? topics[i].name : str_of((const char *)topics[i].id, 16);
        doomed *before = map_put(&seen, key, &topics[i]);
        if (before) before->bad = topics[i].bad = true;
    }
    map_free(&seen);
}

api_outcome api_delete_topics(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 1);
    doomed *topics = ARENA_ARRAY(q->a, doomed, (size_t)n + 1);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        if (q->version >= 6) {
            topics[i].name = wire_nstr(in);
            memcpy(topics[i].id, wire_uuid(in), 16);
            wire_tags(in);
        } else {
            topics[i].name = wire_str(in);
        }
    }
    wire_i32(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    mark_repeated(topics, n);

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) delete_one(q, &topics[i]);
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- CreatePartitions ---------------------------------------------------------------------------------- */

typedef struct growing {
    str name;
    int32_t count;
    int32_t assigned; /* -1: left to the broker */
    bool assignment_bad, twice;
} growing;

static kafka_error grow(request *q, const growing *g, bool validate_only, diag *d)
{
    broker *b = q->b;
    if (g->twice) {
        diag_set(d, DIAG_INVALID, "Duplicate topic in request.");
        return KAFKA_INVALID_REQUEST;
    }
    if (!authz_topic(q, ACL_ALTER, g->name))
        return fail(d, KAFKA_TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.");
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = topic_find(b, g->name);
    int32_t have = t ? t->partitions_len : 0;
    pthread_mutex_unlock(&b->meta_lock);
    if (t && g->count > have && g->assigned >= 0 && (g->assigned != g->count - have || g->assignment_bad)) {
        diag_set(d, DIAG_INVALID,
                 "Increasing the number of partitions by %d but %d assignments provided, or one that is "
                 "not this broker.",
                 g->count - have, g->assigned);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    if (quota_on(b, QUOTA_MUTATION)) {
        kafka_error error = topic_grow(b, g->name, g->count, true, d);
        if (error == KAFKA_NONE) error = admit(q, g->count - have, GROW_STRICT, d);
        if (error != KAFKA_NONE) return error;
    }
    return topic_grow(b, g->name, g->count, validate_only, d);
}

api_outcome api_create_partitions(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 7);
    growing *topics = ARENA_ARRAY(q->a, growing, (size_t)n + 1);
    map seen = {0};
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        growing *g = &topics[i];
        g->name = wire_str(in);
        g->count = wire_i32(in);
        g->assigned = wire_nlen(in, 2);
        for (int32_t k = 0; k < g->assigned && !wire_failed(in); k++) {
            int32_t replicas = wire_len(in, 4);
            if (replicas != 1) g->assignment_bad = true;
            for (int32_t r = 0; r < replicas; r++)
                if (wire_i32(in) != q->b->node_id) g->assignment_bad = true;
            wire_tags(in);
        }
        wire_tags(in);
        if (wire_failed(in)) break;
        growing *before = map_put(&seen, g->name, g);
        if (before) before->twice = g->twice = true;
    }
    map_free(&seen);
    wire_i32(in);
    bool validate_only = wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;

    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) {
        diag d = {0};
        kafka_error error = grow(q, &topics[i], validate_only, &d);
        wire_put_str(o, topics[i].name);
        wire_put_i16(o, (int16_t)error);
        wire_put_nstr(o, error == KAFKA_NONE ? WIRE_NULL : str_z(d.text));
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}
