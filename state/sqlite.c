#include "state/sqlite.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "state/vfs.h"

enum { BUSY_MS = 10000, LOOKASIDE_BYTES = 512, LOOKASIDE_SLOTS = 32 };

/*
 * There is a connection for each query and most of them idle, so none takes 87 KiB of page cache and 120 KiB of small
 * slots in advance; pages are allocated as they are read, and statements are prepared once. Nobody asks for SQLite's
 * memory statistics, whose mutex all connections would share. Has no effect when SQLite was already in use.
 */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, LOOKASIDE_BYTES, LOOKASIDE_SLOTS);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool sqlite_fail(sqlite *c, const char *what, diag *d)
{
    int code = c->db ? sqlite3_errcode(c->db) & 0xff : SQLITE_CANTOPEN; /* the primary code */
    const char *text = c->db ? sqlite3_errmsg(c->db) : "cannot be opened";
    const char *system = vfs_last_error();
    diag_code kind = DIAG_IO;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) kind = DIAG_CORRUPT;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) kind = DIAG_BUSY;
    bool by_system = code == SQLITE_IOERR || code == SQLITE_FULL || code == SQLITE_CANTOPEN;
    bool more = by_system && system[0] != '\0';
    return diag_set(d, kind, "%s %.*s: %s%s%s%s", what, STR_ARG(c->path), text, more ? " (" : "", more ? system : "",
                    more ? ")" : "");
}

bool sqlite_open(sqlite *c, fs *sys, str path, sqlite_mode mode, diag *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    *c = (sqlite){0};
    char *copy = malloc(path.n + 1);
    check(copy != NULL);
    memcpy(copy, path.p, path.n);
    copy[path.n] = '\0';
    c->path = (str){copy, path.n};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE;
    if (mode == SQLITE_MODE_WRITE) flags |= SQLITE_OPEN_CREATE;
    bool ok = sqlite3_open_v2(copy, &c->db, flags, vfs_name(sys)) == SQLITE_OK;
    if (ok) sqlite3_busy_timeout(c->db, BUSY_MS);
    /* NULL where SQLite would open a temporary file: sorting spills into memory instead. */
    ok =
        ok && sqlite3_exec(c->db, "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF", NULL, NULL, NULL) == SQLITE_OK;
    if (ok && mode == SQLITE_MODE_WRITE) {
        ok = sqlite3_exec(c->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", NULL, NULL, NULL) == SQLITE_OK;
    } else if (ok) {
        ok = sqlite3_exec(c->db, "PRAGMA query_only=ON", NULL, NULL, NULL) == SQLITE_OK;
    }
    if (ok) return true;
    sqlite_fail(c, "cannot open the database", d);
    sqlite_close(c);
    return false;
}

void sqlite_close(sqlite *c)
{
    void *statement;
    for (size_t it = 0; map_next(&c->statements, &it, NULL, &statement);) sqlite3_finalize(statement);
    map_free(&c->statements);
    if (c->db) check(sqlite3_close(c->db) == SQLITE_OK);
    free((char *)c->path.p);
    *c = (sqlite){0};
}

bool sqlite_run(sqlite *c, const char *sql, diag *d)
{
    if (sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    return sqlite_fail(c, "a statement failed in the database", d);
}

sqlite3_stmt *sqlite_prepare(sqlite *c, str sql, diag *d)
{
    sqlite3_stmt *s = map_get(&c->statements, sql);
    if (s) {
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
        return s;
    }
    if (sqlite3_prepare_v3(c->db, sql.p, (int)sql.n, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) {
        sqlite_fail(c, "a statement does not fit the database", d);
        return NULL;
    }
    map_put(&c->statements, sql, s);
    return s;
}

bool sqlite_step(sqlite *c, sqlite3_stmt *s, bool *row, diag *d)
{
    int rc = sqlite3_step(s);
    *row = rc == SQLITE_ROW;
    if (*row) return true;
    bool ok = rc == SQLITE_DONE;
    if (!ok) sqlite_fail(c, "a statement failed in the database", d);
    sqlite3_reset(s);
    return ok;
}

bool sqlite_done(sqlite *c, sqlite3_stmt *s, diag *d)
{
    bool row;
    if (!sqlite_step(c, s, &row, d)) return false;
    check(!row);
    return true;
}

void sqlite_bind(sqlite3_stmt *s, int index, const cell *value)
{
    switch (value->kind) {
    case CELL_NULL: sqlite3_bind_null(s, index); break;
    case CELL_INTEGER: sqlite3_bind_int64(s, index, value->i); break;
    case CELL_REAL: sqlite3_bind_double(s, index, value->d); break;
    case CELL_TEXT: sqlite_bind_str(s, index, value->s); break;
    case CELL_BLOB: sqlite3_bind_blob64(s, index, value->s.p ? value->s.p : "", value->s.n, SQLITE_STATIC); break;
    }
}

void sqlite_bind_str(sqlite3_stmt *s, int index, str text)
{
    sqlite3_bind_text64(s, index, text.p ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

str sqlite_str(sqlite3_stmt *s, int column)
{
    const char *p = sqlite3_column_blob(s, column);
    return (str){p ? p : "", (size_t)sqlite3_column_bytes(s, column)};
}

cell sqlite_cell(sqlite3_stmt *s, int column)
{
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER: return (cell){.kind = CELL_INTEGER, .i = sqlite3_column_int64(s, column)};
    case SQLITE_FLOAT: return (cell){.kind = CELL_REAL, .d = sqlite3_column_double(s, column)};
    case SQLITE_TEXT: return (cell){.kind = CELL_TEXT, .s = sqlite_str(s, column)};
    case SQLITE_BLOB: return (cell){.kind = CELL_BLOB, .s = sqlite_str(s, column)};
    default: return (cell){.kind = CELL_NULL};
    }
}

void sqlite_quote_name(buf *out, str name)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"') buf_add_char(out, '"');
        buf_add_char(out, name.p[i]);
    }
    buf_add_char(out, '"');
}
