#include "sql/catalog.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/similar.h"

static void *take_memory(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    check(p != NULL);
    return p;
}

static int add_ref(const atomic_int *refs)
{
    return atomic_fetch_add_explicit((atomic_int *)(uintptr_t)refs, 1, memory_order_relaxed);
}

/* True when that was the last reference. */
static bool drop_ref(const atomic_int *refs)
{
    int before = atomic_fetch_sub_explicit((atomic_int *)(uintptr_t)refs, 1, memory_order_acq_rel);
    check(before > 0);
    return before == 1;
}

/* ---- things ----------------------------------------------------------------------------------------------- */

source *source_new(void)
{
    arena *a = arena_new();
    source *s = ARENA_NEW(a, source);
    s->mem = a;
    s->key_format.schema_id = s->value_format.schema_id = -1;
    atomic_init(&s->refs, 1);
    return s;
}

void source_unref(const source *s)
{
    if (s && drop_ref(&s->refs)) arena_free(s->mem);
}

static const str *copy_names(arena *a, const str *names, int count)
{
    str *out = ARENA_ARRAY(a, str, (size_t)count);
    for (int i = 0; i < count; i++) out[i] = arena_str(a, names[i]);
    return out;
}

source *source_copy(const source *s)
{
    source *n = source_new();
    arena *a = n->mem;
    n->name = arena_str(a, s->name);
    n->schema = schema_copy(a, s->schema);
    n->topic = arena_str(a, s->topic);
    n->key_format = s->key_format;
    n->key_format.full_name = arena_str(a, s->key_format.full_name);
    n->value_format = s->value_format;
    n->value_format.full_name = arena_str(a, s->value_format.full_name);
    n->timestamp_column = arena_str(a, s->timestamp_column);
    n->timestamp_format = arena_str(a, s->timestamp_format);
    n->final = s->final;
    n->read_only = s->read_only;
    n->created_as = s->created_as;
    n->wrapped_given = s->wrapped_given;
    n->statement = arena_str(a, s->statement);
    n->query_id = arena_str(a, s->query_id);
    n->parents = copy_names(a, s->parents, s->parent_count);
    n->parent_count = s->parent_count;
    return n;
}

named_type *named_type_new(void)
{
    arena *a = arena_new();
    named_type *t = ARENA_NEW(a, named_type);
    t->mem = a;
    atomic_init(&t->refs, 1);
    return t;
}

static void named_type_unref(const named_type *t)
{
    if (drop_ref(&t->refs)) arena_free(t->mem);
}

catalog_query *catalog_query_new(void)
{
    arena *a = arena_new();
    catalog_query *q = ARENA_NEW(a, catalog_query);
    q->mem = a;
    atomic_init(&q->refs, 1);
    return q;
}

void catalog_query_unref(const catalog_query *q)
{
    if (q && drop_ref(&q->refs)) arena_free(q->mem);
}

const catalog_query *catalog_query_ref(const catalog_query *q)
{
    add_ref(&q->refs);
    return q;
}

static void unref_shared_query(void *q)
{
    catalog_query_unref(q);
}

catalog_query *catalog_query_copy(const catalog_query *q)
{
    catalog_query *n = catalog_query_new();
    arena *a = n->mem;
    n->id = arena_str(a, q->id);
    n->kind = q->kind;
    n->statement = arena_str(a, q->statement);
    n->sink = arena_str(a, q->sink);
    n->sink_topic = arena_str(a, q->sink_topic);
    n->sources = copy_names(a, q->sources, q->source_count);
    n->source_count = q->source_count;
    n->paused = q->paused;
    n->properties = arena_str(a, q->properties);
    /* The plan is shared: the copy keeps the original alive. */
    n->plan = q->plan;
    arena_on_free(a, unref_shared_query, (void *)(uintptr_t)catalog_query_ref(q));
    return n;
}

/* ---- snapshots -------------------------------------------------------------------------------------------- */

catalog *catalog_new(void)
{
    catalog *c = take_memory(1, sizeof *c);
    atomic_init(&c->refs, 1);
    return c;
}

catalog *catalog_ref(const catalog *c)
{
    add_ref(&c->refs);
    return (catalog *)(uintptr_t)c;
}

void catalog_unref(const catalog *c)
{
    if (!c || !drop_ref(&c->refs)) return;
    for (int i = 0; i < c->source_count; i++) source_unref(c->sources[i]);
    for (int i = 0; i < c->type_count; i++) named_type_unref(c->types[i]);
    for (int i = 0; i < c->query_count; i++) catalog_query_unref(c->queries[i]);
    free(c->sources);
    free(c->types);
    free(c->queries);
    free((void *)(uintptr_t)c);
}

/* A snapshot that shares everything, with room for one more of each. */
static catalog *catalog_clone(const catalog *c)
{
    catalog *n = catalog_new();
    n->sources = take_memory((size_t)c->source_count + 1, sizeof *n->sources);
    n->types = take_memory((size_t)c->type_count + 1, sizeof *n->types);
    n->queries = take_memory((size_t)c->query_count + 1, sizeof *n->queries);
    for (int i = 0; i < c->source_count; i++) add_ref(&(n->sources[n->source_count++] = c->sources[i])->refs);
    for (int i = 0; i < c->type_count; i++) add_ref(&(n->types[n->type_count++] = c->types[i])->refs);
    for (int i = 0; i < c->query_count; i++) add_ref(&(n->queries[n->query_count++] = c->queries[i])->refs);
    return n;
}

/* Position of the name, or where it would go (then *found is false). */
static int source_position(const catalog *c, str name, bool *found)
{
    int low = 0, high = c->source_count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        int order = str_cmp(c->sources[mid]->name, name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

static int type_position(const catalog *c, str name, bool *found)
{
    int i = 0;
    while (i < c->type_count && str_cmp(c->types[i]->name, name) < 0) i++;
    *found = i < c->type_count && str_eq(c->types[i]->name, name);
    return i;
}

static int query_position(const catalog *c, str id)
{
    for (int i = 0; i < c->query_count; i++) {
        if (str_eq(c->queries[i]->id, id)) return i;
    }
    return -1;
}

const source *catalog_source(const catalog *c, str name)
{
    bool found;
    int at = source_position(c, name, &found);
    return found ? c->sources[at] : NULL;
}

const named_type *catalog_type(const catalog *c, str name)
{
    bool found;
    int at = type_position(c, name, &found);
    return found ? c->types[at] : NULL;
}

const catalog_query *catalog_find_query(const catalog *c, str id)
{
    int at = query_position(c, id);
    return at < 0 ? NULL : c->queries[at];
}

int catalog_queries_of(const catalog *c, str source_name, bool reads, const catalog_query **out, int max)
{
    int n = 0;
    for (int i = 0; i < c->query_count; i++) {
        const catalog_query *q = c->queries[i];
        bool hit = !reads && str_eq(q->sink, source_name);
        for (int k = 0; reads && !hit && k < q->source_count; k++) hit = str_eq(q->sources[k], source_name);
        if (!hit) continue;
        if (n < max) out[n] = q;
        n++;
    }
    return n;
}

catalog *catalog_put_source(const catalog *c, source *s)
{
    catalog *n = catalog_clone(c);
    bool found;
    int at = source_position(n, s->name, &found);
    if (found) {
        source_unref(n->sources[at]);
    } else {
        memmove(n->sources + at + 1, n->sources + at, (size_t)(n->source_count - at) * sizeof *n->sources);
        n->source_count++;
    }
    n->sources[at] = s;
    return n;
}

catalog *catalog_remove_source(const catalog *c, str name)
{
    catalog *n = catalog_clone(c);
    bool found;
    int at = source_position(n, name, &found);
    check(found);
    source_unref(n->sources[at]);
    n->source_count--;
    memmove(n->sources + at, n->sources + at + 1, (size_t)(n->source_count - at) * sizeof *n->sources);
    return n;
}

catalog *catalog_put_type(const catalog *c, named_type *t)
{
    catalog *n = catalog_clone(c);
    bool found;
    int at = type_position(n, t->name, &found);
    if (found) {
        named_type_unref(n->types[at]);
    } else {
        memmove(n->types + at + 1, n->types + at, (size_t)(n->type_count - at) * sizeof *n->types);
        n->type_count++;
    }
    n->types[at] = t;
    return n;
}

catalog *catalog_remove_type(const catalog *c, str name)
{
    catalog *n = catalog_clone(c);
    bool found;
    int at = type_position(n, name, &found);
    check(found);
    named_type_unref(n->types[at]);
    n->type_count--;
    memmove(n->types + at, n->types + at + 1, (size_t)(n->type_count - at) * sizeof *n->types);
    return n;
}

catalog *catalog_put_query(const catalog *c, catalog_query *q)
{
    catalog *n = catalog_clone(c);
    int at = query_position(n, q->id);
    if (at >= 0)
        catalog_query_unref(n->queries[at]);
    else
        at = n->query_count++;
    n->queries[at] = q;
    return n;
}

catalog *catalog_remove_query(const catalog *c, str id)
{
    catalog *n = catalog_clone(c);
    int at = query_position(n, id);
    check(at >= 0);
    catalog_query_unref(n->queries[at]);
    n->query_count--;
    memmove(n->queries + at, n->queries + at + 1, (size_t)(n->query_count - at) * sizeof *n->queries);
    return n;
}

/* ---- did you mean ----------------------------------------------------------------------------------------- */

const source *catalog_similar_source(const catalog *c, str name)
{
    const source *best = NULL;
    similar s = similar_begin(name);
    for (int i = 0; i < c->source_count; i++) {
        if (similar_try(&s, c->sources[i]->name)) best = c->sources[i];
    }
    return best;
}
