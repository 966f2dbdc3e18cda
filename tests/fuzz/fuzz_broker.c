/*
 * The Kafka protocol: requests of every API and version on three connections of a broker whose disk is in memory,
 * with time that passes, connections that end, kills and power losses between them. Whatever comes, the broker
 * answers or refuses, each answer has the length that it states, and the data folder opens again.
 *
 * Input: operations, each one byte and what it needs. A request's header is made from an API and a version that are
 * served; its body is the input's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file_sim.h"
#include "broker/api.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/kafka_seeds.h"

enum { CONNS = 3, OPERATIONS_MAX = 24, VERSIONS_MAX = 32, APIS_MAX = 96 };

/* A broker under attack. */
typedef struct world {
    fs_sim *disk;
    broker *b;
    broker_hooks hooks;
    broker_conn *conns[CONNS];
    broker_time now;
    uint64_t starts;
    int32_t correlation;
} world;

/* How often a request of each API and version was decoded, and how often one was not, over the whole run. */
static uint64_t decoded[APIS_MAX][VERSIONS_MAX], refused[APIS_MAX][VERSIONS_MAX];

static void report(void)
{
    size_t n;
    const api *table = api_table(&n);
    int pairs = 0, reached = 0;
    for (size_t i = 0; i < n; i++) {
        for (int v = table[i].served; v <= table[i].max; v++) {
            pairs++;
            if (decoded[i][v] > 0)
                reached++;
            else
                printf("fuzz: never decoded: %s version %d (%llu malformed)\n", table[i].name, v,
                       (unsigned long long)refused[i][v]);
        }
    }
    if (pairs > 0) printf("fuzz: %d of %d pairs of API and version were decoded\n", reached, pairs);
}

static void open_broker(world *w)
{
    diag d = {0};
    /* Everyone may do everything until the input makes ACLs, which then hold for the last connection. */
    const broker_config_entry configs[] = {
        {STR("offsets.topic.num.partitions"), STR("1")},
        {STR("transaction.state.log.num.partitions"), STR("1")},
        {STR("authorizer.class.name"), STR("org.apache.kafka.metadata.authorizer.StandardAuthorizer")},
        {STR("super.users"), STR("User:ANONYMOUS")},
        {STR("allow.everyone.if.no.acl.found"), STR("true")}};
    broker_options options = {configs, ARRAY_LEN(configs), STR("fuzz-cluster-id-000000"), 1, ++w->starts};
    w->b = broker_open(fs_sim_fs(w->disk), STR("/data"), &options, &w->hooks, w->now, &d);
    if (!w->b) fprintf(stderr, "%s\n", d.text);
    check(w->b != NULL);
    broker_run(w->b, w->now);
}

static void hang_up(world *w, int i)
{
    if (w->conns[i]) broker_conn_close(w->conns[i]);
    w->conns[i] = NULL;
}

static void take_all(world *w, int i)
{
    buf bytes = {0};
    diag d = {0};
    for (broker_response *r; w->conns[i] && (r = broker_conn_take(w->conns[i]));) {
        buf_clear(&bytes);
        check(broker_response_bytes(r, &bytes, &d));
        check(bytes.len == r->size && bytes.len >= 8 && load_be32(bytes.data) == bytes.len - 4);
        broker_response_free(r);
    }
    buf_free(&bytes);
    if (w->conns[i] && broker_conn_must_close(w->conns[i])) hang_up(w, i);
}

static void take_everything(world *w)
{
    for (int i = 0; i < CONNS; i++) take_all(w, i);
}

static bool send_frame(world *w, int i, const void *p, size_t n)
{
    broker_conn_options options = {w, STR("10.0.0.9"), STR("broker.test"), 9092, NULL};
    if (!w->conns[i]) {
        w->conns[i] = broker_conn_open(w->b, &options);
        if (i == CONNS - 1) broker_conn_identify(w->conns[i], STR("a"));
    }
    if (!broker_conn_wants_input(w->conns[i])) {
        hang_up(w, i);
        return false;
    }
    uint8_t *frame = fuzz_copy(p, n);
    bool ok = broker_conn_request(w->conns[i], frame, n, w->now);
    free(frame);
    take_all(w, i);
    if (!ok) hang_up(w, i);
    return ok;
}

static void send_request(world *w, reader *r, bool mend)
{
    size_t n;
    const api *table = api_table(&n);
    int conn = (int)fuzz_pick(r, CONNS);
    size_t at = fuzz_pick(r, (uint32_t)n);
    const api *a = &table[at];
    check(n <= APIS_MAX && a->max < VERSIONS_MAX);
    int16_t version = (int16_t)(a->served + (int16_t)fuzz_pick(r, (uint32_t)(a->max - a->served) + 1));
    str body = fuzz_bytes(r, reader_left(r));
    buf frame = {0};
    write_i16(&frame, a->key);
    write_i16(&frame, version);
    write_i32(&frame, ++w->correlation);
    wire_out classic = {&frame, false}, out = {&frame, version >= a->flexible};
    wire_put_nstr(&classic, STR("fuzz"));
    wire_put_tags(&out);
    buf_add_str(&frame, body);
    if (mend) fuzz_mend_batches((uint8_t *)frame.data, frame.len);
    if (send_frame(w, conn, frame.data, frame.len))
        decoded[at][version]++;
    else
        refused[at][version]++;
    buf_free(&frame);
}

static void wait_ms(world *w, int64_t ms)
{
    for (int64_t end = w->now.mono_ms + ms;;) {
        int64_t next = broker_next_deadline(w->b);
        if (next > end) next = end;
        if (next > w->now.mono_ms) {
            w->now.wall_ms += next - w->now.mono_ms;
            w->now.mono_ms = next;
        }
        broker_run(w->b, w->now);
        take_everything(w);
        if (w->now.mono_ms >= end) return;
    }
}

static void start_again(world *w, uint32_t how)
{
    for (int i = 0; i < CONNS; i++) hang_up(w, i);
    fs_sim *disk = how == 0 ? NULL : how == 1 ? fs_sim_process_kill(w->disk) : fs_sim_power_loss(w->disk, how);
    broker_close(w->b);
    if (disk) {
        fs_sim_free(w->disk);
        w->disk = disk;
    }
    open_broker(w);
}

/* A pass of the cleaner opens every partition's log, of which a request may have made very many. */
static void clean(world *w)
{
    arena *a = arena_new();
    broker_topic_info *topics;
    int64_t partitions = 0;
    for (size_t n = broker_topic_list(w->b, a, &topics), i = 0; i < n; i++) partitions += topics[i].partitions;
    if (partitions < 1000) broker_clean(w->b, w->now);
    arena_free(a);
}

static void operation(world *w, reader *r)
{
    static const int64_t steps[] = {1, 100, 3000, 60000, 300000, 4000000};
    switch (read_u8(r) & 15) {
    case KAFKA_OP_WAIT: wait_ms(w, steps[fuzz_pick(r, ARRAY_LEN(steps))]); break;
    case KAFKA_OP_HANG_UP: hang_up(w, (int)fuzz_pick(r, CONNS)); break;
    case KAFKA_OP_START: start_again(w, fuzz_pick(r, 16)); break;
    case KAFKA_OP_CLEAN: clean(w); break;
    case KAFKA_OP_RAW: {
        int conn = (int)fuzz_pick(r, CONNS);
        str frame = fuzz_bytes(r, reader_left(r));
        send_frame(w, conn, frame.p, frame.n);
        break;
    }
    case KAFKA_OP_MEND: send_request(w, r, true); break;
    default: send_request(w, r, false); break;
    }
}

void fuzz_one(const uint8_t *data, size_t n)
{
    static bool reporting;
    if (!reporting) atexit(report);
    reporting = true;
    world w = {.now = {1700000000000, 1000}, .disk = fs_sim_new(7)};
    diag d = {0};
    open_broker(&w);
    check(broker_topic_create(w.b, STR("t"), 2, NULL, 0, &d));
    reader r = reader_of(data, n);
    for (int i = 0; i < OPERATIONS_MAX && reader_left(&r) > 0; i++) operation(&w, &r);
    for (int i = 0; i < CONNS; i++) hang_up(&w, i);
    broker_close(w.b);
    fs_sim_free(w.disk);
}

void fuzz_make(fuzz_out *out)
{
    /*
     * Only what the seeds alone decode counts here: a pair without a valid seed is a mistake in the seeds or the
     * broker.
     */
    kafka_make_seeds(out);
    size_t n;
    const api *table = api_table(&n);
    for (size_t i = 0; i < n; i++)
        for (int v = table[i].served; v <= table[i].max; v++)
            if (decoded[i][v] == 0) fprintf(stderr, "no valid seed for %s version %d\n", table[i].name, v);
    for (size_t i = 0; i < n; i++)
        for (int v = table[i].served; v <= table[i].max; v++) check(decoded[i][v] > 0);
}
