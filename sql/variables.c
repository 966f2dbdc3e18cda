#include "sql/variables.h"

#include <stdlib.h>

#include "parser.h"

#include "base/buf.h"
#include "base/check.h"
#include "sql/build.h"
#include "sql/parse.h"
#include "sql/parse_error.h"

/* ---- the set ----------------------------------------------------------------------------------------------- */

/* One variable, with its text behind it in the same allocation. */
typedef struct variable {
    str name; /* as it was defined */
    str value;
    char text[];
} variable;

/* Longest name that is looked up; the lexer bounds nothing. */
enum { NAME_MAX_BYTES = 256 };

/* The key: the name in upper case, cut at the limit. */
static str key_of(str name, char key[NAME_MAX_BYTES])
{
    size_t n = name.n < NAME_MAX_BYTES ? name.n : NAME_MAX_BYTES;
    for (size_t i = 0; i < n; i++) key[i] = (char)(name.p[i] >= 'a' && name.p[i] <= 'z' ? name.p[i] - 32 : name.p[i]);
    return (str){key, n};
}

void variables_free(variables *v)
{
    void *value;
    for (size_t it = 0; map_next(&v->by_name, &it, NULL, &value);) free(value);
    map_free(&v->by_name);
    *v = (variables){0};
}

void variables_define(variables *v, str name, str value)
{
    char key[NAME_MAX_BYTES];
    variable *one = malloc(sizeof *one + name.n + value.n);
    check(one != NULL);
    if (name.n > 0) memcpy(one->text, name.p, name.n);
    if (value.n > 0) memcpy(one->text + name.n, value.p, value.n);
    one->name = (str){one->text, name.n};
    one->value = (str){one->text + name.n, value.n};
    free(map_put(&v->by_name, key_of(name, key), one));
}

bool variables_undefine(variables *v, str name)
{
    char key[NAME_MAX_BYTES];
    variable *one = map_remove(&v->by_name, key_of(name, key));
    free(one);
    return one != NULL;
}

bool variables_get(const variables *v, str name, str *value)
{
    char key[NAME_MAX_BYTES];
    const variable *one = map_get(&v->by_name, key_of(name, key));
    if (one == NULL) return false;
    *value = one->value;
    return true;
}

bool variables_next(const variables *v, size_t *it, str *name, str *value)
{
    void *one;
    if (!map_next(&v->by_name, it, NULL, &one)) return false;
    *name = ((variable *)one)->name;
    *value = ((variable *)one)->value;
    return true;
}

/* ---- what a value may be ----------------------------------------------------------------------------------- */

static bool is_word_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '@';
}

static bool is_word(str s)
{
    if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9') || s.p[0] == '@') return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_word_byte(s.p[i])) return false;
    }
    return true;
}

static bool is_identifier(str s)
{
    if (s.n >= 2 && (s.p[0] == '"' || s.p[0] == '`') && s.p[s.n - 1] == s.p[0]) s = (str){s.p + 1, s.n - 2};
    return is_word(s);
}

/* One number token with an optional sign, and a finite one. */
static bool is_number(str s)
{
    size_t sign = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    str digits = {s.p + sign, s.n - sign};
    uint32_t pos = 0;
    token t;
    double v;
    if (digits.n == 0 || digits.n > 1000) return false;
    int kind = token_next(digits, &pos, &t);
    bool number = kind == TK_INTEGER_VALUE || kind == TK_DECIMAL_VALUE || kind == TK_FLOAT_VALUE;
    return number && t.start == 0 && t.end == digits.n && str_to_f64(digits, &v) && v <= 1.7976931348623157e308;
}

static bool is_quoted(str s)
{
    return s.n >= 2 && s.p[0] == '\'' && s.p[s.n - 1] == '\'';
}

/* ---- putting values in ------------------------------------------------------------------------------------- */

/* One substitution at work. */
typedef struct work {
    const variables *v;
    str source;
    buf out;
    diag *d;
} work;

static void add_escaped(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'') buf_add_char(out, '\'');
        buf_add_char(out, s.p[i]);
    }
}

/* 'it''s' as a value is a literal already: its inner quotes are made single before they are doubled again. */
static void add_string(buf *out, str quoted)
{
    buf_add_char(out, '\'');
    for (size_t i = 1; i + 1 < quoted.n; i++) {
        if (quoted.p[i] == '\'') {
            buf_add_char(out, '\'');
            if (i + 2 < quoted.n && quoted.p[i + 1] == '\'') i++;
        }
        buf_add_char(out, quoted.p[i]);
    }
    buf_add_char(out, '\'');
}

static bool put_name(work *w, span at, str value)
{
    if (!is_identifier(value)) {
        return diag_at(w->d, at, DIAG_SYNTAX,
                       "Illegal argument. Identifier names cannot start with '@' and may only contain alphanumeric "
                       "values and '_'. Got: '%.*s'",
                       STR_ARG(value));
    }
    buf_add_str(&w->out, value);
    return true;
}

static bool put_literal(work *w, span at, str value)
{
    if (is_quoted(value)) {
        add_string(&w->out, value);
        return true;
    }
    if (!str_ieq(value, STR("true")) && !str_ieq(value, STR("false")) && !is_number(value)) {
        diag_at(w->d, at, DIAG_SYNTAX, "Illegal argument. Got: '%.*s'", STR_ARG(value));
        return diag_hint(w->d, "A value is TRUE, FALSE, a number, or a string in quotes: DEFINE x = '''text''';");
    }
    /* A minus behind a minus would begin a comment. */
    if (value.p[0] == '-' && w->out.len > 0 && w->out.data[w->out.len - 1] == '-') buf_add_char(&w->out, ' ');
    buf_add_str(&w->out, value);
    return true;
}

/* Length of a ${name} at the start of s, 0 when there is none. */
static size_t reference(str s)
{
    if (s.n < 4 || s.p[0] != '$' || s.p[1] != '{') return 0;
    size_t end = 2;
    while (end < s.n && end < NAME_MAX_BYTES && is_word_byte(s.p[end])) end++;
    if (end == s.n || s.p[end] != '}' || !is_word((str){s.p + 2, end - 2})) return 0;
    return end + 1;
}

/* A string's text: anything may go in, since its quotes are doubled. */
static void put_string(work *w, str text)
{
    for (size_t i = 0; i < text.n;) {
        str rest = {text.p + i, text.n - i};
        if (str_starts(rest, STR("$${"))) {
            buf_add_z(&w->out, "${");
            i += 3;
            continue;
        }
        size_t n = reference(rest);
        str value;
        if (n > 0 && variables_get(w->v, (str){rest.p + 2, n - 3}, &value)) {
            add_escaped(&w->out, value);
            i += n;
            continue;
        }
        buf_add_char(&w->out, rest.p[0]);
        i++;
    }
}

/* ---- the statement ----------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const build_variable *x = a, *y = b;
    return (x->at.start > y->at.start) - (x->at.start < y->at.start);
}

/* Copies the statement, its strings and variables replaced. */
static bool put_all(work *w, const build *b, const tokens *t)
{
    uint32_t copied = 0, use = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        token one = t->items[i];
        if (one.kind != TK_TEXT && one.kind != TK_VARIABLE) continue;
        buf_add(&w->out, w->source.p + copied, one.start - copied);
        copied = one.end;
        str text = token_text(w->source, one);
        if (one.kind == TK_TEXT) {
            put_string(w, text);
            continue;
        }
        while (use < b->variables_n && b->variables[use].at.start < one.start) use++;
        check(use < b->variables_n && b->variables[use].at.start == one.start);
        str value;
        if (!variables_get(w->v, (str){text.p + 2, text.n - 3}, &value))
            buf_add_str(&w->out, text);
        else if (b->variables[use].is_name ? !put_name(w, token_span(one), value)
                                           : !put_literal(w, token_span(one), value))
            return false;
    }
    buf_add(&w->out, w->source.p + copied, w->source.n - copied);
    return true;
}

bool variables_substitute(const variables *v, arena *a, str statement, unsigned flags, str *out, diag *d)
{
    *out = statement;
    if (statement.n > PARSE_TEXT_MAX || str_find(statement, STR("${"), 0) < 0) return true;
    tokens t = {0};
    uint32_t pos = 0;
    if (!token_statement(a, statement, &pos, &t, d)) return false;
    token_settle(&t);
    if ((flags & PARSE_NO_SEMICOLON) != 0) token_close(a, &t);
    build b = {.a = a, .source = statement, .flags = flags, .d = d, .take_variables = true};
    uint32_t at = build_run(&b, t.items, t.n, NULL, NULL);
    if (b.failed) {
        if (b.syntax_error) parse_error_set(a, statement, &t, at, d);
        return false;
    }
    if (b.variables_n > 1) qsort(b.variables, b.variables_n, sizeof *b.variables, by_place);
    work w = {.v = v, .source = statement, .d = d};
    bool ok = put_all(&w, &b, &t);
    if (ok) *out = arena_str(a, buf_str(&w.out));
    buf_free(&w.out);
    return ok;
}
