/* Date patterns; the expected values were made with java.time.format.DateTimeFormatter. */
#include "tests/unit/unit.h"

#include "base/datepattern.h"

#define FAILS INT64_MIN

static const tz *zone(const char *id)
{
    diag d = {0};
    const tz *z = tz_find(str_z(id), &d);
    ck_assert_msg(z != NULL, "%s", d.text);
    return z;
}

static const datepattern *compile(arena *a, const char *pattern)
{
    diag d = {0};
    const datepattern *p = datepattern_compile(a, str_z(pattern), &d);
    ck_assert_msg(p != NULL, "%s: %s", pattern, d.text);
    return p;
}

START_TEST(every_letter_formats_as_java_formats_it)
{
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"yyyy-MM-dd'T'HH:mm:ss.SSSXX"
         "X",
         "2021-09-05T15:04:05.123-07:00"},
        {"EEEE, d MMMM yyyy h:mm a z", "Sunday, 5 September 2021 3:04 PM PDT"},
        {"G GGGG GGGGG", "AD Anno Domini A"},
        {"yy u uuuuu y", "21 2021 02021 2021"},
        {"M MM MMM MMMM MMMMM L LLL LLLL", "9 09 Sep September S 9 Sep September"},
        {"Q QQ QQQ QQQQ qqq", "3 03 Q3 3rd quarter Q3"},
        {"E EEEE EEEEE e ee eee c ccc", "Sun Sunday S 1 01 Sun 1 Sun"},
        {"D DDD d dd F", "248 248 5 05 5"},
        {"Y YY w ww W", "2021 21 37 37 2"},
        {"a h hh K KK k kk H HH", "PM 3 03 3 03 15 15 15 15"},
        {"S SS SSSS SSSSSSSSS n A N", "1 12 1230 123000000 123000000 54245123 54245123000000"},
        {"X XX XX"
         "X XX"
         "XX XX"
         "XX" "X",
         "-07 -0700 -07:00 -0700 -07:00"},
        {"x xx xxx Z ZZZZ ZZZZZ", "-07 -0700 -07:00 -0700 GMT-07:00 -07:00"},
        {"O OOOO VV zzzz", "GMT-7 GMT-07:00 America/Los_Angeles Pacific Daylight Time"},
        {"pppd ppppH", "  5   15"},
        {"''yyyy'' 'it''s'", "'2021' it's"},
        {"yyyy[ HH[:mm]]", "2021 15:04"},
        {"g", "59462"},
    };
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf b = {0};
        diag d = {0};
        const datepattern *p = compile(a, cases[i].pattern);
        ck_assert_msg(datepattern_format_timestamp(p, 1630879445123, zone("America/Los_Angeles"), &b, &d), "%s",
                      d.text);
        ck_assert_str_eq(buf_z(&b), cases[i].text);
        buf_free(&b);
    }
    arena_free(a);
}
END_TEST

START_TEST(illegal_patterns_are_refused)
{
    static const char *bad[] = {"yyyy]",
                                "{",
                                "bb",
                                "VVV",
                                "MMMMMM",
                                "'abc",
                                "p",
                                "ddd",
                                "SSSSSSSSSS",
                                "aa",
                                "cc",
                                "BB",
                                "zzzzz",
                                "OO",
                                "XX"
                                "XX"
                                "XX",
                                "p1",
                                "#",
                                "wwww"};
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        diag d = {0};
        ck_assert_msg(!datepattern_compile(a, str_z(bad[i]), &d) && d.code == DIAG_INVALID, "%s", bad[i]);
    }
    arena_free(a);
}
END_TEST

START_TEST(dates_and_times_have_only_their_own_fields)
{
    arena *a = arena_new();
    buf b = {0};
    diag d = {0};
    buf_add_z(&b, "x");
    ck_assert(datepattern_format_date(compile(a, "d/M/yyyy[ HH]"), 18875, &b, &d));
    ck_assert_str_eq(buf_z(&b), "x5/9/2021");
    ck_assert(!datepattern_format_date(compile(a, "yyyy HH"), 18875, &b, &d));
    ck_assert_str_eq(buf_z(&b), "x5/9/2021");
    ck_assert_str_eq(d.text, "Unsupported field: HourOfDay");
    buf_clear(&b);
    diag_clear(&d);
    ck_assert(datepattern_format_time(compile(a, "HH:mm:ss.SSS"), 54245123, &b, &d));
    ck_assert_str_eq(buf_z(&b), "15:04:05.123");
    ck_assert(!datepattern_format_time(compile(a, "HH d"), 54245123, &b, &d));
    diag_clear(&d);
    ck_assert(!datepattern_format_time(compile(a, "HH z"), 54245123, &b, &d));
    diag_clear(&d);
    ck_assert(!datepattern_format_time(compile(a, "HH"), 86400000, &b, &d));
    diag_clear(&d);
    ck_assert(!datepattern_format_time(compile(a, "pH"), 54245123, &b, &d));
    buf_free(&b);
    arena_free(a);
}
END_TEST

/* In the zone America/Los_Angeles where the text names none. */
static const struct {
    const char *pattern, *text;
    int64_t ms;
} parse_cases[] = {
    {"yyyy-MM-dd HH:mm:ss", "2021-09-05 15:04:05", 1630879445000},
    {"yyyyMMddHHmmssSSS", "20210905150405123", 1630879445123},
    {"yyMMdd", "210905", 1630825200000},
    {"dd/MM/yyyy hh:mm a", "05/09/2021 03:04 pm", 1630879440000},
    {"EEE, d MMM yyyy HH:mm:ss Z", "sun, 5 SEP 2021 15:04:05 +0200", 1630847045000},
    {"EEE, d MMM yyyy", "Mon, 5 Sep 2021", FAILS},
    {"yyyy-MM-dd'T'HH:mm:ssX", "2021-09-05T15:04:05Z", 1630854245000},
    {"yyyy-MM-dd'T'HH:mm:ssX", "2021-09-05t15:04:05-0730", 1630881245000},
    {"yyyy-MM-dd'T'HH:mm:ssxxx'['VV']'", "2021-09-05T15:04:05+02:00[Asia/Kolkata]", 1630834445000},
    {"yyyy", "2021", 1609488000000},
    {"MM-dd", "02-29", FAILS},
    {"MM-dd", "02-28", 5040000000},
    {"MMM", "feb", 2707200000},
    {"yyyy-DDD", "2020-366", 1609401600000},
    {"yyyy-DDD", "2021-366", FAILS},
    {"DDD", "366", FAILS},
    {"DDD", "365", 31478400000},
    {"yyyy-MM-dd", "2021-02-31", 1614499200000},
    {"yyyy-MM-dd", "2021-02-32", FAILS},
    {"HH:mm", "15:04", 83040000},
    {"h", "3", 39600000},
    {"h a", "12 am", 28800000},
    {"mm:ss", "04:05", 29045000},
    {"E", "Sun", 288000000},
    {"yyyy-MM-dd HH", "2021-09-05 24", 1630911600000},
    {"HH", "24", 28800000},
    {"yyyy-MM-dd kk", "2021-09-05 24", 1630825200000},
    {"HH hh", "15 03", 82800000},
    {"HH hh", "15 04", FAILS},
    {"yyyy-MM-dd[ HH:mm[:ss]]", "2021-09-05", 1630825200000},
    {"yyyy-MM-dd[ HH:mm[:ss]]", "2021-09-05 15:04", 1630879440000},
    {"yyyy-MM-dd[ HH:mm[:ss]]", "2021-09-05 15", FAILS},
    {"YYYY-'W'ww-e", "2021-W37-1", 1630825200000},
    {"G y", "BC 44", -63524102822000},
    {"yyyy-MM-dd", "+12021-09-05", 317200345200000},
    {"yyyy-MM-dd", "12021-09-05", FAILS},
    {"u-M-d", "-44-3-15", -63549331622000},
    {"yyyy-MM-dd HH:mm z", "2021-03-14 02:30 PST", 1615717800000},
    {"yyyy-MM-dd HH:mm VV", "2021-11-07 01:30 America/Los_Angeles", 1636273800000},
    {"yyyy-MM-dd HH:mm z", "2021-09-05 15:04 UTC+3", FAILS},
    {"yyyy-MM-dd HH:mm O", "2021-09-05 15:04 GMT-8", 1630883040000},
    {"ppppd MM", "   5 09", 21366000000},
    {"ppppd MM", "  05 09", 21366000000},
    {"yyyy-MM-dd", "2021-09-05 ", FAILS},
    {"yyyy-MM-dd", "", FAILS},
    {"HH:mm", "1:04", FAILS},
    {"A", "86399999", 115199999},
    {"N", "86400000000000", FAILS},
    {"yyyy-MM-dd HH:mm:ss.SSS", "2021-09-05 15:04:05.12", FAILS},
    {"yyyy-MM-dd QQQ", "2021-09-05 Q2", FAILS},
    {"d MMMM yyyy", "5 September 2021", 1630825200000},
    {"yyyy-MM-dd HH:mm z", "2021-09-05 15:04 Pacific Standard Time", 1630879440000},
    {"yyyy-MM-dd HH:mm VV", "2021-09-05 15:04 Mars/Base", FAILS},
};

START_TEST(timestamps_parse_with_ksql_s_defaults)
{
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof parse_cases / sizeof *parse_cases; i++) {
        diag d = {0};
        int64_t ms = FAILS;
        bool ok = datepattern_parse_timestamp(compile(a, parse_cases[i].pattern), str_z(parse_cases[i].text),
                                              zone("America/Los_Angeles"), &ms, &d);
        ck_assert_msg(ok == (parse_cases[i].ms != FAILS) && ok == !diag_is_set(&d), "%s of %s: %s", parse_cases[i].text,
                      parse_cases[i].pattern, d.text);
        ck_assert_msg(ms == parse_cases[i].ms, "%s of %s gives %lld", parse_cases[i].text, parse_cases[i].pattern,
                      (long long)ms);
    }
    arena_free(a);
}
END_TEST

START_TEST(times_and_local_dates_must_be_whole)
{
    arena *a = arena_new();
    diag d = {0};
    int64_t v;
    ck_assert(datepattern_parse_time(compile(a, "HH:mm:ss.SSS"), STR("15:04:05.123"), &v, &d) && v == 54245123);
    ck_assert(datepattern_parse_time(compile(a, "h a"), STR("3 PM"), &v, &d) && v == 54000000);
    ck_assert(!datepattern_parse_time(compile(a, "mm:ss"), STR("04:05"), &v, &d));
    diag_clear(&d);
    ck_assert(!datepattern_parse_time(compile(a, "HH d"), STR("15 5"), &v, &d));
    ck_assert_str_eq(d.text, "Time format contains date field.");
    diag_clear(&d);
    ck_assert(datepattern_parse_local_date(compile(a, "yyyy-MM-dd HH"), STR("2021-09-05 15"), &v, &d) && v == 18875);
    ck_assert(!datepattern_parse_local_date(compile(a, "yyyy-MM"), STR("2021-09"), &v, &d));
    arena_free(a);
}
END_TEST

/* Made with org.apache.commons.lang3.time.FastDateFormat in 2026. */
START_TEST(dates_parse_as_fastdateformat_parses_them)
{
    static const struct {
        const char *pattern, *text;
        int64_t days;
    } cases[] = {
        {"yyyy-MM-dd", "2021-09-05", 18875},
        {"yyyy-MM-dd", "2021-9-5", 18875},
        {"yyyy-MM-dd", "2021-13-32", 19024},
        {"yyyy-MM-dd", "2021-02-31 tail", 18689},
        {"yyyyMMdd", "20210905", 18875},
        {"dd MMM yyyy", "05 sep 2021", 18875},
        {"dd MMMM yyyy", "05 September 2021", 18875},
        {"d/M/yy", "5/9/21", 18875},
        {"d/M/yy", "5/9/70", 247},
        {"d/M/yy", "5/9/45", 27641},
        {"d/M/yy", "5/9/46", -8519},
        {"d/M/y", "5/9/2021", 18875},
        {"yyyy-DDD", "2021-248", 18875},
        {"EEE, d MMM yyyy", "Sun, 5 Sep 2021", 18875},
        {"EEE, d MMM yyyy", "Mon, 5 Sep 2021", 18875},
        {"yyyy-MM-dd HH", "2021-09-05 15", FAILS},
        {"yyyy-MM-dd HH", "2021-09-05 24", 18876},
        {"yyyy-MM-dd kk", "2021-09-05 24", 18875},
        {"yyyy-MM-dd hh a", "2021-09-05 12 am", 18875},
        {"yyyy-MM-dd hh a", "2021-09-05 12 pm", FAILS},
        {"yyyy-MM-dd HH:mm Z", "2021-09-05 02:00 +0200", 18875},
        {"yyyy-MM-dd HH:mm X", "2021-09-05 02:00 +02", 18875},
        {"yyyy-MM-dd HH:mm XX"
         "X",
         "2021-09-05 02:00 +02:00", 18875},
        {"yyyy-MM-dd HH:mm z", "2021-09-05 00:00 GMT", 18875},
        {"yyyy-MM-dd HH:mm z", "2021-09-05 00:00 UTC", 18875},
        {"yyyy-MM-dd HH:mm z", "2021-09-04 17:00 PDT", 18875},
        {"yyyy-MM-dd HH:mm z", "2021-09-04 17:00 GMT-07:00", 18875},
        {"'on' yyyy''MM", "on 2021'09", 18871},
        {"yyyy", "2021", 18628},
        {"MM", "9", 243},
        {"dd", "5", 4},
        {"yyyy-MM-dd", "x", FAILS},
        {"yyyy-MM-dd", "", FAILS},
        {"yyyy-MM-dd", "  2021-  9-5", 18875},
        {"yyyy-MM-ddTHH", "x", FAILS},
        {"G yyyy-MM-dd", "AD 2021-09-05", 18875},
        {"u yyyy-MM-dd", "7 2021-09-05", 18875},
        {"b", "x", FAILS},
        {"'open", "open", FAILS},
        {"", "", FAILS},
        {"yyyy ww", "2021 10", FAILS},
    };
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        diag d = {0};
        int64_t days = FAILS;
        const fastdate *p = fastdate_compile(a, str_z(cases[i].pattern), 2026, &d);
        bool ok = p && fastdate_parse_date(p, str_z(cases[i].text), &days, &d);
        ck_assert_msg(ok == (cases[i].days != FAILS) && ok == !diag_is_set(&d), "%s of %s: %s", cases[i].text,
                      cases[i].pattern, d.text);
        ck_assert_msg(days == cases[i].days, "%s of %s gives %lld", cases[i].text, cases[i].pattern, (long long)days);
    }
    arena_free(a);
}
END_TEST

UNIT_MAIN("base/datepattern", every_letter_formats_as_java_formats_it, illegal_patterns_are_refused,
          dates_and_times_have_only_their_own_fields, timestamps_parse_with_ksql_s_defaults,
          times_and_local_dates_must_be_whole, dates_parse_as_fastdateformat_parses_them)
