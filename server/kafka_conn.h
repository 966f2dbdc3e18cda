/*
 * server/kafka_conn.h - the inside of a Kafka connection, shared by kafka_conn.c (its life), kafka_receive.c (requests
 * in) and kafka_send.c (answers out). Loop thread only.
 */
#ifndef SERVER_KAFKA_CONN_H
#define SERVER_KAFKA_CONN_H

#include "server/kafka_internal.h"

/* Responses taken from the broker and not sent yet: enough for one writev to carry many small answers. */
enum { KAFKA_TAKEN_MAX = 16 };
/* Plain bytes that are encrypted at a time. */
enum { KAFKA_STAGE_BYTES = 64 * 1024 };

/* One connection. */
struct kafka_conn {
    uv_poll_t poll;
    kafka *k;
    const kafka_listener *listener;
    broker_conn *bc;
    kafka_conn *next, *prev;
    kafka_conn *next_ready, *next_again;
    bool marked;
    bool closed;
    bool must_close;
    bool lingering; /* turned away and told so: what still comes is dropped, or it would reset the connection */
    bool blocked; /* the socket took no more: wait until it is writable */
    bool again; /* on the list of those that go on in the loop's next turn */
    int events; /* what the poll handle waits for */
    int fd;
    tls *tls; /* NULL: plain */
    char peer[48]; /* its address */
    bool identified; /* the handshake is done and the broker knows who the client is */
    int64_t began_ms;
    int64_t last_ms;
    budget_member memory; /* of the frame in part and of what was read too early */
    size_t gulp; /* how much is read at a time while no frame is begun */
    /* The frame that has come in part. */
    uint8_t *frame;
    size_t frame_cap;
    size_t frame_len;
    size_t frame_n; /* its whole length; known once prefix_len == 4 */
    uint8_t prefix[4];
    int prefix_len;
    /* What was read already and has to wait until answers went out. */
    uint8_t *rest;
    size_t rest_at, rest_len, rest_cap;
    /* Responses on their way out, oldest first. */
    broker_response *taken[KAFKA_TAKEN_MAX];
    int taken_first, taken_len;
    size_t part; /* of the first response */
    size_t part_at; /* bytes of that part that went out */
};

/* Sends until there is nothing more or the socket is full. false: the connection is broken. */
bool kafka_conn_send(kafka_conn *c);

/* Reads what the socket has, a bounded number of bytes, and serves the requests in it; may close the connection. */
void kafka_conn_read(kafka_conn *c);

/*
 * Whether the socket is to be read. Not while answers do not go out, while there is no memory, or while a large request
 * would only wait for an earlier one.
 */
bool kafka_conn_wants_input(kafka_conn *c);

/* Serves what was read already, as far as the broker takes it. */
void kafka_conn_serve_rest(kafka_conn *c);

/* Drops what has come of a frame. */
void kafka_conn_drop_frame(kafka_conn *c);
/* Drops what was read early. */
void kafka_conn_drop_rest(kafka_conn *c);

/* Tells a client of a listener with TLS why it is turned away (the alert) and gives it the time to read that. */
void kafka_conn_turn_away(kafka_conn *c);

#endif
