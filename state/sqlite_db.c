#include "state/sqlite_db.h"

#include <stdlib.h>

#include "state/sqlite_db_int.h"

static const store_db_ops sqlite_ops;

sqlite_db *sqlite_db_of(store_db *db)
{
    check(db->ops == &sqlite_ops);
    return (sqlite_db *)db;
}

store_db *store_sqlite_new(fs *sys, str path)
{
    arena *mem = arena_new();
    sqlite_db *q = ARENA_NEW(mem, sqlite_db);
    q->db.ops = &sqlite_ops;
    q->sys = sys;
    q->mem = mem;
    q->path = arena_str(mem, path);
    pthread_mutex_init(&q->writer.lock, NULL);
    pthread_mutex_init(&q->reader.lock, NULL);
    pthread_mutex_init(&q->layouts_lock, NULL);
    return &q->db;
}

static void db_close(store_db *db)
{
    sqlite_db *q = sqlite_db_of(db);
    store_sqlite_idle(db);
    map_free(&q->layouts);
    pthread_mutex_destroy(&q->writer.lock);
    pthread_mutex_destroy(&q->reader.lock);
    pthread_mutex_destroy(&q->layouts_lock);
    arena_free(q->mem);
}

void sqlite_close_both(sqlite_db *q)
{
    locked *both[] = {&q->reader, &q->writer};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        pthread_mutex_lock(&both[i]->lock);
        sqlite_close(&both[i]->c);
        pthread_mutex_unlock(&both[i]->lock);
    }
}

void store_sqlite_idle(store_db *db)
{
    sqlite_close_both(sqlite_db_of(db));
}

bool store_sqlite_sweep(store_db *db)
{
    sqlite_db *q = sqlite_db_of(db);
    locked *both[] = {&q->reader, &q->writer};
    bool open = false;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        /* Whoever holds it is using it. */
        if (pthread_mutex_trylock(&both[i]->lock) != 0) {
            open = true;
            continue;
        }
        if (!both[i]->used) sqlite_close(&both[i]->c);
        both[i]->used = false;
        open = open || both[i]->c.db;
        pthread_mutex_unlock(&both[i]->lock);
    }
    return open;
}

/* ---- connections ----------------------------------------------------------------------------------------- */

static const char *const tables[] = {
    "CREATE TABLE IF NOT EXISTS weir_commit(one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS weir_inputs(input INTEGER, partition INTEGER, topic_id BLOB NOT NULL,"
    " \"offset\" INTEGER NOT NULL, PRIMARY KEY (input, partition)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS weir_outputs(topic TEXT, partition INTEGER, topic_id BLOB NOT NULL,"
    " producer_id INTEGER NOT NULL, epoch INTEGER NOT NULL, first_offset INTEGER NOT NULL,"
    " end_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS weir_numbers(name TEXT, partition INTEGER, value INTEGER NOT NULL,"
    " PRIMARY KEY (name, partition)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS weir_stores(name TEXT PRIMARY KEY, table_name TEXT NOT NULL, shape TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS weir_columns(store TEXT, position INTEGER, name TEXT NOT NULL, column_name TEXT NOT "
    "NULL,"
    " type TEXT NOT NULL, PRIMARY KEY (store, position)) WITHOUT ROWID",
};

/* The writer's connection, opened and with its tables made. Locks it; unlock_writer gives it back. */
sqlite *sqlite_lock_writer(sqlite_db *q, diag *d)
{
    pthread_mutex_lock(&q->writer.lock);
    sqlite *c = &q->writer.c;
    q->writer.used = true;
    if (c->db) return c;
    bool ok = sqlite_open(c, q->sys, q->path, SQLITE_MODE_WRITE, d);
    ok = ok && sqlite_run(c, "BEGIN IMMEDIATE", d);
    for (size_t i = 0; ok && i < ARRAY_LEN(tables); i++) ok = sqlite_run(c, tables[i], d);
    ok = ok && sqlite_run(c, "COMMIT", d);
    if (ok) return c;
    sqlite_close(c);
    pthread_mutex_unlock(&q->writer.lock);
    return NULL;
}

void sqlite_unlock_writer(sqlite_db *q)
{
    pthread_mutex_unlock(&q->writer.lock);
}

/* The reader's connection; the database must have been made. */
static sqlite *lock_reader(sqlite_db *q, diag *d)
{
    pthread_mutex_lock(&q->reader.lock);
    q->reader.used = true;
    if (q->reader.c.db || sqlite_open(&q->reader.c, q->sys, q->path, SQLITE_MODE_READ, d)) return &q->reader.c;
    pthread_mutex_unlock(&q->reader.lock);
    return NULL;
}

static void unlock_reader(sqlite_db *q)
{
    pthread_mutex_unlock(&q->reader.lock);
}

const sqlite_layout *sqlite_find_layout(sqlite_db *q, const store_spec *spec)
{
    pthread_mutex_lock(&q->layouts_lock);
    const sqlite_layout *l = map_get(&q->layouts, spec->name);
    pthread_mutex_unlock(&q->layouts_lock);
    check(l != NULL);
    return l;
}

/* ---- announcing stores ----------------------------------------------------------------------------------- */

/* Compares with what the database says of a store of this name; *known when there is one. */
static bool check_known(sqlite *c, const store_spec *spec, bool *known, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, STR("SELECT fingerprint FROM weir_stores WHERE name = ?"), d);
    if (!s) return false;
    sqlite_bind_str(s, 1, spec->name);
    if (!sqlite_step(c, s, known, d)) return false;
    if (!*known) return true;
    str stored = sqlite_str(s, 0);
    bool same = str_eq(stored, spec->fingerprint);
    if (!same) {
        diag_set(d, DIAG_STATE,
                 "the stored state of %.*s was made by another plan: it holds \"%.*s\", the query needs \"%.*s\"",
                 STR_ARG(spec->name), STR_ARG(stored), STR_ARG(spec->fingerprint));
    }
    sqlite3_reset(s);
    return same;
}

static const char *shape_text(store_shape shape)
{
    static const char *const names[] = {"key", "window", "bucket"};
    return names[shape];
}

static bool make_store(sqlite *c, const store_spec *spec, const sqlite_layout *l, diag *d)
{
    if (!sqlite_run(c, l->create, d) || (l->index && !sqlite_run(c, l->index, d))) return false;
    sqlite3_stmt *s = sqlite_prepare(c, STR("INSERT INTO weir_stores VALUES (?, ?, ?, ?)"), d);
    if (!s) return false;
    sqlite_bind_str(s, 1, spec->name);
    sqlite_bind_str(s, 2, l->table);
    sqlite_bind_str(s, 3, str_z(shape_text(spec->shape)));
    sqlite_bind_str(s, 4, spec->fingerprint);
    if (!sqlite_done(c, s, d)) return false;
    for (int i = 0; i < l->column_count; i++) {
        s = sqlite_prepare(c, STR("INSERT INTO weir_columns VALUES (?, ?, ?, ?, ?)"), d);
        if (!s) return false;
        sqlite_bind_str(s, 1, spec->name);
        sqlite3_bind_int(s, 2, i);
        sqlite_bind_str(s, 3, l->columns[i].meaning);
        sqlite_bind_str(s, 4, l->columns[i].name);
        sqlite_bind_str(s, 5, str_z(l->columns[i].type));
        if (!sqlite_done(c, s, d)) return false;
    }
    return true;
}

static bool has_rows_of(sqlite *c, const sqlite_layout *l, int32_t partition, bool *has_rows, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, l->any, d);
    if (!s) return false;
    sqlite3_bind_int(s, 1, partition);
    if (!sqlite_step(c, s, has_rows, d)) return false;
    sqlite3_reset(s);
    return true;
}

static bool db_open_store(store_db *db, const store_spec *spec, int32_t partition, bool *has_rows, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    sqlite *c = sqlite_lock_writer(q, d);
    if (!c) return false;
    pthread_mutex_lock(&q->layouts_lock);
    if (!map_get(&q->layouts, spec->name)) map_put(&q->layouts, spec->name, sqlite_layout_new(q->mem, spec));
    const sqlite_layout *l = map_get(&q->layouts, spec->name);
    pthread_mutex_unlock(&q->layouts_lock);
    bool known;
    bool ok = sqlite_run(c, "BEGIN IMMEDIATE", d);
    bool begun = ok;
    ok = ok && check_known(c, spec, &known, d);
    if (ok && !known) ok = make_store(c, spec, l, d);
    ok = ok && has_rows_of(c, l, partition, has_rows, d);
    diag ignored = {0};
    if (begun) ok = sqlite_run(c, ok ? "COMMIT" : "ROLLBACK", ok ? d : &ignored) && ok;
    sqlite_unlock_writer(q);
    return ok;
}

/* ---- reading rows ---------------------------------------------------------------------------------------- */

/* Turns the present row of a layout's SELECT into a store_row; *cells has room for all columns. */
static bool take_row(const store_spec *spec, const sqlite_layout *l, sqlite3_stmt *s, cell *cells, buf *key,
                     store_row *out, diag *d)
{
    for (int i = 0; i < l->select_count; i++) cells[i] = sqlite_cell(s, i);
    buf_clear(key);
    if (l->key_is_blob) {
        buf_add_str(key, cells[l->key_at].kind == CELL_BLOB ? cells[l->key_at].s : STR(""));
    } else if (!spec->codec.key_bytes(spec->codec.ctx, cells + l->key_at, key)) {
        return diag_set(d, DIAG_CORRUPT, "a key of the stored state of %.*s cannot be read", STR_ARG(spec->name));
    }
    *out = (store_row){.key = buf_str(key),
                       .window_start = l->window_at >= 0 ? cells[l->window_at].i : 0,
                       .time = l->time_at >= 0 ? cells[l->time_at].i : 0,
                       .seq = l->time_at >= 0 ? cells[l->time_at + 1].i : 0,
                       .cells = cells + l->cells_at};
    return true;
}

typedef bool found_fn(void *ctx, const store_row *row);

static bool walk_rows(sqlite *c, const store_spec *spec, const sqlite_layout *l, sqlite3_stmt *s, found_fn *found,
                      void *ctx, diag *d)
{
    cell *cells = calloc((size_t)l->select_count, sizeof *cells);
    check(cells != NULL);
    buf key = {0};
    bool row = false;
    bool ok;
    while ((ok = sqlite_step(c, s, &row, d)) && row) {
        store_row r;
        ok = take_row(spec, l, s, cells, &key, &r, d);
        if (ok && !found(ctx, &r)) {
            ok = diag_set(d, DIAG_CORRUPT, "a row of the stored state of %.*s cannot be read", STR_ARG(spec->name));
        }
        if (!ok) break;
    }
    if (!ok) sqlite3_reset(s);
    buf_free(&key);
    free(cells);
    return ok;
}

int sqlite_bind_key(const store_spec *spec, const sqlite_layout *l, sqlite3_stmt *s, int32_t partition,
                    const store_row *row, arena *mem)
{
    int at = 1;
    sqlite3_bind_int(s, at++, partition);
    if (l->window_at >= 0) sqlite3_bind_int64(s, at++, row->window_start);
    if (l->key_is_blob) {
        cell key = {.kind = CELL_BLOB, .s = row->key};
        sqlite_bind(s, at++, &key);
        return at;
    }
    cell *cells = ARENA_ARRAY(mem, cell, (size_t)spec->key_count);
    spec->codec.key_cells(spec->codec.ctx, row->key, cells, mem);
    for (int i = 0; i < spec->key_count; i++) sqlite_bind(s, at++, &cells[i]);
    return at;
}

static bool db_read(store_db *db, const store_spec *spec, int32_t partition, const store_row *keys, uint32_t count,
                    found_fn *found, void *ctx, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    const sqlite_layout *l = sqlite_find_layout(q, spec);
    sqlite *c = lock_reader(q, d);
    if (!c) return false;
    arena *mem = arena_new();
    bool ok = sqlite_run(c, "BEGIN", d);
    bool begun = ok;
    for (uint32_t i = 0; ok && i < count; i++) {
        sqlite3_stmt *s = sqlite_prepare(c, l->select_key, d);
        ok = s != NULL;
        if (!ok) break;
        sqlite_bind_key(spec, l, s, partition, &keys[i], mem);
        ok = walk_rows(c, spec, l, s, found, ctx, d);
        sqlite3_clear_bindings(s);
        arena_reset(mem);
    }
    diag ignored = {0};
    if (begun) sqlite_run(c, "COMMIT", &ignored);
    arena_free(mem);
    unlock_reader(q);
    return ok;
}

static bool db_scan(store_db *db, const store_spec *spec, int32_t partition, int64_t first, int64_t last,
                    found_fn *found, void *ctx, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    const sqlite_layout *l = sqlite_find_layout(q, spec);
    sqlite *c = lock_reader(q, d);
    if (!c) return false;
    sqlite3_stmt *s = sqlite_prepare(c, l->select_range, d);
    bool ok = s != NULL;
    if (ok) {
        sqlite3_bind_int(s, 1, partition);
        if (l->window_at >= 0) {
            sqlite3_bind_int64(s, 2, first);
            sqlite3_bind_int64(s, 3, last);
        }
        ok = walk_rows(c, spec, l, s, found, ctx, d);
    }
    unlock_reader(q);
    return ok;
}

static bool db_windows(store_db *db, const store_spec *spec, int32_t partition, bool (*found)(void *ctx, int64_t start),
                       void *ctx, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    const sqlite_layout *l = sqlite_find_layout(q, spec);
    sqlite *c = lock_reader(q, d);
    if (!c) return false;
    sqlite3_stmt *s = sqlite_prepare(c, l->select_windows, d);
    if (s) sqlite3_bind_int(s, 1, partition);
    bool row = false;
    bool ok = s != NULL;
    while (ok && (ok = sqlite_step(c, s, &row, d)) && row) ok = found(ctx, sqlite3_column_int64(s, 0));
    if (s) sqlite3_reset(s);
    unlock_reader(q);
    return ok;
}

/* ---- for analysts ---------------------------------------------------------------------------------------- */

/* Whether the database holds this very view. */
static bool has_view(sqlite *c, str name, str sql, bool *there, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, STR("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?"), d);
    if (!s) return false;
    sqlite_bind_str(s, 1, name);
    bool row;
    if (!sqlite_step(c, s, &row, d)) return false;
    *there = row && str_eq(sqlite_str(s, 0), sql);
    sqlite3_reset(s);
    return true;
}

bool store_sqlite_view(store_db *db, str name, str select, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    sqlite *c = sqlite_lock_writer(q, d);
    if (!c) return false;
    buf sql = {0}, drop = {0};
    buf_add_z(&sql, "CREATE VIEW ");
    sqlite_quote_name(&sql, name);
    buf_printf(&sql, " AS %.*s", STR_ARG(select));
    buf_add_z(&drop, "DROP VIEW IF EXISTS ");
    sqlite_quote_name(&drop, name);
    bool there = false;
    bool ok = has_view(c, name, buf_str(&sql), &there, d);
    if (ok && !there) {
        ok = sqlite_run(c, "BEGIN IMMEDIATE", d) && sqlite_run(c, buf_z(&drop), d) && sqlite_run(c, buf_z(&sql), d) &&
             sqlite_run(c, "COMMIT", d);
        diag ignored = {0};
        if (!ok) sqlite_run(c, "ROLLBACK", &ignored);
    }
    buf_free(&sql);
    buf_free(&drop);
    sqlite_unlock_writer(q);
    return ok;
}

bool store_sqlite_names_of(store_db *db, str name, arena *a, store_sqlite_names *out)
{
    sqlite_db *q = sqlite_db_of(db);
    pthread_mutex_lock(&q->layouts_lock);
    const sqlite_layout *l = map_get(&q->layouts, name);
    pthread_mutex_unlock(&q->layouts_lock);
    if (!l) return false;
    /* Positions of a layout leave out the partition. */
    const sqlite_column *columns = l->columns + 1;
    int cells = l->select_count - l->cells_at;
    int keys = (!l->key_is_blob && l->time_at >= 0 ? l->time_at : l->cells_at) - l->names_at;
    str *names = ARENA_ARRAY(a, str, (size_t)keys + (size_t)cells + 1);
    for (int i = 0; i < keys; i++) names[i] = columns[l->names_at + i].name;
    for (int i = 0; i < cells; i++) names[keys + i] = columns[l->cells_at + i].name;
    *out = (store_sqlite_names){
        .table = l->table, .keys = names, .key_count = keys, .cells = names + keys, .cell_count = cells};
    if (l->window_at >= 0) out->window_start = columns[l->window_at].name;
    if (l->time_at >= 0) out->time = columns[l->time_at].name;
    if (l->time_at >= 0) out->seq = columns[l->time_at + 1].name;
    return true;
}

static const store_db_ops sqlite_ops = {
    .load = sqlite_db_load,
    .open_store = db_open_store,
    .read = db_read,
    .scan = db_scan,
    .windows = db_windows,
    .commit = sqlite_db_commit,
    .close = db_close,
};
