/*
 * sql/scope.h - which names an expression may use at one point of a plan, and where their values are found.
 *
 * A scope lists (qualifier, name) pairs over the schema of one plan step. Planning builds a new scope for each step
 * that moves columns. Read-only once built; lives in the arena of its statement.
 */
#ifndef SQL_SCOPE_H
#define SQL_SCOPE_H

#include "engine/expr.h"
#include "sql/ast.h"

/* One visible name. */
typedef struct scope_entry {
    str qualifier; /* the source's alias; empty: only the bare name */
    str name;
    const type *type;
    int column; /* position in the step's schema, or -1: a pseudo column */
    pseudo_column pseudo; /* when column is -1 */
    bool star; /* SELECT * has it */
} scope_entry;

/* Public layout, read-only. */
typedef struct scope {
    const scope_entry *entries;
    int count;
} scope;

/* Entry of qualifier.name (an empty qualifier matches any entry with that name), or NULL. */
const scope_entry *scope_find(const scope *s, str qualifier, str name);

/* The visible name nearest to an unknown one, or NULL. */
const scope_entry *scope_similar(const scope *s, str qualifier, str name);

/* A node that reads the entry. */
expr *scope_read(arena *a, const scope_entry *e, span at);

/* Name and type of the pseudo columns; NULL when the name is none. Window bounds are included. */
const type *pseudo_type(str name, pseudo_column *out);
bool pseudo_is_window_bound(str name);
const char *pseudo_name(pseudo_column p);

#endif
