/* INSERT INTO ... VALUES: constant expressions become the values of one row (reference 1.6, I3 to I5). */
#include "base/check.h"
#include "base/datetime.h"
#include "base/similar.h"
#include "engine/expr_run.h"
#include "sql/exec.h"
#include "sql/scope.h"
#include "sql/typeck.h"

/* A row under way. */
typedef struct insertion {
    execution *x;
    const source *to;
    value *values;
    bool *given;
    int64_t rowtime;
} insertion;

static bool check_target(execution *x, const source *to)
{
    const ast_name *name = &x->stmt->u.insert_values.target;
    if (to->schema->window != WINDOW_NONE)
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot insert values into windowed stream/table!");
    if (to->read_only) {
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot insert values into read-only %s: %.*s",
                       to->schema->is_table ? "table" : "stream", STR_ARG(to->name));
    }
    if (!settings_bool(&x->session->settings, "ksql.insert.into.values.enabled")) {
        return diag_at(x->d, x->stmt->at, DIAG_STATE,
                       "The server has disabled INSERT INTO ... VALUES functionality. To enable it, set "
                       "'ksql.insert.into.values.enabled'=true");
    }
    return true;
}

/* Computes a constant expression and converts it: literals loosely, anything else only as it would be implicitly. */
static bool constant_value(insertion *in, const ast_expr *from, const type *to, str name, value *out)
{
    execution *x = in->x;
    typeck t = {.a = x->a, .catalog = x->before, .clause = "insert value", .d = x->d};
    expr *e;
    value v;
    if (!typeck_expr(&t, from, &e)) return false;
    if (e->kind == EXPR_CONST)
        v = e->constant;
    else if (!expr_eval_const(x->a, e, NULL, NULL, &v, x->d))
        return false;
    bool lax = ast_expr_is_literal(from);
    if (e->type->kind == TYPE_NULL || v.null) {
        *out = value_null();
        return true;
    }
    if (coerce_value(x->a, e->type, v, to, lax, out)) return true;
    return diag_at(x->d, from->at, DIAG_STATEMENT,
                   "Failed to insert values into '%.*s'. Expected type %s for field `%.*s` but got %s(%.*s)",
                   STR_ARG(in->to->name), type_text(x->a, to).p, STR_ARG(name), type_text(x->a, e->type).p,
                   STR_ARG(typeck_text(&t, from)));
}

/* ROWTIME is given as a number or as a time written as text. */
static bool set_rowtime(insertion *in, const ast_expr *from)
{
    value v;
    if (from->kind == AST_EXPR_STRING) {
        diag why = {0};
        if (datetime_parse_timestamp(str_trim(from->u.string), &in->rowtime, &why)) return true;
    }
    if (!constant_value(in, from, type_simple(TYPE_BIGINT), STR("ROWTIME"), &v)) return false;
    if (!v.null) in->rowtime = v.l;
    return true;
}

static bool set_value(insertion *in, const ast_name *name, const ast_expr *from)
{
    execution *x = in->x;
    pseudo_column p;
    int at = schema_find(in->to->schema, name->text);
    if (at < 0 && pseudo_type(name->text, &p)) {
        if (p == PSEUDO_ROWTIME) return set_rowtime(in, from);
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Inserting into column `%s` is not allowed.", pseudo_name(p));
    }
    if (at < 0) {
        diag_at(x->d, name->at, DIAG_STATEMENT, "Column name `%.*s` does not exist.", STR_ARG(name->text));
        const column *near = NULL;
        similar guess = similar_begin(name->text);
        for (int i = 0; i < in->to->schema->count; i++) {
            if (similar_try(&guess, in->to->schema->columns[i].name)) near = &in->to->schema->columns[i];
        }
        return near ? diag_hint(x->d, "Did you mean %.*s?", STR_ARG(near->name)) : false;
    }
    const column *c = &in->to->schema->columns[at];
    if (c->role == COLUMN_HEADER || c->role == COLUMN_HEADERS) {
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Cannot insert into HEADER columns: %.*s", STR_ARG(c->name));
    }
    if (in->given[at])
        return diag_at(x->d, name->at, DIAG_STATEMENT, "Column `%.*s` is given twice.", STR_ARG(c->name));
    in->given[at] = true;
    return constant_value(in, from, c->type, c->name, &in->values[at]);
}

/* Without a column list: all columns, keys first. */
static bool set_all(insertion *in)
{
    execution *x = in->x;
    const ast_exprs *values = &x->stmt->u.insert_values.values;
    const schema *s = in->to->schema;
    int expected = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->columns[i].role == COLUMN_HEADER || s->columns[i].role == COLUMN_HEADERS) {
            return diag_at(x->d, x->stmt->u.insert_values.target.at, DIAG_STATEMENT,
                           "Cannot insert into HEADER columns: %.*s", STR_ARG(s->columns[i].name));
        }
        expected++;
    }
    if ((int)values->n != expected) {
        buf b = {0};
        schema_print(s, &b);
        diag_at(x->d, x->stmt->at, DIAG_STATEMENT,
                "Failed to insert values into '%.*s'. Expected a value for each column. Expected Columns: %s. Got %u "
                "values.",
                STR_ARG(in->to->name), buf_z(&b), (unsigned)values->n);
        buf_free(&b);
        return false;
    }
    for (int i = 0; i < s->count; i++) {
        in->given[i] = true;
        if (!constant_value(in, values->items[i], s->columns[i].type, s->columns[i].name, &in->values[i])) return false;
    }
    return true;
}

static bool set_listed(insertion *in)
{
    execution *x = in->x;
    const ast_exprs *values = &x->stmt->u.insert_values.values;
    const ast_names *names = &x->stmt->u.insert_values.columns;
    if (values->n != names->n) {
        return diag_at(x->d, x->stmt->at, DIAG_STATEMENT,
                       "Failed to insert values into '%.*s'. Expected a value for each column: %u columns, %u values.",
                       STR_ARG(in->to->name), (unsigned)names->n, (unsigned)values->n);
    }
    for (uint32_t i = 0; i < names->n; i++) {
        if (!set_value(in, &names->items[i], values->items[i])) return false;
    }
    return true;
}

static bool check_primary_key(insertion *in)
{
    const schema *s = in->to->schema;
    if (!s->is_table) return true;
    for (int k = 0; k < s->key_count; k++) {
        if (in->given[k] && !in->values[k].null) continue;
        return diag_at(
            in->x->d, in->x->stmt->at, DIAG_STATEMENT,
            "Failed to insert values into '%.*s'. Value for primary key column(s) %.*s is required for tables",
            STR_ARG(in->to->name), STR_ARG(s->columns[k].name));
    }
    return true;
}

bool exec_insert_values(execution *x)
{
    const ast_name *name = &x->stmt->u.insert_values.target;
    const source *to = catalog_source(x->before, name->text);
    if (!to) {
        diag_at(x->d, name->at, DIAG_NOT_FOUND, "Cannot insert values into an unknown stream/table: `%.*s`",
                STR_ARG(name->text));
        const source *near = catalog_similar_source(x->before, name->text);
        return near ? diag_hint(x->d, "Did you mean %.*s?", STR_ARG(near->name)) : false;
    }
    if (!check_target(x, to)) return false;
    const schema *s = to->schema;
    insertion in = {x, to, ARENA_ARRAY(x->a, value, (size_t)s->count), ARENA_ARRAY(x->a, bool, (size_t)s->count),
                    x->env->now_ms};
    for (int i = 0; i < s->count; i++) in.values[i] = value_null();
    if (!(x->stmt->u.insert_values.columns.n ? set_listed(&in) : set_all(&in)) || !check_primary_key(&in)) return false;
    if (in.rowtime < 0) return diag_at(x->d, x->stmt->at, DIAG_STATEMENT, "ROWTIME must not be negative.");
    effect *e = exec_effect(x, EFFECT_INSERT);
    e->src = to;
    e->topic = to->topic;
    e->values = in.values;
    e->rowtime = in.rowtime;
    e->key_null = true;
    for (int k = 0; k < s->key_count; k++) e->key_null = e->key_null && in.values[k].null;
    x->out->result.kind = RESULT_NONE;
    return true;
}
