#include "engine/op/keep.h"

#include <stdlib.h>

static void key_cells(void *ctx, str key, cell *out, arena *mem)
{
    keep *k = ctx;
    value *v = ARENA_ARRAY(mem, value, (size_t)k->key_count + 1);
    /* A windowed key has its window in front of the columns: then the bytes alone are shown. */
    bool readable = key_decode_values(key, k->key_types, k->key_count, v, mem);
    for (int i = 0; i < k->key_count; i++)
        out[i] = readable ? cell_of_value(k->key_types[i], v[i], mem) : (cell){.kind = CELL_NULL};
}

static bool key_bytes(void *ctx, const cell *cells, buf *out)
{
    keep *k = ctx;
    value v[64];
    check(k->key_count <= (int)ARRAY_LEN(v));
    for (int i = 0; i < k->key_count; i++) {
        /* Nested keys are kept as bytes, so nothing here needs memory. */
        if (cells[i].kind == CELL_NULL || !cell_to_value(&cells[i], k->key_types[i], &v[i], NULL)) return false;
    }
    key_encode_values(k->key_types, v, k->key_count, out);
    return true;
}

static str print_fingerprint(arena *a, const keep *k, const char *detail)
{
    static const char *const kinds[] = {"NULL", "INTEGER", "REAL", "TEXT", "BLOB"};
    buf b = {0};
    buf_add_z(&b, detail);
    buf_add_z(&b, " key(");
    for (int i = 0; i < k->key_count; i++) {
        if (i > 0) buf_add_z(&b, ", ");
        type_print(k->key_types[i], &b);
    }
    buf_add_z(&b, ") columns(");
    for (int i = 0; i < k->spec.column_count; i++) {
        const store_column *c = &k->spec.columns[i];
        buf_printf(&b, "%s%.*s %s", i > 0 ? ", " : "", STR_ARG(c->name), kinds[c->kind]);
    }
    buf_add_char(&b, ')');
    str s = arena_str(a, buf_str(&b));
    buf_free(&b);
    return s;
}

store *keep_open(keep *k, op *o, const char *suffix, const schema *s, bool nullable_keys, store_shape shape,
                 const store_column *columns, int column_count, const char *detail)
{
    arena *a = o->env->life;
    k->key_count = s->key_count;
    k->key_types = ARENA_ARRAY(a, const type *, (size_t)s->key_count + 1);
    store_column *keys = ARENA_ARRAY(a, store_column, (size_t)s->key_count + 1);
    bool blob = nullable_keys || s->key_count == 0 || s->key_count > 64;
    for (int i = 0; i < s->key_count; i++) {
        k->key_types[i] = s->columns[i].type;
        keys[i] = (store_column){s->columns[i].name, cell_kind_of(s->columns[i].type)};
        blob = blob || type_is_nested(s->columns[i].type) || s->columns[i].type->kind == TYPE_DOUBLE;
    }
    k->spec.name = arena_printf(a, "%.*s%s", STR_ARG(o->step->context), suffix);
    k->spec.shape = shape;
    k->spec.keys = keys;
    k->spec.key_count = s->key_count;
    k->spec.key_is_blob = blob;
    k->spec.columns = columns;
    k->spec.column_count = column_count;
    k->spec.fingerprint = print_fingerprint(a, k, detail);
    k->spec.codec.ctx = k;
    k->spec.codec.key_cells = key_cells;
    k->spec.codec.key_bytes = blob ? NULL : key_bytes;
    store *st = store_open(o->env->options->db, &k->spec, o->env->partition, o->env->error);
    if (!st) return NULL;
    check(o->store_count < (int)ARRAY_LEN(o->stores));
    o->stores[o->store_count++] = st;
    return st;
}

/* ---- table rows ------------------------------------------------------------------------------------------------ */

static void table_encode(void *ctx, const void *state, cell *out, arena *mem)
{
    table_store *t = ctx;
    const table_row *r = state;
    reader in = reader_of(r->bytes, r->n);
    for (int i = 0; i < t->count; i++) {
        const type *ty = t->schema->columns[t->columns[i]].type;
        value v;
        check(value_decode(&in, ty, &v, mem));
        out[i] = cell_of_value(ty, v, mem);
    }
    out[t->count] = (cell){.kind = CELL_INTEGER, .i = r->rowtime};
    out[t->count + 1] = (cell){.kind = CELL_INTEGER, .i = r->partition};
    out[t->count + 2] = (cell){.kind = CELL_INTEGER, .i = r->offset};
}

static void set_bytes(table_row *r, const buf *b)
{
    free(r->bytes);
    r->bytes = malloc(b->len + 1);
    check(r->bytes != NULL);
    if (b->len > 0) memcpy(r->bytes, b->data, b->len);
    r->n = (uint32_t)b->len;
}

static bool table_decode(void *ctx, const cell *row, void *state)
{
    table_store *t = ctx;
    table_row *r = state;
    arena *mem = arena_new();
    buf_clear(&t->row);
    bool ok = true;
    for (int i = 0; ok && i < t->count; i++) {
        const type *ty = t->schema->columns[t->columns[i]].type;
        value v;
        ok = cell_to_value(&row[i], ty, &v, mem);
        if (ok) value_encode(ty, v, &t->row);
    }
    for (int i = 0; ok && i < 3; i++) ok = row[t->count + i].kind == CELL_INTEGER;
    if (ok) {
        set_bytes(r, &t->row);
        r->rowtime = row[t->count].i;
        r->partition = (int32_t)row[t->count + 1].i;
        r->offset = row[t->count + 2].i;
    }
    arena_free(mem);
    return ok;
}

static void table_release(void *ctx, void *state)
{
    table_row *r = state;
    free(r->bytes);
    r->bytes = NULL;
}

static size_t table_held(void *ctx, const void *state)
{
    return ((const table_row *)state)->n;
}

bool table_store_open(table_store *t, op *o, const char *suffix, const schema *s, const bool *needed,
                      bool nullable_keys)
{
    arena *a = o->env->life;
    t->schema = s;
    t->columns = ARENA_ARRAY(a, int, (size_t)s->count + 1);
    store_column *columns = ARENA_ARRAY(a, store_column, (size_t)s->count + 3);
    for (int i = s->key_count; i < s->count; i++) {
        if (needed && !needed[i]) continue;
        columns[t->count] = (store_column){s->columns[i].name, cell_kind_of(s->columns[i].type)};
        t->columns[t->count++] = i;
    }
    columns[t->count] = (store_column){STR("ROWTIME"), CELL_INTEGER};
    columns[t->count + 1] = (store_column){STR("ROWPARTITION"), CELL_INTEGER};
    columns[t->count + 2] = (store_column){STR("ROWOFFSET"), CELL_INTEGER};
    t->keep.spec.state_size = sizeof(table_row);
    t->keep.spec.codec = (store_codec){
        .encode = table_encode,
        .decode = table_decode,
        .release = table_release,
        .held = table_held,
    };
    t->rows = keep_open(&t->keep, o, suffix, s, nullable_keys, STORE_KEY, columns, t->count + 3, "table");
    return t->rows != NULL;
}

void table_store_close(table_store *t)
{
    store_close(t->rows);
    buf_free(&t->key);
    buf_free(&t->row);
}

bool table_store_apply(table_store *t, chunk *c, uint32_t row, vec *old)
{
    buf_clear(&t->key);
    key_encode(c->cols, t->schema->key_count, row, &t->key);
    uint64_t hash = store_hash(buf_str(&t->key), 0);
    bool created;
    table_row *r;
    if (c->flags[row] & ROW_VALUE_NULL) {
        r = store_get(t->rows, buf_str(&t->key), 0, hash);
        created = r == NULL;
    } else {
        r = store_upsert(t->rows, buf_str(&t->key), 0, hash, &created);
    }
    if (!created && old) {
        str bytes = arena_str(c->mem, str_of(r->bytes, r->n));
        check(row_decode(bytes, old, t->columns, t->count, row, c->mem));
    }
    if (c->flags[row] & ROW_VALUE_NULL) {
        if (!created) store_delete(t->rows, buf_str(&t->key), 0, hash);
        return !created;
    }
    buf_clear(&t->row);
    row_encode(c->cols, t->columns, t->count, row, &t->row);
    set_bytes(r, &t->row);
    r->rowtime = c->rowtime[row];
    r->partition = c->partition[row];
    r->offset = c->offset[row];
    return !created;
}

bool table_store_view(const table_store *t, const void *state, chunk *c, uint32_t row)
{
    const table_row *r = state;
    str bytes = arena_str(c->mem, str_of(r->bytes, r->n));
    check(row_decode(bytes, c->cols, t->columns, t->count, row, c->mem));
    c->rowtime[row] = r->rowtime;
    c->partition[row] = r->partition;
    c->offset[row] = r->offset;
    return true;
}

const table_row *table_store_get(table_store *t, str key)
{
    return store_get(t->rows, key, 0, store_hash(key, 0));
}

bool table_store_near(table_store *t, const str *keys, uint32_t count, arena *mem, diag *d)
{
    uint64_t *hashes = ARENA_ARRAY(mem, uint64_t, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++) hashes[i] = store_hash(keys[i], 0);
    return store_prefetch(t->rows, keys, NULL, hashes, count, d);
}

bool table_store_near_rows(table_store *t, const chunk *c, diag *d)
{
    if (store_is_whole(t->rows)) return true;
    str *keys = ARENA_ARRAY(c->mem, str, (size_t)c->count + 1);
    for (uint32_t k = 0; k < c->count; k++) {
        buf_clear(&t->key);
        key_encode(c->cols, t->schema->key_count, chunk_row(c, k), &t->key);
        keys[k] = arena_str(c->mem, buf_str(&t->key));
    }
    return table_store_near(t, keys, c->count, c->mem, d);
}
