/*
 * tests/bench/bench_kafka.c - the Kafka side of the bench, through librdkafka.
 *
 *     bench_kafka load HOST:PORT TOPIC ROWS                 the bench's JSON records, keyed
 *     bench_kafka produce HOST:PORT TOPIC COUNT BYTES ACKS [PARTITIONS]
 *                                                           COUNT values of BYTES bytes, by turns to the partitions (1)
 *     bench_kafka fetch HOST:PORT TOPIC COUNT [PARTITIONS]  COUNT records of the partitions (1) from their start
 *     bench_kafka pace HOST:PORT TOPIC COUNT RATE [BYTES]   COUNT records, RATE a second (0: all at once); TS is when
 *                                                           each was produced
 *     bench_kafka follow HOST:PORT TOPIC COUNT              reads those as they come, prints how old each was
 *     bench_kafka create HOST:PORT TOPIC PARTITIONS [NAME=VALUE]
 *                                                           a topic, once every partition has a leader
 *     bench_kafka delete HOST:PORT TOPIC
 *
 * ssl://HOST:PORT is spoken to by TLS, with whatever certificate the server shows. librdkafka has threads of its own;
 * callbacks run in ours.
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "tests/bench/bench.h"

static int64_t delivered, failed;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    if (m->err) {
        if (failed++ == 0) fprintf(stderr, "bench: delivery failed: %s\n", rd_kafka_err2str(m->err));
    } else {
        delivered++;
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) bench_die("%s: %s", name, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *servers)
{
    char why[512];
    bool encrypted = strncmp(servers, "ssl://", 6) == 0;
    set(conf, "bootstrap.servers", servers + (encrypted ? 6 : 0));
    if (encrypted) {
        set(conf, "security.protocol", "ssl");
        set(conf, "enable.ssl.certificate.verification", "false");
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) bench_die("%s", why);
    return rk;
}

static rd_kafka_t *producer(const char *servers, const char *acks, const char *linger_ms)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "acks", acks);
    set(conf, "linger.ms", linger_ms);
    set(conf, "batch.num.messages", "100000");
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "queue.buffering.max.kbytes", "262144");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return client(RD_KAFKA_PRODUCER, conf, servers);
}

/* Produces, waiting while the queue is full. */
static void send_record(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, const void *key, size_t key_n,
                        void *value, size_t n)
{
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, value, n, key, key_n, NULL) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            bench_die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(rk, 5);
    }
}

/* Waits for the acknowledgements. The client is not taken down: that would count, and the process ends anyway. */
static void finish(rd_kafka_t *rk, int64_t count)
{
    if (rd_kafka_flush(rk, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR || delivered != count)
        bench_die("%lld of %lld records were delivered", (long long)delivered, (long long)count);
}

static void print_rate(const char *name, int64_t count, int64_t bytes, double cpu, int64_t ns)
{
    double s = (double)ns / 1e9, gib = (double)bytes / (1 << 30);
    printf("{\"figure\": \"%s\", \"records_s\": %.0f, \"mib_s\": %.1f, \"gib\": %.6f, \"client_cpu_s_gib\": %.4f}\n",
           name, (double)count / s, gib * 1024 / s, gib, cpu / gib);
}

static void load(const char *servers, const char *name, int64_t rows)
{
    rd_kafka_t *rk = producer(servers, "1", "20");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    char key[BENCH_KEY_BYTES + 1], value[BENCH_RECORD_BYTES + 1];
    int64_t start = bench_ns();
    double cpu = bench_cpu();
    for (int64_t i = 0; i < rows; i++) {
        bench_record(i, key, value);
        send_record(rk, topic, RD_KAFKA_PARTITION_UA, key, BENCH_KEY_BYTES, value, BENCH_RECORD_BYTES);
        if (i % 1000 == 0) rd_kafka_poll(rk, 0);
    }
    finish(rk, rows);
    print_rate("load", rows, rows * (BENCH_RECORD_BYTES + BENCH_KEY_BYTES), bench_cpu() - cpu, bench_ns() - start);
}

/* Connects and learns who leads, so that the clock measures neither. */
static void meet(rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *m;
    if (rd_kafka_metadata(rk, 0, topic, &m, 10000) != 0) bench_die("no metadata");
    rd_kafka_metadata_destroy(m);
}

static void produce(const char *servers, const char *name, int64_t count, size_t bytes, const char *acks,
                    int partitions)
{
    rd_kafka_t *rk = producer(servers, acks, "5");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    char *value = malloc(bytes);
    if (!value) bench_die("out of memory");
    memset(value, 'x', bytes);
    meet(rk, topic);
    int64_t start = bench_ns();
    double cpu = bench_cpu();
    for (int64_t i = 0; i < count; i++) {
        send_record(rk, topic, (int32_t)(i % partitions), NULL, 0, value, bytes);
        if (i % 1000 == 0) rd_kafka_poll(rk, 0);
    }
    finish(rk, count);
    print_rate("produce", count, count * (int64_t)bytes, bench_cpu() - cpu, bench_ns() - start);
    free(value);
}

static rd_kafka_t *consumer(const char *servers, const char *wait_ms)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "fetch.wait.max.ms", wait_ms);
    set(conf, "queued.min.messages", "1000000");
    return client(RD_KAFKA_CONSUMER, conf, servers);
}

typedef struct reading {
    int64_t count, bytes, want;
    int partitions;
    const char *wait_ms;
    int64_t *ages; /* NULL: not asked for */
} reading;

static void on_record(rd_kafka_message_t *m, void *opaque)
{
    reading *r = opaque;
    if (m->err) return;
    if (r->ages && r->count < r->want) {
        const char *at = m->len > 6 ? memmem(m->payload, m->len, "\"TS\":", 5) : NULL;
        if (at) r->ages[r->count] = bench_ns() - atoll(at + 5);
    }
    r->count++;
    r->bytes += (int64_t)m->len;
}

static void read_topic(const char *servers, const char *name, reading *r)
{
    rd_kafka_t *rk = consumer(servers, r->wait_ms);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    meet(rk, topic);
    int64_t start = bench_ns(), idle = start;
    double cpu = bench_cpu();
    for (int i = 0; i < r->partitions; i++) {
        if (rd_kafka_consume_start_queue(topic, i, RD_KAFKA_OFFSET_BEGINNING, queue) != 0)
            bench_die("consume: %s", rd_kafka_err2str(rd_kafka_last_error()));
    }
    while (r->count < r->want) {
        if (rd_kafka_consume_callback_queue(queue, 100, on_record, r) > 0) {
            idle = bench_ns();
        } else if (bench_ns() - idle > 20000000000) {
            bench_die("only %lld of %lld records came", (long long)r->count, (long long)r->want);
        }
    }
    if (!r->ages) print_rate("fetch", r->count, r->bytes, bench_cpu() - cpu, bench_ns() - start);
    for (int i = 0; i < r->partitions; i++) rd_kafka_consume_stop(topic, i);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
}

static void pace(const char *servers, const char *name, int64_t count, int64_t rate, int bytes)
{
    rd_kafka_t *rk = producer(servers, "1", "0");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    meet(rk, topic);
    int64_t start = bench_ns();
    double cpu = bench_cpu();
    for (int64_t i = 0; i < count; i++) {
        int64_t due = rate > 0 ? start + i * 1000000000 / rate : 0, now = bench_ns();
        if (due > now + 50000) {
            struct timespec t = {0, due - now};
            nanosleep(&t, NULL);
        }
        char key[BENCH_KEY_BYTES + 1], value[4096];
        snprintf(key, sizeof key, "user_%06u", (unsigned)(i * 7919 % BENCH_KEYS));
        int n = snprintf(value, sizeof value, "{\"ID\":%lld,\"BYTES\":9000,\"TS\":%lld}", (long long)i,
                         (long long)bench_ns());
        for (; n < bytes; n++) value[n] = ' ';
        send_record(rk, topic, 0, key, BENCH_KEY_BYTES, value, (size_t)n);
        rd_kafka_poll(rk, 0);
    }
    finish(rk, count);
    print_rate("pace", count, count * (bytes > 0 ? bytes : 1), bench_cpu() - cpu, bench_ns() - start);
}

static void follow(const char *servers, const char *name, int64_t count)
{
    reading r = {.want = count, .partitions = 1, .wait_ms = "500", .ages = calloc((size_t)count, sizeof *r.ages)};
    if (!r.ages) bench_die("out of memory");
    read_topic(servers, name, &r);
    printf("{\"figure\": \"follow\", ");
    bench_print_times(r.ages, (size_t)count);
    printf("}\n");
    free(r.ages);
}

/* Whether every partition of the topic has a leader. */
static bool is_led(rd_kafka_t *rk, rd_kafka_topic_t *topic, int partitions)
{
    const struct rd_kafka_metadata *m;
    if (rd_kafka_metadata(rk, 0, topic, &m, 10000) != 0) return false;
    bool led = m->topic_cnt == 1 && m->topics[0].partition_cnt == partitions;
    for (int i = 0; led && i < partitions; i++) led = m->topics[0].partitions[i].leader >= 0;
    rd_kafka_metadata_destroy(m);
    return led;
}

static rd_kafka_resp_err_t topic_error(const rd_kafka_topic_result_t **results, size_t n)
{
    return n == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
}

/* Waits for the answer of an administrative request and checks that it did what was asked. */
static void await_admin(rd_kafka_queue_t *queue, bool creates)
{
    size_t n = 0;
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    rd_kafka_resp_err_t error = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!error) {
        const rd_kafka_topic_result_t **results =
            creates ? rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n)
                    : rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
        error = topic_error(results, n);
    }
    if (error) bench_die("%s a topic: %s", creates ? "creating" : "deleting", rd_kafka_err2str(error));
    rd_kafka_event_destroy(event);
}

static void create(const char *servers, const char *name, int partitions, const char *config)
{
    char why[512], key[256];
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), servers);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    if (!wanted) bench_die("%s", why);
    const char *equals = config ? strchr(config, '=') : NULL;
    if (equals) {
        snprintf(key, sizeof key, "%.*s", (int)(equals - config), config);
        rd_kafka_NewTopic_set_config(wanted, key, equals + 1);
    }
    rd_kafka_CreateTopics(rk, &wanted, 1, NULL, queue);
    await_admin(queue, true);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    for (int i = 0; !is_led(rk, topic, partitions); i++) {
        if (i == 2000) bench_die("no leaders for %s", name);
        usleep(5000);
    }
    printf("{\"figure\": \"create\"}\n");
}

static void delete_topic(const char *servers, const char *name)
{
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), servers);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *unwanted = rd_kafka_DeleteTopic_new(name);
    rd_kafka_DeleteTopics(rk, &unwanted, 1, NULL, queue);
    await_admin(queue, false);
    printf("{\"figure\": \"delete\"}\n");
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "load") == 0 && argc == 5) {
        load(argv[2], argv[3], atoll(argv[4]));
    } else if (strcmp(what, "produce") == 0 && (argc == 7 || argc == 8)) {
        produce(argv[2], argv[3], atoll(argv[4]), (size_t)atoll(argv[5]), argv[6], argc == 8 ? (int)atoll(argv[7]) : 1);
    } else if (strcmp(what, "fetch") == 0 && (argc == 5 || argc == 6)) {
        reading r = {.want = atoll(argv[4]), .partitions = argc == 6 ? (int)atoll(argv[5]) : 1, .wait_ms = "100"};
        read_topic(argv[2], argv[3], &r);
    } else if (strcmp(what, "pace") == 0 && (argc == 6 || argc == 7)) {
        pace(argv[2], argv[3], atoll(argv[4]), atoll(argv[5]), argc == 7 ? (int)atoll(argv[6]) % 4096 : 0);
    } else if (strcmp(what, "follow") == 0 && argc == 5) {
        follow(argv[2], argv[3], atoll(argv[4]));
    } else if (strcmp(what, "create") == 0 && (argc == 5 || argc == 6)) {
        create(argv[2], argv[3], (int)atoll(argv[4]), argc == 6 ? argv[5] : NULL);
    } else if (strcmp(what, "delete") == 0 && argc == 4) {
        delete_topic(argv[2], argv[3]);
    } else {
        bench_die("usage: bench_kafka load|produce|fetch|pace|follow|create|delete HOST:PORT TOPIC COUNT ...");
    }
    return 0;
}
