/* PRINT: the records of a topic as text lines, from its beginning or from now on. */
#include <stdlib.h>

#include "base/check.h"
#include "base/datetime.h"
#include "server/guess.h"
#include "server/host_int.h"

enum { LINES_AT_ONCE = 256 };

typedef struct print {
    transient base; /* first */
    work work;
    io_feed *feed;
    sql_print what;
    guess key, value;
    buf names; /* the format lines that were shown last */
    int64_t seen, shown;
    buf waiting; /* a line that the full stream did not take */
    bool ended;
} print;

static void end_print_stream(print *p, exec_end how, const char *why)
{
    if (p->ended) return;
    p->ended = true;
    exec_stream_end(p->base.stream, how, how == EXEC_END_ERROR ? REST_SERVER_ERROR : 0, why);
    host_close_transient(&p->base);
}

static void format_line(print *p, const io_record *r, int32_t partition, buf *out)
{
    buf_add_z(out, "rowtime: ");
    if (r->timestamp < 0) {
        buf_add_z(out, "N/A");
    } else {
        char text[DATETIME_TEXT_MAX];
        size_t n = datetime_format_timestamp(r->timestamp, text);
        for (size_t i = 0; i < n; i++) {
            char c = text[i];
            buf_add_char(out, c == '-' && i > 0 && i < 11 ? '/' : c == 'T' ? ' ' : c);
        }
        buf_add_z(out, " Z");
    }
    str key = {r->key_null ? NULL : r->key.p ? r->key.p : "", r->key.n};
    str text = {r->value_null ? NULL : r->value.p ? r->value.p : "", r->value.n};
    buf_add_z(out, ", key: ");
    guess_print(&p->key, key, out);
    buf_add_z(out, ", value: ");
    guess_print(&p->value, text, out);
    buf_printf(out, ", partition: %d", partition);
}

/* Shows the formats that are left when they differ from what was shown. */
static void format_names(print *p, buf *lines)
{
    buf now = {0};
    buf_add_z(&now, "Key format: ");
    guess_names(&p->key, &now);
    buf_add_z(&now, "\nValue format: ");
    guess_names(&p->value, &now);
    if (!str_eq(buf_str(&now), buf_str(&p->names))) {
        buf_clear(&p->names);
        buf_add_str(&p->names, buf_str(&now));
        buf_add_str(lines, buf_str(&now));
        buf_add_char(lines, '\n');
    }
    buf_free(&now);
}

/* Adds the lines of a batch to p->waiting. */
static void format_batch(print *p, const io_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const io_record *r = &b->records[i];
        guess_look(&p->key, (str){r->key_null ? NULL : r->key.p ? r->key.p : "", r->key.n});
        guess_look(&p->value, (str){r->value_null ? NULL : r->value.p ? r->value.p : "", r->value.n});
    }
    if (b->count > 0) format_names(p, &p->waiting);
    for (uint32_t i = 0; i < b->count; i++) {
        if (p->what.limit >= 0 && p->shown >= p->what.limit) return;
        if (p->seen++ % p->what.every != 0) continue;
        p->shown++;
        format_line(p, &b->records[i], b->partition, &p->waiting);
        buf_add_char(&p->waiting, '\n');
    }
}

/* Hands the waiting lines to the stream; false when it is full or gone. */
static bool flush(print *p)
{
    if (p->waiting.len == 0) return true;
    str lines = {p->waiting.data, p->waiting.len - 1}; /* the stream ends the last line itself */
    io_status status = exec_stream_line(p->base.stream, lines);
    if (status == IO_BLOCKED) return false;
    buf_clear(&p->waiting);
    if (status != IO_OK) end_print_stream(p, EXEC_END_DONE, NULL);
    return status == IO_OK;
}

static bool run_print(work *w, int64_t now_ms)
{
    print *p = container_of(w, print, work);
    if (p->ended || !flush(p)) return false;
    if (p->what.limit >= 0 && p->shown >= p->what.limit) {
        end_print_stream(p, EXEC_END_LIMIT, NULL);
        return false;
    }
    io_batch batch;
    diag d = {0};
    io_status status = p->feed->ops->read(p->feed, 0, LINES_AT_ONCE, &batch, &d);
    if (status == IO_FAILED) end_print_stream(p, EXEC_END_ERROR, d.text);
    if (status != IO_OK) return false;
    format_batch(p, &batch);
    p->feed->ops->release(p->feed, 0);
    return flush(p);
}

static void wake_print(transient *t)
{
    workers_wake(t->host->env.workers, &container_of(t, print, base)->work);
}

static void wake_by_append(void *arg)
{
    wake_print(arg);
}

static void end_print(transient *t)
{
    print *p = container_of(t, print, base);
    workers_retire(t->host->env.workers, &p->work);
    embedded_feed_free(p->feed);
    if (!p->ended) exec_stream_end(t->stream, EXEC_END_DONE, 0, NULL);
    buf_free(&p->names);
    buf_free(&p->waiting);
    arena_free(t->mem);
}

exec_begin host_begin_print(host *h, const sql_print *what, arena *mem, exec_stream *s, str statement, exec_reply *out)
{
    print *p = ARENA_NEW(mem, print);
    diag d = {0};
    p->what = *what;
    p->key = guess_new(true);
    p->value = guess_new(false);
    p->work.run = run_print;
    str id = arena_printf(mem, "print_%lld", (long long)host_now(NULL).wall_ms);
    p->base = (transient){.host = h,
                          .id = id,
                          .statement = arena_str(mem, statement),
                          .stream = s,
                          .mem = mem,
                          .end = end_print,
                          .wake = wake_print};
    embedded_input input = {what->topic, what->from_beginning};
    embedded_feed_options o = {.inputs = &input,
                               .input_count = 1,
                               .partition = -1,
                               .read_committed = true,
                               .wake = wake_by_append,
                               .wake_arg = &p->base};
    p->feed = embedded_feed_new(h->options.broker, &o, &d);
    if (!p->feed) {
        exec_reply_fail(out, REST_BAD_STATEMENT, statement,
                        "Could not find topic '%.*s', or the KSQL user does not have permissions "
                        "to list the topic. Topic names are case-sensitive.",
                        STR_ARG(what->topic));
        return EXEC_FAILED;
    }
    host_add_transient(h, &p->base);
    exec_stream_open(s, EXEC_PRINT, id, NULL, &p->base);
    workers_wake(h->env.workers, &p->work);
    return EXEC_STARTED;
}
