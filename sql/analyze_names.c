/* Names that KSQL makes up, as its ColumnNames class does. */
#include "base/check.h"
#include "sql/analyze.h"

/* A number that is taken. */
typedef struct taken_number {
    struct taken_number *rest;
    int number;
} taken_number;

struct name_stem {
    struct name_stem *next_stem;
    str stem;
    bool counts_zero; /* "_0" is written */
    int next;
    taken_number *used;
};

typedef struct name_stem name_stem;

/* Cuts "NAME_12" into NAME and 12; a name without a number has 0. */
static str split_number(str name, int *number)
{
    size_t digits = 0;
    while (digits < name.n && name.p[name.n - 1 - digits] >= '0' && name.p[name.n - 1 - digits] <= '9') digits++;
    int64_t n = 0;
    *number = 0;
    if (digits == 0 || digits >= name.n || name.p[name.n - 1 - digits] != '_') return name;
    if (!str_to_i64(str_of(name.p + name.n - digits, digits), &n) || n > INT32_MAX) return name;
    *number = (int)n;
    return str_of(name.p, name.n - digits - 1);
}

static name_stem *find_stem(name_maker *m, str stem)
{
    for (name_stem *s = m->stems; s; s = s->next_stem) {
        if (str_eq(s->stem, stem)) return s;
    }
    name_stem *s = ARENA_NEW(m->a, name_stem);
    s->stem = arena_str(m->a, stem);
    s->counts_zero = str_eqz(stem, "KSQL_COL");
    s->next_stem = m->stems;
    m->stems = s;
    return s;
}

void name_maker_avoid(name_maker *m, const schema *s)
{
    for (int i = 0; i < s->count; i++) {
        int number;
        name_stem *stem = find_stem(m, split_number(s->columns[i].name, &number));
        taken_number *taken = ARENA_NEW(m->a, taken_number);
        *taken = (taken_number){stem->used, number};
        stem->used = taken;
    }
}

static str make_name(name_maker *m, name_stem *s)
{
    bool taken;
    int n;
    do {
        n = s->next++;
        taken = false;
        for (const taken_number *u = s->used; u && !taken; u = u->rest) taken = u->number == n;
    } while (taken);
    if (n == 0 && !s->counts_zero) return s->stem;
    return arena_printf(m->a, "%.*s_%d", STR_ARG(s->stem), n);
}

str name_maker_next(name_maker *m)
{
    return make_name(m, find_stem(m, STR("KSQL_COL")));
}

str name_maker_for(name_maker *m, const ast_expr *e)
{
    if (e->kind != AST_EXPR_FIELD) return name_maker_next(m);
    int number;
    return make_name(m, find_stem(m, split_number(e->u.field.name.text, &number)));
}

str name_maker_rowkey(name_maker *m)
{
    return make_name(m, find_stem(m, STR("ROWKEY")));
}
