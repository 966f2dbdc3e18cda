/*
 * server/net.h - addresses and listening sockets.
 *
 * All sockets are non-blocking and close-on-exec. Thread-neutral.
 */
#ifndef SERVER_NET_H
#define SERVER_NET_H

#include <stdint.h>

#include "base/diag.h"
#include "base/str.h"

enum { NET_HOST_MAX = 256 };

/* HOST:PORT as the command line takes it. */
typedef struct net_address {
    char host[NET_HOST_MAX]; /* without the brackets of an IPv6 address */
    int port; /* 0: any free one */
} net_address;

/* Reads "HOST:PORT", "[v6]:PORT", ":PORT" or "PORT"; without a host it is 127.0.0.1. */
bool net_address_parse(str text, net_address *out, diag *d);

/*
 * Takes the next of a list of [NAME://]HOST:PORT: its name (empty when it has none) and the rest. false at the end.
 */
bool net_next_address(str *list, str *name, str *address);

/*
 * Listens; the port that was taken goes to a->port. Returns the socket, or -1 and an error that says what holds the
 * port.
 */
int net_listen(net_address *a, diag *d);

/* Takes a connection: the socket, or -1 with errno. The client's address as text goes to peer (NET_HOST_MAX bytes). */
int net_accept(int listener, char *peer);

/* Whether a listening socket can be reached from this machine alone. */
bool net_is_loopback(int fd);

/* Whether it listens on every address of the machine. */
bool net_is_any(int fd);

/* The address at which a client reached this connection, as text, to host (NET_HOST_MAX bytes). */
void net_own_host(int fd, char *host);

/* Raises the soft limit of open files to the hard one and returns it. */
int64_t net_raise_file_limit(void);

#endif
