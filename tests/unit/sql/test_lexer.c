/* Tokens: their bounds, keywords in any case, numbers and names that look alike, and what is open at the end. */
#include "tests/unit/unit.h"

#include "base/arena.h"
#include "sql/parse.h"
#include "sql/token.h"

#include "parser.h"

/* Checks that the text is exactly these tokens; the list ends with TOKEN_END. */
static void expect(const char *text, const int *kinds)
{
    uint32_t pos = 0;
    token t;
    size_t i = 0;
    do {
        token_next(str_z(text), &pos, &t);
        ck_assert_msg(t.kind == kinds[i], "%s: token %zu is %d, not %d", text, i, t.kind, kinds[i]);
    } while (kinds[i++] != TOKEN_END);
}

#define EXPECT(text, ...) expect(text, (const int[]){__VA_ARGS__, TOKEN_END})

START_TEST(keywords_match_in_any_case)
{
    uint32_t n;
    const parse_keyword *words = parse_keywords(&n);
    ck_assert_uint_eq(n, 145);
    uint32_t reserved = 0;
    for (uint32_t i = 0; i < n; i++) {
        char lower[32];
        size_t len = strlen(words[i].word);
        for (size_t k = 0; k <= len; k++) lower[k] = (char)(words[i].word[k] | (words[i].word[k] ? 0x20 : 0));
        uint32_t pos = 0;
        token t;
        int kind = token_next((str){lower, len}, &pos, &t);
        ck_assert_msg(token_is_keyword(kind), "%s", words[i].word);
        ck_assert_str_eq(token_kind_name(kind), words[i].word);
        ck_assert(parse_is_reserved(str_z(words[i].word)) == words[i].reserved);
        ck_assert(i == 0 || strcmp(words[i - 1].word, words[i].word) < 0);
        reserved += words[i].reserved;
    }
    ck_assert_uint_eq(reserved, 88);
}
END_TEST

START_TEST(numbers_and_names_are_told_apart)
{
    EXPECT("1 23", TK_INTEGER_VALUE, TK_INTEGER_VALUE);
    EXPECT("1.5 .5 5.", TK_DECIMAL_VALUE, TK_DECIMAL_VALUE, TK_DECIMAL_VALUE);
    EXPECT("1e3 1.5E-2 .5e+1 2.e1", TK_FLOAT_VALUE, TK_FLOAT_VALUE, TK_FLOAT_VALUE, TK_FLOAT_VALUE);
    EXPECT("1e 1x 1_ 12ab@", TK_IDENT, TK_IDENT, TK_IDENT, TK_IDENT);
    EXPECT("_a a@b A1", TK_IDENT, TK_IDENT, TK_IDENT);
    EXPECT("a.b", TK_IDENT, TK_DOT, TK_IDENT);
    EXPECT("selects select1", TK_IDENT, TK_IDENT);
}
END_TEST

START_TEST(quotes_are_doubled_inside_quotes)
{
    EXPECT("'it''s' '' ''''", TK_TEXT, TK_TEXT, TK_TEXT);
    EXPECT("\"a\"\"b\" `c``d`", TK_IDENT, TK_IDENT);
    EXPECT("'multi\nline; -- no comment'", TK_TEXT);
}
END_TEST

START_TEST(operators_take_the_longest_match)
{
    EXPECT("<> != <= >= < > = => := -> || - * / % +", TK_NEQ, TK_NEQ, TK_LTE, TK_GTE, TK_LT, TK_GT, TK_EQ, TK_LAMBDA,
           TK_ASSIGN, TK_ARROW, TK_CONCAT, TK_MINUS, TK_STAR, TK_SLASH, TK_PERCENT, TK_PLUS);
    EXPECT("${a_1} $ {", TK_VARIABLE, TOKEN_UNKNOWN, TOKEN_UNKNOWN);
}
END_TEST

START_TEST(comments_are_tokens_of_the_lexer)
{
    EXPECT("a -- b\nc", TK_IDENT, TOKEN_COMMENT, TK_IDENT);
    EXPECT("a --\nc", TK_IDENT, TOKEN_COMMENT, TK_IDENT);
    EXPECT("/* x */ /***/ /* a * b **/ c", TOKEN_COMMENT, TOKEN_COMMENT, TOKEN_COMMENT, TK_IDENT);
    EXPECT("/* /* */ x", TOKEN_COMMENT, TK_IDENT);
}
END_TEST

START_TEST(what_is_open_takes_the_rest_of_the_text)
{
    EXPECT("a 'b; c", TK_IDENT, TOKEN_OPEN_STRING);
    EXPECT("a \"b; c", TK_IDENT, TOKEN_OPEN_NAME);
    EXPECT("a `b; c", TK_IDENT, TOKEN_OPEN_NAME);
    EXPECT("a /* b; c", TK_IDENT, TOKEN_OPEN_COMMENT);
    EXPECT("a /*", TK_IDENT, TOKEN_OPEN_COMMENT);
}
END_TEST

START_TEST(any_bytes_end_in_tokens)
{
    char text[256];
    for (int i = 0; i < 256; i++) text[i] = (char)i;
    for (size_t from = 0; from < 256; from++) {
        uint32_t pos = 0, last = 0;
        token t;
        while (token_next((str){text + from, 256 - from}, &pos, &t) != TOKEN_END) {
            ck_assert(t.end > t.start && t.start >= last && t.end <= 256 - from);
            last = t.end;
        }
    }
    uint32_t pos = 0;
    token t;
    ck_assert_int_eq(token_next((str){NULL, 0}, &pos, &t), TOKEN_END);
}
END_TEST

START_TEST(a_zero_byte_is_a_byte_like_others)
{
    uint32_t pos = 0;
    token t;
    ck_assert_int_eq(token_next(STR("\0a"), &pos, &t), TOKEN_UNKNOWN);
    ck_assert_int_eq(token_next(STR("\0a"), &pos, &t), TK_IDENT);
    pos = 0;
    ck_assert_int_eq(token_next(STR("'a\0b'"), &pos, &t), TK_TEXT);
    ck_assert_uint_eq(t.end, 5);
}
END_TEST

START_TEST(names_that_need_quotes_are_known)
{
    ck_assert(parse_is_bare_name(STR("ABC_1")) && parse_is_bare_name(STR("KEY")) && parse_is_bare_name(STR("1A")));
    ck_assert(!parse_is_bare_name(STR("abc")) && !parse_is_bare_name(STR("SELECT")) && !parse_is_bare_name(STR("")));
    ck_assert(!parse_is_bare_name(STR("A B")) && !parse_is_bare_name(STR("A-B")) && !parse_is_bare_name(STR("12")));
    ck_assert(!parse_is_bare_name(STR("1E3")) && !parse_is_bare_name(STR("A ")) &&
              !parse_is_bare_name(STR("\xC3\x84")));
}
END_TEST

START_TEST(pieces_cover_the_text_for_colours)
{
    const char *text = "SELECT a, 'x' -- c\n FROM ${v} WHERE 1 = @";
    const parse_class kinds[] = {PARSE_CLASS_KEYWORD, PARSE_CLASS_NAME,     PARSE_CLASS_OPERATOR, PARSE_CLASS_STRING,
                                 PARSE_CLASS_COMMENT, PARSE_CLASS_KEYWORD,  PARSE_CLASS_VARIABLE, PARSE_CLASS_KEYWORD,
                                 PARSE_CLASS_NUMBER,  PARSE_CLASS_OPERATOR, PARSE_CLASS_ERROR};
    uint32_t pos = 0, n = 0;
    parse_piece piece;
    while (parse_next_piece(str_z(text), &pos, &piece)) {
        ck_assert_uint_lt(n, sizeof kinds / sizeof kinds[0]);
        ck_assert_int_eq(piece.kind, kinds[n++]);
    }
    ck_assert_uint_eq(n, sizeof kinds / sizeof kinds[0]);
}
END_TEST

UNIT_MAIN("sql/lexer", keywords_match_in_any_case, numbers_and_names_are_told_apart, quotes_are_doubled_inside_quotes,
          operators_take_the_longest_match, comments_are_tokens_of_the_lexer, what_is_open_takes_the_rest_of_the_text,
          any_bytes_end_in_tokens, a_zero_byte_is_a_byte_like_others, names_that_need_quotes_are_known,
          pieces_cover_the_text_for_colours)
