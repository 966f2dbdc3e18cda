#include "sql/ast_print.h"

#include "base/check.h"

/* ---- queries ----------------------------------------------------------------------------------------------- */

static void print_duration(buf *out, const char *before, ast_duration d)
{
    if (d.present) buf_printf(out, "%s%lld %s", before, (long long)d.value, ast_unit_name(d.unit));
}

static void print_item(buf *out, const ast_select_item *item)
{
    switch (item->kind) {
    case AST_ITEM_EXPR:
        ast_print_expr(item->expr, out);
        if (item->alias.text.p != NULL) {
            buf_add_char(out, ' ');
            ast_print_name(item->alias.text, out);
        }
        break;
    case AST_ITEM_STAR:
        if (item->source.text.p != NULL) {
            ast_print_name(item->source.text, out);
            buf_add_char(out, '.');
        }
        buf_add_char(out, '*');
        break;
    case AST_ITEM_STRUCT_STAR:
        ast_print_base(item->expr, out);
        buf_add_z(out, "->*");
        break;
    }
}

static void print_source(buf *out, const ast_source *s)
{
    ast_print_name(s->name.text, out);
    buf_add_char(out, ' ');
    ast_print_name(s->alias.text, out);
}

static void print_join(buf *out, const ast_join *j)
{
    static const char *const types[] = {
        [AST_JOIN_INNER] = "INNER",
        [AST_JOIN_LEFT] = "LEFT OUTER",
        [AST_JOIN_RIGHT] = "RIGHT OUTER",
        [AST_JOIN_OUTER] = "FULL OUTER",
    };
    buf_printf(out, "\n%s JOIN ", types[j->kind]);
    print_source(out, &j->right);
    if (j->before.present && j->before.value == j->after.value && j->before.unit == j->after.unit) {
        print_duration(out, " WITHIN ", j->before);
    } else if (j->before.present) {
        print_duration(out, " WITHIN (", j->before);
        print_duration(out, ", ", j->after);
        buf_add_char(out, ')');
    }
    print_duration(out, " GRACE PERIOD ", j->grace);
    buf_add_z(out, " ON (");
    ast_print_expr(j->on, out);
    buf_add_char(out, ')');
}

static void print_window(buf *out, const ast_window *w)
{
    switch (w->kind) {
    case AST_WINDOW_TUMBLING: print_duration(out, "\nWINDOW TUMBLING ( SIZE ", w->size); break;
    case AST_WINDOW_HOPPING:
        print_duration(out, "\nWINDOW HOPPING ( SIZE ", w->size);
        print_duration(out, " , ADVANCE BY ", w->advance);
        break;
    case AST_WINDOW_SESSION: print_duration(out, "\nWINDOW SESSION ( ", w->size); break;
    }
    print_duration(out, " , RETENTION ", w->retention);
    print_duration(out, " , GRACE PERIOD ", w->grace);
    buf_add_z(out, " )");
}

static void print_exprs(buf *out, const ast_exprs *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (i > 0) buf_add_z(out, ", ");
        ast_print_expr(list->items[i], out);
    }
}

static void print_grouping(buf *out, const char *words, const ast_exprs *list)
{
    buf_add_z(out, words);
    print_exprs(out, list);
    if (list->n == 0) buf_add_z(out, "()");
}

static void print_clause(buf *out, const char *words, const ast_expr *e)
{
    if (e == NULL) return;
    buf_add_z(out, words);
    ast_print_expr(e, out);
}

void ast_print_query(const ast_query *q, buf *out)
{
    buf_add_z(out, "SELECT");
    for (uint32_t i = 0; i < q->items_n; i++) {
        buf_add_z(out, q->items_n == 1 ? " " : i == 0 ? "\n  " : ",\n  ");
        print_item(out, &q->items[i]);
    }
    buf_add_z(out, "\nFROM ");
    print_source(out, &q->from);
    for (uint32_t i = 0; i < q->joins_n; i++) print_join(out, &q->joins[i]);
    if (q->window != NULL) print_window(out, q->window);
    print_clause(out, "\nWHERE ", q->where);
    if (q->grouped) print_grouping(out, "\nGROUP BY ", &q->group_by);
    if (q->partitioned) print_grouping(out, "\nPARTITION BY ", &q->partition_by);
    print_clause(out, "\nHAVING ", q->having);
    if (q->emit != AST_EMIT_NONE) buf_printf(out, "\nEMIT %s", q->emit == AST_EMIT_FINAL ? "FINAL" : "CHANGES");
    if (q->limited) buf_printf(out, "\nLIMIT %d", q->limit);
}

/* ---- parts of statements ----------------------------------------------------------------------------------- */

static void print_columns(buf *out, const ast_columns *columns)
{
    static const char *const roles[] = {
        [AST_COLUMN_VALUE] = "",           [AST_COLUMN_KEY] = " KEY",        [AST_COLUMN_PRIMARY_KEY] = " PRIMARY KEY",
        [AST_COLUMN_HEADERS] = " HEADERS", [AST_COLUMN_HEADER] = " HEADER(",
    };
    for (uint32_t i = 0; i < columns->n; i++) {
        const ast_column *c = &columns->items[i];
        buf_add_z(out, i == 0 ? " (" : ", ");
        ast_print_name(c->name.text, out);
        buf_add_char(out, ' ');
        ast_print_type(c->type, out);
        buf_add_z(out, roles[c->role]);
        if (c->role == AST_COLUMN_HEADER) {
            ast_print_string(c->header, out);
            buf_add_char(out, ')');
        }
    }
    if (columns->n > 0) buf_add_char(out, ')');
}

static void print_with(buf *out, const ast_properties *with)
{
    for (uint32_t i = 0; i < with->n; i++) {
        const ast_property *p = &with->items[i];
        buf_add_z(out, i == 0 ? " WITH (" : ", ");
        if (p->name.quote == '\'')
            ast_print_string(p->name.text, out);
        else
            ast_print_name(p->name.text, out);
        buf_add_char(out, '=');
        ast_print_expr(p->value, out);
    }
    if (with->n > 0) buf_add_char(out, ')');
}

static void print_names(buf *out, const ast_names *names)
{
    for (uint32_t i = 0; i < names->n; i++) {
        buf_add_z(out, i == 0 ? " (" : ", ");
        ast_print_name(names->items[i].text, out);
    }
    if (names->n > 0) buf_add_char(out, ')');
}

static void print_name_after(buf *out, const char *words, str name)
{
    buf_add_z(out, words);
    ast_print_name(name, out);
}

static void print_string_after(buf *out, const char *words, str s)
{
    buf_add_z(out, words);
    ast_print_string(s, out);
}

/* ---- statements -------------------------------------------------------------------------------------------- */

static void print_show(buf *out, const ast_stmt *s)
{
    buf_add_z(out, "SHOW ");
    if (s->kind == AST_STMT_LIST_TOPICS && s->u.show.all) buf_add_z(out, "ALL ");
    if (s->kind == AST_STMT_LIST_CONNECTORS && s->u.show.scope != AST_CONNECTOR_ANY) {
        buf_add_z(out, s->u.show.scope == AST_CONNECTOR_SOURCE ? "SOURCE " : "SINK ");
    }
    buf_add_z(out, ast_stmt_name(s->kind) + sizeof "SHOW " - 1);
    if (s->u.show.extended) buf_add_z(out, " EXTENDED");
}

static void print_describe(buf *out, const ast_stmt *s)
{
    buf_add_z(out, ast_stmt_name(s->kind));
    if (s->u.describe.name.text.p != NULL) print_name_after(out, " ", s->u.describe.name.text);
    if (s->u.describe.extended) buf_add_z(out, " EXTENDED");
}

static void print_print(buf *out, const ast_stmt *s)
{
    print_string_after(out, "PRINT ", s->u.print.topic);
    if (s->u.print.from_beginning) buf_add_z(out, " FROM BEGINNING");
    if (s->u.print.sampled) buf_printf(out, " INTERVAL %d", s->u.print.interval);
    if (s->u.print.limited) buf_printf(out, " LIMIT %d", s->u.print.limit);
}

static void print_explain(buf *out, const ast_stmt *s)
{
    if (s->u.explain.stmt == NULL) {
        print_name_after(out, "EXPLAIN ", s->u.explain.query_id.text);
        return;
    }
    buf_add_z(out, "EXPLAIN ");
    ast_print_stmt(s->u.explain.stmt, out);
}

static void print_query_ref(buf *out, const ast_stmt *s)
{
    buf_printf(out, "%s ", ast_stmt_name(s->kind));
    if (s->u.query_ref.all)
        buf_add_z(out, "ALL");
    else
        ast_print_name(s->u.query_ref.query_id.text, out);
}

static void print_property(buf *out, const ast_stmt *s)
{
    buf_printf(out, "%s ", ast_stmt_name(s->kind));
    bool variable = s->kind == AST_STMT_DEFINE || s->kind == AST_STMT_UNDEFINE;
    if (variable)
        buf_add_str(out, s->u.property.name);
    else
        ast_print_string(s->u.property.name, out);
    if (s->kind != AST_STMT_UNSET && s->kind != AST_STMT_UNDEFINE) print_string_after(out, "=", s->u.property.value);
}

static void print_create_words(buf *out, bool or_replace, const char *type, bool if_not_exists, str name)
{
    buf_printf(out, "CREATE %s%s %s", or_replace ? "OR REPLACE " : "", type, if_not_exists ? "IF NOT EXISTS " : "");
    ast_print_name(name, out);
}

static void print_create(buf *out, const ast_stmt *s)
{
    bool table = s->kind == AST_STMT_CREATE_TABLE || s->kind == AST_STMT_ASSERT_TABLE;
    if (s->kind == AST_STMT_ASSERT_STREAM || s->kind == AST_STMT_ASSERT_TABLE) {
        print_name_after(out, table ? "ASSERT TABLE " : "ASSERT STREAM ", s->u.create.name.text);
    } else {
        const char *type = table                   ? s->u.create.is_source ? "SOURCE TABLE" : "TABLE"
                           : s->u.create.is_source ? "SOURCE STREAM"
                                                   : "STREAM";
        print_create_words(out, s->u.create.or_replace, type, s->u.create.if_not_exists, s->u.create.name.text);
    }
    print_columns(out, &s->u.create.columns);
    print_with(out, &s->u.create.with);
}

static void print_create_as(buf *out, const ast_stmt *s)
{
    const char *type = s->kind == AST_STMT_CREATE_TABLE_AS ? "TABLE" : "STREAM";
    print_create_words(out, s->u.create_as.or_replace, type, s->u.create_as.if_not_exists, s->u.create_as.name.text);
    print_with(out, &s->u.create_as.with);
    buf_add_z(out, " AS ");
    ast_print_query(s->u.create_as.query, out);
}

static void print_insert(buf *out, const ast_stmt *s)
{
    if (s->kind == AST_STMT_INSERT_INTO) {
        print_name_after(out, "INSERT INTO ", s->u.insert_into.target.text);
        print_with(out, &s->u.insert_into.with);
        buf_add_char(out, ' ');
        ast_print_query(s->u.insert_into.query, out);
        return;
    }
    const char *words = s->kind == AST_STMT_INSERT_VALUES   ? "INSERT INTO "
                        : s->kind == AST_STMT_ASSERT_VALUES ? "ASSERT VALUES "
                                                            : "ASSERT NULL VALUES ";
    print_name_after(out, words, s->u.insert_values.target.text);
    print_names(out, &s->u.insert_values.columns);
    buf_add_z(out, s->kind == AST_STMT_ASSERT_NULL_VALUES ? " KEY (" : " VALUES (");
    print_exprs(out, &s->u.insert_values.values);
    buf_add_char(out, ')');
}

static void print_drop(buf *out, const ast_stmt *s)
{
    buf_printf(out, "%s ", ast_stmt_name(s->kind));
    print_name_after(out, s->u.drop.if_exists ? "IF EXISTS " : "", s->u.drop.name.text);
    if (s->u.drop.delete_topic) buf_add_z(out, " DELETE TOPIC");
}

static void print_definition(buf *out, const ast_stmt *s)
{
    if (s->kind == AST_STMT_CREATE_TYPE) {
        print_create_words(out, false, "TYPE", s->u.create_type.if_not_exists, s->u.create_type.name.text);
        buf_add_z(out, " AS ");
        ast_print_type(s->u.create_type.type, out);
        return;
    }
    const char *type = s->u.connector.kind == AST_CONNECTOR_SOURCE ? "SOURCE CONNECTOR" : "SINK CONNECTOR";
    print_create_words(out, false, type, s->u.connector.if_not_exists, s->u.connector.name.text);
    print_with(out, &s->u.connector.with);
}

static void print_alter(buf *out, const ast_stmt *s)
{
    buf_printf(out, "%s ", ast_stmt_name(s->kind));
    ast_print_name(s->u.alter.name.text, out);
    for (uint32_t i = 0; i < s->u.alter.add.n; i++) {
        const ast_column *c = &s->u.alter.add.items[i];
        print_name_after(out, i == 0 ? "\nADD COLUMN " : ",\nADD COLUMN ", c->name.text);
        buf_add_char(out, ' ');
        ast_print_type(c->type, out);
    }
}

static void print_assert(buf *out, const ast_stmt *s)
{
    if (s->kind == AST_STMT_ASSERT_TOPIC) {
        print_string_after(out, s->u.assert_topic.exists ? "ASSERT TOPIC " : "ASSERT NOT EXISTS TOPIC ",
                           s->u.assert_topic.topic);
        print_with(out, &s->u.assert_topic.with);
        print_duration(out, " TIMEOUT ", s->u.assert_topic.timeout);
        return;
    }
    buf_add_z(out, s->u.assert_schema.exists ? "ASSERT SCHEMA" : "ASSERT NOT EXISTS SCHEMA");
    if (s->u.assert_schema.subject.p != NULL) print_string_after(out, " SUBJECT ", s->u.assert_schema.subject);
    if (s->u.assert_schema.has_id) buf_printf(out, " ID %d", s->u.assert_schema.id);
    print_duration(out, " TIMEOUT ", s->u.assert_schema.timeout);
}

void ast_print_stmt(const ast_stmt *s, buf *out)
{
    switch (s->kind) {
    case AST_STMT_QUERY: ast_print_query(s->u.query, out); break;
    case AST_STMT_LIST_PROPERTIES:
    case AST_STMT_LIST_TOPICS:
    case AST_STMT_LIST_STREAMS:
    case AST_STMT_LIST_TABLES:
    case AST_STMT_LIST_FUNCTIONS:
    case AST_STMT_LIST_CONNECTORS:
    case AST_STMT_LIST_CONNECTOR_PLUGINS:
    case AST_STMT_LIST_TYPES:
    case AST_STMT_LIST_VARIABLES:
    case AST_STMT_LIST_QUERIES: print_show(out, s); break;
    case AST_STMT_DESCRIBE:
    case AST_STMT_DESCRIBE_STREAMS:
    case AST_STMT_DESCRIBE_TABLES:
    case AST_STMT_DESCRIBE_FUNCTION:
    case AST_STMT_DESCRIBE_CONNECTOR: print_describe(out, s); break;
    case AST_STMT_PRINT: print_print(out, s); break;
    case AST_STMT_EXPLAIN: print_explain(out, s); break;
    case AST_STMT_TERMINATE:
    case AST_STMT_PAUSE:
    case AST_STMT_RESUME: print_query_ref(out, s); break;
    case AST_STMT_SET:
    case AST_STMT_UNSET:
    case AST_STMT_ALTER_SYSTEM:
    case AST_STMT_DEFINE:
    case AST_STMT_UNDEFINE: print_property(out, s); break;
    case AST_STMT_CREATE_STREAM:
    case AST_STMT_CREATE_TABLE:
    case AST_STMT_ASSERT_STREAM:
    case AST_STMT_ASSERT_TABLE: print_create(out, s); break;
    case AST_STMT_CREATE_STREAM_AS:
    case AST_STMT_CREATE_TABLE_AS: print_create_as(out, s); break;
    case AST_STMT_INSERT_INTO:
    case AST_STMT_INSERT_VALUES:
    case AST_STMT_ASSERT_VALUES:
    case AST_STMT_ASSERT_NULL_VALUES: print_insert(out, s); break;
    case AST_STMT_DROP_STREAM:
    case AST_STMT_DROP_TABLE:
    case AST_STMT_DROP_CONNECTOR:
    case AST_STMT_DROP_TYPE: print_drop(out, s); break;
    case AST_STMT_CREATE_CONNECTOR:
    case AST_STMT_CREATE_TYPE: print_definition(out, s); break;
    case AST_STMT_ALTER_STREAM:
    case AST_STMT_ALTER_TABLE: print_alter(out, s); break;
    case AST_STMT_ASSERT_TOPIC:
    case AST_STMT_ASSERT_SCHEMA: print_assert(out, s); break;
    case AST_STMT_RUN_SCRIPT: print_string_after(out, "RUN SCRIPT ", s->u.script.path); break;
    }
}
