#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "server/rest.h"
#include "server/row_json.h"

/*
 * The three ways in which rows are written (reference: JsonStreamedRow-, DelimitedQueryStream-,
 * JsonQueryStreamResponseWriter).
 */
typedef enum stream_form { FORM_STREAMED_ROW, FORM_DELIMITED, FORM_JSON } stream_form;

/*
 * One open answer of /query or /query-stream. Two sides hold it: the exchange (loop's thread) and the producer (any
 * thread), and the last one that lets go frees it. What both touch is under the lock; the producer writes JSON, the
 * loop only moves it.
 */
struct exec_stream {
    rest_pending pending; /* first */
    rest *a;
    exec_stream *next, *prev; /* of the api's list; loop */
    http_exchange *x; /* loop; NULL once the client has gone or the answer is complete */
    bool begun; /* loop: the head was sent */
    bool full; /* loop: the client reads slowly */
    bool counted; /* loop: among the push queries */
    stream_form form;
    arena *mem;
    exec_request rq; /* while the query begins on another thread */
    exec_reply reply;
    mail begin;

    pthread_mutex_t lock;
    int refs;
    mail deliver;
    bool posted; /* deliver is on its way */
    bool inside; /* the producer runs inside rest_begin: nothing needs to be posted */
    bool opened, ended, gone;
    bool blocked; /* the producer was told IO_BLOCKED */
    bool failed; /* ended before it was opened: reply says why */
    exec_stream_kind kind;
    char *query_id;
    schema *columns;
    void *handle;
    uint64_t elements; /* of the JSON array, header included */
    size_t limit;
    buf out;
};

static void release(exec_stream *s)
{
    pthread_mutex_lock(&s->lock);
    int refs = --s->refs;
    pthread_mutex_unlock(&s->lock);
    if (refs > 0) return;
    pthread_mutex_destroy(&s->lock);
    buf_free(&s->out);
    arena_free(s->mem);
    free(s);
}

/* ---- the producer's side ------------------------------------------------------------------------------------- */

/* Under the lock: has the loop look at the stream. */
static void notify(exec_stream *s)
{
    if (s->posted || s->inside) return;
    s->posted = true;
    s->refs++;
    loop_post(s->a->loop, &s->deliver);
}

/*
 * What stands before an element. A push query's rows end with ",\n" instead, so that clients that read lines see each
 * at once.
 */
static void before_element(exec_stream *s)
{
    if (s->elements++ == 0) {
        if (s->form != FORM_DELIMITED) buf_add_char(&s->out, '[');
    } else if (s->form == FORM_JSON) {
        buf_add_char(&s->out, ',');
    } else if (s->form == FORM_STREAMED_ROW && s->kind != EXEC_PUSH) {
        buf_add_z(&s->out, ",\n");
    }
}

static void after_element(exec_stream *s, bool last)
{
    if (s->form == FORM_DELIMITED)
        buf_add_char(&s->out, '\n');
    else if (s->form == FORM_STREAMED_ROW && s->kind == EXEC_PUSH && !last)
        buf_add_z(&s->out, ",\n");
}

/* {"header":{"queryId":"...","schema":"`A` STRING KEY, `B` BIGINT"}} */
static void put_streamed_header(exec_stream *s)
{
    json_out o = {.b = &s->out};
    buf text = {0};
    for (int i = 0; i < s->columns->count; i++) {
        const column *c = &s->columns->columns[i];
        if (i > 0) buf_add_z(&text, ", ");
        schema_print_name(c->name, &text);
        buf_add_char(&text, ' ');
        type_print(c->type, &text);
        if (s->kind != EXEC_PUSH && c->role == COLUMN_KEY) buf_add_z(&text, " KEY");
    }
    json_out_object(&o);
    json_out_key(&o, "header");
    json_out_object(&o);
    json_out_key(&o, "queryId");
    json_out_z(&o, s->query_id);
    json_out_key(&o, "schema");
    json_out_str(&o, buf_str(&text));
    json_out_end_object(&o);
    json_out_end_object(&o);
    buf_free(&text);
}

static void put_metadata(exec_stream *s)
{
    json_out o = {.b = &s->out};
    buf text = {0};
    json_out_object(&o);
    json_out_key(&o, "queryId");
    json_out_z(&o, s->query_id);
    json_out_key(&o, "columnNames");
    json_out_array(&o);
    for (int i = 0; i < s->columns->count; i++) json_out_str(&o, s->columns->columns[i].name);
    json_out_end_array(&o);
    json_out_key(&o, "columnTypes");
    json_out_array(&o);
    for (int i = 0; i < s->columns->count; i++) {
        buf_clear(&text);
        type_print(s->columns->columns[i].type, &text);
        json_out_str(&o, buf_str(&text));
    }
    json_out_end_array(&o);
    json_out_end_object(&o);
    buf_free(&text);
}

/* A copy whose columns stay in their order (schema_copy would bring the keys to the front). */
static schema *copy_columns(arena *a, const schema *from)
{
    schema *to = ARENA_NEW(a, schema);
    column *columns = ARENA_ARRAY(a, column, (size_t)from->count + 1);
    for (int i = 0; i < from->count; i++) {
        columns[i] = from->columns[i];
        columns[i].name = arena_str(a, columns[i].name);
        columns[i].type = type_copy(a, columns[i].type);
    }
    *to = *from;
    to->columns = columns;
    return to;
}

void exec_stream_open(exec_stream *s, exec_stream_kind kind, str query_id, const schema *columns, void *handle)
{
    pthread_mutex_lock(&s->lock);
    check(!s->opened && !s->ended);
    s->opened = true;
    s->kind = kind;
    s->query_id = arena_strz(s->mem, query_id);
    s->handle = handle;
    if (kind != EXEC_PRINT) {
        s->columns = copy_columns(s->mem, columns);
        before_element(s);
        if (s->form == FORM_STREAMED_ROW)
            put_streamed_header(s);
        else
            put_metadata(s);
        after_element(s, false);
    }
    notify(s);
    pthread_mutex_unlock(&s->lock);
}

/* Takes the lock when the producer may write; otherwise says why not. */
static io_status lock_for_rows(exec_stream *s)
{
    pthread_mutex_lock(&s->lock);
    check(s->opened && !s->ended);
    io_status status = s->gone ? IO_END : s->out.len > s->limit ? IO_BLOCKED : IO_OK;
    if (status == IO_OK) return status;
    if (status == IO_BLOCKED) s->blocked = true;
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void begin_row(exec_stream *s)
{
    before_element(s);
    buf_add_z(&s->out, s->form == FORM_STREAMED_ROW ? "{\"row\":{\"columns\":[" : "[");
}

static void end_row(exec_stream *s, bool tombstone)
{
    buf_add_char(&s->out, ']');
    if (s->form == FORM_STREAMED_ROW) buf_add_z(&s->out, tombstone ? ",\"tombstone\":true}}" : "}}");
    after_element(s, false);
}

io_status exec_stream_rows(exec_stream *s, const chunk *rows)
{
    io_status status = lock_for_rows(s);
    if (status != IO_OK) return status;
    const schema *columns = rows->schema;
    for (uint32_t k = 0; k < rows->count; k++) {
        uint32_t row = chunk_row(rows, k);
        bool tombstone = columns->is_table && (rows->flags[row] & ROW_VALUE_NULL);
        if (tombstone && s->form != FORM_STREAMED_ROW) continue; /* the other forms cannot say it */
        begin_row(s);
        for (int i = 0; i < columns->count; i++) {
            if (i > 0) buf_add_char(&s->out, ',');
            /* A tombstone shows its key and null for the rest. */
            if (tombstone && s->columns->columns[i].role != COLUMN_KEY)
                buf_add_z(&s->out, "null");
            else
                row_json_value(&s->out, columns->columns[i].type, vec_get(&rows->cols[i], row));
        }
        end_row(s, tombstone);
    }
    notify(s);
    pthread_mutex_unlock(&s->lock);
    return IO_OK;
}

io_status exec_stream_row(exec_stream *s, const value *row)
{
    io_status status = lock_for_rows(s);
    if (status != IO_OK) return status;
    begin_row(s);
    for (int i = 0; i < s->columns->count; i++) {
        if (i > 0) buf_add_char(&s->out, ',');
        row_json_value(&s->out, s->columns->columns[i].type, row[i]);
    }
    end_row(s, false);
    notify(s);
    pthread_mutex_unlock(&s->lock);
    return IO_OK;
}

io_status exec_stream_line(exec_stream *s, str line)
{
    io_status status = lock_for_rows(s);
    if (status != IO_OK) return status;
    buf_add_str(&s->out, line);
    buf_add_char(&s->out, '\n');
    notify(s);
    pthread_mutex_unlock(&s->lock);
    return IO_OK;
}

static void put_error(exec_stream *s, int code, const char *message)
{
    json_out o = {.b = &s->out};
    bool wrapped = s->form == FORM_STREAMED_ROW;
    before_element(s);
    json_out_object(&o);
    if (wrapped) {
        json_out_key(&o, "errorMessage");
        json_out_object(&o);
    }
    json_out_key(&o, "@type");
    json_out_z(&o, "generic_error");
    json_out_key(&o, "error_code");
    json_out_i64(&o, code);
    json_out_key(&o, "message");
    json_out_z(&o, message);
    if (wrapped) json_out_end_object(&o);
    json_out_end_object(&o);
    after_element(s, true);
}

void exec_stream_end(exec_stream *s, exec_end how, int code, const char *message)
{
    pthread_mutex_lock(&s->lock);
    check(!s->ended);
    s->ended = true;
    s->handle = NULL;
    if (!s->opened) {
        s->failed = true;
        exec_reply_fail(&s->reply, how == EXEC_END_ERROR ? code : REST_SERVER_ERROR, s->rq.text, "%s",
                        how == EXEC_END_ERROR ? message : "The query ended before it began");
    } else if (s->kind == EXEC_PRINT) {
        if (how == EXEC_END_ERROR) buf_printf(&s->out, "%s\n", message);
    } else {
        if (how == EXEC_END_ERROR) {
            put_error(s, code, message);
        } else if (s->form == FORM_STREAMED_ROW && s->kind != EXEC_PULL) {
            before_element(s);
            buf_printf(&s->out, "{\"finalMessage\":\"%s\"}",
                       how == EXEC_END_LIMIT ? "Limit Reached" : "Query Completed");
        }
        if (s->form != FORM_DELIMITED) buf_add_char(&s->out, ']');
    }
    notify(s);
    pthread_mutex_unlock(&s->lock);
    release(s);
}

bool exec_stream_gone(const exec_stream *s)
{
    exec_stream *mutable = (exec_stream *)(uintptr_t)s;
    pthread_mutex_lock(&mutable->lock);
    bool gone = s->gone;
    pthread_mutex_unlock(&mutable->lock);
    return gone;
}

/* ---- the loop's side ----------------------------------------------------------------------------------------- */

/* The answer is complete or its client has gone: takes the stream off the list and lets go of it. */
static void let_go(exec_stream *s)
{
    rest *a = s->a;
    if (s->prev)
        s->prev->next = s->next;
    else
        a->streams = s->next;
    if (s->next) s->next->prev = s->prev;
    if (s->counted) a->push_queries--;
    s->x = NULL;
    release(s);
}

static const char *content_type(const exec_stream *s)
{
    if (s->form == FORM_DELIMITED) return rest_media_name(REST_MEDIA_DELIMITED);
    return rest_media_name(s->form == FORM_JSON ? REST_MEDIA_JSON : REST_MEDIA_KSQL);
}

/*
 * The producer's handle is good until the stream ends, which takes the lock: whoever uses it holds the lock all the
 * while.
 */
static void cancel(exec_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    if (s->handle) s->a->executor->class->cancel(s->a->executor, s->handle);
    pthread_mutex_unlock(&s->lock);
}

static void resume(exec_stream *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->handle) s->a->executor->class->resume(s->a->executor, s->handle);
    pthread_mutex_unlock(&s->lock);
}

/* Counts a push query; one too many is ended with an error. */
static bool admit(exec_stream *s, exec_stream_kind kind)
{
    int64_t most = config_int(s->a->config, "ksql.max.push.queries");
    if (kind != EXEC_PUSH || s->counted) return true;
    if (s->a->push_queries < most) {
        s->counted = true;
        s->a->push_queries++;
        return true;
    }
    http_exchange *x = s->x;
    cancel(s);
    http_set_user(x, NULL);
    let_go(s);
    rest_error(x, REST_TOO_MANY_PUSH_QUERIES,
               "Maximum number of push queries exceeded: %lld are open (ksql.max.push.queries)", (long long)most);
    return false;
}

/* Moves what the producer wrote to the exchange. */
static void deliver(exec_stream *s)
{
    if (!s->x || s->full) return;
    pthread_mutex_lock(&s->lock);
    buf out = s->out;
    s->out = (buf){0};
    bool opened = s->opened, ended = s->ended, blocked = s->blocked;
    exec_stream_kind kind = s->kind;
    s->blocked = false;
    pthread_mutex_unlock(&s->lock);

    http_exchange *x = s->x;
    if (ended && !s->begun) {
        http_set_user(x, NULL);
        if (s->failed)
            rest_reply_failure(x, &s->reply);
        else
            http_reply(x, 200, content_type(s), buf_str(&out));
        let_go(s);
    } else if (opened && admit(s, kind)) {
        if (!s->begun) http_reply_begin(x, 200, content_type(s));
        s->begun = true;
        if (out.len > 0) s->full = !http_reply_write(x, buf_str(&out));
        if (ended) {
            http_set_user(x, NULL);
            http_reply_end(x);
            let_go(s);
        } else if (blocked) {
            resume(s);
        }
    }
    buf_free(&out);
}

static void on_deliver(mail *m)
{
    exec_stream *s = container_of(m, exec_stream, deliver);
    pthread_mutex_lock(&s->lock);
    s->posted = false;
    pthread_mutex_unlock(&s->lock);
    deliver(s);
    release(s);
}

/* Tells the producer that nobody reads any more. */
static void stream_closed(rest_pending *p)
{
    exec_stream *s = (exec_stream *)p;
    cancel(s);
    let_go(s);
}

static void stream_writable(rest_pending *p)
{
    exec_stream *s = (exec_stream *)p;
    s->full = false;
    deliver(s);
}

/* ---- beginning ----------------------------------------------------------------------------------------------- */

/* The executor said how it went. */
static void begun(exec_stream *s, exec_begin how)
{
    if (how == EXEC_FAILED) {
        /* No producer: its share of the stream goes now. */
        if (s->x) {
            http_set_user(s->x, NULL);
            rest_reply_failure(s->x, &s->reply);
            let_go(s);
        }
        release(s);
        return;
    }
    if (!s->x) return; /* it went while the query began; the stream is marked gone */
    deliver(s);
}

typedef struct begin_report {
    mail mail;
    exec_stream *s;
    exec_begin how;
} begin_report;

static void on_begun(mail *m)
{
    begin_report *r = container_of(m, begin_report, mail);
    r->s->a->jobs--;
    exec_stream *s = r->s;
    begun(s, r->how);
    release(s);
    free(r);
}

/* On a thread that may block. The stream may have ended, and its producer's share be gone, when query returns. */
static void begin_elsewhere(mail *m)
{
    exec_stream *s = container_of(m, exec_stream, begin);
    executor *e = s->a->executor;
    begin_report *r = malloc(sizeof *r);
    check(r);
    *r = (begin_report){.mail = {.run = on_begun}, .s = s};
    r->how = e->class->query(e, &s->rq, s, true, &s->reply);
    check(r->how != EXEC_BLOCKS);
    loop_post(s->a->loop, &r->mail);
}

static void begin(exec_stream *s)
{
    executor *e = s->a->executor;
    s->refs++; /* this function's, then the report's */
    s->inside = true;
    exec_begin how = e->class->query(e, &s->rq, s, false, &s->reply);
    pthread_mutex_lock(&s->lock);
    s->inside = false;
    pthread_mutex_unlock(&s->lock);
    if (how == EXEC_BLOCKS) {
        s->begin.run = begin_elsewhere;
        s->a->jobs++;
        pool_post(s->a->readers, &s->begin);
        return;
    }
    begun(s, how);
    release(s);
}

static void start(rest *a, http_exchange *x, const http_request *rq, stream_form form, const char *sql_name,
                  const char *properties_name)
{
    if (a->stopping) {
        rest_error(x, REST_SHUTTING_DOWN, "The server is shutting down");
        return;
    }
    if (!a->executor) {
        rest_error(x, REST_STARTING, "Server initializing");
        return;
    }
    arena *mem = arena_new();
    exec_request request;
    if (!rest_read_request(x, rq, sql_name, properties_name, mem, &request)) {
        arena_free(mem);
        return;
    }
    exec_stream *s = calloc(1, sizeof *s);
    check(s);
    s->pending = (rest_pending){stream_closed, stream_writable};
    s->a = a;
    s->x = x;
    s->form = form;
    s->mem = mem;
    s->rq = request;
    s->reply.mem = mem;
    s->deliver.run = on_deliver;
    s->refs = 2; /* the exchange's and the producer's */
    s->limit = (size_t)config_int(a->config, "http.stream.buffer.bytes");
    pthread_mutex_init(&s->lock, NULL);
    s->next = a->streams;
    if (a->streams) a->streams->prev = s;
    a->streams = s;
    http_set_user(x, &s->pending);
    begin(s);
}

void rest_query(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    static const rest_media offered[] = {REST_MEDIA_KSQL, REST_MEDIA_JSON, REST_MEDIA_DELIMITED};
    rest_media media = rest_accept(rq, offered, ARRAY_LEN(offered));
    if (media == REST_MEDIA_NONE) {
        rest_error(x, REST_NOT_ACCEPTABLE, "/query answers with %s, %s or %s", rest_media_name(offered[0]),
                   rest_media_name(offered[1]), rest_media_name(offered[2]));
        return;
    }
    start(a, x, rq, media == REST_MEDIA_DELIMITED ? FORM_DELIMITED : FORM_STREAMED_ROW, "ksql", "streamsProperties");
}

void rest_query_stream(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    static const rest_media offered[] = {REST_MEDIA_DELIMITED, REST_MEDIA_JSON, REST_MEDIA_KSQL};
    static const stream_form forms[] = {
        [REST_MEDIA_DELIMITED] = FORM_DELIMITED, [REST_MEDIA_JSON] = FORM_JSON, [REST_MEDIA_KSQL] = FORM_STREAMED_ROW};
    rest_media media = rest_accept(rq, offered, ARRAY_LEN(offered));
    if (media == REST_MEDIA_NONE) {
        rest_error(x, REST_NOT_ACCEPTABLE, "/query-stream answers with %s, %s or %s", rest_media_name(offered[0]),
                   rest_media_name(offered[1]), rest_media_name(offered[2]));
        return;
    }
    start(a, x, rq, forms[media], "sql", "properties");
}

void rest_close_query(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    arena *mem = arena_new();
    diag d = {0};
    str id = {0};
    const json_value *v = json_parse(mem, arena_str(mem, rq->body), NULL, &d);
    if (!v || !json_as_str(json_getz(v, "queryId"), &id)) {
        rest_error(x, REST_BAD_REQUEST, "Invalid JSON in request: %s", d.text[0] ? d.text : "'queryId' is missing");
        arena_free(mem);
        return;
    }
    for (exec_stream *s = a->streams; s; s = s->next) {
        pthread_mutex_lock(&s->lock);
        bool found = s->opened && !s->ended && str_eqz(id, s->query_id);
        /* The query ends, and with it the answer that reads it. */
        if (found) a->executor->class->cancel(a->executor, s->handle);
        pthread_mutex_unlock(&s->lock);
        if (!found) continue;
        http_reply(x, 200, NULL, (str){0});
        arena_free(mem);
        return;
    }
    rest_error(x, REST_BAD_REQUEST, "No query with id %.*s", STR_ARG(id));
    arena_free(mem);
}

void rest_stop(rest *a)
{
    a->stopping = true;
    for (exec_stream *s = a->streams; s; s = s->next) cancel(s);
}

bool rest_drained(const rest *a)
{
    return a->jobs == 0;
}
