/*
 * Predicates: nodes that narrow a selection. KSQL's logic has two values: a comparison with NULL is false. A NULL
 * operand of AND, OR or NOT is an error of the row, and the right side runs only for rows that need it.
 */
#include "engine/expr/node.h"

/* ---- comparisons ---- */

static const void *operand(run *r, const node *arg, sel s, reg *v)
{
    v->owned = false;
    if (arg->is_const && !arg->constant.null) {
        v->v.nulls = NULL;
        return &arg->constant.b;
    }
    eval(r, arg, s, v);
    return v->v.data;
}

static uint32_t filter_compare(run *r, const node *n, sel s, uint16_t *out)
{
    reg a, b;
    uint32_t before = r->failures;
    uint16_t *room = sel_take(r);
    const void *pa = operand(r, n->args[0], s, &a);
    s = live_rows(r, s, before, room);
    const void *pb = operand(r, n->args[1], s, &b);
    s = live_rows(r, s, before, room);
    bool nulls = any_null(r, &a.v) || (b.v.nulls && any_null(r, &b.v));
    if (nulls) s = (sel){room, drop_nulls(&a.v, b.v.nulls ? &b.v : NULL, s, room)};
    uint32_t count = n->compare(pa, pb, s.rows, s.n, out);
    reg_give(r, &a);
    reg_give(r, &b);
    sel_give(r, room);
    return count;
}

/* Equality of nested values, and comparisons of decimals with different scales: row by row. */
static uint32_t filter_compare_slow(run *r, const node *n, sel s, uint16_t *out)
{
    reg v[2];
    uint32_t before = r->failures, count = 0;
    uint16_t *room = sel_take(r);
    for (int i = 0; i < 2; i++) {
        eval(r, n->args[i], s, &v[i]);
        s = live_rows(r, s, before, room);
    }
    const type *ta = n->args[0]->type, *tb = n->args[1]->type;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        if (vec_is_null(&v[0].v, row) || vec_is_null(&v[1].v, row)) continue;
        bool pass;
        if (ta->kind == TYPE_DECIMAL) {
            int c = decimal_cmp(v[0].v.dec[row], ta->scale, v[1].v.dec[row], tb->scale);
            pass = n->op == OP_EQ   ? c == 0
                   : n->op == OP_NE ? c != 0
                   : n->op == OP_LT ? c < 0
                   : n->op == OP_LE ? c <= 0
                   : n->op == OP_GT ? c > 0
                                    : c >= 0;
        } else {
            pass = value_eq(ta, vec_get(&v[0].v, row), vec_get(&v[1].v, row)) == (n->op == OP_EQ);
        }
        out[count] = (uint16_t)row;
        count += pass;
    }
    reg_give(r, &v[0]);
    reg_give(r, &v[1]);
    sel_give(r, room);
    return count;
}

/* IS DISTINCT FROM: NULL is like any other value, one that equals itself. */
static uint32_t filter_distinct(run *r, const node *n, sel s, uint16_t *out)
{
    reg v[2];
    uint32_t before = r->failures, count = 0;
    uint16_t *room = sel_take(r);
    for (int i = 0; i < 2; i++) {
        eval(r, n->args[i], s, &v[i]);
        s = live_rows(r, s, before, room);
    }
    const type *ta = n->args[0]->type, *tb = n->args[1]->type;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        bool na = vec_is_null(&v[0].v, row), nb = vec_is_null(&v[1].v, row), distinct;
        if (na || nb)
            distinct = na != nb;
        else if (ta->kind == TYPE_DECIMAL)
            distinct = decimal_cmp(v[0].v.dec[row], ta->scale, v[1].v.dec[row], tb->scale) != 0;
        else if (ta->kind == TYPE_DOUBLE)
            distinct = v[0].v.d[row] < v[1].v.d[row] || v[0].v.d[row] > v[1].v.d[row];
        else
            distinct = !value_eq(ta, vec_get(&v[0].v, row), vec_get(&v[1].v, row));
        out[count] = (uint16_t)row;
        count += distinct != n->e->negated;
    }
    reg_give(r, &v[0]);
    reg_give(r, &v[1]);
    sel_give(r, room);
    return count;
}

/* low <= value AND value <= high; the high bound is evaluated only for rows that pass the low one. */
static uint32_t filter_between(run *r, const node *n, sel s, uint16_t *out)
{
    uint32_t before = r->failures;
    uint16_t *low = sel_take(r);
    const node *const *halves = n->data;
    uint32_t count = halves[0]->filter(r, halves[0], s, low);
    count = halves[1]->filter(r, halves[1], (sel){low, count}, low);
    if (n->e->negated) {
        uint16_t *room = sel_take(r);
        s = live_rows(r, s, before, room);
        count = sel_minus(s, low, count, out);
        sel_give(r, room);
    } else {
        memcpy(out, low, sizeof *out * count);
    }
    sel_give(r, low);
    return count;
}

static expr_op exchanged(expr_op op)
{
    switch (op) {
    case OP_LT: return OP_GT;
    case OP_LE: return OP_GE;
    case OP_GT: return OP_LT;
    case OP_GE: return OP_LE;
    default: return op;
    }
}

/* A DECIMAL constant in the scale of the other side, where it has no more digits than that: then one loop serves. */
static const node *at_scale(compiler *c, const type *t, const node *b)
{
    decimal v;
    if (t->kind != TYPE_DECIMAL || !b->is_const || b->constant.null || b->type->scale == t->scale) return b;
    if (decimal_rescale(b->constant.dec, b->type->scale, t->scale, DECIMAL_UNNECESSARY, &v) != DECIMAL_OK) return b;
    node *copy = ARENA_NEW(c->mem, node);
    *copy = *b;
    copy->constant.dec = v;
    copy->type = t;
    return copy;
}

/* Chooses the loop for args[0] op args[1]; a constant goes to the right. */
static bool choose_compare(compiler *c, node *n)
{
    const node *a = n->args[0], *b = n->args[1];
    if (a->is_const && !b->is_const) {
        const node **args = ARENA_ARRAY(c->mem, const node *, 2);
        args[0] = b;
        args[1] = a;
        n->args = args;
        n->op = exchanged(n->op);
        a = n->args[0], b = n->args[1];
    }
    if (a->is_const) {
        node *copy = ARENA_NEW(c->mem, node);
        *copy = *a;
        copy->is_const = false;
        n->args[0] = a = copy;
    }
    check(a->type->kind == b->type->kind);
    b = at_scale(c, a->type, b);
    n->args[1] = b;
    bool scales = a->type->kind == TYPE_DECIMAL && a->type->scale != b->type->scale;
    n->compare =
        scales ? NULL : kernel_compare(a->type->kind, n->op, b->is_const && !b->constant.null ? SHAPE_VC : SHAPE_VV);
    n->filter = n->compare ? filter_compare : filter_compare_slow;
    if (!n->compare && !scales && n->op != OP_EQ && n->op != OP_NE)
        return diag_at(c->d, n->e->at, DIAG_INTERNAL, "no order for %s", type_kind_name(a->type->kind));
    return true;
}

static node *half_of_between(compiler *c, node *n, expr_op op, int bound)
{
    node *half = ARENA_NEW(c->mem, node);
    *half = (node){.e = n->e, .type = n->type, .op = op, .arg_count = 2};
    half->args = ARENA_ARRAY(c->mem, const node *, 2);
    half->args[0] = n->args[0];
    half->args[1] = n->args[bound];
    return choose_compare(c, half) ? half : NULL;
}

bool compile_compare(compiler *c, node *n)
{
    if (n->e->kind == EXPR_DISTINCT) {
        n->filter = filter_distinct;
        return true;
    }
    if (n->e->kind == EXPR_BETWEEN) {
        const node **halves = ARENA_ARRAY(c->mem, const node *, 2);
        halves[0] = half_of_between(c, n, OP_GE, 1);
        halves[1] = half_of_between(c, n, OP_LE, 2);
        n->data = halves;
        n->filter = filter_between;
        return halves[0] && halves[1];
    }
    n->op = n->e->op;
    return choose_compare(c, n);
}

/* ---- logic ---- */

static uint32_t filter_and(run *r, const node *n, sel s, uint16_t *out)
{
    uint16_t *left = sel_take(r);
    uint32_t count = eval_filter(r, n->args[0], s, true, left);
    count = count ? eval_filter(r, n->args[1], (sel){left, count}, true, out) : 0;
    sel_give(r, left);
    return count;
}

static uint32_t filter_or(run *r, const node *n, sel s, uint16_t *out)
{
    uint32_t before = r->failures;
    uint16_t *left = sel_take(r), *rest = sel_take(r), *right = sel_take(r);
    uint32_t left_n = eval_filter(r, n->args[0], s, true, left);
    sel open = live_rows(r, s, before, rest);
    uint32_t rest_n = sel_minus(open, left, left_n, rest);
    uint32_t right_n = rest_n ? eval_filter(r, n->args[1], (sel){rest, rest_n}, true, right) : 0;
    uint32_t count = sel_merge(left, left_n, right, right_n, out);
    sel_give(r, left);
    sel_give(r, rest);
    sel_give(r, right);
    return count;
}

static uint32_t filter_not(run *r, const node *n, sel s, uint16_t *out)
{
    uint32_t before = r->failures;
    uint16_t *inner = sel_take(r), *room = sel_take(r);
    uint32_t inner_n = eval_filter(r, n->args[0], s, true, inner);
    uint32_t count = sel_minus(live_rows(r, s, before, room), inner, inner_n, out);
    sel_give(r, inner);
    sel_give(r, room);
    return count;
}

static uint32_t filter_is_null(run *r, const node *n, sel s, uint16_t *out)
{
    reg v;
    uint32_t before = r->failures, count = 0;
    uint16_t *room = sel_take(r);
    eval(r, n->args[0], s, &v);
    s = live_rows(r, s, before, room);
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        out[count] = (uint16_t)row;
        count += vec_is_null(&v.v, row) != n->e->negated;
    }
    reg_give(r, &v);
    sel_give(r, room);
    return count;
}

bool compile_predicate(compiler *c, node *n)
{
    switch (n->e->kind) {
    case EXPR_AND: n->filter = filter_and; break;
    case EXPR_OR: n->filter = filter_or; break;
    case EXPR_NOT: n->filter = filter_not; break;
    default: n->filter = filter_is_null; break;
    }
    return true;
}

/* ---- CASE ---- */

static void copy_rows(vec *to, const vec *from, sel s)
{
    size_t width = vec_width(to->type);
    char *t = to->data;
    const char *f = from->data;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        if (vec_is_null(from, row)) {
            vec_set_null(to, row);
        } else {
            switch (width) {
            case 1: t[row] = f[row]; break;
            case 4: memcpy(t + row * 4, f + row * 4, 4); break;
            case 8: memcpy(t + row * 8, f + row * 8, 8); break;
            default: memcpy(t + row * 16, f + row * 16, 16); break;
            }
        }
    }
}

static void run_branch(run *r, const node *branch, sel s, reg *out)
{
    reg v;
    eval(r, branch, s, &v);
    copy_rows(&out->v, &v.v, s);
    reg_give(r, &v);
}

/* Each row runs its WHENs up to the first that is true, and that one THEN. A WHEN that is NULL fails the row. */
static void run_case(run *r, const node *n, sel s, reg *out)
{
    uint16_t *rest = sel_take(r), *taken = sel_take(r);
    reg_take(r, n->type, out);
    int pairs = n->arg_count / 2;
    for (int i = 0; i < pairs && s.n; i++) {
        uint32_t before = r->failures;
        uint32_t count = eval_filter(r, n->args[2 * i], s, true, taken);
        s = live_rows(r, s, before, rest);
        s = (sel){rest, sel_minus(s, taken, count, rest)};
        if (count) run_branch(r, n->args[2 * i + 1], (sel){taken, count}, out);
    }
    if (n->arg_count % 2) {
        if (s.n) run_branch(r, n->args[n->arg_count - 1], s, out);
    } else {
        for (uint32_t k = 0; k < s.n; k++) vec_set_null(&out->v, sel_row(s, k));
    }
    sel_give(r, rest);
    sel_give(r, taken);
}

bool compile_case(compiler *c, node *n)
{
    n->run = run_case;
    return true;
}
