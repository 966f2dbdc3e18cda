#include "tests/support/sql/world.h"

#include <check.h>
#include <stdlib.h>

world *world_new(void)
{
    world *w = calloc(1, sizeof *w);
    w->a = arena_new();
    w->catalog = catalog_new();
    w->topics[0] = (world_topic){STR("t1"), {1, 1, -1}};
    w->topics[1] = (world_topic){STR("t4"), {4, 1, -1}};
    w->topic_count = 2;
    return w;
}

void world_free(world *w)
{
    catalog_unref(w->before);
    catalog_unref(w->catalog);
    sql_session_free(&w->session);
    arena_free(w->a);
    free(w);
}

static bool find_topic(void *ctx, str name, sql_topic *out)
{
    world *w = ctx;
    for (int i = 0; i < w->topic_count; i++) {
        if (!str_eq(w->topics[i].name, name)) continue;
        *out = w->topics[i].topic;
        return true;
    }
    return false;
}

static void apply(world *w)
{
    for (int i = 0; i < w->out.effect_count; i++) {
        const effect *e = &w->out.effects[i];
        if (e->kind == EFFECT_START_QUERY) w->next_id++;
        if (e->kind != EFFECT_CREATE_TOPIC) continue;
        ck_assert_int_lt(w->topic_count, WORLD_TOPICS);
        w->topics[w->topic_count++] =
            (world_topic){arena_str(w->a, e->topic), {e->partitions, e->replicas, e->retention_ms}};
    }
    if (!w->out.after) return;
    catalog_unref(w->before);
    w->before = w->catalog;
    w->catalog = w->out.after;
}

bool world_try(world *w, const char *text)
{
    parse_results parsed;
    sql_env env = {.ctx = w, .topic = find_topic, .now_ms = 1000};
    diag_clear(&w->d);
    w->text = text;
    if (!parse_all(w->a, str_z(text), PARSE_SERVER, &parsed, &w->d)) return false;
    for (uint32_t i = 0; i < parsed.n; i++) {
        if (!sql_execute(w->a, w->catalog, &w->session, &env, parsed.items[i].stmt, w->next_id, &w->out, &w->d))
            return false;
        apply(w);
    }
    return true;
}

void world_run(world *w, const char *text)
{
    bool ok = world_try(w, text);
    ck_assert_msg(ok, "%s\n%s (%s)", text, w->d.text, w->d.hint);
}

void world_refuses(world *w, const char *text, const char *message, const char *where)
{
    const catalog *before = w->catalog;
    bool ok = world_try(w, text);
    ck_assert_msg(!ok, "accepted: %s", text);
    ck_assert_msg(strstr(w->d.text, message) != NULL, "%s\nsays: %s\nnot:  %s", text, w->d.text, message);
    ck_assert_ptr_eq(before, w->catalog);
    if (!where) return;
    const char *at = strstr(text, where);
    ck_assert_ptr_nonnull(at);
    ck_assert_msg(w->d.at.start == (uint32_t)(at - text), "%s\n%s\nstands at %u, expected %ld", text, w->d.text,
                  w->d.at.start, (long)(at - text));
}

const char *world_schema(world *w, const char *name)
{
    const source *s = catalog_source(w->catalog, str_z(name));
    ck_assert_msg(s != NULL, "%s does not exist", name);
    buf b = {0};
    schema_print(s->schema, &b);
    str text = arena_str(w->a, buf_str(&b));
    buf_free(&b);
    return text.p;
}

const char *world_plan(world *w)
{
    ck_assert_int_gt(w->catalog->query_count, 0);
    buf b = {0};
    sql_print_plan(w->catalog->queries[w->catalog->query_count - 1]->plan, &b);
    str text = arena_str(w->a, buf_str(&b));
    buf_free(&b);
    return text.p;
}

const effect *world_effect(const world *w, int n)
{
    ck_assert_int_lt(n, w->out.effect_count);
    return &w->out.effects[n];
}
