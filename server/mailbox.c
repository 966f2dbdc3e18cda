#include "server/mailbox.h"

#include <stddef.h>

void mailbox_post(mailbox *b, mail *m)
{
    mail *head = atomic_load_explicit(&b->head, memory_order_relaxed);
    do {
        m->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&b->head, &head, m, memory_order_release, memory_order_relaxed));
    if (!head) b->wake(b->arg);
}

bool mailbox_run(mailbox *b)
{
    mail *m = atomic_exchange_explicit(&b->head, NULL, memory_order_acquire);
    mail *first = NULL;
    if (!m) return false;
    while (m) { /* the box is a stack: turn it round */
        mail *next = m->next;
        m->next = first;
        first = m;
        m = next;
    }
    while (first) {
        mail *next = first->next;
        first->run(first);
        first = next;
    }
    return true;
}
