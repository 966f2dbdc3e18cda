/*
 * Recovery of a partition's log from any files: it opens or says why not; what it then shows ends and lies inside its
 * files; it takes appends, which can be read, and after a clean stop it opens again and shows the same.
 *
 * A checkpoint is believed: what lies below it is not scanned. With one, only what a false one cannot break is asked
 * for.
 *
 * Input: three bytes for settings, then files: a kind, a base offset, and the bytes behind a two-byte length.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file_sim.h"
#include "base/hash.h"
#include "broker/plog.h"
#include "tests/fuzz/fuzz.h"

enum { FILES_MAX = 24, READS_MAX = 4000, POINT_PLACE = 512, POINT_USED = 64, SNAPSHOT_HEAD = 6 };
enum {
    KIND_LOG,
    KIND_INDEX,
    KIND_TIMES,
    KIND_TXNS,
    KIND_SNAPSHOT,
    KIND_EPOCHS,
    KIND_POINT,
    KIND_SWAP,
    KIND_CLEANED,
    KINDS
};

static const char folder[] = "/topics/t-0";
static const int64_t now_ms = 1700000000000;
static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"};
static const int64_t bases[] = {0,        1, 2, 3, 4, 6, 9, 12, 100, INT32_MAX, (int64_t)INT32_MAX + 5, INT64_MAX - 1,
                                INT64_MAX};

static void name_of(uint32_t kind, int64_t base, char *out, size_t cap)
{
    switch (kind) {
    case KIND_EPOCHS: snprintf(out, cap, "%s/leader-epoch-checkpoint", folder); break;
    case KIND_POINT: snprintf(out, cap, "%s/weir.checkpoint", folder); break;
    case KIND_SWAP: snprintf(out, cap, "%s/%020" PRId64 ".log.swap", folder, base); break;
    case KIND_CLEANED: snprintf(out, cap, "%s/%020" PRId64 ".log.cleaned", folder, base); break;
    default: snprintf(out, cap, "%s/%020" PRId64 "%s", folder, base, suffixes[kind]);
    }
}

/* Checksums of the small files are made right, so that what they say is believed. */
static void mend(uint32_t kind, uint8_t *p, size_t n)
{
    if (kind == KIND_LOG || kind == KIND_SWAP) fuzz_mend_batches(p, n);
    if (kind == KIND_SNAPSHOT && n >= SNAPSHOT_HEAD)
        store_be32(p + 2, hash_crc32c(p + SNAPSHOT_HEAD, n - SNAPSHOT_HEAD));
    for (size_t at = 0; kind == KIND_POINT && at + POINT_USED <= n; at += POINT_PLACE)
        store_be32(p + at + POINT_USED - 4, hash_crc32c(p + at, POINT_USED - 4));
}

static void put_file(fs *files, const char *path, const void *p, size_t n)
{
    diag d = {0};
    file *f;
    if (!fs_open(files, path, FILE_CREATE, &f, &d)) return;
    check(file_truncate(f, 0, &d) && file_write(f, 0, p, n, &d));
    file_close(f);
}

/* Returns whether there is a checkpoint among them. */
static bool put_files(fs *files, reader *r, bool mended)
{
    diag d = {0};
    char path[128];
    bool believed = false;
    check(fs_mkdirs(files, folder, &d));
    for (int i = 0; i < FILES_MAX && reader_left(r) > 0; i++) {
        uint32_t kind = fuzz_pick(r, KINDS);
        int64_t base = bases[fuzz_pick(r, ARRAY_LEN(bases))];
        str bytes = fuzz_bytes(r, reader_left(r));
        uint8_t *copy = fuzz_copy(bytes.p, bytes.n);
        if (mended) mend(kind, copy, bytes.n);
        believed = believed || kind == KIND_POINT;
        name_of(kind, base, path, sizeof path);
        put_file(files, path, copy, bytes.n);
        free(copy);
    }
    check(fs_sync_dir(files, folder, &d));
    return believed;
}

/* Reads from an offset to the end; every batch lies where it must. Returns where reading stopped. */
static int64_t read_through(plog *log, int64_t from, plog_isolation isolation)
{
    plog_reader *reader = plog_reader_new(log, from);
    const uint8_t *data;
    size_t n;
    diag d = {0};
    int64_t at = from;
    for (int i = 0;; i++) {
        check(i < READS_MAX);
        plog_read_status status = plog_read(reader, isolation, 300, true, &data, &n, &d);
        if (status == PLOG_READ_ERROR) {
            check(diag_is_set(&d) && plog_reader_error(reader) != KAFKA_NONE);
            break;
        }
        if (status == PLOG_READ_END) break;
        check(status == PLOG_READ_OK && n > 0);
        for (size_t p = 0; p < n;) {
            batch_header h;
            check(batch_verify(data + p, n - p, &h, &d));
            check(batch_last_offset(&h) >= at && batch_last_offset(&h) < plog_end(log));
            at = batch_last_offset(&h) + 1;
            p += (size_t)batch_size(&h);
        }
        check(plog_reader_offset(reader) >= at);
        at = plog_reader_offset(reader);
    }
    plog_reader_free(reader);
    return at;
}

static void fetch(plog *log, int64_t from, plog_isolation isolation)
{
    plog_fetched f;
    plog_fetch(log, from, 500, true, isolation, &f);
    check(f.log_start <= f.high_watermark && f.last_stable <= f.high_watermark);
    for (int i = 0; i < f.extent_count; i++) {
        char byte;
        size_t got;
        diag d = {0};
        check(f.error == KAFKA_NONE && f.extents[i].n > 0);
        /* An extent lies inside its file. */
        check(file_read(segment_file_handle(f.extents[i].file), f.extents[i].at + f.extents[i].n - 1, &byte, 1, &got,
                        &d));
        check(got == 1);
    }
    plog_fetched_free(&f);
}

static void look(plog *log)
{
    int64_t start = plog_start(log), end = plog_end(log), offset, time;
    int32_t epoch;
    diag d = {0};
    check(0 <= start && start <= plog_last_stable(log) && plog_last_stable(log) <= end);
    check(plog_synced_end(log) <= end && plog_bytes(log) >= 0);
    read_through(log, start, PLOG_READ_UNCOMMITTED);
    read_through(log, start + (end - start) / 2, PLOG_READ_COMMITTED);
    for (int i = 0; i < 4; i++)
        fetch(log, start + (end - start) / 4 * i, i & 1 ? PLOG_READ_COMMITTED : PLOG_READ_UNCOMMITTED);
    static const int64_t times[] = {INT64_MIN, 0, now_ms + 1, INT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        diag_clear(&d);
        if (plog_offset_for_time(log, times[i], PLOG_READ_UNCOMMITTED, &offset, &time, &epoch, &d))
            check(offset == -1 || (offset < end && time >= times[i]));
    }
    diag_clear(&d);
    plog_offset_of_max_time(log, &offset, &time, &epoch, &d);
    plog_epoch_of(log, start);
    plog_end_of_epoch(log, 1, &epoch, &offset);
    buf out = {0};
    diag_clear(&d);
    plog_aborted(log, start, end, &out, &d);
    buf_clear(&out);
    plog_producers(log, &out);
    buf_free(&out);
}

static kafka_error append(plog *log, int64_t producer_id, int32_t sequence, bool transactional, bool believed)
{
    batch_builder b = {0};
    batch_options options = batch_options_plain();
    options.producer_id = producer_id;
    options.producer_epoch = producer_id < 0 ? -1 : 0;
    options.base_sequence = sequence;
    options.transactional = transactional;
    batch_begin(&b, &options);
    for (int i = 0; i < 3; i++) batch_add(&b, &(batch_record){STR("k"), STR("value"), now_ms + i, NULL, 0});
    uint8_t *data;
    size_t n;
    diag d = {0};
    check(batch_finish(&b, &data, &n, &d));
    batch_checked checked;
    batch_trust(data, n, &checked);
    plog_appended done;
    int64_t end = plog_end(log);
    if (plog_append(log, &checked, PLOG_CLIENT, now_ms, &done)) {
        if (!done.duplicate) {
            check(done.base_offset == end && plog_end(log) == end + 3);
            int64_t read = read_through(log, end, PLOG_READ_UNCOMMITTED);
            check(believed || read == end + 3);
        }
    } else {
        check(done.error != KAFKA_NONE && (plog_end(log) == end || plog_failed(log)));
    }
    batch_builder_free(&b);
    return done.error;
}

static void change(plog *log, uint32_t actions, bool believed)
{
    plog_appended done;
    diag d = {0};
    int removed;
    int64_t low;
    kafka_error error;
    append(log, -1, -1, false, believed);
    if (actions & 1) append(log, 7, 0, true, believed);
    if (actions & 2) plog_append_marker(log, 7, 0, 1, actions & 4, now_ms, &done);
    if (actions & 8) plog_sync(log, &d);
    if (actions & 16)
        plog_delete_records(log, plog_start(log) + (plog_end(log) - plog_start(log)) / 2, &low, &error, &d);
    if (actions & 32) plog_retain(log, now_ms + 1000, &removed, &d);
    if (actions & 64) plog_checkpoint(log, &d);
    plog_compaction how = {.now_ms = now_ms + 100000, .map_bytes = actions & 1 ? 64 : 1 << 16, .seed = 1};
    plog_compacted compacted;
    diag_clear(&d);
    if (!plog_compact(log, &how, &compacted, &d)) check(diag_is_set(&d));
    if (actions & 128) plog_expire_producers(log, now_ms + 1000);
    append(log, 9, 0, false, believed);
}

static plog_config config_of(uint32_t pick)
{
    plog_config c = plog_config_default();
    c.segment_bytes = pick & 1 ? 400 : 1 << 20;
    c.index_interval_bytes = pick & 2 ? 1 : 4096;
    c.segment_index_bytes = pick & 4 ? 64 : 1 << 20;
    c.retention_bytes = pick & 8 ? 500 : -1;
    c.retention_ms = pick & 16 ? 10 : -1;
    c.policy_compact = pick & 32;
    c.min_dirty_ratio = 0;
    c.delete_retention_ms = 0;
    return c;
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader r = reader_of(data, n);
    uint32_t flags = fuzz_pick(&r, 256), pick = fuzz_pick(&r, 64), actions = fuzz_pick(&r, 256);
    fs_sim *disk = fs_sim_new(1);
    bool believed = put_files(fs_sim_fs(disk), &r, flags & 1);
    fs_sim_cold(disk, flags & 2);
    plog_env *env = plog_env_new(fs_sim_fs(disk), flags & 4 ? 2 : 64);
    plog_config config = config_of(pick);
    diag d = {0};
    plog *log = plog_open(env, folder, &config, 1, now_ms, NULL, NULL, &d);
    check((log == NULL) == diag_is_set(&d));
    if (log) {
        look(log);
        change(log, actions, believed);
        look(log);
        int64_t start = plog_start(log), end = plog_end(log), stable = plog_last_stable(log);
        bool failed = plog_failed(log), closed = plog_close(log, &d);
        check(closed || diag_is_set(&d));
        diag_clear(&d);
        log = plog_open(env, folder, &config, 2, now_ms, NULL, NULL, &d);
        if (closed && !failed && !believed) {
            if (!log) fprintf(stderr, "%s\n", d.text);
            check(log != NULL && plog_start(log) == start && plog_end(log) == end && plog_last_stable(log) == stable);
        }
        if (log) look(log);
        plog_abandon(log);
    }
    plog_env_free(env);
    fs_sim_free(disk);
}

/* The files of a log that was really written, as an input. */
static void seed_of(fuzz_out *out, fs_sim *disk, uint8_t flags, uint8_t pick, uint8_t actions)
{
    arena *a = arena_new();
    buf b = {0};
    const uint8_t head[] = {flags, pick, actions};
    buf_add(&b, head, sizeof head);
    fs_entry *entries;
    size_t count;
    diag d = {0};
    check(fs_list(fs_sim_fs(disk), folder, a, &entries, &count, &d));
    for (size_t i = 0; i < count; i++) {
        char path[256], name[256];
        snprintf(path, sizeof path, "%s/%.*s", folder, STR_ARG(entries[i].name));
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            size_t at = 0;
            for (; at < ARRAY_LEN(bases); at++) {
                name_of(kind, bases[at], name, sizeof name);
                if (strcmp(name, path) == 0) break;
            }
            if (at == ARRAY_LEN(bases)) continue;
            file *f;
            uint64_t size;
            check(fs_open(fs_sim_fs(disk), path, FILE_READONLY, &f, &d) && file_size(f, &size, &d));
            char *bytes = arena_alloc(a, size + 1);
            check(file_read_all(f, 0, bytes, size, &d));
            file_close(f);
            buf_add_char(&b, (char)kind);
            buf_add_char(&b, (char)at);
            fuzz_put_bytes(&b, bytes, size);
            break;
        }
    }
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
    arena_free(a);
}

void fuzz_make(fuzz_out *out)
{
    for (uint32_t i = 0; i < 32; i++) {
        fs_sim *disk = fs_sim_new(1);
        plog_env *env = plog_env_new(fs_sim_fs(disk), 8);
        plog_config config = config_of((i & 7) | (i & 2 ? 32 : 0));
        diag d = {0};
        plog_appended done;
        check(fs_mkdirs(fs_sim_fs(disk), "/topics", &d));
        plog *log = plog_open(env, folder, &config, 1, now_ms, NULL, NULL, &d);
        check(log != NULL);
        check(append(log, -1, -1, false, false) == KAFKA_NONE && append(log, 7, 0, true, false) == KAFKA_NONE);
        if (i & 8) plog_append_marker(log, 7, 0, 1, false, now_ms, &done);
        check(append(log, 9, 0, false, false) == KAFKA_NONE);
        if (i & 16)
            check(plog_close(log, &d));
        else
            check(plog_sync(log, &d));
        seed_of(out, disk, (uint8_t)(i & 7), (uint8_t)((i & 31) | (i & 2 ? 32 : 0)), (uint8_t)(i * 37));
        if (!(i & 16)) plog_abandon(log);
        plog_env_free(env);
        fs_sim_free(disk);
    }
    static const uint8_t empty[] = {0, 0, 255};
    fuzz_seed(out, empty, sizeof empty);
}
