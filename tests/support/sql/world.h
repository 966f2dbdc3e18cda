/*
 * tests/support/sql/world.h - a catalogue, a session and topics in memory, for tests of statements.
 *
 * Effects are noted and topics made; nothing runs. One thread.
 */
#ifndef TESTS_SUPPORT_SQL_WORLD_H
#define TESTS_SUPPORT_SQL_WORLD_H

#include "sql/parse.h"
#include "sql/sql.h"

enum { WORLD_TOPICS = 64 };

/* One topic that exists. */
typedef struct world_topic {
    str name;
    sql_topic topic;
} world_topic;

/* What statements run against. */
typedef struct world {
    arena *a;
    const catalog *catalog;
    const catalog *before; /* of the last statement */
    sql_session session;
    world_topic topics[WORLD_TOPICS];
    int topic_count;
    int64_t next_id;
    sql_outcome out; /* of the last statement */
    diag d; /* of the last statement */
    const char *text;
} world;

/* A world with the topics t1 (1 partition), t4 (4 partitions) and no sources. */
world *world_new(void);
void world_free(world *w);

/* Executes one or more statements; false at the first that fails, whose error is in w->d. */
bool world_try(world *w, const char *text);
/* The same; ends the test when it fails. */
void world_run(world *w, const char *text);
/*
 * Executes a statement that must fail: with this in its message, and with its place at the first occurrence of `where`
 * in the text (NULL: not checked). The catalogue must be as it was.
 */
void world_refuses(world *w, const char *text, const char *message, const char *where);

/* The schema of a source as text. */
const char *world_schema(world *w, const char *name);
/* The operator tree of the last query that was started. */
const char *world_plan(world *w);
/* The n-th effect of the last statement. */
const effect *world_effect(const world *w, int n);

#endif
