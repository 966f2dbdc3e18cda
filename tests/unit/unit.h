/*
 * tests/unit/unit.h - the frame of a unit test program: one file, one suite, tests named after behaviours.
 *
 *     START_TEST(an_empty_slice_equals_another) { ... } END_TEST
 *     UNIT_MAIN("base/str", an_empty_slice_equals_another, ...)
 *
 * Each test runs in a process of its own (CK_FORK=no for a debugger).
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

/* Runs the tests; returns the exit status of the program. */
int unit_run(const char *name, const TTest *const *tests, size_t count);

#define UNIT_MAIN(name, ...)                                                                                           \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return unit_run(name, tests, sizeof tests / sizeof tests[0]);                                                  \
    }

#endif
