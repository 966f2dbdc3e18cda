/* From typed trees to nodes: columns, constants, scopes; the other kinds are compiled beside their kernels. */
#include "engine/expr/node.h"

/* ---- leaves ---- */

static void fill_const(const value *x, vec *v, sel s)
{
    if (!s.rows && !x->null && v->type->kind == TYPE_BIGINT) {
        for (uint32_t i = 0; i < s.n; i++) v->l[i] = x->l;
        return;
    }
    for (uint32_t k = 0; k < s.n; k++) vec_set(v, sel_row(s, k), *x);
}

static void run_const(run *r, const node *n, sel s, reg *out)
{
    reg_take(r, n->type, out);
    fill_const(&n->constant, &out->v, s);
}

static void run_column(run *r, const node *n, sel s, reg *out)
{
    const chunk *c = r->in->chunk;
    int at = n->e->column;
    bool old = r->in->old && c->old && at >= c->schema->key_count;
    *out = (reg){.v = old ? c->old[at] : c->cols[at]};
}

static void run_pseudo(run *r, const node *n, sel s, reg *out)
{
    const chunk *c = r->in->chunk;
    void *data = NULL;
    switch (n->e->pseudo) {
    case PSEUDO_ROWTIME: data = c->rowtime; break;
    case PSEUDO_ROWPARTITION: data = c->partition; break;
    case PSEUDO_ROWOFFSET: data = c->offset; break;
    case PSEUDO_WINDOWSTART: data = c->window_start; break;
    case PSEUDO_WINDOWEND: data = c->window_end; break;
    }
    check(data);
    /* Nobody writes a vector that it does not own. */
    if (!r->no_nulls) r->no_nulls = bits_take(r);
    *out = (reg){.v = {.type = n->type, .nulls = (uint64_t *)(uintptr_t)r->no_nulls, .data = data}};
}

static void run_lambda_var(run *r, const node *n, sel s, reg *out)
{
    *out = (reg){.v = r->vars[n->e->lambda_depth][n->e->variable].v};
}

/* A lambda itself has no vector: its call site runs the body. */
static void run_lambda(run *r, const node *n, sel s, reg *out)
{
    check_unreachable();
}

static bool compile_leaf(compiler *c, node *n)
{
    const expr *e = n->e;
    switch (e->kind) {
    case EXPR_CONST:
        n->run = run_const;
        n->is_const = true;
        n->constant = e->constant;
        return true;
    case EXPR_COLUMN: n->run = run_column; return true;
    case EXPR_PSEUDO: n->run = run_pseudo; return true;
    case EXPR_LAMBDA_VAR:
        check(e->lambda_depth < LAMBDA_DEPTH_MAX && e->variable < LAMBDA_PARAMS_MAX);
        n->run = run_lambda_var;
        return true;
    default:
        if (e->lambda_depth >= LAMBDA_DEPTH_MAX || e->param_count > LAMBDA_PARAMS_MAX)
            return diag_at(c->d, e->at, DIAG_LIMIT, "Lambdas are nested too deeply or have too many parameters.");
        n->run = run_lambda;
        n->body = compile_node(c, e->body);
        return n->body != NULL;
    }
}

/* ---- nodes ---- */

/* Which children of a node have error scopes of their own (engine/expr.h says why). */
static bool child_is_scope(const compiler *c, const expr *parent, const expr *child)
{
    if (c->options.nested_error_throws) return false;
    switch (parent->kind) {
    case EXPR_ARRAY:
    case EXPR_MAP:
    case EXPR_STRUCT: return true;
    case EXPR_CALL: return child->kind == EXPR_CALL || child->kind == EXPR_FIELD;
    default: return false;
    }
}

static bool compile_args(compiler *c, node *n)
{
    const expr *e = n->e;
    n->arg_count = e->arg_count;
    n->args = ARENA_ARRAY(c->mem, const node *, (size_t)e->arg_count);
    for (int i = 0; i < e->arg_count; i++) {
        const node *arg = compile_node(c, e->args[i]);
        if (!arg) return false;
        if (child_is_scope(c, e, e->args[i]) && !arg->is_const) {
            node *scoped = ARENA_NEW(c->mem, node);
            *scoped = *arg;
            scoped->scope = true;
            arg = scoped;
        }
        n->args[i] = arg;
    }
    return true;
}

static bool compile_kind(compiler *c, node *n)
{
    switch (n->e->kind) {
    case EXPR_CONST:
    case EXPR_COLUMN:
    case EXPR_PSEUDO:
    case EXPR_LAMBDA_VAR:
    case EXPR_LAMBDA: return compile_leaf(c, n);
    case EXPR_CALL: return compile_call(c, n);
    case EXPR_ARITH:
    case EXPR_NEGATE:
    case EXPR_CONCAT: return compile_arith(c, n);
    case EXPR_COMPARE:
    case EXPR_DISTINCT:
    case EXPR_BETWEEN: return compile_compare(c, n);
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_NOT:
    case EXPR_IS_NULL: return compile_predicate(c, n);
    case EXPR_IN: return compile_in(c, n);
    case EXPR_LIKE: return compile_like(c, n);
    case EXPR_CASE: return compile_case(c, n);
    case EXPR_CAST: return compile_cast(c, n);
    case EXPR_FIELD:
    case EXPR_ELEMENT:
    case EXPR_ARRAY:
    case EXPR_MAP:
    case EXPR_STRUCT: return compile_construct(c, n);
    }
    check_unreachable();
}

enum { COMPILE_DEPTH_MAX = 500 };

static bool eval_constant(arena *a, const expr *e, const expr_options *o, func_env *env, value *out, diag *d);

/*
 * Casts, arithmetic and constructors of constants become constants, so that kernels see them. Not calls: they may
 * depend on the zone. What fails stays: it must fail for each row.
 */
static bool folds(const compiler *c, const expr *e)
{
    bool kind = e->kind == EXPR_CAST || e->kind == EXPR_ARITH || e->kind == EXPR_NEGATE || e->kind == EXPR_ARRAY ||
                e->kind == EXPR_STRUCT || e->kind == EXPR_MAP;
    return c->fold && kind && e->arg_count > 0;
}

static bool fold(compiler *c, node *n)
{
    for (int i = 0; i < n->arg_count; i++) {
        if (!n->args[i]->is_const) return false;
    }
    diag ignored = {0};
    value v;
    if (!eval_constant(c->mem, n->e, &c->options, NULL, &v, &ignored)) return false;
    *n = (node){.e = n->e, .type = n->type, .run = run_const, .is_const = true, .constant = v};
    return true;
}

const node *compile_node(compiler *c, const expr *e)
{
    node *n = ARENA_NEW(c->mem, node);
    n->e = e;
    n->type = e->type;
    if (e->kind != EXPR_LAMBDA && !compile_args(c, n)) return NULL;
    if (!compile_kind(c, n)) return NULL;
    if (n->filter && !n->run) n->run = run_predicate;
    if (folds(c, e)) fold(c, n);
    return n;
}

static int depth_of(const expr *e, int limit)
{
    if (limit == 0) return 1;
    int deepest = e->body ? depth_of(e->body, limit - 1) : 0;
    for (int i = 0; i < e->arg_count; i++) {
        int depth = depth_of(e->args[i], limit - 1);
        if (depth > deepest) deepest = depth;
    }
    return deepest + 1;
}

static expr_program *compile(arena *a, const expr *e, const expr_options *o, bool with_fold, diag *d)
{
    /* Evaluation recurses: the parser's limit is lower, plans from elsewhere get this one. */
    if (depth_of(e, COMPILE_DEPTH_MAX) > COMPILE_DEPTH_MAX) {
        diag_at(d, e->at, DIAG_LIMIT, "The expression is nested too deeply.");
        return NULL;
    }
    expr_program *p = ARENA_NEW(a, expr_program);
    if (o) p->options = *o;
    p->type = e->type;
    rng_seed(&p->env.random, 1);
    compiler c = {.mem = a, .options = p->options, .program = p, .fold = with_fold, .d = d};
    p->root = compile_node(&c, e);
    return p->root ? p : NULL;
}

expr_program *expr_compile(arena *a, const expr *e, const expr_options *o, diag *d)
{
    return compile(a, e, o, true, d);
}

/* ---- questions about trees ---- */

void expr_columns(const expr *e, bool *needed)
{
    if (e->kind == EXPR_COLUMN) needed[e->column] = true;
    for (int i = 0; i < e->arg_count; i++) expr_columns(e->args[i], needed);
    if (e->body) expr_columns(e->body, needed);
}

bool expr_is_constant(const expr *e)
{
    if (e->kind == EXPR_COLUMN || e->kind == EXPR_PSEUDO) return false;
    if (e->kind == EXPR_CALL && e->func->is_volatile) return false;
    for (int i = 0; i < e->arg_count; i++) {
        if (!expr_is_constant(e->args[i])) return false;
    }
    return !e->body || expr_is_constant(e->body);
}

typedef struct first_error {
    bool any; /* an inner scope may have caught it */
    diag *d;
} first_error;

static void keep_error(void *ctx, uint32_t row, str why)
{
    first_error *f = ctx;
    f->any = true;
    diag_set(f->d, DIAG_INVALID, "%.*s", STR_ARG(why));
}

static bool evaluate(arena *a, const expr *e, const expr_options *o, func_env *env, bool strict, value *out, diag *d)
{
    arena *scratch = arena_new();
    expr_program *p = compile(scratch, e, o, false, d);
    diag why = {0};
    bool ok = p != NULL;
    if (p) {
        first_error error = {.d = &why};
        expr_input in = {.mem = scratch, .env = env, .errors = {keep_error, &error}};
        value v = expr_run_row(p, &in, 0);
        ok = p->run.failures == 0 && !(strict && error.any);
        if (ok)
            *out = value_copy(a, e->type, v);
        else
            diag_at(d, e->at, DIAG_INVALID, "%s", why.text);
    }
    arena_free(scratch);
    return ok;
}

bool expr_eval_const(arena *a, const expr *e, const expr_options *o, func_env *env, value *out, diag *d)
{
    return evaluate(a, e, o, env, false, out, d);
}

/* Without any error, not even one that an inner scope catches: that would be reported for each row. */
static bool eval_constant(arena *a, const expr *e, const expr_options *o, func_env *env, value *out, diag *d)
{
    return evaluate(a, e, o, env, true, out, d);
}
