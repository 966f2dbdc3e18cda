/*
 * tests/support/engine/rig_sink.c - a transactional sink in memory that can die on either side of a decision.
 *
 * A crash makes every later call of the query's life fail or do nothing; recover, called by the next query, then
 * resolves what was left as a broker would.
 */
#include <stdlib.h>

#include "base/check.h"
#include "tests/support/engine/rig_int.h"

static rig *rig_of(io_sink *s)
{
    return container_of(s, rig, sink);
}

static bool died(rig *r, diag *d)
{
    r->crashed = true;
    return diag_set(d, DIAG_IO, "crashed");
}

static io_status sink_append(io_sink *s, int output, const io_out *records, uint32_t count, diag *d)
{
    rig *r = rig_of(s);
    if (r->blocked) return IO_BLOCKED;
    if (r->crashed) return IO_FAILED;
    pthread_mutex_lock(&r->lock);
    rig_topic_data *t = rig_topic_of(r, r->out_topic);
    for (uint32_t i = 0; i < count; i++) {
        io_record rec = {.key = arena_str(r->mem, records[i].key),
                         .value = arena_str(r->mem, records[i].value),
                         .key_null = records[i].key_null,
                         .value_null = records[i].value_null,
                         .timestamp = records[i].timestamp};
        int p = records[i].partition < 0 ? 0 : records[i].partition;
        check(p < t->partitions);
        rig_append(r, t, p, rec)->generation = r->generation;
    }
    pthread_mutex_unlock(&r->lock);
    return IO_OK;
}

static void sink_freeze(io_sink *s, int64_t generation)
{
    rig *r = rig_of(s);
    pthread_mutex_lock(&r->lock);
    r->generation = generation + 1;
    pthread_mutex_unlock(&r->lock);
}

static void resolve(rig *r, int64_t generation, bool commit)
{
    pthread_mutex_lock(&r->lock);
    rig_topic_data *t = rig_topic_of(r, r->out_topic);
    for (int i = 0; i < t->count; i++) {
        rig_record *x = &t->records[i];
        if (x->committed || x->aborted) continue;
        if (commit && x->generation <= generation) x->committed = true;
        if (!commit && (generation < 0 || x->generation == generation)) x->aborted = true;
    }
    pthread_mutex_unlock(&r->lock);
}

static bool sink_prepare(io_sink *s, int64_t generation, const io_output_position **out, int *count, diag *d)
{
    rig *r = rig_of(s);
    if (r->crash == RIG_CRASH_BEFORE_PREPARE) return died(r, d);
    pthread_mutex_lock(&r->lock);
    io_output_position *p = ARENA_NEW(r->mem, io_output_position);
    pthread_mutex_unlock(&r->lock);
    *p = (io_output_position){.topic = r->out_topic, .producer_id = 1000 + generation % 2};
    *out = p;
    *count = 1;
    return r->crash == RIG_CRASH_BEFORE_DECISION ? died(r, d) : true;
}

static bool sink_commit(io_sink *s, int64_t generation, const io_input_position *inputs, int n, io_changes *changes,
                        bool *decided, diag *d)
{
    rig *r = rig_of(s);
    io_change c;
    int before = r->change_count;
    while (changes->next(changes, &c)) {
        if (r->change_count == r->change_cap) {
            r->change_cap = r->change_cap ? r->change_cap * 2 : 64;
            r->changes = realloc(r->changes, (size_t)r->change_cap * sizeof *r->changes);
            check(r->changes != NULL);
        }
        c.store = arena_str(r->mem, c.store);
        c.key = arena_str(r->mem, c.key);
        c.row = arena_str(r->mem, c.row);
        r->changes[r->change_count++] = (rig_change){generation, c};
    }
    if (r->crash == RIG_CRASH_BEFORE_PREPARE || r->crash == RIG_CRASH_BEFORE_DECISION) {
        r->change_count = before; /* the transaction is aborted with all that it holds */
        return died(r, d);
    }
    r->log_decided = generation;
    r->log_inputs = ARENA_ARRAY(r->mem, io_input_position, (size_t)n + 1);
    memcpy(r->log_inputs, inputs, (size_t)n * sizeof *inputs);
    r->log_input_count = n;
    resolve(r, generation, true);
    *decided = true;
    return r->crash == RIG_CRASH_AFTER_DECISION ? died(r, d) : true;
}

static bool sink_decided(io_sink *s, int64_t generation, diag *d)
{
    rig *r = rig_of(s);
    if (r->crash == RIG_CRASH_AFTER_DECISION) return died(r, d);
    resolve(r, generation, true);
    return true;
}

static void sink_dropped(io_sink *s, int64_t generation)
{
    rig *r = rig_of(s);
    if (!r->crashed && r->options.db) resolve(r, generation, false);
}

static bool sink_recover(io_sink *s, int64_t stored, const io_output_position *outputs, int count, int64_t *generation,
                         const io_input_position **inputs, int *input_count,
                         bool (*apply)(void *ctx, const io_change *c, diag *d), void *ctx, diag *d)
{
    rig *r = rig_of(s);
    if (s->decider == IO_DECIDES_STORE) {
        if (stored > 0) resolve(r, stored, true);
        resolve(r, -1, false);
        r->generation = stored + 1;
        return true;
    }
    resolve(r, -1, false);
    for (int i = 0; i < r->change_count; i++) {
        if (r->changes[i].generation > stored && !apply(ctx, &r->changes[i].change, d)) return false;
    }
    *generation = r->log_decided;
    *inputs = r->log_inputs;
    *input_count = r->log_input_count;
    r->generation = r->log_decided + 1;
    return true;
}

const io_sink_ops *rig_sink_ops(void)
{
    static const io_sink_ops ops = {sink_append,  sink_freeze,  sink_prepare, sink_commit,
                                    sink_decided, sink_dropped, sink_recover};
    return &ops;
}

void rig_crash_next(rig *r, rig_crash at)
{
    r->crash = at;
}

void rig_log_decides(rig *r)
{
    r->sink.decider = IO_DECIDES_LOG;
}

void rig_block_sink(rig *r, bool blocked)
{
    r->blocked = blocked;
}
