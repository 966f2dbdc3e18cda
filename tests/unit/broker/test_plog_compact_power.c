/* Compaction over simulated power losses: either the old segments or the new, and every single sync is needed. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/broker/compact_world.h"

enum { SEEDS = 400 };

static world W;

/* A random walk of appends, transactions, syncs and compactions; what was synced is returned. */
static int64_t live(world *w, rng *r)
{
    bool open = false;
    int64_t synced = plog_end(w->log);
    diag d = {0};
    for (int step = 0; step < 80 && plog_end(w->log) < RECORDS_MAX - 40; step++) {
        w->now += (int64_t)rng_below(r, 100);
        switch (rng_below(r, 12)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
            send_batch(w, (int)rng_below(r, KEYS), 1 + (int)rng_below(r, 6), rng_below(r, 5) == 0, PLAIN,
                       rng_below(r, 4) == 0 ? CODEC_LZ4 : CODEC_NONE);
            break;
        case 5:
        case 6:
            send_batch(w, (int)rng_below(r, KEYS), 1 + (int)rng_below(r, 4), rng_below(r, 5) == 0, 8, CODEC_NONE);
            open = true;
            break;
        case 7:
            if (open) end_txn(w, 8, rng_below(r, 2));
            open = false;
            break;
        case 8:
            ck_assert(plog_sync(w->log, &d));
            synced = plog_end(w->log);
            break;
        default: compact(w);
        }
        if (plog_synced_end(w->log) > synced) synced = plog_synced_end(w->log);
    }
    /* The power fails in the middle of a compaction: nothing gets through any more. */
    plog_compacted out;
    plog_compaction how = {.now_ms = w->now, .map_bytes = 1 << 20, .seed = w->seed};
    fs_sim_fail(w->sim, FS_SIM_NAMES | FS_SIM_SYNC, 1 + rng_below(r, 60), 5, true);
    plog_compact(w->log, &how, &out, &d);
    if (plog_synced_end(w->log) > synced) synced = plog_synced_end(w->log);
    return synced;
}

/* The power fails again while the log is being opened. */
static void fail_in_recovery(world *w, rng *r, const char *ignored)
{
    diag d = {0};
    fs_sim_ignore_site(w->sim, ignored);
    fs_sim_fail(w->sim, FS_SIM_NAMES | FS_SIM_SYNC, 1 + rng_below(r, 10), 5, true);
    bool opened = world_open(w, &d);
    fs_sim *after = fs_sim_power_loss(w->sim, rng_u64(r));
    if (opened) plog_abandon(w->log);
    plog_env_free(w->env);
    fs_sim_free(w->sim);
    w->sim = after;
}

/* After a loss: what lies behind the end never was; a transaction whose marker is lost is open again. */
static void forget_lost(world *w)
{
    for (int64_t i = plog_end(w->log); i < RECORDS_MAX; i++) w->records[i].fate = FATE_NONE;
}

static const char *run(uint64_t seed, const char *ignored, buf *sites)
{
    rng r;
    rng_seed(&r, seed);
    world *w = &W;
    world_new(w, seed);
    const char *fault = NULL;
    diag d = {0};
    for (int life = 0; life < 3 && !fault; life++) {
        found f;
        fs_sim_ignore_site(w->sim, ignored);
        int64_t synced = live(w, &r);
        int64_t last_marker = plog_last_stable(w->log);
        for (size_t i = 0; sites && i < fs_sim_site_count(w->sim); i++) {
            const char *site = fs_sim_site(w->sim, i);
            const char **known = (const char **)(void *)sites->data;
            size_t k = 0, count = sites->len / sizeof *known;
            while (k < count && strcmp(known[k], site) != 0) k++;
            bool ours = strstr(site, "plog_compact") || strstr(site, "plog_swap");
            if (k == count && ours) buf_add(sites, &site, sizeof site);
        }
        fs_sim *after = fs_sim_power_loss(w->sim, rng_u64(&r));
        world_leave(w);
        fs_sim_free(w->sim);
        w->sim = after;
        if (rng_below(&r, 2)) fail_in_recovery(w, &r, ignored);
        fs_sim_ignore_site(w->sim, ignored);
        if (!world_open(w, &d)) {
            fs_sim_free(w->sim);
            plog_env_free(w->env);
            batch_builder_free(&w->builder);
            return "cannot be opened";
        }
        if (plog_end(w->log) < synced) fault = "synced records are lost";
        /* A lost marker would change the fate of what it ended: such a life tells nothing about compaction. */
        if (!fault && plog_end(w->log) < last_marker) break;
        forget_lost(w);
        bool open = plog_last_stable(w->log) < plog_end(w->log);
        if (open && !fault) {
            plog_producer p;
            if (plog_producer_get(w->log, 8, &p)) {
                plog_appended out;
                ck_assert(plog_append_marker(w->log, 8, p.epoch, 0, false, w->now, &out));
                for (int64_t i = p.txn_start; i < out.base_offset; i++)
                    if (w->records[i].fate == FATE_OPEN) w->records[i].fate = FATE_ABORTED;
                w->records[out.base_offset] = (written){.fate = FATE_NONE};
            }
        }
        if (!fault) fault = look(w, &f);
        if (!fault) fault = look_up(w);
    }
    world_free(w);
    return fault;
}

START_TEST(power_losses_leave_either_the_old_or_the_new_segments)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const char *fault = run(seed, NULL, NULL);
        ck_assert_msg(!fault, "seed %llu: %s", (unsigned long long)seed, fault);
    }
}
END_TEST

START_TEST(every_sync_of_a_compaction_is_needed)
{
    buf sites = {0};
    for (uint64_t seed = 1; seed <= 5; seed++) run(seed, NULL, &sites);
    const char **site = (const char **)(void *)sites.data;
    size_t count = sites.len / sizeof *site, missed = 0;
    for (size_t i = 0; i < count; i++) {
        bool noticed = false;
        for (uint64_t seed = 1; seed <= SEEDS && !noticed; seed++) noticed = run(seed, site[i], NULL) != NULL;
        if (!noticed) fprintf(stderr, "nothing notices when the sync at %s is left out\n", site[i]);
        missed += !noticed;
    }
    ck_assert_uint_ge(count, 6);
    ck_assert_uint_eq(missed, 0);
    buf_free(&sites);
}
END_TEST

UNIT_MAIN("broker/plog_compact_power", power_losses_leave_either_the_old_or_the_new_segments,
          every_sync_of_a_compaction_is_needed)
