/* Locks and shared mappings of the test twin. Locks belong to the handle, as OFD locks do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_sim_int.h"

static sim_node *node_of(file *f)
{
    return ((sim_file *)f)->node;
}

static sim_lock *locks_of(sim_node *node, size_t *count)
{
    *count = node->locks.len / sizeof(sim_lock);
    return (sim_lock *)(void *)node->locks.data;
}

int sim_lock_whole(file *f)
{
    fs_sim *sim = sim_of(f->fs);
    pthread_mutex_lock(&sim->mutex);
    sim_node *node = node_of(f);
    bool taken = node->whole_lock && node->whole_lock != f;
    if (!taken) node->whole_lock = f;
    pthread_mutex_unlock(&sim->mutex);
    return taken ? -EWOULDBLOCK : 0;
}

/* Whether somebody else's lock meets [at, end) in a way that the kind cannot share. */
static bool in_the_way(sim_node *node, const file *f, uint64_t at, uint64_t end, bool exclusive)
{
    size_t count;
    const sim_lock *locks = locks_of(node, &count);
    for (size_t i = 0; i < count; i++) {
        if (locks[i].owner == f || locks[i].end <= at || locks[i].at >= end) continue;
        if (exclusive || locks[i].exclusive) return true;
    }
    return false;
}

/* Takes [at, end) out of the owner's locks, keeping what sticks out on either side. */
static void cut_out(sim_node *node, const file *owner, uint64_t at, uint64_t end)
{
    buf kept = {0};
    size_t count;
    const sim_lock *locks = locks_of(node, &count);
    for (size_t i = 0; i < count; i++) {
        sim_lock l = locks[i];
        if (l.owner != owner || l.end <= at || l.at >= end) {
            buf_add(&kept, &l, sizeof l);
            continue;
        }
        sim_lock left = {owner, l.at, at, l.exclusive};
        sim_lock right = {owner, end, l.end, l.exclusive};
        if (left.at < left.end) buf_add(&kept, &left, sizeof left);
        if (right.at < right.end) buf_add(&kept, &right, sizeof right);
    }
    buf_free(&node->locks);
    node->locks = kept;
}

int sim_lock_range(file *f, uint64_t at, uint64_t n, file_lock_kind kind)
{
    fs_sim *sim = sim_of(f->fs);
    sim_node *node = node_of(f);
    uint64_t end = n == 0 ? UINT64_MAX : at + n;
    pthread_mutex_lock(&sim->mutex);
    bool refused = kind != FILE_UNLOCK && in_the_way(node, f, at, end, kind == FILE_LOCK_EXCLUSIVE);
    if (!refused) {
        cut_out(node, f, at, end);
        sim_lock mine = {f, at, end, kind == FILE_LOCK_EXCLUSIVE};
        if (kind != FILE_UNLOCK) buf_add(&node->locks, &mine, sizeof mine);
    }
    pthread_mutex_unlock(&sim->mutex);
    return refused ? -EAGAIN : 0;
}

int sim_lock_test(file *f, uint64_t at, uint64_t n, bool *held)
{
    fs_sim *sim = sim_of(f->fs);
    pthread_mutex_lock(&sim->mutex);
    *held = in_the_way(node_of(f), f, at, n == 0 ? UINT64_MAX : at + n, true);
    pthread_mutex_unlock(&sim->mutex);
    return 0;
}

void sim_locks_drop(sim_node *node, const file *owner)
{
    if (node->whole_lock == owner) node->whole_lock = NULL;
    cut_out(node, owner, 0, UINT64_MAX);
}

int sim_map_region(file *f, uint64_t at, size_t n, void **p)
{
    fs_sim *sim = sim_of(f->fs);
    sim_node *node = node_of(f);
    pthread_mutex_lock(&sim->mutex);
    sim_map *maps = (sim_map *)(void *)node->maps.data;
    sim_map *found = NULL;
    for (size_t i = 0; i < node->maps.len / sizeof *maps; i++) {
        if (maps[i].at == at && maps[i].n == n) found = &maps[i];
    }
    if (found) {
        found->users++;
        *p = found->p;
    } else {
        sim_map m = {at, n, calloc(1, n), 1};
        check(m.p != NULL);
        if (at < node->now.len) memcpy(m.p, node->now.data + at, node->now.len - at < n ? node->now.len - at : n);
        buf_add(&node->maps, &m, sizeof m);
        *p = m.p;
    }
    pthread_mutex_unlock(&sim->mutex);
    return 0;
}

/* The last user's bytes go back into the file. */
void sim_unmap_region(file *f, void *p, size_t n)
{
    fs_sim *sim = sim_of(f->fs);
    sim_node *node = node_of(f);
    pthread_mutex_lock(&sim->mutex);
    sim_map *maps = (sim_map *)(void *)node->maps.data;
    size_t count = node->maps.len / sizeof *maps;
    size_t i = 0;
    while (i < count && maps[i].p != p) i++;
    check(i < count && maps[i].n == n);
    if (--maps[i].users == 0) {
        size_t at = (size_t)maps[i].at;
        if (at < node->now.len) memcpy(node->now.data + at, p, node->now.len - at < n ? node->now.len - at : n);
        free(p);
        maps[i] = maps[count - 1];
        node->maps.len -= sizeof *maps;
    }
    pthread_mutex_unlock(&sim->mutex);
}
