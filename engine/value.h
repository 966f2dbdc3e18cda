/*
 * engine/value.h - one SQL value, boxed: literals, keys, nested data, function arguments, pull queries.
 *
 * A value does not know its type; the static type that goes with it does. Slices and nested data borrow the arena in
 * which they were made. Columns hold scalars unboxed (engine/chunk.h) and nested data as `const nested *`.
 * Thread-neutral.
 */
#ifndef ENGINE_VALUE_H
#define ENGINE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/str.h"
#include "engine/type.h"

typedef struct value value;
typedef struct nested nested;

/* Public layout: functions read and write the member that their signature says. */
struct value {
    union {
        bool b; /* BOOLEAN */
        int32_t i; /* INT, DATE, TIME, INTERVAL (enum interval_unit) */
        int64_t l; /* BIGINT, TIMESTAMP */
        double d; /* DOUBLE */
        decimal dec; /* DECIMAL */
        str s; /* STRING (UTF-8), BYTES */
        const nested *nest; /* ARRAY, MAP, STRUCT */
        const void *lambda; /* LAMBDA: engine/expr's closure */
    };
    bool null;
};

/*
 * ARRAY: items. MAP: keys and items, entries in the order in which they arrived, keys unique. STRUCT: items by
 * field.
 */
struct nested {
    uint32_t n;
    const value *items;
    const value *keys;
};

/* Milliseconds of a unit: DAYS 86400000 ... MILLISECONDS 1. */
typedef enum interval_unit { UNIT_MILLISECONDS, UNIT_SECONDS, UNIT_MINUTES, UNIT_HOURS, UNIT_DAYS } interval_unit;
int64_t interval_unit_ms(interval_unit unit);

/* The NULL value. */
static inline value value_null(void)
{
    return (value){.null = true};
}

/* A deep copy into an arena. */
value value_copy(arena *a, const type *t, value v);

/* A deep copy on the heap, for state that outlives chunks; freed with value_disown. Scalars need no memory. */
value value_own(const type *t, value v);
/* Frees what value_own made. */
void value_disown(const type *t, value v);
/* Bytes of heap that the value_own of this value takes. */
size_t value_held(const type *t, value v);

/*
 * Equality as Java's Objects.equals on ksqlDB's objects: NULL equals NULL, doubles by bits (NaN equals NaN, 0.0
 * differs from
 * -0.0), decimals by value and nested data item by item, maps without regard to order.
 */
bool value_eq(const type *t, value a, value b);

/* Hash that agrees with value_eq. */
uint64_t value_hash(const type *t, value v);

/*
 * Order of two non-NULL values of a comparable type as Java's compareTo: numbers by value (-0.0 before 0.0, NaN last),
 * strings by UTF-16 code units, BYTES by signed bytes as java.nio.ByteBuffer. Only where type_is_ordered is true.
 */
int value_cmp(const type *t, value a, value b);
/* The order of BYTES on slices. */
int bytes_compare(str a, str b);
/* BOOLEAN, numbers, STRING, BYTES, DATE, TIME, TIMESTAMP. */
bool type_is_ordered(const type *t);

/*
 * Text as Java's toString of ksqlDB's object, as CAST(x AS STRING) gives it: `[1, 2]`, `{k=v}`, `Struct{A=1,B=x}`,
 * `1.0E10`, `null` for a NULL.
 */
void value_print(const type *t, value v, buf *out);

/*
 * Positions of a map's entries in the order in which java.util.HashMap would iterate them, which is what MAP_KEYS and
 * texts of maps show.
 */
const uint32_t *value_map_order(arena *a, const type *t, const nested *m);

#endif
