/* Which columns of each source a plan reads: the others need not be decoded. */
#include "base/check.h"
#include "sql/plan_build.h"

static void mark_expr(const expr *e, bool *needed)
{
    if (!e) return;
    if (e->kind == EXPR_COLUMN) needed[e->column] = true;
    for (int i = 0; i < e->arg_count; i++) mark_expr(e->args[i], needed);
    if (e->kind == EXPR_LAMBDA) mark_expr(e->body, needed);
}

static void mark_step(arena *a, const plan *step, const bool *out);

/* Passes on what input i must provide. */
static void mark_input(arena *a, const plan *step, int i, const bool *needed)
{
    mark_step(a, step->inputs[i], needed);
}

static void mark_join(arena *a, const plan *step)
{
    for (int i = 0; i < step->input_count; i++) {
        bool *all = ARENA_ARRAY(a, bool, (size_t)step->inputs[i]->schema->count + 1);
        for (int k = 0; k < step->inputs[i]->schema->count; k++) all[k] = true;
        mark_input(a, step, i, all);
    }
}

static void mark_source(arena *a, const plan *step, const bool *out)
{
    bool *needed = ARENA_ARRAY(a, bool, (size_t)step->schema->count + 1);
    for (int i = 0; i < step->schema->count; i++)
        needed[i] = out[i] || i < step->schema->key_count || i == step->source.timestamp.column;
    ((plan *)(uintptr_t)step)->source.needed = needed;
}

static void mark_rekey(const plan *step, const bool *out, bool *in)
{
    for (int k = 0; k < step->rekey.count; k++) mark_expr(step->rekey.keys[k], in);
    for (int i = 0; i < step->rekey.value_count; i++) {
        if (out[step->rekey.count + i]) in[step->rekey.value_columns[i]] = true;
    }
}

static void mark_aggregate(const plan *step, bool *in)
{
    const plan_aggregate *g = &step->aggregate;
    for (int i = 0; i < g->carried_count; i++) in[g->carried[i]] = true;
    for (int i = 0; i < g->call_count; i++) {
        for (int k = 0; k < g->calls[i].arg_count; k++) mark_expr(g->calls[i].args[k], in);
    }
}

/* `out`: columns of the step's output that are read behind it. */
static void mark_step(arena *a, const plan *step, const bool *out)
{
    if (step->kind == PLAN_SOURCE) {
        mark_source(a, step, out);
        return;
    }
    if (step->kind == PLAN_JOIN) {
        mark_join(a, step);
        return;
    }
    const schema *from = step->inputs[0]->schema;
    bool *in = ARENA_ARRAY(a, bool, (size_t)from->count + 1);
    for (int k = 0; k < from->key_count; k++) in[k] = true;
    switch (step->kind) {
    case PLAN_FILTER:
        for (int i = 0; i < from->count; i++) in[i] = in[i] || out[i];
        mark_expr(step->filter.predicate, in);
        break;
    case PLAN_PROJECT:
        for (int i = 0; i < step->project.count; i++) mark_expr(step->project.exprs[i], in);
        break;
    case PLAN_EXPLODE:
        for (int i = 0; i < from->count; i++) in[i] = in[i] || out[i];
        for (int i = 0; i < step->explode.count; i++) mark_expr(step->explode.args[i], in);
        break;
    case PLAN_REKEY: mark_rekey(step, out, in); break;
    case PLAN_AGGREGATE: mark_aggregate(step, in); break;
    case PLAN_SUPPRESS:
    case PLAN_SINK:
        for (int i = 0; i < from->count; i++) in[i] = true;
        break;
    case PLAN_SOURCE:
    case PLAN_JOIN: check_unreachable();
    }
    mark_input(a, step, 0, in);
}

void plan_mark_needed(arena *a, const plan *root)
{
    bool *all = ARENA_ARRAY(a, bool, (size_t)root->schema->count + 1);
    for (int i = 0; i < root->schema->count; i++) all[i] = true;
    mark_step(a, root, all);
}
