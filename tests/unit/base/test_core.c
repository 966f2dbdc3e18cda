/* Arena, slices, varints, hashes, maps and diags: the values that published vectors and Java give. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/rng.h"

static int hook_calls;
static void count_hook(void *arg)
{
    hook_calls += *(int *)arg;
}

START_TEST(arena_runs_hooks_registered_since_the_mark)
{
    arena *a = arena_new();
    int one = 1, ten = 10;
    arena_on_free(a, count_hook, &one);
    arena_mark m = arena_save(a);
    arena_on_free(a, count_hook, &ten);
    arena_alloc(a, 100000);
    arena_restore(a, m);
    ck_assert_int_eq(hook_calls, 10);
    arena_free(a);
    ck_assert_int_eq(hook_calls, 11);
}
END_TEST

START_TEST(arena_memory_is_aligned_and_reused_after_reset)
{
    arena *a = arena_new();
    for (size_t n = 0; n < 70; n++) ck_assert_uint_eq((uintptr_t)arena_alloc(a, n) % 16, 0);
    arena_reset(a);
    ck_assert_uint_eq(arena_used(a), 0);
    str s = arena_printf(a, "%d-%s", 7, "x");
    ck_assert(str_eqz(s, "7-x"));
    arena_free(a);
}
END_TEST

START_TEST(integers_parse_to_the_limits_and_not_beyond)
{
    int64_t v;
    ck_assert(str_to_i64(STR("9223372036854775807"), &v) && v == INT64_MAX);
    ck_assert(str_to_i64(STR("-9223372036854775808"), &v) && v == INT64_MIN);
    ck_assert(!str_to_i64(STR("9223372036854775808"), &v));
    ck_assert(!str_to_i64(STR("-9223372036854775809"), &v));
    ck_assert(!str_to_i64(STR(""), &v) && !str_to_i64(STR("-"), &v) && !str_to_i64(STR("1x"), &v));
}
END_TEST

START_TEST(doubles_parse_as_java_does)
{
    double d;
    ck_assert(str_to_f64(STR(" 1.5e3 "), &d) && d == 1500.0);
    ck_assert(str_to_f64(STR("1d"), &d) && d == 1.0);
    ck_assert(str_to_f64(STR("-Infinity"), &d) && isinf(d) && d < 0);
    ck_assert(str_to_f64(STR("NaN"), &d) && isnan(d));
    ck_assert(!str_to_f64(STR("inf"), &d) && !str_to_f64(STR("0x10"), &d) && !str_to_f64(STR("nan"), &d));
    ck_assert(!str_to_f64(STR(""), &d) && !str_to_f64(STR("1 2"), &d));
}
END_TEST

START_TEST(varints_round_trip_and_reject_overlong_forms)
{
    const int64_t values[] = {0, 1, -1, 63, 64, -64, -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    buf b = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        buf_clear(&b);
        write_varint64(&b, values[i]);
        ck_assert_uint_eq(b.len, varint64_size(values[i]));
        reader r = reader_of(b.data, b.len);
        ck_assert_int_eq(read_varint64(&r), values[i]);
        ck_assert(!r.failed && reader_left(&r) == 0);
        reader cut = reader_of(b.data, b.len - 1);
        read_varint64(&cut);
        ck_assert(cut.failed);
    }
    const uint8_t overlong[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    reader r = reader_of(overlong, sizeof overlong);
    read_uvarint64(&r);
    ck_assert(r.failed);
    reader r32 = reader_of(overlong, 5);
    read_uvarint32(&r32);
    ck_assert(r32.failed);
    buf_free(&b);
}
END_TEST

START_TEST(hashes_give_the_published_values)
{
    ck_assert_uint_eq(hash_crc32c("123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(hash_crc32c_more(hash_crc32c("1234", 4), "56789", 5), 0xe3069283u);
    ck_assert_int_eq(hash_murmur2("21", 2), -973932308);
    ck_assert_int_eq(hash_murmur2("foobar", 6), -790332482);
    ck_assert_int_eq(hash_murmur2("abc", 3), 479470107);
}
END_TEST

START_TEST(map_keeps_insertion_order_through_growth_and_removal)
{
    map m = {0};
    char key[16];
    int values[200];
    for (int i = 0; i < 200; i++) {
        int n = snprintf(key, sizeof key, "k%d", i);
        ck_assert_ptr_null(map_put(&m, str_of(key, (size_t)n), &values[i]));
    }
    for (int i = 0; i < 200; i += 2) {
        int n = snprintf(key, sizeof key, "k%d", i);
        ck_assert_ptr_eq(map_remove(&m, str_of(key, (size_t)n)), &values[i]);
    }
    ck_assert_ptr_null(map_get(&m, STR("k0")));
    map_put(&m, STR("k0"), &values[0]);
    int expect = 1;
    void *value;
    size_t it = 0;
    while (map_next(&m, &it, NULL, &value) && expect < 200) {
        ck_assert_ptr_eq(value, &values[expect]);
        expect += 2;
    }
    ck_assert_ptr_eq(value, &values[0]);
    ck_assert_uint_eq(map_count(&m), 101);
    map_free(&m);
}
END_TEST

START_TEST(first_error_wins_and_is_drawn_with_a_caret)
{
    diag d = {0};
    str sql = STR("SELECT a\nFROM t\xc3\xa9 x;");
    ck_assert(!diag_at(&d, (span){18, 19}, DIAG_SYNTAX, "unexpected '%s'", "x"));
    diag_set(&d, DIAG_IO, "later");
    diag_hint(&d, "try y");
    buf out = {0};
    diag_render(&d, sql, &out);
    ck_assert_str_eq(buf_z(&out), "line 2:9: unexpected 'x'\nFROM t\xc3\xa9 x;\n        ^\ntry y\n");
    buf_free(&out);
}
END_TEST

UNIT_MAIN("base/core", arena_runs_hooks_registered_since_the_mark, arena_memory_is_aligned_and_reused_after_reset,
          integers_parse_to_the_limits_and_not_beyond, doubles_parse_as_java_does,
          varints_round_trip_and_reject_overlong_forms, hashes_give_the_published_values,
          map_keeps_insertion_order_through_growth_and_removal, first_error_wins_and_is_drawn_with_a_caret)
