#include "sql/scope.h"

#include "base/check.h"
#include "base/similar.h"
#include "sql/catalog.h"

static const struct {
    const char *name;
    type_kind kind;
} pseudos[] = {
    [PSEUDO_ROWTIME] = {"ROWTIME", TYPE_BIGINT},     [PSEUDO_ROWPARTITION] = {"ROWPARTITION", TYPE_INT},
    [PSEUDO_ROWOFFSET] = {"ROWOFFSET", TYPE_BIGINT}, [PSEUDO_WINDOWSTART] = {"WINDOWSTART", TYPE_BIGINT},
    [PSEUDO_WINDOWEND] = {"WINDOWEND", TYPE_BIGINT},
};

const type *pseudo_type(str name, pseudo_column *out)
{
    for (size_t i = 0; i < ARRAY_LEN(pseudos); i++) {
        if (!str_eqz(name, pseudos[i].name)) continue;
        if (out) *out = (pseudo_column)i;
        return type_simple(pseudos[i].kind);
    }
    return NULL;
}

bool pseudo_is_window_bound(str name)
{
    pseudo_column p;
    return pseudo_type(name, &p) && (p == PSEUDO_WINDOWSTART || p == PSEUDO_WINDOWEND);
}

const char *pseudo_name(pseudo_column p)
{
    check((size_t)p < ARRAY_LEN(pseudos));
    return pseudos[p].name;
}

const scope_entry *scope_find(const scope *s, str qualifier, str name)
{
    for (int i = 0; i < s->count; i++) {
        const scope_entry *e = &s->entries[i];
        if (str_eq(e->name, name) && (qualifier.n == 0 || str_eq(e->qualifier, qualifier))) return e;
    }
    return NULL;
}

const scope_entry *scope_similar(const scope *s, str qualifier, str name)
{
    const scope_entry *best = NULL;
    similar guess = similar_begin(name);
    for (int i = 0; i < s->count; i++) {
        const scope_entry *e = &s->entries[i];
        if (qualifier.n && !str_eq(e->qualifier, qualifier)) continue;
        if (similar_try(&guess, e->name)) best = e;
    }
    return best;
}

expr *scope_read(arena *a, const scope_entry *e, span at)
{
    expr *n = ARENA_NEW(a, expr);
    n->at = at;
    n->type = e->type;
    if (e->column >= 0) {
        n->kind = EXPR_COLUMN;
        n->column = e->column;
    } else {
        n->kind = EXPR_PSEUDO;
        n->pseudo = e->pseudo;
    }
    return n;
}
