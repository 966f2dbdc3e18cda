/*
 * tests/support/server/chain.h - a whole chain of queries in one thread on a disk that fails, and what must come out.
 *
 * Broker, engine and SQLite run over the test twin of the file system: a stream is filtered, the result gets another
 * key, and tables count it (plain, by windows through an exchange, by sessions). A seed chooses what is appended and
 * acknowledged, which task is stepped, when each query commits, and where the machine dies: a file system call in the
 * middle of anything fails together with all that follow it, then the disk is what a power loss or a killed process
 * leaves. After some lives the chain runs to the end and the results are computed anew from what is in the log:
 * every acknowledged record is there once, and every result counts each record once.
 *
 * One thread; nothing here ends the process by itself, but the code under test may (it checks itself): run seeds that
 * are expected to fail in a process of their own.
 */
#ifndef TESTS_SUPPORT_SERVER_CHAIN_H
#define TESTS_SUPPORT_SERVER_CHAIN_H

#include "tests/support/sim.h"

/* Runs one seed. */
void chain_run(const sim_options *options, sim_result *out);

#endif
