/*
 * broker/auth.h - who a connection speaks for: SASL with PLAIN and SCRAM, and the users that may log in.
 *
 * Private to broker/. With sasl.enabled.mechanisms set, a connection is served nothing but ApiVersions and the login
 * until it has logged in. PLAIN's users are those of sasl.jaas.config (user_NAME="password"), SCRAM's are kept in the
 * metadata log. Connections belong to the loop thread; the users to meta_lock.
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
} auth_phase;

/* The login of one connection. */
typedef struct auth {
    auth_phase phase;
    scram_mechanism mechanism; /* SCRAM_UNKNOWN: PLAIN */
    bool challenged;
    scram_exchange exchange;
    scram_credential credential;
    arena *a; /* of the exchange */
    char *user; /* once AUTH_DONE */
} auth;

/* Credentials of a user. */
typedef struct scram_user {
    char *name;
    bool has[3]; /* by mechanism */
    scram_credential credentials[3];
} scram_user;

/* Whether connections have to log in. */
bool auth_wanted(broker *b);
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
