#include "engine/func/registry.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "base/similar.h"
#include "engine/func/table.h"

static const func_name *const families[] = {
    func_family_basic, func_family_math,   func_family_trig,   func_family_string, func_family_time,
    func_family_json,  func_family_url,    func_family_encode, func_family_mask,   func_family_regex,
    func_family_array, func_family_map,    func_family_lambda, func_family_table,  agg_family_basic,
    agg_family_stats,  agg_family_collect, agg_family_offset,  agg_family_topk,
};

/* Built once and kept until the process ends: `const func *` are compared and stored everywhere. */
static struct {
    pthread_once_t once;
    arena *mem;
    map by_name;
    const func_group **list;
    int count;
} registry = {.once = PTHREAD_ONCE_INIT};

static const func *make_overload(arena *a, const func_group *g, const func_def *d)
{
    func *f = ARENA_NEW(a, func);
    f->group = g;
    func_parse_signature(a, d->signature, f);
    f->result_rule = d->rule;
    f->sees_nulls = (d->flags & FUNC_SEES_NULLS) != 0;
    f->is_volatile = (d->flags & FUNC_IS_VOLATILE) != 0;
    f->row = d->row;
    f->vector = d->vector;
    f->agg = d->agg;
    f->doc = str_z(d->doc ? d->doc : "");
    check((f->row != NULL) != (f->agg != NULL));
    return f;
}

static void add_name(const func_name *n)
{
    arena *a = registry.mem;
    func_group *g = ARENA_NEW(a, func_group);
    g->display = str_z(n->name);
    char *upper = arena_strz(a, g->display);
    for (char *p = upper; *p; p++) {
        if (*p >= 'a' && *p <= 'z') *p -= 'a' - 'A';
    }
    g->name = str_z(upper);
    g->category = n->category;
    g->kind = n->category == FUNC_CATEGORY_AGGREGATE ? FUNC_AGGREGATE
              : n->category == FUNC_CATEGORY_TABLE   ? FUNC_TABLE
                                                     : FUNC_SCALAR;
    g->doc = str_z(n->doc);
    while (n->defs[g->count].signature) g->count++;
    const func **overloads = ARENA_ARRAY(a, const func *, (size_t)g->count);
    for (int i = 0; i < g->count; i++) overloads[i] = make_overload(a, g, &n->defs[i]);
    g->overloads = overloads;
    check(map_put(&registry.by_name, g->name, g) == NULL);
}

static int by_name(const void *pa, const void *pb)
{
    const func_group *const *a = pa, *const *b = pb;
    return str_cmp((*a)->name, (*b)->name);
}

static void build(void)
{
    registry.mem = arena_new();
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        for (const func_name *n = families[i]; n->name; n++) add_name(n);
    }
    registry.list = ARENA_ARRAY(registry.mem, const func_group *, map_count(&registry.by_name));
    void *group;
    for (size_t it = 0; map_next(&registry.by_name, &it, NULL, &group);) registry.list[registry.count++] = group;
    qsort(registry.list, (size_t)registry.count, sizeof *registry.list, by_name);
}

const char *func_category_name(func_category c)
{
    static const char *const names[] = {
        [FUNC_CATEGORY_CONDITIONAL] = "CONDITIONAL",
        [FUNC_CATEGORY_MATHEMATICAL] = "MATHEMATICAL",
        [FUNC_CATEGORY_STRING] = "STRING",
        [FUNC_CATEGORY_REGEX] = "REGULAR EXPRESSION",
        [FUNC_CATEGORY_JSON] = "JSON",
        [FUNC_CATEGORY_DATE_TIME] = "DATE / TIME",
        [FUNC_CATEGORY_ARRAY] = "ARRAY",
        [FUNC_CATEGORY_MAP] = "MAP",
        [FUNC_CATEGORY_URL] = "URL",
        [FUNC_CATEGORY_OTHER] = "OTHER",
        [FUNC_CATEGORY_AGGREGATE] = "AGGREGATE",
        [FUNC_CATEGORY_TABLE] = "TABLE",
        [FUNC_CATEGORY_LAMBDA] = "LAMBDA",
        [FUNC_CATEGORY_CONVERSIONS] = "CONVERSIONS",
    };
    check((size_t)c < ARRAY_LEN(names));
    return names[c];
}

const char *func_kind_name(func_kind k)
{
    return k == FUNC_SCALAR ? "SCALAR" : k == FUNC_AGGREGATE ? "AGGREGATE" : "TABLE";
}

const func_group *func_find(str name)
{
    pthread_once(&registry.once, build);
    char upper[64];
    if (name.n >= sizeof upper) return NULL;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    return map_get(&registry.by_name, str_of(upper, name.n));
}

const func_group *const *func_list(int *count)
{
    pthread_once(&registry.once, build);
    *count = registry.count;
    return registry.list;
}

const func_group *func_get(str name, span at, diag *d)
{
    const func_group *g = func_find(name);
    if (g) return g;
    diag_at(d, at, DIAG_STATEMENT, "Can't find any functions with the name '%.*s'", STR_ARG(name));
    buf hint = {0};
    int limit = similar_begin(name).limit;
    int shown = 0;
    for (int want = 1; want <= limit; want++) {
        for (int i = 0; i < registry.count && shown < 3; i++) {
            str other = registry.list[i]->name;
            if (similar_distance(name, other, want) != want) continue;
            buf_printf(&hint, "%s%.*s", shown++ ? ", " : "Did you mean ", STR_ARG(other));
        }
    }
    if (shown) diag_hint(d, "%.*s?", STR_ARG(buf_str(&hint)));
    buf_free(&hint);
    return NULL;
}

const type *func_rule_first(arena *a, const type *const *args, int count)
{
    for (int i = 0; i < count; i++) {
        if (args[i]->kind == TYPE_DECIMAL) return args[i];
    }
    return count ? args[0] : NULL;
}
