/*
 * engine/op/keep.h - what operators that keep rows share: opening their stores, and stores of whole table rows.
 *
 * Internal to engine/op; everything belongs to one task.
 */
#ifndef ENGINE_OP_KEEP_H
#define ENGINE_OP_KEEP_H

#include "engine/op/op.h"
#include "engine/rowcode.h"

/* Head of every codec context: how the store's keys read. */
typedef struct keep {
    const type **key_types;
    int key_count;
    store_spec spec;
} keep;

/*
 * Opens the store of an operator: `suffix` is added to the step's context. Keys are the schema's key columns;
 * `nullable_keys`: a key column may be NULL. The codec's row functions and state_size are set in k->spec before. NULL
 * with env->error set.
 */
store *keep_open(keep *k, op *o, const char *suffix, const schema *s, bool nullable_keys, store_shape shape,
                 const store_column *columns, int column_count, const char *detail);

/* The state of a table's row. */
typedef struct table_row {
    char *bytes; /* rowcode of the value columns, on the heap */
    uint32_t n;
    int32_t partition;
    int64_t offset;
    int64_t rowtime;
} table_row;

/* A store of table rows by key: materialised sources and the sides of joins. */
typedef struct table_store {
    keep keep; /* first: the codec's context */
    const schema *schema;
    int *columns; /* value columns that are kept */
    int count;
    store *rows;
    buf key;
    buf row;
} table_store;

/* Opens it for an operator; kept are the value columns for which needed[i] (NULL: all). */
bool table_store_open(table_store *t, op *o, const char *suffix, const schema *s, const bool *needed,
                      bool nullable_keys);
void table_store_close(table_store *t);

/*
 * Applies the new side of a row of a chunk. When the key had a row, its columns are put into `old` (copied to c->mem)
 * and true is returned. The store's lock is held by the caller.
 */
bool table_store_apply(table_store *t, chunk *c, uint32_t row, vec *old);

/* Puts a row's value columns and envelope into row `row` of a chunk of the table's schema; true. */
bool table_store_view(const table_store *t, const void *state, chunk *c, uint32_t row);

/*
 * Loads the rows of the keys that come next, all in one read. The keys are hashed here; `mem` holds what that takes.
 * False with *d set when the database fails.
 */
bool table_store_near(table_store *t, const str *keys, uint32_t count, arena *mem, diag *d);
/* The same for the keys of a chunk's selected rows, as table_store_apply takes them. */
bool table_store_near_rows(table_store *t, const chunk *c, diag *d);

/* The row of a key, or NULL. */
const table_row *table_store_get(table_store *t, str key);

#endif
