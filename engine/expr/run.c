/* Running programs: vectors from a pool, scopes of errors, selections. */
#include "engine/expr/node.h"

#include "base/buf.h"

/* ---- memory: buffers of one run are reused within it and vanish with the step's arena ---- */

/* Classes: 1, 2, 4, 8 and 16 bytes a row. */
static int width_class(size_t width)
{
    return width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : width == 8 ? 3 : 4;
}

static void *pool_take(run *r, int class)
{
    void *p = r->pool[class];
    if (p) {
        memcpy(&r->pool[class], p, sizeof(void *));
        return p;
    }
    size_t bytes = (size_t)r->rows << class;
    return arena_alloc(r->in->mem, bytes < 16 ? 16 : bytes);
}

static void pool_give(run *r, int class, void *p)
{
    memcpy(p, &r->pool[class], sizeof(void *));
    r->pool[class] = p;
}

uint64_t *bits_take(run *r)
{
    uint64_t *bits = r->bitmaps;
    if (!bits) return arena_zalloc(r->in->mem, CHUNK_NULL_WORDS * sizeof(uint64_t));
    memcpy(&r->bitmaps, bits, sizeof(void *));
    return memset(bits, 0, CHUNK_NULL_WORDS * sizeof(uint64_t));
}

void bits_give(run *r, uint64_t *bits)
{
    memcpy(bits, &r->bitmaps, sizeof(void *));
    r->bitmaps = bits;
}

void reg_take(run *r, const type *t, reg *out)
{
    out->v.type = t;
    out->v.data = pool_take(r, width_class(vec_width(t)));
    out->v.nulls = bits_take(r);
    out->owned = true;
}

void reg_give(run *r, reg *v)
{
    if (!v->owned) return;
    pool_give(r, width_class(vec_width(v->v.type)), v->v.data);
    bits_give(r, v->v.nulls);
    v->owned = false;
}

uint16_t *sel_take(run *r)
{
    return pool_take(r, 1);
}

void sel_give(run *r, uint16_t *rows)
{
    pool_give(r, 1, rows);
}

/* ---- failures ---- */

void mark_failed(run *r, uint32_t row)
{
    uint64_t bit = (uint64_t)1 << (row & 63);
    if (r->failed[row >> 6] & bit) return;
    r->failed[row >> 6] |= bit;
    r->failures++;
}

void fail_row(run *r, uint32_t row, str why)
{
    mark_failed(r, row);
    if (r->in->errors.report) r->in->errors.report(r->in->errors.ctx, row, why);
}

sel live_rows(run *r, sel s, uint32_t before, uint16_t *room)
{
    if (r->failures == before) return s;
    uint32_t n = 0;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        room[n] = (uint16_t)row;
        n += !((r->failed[row >> 6] >> (row & 63)) & 1);
    }
    return (sel){room, n};
}

/* ---- selections ---- */

bool any_null(const run *r, const vec *v)
{
    uint64_t all = 0;
    for (uint32_t w = 0; w < (r->rows + 63) / 64; w++) all |= v->nulls[w];
    return all != 0;
}

uint32_t drop_nulls(const vec *a, const vec *b, sel s, uint16_t *out)
{
    uint32_t n = 0;
    if (s.rows) {
        for (uint32_t k = 0; k < s.n; k++) {
            uint32_t row = s.rows[k];
            uint64_t nulls = a->nulls[row >> 6] | (b ? b->nulls[row >> 6] : 0);
            out[n] = (uint16_t)row;
            n += !((nulls >> (row & 63)) & 1);
        }
        return n;
    }
    for (uint32_t base = 0; base < s.n; base += 64) {
        uint64_t valid = ~(a->nulls[base >> 6] | (b ? b->nulls[base >> 6] : 0));
        uint32_t rows = s.n - base < 64 ? s.n - base : 64;
        if (rows < 64) valid &= ((uint64_t)1 << rows) - 1;
        if (valid == UINT64_MAX) {
            for (uint32_t i = 0; i < 64; i++) out[n + i] = (uint16_t)(base + i);
            n += 64;
            continue;
        }
        for (; valid; valid &= valid - 1) out[n++] = (uint16_t)(base + (uint32_t)__builtin_ctzll(valid));
    }
    return n;
}

uint32_t sel_minus(sel s, const uint16_t *t, uint32_t tn, uint16_t *out)
{
    uint32_t n = 0, j = 0;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        bool both = j < tn && t[j] == row;
        out[n] = (uint16_t)row;
        n += !both;
        j += both;
    }
    return n;
}

uint32_t sel_merge(const uint16_t *a, uint32_t an, const uint16_t *b, uint32_t bn, uint16_t *out)
{
    uint32_t i = 0, j = 0, n = 0;
    while (i < an && j < bn) {
        bool left = a[i] < b[j];
        out[n++] = left ? a[i] : b[j];
        i += left;
        j += !left;
    }
    while (i < an) out[n++] = a[i++];
    while (j < bn) out[n++] = b[j++];
    return n;
}

/* ---- evaluation ---- */

/* The failed rows of a scope become NULL; a borrowed vector is not written but copied. */
static void null_failed(run *r, sel s, reg *out)
{
    if (!out->owned) {
        reg copy;
        reg_take(r, out->v.type, &copy);
        memcpy(copy.v.nulls, out->v.nulls, CHUNK_NULL_WORDS * sizeof(uint64_t));
        memcpy(copy.v.data, out->v.data, vec_width(out->v.type) * r->rows);
        *out = copy;
    }
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        if ((r->failed[row >> 6] >> (row & 63)) & 1) vec_set_null(&out->v, row);
    }
}

static void eval_scope(run *r, const node *n, sel s, reg *out)
{
    uint64_t *outer = r->failed;
    uint32_t outer_failures = r->failures;
    r->failed = bits_take(r);
    r->failures = 0;
    n->run(r, n, s, out);
    if (r->failures) null_failed(r, s, out);
    bits_give(r, r->failed);
    r->failed = outer;
    r->failures = outer_failures;
}

void eval(run *r, const node *n, sel s, reg *out)
{
    if (n->scope)
        eval_scope(r, n, s, out);
    else
        n->run(r, n, s, out);
}

uint32_t eval_filter(run *r, const node *n, sel s, bool null_fails, uint16_t *out)
{
    if (n->filter && !n->scope) return n->filter(r, n, s, out);
    reg v;
    uint32_t before = r->failures, count = 0;
    eval(r, n, s, &v);
    uint16_t *room = sel_take(r);
    s = live_rows(r, s, before, room);
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        if (vec_is_null(&v.v, row)) {
            if (null_fails) fail_row(r, row, STR("a BOOLEAN operand is null"));
            continue;
        }
        out[count] = (uint16_t)row;
        count += v.v.b[row];
    }
    sel_give(r, room);
    reg_give(r, &v);
    return count;
}

void run_predicate(run *r, const node *n, sel s, reg *out)
{
    uint16_t *rows = sel_take(r);
    uint32_t count = n->filter(r, n, s, rows);
    reg_take(r, n->type, out);
    if (s.rows) {
        for (uint32_t k = 0; k < s.n; k++) out->v.b[s.rows[k]] = 0;
    } else {
        memset(out->v.b, 0, s.n);
    }
    for (uint32_t k = 0; k < count; k++) out->v.b[rows[k]] = 1;
    sel_give(r, rows);
}

/* ---- entry points ---- */

static void begin(expr_program *p, const expr_input *in)
{
    run *r = &p->run;
    r->in = in;
    r->env = in->env ? in->env : &p->env;
    r->rows = in->chunk ? in->chunk->rows : 1;
    memset(r->pool, 0, sizeof r->pool);
    r->bitmaps = NULL;
    r->no_nulls = NULL;
    r->failed = bits_take(r);
    r->failures = 0;
}

const type *expr_program_type(const expr_program *p)
{
    return p->type;
}

void expr_run(expr_program *p, const expr_input *in, const uint16_t *rows, uint32_t n, vec *out)
{
    run *r = &p->run;
    begin(p, in);
    check(n <= r->rows);
    reg v;
    sel s = {rows, n};
    p->root->run(r, p->root, s, &v);
    if (r->failures) null_failed(r, s, &v);
    *out = v.v;
}

uint32_t expr_filter(expr_program *p, const expr_input *in, const uint16_t *rows, uint32_t n, uint16_t *out)
{
    check(p->type->kind == TYPE_BOOLEAN);
    begin(p, in);
    check(n <= p->run.rows);
    return eval_filter(&p->run, p->root, (sel){rows, n}, false, out);
}

value expr_run_row(expr_program *p, const expr_input *in, uint32_t row)
{
    vec out;
    uint16_t rows[1] = {(uint16_t)row};
    expr_run(p, in, rows, 1, &out);
    return vec_get(&out, row);
}
