#include "server/guess.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/dtoa.h"
#include "base/json.h"
#include "base/utf8.h"

enum { GUESS_JSON, GUESS_INT, GUESS_BIGINT, GUESS_DOUBLE, GUESS_STRING, GUESS_FORMATS };
enum { WINDOW_OF_SESSION, WINDOW_OF_HOPPING, WINDOW_OF_TUMBLING, NO_WINDOW, GUESS_WINDOWS };

static const int64_t YEAR_3000_MS = INT64_C(32503680000000);

static uint32_t bit(int format, int window)
{
    return (uint32_t)1 << (format * GUESS_WINDOWS + window);
}

guess guess_new(bool key)
{
    guess g = {0};
    for (int f = 0; f < GUESS_FORMATS; f++) {
        for (int w = key ? 0 : NO_WINDOW; w < GUESS_WINDOWS; w++) g.possible |= bit(f, w);
    }
    return g;
}

static bool is_json(str s)
{
    arena *mem = arena_new();
    diag d = {0};
    bool ok = s.n > 0 && json_parse(mem, s, NULL, &d) != NULL;
    arena_free(mem);
    return ok;
}

static bool fits_format(int format, str s)
{
    switch (format) {
    case GUESS_JSON: return is_json(s);
    case GUESS_INT: return s.n == 4;
    case GUESS_BIGINT:
    case GUESS_DOUBLE: return s.n == 8;
    default: return s.n > 0 && utf8_valid(s);
    }
}

static size_t window_bytes(int window)
{
    return window == NO_WINDOW ? 0 : window == WINDOW_OF_SESSION ? 16 : 8;
}

/* Takes the window off; false when what stands there is no window. */
static bool split(int window, str *s, int64_t *start, int64_t *end)
{
    size_t n = window_bytes(window);
    if (s->n < n) return false;
    s->n -= n;
    *start = *end = 0;
    if (window == NO_WINDOW) return true;
    const char *p = s->p + s->n;
    if (window == WINDOW_OF_SESSION) {
        *end = (int64_t)load_be64(p);
        p += 8;
    }
    *start = (int64_t)load_be64(p);
    if (window != WINDOW_OF_SESSION) *end = *start;
    return *start >= 0 && *end >= *start && *end < YEAR_3000_MS;
}

void guess_look(guess *g, str bytes)
{
    if (!bytes.p) return;
    g->seen = true;
    for (int w = 0; w < GUESS_WINDOWS; w++) {
        str plain = bytes;
        int64_t start, end;
        bool window = split(w, &plain, &start, &end);
        for (int f = 0; f < GUESS_FORMATS; f++) {
            if ((g->possible & bit(f, w)) && (!window || !fits_format(f, plain))) g->possible &= ~bit(f, w);
        }
    }
}

static void print_plain(int format, str s, buf *out)
{
    char text[DTOA_MAX];
    uint64_t bits;
    double d;
    switch (format) {
    case GUESS_INT: buf_printf(out, "%" PRId32, (int32_t)load_be32(s.p)); return;
    case GUESS_BIGINT: buf_printf(out, "%" PRId64, (int64_t)load_be64(s.p)); return;
    case GUESS_DOUBLE:
        bits = load_be64(s.p);
        memcpy(&d, &bits, sizeof d);
        buf_add(out, text, dtoa_java(d, text));
        return;
    default: buf_add_str(out, s);
    }
}

void guess_print(const guess *g, str bytes, buf *out)
{
    if (!bytes.p) {
        buf_add_z(out, "<null>");
        return;
    }
    for (int i = 0; i < GUESS_FORMATS * GUESS_WINDOWS; i++) {
        int window = i % GUESS_WINDOWS;
        str plain = bytes;
        int64_t start, end;
        if (!(g->possible & ((uint32_t)1 << i)) || !split(window, &plain, &start, &end)) continue;
        if (window == NO_WINDOW) {
            print_plain(i / GUESS_WINDOWS, plain, out);
            return;
        }
        buf_add_char(out, '[');
        print_plain(i / GUESS_WINDOWS, plain, out);
        buf_printf(out, "@%" PRId64 "/", start);
        if (window == WINDOW_OF_SESSION)
            buf_printf(out, "%" PRId64 "]", end);
        else
            buf_add_z(out, "-]");
        return;
    }
    buf_add_z(out, "<Failed to deserialize>");
}

void guess_names(const guess *g, buf *out)
{
    static const char *const formats[] = {"JSON", "KAFKA_INT", "KAFKA_BIGINT", "KAFKA_DOUBLE", "KAFKA_STRING"};
    static const char *const windows[] = {"SESSION", "HOPPING", "TUMBLING"};
    if (!g->seen) {
        buf_add_z(out, "\xc2\xaf\\_(\xe3\x83\x84)_/\xc2\xaf - no data processed");
        return;
    }
    if (g->possible == 0) {
        buf_add_z(out, " does not match any supported format. "
                       "It may be a STRING with encoding other than UTF8, or some other format.");
        return;
    }
    const char *separator = "";
    for (int i = 0; i < GUESS_FORMATS * GUESS_WINDOWS; i++) {
        if (!(g->possible & ((uint32_t)1 << i))) continue;
        int window = i % GUESS_WINDOWS;
        const char *format = formats[i / GUESS_WINDOWS];
        if (window == NO_WINDOW)
            buf_printf(out, "%s%s", separator, format);
        else
            buf_printf(out, "%s%s(%s)", separator, windows[window], format);
        separator = " or ";
    }
}
