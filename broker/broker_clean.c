/* Housekeeping of all logs on the cleaner thread: retention, compaction, checkpoints of what fell idle. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/broker_core.h"

/* Every partition there is now, with a reference taken. */
static size_t all_partitions(broker *b, broker_partition ***out)
{
    buf all = {0};
    pthread_mutex_lock(&b->meta_lock);
    void *value;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);) {
        topic *t = value;
        for (int32_t i = 0; i < t->partitions_len; i++) {
            broker_partition *p = partition_ref(t->partitions[i]);
            buf_add(&all, &p, sizeof p);
        }
    }
    pthread_mutex_unlock(&b->meta_lock);
    *out = (broker_partition **)(void *)all.data;
    return all.len / sizeof **out;
}

/* Calls fn with each, and gives the references back. */
static void for_each(broker *b, void (*fn)(broker_partition *p, broker_time now), broker_time now)
{
    broker_partition **list;
    size_t n = all_partitions(b, &list);
    for (size_t i = 0; i < n; i++) {
        if (!atomic_load(&b->cancel_clean)) fn(list[i], now);
        broker_partition_release(list[i]);
    }
    free(list);
}

static void complain(const broker_partition *p, const char *what, const diag *d)
{
    if (!atomic_load(&p->gone)) log_error("broker", "%s %s-%d: %s", what, p->topic->name, p->index, d->text);
}

static void retain(broker_partition *p, broker_time now)
{
    diag d = {0};
    plog *log = broker_partition_log(p, &d);
    int removed = 0;
    if (log) plog_expire_producers(log, now.wall_ms);
    if (!log || !plog_retain(log, now.wall_ms, &removed, &d)) complain(p, "cleaning", &d);
}

void broker_clean(broker *b, broker_time now)
{
    for_each(b, retain, now);
}

static bool wants_compaction(broker_partition *p)
{
    broker *b = p->b;
    plog *log = atomic_load(&p->log);
    plog_config c;
    if (log) {
        plog_get_config(log, &c);
        return c.policy_compact;
    }
    /* Not opened only to look: what no one has touched since the start was looked at before the stop. */
    buf folder = {0};
    buf_printf(&folder, "%s/topics/%s-%d", b->data_dir, p->topic->name, p->index);
    bool there = !atomic_load(&p->looked_at) && fs_exists(b->fs, buf_z(&folder));
    buf_free(&folder);
    if (!there) return false;
    pthread_mutex_lock(&b->meta_lock);
    c = topic_plog_config(b, p->topic);
    pthread_mutex_unlock(&b->meta_lock);
    return c.policy_compact;
}

static void compact(broker_partition *p, broker_time now)
{
    broker *b = p->b;
    diag d = {0};
    plog_compacted out;
    if (!wants_compaction(p)) return;
    plog *log = broker_partition_log(p, &d);
    plog_compaction how = {.now_ms = now.wall_ms, .cancel = &b->cancel_clean};
    how.map_bytes = (size_t)broker_i64(b, "log.cleaner.dedupe.buffer.size");
    broker_random(b, &how.seed, sizeof how.seed);
    atomic_store(&p->looked_at, true);
    if (!log || !plog_compact(log, &how, &out, &d)) {
        complain(p, "compacting", &d);
    } else if (out.segments > 0) {
        log_info("broker", "compacted %s-%d: %d segments, %lld bytes are %lld now", p->topic->name, p->index,
                 out.segments, (long long)out.bytes_before, (long long)out.bytes_after);
    }
}

void broker_compact(broker *b, broker_time now)
{
    if (broker_bool(b, "log.cleaner.enable")) for_each(b, compact, now);
}

static void checkpoint(broker_partition *p, broker_time now)
{
    diag d = {0};
    plog *log = atomic_load(&p->log);
    if (!log || atomic_load(&p->gone) || plog_failed(log)) return;
    int64_t end = plog_end(log);
    bool idle = end == p->seen_end && plog_synced_end(log) == end;
    p->seen_end = end;
    if (idle && !plog_checkpoint(log, &d)) complain(p, "checkpoint of", &d);
}

void broker_checkpoint_idle(broker *b)
{
    for_each(b, checkpoint, (broker_time){0});
}

void broker_clean_cancel(broker *b)
{
    atomic_store(&b->cancel_clean, true);
}
