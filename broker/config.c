#include "broker/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const config_def *find(const config_def *defs, size_t n, str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eqz(name, defs[i].name)) return &defs[i];
    return NULL;
}

const config_def *config_topic_def(str name)
{
    return find(config_topic_defs, config_topic_defs_len, name);
}

const config_def *config_group_def(str name)
{
    return find(config_group_defs, config_group_defs_len, name);
}

const config_def *config_broker_def(str name)
{
    return find(config_broker_defs, config_broker_defs_len, name);
}

static bool is_allowed(const char *allowed, str value)
{
    str rest = str_z(allowed);
    while (rest.n > 0) {
        ptrdiff_t bar = str_find(rest, STR("|"), 0);
        size_t n = bar < 0 ? rest.n : (size_t)bar;
        if (str_eq(str_of(rest.p, n), value)) return true;
        rest = bar < 0 ? STR("") : str_of(rest.p + n + 1, rest.n - n - 1);
    }
    return false;
}

static bool bad_value(const config_def *def, str value, const char *why, diag *d)
{
    return diag_set(d, DIAG_INVALID, "Invalid value %.*s for configuration %s: %s", STR_ARG(value), def->name, why);
}

static bool check_number(const config_def *def, str value, diag *d)
{
    int64_t v;
    if (!str_to_i64(str_trim(value), &v)) {
        const char *kind = def->type == CONFIG_LONG ? "LONG" : def->type == CONFIG_SHORT ? "SHORT" : "INT";
        return diag_set(d, DIAG_INVALID, "Invalid value %.*s for configuration %s: Not a number of type %s",
                        STR_ARG(value), def->name, kind);
    }
    if (v == 0 && def->nonzero) return bad_value(def, value, "Value must not be 0", d);
    if (v < def->min) {
        return diag_set(d, DIAG_INVALID, "Invalid value %lld for configuration %s: Value must be at least %lld",
                        (long long)v, def->name, (long long)def->min);
    }
    if (v > def->max) {
        return diag_set(d, DIAG_INVALID, "Invalid value %lld for configuration %s: Value must be no more than %lld",
                        (long long)v, def->name, (long long)def->max);
    }
    return true;
}

/* "partition:broker", as the lists of throttled replicas have them. */
static bool is_replica(str item)
{
    ptrdiff_t colon = str_find(item, STR(":"), 0);
    for (size_t i = 0; i < item.n; i++)
        if ((ptrdiff_t)i != colon && (item.p[i] < '0' || item.p[i] > '9')) return false;
    return item.n == 0 || (colon > 0 && (size_t)colon + 1 < item.n);
}

/* Whether one of the items before `at` is the same. */
static bool named_before(str value, str item, const char *at)
{
    str rest = str_of(value.p, (size_t)(at - value.p));
    while (rest.n > 0) {
        ptrdiff_t comma = str_find(rest, STR(","), 0);
        size_t n = comma < 0 ? rest.n : (size_t)comma;
        if (str_eq(str_trim(str_of(rest.p, n)), item)) return true;
        rest = comma < 0 ? STR("") : str_of(rest.p + n + 1, rest.n - n - 1);
    }
    return false;
}

static bool check_list(const config_def *def, str value, diag *d)
{
    str rest = value;
    if (def->replicas && str_eqz(str_trim(value), "*")) return true;
    while (rest.n > 0) {
        ptrdiff_t comma = str_find(rest, STR(","), 0);
        size_t n = comma < 0 ? rest.n : (size_t)comma;
        str item = str_trim(str_of(rest.p, n));
        if (def->replicas && !is_replica(item)) {
            return bad_value(def, value, "it must be '*' or a list of [partitionId]:[brokerId]", d);
        }
        if (def->allowed && named_before(value, item, rest.p)) {
            return bad_value(def, value, "Values must not be named twice", d);
        }
        if (def->allowed && !is_allowed(def->allowed, item)) {
            return diag_set(d, DIAG_INVALID, "Invalid value %.*s for configuration %s: String must be one of: %s",
                            STR_ARG(item), def->name, def->allowed);
        }
        rest = comma < 0 ? STR("") : str_of(rest.p + n + 1, rest.n - n - 1);
    }
    return true;
}

bool config_check(const config_def *def, str value, diag *d)
{
    double f;
    switch (def->type) {
    case CONFIG_BOOLEAN:
        if (str_ieq(str_trim(value), STR("true")) || str_ieq(str_trim(value), STR("false"))) return true;
        return bad_value(def, value, "Expected value to be either true or false", d);
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG: return check_number(def, value, d);
    case CONFIG_DOUBLE:
        if (!str_to_f64(str_trim(value), &f)) return bad_value(def, value, "Not a number of type DOUBLE", d);
        if (!(f * 1000 >= (double)def->min && f * 1000 <= (double)def->max)) {
            return bad_value(def, value, "Value is out of range", d);
        }
        return true;
    case CONFIG_LIST: return check_list(def, value, d);
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        if (def->allowed && !is_allowed(def->allowed, value)) {
            return diag_set(d, DIAG_INVALID, "Invalid value %.*s for configuration %s: String must be one of: %s",
                            STR_ARG(value), def->name, def->allowed);
        }
        return true;
    }
    check_unreachable();
}

bool config_topic_check(const config_view *v, diag *d)
{
    int64_t least = config_topic_i64(v, "min.compaction.lag.ms"), most = config_topic_i64(v, "max.compaction.lag.ms");
    if (least > most) {
        return diag_set(d, DIAG_INVALID,
                        "conflict topic config setting min.compaction.lag.ms (%lld) > max.compaction.lag.ms (%lld)",
                        (long long)least, (long long)most);
    }
    const char *remote = config_set_get(v->topic, config_topic_def(STR("remote.storage.enable")));
    if (!remote || !str_ieq(str_trim(str_z(remote)), STR("true"))) return true;
    return diag_set(d, DIAG_INVALID, "Tiered Storage functionality is disabled in the broker. Topic cannot be "
                                     "configured with remote log storage.");
}

void config_set_free(config_set *s)
{
    for (size_t i = 0; i < s->len; i++) free(s->entries[i].value);
    free(s->entries);
    *s = (config_set){0};
}

const char *config_set_get(const config_set *s, const config_def *def)
{
    for (size_t i = 0; s && i < s->len; i++)
        if (s->entries[i].def == def) return s->entries[i].value;
    return NULL;
}

static char *copy_value(str value)
{
    char *p = malloc(value.n + 1);
    check(p);
    if (value.n > 0) memcpy(p, value.p, value.n);
    p[value.n] = '\0';
    return p;
}

void config_set_put(config_set *s, const config_def *def, str value)
{
    char *copy = copy_value(value);
    for (size_t i = 0; i < s->len; i++) {
        if (s->entries[i].def != def) continue;
        free(s->entries[i].value);
        s->entries[i].value = copy;
        return;
    }
    if (s->len == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4;
        s->entries = realloc(s->entries, s->cap * sizeof s->entries[0]);
        check(s->entries);
    }
    s->entries[s->len].def = def;
    s->entries[s->len++].value = copy;
}

void config_set_remove(config_set *s, const config_def *def)
{
    for (size_t i = 0; i < s->len; i++) {
        if (s->entries[i].def != def) continue;
        free(s->entries[i].value);
        memmove(&s->entries[i], &s->entries[i + 1], (s->len - i - 1) * sizeof s->entries[0]);
        s->len--;
        return;
    }
}

config_set config_set_copy(const config_set *s)
{
    config_set copy = {0};
    for (size_t i = 0; i < s->len; i++) config_set_put(&copy, s->entries[i].def, str_z(s->entries[i].value));
    return copy;
}

const char *config_broker_value(const config_view *v, const config_def *def, config_source *source)
{
    const char *value;
    if ((value = config_set_get(v->dynamic, def)))
        *source = CONFIG_FROM_DYNAMIC_BROKER;
    else if ((value = config_set_get(v->fallback, def)))
        *source = CONFIG_FROM_DYNAMIC_DEFAULT;
    else if ((value = config_set_get(v->fixed, def)))
        *source = CONFIG_FROM_STATIC;
    else {
        value = def->initial;
        *source = CONFIG_FROM_DEFAULT;
    }
    return value;
}

const char *config_topic_value(const config_view *v, const config_def *def, arena *a, config_source *source)
{
    const char *value = config_set_get(v->topic, def);
    if (value) {
        *source = CONFIG_FROM_TOPIC;
        return value;
    }
    for (int i = 0; i < 3 && def->broker[i]; i++) {
        const config_def *broker = config_broker_def(str_z(def->broker[i]));
        check(broker);
        value = config_broker_value(v, broker, source);
        if (!value || *source == CONFIG_FROM_DEFAULT) continue;
        int64_t number;
        if (def->factor[i] == 0 || !str_to_i64(str_z(value), &number)) return value;
        if (number < 0) return "-1";
        return arena_printf(a, "%lld", (long long)(number * def->factor[i])).p;
    }
    *source = CONFIG_FROM_DEFAULT;
    return def->initial;
}

int64_t config_broker_i64(const config_view *v, const char *name)
{
    const config_def *def = config_broker_def(str_z(name));
    check(def);
    config_source source;
    int64_t number = 0;
    const char *value = config_broker_value(v, def, &source);
    check(value && str_to_i64(str_trim(str_z(value)), &number));
    return number;
}

bool config_broker_bool(const config_view *v, const char *name)
{
    const config_def *def = config_broker_def(str_z(name));
    check(def && def->type == CONFIG_BOOLEAN);
    config_source source;
    return str_ieq(str_trim(str_z(config_broker_value(v, def, &source))), STR("true"));
}

int64_t config_topic_i64(const config_view *v, const char *name)
{
    const config_def *def = config_topic_def(str_z(name));
    check(def);
    config_source source;
    int64_t number = 0;
    arena *a = arena_new();
    const char *value = config_topic_value(v, def, a, &source);
    bool ok = value && str_to_i64(str_trim(str_z(value)), &number);
    arena_free(a);
    check(ok);
    return number;
}
