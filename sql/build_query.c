#include "sql/build.h"

/* ---- the projection ---------------------------------------------------------------------------------------- */

build_items build_item_list(build *b, build_items list, ast_select_item *item)
{
    list.items = build_grow(b->a, list.items, list.n, sizeof *list.items);
    list.items[list.n++] = *item;
    return list;
}

ast_select_item *build_item_expr(build *b, ast_expr *e, ast_name alias)
{
    ast_select_item *item = ARENA_NEW(b->a, ast_select_item);
    item->kind = AST_ITEM_EXPR;
    item->at = e->at;
    if (alias.text.p != NULL) item->at.end = alias.at.end;
    item->expr = e;
    item->alias = alias;
    return item;
}

ast_select_item *build_item_star(build *b, ast_name source, token star)
{
    ast_select_item *item = ARENA_NEW(b->a, ast_select_item);
    item->kind = AST_ITEM_STAR;
    item->at = token_span(star);
    if (source.text.p != NULL) item->at.start = source.at.start;
    item->source = source;
    return item;
}

ast_select_item *build_item_struct_star(build *b, ast_expr *e, token star)
{
    ast_select_item *item = ARENA_NEW(b->a, ast_select_item);
    item->kind = AST_ITEM_STRUCT_STAR;
    item->at = (span){e->at.start, star.end};
    item->expr = e;
    return item;
}

/* ---- FROM -------------------------------------------------------------------------------------------------- */

ast_source *build_source(build *b, ast_name name, ast_name alias)
{
    ast_source *s = ARENA_NEW(b->a, ast_source);
    s->name = name;
    s->aliased = alias.text.p != NULL;
    s->alias = s->aliased ? alias : name;
    s->at = (span){name.at.start, s->alias.at.end};
    return s;
}

build_relation *build_relation_new(build *b, ast_source *source)
{
    build_relation *r = ARENA_NEW(b->a, build_relation);
    r->from = *source;
    return r;
}

build_relation *build_join(build *b, build_relation *r, build_join_kind kind, ast_source *right, build_within *within,
                           ast_expr *on)
{
    if (r->joins_n == BUILD_JOINS_MAX) build_limit(b, on->at, "joins", BUILD_JOINS_MAX);
    r->joins = build_grow(b->a, r->joins, r->joins_n, sizeof *r->joins);
    ast_join *j = &r->joins[r->joins_n++];
    *j = (ast_join){.kind = kind.kind, .right = *right, .on = on};
    j->at = (span){kind.at.start == SPAN_NONE ? right->at.start : kind.at.start, on->at.end};
    j->before = j->after = j->grace = (ast_duration){.at = NO_SPAN};
    if (within != NULL) {
        j->before = within->before;
        j->after = within->after;
        j->grace = within->grace;
    }
    return r;
}

build_within *build_within_of(build *b, ast_duration before, ast_duration after, ast_duration grace)
{
    build_within *w = ARENA_NEW(b->a, build_within);
    *w = (build_within){before, after, grace};
    return w;
}

/* ---- WINDOW ------------------------------------------------------------------------------------------------ */

ast_window *build_window_tail(build *b, const ast_duration *retention, const ast_duration *grace)
{
    ast_window *w = ARENA_NEW(b->a, ast_window);
    w->retention = retention ? *retention : (ast_duration){.at = NO_SPAN};
    w->grace = grace ? *grace : (ast_duration){.at = NO_SPAN};
    return w;
}

ast_window *build_window(build *b, ast_window_kind kind, token first, token close, ast_duration size,
                         ast_duration advance, ast_window *tail)
{
    if (tail == NULL) tail = build_window_tail(b, NULL, NULL);
    tail->kind = kind;
    tail->at = (span){first.start, close.end};
    tail->size = size;
    tail->advance = advance;
    return tail;
}

/* ---- the query --------------------------------------------------------------------------------------------- */

ast_query *build_select(build *b, token select, build_items items, build_relation *from)
{
    ast_query *q = ARENA_NEW(b->a, ast_query);
    q->at = token_span(select);
    q->items = items.items;
    q->items_n = items.n;
    q->from = from->from;
    q->joins = from->joins;
    q->joins_n = from->joins_n;
    return q;
}

static bool is_source(const ast_query *q, str name)
{
    if (str_eq(q->from.name.text, name) || str_eq(q->from.alias.text, name)) return true;
    for (uint32_t i = 0; i < q->joins_n; i++) {
        const ast_source *s = &q->joins[i].right;
        if (str_eq(s->name.text, name) || str_eq(s->alias.text, name)) return true;
    }
    return false;
}

/* What the walk over a query's columns needs. */
typedef struct source_check {
    build *b;
    const ast_query *q;
} source_check;

static ast_visit check_column(const ast_expr *e, void *arg)
{
    const source_check *c = arg;
    if (e->kind != AST_EXPR_COLUMN || e->u.column.source.text.p == NULL) return AST_VISIT_CONTINUE;
    if (is_source(c->q, e->u.column.source.text)) return AST_VISIT_CONTINUE;
    c->b->failed = true;
    diag_at(c->b->d, e->u.column.source.at, DIAG_STATEMENT, "'%.*s' is not a valid stream/table name or alias.",
            STR_ARG(e->u.column.source.text));
    return AST_VISIT_STOP;
}

/* src.* and src.col must name a source of the query. */
static void check_sources(build *b, const ast_query *q)
{
    if (b->failed || b->take_variables) return;
    for (uint32_t i = 0; i < q->items_n; i++) {
        const ast_select_item *item = &q->items[i];
        if (item->kind != AST_ITEM_STAR || item->source.text.p == NULL || is_source(q, item->source.text)) continue;
        b->failed = true;
        diag_at(b->d, item->source.at, DIAG_STATEMENT, "'%.*s' is not a valid stream/table name or alias.",
                STR_ARG(item->source.text));
        return;
    }
    ast_query_walk(q, check_column, &(source_check){b, q});
}

ast_query *build_query(build *b, ast_query *q, ast_window *window, ast_expr *where, build_clause group,
                       build_clause partition, build_clause having, build_emit emit, build_count limit)
{
    q->window = window;
    q->where = where;
    q->grouped = group.present;
    q->group_by = group.list;
    q->group_at = group.at;
    q->partitioned = partition.present;
    q->partition_by = partition.list;
    q->partition_at = partition.at;
    q->having = having.expr;
    q->having_at = having.at;
    q->emit = emit.emit;
    q->emit_written = emit.emit != AST_EMIT_NONE;
    q->emit_at = emit.at;
    q->limited = limit.present;
    q->limit = limit.value;
    q->limit_at = limit.at;
    q->at.end = b->last_end;
    check_sources(b, q);
    return q;
}
