/* What statements do outside of the catalogue, recorded so that a start finds all of it or none. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "server/host_int.h"

enum { PRODUCERS_OF_A_QUERY = 2 };

/* What has been done so far, to be undone in reverse when a later effect fails. */
typedef struct applied {
    const sql_outcome *out;
    int done;
} applied;

static bool create_topic(host *h, const effect *e, diag *d)
{
    broker_config_entry configs[2];
    char retention[32];
    size_t n = 0;
    const char *policy = e->compact ? e->expire ? "compact,delete" : "compact" : "delete";
    configs[n++] = (broker_config_entry){STR("cleanup.policy"), str_z(policy)};
    if (e->retention_ms >= 0) {
        snprintf(retention, sizeof retention, "%lld", (long long)e->retention_ms);
        configs[n++] = (broker_config_entry){STR("retention.ms"), str_z(retention)};
    }
    return broker_topic_create(h->options.broker, e->topic, e->partitions, configs, n, d);
}

static bool has_topic(host *h, str name)
{
    arena *mem = arena_new();
    broker_topic_info info;
    bool found = broker_topic_describe(h->options.broker, name, mem, &info);
    arena_free(mem);
    return found;
}

static void delete_topic(host *h, str name)
{
    diag d = {0};
    if (!broker_topic_delete(h->options.broker, name, &d) && d.code != DIAG_NOT_FOUND) {
        log_warn("server", "topic %.*s was not deleted: %s", STR_ARG(name), d.text);
    }
}

static bool apply_effect(host *h, const effect *e, int64_t producer_id, diag *d)
{
    switch (e->kind) {
    case EFFECT_CREATE_TOPIC: return create_topic(h, e, d);
    case EFFECT_DELETE_TOPIC: delete_topic(h, e->topic); return true;
    case EFFECT_START_QUERY: return host_start_query(h, e->query, producer_id, d)->hosted != NULL;
    case EFFECT_REPLACE_QUERY:
        host_stop_query(h, e->query->id, false);
        return host_start_query(h, e->query, producer_id, d)->hosted != NULL;
    case EFFECT_STOP_QUERY: host_stop_query(h, e->query->id, true); return true;
    case EFFECT_PAUSE_QUERY:
    case EFFECT_RESUME_QUERY: host_pause_query(h, e->query); return true;
    case EFFECT_INSERT: return host_insert(h, e, d);
    case EFFECT_REGISTER_SCHEMA:
    case EFFECT_DELETE_SCHEMAS: return true; /* there is no registry: formats that need one were refused before */
    }
    check_unreachable();
}

static void undo(host *h, const applied *a)
{
    for (int i = a->done - 1; i >= 0; i--) {
        const effect *e = &a->out->effects[i];
        if (e->kind == EFFECT_CREATE_TOPIC) delete_topic(h, e->topic);
        if (e->kind == EFFECT_START_QUERY) host_stop_query(h, e->query->id, true);
    }
}

/* Topics that the outcome makes, one a line. */
static void made_topics(const sql_outcome *out, buf *to)
{
    for (int i = 0; i < out->effect_count; i++) {
        if (out->effects[i].kind == EFFECT_CREATE_TOPIC) buf_printf(to, "%.*s\n", STR_ARG(out->effects[i].topic));
    }
}

static bool makes(const sql_outcome *out, effect_kind kind)
{
    for (int i = 0; i < out->effect_count; i++) {
        if (out->effects[i].kind == kind) return true;
    }
    return false;
}

static void settings_text(const sql_session *session, buf *to)
{
    str name;
    void *text;
    for (size_t it = 0; map_next(&session->settings.values, &it, &name, &text);) {
        buf_printf(to, "%.*s=%s\n", STR_ARG(name), (const char *)text);
    }
}

static bool record(host *h, const ast_stmt *stmt, const sql_session *session, int64_t number, const sql_outcome *out,
                   int64_t now_ms, int64_t *producer_id, diag *d)
{
    buf topics = {0}, properties = {0};
    made_topics(out, &topics);
    settings_text(session, &properties);
    bool ok = true;
    *producer_id = -1;
    if (makes(out, EFFECT_START_QUERY) || makes(out, EFFECT_REPLACE_QUERY)) {
        ok = broker_producer_reserve(h->options.broker, PRODUCERS_OF_A_QUERY, producer_id, d);
    }
    catalog_statement s = {.sequence = number,
                           .text = stmt->text,
                           .properties = buf_str(&properties),
                           .topics = buf_str(&topics),
                           .producer_id = *producer_id,
                           .time_ms = now_ms};
    ok = ok && catalog_db_add(h->db, &s, d);
    buf_free(&topics);
    buf_free(&properties);
    return ok;
}

bool host_apply(host *h, const ast_stmt *stmt, const sql_session *session, int64_t number, sql_outcome *out,
                int64_t now_ms, diag *d)
{
    int64_t producer_id = -1;
    bool recorded = out->after != NULL;
    if (recorded && !record(h, stmt, session, number, out, now_ms, &producer_id, d)) return false;
    /*
     * What only takes away happens after it was decided: a crash between leaves something to be swept up, not a
     * hole.
     */
    bool removes = makes(out, EFFECT_STOP_QUERY) || makes(out, EFFECT_DELETE_TOPIC);
    if (recorded && removes && !catalog_db_activate(h->db, number, d)) return false;
    applied a = {out, 0};
    bool ok = true;
    while (ok && a.done < out->effect_count) {
        ok = apply_effect(h, &out->effects[a.done], producer_id, d);
        a.done++; /* a query that failed to start is in the table as well */
    }
    if (ok && recorded && !removes) ok = catalog_db_activate(h->db, number, d);
    if (!ok && recorded && !removes) {
        undo(h, &a);
        diag ignored = {0};
        catalog_db_remove(h->db, number, &ignored);
        return false;
    }
    if (recorded) {
        host_publish(h, (catalog *)(uintptr_t)out->after);
        out->after = NULL;
    }
    return ok;
}

/*
 * ---- starting
 * ------------------------------------------------------------------------------------------------------
 */

static void undo_pending(host *h, const catalog_statement *s)
{
    str lines = s->topics;
    for (ptrdiff_t end; (end = str_find(lines, STR("\n"), 0)) >= 0;) {
        str name = {lines.p, (size_t)end};
        if (has_topic(h, name)) delete_topic(h, name);
        lines = (str){lines.p + end + 1, lines.n - (size_t)end - 1};
    }
    diag d = {0};
    log_warn("server", "undid the unfinished statement %lld: %.*s", (long long)s->sequence, STR_ARG(s->text));
    if (!catalog_db_remove(h->db, s->sequence, &d)) log_warn("server", "%s", d.text);
}

bool host_read_settings(str text, settings *out, diag *d)
{
    for (ptrdiff_t end; (end = str_find(text, STR("\n"), 0)) >= 0;) {
        str line = {text.p, (size_t)end};
        ptrdiff_t equals = str_find(line, STR("="), 0);
        text = (str){text.p + end + 1, text.n - (size_t)end - 1};
        if (equals < 0) continue;
        str name = {line.p, (size_t)equals};
        str text_of = {line.p + equals + 1, line.n - (size_t)equals - 1};
        if (!settings_set(out, name, NO_SPAN, text_of, NO_SPAN, d)) return false;
    }
    return true;
}

/* The producer ids of queries by the statements that started them. */
typedef struct started {
    map ids; /* query id -> catalog_statement */
} started;

static bool replay_one(host *h, arena *mem, const catalog_statement *s, started *st, diag *d)
{
    const ast_stmt *stmt;
    sql_session session = {0};
    sql_outcome out = {0};
    host_topics topics = {.host = h, .replaying = true};
    sql_env env = host_sql_env(h, &topics, s->time_ms);
    bool ok = host_read_settings(s->properties, &session.settings, d) &&
              parse_one(mem, s->text, PARSE_SERVER, &stmt, d) &&
              sql_execute(mem, h->catalog, &session, &env, stmt, s->sequence, &out, d);
    for (int i = 0; ok && i < out.effect_count; i++) {
        const effect *e = &out.effects[i];
        if (e->kind == EFFECT_START_QUERY || e->kind == EFFECT_REPLACE_QUERY) {
            map_put(&st->ids, e->query->id, (void *)(uintptr_t)s);
        }
    }
    if (ok && out.after) host_publish(h, (catalog *)(uintptr_t)out.after);
    sql_session_free(&session);
    return ok;
}

static void start_queries(host *h, const started *st)
{
    catalog *c = host_catalog(h);
    for (int i = 0; i < c->query_count; i++) {
        const catalog_statement *s = map_get(&st->ids, c->queries[i]->id);
        check(s != NULL);
        diag d = {0};
        host_start_query(h, c->queries[i], s->producer_id, &d); /* one that cannot be started is tried again */
    }
    catalog_unref(c);
}

/* Databases of queries that no statement names: a crash came between the end of a query and the end of its state. */
static void sweep_state(host *h)
{
    arena *mem = arena_new();
    str folder = arena_printf(mem, "%s/state", h->options.data_dir);
    fs_entry *entries;
    size_t n = 0;
    diag d = {0};
    if (fs_exists(h->options.fs, folder.p) && fs_list(h->options.fs, folder.p, mem, &entries, &n, &d)) {
        for (size_t i = 0; i < n; i++) {
            if (!str_ends(entries[i].name, STR(".db"))) continue;
            str id = {entries[i].name.p, entries[i].name.n - 3};
            if (!catalog_find_query(h->catalog, id)) hosted_remove_state(&h->env, id, &d);
        }
    }
    arena_free(mem);
}

bool host_replay(host *h, diag *d)
{
    arena *mem = arena_new();
    catalog_statement *all;
    size_t n;
    started st = {0};
    bool ok = catalog_db_load(h->db, mem, &all, &n, d);
    for (size_t i = 0; ok && i < n; i++) {
        if (!all[i].active) {
            undo_pending(h, &all[i]);
        } else if (!replay_one(h, mem, &all[i], &st, d)) {
            diag why = *d;
            diag_clear(d);
            ok = diag_set(d, DIAG_CORRUPT, "statement %lld of the catalogue cannot be replayed (%.*s): %s",
                          (long long)all[i].sequence, (int)(all[i].text.n < 200 ? all[i].text.n : 200), all[i].text.p,
                          why.text);
        }
    }
    if (ok) {
        sweep_state(h);
        start_queries(h, &st);
    }
    map_free(&st.ids);
    arena_free(mem);
    return ok;
}
