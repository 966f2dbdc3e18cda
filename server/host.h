/*
 * server/host.h - the executor of SQL in the server: catalogue, running queries, and the statements that change them.
 *
 * The catalogue is a chain of immutable snapshots; the statement thread alone makes new ones. Statements are recorded
 * in catalog.db and replayed at a start through the same code; queries then go on from what their databases hold.
 * Pull and push queries begin on whatever thread asks.
 */
#ifndef SERVER_HOST_H
#define SERVER_HOST_H

#include "base/file.h"
#include "broker/broker.h"
#include "server/config.h"
#include "server/executor.h"
#include "server/pool.h"

typedef struct host host;

/* What a host needs; everything outlives it. */
typedef struct host_options {
    fs *fs;
    const char *data_dir;
    broker *broker;
    const config *config;
    const char *service_id;
    pool *statements; /* the statement thread: stopped queries are freed there */
} host_options;

/* Opens the catalogue, starts workers and queries. NULL and an error when the folder's contents cannot be used. */
host *host_open(const host_options *options, diag *d);

/* The executor to give to the HTTP API; valid until host_close. */
executor *host_executor(host *h);

/* Ends what posts to the statement thread and all push queries, before that thread is stopped. */
void host_stop_work(host *h);

/* Stops all queries and closes the catalogue; the statement thread has ended. NULL is allowed. */
void host_close(host *h);

#endif
