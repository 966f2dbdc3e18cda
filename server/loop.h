/*
 * server/loop.h - a thread with an event loop and a mailbox.
 *
 * Handles are added before loop_start or on the loop's own thread. Other threads reach it by loop_post only.
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <uv.h>

#include "base/diag.h"
#include "server/mailbox.h"

/* Public layout: listeners put their handles on uv. */
typedef struct loop {
    uv_loop_t uv;
    int alarm_fd; /* an eventfd: rung by those who post */
    uv_poll_t alarm;
    mailbox box;
    pthread_t thread;
    bool started;
    mail stop;
    const char *name;
    bool stopping_now;
    /* Runs on the loop's thread when loop_stop was called: closes what was put on it. */
    void (*stopping)(void *arg);
    /* Asked after that until it is true: false while letters are still expected. NULL: none are. */
    bool (*drained)(void *arg);
    void *stopping_arg;
} loop;

/* Makes the loop; name is shown as the thread's name (15 characters at most). */
bool loop_init(loop *l, const char *name, diag *d);

/* Starts the thread. Signals are blocked in it. */
bool loop_start(loop *l, diag *d);

/* Any thread: m->run(m) on the loop's thread. */
void loop_post(loop *l, mail *m);

/* Stops, waits for the thread and frees the loop; every handle must be closed by `stopping`. */
void loop_stop(loop *l);

/* Starts a thread of another kind with signals blocked and a name. */
bool thread_start(pthread_t *thread, const char *name, void *(*fn)(void *arg), void *arg, diag *d);

#endif
