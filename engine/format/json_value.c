/*
 * engine/format/json_value.c - one JSON value by the rules of a SQL type (reference V2, V3): scalars, nested data,
 * messages.
 */
#include "engine/format/json_value.h"

#include "base/base64.h"
#include "base/json.h"

enum { STRING_DEPTH_MAX = 500, DAY_MS = 86400000 };

/* The name of Jackson's node class for the value at the cursor, as ksqlDB's messages give it. */
static const char *node_name(const json_in *in)
{
    char c = in->p < in->end ? *in->p : 0;
    switch (c) {
    case '"': return "TextNode";
    case '{': return "ObjectNode";
    case '[': return "ArrayNode";
    case 't':
    case 'f': return "BooleanNode";
    case 0: return "MissingNode";
    default: break;
    }
    json_in copy = *in;
    json_num n;
    if (!json_number(&copy, &n)) return "MissingNode";
    int64_t v;
    if (!n.integral) return "DecimalNode";
    if (!json_num_i64(&n, &v)) return "BigIntegerNode";
    return v == (int32_t)v ? "IntNode" : "LongNode";
}

bool json_value_mismatch(json_ctx *x, const json_in *in, const type *t)
{
    buf_clear(x->message);
    buf_printf(x->message, "Can't convert type. sourceType: %s, requiredType: ", node_name(in));
    type_print(t, x->message);
    return false;
}

static bool bad_text(json_ctx *x, const type *t)
{
    buf_clear(x->message);
    buf_add_z(x->message, "Can't coerce string to type. targetType: ");
    type_print(t, x->message);
    return false;
}

void json_value_path(json_ctx *x, const json_step *step)
{
    if (x->message->len == 0) return;
    const json_step *steps[64];
    int n = 0;
    for (; step && n < 64; step = step->up) steps[n++] = step;
    buf_add_z(x->message, ", path: $");
    while (n-- > 0) {
        if (steps[n]->index >= 0)
            buf_printf(x->message, "[%lld]", (long long)steps[n]->index);
        else
            buf_printf(x->message, ".%.*s%s", STR_ARG(steps[n]->name), steps[n]->suffix ? steps[n]->suffix : "");
    }
}

/* The error is set already; the innermost step adds the path. */
static bool fail_at(json_ctx *x, const json_step *step)
{
    if (!x->path_done) json_value_path(x, step);
    x->path_done = true;
    return false;
}

/*
 * Text of a number as BigDecimal.toString or the integer's digits: Jackson reads numbers with a fraction or an
 * exponent as BigDecimal.
 */
static str number_text(json_ctx *x, const json_num *n)
{
    if (n->integral) return n->text.n == 2 && n->text.p[0] == '-' && n->text.p[1] == '0' ? STR("0") : n->text;
    /* Unscaled digits and scale from the text. */
    char *digits = arena_alloc(x->mem, n->text.n + 40);
    size_t count = 0;
    int64_t scale = 0;
    size_t i = n->negative;
    bool fraction = false;
    for (; i < n->text.n && n->text.p[i] != 'e' && n->text.p[i] != 'E'; i++) {
        if (n->text.p[i] == '.') {
            fraction = true;
            continue;
        }
        if (fraction) scale++;
        if (count == 0 && n->text.p[i] == '0') continue;
        digits[count++] = n->text.p[i];
    }
    if (i < n->text.n) {
        int64_t e = 0;
        str text = {n->text.p + i + 1, n->text.n - i - 1};
        if (!str_to_i64(text, &e) || e > INT32_MAX || e < -(int64_t)INT32_MAX) return n->text;
        scale -= e;
    }
    if (count == 0) digits[count++] = '0';
    bool zero = count == 1 && digits[0] == '0';
    const char *sign = n->negative && !zero ? "-" : "";
    int64_t adjusted = (int64_t)count - 1 - scale;
    if (scale >= 0 && adjusted >= -6) {
        if (scale == 0) return arena_printf(x->mem, "%s%.*s", sign, (int)count, digits);
        if ((int64_t)count > scale)
            return arena_printf(x->mem, "%s%.*s.%.*s", sign, (int)(count - (size_t)scale), digits, (int)scale,
                                digits + count - scale);
        static const char zeros[] = "0000000000";
        return arena_printf(x->mem, "%s0.%.*s%.*s", sign, (int)(scale - (int64_t)count), zeros, (int)count, digits);
    }
    if (count == 1) return arena_printf(x->mem, "%s%cE%+lld", sign, digits[0], (long long)adjusted);
    return arena_printf(x->mem, "%s%c.%.*sE%+lld", sign, digits[0], (int)count - 1, digits + 1, (long long)adjusted);
}

/* STRING from an object: its JSON text without white space. */
static bool object_text(json_ctx *x, json_in *in, str *out)
{
    const char *start = in->p;
    if (!json_skip(in, JSON_DEPTH_MAX)) return false;
    diag d = {0};
    json_value *v = json_parse(x->mem, str_of(start, (size_t)(in->p - start)), NULL, &d);
    if (!v) return json_fail(in, "malformed object");
    buf text = {0};
    json_put_value(&text, v);
    *out = arena_str(x->mem, buf_str(&text));
    buf_free(&text);
    return true;
}

static bool string_of(json_ctx *x, json_in *in, int depth, str *out);

/* STRING from an array: `[a, b]`, elements by the same rules. */
static bool array_text(json_ctx *x, json_in *in, int depth, str *out)
{
    if (depth > STRING_DEPTH_MAX) return json_fail(in, "nested too deep");
    buf text = {0};
    bool ok = json_open(in, '[');
    buf_add_char(&text, '[');
    bool first = true;
    for (bool more = ok && !json_closes(in, ']'); ok && more;) {
        if (!first) buf_add_z(&text, ", ");
        first = false;
        str item = {0};
        json_ws(in);
        if (in->p < in->end && *in->p == 'n') {
            ok = json_null(in);
            item = STR("null");
        } else {
            ok = string_of(x, in, depth + 1, &item);
        }
        if (ok) buf_add_str(&text, item);
        ok = ok && json_more(in, ']', &more);
    }
    buf_add_char(&text, ']');
    if (ok) *out = arena_str(x->mem, buf_str(&text));
    buf_free(&text);
    return ok;
}

static bool string_of(json_ctx *x, json_in *in, int depth, str *out)
{
    json_text t;
    json_num n;
    bool b;
    switch (json_peek(in)) {
    case '"':
        if (!json_string(in, &t)) return false;
        *out = t.escaped ? json_unescape(x->mem, t) : t.raw;
        return true;
    case '{': return object_text(x, in, out);
    case '[': return array_text(x, in, depth, out);
    case 't':
    case 'f':
        if (!json_bool(in, &b)) return false;
        *out = b ? STR("true") : STR("false");
        return true;
    default:
        if (!json_number(in, &n)) return false;
        *out = number_text(x, &n);
        return true;
    }
}

bool json_value_string(json_ctx *x, json_in *in, str *out)
{
    return string_of(x, in, 0, out);
}

/* INT, BIGINT, DATE, TIME and TIMESTAMP: a number (fraction cut, range wraps) or digits in a string. */
static bool read_integer(json_ctx *x, json_in *in, const type *t, value *out)
{
    int64_t v;
    if (in->p < in->end && *in->p == '"') {
        json_text text;
        if (!json_string(in, &text)) return false;
        str s = text.escaped ? json_unescape(x->mem, text) : text.raw;
        if (!str_to_i64(s, &v)) return bad_text(x, t);
        if (t->kind == TYPE_INT && v != (int32_t)v) return bad_text(x, t);
    } else if (in->p < in->end && (*in->p == '-' || (unsigned char)(*in->p - '0') <= 9)) {
        json_num n;
        if (!json_number(in, &n)) return false;
        v = json_num_wrap_i64(&n);
    } else {
        return json_value_mismatch(x, in, t);
    }
    switch (t->kind) {
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: out->l = v; return true;
    case TYPE_TIME:
        if (v < 0 || v > DAY_MS) {
            buf_clear(x->message);
            buf_printf(x->message, "Time values must use number of milliseconds greater than 0 and less than %d.",
                       DAY_MS);
            return false;
        }
        out->i = (int32_t)v;
        return true;
    case TYPE_DATE: out->i = v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v; return true;
    default: out->i = (int32_t)v; return true;
    }
}

static bool read_double(json_ctx *x, json_in *in, const type *t, value *out)
{
    if (in->p < in->end && *in->p == '"') {
        json_text text;
        if (!json_string(in, &text)) return false;
        str s = str_trim(text.escaped ? json_unescape(x->mem, text) : text.raw);
        return str_to_f64(s, &out->d) || bad_text(x, t);
    }
    if (in->p < in->end && (*in->p == '-' || (unsigned char)(*in->p - '0') <= 9)) {
        json_num n;
        if (!json_number(in, &n)) return false;
        out->d = json_num_f64(&n) + 0.0; /* neither Java's integers nor its decimals know a negative zero */
        return true;
    }
    return json_value_mismatch(x, in, t);
}

static bool read_decimal(json_ctx *x, json_in *in, const type *t, value *out)
{
    str s;
    if (in->p < in->end && *in->p == '"') {
        json_text text;
        if (!json_string(in, &text)) return false;
        s = text.escaped ? json_unescape(x->mem, text) : text.raw;
    } else if (in->p < in->end && (*in->p == '-' || (unsigned char)(*in->p - '0') <= 9)) {
        json_num n;
        if (!json_number(in, &n)) return false;
        s = n.text;
    } else {
        return json_value_mismatch(x, in, t);
    }
    decimal_status st = decimal_parse(s, (decimal_type){t->precision, t->scale}, DECIMAL_UNNECESSARY, &out->dec);
    if (st == DECIMAL_OK) return true;
    buf_clear(x->message);
    if (st == DECIMAL_OVERFLOW)
        buf_printf(x->message,
                   "Numeric field overflow: A field with precision %d and scale %d must round to an absolute value "
                   "less than 10^%d. Got %.*s",
                   t->precision, t->scale, t->precision - t->scale, STR_ARG(s));
    else
        buf_printf(x->message, "Cannot fit '%.*s' without rounding: %s", STR_ARG(s), decimal_status_text(st));
    return false;
}

static bool read_bytes_text(json_ctx *x, json_in *in, const type *t, value *out)
{
    if (in->p >= in->end || *in->p != '"') return json_value_mismatch(x, in, t);
    json_text text;
    if (!json_string(in, &text)) return false;
    str s = text.escaped ? json_unescape(x->mem, text) : text.raw;
    uint8_t *bytes = arena_alloc(x->mem, base64_decoded_max(s.n));
    size_t n;
    if (!base64_decode(s, BASE64_JACKSON, bytes, &n)) {
        buf_clear(x->message);
        buf_printf(x->message, "Value is not a valid Base64 encoded string: %.*s", STR_ARG(s));
        return false;
    }
    out->s = str_of((const char *)bytes, n);
    return true;
}

/* A list of values that grows in an arena. */
typedef struct values {
    value *items;
    uint32_t n, cap;
} values;

static value *values_add(arena *a, values *v)
{
    if (v->n == v->cap) {
        uint32_t cap = v->cap ? v->cap * 2 : 8;
        value *items = arena_alloc(a, cap * sizeof(value));
        if (v->n > 0) memcpy(items, v->items, v->n * sizeof(value));
        v->items = items;
        v->cap = cap;
    }
    v->items[v->n] = value_null();
    return &v->items[v->n++];
}

static bool read_array(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out)
{
    if (in->p >= in->end || *in->p != '[') return json_value_mismatch(x, in, t);
    if (!json_open(in, '[')) return false;
    values v = {0};
    for (bool more = !json_closes(in, ']'); more;) {
        json_step step = {.up = up, .index = v.n};
        value *item = values_add(x->mem, &v);
        if (!json_value_read(x, in, t->elem, &step, item)) return false;
        if (!json_more(in, ']', &more)) return false;
    }
    nested *n = ARENA_NEW(x->mem, nested);
    *n = (nested){v.n, v.items, NULL};
    out->nest = n;
    return true;
}

/* A MAP as json_put_exact writes it: [[key, value], ...]. */
static bool read_pairs(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out)
{
    if (!json_open(in, '[')) return false;
    values keys = {0}, items = {0};
    for (bool more = !json_closes(in, ']'); more;) {
        bool last;
        if (!json_open(in, '[')) return false;
        if (!json_value_read(x, in, t->key, up, values_add(x->mem, &keys))) return false;
        if (!json_more(in, ']', &last) || !last) return false;
        if (!json_value_read(x, in, t->elem, up, values_add(x->mem, &items))) return false;
        if (!json_more(in, ']', &last) || last) return false;
        if (!json_more(in, ']', &more)) return false;
    }
    nested *n = ARENA_NEW(x->mem, nested);
    *n = (nested){keys.n, items.items, keys.items};
    out->nest = n;
    return true;
}

static bool read_map(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out)
{
    if (x->exact) return read_pairs(x, in, t, up, out);
    if (in->p >= in->end || *in->p != '{') return json_value_mismatch(x, in, t);
    if (!json_open(in, '{')) return false;
    values keys = {0}, items = {0};
    for (bool more = !json_closes(in, '}'); more;) {
        json_text text;
        if (!json_key(in, &text)) return false;
        str key = text.escaped ? json_unescape(x->mem, text) : text.raw;
        /* A name that comes twice keeps its place and takes the later value, as Java's maps do. */
        uint32_t k = 0;
        while (k < keys.n && !str_eq(keys.items[k].s, key)) k++;
        if (k == keys.n) {
            *values_add(x->mem, &keys) = (value){.s = key};
            values_add(x->mem, &items);
        }
        json_step step = {.up = up, .index = -1, .name = key, .suffix = ".value"};
        value item = value_null();
        if (!json_value_read(x, in, t->elem, &step, &item)) return false;
        items.items[k] = item;
        if (!json_more(in, '}', &more)) return false;
    }
    nested *n = ARENA_NEW(x->mem, nested);
    *n = (nested){keys.n, items.items, keys.items};
    out->nest = n;
    return true;
}

int json_value_field(str key, int count, str (*name)(const void *ctx, int i), const void *ctx, bool *exact)
{
    for (int i = 0; i < count; i++) {
        if (str_eq(name(ctx, i), key)) {
            *exact = true;
            return i;
        }
    }
    *exact = false;
    /* toUpperCase of an ASCII name; other letters keep their bytes unless the name was found exactly. */
    for (int i = 0; i < count; i++) {
        str n = name(ctx, i);
        if (n.n != key.n) continue;
        size_t k = 0;
        while (k < n.n && n.p[k] == (key.p[k] >= 'a' && key.p[k] <= 'z' ? key.p[k] - 32 : key.p[k])) k++;
        if (k == n.n) return i;
    }
    return -1;
}

static str field_name(const void *ctx, int i)
{
    return ((const type *)ctx)->fields[i].name;
}

static bool read_struct(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out)
{
    if (in->p >= in->end || *in->p != '{') return json_value_mismatch(x, in, t);
    if (!json_open(in, '{')) return false;
    size_t count = (size_t)t->field_count;
    value *items = arena_alloc(x->mem, (count ? count : 1) * sizeof(value));
    bool *exact = arena_zalloc(x->mem, count ? count : 1);
    for (size_t i = 0; i < count; i++) items[i] = value_null();
    for (bool more = !json_closes(in, '}'); more;) {
        json_text text;
        if (!json_key(in, &text)) return false;
        str key = text.escaped ? json_unescape(x->mem, text) : text.raw;
        bool is_exact;
        int f = json_value_field(key, t->field_count, field_name, t, &is_exact);
        if (f < 0 || (exact[f] && !is_exact)) {
            if (!json_skip(in, JSON_DEPTH_MAX)) return false;
        } else {
            json_step step = {.up = up, .index = -1, .name = t->fields[f].name};
            value item = value_null();
            if (!json_value_read(x, in, t->fields[f].type, &step, &item)) return false;
            items[f] = item;
            exact[f] = exact[f] || is_exact;
        }
        if (!json_more(in, '}', &more)) return false;
    }
    nested *n = ARENA_NEW(x->mem, nested);
    *n = (nested){(uint32_t)count, items, NULL};
    out->nest = n;
    return true;
}

static bool read_kind(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out)
{
    switch (t->kind) {
    case TYPE_BOOLEAN:
        if (in->p >= in->end || (*in->p != 't' && *in->p != 'f')) return json_value_mismatch(x, in, t);
        return json_bool(in, &out->b);
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP: return read_integer(x, in, t, out);
    case TYPE_DOUBLE: return read_double(x, in, t, out);
    case TYPE_DECIMAL: return read_decimal(x, in, t, out);
    case TYPE_STRING: return json_value_string(x, in, &out->s);
    case TYPE_BYTES: return read_bytes_text(x, in, t, out);
    case TYPE_ARRAY: return read_array(x, in, t, up, out);
    case TYPE_MAP: return read_map(x, in, t, up, out);
    case TYPE_STRUCT: return read_struct(x, in, t, up, out);
    default: check_unreachable();
    }
}

bool json_value_read(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out)
{
    json_ws(in);
    if (in->p < in->end && *in->p == 'n') {
        *out = value_null();
        return json_null(in);
    }
    out->null = false;
    return read_kind(x, in, t, up, out) ? true : fail_at(x, up);
}

bool json_read_exact(str text, const type *t, arena *mem, value *out, buf *message)
{
    json_in in = json_in_of(text, false);
    buf_clear(message);
    json_ctx x = {.mem = mem, .message = message, .exact = true};
    if (json_value_read(&x, &in, t, NULL, out) && json_end(&in)) return true;
    if (message->len == 0) buf_add_z(message, in.why ? in.why : "malformed JSON");
    return false;
}
