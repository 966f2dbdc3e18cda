/*
 * A broker's data folder of any bytes: the metadata log, and the logs behind groups and transactions. The broker opens
 * or says why not; what it has read it can list, change, and read again after a clean stop.
 *
 * Input: a byte of flags, then files: which, and the bytes behind a two-byte length.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file_sim.h"
#include "base/hash.h"
#include "broker/api.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/kafka_requests.h"

enum { MEND = 1, FILES_MAX = 8, META_FRAME = 8, META_TOPIC = 3, TOPIC_NAME_AT = 17 };

static const char *const paths[] = {
    "/data/broker/metadata.log", "/data/topics/__consumer_offsets-0/00000000000000000000.log",
    "/data/topics/__transaction_state-0/00000000000000000000.log", "/data/topics/t-0/00000000000000000000.log"};
static const char *const folders[] = {"/data/broker", "/data/topics/__consumer_offsets-0",
                                      "/data/topics/__transaction_state-0", "/data/topics/t-0"};
static const broker_time start = {1700000000000, 1000};

/* The frames of a metadata log get right checksums, and topics few partitions: many only cost time. */
static void mend_frames(uint8_t *p, size_t n)
{
    for (size_t at = 0; at + META_FRAME < n;) {
        uint32_t size = load_be32(p + at);
        if (size > n - at - META_FRAME) size = (uint32_t)(n - at - META_FRAME);
        uint8_t *body = p + at + META_FRAME;
        size_t name = size > TOPIC_NAME_AT + 4 ? load_be32(body + TOPIC_NAME_AT) : 0;
        if (size > TOPIC_NAME_AT + 8 && name < size - TOPIC_NAME_AT - 8 && body[0] == META_TOPIC)
            store_be32(body + TOPIC_NAME_AT + 4 + name, body[TOPIC_NAME_AT + 7 + name] & 15);
        store_be32(p + at, size);
        store_be32(p + at + 4, hash_crc32c(p + at + META_FRAME, size));
        at += META_FRAME + size;
    }
}

static void put_files(fs *files, reader *r, bool mend)
{
    diag d = {0};
    for (int i = 0; i < FILES_MAX && reader_left(r) > 0; i++) {
        uint32_t which = fuzz_pick(r, ARRAY_LEN(paths));
        str bytes = fuzz_bytes(r, reader_left(r));
        uint8_t *copy = fuzz_copy(bytes.p, bytes.n);
        if (mend && which == 0) mend_frames(copy, bytes.n);
        if (mend && which > 0) fuzz_mend_batches(copy, bytes.n);
        file *f;
        check(fs_mkdirs(files, folders[which], &d) && fs_open(files, paths[which], FILE_CREATE, &f, &d));
        check(file_truncate(f, 0, &d) && file_write(f, 0, copy, bytes.n, &d) && file_sync(f, FILE_SYNC_ALL, &d));
        file_close(f);
        free(copy);
    }
}

static broker *open_broker(fs *files, uint64_t seed, diag *d)
{
    static const broker_hooks hooks = {0};
    static const broker_config_entry configs[] = {{{"offsets.topic.num.partitions", 28}, {"1", 1}},
                                                  {{"transaction.state.log.num.partitions", 36}, {"1", 1}}};
    broker_options options = {configs, ARRAY_LEN(configs), STR("fuzz-cluster-id-000000"), 1, seed};
    return broker_open(files, STR("/data"), &options, &hooks, start, d);
}

/* Everything that can be asked without a connection, as one text that a restart must not change. */
static void look(broker *b, buf *seen)
{
    arena *a = arena_new();
    broker_topic_info *topics;
    broker_group_info *groups;
    broker_group_offset *offsets;
    str value;
    size_t n = broker_topic_list(b, a, &topics);
    for (size_t i = 0; i < n; i++) {
        buf_printf(seen, "topic %.*s %d %d\n", STR_ARG(topics[i].name), topics[i].partitions, topics[i].internal);
        if (broker_topic_config(b, topics[i].name, STR("retention.ms"), a, &value)) buf_add_str(seen, value);
    }
    n = broker_group_list(b, a, &groups);
    for (size_t i = 0; i < n; i++) {
        size_t m = broker_group_offsets(b, groups[i].group_id, a, &offsets);
        for (size_t k = 0; k < m; k++) check(offsets[k].topic.p != NULL);
    }
    arena_free(a);
}

static void ask(broker *b, int16_t key, int16_t version, const char *fields)
{
    broker_conn_options options = {NULL, STR("10.0.0.9"), STR("broker.test"), 9092, NULL};
    broker_conn *c = broker_conn_open(b, &options);
    buf frame = {0}, answer = {0};
    diag d = {0};
    kafka_make_request(&frame, key, version, fields);
    check(broker_conn_request(c, (uint8_t *)frame.data, frame.len, start));
    for (broker_response *r; (r = broker_conn_take(c));) {
        check(broker_response_bytes(r, &answer, &d));
        broker_response_free(r);
    }
    broker_conn_close(c);
    buf_free(&frame);
    buf_free(&answer);
}

/* What reads and changes that which came from the files. */
static void use(broker *b)
{
    ask(b, 15, 5, NULL);
    ask(b, 16, 4, NULL);
    ask(b, 9, 7, "s=g [ s=t { i=0 } ] B=0");
    ask(b, 66, 0, NULL);
    ask(b, 65, 0, NULL);
    ask(b, 22, 4, NULL);
    ask(b, 8, 7, NULL);
    ask(b, 0, 8, NULL);
    ask(b, 1, 11, NULL);
    broker_time later = {start.wall_ms + 1000000000, start.mono_ms + 1000000000};
    broker_run(b, later);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    reader r = reader_of(data, n);
    uint32_t flags = fuzz_pick(&r, 4);
    fs_sim *disk = fs_sim_new(1);
    fs *files = fs_sim_fs(disk);
    put_files(files, &r, flags & MEND);
    diag d = {0};
    buf before = {0}, after = {0};
    broker *b = open_broker(files, 1, &d);
    check((b == NULL) == diag_is_set(&d));
    if (b) {
        broker_run(b, start);
        use(b);
        look(b, &before);
        broker_close(b);
        b = open_broker(files, 2, &d);
        if (!b) fprintf(stderr, "%s\n", d.text);
        check(b != NULL);
        look(b, &after);
        check(str_eq(buf_str(&before), buf_str(&after)));
        broker_close(b);
    }
    buf_free(&before);
    buf_free(&after);
    fs_sim_free(disk);
}

/* The folder of a broker that was really used, as an input. */
static void seed(fuzz_out *out, bool stopped)
{
    fs_sim *disk = fs_sim_new(1);
    fs *files = fs_sim_fs(disk);
    diag d = {0};
    broker *b = open_broker(files, 1, &d);
    check(b != NULL);
    broker_run(b, start);
    broker_config_entry config = {STR("retention.ms"), STR("1000")};
    check(broker_topic_create(b, STR("t"), 2, &config, 1, &d));
    check(broker_topic_create(b, STR("gone"), 1, NULL, 0, &d) && broker_topic_delete(b, STR("gone"), &d));
    ask(b, 0, 8, NULL);
    ask(b, 8, 7, NULL);
    ask(b, 11, 3, NULL);
    ask(b, 22, 4, NULL);
    ask(b, 24, 3, NULL);
    ask(b, 25, 3, NULL);
    ask(b, 28, 3, NULL);
    ask(b, 44, 0, NULL);
    if (stopped) ask(b, 26, 3, NULL);
    if (stopped) broker_close(b);
    buf input = {0};
    buf_add_char(&input, MEND);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        file *f;
        uint64_t size;
        diag_clear(&d);
        if (!fs_open(files, paths[i], FILE_READONLY, &f, &d)) continue;
        check(file_size(f, &size, &d));
        uint8_t *bytes = fuzz_copy(NULL, 0);
        bytes = realloc(bytes, size + 1);
        check(bytes != NULL && file_read_all(f, 0, bytes, size, &d));
        file_close(f);
        buf_add_char(&input, (char)i);
        fuzz_put_bytes(&input, bytes, size);
        free(bytes);
    }
    fuzz_seed(out, input.data, input.len);
    input.data[0] = 0;
    fuzz_seed(out, input.data, input.len);
    buf_free(&input);
    if (!stopped) broker_close(b);
    fs_sim_free(disk);
}

void fuzz_make(fuzz_out *out)
{
    seed(out, false);
    seed(out, true);
    fuzz_seed(out, "", 1);
    static const char *const words[] = {"__consumer_offsets", "__transaction_state", "retention.ms",
                                        "consumer",           "cleanup.policy",      NULL};
    fuzz_words(out, words);
}
