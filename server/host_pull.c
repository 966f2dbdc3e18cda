/* Beginning a SELECT or PRINT, and pull queries: a read of what a query keeps, filtered and projected. */
#include <time.h>

#include "base/check.h"
#include "engine/expr_run.h"
#include "server/host_int.h"

/* One read on its way. */
typedef struct pull_run {
    const planned_pull *p;
    running *r;
    exec_stream *stream;
    arena *mem; /* the request's */
    arena *step; /* one chunk's */
    expr_program *filter;
    expr_program **exprs;
    int64_t left; /* rows that LIMIT lets through; -1: all */
    bool gone;
    bool hold; /* on the loop's thread: the rows of one chunk are kept until all is read, more is too much */
    chunk *held;
    bool too_much;
} pull_run;

static bool compile(pull_run *x, diag *d)
{
    if (x->p->filter) {
        x->filter = expr_compile(x->mem, x->p->filter, NULL, d);
        if (!x->filter) return false;
    }
    x->exprs = ARENA_ARRAY(x->mem, expr_program *, (size_t)x->p->count + 1);
    for (int i = 0; i < x->p->count; i++) {
        x->exprs[i] = expr_compile(x->mem, x->p->exprs[i], NULL, d);
        if (!x->exprs[i]) return false;
    }
    return true;
}

/* Hands rows on; a client that reads slowly is waited for here, since this thread may block. */
static bool deliver(pull_run *x, const chunk *rows)
{
    for (;;) {
        io_status status = exec_stream_rows(x->stream, rows);
        if (status == IO_OK) return true;
        if (status != IO_BLOCKED || atomic_load(&x->r->stopping) || exec_stream_gone(x->stream)) {
            x->gone = true;
            return false;
        }
        struct timespec pause = {0, 2000000};
        nanosleep(&pause, NULL);
    }
}

static bool on_rows(void *ctx, const chunk *rows)
{
    pull_run *x = ctx;
    if (atomic_load(&x->r->stopping)) return false;
    chunk view = *rows;
    uint16_t *sel = ARENA_ARRAY(x->step, uint16_t, (size_t)rows->count + 1);
    expr_input in = {.chunk = rows, .mem = x->step};
    if (x->filter) {
        view.count = expr_filter(x->filter, &in, rows->sel, rows->count, sel);
    } else {
        for (uint32_t k = 0; k < rows->count; k++) sel[k] = (uint16_t)chunk_row(rows, k);
    }
    view.sel = sel;
    if (x->left >= 0 && view.count > x->left) view.count = (uint32_t)x->left;
    if (x->left >= 0) x->left -= view.count;
    view.schema = x->p->schema;
    view.cols = ARENA_ARRAY(x->step, vec, (size_t)x->p->count + 1);
    for (int i = 0; i < x->p->count; i++) expr_run(x->exprs[i], &in, sel, view.count, &view.cols[i]);
    bool go_on = true;
    if (view.count > 0 && x->hold) {
        x->too_much = x->held != NULL;
        if (!x->held) x->held = chunk_copy(x->mem, &view);
        go_on = !x->too_much;
    } else if (view.count > 0) {
        go_on = deliver(x, &view);
    }
    arena_reset(x->step);
    return go_on && x->left != 0;
}

static exec_begin refuse(exec_reply *out, str statement, const diag *d)
{
    exec_reply_fail(out, REST_BAD_STATEMENT, statement, "%s%s%s", d->text, d->hint[0] ? "\n" : "", d->hint);
    return EXEC_FAILED;
}

static void end_pull(pull_run *x, bool ok, diag *d)
{
    bool cut = atomic_load(&x->r->stopping) && !x->gone;
    if (cut) diag_set(d, DIAG_STATE, "the query that keeps this table was stopped");
    if (!ok || cut)
        exec_stream_end(x->stream, EXEC_END_ERROR, REST_SERVER_ERROR, d->text);
    else
        exec_stream_end(x->stream, x->p->limit >= 0 && x->left == 0 ? EXEC_END_LIMIT : EXEC_END_DONE, 0, NULL);
}

/* Reads the table; the stream is complete when this returns true. False: too much for the loop's thread. */
static bool run_pull(pull_run *x, pull *reader, str id)
{
    diag d = {0};
    x->step = arena_new();
    if (!x->hold) exec_stream_open(x->stream, EXEC_PULL, id, x->p->schema, NULL);
    bool ok = x->left == 0 || pull_read(reader, x->p->request, on_rows, x, &d);
    if (!x->too_much) {
        if (x->hold) exec_stream_open(x->stream, EXEC_PULL, id, x->p->schema, NULL);
        /* A new stream takes the rows of one call whatever their size. */
        if (x->held) exec_stream_rows(x->stream, x->held);
        end_pull(x, ok, &d);
    }
    arena_free(x->step);
    return !x->too_much;
}

static exec_begin pull_table(host *h, const planned_pull *p, arena *mem, exec_stream *s, bool may_block, str id,
                             str statement, exec_reply *out)
{
    diag d = {0};
    running *r = host_hold_query(h, p->query_id);
    if (!r) {
        diag_set(&d, DIAG_STATE, "The table %.*s cannot be read now: its query %.*s does not run.",
                 STR_ARG(p->src->name), STR_ARG(p->query_id));
        return refuse(out, statement, &d);
    }
    pull_run x = {.p = p, .r = r, .stream = s, .mem = mem, .left = p->limit, .hold = !may_block};
    pull *reader = compile(&x, &d) ? pull_open(hosted_query(r->hosted), mem, &d) : NULL;
    bool whole = reader && run_pull(&x, reader, id);
    host_release_query(r);
    if (!reader) return refuse(out, statement, &d);
    if (!whole) return EXEC_BLOCKS;
    arena_free(mem);
    return EXEC_STARTED;
}

exec_begin host_begin_pull(host *h, const sql_session *session, const planned_pull *p, arena *mem, exec_stream *s,
                           bool may_block, str statement, exec_reply *out)
{
    if (!may_block && (p->stream || p->request->kind != PULL_KEYS)) return EXEC_BLOCKS;
    str id = arena_printf(mem, "query_%lld", (long long)host_now(NULL).wall_ms);
    if (!p->stream) return pull_table(h, p, mem, s, may_block, id, statement, out);
    return host_begin_rows(h, session, p->push, p->schema, NULL, true, EXEC_PULL_STREAM, id, mem, s, statement);
}

/*
 * ---- beginning
 * ------------------------------------------------------------------------------------------------------
 */

static exec_begin begin_result(host *h, const sql_session *session, const sql_result *r, arena *mem, exec_stream *s,
                               bool may_block, str statement, exec_reply *out)
{
    switch (r->kind) {
    case RESULT_PULL: return host_begin_pull(h, session, r->pull, mem, s, may_block, statement, out);
    case RESULT_PUSH: return may_block ? host_begin_push(h, session, r, mem, s, statement) : EXEC_BLOCKS;
    case RESULT_PRINT: return may_block ? host_begin_print(h, &r->print, mem, s, statement, out) : EXEC_BLOCKS;
    default: break;
    }
    exec_reply_fail(out, REST_BAD_REQUEST, statement, "Statement type is not supported on this endpoint; use /ksql.");
    return EXEC_FAILED;
}

static exec_begin fail_with(exec_reply *out, const diag *d, str text)
{
    int line, at;
    if (d->at.start == SPAN_NONE) return refuse(out, text, d);
    diag_line_column(text, d->at.start, &line, &at);
    exec_reply_fail(out, REST_BAD_STATEMENT, text, "line %d:%d: %s%s%s", line, at, d->text, d->hint[0] ? "\n" : "",
                    d->hint);
    return EXEC_FAILED;
}

exec_begin host_begin_query(host *h, const exec_request *rq, exec_stream *s, bool may_block, exec_reply *out)
{
    arena *mem = arena_new();
    diag d = {0};
    sql_session session;
    sql_outcome outcome = {0};
    const ast_stmt *stmt;
    host_topics topics = {.host = h};
    sql_env env = host_sql_env(h, &topics, rq->now_ms);
    str text = arena_str(mem, rq->text);
    catalog *c = host_catalog(h);
    bool ok = host_session(h, rq, &session, &d) &&
              variables_substitute(&session.variables, mem, text, PARSE_NO_SEMICOLON, &text, &d) &&
              parse_one(mem, text, PARSE_NO_SEMICOLON, &stmt, &d);
    bool known = ok && (stmt->kind == AST_STMT_QUERY || stmt->kind == AST_STMT_PRINT);
    if (ok && !known)
        ok = diag_set(&d, DIAG_INVALID, "Only SELECT and PRINT can be given here; use /ksql for other statements.");
    ok = ok && sql_execute(mem, c, &session, &env, stmt, 0, &outcome, &d);
    exec_begin how =
        ok ? begin_result(h, &session, &outcome.result, mem, s, may_block, text, out) : fail_with(out, &d, text);
    if (how != EXEC_STARTED) arena_free(mem);
    sql_session_free(&session);
    catalog_unref(c);
    return how;
}
