/* Quotas of clients: DescribeClientQuotas and AlterClientQuotas (KIP-546). */
#include <arpa/inet.h>
#include <math.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/meta.h"
#include "broker/quota.h"

static kafka_error fail(str *why, kafka_error error, str text)
{
    *why = text;
    return error;
}

/* The number of a name, or n when it is none of them. */
static int number_of(str name, const char *const *names, int n)
{
    int i = 0;
    while (i < n && !str_eqz(name, names[i])) i++;
    return i;
}

static void put_entity(wire_out *o, const quota_entity *e)
{
    wire_put_len(o, e->has[QUOTA_USER] + e->has[QUOTA_CLIENT] + e->has[QUOTA_IP]);
    for (int i = 0; i < QUOTA_PARTS; i++) {
        if (!e->has[i]) continue;
        wire_put_str(o, str_z(quota_part_names[i]));
        wire_put_nstr(o, e->names[i]);
        wire_put_tags(o);
    }
}

static void put_f64(wire_out *o, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    wire_put_i64(o, bits);
}

/* ---- DescribeClientQuotas --------------------------------------------------------------------------------------- */

enum { MATCH_EXACT = 0, MATCH_DEFAULT = 1, MATCH_ANY = 2 };

typedef struct component {
    str type;
    int8_t match;
    str name; /* p == NULL: null */
} component;

/* What an entity must have to be shown. */
typedef struct filter {
    bool wanted[QUOTA_PARTS], any[QUOTA_PARTS];
    str names[QUOTA_PARTS];
    bool strict; /* and nothing beside it */
} filter;

static kafka_error add_component(request *q, filter *f, const component *c, str *why)
{
    int part = number_of(c->type, quota_part_names, QUOTA_PARTS);
    if (c->type.n == 0) return fail(why, KAFKA_INVALID_REQUEST, STR("An entity type of the filter is empty."));
    if (part == QUOTA_PARTS) return fail(why, KAFKA_UNSUPPORTED_VERSION, STR("There is no such type of entity."));
    if (f->wanted[part]) {
        return fail(why, KAFKA_INVALID_REQUEST,
                    arena_printf(q->a, "The filter names the entity type %s twice.", quota_part_names[part]));
    }
    if (c->match < MATCH_EXACT || c->match > MATCH_ANY)
        return fail(why, KAFKA_INVALID_REQUEST, arena_printf(q->a, "There is no match type %d.", c->match));
    if ((c->match == MATCH_EXACT) != (c->name.p != NULL))
        return fail(why, KAFKA_INVALID_REQUEST, STR("A name belongs to an exact match, and to no other."));
    f->wanted[part] = true;
    f->any[part] = c->match == MATCH_ANY;
    f->names[part] = c->name;
    return KAFKA_NONE;
}

static bool is_shown(const filter *f, const quota_entity *e)
{
    for (int i = 0; i < QUOTA_PARTS; i++) {
        if (f->strict && e->has[i] && !f->wanted[i]) return false;
        if (!f->wanted[i]) continue;
        if (!e->has[i]) return false;
        if (f->any[i]) continue;
        if ((e->names[i].p == NULL) != (f->names[i].p == NULL) || !str_eq(e->names[i], f->names[i])) return false;
    }
    return true;
}

static void put_limits(wire_out *o, const quota_limits *l)
{
    put_entity(o, &l->entity);
    int32_t n = 0;
    for (int i = 0; i < QUOTA_KINDS; i++) n += l->set[i];
    wire_put_len(o, n);
    for (int i = 0; i < QUOTA_KINDS; i++) {
        if (!l->set[i]) continue;
        wire_put_str(o, str_z(quota_kind_names[i]));
        put_f64(o, l->values[i]);
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

api_outcome api_describe_client_quotas(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 4);
    component *list = ARENA_ARRAY(q->a, component, (size_t)n + 1);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        list[i].type = wire_str(in);
        list[i].match = wire_i8(in);
        list[i].name = wire_nstr(in);
        wire_tags(in);
    }
    filter f = {.strict = wire_bool(in)};
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    str why = WIRE_NULL;
    kafka_error error = KAFKA_NONE;
    if (!authz_cluster(q, ACL_DESCRIBE_CONFIGS)) error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    if (error != KAFKA_NONE) why = authz_message(error);
    for (int32_t i = 0; i < n && error == KAFKA_NONE; i++) error = add_component(q, &f, &list[i], &why);
    if (error == KAFKA_NONE && f.wanted[QUOTA_IP] && (f.wanted[QUOTA_USER] || f.wanted[QUOTA_CLIENT]))
        error = fail(&why, KAFKA_INVALID_REQUEST, STR("An address is no entity together with a user or client id."));
    request_begin(q);
    wire_out *o = &q->out;
    const quota_limits *l;
    int32_t shown = 0;
    for (size_t it = 0; error == KAFKA_NONE && quota_next(q->b, &it, &l);) shown += is_shown(&f, &l->entity);
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, why);
    wire_put_len(o, error == KAFKA_NONE ? shown : -1);
    for (size_t it = 0; error == KAFKA_NONE && quota_next(q->b, &it, &l);)
        if (is_shown(&f, &l->entity)) put_limits(o, l);
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- AlterClientQuotas ------------------------------------------------------------------------------------------ */

/* More than any tool sends; an entry of three bytes must not cost hundreds. */
enum { ALTERATIONS_MAX = 10000, OPERATIONS_MAX = 100000, PARTS_MAX = 100 };

typedef struct operation {
    str key;
    double value;
    bool remove;
} operation;

typedef struct alteration {
    int32_t parts_len, operations_len;
    component *parts; /* type and name */
    operation *operations;
    quota_entity entity;
    kafka_error error;
    str why;
    bool again; /* an earlier one has the same entity, and the answer stands there */
} alteration;

static kafka_error check_entity(request *q, alteration *x)
{
    for (int32_t i = 0; i < x->parts_len; i++) {
        const component *c = &x->parts[i];
        int part = number_of(c->type, quota_part_names, QUOTA_PARTS);
        if (part == QUOTA_PARTS) return fail(&x->why, KAFKA_INVALID_REQUEST, STR("There is no such type of entity."));
        if (c->name.p && c->name.n == 0) {
            return fail(&x->why, KAFKA_INVALID_REQUEST,
                        arena_printf(q->a, "The name of a %s is empty.", quota_part_names[part]));
        }
        x->entity.has[part] = true;
        x->entity.names[part] = c->name;
    }
    const quota_entity *e = &x->entity;
    bool client = e->has[QUOTA_USER] || e->has[QUOTA_CLIENT];
    if (!client && !e->has[QUOTA_IP]) return fail(&x->why, KAFKA_INVALID_REQUEST, STR("The entity is empty."));
    if (client && e->has[QUOTA_IP]) {
        return fail(&x->why, KAFKA_INVALID_REQUEST, STR("An address is no entity together with a user or client id."));
    }
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    str ip = e->names[QUOTA_IP];
    if (!ip.p) return KAFKA_NONE;
    size_t n = ip.n < sizeof text ? ip.n : sizeof text - 1;
    memcpy(text, ip.p, n);
    text[n] = '\0';
    if (n == ip.n && (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1))
        return KAFKA_NONE;
    return fail(&x->why, KAFKA_INVALID_REQUEST, STR("The name of an ip has to be an IPv4 or IPv6 address."));
}

/* Which quotas an entity can have, and of which size: bytes are Java's long, connections its int, rates its double. */
static kafka_error check_value(request *q, alteration *x, const operation *op, quota_kind kind)
{
    if (kind == QUOTA_KINDS || (kind == QUOTA_CONNECTION) != x->entity.has[QUOTA_IP])
        return fail(&x->why, KAFKA_INVALID_REQUEST, STR("The entity can have no quota of that name."));
    const char *name = quota_kind_names[kind];
    double most = kind == QUOTA_CONNECTION                       ? INT32_MAX
                  : kind == QUOTA_PRODUCE || kind == QUOTA_FETCH ? (double)INT64_MAX
                                                                 : INFINITY;
    if (!(op->value > 0))
        return fail(&x->why, KAFKA_INVALID_REQUEST, arena_printf(q->a, "%s must be greater than 0.", name));
    if (op->value > most) return fail(&x->why, KAFKA_INVALID_REQUEST, arena_printf(q->a, "%s is too large.", name));
    if (most < INFINITY && fmod(op->value, 1) > 1e-6)
        return fail(&x->why, KAFKA_INVALID_REQUEST, arena_printf(q->a, "%s cannot be a fraction.", name));
    return KAFKA_NONE;
}

/* Checks one alteration and appends what it changes; a removal of what is not there changes nothing. */
static void check_operations(request *q, alteration *x, quota_change *changes, size_t *n)
{
    size_t before = *n;
    unsigned seen = 0;
    const quota_limits *l = quota_find(q->b, &x->entity);
    for (int32_t i = 0; i < x->operations_len && x->error == KAFKA_NONE; i++) {
        const operation *op = &x->operations[i];
        quota_kind kind = (quota_kind)number_of(op->key, quota_kind_names, QUOTA_KINDS);
        if (kind < QUOTA_KINDS && (seen >> kind & 1))
            x->error = fail(&x->why, KAFKA_INVALID_REQUEST, STR("The same quota is named twice."));
        else if (!op->remove)
            x->error = check_value(q, x, op, kind);
        if (kind == QUOTA_KINDS || x->error != KAFKA_NONE) continue;
        seen |= 1u << kind;
        bool there = l && l->set[kind];
        if (op->remove ? there : !there || l->values[kind] != op->value)
            changes[(*n)++] = (quota_change){&x->entity, kind, op->remove, op->value};
    }
    if (x->error != KAFKA_NONE) *n = before;
}

static bool decode(request *q, alteration *list, int32_t n)
{
    wire_in *in = &q->in;
    int64_t operations = 0;
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        alteration *x = &list[i];
        x->why = WIRE_NULL;
        x->parts_len = wire_len(in, 3);
        if (x->parts_len > PARTS_MAX) return false;
        x->parts = ARENA_ARRAY(q->a, component, (size_t)x->parts_len + 1);
        for (int32_t k = 0; k < x->parts_len && !wire_failed(in); k++) {
            x->parts[k].type = wire_str(in);
            x->parts[k].name = wire_nstr(in);
            wire_tags(in);
        }
        x->operations_len = wire_len(in, 10);
        operations += x->operations_len;
        if (operations > OPERATIONS_MAX) return false;
        x->operations = ARENA_ARRAY(q->a, operation, (size_t)x->operations_len + 1);
        for (int32_t k = 0; k < x->operations_len && !wire_failed(in); k++) {
            operation *op = &x->operations[k];
            op->key = wire_str(in);
            int64_t bits = wire_i64(in);
            memcpy(&op->value, &bits, sizeof bits);
            op->remove = wire_bool(in);
            wire_tags(in);
        }
        wire_tags(in);
    }
    return !wire_failed(in);
}

/* What tells entities apart; one that is wrong is told by all that it was given as. */
static void write_key(buf *key, const alteration *x)
{
    buf_clear(key);
    for (int i = 0; i < QUOTA_PARTS && x->error == KAFKA_NONE; i++) {
        write_u8(key, x->entity.has[i]);
        write_i32(key, x->entity.names[i].p ? (int32_t)x->entity.names[i].n : -1);
        buf_add_str(key, x->entity.names[i]);
    }
    for (int32_t k = 0; k < x->parts_len && x->error != KAFKA_NONE; k++) {
        const component *c = &x->parts[k];
        write_i32(key, (int32_t)c->type.n);
        buf_add_str(key, c->type);
        write_i32(key, c->name.p ? (int32_t)c->name.n : -1);
        buf_add_str(key, c->name);
    }
}

/*
 * Checks all and gives what is to be changed. An entity stands in the answer once: as in Kafka the first of several
 * alterations of it is carried out, and yet its answer is an error. The number of answers is returned.
 */
static int32_t check_all(request *q, alteration *list, int32_t n, quota_change *changes, size_t *changes_len)
{
    map seen = {0};
    buf key = {0};
    for (int32_t i = 0; i < n; i++) {
        alteration *x = &list[i];
        x->error = check_entity(q, x);
        write_key(&key, x);
        alteration *first = map_get(&seen, buf_str(&key));
        if (!first) {
            map_put(&seen, buf_str(&key), x);
            if (x->error == KAFKA_NONE) check_operations(q, x, changes, changes_len);
            continue;
        }
        x->again = true;
        first->error = fail(&first->why, KAFKA_INVALID_REQUEST, STR("The entity is altered twice."));
    }
    int32_t answers = (int32_t)map_count(&seen);
    buf_free(&key);
    map_free(&seen);
    return answers;
}

/* Writes the changes, then puts them in force: all of them, or none. */
static bool store(broker *b, const quota_change *changes, size_t n)
{
    diag d = {0};
    if (n == 0) return true;
    pthread_mutex_lock(&b->meta_lock);
    bool ok = meta_write_quotas(b, changes, n, &d);
    pthread_mutex_unlock(&b->meta_lock);
    if (!ok) log_error("broker", "%s", d.text);
    for (size_t i = 0; i < n && ok; i++) quota_apply(b, &changes[i]);
    return ok;
}

static void put_answer(wire_out *o, const alteration *x)
{
    wire_put_i16(o, (int16_t)x->error);
    wire_put_nstr(o, x->why);
    wire_put_len(o, x->parts_len);
    for (int32_t k = 0; k < x->parts_len; k++) {
        wire_put_str(o, x->parts[k].type);
        wire_put_nstr(o, x->parts[k].name);
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

api_outcome api_alter_client_quotas(request *q)
{
    int32_t n = wire_len(&q->in, 3);
    if (n > ALTERATIONS_MAX) return API_MALFORMED;
    alteration *list = ARENA_ARRAY(q->a, alteration, (size_t)n + 1);
    bool good = decode(q, list, n);
    bool validate_only = wire_bool(&q->in);
    wire_tags(&q->in);
    if (!good || wire_failed(&q->in)) return API_MALFORMED;
    quota_change *changes = ARENA_ARRAY(q->a, quota_change, (size_t)n * QUOTA_KINDS + 1);
    size_t changes_len = 0;
    int32_t answers = check_all(q, list, n, changes, &changes_len);
    bool may = authz_cluster(q, ACL_ALTER_CONFIGS);
    for (int32_t i = 0; i < n && !may; i++) {
        list[i].error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        list[i].why = authz_message(list[i].error);
    }
    bool stored = validate_only || !may || store(q->b, changes, changes_len);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, answers);
    for (int32_t i = 0; i < n; i++) {
        if (list[i].again) continue;
        if (!stored && list[i].error == KAFKA_NONE)
            list[i].error = fail(&list[i].why, KAFKA_KAFKA_STORAGE_ERROR, STR("The quotas could not be stored."));
        put_answer(o, &list[i]);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}
