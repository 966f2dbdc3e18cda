/*
 * broker/api_fetch.h - Fetch sessions (KIP-227): what a client reads is remembered, later requests name only changes.
 *
 * Private to broker/, loop thread. A session is counted: the table holds one reference, a Fetch in work another.
 */
#ifndef BROKER_API_FETCH_H
#define BROKER_API_FETCH_H

#include "broker/broker_core.h"

typedef struct fetch_session fetch_session;

/* One partition that is read. name and id: the request's arena or, in a session, owned by it. */
typedef struct fetch_part {
    char *name;
    uint8_t id[16];
    int32_t index;
    int32_t leader_epoch;
    int32_t last_epoch;
    int32_t max_bytes;
    int64_t offset;
    int64_t sent_high, sent_stable, sent_start; /* what the client was told last; -2: nothing yet */
    bool served; /* the last answer held data of it */
} fetch_part;

/* A decoded request. */
typedef struct fetch_request {
    int32_t max_wait_ms, min_bytes, max_bytes;
    int8_t isolation;
    int32_t session_id, session_epoch;
    bool by_id;
    fetch_part **parts;
    size_t parts_len, parts_cap;
    fetch_part **forgotten;
    size_t forgotten_len, forgotten_cap;
} fetch_request;

/* Adds a partition to what is read or (forgotten) is not any more. */
void fetch_request_add(fetch_request *f, arena *a, fetch_part *part, bool forgotten);

/*
 * Finds, makes or closes the session as the request says; *out is NULL for a Fetch without session, else a reference
 * that fetch_session_leave gives back. *incremental says whether the answer names only what changed. A Fetch of the
 * same session that is still parked is answered first.
 */
kafka_error fetch_session_find(broker *b, request *q, const fetch_request *f, fetch_session **out, bool *incremental);
/* The partitions in the order in which they are served; pointers live as long as the reference. */
fetch_part **fetch_session_parts(fetch_session *s, arena *a, size_t *n);
/* The id that clients use. */
int32_t fetch_session_id(const fetch_session *s);
/* Moves the partitions marked as served to the end. */
void fetch_session_rotate(fetch_session *s);
/* The client is not told of the session, which it asked for with this request: it goes. */
void fetch_session_forget(broker *b, fetch_session *s);
/* Gives the reference of q back. */
void fetch_session_leave(fetch_session *s, const request *q);

#endif
