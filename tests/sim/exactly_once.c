/* Exactly once by simulation: seeds of tests/support/server/chain.h. How to call it stands in tests/sim/seeds.h. */
#include "tests/sim/seeds.h"
#include "tests/support/server/chain.h"

static const sim_excuse excused[] = {
    {"broker/plog_", "tests/unit/broker/test_plog_power.c takes out each sync of a log"},
    {"sqlite journal", "until a new database is in WAL mode there is nothing in it that a journal could bring back"},
    {"state folder at the start", "tests/unit/state/test_sqlite_db.c takes it out: it matters after a failed sync"},
    {"metadata folder", "the topics' folder is made beside it and synced before the start is complete"},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    const simulation chains = {.run = chain_run, .lives = 4, .excused = excused};
    return seeds_main(&chains, argc, argv);
}
