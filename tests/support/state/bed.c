#include "tests/support/state/bed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

cell bed_int(int64_t i)
{
    return (cell){.kind = CELL_INTEGER, .i = i};
}

cell bed_real(double v)
{
    return (cell){.kind = CELL_REAL, .d = v};
}

cell bed_text(const char *p, size_t n)
{
    return (cell){.kind = CELL_TEXT, .s = str_of(p, n)};
}

cell bed_blob(const char *p, size_t n)
{
    return (cell){.kind = CELL_BLOB, .s = str_of(p, n)};
}

bool bed_same(const cell *a, const cell *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case CELL_NULL: return true;
    case CELL_INTEGER: return a->i == b->i;
    case CELL_REAL: return memcmp(&a->d, &b->d, 8) == 0;
    default: return str_eq(a->s, b->s);
    }
}

/* ---- codec ----------------------------------------------------------------------------------------------- */

static void own(cell *out, const cell *in)
{
    *out = *in;
    if (in->kind != CELL_TEXT && in->kind != CELL_BLOB) return;
    char *p = malloc(in->s.n + 1);
    ck_assert_ptr_nonnull(p);
    if (in->s.n > 0) memcpy(p, in->s.p, in->s.n);
    out->s = str_of(p, in->s.n);
}

void bed_drop(cell *c)
{
    if (c->kind == CELL_TEXT || c->kind == CELL_BLOB) free((void *)(uintptr_t)c->s.p);
    *c = (cell){0};
}

static void key_cells(void *ctx, str key, cell *out, arena *mem)
{
    ck_assert_uint_ge(key.n, 8);
    out[0] = bed_int((int64_t)(load_be64(key.p) ^ (UINT64_C(1) << 63)));
    out[1] = bed_text(key.p + 8, key.n - 8);
}

static bool key_bytes(void *ctx, const cell *cells, buf *out)
{
    if (cells[0].kind != CELL_INTEGER || cells[1].kind != CELL_TEXT) return false;
    char id[8];
    store_be64(id, (uint64_t)cells[0].i ^ (UINT64_C(1) << 63));
    buf_add(out, id, 8);
    buf_add_str(out, cells[1].s);
    return true;
}

static void encode(void *ctx, const void *state, cell *out, arena *mem)
{
    memcpy(out, ((const bed_state *)state)->cells, sizeof(cell) * BED_CELLS);
}

static bool decode(void *ctx, const cell *row, void *state)
{
    ((bed *)ctx)->decoded++;
    for (int i = 0; i < BED_CELLS; i++) own(&((bed_state *)state)->cells[i], &row[i]);
    return true;
}

static void release(void *ctx, void *state)
{
    for (int i = 0; i < BED_CELLS; i++) bed_drop(&((bed_state *)state)->cells[i]);
}

static size_t held(void *ctx, const void *state)
{
    const cell *c = &((const bed_state *)state)->cells[2];
    return c->kind == CELL_TEXT || c->kind == CELL_BLOB ? c->s.n : 0;
}

static uint32_t bucket_count(void *ctx, const void *state)
{
    return ((const bed_bucket *)state)->count;
}

static void bucket_row(void *ctx, const void *state, uint32_t i, int64_t *time, int64_t *seq, cell *out, arena *mem)
{
    const bed_item *x = &((const bed_bucket *)state)->items[i];
    *time = x->time;
    *seq = x->seq;
    memcpy(out, x->cells, sizeof x->cells);
}

static bool bucket_add(void *ctx, void *state, int64_t time, int64_t seq, const cell *row)
{
    bed_bucket *k = state;
    ((bed *)ctx)->decoded++;
    k->items = realloc(k->items, (k->count + 1) * sizeof *k->items);
    ck_assert_ptr_nonnull(k->items);
    bed_item *x = &k->items[k->count++];
    *x = (bed_item){.time = time, .seq = seq};
    for (int i = 0; i < BED_CELLS; i++) own(&x->cells[i], &row[i]);
    return true;
}

static void bucket_release(void *ctx, void *state)
{
    bed_bucket *k = state;
    for (uint32_t i = 0; i < k->count; i++) {
        for (int c = 0; c < BED_CELLS; c++) bed_drop(&k->items[i].cells[c]);
    }
    free(k->items);
}

/* ---- the store ------------------------------------------------------------------------------------------- */

static const store_column keys[] = {{{"ID", 2}, CELL_INTEGER}, {{"NAME", 4}, CELL_TEXT}};
static const store_column columns[] = {{{"A", 1}, CELL_INTEGER}, {{"B", 1}, CELL_REAL}, {{"name", 4}, CELL_TEXT}};

void bed_init(bed *b, store_shape shape, bool key_is_blob)
{
    *b = (bed){.spec = {.name = STR("Test-Store"),
                        .shape = shape,
                        .keys = keys,
                        .key_count = 2,
                        .key_is_blob = key_is_blob,
                        .columns = columns,
                        .column_count = BED_CELLS,
                        .state_size = sizeof(bed_state),
                        .fingerprint = STR("test 1"),
                        .codec = {.ctx = b, .key_cells = key_cells, .key_bytes = key_bytes, .release = release}}};
    if (shape == STORE_BUCKET) {
        b->spec.state_size = sizeof(bed_bucket);
        b->spec.codec.bucket_count = bucket_count;
        b->spec.codec.bucket_row = bucket_row;
        b->spec.codec.bucket_add = bucket_add;
        b->spec.codec.release = bucket_release;
    } else {
        b->spec.codec.encode = encode;
        b->spec.codec.decode = decode;
        b->spec.codec.held = held;
    }
}

void bed_open(bed *b, store_db *db)
{
    diag d = {0};
    b->st = store_open(db, &b->spec, 0, &d);
    ck_assert_msg(b->st != NULL, "%s", d.text);
}

void bed_close(bed *b)
{
    store_close(b->st);
    b->st = NULL;
}

str bed_key(int64_t id, const char *name)
{
    static char turns[4][64];
    static int turn;
    char *p = turns[turn++ % 4];
    store_be64(p, (uint64_t)id ^ (UINT64_C(1) << 63));
    size_t n = strlen(name);
    ck_assert_uint_lt(n, 56);
    memcpy(p + 8, name, n);
    return str_of(p, 8 + n);
}

void bed_put(bed *b, str key, int64_t window, const cell cells[BED_CELLS])
{
    bool created;
    bed_state *s = store_upsert(b->st, key, window, store_hash(key, window), &created);
    release(b, s);
    for (int i = 0; i < BED_CELLS; i++) own(&s->cells[i], &cells[i]);
}

void bed_put_number(bed *b, str key, int64_t window, int64_t number)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%lld", (long long)number);
    const cell cells[BED_CELLS] = {bed_int(number), bed_real((double)number / 2), bed_text(text, (size_t)n)};
    bed_put(b, key, window, cells);
}

void bed_delete(bed *b, str key, int64_t window)
{
    store_delete(b->st, key, window, store_hash(key, window));
}

const cell *bed_get(bed *b, str key, int64_t window)
{
    const bed_state *s = store_get(b->st, key, window, store_hash(key, window));
    return s ? s->cells : NULL;
}

int64_t bed_number(bed *b, str key, int64_t window)
{
    const cell *c = bed_get(b, key, window);
    if (!c) return -1;
    char text[32];
    int n = snprintf(text, sizeof text, "%lld", (long long)c[0].i);
    ck_assert(c[0].kind == CELL_INTEGER && c[1].kind == CELL_REAL && c[2].kind == CELL_TEXT);
    ck_assert_double_eq(c[1].d, (double)c[0].i / 2);
    ck_assert(str_eq(c[2].s, str_of(text, (size_t)n)));
    return c[0].i;
}

bool bed_commit(bed *b, store_db *db, int64_t generation, diag *d)
{
    store_freeze(b->st, generation);
    store *stores[] = {b->st};
    store_commit c = {.generation = generation, .stores = stores, .store_count = 1};
    bool ok = db->ops->commit(db, &c, d);
    if (ok)
        store_decided(b->st, generation);
    else
        store_dropped(b->st, generation);
    return ok;
}
