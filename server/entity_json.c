#include <stdio.h>

#include "base/check.h"
#include "base/json.h"
#include "server/entity.h"

static void put(json_out *o, const char *name, str value)
{
    json_out_key(o, name);
    json_out_str(o, value);
}

static void put_or_null(json_out *o, const char *name, str value)
{
    json_out_key(o, name);
    if (value.n > 0)
        json_out_str(o, value);
    else
        json_out_null(o);
}

static void put_int(json_out *o, const char *name, int64_t value)
{
    json_out_key(o, name);
    json_out_i64(o, value);
}

static void put_bool(json_out *o, const char *name, bool value)
{
    json_out_key(o, name);
    json_out_bool(o, value);
}

static void put_texts(json_out *o, const char *name, entity_texts texts)
{
    json_out_key(o, name);
    json_out_array(o);
    for (size_t i = 0; i < texts.n; i++) json_out_str(o, texts.items[i]);
    json_out_end_array(o);
}

/* ---- schemas ------------------------------------------------------------------------------------------------- */

static const char *base_type(type_kind kind)
{
    switch (kind) {
    case TYPE_BOOLEAN: return "BOOLEAN";
    case TYPE_INT: return "INTEGER";
    case TYPE_BIGINT: return "BIGINT";
    case TYPE_DECIMAL: return "DECIMAL";
    case TYPE_DOUBLE: return "DOUBLE";
    case TYPE_STRING: return "STRING";
    case TYPE_BYTES: return "BYTES";
    case TYPE_DATE: return "DATE";
    case TYPE_TIME: return "TIME";
    case TYPE_TIMESTAMP: return "TIMESTAMP";
    case TYPE_ARRAY: return "ARRAY";
    case TYPE_MAP: return "MAP";
    case TYPE_STRUCT: return "STRUCT";
    default: check_unreachable();
    }
}

static void put_type(json_out *o, const type *t)
{
    json_out_object(o);
    json_out_key(o, "type");
    json_out_z(o, base_type(t->kind));
    json_out_key(o, "fields");
    if (t->kind == TYPE_STRUCT) {
        json_out_array(o);
        for (int i = 0; i < t->field_count; i++) {
            json_out_object(o);
            put(o, "name", t->fields[i].name);
            json_out_key(o, "schema");
            put_type(o, t->fields[i].type);
            json_out_end_object(o);
        }
        json_out_end_array(o);
    } else {
        json_out_null(o);
    }
    json_out_key(o, "memberSchema");
    if (t->kind == TYPE_ARRAY || t->kind == TYPE_MAP)
        put_type(o, t->elem);
    else
        json_out_null(o);
    if (t->kind == TYPE_DECIMAL) {
        json_out_key(o, "parameters");
        json_out_object(o);
        put_int(o, "precision", t->precision);
        put_int(o, "scale", t->scale);
        json_out_end_object(o);
    }
    json_out_end_object(o);
}

void entity_type_json(buf *out, const type *t)
{
    json_out o = {.b = out};
    put_type(&o, t);
}

static void put_fields(json_out *o, const entity_field *fields, size_t n)
{
    json_out_key(o, "fields");
    json_out_array(o);
    for (size_t i = 0; i < n; i++) {
        const entity_field *f = &fields[i];
        json_out_object(o);
        put(o, "name", f->name);
        json_out_key(o, "schema");
        put_type(o, f->type);
        if (f->role == COLUMN_KEY) put(o, "type", STR("KEY"));
        if (f->role == COLUMN_HEADERS || f->role == COLUMN_HEADER) put(o, "type", STR("HEADER"));
        if (f->role == COLUMN_HEADER) put(o, "headerKey", f->header_key);
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

/* ---- queries and sources ------------------------------------------------------------------------------------- */

static void put_running(json_out *o, const entity_running *q)
{
    json_out_object(o);
    put(o, "queryString", q->statement);
    put_texts(o, "sinks", q->sinks);
    put_texts(o, "sinkKafkaTopics", q->sink_topics);
    put(o, "id", q->id);
    json_out_key(o, "statusCount");
    json_out_object(o);
    if (q->status.n > 0) {
        json_out_key_str(o, q->status);
        json_out_i64(o, 1);
    }
    json_out_end_object(o);
    put(o, "queryType", q->type);
    put(o, "state", q->status);
    json_out_end_object(o);
}

static void put_running_list(json_out *o, const char *name, const entity_running *items, size_t n)
{
    json_out_key(o, name);
    json_out_array(o);
    for (size_t i = 0; i < n; i++) put_running(o, &items[i]);
    json_out_end_array(o);
}

static void put_offsets(json_out *o, const entity_group_offsets *groups, size_t n)
{
    json_out_key(o, "queryOffsetSummaries");
    json_out_array(o);
    for (size_t g = 0; g < n; g++) {
        json_out_object(o);
        put(o, "groupId", groups[g].group_id);
        json_out_key(o, "topicSummaries");
        json_out_array(o);
        for (size_t t = 0; t < groups[g].n; t++) {
            const entity_topic_offsets *topic = &groups[g].items[t];
            json_out_object(o);
            put(o, "kafkaTopic", topic->topic);
            json_out_key(o, "offsets");
            json_out_array(o);
            for (size_t p = 0; p < topic->n; p++) {
                json_out_object(o);
                put_int(o, "partition", topic->items[p].partition);
                put_int(o, "logStartOffset", topic->items[p].start);
                put_int(o, "logEndOffset", topic->items[p].end);
                put_int(o, "consumerOffset", topic->items[p].position);
                json_out_end_object(o);
            }
            json_out_end_array(o);
            json_out_end_object(o);
        }
        json_out_end_array(o);
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

static void put_source(json_out *o, const entity_source *s)
{
    json_out_object(o);
    put(o, "name", s->name);
    put_or_null(o, "windowType", s->window_type);
    put_running_list(o, "readQueries", s->readers, s->readers_n);
    put_running_list(o, "writeQueries", s->writers, s->writers_n);
    put_fields(o, s->fields, s->fields_n);
    put(o, "type", s->is_table ? STR("TABLE") : STR("STREAM"));
    put(o, "timestamp", s->timestamp);
    put(o, "statistics", s->statistics);
    put(o, "errorStats", s->error_stats);
    put_bool(o, "extended", s->extended);
    put(o, "keyFormat", s->key_format);
    put(o, "valueFormat", s->value_format);
    put(o, "topic", s->topic);
    put_int(o, "partitions", s->partitions);
    put_int(o, "replication", s->replication);
    put(o, "statement", s->statement);
    put_offsets(o, s->offsets, s->offsets_n);
    put_texts(o, "sourceConstraints", s->constraints);
    put_texts(o, "clusterStatistics", (entity_texts){0});
    put_texts(o, "clusterErrorStats", (entity_texts){0});
    json_out_end_object(o);
}

static void put_query(json_out *o, const entity_query *q)
{
    json_out_object(o);
    put(o, "id", q->id);
    put(o, "statementText", q->statement);
    put_or_null(o, "windowType", q->window_type);
    put_fields(o, q->fields, q->fields_n);
    put_texts(o, "sources", q->sources);
    put_texts(o, "sinks", q->sinks);
    put(o, "topology", q->topology);
    put(o, "executionPlan", q->execution_plan);
    json_out_key(o, "overriddenProperties");
    json_out_object(o);
    for (size_t i = 0; i < q->overrides_n; i++) {
        json_out_key_str(o, q->overrides[i].name);
        json_out_str(o, q->overrides[i].value);
    }
    json_out_end_object(o);
    json_out_key(o, "ksqlHostQueryStatus");
    json_out_object(o);
    if (q->status.n > 0) {
        json_out_key_str(o, q->host);
        json_out_str(o, q->status);
    }
    json_out_end_object(o);
    put_or_null(o, "queryType", q->type);
    json_out_key(o, "queryErrors");
    json_out_array(o);
    for (size_t i = 0; i < q->errors_n; i++) {
        json_out_object(o);
        put_int(o, "timestamp", q->errors[i].timestamp);
        put(o, "errorMessage", q->errors[i].message);
        put(o, "type", q->errors[i].type);
        json_out_end_object(o);
    }
    json_out_end_array(o);
    put_texts(o, "tasksMetadata", (entity_texts){0});
    put(o, "consumerGroupId", q->consumer_group);
    put_or_null(o, "state", q->status);
    json_out_end_object(o);
}

/* ---- lists --------------------------------------------------------------------------------------------------- */

static void put_listed(json_out *o, const entity *e, bool tables)
{
    json_out_key(o, tables ? "tables" : "streams");
    json_out_array(o);
    for (size_t i = 0; i < e->n; i++) {
        const entity_listed *s = &e->u.listed[i];
        json_out_object(o);
        put(o, "type", tables ? STR("TABLE") : STR("STREAM"));
        put(o, "name", s->name);
        put(o, "topic", s->topic);
        put(o, "keyFormat", s->key_format);
        put(o, "valueFormat", s->value_format);
        put_bool(o, "isWindowed", s->windowed);
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

static void put_topics(json_out *o, const entity *e, bool extended)
{
    json_out_key(o, "topics");
    json_out_array(o);
    for (size_t i = 0; i < e->n; i++) {
        const entity_topic *t = &e->u.topics[i];
        json_out_object(o);
        put(o, "name", t->name);
        json_out_key(o, "replicaInfo");
        json_out_array(o);
        for (int32_t p = 0; p < t->partitions; p++) json_out_i64(o, t->replicas);
        json_out_end_array(o);
        if (extended) {
            put_int(o, "consumerCount", t->consumers);
            put_int(o, "consumerGroupCount", t->groups);
        }
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

static void put_properties(json_out *o, const entity *e)
{
    json_out_key(o, "properties");
    json_out_array(o);
    for (size_t i = 0; i < e->n; i++) {
        const entity_property *p = &e->u.properties[i];
        json_out_object(o);
        put(o, "name", p->name);
        put(o, "scope", p->scope);
        json_out_key(o, "value");
        if (p->value_null)
            json_out_null(o);
        else
            json_out_str(o, p->value);
        put_bool(o, "editable", p->editable);
        put_or_null(o, "level", p->level);
        json_out_end_object(o);
    }
    json_out_end_array(o);
    for (int pass = 0; pass < 2; pass++) {
        json_out_key(o, pass == 0 ? "overwrittenProperties" : "defaultProperties");
        json_out_array(o);
        for (size_t i = 0; i < e->n; i++) {
            const entity_property *p = &e->u.properties[i];
            if (pass == 0 ? p->overridden : p->is_default) json_out_str(o, p->name);
        }
        json_out_end_array(o);
    }
}

static void put_function(json_out *o, const entity_function *f)
{
    put(o, "name", f->name);
    put(o, "description", f->description);
    put(o, "author", f->author);
    put(o, "version", f->version);
    put(o, "path", STR("internal"));
    json_out_key(o, "functions");
    json_out_array(o);
    for (size_t i = 0; i < f->n; i++) {
        const entity_overload *v = &f->overloads[i];
        json_out_object(o);
        json_out_key(o, "arguments");
        json_out_array(o);
        for (size_t k = 0; k < v->n; k++) {
            json_out_object(o);
            put(o, "name", v->arguments[k].name);
            put(o, "type", v->arguments[k].type);
            put(o, "description", v->arguments[k].description);
            put_bool(o, "isVariadic", v->arguments[k].variadic);
            json_out_end_object(o);
        }
        json_out_end_array(o);
        put(o, "returnType", v->returns);
        put(o, "description", v->description);
        json_out_end_object(o);
    }
    json_out_end_array(o);
    put(o, "type", f->type);
}

static void put_status(json_out *o, const entity_status *s)
{
    put(o, "commandId", s->command_id);
    json_out_key(o, "commandStatus");
    json_out_object(o);
    put(o, "status", s->status);
    put(o, "message", s->message);
    put_or_null(o, "queryId", s->query_id);
    json_out_end_object(o);
    put_int(o, "commandSequenceNumber", s->sequence);
}

static void put_small_lists(json_out *o, const entity *e)
{
    bool object = e->kind == ENTITY_TYPES;
    json_out_key(o, object ? "types" : e->kind == ENTITY_FUNCTIONS ? "functions" : "variables");
    if (object)
        json_out_object(o);
    else
        json_out_array(o);
    for (size_t i = 0; i < e->n; i++) {
        if (object) {
            json_out_key_str(o, e->u.types[i].name);
            put_type(o, e->u.types[i].type);
            continue;
        }
        json_out_object(o);
        if (e->kind == ENTITY_FUNCTIONS) {
            put(o, "name", e->u.functions[i].name);
            put(o, "type", e->u.functions[i].type);
            put(o, "category", e->u.functions[i].category);
        } else {
            put(o, "name", e->u.variables[i].name);
            put(o, "value", e->u.variables[i].value);
        }
        json_out_end_object(o);
    }
    if (object)
        json_out_end_object(o);
    else
        json_out_end_array(o);
}

static const char *const type_names[] = {
    [ENTITY_STATUS] = "currentStatus",
    [ENTITY_PROPERTIES] = "properties",
    [ENTITY_QUERIES] = "queries",
    [ENTITY_SOURCE] = "sourceDescription",
    [ENTITY_SOURCES] = "source_descriptions",
    [ENTITY_QUERY] = "queryDescription",
    [ENTITY_QUERY_LIST] = "query_descriptions",
    [ENTITY_STREAMS] = "streams",
    [ENTITY_TABLES] = "tables",
    [ENTITY_TOPICS] = "kafka_topics",
    [ENTITY_TOPICS_EXTENDED] = "kafka_topics_extended",
    [ENTITY_FUNCTION] = "describe_function",
    [ENTITY_FUNCTIONS] = "function_names",
    [ENTITY_TYPES] = "type_list",
    [ENTITY_WARNING] = "warning_entity",
    [ENTITY_VARIABLES] = "variables",
    [ENTITY_TERMINATE] = "terminate_query",
    [ENTITY_ASSERT_TOPIC] = "assert_topic",
    [ENTITY_ASSERT_SCHEMA] = "assert_schema",
    [ENTITY_CONNECTORS] = "connector_list",
    [ENTITY_CONNECTOR_PLUGINS] = "connector_plugins_list",
};

static void put_assertion(json_out *o, const entity *e)
{
    bool topic = e->kind == ENTITY_ASSERT_TOPIC;
    put_or_null(o, topic ? "topicName" : "subject", e->u.assertion.name);
    if (!topic) {
        json_out_key(o, "id");
        if (e->u.assertion.id >= 0)
            json_out_i64(o, e->u.assertion.id);
        else
            json_out_null(o);
    }
    put_bool(o, "exists", e->u.assertion.exists);
}

static void put_payload(json_out *o, const entity *e)
{
    switch (e->kind) {
    case ENTITY_STATUS: put_status(o, &e->u.status); break;
    case ENTITY_PROPERTIES: put_properties(o, e); break;
    case ENTITY_QUERIES: put_running_list(o, "queries", e->u.queries, e->n); break;
    case ENTITY_SOURCE:
        json_out_key(o, "sourceDescription");
        put_source(o, e->u.sources);
        break;
    case ENTITY_SOURCES:
        json_out_key(o, "sourceDescriptions");
        json_out_array(o);
        for (size_t i = 0; i < e->n; i++) put_source(o, &e->u.sources[i]);
        json_out_end_array(o);
        break;
    case ENTITY_QUERY:
        json_out_key(o, "queryDescription");
        put_query(o, e->u.query);
        break;
    case ENTITY_QUERY_LIST:
        json_out_key(o, "queryDescriptions");
        json_out_array(o);
        for (size_t i = 0; i < e->n; i++) put_query(o, &e->u.query[i]);
        json_out_end_array(o);
        break;
    case ENTITY_STREAMS: put_listed(o, e, false); break;
    case ENTITY_TABLES: put_listed(o, e, true); break;
    case ENTITY_TOPICS: put_topics(o, e, false); break;
    case ENTITY_TOPICS_EXTENDED: put_topics(o, e, true); break;
    case ENTITY_FUNCTION: put_function(o, e->u.function); break;
    case ENTITY_FUNCTIONS:
    case ENTITY_TYPES:
    case ENTITY_VARIABLES: put_small_lists(o, e); break;
    case ENTITY_WARNING: put(o, "message", e->u.message); break;
    case ENTITY_TERMINATE:
        put(o, "queryId", e->u.terminate.query_id);
        put_bool(o, "wasTerminated", e->u.terminate.terminated);
        break;
    case ENTITY_ASSERT_TOPIC:
    case ENTITY_ASSERT_SCHEMA: put_assertion(o, e); break;
    case ENTITY_CONNECTORS: put_texts(o, "connectors", (entity_texts){0}); break;
    case ENTITY_CONNECTOR_PLUGINS: put_texts(o, "connectorsPlugins", (entity_texts){0}); break;
    }
}

void entity_json(buf *out, const entity *e)
{
    json_out o = {.b = out};
    check((size_t)e->kind < ARRAY_LEN(type_names));
    json_out_object(&o);
    json_out_key(&o, "@type");
    json_out_z(&o, type_names[e->kind]);
    put(&o, "statementText", e->statement);
    put_payload(&o, e);
    json_out_key(&o, "warnings");
    json_out_array(&o);
    for (size_t i = 0; i < e->warnings.n; i++) {
        json_out_object(&o);
        put(&o, "message", e->warnings.items[i]);
        json_out_end_object(&o);
    }
    json_out_end_array(&o);
    json_out_end_object(&o);
}

void entity_list_json(buf *out, const entity *items, size_t n)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) buf_add_char(out, ',');
        entity_json(out, &items[i]);
    }
    buf_add_char(out, ']');
}
