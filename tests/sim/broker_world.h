/*
 * tests/sim/broker_world.h - a broker on a machine that dies, clients of every kind, and what they were promised.
 *
 * One thread, one world in a process. A seed decides what the clients do, when syncs end, how long a life lasts and
 * how it ends: by a clean stop, a kill, or a loss of power, also in the middle of a call. After each start all logs,
 * offsets and metadata are read and compared with what was acknowledged (broker_check.c). The clients know nothing of
 * the broker's files: they speak Kafka's protocol, and the broker's own interface for topics.
 */
#ifndef TESTS_SIM_BROKER_WORLD_H
#define TESTS_SIM_BROKER_WORLD_H

#include "base/rng.h"
#include "broker/broker.h"
#include "broker/kafka_error.h"
#include "broker/wire.h"
#include "tests/support/sim.h"

/* Runs one seed. */
void broker_sim_run(const sim_options *options, sim_result *result);

/* ---- the world, for broker_world.c, broker_clients.c and broker_check.c ----------------------------------------- */

enum { TOPICS = 4, PARTITIONS = 2, KEYS = 7, NAMES = 12, CLIENTS = 5 };
/* The topics, and the clients that write them; the last client administers. */
enum { PLAIN, IDEMPOTENT, TRANSACTIONAL, COMPACTED, ADMIN };

/* How sure it is that a record is there. */
typedef enum certainty {
    UNKNOWN, /* sent, no good answer */
    CACHED, /* acknowledged with acks=1: a kill may not lose it */
    SURE, /* acknowledged with acks=all, or seen after a start */
    ABSENT, /* not seen after a start: it may never come again */
} certainty;

/* One record that a client made; its number is its value. */
typedef struct made {
    uint8_t topic, partition, key;
    bool tombstone;
    certainty certainty;
    int64_t offset; /* -1: not told */
    int32_t txn; /* number of its transaction, -1: none */
    int seen, seen_committed; /* by the check under way */
} made;

/* What became of a transaction. */
typedef enum fate { FATE_OPEN, FATE_MAYBE_COMMITTED, FATE_COMMITTED, FATE_ABORTED } fate;

typedef struct txn_made {
    fate fate;
    bool offsets; /* it commits its number as an offset */
} txn_made;

/* A client: at most one request of it is under way. */
typedef struct client {
    broker_conn *conn;
    int16_t key, version;
    bool waiting;
    int phase;
    int32_t first, count; /* records of the request under way */
    int32_t partition;
    int16_t acks;
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence[PARTITIONS];
    bool pending[PARTITIONS]; /* a batch that has to be sent again as it was */
    int32_t pending_first[PARTITIONS], pending_count[PARTITIONS];
    int32_t left; /* requests before the transaction ends */
} client;

/* A number that is set again and again: the last one that was acknowledged, and the last that was sent. */
typedef struct setting {
    int64_t sure, sent;
} setting;

typedef struct world {
    sim_options o;
    sim_result *result;
    fs_sim *disk;
    broker *b;
    broker_hooks hooks;
    broker_time now;
    rng r;
    uint64_t starts;
    int32_t correlation;
    client clients[CLIENTS];
    broker_partition *syncs[64];
    int syncs_len;
    buf frame, response;
    made *made;
    int32_t made_len, made_cap;
    txn_made *txns;
    int32_t txns_len, txns_cap;
    int64_t deleted_to[PARTITIONS], start_sure[PARTITIONS]; /* DeleteRecords of PLAIN: asked for, answered */
    setting group_offset, quota;
    struct {
        bool sure_there, sure_gone; /* neither: unknown */
        setting retention;
    } names[NAMES];
    bool powerless; /* the last life ended with a loss of power */
    bool dead; /* this life is over: the disk took a call for its last */
} world;

/* Notes what is wrong, the first time. false. */
bool world_fail(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Begins a request of the client; fields as in tests/fuzz/kafka_requests.h. */
void world_send(world *w, client *c, int16_t key, int16_t version, const char *fields, ...)
    __attribute__((format(printf, 5, 6)));
/* Sends w->frame as it is. */
void world_send_frame(world *w, client *c, int16_t key, int16_t version);
/* Whether the answer came; *in reads its body. A connection that was closed takes the request with it. */
bool world_take(world *w, client *c, wire_in *in);
/* Runs timers and syncs until the answer came. */
bool world_wait(world *w, client *c, wire_in *in);
/* Lets time pass. */
void world_pass(world *w, int64_t ms);
/* Does one of the syncs that are due; false: there is none. */
bool world_sync_one(world *w);

/* A new record; its number is returned. */
int32_t world_make(world *w, int which, int32_t partition);
/* The name of a topic. */
const char *world_topic(int which);
/* One step of a client. */
void client_step(world *w, int which);
/* Everything under way of the clients is lost with the process. */
void clients_forget(world *w);
/* Reads all and compares. false: something is wrong, or (errors) could not be read. */
bool world_check(world *w);

#endif
