/*
 * broker/scram.h - the server's side of SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), without channel binding.
 *
 * A credential never tells the password: it holds salt, iterations, and the two keys that are derived from it.
 * Thread-neutral.
 */
#ifndef BROKER_SCRAM_H
#define BROKER_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum { SCRAM_KEY_MAX = 64, SCRAM_SALT_MAX = 1024 };

/* The mechanisms; the numbers are those of Kafka's protocol. */
typedef enum scram_mechanism { SCRAM_UNKNOWN = 0, SCRAM_SHA_256 = 1, SCRAM_SHA_512 = 2 } scram_mechanism;

/* What the server knows of one user for one mechanism. */
typedef struct scram_credential {
    int32_t iterations;
    size_t salt_len;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[SCRAM_KEY_MAX];
    uint8_t server_key[SCRAM_KEY_MAX];
} scram_credential;

/* "SCRAM-SHA-256" and so on; SCRAM_UNKNOWN for other names. */
scram_mechanism scram_by_name(str name);
/* The name; NULL for SCRAM_UNKNOWN. */
const char *scram_name(scram_mechanism m);
/* Bytes of a key. */
size_t scram_key_size(scram_mechanism m);

/* Derives the keys from the salted password that a client computed; false when its length is wrong. */
bool scram_derive(scram_mechanism m, str salted_password, scram_credential *out);

/* One exchange. {0} before scram_first. */
typedef struct scram_exchange {
    scram_mechanism mechanism;
    str user; /* arena */
    str header, client_first, server_first, nonce, own_nonce; /* arena */
} scram_exchange;

/* Reads client-first-message; false when it makes no sense. x->user says whose credential is wanted. */
bool scram_first(scram_exchange *x, scram_mechanism m, str message, arena *a);
/* Answers it; `random` are 18 bytes nobody can foresee. */
str scram_challenge(scram_exchange *x, const scram_credential *c, const uint8_t random[18], arena *a);
/* Checks client-final-message; on success *answer is the server's signature, which the client checks. */
bool scram_final(const scram_exchange *x, const scram_credential *c, str message, arena *a, str *answer);

#endif
