/* CREATE [OR REPLACE] [SOURCE] STREAM | TABLE over a topic (reference 1.4). */
#include "base/check.h"
#include "sql/exec.h"
#include "sql/format_rules.h"
#include "sql/scope.h"
#include "sql/typeck.h"

/* A definition under way. */
typedef struct definition {
    execution *x;
    const ast_stmt *stmt;
    bool table;
    const char *kind; /* "stream" or "table" */
    with_props with;
    source *src;
} definition;

/* ---- columns ---------------------------------------------------------------------------------------------- */

static bool is_headers_type(const type *t)
{
    if (t->kind != TYPE_ARRAY || t->elem->kind != TYPE_STRUCT || t->elem->field_count != 2) return false;
    const type_field *f = t->elem->fields;
    return str_eqz(f[0].name, "KEY") && f[0].type->kind == TYPE_STRING && str_eqz(f[1].name, "VALUE") &&
           f[1].type->kind == TYPE_BYTES;
}

static bool check_header(definition *def, const ast_column *from, const column *columns, int count)
{
    diag *d = def->x->d;
    const column *c = &columns[count];
    if (c->role == COLUMN_HEADERS && !is_headers_type(c->type)) {
        return diag_at(d, from->at, DIAG_STATEMENT,
                       "Invalid type for HEADERS column: expected ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>, got %s",
                       type_text(def->x->a, c->type).p);
    }
    if (c->role == COLUMN_HEADER && c->type->kind != TYPE_BYTES) {
        return diag_at(d, from->at, DIAG_STATEMENT, "Invalid type for HEADER('%.*s') column: expected BYTES, got %s",
                       STR_ARG(from->header), type_text(def->x->a, c->type).p);
    }
    for (int i = 0; i < count; i++) {
        if (columns[i].role == COLUMN_HEADERS) {
            return diag_at(d, from->at, DIAG_STATEMENT, "Schema already contains a HEADERS column.");
        }
        if (columns[i].role == COLUMN_HEADER && c->role == COLUMN_HEADER &&
            str_eq(columns[i].header_key, c->header_key)) {
            return diag_at(d, from->at, DIAG_STATEMENT, "Schema already contains a HEADER('%.*s') column.",
                           STR_ARG(c->header_key));
        }
    }
    return true;
}

static column_role role_of(ast_column_role r)
{
    switch (r) {
    case AST_COLUMN_KEY:
    case AST_COLUMN_PRIMARY_KEY: return COLUMN_KEY;
    case AST_COLUMN_HEADERS: return COLUMN_HEADERS;
    case AST_COLUMN_HEADER: return COLUMN_HEADER;
    case AST_COLUMN_VALUE: return COLUMN_VALUE;
    }
    check_unreachable();
}

static bool read_column(definition *def, const ast_column *from, column *columns, int count)
{
    diag *d = def->x->d;
    str name = from->name.text;
    column *c = &columns[count];
    if (pseudo_type(name, NULL)) {
        return diag_at(d, from->name.at, DIAG_STATEMENT,
                       "'%.*s' is a reserved column name. You cannot use it as a name for a column.", STR_ARG(name));
    }
    for (int i = 0; i < count; i++) {
        if (str_eq(columns[i].name, name))
            return diag_at(d, from->name.at, DIAG_STATEMENT, "Duplicate column names: `%.*s`", STR_ARG(name));
    }
    c->name = arena_str(def->src->mem, name);
    c->role = role_of(from->role);
    c->header_key = arena_str(def->src->mem, from->header);
    if (!typeck_type(def->src->mem, def->x->before, from->type, &c->type, d)) return false;
    if (c->role == COLUMN_KEY || c->role == COLUMN_VALUE) return true;
    return check_header(def, from, columns, count);
}

/* Columns of a side that the statement leaves out and the registry has. */
static bool infer_side(definition *def, bool key, column *columns, int *count)
{
    execution *x = def->x;
    source_format *f = key ? &def->src->key_format : &def->src->value_format;
    if (!format_rules_of(f->spec.kind)->registry) return true;
    if (!x->env->registry) {
        diag_at(x->d, def->stmt->u.create.name.at, DIAG_UNSUPPORTED,
                "Columns that come from the schema registry are not supported yet.");
        return diag_hint(x->d, "Write the columns of the %s in the statement.", key ? "key" : "value");
    }
    sql_registry_schema found;
    if (!x->env->registry(x->env->ctx, def->src->mem, def->with.topic, f->spec.kind, key, f->schema_id, f->full_name,
                          &found, x->d))
        return false;
    for (int i = 0; i < found.count; i++) {
        columns[*count] = found.columns[i];
        columns[*count].role = key ? COLUMN_KEY : COLUMN_VALUE;
        (*count)++;
    }
    return true;
}

enum { INFERRED_MAX = 4096 };

static bool read_columns(definition *def)
{
    execution *x = def->x;
    const ast_columns *from = &def->stmt->u.create.columns;
    column *columns = ARENA_ARRAY(def->src->mem, column, (size_t)from->n + 2 * INFERRED_MAX);
    int count = 0;
    bool has_key = false, has_value = false;
    for (uint32_t i = 0; i < from->n; i++) {
        if (!read_column(def, &from->items[i], columns, count)) return false;
        has_key = has_key || columns[count].role == COLUMN_KEY;
        has_value = has_value || columns[count].role == COLUMN_VALUE;
        count++;
    }
    if (!has_key && def->src->key_format.spec.kind != FORMAT_NONE && !infer_side(def, true, columns, &count))
        return false;
    if (!has_value && !infer_side(def, false, columns, &count)) return false;
    if (count == 0)
        return diag_at(x->d, def->stmt->u.create.name.at, DIAG_STATEMENT, "The statement does not define any columns.");
    schema *s = schema_new(def->src->mem, columns, count);
    s->is_table = def->table;
    s->window = def->with.window;
    s->window_size = def->with.window_size;
    def->src->schema = s;
    return true;
}

/* ---- formats ---------------------------------------------------------------------------------------------- */

static bool default_format(definition *def, bool key, format_kind *out)
{
    execution *x = def->x;
    const char *name = key ? "ksql.persistence.default.format.key" : "ksql.persistence.default.format.value";
    str set = settings_get(&x->session->settings, name);
    const format_rules *r = format_rules_find(set);
    if (r) {
        *out = r->kind;
        return true;
    }
    if (set.n) return diag_at(x->d, def->stmt->u.create.name.at, DIAG_INVALID, "Unknown format: %.*s", STR_ARG(set));
    return diag_at(x->d, def->stmt->u.create.name.at, DIAG_STATEMENT,
                   "Statement is missing the '%s_FORMAT' property from the WITH clause. Either provide one or set a "
                   "default via the '%s' config.",
                   key ? "KEY" : "VALUE", name);
}

static bool delimiter_fits(definition *def, bool key)
{
    const source_format *f = key ? &def->src->key_format : &def->src->value_format;
    if (!f->spec.delimiter || f->spec.kind == FORMAT_DELIMITED) return true;
    return diag_at(def->x->d, def->with.at, DIAG_INVALID, "%s does not support the following configs: [delimiter]",
                   format_rules_of(f->spec.kind)->name);
}

static bool registry_fits(definition *def, bool key)
{
    const source_format *f = key ? &def->src->key_format : &def->src->value_format;
    const format_rules *r = format_rules_of(f->spec.kind);
    if (!r->registry && (f->schema_id >= 0 || f->full_name.n)) {
        return diag_at(def->x->d, def->with.at, DIAG_INVALID, "%s does not support the following configs: [%s]",
                       r->name, f->schema_id >= 0 ? "schemaId" : "fullSchemaName");
    }
    if (f->schema_id < 0) return true;
    for (uint32_t i = 0; i < def->stmt->u.create.columns.n; i++) {
        const ast_column *c = &def->stmt->u.create.columns.items[i];
        bool is_key = c->role == AST_COLUMN_KEY || c->role == AST_COLUMN_PRIMARY_KEY;
        if (is_key != key || (!is_key && c->role != AST_COLUMN_VALUE)) continue;
        return diag_at(def->x->d, c->at, DIAG_INVALID,
                       "Table elements and %s_SCHEMA_ID cannot both exist for create statement.",
                       key ? "KEY" : "VALUE");
    }
    return true;
}

static bool read_formats(definition *def)
{
    source *s = def->src;
    const with_props *w = &def->with;
    s->key_format.spec.kind = w->key_format;
    s->value_format.spec.kind = w->value_format;
    if (!w->has_key_format && !default_format(def, true, &s->key_format.spec.kind)) return false;
    if (!w->has_value_format && !default_format(def, false, &s->value_format.spec.kind)) return false;
    s->key_format.spec.delimiter = w->key_delimiter;
    s->value_format.spec.delimiter = w->value_delimiter;
    s->key_format.schema_id = w->key_schema_id;
    s->value_format.schema_id = w->value_schema_id;
    s->key_format.full_name = arena_str(s->mem, w->key_full_name);
    s->value_format.full_name = arena_str(s->mem, w->value_full_name);
    for (int key = 0; key < 2; key++) {
        if (!delimiter_fits(def, key) || !registry_fits(def, key)) return false;
    }
    if (format_rules_of(s->value_format.spec.kind)->as_value) return true;
    return diag_at(def->x->d, w->has_value_format ? w->value_format_at : def->with.at, DIAG_STATEMENT,
                   "The 'NONE' format can only be used when no columns are defined. Got: value columns");
}

static bool check_wrapping(definition *def)
{
    source *s = def->src;
    const with_props *w = &def->with;
    const format_rules *r = format_rules_of(s->value_format.spec.kind);
    int values = 0;
    for (int i = s->schema->key_count; i < s->schema->count; i++) values += s->schema->columns[i].role == COLUMN_VALUE;
    str set = settings_get(&def->x->session->settings, "ksql.persistence.wrap.single.values");
    int wish = set.n ? str_ieq(set, STR("true")) : -1;
    if (w->wrap >= 0) {
        wish = w->wrap;
        s->wrapped_given = true;
        if (w->wrap ? !r->wraps : !r->unwraps) {
            return diag_at(def->x->d, w->wrap_at, DIAG_STATEMENT,
                           "Format '%s' does not support 'WRAP_SINGLE_VALUE' set to '%s'.", r->name,
                           w->wrap ? "true" : "false");
        }
        if (values != 1)
            return diag_at(def->x->d, w->wrap_at, DIAG_STATEMENT,
                           "'WRAP_SINGLE_VALUE' is only valid for single-field value schemas");
    }
    format_wrap_key(&s->key_format.spec, s->schema->key_count);
    format_wrap_value(&s->value_format.spec, values, wish);
    return true;
}

static bool check_side(definition *def, bool key)
{
    diag why = {0};
    const source_format *f = key ? &def->src->key_format : &def->src->value_format;
    span at = key ? def->with.key_format_at : def->with.value_format_at;
    if (at.start == SPAN_NONE) at = def->stmt->u.create.name.at;
    if (key && def->src->schema->key_count == 0) return true;
    if (format_check_schema(&f->spec, def->src->schema, key, at, &why)) return true;
    return diag_at(def->x->d, at, DIAG_STATEMENT, "%s format does not support schema.\nformat: %s\nreason: %s",
                   key ? "Key" : "Value", format_rules_of(f->spec.kind)->name, why.text);
}

/* ---- the rest --------------------------------------------------------------------------------------------- */

static bool check_timestamp(definition *def)
{
    const with_props *w = &def->with;
    diag *d = def->x->d;
    if (!w->timestamp.n) return true;
    int at = schema_find(def->src->schema, w->timestamp);
    if (at < 0 || def->src->schema->columns[at].role == COLUMN_HEADER ||
        def->src->schema->columns[at].role == COLUMN_HEADERS) {
        return diag_at(d, w->timestamp_at, DIAG_STATEMENT,
                       "The TIMESTAMP column set in the WITH clause does not exist in the schema: '%.*s'",
                       STR_ARG(w->timestamp));
    }
    type_kind kind = def->src->schema->columns[at].type->kind;
    if (kind == TYPE_STRING && !w->timestamp_format.n) {
        return diag_at(d, w->timestamp_at, DIAG_STATEMENT,
                       "A String timestamp field has been specified without also specifying the timestamp_format");
    }
    if (kind != TYPE_STRING && w->timestamp_format.n) {
        return diag_at(
            d, w->timestamp_format_at, DIAG_STATEMENT,
            "'TIMESTAMP_FORMAT' set in the WITH clause can only be used when the timestamp column is of type STRING.");
    }
    if (kind != TYPE_STRING && kind != TYPE_BIGINT && kind != TYPE_TIMESTAMP) {
        return diag_at(d, w->timestamp_at, DIAG_STATEMENT,
                       "Timestamp column, `%.*s`, should be LONG(INT64), TIMESTAMP, or a String with a "
                       "timestamp_format specified.",
                       STR_ARG(w->timestamp));
    }
    def->src->timestamp_column = arena_str(def->src->mem, w->timestamp);
    def->src->timestamp_format = arena_str(def->src->mem, w->timestamp_format);
    return true;
}

static bool check_keys(definition *def)
{
    const schema *s = def->src->schema;
    span at = def->stmt->u.create.name.at;
    if (def->table && s->key_count == 0) {
        diag_at(def->x->d, at, DIAG_STATEMENT, "Tables require a PRIMARY KEY. Please define the PRIMARY KEY.");
        return diag_hint(def->x->d, "CREATE TABLE %.*s (ID INT PRIMARY KEY, ...) WITH (...);",
                         STR_ARG(def->stmt->u.create.name.text));
    }
    if (s->window != WINDOW_NONE && s->key_count == 0)
        return diag_at(def->x->d, at, DIAG_STATEMENT, "Windowed sources require a key column.");
    return true;
}

/* OR REPLACE may only append value columns (D10). */
/* The first column of the old source that the new one would not have as it was, as text; NULL: it has them all. */
static const char *changed_column(arena *a, const schema *old, const schema *now)
{
    for (int i = 0; i < old->count; i++) {
        const column *was = &old->columns[i], *is = i < now->count ? &now->columns[i] : NULL;
        if (is && str_eq(was->name, is->name) && type_eq(was->type, is->type) && was->role == is->role) continue;
        int at = schema_find(now, was->name);
        if (at < 0) return arena_printf(a, "the column `%.*s` would be missing", STR_ARG(was->name)).p;
        const column *c = &now->columns[at];
        if (type_eq(was->type, c->type))
            return arena_printf(a, "the column `%.*s` would have another place or role", STR_ARG(was->name)).p;
        return arena_printf(a, "the column `%.*s` is %.*s and would become %.*s", STR_ARG(was->name),
                            STR_ARG(type_text(a, was->type)), STR_ARG(type_text(a, c->type)))
            .p;
    }
    return now->key_count == old->key_count ? NULL : "the key would have other columns";
}

const char *exec_replace_obstacle(execution *x, const source *old, const source *now)
{
    if (old->schema->is_table != now->schema->is_table) return "the kind (STREAM or TABLE) differs";
    if (!str_eq(old->topic, now->topic)) return "the topic differs";
    if (old->key_format.spec.kind != now->key_format.spec.kind ||
        old->value_format.spec.kind != now->value_format.spec.kind)
        return "the formats differ";
    return changed_column(x->a, old->schema, now->schema);
}

static bool check_replace(definition *def, const source *old)
{
    const source *now = def->src;
    const char *why = exec_replace_obstacle(def->x, old, now);
    if (!why && !str_eq(old->timestamp_column, now->timestamp_column)) why = "the timestamp column differs";
    if (!why) return true;
    return diag_at(def->x->d, def->stmt->u.create.name.at, DIAG_STATEMENT, "Cannot upgrade data source: `%.*s`: %s.",
                   STR_ARG(now->name), why);
}

static bool check_existing(definition *def, bool *done)
{
    const ast_stmt *stmt = def->stmt;
    const ast_name *name = &stmt->u.create.name;
    const source *old = catalog_source(def->x->before, name->text);
    *done = false;
    if (stmt->u.create.or_replace && (stmt->u.create.is_source || (old && old->read_only))) {
        return diag_at(def->x->d, name->at, DIAG_STATEMENT,
                       "Cannot add %s '%.*s': CREATE OR REPLACE is not supported on source %ss.", def->kind,
                       STR_ARG(name->text), def->kind);
    }
    if (!old || stmt->u.create.or_replace) return true;
    const char *found = old->schema->is_table ? "table" : "stream";
    if (!stmt->u.create.if_not_exists) {
        return diag_at(def->x->d, name->at, DIAG_EXISTS, "Cannot add %s '%.*s': A %s with the same name already exists",
                       def->kind, STR_ARG(name->text), found);
    }
    def->x->out->result.kind = RESULT_WARNING;
    def->x->out->result.message =
        arena_printf(def->x->a, "Cannot add %s `%.*s`: A %s with the same name already exists.", def->kind,
                     STR_ARG(name->text), found);
    *done = true;
    return true;
}

/* A SOURCE TABLE is kept by a query of its own, so that it can be pulled. */
static bool materialize(definition *def, const source *src)
{
    execution *x = def->x;
    catalog_query *q = catalog_query_new();
    arena *a = q->mem;
    /* SELECT * FROM the table, with no sink topic: the planner's own source and projection steps. */
    plan *from = ARENA_NEW(a, plan), *sink = ARENA_NEW(a, plan);
    schema *s = schema_copy(a, src->schema);
    *from = (plan){.kind = PLAN_SOURCE, .id = 0, .context = STR("KsqlTopic-Source"), .schema = s};
    from->source = (plan_source){.name = arena_str(a, src->name),
                                 .topic = arena_str(a, src->topic),
                                 .key_format = src->key_format.spec,
                                 .value_format = src->value_format.spec,
                                 .timestamp = {.column = -1},
                                 .materialize = true,
                                 .from_earliest = true};
    if (src->timestamp_column.n) {
        from->source.timestamp.column = schema_find(s, src->timestamp_column);
        from->source.timestamp.format = arena_str(a, src->timestamp_format);
    }
    *sink = (plan){.kind = PLAN_SINK,
                   .id = 1,
                   .context = STR("KSQL_STDOUT_NAME"),
                   .schema = s,
                   .inputs = {from},
                   .input_count = 1};
    sink->sink =
        (plan_sink){.name = from->source.name, .limit = -1, .timestamp = {.column = -1}, .view = true, .partitions = 1};
    q->kind = QUERY_SOURCE_TABLE;
    q->id = arena_printf(a, "CST_%.*s_%lld", STR_ARG(src->name), (long long)x->number);
    for (char *c = (char *)(uintptr_t)q->id.p; *c; c++) *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    q->statement = arena_str(a, x->stmt->text);
    str *names = ARENA_ARRAY(a, str, 1);
    names[0] = from->source.name;
    q->sources = names;
    q->source_count = 1;
    q->plan = sink;
    q->properties = exec_settings_text(x, a);
    exec_publish(x, catalog_put_query(exec_catalog(x), q));
    exec_effect(x, EFFECT_START_QUERY)->query = q;
    return true;
}

static bool define(definition *def)
{
    execution *x = def->x;
    const ast_stmt *stmt = def->stmt;
    source *s = def->src;
    s->name = arena_str(s->mem, stmt->u.create.name.text);
    s->topic = arena_str(s->mem, def->with.topic);
    s->read_only = stmt->u.create.is_source;
    s->statement = arena_str(s->mem, stmt->text);
    int partitions;
    if (!read_formats(def)) return false;
    if (!exec_topic(x, &def->with, s->topic, STR(""), def->table, def->with.window != WINDOW_NONE, -1, &partitions))
        return false;
    if (!read_columns(def) || !check_keys(def) || !check_wrapping(def)) return false;
    if (!check_side(def, true) || !check_side(def, false) || !check_timestamp(def)) return false;
    const source *old = catalog_source(x->before, s->name);
    if (!old) return true;
    if (!check_replace(def, old)) return false;
    s->query_id = arena_str(s->mem, old->query_id);
    return true;
}

bool exec_create_source(execution *x)
{
    const ast_stmt *stmt = x->stmt;
    bool table = stmt->kind == AST_STMT_CREATE_TABLE, done;
    definition def = {.x = x, .stmt = stmt, .table = table, .kind = table ? "table" : "stream"};
    if (!exec_check_name(x, &stmt->u.create.name)) return false;
    if (!with_read(x->a, &stmt->u.create.with, WITH_SOURCE, &def.with, x->d) || !check_existing(&def, &done))
        return false;
    if (done) return true;
    if (!def.with.topic.n) {
        diag_at(x->d, stmt->u.create.name.at, DIAG_STATEMENT,
                "Missing required property \"KAFKA_TOPIC\" which has no default value.");
        return diag_hint(x->d, "Add WITH (KAFKA_TOPIC='...', ...).");
    }
    def.src = source_new();
    if (!define(&def)) {
        source_unref(def.src);
        return false;
    }
    exec_publish(x, catalog_put_source(exec_catalog(x), def.src));
    exec_register(x, def.src, false);
    exec_status(x, def.kind, def.src->name, "create", "%s created", table ? "Table" : "Stream");
    if (!table || !stmt->u.create.is_source) return true;
    return materialize(&def, def.src);
}
