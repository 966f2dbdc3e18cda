/* Conditional, numeric and string functions: results, NULLs and errors. */
#include "tests/support/engine/examples.h"

START_TEST(conditional_functions_take_the_first_value)
{
    EXAMPLES({"COALESCE(NULL, 1, 2)", "1"}, {"COALESCE(CAST(NULL AS STRING), 'x')", "'x'"},
             {"COALESCE(CAST(NULL AS INT), NULL)", "NULL"}, {"IFNULL(NULL, 'a')", "'a'"}, {"IFNULL('b', 'a')", "'b'"},
             {"NULLIF(1, 1)", "NULL"}, {"NULLIF(1, 2)", "1"}, {"NULLIF(NULL, 2)", "NULL"}, {"AS_VALUE('k')", "'k'"});
}
END_TEST

START_TEST(greatest_and_least_leave_out_nulls)
{
    EXAMPLES({"GREATEST(1, 5, 3)", "5"}, {"LEAST(4, NULL, 2)", "2"}, {"GREATEST('a', 'b')", "'b'"},
             {"GREATEST(CAST(NULL AS INT), CAST(NULL AS INT))", "NULL"}, {"GREATEST(1.5, 2.25)", "2.25"},
             {"GREATEST(1.50, 1.5)", "1.50"}, {"LEAST(x'80', x'01')", "80"}, {"GREATEST(1e0, 2e0)", "2.0"},
             {"LEAST(DATE '2020-01-02', DATE '2020-01-01')", "2020-01-01"});
}
END_TEST

START_TEST(rounding_sends_ties_up)
{
    EXAMPLES({"ROUND(2.5e0)", "3"}, {"ROUND(-2.5e0)", "-2"}, {"ROUND(1.25e0, 1)", "1.3"}, {"ROUND(-1.25e0, 1)", "-1.2"},
             {"ROUND(1234.5e0, -2)", "1200.0"}, {"ROUND(12.345, 2)", "12.350"}, {"ROUND(-12.345, 2)", "-12.340"},
             {"ROUND(12.5)", "13"}, {"ROUND(-12.5)", "-12"}, {"ROUND(5)", "5"},
             {"ROUND(CAST(NULL AS INT))", "ERROR: Can't coerce"}, {"ROUND(CAST(NULL AS DOUBLE))", "NULL"},
             {"ROUND(0e0 / 0, 2)", "ERROR"}, {"ROUND(1.23e0, 5)", "1.23"}, {"TRUNC(-2.9e0)", "-2"},
             {"TRUNC(1.29e0, 1)", "1.2"}, {"TRUNC(12.349, 2)", "12.340"}, {"TRUNC(12.9)", "12"},
             {"ROUND(0e0 / 0)", "0"}, {"ROUND(1e30)", "9223372036854775807"}, {"ROUND(5e-1)", "1"});
}
END_TEST

START_TEST(numeric_functions_follow_java)
{
    EXAMPLES({"ABS(-5)", "5"}, {"ABS(-2147483647 - 1)", "-2147483648"}, {"ABS(-1.5)", "1.5"}, {"ABS(-1e0)", "1.0"},
             {"CEIL(1.2)", "2.0"}, {"CEIL(-1.2e0)", "-1.0"}, {"FLOOR(-1.2)", "-2.0"}, {"FLOOR(7)", "7"},
             {"SIGN(-3)", "-1"}, {"SIGN(0e0)", "0"}, {"SQRT(9)", "3.0"}, {"SQRT(-1)", "NaN"}, {"CBRT(27)", "3.0"},
             {"POWER(2, 10)", "1024.0"}, {"EXP(0)", "1.0"}, {"LN(1)", "0.0"}, {"LOG(2, 8)", "3.0"},
             {"LOG(1, 8)", "NaN"}, {"LOG(0, 8)", "NaN"}, {"SIN(0)", "0.0"}, {"COS(0)", "1.0"},
             {"ATAN2(1, 1)", "0.7853981633974483"}, {"DEGREES(PI())", "180.0"}, {"RADIANS(180)", "3.141592653589793"},
             {"COT(CAST(NULL AS DOUBLE))", "NULL"}, {"RANDOM() BETWEEN 0e0 AND 1e0", "true"},
             {"POWER(1, 0e0 / 0)", "NaN"}, {"CEIL(CAST(NULL AS INT))", "NULL"});
}
END_TEST

START_TEST(geo_distance_checks_its_arguments)
{
    EXAMPLES({"ROUND(GEO_DISTANCE(37.4439e0, -122.1663e0, 51.5257e0, -0.1122e0), 2)", "8634.66"},
             {"ROUND(GEO_DISTANCE(37.4439e0, -122.1663e0, 51.5257e0, -0.1122e0, 'MILES'), 2)", "5365.66"},
             {"GEO_DISTANCE(91e0, 0e0, 0e0, 0e0)", "ERROR: valid latitude"},
             {"GEO_DISTANCE(0e0, 181e0, 0e0, 0e0)", "ERROR: valid longitude"},
             {"GEO_DISTANCE(0e0, 0e0, 0e0, 0e0, 'yards')", "ERROR"}, {"GEO_DISTANCE(0e0, 0e0, 0e0, 0e0, NULL)", "0.0"},
             {"GEO_DISTANCE(CAST(NULL AS DOUBLE), 0e0, 0e0, 0e0)", "ERROR"});
}
END_TEST

START_TEST(texts_change_case_and_length)
{
    EXAMPLES({"UCASE('straße')", "'STRASSE'"}, {"LCASE('ÄB')", "'äb'"}, {"UCASE(CAST(NULL AS STRING))", "NULL"},
             {"TRIM('  a b ')", "'a b'"}, {"LEN('a😀')", "3"}, {"LEN(x'0102')", "2"},
             {"INITCAP('  hello BIG  world')", "'Hello Big  World'"}, {"LPAD('foo', 7, 'Bar')", "'BarBfoo'"},
             {"RPAD('foo', 7, 'Bar')", "'fooBarB'"}, {"LPAD('foo', 2, 'x')", "'fo'"}, {"LPAD('foo', 5, '')", "NULL"},
             {"RPAD('foo', -1, 'x')", "NULL"}, {"LPAD(x'01', 3, x'0aff')", "0aff01"},
             {"RPAD(x'01', 3, x'0a')", "010a0a"}, {"LPAD('foo', 100000000, 'x')", "ERROR"});
}
END_TEST

START_TEST(concat_skips_nulls)
{
    EXAMPLES({"CONCAT('a', NULL, 'b')", "'ab'"}, {"CONCAT(x'01', x'02')", "0102"},
             {"CONCAT_WS(',', 'a', NULL, 'b')", "'a,b'"}, {"CONCAT_WS(NULL, 'a', 'b')", "NULL"},
             {"CONCAT_WS(',', CAST(NULL AS STRING))", "''"}, {"CONCAT_WS(',')", "ERROR: Function Concat_WS expects"},
             {"'a' + 'b'", "'ab'"});
}
END_TEST

START_TEST(substrings_are_clamped)
{
    EXAMPLES({"SUBSTRING('stream', 1, 4)", "'stre'"}, {"SUBSTRING('stream', 3)", "'ream'"},
             {"SUBSTRING('stream', -3)", "'eam'"}, {"SUBSTRING('stream', -3, 2)", "'ea'"},
             {"SUBSTRING('stream', 0)", "'stream'"}, {"SUBSTRING('stream', 10)", "''"},
             {"SUBSTRING('stream', -10, 2)", "'st'"}, {"SUBSTRING('stream', 2, -1)", "''"},
             {"SUBSTRING(x'010203', 2, 1)", "02"}, {"SUBSTRING('äöü', 2, 1)", "'ö'"},
             {"SUBSTRING('abc', CAST(NULL AS INT))", "NULL"});
}
END_TEST

START_TEST(instr_searches_both_ways)
{
    EXAMPLES({"INSTR('CORPORATE FLOOR', 'OR')", "2"}, {"INSTR('CORPORATE FLOOR', 'OR', 3, 2)", "14"},
             {"INSTR('CORPORATE FLOOR', 'OR', -3)", "5"}, {"INSTR('CORPORATE FLOOR', 'OR', -3, 2)", "2"},
             {"INSTR('CORPORATE FLOOR', 'MISSING')", "0"}, {"INSTR(NULL, 'x')", "0"}, {"INSTR('abc', 'c', 4)", "0"},
             {"INSTR('aaa', 'aa', 1, 2)", "2"}, {"INSTR('abc', 'a', 0)", "0"}, {"INSTR('äöü', 'ü')", "3"},
             {"INSTR('abc', 'b', CAST(NULL AS INT))", "ERROR"}, {"INSTR('abcabc', 'c', -1)", "6"});
}
END_TEST

START_TEST(texts_are_split_and_replaced)
{
    EXAMPLES({"SPLIT('a,,b,', ',')", "['a', '', 'b', '']"}, {"SPLIT('abc', '')", "['a', 'b', 'c']"},
             {"SPLIT('', ',')", "['']"}, {"SPLIT('', '')", "['']"}, {"SPLIT(x'01ff02', x'ff')", "[01, 02]"},
             {"REPLACE('foobar', 'o', 'xy')", "'fxyxybar'"}, {"REPLACE('ab', '', '-')", "'-a-b-'"},
             {"SPLIT_TO_MAP('a=1;b=2;a=3', ';', '=')", "{'a': '3', 'b': '2'}"},
             {"SPLIT_TO_MAP('a=1=2;;x', ';', '=')", "{'a': '1'}"}, {"SPLIT_TO_MAP('a', ';', ';')", "NULL"},
             {"SPLIT_TO_MAP('=v', ';', '=')", "{'': 'v'}"}, {"ELT(2, 'a', 'b')", "'b'"}, {"ELT(3, 'a', 'b')", "NULL"},
             {"ELT(0, 'a')", "NULL"}, {"FIELD('b', 'a', 'b')", "2"}, {"FIELD(NULL, 'a')", "0"},
             {"FIELD('z', 'a')", "0"});
}
END_TEST

UNIT_MAIN("engine/func basic", conditional_functions_take_the_first_value, greatest_and_least_leave_out_nulls,
          rounding_sends_ties_up, numeric_functions_follow_java, geo_distance_checks_its_arguments,
          texts_change_case_and_length, concat_skips_nulls, substrings_are_clamped, instr_searches_both_ways,
          texts_are_split_and_replaced)
