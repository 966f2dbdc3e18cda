/*
 * server/test_convert.h - the JSON of a test case to and from the bytes of records, by the formats of a stream or
 * table.
 *
 * Pure; one thread per call.
 */
#ifndef SERVER_TEST_CONVERT_H
#define SERVER_TEST_CONVERT_H

#include "base/json.h"
#include "sql/catalog.h"

/*
 * Appends the bytes of a key or value. *null: the JSON was null or absent. False with an error when the format cannot
 * say it. src NULL: plain text.
 */
bool test_encode(const source *src, bool key, const json_value *v, buf *out, bool *null, diag *d);

/* Writes the bytes of a key or value as JSON. */
void test_decode(const source *src, bool key, str bytes, bool null, json_out *out);

#endif
