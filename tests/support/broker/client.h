/*
 * tests/support/broker/client.h - a Kafka client of the tests: builds requests byte by byte and reads responses.
 *
 * One thread. A bench holds a broker on the simulated file system with a time that only the test moves; a call sends
 * one request on a connection and gives a reader of the response's body. Bytes are valid until the next call on the
 * bench.
 */
#ifndef TESTS_SUPPORT_BROKER_CLIENT_H
#define TESTS_SUPPORT_BROKER_CLIENT_H

#include "base/file_sim.h"
#include "broker/api.h"
#include "broker/broker_core.h"

enum { BENCH_CONNS = 8 };

/* A broker under test. */
typedef struct bench {
    fs_sim *sim;
    broker *b;
    broker_time now;
    broker_hooks hooks;
    broker_conn *conns[BENCH_CONNS];
    buf request;
    wire_out out; /* writes the body of the request */
    buf response;
    int16_t key, version;
    bool flexible;
    int32_t correlation;
    bool closed; /* the last request was refused: its connection is to be closed */
    broker_config_entry configs[16];
    size_t configs_len;
    uint64_t seed;
    const char *client_id; /* NULL: "tester" */
} bench;

/* Opens a broker on an empty disk. Configs may be added with bench_config before. */
void bench_open(bench *t);
/* A broker config for the next bench_open or bench_restart. Texts must be literals. */
void bench_config(bench *t, const char *name, const char *value);
/* Stops the broker cleanly and starts it again. */
void bench_restart(bench *t);
/* Kills it (nothing is flushed) and starts it again on what the kernel has. */
void bench_kill(bench *t);
/* Loses power with this seed and starts again. */
void bench_power_loss(bench *t, uint64_t seed);
void bench_close(bench *t);
/* Lets time pass and runs the broker. */
void bench_wait(bench *t, int64_t ms);

/* Begins a request; t->out takes its body. */
void bench_begin(bench *t, int16_t key, int16_t version);
/* Sends it on a connection (made when needed). */
void bench_send(bench *t, int conn);
/* Whether a response can be taken; *in reads its body behind the header. */
bool bench_take(bench *t, int conn, wire_in *in);
/* Sends and takes: there must be a response at once. */
wire_in bench_call(bench *t, int conn);
/* Closes a connection. */
void bench_hang_up(bench *t, int conn);

/* Requests that many tests need; they check that no error comes back. */
void bench_create_topic(bench *t, const char *name, int32_t partitions);
/* One record batch with n records "k<i>" -> value, as a producer would build it. The caller frees *out. */
void bench_batch(buf *out, const batch_options *options, const char *value, int n, int64_t timestamp);
/* Produce of one batch (version 7): the error; base offset in *base (may be NULL). */
int16_t bench_produce(bench *t, const char *topic_name, int32_t partition, const buf *batch, int16_t acks,
                      const char *txn, int64_t *base);
/* Fetch (version 11) without session: the error of the partition; records are appended to *records. */
int16_t bench_fetch(bench *t, const char *topic_name, int32_t partition, int64_t offset, bool committed, buf *records,
                    int64_t *high, int64_t *stable, int *aborted);
/* Number of data records in fetched bytes, control batches left out. */
int bench_count(const buf *records);

#endif
