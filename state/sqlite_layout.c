#include "state/sqlite_layout.h"

#include "base/check.h"
#include "state/sqlite.h"

static const char *type_name(cell_kind kind)
{
    switch (kind) {
    case CELL_INTEGER: return "INTEGER";
    case CELL_REAL: return "REAL";
    case CELL_BLOB: return "BLOB";
    default: return "TEXT";
    }
}

static bool taken(const sqlite_column *columns, int count, str name)
{
    for (int i = 0; i < count; i++) {
        if (str_ieq(columns[i].name, name)) return true;
    }
    return false;
}

static void add_column(arena *a, sqlite_column *columns, int *count, str meaning, const char *type)
{
    str name = arena_str(a, meaning);
    for (int n = 2; taken(columns, *count, name); n++) name = arena_printf(a, "%.*s_%d", STR_ARG(meaning), n);
    columns[(*count)++] = (sqlite_column){arena_str(a, meaning), name, type};
}

static void add_names(buf *out, const sqlite_layout *l, int from, int to, const char *separator)
{
    for (int i = from; i < to; i++) {
        if (i > from) buf_add_z(out, separator);
        sqlite_quote_name(out, l->columns[i].name);
    }
}

/* " WHERE a = ? AND b = ?" over the first n columns. */
static void add_where(buf *out, const sqlite_layout *l, int n)
{
    buf_add_z(out, " WHERE ");
    add_names(out, l, 0, n, " = ? AND ");
    buf_add_z(out, " = ?");
}

static str finish(arena *a, buf *b)
{
    str s = arena_str(a, buf_str(b));
    buf_clear(b);
    return s;
}

static void build_create(arena *a, sqlite_layout *l, int primary_columns, buf *b)
{
    buf_add_z(b, "CREATE TABLE ");
    sqlite_quote_name(b, l->table);
    buf_add_z(b, " (");
    for (int i = 0; i < l->column_count; i++) {
        sqlite_quote_name(b, l->columns[i].name);
        buf_printf(b, " %s%s, ", l->columns[i].type, i < primary_columns ? " NOT NULL" : "");
    }
    buf_add_z(b, "PRIMARY KEY (");
    add_names(b, l, 0, primary_columns, ", ");
    buf_add_z(b, ")) WITHOUT ROWID");
    l->create = finish(a, b).p;
    if (l->time_at < 0) return;
    buf_add_z(b, "CREATE INDEX ");
    str name = arena_printf(a, "%.*s time", STR_ARG(l->table));
    sqlite_quote_name(b, name);
    buf_add_z(b, " ON ");
    sqlite_quote_name(b, l->table);
    buf_add_z(b, " (");
    add_names(b, l, 0, 1, "");
    buf_add_z(b, ", ");
    add_names(b, l, l->time_at + 1, l->time_at + 2, "");
    buf_add_z(b, ")");
    l->index = finish(a, b).p;
}

static void build_reads(arena *a, sqlite_layout *l, int key_columns, int primary_columns, buf *b)
{
    buf_add_z(b, "SELECT 1 FROM ");
    sqlite_quote_name(b, l->table);
    add_where(b, l, 1);
    buf_add_z(b, " LIMIT 1");
    l->any = finish(a, b);
    for (int range = 0; range < 2; range++) {
        buf_add_z(b, "SELECT ");
        add_names(b, l, 1, l->column_count, ", ");
        buf_add_z(b, " FROM ");
        sqlite_quote_name(b, l->table);
        add_where(b, l, range ? 1 : key_columns);
        if (range && l->window_at >= 0) {
            buf_add_z(b, " AND ");
            sqlite_quote_name(b, l->columns[1].name);
            buf_add_z(b, " BETWEEN ? AND ?");
        }
        buf_add_z(b, " ORDER BY ");
        add_names(b, l, 0, primary_columns, ", ");
        *(range ? &l->select_range : &l->select_key) = finish(a, b);
    }
}

/* The starts are found by one seek each, however many rows a window has. */
static void build_windows(arena *a, sqlite_layout *l, buf *b)
{
    buf from = {0};
    buf_add_z(&from, "SELECT min(");
    sqlite_quote_name(&from, l->columns[1].name);
    buf_add_z(&from, ") FROM ");
    sqlite_quote_name(&from, l->table);
    buf_add_z(&from, " WHERE ");
    sqlite_quote_name(&from, l->columns[0].name);
    buf_add_z(&from, " = ?1");
    buf_printf(b, "WITH RECURSIVE weir(start) AS (%.*s UNION ALL SELECT (%.*s AND ", STR_ARG(buf_str(&from)),
               STR_ARG(buf_str(&from)));
    sqlite_quote_name(b, l->columns[1].name);
    buf_add_z(b, " > weir.start) FROM weir WHERE weir.start IS NOT NULL)"
                 " SELECT start FROM weir WHERE start IS NOT NULL");
    l->select_windows = finish(a, b);
    buf_free(&from);
    buf_add_z(b, "DELETE FROM ");
    sqlite_quote_name(b, l->table);
    add_where(b, l, 1);
    buf_add_z(b, " AND ");
    sqlite_quote_name(b, l->columns[1].name);
    buf_add_z(b, " < ?");
    l->expire = finish(a, b);
}

static void build_writes(arena *a, sqlite_layout *l, int key_columns, buf *b)
{
    buf_add_z(b, "INSERT OR REPLACE INTO ");
    sqlite_quote_name(b, l->table);
    buf_add_z(b, " VALUES (?");
    for (int i = 1; i < l->column_count; i++) buf_add_z(b, ", ?");
    buf_add_z(b, ")");
    l->upsert = finish(a, b);
    buf_add_z(b, "DELETE FROM ");
    sqlite_quote_name(b, l->table);
    add_where(b, l, key_columns);
    l->remove = finish(a, b);
}

sqlite_layout *sqlite_layout_new(arena *a, const store_spec *spec)
{
    sqlite_layout *l = ARENA_NEW(a, sqlite_layout);
    l->table = arena_str(a, spec->name);
    l->key_is_blob = spec->key_is_blob || !spec->codec.key_bytes;
    sqlite_column *columns = ARENA_ARRAY(a, sqlite_column, (size_t)spec->key_count + (size_t)spec->column_count + 5);
    int n = 0;
    add_column(a, columns, &n, STR("partition"), "INTEGER");
    l->window_at = l->time_at = -1;
    if (spec->shape == STORE_WINDOW) {
        l->window_at = n - 1;
        add_column(a, columns, &n, STR("windowstart"), "INTEGER");
    }
    l->key_at = n - 1;
    l->names_at = l->key_at;
    if (l->key_is_blob) {
        add_column(a, columns, &n, STR("key"), "BLOB");
    } else {
        for (int i = 0; i < spec->key_count; i++)
            add_column(a, columns, &n, spec->keys[i].name, type_name(spec->keys[i].kind));
    }
    int key_columns = n;
    if (spec->shape == STORE_BUCKET) {
        l->time_at = n - 1;
        add_column(a, columns, &n, STR("time"), "INTEGER");
        add_column(a, columns, &n, STR("seq"), "INTEGER");
    }
    int primary_columns = n;
    if (l->key_is_blob) l->names_at = n - 1;
    for (int i = 0; l->key_is_blob && i < spec->key_count; i++)
        add_column(a, columns, &n, spec->keys[i].name, type_name(spec->keys[i].kind));
    l->cells_at = n - 1;
    for (int i = 0; i < spec->column_count; i++)
        add_column(a, columns, &n, spec->columns[i].name, type_name(spec->columns[i].kind));
    l->columns = columns;
    l->column_count = n;
    l->select_count = n - 1;
    buf b = {0};
    build_create(a, l, primary_columns, &b);
    build_reads(a, l, key_columns, primary_columns, &b);
    if (l->window_at >= 0) build_windows(a, l, &b);
    build_writes(a, l, key_columns, &b);
    buf_free(&b);
    return l;
}
