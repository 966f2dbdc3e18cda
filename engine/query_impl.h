/*
 * engine/query_impl.h - the inside of a running query: stages, tasks, the commit in flight.
 *
 * Internal to engine/query*.c, engine/task.c and engine/pull.c. `lock` guards the commit's state and the error;
 * operators and inputs belong to their task.
 */
#ifndef ENGINE_QUERY_IMPL_H
#define ENGINE_QUERY_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/exchange.h"
#include "engine/op/op.h"
#include "engine/op/source.h"
#include "engine/query.h"

enum { STAGES_MAX = 32, INPUTS_MAX = 32 };

/* A piece of the plan between exchanges. */
typedef struct stage {
    query *q;
    const plan *root; /* the sink, or the rekey step whose rows are sent */
    bool sends;
    exchange *out; /* of a stage that sends */
    int to; /* the stage that receives */
    int partitions;
    int first_task;
    atomic_int at_boundary; /* tasks that reached the boundary in flight */
    atomic_int done; /* tasks that have ended */
} stage;

/* Where a task's rows come from: a source or an exchange. */
typedef struct input {
    source *source; /* NULL: an exchange */
    exchange *x;
    int from_stage;
    op *to;
    int side;
    exchange_rows *heads; /* of an exchange: by sender, what was taken and is not yet pushed whole */
    uint32_t *at; /* the next row of each */
    int waiting; /* how many heads there are */
} input;

struct task {
    query *q;
    int stage;
    int32_t partition;
    int index;
    arena *mem;
    op_env env;
    input inputs[INPUTS_MAX];
    int input_count;
    int source_count;
    io_feed *feed; /* of its sources; NULL until the first is built */
    bool ended; /* LIMIT reached */
    bool done;
    int64_t arrived; /* the last generation whose boundary this task has reached; only its own worker touches it */
    int64_t flushed; /* without commits: when changes were last handed on */
    diag error;
    atomic_ullong pushed; /* rows taken from sources, to know whether there is something to commit */
};

struct query {
    arena *mem;
    query_options options;
    const plan *root;
    stage stages[STAGES_MAX];
    int stage_count;
    task **tasks;
    int task_count;
    query_input *inputs;
    int input_count;
    const plan *steps[256];
    int step_count;

    pthread_mutex_t lock;
    atomic_bool failed;
    diag error;
    atomic_llong draining; /* the generation whose boundary the tasks are to reach; 0: none */
    atomic_int status; /* commit_status */
    int at_boundary;
    atomic_llong generation; /* last decided */
    unsigned long long committed_rows; /* pushed rows at the last boundary */

    io_input_position *committed; /* of the last decided generation; on the heap, guarded by lock */
    int committed_count;

    /* The frozen generation. */
    arena *commit_mem;
    int64_t frozen;
    bool unresolved; /* the database was asked to decide and has not said that it did */
    io_input_position *positions;
    int position_count;
    store_number *numbers;
    int number_count;
    store **stores;
    int store_count;
};

/* Builds a task's operators and inputs. False with q->error set. */
bool task_build(task *t);
void task_close(task *t);

/* Makes the query fail; the first reason stays. */
void query_fail(query *q, const diag *d);
void query_wake(query *q, task *t);

/* A task reached the boundary; the last one freezes. */
void query_reached_boundary(query *q, task *t);

/* Loads positions and numbers of the last decided generation, and resolves what the sink left open. */
bool query_recover(query *q, diag *d);

/* Ends the outputs of a generation whose decision is unknown as the database says; open they stay if it does not. */
void query_resolve(query *q);

/* The change records of a frozen generation, for a log that decides. */
typedef struct changes changes;
io_changes *changes_open(query *q);
void changes_close(io_changes *c);
/* Applies one such record to the query's stores. */
bool changes_apply(void *q, const io_change *c, diag *d);

/* The number of an operator by the name under which it is saved; NULL: unknown. */
int64_t *query_number(query *q, str name, int32_t partition);

#endif
