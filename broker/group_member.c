/* What members do in a generation: SyncGroup, Heartbeat, LeaveGroup, commits. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/cgroup.h"
#include "broker/group.h"

/* ---- SyncGroup ----------------------------------------------------------------------------------------- */

/* The group's record on its way to the disk. Outlives group and members. */
typedef struct group_write {
    sync_wait wait;
    broker *b;
    broker_partition *p;
    char *id;
    int32_t generation;
} group_write;

static void answer_assignment(member *m)
{
    request *q = m->sync;
    m->sync = NULL;
    m->syncing = false;
    member_keep_alive(m);
    api_answer_sync(q, KAFKA_NONE, m->g, str_of(m->assignment ? m->assignment : "", m->assignment_len));
}

static void assignment_stored(group *g, bool ok)
{
    void *value;
    g->writing = false;
    if (ok) group_set_state(g, GROUP_STABLE);
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        if (!m->syncing) continue;
        if (ok)
            answer_assignment(m);
        else
            member_answer_sync_error(m, KAFKA_COORDINATOR_NOT_AVAILABLE);
    }
    if (!ok) group_rebalance(g);
}

static void on_stored(sync_wait *wait, bool ok)
{
    group_write *w = container_of(wait, group_write, wait);
    group *g = group_find(w->b, str_z(w->id));
    /* A round that began meanwhile has answered everybody. */
    if (g && g->writing && g->state == GROUP_COMPLETING && g->generation == w->generation) assignment_stored(g, ok);
    broker_partition_release(w->p);
    free(w->id);
    free(w);
}

static void take_assignments(group *g, const sync_args *args)
{
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        free(m->assignment);
        m->assignment = NULL;
        m->assignment_len = 0;
    }
    for (int32_t i = 0; i < args->assignments_len; i++) {
        member *m = group_member(g, args->assignments[i].name);
        str bytes = args->assignments[i].metadata;
        if (!m || m->assignment || bytes.n == 0) continue;
        m->assignment = malloc(bytes.n);
        check(m->assignment);
        memcpy(m->assignment, bytes.p, bytes.n);
        m->assignment_len = bytes.n;
    }
}

/* The leader has spoken: its word is written down before anybody hears it. */
static void write_assignment(group *g, const sync_args *args)
{
    take_assignments(g, args);
    broker_partition *p = group_partition(g->b, str_z(g->id));
    int64_t end = 0;
    g->writing = true;
    if (!p || group_store(g, p, &end) != KAFKA_NONE) {
        broker_partition_release(p);
        assignment_stored(g, false);
        return;
    }
    group_write *w = calloc(1, sizeof *w);
    check(w);
    w->wait.done = on_stored;
    w->b = g->b;
    w->p = p;
    w->generation = g->generation;
    group_set_text(&w->id, str_z(g->id));
    if (partition_wait_sync(p, &w->wait, end)) on_stored(&w->wait, true);
}

static kafka_error check_sync(const group *g, const sync_args *args, member **m)
{
    if (args->group_id.n == 0) return KAFKA_INVALID_GROUP_ID;
    if (!g) return KAFKA_UNKNOWN_MEMBER_ID;
    kafka_error error = group_check_member(g, args->member_id, args->instance, m);
    if (error != KAFKA_NONE) return error;
    if (args->generation != g->generation) return KAFKA_ILLEGAL_GENERATION;
    if (args->protocol_type.p && !(g->protocol_type && str_eqz(args->protocol_type, g->protocol_type))) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    if (args->protocol.p && !(g->protocol && str_eqz(args->protocol, g->protocol)))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (g->state == GROUP_EMPTY) return KAFKA_UNKNOWN_MEMBER_ID;
    if (g->state == GROUP_PREPARING) return KAFKA_REBALANCE_IN_PROGRESS;
    return KAFKA_NONE;
}

void group_sync(broker *b, const sync_args *args, request *q)
{
    group *g = group_find(b, args->group_id);
    member *m = NULL;
    if (g && g->consumer) {
        cgroup_classic_sync(g, args, q);
        return;
    }
    kafka_error error = check_sync(g, args, &m);
    if (error != KAFKA_NONE) {
        api_answer_sync(q, error, NULL, STR(""));
        return;
    }
    m->synced = true;
    if (m->sync) member_answer_sync_error(m, KAFKA_REBALANCE_IN_PROGRESS);
    m->sync = q;
    m->syncing = true;
    q->parked = m;
    q->cancel = group_forget_request;
    member_keep_alive(m);
    if (g->state == GROUP_STABLE)
        answer_assignment(m);
    else if (group_is_leader(g, m) && !g->writing)
        write_assignment(g, args);
}

/* ---- Heartbeat, LeaveGroup, commits -------------------------------------------------------------------- */

kafka_error group_heartbeat(broker *b, str group_id, str member_id, str instance, int32_t generation)
{
    if (group_id.n == 0) return KAFKA_INVALID_GROUP_ID;
    group *g = group_find(b, group_id);
    if (!g) return KAFKA_UNKNOWN_MEMBER_ID;
    if (g->consumer) return cgroup_classic_heartbeat(g, member_id, instance, generation);
    member *m;
    kafka_error error = group_check_member(g, member_id, instance, &m);
    if (error != KAFKA_NONE) return error;
    if (generation != g->generation) return KAFKA_ILLEGAL_GENERATION;
    if (g->state == GROUP_EMPTY) return KAFKA_UNKNOWN_MEMBER_ID;
    member_keep_alive(m);
    return g->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

kafka_error group_leave(broker *b, str group_id, str member_id, str instance)
{
    if (group_id.n == 0) return KAFKA_INVALID_GROUP_ID;
    group *g = group_find(b, group_id);
    if (!g) return KAFKA_UNKNOWN_MEMBER_ID;
    if (g->consumer) return cgroup_classic_leave(g, member_id, instance);
    member *m;
    if (member_id.n == 0 && instance.p) {
        /* An administrator removes a static member whose id it does not know. */
        m = map_get(&g->statics, instance);
        if (!m) return KAFKA_UNKNOWN_MEMBER_ID;
    } else if (map_get(&g->pending, member_id)) {
        if (instance.p) return KAFKA_UNKNOWN_MEMBER_ID;
        group_pending_free(map_get(&g->pending, member_id));
        if (g->state == GROUP_PREPARING) group_try_complete_join(g);
        return KAFKA_NONE;
    } else {
        kafka_error error = group_check_member(g, member_id, instance, &m);
        if (error != KAFKA_NONE) return error;
    }
    log_info("broker", "group %s: member %s leaves", g->id, m->id);
    group_remove_member(g, m);
    return KAFKA_NONE;
}

kafka_error group_check_commit(broker *b, str group_id, str member_id, str instance, int32_t generation,
                               int16_t version, bool txn, group **out)
{
    group *g = group_find(b, group_id);
    *out = g;
    if (group_id.n == 0) return KAFKA_INVALID_GROUP_ID;
    if (!g) {
        if (generation < 0) return KAFKA_NONE;
        return version >= 9 && !txn ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
    }
    if (g->consumer && !(txn && generation < 0 && member_id.n == 0)) {
        kafka_error bad = cgroup_check_member(g, member_id, generation);
        /* Versions that know nothing of member epochs cannot speak for such a member. */
        const cmember *cm = map_get(&g->consumer->members, member_id);
        if (bad == KAFKA_NONE && cm && !cm->classic && version < 9 && !txn) return KAFKA_UNSUPPORTED_VERSION;
        return txn && bad == KAFKA_STALE_MEMBER_EPOCH ? KAFKA_ILLEGAL_GENERATION : bad;
    }
    bool anonymous = generation < 0 && member_id.n == 0 && !instance.p;
    if (anonymous && (txn || g->state == GROUP_EMPTY)) return KAFKA_NONE;
    if (g->state == GROUP_EMPTY && generation < 0 && !instance.p) return KAFKA_NONE;
    member *m;
    kafka_error error = group_check_member(g, member_id, instance, &m);
    if (error != KAFKA_NONE) return error;
    if (generation != g->generation) return KAFKA_ILLEGAL_GENERATION;
    member_keep_alive(m);
    return g->state == GROUP_COMPLETING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}
