/*
 * sql/ast.h - the abstract syntax tree of the KSQL language: statements, queries, expressions, types.
 *
 * The tree is built by sql/parse into an arena (the statement's) and is read-only from then on: many threads may read
 * it, nobody frees single nodes. Whoever rewrites an expression builds new nodes (ast_expr_new) in an arena of his own
 * and may share unchanged children. Strings are slices into the arena or into the source text, so both must outlive the
 * tree. Every node carries a span: byte offsets into the text that was given to the parser (not into the statement's
 * own slice). Absent parts are NULL pointers, empty lists, or say so by a flag, never a made-up value.
 *
 * The parser has already done what ksqlDB's AST builder does: literals are typed (INT or BIGINT, DECIMAL precision and
 * scale), minus is folded into number literals, NOT BETWEEN/IN/LIKE/DISTINCT are NOT around the plain form, || is a
 * call of CONCAT, lambda parameters are told from columns, EMIT of a persistent query is filled in.
 */
#ifndef SQL_AST_H
#define SQL_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

/* Deepest nesting of expressions, and of types, that the parser lets through: recursive walks may rely on it. */
enum { AST_DEPTH_MAX = 1000, AST_TYPE_DEPTH_MAX = 100 };

/* ---- names ------------------------------------------------------------------------------------------------- */

/* An identifier. Unquoted text is upper-cased already; text.p == NULL: no name there. */
typedef struct ast_name {
    str text;
    span at;
    char quote; /* '"' or '`' as written, 0 when unquoted */
} ast_name;

/* A list of names. */
typedef struct ast_names {
    ast_name *items;
    uint32_t n;
} ast_names;

/* ---- time units -------------------------------------------------------------------------------------------- */

/* The interval units, singular and plural being one. */
typedef enum ast_unit {
    AST_UNIT_MILLISECONDS,
    AST_UNIT_SECONDS,
    AST_UNIT_MINUTES,
    AST_UNIT_HOURS,
    AST_UNIT_DAYS,
} ast_unit;

/* `5 MINUTES`, of a window, WITHIN, GRACE PERIOD, RETENTION or TIMEOUT. */
typedef struct ast_duration {
    bool present;
    int64_t value; /* as written; may be negative or zero: the analyser refuses it where it must be positive */
    ast_unit unit;
    span at;
} ast_duration;

/* value * unit in milliseconds, saturating at the ends of int64. */
int64_t ast_duration_ms(ast_duration d);
/* "MILLISECONDS", "SECONDS", ... */
const char *ast_unit_name(ast_unit unit);
/*
 * Reads a unit's word, singular or plural, in any case. A function argument DAY, HOUR, MINUTE or SECOND is parsed as a
 * column, since these words are legal column names; the plurals and MILLISECOND are AST_EXPR_UNIT.
 */
bool ast_unit_of(str word, ast_unit *out);

/* ---- types ------------------------------------------------------------------------------------------------- */

/* INT and INTEGER, STRING and VARCHAR(n) are one kind each. */
typedef enum ast_type_kind {
    AST_TYPE_BOOLEAN,
    AST_TYPE_INTEGER,
    AST_TYPE_BIGINT,
    AST_TYPE_DOUBLE,
    AST_TYPE_DECIMAL,
    AST_TYPE_STRING,
    AST_TYPE_BYTES,
    AST_TYPE_DATE,
    AST_TYPE_TIME,
    AST_TYPE_TIMESTAMP,
    AST_TYPE_ARRAY,
    AST_TYPE_MAP,
    AST_TYPE_STRUCT,
    AST_TYPE_NAMED, /* a custom type: resolved by the analyser */
} ast_type_kind;

typedef struct ast_type ast_type;

/* A field of a STRUCT type. The parser refuses duplicate names. */
typedef struct ast_type_field {
    ast_name name;
    ast_type *type;
} ast_type_field;

struct ast_type {
    ast_type_kind kind;
    uint16_t depth; /* 1 for a leaf */
    span at;
    union {
        struct {
            int32_t precision, scale; /* checked: precision >= 1, 0 <= scale <= precision */
        } decimal;
        ast_type *element; /* ARRAY */
        struct {
            ast_type *key, *value;
        } map;
        struct {
            ast_type_field *fields;
            uint32_t n;
        } structure; /* STRUCT */
        ast_name name; /* NAMED */
    } u;
};

/* ---- expressions ------------------------------------------------------------------------------------------- */

/* What a node is; the member of `u` that it uses stands behind it. */
typedef enum ast_expr_kind {
    AST_EXPR_NULL,
    AST_EXPR_BOOLEAN, /* boolean */
    AST_EXPR_INTEGER, /* integer: a literal that fits 32 bits */
    AST_EXPR_BIGINT, /* integer */
    AST_EXPR_DOUBLE, /* number: 1E3; never infinite or NaN */
    AST_EXPR_DECIMAL, /* decimal: 1.5, DECIMAL '1.50' */
    AST_EXPR_STRING, /* string: without quotes, doubled quotes made single */
    AST_EXPR_COLUMN, /* column: c, src.c */
    AST_EXPR_LAMBDA_VAR, /* name: a use of an enclosing lambda's parameter */
    AST_EXPR_UNIT, /* unit: DAYS as a function's argument */
    AST_EXPR_FIELD, /* field: base->name */
    AST_EXPR_SUBSCRIPT, /* subscript: base[index] */
    AST_EXPR_CALL, /* call: f(a, b), f(*) */
    AST_EXPR_LAMBDA, /* lambda: (x, y) => body; only as trailing arguments of a call */
    AST_EXPR_CAST, /* cast */
    AST_EXPR_CASE, /* cases: searched CASE only, the simple form is refused by the parser */
    AST_EXPR_ARRAY, /* list: ARRAY[...] */
    AST_EXPR_MAP, /* map: MAP(k := v, ...) */
    AST_EXPR_STRUCT, /* structure: STRUCT(n := v, ...) */
    AST_EXPR_NEGATE, /* operand: -e, e not a bare number */
    AST_EXPR_PLUS, /* operand: +e */
    AST_EXPR_ARITHMETIC, /* binary, op one of AST_OP_ADD ... AST_OP_MODULO */
    AST_EXPR_COMPARE, /* binary, op one of AST_OP_EQ ... AST_OP_DISTINCT */
    AST_EXPR_LOGIC, /* binary, op AST_OP_AND or AST_OP_OR */
    AST_EXPR_NOT, /* operand */
    AST_EXPR_IS_NULL, /* operand */
    AST_EXPR_IS_NOT_NULL, /* operand */
    AST_EXPR_BETWEEN, /* between */
    AST_EXPR_IN, /* in */
    AST_EXPR_LIKE, /* like */
} ast_expr_kind;

/* The operators of the binary nodes. */
typedef enum ast_op {
    AST_OP_ADD,
    AST_OP_SUBTRACT,
    AST_OP_MULTIPLY,
    AST_OP_DIVIDE,
    AST_OP_MODULO,
    AST_OP_EQ,
    AST_OP_NE,
    AST_OP_LT,
    AST_OP_LE,
    AST_OP_GT,
    AST_OP_GE,
    AST_OP_DISTINCT, /* IS DISTINCT FROM */
    AST_OP_AND,
    AST_OP_OR,
} ast_op;

typedef struct ast_expr ast_expr;

/* A list of expressions. */
typedef struct ast_exprs {
    ast_expr **items;
    uint32_t n;
} ast_exprs;

/* WHEN condition THEN result. */
typedef struct ast_when {
    ast_expr *condition;
    ast_expr *result;
    span at;
} ast_when;

/* An entry of MAP(): key := value. */
typedef struct ast_map_entry {
    ast_expr *key;
    ast_expr *value;
} ast_map_entry;

/* A field of STRUCT(): name := value. */
typedef struct ast_struct_field {
    ast_name name;
    ast_expr *value;
} ast_struct_field;

struct ast_expr {
    ast_expr_kind kind;
    uint16_t depth; /* 1 for a leaf, else 1 + the deepest child; at most AST_DEPTH_MAX */
    bool parens; /* written in parentheses */
    span at; /* the whole expression */
    span op_at; /* the operator's token (binary nodes, ->, [, LIKE, ...); equals `at` for the rest */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct {
            str text; /* plain digits with an optional minus and point: "-0.50"; no exponent */
            int32_t precision, scale;
        } decimal;
        str string;
        struct {
            ast_name source; /* source.text.p == NULL: unqualified */
            ast_name name;
        } column;
        ast_name name;
        ast_unit unit;
        struct {
            ast_expr *base;
            ast_name name;
        } field;
        struct {
            ast_expr *base;
            ast_expr *index;
        } subscript;
        struct {
            ast_name function;
            ast_exprs args; /* lambdas come last */
            bool star; /* f(*): args is empty */
        } call;
        struct {
            ast_names params;
            ast_expr *body;
        } lambda;
        struct {
            ast_expr *operand;
            ast_type *type;
        } cast;
        struct {
            ast_when *whens; /* at least one */
            uint32_t n;
            ast_expr *otherwise; /* NULL without ELSE */
        } cases;
        ast_exprs list;
        struct {
            ast_map_entry *entries;
            uint32_t n;
        } map;
        struct {
            ast_struct_field *fields;
            uint32_t n;
        } structure;
        ast_expr *operand;
        struct {
            ast_op op;
            ast_expr *left;
            ast_expr *right;
        } binary;
        struct {
            ast_expr *operand;
            ast_expr *low;
            ast_expr *high;
        } between;
        struct {
            ast_expr *operand;
            ast_exprs list; /* at least one */
        } in;
        struct {
            ast_expr *operand;
            ast_expr *pattern;
            str escape; /* one character; p == NULL without ESCAPE */
        } like;
    } u;
};

/* Is it NULL, TRUE, a number or a string? */
bool ast_expr_is_literal(const ast_expr *e);

/* ---- queries ----------------------------------------------------------------------------------------------- */

/* The forms of an item between SELECT and FROM. */
typedef enum ast_item_kind {
    AST_ITEM_EXPR, /* e [[AS] alias] */
    AST_ITEM_STAR, /* *, src.* */
    AST_ITEM_STRUCT_STAR, /* e->* */
} ast_item_kind;

/* One item of the projection. */
typedef struct ast_select_item {
    ast_item_kind kind;
    span at;
    ast_expr *expr; /* EXPR, STRUCT_STAR */
    ast_name alias; /* EXPR; text.p == NULL: none given */
    ast_name source; /* STAR; text.p == NULL: all sources. The parser checks that a given one is in FROM */
} ast_select_item;

/* A source in FROM or JOIN. */
typedef struct ast_source {
    ast_name name;
    ast_name alias; /* the source's own name when none was given */
    bool aliased; /* an alias was given */
    span at;
} ast_source;

/* The join types. */
typedef enum ast_join_kind {
    AST_JOIN_INNER,
    AST_JOIN_LEFT,
    AST_JOIN_RIGHT,
    AST_JOIN_OUTER, /* FULL */
} ast_join_kind;

/* One step of a left-deep chain of joins. */
typedef struct ast_join {
    ast_join_kind kind;
    ast_source right;
    ast_duration before, after; /* WITHIN; equal when one size was given; not present without WITHIN */
    ast_duration grace;
    ast_expr *on;
    span at;
} ast_join;

/* The window types. */
typedef enum ast_window_kind {
    AST_WINDOW_TUMBLING,
    AST_WINDOW_HOPPING,
    AST_WINDOW_SESSION,
} ast_window_kind;

/* A WINDOW clause. */
typedef struct ast_window {
    ast_window_kind kind;
    ast_duration size; /* of a session: the gap */
    ast_duration advance; /* HOPPING */
    ast_duration retention;
    ast_duration grace;
    span at;
} ast_window;

/* How a query's result comes. */
typedef enum ast_emit {
    AST_EMIT_NONE, /* a pull query */
    AST_EMIT_CHANGES,
    AST_EMIT_FINAL,
} ast_emit;

/* SELECT ... The EMIT of a query inside CREATE AS or INSERT is CHANGES when none was written. */
typedef struct ast_query {
    span at;
    ast_select_item *items;
    uint32_t items_n;
    ast_source from;
    ast_join *joins;
    uint32_t joins_n;
    ast_window *window; /* NULL: none */
    ast_expr *where; /* NULL: none */
    bool grouped; /* GROUP BY given: group_by may still be empty, `GROUP BY ()` */
    ast_exprs group_by;
    bool partitioned; /* PARTITION BY given */
    ast_exprs partition_by;
    ast_expr *having; /* NULL: none */
    ast_emit emit;
    bool emit_written; /* EMIT stands in the text */
    bool limited; /* LIMIT given */
    int32_t limit;
    span group_at, partition_at, having_at, emit_at, limit_at; /* the clauses, for messages; NO_SPAN when absent */
} ast_query;

/* ---- parts of statements ----------------------------------------------------------------------------------- */

/* What stands behind a column's type. */
typedef enum ast_column_role {
    AST_COLUMN_VALUE,
    AST_COLUMN_KEY, /* KEY: streams only, checked */
    AST_COLUMN_PRIMARY_KEY, /* PRIMARY KEY: tables only, checked */
    AST_COLUMN_HEADERS, /* HEADERS: ARRAY<STRUCT<KEY STRING, VALUE BYTES>> */
    AST_COLUMN_HEADER, /* HEADER('key'): BYTES */
} ast_column_role;

/* A column of CREATE or ASSERT STREAM/TABLE, or of ALTER ... ADD (always VALUE there). */
typedef struct ast_column {
    ast_name name;
    ast_type *type;
    ast_column_role role;
    str header; /* HEADER: the key; checked not to be empty */
    span at;
} ast_column;

/* A list of columns. */
typedef struct ast_columns {
    ast_column *items;
    uint32_t n;
} ast_columns;

/* One property of WITH (...): the name in upper case unless it was quoted, and a literal. */
typedef struct ast_property {
    ast_name name; /* quote is '\'' for a name written as a string */
    ast_expr *value;
    span at;
} ast_property;

/* WITH (...) or nothing (n == 0). The parser refuses a name given twice. */
typedef struct ast_properties {
    ast_property *items;
    uint32_t n;
    span at;
} ast_properties;

/* The value of the property (names compare without case), or NULL. */
const ast_expr *ast_property_get(const ast_properties *with, str name);

/* ---- statements -------------------------------------------------------------------------------------------- */

/* Every kind of statement; the member of ast_stmt's `u` that it uses stands behind it ("-": none). */
typedef enum ast_stmt_kind {
    AST_STMT_QUERY, /* query */
    AST_STMT_LIST_PROPERTIES, /* - */
    AST_STMT_LIST_TOPICS, /* show: all, extended */
    AST_STMT_LIST_STREAMS, /* show: extended */
    AST_STMT_LIST_TABLES, /* show: extended */
    AST_STMT_LIST_FUNCTIONS, /* - */
    AST_STMT_LIST_CONNECTORS, /* show: scope */
    AST_STMT_LIST_CONNECTOR_PLUGINS, /* - */
    AST_STMT_LIST_TYPES, /* - */
    AST_STMT_LIST_VARIABLES, /* - */
    AST_STMT_LIST_QUERIES, /* show: extended */
    AST_STMT_DESCRIBE, /* describe: name, extended */
    AST_STMT_DESCRIBE_STREAMS, /* describe: extended */
    AST_STMT_DESCRIBE_TABLES, /* describe: extended */
    AST_STMT_DESCRIBE_FUNCTION, /* describe: name */
    AST_STMT_DESCRIBE_CONNECTOR, /* describe: name */
    AST_STMT_PRINT, /* print */
    AST_STMT_EXPLAIN, /* explain */
    AST_STMT_TERMINATE, /* query_ref */
    AST_STMT_PAUSE, /* query_ref */
    AST_STMT_RESUME, /* query_ref */
    AST_STMT_SET, /* property */
    AST_STMT_UNSET, /* property: name */
    AST_STMT_ALTER_SYSTEM, /* property */
    AST_STMT_DEFINE, /* property: name (as written), value */
    AST_STMT_UNDEFINE, /* property: name */
    AST_STMT_CREATE_STREAM, /* create */
    AST_STMT_CREATE_TABLE, /* create */
    AST_STMT_CREATE_STREAM_AS, /* create_as */
    AST_STMT_CREATE_TABLE_AS, /* create_as */
    AST_STMT_INSERT_INTO, /* insert_into */
    AST_STMT_INSERT_VALUES, /* insert_values */
    AST_STMT_DROP_STREAM, /* drop */
    AST_STMT_DROP_TABLE, /* drop */
    AST_STMT_CREATE_CONNECTOR, /* connector */
    AST_STMT_DROP_CONNECTOR, /* drop: name, if_exists */
    AST_STMT_CREATE_TYPE, /* create_type */
    AST_STMT_DROP_TYPE, /* drop: name, if_exists */
    AST_STMT_ALTER_STREAM, /* alter */
    AST_STMT_ALTER_TABLE, /* alter */
    AST_STMT_ASSERT_TOPIC, /* assert_topic */
    AST_STMT_ASSERT_SCHEMA, /* assert_schema */
    AST_STMT_ASSERT_VALUES, /* insert_values; test tool only */
    AST_STMT_ASSERT_NULL_VALUES, /* insert_values: columns and values of the key; test tool only */
    AST_STMT_ASSERT_STREAM, /* create; test tool only */
    AST_STMT_ASSERT_TABLE, /* create; test tool only */
    AST_STMT_RUN_SCRIPT, /* script; prompt and test tool only */
} ast_stmt_kind;

/* SHOW [SOURCE|SINK] CONNECTORS, CREATE SOURCE|SINK CONNECTOR. */
typedef enum ast_connector_kind {
    AST_CONNECTOR_ANY,
    AST_CONNECTOR_SOURCE,
    AST_CONNECTOR_SINK,
} ast_connector_kind;

typedef struct ast_stmt ast_stmt;

/* A statement. */
struct ast_stmt {
    ast_stmt_kind kind;
    span at; /* from its first token to its last, without the `;` */
    str text; /* the statement's own text, from its first token through its `;` */
    union {
        ast_query *query;
        struct {
            bool all;
            bool extended;
            ast_connector_kind scope;
        } show;
        struct {
            ast_name name;
            bool extended;
        } describe;
        struct {
            str topic; /* in the case it was written */
            span topic_at;
            bool from_beginning;
            bool sampled; /* INTERVAL or SAMPLE given */
            int32_t interval;
            bool limited;
            int32_t limit;
        } print;
        struct {
            ast_name query_id; /* text.p == NULL: a statement is given */
            ast_stmt *stmt;
        } explain;
        struct {
            bool all;
            ast_name query_id;
        } query_ref;
        struct {
            str name;
            span name_at;
            str value;
            span value_at;
        } property;
        struct {
            ast_name name;
            bool or_replace;
            bool if_not_exists;
            bool is_source; /* CREATE SOURCE STREAM/TABLE */
            ast_columns columns;
            ast_properties with;
        } create;
        struct {
            ast_name name;
            bool or_replace;
            bool if_not_exists;
            ast_properties with;
            ast_query *query;
        } create_as;
        struct {
            ast_name target;
            ast_properties with;
            ast_query *query;
        } insert_into;
        struct {
            ast_name target;
            ast_names columns; /* empty: all */
            ast_exprs values;
        } insert_values;
        struct {
            ast_name name;
            bool if_exists;
            bool delete_topic;
        } drop;
        struct {
            ast_name name;
            ast_connector_kind kind;
            bool if_not_exists;
            ast_properties with;
        } connector;
        struct {
            ast_name name;
            bool if_not_exists;
            ast_type *type;
        } create_type;
        struct {
            ast_name name;
            ast_columns add;
        } alter;
        struct {
            str topic; /* in the case it was written */
            span topic_at;
            bool exists; /* false: NOT EXISTS */
            ast_properties with;
            ast_duration timeout;
        } assert_topic;
        struct {
            str subject; /* p == NULL: not given */
            bool has_id;
            int32_t id;
            bool exists;
            ast_duration timeout;
        } assert_schema;
        struct {
            str path;
        } script;
    } u;
};

/* "CREATE STREAM AS", "SHOW TOPICS", ...: for messages and metrics. */
const char *ast_stmt_name(ast_stmt_kind kind);
/* The query of a SELECT, CREATE AS or INSERT INTO ... SELECT; NULL for the rest. */
const ast_query *ast_stmt_query(const ast_stmt *stmt);

/* ---- making, comparing, walking ---------------------------------------------------------------------------- */

/* A zeroed node of depth 1 whose op_at is `at`. */
ast_expr *ast_expr_new(arena *a, ast_expr_kind kind, span at);
/* Sets the depth from the children; call it after filling in a node. Returns e. */
ast_expr *ast_expr_sealed(ast_expr *e);

/* A shallow copy of the node whose direct children were passed through fn; children may come back as they were. */
ast_expr *ast_expr_map(arena *a, const ast_expr *e, ast_expr *(*fn)(arena *a, ast_expr *child, void *arg), void *arg);

/*
 * Structural equality: spans, parentheses and the way a name was quoted do not count; function names compare without
 * case. NULL equals only NULL. This is what matches a projection with GROUP BY.
 */
bool ast_expr_equal(const ast_expr *a, const ast_expr *b);
/* A table hash that agrees with ast_expr_equal. */
uint64_t ast_expr_hash(const ast_expr *e);
/* Structural equality of types. */
bool ast_type_equal(const ast_type *a, const ast_type *b);
/* Structural equality of queries. */
bool ast_query_equal(const ast_query *a, const ast_query *b);
/* Structural equality of statements; their texts do not count. */
bool ast_stmt_equal(const ast_stmt *a, const ast_stmt *b);

/* What a visitor wants next. */
typedef enum ast_visit {
    AST_VISIT_CONTINUE, /* go into the children */
    AST_VISIT_PRUNE, /* leave the children out */
    AST_VISIT_STOP, /* end the walk */
} ast_visit;

/* Called before a node's children. */
typedef ast_visit (*ast_visitor)(const ast_expr *e, void *arg);

/* Visits e (NULL allowed) and what is below it, parents first, left to right. False when a visitor stopped it. */
bool ast_expr_walk(const ast_expr *e, ast_visitor visit, void *arg);
/* Visits all expressions of a query: items, ON, WHERE, GROUP BY, PARTITION BY, HAVING. */
bool ast_query_walk(const ast_query *q, ast_visitor visit, void *arg);
/* The i-th direct child, in source order; NULL past the last. */
ast_expr *ast_expr_child(const ast_expr *e, uint32_t i);

#endif
