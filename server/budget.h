/*
 * server/budget.h - the memory that clients make a loop hold: bounded in all, however many they are.
 *
 * Bytes are charged as they arrive, never as announced. A client always gets a small share. Beyond it, what all of them
 * hold together stays below a maximum: who needs more waits, and one of those who wait may always go on, so that
 * somebody finishes. Large requests leave a part of the memory to small ones, and the two do not wait for each other.
 * While memory is short, who holds some of it and moves nothing has to go: he would make the others wait for ever.
 *
 * A member is embedded in its connection. Everything belongs to the loop's thread.
 */
#ifndef SERVER_BUDGET_H
#define SERVER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUDGET_SHARE = 64 << 10, /* what each may hold in any case */
    BUDGET_LARGE = 2 << 20, /* a request is large from here on */
    BUDGET_LOOK_MS = 1000, /* how often budget_must_go is to be asked while memory is short */
};

/* One client's part. {0} is a new one. */
typedef struct budget_member {
    struct budget_member *next, **link; /* of those that wait; link NULL: it does not */
    size_t held; /* charged to it */
    size_t want; /* what it waits for */
    size_t allowed; /* what it waited for and got, and did not take yet: in held */
    size_t moved; /* bytes that it sent or took since the last look; whoever moves them adds them */
    int still; /* looks at which it had moved next to nothing */
    int64_t since_ms; /* it waits since then */
} budget_member;

/* The memory of all. */
typedef struct budget {
    size_t max;
    size_t used;
    size_t also; /* what the same clients hold elsewhere; kept up by the owner */
    struct {
        budget_member *first, **end; /* those that wait, first come first */
        budget_member *favoured; /* may go on although there is no memory left */
    } size[2]; /* small requests, large ones */
} budget;

/* Makes an empty one. */
void budget_init(budget *b, size_t max);

/* Whether m may take `more` bytes of a request of `whole` bytes. false: it waits until budget_next names it. */
bool budget_grant(budget *b, budget_member *m, size_t more, size_t whole, int64_t now_ms);

/* Notes that m holds n bytes now. */
void budget_hold(budget *b, budget_member *m, size_t n);

/* A request of m's is complete: if m could go on because one always may, another one may now. */
void budget_finished(budget *b, budget_member *m);

/* Whether m waits for memory. */
bool budget_waits(const budget_member *m);

/* One that waited and may go on now, or NULL. To be asked whenever memory may have become free. */
budget_member *budget_next(budget *b);

/* Whether memory is short: then budget_must_go is to be asked of each member from time to time. */
bool budget_short(const budget *b);

/* Whether m, which holds `elsewhere` bytes in what `also` counts, is to be closed to make room. */
bool budget_must_go(budget *b, budget_member *m, size_t elsewhere, int64_t now_ms);

/* m ends: what it held is free. */
void budget_leave(budget *b, budget_member *m);

#endif
