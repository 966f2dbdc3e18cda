#include "engine/func/json_text.h"

#include "base/dtoa.h"
#include "base/map.h"

const json_value *json_first(arena *a, str text, bool *ok)
{
    *ok = true;
    size_t i = 0;
    while (i < text.n && (text.p[i] == ' ' || text.p[i] == '\t' || text.p[i] == '\n' || text.p[i] == '\r')) i++;
    if (i == text.n) return NULL;
    diag d;
    diag_clear(&d);
    str rest;
    const json_value *v = json_parse(a, text, &rest, &d);
    *ok = v != NULL;
    return v;
}

enum { FEW_MEMBERS = 16 };

uint32_t json_members(arena *a, const json_value *v, const json_member **out)
{
    json_member *kept = ARENA_ARRAY(a, json_member, v->count);
    map names = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        const json_member *m = &v->members[i];
        uint32_t at = n;
        if (v->count <= FEW_MEMBERS) {
            for (at = 0; at < n && !str_eq(kept[at].name, m->name); at++) {
            }
        } else {
            json_member *first = map_get(&names, m->name);
            if (first)
                at = (uint32_t)(first - kept);
            else
                map_put(&names, m->name, &kept[n]);
        }
        if (at == n) kept[n++].name = m->name;
        kept[at].value = m->value;
    }
    map_free(&names);
    *out = kept;
    return n;
}

/* BigDecimal of digits * 10^-scale: plain, or scientific as its toString chooses. */
static void put_decimal(buf *b, bool negative, str digits, int64_t scale, bool plain)
{
    size_t skip = 0;
    while (skip + 1 < digits.n && digits.p[skip] == '0') skip++;
    digits = str_of(digits.p + skip, digits.n - skip);
    int64_t adjusted = (int64_t)digits.n - 1 - scale;
    if (negative) buf_add_char(b, '-');
    if (plain || (scale >= 0 && adjusted >= -6)) {
        if (scale <= 0) {
            buf_add_str(b, digits);
            for (int64_t i = scale; i < 0 && !(digits.n == 1 && *digits.p == '0'); i++) buf_add_char(b, '0');
            return;
        }
        int64_t whole = (int64_t)digits.n - scale;
        if (whole <= 0) {
            buf_add_z(b, "0.");
            for (; whole < 0; whole++) buf_add_char(b, '0');
            buf_add_str(b, digits);
            return;
        }
        buf_add(b, digits.p, (size_t)whole);
        buf_add_char(b, '.');
        buf_add(b, digits.p + whole, digits.n - (size_t)whole);
        return;
    }
    buf_add_char(b, digits.p[0]);
    if (digits.n > 1) {
        buf_add_char(b, '.');
        buf_add(b, digits.p + 1, digits.n - 1);
    }
    buf_printf(b, "E%+lld", (long long)adjusted);
}

enum { EXPONENT_MAX = 1000 };

void json_number_put(buf *b, str text, bool plain)
{
    bool negative = text.n > 0 && text.p[0] == '-', real = false;
    buf digits = {0};
    int64_t scale = 0, exponent = 0;
    size_t i = negative;
    for (bool point = false; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
        if (text.p[i] == '.') {
            point = real = true;
            continue;
        }
        buf_add_char(&digits, text.p[i]);
        scale += point;
    }
    if (i < text.n) {
        real = true;
        bool down = text.p[i + 1] == '-';
        for (i += 1; i < text.n; i++) {
            if (text.p[i] >= '0' && text.p[i] <= '9' && exponent < 1000000)
                exponent = exponent * 10 + (text.p[i] - '0');
        }
        if (down) exponent = -exponent;
    }
    scale -= exponent;
    bool zero = true;
    for (size_t k = 0; k < digits.len; k++) zero = zero && digits.data[k] == '0';
    /* A short text must not become an endless one: extreme exponents stay scientific. */
    if (scale > EXPONENT_MAX || scale < -EXPONENT_MAX) plain = false;
    put_decimal(b, negative && !zero, buf_str(&digits), real ? scale : 0, plain);
    buf_free(&digits);
}

static void put_node(arena *a, buf *b, const json_value *v, bool plain)
{
    switch (v->kind) {
    case JSON_NULL: buf_add_z(b, "null"); break;
    case JSON_BOOL: buf_add_z(b, v->truth ? "true" : "false"); break;
    case JSON_NUMBER: json_number_put(b, v->text, plain); break;
    case JSON_STRING: json_put_str(b, v->text); break;
    case JSON_ARRAY:
        buf_add_char(b, '[');
        for (uint32_t i = 0; i < v->count; i++) {
            if (i) buf_add_char(b, ',');
            put_node(a, b, &v->items[i], plain);
        }
        buf_add_char(b, ']');
        break;
    case JSON_OBJECT: {
        const json_member *members;
        uint32_t n = json_members(a, v, &members);
        buf_add_char(b, '{');
        for (uint32_t i = 0; i < n; i++) {
            if (i) buf_add_char(b, ',');
            json_put_str(b, members[i].name);
            buf_add_char(b, ':');
            put_node(a, b, &members[i].value, plain);
        }
        buf_add_char(b, '}');
        break;
    }
    }
}

void json_text_put(buf *b, const json_value *v, bool plain)
{
    arena *scratch = arena_new();
    put_node(scratch, b, v, plain);
    arena_free(scratch);
}
