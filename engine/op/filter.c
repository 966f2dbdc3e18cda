/*
 * engine/op/filter.c - WHERE and HAVING.
 *
 * A stream's row stays or goes. A table's change is judged on both sides: a row that leaves the predicate becomes a
 * deletion, one that never passed vanishes (reference A1, A3, B5).
 */
#include "engine/op/op.h"

typedef struct filter {
    op base;
    expr_program *predicate;
    bool old_known; /* an old side that is absent means that there was no row */
} filter;

/* Selected rows whose given side exists, in place of those that lack it. */
static uint32_t rows_with(const chunk *c, uint8_t absent, uint16_t *out)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        out[n] = (uint16_t)row;
        n += (c->flags[row] & absent) == 0;
    }
    return n;
}

static bool filter_stream(filter *f, chunk *c)
{
    op_rows rows = {&f->base, c, STR("the predicate")};
    expr_input in = {.chunk = c, .mem = c->mem, .env = &f->base.env->func, .errors = op_expr_errors(&rows)};
    uint16_t *sel = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    uint32_t n = rows_with(c, ROW_VALUE_NULL, sel);
    c->count = expr_filter(f->predicate, &in, sel, n, sel);
    c->sel = sel;
    return op_emit(&f->base, c);
}

static bool filter_table(filter *f, chunk *c)
{
    op_rows rows = {&f->base, c, STR("the predicate")};
    expr_input in = {.chunk = c, .mem = c->mem, .env = &f->base.env->func, .errors = op_expr_errors(&rows)};
    uint16_t *sel = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    uint8_t *pass = arena_zalloc(c->mem, c->rows + 1u); /* 1: new side passes, 2: old side passes */

    uint32_t n = rows_with(c, ROW_VALUE_NULL, sel);
    n = expr_filter(f->predicate, &in, sel, n, sel);
    for (uint32_t i = 0; i < n; i++) pass[sel[i]] |= 1;

    /* The old side was judged, and its errors reported, when it was new. */
    in.old = true;
    in.errors = (expr_errors){0};
    n = rows_with(c, ROW_OLD_NULL, sel);
    n = expr_filter(f->predicate, &in, sel, n, sel);
    for (uint32_t i = 0; i < n; i++) pass[sel[i]] |= 2;

    n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        /*
         * Where nothing upstream keeps the rows, an earlier row may have passed: then a tombstone too many does no
         * harm, and one too few would leave a row behind.
         */
        bool unknown = !f->old_known && (c->flags[row] & ROW_OLD_NULL);
        if (pass[row] == 0 && !unknown) continue;
        if (!(pass[row] & 1)) c->flags[row] |= ROW_VALUE_NULL;
        if (!(pass[row] & 2)) c->flags[row] |= ROW_OLD_NULL;
        sel[n++] = (uint16_t)row;
    }
    c->sel = sel;
    c->count = n;
    return op_emit(&f->base, c);
}

static bool filter_push(op *o, int side, chunk *c)
{
    filter *f = (filter *)o;
    return c->schema->is_table ? filter_table(f, c) : filter_stream(f, c);
}

/* Does a step upstream know the row that a change replaces? */
static bool keeps_rows(const plan *p)
{
    for (; p->input_count > 0; p = p->inputs[0]) {
        if (p->kind == PLAN_AGGREGATE || p->kind == PLAN_JOIN) return true;
    }
    return p->source.materialize;
}

static const op_class filter_class = {.name = "FILTER", .push = filter_push};

op *filter_open(op_env *env, const plan *p, op *next, int side)
{
    filter *f = ARENA_NEW(env->life, filter);
    op_init(&f->base, &filter_class, env, p, next, side);
    f->predicate = expr_compile(env->life, p->filter.predicate, &env->expr, env->error);
    f->old_known = keeps_rows(p->inputs[0]);
    return f->predicate ? &f->base : NULL;
}
