/*
 * tests/sim/seeds.h - the program around a simulation: thousands of seeds, each in a process of its own, since code
 * that checks itself may end it.
 *
 *     PROGRAM [--seeds N] [--first N] [--jobs N]     clean stops, kills and power losses, also in the middle of calls
 *     PROGRAM --errors [...]                         single calls fail, also half done, and the process lives on
 *     PROGRAM --sites [--seeds N] [...]              each place that syncs is left out until a seed notices
 *     PROGRAM --seed N [--errors] [--lives N] [--ignore SITE]     one seed, in this process
 *
 * The exit status is 0 when all is as it should be.
 */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include "tests/support/sim.h"

/* Places whose syncs no seed can miss, and why they stay. */
typedef struct sim_excuse {
    const char *site; /* how its name begins */
    const char *why;
} sim_excuse;

/* A simulation. */
typedef struct simulation {
    void (*run)(const sim_options *options, sim_result *result); /* one seed */
    int lives; /* in a run, unless --lives says otherwise */
    const sim_excuse *excused; /* ends with a site that is NULL */
} simulation;

/* The program's main. */
int seeds_main(const simulation *s, int argc, char **argv);

#endif
