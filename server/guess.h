/*
 * server/guess.h - the formats that the keys or values of a topic may have, narrowed down with every record, for PRINT.
 *
 * One side of one topic; one thread at a time. The order of the formats, and how each shows its data, are ksqlDB's; a
 * window is only believed when its bounds are times between 1970 and 3000.
 */
#ifndef SERVER_GUESS_H
#define SERVER_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* What is still possible: a bit for each format and window. */
typedef struct guess {
    uint32_t possible;
    bool seen; /* some data that is not null */
} guess;

/* Everything is possible; windows only for keys. */
guess guess_new(bool key);
/* Narrows down by one datum (p == NULL: null, which says nothing). */
void guess_look(guess *g, str bytes);
/* Appends the datum as the first format that is left shows it. */
void guess_print(const guess *g, str bytes, buf *out);
/* Appends the names of what is left: "JSON or KAFKA_STRING". */
void guess_names(const guess *g, buf *out);

#endif
