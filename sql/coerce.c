/* Implicit conversion of types and constants: ksqlDB's DefaultSqlValueCoercer, STRICT and LAX. */
#include "sql/typeck.h"

#include "base/base64.h"
#include "base/check.h"
#include "base/datetime.h"

const type *coerce_as_decimal(arena *a, const type *t)
{
    if (t->kind == TYPE_INT) return type_decimal(a, 10, 0);
    if (t->kind == TYPE_BIGINT) return type_decimal(a, 19, 0);
    return t;
}

/* The smallest type that holds both decimals. */
static const type *widen_decimal(arena *a, const type *x, const type *y)
{
    const type *l = coerce_as_decimal(a, x), *r = coerce_as_decimal(a, y);
    decimal_type w = decimal_type_widen((decimal_type){l->precision, l->scale}, (decimal_type){r->precision, r->scale});
    return type_decimal(a, w.precision, w.scale);
}

static bool scalar_may(type_kind from, type_kind to, bool lax)
{
    if (from == to) return true;
    switch (from) {
    case TYPE_INT: return to == TYPE_BIGINT || to == TYPE_DECIMAL || to == TYPE_DOUBLE || (lax && to == TYPE_STRING);
    case TYPE_BIGINT: return to == TYPE_DECIMAL || to == TYPE_DOUBLE || (lax && to == TYPE_STRING);
    case TYPE_DECIMAL: return to == TYPE_DOUBLE || (lax && to == TYPE_STRING);
    case TYPE_STRING:
        if (to == TYPE_TIMESTAMP || to == TYPE_DATE || to == TYPE_TIME || to == TYPE_BYTES) return true;
        return lax &&
               (to == TYPE_BOOLEAN || to == TYPE_INT || to == TYPE_BIGINT || to == TYPE_DECIMAL || to == TYPE_DOUBLE);
    case TYPE_BOOLEAN:
    case TYPE_DOUBLE:
    case TYPE_TIMESTAMP:
    case TYPE_DATE:
    case TYPE_TIME: return lax && to == TYPE_STRING;
    default: return false;
    }
}

static const type *coerce_struct(arena *a, const type *from, const type *to, bool lax)
{
    type_field *fields = ARENA_ARRAY(a, type_field, (size_t)(from->field_count + to->field_count));
    int n = 0;
    for (int i = 0; i < from->field_count; i++) {
        int at = type_field_index(to, from->fields[i].name);
        fields[n] = from->fields[i];
        if (at >= 0) fields[n].type = coerce_type(a, from->fields[i].type, to->fields[at].type, lax);
        if (!fields[n].type) return NULL;
        n++;
    }
    for (int i = 0; i < to->field_count; i++) {
        if (type_field_index(from, to->fields[i].name) < 0) fields[n++] = to->fields[i];
    }
    return type_struct(a, fields, n);
}

const type *coerce_type(arena *a, const type *from, const type *to, bool lax)
{
    if (from->kind == TYPE_NULL) return to;
    if (to->kind == TYPE_NULL) return from;
    if (!scalar_may(from->kind, to->kind, lax)) return NULL;
    switch (to->kind) {
    case TYPE_DECIMAL: return from->kind == TYPE_STRING ? to : widen_decimal(a, from, to);
    case TYPE_ARRAY: {
        const type *elem = coerce_type(a, from->elem, to->elem, lax);
        return elem ? type_array(a, elem) : NULL;
    }
    case TYPE_MAP: {
        const type *key = coerce_type(a, from->key, to->key, lax);
        const type *elem = coerce_type(a, from->elem, to->elem, lax);
        return key && elem ? type_map(a, key, elem) : NULL;
    }
    case TYPE_STRUCT: return coerce_struct(a, from, to, lax);
    default: return to;
    }
}

/* "true", "yes", "false", "no" and their prefixes, as SqlBooleans.parseBooleanExact. */
static bool exact_boolean(str s, bool *out)
{
    static const char *const words[] = {"true", "yes", "false", "no"};
    for (int i = 0; i < 4; i++) {
        str w = str_z(words[i]);
        if (s.n == 0 || s.n > w.n || !str_ieq(s, str_of(w.p, s.n))) continue;
        *out = i < 2;
        return true;
    }
    return false;
}

static bool text_to_value(arena *a, str text, const type *to, bool lax, value *out)
{
    str s = str_trim(text);
    diag d = {0};
    int64_t n;
    switch (to->kind) {
    case TYPE_TIMESTAMP: return datetime_parse_timestamp(s, &out->l, &d);
    case TYPE_DATE:
        if (!datetime_parse_date(s, &n, &d)) return false;
        out->i = (int32_t)n;
        return true;
    case TYPE_TIME:
        if (!datetime_parse_time(s, &n, &d)) return false;
        out->i = (int32_t)n;
        return true;
    case TYPE_BYTES: {
        uint8_t *bytes = arena_alloc(a, base64_decoded_max(s.n) + 1);
        bool ok = base64_decode(s, BASE64_JAVA, bytes, &out->s.n);
        out->s.p = (const char *)bytes;
        return ok;
    }
    default: break;
    }
    if (!lax) return false;
    switch (to->kind) {
    case TYPE_BOOLEAN: return exact_boolean(s, &out->b);
    case TYPE_INT:
        if (!str_to_i64(s, &n) || n < INT32_MIN || n > INT32_MAX) return false;
        out->i = (int32_t)n;
        return true;
    case TYPE_BIGINT: return str_to_i64(s, &out->l);
    case TYPE_DOUBLE: return str_to_f64(s, &out->d);
    case TYPE_DECIMAL:
        return decimal_parse(s, (decimal_type){to->precision, to->scale}, DECIMAL_UNNECESSARY, &out->dec) == DECIMAL_OK;
    default: return false;
    }
}

static bool number_to_value(const type *from, value v, const type *to, value *out)
{
    int64_t whole = from->kind == TYPE_INT ? v.i : v.l;
    bool integral = from->kind == TYPE_INT || from->kind == TYPE_BIGINT;
    switch (to->kind) {
    case TYPE_BIGINT: out->l = whole; return integral;
    case TYPE_INT: out->i = (int32_t)whole; return integral && whole >= INT32_MIN && whole <= INT32_MAX;
    case TYPE_DOUBLE:
        out->d = integral ? (double)whole : from->kind == TYPE_DECIMAL ? decimal_to_f64(v.dec, from->scale) : v.d;
        return true;
    case TYPE_DECIMAL: {
        decimal_type as = {to->precision, to->scale};
        if (integral) return decimal_from_i64(whole, as, &out->dec) == DECIMAL_OK;
        if (from->kind == TYPE_DECIMAL) return decimal_fit(v.dec, from->scale, as, &out->dec) == DECIMAL_OK;
        return decimal_from_f64(v.d, as, &out->dec) == DECIMAL_OK;
    }
    default: return false;
    }
}

static bool to_text(arena *a, const type *from, value v, value *out)
{
    buf b = {0};
    value_print(from, v, &b);
    out->s = arena_str(a, buf_str(&b));
    buf_free(&b);
    return true;
}

static bool coerce_nested(arena *a, const type *from, value v, const type *to, bool lax, value *out)
{
    nested *n = ARENA_NEW(a, nested);
    n->n = to->kind == TYPE_STRUCT ? (uint32_t)to->field_count : v.nest->n;
    value *items = ARENA_ARRAY(a, value, n->n);
    value *keys = to->kind == TYPE_MAP ? ARENA_ARRAY(a, value, n->n) : NULL;
    for (uint32_t i = 0; i < n->n; i++) {
        if (to->kind == TYPE_STRUCT) {
            int at = type_field_index(from, to->fields[i].name);
            items[i] = value_null();
            if (at >= 0 &&
                !coerce_value(a, from->fields[at].type, v.nest->items[at], to->fields[i].type, lax, &items[i]))
                return false;
            continue;
        }
        if (!coerce_value(a, from->elem, v.nest->items[i], to->elem, lax, &items[i])) return false;
        if (keys && !coerce_value(a, from->key, v.nest->keys[i], to->key, lax, &keys[i])) return false;
    }
    n->items = items;
    n->keys = keys;
    out->nest = n;
    return true;
}

bool coerce_value(arena *a, const type *from, value v, const type *to, bool lax, value *out)
{
    *out = (value){.null = v.null};
    if (v.null) return true;
    if (type_eq(from, to)) {
        *out = v;
        return true;
    }
    if (from->kind == TYPE_STRING) return text_to_value(a, v.s, to, lax, out);
    if (type_is_numeric(from) && type_is_numeric(to)) {
        if (from->kind == TYPE_DOUBLE && to->kind == TYPE_DECIMAL && !lax) return false;
        return number_to_value(from, v, to, out);
    }
    if (lax && to->kind == TYPE_STRING && !type_is_nested(from) && from->kind != TYPE_BYTES)
        return to_text(a, from, v, out);
    if (type_is_nested(from) && from->kind == to->kind) return coerce_nested(a, from, v, to, lax, out);
    return false;
}

static bool castable_nested(const type *from, const type *to)
{
    switch (to->kind) {
    case TYPE_ARRAY: return coerce_castable(from->elem, to->elem);
    case TYPE_MAP: return coerce_castable(from->key, to->key) && coerce_castable(from->elem, to->elem);
    default:
        for (int i = 0; i < to->field_count; i++) {
            int at = type_field_index(from, to->fields[i].name);
            if (at >= 0 && !coerce_castable(from->fields[at].type, to->fields[i].type)) return false;
        }
        return true;
    }
}

bool coerce_castable(const type *from, const type *to)
{
    if (from->kind == TYPE_NULL || type_eq(from, to)) return true;
    if (to->kind == TYPE_STRING) return from->kind != TYPE_BYTES;
    switch (from->kind) {
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DECIMAL:
    case TYPE_DOUBLE: return type_is_numeric(to);
    case TYPE_STRING: return !type_is_nested(to);
    case TYPE_TIMESTAMP: return to->kind == TYPE_DATE || to->kind == TYPE_TIME;
    case TYPE_DATE: return to->kind == TYPE_TIMESTAMP;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: return from->kind == to->kind && castable_nested(from, to);
    default: return false;
    }
}
