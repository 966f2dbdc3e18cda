#include "tests/support/broker/plog_bed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void bed_start(bed *b, fs_sim *sim)
{
    diag d = {0};
    b->sim = sim;
    ck_assert_msg(fs_mkdirs(fs_sim_fs(sim), "/topics", &d), "%s", d.text);
    b->env = plog_env_new(fs_sim_fs(sim), 8);
    b->log = plog_open(b->env, "/topics/t-0", &b->config, b->epoch, b->now, NULL, NULL, &d);
    ck_assert_msg(b->log != NULL, "%s", d.text);
}

bed bed_new(void)
{
    log_set_level((log_level)(LOG_ERROR + 1)); /* failures are wanted here */
    bed b = {.config = plog_config_default(), .epoch = 1, .now = NOW};
    b.config.segment_bytes = 4096;
    b.config.index_interval_bytes = 256;
    bed_start(&b, fs_sim_new(1));
    return b;
}

void bed_restart(bed *b, bool clean)
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

void bed_free(bed *b)
{
    plog_abandon(b->log);
    plog_env_free(b->env);
    fs_sim_free(b->sim);
    batch_builder_free(&b->builder);
}

kafka_error bed_send(bed *b, sent s, plog_appended *out)
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
        batch_record r = {
            .key = STR("k"), .value = {value, (size_t)n}, .timestamp = s.timestamp ? s.timestamp : b->now + i};
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

void bed_send_many(bed *b, int batches)
{
    for (int i = 0; i < batches; i++) ck_assert_int_eq(bed_send(b, (sent){.count = 1 + i % 4}, NULL), KAFKA_NONE);
}

int64_t bed_read_through(bed *b, int64_t from, plog_isolation isolation, size_t max_bytes)
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

int64_t bed_fetch(bed *b, int64_t from, uint64_t max, plog_isolation isolation)
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
