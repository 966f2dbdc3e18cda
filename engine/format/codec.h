/*
 * engine/format/codec.h - what the formats share: the codec's layout and the functions behind each kind.
 *
 * Internal to engine/format. A codec belongs to one task.
 */
#ifndef ENGINE_FORMAT_CODEC_H
#define ENGINE_FORMAT_CODEC_H

#include "engine/format/format.h"

typedef struct json_reader json_reader;

/* Public layout within the folder. */
struct format_codec {
    format_spec spec;
    format_side side;
    const schema *schema;
    int *cols; /* positions of the columns that this side carries, in order */
    int count;
    const bool *needed; /* by column of the schema; NULL: all */
    json_reader *json;
    char *prefix; /* JSON writer: the text in front of each field's value, `{"A":` or `,"B":` */
    str *names; /* slices of prefix */
    buf text; /* scratch for messages */
};

/* Sets the codec's message and returns it. */
str codec_message(format_codec *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether a column is wanted by the reader. */
static inline bool codec_needs(const format_codec *f, int col)
{
    return !f->needed || f->needed[col];
}

/* The JSON reader's tables. */
void json_format_open(arena *a, format_codec *f);
/* Each reads as format_read says; rows of null bytes are already NULL and are passed over. */
void json_format_read(format_codec *f, const io_record *records, uint32_t count, bool padded, vec *cols, uint32_t first,
                      arena *mem, const format_events *events);
void kafka_format_read(format_codec *f, const io_record *records, uint32_t count, vec *cols, uint32_t first, arena *mem,
                       const format_events *events);
void delimited_format_read(format_codec *f, const io_record *records, uint32_t count, vec *cols, uint32_t first,
                           arena *mem, const format_events *events);

/* Each writes as format_write says. */
void json_format_write_open(arena *a, format_codec *f);
bool json_format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message);
bool kafka_format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message);
bool delimited_format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message);

/* One value as JSON, as the JSON format writes a column. */
void json_put_typed(buf *out, const type *t, value v);
/* One value as JSON that json_read_exact gives back exactly: negative zeros and maps with any keys included. */
void json_put_exact(buf *out, const type *t, value v);
/* Reads what json_put_exact wrote. Slices borrow the text or `mem`. False with a message that names the JSON path. */
bool json_read_exact(str text, const type *t, arena *mem, value *out, buf *message);

#endif
