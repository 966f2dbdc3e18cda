/* Zone ids after java.time.ZoneId, and the cache. */
#include "base/tz.h"

#include <pthread.h>
#include <stdio.h>

#include "base/check.h"
#include "base/file.h"
#include "base/map.h"
#include "base/tz_rules.h"

enum { OFFSET_MAX = 18 * 3600, ZONES_MAX = 4096 /* distinct ids; a client could ask for every offset there is */ };

static const tz utc = {.id = {"Z", 1}, .kind = TZ_OFFSET};

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static map cache;

const tz *tz_utc(void)
{
    return &utc;
}

str tz_id(const tz *z)
{
    return z->id;
}

bool tz_is_offset(const tz *z)
{
    return z->kind == TZ_OFFSET;
}

static bool two_digits(const char *p, int *out)
{
    if ((unsigned char)(p[0] - '0') > 9 || (unsigned char)(p[1] - '0') > 9) return false;
    *out = (p[0] - '0') * 10 + (p[1] - '0');
    return true;
}

/* ZoneOffset.of: the sign and one of the seven forms of digits. */
static bool parse_offset(str s, int32_t *seconds)
{
    int h = 0, m = 0, sec = 0;
    if (s.n < 2 || (s.p[0] != '+' && s.p[0] != '-')) return false;
    const char *p = s.p;
    bool ok;
    switch (s.n) {
    case 2:
        ok = (unsigned char)(p[1] - '0') <= 9;
        h = p[1] - '0';
        break;
    case 3: ok = two_digits(p + 1, &h); break;
    case 5: ok = two_digits(p + 1, &h) && two_digits(p + 3, &m); break;
    case 6: ok = two_digits(p + 1, &h) && p[3] == ':' && two_digits(p + 4, &m); break;
    case 7: ok = two_digits(p + 1, &h) && two_digits(p + 3, &m) && two_digits(p + 5, &sec); break;
    case 9:
        ok = two_digits(p + 1, &h) && p[3] == ':' && two_digits(p + 4, &m) && p[6] == ':' && two_digits(p + 7, &sec);
        break;
    default: return false;
    }
    int32_t total = h * 3600 + m * 60 + sec;
    if (!ok || m > 59 || sec > 59 || total > OFFSET_MAX) return false;
    *seconds = p[0] == '-' ? -total : total;
    return true;
}

/* The text of ZoneOffset.getId for a non-zero offset: +02:00, -03:30, +02:30:15. */
static size_t offset_text(int32_t seconds, char out[16])
{
    int v = seconds < 0 ? -seconds : seconds;
    int n = snprintf(out, 16, "%c%02d:%02d", seconds < 0 ? '-' : '+', v / 3600, v / 60 % 60);
    if (v % 60) n += snprintf(out + n, 16 - (size_t)n, ":%02d", v % 60);
    return (size_t)n;
}

/* A zone of one offset with an id of its own ("UTC+02:00") or the offset's. */
static tz *make_fixed(const char *prefix, tz_kind kind, int32_t seconds)
{
    tz *z = tz_rules_new(kind);
    char text[16];
    size_t n = seconds ? offset_text(seconds, text) : 0;
    z->id = arena_printf(z->memory, "%s%.*s", prefix, (int)n, text);
    z->fixed = seconds;
    return z;
}

/* Region names as ZoneRegion checks them; no path may leave the folder or name Java's unknown variants. */
static bool legal_region(str id)
{
    if (id.n < 2 || id.n > 60 || str_starts(id, STR("posix/")) || str_starts(id, STR("right/"))) return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (letter || (i > 0 && c != 0 && strchr("0123456789~/._+-", c))) continue;
        return false;
    }
    return str_find(id, STR(".."), 0) < 0;
}

/* Ids of the system's folder that Java's rules leave out. */
static bool absent_in_java(str id)
{
    static const char *names[] = {"EST", "MST", "HST", "ROC", "Factory", "localtime", "posixrules"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqz(id, names[i])) return true;
    return false;
}

static tz *load_region(str id, diag *d)
{
    char path[128];
    buf data = {0};
    if (!legal_region(id)) {
        diag_set(d, DIAG_INVALID, "Invalid ID for region-based ZoneId, invalid format: %.*s",
                 id.n > 80 ? 80 : (int)id.n, id.p);
        return NULL;
    }
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", STR_ARG(id));
    tz *z = NULL;
    file *f;
    size_t got;
    diag ignored; /* whatever keeps the file from being read, the id is unknown */
    diag_clear(&ignored);
    if (!absent_in_java(id) && fs_open(fs_real(), path, FILE_READONLY, &f, &ignored)) {
        if (file_read(f, 0, buf_reserve(&data, TZ_FILE_MAX), TZ_FILE_MAX, &got, &ignored))
            z = tz_rules_load(str_of(data.data, got));
        file_close(f);
        buf_free(&data);
    }
    if (!z) {
        diag_set(d, DIAG_INVALID, "Unknown time-zone ID: %.*s", STR_ARG(id));
        return NULL;
    }
    z->id = arena_str(z->memory, id);
    return z;
}

static tz *make_zone(str id, diag *d)
{
    static const char *prefixes[] = {"UTC", "GMT", "UT"};
    int32_t seconds;
    if (id.n > 0 && (id.p[0] == '+' || id.p[0] == '-' || id.n == 1)) {
        if (parse_offset(id, &seconds)) return make_fixed(seconds ? "" : "Z", TZ_OFFSET, seconds);
        diag_set(d, DIAG_INVALID, "Invalid ID for ZoneOffset, invalid format: %.*s", id.n > 80 ? 80 : (int)id.n, id.p);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        str prefix = str_z(prefixes[i]);
        if (!str_starts(id, prefix)) continue;
        str rest = str_of(id.p + prefix.n, id.n - prefix.n);
        if (rest.n == 0) return make_fixed(prefixes[i], TZ_NAMED_OFFSET, 0);
        if (rest.p[0] != '+' && rest.p[0] != '-') continue;
        if (parse_offset(rest, &seconds)) return make_fixed(prefixes[i], TZ_NAMED_OFFSET, seconds);
        diag_set(d, DIAG_INVALID, "Invalid ID for offset-based ZoneId: %.*s", id.n > 80 ? 80 : (int)id.n, id.p);
        return NULL;
    }
    return load_region(id, d);
}

const tz *tz_find(str id, diag *d)
{
    if (str_eqz(id, "Z")) return &utc;
    check(pthread_mutex_lock(&cache_lock) == 0);
    tz *z = map_get(&cache, id);
    if (!z && map_count(&cache) >= ZONES_MAX) {
        diag_set(d, DIAG_LIMIT, "more than %d time zones are in use", ZONES_MAX);
    } else if (!z) {
        z = make_zone(id, d);
        if (z) map_put(&cache, id, z);
    }
    check(pthread_mutex_unlock(&cache_lock) == 0);
    return z;
}

const tz *tz_fixed(int32_t seconds)
{
    char text[16];
    diag d;
    diag_clear(&d);
    check(seconds >= -OFFSET_MAX && seconds <= OFFSET_MAX);
    return seconds ? tz_find(str_of(text, offset_text(seconds, text)), &d) : &utc;
}
