/* Compaction of a log: what stays, what goes, when, and what readers see of it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/support/broker/compact_world.h"

static world W;

START_TEST(the_last_record_of_each_key_stays_with_its_offset)
{
    static const batch_codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        world_new(&W, 1);
        fill(&W, 120, codecs[i]);
        found before = must_be_right(&W);
        int64_t bytes = plog_bytes(W.log), end = plog_end(W.log);
        ck_assert_int_gt(compact(&W), 3);
        found after = must_be_right(&W);
        ck_assert_int_lt(after.records, before.records / 3);
        ck_assert_int_lt(plog_bytes(W.log), bytes / 2);
        ck_assert_int_eq(plog_end(W.log), end);
        ck_assert_int_eq(compact(&W), 0);
        restart(&W);
        found again = must_be_right(&W);
        ck_assert_int_eq(again.records, after.records);
        ck_assert_int_eq(plog_end(W.log), end);
        ck_assert_int_eq(compact(&W), 0);
        fill(&W, 120, codecs[i]);
        ck_assert_int_gt(compact(&W), 0);
        must_be_right(&W);
        world_free(&W);
    }
}
END_TEST

START_TEST(every_offset_can_be_fetched_gaps_included)
{
    world_new(&W, 1);
    fill(&W, 120, CODEC_NONE);
    compact(&W);
    for (int64_t at = plog_start(W.log); at < plog_end(W.log); at++) {
        plog_fetched f;
        uint8_t bytes[BATCH_HEADER];
        batch_header h;
        diag d = {0};
        plog_fetch(W.log, at, 500, true, PLOG_READ_UNCOMMITTED, &f);
        ck_assert_int_eq(f.error, KAFKA_NONE);
        ck_assert_int_gt(f.extent_count, 0);
        ck_assert(file_read_all(segment_file_handle(f.extents[0].file), f.extents[0].at, bytes, sizeof bytes, &d));
        batch_header_read(bytes, &h);
        ck_assert_int_ge(batch_last_offset(&h), at);
        ck_assert_int_gt(f.next_offset, at);
        plog_fetched_free(&f);
    }
    world_free(&W);
}
END_TEST

START_TEST(tombstones_stay_for_their_time_and_go_then)
{
    world_new(&W, 1);
    fill(&W, 60, CODEC_LZ4);
    for (int k = 0; k < KEYS; k++) send_batch(&W, k, 1, true, PLAIN, CODEC_NONE);
    for (int i = 0; i < 20; i++) send_batch(&W, 0, 1, false, PLAIN, CODEC_NONE);
    ck_assert_int_gt(compact(&W), 0);
    found f = must_be_right(&W);
    for (int k = 1; k < KEYS; k++) ck_assert_int_ge(f.last[k], 0);
    W.now += 400;
    for (int i = 0; i < 20; i++) send_batch(&W, 0, 1, false, PLAIN, CODEC_NONE);
    compact(&W);
    f = must_be_right(&W);
    for (int k = 1; k < KEYS; k++) ck_assert_int_ge(f.last[k], 0);
    W.now += 200;
    for (int i = 0; i < 40; i++) send_batch(&W, 0, 1, false, PLAIN, CODEC_NONE);
    compact(&W);
    f = must_be_right(&W);
    for (int k = 1; k < KEYS; k++) ck_assert_int_eq(f.last[k], -1);
    world_free(&W);
}
END_TEST

START_TEST(aborted_records_go_and_markers_follow_after_their_time)
{
    world_new(&W, 1);
    for (int i = 0; i < 30; i++) {
        send_batch(&W, i, 3, false, 8, i % 2 ? CODEC_ZSTD : CODEC_NONE);
        send_batch(&W, i * 7, 2, false, PLAIN, CODEC_NONE);
        end_txn(&W, 8, i % 3 != 0);
    }
    fill(&W, 40, CODEC_NONE);
    found before = must_be_right(&W);
    ck_assert_int_eq(before.markers, 30);
    compact(&W);
    must_be_right(&W);
    buf aborted = {0};
    diag d = {0};
    W.now += 600;
    fill(&W, 40, CODEC_NONE);
    compact(&W); /* now markers have no records left: their time begins */
    found now = must_be_right(&W);
    ck_assert(plog_aborted(W.log, 0, plog_end(W.log), &aborted, &d));
    ck_assert_uint_eq(aborted.len, 0);
    ck_assert_int_gt(now.markers, 0);
    for (int i = 0; i < 3; i++) {
        W.now += 600;
        fill(&W, 40, CODEC_NONE);
        compact(&W);
    }
    found after = must_be_right(&W);
    ck_assert_int_eq(after.markers, 0);
    buf_free(&aborted);
    world_free(&W);
}
END_TEST

START_TEST(an_open_transaction_and_the_active_segment_are_not_touched)
{
    world_new(&W, 1);
    fill(&W, 40, CODEC_NONE);
    send_batch(&W, 0, 2, false, 8, CODEC_NONE);
    int64_t open = plog_last_stable(W.log);
    fill(&W, 60, CODEC_NONE);
    compact(&W);
    segment_list *l = plog_list(W.log);
    int64_t next = -1;
    for (int i = 0; i < l->n; i++) {
        segment_walk walk;
        batch_header h;
        diag d = {0};
        ck_assert(segment_walk_open(&walk, l->s[i], 0, l->s[i]->size, 0, 4096, &d));
        while (segment_walk_next(&walk, &h, &d) == 1) {
            if (h.base_offset >= open && next >= 0) ck_assert_int_eq(h.base_offset, next);
            if (h.base_offset >= open) next = batch_last_offset(&h) + 1;
            if (h.base_offset >= open) ck_assert_int_eq(h.count, h.last_offset_delta + 1);
        }
        segment_walk_close(&walk);
    }
    segment_list_release(l);
    ck_assert_int_eq(next, plog_end(W.log));
    must_be_right(&W);
    world_free(&W);
}
END_TEST

START_TEST(lags_and_the_dirty_ratio_decide_when)
{
    world_new(&W, 1);
    W.config.min_compaction_lag_ms = 1000;
    plog_set_config(W.log, &W.config);
    fill(&W, 60, CODEC_NONE);
    ck_assert_int_eq(compact(&W), 0);
    W.now += 1001;
    ck_assert_int_gt(compact(&W), 0);
    W.config.min_compaction_lag_ms = 0;
    W.config.min_dirty_ratio = 0.99;
    W.config.max_compaction_lag_ms = 5000;
    plog_set_config(W.log, &W.config);
    fill(&W, 60, CODEC_NONE);
    ck_assert_int_eq(compact(&W), 0);
    W.now += 5001;
    ck_assert_int_gt(compact(&W), 0);
    must_be_right(&W);
    world_free(&W);
}
END_TEST

START_TEST(a_small_map_takes_several_passes_and_comes_to_the_same)
{
    world_new(&W, 1);
    plog_config c = W.config;
    c.segment_bytes = 4000;
    plog_set_config(W.log, &c);
    diag d = {0};
    char key[32];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 150; i++) {
            batch_options o = batch_options_plain();
            batch_begin(&W.builder, &o);
            batch_record rec = {.key = {key, (size_t)snprintf(key, sizeof key, "wide %d", i)}, .value = STR("v")};
            batch_add(&W.builder, &rec);
            uint8_t *data;
            size_t size;
            batch_checked checked;
            plog_appended out;
            ck_assert(batch_finish(&W.builder, &data, &size, &d));
            batch_trust(data, size, &checked);
            ck_assert(plog_append(W.log, &checked, PLOG_CLIENT, W.now, &out));
        }
    }
    int passes = 0;
    while (compact_with(&W, 1) > 0) passes++;
    ck_assert_int_gt(passes, 3);
    ck_assert_int_lt(passes, 40);
    segment_list *l = plog_list(W.log);
    int64_t closed = l->s[l->n - 1]->base;
    int count = 0;
    batch_header h;
    for (int i = 0; i + 1 < l->n; i++) {
        segment_walk walk;
        ck_assert(segment_walk_open(&walk, l->s[i], 0, l->s[i]->size, 0, 4096, &d));
        while (segment_walk_next(&walk, &h, &d) == 1) count += h.count;
        segment_walk_close(&walk);
    }
    segment_list_release(l);
    ck_assert_int_gt(closed, 300);
    ck_assert_int_eq(count, 150);
    world_free(&W);
}
END_TEST

START_TEST(a_reader_goes_on_through_a_compaction_without_repeating_anything)
{
    world_new(&W, 1);
    fill(&W, 150, CODEC_NONE);
    for (int after = 0; after < 40; after += 3) {
        plog_reader *r = plog_reader_new(W.log, 0);
        const uint8_t *data;
        size_t n;
        diag d = {0};
        int64_t next = 0;
        for (int i = 0;; i++) {
            if (i == after) {
                compact(&W);
                fill(&W, 20, CODEC_NONE);
            }
            plog_read_status status = plog_read(r, PLOG_READ_UNCOMMITTED, 300, true, &data, &n, &d);
            if (status == PLOG_READ_END && i > after) break;
            if (status == PLOG_READ_END) continue;
            ck_assert_int_eq(status, PLOG_READ_OK);
            batch_header h;
            batch_header_read(data, &h);
            ck_assert_int_ge(h.base_offset, next);
            next = plog_reader_offset(r);
        }
        ck_assert_int_eq(next, plog_end(W.log));
        plog_reader_free(r);
    }
    world_free(&W);
}
END_TEST

START_TEST(a_producer_is_known_from_a_compacted_log_alone)
{
    world_new(&W, 1);
    batch_options o = batch_options_plain();
    o.producer_id = 5;
    o.producer_epoch = 2;
    diag d = {0};
    for (int i = 0; i < 10; i++) {
        o.base_sequence = i;
        batch_begin(&W.builder, &o);
        batch_add(&W.builder, &(batch_record){.key = STR("key 0"), .value = STR("x"), .timestamp = W.now});
        uint8_t *data;
        size_t size;
        batch_checked c;
        plog_appended out;
        ck_assert(batch_finish(&W.builder, &data, &size, &d));
        batch_trust(data, size, &c);
        ck_assert(plog_append(W.log, &c, PLOG_CLIENT, W.now, &out));
    }
    for (int i = 0; i < 60; i++) send_batch(&W, 0, 2, false, PLAIN, CODEC_NONE);
    ck_assert_int_gt(compact(&W), 0);
    ck_assert(plog_close(W.log, &d));
    plog_env_free(W.env);
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    ck_assert(fs_list(fs_sim_fs(W.sim), "/topics/t-0", a, &entries, &count, &d));
    for (size_t i = 0; i < count; i++) {
        if (!str_ends(entries[i].name, STR(".snapshot"))) continue;
        ck_assert(fs_unlink(fs_sim_fs(W.sim), arena_printf(a, "/topics/t-0/%s", entries[i].name.p).p, &d));
    }
    arena_free(a);
    ck_assert(world_open(&W, &d));
    plog_producer p;
    ck_assert(plog_producer_get(W.log, 5, &p));
    ck_assert_int_eq(p.last_sequence, 9);
    ck_assert_int_eq(p.epoch, 2);
    world_free(&W);
}
END_TEST

UNIT_MAIN("broker/plog_compact", the_last_record_of_each_key_stays_with_its_offset,
          every_offset_can_be_fetched_gaps_included, tombstones_stay_for_their_time_and_go_then,
          aborted_records_go_and_markers_follow_after_their_time,
          an_open_transaction_and_the_active_segment_are_not_touched, lags_and_the_dirty_ratio_decide_when,
          a_small_map_takes_several_passes_and_comes_to_the_same,
          a_reader_goes_on_through_a_compaction_without_repeating_anything,
          a_producer_is_known_from_a_compacted_log_alone)
