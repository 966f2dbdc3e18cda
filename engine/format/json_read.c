/*
 * engine/format/json_read.c - JSON records into columns: the hot path of most queries.
 *
 * Producers write the fields of a topic in one order, so the reader predicts: it remembers which name stood at each
 * place of the last record and what it meant, and compares one name there before it searches. Scalars go into the
 * vectors without being boxed.
 */
#include "base/json.h"
#include "engine/format/json_value.h"

enum { LEARNED = 256, LEARNED_TEXT = 48 };

/* The name that stood at one place of the last object: raw text, and the column that it means (-1: not needed). */
typedef struct learned {
    int16_t column; /* index into codec->cols */
    bool exact;
    uint8_t n;
    char text[LEARNED_TEXT];
} learned;

struct json_reader {
    learned learned[LEARNED];
    const type *record; /* the STRUCT of all columns, for messages */
    uint32_t *exact; /* by column: number of the last record in which its exact name stood */
    uint32_t record_no;
};

void json_format_open(arena *a, format_codec *f)
{
    json_reader *r = ARENA_NEW(a, json_reader);
    r->exact = ARENA_ARRAY(a, uint32_t, (size_t)f->count + 1);
    type_field *fields = ARENA_ARRAY(a, type_field, (size_t)f->count + 1);
    for (int i = 0; i < f->count; i++) {
        const column *c = &f->schema->columns[f->cols[i]];
        fields[i] = (type_field){c->name, c->type};
    }
    r->record = type_struct(a, fields, f->count);
    f->json = r;
}

static str column_name(const void *ctx, int i)
{
    const format_codec *f = ctx;
    return f->schema->columns[f->cols[i]].name;
}

/* Finds what a name means and remembers it for this place. Returns the column's index or -1. */
static __attribute__((noinline)) int learn(format_codec *f, arena *mem, json_text text, uint32_t place, bool *exact)
{
    str key = text.escaped ? json_unescape(mem, text) : text.raw;
    int i = json_value_field(key, f->count, column_name, f, exact);
    if (place < LEARNED && !text.escaped && key.n <= LEARNED_TEXT) {
        learned *l = &f->json->learned[place];
        *l = (learned){.column = (int16_t)i, .exact = *exact, .n = (uint8_t)key.n};
        memcpy(l->text, key.p, key.n);
    }
    return i;
}

/* Steps over the name at the cursor and its colon; gives the index of its column, or -1. */
static inline bool next_name(format_codec *f, json_in *in, arena *mem, uint32_t place, int *col, bool *exact)
{
    if (likely(place < LEARNED)) {
        const learned *l = &f->json->learned[place];
        const char *p = in->p;
        size_t n = l->n;
        if (likely(n > 0 && (size_t)(in->end - p) > n + 3 && p[0] == '"' && p[n + 1] == '"' && p[n + 2] == ':' &&
                   memcmp(p + 1, l->text, n) == 0)) {
            in->p = p + n + 3;
            json_ws(in);
            *col = l->column;
            *exact = l->exact;
            return true;
        }
    }
    json_text text;
    if (unlikely(!json_key(in, &text))) return false;
    *col = learn(f, mem, text, place, exact);
    return true;
}

static inline bool is_number_start(const json_in *in)
{
    return in->p < in->end && (*in->p == '-' || (unsigned char)(*in->p - '0') <= 9);
}

/* Scalars in their usual JSON form; everything else goes through the boxed reader. */
static inline bool read_column(format_codec *f, json_ctx *x, json_in *in, int i, vec *v, uint32_t row)
{
    json_num n;
    json_text t;
    switch (v->type->kind) {
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
        if (!is_number_start(in)) break;
        if (!json_number(in, &n)) return false;
        v->l[row] = json_num_wrap_i64(&n);
        vec_set_valid(v, row);
        return true;
    case TYPE_INT:
        if (!is_number_start(in)) break;
        if (!json_number(in, &n)) return false;
        v->i[row] = (int32_t)json_num_wrap_i64(&n);
        vec_set_valid(v, row);
        return true;
    case TYPE_DOUBLE:
        if (!is_number_start(in)) break;
        if (!json_number(in, &n)) return false;
        v->d[row] = json_num_f64(&n) + 0.0;
        vec_set_valid(v, row);
        return true;
    case TYPE_STRING:
        if (in->p >= in->end || *in->p != '"') break;
        if (!json_string(in, &t)) return false;
        v->s[row] = unlikely(t.escaped) ? json_unescape(x->mem, t) : t.raw;
        vec_set_valid(v, row);
        return true;
    default: break;
    }
    value boxed;
    json_step step = {.index = -1, .name = column_name(f, i)};
    if (!json_value_read(x, in, v->type, &step, &boxed)) return false;
    vec_set(v, row, boxed);
    return true;
}

/* Passes over a value that nobody needs; the usual kinds without a call. */
static inline bool skip_value(json_in *in)
{
    json_text t;
    json_num n;
    if (in->p < in->end && *in->p == '"') return json_string(in, &t);
    if (is_number_start(in)) return json_number(in, &n);
    return json_skip(in, JSON_DEPTH_MAX);
}

/* One record that is an object with a field for each column. */
static bool read_object(format_codec *f, json_ctx *x, json_in *in, vec *cols, uint32_t row)
{
    json_reader *r = f->json;
    uint32_t record = ++r->record_no;
    in->p++; /* the caller saw the brace */
    json_ws(in);
    uint32_t place = 0;
    for (bool more = !json_closes(in, '}'); more; place++) {
        int i;
        bool exact = false;
        if (!next_name(f, in, x->mem, place, &i, &exact)) return false;
        if (i >= 0 && codec_needs(f, f->cols[i]) && (exact || r->exact[i] != record)) {
            if (exact) r->exact[i] = record;
            if (!read_column(f, x, in, i, &cols[f->cols[i]], row)) return false;
        } else if (!skip_value(in)) {
            return false;
        }
        if (!json_more(in, '}', &more)) return false;
    }
    return true;
}

/* A whole record; *null when it is the literal null. */
static bool read_record(format_codec *f, json_ctx *x, json_in *in, vec *cols, uint32_t row, bool *null)
{
    *null = false;
    json_ws(in);
    if (in->p < in->end && *in->p == 'n') {
        *null = f->spec.wrapped;
        return json_null(in);
    }
    if (!f->spec.wrapped) {
        value v;
        if (!codec_needs(f, f->cols[0])) return json_skip(in, JSON_DEPTH_MAX);
        if (!json_value_read(x, in, cols[f->cols[0]].type, NULL, &v)) return false;
        vec_set(&cols[f->cols[0]], row, v);
        return true;
    }
    if (in->p >= in->end || *in->p != '{') {
        json_value_mismatch(x, in, f->json->record);
        json_value_path(x, NULL);
        return false;
    }
    return read_object(f, x, in, cols, row);
}

void json_format_read(format_codec *f, const io_record *records, uint32_t count, bool padded, vec *cols, uint32_t first,
                      arena *mem, const format_events *events)
{
    json_ctx x = {.mem = mem, .message = &f->text};
    bool key = f->side == FORMAT_KEY;
    for (uint32_t k = 0; k < count; k++) {
        const io_record *rec = &records[k];
        if (key ? rec->key_null : rec->value_null) continue;
        json_in in = json_in_of(key ? rec->key : rec->value, padded);
        bool null;
        if (likely(read_record(f, &x, &in, cols, first + k, &null))) {
            if (unlikely(null)) events->null(events->ctx, k);
            continue;
        }
        for (int i = 0; i < f->count; i++) vec_set_null(&cols[f->cols[i]], first + k);
        if (x.message->len == 0) buf_printf(x.message, "malformed JSON: %s", in.why ? in.why : "unexpected end");
        events->failed(events->ctx, k, buf_str(x.message));
        buf_clear(x.message);
        x.path_done = false;
    }
}
