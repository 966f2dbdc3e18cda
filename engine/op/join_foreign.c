/*
 * engine/op/join_foreign.c - table-table joins on a left expression that is the right table's key (reference J8).
 *
 * Both sides are kept by their keys; an index from right keys to the left keys that name them is made from the left
 * side. One task does all of it, so a left change and the right change that it races with have one order.
 */
#include <stdlib.h>

#include "base/map.h"
#include "engine/op/join.h"

/* The left keys that name one right key. */
typedef struct naming {
    str *keys; /* on the heap, each as well */
    uint32_t count, cap;
    bool sorted;
} naming;

typedef struct join_foreign {
    join j;
    table_store sides[2];
    expr_program *foreign;
    const type *key_type; /* of the right table */
    map index; /* right key -> naming */
    buf fk, old_fk;
} join_foreign;

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void index_add(join_foreign *f, str fk, str key)
{
    naming *n = map_get(&f->index, fk);
    if (!n) {
        n = calloc(1, sizeof *n);
        check(n != NULL);
        map_put(&f->index, fk, n);
    }
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 4;
        n->keys = realloc(n->keys, n->cap * sizeof *n->keys);
        check(n->keys != NULL);
    }
    char *copy = malloc(key.n + 1);
    check(copy != NULL);
    memcpy(copy, key.p, key.n);
    n->keys[n->count++] = str_of(copy, key.n);
    n->sorted = n->count == 1;
}

static void sort_naming(naming *n)
{
    if (!n->sorted) qsort(n->keys, n->count, sizeof *n->keys, compare_keys);
    n->sorted = true;
}

static void index_remove(join_foreign *f, str fk, str key)
{
    naming *n = map_get(&f->index, fk);
    if (!n) return;
    sort_naming(n);
    str *at = bsearch(&key, n->keys, n->count, sizeof *n->keys, compare_keys);
    if (!at) return;
    free((void *)(uintptr_t)at->p);
    n->count--;
    memmove(at, at + 1, (size_t)(n->keys + n->count - at) * sizeof *at);
    if (n->count > 0) return;
    free(n->keys);
    free(map_remove(&f->index, fk));
}

/* The foreign key of a side of a row as a right key's bytes; false: it is NULL. */
static bool foreign_key(join_foreign *f, chunk *c, uint32_t row, bool old, buf *out)
{
    op_rows rows = {.o = &f->j.base, .c = c};
    expr_input in = {.chunk = c, .old = old, .mem = c->mem, .env = &f->j.base.env->func};
    if (!old) in.errors = op_expr_errors(&rows);
    value v = expr_run_row(f->foreign, &in, row);
    buf_clear(out);
    if (v.null) return false;
    key_encode_values(&f->key_type, &v, 1, out);
    return true;
}

static void put_right(join_foreign *f, const table_row *right, uint32_t r, bool old, arena *mem)
{
    if (!right) return;
    join_put_bytes(&f->j, 1, arena_str(mem, str_of(right->bytes, right->n)), r, old, mem);
    if (right->rowtime > f->j.out->rowtime[r]) f->j.out->rowtime[r] = right->rowtime;
}

static bool left_change(join_foreign *f, chunk *c, uint32_t row)
{
    join *j = &f->j;
    bool had = table_store_apply(&f->sides[0], c, row, c->old);
    bool has = !(c->flags[row] & ROW_VALUE_NULL);
    bool had_fk = had && foreign_key(f, c, row, true, &f->old_fk);
    bool has_fk = has && foreign_key(f, c, row, false, &f->fk);
    const table_row *right = has_fk ? table_store_get(&f->sides[1], buf_str(&f->fk)) : NULL;
    const table_row *old_right = had_fk ? table_store_get(&f->sides[1], buf_str(&f->old_fk)) : NULL;
    str key = join_key(j, c, row);
    bool moved = had_fk != has_fk || (had_fk && !str_eq(buf_str(&f->fk), buf_str(&f->old_fk)));
    if (moved) {
        if (had_fk) index_remove(f, buf_str(&f->old_fk), key);
        if (has_fk) index_add(f, buf_str(&f->fk), key);
    }
    bool is = has && (right || j->keep_left), was = had && (old_right || j->keep_left);
    /* A row that leaves its foreign key says so even when that key had no partner, as Kafka Streams does. */
    if (!is && !was && !(had_fk && moved)) return true;
    uint32_t r = join_row(j, c, row);
    if (r == UINT32_MAX) return false;
    uint8_t *flags = &j->out->flags[r];
    if (is) {
        join_put(j, 0, c->cols, c, row, r, false);
        put_right(f, right, r, false, c->mem);
    } else {
        *flags |= ROW_VALUE_NULL;
    }
    if (was) {
        int64_t time = j->out->rowtime[r];
        *flags &= (uint8_t)~ROW_OLD_NULL;
        join_put(j, 0, c->old, c, row, r, true);
        put_right(f, old_right, r, true, c->mem);
        j->out->rowtime[r] = time;
    }
    return true;
}

static bool right_change(join_foreign *f, chunk *c, uint32_t row)
{
    join *j = &f->j;
    bool had = table_store_apply(&f->sides[1], c, row, c->old);
    bool has = !(c->flags[row] & ROW_VALUE_NULL);
    naming *n = map_get(&f->index, join_key(j, c, row));
    bool is = has || j->keep_left, was = had || j->keep_left;
    if (!n || (!is && !was) || (!has && !had)) return true;
    sort_naming(n);
    for (uint32_t i = 0; i < n->count; i++) {
        const table_row *left = table_store_get(&f->sides[0], n->keys[i]);
        check(left != NULL);
        uint32_t r = join_row_key(j, c, row, n->keys[i]);
        if (r == UINT32_MAX) return false;
        if (left->rowtime > j->out->rowtime[r]) j->out->rowtime[r] = left->rowtime;
        str bytes = arena_str(c->mem, str_of(left->bytes, left->n));
        uint8_t *flags = &j->out->flags[r];
        if (is)
            join_put_bytes(j, 0, bytes, r, false, c->mem);
        else
            *flags |= ROW_VALUE_NULL;
        if (has) join_put(j, 1, c->cols, c, row, r, false);
        if (!was) continue;
        *flags &= (uint8_t)~ROW_OLD_NULL;
        join_put_bytes(j, 0, bytes, r, true, c->mem);
        if (had) join_put(j, 1, c->old, c, row, r, true);
    }
    return true;
}

static bool join_foreign_push(op *o, int side, chunk *c)
{
    join_foreign *f = (join_foreign *)o;
    bool ok = true;
    for (int s = 0; s < 2; s++) store_lock(f->sides[s].rows);
    for (uint32_t k = 0; ok && k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (c->flags[row] & ROW_KEY_NULL) continue;
        ok = side == 0 ? left_change(f, c, row) : right_change(f, c, row);
    }
    for (int s = 2; s-- > 0;) store_unlock(f->sides[s].rows);
    return ok && join_emit(&f->j);
}

static void join_foreign_close(op *o)
{
    join_foreign *f = (join_foreign *)o;
    void *v;
    for (size_t it = 0; map_next(&f->index, &it, NULL, &v);) {
        naming *n = v;
        for (uint32_t i = 0; i < n->count; i++) free((void *)(uintptr_t)n->keys[i].p);
        free(n->keys);
        free(n);
    }
    map_free(&f->index);
    for (int s = 0; s < 2; s++) {
        if (f->sides[s].rows) table_store_close(&f->sides[s]);
    }
    buf_free(&f->fk);
    buf_free(&f->old_fk);
    join_close(&f->j);
}

static const op_class join_foreign_class = {.name = "JOIN", .push = join_foreign_push, .close = join_foreign_close};

/* The index from the rows that the last run left. */
static void load_index(join_foreign *f)
{
    const schema *s = f->j.in[0];
    arena *mem = arena_new();
    store_iter it = {0};
    for (void *state; (state = store_next(f->sides[0].rows, &it)) != NULL; arena_reset(mem)) {
        chunk *c = chunk_new(mem, s, 1);
        c->rows = c->count = 1;
        table_store_view(&f->sides[0], state, c, 0);
        str key = store_key_of(f->sides[0].rows, state);
        check(key_decode(key, c->cols, s->key_count, 0, mem));
        if (foreign_key(f, c, 0, false, &f->fk)) index_add(f, buf_str(&f->fk), key);
    }
    arena_free(mem);
}

op *join_foreign_open(op_env *env, const plan *p, op *next, int side)
{
    join_foreign *f = ARENA_NEW(env->life, join_foreign);
    join_init(&f->j, &join_foreign_class, env, p, next, side);
    f->key_type = p->inputs[1]->schema->columns[0].type;
    f->foreign = expr_compile(env->life, p->join.foreign_key, &env->expr, env->error);
    if (!f->foreign) return NULL;
    /* The index is made from the left rows, and a change on the right looks for any of them. */
    f->sides[0].keep.spec.resident = true;
    for (int s = 0; s < 2; s++) {
        if (!table_store_open(&f->sides[s], &f->j.base, s == 0 ? "-left" : "-right", f->j.in[s], NULL, true))
            return NULL;
    }
    load_index(f);
    return &f->j.base;
}
