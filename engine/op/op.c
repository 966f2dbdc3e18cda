/*
 * engine/op/op.c - what all operators share.
 */
#include "engine/op/op.h"

void op_init(op *o, const op_class *class, op_env *env, const plan *step, op *next, int next_side)
{
    o->class = class;
    o->env = env;
    o->step = step;
    o->next = next;
    o->next_side = next_side;
    o->stats.step = step;
    o->stats.lag = -1;
    /* The topic whose records cause this operator's rows: that of the left-most source. */
    const plan *p = step;
    while (p->input_count > 0) p = p->inputs[0];
    if (p->kind == PLAN_SOURCE) o->topic = p->source.topic;
    check(env->op_count < (int)ARRAY_LEN(env->ops));
    env->ops[env->op_count++] = o;
}

void op_report(op *o, proclog_kind kind, const chunk *c, uint32_t row, str message)
{
    o->stats.errors++;
    io_proclog *log = o->env->options->proclog;
    if (!log) return;
    proclog_event e = {
        .kind = kind,
        .query = o->env->query_id,
        .context = o->step->context,
        .message = message,
        .topic = o->topic,
        .partition = c ? c->partition[row] : -1,
        .offset = c ? c->offset[row] : -1,
    };
    log->event(log, &e);
}

static void report_expr(void *ctx, uint32_t row, str why)
{
    op_rows *r = ctx;
    if (r->what.n > 0) why = arena_printf(r->c->mem, "Error computing %.*s: %.*s", STR_ARG(r->what), STR_ARG(why));
    op_report(r->o, PROCLOG_RECORD, r->c, row, why);
}

expr_errors op_expr_errors(op_rows *rows)
{
    return (expr_errors){report_expr, rows};
}

void op_keep(chunk *c, const bool *keep)
{
    uint16_t *sel = chunk_selection(c);
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        sel[n] = sel[k];
        n += keep[k];
    }
    c->count = n;
}

chunk *op_derive(const chunk *c, const schema *s)
{
    chunk *out = arena_alloc(c->mem, sizeof *out);
    *out = *c;
    out->schema = s;
    out->cols = ARENA_ARRAY(c->mem, vec, (size_t)s->count + 1);
    out->old = s->is_table ? ARENA_ARRAY(c->mem, vec, (size_t)s->count + 1) : NULL;
    return out;
}

vec op_null_vec(arena *a, const type *t, uint32_t rows)
{
    vec v = vec_new(a, t, rows);
    memset(v.nulls, 0xff, CHUNK_NULL_WORDS * sizeof *v.nulls);
    return v;
}

bool op_needs_old(const op *o)
{
    for (const op *n = o->next; n; n = n->next) {
        switch (n->step->kind) {
        case PLAN_FILTER:
        case PLAN_AGGREGATE:
        case PLAN_JOIN:
        case PLAN_REKEY: return n->step->schema->is_table;
        default: break;
        }
    }
    return false;
}
