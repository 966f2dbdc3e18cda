#include "sql/ast.h"

#include "base/check.h"
#include "base/hash.h"

/* ---- parts ------------------------------------------------------------------------------------------------- */

static bool name_equal(ast_name a, ast_name b)
{
    return (a.text.p == NULL) == (b.text.p == NULL) && str_eq(a.text, b.text);
}

static bool names_equal(const ast_names *a, const ast_names *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (!name_equal(a->items[i], b->items[i])) return false;
    }
    return true;
}

static bool exprs_equal(const ast_exprs *a, const ast_exprs *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (!ast_expr_equal(a->items[i], b->items[i])) return false;
    }
    return true;
}

static bool optional_equal(const ast_expr *a, const ast_expr *b)
{
    if (a == NULL || b == NULL) return a == b;
    return ast_expr_equal(a, b);
}

static bool durations_equal(ast_duration a, ast_duration b)
{
    return a.present == b.present && (!a.present || (a.value == b.value && a.unit == b.unit));
}

bool ast_type_equal(const ast_type *a, const ast_type *b)
{
    if (a->kind != b->kind || a->depth != b->depth) return false;
    switch (a->kind) {
    case AST_TYPE_DECIMAL:
        return a->u.decimal.precision == b->u.decimal.precision && a->u.decimal.scale == b->u.decimal.scale;
    case AST_TYPE_ARRAY: return ast_type_equal(a->u.element, b->u.element);
    case AST_TYPE_MAP:
        return ast_type_equal(a->u.map.key, b->u.map.key) && ast_type_equal(a->u.map.value, b->u.map.value);
    case AST_TYPE_STRUCT:
        if (a->u.structure.n != b->u.structure.n) return false;
        for (uint32_t i = 0; i < a->u.structure.n; i++) {
            if (!name_equal(a->u.structure.fields[i].name, b->u.structure.fields[i].name)) return false;
            if (!ast_type_equal(a->u.structure.fields[i].type, b->u.structure.fields[i].type)) return false;
        }
        return true;
    case AST_TYPE_NAMED: return name_equal(a->u.name, b->u.name);
    default: return true;
    }
}

/* ---- expressions ------------------------------------------------------------------------------------------- */

/* What the node itself says, its children aside. The two are of one kind. */
static bool same_node(const ast_expr *a, const ast_expr *b)
{
    switch (a->kind) {
    case AST_EXPR_BOOLEAN: return a->u.boolean == b->u.boolean;
    case AST_EXPR_INTEGER:
    case AST_EXPR_BIGINT: return a->u.integer == b->u.integer;
    case AST_EXPR_DOUBLE: return memcmp(&a->u.number, &b->u.number, sizeof(double)) == 0;
    case AST_EXPR_DECIMAL: return str_eq(a->u.decimal.text, b->u.decimal.text);
    case AST_EXPR_STRING: return str_eq(a->u.string, b->u.string);
    case AST_EXPR_COLUMN:
        return name_equal(a->u.column.source, b->u.column.source) && name_equal(a->u.column.name, b->u.column.name);
    case AST_EXPR_LAMBDA_VAR: return name_equal(a->u.name, b->u.name);
    case AST_EXPR_UNIT: return a->u.unit == b->u.unit;
    case AST_EXPR_FIELD: return name_equal(a->u.field.name, b->u.field.name);
    case AST_EXPR_CALL:
        return str_ieq(a->u.call.function.text, b->u.call.function.text) && a->u.call.star == b->u.call.star;
    case AST_EXPR_LAMBDA: return names_equal(&a->u.lambda.params, &b->u.lambda.params);
    case AST_EXPR_CAST: return ast_type_equal(a->u.cast.type, b->u.cast.type);
    case AST_EXPR_CASE:
        return a->u.cases.n == b->u.cases.n && (a->u.cases.otherwise == NULL) == (b->u.cases.otherwise == NULL);
    case AST_EXPR_STRUCT:
        if (a->u.structure.n != b->u.structure.n) return false;
        for (uint32_t i = 0; i < a->u.structure.n; i++) {
            if (!name_equal(a->u.structure.fields[i].name, b->u.structure.fields[i].name)) return false;
        }
        return true;
    case AST_EXPR_ARITHMETIC:
    case AST_EXPR_COMPARE:
    case AST_EXPR_LOGIC: return a->u.binary.op == b->u.binary.op;
    case AST_EXPR_LIKE:
        return (a->u.like.escape.p == NULL) == (b->u.like.escape.p == NULL) &&
               str_eq(a->u.like.escape, b->u.like.escape);
    default: return true;
    }
}

bool ast_expr_equal(const ast_expr *a, const ast_expr *b)
{
    if (a == b) return true;
    if (a->kind != b->kind || a->depth != b->depth || !same_node(a, b)) return false;
    for (uint32_t i = 0;; i++) {
        const ast_expr *left = ast_expr_child(a, i), *right = ast_expr_child(b, i);
        if (left == NULL || right == NULL) return left == right;
        if (!ast_expr_equal(left, right)) return false;
    }
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    return hash_u64(h * 31 + v);
}

static uint64_t mix_str(uint64_t h, str s)
{
    return mix(h, hash_bytes(s.p, s.n));
}

uint64_t ast_expr_hash(const ast_expr *e)
{
    uint64_t h = hash_u64((uint64_t)e->kind + 1);
    switch (e->kind) {
    case AST_EXPR_BOOLEAN: h = mix(h, e->u.boolean); break;
    case AST_EXPR_INTEGER:
    case AST_EXPR_BIGINT: h = mix(h, (uint64_t)e->u.integer); break;
    case AST_EXPR_DOUBLE: h = mix_str(h, (str){(const char *)&e->u.number, sizeof(double)}); break;
    case AST_EXPR_DECIMAL: h = mix_str(h, e->u.decimal.text); break;
    case AST_EXPR_STRING: h = mix_str(h, e->u.string); break;
    case AST_EXPR_COLUMN: h = mix_str(mix_str(h, e->u.column.source.text), e->u.column.name.text); break;
    case AST_EXPR_LAMBDA_VAR: h = mix_str(h, e->u.name.text); break;
    case AST_EXPR_UNIT: h = mix(h, e->u.unit); break;
    case AST_EXPR_FIELD: h = mix_str(h, e->u.field.name.text); break;
    /* Function names compare without case, so only their length counts here. */
    case AST_EXPR_CALL: h = mix(h, e->u.call.function.text.n); break;
    case AST_EXPR_CAST: h = mix(h, e->u.cast.type->kind); break;
    case AST_EXPR_ARITHMETIC:
    case AST_EXPR_COMPARE:
    case AST_EXPR_LOGIC: h = mix(h, e->u.binary.op); break;
    default: break;
    }
    const ast_expr *child;
    for (uint32_t i = 0; (child = ast_expr_child(e, i)) != NULL; i++) h = mix(h, ast_expr_hash(child));
    return h;
}

/* ---- queries ----------------------------------------------------------------------------------------------- */

static bool sources_equal(const ast_source *a, const ast_source *b)
{
    return name_equal(a->name, b->name) && name_equal(a->alias, b->alias);
}

static bool windows_equal(const ast_window *a, const ast_window *b)
{
    if (a == NULL || b == NULL) return a == b;
    return a->kind == b->kind && durations_equal(a->size, b->size) && durations_equal(a->advance, b->advance) &&
           durations_equal(a->retention, b->retention) && durations_equal(a->grace, b->grace);
}

static bool items_equal(const ast_select_item *a, const ast_select_item *b)
{
    return a->kind == b->kind && optional_equal(a->expr, b->expr) && name_equal(a->alias, b->alias) &&
           name_equal(a->source, b->source);
}

static bool joins_equal(const ast_join *a, const ast_join *b)
{
    return a->kind == b->kind && sources_equal(&a->right, &b->right) && durations_equal(a->before, b->before) &&
           durations_equal(a->after, b->after) && durations_equal(a->grace, b->grace) && ast_expr_equal(a->on, b->on);
}

bool ast_query_equal(const ast_query *a, const ast_query *b)
{
    if (a->items_n != b->items_n || a->joins_n != b->joins_n || !sources_equal(&a->from, &b->from)) return false;
    for (uint32_t i = 0; i < a->items_n; i++) {
        if (!items_equal(&a->items[i], &b->items[i])) return false;
    }
    for (uint32_t i = 0; i < a->joins_n; i++) {
        if (!joins_equal(&a->joins[i], &b->joins[i])) return false;
    }
    return windows_equal(a->window, b->window) && optional_equal(a->where, b->where) && a->grouped == b->grouped &&
           exprs_equal(&a->group_by, &b->group_by) && a->partitioned == b->partitioned &&
           exprs_equal(&a->partition_by, &b->partition_by) && optional_equal(a->having, b->having) &&
           a->emit == b->emit && a->limited == b->limited && a->limit == b->limit;
}

/* ---- statements -------------------------------------------------------------------------------------------- */

static bool columns_equal(const ast_columns *a, const ast_columns *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const ast_column *x = &a->items[i], *y = &b->items[i];
        if (!name_equal(x->name, y->name) || x->role != y->role || !str_eq(x->header, y->header)) return false;
        if (!ast_type_equal(x->type, y->type)) return false;
    }
    return true;
}

static bool properties_equal(const ast_properties *a, const ast_properties *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (!name_equal(a->items[i].name, b->items[i].name)) return false;
        if (!ast_expr_equal(a->items[i].value, b->items[i].value)) return false;
    }
    return true;
}

static bool creates_equal(const ast_stmt *a, const ast_stmt *b)
{
    return name_equal(a->u.create.name, b->u.create.name) && a->u.create.or_replace == b->u.create.or_replace &&
           a->u.create.if_not_exists == b->u.create.if_not_exists && a->u.create.is_source == b->u.create.is_source &&
           columns_equal(&a->u.create.columns, &b->u.create.columns) &&
           properties_equal(&a->u.create.with, &b->u.create.with);
}

static bool asserts_equal(const ast_stmt *a, const ast_stmt *b)
{
    if (a->kind == AST_STMT_ASSERT_TOPIC) {
        return str_eq(a->u.assert_topic.topic, b->u.assert_topic.topic) &&
               a->u.assert_topic.exists == b->u.assert_topic.exists &&
               properties_equal(&a->u.assert_topic.with, &b->u.assert_topic.with) &&
               durations_equal(a->u.assert_topic.timeout, b->u.assert_topic.timeout);
    }
    return str_eq(a->u.assert_schema.subject, b->u.assert_schema.subject) &&
           a->u.assert_schema.has_id == b->u.assert_schema.has_id && a->u.assert_schema.id == b->u.assert_schema.id &&
           a->u.assert_schema.exists == b->u.assert_schema.exists &&
           durations_equal(a->u.assert_schema.timeout, b->u.assert_schema.timeout);
}

static bool explains_equal(const ast_stmt *a, const ast_stmt *b)
{
    const ast_stmt *x = a->u.explain.stmt, *y = b->u.explain.stmt;
    if (x == NULL || y == NULL) return x == y && name_equal(a->u.explain.query_id, b->u.explain.query_id);
    return ast_stmt_equal(x, y);
}

static bool create_as_equal(const ast_stmt *a, const ast_stmt *b)
{
    return name_equal(a->u.create_as.name, b->u.create_as.name) &&
           a->u.create_as.or_replace == b->u.create_as.or_replace &&
           a->u.create_as.if_not_exists == b->u.create_as.if_not_exists &&
           properties_equal(&a->u.create_as.with, &b->u.create_as.with) &&
           ast_query_equal(a->u.create_as.query, b->u.create_as.query);
}

static bool inserts_equal(const ast_stmt *a, const ast_stmt *b)
{
    if (a->kind == AST_STMT_INSERT_INTO) {
        return name_equal(a->u.insert_into.target, b->u.insert_into.target) &&
               properties_equal(&a->u.insert_into.with, &b->u.insert_into.with) &&
               ast_query_equal(a->u.insert_into.query, b->u.insert_into.query);
    }
    return name_equal(a->u.insert_values.target, b->u.insert_values.target) &&
           names_equal(&a->u.insert_values.columns, &b->u.insert_values.columns) &&
           exprs_equal(&a->u.insert_values.values, &b->u.insert_values.values);
}

static bool prints_equal(const ast_stmt *a, const ast_stmt *b)
{
    return str_eq(a->u.print.topic, b->u.print.topic) && a->u.print.from_beginning == b->u.print.from_beginning &&
           a->u.print.sampled == b->u.print.sampled && a->u.print.interval == b->u.print.interval &&
           a->u.print.limited == b->u.print.limited && a->u.print.limit == b->u.print.limit;
}

/* Connectors, types and ALTER. */
static bool definitions_equal(const ast_stmt *a, const ast_stmt *b)
{
    switch (a->kind) {
    case AST_STMT_CREATE_CONNECTOR:
        return name_equal(a->u.connector.name, b->u.connector.name) && a->u.connector.kind == b->u.connector.kind &&
               a->u.connector.if_not_exists == b->u.connector.if_not_exists &&
               properties_equal(&a->u.connector.with, &b->u.connector.with);
    case AST_STMT_CREATE_TYPE:
        return name_equal(a->u.create_type.name, b->u.create_type.name) &&
               a->u.create_type.if_not_exists == b->u.create_type.if_not_exists &&
               ast_type_equal(a->u.create_type.type, b->u.create_type.type);
    default: return name_equal(a->u.alter.name, b->u.alter.name) && columns_equal(&a->u.alter.add, &b->u.alter.add);
    }
}

/* SHOW and DESCRIBE. */
static bool shows_equal(const ast_stmt *a, const ast_stmt *b)
{
    if (a->kind >= AST_STMT_DESCRIBE) {
        return name_equal(a->u.describe.name, b->u.describe.name) && a->u.describe.extended == b->u.describe.extended;
    }
    return a->u.show.all == b->u.show.all && a->u.show.extended == b->u.show.extended &&
           a->u.show.scope == b->u.show.scope;
}

bool ast_stmt_equal(const ast_stmt *a, const ast_stmt *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case AST_STMT_QUERY: return ast_query_equal(a->u.query, b->u.query);
    case AST_STMT_LIST_PROPERTIES:
    case AST_STMT_LIST_FUNCTIONS:
    case AST_STMT_LIST_CONNECTOR_PLUGINS:
    case AST_STMT_LIST_TYPES:
    case AST_STMT_LIST_VARIABLES:
    case AST_STMT_LIST_TOPICS:
    case AST_STMT_LIST_STREAMS:
    case AST_STMT_LIST_TABLES:
    case AST_STMT_LIST_QUERIES:
    case AST_STMT_LIST_CONNECTORS:
    case AST_STMT_DESCRIBE:
    case AST_STMT_DESCRIBE_STREAMS:
    case AST_STMT_DESCRIBE_TABLES:
    case AST_STMT_DESCRIBE_FUNCTION:
    case AST_STMT_DESCRIBE_CONNECTOR: return shows_equal(a, b);
    case AST_STMT_PRINT: return prints_equal(a, b);
    case AST_STMT_EXPLAIN: return explains_equal(a, b);
    case AST_STMT_TERMINATE:
    case AST_STMT_PAUSE:
    case AST_STMT_RESUME: return name_equal(a->u.query_ref.query_id, b->u.query_ref.query_id);
    case AST_STMT_SET:
    case AST_STMT_UNSET:
    case AST_STMT_ALTER_SYSTEM:
    case AST_STMT_DEFINE:
    case AST_STMT_UNDEFINE:
        return str_eq(a->u.property.name, b->u.property.name) && str_eq(a->u.property.value, b->u.property.value);
    case AST_STMT_CREATE_STREAM:
    case AST_STMT_CREATE_TABLE:
    case AST_STMT_ASSERT_STREAM:
    case AST_STMT_ASSERT_TABLE: return creates_equal(a, b);
    case AST_STMT_CREATE_STREAM_AS:
    case AST_STMT_CREATE_TABLE_AS: return create_as_equal(a, b);
    case AST_STMT_INSERT_INTO:
    case AST_STMT_INSERT_VALUES:
    case AST_STMT_ASSERT_VALUES:
    case AST_STMT_ASSERT_NULL_VALUES: return inserts_equal(a, b);
    case AST_STMT_DROP_STREAM:
    case AST_STMT_DROP_TABLE:
    case AST_STMT_DROP_CONNECTOR:
    case AST_STMT_DROP_TYPE:
        return name_equal(a->u.drop.name, b->u.drop.name) && a->u.drop.if_exists == b->u.drop.if_exists &&
               a->u.drop.delete_topic == b->u.drop.delete_topic;
    case AST_STMT_CREATE_CONNECTOR:
    case AST_STMT_CREATE_TYPE:
    case AST_STMT_ALTER_STREAM:
    case AST_STMT_ALTER_TABLE: return definitions_equal(a, b);
    case AST_STMT_ASSERT_TOPIC:
    case AST_STMT_ASSERT_SCHEMA: return asserts_equal(a, b);
    case AST_STMT_RUN_SCRIPT: return str_eq(a->u.script.path, b->u.script.path);
    }
    check_unreachable();
}
