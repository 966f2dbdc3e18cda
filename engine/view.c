#include "engine/view.h"

#include "base/check.h"
#include "engine/func/agg.h"

enum { COLUMNS_MAX = 1024, DEPTH_MAX = 32 };

/* What is known while the steps behind the store are followed. */
typedef struct view {
    arena *mem;
    const view_names *names;
    str columns[COLUMNS_MAX]; /* of the step at hand, as SQL; empty: cannot be said */
    int count;
    str start, end; /* the window's bounds; empty: there is none */
    str rowtime;
    buf where;
} view;

static const plan *keeper_of(const plan *root)
{
    const plan *p = root->inputs[0];
    while (p->kind == PLAN_PROJECT || p->kind == PLAN_FILTER || p->kind == PLAN_SUPPRESS) p = p->inputs[0];
    return p;
}

str view_store(const plan *root, arena *a)
{
    const plan *p = keeper_of(root);
    if (!root->schema->is_table) return STR("");
    if (p->kind == PLAN_SOURCE && p->source.materialize) return arena_printf(a, "%.*s-Reduce", STR_ARG(p->context));
    if (p->kind == PLAN_AGGREGATE || (p->kind == PLAN_JOIN && root->sink.view))
        return arena_printf(a, "%.*s-Materialize", STR_ARG(p->context));
    return STR("");
}

static void put_name(buf *out, str name)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"') buf_add_char(out, '"');
        buf_add_char(out, name.p[i]);
    }
    buf_add_char(out, '"');
}

static str quoted(view *v, str name)
{
    buf b = {0};
    put_name(&b, name);
    str s = arena_str(v->mem, buf_str(&b));
    buf_free(&b);
    return s;
}

/* ---- the store's columns --------------------------------------------------------------------------------------- */

/* AVG is kept as a sum and a count. */
static str average(view *v, const plan_agg_call *call, str cell)
{
    type_kind k = call->args[0]->type->kind;
    if (k != TYPE_INT && k != TYPE_BIGINT && k != TYPE_DOUBLE) return STR("");
    return arena_printf(v->mem,
                        "coalesce(json_extract(%.*s, '$.SUM') * 1.0 / nullif(json_extract(%.*s, '$.COUNT'), 0), 0.0)",
                        STR_ARG(cell), STR_ARG(cell));
}

static void keep_aggregate(view *v, const plan *p)
{
    const plan_aggregate *g = &p->aggregate;
    const view_names *n = v->names;
    for (int i = 0; i < g->carried_count && i < n->cell_count; i++) v->columns[v->count++] = quoted(v, n->cells[i]);
    for (int i = 0; i < g->call_count && g->carried_count + i < n->cell_count; i++) {
        const plan_agg_call *call = &g->calls[i];
        str cell = quoted(v, n->cells[g->carried_count + i]);
        if (str_ieq(call->func->group->name, STR("AVG")))
            cell = average(v, call, cell);
        else if (!call->func->agg || call->func->agg->save)
            cell = STR("");
        v->columns[v->count++] = cell;
    }
    if (g->window.kind == WINDOW_SESSION) {
        v->start = quoted(v, n->seq);
        v->end = quoted(v, n->time);
    } else if (g->window.kind != WINDOW_NONE) {
        v->start = quoted(v, n->window_start);
        v->end = arena_printf(v->mem, "%.*s + %lld", STR_ARG(v->start), (long long)g->window.size);
    }
}

static void keep_rows(view *v, const plan *p)
{
    int cell = 0;
    const bool *needed = p->kind == PLAN_SOURCE ? p->source.needed : NULL;
    for (int i = p->schema->key_count; i < p->schema->count; i++) {
        bool kept = (!needed || needed[i]) && cell < v->names->cell_count;
        v->columns[v->count++] = kept ? quoted(v, v->names->cells[cell++]) : STR("");
    }
}

/*
 * ---- expressions
 * --------------------------------------------------------------------------------------------------
 */

static bool put(view *v, const expr *e, int depth, buf *out);

static bool put_between(view *v, const expr *e, int from, const char *separator, int depth, buf *out)
{
    for (int i = from; i < e->arg_count; i++) {
        if (i > from) buf_add_z(out, separator);
        if (!put(v, e->args[i], depth, out)) return false;
    }
    return true;
}

static bool put_constant(const expr *e, buf *out)
{
    value c = e->constant;
    if (c.null) {
        buf_add_z(out, "NULL");
        return true;
    }
    switch (e->type->kind) {
    case TYPE_BOOLEAN: buf_add_z(out, c.b ? "1" : "0"); return true;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: buf_printf(out, "%d", c.i); return true;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
        if (c.l == INT64_MIN) return false; /* its digits alone are no whole number */
        buf_printf(out, "%lld", (long long)c.l);
        return true;
    case TYPE_STRING:
        buf_add_char(out, '\'');
        for (size_t i = 0; i < c.s.n; i++) {
            if (c.s.p[i] == 0) return false;
            if (c.s.p[i] == '\'') buf_add_char(out, '\'');
            buf_add_char(out, c.s.p[i]);
        }
        buf_add_char(out, '\'');
        return true;
    default: return false;
    }
}

static bool is_whole(const type *t)
{
    return t->kind == TYPE_INT || t->kind == TYPE_BIGINT;
}

/* Kinds that SQLite compares as KSQL does; text only for equality, since KSQL orders it by UTF-16. */
static bool is_comparable(const type *t, bool by_order)
{
    switch (t->kind) {
    case TYPE_BOOLEAN:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP: return true;
    case TYPE_STRING: return !by_order;
    default: return false;
    }
}

static const char *op_text(expr_op op)
{
    switch (op) {
    case OP_ADD: return " + ";
    case OP_SUB: return " - ";
    case OP_MUL: return " * ";
    case OP_EQ: return " = ";
    case OP_NE: return " <> ";
    case OP_LT: return " < ";
    case OP_LE: return " <= ";
    case OP_GT: return " > ";
    case OP_GE: return " >= ";
    default: return NULL;
    }
}

static bool put_column(view *v, const expr *e, buf *out)
{
    str text = STR("");
    if (e->kind == EXPR_COLUMN && e->column < v->count) text = v->columns[e->column];
    if (e->kind == EXPR_PSEUDO && e->pseudo == PSEUDO_WINDOWSTART) text = v->start;
    if (e->kind == EXPR_PSEUDO && e->pseudo == PSEUDO_WINDOWEND) text = v->end;
    if (e->kind == EXPR_PSEUDO && e->pseudo == PSEUDO_ROWTIME) text = v->rowtime;
    buf_add_str(out, text);
    return text.n > 0;
}

static bool put_node(view *v, const expr *e, int depth, buf *out)
{
    switch (e->kind) {
    case EXPR_ARITH: return is_whole(e->type) && op_text(e->op) && put_between(v, e, 0, op_text(e->op), depth, out);
    case EXPR_COMPARE:
        return is_comparable(e->args[0]->type, e->op != OP_EQ && e->op != OP_NE) && op_text(e->op) &&
               put_between(v, e, 0, op_text(e->op), depth, out);
    case EXPR_AND: return put_between(v, e, 0, " AND ", depth, out);
    case EXPR_OR: return put_between(v, e, 0, " OR ", depth, out);
    case EXPR_NOT: buf_add_z(out, "NOT "); return put(v, e->args[0], depth, out);
    case EXPR_IS_NULL:
        if (!put(v, e->args[0], depth, out)) return false;
        buf_add_z(out, e->negated ? " IS NOT NULL" : " IS NULL");
        return true;
    case EXPR_BETWEEN:
        if (!is_comparable(e->args[0]->type, true) || !put(v, e->args[0], depth, out)) return false;
        buf_add_z(out, e->negated ? " NOT BETWEEN " : " BETWEEN ");
        return put_between(v, e, 1, " AND ", depth, out);
    case EXPR_CAST:
        /* A wider whole number is the same number. */
        return e->args[0]->type->kind == TYPE_INT && is_whole(e->type) && put(v, e->args[0], depth, out);
    default: return false;
    }
}

static bool put(view *v, const expr *e, int depth, buf *out)
{
    if (depth > DEPTH_MAX) return false;
    if (e->kind == EXPR_CONST) return put_constant(e, out);
    if (e->kind == EXPR_COLUMN || e->kind == EXPR_PSEUDO) return put_column(v, e, out);
    buf_add_char(out, '(');
    bool ok = put_node(v, e, depth + 1, out);
    buf_add_char(out, ')');
    return ok;
}

/*
 * ---- steps behind the store
 * -----------------------------------------------------------------------------------------
 */

static bool follow_filter(view *v, const plan *p)
{
    buf text = {0};
    bool ok = put(v, p->filter.predicate, 0, &text);
    if (ok) {
        buf_add_z(&v->where, v->where.len > 0 ? " AND " : " WHERE ");
        buf_add_str(&v->where, buf_str(&text));
    }
    buf_free(&text);
    return ok;
}

static bool follow_project(view *v, const plan *p)
{
    int keys = p->schema->key_count;
    if (keys + p->project.count > COLUMNS_MAX) return false;
    str *next = ARENA_ARRAY(v->mem, str, COLUMNS_MAX);
    for (int i = 0; i < keys; i++) next[i] = v->columns[p->project.key_columns[i]];
    for (int i = 0; i < p->project.count; i++) {
        buf text = {0};
        next[keys + i] = put(v, p->project.exprs[i], 0, &text) ? arena_str(v->mem, buf_str(&text)) : STR("");
        buf_free(&text);
    }
    v->count = keys + p->project.count;
    memcpy(v->columns, next, (size_t)v->count * sizeof *next);
    return true;
}

/* From the store outwards: the steps are met from the sink, so the deepest goes first. */
static bool follow(view *v, const plan *p, const plan *keeper)
{
    if (p == keeper) return true;
    if (!follow(v, p->inputs[0], keeper)) return false;
    if (p->kind == PLAN_FILTER) return follow_filter(v, p);
    return p->kind != PLAN_PROJECT || follow_project(v, p);
}

/* An item of the SELECT, unless a column of this name (SQLite ignores case) is there already. */
static void put_item(view *v, str text, str name, const schema *s, int before, int *items, buf *out)
{
    if (text.n == 0) return;
    for (int i = 0; i < before; i++) {
        if (str_ieq(s->columns[i].name, name)) return;
    }
    buf_add_z(out, (*items)++ > 0 ? ", " : "");
    buf_add_str(out, text);
    buf_add_z(out, " AS ");
    put_name(out, name);
}

bool view_select(const plan *root, const view_names *names, buf *out)
{
    const plan *keeper = keeper_of(root);
    if (keeper->schema->count > COLUMNS_MAX || names->key_count != keeper->schema->key_count) return false;
    arena *mem = arena_new();
    view *v = ARENA_NEW(mem, view);
    v->mem = mem;
    v->names = names;
    for (int i = 0; i < names->key_count; i++) v->columns[v->count++] = quoted(v, names->keys[i]);
    if (keeper->kind == PLAN_AGGREGATE)
        keep_aggregate(v, keeper);
    else
        keep_rows(v, keeper);
    int rowtime = keeper->kind == PLAN_AGGREGATE ? names->cell_count - 1 : names->cell_count - 3;
    if (rowtime >= 0) v->rowtime = quoted(v, names->cells[rowtime]);
    bool ok = v->count == keeper->schema->count && follow(v, root->inputs[0], keeper);
    const schema *s = root->schema;
    size_t before = out->len;
    int items = 0;
    if (ok && v->count == s->count) {
        buf_add_z(out, "SELECT ");
        for (int i = 0; i < s->key_count; i++) put_item(v, v->columns[i], s->columns[i].name, s, i, &items, out);
        put_item(v, v->start, STR("windowstart"), s, s->count, &items, out);
        put_item(v, v->end, STR("windowend"), s, s->count, &items, out);
        for (int i = s->key_count; i < s->count; i++) put_item(v, v->columns[i], s->columns[i].name, s, i, &items, out);
        buf_add_z(out, " FROM ");
        put_name(out, names->table);
        buf_add_str(out, buf_str(&v->where));
    }
    if (items == 0) out->len = before;
    buf_free(&v->where);
    arena_free(mem);
    return items > 0;
}
