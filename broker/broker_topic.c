/* Topics: finding, making, deleting and configuring them, for handlers and for the rest of the program. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/broker_core.h"
#include "broker/group.h"
#include "broker/meta.h"

enum { TOPIC_NAME_MAX = 249, TOPIC_PARTITIONS_MAX = 100000 };

bool topic_name_ok(str name)
{
    if (name.n == 0 || name.n > TOPIC_NAME_MAX || str_eqz(name, ".") || str_eqz(name, "..")) return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
        if (!ok) return false;
    }
    return true;
}

topic *topic_find(broker *b, str name)
{
    return map_get(&b->topics_by_name, name);
}

topic *topic_find_id(broker *b, const uint8_t id[16])
{
    return map_get(&b->topics_by_id, str_of((const char *)id, 16));
}

static broker_partition *partition_at(topic *t, int32_t index)
{
    return t && index >= 0 && index < t->partitions_len ? partition_ref(t->partitions[index]) : NULL;
}

broker_partition *partition_by_id(broker *b, const uint8_t id[16], int32_t index, bool *known)
{
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find_id(b, id);
    if (known) *known = t != NULL;
    broker_partition *p = partition_at(t, index);
    pthread_mutex_unlock(&b->meta_lock);
    return p;
}

broker_partition *partition_by_name(broker *b, str name, int32_t index)
{
    pthread_mutex_lock(&b->meta_lock);
    broker_partition *p = partition_at(topic_find(b, name), index);
    pthread_mutex_unlock(&b->meta_lock);
    return p;
}

broker_partition *broker_partition_get(broker *b, str topic_name, int32_t partition)
{
    return partition_by_name(b, topic_name, partition);
}

/* ---- configs ------------------------------------------------------------------------------------------- */

config_view broker_view(broker *b, const topic *t)
{
    return (config_view){t ? &t->configs : NULL, &b->dynamic, &b->fallback, &b->fixed};
}

int64_t broker_i64(broker *b, const char *name)
{
    pthread_mutex_lock(&b->meta_lock);
    config_view v = broker_view(b, NULL);
    int64_t value = config_broker_i64(&v, name);
    pthread_mutex_unlock(&b->meta_lock);
    return value;
}

bool broker_bool(broker *b, const char *name)
{
    pthread_mutex_lock(&b->meta_lock);
    config_view v = broker_view(b, NULL);
    bool value = config_broker_bool(&v, name);
    pthread_mutex_unlock(&b->meta_lock);
    return value;
}

static str text_config(const config_view *v, const char *name, arena *a)
{
    config_source source;
    return str_z(config_topic_value(v, config_topic_def(str_z(name)), a, &source));
}

/* compression.type and the level that belongs to it. */
static void set_codec(const config_view *v, plog_config *c, arena *a)
{
    str type = text_config(v, "compression.type", a);
    c->codec = -1;
    c->level = 0;
    if (str_eqz(type, "uncompressed")) c->codec = CODEC_NONE;
    if (str_eqz(type, "snappy")) c->codec = CODEC_SNAPPY;
    if (str_eqz(type, "gzip")) {
        c->codec = CODEC_GZIP;
        c->level = (int)config_topic_i64(v, "compression.gzip.level");
        if (c->level < 0) c->level = 0; /* -1 is Kafka's word for the codec's default */
    }
    if (str_eqz(type, "lz4")) {
        c->codec = CODEC_LZ4;
        c->level = (int)config_topic_i64(v, "compression.lz4.level");
    }
    if (str_eqz(type, "zstd")) {
        c->codec = CODEC_ZSTD;
        c->level = (int)config_topic_i64(v, "compression.zstd.level");
    }
}

plog_config topic_plog_config(broker *b, const topic *t)
{
    config_view v = broker_view(b, t);
    plog_config c = plog_config_default();
    arena *a = arena_new();
    c.segment_bytes = config_topic_i64(&v, "segment.bytes");
    c.segment_ms = config_topic_i64(&v, "segment.ms");
    c.segment_jitter_ms = config_topic_i64(&v, "segment.jitter.ms");
    c.flush_messages = config_topic_i64(&v, "flush.messages");
    c.flush_ms = config_topic_i64(&v, "flush.ms");
    c.segment_index_bytes = config_topic_i64(&v, "segment.index.bytes");
    c.index_interval_bytes = config_topic_i64(&v, "index.interval.bytes");
    c.retention_ms = config_topic_i64(&v, "retention.ms");
    c.retention_bytes = config_topic_i64(&v, "retention.bytes");
    c.max_message_bytes = config_topic_i64(&v, "max.message.bytes");
    c.timestamp_before_max_ms = config_topic_i64(&v, "message.timestamp.before.max.ms");
    c.timestamp_after_max_ms = config_topic_i64(&v, "message.timestamp.after.max.ms");
    c.producer_id_expiration_ms = config_broker_i64(&v, "producer.id.expiration.ms");
    c.delete_retention_ms = config_topic_i64(&v, "delete.retention.ms");
    c.min_compaction_lag_ms = config_topic_i64(&v, "min.compaction.lag.ms");
    c.max_compaction_lag_ms = config_topic_i64(&v, "max.compaction.lag.ms");
    check(str_to_f64(str_trim(text_config(&v, "min.cleanable.dirty.ratio", a)), &c.min_dirty_ratio));
    str policy = text_config(&v, "cleanup.policy", a);
    c.policy_delete = str_find(policy, STR("delete"), 0) >= 0;
    c.policy_compact = str_find(policy, STR("compact"), 0) >= 0;
    c.log_append_time = str_eqz(text_config(&v, "message.timestamp.type", a), "LogAppendTime");
    set_codec(&v, &c, a);
    arena_free(a);
    return c;
}

void topic_apply_configs(broker *b, topic *t)
{
    plog_config config = topic_plog_config(b, t);
    for (int32_t i = 0; i < t->partitions_len; i++) {
        plog *log = atomic_load(&t->partitions[i]->log);
        if (log) plog_set_config(log, &config);
    }
}

kafka_error topic_set_configs(broker *b, str name, const config_set *configs, diag *d)
{
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find(b, name);
    kafka_error error = KAFKA_NONE;
    if (!t) {
        error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        diag_set(d, DIAG_NOT_FOUND, "Topic %.*s does not exist.", STR_ARG(name));
    } else if (!meta_write_topic_configs(b, t, configs, d)) {
        error = KAFKA_KAFKA_STORAGE_ERROR;
    } else {
        config_set_free(&t->configs);
        t->configs = config_set_copy(configs);
        topic_apply_configs(b, t);
    }
    pthread_mutex_unlock(&b->meta_lock);
    return error;
}

bool broker_topic_configure(broker *b, str name, const broker_config_entry *configs, size_t configs_len, diag *d)
{
    config_set set = {0};
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find(b, name);
    if (t) set = config_set_copy(&t->configs);
    pthread_mutex_unlock(&b->meta_lock);
    bool ok = true;
    for (size_t i = 0; i < configs_len && ok; i++) {
        const config_def *def = config_topic_def(configs[i].name);
        if (!def)
            ok = diag_set(d, DIAG_INVALID, "Unknown topic config name: %.*s", STR_ARG(configs[i].name));
        else if (!configs[i].value.p)
            config_set_remove(&set, def);
        else if ((ok = config_check(def, configs[i].value, d)))
            config_set_put(&set, def, configs[i].value);
    }
    pthread_mutex_lock(&b->meta_lock);
    config_view v = broker_view(b, NULL);
    v.topic = &set;
    ok = ok && config_topic_check(&v, d);
    pthread_mutex_unlock(&b->meta_lock);
    ok = ok && topic_set_configs(b, name, &set, d) == KAFKA_NONE;
    config_set_free(&set);
    return ok;
}

/* ---- making -------------------------------------------------------------------------------------------- */

/* Names that differ only in '.' and '_' would give metrics of one name; Kafka refuses the second. */
static bool collides(broker *b, str name, const char **with)
{
    str key;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, &key, NULL);) {
        bool same = key.n == name.n;
        for (size_t i = 0; same && i < key.n; i++) {
            char x = key.p[i] == '.' ? '_' : key.p[i];
            char y = name.p[i] == '.' ? '_' : name.p[i];
            same = x == y;
        }
        if (!same) continue;
        *with = topic_find(b, key)->name;
        return true;
    }
    return false;
}

static kafka_error check_spec(broker *b, const topic_spec *spec, int32_t partitions, config_set *set, diag *d)
{
    const char *with;
    if (!topic_name_ok(spec->name)) {
        diag_set(d, DIAG_INVALID,
                 "Topic name is invalid: '%.*s' must be 1 to %d of the characters a-z, A-Z, 0-9, '.', "
                 "'_' and '-', and not '.' or '..'",
                 (int)(spec->name.n < 300 ? spec->name.n : 300), spec->name.p, TOPIC_NAME_MAX);
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    if (topic_find(b, spec->name)) {
        diag_set(d, DIAG_EXISTS, "Topic '%.*s' already exists.", STR_ARG(spec->name));
        return KAFKA_TOPIC_ALREADY_EXISTS;
    }
    if (collides(b, spec->name, &with)) {
        diag_set(d, DIAG_INVALID, "Topic '%.*s' collides with existing topic: %s", STR_ARG(spec->name), with);
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    if (partitions <= 0 || partitions > TOPIC_PARTITIONS_MAX) {
        diag_set(d, DIAG_INVALID, "Number of partitions must be larger than 0 and at most %d.", TOPIC_PARTITIONS_MAX);
        return KAFKA_INVALID_PARTITIONS;
    }
    for (size_t i = 0; i < spec->configs_len; i++) {
        const config_def *def = config_topic_def(spec->configs[i].name);
        if (!def) {
            diag_set(d, DIAG_INVALID, "Unknown topic config name: %.*s", STR_ARG(spec->configs[i].name));
            return KAFKA_INVALID_CONFIG;
        }
        if (!spec->configs[i].value.p) {
            diag_set(d, DIAG_INVALID, "Null value not supported for topic configs: %s", def->name);
            return KAFKA_INVALID_CONFIG;
        }
        if (!config_check(def, spec->configs[i].value, d)) return KAFKA_INVALID_CONFIG;
        config_set_put(set, def, spec->configs[i].value);
    }
    config_view v = broker_view(b, NULL);
    v.topic = set;
    return config_topic_check(&v, d) ? KAFKA_NONE : KAFKA_INVALID_CONFIG;
}

/*
 * Random, but never one of the reserved ids (0 and 1) nor one whose text begins with '-', which tools take
 * for an option.
 */
static void make_topic_id(broker *b, uint8_t id[16])
{
    do {
        for (int i = 0; i < 16; i += 8) store_be64(id + i, rng_u64(&b->random));
        id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
        id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    } while (id[0] >> 2 == 62 || topic_find_id(b, id));
}

static void add_partitions(broker *b, topic *t, int32_t count)
{
    t->partitions = realloc(t->partitions, (size_t)count * sizeof t->partitions[0]);
    check(t->partitions);
    for (int32_t i = t->partitions_len; i < count; i++) t->partitions[i] = partition_new(b, t, i);
    t->partitions_len = count;
}

kafka_error topic_create(broker *b, const topic_spec *spec, uint8_t id[16], diag *d)
{
    config_set set = {0};
    pthread_mutex_lock(&b->meta_lock);
    config_view v = broker_view(b, NULL);
    int32_t partitions = spec->partitions == -1 ? (int32_t)config_broker_i64(&v, "num.partitions") : spec->partitions;
    kafka_error error = check_spec(b, spec, partitions, &set, d);
    if (error == KAFKA_NONE && !spec->validate_only) {
        make_topic_id(b, id);
        topic *t = topic_new(spec->name, id);
        /* Whoever makes them, these two belong to the coordinators. */
        t->internal = spec->internal || str_eqz(spec->name, TOPIC_OFFSETS) || str_eqz(spec->name, TOPIC_TXNS);
        t->configs = set;
        set = (config_set){0};
        if (meta_write_topic(b, t, partitions, d)) {
            add_partitions(b, t, partitions);
            map_put(&b->topics_by_name, str_z(t->name), t);
            map_put(&b->topics_by_id, str_of((const char *)t->id, 16), t);
        } else {
            topic_unref(t);
            error = KAFKA_KAFKA_STORAGE_ERROR;
        }
    }
    pthread_mutex_unlock(&b->meta_lock);
    config_set_free(&set);
    return error;
}

int32_t topic_internal(broker *b, const char *name, diag *d)
{
    bool offsets = strcmp(name, TOPIC_OFFSETS) == 0;
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find(b, str_z(name));
    int32_t partitions = t ? t->partitions_len : -1;
    config_view v = broker_view(b, NULL);
    char bytes[24];
    snprintf(bytes, sizeof bytes, "%lld",
             (long long)config_broker_i64(&v, offsets ? "offsets.topic.segment.bytes"
                                                      : "transaction.state.log.segment.bytes"));
    int32_t wanted = (int32_t)config_broker_i64(&v, offsets ? "offsets.topic.num.partitions"
                                                            : "transaction.state.log.num.partitions");
    pthread_mutex_unlock(&b->meta_lock);
    if (partitions > 0) return partitions;
    broker_config_entry configs[] = {
        {STR("cleanup.policy"), STR("compact")},
        {STR("compression.type"), STR("producer")},
        {STR("segment.bytes"), str_z(bytes)},
    };
    uint8_t id[16];
    topic_spec spec = {.name = str_z(name),
                       .partitions = wanted,
                       .configs = configs,
                       .configs_len = ARRAY_LEN(configs),
                       .internal = true};
    kafka_error error = topic_create(b, &spec, id, d);
    return error == KAFKA_NONE ? wanted : -1;
}

kafka_error topic_grow(broker *b, str name, int32_t count, bool validate_only, diag *d)
{
    kafka_error error = KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find(b, name);
    if (!t) {
        error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        diag_set(d, DIAG_NOT_FOUND, "The topic '%.*s' does not exist.", STR_ARG(name));
    } else if (count <= t->partitions_len || count > TOPIC_PARTITIONS_MAX) {
        error = KAFKA_INVALID_PARTITIONS;
        diag_set(d, DIAG_INVALID, "The topic %s currently has %d partition(s); %d would not be an increase.", t->name,
                 t->partitions_len, count);
    } else if (!validate_only) {
        if (meta_write_partitions(b, t, count, d))
            add_partitions(b, t, count);
        else
            error = KAFKA_KAFKA_STORAGE_ERROR;
    }
    pthread_mutex_unlock(&b->meta_lock);
    return error;
}

/* ---- deleting ------------------------------------------------------------------------------------------ */

/* Moves the partition's folder out of the way, so that a new topic of the same name begins empty. */
static void remove_data(broker *b, broker_partition *p)
{
    diag d = {0};
    plog *log = broker_partition_log(p, &d);
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->gone, true);
    pthread_mutex_unlock(&p->lock);
    if (log && !plog_delete(log, atomic_load(&b->wall_ms), &d))
        log_error("broker", "%s", d.text);
    else if (!log)
        log_error("broker", "%s", d.text);
    /* Fetches that wait here are answered, and readers look again: the topic is unknown now. */
    partition_touch(p);
    partition_tell_watches(p);
}

typedef struct forget_offsets {
    broker *b;
    char *name;
} forget_offsets;

static void forget_on_loop(void *arg, broker_time now)
{
    forget_offsets *f = arg;
    groups_forget_topic(f->b, str_z(f->name));
    free(f->name);
    free(f);
}

kafka_error topic_delete(broker *b, str name, const uint8_t *id, diag *d)
{
    pthread_mutex_lock(&b->meta_lock);
    topic *t = name.p ? topic_find(b, name) : topic_find_id(b, id);
    kafka_error error = KAFKA_NONE;
    if (!t) {
        error = name.p ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
        diag_set(d, DIAG_NOT_FOUND, "This server does not host this topic.");
    } else if (!meta_write_topic_deleted(b, t, d)) {
        error = KAFKA_KAFKA_STORAGE_ERROR;
    } else {
        map_remove(&b->topics_by_name, str_z(t->name));
        map_remove(&b->topics_by_id, str_of((const char *)t->id, 16));
    }
    pthread_mutex_unlock(&b->meta_lock);
    if (error != KAFKA_NONE) return error;

    forget_offsets *forget = malloc(sizeof *forget);
    check(forget);
    *forget = (forget_offsets){b, strdup(t->name)};
    check(forget->name);
    for (int32_t i = 0; i < t->partitions_len; i++) {
        remove_data(b, t->partitions[i]);
        broker_partition_release(t->partitions[i]);
    }
    t->partitions_len = 0;
    topic_unref(t);
    if (pthread_equal(atomic_load(&b->loop_thread), pthread_self()))
        forget_on_loop(forget, b->now);
    else
        broker_post(b, forget_on_loop, forget);
    return KAFKA_NONE;
}

/* ---- the facade ---------------------------------------------------------------------------------------- */

bool broker_topic_create(broker *b, str name, int32_t partitions, const broker_config_entry *configs,
                         size_t configs_len, diag *d)
{
    uint8_t id[16];
    topic_spec spec = {.name = name, .partitions = partitions, .configs = configs, .configs_len = configs_len};
    return topic_create(b, &spec, id, d) == KAFKA_NONE;
}

bool broker_topic_delete(broker *b, str name, diag *d)
{
    return topic_delete(b, name, NULL, d) == KAFKA_NONE;
}

bool broker_topic_grow(broker *b, str name, int32_t count, diag *d)
{
    return topic_grow(b, name, count, false, d) == KAFKA_NONE;
}

static broker_topic_info info_of(const topic *t, arena *a)
{
    broker_topic_info info = {
        .name = arena_str(a, str_z(t->name)), .partitions = t->partitions_len, .internal = t->internal};
    memcpy(info.id, t->id, 16);
    return info;
}

bool broker_topic_describe(broker *b, str name, arena *a, broker_topic_info *out)
{
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find(b, name);
    if (t) *out = info_of(t, a);
    pthread_mutex_unlock(&b->meta_lock);
    return t != NULL;
}

static int by_name(const void *x, const void *y)
{
    return str_cmp(((const broker_topic_info *)x)->name, ((const broker_topic_info *)y)->name);
}

size_t broker_topic_list(broker *b, arena *a, broker_topic_info **out)
{
    pthread_mutex_lock(&b->meta_lock);
    size_t n = 0;
    *out = ARENA_ARRAY(a, broker_topic_info, map_count(&b->topics_by_name));
    void *value;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);) (*out)[n++] = info_of(value, a);
    pthread_mutex_unlock(&b->meta_lock);
    if (n > 0) qsort(*out, n, sizeof **out, by_name);
    return n;
}

bool broker_topic_config(broker *b, str name, str config, arena *a, str *out)
{
    const config_def *def = config_topic_def(config);
    pthread_mutex_lock(&b->meta_lock);
    topic *t = topic_find(b, name);
    if (t && def) {
        config_view v = broker_view(b, t);
        config_source source;
        *out = arena_str(a, str_z(config_topic_value(&v, def, a, &source)));
    }
    pthread_mutex_unlock(&b->meta_lock);
    return t && def;
}

bool broker_config_value(broker *b, str config, arena *a, str *out)
{
    const config_def *def = config_broker_def(config);
    if (!def) return false;
    pthread_mutex_lock(&b->meta_lock);
    config_view v = broker_view(b, NULL);
    config_source source;
    const char *value = config_broker_value(&v, def, &source);
    if (value) *out = arena_str(a, str_z(value));
    pthread_mutex_unlock(&b->meta_lock);
    return value != NULL;
}
