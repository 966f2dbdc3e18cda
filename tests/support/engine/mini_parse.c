/* The grammar of mini expressions: recursive descent over the text. */
#include <check.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/decimal.h"
#include "tests/support/engine/mini_int.h"

static void blanks(mini *m)
{
    while (*m->p == ' ' || *m->p == '\n') m->p++;
}

bool mini_eat(mini *m, const char *token)
{
    blanks(m);
    size_t n = strlen(token);
    if (strncmp(m->p, token, n) != 0) return false;
    m->p += n;
    return true;
}

static bool name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool mini_word(mini *m, const char *keyword)
{
    blanks(m);
    size_t n = strlen(keyword);
    if (!str_ieq(str_of(m->p, strnlen(m->p, n)), str_z(keyword)) || name_char(m->p[n])) return false;
    m->p += n;
    return true;
}

str mini_name(mini *m)
{
    blanks(m);
    const char *start = m->p;
    if (*start >= '0' && *start <= '9') return (str){0};
    while (name_char(*m->p)) m->p++;
    return str_of(start, (size_t)(m->p - start));
}

void mini_expect(mini *m, const char *token)
{
    ck_assert_msg(mini_eat(m, token), "expected %s at \"%s\" in %s", token, m->p, m->text);
}

const type *mini_read_type(mini *m)
{
    str name = mini_name(m);
    for (type_kind k = TYPE_BOOLEAN; k <= TYPE_TIMESTAMP; k++) {
        if (k != TYPE_DECIMAL && str_ieq(name, str_z(type_kind_name(k)))) return type_simple(k);
    }
    if (str_ieq(name, STR("INT"))) return type_simple(TYPE_INT);
    if (str_ieq(name, STR("DECIMAL"))) {
        mini_expect(m, "(");
        int p = (int)strtol(m->p, (char **)(void *)&m->p, 10);
        mini_expect(m, ",");
        int s = (int)strtol(m->p, (char **)(void *)&m->p, 10);
        mini_expect(m, ")");
        return type_decimal(m->mem, p, s);
    }
    mini_expect(m, "<");
    const type *t;
    if (str_ieq(name, STR("ARRAY"))) {
        t = type_array(m->mem, mini_read_type(m));
    } else if (str_ieq(name, STR("MAP"))) {
        const type *key = mini_read_type(m);
        mini_expect(m, ",");
        t = type_map(m->mem, key, mini_read_type(m));
    } else {
        type_field fields[8];
        int n = 0;
        do {
            fields[n].name = mini_name(m);
            fields[n++].type = mini_read_type(m);
        } while (mini_eat(m, ","));
        t = type_struct(m->mem, fields, n);
    }
    mini_expect(m, ">");
    return t;
}

static expr *constant(mini *m, const type *t, value v)
{
    expr *e = mini_node(m, EXPR_CONST, t, 0, NULL);
    e->constant = v;
    return e;
}

static str quoted(mini *m)
{
    mini_expect(m, "'");
    buf b = {0};
    for (; *m->p && (*m->p != '\'' || m->p[1] == '\''); m->p++) {
        buf_add_char(&b, *m->p);
        if (*m->p == '\'') m->p++;
    }
    m->p++;
    str s = arena_str(m->mem, buf_str(&b));
    buf_free(&b);
    return s;
}

static const expr *typed_literal(mini *m, type_kind kind)
{
    diag d = {0};
    value out, in = {.s = quoted(m)};
    const type *t = type_simple(kind);
    ck_assert_msg(expr_cast_value(m->mem, type_simple(TYPE_STRING), t, NULL, in, &out, &d), "%s", d.text);
    return constant(m, t, out);
}

static const expr *number(mini *m)
{
    const char *start = m->p;
    bool point = false, exponent = false;
    for (;; m->p++) {
        if (*m->p == '.')
            point = true;
        else if (*m->p == 'e' || *m->p == 'E')
            exponent = true, m->p += m->p[1] == '-';
        else if (*m->p < '0' || *m->p > '9')
            break;
    }
    str text = str_of(start, (size_t)(m->p - start));
    value v = {.null = false};
    if (exponent) {
        ck_assert(str_to_f64(text, &v.d));
        return constant(m, type_simple(TYPE_DOUBLE), v);
    }
    if (point) {
        decimal_type t;
        ck_assert_int_eq(decimal_parse_natural(text, &v.dec, &t), DECIMAL_OK);
        return constant(m, type_decimal(m->mem, t.precision, t.scale), v);
    }
    int64_t l;
    ck_assert(str_to_i64(text, &l));
    if (l <= INT32_MAX)
        v.i = (int32_t)l;
    else
        v.l = l;
    return constant(m, type_simple(l <= INT32_MAX ? TYPE_INT : TYPE_BIGINT), v);
}

static int list(mini *m, const char *close, const char *between, const expr **out, str *names)
{
    int n = 0;
    if (mini_eat(m, close)) return 0;
    do {
        if (names) {
            names[n] = mini_name(m);
            mini_expect(m, ":=");
        }
        out[n] = mini_expr(m);
        ck_assert(out[n++]);
        if (between) {
            mini_expect(m, between);
            out[n++] = mini_expr(m);
        }
    } while (mini_eat(m, ","));
    mini_expect(m, close);
    return n;
}

static const type *first_type(const expr **items, int from, int n, int step)
{
    for (int i = from; i < n; i += step) {
        if (items[i]->type->kind != TYPE_NULL) return items[i]->type;
    }
    return type_simple(TYPE_INT);
}

static const expr *constructor(mini *m, expr_kind kind)
{
    const expr *items[32];
    str names[32];
    const char *open = kind == EXPR_ARRAY ? "[" : "(", *close = kind == EXPR_ARRAY ? "]" : ")";
    mini_expect(m, open);
    int n = list(m, close, kind == EXPR_MAP ? ":=" : NULL, items, kind == EXPR_STRUCT ? names : NULL);
    const type *t;
    if (kind == EXPR_STRUCT) {
        type_field fields[32];
        for (int i = 0; i < n; i++) fields[i] = (type_field){names[i], items[i]->type};
        t = type_struct(m->mem, fields, n);
    } else if (kind == EXPR_ARRAY) {
        const type *elem = first_type(items, 0, n, 1);
        for (int i = 0; i < n; i++) items[i] = mini_cast(m, items[i], elem, false);
        t = type_array(m->mem, elem);
    } else {
        const type *key = first_type(items, 0, n, 2), *val = first_type(items, 1, n, 2);
        for (int i = 0; i < n; i++) items[i] = mini_cast(m, items[i], i % 2 ? val : key, false);
        t = type_map(m->mem, key, val);
    }
    return mini_node(m, kind, t, n, items);
}

static const expr *case_expr(mini *m)
{
    const expr *parts[32];
    int n = 0;
    while (mini_word(m, "WHEN")) {
        parts[n++] = mini_expr(m);
        ck_assert(mini_word(m, "THEN"));
        parts[n++] = mini_expr(m);
    }
    int pairs = n;
    if (mini_word(m, "ELSE")) parts[n++] = mini_expr(m);
    ck_assert(mini_word(m, "END"));
    const type *t = first_type(parts, 1, pairs, 2);
    if (n > pairs && parts[pairs]->type->kind != TYPE_NULL) t = parts[pairs]->type;
    for (int i = 1; i < pairs; i += 2) parts[i] = mini_cast(m, parts[i], t, false);
    if (n > pairs) parts[pairs] = mini_cast(m, parts[pairs], t, false);
    return mini_node(m, EXPR_CASE, t, n, parts);
}

static const expr *variable(mini *m, str name)
{
    for (mini_scope *s = m->scope; s; s = s->outer) {
        for (int i = 0; i < s->count; i++) {
            if (!str_eq(s->names[i], name)) continue;
            expr *e = mini_node(m, EXPR_LAMBDA_VAR, s->types[i], 0, NULL);
            e->lambda_depth = s->depth;
            e->variable = i;
            return e;
        }
    }
    int at = m->schema ? schema_find(m->schema, name) : -1;
    ck_assert_msg(at >= 0, "no column %.*s in %s", STR_ARG(name), m->text);
    expr *e = mini_node(m, EXPR_COLUMN, m->schema->columns[at].type, 0, NULL);
    e->column = at;
    return e;
}

static const expr *interval_unit_of(mini *m, str name)
{
    static const char *const units[] = {"MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"};
    for (int i = 0; i < 5; i++) {
        if (str_eqz(name, units[i])) return constant(m, type_simple(TYPE_INTERVAL), (value){.i = i});
    }
    return NULL;
}

static const expr *cast_expr(mini *m)
{
    mini_expect(m, "(");
    const expr *e = mini_expr(m);
    ck_assert(mini_word(m, "AS"));
    const type *t = mini_read_type(m);
    mini_expect(m, ")");
    return mini_node(m, EXPR_CAST, t, 1, &e);
}

static const expr *bytes_literal(mini *m)
{
    str hex = quoted(m);
    uint8_t *p = arena_alloc(m->mem, hex.n / 2 + 1);
    ck_assert(hex_decode(hex, p));
    return constant(m, type_simple(TYPE_BYTES), (value){.s = str_of((char *)p, hex.n / 2)});
}

static const expr *keyword_expr(mini *m)
{
    if (mini_word(m, "NULL")) return constant(m, type_simple(TYPE_NULL), value_null());
    if (mini_word(m, "TRUE")) return constant(m, type_simple(TYPE_BOOLEAN), (value){.b = true});
    if (mini_word(m, "FALSE")) return constant(m, type_simple(TYPE_BOOLEAN), (value){.b = false});
    if (mini_word(m, "CASE")) return case_expr(m);
    if (mini_word(m, "CAST")) return cast_expr(m);
    if (mini_word(m, "ARRAY")) return constructor(m, EXPR_ARRAY);
    if (mini_word(m, "MAP")) return constructor(m, EXPR_MAP);
    if (mini_word(m, "STRUCT")) return constructor(m, EXPR_STRUCT);
    if (mini_word(m, "DATE")) return typed_literal(m, TYPE_DATE);
    if (mini_word(m, "TIME")) return typed_literal(m, TYPE_TIME);
    if (mini_word(m, "TIMESTAMP")) return typed_literal(m, TYPE_TIMESTAMP);
    return NULL;
}

static const expr *primary(mini *m)
{
    blanks(m);
    if (*m->p == '\'') return constant(m, type_simple(TYPE_STRING), (value){.s = quoted(m)});
    if (*m->p == 'x' && m->p[1] == '\'') return m->p++, bytes_literal(m);
    if (*m->p >= '0' && *m->p <= '9') return number(m);
    if (mini_eat(m, "(")) {
        const expr *e = mini_expr(m);
        mini_expect(m, ")");
        return e;
    }
    const expr *e = keyword_expr(m);
    if (e) return e;
    str name = mini_name(m);
    ck_assert_msg(name.n, "unexpected \"%s\" in %s", m->p, m->text);
    if (mini_eat(m, "(")) return mini_call(m, name);
    e = interval_unit_of(m, name);
    return e ? e : variable(m, name);
}

static const expr *postfix(mini *m)
{
    const expr *e = primary(m);
    while (e) {
        if (mini_eat(m, "[")) {
            const expr *args[2] = {e, mini_expr(m)};
            mini_expect(m, "]");
            e = mini_node(m, EXPR_ELEMENT, e->type->elem, 2, args);
        } else if (mini_eat(m, "->")) {
            int index = type_field_index(e->type, mini_name(m));
            ck_assert_int_ge(index, 0);
            expr *f = mini_node(m, EXPR_FIELD, e->type->fields[index].type, 1, &e);
            f->index = index;
            e = f;
        } else {
            break;
        }
    }
    return e;
}

static const expr *unary(mini *m)
{
    if (!mini_eat(m, "-")) return postfix(m);
    const expr *e = unary(m);
    return e ? mini_node(m, EXPR_NEGATE, e->type, 1, &e) : NULL;
}

static const expr *product(mini *m)
{
    const expr *a = unary(m);
    while (a) {
        expr_op op = mini_eat(m, "*") ? OP_MUL : mini_eat(m, "/") ? OP_DIV : mini_eat(m, "%") ? OP_MOD : OP_EQ;
        if (op == OP_EQ) break;
        const expr *b = unary(m);
        a = b ? mini_arith(m, op, a, b) : NULL;
    }
    return a;
}

static const expr *sum(mini *m)
{
    const expr *a = product(m);
    while (a) {
        blanks(m);
        if (m->p[0] == '-' && m->p[1] == '>') break;
        expr_op op = mini_eat(m, "+") ? OP_ADD : mini_eat(m, "-") ? OP_SUB : OP_EQ;
        if (op == OP_EQ) break;
        const expr *b = product(m);
        a = b ? mini_arith(m, op, a, b) : NULL;
    }
    return a;
}

static const expr *is_test(mini *m, const expr *a)
{
    bool not = mini_word(m, "NOT");
    expr *e;
    if (mini_word(m, "NULL")) {
        e = mini_node(m, EXPR_IS_NULL, type_simple(TYPE_BOOLEAN), 1, &a);
    } else {
        ck_assert(mini_word(m, "DISTINCT") && mini_word(m, "FROM"));
        const expr *args[2] = {a, sum(m)};
        mini_common(m, &args[0], &args[1]);
        e = mini_node(m, EXPR_DISTINCT, type_simple(TYPE_BOOLEAN), 2, args);
    }
    e->negated = not ;
    return e;
}

static const expr *set_test(mini *m, const expr *a)
{
    bool not = mini_word(m, "NOT");
    const expr *args[32] = {a};
    const type *boolean = type_simple(TYPE_BOOLEAN);
    expr *e = NULL;
    if (mini_word(m, "BETWEEN")) {
        args[1] = sum(m);
        ck_assert(mini_word(m, "AND"));
        args[2] = sum(m);
        mini_common(m, &args[0], &args[1]);
        mini_common(m, &args[0], &args[2]);
        e = mini_node(m, EXPR_BETWEEN, boolean, 3, args);
    } else if (mini_word(m, "IN")) {
        mini_expect(m, "(");
        int n = list(m, ")", NULL, args + 1, NULL);
        for (int i = 1; i <= n; i++) args[i] = mini_cast(m, args[i], a->type, true);
        e = mini_node(m, EXPR_IN, boolean, n + 1, args);
    } else if (mini_word(m, "LIKE")) {
        args[1] = sum(m);
        e = mini_node(m, EXPR_LIKE, boolean, 2, args);
        if (mini_word(m, "ESCAPE")) e->escape = (unsigned char)quoted(m).p[0];
    }
    if (e) e->negated = not ;
    return e;
}

static const expr *comparison(mini *m)
{
    static const struct {
        const char *text;
        expr_op op;
    } ops[] = {{"<=", OP_LE}, {">=", OP_GE}, {"<>", OP_NE}, {"!=", OP_NE}, {"=", OP_EQ}, {"<", OP_LT}, {">", OP_GT}};
    const expr *a = sum(m);
    if (!a) return NULL;
    if (mini_word(m, "IS")) return is_test(m, a);
    const expr *t = set_test(m, a);
    if (t) return t;
    blanks(m);
    if (m->p[0] == '=' && m->p[1] == '>') return a;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!mini_eat(m, ops[i].text)) continue;
        const expr *b = sum(m);
        return b ? mini_compare(m, ops[i].op, a, b) : NULL;
    }
    return a;
}

static const expr *negation(mini *m)
{
    if (!mini_word(m, "NOT")) return comparison(m);
    const expr *e = negation(m);
    return e ? mini_node(m, EXPR_NOT, type_simple(TYPE_BOOLEAN), 1, &e) : NULL;
}

static const expr *conjunction(mini *m)
{
    const expr *a = negation(m);
    while (a && mini_word(m, "AND")) {
        const expr *args[2] = {a, negation(m)};
        a = args[1] ? mini_node(m, EXPR_AND, type_simple(TYPE_BOOLEAN), 2, args) : NULL;
    }
    return a;
}

const expr *mini_expr(mini *m)
{
    const expr *a = conjunction(m);
    while (a && mini_word(m, "OR")) {
        const expr *args[2] = {a, conjunction(m)};
        a = args[1] ? mini_node(m, EXPR_OR, type_simple(TYPE_BOOLEAN), 2, args) : NULL;
    }
    return a;
}

const expr *mini_try(arena *a, const char *text, const schema *s, diag *d)
{
    mini m = {.mem = a, .p = text, .text = text, .schema = s, .d = d};
    const expr *e = mini_expr(&m);
    if (!e) return NULL;
    blanks(&m);
    ck_assert_msg(*m.p == 0, "left over: \"%s\" in %s", m.p, text);
    return e;
}

const expr *mini_parse(arena *a, const char *text, const schema *s)
{
    diag d = {0};
    const expr *e = mini_try(a, text, s, &d);
    ck_assert_msg(e, "%s: %s", text, d.text);
    return e;
}

const type *mini_type(arena *a, const char *text)
{
    mini m = {.mem = a, .p = text, .text = text};
    return mini_read_type(&m);
}
