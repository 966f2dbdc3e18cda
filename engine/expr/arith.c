/*
 * Arithmetic: integer and DOUBLE loops, DECIMAL and division row by row because rows can fail there. A NULL operand
 * is an error of the row (KSQL unboxes a null), not NULL.
 */
#include <math.h>

#include "engine/expr/node.h"

/* The operands of a binary node, and the rows that are left: neither failed nor NULL. */
typedef struct operands {
    reg a, b;
    const void *pa, *pb; /* the data, or the constant */
    uint16_t *room;
    sel s;
} operands;

static const void *const_data(const node *n)
{
    return &n->constant.b; /* all members of the union start here */
}

/* Reports the rows that are NULL; the others remain, in `room`. */
static sel fail_nulls(run *r, const vec *v, sel s, uint16_t *room)
{
    uint16_t *left = sel_take(r);
    uint32_t n = drop_nulls(v, NULL, s, left), i = 0;
    /* As many rows follow as are left: none of them is NULL. */
    for (uint32_t k = 0; s.n - k > n - i; k++) {
        uint32_t row = sel_row(s, k);
        if (i < n && left[i] == row)
            i++;
        else
            fail_row(r, row, STR("an operand of an arithmetic expression is null"));
    }
    memcpy(room, left, sizeof *room * n);
    sel_give(r, left);
    return (sel){room, n};
}

static void take_operands(run *r, const node *n, sel s, operands *o)
{
    uint32_t before = r->failures;
    o->a.owned = o->b.owned = false;
    o->room = sel_take(r);
    for (int i = 0; i < 2; i++) {
        const node *arg = n->args[i];
        reg *v = i ? &o->b : &o->a;
        const void **p = i ? &o->pb : &o->pa;
        if (arg->is_const && !arg->constant.null) {
            *p = const_data(arg);
            continue;
        }
        eval(r, arg, s, v);
        s = live_rows(r, s, before, o->room);
        *p = v->v.data;
        if (any_null(r, &v->v)) {
            s = fail_nulls(r, &v->v, s, o->room);
            before = r->failures;
        }
    }
    o->s = s;
}

static void give_operands(run *r, operands *o)
{
    reg_give(r, &o->a);
    reg_give(r, &o->b);
    sel_give(r, o->room);
}

static void run_arith(run *r, const node *n, sel s, reg *out)
{
    operands o;
    take_operands(r, n, s, &o);
    reg_take(r, n->type, out);
    n->arith(o.pa, o.pb, out->v.data, o.s.rows, o.s.n);
    give_operands(r, &o);
}

/* Integer division and remainder: truncating, with errors for zero; the smallest value by -1 wraps. */
#define INTEGER_DIVISION(NAME, T, MEMBER)                                                                              \
    static void NAME(run *r, const node *n, sel s, reg *out)                                                           \
    {                                                                                                                  \
        operands o;                                                                                                    \
        take_operands(r, n, s, &o);                                                                                    \
        reg_take(r, n->type, out);                                                                                     \
        const T *a = o.pa, *b = o.pb;                                                                                  \
        uint32_t sa = n->args[0]->is_const ? 0 : 1, sb = n->args[1]->is_const ? 0 : 1;                                 \
        bool mod = n->op == OP_MOD;                                                                                    \
        for (uint32_t k = 0; k < o.s.n; k++) {                                                                         \
            uint32_t row = sel_row(o.s, k);                                                                            \
            T x = a[row * sa], y = b[row * sb];                                                                        \
            if (unlikely(y == 0))                                                                                      \
                fail_row(r, row, STR("/ by zero"));                                                                    \
            else if (unlikely(y == -1))                                                                                \
                out->v.MEMBER[row] = mod ? 0 : (T)(0 - (u##T)x);                                                       \
            else                                                                                                       \
                out->v.MEMBER[row] = mod ? x % y : x / y;                                                              \
        }                                                                                                              \
        give_operands(r, &o);                                                                                          \
    }
INTEGER_DIVISION(run_divide_int, int32_t, i)
INTEGER_DIVISION(run_divide_bigint, int64_t, l)

static void run_decimal(run *r, const node *n, sel s, reg *out)
{
    typedef decimal_status (*operation)(decimal, int, decimal, int, decimal_type, decimal *);
    static const operation operations[] = {decimal_add, decimal_sub, decimal_mul, decimal_div, decimal_mod};
    operands o;
    take_operands(r, n, s, &o);
    reg_take(r, n->type, out);
    const decimal *a = o.pa, *b = o.pb;
    uint32_t sa = n->args[0]->is_const ? 0 : 1, sb = n->args[1]->is_const ? 0 : 1;
    int scale_a = n->args[0]->type->scale, scale_b = n->args[1]->type->scale;
    decimal_type dt = {n->type->precision, n->type->scale};
    operation op = operations[n->op];
    for (uint32_t k = 0; k < o.s.n; k++) {
        uint32_t row = sel_row(o.s, k);
        decimal_status status = op(a[row * sa], scale_a, b[row * sb], scale_b, dt, &out->v.dec[row]);
        if (unlikely(status != DECIMAL_OK)) fail_row(r, row, str_z(decimal_status_text(status)));
    }
    give_operands(r, &o);
}

static void run_negate(run *r, const node *n, sel s, reg *out)
{
    uint32_t before = r->failures;
    uint16_t *room = sel_take(r);
    reg a;
    eval(r, n->args[0], s, &a);
    s = live_rows(r, s, before, room);
    if (any_null(r, &a.v)) s = fail_nulls(r, &a.v, s, room);
    reg_take(r, n->type, out);
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        switch (n->type->kind) {
        case TYPE_INT: out->v.i[row] = (int32_t)(0 - (uint32_t)a.v.i[row]); break;
        case TYPE_BIGINT: out->v.l[row] = (int64_t)(0 - (uint64_t)a.v.l[row]); break;
        case TYPE_DOUBLE: out->v.d[row] = -a.v.d[row]; break;
        default: out->v.dec[row] = -a.v.dec[row]; break;
        }
    }
    reg_give(r, &a);
    sel_give(r, room);
}

/* STRING + STRING: Java's operator on String prints a null as "null". */
static void run_concat(run *r, const node *n, sel s, reg *out)
{
    uint32_t before = r->failures;
    uint16_t *room = sel_take(r);
    reg v[2];
    for (int i = 0; i < 2; i++) {
        eval(r, n->args[i], s, &v[i]);
        s = live_rows(r, s, before, room);
    }
    reg_take(r, n->type, out);
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        str a = vec_is_null(&v[0].v, row) ? STR("null") : v[0].v.s[row];
        str b = vec_is_null(&v[1].v, row) ? STR("null") : v[1].v.s[row];
        char *p = arena_alloc(r->in->mem, a.n + b.n + 1);
        if (a.n) memcpy(p, a.p, a.n);
        if (b.n) memcpy(p + a.n, b.p, b.n);
        out->v.s[row] = str_of(p, a.n + b.n);
    }
    reg_give(r, &v[0]);
    reg_give(r, &v[1]);
    sel_give(r, room);
}

bool compile_arith(compiler *c, node *n)
{
    if (n->e->kind == EXPR_NEGATE) {
        n->run = run_negate;
        return true;
    }
    if (n->e->kind == EXPR_CONCAT) {
        n->run = run_concat;
        return true;
    }
    n->op = n->e->op;
    const node *a = n->args[0], *b = n->args[1];
    check(a->type->kind == b->type->kind && a->type->kind == n->type->kind);
    /* Two constants: the loops know one at most. */
    if (a->is_const && b->is_const) {
        node *copy = ARENA_NEW(c->mem, node);
        *copy = *a;
        copy->is_const = false;
        n->args[0] = a = copy;
    }
    enum kernel_shape shape = b->is_const && !b->constant.null   ? SHAPE_VC
                              : a->is_const && !a->constant.null ? SHAPE_CV
                                                                 : SHAPE_VV;
    n->arith = kernel_arith(n->type->kind, n->op, shape);
    if (n->arith)
        n->run = run_arith;
    else if (n->type->kind == TYPE_INT)
        n->run = run_divide_int;
    else if (n->type->kind == TYPE_BIGINT)
        n->run = run_divide_bigint;
    else if (n->type->kind == TYPE_DECIMAL)
        n->run = run_decimal;
    else
        return diag_at(c->d, n->e->at, DIAG_INTERNAL, "arithmetic over %s", type_kind_name(n->type->kind));
    return true;
}
