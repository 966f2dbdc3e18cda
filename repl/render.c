#include "repl/render.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "repl/split.h"

enum { COLUMNS_MAX = 8 };

str render_cell(const json_value *v, buf *scratch)
{
    str text;
    if (!v || v->kind == JSON_NULL) return STR("null");
    if (json_as_str(v, &text)) return text;
    buf_clear(scratch);
    json_put_value(scratch, v);
    return buf_str(scratch);
}

void render_csv(const str *cells, size_t n, buf *out)
{
    for (size_t i = 0; i < n; i++) {
        bool quote = false;
        if (i > 0) buf_add_char(out, ',');
        for (size_t k = 0; k < cells[i].n && !quote; k++) quote = strchr(",\"\r\n", cells[i].p[k]) != NULL;
        if (!quote) {
            buf_add_str(out, cells[i]);
            continue;
        }
        buf_add_char(out, '"');
        for (size_t k = 0; k < cells[i].n; k++) {
            if (cells[i].p[k] == '"') buf_add_char(out, '"');
            buf_add_char(out, cells[i].p[k]);
        }
        buf_add_char(out, '"');
    }
    buf_add_z(out, "\r\n");
}

void render_type(const json_value *schema, buf *out)
{
    str base;
    if (!json_as_str(json_getz(schema, "type"), &base)) return;
    buf_add_str(out, base);
    const json_value *member = json_getz(schema, "memberSchema"), *fields = json_getz(schema, "fields");
    const json_value *parameters = json_getz(schema, "parameters");
    int64_t precision, scale;
    if (str_eqz(base, "ARRAY")) {
        buf_add_char(out, '<');
        render_type(member, out);
        buf_add_char(out, '>');
    } else if (str_eqz(base, "MAP")) {
        buf_add_z(out, "<STRING, ");
        render_type(member, out);
        buf_add_char(out, '>');
    } else if (str_eqz(base, "STRUCT") && fields) {
        buf_add_char(out, '<');
        for (uint32_t i = 0; i < fields->count; i++) {
            str name = {0};
            json_as_str(json_getz(&fields->items[i], "name"), &name);
            buf_printf(out, "%s%.*s ", i > 0 ? ", " : "", STR_ARG(name));
            render_type(json_getz(&fields->items[i], "schema"), out);
        }
        buf_add_char(out, '>');
    } else if (str_eqz(base, "DECIMAL") && json_as_i64(json_getz(parameters, "precision"), &precision) &&
               json_as_i64(json_getz(parameters, "scale"), &scale)) {
        buf_printf(out, "(%d, %d)", (int)precision, (int)scale);
    }
}

/* ---- simple lists: one table of columns and where their values are ------------------------------------------- */

typedef struct list_column {
    const char *heading;
    const char *member;
} list_column;

typedef struct list_form {
    const char *type; /* @type */
    const char *items;
    list_column columns[COLUMNS_MAX];
} list_form;

static const list_form list_forms[] = {
    {"streams",
     "streams",
     {{"Stream Name", "name"},
      {"Kafka Topic", "topic"},
      {"Key Format", "keyFormat"},
      {"Value Format", "valueFormat"},
      {"Windowed", "isWindowed"}}},
    {"tables",
     "tables",
     {{"Table Name", "name"},
      {"Kafka Topic", "topic"},
      {"Key Format", "keyFormat"},
      {"Value Format", "valueFormat"},
      {"Windowed", "isWindowed"}}},
    {"queries",
     "queries",
     {{"Query ID", "id"},
      {"Query Type", "queryType"},
      {"Status", "statusCount"},
      {"Sink Name", "sinks"},
      {"Sink Kafka Topic", "sinkKafkaTopics"},
      {"Query String", "queryString"}}},
    {"kafka_topics",
     "topics",
     {{"Kafka Topic", "name"}, {"Partitions", "#replicaInfo"}, {"Partition Replicas", "replicaInfo"}}},
    {"kafka_topics_extended",
     "topics",
     {{"Kafka Topic", "name"},
      {"Partitions", "#replicaInfo"},
      {"Partition Replicas", "replicaInfo"},
      {"Consumers", "consumerCount"},
      {"ConsumerGroups", "consumerGroupCount"}}},
    {"properties",
     "properties",
     {{"Property", "name"}, {"Scope", "scope"}, {"Default override", "!"}, {"Effective Value", "value"}}},
    {"function_names", "functions", {{"Function Name", "name"}, {"Category", "category"}}},
    {"variables", "variables", {{"Variable Name", "name"}, {"Value", "value"}}},
    {"connector_list",
     "connectors",
     {{"Connector Name", "name"}, {"Type", "type"}, {"Class", "className"}, {"Status", "state"}}},
    {"connector_plugins_list", "connectorsPlugins", {{"Class", "className"}, {"Type", "type"}, {"Version", "version"}}},
};

/* A list or object of scalars as "a, b" or "K:V, K:V". */
static void put_joined(const json_value *v, buf *out)
{
    buf scratch = {0};
    if (v && v->kind == JSON_ARRAY) {
        for (uint32_t i = 0; i < v->count; i++) {
            if (i > 0) buf_add_z(out, ", ");
            buf_add_str(out, render_cell(&v->items[i], &scratch));
        }
    } else if (v && v->kind == JSON_OBJECT) {
        for (uint32_t i = 0; i < v->count; i++) {
            if (i > 0) buf_add_z(out, ", ");
            buf_printf(out, "%.*s:", STR_ARG(v->members[i].name));
            buf_add_str(out, render_cell(&v->members[i].value, &scratch));
        }
    } else {
        buf_add_str(out, render_cell(v, &scratch));
    }
    buf_free(&scratch);
}

static bool names_item(const json_value *list, const json_value *name)
{
    str wanted, item;
    if (!json_as_str(name, &wanted)) return false;
    for (uint32_t i = 0; list && i < list->count; i++) {
        if (json_as_str(&list->items[i], &item) && str_eq(item, wanted)) return true;
    }
    return false;
}

/* The text of one cell. "#x": how many items x has; "!": whether a property was overridden. */
static void put_member(const json_value *entity, const json_value *item, const char *member, buf *out)
{
    if (member[0] == '#') {
        const json_value *list = json_getz(item, member + 1);
        buf_printf(out, "%u", list ? list->count : 0);
    } else if (member[0] == '!') {
        if (names_item(json_getz(entity, "overwrittenProperties"), json_getz(item, "name"))) buf_add_z(out, "SESSION");
    } else if (str_eqz(str_z(member), "replicaInfo")) {
        const json_value *list = json_getz(item, member);
        put_joined(list && list->count > 0 ? &list->items[0] : NULL, out);
    } else {
        put_joined(json_getz(item, member), out);
    }
}

static void render_list(const render_options *o, const list_form *form, const json_value *entity, buf *out)
{
    const json_value *items = json_getz(entity, form->items);
    str cells[COLUMNS_MAX];
    buf texts[COLUMNS_MAX] = {0};
    size_t n = 0;
    while (n < COLUMNS_MAX && form->columns[n].heading) n++;
    for (size_t i = 0; i < n; i++) cells[i] = str_z(form->columns[i].heading);
    table *t = table_new(n, o->width, o->wrap);
    table_heading(t, cells);
    if (o->form == RENDER_CSV) render_csv(cells, n, out);
    for (uint32_t r = 0; items && r < items->count; r++) {
        for (size_t i = 0; i < n; i++) {
            buf_clear(&texts[i]);
            put_member(entity, &items->items[r], form->columns[i].member, &texts[i]);
            cells[i] = buf_str(&texts[i]);
        }
        if (o->form == RENDER_CSV)
            render_csv(cells, n, out);
        else
            table_row(t, cells);
    }
    if (o->form == RENDER_TABLE) table_draw(t, out);
    table_free(t);
    for (size_t i = 0; i < COLUMNS_MAX; i++) buf_free(&texts[i]);
}

static void render_types(const render_options *o, const json_value *entity, buf *out)
{
    const json_value *types = json_getz(entity, "types");
    str cells[2] = {STR("Type Name"), STR("Schema")};
    table *t = table_new(2, o->width, o->wrap);
    buf text = {0};
    table_heading(t, cells);
    if (o->form == RENDER_CSV) render_csv(cells, 2, out);
    for (uint32_t i = 0; types && i < types->count; i++) {
        buf_clear(&text);
        render_type(&types->members[i].value, &text);
        cells[0] = types->members[i].name;
        cells[1] = buf_str(&text);
        if (o->form == RENDER_CSV)
            render_csv(cells, 2, out);
        else
            table_row(t, cells);
    }
    if (o->form == RENDER_TABLE) table_draw(t, out);
    buf_free(&text);
    table_free(t);
}

/* ---- descriptions -------------------------------------------------------------------------------------------- */

static void put_line(const json_value *of, const char *label, const char *member, buf *out)
{
    buf text = {0};
    const json_value *v = json_getz(of, member);
    if (v && v->kind != JSON_NULL) put_joined(v, &text);
    if (text.len > 0) buf_printf(out, "%-22s: %.*s\n", label, STR_ARG(buf_str(&text)));
    buf_free(&text);
}

static void render_fields(const render_options *o, const json_value *of, buf *out)
{
    const json_value *fields = json_getz(of, "fields");
    bool is_table = false, windowed = false;
    str type, cells[2] = {STR("Field"), STR("Type")};
    if (json_as_str(json_getz(of, "type"), &type)) is_table = str_eqz(type, "TABLE");
    const json_value *window = json_getz(of, "windowType");
    windowed = window && window->kind == JSON_STRING;
    table *t = table_new(2, o->width, o->wrap);
    buf text = {0};
    table_heading(t, cells);
    if (o->form == RENDER_CSV) render_csv(cells, 2, out);
    for (uint32_t i = 0; fields && i < fields->count; i++) {
        const json_value *f = &fields->items[i];
        str role = {0}, header = {0};
        json_as_str(json_getz(f, "name"), &cells[0]);
        json_as_str(json_getz(f, "type"), &role);
        buf_clear(&text);
        render_type(json_getz(f, "schema"), &text);
        if (str_eqz(role, "KEY")) buf_add_z(&text, is_table ? " (primary key)" : " (key)");
        if (str_eqz(role, "KEY") && windowed) {
            buf_printf(&text, " (Window type: %.*s)", STR_ARG(window->text));
        }
        if (str_eqz(role, "HEADER")) {
            if (json_as_str(json_getz(f, "headerKey"), &header))
                buf_printf(&text, " (header('%.*s'))", STR_ARG(header));
            else
                buf_add_z(&text, " (headers)");
        }
        cells[1] = buf_str(&text);
        if (o->form == RENDER_CSV)
            render_csv(cells, 2, out);
        else
            table_row(t, cells);
    }
    if (o->form == RENDER_TABLE) table_draw(t, out);
    buf_free(&text);
    table_free(t);
}

static void put_queries(const json_value *list, const char *title, buf *out)
{
    if (!list || list->count == 0) return;
    buf_printf(out, "\n%s\n", title);
    for (uint32_t i = 0; i < list->count; i++) {
        str id = {0}, text = {0}, state = {0};
        json_as_str(json_getz(&list->items[i], "id"), &id);
        json_as_str(json_getz(&list->items[i], "state"), &state);
        json_as_str(json_getz(&list->items[i], "queryString"), &text);
        buf_printf(out, "%.*s (%.*s) : %.*s\n", STR_ARG(id), STR_ARG(state), STR_ARG(text));
    }
}

static void put_offsets(const render_options *o, const json_value *groups, buf *out)
{
    static const char *const members[] = {"partition", "logStartOffset", "logEndOffset", "consumerOffset"};
    for (uint32_t g = 0; groups && g < groups->count; g++) {
        const json_value *topics = json_getz(&groups->items[g], "topicSummaries");
        put_line(&groups->items[g], "\nConsumer group", "groupId", out);
        for (uint32_t i = 0; topics && i < topics->count; i++) {
            const json_value *offsets = json_getz(&topics->items[i], "offsets");
            str cells[5] = {STR("Partition"), STR("Start Offset"), STR("End Offset"), STR("Offset"), STR("Lag")};
            put_line(&topics->items[i], "Kafka topic", "kafkaTopic", out);
            table *t = table_new(5, o->width, o->wrap);
            table_heading(t, cells);
            for (uint32_t p = 0; offsets && p < offsets->count; p++) {
                char texts[5][24];
                int64_t v[4] = {0};
                for (int k = 0; k < 4; k++) {
                    json_as_i64(json_getz(&offsets->items[p], members[k]), &v[k]);
                    cells[k] = str_of(texts[k], (size_t)snprintf(texts[k], sizeof texts[k], "%lld", (long long)v[k]));
                }
                cells[4] =
                    str_of(texts[4], (size_t)snprintf(texts[4], sizeof texts[4], "%lld", (long long)(v[2] - v[3])));
                table_row(t, cells);
            }
            table_draw(t, out);
            table_free(t);
        }
    }
}

static void render_source(const render_options *o, const json_value *s, buf *out)
{
    bool extended = false;
    if (o->form == RENDER_CSV) {
        render_fields(o, s, out);
        return;
    }
    json_as_bool(json_getz(s, "extended"), &extended);
    buf_add_char(out, '\n');
    put_line(s, "Name", "name", out);
    if (extended) {
        put_line(s, "Type", "type", out);
        put_line(s, "Timestamp field", "timestamp", out);
        put_line(s, "Key format", "keyFormat", out);
        put_line(s, "Value format", "valueFormat", out);
        put_line(s, "Kafka topic", "topic", out);
        put_line(s, "Partitions", "partitions", out);
        put_line(s, "Replication", "replication", out);
        put_line(s, "Statement", "statement", out);
        buf_add_char(out, '\n');
    }
    render_fields(o, s, out);
    if (!extended) return;
    put_line(s, "Sources that read it", "sourceConstraints", out);
    put_queries(json_getz(s, "readQueries"), "Queries that read from this source", out);
    put_queries(json_getz(s, "writeQueries"), "Queries that write to this source", out);
    buf_add_char(out, '\n');
    put_line(s, "Local runtime statistics", "statistics", out);
    put_offsets(o, json_getz(s, "queryOffsetSummaries"), out);
}

static void render_query(const render_options *o, const json_value *q, buf *out)
{
    if (o->form == RENDER_CSV) {
        render_fields(o, q, out);
        return;
    }
    buf_add_char(out, '\n');
    put_line(q, "ID", "id", out);
    put_line(q, "Query Type", "queryType", out);
    put_line(q, "SQL", "statementText", out);
    put_line(q, "Host Query Status", "ksqlHostQueryStatus", out);
    put_line(q, "Sources", "sources", out);
    put_line(q, "Sinks", "sinks", out);
    put_line(q, "Consumer group", "consumerGroupId", out);
    put_line(q, "Overridden Properties", "overriddenProperties", out);
    buf_add_char(out, '\n');
    render_fields(o, q, out);
    str text;
    if (json_as_str(json_getz(q, "executionPlan"), &text) && text.n > 0) {
        buf_printf(out, "\nExecution plan\n--------------\n%.*s\n", STR_ARG(text));
    }
    if (json_as_str(json_getz(q, "topology"), &text) && text.n > 0) {
        buf_printf(out, "\nProcessing topology\n-------------------\n%.*s\n", STR_ARG(text));
    }
    const json_value *errors = json_getz(q, "queryErrors");
    for (uint32_t i = 0; errors && i < errors->count; i++) put_line(&errors->items[i], "Error", "errorMessage", out);
}

static void render_function(const json_value *f, buf *out)
{
    const json_value *overloads = json_getz(f, "functions");
    buf_add_char(out, '\n');
    put_line(f, "Name", "name", out);
    put_line(f, "Author", "author", out);
    put_line(f, "Version", "version", out);
    put_line(f, "Overview", "description", out);
    put_line(f, "Type", "type", out);
    for (uint32_t i = 0; overloads && i < overloads->count; i++) {
        const json_value *v = &overloads->items[i], *arguments = json_getz(v, "arguments");
        buf line = {0}, text = {0};
        for (uint32_t k = 0; arguments && k < arguments->count; k++) {
            str name = {0}, type = {0};
            bool variadic = false;
            json_as_str(json_getz(&arguments->items[k], "name"), &name);
            json_as_str(json_getz(&arguments->items[k], "type"), &type);
            json_as_bool(json_getz(&arguments->items[k], "isVariadic"), &variadic);
            buf_printf(&line, "%s%.*s%s%.*s%s", k > 0 ? ", " : "", STR_ARG(name), name.n > 0 ? " " : "", STR_ARG(type),
                       variadic ? "..." : "");
        }
        str name = render_cell(json_getz(f, "name"), &text);
        buf_printf(out, "\n  %.*s(%.*s) returns ", STR_ARG(name), STR_ARG(buf_str(&line)));
        buf_add_str(out, render_cell(json_getz(v, "returnType"), &text));
        str description;
        if (json_as_str(json_getz(v, "description"), &description) && description.n > 0) {
            buf_printf(out, "\n    %.*s", STR_ARG(description));
        }
        buf_free(&line);
        buf_free(&text);
    }
    buf_add_char(out, '\n');
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static void render_each(const render_options *o, const json_value *list, buf *out,
                        void (*one)(const render_options *o, const json_value *v, buf *out))
{
    for (uint32_t i = 0; list && i < list->count; i++) one(o, &list->items[i], out);
}

static void render_entity(const render_options *o, const json_value *e, buf *out)
{
    str type = {0}, message;
    json_as_str(json_getz(e, "@type"), &type);
    for (size_t i = 0; i < ARRAY_LEN(list_forms); i++) {
        if (!str_eqz(type, list_forms[i].type)) continue;
        render_list(o, &list_forms[i], e, out);
        return;
    }
    if (str_eqz(type, "currentStatus")) {
        if (json_as_str(json_getz(json_getz(e, "commandStatus"), "message"), &message)) {
            buf_printf(out, "%.*s\n", STR_ARG(message));
        }
    } else if (str_eqz(type, "type_list")) {
        render_types(o, e, out);
    } else if (str_eqz(type, "sourceDescription")) {
        render_source(o, json_getz(e, "sourceDescription"), out);
    } else if (str_eqz(type, "source_descriptions")) {
        render_each(o, json_getz(e, "sourceDescriptions"), out, render_source);
    } else if (str_eqz(type, "queryDescription")) {
        render_query(o, json_getz(e, "queryDescription"), out);
    } else if (str_eqz(type, "query_descriptions")) {
        render_each(o, json_getz(e, "queryDescriptions"), out, render_query);
    } else if (str_eqz(type, "describe_function")) {
        render_function(e, out);
    } else if (str_eqz(type, "terminate_query")) {
        put_line(e, "Query terminated", "queryId", out);
    } else if (json_as_str(json_getz(e, "message"), &message)) {
        buf_printf(out, "%.*s\n", STR_ARG(message));
    } else if (str_eqz(type, "assert_topic")) {
        put_line(e, "Topic exists", "exists", out);
    } else {
        json_put_value(out, e);
        buf_add_char(out, '\n');
    }
}

void render_entities(const render_options *o, const json_value *entities, buf *out)
{
    for (uint32_t i = 0; entities && entities->kind == JSON_ARRAY && i < entities->count; i++) {
        const json_value *e = &entities->items[i], *warnings = json_getz(e, "warnings");
        if (o->form == RENDER_JSON) {
            json_put_value(out, e);
            buf_add_char(out, '\n');
            continue;
        }
        render_entity(o, e, out);
        for (uint32_t w = 0; warnings && w < warnings->count; w++)
            put_line(&warnings->items[w], "WARNING", "message", out);
    }
}
