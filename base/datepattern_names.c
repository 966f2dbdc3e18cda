/* English texts of fields and zones, as the JDK takes them from the Unicode CLDR. */
#include <stdio.h>
#include <strings.h>

#include "base/check.h"
#include "base/datepattern_impl.h"

const field_info datepattern_fields[FIELD_COUNT] = {
    [FIELD_ERA] = {"Era", 0, 1},
    [FIELD_YEAR_OF_ERA] = {"YearOfEra", 1, 1000000000},
    [FIELD_YEAR] = {"Year", -999999999, 999999999},
    [FIELD_QUARTER] = {"QuarterOfYear", 1, 4},
    [FIELD_MONTH] = {"MonthOfYear", 1, 12},
    [FIELD_WEEK_YEAR] = {"WeekBasedYear", -999999999, 999999999},
    [FIELD_WEEK] = {"WeekOfWeekBasedYear", 1, 53},
    [FIELD_WEEK_OF_MONTH] = {"WeekOfMonth", 1, 6},
    [FIELD_LOCAL_WEEKDAY] = {"DayOfWeek", 1, 7},
    [FIELD_WEEKDAY] = {"DayOfWeek", 1, 7},
    [FIELD_ALIGNED_WEEKDAY] = {"AlignedDayOfWeekInMonth", 1, 7},
    [FIELD_DAY] = {"DayOfMonth", 1, 31},
    [FIELD_DAY_OF_YEAR] = {"DayOfYear", 1, 366},
    [FIELD_JULIAN_DAY] = {"ModifiedJulianDay", -365243219162 + 40587, 365241780471 + 40587},
    [FIELD_AMPM] = {"AmPmOfDay", 0, 1},
    [FIELD_HOUR_OF_AMPM] = {"HourOfAmPm", 0, 11},
    [FIELD_CLOCK_HOUR_OF_AMPM] = {"ClockHourOfAmPm", 1, 12},
    [FIELD_HOUR] = {"HourOfDay", 0, 23},
    [FIELD_CLOCK_HOUR] = {"ClockHourOfDay", 1, 24},
    [FIELD_MINUTE] = {"MinuteOfHour", 0, 59},
    [FIELD_SECOND] = {"SecondOfMinute", 0, 59},
    [FIELD_MILLI_OF_DAY] = {"MilliOfDay", 0, 86399999},
    [FIELD_NANO] = {"NanoOfSecond", 0, 999999999},
    [FIELD_NANO_OF_DAY] = {"NanoOfDay", 0, 86399999999999},
    [FIELD_OFFSET] = {"OffsetSeconds", -18 * 3600, 18 * 3600},
};

static const char *const months[3][12] = {
    {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
    {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
     "December"},
    {"J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D"}};
static const char *const weekdays[3][7] = {
    {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
    {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
    {"M", "T", "W", "T", "F", "S", "S"}};
static const char *const eras[3][2] = {{"BC", "AD"}, {"Before Christ", "Anno Domini"}, {"B", "A"}};
static const char *const halves[3][2] = {{"AM", "PM"}, {"AM", "PM"}, {"a", "p"}};
static const char *const quarters[3][4] = {
    {"Q1", "Q2", "Q3", "Q4"}, {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"}, {"1", "2", "3", "4"}};

const char *datepattern_text(field f, text_style style, int64_t v)
{
    switch (f) {
    case FIELD_MONTH: return v >= 1 && v <= 12 ? months[style][v - 1] : NULL;
    case FIELD_WEEKDAY: return v >= 1 && v <= 7 ? weekdays[style][v - 1] : NULL;
    case FIELD_ERA: return v >= 0 && v <= 1 ? eras[style][v] : NULL;
    case FIELD_AMPM: return v >= 0 && v <= 1 ? halves[style][v] : NULL;
    case FIELD_QUARTER: return v >= 1 && v <= 4 ? quarters[style][v - 1] : NULL;
    default: return NULL;
    }
}

/*
 * Groups of zones with common names; a text belongs to the first that has it. `area` is the beginning of the ids that
 * use the abbreviation in this sense.
 */
static const struct {
    const char *area, *zone, *abbreviation[2], *name[2];
} names[] = {
    {"", "GMT", {"GMT", NULL}, {"Greenwich Mean Time", NULL}},
    {"", "UTC", {"UTC", NULL}, {"Coordinated Universal Time", NULL}},
    {"America/", "America/Los_Angeles", {"PST", "PDT"}, {"Pacific Standard Time", "Pacific Daylight Time"}},
    {"America/", "America/Denver", {"MST", "MDT"}, {"Mountain Standard Time", "Mountain Daylight Time"}},
    {"America/", "America/Chicago", {"CST", "CDT"}, {"Central Standard Time", "Central Daylight Time"}},
    {"America/", "America/New_York", {"EST", "EDT"}, {"Eastern Standard Time", "Eastern Daylight Time"}},
    {"America/", "America/Anchorage", {"AKST", "AKDT"}, {"Alaska Standard Time", "Alaska Daylight Time"}},
    {"America/", "America/Halifax", {"AST", "ADT"}, {"Atlantic Standard Time", "Atlantic Daylight Time"}},
    {"America/", "America/St_Johns", {"NST", "NDT"}, {"Newfoundland Standard Time", "Newfoundland Daylight Time"}},
    {"Pacific/", "Pacific/Honolulu", {"HST", NULL}, {"Hawaii-Aleutian Standard Time", NULL}},
    {"Europe/London", "Europe/London", {"GMT", "BST"}, {"Greenwich Mean Time", "British Summer Time"}},
    {"Europe/", "Europe/Paris", {"CET", "CEST"}, {"Central European Standard Time", "Central European Summer Time"}},
    {"", "Europe/Athens", {"EET", "EEST"}, {"Eastern European Standard Time", "Eastern European Summer Time"}},
    {"", "Europe/Lisbon", {"WET", "WEST"}, {"Western European Standard Time", "Western European Summer Time"}},
    {"Europe/", "Europe/Moscow", {"MSK", NULL}, {"Moscow Standard Time", NULL}},
    {"Asia/Jerusalem", "Asia/Jerusalem", {NULL, "IDT"}, {"Israel Standard Time", "Israel Daylight Time"}},
    {"Asia/", "Asia/Tokyo", {"JST", NULL}, {"Japan Standard Time", NULL}},
    {"Asia/", "Asia/Seoul", {"KST", NULL}, {"Korean Standard Time", NULL}},
    {"Asia/", "Asia/Kolkata", {"IST", NULL}, {"India Standard Time", NULL}},
    {"Asia/", "Asia/Shanghai", {"CST", NULL}, {"China Standard Time", NULL}},
    {"Asia/", "Asia/Hong_Kong", {"HKT", NULL}, {"Hong Kong Standard Time", NULL}},
    {"Asia/", "Asia/Karachi", {"PKT", NULL}, {"Pakistan Standard Time", NULL}},
    {"Asia/", "Asia/Manila", {"PST", NULL}, {"Philippine Standard Time", NULL}},
    {"Asia/", "Asia/Jakarta", {"WIB", NULL}, {"Western Indonesia Time", NULL}},
    {"Africa/", "Africa/Johannesburg", {"SAST", NULL}, {"South Africa Standard Time", NULL}},
    {"Africa/", "Africa/Nairobi", {"EAT", NULL}, {"East Africa Time", NULL}},
    {"Africa/", "Africa/Lagos", {"WAT", NULL}, {"West Africa Standard Time", NULL}},
    {"Africa/", "Africa/Maputo", {"CAT", NULL}, {"Central Africa Time", NULL}},
    {"Australia/",
     "Australia/Sydney",
     {"AEST", "AEDT"},
     {"Australian Eastern Standard Time", "Australian Eastern Daylight Time"}},
    {"Australia/",
     "Australia/Adelaide",
     {"ACST", "ACDT"},
     {"Australian Central Standard Time", "Australian Central Daylight Time"}},
    {"Australia/", "Australia/Perth", {"AWST", NULL}, {"Australian Western Standard Time", NULL}},
    {"Pacific/", "Pacific/Auckland", {"NZST", "NZDT"}, {"New Zealand Standard Time", "New Zealand Daylight Time"}},
};

str datepattern_zone_name(const tz *z, int64_t epoch_s, text_style style, char out[48])
{
    str abbreviation, id = tz_id(z);
    tz_is_dst(z, epoch_s, &abbreviation);
    if (style == TEXT_FULL && !tz_is_offset(z)) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            for (int k = 0; k < 2; k++)
                if (str_starts(id, str_z(names[i].area)) && names[i].abbreviation[k] &&
                    str_eqz(abbreviation, names[i].abbreviation[k]))
                    return str_z(names[i].name[k]);
    }
    if (tz_is_offset(z) || (abbreviation.n > 0 && abbreviation.p[0] != '+' && abbreviation.p[0] != '-'))
        return abbreviation;
    /* Zones without letters of their own show their distance. */
    int32_t v = tz_offset(z, epoch_s), m = (v < 0 ? -v : v) / 60;
    return str_of(out, (size_t)snprintf(out, 48, "GMT%c%02d:%02d", v < 0 ? '-' : '+', m / 60, m % 60));
}

const tz *datepattern_zone_of_name(str text, size_t *length)
{
    const char *zone = NULL;
    *length = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (int k = 0; k < 4; k++) {
            const char *name = k < 2 ? names[i].abbreviation[k] : names[i].name[k - 2];
            size_t n = name ? strlen(name) : 0;
            if (n <= *length || n > text.n || strncasecmp(text.p, name, n) != 0) continue;
            zone = names[i].zone;
            *length = n;
        }
    }
    diag d;
    diag_clear(&d);
    return zone ? tz_find(str_z(zone), &d) : NULL;
}
