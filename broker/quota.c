#include "broker/quota.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/meter.h"

/* The use of one client, or of one address. */
typedef struct meter {
    quota_kind kind;
    double bound; /* at its last use */
    meter_rate rate;
    meter_bucket bucket; /* of QUOTA_MUTATION */
} meter;

struct quotas {
    map limits; /* entity -> quota_limits */
    int32_t counts[QUOTA_KINDS]; /* entities that set the kind */
    map meters; /* kind, user, client id -> meter */
    size_t meters_kept; /* by the last look for idle ones */
    meter_window window, mutation_window;
    buf key, meter_key;
};

/* As a part of an entity is written. */
enum { PART_ABSENT = 0, PART_DEFAULT = 1, PART_NAMED = 2 };

enum { MUTE_MS_MAX = INT32_MAX, METERS_EXTRA = 1000 };

const char *const quota_part_names[QUOTA_PARTS] = {"user", "client-id", "ip"};
const char *const quota_kind_names[QUOTA_KINDS] = {"producer_byte_rate", "consumer_byte_rate", "request_percentage",
                                                   "controller_mutation_rate", "connection_creation_rate"};

struct quotas *quotas_new(void)
{
    struct quotas *t = calloc(1, sizeof *t);
    check(t);
    return t;
}

static void limits_free(quota_limits *l)
{
    for (int i = 0; i < QUOTA_PARTS; i++) free((char *)(uintptr_t)l->entity.names[i].p);
    free(l);
}

static void meter_free(meter *m)
{
    meter_rate_free(&m->rate);
    free(m);
}

void quotas_free(struct quotas *t)
{
    if (!t) return;
    void *value;
    for (size_t it = 0; map_next(&t->limits, &it, NULL, &value);) limits_free(value);
    for (size_t it = 0; map_next(&t->meters, &it, NULL, &value);) meter_free(value);
    map_free(&t->limits);
    map_free(&t->meters);
    buf_free(&t->key);
    buf_free(&t->meter_key);
    free(t);
}

void quotas_configure(broker *b)
{
    struct quotas *t = b->quotas;
    t->window = (meter_window){broker_i64(b, "quota.window.num"), broker_i64(b, "quota.window.size.seconds") * 1000};
    t->mutation_window = (meter_window){broker_i64(b, "controller.quota.window.num"),
                                        broker_i64(b, "controller.quota.window.size.seconds") * 1000};
}

/* ---- the quotas that are set ------------------------------------------------------------------------------------ */

static void put_name(buf *out, str name)
{
    write_u8(out, PART_NAMED);
    write_i32(out, (int32_t)name.n);
    buf_add_str(out, name);
}

static void put_entity(buf *out, const quota_entity *e)
{
    for (int i = 0; i < QUOTA_PARTS; i++) {
        if (e->has[i] && e->names[i].p)
            put_name(out, e->names[i]);
        else
            write_u8(out, e->has[i] ? PART_DEFAULT : PART_ABSENT);
    }
}

/* Addresses are looked up as the system writes them, whatever way the administrator did. */
static str canonical_ip(str ip, char text[INET6_ADDRSTRLEN])
{
    struct in6_addr address;
    int family = memchr(ip.p, ':', ip.n) ? AF_INET6 : AF_INET;
    if (ip.n >= INET6_ADDRSTRLEN) return ip;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';
    if (inet_pton(family, text, &address) != 1) return ip;
    return str_z(inet_ntop(family, &address, text, INET6_ADDRSTRLEN));
}

static str entity_key(struct quotas *t, const quota_entity *e)
{
    char text[INET6_ADDRSTRLEN];
    quota_entity copy = *e;
    if (e->has[QUOTA_IP] && e->names[QUOTA_IP].p) copy.names[QUOTA_IP] = canonical_ip(e->names[QUOTA_IP], text);
    buf_clear(&t->key);
    put_entity(&t->key, &copy);
    return buf_str(&t->key);
}

const quota_limits *quota_find(const broker *b, const quota_entity *e)
{
    return map_get(&b->quotas->limits, entity_key(b->quotas, e));
}

bool quota_next(const broker *b, size_t *it, const quota_limits **out)
{
    void *value;
    if (!map_next(&b->quotas->limits, it, NULL, &value)) return false;
    *out = value;
    return true;
}

static quota_limits *limits_new(const quota_entity *e)
{
    quota_limits *l = calloc(1, sizeof *l);
    check(l);
    l->entity = *e;
    for (int i = 0; i < QUOTA_PARTS; i++) {
        str name = e->names[i];
        l->entity.names[i] = (str){0};
        if (!e->has[i] || !name.p) continue;
        char *copy = malloc(name.n + 1);
        check(copy);
        memcpy(copy, name.p, name.n);
        l->entity.names[i] = str_of(copy, name.n);
    }
    return l;
}

void quota_apply(broker *b, const quota_change *c)
{
    struct quotas *t = b->quotas;
    str key = entity_key(t, c->entity);
    quota_limits *l = map_get(&t->limits, key);
    if (!l && c->remove) return;
    if (!l) {
        l = limits_new(c->entity);
        map_put(&t->limits, key, l);
    }
    t->counts[c->kind] += !c->remove - l->set[c->kind];
    l->set[c->kind] = !c->remove;
    l->values[c->kind] = c->value;
    bool any = false;
    b->quotas_on = 0;
    for (int i = 0; i < QUOTA_KINDS; i++) {
        any = any || l->set[i];
        if (t->counts[i] > 0) b->quotas_on |= 1u << i;
    }
    if (any) return;
    map_remove(&t->limits, key);
    limits_free(l);
}

void quota_write(buf *out, const quota_change *changes, size_t n)
{
    write_i32(out, (int32_t)n);
    for (size_t i = 0; i < n; i++) {
        int64_t bits;
        memcpy(&bits, &changes[i].value, sizeof bits);
        put_entity(out, changes[i].entity);
        write_u8(out, (uint8_t)changes[i].kind);
        write_u8(out, changes[i].remove);
        write_i64(out, bits);
    }
}

void quota_write_limits(buf *out, const quota_limits *l)
{
    quota_change changes[QUOTA_KINDS];
    size_t n = 0;
    for (int i = 0; i < QUOTA_KINDS; i++)
        if (l->set[i]) changes[n++] = (quota_change){&l->entity, (quota_kind)i, false, l->values[i]};
    quota_write(out, changes, n);
}

bool quota_read(broker *b, reader *r)
{
    int32_t n = read_i32(r);
    for (int32_t i = 0; i < n && !r->failed; i++) {
        quota_entity e = {0};
        for (int k = 0; k < QUOTA_PARTS; k++) {
            uint8_t part = read_u8(r);
            e.has[k] = part != PART_ABSENT;
            if (part != PART_NAMED) continue;
            int32_t len = read_i32(r);
            const uint8_t *p = len >= 0 ? read_bytes(r, (size_t)len) : NULL;
            if (!p) return false;
            e.names[k] = str_of((const char *)p, (size_t)len);
        }
        quota_change c = {.entity = &e};
        uint8_t kind = read_u8(r);
        c.remove = read_u8(r) != 0;
        int64_t bits = read_i64(r);
        memcpy(&c.value, &bits, sizeof bits);
        if (r->failed || kind >= QUOTA_KINDS || !(c.remove || c.value > 0)) return false;
        c.kind = (quota_kind)kind;
        quota_apply(b, &c);
    }
    return n >= 0 && !r->failed;
}

/* ---- which quota is whose --------------------------------------------------------------------------------------- */

/* Removes the meters of those who used nothing for so long that a new meter would say the same. */
static void drop_idle(broker *b)
{
    struct quotas *t = b->quotas;
    int64_t now = b->now.mono_ms;
    str key;
    void *value;
    for (size_t it = 0; map_next(&t->meters, &it, &key, &value);) {
        meter *m = value;
        bool idle = m->kind == QUOTA_MUTATION ? meter_bucket_is_full(&m->bucket, &t->mutation_window, m->bound, now)
                                              : meter_rate_is_idle(&m->rate, &t->window, now);
        if (!idle) continue;
        map_remove(&t->meters, key);
        meter_free(m);
    }
    t->meters_kept = map_count(&t->meters);
}

void quotas_expire(broker *b)
{
    if (map_count(&b->quotas->meters) > 0) drop_idle(b);
}

static meter *meter_of(broker *b, quota_kind kind, str first, str second, double bound)
{
    struct quotas *t = b->quotas;
    buf_clear(&t->meter_key);
    write_u8(&t->meter_key, (uint8_t)kind);
    put_name(&t->meter_key, first);
    buf_add_str(&t->meter_key, second);
    meter *m = map_get(&t->meters, buf_str(&t->meter_key));
    if (!m) {
        /* Clients that take a new id each time must not fill the memory before the next look at the clock. */
        if (map_count(&t->meters) > 2 * t->meters_kept + METERS_EXTRA) drop_idle(b);
        m = calloc(1, sizeof *m);
        check(m);
        m->kind = kind;
        map_put(&t->meters, buf_str(&t->meter_key), m);
    }
    m->bound = bound;
    return m;
}

/* From the most to the least specific (KIP-55). What the meter is shared by, is what the entity names. */
static const struct {
    uint8_t user, client;
} levels[] = {
    {PART_NAMED, PART_NAMED},     {PART_NAMED, PART_DEFAULT},  {PART_NAMED, PART_ABSENT}, {PART_DEFAULT, PART_NAMED},
    {PART_DEFAULT, PART_DEFAULT}, {PART_DEFAULT, PART_ABSENT}, {PART_ABSENT, PART_NAMED}, {PART_ABSENT, PART_DEFAULT},
};

/* The meter of the client for a kind, or NULL when nothing limits it. */
static meter *client_meter(const request *q, quota_kind kind)
{
    broker *b = q->b;
    str user = authz_name(q->c), client = q->client_id;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        /* No client id is none that could be limited. */
        if (levels[i].client != PART_ABSENT && client.n == 0) continue;
        quota_entity e = {.has = {levels[i].user != PART_ABSENT, levels[i].client != PART_ABSENT, false}};
        if (levels[i].user == PART_NAMED) e.names[QUOTA_USER] = user;
        if (levels[i].client == PART_NAMED) e.names[QUOTA_CLIENT] = client;
        const quota_limits *l = quota_find(b, &e);
        if (!l || !l->set[kind]) continue;
        return meter_of(b, kind, e.has[QUOTA_USER] ? user : STR(""), e.has[QUOTA_CLIENT] ? client : STR(""),
                        l->values[kind]);
    }
    return NULL;
}

/* ---- what is used ----------------------------------------------------------------------------------------------- */

static void on_unmute(delay_timer *timer)
{
    broker_conn *c = container_of(timer, broker_conn, unmute);
    if (c->refused) c->must_close = true;
    c->relieved = true;
    conn_activate(c);
}

static void mute(broker_conn *c, int64_t ms)
{
    if (!c || ms <= 0) return;
    int64_t until = c->b->now.mono_ms + (ms < MUTE_MS_MAX ? ms : MUTE_MS_MAX);
    if (delay_is_set(&c->unmute) && c->unmute.at_ms >= until) return;
    c->unmute.fire = on_unmute;
    delay_set(&c->b->timers, &c->unmute, until);
}

static void must_wait(request *q, int64_t ms)
{
    mute(q->c, ms);
    if (ms > q->throttle_ms) q->throttle_ms = (int32_t)ms;
}

void quota_charge(request *q, quota_kind kind, double amount)
{
    if (!quota_on(q->b, kind) || !q->c) return;
    meter *m = client_meter(q, kind);
    if (!m) return;
    const meter_window *w = &q->b->quotas->window;
    int64_t now = q->b->now.mono_ms;
    meter_rate_add(&m->rate, w, amount, now);
    if (amount < 0) return;
    int64_t ms = meter_rate_excess_ms(&m->rate, w, m->bound, now);
    /* Time is spent by the broker, not asked for by the client: the wait is at most one window (KIP-124). */
    if (kind == QUOTA_REQUEST && ms > w->ms) ms = w->ms;
    must_wait(q, ms);
}

static double percent_used(const request *q)
{
    int64_t ns = q->spent_ns;
    if (q->began_ns > 0) ns += quota_clock(q->b) - q->began_ns;
    return (double)ns * 100 / 1e9;
}

bool quota_charge_fetch(request *q, size_t bytes)
{
    if (!quota_on(q->b, QUOTA_FETCH) && !quota_on(q->b, QUOTA_REQUEST)) return false;
    q->timed = true;
    quota_charge(q, QUOTA_REQUEST, percent_used(q));
    quota_charge(q, QUOTA_FETCH, (double)bytes);
    if (q->throttle_ms > 0) quota_charge(q, QUOTA_FETCH, -(double)bytes);
    return q->throttle_ms > 0;
}

int32_t quota_fetch_max(request *q)
{
    meter *m = quota_on(q->b, QUOTA_FETCH) && q->c ? client_meter(q, QUOTA_FETCH) : NULL;
    const meter_window *w = &q->b->quotas->window;
    double most = m ? m->bound * (double)(w->samples - 1) * ((double)w->ms / 1000) : INT32_MAX;
    return most < INT32_MAX ? (int32_t)most : INT32_MAX;
}

bool quota_admit(request *q, int32_t partitions, bool strict)
{
    if (!quota_on(q->b, QUOTA_MUTATION) || !q->c) return true;
    meter *m = client_meter(q, QUOTA_MUTATION);
    if (!m) return true;
    const meter_window *w = &q->b->quotas->mutation_window;
    int64_t now = q->b->now.mono_ms;
    int64_t debt_ms = meter_bucket_excess_ms(&m->bucket, w, m->bound, now);
    if (!strict || debt_ms == 0) meter_bucket_take(&m->bucket, w, m->bound, partitions, now);
    must_wait(q, strict ? debt_ms : meter_bucket_excess_ms(&m->bucket, w, m->bound, now));
    return !strict || debt_ms == 0;
}

int64_t quota_clock(broker *b)
{
    return quota_on(b, QUOTA_REQUEST) && b->hooks->clock_ns ? b->hooks->clock_ns(b->hooks->user) : 0;
}

void quota_connected(broker_conn *c)
{
    broker *b = c->b;
    if (!quota_on(b, QUOTA_CONNECTION)) return;
    str ip = str_z(c->peer_host);
    quota_entity e = {.has = {false, false, true}, .names = {{0}, {0}, ip}}, any = {.has = {false, false, true}};
    const quota_limits *l = quota_find(b, &e);
    if (!l) l = quota_find(b, &any);
    if (!l) return;
    const meter_window *w = &b->quotas->window;
    meter *m = meter_of(b, QUOTA_CONNECTION, ip, STR(""), l->values[QUOTA_CONNECTION]);
    meter_rate_add(&m->rate, w, 1, b->now.mono_ms);
    int64_t ms = meter_rate_excess_ms(&m->rate, w, m->bound, b->now.mono_ms);
    if (ms == 0) return;
    /* It never came to be, and so does not count against those to come (KIP-612). */
    meter_rate_add(&m->rate, w, -1, b->now.mono_ms);
    c->refused = true;
    mute(c, ms < w->ms ? ms : w->ms);
}

/* ---- the answer ------------------------------------------------------------------------------------------------- */

enum { NO_THROTTLE_TIME = INT16_MAX, KEY_WRITE_TXN_MARKERS = 27 };

/* First versions whose answer begins with the time to wait, where that is not the first one that is served. */
static const struct {
    int16_t key, version;
} begins[] = {{0, NO_THROTTLE_TIME},
              {2, 2},
              {3, 3},
              {8, 3},
              {9, 3},
              {10, 1},
              {11, 2},
              {12, 1},
              {13, 1},
              {14, 1},
              {15, 1},
              {16, 1},
              {17, NO_THROTTLE_TIME},
              {18, NO_THROTTLE_TIME},
              {27, NO_THROTTLE_TIME},
              {36, NO_THROTTLE_TIME},
              {47, NO_THROTTLE_TIME},
              {55, NO_THROTTLE_TIME}};

/* Where the time to wait stands in the answer, 0: nowhere. */
static size_t throttle_place(const request *q)
{
    /* Behind length and correlation id, and the tags of the header. */
    if (q->throttle_at > 0) return q->throttle_at;
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        if (begins[i].key == q->key && q->version < begins[i].version) return 0;
    return 8 + (q->in.flexible ? 1 : 0);
}

void quota_finish(request *q, bool silent)
{
    if (!q->api || !q->c) return;
    bool exempt = silent || q->timed || q->key == KEY_WRITE_TXN_MARKERS;
    if (quota_on(q->b, QUOTA_REQUEST) && !exempt) quota_charge(q, QUOTA_REQUEST, percent_used(q));
    if (q->throttle_ms == 0 || silent) return;
    size_t at = throttle_place(q);
    if (at == 0) return;
    check(at + 4 <= q->bytes.len);
    wire_patch_i32(&q->out, at, q->throttle_ms);
}
