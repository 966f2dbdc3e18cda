/* Exactly once, over machines that die: a few seeds of what tests/sim/exactly_once runs by the thousand. */
#include "tests/unit/unit.h"

#include "tests/support/server/chain.h"

static void run(uint64_t seed, bool errors)
{
    sim_options o = {.seed = seed, .lives = 3, .errors = errors};
    sim_result r;
    chain_run(&o, &r);
    ck_assert_msg(r.ok, "seed %llu%s: %s", (unsigned long long)seed, errors ? " with errors" : "", r.why);
    ck_assert_uint_gt(r.records, 0);
}

START_TEST(results_count_each_record_once_whenever_the_machine_dies)
{
    run((uint64_t)_i + 1, false);
}
END_TEST

START_TEST(results_count_each_record_once_whichever_call_fails)
{
    run((uint64_t)_i + 1, true);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server/exactly_once");
    TCase *c = tcase_create("exactly_once");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, results_count_each_record_once_whenever_the_machine_dies, 0, 20);
    tcase_add_loop_test(c, results_count_each_record_once_whichever_call_fails, 0, 10);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
