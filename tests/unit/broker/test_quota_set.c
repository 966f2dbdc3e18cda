/* Quotas of clients as they are set, kept and described. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>

#include "broker/meta.h"
#include "tests/support/broker/quotas.h"

static bench t;

static double get_f64(wire_in *in)
{
    int64_t bits = wire_i64(in);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

typedef struct found {
    int16_t error;
    int32_t entries, values;
    double sum;
} found;

/* One component of a filter as the protocol has it; match -1: none. */
typedef struct part {
    const char *type;
    int8_t match;
    const char *name;
} part;

static found describe(int16_t version, const part *parts, int32_t n, bool strict)
{
    bench_begin(&t, 48, version);
    wire_put_len(&t.out, n);
    for (int32_t i = 0; i < n; i++) {
        wire_put_str(&t.out, str_z(parts[i].type));
        wire_put_i8(&t.out, parts[i].match);
        wire_put_nstr(&t.out, parts[i].name ? str_z(parts[i].name) : WIRE_NULL);
        wire_put_tags(&t.out);
    }
    wire_put_bool(&t.out, strict);
    wire_put_tags(&t.out);
    wire_in in = bench_call(&t, 7);
    found f = {0};
    wire_i32(&in);
    f.error = wire_i16(&in);
    ck_assert((wire_nstr(&in).p == NULL) == (f.error == 0));
    f.entries = wire_nlen(&in, 1);
    for (int32_t i = 0; i < f.entries; i++) {
        for (int32_t k = wire_len(&in, 1); k > 0; k--) {
            wire_str(&in);
            wire_nstr(&in);
            wire_tags(&in);
        }
        for (int32_t k = wire_len(&in, 1); k > 0; k--) {
            wire_str(&in);
            f.values++;
            f.sum += get_f64(&in);
            wire_tags(&in);
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return f;
}

static void up(void)
{
    bench_open(&t);
    bench_create_topic(&t, "t", 1);
}

START_TEST(quotas_survive_every_way_to_stop)
{
    up();
    for (int16_t version = 0; version <= 1; version++)
        ck_assert_int_eq(quotas_alter(&t, version, (who){.user = "u"}, "producer_byte_rate", 1000 + version), 0);
    quotas_set(&t, (who){.user = "u", .client = "c"}, "consumer_byte_rate", 1);
    quotas_set(&t, (who){.user = "*"}, "request_percentage", 0.5);
    quotas_set(&t, (who){.client = "*"}, "controller_mutation_rate", 2.5);
    quotas_set(&t, (who){.ip = "127.0.0.1"}, "connection_creation_rate", 7);
    quotas_set(&t, (who){.client = "gone"}, "producer_byte_rate", 5);
    quotas_set(&t, (who){.client = "gone"}, "producer_byte_rate", -1);
    quotas_set(&t, (who){.client = "gone"}, "consumer_byte_rate", -1);
    for (int i = 0; i < 4; i++) {
        for (int16_t version = 0; version <= 1; version++) {
            found f = describe(version, NULL, 0, false);
            ck_assert_int_eq(f.error, 0);
            ck_assert_int_eq(f.entries, 5);
            ck_assert_int_eq(f.values, 5);
            ck_assert_double_eq_tol(f.sum, 1001 + 1 + 0.5 + 2.5 + 7, 1e-9);
        }
        if (i == 0) bench_restart(&t);
        if (i == 1) bench_kill(&t);
        if (i == 2) bench_power_loss(&t, 11);
    }
    bench_close(&t);
}
END_TEST

/* The log grows until it is written anew at a start. */
START_TEST(quotas_survive_the_rewriting_of_the_metadata_log)
{
    up();
    char name[64] = "";
    for (int i = 0; i < 30000; i++) {
        snprintf(name, sizeof name, "a-rather-long-name-of-a-client-%d", i % 50);
        quotas_set(&t, (who){.client = name}, "producer_byte_rate", 1000 + i);
    }
    int64_t before = meta_end(t.b);
    bench_restart(&t);
    ck_assert_int_lt(meta_end(t.b), before / 10);
    found f = describe(1, NULL, 0, false);
    ck_assert_int_eq(f.entries, 50);
    ck_assert_double_eq_tol(f.sum, 50 * (1000 + 29950) + 49 * 50 / 2, 1e-6);
    bench_close(&t);
}
END_TEST

START_TEST(filters_choose_entities)
{
    up();
    quotas_set(&t, (who){.user = "u"}, "producer_byte_rate", 1);
    quotas_set(&t, (who){.user = "*"}, "producer_byte_rate", 2);
    quotas_set(&t, (who){.user = "u", .client = "c"}, "producer_byte_rate", 4);
    quotas_set(&t, (who){.user = "u", .client = "*"}, "producer_byte_rate", 8);
    quotas_set(&t, (who){.client = "c"}, "producer_byte_rate", 16);
    quotas_set(&t, (who){.ip = "*"}, "connection_creation_rate", 32);
    static const struct {
        part parts[2];
        int32_t n;
        bool strict;
        double sum;
    } cases[] = {{{{"user", 0, "u"}}, 1, false, 13},
                 {{{"user", 0, "u"}}, 1, true, 1},
                 {{{"user", 1, NULL}}, 1, false, 2},
                 {{{"user", 2, NULL}}, 1, false, 15},
                 {{{"user", 2, NULL}}, 1, true, 3},
                 {{{"user", 2, NULL}, {"client-id", 0, "c"}}, 2, true, 4},
                 {{{"user", 0, "u"}, {"client-id", 1, NULL}}, 2, true, 8},
                 {{{"client-id", 0, "c"}}, 1, false, 20},
                 {{{"client-id", 2, NULL}}, 1, true, 16},
                 {{{"ip", 2, NULL}}, 1, false, 32},
                 {{{"ip", 0, "1.2.3.4"}}, 1, false, 0},
                 {{{NULL}}, 0, false, 63},
                 {{{NULL}}, 0, true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        found f = describe((int16_t)(i % 2), cases[i].parts, cases[i].n, cases[i].strict);
        ck_assert_int_eq(f.error, 0);
        ck_assert_msg(f.sum == cases[i].sum, "case %zu: %g", i, f.sum);
    }
    static const struct {
        part parts[2];
        int32_t n;
        int16_t error;
    } wrong[] = {{{{"", 0, "u"}}, 1, KAFKA_INVALID_REQUEST},
                 {{{"group", 0, "u"}}, 1, KAFKA_UNSUPPORTED_VERSION},
                 {{{"user", 0, "u"}, {"user", 2, NULL}}, 2, KAFKA_INVALID_REQUEST},
                 {{{"user", 0, NULL}}, 1, KAFKA_INVALID_REQUEST},
                 {{{"user", 1, "u"}}, 1, KAFKA_INVALID_REQUEST},
                 {{{"user", 2, "u"}}, 1, KAFKA_INVALID_REQUEST},
                 {{{"user", 3, NULL}}, 1, KAFKA_INVALID_REQUEST},
                 {{{"ip", 2, NULL}, {"user", 2, NULL}}, 2, KAFKA_INVALID_REQUEST}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        found f = describe((int16_t)(i % 2), wrong[i].parts, wrong[i].n, false);
        ck_assert_msg(f.error == wrong[i].error, "case %zu: %d", i, f.error);
        ck_assert_int_eq(f.entries, -1);
    }
    bench_close(&t);
}
END_TEST

START_TEST(alterations_that_make_no_sense_are_refused)
{
    static const struct {
        who w;
        const char *key;
        double value;
    } cases[] = {{{0}, "producer_byte_rate", 1},
                 {{.user = ""}, "producer_byte_rate", 1},
                 {{.user = "u", .ip = "1.2.3.4"}, "producer_byte_rate", 1},
                 {{.ip = "1.2.3.4"}, "producer_byte_rate", 1},
                 {{.ip = "no.such.address"}, "connection_creation_rate", 1},
                 {{.user = "u"}, "connection_creation_rate", 1},
                 {{.user = "u"}, "byte_rate", 1},
                 {{.user = "u"}, "producer_byte_rate", 0},
                 {{.user = "u"}, "producer_byte_rate", 1.5},
                 {{.user = "u"}, "consumer_byte_rate", 1e19},
                 {{.user = "u"}, "request_percentage", NAN},
                 {{.ip = "*"}, "connection_creation_rate", 3e9}};
    up();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int16_t error = quotas_alter(&t, (int16_t)(i % 2), cases[i].w, cases[i].key, cases[i].value);
        ck_assert_msg(error == KAFKA_INVALID_REQUEST, "case %zu: %d", i, error);
    }
    ck_assert_int_eq(describe(1, NULL, 0, false).entries, 0);
    ck_assert_uint_eq(t.b->quotas_on, 0);
    ck_assert_int_eq(quotas_alter(&t, 1, (who){.user = "u"}, "no_such_thing", -1), 0);
    ck_assert_int_eq(quotas_alter(&t, 1, (who){.ip = "2001:DB8::0001"}, "connection_creation_rate", 3), 0);
    bench_close(&t);
}
END_TEST

/* As Kafka's controller: one alteration is carried out, and its answer is an error all the same. */
START_TEST(an_entity_stands_in_the_answer_once)
{
    up();
    bench_begin(&t, 49, 1);
    wire_put_len(&t.out, 3);
    quotas_put(&t, (who){.user = "u"}, "producer_byte_rate", 1);
    quotas_put(&t, (who){.user = "u"}, "producer_byte_rate", 2);
    quotas_put(&t, (who){.user = "v"}, "producer_byte_rate", 4);
    ck_assert_int_eq(quotas_send(&t, 2), KAFKA_INVALID_REQUEST);
    ck_assert_double_eq_tol(describe(1, NULL, 0, false).sum, 5, 1e-9);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/quota_set", quotas_survive_every_way_to_stop, quotas_survive_the_rewriting_of_the_metadata_log,
          filters_choose_entities, alterations_that_make_no_sense_are_refused, an_entity_stands_in_the_answer_once)
