#include "tests/support/broker/quotas.h"

#include <check.h>

static void put_who(wire_out *o, who w)
{
    const char *const names[] = {w.user, w.client, w.ip};
    wire_put_len(o, (w.user != NULL) + (w.client != NULL) + (w.ip != NULL));
    for (int i = 0; i < QUOTA_PARTS; i++) {
        if (!names[i]) continue;
        wire_put_str(o, str_z(quota_part_names[i]));
        wire_put_nstr(o, names[i][0] == '*' ? WIRE_NULL : str_z(names[i]));
        wire_put_tags(o);
    }
}

static void put_f64(wire_out *o, double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    wire_put_i64(o, bits);
}

void quotas_put(bench *t, who w, const char *key, double value)
{
    wire_out *o = &t->out;
    put_who(o, w);
    wire_put_len(o, 1);
    wire_put_str(o, str_z(key));
    put_f64(o, value < 0 ? 0 : value);
    wire_put_bool(o, value == -1);
    wire_put_tags(o);
    wire_put_tags(o);
}

int16_t quotas_send(bench *t, int32_t answers)
{
    wire_put_bool(&t->out, false);
    wire_put_tags(&t->out);
    wire_in in = bench_call(t, 7);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), answers);
    int16_t first = 0;
    for (int32_t i = 0; i < answers; i++) {
        int16_t error = wire_i16(&in);
        if (i == 0) first = error;
        ck_assert((wire_nstr(&in).p == NULL) == (error == 0));
        for (int32_t k = wire_len(&in, 1); k > 0; k--) {
            wire_str(&in);
            wire_nstr(&in);
            wire_tags(&in);
        }
        wire_tags(&in);
    }
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return first;
}

int16_t quotas_alter(bench *t, int16_t version, who w, const char *key, double value)
{
    bench_begin(t, 49, version);
    wire_put_len(&t->out, 1);
    quotas_put(t, w, key, value);
    return quotas_send(t, 1);
}

void quotas_set(bench *t, who w, const char *key, double value)
{
    ck_assert_int_eq(quotas_alter(t, 1, w, key, value), 0);
}
