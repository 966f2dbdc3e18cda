/*
 * engine/op/source.h - the head of a task's pipeline: records decoded ahead, rows handed out in ranges.
 *
 * Belongs to one task. A source holds at most one decoded batch; the task takes ranges of its rows in order of event
 * time.
 */
#ifndef ENGINE_OP_SOURCE_H
#define ENGINE_OP_SOURCE_H

#include "engine/op/op.h"

typedef struct source source;

/* Where reading of a partition stands: everything before `offset` has been pushed. */
typedef struct source_position {
    int32_t partition;
    io_topic_id topic_id;
    int64_t offset;
    int64_t end_offset; /* as last seen; -1: unknown */
} source_position;

/* `input` is the feed's number of this source. NULL with env->error set. */
source *source_open(op_env *env, const plan *p, op *next, int side, io_feed *feed, int input);
op *source_op(source *s);

/* Makes rows ready, if there are none: IO_OK, IO_EMPTY, IO_END or IO_FAILED. */
io_status source_fill(source *s);
/*
 * Whether the last fill took records and dropped all of them (it says IO_EMPTY then, though there may be more): the
 * position has moved, which is worth a commit, and one step need not read through a whole topic of bad records.
 */
bool source_skipped(source *s);
/* Rows are at hand. */
bool source_ready(const source *s);
bool source_ended(const source *s);
/* The feed's word on going on without this source, which has no rows at hand. */
bool source_may_pass(source *s, int64_t now);
/* Event time of the next row; only when ready. */
int64_t source_head(const source *s);
/* Pushes the next rows: those up to the first whose event time is beyond `limit`, but at least one. */
bool source_push(source *s, int64_t limit);

/* Positions of all partitions of this source. */
int source_positions(source *s, const source_position **out);
/* Takes up a stored position; the feed is sought. False with env->error set when the log does not fit it. */
bool source_seek(source *s, int32_t partition, const io_topic_id *topic, int64_t offset);
/* Seeks the partitions that have no stored position to where the plan starts. */
bool source_start(source *s);

#endif
