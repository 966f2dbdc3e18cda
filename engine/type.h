/*
 * engine/type.h - SQL types: immutable descriptions shared by sql/, expressions, formats and stores.
 *
 * Thread-neutral: types never change once made. Simple types are static; DECIMAL, ARRAY, MAP and STRUCT types live in
 * the arena that they were made in, and whoever keeps one keeps that arena. Two types are the same when type_eq says
 * so; pointers are not compared.
 */
#ifndef ENGINE_TYPE_H
#define ENGINE_TYPE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

typedef enum type_kind {
    TYPE_BOOLEAN,
    TYPE_INT, /* 32 bits, wraps */
    TYPE_BIGINT, /* 64 bits, wraps */
    TYPE_DECIMAL, /* unscaled 128-bit integer; precision and scale in the type */
    TYPE_DOUBLE,
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_DATE, /* int32: days since 1970-01-01 */
    TYPE_TIME, /* int32: milliseconds of the day */
    TYPE_TIMESTAMP, /* int64: milliseconds since 1970-01-01 UTC */
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_STRUCT,
    TYPE_NULL, /* the literal NULL before it is coerced; never the type of a column */
    TYPE_INTERVAL, /* an interval unit given as a function argument; never the type of a column */
    TYPE_LAMBDA, /* a lambda argument; never the type of a column */
    TYPE_GENERIC, /* T, K, V ... in a function's signature; never the type of a column */
    TYPE_KIND_COUNT
} type_kind;

typedef struct type type;

/* One field of a STRUCT. Names are compared exactly (they were upper-cased by the parser unless quoted). */
typedef struct type_field {
    str name;
    const type *type;
} type_field;

/* Public layout: read by kernels and formats, built only by the functions below. */
struct type {
    type_kind kind;
    int precision; /* DECIMAL; 1..38 */
    int scale; /* DECIMAL; 0..precision */
    const type *key; /* MAP */
    const type *elem; /* ARRAY element, MAP value, result of a LAMBDA in a signature */
    const type_field *fields; /* STRUCT; parameters of a LAMBDA in a signature (no names) */
    int field_count;
    char generic; /* GENERIC: the letter */
};

/* The type of a kind that needs no parameters (everything but DECIMAL, ARRAY, MAP, STRUCT, GENERIC). */
const type *type_simple(type_kind kind);

/* The types with parameters, made in an arena. */
/* "BOOLEAN", "INTEGER", ... "STRUCT": the kind as ksqlDB's messages name it. */
const char *type_kind_name(type_kind kind);

/* DECIMAL(precision, scale); the caller has checked the bounds. */
const type *type_decimal(arena *a, int precision, int scale);
/* ARRAY<elem>. */
const type *type_array(arena *a, const type *elem);
/* MAP<key, value>. */
const type *type_map(arena *a, const type *key, const type *value);
/* Fields are copied into the arena. */
const type *type_struct(arena *a, const type_field *fields, int count);

/* Structural equality, field names included. */
bool type_eq(const type *a, const type *b);

/* INT, BIGINT, DECIMAL or DOUBLE. */
bool type_is_numeric(const type *t);
/* ARRAY, MAP or STRUCT. */
bool type_is_nested(const type *t);

/* A deep copy into another arena. */
const type *type_copy(arena *a, const type *t);

/* SQL text, as ksqlDB prints it: `DECIMAL(4, 2)`, `ARRAY<STRING>`, "STRUCT<`A` INTEGER, `B` STRING>", `INTEGER`. */
void type_print(const type *t, buf *out);
/* The same without back quotes around field names, as ksqlDB's messages about function arguments print types. */
void type_print_unquoted(const type *t, buf *out);
/* The text of type_print, terminated, in an arena. */
str type_text(arena *a, const type *t);

/* Position of a field by exact name, or -1. */
int type_field_index(const type *t, str name);

#endif
