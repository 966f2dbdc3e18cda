/* Producers of a partition: sequences, epochs and transactions by Kafka's rules, through restarts. */
#include "tests/unit/unit.h"

#include "tests/support/broker/plog_bed.h"

START_TEST(idempotent_sequences_are_kafkas)
{
    bed b = bed_new();
    plog_appended out;
    for (int32_t i = 0; i < 7; i++) {
        ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, &out), KAFKA_NONE);
    }
    int64_t end = plog_end(b.log);
    /* The last five come again: the original offsets, nothing written. */
    for (int32_t i = 2; i < 7; i++) {
        ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, &out), KAFKA_NONE);
        ck_assert(out.duplicate && out.base_offset == 2 * i && out.last_offset == 2 * i + 1);
    }
    ck_assert_int_eq(plog_end(b.log), end);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 2}, NULL),
                     KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 1, .pid = 9, .sequence = 12}, NULL),
                     KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 15}, NULL),
                     KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .epoch = 1, .sequence = 14}, NULL),
                     KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .epoch = 1, .sequence = 0}, NULL), KAFKA_NONE);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .epoch = 0, .sequence = 14}, NULL),
                     KAFKA_INVALID_PRODUCER_EPOCH);
    /* Unknown producers may begin anywhere, and sequences wrap. */
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 10, .sequence = INT32_MAX - 1}, NULL), KAFKA_NONE);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 10, .sequence = 0}, NULL), KAFKA_NONE);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 3, .pid = 11, .sequence = INT32_MAX}, NULL), KAFKA_NONE);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 3, .pid = 11, .sequence = 2}, NULL), KAFKA_NONE);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 3, .pid = 11, .sequence = INT32_MAX}, &out), KAFKA_NONE);
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
            ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, NULL), KAFKA_NONE);
            if (i == 20) ck_assert(plog_checkpoint(b.log, &d));
            if (i == 30) ck_assert(plog_sync(b.log, &d));
        }
        bed_restart(&b, clean);
        plog_appended out;
        for (int32_t i = 35; i < 40; i++) {
            ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, &out), KAFKA_NONE);
            ck_assert(out.duplicate && out.base_offset == 2 * i);
        }
        ck_assert_int_eq(bed_send(&b, (sent){.count = 1, .pid = 9, .sequence = 80}, NULL), KAFKA_NONE);
        ck_assert_int_eq(bed_send(&b, (sent){.count = 1, .pid = 9, .sequence = 90}, NULL),
                         KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
        bed_free(&b);
    }
}
END_TEST

START_TEST(a_lost_snapshot_is_made_up_from_the_log)
{
    bed b = bed_new();
    diag d = {0};
    for (int32_t i = 0; i < 40; i++) bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 2 * i}, NULL);
    ck_assert(plog_close(b.log, &d));
    plog_env_free(b.env);
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000080.snapshot", 20, 4));
    bed_start(&b, b.sim);
    plog_appended out;
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 78}, &out), KAFKA_NONE);
    ck_assert(out.duplicate);
    ck_assert_int_eq(bed_send(&b, (sent){.count = 2, .pid = 9, .sequence = 80}, &out), KAFKA_NONE);
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
        bed_send(&b, (sent){.count = 3}, NULL); /* 0-2 */
        bed_send(&b, (sent){.count = 2, .pid = 5, .sequence = 0, .transactional = true}, NULL); /* 3-4 */
        bed_send(&b, (sent){.count = 2, .pid = 6, .sequence = 0, .transactional = true}, NULL); /* 5-6 */
        bed_send(&b, (sent){.count = 1}, NULL); /* 7 */
        ck_assert_int_eq(plog_last_stable(b.log), 3);
        ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_COMMITTED, 4000), 3);
        ck_assert_int_eq(bed_fetch(&b, 0, 4000, PLOG_READ_COMMITTED), 3);
        ck_assert_int_eq(bed_fetch(&b, 0, 4000, PLOG_READ_UNCOMMITTED), 8);
        ck_assert_int_eq(bed_send(&b, (sent){.count = 1, .pid = 5, .sequence = 2}, NULL), KAFKA_INVALID_TXN_STATE);
        if (restart) bed_restart(&b, restart == 1);
        ck_assert_int_eq(plog_last_stable(b.log), 3);
        ck_assert(plog_append_marker(b.log, 5, 0, 1, false, b.now, &out)); /* 8 */
        ck_assert_int_eq(plog_last_stable(b.log), 5);
        ck_assert_int_eq(plog_append_marker(b.log, 6, 0, 0, true, b.now, &out), true); /* 9 */
        ck_assert_int_eq(plog_last_stable(b.log), 10);
        if (restart) bed_restart(&b, restart == 1);
        ck_assert_int_eq(bed_read_through(&b, 0, PLOG_READ_COMMITTED, 4000), 10);
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
        ck_assert_int_eq(bed_send(&b, (sent){.count = 3, .pid = 5, .sequence = 3 * i, .transactional = true}, NULL),
                         KAFKA_NONE);
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

UNIT_MAIN("broker/plog_producers", idempotent_sequences_are_kafkas, sequences_survive_restarts_with_the_whole_window,
          a_lost_snapshot_is_made_up_from_the_log, transactions_hold_back_committed_readers,
          many_aborted_transactions_are_found_again)
