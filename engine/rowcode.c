#include "engine/rowcode.h"

#include "base/check.h"
#include "engine/format/codec.h"

/* ---- keys: tag 0 for NULL, 1 in front of a value; each value ends by itself unless it is the last ---------------- */

static void key_put_i32(buf *out, int32_t v)
{
    write_i32(out, (int32_t)((uint32_t)v ^ 0x80000000u));
}

static void key_put_i64(buf *out, int64_t v)
{
    write_i64(out, (int64_t)((uint64_t)v ^ (UINT64_C(1) << 63)));
}

/* Text before other columns: zero bytes are escaped as 00 FF, the end is 00 00. */
static void key_put_text(buf *out, str s, bool last)
{
    if (last) {
        buf_add_str(out, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        buf_add_char(out, s.p[i]);
        if (s.p[i] == 0) buf_add_char(out, (char)0xff);
    }
    buf_add(out, "\0", 2);
}

static void key_put(buf *out, const type *t, value v, bool last)
{
    uint64_t bits;
    if (v.null) {
        buf_add_char(out, 0);
        return;
    }
    buf_add_char(out, 1);
    switch (t->kind) {
    case TYPE_BOOLEAN: buf_add_char(out, v.b); break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: key_put_i32(out, v.i); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: key_put_i64(out, v.l); break;
    case TYPE_DOUBLE:
        memcpy(&bits, &v.d, 8);
        bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
        write_i64(out, (int64_t)bits);
        break;
    case TYPE_DECIMAL:
        key_put_i64(out, (int64_t)(v.dec >> 64));
        write_i64(out, (int64_t)(uint64_t)v.dec);
        break;
    case TYPE_STRING:
    case TYPE_BYTES: key_put_text(out, v.s, last); break;
    default: {
        size_t at = out->len;
        write_i32(out, 0);
        value_encode(t, v, out);
        store_be32(out->data + at, (uint32_t)(out->len - at - 4));
    }
    }
}

void key_encode(const vec *cols, int count, uint32_t row, buf *out)
{
    for (int i = 0; i < count; i++) {
        const vec *v = &cols[i];
        if (likely(!vec_is_null(v, row))) {
            /* The two kinds that most keys are, unboxed. */
            if (v->type->kind == TYPE_BIGINT) {
                char *p = buf_reserve(out, 9);
                p[0] = 1;
                store_be64(p + 1, (uint64_t)v->l[row] ^ (UINT64_C(1) << 63));
                out->len += 9;
                continue;
            }
            if (v->type->kind == TYPE_STRING && i == count - 1) {
                char *p = buf_reserve(out, v->s[row].n + 1);
                p[0] = 1;
                if (v->s[row].n > 0) memcpy(p + 1, v->s[row].p, v->s[row].n);
                out->len += v->s[row].n + 1;
                continue;
            }
        }
        key_put(out, v->type, vec_get(v, row), i == count - 1);
    }
}

void key_encode_values(const type *const *types, const value *values, int count, buf *out)
{
    for (int i = 0; i < count; i++) key_put(out, types[i], values[i], i == count - 1);
}

static bool key_get_text(reader *r, bool last, arena *mem, str *out)
{
    const char *p = (const char *)r->p;
    size_t n = reader_left(r);
    if (last) {
        *out = str_of(p, n);
        r->p = r->end;
        return true;
    }
    char *text = arena_alloc(mem, n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == 0) {
            if (i + 1 >= n) return false;
            if (p[i + 1] == 0) {
                r->p += i + 2;
                *out = str_of(text, len);
                return true;
            }
            if ((uint8_t)p[i + 1] != 0xff) return false;
            text[len++] = 0;
            i++;
            continue;
        }
        text[len++] = p[i];
    }
    return false;
}

static bool key_get(reader *r, const type *t, bool last, arena *mem, value *out)
{
    uint8_t tag = read_u8(r);
    *out = (value){.null = tag == 0};
    if (tag == 0) return !r->failed;
    uint64_t bits;
    switch (t->kind) {
    case TYPE_BOOLEAN: out->b = read_u8(r); break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: out->i = (int32_t)((uint32_t)read_i32(r) ^ 0x80000000u); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: out->l = (int64_t)((uint64_t)read_i64(r) ^ (UINT64_C(1) << 63)); break;
    case TYPE_DOUBLE:
        bits = (uint64_t)read_i64(r);
        bits = bits >> 63 ? bits ^ (UINT64_C(1) << 63) : ~bits;
        memcpy(&out->d, &bits, 8);
        break;
    case TYPE_DECIMAL: {
        uint64_t high = (uint64_t)read_i64(r) ^ (UINT64_C(1) << 63);
        out->dec = (decimal)((unsigned __int128)high << 64 | (uint64_t)read_i64(r));
        break;
    }
    case TYPE_STRING:
    case TYPE_BYTES: return key_get_text(r, last, mem, &out->s);
    default: {
        uint32_t n = (uint32_t)read_i32(r);
        const uint8_t *p = read_bytes(r, n);
        if (!p) return false;
        reader inner = reader_of(p, n);
        return value_decode(&inner, t, out, mem);
    }
    }
    return !r->failed;
}

bool key_decode(str key, vec *cols, int count, uint32_t row, arena *mem)
{
    reader r = reader_of(key.p, key.n);
    for (int i = 0; i < count; i++) {
        value v;
        if (!key_get(&r, cols[i].type, i == count - 1, mem, &v)) return false;
        vec_set(&cols[i], row, v);
    }
    return r.p == r.end;
}

bool key_decode_values(str key, const type *const *types, int count, value *out, arena *mem)
{
    reader r = reader_of(key.p, key.n);
    for (int i = 0; i < count; i++) {
        if (!key_get(&r, types[i], i == count - 1, mem, &out[i])) return false;
    }
    return r.p == r.end;
}

bool key_has_null(const vec *cols, int count, uint32_t row)
{
    for (int i = 0; i < count; i++) {
        if (vec_is_null(&cols[i], row)) return true;
    }
    return false;
}

/* ---- rows: machine-endian, for memory only ------------------------------------------------------------------ */

static void put_raw(buf *out, const void *p, size_t n)
{
    memcpy(buf_reserve(out, n), p, n);
    out->len += n;
}

static void put_text(buf *out, str s)
{
    uint32_t n = (uint32_t)s.n;
    put_raw(out, &n, 4);
    buf_add_str(out, s);
}

void value_encode(const type *t, value v, buf *out)
{
    buf_add_char(out, v.null);
    if (v.null) return;
    switch (t->kind) {
    case TYPE_BOOLEAN: buf_add_char(out, v.b); break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: put_raw(out, &v.i, 4); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: put_raw(out, &v.l, 8); break;
    case TYPE_DOUBLE: put_raw(out, &v.d, 8); break;
    case TYPE_DECIMAL: put_raw(out, &v.dec, 16); break;
    case TYPE_STRING:
    case TYPE_BYTES: put_text(out, v.s); break;
    default: {
        put_raw(out, &v.nest->n, 4);
        for (uint32_t i = 0; i < v.nest->n; i++) {
            if (t->kind == TYPE_MAP) value_encode(t->key, v.nest->keys[i], out);
            value_encode(t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, v.nest->items[i], out);
        }
    }
    }
}

static bool get_raw(reader *r, void *out, size_t n)
{
    const uint8_t *p = read_bytes(r, n);
    if (p) memcpy(out, p, n);
    return p != NULL;
}

static bool decode_nested(reader *r, const type *t, value *out, arena *mem)
{
    uint32_t n;
    /* Every item takes a byte at least, so a count beyond the rest is malformed. */
    if (!get_raw(r, &n, 4) || n > reader_left(r)) return false;
    if (t->kind == TYPE_STRUCT && n != (uint32_t)t->field_count) return false;
    value *items = arena_alloc(mem, (n + 1u) * sizeof(value));
    value *keys = t->kind == TYPE_MAP ? arena_alloc(mem, (n + 1u) * sizeof(value)) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (keys && !value_decode(r, t->key, &keys[i], mem)) return false;
        if (!value_decode(r, t->kind == TYPE_STRUCT ? t->fields[i].type : t->elem, &items[i], mem)) return false;
    }
    nested *nest = ARENA_NEW(mem, nested);
    *nest = (nested){n, items, keys};
    out->nest = nest;
    return true;
}

bool value_decode(reader *r, const type *t, value *out, arena *mem)
{
    *out = (value){.null = read_u8(r)};
    if (out->null) return !r->failed;
    switch (t->kind) {
    case TYPE_BOOLEAN: out->b = read_u8(r); return !r->failed;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: return get_raw(r, &out->i, 4);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: return get_raw(r, &out->l, 8);
    case TYPE_DOUBLE: return get_raw(r, &out->d, 8);
    case TYPE_DECIMAL: return get_raw(r, &out->dec, 16);
    case TYPE_STRING:
    case TYPE_BYTES: {
        uint32_t n;
        if (!get_raw(r, &n, 4)) return false;
        const uint8_t *p = read_bytes(r, n);
        out->s = str_of((const char *)p, n);
        return !r->failed;
    }
    default: return decode_nested(r, t, out, mem);
    }
}

void row_encode(const vec *cols, const int *columns, int count, uint32_t row, buf *out)
{
    for (int i = 0; i < count; i++) {
        const vec *v = &cols[columns[i]];
        value_encode(v->type, vec_get(v, row), out);
    }
}

bool row_decode(str bytes, vec *cols, const int *columns, int count, uint32_t row, arena *mem)
{
    reader r = reader_of(bytes.p, bytes.n);
    for (int i = 0; i < count; i++) {
        value v;
        if (!value_decode(&r, cols[columns[i]].type, &v, mem)) return false;
        vec_set(&cols[columns[i]], row, v);
    }
    return true;
}

/* ---- cells ------------------------------------------------------------------------------------------------- */

/* SQLite turns any text that is all number into one where a column is declared REAL, and keeps no sign of a zero. */
#define NEGATIVE_ZERO "-0.0 (negative zero)"

cell_kind cell_kind_of(const type *t)
{
    switch (t->kind) {
    case TYPE_BOOLEAN:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP: return CELL_INTEGER;
    case TYPE_DOUBLE: return CELL_REAL;
    case TYPE_BYTES: return CELL_BLOB;
    default: return CELL_TEXT;
    }
}

cell cell_of_value(const type *t, value v, arena *mem)
{
    cell c = {.kind = CELL_NULL};
    if (v.null) return c;
    c.kind = cell_kind_of(t);
    uint64_t bits;
    switch (t->kind) {
    case TYPE_BOOLEAN: c.i = v.b; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: c.i = v.i; break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: c.i = v.l; break;
    case TYPE_DOUBLE:
        memcpy(&bits, &v.d, 8);
        c.d = v.d;
        if (v.d != v.d || bits == UINT64_C(1) << 63)
            c = (cell){.kind = CELL_TEXT, .s = v.d != v.d ? STR("NaN") : STR(NEGATIVE_ZERO)};
        break;
    case TYPE_STRING:
    case TYPE_BYTES: c.s = v.s; break;
    default: {
        buf text = {0};
        if (t->kind == TYPE_DECIMAL)
            decimal_put(&text, v.dec, t->scale);
        else
            json_put_exact(&text, t, v);
        c.s = arena_str(mem, buf_str(&text));
        buf_free(&text);
    }
    }
    return c;
}

bool cell_to_value(const cell *c, const type *t, value *out, arena *mem)
{
    *out = (value){.null = c->kind == CELL_NULL};
    if (out->null) return true;
    if (t->kind == TYPE_DOUBLE) {
        if (c->kind == CELL_REAL)
            out->d = c->d;
        else if (c->kind == CELL_INTEGER)
            out->d = (double)c->i;
        else if (c->kind == CELL_TEXT && str_eqz(c->s, NEGATIVE_ZERO))
            out->d = -0.0;
        else
            return c->kind == CELL_TEXT && str_to_f64(c->s, &out->d);
        return true;
    }
    if (c->kind != cell_kind_of(t)) return false;
    switch (t->kind) {
    case TYPE_BOOLEAN: out->b = c->i != 0; return true;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME: out->i = (int32_t)c->i; return c->i == (int32_t)c->i;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP: out->l = c->i; return true;
    case TYPE_STRING:
    case TYPE_BYTES: out->s = c->s; return true;
    case TYPE_DECIMAL:
        return decimal_parse(c->s, (decimal_type){t->precision, t->scale}, DECIMAL_UNNECESSARY, &out->dec) ==
               DECIMAL_OK;
    default: {
        buf message = {0};
        bool ok = json_read_exact(c->s, t, mem, out, &message);
        buf_free(&message);
        return ok;
    }
    }
}
