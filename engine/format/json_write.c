/*
 * engine/format/json_write.c - columns to JSON text, as Kafka Connect's JsonConverter writes them (reference V4).
 */
#include "base/base64.h"
#include "base/check.h"
#include "base/dtoa.h"
#include "base/json.h"
#include "engine/format/codec.h"

void json_format_write_open(arena *a, format_codec *f)
{
    buf text = {0};
    f->names = ARENA_ARRAY(a, str, (size_t)f->count + 1);
    for (int i = 0; i < f->count; i++) {
        buf_clear(&text);
        buf_add_char(&text, i == 0 ? '{' : ',');
        json_put_str(&text, f->schema->columns[f->cols[i]].name);
        buf_add_char(&text, ':');
        f->names[i] = arena_str(a, buf_str(&text));
    }
    buf_free(&text);
}

static void put_base64(buf *out, str s)
{
    buf_add_char(out, '"');
    base64_put(out, s.p, s.n);
    buf_add_char(out, '"');
}

static void put_nested(buf *out, const type *t, const nested *n)
{
    bool array = t->kind == TYPE_ARRAY;
    buf_add_char(out, array ? '[' : '{');
    for (uint32_t i = 0; i < n->n; i++) {
        if (i > 0) buf_add_char(out, ',');
        const type *item = t->elem;
        if (t->kind == TYPE_MAP) {
            /* A null key cannot be a name; Java's maps write it as the text null. */
            json_put_str(out, n->keys[i].null ? STR("null") : n->keys[i].s);
            buf_add_char(out, ':');
        } else if (t->kind == TYPE_STRUCT) {
            json_put_str(out, t->fields[i].name);
            buf_add_char(out, ':');
            item = t->fields[i].type;
        }
        json_put_typed(out, item, n->items[i]);
    }
    buf_add_char(out, array ? ']' : '}');
}

void json_put_typed(buf *out, const type *t, value v)
{
    if (v.null) {
        buf_add(out, "null", 4);
        return;
    }
    switch (t->kind) {
    case TYPE_BOOLEAN:
        if (v.b)
            buf_add(out, "true", 4);
        else
            buf_add(out, "false", 5);
        break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: itoa_put(out, v.i); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: itoa_put(out, v.l); break;
    case TYPE_DOUBLE: json_put_f64(out, v.d); break;
    case TYPE_DECIMAL: decimal_put(out, v.dec, t->scale); break;
    case TYPE_STRING: json_put_str(out, v.s); break;
    case TYPE_BYTES: put_base64(out, v.s); break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: put_nested(out, t, v.nest); break;
    default: check_unreachable();
    }
}

void json_put_exact(buf *out, const type *t, value v)
{
    if (v.null || !(type_is_nested(t) || t->kind == TYPE_DOUBLE)) {
        json_put_typed(out, t, v);
        return;
    }
    if (t->kind == TYPE_DOUBLE) {
        /* The reader takes -0.0 from text only. */
        if (v.d == 0 && __builtin_signbit(v.d))
            buf_add_z(out, "\"-0.0\"");
        else
            json_put_f64(out, v.d);
        return;
    }
    const nested *n = v.nest;
    bool object = t->kind == TYPE_STRUCT;
    buf_add_char(out, object ? '{' : '[');
    for (uint32_t i = 0; i < n->n; i++) {
        if (i > 0) buf_add_char(out, ',');
        if (object) {
            json_put_str(out, t->fields[i].name);
            buf_add_char(out, ':');
            json_put_exact(out, t->fields[i].type, n->items[i]);
        } else if (t->kind == TYPE_MAP) {
            buf_add_char(out, '[');
            json_put_exact(out, t->key, n->keys[i]);
            buf_add_char(out, ',');
            json_put_exact(out, t->elem, n->items[i]);
            buf_add_char(out, ']');
        } else {
            json_put_exact(out, t->elem, n->items[i]);
        }
    }
    buf_add_char(out, object ? '}' : ']');
}

/* Unboxed, for the common kinds. */
static inline void put_column(buf *out, const vec *v, uint32_t row)
{
    if (vec_is_null(v, row)) {
        buf_add(out, "null", 4);
        return;
    }
    switch (v->type->kind) {
    case TYPE_BIGINT: itoa_put(out, v->l[row]); break;
    case TYPE_INT: itoa_put(out, v->i[row]); break;
    case TYPE_STRING: json_put_str(out, v->s[row]); break;
    case TYPE_DOUBLE: json_put_f64(out, v->d[row]); break;
    default: json_put_typed(out, v->type, vec_get(v, row)); break;
    }
}

bool json_format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message)
{
    if (!f->spec.wrapped) {
        put_column(out, &cols[f->cols[0]], row);
        return true;
    }
    if (f->count == 0) {
        buf_add(out, "{}", 2);
        return true;
    }
    for (int i = 0; i < f->count; i++) {
        buf_add_str(out, f->names[i]);
        put_column(out, &cols[f->cols[i]], row);
    }
    buf_add_char(out, '}');
    return true;
}
