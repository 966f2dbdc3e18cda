#include "server/test_run.h"

#include "base/check.h"
#include "base/clock.h"
#include "engine/format/format.h"
#include "server/test_convert.h"
#include "sql/parse.h"

enum { KEPT_MAX = 4096, STEPS_MAX = 100000000 };

void test_run_begin(test_run *r, arena *a)
{
    *r = (test_run){.a = a, .log = {.a = a}, .catalog = catalog_new()};
    r->kept = ARENA_ARRAY(a, const catalog *, KEPT_MAX);
    r->owners = ARENA_ARRAY(a, test_owner, KEPT_MAX);
    r->now_ms = clock_wall_ms();
    diag d = {0};
    settings_set(&r->session.settings, STR("auto.offset.reset"), NO_SPAN, STR("earliest"), NO_SPAN, &d);
    settings_set(&r->session.settings, STR("cache.max.bytes.buffering"), NO_SPAN, STR("0"), NO_SPAN, &d);
    check(!diag_is_set(&d));
}

void test_run_end(test_run *r)
{
    for (int i = 0; i < r->kept_count; i++) catalog_unref(r->kept[i]);
    catalog_unref(r->catalog);
    sql_session_free(&r->session);
    map_free(&r->log.topics);
}

const source *test_run_owner(const test_run *r, str topic)
{
    for (int i = 0; i < r->owner_count; i++) {
        if (str_eq(r->owners[i].topic, topic)) return r->owners[i].src;
    }
    return NULL;
}

/* ---- statements ------------------------------------------------------------------------------------------- */

static bool find_topic(void *ctx, str name, sql_topic *out)
{
    test_run *r = ctx;
    const test_topic *t = test_log_find(&r->log, name);
    if (!t) return false;
    *out = (sql_topic){.partitions = t->partitions, .replicas = t->replicas, .retention_ms = -1};
    return true;
}

/* A topic that a CREATE names is there, unless the statement makes it. */
static void make_named_topic(test_run *r, const ast_stmt *stmt)
{
    if (stmt->kind != AST_STMT_CREATE_STREAM && stmt->kind != AST_STMT_CREATE_TABLE) return;
    const ast_expr *topic = ast_property_get(&stmt->u.create.with, STR("KAFKA_TOPIC"));
    if (!topic || topic->kind != AST_EXPR_STRING || str_trim(topic->u.string).n == 0) return;
    if (ast_property_get(&stmt->u.create.with, STR("PARTITIONS")) || test_log_find(&r->log, topic->u.string)) return;
    test_log_create(&r->log, topic->u.string, 1, 1);
}

/* The first stream or table over a topic says what its bytes are. */
static void learn_owners(test_run *r)
{
    for (int i = 0; i < r->catalog->source_count; i++) {
        const source *s = r->catalog->sources[i];
        if (test_run_owner(r, s->topic) || r->owner_count == KEPT_MAX) continue;
        r->owners[r->owner_count++] = (test_owner){s->topic, s};
    }
}

static bool encode_side(test_run *r, const effect *e, bool key, buf *out, diag *d)
{
    const schema *s = e->src->schema;
    const source_format *f = key ? &e->src->key_format : &e->src->value_format;
    vec *cols = ARENA_ARRAY(r->a, vec, (size_t)s->count + 1);
    for (int i = 0; i < s->count; i++) {
        cols[i] = vec_new(r->a, s->columns[i].type, 1);
        if (e->values[i].null)
            vec_set_null(&cols[i], 0);
        else
            vec_set(&cols[i], 0, e->values[i]);
    }
    format_codec *codec = format_open(r->a, &f->spec, s, key ? FORMAT_KEY : FORMAT_VALUE, NULL, d);
    str message;
    if (!codec) return false;
    return format_write(codec, cols, 0, out, &message) ||
           diag_set(d, DIAG_INVALID, "Could not serialize %s: %.*s", key ? "key" : "value", STR_ARG(message));
}

static bool insert_row(test_run *r, const effect *e, diag *d)
{
    buf key = {0}, row = {0};
    test_topic *t = test_log_find(&r->log, e->topic);
    bool ok = t || diag_set(d, DIAG_NOT_FOUND, "The topic '%.*s' does not exist", STR_ARG(e->topic));
    ok = ok && (e->key_null || encode_side(r, e, true, &key, d)) && encode_side(r, e, false, &row, d);
    if (ok) {
        test_log_append(&r->log, t,
                        &(io_out){.key = buf_str(&key),
                                  .value = buf_str(&row),
                                  .key_null = e->key_null,
                                  .partition = -1,
                                  .timestamp = e->rowtime});
    }
    buf_free(&key);
    buf_free(&row);
    return ok;
}

static bool apply(test_run *r, const effect *e, diag *d)
{
    switch (e->kind) {
    case EFFECT_CREATE_TOPIC:
        if (!test_log_find(&r->log, e->topic))
            test_log_create(&r->log, e->topic, e->partitions, e->replicas > 0 ? e->replicas : 1);
        return true;
    case EFFECT_DELETE_TOPIC: test_log_delete(&r->log, e->topic); return true;
    case EFFECT_START_QUERY:
    case EFFECT_REPLACE_QUERY: r->next_id++; return query_check(e->query->plan, d);
    case EFFECT_INSERT: return insert_row(r, e, d);
    case EFFECT_REGISTER_SCHEMA:
    case EFFECT_DELETE_SCHEMAS:
    case EFFECT_STOP_QUERY:
    case EFFECT_PAUSE_QUERY:
    case EFFECT_RESUME_QUERY: return true;
    }
    check_unreachable();
}

static bool execute(test_run *r, const ast_stmt *stmt, diag *d)
{
    sql_env env = {.ctx = r, .topic = find_topic, .now_ms = r->now_ms};
    sql_outcome out;
    make_named_topic(r, stmt);
    if (!sql_execute(r->a, r->catalog, &r->session, &env, stmt, r->next_id, &out, d)) return false;
    bool ok = true;
    for (int i = 0; ok && i < out.effect_count; i++) ok = apply(r, &out.effects[i], d);
    if (!out.after) return ok;
    if (!ok || r->kept_count == KEPT_MAX) {
        catalog_unref(out.after);
        return ok ? diag_set(d, DIAG_LIMIT, "A case has too many statements") : false;
    }
    r->kept[r->kept_count++] = r->catalog;
    r->catalog = out.after;
    learn_owners(r);
    return true;
}

bool test_run_statement(test_run *r, str text, diag *d)
{
    parse_results parsed;
    if (!parse_all(r->a, text, PARSE_TEST, &parsed, d)) return false;
    for (uint32_t i = 0; i < parsed.n; i++) {
        if (!execute(r, parsed.items[i].stmt, d)) return false;
    }
    return true;
}

/* ---- inputs ----------------------------------------------------------------------------------------------- */

static int64_t number_of(const json_value *v, int64_t otherwise)
{
    int64_t n;
    return json_as_i64(v, &n) ? n : otherwise;
}

static headers input_headers(test_run *r, const json_value *list)
{
    uint32_t n = list && list->kind == JSON_ARRAY ? list->count : 0;
    header *items = ARENA_ARRAY(r->a, header, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const json_value *item = json_item(list, i);
        str text = STR("");
        json_as_str(json_getz(item, "KEY"), &items[i].key);
        buf bytes = {0};
        items[i].value_null = !json_as_str(json_getz(item, "VALUE"), &text);
        diag ignored = {0};
        bool null;
        json_value raw = {.kind = JSON_STRING, .text = text};
        static const type bytes_type = {.kind = TYPE_BYTES};
        static const column bytes_column = {.name = {"VALUE", 5}, .type = &bytes_type, .role = COLUMN_VALUE};
        static const schema bytes_schema = {.columns = &bytes_column, .count = 1};
        source as_bytes = {.schema = &bytes_schema, .value_format = {.spec = {.kind = FORMAT_KAFKA}}};
        if (!items[i].value_null && test_encode(&as_bytes, false, &raw, &bytes, &null, &ignored))
            items[i].value = arena_str(r->a, buf_str(&bytes));
        buf_free(&bytes);
    }
    return (headers){n, items};
}

/* The window's bounds stand behind the key. */
static void add_window(const source *src, const json_value *window, buf *key)
{
    if (!window || window->kind != JSON_OBJECT) return;
    str kind = STR("");
    json_as_str(json_getz(window, "type"), &kind);
    window_kind w = src && src->schema->window != WINDOW_NONE ? src->schema->window
                    : str_ieq(kind, STR("session"))           ? WINDOW_SESSION
                                                              : WINDOW_TUMBLING;
    format_add_window(w, number_of(json_getz(window, "start"), 0), number_of(json_getz(window, "end"), 0), key);
}

bool test_run_input(test_run *r, const json_value *input, diag *d)
{
    str topic = STR("");
    json_as_str(json_getz(input, "topic"), &topic);
    const source *src = test_run_owner(r, topic);
    test_topic *t = test_log_find(&r->log, topic);
    if (!t) t = test_log_create(&r->log, topic, 1, 1);
    if (!t->has_inputs) t->first_input = t->count;
    t->has_inputs = true;
    buf key = {0}, row = {0};
    headers h = input_headers(r, json_getz(input, "headers"));
    io_out out = {
        .partition = -1, .timestamp = number_of(json_getz(input, "timestamp"), 0), .headers = h.n ? &h : NULL};
    bool ok = test_encode(src, true, json_getz(input, "key"), &key, &out.key_null, d) &&
              test_encode(src, false, json_getz(input, "value"), &row, &out.value_null, d);
    if (ok) {
        if (!out.key_null) add_window(src, json_getz(input, "window"), &key);
        out.key = buf_str(&key);
        out.value = buf_str(&row);
        test_log_append(&r->log, t, &out);
    }
    buf_free(&key);
    buf_free(&row);
    return ok;
}

/* ---- queries ---------------------------------------------------------------------------------------------- */

/* What the engine asks of the world while one query runs. */
typedef struct query_world {
    test_run *run;
    const json_value *inputs;
    io_feed *feed;
} query_world;

static int topic_partitions(void *ctx, str topic)
{
    const query_world *w = ctx;
    const test_topic *t = test_log_find(&w->run->log, topic);
    return t ? t->partitions : 0;
}

/*
 * Turns of the given records, in the order of `inputs` for topics that have some, then what the other topics contain.
 */
static test_turn *make_turns(const query_world *w, const test_topic *const *topics, int count, int *turn_count)
{
    test_run *r = w->run;
    size_t total = 1;
    for (int i = 0; i < count; i++) total += (size_t)topics[i]->count;
    test_turn *turns = ARENA_ARRAY(r->a, test_turn, total);
    int n = 0;
    int *seen = ARENA_ARRAY(r->a, int, (size_t)count + 1);
    for (uint32_t k = 0; w->inputs && k < w->inputs->count; k++) {
        str name = STR("");
        json_as_str(json_getz(json_item(w->inputs, k), "topic"), &name);
        for (int i = 0; i < count; i++) {
            if (!str_eq(topics[i]->name, name)) continue;
            /* Rows that INSERT VALUES wrote before the inputs are no inputs. */
            if (seen[i] < topics[i]->first_input) seen[i] = topics[i]->first_input;
            turns[n++] = (test_turn){i, topics[i], seen[i]++};
        }
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; !topics[i]->has_inputs && k < topics[i]->count; k++) turns[n++] = (test_turn){i, topics[i], k};
    }
    *turn_count = n;
    return turns;
}

static io_feed *make_feed(void *ctx, const query *q, int stage, int32_t partition)
{
    query_world *w = ctx;
    const query_input *inputs;
    int count = query_inputs(q, &inputs);
    const test_topic **topics = ARENA_ARRAY(w->run->a, const test_topic *, (size_t)count + 1);
    for (int i = 0; i < count; i++) topics[inputs[i].index] = test_log_find(&w->run->log, inputs[i].step->source.topic);
    int turn_count;
    test_turn *turns = make_turns(w, topics, count, &turn_count);
    return test_feed_new(w->run->a, topics, count, turns, turn_count);
}

static bool run_query(test_run *r, const catalog_query *cq, const json_value *inputs, diag *d)
{
    query_world world = {r, inputs, NULL};
    str *topics = ARENA_ARRAY(r->a, str, 1);
    topics[0] = cq->sink_topic;
    query_options options = {
        .id = cq->id,
        .single_task = true,
        .cache_bytes = 0,
        .fail_on_bad_record = settings_bool(&r->session.settings, "ksql.fail.on.deserialization.error"),
        .fail_on_bad_timestamp = settings_bool(&r->session.settings, "ksql.timestamp.throw.on.invalid"),
        .sink = test_sink_new(&r->log, topics, 1),
        .feed = make_feed,
        .topic_partitions = topic_partitions,
        .ctx = &world};
    query *q = query_new(cq->plan, &options, d);
    if (!q) return false;
    task_status status = TASK_MORE;
    for (int i = 0; i < STEPS_MAX && status != TASK_DONE && status != TASK_FAILED; i++) {
        status = task_step(query_task(q, 0), r->now_ms);
        if (status == TASK_IDLE) break;
    }
    if (query_error(q)) *d = *query_error(q);
    bool ok = status != TASK_FAILED;
    query_free(q);
    return ok;
}

bool test_run_queries(test_run *r, const json_value *inputs, diag *d)
{
    for (int i = 0; i < r->catalog->query_count; i++) {
        const catalog_query *q = r->catalog->queries[i];
        if (q->paused) continue;
        if (!run_query(r, q, inputs, d)) return false;
    }
    return true;
}
