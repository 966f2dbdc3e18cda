#include "sql/parse.h"

#include "parser.h"

#include "base/check.h"
#include "sql/build.h"

/* ---- is it complete? --------------------------------------------------------------------------------------- */

parse_state parse_text_state(str source, uint32_t *at)
{
    parse_state state = PARSE_EMPTY;
    uint32_t pos = 0, where = 0;
    token t;
    for (;;) {
        int kind = token_next(source, &pos, &t);
        if (kind == TOKEN_END) break;
        if (kind == TOKEN_COMMENT) continue;
        if (kind == TK_SEMI) {
            state = PARSE_COMPLETE;
            continue;
        }
        bool open = kind == TOKEN_OPEN_STRING || kind == TOKEN_OPEN_NAME || kind == TOKEN_OPEN_COMMENT;
        if (open || state != PARSE_IN_STATEMENT) where = t.start;
        state = kind == TOKEN_OPEN_STRING    ? PARSE_IN_STRING
                : kind == TOKEN_OPEN_NAME    ? PARSE_IN_QUOTED_NAME
                : kind == TOKEN_OPEN_COMMENT ? PARSE_IN_COMMENT
                                             : PARSE_IN_STATEMENT;
    }
    if (at != NULL) *at = where;
    return state;
}

/* ---- pieces ------------------------------------------------------------------------------------------------ */

static parse_class class_of(int kind)
{
    if (token_is_keyword(kind)) return PARSE_CLASS_KEYWORD;
    switch (kind) {
    case TK_IDENT: return PARSE_CLASS_NAME;
    case TK_VARIABLE: return PARSE_CLASS_VARIABLE;
    case TK_TEXT: return PARSE_CLASS_STRING;
    case TK_INTEGER_VALUE:
    case TK_DECIMAL_VALUE:
    case TK_FLOAT_VALUE: return PARSE_CLASS_NUMBER;
    case TOKEN_COMMENT:
    case TOKEN_OPEN_COMMENT: return PARSE_CLASS_COMMENT;
    case TOKEN_OPEN_STRING:
    case TOKEN_OPEN_NAME:
    case TOKEN_UNKNOWN: return PARSE_CLASS_ERROR;
    default: return PARSE_CLASS_OPERATOR;
    }
}

bool parse_next_piece(str source, uint32_t *pos, parse_piece *out)
{
    token t;
    if (*pos >= source.n) return false;
    int kind = token_next(source, pos, &t);
    if (kind == TOKEN_END) return false;
    *out = (parse_piece){token_span(t), class_of(kind)};
    return true;
}

/* ---- completion -------------------------------------------------------------------------------------------- */

/* What is known of the place while the keywords are collected. */
typedef struct place {
    arena *a;
    str source;
    const tokens *t; /* up to, and without, the word at the cursor */
    parse_completion *out;
} place;

static int kind_before(const place *p, uint32_t back)
{
    return p->t->n >= back ? p->t->items[p->t->n - back].kind : TOKEN_END;
}

/* Is the cursor inside WITH ( ... ), where a property's name begins? */
static bool in_with(const place *p)
{
    int last = kind_before(p, 1);
    if (last != TK_LP && last != TK_COMMA) return false;
    for (uint32_t i = p->t->n; i-- > 0;) {
        int kind = p->t->items[i].kind;
        if (kind == TK_RP) return false;
        if (kind == TK_LP) return i > 0 && p->t->items[i - 1].kind == TK_WITH;
    }
    return false;
}

static unsigned wants_after_object_word(const place *p, int word)
{
    int first = p->t->items[0].kind;
    switch (word) {
    case TK_STREAM:
    case TK_TABLE: return first == TK_CREATE ? PARSE_WANT_NEW_NAME : PARSE_WANT_SOURCE;
    case TK_CONNECTOR: return first == TK_CREATE ? PARSE_WANT_NEW_NAME : PARSE_WANT_CONNECTOR;
    case TK_TYPE: return first == TK_CREATE ? PARSE_WANT_NEW_NAME : PARSE_WANT_TYPE;
    default: return 0;
    }
}

/* Which names fit where the grammar wants one. */
static unsigned wants_of(const place *p, const void *parser)
{
    token name = {.kind = TK_IDENT};
    if (!build_parser_accepts(parser, &name, 1)) return 0;
    int last = kind_before(p, 1);
    if (in_with(p)) return PARSE_WANT_PROPERTY;
    if (last == TK_EXISTS) {
        uint32_t i = p->t->n;
        while (i > 0 && (p->t->items[i - 1].kind == TK_EXISTS || p->t->items[i - 1].kind == TK_NOT ||
                         p->t->items[i - 1].kind == TK_IF))
            i--;
        return i > 0 ? wants_after_object_word(p, p->t->items[i - 1].kind) : 0;
    }
    switch (last) {
    case TK_FROM:
    case TK_JOIN:
    case TK_INTO:
    case TK_DESCRIBE: return PARSE_WANT_SOURCE;
    case TK_VALUES: return p->t->items[0].kind == TK_ASSERT ? PARSE_WANT_SOURCE : 0;
    case TK_PRINT:
    case TK_TOPIC: return PARSE_WANT_TOPIC;
    case TK_TERMINATE:
    case TK_PAUSE:
    case TK_RESUME:
    case TK_EXPLAIN: return PARSE_WANT_QUERY;
    case TK_FUNCTION: return PARSE_WANT_FUNCTION;
    case TK_UNDEFINE: return PARSE_WANT_VARIABLE;
    default: break;
    }
    unsigned object = p->t->n > 0 ? wants_after_object_word(p, last) : 0;
    if (object != 0) return object;
    if (build_parser_expects(parser, TK_MAP)) return PARSE_WANT_TYPE;
    if (build_parser_expects(parser, TK_CAST)) return PARSE_WANT_COLUMN;
    return PARSE_WANT_NEW_NAME;
}

static void add_keyword(place *p, const char *word)
{
    str typed = {p->source.p + p->out->word.start, p->out->word.end - p->out->word.start};
    str full = str_z(word);
    if (full.n < typed.n || !str_ieq((str){full.p, typed.n}, typed)) return;
    p->out->keywords = build_grow(p->a, p->out->keywords, p->out->keywords_n, sizeof *p->out->keywords);
    p->out->keywords[p->out->keywords_n++] = word;
}

static bool expects_word(const void *parser, int kind)
{
    if (build_parser_expects(parser, kind)) return true;
    return (kind == TK_ARRAY && build_parser_expects(parser, TK_ARRAY_OPEN)) ||
           (kind == TK_MAP && build_parser_expects(parser, TK_MAP_OPEN)) ||
           (kind == TK_STRUCT && build_parser_expects(parser, TK_STRUCT_OPEN));
}

static void offer(const void *parser, void *arg)
{
    place *p = arg;
#define KEYWORD(word, token, reserved)                                                                                 \
    if (expects_word(parser, TK_##token)) add_keyword(p, #word);
    TOKEN_KEYWORDS(KEYWORD)
#undef KEYWORD
    p->out->wants = wants_of(p, parser);
}

/* The names behind FROM and JOIN in the whole statement, before and after the cursor. */
static void collect_sources(str source, uint32_t from, parse_completion *out)
{
    uint32_t pos = from;
    int before = TOKEN_END;
    token t;
    while (out->sources_n < ARRAY_LEN(out->sources)) {
        int kind = token_next(source, &pos, &t);
        if (kind == TOKEN_END || kind == TK_SEMI) break;
        if (kind == TOKEN_COMMENT) continue;
        if ((before == TK_FROM || before == TK_JOIN) && token_is_name(kind)) {
            out->sources[out->sources_n++] = token_text(source, t);
        }
        before = kind;
    }
}

/* The string that is open at the cursor names a setting after SET, UNSET and ALTER SYSTEM. */
static void offer_in_string(const tokens *t, uint32_t open, uint32_t cursor, parse_completion *out)
{
    if (t->n == 0) return;
    int last = t->items[t->n - 1].kind;
    if (last != TK_SET && last != TK_UNSET && last != TK_SYSTEM) return;
    out->wants = PARSE_WANT_SETTING;
    out->word = (span){open + 1, cursor};
}

void parse_complete(arena *a, str source, uint32_t cursor, parse_completion *out)
{
    *out = (parse_completion){0};
    if (source.n > PARSE_TEXT_MAX || cursor > source.n) cursor = source.n > PARSE_TEXT_MAX ? 0 : (uint32_t)source.n;
    str text = {source.p, cursor};
    uint32_t open = 0, pos = 0, start = 0;
    out->state = parse_text_state(text, &open);
    out->word = (span){cursor, cursor};
    /* The tokens of the statement that the cursor is in, without an open string. */
    tokens t = {0};
    str readable = {source.p, out->state == PARSE_IN_STRING ? open : cursor};
    diag ignored = {0};
    for (;;) {
        start = pos;
        if (!token_statement(a, readable, &pos, &t, &ignored)) return;
        if (t.n < 2 || t.items[t.n - 2].kind != TK_SEMI) break;
    }
    t.n--;
    collect_sources(source, start, out);
    if (out->state == PARSE_IN_STRING) offer_in_string(&t, open, cursor, out);
    if (out->state > PARSE_IN_STATEMENT) return;
    if (t.n > 0 && t.items[t.n - 1].end == cursor) {
        int last = t.items[t.n - 1].kind;
        if (last == TK_IDENT || token_is_keyword(last)) out->word = token_span(t.items[--t.n]);
    }
    token_settle(&t);
    build b = {.a = a, .source = source, .flags = PARSE_TEST, .d = &ignored, .take_variables = true};
    place p = {a, source, &t, out};
    /* A word that begins no legal text yields an empty offer: the parser has stopped before it. */
    tokens fed = t;
    if (build_run(&b, fed.items, fed.n, NULL, NULL) < fed.n) return;
    b = (build){.a = a, .source = source, .flags = PARSE_TEST, .d = &ignored, .take_variables = true};
    build_run(&b, fed.items, fed.n, offer, &p);
}
