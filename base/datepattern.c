/* The compiler of patterns: java.time.format.DateTimeFormatterBuilder.appendPattern. */
#include "base/datepattern_impl.h"

#include "base/check.h"

enum { SECTIONS_MAX = 32, PATTERN_MAX = 10000 };

typedef struct compiler {
    arena *a;
    diag *d;
    buf steps; /* of step */
    int sections[SECTIONS_MAX];
    int depth;
    int value; /* index of the number that directly following numbers narrow, or -1 */
    int pad;
} compiler;

static step *step_at(compiler *c, int i)
{
    return (step *)(void *)c->steps.data + i;
}

static int count(const compiler *c)
{
    return (int)(c->steps.len / sizeof(step));
}

static int add(compiler *c, step s)
{
    s.pad = c->pad;
    c->pad = 0;
    c->value = -1;
    buf_add(&c->steps, &s, sizeof s);
    return count(c) - 1;
}

/*
 * Numbers that stand side by side share their digits: the first takes what the fixed widths behind it leave
 * ("adjacent value parsing").
 */
static void add_number(compiler *c, step s)
{
    int base = c->value;
    bool padded = c->pad > 0;
    int i = add(c, s);
    if (padded) return;
    if (base >= 0 && s.min == s.max && s.sign == SIGN_NEVER) {
        step_at(c, base)->subsequent += s.max;
        c->value = base;
    } else {
        c->value = i;
    }
}

static void number(compiler *c, field f, int min, int max, sign_style sign)
{
    add_number(c, (step){.kind = STEP_NUMBER, .field = f, .min = min, .max = max, .sign = sign});
}

/* appendValue(field) and appendValue(field, width) */
static void plain_number(compiler *c, field f, int width)
{
    if (width == 1)
        number(c, f, 1, 19, SIGN_NORMAL);
    else
        number(c, f, width, width, SIGN_NEVER);
}

static bool too_many(compiler *c, char letter)
{
    return diag_set(c->d, DIAG_INVALID, "Too many pattern letters: %c", letter);
}

static bool add_text(compiler *c, field f, int letters, char letter)
{
    static const text_style styles[6] = {0, TEXT_SHORT, TEXT_SHORT, TEXT_SHORT, TEXT_FULL, TEXT_NARROW};
    if (letters > 5) return too_many(c, letter);
    add(c, (step){.kind = STEP_TEXT, .field = f, .style = styles[letters]});
    return true;
}

static bool add_year(compiler *c, field f, int n)
{
    if (n > 19) return too_many(c, f == FIELD_YEAR ? 'u' : 'y');
    if (n == 2) {
        add_number(c, (step){.kind = STEP_TWO_DIGIT_YEAR, .field = f, .min = 2, .max = 2, .sign = SIGN_NEVER});
    } else {
        number(c, f, n, 19, n < 4 ? SIGN_NORMAL : SIGN_EXCEEDS_PAD);
    }
    return true;
}

static bool add_offset(compiler *c, char letter, int n)
{
    /* Positions in Java's list: +HH +HHmm +HH:mm +HHMM +HH:MM +HHMMss +HH:MM:ss +HHMMSS +HH:MM:SS. */
    step s = {.kind = STEP_OFFSET, .text = STR("Z")};
    if (n > 5) return too_many(c, letter);
    if (letter == 'Z') {
        if (n == 4) {
            add(c, (step){.kind = STEP_LOCAL_OFFSET, .style = TEXT_FULL});
            return true;
        }
        s.offset_form = n < 4 ? 3 : 6;
        if (n < 4) s.text = STR("+0000");
    } else {
        s.offset_form = n + (n == 1 ? 0 : 1);
        if (letter == 'x') s.text = n == 1 ? STR("+00") : n % 2 == 0 ? STR("+0000") : STR("+00:00");
    }
    add(c, s);
    return true;
}

static bool add_zone(compiler *c, char letter, int n)
{
    switch (letter) {
    case 'z':
        if (n > 4) return too_many(c, letter);
        add(c, (step){.kind = STEP_ZONE_NAME, .style = n == 4 ? TEXT_FULL : TEXT_SHORT});
        return true;
    case 'V':
        if (n != 2) return diag_set(c->d, DIAG_INVALID, "Pattern letter count must be 2: V");
        add(c, (step){.kind = STEP_ZONE_ID});
        return true;
    case 'O':
        if (n != 1 && n != 4) return diag_set(c->d, DIAG_INVALID, "Pattern letter count must be 1 or 4: O");
        add(c, (step){.kind = STEP_LOCAL_OFFSET, .style = n == 4 ? TEXT_FULL : TEXT_SHORT});
        return true;
    default: return add_offset(c, letter, n);
    }
}

/* Letters of which one or two make a number, and more a text. */
static bool add_number_or_text(compiler *c, char letter, field f, int n)
{
    if (n > 2 || letter == 'E') return add_text(c, f, n, letter);
    if (letter == 'c' && n == 2) return diag_set(c->d, DIAG_INVALID, "Invalid pattern \"cc\"");
    if (letter == 'e' || letter == 'c')
        number(c, FIELD_LOCAL_WEEKDAY, n, n, SIGN_NEVER);
    else
        plain_number(c, f, n);
    return true;
}

static bool add_week(compiler *c, char letter, int n)
{
    if (letter == 'Y') {
        if (n > 19) return too_many(c, letter);
        if (n == 2)
            add_number(
                c,
                (step){.kind = STEP_TWO_DIGIT_YEAR, .field = FIELD_WEEK_YEAR, .min = 2, .max = 2, .sign = SIGN_NEVER});
        else
            number(c, FIELD_WEEK_YEAR, n, 19, n < 4 ? SIGN_NORMAL : SIGN_EXCEEDS_PAD);
        return true;
    }
    if (n > (letter == 'W' ? 1 : 2)) return too_many(c, letter);
    number(c, letter == 'W' ? FIELD_WEEK_OF_MONTH : FIELD_WEEK, n, 2, SIGN_NEVER);
    return true;
}

/* A run of n equal letters. */
static bool add_letters(compiler *c, char letter, int n)
{
    switch (letter) {
    case 'u': return add_year(c, FIELD_YEAR, n);
    case 'y': return add_year(c, FIELD_YEAR_OF_ERA, n);
    case 'M':
    case 'L': return add_number_or_text(c, letter, FIELD_MONTH, n);
    case 'Q':
    case 'q': return add_number_or_text(c, letter, FIELD_QUARTER, n);
    case 'E':
    case 'e':
    case 'c': return add_number_or_text(c, letter, FIELD_WEEKDAY, n);
    case 'Y':
    case 'w':
    case 'W': return add_week(c, letter, n);
    case 'z':
    case 'V':
    case 'O':
    case 'X':
    case 'x':
    case 'Z': return add_zone(c, letter, n);
    case 'G': return add_text(c, FIELD_ERA, n, letter);
    case 'a': return n > 1 ? too_many(c, letter) : add_text(c, FIELD_AMPM, 1, letter);
    case 'S':
        if (n > 9) return diag_set(c->d, DIAG_INVALID, "Minimum width must be from 0 to 9 inclusive but was %d", n);
        add_number(c, (step){.kind = STEP_FRACTION, .field = FIELD_NANO, .min = n, .max = n, .sign = SIGN_NEVER});
        return true;
    case 'D':
        if (n > 3) return too_many(c, letter);
        if (n == 1)
            plain_number(c, FIELD_DAY_OF_YEAR, 1);
        else
            number(c, FIELD_DAY_OF_YEAR, n, 3, SIGN_NEVER);
        return true;
    case 'F':
        if (n > 1) return too_many(c, letter);
        plain_number(c, FIELD_ALIGNED_WEEKDAY, 1);
        return true;
    default: break;
    }
    static const struct {
        char letter;
        field field;
        int most;
    } numbers[] = {{'d', FIELD_DAY, 2},          {'h', FIELD_CLOCK_HOUR_OF_AMPM, 2}, {'H', FIELD_HOUR, 2},
                   {'k', FIELD_CLOCK_HOUR, 2},   {'K', FIELD_HOUR_OF_AMPM, 2},       {'m', FIELD_MINUTE, 2},
                   {'s', FIELD_SECOND, 2},       {'A', FIELD_MILLI_OF_DAY, 19},      {'n', FIELD_NANO, 19},
                   {'N', FIELD_NANO_OF_DAY, 19}, {'g', FIELD_JULIAN_DAY, 19}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i].letter != letter) continue;
        if (n > numbers[i].most) return too_many(c, letter);
        if (numbers[i].most == 2)
            plain_number(c, numbers[i].field, n);
        else
            number(c, numbers[i].field, n, 19, letter == 'g' ? SIGN_NORMAL : SIGN_NEVER);
        return true;
    }
    return diag_set(c->d, DIAG_INVALID, "Unknown pattern letter: %c", letter);
}

static void add_literal(compiler *c, str text)
{
    if (text.n > 0) add(c, (step){.kind = STEP_LITERAL, .text = text});
}

/* A quoted text from its opening quote at i; returns the index behind the closing one, 0 when there is none. */
static size_t quoted(compiler *c, str pattern, size_t i)
{
    buf text = {0};
    size_t start = i++;
    bool closed = false;
    for (; i < pattern.n; i++) {
        if (pattern.p[i] == '\'') {
            if (i + 1 >= pattern.n || pattern.p[i + 1] != '\'') {
                closed = true;
                break;
            }
            i++;
        }
        buf_add_char(&text, pattern.p[i]);
    }
    if (closed) add_literal(c, i == start + 1 ? STR("'") : arena_str(c->a, buf_str(&text)));
    buf_free(&text);
    return closed ? i + 1 : 0;
}

static bool section(compiler *c, char bracket)
{
    if (bracket == '[') {
        if (c->depth == SECTIONS_MAX) return diag_set(c->d, DIAG_LIMIT, "more than %d nested sections", SECTIONS_MAX);
        int i = add(c, (step){.kind = STEP_OPTIONAL});
        c->sections[c->depth++] = i;
        return true;
    }
    if (c->depth == 0) return diag_set(c->d, DIAG_INVALID, "Pattern invalid as it contains ] without previous [");
    step_at(c, c->sections[--c->depth])->end = count(c);
    c->value = -1;
    c->pad = 0;
    return true;
}

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

static size_t run_length(str s, size_t i)
{
    size_t n = 1;
    while (i + n < s.n && s.p[i + n] == s.p[i]) n++;
    return n;
}

static bool compile(compiler *c, str pattern)
{
    for (size_t i = 0; i < pattern.n;) {
        char ch = pattern.p[i];
        if (is_letter(ch)) {
            size_t n = run_length(pattern, i);
            i += n;
            if (ch == 'p') {
                if (i >= pattern.n || !is_letter(pattern.p[i]))
                    return diag_set(c->d, DIAG_INVALID, "Pad letter 'p' must be followed by valid pad pattern: %.*s",
                                    STR_ARG(pattern));
                c->pad = (int)n;
                ch = pattern.p[i];
                n = run_length(pattern, i);
                i += n;
            }
            if (!add_letters(c, ch, (int)n)) return false;
        } else if (ch == '\'') {
            i = quoted(c, pattern, i);
            if (i == 0)
                return diag_set(c->d, DIAG_INVALID, "Pattern ends with an incomplete string literal: %.*s",
                                STR_ARG(pattern));
        } else if (ch == '[' || ch == ']') {
            if (!section(c, ch)) return false;
            i++;
        } else if (ch == '{' || ch == '}' || ch == '#') {
            return diag_set(c->d, DIAG_INVALID, "Pattern includes reserved character: '%c'", ch);
        } else {
            add_literal(c, arena_str(c->a, str_of(pattern.p + i, 1)));
            i++;
        }
    }
    while (c->depth > 0) section(c, ']');
    return true;
}

const datepattern *datepattern_compile(arena *a, str pattern, diag *d)
{
    if (pattern.n > PATTERN_MAX) {
        diag_set(d, DIAG_LIMIT, "a date pattern of %zu bytes is too long", pattern.n);
        return NULL;
    }
    compiler c = {.a = a, .d = d, .value = -1};
    datepattern *p = NULL;
    if (compile(&c, pattern)) {
        p = ARENA_NEW(a, datepattern);
        step *steps = ARENA_ARRAY(a, step, (size_t)count(&c));
        if (c.steps.len > 0) memcpy(steps, c.steps.data, c.steps.len);
        *p = (datepattern){arena_str(a, pattern), steps, count(&c)};
    }
    buf_free(&c.steps);
    return p;
}
