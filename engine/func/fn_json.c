/* JSON functions. */
#include <stdlib.h>

#include "base/base64.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "engine/func/json_text.h"
#include "engine/func/table.h"

static bool invalid(func_call *c, str text)
{
    return func_fail(c, "Invalid JSON format:%.*s", (int)(text.n > 200 ? 200 : text.n), text.p);
}

/* The document of an argument; false after an error, NULL when the text is blank. */
static bool read_json(func_call *c, str text, const json_value **v)
{
    bool ok;
    *v = json_first(c->mem, text, &ok);
    return ok || invalid(c, text);
}

static bool node_text(func_call *c, const json_value *v, bool unquote, value *out)
{
    if (unquote && v->kind == JSON_STRING) return func_str(out, v->text);
    buf b = {0};
    json_text_put(&b, v, false);
    func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return true;
}

/* ---- EXTRACTJSONFIELD: walks the text along the path; only what it returns becomes a document ---- */

typedef struct path {
    arena *mem;
    str *tokens;
    int count;
} path;

static void release_path(void *object)
{
    arena_free(((path *)object)->mem);
}

static bool word_char(uint32_t ch, bool segment)
{
    if (ch == '_' || (segment && (ch == ':' || ch == '@'))) return true;
    return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch > 0x7f;
}

static bool quoted_token(arena *a, const char **p, const char *end, str *out)
{
    char *text = arena_alloc(a, (size_t)(end - *p) + 1);
    size_t n = 0;
    while (*p < end && **p != '"') {
        if (**p == '\\') {
            if (++*p >= end || (**p != '"' && **p != '\\')) return false;
        }
        text[n++] = *(*p)++;
    }
    if (*p >= end) return false;
    ++*p;
    *out = str_of(text, n);
    return true;
}

static bool word_token(const char **p, const char *end, bool segment, str *out)
{
    const char *start = *p;
    while (*p < end) {
        const char *next = *p;
        if (!word_char(utf8_next(&next, end), segment)) break;
        *p = next;
    }
    *out = str_of(start, (size_t)(*p - start));
    return out->n > 0;
}

/* `$`, then .name, [name] and ["any text"]. */
static bool parse_path(path *t, str text)
{
    const char *p = text.p, *end = text.p + text.n;
    if (p >= end || *p++ != '$') return false;
    t->tokens = ARENA_ARRAY(t->mem, str, text.n);
    while (p < end) {
        if (t->count == JSON_DEPTH_MAX) return false;
        str *token = &t->tokens[t->count++];
        char open = *p++;
        bool ok;
        if (open == '.') {
            ok = word_token(&p, end, true, token);
        } else if (open == '[') {
            bool quote = p < end && *p == '"';
            if (quote) p++;
            ok = quote ? quoted_token(t->mem, &p, end, token) : word_token(&p, end, false, token);
            ok = ok && p < end && *p++ == ']';
        } else {
            ok = false;
        }
        if (!ok) return false;
    }
    return true;
}

static const path *path_of(func_call *c, str text)
{
    path *t = func_recall(c, 0, text);
    if (t) return t;
    arena *a = arena_new();
    t = ARENA_NEW(a, path);
    t->mem = a;
    if (!parse_path(t, arena_str(a, text))) {
        arena_free(a);
        func_fail(c, "Invalid JSON path: '%.*s'", STR_ARG(text));
        return NULL;
    }
    return func_remember(c, 0, text, t, release_path);
}

/*
 * Steps over the value at the cursor, checking it, and finds what the tokens lead to: a slice of the text, or none.
 * Of equal names the last counts.
 */
static bool walk(arena *a, json_in *in, const str *tokens, int count, int depth, str *out)
{
    *out = (str){0};
    char open = json_peek(in);
    if (count == 0) {
        const char *start = in->p;
        if (!json_skip(in, depth)) return false;
        *out = str_of(start, (size_t)(in->p - start));
        return true;
    }
    int64_t index = -1, i = 0;
    bool object = open == '{';
    if (!object && (open != '[' || !str_to_i64(tokens[0], &index))) return json_skip(in, depth);
    char close = object ? '}' : ']';
    if (!json_open(in, open)) return false;
    for (bool more = !json_closes(in, close); more; i++) {
        bool here = i == index;
        if (object) {
            json_text key;
            if (!json_key(in, &key)) return false;
            here = str_eq(key.escaped ? json_unescape(a, key) : key.raw, tokens[0]);
        }
        if (!(here ? walk(a, in, tokens + 1, count - 1, depth - 1, out) : json_skip(in, depth - 1))) return false;
        if (!json_more(in, close, &more)) return false;
    }
    return true;
}

static bool fn_extractjsonfield(func_call *c, const value *args, int count, value *out)
{
    const path *t = path_of(c, args[1].s);
    if (!t) return false;
    json_in in = json_in_of(args[0].s, false);
    json_ws(&in);
    if (in.p == in.end) return t->count > 0 ? true : func_str(out, (str){0});
    str at;
    if (!walk(c->mem, &in, t->tokens, t->count, JSON_DEPTH_MAX, &at)) return invalid(c, args[0].s);
    if (!at.p) return true;
    if (at.p[0] == '"') {
        json_in string = json_in_of(at, false);
        json_text text;
        return json_string(&string, &text) ? func_str(out, json_unescape(c->mem, text)) : invalid(c, args[0].s);
    }
    if (at.p[0] == 't' || at.p[0] == 'f' || at.p[0] == 'n') return func_str(out, at);
    const json_value *v;
    return read_json(c, at, &v) && node_text(c, v, false, out);
}

/* ---- the others ---- */

static bool fn_is_json_string(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null) return func_bool(out, false);
    json_in in = json_in_of(args[0].s, false);
    json_ws(&in);
    return func_bool(out, in.p < in.end && json_skip(&in, JSON_DEPTH_MAX));
}

/* Whether the token at the cursor equals the value, type and all; steps over it. False in *ok: malformed. */
static bool token_matches(func_call *c, json_in *in, const type *t, value v, bool *ok)
{
    char ch = json_peek(in);
    json_num num;
    json_text text;
    int64_t l;
    bool b;
    if (ch == '"') {
        *ok = json_string(in, &text);
        return *ok && !v.null && t->kind == TYPE_STRING && str_eq(json_unescape(c->mem, text), v.s);
    }
    if (ch == '-' || (ch >= '0' && ch <= '9')) {
        *ok = json_number(in, &num);
        if (!*ok || v.null) return false;
        if (!num.integral) return t->kind == TYPE_DOUBLE && json_num_f64(&num) == v.d;
        if (t->kind == TYPE_INT) return json_num_i64(&num, &l) && l == v.i;
        return t->kind == TYPE_BIGINT && json_num_i64(&num, &l) && l == v.l;
    }
    if (ch == 't' || ch == 'f') {
        *ok = json_bool(in, &b);
        return *ok && !v.null && t->kind == TYPE_BOOLEAN && b == v.b;
    }
    if (ch == 'n') {
        *ok = json_null(in);
        return *ok && v.null;
    }
    *ok = json_skip(in, JSON_DEPTH_MAX);
    return false;
}

static bool fn_json_array_contains(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null) return func_fail(c, "argument \"content\" is null");
    func_bool(out, false);
    json_in in = json_in_of(args[0].s, false);
    if (json_peek(&in) != '[') return true;
    json_open(&in, '[');
    for (bool more = !json_closes(&in, ']'), ok; more;) {
        if (token_matches(c, &in, c->arg_types[1], args[1], &ok)) return func_bool(out, true);
        if (!ok || !json_more(&in, ']', &more)) return true;
    }
    return true;
}

static bool fn_json_array_length(func_call *c, const value *args, int count, value *out)
{
    const json_value *v;
    if (!read_json(c, args[0].s, &v)) return false;
    return v && v->kind == JSON_ARRAY ? func_int(out, (int32_t)v->count) : true;
}

static bool fn_json_concat(func_call *c, const value *args, int count, value *out)
{
    const json_value **docs = ARENA_ARRAY(c->mem, const json_value *, (size_t)count);
    bool objects = true;
    uint64_t total = 0;
    for (int i = 0; i < count; i++) {
        if (args[i].null) return true;
        if (!read_json(c, args[i].s, &docs[i])) return false;
        if (!docs[i]) return true;
        objects = objects && docs[i]->kind == JSON_OBJECT;
        total += docs[i]->kind == JSON_ARRAY || docs[i]->kind == JSON_OBJECT ? docs[i]->count : 1;
    }
    if (count == 0) return func_fail(c, "JSON_CONCAT needs an argument");
    json_value all = {.kind = JSON_OBJECT};
    if (count == 1) {
        all = *docs[0];
    } else if (objects) {
        all.members = ARENA_ARRAY(c->mem, json_member, total);
        for (int i = 0; i < count; i++) {
            if (docs[i]->count) memcpy(all.members + all.count, docs[i]->members, sizeof *all.members * docs[i]->count);
            all.count += docs[i]->count;
        }
    } else {
        all.kind = JSON_ARRAY;
        all.items = ARENA_ARRAY(c->mem, json_value, total + (uint64_t)count);
        for (int i = 0; i < count; i++) {
            bool array = docs[i]->kind == JSON_ARRAY;
            uint32_t n = array ? docs[i]->count : 1;
            if (n) memcpy(all.items + all.count, array ? docs[i]->items : docs[i], sizeof *all.items * n);
            all.count += n;
        }
    }
    buf b = {0};
    json_text_put(&b, &all, true);
    func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return true;
}

static bool fn_json_items(func_call *c, const value *args, int count, value *out)
{
    const json_value *v;
    if (!read_json(c, args[0].s, &v)) return false;
    if (!v || v->kind != JSON_ARRAY) return invalid(c, args[0].s);
    value *items = ARENA_ARRAY(c->mem, value, v->count);
    for (uint32_t i = 0; i < v->count; i++) node_text(c, &v->items[i], false, &items[i]);
    return func_items(c, out, items, v->count);
}

static bool fn_json_keys(func_call *c, const value *args, int count, value *out)
{
    const json_value *v;
    if (!read_json(c, args[0].s, &v)) return false;
    if (!v || v->kind != JSON_OBJECT) return true;
    const json_member *members;
    uint32_t n = json_members(c->mem, v, &members);
    value *items = ARENA_ARRAY(c->mem, value, n);
    for (uint32_t i = 0; i < n; i++) items[i].s = members[i].name;
    return func_items(c, out, items, n);
}

static bool fn_json_records(func_call *c, const value *args, int count, value *out)
{
    const json_value *v;
    if (!read_json(c, args[0].s, &v)) return false;
    if (!v || v->kind != JSON_OBJECT) return true;
    const json_member *members;
    uint32_t n = json_members(c->mem, v, &members);
    value *keys = ARENA_ARRAY(c->mem, value, n), *items = ARENA_ARRAY(c->mem, value, n);
    for (uint32_t i = 0; i < n; i++) {
        keys[i].s = members[i].name;
        node_text(c, &members[i].value, true, &items[i]);
    }
    return func_entries(c, out, keys, items, n);
}

/* ---- TO_JSON_STRING ---- */

typedef struct named {
    str name;
    const type *t;
    value v;
} named;

static int by_name(const void *pa, const void *pb)
{
    return utf8_cmp16(((const named *)pa)->name, ((const named *)pb)->name);
}

static void put_value(func_call *c, const type *t, value v, buf *b);

/* Members come sorted by name (a TreeMap). */
static void put_members(func_call *c, const type *t, const nested *n, buf *b)
{
    named *members = ARENA_ARRAY(c->mem, named, n->n);
    for (uint32_t i = 0; i < n->n; i++) {
        bool map = t->kind == TYPE_MAP;
        members[i] = (named){.t = map ? t->elem : t->fields[i].type, .v = n->items[i]};
        if (!map) {
            members[i].name = t->fields[i].name;
        } else if (t->key->kind == TYPE_STRING && !n->keys[i].null) {
            members[i].name = n->keys[i].s;
        } else {
            buf key = {0};
            value_print(t->key, n->keys[i], &key);
            members[i].name = arena_str(c->mem, buf_str(&key));
            buf_free(&key);
        }
    }
    qsort(members, n->n, sizeof *members, by_name);
    buf_add_char(b, '{');
    for (uint32_t i = 0; i < n->n; i++) {
        if (i) buf_add_char(b, ',');
        json_put_str(b, members[i].name);
        buf_add_char(b, ':');
        put_value(c, members[i].t, members[i].v, b);
    }
    buf_add_char(b, '}');
}

static void put_value(func_call *c, const type *t, value v, buf *b)
{
    if (v.null) {
        buf_add_z(b, "null");
        return;
    }
    switch (t->kind) {
    case TYPE_STRING: json_put_str(b, v.s); break;
    case TYPE_DOUBLE: json_put_f64(b, v.d); break;
    case TYPE_BYTES:
        buf_add_char(b, '"');
        base64_put(b, v.s.p, v.s.n);
        buf_add_char(b, '"');
        break;
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
        buf_add_char(b, '"');
        value_print(t, v, b);
        buf_add_char(b, '"');
        break;
    case TYPE_ARRAY:
        buf_add_char(b, '[');
        for (uint32_t i = 0; i < v.nest->n; i++) {
            if (i) buf_add_char(b, ',');
            put_value(c, t->elem, v.nest->items[i], b);
        }
        buf_add_char(b, ']');
        break;
    case TYPE_MAP:
    case TYPE_STRUCT: put_members(c, t, v.nest, b); break;
    default: value_print(t, v, b); break;
    }
}

static bool fn_to_json_string(func_call *c, const value *args, int count, value *out)
{
    buf b = {0};
    put_value(c, c->arg_types[0], args[0], &b);
    func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return true;
}

static const func_def def_extract[] = {FUNC("(input STRING, path STRING) STRING", fn_extractjsonfield), {0}};
static const func_def def_is_json[] = {FUNC("(input STRING) BOOLEAN", fn_is_json_string, .flags = FUNC_SEES_NULLS),
                                       {0}};
static const func_def def_contains[] = {
    FUNC("(jsonArray STRING, val T) BOOLEAN", fn_json_array_contains, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_length[] = {FUNC("(jsonArray STRING) INT", fn_json_array_length), {0}};
static const func_def def_concat[] = {FUNC("(jsonStrings STRING...) STRING", fn_json_concat, .flags = FUNC_SEES_NULLS),
                                      {0}};
static const func_def def_items[] = {FUNC("(jsonItems STRING) ARRAY<STRING>", fn_json_items), {0}};
static const func_def def_keys[] = {FUNC("(jsonObj STRING) ARRAY<STRING>", fn_json_keys), {0}};
static const func_def def_records[] = {FUNC("(jsonObj STRING) MAP<STRING, STRING>", fn_json_records), {0}};
static const func_def def_to_json[] = {FUNC("(input T) STRING", fn_to_json_string, .flags = FUNC_SEES_NULLS), {0}};

const func_name func_family_json[] = {
    {"extractjsonfield", FUNC_CATEGORY_JSON, "What a path such as $.a.b[0] finds in a JSON text, as text.",
     def_extract},
    {"IS_JSON_STRING", FUNC_CATEGORY_JSON, "Whether a text is valid JSON.", def_is_json},
    {"JSON_ARRAY_CONTAINS", FUNC_CATEGORY_JSON, "Whether a JSON array has a value, of the same type, as an element.",
     def_contains},
    {"JSON_ARRAY_LENGTH", FUNC_CATEGORY_JSON, "The number of elements of a JSON array.", def_length},
    {"JSON_CONCAT", FUNC_CATEGORY_JSON, "Merges JSON objects, or puts other JSON texts into one array.", def_concat},
    {"JSON_ITEMS", FUNC_CATEGORY_JSON, "The elements of a JSON array as an array of JSON texts.", def_items},
    {"JSON_KEYS", FUNC_CATEGORY_JSON, "The names of the members of a JSON object.", def_keys},
    {"JSON_RECORDS", FUNC_CATEGORY_JSON, "The members of a JSON object as a map of texts.", def_records},
    {"TO_JSON_STRING", FUNC_CATEGORY_JSON, "The JSON text of any value.", def_to_json},
    {0},
};
