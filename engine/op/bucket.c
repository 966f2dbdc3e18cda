#include "engine/op/bucket.h"

#include <stdlib.h>

static void *grow(void *p, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap) return p;
    uint32_t n = *cap ? *cap * 2 : 4;
    p = realloc(p, n * size);
    check(p != NULL);
    *cap = n;
    return p;
}

/* ---- codec ----------------------------------------------------------------------------------------------------- */

static uint32_t item_count(void *ctx, const void *state)
{
    return ((const bucket *)state)->count;
}

static void item_row(void *ctx, const void *state, uint32_t i, int64_t *time, int64_t *seq, cell *out, arena *mem)
{
    buckets *b = ctx;
    const bucket_item *x = &((const bucket *)state)->items[i];
    *time = x->time;
    *seq = x->seq;
    reader r = reader_of(x->bytes, x->n);
    for (int k = 0; k < b->count; k++) {
        const type *t = b->schema->columns[b->columns[k]].type;
        value v;
        check(value_decode(&r, t, &v, mem));
        out[k] = cell_of_value(t, v, mem);
    }
    out[b->count] = (cell){.kind = CELL_INTEGER, .i = x->waits};
}

static bucket_item *insert_item(bucket *k, int64_t time, int64_t seq, const buf *bytes)
{
    k->items = grow(k->items, &k->cap, k->count + 1, sizeof *k->items);
    uint32_t at = k->count;
    while (at > 0 && (k->items[at - 1].time > time || (k->items[at - 1].time == time && k->items[at - 1].seq > seq)))
        at--;
    memmove(k->items + at + 1, k->items + at, (k->count - at) * sizeof *k->items);
    k->count++;
    bucket_item *x = &k->items[at];
    *x = (bucket_item){.time = time, .seq = seq, .bytes = malloc(bytes->len + 1), .n = (uint32_t)bytes->len};
    check(x->bytes != NULL);
    memcpy(x->bytes, bytes->data, bytes->len);
    return x;
}

static bool item_add(void *ctx, void *state, int64_t time, int64_t seq, const cell *row)
{
    buckets *b = ctx;
    arena *mem = arena_new();
    buf_clear(&b->scratch);
    bool ok = row[b->count].kind == CELL_INTEGER;
    for (int i = 0; ok && i < b->count; i++) {
        const type *t = b->schema->columns[b->columns[i]].type;
        value v;
        ok = cell_to_value(&row[i], t, &v, mem);
        if (ok) value_encode(t, v, &b->scratch);
    }
    buf_reserve(&b->scratch, 1);
    if (ok) insert_item(state, time, seq, &b->scratch)->waits = row[b->count].i != 0;
    arena_free(mem);
    return ok;
}

static void item_release(void *ctx, void *state)
{
    bucket *k = state;
    for (uint32_t i = 0; i < k->count; i++) free(k->items[i].bytes);
    free(k->items);
    *k = (bucket){0};
}

/* ---- segments ------------------------------------------------------------------------------------------------------
 */

static int64_t segment_span(const buckets *b)
{
    return b->retention / 4 > 0 ? b->retention / 4 : 1;
}

/* Notes that a bucket has a row of that time. */
static void note_segment(buckets *b, bucket *k, int64_t time)
{
    int64_t width = segment_span(b), start = time - ((time % width) + width) % width;
    uint32_t i = b->segment_count;
    while (i > 0 && b->segments[i - 1].start > start) i--;
    if (i == 0 || b->segments[i - 1].start != start) {
        b->segments = grow(b->segments, &b->segment_cap, b->segment_count + 1, sizeof *b->segments);
        memmove(b->segments + i + 1, b->segments + i, (b->segment_count - i) * sizeof *b->segments);
        b->segments[i] = (bucket_segment){.start = start};
        b->segment_count++;
        i++;
    }
    bucket_segment *s = &b->segments[i - 1];
    if (s->count > 0 && s->buckets[s->count - 1] == k) return;
    s->buckets = grow(s->buckets, &s->cap, s->count + 1, sizeof *s->buckets);
    s->buckets[s->count++] = k;
    k->refs++;
}

/* One millisecond more than what no longer exists: a row that waits is due by then, whatever the window. */
static bool is_garbage(const buckets *b, int64_t time)
{
    return buckets_expired(b, time + 1);
}

static void drop_old_items(buckets *b, bucket *k)
{
    uint32_t n = 0;
    while (n < k->count && is_garbage(b, k->items[n].time)) free(k->items[n++].bytes);
    if (n == 0) return;
    memmove(k->items, k->items + n, (k->count - n) * sizeof *k->items);
    k->count -= n;
    store_touch(b->st, k);
}

void buckets_expire(buckets *b)
{
    uint32_t done = 0;
    int64_t width = segment_span(b);
    while (done < b->segment_count && is_garbage(b, b->segments[done].start + width - 1)) {
        bucket_segment *s = &b->segments[done++];
        for (uint32_t i = 0; i < s->count; i++) {
            bucket *k = s->buckets[i];
            drop_old_items(b, k);
            if (--k->refs > 0 || k->count > 0) continue;
            str key = store_key_of(b->st, k);
            store_delete(b->st, key, 0, store_hash(key, 0));
        }
        free(s->buckets);
    }
    if (done == 0) return;
    memmove(b->segments, b->segments + done, (b->segment_count - done) * sizeof *b->segments);
    b->segment_count -= done;
}

/* ---- rows
 * ------------------------------------------------------------------------------------------------------------ */

bool buckets_open(buckets *b, op *o, const char *suffix, const schema *s, int64_t retention)
{
    arena *a = o->env->life;
    b->schema = s;
    b->retention = retention;
    b->observed = INT64_MIN;
    b->columns = ARENA_ARRAY(a, int, (size_t)s->count + 1);
    store_column *columns = ARENA_ARRAY(a, store_column, (size_t)s->count + 1);
    for (int i = s->key_count; i < s->count; i++) {
        columns[b->count] = (store_column){s->columns[i].name, cell_kind_of(s->columns[i].type)};
        b->columns[b->count++] = i;
    }
    columns[b->count] = (store_column){STR("WAITS"), CELL_INTEGER};
    b->keep.spec.state_size = sizeof(bucket);
    b->keep.spec.codec = (store_codec){
        .bucket_count = item_count, .bucket_row = item_row, .bucket_add = item_add, .release = item_release};
    /* A windowed key carries its window in front of the columns: only the bytes are the key then. */
    b->st = keep_open(&b->keep, o, suffix, s, true, STORE_BUCKET, columns, b->count + 1, "join side");
    if (!b->st) return false;
    store_iter it = {0};
    for (bucket *k; (k = store_next(b->st, &it)) != NULL;) {
        for (uint32_t i = 0; i < k->count; i++) {
            note_segment(b, k, k->items[i].time);
            if (k->items[i].seq >= b->seq) b->seq = k->items[i].seq + 1;
        }
    }
    return true;
}

void buckets_close(buckets *b)
{
    store_close(b->st);
    for (uint32_t i = 0; i < b->segment_count; i++) free(b->segments[i].buckets);
    free(b->segments);
    buf_free(&b->scratch);
}

bucket_item *buckets_put(buckets *b, str key, const chunk *c, uint32_t row)
{
    int64_t time = c->rowtime[row];
    if (time > b->observed) b->observed = time;
    if (buckets_expired(b, time)) return NULL;
    bool created;
    bucket *k = store_upsert(b->st, key, 0, store_hash(key, 0), &created);
    buf_clear(&b->scratch);
    row_encode(c->cols, b->columns, b->count, row, &b->scratch);
    buf_reserve(&b->scratch, 1);
    note_segment(b, k, time);
    return insert_item(k, time, b->seq++, &b->scratch);
}

bucket *buckets_get(buckets *b, str key)
{
    return store_get(b->st, key, 0, store_hash(key, 0));
}

uint32_t bucket_lower(const bucket *k, int64_t time)
{
    uint32_t lo = 0, hi = k->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (k->items[mid].time < time)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void buckets_touch(buckets *b, bucket *k)
{
    store_touch(b->st, k);
}
