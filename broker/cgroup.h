/*
 * broker/cgroup.h - consumer groups of the new protocol (KIP-848): the broker assigns, members follow by heartbeats.
 *
 * Private to broker/, loop thread. A consumer group is a group (broker/group.h) whose `consumer` part is there; its
 * offsets are kept as those of any group. State is written to __consumer_offsets in Kafka's record formats before a
 * member hears of it. A group may have members of the classic protocol as well: it is of the new kind from its first
 * member of the new protocol on until its last one leaves (group.consumer.migration.policy); an empty one becomes what
 * its next member is.
 */
#ifndef BROKER_CGROUP_H
#define BROKER_CGROUP_H

#include "broker/group.h"

struct cwrites;

/* One partition of a topic. */
typedef struct cpart {
    uint8_t id[16];
    int32_t partition;
} cpart;

/* A set of partitions, sorted. {0} is empty. */
typedef struct cparts {
    cpart *list;
    size_t n, cap;
} cparts;

/* How far a member is; the numbers are those of the records. */
typedef enum cmember_state { CMEMBER_STABLE, CMEMBER_UNREVOKED, CMEMBER_UNRELEASED } cmember_state;

/* A topic that a member subscribes to. */
typedef struct ctopic {
    uint8_t id[16];
    int32_t partitions;
} ctopic;

/* A member. Texts are its own; NULL: none. */
typedef struct cmember {
    group *g;
    char *id, *instance, *rack, *client_id, *client_host, *regex, *assignor;
    char *user; /* whose ACLs say what the pattern finds; NULL: not heard of since the start, or there are none */
    char **topics; /* sorted, each once */
    size_t topics_len;
    int32_t rebalance_ms;
    int32_t epoch, previous_epoch;
    cmember_state state;
    cparts assigned, revoking, target;
    buf resolved; /* ctopic, sorted by id: the topics that exist */
    bool pattern_new; /* its regex has not been looked up yet */
    arena *classic; /* a member of the classic protocol: of its protocols; NULL: one of the new */
    group_protocol *protocols;
    int32_t protocols_len, session_ms;
    delay_timer session, rebalance;
} cmember;

/* What a group of the new protocol has beside its offsets. */
typedef struct cgroup {
    map members; /* id -> cmember */
    map statics; /* instance -> cmember */
    int32_t epoch, target_epoch;
    uint64_t resolved_hash; /* of what all members' topics were when the epoch was raised last */
    int64_t resolved_ms; /* monotonic: when they were looked up */
} cgroup;

/* ---- sets (broker/cgroup_parts.c) ------------------------------------------------------------------------------ */

/* Adds a partition, once. */
void cparts_add(cparts *s, const cpart *p);
/* Whether it is in. */
bool cparts_has(const cparts *s, const cpart *p);
/* Whether every one of `a` is in `b`; whether both hold the same; whether they share one. */
bool cparts_within(const cparts *a, const cparts *b);
/* See cparts_within. */
bool cparts_same(const cparts *a, const cparts *b);
/* See cparts_within. */
bool cparts_meet(const cparts *a, const cparts *b);
/* Replaces the contents of `to`. */
void cparts_copy(cparts *to, const cparts *from);
/* Releases the memory. */
void cparts_free(cparts *s);
/* Reads an array of topics with partitions; *null (may be NULL) says whether there was none. */
void cparts_read(wire_in *in, cparts *s, bool *null);
/* Writes it; names: with the name of each topic, as descriptions have it. */
void cparts_write(wire_out *o, const cparts *s, broker *names);

/* ---- assigning (broker/cgroup_assign.c) ------------------------------------------------------------------------ */

/* Whether there is a server-side assignor of this name. */
bool cgroup_assignor_known(str name);
/* The one that most members want. */
const char *cgroup_assignor(const cgroup *c);
/* Computes the target of every member from their resolved topics. */
void cgroup_assign(cgroup *c);

/* ---- members (broker/cgroup.c) --------------------------------------------------------------------------------- */

/* What ConsumerGroupHeartbeat says. p == NULL: not said. */
typedef struct cheartbeat {
    str group_id, member_id, instance, rack, regex, assignor, client_id, client_host;
    str user; /* the principal's name; p == NULL: nobody asks */
    int32_t epoch, rebalance_ms;
    const str *topics;
    int32_t topics_len; /* -1: not said */
    cparts owned;
    bool owned_said;
    int16_t version;
} cheartbeat;

/* The answer. Texts and partitions are the arena's. */
typedef struct cheartbeat_answer {
    kafka_error error;
    const char *message;
    str member_id;
    int32_t epoch, interval_ms;
    bool with_assignment;
    cparts assignment;
} cheartbeat_answer;

/* Handles one; when *end > 0 the answer may go out once *p (a reference is given) is durable up to it. */
void cgroup_heartbeat(broker *b, const cheartbeat *h, arena *a, cheartbeat_answer *out, broker_partition **p,
                      int64_t *end);
/* Whether a commit or fetch of offsets by this member and epoch is good. */
kafka_error cgroup_check_member(const group *g, str member_id, int32_t epoch);
/* A classic member wants the group: true when it has no members and is of the classic kind from now on. */
bool cgroup_yield(group *g);
/* Kafka's name of the group's state. */
const char *cgroup_state_name(const cgroup *c);
/* Whether a member subscribes to the topic. */
bool cgroup_subscribes(const cgroup *c, str topic_name);
/* Makes g a group of the new protocol; it has no members. */
cgroup *cgroup_make(group *g);
/* Frees g->consumer with its members. NULL is allowed. */
void cgroup_free(group *g);
/* The member of an id, made when it does not exist; for the records. */
cmember *cgroup_member(group *g, str id);
/* Takes a member out and frees it. */
void cgroup_member_drop(cmember *m);
/* After all records are read: sessions begin. */
void cgroup_resume(group *g);
/* Puts the state of the group in step with its members (Empty or not). */
void cgroup_note_state(group *g);

/* ---- for broker/cgroup_classic.c ------------------------------------------------------------------------------- */

/* Takes what the heartbeat says over what was; true when the subscription is another, *written: anything is. */
bool cgroup_subscribe(cmember *m, const cheartbeat *h, bool *written);
/* Raises the epoch when there is a reason, and computes the target that belongs to it. */
void cgroup_raise_epoch(group *g, bool changed, struct cwrites *w);
/* The next step of the member towards its target. */
void cgroup_reconcile(cmember *m, const cheartbeat *h);
/* A static member comes back under another id: it goes on with what the old one had. */
cmember *cgroup_take_over(cmember *old, str id, struct cwrites *w);
/* A sign of life: the session begins anew. */
void cgroup_keep_alive(cmember *m);
/* The member must do its next step within its rebalance time-out; anew: which begins now, if it had begun before. */
void cgroup_await_member(cmember *m, bool anew);
/* It has done it. */
void cgroup_member_came(cmember *m);
/* Whether nobody else has any more what the member waits for. */
bool cgroup_all_released(const cmember *m);
/* Takes a member out at once, with its records; the group may be classic afterwards. */
void cgroup_remove_late(cmember *m);
/* Appends records; an error is logged. */
void cgroup_write_quietly(group *g, struct cwrites *w);

/* ---- both protocols in one group (broker/cgroup_classic.c) ------------------------------------------------------ */

/* Makes m a member of the classic protocol; list NULL: of the new. */
void cmember_set_classic(cmember *m, int32_t session_ms, const group_protocol *list, int32_t n);
/* Makes a classic group one of the new protocol, with its members; NULL, or why it cannot be. */
const char *cgroup_upgrade(group *g, struct cwrites *w);
/* Makes the group a classic one, which then rebalances, when all its members are and it may. */
void cgroup_downgrade(group *g);
/* JoinGroup of a group of the new protocol that has members. */
void cgroup_classic_join(group *g, const join_args *args, request *q);
/* SyncGroup, Heartbeat and LeaveGroup of one. */
void cgroup_classic_sync(group *g, const sync_args *args, request *q);
/* See cgroup_classic_sync. */
kafka_error cgroup_classic_heartbeat(group *g, str member_id, str instance, int32_t generation);
/* See cgroup_classic_sync. */
kafka_error cgroup_classic_leave(group *g, str member_id, str instance);

/* ---- records (broker/cgroup_store.c) --------------------------------------------------------------------------- */

/* Records on their way; {.a = ...} is none. */
typedef struct cwrites {
    arena *a;
    buf records; /* batch_record */
    int64_t now_ms;
} cwrites;

/* Each adds one record. */
void cwrite_epoch(cwrites *w, const group *g);
/* See cwrite_epoch. */
void cwrite_target_epoch(cwrites *w, const group *g);
/* See cwrite_epoch. */
void cwrite_member(cwrites *w, const cmember *m);
/* See cwrite_epoch. */
void cwrite_target(cwrites *w, const cmember *m);
/* See cwrite_epoch. */
void cwrite_current(cwrites *w, const cmember *m);
/* Adds the tombstones of a member. */
void cwrite_member_gone(cwrites *w, const group *g, const char *id);
/* Adds the tombstone of the record that the group had under the classic protocol. */
void cwrite_classic_gone(cwrites *w, const group *g);
/* Adds the tombstones of the group's own records. */
void cwrite_group_gone(cwrites *w, const group *g);
/* Appends them; *end as in coordinator_append. Releases the list. */
kafka_error cwrites_append(cwrites *w, broker_partition *p, int64_t *end);
/* Takes a record of the new protocol's kinds in; value.p == NULL: a tombstone. */
void cgroup_load(broker *b, int16_t kind, wire_in *key, str value);

#endif
