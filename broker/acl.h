/*
 * broker/acl.h - access control lists: who may do what to which resource, decided as Kafka's StandardAuthorizer does.
 *
 * Private to broker/, loop thread (before broker_open returns: whoever opens). The lists are kept sorted by kind of
 * resource, pattern and principal, so that a decision costs a few binary searches and no memory. What is asked for
 * and by whom is named by slices, which are only read.
 */
#ifndef BROKER_ACL_H
#define BROKER_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Kinds of resource. All numbers here are those of the protocol, and on disk. */
typedef enum acl_resource {
    ACL_RESOURCE_ANY = 1,
    ACL_TOPIC = 2,
    ACL_GROUP = 3,
    ACL_CLUSTER = 4,
    ACL_TRANSACTIONAL_ID = 5,
    ACL_DELEGATION_TOKEN = 6,
    ACL_USER = 7,
} acl_resource;

/* How a resource's name is to be read. */
typedef enum acl_pattern {
    ACL_PATTERN_ANY = 1, /* filters: of either kind */
    ACL_PATTERN_MATCH = 2, /* filters: whatever applies to the name */
    ACL_LITERAL = 3, /* this name, or "*": every name */
    ACL_PREFIXED = 4, /* every name that begins so */
} acl_pattern;

/* What can be done to a resource. */
typedef enum acl_operation {
    ACL_OPERATION_ANY = 1,
    ACL_ALL = 2,
    ACL_READ = 3,
    ACL_WRITE = 4,
    ACL_CREATE = 5,
    ACL_DELETE = 6,
    ACL_ALTER = 7,
    ACL_DESCRIBE = 8,
    ACL_CLUSTER_ACTION = 9,
    ACL_DESCRIBE_CONFIGS = 10,
    ACL_ALTER_CONFIGS = 11,
    ACL_IDEMPOTENT_WRITE = 12,
    ACL_CREATE_TOKENS = 13,
    ACL_DESCRIBE_TOKENS = 14,
    ACL_TWO_PHASE_COMMIT = 15,
} acl_operation;

/* Whether it is allowed. */
typedef enum acl_permission {
    ACL_PERMISSION_ANY = 1,
    ACL_DENY = 2,
    ACL_ALLOW = 3,
} acl_permission;

/* The one resource of kind ACL_CLUSTER. */
#define ACL_CLUSTER_NAME STR("kafka-cluster")

/* One entry, or a filter for entries: there a text with p == NULL and the numbers ..._ANY match everything. */
typedef struct acl {
    int8_t resource, pattern, operation, permission;
    str name, principal, host;
} acl;

/* Whether it can be an entry: nothing is open, unknown or missing. */
bool acl_is_concrete(const acl *x);

/* Whoever asks: the name of a principal of type User, and the address it comes from. */
typedef struct acl_who {
    str user, host;
} acl_who;

typedef struct acls acls;

/* No entries. */
acls *acls_new(void);
/* NULL is allowed. */
void acls_free(acls *s);
/* How many entries there are. */
size_t acls_count(const acls *s);
/* Takes an entry in (copied). It must be concrete: no number ..._ANY. false: it is there already. */
bool acls_add(acls *s, const acl *entry);
/* Takes an entry out; false when there is none like it. */
bool acls_remove(acls *s, const acl *entry);
/* Whether there is such an entry. */
bool acls_has(const acls *s, const acl *entry);

/* Where an iteration stands; {0} is the beginning. */
typedef struct acl_cursor {
    size_t table, pattern, entry;
} acl_cursor;

/*
 * The next entry that passes the filter (NULL: any), by resource and pattern, those of one pattern together. Slices
 * live until the entry is removed.
 */
bool acls_next(const acls *s, const acl *filter, acl_cursor *at, acl *out);

/* What the entries say. */
typedef enum acl_verdict {
    ACL_NOT_NAMED, /* no entry applies to the resource, whoever it names */
    ACL_REFUSED, /* one denies it, or those that apply do not speak of this */
    ACL_GRANTED,
} acl_verdict;

/*
 * Whether `who` may do the operation to the resource. Denying wins; READ, WRITE, DELETE and ALTER, when allowed, allow
 * DESCRIBE as well, and ALTER_CONFIGS DESCRIBE_CONFIGS.
 */
acl_verdict acls_ask(acls *s, const acl_who *who, acl_operation operation, acl_resource resource, str name);

/*
 * Whether entries let `who` do the operation to some resource of the kind: one allows it, and none denies all that it
 * allows (Authorizer.authorizeByResourceType, KIP-679). Nothing is implied here.
 */
bool acls_any(acls *s, const acl_who *who, acl_operation operation, acl_resource resource);

#endif
