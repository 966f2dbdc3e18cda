/*
 * engine/func/json_text.h - JSON as Jackson reads and prints it, for the JSON functions. Thread-neutral.
 */
#ifndef ENGINE_FUNC_JSON_TEXT_H
#define ENGINE_FUNC_JSON_TEXT_H

#include "base/json.h"

/* Parses the first document of a text; what follows it is ignored. NULL without an error: there is none. */
const json_value *json_first(arena *a, str text, bool *ok);

/*
 * Prints a document as JsonNode.toString: compact, members in order with the last of equal names, numbers as BigDecimal
 * prints them (plain: without exponents).
 */
void json_text_put(buf *b, const json_value *v, bool plain);

/* A number's text as java.math.BigDecimal or BigInteger would print it. */
void json_number_put(buf *b, str text, bool plain);

/* The members that count, each name once, at its first place with its last value. Returns how many. */
uint32_t json_members(arena *a, const json_value *v, const json_member **out);

#endif
