#include "broker/cgroup.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "broker/authz.h"
#include "broker/group_config.h"

/* Epochs with a meaning of their own in heartbeats. */
enum { EPOCH_JOIN = 0, EPOCH_LEAVE = -1, EPOCH_AWAY = -2, RESOLVE_MS = 1000 };

/* ---- members --------------------------------------------------------------------------------------------------- */

static void free_topics(cmember *m)
{
    for (size_t i = 0; i < m->topics_len; i++) free(m->topics[i]);
    free(m->topics);
    m->topics = NULL;
    m->topics_len = 0;
}

static void cmember_free(cmember *m)
{
    delay_cancel(&m->g->b->timers, &m->session);
    delay_cancel(&m->g->b->timers, &m->rebalance);
    char *texts[] = {m->id, m->instance, m->rack, m->client_id, m->client_host, m->regex, m->assignor, m->user};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) free(texts[i]);
    free_topics(m);
    cparts_free(&m->assigned);
    cparts_free(&m->revoking);
    cparts_free(&m->target);
    if (m->classic) arena_free(m->classic);
    buf_free(&m->resolved);
    free(m);
}

cmember *cgroup_member(group *g, str id)
{
    cmember *m = map_get(&g->consumer->members, id);
    if (m) return m;
    m = calloc(1, sizeof *m);
    check(m);
    m->g = g;
    group_set_text(&m->id, id);
    map_put(&g->consumer->members, id, m);
    return m;
}

void cgroup_member_drop(cmember *m)
{
    cgroup *c = m->g->consumer;
    map_remove(&c->members, str_z(m->id));
    if (m->instance && map_get(&c->statics, str_z(m->instance)) == m) map_remove(&c->statics, str_z(m->instance));
    cmember_free(m);
}

cgroup *cgroup_make(group *g)
{
    check(!g->consumer);
    g->consumer = calloc(1, sizeof *g->consumer);
    check(g->consumer);
    group_set_text(&g->protocol_type, STR("consumer"));
    return g->consumer;
}

void cgroup_free(group *g)
{
    cgroup *c = g->consumer;
    if (!c) return;
    void *value;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) cmember_free(value);
    map_free(&c->members);
    map_free(&c->statics);
    free(c);
    g->consumer = NULL;
}

void cgroup_note_state(group *g)
{
    group_state state = map_count(&g->consumer->members) > 0 ? GROUP_STABLE : GROUP_EMPTY;
    if (state != g->state) group_set_state(g, state);
}

const char *cgroup_state_name(const cgroup *c)
{
    if (map_count(&c->members) == 0) return "Empty";
    if (c->epoch > c->target_epoch) return "Assigning";
    void *value;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
        const cmember *m = value;
        if (m->state != CMEMBER_STABLE || m->epoch != c->target_epoch) return "Reconciling";
    }
    return "Stable";
}

/* ---- subscriptions --------------------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static bool names_topic(const cmember *m, const char *name)
{
    return m->topics_len > 0 && bsearch(&name, m->topics, m->topics_len, sizeof *m->topics, by_text) != NULL;
}

/*
 * Internal topics as well: Kafka's coordinator leaves none out, other than clients that match by themselves. A member
 * finds only what it may describe.
 */
static bool matches(const cmember *m, const regex *r, regex_match *scratch, const topic *t)
{
    diag ignored = {0};
    str name = str_z(t->name);
    if (!r || regex_matches(r, scratch, name, &ignored) != REGEX_FOUND) return false;
    const broker *b = m->g->b;
    acl_who who = {str_z(m->user), str_z(m->client_host)};
    return !b->authorizer || !m->user || authz_user(b, &who, ACL_DESCRIBE, ACL_TOPIC, name);
}

bool cgroup_subscribes(const cgroup *c, str topic_name)
{
    void *value;
    bool found = false;
    for (size_t it = 0; !found && map_next(&c->members, &it, NULL, &value);) {
        const cmember *m = value;
        diag ignored = {0};
        for (size_t i = 0; i < m->topics_len; i++) found = found || str_eqz(topic_name, m->topics[i]);
        regex *r = m->regex ? regex_compile(str_z(m->regex), &ignored) : NULL;
        regex_match *scratch = regex_match_new();
        found = found || (r && regex_matches(r, scratch, topic_name, &ignored) == REGEX_FOUND);
        regex_match_free(scratch);
        regex_free(r);
    }
    return found;
}

static int by_id(const void *x, const void *y)
{
    return memcmp(((const ctopic *)x)->id, ((const ctopic *)y)->id, sizeof((const ctopic *)x)->id);
}

/* Looks up which topics a member's subscription means now. meta_lock held. */
static void resolve_member(broker *b, cmember *m)
{
    diag ignored = {0};
    regex *r = m->regex && m->regex[0] && !m->pattern_new ? regex_compile(str_z(m->regex), &ignored) : NULL;
    regex_match *scratch = regex_match_new();
    void *value;
    buf_clear(&m->resolved);
    for (size_t i = 0; !r && i < m->topics_len; i++) {
        const topic *t = topic_find(b, str_z(m->topics[i]));
        ctopic one = {.partitions = t ? t->partitions_len : 0};
        if (t) memcpy(one.id, t->id, sizeof one.id);
        if (t) buf_add(&m->resolved, &one, sizeof one);
    }
    for (size_t it = 0; r && map_next(&b->topics_by_name, &it, NULL, &value);) {
        const topic *t = value;
        ctopic one = {.partitions = t->partitions_len};
        memcpy(one.id, t->id, sizeof one.id);
        if (names_topic(m, t->name) || matches(m, r, scratch, t)) buf_add(&m->resolved, &one, sizeof one);
    }
    size_t n = m->resolved.len / sizeof(ctopic);
    if (n > 0) qsort(m->resolved.data, n, sizeof(ctopic), by_id);
    regex_match_free(scratch);
    regex_free(r);
}

/* What a member is known by when it comes back. */
static const char *name_of(const cmember *m)
{
    return m->instance ? m->instance : m->id;
}

/* Looks all up again; true when something is different from when the epoch was raised last. */
static bool resolve(group *g)
{
    cgroup *c = g->consumer;
    uint64_t hash = 0;
    void *value;
    pthread_mutex_lock(&g->b->meta_lock);
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
        cmember *m = value;
        resolve_member(g->b, m);
        if (m->resolved.len > 0)
            hash += (uint64_t)hash_crc32c(m->resolved.data, m->resolved.len) << 32 |
                    hash_crc32c(name_of(m), strlen(name_of(m)));
    }
    pthread_mutex_unlock(&g->b->meta_lock);
    c->resolved_ms = g->b->now.mono_ms;
    bool changed = hash != c->resolved_hash;
    c->resolved_hash = hash;
    return changed;
}

static bool same_text(const char *have, str said)
{
    return have ? said.p && str_eqz(said, have) : !said.p;
}

/* Whether nobody else in the group has the member's pattern, so that its topics are not known yet. */
static bool pattern_is_new(const cmember *m)
{
    void *value;
    for (size_t it = 0; map_next(&m->g->consumer->members, &it, NULL, &value);) {
        const cmember *other = value;
        if (other != m && other->regex && !other->pattern_new && strcmp(other->regex, m->regex) == 0) return false;
    }
    return m->regex[0] != '\0';
}

/* Takes what the heartbeat says over what was; what it does not say stays. True when the subscription is another. */
bool cgroup_subscribe(cmember *m, const cheartbeat *h, bool *written)
{
    bool changed = false;
    if (h->topics_len >= 0) {
        char **list = calloc((size_t)h->topics_len + 1, sizeof *list);
        check(list);
        size_t n = 0;
        for (int32_t i = 0; i < h->topics_len; i++) group_set_text(&list[i], h->topics[i]);
        qsort(list, (size_t)h->topics_len, sizeof *list, by_text);
        for (int32_t i = 0; i < h->topics_len; i++) {
            if (n > 0 && strcmp(list[n - 1], list[i]) == 0)
                free(list[i]);
            else
                list[n++] = list[i];
        }
        changed = n != m->topics_len;
        for (size_t i = 0; !changed && i < n; i++) changed = strcmp(list[i], m->topics[i]) != 0;
        free_topics(m);
        m->topics = list;
        m->topics_len = n;
    }
    struct {
        char **at;
        str said;
        bool matters;
    } texts[] = {{&m->regex, h->regex, true},
                 {&m->assignor, h->assignor, true},
                 {&m->rack, h->rack, false},
                 {&m->client_id, h->client_id, false},
                 {&m->client_host, h->client_host, false}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!texts[i].said.p || same_text(*texts[i].at, texts[i].said)) continue;
        group_set_text(texts[i].at, texts[i].said);
        if (texts[i].at == &m->regex) m->pattern_new = pattern_is_new(m);
        *written = true;
        changed = changed || texts[i].matters;
    }
    if (h->rebalance_ms >= 0 && h->rebalance_ms != m->rebalance_ms) {
        m->rebalance_ms = h->rebalance_ms;
        *written = true;
    }
    *written = *written || changed;
    if (h->user.p && !same_text(m->user, h->user)) {
        group_set_text(&m->user, h->user);
        /* What the pattern finds may be something else for this user. */
        if (m->regex) m->g->consumer->resolved_ms = m->g->b->now.mono_ms - RESOLVE_MS;
    }
    return changed;
}

/* ---- leaving and time-outs ------------------------------------------------------------------------------------- */

void cgroup_write_quietly(group *g, cwrites *w)
{
    int64_t end;
    broker_partition *p = group_partition(g->b, str_z(g->id));
    if (!p || cwrites_append(w, p, &end) != KAFKA_NONE) log_error("broker", "group %s could not be stored", g->id);
    buf_free(&w->records);
    broker_partition_release(p);
}

/* Takes a member out and raises the group's epoch, so that its partitions go to others. */
static void remove_member(cmember *m, cwrites *w)
{
    group *g = m->g;
    cwrite_member_gone(w, g, m->id);
    cgroup_member_drop(m);
    g->consumer->epoch++;
    cwrite_epoch(w, g);
    cgroup_note_state(g);
}

void cgroup_remove_late(cmember *m)
{
    group *g = m->g;
    cwrites w = {.a = arena_new(), .now_ms = g->b->now.wall_ms};
    remove_member(m, &w);
    cgroup_write_quietly(g, &w);
    arena_free(w.a);
    cgroup_downgrade(g);
}

static void on_session(delay_timer *t)
{
    cmember *m = container_of(t, cmember, session);
    log_info("broker", "group %s: member %s timed out", m->g->id, m->id);
    cgroup_remove_late(m);
}

static void on_rebalance(delay_timer *t)
{
    cmember *m = container_of(t, cmember, rebalance);
    log_info("broker", "group %s: member %s did not follow the rebalance in time", m->g->id, m->id);
    cgroup_remove_late(m);
}

void cgroup_keep_alive(cmember *m)
{
    broker *b = m->g->b;
    m->session.fire = on_session;
    broker_timer(b, &m->session,
                 m->classic ? m->session_ms : group_config_i64(b, str_z(m->g->id), "consumer.session.timeout.ms"));
}

void cgroup_await_member(cmember *m, bool anew)
{
    m->rebalance.fire = on_rebalance;
    if (anew || !delay_is_set(&m->rebalance)) broker_timer(m->g->b, &m->rebalance, m->rebalance_ms);
}

void cgroup_member_came(cmember *m)
{
    delay_cancel(&m->g->b->timers, &m->rebalance);
}

void cgroup_resume(group *g)
{
    void *value;
    for (size_t it = 0; map_next(&g->consumer->members, &it, NULL, &value);) {
        cmember *m = value;
        cgroup_keep_alive(m);
        m->rebalance.fire = on_rebalance;
        if (m->state == CMEMBER_UNREVOKED) broker_timer(g->b, &m->rebalance, m->rebalance_ms);
    }
    if (map_count(&g->consumer->members) > 0) g->state = GROUP_STABLE;
}

/* ---- reconciling: KIP-848's state machine of a member ---------------------------------------------------------- */

/* Whether another member has the partition, or has not confirmed yet that it gave it up. */
static bool is_taken(const cmember *m, const cpart *p)
{
    void *value;
    for (size_t it = 0; map_next(&m->g->consumer->members, &it, NULL, &value);) {
        const cmember *o = value;
        if (o != m && (cparts_has(&o->assigned, p) || cparts_has(&o->revoking, p))) return true;
    }
    return false;
}

bool cgroup_all_released(const cmember *m)
{
    for (size_t i = 0; i < m->target.n; i++)
        if (!cparts_has(&m->assigned, &m->target.list[i]) && is_taken(m, &m->target.list[i])) return false;
    return true;
}

/* What the member may have next: first it gives up, then it gets what is free. */
static void next_assignment(cmember *m, const cheartbeat *h)
{
    int32_t target_epoch = m->g->consumer->target_epoch;
    cparts kept = {0}, revoking = {0};
    bool unreleased = false;
    for (size_t i = 0; i < m->assigned.n; i++)
        cparts_add(cparts_has(&m->target, &m->assigned.list[i]) ? &kept : &revoking, &m->assigned.list[i]);
    if (revoking.n > 0 && (!h->owned_said || cparts_meet(&h->owned, &revoking))) {
        m->state = CMEMBER_UNREVOKED;
        cparts_copy(&m->revoking, &revoking);
    } else {
        for (size_t i = 0; i < m->target.n; i++) {
            const cpart *p = &m->target.list[i];
            if (cparts_has(&kept, p)) continue;
            if (is_taken(m, p))
                unreleased = true;
            else
                cparts_add(&kept, p);
        }
        m->state = unreleased ? CMEMBER_UNRELEASED : CMEMBER_STABLE;
        m->revoking.n = 0;
        m->previous_epoch = m->epoch;
        m->epoch = target_epoch;
    }
    cparts_copy(&m->assigned, &kept);
    cparts_free(&kept);
    cparts_free(&revoking);
}

void cgroup_reconcile(cmember *m, const cheartbeat *h)
{
    broker *b = m->g->b;
    bool was = m->state == CMEMBER_UNREVOKED;
    if (m->state == CMEMBER_UNREVOKED && (!h->owned_said || cparts_meet(&h->owned, &m->revoking))) return;
    if (m->state != CMEMBER_STABLE || m->epoch != m->g->consumer->target_epoch) next_assignment(m, h);
    bool is = m->state == CMEMBER_UNREVOKED;
    m->rebalance.fire = on_rebalance;
    if (is && !was) broker_timer(b, &m->rebalance, m->rebalance_ms);
    if (!is) delay_cancel(&b->timers, &m->rebalance);
}

/* ---- heartbeats ------------------------------------------------------------------------------------------------ */

static void refuse(cheartbeat_answer *out, kafka_error error, const char *message)
{
    out->error = error;
    out->message = message;
}

static const char *malformed(const cheartbeat *h)
{
    if (h->group_id.n == 0) return "GroupId can't be empty.";
    if (h->member_id.n == 0 && (h->version >= 1 || h->epoch != EPOCH_JOIN)) return "MemberId can't be empty.";
    if (h->instance.p && h->instance.n == 0) return "InstanceId can't be empty.";
    if (h->rack.p && h->rack.n == 0) return "RackId can't be empty.";
    if (h->epoch < EPOCH_AWAY) return "MemberEpoch is invalid.";
    if (h->epoch == EPOCH_AWAY && !h->instance.p) return "InstanceId can't be null.";
    if (h->epoch != EPOCH_JOIN) return NULL;
    if (h->rebalance_ms == -1) return "RebalanceTimeoutMs must be provided in first request.";
    if (!h->owned_said || h->owned.n > 0) return "TopicPartitions must be empty when (re-)joining.";
    if (h->topics_len < 0 && !h->regex.p)
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null.";
    return NULL;
}

static bool bad_regex(str text)
{
    diag ignored = {0};
    if (!text.p || text.n == 0) return false;
    regex *r = utf8_valid(text) ? regex_compile(text, &ignored) : NULL;
    regex_free(r);
    return r == NULL;
}

/* The group that may take the member: one of this kind, or one that becomes so. */
static group *group_for(broker *b, const cheartbeat *h, cwrites *w, cheartbeat_answer *out)
{
    group *g = group_find(b, h->group_id);
    bool joins = h->epoch == EPOCH_JOIN;
    const char *why = "The group is not a consumer group.";
    if (g && !g->consumer && (!joins || (why = cgroup_upgrade(g, w)))) {
        refuse(out, KAFKA_GROUP_ID_NOT_FOUND, why);
        return NULL;
    }
    if (!g && !joins) {
        refuse(out, KAFKA_GROUP_ID_NOT_FOUND, "The group does not exist.");
        return NULL;
    }
    if (!g) g = group_make(b, h->group_id);
    if (!g->consumer) cgroup_make(g);
    return g;
}

/* A lost answer is forgiven: the epoch before, and nothing that the member should not have. */
static kafka_error check_epoch(const cmember *m, const cheartbeat *h)
{
    if (h->epoch == m->epoch) return KAFKA_NONE;
    bool lost =
        h->epoch < m->epoch && h->epoch == m->previous_epoch && h->owned_said && cparts_within(&h->owned, &m->assigned);
    return lost ? KAFKA_NONE : KAFKA_FENCED_MEMBER_EPOCH;
}

/* A static member comes back under another id: it goes on with what the old one had. */
cmember *cgroup_take_over(cmember *old, str id, cwrites *w)
{
    group *g = old->g;
    cwrite_member_gone(w, g, old->id);
    map_remove(&g->consumer->members, str_z(old->id));
    group_set_text(&old->id, id);
    map_put(&g->consumer->members, id, old);
    old->epoch = old->previous_epoch = 0;
    old->state = CMEMBER_STABLE;
    old->revoking.n = 0;
    cwrite_target(w, old);
    return old;
}

/* Finds or makes the member; NULL with the error in out. */
static cmember *member_for(group *g, const cheartbeat *h, str id, cwrites *w, bool *fresh, cheartbeat_answer *out)
{
    cgroup *c = g->consumer;
    cmember *m = map_get(&c->members, id);
    cmember *holder = h->instance.p ? map_get(&c->statics, h->instance) : NULL;
    *fresh = false;
    if (h->instance.p && h->epoch != EPOCH_JOIN && holder != m) {
        refuse(out, holder ? KAFKA_FENCED_INSTANCE_ID : KAFKA_UNKNOWN_MEMBER_ID,
               "The instance id is another member's.");
        return NULL;
    }
    if (h->epoch == EPOCH_JOIN && holder && holder != m) {
        if (!holder->classic && holder->epoch != EPOCH_AWAY) {
            refuse(out, KAFKA_UNRELEASED_INSTANCE_ID, "The instance id is held by a member that has not left.");
            return NULL;
        }
        return cgroup_take_over(holder, id, w);
    }
    if (!m && h->epoch != EPOCH_JOIN) {
        refuse(out, KAFKA_UNKNOWN_MEMBER_ID, "The member is not known.");
        return NULL;
    }
    if (!m && (int64_t)map_count(&c->members) >= broker_i64(g->b, "group.consumer.max.size")) {
        refuse(out, KAFKA_GROUP_MAX_SIZE_REACHED, "The consumer group has reached its maximum capacity.");
        return NULL;
    }
    if (!m) {
        *fresh = true;
        m = cgroup_member(g, id);
        if (h->instance.p) group_set_text(&m->instance, h->instance);
        if (h->instance.p) map_put(&c->statics, h->instance, m);
        return m;
    }
    if (m->epoch == EPOCH_AWAY && h->epoch == EPOCH_JOIN) m->epoch = m->previous_epoch = 0;
    kafka_error error = check_epoch(m, h);
    if (error == KAFKA_NONE) return m;
    refuse(out, error, "The member epoch is not the one that the coordinator knows.");
    return NULL;
}

static void leave(group *g, const cheartbeat *h, cwrites *w, cheartbeat_answer *out)
{
    cmember *m = map_get(&g->consumer->members, h->member_id);
    cmember *holder = h->instance.p ? map_get(&g->consumer->statics, h->instance) : m;
    if (!m || holder != m) {
        refuse(out, holder && m != holder ? KAFKA_FENCED_INSTANCE_ID : KAFKA_UNKNOWN_MEMBER_ID,
               "The member is not known.");
        return;
    }
    out->epoch = h->epoch;
    if (h->epoch == EPOCH_AWAY) {
        /* Its partitions wait for it until the session ends. */
        m->epoch = EPOCH_AWAY;
        m->revoking.n = 0;
        cwrite_current(w, m);
        return;
    }
    remove_member(m, w);
}

/* Raises the epoch when there is a reason, and computes the target that belongs to it. */
void cgroup_raise_epoch(group *g, bool changed, cwrites *w)
{
    cgroup *c = g->consumer;
    bool look = changed || g->b->now.mono_ms - c->resolved_ms >= RESOLVE_MS || c->epoch > c->target_epoch;
    /* An epoch that is not assigned yet covers whatever came since. */
    if (look && resolve(g) && c->epoch == c->target_epoch) changed = true;
    if (changed) {
        c->epoch++;
        cwrite_epoch(w, g);
    }
    if (c->epoch <= c->target_epoch) return;
    void *value;
    arena *a = w->a;
    size_t n = 0;
    cparts *before = ARENA_ARRAY(a, cparts, map_count(&c->members) + 1);
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);)
        cparts_copy(&before[n++], &((cmember *)value)->target);
    cgroup_assign(c);
    c->target_epoch = c->epoch;
    cwrite_target_epoch(w, g);
    n = 0;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value); n++) {
        if (!cparts_same(&before[n], &((cmember *)value)->target)) cwrite_target(w, value);
        cparts_free(&before[n]);
    }
}

/* A heartbeat of a member that stays. */
static void stay(group *g, const cheartbeat *h, str id, cwrites *w, cheartbeat_answer *out)
{
    bool fresh, written = !map_get(&g->consumer->members, id);
    cmember *m = member_for(g, h, id, w, &fresh, out);
    if (!m) return;
    cparts before = {0}, revoking_before = {0};
    cparts_copy(&before, &m->assigned);
    cparts_copy(&revoking_before, &m->revoking);
    int32_t epoch = m->epoch, previous = m->previous_epoch;
    cmember_state state = m->state;
    bool changed = cgroup_subscribe(m, h, &written) || fresh;
    if (m->classic) {
        cmember_set_classic(m, 0, NULL, 0); /* it has changed its protocol */
        written = true;
    }
    cgroup_note_state(g);
    if (changed || written) cwrite_member(w, m);
    cgroup_raise_epoch(g, changed, w);
    if (m->pattern_new) {
        /* Kafka looks a pattern up beside the request, and clients know it: the next heartbeat brings its topics. */
        m->pattern_new = false;
        g->consumer->resolved_ms = g->b->now.mono_ms - RESOLVE_MS;
    }
    cgroup_reconcile(m, h);
    cgroup_keep_alive(m);
    bool moved = !cparts_same(&before, &m->assigned);
    bool current = moved || fresh || epoch != m->epoch || previous != m->previous_epoch || state != m->state ||
                   !cparts_same(&revoking_before, &m->revoking);
    if (current) cwrite_current(w, m);
    bool full = h->rebalance_ms != -1 && (h->topics_len >= 0 || h->regex.p) && h->owned_said;
    out->epoch = m->epoch;
    out->with_assignment = moved || full || h->epoch == EPOCH_JOIN;
    out->assignment = (cparts){ARENA_ARRAY(w->a, cpart, m->assigned.n + 1), m->assigned.n, m->assigned.n + 1};
    for (size_t i = 0; i < m->assigned.n; i++) out->assignment.list[i] = m->assigned.list[i];
    cparts_free(&before);
    cparts_free(&revoking_before);
}

void cgroup_heartbeat(broker *b, const cheartbeat *h, arena *a, cheartbeat_answer *out, broker_partition **p,
                      int64_t *end)
{
    int64_t interval = group_config_i64(b, h->group_id, "consumer.heartbeat.interval.ms");
    *out = (cheartbeat_answer){.interval_ms = (int32_t)interval};
    *p = NULL;
    *end = 0;
    const char *why = malformed(h);
    if (why) {
        refuse(out, KAFKA_INVALID_REQUEST, why);
        return;
    }
    if (h->assignor.p && !cgroup_assignor_known(h->assignor)) {
        refuse(out, KAFKA_UNSUPPORTED_ASSIGNOR,
               "ServerAssignor is not supported. Supported assignors: uniform, range.");
        return;
    }
    if (bad_regex(h->regex)) {
        refuse(out, KAFKA_INVALID_REGULAR_EXPRESSION, "SubscribedTopicRegex is not a valid regular expression.");
        return;
    }
    cwrites w = {.a = a, .now_ms = b->now.wall_ms};
    group *g = group_for(b, h, &w, out);
    if (!g) return;
    str id = h->member_id.n > 0 ? h->member_id : broker_member_id(b, a, STR("member"));
    out->member_id = arena_str(a, id);
    if (h->epoch < EPOCH_JOIN)
        leave(g, h, &w, out);
    else
        stay(g, h, id, &w, out);
    *p = w.records.len > 0 ? group_partition(b, h->group_id) : NULL;
    if (w.records.len > 0 && (!*p || cwrites_append(&w, *p, end) != KAFKA_NONE))
        refuse(out, KAFKA_COORDINATOR_NOT_AVAILABLE, "The group could not be stored.");
    buf_free(&w.records);
    /* Those who are left may all be of the classic protocol. */
    if (h->epoch == EPOCH_LEAVE && out->error == KAFKA_NONE) cgroup_downgrade(g);
}

bool cgroup_yield(group *g)
{
    if (map_count(&g->consumer->members) > 0) return false;
    cwrites w = {.a = arena_new(), .now_ms = g->b->now.wall_ms};
    cwrite_group_gone(&w, g);
    cgroup_write_quietly(g, &w);
    arena_free(w.a);
    cgroup_free(g);
    group_set_text(&g->protocol_type, WIRE_NULL);
    return true;
}

kafka_error cgroup_check_member(const group *g, str member_id, int32_t epoch)
{
    const cmember *m = map_get(&g->consumer->members, member_id);
    if (epoch < 0 && member_id.n == 0 && map_count(&g->consumer->members) == 0) return KAFKA_NONE;
    if (!m) return KAFKA_UNKNOWN_MEMBER_ID;
    if (m->epoch == epoch) return KAFKA_NONE;
    return m->classic ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
}
