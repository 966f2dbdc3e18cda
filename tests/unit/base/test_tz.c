/* Zone ids and offsets, checked against java.time.ZoneId. */
#include "tests/unit/unit.h"

#include "base/tz.h"
#include "base/tz_rules.h"

START_TEST(ids_are_those_of_java)
{
    static const struct {
        const char *in, *id;
        int32_t offset;
    } good[] = {{"Z", "Z", 0},
                {"+1", "+01:00", 3600},
                {"-02", "-02:00", -7200},
                {"+0230", "+02:30", 9000},
                {"+02:30:15", "+02:30:15", 9015},
                {"+00:00", "Z", 0},
                {"UTC", "UTC", 0},
                {"UTC+1", "UTC+01:00", 3600},
                {"GMT-0330", "GMT-03:30", -12600},
                {"UT+2", "UT+02:00", 7200},
                {"GMT0", "GMT0", 0},
                {"Zulu", "Zulu", 0},
                {"Asia/Kolkata", "Asia/Kolkata", 19800},
                {"CET", "CET", 3600}};
    static const char *bad[] = {"",
                                "A",
                                "PST",
                                "EST",
                                "utc",
                                "+19",
                                "UTC+25",
                                "GMT-3:30",
                                "America/Nowhere",
                                "../etc/passwd",
                                "America/../UTC",
                                "posix/UTC",
                                "+1:00",
                                "+02:60",
                                "zone.tab",
                                "America",
                                "UTC\0x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        diag d = {0};
        const tz *z = tz_find(str_z(good[i].in), &d);
        ck_assert_msg(z != NULL, "%s: %s", good[i].in, d.text);
        ck_assert_msg(str_eqz(tz_id(z), good[i].id), "%s is %.*s", good[i].in, STR_ARG(tz_id(z)));
        ck_assert_int_eq(tz_offset(z, 1610668800), good[i].offset);
        ck_assert(tz_find(str_z(good[i].in), &d) == z);
    }
    for (size_t i = 0; i + 1 < sizeof bad / sizeof *bad; i++) {
        diag d = {0};
        ck_assert_msg(!tz_find(str_z(bad[i]), &d) && d.code == DIAG_INVALID, "%s was found", bad[i]);
    }
    diag d = {0};
    ck_assert(!tz_find(str_of("UTC\0x", 5), &d));
    ck_assert(tz_is_offset(tz_fixed(-18 * 3600)) && !tz_is_offset(tz_find(STR("UTC"), &d)));
}
END_TEST

static const tz *zone(const char *id)
{
    diag d = {0};
    const tz *z = tz_find(str_z(id), &d);
    ck_assert_msg(z != NULL, "%s", d.text);
    return z;
}

START_TEST(offsets_change_at_the_second_they_should)
{
    const tz *la = zone("America/Los_Angeles"), *lord = zone("Australia/Lord_Howe");
    str name;
    ck_assert_int_eq(tz_offset(la, 1615715999), -28800);
    ck_assert_int_eq(tz_offset(la, 1615716000), -25200);
    ck_assert_int_eq(tz_offset(la, 1636275599), -25200);
    ck_assert_int_eq(tz_offset(la, 1636275600), -28800);
    ck_assert(tz_is_dst(la, 1615716000, &name) && str_eqz(name, "PDT"));
    ck_assert(!tz_is_dst(la, 1615715999, &name) && str_eqz(name, "PST"));
    /* Far ahead the footer's rule goes on, also behind what is written out. */
    ck_assert_int_eq(tz_offset(la, 4118083200), -25200);
    ck_assert_int_eq(tz_offset(la, INT64_C(32488732800)), -25200);
    ck_assert_int_eq(tz_offset(la, INT64_C(32472000000)), -28800);
    ck_assert_int_eq(tz_offset(lord, 1610668800), 39600);
    ck_assert_int_eq(tz_offset(lord, 1626307200), 37800);
    ck_assert_int_eq(tz_offset(zone("Pacific/Auckland"), INT64_C(32472000000)), 46800);
    ck_assert_int_eq(tz_offset(zone("Europe/Dublin"), 1626307200), 3600);
}
END_TEST

START_TEST(local_times_in_gaps_and_overlaps_resolve_as_java_does)
{
    const tz *la = zone("America/Los_Angeles");
    /* 2021-03-14T02:30 does not exist: the offset before the gap; 2021-11-07T01:30 is twice: the earlier. */
    ck_assert_int_eq(tz_offset_of_local(la, 1615689000), -28800);
    ck_assert_int_eq(tz_offset_of_local(la, 1615687200 - 1), -28800);
    ck_assert_int_eq(tz_offset_of_local(la, 1615690800), -25200);
    ck_assert_int_eq(tz_offset_of_local(la, 1636248600), -25200);
    ck_assert_int_eq(tz_offset_of_local(la, 1636250400), -28800);
    ck_assert_int_eq(tz_offset_of_local(tz_fixed(3600), 0), 3600);
}
END_TEST

START_TEST(malformed_files_are_refused)
{
    uint8_t file[200] = {'T', 'Z', 'i', 'f', '2'};
    ck_assert(!tz_rules_load(STR("")) && !tz_rules_load(STR("TZif2")) &&
              !tz_rules_load(STR("nothing of the kind at all ....................")));
    for (size_t n = 0; n < sizeof file; n++) ck_assert(!tz_rules_load(str_of((char *)file, n)));
    /* An honest minimal file, then the same with each byte of its second half turned. */
    const uint8_t header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 4};
    memcpy(file, header, 44);
    memcpy(file + 44, "\0\0\0\0\0\0UTC", 10);
    memcpy(file + 54, header, 44);
    memcpy(file + 98, "\0\0\0\0\0\0UTC", 10);
    memcpy(file + 108, "\nUTC0\n", 6);
    tz *z = tz_rules_load(str_of((char *)file, 114));
    ck_assert(z && tz_offset(z, 0) == 0);
    arena_free(z->memory);
    for (size_t i = 44; i < 114; i++) {
        file[i] ^= 0x15;
        z = tz_rules_load(str_of((char *)file, 114));
        if (z) {
            tz_offset(z, 1615715999);
            arena_free(z->memory);
        }
        file[i] ^= 0x15;
    }
}
END_TEST

UNIT_MAIN("base/tz", ids_are_those_of_java, offsets_change_at_the_second_they_should,
          local_times_in_gaps_and_overlaps_resolve_as_java_does, malformed_files_are_refused)
