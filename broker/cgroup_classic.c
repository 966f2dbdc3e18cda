/*
 * Members of the classic protocol in a group of the new one, and the change of a living group from one protocol to the
 * other (KIP-848, group.consumer.migration.policy). A classic member gets its part of the target assignment from
 * JoinGroup and SyncGroup, and learns from heartbeats when to join again.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/cgroup.h"

/* ---- the embedded consumer protocol ------------------------------------------------------------------------- */

/* ConsumerProtocolSubscription, as far as the broker needs it. */
typedef struct subscription {
    const str *topics;
    int32_t topics_len;
    cparts owned;
    str rack;
} subscription;

/* Reads topics by name with partitions; topics that are gone are left out. */
static void read_parts(broker *b, wire_in *in, cparts *out)
{
    int32_t n = wire_len(in, 6);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        str name = wire_str(in);
        int32_t count = wire_len(in, 4);
        cpart one = {.partition = -1};
        pthread_mutex_lock(&b->meta_lock);
        const topic *t = wire_failed(in) ? NULL : topic_find(b, name);
        int32_t partitions = t ? t->partitions_len : 0;
        if (t) memcpy(one.id, t->id, sizeof one.id);
        pthread_mutex_unlock(&b->meta_lock);
        for (int32_t k = 0; k < count && !wire_failed(in); k++) {
            one.partition = wire_i32(in);
            if (one.partition >= 0 && one.partition < partitions) cparts_add(out, &one);
        }
    }
}

static bool read_subscription(broker *b, arena *a, str bytes, subscription *s)
{
    *s = (subscription){.rack = WIRE_NULL};
    wire_in in = wire_in_of(bytes.p, bytes.n, false);
    int16_t version = wire_i16(&in);
    int32_t n = wire_len(&in, 2);
    str *topics = ARENA_ARRAY(a, str, (size_t)n + 1);
    for (int32_t i = 0; i < n && !wire_failed(&in); i++) topics[i] = wire_str(&in);
    wire_nblob(&in); /* the assignor's own data, which the broker's assignors do not use */
    s->topics = topics;
    s->topics_len = n;
    if (version >= 1) read_parts(b, &in, &s->owned);
    if (version >= 2) wire_i32(&in);
    if (version >= 3) s->rack = wire_nstr(&in);
    if (!wire_failed(&in) && version >= 0) return true;
    cparts_free(&s->owned);
    return false;
}

/* *own: it holds data of an assignor that the broker does not have. */
static bool read_assignment(broker *b, str bytes, cparts *out, bool *own)
{
    *own = false;
    if (bytes.n == 0) return true; /* it has not been told one yet */
    wire_in in = wire_in_of(bytes.p, bytes.n, false);
    int16_t version = wire_i16(&in);
    read_parts(b, &in, out);
    *own = wire_nblob(&in).n > 0;
    return !wire_failed(&in) && version >= 0;
}

/* ConsumerProtocolAssignment in the version of the member's subscription. */
static void put_assignment(const cmember *m, const cparts *parts, buf *out)
{
    wire_out o = {out, false};
    wire_in in = wire_in_of(m->protocols[0].metadata.p, m->protocols[0].metadata.n, false);
    wire_put_i16(&o, wire_i16(&in));
    buf list = {0};
    wire_out sub = {&list, false};
    int32_t topics = 0;
    broker *b = m->g->b;
    pthread_mutex_lock(&b->meta_lock);
    for (size_t i = 0; i < parts->n;) {
        size_t end = i;
        while (end < parts->n && memcmp(parts->list[end].id, parts->list[i].id, sizeof parts->list[i].id) == 0) end++;
        const topic *t = topic_find_id(b, parts->list[i].id);
        if (t) {
            topics++;
            wire_put_str(&sub, str_z(t->name));
            wire_put_len(&sub, (int32_t)(end - i));
            for (size_t k = i; k < end; k++) wire_put_i32(&sub, parts->list[k].partition);
        }
        i = end;
    }
    pthread_mutex_unlock(&b->meta_lock);
    wire_put_len(&o, topics);
    buf_add(out, list.data, list.len);
    wire_put_len(&o, -1);
    buf_free(&list);
}

/* ---- what makes a member one of the classic protocol --------------------------------------------------------- */

void cmember_set_classic(cmember *m, int32_t session_ms, const group_protocol *list, int32_t n)
{
    arena *a = list ? arena_new() : NULL;
    m->protocols_len = list ? n : 0;
    m->protocols = list ? ARENA_ARRAY(a, group_protocol, (size_t)n + 1) : NULL;
    for (int32_t i = 0; i < m->protocols_len; i++) {
        m->protocols[i].name = arena_str(a, list[i].name);
        m->protocols[i].metadata = arena_str(a, list[i].metadata);
    }
    if (m->classic) arena_free(m->classic);
    m->classic = a;
    m->session_ms = session_ms;
}

static bool same_classic(const cmember *m, const join_args *args)
{
    bool same = m->classic && m->session_ms == args->session_ms && m->protocols_len == args->protocols_len;
    for (int32_t i = 0; same && i < args->protocols_len; i++) {
        same = str_eq(m->protocols[i].name, args->protocols[i].name) &&
               str_eq(m->protocols[i].metadata, args->protocols[i].metadata);
    }
    return same;
}

static bool policy_is(broker *b, const char *direction)
{
    pthread_mutex_lock(&b->meta_lock);
    config_view v = broker_view(b, NULL);
    config_source source;
    const char *policy = config_broker_value(&v, config_broker_def(STR("group.consumer.migration.policy")), &source);
    bool is = strcmp(policy, direction) == 0 || strcmp(policy, "bidirectional") == 0;
    pthread_mutex_unlock(&b->meta_lock);
    return is;
}

/* ---- from the classic protocol to the new one ----------------------------------------------------------------- */

static const char *why_not_up(const group *g)
{
    bool consumer = g->protocol_type && strcmp(g->protocol_type, "consumer") == 0;
    if (!policy_is(g->b, "upgrade")) return "Cannot upgrade the classic group because online upgrade is disabled.";
    if (!consumer) return "Cannot upgrade the classic group as it does not use the consumer embedded protocol.";
    if ((int64_t)map_count(&g->members) > broker_i64(g->b, "group.consumer.max.size"))
        return "Cannot upgrade the classic group because its size exceeds that of a consumer group.";
    return NULL;
}

/* Makes m of a classic member; false with the reason when the broker could not assign to it. */
static bool take_member(cmember *m, const member *from, const char *protocol, arena *a, const char **why)
{
    broker *b = m->g->b;
    subscription s;
    bool own = false;
    if (!read_subscription(b, a, member_metadata(from, protocol), &s) ||
        !read_assignment(b, str_of(from->assignment ? from->assignment : "", from->assignment_len), &m->assigned,
                         &own)) {
        *why = "Cannot upgrade the classic group because the embedded consumer protocol is malformed.";
        return false;
    }
    cparts_free(&s.owned);
    if (own) {
        *why = "Cannot upgrade the classic group because an unsupported custom assignor is in use.";
        return false;
    }
    cheartbeat h = {.rack = s.rack,
                    .client_id = from->client_id,
                    .client_host = from->client_host,
                    .topics = s.topics,
                    .topics_len = s.topics_len,
                    .rebalance_ms = from->rebalance_ms};
    bool ignored = false;
    cgroup_subscribe(m, &h, &ignored);
    if (from->instance.p) group_set_text(&m->instance, from->instance);
    if (from->instance.p) map_put(&m->g->consumer->statics, from->instance, m);
    cmember_set_classic(m, from->session_ms, from->protocols, from->protocols_len);
    cparts_copy(&m->target, &m->assigned);
    m->epoch = m->previous_epoch = m->g->generation;
    return true;
}

const char *cgroup_upgrade(group *g, cwrites *w)
{
    const char *why = map_count(&g->members) > 0 ? why_not_up(g) : NULL;
    if (why) return why;
    str kind = g->protocol_type ? arena_str(w->a, str_z(g->protocol_type)) : WIRE_NULL;
    cgroup *c = cgroup_make(g);
    c->epoch = c->target_epoch = g->generation;
    void *value;
    for (size_t it = 0; !why && map_next(&g->members, &it, NULL, &value);) {
        const member *from = value;
        const char *protocol = g->protocol ? g->protocol : from->protocols[0].name.p;
        if (!take_member(cgroup_member(g, str_z(from->id)), from, protocol, w->a, &why)) break;
    }
    if (why) {
        cgroup_free(g);
        group_set_text(&g->protocol_type, kind);
        return why;
    }
    if (kind.p) cwrite_classic_gone(w, g);
    if (map_count(&g->members) > 0) log_info("broker", "group %s: from the classic to the consumer protocol", g->id);
    /* Whoever waits for the round joins again, and finds the other kind of group. */
    group_clear_members(g, KAFKA_REBALANCE_IN_PROGRESS);
    cgroup_note_state(g);
    if (map_count(&c->members) == 0) return NULL;
    cwrite_epoch(w, g);
    cwrite_target_epoch(w, g);
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
        cwrite_member(w, value);
        cwrite_target(w, value);
        cwrite_current(w, value);
        cgroup_keep_alive(value);
    }
    return NULL;
}

/* ---- and back -------------------------------------------------------------------------------------------------- */

static bool all_classic(const cgroup *c)
{
    void *value;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);)
        if (!((const cmember *)value)->classic) return false;
    return map_count(&c->members) > 0;
}

void cgroup_downgrade(group *g)
{
    cgroup *c = g->consumer;
    if (!c || !all_classic(c) || !policy_is(g->b, "downgrade") ||
        (int64_t)map_count(&c->members) > broker_i64(g->b, "group.max.size")) {
        return;
    }
    cwrites w = {.a = arena_new(), .now_ms = g->b->now.wall_ms};
    void *value;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);)
        cwrite_member_gone(&w, g, ((const cmember *)value)->id);
    cwrite_group_gone(&w, g);
    cgroup_write_quietly(g, &w);
    arena_free(w.a);
    log_info("broker", "group %s: from the consumer to the classic protocol", g->id);
    g->consumer = NULL;
    /* That of the members, who may go on to commit until they join again. */
    g->generation = c->target_epoch;
    buf assignment = {0};
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
        const cmember *m = value;
        join_args args = {.client_id = m->client_id ? str_z(m->client_id) : STR(""),
                          .client_host = m->client_host ? str_z(m->client_host) : STR(""),
                          .instance = m->instance ? str_z(m->instance) : WIRE_NULL,
                          .session_ms = m->session_ms,
                          .rebalance_ms = m->rebalance_ms,
                          .protocols = m->protocols,
                          .protocols_len = m->protocols_len};
        buf_clear(&assignment);
        put_assignment(m, &m->target, &assignment);
        group_restore_member(g, str_z(m->id), &args, buf_str(&assignment));
    }
    buf_free(&assignment);
    g->consumer = c;
    cgroup_free(g);
    group_adopted(g);
}

/* ---- JoinGroup ------------------------------------------------------------------------------------------------- */

static void refuse(request *q, kafka_error error, str member_id)
{
    join_answer answer = {.error = error, .member_id = member_id};
    api_answer_join(q, &answer);
}

/* Whether every classic member of the group knows one of these protocols. */
static bool is_common(const cgroup *c, const join_args *args)
{
    size_t classic = 0, *know = calloc((size_t)args->protocols_len + 1, sizeof *know);
    check(know);
    void *value;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
        const cmember *m = value;
        classic += m->classic != NULL;
        for (int32_t i = 0; i < args->protocols_len; i++)
            for (int32_t k = 0; k < m->protocols_len; k++)
                know[i] += str_eq(m->protocols[k].name, args->protocols[i].name);
    }
    bool common = false;
    for (int32_t i = 0; i < args->protocols_len; i++) common = common || know[i] >= classic;
    free(know);
    return common;
}

static kafka_error check_join(const group *g, const join_args *args)
{
    const cgroup *c = g->consumer;
    bool known = map_get(&c->members, args->member_id) || (args->instance.p && map_get(&c->statics, args->instance));
    if (!policy_is(g->b, "upgrade") && !policy_is(g->b, "downgrade")) return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (!known && (int64_t)map_count(&c->members) >= broker_i64(g->b, "group.consumer.max.size"))
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    if (!str_eqz(args->protocol_type, "consumer") || args->protocols_len == 0 || !is_common(c, args))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (args->member_id.n == 0 || !args->instance.p) return KAFKA_NONE;
    const cmember *holder = map_get(&c->statics, args->instance);
    if (!holder) return KAFKA_UNKNOWN_MEMBER_ID;
    return str_eqz(args->member_id, holder->id) ? KAFKA_NONE : KAFKA_FENCED_INSTANCE_ID;
}

/* A JoinGroup whose answer waits for the group's records. */
typedef struct join_wait {
    sync_wait wait;
    request *q;
    broker_partition *p;
    join_answer answer;
} join_wait;

static void on_join_stored(sync_wait *wait, bool ok)
{
    join_wait *w = container_of(wait, join_wait, wait);
    if (!ok) w->answer.error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    broker_partition_release(w->p);
    api_answer_join(w->q, &w->answer);
}

static void answer_when_stored(cmember *m, cwrites *w, request *q)
{
    int64_t end = 0;
    join_wait *j = ARENA_NEW(q->a, join_wait);
    j->wait.done = on_join_stored;
    j->q = q;
    j->p = group_partition(m->g->b, str_z(m->g->id));
    j->answer = (join_answer){.consumer = true,
                              .generation = m->epoch,
                              .protocol = arena_str(q->a, m->protocols[0].name),
                              .member_id = arena_str(q->a, str_z(m->id))};
    bool ok = j->p && cwrites_append(w, j->p, &end) == KAFKA_NONE;
    buf_free(&w->records);
    if (!ok || partition_wait_sync(j->p, &j->wait, end)) on_join_stored(&j->wait, ok);
}

static void join_as(cmember *m, const join_args *args, subscription *s, bool fresh, cwrites *w)
{
    group *g = m->g;
    bool written = fresh || m->epoch == 0 || !same_classic(m, args);
    cheartbeat h = {.rack = s->rack,
                    .client_id = args->client_id,
                    .client_host = args->client_host,
                    .topics = s->topics,
                    .topics_len = s->topics_len,
                    .rebalance_ms = args->rebalance_ms,
                    .owned = s->owned,
                    .owned_said = true};
    if (m->regex && m->regex[0]) h.regex = STR("");
    cmember_set_classic(m, args->session_ms, args->protocols, args->protocols_len);
    group_set_text(&m->assignor, WIRE_NULL);
    bool changed = cgroup_subscribe(m, &h, &written) || fresh;
    cgroup_note_state(g);
    if (changed || written) cwrite_member(w, m);
    cgroup_raise_epoch(g, changed, w);
    cgroup_reconcile(m, &h);
    cwrite_current(w, m);
    cgroup_keep_alive(m);
    cgroup_await_member(m, true); /* its SyncGroup */
}

void cgroup_classic_join(group *g, const join_args *args, request *q)
{
    cgroup *c = g->consumer;
    kafka_error error = check_join(g, args);
    subscription s;
    if (error == KAFKA_NONE && !read_subscription(g->b, q->a, args->protocols[0].metadata, &s))
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (error != KAFKA_NONE) {
        refuse(q, error, args->member_id);
        return;
    }
    bool unknown = args->member_id.n == 0;
    str id = unknown ? broker_member_id(g->b, q->a, args->instance.p ? args->instance : args->client_id)
                     : args->member_id;
    if (unknown && !args->instance.p && args->version >= 4) {
        cparts_free(&s.owned);
        refuse(q, KAFKA_MEMBER_ID_REQUIRED, id);
        return;
    }
    cmember *holder = args->instance.p ? map_get(&c->statics, args->instance) : NULL;
    if (unknown && holder && !holder->classic) {
        /* When it was the last of the new protocol, the group is classic from here on. */
        cmember_set_classic(holder, args->session_ms, args->protocols, args->protocols_len);
        cgroup_downgrade(g);
        if (!g->consumer) {
            cparts_free(&s.owned);
            group_join(g->b, args, q);
            return;
        }
    }
    cwrites w = {.a = q->a, .now_ms = g->b->now.wall_ms};
    cmember *m = unknown && holder ? cgroup_take_over(holder, id, &w) : map_get(&c->members, id);
    bool fresh = !m;
    if (fresh) m = cgroup_member(g, id);
    if (fresh && args->instance.p) group_set_text(&m->instance, args->instance);
    if (fresh && args->instance.p) map_put(&c->statics, args->instance, m);
    join_as(m, args, &s, fresh, &w);
    cparts_free(&s.owned);
    answer_when_stored(m, &w, q);
}

/* ---- SyncGroup, Heartbeat, LeaveGroup --------------------------------------------------------------------------- */

static kafka_error find_member(const group *g, str member_id, str instance, cmember **m)
{
    const cgroup *c = g->consumer;
    *m = instance.p ? map_get(&c->statics, instance) : map_get(&c->members, member_id);
    if (!*m) return KAFKA_UNKNOWN_MEMBER_ID;
    if (!str_eqz(member_id, (*m)->id)) return KAFKA_FENCED_INSTANCE_ID;
    return (*m)->classic ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}

static kafka_error find_in_generation(const group *g, str member_id, str instance, int32_t generation, cmember **m)
{
    kafka_error error = find_member(g, member_id, instance, m);
    if (error != KAFKA_NONE) return error;
    return generation == (*m)->epoch ? KAFKA_NONE : KAFKA_ILLEGAL_GENERATION;
}

void cgroup_classic_sync(group *g, const sync_args *args, request *q)
{
    cmember *m;
    kafka_error error = find_in_generation(g, args->member_id, args->instance, args->generation, &m);
    bool type = !args->protocol_type.p || str_eqz(args->protocol_type, "consumer");
    if (error == KAFKA_NONE && (!type || (args->protocol.p && !str_eq(args->protocol, m->protocols[0].name))))
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    /* Who has something to give up is told so by its assignment. */
    if (error == KAFKA_NONE && g->consumer->target_epoch > m->epoch && m->state != CMEMBER_UNREVOKED) {
        cgroup_await_member(m, false);
        error = KAFKA_REBALANCE_IN_PROGRESS;
    }
    if (error != KAFKA_NONE) {
        api_answer_sync(q, error, NULL, STR(""));
        return;
    }
    cgroup_member_came(m);
    cgroup_keep_alive(m);
    buf assignment = {0};
    put_assignment(m, &m->assigned, &assignment);
    char shown_type[] = "consumer";
    const group shown = {.protocol_type = shown_type, .protocol = (char *)(uintptr_t)m->protocols[0].name.p};
    api_answer_sync(q, KAFKA_NONE, &shown, buf_str(&assignment));
    buf_free(&assignment);
}

kafka_error cgroup_classic_heartbeat(group *g, str member_id, str instance, int32_t generation)
{
    cmember *m;
    kafka_error error = find_in_generation(g, member_id, instance, generation, &m);
    if (error != KAFKA_NONE) return error;
    cgroup_keep_alive(m);
    bool free_now = m->state == CMEMBER_UNRELEASED && cgroup_all_released(m);
    /* Where all members are classic it is a JoinGroup that brings the target up to the epoch. */
    if (m->epoch >= g->consumer->epoch && m->state != CMEMBER_UNREVOKED && !free_now) return KAFKA_NONE;
    cgroup_await_member(m, false); /* its JoinGroup */
    return KAFKA_REBALANCE_IN_PROGRESS;
}

kafka_error cgroup_classic_leave(group *g, str member_id, str instance)
{
    cmember *m;
    kafka_error error = KAFKA_NONE;
    if (member_id.n == 0 && instance.p) {
        /* An administrator removes a static member, of whichever protocol, whose id it does not know. */
        m = map_get(&g->consumer->statics, instance);
        if (!m) error = KAFKA_UNKNOWN_MEMBER_ID;
    } else {
        error = find_member(g, member_id, instance, &m);
    }
    if (error != KAFKA_NONE) return error;
    log_info("broker", "group %s: member %s leaves", g->id, m->id);
    cgroup_remove_late(m);
    return KAFKA_NONE;
}
