/* Feeds, sinks and the processing log over a broker on the simulated disk. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "base/file_sim.h"
#include "broker/batch.h"
#include "connect/connect.h"

/* A broker with the topics `in` (2 partitions) and `out` (2 partitions). */
typedef struct world {
    fs_sim *sim;
    broker *b;
    broker_time now;
    int64_t producer;
} world;

static broker_time now_of(void *arg)
{
    return ((world *)arg)->now;
}

static void boot(world *w)
{
    static const broker_hooks hooks;
    broker_options o = {.node_id = 1, .seed = 7, .cluster_id = STR("test-cluster-id-000000")};
    diag d = {0};
    w->b = broker_open(fs_sim_fs(w->sim), STR("/data"), &o, &hooks, w->now, &d);
    ck_assert_msg(w->b != NULL, "%s", d.text);
}

static void begin(world *w)
{
    *w = (world){.sim = fs_sim_new(3), .now = {1700000000000, 1000}};
    boot(w);
    diag d = {0};
    ck_assert(broker_topic_create(w->b, STR("in"), 2, NULL, 0, &d));
    ck_assert(broker_topic_create(w->b, STR("out"), 2, NULL, 0, &d));
    ck_assert(broker_producer_reserve(w->b, 2, &w->producer, &d));
}

static void end(world *w)
{
    broker_close(w->b);
    fs_sim_free(w->sim);
}

/* Appends records whose values are the numbers [first, first + n). */
static void put(world *w, const char *topic, int32_t partition, int first, int n, batch_codec codec)
{
    batch_builder builder = {0};
    batch_options o = batch_options_plain();
    o.codec = codec;
    batch_begin(&builder, &o);
    for (int i = 0; i < n; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", first + i);
        batch_add(&builder, &(batch_record){.value = str_of(text, (size_t)len), .timestamp = w->now.wall_ms});
    }
    uint8_t *data;
    size_t size;
    diag d = {0};
    broker_partition *p = broker_partition_get(w->b, str_z(topic), partition);
    ck_assert(batch_finish(&builder, &data, &size, &d));
    ck_assert_msg(broker_append(p, data, size, w->now, NULL, &d), "%s", d.text);
    broker_partition_release(p);
    batch_builder_free(&builder);
}

static io_feed *feed_of(world *w, const char *topic, int32_t partition, bool committed, bool bounded)
{
    embedded_input in = {str_z(topic), true};
    embedded_feed_options o = {
        .inputs = &in, .input_count = 1, .partition = partition, .read_committed = committed, .bounded = bounded};
    diag d = {0};
    io_feed *f = embedded_feed_new(w->b, &o, &d);
    ck_assert_msg(f != NULL, "%s", d.text);
    return f;
}

/* Reads what is there: the values, and how it ended. */
static const char *read_all(io_feed *f, uint32_t max, io_status *last)
{
    static char text[4096];
    size_t n = 0;
    text[0] = 0;
    io_batch batch;
    diag d = {0};
    while ((*last = f->ops->read(f, 0, max, &batch, &d)) == IO_OK) {
        ck_assert_uint_le(batch.count, max);
        for (uint32_t i = 0; i < batch.count; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%.*s ", STR_ARG(batch.records[i].value));
        f->ops->release(f, 0);
    }
    ck_assert_msg(*last != IO_FAILED, "%s", d.text);
    return text;
}

START_TEST(a_feed_reads_plain_and_compressed_batches_in_order)
{
    world w;
    begin(&w);
    put(&w, "in", 0, 0, 3, CODEC_NONE);
    put(&w, "in", 0, 3, 4, CODEC_LZ4);
    put(&w, "in", 0, 7, 2, CODEC_ZSTD);
    io_status last;
    for (uint32_t max = 1; max <= 16; max *= 2) {
        io_feed *f = feed_of(&w, "in", 0, true, false);
        ck_assert_str_eq(read_all(f, max, &last), "0 1 2 3 4 5 6 7 8 ");
        ck_assert_int_eq(last, IO_EMPTY);
        put(&w, "in", 1, 1, 1, CODEC_NONE); /* another partition is none of its business */
        ck_assert_str_eq(read_all(f, max, &last), "");
        embedded_feed_free(f);
    }
    end(&w);
}
END_TEST

/* The buffer holds 256 KiB: a read may be cut where a batch and the buffered bytes end together. */
START_TEST(a_read_that_ends_with_its_batch_is_followed_by_the_next)
{
    world w;
    begin(&w);
    diag d = {0};
    broker_config_entry roll = {STR("segment.ms"), STR("1")};
    ck_assert(broker_topic_create(w.b, STR("rolled"), 1, &roll, 1, &d));
    for (int i = 0; i < 6; i++) {
        put(&w, "rolled", 0, i * 4, 4, i % 2 ? CODEC_LZ4 : CODEC_NONE);
        w.now.wall_ms += 10; /* each batch gets a segment of its own, and so a read of its own */
    }
    io_status last;
    for (uint32_t max = 1; max <= 8; max++) {
        io_feed *f = feed_of(&w, "rolled", 0, true, true);
        ck_assert_str_eq(read_all(f, max, &last), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 ");
        ck_assert_int_eq(last, IO_END);
        embedded_feed_free(f);
    }
    end(&w);
}
END_TEST

START_TEST(a_bounded_feed_ends_where_the_log_ended_at_its_start)
{
    world w;
    begin(&w);
    put(&w, "in", 0, 0, 3, CODEC_NONE);
    put(&w, "in", 1, 10, 2, CODEC_NONE);
    io_feed *f = feed_of(&w, "in", -1, true, true);
    put(&w, "in", 0, 3, 3, CODEC_NONE);
    io_status last;
    const char *text = read_all(f, 100, &last);
    ck_assert_int_eq(last, IO_END);
    ck_assert(strcmp(text, "0 1 2 10 11 ") == 0 || strcmp(text, "10 11 0 1 2 ") == 0);
    embedded_feed_free(f);
    end(&w);
}
END_TEST

START_TEST(a_seek_goes_to_the_offset_and_refuses_one_behind_the_end)
{
    world w;
    begin(&w);
    put(&w, "in", 0, 0, 5, CODEC_GZIP);
    io_feed *f = feed_of(&w, "in", 0, true, false);
    diag d = {0};
    io_status last;
    ck_assert(f->ops->seek(f, 0, 0, 3, &d));
    ck_assert_str_eq(read_all(f, 100, &last), "3 4 ");
    ck_assert(f->ops->seek(f, 0, 0, 0, &d));
    ck_assert_str_eq(read_all(f, 100, &last), "0 1 2 3 4 ");
    ck_assert(!f->ops->seek(f, 0, 0, 6, &d));
    ck_assert_int_eq(d.code, DIAG_STATE);
    ck_assert_ptr_nonnull(strstr(d.text, "beyond the end"));
    const io_partition *p;
    ck_assert_int_eq(f->ops->partitions(f, 0, &p), 1);
    ck_assert_int_eq(p->end_offset, 5);
    embedded_feed_free(f);
    end(&w);
}
END_TEST

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

START_TEST(an_append_wakes_a_feed_until_it_is_freed)
{
    world w;
    begin(&w);
    int wakes = 0;
    embedded_input in = {STR("in"), false};
    embedded_feed_options o = {.inputs = &in, .input_count = 1, .partition = 0, .wake = count_wake, .wake_arg = &wakes};
    diag d = {0};
    put(&w, "in", 0, 0, 2, CODEC_NONE);
    io_feed *f = embedded_feed_new(w.b, &o, &d);
    put(&w, "in", 0, 2, 2, CODEC_NONE);
    ck_assert_int_ge(wakes, 1);
    io_status last;
    ck_assert_str_eq(read_all(f, 100, &last), "2 3 "); /* from the latest */
    embedded_feed_free(f);
    int before = wakes;
    put(&w, "in", 0, 4, 2, CODEC_NONE);
    ck_assert_int_eq(wakes, before);
    end(&w);
}
END_TEST

START_TEST(a_missing_topic_is_an_error)
{
    world w;
    begin(&w);
    embedded_input in = {STR("nowhere"), true};
    embedded_feed_options o = {.inputs = &in, .input_count = 1};
    diag d = {0};
    ck_assert_ptr_null(embedded_feed_new(w.b, &o, &d));
    ck_assert_int_eq(d.code, DIAG_NOT_FOUND);
    end(&w);
}
END_TEST

/* ---- sinks ------------------------------------------------------------------------------------------------------ */

static io_sink *sink_of(world *w)
{
    static const str topics[] = {{"out", 3}}, inputs[] = {{"in", 2}};
    embedded_sink_options o = {.topics = topics,
                               .topic_count = 1,
                               .inputs = inputs,
                               .input_count = 1,
                               .producer_id = w->producer,
                               .transactional_id = STR("q"),
                               .now = now_of,
                               .now_arg = w};
    diag d = {0};
    io_sink *s = embedded_sink_new(w->b, &o, &d);
    ck_assert_msg(s != NULL, "%s", d.text);
    return s;
}

static void write_numbers(io_sink *s, int32_t partition, int first, int n)
{
    diag d = {0};
    for (int i = 0; i < n; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", first + i);
        io_out r = {.value = str_of(text, (size_t)len), .key_null = true, .partition = partition, .timestamp = 5};
        ck_assert_int_eq(s->ops->append(s, 0, &r, 1, &d), IO_OK);
    }
}

static bool recover(io_sink *s, int64_t stored, const io_output_position *outputs, int count)
{
    int64_t generation;
    const io_input_position *inputs;
    int input_count;
    diag d = {0};
    return s->ops->recover(s, stored, outputs, count, &generation, &inputs, &input_count, NULL, NULL, &d);
}

static const char *committed(world *w, int32_t partition)
{
    io_feed *f = feed_of(w, "out", partition, true, false);
    io_status last;
    const char *text = read_all(f, 100, &last);
    embedded_feed_free(f);
    return text;
}

START_TEST(outputs_are_committed_by_generation)
{
    world w;
    begin(&w);
    io_sink *s = sink_of(&w);
    ck_assert(recover(s, 0, NULL, 0));
    diag d = {0};
    const io_output_position *p;
    int n;
    write_numbers(s, 0, 1, 2);
    s->ops->freeze(s, 1);
    write_numbers(s, 0, 10, 2); /* of the next generation, while the first is being saved */
    write_numbers(s, 1, 20, 1);
    ck_assert_str_eq(committed(&w, 0), "");
    ck_assert(s->ops->prepare(s, 1, &p, &n, &d));
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(p[0].first_offset, 0);
    ck_assert_int_eq(p[0].end_offset, 2);
    ck_assert(s->ops->decided(s, 1, &d));
    ck_assert_str_eq(committed(&w, 0), "1 2 ");
    ck_assert_str_eq(committed(&w, 1), "");
    s->ops->freeze(s, 2);
    ck_assert(s->ops->prepare(s, 2, &p, &n, &d));
    ck_assert_int_eq(n, 2);
    ck_assert(s->ops->decided(s, 2, &d));
    ck_assert_str_eq(committed(&w, 0), "1 2 10 11 ");
    ck_assert_str_eq(committed(&w, 1), "20 ");
    write_numbers(s, 0, 30, 1);
    s->ops->dropped(s, -1);
    ck_assert_str_eq(committed(&w, 0), "1 2 10 11 ");
    embedded_sink_free(s);
    end(&w);
}
END_TEST

/* The process dies between the decision and the markers, or before the decision. */
START_TEST(a_start_ends_what_the_last_run_left_as_the_database_says)
{
    world w;
    begin(&w);
    io_sink *s = sink_of(&w);
    ck_assert(recover(s, 0, NULL, 0));
    diag d = {0};
    const io_output_position *p;
    int n;
    write_numbers(s, 0, 1, 2);
    write_numbers(s, 1, 3, 1);
    s->ops->freeze(s, 1);
    write_numbers(s, 0, 10, 1);
    ck_assert(s->ops->prepare(s, 1, &p, &n, &d));
    io_output_position stored[2] = {p[0], p[1]};
    stored[0].topic = stored[1].topic = STR("out");
    fs_sim *after = fs_sim_process_kill(w.sim);
    embedded_sink_free(s);
    end(&w);
    w.sim = after;
    boot(&w);
    s = sink_of(&w);
    ck_assert(recover(s, _i, stored, _i ? 2 : 0));
    ck_assert_str_eq(committed(&w, 0), _i ? "1 2 " : "");
    ck_assert_str_eq(committed(&w, 1), _i ? "3 " : "");
    write_numbers(s, 0, 50, 1);
    s->ops->freeze(s, _i + 1);
    ck_assert(s->ops->prepare(s, _i + 1, &p, &n, &d) && s->ops->decided(s, _i + 1, &d));
    ck_assert_str_eq(committed(&w, 0), _i ? "1 2 50 " : "50 ");
    embedded_sink_free(s);
    end(&w);
}
END_TEST

/* The database remembers one generation: a later one that leaves a partition alone must not lose the marker there. */
START_TEST(markers_are_durable_before_the_next_decision)
{
    world w;
    begin(&w);
    io_sink *s = sink_of(&w);
    ck_assert(recover(s, 0, NULL, 0));
    diag d = {0};
    const io_output_position *p;
    int n;
    write_numbers(s, 0, 1, 1);
    s->ops->freeze(s, 1);
    ck_assert(s->ops->prepare(s, 1, &p, &n, &d) && s->ops->decided(s, 1, &d));
    write_numbers(s, 1, 2, 1);
    s->ops->freeze(s, 2);
    ck_assert(s->ops->prepare(s, 2, &p, &n, &d));
    io_output_position stored = p[0];
    stored.topic = STR("out");
    ck_assert_int_eq(n, 1);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        world v = {.sim = fs_sim_power_loss(w.sim, seed), .now = w.now, .producer = w.producer};
        boot(&v);
        io_sink *t = sink_of(&v);
        ck_assert(recover(t, 2, &stored, 1));
        ck_assert_str_eq(committed(&v, 0), "1 ");
        ck_assert_str_eq(committed(&v, 1), "2 ");
        embedded_sink_free(t);
        end(&v);
    }
    embedded_sink_free(s);
    end(&w);
}
END_TEST

/* ---- the processing log ------------------------------------------------------------------------- */

START_TEST(events_become_records_of_a_topic_that_is_made_when_needed)
{
    world w;
    begin(&w);
    proclog_topic_options o = {.topic = STR("log"), .partitions = 1, .now = now_of, .now_arg = &w};
    io_proclog *log = proclog_topic_new(&o);
    diag d = {0};
    ck_assert(!proclog_topic_pending(log));
    proclog_event e = {.kind = PROCLOG_DESERIALIZATION,
                       .query = STR("CSAS_A_1"),
                       .context = STR("KsqlTopic/Source/deserializer"),
                       .message = STR("not \"JSON\""),
                       .target = "value",
                       .topic = STR("in"),
                       .partition = 1,
                       .offset = 9};
    log->event(log, &e);
    ck_assert(proclog_topic_pending(log));
    ck_assert_msg(proclog_topic_flush(log, w.b, &d), "%s", d.text);
    ck_assert(!proclog_topic_pending(log));
    io_feed *f = feed_of(&w, "log", 0, true, false);
    io_status last;
    const char *text = read_all(f, 10, &last);
    ck_assert_ptr_nonnull(strstr(text, "not \\\"JSON\\\""));
    ck_assert_ptr_nonnull(strstr(text, "processing.CSAS_A_1.KsqlTopic/Source/deserializer"));
    embedded_feed_free(f);
    proclog_topic_free(log);
    end(&w);
}
END_TEST

START_TEST(a_flood_of_events_is_bounded)
{
    world w;
    begin(&w);
    proclog_topic_options o = {.topic = STR("log"), .partitions = 1, .now = now_of, .now_arg = &w};
    io_proclog *log = proclog_topic_new(&o);
    static char long_text[4096];
    memset(long_text, 'x', sizeof long_text);
    proclog_event e = {.kind = PROCLOG_RECORD, .query = STR("q"), .message = str_of(long_text, sizeof long_text)};
    for (int i = 0; i < 5000; i++) log->event(log, &e);
    diag d = {0};
    ck_assert_msg(proclog_topic_flush(log, w.b, &d), "%s", d.text);
    broker_partition *p = broker_partition_get(w.b, STR("log"), 0);
    int64_t kept = plog_end(broker_partition_log(p, &d));
    ck_assert_int_gt(kept, 100);
    ck_assert_int_lt(kept, 4000);
    broker_partition_release(p);
    proclog_topic_free(log);
    end(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("connect/embedded");
    TCase *c = tcase_create("embedded");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_feed_reads_plain_and_compressed_batches_in_order);
    tcase_add_test(c, a_read_that_ends_with_its_batch_is_followed_by_the_next);
    tcase_add_test(c, a_bounded_feed_ends_where_the_log_ended_at_its_start);
    tcase_add_test(c, a_seek_goes_to_the_offset_and_refuses_one_behind_the_end);
    tcase_add_test(c, an_append_wakes_a_feed_until_it_is_freed);
    tcase_add_test(c, a_missing_topic_is_an_error);
    tcase_add_test(c, outputs_are_committed_by_generation);
    tcase_add_loop_test(c, a_start_ends_what_the_last_run_left_as_the_database_says, 0, 2);
    tcase_add_test(c, markers_are_durable_before_the_next_decision);
    tcase_add_test(c, events_become_records_of_a_topic_that_is_made_when_needed);
    tcase_add_test(c, a_flood_of_events_is_bounded);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
