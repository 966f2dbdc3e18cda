/*
 * server/rest.h - ksqlDB's REST API: the route table, its errors, and what the handlers share.
 *
 * Handlers run on the HTTP loop's thread and never block: statements go to the statement thread, rows come back by
 * letters. An error answer always has ksqlDB's JSON shape (`@type`, error_code, message).
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "base/arena.h"
#include "server/config.h"
#include "server/executor.h"
#include "server/http.h"
#include "server/loop.h"
#include "server/pool.h"

/* ksqlDB's error codes: the HTTP status times 100 plus a number. */
typedef enum rest_code {
    REST_BAD_REQUEST = 40000,
    REST_BAD_STATEMENT = 40001,
    REST_QUERY_ENDPOINT = 40002,
    REST_TOO_MANY_PUSH_QUERIES = 40003,
    REST_HTTP2_ONLY = 40004,
    REST_INTERNAL_ONLY = 40005,
    REST_NOT_FOUND = 40400,
    REST_METHOD_NOT_ALLOWED = 40500,
    REST_NOT_ACCEPTABLE = 40600,
    REST_ASSERTION_FAILED = 41700,
    REST_TOO_MANY_REQUESTS = 42900,
    REST_SERVER_ERROR = 50000,
    REST_COMMAND_TIMEOUT = 50301,
    REST_STARTING = 50302,
    REST_SHUTTING_DOWN = 50303,
} rest_code;

/* Media types of requests and answers. */
typedef enum rest_media {
    REST_MEDIA_KSQL, /* application/vnd.ksql.v1+json */
    REST_MEDIA_JSON, /* application/json */
    REST_MEDIA_DELIMITED, /* application/vnd.ksqlapi.delimited.v1 */
    REST_MEDIA_NONE, /* nothing that the client accepts */
} rest_media;

/*
 * What the handlers share. Public layout: the server fills it in before the loop starts; then the HTTP loop's thread
 * owns it.
 */
typedef struct rest {
    loop *loop; /* the HTTP loop */
    pool *statements; /* one thread: statements run one after the other */
    pool *readers; /* begin queries that may block */
    const config *config;
    executor *executor; /* NULL: a server of the Kafka protocol only; statements are answered with 50302 */
    const char *version;
    const char *cluster_id; /* of the broker */
    const char *service_id;
    bool stopping;
    int push_queries; /* open ones, against ksql.max.push.queries */
    int jobs; /* requests on other threads whose letters are still to come */
    exec_stream *streams; /* open streams, for /close-query and the stop */
} rest;

/* What hangs on an exchange whose answer comes later. */
typedef struct rest_pending {
    void (*closed)(struct rest_pending *p); /* the client has gone */
    void (*writable)(struct rest_pending *p); /* a full answer has room again */
} rest_pending;

/* The service's entry: finds the route and calls its handler. context is an api. */
void rest_request(void *context, http_exchange *x, const http_request *rq);
/* The other two calls of an http_service. */
void rest_closed(void *context, http_exchange *x);
void rest_writable(void *context, http_exchange *x);

/* Ends all streams; the loop's thread, when the server stops. */
void rest_stop(rest *a);
/* True when no letter for the API is under way any more. */
bool rest_drained(const rest *a);

/*
 * A request body that ksqlDB calls KsqlRequest or QueryStreamArgs, read into an arena; false when x was answered with
 * an error.
 */
bool rest_read_request(http_exchange *x, const http_request *rq, const char *sql_name, const char *properties_name,
                       arena *mem, exec_request *out);

/* Answers with an error: {"@type":"generic_error","error_code":code,"message":...}; the status is code / 100. */
void rest_error(http_exchange *x, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with the statement's text and what ran before it (JSON of the entities, "[]" when nothing). */
void rest_statement_error(http_exchange *x, int code, str message, str statement, str entities);

/* The first of `offered` (count of them, the default first) that the request's Accept header takes. */
rest_media rest_accept(const http_request *rq, const rest_media *offered, int count);
/* The name of a media type. */
const char *rest_media_name(rest_media m);

/* Answers 200 with JSON in the media type that the client accepts, or 406. */
void rest_json(http_exchange *x, const http_request *rq, str body);

/* Answers with a failed reply of the executor. */
void rest_reply_failure(http_exchange *x, const exec_reply *r);

/* Handlers of rest_ksql.c and rest_query.c; arg is what stood behind the route's fixed part. */
void rest_ksql(rest *a, http_exchange *x, const http_request *rq, str arg);
void rest_terminate(rest *a, http_exchange *x, const http_request *rq, str arg);
void rest_query(rest *a, http_exchange *x, const http_request *rq, str arg);
void rest_query_stream(rest *a, http_exchange *x, const http_request *rq, str arg);
void rest_close_query(rest *a, http_exchange *x, const http_request *rq, str arg);

#endif
