#include "sql/ast_print.h"

#include <stdio.h>

#include "base/check.h"
#include "sql/parse.h"

/* ---- names and strings ------------------------------------------------------------------------------------- */

static void print_in_quotes(buf *out, str s, char quote)
{
    buf_add_char(out, quote);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote) buf_add_char(out, quote);
        buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, quote);
}

/* Legal names that some place reads as something else first: a keyword, or digits behind a point. */
static bool is_ambiguous(str name)
{
    if (name.p[0] >= '0' && name.p[0] <= '9') return true;
    static const char *const words[] = {"ALTER", "ARRAY", "ASSERT", "DEFINE", "EXPLAIN", "FUNCTION",
                                        "MAP",   "SET",   "SHOW",   "STRUCT", "TABLES",  "UNDEFINE"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eqz(name, words[i])) return true;
    }
    return false;
}

void ast_print_name(str name, buf *out)
{
    if (parse_is_bare_name(name) && !is_ambiguous(name))
        buf_add_str(out, name);
    else
        ast_print_quoted(name, out);
}

void ast_print_quoted(str name, buf *out)
{
    print_in_quotes(out, name, '`');
}

void ast_print_string(str s, buf *out)
{
    print_in_quotes(out, s, '\'');
}

/* ---- types ------------------------------------------------------------------------------------------------- */

static void print_struct_type(buf *out, const ast_type *t)
{
    if (t->u.structure.n == 0) {
        buf_add_z(out, "STRUCT< >");
        return;
    }
    buf_add_z(out, "STRUCT<");
    for (uint32_t i = 0; i < t->u.structure.n; i++) {
        if (i > 0) buf_add_z(out, ", ");
        ast_print_name(t->u.structure.fields[i].name.text, out);
        buf_add_char(out, ' ');
        ast_print_type(t->u.structure.fields[i].type, out);
    }
    buf_add_char(out, '>');
}

void ast_print_type(const ast_type *t, buf *out)
{
    static const char *const names[] = {
        [AST_TYPE_BOOLEAN] = "BOOLEAN", [AST_TYPE_INTEGER] = "INTEGER", [AST_TYPE_BIGINT] = "BIGINT",
        [AST_TYPE_DOUBLE] = "DOUBLE",   [AST_TYPE_STRING] = "STRING",   [AST_TYPE_BYTES] = "BYTES",
        [AST_TYPE_DATE] = "DATE",       [AST_TYPE_TIME] = "TIME",       [AST_TYPE_TIMESTAMP] = "TIMESTAMP",
    };
    switch (t->kind) {
    case AST_TYPE_DECIMAL: buf_printf(out, "DECIMAL(%d, %d)", t->u.decimal.precision, t->u.decimal.scale); break;
    case AST_TYPE_ARRAY:
        buf_add_z(out, "ARRAY<");
        ast_print_type(t->u.element, out);
        buf_add_char(out, '>');
        break;
    case AST_TYPE_MAP:
        buf_add_z(out, "MAP<");
        ast_print_type(t->u.map.key, out);
        buf_add_z(out, ", ");
        ast_print_type(t->u.map.value, out);
        buf_add_char(out, '>');
        break;
    case AST_TYPE_STRUCT: print_struct_type(out, t); break;
    case AST_TYPE_NAMED: ast_print_name(t->u.name.text, out); break;
    default: buf_add_z(out, names[t->kind]); break;
    }
}

/* ---- literals ---------------------------------------------------------------------------------------------- */

/* Scientific notation with the fewest digits that read back as the same number: 1E3, 1.5E-2. */
static void print_double(buf *out, double v)
{
    char text[40];
    for (int digits = 0; digits <= 16; digits++) {
        snprintf(text, sizeof text, "%.*E", digits, v);
        double back;
        if (str_to_f64(str_z(text), &back) && memcmp(&back, &v, sizeof v) == 0) break;
    }
    const char *e = strchr(text, 'E');
    check(e != NULL);
    size_t mantissa = (size_t)(e - text);
    buf_add(out, text, mantissa);
    buf_add_char(out, 'E');
    e++;
    if (*e == '-') buf_add_char(out, '-');
    e++;
    while (*e == '0' && e[1] != '\0') e++;
    buf_add_z(out, e);
}

static void print_decimal(buf *out, str text)
{
    /* Without a point the digits would read back as an integer. */
    if (memchr(text.p, '.', text.n) != NULL)
        buf_add_str(out, text);
    else
        buf_printf(out, "DECIMAL '%.*s'", STR_ARG(text));
}

/* ---- expressions ------------------------------------------------------------------------------------------- */

static const char *op_text(ast_op op)
{
    static const char *const texts[] = {
        [AST_OP_ADD] = "+",    [AST_OP_SUBTRACT] = "-", [AST_OP_MULTIPLY] = "*", [AST_OP_DIVIDE] = "/",
        [AST_OP_MODULO] = "%", [AST_OP_EQ] = "=",       [AST_OP_NE] = "<>",      [AST_OP_LT] = "<",
        [AST_OP_LE] = "<=",    [AST_OP_GT] = ">",       [AST_OP_GE] = ">=",      [AST_OP_DISTINCT] = "IS DISTINCT FROM",
        [AST_OP_AND] = "AND",  [AST_OP_OR] = "OR",
    };
    return texts[op];
}

static void print_list(buf *out, const ast_exprs *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (i > 0) buf_add_z(out, ", ");
        ast_print_expr(list->items[i], out);
    }
}

static bool is_number(const ast_expr *e)
{
    return e->kind >= AST_EXPR_INTEGER && e->kind <= AST_EXPR_DECIMAL;
}

/* A sign binds less than -> and []; a number there would take the sign in front of it. */
void ast_print_base(const ast_expr *base, buf *out)
{
    bool parens = base->kind == AST_EXPR_NEGATE || base->kind == AST_EXPR_PLUS || is_number(base);
    if (parens) buf_add_char(out, '(');
    ast_print_expr(base, out);
    if (parens) buf_add_char(out, ')');
}

static void print_binary(buf *out, const ast_expr *e)
{
    buf_add_char(out, '(');
    ast_print_expr(e->u.binary.left, out);
    buf_printf(out, " %s ", op_text(e->u.binary.op));
    ast_print_expr(e->u.binary.right, out);
    buf_add_char(out, ')');
}

/* A minus before a number would become part of it, and before another minus a comment. */
static void print_sign(buf *out, const ast_expr *e)
{
    const ast_expr *operand = e->u.operand;
    bool minus = e->kind == AST_EXPR_NEGATE;
    bool parens = minus && is_number(operand);
    buf_add_char(out, minus ? '-' : '+');
    if (parens)
        buf_add_char(out, '(');
    else if (minus && operand->kind == AST_EXPR_NEGATE)
        buf_add_char(out, ' ');
    size_t before = out->len;
    ast_print_expr(operand, out);
    check(out->len > before);
    if (parens) buf_add_char(out, ')');
}

static void print_case(buf *out, const ast_expr *e)
{
    buf_add_z(out, "(CASE");
    for (uint32_t i = 0; i < e->u.cases.n; i++) {
        buf_add_z(out, " WHEN ");
        ast_print_expr(e->u.cases.whens[i].condition, out);
        buf_add_z(out, " THEN ");
        ast_print_expr(e->u.cases.whens[i].result, out);
    }
    if (e->u.cases.otherwise != NULL) {
        buf_add_z(out, " ELSE ");
        ast_print_expr(e->u.cases.otherwise, out);
    }
    buf_add_z(out, " END)");
}

static void print_call(buf *out, const ast_expr *e)
{
    ast_print_name(e->u.call.function.text, out);
    buf_add_char(out, '(');
    if (e->u.call.star) buf_add_char(out, '*');
    print_list(out, &e->u.call.args);
    buf_add_char(out, ')');
}

static void print_lambda(buf *out, const ast_expr *e)
{
    buf_add_char(out, '(');
    for (uint32_t i = 0; i < e->u.lambda.params.n; i++) {
        if (i > 0) buf_add_z(out, ", ");
        ast_print_name(e->u.lambda.params.items[i].text, out);
    }
    buf_add_z(out, ") => ");
    ast_print_expr(e->u.lambda.body, out);
}

static void print_map(buf *out, const ast_expr *e)
{
    buf_add_z(out, "MAP(");
    for (uint32_t i = 0; i < e->u.map.n; i++) {
        if (i > 0) buf_add_z(out, ", ");
        ast_print_expr(e->u.map.entries[i].key, out);
        buf_add_z(out, ":=");
        ast_print_expr(e->u.map.entries[i].value, out);
    }
    buf_add_char(out, ')');
}

static void print_struct(buf *out, const ast_expr *e)
{
    buf_add_z(out, "STRUCT(");
    for (uint32_t i = 0; i < e->u.structure.n; i++) {
        if (i > 0) buf_add_z(out, ", ");
        ast_print_name(e->u.structure.fields[i].name.text, out);
        buf_add_z(out, ":=");
        ast_print_expr(e->u.structure.fields[i].value, out);
    }
    buf_add_char(out, ')');
}

static void print_predicate(buf *out, const ast_expr *e)
{
    buf_add_char(out, '(');
    switch (e->kind) {
    case AST_EXPR_NOT:
        buf_add_z(out, "NOT ");
        ast_print_expr(e->u.operand, out);
        break;
    case AST_EXPR_IS_NULL:
    case AST_EXPR_IS_NOT_NULL:
        ast_print_expr(e->u.operand, out);
        buf_add_z(out, e->kind == AST_EXPR_IS_NULL ? " IS NULL" : " IS NOT NULL");
        break;
    case AST_EXPR_BETWEEN:
        ast_print_expr(e->u.between.operand, out);
        buf_add_z(out, " BETWEEN ");
        ast_print_expr(e->u.between.low, out);
        buf_add_z(out, " AND ");
        ast_print_expr(e->u.between.high, out);
        break;
    case AST_EXPR_IN:
        ast_print_expr(e->u.in.operand, out);
        buf_add_z(out, " IN (");
        print_list(out, &e->u.in.list);
        buf_add_char(out, ')');
        break;
    default:
        check(e->kind == AST_EXPR_LIKE);
        ast_print_expr(e->u.like.operand, out);
        buf_add_z(out, " LIKE ");
        ast_print_expr(e->u.like.pattern, out);
        if (e->u.like.escape.p != NULL) {
            buf_add_z(out, " ESCAPE ");
            ast_print_string(e->u.like.escape, out);
        }
        break;
    }
    buf_add_char(out, ')');
}

static void print_column(buf *out, const ast_expr *e)
{
    if (e->u.column.source.text.p != NULL) {
        ast_print_name(e->u.column.source.text, out);
        buf_add_char(out, '.');
    }
    ast_print_name(e->u.column.name.text, out);
}

void ast_print_expr(const ast_expr *e, buf *out)
{
    switch (e->kind) {
    case AST_EXPR_NULL: buf_add_z(out, "null"); break;
    case AST_EXPR_BOOLEAN: buf_add_z(out, e->u.boolean ? "true" : "false"); break;
    case AST_EXPR_INTEGER:
    case AST_EXPR_BIGINT: buf_printf(out, "%lld", (long long)e->u.integer); break;
    case AST_EXPR_DOUBLE: print_double(out, e->u.number); break;
    case AST_EXPR_DECIMAL: print_decimal(out, e->u.decimal.text); break;
    case AST_EXPR_STRING: ast_print_string(e->u.string, out); break;
    case AST_EXPR_COLUMN: print_column(out, e); break;
    case AST_EXPR_LAMBDA_VAR: ast_print_name(e->u.name.text, out); break;
    case AST_EXPR_UNIT: buf_add_z(out, ast_unit_name(e->u.unit)); break;
    case AST_EXPR_FIELD:
        ast_print_base(e->u.field.base, out);
        buf_add_z(out, "->");
        ast_print_name(e->u.field.name.text, out);
        break;
    case AST_EXPR_SUBSCRIPT:
        ast_print_base(e->u.subscript.base, out);
        buf_add_char(out, '[');
        ast_print_expr(e->u.subscript.index, out);
        buf_add_char(out, ']');
        break;
    case AST_EXPR_CALL: print_call(out, e); break;
    case AST_EXPR_LAMBDA: print_lambda(out, e); break;
    case AST_EXPR_CAST:
        buf_add_z(out, "CAST(");
        ast_print_expr(e->u.cast.operand, out);
        buf_add_z(out, " AS ");
        ast_print_type(e->u.cast.type, out);
        buf_add_char(out, ')');
        break;
    case AST_EXPR_CASE: print_case(out, e); break;
    case AST_EXPR_ARRAY:
        buf_add_z(out, "ARRAY[");
        print_list(out, &e->u.list);
        buf_add_char(out, ']');
        break;
    case AST_EXPR_MAP: print_map(out, e); break;
    case AST_EXPR_STRUCT: print_struct(out, e); break;
    case AST_EXPR_NEGATE:
    case AST_EXPR_PLUS: print_sign(out, e); break;
    case AST_EXPR_ARITHMETIC:
    case AST_EXPR_COMPARE:
    case AST_EXPR_LOGIC: print_binary(out, e); break;
    case AST_EXPR_NOT:
    case AST_EXPR_IS_NULL:
    case AST_EXPR_IS_NOT_NULL:
    case AST_EXPR_BETWEEN:
    case AST_EXPR_IN:
    case AST_EXPR_LIKE: print_predicate(out, e); break;
    }
}

/* ---- into an arena ----------------------------------------------------------------------------------------- */

static str taken(arena *a, buf *b)
{
    str s = arena_str(a, buf_str(b));
    buf_free(b);
    return s;
}

str ast_expr_text(arena *a, const ast_expr *e)
{
    buf b = {0};
    ast_print_expr(e, &b);
    return taken(a, &b);
}

str ast_type_text(arena *a, const ast_type *t)
{
    buf b = {0};
    ast_print_type(t, &b);
    return taken(a, &b);
}

str ast_stmt_text(arena *a, const ast_stmt *s)
{
    buf b = {0};
    ast_print_stmt(s, &b);
    buf_add_char(&b, ';');
    return taken(a, &b);
}
