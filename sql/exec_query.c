/* Statements with a query: SELECT, CREATE ... AS, INSERT INTO ... SELECT, EXPLAIN. */
#include "base/check.h"
#include "sql/exec.h"
#include "sql/format_rules.h"

bool exec_plan(execution *x, arena *a, const ast_query *q, bool persistent, plan_target *target, analysis *an,
               planned *out)
{
    if (!analyze_query(x->a, exec_catalog(x), &x->session->settings, q, persistent, an, x->d)) return false;
    return plan_query(a, an, x->env, target, out, x->d);
}

/* ---- transient queries ------------------------------------------------------------------------------------ */

static bool select_pull(execution *x)
{
    analysis an;
    planned_pull *pull = ARENA_NEW(x->a, planned_pull);
    if (!analyze_query(x->a, x->before, &x->session->settings, x->stmt->u.query, false, &an, x->d)) return false;
    if (!plan_pull(x->a, &an, x->env, pull, x->d)) return false;
    x->out->result.kind = RESULT_PULL;
    x->out->result.pull = pull;
    return true;
}

bool exec_select(execution *x)
{
    const ast_query *q = x->stmt->u.query;
    if (q->emit == AST_EMIT_NONE) return select_pull(x);
    analysis an;
    plan_target target = {0};
    planned *push = ARENA_NEW(x->a, planned);
    if (!exec_plan(x, x->a, q, false, &target, &an, push)) return false;
    x->out->result.kind = RESULT_PUSH;
    x->out->result.push = push;
    x->out->result.push_id = an.sources[0].alias;
    return true;
}

/* ---- persistent queries ----------------------------------------------------------------------------------- */

static str upper_id(arena *a, str id)
{
    str s = arena_str(a, id);
    for (size_t i = 0; i < s.n; i++) {
        char *c = (char *)(uintptr_t)s.p + i;
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 32);
    }
    return s;
}

static catalog_query *new_query(execution *x, const analysis *an, query_kind kind)
{
    catalog_query *q = catalog_query_new();
    str *names = ARENA_ARRAY(q->mem, str, (size_t)an->source_count);
    for (int i = 0; i < an->source_count; i++) names[i] = arena_str(q->mem, an->sources[i].src->name);
    q->kind = kind;
    q->sources = names;
    q->source_count = an->source_count;
    q->statement = arena_str(q->mem, x->stmt->text);
    q->properties = exec_settings_text(x, q->mem);
    return q;
}

static bool within_limit(execution *x)
{
    int64_t limit;
    str set = settings_get(&x->session->settings, "ksql.query.persistent.active.limit");
    if (!str_to_i64(set, &limit) || exec_catalog(x)->query_count < limit) return true;
    return diag_at(x->d, x->stmt->at, DIAG_LIMIT,
                   "Not executing statement(s) as it would cause the number of active, persistent queries to exceed "
                   "the configured limit of %lld.",
                   (long long)limit);
}

static source *new_sink(execution *x, const analysis *an, const planned *p, str name, str topic)
{
    source *s = source_new();
    arena *a = s->mem;
    s->name = arena_str(a, name);
    s->topic = arena_str(a, topic);
    s->schema = schema_copy(a, p->schema);
    s->key_format = p->key_format;
    s->key_format.full_name = arena_str(a, p->key_format.full_name);
    s->value_format = p->value_format;
    s->value_format.full_name = arena_str(a, p->value_format.full_name);
    s->timestamp_column = arena_str(a, p->timestamp_column);
    s->timestamp_format = arena_str(a, p->timestamp_format);
    s->final = p->final;
    s->created_as = true;
    s->statement = arena_str(a, x->stmt->text);
    str *parents = ARENA_ARRAY(a, str, (size_t)an->source_count);
    for (int i = 0; i < an->source_count; i++) parents[i] = arena_str(a, an->sources[i].src->name);
    s->parents = parents;
    s->parent_count = an->source_count;
    return s;
}

/* What is refused, or nothing to do, because the name is taken. */
static bool check_sink_name(execution *x, bool table, const source **old, bool *done)
{
    const ast_stmt *stmt = x->stmt;
    const ast_name *name = &stmt->u.create_as.name;
    const char *kind = table ? "table" : "stream";
    *old = catalog_source(x->before, name->text);
    *done = false;
    if (!exec_check_name(x, name)) return false;
    if (!*old) return true;
    const char *found = (*old)->schema->is_table ? "table" : "stream";
    if (stmt->u.create_as.or_replace) {
        if (!(*old)->read_only) return true;
        return diag_at(x->d, name->at, DIAG_STATEMENT,
                       "Cannot add %s '%.*s': CREATE OR REPLACE is not supported on source %ss.", kind,
                       STR_ARG(name->text), found);
    }
    if (!stmt->u.create_as.if_not_exists) {
        return diag_at(x->d, name->at, DIAG_EXISTS, "Cannot add %s '%.*s': A %s with the same name already exists",
                       kind, STR_ARG(name->text), found);
    }
    x->out->result.kind = RESULT_WARNING;
    x->out->result.message = arena_printf(x->a, "Cannot add %s `%.*s`: A %s with the same name already exists.", kind,
                                          STR_ARG(name->text), found);
    *done = true;
    return true;
}

/* The first difference that keeps a query's state from being used by its replacement (D10); NULL: none. */
static const char *upgrade_obstacle(const plan *old, const plan *now)
{
    while (old->kind == PLAN_FILTER || old->kind == PLAN_PROJECT) old = old->inputs[0];
    while (now->kind == PLAN_FILTER || now->kind == PLAN_PROJECT) now = now->inputs[0];
    if (old->kind != now->kind) return "the steps of the query differ";
    switch (old->kind) {
    case PLAN_SOURCE:
        if (!str_eq(old->source.name, now->source.name) || !str_eq(old->source.topic, now->source.topic))
            return "the source differs";
        return NULL;
    case PLAN_SINK:
        if (!str_eq(old->sink.topic, now->sink.topic)) return "the topic differs";
        break;
    case PLAN_REKEY:
        if (old->rekey.count != now->rekey.count) return "the key differs";
        for (int i = 0; i < old->rekey.count; i++) {
            if (!type_eq(old->rekey.keys[i]->type, now->rekey.keys[i]->type) ||
                old->rekey.keys[i]->kind != now->rekey.keys[i]->kind)
                return "the key differs";
        }
        break;
    case PLAN_AGGREGATE:
        if (old->aggregate.window.kind != WINDOW_NONE || now->aggregate.window.kind != WINDOW_NONE)
            return "upgrades not yet supported for windowed aggregates";
        if (old->inputs[0]->schema->is_table) return "upgrades not yet supported for aggregates of tables";
        if (old->aggregate.call_count != now->aggregate.call_count) return "the aggregates differ";
        for (int i = 0; i < old->aggregate.call_count; i++) {
            if (old->aggregate.calls[i].func != now->aggregate.calls[i].func) return "the aggregates differ";
        }
        break;
    case PLAN_JOIN: return "upgrades not yet supported for joins";
    case PLAN_EXPLODE: return "upgrades not yet supported for table functions";
    case PLAN_SUPPRESS: return "upgrades not yet supported for EMIT FINAL";
    case PLAN_FILTER:
    case PLAN_PROJECT: check_unreachable();
    }
    return upgrade_obstacle(old->inputs[0], now->inputs[0]);
}

static bool check_upgrade(execution *x, const source *old, const source *now, const catalog_query *q, const plan *root)
{
    const char *why = exec_replace_obstacle(x, old, now);
    if (!why && q) why = upgrade_obstacle(q->plan, root);
    if (!why) return true;
    return diag_at(x->d, x->stmt->u.create_as.name.at, DIAG_STATEMENT, "Cannot upgrade data source: `%.*s`: %s.",
                   STR_ARG(now->name), why);
}

/* The query that OR REPLACE takes the place of; NULL: none. */
static bool find_replaced(execution *x, const source *old, const catalog_query **out)
{
    *out = NULL;
    if (!old) return true;
    const catalog_query *found[2];
    int n = catalog_queries_of(x->before, old->name, false, found, 2);
    if (n > 1) {
        return diag_at(x->d, x->stmt->u.create_as.name.at, DIAG_STATEMENT,
                       "REPLACE for sink `%.*s` is not supported because there are multiple queries writing into it.",
                       STR_ARG(old->name));
    }
    if (n) *out = found[0];
    return true;
}

static bool add_query(execution *x, catalog_query *q, source *sink, const source *old)
{
    const catalog_query *replaced;
    if (!find_replaced(x, old, &replaced) || (old && !check_upgrade(x, old, sink, replaced, q->plan))) {
        catalog_query_unref(q);
        source_unref(sink);
        return false;
    }
    q->id = replaced ? arena_str(q->mem, replaced->id)
                     : upper_id(q->mem, arena_printf(q->mem, "C%cAS_%.*s_%lld", sink->schema->is_table ? 'T' : 'S',
                                                     STR_ARG(sink->name), (long long)x->number));
    sink->query_id = arena_str(sink->mem, q->id);
    exec_publish(x, catalog_put_source(exec_catalog(x), sink));
    exec_register(x, sink, true);
    exec_publish(x, catalog_put_query(exec_catalog(x), q));
    exec_effect(x, replaced ? EFFECT_REPLACE_QUERY : EFFECT_START_QUERY)->query = q;
    exec_status(x, sink->schema->is_table ? "table" : "stream", sink->name, "create", "Created query with ID %.*s",
                STR_ARG(q->id));
    x->out->result.query_id = arena_str(x->a, q->id);
    return true;
}

static int64_t window_retention(const ast_query *q)
{
    return q->window && q->window->retention.present ? ast_duration_ms(q->window->retention) : -1;
}

static bool is_read_only_topic(str topic)
{
    return str_starts(topic, STR("_confluent")) || str_starts(topic, STR("__confluent")) ||
           str_eqz(topic, "__consumer_offsets") || str_eqz(topic, "__transaction_state") || str_eqz(topic, "_schemas");
}

bool exec_create_as(execution *x)
{
    const ast_stmt *stmt = x->stmt;
    bool table = stmt->kind == AST_STMT_CREATE_TABLE_AS, done;
    const ast_query *q = stmt->u.create_as.query;
    const source *old;
    with_props w;
    analysis an;
    planned p;
    if (!with_read(x->a, &stmt->u.create_as.with, WITH_AS, &w, x->d) || !check_sink_name(x, table, &old, &done))
        return false;
    if (done) return true;
    if (!within_limit(x) || !analyze_query(x->a, x->before, &x->session->settings, q, true, &an, x->d)) return false;
    str prefix = settings_get(&x->session->settings, "ksql.output.topic.name.prefix");
    str name = stmt->u.create_as.name.text;
    str topic = w.topic.n ? w.topic : arena_printf(x->a, "%.*s%.*s", STR_ARG(prefix), STR_ARG(name));
    if (is_read_only_topic(topic))
        return diag_at(x->d, stmt->u.create_as.name.at, DIAG_STATEMENT, "Cannot write to the read-only topic '%.*s'.",
                       STR_ARG(topic));
    plan_target target = {.name = name, .topic = topic, .with = &w, .want_table = table, .partitions = 1};
    if (!exec_topic(x, &w, topic, an.sources[0].src->topic, table, q->window != NULL, window_retention(q),
                    &target.partitions))
        return false;
    catalog_query *query = new_query(x, &an, QUERY_CREATE_AS);
    if (!plan_query(query->mem, &an, x->env, &target, &p, x->d)) {
        catalog_query_unref(query);
        return false;
    }
    query->sink = arena_str(query->mem, name);
    query->sink_topic = arena_str(query->mem, topic);
    query->plan = p.root;
    return add_query(x, query, new_sink(x, &an, &p, name, topic), old);
}

/* ---- INSERT INTO ... SELECT ------------------------------------------------------------------------------- */

static bool insert_id(execution *x, const with_props *w, catalog_query *q)
{
    if (!w->query_id.n) {
        q->id = arena_printf(q->mem, "INSERTQUERY_%lld", (long long)x->number);
        return true;
    }
    q->id = upper_id(q->mem, w->query_id);
    static const char *const reserved[] = {"INSERTQUERY_", "CTAS_", "CSAS_", "CST_"};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (!str_starts(q->id, str_z(reserved[i]))) continue;
        return diag_at(
            x->d, w->query_id_at, DIAG_INVALID,
            "Query IDs must not start with a reserved query ID prefix (INSERTQUERY_, CTAS_, CSAS_, CST_). Got '%.*s'.",
            STR_ARG(q->id));
    }
    for (size_t i = 0; i < q->id.n; i++) {
        char c = q->id.p[i];
        if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_') continue;
        return diag_at(x->d, w->query_id_at, DIAG_INVALID,
                       "Query IDs may contain only alphanumeric characters and '_'. Got: '%.*s'", STR_ARG(q->id));
    }
    if (!catalog_find_query(exec_catalog(x), q->id)) return true;
    return diag_at(x->d, w->query_id_at, DIAG_EXISTS, "Query ID '%.*s' already exists.", STR_ARG(q->id));
}

static bool check_insert_target(execution *x, const source *target)
{
    const ast_name *name = &x->stmt->u.insert_into.target;
    if (target->schema->is_table) {
        return diag_at(x->d, name->at, DIAG_STATEMENT,
                       "INSERT INTO can only be used to insert into a stream. %.*s is a table.", STR_ARG(target->name));
    }
    if (target->read_only)
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot insert into read-only stream: %.*s",
                       STR_ARG(target->name));
    if (is_read_only_topic(target->topic))
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot insert into read-only topic: %.*s",
                       STR_ARG(target->topic));
    for (int i = 0; i < target->schema->count; i++) {
        column_role r = target->schema->columns[i].role;
        if (r != COLUMN_HEADER && r != COLUMN_HEADERS) continue;
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot insert into %.*s because it has header columns",
                       STR_ARG(target->name));
    }
    return true;
}

bool exec_insert_select(execution *x)
{
    const ast_stmt *stmt = x->stmt;
    with_props w;
    analysis an;
    planned p;
    const source *to = exec_find_source(x, &stmt->u.insert_into.target);
    if (!to || !check_insert_target(x, to)) return false;
    if (!with_read(x->a, &stmt->u.insert_into.with, WITH_INSERT, &w, x->d) || !within_limit(x)) return false;
    if (!analyze_query(x->a, x->before, &x->session->settings, stmt->u.insert_into.query, true, &an, x->d))
        return false;
    sql_topic topic = {.partitions = 1};
    if (x->env->topic) x->env->topic(x->env->ctx, to->topic, &topic);
    plan_target target = {.name = to->name, .topic = to->topic, .existing = to, .partitions = topic.partitions};
    catalog_query *q = new_query(x, &an, QUERY_INSERT);
    if (!insert_id(x, &w, q) || !plan_query(q->mem, &an, x->env, &target, &p, x->d)) {
        catalog_query_unref(q);
        return false;
    }
    q->sink = arena_str(q->mem, to->name);
    q->sink_topic = arena_str(q->mem, to->topic);
    q->plan = p.root;
    exec_publish(x, catalog_put_query(exec_catalog(x), q));
    exec_effect(x, EFFECT_START_QUERY)->query = q;
    exec_status(x, "stream", to->name, "create", "Created query with ID %.*s", STR_ARG(q->id));
    x->out->result.query_id = arena_str(x->a, q->id);
    return true;
}

/* ---- EXPLAIN ---------------------------------------------------------------------------------------------- */

static void fill_explain(execution *x, const plan *root, sql_explain *out)
{
    buf b = {0};
    sql_print_plan(root, &b);
    out->plan = root;
    out->tree = arena_str(x->a, buf_str(&b));
    out->schema = root->schema;
    buf_free(&b);
}

static bool explain_running(execution *x, const catalog_query *q)
{
    sql_explain *e = &x->out->result.explain;
    fill_explain(x, q->plan, e);
    e->query = q;
    e->sources = q->sources;
    e->source_count = q->source_count;
    e->sink = q->sink;
    x->out->result.kind = RESULT_EXPLAIN;
    return true;
}

/* A pull query of a table has no plan of steps: what it looks up, and what it makes of it. */
static bool explain_pull(execution *x, const planned_pull *pull)
{
    sql_explain *e = &x->out->result.explain;
    buf b = {0};
    str *names = ARENA_ARRAY(x->a, str, 1);
    sql_print_pull(pull, &b);
    names[0] = pull->src->name;
    e->tree = arena_str(x->a, buf_str(&b));
    e->schema = pull->schema;
    e->sources = names;
    e->source_count = 1;
    x->out->result.kind = RESULT_EXPLAIN;
    buf_free(&b);
    return true;
}

static bool explain_statement(execution *x, const ast_stmt *inner)
{
    const ast_query *q = ast_stmt_query(inner);
    if (!q) return diag_at(x->d, inner->at, DIAG_STATEMENT, "The provided statement does not run a ksql query");
    /* The statement is executed against a copy of the world and thrown away; its plan is what is shown. */
    sql_outcome trial = {0};
    execution y = *x;
    y.stmt = inner;
    y.out = &trial;
    bool ok = inner->kind == AST_STMT_QUERY         ? exec_select(&y)
              : inner->kind == AST_STMT_INSERT_INTO ? exec_insert_select(&y)
                                                    : exec_create_as(&y);
    if (ok && trial.result.kind == RESULT_PULL && !trial.result.pull->stream) return explain_pull(x, trial.result.pull);
    if (ok && trial.result.kind == RESULT_PULL) {
        fill_explain(x, trial.result.pull->push, &x->out->result.explain);
        x->out->result.kind = RESULT_EXPLAIN;
        return true;
    }
    const plan *root = ok && trial.result.push ? trial.result.push->root : NULL;
    const catalog_query *made = NULL;
    for (int i = 0; ok && i < trial.effect_count; i++) {
        if (trial.effects[i].kind == EFFECT_START_QUERY || trial.effects[i].kind == EFFECT_REPLACE_QUERY)
            made = trial.effects[i].query;
    }
    if (made) root = made->plan;
    if (!ok || !root) {
        catalog_unref(trial.after);
        return ok ? diag_at(x->d, inner->at, DIAG_STATEMENT, "%.*s", STR_ARG(trial.result.message)) : false;
    }
    sql_explain *e = &x->out->result.explain;
    fill_explain(x, root, e);
    if (made) {
        e->sources = made->sources;
        e->source_count = made->source_count;
        e->sink = made->sink;
        /* The plan lives in the query, the query in the trial's catalogue: the result's arena keeps it. */
        arena_on_free(x->a, (void (*)(void *))catalog_unref, (void *)(uintptr_t)trial.after);
    } else {
        catalog_unref(trial.after);
    }
    x->out->result.kind = RESULT_EXPLAIN;
    return true;
}

bool exec_explain(execution *x)
{
    const ast_stmt *s = x->stmt;
    if (!s->u.explain.query_id.text.p) return explain_statement(x, s->u.explain.stmt);
    const catalog_query *q = catalog_find_query(x->before, s->u.explain.query_id.text);
    if (q) return explain_running(x, q);
    return diag_at(x->d, s->u.explain.query_id.at, DIAG_NOT_FOUND,
                   "Query with id:%.*s does not exist, use SHOW QUERIES to view the full set of queries.",
                   STR_ARG(s->u.explain.query_id.text));
}
