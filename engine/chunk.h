/*
 * engine/chunk.h - a batch of rows in columns: what operators push to each other.
 *
 * A chunk holds at most CHUNK_ROWS rows (a maximum, never a target). Its vectors, slices and nested data live in the
 * arena of the step that made it, or in buffers that outlive the step; an operator that keeps a row copies it. A
 * chunk belongs to the task that made it; nothing here locks. A pushed chunk may be changed by the receiver
 * (selection, flags), so a sender does not use it again.
 *
 * A stream's row is one event. A table's row is ONE change with a new and an old side: ROW_VALUE_NULL says that the
 * new side is absent (the row was deleted), ROW_OLD_NULL that the old side is absent (it is new, or nothing upstream
 * knows the old row). Neither means "all columns are NULL".
 */
#ifndef ENGINE_CHUNK_H
#define ENGINE_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/schema.h"
#include "engine/value.h"

/* Capacity of vectors. The run-time maximum (WEIR_CHUNK_ROWS, for tests) may be smaller: chunk_rows_max(). */
enum { CHUNK_ROWS = 1024, CHUNK_NULL_WORDS = CHUNK_ROWS / 64 };

/* Most rows that a chunk of this process holds: 1..CHUNK_ROWS. */
uint32_t chunk_rows_max(void);
/* Sets it; called once at start, before any task exists. */
void chunk_set_rows_max(uint32_t rows);

/* One column of a chunk. Public layout: kernels take the raw pointers. */
typedef struct vec {
    const type *type;
    uint64_t *nulls; /* CHUNK_NULL_WORDS words; bit set: the row is NULL and its datum is undefined */
    union {
        uint8_t *b; /* BOOLEAN: 0 or 1 */
        int32_t *i; /* INT, DATE, TIME */
        int64_t *l; /* BIGINT, TIMESTAMP */
        double *d; /* DOUBLE */
        decimal *dec; /* DECIMAL */
        str *s; /* STRING, BYTES */
        const nested **nest; /* ARRAY, MAP, STRUCT */
        void *data;
    };
} vec;

enum {
    ROW_VALUE_NULL = 1, /* stream: the record's value was null; table: the new side is absent */
    ROW_OLD_NULL = 2, /* table: the old side is absent; always set on streams */
    ROW_KEY_NULL = 4, /* the record had a null key (not: a key whose columns are NULL) */
};

/* One header of a record. */
typedef struct header {
    str key;
    str value;
    bool value_null;
} header;

/* The headers of the record that caused a row, as slices. */
typedef struct headers {
    uint32_t n;
    const header *items;
} headers;

/* Public layout. Row r of the chunk is sel ? sel[k] : k for k in [0, count). */
typedef struct chunk {
    const schema *schema;
    uint32_t rows; /* rows in the vectors, selected or not */
    uint32_t count; /* selected rows */
    uint16_t *sel; /* their positions, ascending; NULL: all rows */
    uint8_t *flags; /* ROW_* */
    int64_t *rowtime; /* event time, ms */
    int32_t *partition; /* of the record that caused the row */
    int64_t *offset;
    int64_t *window_start; /* NULL unless schema->window */
    int64_t *window_end; /* exclusive for time windows, inclusive for sessions */
    const headers **headers; /* NULL: no row has headers; entries may be NULL */
    vec *cols; /* schema->count vectors: key columns, then the new side */
    /* table: schema->count vectors, of which the value columns are the old side; NULL on streams */
    vec *old;
    arena *mem; /* what the vectors live in */
} chunk;

static inline bool vec_is_null(const vec *v, uint32_t row)
{
    return (v->nulls[row >> 6] >> (row & 63)) & 1;
}
static inline void vec_set_null(vec *v, uint32_t row)
{
    v->nulls[row >> 6] |= (uint64_t)1 << (row & 63);
}
static inline void vec_set_valid(vec *v, uint32_t row)
{
    v->nulls[row >> 6] &= ~((uint64_t)1 << (row & 63));
}
static inline uint32_t chunk_row(const chunk *c, uint32_t k)
{
    return c->sel ? c->sel[k] : k;
}

/* Bytes of one datum of a type in a vector. */
size_t vec_width(const type *t);

/* A vector with room for `rows` rows and no NULL set. Data are not initialised. */
vec vec_new(arena *a, const type *t, uint32_t rows);

/* The value of a row, boxed; slices borrow the vector's memory. */
value vec_get(const vec *v, uint32_t row);
/* Stores a boxed value (not copied: slices and nested data are borrowed). */
void vec_set(vec *v, uint32_t row, value x);

/*
 * A chunk for up to `rows` rows with every envelope vector allocated (window vectors when the schema is windowed, old
 * vectors when it is a table's), rows == count == 0, flags of stream rows ROW_OLD_NULL.
 */
chunk *chunk_new(arena *a, const schema *s, uint32_t rows);

/* A deep copy of the selected rows into another arena, packed (no selection). */
chunk *chunk_copy(arena *a, const chunk *c);

/* The selection as an array that may be changed: materialises 0..rows-1 when there is none. */
uint16_t *chunk_selection(chunk *c);

#endif
