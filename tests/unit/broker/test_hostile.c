/* What hostile clients send and damaged disks hold: found by fuzzing, kept as tests. */
#include <stdlib.h>

#include "base/hash.h"
#include "broker/compress.h"
#include "tests/support/broker/client.h"
#include "tests/support/broker/plog_bed.h"
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

/* The CRC does not cover the base offset: a flipped bit in it made the reader go back and read the same again. */
START_TEST(a_stored_batch_whose_offset_leads_back_is_corrupt)
{
    bed b = bed_new();
    bed_send_many(&b, 3);
    bed_restart(&b, true);
    diag d = {0};
    const uint8_t *data;
    size_t n;
    plog_reader *r = plog_reader_new(b.log, 0);
    ck_assert_int_eq(plog_read(r, PLOG_READ_UNCOMMITTED, 1, true, &data, &n, &d), PLOG_READ_OK);
    /* The second batch gets an offset far below zero. */
    ck_assert(fs_sim_corrupt(b.sim, "/topics/t-0/00000000000000000000.log", n, 0x80));
    ck_assert_int_eq(plog_read(r, PLOG_READ_UNCOMMITTED, 1, true, &data, &n, &d), PLOG_READ_ERROR);
    ck_assert_int_eq(plog_reader_error(r), KAFKA_CORRUPT_MESSAGE);
    ck_assert_int_eq(plog_reader_offset(r), 1);
    plog_reader_free(r);
    bed_free(&b);
}
END_TEST

/* Its offsets had nowhere to go: the first append overflowed. */
START_TEST(a_segment_whose_name_states_no_possible_offset_is_none_of_ours)
{
    fs_sim *sim = fs_sim_new(1);
    fs *files = fs_sim_fs(sim);
    diag d = {0};
    file *f;
    ck_assert(fs_mkdirs(files, "/topics/t-0", &d));
    ck_assert(fs_open(files, "/topics/t-0/09223372036854775806.log", FILE_CREATE, &f, &d));
    file_close(f);
    bed b = {.config = plog_config_default(), .now = NOW};
    bed_start(&b, sim);
    ck_assert_int_eq(plog_end(b.log), 0);
    bed_send_many(&b, 2);
    ck_assert_int_eq(plog_end(b.log), 3);
    bed_free(&b);
}
END_TEST

/* Replaces a text in the metadata log by one of the same length and makes the checksums of its frames right. */
static void edit_metadata(bench *t, const char *from, const char *to)
{
    file *f;
    diag d = {0};
    uint64_t size;
    ck_assert(fs_open(fs_sim_fs(t->sim), "/data/broker/metadata.log", 0, &f, &d) && file_size(f, &size, &d));
    char *p = malloc(size);
    ck_assert(p != NULL && file_read_all(f, 0, p, size, &d));
    ptrdiff_t at = str_find(str_of(p, size), str_z(from), 0);
    ck_assert(at >= 0 && strlen(from) == strlen(to));
    memcpy(p + at, to, strlen(to));
    for (size_t frame = 0; frame < size; frame += 8 + load_be32(p + frame))
        store_be32(p + frame + 4, hash_crc32c(p + frame + 8, load_be32(p + frame)));
    ck_assert(file_write(f, 0, p, size, &d) && file_sync(f, FILE_SYNC_DATA, &d));
    file_close(f);
    free(p);
}

/* It was taken as it stood, and the first look at the topic's settings ended the process. */
START_TEST(an_illegal_config_in_the_metadata_gives_way_to_the_default)
{
    bench t = {0};
    diag d = {0};
    str value;
    broker_config_entry config = {STR("retention.ms"), STR("123456")};
    bench_open(&t);
    ck_assert(broker_topic_create(t.b, STR("t"), 1, &config, 1, &d));
    broker_close(t.b);
    edit_metadata(&t, "123456", "12x456");
    broker_options options = {NULL, 0, {0}, 1, 99};
    t.b = broker_open(fs_sim_fs(t.sim), STR("/data"), &options, &t.hooks, t.now, &d);
    ck_assert_msg(t.b != NULL, "%s", d.text);
    arena *a = arena_new();
    ck_assert(broker_topic_config(t.b, STR("t"), STR("retention.ms"), a, &value) && str_eqz(value, "604800000"));
    arena_free(a);
    bench_close(&t);
}
END_TEST

UNIT_MAIN("broker/hostile", a_group_id_with_a_zero_byte_is_no_request, no_bytes_to_expand_may_come_as_null,
          a_stored_batch_whose_offset_leads_back_is_corrupt,
          a_segment_whose_name_states_no_possible_offset_is_none_of_ours,
          an_illegal_config_in_the_metadata_gives_way_to_the_default)
