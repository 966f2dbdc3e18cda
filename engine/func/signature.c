/* Reading and printing the signatures of functions. */
#include "base/check.h"
#include "engine/func/table.h"

typedef struct cursor {
    arena *mem;
    const char *p;
    const char *text;
} cursor;

static void skip_blanks(cursor *c)
{
    while (*c->p == ' ') c->p++;
}

static bool eat(cursor *c, char ch)
{
    skip_blanks(c);
    if (*c->p != ch) return false;
    c->p++;
    return true;
}

static void expect(cursor *c, char ch)
{
    if (!eat(c, ch)) check_failed(c->text, (int)(c->p - c->text), "function signature");
}

static bool is_word(char ch)
{
    return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_';
}

static str word(cursor *c)
{
    skip_blanks(c);
    const char *start = c->p;
    while (is_word(*c->p)) c->p++;
    return str_of(start, (size_t)(c->p - start));
}

static const type *parse_type(cursor *c);

static const type *parse_struct(cursor *c)
{
    type_field fields[8];
    int n = 0;
    expect(c, '<');
    do {
        check(n < 8);
        fields[n].name = word(c);
        fields[n++].type = parse_type(c);
    } while (eat(c, ','));
    expect(c, '>');
    return type_struct(c->mem, fields, n);
}

static const type *parse_lambda(cursor *c)
{
    type_field fields[4];
    int n = 0;
    expect(c, '(');
    do {
        check(n < 4);
        fields[n].name = (str){0};
        fields[n++].type = parse_type(c);
    } while (eat(c, ','));
    expect(c, ')');
    type *t = ARENA_NEW(c->mem, type);
    *t = *type_struct(c->mem, fields, n);
    t->kind = TYPE_LAMBDA;
    t->elem = parse_type(c);
    return t;
}

static const type *generic(cursor *c, char letter)
{
    type *t = ARENA_NEW(c->mem, type);
    *t = (type){.kind = TYPE_GENERIC, .generic = letter};
    return t;
}

static const type *parse_type(cursor *c)
{
    static const struct {
        const char *name;
        type_kind kind;
    } simple[] = {
        {"BOOLEAN", TYPE_BOOLEAN},     {"INT", TYPE_INT},       {"BIGINT", TYPE_BIGINT}, {"DOUBLE", TYPE_DOUBLE},
        {"STRING", TYPE_STRING},       {"BYTES", TYPE_BYTES},   {"DATE", TYPE_DATE},     {"TIME", TYPE_TIME},
        {"TIMESTAMP", TYPE_TIMESTAMP}, {"UNIT", TYPE_INTERVAL},
    };
    str name = word(c);
    for (size_t i = 0; i < ARRAY_LEN(simple); i++) {
        if (str_eqz(name, simple[i].name)) return type_simple(simple[i].kind);
    }
    if (str_eqz(name, "DECIMAL")) return type_decimal(c->mem, 0, 0);
    if (str_eqz(name, "ANY")) return generic(c, '?');
    if (str_eqz(name, "STRUCT")) return parse_struct(c);
    if (str_eqz(name, "FN")) return parse_lambda(c);
    if (str_eqz(name, "ARRAY")) {
        expect(c, '<');
        const type *elem = parse_type(c);
        expect(c, '>');
        return type_array(c->mem, elem);
    }
    if (str_eqz(name, "MAP")) {
        expect(c, '<');
        const type *key = parse_type(c);
        expect(c, ',');
        const type *item = parse_type(c);
        expect(c, '>');
        return type_map(c->mem, key, item);
    }
    if (name.n != 1) check_failed(c->text, (int)(c->p - c->text), "type in a function signature");
    return generic(c, name.p[0]);
}

void func_parse_signature(arena *a, const char *signature, func *f)
{
    cursor c = {a, signature, signature};
    func_param params[12];
    int n = 0;
    f->variadic = -1;
    expect(&c, '(');
    if (!eat(&c, ')')) {
        do {
            check(n < 12);
            func_param *p = &params[n];
            *p = (func_param){.name = word(&c)};
            p->type = parse_type(&c);
            p->primitive = eat(&c, '!');
            if (*c.p == '.') {
                c.p += 3;
                p->variadic = true;
                f->variadic = n;
            }
            p->constant = eat(&c, '@');
            n++;
        } while (eat(&c, ','));
        expect(&c, ')');
    }
    f->result = parse_type(&c);
    check(*c.p == 0);
    func_param *copy = ARENA_ARRAY(a, func_param, (size_t)n);
    memcpy(copy, params, sizeof *copy * (size_t)n);
    f->params = copy;
    f->param_count = n;
}

bool func_has_generics(const type *t)
{
    if (!t) return false;
    if (t->kind == TYPE_GENERIC) return t->generic != '?';
    if (func_has_generics(t->elem) || func_has_generics(t->key)) return true;
    for (int i = 0; i < t->field_count; i++) {
        if (func_has_generics(t->fields[i].type)) return true;
    }
    return false;
}

/* A parameter's type as ksqlDB's ParamType prints it. */
static void print_param_type(const type *t, buf *out)
{
    switch (t->kind) {
    case TYPE_INT: buf_add_z(out, "INT"); return;
    case TYPE_STRING: buf_add_z(out, "VARCHAR"); return;
    case TYPE_DECIMAL: buf_add_z(out, "DECIMAL"); return;
    case TYPE_GENERIC:
        if (t->generic == '?')
            buf_add_z(out, "ANY");
        else
            buf_add_char(out, t->generic);
        return;
    case TYPE_ARRAY:
        buf_add_z(out, "ARRAY<");
        print_param_type(t->elem, out);
        buf_add_char(out, '>');
        return;
    case TYPE_MAP:
        buf_add_z(out, "MAP<");
        print_param_type(t->key, out);
        buf_add_z(out, ", ");
        print_param_type(t->elem, out);
        buf_add_char(out, '>');
        return;
    case TYPE_STRUCT:
    case TYPE_LAMBDA:
        buf_add_z(out, t->kind == TYPE_STRUCT ? "STRUCT<" : "LAMBDA (");
        for (int i = 0; i < t->field_count; i++) {
            if (i) buf_add_z(out, ", ");
            if (t->kind == TYPE_STRUCT) buf_printf(out, "%.*s ", STR_ARG(t->fields[i].name));
            print_param_type(t->fields[i].type, out);
        }
        buf_add_z(out, t->kind == TYPE_STRUCT ? ">" : ") => ");
        if (t->kind == TYPE_LAMBDA) print_param_type(t->elem, out);
        return;
    default: buf_add_z(out, type_kind_name(t->kind)); return;
    }
}

void func_print_signature(const func *f, buf *out)
{
    buf_add_str(out, f->group->display);
    buf_add_char(out, '(');
    for (int i = 0; i < f->param_count; i++) {
        if (i) buf_add_z(out, ", ");
        print_param_type(f->params[i].type, out);
        if (f->params[i].variadic) buf_add_z(out, "...");
        if (f->params[i].name.n) buf_printf(out, " %.*s", STR_ARG(f->params[i].name));
    }
    buf_add_char(out, ')');
}

void func_print_param_type(const func_param *p, buf *out)
{
    print_param_type(p->type, out);
    if (p->variadic) buf_add_z(out, "...");
}

void func_print_result_type(const func *f, buf *out)
{
    print_param_type(f->result, out);
}
