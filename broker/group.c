#include "broker/group.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/cgroup.h"

/*
 * A member that never completed a round is dropped when it has been parked so long: its client has vanished
 * (KIP-389 era).
 */
enum { NEW_MEMBER_JOIN_MS = 300000 };

static void prepare_rebalance(group *g);

/* ---- members ------------------------------------------------------------------------------------------- */

member *group_member(const group *g, str id)
{
    return map_get(&g->members, id);
}

bool group_is_leader(const group *g, const member *m)
{
    return g->leader && strcmp(g->leader, m->id) == 0;
}

void group_set_state(group *g, group_state state)
{
    g->state = state;
    g->state_ms = g->b->now.wall_ms;
}

/* No sign of life for the session time-out. Parked requests are signs of life as long as their round goes on. */
static void on_session(delay_timer *t)
{
    member *m = container_of(t, member, session);
    group *g = m->g;
    if ((m->joining && !m->is_new) || m->syncing) {
        broker_timer(g->b, t, m->session_ms);
        return;
    }
    log_info("broker", "group %s: member %s timed out", g->id, m->id);
    group_remove_member(g, m);
}

void member_keep_alive(member *m)
{
    m->session.fire = on_session;
    broker_timer(m->g->b, &m->session, m->is_new ? NEW_MEMBER_JOIN_MS : m->session_ms);
}

/* Takes over what a JoinGroup says of its member. */
static void member_update(member *m, const join_args *args)
{
    arena *a = arena_new();
    m->client_id = arena_str(a, args->client_id);
    m->client_host = arena_str(a, args->client_host);
    /* Static or not is for life: whoever became the other would leave its name in the table when it goes. */
    str instance = m->a ? m->instance : args->instance;
    m->instance = instance.p ? arena_str(a, instance) : WIRE_NULL;
    m->session_ms = args->session_ms;
    m->rebalance_ms = args->rebalance_ms;
    m->protocols_len = args->protocols_len;
    m->protocols = ARENA_ARRAY(a, group_protocol, (size_t)args->protocols_len + 1);
    for (int32_t i = 0; i < args->protocols_len; i++) {
        m->protocols[i].name = arena_str(a, args->protocols[i].name);
        m->protocols[i].metadata = arena_str(a, args->protocols[i].metadata);
    }
    arena_free(m->a);
    m->a = a;
}

static member *member_new(group *g, str id, const join_args *args)
{
    member *m = calloc(1, sizeof *m);
    check(m);
    m->g = g;
    group_set_text(&m->id, id);
    member_update(m, args);
    return m;
}

void member_answer_sync_error(member *m, kafka_error error)
{
    request *q = m->sync;
    m->sync = NULL;
    m->syncing = false;
    api_answer_sync(q, error, NULL, STR(""));
}

static void answer_join_error(member *m, kafka_error error)
{
    request *q = m->join;
    join_answer answer = {.error = error, .member_id = str_z(m->id)};
    m->join = NULL;
    m->joining = false;
    api_answer_join(q, &answer);
}

/* After a member is gone: a round in preparation may now be complete, any other state starts one. */
static void after_removal(group *g)
{
    if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
        prepare_rebalance(g);
    else if (g->state == GROUP_PREPARING)
        group_try_complete_join(g);
}

static void detach_member(group *g, member *m, kafka_error error)
{
    if (m->joining) answer_join_error(m, error);
    if (m->syncing) member_answer_sync_error(m, error);
    delay_cancel(&g->b->timers, &m->session);
    map_remove(&g->members, str_z(m->id));
    if (m->instance.p && map_get(&g->statics, m->instance) == m) map_remove(&g->statics, m->instance);
    if (group_is_leader(g, m)) group_set_text(&g->leader, WIRE_NULL);
}

void group_remove_member(group *g, member *m)
{
    detach_member(g, m, KAFKA_UNKNOWN_MEMBER_ID);
    member_free(m);
    after_removal(g);
}

void group_pending_free(pending_member *p)
{
    delay_cancel(&p->g->b->timers, &p->timer);
    map_remove(&p->g->pending, str_z(p->id));
    free(p->id);
    free(p);
}

static void on_pending(delay_timer *t)
{
    pending_member *p = container_of(t, pending_member, timer);
    group *g = p->g;
    group_pending_free(p);
    if (g->state == GROUP_PREPARING) group_try_complete_join(g);
}

static void pending_add(group *g, str id, int32_t session_ms)
{
    pending_member *p = calloc(1, sizeof *p);
    check(p);
    p->g = g;
    group_set_text(&p->id, id);
    p->timer.fire = on_pending;
    map_put(&g->pending, id, p);
    broker_timer(g->b, &p->timer, session_ms);
}

/* ---- choosing the protocol ----------------------------------------------------------------------------- */

static bool supports(const group_protocol *list, int32_t n, str name)
{
    for (int32_t i = 0; i < n; i++)
        if (str_eq(list[i].name, name)) return true;
    return false;
}

static bool all_support(const group *g, str name)
{
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        if (!supports(m->protocols, m->protocols_len, name)) return false;
    }
    return true;
}

/* Each member votes for its first protocol that all support; the one with most votes wins, the first met on a tie. */
static str choose_protocol(const group *g)
{
    str best = WIRE_NULL;
    int best_votes = 0;
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        for (int32_t i = 0; i < m->protocols_len; i++) {
            if (!all_support(g, m->protocols[i].name)) continue;
            int votes = 0;
            void *other;
            for (size_t jt = 0; map_next(&g->members, &jt, NULL, &other);) {
                const member *o = other;
                int32_t k = 0;
                while (k < o->protocols_len && !all_support(g, o->protocols[k].name)) k++;
                if (k < o->protocols_len && str_eq(o->protocols[k].name, m->protocols[i].name)) votes++;
            }
            if (votes > best_votes) {
                best = m->protocols[i].name;
                best_votes = votes;
            }
            break;
        }
    }
    return best;
}

/* Whether a (new) member could be part of the group. */
static bool compatible(const group *g, const join_args *args)
{
    if (args->protocol_type.n == 0 || args->protocols_len == 0) return false;
    if (g->state == GROUP_EMPTY || map_count(&g->members) == 0) return true;
    if (!g->protocol_type || !str_eqz(args->protocol_type, g->protocol_type)) return false;
    for (int32_t i = 0; i < args->protocols_len; i++)
        if (all_support(g, args->protocols[i].name)) return true;
    return false;
}

static bool same_protocols(const member *m, const join_args *args)
{
    if (m->protocols_len != args->protocols_len) return false;
    for (int32_t i = 0; i < m->protocols_len; i++) {
        if (!str_eq(m->protocols[i].name, args->protocols[i].name) ||
            !str_eq(m->protocols[i].metadata, args->protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

/* ---- rounds -------------------------------------------------------------------------------------------- */

static int32_t rebalance_timeout(const group *g)
{
    int32_t most = 0;
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        if (m->rebalance_ms > most) most = m->rebalance_ms;
    }
    return most;
}

static bool all_joined(const group *g)
{
    void *value;
    if (map_count(&g->pending) > 0) return false;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);)
        if (!((member *)value)->joining) return false;
    return true;
}

/* The leader stays when it joined again; otherwise the first who did. */
static bool elect_leader(group *g)
{
    member *leader = g->leader ? group_member(g, str_z(g->leader)) : NULL;
    if (leader && leader->joining) return true;
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        if (!m->joining) continue;
        group_set_text(&g->leader, str_z(m->id));
        return true;
    }
    return false;
}

static void store_quietly(group *g)
{
    broker_partition *p = group_partition(g->b, str_z(g->id));
    int64_t end;
    if (!p || group_store(g, p, &end) != KAFKA_NONE) log_error("broker", "group %s could not be stored", g->id);
    broker_partition_release(p);
}

/* Members that got the new generation but never asked for their assignment. */
static void on_sync_time(delay_timer *t)
{
    group *g = container_of(t, group, sync_timer);
    void *value;
    bool removed = false;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        if (m->synced) continue;
        log_info("broker", "group %s: member %s did not ask for its assignment", g->id, m->id);
        detach_member(g, m, KAFKA_UNKNOWN_MEMBER_ID);
        member_free(m);
        removed = true;
    }
    if (removed) after_removal(g);
}

static void answer_round(group *g)
{
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        request *q = m->join;
        join_answer answer = {
            .g = g, .member_id = str_z(m->id), .leader = str_z(g->leader), .with_members = group_is_leader(g, m)};
        m->join = NULL;
        m->joining = false;
        m->is_new = false;
        m->synced = false;
        member_keep_alive(m);
        api_answer_join(q, &answer);
    }
}

static void become_empty(group *g)
{
    g->generation++;
    group_set_text(&g->protocol, WIRE_NULL);
    group_set_text(&g->leader, WIRE_NULL);
    group_set_state(g, GROUP_EMPTY);
    log_info("broker", "group %s is empty, generation %d", g->id, g->generation);
    store_quietly(g);
}

/* Ends the join phase: who did not join again is out (static members stay), and the others get the new generation. */
static void complete_join(group *g)
{
    delay_cancel(&g->b->timers, &g->join_timer);
    g->initial = false;
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        if (m->joining || m->instance.p) continue;
        detach_member(g, m, KAFKA_UNKNOWN_MEMBER_ID);
        member_free(m);
    }
    if (map_count(&g->members) == 0) {
        become_empty(g);
        return;
    }
    if (!elect_leader(g)) {
        /* Only static members, none of them back yet: they are waited for once more. */
        broker_timer(g->b, &g->join_timer, rebalance_timeout(g));
        return;
    }
    g->generation++;
    group_set_text(&g->protocol, choose_protocol(g));
    group_set_state(g, GROUP_COMPLETING);
    log_info("broker", "group %s: generation %d with %zu members", g->id, g->generation, map_count(&g->members));
    answer_round(g);
    g->sync_timer.fire = on_sync_time;
    broker_timer(g->b, &g->sync_timer, rebalance_timeout(g));
}

static void on_join_time(delay_timer *t)
{
    group *g = container_of(t, group, join_timer);
    if (g->initial && g->joined_meanwhile && g->initial_left_ms > 0) {
        int64_t delay = broker_i64(g->b, "group.initial.rebalance.delay.ms");
        int64_t wait = delay < g->initial_left_ms ? delay : g->initial_left_ms;
        g->joined_meanwhile = false;
        g->initial_left_ms -= wait;
        broker_timer(g->b, t, wait);
        return;
    }
    complete_join(g);
}

void group_try_complete_join(group *g)
{
    if (!g->initial && all_joined(g)) complete_join(g);
}

static void prepare_rebalance(group *g)
{
    void *value;
    /* What a stable group was told stays: its members read from it until they join again. */
    bool from_empty = g->state == GROUP_EMPTY, untold = g->state == GROUP_COMPLETING;
    g->writing = false;
    delay_cancel(&g->b->timers, &g->sync_timer);
    g->join_timer.fire = on_join_time;
    group_set_state(g, GROUP_PREPARING);
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        if (untold) {
            free(m->assignment);
            m->assignment = NULL;
            m->assignment_len = 0;
        }
        if (m->syncing) member_answer_sync_error(m, KAFKA_REBALANCE_IN_PROGRESS);
    }
    int64_t delay = broker_i64(g->b, "group.initial.rebalance.delay.ms");
    g->initial = from_empty && delay > 0;
    g->joined_meanwhile = false;
    int32_t timeout = rebalance_timeout(g);
    g->initial_left_ms = timeout > delay ? timeout - delay : 0;
    broker_timer(g->b, &g->join_timer, g->initial ? delay : timeout);
    group_try_complete_join(g);
}

void group_rebalance(group *g)
{
    if (g->state == GROUP_PREPARING)
        group_try_complete_join(g);
    else
        prepare_rebalance(g);
}

/* ---- JoinGroup ----------------------------------------------------------------------------------------- */

static void refuse_join(request *q, kafka_error error, str member_id)
{
    join_answer answer = {.error = error, .member_id = member_id};
    api_answer_join(q, &answer);
}

/* Parks the request with its member; an older one of the same member has been given up by its client. */
static void park_join(member *m, request *q)
{
    if (m->join) answer_join_error(m, KAFKA_REBALANCE_IN_PROGRESS);
    m->join = q;
    m->joining = true;
    q->parked = m;
    q->cancel = group_forget_request;
}

/* Leaves the request with its member before anything can complete it: completing is what takes it away again. */
static void add_member(group *g, str id, const join_args *args, request *q)
{
    if (map_count(&g->members) == 0) group_set_text(&g->protocol_type, args->protocol_type);
    member *m = member_new(g, id, args);
    m->is_new = true;
    map_put(&g->members, id, m);
    if (m->instance.p) map_put(&g->statics, m->instance, m);
    pending_member *p = map_get(&g->pending, id);
    if (p) group_pending_free(p);
    if (g->initial) g->joined_meanwhile = true;
    member_keep_alive(m);
    park_join(m, q);
    group_rebalance(g);
}

static void update_and_rebalance(group *g, member *m, const join_args *args, request *q)
{
    member_update(m, args);
    if (m->instance.p) map_put(&g->statics, m->instance, m);
    member_keep_alive(m);
    park_join(m, q);
    group_rebalance(g);
}

/* The generation as it is, for a member whose last answer was lost or who changed nothing. */
static void answer_current(group *g, member *m, request *q)
{
    join_answer answer = {.g = g, .member_id = str_z(m->id), .leader = str_z(g->leader)};
    answer.with_members = g->state == GROUP_COMPLETING && group_is_leader(g, m);
    member_keep_alive(m);
    api_answer_join(q, &answer);
}

/*
 * A static member comes back without its id: it gets a new one and who used the old one is fenced (KIP-345). In a
 * stable group nothing else happens when the protocol would stay the same (KIP-814 for leaders).
 */
static void rejoin_static(group *g, member *m, const join_args *args, request *q)
{
    str id = broker_member_id(g->b, q->a, args->instance);
    str old_id = arena_str(q->a, str_z(m->id));
    bool led = group_is_leader(g, m);
    if (m->joining) answer_join_error(m, KAFKA_FENCED_INSTANCE_ID);
    if (m->syncing) member_answer_sync_error(m, KAFKA_FENCED_INSTANCE_ID);
    map_remove(&g->members, old_id);
    group_set_text(&m->id, id);
    map_put(&g->members, id, m);
    if (led) group_set_text(&g->leader, id);
    member_update(m, args);
    map_put(&g->statics, m->instance, m);
    member_keep_alive(m);
    if (g->state != GROUP_STABLE || !g->protocol || !str_eqz(choose_protocol(g), g->protocol)) {
        park_join(m, q);
        if (g->state == GROUP_PREPARING)
            group_try_complete_join(g);
        else
            prepare_rebalance(g);
        return;
    }
    store_quietly(g);
    join_answer answer = {.g = g, .member_id = str_z(m->id), .leader = str_z(g->leader)};
    if (led && args->version >= 9) {
        answer.with_members = true;
        answer.skip_assignment = true;
    } else if (led) {
        /* A client that cannot skip the assignment must not take itself for the leader. */
        answer.leader = old_id;
    }
    api_answer_join(q, &answer);
}

static bool is_full(const group *g)
{
    return (int64_t)map_count(&g->members) >= broker_i64(g->b, "group.max.size");
}

static void join_unknown(group *g, const join_args *args, request *q)
{
    member *known = args->instance.p ? map_get(&g->statics, args->instance) : NULL;
    if (!known && is_full(g)) {
        refuse_join(q, KAFKA_GROUP_MAX_SIZE_REACHED, STR(""));
    } else if (known) {
        rejoin_static(g, known, args, q);
    } else if (args->instance.p) {
        add_member(g, broker_member_id(g->b, q->a, args->instance), args, q);
    } else {
        str id = broker_member_id(g->b, q->a, args->client_id);
        if (args->version >= 4) {
            pending_add(g, id, args->session_ms);
            refuse_join(q, KAFKA_MEMBER_ID_REQUIRED, id);
        } else {
            add_member(g, id, args, q);
        }
    }
}

/* Whether the member may speak for the instance; KAFKA_NONE also for members without one. */
kafka_error group_check_member(const group *g, str member_id, str instance, member **out)
{
    *out = group_member(g, member_id);
    if (instance.p) {
        member *holder = map_get(&g->statics, instance);
        if (!holder) return KAFKA_UNKNOWN_MEMBER_ID;
        if (!str_eqz(member_id, holder->id)) return KAFKA_FENCED_INSTANCE_ID;
    }
    return *out ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}

static void join_known(group *g, const join_args *args, request *q)
{
    member *m;
    kafka_error error = group_check_member(g, args->member_id, args->instance, &m);
    if (error != KAFKA_NONE) {
        refuse_join(q, error, args->member_id);
        return;
    }
    bool same = same_protocols(m, args);
    switch (g->state) {
    case GROUP_PREPARING: update_and_rebalance(g, m, args, q); return;
    case GROUP_COMPLETING:
        if (same)
            answer_current(g, m, q);
        else
            update_and_rebalance(g, m, args, q);
        return;
    case GROUP_STABLE:
        if (same && !group_is_leader(g, m))
            answer_current(g, m, q);
        else
            update_and_rebalance(g, m, args, q);
        return;
    case GROUP_EMPTY:
    case GROUP_DEAD: refuse_join(q, KAFKA_UNKNOWN_MEMBER_ID, args->member_id); return;
    }
}

void group_join(broker *b, const join_args *args, request *q)
{
    if (args->group_id.n == 0) {
        refuse_join(q, KAFKA_INVALID_GROUP_ID, args->member_id);
        return;
    }
    if (args->session_ms < broker_i64(b, "group.min.session.timeout.ms") ||
        args->session_ms > broker_i64(b, "group.max.session.timeout.ms")) {
        refuse_join(q, KAFKA_INVALID_SESSION_TIMEOUT, args->member_id);
        return;
    }
    group *g = group_find(b, args->group_id);
    if (!g && args->member_id.n > 0) {
        refuse_join(q, KAFKA_UNKNOWN_MEMBER_ID, args->member_id);
        return;
    }
    if (!g && (args->protocol_type.n == 0 || args->protocols_len == 0)) {
        refuse_join(q, KAFKA_INCONSISTENT_GROUP_PROTOCOL, args->member_id);
        return;
    }
    if (!g) g = group_make(b, args->group_id);
    if (g->consumer && !cgroup_yield(g)) {
        cgroup_classic_join(g, args, q);
    } else if (!compatible(g, args)) {
        refuse_join(q, KAFKA_INCONSISTENT_GROUP_PROTOCOL, args->member_id);
    } else if (args->member_id.n == 0) {
        join_unknown(g, args, q);
    } else if (map_get(&g->pending, args->member_id)) {
        if (is_full(g))
            refuse_join(q, KAFKA_GROUP_MAX_SIZE_REACHED, args->member_id);
        else
            add_member(g, args->member_id, args, q);
    } else {
        join_known(g, args, q);
    }
}

void group_forget_request(request *q)
{
    member *m = q->parked;
    if (m->join == q) m->join = NULL;
    if (m->sync == q) m->sync = NULL;
}

/* ---- from one protocol to the other --------------------------------------------------------------------- */

void group_clear_members(group *g, kafka_error error)
{
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        detach_member(g, value, error);
        member_free(value);
    }
    for (size_t it = 0; map_next(&g->pending, &it, NULL, &value);) group_pending_free(value);
    delay_cancel(&g->b->timers, &g->join_timer);
    delay_cancel(&g->b->timers, &g->sync_timer);
    g->initial = g->writing = false;
    g->state = GROUP_EMPTY;
    group_set_text(&g->protocol, WIRE_NULL);
    group_set_text(&g->leader, WIRE_NULL);
}

void group_adopted(group *g)
{
    void *value;
    size_t it = 0;
    check(map_next(&g->members, &it, NULL, &value));
    group_set_text(&g->protocol_type, STR("consumer"));
    group_set_text(&g->protocol, choose_protocol(g));
    group_set_text(&g->leader, str_z(((const member *)value)->id));
    store_quietly(g);
    prepare_rebalance(g);
}

/* ---- coming back from the records ---------------------------------------------------------------------- */

group *group_restore(broker *b, const group_loaded *loaded)
{
    group *g = group_make(b, loaded->group_id);
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        detach_member(g, value, KAFKA_UNKNOWN_MEMBER_ID);
        member_free(value);
    }
    g->generation = loaded->generation;
    group_set_text(&g->protocol_type, loaded->protocol_type.n > 0 ? loaded->protocol_type : WIRE_NULL);
    group_set_text(&g->protocol, loaded->protocol);
    group_set_text(&g->leader, loaded->leader);
    g->state = GROUP_EMPTY;
    if (loaded->state_ms >= 0) g->state_ms = loaded->state_ms;
    return g;
}

void group_restore_member(group *g, str id, const join_args *args, str assignment)
{
    if (map_get(&g->members, id)) return;
    member *m = member_new(g, id, args);
    m->synced = true;
    if (assignment.n > 0) {
        m->assignment = malloc(assignment.n);
        check(m->assignment);
        memcpy(m->assignment, assignment.p, assignment.n);
        m->assignment_len = assignment.n;
    }
    map_put(&g->members, id, m);
    if (m->instance.p) map_put(&g->statics, m->instance, m);
    g->state = GROUP_STABLE;
    member_keep_alive(m);
}
