/*
 * server/executor.h - the seam between the HTTP API and whoever executes SQL.
 *
 * The API turns request bodies into an exec_request and typed answers into JSON; the executor knows neither HTTP nor
 * JSON. `execute` runs on the statement thread (one at a time, may block). `query` begins a SELECT or PRINT and hands
 * its rows to an exec_stream from whatever thread makes them. Slices in a request are valid during the call.
 */
#ifndef SERVER_EXECUTOR_H
#define SERVER_EXECUTOR_H

#include "base/arena.h"
#include "engine/chunk.h"
#include "engine/io.h"
#include "server/entity.h"

typedef struct executor executor;
typedef struct exec_stream exec_stream;

/* A property or variable of the request; a property whose JSON value was null has null set. */
typedef struct exec_setting {
    str name;
    str value; /* numbers and booleans as their JSON text */
    bool null;
} exec_setting;

/* One request: the text and the session that came with it. */
typedef struct exec_request {
    str text;
    const exec_setting *properties; /* streamsProperties, or `properties` of /query-stream */
    size_t properties_n;
    const exec_setting *variables; /* sessionVariables */
    size_t variables_n;
    int64_t now_ms; /* wall clock */
} exec_request;

/* What execute answers. On failure code, message and statement say why, and entities holds what had run before. */
typedef struct exec_reply {
    arena *mem; /* the caller's: everything in the reply lives here */
    entity *entities;
    size_t n, cap;
    int code; /* 0: all went well; else a ksqlDB error code (server/rest.h) */
    str message;
    str statement; /* the failing one; p == NULL: the error belongs to no statement */
} exec_reply;

/* Adds an entity to a reply and returns it, zeroed, for filling in. */
entity *exec_reply_add(exec_reply *r, entity_kind kind, str statement);

/* Makes the reply a failure; the message is copied. Returns false. */
bool exec_reply_fail(exec_reply *r, int code, str statement, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How a query came out of `query`. */
typedef enum exec_begin {
    EXEC_STARTED, /* rows come, or came already, through the stream; exec_stream_end will be called, or was */
    EXEC_BLOCKS, /* asked with may_block == false and it would: ask again on a thread that may */
    EXEC_FAILED, /* the reply says why; the stream was not touched */
} exec_begin;

/* One distributed statement and where it stands, for /status. */
typedef struct exec_command_status {
    str command_id;
    str status;
    str message;
    str query_id;
} exec_command_status;

/* What an executor does. */
typedef struct executor_class {
    /* Runs all statements of the text in their order, stopping at the first that fails. Statement thread. */
    void (*execute)(executor *e, const exec_request *rq, exec_reply *out);
    /*
     * Ends all queries and drops all sources; topics of sources whose name one of the patterns (texts or regular
     * expressions) matches go as well. Statement thread.
     */
    void (*terminate)(executor *e, const str *patterns, size_t n, exec_reply *out);
    /*
     * Begins the text's one SELECT or PRINT. May be called on the HTTP loop's thread with may_block == false: a keyed
     * pull is answered there at once.
     */
    exec_begin (*query)(executor *e, const exec_request *rq, exec_stream *s, bool may_block, exec_reply *out);
    /* The reader of a stream has gone: end its query soon. Any thread; `handle` is what exec_stream_open was given. */
    void (*cancel)(executor *e, void *handle);
    /* A stream that was full has room again: wake its task. Any thread. */
    void (*resume)(executor *e, void *handle);
    /* Whether a client may set the property; else the error says why. Any thread. */
    bool (*valid_property)(executor *e, str name, diag *d);
    /* The i-th command; false past the last. HTTP loop's thread, must not block; slices valid until the next call. */
    bool (*command_status)(executor *e, size_t i, exec_command_status *out);
    /* Whether statements can be executed (the catalogue is open and sound). Any thread, must not block. */
    bool (*healthy)(executor *e);
} executor_class;

/* An executor embeds this as its first member. */
struct executor {
    const executor_class *class;
};

/* ---- rows out: any thread, one at a time per stream ---------------------------------------------------------- */

/* What a stream carries, which decides its header and its last message. */
typedef enum exec_stream_kind {
    EXEC_PULL, /* snapshot of a table */
    EXEC_PULL_STREAM, /* a stream up to its end; unlike a table's, its last message says how it ended */
    EXEC_PUSH, /* EMIT CHANGES */
    EXEC_PRINT, /* lines of text */
} exec_stream_kind;

/*
 * Says what is coming: before anything else. The schema is copied; for a pull query its key columns are marked in the
 * header. handle goes to cancel and resume until exec_stream_end.
 */
void exec_stream_open(exec_stream *s, exec_stream_kind kind, str query_id, const schema *schema, void *handle);

/*
 * The selected rows of a chunk, all columns of its schema in order, keys first; a deleted row of a table becomes a
 * tombstone. IO_BLOCKED: the client reads too slowly, nothing was taken; `resume` is called when there is room. After
 * the client has gone rows are dropped (IO_END).
 */
io_status exec_stream_rows(exec_stream *s, const chunk *rows);

/* One row of boxed values, in the order of the schema. The same results. */
io_status exec_stream_row(exec_stream *s, const value *row);

/* One line of PRINT, without its line end. */
io_status exec_stream_line(exec_stream *s, str line);

/* How a stream ends. */
typedef enum exec_end {
    EXEC_END_DONE, /* everything was said */
    EXEC_END_LIMIT, /* LIMIT was reached */
    EXEC_END_ERROR,
} exec_end;

/* The last call: the stream must not be used any more. The error (code as in a reply) only for EXEC_END_ERROR. */
void exec_stream_end(exec_stream *s, exec_end how, int code, const char *message);

/* True once the client has gone (a producer between rows may look). */
bool exec_stream_gone(const exec_stream *s);

#endif
