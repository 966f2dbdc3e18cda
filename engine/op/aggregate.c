/*
 * engine/op/aggregate.c - GROUP BY: plain and over TUMBLING and HOPPING windows, on streams and on tables.
 *
 * Rows are gathered into slots (a row and one of its windows); a full set of slots goes through the store together:
 * keys are hashed, cache lines fetched, states found, and then each call adds all its rows in one loop. Where every
 * change is emitted, slots are done one by one. With EMIT FINAL (a suppress step above) only closed windows leave.
 */
#include "engine/op/aggregate.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1024, EXPIRE_MOST = 4096 };

/* A change that waits for the end of the commit. */
typedef struct waiting {
    group *s;
    char *old; /* rowcode of the last emitted values, on the heap; NULL: there were none */
    uint32_t old_n;
    int32_t partition;
    int64_t offset;
} waiting;

typedef struct aggregate {
    groups g;
    op head; /* groups come first: they are the codec's context */
    store *st;
    const plan_window *w; /* NULL: no window */
    bool from_table, every, final, needs_old;
    int64_t stream_time; /* highest event time that reached this step */
    int64_t newest; /* highest window start */
    int64_t closed; /* final: windows that end up to here have left or never will */
    int64_t next_close; /* final: event time at which the next one closes */
    uint32_t slots;
    buf key_bytes;
    waiting *waits;
    uint32_t wait_count, wait_cap;
    buf old;
    arena *flush_mem;
    chunk *out; /* changes of the chunk at hand */
    int *value_cols;
    int value_count;
    /* 58 KiB that are written before they are read, and not zeroed: an idle query does not touch their pages. */
    uint16_t rows[SLOTS];
    int64_t windows[SLOTS];
    uint32_t key_at[SLOTS], key_n[SLOTS];
    str keys[SLOTS];
    uint64_t hashes[SLOTS];
    group *states[SLOTS];
    void *call_states[SLOTS];
} aggregate;

static aggregate *self(op *o)
{
    return container_of(o, aggregate, head);
}

/* ---- output ---------------------------------------------------------------------------------------------------- */

static bool emit_out(aggregate *a)
{
    chunk *c = a->out;
    a->out = NULL;
    return !c || op_emit(&a->head, c);
}

/* The next row of the output chunk, with its envelope; the key's columns are set by the caller. */
static uint32_t out_row(aggregate *a, arena *mem, const group *s, int32_t partition, int64_t offset, int64_t start)
{
    if (!a->out) a->out = chunk_new(mem, a->head.step->schema, chunk_rows_max());
    chunk *c = a->out;
    uint32_t r = c->rows++;
    c->count = c->rows;
    c->flags[r] = ROW_OLD_NULL;
    c->rowtime[r] = s->rowtime;
    c->partition[r] = partition;
    c->offset[r] = offset;
    if (a->w) {
        c->window_start[r] = start;
        c->window_end[r] = start + a->w->size;
    }
    return r;
}

/* ---- changes that wait ------------------------------------------------------------------------------------------- */

static void wait_for_commit(aggregate *a, group *s, const chunk *c, uint32_t row, bool created, arena *mem)
{
    if (s->pending == 0) {
        if (a->wait_count == a->wait_cap) {
            a->wait_cap = a->wait_cap ? a->wait_cap * 2 : 1024;
            a->waits = realloc(a->waits, a->wait_cap * sizeof *a->waits);
            check(a->waits != NULL);
        }
        waiting *w = &a->waits[a->wait_count++];
        *w = (waiting){.s = s};
        s->pending = a->wait_count;
        if (a->needs_old && !created) {
            chunk *tmp = chunk_new(mem, a->head.step->schema, 1);
            group_result(&a->g, s, tmp->cols, 0, mem);
            buf_clear(&a->old);
            row_encode(tmp->cols, a->value_cols, a->value_count, 0, &a->old);
            w->old = malloc(a->old.len + 1);
            check(w->old != NULL);
            memcpy(w->old, a->old.data, a->old.len);
            w->old_n = (uint32_t)a->old.len;
        }
    }
    waiting *w = &a->waits[s->pending - 1];
    w->partition = c->partition[row];
    w->offset = c->offset[row];
}

static bool aggregate_flush(op *o)
{
    aggregate *a = self(o);
    const schema *sc = o->step->schema;
    uint32_t i = 0;
    bool ok = true;
    while (ok && i < a->wait_count) {
        arena_reset(a->flush_mem);
        store_lock(a->st);
        while (i < a->wait_count && (!a->out || a->out->rows < chunk_rows_max())) {
            waiting *w = &a->waits[i++];
            uint32_t r = out_row(a, a->flush_mem, w->s, w->partition, w->offset, store_window_of(a->st, w->s));
            str key = arena_str(a->flush_mem, store_key_of(a->st, w->s));
            check(key_decode(key, a->out->cols, sc->key_count, r, a->flush_mem));
            group_result(&a->g, w->s, a->out->cols, r, a->flush_mem);
            if (w->old) {
                str old = arena_str(a->flush_mem, str_of(w->old, w->old_n));
                check(row_decode(old, a->out->old, a->value_cols, a->value_count, r, a->flush_mem));
                a->out->flags[r] &= (uint8_t)~ROW_OLD_NULL;
                free(w->old);
                w->old = NULL;
            }
            w->s->pending = 0;
        }
        store_unlock(a->st);
        ok = emit_out(a);
    }
    for (; i < a->wait_count; i++) free(a->waits[i].old);
    a->wait_count = 0;
    if (ok && a->w && !a->final && a->newest != INT64_MIN) {
        store_lock(a->st);
        store_expire(a->st, a->newest - a->w->retention, UINT32_MAX);
        store_unlock(a->st);
    }
    return ok;
}

/* ---- rows into states -------------------------------------------------------------------------------------------- */

static bool prepare_slots(aggregate *a)
{
    for (uint32_t i = 0; i < a->slots; i++) {
        a->keys[i] = str_of(a->key_bytes.data + a->key_at[i], a->key_n[i]);
        a->hashes[i] = store_hash(a->keys[i], a->windows[i]);
    }
    return store_prefetch(a->st, a->keys, a->windows, a->hashes, a->slots, a->head.env->error);
}

static group *find_group(aggregate *a, uint32_t i, bool *created)
{
    group *s = store_upsert(a->st, a->keys[i], a->windows[i], a->hashes[i], created);
    if (unlikely(*created)) {
        s->rowtime = INT64_MIN;
        group_init(&a->g, s);
    }
    return s;
}

static void report_row(void *ctx, uint32_t row, str why)
{
    op_rows *r = ctx;
    op_report(r->o, PROCLOG_RECORD, r->c, row, why);
}

/* All slots at once: nothing is emitted before the commit, or before the window closes. */
static void add_together(aggregate *a, chunk *c)
{
    for (uint32_t i = 0; i < a->slots; i++) {
        bool created;
        group *s = a->states[i] = find_group(a, i, &created);
        if (!a->final) wait_for_commit(a, s, c, a->rows[i], created, c->mem);
        group_follow(&a->g, s, c, a->rows[i]);
    }
    op_rows rows = {.o = &a->head, .c = c};
    for (int k = 0; k < a->g.count; k++) {
        const group_call *call = &a->g.calls[k];
        for (uint32_t i = 0; i < a->slots; i++) a->call_states[i] = (char *)a->states[i] + call->at;
        agg_add_rows(call->agg, a->call_states, call->arg_refs, a->rows, a->slots, report_row, &rows);
    }
}

/* Slot by slot, with a row out for each. */
static bool add_each(aggregate *a, chunk *c)
{
    int keys = c->schema->key_count;
    for (uint32_t i = 0; i < a->slots; i++) {
        uint32_t row = a->rows[i];
        bool created;
        group *s = find_group(a, i, &created);
        bool was = !created && a->needs_old;
        uint32_t r = out_row(a, c->mem, s, c->partition[row], c->offset[row], a->windows[i]);
        if (was) {
            group_result(&a->g, s, a->out->old, r, c->mem);
            a->out->flags[r] &= (uint8_t)~ROW_OLD_NULL;
        }
        group_add(&a->g, s, c, row, false);
        group_follow(&a->g, s, c, row);
        a->out->rowtime[r] = s->rowtime;
        group_result(&a->g, s, a->out->cols, r, c->mem);
        for (int k = 0; k < keys; k++) vec_set(&a->out->cols[k], r, vec_get(&c->cols[k], row));
        if (a->out->rows == chunk_rows_max()) {
            store_unlock(a->st);
            bool ok = emit_out(a);
            store_lock(a->st);
            if (!ok) return false;
        }
    }
    return true;
}

static bool run_slots(aggregate *a, chunk *c)
{
    if (a->slots == 0) return true;
    store_lock(a->st);
    bool ok = prepare_slots(a);
    if (ok && a->every)
        ok = add_each(a, c);
    else if (ok)
        add_together(a, c);
    store_unlock(a->st);
    a->slots = 0;
    buf_clear(&a->key_bytes);
    return ok;
}

static inline bool add_slot(aggregate *a, chunk *c, uint32_t row, uint32_t key_at, uint32_t key_n, int64_t start)
{
    uint32_t i = a->slots++;
    a->rows[i] = (uint16_t)row;
    a->windows[i] = start;
    a->key_at[i] = key_at;
    a->key_n[i] = key_n;
    return true;
}

/* ---- EMIT FINAL ---------------------------------------------------------------------------------------------------
 */

/* Emits the windows that stream time has closed, oldest first, keys in order of their bytes. */
static int compare_groups(const void *x, const void *y, void *ctx)
{
    aggregate *a = ctx;
    return str_cmp(store_key_of(a->st, *(group *const *)x), store_key_of(a->st, *(group *const *)y));
}

static bool emit_window(aggregate *a, int64_t start, int32_t partition, int64_t offset)
{
    arena *mem = arena_new();
    const schema *sc = a->head.step->schema;
    store_lock(a->st);
    store_pin(a->st, true);
    group **list = NULL;
    size_t n = 0, cap = 0;
    bool ok = store_load_window(a->st, start, a->head.env->error);
    store_iter it = {.first_window = start, .last_window = start};
    for (group *s; (s = store_next(a->st, &it)) != NULL; list[n++] = s) {
        if (n < cap) continue;
        cap = cap ? cap * 2 : 256;
        list = realloc(list, cap * sizeof *list);
        check(list != NULL);
    }
    if (n > 1) qsort_r(list, n, sizeof *list, compare_groups, a);
    for (size_t i = 0; ok && i < n; i++) {
        uint32_t r = out_row(a, mem, list[i], partition, offset, start);
        check(key_decode(arena_str(mem, store_key_of(a->st, list[i])), a->out->cols, sc->key_count, r, mem));
        group_result(&a->g, list[i], a->out->cols, r, mem);
        if (a->out->rows < chunk_rows_max() && i + 1 < n) continue;
        store_unlock(a->st);
        ok = emit_out(a);
        store_lock(a->st);
        arena_reset(mem);
    }
    store_pin(a->st, false);
    store_unlock(a->st);
    free(list);
    arena_free(mem);
    return ok;
}

static bool emit_closed(aggregate *a, int32_t partition, int64_t offset)
{
    int64_t bound = a->stream_time - a->w->grace; /* windows that end up to here are closed */
    /* What starts before the store's retention no longer exists. */
    int64_t first = a->closed - a->w->size + 1;
    if (a->closed == INT64_MIN || first < a->newest - a->w->retention) first = a->newest - a->w->retention;
    int64_t starts[256];
    bool ok = true;
    a->next_close = INT64_MAX;
    while (ok) {
        store_lock(a->st);
        uint32_t n = store_windows(a->st, first, INT64_MAX, starts, ARRAY_LEN(starts));
        store_unlock(a->st);
        uint32_t i = 0;
        for (; ok && i < n && i < ARRAY_LEN(starts) && starts[i] + a->w->size <= bound; i++)
            ok = emit_window(a, starts[i], partition, offset);
        if (i < n && i < ARRAY_LEN(starts)) a->next_close = starts[i] + a->w->size + a->w->grace;
        if (i < ARRAY_LEN(starts)) break;
        first = starts[i - 1] + 1;
    }
    a->closed = bound;
    store_lock(a->st);
    store_expire(a->st, a->newest - a->w->retention, EXPIRE_MOST);
    store_unlock(a->st);
    return ok;
}

/* ---- push ---------------------------------------------------------------------------------------------------------
 */

/* Slots for the windows that a row falls into; closed ones are late. */
static bool add_windows(aggregate *a, chunk *c, uint32_t row)
{
    const plan_window *w = a->w;
    int64_t ts = c->rowtime[row];
    if (ts > a->stream_time) a->stream_time = ts;
    /* Kafka's windowsFor: from the first aligned start whose window holds ts, never below zero. */
    int64_t start = (ts - w->size + w->advance) / w->advance * w->advance;
    if (ts - w->size + w->advance < 0) start = 0;
    bool late = false;
    uint32_t at = (uint32_t)a->key_bytes.len, n = 0;
    for (; start <= ts; start += w->advance) {
        if (start + w->size + w->grace <= a->stream_time) {
            late = true;
            continue;
        }
        if (n == 0) {
            key_encode(c->cols, c->schema->key_count, row, &a->key_bytes);
            n = (uint32_t)a->key_bytes.len - at;
        }
        add_slot(a, c, row, at, n, start);
        if (start > a->newest) a->newest = start;
        if (a->final && start + w->size + w->grace < a->next_close) a->next_close = start + w->size + w->grace;
        if (a->slots == SLOTS) {
            if (!run_slots(a, c)) return false;
            at = 0;
            n = 0;
        }
    }
    a->head.stats.late += late;
    if (!a->final || a->stream_time < a->next_close) return true;
    return run_slots(a, c) && emit_closed(a, c->partition[row], c->offset[row]);
}

static bool push_stream(aggregate *a, chunk *c)
{
    groups_arguments(&a->g, c, false);
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        if (c->flags[row] & (ROW_KEY_NULL | ROW_VALUE_NULL)) continue;
        if (a->w) {
            if (!add_windows(a, c, row)) return false;
            continue;
        }
        uint32_t at = (uint32_t)a->key_bytes.len;
        key_encode(c->cols, c->schema->key_count, row, &a->key_bytes);
        add_slot(a, c, row, at, (uint32_t)a->key_bytes.len - at, 0);
        if (a->slots == SLOTS && !run_slots(a, c)) return false;
    }
    if (!run_slots(a, c) || !emit_out(a)) return false;
    if (a->w && a->every && a->newest != INT64_MIN) {
        store_lock(a->st);
        store_expire(a->st, a->newest - a->w->retention, EXPIRE_MOST);
        store_unlock(a->st);
    }
    return true;
}

/* A table's change: what was is taken back, what is new is added, and one row comes out (reference B3). */
static bool push_table(aggregate *a, chunk *c)
{
    int keys = c->schema->key_count;
    /* Undo needs the arguments of the old side: each pass over the vectors of a call keeps one side. */
    size_t sets = 0;
    for (int i = 0; i < a->g.count; i++) sets += (size_t)a->g.calls[i].agg->arg_count;
    vec *old_args = ARENA_ARRAY(c->mem, vec, sets + 1), *new_args = ARENA_ARRAY(c->mem, vec, sets + 1);
    for (int pass = 0; pass < 2; pass++) {
        groups_arguments(&a->g, c, pass == 0);
        vec *to = pass == 0 ? old_args : new_args;
        for (int i = 0; i < a->g.count; i++) {
            for (int k = 0; k < a->g.calls[i].agg->arg_count; k++) *to++ = a->g.calls[i].args[k];
        }
    }
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t row = chunk_row(c, k);
        uint8_t flags = c->flags[row];
        if ((flags & ROW_KEY_NULL) || (flags & (ROW_OLD_NULL | ROW_VALUE_NULL)) == (ROW_OLD_NULL | ROW_VALUE_NULL))
            continue;
        store_lock(a->st);
        buf_clear(&a->key_bytes);
        key_encode(c->cols, keys, row, &a->key_bytes);
        a->keys[0] = buf_str(&a->key_bytes);
        a->windows[0] = 0;
        a->hashes[0] = store_hash(a->keys[0], 0);
        bool created;
        group *s = find_group(a, 0, &created);
        uint32_t r = 0;
        if (a->every) {
            r = out_row(a, c->mem, s, c->partition[row], c->offset[row], 0);
            if (!created && a->needs_old) {
                group_result(&a->g, s, a->out->old, r, c->mem);
                a->out->flags[r] &= (uint8_t)~ROW_OLD_NULL;
            }
        } else {
            wait_for_commit(a, s, c, row, created, c->mem);
        }
        for (int undo = 1; undo >= 0; undo--) {
            if (flags & (undo ? ROW_OLD_NULL : ROW_VALUE_NULL)) continue;
            const vec *from = undo ? old_args : new_args;
            for (int i = 0; i < a->g.count; i++) {
                for (int n = 0; n < a->g.calls[i].agg->arg_count; n++) a->g.calls[i].args[n] = *from++;
            }
            group_add(&a->g, s, c, row, undo != 0);
        }
        group_follow(&a->g, s, c, row);
        if (a->every) {
            a->out->rowtime[r] = s->rowtime;
            group_result(&a->g, s, a->out->cols, r, c->mem);
            for (int n = 0; n < keys; n++) vec_set(&a->out->cols[n], r, vec_get(&c->cols[n], row));
        }
        store_unlock(a->st);
        if (a->out && a->out->rows == chunk_rows_max() && !emit_out(a)) return false;
    }
    buf_clear(&a->key_bytes);
    return emit_out(a);
}

static bool aggregate_push(op *o, int side, chunk *c)
{
    aggregate *a = self(o);
    return a->from_table ? push_table(a, c) : push_stream(a, c);
}

static void aggregate_close(op *o)
{
    aggregate *a = self(o);
    store_close(a->st);
    for (uint32_t i = 0; i < a->wait_count; i++) free(a->waits[i].old);
    free(a->waits);
    buf_free(&a->key_bytes);
    buf_free(&a->old);
    groups_close(&a->g);
    if (a->flush_mem) arena_free(a->flush_mem);
}

static bool aggregate_view(const op *o, const void *state, uint32_t i, chunk *c, uint32_t row)
{
    const aggregate *a = container_of(o, const aggregate, head);
    if (i > 0) return false;
    const group *s = state;
    c->rowtime[row] = s->rowtime;
    if (a->w) {
        c->window_start[row] = store_window_of(a->st, state);
        c->window_end[row] = c->window_start[row] + a->w->size;
    }
    group_result(&a->g, s, c->cols, row, c->mem);
    return true;
}

static const op_class aggregate_class = {.name = "AGGREGATE",
                                         .push = aggregate_push,
                                         .flush = aggregate_flush,
                                         .view = aggregate_view,
                                         .close = aggregate_close};

op *aggregate_open(op_env *env, const plan *p, op *next, int side)
{
    aggregate *a = arena_alloc(env->life, sizeof *a);
    memset(a, 0, offsetof(aggregate, rows));
    op_init(&a->head, &aggregate_class, env, p, next, side);
    a->flush_mem = arena_new();
    a->w = p->aggregate.window.kind == WINDOW_NONE ? NULL : &p->aggregate.window;
    a->from_table = p->inputs[0]->schema->is_table;
    a->final = a->w && next->step->kind == PLAN_SUPPRESS;
    a->every = env->emit_every && !a->final;
    a->needs_old = op_needs_old(&a->head);
    a->stream_time = a->newest = a->closed = INT64_MIN;
    a->next_close = INT64_MIN; /* found with the first row */
    a->value_count = p->schema->count - p->schema->key_count;
    a->value_cols = ARENA_ARRAY(env->life, int, (size_t)a->value_count + 1);
    for (int i = 0; i < a->value_count; i++) a->value_cols[i] = p->schema->key_count + i;
    a->head.numbers[a->head.number_count++] = &a->stream_time;
    a->head.numbers[a->head.number_count++] = &a->newest;
    a->head.numbers[a->head.number_count++] = &a->closed;
    if (!groups_bind(&a->g, &a->head)) return NULL;
    char detail[160] = "aggregate";
    if (a->w) {
        snprintf(detail, sizeof detail, "aggregate window(%d size %lld advance %lld grace %lld)", (int)a->w->kind,
                 (long long)a->w->size, (long long)a->w->advance, (long long)a->w->grace);
    }
    a->st = groups_store(&a->g, a->w ? STORE_WINDOW : STORE_KEY, detail);
    return a->st ? &a->head : NULL;
}
