#include "server/test_convert.h"

#include "base/base64.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/utf8.h"
#include "sql/format_rules.h"

/* The only column of a side, or NULL. */
static const column *only_column(const source *src, bool key)
{
    const schema *s = src->schema;
    int first = key ? 0 : s->key_count, end = key ? s->key_count : s->count;
    const column *found = NULL;
    for (int i = first; i < end; i++) {
        if (s->columns[i].role != COLUMN_KEY && s->columns[i].role != COLUMN_VALUE) continue;
        if (found) return NULL;
        found = &s->columns[i];
    }
    return found;
}

static str plain_text(const json_value *v)
{
    return v->kind == JSON_STRING ? v->text : v->source;
}

/* ---- to bytes --------------------------------------------------------------------------------------------- */

static bool encode_kafka(const column *c, const json_value *v, buf *out, diag *d)
{
    type_kind kind = c ? c->type->kind : TYPE_STRING;
    int64_t n;
    double f;
    switch (kind) {
    case TYPE_INT:
        if (!str_to_i64(plain_text(v), &n)) break;
        write_i32(out, (int32_t)n);
        return true;
    case TYPE_BIGINT:
        if (!str_to_i64(plain_text(v), &n)) break;
        write_i64(out, n);
        return true;
    case TYPE_DOUBLE: {
        if (!str_to_f64(plain_text(v), &f)) break;
        uint64_t bits;
        memcpy(&bits, &f, sizeof bits);
        write_i64(out, (int64_t)bits);
        return true;
    }
    case TYPE_BYTES: {
        str s = plain_text(v);
        size_t got;
        if (!base64_decode(s, BASE64_JAVA, (uint8_t *)buf_reserve(out, base64_decoded_max(s.n) + 1), &got)) break;
        out->len += got;
        return true;
    }
    default: buf_add_str(out, plain_text(v)); return true;
    }
    return diag_set(d, DIAG_INVALID, "%.*s is no %s", STR_ARG(plain_text(v)),
                    kind == TYPE_BYTES ? "base64 text" : "number");
}

bool test_encode(const source *src, bool key, const json_value *v, buf *out, bool *null, diag *d)
{
    *null = !v || v->kind == JSON_NULL;
    if (*null) return true;
    format_kind kind = !src ? FORMAT_KAFKA : key ? src->key_format.spec.kind : src->value_format.spec.kind;
    switch (kind) {
    case FORMAT_JSON: buf_add_str(out, v->source); return true;
    case FORMAT_KAFKA: return encode_kafka(src ? only_column(src, key) : NULL, v, out, d);
    case FORMAT_NONE:
    case FORMAT_DELIMITED: buf_add_str(out, plain_text(v)); return true;
    case FORMAT_JSON_SR:
    case FORMAT_AVRO:
    case FORMAT_PROTOBUF:
    case FORMAT_PROTOBUF_NOSR: break;
    }
    return diag_set(d, DIAG_UNSUPPORTED, "The format %s is not supported yet", format_rules_of(kind)->name);
}

/* ---- to JSON ---------------------------------------------------------------------------------------------- */

/* Text that is no UTF-8 is shown as base64. */
static void decode_text(str bytes, json_out *out)
{
    if (utf8_valid(bytes)) {
        json_out_str(out, bytes);
        return;
    }
    buf b = {0};
    base64_put(&b, bytes.p, bytes.n);
    json_out_str(out, buf_str(&b));
    buf_free(&b);
}

static void decode_json(str bytes, json_out *out)
{
    arena *a = arena_new();
    diag d = {0};
    json_value *v = json_parse(a, bytes, NULL, &d);
    if (v)
        json_out_raw(out, v->source);
    else
        decode_text(bytes, out);
    arena_free(a);
}

static void decode_kafka(const column *c, str bytes, json_out *out)
{
    type_kind kind = c ? c->type->kind : TYPE_STRING;
    if (kind == TYPE_INT && bytes.n == 4) {
        json_out_i64(out, (int32_t)load_be32(bytes.p));
    } else if (kind == TYPE_BIGINT && bytes.n == 8) {
        json_out_i64(out, (int64_t)load_be64(bytes.p));
    } else if (kind == TYPE_DOUBLE && bytes.n == 8) {
        uint64_t bits = load_be64(bytes.p);
        double f;
        memcpy(&f, &bits, sizeof f);
        json_out_f64(out, f);
    } else if (kind == TYPE_BYTES) {
        buf b = {0};
        base64_put(&b, bytes.p, bytes.n);
        json_out_str(out, buf_str(&b));
        buf_free(&b);
    } else {
        decode_text(bytes, out);
    }
}

void test_decode(const source *src, bool key, str bytes, bool null, json_out *out)
{
    if (null) {
        json_out_null(out);
        return;
    }
    format_kind kind = !src ? FORMAT_NONE : key ? src->key_format.spec.kind : src->value_format.spec.kind;
    if (kind == FORMAT_JSON)
        decode_json(bytes, out);
    else if (kind == FORMAT_KAFKA)
        decode_kafka(only_column(src, key), bytes, out);
    else
        decode_text(bytes, out);
}
