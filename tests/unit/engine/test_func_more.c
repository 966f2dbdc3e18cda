/* Functions of encodings, masks, regular expressions, time, JSON, URLs, arrays, maps and lambdas. */
#include "tests/support/engine/examples.h"

START_TEST(encodings_convert_both_ways)
{
    EXAMPLES(
        {"ENCODE('4578616d706C6521', 'hex', 'ascii')", "'Example!'"},
        {"ENCODE('0x4578616d706C6521', 'hex', 'utf8')", "'Example!'"},
        {"ENCODE('X''4578616d706C6521''', 'hex', 'ascii')", "'Example!'"},
        {"ENCODE('0x578', 'hex', 'base64')", "'BXg='"}, {"ENCODE('Example!', 'ascii', 'hex')", "'4578616d706c6521'"},
        {"ENCODE('ÄÖ', 'utf8', 'ascii')", "'\uFFFD\uFFFD\uFFFD\uFFFD'"}, {"ENCODE('Ä', 'ascii', 'hex')", "'3f'"},
        {"ENCODE('RXhhbXBsZQ==', 'base64', 'utf8')", "'Example'"}, {"ENCODE('x', 'hex', 'hex')", "ERROR: Supported"},
        {"ENCODE('xyz', 'hex', 'ascii')", "ERROR"}, {"ENCODE(NULL, 'hex', 'ascii')", "NULL"},
        {"FROM_BYTES(x'00ff', 'hex')", "'00FF'"}, {"FROM_BYTES(x'4142', 'utf8')", "'AB'"},
        {"FROM_BYTES(x'41', 'base64')", "'QQ=='"}, {"TO_BYTES('QQ==', 'base64')", "41"},
        {"TO_BYTES('00ff', 'HEX')", "00ff"}, {"TO_BYTES('zz', 'hex')", "ERROR"},
        {"TO_BYTES('a', 'latin')", "ERROR: Unknown encoding"}, {"TO_BYTES('ä', 'ascii')", "3f"},
        {"MD5('abc')", "'900150983cd24fb0d6963f7d28e17f72'"}, {"LEN(UUID())", "36"},
        {"UUID(x'00112233445566778899aabbccddeeff')", "'00112233-4455-6677-8899-aabbccddeeff'"},
        {"UUID(x'00')", "NULL"}, {"INT_FROM_BYTES(x'0000003e')", "62"},
        {"INT_FROM_BYTES(x'3e000000', 'LITTLE_ENDIAN')", "62"}, {"INT_FROM_BYTES(x'00')", "ERROR: Number of bytes"},
        {"BIGINT_FROM_BYTES(x'00000000000000ff')", "255"}, {"DOUBLE_FROM_BYTES(x'3ff0000000000000')", "1.0"},
        {"INT_FROM_BYTES(x'0000003e', 'X')", "ERROR: Byte order"});
}
END_TEST

START_TEST(characters_come_from_codes)
{
    EXAMPLES({"CHR(75)", "'K'"}, {"CHR(128512)", "'😀'"}, {"CHR(-1)", "NULL"}, {"CHR(1114112)", "NULL"},
             {"CHR('\\u004b')", "'K'"}, {"CHR('\\ud83d\\ude00')", "'😀'"}, {"CHR('abc')", "NULL"},
             {"CHR('\\u00zz')", "ERROR"}, {"CHR('\\u0041b')", "'Ab'"});
}
END_TEST

START_TEST(masks_hide_by_class)
{
    EXAMPLES(
        {"MASK('My Test $123')", "'Xx-Xxxx--nnn'"}, {"MASK('My Test $123', '*', NULL, '1', NULL)", "'*y *est $111'"},
        {"MASK('x', 'ab', NULL, NULL, NULL)", "ERROR: Invalid mask"}, {"MASK(CAST(NULL AS STRING))", "NULL"},
        {"MASK_LEFT('My Test $123', 4)", "'Xx-Xest $123'"}, {"MASK_RIGHT('My Test $123', 4)", "'My Test -nnn'"},
        {"MASK_KEEP_LEFT('My Test $123', 4)", "'My Txxx--nnn'"},
        {"MASK_KEEP_RIGHT('My Test $123', 4)", "'Xx-Xxxx-$123'"}, {"MASK_LEFT('abc', -1)", "ERROR: function mask_left"},
        {"MASK_LEFT('abc', 9)", "'xxx'"}, {"MASK_KEEP_LEFT('aB', 1, NULL, NULL, NULL, NULL)", "'aB'"});
}
END_TEST

START_TEST(regular_expressions_extract_replace_and_split)
{
    EXAMPLES({"REGEXP_EXTRACT('(.*) (.*)', 'hello there', 2)", "'there'"},
             {"REGEXP_EXTRACT('h.*o', 'oh hello')", "'h hello'"}, {"REGEXP_EXTRACT('x', 'abc')", "NULL"},
             {"REGEXP_EXTRACT('(a)', 'abc', 3)", "NULL"}, {"REGEXP_EXTRACT('(', 'abc')", "ERROR: Invalid regular"},
             {"REGEXP_EXTRACT_ALL('.', 'abc')", "['a', 'b', 'c']"},
             {"REGEXP_EXTRACT_ALL('(\\w+) (\\w+)', 'hello there nice day', 1)", "['hello', 'nice']"},
             {"REGEXP_EXTRACT_ALL('x', 'abc')", "[]"}, {"REGEXP_REPLACE('foobar', '[aeiou]', 'x')", "'fxxbxr'"},
             {"REGEXP_REPLACE('ab', '(a)(b)', '$2$1')", "'ba'"},
             {"REGEXP_SPLIT_TO_ARRAY('aabcda', '(ab|cd)')", "['a', '', 'a']"},
             {"REGEXP_SPLIT_TO_ARRAY('a,b,', ',')", "['a', 'b', '']"},
             {"REGEXP_SPLIT_TO_ARRAY('abc', '')", "['a', 'b', 'c']"},
             {"REGEXP_SPLIT_TO_ARRAY('axxb', 'x*')", "['a', '', 'b']"}, {"REGEXP_EXTRACT(NULL, 'x')", "NULL"});
}
END_TEST

START_TEST(dates_and_times_are_computed)
{
    EXAMPLES({"DATEADD(DAYS, 3, DATE '2020-02-27')", "2020-03-01"},
             {"DATESUB(HOURS, 25, DATE '2020-01-02')", "2019-12-31"},
             {"DATEADD(HOURS, 5, DATE '2020-01-02')", "2020-01-02"}, {"TIMEADD(HOURS, 2, TIME '23:30')", "01:30"},
             {"TIMESUB(MINUTES, 1, TIME '00:00')", "23:59"},
             {"TIMESTAMPADD(SECONDS, 5, TIMESTAMP '2020-01-01T00:00:00')", "2020-01-01T00:00:05.000"},
             {"TIMESTAMPSUB(DAYS, 1, TIMESTAMP '2020-01-01T00:00:00')", "2019-12-31T00:00:00.000"},
             {"TIMESTAMPADD(DAYS, NULL, TIMESTAMP '2020')", "NULL"}, {"FROM_DAYS(50)", "1970-02-20"},
             {"FROM_UNIXTIME(CAST(1000 AS BIGINT))", "1970-01-01T00:00:01.000"}, {"UNIX_DATE(DATE '1970-02-20')", "50"},
             {"UNIX_DATE()", "18393"}, {"UNIX_TIMESTAMP()", "1589234567890"},
             {"UNIX_TIMESTAMP(TIMESTAMP '1970-01-01T00:00:01')", "1000"},
             {"CONVERT_TZ(TIMESTAMP '2020-01-01T12:00:00', 'UTC', 'America/Los_Angeles')", "2020-01-01T04:00:00.000"},
             {"CONVERT_TZ(TIMESTAMP '2020-01-01T12:00:00', 'UTC', 'Nowhere')", "ERROR: Invalid time zone"});
}
END_TEST

START_TEST(dates_and_times_are_formatted_and_parsed)
{
    EXAMPLES({"FORMAT_DATE(DATE '2014-11-09', 'dd/MM/yyyy')", "'09/11/2014'"},
             {"FORMAT_DATE(DATE '2014-11-09', 'HH')", "ERROR: Failed to format date"},
             {"FORMAT_TIME(TIME '10:30:05', 'HH mm ss')", "'10 30 05'"},
             {"FORMAT_TIMESTAMP(TIMESTAMP '2020-05-26T23:59:58', 'yyyy-MM-dd HH:mm', 'Europe/Berlin')",
              "'2020-05-27 01:59'"},
             {"FORMAT_TIMESTAMP(TIMESTAMP '2020-05-26T23:59:58', 'yyyy')", "'2020'"},
             {"FORMAT_TIMESTAMP(TIMESTAMP '2020', 'yyyy', 'Nope')", "ERROR"}, {"PARSE_TIME('10:30', 'HH:mm')", "10:30"},
             {"PARSE_DATE('09/11/2014', 'dd/MM/yyyy')", "2014-11-09"},
             {"PARSE_DATE('x', 'yyyy')", "ERROR: Failed to parse date 'x'"},
             {"PARSE_DATE('2020 10', 'yyyy HH')", "ERROR"},
             {"PARSE_TIMESTAMP('2021-08-15 17:40', 'yyyy-MM-dd HH:mm')", "2021-08-15T17:40:00.000"},
             {"PARSE_TIMESTAMP('2021-08-15', 'yyyy-MM-dd', 'Europe/London')", "2021-08-14T23:00:00.000"},
             {"PARSE_TIMESTAMP('x', 'yyyy')", "ERROR: Failed to parse timestamp 'x'"},
             {"STRINGTOTIMESTAMP('1970-01-01 00:00:01', 'yyyy-MM-dd HH:mm:ss')", "1000"},
             {"STRINGTOTIMESTAMP(NULL, 'yyyy')", "ERROR"}, {"TIMESTAMPTOSTRING(CAST(1000 AS BIGINT), 'ss')", "'01'"},
             {"TIMESTAMPTOSTRING(CAST(NULL AS BIGINT), 'ss')", "ERROR"},
             {"DATETOSTRING(50, 'yyyy-MM-dd')", "'1970-02-20'"}, {"STRINGTODATE('1970-02-20', 'yyyy-MM-dd')", "50"});
}
END_TEST

START_TEST(json_is_read_and_written)
{
    EXAMPLES({"EXTRACTJSONFIELD('{\"a\": {\"b\": [1, \"x\"]}}', '$.a.b[1]')", "'x'"},
             {"EXTRACTJSONFIELD('{\"a\": {\"b\" : 1.50}}', '$.a')", "'{\"b\":1.50}'"},
             {"EXTRACTJSONFIELD('{\"a\": null}', '$.a')", "'null'"}, {"EXTRACTJSONFIELD('{\"a\": 1}', '$.b')", "NULL"},
             {"EXTRACTJSONFIELD('{\"a\": 1, \"a\": 2}', '$.a')", "'2'"},
             {"EXTRACTJSONFIELD('{\"a\": 1', '$.a')", "ERROR: Invalid JSON"},
             {"EXTRACTJSONFIELD('{}', 'a')", "ERROR: Invalid JSON path"},
             {"EXTRACTJSONFIELD('{\"a b\": true}', '$[\"a b\"]')", "'true'"},
             {"EXTRACTJSONFIELD('[1]', '$[5]')", "NULL"}, {"EXTRACTJSONFIELD('{\"a\":\"\\u00e4\"}', '$.a')", "'ä'"},
             {"EXTRACTJSONFIELD('[{\"@type\":7}]', '$[0].@type')", "'7'"}, {"IS_JSON_STRING('{\"a\":1}')", "true"},
             {"IS_JSON_STRING('{a}')", "false"}, {"IS_JSON_STRING('')", "false"}, {"IS_JSON_STRING(NULL)", "false"},
             {"JSON_ARRAY_CONTAINS('[1, \"a\"]', 1)", "true"}, {"JSON_ARRAY_CONTAINS('[1.0]', 1)", "false"},
             {"JSON_ARRAY_CONTAINS('[1.5]', 1.5e0)", "true"}, {"JSON_ARRAY_CONTAINS('[\"a\"]', 'a')", "true"},
             {"JSON_ARRAY_CONTAINS('[null]', NULL)", "true"}, {"JSON_ARRAY_CONTAINS('[[1]]', 1)", "false"},
             {"JSON_ARRAY_CONTAINS('{}', 1)", "false"}, {"JSON_ARRAY_CONTAINS('[1, x', 1)", "true"},
             {"JSON_ARRAY_LENGTH('[1,[2],3]')", "3"}, {"JSON_ARRAY_LENGTH('{}')", "NULL"},
             {"JSON_ARRAY_LENGTH('x')", "ERROR"},
             {"JSON_CONCAT('{\"a\":1}', '{\"b\":2,\"a\":3}')", "'{\"a\":3,\"b\":2}'"},
             {"JSON_CONCAT('[1]', '2', '[3,4]')", "'[1,2,3,4]'"}, {"JSON_CONCAT('1', NULL)", "NULL"},
             {"JSON_CONCAT('1e2', '2')", "'[100,2]'"}, {"JSON_ITEMS('[{\"a\": 1}, \"x\"]')", "['{\"a\":1}', '\"x\"']"},
             {"JSON_ITEMS('{}')", "ERROR"}, {"JSON_KEYS('{\"b\":1,\"a\":2}')", "['b', 'a']"},
             {"JSON_KEYS('[]')", "NULL"}, {"JSON_RECORDS('{\"a\":\"x\",\"b\":[1, 2]}')", "{'a': 'x', 'b': '[1,2]'}"},
             {"TO_JSON_STRING(STRUCT(B := 1, A := ARRAY['x', NULL]))", "'{\"A\":[\"x\",null],\"B\":1}'"},
             {"TO_JSON_STRING(CAST(NULL AS INT))", "'null'"}, {"TO_JSON_STRING(1.50)", "'1.50'"},
             {"TO_JSON_STRING(DATE '2020-01-01')", "'\"2020-01-01\"'"}, {"TO_JSON_STRING(x'41')", "'\"QQ==\"'"},
             {"TO_JSON_STRING(MAP('b' := 1, 'a' := 2))", "'{\"a\":2,\"b\":1}'"}, {"TO_JSON_STRING(TRUE)", "'true'"});
}
END_TEST

START_TEST(urls_are_taken_apart)
{
    EXAMPLES({"URL_EXTRACT_HOST('http://test.com:8080/path')", "'test.com'"},
             {"URL_EXTRACT_PORT('http://test.com:8080/path')", "8080"}, {"URL_EXTRACT_PORT('http://test.com')", "NULL"},
             {"URL_EXTRACT_PATH('http://test.com/a%20b?q')", "'/a b'"}, {"URL_EXTRACT_PATH('http://test.com')", "''"},
             {"URL_EXTRACT_PROTOCOL('http://x')", "'http'"}, {"URL_EXTRACT_QUERY('http://x/?a=b#f')", "'a=b'"},
             {"URL_EXTRACT_QUERY('http://x/')", "NULL"}, {"URL_EXTRACT_FRAGMENT('http://x/#frag')", "'frag'"},
             {"URL_EXTRACT_HOST('http://user@a_b/')", "NULL"},
             {"URL_EXTRACT_HOST('not a url')", "ERROR: URL input has invalid syntax"},
             {"URL_EXTRACT_PATH('mailto:a@b')", "NULL"}, {"URL_EXTRACT_HOST('http://127.0.0.1/')", "'127.0.0.1'"},
             {"URL_EXTRACT_HOST('http://[::1]:80/')", "'[::1]'"}, {"URL_EXTRACT_PATH('http://x/%zz')", "ERROR"},
             {"URL_EXTRACT_PARAMETER('http://x/?a=1&b=x%20y&c', 'b')", "'x y'"},
             {"URL_EXTRACT_PARAMETER('http://x/?a=1&c', 'c')", "''"},
             {"URL_EXTRACT_PARAMETER('http://x/?a=1', 'z')", "NULL"}, {"URL_ENCODE_PARAM('a b&ä*')", "'a+b%26%C3%A4*'"},
             {"URL_DECODE_PARAM('a+b%26%C3%A4')", "'a b&ä'"}, {"URL_DECODE_PARAM('%4')", "ERROR: URLDecoder"},
             {"URL_DECODE_PARAM('%zz')", "ERROR"}, {"URL_EXTRACT_FRAGMENT(CAST(NULL AS STRING))", "NULL"});
}
END_TEST

START_TEST(arrays_are_sets_and_lists)
{
    EXAMPLES(
        {"ARRAY_CONCAT(ARRAY[1], ARRAY[2, 1])", "[1, 2, 1]"}, {"ARRAY_CONCAT(NULL, ARRAY[2])", "[2]"},
        {"ARRAY_CONTAINS(ARRAY[1, NULL], NULL)", "true"}, {"ARRAY_CONTAINS(CAST(NULL AS ARRAY<INT>), 1)", "false"},
        {"ARRAY_CONTAINS(ARRAY['a'], 'b')", "false"}, {"ARRAY_DISTINCT(ARRAY[2, 1, 2, NULL, NULL])", "[2, 1, NULL]"},
        {"ARRAY_UNION(ARRAY[1, 2], ARRAY[2, 3])", "[1, 2, 3]"},
        {"ARRAY_INTERSECT(ARRAY[3, 1, 3, 2], ARRAY[3, 2])", "[3, 2]"},
        {"ARRAY_EXCEPT(ARRAY[1, 2, 1, 3], ARRAY[2])", "[1, 3]"}, {"ARRAY_EXCEPT(NULL, ARRAY[2])", "NULL"},
        {"ARRAY_JOIN(ARRAY[1, NULL, 3])", "'1,null,3'"}, {"ARRAY_JOIN(ARRAY['a', 'b'], NULL)", "'ab'"},
        {"ARRAY_JOIN(ARRAY[ARRAY[1]])", "ERROR"}, {"ARRAY_LENGTH(ARRAY[1, 2])", "2"},
        {"ARRAY_MAX(ARRAY[1, 3, NULL])", "3"}, {"ARRAY_MIN(ARRAY['b', 'a'])", "'a'"},
        {"ARRAY_REMOVE(ARRAY[1, 2, 1], 1)", "[2]"}, {"ARRAY_REMOVE(ARRAY[1, NULL], NULL)", "[1]"},
        {"ARRAY_SORT(ARRAY[2, NULL, 1])", "[1, 2, NULL]"}, {"ARRAY_SORT(ARRAY[2, NULL, 1], 'desc')", "[2, 1, NULL]"},
        {"ARRAY_SORT(ARRAY[2], 'up')", "NULL"}, {"GENERATE_SERIES(1, 4)", "[1, 2, 3, 4]"},
        {"GENERATE_SERIES(3, 1)", "[3, 2, 1]"}, {"GENERATE_SERIES(1, 5, 2)", "[1, 3, 5]"},
        {"GENERATE_SERIES(1, 5, 0)", "ERROR"}, {"GENERATE_SERIES(1, 5, -1)", "ERROR"},
        {"GENERATE_SERIES(CAST(1 AS BIGINT), CAST(2 AS BIGINT))", "[1, 2]"},
        {"GENERATE_SERIES(0, 2000000000)", "ERROR"}, {"SLICE(ARRAY[1, 2, 3, 4], 2, 3)", "[2, 3]"},
        {"SLICE(ARRAY[1, 2], NULL, 1)", "[1]"}, {"SLICE(ARRAY[1, 2], 1, 5)", "NULL"},
        {"SLICE(ARRAY[1, 2], 2, NULL)", "[2]"});
}
END_TEST

START_TEST(maps_iterate_as_java_does)
{
    EXAMPLES({"AS_MAP(ARRAY['a', 'b'], ARRAY[1])", "{'a': 1, 'b': NULL}"},
             {"MAP_KEYS(MAP('foo' := 1, 'bar' := 2, 'apple' := 3))", "['apple', 'bar', 'foo']"},
             {"MAP_VALUES(MAP('b' := 1, 'a' := 2))", "[2, 1]"},
             {"MAP_UNION(MAP('a' := 1, 'b' := 2), MAP('b' := 3))", "{'a': 1, 'b': 3}"},
             {"MAP_UNION(NULL, MAP('b' := 3))", "{'b': 3}"},
             {"ENTRIES(MAP('b' := 1, 'a' := 2), TRUE)", "[{K: 'a', V: 2}, {K: 'b', V: 1}]"},
             {"MAP_KEYS(CAST(NULL AS MAP<STRING, INT>))", "NULL"});
}
END_TEST

START_TEST(lambdas_filter_transform_and_reduce)
{
    EXAMPLES({"FILTER(MAP('a' := 1, 'b' := 2), (k, v) => v > 1)", "{'b': 2}"},
             {"FILTER(ARRAY[1], x => CAST(NULL AS BOOLEAN))", "ERROR"},
             {"FILTER(CAST(NULL AS ARRAY<INT>), x => TRUE)", "NULL"},
             {"REDUCE(MAP('a' := 1, 'b' := 2), 0, (s, k, v) => s + v)", "3"},
             {"REDUCE(CAST(NULL AS ARRAY<INT>), 5, (s, x) => s + x)", "5"},
             {"REDUCE(ARRAY[1], CAST(NULL AS INT), (s, x) => s + x)", "NULL"},
             {"TRANSFORM(MAP('a' := 1, 'b' := 2), (k, v) => 'x', (k, v) => v)", "ERROR"},
             {"TRANSFORM(ARRAY['a', NULL], x => UCASE(x))", "['A', NULL]"},
             {"TRANSFORM(ARRAY[ARRAY[1, 2], ARRAY[3]], a => REDUCE(a, 0, (s, x) => s + x))", "[3, 3]"});
}
END_TEST

UNIT_MAIN("engine/func more", encodings_convert_both_ways, characters_come_from_codes, masks_hide_by_class,
          regular_expressions_extract_replace_and_split, dates_and_times_are_computed,
          dates_and_times_are_formatted_and_parsed, json_is_read_and_written, urls_are_taken_apart,
          arrays_are_sets_and_lists, maps_iterate_as_java_does, lambdas_filter_transform_and_reduce)
