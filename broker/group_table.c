/* Groups as a whole: the table, expiry, and what the rest of the program sees of them. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/cgroup.h"
#include "broker/group.h"

struct groups {
    map by_id;
};

groups *groups_new(void)
{
    groups *t = calloc(1, sizeof *t);
    check(t);
    return t;
}

group *group_find(broker *b, str id)
{
    return map_get(&b->groups->by_id, id);
}

bool group_next(broker *b, size_t *it, group **g)
{
    void *value;
    if (!map_next(&b->groups->by_id, it, NULL, &value)) return false;
    *g = value;
    return true;
}

group *group_make(broker *b, str id)
{
    group *g = group_find(b, id);
    if (g) return g;
    g = calloc(1, sizeof *g);
    check(g);
    g->b = b;
    g->state_ms = b->now.wall_ms;
    group_set_text(&g->id, id);
    map_put(&b->groups->by_id, id, g);
    return g;
}

const char *group_state_name(group_state state)
{
    static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"};
    return names[state];
}

const char *group_shown_state(const group *g)
{
    return g->consumer ? cgroup_state_name(g->consumer) : group_state_name(g->state);
}

size_t group_size(const group *g)
{
    return map_count(&g->members) + (g->consumer ? map_count(&g->consumer->members) : 0);
}

void group_set_text(char **at, str text)
{
    char *copy = text.p ? strndup(text.p, text.n) : NULL;
    check(copy || !text.p);
    free(*at);
    *at = copy;
}

void member_free(member *m)
{
    check(!m->join && !m->sync && !delay_is_set(&m->session));
    arena_free(m->a);
    free(m->assignment);
    free(m->id);
    free(m);
}

str member_metadata(const member *m, const char *protocol)
{
    for (int32_t i = 0; protocol && i < m->protocols_len; i++)
        if (str_eqz(m->protocols[i].name, protocol)) return m->protocols[i].metadata;
    return STR("");
}

static void offset_free(group_offset *o)
{
    free(o->topic);
    free((char *)o->metadata.p);
}

static void free_members(group *g)
{
    void *value;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        member *m = value;
        request *join = m->join, *sync = m->sync;
        m->join = m->sync = NULL;
        join_answer answer = {.error = KAFKA_COORDINATOR_NOT_AVAILABLE, .member_id = str_z(m->id)};
        api_answer_join(join, &answer);
        api_answer_sync(sync, KAFKA_COORDINATOR_NOT_AVAILABLE, NULL, STR(""));
        delay_cancel(&g->b->timers, &m->session);
        member_free(m);
    }
    for (size_t it = 0; map_next(&g->pending, &it, NULL, &value);) {
        pending_member *p = value;
        delay_cancel(&g->b->timers, &p->timer);
        free(p->id);
        free(p);
    }
}

static void group_free(group *g)
{
    void *value;
    free_members(g);
    cgroup_free(g);
    for (size_t it = 0; map_next(&g->offsets, &it, NULL, &value);) {
        offset_free(value);
        free(value);
    }
    for (size_t it = 0; map_next(&g->txns, &it, NULL, &value);) {
        txn_offsets *t = value;
        for (size_t i = 0; i < t->len; i++) offset_free(&t->list[i]);
        free(t->list);
        free(t);
    }
    delay_cancel(&g->b->timers, &g->join_timer);
    delay_cancel(&g->b->timers, &g->sync_timer);
    map_free(&g->members);
    map_free(&g->statics);
    map_free(&g->pending);
    map_free(&g->offsets);
    map_free(&g->txns);
    free(g->id);
    free(g->protocol_type);
    free(g->protocol);
    free(g->leader);
    free(g);
}

void group_drop(group *g)
{
    map_remove(&g->b->groups->by_id, str_z(g->id));
    group_free(g);
}

void groups_free(broker *b)
{
    if (!b->groups) return;
    group *g;
    for (size_t it = 0; group_next(b, &it, &g);) group_free(g);
    map_free(&b->groups->by_id);
    free(b->groups);
    b->groups = NULL;
}

/* ---- subscriptions ------------------------------------------------------------------------------------- */

/* ConsumerProtocolSubscription: i16 version, array of topic names, more. What does not parse subscribes to nothing. */
static bool metadata_names(str metadata, str topic_name)
{
    wire_in in = wire_in_of(metadata.p, metadata.n, false);
    wire_i16(&in);
    int32_t n = wire_len(&in, 2);
    for (int32_t i = 0; i < n && !wire_failed(&in); i++) {
        str name = wire_str(&in);
        if (!wire_failed(&in) && str_eq(name, topic_name)) return true;
    }
    return false;
}

bool group_subscribes(const group *g, str topic_name)
{
    void *value;
    if (g->consumer) return cgroup_subscribes(g->consumer, topic_name);
    if (!g->protocol_type || strcmp(g->protocol_type, "consumer") != 0) return false;
    for (size_t it = 0; map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        str metadata =
            m->protocols_len > 0 ? member_metadata(m, g->protocol ? g->protocol : m->protocols[0].name.p) : STR("");
        if (metadata_names(metadata, topic_name)) return true;
    }
    return false;
}

/* ---- expiry -------------------------------------------------------------------------------------------- */

/* When an offset's time began to run: see "offsets.retention.minutes" in Kafka's documentation. */
static bool is_expired(const group *g, const group_offset *o, int64_t retention_ms)
{
    int64_t now = g->b->now.wall_ms;
    if (group_offset_pending(g, str_z(o->topic), o->partition)) return false;
    if (group_size(g) > 0) {
        bool consumer = g->state == GROUP_STABLE && g->protocol_type && strcmp(g->protocol_type, "consumer") == 0;
        if (!consumer || group_subscribes(g, str_z(o->topic))) return false;
        return now - o->commit_ms >= retention_ms;
    }
    int64_t from = g->protocol_type && g->state_ms > o->commit_ms ? g->state_ms : o->commit_ms;
    return now - from >= retention_ms;
}

/* Writes tombstones for some offsets, which takes them out of memory as well. */
static bool remove_offsets(group *g, bool (*doomed)(const group *g, const group_offset *o, const void *arg),
                           const void *arg)
{
    arena *a = arena_new();
    offset_write *gone = ARENA_ARRAY(a, offset_write, map_count(&g->offsets) + 1);
    size_t n = 0;
    void *value;
    for (size_t it = 0; map_next(&g->offsets, &it, NULL, &value);) {
        const group_offset *o = value;
        if (!doomed(g, o, arg)) continue;
        gone[n++] = (offset_write){arena_str(a, str_z(o->topic)), o->partition, -1, -1, WIRE_NULL};
    }
    bool ok = true;
    if (n > 0) {
        broker_partition *p = group_partition(g->b, str_z(g->id));
        int64_t end;
        ok = p && group_write_offsets(g, p, gone, n, -1, -1, &end) == KAFKA_NONE;
        broker_partition_release(p);
    }
    arena_free(a);
    return ok;
}

static bool by_age(const group *g, const group_offset *o, const void *arg)
{
    return is_expired(g, o, *(const int64_t *)arg);
}

static bool by_topic(const group *g, const group_offset *o, const void *arg)
{
    return str_eqz(*(const str *)arg, o->topic);
}

void groups_expire(broker *b)
{
    int64_t retention_ms = broker_i64(b, "offsets.retention.minutes") * 60000;
    group *g;
    for (size_t it = 0; group_next(b, &it, &g);) {
        remove_offsets(g, by_age, &retention_ms);
        bool empty = g->state == GROUP_EMPTY && group_size(g) == 0 && map_count(&g->pending) == 0 &&
                     map_count(&g->offsets) == 0 && map_count(&g->txns) == 0;
        /* A group that was just made waits for its first record or member. */
        if (!empty || b->now.wall_ms - g->state_ms < 60000) continue;
        broker_partition *p = group_partition(b, str_z(g->id));
        int64_t end;
        if (p && group_store_gone(g, p, &end) == KAFKA_NONE) group_drop(g);
        broker_partition_release(p);
    }
}

void groups_forget_topic(broker *b, str topic_name)
{
    group *g;
    for (size_t it = 0; group_next(b, &it, &g);) remove_offsets(g, by_topic, &topic_name);
}

/* ---- the facade ---------------------------------------------------------------------------------------- */

size_t broker_group_list(broker *b, arena *a, broker_group_info **out)
{
    size_t n = 0;
    group *g;
    *out = ARENA_ARRAY(a, broker_group_info, map_count(&b->groups->by_id) + 1);
    for (size_t it = 0; group_next(b, &it, &g);) {
        (*out)[n++] = (broker_group_info){
            arena_str(a, str_z(g->id)),
            arena_str(a, str_z(g->protocol_type)),
            group_shown_state(g),
            (int32_t)group_size(g),
        };
    }
    return n;
}

size_t broker_group_offsets(broker *b, str group_id, arena *a, broker_group_offset **out)
{
    group *g = group_find(b, group_id);
    size_t n = 0;
    *out = ARENA_ARRAY(a, broker_group_offset, g ? map_count(&g->offsets) + 1 : 1);
    void *value;
    for (size_t it = 0; g && map_next(&g->offsets, &it, NULL, &value);) {
        const group_offset *o = value;
        (*out)[n++] = (broker_group_offset){arena_str(a, str_z(o->topic)), o->partition, o->offset,
                                            arena_str(a, o->metadata), o->commit_ms};
    }
    return n;
}

bool broker_group_write(broker *b, str group_id, const broker_group_offset *offsets, size_t n, broker_time now, diag *d)
{
    broker_enter(b, now);
    group *g = group_find(b, group_id);
    if (g && g->state != GROUP_EMPTY) {
        return diag_set(d, DIAG_STATE, "consumer group %.*s has members of its own", STR_ARG(group_id));
    }
    if (n == 0) return true;
    g = group_make(b, group_id);
    offset_write *list = calloc(n, sizeof *list);
    check(list);
    for (size_t i = 0; i < n; i++) {
        list[i] = (offset_write){offsets[i].topic, offsets[i].partition, offsets[i].offset, -1,
                                 offsets[i].metadata.p ? offsets[i].metadata : STR("")};
    }
    broker_partition *p = group_partition(b, group_id);
    int64_t end;
    kafka_error error = p ? group_write_offsets(g, p, list, n, -1, -1, &end) : KAFKA_COORDINATOR_NOT_AVAILABLE;
    free(list);
    broker_partition_release(p);
    broker_settle(b);
    return error == KAFKA_NONE ||
           diag_set(d, DIAG_IO, "offsets of group %.*s: Kafka error %d", STR_ARG(group_id), error);
}
