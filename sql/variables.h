/*
 * sql/variables.h - a session's variables, and ${name} in the text of a statement.
 *
 * A `variables` belongs to one session and to one thread at a time; names compare without case, names and values are
 * copied. Substitution works on one statement at a time (parse_split), before it is parsed, so that a DEFINE is seen by
 * the statements behind it. It knows where in the statement a ${name} stands, and lets no value say more than that
 * place allows: one identifier, one literal, or text inside a string. A name that is not defined stays as it is, and
 * the parser then reports it.
 */
#ifndef SQL_VARIABLES_H
#define SQL_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"

/* Public layout so that a session embeds it; {0} is a valid empty set. */
typedef struct variables {
    map by_name;
} variables;

/* Frees all names and values. */
void variables_free(variables *v);
/* Defines or replaces. The parser has checked the name. */
void variables_define(variables *v, str name, str value);
/* False when there was no such variable. */
bool variables_undefine(variables *v, str name);
/* The value, borrowed until the variable changes; false when it is not defined. */
bool variables_get(const variables *v, str name, str *value);
/* All of them in the order of definition: `for (size_t it = 0; variables_next(v, &it, &name, &value);)`. */
bool variables_next(const variables *v, size_t *it, str *name, str *value);

/*
 * Replaces every ${name} of one statement. *out is the statement itself when it holds none, else lives in the arena.
 * False, with the diag in terms of `statement`, when a value does not fit its place ("Illegal argument ...") or the
 * statement does not parse. Inside strings $${ stands for ${ itself.
 */
bool variables_substitute(const variables *v, arena *a, str statement, unsigned flags, str *out, diag *d);

#endif
