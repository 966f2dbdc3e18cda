/*
 * engine/pull.c - pull reads: a store's rows seen through the projections and filters behind it.
 *
 * A reader compiles those steps for itself, as programs belong to one thread. Rows are copied under the store's lock
 * and computed after it.
 */
#include "engine/query_impl.h"
#include "engine/rowcode.h"

enum { STEPS_MAX = 16 };

/* A step behind the store. */
typedef struct pull_step {
    const plan *p;
    expr_program **programs; /* PROJECT: one per value column; FILTER: one */
} pull_step;

struct pull {
    query *q;
    arena *mem;
    const plan *keeper; /* the step whose store is read */
    pull_step steps[STEPS_MAX]; /* in the order in which rows pass */
    int step_count;
    const type **key_types;
    func_env env;
    arena *rows; /* of the chunk at hand */
    buf key;
};

pull_request pull_everything(void)
{
    return (pull_request){
        .kind = PULL_SCAN, .start_min = INT64_MIN, .start_max = INT64_MAX, .end_min = INT64_MIN, .end_max = INT64_MAX};
}

static void release(void *arg)
{
    pull *p = arg;
    arena_free(p->rows);
    buf_free(&p->key);
}

static bool compile_step(pull *p, const plan *step, diag *d)
{
    if (p->step_count == STEPS_MAX) return diag_set(d, DIAG_LIMIT, "more than %d steps behind a store", STEPS_MAX);
    /* Steps are met from the sink downwards: each goes in front of those that were met. */
    memmove(p->steps + 1, p->steps, (size_t)p->step_count++ * sizeof *p->steps);
    pull_step *s = &p->steps[0];
    s->p = step;
    int n = step->kind == PLAN_PROJECT ? step->project.count : 1;
    s->programs = ARENA_ARRAY(p->mem, expr_program *, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const expr *e = step->kind == PLAN_PROJECT ? step->project.exprs[i] : step->filter.predicate;
        s->programs[i] = expr_compile(p->mem, e, &p->q->options.expr, d);
        if (!s->programs[i]) return false;
    }
    return true;
}

static const op *keeper_of(const task *t, const plan *step)
{
    for (int i = 0; i < t->env.op_count; i++) {
        const op *o = t->env.ops[i];
        if (o->step == step && o->class->view && o->store_count > 0) return o;
    }
    return NULL;
}

pull *pull_open(query *q, arena *a, diag *d)
{
    pull *p = ARENA_NEW(a, pull);
    p->q = q;
    p->mem = a;
    p->env.zone = q->options.zone;
    p->rows = arena_new();
    arena_on_free(a, release, p);
    const plan *step = q->root->inputs[0];
    for (; step->kind == PLAN_PROJECT || step->kind == PLAN_FILTER || step->kind == PLAN_SUPPRESS;
         step = step->inputs[0]) {
        if (step->kind != PLAN_SUPPRESS && !compile_step(p, step, d)) return NULL;
    }
    p->keeper = step;
    bool kept = false;
    for (int i = 0; i < q->task_count; i++) kept = kept || keeper_of(q->tasks[i], step) != NULL;
    if (!kept) {
        diag_set(d, DIAG_STATEMENT, "the query %.*s keeps no table that could be read", STR_ARG(q->options.id));
        return NULL;
    }
    const schema *s = step->schema;
    p->key_types = ARENA_ARRAY(a, const type *, (size_t)s->key_count + 1);
    for (int i = 0; i < s->key_count; i++) p->key_types[i] = s->columns[i].type;
    return p;
}

const schema *pull_schema(const pull *p)
{
    return p->q->root->schema;
}

/* ---- rows from a store --------------------------------------------------------------------------------------------
 */

/* A read over one store: rows gather in `out`. */
typedef struct reading {
    pull *p;
    const pull_request *r;
    const op *o;
    store *st;
    chunk *out;
    uint32_t room; /* rows that out can hold */
    chunk **full; /* chunks that are ready, in the reader's arena */
    uint32_t full_count, full_cap;
    diag *error;
} reading;

static void next_chunk(reading *x)
{
    if (x->out && x->out->rows > 0) {
        if (x->full_count == x->full_cap) {
            uint32_t cap = x->full_cap ? x->full_cap * 2 : 16;
            chunk **full = ARENA_ARRAY(x->p->rows, chunk *, cap);
            if (x->full_count > 0) memcpy(full, x->full, x->full_count * sizeof *full);
            x->full = full;
            x->full_cap = cap;
        }
        x->full[x->full_count++] = x->out;
    }
    x->out = NULL;
}

static bool window_fits(const pull_request *r, const chunk *c, uint32_t row)
{
    if (!c->window_start) return true;
    return c->window_start[row] >= r->start_min && c->window_start[row] <= r->start_max &&
           c->window_end[row] >= r->end_min && c->window_end[row] <= r->end_max;
}

static bool key_fits(const reading *x, const chunk *c, uint32_t row)
{
    const pull_request *r = x->r;
    if (r->kind != PULL_RANGE) return true;
    if (vec_is_null(&c->cols[0], row)) return false;
    value v = vec_get(&c->cols[0], row);
    const type *t = x->p->key_types[0];
    if (r->low) {
        int cmp = value_cmp(t, v, *r->low);
        if (cmp < 0 || (cmp == 0 && r->low_open)) return false;
    }
    if (r->high) {
        int cmp = value_cmp(t, v, *r->high);
        if (cmp > 0 || (cmp == 0 && r->high_open)) return false;
    }
    return true;
}

/* Copies the rows of a state that the request wants. */
static void take_state(reading *x, const void *state)
{
    arena *mem = x->p->rows;
    const schema *s = x->p->keeper->schema;
    for (uint32_t i = 0;; i++) {
        if (x->out && x->out->rows == x->room) next_chunk(x);
        if (!x->out) {
            /* One key's row is most often alone: chunks grow from small to full. */
            x->room = x->full_count == 0 && x->r->kind == PULL_KEYS ? 16 : chunk_rows_max();
            if (x->room > chunk_rows_max()) x->room = chunk_rows_max();
            x->out = chunk_new(mem, s, x->room);
        }
        chunk *c = x->out;
        uint32_t row = c->rows;
        c->partition[row] = -1;
        c->offset[row] = -1;
        c->flags[row] = ROW_OLD_NULL;
        if (!x->o->class->view(x->o, state, i, c, row)) return;
        check(key_decode(arena_str(mem, store_key_of(x->st, state)), c->cols, s->key_count, row, mem));
        if (!window_fits(x->r, c, row) || !key_fits(x, c, row)) continue;
        c->count = ++c->rows;
    }
}

static void take_key(reading *x, str key)
{
    const pull_request *r = x->r;
    if (store_get_spec(x->st)->shape != STORE_WINDOW) {
        const void *state = store_get(x->st, key, 0, store_hash(key, 0));
        if (state) take_state(x, state);
        return;
    }
    int64_t starts[512], first = r->start_min;
    for (;;) {
        uint32_t n = store_windows(x->st, first, r->start_max, starts, ARRAY_LEN(starts));
        uint32_t have = n < ARRAY_LEN(starts) ? n : (uint32_t)ARRAY_LEN(starts);
        str keys[512];
        uint64_t hashes[512];
        for (uint32_t i = 0; i < have; i++) {
            keys[i] = key;
            hashes[i] = store_hash(key, starts[i]);
        }
        if (!store_prefetch(x->st, keys, starts, hashes, have, x->error)) return;
        for (uint32_t i = 0; i < have; i++) {
            const void *state = store_get(x->st, key, starts[i], hashes[i]);
            if (state) take_state(x, state);
        }
        if (n <= have || starts[have - 1] == INT64_MAX) return;
        first = starts[have - 1] + 1;
    }
}

static bool take_scanned(void *ctx, const void *state)
{
    take_state(ctx, state);
    return true;
}

static bool read_store(reading *x)
{
    const pull_request *r = x->r;
    store_lock(x->st);
    if (r->kind == PULL_KEYS) {
        for (int i = 0; i < r->key_count; i++) {
            buf_clear(&x->p->key);
            int n = x->p->keeper->schema->key_count;
            key_encode_values(x->p->key_types, r->keys + (ptrdiff_t)i * n, n, &x->p->key);
            take_key(x, buf_str(&x->p->key));
        }
    } else {
        store_scan(x->st, r->start_min, r->start_max, take_scanned, x, x->error);
    }
    store_error(x->st, x->error);
    store_unlock(x->st);
    next_chunk(x);
    return !diag_is_set(x->error);
}

/* ---- the steps behind -----------------------------------------------------------------------------------------------
 */

static chunk *run_steps(pull *p, chunk *c)
{
    for (int i = 0; i < p->step_count && c->count > 0; i++) {
        const pull_step *s = &p->steps[i];
        expr_input in = {.chunk = c, .mem = c->mem, .env = &p->env};
        if (s->p->kind == PLAN_FILTER) {
            uint16_t *sel = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
            c->count = expr_filter(s->programs[0], &in, c->sel, c->count, sel);
            c->sel = sel;
            continue;
        }
        chunk *out = op_derive(c, s->p->schema);
        out->old = NULL;
        int keys = out->schema->key_count;
        for (int k = 0; k < keys; k++) out->cols[k] = c->cols[s->p->project.key_columns[k]];
        for (int k = 0; k < s->p->project.count; k++)
            expr_run(s->programs[k], &in, c->sel, c->count, &out->cols[keys + k]);
        c = out;
    }
    return c;
}

bool pull_read(pull *p, const pull_request *r, bool (*emit)(void *ctx, const chunk *rows), void *ctx, diag *d)
{
    const schema *s = p->keeper->schema;
    if (r->kind == PULL_RANGE && (s->key_count != 1 || !type_is_ordered(s->columns[0].type)))
        return diag_set(d, DIAG_STATEMENT, "a range needs a single key column of a type that has an order");
    for (int i = 0; i < p->q->task_count; i++) {
        const op *o = keeper_of(p->q->tasks[i], p->keeper);
        if (!o) continue;
        arena_reset(p->rows);
        reading x = {.p = p, .r = r, .o = o, .st = o->stores[0], .error = d};
        if (!read_store(&x)) return false;
        for (uint32_t k = 0; k < x.full_count; k++) {
            chunk *c = run_steps(p, x.full[k]);
            if (c->count > 0 && !emit(ctx, c)) return true;
        }
    }
    return true;
}
