#include "sql/build.h"

#include "base/buf.h"
#include "base/map.h"
#include "sql/ast_print.h"

/* ---- types ------------------------------------------------------------------------------------------------- */

static ast_type *make(build *b, ast_type_kind kind, span at, const ast_type *deepest)
{
    ast_type *t = ARENA_NEW(b->a, ast_type);
    t->kind = kind;
    t->at = at;
    t->depth = (uint16_t)(deepest == NULL ? 1 : deepest->depth + 1);
    if (t->depth > AST_TYPE_DEPTH_MAX) {
        b->failed = true;
        diag_at(b->d, at, DIAG_LIMIT, "Types may be nested at most %d deep", AST_TYPE_DEPTH_MAX);
        t->depth = AST_TYPE_DEPTH_MAX;
    }
    return t;
}

ast_type *build_array_type(build *b, ast_type *element, span at)
{
    ast_type *t = make(b, AST_TYPE_ARRAY, at, element);
    t->u.element = element;
    return t;
}

ast_type *build_map_type(build *b, token t, ast_type *key, ast_type *value, token close)
{
    const ast_type *deepest = key->depth > value->depth ? key : value;
    ast_type *type = make(b, AST_TYPE_MAP, (span){t.start, close.end}, deepest);
    type->u.map.key = key;
    type->u.map.value = value;
    return type;
}

ast_type *build_type_field(build *b, ast_type *structure, ast_name name, ast_type *type)
{
    if (structure == NULL) structure = make(b, AST_TYPE_STRUCT, name.at, NULL);
    uint32_t n = structure->u.structure.n;
    structure->u.structure.fields = build_grow(b->a, structure->u.structure.fields, n, sizeof(ast_type_field));
    structure->u.structure.fields[n] = (ast_type_field){name, type};
    structure->u.structure.n++;
    return structure;
}

/* Refuses a name that occurred before; `seen` is a map of the names so far. */
static bool is_new(map *seen, str name)
{
    static const char mark;
    return map_put(seen, name, (void *)&mark) == NULL;
}

ast_type *build_struct_type(build *b, token t, ast_type *structure, token close)
{
    span at = {t.start, close.end};
    if (structure == NULL) return make(b, AST_TYPE_STRUCT, at, NULL);
    map seen = {0};
    const ast_type *deepest = NULL;
    for (uint32_t i = 0; i < structure->u.structure.n; i++) {
        const ast_type_field *f = &structure->u.structure.fields[i];
        if (deepest == NULL || f->type->depth > deepest->depth) deepest = f->type;
        if (is_new(&seen, f->name.text)) continue;
        b->failed = true;
        diag_at(b->d, f->name.at, DIAG_STATEMENT, "Duplicate field names found in STRUCT: '%.*s'",
                STR_ARG(f->name.text));
    }
    map_free(&seen);
    ast_type *checked = make(b, AST_TYPE_STRUCT, at, deepest);
    checked->u.structure.fields = structure->u.structure.fields;
    checked->u.structure.n = structure->u.structure.n;
    return checked;
}

ast_type *build_decimal_type(build *b, token t, token precision, token scale, token close)
{
    ast_type *type = make(b, AST_TYPE_DECIMAL, (span){t.start, close.end}, NULL);
    int64_t p = build_integer(b, precision, "DECIMAL(PRECISION)");
    int64_t s = build_integer(b, scale, "DECIMAL(SCALE)");
    const char *rule = p < 1           ? "precision must be >= 1"
                       : s < 0         ? "scale must be >= 0"
                       : p < s         ? "precision must be >= scale"
                       : p > INT32_MAX ? "precision is too large"
                                       : NULL;
    if (rule != NULL) {
        b->failed = true;
        diag_at(b->d, type->at, DIAG_STATEMENT, "DECIMAL %s: DECIMAL(%lld,%lld)", rule, (long long)p, (long long)s);
        p = 1;
        s = 0;
    }
    type->u.decimal.precision = (int32_t)p;
    type->u.decimal.scale = (int32_t)s;
    return type;
}

ast_type *build_named_type(build *b, ast_name name, uint32_t end)
{
    static const struct {
        const char *word;
        ast_type_kind kind;
    } primitives[] = {
        {"BOOLEAN", AST_TYPE_BOOLEAN}, {"INT", AST_TYPE_INTEGER},         {"INTEGER", AST_TYPE_INTEGER},
        {"BIGINT", AST_TYPE_BIGINT},   {"DOUBLE", AST_TYPE_DOUBLE},       {"STRING", AST_TYPE_STRING},
        {"VARCHAR", AST_TYPE_STRING},  {"BYTES", AST_TYPE_BYTES},         {"DATE", AST_TYPE_DATE},
        {"TIME", AST_TYPE_TIME},       {"TIMESTAMP", AST_TYPE_TIMESTAMP},
    };
    span at = {name.at.start, end};
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++) {
        if (str_ieq(name.text, str_z(primitives[i].word))) return make(b, primitives[i].kind, at, NULL);
    }
    ast_type *t = make(b, AST_TYPE_NAMED, at, NULL);
    t->u.name = name;
    return t;
}

/* ---- columns ----------------------------------------------------------------------------------------------- */

static bool is_headers_type(const ast_type *t)
{
    if (t->kind != AST_TYPE_ARRAY || t->u.element->kind != AST_TYPE_STRUCT) return false;
    const ast_type *s = t->u.element;
    if (s->u.structure.n != 2) return false;
    const ast_type_field *f = s->u.structure.fields;
    return str_eq(f[0].name.text, STR("KEY")) && f[0].type->kind == AST_TYPE_STRING &&
           str_eq(f[1].name.text, STR("VALUE")) && f[1].type->kind == AST_TYPE_BYTES;
}

/* A custom type is known to the analyser alone, which checks it then. */
static void check_header_type(build *b, const ast_column *c)
{
    if (c->type->kind == AST_TYPE_NAMED) return;
    bool one = c->role == AST_COLUMN_HEADER;
    if (one ? c->type->kind == AST_TYPE_BYTES : is_headers_type(c->type)) return;
    b->failed = true;
    buf got = {0};
    ast_print_type(c->type, &got);
    if (one) {
        diag_at(b->d, c->type->at, DIAG_STATEMENT, "Invalid type for HEADER('%.*s') column: expected BYTES, got %s",
                STR_ARG(c->header), buf_z(&got));
    } else {
        diag_at(b->d, c->type->at, DIAG_STATEMENT,
                "Invalid type for HEADERS column: expected ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>, got %s",
                buf_z(&got));
    }
    buf_free(&got);
}

static ast_column *column_of(build *b, ast_name name, ast_type *type, ast_column_role role, span role_at, str header)
{
    ast_column *c = ARENA_NEW(b->a, ast_column);
    uint32_t end = role == AST_COLUMN_VALUE ? type->at.end : role_at.end;
    *c = (ast_column){.name = name, .type = type, .role = role, .header = header, .at = {name.at.start, end}};
    if (role == AST_COLUMN_HEADERS || role == AST_COLUMN_HEADER) check_header_type(b, c);
    return c;
}

ast_column *build_column(build *b, ast_name name, ast_type *type, ast_column_role role, span role_at)
{
    return column_of(b, name, type, role, role_at, (str){0});
}

ast_column *build_header_column(build *b, ast_name name, ast_type *type, token key)
{
    str header = str_trim(build_unquote(b, key));
    if (header.n == 0 && !b->failed) {
        b->failed = true;
        diag_at(b->d, token_span(key), DIAG_STATEMENT, "The key of a HEADER column must not be empty");
    }
    return column_of(b, name, type, AST_COLUMN_HEADER, token_span(key), header);
}

ast_columns build_columns(build *b, ast_columns list, ast_column *column)
{
    list.items = build_grow(b->a, list.items, list.n, sizeof *list.items);
    list.items[list.n++] = *column;
    return list;
}

/* ---- properties -------------------------------------------------------------------------------------------- */

ast_property *build_property(build *b, ast_name name, ast_expr *value)
{
    ast_property *p = ARENA_NEW(b->a, ast_property);
    *p = (ast_property){name, value, {name.at.start, value->at.end}};
    return p;
}

ast_properties build_properties(build *b, ast_properties list, ast_property *property)
{
    /* WITH clauses are short and bounded: a linear look is enough. */
    for (uint32_t i = 0; i < list.n && !b->failed; i++) {
        if (!str_eq(list.items[i].name.text, property->name.text) || b->take_variables) continue;
        b->failed = true;
        diag_at(b->d, property->name.at, DIAG_STATEMENT, "Duplicate property: %.*s", STR_ARG(property->name.text));
    }
    if (list.n == BUILD_PROPERTIES_MAX) build_limit(b, property->at, "properties", BUILD_PROPERTIES_MAX);
    list.items = build_grow(b->a, list.items, list.n, sizeof *list.items);
    list.items[list.n++] = *property;
    return list;
}
