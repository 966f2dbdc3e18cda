/* Aggregates: results, undo, merging of halves, and states that survive being stored. */
#include "engine/func/agg.h"
#include "tests/support/engine/mini.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* An aggregate over rows: "1; 2" or, with several arguments, "1, 'a'; 2, 'b'"; behind '~' rows that are undone. */
typedef struct story {
    const char *name;
    const char *types; /* of the row's arguments, separated by ';' */
    const char *constants; /* "2" or "2; TRUE", or empty */
    const char *rows;
    const char *want;
} story;

typedef struct parsed {
    value rows[64][4];
    int count;
    int undone; /* the last of them */
} parsed;

static value literal(arena *a, str text, const type *t)
{
    diag d = {0};
    value v, out;
    const char *z = arena_strz(a, text);
    const expr *e = mini_parse(a, z, NULL);
    if (e->type->kind == TYPE_NULL) return value_null();
    ck_assert_msg(expr_eval_const(a, e, NULL, NULL, &v, &d), "%s", d.text);
    ck_assert_msg(expr_cast_value(a, e->type, t, NULL, v, &out, &d), "%s", d.text);
    return out;
}

static int split(str text, char at, str *out)
{
    int n = 0, depth = 0;
    size_t start = 0;
    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && (text.p[i] == '[' || text.p[i] == '(' || text.p[i] == '<')) depth++;
        if (i < text.n && (text.p[i] == ']' || text.p[i] == ')' || text.p[i] == '>')) depth--;
        if (i < text.n && (text.p[i] != at || depth)) continue;
        str part = str_trim(str_of(text.p + start, i - start));
        if (part.n) out[n++] = part;
        start = i + 1;
    }
    return n;
}

static int parse_rows(arena *a, str text, const type *const *types, int arity, parsed *p)
{
    str rows[64], parts[4];
    int n = split(text, ';', rows);
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(split(rows[i], ',', parts), arity);
        for (int k = 0; k < arity; k++) p->rows[p->count][k] = literal(a, parts[k], types[k]);
        p->count++;
    }
    return n;
}

static const agg *bind(arena *a, const story *s, parsed *p, diag *d)
{
    str texts[8], constants[4];
    const type **types = ARENA_ARRAY(a, const type *, 8);
    func_arg args[8];
    int arity = split(str_z(s->types), ';', texts), n = split(str_z(s->constants), ';', constants);
    value values[4];
    for (int i = 0; i < arity; i++) types[i] = mini_type(a, arena_strz(a, texts[i]));
    for (int i = 0; i < arity; i++) args[i] = (func_arg){.type = types[i]};
    for (int i = 0; i < n; i++) {
        const expr *e = mini_parse(a, arena_strz(a, constants[i]), NULL);
        args[arity + i] = (func_arg){.type = e->type};
        ck_assert(expr_eval_const(a, e, NULL, NULL, &values[i], d));
    }
    const func *f = func_resolve(func_get(str_z(s->name), NO_SPAN, d), args, arity + n, NO_SPAN, d);
    if (!f) return NULL;
    ck_assert_int_eq(func_constant_args(f, arity + n), n);
    str parts[2];
    int halves = split(str_z(s->rows), '~', parts);
    if (halves > 0 && s->rows[0] != '~') parse_rows(a, parts[0], types, arity, p);
    if (halves > 1) p->undone = parse_rows(a, parts[1], types, arity, p);
    return agg_new(a, f, types, arity, values, n, NULL, d);
}

static void add(const agg *g, void *state, const value *row)
{
    const char *why = "";
    ck_assert_msg(g->class->add(g, state, row, &why), "%s", why);
}

/* Stores the state and builds it anew. */
static void *reload(arena *a, const agg *g, void *state)
{
    value saved = value_copy(a, g->state_type, agg_save(g, state, a));
    agg_drop(g, state);
    void *fresh = arena_zalloc(a, g->class->state_size);
    agg_init(g, fresh);
    ck_assert(g->class->load(g, fresh, saved));
    return fresh;
}

static const char *run_story(arena *a, const story *s)
{
    diag d = {0};
    parsed p = {0};
    const agg *g = bind(a, s, &p, &d);
    if (!g) return arena_printf(a, "ERROR: %s", d.text).p;
    void *state = arena_zalloc(a, g->class->state_size), *tail = arena_zalloc(a, g->class->state_size);
    agg_init(g, state);
    int added = p.count - p.undone;
    for (int i = 0; i < added; i++) {
        add(g, state, p.rows[i]);
        if (i == added / 2) state = reload(a, g, state);
    }
    for (int i = added; i < p.count; i++) {
        const char *why = "";
        ck_assert(agg_can_undo(g));
        ck_assert(g->class->undo(g, state, p.rows[i], &why));
    }
    const char *text = mini_text(a, g->type, g->class->result(g, state, a));
    state = reload(a, g, state);
    ck_assert_str_eq(text, mini_text(a, g->type, g->class->result(g, state, a)));
    agg_drop(g, state);
    agg_drop(g, tail);
    return text;
}

static void stories(const story *rows, size_t n)
{
    int wrong = 0;
    for (size_t i = 0; i < n; i++) {
        arena *a = arena_new();
        const char *got = run_story(a, &rows[i]);
        bool error = strncmp(rows[i].want, "ERROR", 5) == 0;
        if (error ? strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 : strcmp(got, rows[i].want) != 0) {
            fprintf(stderr, "%s(%s): got %s, want %s\n", rows[i].name, rows[i].rows, got, rows[i].want);
            wrong++;
        }
        arena_free(a);
    }
    ck_assert_int_eq(wrong, 0);
}
#define STORIES(...)                                                                                                   \
    do {                                                                                                               \
        static const story rows[] = {__VA_ARGS__};                                                                     \
        stories(rows, sizeof rows / sizeof rows[0]);                                                                   \
    } while (0)

START_TEST(basic_aggregates_ignore_nulls)
{
    STORIES({"COUNT", "INT", "", "1; NULL; 3", "2"}, {"COUNT", "STRING", "", "'a'; 'b' ~ 'a'", "1"},
            {"SUM", "INT", "", "1; NULL; 3", "4"}, {"SUM", "INT", "", "2147483647; 1", "-2147483648"},
            {"SUM", "BIGINT", "", "5000000000; 1 ~ 1", "5000000000"}, {"SUM", "DOUBLE", "", "1.5; 2.5", "4.0"},
            {"SUM", "DECIMAL(4,2)", "", "1.50; 2.25 ~ 1.50", "2.25"}, {"SUM", "INT", "", "", "0"},
            {"SUM_LIST", "ARRAY<INT>", "", "ARRAY[1, NULL, 2]; NULL; ARRAY[3] ~ ARRAY[3]", "3"},
            {"AVG", "INT", "", "1; 2", "1.5"}, {"AVG", "INT", "", "", "0.0"},
            {"AVG", "INT", "", "2147483647; 1", "-1.073741824E9"}, {"AVG", "DOUBLE", "", "1e0; 2e0 ~ 1e0", "2.0"},
            {"MIN", "INT", "", "3; NULL; 1", "1"}, {"MAX", "STRING", "", "'a'; 'c'; 'b'", "'c'"},
            {"MIN", "STRING", "", "", "NULL"}, {"MAX", "BYTES", "", "x'80'; x'01'", "01"},
            {"MAX", "DECIMAL(3,1)", "", "1.5; 2.5", "2.5"},
            {"MIN", "DATE", "", "DATE '2020-01-02'; DATE '2020-01-01'", "2020-01-01"},
            {"SUM", "STRING", "", "", "ERROR: Function 'SUM' does not accept parameters (STRING)"});
}
END_TEST

START_TEST(collecting_aggregates_keep_order)
{
    STORIES({"COLLECT_LIST", "INT", "", "1; NULL; 1; 2 ~ 1", "[1, NULL, 2]"},
            {"COLLECT_SET", "STRING", "", "'b'; 'a'; 'b'; NULL; NULL", "['b', 'a', NULL]"},
            {"COLLECT_SET", "INT", "", "1;2;3;4;5;6;7;8;9;10;1;5;10", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"},
            {"HISTOGRAM", "STRING", "", "'a'; 'b'; 'a' ~ 'b'", "{'a': 2}"},
            {"COLLECT_LIST", "MAP<STRING, INT>", "", "MAP('a' := 1)", "[{'a': 1}]"},
            {"ATTR", "STRING", "", "'a'; 'a'", "'a'"}, {"ATTR", "STRING", "", "'a'; 'b'", "NULL"},
            {"ATTR", "STRING", "", "'a'; 'b' ~ 'b'", "'a'"}, {"ATTR", "INT", "", "1; NULL", "NULL"},
            {"HISTOGRAM", "STRING", "", "", "{}"});
}
END_TEST

START_TEST(offsets_pick_the_first_and_the_last)
{
    STORIES({"EARLIEST_BY_OFFSET", "INT", "", "NULL; 1; 2", "1"},
            {"EARLIEST_BY_OFFSET", "INT", "FALSE", "NULL; 1", "NULL"},
            {"EARLIEST_BY_OFFSET", "INT", "2", "1; 2; 3", "[1, 2]"},
            {"EARLIEST_BY_OFFSET", "INT", "2; FALSE", "NULL; 2; 3", "[NULL, 2]"},
            {"LATEST_BY_OFFSET", "STRING", "", "'a'; 'b'; NULL", "'b'"},
            {"LATEST_BY_OFFSET", "STRING", "FALSE", "'a'; NULL", "NULL"},
            {"LATEST_BY_OFFSET", "INT", "2", "1; 2; 3", "[2, 3]"},
            {"LATEST_BY_OFFSET", "INT", "0", "1", "ERROR: latestN must be 1 or greater"});
}
END_TEST

START_TEST(topk_sorts_descending)
{
    STORIES(
        {"TOPK", "INT", "2", "1; 3; 2; 3; NULL", "[3, 3]"}, {"TOPK", "STRING", "3", "'a'; 'c'", "['c', 'a']"},
        {"TOPK", "INT; STRING", "2", "1, 'a'; 2, 'b'; 3, 'c'", "[{sort_col: 3, col0: 'c'}, {sort_col: 2, col0: 'b'}]"},
        {"TOPK", "DOUBLE; INT; BYTES", "1", "1, 1, x'00'; 1, 2, x'01'", "[{sort_col: 1.0, col0: 1, col1: 00}]"},
        {"TOPKDISTINCT", "INT", "2", "1; 3; 3; 2", "[3, 2]"},
        {"TOPKDISTINCT", "BYTES", "2", "x'01'; x'80'", "[01, 80]"},
        {"TOPKDISTINCT", "DECIMAL(3,1)", "1", "1.5; 2.5", "[2.5]"});
}
END_TEST

START_TEST(statistics_match_their_definitions)
{
    STORIES({"STDDEV_SAMPLE", "INT", "", "2; 4; 4; 4; 5; 5; 7; 9", "2.138089935299395"},
            {"STDDEV_SAMP", "INT", "", "2; 4; 4; 4; 5; 5; 7; 9", "4.571428571428571"},
            {"STDDEV_SAMPLE", "DOUBLE", "", "1", "0.0"}, {"STDDEV_SAMP", "BIGINT", "", "1; 3; 100 ~ 100", "2.0"},
            {"CORRELATION", "INT; INT", "", "1, 2; 2, 4; 3, 6", "1.0"},
            {"CORRELATION", "DOUBLE; DOUBLE", "", "1, 2; NULL, 1", "NaN"},
            {"COUNT_DISTINCT", "STRING", "", "'a'; 'b'; 'a'; NULL", "2"});
}
END_TEST

/* Two halves of the rows, each in a state of its own, merged. */
static const char *merged(arena *a, const story *s)
{
    diag d = {0};
    parsed p = {0};
    const agg *g = bind(a, s, &p, &d);
    ck_assert_msg(g, "%s", d.text);
    void *into = arena_zalloc(a, g->class->state_size), *from = arena_zalloc(a, g->class->state_size);
    agg_init(g, into);
    agg_init(g, from);
    const char *why = "";
    for (int i = 0; i < p.count; i++) add(g, i < p.count / 2 ? into : from, p.rows[i]);
    ck_assert(g->class->merge(g, into, from, &why));
    const char *text = mini_text(a, g->type, g->class->result(g, into, a));
    agg_drop(g, into);
    agg_drop(g, from);
    return text;
}

START_TEST(two_states_merge)
{
    static const story rows[] = {
        {"COUNT", "INT", "", "1; NULL; 3", "2"},
        {"SUM", "DECIMAL(4,2)", "", "1.5; 2.5", "4.00"},
        {"AVG", "INT", "", "1; 2; 3", "2.0"},
        {"MIN", "STRING", "", "'b'; 'a'", "'a'"},
        {"MAX", "STRING", "", "'b'; NULL", "'b'"},
        {"COLLECT_LIST", "INT", "", "1; 2; 3", "[1, 2, 3]"},
        {"COLLECT_SET", "INT", "", "1; 2; 1; 3", "[1, 2, 3]"},
        {"HISTOGRAM", "STRING", "", "'a'; 'a'", "{'a': 2}"},
        {"ATTR", "INT", "", "1; 1", "1"},
        {"EARLIEST_BY_OFFSET", "INT", "", "1; 2", "1"},
        {"LATEST_BY_OFFSET", "INT", "", "1; 2", "2"},
        {"LATEST_BY_OFFSET", "INT", "2", "1; 2; 3; 4", "[1, 2]"},
        {"EARLIEST_BY_OFFSET", "INT", "3", "1; 2; 3; 4", "[1, 2, 3]"},
        {"TOPK", "INT", "2", "1; 5; 4; 3", "[5, 4]"},
        {"TOPKDISTINCT", "INT", "3", "1; 5; 5; 3", "[5, 3, 1]"},
        {"STDDEV_SAMPLE", "INT", "", "2; 4; 4; 4; 5; 5; 7; 9", "2.138089935299395"},
        {"CORRELATION", "INT; INT", "", "1, 2; 2, 4; 3, 6", "1.0"},
        {"COUNT_DISTINCT", "INT", "", "1; 2; 2; 3", "3"},
        {"SUM_LIST", "ARRAY<INT>", "", "ARRAY[1]; ARRAY[2]", "3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        arena *a = arena_new();
        const char *got = merged(a, &rows[i]);
        ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s(%s): got %s, want %s", rows[i].name, rows[i].rows, got,
                      rows[i].want);
        arena_free(a);
    }
}
END_TEST

START_TEST(count_distinct_estimates_within_four_per_cent)
{
    arena *a = arena_new();
    diag d = {0};
    func_arg arg = {.type = type_simple(TYPE_BIGINT)};
    const func *f = func_resolve(func_find(STR("COUNT_DISTINCT")), &arg, 1, NO_SPAN, &d);
    const agg *g = agg_new(a, f, &arg.type, 1, NULL, 0, NULL, &d);
    void *state = arena_zalloc(a, g->class->state_size);
    const char *why;
    int64_t n = 0;
    for (int64_t target = 100; target <= 200000; target *= 20) {
        for (; n < target; n++) g->class->add(g, state, &(value){.l = n * 7919}, &why);
        int64_t got = g->class->result(g, state, a).l;
        ck_assert_msg(llabs(got - target) * 25 <= target, "%lld of %lld", (long long)got, (long long)target);
    }
    agg_drop(g, state);
    arena_free(a);
}
END_TEST

START_TEST(a_decimal_sum_that_overflows_leaves_the_state)
{
    arena *a = arena_new();
    diag d = {0};
    func_arg arg = {.type = type_decimal(a, 2, 1)};
    const func *f = func_resolve(func_find(STR("SUM")), &arg, 1, NO_SPAN, &d);
    const agg *g = agg_new(a, f, &arg.type, 1, NULL, 0, NULL, &d);
    void *state = arena_zalloc(a, g->class->state_size);
    const char *why = NULL;
    ck_assert(g->class->add(g, state, &(value){.dec = 90}, &why));
    ck_assert(!g->class->add(g, state, &(value){.dec = 20}, &why));
    ck_assert_ptr_nonnull(why);
    ck_assert_str_eq(mini_text(a, g->type, g->class->result(g, state, a)), "9.0");
    arena_free(a);
}
END_TEST

START_TEST(rows_are_added_to_their_own_states)
{
    arena *a = arena_new();
    diag d = {0};
    func_arg arg = {.type = type_simple(TYPE_INT)};
    const func *f = func_resolve(func_find(STR("SUM")), &arg, 1, NO_SPAN, &d);
    const agg *g = agg_new(a, f, &arg.type, 1, NULL, 0, NULL, &d);
    char *memory = arena_zalloc(a, 2 * g->class->state_size);
    vec v = vec_new(a, arg.type, 6);
    for (uint32_t i = 0; i < 6; i++) vec_set(&v, i, i == 2 ? value_null() : (value){.i = (int32_t)i});
    uint16_t sel[] = {1, 2, 4, 5};
    void *states[] = {memory, memory, memory + g->class->state_size, memory};
    const vec *args[] = {&v};
    agg_add_rows(g, states, args, sel, 4, NULL, NULL);
    ck_assert_int_eq(g->class->result(g, states[0], a).i, 6);
    ck_assert_int_eq(g->class->result(g, states[2], a).i, 4);
    arena_free(a);
}
END_TEST

UNIT_MAIN("engine/agg", basic_aggregates_ignore_nulls, collecting_aggregates_keep_order,
          offsets_pick_the_first_and_the_last, topk_sorts_descending, statistics_match_their_definitions,
          two_states_merge, count_distinct_estimates_within_four_per_cent,
          a_decimal_sum_that_overflows_leaves_the_state, rows_are_added_to_their_own_states)
