#include "server/row_json.h"

#include "base/base64.h"
#include "base/check.h"
#include "base/datetime.h"
#include "base/json.h"

static void put(buf *out, const type *t, value v, bool in_struct);

static void put_bytes(buf *out, str bytes)
{
    buf_add_char(out, '"');
    base64_put(out, bytes.p, bytes.n);
    buf_add_char(out, '"');
}

static void put_time(buf *out, const type *t, value v, bool in_struct)
{
    int64_t number = t->kind == TYPE_TIMESTAMP ? v.l : v.i;
    if (in_struct) {
        json_put_i64(out, number);
        return;
    }
    char text[DATETIME_TEXT_MAX];
    size_t n = t->kind == TYPE_TIMESTAMP ? datetime_format_timestamp(number, text)
               : t->kind == TYPE_DATE    ? datetime_format_date(number, text)
                                         : datetime_format_time(number, text);
    json_put_str(out, str_of(text, n));
}

/* A key of a JSON object: STRING as it is, others as their text (KSQL maps have STRING keys nearly always). */
static void put_map_key(buf *out, const type *t, value v)
{
    if (t->kind == TYPE_STRING && !v.null) {
        json_put_str(out, v.s);
        return;
    }
    buf text = {0};
    value_print(t, v, &text);
    json_put_str(out, buf_str(&text));
    buf_free(&text);
}

static void put_nested(buf *out, const type *t, const nested *n, bool in_struct)
{
    buf_add_char(out, t->kind == TYPE_ARRAY ? '[' : '{');
    for (uint32_t i = 0; i < n->n; i++) {
        if (i > 0) buf_add_char(out, ',');
        const type *item = t->elem;
        if (t->kind == TYPE_MAP) {
            put_map_key(out, t->key, n->keys[i]);
            buf_add_char(out, ':');
        } else if (t->kind == TYPE_STRUCT) {
            item = t->fields[i].type;
            json_put_str(out, t->fields[i].name);
            buf_add_char(out, ':');
        }
        put(out, item, n->items[i], in_struct || t->kind == TYPE_STRUCT);
    }
    buf_add_char(out, t->kind == TYPE_ARRAY ? ']' : '}');
}

static void put_decimal(buf *out, const type *t, value v)
{
    char text[DECIMAL_TEXT_MAX];
    size_t n = decimal_format(v.dec, t->scale, text);
    buf_add(out, text, n);
}

static void put(buf *out, const type *t, value v, bool in_struct)
{
    if (v.null) {
        buf_add_z(out, "null");
        return;
    }
    switch (t->kind) {
    case TYPE_BOOLEAN: buf_add_z(out, v.b ? "true" : "false"); break;
    case TYPE_INT: json_put_i64(out, v.i); break;
    case TYPE_BIGINT: json_put_i64(out, v.l); break;
    case TYPE_DOUBLE: json_put_f64(out, v.d); break;
    case TYPE_DECIMAL: put_decimal(out, t, v); break;
    case TYPE_STRING: json_put_str(out, v.s); break;
    case TYPE_BYTES: put_bytes(out, v.s); break;
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP: put_time(out, t, v, in_struct); break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: put_nested(out, t, v.nest, in_struct); break;
    default: check_unreachable();
    }
}

void row_json_value(buf *out, const type *t, value v)
{
    put(out, t, v, false);
}
