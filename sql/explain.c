/* The operator tree of a plan as text, from the sink down to the sources. */
#include "base/check.h"
#include "engine/func/registry.h"
#include "engine/query.h"
#include "sql/format_rules.h"
#include "sql/scope.h"
#include "sql/sql.h"

static const char *const ops[] = {"+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">="};

static void print_list(const expr *const *args, int n, const schema *s, buf *out)
{
    for (int i = 0; i < n; i++) {
        if (i) buf_add_z(out, ", ");
        sql_print_plan_expr(args[i], s, out);
    }
}

static void print_binary(const expr *e, const char *op, const schema *s, buf *out)
{
    buf_add_char(out, '(');
    sql_print_plan_expr(e->args[0], s, out);
    buf_printf(out, " %s ", op);
    sql_print_plan_expr(e->args[1], s, out);
    buf_add_char(out, ')');
}

static void print_constant(const expr *e, buf *out)
{
    if (e->constant.null) {
        buf_add_z(out, "NULL");
        return;
    }
    if (e->type->kind == TYPE_INTERVAL) {
        static const char *const units[] = {"MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"};
        buf_add_z(out, units[e->constant.i]);
        return;
    }
    bool quoted = !type_is_numeric(e->type) && e->type->kind != TYPE_BOOLEAN;
    if (quoted) buf_add_char(out, '\'');
    value_print(e->type, e->constant, out);
    if (quoted) buf_add_char(out, '\'');
}

static void print_case(const expr *e, const schema *s, buf *out)
{
    buf_add_z(out, "CASE");
    int i = 0;
    for (; i + 1 < e->arg_count; i += 2) {
        buf_add_z(out, " WHEN ");
        sql_print_plan_expr(e->args[i], s, out);
        buf_add_z(out, " THEN ");
        sql_print_plan_expr(e->args[i + 1], s, out);
    }
    if (i < e->arg_count) {
        buf_add_z(out, " ELSE ");
        sql_print_plan_expr(e->args[i], s, out);
    }
    buf_add_z(out, " END");
}

static void print_constructor(const expr *e, const schema *s, buf *out)
{
    buf_add_z(out, e->kind == EXPR_ARRAY ? "ARRAY[" : e->kind == EXPR_MAP ? "MAP(" : "STRUCT(");
    int step = e->kind == EXPR_MAP ? 2 : 1;
    for (int i = 0; i < e->arg_count; i += step) {
        if (i) buf_add_z(out, ", ");
        if (e->kind == EXPR_STRUCT) {
            schema_print_name(e->type->fields[i].name, out);
            buf_add_z(out, " := ");
        }
        sql_print_plan_expr(e->args[i], s, out);
        if (e->kind != EXPR_MAP) continue;
        buf_add_z(out, " := ");
        sql_print_plan_expr(e->args[i + 1], s, out);
    }
    buf_add_char(out, e->kind == EXPR_ARRAY ? ']' : ')');
}

static void print_suffix(const expr *e, const char *suffix, const schema *s, buf *out)
{
    buf_add_char(out, '(');
    sql_print_plan_expr(e->args[0], s, out);
    buf_printf(out, " %s)", suffix);
}

static void print_predicate(const expr *e, const schema *s, buf *out)
{
    const char *no = e->negated ? "NOT " : "";
    switch (e->kind) {
    case EXPR_IS_NULL: print_suffix(e, e->negated ? "IS NOT NULL" : "IS NULL", s, out); return;
    case EXPR_DISTINCT: print_binary(e, e->negated ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM", s, out); return;
    case EXPR_LIKE: print_binary(e, e->negated ? "NOT LIKE" : "LIKE", s, out); return;
    default: break;
    }
    buf_add_char(out, '(');
    sql_print_plan_expr(e->args[0], s, out);
    if (e->kind == EXPR_IN) {
        buf_printf(out, " %sIN (", no);
        print_list(e->args + 1, e->arg_count - 1, s, out);
        buf_add_z(out, "))");
        return;
    }
    buf_printf(out, " %sBETWEEN ", no);
    sql_print_plan_expr(e->args[1], s, out);
    buf_add_z(out, " AND ");
    sql_print_plan_expr(e->args[2], s, out);
    buf_add_char(out, ')');
}

void sql_print_plan_expr(const expr *e, const schema *s, buf *out)
{
    switch (e->kind) {
    case EXPR_CONST: print_constant(e, out); return;
    case EXPR_COLUMN: buf_add_str(out, s->columns[e->column].name); return;
    case EXPR_PSEUDO: buf_add_z(out, pseudo_name(e->pseudo)); return;
    case EXPR_LAMBDA_VAR: buf_printf(out, "%c%d", 'x' + e->lambda_depth % 3, e->variable + 1); return;
    case EXPR_CALL:
        buf_printf(out, "%.*s(", STR_ARG(e->func->group->name));
        print_list(e->args, e->arg_count, s, out);
        buf_add_char(out, ')');
        return;
    case EXPR_LAMBDA:
        buf_add_char(out, '(');
        for (int i = 0; i < e->param_count; i++)
            buf_printf(out, "%s%c%d", i ? ", " : "", 'x' + e->lambda_depth % 3, i + 1);
        buf_add_z(out, ") => ");
        sql_print_plan_expr(e->body, s, out);
        return;
    case EXPR_ARITH:
    case EXPR_COMPARE: print_binary(e, ops[e->op], s, out); return;
    case EXPR_CONCAT: print_binary(e, "+", s, out); return;
    case EXPR_AND: print_binary(e, "AND", s, out); return;
    case EXPR_OR: print_binary(e, "OR", s, out); return;
    case EXPR_NEGATE:
    case EXPR_NOT:
        buf_add_z(out, e->kind == EXPR_NOT ? "(NOT " : "(-");
        sql_print_plan_expr(e->args[0], s, out);
        buf_add_char(out, ')');
        return;
    case EXPR_IS_NULL:
    case EXPR_DISTINCT:
    case EXPR_LIKE:
    case EXPR_IN:
    case EXPR_BETWEEN: print_predicate(e, s, out); return;
    case EXPR_CASE: print_case(e, s, out); return;
    case EXPR_CAST:
        buf_add_z(out, "CAST(");
        sql_print_plan_expr(e->args[0], s, out);
        buf_add_z(out, " AS ");
        type_print(e->type, out);
        buf_add_char(out, ')');
        return;
    case EXPR_FIELD:
        sql_print_plan_expr(e->args[0], s, out);
        buf_printf(out, "->%.*s", STR_ARG(e->args[0]->type->fields[e->index].name));
        return;
    case EXPR_ELEMENT:
        sql_print_plan_expr(e->args[0], s, out);
        buf_add_char(out, '[');
        sql_print_plan_expr(e->args[1], s, out);
        buf_add_char(out, ']');
        return;
    case EXPR_ARRAY:
    case EXPR_MAP:
    case EXPR_STRUCT: print_constructor(e, s, out); return;
    }
    check_unreachable();
}

/* ---- steps ------------------------------------------------------------------------------------------------ */

static void print_window(const plan_window *w, buf *out)
{
    if (w->kind == WINDOW_NONE) return;
    buf_printf(out, " WINDOW %s (%lld ms",
               w->kind == WINDOW_TUMBLING  ? "TUMBLING"
               : w->kind == WINDOW_HOPPING ? "HOPPING"
                                           : "SESSION",
               (long long)w->size);
    if (w->kind == WINDOW_HOPPING) buf_printf(out, ", advance by %lld ms", (long long)w->advance);
    buf_printf(out, ", grace %lld ms, retention %lld ms)", (long long)w->grace, (long long)w->retention);
}

static void print_aggregate(const plan *p, buf *out)
{
    for (int i = 0; i < p->aggregate.call_count; i++) {
        const plan_agg_call *c = &p->aggregate.calls[i];
        buf_printf(out, "%s%.*s(", i ? ", " : " ", STR_ARG(c->func->group->name));
        print_list(c->args, c->arg_count, p->inputs[0]->schema, out);
        buf_printf(out, ") AS %.*s", STR_ARG(c->column));
    }
    print_window(&p->aggregate.window, out);
}

static void print_project(const plan *p, buf *out)
{
    const schema *s = p->inputs[0]->schema;
    for (int i = 0; i < p->project.count; i++) {
        str name = p->schema->columns[p->schema->key_count + i].name;
        const expr *e = p->project.exprs[i];
        buf_add_z(out, i ? ", " : " ");
        sql_print_plan_expr(e, s, out);
        if (e->kind != EXPR_COLUMN || !str_eq(s->columns[e->column].name, name))
            buf_printf(out, " AS %.*s", STR_ARG(name));
    }
}

static void print_sink(const plan *p, buf *out)
{
    if (p->sink.topic.n) {
        buf_printf(out, " %.*s (topic %.*s, key %s, value %s)", STR_ARG(p->sink.name), STR_ARG(p->sink.topic),
                   format_rules_of(p->sink.key_format.kind)->name, format_rules_of(p->sink.value_format.kind)->name);
    } else {
        buf_add_z(out, " to the client");
    }
    if (p->sink.limit >= 0) buf_printf(out, " LIMIT %lld", (long long)p->sink.limit);
}

static void print_details(const plan *p, buf *out)
{
    const schema *in = p->input_count ? p->inputs[0]->schema : NULL;
    switch (p->kind) {
    case PLAN_SOURCE:
        buf_printf(out, " %.*s (topic %.*s, key %s, value %s)", STR_ARG(p->source.name), STR_ARG(p->source.topic),
                   format_rules_of(p->source.key_format.kind)->name,
                   format_rules_of(p->source.value_format.kind)->name);
        return;
    case PLAN_FILTER:
        buf_add_char(out, ' ');
        sql_print_plan_expr(p->filter.predicate, in, out);
        return;
    case PLAN_PROJECT: print_project(p, out); return;
    case PLAN_EXPLODE:
        for (int i = 0; i < p->explode.count; i++) {
            buf_printf(out, "%s%.*s(", i ? ", " : " ", STR_ARG(p->explode.funcs[i]->group->name));
            sql_print_plan_expr(p->explode.args[i], in, out);
            buf_add_char(out, ')');
        }
        return;
    case PLAN_REKEY:
        buf_add_z(out, p->rekey.count ? " BY " : " BY NULL");
        print_list(p->rekey.keys, p->rekey.count, in, out);
        if (p->rekey.exchange)
            buf_printf(out, " (exchange over %d partition%s)", p->rekey.partitions,
                       p->rekey.partitions == 1 ? "" : "s");
        return;
    case PLAN_AGGREGATE: print_aggregate(p, out); return;
    case PLAN_JOIN:
        if (p->join.foreign_key) {
            buf_add_z(out, " ON ");
            sql_print_plan_expr(p->join.foreign_key, in, out);
        }
        return;
    case PLAN_SUPPRESS: return;
    case PLAN_SINK: print_sink(p, out); return;
    }
    check_unreachable();
}

static const char *step_name(const plan *p)
{
    static const char *const names[] = {
        [PLAN_SOURCE] = "SOURCE",       [PLAN_FILTER] = "FILTER",     [PLAN_PROJECT] = "PROJECT",
        [PLAN_EXPLODE] = "FLAT_MAP",    [PLAN_REKEY] = "REKEY",       [PLAN_JOIN] = "JOIN",
        [PLAN_AGGREGATE] = "AGGREGATE", [PLAN_SUPPRESS] = "SUPPRESS", [PLAN_SINK] = "SINK",
    };
    static const char *const joins[] = {"INNER JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL OUTER JOIN"};
    return p->kind == PLAN_JOIN ? joins[p->join.kind] : names[p->kind];
}

static void print_step(const plan *p, int depth, buf *out)
{
    for (int i = 0; i < depth; i++) buf_add_z(out, "  ");
    buf_printf(out, "> [ %s ] %.*s:", step_name(p), STR_ARG(p->context));
    print_details(p, out);
    buf_add_z(out, " | Schema: ");
    schema_print(p->schema, out);
    buf_add_char(out, '\n');
    for (int i = 0; i < p->input_count; i++) print_step(p->inputs[i], depth + 1, out);
}

void sql_print_plan(const plan *root, buf *out)
{
    print_step(root, 0, out);
}

void sql_print_pull(const planned_pull *p, buf *out)
{
    const schema *s = p->src->schema;
    const pull_request *r = p->request;
    buf_add_z(out, "> [ PROJECT ]: ");
    print_list(p->exprs, p->count, s, out);
    if (p->limit >= 0) buf_printf(out, " LIMIT %lld", (long long)p->limit);
    buf_add_z(out, "\n");
    if (p->filter) {
        buf_add_z(out, "  > [ FILTER ]: ");
        sql_print_plan_expr(p->filter, s, out);
        buf_add_z(out, "\n  ");
    }
    buf_add_z(out, "  > ");
    if (r->kind == PULL_KEYS)
        buf_printf(out, "[ KEY LOOKUP ] of %d key%s", r->key_count, r->key_count == 1 ? "" : "s");
    else
        buf_add_z(out, r->kind == PULL_RANGE ? "[ RANGE SCAN ]" : "[ TABLE SCAN ]");
    buf_printf(out, " in %.*s, kept by %.*s | Schema: ", STR_ARG(p->src->name), STR_ARG(p->query_id));
    schema_print(s, out);
    buf_add_char(out, '\n');
}
