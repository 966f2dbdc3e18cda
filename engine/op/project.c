/*
 * engine/op/project.c - SELECT: value columns from expressions, key columns as they are.
 *
 * A null value stays null and is not computed (reference A2, A4). An expression that fails gives NULL in its column.
 */
#include "engine/op/op.h"

typedef struct project {
    op base;
    expr_program **programs;
    str *names; /* of the columns, for messages */
    bool needs_old;
} project;

/* Selected rows that have the wanted side. */
static uint32_t with_side(const chunk *c, uint8_t absent, uint16_t *out)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        out[n] = (uint16_t)row;
        n += (c->flags[row] & absent) == 0;
    }
    return n;
}

static bool any_flag(const chunk *c, uint8_t flag)
{
    uint8_t all = 0;
    for (uint32_t k = 0; k < c->count; k++) all |= c->flags[chunk_row(c, k)];
    return all & flag;
}

static bool project_push(op *o, int side, chunk *c)
{
    project *p = (project *)o;
    const plan_project *spec = &o->step->project;
    chunk *out = op_derive(c, o->step->schema);
    int keys = out->schema->key_count;
    for (int k = 0; k < keys; k++) out->cols[k] = c->cols[spec->key_columns[k]];

    op_rows rows = {.o = o, .c = c};
    expr_input in = {.chunk = c, .mem = c->mem, .env = &o->env->func, .errors = op_expr_errors(&rows)};
    const uint16_t *sel = c->sel;
    uint32_t n = c->count;
    if (any_flag(c, ROW_VALUE_NULL)) {
        uint16_t *live = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
        n = with_side(c, ROW_VALUE_NULL, live);
        sel = live;
    }
    for (int i = 0; i < spec->count; i++) {
        rows.what = p->names[i];
        if (n == 0)
            out->cols[keys + i] = op_null_vec(c->mem, out->schema->columns[keys + i].type, c->rows);
        else
            expr_run(p->programs[i], &in, sel, n, &out->cols[keys + i]);
    }
    if (out->old) {
        for (int k = 0; k < keys; k++) out->old[k] = out->cols[k];
        in.old = true;
        in.errors = (expr_errors){0};
        uint16_t *live = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
        uint32_t m = p->needs_old ? with_side(c, ROW_OLD_NULL, live) : 0;
        for (int i = 0; i < spec->count; i++) {
            if (m == 0)
                out->old[keys + i] = op_null_vec(c->mem, out->schema->columns[keys + i].type, c->rows);
            else
                expr_run(p->programs[i], &in, live, m, &out->old[keys + i]);
        }
    }
    return op_emit(o, out);
}

static const op_class project_class = {.name = "PROJECT", .push = project_push};

op *project_open(op_env *env, const plan *step, op *next, int side)
{
    project *p = ARENA_NEW(env->life, project);
    op_init(&p->base, &project_class, env, step, next, side);
    p->programs = ARENA_ARRAY(env->life, expr_program *, (size_t)step->project.count + 1);
    p->names = ARENA_ARRAY(env->life, str, (size_t)step->project.count + 1);
    p->needs_old = op_needs_old(&p->base);
    const schema *s = step->schema;
    for (int i = 0; i < step->project.count; i++) {
        p->programs[i] = expr_compile(env->life, step->project.exprs[i], &env->expr, env->error);
        if (!p->programs[i]) return NULL;
        p->names[i] = arena_printf(env->life, "column %.*s", STR_ARG(s->columns[s->key_count + i].name));
    }
    return &p->base;
}
