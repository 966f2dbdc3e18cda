/*
 * engine/query_commit.c - the boundary, the decision, and what a start makes of the last run (design: 5 and 7).
 */
#include <stdlib.h>

#include "engine/query_impl.h"

/* ---- the boundary ---------------------------------------------------------------------------------------------- */

static unsigned long long pushed_rows(const query *q)
{
    unsigned long long n = 0;
    for (int i = 0; i < q->task_count; i++) n += atomic_load_explicit(&q->tasks[i]->pushed, memory_order_relaxed);
    return n;
}

bool query_commit_begin(query *q)
{
    if (!q->options.db || atomic_load(&q->failed)) return false;
    pthread_mutex_lock(&q->lock);
    bool begin = atomic_load(&q->status) == COMMIT_NONE && pushed_rows(q) != q->committed_rows;
    if (begin) {
        atomic_store(&q->status, COMMIT_DRAINING);
        atomic_store_explicit(&q->draining, atomic_load(&q->generation) + 1, memory_order_release);
    }
    pthread_mutex_unlock(&q->lock);
    for (int i = 0; begin && i < q->task_count; i++) query_wake(q, q->tasks[i]);
    return begin;
}

commit_status query_commit_status(const query *q)
{
    return (commit_status)atomic_load(&q->status);
}

int64_t query_generation(const query *q)
{
    return atomic_load(&q->generation);
}

uint64_t query_changed(const query *q)
{
    uint64_t n = 0;
    for (int i = 0; i < q->task_count; i++) {
        const task *t = q->tasks[i];
        for (int k = 0; k < t->env.op_count; k++) {
            for (int s = 0; s < t->env.ops[k]->store_count; s++) n += store_changed(t->env.ops[k]->stores[s]);
        }
    }
    return n;
}

/* Name under which the i-th number of an operator is saved. */
static str number_name(arena *a, const op *o, int i)
{
    return arena_printf(a, "%.*s/%s/%d", STR_ARG(o->step->context), o->class->name, i);
}

int64_t *query_number(query *q, str name, int32_t partition)
{
    arena *a = arena_new();
    int64_t *found = NULL;
    for (int i = 0; i < q->task_count && !found; i++) {
        task *t = q->tasks[i];
        if (t->partition != partition) continue;
        for (int k = 0; k < t->env.op_count; k++) {
            for (int n = 0; n < t->env.ops[k]->number_count; n++) {
                if (str_eq(number_name(a, t->env.ops[k], n), name)) found = t->env.ops[k]->numbers[n];
            }
        }
    }
    arena_free(a);
    return found;
}

/* Positions, numbers and the list of stores, as they are at the boundary. */
static void collect(query *q)
{
    arena *a = q->commit_mem = arena_new();
    int positions = 0, numbers = 0, stores = 0;
    for (int i = 0; i < q->task_count; i++) {
        task *t = q->tasks[i];
        const source_position *p;
        for (int k = 0; k < t->input_count; k++)
            positions += t->inputs[k].source ? source_positions(t->inputs[k].source, &p) : 0;
        for (int k = 0; k < t->env.op_count; k++) {
            numbers += t->env.ops[k]->number_count;
            stores += t->env.ops[k]->store_count;
        }
    }
    q->positions = ARENA_ARRAY(a, io_input_position, (size_t)positions + 1);
    q->numbers = ARENA_ARRAY(a, store_number, (size_t)numbers + 1);
    q->stores = ARENA_ARRAY(a, store *, (size_t)stores + 1);
    q->position_count = q->number_count = q->store_count = 0;
    for (int i = 0; i < q->task_count; i++) {
        task *t = q->tasks[i];
        for (int k = 0; k < t->input_count; k++) {
            const source_position *p;
            source *s = t->inputs[k].source;
            int n = s ? source_positions(s, &p) : 0;
            for (int j = 0; j < n; j++) {
                if (p[j].offset < 0) continue; /* the feed does not know where it begins */
                q->positions[q->position_count++] =
                    (io_input_position){source_op(s)->step->id, p[j].partition, p[j].topic_id, p[j].offset};
            }
        }
        for (int k = 0; k < t->env.op_count; k++) {
            op *o = t->env.ops[k];
            for (int j = 0; j < o->number_count; j++)
                q->numbers[q->number_count++] = (store_number){number_name(a, o, j), t->partition, *o->numbers[j]};
            for (int j = 0; j < o->store_count; j++) q->stores[q->store_count++] = o->stores[j];
        }
    }
}

/* All tasks have arrived: none of them touches its operators before `draining` is cleared. */
static void freeze(query *q)
{
    q->frozen = atomic_load(&q->generation) + 1;
    q->committed_rows = pushed_rows(q);
    collect(q);
    for (int i = 0; i < q->store_count; i++) {
        store_lock(q->stores[i]);
        store_freeze(q->stores[i], q->frozen);
        store_unlock(q->stores[i]);
    }
    if (q->options.sink) q->options.sink->ops->freeze(q->options.sink, q->frozen);
    for (int i = 0; i < q->stage_count; i++) atomic_store(&q->stages[i].at_boundary, 0);
    q->at_boundary = 0;
    atomic_store(&q->status, COMMIT_FROZEN);
    atomic_store_explicit(&q->draining, 0, memory_order_release);
}

void query_reached_boundary(query *q, task *t)
{
    pthread_mutex_lock(&q->lock);
    stage *s = &q->stages[t->stage];
    bool stage_arrived = atomic_fetch_add(&s->at_boundary, 1) + 1 == s->partitions;
    bool all = ++q->at_boundary == q->task_count;
    if (all) freeze(q);
    pthread_mutex_unlock(&q->lock);
    if (all) {
        for (int i = 0; i < q->task_count; i++) query_wake(q, q->tasks[i]);
    } else if (stage_arrived && s->to >= 0) {
        const stage *to = &q->stages[s->to];
        for (int i = 0; i < to->partitions; i++) query_wake(q, q->tasks[to->first_task + i]);
    }
}

/* ---- the decision ---------------------------------------------------------------------------------------------- */

static const store_output *as_outputs(arena *a, const io_output_position *p, int n)
{
    store_output *out = ARENA_ARRAY(a, store_output, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        out[i] = (store_output){
            .topic = p[i].topic,
            .partition = p[i].partition,
            .producer_id = p[i].producer_id,
            .epoch = p[i].epoch,
            .first_offset = p[i].first_offset,
            .end_offset = p[i].end_offset,
        };
        memcpy(out[i].topic_id, p[i].topic_id.bytes, sizeof out[i].topic_id);
    }
    return out;
}

static bool save(query *q, const io_output_position *outputs, int output_count, diag *d)
{
    store_input *inputs = ARENA_ARRAY(q->commit_mem, store_input, (size_t)q->position_count + 1);
    for (int i = 0; i < q->position_count; i++) {
        const io_input_position *p = &q->positions[i];
        inputs[i] = (store_input){.input = p->input, .partition = p->partition, .offset = p->offset};
        memcpy(inputs[i].topic_id, p->topic_id.bytes, sizeof inputs[i].topic_id);
    }
    store_commit c = {
        .generation = q->frozen,
        .stores = q->stores,
        .store_count = q->store_count,
        .inputs = inputs,
        .input_count = q->position_count,
        .outputs = as_outputs(q->commit_mem, outputs, output_count),
        .output_count = output_count,
        .numbers = q->numbers,
        .number_count = q->number_count,
    };
    return q->options.db->ops->commit(q->options.db, &c, d);
}

/* Outputs are durable, then the database decides, then the markers are written. */
static bool decide_by_store(query *q, bool *decided, diag *d)
{
    io_sink *s = q->options.sink;
    const io_output_position *outputs = NULL;
    int count = 0;
    if (s && !s->ops->prepare(s, q->frozen, &outputs, &count, d)) return false;
    /*
     * A transaction that fails may still be there when the database is opened again, and markers that fail must not be
     * answered by aborting what was decided: query_resolve ends the outputs as the database says.
     */
    q->unresolved = true;
    if (!save(q, outputs, count, d)) return false;
    *decided = true;
    if (s && !s->ops->decided(s, q->frozen, d)) return false;
    q->unresolved = false;
    return true;
}

/* The sink's transaction decides; the database follows. */
static bool decide_by_log(query *q, bool *decided, diag *d)
{
    io_sink *s = q->options.sink;
    io_changes *list = changes_open(q);
    bool ok = s->ops->commit(s, q->frozen, q->positions, q->position_count, list, decided, d);
    changes_close(list);
    return ok && save(q, NULL, 0, d) && s->ops->decided(s, q->frozen, d);
}

/* Whether every read of the stores was good: what was computed from a failed one may not become durable. */
static bool stores_are_good(query *q, diag *d)
{
    bool ok = true;
    for (int i = 0; ok && i < q->store_count; i++) {
        store_lock(q->stores[i]);
        ok = !store_error(q->stores[i], d);
        store_unlock(q->stores[i]);
    }
    return ok;
}

/* Remembers the positions of a generation that is decided. */
static void note_committed(query *q, const io_input_position *positions, int count)
{
    io_input_position *own = malloc(((size_t)count + 1) * sizeof *own);
    check(own != NULL);
    if (count > 0) memcpy(own, positions, (size_t)count * sizeof *own);
    pthread_mutex_lock(&q->lock);
    free(q->committed);
    q->committed = own;
    q->committed_count = count;
    pthread_mutex_unlock(&q->lock);
}

int query_committed(const query *q, query_position *out, int most)
{
    query *mine = (query *)(uintptr_t)q; /* for its lock */
    pthread_mutex_lock(&mine->lock);
    int n = q->committed_count;
    for (int i = 0; i < n && i < most; i++) {
        const io_input_position *p = &q->committed[i];
        out[i] = (query_position){STR(""), p->partition, p->offset};
        for (int k = 0; k < q->input_count; k++) {
            if (q->inputs[k].step->id == p->input) out[i].topic = q->inputs[k].step->source.topic;
        }
    }
    pthread_mutex_unlock(&mine->lock);
    return n;
}

bool query_commit_write(query *q, diag *d)
{
    check(atomic_load(&q->status) == COMMIT_FROZEN);
    bool decided = false;
    bool by_log = q->options.sink && q->options.sink->decider == IO_DECIDES_LOG;
    bool ok = stores_are_good(q, d);
    if (ok) ok = by_log ? decide_by_log(q, &decided, d) : decide_by_store(q, &decided, d);
    for (int i = 0; i < q->store_count; i++) {
        store_lock(q->stores[i]);
        if (ok)
            store_decided(q->stores[i], q->frozen);
        else
            store_dropped(q->stores[i], q->frozen);
        store_unlock(q->stores[i]);
    }
    if (!ok) {
        if (!decided && !q->unresolved && q->options.sink) q->options.sink->ops->dropped(q->options.sink, q->frozen);
        query_fail(q, d);
    } else {
        note_committed(q, q->positions, q->position_count);
        atomic_store(&q->generation, q->frozen);
    }
    arena_free(q->commit_mem);
    q->commit_mem = NULL;
    q->store_count = q->number_count = q->position_count = 0;
    atomic_store(&q->status, COMMIT_NONE);
    return ok;
}

/* ---- the start ------------------------------------------------------------------------------------------------- */

static bool seek_input(query *q, const io_input_position *p, diag *d)
{
    for (int i = 0; i < q->task_count; i++) {
        task *t = q->tasks[i];
        for (int k = 0; k < t->input_count; k++) {
            source *s = t->inputs[k].source;
            if (!s || source_op(s)->step->id != p->input) continue;
            if (source_seek(s, p->partition, &p->topic_id, p->offset)) continue;
            *d = t->error;
            return false;
        }
    }
    return true;
}

static bool start_sources(query *q, diag *d)
{
    for (int i = 0; i < q->task_count; i++) {
        task *t = q->tasks[i];
        for (int k = 0; k < t->input_count; k++) {
            if (!t->inputs[k].source || source_start(t->inputs[k].source)) continue;
            *d = t->error;
            return false;
        }
    }
    return true;
}

static io_output_position *stored_outputs(arena *a, const store_state *st)
{
    io_output_position *out = ARENA_ARRAY(a, io_output_position, (size_t)st->output_count + 1);
    for (int i = 0; i < st->output_count; i++) {
        const store_output *o = &st->outputs[i];
        out[i] = (io_output_position){
            .topic = o->topic,
            .partition = o->partition,
            .producer_id = o->producer_id,
            .epoch = o->epoch,
            .first_offset = o->first_offset,
            .end_offset = o->end_offset,
        };
        memcpy(out[i].topic_id.bytes, o->topic_id, sizeof o->topic_id);
    }
    return out;
}

void query_resolve(query *q)
{
    arena *a = arena_new();
    store_state st = {0};
    diag ignored = {0};
    io_sink *s = q->options.sink;
    int64_t generation;
    const io_input_position *from;
    int count;
    if (q->options.db->ops->load(q->options.db, a, &st, &ignored)) {
        s->ops->recover(s, st.generation, stored_outputs(a, &st), st.output_count, &generation, &from, &count,
                        changes_apply, q, &ignored);
    }
    arena_free(a);
}

bool query_recover(query *q, diag *d)
{
    arena *a = arena_new();
    store_state st = {0};
    bool ok = !q->options.db || q->options.db->ops->load(q->options.db, a, &st, d);
    io_input_position *inputs = ARENA_ARRAY(a, io_input_position, (size_t)st.input_count + 1);
    for (int i = 0; ok && i < st.input_count; i++) {
        inputs[i] = (io_input_position){
            .input = st.inputs[i].input, .partition = st.inputs[i].partition, .offset = st.inputs[i].offset};
        memcpy(inputs[i].topic_id.bytes, st.inputs[i].topic_id, sizeof st.inputs[i].topic_id);
    }
    for (int i = 0; ok && i < st.number_count; i++) {
        int64_t *n = query_number(q, st.numbers[i].name, st.numbers[i].partition);
        if (n) *n = st.numbers[i].value;
    }
    int64_t generation = st.generation;
    const io_input_position *from = inputs;
    int from_count = st.input_count;
    io_sink *s = q->options.sink;
    if (ok && s && q->options.db) {
        ok = s->ops->recover(s, st.generation, stored_outputs(a, &st), st.output_count, &generation, &from, &from_count,
                             changes_apply, q, d);
        if (ok && s->decider == IO_DECIDES_STORE) {
            generation = st.generation;
            from = inputs;
            from_count = st.input_count;
        }
    }
    if (ok) note_committed(q, from, from_count);
    for (int i = 0; ok && i < from_count; i++) ok = seek_input(q, &from[i], d);
    ok = ok && start_sources(q, d);
    atomic_store(&q->generation, generation);
    /* A query without stored positions has something to commit at once: the positions that it begins at. */
    if (q->options.db && from_count == 0) q->committed_rows = UINT64_MAX;
    arena_free(a);
    return ok;
}
