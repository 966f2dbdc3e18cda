/*
 * engine/rowcode.h - rows and keys as bytes: what stores, sessions and joins keep of a chunk, and cells for databases.
 *
 * Pure functions; the caller says where the bytes go. A key's bytes order as its columns do (numbers by value, text by
 * bytes), so that sorted writes and ranges follow the primary key.
 */
#ifndef ENGINE_ROWCODE_H
#define ENGINE_ROWCODE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "engine/chunk.h"
#include "state/store.h"

/* Appends the key of a row: columns [0, count) of `cols`. */
void key_encode(const vec *cols, int count, uint32_t row, buf *out);
/* The same from boxed values. */
void key_encode_values(const type *const *types, const value *values, int count, buf *out);
/* Reads a key into row `row` of the first vectors. Slices borrow the key or `mem`. False: malformed. */
bool key_decode(str key, vec *cols, int count, uint32_t row, arena *mem);
/* The same into boxed values. */
bool key_decode_values(str key, const type *const *types, int count, value *out, arena *mem);
/* True when a key column is NULL in that row. */
bool key_has_null(const vec *cols, int count, uint32_t row);

/* Appends the values of columns[0..count) of a row. */
void row_encode(const vec *cols, const int *columns, int count, uint32_t row, buf *out);
/* Puts an encoded row into row `row` of the vectors cols[columns[i]]. Slices borrow `bytes`, nested data `mem`. */
bool row_decode(str bytes, vec *cols, const int *columns, int count, uint32_t row, arena *mem);

/* One boxed value. */
void value_encode(const type *t, value v, buf *out);
bool value_decode(reader *r, const type *t, value *out, arena *mem);

/* The storage class that a type is declared with. */
cell_kind cell_kind_of(const type *t);
/* A value as a cell. NaN and -0.0 become text, as SQLite keeps neither. */
cell cell_of_value(const type *t, value v, arena *mem);
/* The inverse. False: the cell does not fit the type. */
bool cell_to_value(const cell *c, const type *t, value *out, arena *mem);

#endif
