/* Configs of topics, groups and of the broker: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/group_config.h"
#include "broker/meta.h"

/* Kinds of resource, by their numbers in the protocol. */
enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_GROUP = 32 };

/* Topics and groups are resources of their own, the rest is the cluster's. */
static kafka_error check_resource(const request *q, acl_operation operation, int8_t type, str name)
{
    if (type == RESOURCE_TOPIC) return authz_topic(q, operation, name) ? KAFKA_NONE : KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (type == RESOURCE_GROUP) return authz_group(q, operation, name) ? KAFKA_NONE : KAFKA_GROUP_AUTHORIZATION_FAILED;
    return authz_cluster(q, operation) ? KAFKA_NONE : KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

/* Whether a broker resource means this node (true) or the defaults of all (*defaults). */
static bool broker_resource(request *q, str name, bool *defaults)
{
    int64_t id;
    *defaults = name.n == 0;
    return name.n == 0 || (str_to_i64(name, &id) && id == q->b->node_id);
}

/* ---- DescribeConfigs ----------------------------------------------------------------------------------- */

typedef struct described {
    int8_t type;
    str name;
    int32_t keys_len; /* <= 0: all */
    str *keys;
} described;

static bool is_wanted(const described *r, const config_def *def)
{
    if (r->keys_len <= 0) return true;
    for (int32_t i = 0; i < r->keys_len; i++)
        if (str_eqz(r->keys[i], def->name)) return true;
    return false;
}

static void put_synonym(wire_out *o, const char *name, const char *value, config_source source)
{
    wire_put_str(o, str_z(name));
    wire_put_nstr(o, value ? str_z(value) : WIRE_NULL);
    wire_put_i8(o, (int8_t)source);
    wire_put_tags(o);
}

/* One level of a broker config, if it is set there. */
static int32_t synonym_at(wire_out *o, const config_set *set, const config_def *def, config_source source)
{
    const char *value = config_set_get(set, def);
    if (value) put_synonym(o, def->name, value, source);
    return value ? 1 : 0;
}

static int32_t broker_synonyms(wire_out *o, const config_view *v, const config_def *def)
{
    int32_t n = synonym_at(o, v->dynamic, def, CONFIG_FROM_DYNAMIC_BROKER);
    n += synonym_at(o, v->fallback, def, CONFIG_FROM_DYNAMIC_DEFAULT);
    n += synonym_at(o, v->fixed, def, CONFIG_FROM_STATIC);
    if (!def->initial) return n;
    put_synonym(o, def->name, def->initial, CONFIG_FROM_DEFAULT);
    return n + 1;
}

/* All values that the config could have, the effective one first. */
static int32_t put_synonyms(wire_out *o, const config_view *v, const config_def *def, int8_t type)
{
    if (type == RESOURCE_BROKER) return broker_synonyms(o, v, def);
    int32_t n = synonym_at(o, v->topic, def, type == RESOURCE_GROUP ? CONFIG_FROM_GROUP : CONFIG_FROM_TOPIC);
    for (int i = 0; i < 3 && def->broker[i]; i++) n += broker_synonyms(o, v, config_broker_def(str_z(def->broker[i])));
    if (n > 0 || !def->initial) return n;
    put_synonym(o, def->name, def->initial, CONFIG_FROM_DEFAULT);
    return n + 1;
}

typedef struct describe_options {
    bool synonyms, documentation;
} describe_options;

/* The effective value; a group's is its own or a default, which Kafka takes from the broker's configs. */
static const char *value_of(request *q, const config_view *v, const config_def *def, int8_t type, config_source *source)
{
    if (type == RESOURCE_BROKER) return config_broker_value(v, def, source);
    const char *value = config_topic_value(v, def, q->a, source);
    if (type == RESOURCE_GROUP) *source = *source == CONFIG_FROM_TOPIC ? CONFIG_FROM_GROUP : CONFIG_FROM_DEFAULT;
    return value;
}

static void put_entry(request *q, wire_out *o, const config_view *v, const config_def *def, int8_t type,
                      const describe_options *options)
{
    config_source source;
    const char *value = value_of(q, v, def, type, &source);
    bool secret = def->type == CONFIG_PASSWORD;
    wire_put_str(o, str_z(def->name));
    wire_put_nstr(o, value && !secret ? str_z(value) : WIRE_NULL);
    wire_put_bool(o, type == RESOURCE_BROKER && !def->dynamic);
    wire_put_i8(o, (int8_t)source);
    wire_put_bool(o, secret);
    buf list = {0};
    wire_out sub = {&list, o->flexible};
    int32_t n = options->synonyms ? put_synonyms(&sub, v, def, type) : 0;
    wire_put_len(o, n);
    buf_add(o->b, list.data, list.len);
    buf_free(&list);
    if (q->version >= 3) {
        wire_put_i8(o, (int8_t)def->type);
        wire_put_nstr(o, options->documentation ? str_z(def->doc) : WIRE_NULL);
    }
    wire_put_tags(o);
}

/* The resource "" is what is set for all brokers, and nothing else. */
static bool is_shown(const described *r, const config_view *v, const config_def *def)
{
    bool defaults = r->type == RESOURCE_BROKER && r->name.n == 0;
    return is_wanted(r, def) && (!defaults || config_set_get(v->fallback, def));
}

static void put_entries(request *q, const described *r, const config_view *v, const describe_options *options)
{
    const config_def *defs = config_broker_defs;
    size_t len = config_broker_defs_len;
    if (r->type == RESOURCE_TOPIC) {
        defs = config_topic_defs;
        len = config_topic_defs_len;
    } else if (r->type == RESOURCE_GROUP) {
        defs = config_group_defs;
        len = config_group_defs_len;
    }
    int32_t n = 0;
    for (size_t i = 0; i < len; i++) n += is_shown(r, v, &defs[i]);
    wire_put_len(&q->out, n);
    for (size_t i = 0; i < len; i++)
        if (is_shown(r, v, &defs[i])) put_entry(q, &q->out, v, &defs[i], r->type, options);
}

static void put_described(request *q, const described *r, const describe_options *options)
{
    broker *b = q->b;
    wire_out *o = &q->out;
    static const config_set none;
    kafka_error error = check_resource(q, ACL_DESCRIBE_CONFIGS, r->type, r->name);
    str why = authz_message(error);
    bool defaults = false;
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = r->type == RESOURCE_TOPIC ? topic_find(b, r->name) : NULL;
    config_view v = broker_view(b, t);
    if (error != KAFKA_NONE) {
        t = NULL;
    } else if (r->type == RESOURCE_TOPIC) {
        if (!t) error = topic_name_ok(r->name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC_EXCEPTION;
    } else if (r->type == RESOURCE_BROKER) {
        if (!broker_resource(q, r->name, &defaults)) {
            error = KAFKA_INVALID_REQUEST;
            why = arena_printf(q->a, "Unexpected broker id, expected %d or empty string, but received %.*s", b->node_id,
                               (int)(r->name.n < 100 ? r->name.n : 100), r->name.p);
        }
    } else if (r->type == RESOURCE_GROUP) {
        v.topic = group_configs(b, r->name);
        if (r->name.n == 0) {
            error = KAFKA_INVALID_REQUEST;
            why = STR("Group name must not be empty");
        }
    } else {
        error = KAFKA_INVALID_REQUEST;
        why = arena_printf(q->a, "Unsupported resource type: %d", r->type);
    }
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, why);
    wire_put_i8(o, r->type);
    wire_put_str(o, r->name);
    if (defaults) v.dynamic = v.fixed = &none; /* "" shows what is set for all brokers */
    if (error == KAFKA_NONE)
        put_entries(q, r, &v, options);
    else
        wire_put_len(o, 0);
    wire_put_tags(o);
    pthread_mutex_unlock(&b->meta_lock);
}

api_outcome api_describe_configs(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 3);
    described *list = ARENA_ARRAY(q->a, described, (size_t)n + 1);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        described *r = &list[i];
        r->type = wire_i8(in);
        r->name = wire_str(in);
        r->keys_len = wire_nlen(in, 1);
        r->keys = ARENA_ARRAY(q->a, str, r->keys_len > 0 ? (size_t)r->keys_len : 1);
        for (int32_t k = 0; k < r->keys_len; k++) r->keys[k] = wire_str(in);
        wire_tags(in);
    }
    describe_options options = {.synonyms = wire_bool(in)};
    options.documentation = q->version >= 3 ? wire_bool(in) : false;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) put_described(q, &list[i], &options);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

/* ---- altering ------------------------------------------------------------------------------------------ */

enum { ALTER_SET = 0, ALTER_DELETE = 1, ALTER_APPEND = 2, ALTER_SUBTRACT = 3 };

typedef struct alteration {
    str name;
    int8_t op;
    str value; /* p == NULL: null */
} alteration;

typedef struct altered {
    int8_t type;
    str name;
    int32_t n;
    alteration *list;
    bool twice; /* the resource is named more than once */
} altered;

static kafka_error fail(diag *d, kafka_error error, const char *what, str name)
{
    diag_set(d, DIAG_INVALID, "%s: %.*s", what, (int)(name.n < 300 ? name.n : 300), name.p);
    return error;
}

static bool list_has(str list, str item)
{
    str rest = list;
    while (rest.n > 0) {
        ptrdiff_t comma = str_find(rest, STR(","), 0);
        size_t n = comma < 0 ? rest.n : (size_t)comma;
        if (str_eq(str_trim(str_of(rest.p, n)), item)) return true;
        rest = comma < 0 ? STR("") : str_of(rest.p + n + 1, rest.n - n - 1);
    }
    return false;
}

/* Goes through the items of `from`: those (not) in `other` are added to out. */
static void add_items(buf *out, str from, str other, bool keep_if_in_other)
{
    str rest = from;
    while (rest.n > 0) {
        ptrdiff_t comma = str_find(rest, STR(","), 0);
        size_t n = comma < 0 ? rest.n : (size_t)comma;
        str item = str_trim(str_of(rest.p, n));
        if (list_has(other, item) == keep_if_in_other) {
            if (out->len > 0) buf_add_char(out, ',');
            buf_add_str(out, item);
        }
        rest = comma < 0 ? STR("") : str_of(rest.p + n + 1, rest.n - n - 1);
    }
}

static kafka_error apply_list(config_set *set, const config_def *def, const alteration *x, const char *now, diag *d)
{
    if (def->type != CONFIG_LIST)
        return fail(d, KAFKA_INVALID_CONFIG, "Config value append or subtract is not allowed for config key", x->name);
    str have = str_z(now);
    buf out = {0};
    if (x->op == ALTER_APPEND) {
        buf_add_str(&out, have);
        add_items(&out, x->value, have, false);
    } else {
        add_items(&out, have, x->value, false);
    }
    kafka_error error = config_check(def, buf_str(&out), d) ? KAFKA_NONE : KAFKA_INVALID_CONFIG;
    if (error == KAFKA_NONE) config_set_put(set, def, out.len ? buf_str(&out) : STR(""));
    buf_free(&out);
    return error;
}

/* Applies one entry to a set. now is the effective value, which lists are changed from. */
static kafka_error apply(config_set *set, const config_def *def, const alteration *x, const char *now, diag *d)
{
    if (x->op < ALTER_SET || x->op > ALTER_SUBTRACT)
        return fail(d, KAFKA_INVALID_REQUEST, "Unknown operation for config", x->name);
    if (x->op != ALTER_DELETE && !x->value.p)
        return fail(d, KAFKA_INVALID_REQUEST, "Null value not supported for", x->name);
    if (x->op == ALTER_DELETE) {
        config_set_remove(set, def);
        return KAFKA_NONE;
    }
    if (x->op != ALTER_SET) return apply_list(set, def, x, now, d);
    if (!config_check(def, x->value, d)) return KAFKA_INVALID_CONFIG;
    config_set_put(set, def, x->value);
    return KAFKA_NONE;
}

static bool repeated(const altered *r, int32_t i)
{
    for (int32_t k = 0; k < i; k++)
        if (str_eq(r->list[k].name, r->list[i].name)) return true;
    return false;
}

static kafka_error alter_topic(request *q, const altered *r, bool replace, bool validate_only, diag *d)
{
    broker *b = q->b;
    config_set set = {0};
    kafka_error error = KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = topic_find(b, r->name);
    if (t && !replace) set = config_set_copy(&t->configs);
    config_view v = broker_view(b, t);
    if (!t) error = fail(d, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, "The topic does not exist", r->name);
    for (int32_t i = 0; i < r->n && error == KAFKA_NONE; i++) {
        const config_def *def = config_topic_def(r->list[i].name);
        config_source source;
        if (repeated(r, i))
            error = fail(d, KAFKA_INVALID_REQUEST, "Error due to duplicate config keys", r->list[i].name);
        else if (!def)
            error = fail(d, KAFKA_INVALID_CONFIG, "Unknown topic config name", r->list[i].name);
        else
            error = apply(&set, def, &r->list[i], config_topic_value(&v, def, q->a, &source), d);
    }
    v.topic = &set;
    if (error == KAFKA_NONE && !config_topic_check(&v, d)) error = KAFKA_INVALID_CONFIG;
    pthread_mutex_unlock(&b->meta_lock);
    if (error == KAFKA_NONE && !validate_only) error = topic_set_configs(b, r->name, &set, d);
    config_set_free(&set);
    return error;
}

/* The broker's defaults for topics changed: logs follow. */
static void apply_everywhere(broker *b)
{
    void *value;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);) topic_apply_configs(b, value);
}

static kafka_error alter_broker(request *q, const altered *r, bool replace, bool validate_only, diag *d)
{
    broker *b = q->b;
    bool defaults;
    if (!broker_resource(q, r->name, &defaults)) return fail(d, KAFKA_INVALID_REQUEST, "Unexpected broker id", r->name);
    kafka_error error = KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    config_set *at = defaults ? &b->fallback : &b->dynamic;
    config_set set = {0};
    if (!replace) set = config_set_copy(at);
    config_view v = broker_view(b, NULL);
    for (int32_t i = 0; i < r->n && error == KAFKA_NONE; i++) {
        const config_def *def = config_broker_def(r->list[i].name);
        config_source source;
        if (repeated(r, i))
            error = fail(d, KAFKA_INVALID_REQUEST, "Error due to duplicate config keys", r->list[i].name);
        else if (!def || !def->dynamic)
            error = fail(d, KAFKA_INVALID_REQUEST, "Cannot update these configs dynamically", r->list[i].name);
        else
            error = apply(&set, def, &r->list[i], config_broker_value(&v, def, &source), d);
        /* Kafka's code for values of brokers that are no good (KAFKA-13609). */
        if (error == KAFKA_INVALID_CONFIG && r->list[i].op == ALTER_SET) error = KAFKA_INVALID_REQUEST;
    }
    if (error == KAFKA_NONE && !validate_only) {
        if (meta_write_broker_configs(b, defaults, &set, d)) {
            config_set_free(at);
            *at = set;
            set = (config_set){0};
            apply_everywhere(b);
        } else {
            error = KAFKA_KAFKA_STORAGE_ERROR;
        }
    }
    pthread_mutex_unlock(&b->meta_lock);
    config_set_free(&set);
    return error;
}

static kafka_error alter_group(request *q, const altered *r, bool replace, bool validate_only, diag *d)
{
    broker *b = q->b;
    if (r->name.n == 0) return fail(d, KAFKA_INVALID_REQUEST, "Default group resources are not allowed", r->name);
    kafka_error error = KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    const config_set *have = group_configs(b, r->name);
    config_set set = {0};
    if (have && !replace) set = config_set_copy(have);
    for (int32_t i = 0; i < r->n && error == KAFKA_NONE; i++) {
        const config_def *def = config_group_def(r->list[i].name);
        if (repeated(r, i))
            error = fail(d, KAFKA_INVALID_REQUEST, "Error due to duplicate config keys", r->list[i].name);
        else if (!def)
            error = fail(d, KAFKA_INVALID_CONFIG, "Unknown group config name", r->list[i].name);
        else
            error = apply(&set, def, &r->list[i], "", d);
    }
    if (error == KAFKA_NONE && !group_configs_check(b, &set, d)) error = KAFKA_INVALID_CONFIG;
    if (error == KAFKA_NONE && !validate_only) {
        if (meta_write_group_configs(b, r->name, &set, d))
            group_configs_put(b, r->name, &set);
        else
            error = KAFKA_KAFKA_STORAGE_ERROR;
    }
    pthread_mutex_unlock(&b->meta_lock);
    config_set_free(&set);
    return error;
}

static void alter_one(request *q, const altered *r, bool replace, bool validate_only)
{
    diag d = {0};
    kafka_error error = check_resource(q, ACL_ALTER_CONFIGS, r->type, r->name);
    if (r->twice)
        error = fail(&d, KAFKA_INVALID_REQUEST, "Each resource must appear at most once", r->name);
    else if (error != KAFKA_NONE)
        diag_set(&d, DIAG_INVALID, "%s", authz_message(error).p);
    else if (r->type == RESOURCE_TOPIC)
        error = alter_topic(q, r, replace, validate_only, &d);
    else if (r->type == RESOURCE_BROKER)
        error = alter_broker(q, r, replace, validate_only, &d);
    else if (r->type == RESOURCE_GROUP)
        error = alter_group(q, r, replace, validate_only, &d);
    else
        error = fail(&d, KAFKA_INVALID_REQUEST, "Unsupported resource type of", r->name);
    wire_out *o = &q->out;
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, error == KAFKA_NONE ? WIRE_NULL : str_z(d.text));
    wire_put_i8(o, r->type);
    wire_put_str(o, r->name);
    wire_put_tags(o);
}

static void mark_repeated(altered *list, int32_t n)
{
    map seen = {0};
    buf key = {0};
    for (int32_t i = 0; i < n; i++) {
        buf_clear(&key);
        write_u8(&key, (uint8_t)list[i].type);
        buf_add_str(&key, list[i].name);
        altered *before = map_put(&seen, buf_str(&key), &list[i]);
        if (before) before->twice = list[i].twice = true;
    }
    buf_free(&key);
    map_free(&seen);
}

static api_outcome alter(request *q, bool incremental)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 3);
    altered *list = ARENA_ARRAY(q->a, altered, (size_t)n + 1);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        altered *r = &list[i];
        r->type = wire_i8(in);
        r->name = wire_str(in);
        r->n = wire_len(in, 2);
        r->list = ARENA_ARRAY(q->a, alteration, (size_t)r->n + 1);
        for (int32_t k = 0; k < r->n && !wire_failed(in); k++) {
            r->list[k].name = wire_str(in);
            r->list[k].op = incremental ? wire_i8(in) : ALTER_SET;
            r->list[k].value = wire_nstr(in);
            wire_tags(in);
        }
        wire_tags(in);
    }
    bool validate_only = wire_bool(in);
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    mark_repeated(list, n);
    request_begin(q);
    wire_put_i32(&q->out, 0);
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) alter_one(q, &list[i], !incremental, validate_only);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

api_outcome api_alter_configs(request *q)
{
    return alter(q, false);
}

api_outcome api_incremental_alter_configs(request *q)
{
    return alter(q, true);
}
