#include "sql/properties.h"

#include "base/check.h"
#include "base/similar.h"
#include "sql/format_rules.h"
#include "sql/parse.h"

/* How a property's value reads. */
typedef enum value_shape {
    SHAPE_TEXT,
    SHAPE_INT,
    SHAPE_LONG,
    SHAPE_BOOL,
    SHAPE_FORMAT,
    SHAPE_DELIMITER,
    SHAPE_WINDOW,
    SHAPE_DURATION,
    SHAPE_COLUMN,
    SHAPE_NULLABLE,
} value_shape;

enum { PLACE_SA = WITH_SOURCE | WITH_AS };

typedef struct with_rule {
    const char *name;
    int places;
    value_shape shape;
} with_rule;

static const with_rule rules[] = {
    {"CLEANUP_POLICY", PLACE_SA, SHAPE_TEXT},
    {"FORMAT", PLACE_SA, SHAPE_FORMAT},
    {"KAFKA_TOPIC", PLACE_SA, SHAPE_TEXT},
    {"KEY_DELIMITER", PLACE_SA, SHAPE_DELIMITER},
    {"KEY_FORMAT", PLACE_SA, SHAPE_FORMAT},
    {"KEY_PROTOBUF_NULLABLE_REPRESENTATION", PLACE_SA, SHAPE_NULLABLE},
    {"KEY_SCHEMA_FULL_NAME", PLACE_SA, SHAPE_TEXT},
    {"KEY_SCHEMA_ID", PLACE_SA, SHAPE_INT},
    {"PARTITIONS", PLACE_SA, SHAPE_INT},
    {"QUERY_ID", WITH_INSERT, SHAPE_TEXT},
    {"REPLICAS", PLACE_SA, SHAPE_INT},
    {"RETENTION_MS", PLACE_SA, SHAPE_LONG},
    {"SOURCED_BY_CONNECTOR", WITH_SOURCE, SHAPE_TEXT},
    {"SOURCE_CONNECTOR", WITH_SOURCE, SHAPE_TEXT},
    {"TIMESTAMP", PLACE_SA, SHAPE_COLUMN},
    {"TIMESTAMP_FORMAT", PLACE_SA, SHAPE_TEXT},
    {"VALUE_AVRO_SCHEMA_FULL_NAME", PLACE_SA, SHAPE_TEXT},
    {"VALUE_DELIMITER", PLACE_SA, SHAPE_DELIMITER},
    {"VALUE_FORMAT", PLACE_SA, SHAPE_FORMAT},
    {"VALUE_PROTOBUF_NULLABLE_REPRESENTATION", PLACE_SA, SHAPE_NULLABLE},
    {"VALUE_SCHEMA_FULL_NAME", PLACE_SA, SHAPE_TEXT},
    {"VALUE_SCHEMA_ID", PLACE_SA, SHAPE_INT},
    {"WINDOW_SIZE", WITH_SOURCE, SHAPE_DURATION},
    {"WINDOW_TYPE", WITH_SOURCE, SHAPE_WINDOW},
    {"WRAP_SINGLE_VALUE", PLACE_SA, SHAPE_BOOL},
};

const char *const *with_names(int *n)
{
    static const char *names[ARRAY_LEN(rules)];
    /* Every caller writes the same pointers. */
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) names[i] = rules[i].name;
    *n = (int)ARRAY_LEN(rules);
    return names;
}

/* A value after reading: the member that the shape says. */
typedef struct with_value {
    str text;
    int64_t number;
} with_value;

static const with_rule *find_rule(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (str_ieq(name, str_z(rules[i].name))) return &rules[i];
    }
    return NULL;
}

static const with_rule *nearest_rule(str name, with_place place)
{
    const with_rule *best = NULL;
    similar guess = similar_begin(name);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if ((rules[i].places & (int)place) && similar_try(&guess, str_z(rules[i].name))) best = &rules[i];
    }
    return best;
}

static str literal_text(arena *a, const ast_expr *e)
{
    switch (e->kind) {
    case AST_EXPR_STRING: return e->u.string;
    case AST_EXPR_BOOLEAN: return e->u.boolean ? STR("true") : STR("false");
    case AST_EXPR_INTEGER:
    case AST_EXPR_BIGINT: return arena_printf(a, "%lld", (long long)e->u.integer);
    case AST_EXPR_DECIMAL: return e->u.decimal.text;
    case AST_EXPR_DOUBLE: return arena_printf(a, "%g", e->u.number);
    default: return STR("");
    }
}

static bool read_delimiter(str text, span at, const char *name, with_value *out, diag *d)
{
    if (str_trim(text).n == 0) {
        return diag_at(
            d, at, DIAG_INVALID,
            "Invalid value %.*s for configuration %s: Delimiter cannot be empty, if you meant to have a tab or space "
            "for delimiter, please use the special values 'TAB' or 'SPACE'",
            STR_ARG(text), name);
    }
    if (text.n == 1)
        out->number = (unsigned char)text.p[0];
    else if (str_eqz(text, "TAB"))
        out->number = '\t';
    else if (str_eqz(text, "SPACE"))
        out->number = ' ';
    else {
        return diag_at(
            d, at, DIAG_INVALID,
            "Invalid value %.*s for configuration %s: Invalid delimiter value: '%.*s'. Delimiter must be a single "
            "character or TAB,SPACE",
            STR_ARG(text), name, STR_ARG(text));
    }
    return true;
}

static bool read_duration(str text, span at, with_value *out, diag *d)
{
    size_t gap = 0;
    while (gap < text.n && text.p[gap] != ' ' && text.p[gap] != '\t') gap++;
    str number = str_of(text.p, gap);
    str unit = gap < text.n ? str_of(text.p + gap + 1, text.n - gap - 1) : STR("");
    int64_t n;
    ast_unit u;
    if (unit.n == 0 || str_find(unit, STR(" "), 0) >= 0) {
        diag_at(d, at, DIAG_INVALID,
                "Error in WITH clause property 'WINDOW_SIZE': Invalid duration: '%.*s'. Expected 2 tokens",
                STR_ARG(text));
    } else if (!str_to_i64(number, &n)) {
        diag_at(d, at, DIAG_INVALID,
                "Error in WITH clause property 'WINDOW_SIZE': Invalid duration: '%.*s'. Not numeric: '%.*s'",
                STR_ARG(text), STR_ARG(number));
    } else if (!ast_unit_of(unit, &u)) {
        diag_at(d, at, DIAG_INVALID,
                "Error in WITH clause property 'WINDOW_SIZE': Invalid duration: '%.*s'. Unknown time unit: '%.*s'",
                STR_ARG(text), STR_ARG(unit));
    } else if (n <= 0) {
        diag_at(d, at, DIAG_INVALID,
                "Error in WITH clause property 'WINDOW_SIZE': the size must be positive, but is %lld.", (long long)n);
    } else {
        out->number = ast_duration_ms((ast_duration){.present = true, .value = n, .unit = u, .at = at});
        return true;
    }
    return diag_hint(d, "Example valid value: '10 SECONDS'");
}

/* A column's name as text: an identifier, quoted or not. */
static bool read_column_name(arena *a, str text, span at, with_value *out, diag *d)
{
    const ast_expr *e;
    diag inner = {0};
    if (!parse_expr(a, text, &e, &inner) || e->kind != AST_EXPR_COLUMN || e->u.column.source.text.p) {
        return diag_at(d, at, DIAG_INVALID, "Failed to parse: '%.*s' is not the name of a column", STR_ARG(text));
    }
    out->text = e->u.column.name.text;
    return true;
}

static bool read_integer(const with_rule *r, const ast_expr *e, str text, with_value *out, diag *d)
{
    if (e->kind == AST_EXPR_BOOLEAN || !str_to_i64(str_trim(text), &out->number) ||
        (r->shape == SHAPE_INT && (out->number > INT32_MAX || out->number < INT32_MIN))) {
        return diag_at(d, e->at, DIAG_INVALID, "Invalid value %.*s for configuration %s: Not a number of type %s",
                       STR_ARG(text), r->name, r->shape == SHAPE_INT ? "INT" : "LONG");
    }
    return true;
}

static bool read_value(arena *a, const with_rule *r, const ast_expr *e, with_value *out, diag *d)
{
    str text = literal_text(a, e);
    out->text = text;
    switch (r->shape) {
    case SHAPE_TEXT: return true;
    case SHAPE_INT:
    case SHAPE_LONG: return read_integer(r, e, text, out, d);
    case SHAPE_BOOL:
        if (str_ieq(str_trim(text), STR("true")))
            out->number = 1;
        else if (str_ieq(str_trim(text), STR("false")))
            out->number = 0;
        else {
            return diag_at(d, e->at, DIAG_INVALID,
                           "Invalid value %.*s for configuration %s: Expected value to be either true or false",
                           STR_ARG(text), r->name);
        }
        return true;
    case SHAPE_FORMAT: {
        const format_rules *f = format_rules_find(text);
        if (!f) return diag_at(d, e->at, DIAG_INVALID, "Unknown format: %.*s", STR_ARG(text));
        out->number = f->kind;
        return true;
    }
    case SHAPE_DELIMITER: return read_delimiter(text, e->at, r->name, out, d);
    case SHAPE_WINDOW:
        if (str_ieq(text, STR("TUMBLING")))
            out->number = WINDOW_TUMBLING;
        else if (str_ieq(text, STR("HOPPING")))
            out->number = WINDOW_HOPPING;
        else if (str_ieq(text, STR("SESSION")))
            out->number = WINDOW_SESSION;
        else {
            return diag_at(d, e->at, DIAG_INVALID,
                           "Invalid value %.*s for configuration WINDOW_TYPE: String must be one of: SESSION, HOPPING, "
                           "TUMBLING, null",
                           STR_ARG(text));
        }
        return true;
    case SHAPE_DURATION: return read_duration(text, e->at, out, d);
    case SHAPE_COLUMN: return read_column_name(a, text, e->at, out, d);
    case SHAPE_NULLABLE:
        if (str_eqz(text, "OPTIONAL") || str_eqz(text, "WRAPPER")) return true;
        return diag_at(d, e->at, DIAG_INVALID,
                       "Invalid value %.*s for configuration %s: String must be one of: OPTIONAL, WRAPPER, null",
                       STR_ARG(text), r->name);
    }
    check_unreachable();
}

static bool store_numbers(with_props *out, const with_rule *r, const with_value *v, span at, diag *d)
{
    if (str_eqz(str_z(r->name), "PARTITIONS")) {
        if (v->number < 1)
            return diag_at(d, at, DIAG_INVALID,
                           "Invalid value %lld for configuration PARTITIONS: Value must be at least 1",
                           (long long)v->number);
        out->partitions = (int)v->number;
        out->partitions_at = at;
    } else if (str_eqz(str_z(r->name), "REPLICAS")) {
        if (v->number > INT16_MAX || v->number < -1 || v->number == 0) {
            return diag_at(
                d, at, DIAG_INVALID,
                "Invalid value %lld for configuration REPLICAS: a count of replicas from 1 to 32767 is expected",
                (long long)v->number);
        }
        out->replicas = (int)v->number;
    } else if (str_eqz(str_z(r->name), "RETENTION_MS")) {
        out->retention_ms = v->number;
        out->retention_at = at;
    } else if (str_eqz(str_z(r->name), "KEY_SCHEMA_ID")) {
        out->key_schema_id = v->number;
    } else if (str_eqz(str_z(r->name), "VALUE_SCHEMA_ID")) {
        out->value_schema_id = v->number;
    }
    return true;
}

static bool store_text(with_props *out, const with_rule *r, const with_value *v, span at, diag *d)
{
    str name = str_z(r->name);
    if (str_eqz(name, "KAFKA_TOPIC")) {
        if (str_trim(v->text).n == 0) return diag_at(d, at, DIAG_INVALID, "Must have non-empty topic name.");
        out->topic = v->text;
        out->topic_at = at;
    } else if (str_eqz(name, "TIMESTAMP_FORMAT")) {
        out->timestamp_format = v->text;
        out->timestamp_format_at = at;
    } else if (str_ends(name, STR("SCHEMA_FULL_NAME"))) {
        str full = str_trim(v->text);
        if (!full.n)
            return diag_at(d, at, DIAG_INVALID,
                           "fullSchemaName cannot be empty. Format configuration: {fullSchemaName=}");
        if (r->name[0] == 'K')
            out->key_full_name = full;
        else
            out->value_full_name = full;
    } else if (str_eqz(name, "QUERY_ID")) {
        out->query_id = v->text;
        out->query_id_at = at;
    } else if (str_eqz(name, "CLEANUP_POLICY")) {
        return diag_at(
            d, at, DIAG_INVALID,
            "Invalid config variable in the WITH clause: CLEANUP_POLICY. The CLEANUP_POLICY config is automatically "
            "inferred based on the type of source (STREAM or TABLE).");
    }
    return true;
}

static void store_format(with_props *out, const with_rule *r, const with_value *v, span at)
{
    bool both = str_eqz(str_z(r->name), "FORMAT");
    if (both || r->name[0] == 'K') {
        out->has_key_format = true;
        out->key_format = (format_kind)v->number;
        out->key_format_at = at;
    }
    if (both || r->name[0] == 'V') {
        out->has_value_format = true;
        out->value_format = (format_kind)v->number;
        out->value_format_at = at;
    }
}

static bool store(with_props *out, const with_rule *r, const with_value *v, span at, diag *d)
{
    switch (r->shape) {
    case SHAPE_INT:
    case SHAPE_LONG: return store_numbers(out, r, v, at, d);
    case SHAPE_TEXT: return store_text(out, r, v, at, d);
    case SHAPE_BOOL:
        out->wrap = (int)v->number;
        out->wrap_at = at;
        return true;
    case SHAPE_FORMAT: store_format(out, r, v, at); return true;
    case SHAPE_DELIMITER:
        if (r->name[0] == 'K')
            out->key_delimiter = (char)v->number;
        else
            out->value_delimiter = (char)v->number;
        return true;
    case SHAPE_WINDOW: out->window = (window_kind)v->number; return true;
    case SHAPE_DURATION: out->window_size = v->number; return true;
    case SHAPE_COLUMN:
        out->timestamp = v->text;
        out->timestamp_at = at;
        return true;
    case SHAPE_NULLABLE: return true;
    }
    check_unreachable();
}

static const ast_expr *given(const ast_properties *with, const char *name)
{
    return ast_property_get(with, str_z(name));
}

/* Two properties that say the same thing. */
static bool refuse_both(const ast_properties *with, const char *a, const char *b, const char *use, diag *d)
{
    const ast_expr *first = given(with, a), *second = given(with, b);
    if (!first || !second) return true;
    return diag_at(d, first->at, DIAG_INVALID, "Cannot supply both '%s' and '%s' properties, %s", a, b, use);
}

static bool check_together(const ast_properties *with, const with_props *p, diag *d)
{
    if (!refuse_both(with, "KEY_FORMAT", "FORMAT", "as 'FORMAT' sets both key and value formats.", d)) return false;
    if (!refuse_both(with, "VALUE_FORMAT", "FORMAT", "as 'FORMAT' sets both key and value formats.", d)) return false;
    if (!refuse_both(with, "VALUE_AVRO_SCHEMA_FULL_NAME", "VALUE_SCHEMA_FULL_NAME",
                     "Please only set 'VALUE_SCHEMA_FULL_NAME'.", d)) {
        return false;
    }
    if (p->window == WINDOW_TUMBLING || p->window == WINDOW_HOPPING) {
        const char *kind = p->window == WINDOW_TUMBLING ? "TUMBLING" : "HOPPING";
        if (p->window_size == 0) {
            return diag_at(d, given(with, "WINDOW_TYPE")->at, DIAG_INVALID,
                           "%s windows require 'WINDOW_SIZE' to be provided in the WITH clause. For example: "
                           "'WINDOW_SIZE'='10 SECONDS'",
                           kind);
        }
    } else if (p->window_size != 0) {
        return diag_at(d, given(with, "WINDOW_SIZE")->at, DIAG_INVALID,
                       "'WINDOW_SIZE' should not be set for SESSION windows.");
    }
    const char *nullable[] = {"KEY_PROTOBUF_NULLABLE_REPRESENTATION", "VALUE_PROTOBUF_NULLABLE_REPRESENTATION"};
    for (int i = 0; i < 2; i++) {
        const ast_expr *e = given(with, nullable[i]);
        bool has = i ? p->has_value_format : p->has_key_format;
        format_kind kind = i ? p->value_format : p->key_format;
        if (e && (!has || (kind != FORMAT_PROTOBUF && kind != FORMAT_PROTOBUF_NOSR))) {
            return diag_at(d, e->at, DIAG_INVALID, "Property %s can only be enabled with protobuf format", nullable[i]);
        }
    }
    return true;
}

bool with_read(arena *a, const ast_properties *with, with_place place, with_props *out, diag *d)
{
    *out = (with_props){.at = with->n ? with->at : NO_SPAN,
                        .partitions = -1,
                        .replicas = -1,
                        .retention_ms = -1,
                        .wrap = -1,
                        .key_schema_id = -1,
                        .value_schema_id = -1,
                        .topic_at = NO_SPAN,
                        .partitions_at = NO_SPAN,
                        .retention_at = NO_SPAN,
                        .key_format_at = NO_SPAN,
                        .value_format_at = NO_SPAN,
                        .wrap_at = NO_SPAN,
                        .timestamp_at = NO_SPAN,
                        .timestamp_format_at = NO_SPAN,
                        .query_id_at = NO_SPAN};
    for (uint32_t i = 0; i < with->n; i++) {
        const ast_property *p = &with->items[i];
        const with_rule *r = find_rule(p->name.text);
        if (!r || !(r->places & (int)place)) {
            diag_at(d, p->name.at, DIAG_INVALID, "Invalid config variable(s) in the WITH clause: %.*s",
                    STR_ARG(p->name.text));
            const with_rule *near = nearest_rule(p->name.text, place);
            return near ? diag_hint(d, "Did you mean %s?", near->name) : false;
        }
        with_value v = {0};
        if (!read_value(a, r, p->value, &v, d) || !store(out, r, &v, p->at, d)) return false;
    }
    return check_together(with, out, d);
}
