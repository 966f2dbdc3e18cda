#include "sql/analyze.h"

#include "base/check.h"
#include "engine/func/registry.h"
#include "sql/scope.h"
#include "sql/typeck.h"

bool analyze_unknown_source(const catalog *c, str name, span at, diag *d)
{
    diag_at(d, at, DIAG_NOT_FOUND, "%.*s does not exist.", STR_ARG(name));
    const source *near = catalog_similar_source(c, name);
    if (!near) return false;
    return diag_hint(d, "Did you mean %.*s (%s)?", STR_ARG(near->name), near->schema->is_table ? "TABLE" : "STREAM");
}

int analysis_find_source(const analysis *an, str alias)
{
    for (int i = 0; i < an->source_count; i++) {
        if (str_eq(an->sources[i].alias, alias)) return i;
    }
    return -1;
}

/* ---- sources ---------------------------------------------------------------------------------------------- */

static bool add_source(analysis *an, const ast_source *from, diag *d)
{
    const source *src = catalog_source(an->catalog, from->name.text);
    if (!src) return analyze_unknown_source(an->catalog, from->name.text, from->name.at, d);
    for (int i = 0; i < an->source_count; i++) {
        if (an->sources[i].src == src) {
            if (an->source_count > 1) {
                return diag_at(d, from->at, DIAG_STATEMENT,
                               "N-way joins do not support multiple occurrences of the same source. Source: '%.*s'.",
                               STR_ARG(src->name));
            }
            return diag_at(d, from->at, DIAG_STATEMENT,
                           "Can not join '%.*s' to '%.*s': self joins are not yet supported.", STR_ARG(src->name),
                           STR_ARG(src->name));
        }
        if (str_eq(an->sources[i].alias, from->alias.text)) {
            return diag_at(d, from->alias.at, DIAG_STATEMENT, "The alias %.*s is used twice.",
                           STR_ARG(from->alias.text));
        }
    }
    if (an->source_count == ANALYSIS_SOURCES_MAX)
        return diag_at(d, from->at, DIAG_LIMIT, "A query has at most %d sources.", ANALYSIS_SOURCES_MAX);
    an->sources[an->source_count++] = (analysis_source){from->alias.text, src, from->at};
    return true;
}

static bool source_has(const analysis_source *s, str name)
{
    pseudo_column p;
    if (pseudo_type(name, &p)) return !pseudo_is_window_bound(name) || s->src->schema->window != WINDOW_NONE;
    return schema_find(s->src->schema, name) >= 0;
}

/* Is the name in more than one source? Pseudo columns of a join always are. */
static bool is_clashing(const analysis *an, str name)
{
    if (an->source_count < 2) return false;
    if (pseudo_type(name, NULL)) return true;
    int n = 0;
    for (int i = 0; i < an->source_count; i++) n += schema_find(an->sources[i].src->schema, name) >= 0;
    return n > 1;
}

/* ---- qualifying columns ----------------------------------------------------------------------------------- */

typedef struct qualifier {
    analysis *an;
    bool failed;
    diag *d;
} qualifier;

static ast_expr *qualify_column(qualifier *q, arena *a, ast_expr *e)
{
    analysis *an = q->an;
    str name = e->u.column.name.text;
    int owner = -1, owners = 0;
    for (int i = 0; i < an->source_count; i++) {
        if (!source_has(&an->sources[i], name)) continue;
        if (owners++ == 0) owner = i;
    }
    if (owners == 0) return e; /* unknown: reported with its clause when it is read; or the synthetic key of a join */
    if (owners > 1) {
        q->failed = true;
        buf names = {0};
        for (int i = 0; i < an->source_count; i++) {
            if (!source_has(&an->sources[i], name)) continue;
            buf_printf(&names, "%s%.*s.%.*s", names.len ? " or " : "", STR_ARG(an->sources[i].alias), STR_ARG(name));
        }
        diag_at(q->d, e->at, DIAG_STATEMENT, "Column '%.*s' is ambiguous. Could be %s.", STR_ARG(name), buf_z(&names));
        buf_free(&names);
        return e;
    }
    ast_expr *n = ast_expr_new(a, AST_EXPR_COLUMN, e->at);
    *n = *e;
    n->u.column.source.text = an->sources[owner].alias;
    n->u.column.source.at = e->at;
    return n;
}

static ast_expr *qualify_node(arena *a, ast_expr *e, void *arg)
{
    qualifier *q = arg;
    if (q->failed) return e;
    if (e->kind == AST_EXPR_COLUMN) return e->u.column.source.text.p ? e : qualify_column(q, a, e);
    return ast_expr_map(a, e, qualify_node, q);
}

static bool qualify(analysis *an, const ast_expr *e, const ast_expr **out, diag *d)
{
    qualifier q = {.an = an, .d = d};
    *out = qualify_node(an->a, (ast_expr *)(uintptr_t)e, &q);
    return !q.failed;
}

static bool qualify_list(analysis *an, const ast_exprs *from, const ast_expr ***out, int *count, diag *d)
{
    *out = ARENA_ARRAY(an->a, const ast_expr *, from->n + 1);
    *count = (int)from->n;
    for (uint32_t i = 0; i < from->n; i++) {
        if (!qualify(an, from->items[i], &(*out)[i], d)) return false;
    }
    return true;
}

/* ---- the projection --------------------------------------------------------------------------------------- */

static str column_alias(analysis *an, const ast_expr *e)
{
    str name = e->u.column.name.text, from = e->u.column.source.text;
    if (!from.p || !is_clashing(an, name)) return name;
    return arena_printf(an->a, "%.*s_%.*s", STR_ARG(from), STR_ARG(name));
}

/* Pseudo columns are no names for columns (P7). */
static bool check_alias(const analysis *an, const analysis_item *item, diag *d)
{
    pseudo_column p;
    if (!pseudo_type(item->alias, &p)) return true;
    bool same = item->e->kind == AST_EXPR_COLUMN && str_eq(item->e->u.column.name.text, item->alias);
    if (!same) {
        return diag_at(d, item->at, DIAG_STATEMENT,
                       "`%s` is a reserved column name. You cannot use it as an alias for a column.", pseudo_name(p));
    }
    if (!an->persistent) return true;
    return diag_at(d, item->at, DIAG_STATEMENT,
                   "Reserved column name in select: `%s`. Please remove or alias the column.", pseudo_name(p));
}

static bool add_item(analysis *an, const ast_select_item *from, name_maker *names, diag *d)
{
    analysis_item *item = &an->items[an->item_count++];
    *item = (analysis_item){.kind = from->kind, .at = from->at, .aliased = from->alias.text.p != NULL};
    if (from->kind == AST_ITEM_STAR) {
        if (!from->source.text.p) return true;
        item->source = from->source.text;
        if (analysis_find_source(an, item->source) >= 0) return true;
        return diag_at(d, from->source.at, DIAG_STATEMENT, "'%.*s' is not a valid stream/table name or alias.",
                       STR_ARG(item->source));
    }
    if (!qualify(an, from->expr, &item->e, d)) return false;
    if (from->kind == AST_ITEM_STRUCT_STAR) return true;
    if (item->aliased)
        item->alias = from->alias.text;
    else if (item->e->kind == AST_EXPR_COLUMN)
        item->alias = column_alias(an, item->e);
    else
        item->alias = name_maker_for(names, item->e);
    return check_alias(an, item, d);
}

/* What calls of table functions an expression has, and where they stand. */
typedef struct table_calls {
    int inside;
    bool in_case;
    diag *d;
} table_calls;

static bool check_table_calls(const ast_expr *e, table_calls *c)
{
    const func_group *g = e->kind == AST_EXPR_CALL ? func_find(e->u.call.function.text) : NULL;
    bool is_table = g && g->kind == FUNC_TABLE;
    if (is_table && c->inside) {
        return diag_at(c->d, e->at, DIAG_STATEMENT, "Table functions cannot be nested: %.*s()", STR_ARG(g->name));
    }
    if (is_table && c->in_case) return diag_at(c->d, e->at, DIAG_STATEMENT, "Table functions cannot be used in CASE");
    table_calls inner = {c->inside + is_table, c->in_case || e->kind == AST_EXPR_CASE, c->d};
    const ast_expr *child;
    for (uint32_t i = 0; (child = ast_expr_child(e, i)) != NULL; i++) {
        if (!check_table_calls(child, &inner)) return false;
    }
    return true;
}

/* The first call of a function that does not exist. */
static ast_visit visit_unknown(const ast_expr *e, void *arg)
{
    const ast_expr **found = arg;
    if (e->kind != AST_EXPR_CALL || func_find(e->u.call.function.text)) return AST_VISIT_CONTINUE;
    *found = e;
    return AST_VISIT_STOP;
}

static bool check_functions(const ast_expr *e, diag *d)
{
    const ast_expr *unknown = NULL;
    ast_expr_walk(e, visit_unknown, &unknown);
    return !unknown || func_get(unknown->u.call.function.text, unknown->u.call.function.at, d);
}

static bool check_item_functions(analysis *an, const analysis_item *item, diag *d)
{
    if (item->kind == AST_ITEM_STAR) return true;
    if (!check_functions(item->e, d)) return false;
    if (typeck_find_aggregate(item->e)) an->aggregates = true;
    if (!typeck_find_table_function(item->e)) return true;
    an->table_functions = true;
    return check_table_calls(item->e, &(table_calls){.d = d});
}

/* ---- joins ------------------------------------------------------------------------------------------------ */

typedef struct owner_walk {
    const analysis *an;
    int owner; /* -1: none yet, -2: several */
    const ast_expr *unknown;
} owner_walk;

static ast_visit visit_owner(const ast_expr *e, void *arg)
{
    owner_walk *w = arg;
    if (e->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    int at = e->u.column.source.text.p ? analysis_find_source(w->an, e->u.column.source.text) : -1;
    if (at < 0 || !source_has(&w->an->sources[at], e->u.column.name.text)) {
        w->unknown = e;
        return AST_VISIT_STOP;
    }
    w->owner = w->owner == -1 || w->owner == at ? at : -2;
    return AST_VISIT_CONTINUE;
}

static bool owner_of(const analysis *an, const ast_expr *e, int *owner, diag *d)
{
    owner_walk w = {an, -1, NULL};
    ast_expr_walk(e, visit_owner, &w);
    if (w.unknown) {
        return diag_at(d, w.unknown->at, DIAG_STATEMENT, "JOIN ON column '%.*s' cannot be resolved.",
                       STR_ARG(w.unknown->u.column.name.text));
    }
    *owner = w.owner;
    if (w.owner >= 0) return true;
    return diag_at(d, e->at, DIAG_STATEMENT,
                   "Invalid comparison expression in join. Each side of the join comparision must contain references "
                   "from exactly one "
                   "source.");
}

static const char *window_name(window_kind w)
{
    static const char *const names[] = {"not", "TUMBLING", "HOPPING", "SESSION"};
    return names[w];
}

static bool check_windows(const analysis_source *l, const analysis_source *r, span at, diag *d)
{
    window_kind x = l->src->schema->window, y = r->src->schema->window;
    if ((x == WINDOW_NONE) != (y == WINDOW_NONE)) {
        return diag_at(
            d, at, DIAG_STATEMENT,
            "Can not join windowed source to non-windowed source.\n`%.*s` is %s windowed\n`%.*s` is %s windowed",
            STR_ARG(l->alias), window_name(x), STR_ARG(r->alias), window_name(y));
    }
    if ((x == WINDOW_SESSION) == (y == WINDOW_SESSION)) return true;
    return diag_at(d, at, DIAG_STATEMENT,
                   "Incompatible windowed sources.\nLeft source: %s\nRight source: %s\nSession windowed sources can "
                   "only be joined to other "
                   "session windowed sources.",
                   window_name(x), window_name(y));
}

static bool is_equality(const ast_expr *e)
{
    return e->kind == AST_EXPR_COMPARE && e->u.binary.op == AST_OP_EQ;
}

static bool check_criterion(const ast_expr *on, diag *d)
{
    if (is_equality(on)) return true;
    if (on->kind == AST_EXPR_LOGIC && is_equality(on->u.binary.left) && is_equality(on->u.binary.right)) {
        return diag_at(d, on->at, DIAG_STATEMENT,
                       "Invalid join condition: joins on multiple conditions are not yet supported.");
    }
    if (on->kind == AST_EXPR_COMPARE)
        return diag_at(d, on->op_at, DIAG_STATEMENT, "Only equality join criteria is supported.");
    return diag_at(d, on->at, DIAG_STATEMENT, "Unsupported join expression.");
}

static bool add_join(analysis *an, const ast_join *from, diag *d)
{
    analysis_join *j = &an->joins[an->join_count];
    int added = an->source_count - 1;
    if (!check_criterion(from->on, d)) return false;
    const ast_expr *sides[2];
    int owners[2];
    if (!qualify(an, from->on->u.binary.left, &sides[0], d) || !qualify(an, from->on->u.binary.right, &sides[1], d))
        return false;
    if (!owner_of(an, sides[0], &owners[0], d) || !owner_of(an, sides[1], &owners[1], d)) return false;
    if (owners[0] == owners[1]) {
        return diag_at(d, from->on->at, DIAG_STATEMENT,
                       "Each side of the join must reference exactly one source and not the same source. Left side "
                       "references `%.*s` "
                       "and right references `%.*s`",
                       STR_ARG(an->sources[owners[0]].alias), STR_ARG(an->sources[owners[1]].alias));
    }
    if (!check_windows(&an->sources[owners[0]], &an->sources[owners[1]], from->at, d)) return false;
    if (owners[0] != added && owners[1] != added) {
        return diag_at(d, from->on->at, DIAG_STATEMENT,
                       "A join criteria is expected to reference the source (`%.*s`) in the FROM clause, instead the "
                       "right source references "
                       "`%.*s` and the left source references `%.*s`",
                       STR_ARG(an->sources[added].alias), STR_ARG(an->sources[owners[1]].alias),
                       STR_ARG(an->sources[owners[0]].alias));
    }
    bool flip = owners[0] == added;
    *j = (analysis_join){.kind = from->kind,
                         .left = sides[flip],
                         .right = sides[!flip],
                         .left_source = owners[flip],
                         .right_source = owners[!flip],
                         .flipped = flip,
                         .before = from->before,
                         .after = from->after,
                         .grace = from->grace,
                         .at = from->at};
    an->join_count++;
    return true;
}

/* ---- clauses ---------------------------------------------------------------------------------------------- */

static bool check_group_by(analysis *an, diag *d)
{
    for (int i = 0; i < an->group_count; i++) {
        const ast_expr *bad = typeck_find_aggregate(an->group_by[i]);
        if (bad) {
            return diag_at(d, bad->at, DIAG_STATEMENT,
                           "GROUP BY does not support aggregate functions: %.*s is an aggregate function.",
                           STR_ARG(bad->u.call.function.text));
        }
        for (int k = 0; k < i; k++) {
            if (ast_expr_equal(an->group_by[i], an->group_by[k]))
                return diag_at(d, an->group_by[i]->at, DIAG_STATEMENT, "Duplicate GROUP BY expression");
        }
    }
    return true;
}

static bool check_partition_by(analysis *an, diag *d)
{
    bool has_null = false;
    for (int i = 0; i < an->partition_count; i++) {
        has_null = has_null || an->partition_by[i]->kind == AST_EXPR_NULL;
        for (int k = 0; k < i; k++) {
            if (ast_expr_equal(an->partition_by[i], an->partition_by[k])) {
                return diag_at(d, an->partition_by[i]->at, DIAG_STATEMENT, "Duplicate PARTITION BY expression");
            }
        }
    }
    if (has_null && an->partition_count > 1) {
        return diag_at(d, an->query->partition_at, DIAG_STATEMENT,
                       "Cannot PARTITION BY multiple columns including NULL");
    }
    an->partition_null = has_null;
    if (an->partition_count && an->group_count) {
        return diag_at(d, an->query->partition_at, DIAG_STATEMENT, "Only one of PARTITION BY and GROUP BY is allowed.");
    }
    bool table = an->sources[0].src->schema->is_table;
    for (int i = 1; i < an->source_count; i++) table = table && an->sources[i].src->schema->is_table;
    if (an->partition_count && table) {
        diag_at(d, an->query->partition_at, DIAG_STATEMENT, "PARTITION BY clause is not supported for tables.");
        return diag_hint(d, "Use GROUP BY with an aggregation to change the key of a table.");
    }
    return true;
}

static bool check_kafka_values(const analysis *an, diag *d)
{
    for (int i = 0; i < an->source_count; i++) {
        if (an->sources[i].src->value_format.spec.kind != FORMAT_KAFKA) continue;
        if (an->source_count == 1 && !an->query->grouped) continue;
        diag_at(d, an->sources[i].at, DIAG_STATEMENT,
                "Source(s) %.*s are using the 'KAFKA' value format. This format does not yet support %s.",
                STR_ARG(an->sources[i].alias), an->source_count > 1 ? "JOIN" : "GROUP BY");
        return diag_hint(d, "Copy it to a stream with another VALUE_FORMAT first.");
    }
    return true;
}

static bool check_clauses(analysis *an, diag *d)
{
    const ast_query *q = an->query;
    bool table = an->sources[0].src->schema->is_table;
    if (!check_group_by(an, d) || !check_partition_by(an, d) || !check_kafka_values(an, d)) return false;
    if (an->table_functions && an->aggregates) {
        return diag_at(d, q->at, DIAG_STATEMENT, "Table functions cannot be used with aggregations.");
    }
    if (an->table_functions && table)
        return diag_at(d, an->sources[0].at, DIAG_STATEMENT, "Table source is not supported with table functions");
    if (q->window && !an->group_count)
        return diag_at(d, q->window->at, DIAG_STATEMENT, "WINDOW clause requires a GROUP BY clause.");
    if (q->having && !an->aggregates)
        return diag_at(d, q->having_at, DIAG_STATEMENT, "HAVING requires a GROUP BY clause.");
    if (q->emit == AST_EMIT_FINAL && !q->window) {
        return diag_at(d, q->emit_at, DIAG_STATEMENT, "EMIT FINAL is only supported for windowed aggregations.");
    }
    if (an->persistent && q->limited)
        return diag_at(d, q->limit_at, DIAG_STATEMENT,
                       "CREATE ... AS SELECT and INSERT INTO do not support the LIMIT clause.");
    for (int i = 0; an->persistent && i < an->source_count; i++) {
        const schema *s = an->sources[i].src->schema;
        if (s->is_table && s->window != WINDOW_NONE) {
            return diag_at(d, an->sources[i].at, DIAG_STATEMENT,
                           "KSQL does not support persistent queries on windowed tables.");
        }
    }
    return true;
}

static bool read_sources(analysis *an, diag *d)
{
    const ast_query *q = an->query;
    if (!add_source(an, &q->from, d)) return false;
    an->joins = ARENA_ARRAY(an->a, analysis_join, q->joins_n + 1);
    /* Every ON sees the sources up to its own. */
    for (uint32_t i = 0; i < q->joins_n; i++) {
        if (!add_source(an, &q->joins[i].right, d) || !add_join(an, &q->joins[i], d)) return false;
    }
    return true;
}

bool analyze_query(arena *a, const catalog *c, const settings *s, const ast_query *q, bool persistent, analysis *out,
                   diag *d)
{
    *out = (analysis){.a = a, .catalog = c, .settings = s, .query = q, .persistent = persistent};
    if (!read_sources(out, d)) return false;
    if (q->where && !qualify(out, q->where, &out->where, d)) return false;
    if (!qualify_list(out, &q->group_by, &out->group_by, &out->group_count, d)) return false;
    if (!qualify_list(out, &q->partition_by, &out->partition_by, &out->partition_count, d)) return false;
    if (q->having && !qualify(out, q->having, &out->having, d)) return false;
    name_maker names = {.a = a};
    for (int i = 0; i < out->source_count; i++) name_maker_avoid(&names, out->sources[i].src->schema);
    out->items = ARENA_ARRAY(a, analysis_item, q->items_n + 1);
    out->aggregates = out->group_count > 0;
    for (uint32_t i = 0; i < q->items_n; i++) {
        if (!add_item(out, &q->items[i], &names, d) || !check_item_functions(out, &out->items[i], d)) return false;
    }
    if (q->having && !check_functions(out->having, d)) return false;
    if (q->having && typeck_find_aggregate(out->having)) out->aggregates = true;
    return check_clauses(out, d);
}
