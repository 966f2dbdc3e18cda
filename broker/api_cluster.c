/*
 * What administrators ask of a cluster, answered by its only node: ElectLeaders, AlterPartitionReassignments,
 * ListPartitionReassignments, AlterReplicaLogDirs, DescribeQuorum, UpdateFeatures, ListConfigResources.
 */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/meta.h"

/* What stands against the request as a whole. */
static kafka_error check_cluster(const request *q, acl_operation operation)
{
    return authz_cluster(q, operation) ? KAFKA_NONE : KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

static bool partition_exists(broker *b, str name, int32_t index)
{
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = topic_find(b, name);
    bool there = t && index >= 0 && index < t->partitions_len;
    pthread_mutex_unlock(&b->meta_lock);
    return there;
}

static void put_result(wire_out *o, int32_t index, kafka_error error, const char *why)
{
    wire_put_i32(o, index);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, error == KAFKA_NONE || !why ? WIRE_NULL : str_z(why));
    wire_put_tags(o);
}

/* ---- ElectLeaders ---------------------------------------------------------------------------------------------- */

/* Every partition is led by its only, and so its preferred, replica: nothing is ever to be elected. */
api_outcome api_elect_leaders(request *q)
{
    wire_in *in = &q->in;
    int8_t type = q->version >= 1 ? wire_i8(in) : 0;
    int32_t n = wire_nlen(in, 3);
    if (type != 0 && type != 1) return API_MALFORMED;
    kafka_error all = check_cluster(q, ACL_ALTER);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    if (q->version >= 1) wire_put_i16(o, (int16_t)all);
    wire_put_len(o, n < 0 ? 0 : n); /* of all partitions only those that were elected would be named */
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t count = wire_len(in, 4);
        wire_put_str(o, name);
        wire_put_len(o, count);
        for (int32_t k = 0; k < count && !wire_failed(in); k++) {
            int32_t index = wire_i32(in);
            bool there = all == KAFKA_NONE && partition_exists(q->b, name, index);
            if (all != KAFKA_NONE)
                put_result(o, index, all, authz_message(all).p);
            else
                put_result(o, index, there ? KAFKA_ELECTION_NOT_NEEDED : KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                           there ? "Leader election not needed for topic partition." : "No such topic or partition.");
        }
        wire_tags(in);
        wire_put_tags(o);
    }
    wire_i32(in);
    wire_tags(in);
    wire_put_tags(o);
    return wire_failed(in) ? API_MALFORMED : API_ANSWERED;
}

/* ---- reassignments --------------------------------------------------------------------------------------------- */

/* What a request to move one partition comes to: it can only stay. */
static kafka_error reassign(request *q, str name, int32_t index, bool *only_self, int32_t replicas, const char **why)
{
    if (!partition_exists(q->b, name, index)) {
        *why = "The partition does not exist.";
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (replicas < 0) {
        *why = "No partition reassignment is in progress.";
        return KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
    }
    if (replicas == 1 && *only_self) return KAFKA_NONE;
    *why = replicas == 0 ? "The manual partition assignment includes an empty replica list."
                         : "The manual partition assignment must name this broker once and no other.";
    return KAFKA_INVALID_REPLICA_ASSIGNMENT;
}

api_outcome api_alter_partition_reassignments(request *q)
{
    wire_in *in = &q->in;
    wire_i32(in);
    bool factor_may_change = q->version >= 1 ? wire_bool(in) : true;
    int32_t n = wire_len(in, 3);
    kafka_error all = check_cluster(q, ACL_ALTER);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    if (q->version >= 1) wire_put_bool(o, factor_may_change);
    wire_put_i16(o, (int16_t)all);
    wire_put_nstr(o, authz_message(all));
    wire_put_len(o, n);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t count = wire_len(in, 6);
        wire_put_str(o, name);
        wire_put_len(o, count);
        for (int32_t k = 0; k < count && !wire_failed(in); k++) {
            int32_t index = wire_i32(in);
            int32_t replicas = wire_nlen(in, 4);
            bool only_self = true;
            for (int32_t r = 0; r < replicas && !wire_failed(in); r++)
                if (wire_i32(in) != q->b->node_id) only_self = false;
            wire_tags(in);
            const char *why = authz_message(all).p;
            kafka_error error = all != KAFKA_NONE ? all : reassign(q, name, index, &only_self, replicas, &why);
            put_result(o, index, error, why);
        }
        wire_tags(in);
        wire_put_tags(o);
    }
    wire_tags(in);
    wire_put_tags(o);
    return wire_failed(in) ? API_MALFORMED : API_ANSWERED;
}

api_outcome api_list_partition_reassignments(request *q)
{
    wire_in *in = &q->in;
    wire_i32(in);
    int32_t n = wire_nlen(in, 3);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        wire_str(in);
        int32_t count = wire_len(in, 4);
        for (int32_t k = 0; k < count; k++) wire_i32(in);
        wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    kafka_error error = check_cluster(q, ACL_DESCRIBE);
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_i16(&q->out, (int16_t)error);
    wire_put_nstr(&q->out, authz_message(error));
    wire_put_len(&q->out, 0);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

/* ---- AlterReplicaLogDirs --------------------------------------------------------------------------------------- */

/* One topic of one folder; the answer is by topic alone. */
static bool put_moved(request *q, bool known_dir, kafka_error all)
{
    wire_in *in = &q->in;
    wire_out *o = &q->out;
    str name = wire_str(in);
    int32_t count = wire_len(in, 4);
    wire_put_str(o, name);
    wire_put_len(o, count);
    for (int32_t k = 0; k < count && !wire_failed(in); k++) {
        int32_t index = wire_i32(in);
        kafka_error error = all != KAFKA_NONE                     ? all
                            : !known_dir                          ? KAFKA_LOG_DIR_NOT_FOUND
                            : partition_exists(q->b, name, index) ? KAFKA_NONE
                                                                  : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        wire_put_i32(o, index);
        wire_put_i16(o, (int16_t)error);
        wire_put_tags(o);
    }
    wire_tags(in);
    wire_put_tags(o);
    return !wire_failed(in);
}

api_outcome api_alter_replica_log_dirs(request *q)
{
    wire_in *in = &q->in;
    buf topics = {0};
    int32_t dirs = wire_len(in, 3), total = 0;
    kafka_error all = check_cluster(q, ACL_ALTER);
    request_begin(q);
    buf *answer = q->out.b;
    q->out.b = &topics;
    for (int32_t i = 0; i < dirs && !wire_failed(in); i++) {
        bool known = str_eqz(wire_str(in), q->b->data_dir);
        int32_t n = wire_len(in, 3);
        for (int32_t k = 0; k < n && put_moved(q, known, all); k++) total++;
        wire_tags(in);
    }
    wire_tags(in);
    q->out.b = answer;
    wire_put_i32(&q->out, 0);
    wire_put_len(&q->out, total);
    buf_add(answer, topics.data, topics.len);
    wire_put_tags(&q->out);
    buf_free(&topics);
    return wire_failed(in) ? API_MALFORMED : API_ANSWERED;
}

/* ---- DescribeQuorum -------------------------------------------------------------------------------------------- */

#define QUORUM_TOPIC "__cluster_metadata"

/* The node is the only voter, and has always caught up with itself. */
static void put_voter(request *q, int64_t end)
{
    wire_out *o = &q->out;
    static const uint8_t no_directory[16];
    wire_put_i32(o, q->b->node_id);
    if (q->version >= 2) wire_put_uuid(o, no_directory);
    wire_put_i64(o, end);
    if (q->version >= 1) wire_put_i64(o, q->b->now.wall_ms);
    if (q->version >= 1) wire_put_i64(o, q->b->now.wall_ms);
    wire_put_tags(o);
}

static void put_quorum(request *q, str name, int32_t index)
{
    wire_out *o = &q->out;
    bool known = str_eqz(name, QUORUM_TOPIC) && index == 0;
    pthread_mutex_lock(&q->b->meta_lock);
    int64_t end = meta_end(q->b);
    pthread_mutex_unlock(&q->b->meta_lock);
    wire_put_i32(o, index);
    wire_put_i16(o, known ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    if (q->version >= 2) wire_put_nstr(o, known ? WIRE_NULL : STR("Only " QUORUM_TOPIC "-0 has a quorum."));
    wire_put_i32(o, known ? q->b->node_id : -1);
    wire_put_i32(o, known ? q->b->leader_epoch : -1);
    wire_put_i64(o, known ? end : -1);
    wire_put_len(o, known ? 1 : 0);
    if (known) put_voter(q, end);
    wire_put_len(o, 0);
    wire_put_tags(o);
}

api_outcome api_describe_quorum(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 3);
    kafka_error error = check_cluster(q, ACL_DESCRIBE);
    bool may = error == KAFKA_NONE;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i16(o, (int16_t)error);
    if (q->version >= 2) wire_put_nstr(o, authz_message(error));
    wire_put_len(o, may ? n : 0);
    for (int32_t i = 0; may && i < n && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t count = wire_len(in, 5);
        wire_put_str(o, name);
        wire_put_len(o, count);
        for (int32_t k = 0; k < count && !wire_failed(in); k++) {
            int32_t index = wire_i32(in);
            wire_tags(in);
            put_quorum(q, name, index);
        }
        wire_tags(in);
        wire_put_tags(o);
    }
    if (q->version >= 2 && !may) wire_put_len(o, 0);
    if (q->version >= 2 && may) {
        wire_put_len(o, 1);
        wire_put_i32(o, q->b->node_id);
        wire_put_len(o, 0); /* there is no listener for controllers */
        wire_put_tags(o);
    }
    if (may) wire_tags(in);
    wire_put_tags(o);
    return wire_failed(in) ? API_MALFORMED : API_ANSWERED;
}

/* ---- UpdateFeatures -------------------------------------------------------------------------------------------- */

typedef struct feature_update {
    str name;
    kafka_error error;
} feature_update;

/* The levels are those of the program: only what is in force already can be asked for. */
static kafka_error update_feature(str name, int16_t level)
{
    for (size_t i = 0; i < broker_features_len; i++)
        if (str_eqz(name, broker_features[i].name) && level == broker_features[i].level) return KAFKA_NONE;
    return KAFKA_INVALID_UPDATE_VERSION;
}

api_outcome api_update_features(request *q)
{
    wire_in *in = &q->in;
    static const char why[] = "The feature does not exist here, or its level cannot be changed.";
    wire_i32(in);
    int32_t n = wire_len(in, 4);
    feature_update *list = ARENA_ARRAY(q->a, feature_update, (size_t)n + 1);
    bool refused = false;
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        list[i].name = wire_str(in);
        list[i].error = update_feature(list[i].name, wire_i16(in));
        wire_i8(in); /* whether downgrades are allowed, or the kind of upgrade */
        wire_tags(in);
        refused = refused || list[i].error != KAFKA_NONE;
    }
    if (q->version >= 1) wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    kafka_error all = check_cluster(q, ACL_ALTER);
    bool may = all == KAFKA_NONE;
    request_begin(q);
    wire_out *o = &q->out;
    /* Since version 2 one error stands for all, as none is updated unless all are. */
    bool whole = may && q->version >= 2 && refused;
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)(whole ? KAFKA_INVALID_UPDATE_VERSION : all));
    wire_put_nstr(o, whole ? STR(why) : authz_message(all));
    if (q->version <= 1) {
        wire_put_len(o, may ? n : 0);
        for (int32_t i = 0; may && i < n; i++) {
            wire_put_str(o, list[i].name);
            wire_put_i16(o, (int16_t)list[i].error);
            wire_put_nstr(o, list[i].error == KAFKA_NONE ? WIRE_NULL : STR(why));
            wire_put_tags(o);
        }
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- ListConfigResources --------------------------------------------------------------------------------------- */

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_LOGGER = 8, RESOURCE_METRICS = 16, RESOURCE_GROUP = 32 };

static void put_resource(request *q, str name, int8_t type)
{
    wire_put_str(&q->out, name);
    if (q->version >= 1) wire_put_i8(&q->out, type);
    wire_put_tags(&q->out);
}

/* The groups that have configs of their own. */
static size_t configured_groups(request *q, str **out)
{
    broker *b = q->b;
    size_t n = 0;
    str id;
    pthread_mutex_lock(&b->meta_lock);
    *out = ARENA_ARRAY(q->a, str, map_count(&b->group_configs) + 1);
    for (size_t it = 0; map_next(&b->group_configs, &it, &id, NULL);) (*out)[n++] = arena_str(q->a, id);
    pthread_mutex_unlock(&b->meta_lock);
    return n;
}

api_outcome api_list_config_resources(request *q)
{
    wire_in *in = &q->in;
    int32_t n = q->version >= 1 ? wire_len(in, 1) : 0;
    unsigned wanted = 0;
    bool unknown = false;
    for (int32_t i = 0; i < n; i++) {
        int8_t type = wire_i8(in);
        bool known = type == RESOURCE_TOPIC || type == RESOURCE_BROKER || type == RESOURCE_LOGGER ||
                     type == RESOURCE_METRICS || type == RESOURCE_GROUP;
        if (known) wanted |= (unsigned)type;
        unknown = unknown || !known;
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    /* Version 0 asks for the resources of client metrics, of which there are none. */
    if (q->version >= 1 && n == 0) wanted = RESOURCE_TOPIC | RESOURCE_BROKER | RESOURCE_GROUP;
    kafka_error error = check_cluster(q, ACL_DESCRIBE_CONFIGS);
    if (error == KAFKA_NONE && unknown) error = KAFKA_UNSUPPORTED_VERSION;
    broker_topic_info *topics = NULL;
    bool good = error == KAFKA_NONE;
    size_t count = good && (wanted & RESOURCE_TOPIC) ? broker_topic_list(q->b, q->a, &topics) : 0;
    bool self = good && (wanted & RESOURCE_BROKER);
    str *groups;
    size_t groups_len = good && (wanted & RESOURCE_GROUP) ? configured_groups(q, &groups) : 0;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)error);
    wire_put_len(o, (int32_t)(count + self + groups_len));
    for (size_t i = 0; i < count; i++) put_resource(q, topics[i].name, RESOURCE_TOPIC);
    if (self) put_resource(q, arena_printf(q->a, "%d", q->b->node_id), RESOURCE_BROKER);
    for (size_t i = 0; i < groups_len; i++) put_resource(q, groups[i], RESOURCE_GROUP);
    wire_put_tags(o);
    return API_ANSWERED;
}
