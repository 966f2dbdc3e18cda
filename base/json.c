#include "base/json.h"

#include "base/check.h"
#include "base/json_scan.h"

/* What one json_parse carries: finished members wait on the stack until their array or object ends. */
typedef struct parse {
    json_in in;
    arena *a;
    buf stack; /* of json_member */
    int depth;
    bool too_deep;
} parse;

static bool parse_value(parse *ps, json_value *v);

static void push(parse *ps, const json_member *m)
{
    buf_add(&ps->stack, m, sizeof *m);
}

/* Moves what was pushed since `base` into the arena as items or members of v. */
static void take_children(parse *ps, size_t base, json_value *v)
{
    size_t n = (ps->stack.len - base) / sizeof(json_member);
    check(n <= UINT32_MAX);
    v->count = (uint32_t)n;
    if (n > 0 && v->kind == JSON_OBJECT) {
        v->members = ARENA_ARRAY(ps->a, json_member, n);
        memcpy(v->members, ps->stack.data + base, n * sizeof(json_member));
    } else if (n > 0) {
        v->items = ARENA_ARRAY(ps->a, json_value, n);
        for (size_t i = 0; i < n; i++) {
            json_member m;
            memcpy(&m, ps->stack.data + base + i * sizeof m, sizeof m);
            v->items[i] = m.value;
        }
    }
    ps->stack.len = base;
}

static bool parse_children(parse *ps, json_value *v)
{
    bool object = v->kind == JSON_OBJECT;
    char close = object ? '}' : ']';
    size_t base = ps->stack.len;
    if (ps->depth == JSON_DEPTH_MAX) {
        ps->too_deep = true;
        return json_fail(&ps->in, "nested too deeply");
    }
    ps->depth++;
    ps->in.p++;
    for (bool more = !json_closes(&ps->in, close); more;) {
        json_member m = {0};
        json_text name;
        if (object) {
            if (!json_key(&ps->in, &name)) return false;
            m.name = json_unescape(ps->a, name);
        }
        if (!parse_value(ps, &m.value)) return false;
        push(ps, &m);
        if (!json_more(&ps->in, close, &more)) return false;
    }
    ps->depth--;
    take_children(ps, base, v);
    return true;
}

static bool parse_value(parse *ps, json_value *v)
{
    char c = json_peek(&ps->in);
    const char *start = ps->in.p;
    json_text text;
    json_num number;
    bool ok;
    switch (c) {
    case '{':
    case '[':
        v->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        ok = parse_children(ps, v);
        break;
    case '"':
        v->kind = JSON_STRING;
        ok = json_string(&ps->in, &text);
        if (ok) v->text = json_unescape(ps->a, text);
        break;
    case 't':
    case 'f':
        v->kind = JSON_BOOL;
        ok = json_bool(&ps->in, &v->truth);
        break;
    case 'n':
        v->kind = JSON_NULL;
        ok = json_null(&ps->in);
        break;
    default:
        if (c != '-' && (unsigned char)(c - '0') > 9) return json_fail(&ps->in, "unexpected character");
        v->kind = JSON_NUMBER;
        ok = json_number(&ps->in, &number);
        if (ok) v->text = number.text;
        break;
    }
    v->source = str_of(start, (size_t)(ps->in.p - start));
    return ok;
}

json_value *json_parse(arena *a, str text, str *rest, diag *d)
{
    parse ps = {.in = json_in_of(text, false), .a = a};
    json_value *v = ARENA_NEW(a, json_value);
    bool ok = parse_value(&ps, v) && (rest || json_end(&ps.in));
    buf_free(&ps.stack);
    if (ok) {
        if (rest) *rest = str_of(ps.in.p, (size_t)(ps.in.end - ps.in.p));
        return v;
    }
    int line, column;
    size_t at = (size_t)(ps.in.p - text.p);
    diag_line_column(text, (uint32_t)(at < UINT32_MAX ? at : UINT32_MAX), &line, &column);
    diag_set(d, ps.too_deep ? DIAG_LIMIT : DIAG_INVALID, "malformed JSON at line %d, column %d: %s%s", line, column,
             ps.in.why, ps.in.p == ps.in.end ? " (the text ends here)" : "");
    return NULL;
}

const json_value *json_get(const json_value *v, str name)
{
    if (!v || v->kind != JSON_OBJECT) return NULL;
    for (uint32_t i = v->count; i-- > 0;)
        if (str_eq(v->members[i].name, name)) return &v->members[i].value;
    return NULL;
}

const json_value *json_getz(const json_value *v, const char *name)
{
    return json_get(v, str_z(name));
}

const json_value *json_item(const json_value *v, size_t i)
{
    return v && v->kind == JSON_ARRAY && i < v->count ? &v->items[i] : NULL;
}

bool json_as_str(const json_value *v, str *out)
{
    if (!v || v->kind != JSON_STRING) return false;
    *out = v->text;
    return true;
}

bool json_as_i64(const json_value *v, int64_t *out)
{
    if (!v || v->kind != JSON_NUMBER) return false;
    json_in in = json_in_of(v->text, false);
    json_num n;
    return json_number(&in, &n) && json_num_i64(&n, out);
}

bool json_as_f64(const json_value *v, double *out)
{
    return v && v->kind == JSON_NUMBER && dtoa_parse(v->text, out);
}

bool json_as_bool(const json_value *v, bool *out)
{
    if (!v || v->kind != JSON_BOOL) return false;
    *out = v->truth;
    return true;
}
