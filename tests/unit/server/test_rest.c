/* The REST API over a pretended executor: bodies in, entities and rows out, slow and leaving clients, stop. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "repl/client.h"
#include "server/http_listener.h"
#include "server/rest.h"

/* What the executor is asked decides what it does: the text of a query is the name of its behaviour. */
typedef struct fake {
    executor base; /* first */
    arena *mem;
    const schema *columns;
    pthread_t producer;
    bool producing;
    exec_stream *stream;
    atomic_int cancelled, resumed, pushed, blocked;
} fake;

static void fake_execute(executor *e, const exec_request *rq, exec_reply *out)
{
    if (str_eqz(rq->text, "FAIL;")) {
        exec_reply_add(out, ENTITY_WARNING, STR("FIRST;"))->u.message = STR("ran");
        exec_reply_fail(out, REST_BAD_STATEMENT, STR("FAIL;"), "line 1:1: no \"%s\"", "way");
        return;
    }
    entity *s = exec_reply_add(out, ENTITY_STATUS, rq->text);
    s->u.status = (entity_status){STR("stream/`S`/create"), STR("SUCCESS"), STR("Stream created"), {0}, 7};
    entity_pair *pairs = ARENA_ARRAY(out->mem, entity_pair, rq->properties_n);
    for (size_t i = 0; i < rq->properties_n; i++) {
        pairs[i] =
            (entity_pair){arena_str(out->mem, rq->properties[i].name), arena_str(out->mem, rq->properties[i].value)};
    }
    entity *v = exec_reply_add(out, ENTITY_VARIABLES, rq->text);
    v->n = rq->properties_n;
    v->u.variables = pairs;
}

static void fake_terminate(executor *e, const str *patterns, size_t n, exec_reply *out)
{
    entity *s = exec_reply_add(out, ENTITY_WARNING, STR(""));
    s->u.message = n > 0 ? arena_str(out->mem, patterns[n - 1]) : STR("none");
}

/* A push query's thread: as many rows as the client takes, until it goes. */
static void *produce(void *arg)
{
    fake *f = arg;
    int n = 0;
    for (;;) {
        value row[2] = {{.s = STR("a long text, so that a slow reader's buffers fill up soon enough")}, {.l = n}};
        io_status status = exec_stream_row(f->stream, row);
        if (status == IO_END) break;
        if (status == IO_BLOCKED) {
            atomic_fetch_add(&f->blocked, 1);
            usleep(1000);
            if (atomic_load(&f->cancelled)) break;
            continue;
        }
        n++;
        atomic_fetch_add(&f->pushed, 1);
    }
    exec_stream_end(f->stream, EXEC_END_DONE, 0, NULL);
    return NULL;
}

static exec_begin fake_query(executor *e, const exec_request *rq, exec_stream *s, bool may_block, exec_reply *out)
{
    fake *f = (fake *)e;
    if (str_eqz(rq->text, "PULL;") || (str_eqz(rq->text, "ELSEWHERE;") && may_block)) {
        value row[2] = {{.s = STR("k\"1")}, {.l = 1}}, last[2] = {{.null = true}, {.l = INT64_MAX}};
        exec_stream_open(s, EXEC_PULL, STR("query_1"), f->columns, f);
        exec_stream_row(s, row);
        exec_stream_row(s, last);
        exec_stream_end(s, EXEC_END_DONE, 0, NULL);
        return EXEC_STARTED;
    }
    if (str_eqz(rq->text, "ELSEWHERE;")) return EXEC_BLOCKS;
    if (str_eqz(rq->text, "LIMIT;")) {
        value row[2] = {{.s = STR("x")}, {.l = 2}};
        exec_stream_open(s, EXEC_PUSH, STR("transient_1"), f->columns, f);
        exec_stream_row(s, row);
        exec_stream_end(s, EXEC_END_LIMIT, 0, NULL);
        return EXEC_STARTED;
    }
    if (str_eqz(rq->text, "BREAK;")) {
        exec_stream_open(s, EXEC_PUSH, STR("transient_2"), f->columns, f);
        exec_stream_end(s, EXEC_END_ERROR, REST_SERVER_ERROR, "it broke");
        return EXEC_STARTED;
    }
    if (str_eqz(rq->text, "PRINT;")) {
        exec_stream_open(s, EXEC_PRINT, STR("print"), NULL, f);
        exec_stream_line(s, STR("one"));
        exec_stream_end(s, EXEC_END_DONE, 0, NULL);
        return EXEC_STARTED;
    }
    if (str_eqz(rq->text, "ENDLESS;")) {
        exec_stream_open(s, EXEC_PUSH, STR("transient_3"), f->columns, f);
        f->stream = s;
        f->producing = true;
        pthread_create(&f->producer, NULL, produce, f);
        return EXEC_STARTED;
    }
    exec_reply_fail(out, REST_BAD_STATEMENT, rq->text, "no such query");
    return EXEC_FAILED;
}

static void fake_cancel(executor *e, void *handle)
{
    atomic_fetch_add(&((fake *)handle)->cancelled, 1);
}

static void fake_resume(executor *e, void *handle)
{
    atomic_fetch_add(&((fake *)handle)->resumed, 1);
}

static bool fake_valid(executor *e, str name, diag *d)
{
    return str_eqz(name, "a.b") || diag_set(d, DIAG_INVALID, "unknown property");
}

static bool fake_status(executor *e, size_t i, exec_command_status *out)
{
    *out = (exec_command_status){STR("stream/S/create"), STR("SUCCESS"), STR("made"), {0}};
    return i == 0;
}

static bool fake_healthy(executor *e)
{
    return true;
}

static const executor_class fake_class = {fake_execute, fake_terminate, fake_query,  fake_cancel,
                                          fake_resume,  fake_valid,     fake_status, fake_healthy};

/* A whole server but for broker and executor. */
typedef struct world {
    fake fake;
    config *config;
    loop loop;
    http_service service;
    http_listener *listener;
    rest rest;
    client *client;
} world;

static void world_stopping(void *arg)
{
    http_listener_stop(((world *)arg)->listener);
}

static bool world_drained(void *arg)
{
    return rest_drained(&((world *)arg)->rest);
}

static world *open_world(void)
{
    world *w = calloc(1, sizeof *w);
    diag d = {0};
    check(w);
    w->fake.base.class = &fake_class;
    w->fake.mem = arena_new();
    const column columns[] = {{STR("ID"), type_simple(TYPE_STRING), COLUMN_KEY, {0}},
                              {STR("N"), type_simple(TYPE_BIGINT), COLUMN_VALUE, {0}}};
    w->fake.columns = schema_new(w->fake.mem, columns, 2);
    w->config = config_new();
    config_set(w->config, STR("ksql.max.push.queries"), STR("1"), &d);
    ck_assert(loop_init(&w->loop, "test", &d));
    w->loop.stopping = world_stopping;
    w->loop.drained = world_drained;
    w->loop.stopping_arg = w;
    w->rest = (rest){.loop = &w->loop,
                     .statements = pool_new("sql", 1, &d),
                     .readers = pool_new("disk", 2, &d),
                     .config = w->config,
                     .executor = &w->fake.base,
                     .version = "0",
                     .cluster_id = "c",
                     .service_id = "default_"};
    w->service = (http_service){.context = &w->rest,
                                .limits = {1000, 4000, 100000, 10000, 20000},
                                .request = rest_request,
                                .closed = rest_closed,
                                .writable = rest_writable};
    http_listener_options lo = {.listen = {"127.0.0.1", 0}, .connections_max = 100};
    w->listener = http_listener_open(&w->loop, &lo, &w->service, &d);
    ck_assert_msg(w->listener != NULL, "%s", d.text);
    ck_assert(loop_start(&w->loop, &d));
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", http_listener_port(w->listener));
    w->client = client_new(str_z(url), &d);
    return w;
}

static void close_world(world *w)
{
    client_free(w->client);
    if (w->fake.producing) pthread_join(w->fake.producer, NULL);
    pool_free(w->rest.statements);
    pool_free(w->rest.readers);
    loop_stop(&w->loop);
    http_listener_free(w->listener);
    config_free(w->config);
    arena_free(w->fake.mem);
    free(w);
}

/* One exchange; compares the whole body. body NULL: GET. */
static void check_answer(world *w, const char *path, const char *accept, const char *body, int status,
                         const char *expected)
{
    diag d = {0};
    buf out = {0};
    int got = 0;
    client_status s = client_request(w->client, path, accept, str_z(body), &got, &d);
    if (s == CLIENT_OK) s = client_rest(w->client, &out, &d);
    ck_assert_msg(s == CLIENT_OK, "%s: %s", path, d.text);
    ck_assert_str_eq(buf_z(&out), expected);
    ck_assert_int_eq(got, status);
    buf_free(&out);
}

static const char V1[] = "application/vnd.ksql.v1+json";
static const char DELIMITED[] = "application/vnd.ksqlapi.delimited.v1";

START_TEST(statements_go_in_and_entities_come_out)
{
    world *w = open_world();
    check_answer(
        w, "/ksql", V1, "{\"ksql\":\"X;\",\"streamsProperties\":{\"a\":1.50,\"b\":true,\"c\":\"t\"}}", 200,
        "[{\"@type\":\"currentStatus\",\"statementText\":\"X;\",\"commandId\":\"stream/`S`/create\",\"commandStatus\":"
        "{\"status\":\"SUCCESS\",\"message\":\"Stream created\",\"queryId\":null},\"commandSequenceNumber\":7,"
        "\"warnings\":[]},{\"@type\":\"variables\",\"statementText\":\"X;\",\"variables\":[{\"name\":\"a\",\"value\":"
        "\"1.50\"},{\"name\":\"b\",\"value\":\"true\"},{\"name\":\"c\",\"value\":\"t\"}],\"warnings\":[]}]");
    check_answer(
        w, "/ksql", V1, "{\"ksql\":\"FAIL;\"}", 400,
        "{\"@type\":\"statement_error\",\"error_code\":40001,\"message\":\"line 1:1: no "
        "\\\"way\\\"\",\"statementText\":"
        "\"FAIL;\",\"entities\":[{\"@type\":\"warning_entity\",\"statementText\":\"FIRST;\",\"message\":\"ran\","
        "\"warnings\":[]}]}");
    check_answer(w, "/ksql/terminate", V1, "{\"deleteTopicList\":[\"a\",\"b.*\"]}", 200,
                 "[{\"@type\":\"warning_entity\",\"statementText\":\"\",\"message\":\"b.*\",\"warnings\":[]}]");
    close_world(w);
}
END_TEST

START_TEST(bodies_that_are_no_requests_are_refused)
{
    world *w = open_world();
    static const char *const bodies[] = {
        "{", "[]", "{}", "{\"ksql\":1}", "{\"ksql\":\"X;\",\"streamsProperties\":[]}", "null"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        diag d = {0};
        buf out = {0};
        int status = 0;
        ck_assert(client_request(w->client, "/ksql", V1, str_z(bodies[i]), &status, &d) == CLIENT_OK);
        ck_assert(client_rest(w->client, &out, &d) == CLIENT_OK);
        ck_assert_int_eq(status, 400);
        ck_assert_msg(strstr(buf_z(&out), "\"error_code\":40000,\"message\":\"Invalid JSON in request: ") != NULL, "%s",
                      buf_z(&out));
        buf_free(&out);
    }
    check_answer(w, "/is_valid_property/a%2Eb", V1, NULL, 200, "true");
    check_answer(w, "/is_valid_property/c", V1, NULL, 400,
                 "{\"@type\":\"generic_error\",\"error_code\":40000,\"message\":\"unknown property\"}");
    check_answer(w, "/status/stream/S/create", V1, NULL, 200,
                 "{\"status\":\"SUCCESS\",\"message\":\"made\",\"queryId\":null}");
    check_answer(w, "/status", V1, NULL, 200, "{\"commandStatuses\":{\"stream/S/create\":\"SUCCESS\"}}");
    close_world(w);
}
END_TEST

START_TEST(rows_come_in_the_three_forms)
{
    world *w = open_world();
    const char *streamed =
        "[{\"header\":{\"queryId\":\"query_1\",\"schema\":\"`ID` STRING KEY, `N` BIGINT\"}},\n"
        "{\"row\":{\"columns\":[\"k\\\"1\",1]}},\n{\"row\":{\"columns\":[null,9223372036854775807]}}]";
    const char *lines =
        "{\"queryId\":\"query_1\",\"columnNames\":[\"ID\",\"N\"],\"columnTypes\":[\"STRING\",\"BIGINT\"]}\n"
        "[\"k\\\"1\",1]\n[null,9223372036854775807]\n";
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "PULL;" : "ELSEWHERE;";
        char body[64];
        snprintf(body, sizeof body, "{\"ksql\":\"%s\",\"sql\":\"%s\"}", name, name);
        check_answer(w, "/query", V1, body, 200, streamed);
        check_answer(w, "/query-stream", V1, body, 200, streamed);
        check_answer(w, "/query-stream", "*/*", body, 200, lines);
        check_answer(w, "/query", DELIMITED, body, 200, lines);
        check_answer(
            w, "/query-stream", "application/json", body, 200,
            "[{\"queryId\":\"query_1\",\"columnNames\":[\"ID\",\"N\"],\"columnTypes\":[\"STRING\",\"BIGINT\"]},"
            "[\"k\\\"1\",1],[null,9223372036854775807]]");
    }
    check_answer(w, "/query", V1, "{\"ksql\":\"LIMIT;\"}", 200,
                 "[{\"header\":{\"queryId\":\"transient_1\",\"schema\":\"`ID` STRING, `N` BIGINT\"}},\n"
                 "{\"row\":{\"columns\":[\"x\",2]}},\n{\"finalMessage\":\"Limit Reached\"}]");
    check_answer(w, "/query", V1, "{\"ksql\":\"BREAK;\"}", 200,
                 "[{\"header\":{\"queryId\":\"transient_2\",\"schema\":\"`ID` STRING, `N` BIGINT\"}},\n"
                 "{\"errorMessage\":{\"@type\":\"generic_error\",\"error_code\":50000,\"message\":\"it broke\"}}]");
    check_answer(w, "/query", V1, "{\"ksql\":\"PRINT;\"}", 200, "one\n");
    check_answer(
        w, "/query", V1, "{\"ksql\":\"NONE;\"}", 400,
        "{\"@type\":\"statement_error\",\"error_code\":40001,\"message\":\"no such query\",\"statementText\":\"NONE;\","
        "\"entities\":[]}");
    check_answer(w, "/query", "text/html", "{\"ksql\":\"PULL;\"}", 406,
                 "{\"@type\":\"generic_error\",\"error_code\":40600,\"message\":\"/query answers with "
                 "application/vnd.ksql.v1+json, application/json or application/vnd.ksqlapi.delimited.v1\"}");
    close_world(w);
}
END_TEST

static void wait_until(atomic_int *counter, int at_least)
{
    for (int i = 0; i < 5000 && atomic_load(counter) < at_least; i++) usleep(1000);
    ck_assert_int_ge(atomic_load(counter), at_least);
}

START_TEST(a_slow_reader_blocks_its_query_only_and_then_goes_on)
{
    world *w = open_world();
    diag d = {0};
    int status = 0;
    str line;
    ck_assert(client_request(w->client, "/query", V1, STR("{\"ksql\":\"ENDLESS;\"}"), &status, &d) == CLIENT_OK);
    wait_until(&w->fake.blocked, 3);
    int pushed = atomic_load(&w->fake.pushed);
    /* Others are served meanwhile; a second push query is one too many. */
    client *other = client_new(str_z(client_url(w->client)), &d);
    client *mine = w->client;
    w->client = other;
    check_answer(w, "/query", V1, "{\"ksql\":\"PULL;\"}", 200,
                 "[{\"header\":{\"queryId\":\"query_1\",\"schema\":\"`ID` STRING KEY, `N` BIGINT\"}},\n"
                 "{\"row\":{\"columns\":[\"k\\\"1\",1]}},\n{\"row\":{\"columns\":[null,9223372036854775807]}}]");
    w->client = mine;
    for (int i = 0; i < pushed + 100; i++) ck_assert(client_line(w->client, &line, &d) == CLIENT_OK);
    ck_assert_int_ge(atomic_load(&w->fake.resumed), 1);
    client_drop(w->client);
    wait_until(&w->fake.cancelled, 1);
    client_free(other);
    close_world(w);
}
END_TEST

START_TEST(a_query_is_closed_by_its_id)
{
    world *w = open_world();
    diag d = {0};
    int status = 0;
    str line;
    ck_assert(client_request(w->client, "/query-stream", DELIMITED, STR("{\"sql\":\"ENDLESS;\"}"), &status, &d) ==
              CLIENT_OK);
    ck_assert(client_line(w->client, &line, &d) == CLIENT_OK);
    client *other = client_new(str_z(client_url(w->client)), &d), *mine = w->client;
    w->client = other;
    check_answer(w, "/close-query", V1, "{\"queryId\":\"nope\"}", 400,
                 "{\"@type\":\"generic_error\",\"error_code\":40000,\"message\":\"No query with id nope\"}");
    check_answer(w, "/close-query", V1, "{\"queryId\":\"transient_3\"}", 200, "");
    wait_until(&w->fake.cancelled, 1);
    w->client = mine;
    client_free(other);
    close_world(w);
}
END_TEST

START_TEST(values_are_written_as_ksqldb_writes_them)
{
    arena *mem = arena_new();
    buf out = {0};
    entity_field field = {STR("A"), type_map(mem, type_simple(TYPE_STRING), type_decimal(mem, 4, 2)), COLUMN_HEADER,
                          STR("h")};
    entity_source source = {.name = STR("S"), .fields = &field, .fields_n = 1, .partitions = 1, .replication = 1};
    entity e = {.kind = ENTITY_SOURCE, .statement = STR("DESCRIBE S;"), .u.sources = &source};
    entity_json(&out, &e);
    ck_assert_msg(strstr(buf_z(&out),
                         "\"fields\":[{\"name\":\"A\",\"schema\":{\"type\":\"MAP\",\"fields\":null,\"memberSchema\":{"
                         "\"type\":\"DECIMAL\",\"fields\":null,\"memberSchema\":null,\"parameters\":{\"precision\":4,"
                         "\"scale\":2}}},\"type\":\"HEADER\",\"headerKey\":\"h\"}]") != NULL,
                  "%s", buf_z(&out));
    buf_free(&out);
    arena_free(mem);
}
END_TEST

UNIT_MAIN("server/rest", statements_go_in_and_entities_come_out, bodies_that_are_no_requests_are_refused,
          rows_come_in_the_three_forms, a_slow_reader_blocks_its_query_only_and_then_goes_on,
          a_query_is_closed_by_its_id, values_are_written_as_ksqldb_writes_them)
