/*
 * A partition's log over simulated power losses: nothing that was acknowledged as synced is lost, nothing that can be
 * read is wrong, and every single sync is needed for that.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_sim.h"
#include "base/log.h"
#include "base/rng.h"
#include "broker/plog_int.h"

static const int64_t NOW = 1700000000000;
enum { SEEDS = 1000, STEPS = 60, OPEN_FILES = 6, INTERVAL = 200, BATCH_MAX = 1000 };

/* What was acknowledged, and so must be found after the power comes back. */
typedef struct promise {
    int64_t end; /* plog_sync returned for everything below */
    int64_t start; /* the log start, moved by DeleteRecords or retention */
    int64_t appended;
    int32_t synced_epoch; /* epoch of the last synced record */
    bool known[2]; /* producers 7 and 8 as they were at `end` */
    plog_producer producers[2];
} promise;

static plog_config small_segments(void)
{
    plog_config c = plog_config_default();
    c.segment_bytes = 3000;
    c.index_interval_bytes = INTERVAL;
    return c;
}

/* The value of an offset, the same in every life of the log: the check after the loss knows it. */
static int value_of(int64_t offset, int32_t life, char *out, size_t cap)
{
    return snprintf(out, cap, "%lld/%d/%0*d", (long long)offset, life, (int)(offset % 90), 0);
}

static void append(plog *log, batch_builder *b, rng *r, int32_t life, int32_t *sequence, bool transactional)
{
    batch_options o = batch_options_plain();
    if (sequence) {
        o.producer_id = transactional ? 8 : 7;
        o.producer_epoch = (int16_t)life;
        o.base_sequence = *sequence;
        o.transactional = transactional;
    }
    o.codec = rng_below(r, 4) == 0 ? CODEC_LZ4 : CODEC_NONE;
    int count = 1 + (int)rng_below(r, 5);
    batch_begin(b, &o);
    for (int i = 0; i < count; i++) {
        char value[160];
        int n = value_of(plog_end(log) + i, life, value, sizeof value);
        batch_record record = {.value = {value, (size_t)n}, .timestamp = NOW + plog_end(log) + i};
        batch_add(b, &record);
    }
    uint8_t *data;
    size_t n;
    diag d = {0};
    batch_checked c;
    plog_appended out;
    ck_assert(batch_finish(b, &data, &n, &d));
    batch_trust(data, n, &c);
    ck_assert(plog_append(log, &c, PLOG_CLIENT, NOW, &out));
    if (sequence) *sequence += count;
}

static void note_producers(plog *log, promise *p)
{
    for (int i = 0; i < 2; i++) p->known[i] = plog_producer_get(log, 7 + i, &p->producers[i]);
}

/* One life of the log: a random walk of appends, transactions, syncs, checkpoints, retention. */
static void live(plog *log, rng *r, int32_t life, promise *p)
{
    batch_builder b = {0};
    int32_t plain = 0, txn = 0;
    bool open = false;
    diag d = {0};
    plog_appended out;
    plog_config c = small_segments();
    /* Some lives end before the folder was synced for another reason. */
    int steps = rng_below(r, 4) == 0 ? (int)rng_below(r, 8) : STEPS;
    for (int step = 0; step < steps; step++) {
        int64_t low;
        kafka_error error;
        int removed;
        switch (rng_below(r, 12)) {
        case 0:
        case 1:
        case 2: append(log, &b, r, life, NULL, false); break;
        case 3:
        case 4: append(log, &b, r, life, &plain, false); break;
        case 5:
        case 6:
            append(log, &b, r, life, &txn, true);
            open = true;
            break;
        case 7:
            if (open) ck_assert(plog_append_marker(log, 8, (int16_t)life, 0, rng_below(r, 2), NOW, &out));
            open = false;
            break;
        case 8:
        case 9:
            ck_assert_msg(plog_sync(log, &d), "%s", d.text);
            p->end = plog_end(log);
            break;
        case 10:
            ck_assert_msg(plog_checkpoint(log, &d), "%s", d.text);
            p->end = plog_end(log);
            break;
        default:
            if (rng_below(r, 3) == 0) {
                int64_t to = plog_start(log) + (int64_t)rng_below(r, (uint64_t)(plog_end(log) - plog_start(log)) + 1);
                ck_assert(plog_delete_records(log, to, &low, &error, &d));
                p->start = low;
                if (p->end < low) p->end = low;
            } else {
                c.retention_bytes = 6000 + (int64_t)rng_below(r, 9000);
                plog_set_config(log, &c);
                ck_assert_msg(plog_retain(log, NOW, &removed, &d), "%s", d.text);
                if (removed > 0) p->start = plog_start(log);
                if (p->end < p->start) p->end = p->start;
            }
        }
        if (p->end > 0) p->synced_epoch = plog_epoch_of(log, p->end - 1);
        if (p->end == plog_end(log)) note_producers(log, p);
    }
    p->appended = plog_end(log);
    batch_builder_free(&b);
}

/* Why a log is not what it must be; NULL when it is. */
static const char *check_records(plog *log, int64_t *stable_aborts)
{
    static char why[300];
    plog_reader *r = plog_reader_new(log, plog_start(log));
    int64_t expect = plog_start(log);
    const char *fault = NULL;
    diag d = {0};
    for (;;) {
        const uint8_t *data;
        size_t n;
        plog_read_status status = plog_read(r, PLOG_READ_UNCOMMITTED, 1000, true, &data, &n, &d);
        if (status == PLOG_READ_END) break;
        if (status != PLOG_READ_OK) {
            snprintf(why, sizeof why, "unreadable at %lld: %.200s", (long long)expect, d.text);
            fault = why;
            break;
        }
        while (n > 0) {
            batch_iter it = {0};
            batch_record_view v;
            ck_assert(batch_iter_open(&it, data, n, 1 << 20, &d));
            size_t size = (size_t)batch_size(&it.header);
            bool commit;
            int32_t epoch;
            if (it.header.attributes & BATCH_CONTROL && batch_marker_read(data, size, &commit, &epoch) && !commit) {
                *stable_aborts = it.header.base_offset;
            }
            while (batch_iter_next(&it, &v, &d) == 1) {
                if (v.offset < expect) continue;
                bool control = it.header.attributes & BATCH_CONTROL;
                char value[160], prefix[40];
                snprintf(prefix, sizeof prefix, "%lld/", (long long)v.offset);
                snprintf(value, sizeof value, "%.*s", STR_ARG(v.value));
                if (v.offset != expect || (!control && strncmp(value, prefix, strlen(prefix)) != 0)) {
                    snprintf(why, sizeof why, "offset %lld holds '%.80s'", (long long)v.offset, value);
                    fault = why;
                }
                expect++;
            }
            batch_iter_free(&it);
            data += size;
            n -= size;
        }
    }
    plog_reader_free(r);
    if (!fault && expect != plog_end(log)) fault = "the log ends before its end";
    return fault;
}

/* The aborted transactions that the index knows must be those that the records tell. */
static const char *check_aborted(plog *log)
{
    buf listed = {0}, told = {0};
    diag d = {0};
    const char *fault = NULL;
    int64_t open = -1;
    plog_reader *r = plog_reader_new(log, plog_start(log));
    const uint8_t *data;
    size_t n;
    while (plog_read(r, PLOG_READ_UNCOMMITTED, 1000, true, &data, &n, &d) == PLOG_READ_OK) {
        while (n > 0) {
            batch_header h;
            batch_header_read(data, &h);
            bool commit;
            int32_t epoch;
            if (h.producer_id == 8 && !(h.attributes & BATCH_CONTROL) && open < 0) open = h.base_offset;
            if (batch_marker_read(data, (size_t)batch_size(&h), &commit, &epoch)) {
                if (!commit && open >= 0) buf_add(&told, &open, sizeof open);
                open = -1;
            }
            data += batch_size(&h);
            n -= (size_t)batch_size(&h);
        }
    }
    plog_reader_free(r);
    if (!plog_aborted(log, plog_start(log), plog_end(log), &listed, &d))
        fault = "the aborted transactions are unreadable";
    const plog_aborted_txn *t = (const plog_aborted_txn *)(const void *)listed.data;
    const int64_t *first = (const int64_t *)(const void *)told.data;
    size_t listed_n = listed.len / sizeof *t, told_n = told.len / sizeof *first, k = 0;
    /* The first one may have begun below the start of the log, where the records no longer tell. */
    while (k < listed_n && t[k].first_offset < plog_start(log)) k++;
    size_t i = told_n > 0 && k > 0 && (k == listed_n || t[k].first_offset != first[0]) ? 1 : 0;
    for (; i < told_n && !fault; i++, k++) {
        if (k >= listed_n || t[k].first_offset != first[i]) fault = "an aborted transaction is not listed";
    }
    if (!fault && k != listed_n) fault = "a transaction is listed that was not aborted";
    if (!fault && plog_last_stable(log) != (open >= 0 ? open : plog_end(log)) &&
        plog_last_stable(log) != plog_start(log)) {
        fault = "the last stable offset is wrong";
    }
    buf_free(&listed);
    buf_free(&told);
    return fault;
}

/* With nothing found beyond what was synced, the producers are those of that moment. */
static const char *check_producers(plog *log, const promise *p)
{
    for (int i = 0; i < 2 && plog_end(log) == p->end; i++) {
        plog_producer now;
        bool known = plog_producer_get(log, 7 + i, &now);
        if (known != p->known[i]) return known ? "a producer is known that was not" : "a producer was forgotten";
        if (!known) continue;
        if (now.epoch != p->producers[i].epoch) return "a producer's epoch was lost";
        if (now.last_sequence != p->producers[i].last_sequence) return "a producer's sequence was lost";
        if (now.txn_start != p->producers[i].txn_start) return "an open transaction was lost";
    }
    return NULL;
}

/* A record is found by its timestamp, which grows with its offset; markers in between have none of their own. */
static const char *check_times(plog *log)
{
    for (int64_t at = plog_start(log); at < plog_end(log); at += 3) {
        int64_t offset, time;
        int32_t epoch;
        diag d = {0};
        if (!plog_offset_for_time(log, NOW + at, PLOG_READ_UNCOMMITTED, &offset, &time, &epoch, &d)) {
            return "a timestamp cannot be looked up";
        }
        if (offset < 0 ? at + 4 < plog_end(log) : offset < at || offset > at + 4 || time != NOW + offset) {
            return "a timestamp leads to the wrong offset";
        }
    }
    return NULL;
}

/* A look-up by an index with holes is right but walks the log: all entries are there, in order, up to the end. */
static const char *check_indexes(plog *log)
{
    segment_list *l = plog_list(log);
    const char *fault = NULL;
    diag d = {0};
    for (int i = 0; i < l->n && !fault; i++) {
        segment *s = l->s[i];
        index_entry e = {.key = -1};
        uint32_t count = 0;
        uint64_t last = 0;
        bool found = true;
        while (found && segment_index_above(&s->offsets, INDEX_BY_OFFSET, e.key, &e, &found, &d) && found) {
            if ((uint64_t)e.value > last + INTERVAL + BATCH_MAX) fault = "an index has a hole";
            last = (uint64_t)e.value;
            count++;
        }
        if (count != segment_index_count(&s->offsets)) fault = "an index is out of order";
        if (last + INTERVAL + BATCH_MAX < s->size) fault = "an index ends early";
    }
    segment_list_release(l);
    return fault;
}

/* Everything that must hold of a log after a power loss. */
static const char *check_promise(plog *log, const promise *p)
{
    static char why[200];
    if (plog_end(log) < p->end) {
        snprintf(why, sizeof why, "synced up to %lld, found up to %lld", (long long)p->end, (long long)plog_end(log));
        return why;
    }
    if (plog_end(log) > p->appended) return "there is more than was appended";
    if (plog_start(log) != p->start) {
        snprintf(why, sizeof why, "the log start was %lld and is %lld", (long long)p->start,
                 (long long)plog_start(log));
        return why;
    }
    int64_t aborts = -1;
    const char *fault = check_records(log, &aborts);
    if (!fault) fault = check_aborted(log);
    if (!fault) fault = check_producers(log, p);
    if (!fault) fault = check_times(log);
    if (!fault) fault = check_indexes(log);
    if (!fault && p->end > p->start && plog_epoch_of(log, p->end - 1) != p->synced_epoch) fault = "an epoch was lost";
    if (!fault) {
        /* Looked up by the index, every synced offset begins with the right batch. */
        for (int64_t at = p->start; at < plog_end(log) && !fault; at += 5) {
            plog_fetched f;
            uint8_t bytes[BATCH_HEADER];
            batch_header h;
            diag d = {0};
            plog_fetch(log, at, 1000, true, PLOG_READ_UNCOMMITTED, &f);
            if (f.error != KAFKA_NONE || f.extent_count == 0 ||
                !file_read_all(segment_file_handle(f.extents[0].file), f.extents[0].at, bytes, sizeof bytes, &d)) {
                fault = "an offset cannot be fetched";
            } else {
                batch_header_read(bytes, &h);
                if (h.base_offset > at || batch_last_offset(&h) < at) fault = "a fetch begins at the wrong batch";
            }
            plog_fetched_free(&f);
        }
    }
    return fault;
}

/*
 * Three lives with a power loss after each, by seed. `ignored` is a sync that does nothing. Returns what was found
 * wrong in the end, or NULL. Sync places that were used are added to *sites.
 */
static const char *run(uint64_t seed, const char *ignored, buf *sites)
{
    rng r;
    log_set_level((log_level)(LOG_ERROR + 1)); /* what is cut and found corrupt here would fill pages */
    rng_seed(&r, seed);
    fs_sim *sim = fs_sim_new(seed);
    plog_config c = small_segments();
    promise p = {0};
    const char *fault = NULL;
    diag d = {0};
    ck_assert(fs_mkdirs_at(fs_sim_fs(sim), "/topics", "test", &d));
    for (int32_t life = 1; life <= 3 && !fault; life++) {
        fs_sim_ignore_site(sim, ignored);
        plog_env *env = plog_env_new(fs_sim_fs(sim), OPEN_FILES);
        plog *log = plog_open(env, "/topics/t-0", &c, life, NOW, NULL, NULL, &d);
        if (!log) {
            static char why[200];
            snprintf(why, sizeof why, "cannot be opened: %.150s", d.text);
            fault = why;
        } else {
            if (life > 1) fault = check_promise(log, &p);
            p.appended = p.end = plog_end(log);
            if (p.end > 0) p.synced_epoch = plog_epoch_of(log, p.end - 1);
            note_producers(log, &p);
            if (!fault) live(log, &r, life, &p);
            plog_abandon(log);
        }
        plog_env_free(env);
        for (size_t i = 0; sites && i < fs_sim_site_count(sim); i++) {
            const char *site = fs_sim_site(sim, i);
            const char **known = (const char **)(void *)sites->data;
            size_t k = 0, count = sites->len / sizeof *known;
            while (k < count && strcmp(known[k], site) != 0) k++;
            if (k == count) buf_add(sites, &site, sizeof site);
        }
        /* A kill may come before the power fails: what is in the page cache is then taken up by the next life. */
        fs_sim *after = rng_below(&r, 4) == 0 ? fs_sim_process_kill(sim) : fs_sim_power_loss(sim, rng_u64(&r));
        fs_sim_free(sim);
        sim = after;
    }
    if (!fault) {
        plog_env *env = plog_env_new(fs_sim_fs(sim), OPEN_FILES);
        plog *log = plog_open(env, "/topics/t-0", &c, 4, NOW, NULL, NULL, &d);
        fault = log ? check_promise(log, &p) : "cannot be opened";
        plog_abandon(log);
        plog_env_free(env);
    }
    fs_sim_free(sim);
    return fault;
}

START_TEST(a_thousand_power_losses_lose_nothing_that_was_synced)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const char *fault = run(seed, NULL, NULL);
        ck_assert_msg(!fault, "seed %llu: %s", (unsigned long long)seed, fault);
    }
}
END_TEST

START_TEST(every_single_sync_is_needed)
{
    buf sites = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) run(seed, NULL, &sites);
    const char **site = (const char **)(void *)sites.data;
    size_t count = sites.len / sizeof *site, tested = 0, missed = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(site[i], "test") == 0) continue;
        bool noticed = false;
        for (uint64_t seed = 1; seed <= SEEDS && !noticed; seed++) noticed = run(seed, site[i], NULL) != NULL;
        if (!noticed) fprintf(stderr, "nothing notices when the sync at %s is left out\n", site[i]);
        missed += !noticed;
        tested++;
    }
    ck_assert_uint_eq(missed, 0);
    ck_assert_uint_ge(tested, 9);
    buf_free(&sites);
}
END_TEST

UNIT_MAIN("broker/plog_power", a_thousand_power_losses_lose_nothing_that_was_synced, every_single_sync_is_needed)
