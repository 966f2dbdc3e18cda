#include "sql/plan_query.h"

#include "base/check.h"
#include "sql/format_rules.h"
#include "sql/plan_build.h"

/* ---- the sink's formats (reference 4.4) ------------------------------------------------------------------- */

static bool sink_key_format(planner *p, const schema *s, source_format *out)
{
    const with_props *w = p->target->with;
    const source_format *from = &p->an->sources[0].src->key_format;
    *out = (source_format){.schema_id = -1};
    if (w && w->has_key_format) {
        if (s->key_count == 0 && w->key_format != FORMAT_NONE &&
            !(w->key_format_at.start == w->value_format_at.start)) {
            return diag_at(p->d, w->key_format_at, DIAG_STATEMENT,
                           "Key format specified for stream without key columns.");
        }
        out->spec.kind = s->key_count ? w->key_format : FORMAT_NONE;
        out->full_name = arena_str(p->a, w->key_full_name);
    } else if (s->key_count) {
        out->spec.kind = from->spec.kind == FORMAT_NONE ? plan_default_key_format(p) : from->spec.kind;
    }
    if (w && w->key_delimiter)
        out->spec.delimiter = w->key_delimiter;
    else if (out->spec.kind == from->spec.kind)
        out->spec.delimiter = from->spec.delimiter;
    if (w) out->schema_id = w->key_schema_id;
    format_wrap_key(&out->spec, s->key_count);
    return true;
}

/* WRAP_SINGLE_VALUE, given or set for the session. */
static bool wrapping(planner *p, const schema *s, format_kind kind, int *wish)
{
    const with_props *w = p->target->with;
    const format_rules *r = format_rules_of(kind);
    str set = plan_setting(p, "ksql.persistence.wrap.single.values");
    *wish = set.n ? str_ieq(set, STR("true")) : -1;
    if (!w || w->wrap < 0) return true;
    *wish = w->wrap;
    if (w->wrap ? !r->wraps : !r->unwraps) {
        return diag_at(p->d, w->wrap_at, DIAG_STATEMENT,
                       "Format '%s' does not support 'WRAP_SINGLE_VALUE' set to '%s'.", r->name,
                       w->wrap ? "true" : "false");
    }
    if (s->count - s->key_count == 1) return true;
    return diag_at(p->d, w->wrap_at, DIAG_STATEMENT,
                   "'WRAP_SINGLE_VALUE' is only valid for single-field value schemas");
}

static bool sink_value_format(planner *p, const schema *s, source_format *out)
{
    const with_props *w = p->target->with;
    const source_format *from = &p->an->sources[0].src->value_format;
    *out = (source_format){.schema_id = -1};
    out->spec.kind = w && w->has_value_format ? w->value_format : from->spec.kind;
    if (w && w->value_delimiter)
        out->spec.delimiter = w->value_delimiter;
    else if (out->spec.kind == from->spec.kind)
        out->spec.delimiter = from->spec.delimiter;
    if (w) {
        out->full_name = arena_str(p->a, w->value_full_name);
        out->schema_id = w->value_schema_id;
    }
    int wish;
    if (!wrapping(p, s, out->spec.kind, &wish)) return false;
    format_wrap_value(&out->spec, s->count - s->key_count, wish);
    return true;
}

/* The column that TIMESTAMP names (reference W12, W13). */
static bool sink_timestamp(planner *p, const schema *s, timestamp_spec *out)
{
    const with_props *w = p->target->with;
    *out = (timestamp_spec){.column = -1};
    if (!w || !w->timestamp.n) return true;
    out->column = schema_find(s, w->timestamp);
    if (out->column < 0) {
        return diag_at(p->d, w->timestamp_at, DIAG_STATEMENT,
                       "The TIMESTAMP column set in the WITH clause does not exist in the schema: '%.*s'",
                       STR_ARG(w->timestamp));
    }
    type_kind kind = s->columns[out->column].type->kind;
    if (kind == TYPE_STRING && !w->timestamp_format.n) {
        return diag_at(p->d, w->timestamp_at, DIAG_STATEMENT,
                       "A String timestamp field has been specified without also specifying the timestamp_format");
    }
    if (kind != TYPE_STRING && w->timestamp_format.n) {
        return diag_at(
            p->d, w->timestamp_format_at, DIAG_STATEMENT,
            "'TIMESTAMP_FORMAT' set in the WITH clause can only be used when the timestamp column is of type STRING.");
    }
    if (kind != TYPE_STRING && kind != TYPE_BIGINT && kind != TYPE_TIMESTAMP) {
        return diag_at(p->d, w->timestamp_at, DIAG_STATEMENT,
                       "Timestamp column, `%.*s`, should be LONG(INT64), TIMESTAMP, or a String with a "
                       "timestamp_format specified.",
                       STR_ARG(w->timestamp));
    }
    out->format = arena_str(p->a, w->timestamp_format);
    return true;
}

static bool check_formats(planner *p, const schema *s, const planned *out)
{
    const with_props *w = p->target->with;
    diag why = {0};
    span key_at = w && w->has_key_format ? w->key_format_at : p->an->query->at;
    span value_at = w && w->has_value_format ? w->value_format_at : p->an->query->at;
    if (!format_check_schema(&out->key_format.spec, s, true, key_at, &why)) {
        return diag_at(p->d, key_at, DIAG_STATEMENT, "Key format does not support schema.\nformat: %s\nreason: %s",
                       format_rules_of(out->key_format.spec.kind)->name, why.text);
    }
    if (!format_check_schema(&out->value_format.spec, s, false, value_at, &why)) {
        return diag_at(p->d, value_at, DIAG_STATEMENT, "Value format does not support schema.\nformat: %s\nreason: %s",
                       format_rules_of(out->value_format.spec.kind)->name, why.text);
    }
    return true;
}

/* ---- the sink --------------------------------------------------------------------------------------------- */

static bool persistent_sink(planner *p, node *n, planned *out, plan_sink *sink)
{
    const plan_target *target = p->target;
    const schema *s = n->step->schema;
    if (target->existing) {
        out->key_format = target->existing->key_format;
        out->value_format = target->existing->value_format;
        sink->timestamp.column = -1;
        if (target->existing->timestamp_column.n) {
            sink->timestamp.column = schema_find(s, target->existing->timestamp_column);
            sink->timestamp.format = arena_str(p->a, target->existing->timestamp_format);
        }
    } else {
        if (!sink_key_format(p, s, &out->key_format) || !sink_value_format(p, s, &out->value_format)) return false;
        if (!sink_timestamp(p, s, &sink->timestamp) || !check_formats(p, s, out)) return false;
        if (target->with && target->with->timestamp.n) {
            out->timestamp_column = arena_str(p->a, target->with->timestamp);
            out->timestamp_format = arena_str(p->a, target->with->timestamp_format);
        }
    }
    sink->name = arena_str(p->a, target->name);
    sink->topic = arena_str(p->a, target->topic);
    sink->partitions = target->partitions;
    sink->key_format = out->key_format.spec;
    sink->value_format = out->value_format.spec;
    sink->view = s->is_table;
    return true;
}

bool plan_sink_node(planner *p, node *n, planned *out)
{
    plan_sink sink = {.limit = -1, .timestamp = {.column = -1}, .partitions = n->partitions};
    const ast_query *q = p->an->query;
    if (p->an->persistent) {
        if (!persistent_sink(p, n, out, &sink)) return false;
    } else if (q->limited) {
        if (q->limit < 0) return diag_at(p->d, q->limit_at, DIAG_STATEMENT, "LIMIT must not be negative.");
        sink.limit = q->limit;
    }
    char context[64] = "KSQL_STDOUT_NAME";
    plan *step = plan_step(p, PLAN_SINK, context, n->step, n->step->schema);
    if (p->an->persistent) step->context = arena_str(p->a, p->target->name);
    step->sink = sink;
    out->root = step;
    return true;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static bool check_result_kind(planner *p, const planned *out)
{
    const plan_target *t = p->target;
    if (!p->an->persistent) return true;
    if (t->existing) {
        if (!out->is_table) return true;
        return diag_at(p->d, p->an->query->at, DIAG_STATEMENT,
                       "Incompatible data sink and query result. Data sink (%.*s) type is KSTREAM but select query "
                       "result is KTABLE.",
                       STR_ARG(t->name));
    }
    if (out->is_table == t->want_table) return true;
    return diag_at(
        p->d, p->an->query->at, DIAG_STATEMENT,
        "Invalid result type. Your SELECT query produces a %s. Please use CREATE %s AS SELECT statement instead.",
        out->is_table ? "TABLE" : "STREAM", out->is_table ? "TABLE" : "STREAM");
}

bool plan_query(arena *a, const analysis *an, const sql_env *env, const plan_target *target, planned *out, diag *d)
{
    planner p = {.a = a, .an = an, .env = env, .target = target, .d = d};
    node n = {0};
    *out = (planned){.final = an->query->emit == AST_EMIT_FINAL};
    bool ok = an->source_count > 1 ? plan_join_nodes(&p, &n) : plan_source_node(&p, 0, "KsqlTopic-Source", &n);
    ok = ok && plan_where(&p, &n) && plan_partition_by(&p, &n) && plan_table_functions(&p, &n) &&
         plan_aggregation(&p, &n);
    ok = ok && plan_projection(&p, &n, out) && check_result_kind(&p, out) && plan_sink_node(&p, &n, out);
    if (ok) plan_mark_needed(a, out->root);
    return ok;
}
