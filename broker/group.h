/*
 * broker/group.h - consumer groups of the classic protocol: members, generations, committed offsets.
 *
 * Private to broker/, loop thread. The state machine is that of Kafka's classic groups (Empty, PreparingRebalance,
 * CompletingRebalance, Stable); requests that wait for other members are parked in it. Groups and offsets lie in
 * __consumer_offsets in Kafka's record format; what a client is told was synced before, and a start reads it back.
 */
#ifndef BROKER_GROUP_H
#define BROKER_GROUP_H

#include "broker/broker_core.h"

typedef struct group group;
typedef struct groups groups;

/* The states; group_state_name gives Kafka's names. */
typedef enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD } group_state;

/* A protocol (assignor) that a member supports, with its opaque subscription. */
typedef struct group_protocol {
    str name;
    str metadata;
} group_protocol;

/* A member. All text is in its own arena, which is made anew when the member joins again. */
typedef struct member {
    group *g;
    arena *a;
    char *id;
    str instance; /* p == NULL: dynamic */
    str client_id, client_host;
    int32_t session_ms, rebalance_ms;
    group_protocol *protocols;
    int32_t protocols_len;
    char *assignment;
    size_t assignment_len;
    request *join; /* parked JoinGroup; may be gone although the member waits */
    request *sync;
    bool joining; /* has joined the round that is being prepared */
    bool syncing; /* waits for its assignment */
    bool synced; /* has asked for its assignment in this generation */
    bool is_new; /* never completed a round */
    delay_timer session;
} member;

/* An id that was given out (MEMBER_ID_REQUIRED) and has not joined yet. */
typedef struct pending_member {
    group *g;
    char *id;
    delay_timer timer;
} pending_member;

/* A committed offset. */
typedef struct group_offset {
    char *topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    str metadata; /* on the heap; clients keep any bytes in it */
    int64_t commit_ms;
} group_offset;

/* Offsets committed by a transaction that has not ended. */
typedef struct txn_offsets {
    int64_t producer_id;
    group_offset *list;
    size_t len, cap;
} txn_offsets;

/* A group. */
struct group {
    broker *b;
    char *id;
    group_state state;
    int32_t generation;
    char *protocol_type; /* NULL: none yet */
    char *protocol; /* NULL: none */
    char *leader; /* member id; NULL: none */
    int64_t state_ms; /* wall clock of the last change of state */
    map members; /* id -> member */
    map statics; /* instance -> member */
    map pending; /* id -> pending_member */
    map offsets; /* partition and topic -> group_offset */
    map txns; /* producer id -> txn_offsets */
    delay_timer join_timer;
    delay_timer sync_timer;
    bool initial; /* the round began in an empty group and waits for company */
    bool joined_meanwhile; /* someone new came while it did */
    int64_t initial_left_ms;
    bool writing; /* the leader's assignment is on its way to the disk */
    struct cgroup *consumer; /* broker/cgroup.h; NULL: a group of the classic protocol */
};

/* ---- group.c: the state machine ------------------------------------------------------------------------ */

/* What JoinGroup asks. Slices are copied. */
typedef struct join_args {
    str group_id, member_id, instance, client_id, client_host, protocol_type;
    int32_t session_ms, rebalance_ms;
    const group_protocol *protocols;
    int32_t protocols_len;
    int16_t version;
} join_args;

/* Parks q or answers it through api_answer_join. */
void group_join(broker *b, const join_args *args, request *q);

/* What SyncGroup asks. */
typedef struct sync_args {
    str group_id, member_id, instance, protocol_type, protocol; /* p == NULL: not given */
    int32_t generation;
    const group_protocol *assignments; /* name: the member */
    int32_t assignments_len;
} sync_args;

/* Parks q or answers it through api_answer_sync. */
void group_sync(broker *b, const sync_args *args, request *q);
/* The answer to Heartbeat. */
kafka_error group_heartbeat(broker *b, str group_id, str member_id, str instance, int32_t generation);
/* One member leaves; its error. */
kafka_error group_leave(broker *b, str group_id, str member_id, str instance);
/* Whether a commit from this member and generation is allowed; counts as a sign of life. *out NULL: make the group. */
kafka_error group_check_commit(broker *b, str group_id, str member_id, str instance, int32_t generation,
                               int16_t version, bool txn, group **out);
/* A group as it was stored. */
typedef struct group_loaded {
    str group_id, protocol_type, protocol, leader; /* p == NULL: null */
    int32_t generation;
    int64_t state_ms;
} group_loaded;

/* Makes (or makes anew) a group from its record, without members; then one call for each member. */
group *group_restore(broker *b, const group_loaded *loaded);
/* See group_restore. The session starts now. */
void group_restore_member(group *g, str id, const join_args *args, str assignment);
/* Takes all members out, answering those who wait with the error; also ids that were given out. */
void group_clear_members(group *g, kafka_error error);
/* The group has got its members by group_restore_member from the new protocol: stores it and begins a round. */
void group_adopted(group *g);
/* A parked request's connection is gone. */
void group_forget_request(request *q);

/* ---- group.c, for group_member.c ---- */

/* The member with this id, or NULL. */
member *group_member(const group *g, str id);
/* Whether the member leads the generation. */
bool group_is_leader(const group *g, const member *m);
/* Changes the state and notes when. */
void group_set_state(group *g, group_state state);
/* A sign of life: the session begins anew. */
void member_keep_alive(member *m);
/* Answers a parked SyncGroup with an error. */
void member_answer_sync_error(member *m, kafka_error error);
/* Takes a member out, which may complete a round or start one. */
void group_remove_member(group *g, member *m);
/* Forgets an id that was given out. */
void group_pending_free(pending_member *p);
/* Starts a round, or sees whether the one in preparation is complete. */
void group_rebalance(group *g);
/* Completes the round in preparation when everybody has joined. */
void group_try_complete_join(group *g);
/* Whether the member exists and may speak for the instance (p == NULL: none). */
kafka_error group_check_member(const group *g, str member_id, str instance, member **out);

/* ---- group_table.c: groups as a whole ------------------------------------------------------------------ */

/* An empty table. */
groups *groups_new(void);
/* Frees b->groups. */
void groups_free(broker *b);
/* The group, or NULL. */
group *group_find(broker *b, str id);
/* The group, made when it does not exist. */
group *group_make(broker *b, str id);
/* Takes the group out and frees it; parked requests are answered. */
void group_drop(group *g);
/* Iterates over all, as map_next. */
bool group_next(broker *b, size_t *it, group **g);
/* Kafka's name of the state. */
const char *group_state_name(group_state state);
/* The same of a group of either protocol. */
const char *group_shown_state(const group *g);
/* Members of either protocol. */
size_t group_size(const group *g);
/* Frees a member that is in no map any more. */
void member_free(member *m);
/* Replaces a heap string (NULL allowed); p == NULL gives NULL. */
void group_set_text(char **at, str text);
/* The metadata of a member for the group's protocol. */
str member_metadata(const member *m, const char *protocol);
/* Drops expired offsets and groups that hold nothing any more. */
void groups_expire(broker *b);
/* Drops the offsets of a deleted topic. */
void groups_forget_topic(broker *b, str topic_name);
/* Whether a member of the stable "consumer" group subscribes to the topic. */
bool group_subscribes(const group *g, str topic_name);

/* ---- group_store.c: records ---------------------------------------------------------------------------- */

/* Reads __consumer_offsets. */
bool groups_load(broker *b, diag *d);
/* The partition of __consumer_offsets that keeps the group, with a reference; NULL when the topic cannot be made. */
broker_partition *group_partition(broker *b, str group_id);
/* Writes the group's state (assignments as they are). Where it must be synced to: *end. */
kafka_error group_store(group *g, broker_partition *p, int64_t *end);
/* Writes the group's tombstone and those of all its offsets. */
kafka_error group_store_gone(group *g, broker_partition *p, int64_t *end);

/* An offset to be written; offset -1 with metadata.p == NULL writes a tombstone. */
typedef struct offset_write {
    str topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    str metadata;
} offset_write;

/*
 * Writes offsets of a group and notes them in memory: at once, or (producer_id >= 0) as part of that producer's
 * transaction, to be taken up by group_end_txn.
 */
kafka_error group_write_offsets(group *g, broker_partition *p, const offset_write *list, size_t n, int64_t producer_id,
                                int16_t epoch, int64_t *end);
/* A marker was written to this partition of __consumer_offsets. */
void groups_end_txn(broker *b, int32_t partition, int64_t producer_id, bool commit);
/* The committed offset, or NULL. */
const group_offset *group_offset_find(const group *g, str topic_name, int32_t partition);
/* Whether a transaction that has not ended commits this partition. */
bool group_offset_pending(const group *g, str topic_name, int32_t partition);

/* Appends records of a coordinator to one of its partitions as one batch; *end is the offset behind it. */
kafka_error coordinator_append(broker_partition *p, const batch_record *records, size_t n, int64_t producer_id,
                               int16_t epoch, int64_t *end);
/* Reads a whole internal partition, calling fn for each batch. */
bool coordinator_read(broker_partition *p,
                      bool (*fn)(void *arg, batch_iter *it, const uint8_t *batch, size_t n, diag *d), void *arg,
                      diag *d);

/* ---- answers, written by api_group.c ------------------------------------------------------------------- */

/* The answer to JoinGroup. */
typedef struct join_answer {
    kafka_error error;
    const group *g; /* NULL on errors */
    str member_id;
    str leader;
    bool with_members;
    bool skip_assignment;
    bool consumer; /* a group of the new protocol: g is not there, but */
    int32_t generation;
    str protocol;
} join_answer;

/* Writes it and completes q. q NULL: nobody waits. */
void api_answer_join(request *q, const join_answer *answer);
/* The same for SyncGroup. */
void api_answer_sync(request *q, kafka_error error, const group *g, str assignment);

#endif
