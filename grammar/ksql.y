/*
 * grammar/ksql.y - the SQL language; lemon makes gen/parser.c of it.
 *
 * Actions are one line: what a construct means is in sql/build.c. Precedence and associativity are those of
 * ksqlDB's grammar (SqlBase.g4). grammar/README.md says how keywords become names and how to add a statement.
 */
%include {
#include "sql/build.h"

#include "base/check.h"

/* The generated assertions guard only the tables, and bring tracing with them. */
#define NDEBUG 1

#define YYNOERRORRECOVERY 1
}

%name ksql_parser
%token_prefix TK_
%token_type {token}
%extra_context {build *b}
%start_symbol input
%stack_size 2048
%default_type {token}

%syntax_error { build_syntax_error(b, TOKEN, yymajor); }
%stack_overflow { build_too_deep(b); }

/* Keywords that may be names wherever the grammar does not want them as keywords. */
%fallback IDENT
    ADD ALTER ANALYZE ARRAY ASSERT CHANGES COLUMN COLUMNS DATE DAY DEFINE EMIT ESCAPE EXPLAIN FINAL FUNCTION FUNCTIONS
    GRACE HEADER HEADERS HOUR ID IF INTEGER INTERVAL KEY MAP MINUTE MONTH PARTITION PARTITIONS PERIOD PLUGINS PRIMARY
    REPLACE RESET SCHEMA SECOND SESSION SET SHOW SINK SOURCE STRING_WORD STRUCT SUBJECT SYSTEM TABLES TIME TIMEOUT
    TIMESTAMP TYPE TYPES UNDEFINE VARIABLES YEAR ZONE.

/* Reserved words that no rule uses. */
%token CATALOG DISTINCT EXPORT LOAD MATERIALIZED MONTHS NAMESPACE QUERY RENAME TO VIEW YEARS.

/* What the caller wants to read: the first token, made by sql/parse.c, says it. */
%token WANT_EXPR WANT_TYPE WANT_COLUMNS.

%left OR.
%left AND.
%right NOT.
%left CONCAT.
%left PLUS MINUS.
%left STAR SLASH PERCENT.
%right SIGN.
%left AT.

input ::= stmt(S) SEMI. { b->stmt = S; }
input ::= WANT_EXPR expr(E). { b->expr = E; }
input ::= WANT_TYPE type(T). { b->type = T; }
input ::= WANT_COLUMNS column_list(L). { b->columns = L; }
input ::= WANT_COLUMNS.

/* ---- statements -------------------------------------------------------------------------------------------- */

%type stmt {ast_stmt *}
stmt(A) ::= query(Q). { A = build_query_stmt(b, Q); }

show(A) ::= LIST(T). { A = T; }
show(A) ::= SHOW(T). { A = T; }
%type extended {bool}
extended(A) ::= . { A = false; }
extended(A) ::= EXTENDED. { A = true; }

stmt(A) ::= show(T) PROPERTIES. { A = build_stmt(b, AST_STMT_LIST_PROPERTIES, T); }
stmt(A) ::= show(T) TOPICS extended(X). { A = build_show(b, AST_STMT_LIST_TOPICS, T, false, X); }
stmt(A) ::= show(T) ALL TOPICS extended(X). { A = build_show(b, AST_STMT_LIST_TOPICS, T, true, X); }
stmt(A) ::= show(T) STREAMS extended(X). { A = build_show(b, AST_STMT_LIST_STREAMS, T, false, X); }
stmt(A) ::= show(T) TABLES extended(X). { A = build_show(b, AST_STMT_LIST_TABLES, T, false, X); }
stmt(A) ::= show(T) QUERIES extended(X). { A = build_show(b, AST_STMT_LIST_QUERIES, T, false, X); }
stmt(A) ::= show(T) FUNCTIONS. { A = build_stmt(b, AST_STMT_LIST_FUNCTIONS, T); }
stmt(A) ::= show(T) TYPES. { A = build_stmt(b, AST_STMT_LIST_TYPES, T); }
stmt(A) ::= show(T) VARIABLES. { A = build_stmt(b, AST_STMT_LIST_VARIABLES, T); }
stmt(A) ::= show(T) CONNECTOR PLUGINS. { A = build_stmt(b, AST_STMT_LIST_CONNECTOR_PLUGINS, T); }
stmt(A) ::= show(T) CONNECTORS. { A = build_show_connectors(b, T, AST_CONNECTOR_ANY); }
stmt(A) ::= show(T) SOURCE CONNECTORS. { A = build_show_connectors(b, T, AST_CONNECTOR_SOURCE); }
stmt(A) ::= show(T) SINK CONNECTORS. { A = build_show_connectors(b, T, AST_CONNECTOR_SINK); }

stmt(A) ::= DESCRIBE(T) source_name(N) extended(X). { A = build_describe(b, AST_STMT_DESCRIBE, T, N, X); }
stmt(A) ::= DESCRIBE(T) STREAMS extended(X). { A = build_describe(b, AST_STMT_DESCRIBE_STREAMS, T, (ast_name){0}, X); }
stmt(A) ::= DESCRIBE(T) TABLES extended(X). { A = build_describe(b, AST_STMT_DESCRIBE_TABLES, T, (ast_name){0}, X); }
stmt(A) ::= DESCRIBE(T) FUNCTION name(N). { A = build_describe(b, AST_STMT_DESCRIBE_FUNCTION, T, N, false); }
stmt(A) ::= DESCRIBE(T) CONNECTOR name(N). { A = build_describe(b, AST_STMT_DESCRIBE_CONNECTOR, T, N, false); }

stmt(A) ::= PRINT(T) resource(R) from_beginning(F) sample(I) limit(L). { A = build_print(b, T, R, F, I, L); }
%type from_beginning {bool}
from_beginning(A) ::= . { A = false; }
from_beginning(A) ::= FROM BEGINNING. { A = true; }
%type sample {build_count}
sample(A) ::= . { A = (build_count){0}; }
sample(A) ::= INTERVAL(T) number(N). { A = build_count_of(b, T, N, "INTERVAL"); }
sample(A) ::= SAMPLE(T) number(N). { A = build_count_of(b, T, N, "SAMPLE"); }

stmt(A) ::= EXPLAIN(T) stmt(S). { A = build_explain_stmt(b, T, S); }
stmt(A) ::= EXPLAIN(T) name(N). { A = build_explain_query(b, T, N); }
stmt(A) ::= TERMINATE(T) name(N). { A = build_query_ref(b, AST_STMT_TERMINATE, T, N); }
stmt(A) ::= TERMINATE(T) ALL. { A = build_query_ref(b, AST_STMT_TERMINATE, T, (ast_name){0}); }
stmt(A) ::= PAUSE(T) name(N). { A = build_query_ref(b, AST_STMT_PAUSE, T, N); }
stmt(A) ::= PAUSE(T) ALL. { A = build_query_ref(b, AST_STMT_PAUSE, T, (ast_name){0}); }
stmt(A) ::= RESUME(T) name(N). { A = build_query_ref(b, AST_STMT_RESUME, T, N); }
stmt(A) ::= RESUME(T) ALL. { A = build_query_ref(b, AST_STMT_RESUME, T, (ast_name){0}); }

stmt(A) ::= SET(T) TEXT(K) EQ TEXT(V). { A = build_property_stmt(b, AST_STMT_SET, T, K, V); }
stmt(A) ::= ALTER(T) SYSTEM TEXT(K) EQ TEXT(V). { A = build_property_stmt(b, AST_STMT_ALTER_SYSTEM, T, K, V); }
stmt(A) ::= UNSET(T) TEXT(K). { A = build_property_stmt(b, AST_STMT_UNSET, T, K, K); }
stmt(A) ::= DEFINE(T) IDENT(K) EQ TEXT(V). { A = build_property_stmt(b, AST_STMT_DEFINE, T, K, V); }
stmt(A) ::= UNDEFINE(T) IDENT(K). { A = build_property_stmt(b, AST_STMT_UNDEFINE, T, K, K); }

/* CREATE [OR REPLACE] [SOURCE] STREAM|TABLE, plain or AS. */
%type create_words {build_words}
create_words(A) ::= CREATE(T). { A = (build_words){.first = T}; }
create_words(A) ::= CREATE(T) OR REPLACE. { A = (build_words){.first = T, .or_replace = true}; }
create_words(A) ::= CREATE(T) SOURCE(S). { A = (build_words){.first = T, .is_source = true, .source_at = token_span(S)}; }
create_words(A) ::= CREATE(T) OR REPLACE SOURCE(S).
    { A = (build_words){.first = T, .or_replace = true, .is_source = true, .source_at = token_span(S)}; }
%type create_head {build_create *}
create_head(A) ::= create_words(W) STREAM if_not_exists(I) source_name(N). { A = build_create_head(b, W, false, I, N); }
create_head(A) ::= create_words(W) TABLE if_not_exists(I) source_name(N). { A = build_create_head(b, W, true, I, N); }
stmt(A) ::= create_head(H) columns_opt(C) with_opt(W). { A = build_create_source(b, H, C, W); }
stmt(A) ::= create_head(H) columns_opt(C) with_opt(W) AS(T) query(Q). { A = build_create_as(b, H, C, W, T, Q); }

%type if_not_exists {bool}
if_not_exists(A) ::= . { A = false; }
if_not_exists(A) ::= IF NOT EXISTS. { A = true; }
%type if_exists {bool}
if_exists(A) ::= . { A = false; }
if_exists(A) ::= IF EXISTS. { A = true; }

stmt(A) ::= CREATE(T) SOURCE CONNECTOR if_not_exists(I) name(N) WITH properties(P).
    { A = build_connector(b, T, AST_CONNECTOR_SOURCE, I, N, P); }
stmt(A) ::= CREATE(T) SINK CONNECTOR if_not_exists(I) name(N) WITH properties(P).
    { A = build_connector(b, T, AST_CONNECTOR_SINK, I, N, P); }
stmt(A) ::= CREATE(T) TYPE if_not_exists(I) name(N) AS type(Y). { A = build_create_type(b, T, I, N, Y); }

stmt(A) ::= INSERT(T) INTO source_name(N) with_opt(W) query(Q). { A = build_insert_into(b, T, N, W, Q); }
stmt(A) ::= INSERT(T) INTO source_name(N) names_opt(C) VALUES values(V).
    { A = build_insert_values(b, AST_STMT_INSERT_VALUES, T, N, C, V); }

stmt(A) ::= DROP(T) STREAM if_exists(I) source_name(N) delete_topic(D). { A = build_drop(b, AST_STMT_DROP_STREAM, T, I, N, D); }
stmt(A) ::= DROP(T) TABLE if_exists(I) source_name(N) delete_topic(D). { A = build_drop(b, AST_STMT_DROP_TABLE, T, I, N, D); }
stmt(A) ::= DROP(T) CONNECTOR if_exists(I) name(N). { A = build_drop(b, AST_STMT_DROP_CONNECTOR, T, I, N, false); }
stmt(A) ::= DROP(T) TYPE if_exists(I) name(N). { A = build_drop(b, AST_STMT_DROP_TYPE, T, I, N, false); }
%type delete_topic {bool}
delete_topic(A) ::= . { A = false; }
delete_topic(A) ::= DELETE TOPIC. { A = true; }

stmt(A) ::= ALTER(T) STREAM source_name(N) alter_options(L). { A = build_alter(b, AST_STMT_ALTER_STREAM, T, N, L); }
stmt(A) ::= ALTER(T) TABLE source_name(N) alter_options(L). { A = build_alter(b, AST_STMT_ALTER_TABLE, T, N, L); }
%type alter_options {ast_columns}
alter_options(A) ::= alter_option(C). { A = build_columns(b, (ast_columns){0}, C); }
alter_options(A) ::= alter_options(L) COMMA alter_option(C). { A = build_columns(b, L, C); }
%type alter_option {ast_column *}
alter_option(A) ::= ADD name(N) type(T). { A = build_column(b, N, T, AST_COLUMN_VALUE, N.at); }
alter_option(A) ::= ADD COLUMN name(N) type(T). { A = build_column(b, N, T, AST_COLUMN_VALUE, N.at); }

%type not_exists {bool}
not_exists(A) ::= . { A = false; }
not_exists(A) ::= NOT EXISTS. { A = true; }
stmt(A) ::= ASSERT(T) not_exists(X) TOPIC resource(R) with_opt(W) timeout(D). { A = build_assert_topic(b, T, !X, R, W, D); }
stmt(A) ::= ASSERT(T) not_exists(X) SCHEMA(S) subject(R) schema_id(I) timeout(D).
    { A = build_assert_schema(b, T, !X, S, R, I, D); }
%type subject {build_resource}
subject(A) ::= . { A = (build_resource){0}; }
subject(A) ::= SUBJECT resource(R). { A = R; }
%type schema_id {ast_expr *}
schema_id(A) ::= . { A = NULL; }
schema_id(A) ::= ID literal(L). { A = L; }
%type timeout {ast_duration}
timeout(A) ::= . { A = (ast_duration){.at = NO_SPAN}; }
timeout(A) ::= TIMEOUT duration(D). { A = D; }

/* Only for the test tool and the prompt: sql/parse.c refuses them elsewhere. */
stmt(A) ::= ASSERT(T) VALUES source_name(N) names_opt(C) VALUES values(V).
    { A = build_insert_values(b, AST_STMT_ASSERT_VALUES, T, N, C, V); }
stmt(A) ::= ASSERT(T) NULL VALUES source_name(N) names_opt(C) KEY values(V).
    { A = build_insert_values(b, AST_STMT_ASSERT_NULL_VALUES, T, N, C, V); }
stmt(A) ::= ASSERT(T) STREAM source_name(N) columns_opt(C) with_opt(W).
    { A = build_test_source(b, AST_STMT_ASSERT_STREAM, T, N, C, W); }
stmt(A) ::= ASSERT(T) TABLE source_name(N) columns_opt(C) with_opt(W).
    { A = build_test_source(b, AST_STMT_ASSERT_TABLE, T, N, C, W); }
stmt(A) ::= RUN(T) SCRIPT TEXT(P). { A = build_run_script(b, T, P); }

/* ---- parts of statements ----------------------------------------------------------------------------------- */

%type columns_opt {ast_columns}
columns_opt(A) ::= . { A = (ast_columns){0}; }
columns_opt(A) ::= LP column_list(L) RP. { A = L; }
%type column_list {ast_columns}
column_list(A) ::= column(C). { A = build_columns(b, (ast_columns){0}, C); }
column_list(A) ::= column_list(L) COMMA column(C). { A = build_columns(b, L, C); }
%type column {ast_column *}
column(A) ::= name(N) type(T). { A = build_column(b, N, T, AST_COLUMN_VALUE, N.at); }
column(A) ::= name(N) type(T) KEY(K). { A = build_column(b, N, T, AST_COLUMN_KEY, token_span(K)); }
column(A) ::= name(N) type(T) PRIMARY KEY(K). { A = build_column(b, N, T, AST_COLUMN_PRIMARY_KEY, token_span(K)); }
column(A) ::= name(N) type(T) HEADERS(K). { A = build_column(b, N, T, AST_COLUMN_HEADERS, token_span(K)); }
column(A) ::= name(N) type(T) HEADER LP TEXT(K) RP. { A = build_header_column(b, N, T, K); }

%type with_opt {ast_properties}
with_opt(A) ::= . { A = (ast_properties){.at = NO_SPAN}; }
with_opt(A) ::= WITH properties(P). { A = P; }
%type properties {ast_properties}
properties(A) ::= LP(F) property_list(L) RP(T). { A = L; A.at = (span){F.start, T.end}; }
%type property_list {ast_properties}
property_list(A) ::= property(P). { A = build_properties(b, (ast_properties){0}, P); }
property_list(A) ::= property_list(L) COMMA property(P). { A = build_properties(b, L, P); }
%type property {ast_property *}
property(A) ::= name(N) EQ literal(V). { A = build_property(b, N, V); }
property(A) ::= TEXT(K) EQ literal(V). { A = build_property(b, build_text_name(b, K), V); }

%type names_opt {ast_names}
names_opt(A) ::= . { A = (ast_names){0}; }
names_opt(A) ::= LP names(L) RP. { A = L; }
%type names {ast_names}
names(A) ::= name(N). { A = build_names(b, (ast_names){0}, N); }
names(A) ::= names(L) COMMA name(N). { A = build_names(b, L, N); }

%type values {ast_exprs}
values(A) ::= LP RP. { A = (ast_exprs){0}; }
values(A) ::= LP value_list(L) RP. { A = L; }
%type value_list {ast_exprs}
value_list(A) ::= value(E). { A = build_exprs(b, (ast_exprs){0}, E); }
value_list(A) ::= value_list(L) COMMA value(E). { A = build_exprs(b, L, E); }

%type resource {build_resource}
resource(A) ::= name(N). { A = build_resource_name(b, N); }
resource(A) ::= TEXT(T). { A = build_resource_text(b, T); }

/* ---- queries ----------------------------------------------------------------------------------------------- */

%type query {ast_query *}
query(A) ::= select(Q) window(W) where(E) group_by(G) partition_by(P) having(H) emit(M) limit(L).
    { A = build_query(b, Q, W, E, G, P, H, M, L); }
%type select {ast_query *}
select(A) ::= SELECT(T) items(I) FROM relation(R). { A = build_select(b, T, I, R); }

%type items {build_items}
items(A) ::= item(I). { A = build_item_list(b, (build_items){0}, I); }
items(A) ::= items(L) COMMA item(I). { A = build_item_list(b, L, I); }
%type item {ast_select_item *}
item(A) ::= expr(E). { A = build_item_expr(b, E, (ast_name){0}); }
item(A) ::= expr(E) name(N). { A = build_item_expr(b, E, N); }
item(A) ::= expr(E) AS name(N). { A = build_item_expr(b, E, N); }
item(A) ::= primary(E) ARROW STAR(T). { A = build_item_struct_star(b, E, T); }
item(A) ::= name(N) DOT STAR(T). { A = build_item_star(b, N, T); }
item(A) ::= STAR(T). { A = build_item_star(b, (ast_name){0}, T); }

%type relation {build_relation *}
relation(A) ::= source(S). { A = build_relation_new(b, S); }
relation(A) ::= relation(R) join_kind(K) JOIN source(S) within(W) ON expr(E). { A = build_join(b, R, K, S, W, E); }
%type source {ast_source *}
source(A) ::= source_name(N). { A = build_source(b, N, (ast_name){0}); }
source(A) ::= source_name(N) source_name(L). { A = build_source(b, N, L); }
source(A) ::= source_name(N) AS source_name(L). { A = build_source(b, N, L); }
%type join_kind {build_join_kind}
join_kind(A) ::= . { A = (build_join_kind){AST_JOIN_INNER, NO_SPAN}; }
join_kind(A) ::= INNER(T). { A = (build_join_kind){AST_JOIN_INNER, token_span(T)}; }
join_kind(A) ::= LEFT(T) outer. { A = (build_join_kind){AST_JOIN_LEFT, token_span(T)}; }
join_kind(A) ::= RIGHT(T) outer. { A = (build_join_kind){AST_JOIN_RIGHT, token_span(T)}; }
join_kind(A) ::= FULL(T) outer. { A = (build_join_kind){AST_JOIN_OUTER, token_span(T)}; }
outer ::= .
outer ::= OUTER.
%type within {build_within *}
within(A) ::= . { A = NULL; }
within(A) ::= WITHIN duration(D) grace_after(G). { A = build_within_of(b, D, D, G); }
within(A) ::= WITHIN LP duration(B) COMMA duration(F) RP grace_after(G). { A = build_within_of(b, B, F, G); }
%type grace_after {ast_duration}
grace_after(A) ::= . { A = (ast_duration){.at = NO_SPAN}; }
grace_after(A) ::= GRACE PERIOD duration(D). { A = D; }

%type window {ast_window *}
window(A) ::= . { A = NULL; }
window(A) ::= WINDOW window_body(W). { A = W; }
window(A) ::= WINDOW IDENT window_body(W). { A = W; }
%type window_body {ast_window *}
window_body(A) ::= TUMBLING(T) LP SIZE duration(D) window_tail(R) RP(E).
    { A = build_window(b, AST_WINDOW_TUMBLING, T, E, D, (ast_duration){.at = NO_SPAN}, R); }
window_body(A) ::= HOPPING(T) LP SIZE duration(D) COMMA ADVANCE BY duration(V) window_tail(R) RP(E).
    { A = build_window(b, AST_WINDOW_HOPPING, T, E, D, V, R); }
window_body(A) ::= SESSION(T) LP duration(D) window_tail(R) RP(E).
    { A = build_window(b, AST_WINDOW_SESSION, T, E, D, (ast_duration){.at = NO_SPAN}, R); }
/* RETENTION and GRACE PERIOD travel in a window that has only them; NULL: neither. */
%type window_tail {ast_window *}
window_tail(A) ::= . { A = NULL; }
window_tail(A) ::= COMMA RETENTION duration(R). { A = build_window_tail(b, &R, NULL); }
window_tail(A) ::= COMMA GRACE PERIOD duration(G). { A = build_window_tail(b, NULL, &G); }
window_tail(A) ::= COMMA RETENTION duration(R) COMMA GRACE PERIOD duration(G). { A = build_window_tail(b, &R, &G); }

%type where {ast_expr *}
where(A) ::= . { A = NULL; }
where(A) ::= WHERE expr(E). { A = E; }
%type having {build_clause}
having(A) ::= . { A = (build_clause){.at = NO_SPAN}; }
having(A) ::= HAVING(T) expr(E). { A = (build_clause){.present = true, .at = token_span(T), .expr = E}; }
%type group_by {build_clause}
group_by(A) ::= . { A = (build_clause){.at = NO_SPAN}; }
group_by(A) ::= GROUP(T) BY grouping(L). { A = (build_clause){.present = true, .at = token_span(T), .list = L}; }
%type partition_by {build_clause}
partition_by(A) ::= . { A = (build_clause){.at = NO_SPAN}; }
partition_by(A) ::= PARTITION(T) BY grouping(L). { A = (build_clause){.present = true, .at = token_span(T), .list = L}; }

/* One expression in parentheses is a parenthesised expression; none, or several, are a list. */
%type grouping {ast_exprs}
grouping(A) ::= value_list(L). { A = L; }
grouping(A) ::= LP RP. { A = (ast_exprs){0}; }
grouping(A) ::= LP value(E) COMMA value_list(L) RP. { A = build_exprs_join(b, build_exprs(b, (ast_exprs){0}, E), L); }

%type emit {build_emit}
emit(A) ::= . { A = (build_emit){AST_EMIT_NONE, NO_SPAN}; }
emit(A) ::= EMIT(T) CHANGES(E). { A = (build_emit){AST_EMIT_CHANGES, {T.start, E.end}}; }
emit(A) ::= EMIT(T) FINAL(E). { A = (build_emit){AST_EMIT_FINAL, {T.start, E.end}}; }
%type limit {build_count}
limit(A) ::= . { A = (build_count){.at = NO_SPAN}; }
limit(A) ::= LIMIT(T) number(N). { A = build_count_of(b, T, N, "LIMIT"); }

%type duration {ast_duration}
duration(A) ::= number(N) unit(U). { A = build_duration(b, N, U); }
unit(A) ::= DAY(T). { A = T; }
unit(A) ::= HOUR(T). { A = T; }
unit(A) ::= MINUTE(T). { A = T; }
unit(A) ::= SECOND(T). { A = T; }
unit(A) ::= reserved_unit(T). { A = T; }
reserved_unit(A) ::= DAYS(T). { A = T; }
reserved_unit(A) ::= HOURS(T). { A = T; }
reserved_unit(A) ::= MINUTES(T). { A = T; }
reserved_unit(A) ::= SECONDS(T). { A = T; }
reserved_unit(A) ::= MILLISECOND(T). { A = T; }
reserved_unit(A) ::= MILLISECONDS(T). { A = T; }

/* ---- expressions ------------------------------------------------------------------------------------------- */

%type expr {ast_expr *}
expr(A) ::= predicated(E). { A = E; }
expr(A) ::= NOT(T) expr(E). { A = build_not(b, T, E); }
expr(A) ::= expr(L) AND(T) expr(R). { A = build_binary(b, AST_EXPR_LOGIC, AST_OP_AND, L, T, R); }
expr(A) ::= expr(L) OR(T) expr(R). { A = build_binary(b, AST_EXPR_LOGIC, AST_OP_OR, L, T, R); }

%type predicated {ast_expr *}
predicated(A) ::= value(E). { A = E; }
predicated(A) ::= value(L) EQ(T) value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_EQ, L, T, R); }
predicated(A) ::= value(L) NEQ(T) value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_NE, L, T, R); }
predicated(A) ::= value(L) LT(T) value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_LT, L, T, R); }
predicated(A) ::= value(L) LTE(T) value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_LE, L, T, R); }
predicated(A) ::= value(L) GT(T) value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_GT, L, T, R); }
predicated(A) ::= value(L) GTE(T) value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_GE, L, T, R); }
predicated(A) ::= value(E) not(N) BETWEEN(T) value(L) AND value(H). { A = build_between(b, E, N, T, L, H); }
predicated(A) ::= value(E) not(N) IN(T) LP expr_list(L) RP(C). { A = build_in(b, E, N, T, L, C); }
predicated(A) ::= value(E) not(N) LIKE(T) value(P). { A = build_like(b, E, N, T, P, NULL); }
predicated(A) ::= value(E) not(N) LIKE(T) value(P) ESCAPE TEXT(C). { A = build_like(b, E, N, T, P, &C); }
predicated(A) ::= value(E) IS(T) NULL(C). { A = build_postfix(b, AST_EXPR_IS_NULL, E, T, C); }
predicated(A) ::= value(E) IS(T) NOT NULL(C). { A = build_postfix(b, AST_EXPR_IS_NOT_NULL, E, T, C); }
predicated(A) ::= value(L) IS(T) DISTINCT FROM value(R). { A = build_binary(b, AST_EXPR_COMPARE, AST_OP_DISTINCT, L, T, R); }
predicated(A) ::= value(L) IS(T) NOT DISTINCT FROM value(R). { A = build_not_distinct(b, L, T, R); }
%type not {bool}
not(A) ::= . { A = false; }
not(A) ::= NOT. { A = true; }

%type value {ast_expr *}
value(A) ::= primary(E). { A = E; }
value(A) ::= value(E) AT(T) TIME ZONE TEXT. { A = build_time_zone(b, E, T); }
value(A) ::= MINUS(T) value(E). [SIGN] { A = build_sign(b, AST_EXPR_NEGATE, T, E); }
value(A) ::= PLUS(T) value(E). [SIGN] { A = build_sign(b, AST_EXPR_PLUS, T, E); }
value(A) ::= value(L) STAR(T) value(R). { A = build_binary(b, AST_EXPR_ARITHMETIC, AST_OP_MULTIPLY, L, T, R); }
value(A) ::= value(L) SLASH(T) value(R). { A = build_binary(b, AST_EXPR_ARITHMETIC, AST_OP_DIVIDE, L, T, R); }
value(A) ::= value(L) PERCENT(T) value(R). { A = build_binary(b, AST_EXPR_ARITHMETIC, AST_OP_MODULO, L, T, R); }
value(A) ::= value(L) PLUS(T) value(R). { A = build_binary(b, AST_EXPR_ARITHMETIC, AST_OP_ADD, L, T, R); }
value(A) ::= value(L) MINUS(T) value(R). { A = build_binary(b, AST_EXPR_ARITHMETIC, AST_OP_SUBTRACT, L, T, R); }
value(A) ::= value(L) CONCAT(T) value(R). { A = build_concat(b, L, T, R); }

%type primary {ast_expr *}
primary(A) ::= literal(E). { A = E; }
primary(A) ::= name(N) TEXT(T). { A = build_type_literal(b, N, T); }
primary(A) ::= DECIMAL(D) TEXT(T). { A = build_decimal_literal(b, D, T); }
primary(A) ::= CASE(T) whens(W) else(E) END(C). { A = build_case(b, T, W, E, C); }
primary(A) ::= CASE(T) value(V) whens(W) else(E) END(C). { A = build_simple_case(b, T, V, W, E, C); }
primary(A) ::= CAST(T) LP expr(E) AS type(Y) RP(C). { A = build_cast(b, T, E, Y, C); }
primary(A) ::= ARRAY_OPEN(T) LB RB(C). { A = build_array(b, T, (ast_exprs){0}, C); }
primary(A) ::= ARRAY_OPEN(T) LB expr_list(L) RB(C). { A = build_array(b, T, L, C); }
primary(A) ::= MAP_OPEN(T) LP RP(C). { A = build_map(b, T, NULL, C); }
primary(A) ::= MAP_OPEN(T) LP map_entries(L) RP(C). { A = build_map(b, T, L, C); }
primary(A) ::= STRUCT_OPEN(T) LP RP(C). { A = build_struct(b, T, NULL, C); }
primary(A) ::= STRUCT_OPEN(T) LP struct_fields(L) RP(C). { A = build_struct(b, T, L, C); }
primary(A) ::= name(N) LP STAR RP(C). { A = build_call(b, N, (ast_exprs){0}, true, C); }
primary(A) ::= name(N) LP RP(C). { A = build_call(b, N, (ast_exprs){0}, false, C); }
primary(A) ::= name(N) LP arguments(L) RP(C). { A = build_call(b, N, L, false, C); }
primary(A) ::= primary(E) LB value(I) RB(C). { A = build_subscript(b, E, I, C); }
primary(A) ::= bare_name(N). { A = build_column_ref(b, (ast_name){0}, N); }
primary(A) ::= name(S) DOT name(N). { A = build_column_ref(b, S, N); }
primary(A) ::= primary(E) ARROW(T) name(N). { A = build_field(b, E, T, N); }
primary(A) ::= LP(T) expr(E) RP(C). { A = build_parens(b, T, E, C); }

%type whens {build_whens *}
whens(A) ::= WHEN(T) expr(C) THEN expr(R). { A = build_when(b, NULL, T, C, R); }
whens(A) ::= whens(L) WHEN(T) expr(C) THEN expr(R). { A = build_when(b, L, T, C, R); }
%type else {ast_expr *}
else(A) ::= . { A = NULL; }
else(A) ::= ELSE expr(E). { A = E; }

%type map_entries {ast_expr *}
map_entries(A) ::= expr(K) ASSIGN expr(V). { A = build_map_entry(b, NULL, K, V); }
map_entries(A) ::= map_entries(L) COMMA expr(K) ASSIGN expr(V). { A = build_map_entry(b, L, K, V); }
%type struct_fields {ast_expr *}
struct_fields(A) ::= name(N) ASSIGN expr(V). { A = build_struct_field(b, NULL, N, V); }
struct_fields(A) ::= struct_fields(L) COMMA name(N) ASSIGN expr(V). { A = build_struct_field(b, L, N, V); }

%type expr_list {ast_exprs}
expr_list(A) ::= expr(E). { A = build_exprs(b, (ast_exprs){0}, E); }
expr_list(A) ::= expr_list(L) COMMA expr(E). { A = build_exprs(b, L, E); }

/* Lambdas come behind at least one other argument. */
%type arguments {ast_exprs}
arguments(A) ::= plain_arguments(L). { A = L; }
arguments(A) ::= plain_arguments(L) COMMA lambdas(M). { A = build_exprs_join(b, L, M); }
%type lambdas {ast_exprs}
lambdas(A) ::= lambda(E). { A = build_exprs(b, (ast_exprs){0}, E); }
lambdas(A) ::= lambdas(L) COMMA lambda(E). { A = build_exprs(b, L, E); }
%type plain_arguments {ast_exprs}
plain_arguments(A) ::= argument(E). { A = build_exprs(b, (ast_exprs){0}, E); }
plain_arguments(A) ::= plain_arguments(L) COMMA argument(E). { A = build_exprs(b, L, E); }
%type argument {ast_expr *}
argument(A) ::= expr(E). { A = E; }
argument(A) ::= reserved_unit(T). { A = build_unit(b, T); }
%type lambda {ast_expr *}
lambda(A) ::= name(N) LAMBDA(T) expr(E). { A = build_lambda(b, N.at, build_names(b, (ast_names){0}, N), T, E); }
lambda(A) ::= LAMBDA_LP(P) names(L) RP LAMBDA(T) expr(E). { A = build_lambda(b, token_span(P), L, T, E); }

/* ---- literals, names, types -------------------------------------------------------------------------------- */

%type literal {ast_expr *}
literal(A) ::= NULL(T). { A = build_null(b, T); }
literal(A) ::= TRUE(T). { A = build_boolean(b, T, true); }
literal(A) ::= FALSE(T). { A = build_boolean(b, T, false); }
literal(A) ::= TEXT(T). { A = build_string(b, T); }
literal(A) ::= number(T). { A = build_number(b, T); }
literal(A) ::= VARIABLE(T). { A = build_variable_literal(b, T); }
number(A) ::= INTEGER_VALUE(T). { A = T; }
number(A) ::= DECIMAL_VALUE(T). { A = T; }
number(A) ::= FLOAT_VALUE(T). { A = T; }

%type bare_name {ast_name}
bare_name(A) ::= IDENT(T). { A = build_name(b, T); }
%type name {ast_name}
name(A) ::= bare_name(N). { A = N; }
name(A) ::= VARIABLE(T). { A = build_variable_name(b, T); }
%type source_name {ast_name}
source_name(A) ::= name(N). { A = build_source_name(b, N); }

%type type {ast_type *}
type(A) ::= type(E) ARRAY(T). { A = build_array_type(b, E, (span){E->at.start, T.end}); }
type(A) ::= ARRAY(T) LT type(E) GT(C). { A = build_array_type(b, E, (span){T.start, C.end}); }
type(A) ::= MAP(T) LT type(K) COMMA type(V) GT(C). { A = build_map_type(b, T, K, V, C); }
type(A) ::= STRUCT(T) NEQ(C). { A = build_struct_type(b, T, NULL, C); }
type(A) ::= STRUCT(T) LT GT(C). { A = build_struct_type(b, T, NULL, C); }
type(A) ::= STRUCT(T) LT type_fields(L) GT(C). { A = build_struct_type(b, T, L, C); }
type(A) ::= DECIMAL(T) LP number(P) COMMA number(S) RP(C). { A = build_decimal_type(b, T, P, S, C); }
type(A) ::= name(N). { A = build_named_type(b, N, N.at.end); }
type(A) ::= name(N) LP type_parameters RP(C). { A = build_named_type(b, N, C.end); }
%type type_fields {ast_type *}
type_fields(A) ::= name(N) type(T). { A = build_type_field(b, NULL, N, T); }
type_fields(A) ::= type_fields(L) COMMA name(N) type(T). { A = build_type_field(b, L, N, T); }
type_parameters ::= type_parameter.
type_parameters ::= type_parameters COMMA type_parameter.
type_parameter ::= INTEGER_VALUE.
type_parameter ::= STRING_WORD.

/* What messages and completion ask of the parser's tables. */
%code {
uint32_t build_run(build *b, const token *items, uint32_t n, build_then then, void *arg)
{
    yyParser parser;
    uint32_t i = 0;
    ksql_parserInit(&parser, b);
    while (i < n && !b->failed) {
        ksql_parser(&parser, items[i].kind, items[i]);
        if (b->failed) break;
        b->last_end = items[i].end;
        i++;
    }
    if (then != NULL) then(&parser, arg);
    return i;
}

/* The states of the parser's stack, for a run without actions. */
typedef struct dry_stack {
    int top;
    YYACTIONTYPE states[YYSTACKDEPTH + 2];
} dry_stack;

static void dry_copy(dry_stack *s, const void *parser)
{
    const yyParser *p = parser;
    s->top = (int)(p->yytos - p->yystack);
    for (int i = 0; i <= s->top; i++) s->states[i] = p->yystack[i].stateno;
}

/* Runs the automaton over one terminal; false when it is refused. Accepting the end of input counts as a shift. */
static bool dry_feed(dry_stack *s, YYCODETYPE kind)
{
    for (;;) {
        YYACTIONTYPE action = yy_find_shift_action(kind, s->states[s->top]);
        if (action == YY_ACCEPT_ACTION) return true;
        if (action == YY_ERROR_ACTION) return false;
        if (action < YY_MIN_REDUCE) {
            if (s->top + 1 >= YYSTACKDEPTH) return false;
            if (action > YY_MAX_SHIFT) action = (YYACTIONTYPE)(action + YY_MIN_REDUCE - YY_MIN_SHIFTREDUCE);
            s->states[++s->top] = action;
            return true;
        }
        unsigned rule = action - YY_MIN_REDUCE;
        s->top += yyRuleInfoNRhs[rule];
        check(s->top >= 0);
        if (s->top + 1 >= YYSTACKDEPTH) return false;
        YYACTIONTYPE next = yy_find_reduce_action(s->states[s->top], yyRuleInfoLhs[rule]);
        s->states[++s->top] = next;
    }
}

bool build_parser_accepts(const void *parser, const token *next, uint32_t n)
{
    dry_stack s;
    dry_copy(&s, parser);
    for (uint32_t i = 0; i < n; i++) {
        if (!dry_feed(&s, (YYCODETYPE)next[i].kind)) return false;
    }
    return true;
}

bool build_parser_expects(const void *parser, int kind)
{
    dry_stack s;
    dry_copy(&s, parser);
    if (!dry_feed(&s, (YYCODETYPE)kind)) return false;
    if (ksql_parserFallback(kind) != TK_IDENT) return true;
    /* A keyword that was taken for a name ends where a name ends. */
    YYACTIONTYPE as_keyword = s.states[s.top];
    dry_copy(&s, parser);
    return !dry_feed(&s, TK_IDENT) || s.states[s.top] != as_keyword;
}

int build_parser_terminals(void)
{
    return YYNTOKEN;
}
}
