/* Functions on STRING and BYTES. Lengths and positions of strings count UTF-16 units, those of BYTES count bytes. */
#include "base/utf8.h"
#include "engine/func/table.h"

/* Longest text that a function makes out of a short one (LPAD and the like). */
enum { TEXT_MAX = 16 << 20 };

static bool is_bytes(const func_call *c)
{
    return c->arg_types[0]->kind == TYPE_BYTES;
}

static bool fn_ucase(func_call *c, const value *args, int count, value *out)
{
    return func_str(out, utf8_upper(c->mem, args[0].s));
}

static bool fn_lcase(func_call *c, const value *args, int count, value *out)
{
    return func_str(out, utf8_lower(c->mem, args[0].s));
}

static bool fn_trim(func_call *c, const value *args, int count, value *out)
{
    return func_str(out, str_trim(args[0].s));
}

static bool fn_len(func_call *c, const value *args, int count, value *out)
{
    return func_int(out, (int32_t)(is_bytes(c) ? args[0].s.n : utf8_length16(args[0].s)));
}

static void len_strings(const vec *const *args, vec *out, const uint16_t *rows, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = rows ? rows[k] : k;
        out->i[i] = (int32_t)utf8_length16(args[0]->s[i]);
    }
}

/* The parts that are not NULL, with a separator between them. */
static bool join(func_call *c, str separator, const value *parts, int count, value *out)
{
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        if (!parts[i].null) n += parts[i].s.n + separator.n;
    }
    if (n > TEXT_MAX) return func_fail(c, "the result is longer than %d bytes", (int)TEXT_MAX);
    char *p = arena_alloc(c->mem, n + 1), *w = p;
    bool any = false;
    for (int i = 0; i < count; i++) {
        if (parts[i].null) continue;
        if (any && separator.n) w = (char *)memcpy(w, separator.p, separator.n) + separator.n;
        if (parts[i].s.n) w = (char *)memcpy(w, parts[i].s.p, parts[i].s.n) + parts[i].s.n;
        any = true;
    }
    return func_str(out, str_of(p, (size_t)(w - p)));
}

static bool fn_concat(func_call *c, const value *args, int count, value *out)
{
    return join(c, (str){0}, args, count, out);
}

static bool fn_concat_ws(func_call *c, const value *args, int count, value *out)
{
    if (count < 2) return func_fail(c, "Function Concat_WS expects at least two input arguments.");
    if (args[0].null) return true;
    return join(c, args[0].s, args + 1, count - 1, out);
}

static int64_t length_of(const func_call *c, str s)
{
    return (int64_t)(is_bytes(c) ? s.n : utf8_length16(s));
}

static str part_of(const func_call *c, str s, int64_t start, int64_t count)
{
    if (is_bytes(c)) return str_of(s.p + start, (size_t)count);
    return utf8_substr16(c->mem, s, (size_t)start, (size_t)count);
}

/* Positions count from 1, negative ones from the end; both ends are moved into the text. */
static bool fn_substring(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s;
    int64_t n = length_of(c, s), pos = args[1].i;
    int64_t start = pos < 0 ? n + pos : pos - 1;
    if (start > n) start = n;
    if (start < 0) start = 0;
    int64_t end = n;
    if (count == 3) {
        end = start + args[2].i;
        if (end > n) end = n;
        if (end < start) end = start;
    }
    return func_str(out, part_of(c, s, start, end - start));
}

static bool fn_replace(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s, old = args[1].s, new = args[2].s;
    buf b = {0};
    const char *p = s.p, *end = s.p + s.n;
    if (old.n == 0) {
        /* Java puts the replacement around every UTF-16 unit; pairs are kept whole here. */
        while (p < end) {
            const char *from = p;
            utf8_next(&p, end);
            buf_add_str(&b, new);
            buf_add(&b, from, (size_t)(p - from));
            if (b.len > TEXT_MAX) break;
        }
        buf_add_str(&b, new);
    } else {
        size_t from = 0;
        for (ptrdiff_t at; b.len <= TEXT_MAX && (at = str_find(s, old, from)) >= 0; from = (size_t)at + old.n) {
            buf_add(&b, s.p + from, (size_t)at - from);
            buf_add_str(&b, new);
        }
        buf_add(&b, s.p + from, s.n - from);
    }
    bool fits = b.len <= TEXT_MAX;
    if (fits) func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return fits || func_fail(c, "the result is longer than %d bytes", (int)TEXT_MAX);
}

/* `units` units of the padding, repeated as often as needed. */
static str padding_of(func_call *c, str pad, int64_t units)
{
    int64_t unit = length_of(c, pad), times = (units + unit - 1) / unit;
    char *p = arena_alloc(c->mem, pad.n * (size_t)times + 1);
    for (int64_t i = 0; i < times; i++) memcpy(p + pad.n * (size_t)i, pad.p, pad.n);
    return part_of(c, str_of(p, pad.n * (size_t)times), 0, units);
}

static bool pad(func_call *c, const value *args, bool left, value *out)
{
    str s = args[0].s;
    int64_t target = args[1].i;
    if (target < 0 || args[2].s.n == 0) return true;
    if (target > TEXT_MAX / 4) return func_fail(c, "the result is longer than %d characters", (int)TEXT_MAX / 4);
    int64_t n = length_of(c, s);
    if (n >= target) return func_str(out, part_of(c, s, 0, target));
    str padding = padding_of(c, args[2].s, target - n);
    value parts[2] = {{.s = left ? padding : s}, {.s = left ? s : padding}};
    return join(c, (str){0}, parts, 2, out);
}

static bool fn_lpad(func_call *c, const value *args, int count, value *out)
{
    return pad(c, args, true, out);
}

static bool fn_rpad(func_call *c, const value *args, int count, value *out)
{
    return pad(c, args, false, out);
}

/* Byte offset of the nth match at or after `from`, matches may overlap; -1. */
static ptrdiff_t find_nth(str s, str needle, size_t from, int32_t nth)
{
    if (nth <= 0) return -1;
    ptrdiff_t at = str_find(s, needle, from);
    while (at >= 0 && --nth > 0) {
        const char *p = s.p + at;
        if ((size_t)at >= s.n) return -1;
        utf8_next(&p, s.p + s.n);
        at = str_find(s, needle, (size_t)(p - s.p));
    }
    return at;
}

/* The nth match that ends at or before `end`, going backward. */
static ptrdiff_t find_nth_backward(str s, str needle, size_t end, int32_t nth)
{
    if (nth <= 0) return -1;
    for (size_t e = end; e >= needle.n; e--) {
        bool start = e == s.n || ((unsigned char)s.p[e] & 0xc0) != 0x80;
        if (start && memcmp(s.p + e - needle.n, needle.p, needle.n) == 0 && --nth == 0)
            return (ptrdiff_t)(e - needle.n);
        if (e == 0) break;
    }
    return -1;
}

static bool fn_instr(func_call *c, const value *args, int count, value *out)
{
    func_int(out, 0);
    if (args[0].null || args[1].null) return true;
    str s = args[0].s, needle = args[1].s;
    int64_t pos = count > 2 ? args[2].i : 1, n = (int64_t)utf8_length16(s);
    int32_t nth = count > 3 ? args[3].i : 1;
    if (pos == 0 || pos > n || pos < -n) return true;
    ptrdiff_t at;
    /* commons-lang takes an empty needle as found at once. */
    if (needle.n == 0) return nth > 0 ? func_int(out, (int32_t)(pos > 0 ? pos : n + pos + 2)) : true;
    if (pos > 0)
        at = find_nth(s, needle, utf8_offset16(s, (size_t)pos - 1, NULL), nth);
    else
        at = find_nth_backward(s, needle, utf8_offset16(s, (size_t)(n + pos + 1), NULL), nth);
    return func_int(out, at < 0 ? 0 : (int32_t)utf8_index16(s, (size_t)at) + 1);
}

/* A growing list of items in the call's memory. */
typedef struct items {
    value *p;
    uint32_t n, cap;
} items;

static void add_item(func_call *c, items *l, str s)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 8;
        value *p = ARENA_ARRAY(c->mem, value, cap);
        if (l->n) memcpy(p, l->p, sizeof *p * l->n);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = (value){.s = s};
}

static bool fn_split(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s, delimiter = args[1].s;
    items l = {0};
    if (delimiter.n == 0 && s.n > 0) {
        const char *p = s.p, *end = s.p + s.n;
        while (p < end) {
            const char *from = p;
            if (is_bytes(c))
                p++;
            else
                utf8_next(&p, end);
            add_item(c, &l, str_of(from, (size_t)(p - from)));
        }
        return func_items(c, out, l.p, l.n);
    }
    size_t from = 0;
    for (ptrdiff_t at; delimiter.n && (at = str_find(s, delimiter, from)) >= 0; from = (size_t)at + delimiter.n)
        add_item(c, &l, str_of(s.p + from, (size_t)at - from));
    add_item(c, &l, str_of(s.p + from, s.n - from));
    return func_items(c, out, l.p, l.n);
}

static void put_entry(func_call *c, items *keys, items *vals, str key, str val)
{
    for (uint32_t i = 0; i < keys->n; i++) {
        if (!str_eq(keys->p[i].s, key)) continue;
        vals->p[i].s = val;
        return;
    }
    add_item(c, keys, key);
    add_item(c, vals, val);
}

static bool fn_split_to_map(func_call *c, const value *args, int count, value *out)
{
    str s = args[0].s, entry = args[1].s, kv = args[2].s;
    if (entry.n == 0 || kv.n == 0 || str_eq(entry, kv)) return true;
    items keys = {0}, vals = {0};
    for (size_t from = 0; from <= s.n;) {
        ptrdiff_t at = str_find(s, entry, from);
        size_t end = at < 0 ? s.n : (size_t)at;
        str e = str_of(s.p + from, end - from);
        ptrdiff_t cut = str_find(e, kv, 0);
        if (cut >= 0) {
            /* Only the first two pieces count: k=v=w gives v. */
            size_t start = (size_t)cut + kv.n;
            ptrdiff_t second = str_find(e, kv, start);
            size_t stop = second < 0 ? e.n : (size_t)second;
            put_entry(c, &keys, &vals, str_of(e.p, (size_t)cut), str_of(e.p + start, stop - start));
        }
        if (at < 0) break;
        from = end + entry.n;
    }
    return func_entries(c, out, keys.p, vals.p, keys.n);
}

static bool fn_elt(func_call *c, const value *args, int count, value *out)
{
    int32_t n = args[0].i;
    if (n >= 1 && n < count) *out = args[n];
    return true;
}

static bool fn_field(func_call *c, const value *args, int count, value *out)
{
    func_int(out, 0);
    for (int i = 1; i < count && !args[0].null; i++) {
        if (!args[i].null && str_eq(args[0].s, args[i].s)) return func_int(out, i);
    }
    return true;
}

static bool is_space(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static bool fn_initcap(func_call *c, const value *args, int count, value *out)
{
    str s = utf8_lower(c->mem, args[0].s);
    buf b = {0};
    const char *p = s.p, *end = s.p + s.n;
    while (p < end && is_space(*p)) p++;
    bool start = true;
    while (p < end) {
        const char *from = p;
        uint32_t ch = utf8_next(&p, end);
        str one = str_of(from, (size_t)(p - from));
        /* The first UTF-16 unit is raised: half of a pair has no upper case. */
        if (start && ch < 0x10000) one = utf8_upper(c->mem, one);
        buf_add_str(&b, one);
        start = is_space(*from);
    }
    func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return true;
}

#define ON_BOTH(STRING_SIGNATURE, BYTES_SIGNATURE, FN, FLAGS)                                                          \
    {                                                                                                                  \
        FUNC(STRING_SIGNATURE, FN, .flags = FLAGS), FUNC(BYTES_SIGNATURE, FN, .flags = FLAGS),                         \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }

static const func_def def_ucase[] = {FUNC("(input STRING) STRING", fn_ucase), {0}};
static const func_def def_lcase[] = {FUNC("(input STRING) STRING", fn_lcase), {0}};
static const func_def def_trim[] = {FUNC("(input STRING) STRING", fn_trim), {0}};
static const func_def def_len[] = {
    FUNC("(input STRING) INT", fn_len, .vector = len_strings), FUNC("(input BYTES) INT", fn_len), {0}};
static const func_def def_concat[] =
    ON_BOTH("(inputs STRING...) STRING", "(inputs BYTES...) BYTES", fn_concat, FUNC_SEES_NULLS);
static const func_def def_concat_ws[] =
    ON_BOTH("(inputs STRING...) STRING", "(inputs BYTES...) BYTES", fn_concat_ws, FUNC_SEES_NULLS);
static const func_def def_substring[] = {
    FUNC("(str STRING, pos INT) STRING", fn_substring),
    FUNC("(str STRING, pos INT, length INT) STRING", fn_substring),
    FUNC("(bytes BYTES, pos INT) BYTES", fn_substring),
    FUNC("(bytes BYTES, pos INT, length INT) BYTES", fn_substring),
    {0},
};
static const func_def def_replace[] = {FUNC("(str STRING, oldStr STRING, newStr STRING) STRING", fn_replace), {0}};
static const func_def def_lpad[] = ON_BOTH("(input STRING, targetLen INT, padding STRING) STRING",
                                           "(input BYTES, targetLen INT, padding BYTES) BYTES", fn_lpad, 0);
static const func_def def_rpad[] = ON_BOTH("(input STRING, targetLen INT, padding STRING) STRING",
                                           "(input BYTES, targetLen INT, padding BYTES) BYTES", fn_rpad, 0);
static const func_def def_instr[] = {
    FUNC("(str STRING, substring STRING) INT", fn_instr, .flags = FUNC_SEES_NULLS),
    FUNC("(str STRING, substring STRING, position INT!) INT", fn_instr, .flags = FUNC_SEES_NULLS),
    FUNC("(str STRING, substring STRING, position INT!, occurrence INT!) INT", fn_instr, .flags = FUNC_SEES_NULLS),
    {0},
};
static const func_def def_split[] = ON_BOTH("(string STRING, delimiter STRING) ARRAY<STRING>",
                                            "(bytes BYTES, delimiter BYTES) ARRAY<BYTES>", fn_split, 0);
static const func_def def_split_to_map[] = {
    FUNC("(input STRING, entryDelimiter STRING, kvDelimiter STRING) MAP<STRING, STRING>", fn_split_to_map), {0}};
static const func_def def_elt[] = {FUNC("(n INT!, args STRING...) STRING", fn_elt, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_field[] = {FUNC("(str STRING, args STRING...) INT", fn_field, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_initcap[] = {FUNC("(str STRING) STRING", fn_initcap), {0}};

const func_name func_family_string[] = {
    {"ucase", FUNC_CATEGORY_STRING, "The text in upper case.", def_ucase},
    {"lcase", FUNC_CATEGORY_STRING, "The text in lower case.", def_lcase},
    {"trim", FUNC_CATEGORY_STRING, "The text without blanks and control characters at both ends.", def_trim},
    {"len", FUNC_CATEGORY_STRING, "The number of characters of a text, or of bytes.", def_len},
    {"concat", FUNC_CATEGORY_STRING, "The arguments one behind the other; NULLs are left out.", def_concat},
    {"concat_ws", FUNC_CATEGORY_STRING,
     "The arguments behind the first, with the first between them; NULLs are left out.", def_concat_ws},
    {"substring", FUNC_CATEGORY_STRING,
     "The part that begins at a position (from 1; negative: from the end), to the end or of a given length.",
     def_substring},
    {"replace", FUNC_CATEGORY_STRING, "The text with every occurrence of one text replaced by another.", def_replace},
    {"LPad", FUNC_CATEGORY_STRING, "Pads the input from the left, or cuts it, to a length.", def_lpad},
    {"RPad", FUNC_CATEGORY_STRING, "Pads the input from the right, or cuts it, to a length.", def_rpad},
    {"instr", FUNC_CATEGORY_STRING,
     "The position (from 1) of the first or nth occurrence of a text in another, 0 when there is none. A negative "
     "start "
     "position searches backward from the end.",
     def_instr},
    {"split", FUNC_CATEGORY_STRING, "The pieces between the delimiters as an array.", def_split},
    {"split_to_map", FUNC_CATEGORY_STRING, "Splits a text into entries, and each into a key and a value.",
     def_split_to_map},
    {"elt", FUNC_CATEGORY_STRING, "The nth (from 1) of the texts, NULL when there is none.", def_elt},
    {"field", FUNC_CATEGORY_STRING, "The position (from 1) of the first argument among the others, 0 when absent.",
     def_field},
    {"initcap", FUNC_CATEGORY_STRING, "The text in lower case with the first letter of each word in upper case.",
     def_initcap},
    {0},
};
