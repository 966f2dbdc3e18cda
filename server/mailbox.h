/*
 * server/mailbox.h - messages between threads: many post, one takes all that are there at once.
 *
 * Letters are intrusive: whoever posts one owns no part of it until it was run. Posting is lock-free and wakes the
 * receiver only when the box was empty, so a busy receiver costs its senders no system call. Letters run in the order
 * in which they were posted by each sender.
 */
#ifndef SERVER_MAILBOX_H
#define SERVER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct mail mail;

/* A letter: embed it, set run, post it. run may free it. */
struct mail {
    mail *next;
    void (*run)(mail *m);
};

/* Public layout: embedded in loops. wake(arg) is called by a posting thread. */
typedef struct mailbox {
    _Atomic(mail *) head;
    void (*wake)(void *arg);
    void *arg;
} mailbox;

/* Any thread. */
void mailbox_post(mailbox *b, mail *m);

/* The receiving thread: runs all letters that are there. Returns false when there were none. */
bool mailbox_run(mailbox *b);

#endif
