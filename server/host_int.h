/*
 * server/host_int.h - what the files of the host share. Internal to server/host*.c.
 *
 * Locks: `lock` guards the catalogue pointer, the table of running queries and the list of transient ones; it is held
 * for moments only. Running queries are counted, so that a pull read keeps its query while it is being stopped.
 */
#ifndef SERVER_HOST_INT_H
#define SERVER_HOST_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "connect/connect.h"
#include "server/hosted.h"
#include "server/host.h"
#include "server/rest.h"
#include "sql/parse.h"
#include "sql/sql.h"
#include "state/catalog_db.h"

enum { QUERY_ERRORS_MAX = 10 }; /* as ksql.query.error.max.queue.size has it */

/* A failure that a query had. */
typedef struct running_error {
    int64_t at_ms; /* wall clock */
    diag_code code;
    char *text;
} running_error;

/* A persistent query that runs, or that failed and will be tried again. */
typedef struct running {
    struct host *host;
    str id; /* of `query` */
    const catalog_query *query; /* with a reference */
    int64_t producer_id;
    hosted *hosted; /* NULL: it could not be started */
    diag error; /* why the last run ended, or could not begin */
    running_error errors[QUERY_ERRORS_MAX]; /* the newest ones, oldest first; they outlive a recovery */
    int error_count;
    atomic_int readers; /* pull reads under way */
    atomic_bool stopping; /* no new ones */
    bool paused; /* as the catalogue has it */
    bool failed; /* `hosted` waits to be taken down */
    bool posted; /* a letter about it is on its way to the statement thread */
    int64_t started_at_ms; /* monotonic */
    int64_t retry_ms; /* present back-off */
    int64_t retry_at_ms; /* monotonic; 0: none is due */
} running;

/* A transient query: push, or PRINT. */
typedef struct transient transient;

struct host {
    executor base; /* first */
    host_options options;
    hosted_env env;
    store_budget budget; /* state.cache.bytes, of all queries */
    str group_prefix;
    catalog_db *db;
    io_proclog *proclog;
    str proclog_topic;
    pthread_mutex_t lock;
    catalog *catalog; /* the newest snapshot */
    running **running; /* in the order of their creation */
    int running_count;
    int running_cap;
    transient *transients;
    arena *mem;
    pthread_t housekeeper; /* retries, flushes the processing log, shows offsets */
    pthread_cond_t housekeep;
    bool housekeeping;
    bool ending;
};

/* ---- host.c ---- */

/* Topics that do not exist yet, while a request is tried. */
typedef struct host_topics {
    host *host;
    bool replaying; /* unknown topics count as there: their queries will say that they are not */
    struct {
        str name;
        sql_topic topic;
        bool gone;
    } items[256];
    int count;
} host_topics;

/* The present time, as the broker is told it; arg is not used. */
broker_time host_now(void *arg);
/* The newest snapshot with a reference. Any thread. */
catalog *host_catalog(host *h);
/* Replaces it; takes over the reference. Statement thread. */
void host_publish(host *h, catalog *next);
/* What statements ask about topics. `made`: topics that earlier statements of a request would make (may be NULL). */
sql_env host_sql_env(host *h, host_topics *made, int64_t now_ms);

/* Executes the statements of a request. Statement thread. */
void host_execute(executor *e, const exec_request *rq, exec_reply *out);
/* Ends all queries and drops all sources, and the topics that match. Statement thread. */
void host_terminate(executor *e, const str *patterns, size_t n, exec_reply *out);

/* A session as the server's defaults and the request describe it. */
bool host_session(host *h, const exec_request *rq, sql_session *out, diag *d);

/* ---- host_queries.c ---- */

/* Fills the settings of a query. */
void host_apply_settings(const settings *s, hosted_options *o);

/* Starts a query; when that fails it stays in the table with its error, and is tried again. */
running *host_start_query(host *h, const catalog_query *q, int64_t producer_id, diag *d);
/* Stops it and takes it out of the table; `forget`: its state goes as well. */
void host_stop_query(host *h, str id, bool forget);
/* Finds a query and keeps it for a read; NULL when it does not exist or is being stopped. */
running *host_hold_query(host *h, str id);
void host_release_query(running *r);
/* Pauses it or lets it go on, as q says; one that has failed stays so when it is started again. Statement thread. */
void host_pause_query(host *h, const catalog_query *q);
/* Takes down what has failed, and starts what is due again. Housekeeper. */
void host_retry_due(host *h);
/* Does for every running query what is due now and then. The housekeeper's. */
void host_upkeep(host *h);

/* ---- host_effects.c ---- */

/* Applies an outcome: records the statement, makes topics, starts and stops queries, appends rows. */
bool host_apply(host *h, const ast_stmt *stmt, const sql_session *session, int64_t number, sql_outcome *out,
                int64_t now_ms, diag *d);
/* Reads "name=value" lines, as they are recorded with a statement. */
bool host_read_settings(str text, settings *out, diag *d);
/* Reads the recorded statements, undoes the pending ones, and starts what is there. */
bool host_replay(host *h, diag *d);

/* ---- host_proclog.c ---- */

/* Makes the stream over the processing log when settings want it and there is none of its name. At the start. */
void host_make_log_stream(host *h);

/* ---- host_insert.c ---- */

/* Appends the row of an INSERT VALUES to its source's topic, synced. */
bool host_insert(host *h, const effect *e, diag *d);

/* ---- host_results.c ---- */

/* Adds the entity for a result. */
void host_result(host *h, const catalog *c, const sql_session *session, const ast_stmt *stmt, const sql_outcome *out,
                 int64_t number, exec_reply *reply);

/* ---- host_push.c, host_pull.c, host_print.c ---- */

/* Begins the request's SELECT or PRINT. */
exec_begin host_begin_query(host *h, const exec_request *rq, exec_stream *s, bool may_block, exec_reply *out);
/*
 * Runs a transient plan whose rows go to the stream, as rows of `result` (its value columns; result_keys as in struct
 * planned). Takes over mem, in which everything lives. Always EXEC_STARTED: a failure ends the stream.
 */
exec_begin host_begin_rows(host *h, const sql_session *session, const plan *root, const schema *result,
                           const int *result_keys, bool bounded, exec_stream_kind kind, str id, arena *mem,
                           exec_stream *s, str statement);
/* A push query; takes over mem. */
exec_begin host_begin_push(host *h, const sql_session *session, const sql_result *r, arena *mem, exec_stream *s,
                           str statement);
/*
 * A pull query of a table, or of a stream up to its end; takes over mem unless the answer is EXEC_BLOCKS or
 * EXEC_FAILED.
 */
exec_begin host_begin_pull(host *h, const sql_session *session, const planned_pull *p, arena *mem, exec_stream *s,
                           bool may_block, str statement, exec_reply *out);
/* PRINT; takes over mem unless it fails. */
exec_begin host_begin_print(host *h, const sql_print *p, arena *mem, exec_stream *s, str statement, exec_reply *out);

/* A transient query as the host keeps it. Embedded first. */
struct transient {
    host *host;
    transient *next, *prev;
    str id;
    str statement;
    exec_stream *stream;
    arena *mem;
    atomic_bool closing; /* the letter that ends it was posted */
    bool stream_ended;
    mail close;
    void (*end)(transient *t); /* statement thread: stops it; afterwards nothing touches the stream */
    void (*wake)(transient *t); /* any thread: the stream has room again */
};

/* Puts a new stream's query on the list of those that end with their client. Any thread. */
void host_add_transient(host *h, transient *t);
/* Posts the letter that ends it, once. Any thread. */
void host_close_transient(transient *t);
/* Whether there is one of this id (in any case, as TERMINATE folds it); with `end` it is closed. Any thread. */
bool host_end_transient(host *h, str id, bool end);

#endif
