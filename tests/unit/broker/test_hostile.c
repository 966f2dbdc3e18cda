/* What hostile clients send: found by fuzzing, kept as tests. */
#include "broker/compress.h"
#include "tests/support/broker/client.h"
#include "tests/unit/unit.h"

static void commit_offset(bench *t, str group_id)
{
    bench_begin(t, 8, 7);
    wire_put_str(&t->out, group_id);
    wire_put_i32(&t->out, -1);
    wire_put_str(&t->out, STR(""));
    wire_put_nstr(&t->out, WIRE_NULL);
    wire_put_len(&t->out, 1);
    wire_put_str(&t->out, STR("t"));
    wire_put_len(&t->out, 1);
    wire_put_i32(&t->out, 0);
    wire_put_i64(&t->out, 3);
    wire_put_i32(&t->out, -1);
    wire_put_nstr(&t->out, STR("meta"));
    bench_send(t, 0);
}

/* It was kept under "g\0h" and dropped as "g": a use after free. */
START_TEST(a_group_id_with_a_zero_byte_is_no_request)
{
    bench t = {0};
    wire_in in;
    bench_open(&t);
    bench_create_topic(&t, "t", 1);
    commit_offset(&t, str_of("g\0h", 3));
    ck_assert(t.closed);
    bench_hang_up(&t, 0);
    commit_offset(&t, STR("gh"));
    ck_assert(!t.closed && bench_take(&t, 0, &in));
    bench_close(&t);
}
END_TEST

START_TEST(no_bytes_to_expand_may_come_as_null)
{
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        diag d = {0};
        buf out = {0};
        bool ok = expand_all((batch_codec)codec, NULL, 0, 100, &out, &d);
        ck_assert(ok ? out.len == 0 : diag_is_set(&d));
        buf_free(&out);
    }
}
END_TEST

UNIT_MAIN("broker/hostile", a_group_id_with_a_zero_byte_is_no_request, no_bytes_to_expand_may_come_as_null)
