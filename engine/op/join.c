/*
 * engine/op/join.c - which join a step is, and the output row of two sides.
 */
#include "engine/op/join.h"

#include "base/bytes.h"

bool join_supported(const plan *p, diag *d)
{
    const schema *l = p->inputs[0]->schema, *r = p->inputs[1]->schema;
    int values = l->count - l->key_count + r->count - r->key_count;
    if (p->schema->count != l->key_count + values)
        return diag_set(d, DIAG_INTERNAL, "a join of %d and %d columns cannot have %d", l->count, r->count,
                        p->schema->count);
    if (!p->join.foreign_key && l->key_count != r->key_count)
        return diag_set(d, DIAG_STATEMENT, "the sides of a join have different keys");
    if (!l->is_table && r->is_table && p->join.kind != JOIN_INNER && p->join.kind != JOIN_LEFT)
        return diag_set(d, DIAG_STATEMENT, "a stream joins a table by INNER or LEFT JOIN only");
    if (l->is_table && !r->is_table) return diag_set(d, DIAG_STATEMENT, "a table cannot be joined with a stream");
    if (p->join.foreign_key && (r->key_count != 1 || !type_eq(r->columns[0].type, p->join.foreign_key->type)))
        return diag_set(d, DIAG_STATEMENT, "a foreign key must have the type of the right table's only key column");
    if (p->join.foreign_key && p->join.kind != JOIN_INNER && p->join.kind != JOIN_LEFT)
        return diag_set(d, DIAG_STATEMENT, "a foreign-key join is INNER or LEFT");
    return true;
}

op *join_open(op_env *env, const plan *p, op *next, int side)
{
    if (!join_supported(p, env->error)) return NULL;
    if (p->join.foreign_key) return join_foreign_open(env, p, next, side);
    return p->inputs[1]->schema->is_table ? join_table_open(env, p, next, side) : join_stream_open(env, p, next, side);
}

void join_init(join *j, const op_class *class, op_env *env, const plan *p, op *next, int side)
{
    op_init(&j->base, class, env, p, next, side);
    int at = p->inputs[0]->schema->key_count;
    for (int s = 0; s < 2; s++) {
        const schema *in = j->in[s] = p->inputs[s]->schema;
        j->value_count[s] = in->count - in->key_count;
        j->value_cols[s] = ARENA_ARRAY(env->life, int, (size_t)in->count + 1);
        j->out_cols[s] = ARENA_ARRAY(env->life, int, (size_t)in->count + 1);
        for (int i = 0; i < j->value_count[s]; i++) {
            j->value_cols[s][i] = in->key_count + i;
            j->out_cols[s][i] = at++;
        }
    }
    join_kind k = p->join.kind;
    j->keep_left = k == JOIN_LEFT || k == JOIN_OUTER;
    j->keep_right = k == JOIN_RIGHT || k == JOIN_OUTER;
}

void join_close(join *j)
{
    buf_free(&j->key);
}

str join_key(join *j, const chunk *c, uint32_t row)
{
    buf_clear(&j->key);
    if (c->window_start) {
        /* The window goes in front, so that the key's bytes stay last and need no length. */
        write_i64(&j->key, c->window_start[row]);
        if (c->schema->window == WINDOW_SESSION) write_i64(&j->key, c->window_end[row]);
    }
    key_encode(c->cols, c->schema->key_count, row, &j->key);
    return buf_str(&j->key);
}

bool join_emit(join *j)
{
    chunk *c = j->out;
    j->out = NULL;
    return !c || op_emit(&j->base, c);
}

/* The row with its envelope and NULL values; keys are not set. */
static uint32_t new_row(join *j, const chunk *c, uint32_t row)
{
    if (j->out && j->out->rows == chunk_rows_max() && !join_emit(j)) return UINT32_MAX;
    const schema *s = j->base.step->schema;
    if (!j->out) {
        j->out = chunk_new(c->mem, s, chunk_rows_max());
        j->out->headers = c->headers ? ARENA_ARRAY(c->mem, const headers *, chunk_rows_max()) : NULL;
    }
    chunk *out = j->out;
    uint32_t r = out->rows++;
    out->count = out->rows;
    out->flags[r] = (uint8_t)(ROW_OLD_NULL | (c->flags[row] & ROW_KEY_NULL));
    out->rowtime[r] = c->rowtime[row];
    out->partition[r] = c->partition[row];
    out->offset[r] = c->offset[row];
    if (out->headers) out->headers[r] = c->headers ? c->headers[row] : NULL;
    if (out->window_start && c->window_start) {
        out->window_start[r] = c->window_start[row];
        out->window_end[r] = c->window_end[row];
    }
    for (int i = s->key_count; i < s->count; i++) {
        vec_set_null(&out->cols[i], r);
        if (out->old) vec_set_null(&out->old[i], r);
    }
    return r;
}

uint32_t join_row(join *j, const chunk *c, uint32_t row)
{
    uint32_t r = new_row(j, c, row);
    if (r == UINT32_MAX) return r;
    int keys = j->base.step->schema->key_count;
    for (int i = 0; i < keys; i++) vec_set(&j->out->cols[i], r, vec_get(&c->cols[i], row));
    return r;
}

uint32_t join_row_key(join *j, const chunk *c, uint32_t row, str key)
{
    uint32_t r = new_row(j, c, row);
    if (r == UINT32_MAX) return r;
    check(key_decode(arena_str(c->mem, key), j->out->cols, j->base.step->schema->key_count, r, c->mem));
    return r;
}

void join_put(join *j, int side, const vec *cols, const chunk *c, uint32_t row, uint32_t r, bool old)
{
    vec *to = old ? j->out->old : j->out->cols;
    for (int i = 0; i < j->value_count[side]; i++)
        vec_set(&to[j->out_cols[side][i]], r, vec_get(&cols[j->value_cols[side][i]], row));
}

void join_put_bytes(join *j, int side, str bytes, uint32_t r, bool old, arena *mem)
{
    vec *to = old ? j->out->old : j->out->cols;
    check(row_decode(bytes, to, j->out_cols[side], j->value_count[side], r, mem));
}
