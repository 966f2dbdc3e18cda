/* Regular expressions in the dialect of java.util.regex. */
#include "base/regex.h"
#include "base/utf8.h"
#include "engine/func/table.h"

enum { SLOT_REGEX, SLOT_MATCH };

static void release_regex(void *object)
{
    regex_free(object);
}

static void release_match(void *object)
{
    regex_match_free(object);
}

/* The compiled pattern and the match memory of the call site. */
static const regex *regex_of(func_call *c, str pattern, regex_match **m)
{
    regex *r = func_recall(c, SLOT_REGEX, pattern);
    *m = func_recall(c, SLOT_MATCH, STR("match"));
    if (!*m) *m = func_remember(c, SLOT_MATCH, STR("match"), regex_match_new(), release_match);
    if (r) return r;
    diag d = {0};
    r = regex_compile(pattern, &d);
    if (!r) {
        func_fail(c, "Invalid regular expression pattern: %.*s (%.200s)", (int)(pattern.n > 200 ? 200 : pattern.n),
                  pattern.p, d.text);
        return NULL;
    }
    return func_remember(c, SLOT_REGEX, pattern, r, release_regex);
}

/* A list of texts that grows in the call's memory. */
typedef struct items {
    value *p;
    uint32_t n, cap;
} items;

static void add_item(func_call *c, items *l, value v)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 8;
        value *p = ARENA_ARRAY(c->mem, value, cap);
        if (l->n) memcpy(p, l->p, sizeof *p * l->n);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = v;
}

static value group_value(const regex_match *m, int group)
{
    str s;
    return regex_group(m, group, &s) ? (value){.s = s} : value_null();
}

/* Whether the group exists: too large ones give NULL, negative ones fail at the first match. */
static bool known_group(func_call *c, int32_t group)
{
    return group >= 0 || func_fail(c, "No group %d", group);
}

static bool fn_extract(func_call *c, const value *args, int count, value *out)
{
    regex_match *m;
    const regex *r = regex_of(c, args[0].s, &m);
    if (!r) return false;
    int32_t group = count == 3 ? args[2].i : 0;
    if (group > regex_groups(r)) return true;
    str subject = utf8_repair(c->mem, args[1].s);
    diag d = {0};
    switch (regex_find(r, m, subject, 0, &d)) {
    case REGEX_FAILED: return func_fail_diag(c, &d);
    case REGEX_NONE: return true;
    case REGEX_FOUND: break;
    }
    if (!known_group(c, group)) return false;
    *out = group_value(m, group);
    return true;
}

static bool fn_extract_all(func_call *c, const value *args, int count, value *out)
{
    regex_match *m;
    const regex *r = regex_of(c, args[0].s, &m);
    if (!r) return false;
    int32_t group = count == 3 ? args[2].i : 0;
    if (group > regex_groups(r)) return true;
    str subject = utf8_repair(c->mem, args[1].s);
    items l = {0};
    for (size_t from = 0; from <= subject.n; from = regex_next(m, subject)) {
        diag d = {0};
        regex_result found = regex_find(r, m, subject, from, &d);
        if (found == REGEX_FAILED) return func_fail_diag(c, &d);
        if (found == REGEX_NONE) break;
        if (!known_group(c, group)) return false;
        add_item(c, &l, group_value(m, group));
    }
    return func_items(c, out, l.p, l.n);
}

static bool fn_replace(func_call *c, const value *args, int count, value *out)
{
    regex_match *m;
    const regex *r = regex_of(c, args[1].s, &m);
    if (!r) return false;
    diag d = {0};
    buf b = {0};
    bool ok = regex_replace_all(r, m, utf8_repair(c->mem, args[0].s), args[2].s, &b, &d);
    if (ok) func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return ok || func_fail_diag(c, &d);
}

/*
 * The pieces between matches. A pattern that matches the empty text splits as Pattern.split does: no empty piece in
 * front of an empty match at the start, none at the end. Any other keeps all pieces (Guava's Splitter).
 */
static bool fn_split(func_call *c, const value *args, int count, value *out)
{
    regex_match *m;
    const regex *r = regex_of(c, args[1].s, &m);
    if (!r) return false;
    diag d = {0};
    regex_result empty = regex_matches(r, m, STR(""), &d);
    if (empty == REGEX_FAILED) return func_fail_diag(c, &d);
    str subject = utf8_repair(c->mem, args[0].s);
    items l = {0};
    size_t piece = 0;
    for (size_t from = 0; from <= subject.n; from = regex_next(m, subject)) {
        regex_result found = regex_find(r, m, subject, from, &d);
        if (found == REGEX_FAILED) return func_fail_diag(c, &d);
        if (found == REGEX_NONE) break;
        size_t start, end;
        regex_span(m, &start, &end);
        if (empty == REGEX_FOUND && start == end && (start == 0 || start == subject.n)) continue;
        add_item(c, &l, (value){.s = str_of(subject.p + piece, start - piece)});
        piece = end;
    }
    add_item(c, &l, (value){.s = str_of(subject.p + piece, subject.n - piece)});
    while (empty == REGEX_FOUND && l.n > 1 && l.p[l.n - 1].s.n == 0) l.n--;
    return func_items(c, out, l.p, l.n);
}

static const func_def def_extract[] = {
    FUNC("(pattern STRING, input STRING) STRING", fn_extract),
    FUNC("(pattern STRING, input STRING, group INT) STRING", fn_extract),
    {0},
};
static const func_def def_extract_all[] = {
    FUNC("(pattern STRING, input STRING) ARRAY<STRING>", fn_extract_all),
    FUNC("(pattern STRING, input STRING, group INT) ARRAY<STRING>", fn_extract_all),
    {0},
};
static const func_def def_replace[] = {FUNC("(str STRING, regexp STRING, newStr STRING) STRING", fn_replace), {0}};
static const func_def def_split[] = {FUNC("(string STRING, regexp STRING) ARRAY<STRING>", fn_split), {0}};

const func_name func_family_regex[] = {
    {"regexp_extract", FUNC_CATEGORY_REGEX, "The first match of a regular expression, or a group of it.", def_extract},
    {"regexp_extract_all", FUNC_CATEGORY_REGEX, "All matches of a regular expression, or a group of each.",
     def_extract_all},
    {"regexp_replace", FUNC_CATEGORY_REGEX, "The text with all matches replaced; $1 stands for a group.", def_replace},
    {"regexp_split_to_array", FUNC_CATEGORY_REGEX, "The pieces between the matches of a regular expression.",
     def_split},
    {0},
};
