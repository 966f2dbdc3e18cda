/* Access control lists: what they decide, against a plain walk over all entries, and the APIs that keep them. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "broker/acl.h"
#include "broker/auth.h"
#include "tests/support/broker/client.h"

/* ---- an oracle --------------------------------------------------------------------------------------------------- */

enum { ORACLE_MAX = 400 };

typedef struct oracle {
    acl list[ORACLE_MAX];
    size_t n;
} oracle;

static const char *const names[] = {"a",  "ab",  "abc", "abcd", "b",   "ba", "bab", "*",       "*a",
                                    "ac", "acb", "b*",  "c",    "cab", "aa", "abb", "hardcode"};
static const char *const users[] = {"al", "bo", "*", "a", "bob"};
static const char *const principals[] = {"User:al", "User:bo", "User:*", "Group:al", "User:bob", "User", "User:"};
static const char *const hosts[] = {"*", "10.0.0.1", "10.0.0.2", "::1", "0:0:0:0:0:0:0:1"};
static const char *const froms[] = {"10.0.0.1", "10.0.0.3", "::1"};

#define PICK(r, list) str_z((list)[rng_below((r), sizeof(list) / sizeof *(list))])

static bool same_entry(const acl *x, const acl *y)
{
    return x->resource == y->resource && x->pattern == y->pattern && x->operation == y->operation &&
           x->permission == y->permission && str_eq(x->name, y->name) && str_eq(x->principal, y->principal) &&
           str_eq(x->host, y->host);
}

static size_t oracle_find(const oracle *o, const acl *x)
{
    size_t i = 0;
    while (i < o->n && !same_entry(&o->list[i], x)) i++;
    return i;
}

static bool names_it(const acl *x, acl_resource resource, str name)
{
    if (x->resource != (int8_t)resource) return false;
    return x->pattern == ACL_PREFIXED ? str_starts(name, x->name) : str_eq(x->name, name) || str_eqz(x->name, "*");
}

static bool means(const acl *x, const acl_who *who)
{
    bool one =
        str_starts(x->principal, STR("User:")) && str_eq(who->user, str_of(x->principal.p + 5, x->principal.n - 5));
    bool loop = str_eqz(who->host, "::1") && (str_eqz(x->host, "::1") || str_eqz(x->host, "0:0:0:0:0:0:0:1"));
    return (one || str_eqz(x->principal, "User:*")) && (str_eqz(x->host, "*") || str_eq(x->host, who->host) || loop);
}

/* The table of the rules, written down as Kafka's documentation has them. */
static bool covers(const acl *x, acl_operation asked)
{
    static const struct {
        acl_operation allowed, implied;
    } rules[] = {{ACL_READ, ACL_DESCRIBE},
                 {ACL_WRITE, ACL_DESCRIBE},
                 {ACL_DELETE, ACL_DESCRIBE},
                 {ACL_ALTER, ACL_DESCRIBE},
                 {ACL_ALTER_CONFIGS, ACL_DESCRIBE_CONFIGS}};
    if (x->operation == ACL_ALL || x->operation == (int8_t)asked) return true;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (x->permission == ACL_ALLOW && x->operation == (int8_t)rules[i].allowed && asked == rules[i].implied)
            return true;
    return false;
}

static acl_verdict oracle_ask(const oracle *o, const acl_who *who, acl_operation op, acl_resource resource, str name)
{
    bool named = false, allowed = false;
    for (size_t i = 0; i < o->n; i++) {
        const acl *x = &o->list[i];
        if (!names_it(x, resource, name)) continue;
        named = true;
        if (!means(x, who) || !covers(x, op)) continue;
        if (x->permission == ACL_DENY) return ACL_REFUSED;
        allowed = true;
    }
    return !named ? ACL_NOT_NAMED : allowed ? ACL_GRANTED : ACL_REFUSED;
}

static bool exact(const acl *x, const acl_who *who, acl_operation op, acl_resource resource)
{
    return x->resource == (int8_t)resource && means(x, who) && (x->operation == (int8_t)op || x->operation == ACL_ALL);
}

static bool oracle_any(const oracle *o, const acl_who *who, acl_operation op, acl_resource resource)
{
    bool everything = false, some = false;
    for (size_t i = 0; i < o->n; i++) {
        const acl *x = &o->list[i];
        if (!exact(x, who, op, resource)) continue;
        bool wild = x->pattern == ACL_LITERAL && str_eqz(x->name, "*");
        if (wild && x->permission == ACL_DENY) return false;
        if (wild) everything = true;
        bool refused = x->permission == ACL_DENY || wild;
        for (size_t k = 0; k < o->n && !refused; k++) {
            const acl *y = &o->list[k];
            if (!exact(y, who, op, resource) || y->permission != ACL_DENY) continue;
            refused = y->pattern == ACL_PREFIXED ? str_starts(x->name, y->name)
                                                 : x->pattern == ACL_LITERAL && str_eq(x->name, y->name);
        }
        some = some || !refused;
    }
    return everything || some;
}

static acl random_entry(rng *r)
{
    static const acl_operation operations[] = {ACL_ALL,    ACL_READ,          ACL_WRITE,
                                               ACL_DELETE, ACL_ALTER,         ACL_DESCRIBE,
                                               ACL_CREATE, ACL_ALTER_CONFIGS, ACL_DESCRIBE_CONFIGS};
    acl x = {.resource = rng_below(r, 2) ? ACL_TOPIC : ACL_GROUP,
             .pattern = rng_below(r, 2) ? ACL_LITERAL : ACL_PREFIXED,
             .permission = rng_below(r, 4) ? ACL_ALLOW : ACL_DENY};
    x.operation = (int8_t)operations[rng_below(r, sizeof operations / sizeof *operations)];
    x.name = PICK(r, names);
    x.principal = PICK(r, principals);
    x.host = PICK(r, hosts);
    return x;
}

static void check_asking(acls *s, const oracle *o, rng *r, int times)
{
    for (int i = 0; i < times; i++) {
        acl_who who = {PICK(r, users), PICK(r, froms)};
        acl_operation op = (acl_operation)(ACL_READ + rng_below(r, 9));
        acl_resource resource = rng_below(r, 2) ? ACL_TOPIC : ACL_GROUP;
        str name = PICK(r, names);
        ck_assert_msg(acls_ask(s, &who, op, resource, name) == oracle_ask(o, &who, op, resource, name), "%.*s %d %.*s",
                      STR_ARG(who.user), (int)op, STR_ARG(name));
        ck_assert(acls_any(s, &who, op, resource) == oracle_any(o, &who, op, resource));
    }
}

START_TEST(decisions_are_those_of_a_walk_over_all_entries)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        rng r;
        rng_seed(&r, seed);
        acls *s = acls_new();
        oracle o = {.n = 0};
        size_t most = 1 + rng_below(&r, seed % 2 ? 12 : ORACLE_MAX / 2);
        for (int step = 0; step < 400; step++) {
            acl x = random_entry(&r);
            size_t at = oracle_find(&o, &x);
            ck_assert(acls_has(s, &x) == (at < o.n));
            if (rng_below(&r, 3) == 0 && o.n > 0) {
                if (rng_below(&r, 2)) x = o.list[rng_below(&r, o.n)];
                at = oracle_find(&o, &x);
                ck_assert(acls_remove(s, &x) == (at < o.n));
                if (at < o.n) o.list[at] = o.list[--o.n];
            } else if (o.n < most) {
                ck_assert(acls_add(s, &x) == (at == o.n));
                if (at == o.n) o.list[o.n++] = x;
            }
            ck_assert_uint_eq(acls_count(s), o.n);
            check_asking(s, &o, &r, 20);
        }
        acls_free(s);
    }
}
END_TEST

static bool filter_passes(const acl *f, const acl *x)
{
    if (f->resource != ACL_RESOURCE_ANY && f->resource != x->resource) return false;
    if (f->operation != ACL_OPERATION_ANY && f->operation != x->operation) return false;
    if (f->permission != ACL_PERMISSION_ANY && f->permission != x->permission) return false;
    if (f->principal.p && !str_eq(f->principal, x->principal)) return false;
    if (f->host.p && !str_eq(f->host, x->host)) return false;
    if (f->pattern == ACL_PATTERN_MATCH) return !f->name.p || names_it(x, (acl_resource)x->resource, f->name);
    if (f->pattern != ACL_PATTERN_ANY && f->pattern != x->pattern) return false;
    return !f->name.p || str_eq(f->name, x->name);
}

START_TEST(filters_find_what_a_walk_finds)
{
    rng r;
    rng_seed(&r, 7);
    acls *s = acls_new();
    oracle o = {.n = 0};
    while (o.n < ORACLE_MAX) {
        acl x = random_entry(&r);
        if (acls_add(s, &x)) o.list[o.n++] = x;
    }
    for (int round = 0; round < 2000; round++) {
        acl f = random_entry(&r), x;
        if (rng_below(&r, 2)) f.resource = ACL_RESOURCE_ANY;
        f.pattern = (int8_t)(ACL_PATTERN_ANY + rng_below(&r, 4));
        if (rng_below(&r, 2)) f.operation = ACL_OPERATION_ANY;
        if (rng_below(&r, 2)) f.permission = ACL_PERMISSION_ANY;
        if (rng_below(&r, 3) == 0) f.name = WIRE_NULL;
        if (rng_below(&r, 2)) f.principal = WIRE_NULL;
        if (rng_below(&r, 2)) f.host = WIRE_NULL;
        size_t found = 0, wanted = 0;
        for (size_t i = 0; i < o.n; i++) wanted += filter_passes(&f, &o.list[i]);
        for (acl_cursor at = {0}; acls_next(s, &f, &at, &x); found++)
            ck_assert(oracle_find(&o, &x) < o.n && filter_passes(&f, &x));
        ck_assert_uint_eq(found, wanted);
    }
    acls_free(s);
}
END_TEST

/* ---- the APIs ---------------------------------------------------------------------------------------------------- */

static bench t;

static void up(void)
{
    bench_config(&t, "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    bench_config(&t, "super.users", "User:admin;User:ANONYMOUS");
    bench_open(&t);
}

static void put_acl(wire_out *o, const acl *x, bool filter)
{
    wire_put_i8(o, x->resource);
    if (filter)
        wire_put_nstr(o, x->name);
    else
        wire_put_str(o, x->name);
    wire_put_i8(o, x->pattern);
    if (filter)
        wire_put_nstr(o, x->principal);
    else
        wire_put_str(o, x->principal);
    if (filter)
        wire_put_nstr(o, x->host);
    else
        wire_put_str(o, x->host);
    wire_put_i8(o, x->operation);
    wire_put_i8(o, x->permission);
    wire_put_tags(o);
}

/* CreateAcls; errors by entry. */
static void create(int16_t version, const acl *list, int32_t n, int16_t *errors)
{
    bench_begin(&t, 30, version);
    wire_put_len(&t.out, n);
    for (int32_t i = 0; i < n; i++) put_acl(&t.out, &list[i], false);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), n);
    for (int32_t i = 0; i < n; i++) {
        errors[i] = wire_i16(&in);
        ck_assert((wire_nstr(&in).p == NULL) == (errors[i] == 0));
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
}

static int16_t create_one(acl x)
{
    int16_t error;
    create(3, &x, 1, &error);
    return error;
}

static const acl everything = {ACL_RESOURCE_ANY, ACL_PATTERN_ANY, ACL_OPERATION_ANY, ACL_PERMISSION_ANY,
                               {NULL, 0},        {NULL, 0},       {NULL, 0}};

/* DescribeAcls; the entries found. -1: an error, which goes to *error. */
static int describe(int16_t version, const acl *filter, acl *out, int16_t *error)
{
    bench_begin(&t, 29, version);
    put_acl(&t.out, filter, true);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    *error = wire_i16(&in);
    ck_assert((wire_nstr(&in).p == NULL) == (*error == 0));
    int n = 0;
    int32_t resources = wire_len(&in, 1);
    for (int32_t i = 0; i < resources; i++) {
        acl x = {.resource = wire_i8(&in)};
        x.name = wire_str(&in);
        x.pattern = wire_i8(&in);
        int32_t entries = wire_len(&in, 1);
        ck_assert_int_gt(entries, 0);
        for (int32_t k = 0; k < entries; k++) {
            x.principal = wire_str(&in);
            x.host = wire_str(&in);
            x.operation = wire_i8(&in);
            x.permission = wire_i8(&in);
            wire_tags(&in);
            if (out) out[n] = x;
            n++;
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return *error ? -1 : n;
}

static int count(const acl *filter)
{
    int16_t error;
    return describe(3, filter, NULL, &error);
}

/* DeleteAcls; how many each filter matched, or the negative of its error. */
static void delete (int16_t version, const acl *filters, int32_t n, int *matched)
{
    bench_begin(&t, 31, version);
    wire_put_len(&t.out, n);
    for (int32_t i = 0; i < n; i++) put_acl(&t.out, &filters[i], true);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 0);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), n);
    for (int32_t i = 0; i < n; i++) {
        int16_t error = wire_i16(&in);
        ck_assert((wire_nstr(&in).p == NULL) == (error == 0));
        int32_t found = wire_len(&in, 1);
        matched[i] = error ? -error : found;
        for (int32_t k = 0; k < found; k++) {
            ck_assert_int_eq(wire_i16(&in), 0);
            wire_nstr(&in);
            acl x = {.resource = wire_i8(&in)};
            x.name = wire_str(&in);
            x.pattern = wire_i8(&in);
            x.principal = wire_str(&in);
            x.host = wire_str(&in);
            x.operation = wire_i8(&in);
            x.permission = wire_i8(&in);
            wire_tags(&in);
            ck_assert(filter_passes(&filters[i], &x));
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
}

static acl entry_of(acl_resource resource, acl_pattern pattern, const char *name, const char *principal,
                    acl_operation operation)
{
    return (acl){(int8_t)resource, (int8_t)pattern,  (int8_t)operation, ACL_ALLOW,
                 str_z(name),      str_z(principal), STR("*")};
}

START_TEST(entries_come_and_go_in_every_version)
{
    up();
    for (int16_t version = 1; version <= 3; version++) {
        const acl list[] = {entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ),
                            entry_of(ACL_TOPIC, ACL_PREFIXED, "t", "User:a", ACL_WRITE),
                            entry_of(ACL_GROUP, ACL_LITERAL, "*", "User:b", ACL_ALL),
                            entry_of(ACL_CLUSTER, ACL_LITERAL, "kafka-cluster", "User:b", ACL_IDEMPOTENT_WRITE),
                            entry_of(ACL_TRANSACTIONAL_ID, ACL_PREFIXED, "x", "User:b", ACL_TWO_PHASE_COMMIT),
                            entry_of(ACL_DELEGATION_TOKEN, ACL_LITERAL, "x", "User:b", ACL_DESCRIBE),
                            entry_of(ACL_USER, ACL_LITERAL, "x", "User:b", ACL_CREATE_TOKENS),
                            entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ)};
        int16_t errors[8], error;
        acl found[16];
        int matched[3];
        create(version, list, 8, errors);
        for (int i = 0; i < 8; i++) ck_assert_int_eq(errors[i], 0);
        ck_assert_int_eq(describe(version, &everything, found, &error), 7);
        for (int i = 0; i < 7; i++) {
            bool one = false;
            for (int k = 0; k < 7; k++) one = one || same_entry(&found[k], &list[i]);
            ck_assert(one);
        }
        acl filter = everything;
        filter.resource = ACL_TOPIC;
        filter.pattern = ACL_PATTERN_MATCH;
        filter.name = STR("tea");
        ck_assert_int_eq(describe(version, &filter, found, &error), 1);
        acl filters[3] = {filter, everything, everything};
        filters[1].principal = STR("User:a");
        delete (version, filters, 3, matched);
        ck_assert_int_eq(matched[0], 1);
        ck_assert_int_eq(matched[1], 2);
        ck_assert_int_eq(matched[2], 7);
        ck_assert_int_eq(describe(version, &everything, found, &error), 0);
    }
    bench_close(&t);
}
END_TEST

START_TEST(entries_outlive_restarts_and_power_losses)
{
    up();
    int matched;
    ck_assert_int_eq(create_one(entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ)), 0);
    ck_assert_int_eq(create_one(entry_of(ACL_TOPIC, ACL_LITERAL, "u", "User:a", ACL_READ)), 0);
    acl filter = everything;
    filter.name = STR("u");
    for (int round = 0; round < 4; round++) {
        if (round == 0) bench_restart(&t);
        if (round == 1) bench_power_loss(&t, 3);
        if (round == 2) bench_kill(&t);
        ck_assert_int_eq(count(&everything), 2);
        delete (3, &filter, 1, &matched);
        ck_assert_int_eq(matched, 1);
        bench_power_loss(&t, 4);
        ck_assert_int_eq(count(&everything), 1);
        ck_assert_int_eq(create_one(entry_of(ACL_TOPIC, ACL_LITERAL, "u", "User:a", ACL_READ)), 0);
    }
    bench_close(&t);
}
END_TEST

START_TEST(entries_outlive_the_rewriting_of_the_metadata_log)
{
    up();
    static char name[200];
    memset(name, 'n', sizeof name - 1);
    acl x = entry_of(ACL_TOPIC, ACL_PREFIXED, name, "User:a", ACL_READ);
    int matched;
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(create_one(x), 0);
        delete (2, &everything, 1, &matched);
        ck_assert_int_eq(matched, 1);
    }
    ck_assert_int_eq(create_one(x), 0);
    bench_restart(&t);
    ck_assert_int_eq(count(&everything), 1);
    bench_restart(&t);
    ck_assert_int_eq(count(&everything), 1);
    bench_close(&t);
}
END_TEST

START_TEST(wrong_entries_are_refused_one_by_one)
{
    const acl good = entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ);
    acl list[14];
    int16_t errors[14];
    up();
    for (int i = 0; i < 14; i++) list[i] = good;
    list[0].resource = ACL_CLUSTER; /* of another name */
    list[1].name = STR("");
    list[2].resource = ACL_RESOURCE_ANY;
    list[3].resource = 99;
    list[4].pattern = ACL_PATTERN_ANY;
    list[5].pattern = ACL_PATTERN_MATCH;
    list[6].pattern = -1;
    list[7].operation = ACL_OPERATION_ANY;
    list[8].operation = 16;
    list[9].permission = ACL_PERMISSION_ANY;
    list[10].principal = STR("Usera");
    list[11].host = STR("");
    list[12].host = STR("10.0.0.0/8");
    create(3, list, 14, errors);
    for (int i = 0; i < 12; i++) ck_assert_msg(errors[i] == KAFKA_INVALID_REQUEST, "%d: %d", i, errors[i]);
    ck_assert_int_eq(errors[12], KAFKA_UNSUPPORTED_VERSION);
    ck_assert_int_eq(errors[13], 0);
    ck_assert_int_eq(count(&everything), 1);
    for (int field = 0; field < 4; field++) {
        acl x = good;
        *(field == 0 ? &x.resource : field == 1 ? &x.pattern : field == 2 ? &x.operation : &x.permission) = 0;
        for (int16_t key = 29; key <= 31; key++) {
            bench_begin(&t, key, 3);
            if (key > 29) wire_put_len(&t.out, 1);
            put_acl(&t.out, &x, key != 30);
            if (key > 29) wire_put_tags(&t.out);
            bench_send(&t, 1);
            ck_assert(t.closed);
            bench_hang_up(&t, 1);
        }
        acl filter = everything;
        *(field == 0   ? &filter.resource
          : field == 1 ? &filter.pattern
          : field == 2 ? &filter.operation
                       : &filter.permission) = 77;
        int matched;
        delete (3, &filter, 1, &matched);
        ck_assert_int_eq(matched, -KAFKA_INVALID_REQUEST);
        ck_assert_int_eq(count(&filter), 0);
    }
    bench_close(&t);
}
END_TEST

START_TEST(without_an_authorizer_the_apis_say_so)
{
    bench_open(&t);
    int16_t error;
    int matched;
    ck_assert_int_eq(describe(3, &everything, NULL, &error), -1);
    ck_assert_int_eq(error, KAFKA_SECURITY_DISABLED);
    ck_assert_int_eq(create_one(entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ)), KAFKA_SECURITY_DISABLED);
    delete (1, &everything, 1, &matched);
    ck_assert_int_eq(matched, -KAFKA_SECURITY_DISABLED);
    bench_close(&t);
}
END_TEST

START_TEST(only_who_may_alter_the_cluster_keeps_the_lists)
{
    up();
    int16_t error;
    int matched;
    ck_assert_int_eq(create_one(entry_of(ACL_CLUSTER, ACL_LITERAL, "kafka-cluster", "User:reader", ACL_DESCRIBE)), 0);
    ck_assert_int_eq(create_one(entry_of(ACL_CLUSTER, ACL_LITERAL, "kafka-cluster", "User:keeper", ACL_ALTER)), 0);
    t.conns[0]->login->user = strdup("nobody");
    ck_assert_int_eq(describe(3, &everything, NULL, &error), -1);
    ck_assert_int_eq(error, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    bench_hang_up(&t, 0);
    bench_begin(&t, 18, 0);
    bench_call(&t, 0);
    t.conns[0]->login->user = strdup("reader");
    ck_assert_int_eq(describe(3, &everything, NULL, &error), 2);
    ck_assert_int_eq(create_one(entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ)),
                     KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    delete (3, &everything, 1, &matched);
    ck_assert_int_eq(matched, -KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    bench_hang_up(&t, 0);
    bench_begin(&t, 18, 0);
    bench_call(&t, 0);
    t.conns[0]->login->user = strdup("keeper");
    ck_assert_int_eq(describe(3, &everything, NULL, &error), 2);
    ck_assert_int_eq(create_one(entry_of(ACL_TOPIC, ACL_LITERAL, "t", "User:a", ACL_READ)), 0);
    delete (3, &everything, 1, &matched);
    ck_assert_int_eq(matched, 3);
    bench_close(&t);
}
END_TEST

START_TEST(too_many_entries_at_once_are_refused)
{
    up();
    enum { MANY = 10001 };
    acl *list = calloc(MANY, sizeof *list);
    int16_t *errors = calloc(MANY, sizeof *errors);
    char *texts = calloc(MANY, 16);
    for (int i = 0; i < MANY; i++) {
        snprintf(texts + 16 * i, 16, "t%d", i);
        list[i] = entry_of(ACL_TOPIC, ACL_LITERAL, texts + 16 * i, "User:a", ACL_READ);
    }
    create(3, list, MANY, errors);
    ck_assert_int_eq(errors[0], KAFKA_POLICY_VIOLATION);
    ck_assert_int_eq(errors[MANY - 1], KAFKA_POLICY_VIOLATION);
    ck_assert_int_eq(count(&everything), 0);
    create(3, list, MANY - 1, errors);
    ck_assert_int_eq(errors[0], 0);
    ck_assert_int_eq(create_one(list[MANY - 1]), 0);
    ck_assert_int_eq(count(&everything), MANY);
    int matched;
    delete (3, &everything, 1, &matched);
    ck_assert_int_eq(matched, -KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(count(&everything), MANY);
    free(list);
    free(errors);
    free(texts);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/acl", decisions_are_those_of_a_walk_over_all_entries, filters_find_what_a_walk_finds,
          entries_come_and_go_in_every_version, entries_outlive_restarts_and_power_losses,
          entries_outlive_the_rewriting_of_the_metadata_log, wrong_entries_are_refused_one_by_one,
          without_an_authorizer_the_apis_say_so, only_who_may_alter_the_cluster_keeps_the_lists,
          too_many_entries_at_once_are_refused)
