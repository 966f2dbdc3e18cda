#include "engine/func/agg.h"

#include <stdatomic.h>

#include "base/check.h"

const agg *agg_new(arena *a, const func *f, const type *const *arg_types, int arg_count, const value *constants,
                   int constant_count, const agg_options *o, diag *d)
{
    check(f->agg);
    agg *g = ARENA_NEW(a, agg);
    g->f = f;
    g->class = f->agg;
    g->arg_count = arg_count;
    const type **types = ARENA_ARRAY(a, const type *, (size_t)arg_count);
    for (int i = 0; i < arg_count; i++) types[i] = type_copy(a, arg_types[i]);
    g->arg_types = types;
    value *copies = ARENA_ARRAY(a, value, (size_t)constant_count);
    func_arg args[64];
    int n = arg_count + constant_count;
    if (n > 64) {
        diag_set(d, DIAG_LIMIT, "Too many arguments for %.*s", STR_ARG(f->group->display));
        return NULL;
    }
    for (int i = 0; i < arg_count; i++) args[i] = (func_arg){.type = types[i]};
    for (int i = 0; i < constant_count; i++) {
        const func_param *p = func_param_of(f, arg_count + i, n);
        copies[i] = value_copy(a, p->type, constants[i]);
        args[arg_count + i] = (func_arg){.type = p->type};
    }
    g->constants = copies;
    g->constant_count = constant_count;
    if (o) g->options = *o;
    g->type = type_copy(a, func_result_type(a, f, args, n, NO_SPAN, d));
    if (!g->type) return NULL;
    if (g->class->bind && !g->class->bind(g, d)) return NULL;
    g->state_type = g->class->state_type ? g->class->state_type(a, g) : types[0];
    return g;
}

void agg_add_rows(const agg *g, void *const *states, const vec *const *args, const uint16_t *rows, uint32_t n,
                  void (*report)(void *ctx, uint32_t row, str why), void *ctx)
{
    if (g->class->add_rows) {
        g->class->add_rows(g, states, args, rows, n);
        return;
    }
    value boxed[64];
    for (uint32_t k = 0; k < n; k++) {
        uint32_t row = rows ? rows[k] : k;
        const char *why = NULL;
        for (int i = 0; i < g->arg_count; i++) boxed[i] = vec_get(args[i], row);
        if (!g->class->add(g, states[k], boxed, &why) && report) report(ctx, row, str_z(why));
    }
}

int64_t agg_next_sequence(void)
{
    static _Atomic int64_t sequence;
    return atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed);
}
