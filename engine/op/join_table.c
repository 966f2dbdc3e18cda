/*
 * engine/op/join_table.c - stream-table and table-table joins on the key (reference J5 to J7, J13).
 *
 * A stream's row looks up the table as it is now. In a table-table join each side is kept here, so that a change knows
 * its old side whatever its source keeps.
 */
#include "engine/op/join.h"

typedef struct join_table {
    join j;
    table_store sides[2]; /* stream-table: only the right one */
} join_table;

/* Loads what the rows of a chunk will look for in a side's table. */
static bool bring_near(join_table *t, int side, chunk *c)
{
    table_store *rows = &t->sides[side];
    if (store_is_whole(rows->rows)) return true;
    str *keys = ARENA_ARRAY(c->mem, str, (size_t)c->count + 1);
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (!(c->flags[row] & ROW_KEY_NULL)) keys[n++] = arena_str(c->mem, join_key(&t->j, c, row));
    }
    return table_store_near(rows, keys, n, c->mem, t->j.base.env->error);
}

/* ---- a stream's row meets the table -------------------------------------------------------------------------------
 */

static bool push_stream(join_table *t, chunk *c)
{
    join *j = &t->j;
    store *rows = t->sides[1].rows;
    store_lock(rows);
    bool ok = bring_near(t, 1, c);
    for (uint32_t k = 0; ok && k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (c->flags[row] & ROW_VALUE_NULL) continue;
        const table_row *right = NULL;
        if (!(c->flags[row] & ROW_KEY_NULL)) right = table_store_get(&t->sides[1], join_key(j, c, row));
        if (!right && !j->keep_left) continue;
        uint32_t r = join_row(j, c, row);
        ok = r != UINT32_MAX;
        if (!ok) break;
        join_put(j, 0, c->cols, c, row, r, false);
        /* The row may be replaced before the output has left: its bytes are copied. */
        if (right) join_put_bytes(j, 1, arena_str(c->mem, str_of(right->bytes, right->n)), r, false, c->mem);
    }
    store_unlock(rows);
    return ok && join_emit(j);
}

static bool push_table_of_stream(join_table *t, chunk *c)
{
    store_lock(t->sides[1].rows);
    bool ok = bring_near(t, 1, c);
    for (uint32_t k = 0; ok && k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (!(c->flags[row] & ROW_KEY_NULL)) table_store_apply(&t->sides[1], c, row, NULL);
    }
    store_unlock(t->sides[1].rows);
    return ok;
}

/* ---- a change of one table meets the other -------------------------------------------------------------------------
 */

static bool join_change(join_table *t, int side, chunk *c, uint32_t row)
{
    join *j = &t->j;
    table_store *mine = &t->sides[side], *other = &t->sides[1 - side];
    bool had = table_store_apply(mine, c, row, c->old);
    bool has = !(c->flags[row] & ROW_VALUE_NULL);
    str key = join_key(j, c, row);
    const table_row *partner = table_store_get(other, key);
    bool keep_alone = side == 0 ? j->keep_left : j->keep_right; /* my row without a partner */
    bool keep_partner = side == 0 ? j->keep_right : j->keep_left; /* the partner without my row */
    bool is = has ? partner || keep_alone : partner && keep_partner;
    bool was = had ? partner || keep_alone : partner && keep_partner;
    if (!is && !was) return true;
    uint32_t r = join_row(j, c, row);
    if (r == UINT32_MAX) return false;
    uint8_t *flags = &j->out->flags[r];
    str bytes = {0};
    if (partner) {
        bytes = arena_str(c->mem, str_of(partner->bytes, partner->n));
        if (partner->rowtime > j->out->rowtime[r]) j->out->rowtime[r] = partner->rowtime;
    }
    if (is) {
        if (has) join_put(j, side, c->cols, c, row, r, false);
        if (partner) join_put_bytes(j, 1 - side, bytes, r, false, c->mem);
    } else {
        *flags |= ROW_VALUE_NULL;
    }
    if (was) {
        *flags &= (uint8_t)~ROW_OLD_NULL;
        if (had) join_put(j, side, c->old, c, row, r, true);
        if (partner) join_put_bytes(j, 1 - side, bytes, r, true, c->mem);
    }
    return true;
}

static bool push_tables(join_table *t, int side, chunk *c)
{
    store_lock(t->sides[0].rows);
    store_lock(t->sides[1].rows);
    bool ok = bring_near(t, 0, c) && bring_near(t, 1, c);
    for (uint32_t k = 0; ok && k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (!(c->flags[row] & ROW_KEY_NULL)) ok = join_change(t, side, c, row);
    }
    store_unlock(t->sides[1].rows);
    store_unlock(t->sides[0].rows);
    return ok && join_emit(&t->j);
}

static bool join_table_push(op *o, int side, chunk *c)
{
    join_table *t = (join_table *)o;
    if (t->j.in[0]->is_table) return push_tables(t, side, c);
    return side == 0 ? push_stream(t, c) : push_table_of_stream(t, c);
}

static void join_table_close(op *o)
{
    join_table *t = (join_table *)o;
    for (int s = 0; s < 2; s++) {
        if (t->sides[s].rows) table_store_close(&t->sides[s]);
    }
    join_close(&t->j);
}

static const op_class join_table_class = {.name = "JOIN", .push = join_table_push, .close = join_table_close};

op *join_table_open(op_env *env, const plan *p, op *next, int side)
{
    join_table *t = ARENA_NEW(env->life, join_table);
    join_init(&t->j, &join_table_class, env, p, next, side);
    for (int s = t->j.in[0]->is_table ? 0 : 1; s < 2; s++) {
        if (!table_store_open(&t->sides[s], &t->j.base, s == 0 ? "-left" : "-right", t->j.in[s], NULL, true))
            return NULL;
    }
    return &t->j.base;
}
