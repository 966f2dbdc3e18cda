/*
 * tests/support/engine/rig.h - a world of memory around a query: topics, feeds, a transactional sink, plans from text.
 *
 *     rig *r = rig_new();
 *     const plan *p = rig_source(r, "in", "ID BIGINT KEY, N INT", FORMAT_JSON);
 *     p = rig_filter(r, p, "N > 3");
 *     rig_start(r, rig_sink(r, p, "out", FORMAT_JSON));
 *     rig_put(r, "in", 0, "1", "{\"N\":5}", 100);
 *     rig_run(r);
 *     ck_assert_str_eq(rig_text(r, "out"), "1 {\"N\":5} @100\n");
 *
 * Topics outlive the query: rig_stop and rig_start model a restart. One thread.
 */
#ifndef TESTS_SUPPORT_ENGINE_RIG_H
#define TESTS_SUPPORT_ENGINE_RIG_H

#include "engine/query.h"

typedef struct rig rig;

/* An empty world, and its end. */
rig *rig_new(void);
void rig_free(rig *r);

/* What the query is started with; may be changed before rig_start. `single_task` is true at first. */
query_options *rig_options(rig *r);
arena *rig_arena(rig *r);

/* "ID BIGINT KEY, NAME STRING": columns of a schema. */
const schema *rig_schema(rig *r, const char *columns, bool table);

/* Plan steps. Names of columns come from the inputs; `exprs` is "expr AS NAME, ..." split at top-level ';'. */
plan *rig_source(rig *r, const char *topic, const char *columns, format_kind value_format);
plan *rig_table(rig *r, const char *topic, const char *columns, format_kind value_format);
plan *rig_filter(rig *r, const plan *in, const char *predicate);
plan *rig_project(rig *r, const plan *in, const char *exprs);
plan *rig_rekey(rig *r, const plan *in, const char *keys, bool group, int partitions);
/* "COUNT(*) AS N; SUM(V) AS S": arguments are expressions, trailing constants as `TOPK(V, #3)`. */
plan *rig_aggregate(rig *r, const plan *in, const char *calls, plan_window window);
plan *rig_suppress(rig *r, const plan *in);
plan *rig_sink(rig *r, const plan *in, const char *topic, format_kind value_format);
/* A join of two keyed inputs: all columns of both, key first, values as L_x and R_x. */
plan *rig_join(rig *r, const plan *left, const plan *right, join_kind kind);

/* A topic with more than one partition, made before the first use. */
void rig_topic(rig *r, const char *topic, int partitions);
/* Appends a record; NULL key or value: null. */
void rig_put(rig *r, const char *topic, int partition, const char *key, const char *value, int64_t timestamp);
void rig_put_header(rig *r, const char *topic, const char *key, const char *value, int64_t timestamp,
                    const char *header_key, const char *header_value);

/* Starts the query; the sink step decides its output topic. A failure ends the test unless `d` is given. */
query *rig_start(rig *r, const plan *sink);
query *rig_try_start(rig *r, const plan *sink, diag *d);
/* Ends it as a stop does, or as a crash: nothing more is written. */
void rig_stop(rig *r);
query *rig_query(rig *r);

/* Steps all tasks in turn until none has anything to do. False: the query failed. */
bool rig_run(rig *r);
/* One commit: boundary and decision. */
bool rig_commit(rig *r);

/*
 * Records of a topic as "key value @timestamp" lines, a null as `null`, windowed keys as bytes in hex behind the key.
 * With a database: `committed` leaves out what is open or aborted.
 */
const char *rig_text(rig *r, const char *topic);
const char *rig_committed(rig *r, const char *topic);
/* Forgets the records of an output topic. */
void rig_clear(rig *r, const char *topic);
/* Lines of the processing log: "kind topic/partition@offset message". */
const char *rig_log(rig *r);

/* Where the next commit dies. */
typedef enum rig_crash {
    RIG_NO_CRASH,
    RIG_CRASH_BEFORE_PREPARE, /* outputs are not durable */
    RIG_CRASH_BEFORE_DECISION, /* they are, but the store (or the log) has not decided */
    RIG_CRASH_AFTER_DECISION, /* decided, markers are missing (store), or the store has not applied it (log) */
} rig_crash;
void rig_crash_next(rig *r, rig_crash at);
/* The log decides instead of the store; before rig_start. */
void rig_log_decides(rig *r);
/* The sink takes nothing until told otherwise. */
void rig_block_sink(rig *r, bool blocked);

#endif
