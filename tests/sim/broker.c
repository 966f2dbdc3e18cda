/* The broker by simulation: seeds of tests/sim/broker_world.h. How to call it stands in tests/sim/seeds.h. */
#include "tests/sim/broker_world.h"
#include "tests/sim/seeds.h"

static const sim_excuse excused[] = {
    {"broker/plog_", "the tests plog_power and plog_compact_power take out each sync of a log"},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    const simulation brokers = {.run = broker_sim_run, .lives = 5, .excused = excused};
    return seeds_main(&brokers, argc, argv);
}
