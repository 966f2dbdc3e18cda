/*
 * engine/query.c - from a plan to stages and tasks, and the end of a query.
 */
#include "engine/query.h"

#include "base/tz.h"
#include <stdlib.h>

#include "engine/format/format.h"
#include "engine/query_impl.h"

void query_fail(query *q, const diag *d)
{
    pthread_mutex_lock(&q->lock);
    bool first = !diag_is_set(&q->error);
    if (first) q->error = *d;
    pthread_mutex_unlock(&q->lock);
    atomic_store_explicit(&q->failed, true, memory_order_release);
    if (first && q->options.subscriber) q->options.subscriber->end(q->options.subscriber, &q->error);
}

const diag *query_error(const query *q)
{
    return atomic_load_explicit(&q->failed, memory_order_acquire) ? &q->error : NULL;
}

void query_wake(query *q, task *t)
{
    if (q->options.wake) q->options.wake(q->options.ctx, t);
}

/* ---- stages ---------------------------------------------------------------------------------------------------- */

static int partitions_of(query *q, const plan *p, diag *d)
{
    if (p->kind == PLAN_SOURCE) {
        int n = q->options.topic_partitions(q->options.ctx, p->source.topic);
        if (n < 1) diag_set(d, DIAG_NOT_FOUND, "the topic %.*s does not exist", STR_ARG(p->source.topic));
        return n < 1 ? 1 : n;
    }
    if (p->kind == PLAN_REKEY && p->rekey.exchange && p->rekey.partitions > 0) return p->rekey.partitions;
    int most = 1;
    for (int i = 0; i < p->input_count; i++) {
        int n = partitions_of(q, p->inputs[i], d);
        if (n > most) most = n;
    }
    return most;
}

/* Rows leave the task only when there is another one to go to. */
static bool is_cut(query *q, const plan *p, diag *d)
{
    if (p->kind != PLAN_REKEY || !p->rekey.exchange || q->options.single_task) return false;
    return p->rekey.partitions > 1 || partitions_of(q, p->inputs[0], d) > 1;
}

static int add_stage(query *q, const plan *root, bool sends, diag *d);

/* Adds the stages that feed a piece of plan; `self` is filled in as their receiver by the caller. */
static void add_feeding(query *q, const plan *p, int *children, int *count, diag *d)
{
    for (int i = 0; i < p->input_count; i++) {
        if (is_cut(q, p->inputs[i], d))
            children[(*count)++] = add_stage(q, p->inputs[i], true, d);
        else
            add_feeding(q, p->inputs[i], children, count, d);
    }
}

/* Rows have arrived for a receiver, or (-1) the senders may go on. */
static void wake_stage(void *ctx, int partition)
{
    stage *s = ctx;
    query *q = s->q;
    if (partition >= 0) {
        query_wake(q, q->tasks[q->stages[s->to].first_task + partition]);
        return;
    }
    for (int i = 0; i < s->partitions; i++) query_wake(q, q->tasks[s->first_task + i]);
}

static int add_stage(query *q, const plan *root, bool sends, diag *d)
{
    int children[STAGES_MAX], count = 0;
    add_feeding(q, root, children, &count, d);
    if (q->stage_count == STAGES_MAX) {
        diag_set(d, DIAG_LIMIT, "a query has at most %d stages", STAGES_MAX);
        return 0;
    }
    int self = q->stage_count++;
    stage *s = &q->stages[self];
    s->q = q;
    s->root = root;
    s->sends = sends;
    s->to = -1;
    s->partitions = q->options.single_task ? 1 : partitions_of(q, root->inputs[0], d);
    for (int i = 0; i < count; i++) q->stages[children[i]].to = self;
    return self;
}

/* The queues between stages, once every stage knows its receiver. */
static void open_exchanges(query *q)
{
    uint32_t rows = q->options.exchange_rows ? q->options.exchange_rows : 16384;
    for (int i = 0; i < q->stage_count; i++) {
        stage *s = &q->stages[i];
        if (s->sends) s->out = exchange_new(s->partitions, q->stages[s->to].partitions, rows, wake_stage, s);
    }
}

/* Steps in plan order (left before right) and the inputs of all stages. */
static void add_steps(query *q, const plan *p, int stage_no, int *index)
{
    if (q->step_count < (int)ARRAY_LEN(q->steps)) q->steps[q->step_count++] = p;
    if (p->kind == PLAN_SOURCE) {
        q->inputs[q->input_count++] = (query_input){p, stage_no, (*index)++};
        return;
    }
    for (int i = 0; i < p->input_count; i++) {
        const plan *in = p->inputs[i];
        int from = -1;
        for (int s = 0; s < q->stage_count; s++) {
            if (q->stages[s].sends && q->stages[s].root == in) from = s;
        }
        int fresh = 0;
        add_steps(q, in, from >= 0 ? from : stage_no, from >= 0 ? &fresh : index);
    }
}

static bool check_plan(const plan *p, int depth, int *sources, diag *d)
{
    if (depth > 200) return diag_set(d, DIAG_LIMIT, "the plan is nested too deep");
    if (p->kind == PLAN_SOURCE) {
        if (++*sources > INPUTS_MAX) return diag_set(d, DIAG_LIMIT, "a query reads at most %d topics", INPUTS_MAX);
        return format_check(&p->source.key_format, p->schema, FORMAT_KEY, d) &&
               format_check(&p->source.value_format, p->schema, FORMAT_VALUE, d);
    }
    if (p->kind == PLAN_JOIN && !join_supported(p, d)) return false;
    if (p->kind == PLAN_SINK && p->sink.topic.n > 0 &&
        (!format_check(&p->sink.key_format, p->schema, FORMAT_KEY, d) ||
         !format_check(&p->sink.value_format, p->schema, FORMAT_VALUE, d)))
        return false;
    for (int i = 0; i < p->input_count; i++) {
        if (!check_plan(p->inputs[i], depth + 1, sources, d)) return false;
    }
    return true;
}

bool query_check(const plan *root, diag *d)
{
    int sources = 0;
    return check_plan(root, 0, &sources, d);
}

/* A foreign-key join moves rows between keys of two kinds: one task does all of it. */
static bool has_foreign_key(const plan *p)
{
    if (p->kind == PLAN_JOIN && p->join.foreign_key) return true;
    for (int i = 0; i < p->input_count; i++) {
        if (has_foreign_key(p->inputs[i])) return true;
    }
    return false;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static bool add_tasks(query *q, diag *d)
{
    for (int i = 0; i < q->stage_count; i++) {
        q->stages[i].first_task = q->task_count;
        q->task_count += q->stages[i].partitions;
    }
    q->tasks = ARENA_ARRAY(q->mem, task *, (size_t)q->task_count + 1);
    for (int i = 0; i < q->stage_count; i++) {
        for (int p = 0; p < q->stages[i].partitions; p++) {
            arena *mem = arena_new();
            task *t = ARENA_NEW(mem, task);
            t->q = q;
            t->mem = mem;
            t->stage = i;
            t->partition = p;
            t->index = q->stages[i].first_task + p;
            t->env.life = mem;
            t->env.options = &q->options;
            t->env.query_id = q->options.id;
            t->env.partition = p;
            t->env.partitions = q->stages[i].partitions;
            t->env.emit_every = q->options.cache_bytes <= 0;
            t->env.error = &t->error;
            t->env.ended = &t->ended;
            t->env.func.zone = q->options.zone ? q->options.zone : tz_utc();
            t->env.agg = q->options.agg;
            t->env.expr = q->options.expr;
            rng_seed(&t->env.func.random, q->options.seed + (uint64_t)t->index);
            q->tasks[t->index] = t;
            if (!task_build(t)) {
                *d = t->error;
                if (!diag_is_set(d)) diag_set(d, DIAG_INTERNAL, "a step of the plan cannot be built");
                return false;
            }
        }
    }
    return true;
}

query *query_new(const plan *root, const query_options *options, diag *d)
{
    check(root->kind == PLAN_SINK);
    if (!query_check(root, d)) return NULL;
    arena *mem = arena_new();
    query *q = ARENA_NEW(mem, query);
    q->mem = mem;
    q->options = *options;
    q->options.id = arena_str(mem, options->id);
    /* The rows of a push query are counted (LIMIT) and delivered in one place. */
    if (options->subscriber || has_foreign_key(root)) q->options.single_task = true;
    q->root = root;
    q->inputs = ARENA_ARRAY(mem, query_input, INPUTS_MAX);
    check(pthread_mutex_init(&q->lock, NULL) == 0);
    int index = 0;
    int last = add_stage(q, root, false, d);
    if (diag_is_set(d)) goto fail;
    open_exchanges(q);
    add_steps(q, root, last, &index);
    if (!add_tasks(q, d) || !query_recover(q, d)) goto fail;
    return q;
fail:
    query_free(q);
    return NULL;
}

void query_free(query *q)
{
    if (!q) return;
    if (q->unresolved && q->options.sink && q->options.db)
        query_resolve(q);
    else if (q->options.sink && q->tasks)
        q->options.sink->ops->dropped(q->options.sink, -1);
    for (int i = 0; i < q->task_count; i++) {
        if (q->tasks[i]) task_close(q->tasks[i]);
    }
    for (int i = 0; i < q->stage_count; i++) exchange_free(q->stages[i].out);
    if (q->commit_mem) arena_free(q->commit_mem);
    free(q->committed);
    pthread_mutex_destroy(&q->lock);
    arena_free(q->mem);
}

str query_id(const query *q)
{
    return q->options.id;
}

int query_stages(const query *q)
{
    return q->stage_count;
}

int query_inputs(const query *q, const query_input **out)
{
    *out = q->inputs;
    return q->input_count;
}

int query_task_count(const query *q)
{
    return q->task_count;
}

task *query_task(query *q, int i)
{
    check(i >= 0 && i < q->task_count);
    return q->tasks[i];
}

int query_stats(const query *q, query_step_stats *out, int most)
{
    for (int i = 0; i < q->step_count && i < most; i++) {
        query_step_stats *s = &out[i];
        *s = (query_step_stats){.step = q->steps[i], .lag = -1};
        for (int k = 0; k < q->task_count; k++) {
            const task *t = q->tasks[k];
            for (int n = 0; n < t->env.op_count; n++) {
                const op *o = t->env.ops[n];
                if (o->step != s->step) continue;
                s->rows_in += o->stats.rows_in;
                s->rows_out += o->stats.rows_out;
                s->bytes += o->stats.bytes;
                s->errors += o->stats.errors;
                s->late += o->stats.late;
                for (int j = 0; j < o->store_count; j++) {
                    store_lock(o->stores[j]);
                    s->state_rows += store_count(o->stores[j]);
                    s->state_bytes += store_bytes(o->stores[j]);
                    store_unlock(o->stores[j]);
                }
            }
            for (int n = 0; n < t->input_count; n++) {
                const source_position *p;
                source *src = t->inputs[n].source;
                if (!src || source_op(src)->step != s->step) continue;
                int count = source_positions(src, &p);
                for (int j = 0; j < count; j++) {
                    if (p[j].offset < 0 || p[j].end_offset < 0) continue;
                    if (s->lag < 0) s->lag = 0;
                    if (p[j].end_offset > p[j].offset) s->lag += p[j].end_offset - p[j].offset;
                }
            }
        }
    }
    return q->step_count;
}
