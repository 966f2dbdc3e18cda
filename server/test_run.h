/*
 * server/test_run.h - one test case: a catalogue, topics in memory, and the queries that run over them.
 *
 * Everything of a case lives in its arena and goes with it. One thread.
 */
#ifndef SERVER_TEST_RUN_H
#define SERVER_TEST_RUN_H

#include "base/json.h"
#include "server/test_log.h"
#include "sql/sql.h"

/* A topic and the stream or table that says what its bytes are. */
typedef struct test_owner {
    str topic;
    const source *src;
} test_owner;

/* A case under way. */
typedef struct test_run {
    arena *a;
    test_log log;
    const catalog *catalog;
    const catalog **kept; /* earlier snapshots, until the case ends: owners point into them */
    int kept_count;
    sql_session session;
    test_owner *owners;
    int owner_count;
    int64_t next_id; /* of queries */
    int64_t now_ms; /* the case's begin: all that UNIX_TIMESTAMP() and INSERT VALUES see of a clock */
} test_run;

/* Begins a case with the given arena. */
void test_run_begin(test_run *r, arena *a);
void test_run_end(test_run *r);

/* Executes one statement text (one or several statements) and applies its effects. */
bool test_run_statement(test_run *r, str text, diag *d);

/* Writes an input record of the case. */
bool test_run_input(test_run *r, const json_value *input, diag *d);

/* Runs the persistent queries one after another. */
bool test_run_queries(test_run *r, const json_value *inputs, diag *d);

/* The stream or table that describes a topic's bytes, or NULL. */
const source *test_run_owner(const test_run *r, str topic);

#endif
