/*
 * state/store.h - operator state: typed rows by key, hot in a hash table, saved in generations.
 *
 * A store belongs to one task and one step. Its entries lie in a hash table whose hot path is get-or-create by encoded
 * key; the operator's state (counters, sums, a table's row) sits inline behind the entry, and the operator says by
 * callbacks how it becomes typed cells. What was changed since the last boundary is the active generation. store_freeze
 * copies the changed rows into the frozen generation, so that a writer thread
 * saves them without touching what the task goes on changing. A generation ends as decided (durable) or dropped (the
 * query restarts from its database).
 *
 * Memory is a cache of the database: nothing is loaded that is not asked for, and what the database holds unchanged is
 * evicted when the budget is exceeded. A store knows which windows (or whether all keys) are complete in memory, so
 * that an absent key there costs no read. Buckets are few per key and walked by time: their stores are loaded whole.
 *
 * Threads: all calls come from the task that owns the store, except store_lock/unlock with the store_read calls (pull
 * queries, any thread) and store_frozen_* (the writer, one at a time, between freeze and decided/dropped). The task
 * holds the lock while it changes entries; it takes it once for a chunk.
 */
#ifndef STATE_STORE_H
#define STATE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"

/* SQLite's storage classes. */
typedef enum cell_kind { CELL_NULL, CELL_INTEGER, CELL_REAL, CELL_TEXT, CELL_BLOB } cell_kind;

typedef struct cell {
    cell_kind kind;
    union {
        int64_t i;
        double d;
        str s; /* TEXT, BLOB */
    };
} cell;

/* A column as the database shows it. `kind` is its declared type; a cell may be NULL or, where the comment of the codec
 * says so, of another kind. */
typedef struct store_column {
    str name;
    cell_kind kind;
} store_column;

typedef enum store_shape {
    STORE_KEY, /* one row per key: primary key (partition, key) */
    STORE_WINDOW, /* one row per key and window start: (partition, windowstart, key); expires by range */
    STORE_BUCKET, /* many rows per key, ordered by time then seq: (partition, key, time, seq); an index on time expires
                     them */
} store_shape;

/*
 * How an operator's state becomes cells and back. Called with the store's lock held by the task, or by readers under
 * the lock; a codec must not call the store. Cells borrow the state or `mem`.
 */
typedef struct store_codec {
    void *ctx;
    /* The key's columns from its encoded bytes. */
    void (*key_cells)(void *ctx, str key, cell *out, arena *mem);
    /* The row of a state: one cell for each of spec->columns. */
    void (*encode)(void *ctx, const void *state, cell *out, arena *mem);
    /* Rebuilds a state (zeroed before) from its row. False: the row does not fit; the database is corrupt. */
    bool (*decode)(void *ctx, const cell *row, void *state);
    /* STORE_BUCKET, in place of encode and decode: the rows of a bucket in order, and adding one at its end. */
    uint32_t (*bucket_count)(void *ctx, const void *state);
    void (*bucket_row)(void *ctx, const void *state, uint32_t i, int64_t *time, int64_t *seq, cell *out, arena *mem);
    bool (*bucket_add)(void *ctx, void *state, int64_t time, int64_t seq, const cell *row);
    /* Frees what a state holds outside of itself; the state is not used afterwards. NULL: nothing. */
    void (*release)(void *ctx, void *state);
    /* Bytes outside of the state that it holds, for the budget. NULL: none. */
    size_t (*held)(void *ctx, const void *state);
    /*
     * The encoded bytes of a key from its columns as key_cells gave them, appended to out. NULL: the database keeps the
     * encoded bytes as its primary key, as with key_is_blob.
     */
    bool (*key_bytes)(void *ctx, const cell *cells, buf *out);
} store_codec;

/* What a store is. Lives as long as the store. */
typedef struct store_spec {
    str name; /* as in operator names: "Aggregate-Materialize" */
    store_shape shape;
    const store_column *keys; /* shown beside, or as, the primary key */
    int key_count;
    bool key_is_blob; /* the key may hold NULL, DOUBLE or nested data: the encoded bytes are the primary key */
    bool resident; /* loaded whole at the start and never evicted: its operator walks it */
    const store_column *columns;
    int column_count;
    uint32_t state_size;
    str fingerprint; /* of the plan step; a database with another one is refused */
    store_codec codec;
} store_spec;

typedef struct store store;
typedef struct store_db store_db;

/* Memory that all stores of a server share. Public layout; outlives the databases that name it. */
typedef struct store_budget {
    atomic_llong used;
    int64_t limit; /* state.cache.bytes */
} store_budget;

/*
 * A store for the entries of one task's partition. `db` (may be NULL: nothing is kept) must outlive it. NULL with a
 * diag when the database holds another fingerprint.
 */
store *store_open(store_db *db, const store_spec *spec, int32_t partition, diag *d);
void store_close(store *s);

/* What it was opened with. */
const store_spec *store_get_spec(const store *s);
/* The partition of its task. */
int32_t store_partition(const store *s);

/* The task's lock: pull queries read between two chunks. */
void store_lock(store *s);
void store_unlock(store *s);

/* Hash of a key (and window start) as the calls below want it. */
uint64_t store_hash(str key, int64_t window_start);

/*
 * Brings entries of the coming rows near: loads those that the database may hold (sorted, in one read), and touches the
 * cache lines of the rest. False with a diag when the database fails. windows may be NULL for STORE_KEY. States that
 * were got before and were not changed may be gone afterwards.
 */
bool store_prefetch(store *s, const str *keys, const int64_t *windows, const uint64_t *hashes, uint32_t count, diag *d);

/*
 * The state of an entry, or NULL. A returned state stays where it is until it is deleted, expires, or is evicted (see
 * store_prefetch; never while it is changed and not durable). window_start is 0 for STORE_KEY and STORE_BUCKET. A key
 * that was not prefetched is read alone; a read that fails gives NULL and is remembered (store_error).
 */
void *store_get(store *s, str key, int64_t window_start, uint64_t hash);
/* The same; an absent entry is made with a zeroed state and *created set. The entry is marked as changed. */
void *store_upsert(store *s, str key, int64_t window_start, uint64_t hash, bool *created);
/* Marks an entry that was got as changed. */
void store_touch(store *s, void *state);
/* Removes an entry, if it is there. */
void store_delete(store *s, str key, int64_t window_start, uint64_t hash);
/* The key and window start of a state. */
str store_key_of(const store *s, const void *state);
int64_t store_window_of(const store *s, const void *state);

/* STORE_WINDOW: removes the windows that start before `start`, oldest first, at most `most` entries; true when none is
 * left. */
bool store_expire(store *s, int64_t start, uint32_t most);

/* Whether a read of the database has failed, and why: then nothing that this store said may be committed. */
bool store_error(const store *s, diag *d);

/* Whether every entry is in memory: prefetching then only warms cache lines. Under the lock, or by the task. */
bool store_is_whole(const store *s);

/* Entries in memory, and bytes that they hold. */
uint64_t store_count(const store *s);
uint64_t store_bytes(const store *s);
/* Entries changed since the last freeze; a moment's figure. Any thread, without the lock. */
uint64_t store_changed(const store *s);

/*
 * Walks the entries in memory: for STORE_WINDOW in order of window start, from first_window to last_window (inclusive);
 * otherwise in no order. Deleting the entry at hand is allowed. Start with *it = {0}.
 */
typedef struct store_iter {
    uint64_t a, b;
    int64_t first_window, last_window;
} store_iter;
void *store_next(store *s, store_iter *it);

/*
 * Window starts that exist between first and last (inclusive), in memory or in the database, ascending: at most `most`
 * are written. Returns how many there are.
 */
uint32_t store_windows(store *s, int64_t first, int64_t last, int64_t *out, uint32_t most);

/* Loads what the database holds of a window, so that store_next shows it whole. */
bool store_load_window(store *s, int64_t start, diag *d);

/* While it is pinned nothing is evicted, so that states stay where they are with the lock given back between. */
void store_pin(store *s, bool pinned);

/*
 * Shows every entry, of memory and of the database, whose window start lies in [first, last] (STORE_KEY: all) until
 * found returns false; in order of window start. A state is valid during the call. Under the lock, which a long scan
 * therefore keeps from the task.
 */
bool store_scan(store *s, int64_t first, int64_t last, bool (*found)(void *ctx, const void *state), void *ctx, diag *d);

/* One row of a frozen generation. */
typedef struct store_row {
    str key;
    int64_t window_start;
    bool deleted; /* cells are absent; STORE_BUCKET: all rows of the key go, those of the new bucket follow */
    int64_t time; /* STORE_BUCKET */
    int64_t seq;
    const cell *cells; /* spec->column_count */
} store_row;

/* Takes over a row that comes from elsewhere (a changelog), as a change. False: it does not fit the store's columns. */
bool store_apply(store *s, const store_row *row);

/* The boundary: what changed becomes the frozen generation. There must be none that is undecided. */
void store_freeze(store *s, int64_t generation);
/* Rows of the frozen generation. */
uint64_t store_frozen_count(const store *s);
/* Walks them ordered by (window start, key bytes); the row is valid until the next call. Start with *it = 0. False at
 * the end. */
bool store_frozen_next(store *s, uint64_t *it, store_row *out);
/* STORE_WINDOW: windows that start before this have expired in the frozen generation; INT64_MIN: none. */
int64_t store_frozen_expired(const store *s);
/* The frozen generation is durable. */
void store_decided(store *s, int64_t generation);
/* The frozen generation will never be durable: the store is of no use any more, but may still be closed. */
void store_dropped(store *s, int64_t generation);

/* A named number that is saved with each commit: stream times, sequence counters. */
typedef struct store_number {
    str name;
    int32_t partition;
    int64_t value;
} store_number;

/* Position of an input partition, and what was written to an output partition (engine/io.h has the same members). */
typedef struct store_input {
    int32_t input;
    int32_t partition;
    uint8_t topic_id[16];
    int64_t offset;
} store_input;
typedef struct store_output {
    str topic;
    int32_t partition;
    uint8_t topic_id[16];
    int64_t producer_id;
    int16_t epoch;
    int64_t first_offset;
    int64_t end_offset;
} store_output;

/* All that one commit of a query holds. */
typedef struct store_commit {
    int64_t generation;
    store *const *stores; /* each with its frozen rows */
    int store_count;
    const store_input *inputs;
    int input_count;
    const store_output *outputs;
    int output_count;
    const store_number *numbers;
    int number_count;
} store_commit;

/* What a database holds besides rows; slices live in the arena given to load. */
typedef struct store_state {
    int64_t generation; /* 0: nothing was ever committed */
    const store_input *inputs;
    int input_count;
    const store_output *outputs;
    int output_count;
    const store_number *numbers;
    int number_count;
} store_state;

/* A query's database behind its stores. SQLite implements it; store_memory_db below keeps it in memory. */
typedef struct store_db_ops {
    /* Generation, positions and numbers of the last commit. */
    bool (*load)(store_db *db, arena *a, store_state *out, diag *d);
    /* Announces a store; a fingerprint that differs from the stored one is refused with a diag that names the
     * difference. */
    bool (*open_store)(store_db *db, const store_spec *spec, int32_t partition, bool *has_rows, diag *d);
    /*
     * Reads the rows of these keys as of the last commit, and calls found for each that exists. keys are sorted by
     * (window, key).
     */
    bool (*read)(store_db *db, const store_spec *spec, int32_t partition, const store_row *keys, uint32_t count,
                 bool (*found)(void *ctx, const store_row *row), void *ctx, diag *d);
    /* The same for all rows of a store whose window start lies in [first, last] (STORE_KEY: all). */
    bool (*scan)(store_db *db, const store_spec *spec, int32_t partition, int64_t first, int64_t last,
                 bool (*found)(void *ctx, const store_row *row), void *ctx, diag *d);
    /* STORE_WINDOW: the window starts of which there are rows, ascending. */
    bool (*windows)(store_db *db, const store_spec *spec, int32_t partition, bool (*found)(void *ctx, int64_t start),
                    void *ctx, diag *d);
    /* Saves a generation in one durable transaction. Blocks. After false nothing of it is there. */
    bool (*commit)(store_db *db, const store_commit *c, diag *d);
    void (*close)(store_db *db);
} store_db_ops;

/* Head of every database. */
struct store_db {
    const store_db_ops *ops;
    store_budget *budget; /* of the stores over it; NULL: no bound. Set before the first store is opened */
};

/* A database in memory: survives its query, not the process. close frees it. */
store_db *store_memory_db(void);

#endif
