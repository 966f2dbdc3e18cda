/* GROUP BY: the re-keying before it, the aggregate calls, HAVING, EMIT FINAL. */
#include "base/check.h"
#include "engine/func/agg.h"
#include "sql/format_rules.h"
#include "sql/plan_build.h"

/* One aggregate call of the projection or HAVING. */
typedef struct agg_call {
    const ast_expr *from;
    str column; /* name in the store */
    const type *of; /* of the result */
    int at; /* column of the aggregate's output */
} agg_call;

/* The aggregation of a query while it is planned. */
typedef struct agg_plan {
    agg_call *calls;
    int count;
    const ast_expr **groups; /* the group expressions, or the constant of an aggregate without GROUP BY */
    int group_count;
    bool windowed;
} agg_plan;

enum { DAY_MS = 86400000 };

/* ---- which calls there are, and what they read ------------------------------------------------------------ */

typedef struct collector {
    planner *p;
    agg_plan *ap;
    bool failed;
} collector;

static void add_call(collector *c, const ast_expr *e)
{
    for (int i = 0; i < c->ap->count; i++) {
        if (ast_expr_equal(c->ap->calls[i].from, e)) return;
    }
    agg_call *grown = ARENA_ARRAY(c->p->an->a, agg_call, (size_t)c->ap->count + 1);
    for (int i = 0; i < c->ap->count; i++) grown[i] = c->ap->calls[i];
    grown[c->ap->count++] = (agg_call){.from = e};
    c->ap->calls = grown;
}

static ast_visit collect_call(const ast_expr *e, void *arg)
{
    collector *c = arg;
    if (e->kind != AST_EXPR_CALL) return AST_VISIT_CONTINUE;
    const func_group *g = func_find(e->u.call.function.text);
    if (!g || g->kind != FUNC_AGGREGATE) return AST_VISIT_CONTINUE;
    for (uint32_t i = 0; i < e->u.call.args.n; i++) {
        const ast_expr *inner = typeck_find_aggregate(e->u.call.args.items[i]);
        if (!inner) continue;
        c->failed = true;
        diag_at(c->p->d, inner->at, DIAG_STATEMENT, "Aggregate functions can not be nested: %.*s(%.*s())",
                STR_ARG(e->u.call.function.text), STR_ARG(inner->u.call.function.text));
        return AST_VISIT_STOP;
    }
    add_call(c, e);
    return AST_VISIT_PRUNE;
}

static bool collect_calls(planner *p, agg_plan *ap)
{
    collector c = {p, ap, false};
    for (int i = 0; i < p->an->item_count && !c.failed; i++) {
        if (p->an->items[i].kind != AST_ITEM_STAR) ast_expr_walk(p->an->items[i].e, collect_call, &c);
    }
    if (p->an->having && !c.failed) ast_expr_walk(p->an->having, collect_call, &c);
    if (c.failed) return false;
    if (ap->count) return true;
    return diag_at(p->d, p->an->query->group_at, DIAG_STATEMENT,
                   "GROUP BY requires aggregate functions in either the SELECT or HAVING clause.");
}

/* The columns that calls read, marked by position. */
typedef struct reader_walk {
    const scope *names;
    bool *read;
    const ast_expr *bound; /* a window bound inside an aggregate */
} reader_walk;

static ast_visit mark_read(const ast_expr *e, void *arg)
{
    reader_walk *w = arg;
    if (e->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    if (pseudo_is_window_bound(e->u.column.name.text) && !w->bound) w->bound = e;
    const scope_entry *found = scope_find(w->names, e->u.column.source.text, e->u.column.name.text);
    if (found && found->column >= 0) w->read[found->column] = true;
    return AST_VISIT_CONTINUE;
}

static bool refuse_bound(planner *p, const ast_expr *e)
{
    return diag_at(p->d, e->at, DIAG_STATEMENT,
                   "Window bounds column %.*s can only be used in the SELECT clause of windowed aggregations and can "
                   "not be passed to "
                   "aggregate functions.",
                   STR_ARG(e->u.column.name.text));
}

static ast_visit find_bound(const ast_expr *e, void *arg)
{
    const ast_expr **found = arg;
    if (e->kind != AST_EXPR_COLUMN || !pseudo_is_window_bound(e->u.column.name.text)) return AST_VISIT_CONTINUE;
    *found = e;
    return AST_VISIT_STOP;
}

/* The bounds of the window that is being made exist in the projection alone. */
static bool check_bounds(planner *p, const agg_plan *ap)
{
    const ast_expr *found = NULL;
    if (!ap->windowed) return true;
    ast_expr_walk(p->an->where, find_bound, &found);
    ast_expr_walk(p->an->having, find_bound, &found);
    for (int i = 0; i < ap->group_count; i++) ast_expr_walk(ap->groups[i], find_bound, &found);
    for (int i = 0; i < ap->count; i++) {
        for (uint32_t k = 0; k < ap->calls[i].from->u.call.args.n; k++)
            ast_expr_walk(ap->calls[i].from->u.call.args.items[k], find_bound, &found);
    }
    return found ? refuse_bound(p, found) : true;
}

/* ---- what is neither aggregated nor grouped --------------------------------------------------------------- */

typedef struct group_walk {
    const agg_plan *ap;
    const ast_expr *loose;
} group_walk;

static ast_visit visit_loose(const ast_expr *e, void *arg)
{
    group_walk *w = arg;
    for (int i = 0; i < w->ap->group_count; i++) {
        if (ast_expr_equal(e, w->ap->groups[i])) return AST_VISIT_PRUNE;
    }
    for (int i = 0; i < w->ap->count; i++) {
        if (ast_expr_equal(e, w->ap->calls[i].from)) return AST_VISIT_PRUNE;
    }
    if (e->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    if (w->ap->windowed && pseudo_is_window_bound(e->u.column.name.text)) return AST_VISIT_CONTINUE;
    w->loose = e;
    return AST_VISIT_STOP;
}

/* Is the column known at all? An unknown one is the more useful message. */
static bool check_known(planner *p, const node *n, const ast_expr *e, const char *clause)
{
    typeck t = plan_checker(p, n, clause);
    expr *ignored;
    ast_unit unit;
    if (!e->u.column.source.text.p && ast_unit_of(e->u.column.name.text, &unit)) return true;
    return typeck_expr(&t, e, &ignored);
}

static bool check_loose(planner *p, const node *n, const agg_plan *ap)
{
    for (int i = 0; i < p->an->item_count; i++) {
        const analysis_item *item = &p->an->items[i];
        if (item->kind == AST_ITEM_STAR) continue;
        group_walk w = {ap, NULL};
        ast_expr_walk(item->e, visit_loose, &w);
        ast_unit unit;
        if (!w.loose || (!w.loose->u.column.source.text.p && ast_unit_of(w.loose->u.column.name.text, &unit))) continue;
        if (!check_known(p, n, w.loose, "SELECT")) return false;
        typeck t = plan_checker(p, n, "SELECT");
        diag_at(p->d, item->e->at, DIAG_STATEMENT, "Non-aggregate SELECT expression(s) not part of GROUP BY: %.*s",
                STR_ARG(typeck_text(&t, item->e)));
        return diag_hint(p->d, "Either add the column(s) to the GROUP BY or remove them from the SELECT.");
    }
    if (!p->an->having) return true;
    group_walk w = {ap, NULL};
    ast_expr_walk(p->an->having, visit_loose, &w);
    if (!w.loose) return true;
    if (!check_known(p, n, w.loose, "HAVING")) return false;
    diag_at(p->d, w.loose->at, DIAG_STATEMENT, "Non-aggregate HAVING expression not part of GROUP BY: %.*s",
            STR_ARG(w.loose->u.column.name.text));
    return diag_hint(p->d, "Consider switching the HAVING clause to a WHERE clause before the GROUP BY.");
}

/* ---- the window ------------------------------------------------------------------------------------------- */

static bool positive(planner *p, const ast_duration *dur, const char *what, int64_t *out)
{
    *out = ast_duration_ms(*dur);
    if (dur->value > 0) return true;
    return diag_at(p->d, dur->at, DIAG_STATEMENT, "%s must be greater than zero, but is %lld.", what,
                   (long long)dur->value);
}

static bool plan_window_of(planner *p, const ast_window *w, bool final, plan_window *out)
{
    *out = (plan_window){.kind = w->kind == AST_WINDOW_TUMBLING  ? WINDOW_TUMBLING
                                 : w->kind == AST_WINDOW_HOPPING ? WINDOW_HOPPING
                                                                 : WINDOW_SESSION};
    if (!positive(p, &w->size, w->kind == AST_WINDOW_SESSION ? "Session gap" : "Window size", &out->size)) return false;
    out->advance = out->size;
    if (w->advance.present && !positive(p, &w->advance, "Window advance", &out->advance)) return false;
    if (out->advance > out->size) {
        return diag_at(p->d, w->advance.at, DIAG_STATEMENT, "ADVANCE BY must not be larger than the window's SIZE.");
    }
    /* Windows that are emitted once close at once unless told otherwise; the others stay open for a day. */
    out->grace = final || out->size >= DAY_MS ? 0 : DAY_MS - out->size;
    if (w->grace.present) {
        if (w->grace.value < 0) return diag_at(p->d, w->grace.at, DIAG_STATEMENT, "GRACE PERIOD must not be negative.");
        out->grace = ast_duration_ms(w->grace);
    }
    int64_t needed = INT64_MAX - out->size < out->grace ? INT64_MAX : out->size + out->grace;
    out->retention = needed;
    if (w->retention.present) {
        out->retention = ast_duration_ms(w->retention);
        if (out->retention < needed) {
            return diag_at(p->d, w->retention.at, DIAG_STATEMENT,
                           "The window's RETENTION must be at least its SIZE plus its GRACE PERIOD (%lld ms).",
                           (long long)needed);
        }
    }
    return true;
}

/* ---- building --------------------------------------------------------------------------------------------- */

/* The name of group column k: that of the projection, else the column's or a made-up one. */
static str group_name(planner *p, const node *n, const agg_plan *ap, int k, name_maker *maker)
{
    const ast_expr *e = ap->groups[k];
    for (int i = 0; i < p->an->item_count; i++) {
        const analysis_item *item = &p->an->items[i];
        if (item->kind == AST_ITEM_EXPR && ast_expr_equal(item->e, e)) return arena_str(p->a, item->alias);
    }
    if (e->kind == AST_EXPR_COLUMN) return arena_str(p->a, e->u.column.name.text);
    return arena_str(p->a, name_maker_for(maker, e));
}

static bool rekey_groups(planner *p, node *n, agg_plan *ap)
{
    const schema *s = n->step->schema;
    const expr **keys = ARENA_ARRAY(p->a, const expr *, (size_t)ap->group_count + 1);
    const type **types = ARENA_ARRAY(p->an->a, const type *, (size_t)ap->group_count + 1);
    str *names = ARENA_ARRAY(p->a, str, (size_t)ap->group_count + 1);
    name_maker maker = {.a = p->an->a};
    name_maker_avoid(&maker, s);
    for (int k = 0; k < ap->group_count; k++) {
        typeck t = plan_checker(p, n, "GROUP BY");
        expr *e;
        if (!typeck_expr(&t, ap->groups[k], &e)) return false;
        if (e->type->kind == TYPE_NULL) return diag_at(p->d, e->at, DIAG_STATEMENT, "GROUP BY NULL is not supported.");
        names[k] = group_name(p, n, ap, k, &maker);
        if (!plan_check_key_type(p, e->type, names[k], e->at)) return false;
        keys[k] = e;
        types[k] = e->type;
    }
    reader_walk w = {&n->names, ARENA_ARRAY(p->an->a, bool, (size_t)s->count + 1), NULL};
    for (int i = 0; i < ap->count; i++) {
        for (uint32_t k = 0; k < ap->calls[i].from->u.call.args.n; k++)
            ast_expr_walk(ap->calls[i].from->u.call.args.items[k], mark_read, &w);
    }
    int *keep = ARENA_ARRAY(p->an->a, int, (size_t)s->count + 1), keep_count = 0;
    for (int i = 0; i < s->count; i++) {
        bool is_key = false;
        for (int k = 0; k < ap->group_count; k++)
            is_key = is_key || (keys[k]->kind == EXPR_COLUMN && keys[k]->column == i);
        if (w.read[i] && !is_key) keep[keep_count++] = i;
    }
    bool same = !s->is_table && s->window == WINDOW_NONE && s->key_count == 1 && ap->group_count == 1 &&
                keys[0]->kind == EXPR_COLUMN && keys[0]->column == 0;
    format_spec key_format = format_key_for(n->key_format, types, ap->group_count, plan_default_key_format(p));
    return plan_rekey_step(p, n, "Aggregate-GroupBy", keys, names, ap->group_count, keep, keep_count, !same, true,
                           key_format);
}

static str call_column(planner *p, const agg_plan *ap, int index)
{
    const ast_expr *e = ap->calls[index].from;
    for (int i = 0; i < p->an->item_count; i++) {
        const analysis_item *item = &p->an->items[i];
        if (item->kind == AST_ITEM_EXPR && item->aliased && ast_expr_equal(item->e, e))
            return arena_str(p->a, item->alias);
    }
    return arena_printf(p->a, "KSQL_AGG_VARIABLE_%d", index);
}

/* Aggregates that cannot take a row back are refused on tables, all of them in one message. */
static bool check_undo(planner *p, const agg_plan *ap, const agg *const *bound)
{
    buf names = {0};
    int n = 0;
    const ast_expr *first = NULL;
    for (int i = 0; i < ap->count; i++) {
        if (agg_can_undo(bound[i])) continue;
        if (!first) first = ap->calls[i].from;
        n++;
    }
    if (n == 0) return true;
    int seen = 0;
    for (int i = 0; i < ap->count; i++) {
        if (agg_can_undo(bound[i])) continue;
        str name = func_find(ap->calls[i].from->u.call.function.text)->name;
        buf_printf(&names, "%s%.*s", seen == 0 ? "" : seen == n - 1 ? " and " : ", ", STR_ARG(name));
        seen++;
    }
    diag_at(p->d, first->at, DIAG_STATEMENT,
            "The aggregation function%s %s cannot be applied to a table source, only to a stream source.",
            n > 1 ? "s" : "", buf_z(&names));
    buf_free(&names);
    return false;
}

/* What an aggregate keeps travels in the source's value format, which must be able to carry it. */
static bool check_states(planner *p, const agg_plan *ap, const agg *const *bound)
{
    format_kind format = p->an->sources[0].src->value_format.spec.kind;
    for (int i = 0; i < ap->count; i++) {
        const type *state = bound[i]->state_type;
        if (!state || format_carries(format, state, false)) continue;
        return diag_at(p->d, ap->calls[i].from->at, DIAG_STATEMENT,
                       "One of the functions used in the statement has an intermediate type that the value format can "
                       "not handle. Please "
                       "remove the function or change the format.\nFunction: %.*s. Format: %s.",
                       STR_ARG(ap->calls[i].from->u.call.function.text), format_rules_of(format)->name);
    }
    return true;
}

static bool constant_argument(planner *p, const ast_expr *from, const expr *e, value *out)
{
    if (e->kind == EXPR_CONST) {
        *out = e->constant;
        return true;
    }
    return diag_at(p->d, from->at, DIAG_STATEMENT, "This parameter of an aggregate function must be a constant.");
}

/* The argument list that stands for "the row". */
static const ast_exprs *row_argument(planner *p, span at)
{
    ast_exprs *list = ARENA_NEW(p->an->a, ast_exprs);
    list->items = ARENA_ARRAY(p->an->a, ast_expr *, 1);
    list->items[0] = ast_expr_new(p->an->a, AST_EXPR_BIGINT, at);
    list->items[0]->u.integer = 1;
    list->n = 1;
    return list;
}

static bool plan_call(planner *p, const node *n, agg_call *c, plan_agg_call *out, const agg **bound)
{
    /* COUNT(*) counts rows: something that is never NULL. */
    const ast_exprs *from = c->from->u.call.args.n ? &c->from->u.call.args : row_argument(p, c->from->at);
    int count = (int)from->n;
    typeck t = plan_checker(p, n, "An aggregate's argument");
    t.substs = NULL;
    t.subst_count = 0;
    const expr **args = ARENA_ARRAY(p->a, const expr *, (size_t)count + 1);
    func_arg *given = ARENA_ARRAY(p->an->a, func_arg, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        expr *e;
        if (!typeck_expr(&t, from->items[i], &e)) return false;
        args[i] = e;
        given[i] = (func_arg){.type = e->type};
    }
    const func *f = func_resolve(func_find(c->from->u.call.function.text), given, count, c->from->at, p->d);
    if (!f) return false;
    int constants = func_constant_args(f, count);
    value *init = ARENA_ARRAY(p->a, value, (size_t)constants + 1);
    const type **types = ARENA_ARRAY(p->a, const type *, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        const type *to = func_param_type(p->a, f, given, count, i);
        if (to) args[i] = typeck_cast(&t, args[i], to);
        types[i] = args[i]->type;
        int k = i - (count - constants);
        if (k >= 0 && !constant_argument(p, from->items[i], args[i], &init[k])) return false;
    }
    c->of = func_result_type(p->a, f, given, count, c->from->at, p->d);
    if (!c->of) return false;
    *out = (plan_agg_call){f, args, count - constants, init, constants, c->column};
    diag why = {0};
    *bound = agg_new(p->a, f, types, count - constants, init, constants, NULL, &why);
    return *bound ? true : diag_at(p->d, c->from->at, DIAG_STATEMENT, "%s", why.text);
}

/* After aggregation only group columns, calls and the bounds of the window have names. */
static scope aggregate_scope(planner *p, const schema *s, const scope *before)
{
    scope_entry *entries =
        ARENA_ARRAY(p->an->a, scope_entry, (size_t)(s->key_count + before->count + 2 * p->an->source_count) + 2);
    int n = 0;
    for (int i = 0; i < before->count; i++) {
        if (before->entries[i].column >= 0 && before->entries[i].column < s->key_count &&
            before->entries[i].qualifier.n)
            entries[n++] = before->entries[i];
    }
    /* With or without the source's name in front; behind a join they have no name, as in ksqlDB. */
    for (int i = -1; s->window != WINDOW_NONE && p->an->source_count == 1 && i < 1; i++) {
        str from = i < 0 ? STR("") : p->an->sources[i].alias;
        entries[n++] = (scope_entry){from, STR("WINDOWSTART"), type_simple(TYPE_BIGINT), -1, PSEUDO_WINDOWSTART, false};
        entries[n++] = (scope_entry){from, STR("WINDOWEND"), type_simple(TYPE_BIGINT), -1, PSEUDO_WINDOWEND, false};
    }
    return (scope){entries, n};
}

static bool build_aggregate(planner *p, node *n, agg_plan *ap, const plan_window *window)
{
    const schema *from = n->step->schema;
    column *columns = ARENA_ARRAY(p->a, column, (size_t)(from->key_count + ap->count) + 1);
    plan_agg_call *calls = ARENA_ARRAY(p->a, plan_agg_call, (size_t)ap->count);
    const agg **bound = ARENA_ARRAY(p->an->a, const agg *, (size_t)ap->count);
    for (int k = 0; k < from->key_count; k++) columns[k] = from->columns[k];
    for (int i = 0; i < ap->count; i++) {
        ap->calls[i].column = call_column(p, ap, i);
        ap->calls[i].at = from->key_count + i;
        if (!plan_call(p, n, &ap->calls[i], &calls[i], &bound[i])) return false;
        columns[from->key_count + i] =
            (column){.name = ap->calls[i].column, .type = ap->calls[i].of, .role = COLUMN_VALUE};
    }
    if (from->is_table && window->kind != WINDOW_NONE) {
        return diag_at(p->d, p->an->query->window->at, DIAG_STATEMENT,
                       "Windowing not supported for table aggregations.");
    }
    if (from->is_table && !check_undo(p, ap, bound)) return false;
    if (!check_states(p, ap, bound)) return false;
    schema *s = schema_new(p->a, columns, from->key_count + ap->count);
    s->is_table = true;
    s->window = window->kind;
    s->window_size = window->kind == WINDOW_SESSION ? 0 : window->size;
    plan *step = plan_step(p, PLAN_AGGREGATE, "Aggregate-Aggregate", n->step, s);
    step->aggregate = (plan_aggregate){.calls = calls, .call_count = ap->count, .window = *window};
    n->names = aggregate_scope(p, s, &n->names);
    n->step = step;
    return true;
}

static bool plan_having(planner *p, node *n)
{
    if (!p->an->having) return true;
    typeck t = plan_checker(p, n, "HAVING");
    t.time_literals = true;
    expr *predicate;
    if (!typeck_filter(&t, p->an->having, &predicate)) return false;
    plan *step = plan_step(p, PLAN_FILTER, "Aggregate-HavingFilter", n->step, n->step->schema);
    step->filter.predicate = predicate;
    n->step = step;
    return true;
}

/* An aggregate without GROUP BY has one group, keyed by a constant. */
static bool whole_group(planner *p, agg_plan *ap)
{
    if (p->an->persistent) {
        return diag_at(
            p->d, p->an->query->at, DIAG_STATEMENT,
            "CREATE TABLE AS SELECT statement does not support aggregate function %.*s without a GROUP BY clause.",
            STR_ARG(ap->calls[0].from->u.call.function.text));
    }
    ast_expr *one = ast_expr_new(p->an->a, AST_EXPR_INTEGER, p->an->query->at);
    one->u.integer = 1;
    ap->groups = ARENA_ARRAY(p->an->a, const ast_expr *, 1);
    ap->groups[0] = one;
    ap->group_count = 1;
    return true;
}

bool plan_aggregation(planner *p, node *n)
{
    const ast_query *q = p->an->query;
    if (!p->an->aggregates) return true;
    agg_plan *ap = ARENA_NEW(p->an->a, agg_plan);
    ap->groups = p->an->group_by;
    ap->group_count = p->an->group_count;
    ap->windowed = q->window != NULL;
    if (!collect_calls(p, ap)) return false;
    if (ap->group_count == 0 && !whole_group(p, ap)) return false;
    p->groups = ap->groups;
    p->group_count = ap->group_count;
    if (!check_bounds(p, ap) || !check_loose(p, n, ap)) return false;
    plan_window window = {.kind = WINDOW_NONE};
    if (q->window && !plan_window_of(p, q->window, q->emit == AST_EMIT_FINAL, &window)) return false;
    if (!rekey_groups(p, n, ap)) return false;
    p->substs = NULL;
    p->subst_count = 0;
    if (!build_aggregate(p, n, ap, &window)) return false;
    for (int k = 0; k < ap->group_count; k++) plan_substitute(p, ap->groups[k], k, n->step->schema->columns[k].type);
    for (int i = 0; i < ap->count; i++) plan_substitute(p, ap->calls[i].from, ap->calls[i].at, ap->calls[i].of);
    if (q->emit == AST_EMIT_FINAL) {
        plan *step = plan_step(p, PLAN_SUPPRESS, "Aggregate-Suppress", n->step, n->step->schema);
        n->step = step;
    }
    return plan_having(p, n);
}
