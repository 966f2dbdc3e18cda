#include "sql/token.h"

#include "parser.h"
#include "sql/parse.h"

#include "base/check.h"

/* ---- kinds ------------------------------------------------------------------------------------------------- */

/* Indexed by token kind; NULL for what is not a keyword. */
static const char *const keyword_words[] = {
#define KEYWORD(word, token, reserved) [TK_##token] = #word,
    TOKEN_KEYWORDS(KEYWORD)
#undef KEYWORD
};

static const bool keyword_reserved[] = {
#define KEYWORD(word, token, reserved) [TK_##token] = reserved,
    TOKEN_KEYWORDS(KEYWORD)
#undef KEYWORD
};

bool token_is_keyword(int kind)
{
    return kind > 0 && kind < (int)ARRAY_LEN(keyword_words) && keyword_words[kind] != NULL;
}

bool token_is_name(int kind)
{
    return kind == TK_IDENT || kind == TK_VARIABLE || (token_is_keyword(kind) && !keyword_reserved[kind]);
}

const char *token_kind_name(int kind)
{
    if (token_is_keyword(kind)) return keyword_words[kind];
    switch (kind) {
    case TOKEN_END: return "<EOF>";
    case TK_IDENT: return "identifier";
    case TK_VARIABLE: return "variable";
    case TK_TEXT: return "string";
    case TK_INTEGER_VALUE: return "integer";
    case TK_DECIMAL_VALUE: return "decimal";
    case TK_FLOAT_VALUE: return "double";
    case TK_SEMI: return "';'";
    case TK_COMMA: return "','";
    case TK_DOT: return "'.'";
    case TK_LP:
    case TK_LAMBDA_LP: return "'('";
    case TK_RP: return "')'";
    case TK_LB: return "'['";
    case TK_RB: return "']'";
    case TK_EQ: return "'='";
    case TK_NEQ: return "'<>'";
    case TK_LT: return "'<'";
    case TK_LTE: return "'<='";
    case TK_GT: return "'>'";
    case TK_GTE: return "'>='";
    case TK_PLUS: return "'+'";
    case TK_MINUS: return "'-'";
    case TK_STAR: return "'*'";
    case TK_SLASH: return "'/'";
    case TK_PERCENT: return "'%'";
    case TK_CONCAT: return "'||'";
    case TK_ASSIGN: return "':='";
    case TK_ARROW: return "'->'";
    case TK_LAMBDA: return "'=>'";
    case TK_ARRAY_OPEN: return "ARRAY";
    case TK_MAP_OPEN: return "MAP";
    case TK_STRUCT_OPEN: return "STRUCT";
    default: return "";
    }
}

/* ---- the tokens of a statement ----------------------------------------------------------------------------- */

static void add(arena *a, tokens *t, token one)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap == 0 ? 64 : t->cap * 2;
        token *grown = arena_alloc(a, cap * sizeof *grown);
        if (t->n > 0) memcpy(grown, t->items, t->n * sizeof *grown);
        t->items = grown;
        t->cap = cap;
    }
    t->items[t->n++] = one;
}

/* The character at a token's place, for a message; a malformed one shows as its first byte. */
static void unknown_byte(str source, token t, diag *d)
{
    unsigned char c = (unsigned char)source.p[t.start];
    if (c >= 0x80) {
        diag_at(d, token_span(t), DIAG_SYNTAX, "Syntax Error\nUnexpected character (byte 0x%02X)", c);
        diag_hint(d, "Names with other than ASCII letters are written in quotes: `...`");
    } else if (c < 0x20 || c == 0x7F) {
        diag_at(d, token_span(t), DIAG_SYNTAX, "Syntax Error\nUnexpected control character 0x%02X", c);
    } else {
        diag_at(d, token_span(t), DIAG_SYNTAX, "Syntax Error\nUnexpected character '%c'", c);
    }
}

static bool lexical_error(str source, token t, diag *d)
{
    span at = {t.start, t.start + 1};
    switch (t.kind) {
    case TOKEN_OPEN_STRING:
        diag_at(d, at, DIAG_SYNTAX, "Syntax Error\nThe string that begins here has no end");
        return diag_hint(d, "A ' inside a string is written twice: 'it''s'");
    case TOKEN_OPEN_NAME:
        diag_at(d, at, DIAG_SYNTAX, "Syntax Error\nThe quoted name that begins here has no end");
        return diag_hint(d, "Close it with %c", source.p[t.start]);
    case TOKEN_OPEN_COMMENT:
        diag_at(d, (span){t.start, t.start + 2}, DIAG_SYNTAX, "Syntax Error\nThe comment that begins here has no end");
        return diag_hint(d, "Close it with */");
    default: unknown_byte(source, t, d); return false;
    }
}

bool token_statement(arena *a, str source, uint32_t *pos, tokens *out, diag *d)
{
    bool ok = true;
    uint32_t start = UINT32_MAX;
    token t;
    out->n = 0;
    do {
        int kind = token_next(source, pos, &t);
        if (kind == TOKEN_COMMENT) continue;
        if (kind != TOKEN_END && start == UINT32_MAX) start = t.start;
        if (kind >= TOKEN_SPACE) ok = ok && lexical_error(source, t, d);
        if (kind >= TOKEN_SPACE || !ok) continue;
        if (out->n >= PARSE_TOKENS_MAX) {
            ok = diag_at(d, token_span(t), DIAG_LIMIT, "The statement has more than %d tokens", PARSE_TOKENS_MAX);
        } else if (kind != TOKEN_END && t.end - start > PARSE_STATEMENT_MAX) {
            ok = diag_at(d, token_span(t), DIAG_LIMIT, "The statement is longer than %d bytes", PARSE_STATEMENT_MAX);
        } else {
            add(a, out, t);
        }
    } while (t.kind != TOKEN_END && t.kind != TK_SEMI);
    if (ok && t.kind == TK_SEMI) add(a, out, (token){.kind = TOKEN_END, .start = t.end, .end = t.end});
    return ok;
}

/* ---- closing ----------------------------------------------------------------------------------------------- */

void token_close(arena *a, tokens *t)
{
    if (t->n < 2 || t->items[t->n - 2].kind == TK_SEMI) return;
    token end = t->items[t->n - 1];
    t->items[t->n - 1] = (token){.kind = TK_SEMI, .start = end.start, .end = end.end};
    add(a, t, end);
}

/* ---- settling ---------------------------------------------------------------------------------------------- */

/* Can the token end an operand, so that a minus behind it subtracts? */
static bool ends_operand(int kind)
{
    switch (kind) {
    case TK_INTEGER_VALUE:
    case TK_DECIMAL_VALUE:
    case TK_FLOAT_VALUE:
    case TK_TEXT:
    case TK_RP:
    case TK_RB:
    case TK_END:
    case TK_NULL:
    case TK_TRUE:
    case TK_FALSE: return true;
    default: return token_is_name(kind);
    }
}

/* `-` before a number, where an operand begins, is the number's sign: -9223372036854775808 is one literal. */
static void fold_signs(tokens *t)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        token one = t->items[i];
        int next = i + 1 < t->n ? t->items[i + 1].kind : TOKEN_END;
        bool number = next == TK_INTEGER_VALUE || next == TK_DECIMAL_VALUE || next == TK_FLOAT_VALUE;
        if (one.kind == TK_MINUS && number && (out == 0 || !ends_operand(t->items[out - 1].kind))) {
            uint32_t start = one.start;
            one = t->items[++i];
            one.digits = one.start;
            one.start = start;
            one.negative = true;
        }
        t->items[out++] = one;
    }
    t->n = out;
}

/* `(a, b) =>`: the parenthesis that opens a lambda's parameters gets a kind of its own. */
static void mark_lambda(tokens *t, uint32_t arrow)
{
    if (arrow < 3 || t->items[arrow - 1].kind != TK_RP) return;
    for (uint32_t i = arrow - 2; i > 0; i -= 2) {
        if (!token_is_name(t->items[i].kind)) return;
        int before = t->items[i - 1].kind;
        if (before == TK_LP) t->items[i - 1].kind = TK_LAMBDA_LP;
        if (before != TK_COMMA || i < 3) return;
    }
}

static int kind_at(const tokens *t, uint32_t i)
{
    return i < t->n ? t->items[i].kind : TOKEN_END;
}

/* Only a name is meant: `COLUMN` in ADD COLUMN INT, `FUNCTION` in DESCRIBE FUNCTION; */
static bool is_name_at(const tokens *t, uint32_t i)
{
    int before = i > 0 ? t->items[i - 1].kind : TOKEN_END;
    int next = kind_at(t, i + 1);
    switch (t->items[i].kind) {
    case TK_EMIT: return next != TK_CHANGES && next != TK_FINAL && next != TOKEN_END;
    case TK_GRACE: return next != TK_PERIOD && next != TOKEN_END;
    case TK_PARTITION: return next != TK_BY && next != TOKEN_END;
    case TK_ESCAPE: return next != TK_TEXT && next != TOKEN_END;
    case TK_IF: return next != TK_NOT && next != TK_EXISTS && next != TOKEN_END;
    case TK_FUNCTION: return before == TK_DESCRIBE && (next == TK_SEMI || next == TK_EXTENDED);
    case TK_COLUMN: {
        int third = kind_at(t, i + 2);
        return before == TK_ADD && token_is_name(next) && (third == TK_COMMA || third == TK_SEMI);
    }
    default: return false;
    }
}

void token_settle(tokens *t)
{
    fold_signs(t);
    for (uint32_t i = 0; i < t->n; i++) {
        token *one = &t->items[i];
        int next = kind_at(t, i + 1);
        if (one->kind == TK_ARRAY && next == TK_LB)
            one->kind = TK_ARRAY_OPEN;
        else if (one->kind == TK_MAP && next == TK_LP)
            one->kind = TK_MAP_OPEN;
        else if (one->kind == TK_STRUCT && next == TK_LP)
            one->kind = TK_STRUCT_OPEN;
        else if (one->kind == TK_LAMBDA)
            mark_lambda(t, i);
        else if (is_name_at(t, i))
            one->kind = TK_IDENT;
    }
    /* A variable may be called by any word: DEFINE limit = '5'. */
    if (t->n > 1 && (t->items[0].kind == TK_DEFINE || t->items[0].kind == TK_UNDEFINE) &&
        token_is_keyword(t->items[1].kind)) {
        t->items[1].kind = TK_IDENT;
    }
}
