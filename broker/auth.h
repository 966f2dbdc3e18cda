/*
 * broker/auth.h - who a connection speaks for: SASL with PLAIN and SCRAM, and the users that may log in.
 *
 * Private to broker/. On a listener that asks for it, a connection is served nothing but ApiVersions and the login
 * until it has logged in, and again when the time that a login is good for is over (KIP-368). PLAIN's users are those
 * of sasl.jaas.config (user_NAME="password"), SCRAM's are kept in the metadata log. Connections belong to the loop
 * thread; the users to meta_lock.
 */
#ifndef BROKER_AUTH_H
#define BROKER_AUTH_H

#include "broker/broker_core.h"
#include "broker/scram.h"

/* What a connection has shown so far. */
typedef enum auth_phase {
    AUTH_NONE, /* nothing yet */
    AUTH_CHOSEN, /* a mechanism; tokens come in SaslAuthenticate */
    AUTH_RAW, /* a mechanism by SaslHandshake 0; tokens come as frames of their own */
    AUTH_DONE,
    AUTH_MISMATCH, /* logging in again with another mechanism: the next token is answered with a refusal */
} auth_phase;

/* The login of one connection. */
typedef struct auth {
    auth_phase phase;
    scram_mechanism mechanism; /* SCRAM_UNKNOWN: PLAIN */
    bool challenged;
    scram_exchange exchange;
    scram_credential credential;
    arena *a; /* of the exchange */
    char *user; /* the principal's name: from AUTH_DONE on, or the subject of the client's certificate; NULL: unknown */
    bool again; /* this login is not the connection's first */
    scram_mechanism before; /* then: the mechanism of the one before */
    int64_t began_ms; /* and when it began */
    int64_t lifetime_ms; /* what the login is good for; 0: for ever */
    int64_t expires_ms; /* when it ends */
} auth;

/* Credentials of a user. */
typedef struct scram_user {
    char *name;
    bool has[3]; /* by mechanism */
    scram_credential credentials[3];
} scram_user;

/* Whether the connection has to log in. */
bool auth_wanted(const broker_conn *c);
/* Whether a SaslHandshake may begin a login on the connection now: the first, or one again. */
bool auth_may_begin(const broker_conn *c);
/* Begins one by a mechanism that the listener offers; raw: tokens come as frames of their own. */
void auth_begin(broker_conn *c, scram_mechanism mechanism, bool raw);
/* Whether a request of this API may be served on the connection now. */
bool auth_may(const broker_conn *c, int16_t key);
/* The login of a new connection. */
auth *auth_new(void);
/* Frees it. */
void auth_free(auth *x);
/* Takes a token; *answer is the next one of the server. false: wrong, *why says it. */
bool auth_token(broker_conn *c, str token, arena *a, str *answer, const char **why);
/* A frame of a login by SaslHandshake 0. false: the connection is to be closed. */
bool auth_raw_frame(request *q, const uint8_t *frame, size_t n);
/* Frees the users. */
void auth_users_free(broker *b);
/* Takes a credential in (NULL: takes it out) without writing it; meta_lock held, or nothing is shared yet. */
void auth_set_credential(broker *b, str user, scram_mechanism m, const scram_credential *c);

#endif
