/*
 * Calls of scalar functions: boxed row by row, or over vectors where the function has a loop of its own; and lambdas.
 */
#include <stdio.h>

#include "engine/expr/node.h"

/* What value.lambda of an argument points to while a call runs. */
typedef struct closure {
    run *r;
    const node *lambda;
    uint32_t row;
} closure;

/* A call site's constant parts. */
typedef struct call_site {
    closure *closures; /* by argument */
    uint8_t *primitive;
    bool lambdas;
} call_site;

/*
 * Runs the body for the row of the call with the parameters bound in that row of one-use vectors: columns and outer
 * parameters are read where they are. An error of the body fails the call.
 */
static bool apply_lambda(void *runner, const void *lambda, const value *args, int count, value *out)
{
    const closure *cl = lambda;
    run *r = cl->r;
    const expr *e = cl->lambda->e;
    check(count == e->param_count);
    reg saved[LAMBDA_PARAMS_MAX];
    for (int i = 0; i < count; i++) {
        saved[i] = r->vars[e->lambda_depth][i];
        reg_take(r, e->param_types[i], &r->vars[e->lambda_depth][i]);
        vec_set(&r->vars[e->lambda_depth][i].v, cl->row, args[i]);
    }
    uint64_t *outer = r->failed;
    uint32_t outer_failures = r->failures;
    r->failed = bits_take(r);
    r->failures = 0;
    uint16_t row = (uint16_t)cl->row;
    reg v;
    eval(r, cl->lambda->body, (sel){&row, 1}, &v);
    bool ok = r->failures == 0;
    if (ok) *out = vec_get(&v.v, row);
    reg_give(r, &v);
    bits_give(r, r->failed);
    r->failed = outer;
    r->failures = outer_failures;
    for (int i = 0; i < count; i++) {
        reg_give(r, &r->vars[e->lambda_depth][i]);
        r->vars[e->lambda_depth][i] = saved[i];
    }
    return ok;
}

static value argument(const node *n, const call_site *site, const reg *parts, int i, uint32_t row)
{
    if (n->args[i]->body) {
        site->closures[i].row = row;
        return (value){.lambda = &site->closures[i]};
    }
    if (n->args[i]->is_const) return n->args[i]->constant;
    return vec_get(&parts[i].v, row);
}

static void call_row(run *r, const node *n, const reg *parts, value *args, uint32_t row, reg *out)
{
    const call_site *site = n->data;
    func_call *c = n->call;
    bool null = false;
    for (int i = 0; i < n->arg_count; i++) {
        args[i] = argument(n, site, parts, i, row);
        if (!args[i].null) continue;
        if (site->primitive[i]) {
            char why[96];
            snprintf(why, sizeof why, "Can't coerce argument at index %d from null to a primitive type", i);
            fail_row(r, row, str_z(why));
            return;
        }
        null = true;
    }
    if (null && !c->f->sees_nulls) {
        vec_set_null(&out->v, row);
        return;
    }
    value result = value_null();
    c->failed_silently = false;
    if (c->f->row(c, args, n->arg_count, &result))
        vec_set(&out->v, row, result);
    else if (c->failed_silently)
        mark_failed(r, row);
    else
        fail_row(r, row, str_z(c->error));
}

/* Whether the call can run over vectors: no NULL in an argument, or NULLs that pass through. */
static bool call_vector(run *r, const node *n, const reg *parts, sel s, reg *out)
{
    const vec *args[8];
    if (!n->call->f->vector || n->arg_count > 8) return false;
    uint16_t *room = NULL;
    for (int i = 0; i < n->arg_count; i++) {
        if (n->args[i]->is_const) return false;
        args[i] = &parts[i].v;
        if (n->call->f->sees_nulls || !any_null(r, args[i])) continue;
        for (uint32_t k = 0; k < s.n; k++) {
            uint32_t row = sel_row(s, k);
            if (vec_is_null(args[i], row)) vec_set_null(&out->v, row);
        }
        if (!room) room = sel_take(r);
        s = (sel){room, drop_nulls(args[i], NULL, s, room)};
    }
    n->call->f->vector(args, &out->v, s.rows, s.n);
    if (room) sel_give(r, room);
    return true;
}

enum { FEW_ARGS = 8 };

static void run_call(run *r, const node *n, sel s, reg *out)
{
    uint32_t before = r->failures;
    uint16_t *room = sel_take(r);
    /* Inside a lambda this runs for each element: few arguments need no memory of the step. */
    reg few[FEW_ARGS] = {0}, *parts = few;
    value few_args[FEW_ARGS], *args = few_args;
    closure few_closures[FEW_ARGS];
    if (n->arg_count > FEW_ARGS) {
        parts = ARENA_ARRAY(r->in->mem, reg, (size_t)n->arg_count);
        args = ARENA_ARRAY(r->in->mem, value, (size_t)n->arg_count);
    }
    call_site *site = n->data;
    for (int i = 0; i < n->arg_count; i++) {
        if (n->args[i]->body || n->args[i]->is_const) continue;
        eval(r, n->args[i], s, &parts[i]);
        s = live_rows(r, s, before, room);
    }
    reg_take(r, n->type, out);
    func_call *c = n->call;
    c->mem = r->in->mem;
    c->env = r->env;
    c->apply = apply_lambda;
    if (!call_vector(r, n, parts, s, out)) {
        /* A lambda's body may run this very node again inside: each level has closures of its own. */
        closure *outer = site->closures;
        if (site->lambdas) {
            site->closures =
                n->arg_count > FEW_ARGS ? ARENA_ARRAY(r->in->mem, closure, (size_t)n->arg_count) : few_closures;
            for (int i = 0; i < n->arg_count; i++) site->closures[i] = (closure){.r = r, .lambda = n->args[i]};
        }
        for (uint32_t k = 0; k < s.n; k++) call_row(r, n, parts, args, sel_row(s, k), out);
        site->closures = outer;
    }
    for (int i = 0; i < n->arg_count; i++) reg_give(r, &parts[i]);
    sel_give(r, room);
}

bool compile_call(compiler *c, node *n)
{
    const func *f = n->e->func;
    check(f && f->row);
    const type **types = ARENA_ARRAY(c->mem, const type *, (size_t)n->arg_count);
    call_site *site = ARENA_NEW(c->mem, call_site);
    site->primitive = ARENA_ARRAY(c->mem, uint8_t, (size_t)n->arg_count);
    for (int i = 0; i < n->arg_count; i++) {
        types[i] = n->args[i]->type;
        site->lambdas |= n->args[i]->body != NULL;
        site->primitive[i] = func_param_of(f, i, n->arg_count)->primitive;
    }
    n->call = func_call_new(c->mem, f, n->type, types, n->arg_count);
    n->data = site;
    n->run = run_call;
    return true;
}
