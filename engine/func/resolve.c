/*
 * The choice of an overload, as ksqlDB's UdfIndex makes it, and the types that follow from it.
 *
 * UdfIndex walks a trie of parameter pairs; what it finds is the set of overloads whose parameters, with the variadic
 * one repeated as needed, accept the arguments. Overloads whose expanded parameters are the same share a node, which
 * keeps the best; between different nodes the best must be strictly better than the next, or the call is ambiguous.
 */
#include "base/check.h"
#include "engine/func/registry.h"
#include "engine/func/table.h"

/* What the generic letters stand for. */
typedef struct generics {
    const type *of[128];
} generics;

const func_param *func_param_of(const func *f, int i, int count)
{
    if (f->variadic < 0 || i < f->variadic) return &f->params[i];
    int repeated = count - (f->param_count - 1);
    if (i < f->variadic + repeated) return &f->params[f->variadic];
    return &f->params[i - repeated + 1];
}

int func_constant_args(const func *f, int count)
{
    int n = 0;
    for (int i = 0; i < count; i++) n += func_param_of(f, i, count)->constant;
    return n;
}

static bool same_kind(const type *declared, const func_arg *arg)
{
    return arg->type && declared->kind == arg->type->kind;
}

static func_arg arg_of(const type *t)
{
    return (func_arg){.type = t};
}

/* GenericsUtil.resolveGenerics with reservation at once: the order of the pairs does not change the outcome. */
static bool reserve(const type *declared, const func_arg *arg, generics *g)
{
    bool letter = declared->kind == TYPE_GENERIC && declared->generic != '?';
    if (letter) {
        if (arg->type->kind == TYPE_LAMBDA || arg->type->kind == TYPE_INTERVAL) return false;
        const type **slot = &g->of[(unsigned char)declared->generic & 127];
        if (*slot && !type_eq(*slot, arg->type)) return false;
        *slot = arg->type;
        return true;
    }
    if (!same_kind(declared, arg)) return false;
    if (!func_has_generics(declared)) return true;
    if (declared->kind == TYPE_LAMBDA) {
        if (declared->field_count != arg->lambda_params) return false;
        if (!arg->lambda_result) return true;
        func_arg result = arg_of(arg->lambda_result);
        return reserve(declared->elem, &result, g);
    }
    func_arg elem = arg_of(arg->type->elem);
    if (declared->kind == TYPE_MAP) {
        func_arg key = arg_of(arg->type->key);
        if (!reserve(declared->key, &key, g)) return false;
    }
    return reserve(declared->elem, &elem, g);
}

/* SqlBaseType.canImplicitlyCast. */
static bool casts_implicitly(type_kind from, type_kind to)
{
    static const int rank[TYPE_KIND_COUNT] = {[TYPE_INT] = 1, [TYPE_BIGINT] = 2, [TYPE_DECIMAL] = 3, [TYPE_DOUBLE] = 4};
    if (from == to) return true;
    if (rank[from] && rank[to]) return rank[from] <= rank[to];
    return from == TYPE_STRING && (to == TYPE_DATE || to == TYPE_TIME || to == TYPE_TIMESTAMP || to == TYPE_BYTES);
}

static bool compatible(const func_arg *arg, const type *declared, bool casts)
{
    const type *t = arg->type;
    if (declared->kind == TYPE_GENERIC) return true;
    if (t->kind == TYPE_LAMBDA || declared->kind == TYPE_LAMBDA)
        return t->kind == declared->kind && arg->lambda_params == declared->field_count;
    if (t->kind == TYPE_INTERVAL || declared->kind == TYPE_INTERVAL) return t->kind == declared->kind;
    if (t->kind == declared->kind && t->kind == TYPE_STRUCT) {
        if (t->field_count == 0 || declared->field_count == 0) return true;
        if (t->field_count != declared->field_count) return false;
        for (int i = 0; i < declared->field_count; i++) {
            int at = type_field_index(t, declared->fields[i].name);
            if (at < 0) return false;
            func_arg field = arg_of(t->fields[at].type);
            if (!compatible(&field, declared->fields[i].type, false)) return false;
        }
        return true;
    }
    if (t->kind == declared->kind && (t->kind == TYPE_ARRAY || t->kind == TYPE_MAP)) {
        func_arg elem = arg_of(t->elem), key = arg_of(t->key);
        return compatible(&elem, declared->elem, casts) &&
               (t->kind == TYPE_ARRAY || compatible(&key, declared->key, casts));
    }
    return t->kind == declared->kind || (casts && casts_implicitly(t->kind, declared->kind));
}

static bool accepts(const func *f, const func_arg *args, int count, bool casts)
{
    if (f->variadic < 0 ? count != f->param_count : count < f->param_count - 1) return false;
    generics g = {0};
    for (int i = 0; i < count; i++) {
        const type *declared = func_param_of(f, i, count)->type;
        if (args[i].type->kind == TYPE_NULL) continue;
        bool ok = func_has_generics(declared) ? reserve(declared, &args[i], &g) : compatible(&args[i], declared, casts);
        if (!ok) return false;
    }
    return true;
}

static int generic_params(const func *f)
{
    int n = 0;
    for (int i = 0; i < f->param_count; i++) {
        const type *t = f->params[i].type;
        n += func_has_generics(t) || (t->kind == TYPE_GENERIC && f->params[i].variadic);
    }
    return n;
}

static bool has_any_variadic(const func *f)
{
    return f->variadic >= 0 && f->params[f->variadic].type->kind == TYPE_GENERIC &&
           f->params[f->variadic].type->generic == '?';
}

/* UdfIndex's order: greater is better. */
static int compare_overloads(const func *a, const func *b)
{
    int c = (a->variadic < 0) - (b->variadic < 0);
    if (!c) c = a->param_count - b->param_count;
    if (!c) c = generic_params(b) - generic_params(a);
    if (!c) c = has_any_variadic(b) - has_any_variadic(a);
    if (!c) c = a->variadic - b->variadic;
    return c;
}

static bool same_expansion(const func *a, const func *b, int count)
{
    for (int i = 0; i < count; i++) {
        if (!type_eq(func_param_of(a, i, count)->type, func_param_of(b, i, count)->type)) return false;
    }
    return true;
}

enum { CANDIDATES_MAX = 32 };

/* The best candidate; NULL with *ambiguous set or not. */
static const func *best(const func_group *g, const func_arg *args, int count, bool casts, bool *ambiguous)
{
    const func *found[CANDIDATES_MAX];
    int n = 0;
    for (int i = 0; i < g->count; i++) {
        const func *f = g->overloads[i];
        if (!accepts(f, args, count, casts)) continue;
        int at = 0;
        while (at < n && !same_expansion(found[at], f, count)) at++;
        if (at == n) {
            check(n < CANDIDATES_MAX);
            found[n++] = f;
        } else if (compare_overloads(f, found[at]) > 0) {
            found[at] = f;
        }
    }
    const func *top = NULL;
    for (int i = 0; i < n; i++) {
        int c = top ? compare_overloads(found[i], top) : 1;
        if (c > 0)
            *ambiguous = false;
        else if (c == 0)
            *ambiguous = true;
        if (c > 0) top = found[i];
    }
    return *ambiguous ? NULL : top;
}

static void print_args(const func_arg *args, int count, buf *out)
{
    buf_add_char(out, '(');
    for (int i = 0; i < count; i++) {
        if (i) buf_add_z(out, ", ");
        type_print_unquoted(args[i].type, out);
    }
    buf_add_char(out, ')');
}

static void refuse(const func_group *g, const func_arg *args, int count, bool ambiguous, span at, diag *d)
{
    buf text = {0};
    buf_printf(&text,
               ambiguous ? "Function '%.*s' cannot be resolved due to ambiguous method parameters "
                         : "Function '%.*s' does not accept parameters ",
               STR_ARG(g->display));
    print_args(args, count, &text);
    buf_add_z(&text, ambiguous ? ".\nUse CAST() to explicitly cast your parameters to one of the supported function "
                                 "calls.\nValid function calls are:\n"
                               : ".\nValid alternatives are:\n");
    for (int i = 0; i < g->count; i++) {
        func_print_signature(g->overloads[i], &text);
        buf_add_char(&text, '\n');
    }
    buf_add_z(&text, "For detailed information on a function run: DESCRIBE FUNCTION <Function-Name>;");
    diag_at(d, at, DIAG_STATEMENT, "%s", buf_z(&text));
    buf_free(&text);
}

const func *func_resolve(const func_group *g, const func_arg *args, int count, span at, diag *d)
{
    bool ambiguous = false;
    const func *f = best(g, args, count, false, &ambiguous);
    if (!f && !ambiguous && g->kind != FUNC_AGGREGATE) f = best(g, args, count, true, &ambiguous);
    if (!f) refuse(g, args, count, ambiguous, at, d);
    return f;
}

/* The type with its letters replaced; NULL when one is unknown. */
static const type *substitute(arena *a, const type *t, const generics *g)
{
    if (!func_has_generics(t)) return t;
    if (t->kind == TYPE_GENERIC) return g->of[(unsigned char)t->generic & 127];
    if (t->kind == TYPE_STRUCT) {
        type_field *fields = ARENA_ARRAY(a, type_field, (size_t)t->field_count);
        for (int i = 0; i < t->field_count; i++) {
            fields[i] = (type_field){t->fields[i].name, substitute(a, t->fields[i].type, g)};
            if (!fields[i].type) return NULL;
        }
        return type_struct(a, fields, t->field_count);
    }
    const type *elem = substitute(a, t->elem, g);
    if (!elem) return NULL;
    if (t->kind == TYPE_ARRAY) return type_array(a, elem);
    const type *key = substitute(a, t->key, g);
    return key ? type_map(a, key, elem) : NULL;
}

/* A lambda whose body is the literal NULL says nothing about its type. */
static bool says_nothing(const func_arg *arg)
{
    return arg->type->kind == TYPE_NULL || (arg->lambda_result && arg->lambda_result->kind == TYPE_NULL);
}

/*
 * Whether the body of a lambda, once it is typed, gives what the function takes from it. The overload was chosen
 * before: FILTER(a, x => 'text') would have its text read as a BOOLEAN.
 */
static bool lambda_fits(const type *declared, const func_arg *arg, generics *g)
{
    const type *got = arg->lambda_result;
    if (arg->type->kind != TYPE_LAMBDA || !got || says_nothing(arg)) return true;
    if (!func_has_generics(declared->elem)) return type_eq(declared->elem, got);
    if (reserve(declared, arg, g)) return true;
    /* Sums of decimals grow by a digit; with one scale their values mean the same. */
    const type *bound =
        declared->elem->kind == TYPE_GENERIC ? g->of[(unsigned char)declared->elem->generic & 127] : NULL;
    return bound && bound->kind == TYPE_DECIMAL && got->kind == TYPE_DECIMAL && bound->scale == got->scale;
}

/* Binds the letters by the arguments before `upto`; false when a lambda's body does not fit. */
static bool reserve_args(const func *f, const func_arg *args, int count, int upto, generics *g)
{
    bool fits = true;
    for (int i = 0; i < upto; i++) {
        const type *declared = func_param_of(f, i, count)->type;
        if (declared->kind == TYPE_LAMBDA)
            fits = fits && lambda_fits(declared, &args[i], g);
        else if (!says_nothing(&args[i]) && func_has_generics(declared))
            reserve(declared, &args[i], g);
    }
    return fits;
}

/* The first letter of t that has no type yet. */
static char missing_letter(const type *t, const generics *g)
{
    if (!t) return 0;
    if (t->kind == TYPE_GENERIC) return g->of[(unsigned char)t->generic & 127] ? 0 : t->generic;
    char c = missing_letter(t->key, g);
    if (!c) c = missing_letter(t->elem, g);
    for (int i = 0; i < t->field_count && !c; i++) c = missing_letter(t->fields[i].type, g);
    return c;
}

bool func_lambda_params(arena *a, const func *f, const func_arg *args, int count, int i, const type **out, span at,
                        diag *d)
{
    const type *declared = func_param_of(f, i, count)->type;
    check(declared->kind == TYPE_LAMBDA && declared->field_count == args[i].lambda_params);
    generics g = {0};
    reserve_args(f, args, count, i, &g);
    for (int p = 0; p < declared->field_count; p++) {
        out[p] = substitute(a, declared->fields[p].type, &g);
        if (!out[p])
            return diag_at(d, at, DIAG_STATEMENT, "Could not resolve type for generic %c.",
                           missing_letter(declared->fields[p].type, &g));
    }
    return true;
}

/* The declared concrete type for an argument; DECIMAL takes the precision that the argument has as a decimal. */
static const type *concrete(arena *a, const type *declared, const type *arg)
{
    switch (declared->kind) {
    case TYPE_DECIMAL:
        if (arg && arg->kind == TYPE_DECIMAL) return arg;
        if (arg && arg->kind == TYPE_BIGINT) return type_decimal(a, 19, 0);
        return type_decimal(a, 10, 0);
    case TYPE_ARRAY: return type_array(a, concrete(a, declared->elem, arg ? arg->elem : NULL));
    case TYPE_MAP:
        return type_map(a, concrete(a, declared->key, arg ? arg->key : NULL),
                        concrete(a, declared->elem, arg ? arg->elem : NULL));
    default: return declared;
    }
}

const type *func_param_type(arena *a, const func *f, const func_arg *args, int count, int i)
{
    const type *declared = func_param_of(f, i, count)->type, *arg = args[i].type;
    if (arg->kind == TYPE_LAMBDA || arg->kind == TYPE_INTERVAL) return NULL;
    if (arg->kind != TYPE_NULL) {
        if (func_has_generics(declared) || declared->kind == TYPE_GENERIC || declared->kind == TYPE_STRUCT) return NULL;
        const type *to = concrete(a, declared, arg);
        return type_eq(to, arg) ? NULL : to;
    }
    if (declared->kind == TYPE_INTERVAL || declared->kind == TYPE_LAMBDA) return NULL;
    if (declared->kind == TYPE_DECIMAL) {
        for (int k = 0; k < count; k++) {
            if (args[k].type->kind == TYPE_DECIMAL) return args[k].type;
        }
    }
    generics g = {0};
    reserve_args(f, args, count, count, &g);
    if (declared->kind == TYPE_GENERIC || func_has_generics(declared)) {
        const type *t = declared->generic == '?' ? NULL : substitute(a, declared, &g);
        return t ? t : type_simple(TYPE_BOOLEAN);
    }
    return concrete(a, declared, NULL);
}

const type *func_result_type(arena *a, const func *f, const func_arg *args, int count, span at, diag *d)
{
    const type *known[64];
    int n = 0;
    generics g = {0};
    if (!reserve_args(f, args, count, count, &g)) {
        refuse(f->group, args, count, false, at, d);
        return NULL;
    }
    for (int i = 0; i < count && n < 64; i++) {
        if (args[i].type->kind != TYPE_NULL) known[n++] = args[i].type;
    }
    if (f->result_rule) {
        const type *t = n ? f->result_rule(a, known, n) : NULL;
        if (t) return t;
        diag_at(d, at, DIAG_STATEMENT, "Could not determine the result type of function '%.*s'.",
                STR_ARG(f->group->display));
        return NULL;
    }
    const type *t = substitute(a, f->result, &g);
    if (!t)
        diag_at(d, at, DIAG_STATEMENT, "Could not find mapping for generic type: %c", missing_letter(f->result, &g));
    return t;
}
