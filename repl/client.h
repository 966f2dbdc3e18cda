/*
 * repl/client.h - a small blocking HTTP/1.1 client: one request at a time, answers read line by line as they come.
 *
 * The prompt talks to a server as any other client would. One thread. A wait ends early when the cancel descriptor
 * becomes readable (Ctrl-C); the connection is then closed, which ends a query on the server.
 */
#ifndef REPL_CLIENT_H
#define REPL_CLIENT_H

#include "base/buf.h"
#include "base/diag.h"

typedef struct client client;

/* How an exchange ended or stands. */
typedef enum client_status {
    CLIENT_OK,
    CLIENT_END, /* client_line: the answer is complete */
    CLIENT_CANCELLED, /* the cancel descriptor became readable */
    CLIENT_FAILED, /* the diag says why */
} client_status;

/*
 * A client of "http://HOST:PORT" (the scheme may be left out); nothing is connected yet. NULL and an error when
 * malformed.
 */
client *client_new(str url, diag *d);
/* NULL is allowed. */
void client_free(client *c);

/* "http://HOST:PORT", as it was understood. */
const char *client_url(const client *c);

/* A name and password for each request from now on; NULL for none. */
void client_set_user(client *c, const char *user, const char *password);

/* Waits end when this descriptor is readable; -1 for none. */
void client_set_cancel(client *c, int fd);

/*
 * Called about five times a second while a request waits for its answer, with the milliseconds so far. NULL for none.
 */
void client_set_progress(client *c, void (*fn)(void *arg, int64_t waited_ms), void *arg);

/*
 * Sends a request and reads the head of its answer. body.p == NULL: GET, else POST of JSON. A second try is made when a
 * kept connection turns out to be closed.
 */
client_status client_request(client *c, const char *path, const char *accept, str body, int *http_status, diag *d);

/* The next line of the answer without its end, valid until the next call; the last may lack its end. */
client_status client_line(client *c, str *line, diag *d);

/* All that is left of the answer, appended to out. */
client_status client_rest(client *c, buf *out, diag *d);

/* Gives the answer up: closes the connection if anything of it is still to come. */
void client_drop(client *c);

#endif
