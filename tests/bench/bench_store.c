/*
 * Stores over SQLite by themselves: commits of random and of hot keys, the start over a large table, memory.
 *
 *     bench_store [FOLDER] [KEYS]     a folder on the disk to be measured (made, emptied), 1,000,000 keys
 *
 * The state is a counter and a sum behind a BIGINT key, as COUNT and SUM keep it.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "state/sqlite_db.h"
#include "tests/bench/bench.h"

enum { BATCH = 1024, COMMIT_ROWS = 100000, HOT_KEYS = 100000 };

typedef struct counter {
    int64_t n, sum;
} counter;

static void key_cells(void *ctx, str key, cell *out, arena *mem)
{
    out[0] = (cell){.kind = CELL_INTEGER, .i = (int64_t)(load_be64(key.p) ^ (UINT64_C(1) << 63))};
}

static bool key_bytes(void *ctx, const cell *cells, buf *out)
{
    char key[8];
    store_be64(key, (uint64_t)cells[0].i ^ (UINT64_C(1) << 63));
    buf_add(out, key, 8);
    return true;
}

static void encode(void *ctx, const void *state, cell *out, arena *mem)
{
    const counter *c = state;
    out[0] = (cell){.kind = CELL_INTEGER, .i = c->n};
    out[1] = (cell){.kind = CELL_INTEGER, .i = c->sum};
}

static bool decode(void *ctx, const cell *row, void *state)
{
    *(counter *)state = (counter){row[0].i, row[1].i};
    return true;
}

static const store_column keys[] = {{{"ID", 2}, CELL_INTEGER}};
static const store_column columns[] = {{{"N", 1}, CELL_INTEGER}, {{"S", 1}, CELL_INTEGER}};
static const store_spec spec = {
    .name = {"Aggregate-Materialize", 21},
    .keys = keys,
    .key_count = 1,
    .columns = columns,
    .column_count = 2,
    .state_size = sizeof(counter),
    .fingerprint = {"bench", 5},
    .codec = {.key_cells = key_cells, .key_bytes = key_bytes, .encode = encode, .decode = decode},
};

static int64_t generation;

static double commit(store_db *db, store *s)
{
    diag d = {0};
    int64_t from = bench_ns();
    store_freeze(s, ++generation);
    store *stores[] = {s};
    store_commit c = {.generation = generation, .stores = stores, .store_count = 1};
    if (!db->ops->commit(db, &c, &d)) bench_die("%s", d.text);
    store_decided(s, generation);
    return (double)(bench_ns() - from) / 1e9;
}

/* Adds rows in chunks as an operator does; the ids are below `range`. Seconds without the commits. */
static double add_rows(store_db *db, store *s, uint64_t rows, uint64_t range, bool in_order, double *committed,
                       uint64_t *commits)
{
    static char bytes[BATCH][8];
    static str list[BATCH];
    static uint64_t hashes[BATCH];
    uint64_t seed = 1;
    diag d = {0};
    double spent = 0;
    for (uint64_t done = 0; done < rows;) {
        int64_t from = bench_ns();
        uint32_t n = rows - done < BATCH ? (uint32_t)(rows - done) : BATCH;
        store_lock(s);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t id = in_order ? done + i : bench_random(&seed) % range;
            store_be64(bytes[i], id ^ (UINT64_C(1) << 63));
            list[i] = str_of(bytes[i], 8);
            hashes[i] = store_hash(list[i], 0);
        }
        if (!store_prefetch(s, list, NULL, hashes, n, &d)) bench_die("%s", d.text);
        for (uint32_t i = 0; i < n; i++) {
            bool created;
            counter *c = store_upsert(s, list[i], 0, hashes[i], &created);
            c->n++;
            c->sum += (int64_t)i;
        }
        store_unlock(s);
        done += n;
        spent += (double)(bench_ns() - from) / 1e9;
        if (store_changed(s) < COMMIT_ROWS && done < rows) continue;
        *committed += commit(db, s);
        ++*commits;
    }
    return spent;
}

static double resident_mb(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0, all;
    if (!f || fscanf(f, "%ld %ld", &all, &pages) != 2) pages = 0;
    if (f) fclose(f);
    return (double)pages * 4096 / 1e6;
}

static void report(const char *what, uint64_t rows, double spent, double committed, uint64_t commits)
{
    printf("{\"figure\": \"%s\", \"rows\": %llu, \"update rows/s\": %.0f, \"rows/s with commits\": %.0f, "
           "\"commits\": %llu, \"ms a commit\": %.1f, \"resident MB\": %.0f}\n",
           what, (unsigned long long)rows, (double)rows / spent, (double)rows / (spent + committed),
           (unsigned long long)commits, committed * 1e3 / (double)commits, resident_mb());
}

static store *open_store(store_db *db)
{
    diag d = {0};
    store *s = store_open(db, &spec, 0, &d);
    if (!s) bench_die("%s", d.text);
    return s;
}

/* The start: a new database handle, a store, and the first results by key. */
static void measure_start(const char *path, uint64_t count, store_budget *budget)
{
    int64_t from = bench_ns();
    store_db *db = store_sqlite_new(fs_real(), str_z(path));
    db->budget = budget;
    arena *a = arena_new();
    store_state st;
    diag d = {0};
    if (!db->ops->load(db, a, &st, &d)) bench_die("%s", d.text);
    store *s = open_store(db);
    char key[8];
    store_be64(key, count / 2 ^ UINT64_C(1) << 63);
    store_lock(s);
    const counter *c = store_get(s, str_of(key, 8), 0, store_hash(str_of(key, 8), 0));
    store_unlock(s);
    if (!c || c->n < 1) bench_die("the table lacks a key");
    double first = (double)(bench_ns() - from) / 1e6;
    generation = st.generation;
    double committed = 0;
    uint64_t commits = 0;
    double spent = add_rows(db, s, 200000, count, false, &committed, &commits);
    printf("{\"figure\": \"start over %llu keys\", \"ms to the first result\": %.2f, \"resident MB\": %.0f}\n",
           (unsigned long long)count, first, resident_mb());
    report("random keys after a start", 200000, spent, committed, commits);
    arena_free(a);
    store_close(s);
    db->ops->close(db);
}

int main(int argc, char **argv)
{
    char path[512];
    const char *folder = argc > 1 ? argv[1] : "/tmp/weir-bench-store";
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    diag d = {0};
    if (!fs_mkdirs(fs_real(), folder, &d)) bench_die("%s", d.text);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (int i = 2; i >= 0; i--) {
        snprintf(path, sizeof path, "%s/bench.db%s", folder, suffixes[i]);
        diag ignored = {0};
        fs_unlink(fs_real(), path, &ignored);
    }
    store_budget budget = {.limit = 256 << 20};
    store_db *db = store_sqlite_new(fs_real(), str_z(path));
    db->budget = &budget;
    store *s = open_store(db);
    double committed = 0;
    uint64_t commits = 0;
    double spent = add_rows(db, s, count, count, true, &committed, &commits);
    report("new keys in order", count, spent, committed, commits);
    committed = 0;
    commits = 0;
    spent = add_rows(db, s, count, count, false, &committed, &commits);
    report("random keys", count, spent, committed, commits);
    committed = 0;
    commits = 0;
    spent = add_rows(db, s, 5 * count, HOT_KEYS, false, &committed, &commits);
    report("100,000 hot keys", 5 * count, spent, committed, commits);
    store_close(s);
    db->ops->close(db);
    measure_start(path, count, &budget);
    budget.limit = 16 << 20;
    measure_start(path, count, &budget);
    return 0;
}
