#include <ctype.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "repl/session.h"
#include "repl/split.h"

enum { CANDIDATES_MAX = 2000, FRESH_MS = 10000 };

/* The words of the language that people type; the server has the full list. */
static const char *const keywords[] = {
    "ADD",          "ALL",        "ALTER",     "AND",    "ARRAY",      "AS",          "ASSERT",   "BEGINNING",
    "BETWEEN",      "BIGINT",     "BOOLEAN",   "BY",     "BYTES",      "CASE",        "CAST",     "CHANGES",
    "COLUMN",       "CONNECTORS", "CREATE",    "DATE",   "DAYS",       "DECIMAL",     "DEFINE",   "DELETE",
    "DESCRIBE",     "DISTINCT",   "DOUBLE",    "DROP",   "ELSE",       "EMIT",        "END",      "ESCAPE",
    "EXISTS",       "EXPLAIN",    "EXTENDED",  "FALSE",  "FINAL",      "FROM",        "FULL",     "FUNCTION",
    "FUNCTIONS",    "GRACE",      "GROUP",     "HAVING", "HEADER",     "HEADERS",     "HOPPING",  "HOURS",
    "IF",           "IN",         "INNER",     "INSERT", "INT",        "INTEGER",     "INTERVAL", "INTO",
    "IS",           "JOIN",       "KEY",       "LEFT",   "LIKE",       "LIMIT",       "LIST",     "MAP",
    "MILLISECONDS", "MINUTES",    "NOT",       "NULL",   "ON",         "OR",          "OUTER",    "PARTITION",
    "PAUSE",        "PERIOD",     "PRIMARY",   "PRINT",  "PROPERTIES", "QUERIES",     "REPLACE",  "RESUME",
    "RETENTION",    "RIGHT",      "RUN",       "SAMPLE", "SCRIPT",     "SECONDS",     "SELECT",   "SESSION",
    "SET",          "SHOW",       "SIZE",      "SOURCE", "STREAM",     "STREAMS",     "STRING",   "STRUCT",
    "TABLE",        "TABLES",     "TERMINATE", "THEN",   "TIME",       "TIMESTAMP",   "TOPIC",    "TOPICS",
    "TRUE",         "TUMBLING",   "TYPE",      "TYPES",  "UNDEFINE",   "UNSET",       "VALUES",   "VARCHAR",
    "VARIABLES",    "WHEN",       "WHERE",     "WINDOW", "WINDOWEND",  "WINDOWSTART", "WITH",     "WITHIN",
};

/* What a name stands for. */
typedef enum name_kind {
    NAME_SOURCE = 1,
    NAME_COLUMN = 2,
    NAME_FUNCTION = 4,
    NAME_TOPIC = 8,
    NAME_QUERY = 16
} name_kind;

typedef struct known {
    const char *text;
    int kinds;
} known;

struct completer {
    session *s;
    arena *mem; /* names from the server */
    known *names;
    size_t names_len, names_cap;
    int64_t asked_ms;
    const char *found[CANDIDATES_MAX];
};

completer *completer_new(session *s)
{
    completer *c = calloc(1, sizeof *c);
    check(c);
    c->s = s;
    c->mem = arena_new();
    s->names_stale = true;
    return c;
}

void completer_free(completer *c)
{
    if (!c) return;
    arena_free(c->mem);
    free(c->names);
    free(c);
}

/* Whether a name can be written without quotes. */
static bool is_bare(str name)
{
    if (name.n == 0 || isdigit((unsigned char)name.p[0])) return false;
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];
        if (!(ch >= 'A' && ch <= 'Z') && !(ch >= '0' && ch <= '9') && ch != '_') return false;
    }
    return true;
}

static void add(completer *c, const json_value *name, int kinds)
{
    str text;
    if (!json_as_str(name, &text)) return;
    if (kinds & (NAME_SOURCE | NAME_COLUMN) && !is_bare(text)) text = arena_printf(c->mem, "`%.*s`", STR_ARG(text));
    for (size_t i = 0; i < c->names_len; i++) {
        if (!str_eqz(text, c->names[i].text)) continue;
        c->names[i].kinds |= kinds;
        return;
    }
    if (c->names_len == c->names_cap) {
        c->names_cap = c->names_cap ? c->names_cap * 2 : 256;
        c->names = realloc(c->names, c->names_cap * sizeof *c->names);
        check(c->names);
    }
    c->names[c->names_len++] = (known){arena_strz(c->mem, text), kinds};
}

static void add_members(completer *c, const json_value *list, const char *member, int kinds)
{
    for (uint32_t i = 0; list && i < list->count; i++) add(c, json_getz(&list->items[i], member), kinds);
}

static void take_entity(completer *c, const json_value *e)
{
    const json_value *sources = json_getz(e, "sourceDescriptions");
    for (uint32_t i = 0; sources && i < sources->count; i++) {
        add(c, json_getz(&sources->items[i], "name"), NAME_SOURCE);
        add_members(c, json_getz(&sources->items[i], "fields"), "name", NAME_COLUMN);
    }
    add_members(c, json_getz(e, "functions"), "name", NAME_FUNCTION);
    add_members(c, json_getz(e, "topics"), "name", NAME_TOPIC);
    add_members(c, json_getz(e, "queries"), "id", NAME_QUERY);
}

/*
 * Asks the server again when something may have changed. Each list by itself: one that fails spoils none of the
 * others.
 */
static void refresh(completer *c)
{
    static const char *const questions[] = {"SHOW STREAMS EXTENDED;", "SHOW TABLES EXTENDED;", "SHOW FUNCTIONS;",
                                            "SHOW TOPICS;", "SHOW QUERIES;"};
    int64_t now = clock_mono_ns() / 1000000;
    if (!c->s->names_stale && now - c->asked_ms < FRESH_MS) return;
    c->s->names_stale = false;
    c->asked_ms = now;
    c->names_len = 0;
    arena_reset(c->mem);
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        arena *mem = arena_new();
        session_result result;
        const json_value *entities = session_ask(c->s, str_z(questions[i]), true, mem, &result);
        for (uint32_t k = 0; entities && k < entities->count; k++) take_entity(c, &entities->items[k]);
        arena_free(mem);
    }
}

static bool word_char(char ch)
{
    return isalnum((unsigned char)ch) || ch == '_' || ch == '`' || ch == '-' || (ch & 0x80);
}

/* The last word before `at`. */
static str word_before(str text, size_t at)
{
    while (at > 0 && isspace((unsigned char)text.p[at - 1])) at--;
    size_t end = at;
    while (at > 0 && word_char(text.p[at - 1])) at--;
    return str_of(text.p + at, end - at);
}

/* What may stand behind a word. */
static int wanted_after(str word)
{
    static const struct {
        const char *word;
        int kinds;
    } rules[] = {
        {"FROM", NAME_SOURCE},     {"JOIN", NAME_SOURCE},  {"INTO", NAME_SOURCE},  {"DESCRIBE", NAME_SOURCE},
        {"STREAM", NAME_SOURCE},   {"TABLE", NAME_SOURCE}, {"PRINT", NAME_TOPIC},  {"FUNCTION", NAME_FUNCTION},
        {"TERMINATE", NAME_QUERY}, {"PAUSE", NAME_QUERY},  {"RESUME", NAME_QUERY}, {"EXPLAIN", NAME_QUERY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (str_ieq(word, str_z(rules[i].word))) return rules[i].kinds;
    }
    return NAME_SOURCE | NAME_COLUMN | NAME_FUNCTION;
}

static bool begins(const char *candidate, str typed)
{
    size_t n = strlen(candidate);
    return n >= typed.n && str_ieq(str_of(candidate, typed.n), typed);
}

static void offer(completer *c, size_t *count, const char *text, str typed)
{
    if (*count == CANDIDATES_MAX || !begins(text, typed)) return;
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(c->found[i], text) == 0) return;
    }
    c->found[(*count)++] = text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t completer_find(void *arg, str text, size_t cursor, size_t *start, const char *const **out)
{
    completer *c = arg;
    size_t at = cursor, count = 0;
    while (at > 0 && word_char(text.p[at - 1])) at--;
    str typed = str_of(text.p + at, cursor - at);
    str before = word_before(text, at);
    bool first = str_trim(str_of(text.p, at)).n == 0;
    *start = at;
    *out = c->found;
    refresh(c);
    int kinds = wanted_after(before);
    for (size_t i = 0; i < c->names_len && !first; i++) {
        if (c->names[i].kinds & kinds) offer(c, &count, c->names[i].text, typed);
    }
    bool names_only = kinds == NAME_SOURCE || kinds == NAME_TOPIC || kinds == NAME_QUERY;
    bool named = names_only && count > 0 && typed.n > 0;
    for (size_t i = 0; i < ARRAY_LEN(keywords) && !named && (typed.n > 0 || !names_only); i++) {
        offer(c, &count, keywords[i], typed);
    }
    for (const char *const *name = command_names(); first && *name; name++) offer(c, &count, *name, typed);
    qsort(c->found, count, sizeof *c->found, by_text);
    return count;
}
