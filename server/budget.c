#include "server/budget.h"

#include "base/check.h"

/*
 * KEPT: the part of the memory that large requests leave to small ones, as a divisor. PACE: who moves less between two
 * looks stands still; after STILL_MAX of them he goes. Who waits longer than WAIT_MS has been given up by his client
 * (Kafka's request.timeout.ms), and what he sent so far is in the way. Nobody goes for less than HELD_MIN.
 */
enum { KEPT = 4, PACE = 64 << 10, STILL_MAX = 3, WAIT_MS = 30000, HELD_MIN = 16 << 10 };

enum { SMALL, LARGE };

void budget_init(budget *b, size_t max)
{
    *b = (budget){.max = max};
    for (int i = SMALL; i <= LARGE; i++) b->size[i].end = &b->size[i].first;
}

/* What a large request has beyond the maximum, because one may always go on, is not taken from the small ones. */
static bool fits(const budget *b, size_t more, int size)
{
    const budget_member *over = b->size[LARGE].favoured;
    size_t used = b->used + b->also, max = b->max;
    if (size == LARGE)
        max -= max / KEPT;
    else if (over)
        used -= over->held;
    return used <= max && more <= max - used;
}

static void enqueue(budget *b, budget_member *m, int size)
{
    m->next = NULL;
    m->link = b->size[size].end;
    *m->link = m;
    b->size[size].end = &m->next;
}

static void dequeue(budget *b, budget_member *m)
{
    if (!m->link) return;
    *m->link = m->next;
    if (m->next) m->next->link = m->link;
    for (int i = SMALL; i <= LARGE; i++) {
        if (b->size[i].end == &m->next) b->size[i].end = m->link;
    }
    m->next = NULL;
    m->link = NULL;
}

bool budget_grant(budget *b, budget_member *m, size_t more, size_t whole, int64_t now_ms)
{
    check(!m->link);
    int size = whole >= BUDGET_LARGE ? LARGE : SMALL;
    size_t allowed = m->allowed;
    if (allowed > 0) budget_hold(b, m, m->held - allowed);
    if (more <= allowed || m->held + more <= BUDGET_SHARE || m == b->size[size].favoured) return true;
    /* Who comes now does not overtake those who wait for the same memory. */
    if (!b->size[size].first) {
        if (fits(b, more, size)) return true;
        if (!b->size[size].favoured) {
            b->size[size].favoured = m;
            return true;
        }
    }
    m->want = more;
    m->since_ms = now_ms;
    enqueue(b, m, size);
    return false;
}

void budget_hold(budget *b, budget_member *m, size_t n)
{
    b->used += n;
    b->used -= m->held;
    m->held = n;
    m->allowed = 0;
    if (n == 0) budget_finished(b, m);
}

void budget_finished(budget *b, budget_member *m)
{
    for (int i = SMALL; i <= LARGE; i++) {
        if (b->size[i].favoured == m) b->size[i].favoured = NULL;
    }
}

bool budget_waits(const budget_member *m)
{
    return m->link != NULL;
}

budget_member *budget_next(budget *b)
{
    for (int i = SMALL; i <= LARGE; i++) {
        budget_member *m = b->size[i].first;
        if (!m) continue;
        bool room = fits(b, m->want, i);
        if (!room && b->size[i].favoured) continue;
        dequeue(b, m);
        budget_hold(b, m, m->held + m->want);
        m->allowed = m->want;
        if (!room) b->size[i].favoured = m;
        m->still = 0;
        m->moved = 0;
        return m;
    }
    return NULL;
}

bool budget_short(const budget *b)
{
    for (int i = SMALL; i <= LARGE; i++) {
        if (b->size[i].first || b->size[i].favoured) return true;
    }
    return !fits(b, 0, LARGE);
}

bool budget_must_go(budget *b, budget_member *m, size_t elsewhere, int64_t now_ms)
{
    bool slow = m->moved < PACE;
    m->moved = 0;
    if (!budget_short(b)) {
        m->still = 0;
        return false;
    }
    if (m->link) return now_ms - m->since_ms > WAIT_MS;
    m->still = slow && m->held + elsewhere >= HELD_MIN ? m->still + 1 : 0;
    return m->still >= STILL_MAX;
}

void budget_leave(budget *b, budget_member *m)
{
    dequeue(b, m);
    budget_hold(b, m, 0);
}
