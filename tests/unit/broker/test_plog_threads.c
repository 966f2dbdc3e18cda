/*
 * A partition's log under several threads: appenders, readers, fetchers, a syncer and retention at once. For
 * MODE=tsan.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/file_sim.h"
#include "broker/plog.h"

static const int64_t NOW = 1700000000000;
enum { APPENDERS = 3, BATCHES = 400, RECORDS = 3 };

/* What the threads share. */
typedef struct crowd {
    plog *log;
    atomic_bool done;
    atomic_int failures;
} crowd;

static void *append_all(void *arg)
{
    crowd *c = arg;
    static atomic_int number;
    int64_t pid = 100 + atomic_fetch_add(&number, 1);
    batch_builder b = {0};
    for (int i = 0; i < BATCHES; i++) {
        batch_options o = batch_options_plain();
        o.producer_id = pid;
        o.producer_epoch = 0;
        o.base_sequence = i * RECORDS;
        batch_begin(&b, &o);
        char value[40];
        for (int k = 0; k < RECORDS; k++) {
            int n = snprintf(value, sizeof value, "%lld:%d", (long long)pid, i * RECORDS + k);
            batch_record r = {.value = {value, (size_t)n}, .timestamp = NOW};
            batch_add(&b, &r);
        }
        uint8_t *data;
        size_t n;
        diag d = {0};
        batch_checked checked;
        plog_appended out;
        batch_rules rules = plog_rules(c->log);
        if (!batch_finish(&b, &data, &n, &d) || !batch_check(data, n, &rules, 9, NOW, &checked) ||
            !plog_append(c->log, &checked, PLOG_CLIENT, NOW, &out)) {
            atomic_fetch_add(&c->failures, 1);
        }
    }
    batch_builder_free(&b);
    return NULL;
}

/* Every record of every producer comes once and in its order. */
static void *read_all(void *arg)
{
    crowd *c = arg;
    plog_reader *r = plog_reader_new(c->log, 0);
    int next[APPENDERS] = {0};
    int64_t offset = 0;
    bool last_round = false;
    for (;;) {
        const uint8_t *data;
        size_t n;
        diag d = {0};
        plog_read_status status = plog_read(r, PLOG_READ_COMMITTED, 2000, true, &data, &n, &d);
        if (status == PLOG_READ_ERROR) {
            atomic_fetch_add(&c->failures, 1);
            break;
        }
        if (status == PLOG_READ_END) {
            if (last_round) break;
            last_round = atomic_load(&c->done);
            continue;
        }
        while (n > 0) {
            batch_iter it = {0};
            batch_record_view v;
            if (!batch_iter_open(&it, data, n, 1 << 20, &d)) atomic_fetch_add(&c->failures, 1);
            while (batch_iter_next(&it, &v, &d) == 1) {
                int64_t p = it.header.producer_id - 100;
                char value[40];
                int m = snprintf(value, sizeof value, "%lld:%d", (long long)(p + 100), next[p]++);
                bool good = v.offset == offset++ && str_eq(v.value, str_of(value, (size_t)m));
                if (!good) atomic_fetch_add(&c->failures, 1);
            }
            data += batch_size(&it.header);
            n -= (size_t)batch_size(&it.header);
            batch_iter_free(&it);
        }
    }
    if (offset != APPENDERS * BATCHES * RECORDS) atomic_fetch_add(&c->failures, 1);
    plog_reader_free(r);
    return NULL;
}

static void *fetch_all(void *arg)
{
    crowd *c = arg;
    while (!atomic_load(&c->done)) {
        plog_fetched f;
        int64_t start = plog_start(c->log), end = plog_end(c->log);
        plog_fetch(c->log, (start + end) / 2, 3000, true, PLOG_READ_UNCOMMITTED, &f);
        if (f.error != KAFKA_NONE || f.next_offset > plog_end(c->log)) atomic_fetch_add(&c->failures, 1);
        for (int i = 0; i < f.extent_count; i++) {
            uint8_t header[BATCH_HEADER];
            batch_header h;
            diag d = {0};
            file *from = segment_file_handle(f.extents[i].file);
            if (!file_read_all(from, f.extents[i].at, header, sizeof header, &d)) atomic_fetch_add(&c->failures, 1);
            batch_header_read(header, &h);
            if (h.magic != 2 || batch_size(&h) > (int64_t)f.extents[i].n) atomic_fetch_add(&c->failures, 1);
        }
        plog_fetched_free(&f);
    }
    return NULL;
}

static void *sync_all(void *arg)
{
    crowd *c = arg;
    int64_t before = 0;
    for (int i = 0; !atomic_load(&c->done); i++) {
        diag d = {0};
        int64_t end = plog_end(c->log);
        if (!(i % 3 ? plog_sync(c->log, &d) : plog_checkpoint(c->log, &d))) atomic_fetch_add(&c->failures, 1);
        if (plog_synced_end(c->log) < end || plog_synced_end(c->log) < before) atomic_fetch_add(&c->failures, 1);
        before = plog_synced_end(c->log);
        int removed;
        if (!plog_retain(c->log, NOW, &removed, &d)) atomic_fetch_add(&c->failures, 1);
    }
    return NULL;
}

START_TEST(all_at_once)
{
    fs_sim *sim = fs_sim_new(1);
    diag d = {0};
    ck_assert(fs_mkdirs(fs_sim_fs(sim), "/topics", &d));
    plog_env *env = plog_env_new(fs_sim_fs(sim), 5);
    plog_config config = plog_config_default();
    config.segment_bytes = 5000;
    config.index_interval_bytes = 300;
    crowd c = {.log = plog_open(env, "/topics/t-0", &config, 1, NOW, NULL, NULL, &d)};
    pthread_t appenders[APPENDERS], others[5];
    for (int i = 0; i < APPENDERS; i++) pthread_create(&appenders[i], NULL, append_all, &c);
    void *(*const work[])(void *) = {read_all, read_all, fetch_all, fetch_all, sync_all};
    for (int i = 0; i < 5; i++) pthread_create(&others[i], NULL, work[i], &c);
    for (int i = 0; i < APPENDERS; i++) pthread_join(appenders[i], NULL);
    atomic_store(&c.done, true);
    for (int i = 0; i < 5; i++) pthread_join(others[i], NULL);
    ck_assert_int_eq(atomic_load(&c.failures), 0);
    ck_assert_int_eq(plog_end(c.log), APPENDERS * BATCHES * RECORDS);
    ck_assert(plog_close(c.log, &d));
    plog_env_free(env);
    fs_sim_free(sim);
}
END_TEST

UNIT_MAIN("broker/plog_threads", all_at_once)
