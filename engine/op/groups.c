/*
 * engine/op/groups.c - the states of a group: binding calls, adding rows, results, and their stored form.
 */
#include <stdlib.h>

#include "engine/op/aggregate.h"

static void *state_at(const groups *g, const group *s, int i)
{
    return (char *)(uintptr_t)s + g->calls[i].at;
}

static bool bind_call(groups *g, int i)
{
    op_env *env = g->o->env;
    const plan_agg_call *spec = &g->plan->calls[i];
    group_call *c = &g->calls[i];
    size_t n = (size_t)spec->arg_count + 1;
    const type **types = ARENA_ARRAY(env->life, const type *, n);
    c->programs = ARENA_ARRAY(env->life, expr_program *, n);
    c->args = ARENA_ARRAY(env->life, vec, n);
    c->arg_refs = ARENA_ARRAY(env->life, const vec *, n);
    for (int k = 0; k < spec->arg_count; k++) {
        types[k] = spec->args[k]->type;
        c->arg_refs[k] = &c->args[k];
        c->programs[k] = expr_compile(env->life, spec->args[k], &env->expr, env->error);
        if (!c->programs[k]) return false;
    }
    c->agg = agg_new(env->life, spec->func, types, spec->arg_count, spec->init_args, spec->init_count, &env->agg,
                     env->error);
    if (!c->agg) return false;
    type_kind k = c->agg->type->kind;
    c->plain = !type_is_nested(c->agg->type) && k != TYPE_STRING && k != TYPE_BYTES;
    if (g->o->step->inputs[0]->schema->is_table && !agg_can_undo(c->agg))
        return diag_set(env->error, DIAG_STATEMENT, "the aggregation function %.*s cannot be applied to a table",
                        STR_ARG(spec->func->group->name));
    return true;
}

bool groups_bind(groups *g, op *o)
{
    g->o = o;
    g->plan = &o->step->aggregate;
    g->count = g->plan->call_count;
    arena *a = o->env->life;
    g->calls = ARENA_ARRAY(a, group_call, (size_t)g->count + 1);
    uint32_t at = sizeof(group);
    for (int i = 0; i < g->count; i++) {
        if (!bind_call(g, i)) return false;
        at = (at + 15u) & ~15u;
        g->calls[i].at = at;
        at += g->calls[i].agg->class->state_size;
    }
    g->state_size = (at + 15u) & ~15u;
    g->carried_out = ARENA_ARRAY(a, int, (size_t)g->plan->carried_count + 1);
    for (int i = 0; i < g->plan->carried_count; i++) g->carried_out[i] = o->step->schema->key_count + i;
    return true;
}

void groups_close(groups *g)
{
    buf_free(&g->scratch);
}

void groups_arguments(groups *g, chunk *c, bool old)
{
    op_rows rows = {.o = g->o, .c = c};
    expr_input in = {.chunk = c, .old = old, .mem = c->mem, .env = &g->o->env->func, .errors = op_expr_errors(&rows)};
    if (old) in.errors = (expr_errors){0};
    const uint16_t *sel = c->sel;
    uint32_t n = c->count;
    if (c->schema->is_table) {
        uint16_t *live = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
        uint8_t absent = old ? ROW_OLD_NULL : ROW_VALUE_NULL;
        n = 0;
        for (uint32_t k = 0; k < c->count; k++) {
            uint32_t row = chunk_row(c, k);
            live[n] = (uint16_t)row;
            n += (c->flags[row] & absent) == 0;
        }
        sel = live;
    }
    if (n == 0) return;
    for (int i = 0; i < g->count; i++) {
        group_call *call = &g->calls[i];
        for (int k = 0; k < call->agg->arg_count; k++) expr_run(call->programs[k], &in, sel, n, &call->args[k]);
    }
}

void group_init(groups *g, group *s)
{
    for (int i = 0; i < g->count; i++) agg_init(g->calls[i].agg, state_at(g, s, i));
}

void groups_drop_one(groups *g, group *s)
{
    for (int i = 0; i < g->count; i++) agg_drop(g->calls[i].agg, state_at(g, s, i));
    free(s->carried);
    s->carried = NULL;
}

void group_add(groups *g, group *s, const chunk *c, uint32_t row, bool undo)
{
    value args[16];
    for (int i = 0; i < g->count; i++) {
        const group_call *call = &g->calls[i];
        int n = call->agg->arg_count;
        check(n <= (int)ARRAY_LEN(args));
        for (int k = 0; k < n; k++) args[k] = vec_get(&call->args[k], row);
        const char *why = NULL;
        const agg_class *class = call->agg->class;
        void *state = state_at(g, s, i);
        bool ok = undo ? class->undo(call->agg, state, args, &why) : class->add(call->agg, state, args, &why);
        if (!ok) op_report(g->o, PROCLOG_RECORD, c, row, str_z(why));
    }
}

void group_follow(groups *g, group *s, const chunk *c, uint32_t row)
{
    if (c->rowtime[row] > s->rowtime) s->rowtime = c->rowtime[row];
    if (g->plan->carried_count == 0 || (c->flags[row] & ROW_VALUE_NULL)) return;
    buf_clear(&g->scratch);
    row_encode(c->cols, g->plan->carried, g->plan->carried_count, row, &g->scratch);
    if (s->carried && s->carried_n == g->scratch.len && memcmp(s->carried, g->scratch.data, g->scratch.len) == 0)
        return;
    s->carried = realloc(s->carried, g->scratch.len + 1);
    check(s->carried != NULL);
    memcpy(s->carried, g->scratch.data, g->scratch.len);
    s->carried_n = (uint32_t)g->scratch.len;
}

void group_result(const groups *g, const group *s, vec *cols, uint32_t row, arena *mem)
{
    int first = g->o->step->schema->key_count;
    if (g->plan->carried_count > 0) {
        if (s->carried) {
            str bytes = arena_str(mem, str_of(s->carried, s->carried_n));
            check(row_decode(bytes, cols, g->carried_out, g->plan->carried_count, row, mem));
        } else {
            for (int i = 0; i < g->plan->carried_count; i++) vec_set_null(&cols[first + i], row);
        }
    }
    first += g->plan->carried_count;
    for (int i = 0; i < g->count; i++) {
        const group_call *call = &g->calls[i];
        value v = call->agg->class->result(call->agg, state_at(g, s, i), mem);
        if (!call->plain) v = value_copy(mem, call->agg->type, v);
        vec_set(&cols[first + i], row, v);
    }
}

/* ---- stored form ------------------------------------------------------------------------------------------------ */

int group_columns(groups *g, store_column *out)
{
    int n = 0;
    const schema *in = g->o->step->inputs[0]->schema;
    for (int i = 0; i < g->plan->carried_count; i++) {
        const column *c = &in->columns[g->plan->carried[i]];
        out[n++] = (store_column){c->name, cell_kind_of(c->type)};
    }
    for (int i = 0; i < g->count; i++)
        out[n++] = (store_column){g->plan->calls[i].column, cell_kind_of(g->calls[i].agg->state_type)};
    out[n++] = (store_column){STR("ROWTIME"), CELL_INTEGER};
    return n;
}

void group_encode(groups *g, const group *s, cell *out, arena *mem)
{
    const schema *in = g->o->step->inputs[0]->schema;
    reader r = reader_of(s->carried, s->carried_n);
    int n = 0;
    for (int i = 0; i < g->plan->carried_count; i++) {
        const type *t = in->columns[g->plan->carried[i]].type;
        value v = value_null();
        if (s->carried) check(value_decode(&r, t, &v, mem));
        out[n++] = cell_of_value(t, v, mem);
    }
    for (int i = 0; i < g->count; i++) {
        const agg *a = g->calls[i].agg;
        out[n++] = cell_of_value(a->state_type, agg_save(a, state_at(g, s, i), mem), mem);
    }
    out[n] = (cell){.kind = CELL_INTEGER, .i = s->rowtime};
}

bool group_decode(groups *g, const cell *row, group *s)
{
    const schema *in = g->o->step->inputs[0]->schema;
    arena *mem = arena_new();
    bool ok = true;
    int n = 0;
    buf_clear(&g->scratch);
    for (int i = 0; ok && i < g->plan->carried_count; i++) {
        const type *t = in->columns[g->plan->carried[i]].type;
        value v;
        ok = cell_to_value(&row[n++], t, &v, mem);
        if (ok) value_encode(t, v, &g->scratch);
    }
    if (ok && g->scratch.len > 0) {
        s->carried = malloc(g->scratch.len);
        check(s->carried != NULL);
        memcpy(s->carried, g->scratch.data, g->scratch.len);
        s->carried_n = (uint32_t)g->scratch.len;
    }
    for (int i = 0; ok && i < g->count; i++) {
        const agg *a = g->calls[i].agg;
        value v;
        ok = cell_to_value(&row[n++], a->state_type, &v, mem) && a->class->load(a, state_at(g, s, i), v);
    }
    ok = ok && row[n].kind == CELL_INTEGER;
    if (ok) s->rowtime = row[n].i;
    arena_free(mem);
    return ok;
}

/* ---- codec of STORE_KEY and STORE_WINDOW ----------------------------------------------------------------------- */

static void encode(void *ctx, const void *state, cell *out, arena *mem)
{
    group_encode(ctx, state, out, mem);
}

static bool decode(void *ctx, const cell *row, void *state)
{
    return group_decode(ctx, row, state);
}

static void release(void *ctx, void *state)
{
    groups_drop_one(ctx, state);
}

store *groups_store(groups *g, store_shape shape, const char *detail)
{
    store_column *columns =
        ARENA_ARRAY(g->o->env->life, store_column, (size_t)g->plan->carried_count + (size_t)g->count + 1);
    int n = group_columns(g, columns);
    g->keep.spec.state_size = g->state_size;
    g->keep.spec.codec = (store_codec){.encode = encode, .decode = decode, .release = release};
    return keep_open(&g->keep, g->o, "-Materialize", g->o->step->schema, false, shape, columns, n, detail);
}
