/*
 * tests/fuzz/kafka_seeds.h - inputs of fuzz_broker: valid requests of every API and version, alone and in scenes.
 *
 * One thread.
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

/* Makes all inputs. */
void kafka_make_seeds(fuzz_out *out);

#endif
