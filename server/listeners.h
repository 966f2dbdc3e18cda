/*
 * server/listeners.h - which Kafka listeners the settings ask for: names, addresses, protocols, logins, keys.
 *
 * Kafka's settings: kafka.listeners (Kafka's `listeners`; that name is ksqlDB's for HTTP), kafka.advertised.listeners,
 * listener.security.protocol.map, and listener.name.NAME.SETTING for what holds for one listener. Read once at start.
 */
#ifndef SERVER_LISTENERS_H
#define SERVER_LISTENERS_H

#include "base/arena.h"
#include "broker/broker.h"
#include "server/config.h"
#include "server/net.h"
#include "server/tls.h"

/* Kafka's security protocols. */
typedef enum listener_protocol {
    LISTENER_PLAINTEXT,
    LISTENER_SSL,
    LISTENER_SASL_PLAINTEXT,
    LISTENER_SASL_SSL,
} listener_protocol;

/* One listener. Texts live as long as the config and the arena. */
typedef struct listener_spec {
    str name; /* upper case */
    listener_protocol protocol;
    net_address listen;
    net_address advertised; /* host empty: where it listens */
    broker_listener broker; /* what the broker is told of its connections */
    tls_options tls; /* with a protocol that has it */
} listener_spec;

/* The name of a protocol as Kafka writes it. */
const char *listener_protocol_name(listener_protocol p);

/* Whether its connections are encrypted. */
bool listener_encrypts(listener_protocol p);

/* The listeners of the settings, in their order; their number goes to *n. NULL and an error when they are wrong. */
listener_spec *listeners_read(const config *c, arena *a, size_t *n, diag *d);

/* The TLS settings of the server (ssl.*), or those of a Kafka listener when a name is given (lower case). */
tls_options listeners_tls(const config *c, str name, arena *a);

#endif
