/* The new group protocol (KIP-848): ConsumerGroupHeartbeat, ConsumerGroupDescribe. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/cgroup.h"

enum { MEMBER_IS_CLASSIC = 0, MEMBER_IS_CONSUMER = 1 };

/* ---- ConsumerGroupHeartbeat ------------------------------------------------------------------------------------ */

typedef struct beat {
    sync_wait wait;
    request *q;
    broker_partition *p;
    cheartbeat_answer answer;
} beat;

static void answer_beat(beat *w)
{
    request *q = w->q;
    const cheartbeat_answer *x = &w->answer;
    bool good = x->error == KAFKA_NONE;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)x->error);
    wire_put_nstr(o, good ? WIRE_NULL : str_z(x->message));
    wire_put_nstr(o, good ? x->member_id : WIRE_NULL);
    wire_put_i32(o, good ? x->epoch : 0);
    wire_put_i32(o, good ? x->interval_ms : 0);
    wire_put_i8(o, good && x->with_assignment ? 1 : -1);
    if (good && x->with_assignment) {
        cparts_write(o, &x->assignment, NULL);
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

static void on_beat_synced(sync_wait *wait, bool ok)
{
    beat *w = container_of(wait, beat, wait);
    if (!ok) w->answer.error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (!ok) w->answer.message = "The group could not be stored.";
    answer_beat(w);
    broker_partition_release(w->p);
    request_done(w->q, false);
}

static kafka_error check_beat(const request *q, const cheartbeat *h)
{
    if (!authz_group(q, ACL_READ, h->group_id)) return KAFKA_GROUP_AUTHORIZATION_FAILED;
    for (int32_t i = 0; i < h->topics_len; i++)
        if (!authz_topic(q, ACL_DESCRIBE, h->topics[i])) return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    return KAFKA_NONE;
}

api_outcome api_consumer_group_heartbeat(request *q)
{
    wire_in *in = &q->in;
    cheartbeat h = {.version = q->version, .client_id = q->client_id, .client_host = str_z(q->c->peer_host)};
    if (q->b->authorizer) h.user = authz_name(q->c);
    h.group_id = wire_str(in);
    h.member_id = wire_str(in);
    h.epoch = wire_i32(in);
    h.instance = wire_nstr(in);
    h.rack = wire_nstr(in);
    h.rebalance_ms = wire_i32(in);
    h.topics_len = wire_nlen(in, 1);
    str *topics = ARENA_ARRAY(q->a, str, h.topics_len > 0 ? (size_t)h.topics_len : 1);
    for (int32_t i = 0; i < h.topics_len; i++) topics[i] = wire_str(in);
    h.topics = topics;
    h.regex = q->version >= 1 ? wire_nstr(in) : WIRE_NULL;
    h.assignor = wire_nstr(in);
    bool null;
    cparts_read(in, &h.owned, &null);
    h.owned_said = !null;
    wire_tags(in);
    beat *w = ARENA_NEW(q->a, beat);
    w->q = q;
    w->wait.done = on_beat_synced;
    if (!wire_failed(in)) {
        int64_t end = 0;
        w->answer.error = check_beat(q, &h);
        w->answer.message = authz_message(w->answer.error).p;
        if (w->answer.error == KAFKA_NONE) cgroup_heartbeat(q->b, &h, q->a, &w->answer, &w->p, &end);
        bool parked = w->answer.error == KAFKA_NONE && w->p && !partition_wait_sync(w->p, &w->wait, end);
        if (!parked) broker_partition_release(w->p);
        if (!parked) answer_beat(w);
        cparts_free(&h.owned);
        return parked ? API_PARKED : API_ANSWERED;
    }
    cparts_free(&h.owned);
    return API_MALFORMED;
}

/* ---- ConsumerGroupDescribe ------------------------------------------------------------------------------------- */

static str nullable(const char *z)
{
    return z ? str_z(z) : WIRE_NULL;
}

static void put_member(request *q, const cmember *m)
{
    wire_out *o = &q->out;
    wire_put_str(o, str_z(m->id));
    wire_put_nstr(o, nullable(m->instance));
    wire_put_nstr(o, nullable(m->rack));
    wire_put_i32(o, m->epoch);
    wire_put_str(o, nullable(m->client_id));
    wire_put_str(o, nullable(m->client_host));
    wire_put_len(o, (int32_t)m->topics_len);
    for (size_t i = 0; i < m->topics_len; i++) wire_put_str(o, str_z(m->topics[i]));
    wire_put_nstr(o, m->regex && m->regex[0] ? str_z(m->regex) : WIRE_NULL);
    cparts_write(o, &m->assigned, q->b);
    wire_put_tags(o);
    cparts_write(o, &m->target, q->b);
    wire_put_tags(o);
    if (q->version >= 1) wire_put_i8(o, m->classic ? MEMBER_IS_CLASSIC : MEMBER_IS_CONSUMER);
    wire_put_tags(o);
}

static bool may_see(const request *q, const cparts *parts)
{
    bool may = true;
    for (size_t i = 0; i < parts->n && may; i++) {
        if (i > 0 && memcmp(parts->list[i].id, parts->list[i - 1].id, sizeof parts->list[i].id) == 0) continue;
        const topic *t = topic_find_id(q->b, parts->list[i].id);
        may = !t || authz_topic(q, ACL_DESCRIBE, str_z(t->name));
    }
    return may;
}

/* Groups with topics that the client may not know of are not shown at all. */
static kafka_error check_described(const request *q, str id, const cgroup **c, str *why)
{
    if (!authz_group(q, ACL_DESCRIBE, id)) return KAFKA_GROUP_AUTHORIZATION_FAILED;
    const group *g = group_find(q->b, id);
    *c = g ? g->consumer : NULL;
    if (!*c) {
        *why = arena_printf(q->a, "Group %.*s %s.", (int)(id.n < 300 ? id.n : 300), id.p,
                            g ? "is not a consumer group" : "not found");
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    if (!q->b->authorizer) return KAFKA_NONE;
    bool may = true;
    void *value;
    pthread_mutex_lock(&q->b->meta_lock);
    for (size_t it = 0; may && map_next(&(*c)->members, &it, NULL, &value);) {
        const cmember *m = value;
        may = may_see(q, &m->assigned) && may_see(q, &m->target);
    }
    pthread_mutex_unlock(&q->b->meta_lock);
    if (may) return KAFKA_NONE;
    *why = STR("The group has described topic(s) that the client is not authorized to describe.");
    return KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

static void put_group(request *q, str id, bool operations)
{
    wire_out *o = &q->out;
    const cgroup *c = NULL;
    str why = WIRE_NULL;
    kafka_error error = check_described(q, id, &c, &why);
    if (error != KAFKA_NONE) c = NULL;
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, why);
    wire_put_str(o, id);
    wire_put_str(o, c ? str_z(cgroup_state_name(c)) : STR(""));
    wire_put_i32(o, c ? c->epoch : 0);
    wire_put_i32(o, c ? c->target_epoch : 0);
    wire_put_str(o, c ? str_z(cgroup_assignor(c)) : STR(""));
    wire_put_len(o, c ? (int32_t)map_count(&c->members) : 0);
    void *value;
    for (size_t it = 0; c && map_next(&c->members, &it, NULL, &value);) put_member(q, value);
    wire_put_i32(o, c && operations ? authz_operations(q, ACL_GROUP, id) : AUTHZ_NOT_ASKED);
    wire_put_tags(o);
}

api_outcome api_consumer_group_describe(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 1);
    str *ids = ARENA_ARRAY(q->a, str, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) ids[i] = wire_str(in);
    bool operations = wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) put_group(q, ids[i], operations);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}
