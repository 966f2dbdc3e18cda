#include "server/rest.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/json.h"

static const char *const media_names[] = {"application/vnd.ksql.v1+json", "application/json",
                                          "application/vnd.ksqlapi.delimited.v1"};

const char *rest_media_name(rest_media m)
{
    check((size_t)m < ARRAY_LEN(media_names));
    return media_names[m];
}

void rest_error(http_exchange *x, int code, const char *format, ...)
{
    buf message = {0}, body = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    json_out o = {.b = &body};
    json_out_object(&o);
    json_out_key(&o, "@type");
    json_out_z(&o, "generic_error");
    json_out_key(&o, "error_code");
    json_out_i64(&o, code);
    json_out_key(&o, "message");
    json_out_str(&o, buf_str(&message));
    json_out_end_object(&o);
    http_reply(x, code / 100, "application/json", buf_str(&body));
    buf_free(&message);
    buf_free(&body);
}

void rest_statement_error(http_exchange *x, int code, str message, str statement, str entities)
{
    buf body = {0};
    json_out o = {.b = &body};
    json_out_object(&o);
    json_out_key(&o, "@type");
    json_out_z(&o, "statement_error");
    json_out_key(&o, "error_code");
    json_out_i64(&o, code);
    json_out_key(&o, "message");
    json_out_str(&o, message);
    json_out_key(&o, "statementText");
    json_out_str(&o, statement);
    json_out_key(&o, "entities");
    json_out_raw(&o, entities);
    json_out_end_object(&o);
    http_reply(x, code / 100, "application/json", buf_str(&body));
    buf_free(&body);
}

/* The next media range of an Accept header, without its parameters; *refused when its q is 0. */
static bool next_range(str *left, str *range, bool *refused)
{
    while (left->n > 0) {
        ptrdiff_t comma = str_find(*left, STR(","), 0);
        size_t n = comma < 0 ? left->n : (size_t)comma;
        str item = str_of(left->p, n);
        size_t step = comma < 0 ? n : n + 1;
        *left = str_of(left->p + step, left->n - step);
        ptrdiff_t semicolon = str_find(item, STR(";"), 0);
        *range = str_trim(semicolon < 0 ? item : str_of(item.p, (size_t)semicolon));
        *refused = false;
        if (semicolon >= 0) {
            str q = str_trim(str_of(item.p + semicolon + 1, item.n - (size_t)semicolon - 1));
            double weight;
            *refused = str_starts(q, STR("q=")) && str_to_f64(str_of(q.p + 2, q.n - 2), &weight) && weight == 0;
        }
        if (range->n > 0) return true;
    }
    return false;
}

rest_media rest_accept(const http_request *rq, const rest_media *offered, int count)
{
    str left = http_request_header(rq, "accept"), range;
    bool refused;
    if (left.n == 0) return offered[0];
    while (next_range(&left, &range, &refused)) {
        if (refused) continue;
        for (int i = 0; i < count; i++) {
            if (str_eqz(range, "*/*") || str_ieq(range, STR("application/*")) ||
                str_ieq(range, str_z(media_names[offered[i]]))) {
                return offered[i];
            }
        }
    }
    return REST_MEDIA_NONE;
}

void rest_json(http_exchange *x, const http_request *rq, str body)
{
    static const rest_media offered[] = {REST_MEDIA_KSQL, REST_MEDIA_JSON};
    rest_media media = rest_accept(rq, offered, ARRAY_LEN(offered));
    if (media == REST_MEDIA_NONE) {
        rest_error(x, REST_NOT_ACCEPTABLE,
                   "None of the media types in the Accept header can be served here. Use %s or %s.", media_names[0],
                   media_names[1]);
        return;
    }
    http_reply(x, 200, "application/json", body); /* whatever was accepted: as ksqlDB does */
}

/* ---- the small routes -------------------------------------------------------------------------------------------- */

static void get_root(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    http_reply_header(x, "Location", "/info");
    http_reply(x, 307, NULL, (str){0});
}

static void get_info(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    buf body = {0};
    json_out o = {.b = &body};
    json_out_object(&o);
    json_out_key(&o, "KsqlServerInfo");
    json_out_object(&o);
    json_out_key(&o, "version");
    json_out_z(&o, a->version);
    json_out_key(&o, "kafkaClusterId");
    json_out_z(&o, a->cluster_id);
    json_out_key(&o, "ksqlServiceId");
    json_out_z(&o, a->service_id);
    json_out_key(&o, "serverStatus");
    json_out_z(&o, a->stopping ? "TERMINATING" : "RUNNING");
    json_out_end_object(&o);
    json_out_end_object(&o);
    rest_json(x, rq, buf_str(&body));
    buf_free(&body);
}

static void put_check(json_out *o, const char *name, bool healthy)
{
    json_out_key(o, name);
    json_out_object(o);
    json_out_key(o, "isHealthy");
    json_out_bool(o, healthy);
    json_out_end_object(o);
}

static void get_healthcheck(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    /* The loop answers, so the process lives; what can be unhealthy inside it is the executor. */
    bool executor_good = a->executor && a->executor->class->healthy(a->executor);
    buf body = {0};
    json_out o = {.b = &body};
    json_out_object(&o);
    json_out_key(&o, "isHealthy");
    json_out_bool(&o, executor_good && !a->stopping);
    json_out_key(&o, "details");
    json_out_object(&o);
    put_check(&o, "metastore", executor_good);
    put_check(&o, "kafka", true);
    put_check(&o, "commandRunner", executor_good && !a->stopping);
    json_out_end_object(&o);
    json_out_key(&o, "serverState");
    json_out_z(&o, a->stopping ? "TERMINATING" : "READY");
    json_out_end_object(&o);
    rest_json(x, rq, buf_str(&body));
    buf_free(&body);
}

static void put_cluster(rest *a, json_out *o)
{
    json_out_object(o);
    json_out_key(o, "id");
    json_out_z(o, "");
    json_out_key(o, "scope");
    json_out_object(o);
    json_out_key(o, "path");
    json_out_array(o);
    json_out_end_array(o);
    json_out_key(o, "clusters");
    json_out_object(o);
    json_out_key(o, "kafka-cluster");
    json_out_z(o, a->cluster_id);
    json_out_key(o, "ksql-cluster");
    json_out_z(o, a->service_id);
    json_out_end_object(o);
    json_out_end_object(o);
    json_out_end_object(o);
}

static void get_metadata(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    buf body = {0};
    json_out o = {.b = &body};
    json_out_object(&o);
    json_out_key(&o, "version");
    json_out_z(&o, a->version);
    json_out_key(&o, "clusterId");
    put_cluster(a, &o);
    json_out_end_object(&o);
    rest_json(x, rq, buf_str(&body));
    buf_free(&body);
}

static void get_metadata_id(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    buf body = {0};
    json_out o = {.b = &body};
    put_cluster(a, &o);
    rest_json(x, rq, buf_str(&body));
    buf_free(&body);
}

static void get_cluster_status(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    /* One node that needs no heartbeat: itself, alive now. */
    rest_json(x, rq, STR("{\"clusterStatus\":{}}"));
}

static void get_chc(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    http_reply(x, 200, "application/json", STR("{}"));
}

static void get_valid_property(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    char name[256];
    int64_t n = arg.n < sizeof name ? http_percent_decode(arg, false, name) : -1;
    diag d = {0};
    if (n < 0) {
        rest_error(x, REST_BAD_REQUEST, "The property's name is not well-formed");
    } else if (!a->executor) {
        rest_error(x, REST_STARTING, "Server initializing");
    } else if (!a->executor->class->valid_property(a->executor, str_of(name, (size_t)n), &d)) {
        rest_error(x, REST_BAD_REQUEST, "%s%s%s", d.text, d.hint[0] ? "\n" : "", d.hint);
    } else {
        rest_json(x, rq, STR("true"));
    }
}

/* The body of GET /status: every command of the executor and where it stands. */
static void get_statuses(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    buf body = {0};
    json_out o = {.b = &body};
    json_out_object(&o);
    json_out_key(&o, "commandStatuses");
    json_out_object(&o);
    for (size_t i = 0; a->executor; i++) {
        exec_command_status s;
        if (!a->executor->class->command_status(a->executor, i, &s)) break;
        json_out_key_str(&o, s.command_id);
        json_out_str(&o, s.status);
    }
    json_out_end_object(&o);
    json_out_end_object(&o);
    rest_json(x, rq, buf_str(&body));
    buf_free(&body);
}

static void get_status(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    char wanted[512];
    int64_t n = arg.n < sizeof wanted ? http_percent_decode(arg, false, wanted) : -1;
    for (size_t i = 0; n >= 0 && a->executor; i++) {
        exec_command_status s;
        if (!a->executor->class->command_status(a->executor, i, &s)) break;
        if (!str_eq(s.command_id, str_of(wanted, (size_t)n))) continue;
        buf body = {0};
        json_out o = {.b = &body};
        json_out_object(&o);
        json_out_key(&o, "status");
        json_out_str(&o, s.status);
        json_out_key(&o, "message");
        json_out_str(&o, s.message);
        json_out_key(&o, "queryId");
        if (s.query_id.n > 0)
            json_out_str(&o, s.query_id);
        else
            json_out_null(&o);
        json_out_end_object(&o);
        rest_json(x, rq, buf_str(&body));
        buf_free(&body);
        return;
    }
    rest_error(x, REST_NOT_FOUND, "Command not found");
}

static void post_internal(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    rest_error(x, REST_INTERNAL_ONLY, "Can't call internal endpoint on public listener");
}

static void post_inserts_stream(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    rest_error(x, REST_HTTP2_ONLY,
               "The /inserts-stream endpoint is not available in this version. "
               "INSERT INTO ... VALUES works on /ksql.");
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

typedef struct route {
    http_method method;
    const char *path; /* "/x/" followed by anything when `open` */
    bool open;
    void (*handle)(rest *a, http_exchange *x, const http_request *rq, str arg);
} route;

static const route routes[] = {
    {HTTP_GET, "/", false, get_root},
    {HTTP_GET, "/info", false, get_info},
    {HTTP_GET, "/healthcheck", false, get_healthcheck},
    {HTTP_GET, "/v1/metadata", false, get_metadata},
    {HTTP_GET, "/v1/metadata/id", false, get_metadata_id},
    {HTTP_GET, "/clusterStatus", false, get_cluster_status},
    {HTTP_GET, "/status", false, get_statuses},
    {HTTP_GET, "/status/", true, get_status},
    {HTTP_GET, "/is_valid_property/", true, get_valid_property},
    {HTTP_GET, "/chc/ready", false, get_chc},
    {HTTP_GET, "/chc/live", false, get_chc},
    {HTTP_POST, "/ksql", false, rest_ksql},
    {HTTP_POST, "/ksql/terminate", false, rest_terminate},
    {HTTP_POST, "/query", false, rest_query},
    {HTTP_POST, "/query-stream", false, rest_query_stream},
    {HTTP_POST, "/close-query", false, rest_close_query},
    {HTTP_POST, "/inserts-stream", false, post_inserts_stream},
    {HTTP_POST, "/heartbeat", false, post_internal},
    {HTTP_POST, "/lag", false, post_internal},
};

static bool matches(const route *r, str path)
{
    if (!r->open) return str_eqz(path, r->path);
    return str_starts(path, str_z(r->path)) && path.n > strlen(r->path);
}

/* OPTIONS and 405: which methods a path has. */
static bool allowed(str path, char *out, size_t cap)
{
    bool any = false, star = str_eqz(path, "*");
    snprintf(out, cap, "OPTIONS");
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!star && !matches(&routes[i], path)) continue;
        const char *more = routes[i].method == HTTP_GET ? ", GET, HEAD" : ", POST";
        size_t n = strlen(out);
        any = true;
        if (!strstr(out, more)) snprintf(out + n, cap - n, "%s", more);
    }
    return any;
}

void rest_request(void *context, http_exchange *x, const http_request *rq)
{
    rest *a = context;
    http_method method = rq->method == HTTP_HEAD ? HTTP_GET : rq->method;
    str path = rq->path;
    char allow[64];
    while (path.n > 1 && path.p[path.n - 1] == '/') path.n--; /* "/info/" is "/info", as ksqlDB's router has it */
    http_set_user(x, NULL);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const route *r = &routes[i];
        if (r->method != method || !matches(r, path)) continue;
        size_t fixed = strlen(r->path);
        r->handle(a, x, rq, r->open ? str_of(path.p + fixed, path.n - fixed) : (str){0});
        return;
    }
    if (!allowed(path, allow, sizeof allow)) {
        rest_error(x, REST_NOT_FOUND, "The path '%.*s' does not exist on this server", STR_ARG(path));
        return;
    }
    http_reply_header(x, "Allow", allow);
    if (rq->method == HTTP_OPTIONS)
        http_reply(x, 204, NULL, (str){0});
    else
        rest_error(x, REST_METHOD_NOT_ALLOWED, "'%.*s' does not take this method; it takes %s", STR_ARG(path), allow);
}

void rest_closed(void *context, http_exchange *x)
{
    rest_pending *p = http_user(x);
    if (p) p->closed(p);
}

void rest_writable(void *context, http_exchange *x)
{
    rest_pending *p = http_user(x);
    if (p && p->writable) p->writable(p);
}
