/* Building and taking apart nested values: ARRAY[], MAP(), STRUCT(), a[i], m[k], s->f. */
#include "engine/expr/node.h"

enum { PARTS_MAX = 1024 };

/* Evaluates all arguments; s becomes the rows that are left. */
static reg *eval_parts(run *r, const node *n, sel *s, uint16_t *room)
{
    uint32_t before = r->failures;
    reg *parts = ARENA_ARRAY(r->in->mem, reg, (size_t)n->arg_count);
    for (int i = 0; i < n->arg_count; i++) {
        eval(r, n->args[i], *s, &parts[i]);
        *s = live_rows(r, *s, before, room);
    }
    return parts;
}

static void give_parts(run *r, const node *n, reg *parts)
{
    for (int i = 0; i < n->arg_count; i++) reg_give(r, &parts[i]);
}

static void run_items(run *r, const node *n, sel s, reg *out)
{
    uint16_t *room = sel_take(r);
    reg *parts = eval_parts(r, n, &s, room);
    reg_take(r, n->type, out);
    uint32_t count = (uint32_t)n->arg_count;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        nested *nest = ARENA_NEW(r->in->mem, nested);
        value *items = ARENA_ARRAY(r->in->mem, value, count);
        for (uint32_t i = 0; i < count; i++) items[i] = vec_get(&parts[i].v, row);
        *nest = (nested){.n = count, .items = items};
        out->v.nest[row] = nest;
    }
    give_parts(r, n, parts);
    sel_give(r, room);
}

/* A key that comes again replaces the value of the first. */
static void run_map(run *r, const node *n, sel s, reg *out)
{
    uint16_t *room = sel_take(r);
    reg *parts = eval_parts(r, n, &s, room);
    reg_take(r, n->type, out);
    uint32_t pairs = (uint32_t)n->arg_count / 2;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        nested *nest = ARENA_NEW(r->in->mem, nested);
        value *keys = ARENA_ARRAY(r->in->mem, value, pairs), *items = ARENA_ARRAY(r->in->mem, value, pairs);
        for (uint32_t i = 0; i < pairs; i++) {
            value key = vec_get(&parts[2 * i].v, row);
            uint32_t at = 0;
            while (at < nest->n && !value_eq(n->type->key, keys[at], key)) at++;
            if (at == nest->n) keys[nest->n++] = key;
            items[at] = vec_get(&parts[2 * i + 1].v, row);
        }
        nest->keys = keys;
        nest->items = items;
        out->v.nest[row] = nest;
    }
    give_parts(r, n, parts);
    sel_give(r, room);
}

static void run_field(run *r, const node *n, sel s, reg *out)
{
    uint16_t *room = sel_take(r);
    reg *parts = eval_parts(r, n, &s, room);
    reg_take(r, n->type, out);
    int index = n->e->index;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        if (vec_is_null(&parts[0].v, row))
            vec_set_null(&out->v, row);
        else
            vec_set(&out->v, row, parts[0].v.nest[row]->items[index]);
    }
    give_parts(r, n, parts);
    sel_give(r, room);
}

/* Positions count from 1, negative ones from the end; 0 and what lies outside is NULL. */
static value array_item(const nested *a, int32_t index)
{
    int64_t at = index >= 0 ? (int64_t)index - 1 : (int64_t)a->n + index;
    return at >= 0 && at < a->n ? a->items[at] : value_null();
}

static value map_item(const type *t, const nested *m, value key)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (value_eq(t->key, m->keys[i], key)) return m->items[i];
    }
    return value_null();
}

static void run_element(run *r, const node *n, sel s, reg *out)
{
    uint16_t *room = sel_take(r);
    reg *parts = eval_parts(r, n, &s, room);
    reg_take(r, n->type, out);
    const type *t = n->args[0]->type;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        value index = vec_get(&parts[1].v, row);
        if (vec_is_null(&parts[0].v, row))
            vec_set_null(&out->v, row);
        else if (t->kind == TYPE_MAP)
            vec_set(&out->v, row, map_item(t, parts[0].v.nest[row], index));
        else if (index.null)
            fail_row(r, row, STR("the index of an array is null"));
        else
            vec_set(&out->v, row, array_item(parts[0].v.nest[row], index.i));
    }
    give_parts(r, n, parts);
    sel_give(r, room);
}

bool compile_construct(compiler *c, node *n)
{
    if (n->arg_count > PARTS_MAX) return diag_at(c->d, n->e->at, DIAG_LIMIT, "More than %d elements.", PARTS_MAX);
    switch (n->e->kind) {
    case EXPR_FIELD: n->run = run_field; break;
    case EXPR_ELEMENT:
        check(n->args[0]->type->kind == TYPE_MAP || n->args[1]->type->kind == TYPE_INT);
        n->run = run_element;
        break;
    case EXPR_MAP: n->run = run_map; break;
    default: n->run = run_items; break;
    }
    return true;
}
