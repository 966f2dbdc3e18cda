/* Function calls: overloads, implicit casts of arguments, lambdas, and the places where aggregates are not allowed. */
#include "base/check.h"
#include "engine/func/registry.h"
#include "sql/typeck.h"

enum { CALL_ARGS_MAX = 4096, LAMBDA_PARAMS_MAX = 16 };

/* A walk for the first call of a kind. */
typedef struct finder {
    func_kind kind;
    const ast_expr *found;
} finder;

static ast_visit visit_call(const ast_expr *e, void *arg)
{
    finder *f = arg;
    if (e->kind != AST_EXPR_CALL) return AST_VISIT_CONTINUE;
    const func_group *g = func_find(e->u.call.function.text);
    if (!g || g->kind != f->kind) return AST_VISIT_CONTINUE;
    f->found = e;
    return AST_VISIT_STOP;
}

static const ast_expr *find_kind(const ast_expr *e, func_kind kind)
{
    finder f = {.kind = kind};
    ast_expr_walk(e, visit_call, &f);
    return f.found;
}

const ast_expr *typeck_find_aggregate(const ast_expr *e)
{
    return find_kind(e, FUNC_AGGREGATE);
}

const ast_expr *typeck_find_table_function(const ast_expr *e)
{
    return find_kind(e, FUNC_TABLE);
}

/* DAY, HOUR, MINUTE and SECOND are legal names of columns; where there is no such column, they are units. */
static bool is_unit(typeck *t, const ast_expr *e, ast_unit *unit)
{
    if (e->kind != AST_EXPR_COLUMN || e->u.column.source.text.p || e->u.column.name.quote) return false;
    if (!ast_unit_of(e->u.column.name.text, unit)) return false;
    return !t->scope || !scope_find(t->scope, STR(""), e->u.column.name.text);
}

static bool check_argument(typeck *t, const ast_expr *e, expr **out)
{
    ast_unit unit;
    if (!is_unit(t, e, &unit)) return typeck_expr(t, e, out);
    *out = typeck_node(t, EXPR_CONST, type_simple(TYPE_INTERVAL), e->at);
    (*out)->constant = (value){.i = (int32_t)unit};
    return true;
}

static bool reuses_param(const typeck *t, str name)
{
    for (int i = 0; i < t->param_count; i++) {
        if (str_eq(t->params[i].name, name)) return true;
    }
    return false;
}

/* Checks the body of argument i, now that the types of its parameters are known. */
static bool check_lambda(typeck *t, const ast_expr *e, const func *f, func_arg *args, int count, int i, expr **out)
{
    int n = (int)e->u.lambda.params.n;
    const type *types[LAMBDA_PARAMS_MAX];
    if (!func_lambda_params(t->a, f, args, count, i, types, e->at, t->d)) return false;
    int before = t->param_count, depth = t->lambda_depth;
    if (before + n > (int)ARRAY_LEN(t->params))
        return diag_at(t->d, e->at, DIAG_LIMIT, "Lambdas are nested too deeply");
    for (int k = 0; k < n; k++) {
        const ast_name *p = &e->u.lambda.params.items[k];
        if (reuses_param(t, p->text)) {
            return diag_at(t->d, p->at, DIAG_STATEMENT,
                           "Reusing lambda arguments in nested lambda is not allowed: %.*s", STR_ARG(p->text));
        }
        if (t->scope && scope_find(t->scope, STR(""), p->text)) {
            return diag_at(t->d, p->at, DIAG_STATEMENT, "Lambda function argument can't be a column name: %.*s",
                           STR_ARG(p->text));
        }
        t->params[t->param_count++] = (typeck_param){arena_str(t->a, p->text), types[k], depth, k};
    }
    t->lambda_depth++;
    expr *body;
    bool ok = typeck_expr(t, e->u.lambda.body, &body);
    t->lambda_depth--;
    t->param_count = before;
    if (!ok) return false;
    args[i].lambda_result = body->type;
    *out = typeck_node(t, EXPR_LAMBDA, type_simple(TYPE_LAMBDA), e->at);
    (*out)->lambda_depth = depth;
    (*out)->param_count = n;
    const type **kept = ARENA_ARRAY(t->a, const type *, (size_t)n + 1);
    memcpy(kept, types, (size_t)n * sizeof *types);
    (*out)->param_types = kept;
    (*out)->body = body;
    return true;
}

static bool check_arguments(typeck *t, const ast_expr *e, expr **args, func_arg *types)
{
    for (uint32_t i = 0; i < e->u.call.args.n; i++) {
        const ast_expr *from = e->u.call.args.items[i];
        if (from->kind == AST_EXPR_LAMBDA) {
            if (from->u.lambda.params.n > LAMBDA_PARAMS_MAX)
                return diag_at(t->d, from->at, DIAG_LIMIT, "Too many parameters in a lambda");
            types[i] = (func_arg){.type = type_simple(TYPE_LAMBDA), .lambda_params = (int)from->u.lambda.params.n};
            continue;
        }
        if (!check_argument(t, from, &args[i])) return false;
        types[i] = (func_arg){.type = args[i]->type};
    }
    return true;
}

static bool check_scalar(typeck *t, const ast_expr *e, const func_group *g, expr **out)
{
    int n = (int)e->u.call.args.n;
    if (n > CALL_ARGS_MAX) return diag_at(t->d, e->at, DIAG_LIMIT, "A call has at most %d arguments", CALL_ARGS_MAX);
    if (e->u.call.star)
        return diag_at(t->d, e->at, DIAG_STATEMENT, "Only aggregate functions take *: %.*s(*)", STR_ARG(g->name));
    expr **args = ARENA_ARRAY(t->a, expr *, (size_t)n + 1);
    func_arg *types = ARENA_ARRAY(t->a, func_arg, (size_t)n + 1);
    if (!check_arguments(t, e, args, types)) return false;
    const func *f = func_resolve(g, types, n, e->at, t->d);
    if (!f) return false;
    for (int i = 0; i < n; i++) {
        const ast_expr *from = e->u.call.args.items[i];
        if (from->kind == AST_EXPR_LAMBDA && !check_lambda(t, from, f, types, n, i, &args[i])) return false;
    }
    const type *result = func_result_type(t->a, f, types, n, e->at, t->d);
    if (!result) return false;
    const expr **final = ARENA_ARRAY(t->a, const expr *, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const type *to = func_param_type(t->a, f, types, n, i);
        final[i] = to ? typeck_cast(t, args[i], to) : args[i];
    }
    *out = typeck_node_args(t, EXPR_CALL, result, e->at, final, n);
    (*out)->func = f;
    return true;
}

bool typeck_call(typeck *t, const ast_expr *e, expr **out)
{
    const func_group *g = func_get(e->u.call.function.text, e->u.call.function.at, t->d);
    if (!g) return false;
    if (g->kind == FUNC_AGGREGATE) {
        if (t->aggregate) return t->aggregate(t, e, out);
        return diag_at(t->d, e->at, DIAG_STATEMENT,
                       "%s does not support aggregate functions: %.*s is an aggregate function.", t->clause,
                       STR_ARG(g->name));
    }
    if (g->kind == FUNC_TABLE) {
        return diag_at(t->d, e->at, DIAG_STATEMENT, "%s does not support table functions: %.*s is a table function.",
                       t->clause, STR_ARG(g->name));
    }
    return check_scalar(t, e, g, out);
}
