/*
 * sql/parse.h - SQL text to AST: statements, expressions, types; and what a prompt needs to know about a text.
 *
 * Any thread may parse; a call touches only its arguments. Any bytes are allowed as text: the worst outcome is an
 * error. Trees, slices and errors live in the arena that is passed, and refer to the source text, which must live as
 * long. Spans are byte offsets into that source text, so diag_render(error, source, out) shows the line and the caret,
 * and diag_line_column() gives the L:C of "line L:C: ...". Texts of syntax errors follow ksqlDB: "Syntax Error", a line
 * end, then what is wrong; the way out (did you mean, how to quote) is the hint.
 */
#ifndef SQL_PARSE_H
#define SQL_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "sql/ast.h"

/* Bounds of what is parsed; beyond them the error is a DIAG_LIMIT. */
enum {
    PARSE_TEXT_MAX = 16 << 20, /* bytes of one text */
    PARSE_STATEMENT_MAX = 4 << 20, /* bytes of one statement */
    PARSE_TOKENS_MAX = 500000, /* tokens of one statement */
    PARSE_ERRORS_MAX = 100, /* failing statements of one text; parsing ends with the last of them */
};

/* What is accepted beside the language of the server. */
enum {
    PARSE_SERVER = 0,
    PARSE_TEST = 1, /* ASSERT VALUES, ASSERT NULL VALUES, ASSERT STREAM/TABLE, RUN SCRIPT */
    PARSE_SCRIPT = 2, /* RUN SCRIPT alone: the prompt */
    PARSE_NO_SEMICOLON = 4, /* the last statement may lack its `;` */
};

/* One statement of a text: a tree, or the error that it gave. */
typedef struct parse_result {
    str text; /* its own slice, from its first token through its `;`, as statementText in answers */
    uint32_t offset; /* where text begins in the source */
    const ast_stmt *stmt; /* NULL: it failed */
    const diag *error; /* NULL: it parsed */
} parse_result;

/* The statements of a text in their order. */
typedef struct parse_results {
    parse_result *items;
    uint32_t n;
    uint32_t failed; /* how many have an error */
} parse_results;

/* Parses all statements; after a failing one it goes on behind the next `;`. */
parse_results parse_sql(arena *a, str source, unsigned flags);
/* Like parse_sql, but the first error is the result: false when any statement fails. */
bool parse_all(arena *a, str source, unsigned flags, parse_results *out, diag *d);
/* Parses a text that must hold exactly one statement. */
bool parse_one(arena *a, str source, unsigned flags, const ast_stmt **out, diag *d);
/* Cuts a text into the slices of its statements (error and stmt unset) without parsing them, for ${variables}. */
bool parse_split(arena *a, str source, unsigned flags, parse_results *out, diag *d);
/* Parses a text that must hold one expression and nothing behind it. */
bool parse_expr(arena *a, str source, const ast_expr **out, diag *d);
/* Parses a text that must hold one type. */
bool parse_type(arena *a, str source, const ast_type **out, diag *d);
/* Parses a column list as schemas are written: `ID` BIGINT KEY, `NAME` STRING. An empty text gives no columns. */
bool parse_columns(arena *a, str source, ast_columns *out, diag *d);

/* ---- names ------------------------------------------------------------------------------------------------- */

/* Would the text, written bare, be read as exactly this identifier? If not, it must be quoted. */
bool parse_is_bare_name(str text);
/* Is the word a keyword that cannot name anything unless it is quoted? Any case. */
bool parse_is_reserved(str word);

/* A keyword of the language. */
typedef struct parse_keyword {
    const char *word; /* upper case */
    bool reserved;
} parse_keyword;

/* All keywords in alphabetical order. */
const parse_keyword *parse_keywords(uint32_t *n);

/* ---- the prompt -------------------------------------------------------------------------------------------- */

/* How a text ends. */
typedef enum parse_state {
    PARSE_EMPTY, /* nothing but space and comments */
    PARSE_COMPLETE, /* ends with a `;`, and perhaps space and comments */
    PARSE_IN_STATEMENT, /* the last statement lacks its `;` */
    PARSE_IN_STRING, /* inside '...' */
    PARSE_IN_QUOTED_NAME, /* inside "..." or `...` */
    PARSE_IN_COMMENT, /* inside a bracketed comment */
} parse_state;

/* Tells whether the text needs more input. *at (NULL allowed): where the open statement, string or comment begins. */
parse_state parse_text_state(str source, uint32_t *at);

/* What a token is to a reader: for colours and for completion. */
typedef enum parse_class {
    PARSE_CLASS_KEYWORD,
    PARSE_CLASS_NAME,
    PARSE_CLASS_NUMBER,
    PARSE_CLASS_STRING,
    PARSE_CLASS_OPERATOR,
    PARSE_CLASS_VARIABLE, /* ${name} */
    PARSE_CLASS_COMMENT,
    PARSE_CLASS_ERROR, /* a byte that begins no token, an open string, a malformed character */
} parse_class;

/* A classified stretch of text. */
typedef struct parse_piece {
    span at;
    parse_class kind;
} parse_piece;

/* The next piece at or after *pos, space left out; moves *pos behind it. False at the end of the text. */
bool parse_next_piece(str source, uint32_t *pos, parse_piece *out);

/* Which names fit at a place; a set of bits. */
enum {
    PARSE_WANT_SOURCE = 1, /* a stream or table */
    PARSE_WANT_COLUMN = 2, /* a column, or a function */
    PARSE_WANT_TOPIC = 4,
    PARSE_WANT_QUERY = 8, /* a query id */
    PARSE_WANT_FUNCTION = 16, /* DESCRIBE FUNCTION */
    PARSE_WANT_TYPE = 32,
    PARSE_WANT_CONNECTOR = 64,
    PARSE_WANT_PROPERTY = 128, /* a name inside WITH (...) */
    PARSE_WANT_SETTING = 256, /* the string of SET, UNSET, ALTER SYSTEM */
    PARSE_WANT_VARIABLE = 512, /* UNDEFINE */
    PARSE_WANT_NEW_NAME = 1024, /* a name that the user makes up */
};

/* What may stand at the cursor. */
typedef struct parse_completion {
    span word; /* the word that the cursor is in or behind; empty when it begins a new one */
    parse_state state; /* of the text before the cursor: nothing is offered inside strings and comments */
    unsigned wants; /* PARSE_WANT_ bits */
    const char **keywords; /* upper case, alphabetical; already limited to those that begin with the word */
    uint32_t keywords_n;
    str sources[8]; /* names that FROM and JOIN of the statement mention so far, for columns */
    uint32_t sources_n;
} parse_completion;

/* Fills out what may follow source[0, cursor). Never fails: after a syntax error it offers nothing. */
void parse_complete(arena *a, str source, uint32_t cursor, parse_completion *out);

#endif
