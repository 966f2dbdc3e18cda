/*
 * server/tls_name.h - from a certificate's subject to the name of a principal, as Kafka makes it.
 *
 * A set of rules is immutable but for its scratch memory: one thread at a time.
 */
#ifndef SERVER_TLS_NAME_H
#define SERVER_TLS_NAME_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "base/diag.h"

typedef struct tls_rules tls_rules;

/* Appends a name as Java's X500Principal.getName() writes it (RFC 2253): last part first, "CN=a,O=b". */
void tls_name_write(const X509_NAME *name, buf *out);

/*
 * Reads ssl.principal.mapping.rules (KIP-371): RULE:pattern/replacement/[LU] and DEFAULT, with commas between them.
 * NULL and an error when they are malformed.
 */
tls_rules *tls_rules_new(str text, diag *d);

/* NULL is allowed. */
void tls_rules_free(tls_rules *rules);

/* Appends what the first rule that matches makes of a name; false when none does. */
bool tls_rules_apply(tls_rules *rules, str name, buf *out);

#endif
