/*
 * engine/format/json_value.h - one JSON value by the rules of a SQL type.
 *
 * Internal to engine/format; one thread at a time.
 */
#ifndef ENGINE_FORMAT_JSON_VALUE_H
#define ENGINE_FORMAT_JSON_VALUE_H

#include "base/json_scan.h"
#include "engine/format/codec.h"

/* What reading needs besides the cursor. A failure leaves `message` (conversion) or the cursor's `why` (bad JSON). */
typedef struct json_ctx {
    arena *mem;
    buf *message;
    bool path_done;
    bool exact; /* what json_put_exact wrote: a MAP is an array of pairs */
} json_ctx;

/* A step of a JSON path, linked upwards on the stack: an array index, or a name when index is -1. */
typedef struct json_step {
    const struct json_step *up;
    int64_t index;
    str name;
    const char *suffix;
} json_step;

/* Reads the value at the cursor. False on a value that does not convert or is malformed. */
bool json_value_read(json_ctx *x, json_in *in, const type *t, const json_step *up, value *out);

/* STRING from any value but null. */
bool json_value_string(json_ctx *x, json_in *in, str *out);

/* Sets the message of a value of the wrong kind; false. */
bool json_value_mismatch(json_ctx *x, const json_in *in, const type *t);

/* Appends ", path: $..." to a message that was set. */
void json_value_path(json_ctx *x, const json_step *step);

/* The field that a JSON name means: by exact name, else by its upper-cased form; -1: none. */
int json_value_field(str key, int count, str (*name)(const void *ctx, int i), const void *ctx, bool *exact);

#endif
