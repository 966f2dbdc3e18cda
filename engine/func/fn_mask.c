/* MASK and its relatives: letters and digits hidden by class. */
#include <unictype.h>

#include "base/utf8.h"
#include "engine/func/table.h"

/* What each class of characters becomes; NO_MASK: itself. */
typedef struct masks {
    uint32_t upper, lower, digit, other;
} masks;

enum { NO_MASK = 0x7fffffff };

static bool mask_of(func_call *c, value v, uint32_t *out)
{
    *out = NO_MASK;
    if (v.null) return true;
    if (utf8_length16(v.s) != 1)
        return func_fail(c, "Invalid mask character. Must be only single character, but was '%.*s'", STR_ARG(v.s));
    const char *p = v.s.p;
    *out = utf8_next(&p, p + v.s.n);
    return true;
}

static bool read_masks(func_call *c, const value *args, int count, masks *m)
{
    *m = (masks){'X', 'x', 'n', '-'};
    if (count == 0) return true;
    return mask_of(c, args[0], &m->upper) && mask_of(c, args[1], &m->lower) && mask_of(c, args[2], &m->digit) &&
           mask_of(c, args[3], &m->other);
}

static uint32_t hide(const masks *m, uint32_t ch)
{
    uint32_t mask = m->other;
    if (uc_is_general_category(ch, UC_UPPERCASE_LETTER))
        mask = m->upper;
    else if (uc_is_general_category(ch, UC_LOWERCASE_LETTER))
        mask = m->lower;
    else if (uc_is_general_category(ch, UC_DECIMAL_DIGIT_NUMBER))
        mask = m->digit;
    return mask == NO_MASK ? ch : mask;
}

/* Java walks the UTF-16 units and asks for the code point at each, so the second half of a pair counts once more. */
static void mask_text(buf *b, const masks *m, str s)
{
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        uint32_t ch = utf8_next(&p, end);
        utf8_put(b, hide(m, ch));
        if (ch >= 0x10000) utf8_put(b, m->other == NO_MASK ? 0xdc00 : m->other);
    }
}

/* Masks s[0..cut) or s[cut..), in UTF-16 units, and keeps the rest. */
static bool mask_part(func_call *c, str s, const masks *m, size_t cut, bool front, value *out)
{
    str left = utf8_substr16(c->mem, s, 0, cut), right = utf8_substr16(c->mem, s, cut, s.n);
    buf b = {0};
    if (front)
        mask_text(&b, m, left);
    else
        buf_add_str(&b, left);
    if (front)
        buf_add_str(&b, right);
    else
        mask_text(&b, m, right);
    func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return true;
}

static bool fn_mask(func_call *c, const value *args, int count, value *out)
{
    masks m;
    if (!read_masks(c, args + 1, count - 1, &m)) return false;
    if (args[0].null) return true;
    return mask_part(c, args[0].s, &m, utf8_length16(args[0].s), true, out);
}

typedef enum side { MASK_LEFT, MASK_RIGHT, MASK_KEEP_LEFT, MASK_KEEP_RIGHT } side;

static bool mask_side(func_call *c, const value *args, int count, side where, value *out)
{
    static const char *const names[] = {"mask_left", "mask_right", "mask_keep_left", "mask_keep_right"};
    masks m;
    if (!read_masks(c, args + 2, count - 2, &m)) return false;
    if (args[1].i < 0)
        return func_fail(c, "function %s requires a non-negative number of characters to mask or skip", names[where]);
    if (args[0].null) return true;
    size_t n = utf8_length16(args[0].s), chars = (size_t)args[1].i < n ? (size_t)args[1].i : n;
    bool from_left = where == MASK_LEFT || where == MASK_KEEP_LEFT;
    bool front = where == MASK_LEFT || where == MASK_KEEP_RIGHT;
    return mask_part(c, args[0].s, &m, from_left ? chars : n - chars, front, out);
}

#define SIDE(NAME, WHERE)                                                                                              \
    static bool fn_##NAME(func_call *c, const value *args, int count, value *out)                                      \
    {                                                                                                                  \
        return mask_side(c, args, count, WHERE, out);                                                                  \
    }                                                                                                                  \
    static const func_def def_##NAME[] = {                                                                             \
        FUNC("(input STRING, numChars INT!) STRING", fn_##NAME, .flags = FUNC_SEES_NULLS),                             \
        FUNC("(input STRING, numChars INT!, upper STRING, lower STRING, digit STRING, other STRING) STRING",           \
             fn_##NAME, .flags = FUNC_SEES_NULLS),                                                                     \
        {0},                                                                                                           \
    };
SIDE(left, MASK_LEFT)
SIDE(right, MASK_RIGHT)
SIDE(keep_left, MASK_KEEP_LEFT)
SIDE(keep_right, MASK_KEEP_RIGHT)

static const func_def def_mask[] = {
    FUNC("(input STRING) STRING", fn_mask, .flags = FUNC_SEES_NULLS),
    FUNC("(input STRING, upper STRING, lower STRING, digit STRING, other STRING) STRING", fn_mask,
         .flags = FUNC_SEES_NULLS),
    {0},
};

const func_name func_family_mask[] = {
    {"mask", FUNC_CATEGORY_STRING,
     "Hides letters and digits: X for upper case, x for lower case, n for digits, - for all else; a mask of NULL "
     "leaves "
     "its class as it is.",
     def_mask},
    {"mask_left", FUNC_CATEGORY_STRING, "Masks the first characters.", def_left},
    {"mask_right", FUNC_CATEGORY_STRING, "Masks the last characters.", def_right},
    {"mask_keep_left", FUNC_CATEGORY_STRING, "Masks all but the first characters.", def_keep_left},
    {"mask_keep_right", FUNC_CATEGORY_STRING, "Masks all but the last characters.", def_keep_right},
    {0},
};
