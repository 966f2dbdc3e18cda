#include "repl/split.h"

#include <ctype.h>

/* The end of what opens at text[i]: a quoted piece or comment. Returns text.n + 1 when it does not end. */
static size_t skip_piece(str text, size_t i, split_state *state)
{
    char open = text.p[i];
    if (open == '-') {
        ptrdiff_t eol = str_find(text, STR("\n"), i);
        return eol < 0 ? text.n : (size_t)eol + 1;
    }
    if (open == '/') {
        ptrdiff_t end = str_find(text, STR("*/"), i + 2);
        *state = SPLIT_COMMENT;
        return end < 0 ? text.n + 1 : (size_t)end + 2;
    }
    *state = open == '\'' ? SPLIT_STRING : SPLIT_NAME;
    for (size_t k = i + 1; k < text.n; k++) {
        if (text.p[k] == open) return k + 1; /* a doubled quote opens the next piece: the same in the end */
    }
    return text.n + 1;
}

static bool is_comment(str text, size_t i)
{
    return i + 1 < text.n && ((text.p[i] == '-' && text.p[i + 1] == '-') || (text.p[i] == '/' && text.p[i + 1] == '*'));
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"' || c == '`';
}

bool split_next(str text, str *statement, size_t *used, split_state *state)
{
    size_t i = 0, start = text.n;
    *state = SPLIT_EMPTY;
    while (i < text.n) {
        split_state open = SPLIT_EMPTY;
        if (is_comment(text, i) || is_quote(text.p[i])) {
            if (start == text.n && is_quote(text.p[i])) start = i;
            i = skip_piece(text, i, &open);
            if (i <= text.n) continue;
            *state = open;
            return false;
        }
        if (text.p[i] == ';') {
            if (start == text.n) { /* an empty statement */
                i++;
                continue;
            }
            *statement = str_of(text.p + start, i + 1 - start);
            *used = i + 1;
            return true;
        }
        if (start == text.n && !isspace((unsigned char)text.p[i])) start = i;
        i++;
    }
    if (start < text.n) *state = SPLIT_STATEMENT;
    return false;
}

/* The word that begins at or after *i. */
static str next_word(str text, size_t *i)
{
    split_state state;
    while (*i < text.n) {
        char c = text.p[*i];
        if (is_comment(text, *i)) {
            *i = skip_piece(text, *i, &state);
            if (*i > text.n) *i = text.n;
        } else if (isspace((unsigned char)c)) {
            (*i)++;
        } else {
            break;
        }
    }
    size_t start = *i;
    if (start >= text.n) return (str){0};
    if (is_quote(text.p[start])) {
        size_t end = start;
        do { /* doubled quotes belong to the word */
            end = skip_piece(text, end, &state);
        } while (end < text.n && text.p[end] == text.p[start]);
        *i = end > text.n ? text.n : end;
    } else if (isalnum((unsigned char)text.p[start]) || text.p[start] == '_') {
        while (*i < text.n && (isalnum((unsigned char)text.p[*i]) || strchr("_@$.-", text.p[*i]) != NULL) &&
               text.p[*i] != 0 && !is_comment(text, *i)) {
            (*i)++;
        }
    } else {
        (*i)++;
    }
    return str_of(text.p + start, *i - start);
}

str split_word(str statement, int index)
{
    size_t i = 0;
    str word = next_word(statement, &i);
    while (index-- > 0 && word.n > 0) word = next_word(statement, &i);
    return word;
}

bool split_begins(str statement, const char *words)
{
    size_t i = 0;
    while (*words) {
        size_t n = strcspn(words, " ");
        if (!str_ieq(next_word(statement, &i), str_of(words, n))) return false;
        words += n;
        while (*words == ' ') words++;
    }
    return true;
}

int split_unquote(str word, char *out, size_t cap)
{
    if (word.n < 2 || word.p[0] != '\'' || word.p[word.n - 1] != '\'') return -1;
    size_t n = 0;
    for (size_t i = 1; i + 1 < word.n; i++) {
        if (word.p[i] == '\'' && i + 2 < word.n && word.p[i + 1] == '\'') i++;
        if (n + 1 >= cap) return -1;
        out[n++] = word.p[i];
    }
    out[n] = 0;
    return (int)n;
}
