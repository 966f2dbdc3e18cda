/* SHOW, LIST and DESCRIBE: what exists, as typed results. */
#include "base/check.h"
#include "sql/exec.h"

static void list_sources(execution *x, bool tables, bool extended, sql_result_kind kind)
{
    sql_result *r = &x->out->result;
    const source **found = ARENA_ARRAY(x->a, const source *, (size_t)x->before->source_count + 1);
    for (int i = 0; i < x->before->source_count; i++) {
        if (x->before->sources[i]->schema->is_table == tables) found[r->source_count++] = x->before->sources[i];
    }
    r->kind = kind;
    r->sources = found;
    r->tables = tables;
    r->extended = extended;
}

static bool describe(execution *x)
{
    const ast_name *name = &x->stmt->u.describe.name;
    sql_result *r = &x->out->result;
    const source *s = catalog_source(x->before, name->text);
    if (!s) {
        diag_at(x->d, name->at, DIAG_NOT_FOUND, "Could not find STREAM/TABLE '%.*s' in the Metastore",
                STR_ARG(name->text));
        const source *near = catalog_similar_source(x->before, name->text);
        return near ? diag_hint(x->d, "Did you mean %.*s?", STR_ARG(near->name)) : false;
    }
    const source **one = ARENA_ARRAY(x->a, const source *, 1);
    one[0] = s;
    r->kind = RESULT_DESCRIPTIONS;
    r->sources = one;
    r->source_count = 1;
    r->extended = x->stmt->u.describe.extended;
    r->name = s->name;
    return true;
}

static bool describe_function(execution *x)
{
    const ast_name *name = &x->stmt->u.describe.name;
    const func_group **one = ARENA_ARRAY(x->a, const func_group *, 1);
    one[0] = func_get(name->text, name->at, x->d);
    if (!one[0]) return false;
    x->out->result.kind = RESULT_FUNCTION;
    x->out->result.functions = one;
    x->out->result.function_count = 1;
    return true;
}

bool exec_show(execution *x)
{
    const ast_stmt *s = x->stmt;
    sql_result *r = &x->out->result;
    switch (s->kind) {
    case AST_STMT_LIST_STREAMS:
        list_sources(x, false, s->u.show.extended, s->u.show.extended ? RESULT_DESCRIPTIONS : RESULT_SOURCES);
        return true;
    case AST_STMT_LIST_TABLES:
        list_sources(x, true, s->u.show.extended, s->u.show.extended ? RESULT_DESCRIPTIONS : RESULT_SOURCES);
        return true;
    case AST_STMT_DESCRIBE_STREAMS: list_sources(x, false, s->u.describe.extended, RESULT_DESCRIPTIONS); return true;
    case AST_STMT_DESCRIBE_TABLES: list_sources(x, true, s->u.describe.extended, RESULT_DESCRIPTIONS); return true;
    case AST_STMT_DESCRIBE: return describe(x);
    case AST_STMT_DESCRIBE_FUNCTION: return describe_function(x);
    case AST_STMT_LIST_QUERIES:
        r->kind = RESULT_QUERIES;
        r->queries = x->before->queries;
        r->query_count = x->before->query_count;
        r->extended = s->u.show.extended;
        return true;
    case AST_STMT_LIST_TYPES:
        r->kind = RESULT_TYPES;
        r->types = x->before->types;
        r->type_count = x->before->type_count;
        return true;
    case AST_STMT_LIST_FUNCTIONS:
        r->kind = RESULT_FUNCTIONS;
        r->functions = func_list(&r->function_count);
        return true;
    case AST_STMT_LIST_TOPICS:
        r->kind = RESULT_TOPICS;
        r->all = s->u.show.all;
        r->extended = s->u.show.extended;
        return true;
    case AST_STMT_LIST_PROPERTIES: r->kind = RESULT_PROPERTIES; return true;
    case AST_STMT_LIST_VARIABLES: r->kind = RESULT_VARIABLES; return true;
    default: check_unreachable();
    }
}
