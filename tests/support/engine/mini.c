#include "tests/support/engine/mini.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/dtoa.h"
#include "tests/support/engine/mini_int.h"

static void put_text(buf *b, const type *t, value v)
{
    if (v.null) {
        buf_add_z(b, "NULL");
        return;
    }
    switch (t->kind) {
    case TYPE_STRING: buf_printf(b, "'%.*s'", STR_ARG(v.s)); break;
    case TYPE_BYTES: hex_put(b, v.s.p, v.s.n, false); break;
    case TYPE_ARRAY:
        buf_add_char(b, '[');
        for (uint32_t i = 0; i < v.nest->n; i++) {
            if (i) buf_add_z(b, ", ");
            put_text(b, t->elem, v.nest->items[i]);
        }
        buf_add_char(b, ']');
        break;
    case TYPE_MAP:
    case TYPE_STRUCT:
        buf_add_char(b, '{');
        for (uint32_t i = 0; i < v.nest->n; i++) {
            if (i) buf_add_z(b, ", ");
            if (t->kind == TYPE_MAP)
                put_text(b, t->key, v.nest->keys[i]);
            else
                buf_add_str(b, t->fields[i].name);
            buf_add_z(b, ": ");
            put_text(b, t->kind == TYPE_MAP ? t->elem : t->fields[i].type, v.nest->items[i]);
        }
        buf_add_char(b, '}');
        break;
    default: value_print(t, v, b); break;
    }
}

const char *mini_text(arena *a, const type *t, value v)
{
    buf b = {0};
    put_text(&b, t, v);
    char *text = arena_strz(a, buf_str(&b));
    buf_free(&b);
    return text;
}

typedef struct heard {
    arena *mem;
    const char *first;
    int count;
} heard;

static void hear(void *ctx, uint32_t row, str why)
{
    heard *h = ctx;
    if (!h->first) h->first = arena_printf(h->mem, "ERROR: %.*s", STR_ARG(why)).p;
    h->count++;
}

/* The value of row `row` of a chunk with `rows` rows of which every third is selected. */
static const char *eval_in(arena *a, const expr *e, uint32_t rows, uint32_t row, heard *h)
{
    diag d = {0};
    expr_program *p = expr_compile(a, e, NULL, &d);
    ck_assert_msg(p, "%s", d.text);
    schema s = {0};
    chunk *c = chunk_new(a, &s, rows);
    c->rows = c->count = rows;
    func_env env = {.now_ms = 1589234567890};
    rng_seed(&env.random, 7);
    expr_input in = {.chunk = c, .mem = a, .env = &env, .errors = {hear, h}};
    uint16_t sel[CHUNK_ROWS];
    uint32_t n = 0;
    for (uint32_t i = row % 3; i < rows; i += 3) sel[n++] = (uint16_t)i;
    vec out;
    expr_run(p, &in, rows == 1 ? NULL : sel, rows == 1 ? 1 : n, &out);
    return mini_text(a, e->type, vec_get(&out, row));
}

const char *mini_eval(arena *a, const char *text)
{
    const expr *e = mini_parse(a, text, NULL);
    heard one = {.mem = a}, many = {.mem = a};
    const char *single = eval_in(a, e, 1, 0, &one);
    const char *wide = eval_in(a, e, 130, 127, &many);
    if (expr_is_constant(e)) {
        ck_assert_str_eq(single, wide);
        /* Each selected row reports as the single one does: 43 rows of 130. */
        ck_assert_int_eq(many.count, one.count * 43);
    }
    bool null = strcmp(single, "NULL") == 0;
    return null && one.first ? one.first : single;
}
