#include "engine/chunk.h"

#include "base/check.h"

static uint32_t rows_max = CHUNK_ROWS;

uint32_t chunk_rows_max(void)
{
    return rows_max;
}

void chunk_set_rows_max(uint32_t rows)
{
    check(rows >= 1 && rows <= CHUNK_ROWS);
    rows_max = rows;
}

size_t vec_width(const type *t)
{
    switch (t->kind) {
    case TYPE_BOOLEAN: return sizeof(uint8_t);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: return sizeof(int32_t);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return sizeof(int64_t);
    case TYPE_DOUBLE: return sizeof(double);
    case TYPE_DECIMAL: return sizeof(decimal);
    case TYPE_STRING:
    case TYPE_BYTES: return sizeof(str);
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: return sizeof(const nested *);
    default: check_unreachable();
    }
}

vec vec_new(arena *a, const type *t, uint32_t rows)
{
    check(rows <= CHUNK_ROWS);
    vec v = {.type = t, .nulls = ARENA_ARRAY(a, uint64_t, CHUNK_NULL_WORDS)};
    v.data = arena_alloc(a, vec_width(t) * rows);
    return v;
}

value vec_get(const vec *v, uint32_t row)
{
    if (vec_is_null(v, row)) return value_null();
    value x = {.null = false};
    switch (v->type->kind) {
    case TYPE_BOOLEAN: x.b = v->b[row] != 0; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: x.i = v->i[row]; break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: x.l = v->l[row]; break;
    case TYPE_DOUBLE: x.d = v->d[row]; break;
    case TYPE_DECIMAL: x.dec = v->dec[row]; break;
    case TYPE_STRING:
    case TYPE_BYTES: x.s = v->s[row]; break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: x.nest = v->nest[row]; break;
    default: check_unreachable();
    }
    return x;
}

void vec_set(vec *v, uint32_t row, value x)
{
    if (x.null) {
        vec_set_null(v, row);
        return;
    }
    vec_set_valid(v, row);
    switch (v->type->kind) {
    case TYPE_BOOLEAN: v->b[row] = x.b; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: v->i[row] = x.i; break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: v->l[row] = x.l; break;
    case TYPE_DOUBLE: v->d[row] = x.d; break;
    case TYPE_DECIMAL: v->dec[row] = x.dec; break;
    case TYPE_STRING:
    case TYPE_BYTES: v->s[row] = x.s; break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: v->nest[row] = x.nest; break;
    default: check_unreachable();
    }
}

chunk *chunk_new(arena *a, const schema *s, uint32_t rows)
{
    check(rows <= CHUNK_ROWS);
    chunk *c = ARENA_NEW(a, chunk);
    c->schema = s;
    c->mem = a;
    c->flags = ARENA_ARRAY(a, uint8_t, rows);
    if (!s->is_table) memset(c->flags, ROW_OLD_NULL, rows);
    c->rowtime = arena_alloc(a, sizeof(int64_t) * rows);
    c->partition = arena_alloc(a, sizeof(int32_t) * rows);
    c->offset = arena_alloc(a, sizeof(int64_t) * rows);
    if (s->window != WINDOW_NONE) {
        c->window_start = arena_alloc(a, sizeof(int64_t) * rows);
        c->window_end = arena_alloc(a, sizeof(int64_t) * rows);
    }
    c->cols = ARENA_ARRAY(a, vec, (size_t)s->count);
    for (int i = 0; i < s->count; i++) c->cols[i] = vec_new(a, s->columns[i].type, rows);
    if (s->is_table) {
        c->old = ARENA_ARRAY(a, vec, (size_t)s->count);
        /* Keys are the same on both sides: the old side shares their vectors. */
        for (int i = 0; i < s->count; i++)
            c->old[i] = i < s->key_count ? c->cols[i] : vec_new(a, s->columns[i].type, rows);
    }
    return c;
}

uint16_t *chunk_selection(chunk *c)
{
    if (!c->sel) {
        c->sel = arena_alloc(c->mem, sizeof(uint16_t) * c->rows);
        for (uint32_t i = 0; i < c->rows; i++) c->sel[i] = (uint16_t)i;
    }
    return c->sel;
}

static const headers *copy_headers(arena *a, const headers *h)
{
    if (!h) return NULL;
    headers *copy = ARENA_NEW(a, headers);
    header *items = ARENA_ARRAY(a, header, h->n);
    for (uint32_t i = 0; i < h->n; i++)
        items[i] = (header){arena_str(a, h->items[i].key), arena_str(a, h->items[i].value), h->items[i].value_null};
    *copy = (headers){h->n, items};
    return copy;
}

static void copy_side(arena *a, vec *to, const vec *from, const chunk *c, uint8_t absent)
{
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        /* An absent side has no data to copy: its slices may point anywhere. */
        bool missing = (c->flags[row] & absent) != 0;
        vec_set(to, k, missing ? value_null() : value_copy(a, from->type, vec_get(from, row)));
    }
}

chunk *chunk_copy(arena *a, const chunk *c)
{
    chunk *copy = chunk_new(a, c->schema, c->count);
    copy->rows = copy->count = c->count;
    if (c->headers) copy->headers = ARENA_ARRAY(a, const headers *, c->count);
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        copy->flags[k] = c->flags[row];
        copy->rowtime[k] = c->rowtime[row];
        copy->partition[k] = c->partition[row];
        copy->offset[k] = c->offset[row];
        if (c->window_start && copy->window_start) copy->window_start[k] = c->window_start[row];
        if (c->window_end && copy->window_end) copy->window_end[k] = c->window_end[row];
        if (c->headers) copy->headers[k] = copy_headers(a, c->headers[row]);
    }
    for (int i = 0; i < c->schema->count; i++) {
        bool key = i < c->schema->key_count;
        copy_side(a, &copy->cols[i], &c->cols[i], c, key ? ROW_KEY_NULL : ROW_VALUE_NULL);
        if (c->old && copy->old && !key) copy_side(a, &copy->old[i], &c->old[i], c, ROW_OLD_NULL);
    }
    return copy;
}
