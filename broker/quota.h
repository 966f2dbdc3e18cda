/*
 * broker/quota.h - client quotas: what users, client ids and addresses may use, and the waits of those who used more.
 *
 * Private to broker/, loop thread (before broker_open returns: whoever opens). Whoever is over a quota is answered at
 * once with the time to wait, and its connection is muted for that time: nothing more is read from it, and what was
 * read already waits (KIP-219). Entities, their precedence and the windows are Kafka's (KIP-13, KIP-55, KIP-124,
 * KIP-599, KIP-612). Without a quota of a kind the kind costs one test of a bit in a request.
 */
#ifndef BROKER_QUOTA_H
#define BROKER_QUOTA_H

#include "broker/broker_core.h"

/* Kinds of quota; the numbers are in the metadata log. */
typedef enum quota_kind {
    QUOTA_PRODUCE = 0, /* bytes a second */
    QUOTA_FETCH = 1, /* bytes a second */
    QUOTA_REQUEST = 2, /* percent of one thread's time */
    QUOTA_MUTATION = 3, /* partitions made or deleted in a second */
    QUOTA_CONNECTION = 4, /* connections a second, of an address */
    QUOTA_KINDS = 5,
} quota_kind;

/* What an entity is made of. */
typedef enum quota_part { QUOTA_USER, QUOTA_CLIENT, QUOTA_IP, QUOTA_PARTS } quota_part;

/* An entity: for each part whether it is there, and its name; without a name it is the default of all. */
typedef struct quota_entity {
    bool has[QUOTA_PARTS];
    str names[QUOTA_PARTS]; /* p == NULL: the default */
} quota_entity;

/* An entity with its quotas, as it is kept. */
typedef struct quota_limits {
    quota_entity entity; /* the names are owned */
    bool set[QUOTA_KINDS];
    double values[QUOTA_KINDS];
} quota_limits;

/* One change of a quota. */
typedef struct quota_change {
    const quota_entity *entity;
    quota_kind kind;
    bool remove;
    double value;
} quota_change;

struct quotas;

/* An empty table, and its end. */
struct quotas *quotas_new(void);
/* See quotas_new. NULL is allowed. */
void quotas_free(struct quotas *t);
/* Reads the windows from the configs, which do not change while the broker runs. */
void quotas_configure(broker *b);

/* ---- the quotas that are set ------------------------------------------------------------------------------------ */

/* The names of the parts and kinds in the protocol. */
extern const char *const quota_part_names[QUOTA_PARTS];
/* See quota_part_names. */
extern const char *const quota_kind_names[QUOTA_KINDS];

/* The quotas of exactly this entity, or NULL. */
const quota_limits *quota_find(const broker *b, const quota_entity *e);
/* Iteration over all entities, as map_next. */
bool quota_next(const broker *b, size_t *it, const quota_limits **out);
/* Puts a change in force without writing it. */
void quota_apply(broker *b, const quota_change *c);
/* The bytes of changes in the metadata log. */
void quota_write(buf *out, const quota_change *changes, size_t n);
/* The same for all that an entity has set. */
void quota_write_limits(buf *out, const quota_limits *l);
/* Reads such bytes and puts them in force. false: they make no sense. */
bool quota_read(broker *b, reader *r);

/* ---- what is used ----------------------------------------------------------------------------------------------- */

/* Whether there is any quota of this kind. */
static inline bool quota_on(const broker *b, quota_kind kind)
{
    return b->quotas_on >> kind & 1;
}

/*
 * Records that the request's client used an amount, and mutes its connection when that was too much; the time it is
 * told to wait grows to what it has to.
 */
void quota_charge(request *q, quota_kind kind, double amount);
/* A Fetch's answer is about to be sent: charges its bytes and time. true: an empty answer has to go out instead. */
bool quota_charge_fetch(request *q, size_t bytes);
/* The most bytes of one Fetch that are not bound to be refused, INT32_MAX without a quota. */
int32_t quota_fetch_max(request *q);
/*
 * Whether the client may make or delete so many partitions. `strict` (newer versions of the requests, KIP-599): not
 * while it is in debt; else always, and it has to wait.
 */
bool quota_admit(request *q, int32_t partitions, bool strict);
/* The time now in nanoseconds when the time of requests is limited, else 0. Any thread. */
int64_t quota_clock(broker *b);
/* The request is answered: charges its time and writes the wait into the answer. */
void quota_finish(request *q, bool silent);
/* A new connection: one too many of its address is closed, after a while. */
void quota_connected(broker_conn *c);
/* Whether nothing may be read from the connection for now. */
static inline bool quota_mutes(const broker_conn *c)
{
    return delay_is_set(&c->unmute);
}
/* Forgets clients whose use does not count any more. */
void quotas_expire(broker *b);

#endif
