/*
 * server/test_cases.h - `weir test --cases`: conformance cases on the real engine, with no clock and no network.
 *
 * Reads one case a line (JSON) from standard input and answers each with one line on standard output, in order, until
 * the input ends. Every case starts from nothing. One thread.
 */
#ifndef SERVER_TEST_CASES_H
#define SERVER_TEST_CASES_H

/* The subcommand; the program's exit code. */
int test_cases_main(void);

#endif
