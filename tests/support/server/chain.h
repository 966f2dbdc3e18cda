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

#include "base/file_sim.h"

enum { CHAIN_SITES = 128 };

/* How to run. */
typedef struct chain_options {
    uint64_t seed;
    int lives; /* how often it dies before the last life */
    const char *ignore_site; /* syncs of this place do nothing; NULL: all work */
    bool errors; /* single calls fail besides (EIO, ENOSPC, short writes) and the process lives on */
} chain_options;

/* What came of it. */
typedef struct chain_result {
    bool ok;
    char why[512]; /* when it is not */
    const char *sites[CHAIN_SITES]; /* places that synced something, or a folder */
    int site_count;
    uint64_t records; /* in the source topic at the end */
    uint64_t acknowledged; /* of them */
    uint64_t commits; /* generations that were decided */
    uint64_t failures; /* errors that were injected and met */
    uint64_t restarts; /* of queries after an error */
} chain_result;

/* Runs one seed. */
void chain_run(const chain_options *options, chain_result *out);

#endif
