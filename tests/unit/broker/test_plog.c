/* The log of a partition: what is appended is read back, in every way it can be read, and after a restart. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/broker/plog_bed.h"

START_TEST(what_is_appended_is_read_across_segments)
{
    bed b = bed_new();
    ck_assert_int_eq(plog_end(b.log), 0);
    ck_assert(!fs_exists(fs_sim_fs(b.sim), "/topics/t-0"));
    bed_send_many(&b, 300);
    int64_t end = plog_end(b.log);
    ck_assert_int_eq(end, 750);
    ck_assert_int_eq(plog_last_stable(b.log), end);
    fs_sim_cold(b.sim, true);
    for (int64_t from = 0; from <= end; from += 7) {
        ck_assert_int_eq(bed_read_through(&b, from, PLOG_READ_UNCOMMITTED, 500), end);
    }
    ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_COMMITTED, 1), end);
    ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_COMMITTED, 100000), end);
    /* What is not synced yet stays open; after a checkpoint the budget holds. */
    diag d = {0};
    ck_assert(plog_checkpoint(b.log, &d));
    ck_assert_uint_le(plog_env_open_files(b.env), 8);
    ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_UNCOMMITTED, 500), end);
    ck_assert_uint_le(plog_env_open_files(b.env), 8);
    bed_free(&b);
}
END_TEST

START_TEST(fetches_are_whole_batches_within_the_limit)
{
    bed b = bed_new();
    bed_send_many(&b, 300);
    for (int64_t from = 0; from < plog_end(b.log); from += 3) {
        ck_assert_int_gt(bed_fetch(&b, from, 1, PLOG_READ_UNCOMMITTED), from);
        ck_assert_int_gt(bed_fetch(&b, from, 700, PLOG_READ_UNCOMMITTED), from);
        ck_assert_int_gt(bed_fetch(&b, from, 1 << 20, PLOG_READ_UNCOMMITTED), from);
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
            bed_send_many(&b, 61);
            int64_t end = plog_end(b.log), bytes = plog_bytes(b.log);
            bed_restart(&b, clean);
            ck_assert_int_eq(plog_end(b.log), end);
            ck_assert_int_eq(plog_bytes(b.log), bytes);
            ck_assert_int_eq(plog_synced_end(b.log), end);
            ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_UNCOMMITTED, 3000), end);
            ck_assert_int_gt(bed_fetch(&b, end / 2, 700, PLOG_READ_UNCOMMITTED), end / 2);
        }
        bed_free(&b);
    }
}
END_TEST

START_TEST(a_clean_restart_neither_scans_nor_writes)
{
    bed b = bed_new();
    bed_send_many(&b, 200);
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

START_TEST(times_are_found)
{
    bed b = bed_new();
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .timestamp = NOW + 10 * (i % 250)}, NULL), KAFKA_NONE);
    }
    for (int restart = 0; restart < 3; restart++) {
        int64_t offset, found;
        int32_t epoch;
        diag d = {0};
        for (int i = 1; i < 250; i += 3) {
            ck_assert(
                plog_offset_for_time(b.log, NOW + 10 * i - 5, PLOG_READ_UNCOMMITTED, &offset, &found, &epoch, &d));
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
        bed_send_many(&b, 2); /* 3 records */
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
    bed_send_many(&b, 300);
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
    ck_assert_int_eq(bed_read_through(&b, start, PLOG_READ_UNCOMMITTED, 1000), 750);
    /* By time everything goes, the active segment too, and the offsets go on. */
    ck_assert(plog_retain(b.log, b.now + b.config.retention_ms + 10000, &removed, &d));
    ck_assert_int_eq(plog_bytes(b.log), 0);
    ck_assert(plog_start(b.log) == 750 && plog_end(b.log) == 750);
    bed_restart(&b, false);
    ck_assert(plog_start(b.log) == 750 && plog_end(b.log) == 750);
    bed_send_many(&b, 1);
    ck_assert_int_eq(plog_end(b.log), 751);
    bed_free(&b);
}
END_TEST

START_TEST(deleted_records_stay_deleted)
{
    bed b = bed_new();
    bed_send_many(&b, 300);
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
    ck_assert_int_eq(bed_read_through(&b, 333, PLOG_READ_UNCOMMITTED, 1000), 750);
    bed_send_many(&b, 100);
    ck_assert(plog_delete_records(b.log, 900, &low, &error, &d) && low == 900);
    int removed;
    ck_assert(plog_retain(b.log, b.now, &removed, &d));
    ck_assert_int_gt(removed, 0);
    ck_assert_int_eq(plog_start(b.log), 900);
    ck_assert(plog_delete_records(b.log, -1, &low, &error, &d) && low == 1000);
    ck_assert_int_eq(bed_fetch(&b, 1000, 100, PLOG_READ_UNCOMMITTED), 1000);
    bed_free(&b);
}
END_TEST

START_TEST(a_deleted_log_leaves_nothing_behind)
{
    bed b = bed_new();
    bed_send_many(&b, 300);
    plog_fetched held;
    plog_fetch(b.log, 0, 2000, true, PLOG_READ_UNCOMMITTED, &held);
    diag d = {0};
    ck_assert_msg(plog_delete(b.log, b.now, &d), "%s", d.text);
    uint8_t header[BATCH_HEADER];
    ck_assert(file_read_all(segment_file_handle(held.extents[0].file), 0, header, sizeof header, &d));
    plog_fetched_free(&held);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 1}, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
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
    bed_send_many(&b, 300);
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
    while ((status = plog_read(r, PLOG_READ_UNCOMMITTED, 4000, true, &data, &n, &d)) == PLOG_READ_OK) {
    }
    ck_assert_int_eq(status, PLOG_READ_ERROR);
    ck_assert_int_eq(plog_reader_error(r), KAFKA_CORRUPT_MESSAGE);
    int64_t bad = plog_reader_offset(r);
    ck_assert(bad > 0 && bad < 30);
    plog_reader_free(r);
    ck_assert_int_eq(bed_read_through(&b, bad + 10, PLOG_READ_UNCOMMITTED, 1000), 750);
    bed_send_many(&b, 1);
    ck_assert_int_eq(bed_read_through(&b, 200, PLOG_READ_UNCOMMITTED, 1000), 751);
    bed_free(&b);
}
END_TEST

START_TEST(a_broken_header_answers_corrupt_message)
{
    bed b = bed_new();
    b.config.index_interval_bytes = 1 << 20;
    plog_set_config(b.log, &b.config);
    bed_send_many(&b, 20);
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000000.log", 16, 0x40));
    plog_fetched f;
    plog_fetch(b.log, 5, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert_int_eq(f.error, KAFKA_CORRUPT_MESSAGE);
    plog_fetched_free(&f);
    bed_free(&b);
}
END_TEST

/* An extent of 2^64 bytes came of it. */
START_TEST(an_index_with_an_impossible_position_is_not_followed)
{
    bed b = bed_new();
    b.config.index_interval_bytes = 1;
    plog_set_config(b.log, &b.config);
    bed_send_many(&b, 100); /* several segments: the indexes of all but the last are believed */
    bed_restart(&b, true);
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000000.index", 4, 0x80));
    bed_restart(&b, true);
    for (uint64_t max = 1; max < 4000; max += 50) {
        plog_fetched f;
        plog_fetch(b.log, 0, max, true, PLOG_READ_UNCOMMITTED, &f);
        ck_assert_int_eq(f.error, KAFKA_NONE);
        for (int i = 0; i < f.extent_count; i++) ck_assert_uint_le(f.extents[i].n, (uint64_t)plog_bytes(b.log));
        plog_fetched_free(&f);
    }
    ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_UNCOMMITTED, 1000), plog_end(b.log));
    bed_free(&b);
}
END_TEST

START_TEST(a_failed_sync_ends_the_service_of_the_log_alone)
{
    bed b = bed_new();
    bed_send_many(&b, 20);
    diag d = {0};
    fs_sim_fail(b.sim, FS_SIM_SYNC, 1, EIO, false);
    ck_assert(!plog_sync(b.log, &d));
    ck_assert(plog_failed(b.log));
    ck_assert_int_eq(bed_send(&b, (sent){.count = 1}, NULL), KAFKA_KAFKA_STORAGE_ERROR);
    plog_fetched f;
    plog_fetch(b.log, 5, 1000, true, PLOG_READ_UNCOMMITTED, &f);
    ck_assert_int_eq(f.error, KAFKA_KAFKA_STORAGE_ERROR);
    plog_fetched_free(&f);
    diag_clear(&d);
    ck_assert(!plog_sync(b.log, &d));
    bed_restart(&b, true);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 1}, NULL), KAFKA_NONE);
    bed_free(&b);
}
END_TEST

START_TEST(a_full_disk_refuses_appends_until_there_is_room)
{
    bed b = bed_new();
    bed_send_many(&b, 20);
    int64_t end = plog_end(b.log);
    fs_sim_set_free_bytes(b.sim, 30);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 1}, NULL), KAFKA_KAFKA_STORAGE_ERROR);
    ck_assert_int_eq(plog_end(b.log), end);
    fs_sim_set_free_bytes(b.sim, UINT64_MAX);
    bed_send_many(&b, 200);
    end = plog_end(b.log);
    bed_restart(&b, false);
    ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_UNCOMMITTED, 1000), end);
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
    bed_send_many(&b, 1);
    ck_assert(log_append_listener_seen);
    bed_free(&b);
}
END_TEST

START_TEST(a_sync_is_due_by_age_and_by_size)
{
    bed b = bed_new();
    ck_assert(!plog_sync_due(b.log, NOW + 100000));
    bed_send_many(&b, 2);
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
            bed_send(&b, (sent){.count = 3, .pid = 4, .sequence = 3 * (int32_t)i, .transactional = true}, NULL);
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
        ck_assert_int_eq(bed_read_through(&b, plog_start(b.log), PLOG_READ_UNCOMMITTED, 2000), plog_end(b.log));
        ck_assert_int_eq(bed_send(&b, (sent){.count = 1}, NULL), KAFKA_NONE);
        bed_free(&b);
        if (!failed) break;
    }
}
END_TEST

UNIT_MAIN("broker/plog", what_is_appended_is_read_across_segments, fetches_are_whole_batches_within_the_limit,
          a_restart_finds_everything, a_clean_restart_neither_scans_nor_writes, times_are_found, epochs_are_kept,
          retention_removes_whole_segments_and_readers_go_on, deleted_records_stay_deleted,
          a_deleted_log_leaves_nothing_behind, corruption_below_the_recovery_point_is_reported_and_left_alone,
          a_broken_header_answers_corrupt_message, an_index_with_an_impossible_position_is_not_followed,
          a_failed_sync_ends_the_service_of_the_log_alone, a_full_disk_refuses_appends_until_there_is_room,
          the_listener_hears_of_appends, a_sync_is_due_by_age_and_by_size, any_call_may_fail)
