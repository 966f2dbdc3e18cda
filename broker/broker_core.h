/*
 * broker/broker_core.h - what the files of the broker share: the broker itself, topics, partitions, connections,
 * requests.
 *
 * Private to broker/. Fields say who may touch them: "loop" only the loop thread, "meta" whoever holds
 * broker.meta_lock, "own" whoever holds the partition's lock; atomics anyone.
 */
#ifndef BROKER_BROKER_CORE_H
#define BROKER_BROKER_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/rng.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/delay.h"
#include "broker/kafka_error.h"
#include "broker/wire.h"

#define TOPIC_OFFSETS "__consumer_offsets"
#define TOPIC_TXNS "__transaction_state"

/* A topic. Counted: the table holds one reference, each partition another. */
typedef struct topic {
    char *name;
    uint8_t id[16];
    bool internal;
    config_set configs; /* meta */
    int32_t partitions_len; /* meta */
    broker_partition **partitions; /* meta */
    atomic_int refs;
} topic;

/* Someone who waits until a partition is durable up to an offset. Embedded; loop thread. */
typedef struct sync_wait {
    struct sync_wait *next;
    int64_t end;
    void (*done)(struct sync_wait *w, bool ok);
} sync_wait;

/* A parked Fetch at one of its partitions. Embedded; loop thread. */
typedef struct fetch_wait {
    struct fetch_wait *next, **link; /* link NULL: not in a list */
    struct request *q;
} fetch_wait;

struct broker_partition {
    broker *b;
    topic *topic;
    int32_t index;
    atomic_int refs;
    pthread_mutex_t lock;
    _Atomic(plog *) log; /* NULL until first use */
    broker_watch *watches; /* own */
    atomic_bool watched;
    atomic_bool gone; /* its topic was deleted */
    atomic_bool awaited; /* fetches wait: appends put it on the touched list */
    atomic_bool touched;
    atomic_bool looked_at; /* by compaction, since the start */
    int64_t seen_end; /* the cleaner thread: end of the log when it last looked for idle ones */
    broker_partition *touched_next; /* broker.touched_lock */
    fetch_wait *fetchers; /* loop */
    sync_wait *syncs, **syncs_tail; /* loop */
    bool syncing; /* loop: hooks.sync was called and broker_sync_done not yet */
    bool unsynced; /* loop: on the list of those whose sync may become due */
    broker_partition *unsynced_next, *sync_next; /* loop */
};

/* A function posted to the loop thread. */
typedef struct posted {
    struct posted *next;
    void (*fn)(void *arg, broker_time now);
    void *arg;
} posted;

/* An internal producer as the listings show it; broker.meta_lock. */
typedef struct internal_producer {
    int64_t producer_id;
    int16_t epoch;
    char *transactional_id;
    bool ongoing;
    int64_t started_ms;
} internal_producer;

struct acls;
struct authorizer;
struct groups;
struct txns;
struct fetch_sessions;
struct meta_log;
struct quotas;

struct broker {
    fs *fs;
    char *data_dir;
    const broker_hooks *hooks;
    broker_hooks no_hooks;
    plog_env *env;
    int32_t node_id;
    int32_t leader_epoch;
    char cluster_id[32];

    pthread_mutex_t meta_lock;
    struct meta_log *meta_log; /* meta */
    map topics_by_name; /* meta; name -> topic */
    map topics_by_id; /* meta; 16 bytes -> topic */
    config_set fixed, dynamic, fallback; /* meta, but fixed never changes */
    map group_configs; /* meta; group id -> config_set, broker/group_config.h */
    int64_t producer_next, producer_end; /* meta: the block in hand */
    int64_t internal_next; /* meta */
    map scram_users; /* meta; name -> scram_user of broker/auth.h */
    broker_listener listener; /* what holds for connections that name no listener; set at the start */
    map internal_producers; /* meta; 8 bytes of id -> internal_producer */
    rng random; /* meta */

    bool open; /* broker_open succeeded: a clean stop may be recorded */
    atomic_bool cancel_clean; /* the cleaner thread is to end */
    atomic_bool lost; /* a log could not be closed cleanly */
    broker_time now; /* loop */
    _Atomic int64_t wall_ms; /* now.wall_ms, for other threads */
    delay_queue timers; /* loop */
    _Atomic(pthread_t) loop_thread;
    atomic_bool wake_asked;
    pthread_mutex_t touched_lock;
    broker_partition *touched; /* touched_lock */
    posted *posted_head, **posted_tail; /* touched_lock */

    broker_partition *unsynced; /* loop */
    broker_partition *sync_now; /* loop: syncs to run at the end of the entry point, when there is no hook */
    delay_timer sync_timer; /* loop: looks for syncs that are due by themselves */
    delay_timer expiry_timer; /* loop: offsets and transactional ids */
    broker_conn *active; /* loop: connections whose first request may be done */
    size_t conns; /* loop */
    struct acls *acls; /* loop; kept also while there is no authorizer */
    struct authorizer *authorizer; /* loop; NULL: everyone may do everything */
    struct groups *groups; /* loop */
    struct txns *txns; /* loop */
    struct fetch_sessions *sessions; /* loop */
    struct quotas *quotas; /* loop; broker/quota.h */
    uint32_t quotas_on; /* loop: bit k: somebody has a quota of quota_kind k */
    atomic_size_t responses; /* taken, not freed yet */
    size_t held; /* loop: bytes of requests that wait and of answers that are not sent */
    size_t fetches; /* loop: bytes of Fetches that wait for records */
};

/* What a handler did with its request. */
typedef enum api_outcome {
    API_ANSWERED, /* the response is written */
    API_PARKED, /* request_done will be called later */
    API_SILENT, /* no response is sent (acks=0) */
    API_MALFORMED, /* the body does not parse: the connection is closed */
} api_outcome;

typedef enum request_state { REQUEST_QUEUED, REQUEST_PARKED, REQUEST_DONE, REQUEST_SILENT } request_state;

/* A stretch of a file inside a response. */
typedef struct response_cut {
    size_t at; /* position in the bytes */
    plog_extent extent;
} response_cut;

/*
 * One request on its way. `in` reads the frame, whose bytes are only there until the handler returns: what a parked
 * request needs later is copied to its arena.
 */
typedef struct request {
    broker *b;
    broker_conn *c; /* NULL: the connection is gone, nobody reads the answer */
    struct request *next;
    arena *a; /* until the answer is written */
    const struct api *api;
    int16_t key, version;
    int32_t correlation;
    str client_id;
    wire_in in;
    uint8_t *frame; /* a copy, while it has to wait */
    size_t frame_len;
    size_t held; /* bytes of its answer, once that is written */
    request_state state;
    bool close; /* the connection is closed after this one */
    bool checking; /* Produce: its batches are being checked elsewhere and not appended yet */
    bool unsupported; /* ApiVersions in a version that does not exist */
    bool timed; /* its time is charged to its client's quota already */
    int32_t throttle_ms; /* what the client is told to wait */
    size_t throttle_at; /* where the answer says so, when not at its begin; 0: there */
    int64_t began_ns, spent_ns; /* when the handler began, and what it took before; with a quota on time only */
    buf bytes;
    wire_out out;
    response_cut *cuts;
    size_t cuts_len, cuts_cap;
    void (*cancel)(struct request *q); /* parked: called when the connection closes; NULL: it completes unseen */
    delay_timer timer; /* for whoever parked it */
    void *parked; /* see timer */
} request;

struct broker_conn {
    broker *b;
    void *user;
    char *peer_host;
    char *host;
    int32_t port;
    request *head, *tail;
    struct response *taken; /* answers that the server has and did not free */
    size_t queued, bytes;
    size_t waiting; /* bytes of frames that are kept until their turn comes */
    size_t unsent; /* bytes of answers, taken or not */
    bool must_close, active;
    bool held_back; /* requests wait until answers are sent */
    broker_conn *active_next;
    const broker_listener *listener;
    struct auth *login; /* broker/auth.h */
    delay_timer unmute; /* set: nothing is read from the connection, nor served, until then (broker/quota.h) */
    bool watched; /* the server is to be told of any progress: it keeps a large request back */
    bool relieved; /* the server is to be told that the connection wants input again */
    bool refused; /* to be closed when it is unmuted */
};

/* ---- broker_partition.c -------------------------------------------------------------------------------- */

/* A new partition of a topic; takes a reference to the topic. */
broker_partition *partition_new(broker *b, topic *t, int32_t index);
/* One more reference. */
broker_partition *partition_ref(broker_partition *p);
/* Gives a reference to a topic back. */
void topic_unref(topic *t);
/* A new topic with one reference and no partitions. */
topic *topic_new(str name, const uint8_t id[16]);
/*
 * Loop: calls w->done once everything below end is durable, or with false when it never will be. True: it is
 * already.
 */
bool partition_wait_sync(broker_partition *p, sync_wait *w, int64_t end);
/* Loop: notes that p was appended to, so that its sync becomes due by itself. */
void partition_note_append(broker_partition *p);
/* Loop: completes Fetches at partitions that were appended to. True when there were any. */
bool broker_run_touched(broker *b);
/* Loop: runs the syncs that are to be done inline. True when there were any. */
bool broker_run_inline_syncs(broker *b);
/* At the end: syncs whatever someone still waits for. */
void broker_finish_syncs(broker *b);
/* Tells those who watch appends to look again. Any thread. */
void partition_tell_watches(broker_partition *p);
/* Any thread: puts p on the touched list and wakes the loop. */
void partition_touch(broker_partition *p);
/* Any thread: asks for a broker_run unless this is the loop thread. */
void broker_wake(broker *b);
/* Applies a topic's effective settings to its open logs. meta_lock held. */
void topic_apply_configs(broker *b, topic *t);
/* The settings that a topic's logs get. meta_lock held. */
plog_config topic_plog_config(broker *b, const topic *t);

/* ---- broker_topic.c: meta_lock is taken inside unless said otherwise ----------------------------------- */

/* Holding meta_lock: the topic of a name or an id, or NULL. */
topic *topic_find(broker *b, str name);
/* See topic_find. */
topic *topic_find_id(broker *b, const uint8_t id[16]);
/* A partition by topic id with a reference, or NULL; *known (may be NULL) says whether the topic exists. */
broker_partition *partition_by_id(broker *b, const uint8_t id[16], int32_t index, bool *known);
/* See partition_by_id. */
broker_partition *partition_by_name(broker *b, str name, int32_t index);
/* Kafka's rule for topic names. */
bool topic_name_ok(str name);

/* A request to make a topic. */
typedef struct topic_spec {
    str name;
    int32_t partitions; /* -1: num.partitions */
    const broker_config_entry *configs;
    size_t configs_len;
    bool internal;
    bool validate_only;
} topic_spec;

/* Makes a topic (checks included); KAFKA_NONE or the error, with a text in d. id gets its id. */
kafka_error topic_create(broker *b, const topic_spec *spec, uint8_t id[16], diag *d);
/* Deletes a topic by name or (name.p NULL) by id. Loop thread, or posts what the loop must forget. */
kafka_error topic_delete(broker *b, str name, const uint8_t *id, diag *d);
/* Raises a topic's number of partitions. */
kafka_error topic_grow(broker *b, str name, int32_t count, bool validate_only, diag *d);
/* Replaces a topic's configs. */
kafka_error topic_set_configs(broker *b, str name, const config_set *configs, diag *d);
/* The view of configs for a topic (NULL: the broker). meta_lock held while it is used. */
config_view broker_view(broker *b, const topic *t);
/* A broker config as a number or truth value; any thread. */
int64_t broker_i64(broker *b, const char *name);
/* See broker_i64. */
bool broker_bool(broker *b, const char *name);
/* Makes an internal topic when it does not exist yet; its number of partitions, or -1. */
int32_t topic_internal(broker *b, const char *name, diag *d);
/*
 * Java's String.hashCode over UTF-16 units, without sign bit, modulo partitions: the place of a group or
 * transactional id.
 */
int32_t coordinator_partition(str id, int32_t partitions);
/* n random bytes. Any thread. */
void broker_random(broker *b, void *p, size_t n);
/* "<prefix>-<random uuid>" in the arena. */
str broker_member_id(broker *b, arena *a, str prefix);

/* ---- broker_conn.c: loop thread ------------------------------------------------------------------------ */

/*
 * Starts the response: length, correlation id and, in flexible versions, the header's tags. Drops what was
 * written before.
 */
void request_begin(request *q);
/* Adds a stretch of a file; takes over the reference. */
void request_add_extent(request *q, plog_extent e);
/* The response of a parked request is written, or (silent) none is to be sent. */
void request_done(request *q, bool silent);
/* What waits behind a request may have become runnable. */
void request_progress(request *q);
/* Has what waits on the connection looked at again, at the end of the entry point. */
void conn_activate(broker_conn *c);
/* Bytes written so far, extents included. */
size_t request_size(const request *q);
/* Runs everything that became runnable: touched partitions, inline syncs, connections' next requests. */
void broker_settle(broker *b);
/* Notes an entry into the loop thread's part with its time. */
void broker_enter(broker *b, broker_time now);

/* ---- delay of parked requests -------------------------------------------------------------------------- */

/* Shorthands on broker.timers. */
static inline void broker_timer(broker *b, delay_timer *t, int64_t delay_ms)
{
    int64_t at = b->now.mono_ms;
    delay_set(&b->timers, t, delay_ms > INT64_MAX / 2 - at ? INT64_MAX / 2 : at + delay_ms);
}

#endif
