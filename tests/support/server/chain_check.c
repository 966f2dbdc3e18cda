/* What the chain must show: computed from the source topic alone. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/map.h"
#include "tests/support/server/chain_int.h"

bool chain_read(chain *c, const char *topic, bool committed,
                bool (*visit)(void *ctx, int32_t partition, const io_record *r), void *ctx)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        embedded_input in = {str_z(topic), true};
        embedded_feed_options o = {
            .inputs = &in, .input_count = 1, .partition = p, .read_committed = committed, .bounded = true};
        diag d = {0};
        io_feed *f = embedded_feed_new(c->b, &o, &d);
        if (!f) return chain_fail(c, "%s cannot be read: %s", topic, d.text);
        io_batch batch;
        io_status s;
        bool ok = true;
        while (ok && (s = f->ops->read(f, 0, 500, &batch, &d)) == IO_OK) {
            for (uint32_t i = 0; ok && i < batch.count; i++) ok = visit(ctx, p, &batch.records[i]);
            f->ops->release(f, 0);
        }
        embedded_feed_free(f);
        if (ok && s != IO_END) return chain_fail(c, "%s-%d cannot be read to its end: %s", topic, p, d.text);
        if (!ok) return false;
    }
    return true;
}

/* The number behind `"NAME":` in a JSON object; -1: there is none. */
static int64_t number_in(str json, const char *name)
{
    char text[512];
    if (json.n >= sizeof text) return -1;
    memcpy(text, json.p, json.n);
    text[json.n] = 0;
    char pattern[32];
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    const char *at = strstr(text, pattern);
    return at ? strtoll(at + strlen(pattern), NULL, 10) : -1;
}

/* ---- the source ------------------------------------------------------------------------------------------ */

typedef struct source_read {
    chain *c;
    chain_record *records; /* by id; id -1: absent */
    int64_t last[PARTITIONS];
} source_read;

static bool see_source(void *ctx, int32_t partition, const io_record *r)
{
    source_read *s = ctx;
    chain_record x = {.id = number_in(r->value, "ID"), .v = number_in(r->value, "V"), .time = r->timestamp};
    const char *g = memmem(r->value.p, r->value.n, "\"G\":\"g", 6);
    if (x.id < 0 || x.id >= IDS_MAX || !g) return chain_fail(s->c, "src-%d has a record that nobody wrote", partition);
    x.group = g[6] - '0';
    if (s->records[x.id].id >= 0 || x.id <= s->last[partition])
        return chain_fail(s->c, "src-%d shows record %lld twice or late", partition, (long long)x.id);
    s->last[partition] = x.id;
    s->records[x.id] = x;
    return true;
}

static bool read_source(chain *c, source_read *s)
{
    *s = (source_read){.c = c, .records = calloc(IDS_MAX, sizeof(chain_record)), .last = {-1, -1}};
    check(s->records != NULL);
    for (int i = 0; i < IDS_MAX; i++) s->records[i].id = -1;
    if (!chain_read(c, "src", false, see_source, s)) return false;
    c->out->records = c->out->acknowledged = 0;
    for (int i = 0; i < IDS_MAX; i++) {
        c->out->records += s->records[i].id >= 0;
        c->out->acknowledged += c->acknowledged[i];
        if (c->acknowledged[i] && s->records[i].id < 0) return chain_fail(c, "acknowledged record %d is lost", i);
    }
    return true;
}

bool chain_check_input(chain *c)
{
    source_read s;
    bool ok = read_source(c, &s);
    free(s.records);
    return ok;
}

/* ---- streams: each record once --------------------------------------------------------------------------- */

typedef struct stream_read {
    chain *c;
    const char *topic;
    const chain_record *records;
    bool *seen;
    int64_t last[PARTITIONS][PARTITIONS]; /* by source and target partition */
    bool ordered;
} stream_read;

static bool see_stream(void *ctx, int32_t partition, const io_record *r)
{
    stream_read *s = ctx;
    int64_t id = number_in(r->value, "ID");
    if (id < 0 || id >= IDS_MAX || s->records[id].id < 0)
        return chain_fail(s->c, "%s shows record %lld, which is not in the source", s->topic, (long long)id);
    if (s->records[id].v % 3 == 0) return chain_fail(s->c, "%s shows a record that is filtered out", s->topic);
    if (s->seen[id]) return chain_fail(s->c, "%s shows record %lld twice", s->topic, (long long)id);
    s->seen[id] = true;
    int64_t *last = &s->last[id % PARTITIONS][partition];
    if (s->ordered && id < *last) return chain_fail(s->c, "%s-%d is out of order", s->topic, partition);
    *last = id;
    return true;
}

static bool check_stream(chain *c, const source_read *src, const char *topic, bool ordered)
{
    stream_read s = {.c = c, .topic = topic, .records = src->records, .seen = calloc(IDS_MAX, 1), .ordered = ordered};
    check(s.seen != NULL);
    bool ok = chain_read(c, topic, true, see_stream, &s);
    for (int i = 0; ok && i < IDS_MAX; i++) {
        if (src->records[i].id >= 0 && src->records[i].v % 3 != 0 && !s.seen[i])
            ok = chain_fail(c, "%s lacks record %d", topic, i);
    }
    free(s.seen);
    return ok;
}

/* ---- tables: the last row of each key -------------------------------------------------------------------- */

/* What a row should say, and what the topic says. */
typedef struct row {
    int64_t n, s; /* computed */
    int64_t shown_n, shown_s; /* -1: nothing, or deleted */
} row;

typedef struct table_read {
    chain *c;
    const char *topic;
    map rows; /* by the key's bytes */
    bool grows; /* counts of a key only go up */
} table_read;

static row *row_of(table_read *t, str key)
{
    row *r = map_get(&t->rows, key);
    if (r) return r;
    r = ARENA_NEW(t->c->a, row);
    r->shown_n = -1;
    map_put(&t->rows, arena_str(t->c->a, key), r);
    return r;
}

static bool see_table(void *ctx, int32_t partition, const io_record *r)
{
    table_read *t = ctx;
    row *x = row_of(t, r->key);
    if (r->value_null) {
        x->shown_n = -1;
        return true;
    }
    int64_t n = number_in(r->value, "N");
    if (t->grows && n <= x->shown_n)
        return chain_fail(t->c, "%s shows count %lld after %lld", t->topic, (long long)n, (long long)x->shown_n);
    x->shown_n = n;
    x->shown_s = number_in(r->value, "S");
    return true;
}

static bool check_table(table_read *t)
{
    chain *c = t->c;
    bool ok = chain_read(c, t->topic, true, see_table, t);
    str key;
    void *v;
    for (size_t it = 0; ok && map_next(&t->rows, &it, &key, &v);) {
        const row *x = v;
        if (x->n == 0 ? x->shown_n == -1 : x->n == x->shown_n && x->s == x->shown_s) continue;
        ok = chain_fail(c, "%s shows %lld/%lld for %.*s, it is %lld/%lld", t->topic, (long long)x->shown_n,
                        (long long)x->shown_s, (int)(key.n < 2 ? key.n : 2), key.p, (long long)x->n, (long long)x->s);
    }
    map_free(&t->rows);
    return ok;
}

static void add_to(table_read *t, str key, const chain_record *r)
{
    row *x = row_of(t, key);
    x->n++;
    x->s += r->v;
}

/* A group's name with the window's bounds behind it as Kafka writes them: the start, or a session's end and start. */
static str table_key(char out[32], int group, int bounds, int64_t start, int64_t end)
{
    int n = snprintf(out, 32, "g%d", group);
    if (bounds > 1) store_be64(out + n, (uint64_t)end);
    if (bounds > 0) store_be64(out + n + 8 * (bounds - 1), (uint64_t)start);
    return str_of(out, (size_t)n + 8 * (size_t)bounds);
}

static int compare_times(const void *x, const void *y)
{
    const chain_record *a = *(const chain_record *const *)x, *b = *(const chain_record *const *)y;
    if (a->group != b->group) return a->group < b->group ? -1 : 1;
    return a->time < b->time ? -1 : a->time > b->time;
}

static void add_sessions(table_read *t, const chain_record **list, int n)
{
    qsort(list, (size_t)n, sizeof *list, compare_times);
    for (int i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && list[k]->group == list[i]->group && list[k]->time - list[k - 1]->time <= SESSION_GAP;)
            k++;
        char text[32];
        str key = table_key(text, list[i]->group, 2, list[i]->time, list[k - 1]->time);
        for (int j = i; j < k; j++) add_to(t, key, list[j]);
    }
}

bool chain_check_results(chain *c)
{
    source_read src;
    bool ok = read_source(c, &src);
    ok = ok && check_stream(c, &src, "filtered", true) && check_stream(c, &src, "rekeyed", false);
    table_read counts = {.c = c, .topic = "counts", .grows = true};
    table_read windowed = {.c = c, .topic = "windowed", .grows = true};
    table_read sessions = {.c = c, .topic = "sessions"};
    const chain_record **list = calloc(IDS_MAX, sizeof *list);
    check(list != NULL);
    int n = 0;
    for (int i = 0; ok && i < IDS_MAX; i++) {
        const chain_record *r = &src.records[i];
        if (r->id < 0 || r->v % 3 == 0) continue;
        char text[32];
        add_to(&counts, table_key(text, r->group, 0, 0, 0), r);
        add_to(&windowed, table_key(text, r->group, 1, r->time / WINDOW_SIZE * WINDOW_SIZE, 0), r);
        list[n++] = r;
    }
    add_sessions(&sessions, list, n);
    ok = ok && check_table(&counts) && check_table(&windowed) && check_table(&sessions);
    free(list);
    free(src.records);
    return ok;
}
