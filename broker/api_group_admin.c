/* Looking at groups and removing them: DescribeGroups, ListGroups, DeleteGroups, OffsetDelete; and DescribeLogDirs. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/group.h"

/* ---- DescribeGroups ------------------------------------------------------------------------------------ */

static void put_group_members(request *q, const group *g)
{
    wire_out *o = &q->out;
    bool stable = g->state == GROUP_STABLE;
    wire_put_len(o, (int32_t)map_count(&g->members));
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        wire_put_str(o, str_z(m->id));
        if (q->version >= 4) wire_put_nstr(o, m->instance);
        wire_put_str(o, m->client_id);
        wire_put_str(o, m->client_host);
        /* While the group is in between, neither subscription nor assignment is settled. */
        wire_put_blob(o, stable ? member_metadata(m, g->protocol) : STR(""));
        wire_put_blob(o, stable && m->assignment ? str_of(m->assignment, m->assignment_len) : STR(""));
        wire_put_tags(o);
    }
}

static void put_group(request *q, str id, bool operations)
{
    wire_out *o = &q->out;
    bool may = authz_group(q, ACL_DESCRIBE, id);
    const group *g = may ? group_find(q->b, id) : NULL;
    if (g && g->consumer) g = NULL; /* ConsumerGroupDescribe knows it */
    bool missing = may && !g && q->version >= 6;
    wire_put_i16(o, !may ? KAFKA_GROUP_AUTHORIZATION_FAILED : missing ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_NONE);
    if (q->version >= 6) {
        wire_put_nstr(o, missing ? arena_printf(q->a, "Group %.*s not found.", (int)(id.n < 300 ? id.n : 300), id.p)
                                 : WIRE_NULL);
    }
    wire_put_str(o, id);
    wire_put_str(o, may ? str_z(group_state_name(g ? g->state : GROUP_DEAD)) : STR(""));
    wire_put_str(o, str_z(g ? g->protocol_type : ""));
    wire_put_str(o, g && g->state == GROUP_STABLE ? str_z(g->protocol) : STR(""));
    if (g)
        put_group_members(q, g);
    else
        wire_put_len(o, 0);
    bool tells = operations && may && !missing;
    if (q->version >= 3) wire_put_i32(o, tells ? authz_operations(q, ACL_GROUP, id) : AUTHZ_NOT_ASKED);
    wire_put_tags(o);
}

api_outcome api_describe_groups(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 1);
    str *ids = ARENA_ARRAY(q->a, str, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) ids[i] = wire_str(in);
    bool operations = q->version >= 3 ? wire_bool(in) : false;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    request_begin(q);
    if (q->version >= 1) wire_put_i32(&q->out, 0);
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) put_group(q, ids[i], operations);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

/* ---- ListGroups ---------------------------------------------------------------------------------------- */

static bool is_one_of(const str *list, int32_t n, const char *name)
{
    if (n == 0) return true;
    for (int32_t i = 0; i < n; i++)
        if (str_ieq(list[i], str_z(name))) return true;
    return false;
}

static str *read_texts(request *q, int32_t *n)
{
    *n = wire_len(&q->in, 1);
    str *list = ARENA_ARRAY(q->a, str, (size_t)*n + 1);
    for (int32_t i = 0; i < *n; i++) list[i] = wire_str(&q->in);
    return list;
}

/* Kafka's name of a group's kind; filters take it in any case. */
static const char *type_of(const group *g)
{
    return g->consumer ? "Consumer" : "Classic";
}

/* What a request wants listed. */
typedef struct group_filter {
    int32_t states_len, types_len;
    const str *states, *types;
    bool all; /* whoever may describe the cluster sees every group */
} group_filter;

static bool is_listed(const request *q, const group_filter *f, const group *g)
{
    return is_one_of(f->states, f->states_len, group_shown_state(g)) &&
           is_one_of(f->types, f->types_len, type_of(g)) &&
           (f->all || authz_group(q, ACL_DESCRIBE, str_z(g->id)));
}

api_outcome api_list_groups(request *q)
{
    group_filter f = {.states_len = 0};
    if (q->version >= 4) f.states = read_texts(q, &f.states_len);
    if (q->version >= 5) f.types = read_texts(q, &f.types_len);
    wire_tags(&q->in);
    if (wire_failed(&q->in)) return API_MALFORMED;
    f.all = authz_cluster(q, ACL_DESCRIBE);
    int32_t n = 0;
    group *g;
    for (size_t it = 0; group_next(q->b, &it, &g);) n += is_listed(q, &f, g);
    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 1) wire_put_i32(o, 0);
    wire_put_i16(o, KAFKA_NONE);
    wire_put_len(o, n);
    for (size_t it = 0; group_next(q->b, &it, &g);) {
        if (!is_listed(q, &f, g)) continue;
        wire_put_str(o, str_z(g->id));
        wire_put_str(o, str_z(g->protocol_type));
        if (q->version >= 4) wire_put_str(o, str_z(group_shown_state(g)));
        if (q->version >= 5) wire_put_str(o, str_z(type_of(g)));
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- DeleteGroups -------------------------------------------------------------------------------------- */

typedef struct removal {
    sync_wait wait;
    struct removal_request *of;
    broker_partition *p;
    str id;
    kafka_error error;
} removal;

typedef struct removal_request {
    request *q;
    int32_t n;
    removal *list;
    int waiting;
} removal_request;

static void answer_removal(removal_request *r)
{
    request *q = r->q;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, r->n);
    for (int32_t i = 0; i < r->n; i++) {
        wire_put_str(o, r->list[i].id);
        wire_put_i16(o, (int16_t)r->list[i].error);
        if (q->version >= 3) wire_put_nstr(o, WIRE_NULL);
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

static void on_removed(sync_wait *wait, bool ok)
{
    removal *x = container_of(wait, removal, wait);
    if (!ok) x->error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    broker_partition_release(x->p);
    if (--x->of->waiting > 0) return;
    answer_removal(x->of);
    request_done(x->of->q, false);
}

static void remove_group(request *q, removal *x)
{
    group *g = group_find(q->b, x->id);
    if (!authz_group(q, ACL_DELETE, x->id))
        x->error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    else if (x->id.n == 0)
        x->error = KAFKA_INVALID_GROUP_ID;
    else if (!g)
        x->error = KAFKA_GROUP_ID_NOT_FOUND;
    else if (g->state != GROUP_EMPTY || map_count(&g->txns) > 0)
        x->error = KAFKA_NON_EMPTY_GROUP;
    if (x->error != KAFKA_NONE) return;
    x->p = group_partition(q->b, x->id);
    int64_t end = 0;
    if (!x->p || group_store_gone(g, x->p, &end) != KAFKA_NONE) {
        x->error = KAFKA_COORDINATOR_NOT_AVAILABLE;
        broker_partition_release(x->p);
        return;
    }
    group_drop(g);
    x->wait.done = on_removed;
    if (partition_wait_sync(x->p, &x->wait, end))
        broker_partition_release(x->p);
    else
        x->of->waiting++;
}

api_outcome api_delete_groups(request *q)
{
    wire_in *in = &q->in;
    removal_request *r = ARENA_NEW(q->a, removal_request);
    r->q = q;
    r->n = wire_len(in, 1);
    r->list = ARENA_ARRAY(q->a, removal, (size_t)r->n + 1);
    for (int32_t i = 0; i < r->n && !wire_failed(in); i++) {
        r->list[i].of = r;
        r->list[i].id = arena_str(q->a, wire_str(in));
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    for (int32_t i = 0; i < r->n; i++) remove_group(q, &r->list[i]);
    if (r->waiting > 0) return API_PARKED;
    answer_removal(r);
    return API_ANSWERED;
}

/* ---- OffsetDelete -------------------------------------------------------------------------------------- */

typedef struct offset_removal {
    sync_wait wait;
    request *q;
    broker_partition *p;
    str name;
    int32_t topics_len;
    str *names;
    int32_t *counts;
    int32_t **partitions;
    kafka_error **errors;
} offset_removal;

static void answer_offsets(offset_removal *r, kafka_error error)
{
    request *q = r->q;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i16(o, (int16_t)error);
    r->q->throttle_at = r->q->bytes.len;
    wire_put_i32(o, 0);
    wire_put_len(o, error == KAFKA_NONE ? r->topics_len : 0);
    for (int32_t i = 0; i < r->topics_len && error == KAFKA_NONE; i++) {
        wire_put_str(o, r->names[i]);
        wire_put_len(o, r->counts[i]);
        for (int32_t k = 0; k < r->counts[i]; k++) {
            wire_put_i32(o, r->partitions[i][k]);
            wire_put_i16(o, (int16_t)r->errors[i][k]);
        }
    }
}

static void on_offsets_removed(sync_wait *wait, bool ok)
{
    offset_removal *r = container_of(wait, offset_removal, wait);
    answer_offsets(r, ok ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE);
    broker_partition_release(r->p);
    request_done(r->q, false);
}

/* Says per partition what stands against it, and collects what can go. */
static size_t collect(offset_removal *r, const group *g, offset_write *list)
{
    size_t n = 0;
    for (int32_t i = 0; i < r->topics_len; i++) {
        bool may = authz_topic(r->q, ACL_READ, r->names[i]), subscribed = group_subscribes(g, r->names[i]);
        for (int32_t k = 0; k < r->counts[i]; k++) {
            broker_partition *p = partition_by_name(r->q->b, r->names[i], r->partitions[i][k]);
            const group_offset *found = group_offset_find(g, r->names[i], r->partitions[i][k]);
            r->errors[i][k] = !may           ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                              : subscribed   ? KAFKA_GROUP_SUBSCRIBED_TO_TOPIC
                              : !p && !found ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                             : KAFKA_NONE;
            if (r->errors[i][k] == KAFKA_NONE && found)
                list[n++] = (offset_write){r->names[i], r->partitions[i][k], -1, -1, WIRE_NULL};
            broker_partition_release(p);
        }
    }
    return n;
}

api_outcome api_offset_delete(request *q)
{
    wire_in *in = &q->in;
    offset_removal *r = ARENA_NEW(q->a, offset_removal);
    r->q = q;
    str id = wire_str(in);
    r->topics_len = wire_len(in, 6);
    size_t room = (size_t)r->topics_len + 1, all = 0;
    r->names = ARENA_ARRAY(q->a, str, room);
    r->counts = ARENA_ARRAY(q->a, int32_t, room);
    r->partitions = ARENA_ARRAY(q->a, int32_t *, room);
    r->errors = ARENA_ARRAY(q->a, kafka_error *, room);
    for (int32_t i = 0; i < r->topics_len && !wire_failed(in); i++) {
        r->names[i] = arena_str(q->a, wire_str(in));
        r->counts[i] = wire_len(in, 4);
        all += (size_t)r->counts[i];
        r->partitions[i] = ARENA_ARRAY(q->a, int32_t, (size_t)r->counts[i] + 1);
        r->errors[i] = ARENA_ARRAY(q->a, kafka_error, (size_t)r->counts[i] + 1);
        for (int32_t k = 0; k < r->counts[i]; k++) r->partitions[i][k] = wire_i32(in);
    }
    if (wire_failed(in)) return API_MALFORMED;
    group *g = group_find(q->b, id);
    kafka_error error = KAFKA_NONE;
    if (!authz_group(q, ACL_DELETE, id))
        error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    else if (id.n == 0)
        error = KAFKA_INVALID_GROUP_ID;
    else if (!g)
        error = KAFKA_GROUP_ID_NOT_FOUND;
    else if (g->state != GROUP_EMPTY && !(g->protocol_type && strcmp(g->protocol_type, "consumer") == 0))
        error = KAFKA_NON_EMPTY_GROUP;
    offset_write *list = ARENA_ARRAY(q->a, offset_write, all + 1);
    size_t n = error == KAFKA_NONE ? collect(r, g, list) : 0;
    int64_t end = 0;
    if (n > 0) {
        r->p = group_partition(q->b, id);
        if (!r->p || group_write_offsets(g, r->p, list, n, -1, -1, &end) != KAFKA_NONE)
            error = KAFKA_COORDINATOR_NOT_AVAILABLE;
        r->wait.done = on_offsets_removed;
        if (error == KAFKA_NONE && !partition_wait_sync(r->p, &r->wait, end)) return API_PARKED;
        broker_partition_release(r->p);
    }
    answer_offsets(r, error);
    return API_ANSWERED;
}

/* ---- DescribeLogDirs ----------------------------------------------------------------------------------- */

static void put_log_size(wire_out *o, broker_partition *p)
{
    diag d = {0};
    plog *log = broker_partition_log(p, &d);
    wire_put_i32(o, p->index);
    wire_put_i64(o, log ? plog_bytes(log) : 0);
    wire_put_i64(o, 0);
    wire_put_bool(o, false);
    wire_put_tags(o);
}

static void put_log_topic(request *q, str name, const int32_t *partitions, int32_t n)
{
    wire_out *o = &q->out;
    wire_put_str(o, name);
    size_t at = 0;
    broker_partition **found = ARENA_ARRAY(q->a, broker_partition *, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) {
        broker_partition *p = partition_by_name(q->b, name, partitions ? partitions[i] : i);
        if (p) found[at++] = p;
    }
    wire_put_len(o, (int32_t)at);
    for (size_t i = 0; i < at; i++) {
        put_log_size(o, found[i]);
        broker_partition_release(found[i]);
    }
    wire_put_tags(o);
}

static void put_log_dir(request *q, int32_t n, const str *names, int32_t *const *partitions, const int32_t *counts)
{
    broker *b = q->b;
    wire_out *o = &q->out;
    wire_put_i16(o, KAFKA_NONE);
    wire_put_str(o, str_z(b->data_dir));
    if (n < 0) {
        broker_topic_info *all;
        size_t count = broker_topic_list(b, q->a, &all);
        wire_put_len(o, (int32_t)count);
        for (size_t i = 0; i < count; i++) put_log_topic(q, all[i].name, NULL, all[i].partitions);
    } else {
        wire_put_len(o, n);
        for (int32_t i = 0; i < n; i++) put_log_topic(q, names[i], partitions[i], counts[i]);
    }
    if (q->version >= 4) {
        uint64_t left = fs_free_bytes(b->fs, b->data_dir);
        wire_put_i64(o, -1);
        wire_put_i64(o, left > INT64_MAX ? -1 : (int64_t)left);
    }
    if (q->version >= 5) wire_put_bool(o, false);
    wire_put_tags(o);
}

api_outcome api_describe_log_dirs(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_nlen(in, 2);
    size_t room = n > 0 ? (size_t)n : 1;
    str *names = ARENA_ARRAY(q->a, str, room);
    int32_t **partitions = ARENA_ARRAY(q->a, int32_t *, room);
    int32_t *counts = ARENA_ARRAY(q->a, int32_t, room);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        names[i] = wire_str(in);
        counts[i] = wire_len(in, 4);
        partitions[i] = ARENA_ARRAY(q->a, int32_t, (size_t)counts[i] + 1);
        for (int32_t k = 0; k < counts[i]; k++) partitions[i][k] = wire_i32(in);
        wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    bool may = authz_cluster(q, ACL_DESCRIBE);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    if (q->version >= 3) wire_put_i16(o, may ? KAFKA_NONE : KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    wire_put_len(o, may ? 1 : 0);
    if (may) put_log_dir(q, n, names, partitions, counts);
    wire_put_tags(o);
    return API_ANSWERED;
}
