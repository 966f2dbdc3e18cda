/* DROP, custom types, ALTER, and the control of running queries. */
#include "base/check.h"
#include "sql/exec.h"
#include "sql/format_rules.h"
#include "sql/scope.h"
#include "sql/typeck.h"

/* ---- DROP STREAM | TABLE (reference 1.7) ------------------------------------------------------------------ */

static void list_names(buf *b, str name)
{
    buf_printf(b, "%s%.*s", b->len ? ", " : "", STR_ARG(name));
}

/* Other sources that were made from this one. */
static bool check_children(execution *x, const source *s, const ast_name *name)
{
    buf names = {0};
    const catalog *c = x->before;
    for (int i = 0; i < c->source_count; i++) {
        for (int k = 0; k < c->sources[i]->parent_count; k++) {
            if (str_eq(c->sources[i]->parents[k], s->name)) {
                list_names(&names, c->sources[i]->name);
                break;
            }
        }
    }
    if (!names.len) return true;
    diag_at(x->d, name->at, DIAG_STATE,
            "Cannot drop %.*s.\nThe following streams and/or tables read from this source: [%s].", STR_ARG(s->name),
            buf_z(&names));
    buf_free(&names);
    return diag_hint(x->d, "You need to drop them before dropping %.*s.", STR_ARG(s->name));
}

/* Queries that use it, other than the one that it was made with. */
static bool check_users(execution *x, const source *s, const ast_name *name)
{
    buf readers = {0}, writers = {0};
    const catalog *c = x->before;
    for (int i = 0; i < c->query_count; i++) {
        const catalog_query *q = c->queries[i];
        if (str_eq(q->id, s->query_id) || (q->kind == QUERY_SOURCE_TABLE && str_eq(q->sources[0], s->name))) continue;
        if (str_eq(q->sink, s->name)) list_names(&writers, q->id);
        for (int k = 0; k < q->source_count; k++) {
            if (!str_eq(q->sources[k], s->name)) continue;
            list_names(&readers, q->id);
            break;
        }
    }
    bool ok = !readers.len && !writers.len;
    if (!ok) {
        diag_at(x->d, name->at, DIAG_STATE,
                "Cannot drop %.*s.\nThe following queries read from this source: [%s].\nThe following queries write "
                "into this source: [%s].",
                STR_ARG(s->name), buf_z(&readers), buf_z(&writers));
        diag_hint(x->d, "You need to terminate them before dropping %.*s.", STR_ARG(s->name));
    }
    buf_free(&readers);
    buf_free(&writers);
    return ok;
}

static bool check_delete_topic(execution *x, const source *s, const ast_name *name)
{
    if (s->read_only) {
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot delete topic for read-only source: %.*s",
                       STR_ARG(s->name));
    }
    buf names = {0};
    for (int i = 0; i < x->before->source_count; i++) {
        const source *other = x->before->sources[i];
        if (other != s && str_eq(other->topic, s->topic)) list_names(&names, other->name);
    }
    if (!names.len) return true;
    diag_at(x->d, name->at, DIAG_STATE, "Refusing to delete topic. Found other data sources ([%s]) using topic %.*s",
            buf_z(&names), STR_ARG(s->topic));
    buf_free(&names);
    return false;
}

static void stop_own_queries(execution *x, const source *s)
{
    for (int i = 0; i < x->before->query_count; i++) {
        const catalog_query *q = x->before->queries[i];
        bool own = str_eq(q->id, s->query_id) || (q->kind == QUERY_SOURCE_TABLE && str_eq(q->sources[0], s->name));
        if (!own) continue;
        exec_effect(x, EFFECT_STOP_QUERY)->query = q;
        exec_publish(x, catalog_remove_query(exec_catalog(x), q->id));
    }
}

bool exec_drop_source(execution *x)
{
    const ast_name *name = &x->stmt->u.drop.name;
    bool table = x->stmt->kind == AST_STMT_DROP_TABLE;
    const source *s = catalog_source(x->before, name->text);
    if (!s) {
        if (!x->stmt->u.drop.if_exists) return analyze_unknown_source(x->before, name->text, name->at, x->d);
        x->out->result.kind = RESULT_WARNING;
        x->out->result.message = arena_printf(x->a, "Source %.*s does not exist.", STR_ARG(name->text));
        return true;
    }
    if (s->schema->is_table != table) {
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Incompatible data source type is %s, but statement was DROP %s",
                       s->schema->is_table ? "TABLE" : "STREAM", table ? "TABLE" : "STREAM");
    }
    if (x->stmt->u.drop.delete_topic && !check_delete_topic(x, s, name)) return false;
    if (!check_children(x, s, name) || !check_users(x, s, name)) return false;
    stop_own_queries(x, s);
    exec_publish(x, catalog_remove_source(exec_catalog(x), s->name));
    if (x->stmt->u.drop.delete_topic) {
        exec_effect(x, EFFECT_DELETE_TOPIC)->topic = s->topic;
        if (format_rules_of(s->key_format.spec.kind)->registry ||
            format_rules_of(s->value_format.spec.kind)->registry) {
            exec_effect(x, EFFECT_DELETE_SCHEMAS)->topic = s->topic;
        }
    }
    exec_status(x, table ? "table" : "stream", s->name, "drop", "Source `%.*s` (topic: %.*s) was dropped.",
                STR_ARG(s->name), STR_ARG(s->topic));
    return true;
}

/* ---- types ------------------------------------------------------------------------------------------------ */

bool exec_create_type(execution *x)
{
    const ast_name *name = &x->stmt->u.create_type.name;
    if (catalog_type(x->before, name->text)) {
        if (!x->stmt->u.create_type.if_not_exists) {
            return diag_at(x->d, name->at, DIAG_EXISTS,
                           "Cannot register custom type '%.*s' since it is already registered.", STR_ARG(name->text));
        }
        x->out->result.kind = RESULT_WARNING;
        x->out->result.message = arena_printf(x->a, "%.*s is already registered", STR_ARG(name->text));
        return true;
    }
    named_type *t = named_type_new();
    t->name = arena_str(t->mem, name->text);
    catalog *next;
    if (!typeck_type(t->mem, x->before, x->stmt->u.create_type.type, &t->type, x->d)) {
        next = catalog_put_type(x->before, t);
        catalog_unref(next);
        return false;
    }
    next = catalog_put_type(x->before, t);
    exec_publish(x, next);
    exec_status(x, "type", t->name, "create", "Registered custom type with name '%.*s' and SQL type %s",
                STR_ARG(t->name), type_text(x->a, t->type).p);
    return true;
}

bool exec_drop_type(execution *x)
{
    const ast_name *name = &x->stmt->u.drop.name;
    if (!catalog_type(x->before, name->text)) {
        if (!x->stmt->u.drop.if_exists)
            return diag_at(x->d, name->at, DIAG_NOT_FOUND, "Type %.*s does not exist.", STR_ARG(name->text));
        x->out->result.kind = RESULT_WARNING;
        x->out->result.message = arena_printf(x->a, "Type '%.*s' does not exist.", STR_ARG(name->text));
        return true;
    }
    exec_publish(x, catalog_remove_type(x->before, name->text));
    exec_status(x, "type", name->text, "drop", "Dropped type '%.*s'", STR_ARG(name->text));
    return true;
}

/* ---- ALTER ------------------------------------------------------------------------------------------------ */

static bool check_alter(execution *x, const source *s)
{
    const ast_name *name = &x->stmt->u.alter.name;
    bool table = x->stmt->kind == AST_STMT_ALTER_TABLE;
    if (s->schema->is_table != table) {
        return diag_at(x->d, name->at, DIAG_STATEMENT,
                       "Incompatible data source type is %s, but statement was ALTER %s",
                       s->schema->is_table ? "TABLE" : "STREAM", table ? "TABLE" : "STREAM");
    }
    if (s->created_as) {
        return diag_at(x->d, name->at, DIAG_STATEMENT, "ALTER command is not supported for CREATE ... AS statements.");
    }
    if (s->read_only) {
        return diag_at(x->d, name->at, DIAG_STATEMENT,
                       "Cannot alter %s '%.*s': ALTER operations are not supported on source %ss.",
                       table ? "table" : "stream", STR_ARG(s->name), table ? "table" : "stream");
    }
    return true;
}

bool exec_alter(execution *x)
{
    const ast_columns *add = &x->stmt->u.alter.add;
    const source *old = exec_find_source(x, &x->stmt->u.alter.name);
    if (!old || !check_alter(x, old)) return false;
    source *s = source_copy(old);
    const schema *from = s->schema;
    column *columns = ARENA_ARRAY(s->mem, column, (size_t)from->count + add->n);
    for (int i = 0; i < from->count; i++) columns[i] = from->columns[i];
    bool ok = true;
    for (uint32_t i = 0; ok && i < add->n; i++) {
        const ast_column *c = &add->items[i];
        column *to = &columns[from->count + (int)i];
        *to = (column){.name = arena_str(s->mem, c->name.text), .role = COLUMN_VALUE};
        if (pseudo_type(to->name, NULL)) {
            ok = diag_at(x->d, c->name.at, DIAG_STATEMENT,
                         "'%.*s' is a reserved column name. You cannot use it as a name for a column.",
                         STR_ARG(to->name));
        }
        for (int k = 0; ok && k < from->count + (int)i; k++) {
            if (!str_eq(columns[k].name, to->name)) continue;
            ok = diag_at(x->d, c->name.at, DIAG_STATEMENT,
                         "Cannot add column `%.*s` to schema. A column with the same name already exists.",
                         STR_ARG(to->name));
        }
        ok = ok && typeck_type(s->mem, x->before, c->type, &to->type, x->d);
    }
    if (!ok) {
        source_unref(s);
        return false;
    }
    schema *now = schema_new(s->mem, columns, from->count + (int)add->n);
    now->is_table = from->is_table;
    now->window = from->window;
    now->window_size = from->window_size;
    s->schema = now;
    /* With a second value column the value is a record, unless it never was one. */
    format_wrap_value(&s->value_format.spec, now->count - now->key_count, -1);
    if (!format_check_schema(&s->value_format.spec, now, false, x->stmt->u.alter.name.at, x->d)) {
        source_unref(s);
        return false;
    }
    exec_publish(x, catalog_put_source(x->before, s));
    exec_register(x, s, true);
    exec_status(x, now->is_table ? "table" : "stream", s->name, "alter", "%s %.*s altered.",
                now->is_table ? "Table" : "Stream", STR_ARG(s->name));
    return true;
}

/* ---- TERMINATE, PAUSE, RESUME ----------------------------------------------------------------------------- */

static const char *verb_of(const ast_stmt *s)
{
    return s->kind == AST_STMT_TERMINATE ? "terminate" : s->kind == AST_STMT_PAUSE ? "pause" : "resume";
}

static void control_one(execution *x, const catalog_query *q)
{
    if (x->stmt->kind == AST_STMT_TERMINATE) {
        exec_effect(x, EFFECT_STOP_QUERY)->query = q;
        exec_publish(x, catalog_remove_query(exec_catalog(x), q->id));
        return;
    }
    bool pause = x->stmt->kind == AST_STMT_PAUSE;
    if (q->paused == pause) return;
    catalog_query *n = catalog_query_copy(q);
    n->paused = pause;
    exec_publish(x, catalog_put_query(exec_catalog(x), n));
    exec_effect(x, pause ? EFFECT_PAUSE_QUERY : EFFECT_RESUME_QUERY)->query = n;
}

bool exec_query_control(execution *x)
{
    const ast_stmt *s = x->stmt;
    const char *verb = verb_of(s);
    sql_result *r = &x->out->result;
    if (s->u.query_ref.all) {
        for (int i = 0; i < x->before->query_count; i++) {
            if (x->before->queries[i]->kind != QUERY_SOURCE_TABLE) control_one(x, x->before->queries[i]);
        }
        exec_status(x, "query", STR("ALL"), verb, "Query %sd.", verb);
        r->kind = RESULT_TERMINATED;
        r->all = true;
        return true;
    }
    str id = s->u.query_ref.query_id.text;
    const catalog_query *q = catalog_find_query(x->before, id);
    if (!q) {
        /* It may be a transient query, which only the caller knows. */
        r->kind = RESULT_TERMINATED;
        r->query_id = arena_str(x->a, id);
        r->action = str_z(verb);
        return true;
    }
    if (q->kind == QUERY_SOURCE_TABLE) {
        return diag_at(x->d, s->u.query_ref.query_id.at, DIAG_STATEMENT,
                       "Cannot %s query '%.*s' because it is linked to a source table.", verb, STR_ARG(id));
    }
    control_one(x, q);
    exec_status(x, "query", id, verb, "Query %sd.", verb);
    r->kind = RESULT_TERMINATED;
    r->query_id = arena_str(x->a, id);
    return true;
}
