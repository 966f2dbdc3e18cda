/*
 * repl/split.h - cutting typed text into statements, as far as the prompt must: where does a statement end?
 *
 * Knows strings, quoted names, both kinds of comment and the semicolon; the server knows the language. Pure.
 */
#ifndef REPL_SPLIT_H
#define REPL_SPLIT_H

#include "base/str.h"

/* What a text ends in. */
typedef enum split_state {
    SPLIT_EMPTY, /* nothing, or only space and comments */
    SPLIT_STATEMENT, /* a statement without its semicolon */
    SPLIT_STRING, /* an open '...' */
    SPLIT_NAME, /* an open `...` or "..." */
    SPLIT_COMMENT, /* an open bracketed comment */
} split_state;

/*
 * The first statement of text, semicolon included and without space and comments before it, in *statement; *used is
 * where the next begins. False when no statement ends in text: *state then says what is open.
 */
bool split_next(str text, str *statement, size_t *used, split_state *state);

/* The statement's i-th word (0 is the first): keywords, names and strings with their quotes. Empty past the last. */
str split_word(str statement, int i);

/* True when the statement's first words are those given (space separated, any case). */
bool split_begins(str statement, const char *words);

/* Takes the quotes off '...' (inner '' become '), into out of at most cap bytes; returns the length or -1. */
int split_unquote(str word, char *out, size_t cap);

#endif
