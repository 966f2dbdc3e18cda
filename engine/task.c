/*
 * engine/task.c - one step of a task: take what is at hand in order of event time and push it through.
 */
#include "base/check.h"
#include "engine/query_impl.h"

enum { TURN_ROWS = 64 };

/* ---- building ------------------------------------------------------------------------------------------------- */

static op *open_step(op_env *env, const plan *p, op *next, int side)
{
    switch (p->kind) {
    case PLAN_FILTER: return filter_open(env, p, next, side);
    case PLAN_PROJECT: return project_open(env, p, next, side);
    case PLAN_EXPLODE: return explode_open(env, p, next, side);
    case PLAN_REKEY: return rekey_open(env, p, next, side);
    case PLAN_AGGREGATE:
        return p->aggregate.window.kind == WINDOW_SESSION ? session_open(env, p, next, side)
                                                          : aggregate_open(env, p, next, side);
    case PLAN_SUPPRESS: return suppress_open(env, p, next, side);
    case PLAN_JOIN: return join_open(env, p, next, side);
    default: check_unreachable();
    }
}

static const stage *sending_stage(const query *q, const plan *p)
{
    for (int i = 0; i < q->stage_count; i++) {
        if (q->stages[i].sends && q->stages[i].root == p) return &q->stages[i];
    }
    return NULL;
}

/* Builds what feeds `next`. Left inputs first, as the feed numbers them. */
static bool build(task *t, const plan *p, op *next, int side)
{
    query *q = t->q;
    check(t->input_count < INPUTS_MAX);
    const stage *from = p->kind == PLAN_REKEY ? sending_stage(q, p) : NULL;
    if (from) {
        input *in = &t->inputs[t->input_count++];
        *in = (input){.x = from->out, .from_stage = (int)(from - q->stages), .to = next, .side = side};
        in->heads = ARENA_ARRAY(t->mem, exchange_rows, (size_t)exchange_senders(in->x));
        in->at = ARENA_ARRAY(t->mem, uint32_t, (size_t)exchange_senders(in->x));
        return true;
    }
    if (p->kind == PLAN_SOURCE) {
        if (!t->feed)
            t->feed = q->options.feed(q->options.ctx, q, t->stage, q->options.single_task ? -1 : t->partition);
        if (!t->feed)
            return diag_set(&t->error, DIAG_STATE, "there is no feed for the topic %.*s", STR_ARG(p->source.topic));
        source *s = source_open(&t->env, p, next, side, t->feed, t->source_count++);
        if (!s) return false;
        t->inputs[t->input_count++] = (input){.source = s, .to = next, .side = side};
        return true;
    }
    if (p->kind == PLAN_JOIN && p->schema->is_table && q->root->sink.view) {
        next = result_open(&t->env, p, next, side);
        if (!next) return false;
        side = 0;
    }
    op *o = open_step(&t->env, p, next, side);
    if (!o) return false;
    for (int i = 0; i < p->input_count; i++) {
        if (!build(t, p->inputs[i], o, i)) return false;
    }
    return true;
}

bool task_build(task *t)
{
    const stage *s = &t->q->stages[t->stage];
    op *last = s->sends ? send_open(&t->env, s->root, s->out) : sink_open(&t->env, s->root, 0);
    if (!last) return false;
    if (s->sends) {
        last = rekey_open(&t->env, s->root, last, 0);
        if (!last) return false;
    }
    return build(t, s->root->inputs[0], last, 0);
}

void task_close(task *t)
{
    for (int i = 0; i < t->input_count; i++) {
        input *in = &t->inputs[i];
        for (int k = 0; in->x && k < exchange_senders(in->x); k++) {
            if (in->heads[k].rows) exchange_done(in->x, t->partition, &in->heads[k]);
        }
    }
    for (int i = 0; i < t->env.op_count; i++) {
        op *o = t->env.ops[i];
        if (o->class->close) o->class->close(o);
    }
    arena_free(t->mem);
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

static bool input_ready(const input *in)
{
    return in->source ? source_ready(in->source) : in->waiting > 0;
}

/* Whether it could have more at hand than it has. */
static bool input_wants(const input *in)
{
    return in->source ? !source_ready(in->source) : in->waiting < exchange_senders(in->x);
}

static bool input_ended(const task *t, const input *in)
{
    if (in->source) return source_ended(in->source);
    const stage *from = &t->q->stages[in->from_stage];
    return in->waiting == 0 && atomic_load(&from->done) == from->partitions && exchange_empty(in->x, t->partition);
}

static io_status input_fill(task *t, input *in)
{
    if (in->source) return source_fill(in->source);
    in->waiting += exchange_take(in->x, t->partition, in->heads);
    return in->waiting > 0 ? IO_OK : IO_EMPTY;
}

static int64_t before(int64_t time)
{
    return time > INT64_MIN ? time - 1 : time;
}

/* The sender whose head is the oldest, the first of equals; *limit is lowered to where another one's turn comes. */
static int oldest_sender(const input *in, int64_t *limit)
{
    int best = -1;
    int64_t head = 0;
    for (int i = 0, left = in->waiting; left > 0; i++) {
        const chunk *c = in->heads[i].rows;
        if (!c) continue;
        left--;
        int64_t time = c->rowtime[chunk_row(c, in->at[i])];
        int64_t other = time; /* of equal times the sender that comes first in number */
        if (best < 0 || time < head) {
            other = best < 0 ? *limit : before(head);
            best = i;
            head = time;
        }
        if (other < *limit) *limit = other;
    }
    return best;
}

static int64_t input_head(const input *in)
{
    if (in->source) return source_head(in->source);
    int64_t limit = INT64_MAX;
    int i = oldest_sender(in, &limit);
    const chunk *c = in->heads[i].rows;
    return c->rowtime[chunk_row(c, in->at[i])];
}

/*
 * Pushes the oldest sender's rows up to where another one's turn comes, or this time. Senders that are abreast take
 * turns of TURN_ROWS: row by row the operators behind would get chunks of one row, and cost half as much again.
 */
static bool exchange_push(task *t, input *in, int64_t limit)
{
    int64_t turn = limit;
    int sender = oldest_sender(in, &turn);
    chunk *all = in->heads[sender].rows;
    uint32_t from = in->at[sender], to = from + 1;
    for (; to < all->count; to++) {
        int64_t time = all->rowtime[chunk_row(all, to)];
        if (time > limit || (time > turn && to - from >= TURN_ROWS)) break;
    }
    in->at[sender] = to;
    chunk c = *all;
    if (from > 0 || to < all->count) {
        c.count = to - from;
        c.sel = arena_alloc(all->mem, sizeof(uint16_t) * (to - from));
        for (uint32_t k = from; k < to; k++) c.sel[k - from] = (uint16_t)chunk_row(all, k);
    }
    bool last = to == all->count;
    in->to->stats.rows_in += c.count;
    bool ok = in->to->class->push(in->to, in->side, &c);
    if (last) {
        exchange_done(in->x, t->partition, &in->heads[sender]);
        in->at[sender] = 0;
        in->waiting--;
    }
    return ok;
}

static bool input_push(task *t, input *in, int64_t limit)
{
    atomic_fetch_add_explicit(&t->pushed, 1, memory_order_relaxed);
    return in->source ? source_push(in->source, limit) : exchange_push(t, in, limit);
}

/*
 * Pushes rows, lowest event time first, until one of the inputs may have more at hand than it shows. On the way to a
 * boundary only exchanges are inputs.
 */
static bool push_merged(task *t, bool exchanges_only)
{
    for (;;) {
        /* On a tie the later input goes first: that of a join's table, so that a row finds what is as old as it. */
        int best = -1;
        int64_t head = 0, limit = INT64_MAX;
        for (int i = 0; i < t->input_count; i++) {
            const input *in = &t->inputs[i];
            if (!input_ready(in) || (exchanges_only && in->source)) continue;
            int64_t time = t->input_count == 1 ? 0 : input_head(in);
            int64_t other = best < 0 ? INT64_MAX : before(time);
            if (best < 0 || time <= head) {
                other = best < 0 ? INT64_MAX : head;
                best = i;
                head = time;
            }
            if (other < limit) limit = other;
        }
        input *in = &t->inputs[best];
        int waiting = in->waiting;
        if (!input_push(t, in, limit)) return false;
        if (!input_ready(in) || in->waiting < waiting || t->ended) return true;
    }
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

static task_status fail(task *t)
{
    if (!diag_is_set(&t->error)) diag_set(&t->error, DIAG_INTERNAL, "a step failed without a reason");
    query_fail(t->q, &t->error);
    return TASK_FAILED;
}

/* Lets the operators get rid of what waits. True: something still does. */
static bool still_blocked(task *t)
{
    bool blocked = false;
    for (int i = t->env.op_count; i-- > 0;) {
        op *o = t->env.ops[i];
        if (o->class->blocked && o->class->blocked(o)) blocked = true;
    }
    return blocked;
}

/* Hands on what operators hold back, upstream first. */
static bool flush(task *t)
{
    for (int i = t->env.op_count; i-- > 0;) {
        op *o = t->env.ops[i];
        if (o->class->flush && !o->class->flush(o)) return false;
    }
    return true;
}

/* Without commits (push queries) changes go on when the input is dry, or when they have waited for the interval. */
static bool flush_if_due(task *t, bool dry)
{
    const query_options *o = &t->q->options;
    if (o->db || t->env.emit_every) return true;
    if (!dry && t->env.now - t->flushed < o->commit_interval_ms) return true;
    t->flushed = t->env.now;
    return flush(t);
}

static task_status finish(task *t)
{
    if (t->done) return TASK_DONE;
    if (!t->ended && !flush(t)) return fail(t);
    if (still_blocked(t) && !t->ended) return diag_is_set(&t->error) ? fail(t) : TASK_BLOCKED;
    t->done = true;
    query *q = t->q;
    stage *s = &q->stages[t->stage];
    atomic_fetch_add(&s->done, 1);
    if (s->sends) {
        for (int i = 0; i < q->stages[s->to].partitions; i++) query_wake(q, q->tasks[q->stages[s->to].first_task + i]);
    } else if (q->options.subscriber && atomic_load(&s->done) == s->partitions) {
        q->options.subscriber->end(q->options.subscriber, NULL);
    }
    return TASK_DONE;
}

/* Takes what has arrived; false: there is nothing. */
static bool fill_exchanges(task *t)
{
    bool any = false;
    for (int i = 0; i < t->input_count; i++) {
        if (!t->inputs[i].source && input_fill(t, &t->inputs[i]) == IO_OK) any = true;
    }
    return any;
}

/*
 * On the way to a boundary: sources are not touched; exchanges are emptied once every sender has arrived; what is held
 * back goes on; then the task has arrived.
 */
static task_status step_to_boundary(task *t, int64_t generation)
{
    if (t->arrived == generation) return TASK_BLOCKED;
    bool complete = true;
    for (int i = 0; i < t->input_count; i++) {
        /* Read before the queue: what the senders put there before they arrived is then seen. */
        const stage *from = t->inputs[i].source ? NULL : &t->q->stages[t->inputs[i].from_stage];
        if (from && atomic_load(&from->at_boundary) < from->partitions) complete = false;
    }
    while (fill_exchanges(t)) {
        if (!push_merged(t, true)) return fail(t);
    }
    if (still_blocked(t)) return diag_is_set(&t->error) ? fail(t) : TASK_BLOCKED;
    if (!complete) return TASK_BLOCKED;
    if (!t->done && !flush(t)) return fail(t);
    if (still_blocked(t)) return diag_is_set(&t->error) ? fail(t) : TASK_BLOCKED;
    t->arrived = generation;
    query_reached_boundary(t->q, t);
    return TASK_MORE;
}

static task_status step(task *t)
{
    int64_t draining = atomic_load_explicit(&t->q->draining, memory_order_acquire);
    if (draining != 0) return step_to_boundary(t, draining);
    if (t->done) return TASK_DONE;
    if (!t->ended && still_blocked(t)) return diag_is_set(&t->error) ? fail(t) : TASK_BLOCKED;
    if (t->ended) return finish(t); /* as it may only be since the last held rows have gone */
    int ready = 0, ended = 0;
    bool skipped = false;
    for (int i = 0; i < t->input_count; i++) {
        input *in = &t->inputs[i];
        if (input_wants(in) && input_fill(t, in) == IO_FAILED) return fail(t);
        skipped = (in->source && source_skipped(in->source)) || skipped;
        ready += input_ready(in);
        ended += !input_ready(in) && input_ended(t, in);
    }
    if (skipped) {
        atomic_fetch_add_explicit(&t->pushed, 1, memory_order_relaxed);
        return TASK_MORE;
    }
    if (ended == t->input_count) return finish(t);
    if (!flush_if_due(t, ready == 0)) return fail(t);
    if (ready == 0) return still_blocked(t) ? TASK_BLOCKED : t->ended ? TASK_MORE : TASK_IDLE;
    for (int i = 0; i < t->input_count; i++) {
        input *in = &t->inputs[i];
        if (!in->source || input_ready(in) || input_ended(t, in)) continue;
        if (!source_may_pass(in->source, t->env.now)) return TASK_IDLE;
    }
    if (!push_merged(t, false)) return fail(t);
    if (still_blocked(t)) return diag_is_set(&t->error) ? fail(t) : TASK_BLOCKED;
    return TASK_MORE;
}

task_status task_step(task *t, int64_t now)
{
    if (atomic_load_explicit(&t->q->failed, memory_order_acquire)) return TASK_FAILED;
    t->env.now = now;
    t->env.func.now_ms = now;
    return step(t);
}

int task_stage(const task *t)
{
    return t->stage;
}

int32_t task_partition(const task *t)
{
    return t->partition;
}
