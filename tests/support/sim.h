/*
 * tests/support/sim.h - what a simulation is asked for and answers, whatever it simulates.
 *
 * A seed decides everything in a run, so that it repeats its run. tests/sim/seeds.h runs many.
 */
#ifndef TESTS_SUPPORT_SIM_H
#define TESTS_SUPPORT_SIM_H

#include "base/file_sim.h"

enum { SIM_SITES = 128 };

/* What a run is asked for. */
typedef struct sim_options {
    uint64_t seed;
    int lives; /* how often the machine dies */
    bool errors; /* single calls of the disk fail besides (EIO, ENOSPC, short writes), and the process lives on */
    const char *ignore_site; /* the syncs of this place do nothing; NULL: all do */
} sim_options;

/*
 * What came of it; what a simulation does not count stays 0. Shared with another process: no pointers but to
 * constants.
 */
typedef struct sim_result {
    bool ok;
    char why[512]; /* when it is not */
    uint64_t lives, records, acknowledged, transactions;
    uint64_t commits; /* of offsets, or generations that were decided */
    uint64_t failures; /* errors that were injected and met */
    uint64_t restarts; /* of queries after an error */
    const char *sites[SIM_SITES]; /* places that synced something, or a folder */
    int site_count;
} sim_result;

/* Adds the places that synced on a disk to those that are known. */
void sim_note_sites(sim_result *result, fs_sim *disk);

#endif
