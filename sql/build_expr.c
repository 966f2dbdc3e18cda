#include "sql/build.h"

#include "base/check.h"

static span join(span a, span b)
{
    return (span){a.start, b.end};
}

/* Depth from the children, within the limit. */
static ast_expr *seal(build *b, ast_expr *e)
{
    ast_expr_sealed(e);
    if (e->depth > AST_DEPTH_MAX) build_too_deep(b);
    return e;
}

static ast_expr *make(build *b, ast_expr_kind kind, span at, token op)
{
    ast_expr *e = ast_expr_new(b->a, kind, at);
    e->op_at = token_span(op);
    return e;
}

/* NOT around e when the predicate was written with NOT; the span is that of the whole predicate. */
static ast_expr *negate_if(build *b, bool negated, ast_expr *e)
{
    if (!negated) return e;
    ast_expr *not = ast_expr_new(b->a, AST_EXPR_NOT, e->at);
    not ->op_at = e->op_at;
    not ->u.operand = e;
    return seal(b, not );
}

/* ---- operators --------------------------------------------------------------------------------------------- */

ast_expr *build_not(build *b, token t, ast_expr *e)
{
    ast_expr *not = make(b, AST_EXPR_NOT, join(token_span(t), e->at), t);
    not ->u.operand = e;
    return seal(b, not );
}

ast_expr *build_binary(build *b, ast_expr_kind kind, ast_op op, ast_expr *left, token t, ast_expr *right)
{
    ast_expr *e = make(b, kind, join(left->at, right->at), t);
    e->u.binary.op = op;
    e->u.binary.left = left;
    e->u.binary.right = right;
    return seal(b, e);
}

ast_expr *build_not_distinct(build *b, ast_expr *left, token t, ast_expr *right)
{
    return negate_if(b, true, build_binary(b, AST_EXPR_COMPARE, AST_OP_DISTINCT, left, t, right));
}

ast_expr *build_between(build *b, ast_expr *e, bool negated, token t, ast_expr *low, ast_expr *high)
{
    ast_expr *between = make(b, AST_EXPR_BETWEEN, join(e->at, high->at), t);
    between->u.between.operand = e;
    between->u.between.low = low;
    between->u.between.high = high;
    return negate_if(b, negated, seal(b, between));
}

ast_expr *build_in(build *b, ast_expr *e, bool negated, token t, ast_exprs list, token close)
{
    ast_expr *in = make(b, AST_EXPR_IN, (span){e->at.start, close.end}, t);
    in->u.in.operand = e;
    in->u.in.list = list;
    return negate_if(b, negated, seal(b, in));
}

/* One character, which may be several bytes. */
static bool is_one_character(str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n == 1;
}

ast_expr *build_like(build *b, ast_expr *e, bool negated, token t, ast_expr *pattern, const token *escape)
{
    ast_expr *like = make(b, AST_EXPR_LIKE, join(e->at, escape ? token_span(*escape) : pattern->at), t);
    like->u.like.operand = e;
    like->u.like.pattern = pattern;
    if (escape != NULL) {
        like->u.like.escape = build_unquote(b, *escape);
        if (!is_one_character(like->u.like.escape)) {
            b->failed = true;
            diag_at(b->d, token_span(*escape), DIAG_SYNTAX, "Expected single character escape but got: %.*s",
                    STR_ARG(like->u.like.escape));
        }
    }
    return negate_if(b, negated, seal(b, like));
}

ast_expr *build_postfix(build *b, ast_expr_kind kind, ast_expr *e, token t, token end)
{
    ast_expr *is = make(b, kind, (span){e->at.start, end.end}, t);
    is->u.operand = e;
    return seal(b, is);
}

ast_expr *build_time_zone(build *b, ast_expr *e, token t)
{
    b->failed = true;
    diag_at(b->d, token_span(t), DIAG_UNSUPPORTED, "AT TIME ZONE is not supported");
    diag_hint(b->d, "Use CONVERT_TZ(timestamp, from, to)");
    return e;
}

ast_expr *build_sign(build *b, ast_expr_kind kind, token t, ast_expr *e)
{
    ast_expr *sign = make(b, kind, join(token_span(t), e->at), t);
    sign->u.operand = e;
    return seal(b, sign);
}

ast_expr *build_concat(build *b, ast_expr *left, token t, ast_expr *right)
{
    ast_expr *e = make(b, AST_EXPR_CALL, join(left->at, right->at), t);
    e->u.call.function = (ast_name){STR("CONCAT"), token_span(t), 0};
    e->u.call.args = build_exprs(b, build_exprs(b, (ast_exprs){0}, left), right);
    return seal(b, e);
}

/* ---- primaries --------------------------------------------------------------------------------------------- */

build_whens *build_when(build *b, build_whens *whens, token t, ast_expr *condition, ast_expr *result)
{
    if (whens == NULL) whens = ARENA_NEW(b->a, build_whens);
    whens->items = build_grow(b->a, whens->items, whens->n, sizeof *whens->items);
    whens->items[whens->n++] = (ast_when){condition, result, join(token_span(t), result->at)};
    return whens;
}

ast_expr *build_case(build *b, token t, build_whens *whens, ast_expr *otherwise, token end)
{
    ast_expr *e = make(b, AST_EXPR_CASE, (span){t.start, end.end}, t);
    e->u.cases.whens = whens->items;
    e->u.cases.n = whens->n;
    e->u.cases.otherwise = otherwise;
    return seal(b, e);
}

/* ksqlDB's grammar takes the form, and no later step of it does. */
ast_expr *build_simple_case(build *b, token t, ast_expr *e, build_whens *whens, ast_expr *otherwise, token end)
{
    b->failed = true;
    diag_at(b->d, (span){t.start, e->at.end}, DIAG_UNSUPPORTED, "CASE with an expression behind it is not supported");
    diag_hint(b->d, "Write the comparison in each branch: CASE WHEN x = 1 THEN ... END");
    return build_case(b, t, whens, otherwise, end);
}

ast_expr *build_cast(build *b, token t, ast_expr *e, ast_type *type, token close)
{
    ast_expr *cast = make(b, AST_EXPR_CAST, (span){t.start, close.end}, t);
    cast->u.cast.operand = e;
    cast->u.cast.type = type;
    return seal(b, cast);
}

ast_expr *build_array(build *b, token t, ast_exprs list, token close)
{
    ast_expr *e = make(b, AST_EXPR_ARRAY, (span){t.start, close.end}, t);
    e->u.list = list;
    return seal(b, e);
}

ast_expr *build_map_entry(build *b, ast_expr *map, ast_expr *key, ast_expr *value)
{
    if (map == NULL) map = ast_expr_new(b->a, AST_EXPR_MAP, key->at);
    map->u.map.entries = build_grow(b->a, map->u.map.entries, map->u.map.n, sizeof *map->u.map.entries);
    map->u.map.entries[map->u.map.n++] = (ast_map_entry){key, value};
    return map;
}

ast_expr *build_map(build *b, token t, ast_expr *map, token close)
{
    if (map == NULL) map = ast_expr_new(b->a, AST_EXPR_MAP, token_span(t));
    map->at = (span){t.start, close.end};
    map->op_at = token_span(t);
    return seal(b, map);
}

ast_expr *build_struct_field(build *b, ast_expr *e, ast_name name, ast_expr *value)
{
    if (e == NULL) e = ast_expr_new(b->a, AST_EXPR_STRUCT, name.at);
    e->u.structure.fields = build_grow(b->a, e->u.structure.fields, e->u.structure.n, sizeof *e->u.structure.fields);
    e->u.structure.fields[e->u.structure.n++] = (ast_struct_field){name, value};
    return e;
}

ast_expr *build_struct(build *b, token t, ast_expr *structure, token close)
{
    if (structure == NULL) structure = ast_expr_new(b->a, AST_EXPR_STRUCT, token_span(t));
    structure->at = (span){t.start, close.end};
    structure->op_at = token_span(t);
    return seal(b, structure);
}

ast_expr *build_call(build *b, ast_name name, ast_exprs args, bool star, token close)
{
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_CALL, (span){name.at.start, close.end});
    e->op_at = name.at;
    e->u.call.function = name;
    e->u.call.args = args;
    e->u.call.star = star;
    return seal(b, e);
}

ast_expr *build_subscript(build *b, ast_expr *base, ast_expr *index, token close)
{
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_SUBSCRIPT, (span){base->at.start, close.end});
    e->op_at = (span){base->at.end, close.end};
    e->u.subscript.base = base;
    e->u.subscript.index = index;
    return seal(b, e);
}

ast_expr *build_column_ref(build *b, ast_name source, ast_name name)
{
    bool qualified = source.text.p != NULL;
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_COLUMN, qualified ? join(source.at, name.at) : name.at);
    e->u.column.source = source;
    e->u.column.name = name;
    return e;
}

ast_expr *build_field(build *b, ast_expr *base, token arrow, ast_name name)
{
    ast_expr *e = make(b, AST_EXPR_FIELD, join(base->at, name.at), arrow);
    e->u.field.base = base;
    e->u.field.name = name;
    return seal(b, e);
}

ast_expr *build_parens(build *b, token open, ast_expr *e, token close)
{
    e->parens = true;
    e->at = (span){open.start, close.end};
    return e;
}

ast_expr *build_unit(build *b, token t)
{
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_UNIT, token_span(t));
    check(ast_unit_of(token_text(b->source, t), &e->u.unit));
    return e;
}

/* ---- lambdas ----------------------------------------------------------------------------------------------- */

/* The body was read before its parameters were known as such: columns of their names become lambda variables. */
static void bind_params(const ast_names *params, ast_expr *e)
{
    if (e->kind == AST_EXPR_COLUMN) {
        if (e->u.column.source.text.p != NULL) return;
        for (uint32_t i = 0; i < params->n; i++) {
            if (!str_eq(params->items[i].text, e->u.column.name.text)) continue;
            ast_name name = e->u.column.name;
            e->kind = AST_EXPR_LAMBDA_VAR;
            e->u.name = name;
            return;
        }
        return;
    }
    ast_expr *child;
    for (uint32_t i = 0; (child = ast_expr_child(e, i)) != NULL; i++) bind_params(params, child);
}

ast_expr *build_lambda(build *b, span from, ast_names params, token arrow, ast_expr *body)
{
    if (params.n > BUILD_PARAMS_MAX) build_limit(b, from, "lambda arguments", BUILD_PARAMS_MAX);
    for (uint32_t i = 0; i < params.n && !b->failed; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!str_eq(params.items[i].text, params.items[k].text)) continue;
            b->failed = true;
            diag_at(b->d, params.items[i].at, DIAG_SYNTAX, "Duplicate lambda argument: %.*s",
                    STR_ARG(params.items[i].text));
        }
    }
    ast_expr *e = make(b, AST_EXPR_LAMBDA, join(from, body->at), arrow);
    e->u.lambda.params = params;
    e->u.lambda.body = body;
    seal(b, e);
    if (!b->failed) bind_params(&params, body);
    return e;
}
