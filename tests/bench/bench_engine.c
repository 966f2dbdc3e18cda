/*
 * tests/bench/bench_engine.c - nanoseconds per record of decoding, filter and projection, and windowed counts.
 *
 *     bench_engine [rows]
 *
 * One thread; records are made beforehand; the feed hands out slices of one padded buffer, the sink counts bytes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "engine/format/format.h"
#include "engine/query.h"
#include "tests/support/engine/mini.h"

enum { KEYS = 100000 };

/* The mini parser asserts with Check, which wants a running test: here an assertion that fails ends the program. */
void _mark_point(const char *file, int line)
{
}

void _ck_assert_failed(const char *file, int line, const char *text, const char *msg, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    va_list args;
    va_start(args, msg);
    if (msg) vfprintf(stderr, msg, args);
    va_end(args);
    abort();
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- a world that gives the same records again and again ------------------------------------------------------- */

typedef struct world {
    io_feed feed;
    io_sink sink;
    io_record *records;
    int64_t count, at, end;
    io_record *table; /* of input 1, read before everything else */
    int64_t table_count, table_at;
    uint64_t out_rows, out_bytes;
    io_partition part;
} world;

static io_status feed_read(io_feed *f, int input, uint32_t max, io_batch *out, diag *d)
{
    world *w = container_of(f, world, feed);
    if (input == 1) {
        if (w->table_at == w->table_count) return IO_END;
        int64_t left = w->table_count - w->table_at;
        *out =
            (io_batch){.count = (uint32_t)(left < max ? left : max), .padded = true, .records = w->table + w->table_at};
        w->table_at += out->count;
        out->next_offset = w->table_at;
        return IO_OK;
    }
    if (w->table && w->table_at < w->table_count) return IO_EMPTY;
    if (w->at == w->end) return IO_END;
    int64_t from = w->at % w->count;
    int64_t n = w->count - from;
    if (n > max) n = max;
    if (n > w->end - w->at) n = w->end - w->at;
    *out = (io_batch){.count = (uint32_t)n,
                      .padded = true,
                      .records = w->records + from,
                      .next_offset = w->at + n,
                      .end_offset = w->end};
    w->at += n;
    return IO_OK;
}

static void feed_release(io_feed *f, int input)
{
}

static bool feed_may_pass(io_feed *f, int input, int64_t now)
{
    return true;
}

static bool feed_seek(io_feed *f, int input, int32_t partition, int64_t offset, diag *d)
{
    return true;
}

static int feed_partitions(io_feed *f, int input, const io_partition **out)
{
    *out = &container_of(f, world, feed)->part;
    return 1;
}

static io_status sink_append(io_sink *s, int output, const io_out *records, uint32_t count, diag *d)
{
    world *w = container_of(s, world, sink);
    w->out_rows += count;
    for (uint32_t i = 0; i < count; i++) w->out_bytes += records[i].key.n + records[i].value.n;
    return IO_OK;
}

static void sink_freeze(io_sink *s, int64_t generation)
{
}

static bool sink_prepare(io_sink *s, int64_t generation, const io_output_position **out, int *count, diag *d)
{
    *count = 0;
    return true;
}

static bool sink_decided(io_sink *s, int64_t generation, diag *d)
{
    return true;
}

static void sink_dropped(io_sink *s, int64_t generation)
{
}

static io_feed *make_feed(void *ctx, const query *q, int stage, int32_t partition)
{
    return &((world *)ctx)->feed;
}

static int topic_partitions(void *ctx, str topic)
{
    return 1;
}

/* ---- records: 12 fields, about 300 bytes ------------------------------------------------------------------------ */

static void make_records(world *w, arena *a, int64_t n)
{
    w->records = ARENA_ARRAY(a, io_record, (size_t)n);
    w->count = n;
    uint64_t seed = 88172645463325252u;
    for (int64_t i = 0; i < n; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint64_t user = seed % KEYS * 10; /* so that they spread over the join's table */
        str v = arena_printf(
            a,
            "{\"ORDER_ID\":%lld,\"USER_ID\":\"User_%llu\",\"ITEM\":\"Item_%llu\",\"QTY\":%llu,\"PRICE\":%llu.%02llu,"
            "\"CURRENCY\":\"EUR\",\"TS\":%lld,\"CITY\":\"City_%llu\",\"ZIP\":\"%05llu\",\"GIFT\":%s,\"COUPON\":null,"
            "\"NOTE\":\"deliver between nine and five, please ring twice and leave it at the door\"}",
            (long long)i, (unsigned long long)user, (unsigned long long)(seed % 997), (unsigned long long)(seed % 20),
            (unsigned long long)(seed % 300), (unsigned long long)(seed % 100), 1700000000000LL + (long long)i,
            (unsigned long long)(seed % 89), (unsigned long long)(seed % 99999), seed & 1 ? "true" : "false");
        str k = arena_printf(a, "%lld", (long long)i);
        arena_alloc(a, 32);
        w->records[i] = (io_record){.key = k, .value = v, .timestamp = 1700000000000LL + i / 100, .offset = i};
    }
}

static const schema *orders(arena *a)
{
    static const struct {
        const char *name, *type;
    } cols[] = {{"ID", "BIGINT"},   {"ORDER_ID", "BIGINT"}, {"USER_ID", "STRING"},  {"ITEM", "STRING"},
                {"QTY", "INT"},     {"PRICE", "DOUBLE"},    {"CURRENCY", "STRING"}, {"TS", "BIGINT"},
                {"CITY", "STRING"}, {"ZIP", "STRING"},      {"GIFT", "BOOLEAN"},    {"COUPON", "STRING"},
                {"NOTE", "STRING"}};
    column list[ARRAY_LEN(cols)];
    for (size_t i = 0; i < ARRAY_LEN(cols); i++) {
        list[i] = (column){.name = str_z(cols[i].name),
                           .type = mini_type(a, cols[i].type),
                           .role = i == 0 ? COLUMN_KEY : COLUMN_VALUE};
    }
    return schema_new(a, list, (int)ARRAY_LEN(cols));
}

static void no_failure(void *ctx, uint32_t row, str message)
{
    fprintf(stderr, "row %u: %.*s\n", row, STR_ARG(message));
    exit(1);
}

static void no_null(void *ctx, uint32_t row)
{
}

static void bench_decode(world *w, arena *a, const schema *s, const bool *needed, const char *what)
{
    format_spec spec = {.kind = FORMAT_JSON, .wrapped = true};
    diag d = {0};
    format_codec *f = format_open(a, &spec, s, FORMAT_VALUE, needed, &d);
    format_events events = {no_failure, no_null, NULL};
    arena *mem = arena_new();
    size_t bytes = 0;
    double best = 1e18;
    for (int run = 0; run < 3; run++) {
        double t = now_ns();
        for (int64_t at = 0; at + 1024 <= w->count; at += 1024) {
            arena_reset(mem);
            chunk *c = chunk_new(mem, s, 1024);
            format_read(f, w->records + at, 1024, true, c->cols, 0, mem, &events);
        }
        t = (now_ns() - t) / (double)(w->count / 1024 * 1024);
        if (t < best) best = t;
    }
    for (int64_t i = 0; i < w->count; i++) bytes += w->records[i].value.n;
    printf("%-44s %7.1f ns/record (%zu bytes each)\n", what, best, bytes / (size_t)w->count);
    arena_free(mem);
}

static void bench_encode(world *w, arena *a, const schema *s)
{
    format_spec spec = {.kind = FORMAT_JSON, .wrapped = true};
    diag d = {0};
    format_codec *f = format_open(a, &spec, s, FORMAT_VALUE, NULL, &d);
    format_events events = {no_failure, no_null, NULL};
    arena *mem = arena_new();
    chunk *c = chunk_new(mem, s, 1024);
    format_read(f, w->records, 1024, true, c->cols, 0, mem, &events);
    buf out = {0};
    double best = 1e18;
    for (int run = 0; run < 300; run++) {
        buf_clear(&out);
        double t = now_ns();
        str why;
        for (uint32_t r = 0; r < 1024; r++) format_write(f, c->cols, r, &out, &why);
        t = (now_ns() - t) / 1024;
        if (t < best) best = t;
    }
    printf("%-44s %7.1f ns/record (%zu bytes each)\n", "encode JSON, 12 columns", best, out.len / 1024);
    buf_free(&out);
    arena_free(mem);
}

/* ---- queries ---------------------------------------------------------------------------------------------------- */

static plan *step(arena *a, plan_kind kind, const char *context, const schema *s, const plan *in)
{
    static int id;
    plan *p = ARENA_NEW(a, plan);
    *p = (plan){
        .kind = kind, .id = ++id, .context = str_z(context), .schema = s, .inputs = {in}, .input_count = in ? 1 : 0};
    return p;
}

static plan *source_step(arena *a, const schema *s, const bool *needed)
{
    plan *p = step(a, PLAN_SOURCE, "KsqlTopic", s, NULL);
    p->source = (plan_source){.name = STR("ORDERS"),
                              .topic = STR("orders"),
                              .key_format = {.kind = FORMAT_JSON},
                              .value_format = {.kind = FORMAT_JSON, .wrapped = true},
                              .timestamp = {.column = -1},
                              .needed = needed};
    return p;
}

static plan *sink_step(arena *a, const plan *in)
{
    plan *p = step(a, PLAN_SINK, "Sink", in->schema, in);
    p->sink = (plan_sink){.name = STR("OUT"),
                          .topic = STR("out"),
                          .key_format = {.kind = FORMAT_JSON},
                          .value_format = {.kind = FORMAT_JSON, .wrapped = true},
                          .timestamp = {.column = -1},
                          .partitions = 4,
                          .limit = -1};
    return p;
}

static void run_query(world *w, const plan *root, int64_t rows, int64_t cache, bool commits, const char *what)
{
    w->at = 0;
    w->end = rows;
    w->out_rows = w->out_bytes = 0;
    query_options o = {.id = STR("bench"),
                       .single_task = true,
                       .cache_bytes = cache,
                       .commit_interval_ms = 2000,
                       .sink = &w->sink,
                       .feed = make_feed,
                       .topic_partitions = topic_partitions,
                       .ctx = w};
    if (commits) o.db = NULL;
    diag d = {0};
    query *q = query_new(root, &o, &d);
    if (!q) {
        fprintf(stderr, "%s\n", d.text);
        exit(1);
    }
    double t = now_ns();
    task_status st = TASK_MORE;
    while (w->table && w->table_at < w->table_count) task_step(query_task(q, 0), 0);
    t = now_ns();
    do {
        st = task_step(query_task(q, 0), 0);
    } while (st == TASK_MORE);
    t = now_ns() - t;
    if (st != TASK_DONE) {
        fprintf(stderr, "status %d: %s\n", (int)st, query_error(q) ? query_error(q)->text : "");
        exit(1);
    }
    printf("%-44s %7.1f ns/record, %.2f M records/s (%llu rows out, %llu bytes)\n", what, t / (double)rows,
           (double)rows * 1e3 / t, (unsigned long long)w->out_rows, (unsigned long long)w->out_bytes);
    query_free(q);
}

static void bench_filter_project(world *w, arena *a, const schema *s, int64_t rows)
{
    bool *needed = ARENA_ARRAY(a, bool, (size_t)s->count);
    plan *p = step(a, PLAN_FILTER, "WhereFilter", s, source_step(a, s, needed));
    p->filter.predicate = mini_parse(a, "QTY > 4 AND CURRENCY = 'EUR'", s);
    const char *exprs[] = {"ORDER_ID", "USER_ID", "PRICE * QTY", "ITEM + '!'", "CITY"};
    const expr **list = ARENA_ARRAY(a, const expr *, ARRAY_LEN(exprs));
    column cols[1 + ARRAY_LEN(exprs)] = {s->columns[0]};
    for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
        list[i] = mini_parse(a, exprs[i], s);
        expr_columns(list[i], needed);
        cols[i + 1] = (column){.name = arena_printf(a, "C%zu", i), .type = list[i]->type, .role = COLUMN_VALUE};
    }
    expr_columns(p->filter.predicate, needed);
    needed[0] = true;
    int *keys = ARENA_ARRAY(a, int, 1);
    plan *pr = step(a, PLAN_PROJECT, "Project", schema_new(a, cols, (int)ARRAY_LEN(cols)), p);
    pr->project = (plan_project){list, (int)ARRAY_LEN(exprs), keys};
    run_query(w, sink_step(a, pr), rows, 0, false, "filter + project, JSON to JSON");
}

static void bench_count(world *w, arena *a, const schema *s, int64_t rows, int64_t cache, const char *what)
{
    bool *needed = ARENA_ARRAY(a, bool, (size_t)s->count);
    const expr **key = ARENA_ARRAY(a, const expr *, 1);
    key[0] = mini_parse(a, "USER_ID", s);
    expr_columns(key[0], needed);
    column cols[3] = {{.name = STR("USER_ID"), .type = key[0]->type, .role = COLUMN_KEY}};
    plan *k = step(a, PLAN_REKEY, "Aggregate-GroupBy", schema_new(a, cols, 1), source_step(a, s, needed));
    k->rekey = (plan_rekey){
        .keys = key, .count = 1, .drop_null_keys = true, .key_format = {.kind = FORMAT_JSON}, .partitions = 1};
    const func_group *g = func_find(STR("COUNT"));
    const expr **args = ARENA_ARRAY(a, const expr *, 1);
    args[0] = mini_parse(a, "1", NULL);
    func_arg types = {.type = args[0]->type};
    diag d = {0};
    plan_agg_call *call = ARENA_NEW(a, plan_agg_call);
    *call = (plan_agg_call){
        .func = func_resolve(g, &types, 1, NO_SPAN, &d), .args = args, .arg_count = 1, .column = STR("N")};
    cols[1] = (column){.name = STR("N"), .type = type_simple(TYPE_BIGINT), .role = COLUMN_VALUE};
    schema *out = schema_new(a, cols, 2);
    out->is_table = true;
    out->window = WINDOW_TUMBLING;
    out->window_size = 60000;
    plan *p = step(a, PLAN_AGGREGATE, "Aggregate-Aggregate", out, k);
    p->aggregate =
        (plan_aggregate){.calls = call, .call_count = 1, .window = {WINDOW_TUMBLING, 60000, 60000, 0, 60000}};
    run_query(w, sink_step(a, p), rows, cache, false, what);
}

static void bench_join(world *w, arena *a, const schema *s, int64_t rows, int64_t table_rows)
{
    bool *needed = ARENA_ARRAY(a, bool, (size_t)s->count);
    const expr **key = ARENA_ARRAY(a, const expr *, 1);
    key[0] = mini_parse(a, "USER_ID", s);
    expr_columns(key[0], needed);
    column cols[4] = {{.name = STR("USER_ID"), .type = key[0]->type, .role = COLUMN_KEY}, s->columns[4], s->columns[5]};
    needed[4] = needed[5] = true;
    int *values = ARENA_ARRAY(a, int, 2);
    values[0] = 4;
    values[1] = 5;
    plan *k = step(a, PLAN_REKEY, "Join-repartition", schema_new(a, cols, 3), source_step(a, s, needed));
    k->rekey = (plan_rekey){.keys = key,
                            .count = 1,
                            .key_format = {.kind = FORMAT_JSON},
                            .partitions = 1,
                            .value_columns = values,
                            .value_count = 2};
    column user[2] = {cols[0], {.name = STR("CITY"), .type = type_simple(TYPE_STRING), .role = COLUMN_VALUE}};
    schema *users = schema_new(a, user, 2);
    users->is_table = true;
    plan *t = source_step(a, users, NULL);
    cols[3] = user[1];
    plan *j = step(a, PLAN_JOIN, "Join", schema_new(a, cols, 4), k);
    j->inputs[1] = t;
    j->input_count = 2;
    j->join.kind = JOIN_INNER;
    w->table = ARENA_ARRAY(a, io_record, (size_t)table_rows);
    w->table_count = table_rows;
    for (int64_t i = 0; i < table_rows; i++) {
        str name = arena_printf(a, "\"User_%lld\"", (long long)i);
        str v = arena_printf(a, "{\"CITY\":\"City of user %lld\"}", (long long)i);
        arena_alloc(a, 32);
        w->table[i] = (io_record){.key = name, .value = v, .offset = i};
    }
    run_query(w, sink_step(a, j), rows, 0, false, "stream-table join, 1,000,000 rows");
    w->table = NULL;
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? atoll(argv[1]) : 2000000;
    static const io_feed_ops feed_ops = {feed_read, feed_release, feed_may_pass, feed_seek, feed_partitions};
    static const io_sink_ops sink_ops = {.append = sink_append,
                                         .freeze = sink_freeze,
                                         .prepare = sink_prepare,
                                         .decided = sink_decided,
                                         .dropped = sink_dropped};
    arena *a = arena_new();
    world w = {.feed = {&feed_ops}, .sink = {&sink_ops, IO_DECIDES_STORE}, .part = {.end_offset = rows}};
    make_records(&w, a, 1 << 17);
    const schema *s = orders(a);
    bench_decode(&w, a, s, NULL, "decode JSON, all 12 columns");
    bool needed[13] = {[1] = true, [2] = true, [4] = true, [5] = true};
    bench_decode(&w, a, s, needed, "decode JSON, 4 of 12 columns");
    bench_encode(&w, a, s);
    bench_filter_project(&w, a, s, rows);
    bench_count(&w, a, s, rows, 1 << 20, "TUMBLING COUNT, 100,000 keys, per commit");
    bench_count(&w, a, s, rows, 0, "TUMBLING COUNT, 100,000 keys, every change");
    bench_join(&w, a, s, rows, 1000000);
    arena_free(a);
    return 0;
}
