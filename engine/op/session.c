/*
 * engine/op/session.c - GROUP BY over SESSION windows (reference B7, B8, M3 to M5).
 *
 * A key's sessions lie in one bucket, ordered by time. A row merges all sessions within the gap: they are deleted, each
 * with a tombstone for its old bounds, and the merged one is emitted. With EMIT FINAL a session leaves when stream time
 * has passed its end, gap and grace.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/map.h"
#include "engine/op/aggregate.h"

/* One session; its group follows. */
typedef struct session {
    int64_t start, end;
    bool emitted; /* EMIT FINAL: it has left */
    int64_t spare;
} session;
_Static_assert(sizeof(session) % 16 == 0, "groups are aligned");

typedef struct sessions {
    session **items; /* by end */
    uint32_t count, cap;
} sessions;

/* A session that changed since the last commit. */
typedef struct waiting {
    str key; /* on the heap */
    int64_t start, end;
    char *old; /* rowcode of what was emitted last; NULL: nothing */
    uint32_t old_n;
    bool had;
    int32_t partition;
    int64_t offset;
} waiting;

/* EMIT FINAL: sessions by end, then key. */
typedef struct closing {
    int64_t end, start;
    str key; /* on the heap */
} closing;

typedef struct session_op {
    groups g; /* first: the codec's context */
    op head;
    store *st;
    const plan_window *w;
    bool every, final, needs_old, loaded;
    int64_t stream_time, swept;
    chunk *out;
    buf key, name, old;
    waiting *waits;
    uint32_t wait_count, wait_cap;
    map wait_index; /* key and bounds -> place in waits plus one */
    closing *heap;
    uint32_t heap_count, heap_cap;
    int *value_cols;
    int value_count;
} session_op;

static session_op *self(op *o)
{
    return container_of(o, session_op, head);
}
static group *group_of(session *x)
{
    return (group *)(void *)(x + 1);
}

/* ---- codec --------------------------------------------------------------------------------------------------------
 */

static uint32_t item_count(void *ctx, const void *state)
{
    return ((const sessions *)state)->count;
}

static void item_row(void *ctx, const void *state, uint32_t i, int64_t *time, int64_t *seq, cell *out, arena *mem)
{
    session *x = ((const sessions *)state)->items[i];
    *time = x->end;
    *seq = x->start;
    group_encode(ctx, group_of(x), out, mem);
}

static session *session_new(groups *g, int64_t start, int64_t end)
{
    session *x = aligned_alloc(16, (sizeof *x + g->state_size + 15u) & ~(size_t)15);
    check(x != NULL);
    memset(x, 0, sizeof *x + g->state_size);
    x->start = start;
    x->end = end;
    return x;
}

static void session_free(groups *g, session *x)
{
    groups_drop_one(g, group_of(x));
    free(x);
}

static void add_item(sessions *b, session *x)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 2;
        b->items = realloc(b->items, b->cap * sizeof *b->items);
        check(b->items != NULL);
    }
    uint32_t at = b->count++;
    for (; at > 0 && b->items[at - 1]->end > x->end; at--) b->items[at] = b->items[at - 1];
    b->items[at] = x;
}

static bool item_add(void *ctx, void *state, int64_t time, int64_t seq, const cell *row)
{
    session *x = session_new(ctx, seq, time);
    if (!group_decode(ctx, row, group_of(x))) {
        session_free(ctx, x);
        return false;
    }
    add_item(state, x);
    return true;
}

static void item_release(void *ctx, void *state)
{
    sessions *b = state;
    for (uint32_t i = 0; i < b->count; i++) session_free(ctx, b->items[i]);
    free(b->items);
    *b = (sessions){0};
}

/* ---- output
 * ----------------------------------------------------------------------------------------------------------- */

static bool emit_out(session_op *s)
{
    chunk *c = s->out;
    s->out = NULL;
    return !c || op_emit(&s->head, c);
}

/* A row of the output for a key and bounds; the new side is absent unless `x`, the old one unless `old`. */
static bool put_row(session_op *s, arena *mem, str key, int64_t start, int64_t end, session *x, const str *old,
                    int32_t partition, int64_t offset)
{
    const schema *sc = s->head.step->schema;
    if (s->out && s->out->rows == chunk_rows_max() && !emit_out(s)) return false;
    if (!s->out) s->out = chunk_new(mem, sc, chunk_rows_max());
    chunk *c = s->out;
    uint32_t r = c->rows++;
    c->count = c->rows;
    c->flags[r] = (uint8_t)((x ? 0 : ROW_VALUE_NULL) | (old ? 0 : ROW_OLD_NULL));
    c->rowtime[r] = end;
    c->partition[r] = partition;
    c->offset[r] = offset;
    c->window_start[r] = start;
    c->window_end[r] = end;
    check(key_decode(arena_str(mem, key), c->cols, sc->key_count, r, mem));
    if (x) group_result(&s->g, group_of(x), c->cols, r, mem);
    if (old && old->p) check(row_decode(arena_str(mem, *old), c->old, s->value_cols, s->value_count, r, mem));
    return true;
}

/* The emitted values of a session as bytes, for its old side. */
static str result_bytes(session_op *s, session *x, arena *mem)
{
    chunk *tmp = chunk_new(mem, s->head.step->schema, 1);
    group_result(&s->g, group_of(x), tmp->cols, 0, mem);
    buf_clear(&s->old);
    row_encode(tmp->cols, s->value_cols, s->value_count, 0, &s->old);
    buf_reserve(&s->old, 1);
    return buf_str(&s->old);
}

/* ---- changes that wait for the commit
 * ----------------------------------------------------------------------------------- */

static str wait_name(session_op *s, str key, int64_t start, int64_t end)
{
    buf_clear(&s->name);
    write_i64(&s->name, start);
    write_i64(&s->name, end);
    buf_add_str(&s->name, key);
    return buf_str(&s->name);
}

/* Notes that a session changes. `had`: it was there before this change, with the values of `x` (NULL when it is new).
 */
static void wait_for_commit(session_op *s, str key, int64_t start, int64_t end, session *x, const chunk *c,
                            uint32_t row)
{
    str name = wait_name(s, key, start, end);
    uintptr_t at = (uintptr_t)map_get(&s->wait_index, name);
    if (at == 0) {
        if (s->wait_count == s->wait_cap) {
            s->wait_cap = s->wait_cap ? s->wait_cap * 2 : 256;
            s->waits = realloc(s->waits, s->wait_cap * sizeof *s->waits);
            check(s->waits != NULL);
        }
        waiting *w = &s->waits[s->wait_count++];
        char *copy = malloc(key.n + 1);
        check(copy != NULL);
        memcpy(copy, key.p, key.n);
        *w = (waiting){.key = str_of(copy, key.n), .start = start, .end = end, .had = x != NULL};
        at = s->wait_count;
        map_put(&s->wait_index, name, (void *)at);
        if (x && s->needs_old) {
            str bytes = result_bytes(s, x, c->mem);
            w->old = malloc(bytes.n + 1);
            check(w->old != NULL);
            memcpy(w->old, bytes.p, bytes.n);
            w->old_n = (uint32_t)bytes.n;
        }
    }
    s->waits[at - 1].partition = c->partition[row];
    s->waits[at - 1].offset = c->offset[row];
}

static session *find_session(session_op *s, str key, int64_t start, int64_t end)
{
    sessions *b = store_get(s->st, key, 0, store_hash(key, 0));
    for (uint32_t i = 0; b && i < b->count; i++) {
        if (b->items[i]->start == start && b->items[i]->end == end) return b->items[i];
    }
    return NULL;
}

static bool session_flush(op *o)
{
    session_op *s = self(o);
    if (s->wait_count == 0) return true;
    arena *mem = arena_new();
    store_lock(s->st);
    bool ok = true;
    for (uint32_t i = 0; i < s->wait_count; i++) {
        waiting *w = &s->waits[i];
        session *x = find_session(s, w->key, w->start, w->end);
        str old = str_of(w->old, w->old_n);
        if (ok && (x || w->had))
            ok = put_row(s, mem, w->key, w->start, w->end, x, w->had ? &old : NULL, w->partition, w->offset);
        free((void *)(uintptr_t)w->key.p);
        free(w->old);
    }
    store_unlock(s->st);
    s->wait_count = 0;
    map_free(&s->wait_index);
    ok = ok && emit_out(s);
    arena_free(mem);
    return ok;
}

/* ---- EMIT FINAL
 * ----------------------------------------------------------------------------------------------------------- */

static bool earlier(const closing *a, const closing *b)
{
    if (a->end != b->end) return a->end < b->end;
    int c = str_cmp(a->key, b->key);
    return c != 0 ? c < 0 : a->start < b->start;
}

static void heap_swap(session_op *s, uint32_t a, uint32_t b)
{
    closing x = s->heap[a];
    s->heap[a] = s->heap[b];
    s->heap[b] = x;
}

static void heap_add(session_op *s, str key, const session *x)
{
    if (s->heap_count == s->heap_cap) {
        s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 64;
        s->heap = realloc(s->heap, s->heap_cap * sizeof *s->heap);
        check(s->heap != NULL);
    }
    char *copy = malloc(key.n + 1);
    check(copy != NULL);
    memcpy(copy, key.p, key.n);
    uint32_t i = s->heap_count++;
    s->heap[i] = (closing){x->end, x->start, str_of(copy, key.n)};
    for (; i > 0 && earlier(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2) heap_swap(s, i, (i - 1) / 2);
}

static closing heap_take(session_op *s)
{
    closing first = s->heap[0];
    s->heap[0] = s->heap[--s->heap_count];
    for (uint32_t i = 0;;) {
        uint32_t least = i;
        for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < s->heap_count; k++) {
            if (earlier(&s->heap[k], &s->heap[least])) least = k;
        }
        if (least == i) return first;
        heap_swap(s, i, least);
        i = least;
    }
}

static bool emit_closed(session_op *s, const chunk *c, uint32_t row)
{
    bool ok = true;
    while (ok && s->heap_count > 0 && s->heap[0].end < s->stream_time - s->w->size - s->w->grace) {
        closing x = heap_take(s);
        session *found = find_session(s, x.key, x.start, x.end);
        if (found && !found->emitted) {
            ok = put_row(s, c->mem, x.key, x.start, x.end, found, NULL, c->partition[row], c->offset[row]);
            found->emitted = true;
        }
        free((void *)(uintptr_t)x.key.p);
    }
    return ok;
}

/* ---- a row arrives
 * ---------------------------------------------------------------------------------------------------------- */

/* A session no longer exists for this step: it has left, or its retention is over. */
static bool is_gone(const session_op *s, const session *x)
{
    return x->emitted || x->end < s->stream_time - s->w->retention;
}

/* Removes a session that was merged, with its tombstone. */
static bool remove_merged(session_op *s, sessions *b, uint32_t i, str key, bool tombstone, chunk *c, uint32_t row)
{
    session *x = b->items[i];
    bool ok = true;
    if (tombstone && s->every) {
        str old = s->needs_old ? result_bytes(s, x, c->mem) : (str){0};
        ok = put_row(s, c->mem, key, x->start, x->end, NULL, s->needs_old ? &old : NULL, c->partition[row],
                     c->offset[row]);
    }
    if (!s->every && !s->final) wait_for_commit(s, key, x->start, x->end, x, c, row);
    memmove(b->items + i, b->items + i + 1, (b->count - i - 1) * sizeof *b->items);
    b->count--;
    session_free(&s->g, x);
    return ok;
}

static void merge_group(session_op *s, group *into, group *from, const chunk *c, uint32_t row)
{
    for (int i = 0; i < s->g.count; i++) {
        const group_call *call = &s->g.calls[i];
        const char *why = NULL;
        if (!call->agg->class->merge(call->agg, (char *)into + call->at, (char *)from + call->at, &why))
            op_report(&s->head, PROCLOG_RECORD, c, row, str_z(why));
    }
    if (from->carried && !into->carried) {
        into->carried = from->carried;
        into->carried_n = from->carried_n;
        from->carried = NULL;
    }
}

static bool arrive(session_op *s, chunk *c, uint32_t row)
{
    int64_t ts = c->rowtime[row], gap = s->w->size;
    if (ts > s->stream_time) s->stream_time = ts;
    buf_clear(&s->key);
    key_encode(c->cols, c->schema->key_count, row, &s->key);
    str key = buf_str(&s->key);
    sessions *b = store_get(s->st, key, 0, store_hash(key, 0));
    int64_t start = ts, end = ts;
    for (uint32_t i = 0; b && i < b->count; i++) {
        const session *x = b->items[i];
        if (is_gone(s, x) || x->end < ts - gap || x->start > ts + gap) continue;
        if (x->start < start) start = x->start;
        if (x->end > end) end = x->end;
    }
    if (end < s->stream_time - s->w->grace - gap) {
        s->head.stats.late++;
        return true;
    }
    bool created;
    b = store_upsert(s->st, key, 0, store_hash(key, 0), &created);
    session *fresh = session_new(&s->g, start, end);
    group_init(&s->g, group_of(fresh));
    group_of(fresh)->rowtime = INT64_MIN;
    /* A session that is just this moment and stays it is replaced without a tombstone (KStreamSessionWindowAggregate).
     */
    bool tombstone = start != ts || end != ts, ok = true, had = false;
    str old = {0};
    for (uint32_t i = 0; i < b->count;) {
        session *x = b->items[i];
        if (is_gone(s, x) || x->end < ts - gap || x->start > ts + gap) {
            i++;
            continue;
        }
        merge_group(s, group_of(fresh), group_of(x), c, row);
        if (s->every && !tombstone && s->needs_old) {
            old = arena_str(c->mem, result_bytes(s, x, c->mem));
            had = true;
        }
        ok = remove_merged(s, b, i, key, tombstone, c, row) && ok;
    }
    group_add(&s->g, group_of(fresh), c, row, false);
    group_follow(&s->g, group_of(fresh), c, row);
    group_of(fresh)->rowtime = end;
    if (!s->every && !s->final) wait_for_commit(s, key, start, end, NULL, c, row);
    add_item(b, fresh);
    if (s->every)
        ok = ok && put_row(s, c->mem, key, start, end, fresh, had ? &old : NULL, c->partition[row], c->offset[row]);
    if (s->final) heap_add(s, key, fresh);
    return ok;
}

/* Looks at all keys when stream time has moved a quarter of the retention, and drops what is beyond it. */
static void sweep(session_op *s)
{
    if (s->swept != INT64_MIN && s->stream_time - s->swept <= s->w->retention / 4) return;
    s->swept = s->stream_time;
    store_iter it = {0};
    sessions *gone[256];
    uint32_t n = 0;
    for (sessions *b; n < ARRAY_LEN(gone) && (b = store_next(s->st, &it)) != NULL;) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < b->count; i++) {
            if (b->items[i]->end < s->stream_time - s->w->retention - 1)
                session_free(&s->g, b->items[i]);
            else
                b->items[kept++] = b->items[i];
        }
        if (kept < b->count) store_touch(s->st, b);
        b->count = kept;
        if (kept == 0) gone[n++] = b;
    }
    /* Deleting moves entries of the table, so it comes after the walk; what the array cannot hold is found next time.
     */
    for (uint32_t i = 0; i < n; i++) {
        str key = store_key_of(s->st, gone[i]);
        store_delete(s->st, key, 0, store_hash(key, 0));
    }
    if (n == ARRAY_LEN(gone)) s->swept = INT64_MIN;
}

/* EMIT FINAL: the sessions that the last run left; those that were closed by its time have been emitted. */
static void load_heap(session_op *s)
{
    store_iter it = {0};
    for (sessions *b; (b = store_next(s->st, &it)) != NULL;) {
        for (uint32_t i = 0; i < b->count; i++) {
            session *x = b->items[i];
            x->emitted = x->end < s->stream_time - s->w->size - s->w->grace;
            if (!x->emitted) heap_add(s, store_key_of(s->st, b), x);
        }
    }
}

static bool session_push(op *o, int side, chunk *c)
{
    session_op *s = self(o);
    /* The saved stream time is known only now. */
    if (s->final && !s->loaded && s->stream_time != INT64_MIN) load_heap(s);
    s->loaded = true;
    groups_arguments(&s->g, c, false);
    bool ok = true;
    store_lock(s->st);
    for (uint32_t k = 0; ok && k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (c->flags[row] & (ROW_KEY_NULL | ROW_VALUE_NULL)) continue;
        ok = arrive(s, c, row) && (!s->final || emit_closed(s, c, row));
    }
    /* With changes that wait the sessions are needed until the commit. */
    if (s->wait_count == 0) sweep(s);
    store_unlock(s->st);
    return ok && emit_out(s);
}

static bool session_view(const op *o, const void *state, uint32_t i, chunk *c, uint32_t row)
{
    const session_op *s = container_of(o, const session_op, head);
    const sessions *b = state;
    if (i >= b->count) return false;
    c->rowtime[row] = c->window_end[row] = b->items[i]->end;
    c->window_start[row] = b->items[i]->start;
    group_result(&s->g, group_of(b->items[i]), c->cols, row, c->mem);
    return true;
}

static void session_close(op *o)
{
    session_op *s = self(o);
    store_close(s->st);
    for (uint32_t i = 0; i < s->wait_count; i++) {
        free((void *)(uintptr_t)s->waits[i].key.p);
        free(s->waits[i].old);
    }
    for (uint32_t i = 0; i < s->heap_count; i++) free((void *)(uintptr_t)s->heap[i].key.p);
    free(s->waits);
    free(s->heap);
    map_free(&s->wait_index);
    buf_free(&s->key);
    buf_free(&s->name);
    buf_free(&s->old);
    groups_close(&s->g);
}

static const op_class session_class = {
    .name = "AGGREGATE", .push = session_push, .flush = session_flush, .view = session_view, .close = session_close};

op *session_open(op_env *env, const plan *p, op *next, int side)
{
    session_op *s = ARENA_NEW(env->life, session_op);
    op_init(&s->head, &session_class, env, p, next, side);
    s->w = &p->aggregate.window;
    s->final = next->step->kind == PLAN_SUPPRESS;
    s->every = env->emit_every && !s->final;
    s->needs_old = op_needs_old(&s->head);
    s->stream_time = s->swept = INT64_MIN;
    s->value_count = p->schema->count - p->schema->key_count;
    s->value_cols = ARENA_ARRAY(env->life, int, (size_t)s->value_count + 1);
    for (int i = 0; i < s->value_count; i++) s->value_cols[i] = p->schema->key_count + i;
    s->head.numbers[s->head.number_count++] = &s->stream_time;
    if (!groups_bind(&s->g, &s->head)) return NULL;
    store_column *columns =
        ARENA_ARRAY(env->life, store_column, (size_t)p->aggregate.carried_count + (size_t)s->g.count + 1);
    int n = group_columns(&s->g, columns);
    s->g.keep.spec.state_size = sizeof(sessions);
    s->g.keep.spec.codec = (store_codec){
        .bucket_count = item_count, .bucket_row = item_row, .bucket_add = item_add, .release = item_release};
    char detail[128];
    snprintf(detail, sizeof detail, "sessions(gap %lld grace %lld)", (long long)s->w->size, (long long)s->w->grace);
    s->st = keep_open(&s->g.keep, &s->head, "-Materialize", p->schema, false, STORE_BUCKET, columns, n, detail);
    if (!s->st) return NULL;
    return &s->head;
}
