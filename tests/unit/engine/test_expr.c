/* Expressions: operators, casts, predicates, lazy branches, scopes of errors, constructors. */
#include "tests/support/engine/examples.h"

START_TEST(integers_wrap_and_divide_toward_zero)
{
    EXAMPLES({"1 + 2", "3"}, {"2147483647 + 1", "-2147483648"}, {"7 / 2", "3"}, {"-7 / 2", "-3"}, {"-7 % 3", "-1"},
             {"5000000000 * 2", "10000000000"}, {"1 / 0", "ERROR: / by zero"}, {"1 % 0", "ERROR"},
             {"(-2147483647 - 1) / -1", "-2147483648"}, {"-(-5)", "5"}, {"1 + 5000000000", "5000000001"});
}
END_TEST

START_TEST(doubles_follow_ieee)
{
    EXAMPLES({"1e0 / 0", "Infinity"}, {"0e0 / 0", "NaN"}, {"5.5e0 % 2", "1.5"}, {"1e0 + 1", "2.0"},
             {"0e0 / 0 = 0e0 / 0", "false"}, {"0e0 / 0 <> 0e0 / 0", "false"}, {"-0e0 = 0e0", "true"});
}
END_TEST

START_TEST(decimals_keep_all_digits_or_fail)
{
    EXAMPLES({"1.50 + 2.5", "4.00"}, {"1.5 * 1.5", "2.25"}, {"1.5 + 1", "2.5"}, {"10.0 / 3", "ERROR"},
             {"9.0 / 2", "4.500000000000"}, {"1.0 / 0", "ERROR"}, {"1.5 = 1.50", "true"}, {"1.5 < 2", "true"},
             {"7.5 % 2.0", "1.5"}, {"-1.5", "-1.5"}, {"1.5 + 1e0", "2.5"});
}
END_TEST

START_TEST(a_null_operand_of_arithmetic_is_an_error_and_of_a_comparison_false)
{
    EXAMPLES({"1 + CAST(NULL AS INT)", "ERROR: an operand"}, {"CAST(NULL AS INT) = 1", "false"},
             {"NOT CAST(NULL AS INT) = 1", "true"}, {"CAST(NULL AS INT) <> 1", "false"},
             {"CAST(NULL AS STRING) = 'x'", "false"}, {"CAST(NULL AS INT) BETWEEN 1 AND 2", "false"},
             {"CAST(NULL AS INT) NOT BETWEEN 1 AND 2", "true"}, {"CAST(NULL AS INT) IN (1, NULL)", "false"},
             {"CAST(NULL AS INT) IS NULL", "true"}, {"1 IS NOT NULL", "true"},
             {"CAST(NULL AS INT) IS DISTINCT FROM 1", "true"},
             {"CAST(NULL AS INT) IS DISTINCT FROM CAST(NULL AS INT)", "false"}, {"1 IS NOT DISTINCT FROM 1", "true"});
}
END_TEST

START_TEST(the_right_side_of_and_and_or_runs_only_when_needed)
{
    EXAMPLES({"FALSE AND 1 / 0 = 1", "false"}, {"TRUE OR 1 / 0 = 1", "true"},
             {"TRUE AND 1 / 0 = 1", "ERROR: / by zero"}, {"1 / 0 = 1 OR TRUE", "ERROR: / by zero"},
             {"CAST(NULL AS BOOLEAN) AND TRUE", "ERROR"}, {"FALSE AND CAST(NULL AS BOOLEAN)", "false"},
             {"NOT CAST(NULL AS BOOLEAN)", "ERROR"}, {"TRUE AND NOT FALSE", "true"}, {"FALSE OR FALSE", "false"},
             {"FALSE OR TRUE", "true"});
}
END_TEST

START_TEST(a_case_runs_the_branch_that_is_taken)
{
    EXAMPLES({"CASE WHEN 1 = 1 THEN 'a' WHEN 1 / 0 = 1 THEN 'b' END", "'a'"},
             {"CASE WHEN 1 = 2 THEN 1 / 0 ELSE 5 END", "5"}, {"CASE WHEN 1 = 2 THEN 'a' END", "NULL"},
             {"CASE WHEN 1 = 2 THEN NULL ELSE 'x' END", "'x'"}, {"CASE WHEN 1 / 0 = 1 THEN 1 ELSE 2 END", "ERROR"},
             {"CASE WHEN CAST(NULL AS BOOLEAN) THEN 1 ELSE 2 END", "ERROR"},
             {"CASE WHEN CAST(NULL AS INT) > 1 THEN 1 ELSE 2 END", "2"});
}
END_TEST

START_TEST(casts_follow_java)
{
    EXAMPLES({"CAST(' 12 ' AS INT)", "12"}, {"CAST('+7' AS BIGINT)", "7"}, {"CAST('x' AS INT)", "ERROR"},
             {"CAST('3000000000' AS INT)", "ERROR"}, {"CAST(5000000000 AS INT)", "705032704"},
             {"CAST(1.9e0 AS INT)", "1"}, {"CAST(-1.9e0 AS BIGINT)", "-1"}, {"CAST(1e30 AS INT)", "2147483647"},
             {"CAST(0e0/0 AS INT)", "0"}, {"CAST('ye' AS BOOLEAN)", "true"}, {"CAST('on' AS BOOLEAN)", "false"},
             {"CAST('' AS BOOLEAN)", "false"}, {"CAST('TRUEX' AS BOOLEAN)", "false"},
             {"CAST(1e10 AS STRING)", "'1.0E10'"}, {"CAST(1.50 AS STRING)", "'1.50'"},
             {"CAST(TRUE AS STRING)", "'true'"}, {"CAST(NULL AS STRING)", "NULL"}, {"CAST('1.5' AS DOUBLE)", "1.5"},
             {"CAST('NaN' AS DOUBLE)", "ERROR"}, {"CAST(12.345 AS DECIMAL(4, 2))", "12.35"},
             {"CAST(123.4 AS DECIMAL(3, 1))", "ERROR: Numeric field overflow"}, {"CAST(2 AS DECIMAL(3, 1))", "2.0"},
             {"CAST('1.235' AS DECIMAL(3, 2))", "1.24"}, {"CAST(1.9 AS INT)", "1"});
}
END_TEST

START_TEST(time_types_cast_to_and_from_text)
{
    EXAMPLES({"CAST('2020-05-26' AS DATE)", "2020-05-26"}, {"CAST('2020-05' AS DATE)", "2020-05-01"},
             {"CAST('10:30' AS TIME)", "10:30"},
             {"CAST('2020-05-26T23:59:58' AS TIMESTAMP)", "2020-05-26T23:59:58.000"},
             {"CAST(TIMESTAMP '2020-05-26T23:59:58' AS DATE)", "2020-05-26"},
             {"CAST(TIMESTAMP '2020-05-26T23:59:58' AS TIME)", "23:59:58"},
             {"CAST(DATE '2020-05-26' AS TIMESTAMP)", "2020-05-26T00:00:00.000"},
             {"CAST(DATE '1969-12-31' AS STRING)", "'1969-12-31'"}, {"CAST('nope' AS DATE)", "ERROR"},
             {"DATE '2020-01-01' < '2020-01-02'", "true"}, {"CAST('SGVsbG8=' AS BYTES)", "48656c6c6f"});
}
END_TEST

START_TEST(nested_values_cast_by_element_and_print_as_java)
{
    EXAMPLES({"CAST(ARRAY[1, 2] AS ARRAY<BIGINT>)", "[1, 2]"}, {"CAST(ARRAY[1, NULL] AS STRING)", "'[1, null]'"},
             {"CAST(MAP('k' := 'v') AS STRING)", "'{k=v}'"},
             {"CAST(STRUCT(A := 1, B := 'x') AS STRING)", "'Struct{A=1,B=x}'"},
             {"CAST(STRUCT(A := 1, B := 'x') AS STRUCT<B STRING, C INT>)", "{B: 'x', C: NULL}"},
             {"CAST(ARRAY['x'] AS ARRAY<INT>)", "ERROR"}, {"CAST(MAP('a' := '1') AS MAP<STRING, INT>)", "{'a': 1}"},
             {"CAST(MAP('b' := 1, 'a' := 2, 'c' := 3) AS STRING)", "'{a=2, b=1, c=3}'"});
}
END_TEST

START_TEST(elements_and_fields_are_found_or_null)
{
    EXAMPLES({"ARRAY[1, 2, 3][1]", "1"}, {"ARRAY[1, 2, 3][-1]", "3"}, {"ARRAY[1, 2, 3][0]", "NULL"},
             {"ARRAY[1, 2, 3][4]", "NULL"}, {"ARRAY[1, 2, 3][-4]", "NULL"}, {"MAP('a' := 1)['a']", "1"},
             {"MAP('a' := 1)['b']", "NULL"}, {"STRUCT(A := 5)->A", "5"}, {"CAST(NULL AS ARRAY<INT>)[1]", "NULL"},
             {"CAST(NULL AS STRUCT<A INT>)->A", "NULL"}, {"MAP('a' := 1, 'a' := 2)", "{'a': 2}"});
}
END_TEST

START_TEST(an_error_in_an_element_nulls_that_element_alone)
{
    EXAMPLES({"ARRAY[1, 1 / 0, 3][3]", "3"}, {"STRUCT(A := 1 / 0, B := 2)->B", "2"},
             {"MAP('a' := 1 / 0, 'b' := 2)['b']", "2"}, {"CAST(CAST('x' AS INT) AS STRING)", "ERROR"},
             {"COALESCE(CAST('x' AS INT), 5)", "5"}, {"COALESCE(1 / 0, 5)", "ERROR"},
             {"COALESCE(ROUND(CAST(NULL AS INT)), CAST(5 AS BIGINT))", "5"}, {"COALESCE(ABS(1 / 0), 7)", "7"});
}
END_TEST

START_TEST(comparisons_know_their_orders)
{
    EXAMPLES({"'a' < 'b'", "true"}, {"'Z' < 'a'", "true"}, {"x'80' < x'01'", "true"}, {"x'01' < x'0100'", "true"},
             {"'a' >= 'a'", "true"}, {"1 < 5000000000", "true"}, {"1 = 1e0", "true"}, {"TRUE = TRUE", "true"},
             {"ARRAY[1, 2] = ARRAY[1, 2]", "true"}, {"STRUCT(A := 1) <> STRUCT(A := 2)", "true"},
             {"5 BETWEEN 1 AND 5", "true"}, {"0 BETWEEN 1 AND 5", "false"}, {"'b' NOT BETWEEN 'a' AND 'c'", "false"},
             {"1 > 2 OR 3 > 2", "true"});
}
END_TEST

START_TEST(in_finds_constants_and_expressions)
{
    EXAMPLES({"2 IN (1, 2, 3)", "true"}, {"4 IN (1, 2, 3)", "false"}, {"'x' IN ('a', 'x')", "true"},
             {"4 NOT IN (1, 2)", "true"}, {"2 IN (1, LEN('ab'))", "true"}, {"5 IN (LEN('abc'), 5)", "true"},
             {"ARRAY[1] IN (ARRAY[2], ARRAY[1])", "true"}, {"1 IN (NULL)", "false"},
             {"15 IN (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16)", "true"}, {"2 IN (2, 1 / 0)", "ERROR"});
}
END_TEST

START_TEST(like_matches_wildcards_on_one_line)
{
    EXAMPLES({"'abc' LIKE 'a%'", "true"}, {"'abc' LIKE '%b%'", "true"}, {"'abc' LIKE 'a_c'", "true"},
             {"'abc' LIKE 'b%'", "false"}, {"'abc' LIKE 'abc'", "true"}, {"'' LIKE '%'", "true"},
             {"'a%c' LIKE 'a!%c' ESCAPE '!'", "true"}, {"'abc' LIKE 'a!%c' ESCAPE '!'", "false"},
             {"'abc' LIKE 'abc!' ESCAPE '!'", "ERROR: LIKE pattern"}, {"'a\nb' LIKE 'a%b'", "false"},
             {"'äö' LIKE '_ö'", "true"}, {"'abc' NOT LIKE 'z%'", "true"}, {"CAST(NULL AS STRING) LIKE '%'", "false"},
             {"'aXbXc' LIKE 'a%X%c'", "true"}, {"'a.c' LIKE 'a.c'", "true"}, {"'abc' LIKE 'a.c'", "false"});
}
END_TEST

START_TEST(lambdas_see_outer_values_and_may_nest)
{
    EXAMPLES({"TRANSFORM(ARRAY[1, 2, 3], x => x * 2)", "[2, 4, 6]"},
             {"FILTER(ARRAY[1, 2, 3, 4], x => x % 2 = 0)", "[2, 4]"},
             {"REDUCE(ARRAY[1, 2, 3], 10, (s, x) => s + x)", "16"},
             {"TRANSFORM(ARRAY[1, 2], x => TRANSFORM(ARRAY[10, 20], y => x + y))", "[[11, 21], [12, 22]]"},
             {"TRANSFORM(MAP('a' := 1), (k, v) => UCASE(k), (k, v) => v + 1)", "{'A': 2}"},
             {"TRANSFORM(ARRAY[1, 0], x => 1 / x)", "ERROR: / by zero"},
             {"COALESCE(TRANSFORM(ARRAY[1, 0], x => 1 / x), ARRAY[7])", "[7]"});
}
END_TEST

UNIT_MAIN("engine/expr", integers_wrap_and_divide_toward_zero, doubles_follow_ieee, decimals_keep_all_digits_or_fail,
          a_null_operand_of_arithmetic_is_an_error_and_of_a_comparison_false,
          the_right_side_of_and_and_or_runs_only_when_needed, a_case_runs_the_branch_that_is_taken, casts_follow_java,
          time_types_cast_to_and_from_text, nested_values_cast_by_element_and_print_as_java,
          elements_and_fields_are_found_or_null, an_error_in_an_element_nulls_that_element_alone,
          comparisons_know_their_orders, in_finds_constants_and_expressions, like_matches_wildcards_on_one_line,
          lambdas_see_outer_values_and_may_nest)
