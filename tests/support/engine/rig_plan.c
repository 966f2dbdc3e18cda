/* tests/support/engine/rig_plan.c - plans from text. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/engine/mini.h"
#include "tests/support/engine/rig_int.h"

/* The next piece of a text up to `separator` outside of brackets and quotes; advances *p. */
static bool next_piece(const char **p, char separator, str *out)
{
    while (**p == ' ') (*p)++;
    if (**p == 0) return false;
    const char *start = *p;
    int depth = 0;
    bool quoted = false;
    for (; **p; (*p)++) {
        char c = **p;
        if (c == '\'') quoted = !quoted;
        if (quoted) continue;
        if (c == '(' || c == '[' || c == '<') depth++;
        if (c == ')' || c == ']' || (c == '>' && depth > 0)) depth--;
        if (c == separator && depth <= 0) break;
    }
    *out = str_trim(str_of(start, (size_t)(*p - start)));
    if (**p) (*p)++;
    return true;
}

const schema *rig_schema(rig *r, const char *columns, bool table)
{
    column list[64];
    int n = 0;
    str piece;
    while (next_piece(&columns, ',', &piece)) {
        column c = {.role = COLUMN_VALUE};
        size_t i = 0;
        while (piece.p[i] != ' ') i++;
        c.name = str_of(piece.p, i);
        str type_text = str_trim(str_of(piece.p + i, piece.n - i));
        if (str_ends(type_text, STR(" KEY"))) {
            c.role = COLUMN_KEY;
            type_text = str_trim(str_of(type_text.p, type_text.n - 4));
        } else if (str_ends(type_text, STR(" HEADERS"))) {
            c.role = COLUMN_HEADERS;
            type_text = str_trim(str_of(type_text.p, type_text.n - 8));
        }
        c.type = mini_type(r->mem, arena_strz(r->mem, type_text));
        list[n++] = c;
    }
    schema *s = schema_new(r->mem, list, n);
    s->is_table = table;
    return s;
}

plan *rig_step(rig *r, plan_kind kind, const char *context, const schema *s, const plan *in)
{
    plan *p = ARENA_NEW(r->mem, plan);
    p->kind = kind;
    p->id = ++r->steps;
    p->context = str_z(context);
    p->schema = s;
    p->inputs[0] = in;
    p->input_count = in ? 1 : 0;
    return p;
}

static plan *source(rig *r, const char *topic, const char *columns, format_kind value_format, bool table)
{
    const schema *s = rig_schema(r, columns, table);
    plan *p = rig_step(r, PLAN_SOURCE, "KsqlTopic", s, NULL);
    rig_topic_of(r, str_z(topic));
    p->source = (plan_source){
        .name = str_z(topic),
        .topic = str_z(topic),
        .key_format = {.kind = s->key_count > 0 ? FORMAT_JSON : FORMAT_NONE, .wrapped = s->key_count > 1},
        .value_format = {.kind = value_format, .wrapped = true},
        .timestamp = {.column = -1},
        .materialize = table,
        .from_earliest = true,
    };
    return p;
}

plan *rig_source(rig *r, const char *topic, const char *columns, format_kind value_format)
{
    return source(r, topic, columns, value_format, false);
}

plan *rig_table(rig *r, const char *topic, const char *columns, format_kind value_format)
{
    return source(r, topic, columns, value_format, true);
}

plan *rig_filter(rig *r, const plan *in, const char *predicate)
{
    plan *p = rig_step(r, PLAN_FILTER, "WhereFilter", in->schema, in);
    p->filter.predicate = mini_parse(r->mem, predicate, in->schema);
    return p;
}

/* Splits "expr AS NAME". */
static str split_name(str piece, str *name)
{
    for (size_t i = piece.n; i-- > 4;) {
        if (memcmp(piece.p + i - 4, " AS ", 4) != 0) continue;
        *name = str_trim(str_of(piece.p + i, piece.n - i));
        return str_trim(str_of(piece.p, i - 4));
    }
    *name = piece;
    return piece;
}

static schema *schema_of(rig *r, const column *columns, int n, const schema *like)
{
    schema *s = schema_new(r->mem, columns, n);
    s->is_table = like->is_table;
    s->window = like->window;
    s->window_size = like->window_size;
    return s;
}

plan *rig_project(rig *r, const plan *in, const char *exprs)
{
    column columns[64];
    const expr **list = ARENA_ARRAY(r->mem, const expr *, 64);
    int *keys = ARENA_ARRAY(r->mem, int, 64);
    int n = 0;
    for (; n < in->schema->key_count; n++) {
        columns[n] = in->schema->columns[n];
        keys[n] = n;
    }
    int count = 0;
    str piece;
    while (next_piece(&exprs, ';', &piece)) {
        str name;
        str text = split_name(piece, &name);
        list[count] = mini_parse(r->mem, arena_strz(r->mem, text), in->schema);
        columns[n++] = (column){.name = arena_str(r->mem, name), .type = list[count]->type, .role = COLUMN_VALUE};
        count++;
    }
    plan *p = rig_step(r, PLAN_PROJECT, "Project", schema_of(r, columns, n, in->schema), in);
    p->project = (plan_project){list, count, keys};
    return p;
}

plan *rig_rekey(rig *r, const plan *in, const char *keys, bool group, int partitions)
{
    column columns[64];
    const expr **list = ARENA_ARRAY(r->mem, const expr *, 64);
    int *values = ARENA_ARRAY(r->mem, int, 64);
    int n = 0, count = 0;
    str piece;
    while (next_piece(&keys, ';', &piece)) {
        str name;
        str text = split_name(piece, &name);
        list[n] = mini_parse(r->mem, arena_strz(r->mem, text), in->schema);
        columns[n] = (column){.name = arena_str(r->mem, name), .type = list[n]->type, .role = COLUMN_KEY};
        n++;
    }
    int key_count = n;
    for (int i = 0; i < in->schema->count; i++) {
        bool taken = false;
        for (int k = 0; k < key_count; k++) taken = taken || str_eq(columns[k].name, in->schema->columns[i].name);
        if (taken && i < in->schema->key_count) continue;
        columns[n] = in->schema->columns[i];
        if (taken) columns[n].name = arena_printf(r->mem, "V_%.*s", STR_ARG(columns[n].name));
        columns[n].role = COLUMN_VALUE;
        values[count++] = i;
        n++;
    }
    plan *p = rig_step(r, PLAN_REKEY, "Aggregate-GroupBy", schema_of(r, columns, n, in->schema), in);
    p->rekey = (plan_rekey){.keys = list,
                            .count = key_count,
                            .exchange = true,
                            .drop_null_keys = group,
                            .key_format = {.kind = FORMAT_JSON, .wrapped = key_count > 1},
                            .partitions = partitions,
                            .value_columns = values,
                            .value_count = count};
    return p;
}

/* One "NAME(arg, ..., #constant) AS COLUMN". */
static plan_agg_call agg_call(rig *r, const plan *in, str piece, str *name)
{
    str text = split_name(piece, name);
    ptrdiff_t open = str_find(text, STR("("), 0);
    ck_assert_int_gt((int)open, 0);
    const func_group *g = func_find(str_of(text.p, (size_t)open));
    ck_assert_ptr_nonnull(g);
    const char *inner = arena_strz(r->mem, str_of(text.p + open + 1, text.n - (size_t)open - 2));
    const expr **args = ARENA_ARRAY(r->mem, const expr *, 16);
    value *constants = ARENA_ARRAY(r->mem, value, 16);
    func_arg types[16] = {0};
    int n = 0, constant_count = 0, total = 0;
    str arg;
    while (next_piece(&inner, ',', &arg)) {
        if (arg.p[0] == '*') arg = STR("1");
        bool constant = arg.p[0] == '#';
        const expr *e = mini_parse(r->mem, arena_strz(r->mem, str_of(arg.p + constant, arg.n - constant)), in->schema);
        types[total++].type = e->type;
        if (constant)
            constants[constant_count++] = e->constant;
        else
            args[n++] = e;
    }
    diag d = {0};
    const func *f = func_resolve(g, types, total, NO_SPAN, &d);
    ck_assert_msg(f != NULL, "%s", d.text);
    const type *t = func_result_type(r->mem, f, types, total, NO_SPAN, &d);
    ck_assert_msg(t != NULL, "%s", d.text);
    r->agg_type = t;
    return (plan_agg_call){.func = f,
                           .args = args,
                           .arg_count = n,
                           .init_args = constants,
                           .init_count = constant_count,
                           .column = arena_str(r->mem, *name)};
}

plan *rig_aggregate(rig *r, const plan *in, const char *calls, plan_window window)
{
    column columns[64];
    plan_agg_call *list = ARENA_ARRAY(r->mem, plan_agg_call, 64);
    int n = 0, count = 0;
    for (; n < in->schema->key_count; n++) columns[n] = in->schema->columns[n];
    str piece;
    while (next_piece(&calls, ';', &piece)) {
        str name;
        list[count++] = agg_call(r, in, piece, &name);
        columns[n++] = (column){.name = arena_str(r->mem, name), .type = r->agg_type, .role = COLUMN_VALUE};
    }
    schema *s = schema_new(r->mem, columns, n);
    s->is_table = true;
    s->window = window.kind;
    s->window_size = window.kind == WINDOW_SESSION ? 0 : window.size;
    plan *p = rig_step(r, PLAN_AGGREGATE, "Aggregate-Aggregate", s, in);
    p->aggregate = (plan_aggregate){list, count, NULL, 0, window};
    return p;
}

plan *rig_suppress(rig *r, const plan *in)
{
    return rig_step(r, PLAN_SUPPRESS, "Suppress", in->schema, in);
}

plan *rig_sink(rig *r, const plan *in, const char *topic, format_kind value_format)
{
    plan *p = rig_step(r, PLAN_SINK, "Sink", in->schema, in);
    int partitions = topic ? rig_topic_of(r, str_z(topic))->partitions : 1;
    p->sink = (plan_sink){
        .name = topic ? str_z(topic) : STR("subscriber"),
        .topic = topic ? str_z(topic) : (str){0},
        .key_format = {.kind = in->schema->key_count > 0 ? FORMAT_JSON : FORMAT_NONE,
                       .wrapped = in->schema->key_count > 1},
        .value_format = {.kind = value_format, .wrapped = true},
        .timestamp = {.column = -1},
        .partitions = partitions,
        .limit = -1,
    };
    return p;
}

plan *rig_join(rig *r, const plan *left, const plan *right, join_kind kind)
{
    column columns[64];
    int n = 0;
    for (; n < left->schema->key_count; n++) columns[n] = left->schema->columns[n];
    for (int side = 0; side < 2; side++) {
        const schema *s = side == 0 ? left->schema : right->schema;
        for (int i = s->key_count; i < s->count; i++) {
            columns[n] = s->columns[i];
            columns[n++].name = arena_printf(r->mem, "%c_%.*s", side == 0 ? 'L' : 'R', STR_ARG(s->columns[i].name));
        }
    }
    schema *s = schema_of(r, columns, n, left->schema);
    plan *p = rig_step(r, PLAN_JOIN, "Join", s, left);
    p->inputs[1] = right;
    p->input_count = 2;
    p->join = (plan_join){.kind = kind, .grace = -1};
    return p;
}
