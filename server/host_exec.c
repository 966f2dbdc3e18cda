/* POST /ksql: all statements of a request are tried on a copy first; then they run one after the other. */
#include <regex.h>

#include "base/check.h"
#include "server/host_int.h"

/* One request on its way. */
typedef struct request {
    host *host;
    const exec_request *rq;
    exec_reply *out;
    parse_results pieces;
} request;

static int code_of(const diag *d)
{
    switch (d->code) {
    case DIAG_IO:
    case DIAG_CORRUPT:
    case DIAG_INTERNAL:
    case DIAG_BUSY: return REST_SERVER_ERROR;
    default: return REST_BAD_STATEMENT;
    }
}

/* "line L:C: text" with the hint behind it; the place counts in the whole request, as ksqlDB's does. */
static bool fail(request *r, const diag *d, const parse_result *piece, str text)
{
    bool placed = d->at.start != SPAN_NONE;
    int line = 0, at = 0;
    if (placed) diag_line_column(text, d->at.start, &line, &at);
    buf message = {0};
    if (placed) buf_printf(&message, "line %d:%d: ", line, at);
    buf_add_z(&message, d->text);
    if (d->hint[0]) buf_printf(&message, "\n%s", d->hint);
    exec_reply_fail(r->out, code_of(d), piece->text, "%.*s", STR_ARG(buf_str(&message)));
    buf_free(&message);
    return false;
}

/* Substitutes variables and parses one statement; *text is what was parsed. */
static bool prepare(request *r, const parse_result *piece, sql_session *session, arena *mem, const ast_stmt **stmt,
                    str *text)
{
    diag d = {0};
    if (!variables_substitute(&session->variables, mem, piece->text, PARSE_SERVER, text, &d))
        return fail(r, &d, piece, piece->text);
    if (!parse_one(mem, *text, PARSE_SERVER, stmt, &d)) return fail(r, &d, piece, *text);
    ast_stmt_kind kind = (*stmt)->kind;
    if (kind == AST_STMT_QUERY || kind == AST_STMT_PRINT) {
        return exec_reply_fail(r->out, REST_QUERY_ENDPOINT, piece->text,
                               "The following statement types should be issued to the websocket endpoint '/query':\n"
                               "\t* PRINT\n\t* SELECT");
    }
    return true;
}

/* TERMINATE of what the catalogue does not know: a query of a client, which is ended when `run` is set, or nothing. */
static bool terminate_transient(host *h, const ast_stmt *s, const sql_result *r, bool run, diag *d)
{
    if (r->kind != RESULT_TERMINATED || r->all || r->message.n > 0) return true;
    if (s->kind == AST_STMT_TERMINATE && host_end_transient(h, r->query_id, run)) return true;
    diag_at(d, s->u.query_ref.query_id.at, DIAG_STATEMENT, "Unknown queryId: %.*s", STR_ARG(r->query_id));
    return diag_hint(d, "SHOW QUERIES lists the queries.");
}

static void note_topics(host_topics *t, const sql_outcome *out)
{
    for (int i = 0; i < out->effect_count; i++) {
        const effect *e = &out->effects[i];
        bool made = e->kind == EFFECT_CREATE_TOPIC;
        if ((!made && e->kind != EFFECT_DELETE_TOPIC) || t->count == (int)ARRAY_LEN(t->items)) continue;
        t->items[t->count].name = e->topic;
        t->items[t->count].gone = !made;
        t->items[t->count++].topic = (sql_topic){e->partitions, 1, e->retention_ms};
    }
}

/* Tries all statements on snapshots that are thrown away. */
static bool try_all(request *r, arena *mem)
{
    host *h = r->host;
    sql_session session;
    diag d = {0};
    host_topics *topics = ARENA_NEW(mem, host_topics);
    topics->host = h;
    int64_t number = 0;
    bool ok = host_session(h, r->rq, &session, &d) && catalog_db_next(h->db, &number, &d);
    if (!ok) exec_reply_fail(r->out, REST_BAD_REQUEST, (str){0}, "%s", d.text);
    catalog *c = host_catalog(h);
    for (uint32_t i = 0; ok && i < r->pieces.n; i++) {
        const ast_stmt *stmt;
        str text;
        sql_outcome out = {0};
        ok = prepare(r, &r->pieces.items[i], &session, mem, &stmt, &text);
        if (!ok) break;
        sql_env env = host_sql_env(h, topics, r->rq->now_ms);
        ok = sql_execute(mem, c, &session, &env, stmt, number, &out, &d) &&
             terminate_transient(h, stmt, &out.result, false, &d);
        if (!ok) {
            fail(r, &d, &r->pieces.items[i], text);
            break;
        }
        note_topics(topics, &out);
        if (out.after) {
            catalog_unref(c);
            c = (catalog *)(uintptr_t)out.after;
            number++;
        }
    }
    catalog_unref(c);
    sql_session_free(&session);
    return ok;
}

static bool run_one(request *r, const parse_result *piece, sql_session *session)
{
    host *h = r->host;
    const ast_stmt *stmt;
    str text;
    diag d = {0};
    int64_t number;
    sql_outcome out = {0};
    host_topics topics = {.host = h};
    sql_env env = host_sql_env(h, &topics, r->rq->now_ms);
    if (!prepare(r, piece, session, r->out->mem, &stmt, &text)) return false;
    catalog *c = host_catalog(h);
    bool ok = catalog_db_next(h->db, &number, &d) && sql_execute(r->out->mem, c, session, &env, stmt, number, &out, &d);
    /* The result may borrow from the outcome's catalogue, which applying publishes. */
    const catalog *after = out.after ? catalog_ref(out.after) : NULL;
    ok = ok && host_apply(h, stmt, session, number, &out, r->rq->now_ms, &d) &&
         terminate_transient(h, stmt, &out.result, true, &d);
    if (ok)
        host_result(h, after ? after : c, session, stmt, &out, number, r->out);
    else
        fail(r, &d, piece, text);
    catalog_unref(out.after);
    catalog_unref(after);
    catalog_unref(c);
    return ok;
}

void host_execute(executor *e, const exec_request *rq, exec_reply *out)
{
    request r = {.host = container_of(e, host, base), .rq = rq, .out = out};
    diag d = {0};
    sql_session session = {0};
    if (!parse_split(out->mem, rq->text, PARSE_SERVER, &r.pieces, &d)) {
        parse_result whole = {.text = rq->text};
        fail(&r, &d, &whole, rq->text);
        return;
    }
    arena *trial = arena_new();
    bool ok = try_all(&r, trial);
    arena_free(trial);
    if (!ok || !host_session(r.host, rq, &session, &d)) return;
    for (uint32_t i = 0; i < r.pieces.n && run_one(&r, &r.pieces.items[i], &session); i++) continue;
    sql_session_free(&session);
}

/*
 * ---- POST /ksql/terminate
 * ------------------------------------------------------------------------------------------
 */

static bool matches(const str *patterns, size_t n, str topic)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(patterns[i], topic)) return true;
        buf whole = {0};
        regex_t compiled;
        buf_printf(&whole, "^(%.*s)$", STR_ARG(patterns[i]));
        bool valid = regcomp(&compiled, buf_z(&whole), REG_EXTENDED | REG_NOSUB) == 0;
        buf_clear(&whole);
        buf_add_str(&whole, topic);
        bool hit = valid && regexec(&compiled, buf_z(&whole), 0, NULL, 0) == 0;
        if (valid) regfree(&compiled);
        buf_free(&whole);
        if (hit) return true;
    }
    return false;
}

/* Drops sources until none is left: one that others were made from has to wait for them. */
void host_terminate(executor *e, const str *patterns, size_t n, exec_reply *out)
{
    host *h = container_of(e, host, base);
    exec_request rq = {.text = STR("TERMINATE ALL;"), .now_ms = host_now(NULL).wall_ms};
    host_execute(e, &rq, out);
    bool progress = true;
    while (out->code == 0 && progress) {
        progress = false;
        catalog *c = host_catalog(h);
        for (int i = 0; i < c->source_count; i++) {
            const source *s = c->sources[i];
            buf text = {0};
            buf_printf(&text, "DROP %s ", s->schema->is_table ? "TABLE" : "STREAM");
            schema_print_name(s->name, &text);
            buf_printf(&text, "%s;", !s->read_only && matches(patterns, n, s->topic) ? " DELETE TOPIC" : "");
            arena *mem = arena_new();
            exec_reply one = {.mem = mem};
            rq.text = buf_str(&text);
            host_execute(e, &rq, &one);
            progress = progress || one.code == 0;
            arena_free(mem);
            buf_free(&text);
        }
        catalog_unref(c);
    }
}
