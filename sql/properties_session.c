#include "sql/properties.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/similar.h"
#include "sql/catalog.h"

/* Sorted by name. What is not editable belongs to the server; SET of it is refused. */
static const setting_info infos[] = {
    {"auto.offset.reset", "latest", "where a new query starts to read a stream: earliest or latest", true},
    {"buffered.records.per.partition", "1000", "records that are buffered per partition", true},
    {"cache.max.bytes.buffering", "10000000", "changes of a key within a commit are emitted once; 0: every change",
     true},
    {"commit.interval.ms", "2000", "longest time between two commits under load", true},
    {"ksql.cast.strings.preserve.nulls", "true", "CAST(NULL AS STRING) is NULL", true},
    {"ksql.create.or.replace.enabled", "true", "CREATE OR REPLACE is allowed", true},
    {"ksql.create.topic.inherit.source.replicas.enabled", "true", "a sink takes the replica count of its source", true},
    {"ksql.extension.dir", "ext", "folder of extensions", false},
    {"ksql.fail.on.deserialization.error", "false", "a record that cannot be read stops its query", true},
    {"ksql.fail.on.production.error", "true", "a record that cannot be written stops its query", true},
    {"ksql.functions.collect_list.limit", "-1", "most elements that COLLECT_LIST keeps; negative: all", true},
    {"ksql.functions.collect_set.limit", "-1", "most elements that COLLECT_SET keeps; negative: all", true},
    {"ksql.functions.substring.legacy.args", "false", "kept for compatibility", true},
    {"ksql.headers.columns.enabled", "true", "HEADERS columns are allowed", false},
    {"ksql.hidden.topics", NULL, "topics that SHOW TOPICS leaves out", false},
    {"ksql.insert.into.values.enabled", "true", "INSERT INTO ... VALUES is allowed", true},
    {"ksql.lambdas.enabled", "true", "lambda functions are allowed", true},
    {"ksql.nested.error.set.null", "true", "an error inside an argument nulls that argument only", true},
    {"ksql.new.query.planner.enabled", "false", "kept for compatibility", true},
    {"ksql.output.topic.name.prefix", "", "put before the name of a topic that is made for a sink", true},
    {"ksql.persistence.default.format.key", "KAFKA", "key format when none is given", true},
    {"ksql.persistence.default.format.value", NULL, "value format when none is given", true},
    {"ksql.persistence.wrap.single.values", NULL, "a single value column is written as a record", true},
    {"ksql.pull.queries.enable", "true", "pull queries are answered", false},
    {"ksql.query.persistent.active.limit", "2147483647", "most persistent queries", false},
    {"ksql.query.pull.limit.clause.enabled", "true", "LIMIT in pull queries", true},
    {"ksql.query.pull.max.allowed.offset.lag", "9223372036854775807", "lag at which a pull query is refused", true},
    {"ksql.query.pull.range.scan.enabled", "true", "pull queries over ranges of keys", true},
    {"ksql.query.pull.stream.enabled", "true", "pull queries over streams", true},
    {"ksql.query.pull.table.scan.enabled", "true", "pull queries that read whole tables", true},
    {"ksql.query.push.v2.enabled", "true", "names stateless push queries over a query's result as scalable", true},
    {"ksql.query.retry.backoff.initial.ms", "15000", "first pause before a failed query is started again", true},
    {"ksql.query.retry.backoff.max.ms", "900000", "longest such pause", true},
    {"ksql.readonly.topics", NULL, "topics that statements may not write", false},
    {"ksql.schema.registry.url", "", "schema registry", false},
    {"ksql.service.id", "default_", "prefix of internal names", false},
    {"ksql.sink.partitions", NULL, "kept for compatibility", true},
    {"ksql.sink.replicas", NULL, "kept for compatibility", true},
    {"ksql.sink.window.change.log.additional.retention", "1000000", "added to the retention of windowed state, ms",
     true},
    {"ksql.source.table.materialization.enabled", "true", "SOURCE TABLEs are materialised", false},
    {"ksql.suppress.enabled", "true", "EMIT FINAL is allowed", true},
    {"ksql.timestamp.throw.on.invalid", "false", "an invalid timestamp stops the query", true},
    {"ksql.variable.substitution.enable", "true", "${name} is replaced", true},
    {"max.task.idle.ms", "0", "how long an empty input of a join is waited for", true},
    {"num.stream.threads", "4", "kept for compatibility", true},
    {"processing.guarantee", "exactly_once_v2", "exactly once, always", true},
    {"task.timeout.ms", "300000", "kept for compatibility", true},
    {"topology.optimization", "all", "kept for compatibility", true},
};

static const char *const prefixes[] = {"ksql.streams.consumer.", "ksql.streams.producer.", "ksql.streams.", "consumer.",
                                       "producer."};

const setting_info *settings_list(int *n)
{
    *n = (int)ARRAY_LEN(infos);
    return infos;
}

static const setting_info *find_exact(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        if (str_eqz(name, infos[i].name)) return &infos[i];
    }
    return NULL;
}

/* Names of the runtime below may carry its prefix; what only it would know is accepted behind the prefix and kept. */
static bool resolve_name(str name, const setting_info **info, bool *passed)
{
    *passed = false;
    *info = find_exact(name);
    for (size_t i = 0; i < ARRAY_LEN(prefixes) && !*info; i++) {
        str prefix = str_z(prefixes[i]);
        if (!str_starts(name, prefix)) continue;
        *info = find_exact(str_of(name.p + prefix.n, name.n - prefix.n));
        *passed = true;
    }
    return *info || *passed || str_starts(name, STR("ksql.functions."));
}

static bool unknown(str name, span at, diag *d)
{
    diag_at(d, at, DIAG_INVALID, "Not recognizable as ksql, streams, consumer, or producer property: '%.*s'",
            STR_ARG(name));
    const setting_info *best = NULL;
    similar guess = similar_begin(name);
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        if (similar_try(&guess, str_z(infos[i].name))) best = &infos[i];
    }
    return best ? diag_hint(d, "Did you mean '%s'?", best->name) : false;
}

static bool is_immutable(str name)
{
    return str_eqz(name, "bootstrap.servers") || str_starts(name, STR("ssl."));
}

static bool check_value(const setting_info *info, str text, span at, diag *d)
{
    if (str_eqz(str_z(info->name), "auto.offset.reset")) {
        if (str_ieq(text, STR("earliest")) || str_ieq(text, STR("latest"))) return true;
        if (str_ieq(text, STR("none")))
            return diag_at(d, at, DIAG_INVALID, "'none' is not valid for this property within KSQL");
        return diag_at(d, at, DIAG_INVALID,
                       "Invalid value %.*s for configuration auto.offset.reset: it must be earliest or latest",
                       STR_ARG(text));
    }
    bool is_bool = info->value && (str_eqz(str_z(info->value), "true") || str_eqz(str_z(info->value), "false"));
    is_bool = is_bool || str_eqz(str_z(info->name), "ksql.persistence.wrap.single.values");
    if (is_bool && !str_ieq(text, STR("true")) && !str_ieq(text, STR("false"))) {
        return diag_at(d, at, DIAG_INVALID,
                       "Invalid value %.*s for configuration %s: Expected value to be either true or false",
                       STR_ARG(text), info->name);
    }
    int64_t n;
    if (info->value && str_to_i64(str_z(info->value), &n) && !str_to_i64(text, &n)) {
        return diag_at(d, at, DIAG_INVALID, "Invalid value %.*s for configuration %s: Not a number", STR_ARG(text),
                       info->name);
    }
    return true;
}

static void store(settings *s, str name, str text)
{
    char *copy = malloc(text.n + 1);
    check(copy != NULL);
    if (text.n) memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    free(map_put(&s->values, name, copy));
}

void settings_free(settings *s)
{
    void *held;
    for (size_t it = 0; map_next(&s->values, &it, NULL, &held);) free(held);
    map_free(&s->values);
    *s = (settings){0};
}

void settings_copy(settings *to, const settings *from)
{
    str name;
    void *held;
    for (size_t it = 0; map_next(&from->values, &it, &name, &held);) store(to, name, str_z(held));
}

bool settings_set(settings *s, str name, span name_at, str text, span value_at, diag *d)
{
    const setting_info *info;
    bool passed;
    if (is_immutable(name)) return diag_at(d, name_at, DIAG_INVALID, "Cannot override property '%.*s'", STR_ARG(name));
    if (!resolve_name(name, &info, &passed)) return unknown(name, name_at, d);
    if (info && !info->editable) return diag_at(d, name_at, DIAG_INVALID, "Cannot override property '%s'", info->name);
    if (info && !check_value(info, text, value_at, d)) return false;
    store(s, info ? str_z(info->name) : name, text);
    return true;
}

bool settings_unset(settings *s, str name, span name_at, diag *d)
{
    const setting_info *info;
    bool passed;
    if (!resolve_name(name, &info, &passed)) return unknown(name, name_at, d);
    free(map_remove(&s->values, info ? str_z(info->name) : name));
    return true;
}

str settings_get(const settings *s, const char *name)
{
    const char *own = s ? map_get(&s->values, str_z(name)) : NULL;
    if (own) return str_z(own);
    const setting_info *info = find_exact(str_z(name));
    return info ? str_z(info->value) : STR("");
}

bool settings_bool(const settings *s, const char *name)
{
    return str_ieq(settings_get(s, name), STR("true"));
}
