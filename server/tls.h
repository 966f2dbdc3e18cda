/*
 * server/tls.h - TLS over a non-blocking socket, with OpenSSL.
 *
 * A context is what a listener offers (key, certificates, trusted CAs, versions); it is made before threads start and
 * then belongs to one loop's thread together with all its connections. A connection sits between a socket and its user:
 * tls_read takes what came from the socket and gives plain bytes, tls_write encrypts into memory, tls_flush sends that.
 * The user waits for the socket himself. The handshake happens inside tls_read. Renegotiation, compression, early data
 * and session tickets are off.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include "base/buf.h"
#include "base/diag.h"

typedef struct tls_context tls_context;
typedef struct tls tls;

/* The settings of a context by Kafka's names ("ssl." in front). Slices are only read by tls_context_new. */
typedef struct tls_options {
    str keystore_location, keystore_type, keystore_password, keystore_key, keystore_certificate_chain, key_password;
    str truststore_location, truststore_type, truststore_password, truststore_certificates;
    str client_auth, enabled_protocols, cipher_suites, principal_mapping_rules;
    bool http; /* clients may ask for HTTP/2 (ALPN, RFC 7301) */
} tls_options;

/* Loads keys and certificates. NULL and an error that names the setting that is wrong. */
tls_context *tls_context_new(const tls_options *options, diag *d);

/* After its connections. NULL is allowed. */
void tls_context_free(tls_context *x);

/* Whether every client has to show a certificate. */
bool tls_context_authenticates(const tls_context *x);

/* A turn of the loop ends: handshakes may take their time again. */
void tls_context_turn(tls_context *x);

/* A new server connection; its handshake begins with the first bytes read. */
tls *tls_new(tls_context *x);

/* NULL is allowed. */
void tls_free(tls *t);

/* What became of a read or a flush. */
typedef enum tls_status {
    TLS_OK, /* something was done */
    TLS_AGAIN, /* the socket has to be waited for */
    TLS_END, /* the other side sends no more */
    TLS_FAILED, /* tls_error says why */
} tls_status;

enum { TLS_READ_MIN = 48 * 1024 }; /* the least room that tls_read must be given */

/*
 * Reads once from the socket and decrypts all that it can: afterwards nothing is left that a wait for the socket would
 * not announce. *got bytes are good in any case; there may be none although it is TLS_OK (a part of the handshake).
 * There may be something to flush afterwards, also after TLS_FAILED (the alert).
 */
tls_status tls_read(tls *t, int fd, void *p, size_t n, size_t *got);

/*
 * Whether reading is to be left to the loop's next turn, because handshakes have taken their time of this one: many
 * clients that connect must not hold up those that are connected.
 */
bool tls_must_wait(const tls *t);

/* Encrypts n bytes into memory. Not before tls_ready. false: the connection is broken. */
bool tls_write(tls *t, const void *p, size_t n);

/* Sends what is encrypted: TLS_OK when nothing is left. */
tls_status tls_flush(tls *t, int fd);

/* Bytes that wait to be flushed. */
size_t tls_waiting(const tls *t);

/* Whether the handshake is done. */
bool tls_ready(const tls *t);

/* Tells the other side that nothing more comes; to be flushed. */
void tls_goodbye(tls *t);

/* Why the connection failed. */
const char *tls_error(const tls *t);

/*
 * The name of the client by its certificate, mapped by the rules: appended to out. 0: it showed none, -1: no rule
 * applies (tls_error says so), else 1.
 */
int tls_principal(tls *t, buf *out);

#endif
