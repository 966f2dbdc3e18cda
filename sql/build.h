/*
 * sql/build.h - what the grammar's actions call: they make AST nodes and check what the grammar cannot say.
 *
 * Internal to sql/ and grammar/. One build belongs to one parse, on one thread; all nodes go to its arena. An error is
 * kept in the build's diag (the first wins) and sets `failed`: the driver (sql/parse.c) then stops feeding tokens, so
 * an action may go on with any well-formed value after an error.
 */
#ifndef SQL_BUILD_H
#define SQL_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "sql/ast.h"
#include "sql/token.h"

/* A use of ${name} in the text, for sql/variables. */
typedef struct build_variable {
    span at;
    bool is_name; /* stands for an identifier; else for a literal */
} build_variable;

/* Bounds that keep the checks against each other (duplicates, names) from growing quadratic. */
enum { BUILD_JOINS_MAX = 500, BUILD_PROPERTIES_MAX = 1000, BUILD_PARAMS_MAX = 100 };

/* One parse: what goes in, what comes out, and how it failed. */
typedef struct build {
    arena *a;
    str source;
    unsigned flags; /* PARSE_ */
    bool failed;
    bool syntax_error; /* a token was refused: refused, its kind in refused.kind */
    token refused;
    uint32_t last_end; /* the end of the last token fed: where a statement or a query ends when it is reduced */
    diag *d;
    bool take_variables; /* ${x} is legal and is noted in variables */
    build_variable *variables;
    uint32_t variables_n;
    ast_stmt *stmt;
    ast_expr *expr;
    ast_type *type;
    ast_columns columns;
} build;

/* ---- the parser (gen/parser.c) ----------------------------------------------------------------------------- */

/* What is done with a parser that has read some tokens. */
typedef void (*build_then)(const void *parser, void *arg);

/*
 * Feeds the tokens (the last one TOKEN_END for a whole input) to a new parser until one fails; returns the index of the
 * token that failed, n when none did. `then` (NULL allowed) is shown the parser before it goes.
 */
uint32_t build_run(build *b, const token *items, uint32_t n, build_then then, void *arg);
/* Would the parser, as it stands, take these tokens? Nothing changes. */
bool build_parser_accepts(const void *parser, const token *next, uint32_t n);
/* Would it take the token as what it is, not as a name that a keyword may fall back to? */
bool build_parser_expects(const void *parser, int kind);
/* Kinds of tokens are 0 (the end) up to, and without, this number. */
int build_parser_terminals(void);

/* Sets a DIAG_LIMIT and stops the parse. */
void build_limit(build *b, span at, const char *what, int most);
/* The grammar's hooks. */
void build_syntax_error(build *b, token t, int kind);
/* The parser's stack is full. */
void build_too_deep(build *b);

/* ---- small values of the grammar --------------------------------------------------------------------------- */

/* LIMIT n, INTERVAL n. */
typedef struct build_count {
    bool present;
    int32_t value;
    span at;
} build_count;

/* A topic's or a subject's name. text.p == NULL: absent. */
typedef struct build_resource {
    str text;
    span at;
} build_resource;

/* The words before STREAM or TABLE in CREATE. */
typedef struct build_words {
    token first;
    bool or_replace;
    bool is_source;
    span source_at;
} build_words;

/* CREATE ... STREAM|TABLE name. */
typedef struct build_create {
    build_words words;
    bool table;
    bool if_not_exists;
    ast_name name;
} build_create;

/* A clause of a query. */
typedef struct build_clause {
    bool present;
    span at;
    ast_expr *expr;
    ast_exprs list;
} build_clause;

/* EMIT. */
typedef struct build_emit {
    ast_emit emit;
    span at;
} build_emit;

/* A join's type and where it stands. */
typedef struct build_join_kind {
    ast_join_kind kind;
    span at;
} build_join_kind;

/* WITHIN (before, after) GRACE PERIOD grace. */
typedef struct build_within {
    ast_duration before, after, grace;
} build_within;

/* The projection while it grows. */
typedef struct build_items {
    ast_select_item *items;
    uint32_t n;
} build_items;

/* FROM while it grows. */
typedef struct build_relation {
    ast_source from;
    ast_join *joins;
    uint32_t joins_n;
} build_relation;

/* WHEN branches while they grow. */
typedef struct build_whens {
    ast_when *items;
    uint32_t n;
} build_whens;

/* ---- lists: each returns the list with one element more ---------------------------------------------------- */

/* Adds one expression. */
ast_exprs build_exprs(build *b, ast_exprs list, ast_expr *e);
ast_exprs build_exprs_join(build *b, ast_exprs list, ast_exprs more);
ast_names build_names(build *b, ast_names list, ast_name name);
ast_columns build_columns(build *b, ast_columns list, ast_column *column);
ast_properties build_properties(build *b, ast_properties list, ast_property *property);
build_items build_item_list(build *b, build_items list, ast_select_item *item);

/* Room for one element more in an array of the arena that doubles at each power of two. */
void *build_grow(arena *a, void *items, uint32_t n, size_t size);

/* ---- names and literals (build_expr.c) --------------------------------------------------------------------- */

/* An identifier: upper-cased when it is not quoted. */
ast_name build_name(build *b, token t);
ast_name build_text_name(build *b, token t);
ast_name build_variable_name(build *b, token t);
ast_name build_source_name(build *b, ast_name name);
/* The text between a token's quotes, doubled quotes made single; fails on malformed UTF-8. */
str build_unquote(build *b, token t);
build_resource build_resource_name(build *b, ast_name name);
build_resource build_resource_text(build *b, token t);

/* NULL. */
ast_expr *build_null(build *b, token t);
ast_expr *build_boolean(build *b, token t, bool value);
ast_expr *build_string(build *b, token t);
ast_expr *build_number(build *b, token t);
ast_expr *build_variable_literal(build *b, token t);
ast_expr *build_type_literal(build *b, ast_name name, token text);
ast_expr *build_decimal_literal(build *b, token decimal, token text);
/* The number as int64; fails on fractions and on overflow, naming `what`. */
int64_t build_integer(build *b, token number, const char *what);
build_count build_count_of(build *b, token word, token number, const char *what);
ast_duration build_duration(build *b, token number, token unit);

/* ---- expressions (build_expr.c) ---------------------------------------------------------------------------- */

/* NOT e. */
ast_expr *build_not(build *b, token t, ast_expr *e);
ast_expr *build_binary(build *b, ast_expr_kind kind, ast_op op, ast_expr *left, token t, ast_expr *right);
ast_expr *build_not_distinct(build *b, ast_expr *left, token t, ast_expr *right);
ast_expr *build_between(build *b, ast_expr *e, bool negated, token t, ast_expr *low, ast_expr *high);
ast_expr *build_in(build *b, ast_expr *e, bool negated, token t, ast_exprs list, token close);
ast_expr *build_like(build *b, ast_expr *e, bool negated, token t, ast_expr *pattern, const token *escape);
ast_expr *build_postfix(build *b, ast_expr_kind kind, ast_expr *e, token t, token end);
ast_expr *build_time_zone(build *b, ast_expr *e, token t);
ast_expr *build_sign(build *b, ast_expr_kind kind, token t, ast_expr *e);
ast_expr *build_concat(build *b, ast_expr *left, token t, ast_expr *right);
ast_expr *build_case(build *b, token t, build_whens *whens, ast_expr *otherwise, token end);
ast_expr *build_simple_case(build *b, token t, ast_expr *e, build_whens *whens, ast_expr *otherwise, token end);
build_whens *build_when(build *b, build_whens *whens, token t, ast_expr *condition, ast_expr *result);
ast_expr *build_cast(build *b, token t, ast_expr *e, ast_type *type, token close);
ast_expr *build_array(build *b, token t, ast_exprs list, token close);
ast_expr *build_map(build *b, token t, ast_expr *map, token close);
ast_expr *build_map_entry(build *b, ast_expr *map, ast_expr *key, ast_expr *value);
ast_expr *build_struct(build *b, token t, ast_expr *structure, token close);
ast_expr *build_struct_field(build *b, ast_expr *structure, ast_name name, ast_expr *value);
ast_expr *build_call(build *b, ast_name name, ast_exprs args, bool star, token close);
ast_expr *build_subscript(build *b, ast_expr *base, ast_expr *index, token close);
ast_expr *build_column_ref(build *b, ast_name source, ast_name name);
ast_expr *build_field(build *b, ast_expr *base, token arrow, ast_name name);
ast_expr *build_parens(build *b, token open, ast_expr *e, token close);
ast_expr *build_unit(build *b, token t);
ast_expr *build_lambda(build *b, span from, ast_names params, token arrow, ast_expr *body);

/* ---- types (build_type.c) ---------------------------------------------------------------------------------- */

/* ARRAY<element>. */
ast_type *build_array_type(build *b, ast_type *element, span at);
ast_type *build_map_type(build *b, token t, ast_type *key, ast_type *value, token close);
ast_type *build_struct_type(build *b, token t, ast_type *structure, token close);
ast_type *build_type_field(build *b, ast_type *structure, ast_name name, ast_type *type);
ast_type *build_decimal_type(build *b, token t, token precision, token scale, token close);
ast_type *build_named_type(build *b, ast_name name, uint32_t end);
ast_column *build_column(build *b, ast_name name, ast_type *type, ast_column_role role, span role_at);
ast_column *build_header_column(build *b, ast_name name, ast_type *type, token key);
ast_property *build_property(build *b, ast_name name, ast_expr *value);

/* ---- queries (build_query.c) ------------------------------------------------------------------------------- */

/* e [[AS] alias]. */
ast_select_item *build_item_expr(build *b, ast_expr *e, ast_name alias);
ast_select_item *build_item_star(build *b, ast_name source, token star);
ast_select_item *build_item_struct_star(build *b, ast_expr *e, token star);
ast_source *build_source(build *b, ast_name name, ast_name alias);
build_relation *build_relation_new(build *b, ast_source *source);
build_relation *build_join(build *b, build_relation *r, build_join_kind kind, ast_source *right, build_within *within,
                           ast_expr *on);
build_within *build_within_of(build *b, ast_duration before, ast_duration after, ast_duration grace);
ast_window *build_window(build *b, ast_window_kind kind, token first, token close, ast_duration size,
                         ast_duration advance, ast_window *tail);
ast_window *build_window_tail(build *b, const ast_duration *retention, const ast_duration *grace);
ast_query *build_select(build *b, token select, build_items items, build_relation *from);
ast_query *build_query(build *b, ast_query *q, ast_window *window, ast_expr *where, build_clause group,
                       build_clause partition, build_clause having, build_emit emit, build_count limit);

/* ---- statements (build_stmt.c) ----------------------------------------------------------------------------- */

/* A statement of the kind, from its first token to the last that was read. */
ast_stmt *build_stmt(build *b, ast_stmt_kind kind, token first);
ast_stmt *build_query_stmt(build *b, ast_query *q);
ast_stmt *build_show(build *b, ast_stmt_kind kind, token first, bool all, bool extended);
ast_stmt *build_show_connectors(build *b, token first, ast_connector_kind scope);
ast_stmt *build_describe(build *b, ast_stmt_kind kind, token first, ast_name name, bool extended);
ast_stmt *build_print(build *b, token first, build_resource topic, bool from_beginning, build_count sample,
                      build_count limit);
ast_stmt *build_explain_stmt(build *b, token first, ast_stmt *inner);
ast_stmt *build_explain_query(build *b, token first, ast_name query_id);
ast_stmt *build_query_ref(build *b, ast_stmt_kind kind, token first, ast_name query_id);
ast_stmt *build_property_stmt(build *b, ast_stmt_kind kind, token first, token name, token value);
build_create *build_create_head(build *b, build_words words, bool table, bool if_not_exists, ast_name name);
ast_stmt *build_create_source(build *b, build_create *head, ast_columns columns, ast_properties with);
ast_stmt *build_create_as(build *b, build_create *head, ast_columns columns, ast_properties with, token as,
                          ast_query *query);
ast_stmt *build_connector(build *b, token first, ast_connector_kind kind, bool if_not_exists, ast_name name,
                          ast_properties with);
ast_stmt *build_create_type(build *b, token first, bool if_not_exists, ast_name name, ast_type *type);
ast_stmt *build_insert_into(build *b, token first, ast_name target, ast_properties with, ast_query *query);
ast_stmt *build_insert_values(build *b, ast_stmt_kind kind, token first, ast_name target, ast_names columns,
                              ast_exprs values);
ast_stmt *build_drop(build *b, ast_stmt_kind kind, token first, bool if_exists, ast_name name, bool delete_topic);
ast_stmt *build_alter(build *b, ast_stmt_kind kind, token first, ast_name name, ast_columns add);
ast_stmt *build_assert_topic(build *b, token first, bool exists, build_resource topic, ast_properties with,
                             ast_duration timeout);
ast_stmt *build_assert_schema(build *b, token first, bool exists, token word, build_resource subject, ast_expr *id,
                              ast_duration timeout);
ast_stmt *build_test_source(build *b, ast_stmt_kind kind, token first, ast_name name, ast_columns columns,
                            ast_properties with);
ast_stmt *build_run_script(build *b, token first, token path);

#endif
