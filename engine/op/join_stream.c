/*
 * engine/op/join_stream.c - stream-stream joins within a time window (reference J1 to J4, J13, J16).
 *
 * Each side keeps its rows by key and time. A row is kept, then meets the rows of the other side that lie within the
 * window. In an outer join a row without a partner gives its NULLs at once when GRACE was not given or the window has
 * closed already; otherwise it waits, and leaves when stream time (of both sides) has passed its window and grace.
 */
#include <stdlib.h>

#include "engine/op/bucket.h"
#include "engine/op/join.h"

/* A row of an outer join that may still find a partner; ordered by time, then right before left, then key. */
typedef struct waiting {
    int64_t time, seq;
    int side;
    str key; /* on the heap */
} waiting;

typedef struct join_stream {
    join j;
    buckets sides[2];
    int64_t before, after, grace; /* of the left side; grace 0 when not given */
    bool eager; /* GRACE was not given */
    int64_t stream_time; /* of both sides */
    waiting *heap;
    uint32_t heap_count, heap_cap;
} join_stream;

/* ---- rows that wait -------------------------------------------------------------------------------------------------
 */

static bool earlier(const waiting *a, const waiting *b)
{
    if (a->time != b->time) return a->time < b->time;
    if (a->side != b->side) return a->side > b->side;
    int c = str_cmp(a->key, b->key);
    return c != 0 ? c < 0 : a->seq < b->seq;
}

static void heap_swap(join_stream *s, uint32_t a, uint32_t b)
{
    waiting w = s->heap[a];
    s->heap[a] = s->heap[b];
    s->heap[b] = w;
}

static void heap_add(join_stream *s, int side, str key, const bucket_item *x)
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
    s->heap[i] = (waiting){x->time, x->seq, side, str_of(copy, key.n)};
    for (; i > 0 && earlier(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2) heap_swap(s, i, (i - 1) / 2);
}

static waiting heap_take(join_stream *s)
{
    waiting first = s->heap[0];
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

/* The item that an entry of the heap stands for, while it still waits. */
static bucket_item *waiting_item(join_stream *s, const waiting *w, bucket **in)
{
    bucket *k = *in = buckets_get(&s->sides[w->side], w->key);
    if (!k) return NULL;
    for (uint32_t i = bucket_lower(k, w->time); i < k->count && k->items[i].time == w->time; i++) {
        if (k->items[i].seq == w->seq) return k->items[i].waits ? &k->items[i] : NULL;
    }
    return NULL;
}

/* A stored row with NULLs on the other side. */
static bool emit_alone(join_stream *s, const waiting *w, const bucket_item *x, const chunk *c, uint32_t row)
{
    join *j = &s->j;
    uint32_t r = join_row(j, c, row);
    if (r == UINT32_MAX) return false;
    str key = w->key;
    if (j->out->window_start) {
        reader in = reader_of(key.p, key.n);
        j->out->window_start[r] = read_i64(&in);
        j->out->window_end[r] =
            j->in[0]->window == WINDOW_SESSION ? read_i64(&in) : j->out->window_start[r] + j->in[0]->window_size;
        key = str_of((const char *)in.p, reader_left(&in));
    }
    check(key_decode(arena_str(c->mem, key), j->out->cols, j->in[0]->key_count, r, c->mem));
    j->out->rowtime[r] = w->time;
    j->out->flags[r] = ROW_OLD_NULL;
    if (j->out->headers) j->out->headers[r] = NULL;
    join_put_bytes(j, w->side, arena_str(c->mem, str_of(x->bytes, x->n)), r, false, c->mem);
    return true;
}

/* Lets go of the rows whose window and grace are over; `row` is the one that moved the time. */
static bool emit_waiting(join_stream *s, const chunk *c, uint32_t row)
{
    /* A row of the side that reaches less far may be due behind one that is not yet. */
    int64_t narrow = s->after > s->before ? s->before : s->after;
    waiting *kept = NULL;
    uint32_t kept_count = 0, kept_cap = 0;
    bool ok = true;
    while (ok && s->heap_count > 0 && s->heap[0].time + narrow + s->grace < s->stream_time) {
        waiting w = heap_take(s);
        bucket *k;
        bucket_item *x = waiting_item(s, &w, &k);
        int64_t reach = w.side == 0 ? s->after : s->before;
        if (x && w.time + reach + s->grace >= s->stream_time) {
            if (kept_count == kept_cap) {
                kept_cap = kept_cap ? kept_cap * 2 : 16;
                kept = realloc(kept, kept_cap * sizeof *kept);
                check(kept != NULL);
            }
            kept[kept_count++] = w;
            continue;
        }
        if (x) {
            ok = emit_alone(s, &w, x, c, row);
            x->waits = false;
            buckets_touch(&s->sides[w.side], k);
        }
        free((void *)(uintptr_t)w.key.p);
    }
    for (uint32_t i = 0; i < kept_count; i++) {
        bucket_item x = {.time = kept[i].time, .seq = kept[i].seq};
        heap_add(s, kept[i].side, kept[i].key, &x);
        free((void *)(uintptr_t)kept[i].key.p);
    }
    free(kept);
    return ok;
}

/* ---- a row arrives
 * ---------------------------------------------------------------------------------------------------- */

static bool emit_pair(join_stream *s, int side, const chunk *c, uint32_t row, const bucket_item *x)
{
    join *j = &s->j;
    uint32_t r = join_row(j, c, row);
    if (r == UINT32_MAX) return false;
    if (x && x->time > j->out->rowtime[r]) j->out->rowtime[r] = x->time;
    join_put(j, side, c->cols, c, row, r, false);
    if (x) join_put_bytes(j, 1 - side, arena_str(c->mem, str_of(x->bytes, x->n)), r, false, c->mem);
    return true;
}

static bool arrive(join_stream *s, int side, chunk *c, uint32_t row)
{
    join *j = &s->j;
    bool outer = side == 0 ? j->keep_left : j->keep_right;
    if (c->flags[row] & ROW_VALUE_NULL) return true;
    /* A row without a key meets nobody; an outer join shows it (Kafka 3.7 and later). */
    if (c->flags[row] & ROW_KEY_NULL) return !outer || emit_pair(s, side, c, row, NULL);
    int64_t ts = c->rowtime[row];
    str key = join_key(j, c, row);
    bucket_item *mine = buckets_put(&s->sides[side], key, c, row);
    if (ts > s->stream_time) s->stream_time = ts;
    if (!emit_waiting(s, c, row)) return false;
    key = join_key(j, c, row);

    int64_t back = side == 0 ? s->before : s->after, ahead = side == 0 ? s->after : s->before;
    int64_t from = ts - back > 0 ? ts - back : 0, to = ts + ahead > 0 ? ts + ahead : 0;
    buckets *other = &s->sides[1 - side];
    bucket *k = buckets_get(other, key);
    bool met = false;
    for (uint32_t i = k ? bucket_lower(k, from) : 0; k && i < k->count && k->items[i].time <= to; i++) {
        bucket_item *x = &k->items[i];
        if (buckets_expired(other, x->time)) continue;
        met = true;
        if (x->waits) {
            x->waits = false;
            buckets_touch(other, k);
        }
        if (!emit_pair(s, side, c, row, x)) return false;
    }
    if (met || !outer) return true;
    if (s->eager || !mine || to < s->stream_time) return emit_pair(s, side, c, row, NULL);
    mine->waits = true;
    heap_add(s, side, key, mine);
    return true;
}

static bool join_stream_push(op *o, int side, chunk *c)
{
    join_stream *s = (join_stream *)o;
    bool ok = true;
    for (int i = 0; i < 2; i++) store_lock(s->sides[i].st);
    for (uint32_t k = 0; ok && k < c->count; k++) ok = arrive(s, side, c, chunk_row(c, k));
    for (int i = 0; i < 2; i++) buckets_expire(&s->sides[i]);
    for (int i = 2; i-- > 0;) store_unlock(s->sides[i].st);
    return ok && join_emit(&s->j);
}

static void join_stream_close(op *o)
{
    join_stream *s = (join_stream *)o;
    for (int i = 0; i < 2; i++) {
        if (s->sides[i].st) buckets_close(&s->sides[i]);
    }
    for (uint32_t i = 0; i < s->heap_count; i++) free((void *)(uintptr_t)s->heap[i].key.p);
    free(s->heap);
    join_close(&s->j);
}

static const op_class join_stream_class = {.name = "JOIN", .push = join_stream_push, .close = join_stream_close};

op *join_stream_open(op_env *env, const plan *p, op *next, int side)
{
    join_stream *s = ARENA_NEW(env->life, join_stream);
    join_init(&s->j, &join_stream_class, env, p, next, side);
    s->before = p->join.before;
    s->after = p->join.after;
    s->eager = p->join.grace < 0;
    s->grace = s->eager ? 0 : p->join.grace;
    s->stream_time = INT64_MIN;
    /* Reference M5: without GRACE rows are kept as if it were a day less the window. */
    int64_t day = 86400000, kept = s->eager ? day - 2 * s->before : s->grace;
    int64_t retention = s->before + s->after + (kept > 0 ? kept : 0);
    op *o = &s->j.base;
    for (int i = 0; i < 2; i++) {
        if (!buckets_open(&s->sides[i], o, i == 0 ? "-left" : "-right", s->j.in[i], retention)) return NULL;
        o->numbers[o->number_count++] = &s->sides[i].observed;
        store_iter it = {0};
        for (bucket *k; (k = store_next(s->sides[i].st, &it)) != NULL;) {
            for (uint32_t n = 0; n < k->count; n++) {
                if (k->items[n].waits) heap_add(s, i, store_key_of(s->sides[i].st, k), &k->items[n]);
            }
        }
    }
    o->numbers[o->number_count++] = &s->stream_time;
    return o;
}
