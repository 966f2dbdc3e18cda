/*
 * Pull queries: what a WHERE says about keys and windows, and the read that answers it (reference 6.9).
 *
 * The predicate is brought into branches (an OR of ANDs). Each branch knows the key columns that it fixes, the range
 * of the key, and the ranges of the window bounds. The read is a superset of the answer; the whole predicate is
 * applied to its rows again.
 */
#include "base/check.h"
#include "engine/expr_run.h"
#include "engine/query.h"
#include "sql/plan_build.h"

enum { BRANCHES_MAX = 4096 };

/* What one branch of the predicate demands. */
typedef struct branch {
    const value **key; /* by key column; NULL: not fixed */
    const value *low, *high; /* of a single key column */
    bool low_open, high_open;
    int64_t start_min, start_max, end_min, end_max;
} branch;

/* An OR of branches. */
typedef struct branches {
    branch *items;
    int count;
    bool scan; /* too many, or nothing known: everything is read */
} branches;

typedef struct extractor {
    arena *a;
    const schema *s;
} extractor;

/* ---- branches --------------------------------------------------------------------------------------------- */

static branch open_branch(extractor *x)
{
    return (branch){.key = ARENA_ARRAY(x->a, const value *, (size_t)x->s->key_count + 1),
                    .start_min = INT64_MIN,
                    .start_max = INT64_MAX,
                    .end_min = INT64_MIN,
                    .end_max = INT64_MAX};
}

static branches one_branch(extractor *x, branch b)
{
    branches r = {.items = ARENA_ARRAY(x->a, branch, 1), .count = 1};
    r.items[0] = b;
    return r;
}

static branches no_limit(extractor *x)
{
    return one_branch(x, open_branch(x));
}

static branches either(extractor *x, branches l, branches r)
{
    if (l.scan || r.scan || l.count + r.count > BRANCHES_MAX) return (branches){.scan = true};
    branches out = {.items = ARENA_ARRAY(x->a, branch, (size_t)(l.count + r.count) + 1), .count = l.count + r.count};
    for (int i = 0; i < l.count; i++) out.items[i] = l.items[i];
    for (int i = 0; i < r.count; i++) out.items[l.count + i] = r.items[i];
    return out;
}

static int64_t higher(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Both at once. False: they contradict each other, no row fits. */
static bool both_branches(extractor *x, const branch *l, const branch *r, branch *out)
{
    *out = open_branch(x);
    for (int k = 0; k < x->s->key_count; k++) {
        out->key[k] = l->key[k] ? l->key[k] : r->key[k];
        if (l->key[k] && r->key[k] && !value_eq(x->s->columns[k].type, *l->key[k], *r->key[k])) return false;
    }
    /* Of two bounds on one end, either is a superset. */
    out->low = l->low ? l->low : r->low;
    out->low_open = l->low ? l->low_open : r->low_open;
    out->high = l->high ? l->high : r->high;
    out->high_open = l->high ? l->high_open : r->high_open;
    out->start_min = higher(l->start_min, r->start_min);
    out->start_max = lower(l->start_max, r->start_max);
    out->end_min = higher(l->end_min, r->end_min);
    out->end_max = lower(l->end_max, r->end_max);
    return true;
}

static branches both(extractor *x, branches l, branches r)
{
    if (l.scan) return r;
    if (r.scan) return l;
    if ((int64_t)l.count * r.count > BRANCHES_MAX) return l.count < r.count ? l : r;
    branches out = {.items = ARENA_ARRAY(x->a, branch, (size_t)(l.count * r.count) + 1)};
    for (int i = 0; i < l.count; i++) {
        for (int k = 0; k < r.count; k++) {
            if (both_branches(x, &l.items[i], &r.items[k], &out.items[out.count])) out.count++;
        }
    }
    return out;
}

/* ---- atoms ------------------------------------------------------------------------------------------------ */

/* The value of a constant side, or NULL. */
static const value *constant_side(extractor *x, const expr *e)
{
    value *v = ARENA_NEW(x->a, value);
    diag ignored = {0};
    if (e->kind == EXPR_CONST)
        *v = e->constant;
    else if (!expr_is_constant(e) || !expr_eval_const(x->a, e, NULL, NULL, v, &ignored))
        return NULL;
    return v;
}

static bool is_key(extractor *x, const expr *e)
{
    return e->kind == EXPR_COLUMN && e->column < x->s->key_count;
}

static expr_op mirrored(expr_op op)
{
    switch (op) {
    case OP_LT: return OP_GT;
    case OP_LE: return OP_GE;
    case OP_GT: return OP_LT;
    case OP_GE: return OP_LE;
    default: return op;
    }
}

static branches key_atom(extractor *x, int column_at, expr_op op, const value *v)
{
    branch b = open_branch(x);
    if (op == OP_EQ) b.key[column_at] = v;
    if (x->s->key_count > 1 || !type_is_ordered(x->s->columns[column_at].type)) return one_branch(x, b);
    if (op == OP_LT || op == OP_LE) {
        b.high = v;
        b.high_open = op == OP_LT;
    } else if (op == OP_GT || op == OP_GE) {
        b.low = v;
        b.low_open = op == OP_GT;
    }
    return one_branch(x, b);
}

static branches window_atom(extractor *x, pseudo_column p, expr_op op, int64_t n)
{
    branch b = open_branch(x);
    int64_t min = INT64_MIN, max = INT64_MAX;
    if (op == OP_EQ) min = max = n;
    if (op == OP_GT) min = n == INT64_MAX ? n : n + 1;
    if (op == OP_GE) min = n;
    if (op == OP_LT) max = n == INT64_MIN ? n : n - 1;
    if (op == OP_LE) max = n;
    if (p == PSEUDO_WINDOWSTART) {
        b.start_min = min;
        b.start_max = max;
    } else {
        b.end_min = min;
        b.end_max = max;
    }
    return one_branch(x, b);
}

static branches compare_atom(extractor *x, const expr *side, expr_op op, const expr *other)
{
    const value *v = constant_side(x, other);
    if (!v || v->null || op == OP_NE) return no_limit(x);
    if (is_key(x, side)) return key_atom(x, side->column, op, v);
    bool bound = side->kind == EXPR_PSEUDO && (side->pseudo == PSEUDO_WINDOWSTART || side->pseudo == PSEUDO_WINDOWEND);
    return bound ? window_atom(x, side->pseudo, op, v->l) : no_limit(x);
}

static branches extract(extractor *x, const expr *e);

static branches extract_compare(extractor *x, const expr *e)
{
    const expr *l = e->args[0], *r = e->args[1];
    bool left_reads = l->kind == EXPR_COLUMN || l->kind == EXPR_PSEUDO;
    return left_reads ? compare_atom(x, l, e->op, r) : compare_atom(x, r, mirrored(e->op), l);
}

static branches extract_in(extractor *x, const expr *e)
{
    if (e->negated || !(is_key(x, e->args[0]) || e->args[0]->kind == EXPR_PSEUDO) || e->arg_count - 1 > BRANCHES_MAX)
        return no_limit(x);
    branches out = {.items = ARENA_ARRAY(x->a, branch, (size_t)e->arg_count)};
    for (int i = 1; i < e->arg_count; i++) {
        const value *v = constant_side(x, e->args[i]);
        if (!v) return no_limit(x);
        if (v->null) continue;
        out.items[out.count++] = compare_atom(x, e->args[0], OP_EQ, e->args[i]).items[0];
    }
    return out;
}

static branches extract(extractor *x, const expr *e)
{
    switch (e->kind) {
    case EXPR_AND: return both(x, extract(x, e->args[0]), extract(x, e->args[1]));
    case EXPR_OR: return either(x, extract(x, e->args[0]), extract(x, e->args[1]));
    case EXPR_COMPARE: return extract_compare(x, e);
    case EXPR_IN: return extract_in(x, e);
    case EXPR_BETWEEN:
        if (e->negated) return no_limit(x);
        return both(x, compare_atom(x, e->args[0], OP_GE, e->args[1]), compare_atom(x, e->args[0], OP_LE, e->args[2]));
    default: return no_limit(x);
    }
}

/* ---- the read --------------------------------------------------------------------------------------------- */

static bool has_whole_key(extractor *x, const branch *b)
{
    for (int k = 0; k < x->s->key_count; k++) {
        if (!b->key[k]) return false;
    }
    return true;
}

static bool same_key(extractor *x, const value *a, const branch *b)
{
    for (int k = 0; k < x->s->key_count; k++) {
        if (!value_eq(x->s->columns[k].type, a[k], *b->key[k])) return false;
    }
    return true;
}

/* The distinct keys of all branches. */
static void list_keys(extractor *x, const branches *all, pull_request *r)
{
    int width = x->s->key_count;
    value *keys = ARENA_ARRAY(x->a, value, (size_t)all->count * (size_t)width + 1);
    int n = 0;
    for (int i = 0; i < all->count; i++) {
        bool seen = false;
        for (int k = 0; k < n && !seen; k++) seen = same_key(x, keys + k * width, &all->items[i]);
        if (seen) continue;
        for (int k = 0; k < width; k++) keys[n * width + k] = *all->items[i].key[k];
        n++;
    }
    r->kind = PULL_KEYS;
    r->keys = keys;
    r->key_count = n;
}

static pull_request *make_request(extractor *x, const branches *all)
{
    pull_request *r = ARENA_NEW(x->a, pull_request);
    *r = pull_everything();
    if (all->scan) return r;
    bool keyed = true, ranged = all->count == 1;
    for (int i = 0; i < all->count; i++) {
        const branch *b = &all->items[i];
        keyed = keyed && has_whole_key(x, b);
        r->start_min = i ? lower(r->start_min, b->start_min) : b->start_min;
        r->start_max = i ? higher(r->start_max, b->start_max) : b->start_max;
        r->end_min = i ? lower(r->end_min, b->end_min) : b->end_min;
        r->end_max = i ? higher(r->end_max, b->end_max) : b->end_max;
    }
    if (keyed) {
        list_keys(x, all, r);
    } else if (ranged && (all->items[0].low || all->items[0].high)) {
        r->kind = PULL_RANGE;
        r->low = all->items[0].low;
        r->high = all->items[0].high;
        r->low_open = all->items[0].low_open;
        r->high_open = all->items[0].high_open;
    }
    return r;
}

/* ---- rules ------------------------------------------------------------------------------------------------ */

static bool refuse(planner *p, span at, const char *what)
{
    diag_at(p->d, at, DIAG_STATEMENT, "Pull queries don't support %s.", what);
    return diag_hint(p->d, "Add EMIT CHANGES if you intended to issue a push query.");
}

static ast_visit visit_hidden(const ast_expr *e, void *arg)
{
    const ast_expr **found = arg;
    if (e->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    if (!str_eqz(e->u.column.name.text, "ROWPARTITION") && !str_eqz(e->u.column.name.text, "ROWOFFSET"))
        return AST_VISIT_CONTINUE;
    *found = e;
    return AST_VISIT_STOP;
}

static bool check_rules(planner *p)
{
    const analysis *an = p->an;
    const ast_query *q = an->query;
    const ast_expr *hidden = NULL;
    if (an->source_count > 1) return refuse(p, an->joins[0].at, "JOIN clauses");
    if (q->window) return refuse(p, q->window->at, "WINDOW clauses");
    if (q->grouped) return refuse(p, q->group_at, "GROUP BY clauses");
    if (q->partitioned) return refuse(p, q->partition_at, "PARTITION BY clauses");
    if (q->having) return refuse(p, q->having_at, "HAVING clauses");
    if (an->aggregates) return refuse(p, q->at, "aggregate functions");
    if (an->table_functions) return refuse(p, q->at, "table functions");
    if (q->limited && q->limit < 0)
        return diag_at(p->d, q->limit_at, DIAG_STATEMENT,
                       "Pull queries don't support negative integers in the LIMIT clause.");
    for (int i = 0; i < an->item_count && !hidden; i++) {
        if (an->items[i].e) ast_expr_walk(an->items[i].e, visit_hidden, &hidden);
    }
    if (hidden)
        return diag_at(p->d, hidden->at, DIAG_STATEMENT,
                       "Pull queries don't support the following columns in SELECT clauses: %.*s",
                       STR_ARG(hidden->u.column.name.text));
    ast_expr_walk(an->where, visit_hidden, &hidden);
    if (hidden)
        return diag_at(p->d, hidden->at, DIAG_STATEMENT,
                       "Pull queries don't support the following columns in WHERE clauses: %.*s",
                       STR_ARG(hidden->u.column.name.text));
    return true;
}

/* A literal of IN over a key that is no value of the key's type: a lookup of it cannot be meant. */
static ast_visit visit_key_list(const ast_expr *e, void *arg)
{
    planner *p = arg;
    const source *src = p->an->sources[0].src;
    if (e->kind != AST_EXPR_IN || e->u.in.operand->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    int at = schema_find(src->schema, e->u.in.operand->u.column.name.text);
    if (at < 0 || at >= src->schema->key_count || !type_is_numeric(src->schema->columns[at].type))
        return AST_VISIT_CONTINUE;
    for (uint32_t i = 0; i < e->u.in.list.n; i++) {
        const ast_expr *item = e->u.in.list.items[i];
        if (item->kind != AST_EXPR_STRING) continue;
        diag_at(p->d, item->at, DIAG_STATEMENT,
                "'%.*s' can not be converted to the type of the key column: %.*s %s KEY", STR_ARG(item->u.string),
                STR_ARG(src->schema->columns[at].name), type_text(p->a, src->schema->columns[at].type).p);
        return AST_VISIT_STOP;
    }
    return AST_VISIT_CONTINUE;
}

/* The query that keeps the table. */
static bool find_keeper(planner *p, const source *src, str *id)
{
    const catalog *c = p->an->catalog;
    *id = src->query_id;
    for (int i = 0; i < c->query_count && !id->n; i++) {
        const catalog_query *q = c->queries[i];
        if (q->kind == QUERY_SOURCE_TABLE && str_eq(q->sources[0], src->name)) *id = q->id;
    }
    if (id->n) return true;
    diag_at(p->d, p->an->sources[0].at, DIAG_STATEMENT,
            "The `%.*s` table isn't queryable. To derive a queryable table, you can do 'CREATE TABLE QUERYABLE_%.*s AS "
            "SELECT * FROM %.*s'.",
            STR_ARG(src->name), STR_ARG(src->name), STR_ARG(src->name));
    return diag_hint(p->d, "Add EMIT CHANGES to the end of the query to read its changes as they come.");
}

/* A whole stream is read by a query that ends with what the topic holds now. */
static bool pull_stream(planner *p, planned_pull *out)
{
    planned *push = ARENA_NEW(p->a, planned);
    plan_target target = {0};
    if (!settings_bool(p->an->settings, "ksql.query.pull.stream.enabled"))
        return diag_at(p->d, p->an->query->at, DIAG_STATE, "Pull queries over streams are disabled.");
    if (!plan_query(p->a, p->an, p->env, &target, push, p->d)) return false;
    for (plan *step = (plan *)(uintptr_t)push->root; step; step = (plan *)(uintptr_t)step->inputs[0]) {
        if (step->kind == PLAN_SOURCE) step->source.from_earliest = true;
    }
    out->stream = true;
    out->push = push->root;
    out->schema = push->schema;
    return true;
}

/* A range of a STRING or BYTES key is read as one; of other keys, and with two ends, ksqlDB would scan the table. */
static bool is_range_scan(const schema *s, const pull_request *r)
{
    type_kind kind = s->columns[0].type->kind;
    return r->kind == PULL_RANGE && !(r->low && r->high) && (kind == TYPE_STRING || kind == TYPE_BYTES);
}

static bool check_scan(planner *p, const schema *s, const pull_request *r)
{
    span at = p->an->where ? p->an->where->at : p->an->query->at;
    if (r->kind == PULL_KEYS) return true;
    bool range = is_range_scan(s, r);
    const char *gate = range ? "ksql.query.pull.range.scan.enabled" : "ksql.query.pull.table.scan.enabled";
    if (settings_bool(p->an->settings, gate)) return true;
    if (r->kind == PULL_RANGE && r->low && r->high) {
        diag_at(p->d, at, DIAG_STATEMENT,
                "A comparison condition on the key column cannot be combined with other comparisons such as an IN "
                "predicate when tables are not to be scanned.");
    } else if (r->kind == PULL_RANGE) {
        diag_at(p->d, at, DIAG_STATEMENT, "Query requires %s scan to be enabled.", range ? "range" : "table");
    } else {
        diag_at(p->d, at, DIAG_STATEMENT,
                "%s. Pull queries require a WHERE clause that limits the query to keys only: the key columns compared "
                "with =, IN or OR of them%s.",
                p->an->where ? "WHERE clause does not fix the key" : "Missing WHERE clause",
                s->window != WINDOW_NONE ? ", and WINDOWSTART and WINDOWEND with =, <, <=, >, >=" : "");
    }
    return diag_hint(p->d, "SET '%s'='true'; allows it.", gate);
}

static bool plan_columns(planner *p, const node *n, planned_pull *out)
{
    select_col *cols;
    int count;
    if (!plan_select(p, n, &cols, &count)) return false;
    const expr **exprs = ARENA_ARRAY(p->a, const expr *, (size_t)count + 1);
    column *columns = ARENA_ARRAY(p->a, column, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        exprs[i] = cols[i].e;
        columns[i] = (column){.name = cols[i].name, .type = cols[i].e->type, .role = COLUMN_VALUE};
    }
    schema *s = schema_new(p->a, columns, count);
    /* The order of the projection stays; the roles say which columns are keys. */
    column *roles = ARENA_ARRAY(p->a, column, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        roles[i] = s->columns[i];
        bool key = exprs[i]->kind == EXPR_COLUMN && exprs[i]->column < n->step->schema->key_count;
        bool bound = exprs[i]->kind == EXPR_PSEUDO && pseudo_is_window_bound(str_z(pseudo_name(exprs[i]->pseudo)));
        if (key || bound) roles[i].role = COLUMN_KEY;
    }
    s->columns = roles;
    out->exprs = exprs;
    out->schema = s;
    out->count = count;
    return true;
}

bool plan_pull(arena *a, const analysis *an, const sql_env *env, planned_pull *out, diag *d)
{
    planner p = {.a = a, .an = an, .env = env, .d = d};
    const source *src = an->sources[0].src;
    *out = (planned_pull){.src = src, .limit = an->query->limited ? an->query->limit : -1};
    if (!check_rules(&p)) return false;
    if (!src->schema->is_table) return pull_stream(&p, out);
    node n;
    if (!find_keeper(&p, src, &out->query_id) || !plan_source_node(&p, 0, "KsqlTopic-Source", &n)) return false;
    branches all = {.scan = true};
    extractor x = {a, n.step->schema};
    if (an->where) {
        typeck t = plan_checker(&p, &n, "WHERE");
        t.time_literals = true;
        expr *filter;
        if (!ast_expr_walk(an->where, visit_key_list, &p)) return false;
        if (!typeck_filter(&t, an->where, &filter)) return false;
        out->filter = filter;
        all = extract(&x, filter);
    }
    out->request = make_request(&x, &all);
    return check_scan(&p, src->schema, out->request) && plan_columns(&p, &n, out);
}
