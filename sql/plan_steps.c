/* Sources, filters, re-keying and table functions. */
#include "base/check.h"
#include "engine/func/registry.h"
#include "sql/format_rules.h"
#include "sql/plan_build.h"

plan *plan_step(planner *p, plan_kind kind, const char *context, const plan *input, const schema *s)
{
    plan *step = ARENA_NEW(p->a, plan);
    step->kind = kind;
    step->id = p->next_id++;
    step->context = arena_str(p->a, str_z(context));
    step->schema = s;
    if (input) step->inputs[step->input_count++] = input;
    return step;
}

typeck plan_checker(planner *p, const node *n, const char *clause)
{
    return (typeck){.a = p->a,
                    .catalog = p->an->catalog,
                    .scope = &n->names,
                    .clause = clause,
                    .substs = p->substs,
                    .subst_count = p->subst_count,
                    .d = p->d};
}

str plan_setting(const planner *p, const char *name)
{
    return settings_get(p->an->settings, name);
}

format_kind plan_default_key_format(const planner *p)
{
    const format_rules *r = format_rules_find(plan_setting(p, "ksql.persistence.default.format.key"));
    return r ? r->kind : FORMAT_KAFKA;
}

void plan_substitute(planner *p, const ast_expr *from, int at, const type *of)
{
    typeck_subst *grown = ARENA_ARRAY(p->an->a, typeck_subst, (size_t)p->subst_count + 1);
    for (int i = 0; i < p->subst_count; i++) grown[i] = p->substs[i];
    expr *read = ARENA_NEW(p->a, expr);
    *read = (expr){.kind = EXPR_COLUMN, .type = of, .column = at, .at = from->at};
    grown[p->subst_count++] = (typeck_subst){from, read};
    p->substs = grown;
}

bool plan_check_key_type(planner *p, const type *t, str name, span at)
{
    if (t->kind == TYPE_MAP) {
        return diag_at(p->d, at, DIAG_STATEMENT,
                       "Map keys, including types that contain maps, are not supported as they may lead to unexpected "
                       "behavior due to "
                       "inconsistent serialization. Key column name: `%.*s`. Column type: %s.",
                       STR_ARG(name), type_text(p->a, t).p);
    }
    if (t->kind == TYPE_ARRAY) return plan_check_key_type(p, t->elem, name, at);
    for (int i = 0; t->kind == TYPE_STRUCT && i < t->field_count; i++) {
        if (!plan_check_key_type(p, t->fields[i].type, name, at)) return false;
    }
    return true;
}

/* ---- source ----------------------------------------------------------------------------------------------- */

static void add_entry(scope_entry *entries, int *n, str alias, str name, const type *of, int at, bool star)
{
    entries[*n] = (scope_entry){.qualifier = alias, .name = name, .type = of, .column = at, .star = star};
    if (at < 0) pseudo_type(name, &entries[*n].pseudo);
    (*n)++;
}

/* Keys, window bounds, values: the order of SELECT *; then what only a name reaches. */
static scope source_scope(planner *p, const analysis_source *from, const schema *s)
{
    arena *a = p->an->a;
    scope_entry *entries = ARENA_ARRAY(a, scope_entry, (size_t)s->count + 5);
    int n = 0;
    for (int i = 0; i < s->key_count; i++)
        add_entry(entries, &n, from->alias, s->columns[i].name, s->columns[i].type, i, true);
    if (s->window != WINDOW_NONE) {
        add_entry(entries, &n, from->alias, STR("WINDOWSTART"), type_simple(TYPE_BIGINT), -1, true);
        add_entry(entries, &n, from->alias, STR("WINDOWEND"), type_simple(TYPE_BIGINT), -1, true);
    }
    for (int i = s->key_count; i < s->count; i++)
        add_entry(entries, &n, from->alias, s->columns[i].name, s->columns[i].type, i, true);
    add_entry(entries, &n, from->alias, STR("ROWTIME"), type_simple(TYPE_BIGINT), -1, false);
    add_entry(entries, &n, from->alias, STR("ROWPARTITION"), type_simple(TYPE_INT), -1, false);
    add_entry(entries, &n, from->alias, STR("ROWOFFSET"), type_simple(TYPE_BIGINT), -1, false);
    return (scope){entries, n};
}

bool plan_source_node(planner *p, int source_index, const char *context, node *n)
{
    const analysis_source *from = &p->an->sources[source_index];
    const source *src = from->src;
    schema *s = schema_copy(p->a, src->schema);
    plan *step = plan_step(p, PLAN_SOURCE, context, NULL, s);
    sql_topic topic = {.partitions = 1};
    if (p->env->topic && !p->env->topic(p->env->ctx, src->topic, &topic)) {
        return diag_at(p->d, from->at, DIAG_NOT_FOUND, "Kafka topic does not exist: %.*s", STR_ARG(src->topic));
    }
    bool earliest = s->is_table || str_ieq(plan_setting(p, "auto.offset.reset"), STR("earliest"));
    step->source = (plan_source){.name = arena_str(p->a, src->name),
                                 .topic = arena_str(p->a, src->topic),
                                 .key_format = src->key_format.spec,
                                 .value_format = src->value_format.spec,
                                 .timestamp = {.column = -1},
                                 .materialize = s->is_table,
                                 .from_earliest = earliest};
    if (src->timestamp_column.n) {
        step->source.timestamp.column = schema_find(s, src->timestamp_column);
        step->source.timestamp.format = arena_str(p->a, src->timestamp_format);
    }
    *n = (node){step, source_scope(p, from, s), src->key_format.spec, topic.partitions};
    return true;
}

/* ---- filter ----------------------------------------------------------------------------------------------- */

bool plan_where(planner *p, node *n)
{
    if (!p->an->where) return true;
    typeck t = plan_checker(p, n, "WHERE");
    t.time_literals = true;
    expr *predicate;
    if (!typeck_filter(&t, p->an->where, &predicate)) return false;
    plan *step = plan_step(p, PLAN_FILTER, "WhereFilter", n->step, n->step->schema);
    step->filter.predicate = predicate;
    n->step = step;
    return true;
}

/* ---- re-keying -------------------------------------------------------------------------------------------- */

/* The key column that holds an old column now, or -1. */
static int key_of_column(const expr *const *keys, int count, int at)
{
    for (int k = 0; k < count; k++) {
        if (keys[k]->kind == EXPR_COLUMN && keys[k]->column == at) return k;
    }
    return -1;
}

/* Where an old column lies after the move, or -1. */
static int moved_column(const expr *const *keys, int count, const int *keep, int keep_count, int at)
{
    int key = key_of_column(keys, count, at);
    if (key >= 0) return key;
    for (int i = 0; i < keep_count; i++) {
        if (keep[i] == at) return count + i;
    }
    return -1;
}

bool plan_rekey_step(planner *p, node *n, const char *context, const expr *const *keys, const str *names, int count,
                     const int *keep, int keep_count, bool exchange, bool drop_null_keys, format_spec key_format)
{
    const schema *from = n->step->schema;
    column *columns = ARENA_ARRAY(p->a, column, (size_t)(count + keep_count) + 1);
    for (int k = 0; k < count; k++) columns[k] = (column){.name = names[k], .type = keys[k]->type, .role = COLUMN_KEY};
    for (int i = 0; i < keep_count; i++) {
        columns[count + i] = from->columns[keep[i]];
        columns[count + i].role = COLUMN_VALUE;
    }
    schema *s = schema_new(p->a, columns, count + keep_count);
    s->is_table = from->is_table;
    plan *step = plan_step(p, PLAN_REKEY, context, n->step, s);
    const expr **kept_keys = ARENA_ARRAY(p->a, const expr *, (size_t)count + 1);
    for (int k = 0; k < count; k++) kept_keys[k] = keys[k];
    int *values = ARENA_ARRAY(p->a, int, (size_t)keep_count + 1);
    for (int i = 0; i < keep_count; i++) values[i] = keep[i];
    step->rekey = (plan_rekey){.keys = kept_keys,
                               .count = count,
                               .exchange = exchange,
                               .drop_null_keys = drop_null_keys,
                               .key_format = key_format,
                               .partitions = n->partitions,
                               .value_columns = values,
                               .value_count = keep_count};
    scope_entry *entries = ARENA_ARRAY(p->an->a, scope_entry, (size_t)(2 * n->names.count + count) + 1);
    int total = 0;
    /* New keys come first in SELECT *. */
    for (int k = 0; k < count; k++) {
        scope_entry e = {.name = names[k], .type = keys[k]->type, .column = k, .star = true};
        for (int i = 0; i < n->names.count && keys[k]->kind == EXPR_COLUMN; i++) {
            scope_entry old = n->names.entries[i];
            if (old.column != keys[k]->column) continue;
            e.qualifier = old.qualifier;
            /* The column keeps the name that the statement uses for it. */
            old.column = k;
            old.star = false;
            entries[total++] = old;
        }
        entries[total++] = e;
    }
    for (int i = 0; i < keep_count; i++) {
        for (int k = 0; k < n->names.count; k++) {
            scope_entry e = n->names.entries[k];
            if (e.column != keep[i]) continue;
            e.column = moved_column(keys, count, keep, keep_count, e.column);
            entries[total++] = e;
        }
    }
    for (int i = 0; i < n->names.count; i++) {
        scope_entry e = n->names.entries[i];
        if (e.column >= 0 || (s->window == WINDOW_NONE && pseudo_is_window_bound(e.name))) continue;
        entries[total++] = e;
    }
    n->names = (scope){entries, total};
    n->step = step;
    n->key_format = key_format;
    return true;
}

/* Does this key differ from the one that the rows have (ksqlDB: Repartitioning)? */
static bool key_changes(const node *n, const expr *const *keys, int count)
{
    const schema *s = n->step->schema;
    return s->key_count != 1 || count != 1 || keys[0]->kind != EXPR_COLUMN || keys[0]->column != 0;
}

static format_spec key_format_of(planner *p, const node *n, const expr *const *keys, int count)
{
    const type **types = ARENA_ARRAY(p->an->a, const type *, (size_t)count + 1);
    for (int k = 0; k < count; k++) types[k] = keys[k]->type;
    return format_key_for(n->key_format, types, count, plan_default_key_format(p));
}

/* Values in their order, then the old keys, without those that are keys now. */
static int kept_columns(const schema *s, const expr *const *keys, int count, int *keep)
{
    int n = 0;
    for (int i = s->key_count; i < s->count; i++) {
        if (key_of_column(keys, count, i) < 0) keep[n++] = i;
    }
    for (int i = 0; i < s->key_count; i++) {
        if (key_of_column(keys, count, i) < 0) keep[n++] = i;
    }
    return n;
}

bool plan_partition_by(planner *p, node *n)
{
    const analysis *an = p->an;
    int count = an->partition_null ? 0 : an->partition_count;
    if (an->partition_count == 0) return true;
    const expr **keys = ARENA_ARRAY(p->a, const expr *, (size_t)count + 1);
    str *names = ARENA_ARRAY(p->a, str, (size_t)count + 1);
    name_maker maker = {.a = an->a};
    name_maker_avoid(&maker, n->step->schema);
    for (int k = 0; k < count; k++) {
        typeck t = plan_checker(p, n, "PARTITION BY");
        expr *e;
        if (!typeck_expr(&t, an->partition_by[k], &e)) return false;
        bool bare = an->partition_by[k]->kind == AST_EXPR_COLUMN;
        names[k] = bare ? an->partition_by[k]->u.column.name.text : name_maker_for(&maker, an->partition_by[k]);
        if (bare && an->source_count > 1 && e->kind == EXPR_COLUMN) names[k] = n->step->schema->columns[e->column].name;
        if (!plan_check_key_type(p, e->type, names[k], e->at)) return false;
        keys[k] = e;
    }
    if (count && !key_changes(n, keys, count)) return true;
    if (n->step->schema->window != WINDOW_NONE) {
        return diag_at(p->d, an->query->partition_at, DIAG_STATEMENT,
                       "Implicit repartitioning of windowed sources is not supported.");
    }
    int *keep = ARENA_ARRAY(an->a, int, (size_t)n->step->schema->count + 1);
    int keep_count = kept_columns(n->step->schema, keys, count, keep);
    if (!plan_rekey_step(p, n, "PartitionBy", keys, names, count, keep, keep_count, true, false,
                         key_format_of(p, n, keys, count)))
        return false;
    for (int k = 0; k < count; k++) {
        if (an->partition_by[k]->kind != AST_EXPR_COLUMN) plan_substitute(p, an->partition_by[k], k, keys[k]->type);
    }
    return true;
}

/* ---- table functions -------------------------------------------------------------------------------------- */

typedef struct call_list {
    const ast_expr **items;
    int count;
    arena *a;
} call_list;

static ast_visit collect_table_call(const ast_expr *e, void *arg)
{
    call_list *l = arg;
    if (e->kind != AST_EXPR_CALL) return AST_VISIT_CONTINUE;
    const func_group *g = func_find(e->u.call.function.text);
    if (!g || g->kind != FUNC_TABLE) return AST_VISIT_CONTINUE;
    const ast_expr **grown = ARENA_ARRAY(l->a, const ast_expr *, (size_t)l->count + 1);
    for (int i = 0; i < l->count; i++) grown[i] = l->items[i];
    grown[l->count++] = e;
    l->items = grown;
    return AST_VISIT_PRUNE;
}

static bool plan_table_call(planner *p, const node *n, const ast_expr *call, const func **f, const expr **arg,
                            const type **of)
{
    typeck t = plan_checker(p, n, "SELECT");
    if (call->u.call.args.n != 1) {
        return diag_at(p->d, call->at, DIAG_STATEMENT, "%.*s takes one collection.",
                       STR_ARG(call->u.call.function.text));
    }
    expr *e;
    if (!typeck_expr(&t, call->u.call.args.items[0], &e)) return false;
    func_arg given = {.type = e->type};
    *f = func_resolve(func_find(call->u.call.function.text), &given, 1, call->at, p->d);
    if (!*f) return false;
    const type *want = func_param_type(p->a, *f, &given, 1, 0);
    *arg = want ? typeck_cast(&t, e, want) : e;
    *of = func_result_type(p->a, *f, &given, 1, call->at, p->d);
    return *of != NULL;
}

bool plan_table_functions(planner *p, node *n)
{
    if (!p->an->table_functions) return true;
    call_list calls = {.a = p->an->a};
    for (int i = 0; i < p->an->item_count; i++) {
        if (p->an->items[i].kind != AST_ITEM_STAR) ast_expr_walk(p->an->items[i].e, collect_table_call, &calls);
    }
    const schema *from = n->step->schema;
    column *columns = ARENA_ARRAY(p->a, column, (size_t)(from->count + calls.count));
    for (int i = 0; i < from->count; i++) columns[i] = from->columns[i];
    const expr **args = ARENA_ARRAY(p->a, const expr *, (size_t)calls.count);
    const func **funcs = ARENA_ARRAY(p->a, const func *, (size_t)calls.count);
    for (int i = 0; i < calls.count; i++) {
        const type *of;
        if (!plan_table_call(p, n, calls.items[i], &funcs[i], &args[i], &of)) return false;
        columns[from->count + i] =
            (column){.name = arena_printf(p->a, "KSQL_SYNTH_%d", i), .type = of, .role = COLUMN_VALUE};
    }
    schema *s = schema_new(p->a, columns, from->count + calls.count);
    s->is_table = from->is_table;
    s->window = from->window;
    s->window_size = from->window_size;
    plan *step = plan_step(p, PLAN_EXPLODE, "FlatMap", n->step, s);
    step->explode = (plan_explode){args, funcs, calls.count};
    for (int i = 0; i < calls.count; i++)
        plan_substitute(p, calls.items[i], from->count + i, columns[from->count + i].type);
    n->step = step;
    return true;
}
