/*
 * The server-side assignors. "uniform" spreads partitions evenly and moves as few as it can; "range" gives each member
 * a stretch of every topic, the same for topics with as many partitions.
 */
#include <stdlib.h>

#include "base/check.h"
#include "broker/cgroup.h"

static const char *const assignors[] = {"uniform", "range"};

/* A problem to be solved. */
typedef struct problem {
    cmember **members;
    size_t members_len;
    size_t *load;
    cpart *parts;
    size_t parts_len;
    size_t *owner; /* by part; members_len: nobody */
} problem;

bool cgroup_assignor_known(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(assignors); i++)
        if (str_eqz(name, assignors[i])) return true;
    return false;
}

const char *cgroup_assignor(const cgroup *c)
{
    size_t best = 0, best_votes = 0;
    for (size_t i = 0; i < ARRAY_LEN(assignors); i++) {
        size_t votes = 0;
        void *value;
        for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
            const cmember *m = value;
            votes += m->assignor && strcmp(m->assignor, assignors[i]) == 0;
        }
        if (votes > best_votes) best = i;
        if (votes > best_votes) best_votes = votes;
    }
    return assignors[best];
}

static const ctopic *resolved_topic(const cmember *m, const uint8_t *id)
{
    const ctopic *list = (const ctopic *)(const void *)m->resolved.data;
    size_t low = 0, high = m->resolved.len / sizeof *list;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = memcmp(list[mid].id, id, 16);
        if (c == 0) return &list[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool may_have(const cmember *m, const cpart *p)
{
    const ctopic *t = resolved_topic(m, p->id);
    return t && p->partition < t->partitions;
}

/* In the order of instances and ids, so that the same members come to the same result. */
static int by_name(const void *x, const void *y)
{
    const cmember *a = *(cmember *const *)x, *b = *(cmember *const *)y;
    return strcmp(a->instance ? a->instance : a->id, b->instance ? b->instance : b->id);
}

static void set_up(const cgroup *c, problem *p)
{
    cparts all = {0};
    void *value;
    p->members_len = map_count(&c->members);
    p->members = calloc(p->members_len + 1, sizeof *p->members);
    p->load = calloc(p->members_len + 1, sizeof *p->load);
    check(p->members && p->load);
    size_t n = 0;
    for (size_t it = 0; map_next(&c->members, &it, NULL, &value);) {
        cmember *m = p->members[n++] = value;
        const ctopic *t = (const ctopic *)(const void *)m->resolved.data;
        for (size_t i = 0; i < m->resolved.len / sizeof *t; i++) {
            cpart one = {.partition = 0};
            memcpy(one.id, t[i].id, sizeof one.id);
            if (t[i].partitions > 0 && cparts_has(&all, &one)) continue;
            for (; one.partition < t[i].partitions; one.partition++) cparts_add(&all, &one);
        }
    }
    qsort(p->members, n, sizeof *p->members, by_name);
    p->parts = all.list;
    p->parts_len = all.n;
    p->owner = calloc(all.n + 1, sizeof *p->owner);
    check(p->owner);
    for (size_t i = 0; i < all.n; i++) p->owner[i] = n;
}

static void give(problem *p, size_t part, size_t to)
{
    if (p->owner[part] < p->members_len) p->load[p->owner[part]]--;
    p->owner[part] = to;
    p->load[to]++;
}

/* The member with the least load that subscribes to the part; members_len: none. */
static size_t least_loaded(const problem *p, size_t part)
{
    size_t best = p->members_len;
    for (size_t m = 0; m < p->members_len; m++) {
        if (best < p->members_len && p->load[m] >= p->load[best]) continue;
        if (may_have(p->members[m], &p->parts[part])) best = m;
    }
    return best;
}

static bool subscribe_alike(const problem *p)
{
    for (size_t m = 1; m < p->members_len; m++) {
        const buf *first = &p->members[0]->resolved, *other = &p->members[m]->resolved;
        if (first->len != other->len || (first->len > 0 && memcmp(first->data, other->data, first->len) != 0))
            return false;
    }
    return true;
}

static void uniform(problem *p)
{
    for (size_t i = 0; i < p->parts_len; i++) {
        for (size_t m = 0; m < p->members_len && p->owner[i] == p->members_len; m++) {
            bool had = cparts_has(&p->members[m]->target, &p->parts[i]);
            if (had && may_have(p->members[m], &p->parts[i])) give(p, i, m);
        }
    }
    for (size_t i = 0; i < p->parts_len; i++)
        if (p->owner[i] == p->members_len) give(p, i, least_loaded(p, i));
    /* Every move makes the loads more equal, so this ends. The last ones move, as Kafka has it for equal members. */
    bool alike = subscribe_alike(p);
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t k = 0; k < p->parts_len; k++) {
            size_t i = alike ? p->parts_len - 1 - k : k, to = least_loaded(p, i);
            if (p->load[to] + 1 >= p->load[p->owner[i]]) continue;
            give(p, i, to);
            moved = true;
        }
    }
}

static void range(problem *p)
{
    for (size_t first = 0; first < p->parts_len;) {
        size_t end = first, subscribers = 0, turn = 0;
        while (end < p->parts_len && memcmp(p->parts[end].id, p->parts[first].id, 16) == 0) end++;
        for (size_t m = 0; m < p->members_len; m++) subscribers += may_have(p->members[m], &p->parts[first]);
        size_t each = (end - first) / subscribers, more = (end - first) % subscribers, at = first;
        for (size_t m = 0; m < p->members_len; m++) {
            if (!may_have(p->members[m], &p->parts[first])) continue;
            size_t n = each + (turn++ < more);
            for (size_t i = 0; i < n; i++) give(p, at++, m);
        }
        first = end;
    }
}

void cgroup_assign(cgroup *c)
{
    problem p = {0};
    set_up(c, &p);
    if (strcmp(cgroup_assignor(c), "range") == 0)
        range(&p);
    else
        uniform(&p);
    for (size_t m = 0; m < p.members_len; m++) p.members[m]->target.n = 0;
    for (size_t i = 0; i < p.parts_len; i++) cparts_add(&p.members[p.owner[i]]->target, &p.parts[i]);
    free(p.members);
    free(p.load);
    free(p.parts);
    free(p.owner);
}
