/*
 * grammar/lexer.re - the tokens of the SQL language; re2c makes gen/lexer.c of it.
 *
 * One call gives one token, comments included. The text needs no terminating zero: every byte read is checked against
 * the end. Keywords match in any case. Which of them are names in their place is decided later (sql/token.c), together
 * with the few places where one token of lookahead is not enough for the grammar.
 */
#include "sql/token.h"

#include "parser.h"

/*!re2c
    re2c:api = custom;
    re2c:api:style = free-form;
    re2c:define:YYCTYPE = "unsigned char";
    re2c:define:YYPEEK = "(cursor < limit ? *cursor : 0)";
    re2c:define:YYSKIP = "++cursor;";
    re2c:define:YYBACKUP = "marker = cursor;";
    re2c:define:YYRESTORE = "cursor = marker;";
    re2c:define:YYLESSTHAN = "cursor >= limit";
    re2c:yyfill:enable = 0;
    re2c:eof = 0;

    digit = [0-9];
    exponent = 'e' [+-]? digit+;
    word = [A-Za-z_] [A-Za-z0-9_@]*;
*/

/* Scans one token or a stretch of space; *at moves behind it. Kinds are the grammar's or TOKEN_ ones. */
static int scan(const unsigned char **at, const unsigned char *limit)
{
    const unsigned char *cursor = *at;
    const unsigned char *marker = cursor;
    int kind;
    /*!re2c
    *                       { kind = TOKEN_UNKNOWN; goto done; }
    $                       { kind = TOKEN_END; goto done; }
    [ \t\r\n]+              { kind = TOKEN_SPACE; goto done; }
    "--" [^\r\n]*           { kind = TOKEN_COMMENT; goto done; }
    "/*"                    { kind = TOKEN_OPEN_COMMENT; goto done; }
    "/*" ([^*] | ("*"+ [^*/]))* "*"+ "/" { kind = TOKEN_COMMENT; goto done; }

    ['] ([^'] | [']['])* [']   { kind = TK_TEXT; goto done; }
    [']                        { kind = TOKEN_OPEN_STRING; goto done; }
    ["] ([^"] | ["]["])* ["]   { kind = TK_IDENT; goto done; }
    ["]                        { kind = TOKEN_OPEN_NAME; goto done; }
    [`] ([^`] | [`][`])* [`]   { kind = TK_IDENT; goto done; }
    [`]                        { kind = TOKEN_OPEN_NAME; goto done; }

    digit+                              { kind = TK_INTEGER_VALUE; goto done; }
    digit+ "." digit* | "." digit+      { kind = TK_DECIMAL_VALUE; goto done; }
    (digit+ ("." digit*)? | "." digit+) exponent { kind = TK_FLOAT_VALUE; goto done; }
    "${" word "}"                       { kind = TK_VARIABLE; goto done; }

    ";"         { kind = TK_SEMI; goto done; }
    ","         { kind = TK_COMMA; goto done; }
    "."         { kind = TK_DOT; goto done; }
    "("         { kind = TK_LP; goto done; }
    ")"         { kind = TK_RP; goto done; }
    "["         { kind = TK_LB; goto done; }
    "]"         { kind = TK_RB; goto done; }
    "="         { kind = TK_EQ; goto done; }
    "<>" | "!=" { kind = TK_NEQ; goto done; }
    "<"         { kind = TK_LT; goto done; }
    "<="        { kind = TK_LTE; goto done; }
    ">"         { kind = TK_GT; goto done; }
    ">="        { kind = TK_GTE; goto done; }
    "+"         { kind = TK_PLUS; goto done; }
    "-"         { kind = TK_MINUS; goto done; }
    "*"         { kind = TK_STAR; goto done; }
    "/"         { kind = TK_SLASH; goto done; }
    "%"         { kind = TK_PERCENT; goto done; }
    "||"        { kind = TK_CONCAT; goto done; }
    ":="        { kind = TK_ASSIGN; goto done; }
    "->"        { kind = TK_ARROW; goto done; }
    "=>"        { kind = TK_LAMBDA; goto done; }

    'add'            { kind = TK_ADD; goto done; }
    'advance'        { kind = TK_ADVANCE; goto done; }
    'all'            { kind = TK_ALL; goto done; }
    'alter'          { kind = TK_ALTER; goto done; }
    'analyze'        { kind = TK_ANALYZE; goto done; }
    'and'            { kind = TK_AND; goto done; }
    'array'          { kind = TK_ARRAY; goto done; }
    'as'             { kind = TK_AS; goto done; }
    'assert'         { kind = TK_ASSERT; goto done; }
    'at'             { kind = TK_AT; goto done; }
    'beginning'      { kind = TK_BEGINNING; goto done; }
    'between'        { kind = TK_BETWEEN; goto done; }
    'by'             { kind = TK_BY; goto done; }
    'case'           { kind = TK_CASE; goto done; }
    'cast'           { kind = TK_CAST; goto done; }
    'catalog'        { kind = TK_CATALOG; goto done; }
    'changes'        { kind = TK_CHANGES; goto done; }
    'column'         { kind = TK_COLUMN; goto done; }
    'columns'        { kind = TK_COLUMNS; goto done; }
    'connector'      { kind = TK_CONNECTOR; goto done; }
    'connectors'     { kind = TK_CONNECTORS; goto done; }
    'create'         { kind = TK_CREATE; goto done; }
    'date'           { kind = TK_DATE; goto done; }
    'day'            { kind = TK_DAY; goto done; }
    'days'           { kind = TK_DAYS; goto done; }
    'decimal'        { kind = TK_DECIMAL; goto done; }
    'define'         { kind = TK_DEFINE; goto done; }
    'delete'         { kind = TK_DELETE; goto done; }
    'describe'       { kind = TK_DESCRIBE; goto done; }
    'distinct'       { kind = TK_DISTINCT; goto done; }
    'drop'           { kind = TK_DROP; goto done; }
    'else'           { kind = TK_ELSE; goto done; }
    'emit'           { kind = TK_EMIT; goto done; }
    'end'            { kind = TK_END; goto done; }
    'escape'         { kind = TK_ESCAPE; goto done; }
    'exists'         { kind = TK_EXISTS; goto done; }
    'explain'        { kind = TK_EXPLAIN; goto done; }
    'export'         { kind = TK_EXPORT; goto done; }
    'extended'       { kind = TK_EXTENDED; goto done; }
    'false'          { kind = TK_FALSE; goto done; }
    'final'          { kind = TK_FINAL; goto done; }
    'from'           { kind = TK_FROM; goto done; }
    'full'           { kind = TK_FULL; goto done; }
    'function'       { kind = TK_FUNCTION; goto done; }
    'functions'      { kind = TK_FUNCTIONS; goto done; }
    'grace'          { kind = TK_GRACE; goto done; }
    'group'          { kind = TK_GROUP; goto done; }
    'having'         { kind = TK_HAVING; goto done; }
    'header'         { kind = TK_HEADER; goto done; }
    'headers'        { kind = TK_HEADERS; goto done; }
    'hopping'        { kind = TK_HOPPING; goto done; }
    'hour'           { kind = TK_HOUR; goto done; }
    'hours'          { kind = TK_HOURS; goto done; }
    'id'             { kind = TK_ID; goto done; }
    'if'             { kind = TK_IF; goto done; }
    'in'             { kind = TK_IN; goto done; }
    'inner'          { kind = TK_INNER; goto done; }
    'insert'         { kind = TK_INSERT; goto done; }
    'integer'        { kind = TK_INTEGER; goto done; }
    'interval'       { kind = TK_INTERVAL; goto done; }
    'into'           { kind = TK_INTO; goto done; }
    'is'             { kind = TK_IS; goto done; }
    'join'           { kind = TK_JOIN; goto done; }
    'key'            { kind = TK_KEY; goto done; }
    'left'           { kind = TK_LEFT; goto done; }
    'like'           { kind = TK_LIKE; goto done; }
    'limit'          { kind = TK_LIMIT; goto done; }
    'list'           { kind = TK_LIST; goto done; }
    'load'           { kind = TK_LOAD; goto done; }
    'map'            { kind = TK_MAP; goto done; }
    'materialized'   { kind = TK_MATERIALIZED; goto done; }
    'millisecond'    { kind = TK_MILLISECOND; goto done; }
    'milliseconds'   { kind = TK_MILLISECONDS; goto done; }
    'minute'         { kind = TK_MINUTE; goto done; }
    'minutes'        { kind = TK_MINUTES; goto done; }
    'month'          { kind = TK_MONTH; goto done; }
    'months'         { kind = TK_MONTHS; goto done; }
    'namespace'      { kind = TK_NAMESPACE; goto done; }
    'not'            { kind = TK_NOT; goto done; }
    'null'           { kind = TK_NULL; goto done; }
    'on'             { kind = TK_ON; goto done; }
    'or'             { kind = TK_OR; goto done; }
    'outer'          { kind = TK_OUTER; goto done; }
    'partition'      { kind = TK_PARTITION; goto done; }
    'partitions'     { kind = TK_PARTITIONS; goto done; }
    'pause'          { kind = TK_PAUSE; goto done; }
    'period'         { kind = TK_PERIOD; goto done; }
    'plugins'        { kind = TK_PLUGINS; goto done; }
    'primary'        { kind = TK_PRIMARY; goto done; }
    'print'          { kind = TK_PRINT; goto done; }
    'properties'     { kind = TK_PROPERTIES; goto done; }
    'queries'        { kind = TK_QUERIES; goto done; }
    'query'          { kind = TK_QUERY; goto done; }
    'rename'         { kind = TK_RENAME; goto done; }
    'replace'        { kind = TK_REPLACE; goto done; }
    'reset'          { kind = TK_RESET; goto done; }
    'resume'         { kind = TK_RESUME; goto done; }
    'retention'      { kind = TK_RETENTION; goto done; }
    'right'          { kind = TK_RIGHT; goto done; }
    'run'            { kind = TK_RUN; goto done; }
    'sample'         { kind = TK_SAMPLE; goto done; }
    'schema'         { kind = TK_SCHEMA; goto done; }
    'script'         { kind = TK_SCRIPT; goto done; }
    'second'         { kind = TK_SECOND; goto done; }
    'seconds'        { kind = TK_SECONDS; goto done; }
    'select'         { kind = TK_SELECT; goto done; }
    'session'        { kind = TK_SESSION; goto done; }
    'set'            { kind = TK_SET; goto done; }
    'show'           { kind = TK_SHOW; goto done; }
    'sink'           { kind = TK_SINK; goto done; }
    'size'           { kind = TK_SIZE; goto done; }
    'source'         { kind = TK_SOURCE; goto done; }
    'stream'         { kind = TK_STREAM; goto done; }
    'streams'        { kind = TK_STREAMS; goto done; }
    'string'         { kind = TK_STRING_WORD; goto done; }
    'struct'         { kind = TK_STRUCT; goto done; }
    'subject'        { kind = TK_SUBJECT; goto done; }
    'system'         { kind = TK_SYSTEM; goto done; }
    'table'          { kind = TK_TABLE; goto done; }
    'tables'         { kind = TK_TABLES; goto done; }
    'terminate'      { kind = TK_TERMINATE; goto done; }
    'then'           { kind = TK_THEN; goto done; }
    'time'           { kind = TK_TIME; goto done; }
    'timeout'        { kind = TK_TIMEOUT; goto done; }
    'timestamp'      { kind = TK_TIMESTAMP; goto done; }
    'to'             { kind = TK_TO; goto done; }
    'topic'          { kind = TK_TOPIC; goto done; }
    'topics'         { kind = TK_TOPICS; goto done; }
    'true'           { kind = TK_TRUE; goto done; }
    'tumbling'       { kind = TK_TUMBLING; goto done; }
    'type'           { kind = TK_TYPE; goto done; }
    'types'          { kind = TK_TYPES; goto done; }
    'undefine'       { kind = TK_UNDEFINE; goto done; }
    'unset'          { kind = TK_UNSET; goto done; }
    'values'         { kind = TK_VALUES; goto done; }
    'variables'      { kind = TK_VARIABLES; goto done; }
    'view'           { kind = TK_VIEW; goto done; }
    'when'           { kind = TK_WHEN; goto done; }
    'where'          { kind = TK_WHERE; goto done; }
    'window'         { kind = TK_WINDOW; goto done; }
    'with'           { kind = TK_WITH; goto done; }
    'within'         { kind = TK_WITHIN; goto done; }
    'year'           { kind = TK_YEAR; goto done; }
    'years'          { kind = TK_YEARS; goto done; }
    'zone'           { kind = TK_ZONE; goto done; }
    word                    { kind = TK_IDENT; goto done; }
    digit [A-Za-z0-9_@]+    { kind = TK_IDENT; goto done; }
    */
done:
    *at = cursor;
    return kind;
}

int token_next(str source, uint32_t *pos, token *out)
{
    const unsigned char *base = (const unsigned char *)source.p;
    const unsigned char *limit = base + source.n;
    const unsigned char *cursor = base + *pos;
    const unsigned char *start = cursor;
    int kind = scan(&cursor, limit);
    if (kind == TOKEN_SPACE) {
        start = cursor;
        kind = scan(&cursor, limit);
    }
    /* An open comment, string or name takes the rest of the text. */
    if (kind == TOKEN_OPEN_COMMENT || kind == TOKEN_OPEN_STRING || kind == TOKEN_OPEN_NAME) cursor = limit;
    *out = (token){
        .kind = (uint16_t)kind,
        .start = (uint32_t)(start - base),
        .end = (uint32_t)(cursor - base),
    };
    *pos = out->end;
    return kind;
}
