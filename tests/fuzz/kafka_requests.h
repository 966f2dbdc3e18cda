/*
 * tests/fuzz/kafka_requests.h - a valid request of every API and version, from a table of their fields.
 *
 * Pure. The table follows the message definitions of Apache Kafka; tests/unit/broker/test_every_api.c fails when an API
 * or version that the broker advertises is missing in it.
 */
#ifndef TESTS_FUZZ_KAFKA_REQUESTS_H
#define TESTS_FUZZ_KAFKA_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Appends the body of a request; `fields` NULL: a valid one of this API, else the fields as the table in
 * kafka_requests.c writes them. false: the table has none for this API.
 */
bool kafka_put_body(buf *out, int16_t key, int16_t version, const char *fields);

/* Appends a whole request frame without its length. */
void kafka_make_request(buf *frame, int16_t key, int16_t version, const char *fields);

/* Whether the version has compact types and tagged fields. */
bool kafka_is_flexible(int16_t key, int16_t version);

#endif
