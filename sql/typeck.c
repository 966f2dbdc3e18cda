#include "sql/typeck.h"

#include "base/check.h"
#include "base/datetime.h"
#include "base/similar.h"
#include "engine/func/registry.h"
#include "sql/ast_print.h"

/* ---- building nodes --------------------------------------------------------------------------------------- */

expr *typeck_node(typeck *t, expr_kind kind, const type *of, span at)
{
    expr *n = ARENA_NEW(t->a, expr);
    n->kind = kind;
    n->type = of;
    n->at = at;
    return n;
}

expr *typeck_node_args(typeck *t, expr_kind kind, const type *of, span at, const expr *const *args, int n)
{
    expr *e = typeck_node(t, kind, of, at);
    const expr **copy = ARENA_ARRAY(t->a, const expr *, (size_t)n + 1);
    for (int i = 0; i < n; i++) copy[i] = args[i];
    e->args = copy;
    e->arg_count = n;
    return e;
}

static expr *constant(typeck *t, const type *of, value v, span at)
{
    expr *e = typeck_node(t, EXPR_CONST, of, at);
    e->constant = v;
    return e;
}

const expr *typeck_cast(typeck *t, const expr *e, const type *to)
{
    if (type_eq(e->type, to)) return e;
    if (e->kind == EXPR_CONST) {
        value v;
        if (e->type->kind == TYPE_NULL) return constant(t, to, value_null(), e->at);
        if (coerce_value(t->a, e->type, e->constant, to, false, &v)) return constant(t, to, v, e->at);
    }
    return typeck_node_args(t, EXPR_CAST, to, e->at, &e, 1);
}

str typeck_text(typeck *t, const ast_expr *e)
{
    return ast_expr_text(t->a, e);
}

static const char *type_name(typeck *t, const type *of)
{
    return of->kind == TYPE_NULL ? "NULL" : type_text(t->a, of).p;
}

/* ---- types ------------------------------------------------------------------------------------------------ */

static bool struct_type(arena *a, const catalog *c, const ast_type *from, const type **out, diag *d)
{
    type_field *fields = ARENA_ARRAY(a, type_field, from->u.structure.n + 1);
    for (uint32_t i = 0; i < from->u.structure.n; i++) {
        fields[i].name = arena_str(a, from->u.structure.fields[i].name.text);
        if (!typeck_type(a, c, from->u.structure.fields[i].type, &fields[i].type, d)) return false;
    }
    *out = type_struct(a, fields, (int)from->u.structure.n);
    return true;
}

bool typeck_type(arena *a, const catalog *c, const ast_type *from, const type **out, diag *d)
{
    const type *x, *y;
    switch (from->kind) {
    case AST_TYPE_BOOLEAN: *out = type_simple(TYPE_BOOLEAN); return true;
    case AST_TYPE_INTEGER: *out = type_simple(TYPE_INT); return true;
    case AST_TYPE_BIGINT: *out = type_simple(TYPE_BIGINT); return true;
    case AST_TYPE_DOUBLE: *out = type_simple(TYPE_DOUBLE); return true;
    case AST_TYPE_STRING: *out = type_simple(TYPE_STRING); return true;
    case AST_TYPE_BYTES: *out = type_simple(TYPE_BYTES); return true;
    case AST_TYPE_DATE: *out = type_simple(TYPE_DATE); return true;
    case AST_TYPE_TIME: *out = type_simple(TYPE_TIME); return true;
    case AST_TYPE_TIMESTAMP: *out = type_simple(TYPE_TIMESTAMP); return true;
    case AST_TYPE_DECIMAL:
        if (from->u.decimal.precision > DECIMAL_PRECISION_MAX) {
            return diag_at(d, from->at, DIAG_LIMIT, "DECIMAL precision must be at most %d, but is %d",
                           DECIMAL_PRECISION_MAX, from->u.decimal.precision);
        }
        *out = type_decimal(a, from->u.decimal.precision, from->u.decimal.scale);
        return true;
    case AST_TYPE_ARRAY:
        if (!typeck_type(a, c, from->u.element, &x, d)) return false;
        *out = type_array(a, x);
        return true;
    case AST_TYPE_MAP:
        if (!typeck_type(a, c, from->u.map.key, &x, d) || !typeck_type(a, c, from->u.map.value, &y, d)) return false;
        *out = type_map(a, x, y);
        return true;
    case AST_TYPE_STRUCT: return struct_type(a, c, from, out, d);
    case AST_TYPE_NAMED: {
        const named_type *n = catalog_type(c, from->u.name.text);
        if (!n) {
            diag_at(d, from->at, DIAG_NOT_FOUND, "Cannot resolve unknown type: %.*s", STR_ARG(from->u.name.text));
            return diag_hint(d, "SHOW TYPES lists the custom types.");
        }
        *out = type_copy(a, n->type);
        return true;
    }
    }
    check_unreachable();
}

/* ---- columns and fields ----------------------------------------------------------------------------------- */

static bool check_column(typeck *t, const ast_expr *e, expr **out)
{
    str qualifier = e->u.column.source.text, name = e->u.column.name.text;
    if (!t->scope) {
        return diag_at(t->d, e->at, DIAG_STATEMENT, "Unsupported column reference in %s: %.*s", t->clause,
                       STR_ARG(name));
    }
    const scope_entry *found = scope_find(t->scope, qualifier, name);
    if (found) {
        *out = scope_read(t->a, found, e->at);
        return true;
    }
    diag_at(t->d, e->at, DIAG_STATEMENT, "%s column '%.*s' cannot be resolved.", t->clause, STR_ARG(typeck_text(t, e)));
    const scope_entry *near = scope_similar(t->scope, qualifier, name);
    return near ? diag_hint(t->d, "Did you mean %.*s?", STR_ARG(near->name)) : false;
}

static bool check_field(typeck *t, const ast_expr *e, expr **out)
{
    expr *base;
    if (!typeck_expr(t, e->u.field.base, &base)) return false;
    str name = e->u.field.name.text;
    if (base->type->kind != TYPE_STRUCT) {
        return diag_at(t->d, e->u.field.name.at, DIAG_STATEMENT, "Expected STRUCT type, got: %s in '%.*s'",
                       type_name(t, base->type), STR_ARG(typeck_text(t, e)));
    }
    int at = type_field_index(base->type, name);
    if (at < 0) {
        diag_at(t->d, e->u.field.name.at, DIAG_STATEMENT, "Could not find field '%.*s' in '%.*s'.", STR_ARG(name),
                STR_ARG(typeck_text(t, e->u.field.base)));
        similar guess = similar_begin(name);
        for (int i = 0; i < base->type->field_count; i++) {
            if (similar_try(&guess, base->type->fields[i].name)) at = i;
        }
        return at >= 0 ? diag_hint(t->d, "Did you mean %.*s?", STR_ARG(base->type->fields[at].name)) : false;
    }
    *out = typeck_node_args(t, EXPR_FIELD, base->type->fields[at].type, e->at, (const expr *const *)&base, 1);
    (*out)->index = at;
    return true;
}

static bool check_subscript(typeck *t, const ast_expr *e, expr **out)
{
    expr *base, *index;
    if (!typeck_expr(t, e->u.subscript.base, &base) || !typeck_expr(t, e->u.subscript.index, &index)) return false;
    const type *want;
    if (base->type->kind == TYPE_ARRAY) {
        want = type_simple(TYPE_INT);
        if (index->type->kind != TYPE_INT && index->type->kind != TYPE_BIGINT && index->type->kind != TYPE_NULL) {
            return diag_at(t->d, e->u.subscript.index->at, DIAG_STATEMENT, "Array index must be INTEGER, but is %s",
                           type_name(t, index->type));
        }
    } else if (base->type->kind == TYPE_MAP) {
        want = base->type->key;
        if (index->type->kind != TYPE_NULL && !coerce_type(t->a, index->type, want, false)) {
            return diag_at(t->d, e->u.subscript.index->at, DIAG_STATEMENT,
                           "The keys of the map are %s, but the subscript is %s", type_name(t, want),
                           type_name(t, index->type));
        }
    } else {
        diag_at(t->d, e->op_at, DIAG_STATEMENT, "Subscript expression (%.*s) do not apply to %s.",
                STR_ARG(typeck_text(t, e)), type_name(t, base->type));
        return base->type->kind == TYPE_STRUCT ? diag_hint(t->d, "Use the dereference operator for STRUCTS: a->b")
                                               : false;
    }
    const expr *args[2] = {base, typeck_cast(t, index, want)};
    *out = typeck_node_args(t, EXPR_ELEMENT, base->type->elem, e->at, args, 2);
    return true;
}

/* ---- arithmetic ------------------------------------------------------------------------------------------- */

static const char *const op_text[] = {"+",   "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM",
                                      "AND", "OR"};

static const type *arithmetic_type(typeck *t, ast_op op, const type *l, const type *r)
{
    if (l->kind == TYPE_DOUBLE || r->kind == TYPE_DOUBLE) return type_simple(TYPE_DOUBLE);
    if (l->kind != TYPE_DECIMAL && r->kind != TYPE_DECIMAL) return l->kind == TYPE_BIGINT ? l : r;
    const type *x = coerce_as_decimal(t->a, l), *y = coerce_as_decimal(t->a, r);
    decimal_type p = {x->precision, x->scale}, q = {y->precision, y->scale};
    decimal_type z;
    switch (op) {
    case AST_OP_ADD: z = decimal_type_add(p, q); break;
    case AST_OP_SUBTRACT: z = decimal_type_sub(p, q); break;
    case AST_OP_MULTIPLY: z = decimal_type_mul(p, q); break;
    case AST_OP_DIVIDE: z = decimal_type_div(p, q); break;
    default: z = decimal_type_mod(p, q); break;
    }
    return type_decimal(t->a, z.precision, z.scale);
}

static bool check_arithmetic(typeck *t, const ast_expr *e, expr **out)
{
    expr *l, *r;
    if (!typeck_expr(t, e->u.binary.left, &l) || !typeck_expr(t, e->u.binary.right, &r)) return false;
    ast_op op = e->u.binary.op;
    const expr *args[2] = {l, r};
    if (op == AST_OP_ADD && l->type->kind == TYPE_STRING && r->type->kind == TYPE_STRING) {
        *out = typeck_node_args(t, EXPR_CONCAT, l->type, e->at, args, 2);
        return true;
    }
    if (l->type->kind == TYPE_NULL || r->type->kind == TYPE_NULL) {
        return diag_at(t->d, e->op_at, DIAG_STATEMENT,
                       "Error processing expression: %.*s. Arithmetic on types %s and %s are not supported.",
                       STR_ARG(typeck_text(t, e)), type_name(t, l->type), type_name(t, r->type));
    }
    if (!type_is_numeric(l->type) || !type_is_numeric(r->type)) {
        return diag_at(t->d, e->op_at, DIAG_STATEMENT,
                       "Error processing expression: %.*s. Unsupported arithmetic types. %s %s",
                       STR_ARG(typeck_text(t, e)), type_name(t, l->type), type_name(t, r->type));
    }
    const type *of = arithmetic_type(t, op, l->type, r->type);
    for (int i = 0; i < 2; i++) {
        args[i] = typeck_cast(t, args[i], of->kind == TYPE_DECIMAL ? coerce_as_decimal(t->a, args[i]->type) : of);
    }
    *out = typeck_node_args(t, EXPR_ARITH, of, e->at, args, 2);
    (*out)->op = (expr_op)(OP_ADD + (op - AST_OP_ADD));
    return true;
}

/* ---- comparisons ------------------------------------------------------------------------------------------ */

static bool is_time_of_day_less(type_kind k)
{
    return k == TYPE_DATE || k == TYPE_TIMESTAMP;
}

/* The type in which both sides are compared; NULL: they cannot be. */
static const type *comparison_type(typeck *t, const type *l, const type *r, bool equality)
{
    if (type_is_numeric(l) && type_is_numeric(r)) {
        if (l->kind == TYPE_DOUBLE || r->kind == TYPE_DOUBLE) return type_simple(TYPE_DOUBLE);
        if (l->kind == TYPE_DECIMAL) return l;
        return r->kind == TYPE_DECIMAL || r->kind == TYPE_BIGINT ? r : l;
    }
    if (l->kind == r->kind) {
        if (l->kind != TYPE_BOOLEAN && !type_is_nested(l)) return l;
        if (!equality) return NULL;
        if (type_eq(l, r)) return l;
        const type *common = coerce_type(t->a, l, r, false);
        return common ? common : coerce_type(t->a, r, l, false);
    }
    if (is_time_of_day_less(l->kind) && is_time_of_day_less(r->kind)) return type_simple(TYPE_TIMESTAMP);
    bool l_time = is_time_of_day_less(l->kind) || l->kind == TYPE_TIME,
         r_time = is_time_of_day_less(r->kind) || r->kind == TYPE_TIME;
    if (l->kind == TYPE_STRING && r_time) return r;
    if (r->kind == TYPE_STRING && l_time) return l;
    return NULL;
}

/* ROWTIME and the window bounds may be compared with a time written as text (2.6 I-5). */
static bool is_time_column(const ast_expr *e)
{
    if (e->kind != AST_EXPR_COLUMN) return false;
    str n = e->u.column.name.text;
    return str_eqz(n, "ROWTIME") || pseudo_is_window_bound(n);
}

static bool check_time_literal(typeck *t, const ast_expr *e, expr **out)
{
    value v = {0};
    diag why = {0};
    if (!datetime_parse_timestamp(str_trim(e->u.string), &v.l, &why)) {
        return diag_at(t->d, e->at, DIAG_STATEMENT, "Failed to parse timestamp '%.*s': %s", STR_ARG(e->u.string),
                       why.text);
    }
    *out = constant(t, type_simple(TYPE_BIGINT), v, e->at);
    return true;
}

/* One operand, read as a time when its partner is a time column. */
static bool check_operand(typeck *t, const ast_expr *e, const ast_expr *partner, expr **out)
{
    if (t->time_literals && e->kind == AST_EXPR_STRING && is_time_column(partner)) return check_time_literal(t, e, out);
    return typeck_expr(t, e, out);
}

/* Text compared with a date or time that is no such thing would be an error in every row: it is refused here. */
static bool check_constant(typeck *t, const ast_expr *from, const expr *e)
{
    value v;
    if (from->kind != AST_EXPR_STRING || e->kind != EXPR_CAST) return true;
    if (coerce_value(t->a, e->args[0]->type, e->args[0]->constant, e->type, false, &v)) return true;
    return diag_at(t->d, from->at, DIAG_STATEMENT, "Failed to parse '%.*s' as %s", STR_ARG(from->u.string),
                   type_name(t, e->type));
}

static bool check_compare(typeck *t, const ast_expr *e, expr **out)
{
    const ast_expr *from[2] = {e->u.binary.left, e->u.binary.right};
    ast_op op = e->u.binary.op;
    expr *l, *r;
    if (!check_operand(t, from[0], from[1], &l) || !check_operand(t, from[1], from[0], &r)) return false;
    if (l->type->kind == TYPE_NULL || r->type->kind == TYPE_NULL) {
        diag_at(t->d, e->op_at, DIAG_STATEMENT, "Comparison with NULL not supported: %s %s %s", type_name(t, l->type),
                op_text[op], type_name(t, r->type));
        return diag_hint(t->d, "Use 'IS NULL' or 'IS NOT NULL' instead.");
    }
    bool equality = op == AST_OP_EQ || op == AST_OP_NE || op == AST_OP_DISTINCT;
    const type *in = comparison_type(t, l->type, r->type, equality);
    if (!in) {
        return diag_at(t->d, e->op_at, DIAG_STATEMENT, "Cannot compare %.*s (%s) to %.*s (%s) with %s.",
                       STR_ARG(typeck_text(t, from[0])), type_name(t, l->type), STR_ARG(typeck_text(t, from[1])),
                       type_name(t, r->type), op_text[op]);
    }
    const expr *args[2] = {l, r};
    for (int i = 0; i < 2; i++) {
        const type *to = in->kind == TYPE_DECIMAL ? coerce_as_decimal(t->a, args[i]->type) : in;
        args[i] = typeck_cast(t, args[i], to);
        if (!check_constant(t, from[i], args[i])) return false;
    }
    *out = typeck_node_args(t, op == AST_OP_DISTINCT ? EXPR_DISTINCT : EXPR_COMPARE, type_simple(TYPE_BOOLEAN), e->at,
                            args, 2);
    if (op != AST_OP_DISTINCT) (*out)->op = (expr_op)(OP_EQ + (op - AST_OP_EQ));
    return true;
}

static bool check_between(typeck *t, const ast_expr *e, expr **out)
{
    const ast_expr *from[3] = {e->u.between.operand, e->u.between.low, e->u.between.high};
    const expr *args[3];
    const type *in = NULL;
    for (int i = 0; i < 3; i++) {
        expr *x;
        if (!check_operand(t, from[i], from[0], &x)) return false;
        args[i] = x;
        if (x->type->kind == TYPE_NULL) {
            return diag_at(t->d, from[i]->at, DIAG_STATEMENT, "Comparison with NULL not supported in BETWEEN");
        }
        const type *before = in;
        in = before ? comparison_type(t, before, x->type, false) : x->type;
        if (!in || (i == 0 && (in->kind == TYPE_BOOLEAN || type_is_nested(in)))) {
            return diag_at(t->d, from[i]->at, DIAG_STATEMENT, "Cannot compare %.*s (%s) to %.*s (%s) with BETWEEN.",
                           STR_ARG(typeck_text(t, from[0])), type_name(t, args[0]->type),
                           STR_ARG(typeck_text(t, from[i])), type_name(t, x->type));
        }
    }
    for (int i = 0; i < 3; i++) {
        args[i] = typeck_cast(t, args[i], in->kind == TYPE_DECIMAL ? coerce_as_decimal(t->a, args[i]->type) : in);
        if (!check_constant(t, from[i], args[i])) return false;
    }
    *out = typeck_node_args(t, EXPR_BETWEEN, type_simple(TYPE_BOOLEAN), e->at, args, 3);
    return true;
}

/* ---- logic ------------------------------------------------------------------------------------------------ */

static bool check_boolean(typeck *t, const ast_expr *e, const char *what, expr **out)
{
    if (!typeck_expr(t, e, out)) return false;
    if ((*out)->type->kind == TYPE_NULL) *out = constant(t, type_simple(TYPE_BOOLEAN), value_null(), e->at);
    if ((*out)->type->kind == TYPE_BOOLEAN) return true;
    return diag_at(t->d, e->at, DIAG_STATEMENT, "%s: expected a BOOLEAN, but %.*s is %s", what,
                   STR_ARG(typeck_text(t, e)), type_name(t, (*out)->type));
}

static bool check_logic(typeck *t, const ast_expr *e, expr **out)
{
    expr *l, *r;
    const char *name = op_text[e->u.binary.op];
    if (!check_boolean(t, e->u.binary.left, name, &l) || !check_boolean(t, e->u.binary.right, name, &r)) return false;
    const expr *args[2] = {l, r};
    *out = typeck_node_args(t, e->u.binary.op == AST_OP_AND ? EXPR_AND : EXPR_OR, l->type, e->at, args, 2);
    return true;
}

/* NOT over BETWEEN, IN, LIKE and DISTINCT is the plain form negated only where NULL does not differ: it stays a NOT. */
static bool check_not(typeck *t, const ast_expr *e, expr **out)
{
    expr *x;
    if (!check_boolean(t, e->u.operand, "NOT", &x)) return false;
    *out = typeck_node_args(t, EXPR_NOT, x->type, e->at, (const expr *const *)&x, 1);
    return true;
}

static bool check_is_null(typeck *t, const ast_expr *e, expr **out)
{
    expr *x;
    if (!typeck_expr(t, e->u.operand, &x)) return false;
    const expr *arg = x->type->kind == TYPE_NULL ? typeck_cast(t, x, type_simple(TYPE_STRING)) : x;
    *out = typeck_node_args(t, EXPR_IS_NULL, type_simple(TYPE_BOOLEAN), e->at, &arg, 1);
    (*out)->negated = e->kind == AST_EXPR_IS_NOT_NULL;
    return true;
}

static bool check_like(typeck *t, const ast_expr *e, expr **out)
{
    const ast_expr *from[2] = {e->u.like.operand, e->u.like.pattern};
    const expr *args[2];
    for (int i = 0; i < 2; i++) {
        expr *x;
        if (!typeck_expr(t, from[i], &x)) return false;
        args[i] = x->type->kind == TYPE_NULL ? typeck_cast(t, x, type_simple(TYPE_STRING)) : x;
        if (args[i]->type->kind != TYPE_STRING) {
            return diag_at(t->d, from[i]->at, DIAG_STATEMENT, "LIKE only works on STRING, but %.*s is %s",
                           STR_ARG(typeck_text(t, from[i])), type_name(t, x->type));
        }
    }
    *out = typeck_node_args(t, EXPR_LIKE, type_simple(TYPE_BOOLEAN), e->at, args, 2);
    if (e->u.like.escape.p) (*out)->escape = e->u.like.escape.p[0];
    return true;
}

static bool check_cast(typeck *t, const ast_expr *e, expr **out)
{
    expr *x;
    const type *to;
    if (!typeck_expr(t, e->u.cast.operand, &x) || !typeck_type(t->a, t->catalog, e->u.cast.type, &to, t->d))
        return false;
    if (x->type->kind == TYPE_NULL) {
        *out = constant(t, to, value_null(), e->at);
        return true;
    }
    if (!coerce_castable(x->type, to)) {
        return diag_at(t->d, e->at, DIAG_STATEMENT, "Cast of %s to %s is not supported", type_name(t, x->type),
                       type_name(t, to));
    }
    *out = typeck_node_args(t, EXPR_CAST, to, e->at, (const expr *const *)&x, 1);
    return true;
}

static bool check_negate(typeck *t, const ast_expr *e, expr **out)
{
    expr *x;
    if (!typeck_expr(t, e->u.operand, &x)) return false;
    if (!type_is_numeric(x->type)) {
        return diag_at(t->d, e->op_at, DIAG_STATEMENT,
                       "Error processing expression: %.*s. Unsupported arithmetic types. %s",
                       STR_ARG(typeck_text(t, e)), type_name(t, x->type));
    }
    *out = e->kind == AST_EXPR_PLUS ? x : typeck_node_args(t, EXPR_NEGATE, x->type, e->at, (const expr *const *)&x, 1);
    return true;
}

/* ---- literals and the rest -------------------------------------------------------------------------------- */

static bool check_decimal(typeck *t, const ast_expr *e, expr **out)
{
    decimal_type of = {e->u.decimal.precision, e->u.decimal.scale};
    value v = {0};
    if (decimal_parse(e->u.decimal.text, of, DECIMAL_UNNECESSARY, &v.dec) != DECIMAL_OK) {
        return diag_at(t->d, e->at, DIAG_STATEMENT, "Invalid numeric literal: %.*s has more than %d digits",
                       STR_ARG(e->u.decimal.text), DECIMAL_PRECISION_MAX);
    }
    *out = constant(t, type_decimal(t->a, of.precision, of.scale), v, e->at);
    return true;
}

static bool check_literal(typeck *t, const ast_expr *e, expr **out)
{
    value v = {0};
    type_kind kind = TYPE_NULL;
    switch (e->kind) {
    case AST_EXPR_BOOLEAN:
        kind = TYPE_BOOLEAN;
        v.b = e->u.boolean;
        break;
    case AST_EXPR_INTEGER:
        kind = TYPE_INT;
        v.i = (int32_t)e->u.integer;
        break;
    case AST_EXPR_BIGINT:
        kind = TYPE_BIGINT;
        v.l = e->u.integer;
        break;
    case AST_EXPR_DOUBLE:
        kind = TYPE_DOUBLE;
        v.d = e->u.number;
        break;
    case AST_EXPR_STRING:
        kind = TYPE_STRING;
        v.s = arena_str(t->a, e->u.string);
        break;
    case AST_EXPR_UNIT:
        kind = TYPE_INTERVAL;
        v.i = (int32_t)e->u.unit;
        break;
    case AST_EXPR_DECIMAL: return check_decimal(t, e, out);
    default: v.null = true; break;
    }
    *out = constant(t, type_simple(kind), v, e->at);
    return true;
}

static bool check_lambda_var(typeck *t, const ast_expr *e, expr **out)
{
    for (int i = t->param_count; i-- > 0;) {
        if (!str_eq(t->params[i].name, e->u.name.text)) continue;
        *out = typeck_node(t, EXPR_LAMBDA_VAR, t->params[i].type, e->at);
        (*out)->lambda_depth = t->params[i].depth;
        (*out)->variable = t->params[i].index;
        return true;
    }
    return diag_at(t->d, e->at, DIAG_STATEMENT, "%s column '%.*s' cannot be resolved.", t->clause,
                   STR_ARG(e->u.name.text));
}

bool typeck_case(typeck *t, const ast_expr *e, expr **out);
bool typeck_constructor(typeck *t, const ast_expr *e, expr **out);
bool typeck_in(typeck *t, const ast_expr *e, expr **out);

bool typeck_expr(typeck *t, const ast_expr *e, expr **out)
{
    for (int i = 0; i < t->subst_count; i++) {
        if (!ast_expr_equal(e, t->substs[i].from)) continue;
        *out = ARENA_NEW(t->a, expr);
        **out = *t->substs[i].to;
        (*out)->at = e->at;
        return true;
    }
    switch (e->kind) {
    case AST_EXPR_NULL:
    case AST_EXPR_BOOLEAN:
    case AST_EXPR_INTEGER:
    case AST_EXPR_BIGINT:
    case AST_EXPR_DOUBLE:
    case AST_EXPR_DECIMAL:
    case AST_EXPR_STRING:
    case AST_EXPR_UNIT: return check_literal(t, e, out);
    case AST_EXPR_COLUMN: return check_column(t, e, out);
    case AST_EXPR_LAMBDA_VAR: return check_lambda_var(t, e, out);
    case AST_EXPR_FIELD: return check_field(t, e, out);
    case AST_EXPR_SUBSCRIPT: return check_subscript(t, e, out);
    case AST_EXPR_CALL: return typeck_call(t, e, out);
    case AST_EXPR_LAMBDA:
        return diag_at(t->d, e->at, DIAG_STATEMENT, "A lambda can only be an argument of a function that takes one.");
    case AST_EXPR_CAST: return check_cast(t, e, out);
    case AST_EXPR_CASE: return typeck_case(t, e, out);
    case AST_EXPR_ARRAY:
    case AST_EXPR_MAP:
    case AST_EXPR_STRUCT: return typeck_constructor(t, e, out);
    case AST_EXPR_NEGATE:
    case AST_EXPR_PLUS: return check_negate(t, e, out);
    case AST_EXPR_ARITHMETIC: return check_arithmetic(t, e, out);
    case AST_EXPR_COMPARE: return check_compare(t, e, out);
    case AST_EXPR_LOGIC: return check_logic(t, e, out);
    case AST_EXPR_NOT: return check_not(t, e, out);
    case AST_EXPR_IS_NULL:
    case AST_EXPR_IS_NOT_NULL: return check_is_null(t, e, out);
    case AST_EXPR_BETWEEN: return check_between(t, e, out);
    case AST_EXPR_IN: return typeck_in(t, e, out);
    case AST_EXPR_LIKE: return check_like(t, e, out);
    }
    check_unreachable();
}

bool typeck_filter(typeck *t, const ast_expr *e, expr **out)
{
    if (!typeck_expr(t, e, out)) return false;
    if ((*out)->type->kind == TYPE_BOOLEAN) return true;
    return diag_at(t->d, e->at, DIAG_STATEMENT,
                   "Type error in %s expression: Should evaluate to boolean but is %.*s (%s) instead.", t->clause,
                   STR_ARG(typeck_text(t, e)), type_name(t, (*out)->type));
}
