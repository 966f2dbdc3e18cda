#include "sql/ast.h"

#include "base/check.h"

/* ---- small things ------------------------------------------------------------------------------------------ */

static const struct {
    const char *plural;
    int64_t ms;
} units[] = {
    [AST_UNIT_MILLISECONDS] = {"MILLISECONDS", 1}, [AST_UNIT_SECONDS] = {"SECONDS", 1000},
    [AST_UNIT_MINUTES] = {"MINUTES", 60000},       [AST_UNIT_HOURS] = {"HOURS", 3600000},
    [AST_UNIT_DAYS] = {"DAYS", 86400000},
};

int64_t ast_duration_ms(ast_duration d)
{
    int64_t ms;
    if (__builtin_mul_overflow(d.value, units[d.unit].ms, &ms)) return d.value < 0 ? INT64_MIN : INT64_MAX;
    return ms;
}

const char *ast_unit_name(ast_unit unit)
{
    return units[unit].plural;
}

bool ast_unit_of(str word, ast_unit *out)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        str plural = str_z(units[i].plural);
        if (!str_ieq(word, plural) && !str_ieq(word, (str){plural.p, plural.n - 1})) continue;
        *out = (ast_unit)i;
        return true;
    }
    return false;
}

bool ast_expr_is_literal(const ast_expr *e)
{
    return e->kind <= AST_EXPR_STRING;
}

const ast_expr *ast_property_get(const ast_properties *with, str name)
{
    for (uint32_t i = 0; i < with->n; i++) {
        if (str_ieq(with->items[i].name.text, name)) return with->items[i].value;
    }
    return NULL;
}

const char *ast_stmt_name(ast_stmt_kind kind)
{
    static const char *const names[] = {
        [AST_STMT_QUERY] = "SELECT",
        [AST_STMT_LIST_PROPERTIES] = "SHOW PROPERTIES",
        [AST_STMT_LIST_TOPICS] = "SHOW TOPICS",
        [AST_STMT_LIST_STREAMS] = "SHOW STREAMS",
        [AST_STMT_LIST_TABLES] = "SHOW TABLES",
        [AST_STMT_LIST_FUNCTIONS] = "SHOW FUNCTIONS",
        [AST_STMT_LIST_CONNECTORS] = "SHOW CONNECTORS",
        [AST_STMT_LIST_CONNECTOR_PLUGINS] = "SHOW CONNECTOR PLUGINS",
        [AST_STMT_LIST_TYPES] = "SHOW TYPES",
        [AST_STMT_LIST_VARIABLES] = "SHOW VARIABLES",
        [AST_STMT_LIST_QUERIES] = "SHOW QUERIES",
        [AST_STMT_DESCRIBE] = "DESCRIBE",
        [AST_STMT_DESCRIBE_STREAMS] = "DESCRIBE STREAMS",
        [AST_STMT_DESCRIBE_TABLES] = "DESCRIBE TABLES",
        [AST_STMT_DESCRIBE_FUNCTION] = "DESCRIBE FUNCTION",
        [AST_STMT_DESCRIBE_CONNECTOR] = "DESCRIBE CONNECTOR",
        [AST_STMT_PRINT] = "PRINT",
        [AST_STMT_EXPLAIN] = "EXPLAIN",
        [AST_STMT_TERMINATE] = "TERMINATE",
        [AST_STMT_PAUSE] = "PAUSE",
        [AST_STMT_RESUME] = "RESUME",
        [AST_STMT_SET] = "SET",
        [AST_STMT_UNSET] = "UNSET",
        [AST_STMT_ALTER_SYSTEM] = "ALTER SYSTEM",
        [AST_STMT_DEFINE] = "DEFINE",
        [AST_STMT_UNDEFINE] = "UNDEFINE",
        [AST_STMT_CREATE_STREAM] = "CREATE STREAM",
        [AST_STMT_CREATE_TABLE] = "CREATE TABLE",
        [AST_STMT_CREATE_STREAM_AS] = "CREATE STREAM AS SELECT",
        [AST_STMT_CREATE_TABLE_AS] = "CREATE TABLE AS SELECT",
        [AST_STMT_INSERT_INTO] = "INSERT INTO",
        [AST_STMT_INSERT_VALUES] = "INSERT VALUES",
        [AST_STMT_DROP_STREAM] = "DROP STREAM",
        [AST_STMT_DROP_TABLE] = "DROP TABLE",
        [AST_STMT_CREATE_CONNECTOR] = "CREATE CONNECTOR",
        [AST_STMT_DROP_CONNECTOR] = "DROP CONNECTOR",
        [AST_STMT_CREATE_TYPE] = "CREATE TYPE",
        [AST_STMT_DROP_TYPE] = "DROP TYPE",
        [AST_STMT_ALTER_STREAM] = "ALTER STREAM",
        [AST_STMT_ALTER_TABLE] = "ALTER TABLE",
        [AST_STMT_ASSERT_TOPIC] = "ASSERT TOPIC",
        [AST_STMT_ASSERT_SCHEMA] = "ASSERT SCHEMA",
        [AST_STMT_ASSERT_VALUES] = "ASSERT VALUES",
        [AST_STMT_ASSERT_NULL_VALUES] = "ASSERT NULL VALUES",
        [AST_STMT_ASSERT_STREAM] = "ASSERT STREAM",
        [AST_STMT_ASSERT_TABLE] = "ASSERT TABLE",
        [AST_STMT_RUN_SCRIPT] = "RUN SCRIPT",
    };
    check((size_t)kind < ARRAY_LEN(names));
    return names[kind];
}

const ast_query *ast_stmt_query(const ast_stmt *stmt)
{
    switch (stmt->kind) {
    case AST_STMT_QUERY: return stmt->u.query;
    case AST_STMT_CREATE_STREAM_AS:
    case AST_STMT_CREATE_TABLE_AS: return stmt->u.create_as.query;
    case AST_STMT_INSERT_INTO: return stmt->u.insert_into.query;
    default: return NULL;
    }
}

/* ---- children ---------------------------------------------------------------------------------------------- */

static ast_expr *list_child(const ast_exprs *list, uint32_t i)
{
    return i < list->n ? list->items[i] : NULL;
}

static ast_expr *case_child(const ast_expr *e, uint32_t i)
{
    if (i < 2 * e->u.cases.n) {
        const ast_when *w = &e->u.cases.whens[i / 2];
        return i % 2 == 0 ? w->condition : w->result;
    }
    return i == 2 * e->u.cases.n ? e->u.cases.otherwise : NULL;
}

ast_expr *ast_expr_child(const ast_expr *e, uint32_t i)
{
    switch (e->kind) {
    case AST_EXPR_NULL:
    case AST_EXPR_BOOLEAN:
    case AST_EXPR_INTEGER:
    case AST_EXPR_BIGINT:
    case AST_EXPR_DOUBLE:
    case AST_EXPR_DECIMAL:
    case AST_EXPR_STRING:
    case AST_EXPR_COLUMN:
    case AST_EXPR_LAMBDA_VAR:
    case AST_EXPR_UNIT: return NULL;
    case AST_EXPR_FIELD: return i == 0 ? e->u.field.base : NULL;
    case AST_EXPR_SUBSCRIPT: return i == 0 ? e->u.subscript.base : i == 1 ? e->u.subscript.index : NULL;
    case AST_EXPR_CALL: return list_child(&e->u.call.args, i);
    case AST_EXPR_LAMBDA: return i == 0 ? e->u.lambda.body : NULL;
    case AST_EXPR_CAST: return i == 0 ? e->u.cast.operand : NULL;
    case AST_EXPR_CASE: return case_child(e, i);
    case AST_EXPR_ARRAY: return list_child(&e->u.list, i);
    case AST_EXPR_MAP:
        if (i >= 2 * e->u.map.n) return NULL;
        return i % 2 == 0 ? e->u.map.entries[i / 2].key : e->u.map.entries[i / 2].value;
    case AST_EXPR_STRUCT: return i < e->u.structure.n ? e->u.structure.fields[i].value : NULL;
    case AST_EXPR_NEGATE:
    case AST_EXPR_PLUS:
    case AST_EXPR_NOT:
    case AST_EXPR_IS_NULL:
    case AST_EXPR_IS_NOT_NULL: return i == 0 ? e->u.operand : NULL;
    case AST_EXPR_ARITHMETIC:
    case AST_EXPR_COMPARE:
    case AST_EXPR_LOGIC: return i == 0 ? e->u.binary.left : i == 1 ? e->u.binary.right : NULL;
    case AST_EXPR_BETWEEN:
        return i == 0 ? e->u.between.operand : i == 1 ? e->u.between.low : i == 2 ? e->u.between.high : NULL;
    case AST_EXPR_IN: return i == 0 ? e->u.in.operand : list_child(&e->u.in.list, i - 1);
    case AST_EXPR_LIKE: return i == 0 ? e->u.like.operand : i == 1 ? e->u.like.pattern : NULL;
    }
    check_unreachable();
}

ast_expr *ast_expr_new(arena *a, ast_expr_kind kind, span at)
{
    ast_expr *e = ARENA_NEW(a, ast_expr);
    e->kind = kind;
    e->depth = 1;
    e->at = at;
    e->op_at = at;
    return e;
}

ast_expr *ast_expr_sealed(ast_expr *e)
{
    uint16_t deepest = 0;
    const ast_expr *child;
    for (uint32_t i = 0; (child = ast_expr_child(e, i)) != NULL; i++) {
        if (child->depth > deepest) deepest = child->depth;
    }
    e->depth = (uint16_t)(deepest + 1);
    return e;
}

/* ---- rewriting --------------------------------------------------------------------------------------------- */

typedef ast_expr *(*map_fn)(arena *a, ast_expr *child, void *arg);

static ast_exprs map_list(arena *a, const ast_exprs *list, map_fn fn, void *arg)
{
    ast_exprs out = {arena_alloc(a, list->n * sizeof *out.items), list->n};
    for (uint32_t i = 0; i < list->n; i++) out.items[i] = fn(a, list->items[i], arg);
    return out;
}

static void map_case(arena *a, ast_expr *e, map_fn fn, void *arg)
{
    ast_when *whens = arena_alloc(a, e->u.cases.n * sizeof *whens);
    for (uint32_t i = 0; i < e->u.cases.n; i++) {
        whens[i] = e->u.cases.whens[i];
        whens[i].condition = fn(a, whens[i].condition, arg);
        whens[i].result = fn(a, whens[i].result, arg);
    }
    e->u.cases.whens = whens;
    if (e->u.cases.otherwise != NULL) e->u.cases.otherwise = fn(a, e->u.cases.otherwise, arg);
}

static void map_entries(arena *a, ast_expr *e, map_fn fn, void *arg)
{
    ast_map_entry *entries = arena_alloc(a, e->u.map.n * sizeof *entries);
    for (uint32_t i = 0; i < e->u.map.n; i++) {
        entries[i].key = fn(a, e->u.map.entries[i].key, arg);
        entries[i].value = fn(a, e->u.map.entries[i].value, arg);
    }
    e->u.map.entries = entries;
}

static void map_fields(arena *a, ast_expr *e, map_fn fn, void *arg)
{
    ast_struct_field *fields = arena_alloc(a, e->u.structure.n * sizeof *fields);
    for (uint32_t i = 0; i < e->u.structure.n; i++) {
        fields[i] = e->u.structure.fields[i];
        fields[i].value = fn(a, fields[i].value, arg);
    }
    e->u.structure.fields = fields;
}

ast_expr *ast_expr_map(arena *a, const ast_expr *old, map_fn fn, void *arg)
{
    ast_expr *e = arena_alloc(a, sizeof *e);
    *e = *old;
    switch (e->kind) {
    case AST_EXPR_FIELD: e->u.field.base = fn(a, e->u.field.base, arg); break;
    case AST_EXPR_SUBSCRIPT:
        e->u.subscript.base = fn(a, e->u.subscript.base, arg);
        e->u.subscript.index = fn(a, e->u.subscript.index, arg);
        break;
    case AST_EXPR_CALL: e->u.call.args = map_list(a, &e->u.call.args, fn, arg); break;
    case AST_EXPR_LAMBDA: e->u.lambda.body = fn(a, e->u.lambda.body, arg); break;
    case AST_EXPR_CAST: e->u.cast.operand = fn(a, e->u.cast.operand, arg); break;
    case AST_EXPR_CASE: map_case(a, e, fn, arg); break;
    case AST_EXPR_ARRAY: e->u.list = map_list(a, &e->u.list, fn, arg); break;
    case AST_EXPR_MAP: map_entries(a, e, fn, arg); break;
    case AST_EXPR_STRUCT: map_fields(a, e, fn, arg); break;
    case AST_EXPR_NEGATE:
    case AST_EXPR_PLUS:
    case AST_EXPR_NOT:
    case AST_EXPR_IS_NULL:
    case AST_EXPR_IS_NOT_NULL: e->u.operand = fn(a, e->u.operand, arg); break;
    case AST_EXPR_ARITHMETIC:
    case AST_EXPR_COMPARE:
    case AST_EXPR_LOGIC:
        e->u.binary.left = fn(a, e->u.binary.left, arg);
        e->u.binary.right = fn(a, e->u.binary.right, arg);
        break;
    case AST_EXPR_BETWEEN:
        e->u.between.operand = fn(a, e->u.between.operand, arg);
        e->u.between.low = fn(a, e->u.between.low, arg);
        e->u.between.high = fn(a, e->u.between.high, arg);
        break;
    case AST_EXPR_IN:
        e->u.in.operand = fn(a, e->u.in.operand, arg);
        e->u.in.list = map_list(a, &e->u.in.list, fn, arg);
        break;
    case AST_EXPR_LIKE:
        e->u.like.operand = fn(a, e->u.like.operand, arg);
        e->u.like.pattern = fn(a, e->u.like.pattern, arg);
        break;
    default: break;
    }
    return ast_expr_sealed(e);
}

/* ---- walking ----------------------------------------------------------------------------------------------- */

bool ast_expr_walk(const ast_expr *e, ast_visitor visit, void *arg)
{
    if (e == NULL) return true;
    ast_visit next = visit(e, arg);
    if (next == AST_VISIT_STOP) return false;
    if (next == AST_VISIT_PRUNE) return true;
    const ast_expr *child;
    for (uint32_t i = 0; (child = ast_expr_child(e, i)) != NULL; i++) {
        if (!ast_expr_walk(child, visit, arg)) return false;
    }
    return true;
}

static bool walk_list(const ast_exprs *list, ast_visitor visit, void *arg)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (!ast_expr_walk(list->items[i], visit, arg)) return false;
    }
    return true;
}

bool ast_query_walk(const ast_query *q, ast_visitor visit, void *arg)
{
    for (uint32_t i = 0; i < q->items_n; i++) {
        if (!ast_expr_walk(q->items[i].expr, visit, arg)) return false;
    }
    for (uint32_t i = 0; i < q->joins_n; i++) {
        if (!ast_expr_walk(q->joins[i].on, visit, arg)) return false;
    }
    return ast_expr_walk(q->where, visit, arg) && walk_list(&q->group_by, visit, arg) &&
           walk_list(&q->partition_by, visit, arg) && ast_expr_walk(q->having, visit, arg);
}
