/* The parts of the checker that bring several expressions to one type: CASE, IN, and the constructors. */
#include "base/check.h"
#include "sql/typeck.h"

bool typeck_case(typeck *t, const ast_expr *e, expr **out);
bool typeck_constructor(typeck *t, const ast_expr *e, expr **out);
bool typeck_in(typeck *t, const ast_expr *e, expr **out);

static const char *type_name(typeck *t, const type *of)
{
    return of->kind == TYPE_NULL ? "NULL" : type_text(t->a, of).p;
}

/* The type of a number that stands in a text: the smallest of INT, BIGINT, DECIMAL, or DOUBLE. NULL: it is none. */
static const type *number_in_text(typeck *t, str text)
{
    str s = str_trim(text);
    int64_t n;
    if (str_to_i64(s, &n)) return type_simple(n >= INT32_MIN && n <= INT32_MAX ? TYPE_INT : TYPE_BIGINT);
    decimal v;
    decimal_type of;
    if (decimal_parse_natural(s, &v, &of) == DECIMAL_OK) return type_decimal(t->a, of.precision, of.scale);
    double f;
    return str_to_f64(s, &f) ? type_simple(TYPE_DOUBLE) : NULL;
}

static bool cannot_coerce(typeck *t, const ast_expr *from, const type *of, const type *to, diag *d)
{
    diag_at(d, from->at, DIAG_STATEMENT, "operator does not exist: %s = %s (%.*s)", type_name(t, to), type_name(t, of),
            STR_ARG(typeck_text(t, from)));
    return diag_hint(d, "You might need to add explicit type casts.");
}

static bool widen_text(typeck *t, const ast_expr *from, const type **common, diag *d)
{
    str text = from->u.string;
    if ((*common)->kind == TYPE_BOOLEAN) {
        value v, in = {.s = text};
        if (coerce_value(t->a, type_simple(TYPE_STRING), in, *common, true, &v)) return true;
    } else {
        const type *of = number_in_text(t, text);
        const type *wide = of ? coerce_type(t->a, of, *common, false) : NULL;
        if (of && !wide) wide = coerce_type(t->a, *common, of, false);
        if (wide) {
            *common = wide;
            return true;
        }
    }
    return diag_at(d, from->at, DIAG_STATEMENT, "invalid input syntax for type %s: \"%.*s\".", type_name(t, *common),
                   STR_ARG(text));
}

/* Widens the common type so that it takes in one more element. */
static bool widen(typeck *t, const ast_expr *from, const expr *e, const type **common, diag *d)
{
    if (e->type->kind == TYPE_NULL) return true;
    if (!*common) {
        *common = e->type;
        return true;
    }
    bool to_scalar = type_is_numeric(*common) || (*common)->kind == TYPE_BOOLEAN;
    if (from->kind == AST_EXPR_STRING && to_scalar) return widen_text(t, from, common, d);
    /* Constructors made of literals are as lax as their elements. */
    bool lax = ast_expr_is_literal(from) || from->kind == AST_EXPR_ARRAY || from->kind == AST_EXPR_MAP ||
               from->kind == AST_EXPR_STRUCT;
    const type *wide = coerce_type(t->a, e->type, *common, lax);
    if (!wide) wide = coerce_type(t->a, *common, e->type, lax);
    if (!wide) return cannot_coerce(t, from, e->type, *common, d);
    *common = wide;
    return true;
}

/* One element in the common type; literals, also those inside constructors, are converted as literals. */
static bool convert(typeck *t, const ast_expr *from, const expr *e, const type *to, const expr **out, diag *d)
{
    if (type_eq(e->type, to)) {
        *out = e;
        return true;
    }
    if (e->kind == EXPR_CONST) {
        value v = value_null();
        if (e->type->kind != TYPE_NULL && !coerce_value(t->a, e->type, e->constant, to, true, &v)) {
            return diag_at(d, from->at, DIAG_STATEMENT, "invalid input syntax for type %s: \"%.*s\".", type_name(t, to),
                           STR_ARG(typeck_text(t, from)));
        }
        expr *c = typeck_node(t, EXPR_CONST, to, e->at);
        c->constant = v;
        *out = c;
        return true;
    }
    if (e->kind == EXPR_ARRAY && to->kind == TYPE_ARRAY) {
        const expr **items = ARENA_ARRAY(t->a, const expr *, (size_t)e->arg_count + 1);
        for (int i = 0; i < e->arg_count; i++) {
            if (!convert(t, from, e->args[i], to->elem, &items[i], d)) return false;
        }
        *out = typeck_node_args(t, EXPR_ARRAY, to, e->at, items, e->arg_count);
        return true;
    }
    if (e->kind == EXPR_MAP && to->kind == TYPE_MAP) {
        const expr **items = ARENA_ARRAY(t->a, const expr *, (size_t)e->arg_count + 1);
        for (int i = 0; i < e->arg_count; i++) {
            if (!convert(t, from, e->args[i], i % 2 ? to->elem : to->key, &items[i], d)) return false;
        }
        *out = typeck_node_args(t, EXPR_MAP, to, e->at, items, e->arg_count);
        return true;
    }
    if (e->kind == EXPR_STRUCT && to->kind == TYPE_STRUCT) {
        const expr **items = ARENA_ARRAY(t->a, const expr *, (size_t)to->field_count + 1);
        for (int i = 0; i < to->field_count; i++) {
            int at = type_field_index(e->type, to->fields[i].name);
            expr *none = typeck_node(t, EXPR_CONST, to->fields[i].type, e->at);
            none->constant = value_null();
            items[i] = none;
            if (at >= 0 && !convert(t, from, e->args[at], to->fields[i].type, &items[i], d)) return false;
        }
        *out = typeck_node_args(t, EXPR_STRUCT, to, e->at, items, to->field_count);
        return true;
    }
    *out = typeck_cast(t, e, to);
    return true;
}

bool typeck_common(typeck *t, const ast_expr *const *from, const expr **elements, int n, const type **common, diag *d)
{
    *common = NULL;
    for (int i = 0; i < n; i++) {
        if (!widen(t, from[i], elements[i], common, d)) return false;
    }
    for (int i = 0; *common && i < n; i++) {
        if (!convert(t, from[i], elements[i], *common, &elements[i], d)) return false;
    }
    return true;
}

bool typeck_in(typeck *t, const ast_expr *e, expr **out)
{
    int n = (int)e->u.in.list.n + 1;
    const expr **elements = ARENA_ARRAY(t->a, const expr *, (size_t)n);
    const ast_expr **from = ARENA_ARRAY(t->a, const ast_expr *, (size_t)n);
    for (int i = 0; i < n; i++) {
        expr *x;
        from[i] = i ? e->u.in.list.items[i - 1] : e->u.in.operand;
        if (!typeck_expr(t, from[i], &x)) return false;
        elements[i] = x;
    }
    const type *common;
    if (!typeck_common(t, from, elements, n, &common, t->d)) return false;
    if (!common) return diag_at(t->d, e->at, DIAG_STATEMENT, "IN needs at least one value that is not NULL");
    *out = typeck_node_args(t, EXPR_IN, type_simple(TYPE_BOOLEAN), e->at, elements, n);
    return true;
}

static bool check_when(typeck *t, const ast_when *w, const expr **condition, const expr **result, const type **of)
{
    expr *c, *r;
    if (!typeck_expr(t, w->condition, &c)) return false;
    if (c->type->kind != TYPE_BOOLEAN) {
        return diag_at(t->d, w->condition->at, DIAG_STATEMENT,
                       "WHEN operand type should be boolean.\nType for '%.*s' is %s",
                       STR_ARG(typeck_text(t, w->condition)), type_name(t, c->type));
    }
    if (!typeck_expr(t, w->result, &r)) return false;
    *condition = c;
    *result = r;
    if (r->type->kind == TYPE_NULL) return true;
    if (*of && !type_eq(*of, r->type)) {
        return diag_at(t->d, w->result->at, DIAG_STATEMENT,
                       "Invalid Case expression. Type for all 'THEN' clauses should be the same.\nTHEN expression "
                       "'%.*s' has type: "
                       "%s.\nPrevious THEN expression(s) type: %s.",
                       STR_ARG(typeck_text(t, w->result)), type_name(t, r->type), type_name(t, *of));
    }
    *of = r->type;
    return true;
}

bool typeck_case(typeck *t, const ast_expr *e, expr **out)
{
    int n = (int)e->u.cases.n;
    const expr **args = ARENA_ARRAY(t->a, const expr *, 2 * (size_t)n + 1);
    const type *of = NULL;
    for (int i = 0; i < n; i++) {
        if (!check_when(t, &e->u.cases.whens[i], &args[2 * i], &args[2 * i + 1], &of)) return false;
    }
    int count = 2 * n;
    if (e->u.cases.otherwise) {
        expr *x;
        if (!typeck_expr(t, e->u.cases.otherwise, &x)) return false;
        if (of && x->type->kind != TYPE_NULL && !type_eq(of, x->type)) {
            return diag_at(t->d, e->u.cases.otherwise->at, DIAG_STATEMENT,
                           "Invalid Case expression. Type for the default clause should be the same as for 'THEN' "
                           "clauses.\nTHEN type: "
                           "%s.\nDEFAULT type: %s.",
                           type_name(t, of), type_name(t, x->type));
        }
        if (!of && x->type->kind != TYPE_NULL) of = x->type;
        args[count++] = x;
    }
    if (!of) return diag_at(t->d, e->at, DIAG_STATEMENT, "Invalid Case expression. All case branches have NULL type");
    for (int i = 1; i < count; i += 2) args[i] = typeck_cast(t, args[i], of);
    if (count % 2) args[count - 1] = typeck_cast(t, args[count - 1], of);
    *out = typeck_node_args(t, EXPR_CASE, of, e->at, args, count);
    return true;
}

static bool check_array(typeck *t, const ast_expr *e, expr **out)
{
    int n = (int)e->u.list.n;
    if (n == 0) {
        return diag_at(t->d, e->at, DIAG_STATEMENT,
                       "Array constructor cannot be empty. Please supply at least one element.");
    }
    const expr **elements = ARENA_ARRAY(t->a, const expr *, (size_t)n);
    for (int i = 0; i < n; i++) {
        expr *x;
        if (!typeck_expr(t, e->u.list.items[i], &x)) return false;
        elements[i] = x;
    }
    const type *common;
    if (!typeck_common(t, (const ast_expr *const *)e->u.list.items, elements, n, &common, t->d)) return false;
    if (!common) {
        diag_at(t->d, e->at, DIAG_STATEMENT, "Cannot construct an array with all NULL elements.");
        return diag_hint(t->d, "Cast a NULL to the type that is meant.");
    }
    *out = typeck_node_args(t, EXPR_ARRAY, type_array(t->a, common), e->at, elements, n);
    return true;
}

static bool check_map(typeck *t, const ast_expr *e, expr **out)
{
    int n = (int)e->u.map.n;
    if (n == 0) {
        return diag_at(t->d, e->at, DIAG_STATEMENT,
                       "Map constructor cannot be empty. Please supply at least one key value pair.");
    }
    /* Keys and values each have a common type. */
    const expr **sides[2] = {ARENA_ARRAY(t->a, const expr *, (size_t)n), ARENA_ARRAY(t->a, const expr *, (size_t)n)};
    const ast_expr **from[2] = {ARENA_ARRAY(t->a, const ast_expr *, (size_t)n),
                                ARENA_ARRAY(t->a, const ast_expr *, (size_t)n)};
    for (int i = 0; i < n; i++) {
        from[0][i] = e->u.map.entries[i].key;
        from[1][i] = e->u.map.entries[i].value;
        for (int k = 0; k < 2; k++) {
            expr *x;
            if (!typeck_expr(t, from[k][i], &x)) return false;
            sides[k][i] = x;
        }
    }
    const type *common[2];
    const expr **args = ARENA_ARRAY(t->a, const expr *, 2 * (size_t)n);
    for (int k = 0; k < 2; k++) {
        if (!typeck_common(t, from[k], sides[k], n, &common[k], t->d)) return false;
        if (!common[k]) {
            diag_at(t->d, e->at, DIAG_STATEMENT, "Cannot construct a map with all NULL %s.", k ? "values" : "keys");
            return diag_hint(t->d, "Cast a NULL to the type that is meant.");
        }
        for (int i = 0; i < n; i++) args[2 * i + k] = sides[k][i];
    }
    *out = typeck_node_args(t, EXPR_MAP, type_map(t->a, common[0], common[1]), e->at, args, 2 * n);
    return true;
}

static bool check_struct(typeck *t, const ast_expr *e, expr **out)
{
    int n = (int)e->u.structure.n;
    const expr **args = ARENA_ARRAY(t->a, const expr *, (size_t)n + 1);
    type_field *fields = ARENA_ARRAY(t->a, type_field, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        expr *x;
        const ast_struct_field *f = &e->u.structure.fields[i];
        if (!typeck_expr(t, f->value, &x)) return false;
        if (x->type->kind == TYPE_NULL) {
            diag_at(t->d, f->value->at, DIAG_STATEMENT, "Cannot infer the type of the field %.*s from NULL.",
                    STR_ARG(f->name.text));
            return diag_hint(t->d, "Cast it to the type that is meant.");
        }
        for (int k = 0; k < i; k++) {
            if (str_eq(fields[k].name, f->name.text)) {
                return diag_at(t->d, f->name.at, DIAG_STATEMENT, "Duplicate field names found in STRUCT: '%.*s'.",
                               STR_ARG(f->name.text));
            }
        }
        fields[i] = (type_field){arena_str(t->a, f->name.text), x->type};
        args[i] = x;
    }
    *out = typeck_node_args(t, EXPR_STRUCT, type_struct(t->a, fields, n), e->at, args, n);
    return true;
}

bool typeck_constructor(typeck *t, const ast_expr *e, expr **out)
{
    if (e->kind == AST_EXPR_ARRAY) return check_array(t, e, out);
    return e->kind == AST_EXPR_MAP ? check_map(t, e, out) : check_struct(t, e, out);
}
