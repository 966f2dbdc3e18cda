#include "engine/type.h"

#include "base/check.h"

static const type simple_types[TYPE_KIND_COUNT] = {
    [TYPE_BOOLEAN] = {.kind = TYPE_BOOLEAN},     [TYPE_INT] = {.kind = TYPE_INT},
    [TYPE_BIGINT] = {.kind = TYPE_BIGINT},       [TYPE_DOUBLE] = {.kind = TYPE_DOUBLE},
    [TYPE_STRING] = {.kind = TYPE_STRING},       [TYPE_BYTES] = {.kind = TYPE_BYTES},
    [TYPE_DATE] = {.kind = TYPE_DATE},           [TYPE_TIME] = {.kind = TYPE_TIME},
    [TYPE_TIMESTAMP] = {.kind = TYPE_TIMESTAMP}, [TYPE_NULL] = {.kind = TYPE_NULL},
    [TYPE_INTERVAL] = {.kind = TYPE_INTERVAL},   [TYPE_LAMBDA] = {.kind = TYPE_LAMBDA},
};

static const char *const kind_names[TYPE_KIND_COUNT] = {
    [TYPE_BOOLEAN] = "BOOLEAN",     [TYPE_INT] = "INTEGER",     [TYPE_BIGINT] = "BIGINT",
    [TYPE_DECIMAL] = "DECIMAL",     [TYPE_DOUBLE] = "DOUBLE",   [TYPE_STRING] = "STRING",
    [TYPE_BYTES] = "BYTES",         [TYPE_DATE] = "DATE",       [TYPE_TIME] = "TIME",
    [TYPE_TIMESTAMP] = "TIMESTAMP", [TYPE_ARRAY] = "ARRAY",     [TYPE_MAP] = "MAP",
    [TYPE_STRUCT] = "STRUCT",       [TYPE_NULL] = "null",       [TYPE_INTERVAL] = "INTERVAL UNIT",
    [TYPE_LAMBDA] = "LAMBDA",       [TYPE_GENERIC] = "GENERIC",
};

const type *type_simple(type_kind kind)
{
    check(kind < TYPE_KIND_COUNT);
    check(kind != TYPE_DECIMAL && kind != TYPE_ARRAY && kind != TYPE_MAP && kind != TYPE_STRUCT &&
          kind != TYPE_GENERIC);
    return &simple_types[kind];
}

const char *type_kind_name(type_kind kind)
{
    check(kind < TYPE_KIND_COUNT);
    return kind_names[kind];
}

const type *type_decimal(arena *a, int precision, int scale)
{
    type *t = ARENA_NEW(a, type);
    *t = (type){.kind = TYPE_DECIMAL, .precision = precision, .scale = scale};
    return t;
}

const type *type_array(arena *a, const type *elem)
{
    type *t = ARENA_NEW(a, type);
    *t = (type){.kind = TYPE_ARRAY, .elem = elem};
    return t;
}

const type *type_map(arena *a, const type *key, const type *value)
{
    type *t = ARENA_NEW(a, type);
    *t = (type){.kind = TYPE_MAP, .key = key, .elem = value};
    return t;
}

const type *type_struct(arena *a, const type_field *fields, int count)
{
    type_field *copy = ARENA_ARRAY(a, type_field, (size_t)count);
    for (int i = 0; i < count; i++) copy[i] = (type_field){arena_str(a, fields[i].name), fields[i].type};
    type *t = ARENA_NEW(a, type);
    *t = (type){.kind = TYPE_STRUCT, .fields = copy, .field_count = count};
    return t;
}

bool type_eq(const type *a, const type *b)
{
    if (a == b) return true;
    if (!a || !b || a->kind != b->kind) return false;
    switch (a->kind) {
    case TYPE_DECIMAL: return a->precision == b->precision && a->scale == b->scale;
    case TYPE_ARRAY: return type_eq(a->elem, b->elem);
    case TYPE_MAP: return type_eq(a->key, b->key) && type_eq(a->elem, b->elem);
    case TYPE_GENERIC: return a->generic == b->generic;
    case TYPE_STRUCT:
    case TYPE_LAMBDA:
        if (a->field_count != b->field_count || !type_eq(a->elem, b->elem)) return false;
        for (int i = 0; i < a->field_count; i++) {
            if (!str_eq(a->fields[i].name, b->fields[i].name) || !type_eq(a->fields[i].type, b->fields[i].type))
                return false;
        }
        return true;
    default: return true;
    }
}

bool type_is_numeric(const type *t)
{
    return t->kind == TYPE_INT || t->kind == TYPE_BIGINT || t->kind == TYPE_DECIMAL || t->kind == TYPE_DOUBLE;
}

bool type_is_nested(const type *t)
{
    return t->kind == TYPE_ARRAY || t->kind == TYPE_MAP || t->kind == TYPE_STRUCT;
}

const type *type_copy(arena *a, const type *t)
{
    if (!t || t == &simple_types[t->kind]) return t;
    type *copy = ARENA_NEW(a, type);
    *copy = *t;
    copy->key = type_copy(a, t->key);
    copy->elem = type_copy(a, t->elem);
    if (t->field_count > 0) {
        type_field *fields = ARENA_ARRAY(a, type_field, (size_t)t->field_count);
        for (int i = 0; i < t->field_count; i++)
            fields[i] = (type_field){arena_str(a, t->fields[i].name), type_copy(a, t->fields[i].type)};
        copy->fields = fields;
    }
    return copy;
}

static void print_quoted(str name, buf *out)
{
    buf_add_char(out, '`');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`') buf_add_char(out, '`');
        buf_add_char(out, name.p[i]);
    }
    buf_add_char(out, '`');
}

static void print_type(const type *t, bool quote, buf *out)
{
    switch (t->kind) {
    case TYPE_DECIMAL: buf_printf(out, "DECIMAL(%d, %d)", t->precision, t->scale); return;
    case TYPE_ARRAY:
        buf_add_z(out, "ARRAY<");
        print_type(t->elem, quote, out);
        buf_add_char(out, '>');
        return;
    case TYPE_MAP:
        buf_add_z(out, "MAP<");
        print_type(t->key, quote, out);
        buf_add_z(out, ", ");
        print_type(t->elem, quote, out);
        buf_add_char(out, '>');
        return;
    case TYPE_STRUCT:
        /* ksqlDB separates the brackets of a STRUCT without fields. */
        buf_add_z(out, t->field_count ? "STRUCT<" : "STRUCT< ");
        for (int i = 0; i < t->field_count; i++) {
            if (i) buf_add_z(out, ", ");
            if (quote)
                print_quoted(t->fields[i].name, out);
            else
                buf_add_str(out, t->fields[i].name);
            buf_add_char(out, ' ');
            print_type(t->fields[i].type, quote, out);
        }
        buf_add_char(out, '>');
        return;
    case TYPE_GENERIC: buf_add_char(out, t->generic); return;
    default: buf_add_z(out, kind_names[t->kind]); return;
    }
}

void type_print(const type *t, buf *out)
{
    print_type(t, true, out);
}

void type_print_unquoted(const type *t, buf *out)
{
    print_type(t, false, out);
}

str type_text(arena *a, const type *t)
{
    buf b = {0};
    type_print(t, &b);
    str text = arena_str(a, buf_str(&b));
    buf_free(&b);
    return text;
}

int type_field_index(const type *t, str name)
{
    for (int i = 0; i < t->field_count; i++) {
        if (str_eq(t->fields[i].name, name)) return i;
    }
    return -1;
}
