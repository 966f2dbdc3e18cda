/*
 * broker/authz.h - what a request may do: the authorizer of the configs, asked with the connection's principal.
 *
 * Private to broker/, loop thread. Without authorizer.class.name everything is allowed, at the cost of one test. The
 * principal is "User:" and the name that the connection has logged in or identified itself with, else ANONYMOUS.
 * Which operation on which resource an API needs is Kafka's (KafkaApis, ControllerApis). What runs inside of Weir asks
 * nobody.
 */
#ifndef BROKER_AUTHZ_H
#define BROKER_AUTHZ_H

#include "broker/acl.h"
#include "broker/broker_core.h"

typedef struct authorizer authorizer;

/* Reads authorizer.class.name, super.users and allow.everyone.if.no.acl.found. DIAG_INVALID: they make no sense. */
bool authz_open(broker *b, diag *d);
/* Frees what authz_open made. */
void authz_close(broker *b);

/* Whether someone may do this to the resource, when there is an authorizer. */
bool authz_user(const broker *b, const acl_who *who, acl_operation operation, acl_resource resource, str name);
/* The name of the connection's principal. */
str authz_name(const broker_conn *c);
/* Whether the connection may do this to the resource, when there is an authorizer. */
bool authz_ask(const broker_conn *c, acl_operation operation, acl_resource resource, str name);

/* Whether the request may do this to the resource. */
static inline bool authz_may(const request *q, acl_operation operation, acl_resource resource, str name)
{
    return !q->b->authorizer || (q->c && authz_ask(q->c, operation, resource, name));
}

/* See authz_may. */
static inline bool authz_topic(const request *q, acl_operation operation, str name)
{
    return authz_may(q, operation, ACL_TOPIC, name);
}

/* See authz_may. */
static inline bool authz_group(const request *q, acl_operation operation, str name)
{
    return authz_may(q, operation, ACL_GROUP, name);
}

/* See authz_may. */
static inline bool authz_txn(const request *q, acl_operation operation, str name)
{
    return authz_may(q, operation, ACL_TRANSACTIONAL_ID, name);
}

/* See authz_may. */
static inline bool authz_cluster(const request *q, acl_operation operation)
{
    return authz_may(q, operation, ACL_CLUSTER, ACL_CLUSTER_NAME);
}

/* Whether the request may do the operation to any resource of the kind. */
bool authz_any(const request *q, acl_operation operation, acl_resource resource);

/* The operations that the request may do to the resource, as the bits of the ..._authorized_operations fields. */
int32_t authz_operations(const request *q, acl_resource resource, str name);

/* What those fields hold when nobody asked. */
enum { AUTHZ_NOT_ASKED = INT32_MIN };

/* Kafka's words for the errors that authorization ends with; WIRE_NULL for others. */
str authz_message(kafka_error error);

#endif
