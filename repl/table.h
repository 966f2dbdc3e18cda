/*
 * repl/table.h - tables of text for a terminal: widths in cells, wrapping, streaming rows.
 *
 * Cells are UTF-8; a character counts 0, 1 or 2 columns as the Unicode tables say. Pure but for the table's own memory;
 * one thread.
 */
#ifndef REPL_TABLE_H
#define REPL_TABLE_H

#include "base/buf.h"

/* Columns that a text takes on a terminal; control characters count as one (they are shown escaped). */
size_t table_width(str text);

/* The bytes of text that fit into `columns`; at least one character unless text is empty. */
size_t table_fit(str text, size_t columns);

typedef struct table table;

/*
 * A table of `columns` columns that fits into `width` terminal columns (0: no limit). wrap: long cells go on in further
 * lines; otherwise they are cut with "…".
 */
table *table_new(size_t columns, size_t width, bool wrap);
void table_free(table *t);

/* Names the columns. Slices are copied. */
void table_heading(table *t, const str *names);

/* Adds a row to be drawn at the end. Slices are copied. */
void table_row(table *t, const str *cells);

/* Gives every column the same width at once, for rows that are drawn as they come (column_width > 0: exactly that). */
void table_fix_widths(table *t, size_t column_width);

/* Draws heading, rows and lower edge of a table whose rows are all there. */
void table_draw(table *t, buf *out);

/* For streams: the heading, then each row by itself, then the lower edge. table_fix_widths comes first. */
void table_draw_heading(const table *t, buf *out);
/* See table_draw_heading. */
void table_draw_row(const table *t, const str *cells, buf *out);
/* See table_draw_heading. */
void table_draw_end(const table *t, buf *out);

/* Rows so far. */
size_t table_rows(const table *t);

#endif
