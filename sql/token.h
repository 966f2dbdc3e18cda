/*
 * sql/token.h - tokens: the lexer's interface and the pass that settles which keywords are names.
 *
 * Internal to sql/ and grammar/. Thread-neutral. Tokens are offsets into the source text and own nothing.
 */
#ifndef SQL_TOKEN_H
#define SQL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

/* clang-format off */
/* The keywords: X(word, token, reserved). A word that is not reserved may be a name where the grammar allows one. */
#define TOKEN_KEYWORDS(X) \
    X(ADD, ADD, 0) X(ADVANCE, ADVANCE, 1) X(ALL, ALL, 1) X(ALTER, ALTER, 0) X(ANALYZE, ANALYZE, 0) X(AND, AND, 1) \
    X(ARRAY, ARRAY, 0) X(AS, AS, 1) X(ASSERT, ASSERT, 0) X(AT, AT, 1) X(BEGINNING, BEGINNING, 1) \
    X(BETWEEN, BETWEEN, 1) X(BY, BY, 1) X(CASE, CASE, 1) X(CAST, CAST, 1) X(CATALOG, CATALOG, 1) \
    X(CHANGES, CHANGES, 0) X(COLUMN, COLUMN, 0) X(COLUMNS, COLUMNS, 0) X(CONNECTOR, CONNECTOR, 1) \
    X(CONNECTORS, CONNECTORS, 1) X(CREATE, CREATE, 1) X(DATE, DATE, 0) X(DAY, DAY, 0) X(DAYS, DAYS, 1) \
    X(DECIMAL, DECIMAL, 1) X(DEFINE, DEFINE, 0) X(DELETE, DELETE, 1) X(DESCRIBE, DESCRIBE, 1) \
    X(DISTINCT, DISTINCT, 1) X(DROP, DROP, 1) X(ELSE, ELSE, 1) X(EMIT, EMIT, 0) X(END, END, 1) X(ESCAPE, ESCAPE, 0) \
    X(EXISTS, EXISTS, 1) X(EXPLAIN, EXPLAIN, 0) X(EXPORT, EXPORT, 1) X(EXTENDED, EXTENDED, 1) X(FALSE, FALSE, 1) \
    X(FINAL, FINAL, 0) X(FROM, FROM, 1) X(FULL, FULL, 1) X(FUNCTION, FUNCTION, 0) X(FUNCTIONS, FUNCTIONS, 0) \
    X(GRACE, GRACE, 0) X(GROUP, GROUP, 1) X(HAVING, HAVING, 1) X(HEADER, HEADER, 0) X(HEADERS, HEADERS, 0) \
    X(HOPPING, HOPPING, 1) X(HOUR, HOUR, 0) X(HOURS, HOURS, 1) X(ID, ID, 0) X(IF, IF, 0) X(IN, IN, 1) \
    X(INNER, INNER, 1) X(INSERT, INSERT, 1) X(INTEGER, INTEGER, 0) X(INTERVAL, INTERVAL, 0) X(INTO, INTO, 1) \
    X(IS, IS, 1) X(JOIN, JOIN, 1) X(KEY, KEY, 0) X(LEFT, LEFT, 1) X(LIKE, LIKE, 1) X(LIMIT, LIMIT, 1) \
    X(LIST, LIST, 1) X(LOAD, LOAD, 1) X(MAP, MAP, 0) X(MATERIALIZED, MATERIALIZED, 1) X(MILLISECOND, MILLISECOND, 1) \
    X(MILLISECONDS, MILLISECONDS, 1) X(MINUTE, MINUTE, 0) X(MINUTES, MINUTES, 1) X(MONTH, MONTH, 0) \
    X(MONTHS, MONTHS, 1) X(NAMESPACE, NAMESPACE, 1) X(NOT, NOT, 1) X(NULL, NULL, 1) X(ON, ON, 1) X(OR, OR, 1) \
    X(OUTER, OUTER, 1) X(PARTITION, PARTITION, 0) X(PARTITIONS, PARTITIONS, 0) X(PAUSE, PAUSE, 1) \
    X(PERIOD, PERIOD, 0) X(PLUGINS, PLUGINS, 0) X(PRIMARY, PRIMARY, 0) X(PRINT, PRINT, 1) \
    X(PROPERTIES, PROPERTIES, 1) X(QUERIES, QUERIES, 1) X(QUERY, QUERY, 1) X(RENAME, RENAME, 1) \
    X(REPLACE, REPLACE, 0) X(RESET, RESET, 0) X(RESUME, RESUME, 1) X(RETENTION, RETENTION, 1) X(RIGHT, RIGHT, 1) \
    X(RUN, RUN, 1) X(SAMPLE, SAMPLE, 1) X(SCHEMA, SCHEMA, 0) X(SCRIPT, SCRIPT, 1) X(SECOND, SECOND, 0) \
    X(SECONDS, SECONDS, 1) X(SELECT, SELECT, 1) X(SESSION, SESSION, 0) X(SET, SET, 0) X(SHOW, SHOW, 0) \
    X(SINK, SINK, 0) X(SIZE, SIZE, 1) X(SOURCE, SOURCE, 0) X(STREAM, STREAM, 1) X(STREAMS, STREAMS, 1) \
    X(STRING, STRING_WORD, 0) X(STRUCT, STRUCT, 0) X(SUBJECT, SUBJECT, 0) X(SYSTEM, SYSTEM, 0) X(TABLE, TABLE, 1) \
    X(TABLES, TABLES, 0) X(TERMINATE, TERMINATE, 1) X(THEN, THEN, 1) X(TIME, TIME, 0) X(TIMEOUT, TIMEOUT, 0) \
    X(TIMESTAMP, TIMESTAMP, 0) X(TO, TO, 1) X(TOPIC, TOPIC, 1) X(TOPICS, TOPICS, 1) X(TRUE, TRUE, 1) \
    X(TUMBLING, TUMBLING, 1) X(TYPE, TYPE, 0) X(TYPES, TYPES, 0) X(UNDEFINE, UNDEFINE, 0) X(UNSET, UNSET, 1) \
    X(VALUES, VALUES, 1) X(VARIABLES, VARIABLES, 0) X(VIEW, VIEW, 1) X(WHEN, WHEN, 1) X(WHERE, WHERE, 1) \
    X(WINDOW, WINDOW, 1) X(WITH, WITH, 1) X(WITHIN, WITHIN, 1) X(YEAR, YEAR, 0) X(YEARS, YEARS, 1) X(ZONE, ZONE, 0)
/* clang-format on */

/* Kinds beside those of the grammar (TK_*, gen/parser.h). */
enum {
    TOKEN_END = 0, /* lemon's end of input */
    TOKEN_SPACE = 1000,
    TOKEN_COMMENT,
    TOKEN_OPEN_COMMENT, /* a bracketed comment without its end */
    TOKEN_OPEN_STRING, /* '... */
    TOKEN_OPEN_NAME, /* "... or `... */
    TOKEN_UNKNOWN, /* a byte that begins no token */
};

/* One token. A minus sign that belongs to a number literal is part of it. */
typedef struct token {
    uint16_t kind;
    bool negative;
    uint32_t start;
    uint32_t end;
    uint32_t digits; /* where the digits of a negative number begin */
} token;

/* The tokens of one statement, without comments; the last is TOKEN_END. */
typedef struct tokens {
    token *items;
    uint32_t n, cap;
} tokens;

/* The token at or after *pos, space skipped, comments not; moves *pos behind it and returns its kind. */
int token_next(str source, uint32_t *pos, token *out);

/*
 * Reads the tokens of one statement, from *pos through its `;` (or the end of the text), into *out, whose memory is in
 * the arena and is reused. On a lexical error (an open string, an unknown byte, too many tokens) returns false with the
 * diag set, and *pos is where the next statement begins.
 */
bool token_statement(arena *a, str source, uint32_t *pos, tokens *out, diag *d);

/* Puts a `;` before the end when there is none. */
void token_close(arena *a, tokens *t);
/* Folds signs into numbers and turns keywords into names where only a name is meant: see the cases there. */
void token_settle(tokens *t);

/* The text of a token. */
static inline str token_text(str source, token t)
{
    return (str){source.p + t.start, t.end - t.start};
}

static inline span token_span(token t)
{
    return (span){t.start, t.end};
}

/* May the token be a name: an identifier, a keyword that is not reserved? */
bool token_is_name(int kind);
/* Is it a keyword, reserved or not? */
bool token_is_keyword(int kind);
/* What a message calls it: "SELECT", "','", "identifier", "string". */
const char *token_kind_name(int kind);

#endif
