/*
 * Expressions over hostile values: what the checker accepts compiles and runs; a row alone gives what it gives among
 * others, an error included; a constant folds to what it evaluates to. All scalar functions are reached.
 *
 * Input: the text behind a two-byte length, then for each row two strings behind theirs and 24 bytes for the numbers.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "engine/expr_run.h"
#include "sql/parse.h"
#include "sql/typeck.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS = 4, TEXT_MAX = 600, STRING_MAX = 300 };
enum { C_S, C_T, C_B, C_BO, C_I, C_L, C_D, C_DC, C_DT, C_TI, C_TS, C_A, C_AI, C_M, C_ST, COLUMNS };

/* What was reported for one row. */
typedef struct told {
    arena *a;
    str why[ROWS];
    int count[ROWS];
} told;

static void hear(void *ctx, uint32_t row, str why)
{
    told *t = ctx;
    check(row < ROWS);
    if (t->count[row]++ == 0) t->why[row] = arena_str(t->a, why);
}

static const schema *make_schema(arena *a)
{
    type_field fields[] = {{STR("X"), type_simple(TYPE_INT)}, {STR("Y"), type_simple(TYPE_STRING)}};
    const type *string = type_simple(TYPE_STRING), *number = type_simple(TYPE_INT);
    const column columns[COLUMNS] = {
        [C_S] = {STR("S"), string, COLUMN_VALUE, {0}},
        [C_T] = {STR("T"), string, COLUMN_VALUE, {0}},
        [C_B] = {STR("B"), type_simple(TYPE_BYTES), COLUMN_VALUE, {0}},
        [C_BO] = {STR("BO"), type_simple(TYPE_BOOLEAN), COLUMN_VALUE, {0}},
        [C_I] = {STR("I"), number, COLUMN_VALUE, {0}},
        [C_L] = {STR("L"), type_simple(TYPE_BIGINT), COLUMN_VALUE, {0}},
        [C_D] = {STR("D"), type_simple(TYPE_DOUBLE), COLUMN_VALUE, {0}},
        [C_DC] = {STR("DC"), type_decimal(a, 12, 3), COLUMN_VALUE, {0}},
        [C_DT] = {STR("DT"), type_simple(TYPE_DATE), COLUMN_VALUE, {0}},
        [C_TI] = {STR("TI"), type_simple(TYPE_TIME), COLUMN_VALUE, {0}},
        [C_TS] = {STR("TS"), type_simple(TYPE_TIMESTAMP), COLUMN_VALUE, {0}},
        [C_A] = {STR("A"), type_array(a, string), COLUMN_VALUE, {0}},
        [C_AI] = {STR("AI"), type_array(a, number), COLUMN_VALUE, {0}},
        [C_M] = {STR("M"), type_map(a, string, number), COLUMN_VALUE, {0}},
        [C_ST] = {STR("ST"), type_struct(a, fields, ARRAY_LEN(fields)), COLUMN_VALUE, {0}},
    };
    return schema_new(a, columns, COLUMNS);
}

static const scope *make_scope(arena *a, const schema *s)
{
    scope_entry *entries = ARENA_ARRAY(a, scope_entry, COLUMNS);
    for (int i = 0; i < COLUMNS; i++)
        entries[i] = (scope_entry){STR("F"), s->columns[i].name, s->columns[i].type, i, 0, true};
    scope *out = ARENA_NEW(a, scope);
    *out = (scope){entries, COLUMNS};
    return out;
}

static value nest(arena *a, uint32_t n, value *items, value *keys)
{
    nested *v = ARENA_NEW(a, nested);
    *v = (nested){n, items, keys};
    return (value){.nest = v};
}

/* The values of one row; a bit of `nulls` for each column that is NULL. */
static void make_row(arena *a, reader *r, value *out)
{
    str one = utf8_repair(a, fuzz_bytes(r, STRING_MAX)), two = utf8_repair(a, fuzz_bytes(r, STRING_MAX));
    uint16_t nulls = (uint16_t)read_i16(r);
    int64_t n = read_i64(r), bits = read_i64(r);
    uint32_t small = read_u8(r);
    r->failed = false;
    value *strings = ARENA_ARRAY(a, value, 3), *numbers = ARENA_ARRAY(a, value, 3), *fields = ARENA_ARRAY(a, value, 2);
    strings[0] = (value){.s = one};
    strings[1] = (value){.s = two};
    strings[2] = value_null();
    numbers[0] = (value){.i = (int32_t)n};
    numbers[1] = value_null();
    numbers[2] = (value){.i = (int32_t)small};
    fields[0] = numbers[small % 3];
    fields[1] = strings[small % 3];
    out[C_S] = strings[0];
    out[C_T] = strings[1];
    out[C_B] = (value){.s = one};
    out[C_BO] = (value){.b = small & 1};
    out[C_I] = (value){.i = (int32_t)n};
    out[C_L] = (value){.l = n};
    memcpy(&out[C_D].d, &bits, sizeof bits);
    out[C_DC] = (value){.dec = (decimal)(n % INT64_C(1000000000000))};
    out[C_DT] = (value){.i = (int32_t)bits};
    out[C_TI] = (value){.i = (int32_t)(uint32_t)((uint64_t)bits % 86400000)};
    out[C_TS] = (value){.l = bits};
    out[C_A] = nest(a, small % 4, strings, NULL);
    out[C_AI] = nest(a, small % 4, numbers, NULL);
    out[C_M] = nest(a, str_eq(one, two) ? small % 2 : small % 3, numbers, strings);
    out[C_ST] = nest(a, 2, fields, NULL);
    for (int i = 0; i < COLUMNS; i++)
        if (nulls >> i & 1) out[i] = value_null();
}

static chunk *make_chunk(arena *a, const schema *s, value rows[][COLUMNS], uint32_t first, uint32_t n)
{
    chunk *c = chunk_new(a, s, n);
    c->rows = c->count = n;
    for (uint32_t r = 0; r < n; r++)
        for (int i = 0; i < COLUMNS; i++) vec_set(&c->cols[i], r, rows[first + r][i]);
    return c;
}

static expr_input input_of(arena *a, const chunk *c, func_env *env, told *t)
{
    *env = (func_env){.now_ms = 1589234567890};
    rng_seed(&env->random, 7);
    t->a = a;
    return (expr_input){.chunk = c, .mem = a, .env = env, .errors = {hear, t}};
}

static void run(arena *a, const expr *e, const schema *s, value rows[][COLUMNS], bool strict)
{
    diag d = {0};
    func_env env;
    told all = {0};
    vec out, single;
    expr_options options = {.nested_error_throws = strict};
    expr_program *p = expr_compile(a, e, &options, &d);
    check((p == NULL) == diag_is_set(&d));
    if (!p) return;
    expr_input in = input_of(a, make_chunk(a, s, rows, 0, ROWS), &env, &all);
    expr_run(p, &in, NULL, ROWS, &out);
    for (uint32_t r = 0; r < ROWS; r++) {
        told one = {0};
        func_env again;
        expr_input alone = input_of(a, make_chunk(a, s, rows, r, 1), &again, &one);
        expr_run(p, &alone, NULL, 1, &single);
        value x = vec_get(&out, r), y = vec_get(&single, 0);
        if (!x.null) {
            buf text = {0};
            value_print(e->type, x, &text);
            buf_free(&text);
        }
        /* RANDOM and UUID give each call another value. */
        if (env.random.s[0] == again.random.s[0] || r == 0) {
            check(value_eq(e->type, x, y));
            check((one.count[0] > 0) == (all.count[r] > 0) && str_eq(one.why[0], all.why[r]));
        }
    }
    if (!expr_is_constant(e)) return;
    value folded;
    diag_clear(&d);
    *(&env) = (func_env){.now_ms = 1589234567890};
    if (expr_eval_const(a, e, &options, &env, &folded, &d)) check(value_eq(e->type, folded, vec_get(&out, 0)));
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader r = reader_of(data, n);
    str text = fuzz_bytes(&r, TEXT_MAX);
    arena *a = arena_new();
    diag d = {0};
    const ast_expr *tree;
    expr *e;
    if (parse_expr(a, text, &tree, &d)) {
        const schema *s = make_schema(a);
        catalog *c = catalog_new();
        typeck t = {.a = a, .catalog = c, .scope = make_scope(a, s), .clause = "SELECT", .d = &d};
        if (typeck_expr(&t, tree, &e) && e->type->kind != TYPE_NULL) {
            check(!diag_is_set(&d));
            value rows[ROWS][COLUMNS];
            for (int i = 0; i < ROWS; i++) make_row(a, &r, rows[i]);
            run(a, e, s, rows, false);
            run(a, e, s, rows, true);
        } else {
            check(diag_is_set(&d) || e->type->kind == TYPE_NULL);
        }
        catalog_unref(c);
    }
    arena_free(a);
}

static const char *argument(const func_param *p)
{
    static const char *const texts[TYPE_KIND_COUNT] = {
        [TYPE_BOOLEAN] = "BO", [TYPE_INT] = "I",        [TYPE_BIGINT] = "L",      [TYPE_DECIMAL] = "DC",
        [TYPE_DOUBLE] = "D",   [TYPE_STRING] = "S",     [TYPE_BYTES] = "B",       [TYPE_DATE] = "DT",
        [TYPE_TIME] = "TI",    [TYPE_TIMESTAMP] = "TS", [TYPE_ARRAY] = "A",       [TYPE_MAP] = "M",
        [TYPE_STRUCT] = "ST",  [TYPE_NULL] = "NULL",    [TYPE_INTERVAL] = "DAYS", [TYPE_GENERIC] = "T"};
    if (p->type->kind == TYPE_LAMBDA)
        return p->type->field_count == 1 ? "x => x" : p->type->field_count == 2 ? "(x, y) => x" : "(x, y, z) => x";
    return texts[p->type->kind];
}

static void seed(fuzz_out *out, const char *text, const char *one, const char *two)
{
    buf b = {0};
    fuzz_put_bytes(&b, text, strlen(text));
    for (int i = 0; i < ROWS; i++) {
        fuzz_put_bytes(&b, one, strlen(one));
        fuzz_put_bytes(&b, two, strlen(two));
        write_i16(&b, (int16_t)(i == 2 ? 0x5555 : 0));
        write_i64(&b, i == 1 ? -3 : 12345 + i);
        write_i64(&b, i == 1 ? INT64_C(0x3ff8000000000000) : 1700000000000);
        buf_add_char(&b, (char)(i + 1));
    }
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

void fuzz_make(fuzz_out *out)
{
    static const char *const values[][2] = {{"text 12", "yyyy-MM-dd"},
                                            {"{\"a\":[1,{\"b\":null}]}", "$.a[1].b"},
                                            {"http://u@h:8/p?q=1#f", "q"},
                                            {"[a-z]+(\\d*)", "America/Los_Angeles"}};
    int n;
    const func_group *const *groups = func_list(&n);
    buf text = {0};
    for (int g = 0; g < n; g++) {
        fuzz_word(out, groups[g]->name);
        for (int f = 0; groups[g]->kind == FUNC_SCALAR && f < groups[g]->count; f++) {
            const func *one = groups[g]->overloads[f];
            buf_clear(&text);
            buf_printf(&text, "%.*s(", STR_ARG(groups[g]->name));
            for (int i = 0; i < one->param_count; i++)
                buf_printf(&text, "%s%s", i ? ", " : "", argument(&one->params[i]));
            buf_add_char(&text, ')');
            seed(out, buf_z(&text), values[(g + f) % 4][0], values[(g + f) % 4][1]);
        }
    }
    buf_free(&text);
    const char *const *plain = LIST(
        "S || T LIKE '%a_%' ESCAPE 'a'", "CASE WHEN I > 3 THEN L WHEN BO THEN -I ELSE 1 / I END",
        "CAST(S AS DECIMAL(5, 2))", "CAST(D AS INT) + CAST(L AS DOUBLE) % DC", "A[1] || A[-1] || M->x",
        "ST->X BETWEEN I AND L", "S IN (T, 'x', NULL)", "DC * DC / (DC - 1.50)", "CAST(TS AS STRING)",
        "CAST(A AS ARRAY<INT>)", "TRANSFORM(AI, x => x / (x - I))", "REDUCE(AI, 0, (s, x) => s + x)",
        "FILTER(M, (k, v) => v > 1)", "ARRAY[I, L, DC]", "MAP('k' := S, T := S)", "STRUCT(a := I, b := STRUCT(c := S))",
        "I IS DISTINCT FROM L", "DT > '2020-01-01' AND TI < '10:00' OR TS = '2020'", "CAST(S AS TIMESTAMP)",
        "CAST(S AS STRUCT<X INT>)", "F.S", "-9223372036854775808", "1.5e300 * 1e300");
    for (; *plain; plain++) seed(out, *plain, "12.345", "2020-02-30T25:00");
    fuzz_words(out, LIST("CAST(", " AS ", "DECIMAL(38, 10)", "ARRAY[", "=>", "CASE WHEN ", "NULL", "->", "||", "INT)",
                         "BIGINT)", "DOUBLE)", "STRING)", "'yyyy'", "0x", "1e400"));
}
