/*
 * engine/query_changes.c - a generation's changes as records of a changelog, and their replay.
 *
 * A row's bytes are its flags, time, sequence and cells. Numbers (stream times) travel as rows of a store without a
 * name.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/query_impl.h"

struct changes {
    io_changes base;
    query *q;
    int store, number;
    uint64_t it;
    buf key, row;
};

static void put_cell(buf *b, const cell *c)
{
    uint64_t bits;
    write_u8(b, (uint8_t)c->kind);
    switch (c->kind) {
    case CELL_INTEGER: write_i64(b, c->i); break;
    case CELL_REAL:
        memcpy(&bits, &c->d, 8);
        write_i64(b, (int64_t)bits);
        break;
    case CELL_TEXT:
    case CELL_BLOB:
        write_uvarint64(b, c->s.n);
        buf_add_str(b, c->s);
        break;
    default: break;
    }
}

static bool get_cell(reader *r, cell *c)
{
    uint8_t kind = read_u8(r);
    if (kind > CELL_BLOB) return false;
    *c = (cell){.kind = (cell_kind)kind};
    uint64_t bits;
    switch (c->kind) {
    case CELL_INTEGER: c->i = read_i64(r); break;
    case CELL_REAL:
        bits = (uint64_t)read_i64(r);
        memcpy(&c->d, &bits, 8);
        break;
    case CELL_TEXT:
    case CELL_BLOB:
        bits = read_uvarint64(r);
        if (bits > reader_left(r)) return false;
        c->s = str_of((const char *)read_bytes(r, bits), bits);
        break;
    default: break;
    }
    return !r->failed;
}

static bool next_change(io_changes *base, io_change *out)
{
    changes *c = (changes *)base;
    query *q = c->q;
    buf_clear(&c->key);
    buf_clear(&c->row);
    for (; c->store < q->store_count; c->store++, c->it = 0) {
        store *s = q->stores[c->store];
        store_row r;
        if (!store_frozen_next(s, &c->it, &r)) continue;
        write_i64(&c->key, r.window_start);
        buf_add_str(&c->key, r.key);
        write_u8(&c->row, r.deleted);
        write_i64(&c->row, r.time);
        write_i64(&c->row, r.seq);
        for (int i = 0; !r.deleted && i < store_get_spec(s)->column_count; i++) put_cell(&c->row, &r.cells[i]);
        *out = (io_change){store_get_spec(s)->name, store_partition(s), buf_str(&c->key), buf_str(&c->row), r.deleted};
        return true;
    }
    if (c->number == q->number_count) return false;
    const store_number *n = &q->numbers[c->number++];
    buf_add_str(&c->key, n->name);
    write_i64(&c->row, n->value);
    *out = (io_change){STR(""), n->partition, buf_str(&c->key), buf_str(&c->row), false};
    return true;
}

io_changes *changes_open(query *q)
{
    changes *c = calloc(1, sizeof *c);
    check(c != NULL);
    c->base.next = next_change;
    c->q = q;
    return &c->base;
}

void changes_close(io_changes *base)
{
    changes *c = (changes *)base;
    buf_free(&c->key);
    buf_free(&c->row);
    free(c);
}

static bool apply_row(store *s, const io_change *x, arena *mem)
{
    reader key = reader_of(x->key.p, x->key.n), row = reader_of(x->row.p, x->row.n);
    store_row r = {.window_start = read_i64(&key)};
    r.key = str_of((const char *)key.p, reader_left(&key));
    r.deleted = read_u8(&row) != 0;
    r.time = read_i64(&row);
    r.seq = read_i64(&row);
    int n = r.deleted ? 0 : store_get_spec(s)->column_count;
    cell *cells = ARENA_ARRAY(mem, cell, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        if (!get_cell(&row, &cells[i])) return false;
    }
    r.cells = cells;
    return !key.failed && !row.failed && row.p == row.end && store_apply(s, &r);
}

bool changes_apply(void *ctx, const io_change *x, diag *d)
{
    query *q = ctx;
    if (x->store.n == 0) {
        int64_t *n = query_number(q, x->key, x->partition);
        if (n && x->row.n == 8) *n = (int64_t)load_be64(x->row.p);
        return true;
    }
    for (int i = 0; i < q->task_count; i++) {
        for (int k = 0; k < q->tasks[i]->env.op_count; k++) {
            op *o = q->tasks[i]->env.ops[k];
            for (int j = 0; j < o->store_count; j++) {
                store *s = o->stores[j];
                if (store_partition(s) != x->partition || !str_eq(store_get_spec(s)->name, x->store)) continue;
                arena *mem = arena_new();
                bool ok = apply_row(s, x, mem);
                arena_free(mem);
                return ok ||
                       diag_set(d, DIAG_CORRUPT, "a changelog row does not fit the store %.*s", STR_ARG(x->store));
            }
        }
    }
    return true; /* a partition that is not of this node */
}
