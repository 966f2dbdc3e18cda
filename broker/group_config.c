#include "broker/group_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

const config_set *group_configs(const broker *b, str group)
{
    return map_get(&b->group_configs, group);
}

static void set_free(config_set *set)
{
    if (!set) return;
    config_set_free(set);
    free(set);
}

void group_configs_put(broker *b, str group, config_set *set)
{
    if (set->len == 0) {
        set_free(map_remove(&b->group_configs, group));
        return;
    }
    config_set *own = malloc(sizeof *own);
    check(own);
    *own = *set;
    *set = (config_set){0};
    set_free(map_put(&b->group_configs, group, own));
}

void group_configs_free(broker *b)
{
    void *value;
    for (size_t it = 0; map_next(&b->group_configs, &it, NULL, &value);) set_free(value);
    map_free(&b->group_configs);
}

static int64_t number(broker *b, const config_set *set, const char *name)
{
    config_view v = broker_view(b, NULL);
    v.topic = set;
    const config_def *def = config_group_def(str_z(name));
    arena *a = arena_new();
    config_source source;
    int64_t n;
    check(def && str_to_i64(str_trim(str_z(config_topic_value(&v, def, a, &source))), &n));
    arena_free(a);
    return n;
}

/* Whether a value that the group has of its own lies between the broker's bounds (Kafka's GroupConfig.validate). */
static bool is_within(broker *b, const config_set *set, const char *name, diag *d)
{
    const char *said = config_set_get(set, config_group_def(str_z(name)));
    if (!said) return true;
    config_view v = broker_view(b, NULL);
    const char *tail = strchr(name, '.');
    arena *a = arena_new();
    str least = arena_printf(a, "group.consumer.min%s", tail), most = arena_printf(a, "group.consumer.max%s", tail);
    int64_t n = number(b, set, name);
    bool low = n < config_broker_i64(&v, least.p), high = n > config_broker_i64(&v, most.p);
    if (low) diag_set(d, DIAG_INVALID, "%s must be greater than or equal to %s", name, least.p);
    if (high) diag_set(d, DIAG_INVALID, "%s must be less than or equal to %s", name, most.p);
    arena_free(a);
    return !low && !high;
}

bool group_configs_check(broker *b, const config_set *set, diag *d)
{
    if (!is_within(b, set, "consumer.heartbeat.interval.ms", d)) return false;
    if (!is_within(b, set, "consumer.session.timeout.ms", d)) return false;
    if (number(b, set, "consumer.session.timeout.ms") > number(b, set, "consumer.heartbeat.interval.ms")) return true;
    return diag_set(d, DIAG_INVALID, "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms");
}

int64_t group_config_i64(broker *b, str group, const char *name)
{
    pthread_mutex_lock(&b->meta_lock);
    int64_t n = number(b, group_configs(b, group), name);
    pthread_mutex_unlock(&b->meta_lock);
    return n;
}
