/*
 * engine/op/explode.c - table functions in the SELECT list: one row in, as many out as the longest collection has
 * items.
 *
 * Several functions run in lockstep; the shorter ones are padded with NULL; without any item the row vanishes
 * (reference 3.12).
 */
#include "engine/func/call.h"
#include "engine/op/op.h"

typedef struct explode {
    op base;
    expr_program **args;
    func_call **calls;
    const nested **items; /* of the row at hand, one for each function */
} explode;

/* Calls the functions for a row; the length of the longest result. */
static uint32_t call_functions(explode *e, chunk *c, const vec *args, uint32_t row)
{
    const plan_explode *spec = &e->base.step->explode;
    uint32_t longest = 0;
    for (int i = 0; i < spec->count; i++) {
        func_call *call = e->calls[i];
        call->mem = c->mem;
        call->env = &e->base.env->func;
        value in = vec_get(&args[i], row), out = value_null();
        e->items[i] = NULL;
        if (!func_invoke(call, &in, 1, &out)) {
            if (!call->failed_silently) op_report(&e->base, PROCLOG_RECORD, c, row, str_z(call->error));
            continue;
        }
        if (out.null) continue;
        e->items[i] = out.nest;
        if (out.nest->n > longest) longest = out.nest->n;
    }
    return longest;
}

/* An empty chunk of the output with room for `rows` rows. */
static chunk *output(explode *e, const chunk *c, uint32_t rows)
{
    chunk *out = chunk_new(c->mem, e->base.step->schema, rows);
    out->headers = c->headers ? ARENA_ARRAY(c->mem, const headers *, rows) : NULL;
    return out;
}

static void put_row(explode *e, chunk *out, const chunk *c, uint32_t row, uint32_t item)
{
    const plan_explode *spec = &e->base.step->explode;
    uint32_t r = out->rows++;
    out->count = out->rows;
    out->flags[r] = c->flags[row];
    out->rowtime[r] = c->rowtime[row];
    out->partition[r] = c->partition[row];
    out->offset[r] = c->offset[row];
    if (out->window_start) {
        out->window_start[r] = c->window_start[row];
        out->window_end[r] = c->window_end[row];
    }
    if (out->headers) out->headers[r] = c->headers[row];
    int n = c->schema->count;
    for (int i = 0; i < n; i++) vec_set(&out->cols[i], r, vec_get(&c->cols[i], row));
    for (int i = 0; i < spec->count; i++) {
        const nested *list = e->items[i];
        vec_set(&out->cols[n + i], r, list && item < list->n ? list->items[item] : value_null());
    }
}

static bool explode_push(op *o, int side, chunk *c)
{
    explode *e = (explode *)o;
    const plan_explode *spec = &o->step->explode;
    op_rows rows = {.o = o, .c = c};
    expr_input in = {.chunk = c, .mem = c->mem, .env = &o->env->func, .errors = op_expr_errors(&rows)};
    uint16_t *sel = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        sel[n] = (uint16_t)chunk_row(c, k);
        n += (c->flags[sel[n]] & ROW_VALUE_NULL) == 0;
    }
    if (n == 0) return true;
    vec *args = ARENA_ARRAY(c->mem, vec, (size_t)spec->count + 1);
    for (int i = 0; i < spec->count; i++) expr_run(e->args[i], &in, sel, n, &args[i]);
    uint32_t most = chunk_rows_max();
    chunk *out = NULL;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t longest = call_functions(e, c, args, sel[k]);
        if (longest == 0) continue;
        for (uint32_t i = 0; i < longest; i++) {
            if (!out) out = output(e, c, most);
            put_row(e, out, c, sel[k], i);
            if (out->rows < most) continue;
            chunk *full = out;
            out = NULL;
            if (!op_emit(o, full)) return false;
        }
    }
    return !out || op_emit(o, out);
}

static const op_class explode_class = {.name = "EXPLODE", .push = explode_push};

op *explode_open(op_env *env, const plan *p, op *next, int side)
{
    explode *e = ARENA_NEW(env->life, explode);
    op_init(&e->base, &explode_class, env, p, next, side);
    size_t n = (size_t)p->explode.count + 1;
    e->args = ARENA_ARRAY(env->life, expr_program *, n);
    e->calls = ARENA_ARRAY(env->life, func_call *, n);
    e->items = ARENA_ARRAY(env->life, const nested *, n);
    int first = p->schema->count - p->explode.count;
    for (int i = 0; i < p->explode.count; i++) {
        e->args[i] = expr_compile(env->life, p->explode.args[i], &env->expr, env->error);
        if (!e->args[i]) return NULL;
        const type **types = ARENA_ARRAY(env->life, const type *, 1);
        types[0] = p->explode.args[i]->type;
        const type *rows = type_array(env->life, p->schema->columns[first + i].type);
        e->calls[i] = func_call_new(env->life, p->explode.funcs[i], rows, types, 1);
    }
    return &e->base;
}
