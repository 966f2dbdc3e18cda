/*
 * broker/broker.h - the embedded Kafka-protocol broker: request in, completion out, time told.
 *
 * The folder keeps topics as partition logs (broker/plog.h), speaks the Kafka protocol (broker/api.h), runs consumer
 * groups and transactions, and records its own metadata. It has no event loop, no thread and no clock: the
 * server gives it complete request frames and the time, sends the responses, syncs what it is asked to
 * sync, and calls broker_run when a deadline is due.
 *
 * Threads. One thread, "the loop thread", owns connections, groups, transactions and timers: broker_conn_*, broker_run,
 * broker_sync_done and everything marked "loop thread". Functions marked "any thread" take the locks that they need:
 * topics are guarded by one mutex of the metadata, logs by their own. Whoever stands on another thread and needs the
 * loop thread posts a function to it with broker_post.
 *
 * Ownership. A broker_partition is counted: broker_partition_get takes a reference, broker_partition_release gives it
 * back; a deleted topic's partitions live until the last reference is gone (appends to them fail). Strings in
 * results borrow from the arena that was passed in.
 *
 * A server's life with it:
 *     broker_open; per connection broker_conn_open, for each frame broker_conn_request, then broker_conn_take until
 * NULL     (also when hooks.conn_ready says so), broker_response_free after the bytes went out, broker_conn_close;
 *     hooks.sync -> on a sync thread broker_partition_sync, then on the loop thread broker_sync_done;
 *     hooks.work -> on any other thread w->run(w), then on the loop thread broker_work_done;
 *     hooks.wake or broker_next_deadline reached -> broker_run; at the end broker_close.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/str.h"
#include "broker/plog.h"

typedef struct broker broker;
typedef struct broker_conn broker_conn;
typedef struct broker_partition broker_partition;

/* The two times the server tells: records and retention use the wall, sessions and timeouts the monotonic clock. */
typedef struct broker_time {
    int64_t wall_ms; /* since 1970-01-01 UTC */
    int64_t mono_ms; /* never goes back */
} broker_time;

/* One name and value: a broker or topic config as Kafka names it. */
typedef struct broker_config_entry {
    str name;
    str value;
} broker_config_entry;

/* What broker_open needs beside the folder. Slices are copied. */
typedef struct broker_options {
    const broker_config_entry *configs; /* Kafka's broker configs (num.partitions, ...); unknown names are refused */
    size_t configs_len;
    str cluster_id; /* used when the data folder has none yet; empty: one is made from seed */
    int32_t node_id; /* the broker id that clients see */
    uint64_t seed; /* random bits for topic ids and member ids; must differ at each start */
} broker_options;

/*
 * A piece of computing that would hold the loop thread up (the check of a large compressed batch). Owned by
 * the broker.
 */
typedef struct broker_work {
    void (*run)(struct broker_work *w); /* on any other thread */
    void (*done)(struct broker_work *w, broker_time now); /* by broker_work_done */
} broker_work;

/*
 * What the broker asks of the server. `user` is handed back. conn_ready, sync and work are called on the loop thread,
 * possibly from inside a broker function (never inside broker_open): they may only note the fact and may not call
 * the broker.
 */
typedef struct broker_hooks {
    void *user;
    /*
     * A response can be taken from the connection, it must be closed (broker_conn_must_close), or it wants input again.
     * NULL is allowed.
     */
    void (*conn_ready)(void *user, broker_conn *c);
    /*
     * Have broker_partition_sync run on another thread and then broker_sync_done on the loop thread. At most one is
     * asked for a partition at a time; the partition stays valid until broker_sync_done. NULL: the broker syncs
     * at the end of broker_conn_request and broker_run itself (tests, tools).
     */
    void (*sync)(void *user, broker_partition *p);
    /*
     * Have w->run(w) called on another thread and then broker_work_done on the loop thread; several may be under
     * way. NULL: the loop thread does such work itself.
     */
    void (*work)(void *user, broker_work *w);
    /*
     * From any thread: a monotonic time in nanoseconds, never 0; asked for only while the time that requests take is
     * limited (request_percentage). NULL: it is not limited.
     */
    int64_t (*clock_ns)(void *user);
    /*
     * From any thread: have broker_run called on the loop thread soon. Not repeated until broker_run ran.
     * NULL is allowed.
     */
    void (*wake)(void *user);
} broker_hooks;

/* ---- life: loop thread --------------------------------------------------------------------------------- */

/*
 * Opens the data folder (made when absent): metadata log, topics, groups and transactions. The caller holds the
 * folder's lock. files and hooks must outlive the broker. NULL and an error when the folder cannot be used.
 */
broker *broker_open(fs *files, str data_dir, const broker_options *options, const broker_hooks *hooks, broker_time now,
                    diag *d);

/*
 * Syncs and marks the stop as clean. Before it all connections are closed, all references given back, and the
 * threads that ran hooks.sync and hooks.work are done (work that was asked for has been reported; syncs need not
 * be). NULL is allowed.
 */
void broker_close(broker *b);

/*
 * Does what is due: timers (parked requests, sessions, rebalances, transaction timeouts, expiry), functions posted and
 * appends made by other threads.
 */
void broker_run(broker *b, broker_time now);

/* The monotonic time at which broker_run must be called again, INT64_MAX when nothing waits. */
int64_t broker_next_deadline(const broker *b);

/* Reports the end of a sync that hooks.sync asked for; ok is broker_partition_sync's result. */
void broker_sync_done(broker *b, broker_partition *p, bool ok, broker_time now);

/* Reports the end of a w->run that hooks.work asked for. */
void broker_work_done(broker *b, broker_work *w, broker_time now);

/* Any thread: runs fn(arg, now) in the next broker_run and asks for one through hooks.wake. */
void broker_post(broker *b, void (*fn)(void *arg, broker_time now), void *arg);

/* Any thread, meant for a cleaner thread: retention of every partition, one pass. */
void broker_clean(broker *b, broker_time now);

/* The cleaner thread only: compacts what is due of the partitions whose topic wants it, one pass. */
void broker_compact(broker *b, broker_time now);

/* The cleaner thread only: writes checkpoints of logs that nobody appended to since the last call. */
void broker_checkpoint_idle(broker *b);

/* Any thread: passes under way end soon and those to come at once; before broker_close. */
void broker_clean_cancel(broker *b);

/* ---- connections: loop thread -------------------------------------------------------------------------- */

enum { BROKER_MECHANISMS = 3 }; /* PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 */

/* What the connections of one listener have in common. It and its slices outlive them. */
typedef struct broker_listener {
    bool login; /* connections must log in by SASL before they are served */
    str mechanisms; /* by which of these: names with commas between them */
    str plain_users; /* PLAIN's users, as sasl.jaas.config writes them */
    int64_t reauth_ms[BROKER_MECHANISMS]; /* how long a login is good for, by mechanism; 0: for ever (KIP-368) */
} broker_listener;

/* How a connection came in. Slices are copied. */
typedef struct broker_conn_options {
    void *user; /* for broker_conn_user */
    str peer_host; /* the client's address as text, shown as "/1.2.3.4" in group members */
    str advertised_host; /* of the listener: what Metadata and FindCoordinator answer on this connection */
    int32_t advertised_port;
    const broker_listener *listener; /* NULL: logins as the broker's configs say */
} broker_conn_options;

/* A new connection, at the time that the broker was told last. */
broker_conn *broker_conn_open(broker *b, const broker_conn_options *options);

/* Says who is at the other end, when something below the protocol knows: the subject of a client's certificate. */
void broker_conn_identify(broker_conn *c, str principal);

/* Drops the connection with its parked requests and untaken responses. Responses taken before stay valid. */
void broker_conn_close(broker_conn *c);

/* The pointer given at open. */
void *broker_conn_user(const broker_conn *c);

/*
 * One request frame without its four length bytes. The bytes are borrowed for the call and are written to (Produce
 * patches batch headers in place). Requests are served in order: while one is parked (Fetch, JoinGroup, ...) later
 * ones are copied and wait, but Produce requests are appended as they arrive. false: the bytes are no request that
 * can be answered; send what can be taken, then close. Frames above socket.request.max.bytes must be refused before.
 */
bool broker_conn_request(broker_conn *c, uint8_t *frame, size_t n, broker_time now);

/*
 * false while the server should stop reading the connection: so much waits on it (requests, or answers that were not
 * sent), or its client is over a quota and muted (hooks.conn_ready says when it ends).
 */
bool broker_conn_wants_input(const broker_conn *c);

/* true when the connection must be closed once the responses that can be taken are sent (acks=0 errors, bad bytes). */
bool broker_conn_must_close(const broker_conn *c);

/*
 * Whether a request of this API would have to wait for the answer to an earlier one, which may be long: a large one is
 * better left with its client. hooks.conn_ready says when to ask again.
 */
bool broker_conn_would_wait(broker_conn *c, int16_t key);

/*
 * Serves requests that had to wait because the connection's answers were not sent, when enough of these were freed
 * since. true: it did, and there may be responses to take.
 */
bool broker_conn_resume(broker_conn *c, broker_time now);

/* Bytes of memory that the connection's waiting requests and its responses hold, those taken and not freed included. */
size_t broker_conn_memory(const broker_conn *c);

/* The same of all connections together. */
size_t broker_memory(const broker *b);

/* A stretch of a response: memory (bytes != NULL) or, for sendfile, a stretch of a file. */
typedef struct broker_part {
    const uint8_t *bytes;
    size_t n;
    int fd; /* -1 for memory; valid until broker_response_free */
    int64_t position; /* in the file */
} broker_part;

/* One response, length prefix included. Public layout: the server writes the parts out in order. */
typedef struct broker_response {
    const broker_part *parts;
    size_t parts_len;
    size_t size; /* bytes of all parts together */
} broker_response;

/* The next response in order, or NULL when the first request in the queue is not answered yet. */
broker_response *broker_conn_take(broker_conn *c);

/* Frees a taken response; any time, also after its connection or before broker_close. NULL is allowed. */
void broker_response_free(broker_response *r);

/* Appends the whole response to out, reading its file parts. For transports that need bytes (TLS) and for tests. */
bool broker_response_bytes(const broker_response *r, buf *out, diag *d);

/* ---- topics: any thread -------------------------------------------------------------------------------- */

/* A topic as listings show it. */
typedef struct broker_topic_info {
    str name;
    uint8_t id[16];
    int32_t partitions;
    bool internal; /* __consumer_offsets, __transaction_state */
} broker_topic_info;

/*
 * Makes a topic and writes it to the metadata log, synced. partitions -1: num.partitions. Errors: DIAG_EXISTS,
 * DIAG_INVALID (name, count, a config).
 */
bool broker_topic_create(broker *b, str name, int32_t partitions, const broker_config_entry *configs,
                         size_t configs_len, diag *d);

/* Deletes a topic with its data and committed offsets. DIAG_NOT_FOUND when it does not exist. */
bool broker_topic_delete(broker *b, str name, diag *d);

/* Raises the number of partitions to count. */
bool broker_topic_grow(broker *b, str name, int32_t count, diag *d);

/* Sets configs of a topic (an entry whose value.p is NULL goes back to the default). */
bool broker_topic_configure(broker *b, str name, const broker_config_entry *configs, size_t configs_len, diag *d);

/* Finds a topic; false when it does not exist. Strings borrow from a. */
bool broker_topic_describe(broker *b, str name, arena *a, broker_topic_info *out);

/* All topics in order of name; the count is returned. */
size_t broker_topic_list(broker *b, arena *a, broker_topic_info **out);

/* The effective value of a topic's config; false when topic or config do not exist. */
bool broker_topic_config(broker *b, str name, str config, arena *a, str *out);

/* The effective value of a broker config; false when there is none of that name. */
bool broker_config_value(broker *b, str config, arena *a, str *out);

/* The cluster id that clients see, valid as long as the broker. */
str broker_cluster_id(const broker *b);

/* ---- partitions: any thread ---------------------------------------------------------------------------- */

/* A partition with a reference taken, or NULL when it does not exist. */
broker_partition *broker_partition_get(broker *b, str topic, int32_t partition);

/* Gives a reference back. NULL is allowed. */
void broker_partition_release(broker_partition *p);

/*
 * The partition's log, opened at first use; NULL and an error when it cannot be opened. Valid while the
 * reference is.
 */
plog *broker_partition_log(broker_partition *p, diag *d);

/* The id of the partition's topic (16 bytes) and its index. */
const uint8_t *broker_partition_topic_id(const broker_partition *p);
/* See broker_partition_topic_id. */
int32_t broker_partition_index(const broker_partition *p);

/*
 * Appends one record batch that Weir built and wakes whoever waits for this partition. A batch without an internal
 * producer id is checked as a client's would be; one with such an id (the only ones that may be transactional)
 * carries no sequence numbers and is checked by header, CRC and size. The offset of the first record goes to
 * *base_offset (may be NULL). Not synced. The bytes are written to. DIAG_STATE names Kafka's error, DIAG_IO is the
 * disk's.
 */
bool broker_append(broker_partition *p, uint8_t *batch, size_t n, broker_time now, int64_t *base_offset, diag *d);

/* Appends the commit or abort marker of an internal producer. Its offset goes to *offset (may be NULL). Not synced. */
bool broker_append_marker(broker_partition *p, int64_t producer_id, int16_t epoch, bool commit, broker_time now,
                          int64_t *offset, diag *d);

/* Makes all that was appended so far durable; blocks. What hooks.sync runs on its thread; others may call it too. */
bool broker_partition_sync(broker_partition *p, diag *d);

/*
 * Someone told of appends to a partition, and of its deletion. Embedded by the caller; fields are set by
 * broker_watch_add. fn runs on the appending thread after the new end is visible; it must be cheap and call nothing of
 * the broker.
 */
typedef struct broker_watch {
    struct broker_watch *next;
    void (*fn)(void *arg, broker_partition *p);
    void *arg;
} broker_watch;

/* Begins to call fn(arg, p) after each append. */
void broker_watch_add(broker_partition *p, broker_watch *w, void (*fn)(void *arg, broker_partition *p), void *arg);

/* Ends it; fn does not run any more when this returns. */
void broker_watch_remove(broker_partition *p, broker_watch *w);

/* ---- internal producers: any thread -------------------------------------------------------------------- */

/*
 * Internal producer ids come from a range of their own, below 2^53 so that JavaScript clients read them exactly. The
 * network can neither use, fence nor end them, and they have no timeout.
 */
#define BROKER_INTERNAL_PRODUCER_FIRST (INT64_C(1) << 52)

/* Takes count consecutive internal producer ids, never given out before; durable. The first goes to *first. */
bool broker_producer_reserve(broker *b, int32_t count, int64_t *first, diag *d);

/*
 * Shows (or, with an empty transactional_id, hides) an internal producer in ListTransactions and
 * DescribeTransactions.
 */
void broker_producer_show(broker *b, int64_t producer_id, int16_t epoch, str transactional_id, bool ongoing,
                          broker_time started);

/* ---- groups: loop thread (post from elsewhere) --------------------------------------------------------- */

/* A group as listings show it. */
typedef struct broker_group_info {
    str group_id;
    str protocol_type;
    const char *state; /* "Stable", "Empty", ... as Kafka names them */
    int32_t members;
} broker_group_info;

/* One committed offset. */
typedef struct broker_group_offset {
    str topic;
    int32_t partition;
    int64_t offset;
    str metadata;
    int64_t commit_ms; /* wall time; ignored when written */
} broker_group_offset;

/* All groups; the count is returned. */
size_t broker_group_list(broker *b, arena *a, broker_group_info **out);

/* The committed offsets of a group; the count is returned (0 for an unknown one). */
size_t broker_group_offsets(broker *b, str group_id, arena *a, broker_group_offset **out);

/*
 * Writes offsets of a group that has no members (made when absent), as the queries of the engine show their positions.
 * Not synced: another truth exists. DIAG_STATE when the group has members.
 */
bool broker_group_write(broker *b, str group_id, const broker_group_offset *offsets, size_t n, broker_time now,
                        diag *d);

#endif
