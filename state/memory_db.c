/*
 * state/memory_db.c - a query's database in memory: what tests and `weir test` commit to.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/map.h"
#include "state/store.h"

/* A kept row and where it belongs. */
typedef struct kept {
    str store;
    int32_t partition;
    store_row row;
} kept;

typedef struct memory_db {
    store_db base;
    arena *mem; /* everything that was ever committed; compacted by nobody, as such databases are small */
    map rows; /* composed key -> kept */
    map prints; /* store name -> fingerprint */
    store_state state;
    buf key;
} memory_db;

static str compose(memory_db *db, str name, int32_t partition, const store_row *r)
{
    buf_clear(&db->key);
    buf_add_str(&db->key, name);
    buf_printf(&db->key, "/%d/%lld/%lld/%lld/", partition, (long long)r->window_start, (long long)r->time,
               (long long)r->seq);
    buf_add_str(&db->key, r->key);
    return buf_str(&db->key);
}

static bool memory_load(store_db *base, arena *a, store_state *out, diag *d)
{
    *out = ((memory_db *)base)->state;
    return true;
}

static bool memory_open_store(store_db *base, const store_spec *spec, int32_t partition, bool *has_rows, diag *d)
{
    memory_db *db = (memory_db *)base;
    str *print = map_get(&db->prints, spec->name);
    if (print && !str_eq(*print, spec->fingerprint))
        return diag_set(d, DIAG_STATE, "the stored state of %.*s was made by another plan: %.*s, now %.*s",
                        STR_ARG(spec->name), STR_ARG(*print), STR_ARG(spec->fingerprint));
    if (!print) {
        print = ARENA_NEW(db->mem, str);
        *print = arena_str(db->mem, spec->fingerprint);
        map_put(&db->prints, spec->name, print);
    }
    *has_rows = map_count(&db->rows) > 0;
    return true;
}

static int compare_kept(const void *x, const void *y)
{
    const kept *a = *(kept *const *)x, *b = *(kept *const *)y;
    if (a->row.window_start != b->row.window_start) return a->row.window_start < b->row.window_start ? -1 : 1;
    int c = str_cmp(a->row.key, b->row.key);
    if (c != 0) return c;
    if (a->row.time != b->row.time) return a->row.time < b->row.time ? -1 : 1;
    return a->row.seq < b->row.seq ? -1 : a->row.seq > b->row.seq;
}

static bool memory_scan(store_db *base, const store_spec *spec, int32_t partition, int64_t first, int64_t last,
                        bool (*found)(void *ctx, const store_row *row), void *ctx, diag *d)
{
    memory_db *db = (memory_db *)base;
    kept **list = calloc(map_count(&db->rows) + 1, sizeof *list);
    check(list != NULL);
    size_t n = 0;
    void *v;
    for (size_t it = 0; map_next(&db->rows, &it, NULL, &v);) {
        kept *k = v;
        if (k->partition == partition && str_eq(k->store, spec->name) && k->row.window_start >= first &&
            k->row.window_start <= last)
            list[n++] = k;
    }
    qsort(list, n, sizeof *list, compare_kept);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        if (!found(ctx, &list[i]->row))
            ok = diag_set(d, DIAG_CORRUPT, "a stored row of %.*s does not fit its columns", STR_ARG(spec->name));
    }
    free(list);
    return ok;
}

static bool memory_read(store_db *base, const store_spec *spec, int32_t partition, const store_row *keys,
                        uint32_t count, bool (*found)(void *ctx, const store_row *row), void *ctx, diag *d)
{
    memory_db *db = (memory_db *)base;
    check(spec->shape != STORE_BUCKET); /* stores over this database are loaded whole */
    for (uint32_t i = 0; i < count; i++) {
        kept *k = map_get(&db->rows, compose(db, spec->name, partition, &keys[i]));
        if (k && !found(ctx, &k->row))
            return diag_set(d, DIAG_CORRUPT, "a stored row of %.*s does not fit its columns", STR_ARG(spec->name));
    }
    return true;
}

/* Passes on the starts of the windows that come by, each once. */
typedef struct starts {
    bool (*found)(void *ctx, int64_t start);
    void *ctx;
    bool any;
    int64_t last;
} starts;

static bool note_start(void *ctx, const store_row *row)
{
    starts *x = ctx;
    if (x->any && x->last == row->window_start) return true;
    x->any = true;
    x->last = row->window_start;
    return x->found(x->ctx, row->window_start);
}

static bool memory_windows(store_db *base, const store_spec *spec, int32_t partition,
                           bool (*found)(void *ctx, int64_t start), void *ctx, diag *d)
{
    starts x = {.found = found, .ctx = ctx};
    return memory_scan(base, spec, partition, INT64_MIN, INT64_MAX, note_start, &x, d);
}

/* Removes the rows of a store that a test accepts. */
static void remove_where(memory_db *db, str store_name, int32_t partition, bool (*gone)(const kept *k, const void *arg),
                         const void *arg)
{
    void *v;
    str key;
    for (size_t it = 0; map_next(&db->rows, &it, &key, &v);) {
        kept *k = v;
        if (k->partition == partition && str_eq(k->store, store_name) && gone(k, arg)) map_remove(&db->rows, key);
    }
}

static bool is_expired(const kept *k, const void *arg)
{
    return k->row.window_start < *(const int64_t *)arg;
}

static bool is_key(const kept *k, const void *arg)
{
    return str_eq(k->row.key, *(const str *)arg);
}

static void save_row(memory_db *db, const store_spec *spec, int32_t partition, const store_row *r)
{
    if (r->deleted) {
        if (spec->shape == STORE_BUCKET) {
            remove_where(db, spec->name, partition, is_key, &r->key);
        } else {
            store_row plain = *r;
            plain.time = 0;
            map_remove(&db->rows, compose(db, spec->name, partition, &plain));
        }
        return;
    }
    kept *k = ARENA_NEW(db->mem, kept);
    k->store = arena_str(db->mem, spec->name);
    k->partition = partition;
    k->row = *r;
    k->row.key = arena_str(db->mem, r->key);
    cell *cells = ARENA_ARRAY(db->mem, cell, (size_t)spec->column_count + 1);
    for (int i = 0; i < spec->column_count; i++) {
        cells[i] = r->cells[i];
        if (cells[i].kind == CELL_TEXT || cells[i].kind == CELL_BLOB) cells[i].s = arena_str(db->mem, cells[i].s);
    }
    k->row.cells = cells;
    map_put(&db->rows, compose(db, spec->name, partition, r), k);
}

static bool memory_commit(store_db *base, const store_commit *c, diag *d)
{
    memory_db *db = (memory_db *)base;
    for (int i = 0; i < c->store_count; i++) {
        store *s = c->stores[i];
        const store_spec *spec = store_get_spec(s);
        store_row r;
        for (uint64_t it = 0; store_frozen_next(s, &it, &r);) save_row(db, spec, store_partition(s), &r);
        int64_t expired = store_frozen_expired(s);
        if (expired != INT64_MIN) remove_where(db, spec->name, store_partition(s), is_expired, &expired);
    }
    store_input *inputs = ARENA_ARRAY(db->mem, store_input, (size_t)c->input_count + 1);
    if (c->input_count > 0) memcpy(inputs, c->inputs, (size_t)c->input_count * sizeof *inputs);
    store_output *outputs = ARENA_ARRAY(db->mem, store_output, (size_t)c->output_count + 1);
    for (int i = 0; i < c->output_count; i++) {
        outputs[i] = c->outputs[i];
        outputs[i].topic = arena_str(db->mem, c->outputs[i].topic);
    }
    store_number *numbers = ARENA_ARRAY(db->mem, store_number, (size_t)c->number_count + 1);
    for (int i = 0; i < c->number_count; i++) {
        numbers[i] = c->numbers[i];
        numbers[i].name = arena_str(db->mem, c->numbers[i].name);
    }
    db->state =
        (store_state){c->generation, inputs, c->input_count, outputs, c->output_count, numbers, c->number_count};
    return true;
}

static void memory_close(store_db *base)
{
    memory_db *db = (memory_db *)base;
    map_free(&db->rows);
    map_free(&db->prints);
    buf_free(&db->key);
    arena_free(db->mem);
    free(db);
}

store_db *store_memory_db(void)
{
    static const store_db_ops ops = {
        .load = memory_load,
        .open_store = memory_open_store,
        .read = memory_read,
        .scan = memory_scan,
        .windows = memory_windows,
        .commit = memory_commit,
        .close = memory_close,
    };
    memory_db *db = calloc(1, sizeof *db);
    check(db != NULL);
    db->base.ops = &ops;
    db->mem = arena_new();
    return &db->base;
}
