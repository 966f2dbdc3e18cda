#include "sql/build.h"

#include "base/map.h"

static bool fail_at(build *b, span at, diag_code code, const char *text)
{
    b->failed = true;
    return diag_at(b->d, at, code, "%s", text);
}

void build_limit(build *b, span at, const char *what, int most)
{
    b->failed = true;
    diag_at(b->d, at, DIAG_LIMIT, "The statement has more than %d %s", most, what);
}

ast_stmt *build_stmt(build *b, ast_stmt_kind kind, token first)
{
    ast_stmt *s = ARENA_NEW(b->a, ast_stmt);
    s->kind = kind;
    s->at = (span){first.start, b->last_end};
    return s;
}

/* ---- SHOW, DESCRIBE, PRINT, EXPLAIN, query ids ------------------------------------------------------------- */

ast_stmt *build_query_stmt(build *b, ast_query *q)
{
    ast_stmt *s = build_stmt(b, AST_STMT_QUERY, (token){.start = q->at.start});
    s->u.query = q;
    return s;
}

ast_stmt *build_show(build *b, ast_stmt_kind kind, token first, bool all, bool extended)
{
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.show.all = all;
    s->u.show.extended = extended;
    return s;
}

ast_stmt *build_show_connectors(build *b, token first, ast_connector_kind scope)
{
    ast_stmt *s = build_stmt(b, AST_STMT_LIST_CONNECTORS, first);
    s->u.show.scope = scope;
    return s;
}

ast_stmt *build_describe(build *b, ast_stmt_kind kind, token first, ast_name name, bool extended)
{
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.describe.name = name;
    s->u.describe.extended = extended;
    return s;
}

ast_stmt *build_print(build *b, token first, build_resource topic, bool from_beginning, build_count sample,
                      build_count limit)
{
    ast_stmt *s = build_stmt(b, AST_STMT_PRINT, first);
    s->u.print.topic = topic.text;
    s->u.print.topic_at = topic.at;
    s->u.print.from_beginning = from_beginning;
    s->u.print.sampled = sample.present;
    s->u.print.interval = sample.value;
    s->u.print.limited = limit.present;
    s->u.print.limit = limit.value;
    return s;
}

ast_stmt *build_explain_stmt(build *b, token first, ast_stmt *inner)
{
    ast_stmt *s = build_stmt(b, AST_STMT_EXPLAIN, first);
    s->u.explain.stmt = inner;
    return s;
}

ast_stmt *build_explain_query(build *b, token first, ast_name query_id)
{
    ast_stmt *s = build_stmt(b, AST_STMT_EXPLAIN, first);
    s->u.explain.query_id = query_id;
    return s;
}

ast_stmt *build_query_ref(build *b, ast_stmt_kind kind, token first, ast_name query_id)
{
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.query_ref.query_id = query_id;
    s->u.query_ref.all = query_id.text.p == NULL;
    return s;
}

/* ---- properties and variables ------------------------------------------------------------------------------ */

ast_stmt *build_property_stmt(build *b, ast_stmt_kind kind, token first, token name, token value)
{
    ast_stmt *s = build_stmt(b, kind, first);
    bool variable = kind == AST_STMT_DEFINE || kind == AST_STMT_UNDEFINE;
    s->u.property.name = variable ? token_text(b->source, name) : build_unquote(b, name);
    s->u.property.name_at = token_span(name);
    if (variable) {
        char c = s->u.property.name.p[0];
        bool bare = c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!bare) fail_at(b, token_span(name), DIAG_SYNTAX, "A variable's name begins with a letter or '_'");
    }
    if (kind == AST_STMT_UNSET || kind == AST_STMT_UNDEFINE) {
        s->u.property.value_at = NO_SPAN;
        return s;
    }
    s->u.property.value = build_unquote(b, value);
    s->u.property.value_at = token_span(value);
    return s;
}

/* ---- CREATE ------------------------------------------------------------------------------------------------ */

build_create *build_create_head(build *b, build_words words, bool table, bool if_not_exists, ast_name name)
{
    build_create *head = ARENA_NEW(b->a, build_create);
    *head = (build_create){words, table, if_not_exists, name};
    return head;
}

/* Streams have KEY columns, tables PRIMARY KEY columns; no name occurs twice. */
static void check_columns(build *b, bool table, const ast_columns *columns)
{
    static const char mark;
    map seen = {0};
    for (uint32_t i = 0; i < columns->n && !b->failed; i++) {
        const ast_column *c = &columns->items[i];
        if (map_put(&seen, c->name.text, (void *)&mark) != NULL) {
            b->failed = true;
            diag_at(b->d, c->name.at, DIAG_STATEMENT, "Duplicate column names: `%.*s`", STR_ARG(c->name.text));
        }
        if (c->role == (table ? AST_COLUMN_KEY : AST_COLUMN_PRIMARY_KEY)) {
            b->failed = true;
            diag_at(b->d, c->at, DIAG_STATEMENT, "Column `%.*s` is a '%s' column: please use '%s' for %s.",
                    STR_ARG(c->name.text), table ? "KEY" : "PRIMARY KEY", table ? "PRIMARY KEY" : "KEY",
                    table ? "tables" : "streams");
            diag_hint(b->d, "A table's PRIMARY KEY is unique and never NULL; a stream's KEY promises neither");
        }
    }
    map_free(&seen);
}

static ast_stmt *create_source(build *b, ast_stmt_kind kind, token first, bool table, ast_name name,
                               ast_columns columns, ast_properties with)
{
    check_columns(b, table, &columns);
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.create.name = name;
    s->u.create.columns = columns;
    s->u.create.with = with;
    return s;
}

ast_stmt *build_create_source(build *b, build_create *head, ast_columns columns, ast_properties with)
{
    ast_stmt_kind kind = head->table ? AST_STMT_CREATE_TABLE : AST_STMT_CREATE_STREAM;
    ast_stmt *s = create_source(b, kind, head->words.first, head->table, head->name, columns, with);
    s->u.create.or_replace = head->words.or_replace;
    s->u.create.if_not_exists = head->if_not_exists;
    s->u.create.is_source = head->words.is_source;
    return s;
}

/* A query that runs on emits changes unless it says FINAL. */
static void make_persistent(ast_query *q)
{
    if (q->emit == AST_EMIT_NONE) q->emit = AST_EMIT_CHANGES;
}

ast_stmt *build_create_as(build *b, build_create *head, ast_columns columns, ast_properties with, token as,
                          ast_query *query)
{
    const char *type = head->table ? "TABLE" : "STREAM";
    if (columns.n > 0) {
        fail_at(b, token_span(as), DIAG_SYNTAX, "Syntax Error\nA statement has either a column list or AS SELECT");
        diag_hint(b->d, "The SELECT says which columns the result has");
    }
    if (head->words.is_source) {
        fail_at(b, head->words.source_at, DIAG_SYNTAX, "Syntax Error\nSOURCE and AS SELECT exclude each other");
    }
    if (query->limited) {
        b->failed = true;
        diag_at(b->d, query->limit_at, DIAG_STATEMENT, "CREATE %s AS SELECT statements don't support LIMIT clause.",
                type);
    }
    make_persistent(query);
    ast_stmt *s = build_stmt(b, head->table ? AST_STMT_CREATE_TABLE_AS : AST_STMT_CREATE_STREAM_AS, head->words.first);
    s->u.create_as.name = head->name;
    s->u.create_as.or_replace = head->words.or_replace;
    s->u.create_as.if_not_exists = head->if_not_exists;
    s->u.create_as.with = with;
    s->u.create_as.query = query;
    return s;
}

ast_stmt *build_connector(build *b, token first, ast_connector_kind kind, bool if_not_exists, ast_name name,
                          ast_properties with)
{
    ast_stmt *s = build_stmt(b, AST_STMT_CREATE_CONNECTOR, first);
    s->u.connector.name = name;
    s->u.connector.kind = kind;
    s->u.connector.if_not_exists = if_not_exists;
    s->u.connector.with = with;
    return s;
}

ast_stmt *build_create_type(build *b, token first, bool if_not_exists, ast_name name, ast_type *type)
{
    ast_stmt *s = build_stmt(b, AST_STMT_CREATE_TYPE, first);
    s->u.create_type.name = name;
    s->u.create_type.if_not_exists = if_not_exists;
    s->u.create_type.type = type;
    return s;
}

/* ---- INSERT, DROP, ALTER ----------------------------------------------------------------------------------- */

ast_stmt *build_insert_into(build *b, token first, ast_name target, ast_properties with, ast_query *query)
{
    if (query->limited) {
        fail_at(b, query->limit_at, DIAG_STATEMENT, "INSERT INTO statements don't support LIMIT clause.");
    }
    make_persistent(query);
    ast_stmt *s = build_stmt(b, AST_STMT_INSERT_INTO, first);
    s->u.insert_into.target = target;
    s->u.insert_into.with = with;
    s->u.insert_into.query = query;
    return s;
}

ast_stmt *build_insert_values(build *b, ast_stmt_kind kind, token first, ast_name target, ast_names columns,
                              ast_exprs values)
{
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.insert_values.target = target;
    s->u.insert_values.columns = columns;
    s->u.insert_values.values = values;
    return s;
}

ast_stmt *build_drop(build *b, ast_stmt_kind kind, token first, bool if_exists, ast_name name, bool delete_topic)
{
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.drop.name = name;
    s->u.drop.if_exists = if_exists;
    s->u.drop.delete_topic = delete_topic;
    return s;
}

ast_stmt *build_alter(build *b, ast_stmt_kind kind, token first, ast_name name, ast_columns add)
{
    ast_stmt *s = build_stmt(b, kind, first);
    s->u.alter.name = name;
    s->u.alter.add = add;
    return s;
}

/* ---- ASSERT, RUN SCRIPT ------------------------------------------------------------------------------------ */

ast_stmt *build_assert_topic(build *b, token first, bool exists, build_resource topic, ast_properties with,
                             ast_duration timeout)
{
    ast_stmt *s = build_stmt(b, AST_STMT_ASSERT_TOPIC, first);
    s->u.assert_topic.topic = topic.text;
    s->u.assert_topic.topic_at = topic.at;
    s->u.assert_topic.exists = exists;
    s->u.assert_topic.with = with;
    s->u.assert_topic.timeout = timeout;
    return s;
}

ast_stmt *build_assert_schema(build *b, token first, bool exists, token word, build_resource subject, ast_expr *id,
                              ast_duration timeout)
{
    ast_stmt *s = build_stmt(b, AST_STMT_ASSERT_SCHEMA, first);
    if (subject.text.p == NULL && id == NULL) {
        fail_at(b, token_span(word), DIAG_STATEMENT, "ASSERT SCHEMA statements must include a subject name or an id");
    }
    if (id != NULL && id->kind != AST_EXPR_INTEGER && !b->take_variables) {
        fail_at(b, id->at, DIAG_STATEMENT, "ID must be an integer");
    }
    s->u.assert_schema.subject = subject.text;
    s->u.assert_schema.has_id = id != NULL;
    if (id != NULL && id->kind == AST_EXPR_INTEGER) s->u.assert_schema.id = (int32_t)id->u.integer;
    s->u.assert_schema.exists = exists;
    s->u.assert_schema.timeout = timeout;
    return s;
}

ast_stmt *build_test_source(build *b, ast_stmt_kind kind, token first, ast_name name, ast_columns columns,
                            ast_properties with)
{
    return create_source(b, kind, first, kind == AST_STMT_ASSERT_TABLE, name, columns, with);
}

ast_stmt *build_run_script(build *b, token first, token path)
{
    ast_stmt *s = build_stmt(b, AST_STMT_RUN_SCRIPT, first);
    s->u.script.path = build_unquote(b, path);
    return s;
}
