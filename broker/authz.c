#include "broker/authz.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/auth.h"

struct authorizer {
    bool open; /* whoever asks for what no entry applies to gets it */
    size_t supers_len;
    str *supers; /* names of users that may do everything */
};

/* The operations that make sense, as bits: topics, groups, the cluster (AclEntry.supportedOperations). */
enum { TOPIC_OPERATIONS = 0xdf8, GROUP_OPERATIONS = 0xd48, CLUSTER_OPERATIONS = 0x1fa0 };

/* Principals of another type than User cannot log in here, so they are only checked for their form. */
static bool add_super(authorizer *x, str principal, diag *d)
{
    ptrdiff_t colon = str_find(principal, STR(":"), 0);
    if (colon < 1) {
        return diag_set(d, DIAG_INVALID,
                        "super.users: expected a string in format principalType:principalName but got %.*s",
                        STR_ARG(principal));
    }
    if (!str_starts(principal, STR("User:"))) return true;
    str name = str_of(principal.p + colon + 1, principal.n - (size_t)colon - 1);
    x->supers = realloc(x->supers, (x->supers_len + 1) * sizeof x->supers[0]);
    check(x->supers);
    char *copy = strndup(name.p, name.n);
    check(copy);
    x->supers[x->supers_len++] = str_of(copy, name.n);
    return true;
}

bool authz_open(broker *b, diag *d)
{
    const config_view v = {.fixed = &b->fixed};
    config_source source;
    if (config_broker_value(&v, config_broker_def(STR("authorizer.class.name")), &source)[0] == '\0') return true;
    authorizer *x = calloc(1, sizeof *x);
    check(x);
    b->authorizer = x;
    x->open = config_broker_bool(&v, "allow.everyone.if.no.acl.found");
    str rest = str_z(config_broker_value(&v, config_broker_def(STR("super.users")), &source));
    while (rest.n > 0) {
        ptrdiff_t end = str_find(rest, STR(";"), 0);
        size_t n = end < 0 ? rest.n : (size_t)end;
        str one = str_trim(str_of(rest.p, n));
        if (one.n > 0 && !add_super(x, one, d)) return false;
        rest = end < 0 ? STR("") : str_of(rest.p + n + 1, rest.n - n - 1);
    }
    return true;
}

void authz_close(broker *b)
{
    authorizer *x = b->authorizer;
    if (!x) return;
    for (size_t i = 0; i < x->supers_len; i++) free((char *)(uintptr_t)x->supers[i].p);
    free(x->supers);
    free(x);
    b->authorizer = NULL;
}

str authz_name(const broker_conn *c)
{
    return c->login->user ? str_z(c->login->user) : STR("ANONYMOUS");
}

static acl_who who_is(const broker_conn *c)
{
    return (acl_who){authz_name(c), str_z(c->peer_host)};
}

static bool is_super(const authorizer *x, str user)
{
    for (size_t i = 0; i < x->supers_len; i++)
        if (str_eq(x->supers[i], user)) return true;
    return false;
}

bool authz_user(const broker *b, const acl_who *who, acl_operation operation, acl_resource resource, str name)
{
    const authorizer *x = b->authorizer;
    if (is_super(x, who->user)) return true;
    acl_verdict verdict = acls_ask(b->acls, who, operation, resource, name);
    return verdict == ACL_GRANTED || (verdict == ACL_NOT_NAMED && x->open);
}

/* Names of the numbers, as Kafka's tools write them. */
static const char *const resources[] = {
    [ACL_TOPIC] = "topic",
    [ACL_GROUP] = "group",
    [ACL_CLUSTER] = "cluster",
    [ACL_TRANSACTIONAL_ID] = "transactional id",
};
static const char *const operations[] = {
    [ACL_READ] = "READ",
    [ACL_WRITE] = "WRITE",
    [ACL_CREATE] = "CREATE",
    [ACL_DELETE] = "DELETE",
    [ACL_ALTER] = "ALTER",
    [ACL_DESCRIBE] = "DESCRIBE",
    [ACL_CLUSTER_ACTION] = "CLUSTER_ACTION",
    [ACL_DESCRIBE_CONFIGS] = "DESCRIBE_CONFIGS",
    [ACL_ALTER_CONFIGS] = "ALTER_CONFIGS",
    [ACL_IDEMPOTENT_WRITE] = "IDEMPOTENT_WRITE",
};

bool authz_ask(const broker_conn *c, acl_operation operation, acl_resource resource, str name)
{
    acl_who who = who_is(c);
    if (authz_user(c->b, &who, operation, resource, name)) return true;
    check(resource < ARRAY_LEN(resources) && operation < ARRAY_LEN(operations));
    log_debug("broker", "User:%.*s from %s may not %s %s %.*s", STR_ARG(who.user), c->peer_host, operations[operation],
              resources[resource], STR_ARG(name));
    return false;
}

/* A name of no meaning comes first: super users and an open authorizer need no entries (as Kafka's default does it). */
bool authz_any(const request *q, acl_operation operation, acl_resource resource)
{
    if (!q->b->authorizer) return true;
    if (!q->c) return false;
    acl_who who = who_is(q->c);
    return authz_ask(q->c, operation, resource, STR("hardcode")) || acls_any(q->b->acls, &who, operation, resource);
}

int32_t authz_operations(const request *q, acl_resource resource, str name)
{
    int32_t all = resource == ACL_TOPIC   ? TOPIC_OPERATIONS
                  : resource == ACL_GROUP ? GROUP_OPERATIONS
                                          : CLUSTER_OPERATIONS;
    if (!q->b->authorizer || !q->c) return all;
    int32_t may = 0;
    acl_who who = who_is(q->c);
    for (int operation = ACL_READ; operation <= ACL_TWO_PHASE_COMMIT; operation++) {
        int32_t bit = (int32_t)1 << operation;
        if ((all & bit) && authz_user(q->b, &who, (acl_operation)operation, resource, name)) may |= bit;
    }
    return may;
}

str authz_message(kafka_error error)
{
    switch (error) {
    case KAFKA_TOPIC_AUTHORIZATION_FAILED: return STR("Topic authorization failed.");
    case KAFKA_GROUP_AUTHORIZATION_FAILED: return STR("Group authorization failed.");
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED: return STR("Cluster authorization failed.");
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED: return STR("Transactional Id authorization failed.");
    default: return WIRE_NULL;
    }
}
