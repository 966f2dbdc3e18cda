/*
 * LIKE and IN. The pattern is matched directly: % is any run of characters, _ one, and neither crosses a line end, as
 * in the regular expression that ksqlDB makes of the pattern.
 */
#include "base/hash.h"
#include "base/utf8.h"
#include "engine/expr/node.h"

/* What `.` of java.util.regex does not match. */
static bool is_line_end(uint32_t c)
{
    return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* One step of a pattern: a literal character, or a wildcard. */
typedef struct step {
    enum { STEP_END, STEP_CHAR, STEP_ONE, STEP_ANY } kind;
    uint32_t c;
    const char *next;
} step;

static step pattern_step(const char *p, const char *end, uint32_t escape)
{
    if (p >= end) return (step){STEP_END, 0, p};
    uint32_t c = utf8_next(&p, end);
    if (escape && c == escape) {
        if (p >= end) return (step){STEP_END, 0, p};
        c = utf8_next(&p, end);
        return (step){STEP_CHAR, c, p};
    }
    if (c == '%') return (step){STEP_ANY, 0, p};
    if (c == '_') return (step){STEP_ONE, 0, p};
    return (step){STEP_CHAR, c, p};
}

static bool ends_with_escape(str pattern, uint32_t escape)
{
    const char *p = pattern.p, *end = p + pattern.n;
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (c != escape) continue;
        if (p >= end) return true;
        utf8_next(&p, end);
    }
    return false;
}

bool like_matches(str text, str pattern, uint32_t escape, bool *ok)
{
    *ok = !escape || !ends_with_escape(pattern, escape);
    if (!*ok) return false;
    const char *t = text.p, *t_end = t + text.n, *p = pattern.p, *p_end = p + pattern.n;
    const char *star_p = NULL, *star_t = NULL; /* where to go on when the rest does not fit */
    for (;;) {
        step s = pattern_step(p, p_end, escape);
        if (s.kind == STEP_ANY) {
            star_p = p = s.next;
            star_t = t;
            continue;
        }
        if (s.kind == STEP_END && t == t_end) return true;
        if (s.kind != STEP_END && t < t_end) {
            const char *next = t;
            uint32_t c = utf8_next(&next, t_end);
            if (s.kind == STEP_ONE ? !is_line_end(c) : c == s.c) {
                t = next;
                p = s.next;
                continue;
            }
        }
        /* The last % takes one character more. Earlier ones need not: the shortest fit leaves most to those behind. */
        if (!star_p || star_t >= t_end) return false;
        if (is_line_end(utf8_next(&star_t, t_end))) return false;
        t = star_t;
        p = star_p;
    }
}

static uint32_t filter_like(run *r, const node *n, sel s, uint16_t *out)
{
    reg v[2];
    uint32_t before = r->failures, count = 0;
    uint16_t *room = sel_take(r);
    for (int i = 0; i < 2; i++) {
        eval(r, n->args[i], s, &v[i]);
        s = live_rows(r, s, before, room);
    }
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        bool null = vec_is_null(&v[0].v, row) || vec_is_null(&v[1].v, row), ok = true;
        /* NULL LIKE x is false, and so NOT LIKE is true. */
        bool match = !null && like_matches(v[0].v.s[row], v[1].v.s[row], n->e->escape, &ok);
        if (!ok) {
            fail_row(r, row, STR("LIKE pattern must not end with escape character"));
            continue;
        }
        out[count] = (uint16_t)row;
        count += match != n->e->negated;
    }
    reg_give(r, &v[0]);
    reg_give(r, &v[1]);
    sel_give(r, room);
    return count;
}

bool compile_like(compiler *c, node *n)
{
    n->filter = filter_like;
    return true;
}

/* ---- IN ---- */

/* The constants of a list in an open hash table of positions; NULLs never match and are left out. */
typedef struct in_set {
    value *items;
    uint32_t *slots; /* position + 1, 0: free */
    uint32_t mask;
} in_set;

static bool set_has(const in_set *set, const type *t, value x)
{
    for (uint32_t i = (uint32_t)value_hash(t, x) & set->mask; set->slots[i]; i = (i + 1) & set->mask) {
        if (value_eq(t, set->items[set->slots[i] - 1], x)) return true;
    }
    return false;
}

static in_set *make_set(compiler *c, const node *n)
{
    in_set *set = ARENA_NEW(c->mem, in_set);
    uint32_t size = 4;
    while (size < (uint32_t)n->arg_count * 2) size *= 2;
    set->mask = size - 1;
    set->slots = ARENA_ARRAY(c->mem, uint32_t, size);
    set->items = ARENA_ARRAY(c->mem, value, (size_t)n->arg_count);
    uint32_t count = 0;
    const type *t = n->args[0]->type;
    for (int i = 1; i < n->arg_count; i++) {
        if (!n->args[i]->is_const || n->args[i]->constant.null) continue;
        value x = n->args[i]->constant;
        set->items[count++] = x;
        uint32_t at = (uint32_t)value_hash(t, x) & set->mask;
        while (set->slots[at]) at = (at + 1) & set->mask;
        set->slots[at] = count;
    }
    return set;
}

/* Rows that match the constants, then, for each other element, those of the rest that match it. */
static uint32_t filter_in(run *r, const node *n, sel s, uint16_t *out)
{
    reg v, item;
    uint32_t before = r->failures, count = 0, found = 0;
    uint16_t *room = sel_take(r), *rest = sel_take(r), *hits = sel_take(r), *all = sel_take(r);
    const type *t = n->args[0]->type;
    eval(r, n->args[0], s, &v);
    s = live_rows(r, s, before, room);
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        if (!vec_is_null(&v.v, row) && set_has(n->data, t, vec_get(&v.v, row))) all[found++] = (uint16_t)row;
    }
    for (int i = 1; i < n->arg_count; i++) {
        if (n->args[i]->is_const) continue;
        /* Arguments of the method call that ksqlDB makes are all evaluated, whatever matched before. */
        eval(r, n->args[i], s, &item);
        s = live_rows(r, s, before, room);
        uint32_t rest_n = sel_minus(s, all, found, rest), hit_n = 0;
        for (uint32_t k = 0; k < rest_n; k++) {
            uint32_t row = rest[k];
            if (vec_is_null(&v.v, row) || vec_is_null(&item.v, row)) continue;
            if (value_eq(t, vec_get(&v.v, row), vec_get(&item.v, row))) hits[hit_n++] = (uint16_t)row;
        }
        reg_give(r, &item);
        count = sel_merge(all, found, hits, hit_n, rest);
        memcpy(all, rest, sizeof *all * count);
        found = count;
    }
    /* A row that failed in a later element is in nobody's list any more. */
    found = live_rows(r, (sel){all, found}, before, all).n;
    if (n->e->negated) {
        count = sel_minus(s, all, found, out);
    } else {
        memcpy(out, all, sizeof *out * found);
        count = found;
    }
    reg_give(r, &v);
    sel_give(r, room);
    sel_give(r, rest);
    sel_give(r, hits);
    sel_give(r, all);
    return count;
}

bool compile_in(compiler *c, node *n)
{
    n->data = make_set(c, n);
    n->filter = filter_in;
    return true;
}
