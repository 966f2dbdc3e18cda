/*
 * tests/fuzz/kafka_seeds.h - inputs of fuzz_broker: valid requests of every API and version, alone and in scenes.
 *
 * One thread. Requests are written from a table of their fields, after the message definitions of Apache Kafka.
 */
#ifndef TESTS_FUZZ_KAFKA_SEEDS_H
#define TESTS_FUZZ_KAFKA_SEEDS_H

#include "tests/fuzz/fuzz.h"

/* Operations of fuzz_broker beside plain requests (every other number). */
enum {
    KAFKA_OP_REQUEST = 0,
    KAFKA_OP_MEND = 1, /* a request whose record batches get right checksums */
    KAFKA_OP_RAW = 11,
    KAFKA_OP_WAIT = 12,
    KAFKA_OP_HANG_UP = 13,
    KAFKA_OP_START = 14, /* a restart, a kill or a power loss */
    KAFKA_OP_CLEAN = 15,
};

/*
 * Appends a whole request frame without its length; `fields` NULL: a valid request of this API, else its body's fields
 * as the table in kafka_seeds.c writes them.
 */
void kafka_make_request(buf *frame, int16_t key, int16_t version, const char *fields);

/* Makes all inputs. */
void kafka_make_seeds(fuzz_out *out);

#endif
