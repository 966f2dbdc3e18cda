/* Opening, running and closing the broker; random ids; producer ids. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/auth.h"
#include "broker/authz.h"
#include "broker/broker_core.h"
#include "broker/group.h"
#include "broker/group_config.h"
#include "broker/meta.h"
#include "broker/quota.h"
#include "broker/txn.h"

enum { OPEN_FILES_MAX = 512, INTERNAL_PARTITIONS_MAX = 100000 };

void broker_enter(broker *b, broker_time now)
{
    atomic_store(&b->loop_thread, pthread_self());
    /* The monotonic time of a caller that mixes threads up must not make timers fire twice. */
    if (now.mono_ms > b->now.mono_ms) b->now.mono_ms = now.mono_ms;
    b->now.wall_ms = now.wall_ms;
    atomic_store(&b->wall_ms, now.wall_ms);
}

/* ---- random ids ---------------------------------------------------------------------------------------- */

void broker_random(broker *b, void *p, size_t n)
{
    pthread_mutex_lock(&b->meta_lock);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t bits = rng_u64(&b->random);
        memcpy((char *)p + i, &bits, n - i < 8 ? n - i : 8);
    }
    pthread_mutex_unlock(&b->meta_lock);
}

str broker_member_id(broker *b, arena *a, str prefix)
{
    uint8_t u[16];
    broker_random(b, u, sizeof u);
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    return arena_printf(a, "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", STR_ARG(prefix),
                        u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
                        u[15]);
}

/* Java's String.hashCode: the sum runs over UTF-16 units, so characters beyond the BMP count as two. */
static uint32_t java_hash(str s)
{
    uint32_t h = 0;
    for (size_t i = 0; i < s.n;) {
        uint8_t c = (uint8_t)s.p[i];
        uint32_t code = c;
        size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        if (more > 0 && i + more < s.n) {
            code = c & (0x3fu >> more);
            for (size_t k = 1; k <= more; k++) code = code << 6 | ((uint8_t)s.p[i + k] & 0x3f);
        } else {
            more = 0;
        }
        if (code >= 0x10000) {
            h = h * 31 + (0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        h = h * 31 + code;
        i += more + 1;
    }
    return h;
}

int32_t coordinator_partition(str id, int32_t partitions)
{
    check(partitions > 0);
    return (int32_t)(java_hash(id) & 0x7fffffff) % partitions;
}

/* 16 random bytes in URL-safe base64 without padding, as Kafka's cluster ids. */
static void make_cluster_id(broker *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t u[18] = {0};
    broker_random(b, u, 16);
    /* A leading '-' looks like an option to tools. */
    u[0] &= 0x7f;
    char *out = b->cluster_id;
    for (int i = 0; i < 18; i += 3) {
        uint32_t v = (uint32_t)u[i] << 16 | (uint32_t)u[i + 1] << 8 | u[i + 2];
        for (int k = 18; k >= 0; k -= 6) *out++ = digits[v >> k & 63];
    }
    b->cluster_id[22] = '\0';
}

str broker_cluster_id(const broker *b)
{
    return str_z(b->cluster_id);
}

/* ---- internal producers -------------------------------------------------------------------------------- */

bool broker_producer_reserve(broker *b, int32_t count, int64_t *first, diag *d)
{
    check(count > 0);
    pthread_mutex_lock(&b->meta_lock);
    int64_t next = b->internal_next > 0 ? b->internal_next : BROKER_INTERNAL_PRODUCER_FIRST;
    bool ok = meta_write_internal(b, next + count, d);
    if (ok) {
        *first = next;
        b->internal_next = next + count;
    }
    pthread_mutex_unlock(&b->meta_lock);
    return ok;
}

static void internal_free(internal_producer *p)
{
    if (!p) return;
    free(p->transactional_id);
    free(p);
}

void broker_producer_show(broker *b, int64_t producer_id, int16_t epoch, str transactional_id, bool ongoing,
                          broker_time started)
{
    str key = str_of((const char *)&producer_id, sizeof producer_id);
    internal_producer *p = NULL;
    if (transactional_id.n > 0) {
        p = malloc(sizeof *p);
        check(p);
        *p = (internal_producer){producer_id, epoch, strndup(transactional_id.p, transactional_id.n), ongoing,
                                 started.wall_ms};
        check(p->transactional_id);
    }
    pthread_mutex_lock(&b->meta_lock);
    internal_producer *old = p ? map_put(&b->internal_producers, key, p) : map_remove(&b->internal_producers, key);
    pthread_mutex_unlock(&b->meta_lock);
    internal_free(old);
}

/* ---- posts and time ------------------------------------------------------------------------------------ */

void broker_post(broker *b, void (*fn)(void *arg, broker_time now), void *arg)
{
    posted *p = malloc(sizeof *p);
    check(p);
    *p = (posted){NULL, fn, arg};
    pthread_mutex_lock(&b->touched_lock);
    *b->posted_tail = p;
    b->posted_tail = &p->next;
    pthread_mutex_unlock(&b->touched_lock);
    if (b->hooks->wake && !atomic_exchange(&b->wake_asked, true)) b->hooks->wake(b->hooks->user);
}

static void run_posted(broker *b)
{
    pthread_mutex_lock(&b->touched_lock);
    posted *list = b->posted_head;
    b->posted_head = NULL;
    b->posted_tail = &b->posted_head;
    pthread_mutex_unlock(&b->touched_lock);
    while (list) {
        posted *p = list;
        list = p->next;
        p->fn(p->arg, b->now);
        free(p);
    }
}

void broker_run(broker *b, broker_time now)
{
    atomic_store(&b->wake_asked, false);
    broker_enter(b, now);
    run_posted(b);
    delay_run(&b->timers, b->now.mono_ms);
    broker_settle(b);
}

void broker_work_done(broker *b, broker_work *w, broker_time now)
{
    broker_enter(b, now);
    w->done(w, b->now);
    broker_settle(b);
}

int64_t broker_next_deadline(const broker *b)
{
    return delay_next(&b->timers);
}

enum { EXPIRY_LOOK_MS = 60000 };

static void look_for_expired(delay_timer *t)
{
    broker *b = container_of(t, broker, expiry_timer);
    groups_expire(b);
    txns_expire(b);
    quotas_expire(b);
    int64_t interval = broker_i64(b, "offsets.retention.check.interval.ms");
    broker_timer(b, t, interval < EXPIRY_LOOK_MS ? interval : EXPIRY_LOOK_MS);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static bool set_fixed(broker *b, const broker_options *options, diag *d)
{
    for (size_t i = 0; i < options->configs_len; i++) {
        const broker_config_entry *e = &options->configs[i];
        const config_def *def = config_broker_def(e->name);
        if (!def) return diag_set(d, DIAG_INVALID, "unknown broker config: %.*s", STR_ARG(e->name));
        if (!config_check(def, e->value, d)) return false;
        config_set_put(&b->fixed, def, e->value);
    }
    return true;
}

/* What the configs say of logins, for connections that bring no listener with settings of its own. */
static void set_listener(broker *b)
{
    const config_view v = {.fixed = &b->fixed};
    b->listener.mechanisms = str_z(config_set_get(&b->fixed, config_broker_def(STR("sasl.enabled.mechanisms"))));
    b->listener.plain_users = str_z(config_set_get(&b->fixed, config_broker_def(STR("sasl.jaas.config"))));
    b->listener.login = b->listener.mechanisms.n > 0;
    for (int i = 0; i < BROKER_MECHANISMS; i++)
        b->listener.reauth_ms[i] = config_broker_i64(&v, "connections.max.reauth.ms");
}

/* Folders that no topic names: the topic was deleted and the stop came before its data was gone. */
static bool remove_strays(broker *b, diag *d)
{
    buf path = {0};
    buf_printf(&path, "%s/topics", b->data_dir);
    arena *a = arena_new();
    fs_entry *entries;
    size_t n = 0;
    bool ok = fs_mkdirs(b->fs, buf_z(&path), d) && plog_remove_leftovers(b->env, buf_z(&path), d) &&
              fs_list(b->fs, buf_z(&path), a, &entries, &n, d);
    for (size_t i = 0; i < n && ok; i++) {
        str name = entries[i].name;
        size_t dash = name.n;
        while (dash > 0 && name.p[dash - 1] != '-') dash--;
        int64_t index = -1;
        topic *t = dash > 1 ? topic_find(b, str_of(name.p, dash - 1)) : NULL;
        bool number = dash < name.n && str_to_i64(str_of(name.p + dash, name.n - dash), &index);
        if (!entries[i].is_dir || (t && number && index >= 0 && index < t->partitions_len)) continue;
        str folder = arena_printf(a, "%s/%.*s", buf_z(&path), STR_ARG(name));
        log_info("broker", "removing %s: no topic has this partition", folder.p);
        plog_config config = plog_config_default();
        plog *log = plog_open(b->env, folder.p, &config, b->leader_epoch, b->now.wall_ms, NULL, NULL, d);
        ok = log && plog_delete(log, b->now.wall_ms, d);
        if (log) plog_abandon(log);
    }
    arena_free(a);
    buf_free(&path);
    return ok;
}

static bool open_parts(broker *b, const broker_options *options, diag *d)
{
    bool clean;
    if (!set_fixed(b, options, d) || !authz_open(b, d) || !meta_open(b, &clean, d)) return false;
    set_listener(b);
    if (!b->cluster_id[0]) {
        if (options->cluster_id.n > 0 && options->cluster_id.n < sizeof b->cluster_id) {
            memcpy(b->cluster_id, options->cluster_id.p, options->cluster_id.n);
        } else {
            make_cluster_id(b);
        }
        if (!meta_write_cluster(b, d)) return false;
    }
    /* What follows an unclean stop may contradict what clients saw before it; the epoch tells them (KIP-101). */
    if (!clean) b->leader_epoch++;
    if (!meta_write_epoch(b, b->leader_epoch, false, d)) return false;
    quotas_configure(b);
    return remove_strays(b, d) && groups_load(b, d) && txns_load(b, d);
}

broker *broker_open(fs *files, str data_dir, const broker_options *options, const broker_hooks *hooks, broker_time now,
                    diag *d)
{
    broker *b = calloc(1, sizeof *b);
    check(b);
    b->fs = files;
    b->data_dir = strndup(data_dir.p, data_dir.n);
    check(b->data_dir);
    b->hooks = hooks ? hooks : &b->no_hooks;
    b->node_id = options->node_id;
    b->env = plog_env_new(files, OPEN_FILES_MAX);
    b->posted_tail = &b->posted_head;
    check(pthread_mutex_init(&b->meta_lock, NULL) == 0);
    check(pthread_mutex_init(&b->touched_lock, NULL) == 0);
    rng_seed(&b->random, options->seed);
    broker_enter(b, now);
    b->acls = acls_new();
    b->groups = groups_new();
    b->txns = txns_new();
    b->sessions = fetch_sessions_new();
    b->quotas = quotas_new();
    b->expiry_timer.fire = look_for_expired;
    broker_timer(b, &b->expiry_timer, EXPIRY_LOOK_MS);
    b->open = open_parts(b, options, d);
    if (b->open) {
        broker_settle(b);
        return b;
    }
    broker_close(b);
    return NULL;
}

static void free_topics(broker *b)
{
    void *value;
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);) {
        topic *t = value;
        for (int32_t i = 0; i < t->partitions_len; i++) broker_partition_release(t->partitions[i]);
        t->partitions_len = 0;
        topic_unref(t);
    }
    map_free(&b->topics_by_name);
    map_free(&b->topics_by_id);
}

static void free_lists(broker *b)
{
    while (b->unsynced) {
        broker_partition *p = b->unsynced;
        b->unsynced = p->unsynced_next;
        broker_partition_release(p);
    }
    while (b->touched) {
        broker_partition *p = b->touched;
        b->touched = p->touched_next;
        broker_partition_release(p);
    }
    void *value;
    for (size_t it = 0; map_next(&b->internal_producers, &it, NULL, &value);) internal_free(value);
    map_free(&b->internal_producers);
    auth_users_free(b);
    authz_close(b);
    acls_free(b->acls);
}

void broker_close(broker *b)
{
    if (!b) return;
    check(b->conns == 0 && atomic_load(&b->responses) == 0);
    run_posted(b);
    broker_finish_syncs(b);
    groups_free(b);
    txns_free(b);
    fetch_sessions_free(b->sessions);
    quotas_free(b->quotas);
    free_lists(b);
    int32_t epoch = b->leader_epoch;
    free_topics(b);
    diag d = {0};
    /* Last: only now everything that the word "clean" promises is on disk. */
    if (b->open && !atomic_load(&b->lost) && !meta_write_epoch(b, epoch, true, &d)) log_error("broker", "%s", d.text);
    meta_close(b->meta_log);
    plog_env_free(b->env);
    delay_free(&b->timers);
    config_set_free(&b->fixed);
    config_set_free(&b->dynamic);
    config_set_free(&b->fallback);
    group_configs_free(b);
    pthread_mutex_destroy(&b->meta_lock);
    pthread_mutex_destroy(&b->touched_lock);
    free(b->data_dir);
    free(b);
}
