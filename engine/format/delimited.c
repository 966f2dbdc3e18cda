/*
 * engine/format/delimited.c - DELIMITED: CSV as commons-csv's DEFAULT format reads and writes it (reference F7, V5).
 *
 * Quotes enclose a field when they are its first character; a doubled quote stands for one; only the first record of
 * the bytes counts. Fields are quoted on writing when they must be: see `must_quote`.
 */
#include "base/base64.h"
#include "base/dtoa.h"
#include "base/utf8.h"
#include "engine/format/codec.h"

enum { DAY_MS = 86400000 };

/* A cursor over the first record of a text. */
typedef struct csv {
    const char *p, *end;
    char delimiter;
    bool done; /* the record has ended */
} csv;

/* A quoted field: the cursor stands behind the opening quote. False: the quote is never closed, or text follows it. */
static bool quoted_field(csv *c, arena *mem, str *out)
{
    const char *start = c->p;
    char *text = NULL;
    size_t n = 0;
    for (;; c->p++) {
        if (c->p == c->end) return false;
        if (*c->p == '"') {
            if (c->p + 1 < c->end && c->p[1] == '"') {
                if (!text) {
                    text = arena_alloc(mem, (size_t)(c->end - start));
                    n = (size_t)(c->p - start);
                    memcpy(text, start, n);
                }
                text[n++] = '"';
                c->p++;
                continue;
            }
            break;
        }
        if (text) text[n++] = *c->p;
    }
    *out = text ? str_of(text, n) : str_of(start, (size_t)(c->p - start));
    c->p++;
    /* Only white space may stand between the closing quote and the delimiter. */
    while (c->p < c->end && *c->p != c->delimiter && *c->p != '\n' && *c->p != '\r') {
        if (*c->p != ' ' && *c->p != '\t') return false;
        c->p++;
    }
    return true;
}

/* The next field. False: malformed. */
static bool next_field(csv *c, arena *mem, str *out)
{
    if (c->p < c->end && *c->p == '"') {
        c->p++;
        if (!quoted_field(c, mem, out)) return false;
    } else {
        const char *start = c->p;
        while (c->p < c->end && *c->p != c->delimiter && *c->p != '\n' && *c->p != '\r') c->p++;
        *out = str_of(start, (size_t)(c->p - start));
    }
    if (c->p < c->end && *c->p == c->delimiter)
        c->p++;
    else
        c->done = true;
    return true;
}

static bool parse_integer(str s, int64_t low, int64_t high, int64_t *out)
{
    return str_to_i64(s, out) && *out >= low && *out <= high;
}

/* One field as a value of its column. NULL: fine; else why not. */
static const char *parse_field(str s, const type *t, arena *mem, value *out)
{
    int64_t n;
    size_t len;
    switch (t->kind) {
    case TYPE_BOOLEAN: out->b = str_ieq(s, STR("true")); return NULL;
    case TYPE_INT:
    case TYPE_DATE:
        if (!parse_integer(s, INT32_MIN, INT32_MAX, &n)) return "not a 32-bit integer";
        out->i = (int32_t)n;
        return NULL;
    case TYPE_TIME:
        if (!parse_integer(s, 0, DAY_MS, &n)) return "not a number of milliseconds of a day";
        out->i = (int32_t)n;
        return NULL;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return str_to_i64(s, &out->l) ? NULL : "not a 64-bit integer";
    case TYPE_DOUBLE: return str_to_f64(str_trim(s), &out->d) ? NULL : "not a number";
    case TYPE_STRING: out->s = s; return NULL;
    case TYPE_BYTES: {
        uint8_t *bytes = arena_alloc(mem, base64_decoded_max(s.n));
        if (!base64_decode(s, BASE64_JAVA, bytes, &len)) return "not a valid Base64 encoded string";
        out->s = str_of((const char *)bytes, len);
        return NULL;
    }
    case TYPE_DECIMAL: {
        decimal_status st = decimal_parse(s, (decimal_type){t->precision, t->scale}, DECIMAL_UNNECESSARY, &out->dec);
        return st == DECIMAL_OK ? NULL : decimal_status_text(st);
    }
    default: return "the type cannot be delimited";
    }
}

/* Skips what commons-csv ignores in front of the first record: empty lines. False: there is no record. */
static bool skip_empty_lines(csv *c)
{
    while (c->p < c->end && (*c->p == '\n' || *c->p == '\r')) c->p++;
    return c->p < c->end;
}

/* One record. False with the codec's message. */
static bool read_row(format_codec *f, str bytes, vec *cols, uint32_t row, arena *mem)
{
    str text = utf8_repair(mem, bytes);
    csv c = {text.p, text.p + text.n, f->spec.delimiter ? f->spec.delimiter : ',', false};
    if (!skip_empty_lines(&c)) {
        codec_message(f, "No fields in record");
        return false;
    }
    int n = 0;
    const char *why = NULL;
    int bad = -1;
    for (; !c.done; n++) {
        str s;
        if (!next_field(&c, mem, &s)) {
            codec_message(f, "malformed quotes in field %d", n + 1);
            return false;
        }
        if (n >= f->count || !codec_needs(f, f->cols[n]) || why) continue;
        vec *v = &cols[f->cols[n]];
        value x = value_null();
        if (s.n > 0) {
            x.null = false;
            why = parse_field(s, v->type, mem, &x);
            bad = n;
        }
        if (!why) vec_set(v, row, x);
    }
    if (n != f->count) {
        codec_message(f, "Column count mismatch on deserialization. expected: %d, got: %d", f->count, n);
        return false;
    }
    if (why) {
        str name = f->schema->columns[f->cols[bad]].name;
        codec_message(f, "field %d (%.*s): %s", bad + 1, STR_ARG(name), why);
        return false;
    }
    return true;
}

void delimited_format_read(format_codec *f, const io_record *records, uint32_t count, vec *cols, uint32_t first,
                           arena *mem, const format_events *events)
{
    bool key = f->side == FORMAT_KEY;
    for (uint32_t k = 0; k < count; k++) {
        if (key ? records[k].key_null : records[k].value_null) continue;
        if (read_row(f, key ? records[k].key : records[k].value, cols, first + k, mem)) continue;
        for (int i = 0; i < f->count; i++) vec_set_null(&cols[f->cols[i]], first + k);
        events->failed(events->ctx, k, buf_str(&f->text));
    }
}

/*
 * commons-csv's minimal quoting: what holds a delimiter, quote or line end; what ends with a character up to the space;
 * what begins with a control character, '#', or (in the first column) with anything but a letter, a digit or a byte of
 * 0x80 and above; the empty first column.
 */
static bool must_quote(str s, char delimiter, bool first)
{
    if (s.n == 0) return first;
    unsigned char c = (unsigned char)s.p[0];
    if (first && (c < 0x20 || c == 0x21 || c == 0x22 || (c > 0x23 && c < 0x2b) || c == 0x2d || (c > 0x2d && c < 0x30) ||
                  (c > 0x39 && c < 0x41) || (c > 0x5a && c < 0x61) || (c > 0x7a && c < 0x80)))
        return true;
    if (c <= '#') return true;
    for (size_t i = 0; i < s.n; i++) {
        char x = s.p[i];
        if (x == '\n' || x == '\r' || x == '"' || x == delimiter) return true;
    }
    return (unsigned char)s.p[s.n - 1] <= ' ';
}

static void put_text(buf *out, str s, char delimiter, bool first)
{
    if (!must_quote(s, delimiter, first)) {
        buf_add_str(out, s);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') buf_add_char(out, '"');
        buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, '"');
}

/* A record that begins with a minus is quoted like text: commons-csv looks at the character, not at the type. */
static void quote_minus(buf *out, size_t start)
{
    if (out->len == start || out->data[start] != '-') return;
    buf_add_z(out, "\"\"");
    memmove(out->data + start + 1, out->data + start, out->len - start - 2);
    out->data[start] = out->data[out->len - 1] = '"';
}

bool delimited_format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message)
{
    char delimiter = f->spec.delimiter ? f->spec.delimiter : ',';
    for (int i = 0; i < f->count; i++) {
        if (i > 0) buf_add_char(out, delimiter);
        const vec *v = &cols[f->cols[i]];
        if (vec_is_null(v, row)) continue;
        size_t start = out->len;
        value x = vec_get(v, row);
        switch (v->type->kind) {
        case TYPE_BOOLEAN: buf_add_z(out, x.b ? "true" : "false"); break;
        case TYPE_INT:
        case TYPE_DATE:
        case TYPE_TIME: itoa_put(out, x.i); break;
        case TYPE_BIGINT:
        case TYPE_TIMESTAMP: itoa_put(out, x.l); break;
        case TYPE_DOUBLE: dtoa_put(out, x.d); break;
        case TYPE_DECIMAL: decimal_put(out, x.dec, v->type->scale); break;
        case TYPE_STRING: put_text(out, x.s, delimiter, i == 0); break;
        default: base64_put(out, x.s.p, x.s.n); break;
        }
        if (i == 0 && v->type->kind != TYPE_STRING) quote_minus(out, start);
    }
    return true;
}
