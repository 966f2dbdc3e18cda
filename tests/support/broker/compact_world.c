#include "tests/support/broker/compact_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static plog_config compacted(void)
{
    plog_config c = plog_config_default();
    c.segment_bytes = 1500;
    c.index_interval_bytes = 200;
    c.policy_delete = false;
    c.policy_compact = true;
    c.min_dirty_ratio = 0.01;
    c.delete_retention_ms = 500;
    return c;
}

bool world_open(world *w, diag *d)
{
    w->env = plog_env_new(fs_sim_fs(w->sim), 6);
    w->log = plog_open(w->env, "/topics/t-0", &w->config, ++w->life, w->now, NULL, NULL, d);
    return w->log != NULL;
}

void world_new(world *w, uint64_t seed)
{
    diag d = {0};
    log_set_level((log_level)(LOG_ERROR + 1));
    memset(w, 0, sizeof *w);
    w->config = compacted();
    w->now = COMPACT_NOW;
    w->seed = seed;
    w->sim = fs_sim_new(seed);
    ck_assert(fs_mkdirs_at(fs_sim_fs(w->sim), "/topics", "test", &d));
    ck_assert_msg(world_open(w, &d), "%s", d.text);
}

void world_leave(world *w)
{
    plog_abandon(w->log);
    plog_env_free(w->env);
}

void world_free(world *w)
{
    world_leave(w);
    fs_sim_free(w->sim);
    batch_builder_free(&w->builder);
}

void restart(world *w)
{
    diag d = {0};
    ck_assert_msg(plog_close(w->log, &d), "%s", d.text);
    plog_env_free(w->env);
    ck_assert_msg(world_open(w, &d), "%s", d.text);
}

/* Appends one batch of n records; keys from `key` on, a tombstone each when `gone`. */
void send_batch(world *w, int key, int n, bool gone, int64_t pid, batch_codec codec)
{
    batch_options o = batch_options_plain();
    o.codec = codec;
    if (pid != PLAIN) {
        o.producer_id = pid;
        o.producer_epoch = (int16_t)w->life;
        o.transactional = true;
    }
    batch_begin(&w->builder, &o);
    int64_t at = plog_end(w->log);
    for (int i = 0; i < n; i++) {
        char k[16], v[80];
        written *r = &w->records[at + i];
        *r = (written){pid == PLAIN ? FATE_DATA : FATE_OPEN, (key + i) % KEYS, gone ? -1 : ++w->values};
        int kn = snprintf(k, sizeof k, "key %d", r->key);
        int vn = snprintf(v, sizeof v, "%lld %0*d", (long long)r->value, (int)(r->value % 40) + 1, 0);
        batch_record rec = {.key = {k, (size_t)kn}, .value = {gone ? NULL : v, (size_t)vn}, .timestamp = w->now};
        batch_add(&w->builder, &rec);
    }
    uint8_t *data;
    size_t size;
    diag d = {0};
    batch_checked c;
    plog_appended out;
    ck_assert(batch_finish(&w->builder, &data, &size, &d));
    batch_trust(data, size, &c);
    ck_assert(plog_append(w->log, &c, PLOG_COORDINATOR, w->now, &out));
    ck_assert_int_eq(out.base_offset, at);
}

void end_txn(world *w, int64_t pid, bool commit)
{
    plog_appended out;
    ck_assert(plog_append_marker(w->log, pid, (int16_t)w->life, 0, commit, w->now, &out));
    for (int64_t i = 0; i < out.base_offset; i++)
        if (w->records[i].fate == FATE_OPEN) w->records[i].fate = commit ? FATE_DATA : FATE_ABORTED;
    w->records[out.base_offset] = (written){.fate = FATE_NONE};
}

int compact_with(world *w, size_t map_bytes)
{
    diag d = {0};
    plog_compacted out;
    plog_compaction how = {.now_ms = w->now, .map_bytes = map_bytes, .seed = w->seed};
    ck_assert_msg(plog_compact(w->log, &how, &out, &d), "%s", d.text);
    return out.segments;
}

int compact(world *w)
{
    return compact_with(w, 1 << 20);
}

static bool is_aborted(const buf *aborted, const batch_header *h)
{
    const plog_aborted_txn *t = (const plog_aborted_txn *)(const void *)aborted->data;
    bool in = false;
    for (size_t i = 0; i < aborted->len / sizeof *t; i++)
        if (t[i].producer_id == h->producer_id && t[i].first_offset <= h->base_offset) in = true;
    return in;
}

/* A marker ends the aborted transaction of its producer, as consumers do it. */
static void end_aborted(buf *aborted, const batch_header *h)
{
    plog_aborted_txn *t = (plog_aborted_txn *)(void *)aborted->data;
    size_t n = aborted->len / sizeof *t;
    for (size_t i = 0; i < n; i++) {
        if (t[i].producer_id != h->producer_id || t[i].first_offset > h->base_offset) continue;
        memmove(t + i, t + i + 1, (n - i - 1) * sizeof *t);
        aborted->len -= sizeof *t;
        return;
    }
}

static const char *look_at_batch(const world *w, const uint8_t *data, size_t size, buf *aborted, int64_t *before,
                                 found *f)
{
    batch_iter it = {0};
    batch_record_view v;
    diag d = {0};
    const char *fault = NULL;
    bool commit;
    int32_t epoch;
    if (!batch_iter_open(&it, data, size, 1 << 20, &d)) return "a batch cannot be expanded";
    f->batches++;
    if (it.header.attributes & BATCH_CONTROL) {
        f->markers += it.header.count;
        if (batch_marker_read(data, size, &commit, &epoch) && !commit) end_aborted(aborted, &it.header);
    } else {
        bool hidden = (it.header.attributes & BATCH_TRANSACTIONAL) && is_aborted(aborted, &it.header);
        while (batch_iter_next(&it, &v, &d) == 1) {
            const written *r = &w->records[v.offset];
            char k[16], value[24];
            snprintf(k, sizeof k, "key %d", r->key);
            snprintf(value, sizeof value, "%lld ", (long long)r->value);
            bool right = r->fate != FATE_NONE && str_eqz(v.key, k) &&
                         (r->value < 0 ? !v.value.p : v.value.p && strncmp(v.value.p, value, strlen(value)) == 0);
            if (v.offset <= *before) fault = "offsets go back";
            if (!right) fault = "a record is not what was written";
            if (r->fate == FATE_DATA && hidden) fault = "a committed record is hidden";
            if (r->fate == FATE_ABORTED && !hidden) fault = "an aborted record is seen";
            if (r->fate == FATE_DATA) f->last[r->key] = v.offset;
            *before = v.offset;
            f->records++;
        }
    }
    batch_iter_free(&it);
    return fault;
}

/* Reads everything and compares it with what was written; NULL when all is right. */
const char *look(world *w, found *f)
{
    plog_reader *r = plog_reader_new(w->log, plog_start(w->log));
    const char *fault = NULL;
    buf aborted = {0};
    diag d = {0};
    int64_t before = -1;
    *f = (found){0};
    for (int k = 0; k < KEYS; k++) f->last[k] = -1;
    if (!plog_aborted(w->log, plog_start(w->log), plog_end(w->log), &aborted, &d)) fault = "no aborted transactions";
    const plog_aborted_txn *listed = (const plog_aborted_txn *)(const void *)aborted.data;
    for (size_t i = 0; i < aborted.len / sizeof *listed; i++)
        if (listed[i].producer_id != 8) fault = "a transaction is listed that never was";
    for (;;) {
        const uint8_t *data;
        size_t n;
        plog_read_status status = plog_read(r, PLOG_READ_COMMITTED, 700, true, &data, &n, &d);
        if (status == PLOG_READ_END || fault) break;
        if (status != PLOG_READ_OK) fault = "the log cannot be read";
        while (n > 0 && !fault) {
            batch_header h;
            batch_header_read(data, &h);
            size_t size = (size_t)batch_size(&h);
            fault = look_at_batch(w, data, size, &aborted, &before, f);
            data += size;
            n -= size;
        }
    }
    plog_reader_free(r);
    buf_free(&aborted);
    int64_t stable = plog_last_stable(w->log);
    for (int k = 0; k < KEYS && !fault; k++) {
        int64_t last = -1;
        for (int64_t i = plog_start(w->log); i < stable; i++)
            if (w->records[i].fate == FATE_DATA && w->records[i].key == k) last = i;
        bool gone = last >= 0 && w->records[last].value < 0;
        if (f->last[k] != last && !(gone && f->last[k] == -1)) fault = "a key does not have its last record";
    }
    return fault;
}

/* Every offset is found by the index, and the index knows all of its segment. */
const char *look_up(world *w)
{
    segment_list *l = plog_list(w->log);
    const char *fault = NULL;
    diag d = {0};
    for (int i = 0; i < l->n && !fault; i++) {
        segment *s = l->s[i];
        index_entry e = {.key = -1};
        uint32_t count = 0;
        int64_t time;
        uint64_t last = 0;
        bool more = true;
        while (more && segment_index_above(&s->offsets, INDEX_BY_OFFSET, e.key, &e, &more, &d) && more) {
            if ((uint64_t)e.value > last + 1000) fault = "an index has a hole";
            last = (uint64_t)e.value;
            count++;
        }
        if (count != segment_index_count(&s->offsets)) fault = "an index is out of order";
        if (!segment_max_time(s, &time, &d) || (s->size > 0 && (time < COMPACT_NOW || time > w->now)))
            fault = "a time is wrong";
    }
    segment_list_release(l);
    for (int64_t at = plog_start(w->log); at < plog_end(w->log) && !fault; at += 3) {
        plog_fetched f;
        uint8_t bytes[BATCH_HEADER];
        batch_header h;
        plog_fetch(w->log, at, 500, true, PLOG_READ_UNCOMMITTED, &f);
        if (f.error != KAFKA_NONE || f.extent_count == 0 ||
            !file_read_all(segment_file_handle(f.extents[0].file), f.extents[0].at, bytes, sizeof bytes, &d)) {
            fault = "an offset cannot be fetched";
        } else {
            batch_header_read(bytes, &h);
            if (batch_last_offset(&h) < at) fault = "a fetch begins too early";
        }
        plog_fetched_free(&f);
    }
    return fault;
}

found must_be_right(world *w)
{
    found f;
    const char *fault = look(w, &f);
    if (!fault) fault = look_up(w);
    ck_assert_msg(!fault, "%s", fault);
    return f;
}

void fill(world *w, int batches, batch_codec codec)
{
    for (int i = 0; i < batches; i++) send_batch(w, i * 5, 1 + i % 4, false, PLAIN, codec);
}
