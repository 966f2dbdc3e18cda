/*
 * tests/bench/bench_plog.c - what an append, a sync, a fetch and a read of a partition's log cost, beside bare system
 * calls.
 *
 *     bench_plog FOLDER [BATCH_BYTES [RECORD_BYTES [TOTAL_MIB]]]
 *
 * Writes and reads a log in FOLDER (which must exist) and prints one line a measure; "floor" lines are the bare calls
 * on the same bytes in the same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "broker/plog.h"

enum { MIB = 1 << 20, SYNC_ROUNDS = 200 };

/* The bytes of one batch and what is measured with it. */
typedef struct work {
    const char *folder;
    uint8_t *batch;
    size_t batch_bytes;
    int records;
    int64_t count;
    diag d;
} work;

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(const work *w, const char *name, int64_t wall_ns, double cpu, int64_t batches)
{
    double gib = (double)batches * (double)w->batch_bytes / (1024.0 * MIB);
    printf("%-28s %8.1f us/batch  %8.0f MiB/s  %6.3f CPU s/GiB  %7.1f ns/record\n", name,
           (double)wall_ns / 1e3 / (double)batches, gib * 1024 / ((double)wall_ns / 1e9), cpu / gib,
           (double)wall_ns / (double)batches / w->records);
}

static void fail(const work *w)
{
    fprintf(stderr, "bench_plog: %s\n", w->d.text);
    exit(1);
}

static void make_batch(work *w, size_t batch_bytes, size_t record_bytes)
{
    batch_builder b = {0};
    batch_options o = batch_options_plain();
    char *value = malloc(record_bytes);
    memset(value, 'x', record_bytes);
    batch_begin(&b, &o);
    batch_record r = {.value = {value, record_bytes}, .timestamp = clock_wall_ms()};
    while (batch_builder_size(&b) + batch_record_bound(&r) <= batch_bytes || w->records == 0) {
        batch_add(&b, &r);
        w->records++;
    }
    uint8_t *data;
    if (!batch_finish(&b, &data, &w->batch_bytes, &w->d)) fail(w);
    w->batch = malloc(w->batch_bytes);
    memcpy(w->batch, data, w->batch_bytes);
    batch_builder_free(&b);
    free(value);
}

static void floor_write(work *w)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/floor", w->folder);
    file *f;
    if (!fs_open(fs_real(), path, FILE_CREATE, &f, &w->d) || !file_truncate(f, 0, &w->d)) fail(w);
    int64_t t = clock_mono_ns();
    double c = cpu_s();
    uint32_t crc = 0;
    for (int64_t i = 0; i < w->count; i++)
        crc ^= hash_crc32c(w->batch + BATCH_CRC_START, w->batch_bytes - BATCH_CRC_START);
    report(w, crc == 1 ? "floor: CRC (1)" : "floor: CRC", clock_mono_ns() - t, cpu_s() - c, w->count);
    t = clock_mono_ns();
    c = cpu_s();
    for (int64_t i = 0; i < w->count; i++) {
        if (!file_write(f, (uint64_t)i * w->batch_bytes, w->batch, w->batch_bytes, &w->d)) fail(w);
    }
    report(w, "floor: pwrite", clock_mono_ns() - t, cpu_s() - c, w->count);
    file_close(f);
    if (!fs_unlink(fs_real(), path, &w->d)) fail(w);
}

static void append_one(work *w, plog *log, const batch_rules *rules)
{
    batch_checked checked;
    plog_appended out;
    memset(w->batch, 0, 8); /* the base offset, as a client sends it */
    int64_t now = clock_wall_ms();
    if (!batch_check(w->batch, w->batch_bytes, rules, 9, now, &checked)) fail(w);
    if (!plog_append(log, &checked, PLOG_CLIENT, now, &out)) fail(w);
    batch_checked_free(&checked);
}

static void measure_append(work *w, plog *log)
{
    batch_rules rules = plog_rules(log);
    rules.max_bytes = INT32_MAX;
    int64_t t = clock_mono_ns();
    double c = cpu_s();
    for (int64_t i = 0; i < w->count; i++) {
        batch_checked checked;
        memset(w->batch, 0, 8);
        if (!batch_check(w->batch, w->batch_bytes, &rules, 9, clock_wall_ms(), &checked)) fail(w);
    }
    report(w, "check", clock_mono_ns() - t, cpu_s() - c, w->count);
    t = clock_mono_ns();
    c = cpu_s();
    for (int64_t i = 0; i < w->count; i++) append_one(w, log, &rules);
    report(w, "check + append", clock_mono_ns() - t, cpu_s() - c, w->count);
    if (!plog_checkpoint(log, &w->d)) fail(w);
    t = clock_mono_ns();
    for (int i = 0; i < SYNC_ROUNDS; i++) {
        append_one(w, log, &rules);
        if (!plog_sync(log, &w->d)) fail(w);
    }
    printf("%-28s %8.1f us\n", "check + append + sync", (double)(clock_mono_ns() - t) / 1e3 / SYNC_ROUNDS);
}

static void measure_read(work *w, plog *log)
{
    int64_t t = clock_mono_ns();
    double c = cpu_s();
    int64_t bytes = 0, records = 0;
    plog_reader *r = plog_reader_new(log, 0);
    const uint8_t *data;
    size_t n;
    while (plog_read(r, PLOG_READ_UNCOMMITTED, MIB, true, &data, &n, &w->d) == PLOG_READ_OK) bytes += (int64_t)n;
    report(w, "read (copy, CRC)", clock_mono_ns() - t, cpu_s() - c, bytes / (int64_t)w->batch_bytes);
    plog_reader_seek(r, 0);
    t = clock_mono_ns();
    c = cpu_s();
    while (plog_read(r, PLOG_READ_UNCOMMITTED, MIB, true, &data, &n, &w->d) == PLOG_READ_OK) {
        while (n > 0) {
            batch_iter it = {0};
            batch_record_view v;
            if (!batch_iter_open(&it, data, n, MIB, &w->d)) fail(w);
            while (batch_iter_next(&it, &v, &w->d) == 1) records += v.value.n > 0;
            data += batch_size(&it.header);
            n -= (size_t)batch_size(&it.header);
        }
    }
    report(w, "read + walk records", clock_mono_ns() - t, cpu_s() - c, records / w->records);
    plog_reader_free(r);
    t = clock_mono_ns();
    int64_t end = plog_end(log), fetches = 0;
    for (int64_t at = 0; at < end; fetches++) {
        plog_fetched f;
        plog_fetch(log, at, MIB, true, PLOG_READ_UNCOMMITTED, &f);
        if (f.error != KAFKA_NONE) fail(w);
        at = f.next_offset > at ? f.next_offset : at + 1;
        plog_fetched_free(&f);
    }
    printf("%-28s %8.1f us/fetch of 1 MiB\n", "fetch (extents)", (double)(clock_mono_ns() - t) / 1e3 / (double)fetches);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_plog FOLDER [BATCH_BYTES [RECORD_BYTES [TOTAL_MIB]]]\n");
        return 2;
    }
    work w = {.folder = argv[1]};
    size_t batch_bytes = argc > 2 ? (size_t)atoll(argv[2]) : MIB;
    make_batch(&w, batch_bytes, argc > 3 ? (size_t)atoll(argv[3]) : 1024);
    w.count = (argc > 4 ? atoll(argv[4]) : 1024) * MIB / (int64_t)w.batch_bytes;
    printf("batches of %zu bytes with %d records, %lld of them\n", w.batch_bytes, w.records, (long long)w.count);
    floor_write(&w);
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/bench-0", w.folder);
    plog_config config = plog_config_default();
    plog_env *env = plog_env_new(fs_real(), 64);
    plog *log = plog_open(env, folder, &config, 1, clock_wall_ms(), NULL, NULL, &w.d);
    if (!log) fail(&w);
    measure_append(&w, log);
    measure_read(&w, log);
    plog_abandon(log);
    int64_t t = clock_mono_ns();
    log = plog_open(env, folder, &config, 1, clock_wall_ms(), NULL, NULL, &w.d);
    if (!log) fail(&w);
    printf("%-28s %8.1f us\n", "open again", (double)(clock_mono_ns() - t) / 1e3);
    if (!plog_delete(log, clock_wall_ms(), &w.d) || !plog_close(log, &w.d)) fail(&w);
    plog_env_free(env);
    free(w.batch);
    return 0;
}
