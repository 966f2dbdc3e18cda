/*
 * repl/render.h - the server's JSON as a person or a script wants it: tables, JSON lines, or CSV.
 *
 * Everything is appended to buffers; nothing is printed here. One thread.
 */
#ifndef REPL_RENDER_H
#define REPL_RENDER_H

#include "base/json.h"
#include "repl/table.h"

/* The forms of output. */
typedef enum render_form {
    RENDER_TABLE,
    RENDER_JSON, /* statements: one entity a line; rows: one object a line */
    RENDER_CSV, /* RFC 4180 with a heading */
} render_form;

/* How to draw. */
typedef struct render_options {
    render_form form;
    size_t width; /* of the terminal; 0: any */
    size_t column_width; /* of streamed tables; 0: even shares */
    bool wrap;
} render_options;

/* The answer of /ksql: an array of entities. */
void render_entities(const render_options *o, const json_value *entities, buf *out);

/* An error body of the server, with the place in the statement marked when the message names one. */
void render_error(const json_value *error, str statement, buf *out);

/* A cell's text: strings as they are, the rest as JSON; null as `null`. */
str render_cell(const json_value *v, buf *scratch);

/* "ARRAY<STRING>" of a SchemaInfo object. */
void render_type(const json_value *schema, buf *out);

/* One line of CSV. */
void render_csv(const str *cells, size_t n, buf *out);

/* ---- rows of queries ----------------------------------------------------------------------------------------- */

typedef struct rows rows;

/*
 * Rows with the columns of a header's schema text ("`A` INTEGER KEY, `B` STRING"). live: each row is drawn as it
 * comes, in columns of fixed width; otherwise rows_end draws a table as wide as its contents.
 */
rows *rows_new(const render_options *o, str schema, bool live, buf *out);
/* NULL is allowed. */
void rows_free(rows *r);

/* A row: the `columns` array and whether it is a tombstone. */
void rows_add(rows *r, const json_value *columns, bool tombstone, buf *out);

/* The end of all rows. */
void rows_end(rows *r, buf *out);

/* Rows so far. */
uint64_t rows_count(const rows *r);

#endif
