#include "sql/build.h"

#include "parser.h"

#include <math.h>

#include "base/check.h"
#include "base/utf8.h"

/* Shared by all builders: the first error stops the parse. */
static void fail(build *b)
{
    b->failed = true;
}

/* ---- lists ------------------------------------------------------------------------------------------------- */

void *build_grow(arena *a, void *items, uint32_t n, size_t size)
{
    if (n != 0 && (n < 4 || (n & (n - 1)) != 0)) return items;
    size_t cap = n == 0 ? 4 : (size_t)n * 2;
    char *grown = arena_alloc(a, cap * size);
    if (n > 0) memcpy(grown, items, n * size);
    return grown;
}

ast_exprs build_exprs(build *b, ast_exprs list, ast_expr *e)
{
    list.items = build_grow(b->a, list.items, list.n, sizeof *list.items);
    list.items[list.n++] = e;
    return list;
}

ast_exprs build_exprs_join(build *b, ast_exprs list, ast_exprs more)
{
    for (uint32_t i = 0; i < more.n; i++) list = build_exprs(b, list, more.items[i]);
    return list;
}

ast_names build_names(build *b, ast_names list, ast_name name)
{
    list.items = build_grow(b->a, list.items, list.n, sizeof *list.items);
    list.items[list.n++] = name;
    return list;
}

/* ---- names and strings ------------------------------------------------------------------------------------- */

static bool check_utf8(build *b, token t)
{
    if (utf8_valid(token_text(b->source, t))) return true;
    fail(b);
    return diag_at(b->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nMalformed UTF-8 between the quotes");
}

str build_unquote(build *b, token t)
{
    if (!check_utf8(b, t)) return STR("");
    str s = {b->source.p + t.start + 1, t.end - t.start - 2};
    char quote = b->source.p[t.start];
    if (memchr(s.p, quote, s.n) == NULL) return s;
    char *out = arena_alloc(b->a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        out[n++] = s.p[i];
        if (s.p[i] == quote) i++;
    }
    return (str){out, n};
}

ast_name build_name(build *b, token t)
{
    char first = b->source.p[t.start];
    if (first == '"' || first == '`') return (ast_name){build_unquote(b, t), token_span(t), first};
    str s = token_text(b->source, t);
    size_t i = 0;
    while (i < s.n && !(s.p[i] >= 'a' && s.p[i] <= 'z')) i++;
    if (i < s.n) {
        char *upper = arena_alloc(b->a, s.n);
        for (i = 0; i < s.n; i++) upper[i] = (char)(s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 'a' + 'A' : s.p[i]);
        s.p = upper;
    }
    return (ast_name){s, token_span(t), 0};
}

ast_name build_text_name(build *b, token t)
{
    return (ast_name){build_unquote(b, t), token_span(t), '\''};
}

/* Notes a use of ${x}, or says that nothing was put in its place. */
static void use_variable(build *b, token t, bool is_name)
{
    if (!b->take_variables) {
        str s = token_text(b->source, t);
        fail(b);
        diag_at(b->d, token_span(t), DIAG_SYNTAX, "Undefined variable: %.*s", STR_ARG(s));
        diag_hint(b->d, "DEFINE %.*s = '...';", (int)(s.n - 3), s.p + 2);
        return;
    }
    b->variables = build_grow(b->a, b->variables, b->variables_n, sizeof *b->variables);
    b->variables[b->variables_n++] = (build_variable){token_span(t), is_name};
}

ast_name build_variable_name(build *b, token t)
{
    use_variable(b, t, true);
    /* Stands in for any legal name while uses are collected. */
    return (ast_name){STR("X"), token_span(t), 0};
}

/* ksqlDB's rule: a source's name becomes part of Kafka topic names. */
ast_name build_source_name(build *b, ast_name name)
{
    for (size_t i = 0; i < name.text.n; i++) {
        char c = name.text.p[i];
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')
            continue;
        fail(b);
        diag_at(b->d, name.at, DIAG_SYNTAX,
                "Illegal argument. Source names may only contain alphanumeric values, '_' or '-'. Got: '%.*s'",
                STR_ARG(name.text));
        return name;
    }
    if (name.text.n == 0) {
        fail(b);
        diag_at(b->d, name.at, DIAG_SYNTAX, "The name of a stream or table must not be empty");
    }
    return name;
}

build_resource build_resource_name(build *b, ast_name name)
{
    /* An unquoted topic keeps the case that it was written in. */
    if (name.quote != 0) return (build_resource){name.text, name.at};
    return (build_resource){(str){b->source.p + name.at.start, name.at.end - name.at.start}, name.at};
}

build_resource build_resource_text(build *b, token t)
{
    return (build_resource){build_unquote(b, t), token_span(t)};
}

/* ---- numbers ----------------------------------------------------------------------------------------------- */

static str digits_of(const build *b, token t)
{
    uint32_t start = t.negative ? t.digits : t.start;
    return (str){b->source.p + start, t.end - start};
}

static bool parse_integer(str digits, bool negative, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < digits.n; i++) {
        int digit = digits.p[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v)) return false;
        if (__builtin_add_overflow(v, negative ? -digit : digit, &v)) return false;
    }
    *out = v;
    return true;
}

static const char *sign_of(token t)
{
    return t.negative ? "-" : "";
}

static ast_expr *integer_literal(build *b, token t)
{
    int64_t v = 0;
    str digits = digits_of(b, t);
    if (!parse_integer(digits, t.negative, &v)) {
        fail(b);
        diag_at(b->d, token_span(t), DIAG_SYNTAX, "Invalid numeric literal: %s%.*s", sign_of(t), STR_ARG(digits));
    }
    bool small = v >= INT32_MIN && v <= INT32_MAX;
    ast_expr *e = ast_expr_new(b->a, small ? AST_EXPR_INTEGER : AST_EXPR_BIGINT, token_span(t));
    e->u.integer = v;
    return e;
}

static ast_expr *double_literal(build *b, token t)
{
    double v = 0;
    str digits = digits_of(b, t);
    if (!str_to_f64(digits, &v)) {
        fail(b);
        diag_at(b->d, token_span(t), DIAG_SYNTAX, "Invalid numeric literal: %s%.*s", sign_of(t), STR_ARG(digits));
    } else if (!isfinite(v)) {
        fail(b);
        diag_at(b->d, token_span(t), DIAG_SYNTAX, "Number overflows DOUBLE: %s%.*s", sign_of(t), STR_ARG(digits));
        v = 0;
    }
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_DOUBLE, token_span(t));
    e->u.number = t.negative ? -v : v;
    return e;
}

/* Largest number of digits that DECIMAL '1E...' may stand for; nobody needs more, and memory must not explode. */
enum { DECIMAL_DIGITS_MAX = 4096 };

/*
 * Reads [digits][.digits][E[+-]digits] as java.math.BigDecimal does and makes the literal in plain digits. Precision
 * counts all digits, and at least one more than the scale (ksqlDB's DecimalUtil.fromValue).
 */
static bool decimal_literal(build *b, str s, bool negative, ast_expr *e)
{
    size_t i = 0, n = 0;
    int64_t fraction = 0, exponent = 0;
    char *digits = arena_alloc(b->a, s.n + 1);
    bool point = false;
    for (; i < s.n && (s.p[i] == '.' || (s.p[i] >= '0' && s.p[i] <= '9')); i++) {
        if (s.p[i] == '.' && point) return false;
        if (s.p[i] == '.') {
            point = true;
            continue;
        }
        digits[n++] = s.p[i];
        fraction += point;
    }
    if (n == 0) return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        if (!str_to_i64((str){s.p + i + 1, s.n - i - 1}, &exponent)) return false;
        i = s.n;
    }
    if (i < s.n || exponent > DECIMAL_DIGITS_MAX || exponent < -DECIMAL_DIGITS_MAX || n > DECIMAL_DIGITS_MAX)
        return false;
    int64_t scale = fraction - exponent;
    size_t lead = 0;
    while (lead < n && digits[lead] == '0') lead++;
    bool zero = lead == n;
    size_t significant = n - lead;
    size_t zeros_after = scale < 0 && !zero ? (size_t)-scale : 0;
    if (scale < 0) scale = 0;
    size_t whole = significant + zeros_after > (size_t)scale ? significant + zeros_after - (size_t)scale : 0;
    char *out = arena_alloc(b->a, significant + zeros_after + (size_t)scale + 4);
    size_t o = 0;
    if (negative && !zero) out[o++] = '-';
    if (whole == 0) out[o++] = '0';
    size_t total = significant + zeros_after;
    for (size_t k = 0; k < whole; k++) out[o++] = k < significant ? digits[lead + k] : '0';
    if (scale > 0) out[o++] = '.';
    for (size_t k = total - whole; k < (size_t)scale; k++) out[o++] = '0';
    for (size_t k = whole; k < total; k++) out[o++] = k < significant ? digits[lead + k] : '0';
    e->u.decimal.text = (str){out, o};
    e->u.decimal.scale = (int32_t)scale;
    e->u.decimal.precision = (int32_t)(whole == 0 ? scale + 1 : (int64_t)whole + scale);
    return true;
}

static ast_expr *decimal_from(build *b, str text, bool negative, span at)
{
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_DECIMAL, at);
    if (!decimal_literal(b, text, negative, e)) {
        fail(b);
        diag_at(b->d, at, DIAG_SYNTAX, "Invalid numeric literal: %.*s", STR_ARG(text));
        e->u.decimal.text = STR("0");
        e->u.decimal.precision = 1;
    }
    return e;
}

ast_expr *build_number(build *b, token t)
{
    if (t.kind == TK_INTEGER_VALUE) return integer_literal(b, t);
    if (t.kind == TK_FLOAT_VALUE) return double_literal(b, t);
    return decimal_from(b, digits_of(b, t), t.negative, token_span(t));
}

int64_t build_integer(build *b, token number, const char *what)
{
    int64_t v = 0;
    str digits = digits_of(b, number);
    if (number.kind != TK_INTEGER_VALUE) {
        fail(b);
        diag_at(b->d, token_span(number), DIAG_SYNTAX, "Value must be integer for command: %s", what);
    } else if (!parse_integer(digits, number.negative, &v)) {
        fail(b);
        diag_at(b->d, token_span(number), DIAG_SYNTAX, "Invalid numeric literal: %s%.*s", sign_of(number),
                STR_ARG(digits));
    }
    return v;
}

build_count build_count_of(build *b, token word, token number, const char *what)
{
    int64_t v = build_integer(b, number, what);
    if (v < INT32_MIN || v > INT32_MAX) {
        fail(b);
        diag_at(b->d, token_span(number), DIAG_SYNTAX, "Value is out of range for command: %s", what);
        v = 0;
    }
    return (build_count){true, (int32_t)v, {word.start, number.end}};
}

ast_duration build_duration(build *b, token number, token unit)
{
    ast_duration d = {.present = true, .at = {number.start, unit.end}};
    d.value = build_integer(b, number, "a time span");
    check(ast_unit_of(token_text(b->source, unit), &d.unit));
    return d;
}

/* ---- literals ---------------------------------------------------------------------------------------------- */

ast_expr *build_null(build *b, token t)
{
    return ast_expr_new(b->a, AST_EXPR_NULL, token_span(t));
}

ast_expr *build_boolean(build *b, token t, bool value)
{
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_BOOLEAN, token_span(t));
    e->u.boolean = value;
    return e;
}

ast_expr *build_string(build *b, token t)
{
    ast_expr *e = ast_expr_new(b->a, AST_EXPR_STRING, token_span(t));
    e->u.string = build_unquote(b, t);
    return e;
}

ast_expr *build_variable_literal(build *b, token t)
{
    use_variable(b, t, false);
    return ast_expr_new(b->a, AST_EXPR_NULL, token_span(t));
}

ast_expr *build_decimal_literal(build *b, token decimal, token text)
{
    str s = build_unquote(b, text);
    bool negative = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+')) s = (str){s.p + 1, s.n - 1};
    return decimal_from(b, s, negative, (span){decimal.start, text.end});
}

ast_expr *build_type_literal(build *b, ast_name name, token text)
{
    if (str_eq(name.text, STR("DECIMAL"))) {
        return build_decimal_literal(b, (token){.start = name.at.start}, text);
    }
    fail(b);
    diag_at(b->d, name.at, DIAG_SYNTAX, "Unknown type: %.*s", STR_ARG(name.text));
    diag_hint(b->d, "Only DECIMAL '...' is written so; dates and times are strings, converted where they are compared");
    return ast_expr_new(b->a, AST_EXPR_NULL, name.at);
}
