/* Typed results of sql/ as the entities of the API. */
#include "base/check.h"
#include "server/host_int.h"

enum { QUERIES_MAX = 256 };

/* One result being turned into an entity. */
typedef struct maker {
    host *host;
    const catalog *catalog;
    const sql_session *session;
    const sql_result *r;
    exec_reply *reply;
    arena *a;
    str text;
} maker;

static const char *format_name(format_kind k)
{
    static const char *const names[] = {"NONE",    "KAFKA", "JSON",     "DELIMITED",
                                        "JSON_SR", "AVRO",  "PROTOBUF", "PROTOBUF_NOSR"};
    return names[k];
}

static str window_name(window_kind k)
{
    static const char *const names[] = {"", "TUMBLING", "HOPPING", "SESSION"};
    return str_z(names[k]);
}

/* ---- queries ---------------------------------------------------------------------------------------------------- */

/* RUNNING, PAUSED or ERROR. */
static str state_of(host *h, str id)
{
    str state = STR("ERROR");
    pthread_mutex_lock(&h->lock);
    for (int i = 0; i < h->running_count; i++) {
        running *r = h->running[i];
        if (!str_eq(r->id, id)) continue;
        if (r->hosted && !hosted_error(r->hosted, NULL))
            state = hosted_paused(r->hosted) ? STR("PAUSED") : STR("RUNNING");
    }
    pthread_mutex_unlock(&h->lock);
    return state;
}

static entity_texts one_text(arena *a, str s)
{
    str *items = ARENA_NEW(a, str);
    *items = arena_str(a, s);
    return (entity_texts){items, s.n > 0 ? 1 : 0};
}

static entity_running running_entity(maker *m, const catalog_query *q)
{
    return (entity_running){.id = arena_str(m->a, q->id),
                            .statement = arena_str(m->a, q->statement),
                            .sinks = one_text(m->a, q->sink),
                            .sink_topics = one_text(m->a, q->sink_topic),
                            .status = state_of(m->host, q->id),
                            .type = STR("PERSISTENT")};
}

/* Persistent queries, then the transient ones that run now. */
static void list_queries(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_QUERIES, m->text);
    entity_running *list = ARENA_ARRAY(m->a, entity_running, (size_t)m->r->query_count + QUERIES_MAX);
    for (int i = 0; i < m->r->query_count; i++) list[e->n++] = running_entity(m, m->r->queries[i]);
    pthread_mutex_lock(&m->host->lock);
    int left = QUERIES_MAX;
    for (transient *t = m->host->transients; t && left > 0; t = t->next, left--) {
        list[e->n++] = (entity_running){.id = arena_str(m->a, t->id),
                                        .statement = arena_str(m->a, t->statement),
                                        .status = STR("RUNNING"),
                                        .type = STR("PUSH")};
    }
    pthread_mutex_unlock(&m->host->lock);
    e->u.queries = list;
}

static const entity_field *fields_of(arena *a, const schema *s, size_t *n)
{
    entity_field *f = ARENA_ARRAY(a, entity_field, (size_t)s->count);
    for (int i = 0; i < s->count; i++) {
        f[i] = (entity_field){.name = arena_str(a, s->columns[i].name),
                              .type = type_copy(a, s->columns[i].type),
                              .role = s->columns[i].role,
                              .header_key = arena_str(a, s->columns[i].header_key)};
    }
    *n = (size_t)s->count;
    return f;
}

/* The steps of a running query with what went through them. */
static str stats_text(maker *m, str id)
{
    running *r = host_hold_query(m->host, id);
    if (!r) return STR("");
    query_step_stats stats[64];
    int n = query_stats(hosted_query(r->hosted), stats, (int)ARRAY_LEN(stats));
    buf out = {0};
    for (int i = 0; i < n; i++) {
        const query_step_stats *s = &stats[i];
        buf_printf(&out, "%-28.*s in %llu, out %llu rows", STR_ARG(s->step->context), (unsigned long long)s->rows_in,
                   (unsigned long long)s->rows_out);
        if (s->bytes) buf_printf(&out, ", %llu bytes", (unsigned long long)s->bytes);
        if (s->state_rows) {
            buf_printf(&out, ", state %llu rows, %llu bytes", (unsigned long long)s->state_rows,
                       (unsigned long long)s->state_bytes);
        }
        if (s->errors) buf_printf(&out, ", %llu errors", (unsigned long long)s->errors);
        if (s->late) buf_printf(&out, ", %llu late", (unsigned long long)s->late);
        if (s->step->kind == PLAN_SOURCE && s->lag >= 0) buf_printf(&out, ", lag %lld", (long long)s->lag);
        buf_add_char(&out, '\n');
    }
    host_release_query(r);
    str text = arena_str(m->a, buf_str(&out));
    buf_free(&out);
    return text;
}

static entity_query_error error_entity(arena *a, int64_t at_ms, diag_code code, const char *text)
{
    return (entity_query_error){.timestamp = at_ms,
                                .message = arena_str(a, str_z(text)),
                                .type = code == DIAG_NOT_FOUND ? STR("USER") : STR("SYSTEM")};
}

/* The newest failures, and the one that the housekeeper has not seen yet. */
static void add_errors(maker *m, str id, entity_query *q)
{
    entity_query_error *list = ARENA_ARRAY(m->a, entity_query_error, QUERY_ERRORS_MAX + 1);
    pthread_mutex_lock(&m->host->lock);
    for (int i = 0; i < m->host->running_count; i++) {
        const running *r = m->host->running[i];
        if (!str_eq(r->id, id)) continue;
        for (int k = 0; k < r->error_count; k++) {
            const running_error *e = &r->errors[k];
            list[q->errors_n++] = error_entity(m->a, e->at_ms, e->code, e->text);
        }
        diag fresh = {0};
        if (r->hosted && hosted_error(r->hosted, &fresh))
            list[q->errors_n++] = error_entity(m->a, host_now(NULL).wall_ms, fresh.code, fresh.text);
    }
    pthread_mutex_unlock(&m->host->lock);
    q->errors = list;
}

static void describe_query(maker *m, const sql_explain *x, entity_query *q)
{
    const catalog_query *cq = x->query;
    *q = (entity_query){.topology = arena_str(m->a, x->tree),
                        .execution_plan = arena_str(m->a, x->tree),
                        .sources = {x->sources, (size_t)x->source_count},
                        .sinks = one_text(m->a, x->sink),
                        .type = STR("PERSISTENT"),
                        .statement = m->text};
    if (x->schema) {
        q->fields = fields_of(m->a, x->schema, &q->fields_n);
        q->window_type = window_name(x->schema->window);
    }
    if (!cq) return;
    q->id = arena_str(m->a, cq->id);
    q->statement = arena_str(m->a, cq->statement);
    q->status = state_of(m->host, cq->id);
    q->host = STR("localhost");
    q->consumer_group = arena_printf(m->a, "%.*squery_%.*s", STR_ARG(m->host->group_prefix), STR_ARG(cq->id));
    q->execution_plan = stats_text(m, cq->id);
    add_errors(m, cq->id, q);
}

static void explain(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_QUERY, m->text);
    entity_query *q = ARENA_NEW(m->a, entity_query);
    describe_query(m, &m->r->explain, q);
    e->u.query = q;
}

static void list_queries_extended(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_QUERY_LIST, m->text);
    entity_query *list = ARENA_ARRAY(m->a, entity_query, (size_t)m->r->query_count + 1);
    for (int i = 0; i < m->r->query_count; i++) {
        const catalog_query *q = m->r->queries[i];
        buf tree = {0};
        sql_print_plan(q->plan, &tree);
        sql_explain x = {.query = q,
                         .plan = q->plan,
                         .tree = buf_str(&tree),
                         .schema = q->plan->schema,
                         .sources = q->sources,
                         .source_count = q->source_count,
                         .sink = q->sink};
        describe_query(m, &x, &list[e->n++]);
        buf_free(&tree);
    }
    e->u.query = list;
}

/*
 * ---- sources
 * ------------------------------------------------------------------------------------------------------
 */

static void list_sources(maker *m)
{
    entity *e = exec_reply_add(m->reply, m->r->tables ? ENTITY_TABLES : ENTITY_STREAMS, m->text);
    entity_listed *list = ARENA_ARRAY(m->a, entity_listed, (size_t)m->r->source_count + 1);
    for (int i = 0; i < m->r->source_count; i++) {
        const source *s = m->r->sources[i];
        list[e->n++] = (entity_listed){.name = arena_str(m->a, s->name),
                                       .topic = arena_str(m->a, s->topic),
                                       .key_format = str_z(format_name(s->key_format.spec.kind)),
                                       .value_format = str_z(format_name(s->value_format.spec.kind)),
                                       .windowed = s->schema->window != WINDOW_NONE};
    }
    e->u.listed = list;
}

static const entity_running *queries_of(maker *m, str name, bool reads, size_t *n)
{
    const catalog_query *found[QUERIES_MAX];
    int count = catalog_queries_of(m->catalog, name, reads, found, QUERIES_MAX);
    if (count > QUERIES_MAX) count = QUERIES_MAX;
    entity_running *list = ARENA_ARRAY(m->a, entity_running, (size_t)count + 1);
    for (int i = 0; i < count; i++) list[i] = running_entity(m, found[i]);
    *n = (size_t)count;
    return list;
}

/* Rows, bytes and errors of the queries that write the source. */
static str statistics_of(maker *m, const source *s)
{
    if (s->query_id.n == 0) return STR("");
    return stats_text(m, s->query_id);
}

static void describe_source(maker *m, const source *s, entity_source *out)
{
    arena *a = m->a;
    *out = (entity_source){.name = arena_str(a, s->name),
                           .window_type = window_name(s->schema->window),
                           .is_table = s->schema->is_table,
                           .timestamp = arena_str(a, s->timestamp_column),
                           .key_format = str_z(format_name(s->key_format.spec.kind)),
                           .value_format = str_z(format_name(s->value_format.spec.kind)),
                           .topic = arena_str(a, s->topic),
                           .extended = m->r->extended};
    out->fields = fields_of(a, s->schema, &out->fields_n);
    out->readers = queries_of(m, s->name, true, &out->readers_n);
    out->writers = queries_of(m, s->name, false, &out->writers_n);
    out->statement = arena_str(a, s->statement);
    str *parents = ARENA_ARRAY(a, str, (size_t)s->parent_count + 1);
    for (int i = 0; i < s->parent_count; i++) parents[i] = arena_str(a, s->parents[i]);
    out->constraints = (entity_texts){parents, (size_t)s->parent_count};
    if (!m->r->extended) return;
    broker_topic_info info;
    if (broker_topic_describe(m->host->options.broker, s->topic, a, &info)) {
        out->partitions = info.partitions;
        out->replication = 1;
    }
    out->statistics = statistics_of(m, s);
}

static void describe_sources(maker *m)
{
    bool many = m->r->name.n == 0;
    entity *e = exec_reply_add(m->reply, many ? ENTITY_SOURCES : ENTITY_SOURCE, m->text);
    entity_source *list = ARENA_ARRAY(m->a, entity_source, (size_t)m->r->source_count + 1);
    for (int i = 0; i < m->r->source_count; i++) describe_source(m, m->r->sources[i], &list[e->n++]);
    e->u.sources = list;
}

/*
 * ---- the rest
 * ------------------------------------------------------------------------------------------------------
 */

/* What SHOW TOPICS leaves out unless it is asked for ALL (reference K-35). */
static bool is_hidden(str name)
{
    static const char *const prefixes[] = {"_confluent", "__confluent", "__consumer_offsets", "__transaction_state"};
    static const char *const names[] = {"_schemas", "connect-configs", "connect-offsets", "connect-status",
                                        "connect-statuses"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (str_starts(name, str_z(prefixes[i]))) return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eqz(name, names[i])) return true;
    }
    return false;
}

static void list_topics(maker *m)
{
    entity *e = exec_reply_add(m->reply, m->r->extended ? ENTITY_TOPICS_EXTENDED : ENTITY_TOPICS, m->text);
    broker_topic_info *topics;
    size_t n = broker_topic_list(m->host->options.broker, m->a, &topics);
    entity_topic *list = ARENA_ARRAY(m->a, entity_topic, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!m->r->all && is_hidden(topics[i].name)) continue;
        list[e->n++] = (entity_topic){.name = topics[i].name, .partitions = topics[i].partitions, .replicas = 1};
    }
    e->u.topics = list;
}

static void list_types(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_TYPES, m->text);
    entity_named_type *list = ARENA_ARRAY(m->a, entity_named_type, (size_t)m->r->type_count + 1);
    for (int i = 0; i < m->r->type_count; i++) {
        list[e->n++] =
            (entity_named_type){arena_str(m->a, m->r->types[i]->name), type_copy(m->a, m->r->types[i]->type)};
    }
    e->u.types = list;
}

static void list_functions(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_FUNCTIONS, m->text);
    entity_function_name *list = ARENA_ARRAY(m->a, entity_function_name, (size_t)m->r->function_count + 1);
    for (int i = 0; i < m->r->function_count; i++) {
        const func_group *g = m->r->functions[i];
        list[e->n++] =
            (entity_function_name){g->name, str_z(func_kind_name(g->kind)), str_z(func_category_name(g->category))};
    }
    e->u.functions = list;
}

static str printed(arena *a, buf *b)
{
    str s = arena_str(a, buf_str(b));
    buf_clear(b);
    return s;
}

static void describe_function(maker *m)
{
    const func_group *g = m->r->functions[0];
    entity *e = exec_reply_add(m->reply, ENTITY_FUNCTION, m->text);
    entity_function *f = ARENA_NEW(m->a, entity_function);
    entity_overload *overloads = ARENA_ARRAY(m->a, entity_overload, (size_t)g->count);
    buf b = {0};
    for (int i = 0; i < g->count; i++) {
        const func *o = g->overloads[i];
        entity_argument *arguments = ARENA_ARRAY(m->a, entity_argument, (size_t)o->param_count + 1);
        for (int k = 0; k < o->param_count; k++) {
            func_print_param_type(&o->params[k], &b);
            arguments[k] = (entity_argument){.name = o->params[k].name,
                                             .type = printed(m->a, &b),
                                             .description = o->params[k].doc,
                                             .variadic = o->params[k].variadic};
        }
        func_print_result_type(o, &b);
        overloads[i] = (entity_overload){arguments, (size_t)o->param_count, printed(m->a, &b), o->doc};
    }
    buf_free(&b);
    *f = (entity_function){.name = g->name,
                           .description = g->doc,
                           .author = STR("Weir"),
                           .version = STR(""),
                           .type = str_z(func_kind_name(g->kind)),
                           .overloads = overloads,
                           .n = (size_t)g->count};
    e->u.function = f;
}

static void list_properties(maker *m)
{
    int n;
    const setting_info *all = settings_list(&n);
    entity *e = exec_reply_add(m->reply, ENTITY_PROPERTIES, m->text);
    entity_property *list = ARENA_ARRAY(m->a, entity_property, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        str name = str_z(all[i].name);
        bool overridden = map_get(&m->session->settings.values, name) != NULL;
        str now = settings_get(&m->session->settings, all[i].name);
        list[e->n++] = (entity_property){.name = name,
                                         .scope = STR("KSQL"),
                                         .value = arena_str(m->a, now),
                                         .value_null = !overridden && !all[i].value,
                                         .editable = all[i].editable,
                                         .level = all[i].editable ? STR("QUERY") : STR("SERVER"),
                                         .overridden = overridden,
                                         .is_default = !overridden};
    }
    e->u.properties = list;
}

static void list_variables(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_VARIABLES, m->text);
    size_t count = map_count(&m->session->variables.by_name);
    entity_pair *list = ARENA_ARRAY(m->a, entity_pair, count + 1);
    str name, text;
    for (size_t it = 0; e->n < count && variables_next(&m->session->variables, &it, &name, &text);) {
        list[e->n++] = (entity_pair){arena_str(m->a, name), arena_str(m->a, text)};
    }
    e->u.variables = list;
}

static void add_status(maker *m, int64_t number)
{
    const sql_result *r = m->r;
    entity *e = exec_reply_add(m->reply, ENTITY_STATUS, m->text);
    buf name = {0};
    schema_print_name(r->name, &name);
    e->u.status = (entity_status){.command_id = arena_printf(m->a, "%.*s/%.*s/%.*s", STR_ARG(r->entity),
                                                             STR_ARG(buf_str(&name)), STR_ARG(r->action)),
                                  .status = STR("SUCCESS"),
                                  .message = r->message,
                                  .query_id = r->query_id,
                                  .sequence = number};
    buf_free(&name);
}

static void add_warning(maker *m)
{
    exec_reply_add(m->reply, ENTITY_WARNING, m->text)->u.message = m->r->message;
}

static void add_terminated(maker *m)
{
    entity *e = exec_reply_add(m->reply, ENTITY_STATUS, m->text);
    str id = m->r->all ? STR("ALL") : m->r->query_id;
    e->u.status = (entity_status){.command_id = arena_printf(m->a, "terminate/%.*s/execute", STR_ARG(id)),
                                  .status = STR("SUCCESS"),
                                  .message = m->r->message.n > 0 ? m->r->message : STR("Query terminated."),
                                  .sequence = -1};
}

void host_result(host *h, const catalog *c, const sql_session *session, const ast_stmt *stmt, const sql_outcome *out,
                 int64_t number, exec_reply *reply)
{
    maker m = {h, c, session, &out->result, reply, reply->mem, arena_str(reply->mem, stmt->text)};
    switch (out->result.kind) {
    case RESULT_STATUS: add_status(&m, number); break;
    case RESULT_WARNING: add_warning(&m); break;
    case RESULT_TERMINATED: add_terminated(&m); break;
    case RESULT_SOURCES: list_sources(&m); break;
    case RESULT_DESCRIPTIONS: describe_sources(&m); break;
    case RESULT_QUERIES: m.r->extended ? list_queries_extended(&m) : list_queries(&m); break;
    case RESULT_EXPLAIN: explain(&m); break;
    case RESULT_TOPICS: list_topics(&m); break;
    case RESULT_TYPES: list_types(&m); break;
    case RESULT_FUNCTIONS: list_functions(&m); break;
    case RESULT_FUNCTION: describe_function(&m); break;
    case RESULT_PROPERTIES: list_properties(&m); break;
    case RESULT_VARIABLES: list_variables(&m); break;
    case RESULT_NONE: break; /* SET, UNSET, DEFINE, INSERT VALUES: the answer is an empty list */
    case RESULT_PUSH:
    case RESULT_PULL:
    case RESULT_PRINT: check_unreachable(); /* refused before they were executed */
    }
}
