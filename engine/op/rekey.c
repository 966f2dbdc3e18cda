/*
 * engine/op/rekey.c - PARTITION BY, and the repartition before GROUP BY and joins; the sending side of an exchange.
 */
#include <stdio.h>

#include "base/hash.h"
#include "engine/exchange.h"
#include "engine/format/format.h"
#include "engine/op/op.h"
#include "engine/rowcode.h"

typedef struct rekey {
    op base;
    expr_program **programs;
    bool *from_key; /* by new key column: it comes from the old key alone, so it is there when the value is null */
    bool key_only; /* all of them do */
    buf old_key, new_key;
} rekey;

static const uint16_t *side_rows(const chunk *c, uint8_t absent, uint32_t *n)
{
    uint16_t *out = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    *n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        out[*n] = (uint16_t)row;
        *n += (c->flags[row] & absent) == 0;
    }
    return out;
}

/* The new key columns of one side; rows without that side get NULL. */
static vec *new_keys(rekey *r, chunk *c, bool old)
{
    const plan_rekey *spec = &r->base.step->rekey;
    op_rows rows = {.o = &r->base, .c = c};
    expr_input in = {.chunk = c, .old = old, .mem = c->mem, .env = &r->base.env->func, .errors = op_expr_errors(&rows)};
    if (old) in.errors = (expr_errors){0};
    uint32_t with_side, all;
    const uint16_t *side_sel = side_rows(c, old ? ROW_OLD_NULL : ROW_VALUE_NULL, &with_side);
    const uint16_t *all_sel = side_rows(c, 0, &all);
    vec *keys = ARENA_ARRAY(c->mem, vec, (size_t)spec->count + 1);
    for (int i = 0; i < spec->count; i++) {
        vec *v = &keys[i];
        bool every = r->from_key[i] && !c->schema->is_table;
        const uint16_t *sel = every ? all_sel : side_sel;
        uint32_t n = every ? all : with_side;
        if (n == 0) {
            *v = op_null_vec(c->mem, spec->keys[i]->type, c->rows);
            continue;
        }
        expr_run(r->programs[i], &in, sel, n, v);
        if (n == c->count) continue;
        /* The result may be a column of the input: rows that lack the side are set NULL in a copy of the bits. */
        uint64_t *nulls = arena_alloc(c->mem, CHUNK_NULL_WORDS * sizeof *nulls);
        memset(nulls, 0xff, CHUNK_NULL_WORDS * sizeof *nulls);
        for (uint32_t k = 0; k < n; k++) {
            if (!vec_is_null(v, sel[k])) nulls[sel[k] >> 6] &= ~((uint64_t)1 << (sel[k] & 63));
        }
        v->nulls = nulls;
    }
    return keys;
}

/* The output chunk with the given key vectors; value columns are shared with the input. */
static chunk *with_keys(const rekey *r, chunk *c, const vec *keys)
{
    const plan_rekey *spec = &r->base.step->rekey;
    const schema *s = r->base.step->schema;
    chunk *out = op_derive(c, s);
    for (int i = 0; i < spec->count; i++) out->cols[i] = keys[i];
    for (int i = 0; i < spec->value_count; i++) {
        out->cols[spec->count + i] = c->cols[spec->value_columns[i]];
        if (!out->old) continue;
        bool key = spec->value_columns[i] < c->schema->key_count;
        out->old[spec->count + i] = key ? c->cols[spec->value_columns[i]] : c->old[spec->value_columns[i]];
    }
    return out;
}

static void report_null(rekey *r, const chunk *c, uint32_t row, const vec *keys)
{
    int i = 0;
    while (i < r->base.step->rekey.count - 1 && !vec_is_null(&keys[i], row)) i++;
    char text[160];
    int n =
        snprintf(text, sizeof text,
                 "Group-by column with index %d resolved to null. The source row will be excluded from the table.", i);
    op_report(&r->base, PROCLOG_RECORD, c, row, str_of(text, (size_t)n));
}

static bool rekey_stream(rekey *r, chunk *c)
{
    const plan_rekey *spec = &r->base.step->rekey;
    vec *keys = new_keys(r, c, false);
    chunk *out = with_keys(r, c, keys);
    if (!spec->drop_null_keys) {
        for (uint32_t k = 0; k < c->count; k++) {
            uint32_t row = chunk_row(c, k);
            /* A key of several columns is never null itself: its columns are. */
            bool lost = !r->key_only && (c->flags[row] & ROW_VALUE_NULL);
            bool none = spec->count == 0 || (spec->count == 1 && (lost || vec_is_null(&keys[0], row)));
            c->flags[row] = (uint8_t)((c->flags[row] & ~ROW_KEY_NULL) | (none ? ROW_KEY_NULL : 0));
        }
        return op_emit(&r->base, out);
    }
    bool *keep = arena_alloc(c->mem, c->count + 1u);
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        keep[k] = !(c->flags[row] & ROW_VALUE_NULL);
        if (keep[k] && key_has_null(keys, spec->count, row)) {
            report_null(r, c, row, keys);
            keep[k] = false;
        }
        c->flags[row] &= (uint8_t)~ROW_KEY_NULL;
    }
    op_keep(out, keep);
    return op_emit(&r->base, out);
}

/* Emits a run of rows whose key is the same on both sides, or that have one side. */
static bool emit_run(rekey *r, const chunk *out, const uint16_t *sel, uint32_t n)
{
    if (n == 0) return true;
    chunk *c = arena_alloc(out->mem, sizeof *c);
    *c = *out;
    c->sel = arena_alloc(out->mem, sizeof(uint16_t) * n);
    memcpy(c->sel, sel, sizeof(uint16_t) * n);
    c->count = n;
    return op_emit(&r->base, c);
}

/* Emits one side of a row whose group changes, in a chunk of its own. */
static bool emit_half(rekey *r, const chunk *out, const vec *keys, uint32_t row, uint8_t absent)
{
    const plan_rekey *spec = &r->base.step->rekey;
    chunk *c = arena_alloc(out->mem, sizeof *c);
    *c = *out;
    c->cols = ARENA_ARRAY(out->mem, vec, (size_t)out->schema->count + 1);
    memcpy(c->cols, out->cols, (size_t)out->schema->count * sizeof(vec));
    for (int i = 0; i < spec->count; i++) c->cols[i] = keys[i];
    c->flags = arena_alloc(out->mem, c->rows);
    c->flags[row] = (uint8_t)(out->flags[row] | absent);
    c->sel = arena_alloc(out->mem, sizeof(uint16_t));
    c->sel[0] = (uint16_t)row;
    c->count = 1;
    return op_emit(&r->base, c);
}

/* Subtract first, then add, where the key changes; one row where it stays (design: 3.4). */
static bool rekey_table(rekey *r, chunk *c)
{
    const plan_rekey *spec = &r->base.step->rekey;
    vec *fresh = new_keys(r, c, false), *old = new_keys(r, c, true);
    /* For a row with one side, or with one key, that side's key stands in the shared vectors. */
    vec *keys = ARENA_ARRAY(c->mem, vec, (size_t)spec->count + 1);
    for (int i = 0; i < spec->count; i++) keys[i] = vec_new(c->mem, fresh[i].type, c->rows);
    chunk *out = with_keys(r, c, keys);
    uint16_t *run = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        uint8_t *flags = &c->flags[row];
        *flags &= (uint8_t)~ROW_KEY_NULL;
        if (spec->drop_null_keys) {
            if (!(*flags & ROW_VALUE_NULL) && key_has_null(fresh, spec->count, row)) {
                report_null(r, c, row, fresh);
                *flags |= ROW_VALUE_NULL;
            }
            if (!(*flags & ROW_OLD_NULL) && key_has_null(old, spec->count, row)) *flags |= ROW_OLD_NULL;
        }
        bool has_new = !(*flags & ROW_VALUE_NULL), has_old = !(*flags & ROW_OLD_NULL);
        if (!has_new && !has_old) continue;
        if (has_new && has_old) {
            buf_clear(&r->old_key);
            buf_clear(&r->new_key);
            key_encode(old, spec->count, row, &r->old_key);
            key_encode(fresh, spec->count, row, &r->new_key);
            if (!str_eq(buf_str(&r->old_key), buf_str(&r->new_key))) {
                if (!emit_run(r, out, run, n)) return false;
                n = 0;
                if (!emit_half(r, out, old, row, ROW_VALUE_NULL)) return false;
                if (!emit_half(r, out, fresh, row, ROW_OLD_NULL)) return false;
                continue;
            }
        }
        for (int i = 0; i < spec->count; i++) vec_set(&keys[i], row, vec_get(has_new ? &fresh[i] : &old[i], row));
        run[n++] = (uint16_t)row;
    }
    return emit_run(r, out, run, n);
}

static bool rekey_push(op *o, int side, chunk *c)
{
    rekey *r = (rekey *)o;
    return c->schema->is_table ? rekey_table(r, c) : rekey_stream(r, c);
}

static void rekey_close(op *o)
{
    rekey *r = (rekey *)o;
    buf_free(&r->old_key);
    buf_free(&r->new_key);
}

static const op_class rekey_class = {.name = "REKEY", .push = rekey_push, .close = rekey_close};

/* Times and positions of the record come with its value. */
static bool reads_pseudo(const expr *e)
{
    bool found = e->kind == EXPR_PSEUDO;
    for (int i = 0; i < e->arg_count; i++) found = found || reads_pseudo(e->args[i]);
    return found || (e->kind == EXPR_LAMBDA && reads_pseudo(e->body));
}

op *rekey_open(op_env *env, const plan *p, op *next, int side)
{
    rekey *r = ARENA_NEW(env->life, rekey);
    op_init(&r->base, &rekey_class, env, p, next, side);
    const schema *in = p->inputs[0]->schema;
    r->programs = ARENA_ARRAY(env->life, expr_program *, (size_t)p->rekey.count + 1);
    r->from_key = ARENA_ARRAY(env->life, bool, (size_t)p->rekey.count + 1);
    r->key_only = true;
    for (int i = 0; i < p->rekey.count; i++) {
        bool *reads = ARENA_ARRAY(env->life, bool, (size_t)in->count + 1);
        r->programs[i] = expr_compile(env->life, p->rekey.keys[i], &env->expr, env->error);
        if (!r->programs[i]) return NULL;
        expr_columns(p->rekey.keys[i], reads);
        r->from_key[i] = !reads_pseudo(p->rekey.keys[i]);
        for (int k = in->key_count; k < in->count; k++) r->from_key[i] = r->from_key[i] && !reads[k];
        r->key_only = r->key_only && r->from_key[i];
    }
    return &r->base;
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

typedef struct send {
    op base;
    exchange *x;
    format_codec *key; /* its bytes decide the partition */
    buf bytes;
    uint32_t next_free; /* where the next row without a key goes */
} send;

static bool send_push(op *o, int side, chunk *c)
{
    send *s = (send *)o;
    int parts = exchange_partitions(s->x);
    uint16_t *target = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    uint32_t *count = ARENA_ARRAY(c->mem, uint32_t, (size_t)parts);
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (c->schema->key_count == 0 || (c->flags[row] & ROW_KEY_NULL)) {
            target[k] = (uint16_t)(s->next_free++ % (uint32_t)parts);
        } else {
            str why;
            buf_clear(&s->bytes);
            if (!format_write(s->key, c->cols, row, &s->bytes, &why)) {
                op_report(o, PROCLOG_SERIALIZATION, c, row, why);
                return diag_set(o->env->error, DIAG_INVALID, "a key cannot be written: %.*s", STR_ARG(why));
            }
            target[k] = (uint16_t)hash_partition(s->bytes.data, s->bytes.len, parts);
        }
        count[target[k]]++;
    }
    chunk part = *c;
    part.sel = arena_alloc(c->mem, sizeof(uint16_t) * (c->count + 1));
    for (int p = 0; p < parts; p++) {
        if (count[p] == 0) continue;
        part.count = 0;
        for (uint32_t k = 0; k < c->count; k++) {
            if (target[k] == p) part.sel[part.count++] = (uint16_t)chunk_row(c, k);
        }
        exchange_put(s->x, o->env->partition, p, &part);
    }
    o->stats.rows_out += c->count;
    return true;
}

static bool send_blocked(op *o)
{
    return exchange_full(((send *)o)->x);
}

static void send_close(op *o)
{
    buf_free(&((send *)o)->bytes);
}

static const op_class send_class = {
    .name = "EXCHANGE", .push = send_push, .blocked = send_blocked, .close = send_close};

op *send_open(op_env *env, const plan *p, exchange *x)
{
    send *s = ARENA_NEW(env->life, send);
    op_init(&s->base, &send_class, env, p, NULL, 0);
    s->x = x;
    s->key = format_open(env->life, &p->rekey.key_format, p->schema, FORMAT_KEY, NULL, env->error);
    return s->key ? &s->base : NULL;
}
