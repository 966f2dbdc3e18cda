/*
 * engine/op/result.c - keeps the result of a join of tables, so that it can be pulled: a join itself keeps only its
 * sides.
 */
#include "engine/op/keep.h"

typedef struct result {
    op base;
    table_store rows;
} result;

static bool result_push(op *o, int side, chunk *c)
{
    result *x = (result *)o;
    store_lock(x->rows.rows);
    bool ok = table_store_near_rows(&x->rows, c, o->env->error);
    for (uint32_t k = 0; ok && k < c->count; k++) table_store_apply(&x->rows, c, chunk_row(c, k), NULL);
    store_unlock(x->rows.rows);
    return ok && op_emit(o, c);
}

static bool result_view(const op *o, const void *state, uint32_t i, chunk *c, uint32_t row)
{
    return i == 0 && table_store_view(&((const result *)o)->rows, state, c, row);
}

static void result_close(op *o)
{
    result *x = (result *)o;
    if (x->rows.rows) table_store_close(&x->rows);
}

static const op_class result_class = {
    .name = "RESULT", .push = result_push, .view = result_view, .close = result_close};

op *result_open(op_env *env, const plan *p, op *next, int side)
{
    result *x = ARENA_NEW(env->life, result);
    op_init(&x->base, &result_class, env, p, next, side);
    return table_store_open(&x->rows, &x->base, "-Materialize", p->schema, NULL, true) ? &x->base : NULL;
}
