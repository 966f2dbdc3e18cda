/* Scenes of valid Kafka requests, and a valid request of each API and version. */
#include "tests/fuzz/kafka_seeds.h"

#include <stdio.h>

#include "broker/api.h"
#include "tests/fuzz/kafka_requests.h"

/* Appends a request operation; `fields` NULL: the table's. */
static void put_request(buf *input, int16_t key, int version, const char *fields, uint8_t conn)
{
    size_t n, at = 0;
    const api *table = api_table(&n);
    while (at < n && table[at].key != key) at++;
    check(at < n);
    buf text = {0};
    if (!kafka_put_body(&text, key, (int16_t)version, fields)) return; /* fuzz_broker says that it has no seed */
    const uint8_t head[] = {KAFKA_OP_MEND, conn, (uint8_t)at, (uint8_t)(version - table[at].served)};
    buf_add(input, head, sizeof head);
    fuzz_put_bytes(input, text.data, text.len);
    buf_free(&text);
}

static void put_op(buf *input, uint8_t op, uint8_t argument)
{
    buf_add_char(input, (char)op);
    buf_add_char(input, (char)argument);
}

static void scenes(fuzz_out *out)
{
    buf b = {0};
    /* Produce, read, lose power, read. */
    put_request(&b, 0, 9, NULL, 0);
    put_request(&b, 1, 12, NULL, 1);
    put_op(&b, KAFKA_OP_START, 3);
    put_request(&b, 1, 4, NULL, 1);
    put_request(&b, 2, 7, NULL, 1);
    fuzz_seed(out, b.data, b.len);
    /* A transaction with offsets, ended. */
    buf_clear(&b);
    put_request(&b, 22, 4, NULL, 0);
    put_request(&b, 24, 3, NULL, 0);
    put_request(&b, 0, 9, "n:3-=tx h=-1 i=1000 [ s=t [ i=0 r ] ]", 0);
    put_request(&b, 25, 3, NULL, 0);
    put_request(&b, 28, 3, NULL, 0);
    put_request(&b, 61, 0, NULL, 1);
    put_request(&b, 65, 0, NULL, 1);
    put_request(&b, 26, 3, NULL, 0);
    put_op(&b, KAFKA_OP_WAIT, 1);
    put_request(&b, 9, 8, NULL, 1);
    put_request(&b, 1, 11, NULL, 1);
    fuzz_seed(out, b.data, b.len);
    /* The same, left open until it times out. */
    buf_clear(&b);
    put_request(&b, 22, 4, NULL, 0);
    put_request(&b, 24, 3, NULL, 0);
    put_request(&b, 0, 9, "n:3-=tx h=-1 i=1000 [ s=t [ i=0 r ] ]", 0);
    put_op(&b, KAFKA_OP_START, 1);
    put_op(&b, KAFKA_OP_WAIT, 4);
    put_request(&b, 66, 0, NULL, 1);
    fuzz_seed(out, b.data, b.len);
    /* Two members of a group, of which one goes silent. */
    buf_clear(&b);
    put_request(&b, 11, 3, NULL, 0);
    put_request(&b, 11, 3, NULL, 1);
    put_op(&b, KAFKA_OP_WAIT, 2);
    put_request(&b, 15, 5, NULL, 2);
    put_op(&b, KAFKA_OP_HANG_UP, 0);
    put_op(&b, KAFKA_OP_WAIT, 3);
    put_request(&b, 16, 4, NULL, 2);
    put_request(&b, 8, 7, NULL, 2);
    put_request(&b, 42, 2, NULL, 2);
    fuzz_seed(out, b.data, b.len);
    /* A compacted topic, its configs, its end. */
    buf_clear(&b);
    put_request(&b, 19, 5, NULL, 0);
    put_request(&b, 0, 8, "n:3- h=-1 i=1000 [ s=new [ i=0 r ] ]", 0);
    put_op(&b, KAFKA_OP_CLEAN, 0);
    put_request(&b, 32, 4, "[ b=2 s=new { s=retention.ms } ] B=1 B:3-=1", 0);
    put_request(&b, 21, 2, NULL, 0);
    put_request(&b, 20, 4, NULL, 0);
    put_op(&b, KAFKA_OP_START, 0);
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

/* Entries that are made, felt by the last connection's user, kept over starts, found and removed. */
static void entries(fuzz_out *out)
{
    buf b = {0};
    put_request(&b, 30, 3, NULL, 0);
    put_request(&b, 30, 2, "[ b=2 s=* b=3 s=User:a s=10.0.0.9 b=4 b=2 ]", 1);
    put_request(&b, 30, 1, "[ b=3 s=g b=4 s=User:* s=* b=2 b=3 ]", 0);
    put_request(&b, 3, 9, NULL, 2);
    put_request(&b, 0, 8, NULL, 2);
    put_request(&b, 1, 11, NULL, 2);
    put_request(&b, 8, 7, NULL, 2);
    put_op(&b, KAFKA_OP_START, 2);
    put_request(&b, 68, 1, "s=g s=member i=0 n n i=10000 { s=t } n=t.* n [ u { i=0 } ]", 2);
    put_request(&b, 22, 4, "n i=60000 q=-1 h=-1", 2);
    put_request(&b, 29, 3, "b=2 n=tt b=2 n n b=1 b=1", 0);
    put_request(&b, 31, 3, "[ b=1 n b=1 n=User:a n b=1 b=1 ]", 0);
    put_op(&b, KAFKA_OP_START, 5);
    put_request(&b, 29, 1, NULL, 1);
    fuzz_seed(out, b.data, b.len);
    /* Quotas of every kind, and a client that is over them. */
    buf_clear(&b);
    static const char *const kinds[] = {"producer_byte_rate", "consumer_byte_rate", "request_percentage",
                                        "controller_mutation_rate"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char fields[128];
        /* The bits of 1.0. */
        snprintf(fields, sizeof fields, "[ [ s=client-id n=fuzz ] [ s=%s q=4607182418800017408 B=0 ] ] B=0", kinds[i]);
        put_request(&b, 49, 1, fields, 0);
    }
    put_request(&b, 0, 9, NULL, 1);
    put_request(&b, 1, 12, NULL, 1);
    put_op(&b, KAFKA_OP_WAIT, 3);
    put_request(&b, 1, 12, NULL, 1);
    put_request(&b, 19, 7, NULL, 2);
    put_request(&b, 20, 6, NULL, 2);
    put_request(&b, 49, 0, "[ [ s=ip n ] [ s=connection_creation_rate q=4607182418800017408 B=0 ] ] B=0", 0);
    put_op(&b, KAFKA_OP_HANG_UP, 1);
    put_request(&b, 0, 9, NULL, 1);
    put_op(&b, KAFKA_OP_START, 2);
    put_request(&b, 48, 1, "[ s=client-id b=2 n ] B=1", 0);
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

/* Names with a zero byte in them. */
static void zero_bytes(fuzz_out *out)
{
    buf b = {0};
    put_request(&b, 8, 7, "s=g%h i=-1 s= n [ s=t [ i=0 q=3 i=-1 n=me%ta ] ]", 0);
    put_request(&b, 42, 2, "{ s=g%h }", 0);
    put_request(&b, 8, 7, "s=g%h i=-1 s= n [ s=t [ i=0 q=3 i=-1 n=me%ta ] ]", 0);
    put_request(&b, 11, 4, "s=g%i i=10000 i=20000 s= s=con%sumer [ s=ra%nge y=metadata ]", 1);
    put_request(&b, 16, 4, NULL, 2);
    put_request(&b, 22, 4, "n=tx%y i=60000 q=-1 h=-1", 0);
    put_request(&b, 24, 3, "s=tx%y q=0 h=0 [ s=t { i=0 } ]", 0);
    put_request(&b, 66, 0, NULL, 2);
    put_op(&b, KAFKA_OP_WAIT, 5);
    put_op(&b, KAFKA_OP_START, 0);
    put_request(&b, 22, 4, "n=tx%y i=60000 q=-1 h=-1", 0);
    put_request(&b, 15, 5, "{ s=g%h } B=1", 2);
    put_request(&b, 19, 5, "[ s=a%b i=1 h=1 [ ] [ s=cleanup%policy n=com%pact ] ] i=1000 B=0", 0);
    fuzz_seed(out, b.data, b.len);
    buf_free(&b);
}

void kafka_make_seeds(fuzz_out *out)
{
    size_t n;
    const api *table = api_table(&n);
    buf b = {0};
    for (size_t i = 0; i < n; i++) {
        for (int v = table[i].served; v <= table[i].max; v++) {
            buf_clear(&b);
            put_request(&b, table[i].key, v, NULL, 0);
            fuzz_seed(out, b.data, b.len);
        }
    }
    buf_free(&b);
    scenes(out);
    entries(out);
    zero_bytes(out);
    static const char *const words[] = {"compression.type",
                                        "max.message.bytes",
                                        "segment.bytes",
                                        "cleanup.policy",
                                        "message.timestamp.type",
                                        "LogAppendTime",
                                        "consumer",
                                        "__consumer_offsets",
                                        "__transaction_state",
                                        "client-id",
                                        "request_percentage",
                                        "roundrobin",
                                        "kafka-cluster",
                                        "User:a",
                                        "User:*",
                                        "10.0.0.9",
                                        NULL};
    fuzz_words(out, words);
}
