#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "server/rest.h"

/* ---- replies, as executors fill them in ---------------------------------------------------------------------- */

entity *exec_reply_add(exec_reply *r, entity_kind kind, str statement)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 4;
        entity *grown = ARENA_ARRAY(r->mem, entity, cap);
        if (r->n > 0) memcpy(grown, r->entities, r->n * sizeof *grown);
        r->entities = grown;
        r->cap = cap;
    }
    entity *e = &r->entities[r->n++];
    *e = (entity){.kind = kind, .statement = statement};
    return e;
}

bool exec_reply_fail(exec_reply *r, int code, str statement, const char *format, ...)
{
    if (r->code != 0) return false; /* the first error wins */
    va_list args;
    va_start(args, format);
    r->message = arena_vprintf(r->mem, format, args);
    va_end(args);
    r->code = code;
    r->statement = statement.p ? arena_str(r->mem, statement) : (str){0};
    return false;
}

void rest_reply_failure(http_exchange *x, const exec_reply *r)
{
    if (!r->statement.p) {
        rest_error(x, r->code, "%.*s", STR_ARG(r->message));
        return;
    }
    buf entities = {0};
    entity_list_json(&entities, r->entities, r->n);
    rest_statement_error(x, r->code, r->message, r->statement, buf_str(&entities));
    buf_free(&entities);
}

/* ---- request bodies ------------------------------------------------------------------------------------------ */

/* An object of names and scalar values. */
static bool read_settings(arena *mem, const json_value *v, exec_setting **out, size_t *n, const char *what, diag *d)
{
    *n = 0;
    if (!v || v->kind == JSON_NULL) return true;
    if (v->kind != JSON_OBJECT) return diag_set(d, DIAG_INVALID, "'%s' must be an object", what);
    *out = ARENA_ARRAY(mem, exec_setting, v->count ? v->count : 1);
    for (uint32_t i = 0; i < v->count; i++) {
        const json_value *member = &v->members[i].value;
        exec_setting *s = &(*out)[(*n)++];
        s->name = v->members[i].name;
        switch (member->kind) {
        case JSON_NULL: s->null = true; break;
        case JSON_BOOL: s->value = member->truth ? STR("true") : STR("false"); break;
        case JSON_NUMBER:
        case JSON_STRING: s->value = member->text; break;
        default: s->value = member->source;
        }
    }
    return true;
}

bool rest_read_request(http_exchange *x, const http_request *rq, const char *sql_name, const char *properties_name,
                       arena *mem, exec_request *out)
{
    diag d = {0};
    exec_setting *properties = NULL, *variables = NULL;
    *out = (exec_request){.now_ms = clock_wall_ms()};
    str body = arena_str(mem, rq->body);
    const json_value *v = json_parse(mem, body, NULL, &d);
    if (v && v->kind != JSON_OBJECT) diag_set(&d, DIAG_INVALID, "the body must be an object");
    bool good =
        v && v->kind == JSON_OBJECT &&
        read_settings(mem, json_getz(v, properties_name), &properties, &out->properties_n, properties_name, &d) &&
        read_settings(mem, json_getz(v, "sessionVariables"), &variables, &out->variables_n, "sessionVariables", &d);
    out->properties = properties;
    out->variables = variables;
    if (good && !json_as_str(json_getz(v, sql_name), &out->text)) {
        good = diag_set(&d, DIAG_INVALID, "'%s' with the statement's text is missing", sql_name);
    }
    if (!good) rest_error(x, REST_BAD_REQUEST, "Invalid JSON in request: %s", d.text);
    return good;
}

/* ---- POST /ksql ---------------------------------------------------------------------------------------------- */

/* A request on its way through the statement thread. */
typedef struct job {
    rest_pending pending; /* first */
    mail mail;
    rest *a;
    http_exchange *x; /* NULL: the client has gone; loop's thread */
    arena *mem;
    exec_request rq;
    bool terminate; /* POST /ksql/terminate */
    str *patterns;
    size_t patterns_n;
    exec_reply reply;
    buf body; /* the entities' JSON */
} job;

static void job_closed(rest_pending *p)
{
    ((job *)p)->x = NULL; /* the statements run all the same, as they would with ksqlDB */
}

static void job_done(mail *m)
{
    job *j = container_of(m, job, mail);
    j->a->jobs--;
    if (j->x) {
        http_set_user(j->x, NULL);
        if (j->reply.code != 0)
            rest_reply_failure(j->x, &j->reply);
        else
            http_reply(j->x, 200, "application/json", buf_str(&j->body));
    }
    buf_free(&j->body);
    arena_free(j->mem);
    free(j);
}

static void job_run(mail *m)
{
    job *j = container_of(m, job, mail);
    executor *e = j->a->executor;
    if (j->terminate)
        e->class->terminate(e, j->patterns, j->patterns_n, &j->reply);
    else
        e->class->execute(e, &j->rq, &j->reply);
    if (j->reply.code == 0) entity_list_json(&j->body, j->reply.entities, j->reply.n);
    m->run = job_done;
    loop_post(j->a->loop, m);
}

/* Statements can be taken; otherwise x was answered. */
static bool ready(rest *a, http_exchange *x)
{
    if (a->stopping)
        rest_error(x, REST_SHUTTING_DOWN, "The server is shutting down");
    else if (!a->executor)
        rest_error(x, REST_STARTING, "Server initializing");
    return !a->stopping && a->executor;
}

static void post_job(rest *a, http_exchange *x, job *j)
{
    j->pending.closed = job_closed;
    j->mail.run = job_run;
    j->a = a;
    j->x = x;
    j->reply.mem = j->mem;
    http_set_user(x, &j->pending);
    a->jobs++;
    pool_post(a->statements, &j->mail);
}

static job *job_new(void)
{
    job *j = calloc(1, sizeof *j);
    check(j);
    j->mem = arena_new();
    return j;
}

void rest_ksql(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    static const rest_media offered[] = {REST_MEDIA_KSQL, REST_MEDIA_JSON};
    if (!ready(a, x)) return;
    if (rest_accept(rq, offered, ARRAY_LEN(offered)) == REST_MEDIA_NONE) {
        rest_error(x, REST_NOT_ACCEPTABLE, "/ksql answers with %s or %s", rest_media_name(offered[0]),
                   rest_media_name(offered[1]));
        return;
    }
    job *j = job_new();
    if (!rest_read_request(x, rq, "ksql", "streamsProperties", j->mem, &j->rq)) {
        arena_free(j->mem);
        free(j);
        return;
    }
    post_job(a, x, j);
}

void rest_terminate(rest *a, http_exchange *x, const http_request *rq, str arg)
{
    if (!ready(a, x)) return;
    job *j = job_new();
    diag d = {0};
    j->terminate = true;
    str body = arena_str(j->mem, rq->body);
    const json_value *v = body.n == 0 ? NULL : json_parse(j->mem, body, NULL, &d);
    const json_value *list = json_getz(v, "deleteTopicList");
    bool good = body.n == 0 || (v && v->kind == JSON_OBJECT);
    if (!good) diag_set(&d, DIAG_INVALID, "an object is wanted");
    if (good && list && list->kind != JSON_NULL) {
        good = list->kind == JSON_ARRAY;
        j->patterns = ARENA_ARRAY(j->mem, str, list->count ? list->count : 1);
        for (uint32_t i = 0; good && i < list->count; i++) {
            good = json_as_str(json_item(list, i), &j->patterns[j->patterns_n++]);
        }
        if (!good) diag_set(&d, DIAG_INVALID, "'deleteTopicList' must be a list of texts");
    }
    if (good) {
        post_job(a, x, j);
        return;
    }
    rest_error(x, REST_BAD_REQUEST, "Invalid JSON in request: %s", d.text);
    arena_free(j->mem);
    free(j);
}
