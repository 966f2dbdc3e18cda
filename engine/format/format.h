/*
 * engine/format/format.h - serdes: record bytes <-> columns, directed by the schema.
 *
 * A codec serves one side (key or value) of one topic and belongs to one task: it learns the order of the fields that
 * it meets. Reading puts a batch of records straight into the vectors of a chunk; only the columns that are needed are
 * built. A record that cannot be read fails alone: its row is reported and skipped by the caller. Rules: reference 4.5
 * to 4.7.
 */
#ifndef ENGINE_FORMAT_FORMAT_H
#define ENGINE_FORMAT_FORMAT_H

#include "base/diag.h"
#include "engine/chunk.h"
#include "engine/io.h"
#include "engine/plan.h"

typedef enum format_side { FORMAT_KEY, FORMAT_VALUE } format_side;

typedef struct format_codec format_codec;

/* What a format tells about single records of a call to format_read; `row` counts within the call. */
typedef struct format_events {
    void (*failed)(void *ctx, uint32_t row, str message); /* cannot be read; its columns are NULL */
    void (*null)(void *ctx, uint32_t row); /* the bytes stand for a null key or value (JSON `null`) */
    void *ctx;
} format_events;

/*
 * A codec for the key or value columns of a schema, in the arena `a`, which also frees what it holds outside. `needed`
 * (by column of the schema, NULL: all) limits what is read. False with a diag when the format cannot carry these
 * columns or is not built in.
 */
format_codec *format_open(arena *a, const format_spec *spec, const schema *s, format_side side, const bool *needed,
                          diag *d);

/*
 * Reads `count` records into rows [first, first + count) of the vectors `cols` (one for each column of the schema; only
 * those of this side are touched). A null key or value gives NULL columns and no error. Slices point into the records
 * or into `mem`. For a windowed key the window's bytes must have been taken off before (format_split_window).
 */
void format_read(format_codec *f, const io_record *records, uint32_t count, bool padded, vec *cols, uint32_t first,
                 arena *mem, const format_events *events);

/*
 * Appends the bytes of one row to `out`. False with a message (valid until the next call) when the row cannot be
 * written. The caller writes null keys and values itself.
 */
bool format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message);

/* Takes the window off a key: bounds into *start and *end, the plain key remains. False: the key is too short. */
bool format_split_window(window_kind kind, int64_t size, str *key, int64_t *start, int64_t *end);
/* Appends the window to a written key (reference 6.5). */
void format_add_window(window_kind kind, int64_t start, int64_t end, buf *out);

/* True when the format may carry the columns of that side; otherwise the diag says why in words for the user. */
bool format_check(const format_spec *spec, const schema *s, format_side side, diag *d);

#endif
