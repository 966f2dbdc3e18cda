/* The projection: stars, names, which columns are keys, and what must not be missing. */
#include "base/check.h"
#include "sql/plan_build.h"

/* ---- resolving the items ---------------------------------------------------------------------------------- */

typedef struct col_list {
    arena *a;
    select_col *items;
    int count, cap;
} col_list;

static void add_col(col_list *l, select_col c)
{
    if (l->count == l->cap) {
        int cap = l->cap ? 2 * l->cap : 16;
        select_col *grown = ARENA_ARRAY(l->a, select_col, (size_t)cap);
        for (int i = 0; i < l->count; i++) grown[i] = l->items[i];
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->count++] = c;
}

static void add_star(planner *p, const node *n, const analysis_item *item, col_list *out)
{
    bool join = p->an->source_count > 1;
    for (int i = 0; i < n->names.count; i++) {
        const scope_entry *e = &n->names.entries[i];
        if (!e->star || (item->source.n && !str_eq(e->qualifier, item->source))) continue;
        str name = join && e->qualifier.n ? arena_printf(p->a, "%.*s_%.*s", STR_ARG(e->qualifier), STR_ARG(e->name))
                                          : arena_str(p->a, e->name);
        add_col(out, (select_col){.name = name, .e = scope_read(p->a, e, item->at), .at = item->at});
    }
}

static bool add_struct_star(planner *p, typeck *t, const analysis_item *item, col_list *out)
{
    expr *base;
    if (!typeck_expr(t, item->e, &base)) return false;
    if (base->type->kind != TYPE_STRUCT) {
        return diag_at(p->d, item->e->at, DIAG_STATEMENT, "Column %.*s is not a STRUCT type.",
                       STR_ARG(typeck_text(t, item->e)));
    }
    for (int i = 0; i < base->type->field_count; i++) {
        const type_field *f = &base->type->fields[i];
        expr *e = typeck_node_args(t, EXPR_FIELD, f->type, item->at, (const expr *const *)&base, 1);
        e->index = i;
        add_col(out, (select_col){.name = arena_str(p->a, f->name), .e = e, .at = item->at, .explicit_name = true});
    }
    return true;
}

bool plan_select(planner *p, const node *n, select_col **out, int *count)
{
    col_list cols = {.a = p->an->a};
    for (int i = 0; i < p->an->item_count; i++) {
        const analysis_item *item = &p->an->items[i];
        typeck t = plan_checker(p, n, "SELECT");
        if (item->kind == AST_ITEM_STAR) {
            add_star(p, n, item, &cols);
            continue;
        }
        if (item->kind == AST_ITEM_STRUCT_STAR) {
            if (!add_struct_star(p, &t, item, &cols)) return false;
            continue;
        }
        expr *e;
        if (!typeck_expr(&t, item->e, &e)) return false;
        if (e->type->kind == TYPE_NULL) {
            return diag_at(p->d, item->e->at, DIAG_STATEMENT,
                           "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null "
                           "AS VARCHAR).");
        }
        if (e->type->kind == TYPE_INTERVAL)
            return diag_at(p->d, item->e->at, DIAG_STATEMENT, "An interval unit is no value.");
        add_col(&cols, (select_col){arena_str(p->a, item->alias), e, item->e, item->at, true});
    }
    *out = cols.items;
    *count = cols.count;
    return true;
}

/* ---- keys ------------------------------------------------------------------------------------------------- */

/* The key column that an item of the projection is, or -1. */
static int key_of(const node *n, const select_col *c)
{
    return c->e->kind == EXPR_COLUMN && c->e->column < n->step->schema->key_count ? c->e->column : -1;
}

static bool missing_key(planner *p, const node *n, const bool *seen)
{
    const schema *s = n->step->schema;
    buf names = {0};
    const char *what = !p->group_count && p->an->source_count > 1 && !p->an->partition_count ? "join expression"
                       : p->group_count                                                      ? "grouping expression"
                       : p->an->partition_count                                              ? "partitioning expression"
                                                                                             : "key column";
    for (int k = 0; k < s->key_count; k++) {
        if (p->group_count && seen[k]) continue;
        if (names.len) buf_add_z(&names, ", ");
        typeck t = plan_checker(p, n, "SELECT");
        t.substs = NULL;
        t.subst_count = 0;
        const ast_expr *from = p->group_count               ? p->groups[k]
                               : p->an->partition_count > k ? p->an->partition_by[k]
                                                            : NULL;
        buf_add_str(&names, from ? typeck_text(&t, from) : s->columns[k].name);
    }
    span at = p->an->item_count ? p->an->items[0].at : p->an->query->at;
    diag_at(p->d, at, DIAG_STATEMENT,
            "Key missing from projection (ie, SELECT).\nThe query used to build `%.*s` must include the %s %s in its "
            "projection (eg, SELECT "
            "%s...).",
            STR_ARG(p->target->name), what, buf_z(&names), buf_z(&names));
    buf_free(&names);
    return false;
}

static bool duplicate_key(planner *p, const node *n, int key, const select_col *a, const select_col *b)
{
    diag_at(p->d, b->at, DIAG_STATEMENT,
            "The projection contains a key column (`%.*s`) more than once, aliased as: `%.*s` and `%.*s`.",
            STR_ARG(n->step->schema->columns[key].name), STR_ARG(a->name), STR_ARG(b->name));
    return diag_hint(p->d, "Use AS_VALUE to copy a key column into the value.");
}

/* ---- persistent queries ----------------------------------------------------------------------------------- */

/* A projection split into its key names and its values. */
typedef struct split {
    str *key_names;
    select_col *values;
    int value_count;
} split;

static bool split_keys(planner *p, const node *n, select_col *cols, int count, split *out)
{
    const schema *s = n->step->schema;
    const select_col **keys = ARENA_ARRAY(p->an->a, const select_col *, (size_t)s->key_count + 1);
    bool *seen = ARENA_ARRAY(p->an->a, bool, (size_t)s->key_count + 1);
    out->key_names = ARENA_ARRAY(p->a, str, (size_t)s->key_count + 1);
    out->values = ARENA_ARRAY(p->an->a, select_col, (size_t)count + 1);
    out->value_count = 0;
    bool all = true;
    for (int i = 0; i < count; i++) {
        int key = key_of(n, &cols[i]);
        if (key >= 0) {
            if (keys[key]) return duplicate_key(p, n, key, keys[key], &cols[i]);
            keys[key] = &cols[i];
            seen[key] = true;
            out->key_names[key] = cols[i].name;
        } else if (cols[i].e->kind != EXPR_PSEUDO || !pseudo_is_window_bound(cols[i].name)) {
            out->values[out->value_count++] = cols[i]; /* the bounds of a windowed source stay in the key */
        }
    }
    for (int k = 0; k < s->key_count; k++) all = all && seen[k];
    if (!all) return missing_key(p, n, seen);
    if (out->value_count) return true;
    return diag_at(p->d, p->an->items[0].at, DIAG_STATEMENT, "The projection contains no value columns.");
}

static bool check_duplicates(planner *p, const split *x, int key_count)
{
    for (int i = 0; i < x->value_count; i++) {
        for (int k = 0; k < key_count; k++) {
            if (str_eq(x->values[i].name, x->key_names[k])) {
                return diag_at(p->d, x->values[i].at, DIAG_STATEMENT, "Value columns clash with key columns: `%.*s`",
                               STR_ARG(x->values[i].name));
            }
        }
        for (int k = 0; k < i; k++) {
            if (str_eq(x->values[i].name, x->values[k].name)) {
                return diag_at(p->d, x->values[i].at, DIAG_STATEMENT,
                               "Duplicate value columns found in schema: `%.*s` %s", STR_ARG(x->values[i].name),
                               type_text(p->a, x->values[i].e->type).p);
            }
        }
    }
    return true;
}

static bool incompatible(planner *p, const schema *result)
{
    buf have = {0}, want = {0};
    schema_print(result, &have);
    schema_print(p->target->existing->schema, &want);
    diag_at(p->d, p->an->query->at, DIAG_STATEMENT,
            "Incompatible schema between results and sink.\nResult schema is %s\nSink schema is %s", buf_z(&have),
            buf_z(&want));
    buf_free(&have);
    buf_free(&want);
    return false;
}

/* INSERT INTO: names and order must be the target's, types must become its types implicitly. */
static bool fit_target(planner *p, const node *n, split *x, schema *result)
{
    const schema *to = p->target->existing->schema;
    if (to->count != result->count || to->key_count != result->key_count) return incompatible(p, result);
    for (int i = 0; i < to->count; i++) {
        const column *c = &result->columns[i];
        if (!str_eq(c->name, to->columns[i].name)) return incompatible(p, result);
        if (type_eq(c->type, to->columns[i].type)) continue;
        if (i < to->key_count) return incompatible(p, result);
        typeck t = plan_checker(p, n, "SELECT");
        select_col *v = &x->values[i - to->key_count];
        value converted;
        bool literal = v->e->kind == EXPR_CONST;
        bool ok = literal ? coerce_value(p->a, v->e->type, v->e->constant, to->columns[i].type, false, &converted)
                          : coerce_type(p->a, v->e->type, to->columns[i].type, false) != NULL;
        if (!ok) return incompatible(p, result);
        v->e = typeck_cast(&t, v->e, to->columns[i].type);
    }
    return true;
}

static schema *result_schema(planner *p, const node *n, const split *x)
{
    const schema *from = n->step->schema;
    column *columns = ARENA_ARRAY(p->a, column, (size_t)(from->key_count + x->value_count) + 1);
    for (int k = 0; k < from->key_count; k++)
        columns[k] = (column){.name = x->key_names[k], .type = from->columns[k].type, .role = COLUMN_KEY};
    for (int i = 0; i < x->value_count; i++) {
        columns[from->key_count + i] =
            (column){.name = x->values[i].name, .type = x->values[i].e->type, .role = COLUMN_VALUE};
    }
    schema *s = schema_new(p->a, columns, from->key_count + x->value_count);
    s->is_table = from->is_table;
    s->window = from->window;
    s->window_size = from->window_size;
    return s;
}

static void project_step(planner *p, node *n, const schema *s, const select_col *values, int count)
{
    plan *step = plan_step(p, PLAN_PROJECT, p->an->aggregates ? "Aggregate-Project" : "Project", n->step, s);
    const expr **exprs = ARENA_ARRAY(p->a, const expr *, (size_t)count + 1);
    int *keys = ARENA_ARRAY(p->a, int, (size_t)s->key_count + 1);
    for (int i = 0; i < count; i++) exprs[i] = values[i].e;
    for (int k = 0; k < s->key_count; k++) keys[k] = k;
    step->project = (plan_project){exprs, count, keys};
    n->step = step;
}

/* Push queries show every column, keys as well, in the order of the projection. */
static bool project_push(planner *p, node *n, select_col *cols, int count, planned *out)
{
    const schema *from = n->step->schema;
    split x = {ARENA_ARRAY(p->a, str, (size_t)from->key_count + 1), cols, count};
    int *keys = ARENA_ARRAY(p->a, int, (size_t)count + 1);
    for (int k = 0; k < from->key_count; k++) x.key_names[k] = from->columns[k].name;
    for (int i = 0; i < count; i++) keys[i] = key_of(n, &cols[i]);
    schema *s = result_schema(p, n, &x);
    project_step(p, n, s, cols, count);
    out->schema = s;
    out->result_keys = keys;
    return true;
}

bool plan_projection(planner *p, node *n, planned *out)
{
    select_col *cols;
    int count;
    if (!plan_select(p, n, &cols, &count)) return false;
    out->is_table = n->step->schema->is_table;
    if (!p->an->persistent) return project_push(p, n, cols, count, out);
    split x;
    if (!split_keys(p, n, cols, count, &x) || !check_duplicates(p, &x, n->step->schema->key_count)) return false;
    schema *s = result_schema(p, n, &x);
    if (p->target->existing) {
        if (!fit_target(p, n, &x, s)) return false;
        s = result_schema(p, n, &x);
    }
    project_step(p, n, s, x.values, x.value_count);
    out->schema = s;
    return true;
}
