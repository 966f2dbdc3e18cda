#include "sql/parse.h"

#include "parser.h"

#include "base/check.h"
#include "sql/build.h"
#include "sql/parse_error.h"

/* ---- the grammar's hooks ----------------------------------------------------------------------------------- */

void build_syntax_error(build *b, token t, int kind)
{
    b->failed = true;
    b->syntax_error = true;
    b->refused = t;
    b->refused.kind = (uint16_t)kind;
}

void build_too_deep(build *b)
{
    b->failed = true;
    diag_set(b->d, DIAG_LIMIT,
             "Error processing statement: Statement is too large to parse. "
             "This may be caused by having too many nested expressions in the statement.");
}

/* ---- one statement ----------------------------------------------------------------------------------------- */

/* Statements of the test tool and the prompt are unknown to a server, and it says so as ksqlDB's does. */
static bool known_here(build *b, const tokens *t)
{
    int first = t->items[0].kind, second = t->n > 1 ? t->items[1].kind : TOKEN_END;
    if (first == TK_RUN && (b->flags & (PARSE_TEST | PARSE_SCRIPT)) == 0) {
        diag_at(b->d, token_span(t->items[0]), DIAG_SYNTAX, "Syntax Error\nUnknown statement 'RUN'");
        return diag_hint(b->d, "RUN SCRIPT is a command of the prompt and of test files");
    }
    bool test = second == TK_VALUES || second == TK_NULL || second == TK_STREAM || second == TK_TABLE;
    if (first != TK_ASSERT || !test || (b->flags & PARSE_TEST) != 0) return true;
    str word = token_text(b->source, t->items[1]);
    int line, column;
    diag_line_column(b->source, t->items[1].start, &line, &column);
    diag_at(b->d, token_span(t->items[1]), DIAG_SYNTAX, "Syntax Error\nSyntax error at or near '%.*s' at line %d:%d",
            STR_ARG(word), line, column);
    return diag_hint(b->d, "This form of ASSERT belongs to test files");
}

/* Runs the grammar over settled tokens; on failure the diag says why. */
static bool run(build *b, const tokens *t)
{
    if (!known_here(b, t)) return false;
    uint32_t at = build_run(b, t->items, t->n, NULL, NULL);
    if (!b->failed) return true;
    if (!b->syntax_error) return false;
    parse_error_set(b->a, b->source, t, at, b->d);
    return false;
}

/* The statement's own text, and that of the statement inside EXPLAIN. */
static void set_text(ast_stmt *s, str source, uint32_t end)
{
    s->text = (str){source.p + s->at.start, end - s->at.start};
    if (s->kind == AST_STMT_EXPLAIN && s->u.explain.stmt != NULL) set_text(s->u.explain.stmt, source, end);
}

/* ---- a text of statements ---------------------------------------------------------------------------------- */

/* A byte order mark at the start is no part of the text. */
static uint32_t text_start(str source)
{
    return str_starts(source, STR("\xEF\xBB\xBF")) ? 3 : 0;
}

/* Where the first token at or after pos begins; comments are skipped. */
static uint32_t first_token(str source, uint32_t pos)
{
    token t;
    while (token_next(source, &pos, &t) == TOKEN_COMMENT) continue;
    return t.start;
}

/* From a first token to what follows the last: only the end can hold space (the token may be a stray control byte). */
static str statement_text(str source, uint32_t start, uint32_t end)
{
    while (end > start + 1 && (uint8_t)source.p[end - 1] <= ' ') end--;
    return (str){source.p + start, end - start};
}

static parse_result *add_result(arena *a, parse_results *r, parse_result one)
{
    r->items = build_grow(a, r->items, r->n, sizeof *r->items);
    r->items[r->n++] = one;
    if (one.error != NULL) r->failed++;
    return &r->items[r->n - 1];
}

static bool too_long(str source, diag *d)
{
    if (source.n <= PARSE_TEXT_MAX) return false;
    diag_set(d, DIAG_LIMIT, "The text is longer than %d bytes", PARSE_TEXT_MAX);
    return true;
}

/* Parses the statement whose tokens were read (or were not: ok is false) into a result. */
static parse_result parse_statement(arena *a, str source, unsigned flags, tokens *t, bool ok, diag *d)
{
    parse_result r = {0};
    build b = {.a = a, .source = source, .flags = flags, .d = d};
    if (ok) {
        token_settle(t);
        ok = run(&b, t);
    }
    if (ok) {
        check(b.stmt != NULL);
        r.stmt = b.stmt;
        return r;
    }
    diag *kept = arena_alloc(a, sizeof *kept);
    *kept = *d;
    r.error = kept;
    diag_clear(d);
    return r;
}

parse_results parse_sql(arena *a, str source, unsigned flags)
{
    parse_results results = {0};
    tokens t = {0};
    diag d = {0};
    if (too_long(source, &d)) {
        diag *kept = arena_alloc(a, sizeof *kept);
        *kept = d;
        add_result(a, &results, (parse_result){.error = kept});
        return results;
    }
    uint32_t pos = text_start(source);
    while (results.failed < PARSE_ERRORS_MAX) {
        uint32_t start = first_token(source, pos);
        if (start >= source.n) break;
        pos = start;
        bool ok = token_statement(a, source, &pos, &t, &d);
        if ((flags & PARSE_NO_SEMICOLON) != 0 && ok) token_close(a, &t);
        parse_result r = parse_statement(a, source, flags, &t, ok, &d);
        r.offset = start;
        r.text = statement_text(source, start, pos);
        if (r.stmt != NULL) set_text((ast_stmt *)r.stmt, source, start + (uint32_t)r.text.n);
        add_result(a, &results, r);
    }
    return results;
}

static bool first_error(const parse_results *r, diag *d)
{
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->items[i].error == NULL) continue;
        if (!diag_is_set(d)) *d = *r->items[i].error;
        return false;
    }
    return true;
}

bool parse_all(arena *a, str source, unsigned flags, parse_results *out, diag *d)
{
    *out = parse_sql(a, source, flags);
    return first_error(out, d);
}

bool parse_one(arena *a, str source, unsigned flags, const ast_stmt **out, diag *d)
{
    parse_results r;
    *out = NULL;
    if (!parse_all(a, source, flags, &r, d)) return false;
    if (r.n == 0) return diag_set(d, DIAG_SYNTAX, "Syntax Error\nThere is no statement");
    if (r.n > 1) {
        span at = {r.items[1].offset, r.items[1].offset + (uint32_t)r.items[1].text.n};
        return diag_at(d, at, DIAG_SYNTAX, "Syntax Error\nExpected exactly one statement");
    }
    *out = r.items[0].stmt;
    return true;
}

bool parse_split(arena *a, str source, unsigned flags, parse_results *out, diag *d)
{
    tokens t = {0};
    *out = (parse_results){0};
    if (too_long(source, d)) return false;
    uint32_t pos = text_start(source);
    for (;;) {
        uint32_t start = first_token(source, pos);
        if (start >= source.n) return true;
        pos = start;
        if (!token_statement(a, source, &pos, &t, d)) return false;
        bool closed = t.n >= 2 && t.items[t.n - 2].kind == TK_SEMI;
        if (!closed && (flags & PARSE_NO_SEMICOLON) == 0) {
            diag_at(d, token_span(t.items[t.n - 1]), DIAG_SYNTAX, "Syntax Error\nmissing ';' at '<EOF>'");
            return diag_hint(d, "A statement ends with ;");
        }
        str text = statement_text(source, start, pos);
        add_result(a, out, (parse_result){.text = text, .offset = start});
    }
}

/* ---- single expressions, types, column lists --------------------------------------------------------------- */

/* Reads the whole text as what the pseudo token `want` says. */
static bool parse_whole(arena *a, str source, int want, build *b, diag *d)
{
    tokens t = {0};
    uint32_t pos = 0;
    *b = (build){.a = a, .source = source, .d = d};
    if (too_long(source, d)) return false;
    if (!token_statement(a, source, &pos, &t, d)) return false;
    token_settle(&t);
    tokens all = {arena_alloc(a, (t.n + 1) * sizeof(token)), t.n + 1, t.n + 1};
    all.items[0] = (token){.kind = (uint16_t)want};
    memcpy(all.items + 1, t.items, t.n * sizeof(token));
    return run(b, &all);
}

bool parse_expr(arena *a, str source, const ast_expr **out, diag *d)
{
    build b;
    *out = NULL;
    if (!parse_whole(a, source, TK_WANT_EXPR, &b, d)) return false;
    *out = b.expr;
    return true;
}

bool parse_type(arena *a, str source, const ast_type **out, diag *d)
{
    build b;
    *out = NULL;
    if (!parse_whole(a, source, TK_WANT_TYPE, &b, d)) return false;
    *out = b.type;
    return true;
}

bool parse_columns(arena *a, str source, ast_columns *out, diag *d)
{
    build b;
    *out = (ast_columns){0};
    if (!parse_whole(a, source, TK_WANT_COLUMNS, &b, d)) return false;
    *out = b.columns;
    return true;
}

/* ---- names ------------------------------------------------------------------------------------------------- */

static const parse_keyword keywords[] = {
#define KEYWORD(word, token, reserved) {#word, reserved},
    TOKEN_KEYWORDS(KEYWORD)
#undef KEYWORD
};

const parse_keyword *parse_keywords(uint32_t *n)
{
    *n = ARRAY_LEN(keywords);
    return keywords;
}

/* The kind of the only token of a text; TOKEN_UNKNOWN when there are several, or space around it. */
static int only_token(str text)
{
    uint32_t pos = 0;
    token t;
    if (text.n > PARSE_TEXT_MAX) return TOKEN_UNKNOWN;
    int kind = token_next(text, &pos, &t);
    return t.start == 0 && t.end == text.n && t.end > 0 ? kind : TOKEN_UNKNOWN;
}

bool parse_is_reserved(str word)
{
    int kind = only_token(word);
    return token_is_keyword(kind) && !token_is_name(kind);
}

bool parse_is_bare_name(str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@';
        if (!plain) return false;
    }
    return token_is_name(only_token(text));
}
