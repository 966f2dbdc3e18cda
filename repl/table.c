#include "repl/table.h"

#include <stdlib.h>
#include <uniwidth.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/utf8.h"

enum { COLUMN_MIN = 4 };

struct table {
    arena *mem;
    size_t columns;
    size_t width; /* of the terminal; 0: any */
    bool wrap;
    str *heading;
    str **rows;
    size_t rows_len, rows_cap;
    size_t *widths;
};

/* Columns of one character. */
static size_t char_width(uint32_t ch)
{
    int w = uc_width(ch, "UTF-8");
    return w < 0 ? 1 : (size_t)w;
}

size_t table_width(str text)
{
    size_t w = 0;
    for (const char *p = text.p, *end = text.p + text.n; p < end;) w += char_width(utf8_next(&p, end));
    return w;
}

size_t table_fit(str text, size_t columns)
{
    size_t w = 0;
    const char *p = text.p, *end = text.p + text.n;
    while (p < end) {
        const char *next = p;
        w += char_width(utf8_next(&next, end));
        if (w > columns && p > text.p) break;
        p = next;
    }
    return (size_t)(p - text.p);
}

table *table_new(size_t columns, size_t width, bool wrap)
{
    check(columns > 0);
    table *t = calloc(1, sizeof *t);
    check(t);
    t->mem = arena_new();
    t->columns = columns;
    t->width = width;
    t->wrap = wrap;
    t->widths = ARENA_ARRAY(t->mem, size_t, columns);
    return t;
}

void table_free(table *t)
{
    if (!t) return;
    arena_free(t->mem);
    free(t->rows);
    free(t);
}

static str *copy_cells(table *t, const str *cells)
{
    str *copy = ARENA_ARRAY(t->mem, str, t->columns);
    for (size_t i = 0; i < t->columns; i++) copy[i] = arena_str(t->mem, cells[i]);
    return copy;
}

void table_heading(table *t, const str *names)
{
    t->heading = copy_cells(t, names);
}

void table_row(table *t, const str *cells)
{
    if (t->rows_len == t->rows_cap) {
        t->rows_cap = t->rows_cap ? t->rows_cap * 2 : 64;
        t->rows = realloc(t->rows, t->rows_cap * sizeof *t->rows);
        check(t->rows);
    }
    t->rows[t->rows_len++] = copy_cells(t, cells);
}

size_t table_rows(const table *t)
{
    return t->rows_len;
}

void table_fix_widths(table *t, size_t column_width)
{
    size_t border = t->columns + 1;
    size_t room = t->width > border ? t->width - border : t->columns * 16;
    for (size_t i = 0; i < t->columns; i++) {
        size_t w = column_width > 0 ? column_width : room / t->columns;
        t->widths[i] = w < COLUMN_MIN ? COLUMN_MIN : w;
    }
}

/* The widest line of a cell. */
static size_t cell_width(str cell)
{
    size_t widest = 0;
    while (cell.n > 0) {
        const char *eol = memchr(cell.p, '\n', cell.n);
        size_t n = eol ? (size_t)(eol - cell.p) : cell.n;
        size_t w = table_width(str_of(cell.p, n));
        if (w > widest) widest = w;
        n += eol != NULL;
        cell = str_of(cell.p + n, cell.n - n);
    }
    return widest;
}

/* What each column would like; then the widest give way until the table fits. */
static void choose_widths(table *t)
{
    size_t total = t->columns + 1;
    for (size_t i = 0; i < t->columns; i++) {
        size_t widest = t->heading ? cell_width(t->heading[i]) : 0;
        for (size_t r = 0; r < t->rows_len; r++) {
            size_t w = cell_width(t->rows[r][i]);
            if (w > widest) widest = w;
        }
        t->widths[i] = widest < 1 ? 1 : widest;
        total += t->widths[i];
    }
    while (t->width > 0 && total > t->width) {
        size_t first = 0, second = 0;
        for (size_t i = 1; i < t->columns; i++) {
            if (t->widths[i] > t->widths[first]) first = i;
        }
        for (size_t i = 0; i < t->columns; i++) {
            if (i != first && t->widths[i] > second && t->widths[i] < t->widths[first]) second = t->widths[i];
        }
        if (t->widths[first] <= COLUMN_MIN) break;
        size_t over = total - t->width;
        size_t step = t->widths[first] - (second > COLUMN_MIN ? second : COLUMN_MIN);
        if (step == 0) step = 1;
        if (step > over) step = over;
        t->widths[first] -= step;
        total -= step;
    }
}

static void draw_edge(const table *t, buf *out)
{
    for (size_t i = 0; i < t->columns; i++) {
        buf_add_char(out, '+');
        for (size_t k = 0; k < t->widths[i]; k++) buf_add_char(out, '-');
    }
    buf_add_z(out, "+\n");
}

/* Appends text with control characters escaped. */
static void put_text(str text, buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char ch = (unsigned char)text.p[i];
        if (ch < 0x20 || ch == 0x7f)
            buf_add_char(out, '.');
        else
            buf_add_char(out, (char)ch);
    }
}

/* The next line of a cell: up to a line feed or what fits. Moves the cell on. */
static str next_line(str *cell, size_t width)
{
    const char *eol = memchr(cell->p ? cell->p : "", '\n', cell->n);
    str line = str_of(cell->p, eol ? (size_t)(eol - cell->p) : cell->n);
    size_t n = line.n == 0 ? 0 : table_fit(line, width);
    /* Break at a space when there is one in the second half. */
    if (n < line.n) {
        for (size_t k = n; k > n / 2; k--) {
            if (line.p[k - 1] == ' ') {
                n = k;
                break;
            }
        }
    }
    bool whole = n == line.n;
    line.n = n;
    n += whole && eol ? 1 : 0;
    *cell = str_of(cell->p + n, cell->n - n);
    return line;
}

static void put_cell(str line, size_t width, bool cut, buf *out)
{
    size_t w = table_width(line);
    buf_add_char(out, '|');
    if (cut && width > 0) {
        size_t n = table_fit(line, width - 1);
        line.n = n;
        w = table_width(line) + 1;
    }
    put_text(line, out);
    if (cut) buf_add_z(out, "…");
    for (; w < width; w++) buf_add_char(out, ' ');
}

void table_draw_row(const table *t, const str *cells, buf *out)
{
    str *rest = malloc(t->columns * sizeof *rest);
    check(rest);
    memcpy(rest, cells, t->columns * sizeof *rest);
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < t->columns; i++) {
            bool cut = false;
            str line = {0};
            if (rest[i].n > 0) {
                line = t->wrap ? next_line(&rest[i], t->widths[i]) : rest[i];
                cut = !t->wrap && table_width(line) > t->widths[i];
                if (!t->wrap) rest[i].n = 0;
            }
            put_cell(line, t->widths[i], cut, out);
            more |= rest[i].n > 0;
        }
        buf_add_z(out, "|\n");
    }
    free(rest);
}

void table_draw_heading(const table *t, buf *out)
{
    draw_edge(t, out);
    if (!t->heading) return;
    table_draw_row(t, t->heading, out);
    draw_edge(t, out);
}

void table_draw_end(const table *t, buf *out)
{
    draw_edge(t, out);
}

void table_draw(table *t, buf *out)
{
    choose_widths(t);
    table_draw_heading(t, out);
    for (size_t r = 0; r < t->rows_len; r++) table_draw_row(t, t->rows[r], out);
    table_draw_end(t, out);
}
