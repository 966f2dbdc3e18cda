/*
 * CAST. Which casts exist, and their rules for one value (CastEvaluator, SqlBooleans, SqlDoubles, SqlTimeTypes and
 * DecimalUtil of ksqlDB); widening of numbers has loops of its own.
 */
#include <math.h>

#include "base/base64.h"
#include "base/datetime.h"
#include "base/dtoa.h"
#include "engine/expr/node.h"

bool expr_can_cast(const type *from, const type *to)
{
    /* Bit set of the targets of each kind; nested ones are looked at below. */
#define TO(kind) (1u << TYPE_##kind)
    static const uint32_t targets[TYPE_KIND_COUNT] = {
        [TYPE_BOOLEAN] = TO(STRING),
        [TYPE_INT] = TO(BIGINT) | TO(DECIMAL) | TO(DOUBLE) | TO(STRING),
        [TYPE_BIGINT] = TO(INT) | TO(DECIMAL) | TO(DOUBLE) | TO(STRING),
        [TYPE_DECIMAL] = TO(INT) | TO(BIGINT) | TO(DECIMAL) | TO(DOUBLE) | TO(STRING),
        [TYPE_DOUBLE] = TO(INT) | TO(BIGINT) | TO(DECIMAL) | TO(STRING),
        [TYPE_STRING] = TO(BOOLEAN) | TO(INT) | TO(BIGINT) | TO(DECIMAL) | TO(DOUBLE) | TO(TIMESTAMP) | TO(TIME) |
                        TO(DATE) | TO(BYTES),
        [TYPE_TIMESTAMP] = TO(STRING) | TO(TIME) | TO(DATE),
        [TYPE_DATE] = TO(TIMESTAMP) | TO(STRING),
        [TYPE_TIME] = TO(STRING),
        [TYPE_ARRAY] = TO(STRING),
        [TYPE_MAP] = TO(STRING),
        [TYPE_STRUCT] = TO(STRING),
    };
#undef TO
    if (type_eq(from, to) || from->kind == TYPE_NULL) return true;
    if ((targets[from->kind] >> to->kind) & 1) return true;
    if (from->kind != to->kind) return false;
    switch (from->kind) {
    case TYPE_ARRAY: return expr_can_cast(from->elem, to->elem);
    case TYPE_MAP: return expr_can_cast(from->key, to->key) && expr_can_cast(from->elem, to->elem);
    case TYPE_STRUCT:
        for (int i = 0; i < from->field_count; i++) {
            int at = type_field_index(to, from->fields[i].name);
            if (at >= 0 && !expr_can_cast(from->fields[i].type, to->fields[at].type)) return false;
        }
        return true;
    default: return false;
    }
}

/* Java's narrowing of a double: NaN is 0, what is too large becomes the nearest bound. */
static int64_t double_to_i64(double d)
{
    if (d != d) return 0;
    if (d >= 9223372036854775808.0) return INT64_MAX;
    if (d <= -9223372036854775808.0) return INT64_MIN;
    return (int64_t)d;
}

static int32_t double_to_i32(double d)
{
    if (d != d) return 0;
    if (d >= 2147483647.0) return INT32_MAX;
    if (d <= -2147483648.0) return INT32_MIN;
    return (int32_t)d;
}

static bool is_prefix(str text, const char *word)
{
    size_t n = strlen(word);
    return str_ieq(text, str_of(word, text.n < n ? text.n : n));
}

/* A non-empty prefix of "true" or "yes" is true, all else false. */
static bool text_to_bool(str text)
{
    return text.n > 0 && (is_prefix(text, "true") || is_prefix(text, "yes"));
}

static bool decimal_result(decimal_status status, const type *to, diag *d)
{
    if (status == DECIMAL_OK) return true;
    if (status == DECIMAL_OVERFLOW)
        return diag_set(
            d, DIAG_INVALID,
            "Numeric field overflow: A field with precision %d and scale %d must round to an absolute value "
            "less than 10^%d.",
            to->precision, to->scale, to->precision - to->scale);
    return diag_set(d, DIAG_INVALID, "Cannot cast to DECIMAL(%d, %d): %s", to->precision, to->scale,
                    decimal_status_text(status));
}

static bool to_decimal(const type *from, const type *to, value in, value *out, diag *d)
{
    decimal_type t = {to->precision, to->scale};
    decimal_status status;
    decimal v = 0;
    switch (from->kind) {
    case TYPE_INT: status = decimal_from_i64(in.i, t, &v); break;
    case TYPE_BIGINT: status = decimal_from_i64(in.l, t, &v); break;
    case TYPE_DOUBLE: status = decimal_from_f64(in.d, t, &v); break;
    case TYPE_DECIMAL: status = decimal_cast(in.dec, from->scale, t, &v); break;
    default: status = decimal_parse(str_trim(in.s), t, DECIMAL_HALF_UP, &v); break;
    }
    out->dec = v;
    return decimal_result(status, to, d);
}

static bool bad_number(str text, diag *d)
{
    return diag_set(d, DIAG_INVALID, "For input string: \"%.*s\"", STR_ARG(text));
}

static bool from_text(arena *a, const type *to, str raw, value *out, diag *d)
{
    str text = str_trim(raw);
    int64_t l;
    size_t n;
    switch (to->kind) {
    case TYPE_BOOLEAN: out->b = text_to_bool(text); return true;
    case TYPE_INT:
        if (!str_to_i64(text, &l) || l < INT32_MIN || l > INT32_MAX) return bad_number(text, d);
        out->i = (int32_t)l;
        return true;
    case TYPE_BIGINT: return str_to_i64(text, &out->l) || bad_number(text, d);
    case TYPE_DOUBLE:
        if (!str_to_f64(text, &out->d)) return bad_number(text, d);
        return isfinite(out->d) || diag_set(d, DIAG_INVALID, "Invalid double value: %.*s", STR_ARG(text));
    case TYPE_TIMESTAMP: return datetime_parse_timestamp(text, &out->l, d);
    case TYPE_DATE:
        if (!datetime_parse_date(text, &l, d)) return false;
        out->i = (int32_t)l;
        return true;
    case TYPE_TIME:
        if (!datetime_parse_time(text, &l, d)) return false;
        out->i = (int32_t)l;
        return true;
    default: {
        uint8_t *bytes = arena_alloc(a, base64_decoded_max(text.n));
        if (!base64_decode(text, BASE64_JAVA, bytes, &n)) return diag_set(d, DIAG_INVALID, "Illegal base64 text");
        out->s = str_of((const char *)bytes, n);
        return true;
    }
    }
}

static bool to_text(arena *a, const type *from, value in, value *out)
{
    buf b = {0};
    value_print(from, in, &b);
    out->s = arena_str(a, buf_str(&b));
    buf_free(&b);
    return true;
}

static bool cast_inner(arena *a, const type *from, const type *to, const cast_options *o, value in, value *out, diag *d)
{
    if (!in.null) return cast_value(a, from, to, o, in, out, d);
    *out = value_null();
    if (o->null_to_text && to->kind == TYPE_STRING && from->kind != TYPE_STRING) *out = (value){.s = STR("null")};
    return true;
}

static bool cast_struct(arena *a, const type *from, const type *to, const cast_options *o, const nested *in,
                        value *items, diag *d)
{
    for (int i = 0; i < to->field_count; i++) {
        int at = type_field_index(from, to->fields[i].name);
        items[i] = value_null();
        if (at < 0) continue;
        if (!cast_inner(a, from->fields[at].type, to->fields[i].type, o, in->items[at], &items[i], d)) return false;
    }
    return true;
}

static bool cast_nested(arena *a, const type *from, const type *to, const cast_options *o, const nested *in, value *out,
                        diag *d)
{
    nested *n = ARENA_NEW(a, nested);
    n->n = to->kind == TYPE_STRUCT ? (uint32_t)to->field_count : in->n;
    value *items = ARENA_ARRAY(a, value, n->n);
    n->items = items;
    out->nest = n;
    if (to->kind == TYPE_STRUCT) return cast_struct(a, from, to, o, in, items, d);
    for (uint32_t i = 0; i < in->n; i++) {
        if (!cast_inner(a, from->elem, to->elem, o, in->items[i], &items[i], d)) return false;
    }
    if (to->kind == TYPE_ARRAY) return true;
    value *keys = ARENA_ARRAY(a, value, in->n);
    n->keys = keys;
    for (uint32_t i = 0; i < in->n; i++) {
        if (!cast_inner(a, from->key, to->key, o, in->keys[i], &keys[i], d)) return false;
    }
    return true;
}

static bool to_integer(const type *from, value in, bool wide, value *out)
{
    int64_t l = from->kind == TYPE_INT       ? in.i
                : from->kind == TYPE_BIGINT  ? in.l
                : from->kind == TYPE_DECIMAL ? decimal_to_i64(in.dec, from->scale)
                : wide                       ? double_to_i64(in.d)
                                             : double_to_i32(in.d);
    if (wide)
        out->l = l;
    else
        out->i = (int32_t)l;
    return true;
}

bool cast_value(arena *a, const type *from, const type *to, const cast_options *o, value in, value *out, diag *d)
{
    *out = (value){.null = false};
    if (type_eq(from, to)) {
        *out = in;
        return true;
    }
    if (to->kind == TYPE_STRING) return to_text(a, from, in, out);
    if (to->kind == TYPE_DECIMAL) return to_decimal(from, to, in, out, d);
    if (from->kind == TYPE_STRING) return from_text(a, to, in.s, out, d);
    switch (to->kind) {
    case TYPE_INT: return to_integer(from, in, false, out);
    case TYPE_BIGINT: return to_integer(from, in, true, out);
    case TYPE_DOUBLE:
        out->d = from->kind == TYPE_INT      ? in.i
                 : from->kind == TYPE_BIGINT ? (double)in.l
                                             : decimal_to_f64(in.dec, from->scale);
        return true;
    case TYPE_DATE: out->i = (int32_t)datetime_floor_div(in.l, DATETIME_DAY_MS); return true;
    case TYPE_TIME: out->i = (int32_t)datetime_floor_mod(in.l, DATETIME_DAY_MS); return true;
    case TYPE_TIMESTAMP: out->l = in.i * DATETIME_DAY_MS; return true;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: return cast_nested(a, from, to, o, in.nest, out, d);
    default: check_unreachable();
    }
}

bool expr_cast_value(arena *a, const type *from, const type *to, const expr_options *o, value in, value *out, diag *d)
{
    cast_options options = {.null_to_text = o && o->null_to_text};
    if (!expr_can_cast(from, to)) {
        str f = type_text(a, from), t = type_text(a, to);
        return diag_set(d, DIAG_STATEMENT, "Cast of %.*s to %.*s is not supported", STR_ARG(f), STR_ARG(t));
    }
    return cast_inner(a, from, to, &options, in, out, d);
}

/* ---- loops ---- */

#define WIDENING(NAME, FROM, TO)                                                                                       \
    static void NAME(const void *pa, const void *pb, void *po, const uint16_t *rows, uint32_t n)                       \
    {                                                                                                                  \
        const FROM *restrict a = pa;                                                                                   \
        TO *restrict o = po;                                                                                           \
        if (rows) {                                                                                                    \
            for (uint32_t k = 0; k < n; k++) o[rows[k]] = (TO)a[rows[k]];                                              \
        } else {                                                                                                       \
            for (uint32_t i = 0; i < n; i++) o[i] = (TO)a[i];                                                          \
        }                                                                                                              \
    }
WIDENING(int_to_bigint, int32_t, int64_t)
WIDENING(int_to_double, int32_t, double)
WIDENING(bigint_to_double, int64_t, double)
WIDENING(bigint_to_int, int64_t, int32_t)

static arith_fn widening(const type *from, const type *to)
{
    if (from->kind == TYPE_INT && to->kind == TYPE_BIGINT) return int_to_bigint;
    if (from->kind == TYPE_INT && to->kind == TYPE_DOUBLE) return int_to_double;
    if (from->kind == TYPE_BIGINT && to->kind == TYPE_DOUBLE) return bigint_to_double;
    if (from->kind == TYPE_BIGINT && to->kind == TYPE_INT) return bigint_to_int;
    return NULL;
}

static void run_widening(run *r, const node *n, sel s, reg *out)
{
    reg v;
    uint32_t before = r->failures;
    uint16_t *room = sel_take(r);
    eval(r, n->args[0], s, &v);
    s = live_rows(r, s, before, room);
    reg_take(r, n->type, out);
    memcpy(out->v.nulls, v.v.nulls, (r->rows + 63) / 64 * sizeof(uint64_t));
    /* A NULL has no datum: a number is read and written in its place, which nobody sees. */
    if (any_null(r, &v.v)) s = (sel){room, drop_nulls(&v.v, NULL, s, room)};
    n->arith(v.v.data, NULL, out->v.data, s.rows, s.n);
    reg_give(r, &v);
    sel_give(r, room);
}

static void run_cast(run *r, const node *n, sel s, reg *out)
{
    reg v;
    uint32_t before = r->failures;
    uint16_t *room = sel_take(r);
    const type *from = n->args[0]->type;
    eval(r, n->args[0], s, &v);
    s = live_rows(r, s, before, room);
    reg_take(r, n->type, out);
    for (uint32_t k = 0; k < s.n; k++) {
        uint32_t row = sel_row(s, k);
        value x;
        diag d;
        d.code = DIAG_OK;
        if (cast_inner(r->in->mem, from, n->type, n->data, vec_get(&v.v, row), &x, &d)) {
            vec_set(&out->v, row, x);
        } else {
            fail_row(r, row, str_z(d.text));
        }
    }
    reg_give(r, &v);
    sel_give(r, room);
}

/* The same type, or NULL: nothing to convert. */
static void run_identity(run *r, const node *n, sel s, reg *out)
{
    eval(r, n->args[0], s, out);
    out->v.type = n->type;
}

bool compile_cast(compiler *c, node *n)
{
    const type *from = n->args[0]->type, *to = n->type;
    if (!expr_can_cast(from, to)) {
        str f = type_text(c->mem, from), t = type_text(c->mem, to);
        return diag_at(c->d, n->e->at, DIAG_STATEMENT, "Cast of %.*s to %.*s is not supported", STR_ARG(f), STR_ARG(t));
    }
    cast_options *o = ARENA_NEW(c->mem, cast_options);
    o->null_to_text = c->options.null_to_text;
    n->data = o;
    n->scope = !n->e->implicit && !c->options.nested_error_throws;
    if (from->kind == TYPE_NULL) {
        n->is_const = true;
        n->constant = value_null();
        node *null = ARENA_NEW(c->mem, node);
        *null = *n->args[0];
        null->type = to;
        n->args[0] = null;
        n->run = run_identity;
        return true;
    }
    n->arith = widening(from, to);
    n->run = type_eq(from, to) ? run_identity : n->arith ? run_widening : run_cast;
    return true;
}
