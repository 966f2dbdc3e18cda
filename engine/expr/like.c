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

/* A constant pattern without _ and escapes: texts between %, and whether the ends are bound. */
typedef struct like_plan {
    str *parts;
    int count;
    bool from_start, to_end;
} like_plan;

/* Whether a text has bytes that may belong to a line end. */
static bool may_end_line(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n' || c == '\r' || c == 0xc2 || c == 0xe2) return true;
    }
    return false;
}

static bool plan_matches(const like_plan *p, str text)
{
    size_t from = 0, end = text.n;
    int first = 0, last = p->count;
    if (p->from_start && p->to_end && p->count == 1) return str_eq(text, p->parts[0]);
    if (p->from_start) {
        if (!str_starts(text, p->parts[0])) return false;
        from = p->parts[first++].n;
    }
    if (p->to_end) {
        str tail = p->parts[--last];
        if (end < from + tail.n || !str_ends(text, tail)) return false;
        end -= tail.n;
    }
    for (int i = first; i < last; i++) {
        ptrdiff_t at = str_find(str_of(text.p, end), p->parts[i], from);
        if (at < 0) return false;
        from = (size_t)at + p->parts[i].n;
    }
    return true;
}

static like_plan *make_plan(compiler *c, const node *pattern)
{
    str s = pattern->constant.s;
    if (!pattern->is_const || pattern->constant.null || s.n == 0 || memchr(s.p, '_', s.n) || may_end_line(s))
        return NULL;
    like_plan *p = ARENA_NEW(c->mem, like_plan);
    p->parts = ARENA_ARRAY(c->mem, str, s.n + 1);
    p->from_start = s.p[0] != '%';
    p->to_end = s.p[s.n - 1] != '%';
    for (size_t i = 0; i < s.n;) {
        size_t start = i;
        while (i < s.n && s.p[i] != '%') i++;
        if (i > start) p->parts[p->count++] = str_of(s.p + start, i - start);
        while (i < s.n && s.p[i] == '%') i++;
    }
    return p;
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
        bool match = !null && (n->data && !may_end_line(v[0].v.s[row])
                                   ? plan_matches(n->data, v[0].v.s[row])
                                   : like_matches(v[0].v.s[row], v[1].v.s[row], n->e->escape, &ok));
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
    if (!n->e->escape) n->data = make_plan(c, n->args[1]);
    return true;
}

/* ---- IN ---- */

/* The constants of a list in an open hash table of positions; NULLs never match and are left out. */
typedef struct in_set {
    value *items;
    uint32_t count;
    uint32_t *slots; /* position + 1, 0: free */
    uint32_t mask;
} in_set;

enum { FEW_ITEMS = 8 };

/* Short lists of integers and texts are compared one by one, without boxing. */
static uint32_t match_few(const in_set *set, const vec *v, sel s, uint16_t *out)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        bool found = false;
        switch (v->type->kind) {
        case TYPE_INT:
            for (uint32_t i = 0; i < set->count; i++) found |= set->items[i].i == v->i[row];
            break;
        case TYPE_BIGINT:
            for (uint32_t i = 0; i < set->count; i++) found |= set->items[i].l == v->l[row];
            break;
        default:
            for (uint32_t i = 0; i < set->count && !found; i++) found = str_eq(set->items[i].s, v->s[row]);
            break;
        }
        out[n] = (uint16_t)row;
        n += found;
    }
    return n;
}

static bool set_has(const in_set *set, const type *t, value x)
{
    for (uint32_t i = (uint32_t)value_hash(t, x) & set->mask; set->slots[i]; i = (i + 1) & set->mask) {
        if (value_eq(t, set->items[set->slots[i] - 1], x)) return true;
    }
    return false;
}

/* Rows, none of them NULL, whose value is in the set. */
static uint32_t match_constants(const in_set *set, const vec *v, sel s, uint16_t *out)
{
    type_kind kind = v->type->kind;
    bool plain = kind == TYPE_INT || kind == TYPE_BIGINT || kind == TYPE_STRING;
    if (plain && set->count <= FEW_ITEMS) return match_few(set, v, s, out);
    uint32_t n = 0;
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        out[n] = (uint16_t)row;
        n += set_has(set, v->type, vec_get(v, row));
    }
    return n;
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
    set->count = count;
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
    found = match_constants(n->data, &v.v, (sel){rest, drop_nulls(&v.v, NULL, s, rest)}, all);
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
