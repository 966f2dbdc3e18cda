#include "sql/parse_error.h"

#include "parser.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/similar.h"

/* ---- likeness ---------------------------------------------------------------------------------------------- */

enum { WORD_MAX = 32 };

static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

static const char *nearest_command(str word)
{
    static const char *const commands[] = {"SELECT", "CREATE", "INSERT", "DESCRIBE", "PRINT",  "EXPLAIN",
                                           "SHOW",   "LIST",   "PAUSE",  "RESUME",   "DROP",   "TERMINATE",
                                           "SET",    "DEFINE", "UNSET",  "UNDEFINE", "ASSERT", "ALTER"};
    const char *best = NULL;
    int least = WORD_MAX;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int far = similar_distance(word, str_z(commands[i]), WORD_MAX);
        if (far < least) {
            least = far;
            best = commands[i];
        }
    }
    return best;
}

/* ---- what the parser says ---------------------------------------------------------------------------------- */

/* The failing place, and what the parser would have taken there. */
typedef struct finding {
    str source;
    const tokens *t;
    uint32_t at;
    diag *d;
} finding;

enum { LOOK_AHEAD = 4, EXPECTED_MAX = 256, EXPECTED_SHOWN = 8 };

/* Would the parser go on for `far` tokens if `kind` stood at the failing place, in its stead or before it? */
static bool goes_on(const finding *f, const void *parser, int kind, bool before, uint32_t far)
{
    token next[LOOK_AHEAD + 1];
    uint32_t n = 0;
    check(far <= LOOK_AHEAD);
    next[n++] = (token){.kind = (uint16_t)kind};
    for (uint32_t i = f->at + (before ? 0 : 1); i < f->t->n && n <= far; i++) next[n++] = f->t->items[i];
    return build_parser_accepts(parser, next, n);
}

/* The last bracket that was opened and not closed before the failing place, as the token that would close it; or 0. */
static int missing_bracket(const finding *f)
{
    int depth_round = 0, depth_square = 0;
    for (uint32_t i = f->at; i-- > 0;) {
        switch (f->t->items[i].kind) {
        case TK_RP: depth_round++; break;
        case TK_RB: depth_square++; break;
        case TK_LP:
        case TK_LAMBDA_LP:
            if (depth_round-- == 0) return TK_RP;
            break;
        case TK_LB:
            if (depth_square-- == 0) return TK_RB;
            break;
        default: break;
        }
    }
    return 0;
}

/* The same keyword once, and what belongs together in one place: ARRAY[ and ARRAY< are ARRAY. */
static uint32_t expected_kinds(const void *parser, uint16_t *kinds)
{
    uint32_t n = 0;
    for (int kind = 0; kind < build_parser_terminals() && n < EXPECTED_MAX; kind++) {
        if (kind == TK_VARIABLE || *token_kind_name(kind) == '\0') continue;
        if (build_parser_expects(parser, kind)) kinds[n++] = (uint16_t)kind;
    }
    return n;
}

static bool contains(const uint16_t *kinds, uint32_t n, int kind)
{
    for (uint32_t i = 0; i < n; i++) {
        if (kinds[i] == kind) return true;
    }
    return false;
}

/* The three kinds of number literals are one thing to a reader; returns how many things are left. */
static uint32_t merge_numbers(uint16_t *kinds, uint32_t n)
{
    if (!contains(kinds, n, TK_DECIMAL_VALUE)) return n;
    uint32_t out = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (kinds[i] != TK_INTEGER_VALUE && kinds[i] != TK_FLOAT_VALUE) kinds[out++] = kinds[i];
    }
    return out;
}

static void expected_text(const uint16_t *kinds, uint32_t n, buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) buf_add_z(out, i + 1 == n ? " or " : ", ");
        buf_add_z(out, kinds[i] == TK_DECIMAL_VALUE ? "number" : token_kind_name(kinds[i]));
    }
}

/* What people write who know another SQL, and how it is said here. */
static void hint_habit(const finding *f, const uint16_t *kinds, uint32_t n)
{
    const token *t = f->t->items;
    uint32_t at = f->at;
    str word = token_text(f->source, t[at]), before = token_text(f->source, t[at - 1]);
    if (str_ieq(before, STR("EMIT"))) diag_hint(f->d, "EMIT is followed by CHANGES or FINAL");
    if (str_ieq(word, STR("ORDER")) || (str_ieq(word, STR("BY")) && str_ieq(before, STR("ORDER")))) {
        diag_hint(f->d, "A stream has no end to sort at: there is no ORDER BY");
    }
    if (t[at].kind == TK_DISTINCT) diag_hint(f->d, "There is no SELECT DISTINCT: use GROUP BY");
    if (t[at].kind == TK_EQ && t[at - 1].kind == TK_EQ) diag_hint(f->d, "Values are compared with a single =");
    if (contains(kinds, n, TK_JOIN) && t[at].kind == TK_COMMA) {
        diag_hint(f->d, "Sources are put together with JOIN ... ON ...");
    }
    if (contains(kinds, n, TK_ON)) diag_hint(f->d, "A JOIN needs its condition: ON a.x = b.y");
    if (t[at].kind == TK_SELECT && at > 1 && t[at - 1].kind == TK_LP) diag_hint(f->d, "There are no nested queries");
}

static bool reserved_word(const finding *f, const void *parser)
{
    token t = f->t->items[f->at];
    if (!token_is_keyword(t.kind) || token_is_name(t.kind) || !goes_on(f, parser, TK_IDENT, false, LOOK_AHEAD))
        return false;
    str word = token_text(f->source, t);
    diag_at(f->d, token_span(t), DIAG_SYNTAX,
            "Syntax Error\n\"%.*s\" is a reserved keyword and it can't be used as an identifier. "
            "You can use it as an identifier by escaping it as `%.*s`",
            STR_ARG(word), STR_ARG(word));
    hint_habit(f, NULL, 0);
    return true;
}

/* A misspelt keyword reads as a name: FORM for FROM. */
static void hint_keyword(const finding *f, const uint16_t *kinds, uint32_t n)
{
    token t = f->t->items[f->at];
    str word = token_text(f->source, t);
    if (t.kind != TK_IDENT || word.n < 3) return;
    for (uint32_t i = 0; i < n; i++) {
        if (!token_is_keyword(kinds[i])) continue;
        const char *keyword = token_kind_name(kinds[i]);
        if (similar_distance(word, str_z(keyword), 2) > (word.n < 5 ? 1 : 2) &&
            !(word.n == 4 && similar_distance(word, str_z(keyword), 2) == 2 && upper(word.p[0]) == keyword[0]))
            continue;
        diag_hint(f->d, "Did you mean '%s'?", keyword);
        return;
    }
}

static void missing_at(const finding *f, int kind)
{
    token t = f->t->items[f->at];
    str word = t.kind == TOKEN_END ? STR("<EOF>") : token_text(f->source, t);
    diag_at(f->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nmissing %s at '%.*s'", token_kind_name(kind),
            STR_ARG(word));
}

static void at_or_near(const finding *f)
{
    token t = f->t->items[f->at];
    str word = t.kind == TOKEN_END ? STR("<EOF>") : token_text(f->source, t);
    if (word.n > 200) word.n = 200;
    int line, column;
    diag_line_column(f->source, t.start, &line, &column);
    diag_at(f->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nSyntax error at or near '%.*s' at line %d:%d",
            STR_ARG(word), line, column);
}

static void explain(const void *parser, void *arg)
{
    const finding *f = arg;
    token t = f->t->items[f->at];
    bool end = t.kind == TOKEN_END || t.kind == TK_SEMI;
    int bracket = missing_bracket(f);
    if (reserved_word(f, parser)) return;
    if (end && bracket != 0) {
        diag_at(f->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nSyntax error at or near \"%s\"\n%s is missing",
                t.kind == TK_SEMI ? ";" : "<EOF>", token_kind_name(bracket));
        return;
    }
    if (t.kind == TOKEN_END && goes_on(f, parser, TK_SEMI, true, 1)) {
        missing_at(f, TK_SEMI);
        diag_hint(f->d, "A statement ends with ;");
        return;
    }
    if (bracket != 0 && goes_on(f, parser, bracket, true, 1)) {
        missing_at(f, bracket);
        return;
    }
    uint16_t kinds[EXPECTED_MAX];
    uint32_t n = merge_numbers(kinds, expected_kinds(parser, kinds));
    if (n == 1 && kinds[0] != TK_DECIMAL_VALUE && goes_on(f, parser, kinds[0], true, 1)) {
        missing_at(f, kinds[0]);
    } else if (n > 0 && n <= EXPECTED_SHOWN) {
        buf b = {0};
        expected_text(kinds, n, &b);
        diag_at(f->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nExpecting %s", buf_z(&b));
        buf_free(&b);
    } else {
        at_or_near(f);
    }
    hint_habit(f, kinds, n);
    hint_keyword(f, kinds, n);
}

static void unknown_statement(const finding *f)
{
    token t = f->t->items[f->at];
    if (t.kind == TK_SEMI) {
        diag_at(f->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nThere is no statement before ';'");
        return;
    }
    str word = token_text(f->source, t);
    if (word.n > 200) word.n = 200;
    diag_at(f->d, token_span(t), DIAG_SYNTAX, "Syntax Error\nUnknown statement '%.*s'", STR_ARG(word));
    const char *near = nearest_command(word);
    if (near != NULL) diag_hint(f->d, "Did you mean '%s'?", near);
}

void parse_error_set(arena *a, str source, const tokens *t, uint32_t at, diag *d)
{
    finding f = {source, t, at, d};
    if (at == 0) {
        unknown_statement(&f);
        return;
    }
    /* The parser may have reduced before it refused the token: read up to there again, to ask it in its full state. */
    diag ignored = {0};
    build again = {.a = a, .source = source, .d = &ignored, .take_variables = true};
    again.flags = ~0u;
    build_run(&again, t->items, at, explain, &f);
}
