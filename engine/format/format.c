/*
 * engine/format/format.c - which format serves which columns, and the bytes of windowed keys.
 */
#include "engine/format/format.h"

#include "base/bytes.h"
#include "engine/format/codec.h"

static const char *const names[] = {
    [FORMAT_NONE] = "NONE",         [FORMAT_KAFKA] = "KAFKA",
    [FORMAT_JSON] = "JSON",         [FORMAT_DELIMITED] = "DELIMITED",
    [FORMAT_JSON_SR] = "JSON_SR",   [FORMAT_AVRO] = "AVRO",
    [FORMAT_PROTOBUF] = "PROTOBUF", [FORMAT_PROTOBUF_NOSR] = "PROTOBUF_NOSR",
};

str codec_message(format_codec *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(&f->text);
    buf_vprintf(&f->text, format, args);
    va_end(args);
    return buf_str(&f->text);
}

/* Columns that a side carries in its bytes: header columns belong to neither. */
static bool belongs(const column *c, format_side side)
{
    return c->role == (side == FORMAT_KEY ? COLUMN_KEY : COLUMN_VALUE);
}

/* Whether the format's types include t. */
static bool carries(format_kind kind, const type *t)
{
    switch (kind) {
    case FORMAT_KAFKA:
        return t->kind == TYPE_INT || t->kind == TYPE_BIGINT || t->kind == TYPE_DOUBLE || t->kind == TYPE_STRING ||
               t->kind == TYPE_BYTES;
    case FORMAT_DELIMITED: return !type_is_nested(t);
    case FORMAT_NONE: return false;
    default: break;
    }
    if (t->kind == TYPE_MAP) return t->key->kind == TYPE_STRING && carries(kind, t->elem);
    if (t->kind == TYPE_ARRAY) return carries(kind, t->elem);
    if (t->kind == TYPE_STRUCT) {
        for (int i = 0; i < t->field_count; i++) {
            if (!carries(kind, t->fields[i].type)) return false;
        }
    }
    return true;
}

bool format_check(const format_spec *spec, const schema *s, format_side side, diag *d)
{
    const char *where = side == FORMAT_KEY ? "key" : "value";
    int n = 0;
    for (int i = 0; i < s->count; i++) {
        const column *c = &s->columns[i];
        if (!belongs(c, side)) continue;
        n++;
        if (carries(spec->kind, c->type)) continue;
        buf b = {0};
        type_print(c->type, &b);
        if (c->type->kind == TYPE_MAP && spec->kind != FORMAT_DELIMITED && spec->kind != FORMAT_KAFKA &&
            c->type->key->kind != TYPE_STRING)
            diag_set(d, DIAG_STATEMENT, "%s only supports MAP types with STRING keys", names[spec->kind]);
        else
            diag_set(d, DIAG_STATEMENT, "The '%s' format does not support type '%s', column: %.*s", names[spec->kind],
                     buf_z(&b), STR_ARG(c->name));
        buf_free(&b);
        return false;
    }
    if (spec->kind == FORMAT_KAFKA && n > 1)
        return diag_set(d, DIAG_STATEMENT, "The 'KAFKA' format only supports a single field. Got: %d %s columns", n,
                        where);
    if (!spec->wrapped && n > 1 && spec->kind == FORMAT_JSON)
        return diag_set(d, DIAG_STATEMENT, "a %s of %d columns cannot be written unwrapped", where, n);
    return true;
}

static void release(void *arg)
{
    buf_free(&((format_codec *)arg)->text);
}

format_codec *format_open(arena *a, const format_spec *spec, const schema *s, format_side side, const bool *needed,
                          diag *d)
{
    if (!format_check(spec, s, side, d)) return NULL;
    if (spec->kind > FORMAT_DELIMITED) {
        diag_set(d, DIAG_UNSUPPORTED, "the format %s is not supported yet", names[spec->kind]);
        return NULL;
    }
    format_codec *f = ARENA_NEW(a, format_codec);
    f->spec = *spec;
    f->side = side;
    f->schema = s;
    f->needed = needed;
    f->cols = ARENA_ARRAY(a, int, (size_t)s->count + 1);
    for (int i = 0; i < s->count; i++) {
        if (belongs(&s->columns[i], side)) f->cols[f->count++] = i;
    }
    if (f->count == 0) f->spec.wrapped = true;
    if (f->spec.kind == FORMAT_JSON) {
        json_format_open(a, f);
        json_format_write_open(a, f);
    }
    arena_on_free(a, release, f);
    return f;
}

/* Sets a run of rows to NULL. */
static void set_nulls(vec *v, uint32_t first, uint32_t count)
{
    for (uint32_t r = first; r < first + count;) {
        if ((r & 63) == 0 && first + count - r >= 64) {
            v->nulls[r >> 6] = ~UINT64_C(0);
            r += 64;
        } else {
            vec_set_null(v, r++);
        }
    }
}

void format_read(format_codec *f, const io_record *records, uint32_t count, bool padded, vec *cols, uint32_t first,
                 arena *mem, const format_events *events)
{
    for (int i = 0; i < f->count; i++) set_nulls(&cols[f->cols[i]], first, count);
    if (f->count == 0) return;
    switch (f->spec.kind) {
    case FORMAT_JSON: json_format_read(f, records, count, padded, cols, first, mem, events); break;
    case FORMAT_KAFKA: kafka_format_read(f, records, count, cols, first, mem, events); break;
    case FORMAT_DELIMITED: delimited_format_read(f, records, count, cols, first, mem, events); break;
    default: break;
    }
}

bool format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message)
{
    switch (f->spec.kind) {
    case FORMAT_JSON: return json_format_write(f, cols, row, out, message);
    case FORMAT_KAFKA: return f->count == 0 || kafka_format_write(f, cols, row, out, message);
    case FORMAT_DELIMITED: return delimited_format_write(f, cols, row, out, message);
    default: return true;
    }
}

bool format_split_window(window_kind kind, int64_t size, str *key, int64_t *start, int64_t *end)
{
    size_t tail = kind == WINDOW_SESSION ? 16 : 8;
    if (key->n < tail) return false;
    const char *p = key->p + key->n - tail;
    key->n -= tail;
    if (kind == WINDOW_SESSION) {
        *end = (int64_t)load_be64(p);
        *start = (int64_t)load_be64(p + 8);
        return true;
    }
    *start = (int64_t)load_be64(p);
    /* TimeWindowedDeserializer: an end that overflows is the largest time. */
    if (__builtin_add_overflow(*start, size, end)) *end = INT64_MAX;
    return true;
}

void format_add_window(window_kind kind, int64_t start, int64_t end, buf *out)
{
    if (kind == WINDOW_SESSION) write_i64(out, end);
    write_i64(out, start);
}
