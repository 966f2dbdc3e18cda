/*
 * Joins: which key a join has, and the steps before it that bring both sides to that key (reference 6.4).
 *
 * The chain is left-deep. Each side is re-keyed where its key is not the join key, then projected: its keys stay, and
 * every column that the query reads anywhere becomes a value named ALIAS_COLUMN, so that sides never clash. The output
 * of a join is its key, the left values, the right values.
 */
#include <stdio.h>

#include "base/check.h"
#include "sql/format_rules.h"
#include "sql/plan_build.h"

/* Expressions that have the same value as the key of the join so far, and those of them that are columns. */
typedef struct key_set {
    const ast_expr *equal[2 * ANALYSIS_SOURCES_MAX];
    int equal_count;
    const ast_expr *viable[2 * ANALYSIS_SOURCES_MAX];
    int viable_count;
} key_set;

/* One join under way. */
typedef struct join_step {
    planner *p;
    const analysis_join *j;
    int index;
    bool last;
    char prefix[2 * ANALYSIS_SOURCES_MAX + 1]; /* "L_" for each join that follows */
    node left, right;
    key_set *keys;
    bool foreign;
} join_step;

/* ---- which columns are read ------------------------------------------------------------------------------- */

typedef struct column_walk {
    str alias, name;
    bool found;
} column_walk;

static ast_visit visit_column(const ast_expr *e, void *arg)
{
    column_walk *w = arg;
    if (e->kind != AST_EXPR_COLUMN) return AST_VISIT_CONTINUE;
    w->found = str_eq(e->u.column.name.text, w->name) && str_eq(e->u.column.source.text, w->alias);
    return w->found ? AST_VISIT_STOP : AST_VISIT_CONTINUE;
}

static bool reads(const ast_expr *e, column_walk *w)
{
    if (e && !w->found) ast_expr_walk(e, visit_column, w);
    return w->found;
}

/* Does anything behind join `index` read the entry? */
static bool is_read(const planner *p, const scope_entry *e, int index)
{
    const analysis *an = p->an;
    column_walk w = {e->qualifier, e->name, false};
    for (int i = 0; i < an->item_count && !w.found; i++) {
        const analysis_item *item = &an->items[i];
        if (item->kind == AST_ITEM_STAR && e->star && (!item->source.n || str_eq(item->source, e->qualifier)))
            return true;
        reads(item->e, &w);
    }
    for (int i = 0; i < an->group_count; i++) reads(an->group_by[i], &w);
    for (int i = 0; i < an->partition_count; i++) reads(an->partition_by[i], &w);
    for (int i = index; i < an->join_count; i++) {
        reads(an->joins[i].left, &w);
        reads(an->joins[i].right, &w);
    }
    return reads(an->where, &w) || reads(an->having, &w);
}

/* ---- key formats ------------------------------------------------------------------------------------------ */

static bool same_format(format_spec a, format_spec b)
{
    return a.kind == b.kind && a.delimiter == b.delimiter;
}

/* Is the expression the key of the rows already? */
static bool is_key_of(const node *n, const expr *e)
{
    return n->step->schema->key_count == 1 && e->kind == EXPR_COLUMN && e->column == 0;
}

/* ---- preparing a side ------------------------------------------------------------------------------------- */

static bool rekey_side(join_step *s, node *n, const ast_expr *from, const expr *key, format_spec format, bool right)
{
    planner *p = s->p;
    if (n->step->schema->window != WINDOW_NONE) {
        return diag_at(p->d, from->at, DIAG_STATEMENT, "Implicit repartitioning of windowed sources is not supported.");
    }
    if (n->step->schema->is_table && !is_key_of(n, key)) {
        return diag_at(
            p->d, from->at, DIAG_STATEMENT,
            "Cannot repartition a TABLE source. If this is a join, joins on tables must be on the key column.");
    }
    const schema *from_schema = n->step->schema;
    int *keep = ARENA_ARRAY(p->an->a, int, (size_t)from_schema->count + 1), count = 0;
    for (int i = 0; i < from_schema->count; i++) {
        if (key->kind != EXPR_COLUMN || key->column != i) keep[count++] = i;
    }
    name_maker maker = {.a = p->an->a};
    name_maker_avoid(&maker, from_schema);
    str name = key->kind == EXPR_COLUMN ? from_schema->columns[key->column].name
                                        : arena_str(p->a, name_maker_for(&maker, from));
    str context = arena_printf(p->an->a, "%s%sSourceKeyed-SelectKey", s->prefix, right ? "Right" : "Left");
    scope before = n->names;
    if (!plan_rekey_step(p, n, context.p, &key, &name, 1, keep, count, true, false, format)) return false;
    /* The same names in the same order as before: the key of a join is no column of the query. */
    scope_entry *entries = ARENA_ARRAY(p->an->a, scope_entry, (size_t)before.count + 1);
    int kept = 0;
    for (int i = 0; i < before.count; i++) {
        const scope_entry *now = scope_find(&n->names, before.entries[i].qualifier, before.entries[i].name);
        if (!now) continue;
        entries[kept] = before.entries[i];
        entries[kept++].column = now->column;
    }
    n->names = (scope){entries, kept};
    return true;
}

/* Keeps the keys and turns every column that is read later into a value of its own. */
static void project_side(join_step *s, node *n, bool right)
{
    planner *p = s->p;
    const schema *from = n->step->schema;
    int cap = n->names.count;
    scope_entry *entries = ARENA_ARRAY(p->an->a, scope_entry, (size_t)cap + 1);
    column *columns = ARENA_ARRAY(p->a, column, (size_t)(from->key_count + cap) + 1);
    const expr **exprs = ARENA_ARRAY(p->a, const expr *, (size_t)cap + 1);
    int *keys = ARENA_ARRAY(p->a, int, (size_t)from->key_count + 1);
    int count = 0;
    for (int k = 0; k < from->key_count; k++) {
        columns[k] = from->columns[k];
        keys[k] = k;
    }
    for (int i = 0; i < cap; i++) {
        scope_entry e = n->names.entries[i];
        if (!is_read(p, &e, s->index)) continue;
        int same = -1;
        for (int k = 0; k < count && same < 0; k++) {
            if (str_eq(entries[k].qualifier, e.qualifier) && str_eq(entries[k].name, e.name)) same = k;
        }
        if (same >= 0) {
            entries[same].star = entries[same].star || e.star;
            continue;
        }
        exprs[count] = scope_read(p->a, &e, s->j->at);
        columns[from->key_count + count] =
            (column){.name = arena_printf(p->a, "%.*s_%.*s", STR_ARG(e.qualifier), STR_ARG(e.name)),
                     .type = e.type,
                     .role = COLUMN_VALUE};
        e.column = from->key_count + count;
        entries[count++] = e;
    }
    schema *to = schema_new(p->a, columns, from->key_count + count);
    to->is_table = from->is_table;
    to->window = from->window;
    to->window_size = from->window_size;
    str context = arena_printf(p->an->a, "PrependAlias%s%s-Project", s->prefix, right ? "Right" : "Left");
    plan *step = plan_step(p, PLAN_PROJECT, context.p, n->step, to);
    step->project = (plan_project){exprs, count, keys};
    n->step = step;
    n->names = (scope){entries, count};
}

/* ---- rules ------------------------------------------------------------------------------------------------ */

static const char *kind_text(ast_join_kind k)
{
    static const char *const names[] = {"[INNER] JOIN", "LEFT [OUTER] JOIN", "RIGHT [OUTER] JOIN", "[FULL] OUTER JOIN"};
    return names[k];
}

static bool refuse_kind(join_step *s, const char *what)
{
    const analysis *an = s->p->an;
    return diag_at(s->p->d, s->j->at, DIAG_STATEMENT, "Invalid join type: %s. Got %.*s %s %.*s.", what,
                   STR_ARG(an->sources[s->j->left_source].src->name), kind_text(s->j->kind),
                   STR_ARG(an->sources[s->j->right_source].src->name));
}

static bool refuse_condition(join_step *s, const char *what)
{
    typeck t = plan_checker(s->p, &s->left, "JOIN ON");
    const ast_expr *first = s->j->flipped ? s->j->right : s->j->left,
                   *second = s->j->flipped ? s->j->left : s->j->right;
    return diag_at(s->p->d, first->at, DIAG_STATEMENT, "Invalid join condition: %s. Got %.*s = %.*s.", what,
                   STR_ARG(typeck_text(&t, first)), STR_ARG(typeck_text(&t, second)));
}

/* Is this the only key column of its table? */
static bool is_primary_key(const analysis *an, const ast_expr *e, int source_index)
{
    const schema *s = an->sources[source_index].src->schema;
    return e->kind == AST_EXPR_COLUMN && s->key_count == 1 && str_eq(e->u.column.name.text, s->columns[0].name);
}

static bool check_within(join_step *s, bool streams)
{
    const analysis_join *j = s->j;
    diag *d = s->p->d;
    if (streams && !j->before.present) {
        diag_at(d, j->at, DIAG_STATEMENT,
                "Stream-Stream joins must have a WITHIN clause specified. None was provided.");
        return diag_hint(d, "For example: JOIN x WITHIN 10 SECONDS ON ...");
    }
    if (!streams && j->before.present) {
        return diag_at(
            d, j->before.at, DIAG_STATEMENT,
            "A window definition was provided for a %s join. These joins are not windowed. Please drop the window "
            "definition (ie. the WITHIN clause) and try to execute your join again.",
            s->left.step->schema->is_table ? "Table-Table" : "Stream-Table");
    }
    if (!streams) return true;
    if (j->before.value < 0 || j->after.value < 0)
        return diag_at(d, j->before.at, DIAG_STATEMENT, "WITHIN must not be negative.");
    if (j->grace.present && j->grace.value < 0)
        return diag_at(d, j->grace.at, DIAG_STATEMENT, "GRACE PERIOD must not be negative.");
    return true;
}

static bool check_stream_table(join_step *s)
{
    if (s->j->kind == AST_JOIN_OUTER) return refuse_kind(s, "full-outer join not supported for stream-table join");
    if (s->j->kind == AST_JOIN_RIGHT) return refuse_kind(s, "right-outer join not supported for stream-table join");
    if (is_primary_key(s->p->an, s->j->right, s->j->right_source)) return true;
    return refuse_condition(s, "stream-table joins require to join on the table's primary key");
}

static bool check_table_table(join_step *s)
{
    const analysis *an = s->p->an;
    if (!is_primary_key(an, s->j->right, s->j->right_source)) {
        return refuse_condition(s, "table-table joins require to join on the primary key of the right input table");
    }
    if (is_primary_key(an, s->j->left, s->j->left_source)) return true;
    s->foreign = true;
    if (s->j->kind == AST_JOIN_OUTER)
        return refuse_kind(s, "full-outer join not supported for foreign-key table-table join");
    if (s->j->kind == AST_JOIN_RIGHT) return refuse_kind(s, "RIGHT OUTER JOIN on a foreign key is not supported");
    if (s->index > 0)
        return refuse_condition(s, "foreign-key table-table joins are not supported as part of n-way joins");
    if (an->sources[s->j->right_source].src->schema->window == WINDOW_NONE) return true;
    return diag_at(s->p->d, s->j->at, DIAG_STATEMENT,
                   "Foreign-key table-table joins are not supported on windowed tables.");
}

static bool check_kinds(join_step *s)
{
    bool left = s->left.step->schema->is_table, right = s->right.step->schema->is_table;
    if (!check_within(s, !left && !right)) return false;
    if (!left && !right) return true;
    if (!left) return check_stream_table(s);
    if (right) return check_table_table(s);
    const analysis *an = s->p->an;
    return diag_at(
        s->p->d, s->j->at, DIAG_STATEMENT,
        "Invalid join order: table-stream joins are not supported; only stream-table joins. Got %.*s %s %.*s.",
        STR_ARG(an->sources[s->j->left_source].src->name), kind_text(s->j->kind),
        STR_ARG(an->sources[s->j->right_source].src->name));
}

static bool check_partitions(join_step *s)
{
    const analysis *an = s->p->an;
    if (s->foreign || s->left.partitions == s->right.partitions) return true;
    return diag_at(s->p->d, s->j->at, DIAG_STATEMENT,
                   "Can't join `%.*s` with `%.*s` since the number of partitions don't match. `%.*s` partitions = %d; "
                   "`%.*s` partitions = %d. Please "
                   "repartition either one so that the number of partitions match.",
                   STR_ARG(an->sources[s->j->left_source].alias), STR_ARG(an->sources[s->j->right_source].alias),
                   STR_ARG(an->sources[s->j->left_source].alias), s->left.partitions,
                   STR_ARG(an->sources[s->j->right_source].alias), s->right.partitions);
}

/* ---- the key of the result -------------------------------------------------------------------------------- */

static bool contains(const ast_expr *const *list, int count, const ast_expr *e)
{
    for (int i = 0; i < count; i++) {
        if (ast_expr_equal(list[i], e)) return true;
    }
    return false;
}

/* Adds this join's sides to the set (ksqlDB: joinEquivalenceSet, viableKeyColumns). */
static void extend_keys(join_step *s)
{
    key_set *k = s->keys;
    const ast_expr *sides[2] = {s->j->left, s->j->right};
    if (s->j->kind == AST_JOIN_OUTER) {
        k->equal_count = k->viable_count = 0; /* either side may be missing: no column is the key */
        return;
    }
    bool linked = contains(k->equal, k->equal_count, sides[0]) || contains(k->equal, k->equal_count, sides[1]);
    if (!linked) k->equal_count = 0;
    for (int i = 0; i < 2; i++) {
        if (!contains(k->equal, k->equal_count, sides[i])) k->equal[k->equal_count++] = sides[i];
        if (sides[i]->kind == AST_EXPR_COLUMN && !contains(k->viable, k->viable_count, sides[i]))
            k->viable[k->viable_count++] = sides[i];
    }
    int n = 0;
    for (int i = 0; i < k->viable_count; i++) {
        if (contains(k->equal, k->equal_count, k->viable[i])) k->viable[n++] = k->viable[i];
    }
    k->viable_count = n;
}

/* Does the projection have the column? */
static bool is_projected(const analysis *an, const ast_expr *e)
{
    for (int i = 0; i < an->item_count; i++) {
        const analysis_item *item = &an->items[i];
        if (item->kind == AST_ITEM_STAR && (!item->source.n || str_eq(item->source, e->u.column.source.text)))
            return true;
        if (item->kind != AST_ITEM_STAR && ast_expr_equal(item->e, e)) return true;
    }
    return false;
}

/* The column that the key is shown as; NULL: none is, the key is synthetic. */
static const ast_expr *key_column(const planner *p, const key_set *k)
{
    for (int i = 0; i < k->viable_count; i++) {
        if (is_projected(p->an, k->viable[i])) return k->viable[i];
    }
    return k->viable_count ? k->viable[0] : NULL;
}

static str synthetic_name(planner *p)
{
    name_maker maker = {.a = p->an->a};
    for (int i = 0; i < p->an->source_count; i++) name_maker_avoid(&maker, p->an->sources[i].src->schema);
    return arena_str(p->a, name_maker_rowkey(&maker));
}

/* ---- building --------------------------------------------------------------------------------------------- */

/* The names over the join's output. */
static scope join_scope(join_step *s, const ast_expr *shown, str key_name)
{
    planner *p = s->p;
    int keys = s->left.step->schema->key_count;
    int left_values = s->left.step->schema->count - keys;
    scope_entry *entries = ARENA_ARRAY(p->an->a, scope_entry, (size_t)(s->left.names.count + s->right.names.count) + 1);
    int n = 0;
    /* The synthetic key of the last join can be named; those of earlier ones cannot. */
    if (!s->foreign && !shown && s->last)
        entries[n++] =
            (scope_entry){.name = key_name, .type = s->left.step->schema->columns[0].type, .column = 0, .star = true};
    for (int side = 0; side < 2; side++) {
        const node *from = side ? &s->right : &s->left;
        int shift = side ? keys + left_values - from->step->schema->key_count : 0;
        for (int i = 0; i < from->names.count; i++) {
            scope_entry e = from->names.entries[i];
            e.column += shift;
            bool is_key =
                shown && str_eq(e.qualifier, shown->u.column.source.text) && str_eq(e.name, shown->u.column.name.text);
            if (is_key && s->last && !s->foreign) e.column = 0;
            entries[n++] = e;
        }
    }
    if (!s->foreign) return (scope){entries, n};
    /* The result of a foreign-key join has the left table's key. */
    const analysis_source *left = &p->an->sources[s->j->left_source];
    for (int i = 0; i < n; i++) {
        int at = str_eq(entries[i].qualifier, left->alias) ? schema_find(left->src->schema, entries[i].name) : -1;
        if (at >= 0 && at < left->src->schema->key_count) entries[i].column = at;
    }
    return (scope){entries, n};
}

static schema *join_schema(join_step *s, const str *key_names)
{
    planner *p = s->p;
    const schema *l = s->left.step->schema, *r = s->right.step->schema;
    column *columns = ARENA_ARRAY(p->a, column, (size_t)(l->count + r->count) + 1);
    int n = 0;
    for (int k = 0; k < l->key_count; k++)
        columns[n++] = (column){.name = key_names[k], .type = l->columns[k].type, .role = COLUMN_KEY};
    for (int i = l->key_count; i < l->count; i++) columns[n++] = l->columns[i];
    for (int i = r->key_count; i < r->count; i++) columns[n++] = r->columns[i];
    schema *to = schema_new(p->a, columns, n);
    to->is_table = l->is_table && r->is_table;
    to->window = l->window;
    to->window_size = l->window_size;
    return to;
}

static bool build_join(join_step *s, node *n)
{
    planner *p = s->p;
    const analysis_join *j = s->j;
    extend_keys(s);
    const ast_expr *shown = s->foreign ? NULL : key_column(p, s->keys);
    int keys = s->left.step->schema->key_count;
    str *names = ARENA_ARRAY(p->a, str, (size_t)keys + 1);
    if (s->foreign) {
        for (int k = 0; k < keys; k++) {
            names[k] = arena_printf(p->a, "%.*s_%.*s", STR_ARG(p->an->sources[j->left_source].alias),
                                    STR_ARG(s->left.step->schema->columns[k].name));
        }
    } else if (shown) {
        names[0] =
            arena_printf(p->a, "%.*s_%.*s", STR_ARG(shown->u.column.source.text), STR_ARG(shown->u.column.name.text));
    } else {
        names[0] = synthetic_name(p);
    }
    static const join_kind kinds[] = {JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_OUTER};
    str context = arena_printf(p->an->a, "%sJoin", s->prefix);
    plan *step = plan_step(p, PLAN_JOIN, context.p, s->left.step, join_schema(s, names));
    step->inputs[step->input_count++] = s->right.step;
    step->join = (plan_join){.kind = kinds[j->kind],
                             .before = j->before.present ? ast_duration_ms(j->before) : 0,
                             .after = j->before.present ? ast_duration_ms(j->after) : 0,
                             .grace = j->grace.present ? ast_duration_ms(j->grace) : -1};
    if (s->foreign) {
        typeck t = plan_checker(p, &s->left, "JOIN ON");
        expr *e;
        if (!typeck_expr(&t, j->left, &e)) return false;
        step->join.foreign_key = e;
    }
    *n = (node){step, join_scope(s, shown, names[0]), s->left.key_format, s->right.partitions};
    return true;
}

static bool differing_types(join_step *s, const type *l, const type *r)
{
    typeck t = plan_checker(s->p, &s->left, "JOIN ON");
    bool f = s->j->flipped;
    const ast_expr *first = f ? s->j->right : s->j->left, *second = f ? s->j->left : s->j->right;
    return diag_at(s->p->d, first->at, DIAG_STATEMENT,
                   "Invalid join condition: types don't match. Got %.*s{%s} = %.*s{%s}.",
                   STR_ARG(typeck_text(&t, first)), type_text(s->p->a, f ? r : l).p, STR_ARG(typeck_text(&t, second)),
                   type_text(s->p->a, f ? l : r).p);
}

/* Brings both sides to the join key in one key format, so that equal keys lie in equal partitions. */
static bool bring_together(join_step *s)
{
    planner *p = s->p;
    expr *keys[2];
    node *sides[2] = {&s->left, &s->right};
    const ast_expr *from[2] = {s->j->left, s->j->right};
    bool moves[2];
    for (int i = 0; i < 2; i++) {
        typeck t = plan_checker(p, sides[i], "JOIN ON");
        if (!typeck_expr(&t, from[i], &keys[i])) return false;
        moves[i] = !is_key_of(sides[i], keys[i]);
    }
    /* A joined side is keyed by everything that its key equals. */
    if (s->index > 0 && contains(s->keys->equal, s->keys->equal_count, s->j->left)) moves[0] = false;
    if (!type_eq(keys[0]->type, keys[1]->type)) return differing_types(s, keys[0]->type, keys[1]->type);
    if (s->foreign) return true;
    const type *key_type = keys[0]->type;
    format_spec format = !moves[0] ? s->left.key_format : !moves[1] ? s->right.key_format : s->left.key_format;
    if (format.kind == FORMAT_NONE) format = s->right.key_format;
    format = format_key_for(format, &key_type, 1, plan_default_key_format(p));
    for (int i = 0; i < 2; i++) {
        if (!moves[i] && same_format(sides[i]->key_format, format)) continue;
        if (!moves[i]) {
            /* Only the bytes of the key change: it stays the key. */
            expr *same = ARENA_NEW(p->a, expr);
            *same = (expr){.kind = EXPR_COLUMN, .type = key_type, .column = 0, .at = from[i]->at};
            keys[i] = same;
        }
        if (!rekey_side(s, sides[i], from[i], keys[i], format, i)) return false;
    }
    return true;
}

bool plan_join_nodes(planner *p, node *n)
{
    const analysis *an = p->an;
    key_set keys = {0};
    for (int i = 0; i < an->join_count; i++) {
        join_step s = {.p = p, .j = &an->joins[i], .index = i, .last = i == an->join_count - 1, .keys = &keys};
        for (int k = i + 1; k < an->join_count; k++) memcpy(s.prefix + 2 * (k - i - 1), "L_", 2);
        char left_name[2 * ANALYSIS_SOURCES_MAX + 32], right_name[2 * ANALYSIS_SOURCES_MAX + 32];
        snprintf(left_name, sizeof left_name, "KafkaTopic_%sLeft-Source", s.prefix);
        snprintf(right_name, sizeof right_name, "KafkaTopic_%sRight-Source", s.prefix);
        if (i == 0 && !plan_source_node(p, 0, left_name, &s.left)) return false;
        if (i > 0) s.left = *n;
        if (!plan_source_node(p, i + 1, right_name, &s.right)) return false;
        if (!check_kinds(&s) || !check_partitions(&s) || !bring_together(&s)) return false;
        project_side(&s, &s.left, false);
        project_side(&s, &s.right, true);
        if (!build_join(&s, n)) return false;
    }
    return true;
}
