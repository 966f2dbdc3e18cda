#include "broker/plog.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/plog_int.h"

plog_config plog_config_default(void)
{
    return (plog_config){
        .segment_bytes = 1 << 30,
        .segment_ms = 604800000,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_ms = 604800000,
        .retention_bytes = -1,
        .policy_delete = true,
        .max_message_bytes = 1048588,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .codec = -1,
        .producer_id_expiration_ms = 86400000,
        .delete_retention_ms = 86400000,
        .max_compaction_lag_ms = INT64_MAX,
        .min_dirty_ratio = 0.5,
    };
}

static segment_list *list_new(int n)
{
    segment_list *l = calloc(1, sizeof *l + (size_t)n * sizeof l->s[0]);
    check(l != NULL);
    atomic_init(&l->counts, 1);
    l->n = n;
    return l;
}

segment_list *plog_list(plog *log)
{
    pthread_mutex_lock(&log->list_mutex);
    segment_list *l = log->list;
    atomic_fetch_add_explicit(&l->counts, 1, memory_order_relaxed);
    pthread_mutex_unlock(&log->list_mutex);
    return l;
}

void segment_list_release(segment_list *l)
{
    if (atomic_fetch_sub_explicit(&l->counts, 1, memory_order_acq_rel) > 1) return;
    for (int i = 0; i < l->n; i++) segment_unref(l->s[i]);
    free(l);
}

void plog_set_list(plog *log, segment **s, int n)
{
    segment_list *l = list_new(n);
    for (int i = 0; i < n; i++) l->s[i] = s[i];
    pthread_mutex_lock(&log->list_mutex);
    segment_list *old = log->list;
    log->list = l;
    pthread_mutex_unlock(&log->list_mutex);
    log->active = n > 0 ? s[n - 1] : NULL;
    if (old) segment_list_release(old);
}

int segment_list_find(const segment_list *l, int64_t offset)
{
    int low = 0, high = l->n;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (l->s[mid]->base <= offset) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low - 1;
}

void plog_path(const plog *log, char *out, size_t cap, const char *name)
{
    int n = snprintf(out, cap, "%s/%s", log->folder, name);
    check(n > 0 && (size_t)n < cap);
}

void plog_fail(plog *log, const diag *d)
{
    if (atomic_exchange(&log->failed, true)) return;
    log_error("broker", "%s takes no more requests until the server is started again: %s", log->folder, d->text);
}

void plog_report(plog *log, const diag *d)
{
    log_error("broker", "%s", d->text);
}

void plog_publish_stable(plog *log)
{
    /* Only a damaged snapshot knows of a transaction behind the end. */
    int64_t open = producer_state_first_open(&log->producers), end = plog_end(log);
    int64_t stable = open >= 0 && open < end ? open : end;
    int64_t start = plog_start(log);
    atomic_store_explicit(&log->last_stable, stable > start ? stable : start, memory_order_release);
}

plog *plog_open(plog_env *env, const char *folder, const plog_config *config, int32_t leader_epoch, int64_t now_ms,
                plog_listener *listener, void *arg, diag *d)
{
    if (strlen(folder) + PLOG_PATH_EXTRA > PATH_MAX) {
        diag_set(d, DIAG_LIMIT, "the path of a partition is too long: %.100s...", folder);
        return NULL;
    }
    plog *log = calloc(1, sizeof *log);
    check(log != NULL);
    log->env = env;
    log->fs = plog_env_fs(env);
    log->folder = strdup(folder);
    check(log->folder != NULL);
    log->config = *config;
    log->leader_epoch = leader_epoch;
    log->listener = listener;
    log->listener_arg = arg;
    pthread_mutex_init(&log->list_mutex, NULL);
    pthread_mutex_init(&log->append_mutex, NULL);
    pthread_mutex_init(&log->sync_mutex, NULL);
    atomic_init(&log->unsynced_since, INT64_MAX);
    plog_set_list(log, NULL, 0);
    char path[PATH_MAX];
    plog_path(log, path, sizeof path, "weir.checkpoint");
    log->point_file = segment_file_new(env, path);
    if (fs_exists(log->fs, folder)) {
        log->folder_made = true;
        if (!plog_recover(log, now_ms, d)) {
            plog_abandon(log);
            return NULL;
        }
    }
    return log;
}

void plog_abandon(plog *log)
{
    if (!log) return;
    segment_list_release(log->list);
    segment_file_release(log->point_file);
    producer_state_free(&log->producers);
    batch_builder_free(&log->marker);
    buf_free(&log->epochs);
    pthread_mutex_destroy(&log->list_mutex);
    pthread_mutex_destroy(&log->append_mutex);
    pthread_mutex_destroy(&log->sync_mutex);
    free(log->folder);
    free(log);
}

bool plog_close(plog *log, diag *d)
{
    bool keep = !plog_failed(log) && log->folder_made && !atomic_load(&log->deleted);
    bool ok = !keep || plog_checkpoint(log, d);
    plog_abandon(log);
    return ok;
}

void plog_set_config(plog *log, const plog_config *config)
{
    pthread_mutex_lock(&log->list_mutex);
    log->config = *config;
    pthread_mutex_unlock(&log->list_mutex);
}

void plog_get_config(plog *log, plog_config *out)
{
    pthread_mutex_lock(&log->list_mutex);
    *out = log->config;
    pthread_mutex_unlock(&log->list_mutex);
}

batch_rules plog_rules(plog *log)
{
    plog_config c;
    plog_get_config(log, &c);
    return (batch_rules){
        .max_bytes = c.max_message_bytes,
        .segment_bytes = c.segment_bytes,
        .compacted = c.policy_compact,
        .log_append_time = c.log_append_time,
        .timestamp_before_max_ms = c.timestamp_before_max_ms,
        .timestamp_after_max_ms = c.timestamp_after_max_ms,
        .codec = c.codec,
        .level = c.level,
        .expanded_bytes_max = PLOG_EXPANDED_MAX,
    };
}

const char *plog_folder(const plog *log)
{
    return log->folder;
}

int64_t plog_end(const plog *log)
{
    return atomic_load_explicit(&log->end, memory_order_acquire);
}

int64_t plog_last_stable(const plog *log)
{
    return atomic_load_explicit(&log->last_stable, memory_order_acquire);
}

int64_t plog_start(const plog *log)
{
    return atomic_load_explicit(&log->start, memory_order_acquire);
}

int64_t plog_synced_end(const plog *log)
{
    return atomic_load_explicit(&log->synced_end, memory_order_acquire);
}

int64_t plog_bytes(const plog *log)
{
    return atomic_load_explicit(&log->bytes, memory_order_relaxed);
}

bool plog_failed(const plog *log)
{
    return atomic_load_explicit(&log->failed, memory_order_acquire);
}

static void producer_view(const producer_entry *e, plog_producer *out)
{
    *out = (plog_producer){
        .producer_id = e->id,
        .coordinator_epoch = e->coordinator_epoch,
        .last_sequence = e->batch_count > 0 ? e->batches[e->batch_count - 1].last_sequence : -1,
        .last_timestamp = e->batch_count > 0 ? e->batches[e->batch_count - 1].timestamp : e->last_time,
        .txn_start = e->txn_start,
        .epoch = e->epoch,
    };
}

void plog_producers(plog *log, buf *out)
{
    pthread_mutex_lock(&log->append_mutex);
    size_t at = 0;
    for (const producer_entry *e; (e = producer_state_next(&log->producers, &at));) {
        plog_producer p;
        producer_view(e, &p);
        buf_add(out, &p, sizeof p);
    }
    pthread_mutex_unlock(&log->append_mutex);
}

bool plog_producer_get(plog *log, int64_t producer_id, plog_producer *out)
{
    pthread_mutex_lock(&log->append_mutex);
    const producer_entry *e = producer_state_get(&log->producers, producer_id);
    if (e) producer_view(e, out);
    pthread_mutex_unlock(&log->append_mutex);
    return e != NULL;
}

void plog_expire_producers(plog *log, int64_t now_ms)
{
    plog_config c;
    plog_get_config(log, &c);
    pthread_mutex_lock(&log->append_mutex);
    producer_state_expire(&log->producers, now_ms - c.producer_id_expiration_ms);
    pthread_mutex_unlock(&log->append_mutex);
}

int32_t plog_last_epoch(plog *log)
{
    pthread_mutex_lock(&log->list_mutex);
    size_t n = log->epochs.len / sizeof(plog_epoch);
    int32_t epoch = n > 0 ? ((const plog_epoch *)(const void *)log->epochs.data)[n - 1].epoch : -1;
    pthread_mutex_unlock(&log->list_mutex);
    return epoch;
}

int32_t plog_epoch_of(plog *log, int64_t offset)
{
    int32_t found = -1;
    pthread_mutex_lock(&log->list_mutex);
    const plog_epoch *e = (const plog_epoch *)(const void *)log->epochs.data;
    for (size_t i = 0; i < log->epochs.len / sizeof *e && e[i].start <= offset; i++) found = e[i].epoch;
    pthread_mutex_unlock(&log->list_mutex);
    return found;
}

bool plog_end_of_epoch(plog *log, int32_t epoch, int32_t *found, int64_t *end)
{
    *found = -1;
    *end = -1;
    pthread_mutex_lock(&log->list_mutex);
    const plog_epoch *e = (const plog_epoch *)(const void *)log->epochs.data;
    size_t n = log->epochs.len / sizeof *e, i = 0;
    while (i < n && e[i].epoch <= epoch) i++;
    if (i > 0) {
        *found = e[i - 1].epoch;
        *end = i < n ? e[i].start : plog_end(log);
    } else if (n > 0 || epoch >= log->leader_epoch) {
        /* Asked for an epoch before the first: it ended where the first begins; an empty log knows only its own. */
        *found = n > 0 ? epoch : log->leader_epoch;
        *end = n > 0 ? e[0].start : plog_end(log);
    }
    pthread_mutex_unlock(&log->list_mutex);
    return *end >= 0;
}
