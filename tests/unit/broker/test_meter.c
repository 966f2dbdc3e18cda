/* Rates over windows and buckets of tokens, at times that the tests tell. */
#include "tests/unit/unit.h"

#include "broker/meter.h"

START_TEST(a_rate_looks_at_the_windows_that_count)
{
    const meter_window w = {3, 1000};
    meter_rate r = {0};
    /* Two windows that were not there count as empty. */
    meter_rate_add(&r, &w, 200, 5000);
    ck_assert_int_eq(meter_rate_excess_ms(&r, &w, 100, 5000), 0);
    meter_rate_add(&r, &w, 100, 5000);
    ck_assert_int_eq(meter_rate_excess_ms(&r, &w, 100, 5000), 1000);
    ck_assert_int_eq(meter_rate_excess_ms(&r, &w, 100, 5500), 500);
    /* Whole windows count from here on, so that the time that is looked at is shorter again. */
    ck_assert_int_eq(meter_rate_excess_ms(&r, &w, 100, 6000), 1000);
    ck_assert_int_eq(meter_rate_excess_ms(&r, &w, 100, 6999), 1);
    meter_rate_add(&r, &w, 100, 7500);
    ck_assert_int_gt(meter_rate_excess_ms(&r, &w, 100, 7500), 0);
    ck_assert(!meter_rate_is_idle(&r, &w, 8000));
    /* The 300 are out of sight three windows after they came. */
    ck_assert_int_eq(meter_rate_excess_ms(&r, &w, 51, 8000), 0);
    ck_assert(meter_rate_is_idle(&r, &w, 11000));
    for (int64_t at = 20000; at < 60000; at += 500) meter_rate_add(&r, &w, 1, at);
    ck_assert_uint_le(r.len, 4);
    meter_rate_free(&r);
}
END_TEST

START_TEST(a_bucket_fills_up_to_its_burst)
{
    const meter_window w = {11, 1000};
    meter_bucket k = {0};
    ck_assert_int_eq(meter_bucket_excess_ms(&k, &w, 2, 777), 0);
    ck_assert(meter_bucket_is_full(&k, &w, 2, 777));
    meter_bucket_take(&k, &w, 2, 22, 777);
    ck_assert_int_eq(meter_bucket_excess_ms(&k, &w, 2, 777), 0);
    meter_bucket_take(&k, &w, 2, 3, 777);
    ck_assert_int_eq(meter_bucket_excess_ms(&k, &w, 2, 777), 1500);
    ck_assert_int_eq(meter_bucket_excess_ms(&k, &w, 2, 1777), 500);
    ck_assert(!meter_bucket_is_full(&k, &w, 2, 13000));
    ck_assert(meter_bucket_is_full(&k, &w, 2, 14000));
}
END_TEST

UNIT_MAIN("broker/meter", a_rate_looks_at_the_windows_that_count, a_bucket_fills_up_to_its_burst)
