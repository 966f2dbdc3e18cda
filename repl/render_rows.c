#include <stdlib.h>

#include "base/check.h"
#include "repl/render.h"

struct rows {
    render_options o;
    arena *mem;
    str *names;
    size_t n;
    bool live;
    uint64_t count;
    table *t;
};

/* The names of "`A` INTEGER KEY, `B` STRUCT<`X` INTEGER, `Y` STRING>": quoted names at depth 0, after a comma. */
static size_t read_names(arena *mem, str schema, str *out)
{
    size_t n = 0;
    int depth = 0;
    bool expect = true;
    for (size_t i = 0; i < schema.n; i++) {
        char c = schema.p[i];
        if (c == '<' || c == '(')
            depth++;
        else if (c == '>' || c == ')')
            depth--;
        else if (c == ',' && depth == 0)
            expect = true;
        if (c != '`') continue;
        buf name = {0};
        for (i++; i < schema.n; i++) {
            if (schema.p[i] == '`' && !(i + 1 < schema.n && schema.p[i + 1] == '`')) break;
            if (schema.p[i] == '`') i++;
            buf_add_char(&name, schema.p[i]);
        }
        if (expect && depth == 0) {
            if (out) out[n] = arena_str(mem, buf_str(&name));
            n++;
            expect = false;
        }
        buf_free(&name);
    }
    return n;
}

rows *rows_new(const render_options *o, str schema, bool live, buf *out)
{
    rows *r = calloc(1, sizeof *r);
    check(r);
    r->o = *o;
    r->mem = arena_new();
    r->live = live;
    r->n = read_names(r->mem, schema, NULL);
    r->names = ARENA_ARRAY(r->mem, str, r->n ? r->n : 1);
    read_names(r->mem, schema, r->names);
    if (r->n == 0) r->names[r->n++] = STR("?");
    if (o->form == RENDER_CSV) render_csv(r->names, r->n, out);
    if (o->form != RENDER_TABLE) return r;
    r->t = table_new(r->n, o->width, o->wrap);
    table_heading(r->t, r->names);
    if (live) {
        table_fix_widths(r->t, o->column_width);
        table_draw_heading(r->t, out);
    }
    return r;
}

void rows_free(rows *r)
{
    if (!r) return;
    table_free(r->t);
    arena_free(r->mem);
    free(r);
}

static void put_object(const rows *r, const json_value *columns, bool tombstone, buf *out)
{
    json_out o = {.b = out};
    json_out_object(&o);
    for (size_t i = 0; i < r->n; i++) {
        const json_value *v = json_item(columns, i);
        json_out_key_str(&o, r->names[i]);
        if (v)
            json_out_value(&o, v);
        else
            json_out_null(&o);
    }
    if (tombstone) {
        json_out_key(&o, "@tombstone");
        json_out_bool(&o, true);
    }
    json_out_end_object(&o);
    buf_add_char(out, '\n');
}

void rows_add(rows *r, const json_value *columns, bool tombstone, buf *out)
{
    r->count++;
    if (r->o.form == RENDER_JSON) {
        put_object(r, columns, tombstone, out);
        return;
    }
    str *cells = calloc(r->n, sizeof *cells);
    buf *texts = calloc(r->n, sizeof *texts);
    check(cells && texts);
    for (size_t i = 0; i < r->n; i++) {
        const json_value *v = json_item(columns, i);
        bool null = !v || v->kind == JSON_NULL;
        if (null && r->o.form == RENDER_CSV)
            cells[i] = (str){0};
        else if (null && tombstone)
            cells[i] = STR("<TOMBSTONE>");
        else
            cells[i] = render_cell(v, &texts[i]);
    }
    if (r->o.form == RENDER_CSV)
        render_csv(cells, r->n, out);
    else if (r->live)
        table_draw_row(r->t, cells, out);
    else
        table_row(r->t, cells);
    for (size_t i = 0; i < r->n; i++) buf_free(&texts[i]);
    free(texts);
    free(cells);
}

void rows_end(rows *r, buf *out)
{
    if (r->o.form != RENDER_TABLE) return;
    if (r->live)
        table_draw_end(r->t, out);
    else
        table_draw(r->t, out);
}

uint64_t rows_count(const rows *r)
{
    return r->count;
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* Finds "line L:C" at the start of a message; both numbers count from 1 (columns may count from 0 in old servers). */
static bool read_place(str message, int *line, int *column)
{
    int values[2] = {0, 0};
    if (!str_starts(message, STR("line "))) return false;
    size_t i = 5;
    for (int k = 0; k < 2; k++) {
        size_t start = i;
        while (i < message.n && message.p[i] >= '0' && message.p[i] <= '9' && i - start < 7) {
            values[k] = values[k] * 10 + (message.p[i++] - '0');
        }
        if (i == start) return false;
        if (k == 0 && (i == message.n || message.p[i++] != ':')) return false;
    }
    *line = values[0];
    *column = values[1];
    return true;
}

/* The source line and carets under the token that begins at the place. */
static void put_caret(str statement, int line, int column, buf *out)
{
    size_t at = 0;
    for (int i = 1; i < line; i++) {
        ptrdiff_t eol = str_find(statement, STR("\n"), at);
        if (eol < 0) return;
        at = (size_t)eol + 1;
    }
    ptrdiff_t eol = str_find(statement, STR("\n"), at);
    str text = str_of(statement.p + at, (eol < 0 ? statement.n : (size_t)eol) - at);
    size_t skip = 0;
    for (int i = 1; i < column && skip < text.n; i++) skip += table_fit(str_of(text.p + skip, text.n - skip), 1);
    size_t end = skip;
    while (end < text.n && ((text.p[end] >= '0' && text.p[end] <= '9') || (text.p[end] & 0xc0) != 0) &&
           !strchr("[]^`{|}~@", text.p[end])) {
        end++;
    }
    buf_printf(out, "  %.*s\n  ", STR_ARG(text));
    for (size_t w = table_width(str_of(text.p, skip)); w > 0; w--) buf_add_char(out, ' ');
    size_t marks = table_width(str_of(text.p + skip, end - skip));
    for (size_t w = 0; w < (marks ? marks : 1); w++) buf_add_char(out, '^');
    buf_add_char(out, '\n');
}

void render_error(const json_value *error, str statement, buf *out)
{
    str message = {0}, text = {0};
    int line, column;
    if (!json_as_str(json_getz(error, "message"), &message)) {
        json_put_value(out, error);
        buf_add_char(out, '\n');
        return;
    }
    if (json_as_str(json_getz(error, "statementText"), &text) && text.n > 0 && statement.n == 0) statement = text;
    buf_printf(out, "%.*s\n", STR_ARG(message));
    /* A server that draws the caret itself has done so in the message. */
    if (read_place(message, &line, &column) && str_find(message, STR("^"), 0) < 0 && statement.n > 0) {
        put_caret(statement, line, column, out);
    }
}
