/*
 * sql/parse_error.h - the text of a syntax error. Internal to sql/. Pure; writes only the diag.
 */
#ifndef SQL_PARSE_ERROR_H
#define SQL_PARSE_ERROR_H

#include "base/diag.h"
#include "sql/build.h"

/*
 * Says why the token at index `at` of t was refused after those before it: an unknown statement, a reserved word in a
 * name's place, a missing bracket, what was expected. Names and messages follow ksqlDB.
 */
void parse_error_set(arena *a, str source, const tokens *t, uint32_t at, diag *d);

#endif
