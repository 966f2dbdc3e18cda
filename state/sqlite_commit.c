/*
 * state/sqlite_commit.c - saving a generation in one transaction, and what a start finds of the last one.
 */
#include <stdlib.h>

#include "state/sqlite_db_int.h"

enum { REWRITE_BYTES = 1 << 20 };

/* ---- committing ------------------------------------------------------------------------------------------ */

static bool save_row(sqlite *c, const store_spec *spec, const sqlite_layout *l, int32_t partition, const store_row *row,
                     arena *mem, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, row->deleted ? l->remove : l->upsert, d);
    if (!s) return false;
    int at = sqlite_bind_key(spec, l, s, partition, row, mem);
    if (!row->deleted) {
        if (l->time_at >= 0) {
            sqlite3_bind_int64(s, at++, row->time);
            sqlite3_bind_int64(s, at++, row->seq);
        }
        if (l->key_is_blob) {
            cell *cells = ARENA_ARRAY(mem, cell, (size_t)spec->key_count + 1);
            spec->codec.key_cells(spec->codec.ctx, row->key, cells, mem);
            for (int i = 0; i < spec->key_count; i++) sqlite_bind(s, at++, &cells[i]);
        }
        for (int i = 0; i < spec->column_count; i++) sqlite_bind(s, at++, &row->cells[i]);
    }
    return sqlite_done(c, s, d);
}

/* Windows that are over are deleted as a range. */
static bool expire_windows(sqlite *c, const sqlite_layout *l, store *st, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, l->expire, d);
    if (!s) return false;
    sqlite3_bind_int(s, 1, store_partition(st));
    sqlite3_bind_int64(s, 2, store_frozen_expired(st));
    return sqlite_done(c, s, d);
}

static bool save_store(sqlite_db *q, sqlite *c, store *st, diag *d)
{
    const store_spec *spec = store_get_spec(st);
    const sqlite_layout *l = sqlite_find_layout(q, spec);
    if (store_frozen_expired(st) != INT64_MIN && !expire_windows(c, l, st, d)) return false;
    arena *mem = arena_new();
    store_row row;
    bool ok = true;
    for (uint64_t it = 0; ok && store_frozen_next(st, &it, &row);) {
        ok = save_row(c, spec, l, store_partition(st), &row, mem, d);
        arena_reset(mem);
    }
    arena_free(mem);
    return ok;
}

static bool save_inputs(sqlite *c, const store_commit *k, diag *d)
{
    for (int i = 0; i < k->input_count; i++) {
        const store_input *in = &k->inputs[i];
        sqlite3_stmt *s = sqlite_prepare(c, STR("INSERT OR REPLACE INTO weir_inputs VALUES (?, ?, ?, ?)"), d);
        if (!s) return false;
        sqlite3_bind_int(s, 1, in->input);
        sqlite3_bind_int(s, 2, in->partition);
        sqlite3_bind_blob(s, 3, in->topic_id, 16, SQLITE_STATIC);
        sqlite3_bind_int64(s, 4, in->offset);
        if (!sqlite_done(c, s, d)) return false;
    }
    return true;
}

static bool save_outputs(sqlite *c, const store_commit *k, diag *d)
{
    if (!sqlite_run(c, "DELETE FROM weir_outputs", d)) return false;
    for (int i = 0; i < k->output_count; i++) {
        const store_output *out = &k->outputs[i];
        sqlite3_stmt *s = sqlite_prepare(c, STR("INSERT INTO weir_outputs VALUES (?, ?, ?, ?, ?, ?, ?)"), d);
        if (!s) return false;
        sqlite_bind_str(s, 1, out->topic);
        sqlite3_bind_int(s, 2, out->partition);
        sqlite3_bind_blob(s, 3, out->topic_id, 16, SQLITE_STATIC);
        sqlite3_bind_int64(s, 4, out->producer_id);
        sqlite3_bind_int(s, 5, out->epoch);
        sqlite3_bind_int64(s, 6, out->first_offset);
        sqlite3_bind_int64(s, 7, out->end_offset);
        if (!sqlite_done(c, s, d)) return false;
    }
    return true;
}

static bool save_numbers(sqlite *c, const store_commit *k, diag *d)
{
    for (int i = 0; i < k->number_count; i++) {
        sqlite3_stmt *s = sqlite_prepare(c, STR("INSERT OR REPLACE INTO weir_numbers VALUES (?, ?, ?)"), d);
        if (!s) return false;
        sqlite_bind_str(s, 1, k->numbers[i].name);
        sqlite3_bind_int(s, 2, k->numbers[i].partition);
        sqlite3_bind_int64(s, 3, k->numbers[i].value);
        if (!sqlite_done(c, s, d)) return false;
    }
    return true;
}

static bool save_generation(sqlite *c, int64_t generation, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, STR("INSERT OR REPLACE INTO weir_commit VALUES (1, ?)"), d);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, generation);
    return sqlite_done(c, s, d);
}

bool sqlite_db_commit(store_db *db, const store_commit *k, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    sqlite *c = sqlite_lock_writer(q, d);
    if (!c) return false;
    bool ok = sqlite_run(c, "BEGIN IMMEDIATE", d);
    bool begun = ok;
    for (int i = 0; ok && i < k->store_count; i++) ok = save_store(q, c, k->stores[i], d);
    ok = ok && save_inputs(c, k, d) && save_outputs(c, k, d) && save_numbers(c, k, d) &&
         save_generation(c, k->generation, d);
    ok = ok && sqlite_run(c, "COMMIT", d);
    diag ignored = {0};
    if (!ok && begun) sqlite_run(c, "ROLLBACK", &ignored);
    sqlite_unlock_writer(q);
    /*
     * A COMMIT that failed may have left its last frame in the file: whether it counts is what the next connection
     * finds, so this one must not go on with what it believes.
     */
    if (!ok) sqlite_close_both(q);
    return ok;
}

/* ---- loading --------------------------------------------------------------------------------------------- */

static int64_t count_rows(sqlite *c, str sql, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(c, sql, d);
    bool row;
    if (!s || !sqlite_step(c, s, &row, d)) return -1;
    int64_t n = row ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return n;
}

static bool load_inputs(sqlite *c, arena *a, store_state *out, diag *d)
{
    int64_t n = count_rows(c, STR("SELECT count(*) FROM weir_inputs"), d);
    sqlite3_stmt *s = n < 0 ? NULL : sqlite_prepare(c, STR("SELECT * FROM weir_inputs"), d);
    if (!s) return false;
    store_input *inputs = ARENA_ARRAY(a, store_input, (size_t)n);
    bool row, ok;
    while ((ok = sqlite_step(c, s, &row, d)) && row && out->input_count < n) {
        store_input *in = &inputs[out->input_count++];
        *in = (store_input){.input = sqlite3_column_int(s, 0),
                            .partition = sqlite3_column_int(s, 1),
                            .offset = sqlite3_column_int64(s, 3)};
        str id = sqlite_str(s, 2);
        if (id.n == 16) memcpy(in->topic_id, id.p, 16);
    }
    out->inputs = inputs;
    return ok;
}

static bool load_outputs(sqlite *c, arena *a, store_state *out, diag *d)
{
    int64_t n = count_rows(c, STR("SELECT count(*) FROM weir_outputs"), d);
    sqlite3_stmt *s = n < 0 ? NULL : sqlite_prepare(c, STR("SELECT * FROM weir_outputs"), d);
    if (!s) return false;
    store_output *outputs = ARENA_ARRAY(a, store_output, (size_t)n);
    bool row, ok;
    while ((ok = sqlite_step(c, s, &row, d)) && row && out->output_count < n) {
        store_output *o = &outputs[out->output_count++];
        *o = (store_output){.topic = arena_str(a, sqlite_str(s, 0)),
                            .partition = sqlite3_column_int(s, 1),
                            .producer_id = sqlite3_column_int64(s, 3),
                            .epoch = (int16_t)sqlite3_column_int(s, 4),
                            .first_offset = sqlite3_column_int64(s, 5),
                            .end_offset = sqlite3_column_int64(s, 6)};
        str id = sqlite_str(s, 2);
        if (id.n == 16) memcpy(o->topic_id, id.p, 16);
    }
    out->outputs = outputs;
    return ok;
}

static bool load_numbers(sqlite *c, arena *a, store_state *out, diag *d)
{
    int64_t n = count_rows(c, STR("SELECT count(*) FROM weir_numbers"), d);
    sqlite3_stmt *s = n < 0 ? NULL : sqlite_prepare(c, STR("SELECT * FROM weir_numbers"), d);
    if (!s) return false;
    store_number *numbers = ARENA_ARRAY(a, store_number, (size_t)n);
    bool row, ok;
    while ((ok = sqlite_step(c, s, &row, d)) && row && out->number_count < n) {
        numbers[out->number_count++] = (store_number){.name = arena_str(a, sqlite_str(s, 0)),
                                                      .partition = sqlite3_column_int(s, 1),
                                                      .value = sqlite3_column_int64(s, 2)};
    }
    out->numbers = numbers;
    return ok;
}

/*
 * SQLite removes the log at a clean close and syncs no folder. A log whose last transaction had failed would come back
 * after a power loss, with that transaction: that there is none must be durable before anything is done because of it.
 */
static bool sync_absence(const sqlite_db *q, diag *d)
{
    buf folder = {0};
    size_t n = q->path.n;
    while (n > 0 && q->path.p[n - 1] != '/') n--;
    buf_add_str(&folder, n > 1 ? str_of(q->path.p, n - 1) : n == 1 ? STR("/") : STR("."));
    bool ok = fs_sync_dir_at(q->sys, buf_z(&folder), "state folder at the start", d);
    buf_free(&folder);
    return ok;
}

/*
 * What the last process left in the log may be in the page cache alone: it was killed before a sync, or the sync failed
 * and the kernel took the pages for clean. Before anything is done because of it, it is written again as it is, and
 * synced.
 */
static bool make_durable(const sqlite_db *q, diag *d)
{
    buf path = {0};
    buf_printf(&path, "%.*s-wal", STR_ARG(q->path));
    file *f;
    diag missing = {0};
    if (!fs_open(q->sys, buf_z(&path), 0, &f, &missing)) {
        buf_free(&path);
        if (missing.code == DIAG_NOT_FOUND) return sync_absence(q, d);
        *d = missing;
        return false;
    }
    char *block = malloc(REWRITE_BYTES);
    check(block != NULL);
    bool ok = true;
    size_t got = REWRITE_BYTES;
    for (uint64_t at = 0; ok && got == REWRITE_BYTES; at += got) {
        ok = file_read(f, at, block, REWRITE_BYTES, &got, d);
        if (ok && got > 0) ok = file_write(f, at, block, got, d);
    }
    ok = ok && file_sync_at(f, FILE_SYNC_DATA, "sqlite wal at the start", d);
    free(block);
    file_close(f);
    buf_free(&path);
    return ok;
}

bool sqlite_db_load(store_db *db, arena *a, store_state *out, diag *d)
{
    sqlite_db *q = sqlite_db_of(db);
    *out = (store_state){0};
    if (!q->writer.c.db && !make_durable(q, d)) return false;
    sqlite *c = sqlite_lock_writer(q, d);
    if (!c) return false;
    out->generation = count_rows(c, STR("SELECT generation FROM weir_commit"), d);
    bool ok =
        out->generation >= 0 && load_inputs(c, a, out, d) && load_outputs(c, a, out, d) && load_numbers(c, a, out, d);
    sqlite_unlock_writer(q);
    return ok;
}
