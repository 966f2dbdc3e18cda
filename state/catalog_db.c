#include "state/catalog_db.h"

#include <stdlib.h>

#include "base/check.h"
#include "state/sqlite.h"

struct catalog_db {
    sqlite c;
};

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS statements(sequence INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL,"
    " properties TEXT NOT NULL, topics TEXT NOT NULL, producer_id INTEGER NOT NULL, time_ms INTEGER NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('pending', 'active')))";

catalog_db *catalog_db_open(fs *sys, str path, diag *d)
{
    catalog_db *db = calloc(1, sizeof *db);
    check(db != NULL);
    if (sqlite_open(&db->c, sys, path, SQLITE_MODE_WRITE, d) && sqlite_run(&db->c, tables, d)) return db;
    catalog_db_close(db);
    return NULL;
}

void catalog_db_close(catalog_db *db)
{
    if (!db) return;
    sqlite_close(&db->c);
    free(db);
}

bool catalog_db_next(catalog_db *db, int64_t *sequence, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(&db->c, STR("SELECT seq FROM sqlite_sequence WHERE name = 'statements'"), d);
    bool row;
    if (!s || !sqlite_step(&db->c, s, &row, d)) return false;
    *sequence = row ? sqlite3_column_int64(s, 0) + 1 : 1;
    sqlite3_reset(s);
    return true;
}

bool catalog_db_add(catalog_db *db, const catalog_statement *st, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(&db->c, STR("INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?)"), d);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, st->sequence);
    sqlite_bind_str(s, 2, st->text);
    sqlite_bind_str(s, 3, st->properties);
    sqlite_bind_str(s, 4, st->topics);
    sqlite3_bind_int64(s, 5, st->producer_id);
    sqlite3_bind_int64(s, 6, st->time_ms);
    sqlite_bind_str(s, 7, st->active ? STR("active") : STR("pending"));
    return sqlite_done(&db->c, s, d);
}

/* Runs a statement with the sequence as its only parameter; exactly one row must change. */
static bool change_one(catalog_db *db, str sql, int64_t sequence, diag *d)
{
    sqlite3_stmt *s = sqlite_prepare(&db->c, sql, d);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, sequence);
    if (!sqlite_done(&db->c, s, d)) return false;
    if (sqlite3_changes(db->c.db) == 1) return true;
    return diag_set(d, DIAG_INTERNAL, "the catalogue holds no statement %lld", (long long)sequence);
}

bool catalog_db_activate(catalog_db *db, int64_t sequence, diag *d)
{
    return change_one(db, STR("UPDATE statements SET state = 'active' WHERE sequence = ?"), sequence, d);
}

bool catalog_db_remove(catalog_db *db, int64_t sequence, diag *d)
{
    return change_one(db, STR("DELETE FROM statements WHERE sequence = ?"), sequence, d);
}

bool catalog_db_load(catalog_db *db, arena *a, catalog_statement **out, size_t *count, diag *d)
{
    bool row, ok;
    sqlite3_stmt *s = sqlite_prepare(&db->c, STR("SELECT count(*) FROM statements"), d);
    if (!s || !sqlite_step(&db->c, s, &row, d)) return false;
    size_t n = (size_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    s = sqlite_prepare(&db->c, STR("SELECT * FROM statements ORDER BY sequence"), d);
    if (!s) return false;
    *out = ARENA_ARRAY(a, catalog_statement, n);
    *count = 0;
    while ((ok = sqlite_step(&db->c, s, &row, d)) && row && *count < n) {
        (*out)[(*count)++] = (catalog_statement){.sequence = sqlite3_column_int64(s, 0),
                                                 .text = arena_str(a, sqlite_str(s, 1)),
                                                 .properties = arena_str(a, sqlite_str(s, 2)),
                                                 .topics = arena_str(a, sqlite_str(s, 3)),
                                                 .producer_id = sqlite3_column_int64(s, 4),
                                                 .time_ms = sqlite3_column_int64(s, 5),
                                                 .active = str_eqz(sqlite_str(s, 6), "active")};
    }
    return ok;
}
