#include "sql/exec.h"

#include "base/check.h"

enum { EFFECTS_MAX = 64 };

void sql_session_free(sql_session *s)
{
    settings_free(&s->settings);
    variables_free(&s->variables);
    *s = (sql_session){0};
}

/* ---- building an outcome ---------------------------------------------------------------------------------- */

effect *exec_effect(execution *x, effect_kind kind)
{
    if (!x->out->effects) x->out->effects = ARENA_ARRAY(x->a, effect, EFFECTS_MAX);
    check(x->out->effect_count < EFFECTS_MAX);
    effect *e = &x->out->effects[x->out->effect_count++];
    *e = (effect){.kind = kind, .partitions = -1, .replicas = -1, .retention_ms = -1};
    return e;
}

void exec_publish(execution *x, catalog *next)
{
    catalog_unref(x->out->after);
    x->out->after = next;
}

const catalog *exec_catalog(const execution *x)
{
    return x->out->after ? x->out->after : x->before;
}

void exec_status(execution *x, const char *entity, str name, const char *action, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sql_result *r = &x->out->result;
    r->kind = RESULT_STATUS;
    r->message = arena_vprintf(x->a, format, args);
    r->entity = str_z(entity);
    r->name = arena_str(x->a, name);
    r->action = str_z(action);
    va_end(args);
}

const source *exec_find_source(execution *x, const ast_name *name)
{
    const source *s = catalog_source(exec_catalog(x), name->text);
    if (!s) analyze_unknown_source(exec_catalog(x), name->text, name->at, x->d);
    return s;
}

bool exec_check_name(execution *x, const ast_name *name)
{
    for (size_t i = 0; i < name->text.n; i++) {
        char c = name->text.p[i];
        bool letter =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (letter) continue;
        return diag_at(x->d, name->at, DIAG_INVALID,
                       "Illegal argument: got '%.*s'. Source names may only contain alphanumeric values, '_' or '-'.",
                       STR_ARG(name->text));
    }
    return true;
}

/* ---- topics ----------------------------------------------------------------------------------------------- */

static bool known_topic(execution *x, str topic, sql_topic *out)
{
    return x->env->topic && x->env->topic(x->env->ctx, topic, out);
}

static bool check_topic(execution *x, const with_props *w, str topic, const sql_topic *have)
{
    if (w->partitions >= 0 && w->partitions != have->partitions) {
        return diag_at(x->d, w->partitions_at, DIAG_STATEMENT,
                       "A Kafka topic with the name '%.*s' already exists, with different partition/replica "
                       "configuration than required. KSQL "
                       "expects %d partitions (topic has %d), and %d replication factor (topic has %d).",
                       STR_ARG(topic), w->partitions, have->partitions, w->replicas >= 0 ? w->replicas : have->replicas,
                       have->replicas);
    }
    if (w->replicas >= 0 && have->replicas < w->replicas) {
        return diag_at(x->d, w->at, DIAG_STATEMENT,
                       "A Kafka topic with the name '%.*s' already exists, with different partition/replica "
                       "configuration than required. KSQL "
                       "expects %d replication factor (topic has %d).",
                       STR_ARG(topic), w->replicas, have->replicas);
    }
    return true;
}

bool exec_topic(execution *x, const with_props *w, str topic, str like, bool table, bool windowed, int64_t retention,
                int *partitions)
{
    sql_topic have, from = {.partitions = -1, .replicas = -1, .retention_ms = -1};
    if (table && !windowed && w->retention_ms >= 0) {
        return diag_at(
            x->d, w->retention_at, DIAG_STATEMENT,
            "Invalid config variable in the WITH clause: RETENTION_MS. Non-windowed tables do not support retention.");
    }
    if (known_topic(x, topic, &have)) {
        *partitions = have.partitions;
        return check_topic(x, w, topic, &have);
    }
    if (like.n) known_topic(x, like, &from);
    *partitions = w->partitions >= 0 ? w->partitions : from.partitions;
    if (*partitions < 1) {
        diag_at(x->d, w->topic_at, DIAG_NOT_FOUND,
                "Topic '%.*s' does not exist. If you want to create a new topic for the stream/table please re-run the "
                "statement providing the "
                "required 'PARTITIONS' configuration in the WITH clause (and optionally 'REPLICAS').",
                STR_ARG(topic));
        return diag_hint(x->d, "For example: WITH (KAFKA_TOPIC='%.*s', PARTITIONS=2, ...)", STR_ARG(topic));
    }
    bool inherit = settings_bool(&x->session->settings, "ksql.create.topic.inherit.source.replicas.enabled");
    effect *e = exec_effect(x, EFFECT_CREATE_TOPIC);
    e->topic = arena_str(x->a, topic);
    e->partitions = *partitions;
    e->replicas = w->replicas >= 0 ? w->replicas : inherit ? from.replicas : -1;
    e->compact = table;
    e->expire = !table || windowed;
    e->retention_ms = w->retention_ms >= 0 ? w->retention_ms : from.retention_ms;
    if (retention > e->retention_ms) e->retention_ms = retention;
    if (!e->expire) e->retention_ms = -1;
    return true;
}

void exec_register(execution *x, const source *src, bool always)
{
    for (int key = 0; key < 2; key++) {
        const source_format *f = key ? &src->key_format : &src->value_format;
        bool registry =
            f->spec.kind == FORMAT_AVRO || f->spec.kind == FORMAT_PROTOBUF || f->spec.kind == FORMAT_JSON_SR;
        if (!registry || (f->schema_id >= 0 && !always) || (key && src->schema->key_count == 0)) continue;
        effect *e = exec_effect(x, EFFECT_REGISTER_SCHEMA);
        e->src = src;
        e->key = key;
        e->topic = src->topic;
    }
}

str exec_settings_text(execution *x, arena *a)
{
    buf b = {0};
    str name;
    void *held;
    for (size_t it = 0; map_next(&x->session->settings.values, &it, &name, &held);)
        buf_printf(&b, "%.*s=%s\n", STR_ARG(name), (char *)held);
    str s = arena_str(a, buf_str(&b));
    buf_free(&b);
    return s;
}

/* ---- sessions --------------------------------------------------------------------------------------------- */

static bool define_variable(execution *x)
{
    str name = x->stmt->u.property.name;
    variables_define(&x->session->variables, name, x->stmt->u.property.value);
    exec_status(x, "variable", name, "define", "Variable %.*s defined", STR_ARG(name));
    return true;
}

static bool undefine_variable(execution *x)
{
    str name = x->stmt->u.property.name;
    if (!variables_undefine(&x->session->variables, name)) {
        return diag_at(x->d, x->stmt->u.property.name_at, DIAG_NOT_FOUND,
                       "Cannot undefine variable '%.*s' which was never defined", STR_ARG(name));
    }
    exec_status(x, "variable", name, "undefine", "Variable %.*s undefined", STR_ARG(name));
    return true;
}

static bool change_session(execution *x)
{
    const ast_stmt *s = x->stmt;
    switch (s->kind) {
    case AST_STMT_SET:
        if (!settings_set(&x->session->settings, s->u.property.name, s->u.property.name_at, s->u.property.value,
                          s->u.property.value_at, x->d))
            return false;
        exec_status(x, "property", s->u.property.name, "set", "Successfully changed local property '%.*s' to '%.*s'.",
                    STR_ARG(s->u.property.name), STR_ARG(s->u.property.value));
        return true;
    case AST_STMT_UNSET:
        if (!settings_unset(&x->session->settings, s->u.property.name, s->u.property.name_at, x->d)) return false;
        exec_status(x, "property", s->u.property.name, "unset", "Successfully unset local property '%.*s'.",
                    STR_ARG(s->u.property.name));
        return true;
    case AST_STMT_DEFINE: return define_variable(x);
    default: return undefine_variable(x);
    }
}

static bool print_topic(execution *x)
{
    const ast_stmt *s = x->stmt;
    sql_topic ignored;
    if (s->u.print.sampled && s->u.print.interval < 1)
        return diag_at(x->d, s->at, DIAG_INVALID, "INTERVAL must be at least 1.");
    if (s->u.print.limited && s->u.print.limit < 0)
        return diag_at(x->d, s->at, DIAG_INVALID, "LIMIT must not be negative.");
    if (!known_topic(x, s->u.print.topic, &ignored)) {
        diag_at(x->d, s->u.print.topic_at, DIAG_NOT_FOUND,
                "Could not find topic '%.*s', or the KSQL user does not have permissions to list the topic.",
                STR_ARG(s->u.print.topic));
        return diag_hint(x->d, "Topic names are case-sensitive. SHOW TOPICS lists them.");
    }
    x->out->result.kind = RESULT_PRINT;
    x->out->result.print =
        (sql_print){s->u.print.topic, s->u.print.from_beginning, s->u.print.sampled ? s->u.print.interval : 1,
                    s->u.print.limited ? s->u.print.limit : -1};
    return true;
}

/* ---- dispatch --------------------------------------------------------------------------------------------- */

static bool execute(execution *x)
{
    switch (x->stmt->kind) {
    case AST_STMT_QUERY: return exec_select(x);
    case AST_STMT_EXPLAIN: return exec_explain(x);
    case AST_STMT_CREATE_STREAM:
    case AST_STMT_CREATE_TABLE: return exec_create_source(x);
    case AST_STMT_CREATE_STREAM_AS:
    case AST_STMT_CREATE_TABLE_AS: return exec_create_as(x);
    case AST_STMT_INSERT_INTO: return exec_insert_select(x);
    case AST_STMT_INSERT_VALUES: return exec_insert_values(x);
    case AST_STMT_DROP_STREAM:
    case AST_STMT_DROP_TABLE: return exec_drop_source(x);
    case AST_STMT_CREATE_TYPE: return exec_create_type(x);
    case AST_STMT_DROP_TYPE: return exec_drop_type(x);
    case AST_STMT_ALTER_STREAM:
    case AST_STMT_ALTER_TABLE: return exec_alter(x);
    case AST_STMT_TERMINATE:
    case AST_STMT_PAUSE:
    case AST_STMT_RESUME: return exec_query_control(x);
    case AST_STMT_SET:
    case AST_STMT_UNSET:
    case AST_STMT_DEFINE:
    case AST_STMT_UNDEFINE: return change_session(x);
    case AST_STMT_PRINT: return print_topic(x);
    case AST_STMT_LIST_PROPERTIES:
    case AST_STMT_LIST_TOPICS:
    case AST_STMT_LIST_STREAMS:
    case AST_STMT_LIST_TABLES:
    case AST_STMT_LIST_FUNCTIONS:
    case AST_STMT_LIST_TYPES:
    case AST_STMT_LIST_VARIABLES:
    case AST_STMT_LIST_QUERIES:
    case AST_STMT_DESCRIBE:
    case AST_STMT_DESCRIBE_STREAMS:
    case AST_STMT_DESCRIBE_TABLES:
    case AST_STMT_DESCRIBE_FUNCTION: return exec_show(x);
    case AST_STMT_LIST_CONNECTORS:
    case AST_STMT_LIST_CONNECTOR_PLUGINS:
    case AST_STMT_DESCRIBE_CONNECTOR:
    case AST_STMT_CREATE_CONNECTOR:
    case AST_STMT_DROP_CONNECTOR:
    case AST_STMT_ALTER_SYSTEM:
    case AST_STMT_ASSERT_TOPIC:
    case AST_STMT_ASSERT_SCHEMA:
    case AST_STMT_ASSERT_VALUES:
    case AST_STMT_ASSERT_NULL_VALUES:
    case AST_STMT_ASSERT_STREAM:
    case AST_STMT_ASSERT_TABLE:
    case AST_STMT_RUN_SCRIPT: break;
    }
    return diag_at(x->d, x->stmt->at, DIAG_UNSUPPORTED, "%s is not supported yet.", ast_stmt_name(x->stmt->kind));
}

bool sql_execute(arena *a, const catalog *c, sql_session *session, const sql_env *env, const ast_stmt *stmt,
                 int64_t number, sql_outcome *out, diag *d)
{
    *out = (sql_outcome){0};
    execution x = {a, c, session, env, stmt, number, out, d};
    if (execute(&x)) return true;
    catalog_unref(out->after);
    *out = (sql_outcome){0};
    check(diag_is_set(d));
    return false;
}
