/*
 * base/json.h - JSON (RFC 8259): a read-only document in an arena, and text writing with Jackson's rules.
 *
 * For request bodies and JSON functions. Formats that know their schema read with base/json_scan.h, on which this
 * is built, and skip the document. Documents are valid as long as their arena; strings without escapes and numbers
 * borrow the input text, which must live as long. One thread at a time.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 1000 /* nesting, as Jackson's StreamReadConstraints */ };

/* The kind of a value. */
typedef enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} json_kind;

typedef struct json_value json_value;
typedef struct json_member json_member;

/* A value. Public layout: readers walk it. Which fields hold something depends on kind. */
struct json_value {
    json_kind kind;
    bool truth; /* JSON_BOOL */
    uint32_t count; /* JSON_ARRAY, JSON_OBJECT: number of items or members */
    str text; /* JSON_STRING: the unescaped text; JSON_NUMBER: the number as written */
    json_value *items; /* JSON_ARRAY */
    json_member *members; /* JSON_OBJECT, in the order of the text, duplicates kept */
    str source; /* the whole value as it stands in the input */
};

/* A name and its value in an object. */
struct json_member {
    str name;
    json_value value;
};

/*
 * Parses one document. Nothing but white space may follow it, unless `rest` is given, which then receives what follows.
 * NULL and an error (DIAG_INVALID with line and column, DIAG_LIMIT for too deep nesting) when it is malformed.
 */
json_value *json_parse(arena *a, str text, str *rest, diag *d);

/* The value of the last member of that name, or NULL; also NULL when v is NULL or no object. */
const json_value *json_get(const json_value *v, str name);
/* The same for a literal name. */
const json_value *json_getz(const json_value *v, const char *name);

/* Item i, or NULL when v is NULL, no array, or too short. */
const json_value *json_item(const json_value *v, size_t i);

/* Whether v is a string (NULL is none); its text in *out. */
bool json_as_str(const json_value *v, str *out);
/* Whether v is a number without fraction and exponent that fits 64 bits. */
bool json_as_i64(const json_value *v, int64_t *out);
/* Whether v is a number; its nearest double. */
bool json_as_f64(const json_value *v, double *out);
/* Whether v is true or false. */
bool json_as_bool(const json_value *v, bool *out);

/* ---- writing ---- */

/* Appends a quoted string; escapes as Jackson: \" \\ \b \t \n \f \r, others below 0x20 as \u00XX, nothing else. */
void json_put_str(buf *b, str s);
/* Appends Double.toString's form; NaN and infinities become strings, as Jackson writes them. */
void json_put_f64(buf *b, double v);
/* Appends an integer. */
void json_put_i64(buf *b, int64_t v);
/* Appends a document without white space; numbers as they were written. */
void json_put_value(buf *b, const json_value *v);

/*
 * A writer that places commas. {.b = &buffer} is ready to write one value; begin and end calls must match.
 * Public layout only so that it lives on the stack.
 */
typedef struct json_out {
    buf *b;
    bool comma; /* the next value or name needs one in front */
} json_out;

/* Opens an object. */
void json_out_object(json_out *o);
/* Closes it. */
void json_out_end_object(json_out *o);
/* Opens an array. */
void json_out_array(json_out *o);
/* Closes it. */
void json_out_end_array(json_out *o);
/* Writes a member's name; its value follows. */
void json_out_key(json_out *o, const char *name);
/* The same with a slice. */
void json_out_key_str(json_out *o, str name);
/* Writes a string value. */
void json_out_str(json_out *o, str s);
/* Writes a terminated string; NULL writes null. */
void json_out_z(json_out *o, const char *z);
/* Writes an integer. */
void json_out_i64(json_out *o, int64_t v);
/* Writes a double. */
void json_out_f64(json_out *o, double v);
/* Writes true or false. */
void json_out_bool(json_out *o, bool v);
/* Writes null. */
void json_out_null(json_out *o);
/* Writes text that is a JSON value already. */
void json_out_raw(json_out *o, str json);
/* Writes a document. */
void json_out_value(json_out *o, const json_value *v);

#endif
