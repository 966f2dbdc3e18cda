#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "base/utf8.h"

enum {
    MATCH_LIMIT = 10000000, /* steps of one match; a second or so at the worst */
    HEAP_LIMIT_KIB = 64 * 1024, /* memory of one match without the JIT */
    JIT_STACK_MAX = 1024 * 1024,
    PATTERN_MAX = 64 * 1024,
    NAME_MAX_LENGTH = 64,
};

struct regex {
    pcre2_code *code;
    int groups;
    bool jit;
};

struct regex_match {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint32_t pairs; /* room in data */
    str subject;
    int count; /* groups that the last match set, 0 without one */
};

/* Java's ASCII classes, which PCRE2 knows by their POSIX names. */
static const char *posix_class(str name)
{
    static const char *names[][2] = {{"Lower", "lower"}, {"Upper", "upper"}, {"ASCII", "ascii"}, {"Alpha", "alpha"},
                                     {"Digit", "digit"}, {"Alnum", "alnum"}, {"Punct", "punct"}, {"Graph", "graph"},
                                     {"Print", "print"}, {"Blank", "blank"}, {"Cntrl", "cntrl"}, {"XDigit", "xdigit"},
                                     {"Space", "space"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqz(name, names[i][0])) return names[i][1];
    return NULL;
}

/* \p{Name} and \P{Name} with the brace at in.p[i]; returns the index of the closing one. */
static size_t translate_property(str in, size_t i, bool negative, bool in_class, buf *out)
{
    ptrdiff_t close = str_find(in, STR("}"), i);
    if (close < 0) {
        buf_add_z(out, negative ? "\\P{" : "\\p{"); /* PCRE2 refuses it */
        return i;
    }
    str name = str_of(in.p + i + 1, (size_t)close - i - 1);
    const char *posix = posix_class(name);
    if (posix) {
        buf_printf(out, in_class ? "[:%s%s:]" : "[[:%s%s:]]", negative ? "^" : "", posix);
    } else {
        /* IsLatin and the like are scripts and categories, whose names PCRE2 takes without the prefix. */
        if (str_starts(name, STR("Is"))) name = str_of(name.p + 2, name.n - 2);
        buf_printf(out, "\\%c{%.*s}", negative ? 'P' : 'p', STR_ARG(name));
    }
    return (size_t)close;
}

/* One escape with its letter at in.p[i]; returns the index of its last byte. */
static size_t translate_escape(str in, size_t i, bool in_class, buf *out)
{
    char c = in.p[i];
    if (c == 'Q') {
        ptrdiff_t end = str_find(in, STR("\\E"), i + 1);
        size_t stop = end < 0 ? in.n : (size_t)end + 2;
        buf_add(out, in.p + i - 1, stop - i + 1);
        return stop - 1;
    }
    if (c == 'u' && in.n - i > 4) {
        buf_printf(out, "\\x{%.4s}", in.p + i + 1);
        return i + 4;
    }
    if (c == '0') {
        size_t n = 0;
        while (n < 3 && i + 1 + n < in.n && in.p[i + 1 + n] >= '0' && in.p[i + 1 + n] <= '7') n++;
        if (n == 3 && in.p[i + 1] > '3') n = 2;
        buf_printf(out, "\\o{%.*s}", (int)n, in.p + i + 1);
        return i + n;
    }
    if ((c == 'p' || c == 'P') && i + 1 < in.n && in.p[i + 1] == '{')
        return translate_property(in, i + 1, c == 'P', in_class, out);
    buf_add(out, in.p + i - 1, 2);
    return i;
}

/* "(?" with letters behind it: flags. d and u change nothing that is supported here; U means another thing in PCRE2. */
static bool translate_flags(str in, size_t *i, buf *out, diag *d)
{
    size_t end = *i + 2;
    while (end < in.n && (in.p[end] == '-' || (in.p[end] >= 'a' && in.p[end] <= 'z') || in.p[end] == 'U')) end++;
    if (end >= in.n || (in.p[end] != ')' && in.p[end] != ':')) return true;
    for (size_t k = *i; k < end; k++) {
        if (in.p[k] == 'U')
            return diag_set(d, DIAG_INVALID, "the flag (?U) is not supported in regular expressions, at %zu", k);
        if (in.p[k] != 'd' && in.p[k] != 'u') buf_add_char(out, in.p[k]);
    }
    *i = end;
    return true;
}

/*
 * Java's dialect in PCRE2's terms. A nested class [a[b]] and the intersection && have no counterpart and are refused
 * rather than read as something else.
 */
static bool translate(str in, buf *out, diag *d)
{
    bool in_class = false;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i], next = i + 1 < in.n ? in.p[i + 1] : 0;
        if (c == '\\' && i + 1 < in.n) {
            i = translate_escape(in, i + 1, in_class, out);
            continue;
        }
        if (in_class && c == '[')
            return diag_set(d, DIAG_INVALID,
                            "nested character classes are not supported in regular expressions, at %zu", i);
        if (in_class && c == '&' && next == '&')
            return diag_set(d, DIAG_INVALID,
                            "class intersections (&&) are not supported in regular expressions, at %zu", i);
        if (!in_class && c == '(' && next == '?') {
            if (!translate_flags(in, &i, out, d)) return false;
            c = in.p[i];
        }
        buf_add_char(out, c);
        if (c == '[') {
            in_class = true;
            /* Right behind the opening, a bracket does not close. */
            if (i + 1 < in.n && in.p[i + 1] == '^') buf_add_char(out, in.p[++i]);
            if (i + 1 < in.n && in.p[i + 1] == ']') buf_add_char(out, in.p[++i]);
        } else if (c == ']') {
            in_class = false;
        }
    }
    return true;
}

regex *regex_compile(str pattern, diag *d)
{
    if (pattern.n > PATTERN_MAX) {
        diag_set(d, DIAG_LIMIT, "a regular expression of %zu bytes is too long", pattern.n);
        return NULL;
    }
    if (!utf8_valid(pattern)) {
        diag_set(d, DIAG_INVALID, "a regular expression is not valid UTF-8");
        return NULL;
    }
    buf text = {0};
    if (!translate(pattern, &text, d)) {
        buf_free(&text);
        return NULL;
    }
    int error;
    PCRE2_SIZE at;
    /* The dot and the anchors know the line ends of Unicode, as Java's do; \d \w \s are ASCII, as Java's are. */
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    check(context != NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
    pcre2_set_parens_nest_limit(context, 200);
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)buf_z(&text), text.len, options, &error, &at, context);
    pcre2_compile_context_free(context);
    buf_free(&text);
    if (!code) {
        char message[200];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        int n = pattern.n > 200 ? 200 : (int)pattern.n;
        diag_set(d, DIAG_INVALID, "Invalid regular expression '%.*s': %s near index %zu", n, pattern.p, message,
                 (size_t)at);
        return NULL;
    }
    regex *r = calloc(1, sizeof *r);
    check(r != NULL);
    uint32_t groups;
    check(pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups) == 0);
    *r = (regex){code, (int)groups, pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0};
    return r;
}

void regex_free(regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    free(r);
}

int regex_groups(const regex *r)
{
    return r->groups;
}

regex_match *regex_match_new(void)
{
    regex_match *m = calloc(1, sizeof *m);
    check(m != NULL);
    m->context = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
    check(m->context != NULL && m->stack != NULL);
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return m;
}

void regex_match_free(regex_match *m)
{
    if (!m) return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

/* Room for the groups of r. */
static void fit(regex_match *m, const regex *r)
{
    uint32_t need = (uint32_t)r->groups + 1;
    if (m->pairs >= need) return;
    pcre2_match_data_free(m->data);
    m->data = pcre2_match_data_create(need, NULL);
    check(m->data != NULL);
    m->pairs = need;
}

static regex_result search(const regex *r, regex_match *m, str subject, size_t from, uint32_t options, diag *d)
{
    check(from <= subject.n);
    fit(m, r);
    m->count = 0;
    m->subject = subject;
    int rc = pcre2_match(r->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.n, from,
                         options | PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (rc > 0) {
        m->count = rc;
        return REGEX_FOUND;
    }
    if (rc == PCRE2_ERROR_NOMATCH) return REGEX_NONE;
    char message[200];
    pcre2_get_error_message(rc, (PCRE2_UCHAR *)message, sizeof message);
    diag_set(d, DIAG_LIMIT, "a regular expression gave up: %s", message);
    return REGEX_FAILED;
}

regex_result regex_find(const regex *r, regex_match *m, str subject, size_t from, diag *d)
{
    return search(r, m, subject, from, 0, d);
}

regex_result regex_matches(const regex *r, regex_match *m, str subject, diag *d)
{
    return search(r, m, subject, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, d);
}

bool regex_group(const regex_match *m, int i, str *out)
{
    if (i < 0 || i >= m->count) return false;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->data);
    if (v[2 * i] == PCRE2_UNSET) return false;
    /* \K in a look-ahead can put the start behind the end. */
    size_t start = v[2 * i] < v[2 * i + 1] ? v[2 * i] : v[2 * i + 1];
    *out = str_of(m->subject.p + start, v[2 * i + 1] - start);
    return true;
}

void regex_span(const regex_match *m, size_t *start, size_t *end)
{
    check(m->count > 0);
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->data);
    *end = v[1];
    *start = v[0] < v[1] ? v[0] : v[1];
}

size_t regex_next(const regex_match *m, str subject)
{
    size_t start, end;
    regex_span(m, &start, &end);
    if (end > start || end >= subject.n) return end > start ? end : end + 1;
    size_t next = end + 1;
    while (next < subject.n && ((unsigned char)subject.p[next] & 0xc0) == 0x80) next++;
    return next;
}

/* ${name} at p, which is behind the brace; the group's number, or -1. */
static int named_group(const regex *r, str name)
{
    char z[NAME_MAX_LENGTH];
    if (name.n == 0 || name.n >= sizeof z) return -1;
    memcpy(z, name.p, name.n);
    z[name.n] = 0;
    int n = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)z);
    return n > 0 ? n : -1;
}

/* $n takes further digits as long as the number names a group (Matcher.appendReplacement). */
static int numbered_group(const regex *r, str s, size_t *i)
{
    if (*i >= s.n || (unsigned char)(s.p[*i] - '0') > 9) return -1;
    int v = s.p[(*i)++] - '0';
    while (*i < s.n && (unsigned char)(s.p[*i] - '0') <= 9) {
        int more = v * 10 + (s.p[*i] - '0');
        if (more > r->groups) break;
        v = more;
        ++*i;
    }
    return v <= r->groups ? v : -1;
}

static bool put_replacement(const regex *r, const regex_match *m, str s, buf *out, diag *d)
{
    for (size_t i = 0; i < s.n;) {
        char c = s.p[i++];
        if (c == '\\') {
            if (i == s.n) return diag_set(d, DIAG_INVALID, "character to be escaped is missing");
            buf_add_char(out, s.p[i++]);
            continue;
        }
        if (c != '$') {
            buf_add_char(out, c);
            continue;
        }
        int group;
        if (i < s.n && s.p[i] == '{') {
            ptrdiff_t close = str_find(s, STR("}"), i);
            if (close < 0) return diag_set(d, DIAG_INVALID, "named capturing group is missing trailing '}'");
            group = named_group(r, str_of(s.p + i + 1, (size_t)close - i - 1));
            i = (size_t)close + 1;
        } else {
            group = numbered_group(r, s, &i);
        }
        if (group < 0)
            return diag_set(d, DIAG_INVALID, "illegal group reference in the replacement '%.*s'", STR_ARG(s));
        str text;
        if (regex_group(m, group, &text)) buf_add_str(out, text);
    }
    return true;
}

bool regex_replace_all(const regex *r, regex_match *m, str subject, str replacement, buf *out, diag *d)
{
    size_t from = 0, copied = 0;
    while (from <= subject.n) {
        regex_result found = regex_find(r, m, subject, from, d);
        if (found == REGEX_FAILED) return false;
        if (found == REGEX_NONE) break;
        size_t start, end;
        regex_span(m, &start, &end);
        if (start > copied) buf_add(out, subject.p + copied, start - copied);
        if (!put_replacement(r, m, replacement, out, d)) return false;
        copied = end;
        from = regex_next(m, subject);
    }
    if (copied < subject.n) buf_add(out, subject.p + copied, subject.n - copied);
    return true;
}

/* ---- the cache ---- */

typedef struct cache_entry {
    regex *r;
    str text; /* the map's key is a copy of its own */
    uint64_t used;
} cache_entry;

struct regex_cache {
    map entries;
    size_t capacity;
    uint64_t now;
};

regex_cache *regex_cache_new(size_t capacity)
{
    regex_cache *c = calloc(1, sizeof *c);
    check(c != NULL && capacity > 0);
    c->capacity = capacity;
    return c;
}

static void entry_free(cache_entry *e)
{
    regex_free(e->r);
    free((void *)(uintptr_t)e->text.p);
    free(e);
}

void regex_cache_free(regex_cache *c)
{
    if (!c) return;
    void *e;
    for (size_t it = 0; map_next(&c->entries, &it, NULL, &e);) entry_free(e);
    map_free(&c->entries);
    free(c);
}

/* Drops the entry that was used longest ago; the cache is small, so a walk is fine where a compilation follows. */
static void drop_oldest(regex_cache *c)
{
    cache_entry *oldest = NULL;
    void *e;
    for (size_t it = 0; map_next(&c->entries, &it, NULL, &e);)
        if (!oldest || ((cache_entry *)e)->used < oldest->used) oldest = e;
    map_remove(&c->entries, oldest->text);
    entry_free(oldest);
}

const regex *regex_cache_get(regex_cache *c, str pattern, diag *d)
{
    cache_entry *e = map_get(&c->entries, pattern);
    if (!e) {
        regex *r = regex_compile(pattern, d);
        if (!r) return NULL;
        if (map_count(&c->entries) >= c->capacity) drop_oldest(c);
        e = calloc(1, sizeof *e);
        char *text = malloc(pattern.n + 1);
        check(e != NULL && text != NULL);
        if (pattern.n) memcpy(text, pattern.p, pattern.n);
        *e = (cache_entry){r, {text, pattern.n}, 0};
        map_put(&c->entries, pattern, e);
    }
    e->used = ++c->now;
    return e->r;
}
