/* Types of mini expressions: coercion, overloads, lambdas. */
#include <check.h>

#include "base/decimal.h"
#include "tests/support/engine/mini_int.h"

expr *mini_node(mini *m, expr_kind kind, const type *t, int n, const expr **args)
{
    expr *e = ARENA_NEW(m->mem, expr);
    e->kind = kind;
    e->type = t;
    e->arg_count = n;
    if (n) {
        const expr **copy = ARENA_ARRAY(m->mem, const expr *, (size_t)n);
        for (int i = 0; i < n; i++) copy[i] = args[i];
        e->args = copy;
    }
    return e;
}

const expr *mini_cast(mini *m, const expr *e, const type *t, bool implicit)
{
    if (type_eq(e->type, t)) return e;
    if (e->kind == EXPR_CONST && e->constant.null) {
        expr *n = mini_node(m, EXPR_CONST, t, 0, NULL);
        n->constant = value_null();
        return n;
    }
    expr *c = mini_node(m, EXPR_CAST, t, 1, &e);
    c->implicit = implicit;
    return c;
}

static decimal_type decimal_of(const type *t)
{
    if (t->kind == TYPE_INT) return DECIMAL_TYPE_INT;
    if (t->kind == TYPE_BIGINT) return DECIMAL_TYPE_BIGINT;
    return (decimal_type){t->precision, t->scale};
}

static int rank(const type *t)
{
    return t->kind == TYPE_INT ? 1 : t->kind == TYPE_BIGINT ? 2 : t->kind == TYPE_DECIMAL ? 3 : 4;
}

void mini_common(mini *m, const expr **a, const expr **b)
{
    const type *ta = (*a)->type, *tb = (*b)->type;
    if (ta->kind == TYPE_NULL) ta = tb;
    if (tb->kind == TYPE_NULL) tb = ta;
    if (type_is_numeric(ta) && type_is_numeric(tb)) {
        const type *top = rank(ta) >= rank(tb) ? ta : tb;
        for (int i = 0; i < 2; i++) {
            const expr **e = i ? b : a;
            const type *to = top;
            if (top->kind == TYPE_DECIMAL) {
                decimal_type d = decimal_of((*e)->type->kind == TYPE_NULL ? top : (*e)->type);
                to = type_decimal(m->mem, d.precision, d.scale);
            }
            *e = mini_cast(m, *e, to, true);
        }
        return;
    }
    if (ta->kind == TYPE_STRING && tb->kind != TYPE_STRING) ta = tb;
    *a = mini_cast(m, *a, ta, true);
    *b = mini_cast(m, *b, ta, true);
}

const expr *mini_arith(mini *m, expr_op op, const expr *a, const expr *b)
{
    const expr *args[2] = {a, b};
    if (a->type->kind == TYPE_STRING && op == OP_ADD) return mini_node(m, EXPR_CONCAT, a->type, 2, args);
    mini_common(m, &args[0], &args[1]);
    const type *t = args[0]->type;
    if (t->kind == TYPE_DECIMAL) {
        decimal_type x = decimal_of(t), y = decimal_of(args[1]->type);
        decimal_type r = op == OP_ADD   ? decimal_type_add(x, y)
                         : op == OP_SUB ? decimal_type_sub(x, y)
                         : op == OP_MUL ? decimal_type_mul(x, y)
                         : op == OP_DIV ? decimal_type_div(x, y)
                                        : decimal_type_mod(x, y);
        t = type_decimal(m->mem, r.precision, r.scale);
    }
    expr *e = mini_node(m, EXPR_ARITH, t, 2, args);
    e->op = op;
    return e;
}

const expr *mini_compare(mini *m, expr_op op, const expr *a, const expr *b)
{
    const expr *args[2] = {a, b};
    mini_common(m, &args[0], &args[1]);
    expr *e = mini_node(m, EXPR_COMPARE, type_simple(TYPE_BOOLEAN), 2, args);
    e->op = op;
    return e;
}

/* ---- calls ---- */

/* An argument before it is typed: where a lambda stands, its parameters and the start of its body. */
typedef struct raw_arg {
    const expr *e;
    mini_scope *lambda;
    const char *body;
} raw_arg;

static bool lambda_ahead(mini *m, raw_arg *out)
{
    const char *start = m->p;
    mini_scope s = {0};
    bool list = mini_eat(m, "(");
    do {
        str name = mini_name(m);
        if (name.n == 0 || s.count == 4) break;
        s.names[s.count++] = name;
    } while (list && mini_eat(m, ","));
    bool ok = s.count > 0 && (!list || mini_eat(m, ")")) && mini_eat(m, "=>");
    if (!ok) {
        m->p = start;
        return false;
    }
    s.outer = m->scope;
    s.depth = m->scope ? m->scope->depth + 1 : 0;
    out->lambda = ARENA_NEW(m->mem, mini_scope);
    *out->lambda = s;
    out->body = m->p;
    /* Skips the body: to the comma or parenthesis that ends the argument. */
    int depth = 0;
    for (; *m->p; m->p++) {
        if (*m->p == '\'') {
            for (m->p++; *m->p && *m->p != '\''; m->p++) {
            }
            continue;
        }
        if (*m->p == '(' || *m->p == '[') depth++;
        if ((*m->p == ')' || *m->p == ']') && depth-- == 0) break;
        if (*m->p == ',' && depth == 0) break;
    }
    return true;
}

static const expr *type_lambda(mini *m, const func *f, const func_arg *types, int n, int i, raw_arg *raw)
{
    if (!func_lambda_params(m->mem, f, types, n, i, raw->lambda->types, NO_SPAN, m->d)) return NULL;
    const char *after = m->p;
    mini_scope *outer = m->scope;
    m->p = raw->body;
    m->scope = raw->lambda;
    const expr *body = mini_expr(m);
    m->scope = outer;
    m->p = after;
    if (!body) return NULL;
    expr *e = mini_node(m, EXPR_LAMBDA, type_simple(TYPE_LAMBDA), 0, NULL);
    e->lambda_depth = raw->lambda->depth;
    e->param_count = raw->lambda->count;
    e->param_types = raw->lambda->types;
    e->body = body;
    return e;
}

const expr *mini_call(mini *m, str name)
{
    raw_arg raw[16] = {0};
    func_arg types[16];
    const expr *args[16];
    int n = 0;
    if (!mini_eat(m, ")")) {
        do {
            ck_assert_int_lt(n, 16);
            if (lambda_ahead(m, &raw[n])) {
                types[n] = (func_arg){type_simple(TYPE_LAMBDA), raw[n].lambda->count, NULL};
            } else {
                raw[n].e = mini_expr(m);
                if (!raw[n].e) return NULL;
                types[n] = (func_arg){.type = raw[n].e->type};
            }
            n++;
        } while (mini_eat(m, ","));
        mini_expect(m, ")");
    }
    const func_group *g = func_get(name, NO_SPAN, m->d);
    const func *f = g ? func_resolve(g, types, n, NO_SPAN, m->d) : NULL;
    for (int i = 0; f && i < n; i++) {
        if (!raw[i].lambda) continue;
        args[i] = type_lambda(m, f, types, n, i, &raw[i]);
        if (!args[i]) return NULL;
        types[i].lambda_result = args[i]->body->type;
    }
    const type *t = f ? func_result_type(m->mem, f, types, n, NO_SPAN, m->d) : NULL;
    if (!t) {
        m->failed = true;
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (raw[i].lambda) continue;
        const type *to = func_param_type(m->mem, f, types, n, i);
        args[i] = to ? mini_cast(m, raw[i].e, to, false) : raw[i].e;
    }
    expr *e = mini_node(m, EXPR_CALL, t, n, args);
    e->func = f;
    return e;
}
