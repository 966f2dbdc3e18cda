/* The log of a partition: what is appended is read back, in every way it can be read, and after a restart. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_sim.h"
#include "base/log.h"
#include "broker/plog.h"

static const int64_t NOW = 1700000000000;

/* A simulated disk with one log on it. */
typedef struct bed {
    fs_sim *sim;
    plog_env *env;
    plog *log;
    plog_config config;
    batch_builder builder;
    int32_t epoch;
    int64_t now;
} bed;

static void bed_start(bed *b, fs_sim *sim)
{
    diag d = {0};
    b->sim = sim;
    ck_assert_msg(fs_mkdirs(fs_sim_fs(sim), "/topics", &d), "%s", d.text);
    b->env = plog_env_new(fs_sim_fs(sim), 8);
    b->log = plog_open(b->env, "/topics/t-0", &b->config, b->epoch, b->now, NULL, NULL, &d);
    ck_assert_msg(b->log != NULL, "%s", d.text);
}

static bed bed_new(void)
{
    log_set_level((log_level)(LOG_ERROR + 1)); /* failures are wanted here */
    bed b = {.config = plog_config_default(), .epoch = 1, .now = NOW};
    b.config.segment_bytes = 4096;
    b.config.index_interval_bytes = 256;
    bed_start(&b, fs_sim_new(1));
    return b;
}

/* Closes the log and opens it again: cleanly, or as after a kill. */
static void bed_restart(bed *b, bool clean)
{
    diag d = {0};
    if (clean) {
        ck_assert_msg(plog_close(b->log, &d), "%s", d.text);
    } else {
        plog_abandon(b->log);
    }
    plog_env_free(b->env);
    bed_start(b, b->sim);
}

static void bed_free(bed *b)
{
    plog_abandon(b->log);
    plog_env_free(b->env);
    fs_sim_free(b->sim);
    batch_builder_free(&b->builder);
}

/* What one append is. */
typedef struct sent {
    int count;
    int64_t pid;
    int16_t epoch;
    int32_t sequence;
    bool transactional;
    int64_t timestamp;
} sent;

static kafka_error send(bed *b, sent s, plog_appended *out)
{
    batch_options o = batch_options_plain();
    o.producer_id = s.pid ? s.pid : -1;
    o.producer_epoch = s.pid ? s.epoch : -1;
    o.base_sequence = s.pid ? s.sequence : -1;
    o.transactional = s.transactional;
    batch_begin(&b->builder, &o);
    for (int i = 0; i < s.count; i++) {
        char value[64];
        int n = snprintf(value, sizeof value, "value %lld of some length", (long long)(plog_end(b->log) + i));
        batch_record r = {.key = STR("k"), .value = {value, (size_t)n}, .timestamp = s.timestamp ? s.timestamp : b->now + i};
        batch_add(&b->builder, &r);
    }
    uint8_t *data;
    size_t n;
    diag d = {0};
    batch_checked c;
    plog_appended own;
    if (!out) out = &own;
    ck_assert(batch_finish(&b->builder, &data, &n, &d));
    batch_rules rules = plog_rules(b->log);
    ck_assert_msg(batch_check(data, n, &rules, 9, b->now, &c), "%s", c.message);
    plog_append(b->log, &c, PLOG_CLIENT, b->now, out);
    batch_checked_free(&c);
    return out->error;
}

static void send_many(bed *b, int batches)
{
    for (int i = 0; i < batches; i++) ck_assert_int_eq(send(b, (sent){.count = 1 + i % 4}, NULL), KAFKA_NONE);
}

/* Reads everything from an offset with a reader; checks that offsets are dense and values match; returns the end. */
static int64_t read_through(bed *b, int64_t from, plog_isolation isolation, size_t max_bytes)
{
    plog_reader *r = plog_reader_new(b->log, from);
    int64_t expect = from;
    bool block = false;
    for (;;) {
        const uint8_t *data;
        size_t n;
        diag d = {0};
        plog_read_status status = plog_read(r, isolation, max_bytes, block, &data, &n, &d);
        if (status == PLOG_READ_END) break;
        ck_assert_msg(status != PLOG_READ_ERROR, "%s", d.text);
        ck_assert(status == PLOG_READ_OK || !block);
        block = status == PLOG_READ_WAIT;
        while (n > 0) {
            batch_iter it = {0};
            batch_record_view v;
            ck_assert(batch_iter_open(&it, data, n, 1 << 20, &d));
            size_t size = (size_t)batch_size(&it.header);
            int rc;
            while ((rc = batch_iter_next(&it, &v, &d)) == 1) {
                if (v.offset < expect) continue;
                ck_assert_int_eq(v.offset, expect);
                char value[64];
                snprintf(value, sizeof value, "value %lld of some length", (long long)expect);
                if (!(it.header.attributes & BATCH_CONTROL)) ck_assert(str_eqz(v.value, value));
                expect++;
            }
            ck_assert_int_eq(rc, 0);
            batch_iter_free(&it);
            data += size;
            n -= size;
        }
        ck_assert_int_eq(plog_reader_offset(r), expect);
    }
    plog_reader_free(r);
    return expect;
}

/* Fetches from an offset; checks that extents are whole batches that begin with the one of the offset; returns the next offset. */
static int64_t fetch(bed *b, int64_t from, uint64_t max, plog_isolation isolation)
{
    plog_fetched f;
    plog_fetch(b->log, from, max, true, isolation, &f);
    ck_assert_int_eq(f.error, KAFKA_NONE);
    int64_t next = from;
    bool first = true;
    for (int i = 0; i < f.extent_count; i++) {
        uint8_t *bytes = malloc(f.extents[i].n);
        diag d = {0};
        ck_assert(file_read_all(segment_file_handle(f.extents[i].file), f.extents[i].at, bytes, f.extents[i].n, &d));
        for (size_t at = 0; at < f.extents[i].n;) {
            batch_header h;
            ck_assert_msg(batch_verify(bytes + at, f.extents[i].n - at, &h, &d), "%s", d.text);
            if (first) ck_assert(h.base_offset <= from && batch_last_offset(&h) >= from);
            if (!first) ck_assert_int_eq(h.base_offset, next);
            first = false;
            next = batch_last_offset(&h) + 1;
            at += (size_t)batch_size(&h);
        }
        free(bytes);
    }
    ck_assert_int_ge(f.next_offset, next);
    if (max > 300) ck_assert_uint_le(f.bytes, max);
    plog_fetched_free(&f);
    return next;
}

START_TEST(what_is_appended_is_read_across_segments)
{
    bed b = bed_new();
    ck_assert_int_eq(plog_end(b.log), 0);
    ck_assert(!fs_exists(fs_sim_fs(b.sim), "/topics/t-0"));
    send_many(&b, 300);
    int64_t end = plog_end(b.log);
    ck_assert_int_eq(end, 750);
    ck_assert_int_eq(plog_last_stable(b.log), end);
    fs_sim_cold(b.sim, true);
    for (int64_t from = 0; from <= end; from += 7) {
        ck_assert_int_eq(read_through(&b, from, PLOG_READ_UNCOMMITTED, 500), end);
    }
    ck_assert_int_eq(read_through(&b, 0, PLOG_READ_COMMITTED, 1), end);
    ck_assert_int_eq(read_through(&b, 0, PLOG_READ_COMMITTED, 100000), end);
    /* What is not synced yet stays open; after a checkpoint the budget holds. */
    diag d = {0};
    ck_assert(plog_checkpoint(b.log, &d));
    ck_assert_uint_le(plog_env_open_files(b.env), 8);
    ck_assert_int_eq(read_through(&b, 0, PLOG_READ_UNCOMMITTED, 500), end);
    ck_assert_uint_le(plog_env_open_files(b.env), 8);
    bed_free(&b);
}
END_TEST

START_TEST(fetches_are_whole_batches_within_the_limit)
{
    bed b = bed_new();
    send_many(&b, 300);
    for (int64_t from = 0; from < plog_end(b.log); from += 3) {
        ck_assert_int_gt(fetch(&b, from, 1, PLOG_READ_UNCOMMITTED), from);
        ck_assert_int_gt(fetch(&b, from, 700, PLOG_READ_UNCOMMITTED), from);
        ck_assert_int_gt(fetch(&b, from, 1 << 20, PLOG_READ_UNCOMMITTED), from);
    }
    plog_fetched f;
    plog_fetch(b.log, 0, 10, false, PLOG_READ_UNCOMMITTED, &f);
    ck_assert(f.error == KAFKA_NONE && f.bytes == 0);
    plog_fetched_free(&f);
    plog_fetch(b.log, 750, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert(f.error == KAFKA_NONE && f.bytes == 0 && f.high_watermark == 750);
    plog_fetched_free(&f);
    plog_fetch(b.log, 751, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert_int_eq(f.error, KAFKA_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(f.high_watermark, 750);
    plog_fetched_free(&f);
    bed_free(&b);
}
END_TEST

START_TEST(a_restart_finds_everything)
{
    for (int clean = 0; clean < 2; clean++) {
        bed b = bed_new();
        for (int round = 0; round < 5; round++) {
            send_many(&b, 61);
            int64_t end = plog_end(b.log), bytes = plog_bytes(b.log);
            bed_restart(&b, clean);
            ck_assert_int_eq(plog_end(b.log), end);
            ck_assert_int_eq(plog_bytes(b.log), bytes);
            ck_assert_int_eq(plog_synced_end(b.log), end);
            ck_assert_int_eq(read_through(&b, 0, PLOG_READ_UNCOMMITTED, 3000), end);
            ck_assert_int_gt(fetch(&b, end / 2, 700, PLOG_READ_UNCOMMITTED), end / 2);
        }
        bed_free(&b);
    }
}
END_TEST

START_TEST(a_clean_restart_neither_scans_nor_writes)
{
    bed b = bed_new();
    send_many(&b, 200);
    diag d = {0};
    ck_assert(plog_close(b.log, &d));
    plog_env_free(b.env);
    uint64_t syncs = fs_sim_sync_count(b.sim);
    fs_sim_fail(b.sim, FS_SIM_WRITE | FS_SIM_TRUNCATE | FS_SIM_SYNC, 1, EIO, true);
    bed_start(&b, b.sim);
    ck_assert_int_eq(plog_end(b.log), 500);
    ck_assert_uint_eq(fs_sim_sync_count(b.sim), syncs);
    ck_assert(!fs_sim_failed(b.sim));
    fs_sim_fail(b.sim, 0, 0, 0, false);
    bed_free(&b);
}
END_TEST

START_TEST(idempotent_sequences_are_kafkas)
{
    bed b = bed_new();
    plog_appended out;
    for (int32_t i = 0; i < 7; i++) {
        ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, &out), KAFKA_NONE);
    }
    int64_t end = plog_end(b.log);
    /* The last five come again: the original offsets, nothing written. */
    for (int32_t i = 2; i < 7; i++) {
        ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, &out), KAFKA_NONE);
        ck_assert(out.duplicate && out.base_offset == 2 * i && out.last_offset == 2 * i + 1);
    }
    ck_assert_int_eq(plog_end(b.log), end);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 2}, NULL), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(send(&b, (sent){.count = 1, .pid = 9, .sequence = 12}, NULL), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 15}, NULL), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .epoch = 1, .sequence = 14}, NULL),
                     KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .epoch = 1, .sequence = 0}, NULL), KAFKA_NONE);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .epoch = 0, .sequence = 14}, NULL),
                     KAFKA_INVALID_PRODUCER_EPOCH);
    /* Unknown producers may begin anywhere, and sequences wrap. */
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 10, .sequence = INT32_MAX - 1}, NULL), KAFKA_NONE);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 10, .sequence = 0}, NULL), KAFKA_NONE);
    ck_assert_int_eq(send(&b, (sent){.count = 3, .pid = 11, .sequence = INT32_MAX}, NULL), KAFKA_NONE);
    ck_assert_int_eq(send(&b, (sent){.count = 3, .pid = 11, .sequence = 2}, NULL), KAFKA_NONE);
    ck_assert_int_eq(send(&b, (sent){.count = 3, .pid = 11, .sequence = INT32_MAX}, &out), KAFKA_NONE);
    ck_assert(out.duplicate);
    bed_free(&b);
}
END_TEST

START_TEST(sequences_survive_restarts_with_the_whole_window)
{
    for (int clean = 0; clean < 2; clean++) {
        bed b = bed_new();
        diag d = {0};
        for (int32_t i = 0; i < 40; i++) {
            ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, NULL), KAFKA_NONE);
            if (i == 20) ck_assert(plog_checkpoint(b.log, &d));
            if (i == 30) ck_assert(plog_sync(b.log, &d));
        }
        bed_restart(&b, clean);
        plog_appended out;
        for (int32_t i = 35; i < 40; i++) {
            ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, &out), KAFKA_NONE);
            ck_assert(out.duplicate && out.base_offset == 2 * i);
        }
        ck_assert_int_eq(send(&b, (sent){.count = 1, .pid = 9, .sequence = 80}, NULL), KAFKA_NONE);
        ck_assert_int_eq(send(&b, (sent){.count = 1, .pid = 9, .sequence = 90}, NULL), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
        bed_free(&b);
    }
}
END_TEST

START_TEST(a_lost_snapshot_is_made_up_from_the_log)
{
    bed b = bed_new();
    diag d = {0};
    for (int32_t i = 0; i < 40; i++) send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, NULL);
    ck_assert(plog_close(b.log, &d));
    plog_env_free(b.env);
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000080.snapshot", 20, 4));
    bed_start(&b, b.sim);
    plog_appended out;
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 78}, &out), KAFKA_NONE);
    ck_assert(out.duplicate);
    ck_assert_int_eq(send(&b, (sent){.count = 2, .pid = 9, .sequence = 80}, &out), KAFKA_NONE);
    ck_assert(!out.duplicate);
    bed_free(&b);
}
END_TEST

static void check_aborted(bed *b, int64_t from, int64_t to, int count, const int64_t *firsts)
{
    buf out = {0};
    diag d = {0};
    ck_assert(plog_aborted(b->log, from, to, &out, &d));
    const plog_aborted_txn *t = (const plog_aborted_txn *)(const void *)out.data;
    ck_assert_uint_eq(out.len / sizeof *t, (size_t)count);
    for (int i = 0; i < count; i++) ck_assert_int_eq(t[i].first_offset, firsts[i]);
    buf_free(&out);
}

START_TEST(transactions_hold_back_committed_readers)
{
    for (int restart = 0; restart < 3; restart++) {
        bed b = bed_new();
        plog_appended out;
        send(&b, (sent){.count = 3}, NULL);                                                       /* 0-2 */
        send(&b, (sent){.count = 2, .pid = 5, .sequence = 0, .transactional = true}, NULL);       /* 3-4 */
        send(&b, (sent){.count = 2, .pid = 6, .sequence = 0, .transactional = true}, NULL);       /* 5-6 */
        send(&b, (sent){.count = 1}, NULL);                                                       /* 7 */
        ck_assert_int_eq(plog_last_stable(b.log), 3);
        ck_assert_int_eq(read_through(&b, 0, PLOG_READ_COMMITTED, 4000), 3);
        ck_assert_int_eq(fetch(&b, 0, 4000, PLOG_READ_COMMITTED), 3);
        ck_assert_int_eq(fetch(&b, 0, 4000, PLOG_READ_UNCOMMITTED), 8);
        ck_assert_int_eq(send(&b, (sent){.count = 1, .pid = 5, .sequence = 2}, NULL), KAFKA_INVALID_TXN_STATE);
        if (restart) bed_restart(&b, restart == 1);
        ck_assert_int_eq(plog_last_stable(b.log), 3);
        ck_assert(plog_append_marker(b.log, 5, 0, 1, false, b.now, &out));                        /* 8 */
        ck_assert_int_eq(plog_last_stable(b.log), 5);
        ck_assert_int_eq(plog_append_marker(b.log, 6, 0, 0, true, b.now, &out), true);            /* 9 */
        ck_assert_int_eq(plog_last_stable(b.log), 10);
        if (restart) bed_restart(&b, restart == 1);
        ck_assert_int_eq(read_through(&b, 0, PLOG_READ_COMMITTED, 4000), 10);
        check_aborted(&b, 0, 10, 1, (int64_t[]){3});
        check_aborted(&b, 0, 3, 0, NULL);
        check_aborted(&b, 8, 10, 1, (int64_t[]){3});
        check_aborted(&b, 9, 10, 0, NULL);
        /* Stale epochs of producer and coordinator are fenced. */
        ck_assert(!plog_append_marker(b.log, 5, 0, 0, true, b.now, &out));
        ck_assert_int_eq(out.error, KAFKA_TRANSACTION_COORDINATOR_FENCED);
        ck_assert(plog_append_marker(b.log, 5, 3, 1, true, b.now, &out));
        ck_assert(!plog_append_marker(b.log, 5, 2, 1, true, b.now, &out));
        ck_assert_int_eq(out.error, KAFKA_INVALID_PRODUCER_EPOCH);
        plog_producer p;
        ck_assert(plog_producer_get(b.log, 5, &p));
        ck_assert(p.epoch == 3 && p.txn_start == -1 && p.coordinator_epoch == 1);
        bed_free(&b);
    }
}
END_TEST

START_TEST(many_aborted_transactions_are_found_again)
{
    bed b = bed_new();
    plog_appended out;
    int64_t firsts[50];
    for (int i = 0; i < 50; i++) {
        firsts[i] = plog_end(b.log);
        ck_assert_int_eq(send(&b, (sent){.count = 3, .pid = 5, .sequence = 3 * i, .transactional = true}, NULL), KAFKA_NONE);
        ck_assert(plog_append_marker(b.log, 5, 0, 1, false, b.now, &out));
        if (i == 25) bed_restart(&b, false);
    }
    check_aborted(&b, 0, plog_end(b.log), 50, firsts);
    check_aborted(&b, firsts[10], firsts[11], 1, firsts + 10);
    bed_restart(&b, false);
    check_aborted(&b, 0, plog_end(b.log), 50, firsts);
    bed_free(&b);
}
END_TEST

START_TEST(times_are_found)
{
    bed b = bed_new();
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(send(&b, (sent){.count = 2, .timestamp = NOW + 10 * (i % 250)}, NULL), KAFKA_NONE);
    }
    for (int restart = 0; restart < 3; restart++) {
        int64_t offset, found;
        int32_t epoch;
        diag d = {0};
        for (int i = 1; i < 250; i += 3) {
            ck_assert(plog_offset_for_time(b.log, NOW + 10 * i - 5, PLOG_READ_UNCOMMITTED, &offset, &found, &epoch, &d));
            ck_assert_int_eq(offset, 2 * i);
            ck_assert_int_eq(found, NOW + 10 * i);
            ck_assert_int_eq(epoch, 1);
        }
        ck_assert(plog_offset_for_time(b.log, NOW + 2491, PLOG_READ_UNCOMMITTED, &offset, &found, &epoch, &d));
        ck_assert(offset == -1 && found == -1);
        ck_assert(plog_offset_of_max_time(b.log, &offset, &found, &epoch, &d));
        ck_assert(offset == 498 && found == NOW + 2490);
        b.epoch++;
        bed_restart(&b, restart == 0);
    }
    bed_free(&b);
}
END_TEST

START_TEST(epochs_are_kept)
{
    bed b = bed_new();
    for (int i = 0; i < 4; i++) {
        send_many(&b, 2); /* 3 records */
        b.epoch += 2;
        bed_restart(&b, i % 2);
    }
    int32_t found;
    int64_t end;
    ck_assert(plog_end_of_epoch(b.log, 1, &found, &end) && found == 1 && end == 3);
    ck_assert(plog_end_of_epoch(b.log, 4, &found, &end) && found == 3 && end == 6);
    ck_assert(plog_end_of_epoch(b.log, 7, &found, &end) && found == 7 && end == 12);
    ck_assert(plog_end_of_epoch(b.log, 100, &found, &end) && found == 7 && end == 12);
    ck_assert_int_eq(plog_last_epoch(b.log), 7);
    ck_assert_int_eq(plog_epoch_of(b.log, 5), 3);
    bed_free(&b);
}
END_TEST

START_TEST(retention_removes_whole_segments_and_readers_go_on)
{
    bed b = bed_new();
    send_many(&b, 300);
    plog_fetched held;
    plog_fetch(b.log, 0, 2000, true, PLOG_READ_UNCOMMITTED, &held);
    plog_reader *r = plog_reader_new(b.log, 0);
    const uint8_t *data;
    size_t n;
    diag d = {0};
    ck_assert_int_eq(plog_read(r, PLOG_READ_UNCOMMITTED, 300, true, &data, &n, &d), PLOG_READ_OK);
    b.config.retention_bytes = 10000;
    plog_set_config(b.log, &b.config);
    int removed;
    ck_assert_msg(plog_retain(b.log, b.now, &removed, &d), "%s", d.text);
    ck_assert_int_gt(removed, 3);
    int64_t start = plog_start(b.log);
    ck_assert_int_gt(start, 0);
    ck_assert_int_ge(plog_bytes(b.log), 10000);
    ck_assert_int_lt(plog_bytes(b.log), 10000 + 4096);
    uint8_t header[BATCH_HEADER];
    ck_assert(file_read_all(segment_file_handle(held.extents[0].file), 0, header, sizeof header, &d));
    plog_fetched_free(&held);
    ck_assert_int_eq(plog_read(r, PLOG_READ_UNCOMMITTED, 300, true, &data, &n, &d), PLOG_READ_ERROR);
    ck_assert_int_eq(plog_reader_error(r), KAFKA_OFFSET_OUT_OF_RANGE);
    diag_clear(&d);
    plog_reader_free(r);
    bed_restart(&b, false);
    ck_assert_int_eq(plog_start(b.log), start);
    ck_assert_int_eq(read_through(&b, start, PLOG_READ_UNCOMMITTED, 1000), 750);
    /* By time everything goes, the active segment too, and the offsets go on. */
    ck_assert(plog_retain(b.log, b.now + b.config.retention_ms + 10000, &removed, &d));
    ck_assert_int_eq(plog_bytes(b.log), 0);
    ck_assert(plog_start(b.log) == 750 && plog_end(b.log) == 750);
    bed_restart(&b, false);
    ck_assert(plog_start(b.log) == 750 && plog_end(b.log) == 750);
    send_many(&b, 1);
    ck_assert_int_eq(plog_end(b.log), 751);
    bed_free(&b);
}
END_TEST

START_TEST(deleted_records_stay_deleted)
{
    bed b = bed_new();
    send_many(&b, 300);
    int64_t low;
    kafka_error error;
    diag d = {0};
    ck_assert(!plog_delete_records(b.log, 751, &low, &error, &d));
    ck_assert_int_eq(error, KAFKA_OFFSET_OUT_OF_RANGE);
    diag_clear(&d);
    ck_assert(plog_delete_records(b.log, 333, &low, &error, &d) && low == 333);
    bed_restart(&b, false);
    ck_assert_int_eq(plog_start(b.log), 333);
    plog_fetched f;
    plog_fetch(b.log, 332, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert_int_eq(f.error, KAFKA_OFFSET_OUT_OF_RANGE);
    plog_fetched_free(&f);
    ck_assert_int_eq(read_through(&b, 333, PLOG_READ_UNCOMMITTED, 1000), 750);
    send_many(&b, 100);
    ck_assert(plog_delete_records(b.log, 900, &low, &error, &d) && low == 900);
    int removed;
    ck_assert(plog_retain(b.log, b.now, &removed, &d));
    ck_assert_int_gt(removed, 0);
    ck_assert_int_eq(plog_start(b.log), 900);
    ck_assert(plog_delete_records(b.log, -1, &low, &error, &d) && low == 1000);
    ck_assert_int_eq(fetch(&b, 1000, 100, PLOG_READ_UNCOMMITTED), 1000);
    bed_free(&b);
}
END_TEST

START_TEST(a_deleted_log_leaves_nothing_behind)
{
    bed b = bed_new();
    send_many(&b, 300);
    plog_fetched held;
    plog_fetch(b.log, 0, 2000, true, PLOG_READ_UNCOMMITTED, &held);
    diag d = {0};
    ck_assert_msg(plog_delete(b.log, b.now, &d), "%s", d.text);
    uint8_t header[BATCH_HEADER];
    ck_assert(file_read_all(segment_file_handle(held.extents[0].file), 0, header, sizeof header, &d));
    plog_fetched_free(&held);
    ck_assert_int_eq(send(&b, (sent){.count = 1}, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    ck_assert(fs_list(fs_sim_fs(b.sim), "/topics", a, &entries, &count, &d));
    ck_assert_uint_eq(count, 0);
    arena_free(a);
    bed_restart(&b, true);
    ck_assert_int_eq(plog_end(b.log), 0);
    bed_free(&b);
}
END_TEST

START_TEST(corruption_below_the_recovery_point_is_reported_and_left_alone)
{
    bed b = bed_new();
    send_many(&b, 300);
    diag d = {0};
    ck_assert(plog_close(b.log, &d));
    plog_env_free(b.env);
    /* A byte of a value in the first segment: found by the reader's CRC. */
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000000.log", 1000, 0x40));
    bed_start(&b, b.sim);
    ck_assert_int_eq(plog_end(b.log), 750);
    plog_reader *r = plog_reader_new(b.log, 0);
    const uint8_t *data;
    size_t n;
    plog_read_status status;
    while ((status = plog_read(r, PLOG_READ_UNCOMMITTED, 4000, true, &data, &n, &d)) == PLOG_READ_OK) {}
    ck_assert_int_eq(status, PLOG_READ_ERROR);
    ck_assert_int_eq(plog_reader_error(r), KAFKA_CORRUPT_MESSAGE);
    int64_t bad = plog_reader_offset(r);
    ck_assert(bad > 0 && bad < 30);
    plog_reader_free(r);
    ck_assert_int_eq(read_through(&b, bad + 10, PLOG_READ_UNCOMMITTED, 1000), 750);
    send_many(&b, 1);
    ck_assert_int_eq(read_through(&b, 200, PLOG_READ_UNCOMMITTED, 1000), 751);
    bed_free(&b);
}
END_TEST

START_TEST(a_broken_header_answers_corrupt_message)
{
    bed b = bed_new();
    b.config.index_interval_bytes = 1 << 20;
    plog_set_config(b.log, &b.config);
    send_many(&b, 20);
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000000.log", 16, 0x40));
    plog_fetched f;
    plog_fetch(b.log, 5, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert_int_eq(f.error, KAFKA_CORRUPT_MESSAGE);
    plog_fetched_free(&f);
    bed_free(&b);
}
END_TEST

START_TEST(a_failed_sync_ends_the_service_of_the_log_alone)
{
    bed b = bed_new();
    send_many(&b, 20);
    diag d = {0};
    fs_sim_fail(b.sim, FS_SIM_SYNC, 1, EIO, false);
    ck_assert(!plog_sync(b.log, &d));
    ck_assert(plog_failed(b.log));
    ck_assert_int_eq(send(&b, (sent){.count = 1}, NULL), KAFKA_KAFKA_STORAGE_ERROR);
    plog_fetched f;
    plog_fetch(b.log, 5, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert_int_eq(f.error, KAFKA_KAFKA_STORAGE_ERROR);
    plog_fetched_free(&f);
    diag_clear(&d);
    ck_assert(!plog_sync(b.log, &d));
    bed_restart(&b, true);
    ck_assert_int_eq(send(&b, (sent){.count = 1}, NULL), KAFKA_NONE);
    bed_free(&b);
}
END_TEST

START_TEST(a_full_disk_refuses_appends_until_there_is_room)
{
    bed b = bed_new();
    send_many(&b, 20);
    int64_t end = plog_end(b.log);
    fs_sim_set_free_bytes(b.sim, 30);
    ck_assert_int_eq(send(&b, (sent){.count = 1}, NULL), KAFKA_KAFKA_STORAGE_ERROR);
    ck_assert_int_eq(plog_end(b.log), end);
    fs_sim_set_free_bytes(b.sim, UINT64_MAX);
    send_many(&b, 200);
    end = plog_end(b.log);
    bed_restart(&b, false);
    ck_assert_int_eq(read_through(&b, 0, PLOG_READ_UNCOMMITTED, 1000), end);
    bed_free(&b);
}
END_TEST

static bool log_append_listener_seen;
static void listen(void *arg, plog *log)
{
    log_append_listener_seen = arg == &log_append_listener_seen && plog_end(log) > 0;
}

START_TEST(the_listener_hears_of_appends)
{
    bed b = bed_new();
    plog_abandon(b.log);
    diag d = {0};
    b.log = plog_open(b.env, "/topics/t-0", &b.config, 1, NOW, listen, &log_append_listener_seen, &d);
    send_many(&b, 1);
    ck_assert(log_append_listener_seen);
    bed_free(&b);
}
END_TEST

START_TEST(a_sync_is_due_by_age_and_by_size)
{
    bed b = bed_new();
    ck_assert(!plog_sync_due(b.log, NOW + 100000));
    send_many(&b, 2);
    ck_assert(!plog_sync_due(b.log, NOW + 4999));
    ck_assert(plog_sync_due(b.log, NOW + 5000));
    diag d = {0};
    ck_assert(plog_sync(b.log, &d));
    ck_assert_int_eq(plog_synced_end(b.log), plog_end(b.log));
    ck_assert(!plog_sync_due(b.log, NOW + 5000));
    bed_free(&b);
}
END_TEST

/* Every call that can fail fails once: no crash, no leak, and what was acknowledged as synced is there afterwards. */
START_TEST(any_call_may_fail)
{
    for (uint64_t nth = 1;; nth++) {
        bed b = bed_new();
        b.config.retention_bytes = 9000;
        plog_set_config(b.log, &b.config);
        fs_sim_fail(b.sim, FS_SIM_ALL, nth, nth % 2 ? EIO : ENOSPC, nth % 3 == 0);
        int64_t durable = 0;
        diag d = {0};
        plog_appended out;
        int removed;
        for (int i = 0; i < 60; i++) {
            send(&b, (sent){.count = 3, .pid = 4, .sequence = 3 * (int32_t)i, .transactional = true}, NULL);
            if (i % 3 == 0) plog_append_marker(b.log, 4, 0, 0, i % 2, b.now, &out);
            int64_t end = plog_end(b.log);
            if (i % 5 == 0 && plog_sync(b.log, &d)) durable = end;
            if (i % 20 == 19) plog_retain(b.log, b.now, &removed, &d);
            diag_clear(&d);
        }
        bool failed = fs_sim_failed(b.sim);
        fs_sim_fail(b.sim, 0, 0, 0, false);
        bed_restart(&b, false);
        ck_assert_int_ge(plog_end(b.log), durable);
        ck_assert_int_eq(read_through(&b, plog_start(b.log), PLOG_READ_UNCOMMITTED, 2000), plog_end(b.log));
        ck_assert_int_eq(send(&b, (sent){.count = 1}, NULL), KAFKA_NONE);
        bed_free(&b);
        if (!failed) break;
    }
}
END_TEST

UNIT_MAIN("broker/plog", what_is_appended_is_read_across_segments, fetches_are_whole_batches_within_the_limit,
          a_restart_finds_everything, a_clean_restart_neither_scans_nor_writes, idempotent_sequences_are_kafkas,
          sequences_survive_restarts_with_the_whole_window, a_lost_snapshot_is_made_up_from_the_log,
          transactions_hold_back_committed_readers, many_aborted_transactions_are_found_again, times_are_found,
          epochs_are_kept, retention_removes_whole_segments_and_readers_go_on, deleted_records_stay_deleted,
          a_deleted_log_leaves_nothing_behind, corruption_below_the_recovery_point_is_reported_and_left_alone,
          a_broken_header_answers_corrupt_message, a_failed_sync_ends_the_service_of_the_log_alone,
          a_full_disk_refuses_appends_until_there_is_room, the_listener_hears_of_appends,
          a_sync_is_due_by_age_and_by_size, any_call_may_fail)
