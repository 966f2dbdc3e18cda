/*
 * server/row_json.h - engine values as the REST API writes them (ksqlDB's ApiJsonMapper).
 *
 * BIGINT and DECIMAL are numbers, BYTES base64, DATE, TIME and TIMESTAMP texts; inside a STRUCT, which ksqlDB hands to
 * Kafka Connect's converter, the three times are numbers. Pure, any thread.
 */
#ifndef SERVER_ROW_JSON_H
#define SERVER_ROW_JSON_H

#include "base/buf.h"
#include "engine/value.h"

/* Appends one value. */
void row_json_value(buf *out, const type *t, value v);

#endif
