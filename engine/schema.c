#include "engine/schema.h"

#include "base/check.h"

static column copy_column(arena *a, const column *c)
{
    return (column){arena_str(a, c->name), type_copy(a, c->type), c->role, arena_str(a, c->header_key)};
}

schema *schema_new(arena *a, const column *columns, int count)
{
    check(count >= 0);
    column *out = ARENA_ARRAY(a, column, (size_t)count);
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (columns[i].role == COLUMN_KEY) out[n++] = copy_column(a, &columns[i]);
    }
    schema *s = ARENA_NEW(a, schema);
    *s = (schema){.columns = out, .count = count, .key_count = n};
    for (int i = 0; i < count; i++) {
        if (columns[i].role != COLUMN_KEY) out[n++] = copy_column(a, &columns[i]);
    }
    return s;
}

schema *schema_copy(arena *a, const schema *s)
{
    schema *copy = schema_new(a, s->columns, s->count);
    copy->is_table = s->is_table;
    copy->window = s->window;
    copy->window_size = s->window_size;
    return copy;
}

int schema_find(const schema *s, str name)
{
    for (int i = 0; i < s->count; i++) {
        if (str_eq(s->columns[i].name, name)) return i;
    }
    return -1;
}

void schema_print_name(str name, buf *out)
{
    buf_add_char(out, '`');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`') buf_add_char(out, '`');
        buf_add_char(out, name.p[i]);
    }
    buf_add_char(out, '`');
}

void schema_print(const schema *s, buf *out)
{
    for (int i = 0; i < s->count; i++) {
        const column *c = &s->columns[i];
        if (i) buf_add_z(out, ", ");
        schema_print_name(c->name, out);
        buf_add_char(out, ' ');
        type_print(c->type, out);
        if (c->role == COLUMN_KEY)
            buf_add_z(out, " KEY");
        else if (c->role == COLUMN_HEADERS)
            buf_add_z(out, " HEADERS");
        else if (c->role == COLUMN_HEADER)
            buf_printf(out, " HEADER('%.*s')", STR_ARG(c->header_key));
    }
}
