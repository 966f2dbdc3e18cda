/* Date and time functions. Patterns are java.time's, except PARSE_DATE's, which are SimpleDateFormat's. */
#include "base/datepattern.h"
#include "base/datetime.h"
#include "engine/func/table.h"

/* ---- what a call site remembers: patterns and zones by text ---- */

typedef struct compiled {
    arena *mem;
    const void *pattern;
} compiled;

static void release_compiled(void *object)
{
    arena_free(((compiled *)object)->mem);
}

enum { SLOT_PATTERN, SLOT_ZONE, SLOT_ZONE_2 };

static const void *pattern_of(func_call *c, str text, bool fast)
{
    compiled *found = func_recall(c, SLOT_PATTERN, text);
    if (found) return found->pattern;
    arena *a = arena_new();
    diag d = {0};
    int year = (int)datetime_civil(datetime_floor_div(c->env->now_ms, DATETIME_DAY_MS)).year;
    const void *p =
        fast ? (const void *)fastdate_compile(a, text, year, &d) : (const void *)datepattern_compile(a, text, &d);
    if (!p) {
        arena_free(a);
        func_fail_diag(c, &d);
        return NULL;
    }
    found = ARENA_NEW(a, compiled);
    *found = (compiled){a, p};
    func_remember(c, SLOT_PATTERN, text, found, release_compiled);
    return p;
}

static const tz *zone_of(func_call *c, int slot, str text)
{
    const tz *z = func_recall(c, slot, text);
    if (z) return z;
    diag d = {0};
    z = tz_find(text, &d);
    if (!z) {
        func_fail_diag(c, &d);
        return NULL;
    }
    return func_remember(c, slot, text, (void *)(uintptr_t)z, NULL);
}

static const tz *server_zone(const func_call *c)
{
    return c->env->zone ? c->env->zone : tz_utc();
}

/* "Failed to ... 'x' with pattern 'p': reason", as ksqlDB words it. */
static bool failed(func_call *c, const char *what, str text, str pattern, const char *reason)
{
    /* The reason may lie where the message goes. */
    str why = arena_str(c->mem, str_z(reason));
    return func_fail(c, "Failed to %s '%.*s' with pattern '%.*s': %.*s", what, (int)(text.n > 100 ? 100 : text.n),
                     text.p, STR_ARG(pattern), STR_ARG(why));
}

static bool text_result(func_call *c, buf *b, value *out)
{
    func_str(out, arena_str(c->mem, buf_str(b)));
    buf_free(b);
    return true;
}

/* ---- formatting ---- */

static bool format_timestamp(func_call *c, int64_t ms, str pattern, const tz *zone, value *out)
{
    if (!zone) return false;
    const datepattern *p = pattern_of(c, pattern, false);
    diag d = {0};
    buf b = {0};
    if (p && datepattern_format_timestamp(p, ms, zone, &b, &d)) return text_result(c, &b, out);
    buf_free(&b);
    char text[DATETIME_TEXT_MAX];
    size_t n = datetime_format_timestamp(ms, text);
    return failed(c, "format timestamp", str_of(text, n), pattern, p ? d.text : c->error);
}

static bool fn_format_timestamp(func_call *c, const value *args, int count, value *out)
{
    const tz *zone = count == 3 ? zone_of(c, SLOT_ZONE, args[2].s) : zone_of(c, SLOT_ZONE, STR("GMT"));
    return format_timestamp(c, args[0].l, args[1].s, zone, out);
}

static bool fn_timestamp_to_string(func_call *c, const value *args, int count, value *out)
{
    const tz *zone = count == 3 ? zone_of(c, SLOT_ZONE, args[2].s) : server_zone(c);
    return format_timestamp(c, args[0].l, args[1].s, zone, out);
}

static bool fn_format_date(func_call *c, const value *args, int count, value *out)
{
    const datepattern *p = pattern_of(c, args[1].s, false);
    diag d = {0};
    buf b = {0};
    if (p && datepattern_format_date(p, args[0].i, &b, &d)) return text_result(c, &b, out);
    buf_free(&b);
    char text[DATETIME_TEXT_MAX];
    size_t n = datetime_format_date(args[0].i, text);
    return failed(c, "format date", str_of(text, n), args[1].s, p ? d.text : c->error);
}

static bool fn_format_time(func_call *c, const value *args, int count, value *out)
{
    const datepattern *p = pattern_of(c, args[1].s, false);
    diag d = {0};
    buf b = {0};
    if (p && datepattern_format_time(p, args[0].i, &b, &d)) return text_result(c, &b, out);
    buf_free(&b);
    char text[DATETIME_TEXT_MAX];
    size_t n = datetime_format_time(args[0].i, text);
    return failed(c, "format time", str_of(text, n), args[1].s, p ? d.text : c->error);
}

/* ---- parsing ---- */

static bool parse_timestamp(func_call *c, const value *args, const tz *zone, value *out)
{
    if (!zone) return false;
    const datepattern *p = pattern_of(c, args[1].s, false);
    diag d = {0};
    int64_t ms;
    if (p && datepattern_parse_timestamp(p, args[0].s, zone, &ms, &d)) return func_bigint(out, ms);
    return failed(c, "parse timestamp", args[0].s, args[1].s, p ? d.text : c->error);
}

static bool fn_parse_timestamp(func_call *c, const value *args, int count, value *out)
{
    return parse_timestamp(c, args, zone_of(c, SLOT_ZONE, count == 3 ? args[2].s : STR("GMT")), out);
}

/* The deprecated form takes the server's zone and fails on NULL. */
static bool fn_string_to_timestamp(func_call *c, const value *args, int count, value *out)
{
    for (int i = 0; i < count; i++) {
        if (args[i].null) return func_fail(c, "Failed to parse timestamp: argument %d is null", i + 1);
    }
    return parse_timestamp(c, args, count == 3 ? zone_of(c, SLOT_ZONE, args[2].s) : server_zone(c), out);
}

static bool fn_parse_date(func_call *c, const value *args, int count, value *out)
{
    const fastdate *f = pattern_of(c, args[1].s, true);
    diag d = {0};
    int64_t days;
    if (f && fastdate_parse_date(f, args[0].s, &days, &d)) return func_int(out, (int32_t)days);
    return failed(c, "parse date", args[0].s, args[1].s, f ? d.text : c->error);
}

static bool fn_string_to_date(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null || args[1].null) return func_fail(c, "Failed to parse date: an argument is null");
    const datepattern *p = pattern_of(c, args[1].s, false);
    diag d = {0};
    int64_t days;
    if (p && datepattern_parse_local_date(p, args[0].s, &days, &d)) return func_int(out, (int32_t)days);
    return failed(c, "parse date", args[0].s, args[1].s, p ? d.text : c->error);
}

static bool fn_parse_time(func_call *c, const value *args, int count, value *out)
{
    const datepattern *p = pattern_of(c, args[1].s, false);
    diag d = {0};
    int64_t ms;
    if (p && datepattern_parse_time(p, args[0].s, &ms, &d)) return func_int(out, (int32_t)ms);
    return failed(c, "parse time", args[0].s, args[1].s, p ? d.text : c->error);
}

/* ---- arithmetic ---- */

static int64_t interval_ms(const value *args, int sign)
{
    return sign * interval_unit_ms((interval_unit)args[0].i) * args[1].i;
}

/* The sum is cut to whole days toward zero, as TimeUnit.toDays does. */
static bool date_step(const value *args, int sign, value *out)
{
    return func_int(out, (int32_t)((args[2].i * DATETIME_DAY_MS + interval_ms(args, sign)) / DATETIME_DAY_MS));
}

static bool fn_dateadd(func_call *c, const value *args, int count, value *out)
{
    return date_step(args, 1, out);
}

static bool fn_datesub(func_call *c, const value *args, int count, value *out)
{
    return date_step(args, -1, out);
}

static bool time_step(const value *args, int sign, value *out)
{
    return func_int(out, (int32_t)datetime_floor_mod(args[2].i + interval_ms(args, sign), DATETIME_DAY_MS));
}

static bool fn_timeadd(func_call *c, const value *args, int count, value *out)
{
    return time_step(args, 1, out);
}

static bool fn_timesub(func_call *c, const value *args, int count, value *out)
{
    return time_step(args, -1, out);
}

static bool fn_timestampadd(func_call *c, const value *args, int count, value *out)
{
    return func_bigint(out, (int64_t)((uint64_t)args[2].l + (uint64_t)interval_ms(args, 1)));
}

static bool fn_timestampsub(func_call *c, const value *args, int count, value *out)
{
    return func_bigint(out, (int64_t)((uint64_t)args[2].l + (uint64_t)interval_ms(args, -1)));
}

static bool fn_convert_tz(func_call *c, const value *args, int count, value *out)
{
    const tz *from = zone_of(c, SLOT_ZONE, args[1].s), *to = zone_of(c, SLOT_ZONE_2, args[2].s);
    if (!from || !to) {
        str why = arena_str(c->mem, str_z(c->error));
        return func_fail(c, "Invalid time zone: %.*s", STR_ARG(why));
    }
    int64_t s = datetime_floor_div(args[0].l, 1000);
    int64_t shift = ((int64_t)tz_offset(to, s) - tz_offset(from, s)) * 1000;
    return func_bigint(out, (int64_t)((uint64_t)args[0].l + (uint64_t)shift));
}

/* ---- conversions ---- */

static bool fn_identity(func_call *c, const value *args, int count, value *out)
{
    *out = args[0];
    return true;
}

static bool fn_now(func_call *c, const value *args, int count, value *out)
{
    return func_bigint(out, c->env->now_ms);
}

static bool fn_today(func_call *c, const value *args, int count, value *out)
{
    int64_t s = datetime_floor_div(c->env->now_ms, 1000);
    return func_int(out, (int32_t)datetime_floor_div(s + tz_offset(server_zone(c), s), DATETIME_DAY_MS / 1000));
}

#define STEP(NAME, TYPE)                                                                                               \
    static const func_def def_##NAME[] = {                                                                             \
        FUNC("(unit UNIT, interval INT, value " TYPE ") " TYPE, fn_##NAME),                                            \
        {0},                                                                                                           \
    };
STEP(dateadd, "DATE")
STEP(datesub, "DATE")
STEP(timeadd, "TIME")
STEP(timesub, "TIME")
STEP(timestampadd, "TIMESTAMP")
STEP(timestampsub, "TIMESTAMP")

static const func_def def_convert_tz[] = {
    FUNC("(timestamp TIMESTAMP, fromTimeZone STRING, toTimeZone STRING) TIMESTAMP", fn_convert_tz), {0}};
static const func_def def_format_date[] = {FUNC("(date DATE, formatPattern STRING) STRING", fn_format_date), {0}};
static const func_def def_format_time[] = {FUNC("(time TIME, formatPattern STRING) STRING", fn_format_time), {0}};
static const func_def def_format_timestamp[] = {
    FUNC("(timestamp TIMESTAMP, formatPattern STRING) STRING", fn_format_timestamp),
    FUNC("(timestamp TIMESTAMP, formatPattern STRING, timeZone STRING) STRING", fn_format_timestamp),
    {0},
};
static const func_def def_parse_date[] = {FUNC("(formattedDate STRING, formatPattern STRING) DATE", fn_parse_date),
                                          {0}};
static const func_def def_parse_time[] = {FUNC("(formattedTime STRING, formatPattern STRING) TIME", fn_parse_time),
                                          {0}};
static const func_def def_parse_timestamp[] = {
    FUNC("(formattedTimestamp STRING, formatPattern STRING) TIMESTAMP", fn_parse_timestamp),
    FUNC("(formattedTimestamp STRING, formatPattern STRING, timeZone STRING) TIMESTAMP", fn_parse_timestamp),
    {0},
};
static const func_def def_from_days[] = {FUNC("(days INT!) DATE", fn_identity), {0}};
static const func_def def_from_unixtime[] = {FUNC("(epochMilli BIGINT) TIMESTAMP", fn_identity), {0}};
static const func_def def_unix_date[] = {
    FUNC("() INT", fn_today, .flags = FUNC_IS_VOLATILE), FUNC("(date DATE) INT", fn_identity), {0}};
static const func_def def_unix_timestamp[] = {
    FUNC("() BIGINT", fn_now, .flags = FUNC_IS_VOLATILE), FUNC("(timestamp TIMESTAMP) BIGINT", fn_identity), {0}};
static const func_def def_datetostring[] = {FUNC("(epochDays INT!, formatPattern STRING) STRING", fn_format_date), {0}};
static const func_def def_stringtodate[] = {
    FUNC("(formattedDate STRING, formatPattern STRING) INT", fn_string_to_date, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_stringtotimestamp[] = {
    FUNC("(formattedTimestamp STRING, formatPattern STRING) BIGINT", fn_string_to_timestamp, .flags = FUNC_SEES_NULLS),
    FUNC("(formattedTimestamp STRING, formatPattern STRING, timeZone STRING) BIGINT", fn_string_to_timestamp,
         .flags = FUNC_SEES_NULLS),
    {0},
};
static const func_def def_timestamptostring[] = {
    FUNC("(epochMilli BIGINT!, formatPattern STRING) STRING", fn_timestamp_to_string),
    FUNC("(epochMilli BIGINT!, formatPattern STRING, timeZone STRING) STRING", fn_timestamp_to_string),
    {0},
};

const func_name func_family_time[] = {
    {"dateadd", FUNC_CATEGORY_DATE_TIME, "Adds a duration to a DATE.", def_dateadd},
    {"datesub", FUNC_CATEGORY_DATE_TIME, "Subtracts a duration from a DATE.", def_datesub},
    {"timeadd", FUNC_CATEGORY_DATE_TIME, "Adds a duration to a TIME; wraps at midnight.", def_timeadd},
    {"timesub", FUNC_CATEGORY_DATE_TIME, "Subtracts a duration from a TIME; wraps at midnight.", def_timesub},
    {"timestampadd", FUNC_CATEGORY_DATE_TIME, "Adds a duration to a TIMESTAMP.", def_timestampadd},
    {"timestampsub", FUNC_CATEGORY_DATE_TIME, "Subtracts a duration from a TIMESTAMP.", def_timestampsub},
    {"convert_tz", FUNC_CATEGORY_DATE_TIME, "Converts a TIMESTAMP from one time zone to another.", def_convert_tz},
    {"format_date", FUNC_CATEGORY_DATE_TIME, "The text of a DATE in a pattern of java.time.", def_format_date},
    {"format_time", FUNC_CATEGORY_DATE_TIME, "The text of a TIME in a pattern of java.time.", def_format_time},
    {"format_timestamp", FUNC_CATEGORY_DATE_TIME,
     "The text of a TIMESTAMP in a pattern of java.time, in a time zone (default GMT).", def_format_timestamp},
    {"parse_date", FUNC_CATEGORY_DATE_TIME, "Reads a DATE in a pattern of java.text.SimpleDateFormat.", def_parse_date},
    {"parse_time", FUNC_CATEGORY_DATE_TIME, "Reads a TIME in a pattern of java.time.", def_parse_time},
    {"parse_timestamp", FUNC_CATEGORY_DATE_TIME,
     "Reads a TIMESTAMP in a pattern of java.time; a time zone applies where the text names none (default GMT).",
     def_parse_timestamp},
    {"from_days", FUNC_CATEGORY_DATE_TIME, "The DATE of a number of days since 1970-01-01.", def_from_days},
    {"from_unixtime", FUNC_CATEGORY_DATE_TIME, "The TIMESTAMP of milliseconds since 1970-01-01 UTC.",
     def_from_unixtime},
    {"unix_date", FUNC_CATEGORY_DATE_TIME, "Days since 1970-01-01, of a DATE or of today.", def_unix_date},
    {"unix_timestamp", FUNC_CATEGORY_DATE_TIME, "Milliseconds since 1970-01-01 UTC, of a TIMESTAMP or of now.",
     def_unix_timestamp},
    {"datetostring", FUNC_CATEGORY_DATE_TIME, "Deprecated: FORMAT_DATE for a number of days.", def_datetostring},
    {"stringtodate", FUNC_CATEGORY_DATE_TIME, "Deprecated: PARSE_DATE to a number of days.", def_stringtodate},
    {"stringtotimestamp", FUNC_CATEGORY_DATE_TIME,
     "Deprecated: PARSE_TIMESTAMP to milliseconds; the default time zone is the server's.", def_stringtotimestamp},
    {"timestamptostring", FUNC_CATEGORY_DATE_TIME,
     "Deprecated: FORMAT_TIMESTAMP for milliseconds; the default time zone is the server's.", def_timestamptostring},
    {0},
};
