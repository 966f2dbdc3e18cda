/* The calendar and KSQL's texts of dates and times; the expected values were made with java.time. */
#include "tests/unit/unit.h"

#include "base/datetime.h"

START_TEST(days_and_dates_are_inverse_over_all_eras)
{
    ck_assert_int_eq(datetime_days(1970, 1, 1), 0);
    ck_assert_int_eq(datetime_days(2000, 2, 29), 11016);
    ck_assert_int_eq(datetime_days(0, 1, 1), -719528);
    ck_assert_int_eq(datetime_days(-999999999, 1, 1), -365243219162);
    ck_assert_int_eq(datetime_days(999999999, 12, 31), 365241780471);
    for (int64_t days = -800000; days < 800000; days += 17) {
        civil c = datetime_civil(days);
        ck_assert(c.day >= 1 && c.day <= datetime_month_days(c.year, c.month));
        ck_assert_int_eq(datetime_days(c.year, c.month, c.day), days);
    }
    ck_assert_int_eq(datetime_civil(INT64_MAX).year, 999999999);
    ck_assert_int_eq(datetime_civil(INT64_MIN).year, -999999999);
    ck_assert_int_eq(datetime_weekday(0), 4);
    ck_assert_int_eq(datetime_weekday(-4), 7);
    ck_assert_int_eq(datetime_weekday(INT64_MIN), datetime_weekday(INT64_MIN + 7));
    ck_assert_int_eq(datetime_day_of_year((civil){2020, 12, 31}), 366);
}
END_TEST

START_TEST(adding_months_clips_the_day)
{
    ck_assert_int_eq(datetime_add_months(datetime_days(2020, 1, 31), 1), datetime_days(2020, 2, 29));
    ck_assert_int_eq(datetime_add_months(datetime_days(2020, 1, 31), -2), datetime_days(2019, 11, 30));
    ck_assert_int_eq(datetime_add_months(datetime_days(2020, 2, 29), 12), datetime_days(2021, 2, 28));
    ck_assert_int_eq(datetime_add_months(0, INT64_MAX), 365241780471);
    ck_assert_int_eq(datetime_add_months(0, INT64_MIN), -365243219162);
}
END_TEST

typedef size_t (*formatter)(int64_t, char[DATETIME_TEXT_MAX]);

static const char *text(formatter f, int64_t v)
{
    static char out[DATETIME_TEXT_MAX + 1];
    out[f(v, out)] = 0;
    return out;
}

START_TEST(texts_are_those_of_ksql)
{
    ck_assert_str_eq(text(datetime_format_timestamp, 0), "1970-01-01T00:00:00.000");
    ck_assert_str_eq(text(datetime_format_timestamp, 1590537598123), "2020-05-26T23:59:58.123");
    ck_assert_str_eq(text(datetime_format_timestamp, -1), "1969-12-31T23:59:59.999");
    ck_assert_str_eq(text(datetime_format_timestamp, -62167219200001), "0002-12-31T23:59:59.999");
    ck_assert_str_eq(text(datetime_format_timestamp, 253402300800000), "+10000-01-01T00:00:00.000");
    ck_assert_uint_lt(datetime_format_timestamp(INT64_MAX, (char[DATETIME_TEXT_MAX]){0}), DATETIME_TEXT_MAX);
    ck_assert_uint_lt(datetime_format_timestamp(INT64_MIN, (char[DATETIME_TEXT_MAX]){0}), DATETIME_TEXT_MAX);
    ck_assert_str_eq(text(datetime_format_date, 18408), "2020-05-26");
    ck_assert_str_eq(text(datetime_format_date, -719529), "-0001-12-31");
    ck_assert_str_eq(text(datetime_format_date, 2932897), "+10000-01-01");
    ck_assert_str_eq(text(datetime_format_date, -365243219162), "-999999999-01-01");
    ck_assert_str_eq(text(datetime_format_time, 36000000), "10:00");
    ck_assert_str_eq(text(datetime_format_time, 36061999), "10:01:01");
}
END_TEST

START_TEST(timestamps_may_be_partial_and_zoned)
{
    static const struct {
        const char *in;
        int64_t ms;
    } good[] = {
        {"2020", 1577836800000},
        {"2020-05", 1588291200000},
        {"2020-05-26", 1590451200000},
        {"2020-05-26T", 1590451200000},
        {"2020-05-26T23", 1590534000000},
        {"2020-05-26T1", 1590487200000},
        {"2020-05-26T23:59", 1590537540000},
        {"2020-05-26T23:59:58", 1590537598000},
        {"2020-05-26T23:59:58.1", 1590537598100},
        {"2020-05-26T23:59:58.123", 1590537598123},
        {"2020-05-26T23:59:58.123Z", 1590537598123},
        {"2020-05-26T23:59:58.123+0200", 1590530398123},
        {"2020-05-26T23:59:58.123-01:30", 1590542998123},
        {"2020-05-26T23+02", 1590526800000},
        {"2020-05-26T24:00:00.000", 1590537600000},
        {"2021-02-31", 1614470400000},
        {"+10000-01-01", 253402300800000},
    };
    static const char *bad[] = {"",
                                "x",
                                "20",
                                "2020-",
                                "2020-5",
                                "2020-13-01",
                                "2020-00-01",
                                "2020-01-32",
                                "2020-01-01 10:00",
                                "2020-05T10:00",
                                "2020-05-26T25",
                                "2020-05-26T10:60",
                                "2020-05-26T24:00:01",
                                "0000-01-01",
                                "-2020-01-01",
                                "10000-01-01",
                                "2020-05-26T10:00+99",
                                "2020-05-26T10:00:00.0000",
                                "2020-05-26T10:00:00.000X",
                                "2020-01-01T10:00+Mars"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        diag d = {0};
        int64_t ms;
        ck_assert_msg(datetime_parse_timestamp(str_z(good[i].in), &ms, &d), "%s: %s", good[i].in, d.text);
        ck_assert_msg(ms == good[i].ms, "%s gives %lld", good[i].in, (long long)ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        diag d = {0};
        int64_t ms;
        ck_assert_msg(!datetime_parse_timestamp(str_z(bad[i]), &ms, &d), "%s was read", bad[i]);
        ck_assert(d.code == DIAG_INVALID && strstr(d.text, "Failed to parse timestamp '") == d.text);
    }
}
END_TEST

START_TEST(dates_and_times_are_strict)
{
    static const struct {
        const char *in;
        int64_t days;
    } dates[] = {
        {"2020-05-26", 18408}, {"2020-05", 18383}, {"2020", 18262}, {"-0001-12-31", -719529}, {"0000-01-01", -719528}};
    static const char *bad_dates[] = {"",      "2020-02-30", "2020-5-1",    "2020-05-26T",
                                      "-2020", "20200101",   "-0000-01-01", "2020-13"};
    static const struct {
        const char *in;
        int64_t ms;
    } times[] = {{"10:30", 37800000},        {"10:30:15", 37815000},
                 {"10:30:15.5", 37815500},   {"10:30:15.123456789", 37815123},
                 {"23:59:59.999", 86399999}, {"10:30:15.", 37815000}};
    static const char *bad_times[] = {"",     "10",     "24:00", "10:60", "10:30:60", "10:30:15.1234567890",
                                      "1:30", "10:30Z", "10:30:"};
    int64_t v;
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        diag d = {0};
        ck_assert_msg(datetime_parse_date(str_z(dates[i].in), &v, &d) && v == dates[i].days, "%s %s", dates[i].in,
                      d.text);
    }
    for (size_t i = 0; i < sizeof bad_dates / sizeof *bad_dates; i++) {
        diag d = {0};
        ck_assert_msg(!datetime_parse_date(str_z(bad_dates[i]), &v, &d) && diag_is_set(&d), "%s", bad_dates[i]);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        diag d = {0};
        ck_assert_msg(datetime_parse_time(str_z(times[i].in), &v, &d) && v == times[i].ms, "%s %s", times[i].in,
                      d.text);
    }
    for (size_t i = 0; i < sizeof bad_times / sizeof *bad_times; i++) {
        diag d = {0};
        ck_assert_msg(!datetime_parse_time(str_z(bad_times[i]), &v, &d) && diag_is_set(&d), "%s", bad_times[i]);
    }
}
END_TEST

UNIT_MAIN("base/datetime", days_and_dates_are_inverse_over_all_eras, adding_months_clips_the_day,
          texts_are_those_of_ksql, timestamps_may_be_partial_and_zoned, dates_and_times_are_strict)
