#include "server/test_cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "engine/format/format.h"
#include "server/test_convert.h"
#include "server/test_run.h"
#include "sql/format_rules.h"

/* ---- the answer ------------------------------------------------------------------------------------------- */

static void put_error(json_out *o, int statement, str text, const diag *d)
{
    json_out_key(o, "error");
    json_out_object(o);
    if (statement >= 0) {
        json_out_key(o, "statement");
        json_out_i64(o, statement);
    }
    json_out_key(o, "message");
    json_out_z(o, d->text);
    if (d->at.start != SPAN_NONE && d->at.start <= text.n) {
        int line, at;
        diag_line_column(text, d->at.start, &line, &at);
        json_out_key(o, "line");
        json_out_i64(o, line);
        json_out_key(o, "column");
        json_out_i64(o, at);
    }
    json_out_end_object(o);
}

static const char *window_name(window_kind w)
{
    static const char *const names[] = {NULL, "TUMBLING", "HOPPING", "SESSION"};
    return names[w];
}

static void put_format(json_out *o, const char *name, const source *src, bool key)
{
    const schema *s = src->schema;
    json_out_key(o, name);
    json_out_object(o);
    json_out_key(o, "format");
    json_out_z(o, format_rules_of(key ? src->key_format.spec.kind : src->value_format.spec.kind)->name);
    if (key && s->window != WINDOW_NONE) {
        json_out_key(o, "windowType");
        json_out_z(o, window_name(s->window));
        if (s->window_size) {
            json_out_key(o, "windowSize");
            json_out_i64(o, s->window_size);
        }
    }
    json_out_end_object(o);
}

static void put_headers(json_out *o, const headers *h)
{
    if (!h->n) return;
    static const type bytes_type = {.kind = TYPE_BYTES};
    static const column bytes_column = {.name = {"VALUE", 5}, .type = &bytes_type, .role = COLUMN_VALUE};
    static const schema bytes_schema = {.columns = &bytes_column, .count = 1};
    source as_bytes = {.schema = &bytes_schema, .value_format = {.spec = {.kind = FORMAT_KAFKA}}};
    json_out_key(o, "headers");
    json_out_array(o);
    for (uint32_t i = 0; i < h->n; i++) {
        json_out_object(o);
        json_out_key(o, "KEY");
        json_out_str(o, h->items[i].key);
        json_out_key(o, "VALUE");
        test_decode(&as_bytes, false, h->items[i].value, h->items[i].value_null, o);
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

/* Takes the window off a key and writes it. */
static str put_window(json_out *o, const source *src, str key)
{
    if (!src || src->schema->window == WINDOW_NONE) return key;
    int64_t start, end;
    if (!format_split_window(src->schema->window, src->schema->window_size, &key, &start, &end)) return key;
    json_out_key(o, "window");
    json_out_object(o);
    json_out_key(o, "start");
    json_out_i64(o, start);
    json_out_key(o, "end");
    json_out_i64(o, end);
    json_out_key(o, "type");
    json_out_z(o, src->schema->window == WINDOW_SESSION ? "session" : "time");
    json_out_end_object(o);
    return key;
}

static void put_record(json_out *o, const test_topic *t, const test_record *r, const source *src)
{
    json_out_object(o);
    json_out_key(o, "topic");
    json_out_str(o, t->name);
    json_out_key(o, "partition");
    json_out_i64(o, r->partition);
    str key = r->record.key_null ? r->record.key : put_window(o, src, r->record.key);
    json_out_key(o, "key");
    test_decode(src, true, key, r->record.key_null, o);
    json_out_key(o, "value");
    test_decode(src, false, r->record.value, r->record.value_null, o);
    json_out_key(o, "timestamp");
    json_out_i64(o, r->record.timestamp);
    put_headers(o, &r->record.headers);
    json_out_end_object(o);
}

static void put_records(json_out *o, const test_run *run)
{
    json_out_key(o, "records");
    json_out_array(o);
    for (int i = 0; i < run->log.count; i++) {
        const test_topic *t = run->log.order[i];
        const source *src = test_run_owner(run, t->name);
        for (int k = 0; k < t->count; k++) put_record(o, t, &t->records[k], src);
    }
    json_out_end_array(o);
}

/* A schema as cases spell it: INTEGER is INT there. Names stand in back quotes and are left alone. */
static void put_schema(json_out *o, const schema *s)
{
    buf text = {0}, out = {0};
    schema_print(s, &text);
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        quoted ^= text.data[i] == '`';
        buf_add_char(&out, text.data[i]);
        if (!quoted && text.len - i >= 7 && memcmp(text.data + i, "INTEGER", 7) == 0) {
            buf_add_z(&out, "NT");
            i += 6;
        }
    }
    json_out_str(o, buf_str(&out));
    buf_free(&text);
    buf_free(&out);
}

static void put_sources(json_out *o, const test_run *run)
{
    json_out_key(o, "sources");
    json_out_array(o);
    for (int i = 0; i < run->catalog->source_count; i++) {
        const source *s = run->catalog->sources[i];
        json_out_object(o);
        json_out_key(o, "name");
        json_out_str(o, s->name);
        json_out_key(o, "type");
        json_out_z(o, s->schema->is_table ? "TABLE" : "STREAM");
        json_out_key(o, "schema");
        put_schema(o, s->schema);
        put_format(o, "keyFormat", s, true);
        put_format(o, "valueFormat", s, false);
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

static void put_topics(json_out *o, const test_run *run)
{
    json_out_key(o, "topics");
    json_out_array(o);
    for (int i = 0; i < run->log.count; i++) {
        const test_topic *t = run->log.order[i];
        const source *src = test_run_owner(run, t->name);
        json_out_object(o);
        json_out_key(o, "name");
        json_out_str(o, t->name);
        json_out_key(o, "partitions");
        json_out_i64(o, t->partitions);
        json_out_key(o, "replicas");
        json_out_i64(o, t->replicas);
        if (src) {
            put_format(o, "keyFormat", src, true);
            put_format(o, "valueFormat", src, false);
        }
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

/* ---- one case --------------------------------------------------------------------------------------------- */

static void make_topics(test_run *r, const json_value *list)
{
    for (uint32_t i = 0; list && i < list->count; i++) {
        const json_value *t = json_item(list, i);
        str name;
        int64_t partitions = 1, replicas = 1;
        if (!json_as_str(json_getz(t, "name"), &name) || test_log_find(&r->log, name)) continue;
        json_as_i64(json_getz(t, "partitions"), &partitions);
        json_as_i64(json_getz(t, "replicas"), &replicas);
        if (partitions < 1 || partitions > 10000) partitions = 1;
        test_log_create(&r->log, name, (int)partitions, (int)replicas);
    }
}

/* Properties are given as to a server: what a session may not SET is none of its business here. */
static void set_properties(test_run *r, const json_value *list)
{
    for (uint32_t i = 0; list && list->kind == JSON_OBJECT && i < list->count; i++) {
        diag ignored = {0};
        const json_value *v = &list->members[i].value;
        settings_set(&r->session.settings, list->members[i].name, NO_SPAN, v->kind == JSON_STRING ? v->text : v->source,
                     NO_SPAN, &ignored);
    }
}

/* False with the statement's number when one was rejected; -1: a record or a query failed. */
static bool run_case(test_run *r, const json_value *c, int *statement, str *text, diag *d)
{
    make_topics(r, json_getz(c, "topics"));
    set_properties(r, json_getz(c, "properties"));
    const json_value *statements = json_getz(c, "statements"), *inputs = json_getz(c, "inputs");
    for (uint32_t i = 0; statements && i < statements->count; i++) {
        *statement = (int)i;
        *text = STR("");
        json_as_str(json_item(statements, i), text);
        if (!test_run_statement(r, *text, d)) return false;
    }
    *statement = -1;
    for (uint32_t i = 0; inputs && i < inputs->count; i++) {
        if (!test_run_input(r, json_item(inputs, i), d)) return false;
    }
    return test_run_queries(r, inputs, d);
}

static void answer_case(str line, buf *out)
{
    arena *a = arena_new();
    diag d = {0};
    json_out o = {.b = out};
    const json_value *c = json_parse(a, line, NULL, &d);
    json_out_object(&o);
    if (c) {
        test_run r;
        int statement = -1;
        str text = STR(""), name = STR("");
        json_as_str(json_getz(c, "name"), &name);
        json_out_key(&o, "name");
        json_out_str(&o, name);
        test_run_begin(&r, a);
        if (!run_case(&r, c, &statement, &text, &d)) put_error(&o, statement, text, &d);
        put_records(&o, &r);
        put_sources(&o, &r);
        put_topics(&o, &r);
        test_run_end(&r);
    } else {
        put_error(&o, -1, STR(""), &d);
    }
    json_out_end_object(&o);
    arena_free(a);
}

int test_cases_main(void)
{
    const char *rows = getenv("WEIR_CHUNK_ROWS");
    int64_t n;
    if (rows && str_to_i64(str_z(rows), &n) && n >= 1 && n <= CHUNK_ROWS) chunk_set_rows_max((uint32_t)n);
    char *line = NULL;
    size_t cap = 0;
    ssize_t got;
    buf out = {0};
    while ((got = getline(&line, &cap, stdin)) > 0) {
        buf_clear(&out);
        answer_case(str_of(line, (size_t)got), &out);
        buf_add_char(&out, '\n');
        fwrite(out.data, 1, out.len, stdout);
        fflush(stdout);
    }
    free(line);
    buf_free(&out);
    return 0;
}
