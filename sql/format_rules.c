#include "sql/format_rules.h"

#include "base/check.h"

static const format_rules rules[] = {
    [FORMAT_NONE] = {"NONE", FORMAT_NONE, true, false, false, false, false, false, false, false},
    [FORMAT_KAFKA] = {"KAFKA", FORMAT_KAFKA, true, true, false, true, false, false, false, false},
    [FORMAT_JSON] = {"JSON", FORMAT_JSON, true, true, true, true, false, true, true, true},
    [FORMAT_DELIMITED] = {"DELIMITED", FORMAT_DELIMITED, true, true, false, true, false, true, false, false},
    [FORMAT_JSON_SR] = {"JSON_SR", FORMAT_JSON_SR, true, true, true, true, true, true, true, true},
    [FORMAT_AVRO] = {"AVRO", FORMAT_AVRO, true, true, true, true, true, true, true, true},
    [FORMAT_PROTOBUF] = {"PROTOBUF", FORMAT_PROTOBUF, true, true, true, false, true, true, true, true},
    [FORMAT_PROTOBUF_NOSR] = {"PROTOBUF_NOSR", FORMAT_PROTOBUF_NOSR, true, true, true, true, false, true, true, true},
};

const format_rules *format_rules_of(format_kind kind)
{
    check((size_t)kind < ARRAY_LEN(rules));
    return &rules[kind];
}

const format_rules *format_rules_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (str_ieq(name, str_z(rules[i].name))) return &rules[i];
    }
    return NULL;
}

static bool protobuf_carries(const type *t)
{
    switch (t->kind) {
    case TYPE_ARRAY:
        /* A repeated field cannot hold repeated fields. */
        return t->elem->kind != TYPE_ARRAY && t->elem->kind != TYPE_MAP && protobuf_carries(t->elem);
    case TYPE_MAP: return protobuf_carries(t->elem);
    case TYPE_STRUCT:
        for (int i = 0; i < t->field_count; i++) {
            if (!protobuf_carries(t->fields[i].type)) return false;
        }
        return true;
    default: return true;
    }
}

/* Every format writes maps as objects: their keys must be STRING. */
static bool map_keys_are_strings(const type *t)
{
    switch (t->kind) {
    case TYPE_ARRAY: return map_keys_are_strings(t->elem);
    case TYPE_MAP: return t->key->kind == TYPE_STRING && map_keys_are_strings(t->elem);
    case TYPE_STRUCT:
        for (int i = 0; i < t->field_count; i++) {
            if (!map_keys_are_strings(t->fields[i].type)) return false;
        }
        return true;
    default: return true;
    }
}

static bool contains_map(const type *t)
{
    if (t->kind == TYPE_MAP) return true;
    if (t->kind == TYPE_ARRAY) return contains_map(t->elem);
    for (int i = 0; t->kind == TYPE_STRUCT && i < t->field_count; i++) {
        if (contains_map(t->fields[i].type)) return true;
    }
    return false;
}

bool format_carries(format_kind kind, const type *t, bool key)
{
    switch (kind) {
    case FORMAT_NONE: return false;
    case FORMAT_KAFKA:
        return t->kind == TYPE_INT || t->kind == TYPE_BIGINT || t->kind == TYPE_DOUBLE || t->kind == TYPE_STRING ||
               t->kind == TYPE_BYTES;
    case FORMAT_DELIMITED: return !type_is_nested(t);
    case FORMAT_PROTOBUF:
    case FORMAT_PROTOBUF_NOSR: return protobuf_carries(t) && map_keys_are_strings(t);
    case FORMAT_JSON:
    case FORMAT_JSON_SR:
    case FORMAT_AVRO: return map_keys_are_strings(t);
    }
    check_unreachable();
}

/* Avro's names begin with a letter or _, and go on with these and digits. */
static bool avro_name(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return s.n > 0;
}

/* The first name in a type that Avro refuses; empty: none. */
static str bad_avro_name(const type *t)
{
    if (t->kind == TYPE_ARRAY || t->kind == TYPE_MAP) return bad_avro_name(t->elem);
    for (int i = 0; t->kind == TYPE_STRUCT && i < t->field_count; i++) {
        if (!avro_name(t->fields[i].name)) return t->fields[i].name;
        str inner = bad_avro_name(t->fields[i].type);
        if (inner.n) return inner;
    }
    return STR("");
}

static bool check_avro_names(const column *c, bool wrapped, span at, diag *d)
{
    str bad = wrapped && !avro_name(c->name) ? c->name : bad_avro_name(c->type);
    return !bad.n || diag_at(d, at, DIAG_STATEMENT,
                             "Schema is not compatible with Avro: the name '%.*s' is not legal there", STR_ARG(bad));
}

bool format_check_schema(const format_spec *spec, const schema *s, bool key, span at, diag *d)
{
    const format_rules *r = format_rules_of(spec->kind);
    int first = key ? 0 : s->key_count, end = key ? s->key_count : s->count;
    if (!key && !r->as_value)
        return diag_at(d, at, DIAG_STATEMENT, "The '%s' format can only be used for keys.", r->name);
    int columns = 0;
    arena *scratch = arena_new();
    bool ok = true;
    for (int i = first; i < end && ok; i++) {
        const column *c = &s->columns[i];
        if (c->role == COLUMN_HEADER || c->role == COLUMN_HEADERS) continue;
        columns++;
        if (spec->kind == FORMAT_AVRO) ok = check_avro_names(c, spec->wrapped, at, d);
        if (!ok) break;
        if (key && contains_map(c->type)) {
            ok =
                diag_at(d, at, DIAG_STATEMENT,
                        "Map keys, including types that contain maps, are not supported as they may lead to unexpected "
                        "behavior due to inconsistent serialization. Key column name: `%.*s`. Column type: %s.",
                        STR_ARG(c->name), type_text(scratch, c->type).p);
        } else if (!format_carries(spec->kind, c->type, key)) {
            ok = diag_at(d, at, DIAG_STATEMENT, "The '%s' format does not support type '%s', column: `%.*s`", r->name,
                         type_text(scratch, c->type).p, STR_ARG(c->name));
        }
    }
    if (ok && columns > 1 && !r->many_keys) {
        ok = diag_at(d, at, DIAG_STATEMENT, "The '%s' format only supports a single field. Got %d %s columns.", r->name,
                     columns, key ? "key" : "value");
    }
    arena_free(scratch);
    return ok;
}

format_spec format_key_for(format_spec inherited, const type *const *keys, int count, format_kind default_kind)
{
    format_spec out = inherited;
    if (count == 0) {
        out = (format_spec){.kind = FORMAT_NONE};
    } else if (inherited.kind == FORMAT_NONE) {
        out = (format_spec){.kind = default_kind};
    }
    bool fits = count <= 1 || format_rules_of(out.kind)->many_keys;
    for (int i = 0; i < count && fits; i++) fits = format_carries(out.kind, keys[i], true);
    if (!fits) out = (format_spec){.kind = FORMAT_JSON};
    format_wrap_key(&out, count);
    return out;
}

void format_wrap_key(format_spec *spec, int count)
{
    const format_rules *r = format_rules_of(spec->kind);
    spec->wrapped = count > 1 ? r->wraps : r->wraps && !r->unwraps;
}

void format_wrap_value(format_spec *spec, int count, int wish)
{
    const format_rules *r = format_rules_of(spec->kind);
    spec->wrapped = r->wraps;
    if (count == 1 && wish == 0 && r->unwraps) spec->wrapped = false;
}
