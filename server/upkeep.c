#include "server/upkeep.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "state/sqlite_db.h"

enum { SHOW_MS = 1000, SWEEP_MS = 60 * 1000, POSITIONS_MAX = 1 << 16 };

/* Travels to the loop thread with all that it needs, as the query may be gone when it arrives. */
typedef struct letter {
    broker *broker;
    arena *mem;
    str group;
    broker_group_offset *offsets;
    size_t count;
} letter;

static void write_offsets(void *arg, broker_time now)
{
    letter *l = arg;
    diag d = {0};
    if (!broker_group_write(l->broker, l->group, l->offsets, l->count, now, &d))
        log_warn("server", "offsets of %.*s: %s", STR_ARG(l->group), d.text);
    arena_free(l->mem);
}

static void show(upkeep *u, query *q, broker *b)
{
    arena *mem = arena_new();
    int n = query_committed(q, NULL, 0);
    check(n <= POSITIONS_MAX);
    query_position *positions = ARENA_ARRAY(mem, query_position, (size_t)n + 1);
    int have = query_committed(q, positions, n);
    if (have < n) n = have;
    letter *l = ARENA_NEW(mem, letter);
    *l = (letter){.broker = b, .mem = mem, .group = arena_str(mem, u->group)};
    l->offsets = ARENA_ARRAY(mem, broker_group_offset, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        l->offsets[l->count++] = (broker_group_offset){.topic = arena_str(mem, positions[i].topic),
                                                       .partition = positions[i].partition,
                                                       .offset = positions[i].offset};
    }
    if (l->count > 0)
        broker_post(b, write_offsets, l);
    else
        arena_free(mem);
}

void upkeep_committed(upkeep *u)
{
    atomic_store(&u->moved, true);
}

void upkeep_do(upkeep *u, query *q, store_db *db, broker *b, int64_t now_ms)
{
    if (now_ms - u->shown_ms >= SHOW_MS && atomic_exchange(&u->moved, false)) {
        u->shown_ms = now_ms;
        show(u, q, b);
    }
    if (now_ms - u->swept_ms < SWEEP_MS) return;
    u->swept_ms = now_ms;
    store_sqlite_sweep(db);
}

void upkeep_end(upkeep *u, query *q, broker *b)
{
    if (atomic_exchange(&u->moved, false)) show(u, q, b);
}
