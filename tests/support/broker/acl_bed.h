/*
 * tests/support/broker/acl_bed.h - a broker with an authorizer, users on its connections, and requests as words.
 *
 * One thread, one bed at a time. On connection 0 is the super user root, on ACL_BED_AL the user al; there is one topic,
 * t, with one partition.
 */
#ifndef TESTS_SUPPORT_BROKER_ACL_BED_H
#define TESTS_SUPPORT_BROKER_ACL_BED_H

#include "broker/acl.h"
#include "tests/support/broker/client.h"

enum { ACL_BED_AL = 1 };

/* Opens it; open: allow.everyone.if.no.acl.found. */
void acl_bed_open(bench *t, const char *open);
/* The id of the topic t. */
const uint8_t *acl_bed_topic(void);
/* A new connection in the name of a user. */
void acl_bed_be(bench *t, int conn, const char *user);
/* An entry for all hosts. */
acl acl_bed_entry(acl_resource resource, acl_pattern pattern, const char *name, const char *principal,
                  acl_operation operation, acl_permission permission);
/* Lets al do something to a resource. */
void acl_bed_grant(bench *t, acl_resource resource, const char *name, acl_operation operation);
/* Takes all entries out. */
void acl_bed_revoke_all(bench *t);

/*
 * Writes a request's body: b h i q B integers and a truth value, s n a string and a nullable one, y bytes, u the
 * topic's id, r and R a batch, a transactional one; [ ] an array of one struct, { } of one plain value, 0 an empty
 * array, N a null one, c a null struct.
 */
void acl_bed_put(bench *t, const char *words);
/* The same with begin and answer. */
wire_in acl_bed_call(bench *t, int conn, int16_t key, int16_t version, const char *words);
/* Reads an answer by such letters up to E, the error. */
int16_t acl_bed_error(wire_in in, const char *words);

#endif
