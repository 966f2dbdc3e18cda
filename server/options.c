#include "server/options.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/similar.h"

enum { WORD_MAX = 48 };

const char *options_nearest(const char *typed, const char *const *words)
{
    const char *best = NULL;
    similar guess = similar_begin(str_z(typed));
    for (; *words; words++) {
        if (similar_try(&guess, str_z(*words))) best = *words;
    }
    return best;
}

static bool unknown(const char *typed, str name, const option *table, diag *d)
{
    const char *names[64];
    char word[WORD_MAX + 1];
    size_t n = 0;
    for (; table[n].name && n < ARRAY_LEN(names) - 1; n++) names[n] = table[n].name;
    names[n] = NULL;
    diag_set(d, DIAG_INVALID, "unknown option '%s'", typed);
    if (name.n > WORD_MAX) return false;
    memcpy(word, name.p, name.n);
    word[name.n] = 0;
    const char *near = options_nearest(word, names);
    if (near) return diag_hint(d, "Did you mean '--%s'?", near);
    return diag_hint(d, "'--help' lists the options.");
}

static const option *find(const option *table, const char *typed, str *name, const char **value)
{
    *value = NULL;
    if (typed[1] == '-') {
        const char *equals = strchr(typed, '=');
        *name = str_of(typed + 2, equals ? (size_t)(equals - typed) - 2 : strlen(typed) - 2);
        if (equals) *value = equals + 1;
        for (; table->name; table++) {
            if (str_eqz(*name, table->name)) return table;
        }
        return NULL;
    }
    *name = str_z(typed + 1);
    for (; table->name; table++) {
        if (table->letter && table->letter == typed[1] && typed[2] == 0) return table;
    }
    return NULL;
}

static bool store(const option *o, const char *value, diag *d)
{
    if (o->kind == OPTION_TEXT) {
        *(const char **)o->target = value;
        return true;
    }
    option_list *list = o->target;
    if (list->count == OPTION_LIST_MAX) return diag_set(d, DIAG_LIMIT, "'--%s' is given too often", o->name);
    list->values[list->count++] = value;
    return true;
}

bool options_parse(int argc, char **argv, const option *table, const char **positional, int positional_max,
                   int *positional_len, diag *d)
{
    bool flags = true;
    *positional_len = 0;
    for (int i = 1; i < argc; i++) {
        const char *typed = argv[i], *value;
        str name;
        if (flags && strcmp(typed, "--") == 0) {
            flags = false;
            continue;
        }
        if (!flags || typed[0] != '-' || typed[1] == 0) {
            if (*positional_len == positional_max) {
                return diag_set(d, DIAG_INVALID, "'%s' is one argument too many", typed);
            }
            positional[(*positional_len)++] = typed;
            continue;
        }
        const option *o = find(table, typed, &name, &value);
        if (!o) return unknown(typed, name, table, d);
        if (o->kind == OPTION_FLAG) {
            if (value) return diag_set(d, DIAG_INVALID, "'--%s' takes no value", o->name);
            *(bool *)o->target = true;
            continue;
        }
        if (!value) {
            if (i + 1 == argc) return diag_set(d, DIAG_INVALID, "'--%s' needs a value: %s", o->name, o->argument);
            value = argv[++i];
        }
        if (!store(o, value, d)) return false;
    }
    return true;
}

void options_help(const option *table, buf *out)
{
    for (; table->name; table++) {
        char left[64];
        int n = table->letter ? snprintf(left, sizeof left, "-%c, --%s", table->letter, table->name)
                              : snprintf(left, sizeof left, "    --%s", table->name);
        if (table->argument && n < (int)sizeof left) {
            snprintf(left + n, sizeof left - (size_t)n, " %s", table->argument);
        }
        buf_printf(out, "  %-28s %s\n", left, table->help);
    }
}
